/* SPDX-License-Identifier: MIT */
/*
 * core/image/ahead.c - members of an archive unpacked while it still comes in
 *
 * Theory of operation
 *   An archive tells at its end which of its files are layers.  Waiting for that, one processor would
 *   only copy while the others have nothing to do.  What is large is hardly anything but a layer: so
 *   it is unpacked to a draft as soon as it is in the spool, which needs nothing but its bytes.
 *
 *   It is a guess and no more.  What is no layer fails to unpack, and nobody asks for it; a failure
 *   is not told but found again, by whoever unpacks the member because no draft is there.  A draft
 *   is given out once: an image that has a layer twice unpacks it twice.
 */
#include "image/ahead.h"
#include "base/proc.h"

#include <pthread.h>
#include <stdlib.h>

#define MEMBERS_MAX 128
#define CARRIERS 2
#define SIZE_MIN (1 << 20) /* bytes; smaller ones are done soon enough */
#define STACK_KB 256

enum item_state { ITEM_WAITING, ITEM_RUNNING, ITEM_READY, ITEM_GONE };

struct item {
	int64_t offset, size;
	enum item_state state;
	struct layer_draft draft; /* while ITEM_READY */
};

struct ahead {
	struct worker *w;
	const struct spool *s;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct item at[MEMBERS_MAX];
	size_t n;
	int carriers;
};

struct ahead *ahead_new(struct worker *w, const struct spool *s)
{
	struct ahead *a = xcalloc(1, sizeof(*a));

	a->w = w;
	a->s = s;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	return a;
}

static struct item *next_waiting(struct ahead *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->at[i].state == ITEM_WAITING)
			return &a->at[i];
	return NULL;
}

static void carrier_main(void *arg)
{
	struct ahead *a = arg;
	struct err untold;
	struct item *item;
	int rc;

	pthread_mutex_lock(&a->lock);
	while ((item = next_waiting(a))) {
		const struct member m = {.offset = item->offset, .size = item->size};

		item->state = ITEM_RUNNING;
		pthread_mutex_unlock(&a->lock);
		rc = spool_unpack(a->s, a->w, &m, NULL, NULL, &item->draft, &untold);
		pthread_mutex_lock(&a->lock);
		item->state = rc ? ITEM_GONE : ITEM_READY;
		pthread_cond_broadcast(&a->changed);
	}
	a->carriers--;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

void ahead_add(struct ahead *a, int64_t offset, int64_t size)
{
	bool start;

	if (size < SIZE_MIN)
		return;
	pthread_mutex_lock(&a->lock);
	start = a->n < MEMBERS_MAX && a->carriers < CARRIERS;
	if (a->n < MEMBERS_MAX)
		a->at[a->n++] = (struct item){.offset = offset, .size = size};
	a->carriers += start;
	pthread_mutex_unlock(&a->lock);
	if (!start || !thread_start("ahead", carrier_main, a, STACK_KB))
		return;
	pthread_mutex_lock(&a->lock);
	a->carriers--; /* then it is unpacked later */
	pthread_mutex_unlock(&a->lock);
}

bool ahead_take(struct ahead *a, int64_t offset, struct layer_draft *d)
{
	struct item *item = NULL;
	bool ready;
	size_t i;

	pthread_mutex_lock(&a->lock);
	for (i = 0; i < a->n && !item; i++)
		if (a->at[i].offset == offset)
			item = &a->at[i];
	while (item && item->state == ITEM_RUNNING)
		pthread_cond_wait(&a->changed, &a->lock);
	ready = item && item->state == ITEM_READY;
	if (ready)
		*d = item->draft;
	if (item)
		item->state = ITEM_GONE;
	pthread_mutex_unlock(&a->lock);
	return ready;
}

void ahead_free(struct ahead *a)
{
	size_t i;

	pthread_mutex_lock(&a->lock);
	for (i = 0; i < a->n; i++)
		if (a->at[i].state == ITEM_WAITING)
			a->at[i].state = ITEM_GONE;
	while (a->carriers)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	for (i = 0; i < a->n; i++)
		if (a->at[i].state == ITEM_READY)
			layer_discard(&a->w->store, &a->at[i].draft);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->changed);
	free(a);
}
