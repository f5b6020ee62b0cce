/* SPDX-License-Identifier: MIT */
/*
 * core/storage/btrfs.c - the driver btrfs: a container is a snapshot of its image
 *
 * Theory of operation
 *	layers/<hex>/diff	what the layer changes, as with vfs
 *	layers/<hex>/tree	a subvolume: all of the image up to this layer, from the first container on
 *	layers/<hex>/list	what it holds (list.h), where containers were made of it
 *	rootfs/<id>/tree	a snapshot of the top layer's
 *	rootfs/<id>/list	the same file
 *   A layer's tree is a snapshot of the one below with the layer laid over it; file contents are
 *   shared with diff/ (FICLONE).  It is made beside the container that wants it first and moved to
 *   its place by a rename; who comes second throws its own away.
 *
 *   Any user may make subvolumes and snapshots.  Removing one at once takes the mount option
 *   user_subvol_rm_allowed; without it the files are removed one by one, and the empty subvolume goes
 *   by rmdir(2) like a directory (Linux 4.18).
 */
#include "storage/copy.h"
#include "storage/list.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BTRFS_MAGIC 0x9123683eU

/* --- subvolumes: 0, or -1 and errno --- */

static int subvolume_call(int dirfd, unsigned long call, int fd, const char *name)
{
	struct btrfs_ioctl_vol_args args = { .fd = fd };

	snprintf(args.name, sizeof(args.name), "%s", name);
	return ioctl(dirfd, call, &args) < 0 ? -1 : 0;
}

static int subvolume_make(int dirfd, const char *name)
{
	return subvolume_call(dirfd, BTRFS_IOC_SUBVOL_CREATE, -1, name) || fchmodat(dirfd, name, 0755, 0) ? -1 : 0;
}

static int snapshot(int sourcefd, int dirfd, const char *name)
{
	return subvolume_call(dirfd, BTRFS_IOC_SNAP_CREATE, sourcefd, name);
}

static int subvolume_remove(int dirfd, const char *name)
{
	return subvolume_call(dirfd, BTRFS_IOC_SNAP_DESTROY, -1, name);
}

