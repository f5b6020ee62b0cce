/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/start.c - the new process of a container or an exec, from clone to exec
 *
 * Theory of operation
 *   The monitor makes one process by one clone3, in all the new namespaces at once; it is the
 *   container's PID 1 from its first instruction, and no other exec comes before the container's
 *   own.  What it does until then is container() below, a list of named steps.  Until pivot_root
 *   it sees the engine's file system, which sources of binds are resolved in, and holds the
 *   rootfs by a descriptor, which everything inside is resolved beneath.
 *
 *   An exec is born into the container's pid namespace and enters the others by one setns on the
 *   init's pidfd.  Namespaces that it shares with us are left out: entering the host's would
 *   need privilege over it.
 *
 *   It is not dumpable until exec, so that nothing in the container can look into it (or reach
 *   our program file through its /proc/PID/exe, CVE-2019-5736); besides, that file cannot be
 *   written while a monitor, which outlives the container, runs from it (ETXTBSY).
 *
 *   It talks to the monitor over a socketpair, SOCK_SEQPACKET, closed by exec:
 *	'T' + descriptor	the terminal's master
 *	one NUL			all is done but the seccomp filter and exec
 *	a struct err		it failed
 *	end of file		exec, if the NUL came before; else it died
 */
#include "runtime/start.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mountapi.h"
#include "base/proc.h"
#include "runtime/inside.h"
#include "storage/storage.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define INIT_PATH "/sbin/docker-init"
#define BETWEEN_STACK (256 << 10) /* touched as far as it is used: the child goes on on it */
#define REQUEST_ARENA (128 << 10) /* what Docker's specs take once parsed, and some */

/* --- steps of a container ---------------------------------------------------------------------- */

static int join_namespaces(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_joins; i++) {
		const struct spec_ns *j = &s->joins[i];
		cleanup_close int fd = -1;

		if (j->flag == CLONE_NEWPID || j->flag == CLONE_NEWNS)
			continue; /* born into it; refused by the parser */
		fd = open(j->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, j->flag))
			return err_errno(e, errno, "joining namespace %s", j->path);
	}
	return 0;
}

static void new_session(void)
{
	setsid();
	/* A session keyring of its own.  Without one (no keyrings, quota) it has what we have:
	 * nothing of ours is in there. */
	syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
}

static int name_host(const struct spec *s, struct err *e)
{
	if (*s->hostname && sethostname(s->hostname, strlen(s->hostname)))
		return err_errno(e, errno, "sethostname");
	if (*s->domainname && setdomainname(s->domainname, strlen(s->domainname)))
		return err_errno(e, errno, "setdomainname");
	return 0;
}

/* The rootfs mounted, where only we see it. O_PATH descriptor, or -1. */
static int attach_root(int tree, const char *path, struct err *e)
{
	cleanup_close int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return at < 0 || mnt_attach(tree, at) ? err_errno(e, errno, "mounting on %s", path) : 0;
}

static int mount_root(const struct start *st, const struct spec *s, const json_t *desc, struct err *e)
{
	int fd;

	if (mount(NULL, "/", NULL, s->propagation, NULL))
		return err_errno(e, errno, "setting the propagation of /");
	if (st->root_mount >= 0 ? attach_root(st->root_mount, s->root_path, e) :
				  rootfs_mount(desc, s->root_path, false, e))
		return err_wrap(e, "mounting the root filesystem");
	/* Its parent must not be shared, for pivot_root; and what is mounted below it stays ours. */
	if (s->propagation & MS_SHARED && mount(NULL, s->root_path, NULL, MS_PRIVATE | MS_REC, NULL))
		return err_errno(e, errno, "making %s private", s->root_path);
	fd = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "opening %s", s->root_path);
	return fd;
}

static int mount_all(int rootfd, struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		if (mounts_do(rootfd, s, &s->mounts[i], e))
			return -1;
	}
	return 0;
}

/* Our own program as PID 1, with the command as its arguments.  Read-only in there; and who may remount
 * it (a privileged container) still cannot write to a file that runs. */
