/* SPDX-License-Identifier: MIT */
/*
 * core/storage/recipe.h - how to make a layer's archive again, byte for byte (private to storage)
 *
 * An image names its layers by the digest of their archives, and no tar writer repeats another's
 * bytes.  So while a layer is unpacked all that is not file content is taken down: headers,
 * padding, what follows the end.  With the files in their places that gives the archive back.
 */
#ifndef STORAGE_RECIPE_H
#define STORAGE_RECIPE_H

#include "storage/tar.h"

/* --- while unpacking --- */
struct recipe;
/* Write to @fd (compressed); file content that is replaced before the end goes to @keptfd. Both are
 * borrowed. */
struct recipe *recipe_new(int fd, int keptfd);
void recipe_free(struct recipe *r);
/* None of these fails at once: recipe_finish() tells. */
void recipe_raw(struct recipe *r, const void *p, size_t n);
/* The data of @entry became the file @path (relative to the root, without links). */
void recipe_file(struct recipe *r, const char *path, const struct tar_entry *entry);
/* The file @path, open as @fd, is about to go: keep its content. */
void recipe_keep(struct recipe *r, const char *path, int fd);
/* A whole directory is about to go: this archive cannot be made again. */
void recipe_spoil(struct recipe *r);
/* Write what is left.  *whole: the archive can be made again. */
int recipe_finish(struct recipe *r, bool *whole, struct err *e);

/* --- afterwards --- */
struct recipe_sink {
	int (*write)(struct recipe_sink *s, const void *p, size_t n, struct err *e);
};
/* Give the archive to @out. */
int recipe_replay(int fd, int keptfd, int rootfd, struct recipe_sink *out, struct err *e);

#endif
