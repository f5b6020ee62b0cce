/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit.c - rootlesskit: a command in a user and mount (and network) namespace
 *
 * Theory of operation
 *   This is the parent, in the user's own namespaces: it checks, makes the state directory, starts the
 *   child (rootlesskit/child.c), writes its id maps, starts the network's program, publishes ports, and
 *   then waits: for the child's end, for signals to pass on, for requests on api.sock.
 *
 *	STATE/lock	locked while we live		STATE/child_pid  to be entered with nsenter
 *	STATE/api.sock	REST (api/kit_api.h)	STATE/netns	  with --detach-netns, inside
 *
 * Exit status: the command's; 255 if a signal ended it; 1 for failures of ours.
 */
#include "applets.h"
#include "rootlesskit/kit.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "ns/host.h"
#include "ns/ns.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct parent {
	struct kit kit;
	char *dir; /* state directory; ours to remove, once it is locked */
	int lock, control, api, signals;
	pid_t role, child; /* the process we started, and the one to enter: the same but for --pidns */
	struct kit_network network;
};

static int complain(struct err *e)
{
	const char *who = strncmp(e->msg, "[rootlesskit:", 13) ? "[rootlesskit:parent] error: " : "";

	kit_words(e);
	fprintf(stderr, "%s%s\n", who, e->msg);
	if (*e->hint)
		fprintf(stderr, "[rootlesskit:parent] hint: %s\n", e->hint);
	return 1;
}

/* --- checks ------------------------------------------------------------------------------------- */

static int check_process_options(const struct kit *k, struct err *e)
{
	static const char *const reapers[] = {"auto", "true", "false", NULL},
				 *const propagations[] = {"", "rprivate", "private", "rslave", "slave", "rshared", "shared", NULL};
	enum subid_source source;

	if (strcmp(k->copy_up_mode, "tmpfs+symlink"))
		return err_kind(e, ERR_INVALID, "unknown copy-up mode: %s", k->copy_up_mode);
	if (*k->ifname && !kit_has_netns(k))
		return err_kind(e, ERR_INVALID, "ifname cannot be specified for --net=host");
	if (strchr(k->ifname, '/'))
		return err_kind(e, ERR_INVALID, "ifname must not contain \"/\"");
	if (!str_in(k->propagation, propagations))
		return err_kind(e, ERR_INVALID, "unknown propagation: %s", k->propagation);
	if (!str_in(k->reaper, reapers))
		return err_kind(e, ERR_INVALID, "unknown reaper mode: %s", k->reaper);
	if (!strcmp(k->reaper, "true") && !k->pidns)
		return err_kind(e, ERR_INVALID, "reaper requires --pidns");
	if (*k->evacuate && !k->cgroupns)
		return err_kind(e, ERR_INVALID, "evacuate-cgroup2 requires --cgroupns");
	if (*k->evacuate && !k->pidns)
		return err_kind(e, ERR_INVALID, "evacuate-cgroup2 requires --pidns");
	if (evacuate_check(k->evacuate, e))
		return -1;
	if (subid_source_parse(k->subid_source, &source))
		return err_kind(e, ERR_INVALID, "failed to setup UID/GID map: failed to compute uid/gid map: unknown subid source \"%s\"",
			k->subid_source);
	return 0;
}

static int print_semver(const char *part)
{
	const char *v = KIT_VERSION;
	struct err e = ERR_INIT;

	if (!strcmp(part, "major"))
		printf("%.1s\n", v);
	else if (!strcmp(part, "minor"))
		printf("%.1s\n", v + 2);
	else if (!strcmp(part, "patch"))
		printf("%s\n", v + 4);
	else
		return err_kind(&e, ERR_INVALID, "expected --print-semver=(major|minor|patch), got \"%s\"", part), complain(&e);
	return 0;
}

static void warn(const struct kit *k)
{
	if (kit_has_netns(k) && strcmp(k->net, "none") && !k->no_host_loopback)
		log_warn("[rootlesskit:parent] specifying --disable-host-loopback is highly recommended to prohibit connecting to "
			 "127.0.0.1:* on the host namespace (requires pasta, slirp4netns, or VPNKit)");
}

