/* SPDX-License-Identifier: MIT */
/*
 * core/image/ahead.c - members of an archive unpacked as they stream by
 *
 * Theory of operation
 *   An archive tells at its end which of its files are layers.  But what looks like an archive itself is
 *   hardly anything else: so its bytes go to an unpacking process at once, and are kept nowhere.  A layer's
 *   draft needs nothing but its bytes, neither its name nor what lies below it.
 *
 *   It is a guess.  What turns out to be no layer is discarded at the end; why something could not be
 *   unpacked is told to who asks for it.  One member may still be at work while the next one begins: a thread
 *   waits for each.
 */
#include "image/ahead.h"
#include "base/fs.h"
#include "base/proc.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ITEMS_MAX 1024	    /* drafts of one archive */
#define RUNNING_MAX 3
#define PIPE_SIZE (1 << 20) /* bytes; what an unprivileged process may ask for by default */
#define STACK_KB 256

struct item {
	struct ahead *a;
	int in; /* the pipe's reading end, the thread's */
	enum { ITEM_RUNNING, ITEM_READY, ITEM_FAILED, ITEM_TAKEN } state; /* guarded by a->lock */
	struct layer_draft draft; /* while ITEM_READY */
	struct err why;		  /* if ITEM_FAILED */
};

struct ahead {
	struct worker *w;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct item *at[ITEMS_MAX];
	int n, running;
};

struct ahead *ahead_new(struct worker *w)
{
	struct ahead *a = xcalloc(1, sizeof(*a));

	a->w = w;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	return a;
}

static void item_main(void *arg)
{
	struct item *item = arg;
	struct ahead *a = item->a;
	int rc = layer_unpack(&a->w->store, NULL, item->in, 0, &item->draft, &item->why);

	fd_close(&item->in); /* who still writes gets EPIPE */
	if (!rc)
		layer_flush(&a->w->store, &item->draft);
	pthread_mutex_lock(&a->lock);
	item->state = rc ? ITEM_FAILED : ITEM_READY;
	a->running--;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

int ahead_begin(struct ahead *a, int *number)
{
	struct item *item;
	int p[2];

	if (a->n == ITEMS_MAX || pipe2(p, O_CLOEXEC))
		return -1;
	fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one works too */
	item = xcalloc(1, sizeof(*item));
	*item = (struct item){.a = a, .in = p[0], .why = ERR_INIT};
	pthread_mutex_lock(&a->lock);
	while (a->running == RUNNING_MAX)
		pthread_cond_wait(&a->changed, &a->lock);
	a->running++;
	pthread_mutex_unlock(&a->lock);
	if (!thread_start("ahead", item_main, item, STACK_KB)) {
		*number = a->n;
		a->at[a->n++] = item;
		return p[1];
	}
	pthread_mutex_lock(&a->lock);
	a->running--;
	pthread_mutex_unlock(&a->lock);
	free(item);
	close(p[0]);
	close(p[1]);
	return -1;
}

int ahead_take(struct ahead *a, int number, struct layer_draft *d, struct err *e)
{
	struct item *item = a->at[number];
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (item->state == ITEM_RUNNING)
		pthread_cond_wait(&a->changed, &a->lock);
	if (item->state == ITEM_READY) {
		*d = item->draft;
		item->state = ITEM_TAKEN;
		rc = 1;
	} else if (item->state == ITEM_FAILED) {
		*e = item->why;
		rc = -1;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void ahead_free(struct ahead *a)
{
	int i;

	pthread_mutex_lock(&a->lock);
	while (a->running)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	for (i = 0; i < a->n; i++) {
		if (a->at[i]->state == ITEM_READY)
			layer_discard(&a->w->store, &a->at[i]->draft);
		free(a->at[i]);
	}
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->changed);
	free(a);
}
