/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_worker.c - connections that stand: by the thread that made them, large ones by workers
 *
 * Theory of operation
 *   A new connection stays with the relay thread, which is awake and has both sockets at hand: most
 *   carry a question and an answer, and waking another thread would be half of their cost.  One that
 *   has moved SPLICE_LARGE bytes is handed to a worker, a thread with a loop and a stock of pipes, so
 *   that new ones never wait for it.  There are as many workers as there are CPUs for us, up to
 *   WORKERS_MAX; connections are dealt out in turn.
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
static struct splice_pool relay_pool; /* the relay thread's */

static struct flow *flow_of(struct splice *s)
{
	return (struct flow *)(void *)((char *)s - offsetof(struct flow, splice));
}

static void flow_resume(struct loop_job *job)
{
	struct flow *f = (struct flow *)(void *)((char *)job - offsetof(struct flow, job));

	if (splice_resume(&f->splice, &f->worker->pool))
		relay_flow_forget(f);
}

static void flow_large(struct splice *s)
{
	struct flow *f = flow_of(s);

	splice_pause(s);
	f->job.fn = flow_resume;
	f->worker = &workers[next_worker++ % n_workers];
	loop_call(&f->worker->loop, &f->job);
}

static void flow_closed(struct splice *s)
{
	relay_flow_forget(flow_of(s));
}

void relay_flow_begin(struct flow *f, int inside, int host)
{
	if (splice_start(&f->splice, &relay_pool, inside, host, true, flow_closed))
		relay_flow_forget(f);
	else
		splice_on_large(&f->splice, flow_large);
}

static size_t cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (size_t)CPU_COUNT(&set);
}

int relay_workers_start(struct err *e)
{
	splice_pool_init(&relay_pool, &relay_loop);
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
