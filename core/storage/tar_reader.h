/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_reader.h - what the unpacker needs of the reader (private to storage)
 */
#ifndef STORAGE_TAR_READER_H
#define STORAGE_TAR_READER_H

struct recipe;
struct tar_reader;

/* From now on, give the recipe each byte that tar_read() does not hand out. */
void tar_reader_tap(struct tar_reader *t, struct recipe *recipe);

#endif
