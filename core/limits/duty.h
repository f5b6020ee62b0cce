/* SPDX-License-Identifier: MIT */
/*
 * core/limits/duty.h - when to stop processes, and when to let them go on, so that they get a
 * share of the CPU
 *
 * Theory of operation
 *   A token bucket.  The right to use CPU time comes in at the rate of the limit and is spent as
 *   it is used; what is not used is kept for one period (100 ms, as the kernel's CFS bandwidth
 *   control), so that a process that mostly waits may burst.  In debt, they are stopped until the
 *   bucket holds enough for a slice again.
 *
 *   Nothing is estimated: what was used too much in one slice, because we looked too late or the
 *   counters are coarse, is debt that the next one pays.  So the average is the limit however
 *   badly we are scheduled ourselves.
 *
 * It only counts: whoever calls it stops processes and waits.
 */
#ifndef LIMITS_DUTY_H
#define LIMITS_DUTY_H

#include <stdbool.h>
#include <stdint.h>

#define DUTY_PERIOD_MS 100 /* as cpu.max(cgroup-v2) by default */

struct duty {
	int64_t share_ns; /* CPU time per second */
	int64_t period_ms; /* 0: DUTY_PERIOD_MS; longer where each look costs more */
	int64_t balance_ns;
	int64_t at_ns;	  /* of the last step; 0: none yet */
	uint64_t used_ns; /* what they had used by then */
	bool stop;	  /* they are to be stopped now */
};

/**
 * duty_step() - Account for what was used, and decide
 * @now_ns:	Monotonic
 * @used_ns:	What all have used since the start; less than before counts as nothing used
 * @cpus:	How many CPUs they could use at once, at least 1
 *
 * Return: nanoseconds until the next step should be made; d->stop tells what to do until then
 */
int64_t duty_step(struct duty *d, int64_t now_ns, uint64_t used_ns, unsigned int cpus);

#endif
