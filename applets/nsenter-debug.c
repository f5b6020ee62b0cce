/* SPDX-License-Identifier: MIT */
/*
 * applets/nsenter-debug.c - run a command in the namespaces of the engine, netd, a container, or any process
 *
 * Theory of operation
 *   Two commands in one.  Called `nsenter` it is util-linux': the namespaces are those that were asked for,
 *   the rest of the line is the command.  Called `nsenter-debug` its first argument is whom to enter, by
 *   name, and without options all namespaces are meant.  -t takes names in both.
 *
 *   Order.  All files are opened first, as after the first setns(2) their names mean something else.  Then
 *   every namespace but the user's is tried: who is root enters them while he still is, and the user
 *   namespace last.  Whoever is not, is refused those, enters the user namespace, where he has all
 *   capabilities, and then the others.  A pid namespace is for children: there is a fork for it.
 *
 *   Where the target has no shell (an image of one static program, a netd without a root directory) a
 *   listing of what is known about it takes the shell's place (nsenter/report.c).
 *
 * Exit status: the command's; 127 and 126 where it cannot be run; 1 for failures of ours.
 */
#include "applets.h"
#include "nsenter/nsenter.h"
#include "version.h"

#include "base/fs.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USER, CGROUP, IPC, UTS, NET, PID, MOUNT, TIME, KINDS };

/* In util-linux' order: the user namespace is the first, or in the first pass left out. */
static const struct kind {
	int type;
	char letter;
	const char *option, *name; /* long option, file below /proc/PID/ns */
} kinds[KINDS] = {
	[USER] = {CLONE_NEWUSER, 'U', "user", "user"}, [CGROUP] = {CLONE_NEWCGROUP, 'C', "cgroup", "cgroup"},
	[IPC] = {CLONE_NEWIPC, 'i', "ipc", "ipc"}, [UTS] = {CLONE_NEWUTS, 'u', "uts", "uts"},
	[NET] = {CLONE_NEWNET, 'n', "net", "net"}, [PID] = {CLONE_NEWPID, 'p', "pid", "pid"},
	[MOUNT] = {CLONE_NEWNS, 'm', "mount", "mnt"}, [TIME] = {CLONE_NEWTIME, 'T', "time", "time"},
};

enum { OPT_PRESERVE = 256, OPT_REPORT };

struct enter {
	const char *self;	  /* what we were called, for messages */
	bool debug;		  /* as nsenter-debug */
	const char *name;	  /* of the target, or NULL */
	struct target target;
	bool wanted[KINDS], all;
	const char *file[KINDS];  /* instead of the target's, or NULL */
	int fd[KINDS];
	bool root, wd, preserve, no_fork, report, context;
	const char *root_dir, *wd_dir, *wd_inside;
	int rootfd, wdfd;
	bool set_uid, set_gid;
	uint64_t uid, gid;
	char **command;
};

static const char help[] =
	"Run a program with namespaces of other processes.\n\n"
	"Options:\n"
	" -a, --all              enter all namespaces\n"
	" -t, --target <target>  whose namespaces: a pid, 'engine', 'netd', or a container's name\n"
	" -m, --mount[=<file>]   enter mount namespace\n"
	" -u, --uts[=<file>]     enter UTS namespace (hostname etc)\n"
	" -i, --ipc[=<file>]     enter System V IPC namespace\n"
	" -n, --net[=<file>]     enter network namespace\n"
	" -p, --pid[=<file>]     enter pid namespace\n"
	" -C, --cgroup[=<file>]  enter cgroup namespace\n"
	" -U, --user[=<file>]    enter user namespace\n"
	" -T, --time[=<file>]    enter time namespace\n"
	" -S, --setuid <uid>     set uid in entered namespace\n"
	" -G, --setgid <gid>     set gid in entered namespace\n"
	"     --preserve-credentials do not touch uids or gids\n"
	" -r, --root[=<dir>]     set the root directory\n"
	" -w, --wd[=<dir>]       set the working directory\n"
	" -W, --wdns <dir>       set the working directory in namespace\n"
	" -F, --no-fork          do not fork before exec'ing <program>\n"
	" -Z, --follow-context   set SELinux context according to --target\n"
	"     --report           list mounts, addresses, routes, nft rules, id maps and limits instead of\n"
	"                        running anything; needs no program in the target\n\n"
	" -h, --help             display this help\n"
	" -V, --version          display version\n";

