/* SPDX-License-Identifier: MIT */
/*
 * core/limits/systemd.h - cgroups that the user's service manager makes
 *
 * Theory of operation
 *   A container's cgroup is a transient scope, "docker-<id>.scope", in a slice, as Docker's systemd driver
 *   has it.  It starts with the container's first process in it, and the manager removes it when the
 *   last one has gone (CollectMode: also when it failed).  It is delegated: what is below is the
 *   container's, and we write its files beside the properties, which are told the manager as well, as it
 *   writes them all again whenever it is reloaded.
 *
 *   Asked is, over D-Bus, the session bus ($DBUS_SESSION_BUS_ADDRESS, $XDG_RUNTIME_DIR/bus), or without
 *   one the manager itself at $XDG_RUNTIME_DIR/systemd/private.
 *
 * All functions block for some milliseconds, at most some seconds.
 */
#ifndef LIMITS_SYSTEMD_H
#define LIMITS_SYSTEMD_H

#include "limits/limits.h"

#include <sys/types.h>

/**
 * systemd_find() - Look whether there is a manager, and where its cgroup is
 * @e:		Why not, with what the user can do about it
 *
 * Return: the path of its cgroup, to free(), or NULL with @e
 */
char *systemd_find(struct err *e);

/* Start a scope with a process in it.  0, and the process has been moved; or -1 with @e. */
int systemd_start_scope(const char *unit, const char *slice, const char *what, pid_t pid, const struct limits *l,
	struct err *e);
/* Other limits from now on. */
int systemd_set(const char *unit, const struct limits *l, struct err *e);
/* Move one more process into it, where we may not do so ourselves: the manager asks the system's. */
int systemd_attach(const char *unit, pid_t pid, struct err *e);

#endif
