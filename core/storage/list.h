/* SPDX-License-Identifier: MIT */
/*
 * core/storage/list.h - changes in a whole tree, for drivers without union mounts (private)
 *
 * A root filesystem of such a driver is a directory with tree/, the files, and list, what tree/ held
 * when it was made.
 */
#ifndef STORAGE_LIST_H
#define STORAGE_LIST_H

#include "storage/driver.h"

/* Write dirfd/list of the tree that is open as @treefd. */
int list_write(int dirfd, int treefd, struct err *e);

/* Operations of a driver (driver.h), from dirfd/list and dirfd/tree alone. */
int list_changes(int dirfd, const struct lowers *lowers, json_t *out, struct err *e);
int list_usage(int dirfd, int64_t *bytes, int64_t *inodes, struct err *e);
int list_pack(int dirfd, const struct lowers *lowers, struct tar_writer *w, struct err *e);
void list_describe(const char *path, const struct lowers *lowers, json_t *desc);
int list_mount(const json_t *desc, const char *target, struct err *e);

#endif
