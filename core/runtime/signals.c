/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/signals.c - the names of signals
 *
 * Theory of operation
 *   Linux's numbers differ between architectures, so the table is made of the headers' constants.
 *   Real-time signals are named from both ends.  Where a C library keeps the first ones for
 *   itself, its SIGRTMIN is not the kernel's 32; Docker counts from 34, and so do we.
 */
#include "base/str.h"
#include "runtime/runtime.h"

#include <ctype.h>
#include <signal.h>
#include <strings.h>

#define RT_MIN 34
#define RT_MAX 64

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "BUS", SIGBUS }, { "CHLD", SIGCHLD },
	{ "CLD", SIGCHLD }, { "CONT", SIGCONT }, { "FPE", SIGFPE }, { "HUP", SIGHUP },
	{ "ILL", SIGILL }, { "INT", SIGINT }, { "IO", SIGIO }, { "IOT", SIGABRT },
	{ "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "POLL", SIGPOLL }, { "PROF", SIGPROF },
	{ "PWR", SIGPWR }, { "QUIT", SIGQUIT }, { "SEGV", SIGSEGV },
#ifdef SIGSTKFLT
	{ "STKFLT", SIGSTKFLT },
#endif
	{ "STOP", SIGSTOP }, { "SYS", SIGSYS }, { "TERM", SIGTERM }, { "TRAP", SIGTRAP },
	{ "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG },
	{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "VTALRM", SIGVTALRM },
	{ "WINCH", SIGWINCH }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },
};

static int rt_number(const char *name)
{
	int base, sign;
	uint64_t n = 0;

	if (!strncasecmp(name, "RTMIN", 5)) {
		base = RT_MIN;
		sign = 1;
	} else if (!strncasecmp(name, "RTMAX", 5)) {
		base = RT_MAX;
		sign = -1;
	} else {
		return -1;
	}
	name += 5;
	if (*name && (*name != (sign > 0 ? '+' : '-') ||
		parse_u64(span_of(name + 1), RT_MAX - RT_MIN, &n)))
		return -1;
	return base + sign * (int)n;
}

int signal_number(const char *name)
{
	uint64_t n;

	if (isdigit((unsigned char)*name)) {
		if (parse_u64(span_of(name), RT_MAX, &n) || !n)
			return -1;
		return (int)n;
	}
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (!strcasecmp(signals[i].name, name))
			return signals[i].number;
	}
	return rt_number(name);
}