/* --- the state directory -------------------------------------------------------------------------- */

static int open_state(struct parent *p, struct err *e)
{
	char temporary[] = "/tmp/rootlesskitXXXXXX";
	cleanup_free char *lock = NULL;
	static const char *const old[] = {"api.sock", "child_pid", "netns", "resolv.conf", "hosts", "netd.json", "netd.sock"};
	size_t i;

	if (!*p->kit.state_dir)
		p->dir = mkdtemp(temporary) ? xstrdup(temporary) : NULL;
	else if (!fs_mkdir_p_at(AT_FDCWD, p->kit.state_dir, 0755, e))
		p->dir = realpath(p->kit.state_dir, NULL);
	else
		return -1;
	if (!p->dir)
		return err_set(e, errno, "creating a state directory");
	lock = fs_join(p->dir, "lock");
	p->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock < 0 || flock(p->lock, LOCK_EX | LOCK_NB)) {
		free(steal(&p->dir));
		return err_kind(e, ERR_CONFLICT,
			"failed to lock %s, another RootlessKit is running with the same state directory?", lock);
	}
	for (i = 0; i < ARRAY_SIZE(old); i++) { /* of one that was killed */
		cleanup_free char *path = fs_join(p->dir, old[i]);

		unlink(path);
	}
	return 0;
}

static int write_state(struct parent *p, struct err *e)
{
	cleanup_free char *path = fs_join(p->dir, "child_pid"), *api = fs_join(p->dir, "api.sock");
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)p->child);

	if (file_write_at(AT_FDCWD, path, pid, (size_t)n, 0444, 0, e))
		return -1;
	p->api = sock_listen_at(AT_FDCWD, api, SOCK_STREAM, 0600, e);
	return p->api < 0 ? -1 : 0;
}

static void set_environment(const struct parent *p)
{
	cleanup_free char *uid = xasprintf("%u", geteuid()), *gid = xasprintf("%u", getegid());

	setenv("ROOTLESSKIT_STATE_DIR", p->dir, 1);
	setenv("ROOTLESSKIT_PARENT_EUID", uid, 1);
	setenv("ROOTLESSKIT_PARENT_EGID", gid, 1);
}

/* --- the child ------------------------------------------------------------------------------------ */

static int start_child(struct parent *p, char **argv, struct err *e)
{
	cleanup_json json_t *words = json_strv(argv);
	cleanup_close int arguments = json_memfd(words, e);

	if (arguments < 0)
		return -1;
	p->control = proc_spawn_talking((const char *const[]){":rootlesskit", NULL}, &arguments, 1, &p->role, NULL, e);
	return p->control < 0 ? -1 : 0;
}

static int map_ids(struct parent *p, struct err *e)
{
	static struct idmap uids, gids; /* 8 KiB */
	struct kit_message m = {.word = KIT_MAPPED};
	enum subid_source source;
	struct ns_user u;

	ns_user_self(&u);
	subid_source_parse(p->kit.subid_source, &source);
	if (idmap_of_user(&u, source, &uids, &gids, e) || !idmap_can_apply(e) || idmap_apply(p->role, &uids, &gids, e))
		return err_wrap(e, "[rootlesskit:parent] error: failed to setup UID/GID map");
	if (*p->kit.evacuate && evacuate(p->kit.evacuate, e))
		return -1;
	return sock_send(p->control, &m, sizeof(m), NULL, 0) ? err_set(e, errno, "telling the child") : 0;
}

/* Until the namespaces are there. */
static int await_ready(struct parent *p, struct err *e)
{
	struct kit_message m;
	size_t n;

	for (;;) {
		if (sock_recv(p->control, &m, sizeof(m), NULL, 0, &n) != sizeof(m))
			return err_kind(e, ERR_FAILED, "the child ended while it was starting");
		if (m.word == KIT_READY)
			break;
		if (m.word == KIT_MAP_ME && !map_ids(p, e))
			continue;
		if (m.word != KIT_MAP_ME)
			*e = m.err;
		if (m.word == KIT_NO_USERNS)
			host_explain_unshare(e);
		else if (m.word == KIT_FAILED)
			host_explain_settle(e);
		return -1;
	}
	p->child = m.pid;
	return 0;
}

