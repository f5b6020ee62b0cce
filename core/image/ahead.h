/* SPDX-License-Identifier: MIT */
/*
 * core/image/ahead.h - members of an archive unpacked while it still comes in (private to core/image)
 */
#ifndef IMAGE_AHEAD_H
#define IMAGE_AHEAD_H

#include "image/spool.h"

struct ahead;
struct ahead *ahead_new(struct worker *w, const struct spool *s); /* borrows both */

/* The member at @offset is in the spool, all of it. From one thread only; never fails. */
void ahead_add(struct ahead *a, int64_t offset, int64_t size);

/**
 * ahead_take() - The draft made of a member
 *
 * Waits while it is being made; what has not begun yet is left to the caller.
 *
 * Return: true with the draft, now the caller's, in @d; else false
 */
bool ahead_take(struct ahead *a, int64_t offset, struct layer_draft *d);

/* Wait for what is being unpacked, and discard what nobody took. */
void ahead_free(struct ahead *a);

#endif
