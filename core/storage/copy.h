/* SPDX-License-Identifier: MIT */
/*
 * core/storage/copy.h - lay a layer over a tree, for drivers without union mounts (private)
 */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "base/err.h"

#include <stdbool.h>

/**
 * layer_apply() - Copy a layer's files into a tree, deleting what it deletes
 * @layerfd:	The layer's diff directory, whiteouts as ".wh." names (TAR_WH_KEEP)
 * @treefd:	What the layers below made
 * @single_id:	Owners are not copied, only what was remembered of them
 *
 * Files are cloned where the file system can (FICLONE), else copied with their holes.
 */
int layer_apply(int layerfd, int treefd, bool single_id, struct err *e);
/* The same into an empty directory, whiteouts and all: the layer once more. */
int layer_clone(int layerfd, int treefd, bool single_id, struct err *e);

#endif