static int publish(struct parent *p, struct err *e)
{
	struct kit_port port;
	size_t i;

	for (i = 0; i < p->kit.publish.n; i++) {
		if (kit_port_parse(p->kit.publish.v[i], &port, e))
			return -1;
		if (forward_add(&port, p->control, e))
			return err_wrap(e, "failed to expose port {%s %s %u %u }", port.proto, port.parent_ip, port.parent_port,
				port.child_port);
	}
	return 0;
}

static int go(struct parent *p, struct err *e)
{
	struct kit_message m = {.word = KIT_GO};

	snprintf(m.dns, sizeof(m.dns), "%s", p->network.dns);
	return sock_send(p->control, &m, sizeof(m), NULL, 0) ? err_set(e, errno, "telling the child") : 0;
}

/* --- until it ends -------------------------------------------------------------------------------- */

static int api_add(void *parent, struct kit_port *port, struct err *e)
{
	const struct parent *p = parent;

	return forward_add(port, p->control, e);
}

static int api_remove(void *parent, int id, struct err *e)
{
	(void)parent;
	return forward_remove(id, e);
}

static struct kit_port *api_list(void *parent, size_t *n)
{
	(void)parent;
	return forward_list(n);
}

/* The child's wait status. */
static int attend(struct parent *p)
{
	const struct kit_network *n = &p->network;
	struct kit_api api = {p->dir, p->child, *n->dns ? p->kit.net : NULL, n->dns, n->child_ip, p->kit.port_driver, api_add,
		api_remove, api_list, p};
	struct pollfd fds[2] = {{p->signals, POLLIN, 0}, {p->api, POLLIN, 0}};
	int status;
	pid_t got;

	for (;;) {
		while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
			if (got == p->role)
				return status;
			if (driver_reaped(&p->network.driver, got)) {
				log_warn("[rootlesskit:parent] %s ended: there is no network any more", p->kit.net);
			}
		}
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			proc_signals_pass(p->signals, p->role);
		if (fds[1].revents)
			kit_api_serve(&api, p->api);
	}
}

static int run(struct parent *p, char **argv, struct err *e)
{
	int status;

	if (open_state(p, e))
		return complain(e);
	set_environment(p);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	p->signals = proc_signals_open(e);
	if (p->signals < 0 || start_child(p, argv, e) || await_ready(p, e) ||
		kit_network_start(&p->network, &p->kit, p->child, p->dir, e) || publish(p, e) || write_state(p, e) || go(p, e))
		return complain(e);
	status = attend(p);
	p->role = 0;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	if (status)
		fprintf(stderr, "[rootlesskit:parent] error: child exited: exit status %d\n", status);
	return status;
}

/* Whatever was begun ends here. */
static void finish(struct parent *p)
{
	struct err e = ERR_INIT;

	if (p->role > 0) {
		kill(p->role, SIGKILL);
		waitpid(p->role, NULL, 0);
	}
	driver_stop(&p->network.driver);
	if (p->dir && fs_remove_tree_at(AT_FDCWD, p->dir, &e))
		log_err(&e, "[rootlesskit:parent] removing the state directory");
}

int rootlesskit_main(int argc, char **argv)
{
	struct parent p = {.lock = -1, .control = -1, .api = -1, .signals = -1, .network.driver = DRIVER_INIT};
	struct err e = ERR_INIT;
	int status;

	if (kit_parse(&p.kit, argc, argv, &e))
		return complain(&e);
	if (p.kit.help)
		return kit_help(), fflush(stdout) ? 1 : 0;
	if (p.kit.version)
		return printf("rootlesskit version " KIT_VERSION "\n"), fflush(stdout) ? 1 : 0;
	if (p.kit.semver)
		return print_semver(p.kit.semver);
	if (!*p.kit.command) {
		err_kind(&e, ERR_INVALID, "no command specified");
		return complain(&e);
	}
	if (check_process_options(&p.kit, &e) || kit_network_check(&p.kit, &e))
		return complain(&e);
	warn(&p.kit);
	status = run(&p, argv, &e);
	finish(&p);
	return status;
}
