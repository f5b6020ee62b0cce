/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/network.c - --net and --port-driver, on the parent's side
 *
 * Theory of operation
 *   "relay" is ours and runs on the child's side (relay.c); the others are programs of the host, which are
 *   started here, in the user's own namespaces (net/driver.h).  What does not go together is refused in
 *   RootlessKit's words, before anything is made.
 */
#include "kit.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

bool kit_net_is(const struct kit *k, const char *name)
{
	return is(k->net, name);
}

const char *kit_binary_of(const struct kit *k, const char *net)
{
	return is(net, "slirp4netns") ? k->slirp_binary : is(net, "pasta") ? k->pasta_binary :
		is(net, "vpnkit") ? k->vpnkit_binary : is(net, "gvisor-tap-vsock") ? k->gvproxy_binary : k->lxc_binary;
}

static struct driver_options options_of(const struct kit *k)
{
	return (struct driver_options){.name = k->net, .mtu = k->mtu, .cidr = k->cidr, .ifname = k->ifname, .binary = kit_binary_of(k, k->net),
		.bridge = k->lxc_bridge, .sandbox = k->slirp_sandbox, .seccomp = k->slirp_seccomp,
		.no_host_loopback = k->no_host_loopback, .ipv6 = k->ipv6, .debug = k->debug,
		.implicit = is(k->port_driver, "implicit"), .api = is(k->port_driver, "slirp4netns")};
}

static bool has_cidr(const struct kit *k)
{
	return is(k->net, "slirp4netns") || is(k->net, "pasta") || is(k->net, "relay") || is(k->net, "none");
}

static void warn(const struct kit *k)
{
	if (is(k->net, "host") && !is(k->mtu, "0"))
		log_warn("[rootlesskit:parent] unsupported mtu for --net=host: %s", k->mtu);
	if (k->ipv6 && !is(k->net, "slirp4netns") && !is(k->net, "pasta") && !is(k->net, "relay"))
		log_warn("[rootlesskit:parent] --ipv6 is discarded for --net=%s", k->net);
	if (is(k->net, "pasta"))
		log_warn("[rootlesskit:parent] \"pasta\" network driver is experimental. Needs very recent version of pasta (see "
			 "docs/network.md).");
	if (is(k->net, "lxc-user-nic")) {
		log_warn("[rootlesskit:parent] \"lxc-user-nic\" network driver is experimental");
		if (!k->no_host_loopback)
			log_warn("[rootlesskit:parent] --disable-host-loopback is implicitly set for lxc-user-nic");
	}
}

static int check_port_driver(const struct kit *k, struct err *e)
{
	const char *driver = k->port_driver;

	if (!is(driver, "none") && !is(driver, "builtin") && !is(driver, "implicit") && !is(driver, "slirp4netns"))
		return err_kind(e, ERR_INVALID, "unknown port driver: %s", driver);
	if (is(driver, "slirp4netns") && !is(k->net, "slirp4netns"))
		return err_kind(e, ERR_INVALID, "port driver requires slirp4netns network");
	if (!is(driver, "none") && !kit_has_netns(k))
		return err_kind(e, ERR_INVALID, "port driver requires non-host network");
	if (is(driver, "implicit") && !is(k->net, "pasta"))
		return err_kind(e, ERR_INVALID, "port driver requires pasta network");
	if (is(k->net, "pasta") && !is(driver, "implicit") && !is(driver, "none"))
		return err_kind(e, ERR_INVALID, "network \"pasta\" requires port driver \"none\" or \"implicit\"");
	if (k->publish.n && !is(driver, "builtin") && !is(driver, "slirp4netns"))
		return err_kind(e, ERR_INVALID, "port driver \"%s\" does not support publishing ports", driver);
	return 0;
}

int kit_network_check(const struct kit *k, struct err *e)
{
	static const char *const ours[] = {"host", "none", "relay", NULL};
	struct driver_options o = options_of(k);

	if (!driver_known(k->net) && !str_in(k->net, ours))
		return err_kind(e, ERR_INVALID, "unknown network mode: %s", k->net);
	if (*k->cidr && !has_cidr(k))
		return err_kind(e, ERR_INVALID, "custom cidr is not supported for --net=%s", k->net);
	warn(k);
	if (driver_check(&o, e) || check_port_driver(k, e))
		return -1;
	return driver_known(k->net) ? driver_installed(&o, e) : 0;
}

int kit_network_start(struct kit_network *n, const struct kit *k, pid_t child, const char *state_dir, struct err *e)
{
	cleanup_free char *pinned = xasprintf("%s/netns", state_dir);
	struct driver_place place = {child, k->detach_netns ? pinned : NULL, state_dir};
	struct driver_options o = options_of(k);

	n->driver = (struct driver)DRIVER_INIT;
	if (is(k->net, "relay"))
		return driver_address(k->cidr, 3, n->dns, NULL, e) || driver_address(k->cidr, 100, n->child_ip, NULL, e);
	if (!driver_known(k->net))
		return 0;
	if (driver_start(&n->driver, &o, &place, e))
		return -1;
	snprintf(n->dns, sizeof(n->dns), "%s", n->driver.dns);
	snprintf(n->child_ip, sizeof(n->child_ip), "%s", n->driver.child_ip);
	if (*n->driver.api)
		forward_by_slirp(n->driver.api, n->driver.child_ip);
	return 0;
}
