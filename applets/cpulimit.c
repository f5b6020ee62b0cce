/* SPDX-License-Identifier: MIT */
/*
 * applets/cpulimit.c - hold the CPU use of a process, or of a tree of them, to a limit
 *
 * Theory of operation
 *   core/limits counts and decides (duty.h); this is the loop around it.  Who is meant: one process
 *   (-p), one found by its program (-e, -P), or a command that we start; with -i all that descend
 *   from it, too.
 *
 *   A command's orphans come to us, as we are their subreaper, so the tree stays whole; and what
 *   short-lived children used is not lost: once waited for, it is in the counters of who waited.
 *   That is why a shell script or a compiler's driver is held to its limit here, whose processes
 *   are gone before anybody could stop them.
 *
 *   Signals: for a command we pass on those that ask to end, and end as it ends, so that we can be
 *   PID 1 of a container.  Otherwise they end us.  Whatever ends us, SIGKILL too, a guardian that
 *   only waits for that lets go on who then is in the tree.
 */
#include "applets.h"
#include "base/clock.h"
#include "base/fs.h"
#include "limits/duty.h"
#include "limits/members.h"
#include "runtime/runtime.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEARCH_MS 1000 /* between two looks for a program that does not run yet */
#define REPORT_MS 1000 /* between two lines of --verbose */

struct options {
	int64_t share_ns; /* CPU time per second */
	unsigned int cpus;
	uint64_t percent;
	pid_t pid;
	const char *exe, *path;
	char **command;
	bool children, lazy, verbose, quiet, kill, background;
	int end_signal;
};

struct limited {
	const struct options *o;
	int procfd;
	pid_t root; /* the process; with a command its parent, which is us */
	struct members members;
	struct duty duty;
	int64_t reported_at;
	uint64_t reported_used;
};

static const char help[] =
	"Usage: cpulimit [OPTIONS] TARGET\n\n"
	"Hold a process to a share of the CPU by stopping it and letting it go on.\n\n"
	"TARGET is one of:\n"
	"  -p, --pid N            the process with that id\n"
	"  -e, --exe FILE         a process running that program (name or path); waited for\n"
	"  -P, --path PATH        a process running the program at that absolute path; waited for\n"
	"  COMMAND [ARGS...]      run it, and end with its exit status\n\n"
	"Options:\n"
	"  -l, --limit N          percent of one CPU, up to 100 for each CPU there is (required)\n"
	"  -i, --include-children the processes it started, too (also -m, --monitor-forks)\n"
	"  -z, --lazy             end if there is no such process, or when it ends\n"
	"  -k, --kill             kill it when it exceeds the limit for a second, do not slow it down\n"
	"  -s, --signal SIGNAL    what it is sent when we are ended (default CONT)\n"
	"  -b, --background       go on in the background\n"
	"  -c, --cpu N            how many CPUs there are, if not as detected\n"
	"  -v, --verbose          say every second what is used;  -q, --quiet  say nothing\n"
	"  -h, --help             print this;  --version prints the version\n\n"
	"  cpulimit -l 50 -i -- make -j4      half a CPU for a whole build\n"
	"  cpulimit -l 25 -p 1234             a quarter of a CPU for a process that runs\n";

/* --- options ---------------------------------------------------------------------------------------- */

static const struct option longs[] = {
	{"pid", 1, NULL, 'p'}, {"exe", 1, NULL, 'e'}, {"path", 1, NULL, 'P'}, {"limit", 1, NULL, 'l'},
	{"include-children", 0, NULL, 'i'}, {"monitor-forks", 0, NULL, 'm'}, {"lazy", 0, NULL, 'z'},
	{"kill", 0, NULL, 'k'}, {"signal", 1, NULL, 's'}, {"background", 0, NULL, 'b'},
	{"foreground", 0, NULL, 'f'}, {"cpu", 1, NULL, 'c'}, {"verbose", 0, NULL, 'v'}, {"quiet", 0, NULL, 'q'},
	{"help", 0, NULL, 'h'}, {"version", 0, NULL, 'V'}, {0},
};

