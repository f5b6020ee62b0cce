/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/child.c - rootlesskit's process inside the namespaces
 *
 * Theory of operation
 *   (1) unshare the user, mount and cgroup namespace, have ids mapped, become root of them;
 *   (2) make the other namespaces; for --pidns go on as its first process, while the one before only
 *	 passes signals and the status on;
 *   (3) say READY, and wait for GO: the parent sets up the network and publishes ports meanwhile;
 *   (4) mounts, then the command;
 *   (5) until the command ends: pass signals on, reap, and make sockets for the port driver, as the
 *	 parent cannot enter namespaces of ours.
 *
 *   It dies with the parent; in a pid namespace everything else dies with it.
 */
#include "kit.h"

#include "applets.h"
#include "roles.h"

#include "base/fs.h"
#include "base/proc.h"
#include "net/link.h"
#include "net/netns.h"
#include "net/nl.h"
#include "ns/ns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGV_MAX (4 << 20) /* bytes of arguments; the kernel's limit is below */

static struct kit kit;
static const char *state_dir;
static int netns = -1; /* --detach-netns */
static int signals = -1;

/* --- talking with the parent ------------------------------------------------------------------- */

static void tell(enum kit_word word, pid_t pid, const struct err *e)
{
	struct kit_message m = {.word = word, .pid = pid};

	if (e)
		m.err = *e;
	sock_send(KIT_CONTROL, &m, sizeof(m), NULL, 0);
}

static int fail(enum kit_word word, const struct err *e)
{
	tell(word, 0, e);
	return 1;
}

/* The parent's next message; if it is not that one, the parent gave up and has said why. */
static void await(enum kit_word word, struct kit_message *m)
{
	size_t n;

	if (sock_recv(KIT_CONTROL, m, sizeof(*m), NULL, 0, &n) != sizeof(*m) || m->word != word)
		exit(1);
}

/* --- namespaces -------------------------------------------------------------------------------- */

static int raise_loopback(struct err *e)
{
	struct nl nl;
	int rc;

	if (nl_open(&nl, netns, NETLINK_ROUTE, e))
		return -1;
	rc = link_loopback(&nl, e);
	nl_close(&nl);
	return rc;
}

static int make_netns(struct err *e)
{
	cleanup_close int dir = -1;
	bool made;

	if (!kit_has_netns(&kit))
		return 0;
	/* The relay's process is started from the host's side, later: until then we stay there. */
	if (!kit.detach_netns && !kit_net_is(&kit, "relay"))
		return unshare(CLONE_NEWNET) ? err_set(e, errno, "making a network namespace") : raise_loopback(e);
	dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "opening %s", state_dir);
	netns = netns_open_pinned(dir, "netns", &made, e);
	return netns < 0 ? -1 : raise_loopback(e);
}

/* ns_settle() has made all mounts slaves; RootlessKit's default is to be cut off altogether. */
static int propagate(struct err *e)
{
	unsigned long how = MS_REC | (strstr(kit.propagation, "shared") ? MS_SHARED : MS_PRIVATE);

	if (!strstr(kit.propagation, "slave") && mount("", "/", NULL, how, NULL))
		return err_set(e, errno, "setting the mounts' propagation");
	return 0;
}

static int make_others(struct err *e)
{
	int flags = (kit.utsns ? CLONE_NEWUTS : 0) | (kit.ipcns ? CLONE_NEWIPC : 0) | (kit.pidns ? CLONE_NEWPID : 0);

	if (propagate(e) || make_netns(e))
		return -1;
	return flags && unshare(flags) ? err_set(e, errno, "making namespaces") : 0;
}

/* --- mounts ------------------------------------------------------------------------------------ */

static bool copied_up(const char *dir)
{
	size_t i;

	for (i = 0; i < kit.copy_up.n; i++) {
		cleanup_free char *clean = fs_clean_path(kit.copy_up.v[i]);

		if (!strcmp(clean, dir))
			return true;
	}
	return false;
}

