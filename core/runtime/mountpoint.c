/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/mountpoint.c - where a mount goes: opened beneath the rootfs, made if missing
 *
 * Theory of operation
 *   An image decides what its paths are: "/etc" may be a symlink to "/../../etc", and a process
 *   of another container that shares a volume may swap a directory for a symlink at any moment
 *   (CVE-2021-30465).  So nothing is checked by name and used by name later: the kernel resolves
 *   the path beneath the root (openat2, RESOLVE_IN_ROOT), and the mount is attached to the
 *   descriptor that this gave.
 *
 *   The common case, a mount point that is there, is that one call.  Otherwise the path is walked
 *   component by component.  `done` is the part that was resolved, free of symlinks when it was
 *   looked at; each step opens done/component anew from the root, so that a lie in it can lead to
 *   another place beneath the root, never out of it.
 */
#include "base/fs.h"
#include "runtime/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define SYMLINKS_MAX 40 /* as the kernel's own limit, path_resolution(7) */

struct walk {
	char done[PATH_MAX]; /* "" or "/a/b" */
	char rest[PATH_MAX]; /* still to resolve */
	int links;
};

/* Take the next component off w->rest into @name; false at the end. */
static bool next_component(struct walk *w, char name[NAME_MAX + 1])
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (!n || n > NAME_MAX)
		return false;
	memcpy(name, p, n);
	name[n] = 0;
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static bool is_last(const struct walk *w)
{
	return !w->rest[strspn(w->rest, "/")];
}

static void go_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = 0;
}

/* The component is a symlink: what it says comes first now. */
static int splice_link(struct walk *w, int linkfd)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(linkfd, "", target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = 0;
	if (++w->links > SYMLINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, w->rest) >= sizeof(rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w->rest, rest, sizeof(rest));
	if (*target == '/')
		w->done[0] = 0;
	return 0;
}

/* Make done/@name; it may appear at the same time, or be there by now. */
static int make(int rootfd, const struct walk *w, const char *name, bool directory)
{
	cleanup_close int parent = fs_open_in_root(rootfd, w->done, O_PATH | O_DIRECTORY, 0);
	int fd;

	if (parent < 0)
		return -1;
	if (directory)
		return mkdirat(parent, name, 0755) && errno != EEXIST ? -1 : 0;
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	close(fd);
	return 0;
}

/* Open done/@name and append it to done; a symlink changes what is to be done instead: *fd is -1. */
static int step(int rootfd, struct walk *w, const char *name, bool directory, bool *made, int *fd)
{
	size_t n = strlen(w->done);
	struct stat st;

	if (n + strlen(name) + 2 > sizeof(w->done)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(w->done + n, sizeof(w->done) - n, "/%s", name);
	*fd = fs_open_in_root(rootfd, w->done, O_PATH | O_NOFOLLOW, 0);
	if (*fd < 0 && errno == ENOENT) {
		w->done[n] = 0;
		if (make(rootfd, w, name, directory))
			return -1;
		snprintf(w->done + n, sizeof(w->done) - n, "/%s", name);
		*made = true;
		*fd = fs_open_in_root(rootfd, w->done, O_PATH | O_NOFOLLOW, 0);
	}
	if (*fd < 0 || fstat(*fd, &st))
		return -1;
	if (S_ISLNK(st.st_mode)) {
		w->done[n] = 0;
		if (splice_link(w, *fd))
			return -1;
		fd_close(fd);
	}
	return 0;
}

static int walk(int rootfd, struct walk *w, bool directory, bool *made)
{
	cleanup_close int fd = fs_open_in_root(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	char name[NAME_MAX + 1];

	while (next_component(w, name)) {
		if (!strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			go_up(w);
			continue;
		}
		*made = false;
		fd_close(&fd);
		if (step(rootfd, w, name, directory || !is_last(w), made, &fd))
			return -1;
	}
	if (!is_last(w)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* After "..", or a symlink to "/", what is open is not what done says. */
	fd_close(&fd);
	return fs_open_in_root(rootfd, w->done, O_PATH, 0);
}

int mountpoint_open(int rootfd, const char *path, bool directory, bool *made)
{
	struct walk w = { .links = 0 };
	int fd;

	*made = false;
	fd = fs_open_in_root(rootfd, path, O_PATH, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (strlen(path) >= sizeof(w.rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w.rest, path, strlen(path) + 1);
	return walk(rootfd, &w, directory, made);
}