static int number(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *v)
{
	if (!parse_u64(span_of(text), max, v) && *v >= min)
		return 0;
	fprintf(stderr, "cpulimit: bad %s '%s': %llu to %llu\n", what, text, (unsigned long long)min,
		(unsigned long long)max);
	return -1;
}

static int take(struct options *o, int opt)
{
	uint64_t v;

	switch (opt) {
	case 'p':
		if (number(optarg, 1, INT_MAX, "pid", &v))
			return -1;
		o->pid = (pid_t)v;
		return 0;
	case 'e':
		o->exe = optarg;
		return 0;
	case 'P':
		o->path = optarg;
		return 0;
	case 'l':
		return number(optarg, 1, 1000000, "limit", &o->percent);
	case 'c':
		if (number(optarg, 1, 10000, "number of CPUs", &v))
			return -1;
		o->cpus = (unsigned int)v;
		return 0;
	case 's':
		o->end_signal = signal_number(optarg);
		if (o->end_signal >= 0)
			return 0;
		fprintf(stderr, "cpulimit: unknown signal '%s'\n", optarg);
		return -1;
	default:
		o->children |= opt == 'i' || opt == 'm';
		o->lazy |= opt == 'z';
		o->kill |= opt == 'k';
		o->background |= opt == 'b';
		o->verbose |= opt == 'v';
		o->quiet |= opt == 'q';
		return opt == '?' ? -1 : 0;
	}
}

static int check(struct options *o)
{
	const char *wrong = NULL;

	if (!!o->pid + !!o->exe + !!o->path + !!o->command != 1)
		wrong = "exactly one of a pid, a program and a command is needed";
	else if (!o->percent)
		wrong = "a limit is needed: -l PERCENT";
	else if (o->path && *o->path != '/')
		wrong = "--path wants an absolute path";
	if (wrong) {
		fprintf(stderr, "cpulimit: %s; try --help\n", wrong);
		return -1;
	}
	if (o->percent > o->cpus * 100ULL) {
		fprintf(stderr, "cpulimit: limit must be in the range 1-%u: there are %u CPUs\n", o->cpus * 100,
			o->cpus);
		return -1;
	}
	o->share_ns = (int64_t)o->percent * (NS_PER_S / 100);
	return 0;
}

