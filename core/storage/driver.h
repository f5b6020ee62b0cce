/* SPDX-License-Identifier: MIT */
/*
 * core/storage/driver.h - what a storage driver does (private to storage)
 *
 * Layers look alike for all drivers: <driver>/layers/<hex of the chain id>/ holds
 *	diff/		the files of this layer alone, with marks for what it deletes
 *	layer.json	diff_id, parent, size
 *	recipe, kept	how to make its archive again (recipe.h)
 *	archives.json	what the archive is called in registries (archives.c)
 * A driver decides how deletions are marked, and how layers become a root filesystem; it gets the
 * layers' diff directories from the top down.  A new driver is one file with one struct, and a line
 * in drivers[] (store.c), in the order they are tried.
 *
 * Below all layers lies one more, the store's own: <driver>/init/, see init_layer.c.
 */
#ifndef STORAGE_DRIVER_H
#define STORAGE_DRIVER_H

#include "storage/storage.h"
#include "storage/tar.h"

/* Layers under a root filesystem, the top one first. */
struct lowers {
	char **path; /* absolute, their diff directories; the last one is the init layer */
	size_t n;
};

struct driver {
	const char *name;
	enum tar_whiteouts whiteouts; /* how layers are unpacked */

	/* Does it work in this (empty, scratch) directory, whose absolute path is @path?  Leaves
	 * nothing mounted. -1 with @e: why not, and what to do. */
	int (*probe)(int dirfd, const char *path, bool single_id, struct err *e);
	/* Fill an empty directory with what a root filesystem over @lowers needs. */
	int (*create)(int dirfd, const struct lowers *lowers, bool single_id, struct err *e);
	/* Add to @desc what mount() needs; @path is the directory's absolute path. */
	void (*describe)(const char *path, const struct lowers *lowers, json_t *desc);
	int (*mount)(const json_t *desc, const char *target, struct err *e);
	/* Where a process has to stay beside the mount: start it as a child of nobody, and return the mount,
	 * detached; -1 with @e.  NULL: mount() needs no process. */
	int (*serve)(const json_t *desc, struct err *e);
	/* Before a layer's or root filesystem's directory is removed file by file: do it faster.  Or NULL. */
	void (*drop)(int dirfd);
	/* Bytes and inodes that are the container's own. */
	int (*usage)(int dirfd, int64_t *bytes, int64_t *inodes, struct err *e);
	/* Each difference to the layers, in any order, by change_add(). */
	int (*changes)(int dirfd, const struct lowers *lowers, json_t *out, struct err *e);
	/* The same as entries of an archive. */
	int (*pack)(int dirfd, const struct lowers *lowers, struct tar_writer *w, struct err *e);
	/* Pairs for `docker info`; @backing is the file system below. */
	void (*status)(const char *backing, json_t *out);
};

extern const struct driver overlay_driver;
extern const struct driver fuse_driver;
extern const struct driver btrfs_driver;
extern const struct driver vfs_driver;
const struct driver *driver_by_name(const char *name); /* or NULL */

/* Append {"Path": "/path", "Kind": kind}. */
enum { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED };
void change_add(json_t *out, const char *path, int kind);
/* Append ["name", "value"]. */
void status_add(json_t *out, const char *name, const char *value);

/* Make the init layer in an empty directory. */
int init_layer_make(int dirfd, struct err *e);

/* --- store.c: directories of the store --- */
/* Is that statfs(2) type one of a network file system, which cannot be a data-root?  -1 with @e and what to do. */
int store_refuse_remote(unsigned int magic, const char *root, struct err *e);
/* A fresh directory <data-root>/tmp/<kind>-<random>: its name below tmp/ to @name, 64 bytes. */
int store_draft(const struct store *s, const char *kind, char *name, struct err *e);
int store_tmpfd(const struct store *s); /* O_PATH of <data-root>/tmp, or -1 and errno */
/* Move driverfd/path to tmp/ and remove it there: it is gone at once for everybody else. */
int store_discard(const struct store *s, const char *path, struct err *e);

/* --- layer.c --- */
/* diff directories of @chain ("": none) and below, and the init layer. */
int layer_lowers(const struct store *s, const char *chain, struct lowers *l, struct err *e);
void lowers_release(struct lowers *l);

#endif
