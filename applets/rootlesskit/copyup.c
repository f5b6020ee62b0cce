/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/copyup.c - directories of the host that can be changed inside
 *
 * Theory of operation
 *   "tmpfs+symlink", RootlessKit's only mode: the directory, with all that is mounted below it, is
 *   taken as a detached tree; a tmpfs is mounted over it; the tree goes to ".roXXXXXX" in there, and
 *   each entry becomes a symbolic link into that.  Links can be removed and replaced by files of one's
 *   own; what is behind them is still the host's.
 */
#include "kit.h"

#include "base/fs.h"
#include "base/mountapi.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int link_entries(int tmpfs, int lower, const char *name, struct err *e)
{
	cleanup_closedir DIR *d = fdopendir(fcntl(lower, F_DUPFD_CLOEXEC, 0));
	struct dirent *de;

	if (!d)
		return err_set(e, errno, "reading it");
	while ((de = readdir(d))) {
		cleanup_free char *target = NULL;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		target = xasprintf("%s/%s", name, de->d_name);
		if (symlinkat(target, tmpfs, de->d_name))
			return err_set(e, errno, "linking %s", de->d_name);
	}
	return 0;
}

static int copy_up(const char *dir, struct err *e)
{
	cleanup_close int tree = mnt_clone_tree(AT_FDCWD, dir, 1), top = -1, at = -1, lower = -1;
	char name[16] = ".ro";
	unsigned char chance[4];

	if (tree < 0)
		return err_set(e, errno, "failed to create bind mount on %s", dir);
	if (mount("none", dir, "tmpfs", 0, "mode=0755"))
		return err_set(e, errno, "failed to mount tmpfs on %s", dir);
	random_bytes(chance, sizeof(chance));
	hex_encode(chance, sizeof(chance), name + 3);
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || mkdirat(top, name, 0700))
		return err_set(e, errno, "making %s/%s", dir, name);
	at = openat(top, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || mnt_attach(tree, at))
		return err_set(e, errno, "failed to move mount point from %s to %s/%s", dir, dir, name);
	lower = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lower < 0)
		return err_set(e, errno, "opening %s/%s", dir, name);
	return link_entries(top, lower, name, e);
}

int kit_copy_up(const char *dir, struct err *e)
{
	struct stat st;

	if (*dir != '/' || !strcmp(dir, "/"))
		return err_kind(e, ERR_INVALID, "cannot copy-up \"%s\": not an absolute path of a directory below /", dir);
	if (stat(dir, &st))
		return err_set(e, errno, "failed to create bind mount on %s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "failed to create bind mount on %s", dir);
	return copy_up(dir, e);
}