static int set_mounts(const char *dns, struct err *e)
{
	enum kit_where where;
	size_t i;

	for (i = 0; i < kit.copy_up.n; i++)
		if (kit_copy_up(kit.copy_up.v[i], e))
			return -1;
	if (kit.pidns && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return err_set(e, errno, "mounting /proc");
	if (!kit_has_netns(&kit))
		return 0;
	where = kit.detach_netns ? KIT_NOWHERE : copied_up("/etc") ? KIT_IN_ETC : KIT_OVER_ETC;
	if (kit_hosts(state_dir, where, e))
		return -1;
	return *dns ? kit_resolv_conf(state_dir, dns, where, e) : 0;
}

/* --- the command ------------------------------------------------------------------------------- */

static char *command_text(void)
{
	struct buf b = BUF_INIT;
	char **w;

	for (w = kit.command; *w; w++)
		buf_addf(&b, "%s%s", w == kit.command ? "" : " ", *w);
	return buf_detach(&b);
}

static void be_command(pid_t parent, int report)
{
	int code;

	proc_die_with_parent(parent); /* as RootlessKit's does */
	proc_signals_restore();
	execvp(kit.command[0], kit.command);
	code = errno;
	fd_write_full(report, &code, sizeof(code));
	_exit(127);
}

/* Go's words. */
static int not_started(int code, struct err *e)
{
	cleanup_free char *text = command_text();
	bool path = strchr(kit.command[0], '/');

	if (code == ENOENT && !path)
		return err_kind(e, ERR_NOT_FOUND, "command [%s] exited: exec: \"%s\": executable file not found in $PATH",
			text, kit.command[0]);
	return err_set(e, code, "command [%s] exited: fork/exec %s", text, kit.command[0]);
}

static int start_command(pid_t *pid, struct err *e)
{
	cleanup_close int reader = -1, writer = -1;
	int fds[2], code;
	pid_t us;

	if (pipe2(fds, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	reader = fds[0];
	writer = fds[1];
	us = getpid();
	*pid = fork();
	if (*pid < 0)
		return err_set(e, errno, "starting the command");
	if (!*pid)
		be_command(us, writer);
	fd_close(&writer);
	if (fd_read_full(reader, &code, sizeof(code)) != sizeof(code))
		return 0; /* the pipe was closed by a successful exec */
	waitpid(*pid, NULL, 0);
	return not_started(code, e);
}

/* --- until it ends ----------------------------------------------------------------------------- */

static void serve_socket(void)
{
	struct kit_message m, answer = {.word = KIT_SOCKET};
	cleanup_close int fd = -1;
	size_t n;
	ssize_t got = sock_recv(KIT_CONTROL, &m, sizeof(m), NULL, 0, &n);

	if (got <= 0)
		_exit(1); /* the parent has gone */
	if (got != sizeof(m) || m.word != KIT_SOCKET)
		return;
	fd = netns_socket(netns, m.family, m.type, 0, &answer.err);
	sock_send(KIT_CONTROL, &answer, sizeof(answer), &fd, fd >= 0);
}

/* Wait for @pid, reaping what else ends; its wait status. */
static int attend(pid_t pid, bool serve)
{
	struct pollfd p[2] = {{signals, POLLIN, 0}, {serve ? KIT_CONTROL : -1, POLLIN, 0}};
	int status;
	pid_t got;

	for (;;) {
		while ((got = waitpid(-1, &status, WNOHANG)) > 0)
			if (got == pid)
				return status;
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			proc_signals_pass(signals, pid);
		if (p[1].revents)
			serve_socket();
	}
}

/* The end of the command in RootlessKit's words; our exit status. */
static int tell_end(int status)
{
	cleanup_free char *text = command_text();

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status)) {
		fprintf(stderr, "[rootlesskit:child ] error: command [%s] exited: exit status %d\n", text, WEXITSTATUS(status));
		return WEXITSTATUS(status);
	}
	/* Go's texts are the C library's in lower case. */
	cleanup_free char *name = xstrdup(strsignal(WTERMSIG(status)));

	name[0] |= 0x20;
	fprintf(stderr, "[rootlesskit:child ] error: command [%s] exited: signal: %s\n", text, name);
	return 255;
}

static int join_relay(char **servers, struct err *e)
{
	if (!kit_net_is(&kit, "relay"))
		return 0;
	if (kit_relay_start(&kit, state_dir, netns, servers, e))
		return -1;
	return !kit.detach_netns && setns(netns, CLONE_NEWNET) ? err_set(e, errno, "entering the network namespace") : 0;
}

static int run_command(void)
{
	struct err e = ERR_INIT;
	char **servers;
	struct kit_message m;
	pid_t pid = 0;

	await(KIT_GO, &m);
	servers = kit_host_servers(); /* before the file is another one */
	if (set_mounts(m.dns, &e) || join_relay(servers, &e) ||
		kit_sysfs(kit_has_netns(&kit) && !kit.detach_netns, *kit.evacuate, &e) || start_command(&pid, &e)) {
		kit_words(&e);
		fprintf(stderr, "[rootlesskit:child ] error: %s\n", e.msg);
		if (*e.hint)
			fprintf(stderr, "[rootlesskit:child ] hint: %s\n", e.hint);
		return 1;
	}
	return tell_end(attend(pid, true));
}

/* --- the whole --------------------------------------------------------------------------------- */

static int load_arguments(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;
	char **argv;

	if (lseek(KIT_ARGV, 0, SEEK_SET) < 0 || fd_read_all(KIT_ARGV, ARGV_MAX, &text, e))
		return -1;
	j = json_parse(text.p, text.n, e);
	argv = j ? json_to_strv(j) : NULL; /* kit keeps views of it */
	return argv ? kit_parse(&kit, (int)json_array_size(j), argv, e) : -1;
}

static int enter(struct err *e)
{
	struct kit_message m;

	state_dir = getenv("ROOTLESSKIT_STATE_DIR");
	if (load_arguments(e))
		return fail(KIT_FAILED, e);
	if (ns_unshare(e))
		return fail(KIT_NO_USERNS, e);
	/* Before the parent evacuates us: its root is the cgroup in which siblings of ours can be made. */
	if (kit.cgroupns && unshare(CLONE_NEWCGROUP)) {
		err_set(e, errno, "making a cgroup namespace");
		return fail(KIT_FAILED, e);
	}
	tell(KIT_MAP_ME, 0, NULL);
	await(KIT_MAPPED, &m);
	if (ns_settle(e) || make_others(e))
		return fail(KIT_FAILED, e);
	signals = proc_signals_open(e);
	return signals < 0 ? fail(KIT_FAILED, e) : 0;
}

int rootlesskit_role_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	pid_t pid;
	int status;

	(void)argc, (void)argv;
	proc_die_with_parent(getppid());
	fcntl(KIT_CONTROL, F_SETFD, FD_CLOEXEC);
	fcntl(KIT_ARGV, F_SETFD, FD_CLOEXEC);
	if (enter(&e))
		return 1;
	if (!kit.pidns) {
		tell(KIT_READY, getpid(), NULL);
		return run_command();
	}
	pid = fork();
	if (pid < 0) {
		err_set(&e, errno, "starting the first process of the pid namespace");
		return fail(KIT_FAILED, &e);
	}
	if (!pid) {
		proc_die_with_parent(0); /* whom nobody in the new namespace has a number for */
		return run_command();
	}
	tell(KIT_READY, pid, NULL);
	close(KIT_CONTROL);
	status = attend(pid, false);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