static void print_help(const struct enter *n)
{
	if (n->debug)
		printf("\nUsage:\n nsenter-debug [options] [<target> [<program> [<argument>...]]]\n\n"
		       "<target> is 'engine' (the default), 'netd', a container's name or id, or a pid.  Without options all of\n"
		       "its namespaces are entered; without a program a shell, or --report where it has none.\n\n"
		       "  nsenter-debug                     a shell where the engine is\n"
		       "  nsenter-debug -n engine curl 172.17.0.2   reach a container's address with a program of the host\n"
		       "  nsenter-debug --report web        what a container without a shell looks like\n\n");
	else
		printf("\nUsage:\n %s [options] [<program> [<argument>...]]\n\n", n->self);
	fputs(help, stdout);
}

static int complain(const struct enter *n, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", n->self, e->msg);
	if (*e->hint)
		fprintf(stderr, "%s: hint: %s\n", n->self, e->hint);
	return 1;
}

/* --- options ---------------------------------------------------------------------------------------- */

static int take_kind(struct enter *n, int c)
{
	size_t i;

	for (i = 0; i < KINDS; i++) {
		if (kinds[i].letter != c)
			continue;
		n->wanted[i] = true;
		n->file[i] = optarg;
		return 0;
	}
	return -1;
}

/* An id: a number, and nothing else. */
static int take_id(const char *what, uint64_t *id, struct err *e)
{
	return parse_u64(span_of(optarg), UINT32_MAX - 1, id) ? err_kind(e, ERR_INVALID, "failed to parse %s: '%s'", what, optarg) : 0;
}

static int take(struct enter *n, int c, struct err *e)
{
	switch (c) {
	case 'a':
		n->all = true;
		return 0;
	case 't':
		n->name = optarg;
		return 0;
	case 'S':
		n->set_uid = true;
		return take_id("uid", &n->uid, e);
	case 'G':
		n->set_gid = true;
		return take_id("gid", &n->gid, e);
	case OPT_PRESERVE:
		n->preserve = true;
		return 0;
	case 'r':
		n->root = true;
		n->root_dir = optarg;
		return 0;
	case 'w':
		n->wd = true;
		n->wd_dir = optarg;
		return 0;
	case 'W':
		n->wd_inside = optarg;
		return 0;
	case 'F':
		n->no_fork = true;
		return 0;
	case 'Z':
		n->context = true;
		return 0;
	case OPT_REPORT:
		n->report = true;
		return 0;
	default:
		return take_kind(n, c) ? err_kind(e, ERR_INVALID, "Try '%s --help' for more information.", n->self) : 0;
	}
}

/* 0 to go on, 1: it was answered, -1 with @e. */
static int parse(struct enter *n, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {"target", required_argument, NULL, 't'},
		{"mount", optional_argument, NULL, 'm'}, {"uts", optional_argument, NULL, 'u'},
		{"ipc", optional_argument, NULL, 'i'}, {"net", optional_argument, NULL, 'n'},
		{"pid", optional_argument, NULL, 'p'}, {"cgroup", optional_argument, NULL, 'C'},
		{"user", optional_argument, NULL, 'U'}, {"time", optional_argument, NULL, 'T'},
		{"setuid", required_argument, NULL, 'S'}, {"setgid", required_argument, NULL, 'G'},
		{"preserve-credentials", no_argument, NULL, OPT_PRESERVE}, {"root", optional_argument, NULL, 'r'},
		{"wd", optional_argument, NULL, 'w'}, {"wdns", required_argument, NULL, 'W'},
		{"no-fork", no_argument, NULL, 'F'}, {"follow-context", no_argument, NULL, 'Z'},
		{"report", no_argument, NULL, OPT_REPORT}, {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "+at:m::u::i::n::p::C::U::T::S:G:r::w::W:FZhV", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(n), 1;
		if (c == 'V')
			return printf("%s from coracle %s\n", n->self, CORACLE_VERSION), 1;
		if (take(n, c, e))
			return -1;
	}
	n->command = argv + optind;
	return 0;
}

/* --- what is meant ------------------------------------------------------------------------------------ */

static bool any_wanted(const struct enter *n)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (n->wanted[i])
			return true;
	return false;
}

