/* SPDX-License-Identifier: MIT */
/*
 * core/limits/soft.h - limits for a container that has no cgroup of its own
 *
 * Theory of operation
 *   Where the kernel gives an unprivileged user no cgroup to set limits in, the container's monitor
 *   holds them: it looks at the container's processes now and then, and acts.
 *	cpu	SIGSTOP and SIGCONT in slices, as duty.h has it
 *	memory	SIGKILL for the process that uses most, once all together use more than they
 *		may, as the kernel's OOM killer would
 *   One look serves both.  How soon the next one comes depends on how much could have happened
 *   by then: ten times a second for a busy container far from its limits.
 *
 *   A container may have a cgroup that lacks just the controller (only "memory pids" are delegated to
 *   many a user).  Then the cgroup's freezer stops it and its cpu.stat says what was used, which every
 *   cgroup has: all at once, unseen by anybody inside, for two system calls.
 *
 *   Nobody stays stopped: the monitor lets them go on when it ends or the limit is lifted, and if
 *   it is killed the container's init dies with it and takes the pid namespace along.
 *
 * Softer than a cgroup: a stopped process's parent may notice (a shell with job control does), and
 * memory may be exceeded for the milliseconds between two looks.
 */
#ifndef LIMITS_SOFT_H
#define LIMITS_SOFT_H

#include "limits/duty.h"
#include "limits/members.h"

struct soft_limits {
	int64_t cpu_ns;	 /* CPU time per second; 0: no limit */
	uint64_t memory; /* bytes; 0: no limit */
};

struct soft {
	int procfd; /* of the container's pid namespace, owned; -1: nothing to be done */
	int cgroup; /* the container's, borrowed, or -1 */
	struct soft_limits limits;
	struct members members;
	struct duty duty;
	int64_t next_ns; /* monotonic: when to look again; INT64_MAX: no limits */
	bool oom_killed; /* somebody was killed for the memory limit */
};

/* @procfd is owned from here on, @cgroup (or -1) borrowed until soft_release(). */
void soft_init(struct soft *s, int procfd, int cgroup, const struct soft_limits *limits);
/* Other limits from now on. */
void soft_change(struct soft *s, const struct soft_limits *limits);
/* Look, act, and set ->next_ns.  Call it when that time has come. */
void soft_step(struct soft *s);
/* Let all go on, until the next step. */
void soft_resume(struct soft *s);
void soft_release(struct soft *s);

#endif
