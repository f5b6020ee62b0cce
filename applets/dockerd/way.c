/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/way.c - network drivers by name, as the supervisor starts and keeps them
 *
 * Theory of operation
 *   DOCKERD_ROOTLESS_ROOTLESSKIT_NET names one (net/driver.h); it is checked before anything is made, in the words of
 *   dockerd-rootless.sh and RootlessKit.  The engine makes the namespace, and asks for the driver when it has
 *   it; also where the relay does not work, for any that will do.  A driver outlives engines, as the
 *   namespace does; one that dies is followed by the next after a pause; one for a namespace that has gone
 *   is replaced.
 */
#include "supervisor.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIX "DOCKERD_ROOTLESS_ROOTLESSKIT_"
#define PAUSE_NS NS_PER_S

static const char *setting(const char *name, const char *def)
{
	cleanup_free char *full = xasprintf(PREFIX "%s", name);
	const char *v = getenv(full);

	return v && *v ? v : def;
}

static struct driver_options options_of(const char *name)
{
	const struct kit *k = flags_kit();

	return (struct driver_options){.name = name, .mtu = setting("MTU", ""), .cidr = k->cidr, .ifname = k->ifname,
		.binary = kit_binary_of(k, name), .bridge = k->lxc_bridge, .ipv6 = k->ipv6, .debug = k->debug,
		.sandbox = setting("SLIRP4NETNS_SANDBOX", "auto"), .seccomp = setting("SLIRP4NETNS_SECCOMP", "auto"),
		.no_host_loopback = strcmp(setting("DISABLE_HOST_LOOPBACK", "true"), "false") != 0};
}

/* --- before anything is made ---------------------------------------------------------------------------- */

static int check_port_driver(const char *net, struct err *e)
{
	static const char *const known[] = {"builtin", "none", "implicit", "slirp4netns", "", NULL};
	const char *driver = setting("PORT_DRIVER", "");

	if (!str_in(driver, known))
		return err_kind(e, ERR_INVALID, "unknown port driver: %s", driver);
	if (!strcmp(driver, "slirp4netns") && strcmp(net, "slirp4netns"))
		return err_kind(e, ERR_INVALID, "port driver requires slirp4netns network");
	if (!strcmp(driver, "implicit") && strcmp(net, "pasta"))
		return err_kind(e, ERR_INVALID, "port driver requires pasta network");
	if (!strcmp(driver, "builtin") && !strcmp(net, "pasta"))
		return err_kind(e, ERR_INVALID, "network \"pasta\" requires port driver \"none\" or \"implicit\"");
	return 0;
}

static int check_switch(const char *name, struct err *e)
{
	static const char *const values[] = {"", "auto", "true", "false", NULL};
	const char *v = setting(name, "");

	return str_in(v, values) ? 0 : err_kind(e, ERR_INVALID, PREFIX "%s: \"%s\" is neither true nor false", name, v);
}

int way_check(struct err *e)
{
	const char *net = setting("NET", "relay");
	struct driver_options o = options_of(driver_known(net) ? net : "slirp4netns");

	if (!strcmp(net, "host"))
		return err_kind(e, ERR_INVALID, "Unsupported RootlessKit network driver: %s", net);
	if (strcmp(net, "relay") && !driver_known(net)) {
		err_kind(e, ERR_INVALID, "unknown network mode: %s", net);
		return err_hint(e, PREFIX "NET is one of relay (the default), slirp4netns, pasta, vpnkit, lxc-user-nic, "
				       "gvisor-tap-vsock");
	}
	if (driver_check(&o, e) || check_port_driver(net, e) || check_switch("DISABLE_HOST_LOOPBACK", e) ||
		check_switch("DETACH_NETNS", e))
		return -1;
	return driver_known(net) ? driver_installed(&o, e) : 0;
}

/* --- for the engine --------------------------------------------------------------------------------------- */

