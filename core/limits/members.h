/* SPDX-License-Identifier: MIT */
/*
 * core/limits/members.h - the processes of a container or of a tree, as procfs tells of them
 */
#ifndef LIMITS_MEMBERS_H
#define LIMITS_MEMBERS_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct member {
	pid_t pid, parent; /* as that procfs numbers them */
	char state;	   /* proc(5): 'R' running, 'T' stopped, 'Z' zombie, … */
	uint64_t start_time; /* clock ticks since boot: with pid, which process it is */
	uint64_t own_ns;     /* CPU time of its threads, dead ones too */
	uint64_t reaped_ns;  /* CPU time of children that it has waited for, and of theirs */
	uint64_t threads;
	uint64_t resident; /* bytes */
	bool stopped_by_us;
	int dir, stat, sched; /* its directory and those files in it, kept open from look to look; 0: not */
};

struct members {
	struct member *list;
	size_t n, room;
};

/* Parse one /proc/PID/stat.  0, or -1 if it is malformed. */
int member_parse(struct span text, struct member *m);

/**
 * members_read() - List the processes of a procfs anew
 * @procfd:	Its root: /proc, or a mount for one pid namespace
 *
 * Who was stopped_by_us in the list before still is.  Zombies are listed: their CPU time counts
 * until they are waited for.
 *
 * Return: 0, or -1 with @e and an empty list
 */
int members_read(int procfd, struct members *m, struct err *e);
/**
 * members_read_tree() - The same for a process and what descends from it
 *
 * By the lists of children that the kernel keeps (CONFIG_PROC_CHILDREN), else by everybody's parents.
 * A child is missed when another one ends while its list is read; it is there the next time.
 */
int members_read_tree(int procfd, pid_t root, struct members *m, struct err *e);
void members_release(struct members *m);
/* For one that is taken off the list by hand. */
void member_close(struct member *m);

/**
 * members_cpu_ns() - CPU time of them all, and of the children they have waited for
 *
 * What a process used is in its own counters while it lives and in its parent's when it was waited
 * for, so the sum grows by what all have used, however short they live.  (It is lost with one whose
 * parent is not listed or ignores SIGCHLD: then the sum falls.)
 */
uint64_t members_cpu_ns(const struct members *m);
uint64_t members_threads(const struct members *m);
/* How many CPUs they can use at once: one for each thread, as far as there are so many. */
unsigned int members_cpus(const struct members *m);

/**
 * members_stop() - Send SIGSTOP to all in the list who are not stopped
 *
 * A process that has been sent one forks no more.  So: read the list and stop, until nobody new was
 * found.
 *
 * Return: how many there were
 */
size_t members_stop(int procfd, struct members *m);
/* SIGCONT to those that members_stop() stopped.  Any time, twice too. */
void members_continue(int procfd, struct members *m);
/* Send @signo to a process, unless another has its pid by now.  0, or -1 and errno. */
int member_signal(int procfd, const struct member *m, int signo);

#endif
