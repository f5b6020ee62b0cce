/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/supervisor.h - the steps of the supervisor (private to dockerd-rootless)
 */
#ifndef APPLETS_DOCKERD_SUPERVISOR_H
#define APPLETS_DOCKERD_SUPERVISOR_H

#include "api/engine_role.h"
#include "base/err.h"
#include "engine/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Print it, the hint below; RootlessKit's lines as they are.  Returns 1, an exit status. */
int complain(const struct err *e);

/* --- preflight.c --- */
/* May this user start an engine at all: not root, HOME and XDG_RUNTIME_DIR there? */
int preflight_user(struct err *e);
/* What DOCKERD_ROOTLESS_ROOTLESSKIT_* ask for. */
void preflight_environment(struct config *c);
/* Make a directory and hold it locked: a descriptor; -1 with @e naming the process that has it. */
int preflight_lock(const char *what, const char *path, mode_t mode, struct err *e);

/* --- listen.c --- */
struct listener {
	int fd;
	char *path;    /* of a unix socket, or NULL */
	dev_t dev;     /* of that socket as we made it, so that only ours is removed */
	ino_t ino;
};

/* A socket for one of config.hosts.  -1 with @e. */
int listener_open(struct listener *l, const char *host, const struct config *c, struct err *e);
void listener_close(struct listener *l); /* and remove its path, if that is still ours */

/* --- ids.c --- */
/* Write the id maps of the engine, which waits for that.  @quiet: warnings were given before. */
int ids_map(pid_t engine, const struct config *c, bool quiet, struct err *e);

#endif