/* 0 to go on, 1 when all is said, -1 for wrong usage */
static int parse(int argc, char **argv, struct options *o)
{
	int opt;

	*o = (struct options){.cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), .end_signal = SIGCONT};
	optind = 1;
	while ((opt = getopt_long(argc, argv, "+p:e:P:l:imzks:bfc:vqhV", longs, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (opt == 'V') {
			printf("cpulimit (coracle %s, %s)\n", CORACLE_VERSION, CORACLE_COMMIT);
			return 1;
		}
		if (take(o, opt))
			return -1;
	}
	if (optind < argc)
		o->command = argv + optind;
	return check(o);
}

/* --- the target ----------------------------------------------------------------------------------------- */

static bool runs_program(const struct options *o, pid_t pid)
{
	char link[32], exe[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	if (n <= 0 || pid == getpid())
		return false;
	exe[n] = 0;
	if (o->path || strchr(o->exe, '/'))
		return !strcmp(exe, o->path ? o->path : o->exe);
	name = strrchr(exe, '/');
	return name && !strcmp(name + 1, o->exe);
}

/* A process that runs the program: the oldest; or 0. */
static pid_t find_program(struct limited *l)
{
	const struct member *oldest = NULL;
	size_t i;

	if (members_read(l->procfd, &l->members, NULL))
		return 0;
	for (i = 0; i < l->members.n; i++) {
		const struct member *m = &l->members.list[i];

		if ((!oldest || m->start_time < oldest->start_time) && runs_program(l->o, m->pid))
			oldest = m;
	}
	return oldest ? oldest->pid : 0;
}

static void say(const struct options *o, const char *text, pid_t pid)
{
	if (!o->quiet)
		printf("Process %d %s\n", (int)pid, text);
	fflush(stdout);
}

/* --- holding it ------------------------------------------------------------------------------------------- */

/* Does it hold for this one? */
static bool is_meant(const struct limited *l, const struct member *m)
{
	if (m->pid == getpid())
		return false;
	return l->o->children || m->pid == l->root || (l->root == getpid() && m->parent == l->root);
}

/* CPU time of one in the tree, as far as it counts; of us, what we have waited for. */
static uint64_t used_by(const struct limited *l, const struct member *m)
{
	uint64_t used = is_meant(l, m) ? m->own_ns : 0;

	return used + (l->o->children ? m->reaped_ns : 0);
}

/* Read who is meant, and what they have used.  -1: nobody is left. */
static int look(struct limited *l, uint64_t *used)
{
	struct members *m = &l->members;
	size_t i, kept = 0;

	*used = 0;
	if (members_read_tree(l->procfd, l->root, m, NULL))
		return -1;
	for (i = 0; i < m->n; i++) {
		struct member one = m->list[i];

		*used += used_by(l, &one);
		if (is_meant(l, &one) && one.state != 'Z')
			m->list[kept++] = one;
		else
			member_close(&one);
	}
	m->n = kept;
	return kept ? 0 : -1;
}

static void stop_all(struct limited *l)
{
	uint64_t used;

	while (members_stop(l->procfd, &l->members) && l->o->children && !look(l, &used))
		;
}

static void report(struct limited *l, int64_t now, uint64_t used)
{
	int64_t passed = now - l->reported_at;

	if (l->reported_at && passed < REPORT_MS * NS_PER_MS)
		return;
	if (l->reported_at && l->o->verbose)
		fprintf(stderr, "cpulimit: %5.1f%% of a CPU, %zu processes\n",
			100.0 * (double)(used - l->reported_used) / (double)passed, l->members.n);
	if (l->reported_at && l->o->kill &&
		(double)(used - l->reported_used) > (double)l->o->share_ns * (double)passed / NS_PER_S) {
		for (size_t i = 0; i < l->members.n; i++)
			member_signal(l->procfd, &l->members.list[i], SIGKILL);
	}
	l->reported_at = now;
	l->reported_used = used;
}

/* Nanoseconds until the next step, or -1: it has ended. */
static int64_t step(struct limited *l)
{
	int64_t now = clock_mono_ns(), pause;
	uint64_t used;

	if (look(l, &used))
		return -1;
	report(l, now, used);
	pause = duty_step(&l->duty, now, used, members_cpus(&l->members));
	if (l->o->kill)
		return pause;
	if (l->duty.stop)
		stop_all(l);
	else
		members_continue(l->procfd, &l->members);
	return pause;
}

/* --- ends -------------------------------------------------------------------------------------------------- */

/* A process that outlives us only to let the others go on. */
static void guard(const struct limited *l)
{
	struct limited mine = *l;
	cleanup_close int us = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct pollfd p = {.fd = us, .events = POLLIN};
	pid_t pid = us < 0 ? -1 : fork();
	uint64_t used;

	if (pid)
		return;
	setsid();
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	/* A command's tree hangs on its root now that we are gone. */
	mine.members = (struct members){NULL, 0, 0};
	if (!look(&mine, &used)) {
		for (size_t i = 0; i < mine.members.n; i++) {
			if (mine.members.list[i].state == 'T')
				member_signal(mine.procfd, &mine.members.list[i], SIGCONT);
		}
	}
	_exit(0);
}

static int status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

/* Wait for orphans and the command; its status, or -1 while it lives. */
static int reap(pid_t command)
{
	int wstatus, status = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		if (pid == command)
			status = status_of(wstatus);
	}
	return status;
}

static void block(sigset_t *set, sigset_t *old)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
	sigprocmask(SIG_BLOCK, set, old);
}

