/* SPDX-License-Identifier: MIT */
/*
 * core/storage/beneath.h - directories of a tree that must not be left (private to storage)
 */
#ifndef STORAGE_BENEATH_H
#define STORAGE_BENEATH_H

#include "base/str.h"

/* The name of an archive's entry, cleaned in place: no "//", no ".", no trailing slash; ".." taken
 * back lexically, as Go's path.Clean does.  A leading slash is dropped.  "" is the root itself.
 * 0, or -1 if a relative name climbs out. */
int beneath_clean(char *path);

/**
 * beneath_open_dir() - Open a directory of a tree, links resolved inside it
 * @rootfd:	The tree's root
 * @path:	Relative, as beneath_clean() leaves it; "" is the root
 * @make:	Make what is missing, mode 0755
 * @real:	Set to the path without links; may be NULL
 *
 * An absolute link starts at @rootfd.  A link whose ".." climb above it is refused: nothing that
 * is meant to work does that.
 *
 * Return: a descriptor open for reading, or -1 and errno: EXDEV for a link that leads out
 */
int beneath_open_dir(int rootfd, const char *path, bool make, struct buf *real);

/* open(2) in a tree without following any link. */
int beneath_open_plain(int rootfd, const char *path, int flags);

#endif
