/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_worker.c - threads that relay the connections which stand
 *
 * Theory of operation
 *   A connection belongs to one worker from relay_worker_take() on: a thread with a loop, and a stock of
 *   pipes for splice.c.  There are as many as there are CPUs for us, up to WORKERS_MAX; connections are
 *   dealt out in turn.
 */
#include "base/proc.h"
#include "net/relay.h"

#include <sched.h>
#include <string.h>

/* #syscalls sched_getaffinity */

#define WORKERS_MAX 4
#define STACK_KB 64

static struct worker {
	struct loop loop;
	struct splice_pool pool;
} workers[WORKERS_MAX];
static size_t n_workers, next_worker;

static void flow_closed(struct splice *s)
{
	relay_flow_forget((struct flow *)(void *)((char *)s - offsetof(struct flow, splice)));
}

static void flow_begin(struct loop_job *job)
{
	struct flow *f = (struct flow *)(void *)((char *)job - offsetof(struct flow, job));

	if (splice_start(&f->splice, &f->worker->pool, f->taken[0], f->taken[1], flow_closed))
		relay_flow_forget(f);
}

void relay_worker_take(struct flow *f, int inside, int host)
{
	f->taken[0] = inside;
	f->taken[1] = host;
	f->job.fn = flow_begin;
	f->worker = &workers[next_worker++ % n_workers];
	loop_call(&f->worker->loop, &f->job);
}

static size_t cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (size_t)CPU_COUNT(&set);
}

int relay_workers_start(struct err *e)
{
	for (n_workers = 0; n_workers < WORKERS_MAX && n_workers < cpus(); n_workers++) {
		struct worker *w = &workers[n_workers];

		if (loop_init(&w->loop, e))
			return -1;
		splice_pool_init(&w->pool, &w->loop);
		if (loop_start(&w->loop, "relay-worker", STACK_KB, e))
			return -1;
	}
	return 0;
}
