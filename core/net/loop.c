/* SPDX-License-Identifier: MIT */
/*
 * core/net/loop.c - one thread, one epoll, and who is called when
 *
 * Events are fetched in batches.  loop_remove() erases what the rest of the batch holds for its watch,
 * which is what makes freeing safe; the batch is short, so the search costs little.
 */
#include "net/loop.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* #syscalls epoll_create1 epoll_ctl epoll_wait epoll_pwait timerfd_settime read write futex */

static void alarm_ready(struct watch *w, uint32_t events)
{
	struct loop *l = (struct loop *)(void *)((char *)w - offsetof(struct loop, alarm));
	void (*tick)(struct loop *) = l->tick;
	uint64_t n;

	(void)events;
	if (read(w->fd, &n, sizeof(n)) != sizeof(n) || !tick)
		return; /* set anew meanwhile */
	l->tick = NULL;
	tick(l);
}

static void wake_ready(struct watch *w, uint32_t events)
{
	struct loop *l = (struct loop *)(void *)((char *)w - offsetof(struct loop, wake));
	struct loop_job *job, *next;
	uint64_t n;

	(void)events;
	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return;
	pthread_mutex_lock(&l->lock);
	job = l->jobs;
	l->jobs = NULL;
	l->last = &l->jobs;
	pthread_mutex_unlock(&l->lock);
	for (; job; job = next) {
		next = job->next;
		job->fn(job);
	}
}

int loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop){
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.alarm = {timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), 0, alarm_ready},
		.wake = {eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 0, wake_ready},
	};
	l->last = &l->jobs;
	pthread_mutex_init(&l->lock, NULL);
	if (l->epoll >= 0 && l->alarm.fd >= 0 && l->wake.fd >= 0 && !loop_add(l, &l->alarm, EPOLLIN) &&
		!loop_add(l, &l->wake, EPOLLIN))
		return 0;
	err_set(e, errno, "making an event loop");
	loop_release(l);
	return -1;
}

void loop_release(struct loop *l)
{
	fd_close(&l->epoll);
	fd_close(&l->alarm.fd);
	fd_close(&l->wake.fd);
	pthread_mutex_destroy(&l->lock);
}

int loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &ev))
		return -1;
	w->events = events;
	return 0;
}

void loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &ev);
	w->events = events;
}

static void forget_fetched(struct loop *l, struct watch *w)
{
	int i;

	w->events = 0;
	for (i = l->at + 1; i < l->n; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

void loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	forget_fetched(l, w);
}

void loop_close(struct loop *l, struct watch *w)
{
	forget_fetched(l, w);
	fd_close(&w->fd);
}

void loop_alarm(struct loop *l, int64_t mono_ns, void (*tick)(struct loop *l))
{
	struct itimerspec at = {.it_value = {mono_ns / 1000000000, mono_ns % 1000000000}};

	l->tick = mono_ns ? tick : NULL;
	timerfd_settime(l->alarm.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void loop_call(struct loop *l, struct loop_job *job)
{
	uint64_t one = 1;

	job->next = NULL;
	pthread_mutex_lock(&l->lock);
	*l->last = job;
	l->last = &job->next;
	pthread_mutex_unlock(&l->lock);
	if (write(l->wake.fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		bug("waking a loop: %s", strerror(errno));
}

void loop_once(struct loop *l, int timeout_ms)
{
	l->n = epoll_wait(l->epoll, l->batch, LOOP_BATCH, timeout_ms);
	for (l->at = 0; l->at < l->n; l->at++) {
		struct watch *w = l->batch[l->at].data.ptr;

		if (w)
			w->ready(w, l->batch[l->at].events);
	}
	l->at = l->n = 0;
}

static void loop_main(void *arg)
{
	for (;;)
		loop_once(arg, -1);
}

int loop_start(struct loop *l, const char *name, size_t stack_kb, struct err *e)
{
	int rc = thread_start(name, loop_main, l, stack_kb);

	return rc ? err_set(e, rc, "starting the thread %s", name) : 0;
}
