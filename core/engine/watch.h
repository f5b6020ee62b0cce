/* SPDX-License-Identifier: MIT */
/*
 * core/engine/watch.h - the one thread that sees things end
 *
 * It polls the control descriptors of all monitors, the sockets of clients that attached before
 * the start, and the log directories that are being followed, and keeps the timers of restart
 * policies and health checks.  What it calls does memory work and a few small writes; anything longer (removing,
 * starting) goes to a thread of its own.
 */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include "engine/engine.h"

struct container;
struct exec;

enum watch_kind {
	WATCH_CONTAINER, /* readable: its process ended */
	WATCH_EXEC,	 /* likewise */
	WATCH_PENDING,	 /* hung up: the client left */
};

int watch_start(struct engine *en, struct err *e);
/* Watch @fd (borrowed) from now on; references to @c and @x are held as long. Its number, for
 * watch_remove() before @fd is closed.  The event can come before this returns: call it with the
 * lock held that its handler takes first, and note the number under it. */
uint64_t watch_add(struct engine *en, int fd, enum watch_kind kind, struct container *c, struct exec *x);
void watch_remove(struct engine *en, uint64_t id, int fd);
/* Something of a container is due at that time: c->restart_at, c->health_at. */
void watch_timer(struct engine *en, int64_t at_mono);

/* inotify_add_watch(2), for host_dns.c: its number or -1. */
int watch_path(struct engine *en, const char *path, uint32_t events);
void unwatch_path(struct engine *en, int wd);
/* Wake the container's waiters when its log grows. Counted. */
void watch_log(struct engine *en, struct container *c);
void unwatch_log(struct engine *en, struct container *c);

#endif
