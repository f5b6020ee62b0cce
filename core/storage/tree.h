/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tree.h - go through a tree of files, in one order always (private to storage)
 */
#ifndef STORAGE_TREE_H
#define STORAGE_TREE_H

#include "base/err.h"
#include "base/str.h"

#include <sys/stat.h>

struct tree_item {
	int dirfd;	  /* its directory, open for reading; borrowed */
	const char *name; /* in there */
	const char *path; /* from the root of the walk, without a slash in front */
	struct stat st;
};

/* 0 to go on (into it, if it is a directory), 1 to go on but not into it, -1 with @e to stop. */
typedef int (*tree_visit)(void *arg, const struct tree_item *it, struct err *e);

/**
 * tree_walk() - Visit everything below a directory, a directory before what is in it
 * @rootfd:	Open for reading; not visited itself
 * @leave:	Called for a directory when all in it was visited (its result only stops); or NULL
 *
 * Names in a directory come sorted by their bytes, but whiteouts (".wh.") before all others and the
 * opaque mark before those.  What disappears meanwhile is passed over.  Links are not followed.
 * Depth costs no stack and few descriptors; paths longer than PATH_MAX are an error.
 *
 * Return: 0, or -1 with @e
 */
int tree_walk(int rootfd, tree_visit visit, tree_visit leave, void *arg, struct err *e);

/* Which of two paths tree_walk() visits first: < 0, 0, > 0. */
int tree_path_cmp(const char *a, const char *b);

/* --- inodes seen before, for hard links --- */
struct inodes {
	struct inode_seen {
		dev_t dev;
		ino_t ino;
		char *path;
	} *at;
	size_t n, cap;
};
/* The path the inode was first seen with, or NULL: then it is noted as @path. */
const char *inodes_seen(struct inodes *s, const struct stat *st, const char *path);
void inodes_release(struct inodes *s);

/* --- extended attributes of a file or directory --- */
/* Is it one that a copy or an archive of a file takes along?  security.capability and user.*, but not
 * those that overlayfs or we gave a meaning to. */
bool xattr_is_content(const char *name);
/* Call back with each such attribute, sorted by name. */
int xattrs_each(int fd, int (*fn)(void *arg, const char *name, const void *value, size_t n), void *arg);
/* Is the directory opaque for overlayfs? */
bool tree_is_opaque(int dirfd, const char *name);
bool tree_is_whiteout(const struct stat *st);

#endif
