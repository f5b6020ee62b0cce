/* SPDX-License-Identifier: MIT */
/*
 * applets/install.c - coracle --install: the binary and a link for every name it answers to
 *
 * Theory of operation
 *   DIR/coracle is the one file; each name is a link to it, hard (one inode, survives a move of
 *   the directory, works without symlinks) or symbolic and relative.  The binary may come from
 *   another file system, a USB stick say, where link(2) gives EXDEV; or from one where the
 *   kernel forbids linking a file we do not own (fs.protected_hardlinks, EPERM): then it is
 *   copied.  Every entry appears by rename, so a running docker keeps its old inode and a new
 *   one starts the new binary.
 *
 *   Some names are those of programs that many hosts have.  A directory in front of PATH would
 *   hide those, so such a name is linked only where the host has none, or on demand.
 *
 *   An upgrade finds the links of the version before: hard links share the inode of the old
 *   DIR/coracle, which is how they are told from a stranger's file of the same name.
 */
#include "install.h"

#include "base/fs.h"
#include "ns/tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "coracle"
#define TMP_NAME ".coracle-install.tmp"

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is DIR/name free, or a link of ours (to the running binary, or to the DIR/coracle of before)? */
static bool name_is_ours(int dirfd, const char *name, const struct stat *self,
	const struct stat *old)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	if (fstatat(dirfd, name, &st, 0) < 0) {
		/* a symlink to nowhere: ours if it names the program */
		char target[64];
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);
		return n == (ssize_t)strlen(PROGRAM) && memcmp(target, PROGRAM, (size_t)n) == 0;
	}
	return same_file(&st, self) || (old->st_ino && same_file(&st, old));
}

static int copy_self(int selffd, int dirfd, struct err *e)
{
	cleanup_close int fd = openat(dirfd, TMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (fd < 0)
		return err_set(e, errno, "creating %s", TMP_NAME);
	if (fd_copy(selffd, fd, -1, NULL) < 0 || fchmod(fd, 0755) < 0 || fsync(fd) < 0) {
		err_set(e, errno, "copying the program");
		unlinkat(dirfd, TMP_NAME, 0);
		return -1;
	}
	return 0;
}

static int rename_in(int dirfd, const char *name, struct err *e)
{
	if (renameat(dirfd, TMP_NAME, dirfd, name) == 0)
		return 0;
	err_set(e, errno, "putting %s in its place", name);
	unlinkat(dirfd, TMP_NAME, 0);
	return -1;
}

static int place_program(int dirfd, const struct stat *self, struct err *e)
{
	cleanup_close int selffd = -1;
	struct stat st;

	if (fstatat(dirfd, PROGRAM, &st, 0) == 0 && same_file(&st, self))
		return 0;
	selffd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (selffd < 0)
		return err_set(e, errno, "opening /proc/self/exe");
	if (linkat(AT_FDCWD, "/proc/self/exe", dirfd, TMP_NAME, AT_SYMLINK_FOLLOW) < 0 &&
		copy_self(selffd, dirfd, e) < 0)
		return -1;
	return rename_in(dirfd, PROGRAM, e);
}

static int place_link(int dirfd, const char *name, bool symbolic, struct err *e)
{
	struct stat have, program;

	if (!symbolic && fstatat(dirfd, name, &have, AT_SYMLINK_NOFOLLOW) == 0 &&
		fstatat(dirfd, PROGRAM, &program, 0) == 0 && same_file(&have, &program))
		return 0; /* and rename(2) of two links to one inode would do nothing but leave both */
	if (symbolic ? symlinkat(PROGRAM, dirfd, TMP_NAME) < 0 :
		       linkat(dirfd, PROGRAM, dirfd, TMP_NAME, 0) < 0) {
		err_set(e, errno, "linking %s", name);
		if (!symbolic)
			err_hint(e, "this file system may have no hard links: use --install -s");
		return -1;
	}
	return rename_in(dirfd, name, e);
}

/* Is this the name of a program of the host that a link of ours would hide? */
static bool would_hide(int dirfd, const char *name)
{
	static const char *const others[] = { "newuidmap", "newgidmap", "nsenter", "runc", NULL };
	cleanup_free char *path = NULL;
	struct stat st;

	if (!str_in(name, others) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return false; /* ours of before is upgraded */
	path = tool_find(name);
	return path != NULL;
}

int install_links(const char *dir, const char *const *names, const struct install_options *o,
	char **left, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_close int dirfd = -1;
	struct stat self, old = { 0 };

	if (stat("/proc/self/exe", &self) < 0)
		return err_set(e, errno, "looking at /proc/self/exe");
	if (fs_mkdir_p_at(AT_FDCWD, dir, 0755, e) < 0)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_set(e, errno, "opening %s", dir);
	if (fstatat(dirfd, PROGRAM, &old, 0) < 0)
		old.st_ino = 0;

	for (const char *const *n = names; *n && !o->force; n++) {
		if (name_is_ours(dirfd, *n, &self, &old))
			continue;
		err_set(e, 0, "%s/%s is there and is not ours", dir, *n);
		return err_hint(e, "move it away, choose another directory, or say --install -f");
	}

	if (unlinkat(dirfd, TMP_NAME, 0) < 0 && errno != ENOENT)
		return err_set(e, errno, "removing an old %s/%s", dir, TMP_NAME);
	if (place_program(dirfd, &self, e) < 0)
		return err_wrap(e, "installing into %s", dir);
	for (const char *const *n = names; *n; n++) {
		if (!o->all && would_hide(dirfd, *n)) {
			buf_addf(&out, "%s%s", out.n ? " " : "", *n);
			continue;
		}
		if (strcmp(*n, PROGRAM) != 0 && place_link(dirfd, *n, o->symlinks, e) < 0)
			return err_wrap(e, "installing into %s", dir);
	}
	*left = buf_detach(&out);
	return 0;
}