static int open_dir(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* --- trees of layers --- */

/* The directory that lowers->path[i], a layer's diff, is in. */
static int open_layer(const struct lowers *lowers, size_t i, struct err *e)
{
	cleanup_free char *path = xstrdup(lowers->path[i]);
	int fd;

	*strrchr(path, '/') = 0;
	fd = open_dir(AT_FDCWD, path);
	return fd < 0 ? err_set(e, errno, "opening %s", path) : fd;
}

static int apply(const struct lowers *lowers, size_t i, int treefd, bool single_id, struct err *e)
{
	cleanup_close int diff = open_dir(AT_FDCWD, lowers->path[i]);

	if (diff < 0)
		return err_set(e, errno, "opening %s", lowers->path[i]);
	return layer_apply(diff, treefd, single_id, e) ? err_wrap(e, "copying the image") : 0;
}

/* draft/base becomes the layer's tree, unless there is one by now. */
static int move_in(int draftfd, int layerfd, struct err *e)
{
	if (!renameat(draftfd, "base", layerfd, "tree"))
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_set(e, errno, "making the tree of a layer");
	subvolume_remove(draftfd, "base");
	return fs_remove_tree_at(draftfd, "base", e);
}

/* Make the tree of layer @i, whose neighbour below has one; the lowest starts from the init layer. */
static int make_tree(int draftfd, const struct lowers *lowers, size_t i, bool single_id, struct err *e)
{
	cleanup_close int layer = open_layer(lowers, i, e), below = -1, from = -1, tree = -1;
	bool lowest = i + 2 == lowers->n;
	int rc;

	if (!lowest)
		below = open_layer(lowers, i + 1, e);
	if (layer < 0 || (!lowest && below < 0))
		return -1;
	from = lowest ? -1 : open_dir(below, "tree");
	if (lowest)
		rc = subvolume_make(draftfd, "base");
	else
		rc = from < 0 ? -1 : snapshot(from, draftfd, "base");
	tree = rc ? -1 : open_dir(draftfd, "base");
	if (tree < 0)
		return err_set(e, errno, "making a subvolume for a layer");
	if ((lowest && apply(lowers, i + 1, tree, single_id, e)) || apply(lowers, i, tree, single_id, e))
		return -1;
	return move_in(draftfd, layer, e);
}

static bool has_tree(const struct lowers *lowers, size_t i)
{
	cleanup_close int layer = open_layer(lowers, i, NULL);

	return layer >= 0 && fs_exists_at(layer, "tree");
}

/* Have the top layer's tree and its list.  The layer's directory, or -1. */
static int top_layer(int draftfd, const struct lowers *lowers, bool single_id, struct err *e)
{
	cleanup_close int layer = -1, tree = -1;
	size_t i = 0;

	while (i < lowers->n - 1 && !has_tree(lowers, i))
		i++;
	while (i--)
		if (make_tree(draftfd, lowers, i, single_id, e))
			return -1;
	layer = open_layer(lowers, 0, e);
	if (layer < 0 || fs_exists_at(layer, "list"))
		return fd_steal(&layer);
	tree = open_dir(layer, "tree");
	if (tree < 0)
		return err_set(e, errno, "opening the tree of a layer");
	if (list_write(draftfd, tree, e))
		return -1;
	if (renameat(draftfd, "list", layer, "list"))
		return err_set(e, errno, "making the list of a layer");
	return fd_steal(&layer);
}

/* --- root filesystems --- */

/* Of an image without layers. */
static int create_empty(int dirfd, const struct lowers *lowers, bool single_id, struct err *e)
{
	cleanup_close int tree = -1;

	if (subvolume_make(dirfd, "tree"))
		return err_set(e, errno, "making a subvolume");
	tree = open_dir(dirfd, "tree");
	if (tree < 0)
		return err_set(e, errno, "opening a subvolume");
	return apply(lowers, 0, tree, single_id, e) || list_write(dirfd, tree, e) ? -1 : 0;
}

static int btrfs_create(int dirfd, const struct lowers *lowers, bool single_id, struct err *e)
{
	cleanup_close int layer = -1, tree = -1;

	if (lowers->n == 1)
		return create_empty(dirfd, lowers, single_id, e);
	layer = top_layer(dirfd, lowers, single_id, e);
	if (layer < 0)
		return -1;
	tree = open_dir(layer, "tree");
	if (tree < 0 || snapshot(tree, dirfd, "tree") || linkat(layer, "list", dirfd, "list", 0))
		return err_set(e, errno, "making a snapshot of the image");
	return 0;
}

static void btrfs_drop(int dirfd)
{
	subvolume_remove(dirfd, "tree");
}

/* --- does it work? --- */

static int btrfs_probe(int dirfd, const char *path, bool single_id, struct err *e)
{
	cleanup_close int tree = -1;
	struct statfs fs;

	(void)single_id;
	if (fstatfs(dirfd, &fs))
		return err_set(e, errno, "looking at the file system of %s", path);
	if ((unsigned int)fs.f_type != BTRFS_MAGIC)
		return err_kind(e, ERR_NOT_SUPPORTED, "%s is not on a btrfs file system", path);
	if (subvolume_make(dirfd, "one"))
		return err_set(e, errno, "making a subvolume");
	tree = open_dir(dirfd, "one");
	if (tree < 0 || snapshot(tree, dirfd, "two"))
		return err_set(e, errno, "making a snapshot");
	if (!subvolume_remove(dirfd, "two"))
		return 0;
	if (unlinkat(dirfd, "two", AT_REMOVEDIR))
		return err_set(e, errno, "removing a snapshot");
	log_warn("removing containers and images takes longer than it need: mount the file system with "
		 "user_subvol_rm_allowed");
	return 0;
}

static void btrfs_status(const char *backing, json_t *out)
{
	(void)backing; /* the real engine names the version of a library, which there is none of here */
	(void)out;
}

const struct driver btrfs_driver = {
	.name = "btrfs",
	.whiteouts = TAR_WH_KEEP,
	.probe = btrfs_probe,
	.create = btrfs_create,
	.drop = btrfs_drop,
	.describe = list_describe,
	.mount = list_mount,
	.usage = list_usage,
	.changes = list_changes,
	.pack = list_pack,
	.status = btrfs_status,
};
