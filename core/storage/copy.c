/* SPDX-License-Identifier: MIT */
/*
 * core/storage/copy.c - lay a layer over a tree
 *
 * Theory of operation
 *   tree_walk() gives a directory's whiteouts before its other names, so what a layer deletes is
 *   gone before what it brings is made, and nothing of its own is deleted.  A directory of the tree
 *   is opened by its path, beneath the root and without links: each component has been made a real
 *   directory on the way down.
 */
#include "storage/copy.h"
#include "storage/beneath.h"
#include "storage/tar_unpack.h"
#include "storage/tree.h"
#include "base/fs.h"

#include <errno.h>
#include <linux/fs.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define COPY_BLOCK 131072

struct copy {
	int treefd;
	bool single_id;
	bool clone; /* what overlayfs gives a meaning to is copied like all else */
	struct inodes inodes;
	struct buf parent; /* the directory at hand, */
	int parentfd;	   /* open */
};

/* Have c->parentfd be the tree's directory for what is visited. */
static int take_parent(struct copy *c, const struct tree_item *it, struct err *e)
{
	size_t n = strlen(it->path) - strlen(it->name);

	n -= n > 0; /* the slash */
	if (c->parentfd >= 0 && c->parent.n == n && !memcmp(c->parent.p, it->path, n))
		return 0;
	fd_close(&c->parentfd);
	buf_reset(&c->parent);
	buf_add(&c->parent, it->path, n);
	c->parentfd = beneath_open_plain(c->treefd, c->parent.p, O_RDONLY | O_DIRECTORY);
	return c->parentfd < 0 ? err_set(e, errno, "opening %s", c->parent.p) : 0;
}

/* --- attributes --- */

static int put_xattr(void *arg, const char *name, const void *value, size_t n)
{
	if (!fsetxattr(*(int *)arg, name, value, n, 0))
		return 0;
	return errno == EPERM || errno == ENOTSUP ? 0 : -1;
}

static int copy_opaque(int from, int to)
{
	static const char *const names[] = { OPAQUE_XATTR, FUSE_OPAQUE_XATTR };
	char value[8];
	size_t i;
	ssize_t n;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		n = fgetxattr(from, names[i], value, sizeof(value));
		if (n > 0 && fsetxattr(to, names[i], value, (size_t)n, 0))
			return -1;
	}
	return 0;
}

static int copy_attrs(const struct copy *c, int from, int to, const struct stat *st)
{
	char owner[64];
	ssize_t n;

	if (!c->single_id && fchown(to, st->st_uid, st->st_gid))
		return -1;
	if (xattrs_each(from, put_xattr, &to))
		return -1;
	n = c->single_id ? fgetxattr(from, STAT_XATTR, owner, sizeof(owner)) : -1;
	if (n > 0)
		fsetxattr(to, STAT_XATTR, owner, (size_t)n, 0);
	if (c->clone && copy_opaque(from, to))
		return -1;
	return fchmod(to, st->st_mode & 07777);
}

static int copy_times(int fd, const struct stat *st)
{
	return futimens(fd, (struct timespec[2]){ st->st_atim, st->st_mtim });
}

/* --- content --- */

static int copy_range(int from, int to, off_t at, off_t end)
{
	char block[COPY_BLOCK / 2];
	ssize_t got = 0, done;
	bool plain = false;

	while (at < end) {
		off_t in = at, out = at;

		if (!plain) {
			got = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
			plain = got < 0 && errno != EINTR && errno != ENOSPC && errno != EIO;
			if (got < 0 && !plain && errno != EINTR)
				return -1;
		}
		if (plain) {
			got = pread(from, block, end - at < (off_t)sizeof(block) ? (size_t)(end - at) : sizeof(block), at);
			for (done = 0; done < got;) {
				ssize_t put = pwrite(to, block + done, (size_t)(got - done), at + done);

				if (put < 0 && errno != EINTR)
					return -1;
				done += put > 0 ? put : 0;
			}
			if (got < 0 && errno != EINTR)
				return -1;
		}
		if (!got)
			return 0; /* shorter than it was: nobody changes layers, but nor do we loop */
		at += got > 0 ? got : 0;
	}
	return 0;
}

/* Data where there is data, holes where there are holes. */
static int copy_content(int from, int to, off_t size)
{
	off_t at = 0, end;

	if (!size || !ioctl(to, FICLONE, from))
		return 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break; /* only a hole is left */
		if (data < 0)
			return copy_range(from, to, 0, size);
		end = lseek(from, data, SEEK_HOLE);
		if (end < 0 || copy_range(from, to, data, end))
			return -1;
		at = end;
	}
	return ftruncate(to, size);
}

/* --- things --- */