static int place_init(int rootfd, struct spec_process *p, struct err *e)
{
	char self[4096], *gone;
	size_t n, i;
	ssize_t len;
	char **args;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return err_errno(e, errno, "readlink /proc/self/exe");
	self[len] = 0;
	gone = strstr(self, " (deleted)"); /* replaced by a newer one, which serves as well */
	if (gone)
		*gone = 0;
	if (mounts_bind(rootfd, self, INIT_PATH, false, MNT_RDONLY | MNT_NOSUID | MNT_NODEV, e))
		return err_wrap(e, "placing %s", INIT_PATH);
	for (n = 0; p->args[n]; n++)
		;
	args = xcalloc(n + 3, sizeof(char *));
	args[0] = xstrdup(INIT_PATH);
	args[1] = xstrdup("--");
	for (i = 0; i < n; i++)
		args[i + 2] = p->args[i];
	free(p->args);
	p->args = args;
	return 0;
}

static int make_cwd(int rootfd, const struct spec_process *p, struct err *e)
{
	bool made;
	int fd = mountpoint_open(rootfd, p->cwd, true, &made);

	if (fd < 0)
		return err_errno(e, errno, "mkdir %s", p->cwd);
	close(fd);
	return 0;
}

static int seal_root(int rootfd, struct spec *s, struct err *e)
{
	struct mnt_attr ro = { .set = MNT_RDONLY };

	if (mounts_seal(s, e))
		return -1;
	if (s->root_readonly && mountattr_set(rootfd, false, &ro))
		return err_errno(e, errno, "making the root filesystem read-only");
	return 0;
}

/* --- stdio ----------------------------------------------------------------------------------------- */

static int give_terminal(const struct start *st, int rootfd, bool console, struct stdio *io,
	struct err *e)
{
	struct winsize size = { .ws_row = (unsigned short)st->rows, .ws_col = (unsigned short)st->cols };
	cleanup_close int master = -1;
	int slave;

	if (dev_open_pty(rootfd, &master, &slave, e))
		return -1;
	if (st->rows && st->cols && ioctl(master, TIOCSWINSZ, &size))
		return err_errno(e, errno, "setting the terminal's size");
	if (console && dev_bind_console(rootfd, slave, e))
		return -1;
	if (ioctl(slave, TIOCSCTTY, 0))
		return err_errno(e, errno, "taking the terminal");
	if (sock_send(st->sync, "T", 1, &master, 1))
		_exit(1); /* the monitor is gone */
	io->fd[0] = io->fd[1] = io->fd[2] = slave;
	return 0;
}

static int give_stdio(const struct start *st, int rootfd, bool console, struct stdio *io,
	struct err *e)
{
	int i, null = -1;

	io->ready = st->sync;
	if (st->tty)
		return give_terminal(st, rootfd, console, io, e);
	for (i = 0; i < 3; i++) {
		io->fd[i] = st->stdio[i];
		if (io->fd[i] >= 0)
			continue;
		if (null < 0)
			null = dev_open_null(rootfd, e);
		if (null < 0)
			return -1;
		io->fd[i] = null;
	}
	return 0;
}

/* --- the two sequences ------------------------------------------------------------------------------- */

static int load_filter(const json_t *request, struct filter *f, struct err *e)
{
	const char *path = json_str(request, "seccomp", NULL);

	*f = (struct filter){ NULL, 0 };
	return path ? filter_load(path, f, e) : 0;
}

static int choose_cpus(const json_t *request, struct err *e)
{
	const char *list = json_str(request, "affinity", "");

	return *list ? affinity_set(list, e) : 0;
}

static void user_wishes(const json_t *request, struct spec_process *p)
{
	p->user_text = json_str(request, "user_text", NULL);
	p->group_add = json_to_strv(json_arr(request, "group_add"));
	if (p->group_add && !*p->group_add) {
		free(p->group_add);
		p->group_add = NULL;
	}
}

