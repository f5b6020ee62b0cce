/* SPDX-License-Identifier: MIT */
/*
 * core/ns/tool.c - run the small programs of the host: newuidmap, newgidmap, getsubids
 *
 * Theory of operation
 *   Mapping subordinate ids takes CAP_SETUID over the parent namespace, which the host lends
 *   through two small set-user-ID programs.  We may be reachable under their names ourselves (a
 *   link in ~/bin): calling that would be calling ourselves, so a candidate that is our own inode,
 *   or a link to a "coracle" beside it (another copy of us, an upgraded one), is passed over unless
 *   it has privilege.  Of the others one with privilege is preferred.
 */
#include "ns/tool.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;

static const char usual_dirs[] = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin";

enum quality { UNUSABLE, PLAIN, PRIVILEGED };

static bool is_file(const char *path, const struct stat *st)
{
	struct stat other;

	return !stat(path, &other) && st->st_dev == other.st_dev && st->st_ino == other.st_ino;
}

static enum quality judge(const char *path)
{
	cleanup_free char *ours = xasprintf("%.*s/coracle", (int)(strrchr(path, '/') - path), path);
	struct statvfs fs;
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, X_OK) || is_file("/proc/self/exe", &st))
		return UNUSABLE;
	if (((st.st_mode & S_ISUID) || getxattr(path, "security.capability", NULL, 0) > 0) &&
		!statvfs(path, &fs) && !(fs.f_flag & ST_NOSUID))
		return PRIVILEGED;
	return is_file(ours, &st) ? UNUSABLE : PLAIN;
}

static char *find(const char *name, bool privileged)
{
	cleanup_free char *plain = NULL;
	const char *env = getenv("PATH");
	cleanup_free char *all = xasprintf("%s:%s", env ? env : "", usual_dirs);
	struct span rest = span_of(all), dir;
	enum quality q;
	char *path;

	while (span_token(&rest, ':', &dir)) {
		if (!dir.n || dir.p[0] != '/')
			continue; /* nothing privileged is run from the working directory */
		path = xasprintf("%.*s/%s", (int)dir.n, dir.p, name);
		q = judge(path);
		if (q == PRIVILEGED)
			return path;
		if (q == PLAIN && !plain && !privileged)
			plain = steal(&path);
		free(path);
	}
	return steal(&plain);
}

char *tool_find(const char *name)
{
	return find(name, false);
}

char *tool_find_privileged(const char *name)
{
	return find(name, true);
}

int tool_start(struct tool *t, const char *path, char *const argv[], struct err *e)
{
	cleanup_close int reader = -1, writer = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC))
		return err_set(e, errno, "making a pipe for %s", path);
	reader = fds[0];
	writer = fds[1];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, writer, 1);
	posix_spawn_file_actions_adddup2(&actions, writer, 2);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(&t->pid, path, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		return err_set(e, rc, "executing %s", path);
	t->output = fd_steal(&reader);
	return 0;
}

/* Read until the end of the output; false if the time is up before. */
static bool drain(int fd, int64_t deadline, size_t max, struct buf *out)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char piece[512];
	int64_t left;
	ssize_t n;

	for (;;) {
		left = (deadline - clock_mono_ns()) / NS_PER_MS;
		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n == 0 || (n < 0 && errno != EINTR))
			return true;
		if (n > 0 && out->n < max)
			buf_add(out, piece, (size_t)n);
	}
}

int tool_finish(struct tool *t, int timeout_ms, size_t max, struct buf *out, struct err *e)
{
	bool ended = drain(t->output, clock_mono_ns() + timeout_ms * NS_PER_MS, max, out);
	int status, rc;

	fd_close(&t->output);
	if (!ended)
		kill(t->pid, SIGKILL);
	do
		rc = waitpid(t->pid, &status, 0);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_set(e, errno, "waiting for pid %d", (int)t->pid);
	if (!ended)
		return err_set(e, ETIMEDOUT, "waiting %d s for pid %d", timeout_ms / 1000,
			(int)t->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
