/* SPDX-License-Identifier: MIT */
/*
 * core/storage/partial.c - what has come of blobs whose layers are not committed yet
 *
 * Theory of operation
 *   partial/<64 hex> holds the first bytes of a blob, as many as came before its process was killed, or all of
 *   them while the layer waits for the one below.  Who downloads it next begins with these.  They
 *   prove nothing: the digest over all bytes does, and if it is wrong the file goes.  It is not
 *   synced: what a power cut makes of it is found out the same way.
 *
 *   One process writes it at a time, by flock(2).  Where the file was removed between opening and locking
 *   it, it is somebody else's past.
 */
#include "storage/partial.h"
#include "base/fs.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_NAME "partial"

int partial_open(const struct store *s, const char *digest)
{
	cleanup_close int dir = -1, fd = -1;
	struct stat st;

	if (!digest_ok(digest))
		return -1;
	mkdirat(s->datafd, DIR_NAME, 0700);
	dir = openat(s->datafd, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, digest_hex(digest), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || !st.st_nlink)
		return -1;
	return fd_steal(&fd);
}

void partial_remove(const struct store *s, const char *digest)
{
	char path[sizeof(DIR_NAME) + DIGEST_MAX];

	if (!digest_ok(digest))
		return;
	snprintf(path, sizeof(path), DIR_NAME "/%s", digest_hex(digest));
	unlinkat(s->datafd, path, 0);
}

void partial_remove_all(const struct store *s)
{
	if (fs_exists_at(s->datafd, DIR_NAME))
		fs_remove_tree_at(s->datafd, DIR_NAME, NULL);
}
