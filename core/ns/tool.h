/* SPDX-License-Identifier: MIT */
/*
 * core/ns/tool.h - run the small programs of the host: newuidmap, newgidmap, getsubids
 */
#ifndef NS_TOOL_H
#define NS_TOOL_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

/* Find a privileged helper of the host by name: on PATH, then in the usual directories, never this
 * very binary under another name.  One that has the set-user-ID bit or file capabilities is
 * preferred.  The path, to free(), or NULL. */
char *tool_find(const char *name);
/* The same, of those with privilege alone. */
char *tool_find_privileged(const char *name);

struct tool {
	pid_t pid;
	int output; /* its stdout and stderr */
};

/* Start @path with @argv; no thread but ours may be running.  0, or -1 with @e. */
int tool_start(struct tool *t, const char *path, char *const argv[], struct err *e);
/* Wait for its end, @timeout_ms at most (then it is killed: ETIMEDOUT).  What it wrote, cut a little
 * above @max bytes, is added to @out.  Its exit status as a shell counts it, or -1 with @e. */
int tool_finish(struct tool *t, int timeout_ms, size_t max, struct buf *out, struct err *e);

#endif
