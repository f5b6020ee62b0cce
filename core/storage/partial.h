/* SPDX-License-Identifier: MIT */
/*
 * core/storage/partial.h - what has come of blobs whose layers are not committed yet
 */
#ifndef STORAGE_PARTIAL_H
#define STORAGE_PARTIAL_H

#include "storage/storage.h"

/* The file of a blob, with the bytes an earlier process got of it, if any; ours alone until it is closed.
 * -1: somebody else is at it, or it cannot be made: then nothing is kept. */
int partial_open(const struct store *s, const char *digest);
/* They are not needed any more, or wrong. */
void partial_remove(const struct store *s, const char *digest);
/* Remove all of them.  Only while nobody downloads. */
void partial_remove_all(const struct store *s);

#endif