static ino_t inode_of(pid_t engine, const char *netns)
{
	cleanup_free char *path = xasprintf("/proc/%d/root%s", (int)engine, netns);
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static int start(struct way *w, pid_t engine, const char *exec_root, struct err *e)
{
	cleanup_free char *netns = fs_join(exec_root, "netns");
	struct driver_place place = {engine, netns, exec_root};
	struct driver_options o = options_of(w->name);

	if (driver_start(&w->driver, &o, &place, e))
		return -1;
	if (driver_forward(&w->driver, &o, &place, e)) {
		driver_stop(&w->driver);
		return -1;
	}
	w->netns = inode_of(engine, netns);
	w->running = true;
	log_info("network driver %s: %s, gateway %s", w->name, w->driver.child_ip, w->driver.gateway);
	return 0;
}

/* Where the relay cannot work, the first that can: slirp4netns needs no nftables; pasta knows one address alone, so
 * that those of containers have to be rewritten. */
static int stand_in(struct way *w, pid_t engine, const char *exec_root, struct err *e)
{
	static const char *const names[] = {"slirp4netns", "pasta"};
	struct err why[ARRAY_SIZE(names)] = {ERR_INIT, ERR_INIT};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct driver_options o = options_of(names[i]);

		snprintf(w->name, sizeof(w->name), "%s", names[i]);
		if (!driver_installed(&o, &why[i]) && !start(w, engine, exec_root, &why[i]))
			return 0;
	}
	err_kind(e, ERR_NOT_FOUND, "%s; %s", why[0].msg, why[1].msg);
	return *why[0].hint ? err_hint(e, "%s", why[0].hint) : -1;
}

static int connect_engine(struct way *w, pid_t engine, const char *exec_root, const char *name, struct err *e)
{
	cleanup_free char *netns = fs_join(exec_root, "netns");

	/* Of the engine before; this one has found its forwarding, and forbidden it. */
	if (w->running && w->netns == inode_of(engine, netns) && (!*name || !strcmp(name, w->name))) {
		struct driver_place place = {engine, netns, exec_root};
		struct driver_options o = options_of(w->name);

		return driver_forward(&w->driver, &o, &place, e);
	}
	way_stop(w);
	snprintf(w->name, sizeof(w->name), "%s", name);
	if (!*name)
		return stand_in(w, engine, exec_root, e);
	return driver_known(name) ? start(w, engine, exec_root, e) : err_kind(e, ERR_INVALID, "unknown network mode: %s", name);
}

void way_for_engine(struct way *w, pid_t engine, const char *exec_root, const char *name, int to)
{
	struct role_network answer = {.err = ERR_INIT};
	cleanup_close int reply = to;

	answer.ok = !connect_engine(w, engine, exec_root, name, &answer.err);
	if (answer.ok) {
		snprintf(answer.way.driver, sizeof(answer.way.driver), "%s", w->name);
		snprintf(answer.way.dns, sizeof(answer.way.dns), "%s", w->driver.dns);
		snprintf(answer.way.child_ip, sizeof(answer.way.child_ip), "%s", w->driver.child_ip);
	} else
		*w->name = 0;
	/* If that fails, the engine has ended. */
	sock_send(reply, &answer, sizeof(answer), NULL, 0);
}

void way_ended(struct way *w, pid_t pid)
{
	if (!driver_reaped(&w->driver, pid))
		return;
	driver_stop(&w->driver);
	w->running = false;
	w->start_at = clock_mono_ns() + PAUSE_NS;
	log_warn("%s ended; starting the next one", w->name);
}

int64_t way_keep(struct way *w, pid_t engine, const char *exec_root)
{
	int64_t now = clock_mono_ns();
	struct err e = ERR_INIT;

	if (!*w->name || w->running || !engine)
		return -1;
	if (w->start_at <= now && start(w, engine, exec_root, &e)) {
		log_err(&e, "starting the network again");
		w->start_at = now + PAUSE_NS;
	}
	return w->running ? -1 : w->start_at - now;
}

void way_stop(struct way *w)
{
	if (*w->name)
		driver_stop(&w->driver);
	w->running = false;
	*w->name = 0;
}
