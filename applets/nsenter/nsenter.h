/* SPDX-License-Identifier: MIT */
/*
 * applets/nsenter/nsenter.h - the parts of nsenter-debug (private to it)
 */
#ifndef APPLETS_NSENTER_H
#define APPLETS_NSENTER_H

#include "base/err.h"
#include "base/json.h"

#include <sys/types.h>

/* --- target.c: whom to enter --- */
struct target {
	pid_t pid;
	int procfd;	/* /proc/PID, O_PATH: the process, not its number */
	char what[160]; /* "engine", "netd", "container web": for headings */
	int netns;	/* of netd: the containers' network, which its main thread is not in; else -1 */
};

/* By number, or by name: "engine", "netd", the name or id of a container that runs.  -1 with @e. */
int target_find(const char *name, struct target *t, struct err *e);

/* --- report.c --- */
/* Print what is known of the target: namespaces, id maps, mounts, limits through its /proc, and of the
 * network namespace that the caller has entered addresses, routes and rules.  0, or 1. */
int report_print(const struct target *t);

#endif
