/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_unpack.h - what the files of the unpacker share (private to them)
 */
#ifndef STORAGE_TAR_UNPACK_H
#define STORAGE_TAR_UNPACK_H

#include "storage/recipe.h"
#include "storage/tar.h"

#define UNPACK_BLOCK 131072
#define OPAQUE_XATTR "user.overlay.opaque"
#define FUSE_OPAQUE_XATTR "user.fuseoverlayfs.opaque" /* what fuse-overlayfs sets */
#define STAT_XATTR "user.coracle.stat"
#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* Times of directories, set when nothing changes them any more. */
struct dir_times {
	struct buf mem; /* records; when it is full it goes to the file */
	int fd;		/* unlinked, or -1 */
	bool no_file;
};

struct unpacker {
	int rootfd;
	const struct tar_unpack_opts *o;
	struct tar_unpack_result *r;
	struct tar_reader *reader;
	struct dir_times times;
	unsigned char *block; /* UNPACK_BLOCK bytes */

	/* the entry at hand */
	struct buf name;	/* cleaned */
	const char *base;	/* its last component, in name */
	struct buf real;	/* the same without links: parent's real name and base */
	int parent;		/* kept from entry to entry: neighbours share it */
	struct buf parent_name; /* of the kept one, as entries call it */
	struct buf parent_real;
	bool parent_ok;
};

/* Owner, extended attributes, mode and times of a file or directory just made. */
int unpack_attrs(struct unpacker *u, int fd, const struct tar_entry *en, struct err *e);
/* The same for what has no descriptor: links and fifos, by parent and base. */
int unpack_attrs_at(struct unpacker *u, const struct tar_entry *en, struct err *e);
/* For a hard link: only what differs. */
int unpack_attrs_if_new(struct unpacker *u, const struct tar_entry *en, struct err *e);

void dir_times_init(struct dir_times *t);
int dir_times_add(struct dir_times *t, int rootfd, const char *path, const struct tar_entry *en,
	struct err *e);
int dir_times_apply(struct dir_times *t, int rootfd, struct err *e);
void dir_times_release(struct dir_times *t);

/* What an entry's times become: as Docker does, not before 1970, and accessed no earlier than
 * modified. */
void unpack_times(const struct tar_entry *en, struct timespec ts[2]);

#endif
