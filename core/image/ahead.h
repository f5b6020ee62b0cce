/* SPDX-License-Identifier: MIT */
/*
 * core/image/ahead.h - members of an archive unpacked as they stream by (private to core/image)
 */
#ifndef IMAGE_AHEAD_H
#define IMAGE_AHEAD_H

#include "image/worker.h"

struct ahead;
struct ahead *ahead_new(struct worker *w); /* borrows @w */

/**
 * ahead_begin() - Start to unpack a member
 * @number:	What to ask for it by
 *
 * May wait until an earlier one is done.  From one thread only.
 *
 * Return: a pipe for its bytes, to be closed behind the last one; -1: it has to be kept instead
 */
int ahead_begin(struct ahead *a, int *number);

/**
 * ahead_take() - The draft made of a member
 *
 * Waits while it is being made.  It is given out once.
 *
 * Return: 1 with the draft, now the caller's, in @d; 0: it was taken before; -1 with @e: it cannot be unpacked
 */
int ahead_take(struct ahead *a, int number, struct layer_draft *d, struct err *e);

/* Wait for what is being unpacked, and discard what nobody took. */
void ahead_free(struct ahead *a);

#endif