static int copy_file(struct copy *c, const struct tree_item *it, struct err *e)
{
	const char *first = it->st.st_nlink > 1 ? inodes_seen(&c->inodes, &it->st, it->path) : NULL;
	cleanup_close int from = -1, to = -1;

	if (first)
		return linkat(c->treefd, first, c->parentfd, it->name, 0) ?
			       err_set(e, errno, "linking %s to %s", it->path, first) :
			       0;
	from = openat(it->dirfd, it->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return err_set(e, errno, "opening %s", it->path);
	to = openat(c->parentfd, it->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 || copy_content(from, to, it->st.st_size) || copy_attrs(c, from, to, &it->st) ||
		copy_times(to, &it->st))
		return err_set(e, errno, "copying %s", it->path);
	return 0;
}

static int copy_dir(struct copy *c, const struct tree_item *it, struct err *e)
{
	cleanup_close int from = -1, to = -1;
	struct stat st;

	if (mkdirat(c->parentfd, it->name, 0700)) {
		if (errno != EEXIST || fstatat(c->parentfd, it->name, &st, AT_SYMLINK_NOFOLLOW))
			return err_set(e, errno, "making directory %s", it->path);
		if (!S_ISDIR(st.st_mode) && (unlinkat(c->parentfd, it->name, 0) ||
						    mkdirat(c->parentfd, it->name, 0700)))
			return err_set(e, errno, "making directory %s", it->path);
	}
	from = openat(it->dirfd, it->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(c->parentfd, it->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0 || copy_attrs(c, from, to, &it->st))
		return err_set(e, errno, "copying directory %s", it->path);
	return 0;
}

static int copy_special(struct copy *c, const struct tree_item *it, struct err *e)
{
	struct timespec ts[2] = { it->st.st_atim, it->st.st_mtim };
	char target[PATH_MAX];
	ssize_t n;
	int rc;

	if (S_ISLNK(it->st.st_mode)) {
		n = readlinkat(it->dirfd, it->name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		rc = n < 0 ? -1 : symlinkat(target, c->parentfd, it->name);
	} else if (S_ISFIFO(it->st.st_mode)) {
		rc = mkfifoat(c->parentfd, it->name, 0600) ||
		     fchmodat(c->parentfd, it->name, it->st.st_mode & 07777, 0);
	} else if (c->clone && tree_is_whiteout(&it->st)) {
		rc = mknodat(c->parentfd, it->name, S_IFCHR | (it->st.st_mode & 07777), makedev(0, 0));
	} else {
		return 0; /* no layer has others */
	}
	if (rc || (!c->single_id && fchownat(c->parentfd, it->name, it->st.st_uid, it->st.st_gid,
				       AT_SYMLINK_NOFOLLOW)) ||
		utimensat(c->parentfd, it->name, ts, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "copying %s", it->path);
	return 0;
}

static int empty_dir(void *arg, const struct tree_item *it, struct err *e)
{
	(void)arg;
	return fs_remove_tree_at(it->dirfd, it->name, e) ? -1 : 1;
}

/* ".wh." names; the opaque mark empties the directory it is in. */
static int take_whiteout(struct copy *c, const struct tree_item *it, struct err *e)
{
	if (!strcmp(it->name, WHITEOUT_OPAQUE))
		return tree_walk(c->parentfd, empty_dir, NULL, NULL, e) ? -1 : 1;
	return fs_remove_tree_at(c->parentfd, it->name + strlen(WHITEOUT_PREFIX), e) ? -1 : 1;
}

static int visit(void *arg, const struct tree_item *it, struct err *e)
{
	struct copy *c = arg;

	if (take_parent(c, it, e))
		return -1;
	if (!c->clone && !strncmp(it->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)))
		return take_whiteout(c, it, e);
	if (S_ISDIR(it->st.st_mode))
		return copy_dir(c, it, e);
	if (fs_remove_tree_at(c->parentfd, it->name, e))
		return -1;
	return S_ISREG(it->st.st_mode) ? copy_file(c, it, e) : copy_special(c, it, e);
}

/* All in it is done: its times will not change any more. */
static int leave(void *arg, const struct tree_item *it, struct err *e)
{
	struct copy *c = arg;
	cleanup_close int fd = beneath_open_plain(c->treefd, it->path, O_RDONLY | O_DIRECTORY);

	return fd < 0 || copy_times(fd, &it->st) ? err_set(e, errno, "setting the times of %s", it->path) : 0;
}

static int copy(struct copy *c, int layerfd, struct err *e)
{
	int rc = tree_walk(layerfd, visit, leave, c, e);

	inodes_release(&c->inodes);
	fd_close(&c->parentfd);
	buf_release(&c->parent);
	return rc;
}

int layer_apply(int layerfd, int treefd, bool single_id, struct err *e)
{
	struct copy c = { .treefd = treefd, .single_id = single_id, .parent = BUF_INIT, .parentfd = -1 };

	return copy(&c, layerfd, e);
}

int layer_clone(int layerfd, int treefd, bool single_id, struct err *e)
{
	struct copy c = { .treefd = treefd, .single_id = single_id, .clone = true, .parent = BUF_INIT, .parentfd = -1 };

	return copy_opaque(layerfd, treefd) ? err_set(e, errno, "copying a layer") : copy(&c, layerfd, e);
}