/* Are we in that namespace of the target already? */
static bool is_ours(const struct target *t, const char *name)
{
	cleanup_free char *path = xasprintf("ns/%s", name), *own = xasprintf("/proc/self/ns/%s", name);
	struct stat a, b;

	return !fstatat(t->procfd, path, &a, 0) && !stat(own, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Without a target each thing needs a file of its own.  util-linux' words. */
static int check_files(const struct enter *n, struct err *e)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (n->wanted[i] && !n->file[i])
			return err_kind(e, ERR_INVALID, "neither filename nor target pid supplied for ns/%s", kinds[i].name);
	if (n->root && !n->root_dir)
		return err_kind(e, ERR_INVALID, "neither filename nor target pid supplied for root");
	if (n->wd && !n->wd_dir)
		return err_kind(e, ERR_INVALID, "neither filename nor target pid supplied for cwd");
	return n->all || n->report || n->context ? err_kind(e, ERR_INVALID, "no target PID specified for --all") : 0;
}

static int decide(struct enter *n, struct err *e)
{
	size_t i;

	if (n->debug && !n->name)
		n->name = *n->command ? *n->command++ : "engine";
	if (n->debug && !any_wanted(n))
		n->all = true;
	if (n->wd && n->wd_inside)
		return err_kind(e, ERR_INVALID, "options --wd and --wdns exclude each other");
	if (!n->name)
		return check_files(n, e);
	if (target_find(n->name, &n->target, e))
		return -1;
	for (i = 0; i < KINDS; i++)
		if (n->all && !is_ours(&n->target, kinds[i].name))
			n->wanted[i] = true;
	if (n->all && n->target.netns >= 0)
		n->wanted[NET] = true;
	/* By name the way in is ours to find: an ordinary user enters nothing without the user namespace. */
	if ((n->debug || n->report) && !is_ours(&n->target, "user") && geteuid())
		n->wanted[USER] = true;
	if (n->report) /* it looks from outside */
		for (i = 0; i < KINDS; i++)
			n->wanted[i] = (i == NET || i == USER) && (i == NET || n->wanted[i]) && !is_ours(&n->target, kinds[i].name);
	if (n->report && n->target.netns >= 0)
		n->wanted[NET] = true;
	return 0;
}

/* --- opening ------------------------------------------------------------------------------------------ */

static int open_dir(int at, const char *path, int *fd, struct err *e)
{
	*fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(e, errno, "cannot open %s", path) : 0;
}

static int open_kind(struct enter *n, int i, struct err *e)
{
	cleanup_free char *path = xasprintf("ns/%s", kinds[i].name);

	if (n->file[i])
		return open_dir(AT_FDCWD, n->file[i], &n->fd[i], e);
	if (i == NET && n->target.netns >= 0) {
		n->fd[i] = n->target.netns;
		return 0;
	}
	n->fd[i] = openat(n->target.procfd, path, O_RDONLY | O_CLOEXEC);
	return n->fd[i] < 0 ? err_set(e, errno, "cannot open /proc/%d/%s", (int)n->target.pid, path) : 0;
}

static int open_all(struct enter *n, struct err *e)
{
	int i;

	for (i = 0; i < KINDS; i++)
		if (n->wanted[i] && open_kind(n, i, e))
			return -1;
	if (n->root && (n->root_dir ? open_dir(AT_FDCWD, n->root_dir, &n->rootfd, e) : open_dir(n->target.procfd, "root", &n->rootfd, e)))
		return -1;
	if (n->wd && (n->wd_dir ? open_dir(AT_FDCWD, n->wd_dir, &n->wdfd, e) : open_dir(n->target.procfd, "cwd", &n->wdfd, e)))
		return -1;
	return 0;
}

/* --- entering ------------------------------------------------------------------------------------------- */

static int enter_all(struct enter *n, struct err *e)
{
	int pass, i;

	for (pass = 0; pass < 2; pass++) {
		for (i = pass ? USER : USER + 1; i < KINDS; i++) {
			if (n->fd[i] < 0)
				continue;
			if (!setns(n->fd[i], kinds[i].type))
				fd_close(&n->fd[i]);
			else if (pass)
				return err_set(e, errno, "reassociate to namespace 'ns/%s' failed", kinds[i].name);
		}
	}
	return 0;
}

static int change_dirs(struct enter *n, struct err *e)
{
	/* Where the root changes and the working directory was not spoken of, it stays what it is. */
	if (n->rootfd >= 0 && n->wdfd < 0 && open_dir(AT_FDCWD, ".", &n->wdfd, e))
		return -1;
	if (n->rootfd >= 0 && (fchdir(n->rootfd) || chroot(".")))
		return err_set(e, errno, "chroot failed");
	if (n->wd_inside && open_dir(AT_FDCWD, n->wd_inside, &n->wdfd, e))
		return -1;
	if (n->wdfd >= 0 && fchdir(n->wdfd))
		return err_set(e, errno, "change directory by working directory file descriptor failed");
	fd_close(&n->rootfd);
	fd_close(&n->wdfd);
	return 0;
}

/* As util-linux: whoever entered a user namespace becomes its root, unless told otherwise. */
static int change_ids(struct enter *n, struct err *e)
{
	bool entered = n->wanted[USER] && !n->preserve;

	if (entered && !n->set_gid)
		n->set_gid = true;
	if (entered && !n->set_uid)
		n->set_uid = true;
	/* A namespace of a single id denies setgroups(2): there are no groups to lose then. */
	if (n->set_gid && setgroups(0, NULL) && errno != EPERM)
		return err_set(e, errno, "setgroups failed");
	if (n->set_gid && setgid((gid_t)n->gid))
		return err_set(e, errno, "setgid failed");
	if (n->set_uid && setuid((uid_t)n->uid))
		return err_set(e, errno, "setuid failed");
	return 0;
}

/* The label the target runs with, for what we are going to run. */
static int follow_context(const struct enter *n, struct err *e)
{
	cleanup_buf struct buf label = BUF_INIT;
	cleanup_close int fd = -1;

	if (file_read_at(n->target.procfd, "attr/current", 4096, &label, e))
		return err_wrap(e, "failed to get SELinux context of %s", n->target.what);
	fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_full(fd, label.p, label.n))
		return err_set(e, errno, "failed to set exec context to '%s'", label.p);
	return 0;
}

