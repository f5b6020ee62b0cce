/* SPDX-License-Identifier: MIT */
/*
 * core/storage/vfs.c - the driver vfs: whole copies, for file systems and kernels without overlayfs
 *
 * Theory of operation
 *   Layers are kept as what they change, like everywhere; only a container has a whole tree, made by
 *   laying its layers over each other (copy.h).  On file systems that share blocks (xfs) that copies
 *   no data.  What a container changed is told by a list (list.h).
 */
#include "storage/copy.h"
#include "storage/list.h"
#include "base/fs.h"

#include <errno.h>
#include <unistd.h>

/* --- root filesystems --- */

static int vfs_create(int dirfd, const struct lowers *lowers, bool single_id, struct err *e)
{
	cleanup_close int tree = -1;
	size_t i;

	if (mkdirat(dirfd, "tree", 0755) || fchmodat(dirfd, "tree", 0755, 0))
		return err_set(e, errno, "making a root filesystem");
	tree = openat(dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return err_set(e, errno, "making a root filesystem");
	for (i = lowers->n; i--;) {
		cleanup_close int layer = open(lowers->path[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (layer < 0)
			return err_set(e, errno, "opening %s", lowers->path[i]);
		if (layer_apply(layer, tree, single_id, e))
			return err_wrap(e, "copying the image");
	}
	return list_write(dirfd, tree, e);
}

/* It works wherever files can be made and given away. */
static int vfs_probe(int dirfd, const char *path, bool single_id, struct err *e)
{
	if (file_write_at(dirfd, "file", "x", 1, 0644, 0, e))
		return err_wrap(e, "trying %s", path);
	if (!single_id && fchownat(dirfd, "file", 1, 1, 0)) {
		err_set(e, errno, "giving a file in %s to another user", path);
		return err_hint(e, "the file system must keep owners: put the data-root on a local disk");
	}
	return 0;
}

static void vfs_status(const char *backing, json_t *out)
{
	(void)backing;
	(void)out;
}

const struct driver vfs_driver = {
	.name = "vfs",
	.whiteouts = TAR_WH_KEEP,
	.probe = vfs_probe,
	.create = vfs_create,
	.describe = list_describe,
	.mount = list_mount,
	.usage = list_usage,
	.changes = list_changes,
	.pack = list_pack,
	.status = vfs_status,
};
