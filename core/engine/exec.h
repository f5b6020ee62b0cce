/* SPDX-License-Identifier: MIT */
/*
 * core/engine/exec.h - more processes in a container that runs
 *
 * An exec is made, started once, and remembered for a while after its end, so that its exit code
 * can be asked for.  Its monitor's directory is <exec-root>/<container>/exec-<id>/, with exec.json
 * beside the monitor's own files: an engine that finds a living monitor there knows it again.
 */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include "engine/container.h"

struct exec {
	atomic_int refs;
	char id[ID_LEN + 1];
	struct container *c; /* referenced */
	json_t *config;	     /* sparse (schema_exec) */

	pthread_mutex_t lock; /* guards what follows; after c->lock */
	pthread_cond_t changed;
	enum { EXEC_CREATED, EXEC_STARTING, EXEC_RUNNING, EXEC_ENDED } state;
	int exit_code; /* valid when ended */
	pid_t pid;
	int ctl;
	uint64_t watch;
	int64_t ended_at; /* monotonic */
};

struct exec *exec_get(struct engine *en, const char *id, struct err *e);
struct exec *exec_ref(struct exec *x);
void exec_put(struct exec *x);

/* POST /containers/x/exec: the answer's object. */
json_t *exec_create(struct engine *en, struct container *c, const json_t *body, struct err *e);
/* May it be started? A detached one is refused as JSON, so the API asks before it answers. */
int exec_check_start(struct exec *x, struct err *e);

struct exec_start_options {
	int fd;	     /* the client's socket, taken over only on success; -1: detached */
	bool framed;
	json_t *console_size; /* borrowed, or NULL */
	const void *early;
	size_t early_len;
};
int exec_start(struct engine *en, struct exec *x, const struct exec_start_options *o, struct err *e);
/* Until it has ended or @deadline (monotonic ns). 0 and its exit code, or -1. */
int exec_wait(struct exec *x, int64_t deadline, int *exit_code);
void exec_kill(struct exec *x); /* SIGKILL, if it runs */
/* Waits up to 10 s for one that is not started yet. */
int exec_resize(struct engine *en, struct exec *x, unsigned int h, unsigned int w, struct err *e);
json_t *exec_inspect(struct exec *x);
/* Ids of those made or running; null if none.  For inspect. */
json_t *exec_ids(struct engine *en, const struct container *c);

void exec_exited(struct engine *en, struct exec *x); /* for the watcher */
/* Its container ended: those never started go; execs_remove(): all. */
void execs_forget(struct engine *en, struct container *c);
void execs_remove(struct engine *en, struct container *c);
/* Find those of an earlier engine. @dirfd: the container's runtime directory. */
void execs_load(struct engine *en, struct container *c, int dirfd);

#endif