static int container(const struct start *st, const json_t *request, struct err *e)
{
	struct filter filter;
	struct stdio io;
	struct spec s;
	int root;

	if (spec_parse(json_object_get(request, "spec"), &s, e) ||
		load_filter(request, &filter, e))
		return -1;
	user_wishes(request, &s.process);
	new_session();
	if (choose_cpus(request, e))
		return -1;
	if ((!st->enter && join_namespaces(&s, e)) || name_host(&s, e))
		return -1;
	if (s.new_namespaces & CLONE_NEWNET && rootfs_loopback_up(e))
		return -1;
	root = mount_root(st, &s, json_object_get(request, "rootfs"), e);
	if (root < 0)
		return -1;
	/* By the image's own files: what is mounted over them says nothing about users. */
	if (user_resolve(root, &s.process, e))
		return -1;
	if (mount_all(root, &s, e) || dev_populate(root, &s, e) ||
		give_stdio(st, root, true, &io, e) || make_cwd(root, &s.process, e))
		return -1;
	if (json_bool(request, "init", false) && place_init(root, &s.process, e))
		return -1;
	if (rootfs_sysctls(root, &s, e) || rootfs_readonly(root, s.readonly_paths, e) ||
		rootfs_masked(root, s.masked_paths, e) || seal_root(root, &s, e))
		return -1;
	if (rootfs_pivot(root, e))
		return -1;
	if (s.personality >= 0 && personality((unsigned long)s.personality) < 0)
		return err_errno(e, errno, "setting the personality");
	return process_exec(root, &s.process, &filter, &io, e);
}

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS }, { "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP },
};

/* Those namespaces of @pid that are not ours already. */
static int foreign_namespaces(pid_t pid, int *flags, struct err *e)
{
	struct stat own, its;
	char path[64];

	*flags = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
		if (stat(path, &own))
			continue; /* a kernel without that kind */
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kinds[i].name);
		if (stat(path, &its))
			return err_errno(e, errno, "looking at %s", path);
		if (own.st_ino != its.st_ino)
			*flags |= kinds[i].flag;
	}
	return 0;
}

static int exec_inside(const struct start *st, const json_t *request, struct err *e)
{
	struct spec_process process;
	struct filter filter;
	struct stdio io;
	int flags, root;

	if (spec_process_parse(json_object_get(request, "process"), &process, e) ||
		load_filter(request, &filter, e))
		return -1;
	user_wishes(request, &process);
	new_session();
	if (choose_cpus(request, e))
		return -1;
	if (foreign_namespaces(st->join_pid, &flags, e))
		return -1;
	if (flags && setns(st->join_pidfd, flags))
		return err_errno(e, errno, "joining the container's namespaces");
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(e, errno, "opening the container's root");
	if (user_resolve(root, &process, e) || give_stdio(st, root, false, &io, e))
		return -1;
	return process_exec(root, &process, &filter, &io, e);
}

/* --- the gate ----------------------------------------------------------------------------------------- */

/* Until somebody has moved us where we belong; and only then is there something to make a namespace of. */
static int pass_gate(const struct start *st, struct err *e)
{
	char c;

	if (st->gate && recv(st->sync, &c, 1, 0) != 1)
		_exit(1); /* the monitor is gone, or says why itself */
	if (st->cgroup_ns && unshare(CLONE_NEWCGROUP))
		return err_errno(e, errno, "making a cgroup namespace");
	return 0;
}

int start_go(const struct start *st, struct err *e)
{
	return send(st->sync_ours, "", 1, MSG_NOSIGNAL) == 1 ? 0 : err_set(e, errno, "starting the container's process");
}

/* --- both sides of the clone --------------------------------------------------------------------------- */

__attribute__((noreturn)) static void child(const struct start *st)
{
	struct err e = ERR_INIT;
	json_t *request;

	close(st->sync_ours);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	arena_for_json(REQUEST_ARENA);
	request = pass_gate(st, &e) ? NULL : json_parse(st->request, st->request_len, &e);
	if (request && st->join_pidfd >= 0)
		exec_inside(st, request, &e);
	else if (request)
		container(st, request, &e);
	/* Failing to say so: the monitor sees the end of the socket, and our status. */
	_exit(sock_send(st->sync, &e, sizeof(e), NULL, 0) ? 2 : 1);
}

