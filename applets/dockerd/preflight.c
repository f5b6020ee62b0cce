/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/preflight.c - before anything is made: user, environment, directories
 *
 * Theory of operation
 *   The lock of a directory is a flock(2) on the directory itself: nothing is written to one that
 *   turns out to be somebody else's, and nothing stale can be left. Supervisor and engine share
 *   the open file, so it is locked until both have gone. Who holds it, /proc/locks tells.
 */
#include "supervisor.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int preflight_user(struct err *e)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	struct stat st;

	if (!geteuid()) {
		err_set(e, 0, "This script must be executed as a non-privileged user");
		return err_hint(e, "log in as an ordinary user (not by su or sudo) and start it there");
	}
	if (!home || stat(home, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, 0, "HOME needs to be set and exist.");
	if (!run || *run != '/' || access(run, W_OK)) {
		err_set(e, 0, "XDG_RUNTIME_DIR needs to be set and writable");
		return err_hint(e, "with systemd, log in again by ssh or machinectl shell; without, run:\n"
				   "  export XDG_RUNTIME_DIR=$HOME/.docker/xrd\n"
				   "  rm -rf $XDG_RUNTIME_DIR\n"
				   "  mkdir -p $XDG_RUNTIME_DIR");
	}
	return 0;
}

void preflight_environment(struct config *c)
{
	const char *flags = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS");

	/* Who chooses where the subordinate ids come from wants to have them. */
	if (flags && strstr(flags, "--subid-source") && !c->want_single_id)
		c->require_subids = true;
}

/* --- locks ---------------------------------------------------------------------------------- */

/* Does a line of /proc/locks ("1: FLOCK  ADVISORY  WRITE 123 fe:01:456 0 EOF") speak of this file?
 * The device is compared loosely: btrfs shows another one there than stat(2) does. */
static bool line_matches(struct span line, const struct stat *st, int *pid)
{
	struct span word[6], rest = line, id, inode;
	uint64_t number, holder;
	size_t n = 0;

	while (n < ARRAY_SIZE(word) && span_token(&rest, ' ', &word[n]))
		n += word[n].n != 0; /* columns are padded */
	if (n < ARRAY_SIZE(word) || !span_eqs(word[1], "FLOCK") || !span_eqs(word[3], "WRITE"))
		return false;
	id = word[5];
	if (span_rchr(id, ':') < 0)
		return false;
	inode = span_cut(&id, (size_t)span_rchr(id, ':'));
	if (parse_u64(inode, UINT64_MAX, &number) || number != st->st_ino ||
		parse_u64(word[4], INT32_MAX, &holder))
		return false;
	*pid = (int)holder;
	return true;
}

/* The pid of whoever holds the lock of @fd's file; 0 if it cannot be told. */
static int lock_holder(int fd)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	struct stat st;
	int pid = 0;

	if (fstat(fd, &st) || file_read_at(AT_FDCWD, "/proc/locks", 16 << 20, &text, NULL))
		return 0;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line))
		if (line_matches(line, &st, &pid))
			return pid;
	return 0;
}

int preflight_lock(const char *what, const char *path, mode_t mode, struct err *e)
{
	cleanup_close int fd = -1;
	int pid;

	if (fs_mkdir_p_at(AT_FDCWD, path, mode, e))
		return err_wrap(e, "making the %s", what);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "opening the %s %s", what, path);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd_steal(&fd);
	if (errno != EWOULDBLOCK)
		return err_set(e, errno, "locking the %s %s", what, path);
	pid = lock_holder(fd);
	if (pid)
		err_set(e, 0, "the %s %s is in use: process with PID %d is still running", what, path, pid);
	else
		err_set(e, 0, "the %s %s is in use by another engine", what, path);
	return err_hint(e, "stop that one, or give this one a --data-root, an --exec-root, a --pidfile and a "
			   "--host of its own");
}
