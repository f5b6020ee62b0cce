/* SPDX-License-Identifier: MIT */
/*
 * core/limits/cgroup.h - one cgroup of version 2, through its files
 *
 * A cgroup is named by its path in the hierarchy as /proc/PID/cgroup gives it ("/user.slice/…"), and
 * held by a descriptor of its directory.  The hierarchy is found at /sys/fs/cgroup.
 */
#ifndef LIMITS_CGROUP_H
#define LIMITS_CGROUP_H

#include "limits/limits.h"

#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Is the hierarchy at /sys/fs/cgroup the unified one? */
bool cgroup_is_unified(void);
/* The path of the cgroup that process @pid is in; to free(), or NULL with @e. */
char *cgroup_of(pid_t pid, struct err *e);
/* Its directory; no path leaves the hierarchy.  Descriptor, or -1 and errno. */
int cgroup_open(const char *path);
/* Make it, and what is missing above it, with the controllers of the topmost that was there handed
 * down.  Descriptor, or -1 with @e. */
int cgroup_make(const char *path, struct err *e);
/* Kill who is in it or below, and remove it (a scope removes systemd); wait for their end as long as that
 * takes (@ms at most).  One that is not there is success. */
int cgroup_destroy(const char *path, int ms, struct err *e);

/* Switch on, for those below it, each controller that it has itself. */
void cgroup_hand_down(int dir);
/* Controllers it can limit its own processes with. */
unsigned int cgroup_controllers(int dir);

/**
 * cgroup_set() - Write the files that hold @l
 * @controllers:	Only theirs
 *
 * A knob that this kernel does not have is left out.
 */
int cgroup_set(int dir, const struct limits *l, unsigned int controllers, struct err *e);

/* Stop all in it, or let them go on.  Waits until they have stopped. */
int cgroup_freeze(int dir, bool on, struct err *e);
/* SIGKILL to all in it and below; 0, or -1 and errno. */
int cgroup_kill(int dir);
bool cgroup_populated(int dir);

/* A number alone in a file ("max" is UINT64_MAX), or behind "KEY " at the beginning of a line; @def if it
 * is not there. */
uint64_t cgroup_read(int dir, const char *file, const char *key, uint64_t def);
/* Parse such a text. */
uint64_t cgroup_parse(struct span text, const char *key, uint64_t def);

/* 0, or -1 and errno */
int cgroup_write(int dir, const char *file, const char *text);

#endif