/* Parent of the command in another pid namespace: ends as it does, stops as it does. */
static void follow_child(pid_t child)
{
	int status;

	for (;;) {
		if (waitpid(child, &status, WUNTRACED) != child)
			exit(1);
		if (!WIFSTOPPED(status))
			break;
		kill(getpid(), SIGSTOP);
		kill(child, SIGCONT);
	}
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int run_program(const struct enter *n, char **argv)
{
	execvp(argv[0], argv);
	fprintf(stderr, "%s: failed to execute %s: %s\n", n->self, argv[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* One that can be run where we are now: the user's, or the usual one; NULL if there is none. */
static char *find_shell(void)
{
	const char *shell = getenv("SHELL");

	if (shell && *shell == '/' && !access(shell, X_OK))
		return xstrdup(shell);
	return access("/bin/sh", X_OK) ? NULL : xstrdup("/bin/sh");
}

static int run_shell(const struct enter *n)
{
	cleanup_free char *shell = find_shell();
	const char *base = shell ? strrchr(shell, '/') + 1 : NULL;
	cleanup_free char *login = NULL;

	if (!shell && n->target.procfd >= 0) {
		printf("%s: %s has no shell; this is what can be told without one\n\n", n->self, n->target.what);
		return report_print(&n->target);
	}
	if (!shell) {
		fprintf(stderr, "%s: failed to execute /bin/sh: %s\n", n->self, strerror(ENOENT));
		return 127;
	}
	login = xasprintf("-%s", base);
	execl(shell, login, (char *)NULL);
	fprintf(stderr, "%s: failed to execute %s: %s\n", n->self, shell, strerror(errno));
	return 126;
}

static int go(struct enter *n, struct err *e)
{
	pid_t child;

	if (open_all(n, e) || enter_all(n, e))
		return complain(n, e);
	if (n->report)
		return report_print(&n->target);
	if (n->context && follow_context(n, e))
		return complain(n, e);
	if (change_dirs(n, e))
		return complain(n, e);
	if (n->wanted[PID] && !n->no_fork) {
		child = fork();
		if (child < 0)
			return err_set(e, errno, "fork failed"), complain(n, e);
		if (child)
			follow_child(child);
	}
	if (change_ids(n, e))
		return complain(n, e);
	return *n->command ? run_program(n, n->command) : run_shell(n);
}

int nsenter_debug_main(int argc, char **argv)
{
	static struct enter n = {.rootfd = -1, .wdfd = -1, .target = {.procfd = -1, .netns = -1}};
	struct err e = ERR_INIT;
	int i, status;

	n.self = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	n.debug = strcmp(n.self, "nsenter") != 0;
	for (i = 0; i < KINDS; i++)
		n.fd[i] = -1;
	status = parse(&n, argc, argv, &e);
	if (status > 0)
		return fflush(stdout) ? 1 : 0;
	if (status < 0 || decide(&n, &e))
		return complain(&n, &e);
	status = go(&n, &e);
	return fflush(stdout) ? 1 : status;
}