static int wait_signal(const sigset_t *set, int64_t ns)
{
	struct timespec t = {ns / NS_PER_S, ns % NS_PER_S};

	return sigtimedwait(set, NULL, &t);
}

/* Until the target has ended, or we are told to: -1 or the signal; *status: the command's. */
static int hold(struct limited *l, pid_t command, const sigset_t *set, int *status)
{
	int64_t pause;
	int signo;

	for (;;) {
		pause = step(l);
		if (pause < 0 && !command)
			return -1;
		signo = wait_signal(set, pause < 0 ? NS_PER_MS : pause);
		if (command && (*status = reap(command)) >= 0)
			return -1;
		if (signo <= 0 || signo == SIGCHLD)
			continue;
		if (!command)
			return signo;
		kill(command, signo);
		members_continue(l->procfd, &l->members); /* so that it can act on it */
	}
}

/* --- main -------------------------------------------------------------------------------------------------- */

static int run_command(struct limited *l, const sigset_t *set, const sigset_t *old)
{
	pid_t pid;
	int status = 1;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "cpulimit: fork: %s\n", strerror(errno));
		return 1;
	}
	if (!pid) {
		sigprocmask(SIG_SETMASK, old, NULL);
		execvp(*l->o->command, l->o->command);
		status = errno == ENOENT ? 127 : 126;
		fprintf(stderr, "cpulimit: exec %s: %s\n", *l->o->command, strerror(errno));
		_exit(status);
	}
	guard(&(struct limited){.o = l->o, .procfd = l->procfd, .root = pid});
	l->root = getpid();
	hold(l, pid, set, &status);
	members_continue(l->procfd, &l->members); /* what it left behind */
	return status;
}

/* Once for each process that is found, until told to end. */
static int run_target(struct limited *l, const sigset_t *set)
{
	const struct options *o = l->o;
	int signo = -1, status;

	do {
		l->root = o->pid ? o->pid : find_program(l);
		if (!l->root || (o->pid && kill(o->pid, 0) && errno == ESRCH)) {
			if (!o->quiet)
				printf("No target process found\n");
			fflush(stdout);
			if (o->lazy || o->pid)
				return 1;
			signo = wait_signal(set, SEARCH_MS * NS_PER_MS);
			continue;
		}
		say(o, "found", l->root);
		if (kill(l->root, 0)) {
			fprintf(stderr, "cpulimit: controlling process %d: %s\n", (int)l->root, strerror(errno));
			return 1;
		}
		guard(l);
		l->duty = (struct duty){.share_ns = o->share_ns};
		signo = hold(l, 0, set, &status);
		if (signo < 0)
			say(o, "dead!", l->root);
	} while (signo < 0 && !o->lazy && !o->pid);
	members_continue(l->procfd, &l->members);
	if (signo > 0 && l->root && o->end_signal != SIGCONT)
		kill(l->root, o->end_signal);
	return 0;
}

int cpulimit_main(int argc, char **argv)
{
	struct options o;
	struct limited l = {.o = &o, .procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	sigset_t set, old;
	int r = parse(argc, argv, &o), status;

	if (r)
		return r > 0 ? 0 : 2;
	if (l.procfd < 0) {
		fprintf(stderr, "cpulimit: opening /proc: %s\n", strerror(errno));
		return 1;
	}
	if (o.background && daemon(1, 1)) {
		fprintf(stderr, "cpulimit: going to the background: %s\n", strerror(errno));
		return 1;
	}
	block(&set, &old);
	l.duty.share_ns = o.share_ns;
	status = o.command ? run_command(&l, &set, &old) : run_target(&l, &set);
	members_release(&l.members);
	fd_close(&l.procfd);
	return status;
}
