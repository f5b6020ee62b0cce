/* SPDX-License-Identifier: MIT */
/*
 * core/net/loop.h - private to netd: one thread, one epoll, and who is called when
 *
 * A struct watch is embedded in whatever owns a descriptor; its handler may add, change and remove any
 * watch, and free what it is embedded in once it is removed: an event that was already fetched for a
 * removed watch is not delivered.  All of it by the loop's own thread, but for loop_add() before
 * loop_start(), and loop_call().
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
	int fd;
	uint32_t events; /* as epoll knows it; 0 and not added: not watched */
	void (*ready)(struct watch *w, uint32_t events);
};

#define LOOP_BATCH 64

struct loop_job {
	struct loop_job *next;
	void (*fn)(struct loop_job *job);
};

struct loop {
	int epoll;
	struct epoll_event batch[LOOP_BATCH];
	int at, n; /* of the batch: the event being handled, the events fetched */
	struct watch alarm, wake; /* a timerfd, an eventfd */
	void (*tick)(struct loop *l);
	pthread_mutex_t lock; /* guards jobs */
	struct loop_job *jobs, **last;
};

/* 0, or -1 with @e and nothing made. */
int loop_init(struct loop *l, struct err *e);
void loop_release(struct loop *l); /* of one that was never started */
/* Run it in a detached thread, for ever. */
int loop_start(struct loop *l, const char *name, size_t stack_kb, struct err *e);
/* Handle what has happened by @timeout_ms (-1: for ever), for tests and for threads of one's own. */
void loop_once(struct loop *l, int timeout_ms);

/* Watch w->fd (set, with w->ready) for @events (EPOLLIN, …; EPOLLET as wanted).  0, or -1 and errno. */
int loop_add(struct loop *l, struct watch *w, uint32_t events);
void loop_change(struct loop *l, struct watch *w, uint32_t events); /* nothing, if they are the same */
/* Stop watching, before w->fd is closed.  Of one that is not watched: nothing. */
void loop_remove(struct loop *l, struct watch *w);
/* Stop watching and close w->fd, for one system call: it has no duplicate, or epoll would go on watching that. */
void loop_close(struct loop *l, struct watch *w);

/* Call @tick once, at @mono_ns (clock_mono_ns()); a new time replaces the last; 0: never.  An idle loop
 * sets none, and sleeps. */
void loop_alarm(struct loop *l, int64_t mono_ns, void (*tick)(struct loop *l));

/* From any other thread: have @job->fn called by the loop's thread, soon, in order.  @job belongs to the
 * loop until then; fn may free it. */
void loop_call(struct loop *l, struct loop_job *job);

#endif
