/* SPDX-License-Identifier: MIT */
/*
 * core/limits/memory.h - how much memory a set of processes uses, as a limit counts it
 *
 * No rlimit stands behind it.  RLIMIT_AS and RLIMIT_DATA count what a process may come to use, each for itself: the
 * whole of each thread's stack, what an allocator has set aside.  Measured with Debian 12: python3 with 16 threads
 * has 137 MiB of data at a share (PSS) of 7 MiB, and under RLIMIT_DATA of 64 MiB cannot start the seventh; a Go program
 * has 91 MiB at 9 MiB, and crashes.  They would be refused what `--memory 64m` allows them under a cgroup; and
 * what fills memory at once is killed in time without (tests/bench/limits.sh).
 */
#ifndef LIMITS_MEMORY_H
#define LIMITS_MEMORY_H

#include "limits/members.h"

/**
 * memory_used() - What a memory cgroup would charge that it could not get back by reclaim
 * @limit:	Below it nobody asks how much exactly: a cheap upper bound does
 * @largest:	Set to the index of the process that uses most, when the limit is exceeded
 *
 * Anonymous and shared memory, each page once however many processes map it (their proportional
 * set sizes).  Pages of files can be dropped and do not count, nor do those of a tmpfs that
 * nobody maps.
 *
 * Return: bytes
 */
uint64_t memory_used(int procfd, const struct members *m, uint64_t limit, size_t *largest);

/* Parse /proc/PID/smaps_rollup: bytes of anonymous and shared memory (all of Pss before Linux 5.4). */
uint64_t memory_parse_rollup(struct span text);

/**
 * memory_pause_ns() - How long one may look away
 *
 * Until a program that writes at 4 GB/s, which is what one core can do to fresh memory, could be
 * at one and a half times the limit.
 */
int64_t memory_pause_ns(uint64_t used, uint64_t limit);

#endif
