/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_pack.h - single files as entries of an archive (private to storage)
 */
#ifndef STORAGE_TAR_PACK_H
#define STORAGE_TAR_PACK_H

#include "storage/tar.h"
#include "storage/tree.h"

struct tar_packer;
/* @prefix is put before each path and borrowed; @overlay as for tar_pack_tree(). */
struct tar_packer *tar_packer_new(struct tar_writer *w, const char *prefix, bool overlay);
void tar_packer_free(struct tar_packer *p);
/* One item of a walk: its entry, and its content. */
int tar_pack_item(struct tar_packer *p, const struct tree_item *it, struct err *e);

#endif
