/* SPDX-License-Identifier: MIT */
/*
 * core/engine/tasks.h - the processes of a container, as the engine's /proc shows them
 */
#ifndef ENGINE_TASKS_H
#define ENGINE_TASKS_H

#include "engine/container.h"

struct task {
	pid_t pid, ppid;
	bool member;
	char state;
	char comm[64];
	uid_t uid;
	gid_t gid;
	int tty, nice, threads, cpu;
	int64_t ticks, start; /* clock ticks: used; since boot */
	int64_t user_ticks, system_ticks; /* used by it, and by children that it has waited for */
	int64_t vsz, rss;     /* bytes */
};

/**
 * tasks_read() - Who belongs to a container now
 * @procfd:	/proc, borrowed
 * @init:	Its first process
 * @own_pids:	It has a pid namespace of its own: then all in that are its, and what descends from
 *		them; else what descends from @init
 * @n:		Set to how many there are
 *
 * Return: to free(), sorted by pid; NULL if there is nobody
 */
struct task *tasks_read(int procfd, pid_t init, bool own_pids, size_t *n);

#endif
