/* SPDX-License-Identifier: MIT */
/*
 * core/storage/overlay.h - what overlay2 and fuse-overlayfs have in common (private)
 *
 * Both keep a container's files as upper/ and work/ over the layers, with the same marks for what is
 * deleted: operations of a driver (driver.h).
 */
#ifndef STORAGE_OVERLAY_H
#define STORAGE_OVERLAY_H

#include "storage/driver.h"

int overlay_create(int dirfd, const struct lowers *lowers, bool single_id, struct err *e);
void overlay_describe(const char *path, const struct lowers *lowers, json_t *desc);
int overlay_usage(int dirfd, int64_t *bytes, int64_t *inodes, struct err *e);
int overlay_changes(int dirfd, const struct lowers *lowers, json_t *out, struct err *e);
int overlay_pack(int dirfd, const struct lowers *lowers, struct tar_writer *w, struct err *e);

/* Mount, in a process of its own, and see whether deletions and replaced directories come out as we read
 * them. */
int overlay_probe_with(int (*mount)(const json_t *desc, const char *target, struct err *e), int dirfd,
	const char *path, struct err *e);

#endif
