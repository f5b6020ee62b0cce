/* SPDX-License-Identifier: MIT */
/*
 * core/storage/ring.h - read a stream ahead, in a thread of its own (private to storage)
 */
#ifndef STORAGE_RING_H
#define STORAGE_RING_H

#include "storage/tar.h"

struct ring;
/* Start a thread that reads @in, which from now on is the thread's. NULL with @e. */
struct ring *ring_start(struct stream *in, struct err *e);
/* What the thread read, in order; its errors come after its bytes. */
struct stream *ring_stream(struct ring *r);
/* To be called once the stream has ended or failed; before that, the thread may be blocked. */
void ring_free(struct ring *r);

#endif
