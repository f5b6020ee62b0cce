/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/start.h - the new process of a container or an exec, from clone to exec
 */
#ifndef RUNTIME_START_H
#define RUNTIME_START_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct start {
	const char *request; /* the request as JSON text (runtime.h), valid in the child */
	size_t request_len;
	uint64_t make;	   /* CLONE_NEW… for the new process */
	const char *pid_ns; /* path of the pid namespace it is born into, "" for ours or a new one */
	const json_t *enter; /* what has the "namespaces" to be entered before the process is made, the user
			      * namespace last; NULL: the process does that itself */
	int join_pidfd;	   /* exec: the process whose namespaces it enters; else -1 */
	pid_t join_pid;
	bool tty;
	unsigned int rows, cols; /* 0: as the terminal is made */
	int stdio[3];		 /* the container's ends, above 2; -1: /dev/null or the terminal */
	int root_mount;	 /* the root filesystem, detached (rootfs_serve()); -1: it is mounted by its description */
	int cgroup;	 /* directory of the cgroup it is born into, or -1 */
	bool gate;	 /* it waits for a byte on its socket before it goes on (start_go()) */
	bool cgroup_ns;	 /* a cgroup namespace is to be made, of the cgroup it is in by then */
	int sync;		 /* child's end of the socketpair that start_wait() reads */
	int sync_ours;		 /* and the end that it must not hold: it would never see us die */
};

/**
 * start_clone() - Make the process; it goes on by itself until its program runs
 * @pidfd:	Set to its pidfd, owned
 *
 * For a single-threaded caller, once in its life: it may change which pid namespace children get.
 *
 * Return: its pid as we see it, or -1 with @e
 */
pid_t start_clone(const struct start *st, int *pidfd, struct err *e);

/* Let it go on past its gate.  0, or -1 with @e. */
int start_go(const struct start *st, struct err *e);

/**
 * start_wait() - Wait until the program runs, or why it does not
 * @sync:	Our end of the socketpair; the child's must be closed here
 * @master:	Set to the terminal's master, owned, or -1
 *
 * Return: 0; or -1 with @e, and the process is about to end
 */
int start_wait(int sync, int *master, struct err *e);

#endif
