/* SPDX-License-Identifier: MIT */
/*
 * core/storage/drafts.c - what a process that died left in tmp/
 *
 * Theory of operation
 *   A worker that is killed cannot remove its drafts; who ran it does, by the prefix of their names.
 *   Its unpacking process dies with it, but not in the same instant, and could still put a file
 *   into a directory that is being removed.  Both hold the draft's tree open, and with it one lock
 *   (flock(2): of the open file, shared by all who inherited it): taking that lock waits for both.
 */
#include "storage/driver.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void discard(int tmpfd, const char *name)
{
	cleanup_free char *path = fs_join(name, "diff");
	cleanup_close int tree = openat(tmpfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err e = ERR_INIT;

	while (tree >= 0 && flock(tree, LOCK_EX) && errno == EINTR)
		;
	if (fs_remove_tree_at(tmpfd, name, &e))
		log_err(&e, "removing a draft");
}

void store_discard_drafts(const struct store *s, const char *prefix)
{
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd = openat(s->datafd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return;
	}
	while ((de = readdir(d)))
		if (*prefix && !strncmp(de->d_name, prefix, strlen(prefix)))
			discard(dirfd(d), de->d_name);
}
