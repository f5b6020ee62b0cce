/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/supervisor.h - the steps of the supervisor (private to dockerd-rootless)
 */
#ifndef APPLETS_DOCKERD_SUPERVISOR_H
#define APPLETS_DOCKERD_SUPERVISOR_H

#include "api/engine_role.h"
#include "base/err.h"
#include "engine/config.h"
#include "net/driver.h"
#include "ns/ns.h"
#include "rootlesskit/kit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* --- state.c --- */
struct state_dir {
	int dir, lock; /* -1: another one has it */
	int api;       /* listening: api.sock, which engines answer on */
	char *path, *netns;
};

int state_open(struct state_dir *s, const char *exec_root, struct err *e);
void state_ready(const struct state_dir *s, pid_t engine); /* name that engine */
void state_gone(const struct state_dir *s);
void state_close(struct state_dir *s);

/* --- flags.c --- */
/* Read DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS; a mistake in it is named. */
int flags_load(struct err *e);
const struct kit *flags_kit(void); /* what it says, and rootlesskit's defaults */

/* --- listen.c --- */
struct listener {
	int fd;
	bool tls;      /* connections speak TLS */
	char *path;    /* of a unix socket, or NULL */
	dev_t dev;     /* of that socket as we made it, so that only ours is removed */
	ino_t ino;
};

struct listeners {
	struct listener v[ROLE_LISTEN_MAX];
	size_t n;
};

/* Open the socket (fd://: the sockets) of one of config.hosts.  -1 with @e. */
int listeners_add(struct listeners *l, const char *host, const struct config *c, struct err *e);
void listeners_close(struct listeners *l); /* and remove their paths, where those are still ours */

/* --- front.c --- */
struct front {
	struct listeners tls;	/* sockets that speak TLS; none: there is no front */
	struct listener engine; /* what it connects to: one more socket of the engine */
	pid_t pid;		/* 0: it does not run */
	int64_t begun, start_at; /* monotonic ns */
};

/* Take the sockets with TLS out of @l, and add the one behind the front.  The certificates are looked at
 * here, so that what is wrong with them is said at the start. */
int front_prepare(struct front *f, struct listeners *l, const struct config *c, struct err *e);
/* Start it.  @memory has the configuration. */
int front_start(struct front *f, int memory, struct err *e);
/* It has ended: when may the next one start? */
void front_ended(struct front *f);
void front_close(struct front *f);

/* --- bind.c --- */
/* The engine asks for a socket at a privileged port: answer on @to (taken over). */
void bind_for_engine(struct port *p, int to);

/* --- way.c --- */
struct way { /* the network driver that runs */
	char name[32]; /* "": none is wanted */
	struct driver driver;
	bool running;
	ino_t netns; /* which it is for */
	int64_t start_at; /* !running: when the next may, monotonic ns */
};

/* What DOCKERD_ROOTLESS_ROOTLESSKIT_NET, PORT_DRIVER, MTU, … ask for: can it be had? */
int way_check(struct err *e);
/* The engine asks for a driver ("": any): answer on @to (taken over).  Blocks until it is there. */
void way_for_engine(struct way *w, pid_t engine, const char *exec_root, const char *name, int to);
void way_ended(struct way *w, pid_t pid); /* that child was reaped: perhaps the driver */
/* Start one that has died; ns until the next try, -1: none is due. */
int64_t way_keep(struct way *w, pid_t engine, const char *exec_root);
void way_stop(struct way *w);

/* --- ids.c --- */
/* Write the id maps of the engine, which waits for that.  @quiet: warnings were given before. */
int ids_map(pid_t engine, const struct config *c, bool quiet, struct err *e);

#endif