/* The pid namespace of the new process, if it is neither ours nor a new one. */
static int choose_pid_ns(const struct start *st, struct err *e)
{
	cleanup_close int fd = -1;
	struct stat own, its;
	char path[64];

	if (st->join_pidfd >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)st->join_pid);
		if (stat("/proc/self/ns/pid", &own) || stat(path, &its))
			return err_errno(e, errno, "looking at %s", path);
		if (own.st_ino != its.st_ino && setns(st->join_pidfd, CLONE_NEWPID))
			return err_errno(e, errno, "joining the container's pid namespace");
		return 0;
	}
	if (!*st->pid_ns)
		return 0;
	fd = open(st->pid_ns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWPID))
		return err_errno(e, errno, "joining namespace %s", st->pid_ns);
	return 0;
}

/* Make the process.  Its pid; -1 and errno. */
static pid_t clone_child(const struct start *st, uint64_t flags, int *pidfd)
{
	pid_t pid = proc_clone(flags | st->make, st->cgroup, pidfd);

	if (!pid)
		child(st);
	return pid;
}

/* What the process in between leaves us. */
struct between {
	const struct start *st;
	pid_t pid;
	int pidfd, code;
	struct err e;
};

static int enter_all(const struct start *st, struct err *e)
{
	struct spec s = { 0 };
	int fd, rc;

	if (spec_parse_namespaces(st->enter, &s, e))
		return -1;
	rc = join_namespaces(&s, e);
	fd = rc ? -1 : open(s.user_ns, O_RDONLY | O_CLOEXEC);
	if (!rc && (fd < 0 || setns(fd, CLONE_NEWUSER)))
		rc = err_errno(e, errno, "joining namespace %s", s.user_ns);
	fd_close(&fd);
	free(s.joins);
	return rc;
}

/* In our memory and descriptor table, while we wait.  The process that it makes is our child all the same. */
static int between(void *arg)
{
	struct between *b = arg;

	if (enter_all(b->st, &b->e))
		return 1;
	b->pid = clone_child(b->st, CLONE_PARENT, &b->pidfd);
	b->code = errno;
	return 0;
}

/* A process of a user namespace that we are not in: it is made by one that has entered that, and from
 * there nobody comes back. */
static pid_t clone_below(const struct start *st, int *pidfd, struct err *e)
{
	static _Alignas(16) char stack[BETWEEN_STACK];
	struct between b = { .st = st, .pid = -1, .pidfd = -1, .e = ERR_INIT };
	pid_t pid = clone(between, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &b);

	if (pid < 0)
		return err_errno(e, errno, "unable to start container process: clone");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pidfd = b.pidfd;
	errno = b.code;
	if (b.pid < 0 && *b.e.msg)
		*e = b.e;
	else if (b.pid < 0)
		err_errno(e, errno, "unable to start container process: clone");
	return b.pid;
}

pid_t start_clone(const struct start *st, int *pidfd, struct err *e)
{
	int fd = -1;
	pid_t pid;

	if (choose_pid_ns(st, e))
		return -1;
	pid = st->enter ? clone_below(st, &fd, e) : clone_child(st, 0, &fd);
	if (pid < 0)
		return st->enter ? -1 : err_errno(e, errno, "unable to start container process: clone");
	*pidfd = fd;
	return pid;
}

int start_wait(int sync, int *master, struct err *e)
{
	union {
		char first;
		struct err e;
	} msg;
	bool ready = false;
	int fd = -1;
	size_t nfds;
	ssize_t n;

	*master = -1;
	while ((n = sock_recv(sync, &msg, sizeof(msg), &fd, 1, &nfds)) > 0) {
		if (n == sizeof(msg.e)) {
			msg.e.msg[sizeof(msg.e.msg) - 1] = 0;
			msg.e.hint[sizeof(msg.e.hint) - 1] = 0;
			*e = msg.e;
			goto fail;
		}
		if (nfds) {
			fd_close(master);
			*master = fd;
		} else if (n == 1 && !msg.first) {
			ready = true;
		}
	}
	if (ready)
		return 0;
	err_set(e, n < 0 ? errno : 0, "the new process ended before its program could start");
fail:
	fd_close(master);
	return -1;
}
