/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/view.c - a container's files put together for who copies in or out
 *
 * Theory of operation
 *   `docker cp` sees the root filesystem and what the engine mounts there from outside: volumes,
 *   binds and the files in /etc.  It does not see /proc, /dev and tmpfs, nor what a process in the
 *   container mounted.  So the view is built in a mount namespace of its own, in the same way
 *   whether the container runs or not; only the root differs:
 *
 *	stopped	mounted by the storage driver
 *	running	a copy of the mount that is its root.  A second overlayfs over the same upper
 *		directory would be undefined (overlayfs.rst), and a copy is the same file system
 *
 *   To copy a mount one has to be in its mount namespace: we enter it, take the descriptor and
 *   come back.  Nothing of the container runs in between, and no path of it is looked at but "/".
 *   What it does to its files meanwhile is met when mount points are opened beneath the root
 *   (mountpoint.c).
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "base/proc.h"
#include "runtime/inside.h"
#include "runtime/runtime.h"
#include "storage/storage.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

/* A detached copy of the mount that is a process's root, nothing below it; -1 if it has ended. */
static int copy_root(const json_t *join)
{
	cleanup_close int back = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), pidfd = -1, tree = -1;

	pidfd = proc_open((pid_t)json_int(join, "pid", 0), (uint64_t)json_int(join, "start_time", 0));
	if (back < 0 || pidfd < 0 || setns(pidfd, CLONE_NEWNS))
		return -1;
	tree = mnt_clone_tree(AT_FDCWD, "/", 0);
	/* Staying there would mean to go on among the container's mounts. */
	if (setns(back, CLONE_NEWNS))
		return -1;
	return fd_steal(&tree);
}

static int mount_root(const json_t *view, const char *target, struct err *e)
{
	const json_t *join = json_obj(view, "join");
	cleanup_close int tree = join ? copy_root(join) : -1, at = -1;
	struct mnt_attr rw = {.clear = MNT_RDONLY};

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_set(e, errno, "making a mount namespace");
	/* One that has just ended is mounted like any that is stopped. */
	if (tree < 0)
		return rootfs_mount(json_obj(view, "rootfs"), target, false, e);
	/* With --read-only the engine decides what may be written, as for a stopped container. */
	if (mnt_setattr(tree, 0, &rw) && errno != EPERM && errno != ENOSYS)
		return err_set(e, errno, "copying the container's root mount");
	at = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || mnt_attach(tree, at))
		return err_set(e, errno, "mounting the container's root on %s", target);
	return 0;
}

static int open_source(const json_t *m)
{
	cleanup_close int fd = open(json_str(m, "source", ""), O_PATH | O_CLOEXEC);
	const char *subpath = json_str(m, "subpath", NULL);

	if (fd >= 0 && subpath)
		return fs_open_in_root(fd, subpath, O_PATH, 0);
	return fd_steal(&fd);
}

/* A regular file or a link at @destination; -1 if there is something else or nothing. */
static int open_covered(int rootfd, const char *destination)
{
	cleanup_close int fd = fs_open_in_root(rootfd, destination, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) ? fd_steal(&fd) : -1;
}

static int mount_one(int rootfd, const json_t *m, struct err *e)
{
	const char *destination = json_str(m, "destination", "");
	bool recursive = !json_bool(m, "flat", false), made;
	struct mnt_attr attr = {.set = json_bool(m, "rw", true) ? 0 : MNT_RDONLY};
	cleanup_close int source = open_source(m), tree = -1, at = -1;
	struct stat st;

	if (source < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "opening %s", json_str(m, "source", ""));
	tree = mnt_clone_tree(source, "", recursive);
	if (tree < 0 || fstat(source, &st))
		return err_set(e, errno, "copying the mount of %s", json_str(m, "source", ""));
	if (json_bool(m, "covers", false)) {
		at = open_covered(rootfd, destination);
		if (at < 0)
			return 0;
	} else {
		at = mountpoint_open(rootfd, destination, S_ISDIR(st.st_mode), &made);
	}
	if (at < 0 || mountattr_attach(tree, at, recursive, &attr))
		return err_set(e, errno, "mounting %s", destination);
	return 0;
}

int runtime_view_mount(const json_t *view, const char *target, struct err *e)
{
	cleanup_close int rootfd = -1;
	const json_t *m;
	size_t i;

	if (mount_root(view, target, e))
		return -1;
	rootfd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return err_set(e, errno, "opening %s", target);
	json_array_foreach(json_arr(view, "mounts"), i, m)
		if (mount_one(rootfd, m, e))
			return -1;
	return fd_steal(&rootfd);
}
