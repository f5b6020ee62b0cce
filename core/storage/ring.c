/* SPDX-License-Identifier: MIT */
/*
 * core/storage/ring.c - read a stream ahead, in a thread of its own
 *
 * Theory of operation
 *   One thread fills slots (reads, hashes, inflates), another empties them (hashes, writes files):
 *   inflating is what costs most, so it has a processor to itself.  A slot belongs to one side at
 *   a time; the lock only guards how many are full.  Slots are large, so that the lock is taken a
 *   few thousand times a gigabyte, and few, so that they stay in the cache.
 */
#include "storage/ring.h"
#include "base/proc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 6
#define SLOT_SIZE 131072
#define STACK_KB 128

struct slot {
	unsigned char data[SLOT_SIZE];
	size_t n;
};

struct ring {
	struct stream s;
	struct stream *in; /* the thread's */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	/* guarded by lock */
	unsigned int full; /* slots that are full and not yet given back */
	bool ended, gone;  /* no more slots will come; the thread no longer uses this */
	/* the reader's */
	unsigned int at;
	size_t used; /* bytes of the slot at hand that were read */
	bool holding;
	/* the thread's until ended */
	bool failed;
	struct err err;
	struct slot slots[SLOTS];
};

static void give(struct ring *r, bool ended)
{
	pthread_mutex_lock(&r->lock);
	r->full++;
	r->ended = ended;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

static void wait_empty(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->full == SLOTS)
		pthread_cond_wait(&r->moved, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static void fill(void *arg)
{
	struct ring *r = arg;
	unsigned int at = 0;
	bool more = true;
	ssize_t got;

	while (more) {
		struct slot *slot = &r->slots[at++ % SLOTS];

		wait_empty(r);
		slot->n = 0;
		do {
			got = r->in->read(r->in, slot->data + slot->n, SLOT_SIZE - slot->n, &r->err);
			slot->n += got > 0 ? (size_t)got : 0;
			more = got > 0;
		} while (more && slot->n < SLOT_SIZE);
		r->failed = got < 0;
		give(r, !more);
	}
	pthread_mutex_lock(&r->lock);
	r->gone = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/* Give the slot at hand back and take the next one: 1, 0 at the end, -1. */
static int next_slot(struct ring *r, struct err *e)
{
	bool ended;

	pthread_mutex_lock(&r->lock);
	if (r->holding) {
		r->holding = false;
		r->at++;
		r->full--;
		pthread_cond_broadcast(&r->moved);
	}
	while (!r->full && !r->ended)
		pthread_cond_wait(&r->moved, &r->lock);
	r->holding = r->full;
	ended = !r->full;
	pthread_mutex_unlock(&r->lock);
	r->used = 0;
	if (!ended)
		return 1;
	if (!r->failed)
		return 0;
	if (e)
		*e = r->err;
	return -1;
}

static ssize_t ring_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct ring *r = (struct ring *)s;
	struct slot *slot = &r->slots[r->at % SLOTS];
	int rc;

	while (!r->holding || r->used == slot->n) {
		rc = next_slot(r, e);
		if (rc <= 0)
			return rc;
		slot = &r->slots[r->at % SLOTS];
	}
	if (n > slot->n - r->used)
		n = slot->n - r->used;
	memcpy(p, slot->data + r->used, n);
	r->used += n;
	return (ssize_t)n;
}

struct ring *ring_start(struct stream *in, struct err *e)
{
	struct ring *r = xcalloc(1, sizeof(*r));
	int rc;

	r->s.read = ring_read;
	r->in = in;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->moved, NULL);
	rc = thread_start("inflate", fill, r, STACK_KB);
	if (!rc)
		return r;
	err_set(e, rc, "starting a thread");
	free(r);
	return NULL;
}

struct stream *ring_stream(struct ring *r)
{
	return &r->s;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	while (!r->gone)
		pthread_cond_wait(&r->moved, &r->lock);
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->moved);
	free(r);
}
