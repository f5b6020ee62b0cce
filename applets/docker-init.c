/* SPDX-License-Identifier: MIT */
/*
 * applets/docker-init.c - PID 1 of a container started with --init
 *
 * Theory of operation
 *   PID 1 gets no default action for signals, and inherits every orphan of its namespace.  Few
 *   programs are written for that, so this one takes the place: it starts the command as its
 *   child, passes signals on to it, reaps whatever dies, and ends as the command ended.
 *
 *   All signals that can be are blocked before the fork and taken with sigtimedwait, one after
 *   the other: no handler runs, so there is no moment at which one could be lost.  The child
 *   restores the mask it would have had.  With a terminal, the child becomes a process group of
 *   its own in the foreground, so that Ctrl-C reaches the command once, from the kernel.
 *
 *   Not passed on: SIGCHLD (it is for us), the ones a fault of our own would raise, and the
 *   job control signals SIGTTIN and SIGTTOU, which concern who reads the terminal.
 *
 * Options are those of tini that make sense here: -s (become a subreaper where this is not PID
 * 1), -g (signal the child's whole process group), -v (say what happens), -e N (let status N
 * count as 0), -p SIGNAL (a signal to get when the parent dies), -w is accepted.
 * Exit status: the command's, 128+n if signal n ended it, 126 or 127 if it cannot be run.
 */
#include "applets.h"
#include "version.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct init_options {
	bool group;
	bool subreaper;
	int verbose;
	int parent_signal; /* 0: none */
	bool remap[256];   /* statuses that count as success */
};

static const char help[] =
	"Usage: docker-init [OPTIONS] [--] COMMAND [ARGS...]\n\n"
	"Run COMMAND as the child of a minimal init: signals are passed on, zombies reaped.\n\n"
	"  -s           become a subreaper (for use other than as PID 1)\n"
	"  -g           send signals to the command's process group\n"
	"  -p SIGNAL    number of the signal to get when the parent dies\n"
	"  -e STATUS    treat this exit status as 0 (may be repeated)\n"
	"  -v           say more (may be repeated)\n"
	"  -w           accepted for compatibility\n"
	"  -h, --help   print this;  --version prints the version\n";

static int parse_number(const char *text, uint64_t max, const char *what, uint64_t *v)
{
	if (text && parse_u64(span_of(text), max, v) == 0)
		return 0;
	fprintf(stderr, "docker-init: bad %s '%s'; try --help\n", what, text ? text : "");
	return -1;
}

/* 0 to go on, 1 after --help or --version, -1 for wrong usage */
static int parse_options(int argc, char **argv, struct init_options *o)
{
	uint64_t v;
	int opt;

	optind = 1;
	while ((opt = getopt(argc, argv, "+sgvwhp:e:-:")) != -1) {
		switch (opt) {
		case 's':
			o->subreaper = true;
			break;
		case 'g':
			o->group = true;
			break;
		case 'v':
			o->verbose++;
			break;
		case 'w':
			break;
		case 'p':
			if (parse_number(optarg, (uint64_t)SIGRTMAX, "signal", &v) < 0)
				return -1;
			o->parent_signal = (int)v;
			break;
		case 'e':
			if (parse_number(optarg, 255, "exit status", &v) < 0)
				return -1;
			o->remap[v] = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		case '-':
			if (strcmp(optarg, "help") == 0) {
				fputs(help, stdout);
				return 1;
			}
			if (strcmp(optarg, "version") == 0) {
				printf("docker-init (coracle %s, %s)\n", CORACLE_VERSION, CORACLE_COMMIT);
				return 1;
			}
			fprintf(stderr, "docker-init: unknown option --%s; try --help\n", optarg);
			return -1;
		default:
			return -1; /* getopt has said it */
		}
	}
	if (optind < argc)
		return 0;
	fprintf(stderr, "docker-init: no command to run; try --help\n");
	return -1;
}

static void signals_block(sigset_t *old)
{
	static const int ours[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS,
		SIGTTIN, SIGTTOU };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigdelset(&set, ours[i]);
	sigprocmask(SIG_SETMASK, &set, old);
	/* As a background process we may still hand over the terminal. */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
}

static void child_exec(char **argv, const sigset_t *mask)
{
	int code;

	setpgid(0, 0);
	if (isatty(STDIN_FILENO))
		tcsetpgrp(STDIN_FILENO, getpgrp());
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	code = errno;
	fprintf(stderr, "docker-init: exec %s: %s\n", argv[0], strerror(code));
	_exit(code == ENOENT || code == ENOTDIR ? 127 : 126);
}

static int status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

/* Reap all that is dead.  True once @child is, with *status set. */
static bool reap(pid_t child, const struct init_options *o, int *status)
{
	bool done = false;
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		if (o->verbose)
			fprintf(stderr, "docker-init: reaped %d, status %d\n", pid, status_of(wstatus));
		if (pid != child)
			continue;
		*status = status_of(wstatus);
		done = true;
	}
	return done;
}

int docker_init_main(int argc, char **argv)
{
	struct init_options o = { 0 };
	sigset_t old, all;
	pid_t child;
	int status = 0, r;

	r = parse_options(argc, argv, &o);
	if (r != 0)
		return r > 0 ? 0 : 2;
	if (o.parent_signal && prctl(PR_SET_PDEATHSIG, (unsigned long)o.parent_signal, 0, 0, 0) < 0)
		fprintf(stderr, "docker-init: asking for signal %d: %s\n", o.parent_signal, strerror(errno));
	if (o.subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		fprintf(stderr, "docker-init: becoming a subreaper: %s\n", strerror(errno));

	signals_block(&old);
	child = fork();
	if (child < 0) {
		fprintf(stderr, "docker-init: fork: %s\n", strerror(errno));
		return 1;
	}
	if (child == 0)
		child_exec(argv + optind, &old);

	sigfillset(&all);
	for (;;) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig < 0)
			continue; /* EINTR: stopped and continued */
		if (sig == SIGCHLD) {
			if (reap(child, &o, &status))
				return o.remap[status & 0xff] ? 0 : status;
			continue;
		}
		if (o.verbose)
			fprintf(stderr, "docker-init: passing on signal %d\n", sig);
		if (kill(o.group ? -child : child, sig) < 0 && errno != ESRCH)
			fprintf(stderr, "docker-init: signal %d: %s\n", sig, strerror(errno));
	}
}
