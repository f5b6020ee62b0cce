/* SPDX-License-Identifier: MIT */
/*
 * core/limits/cgroup.c - one cgroup of version 2, through its files
 *
 * Theory of operation
 *   A cgroup's files can be written by whoever owns the directory: it was delegated to us, or we made it
 *   in one that was.  A controller must be switched on in each cgroup above ("cgroup.subtree_control")
 *   before the one below has its files, and no cgroup but the root may have both processes and children
 *   with controllers.
 *
 *   One that has processes, zombies left out, cannot be removed; "cgroup.events" can be polled for the
 *   moment when the last one has gone, or all have stopped.
 */
#include "limits/cgroup.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LIST_MAX 8192	/* bytes of /proc/PID/cgroup: a dozen lines */
#define FILE_TEXT 16384 /* bytes of memory.stat, the largest that is read */
#define FREEZE_MS 10000 /* for those that are in an uninterruptible wait */

bool cgroup_is_unified(void)
{
	struct statfs fs;

	return !statfs(CGROUP_ROOT, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

char *cgroup_of(pid_t pid, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (file_read_at(AT_FDCWD, path, LIST_MAX, &text, e))
		return NULL;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		if (span_starts(line, "0::/") && !span_starts(line, "0::/.."))
			return span_dup((struct span){line.p + 3, line.n - 3});
	}
	err_set(e, 0, "process %d is in no cgroup of version 2 that we can see", (int)pid);
	return NULL;
}

static int open_beneath(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static const char *relative(const char *path)
{
	path += strspn(path, "/");
	return *path ? path : ".";
}

int cgroup_open(const char *path)
{
	cleanup_close int root = open(CGROUP_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -1 : open_beneath(root, relative(path), O_RDONLY | O_DIRECTORY);
}

/* --- its files -------------------------------------------------------------------------------------- */

int cgroup_write(int dir, const char *file, const char *text)
{
	cleanup_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static ssize_t read_text(int dir, const char *file, char text[static FILE_TEXT])
{
	cleanup_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : fd_read_full(fd, text, FILE_TEXT);
}

static uint64_t number(struct span text, uint64_t def)
{
	uint64_t v;

	if (span_eqs(text, "max"))
		return UINT64_MAX;
	return parse_u64(text, UINT64_MAX, &v) ? def : v;
}

uint64_t cgroup_parse(struct span text, const char *key, uint64_t def)
{
	struct span line, word;

	while (span_token(&text, '\n', &line)) {
		if (!key)
			return number(line, def);
		if (span_token(&line, ' ', &word) && span_eqs(word, key))
			return number(line, def);
	}
	return def;
}

uint64_t cgroup_read(int dir, const char *file, const char *key, uint64_t def)
{
	char text[FILE_TEXT];
	ssize_t n = read_text(dir, file, text);

	return n < 0 ? def : cgroup_parse((struct span){text, (size_t)n}, key, def);
}

unsigned int cgroup_controllers(int dir)
{
	char text[FILE_TEXT];
	ssize_t n = read_text(dir, "cgroup.controllers", text);

	return n < 0 ? 0 : controllers_parse((struct span){text, (size_t)n});
}

/* Wait until "cgroup.events" has @key at @value.  0, or -1 and errno. */
static int wait_event(int dir, const char *key, uint64_t value, int ms)
{
	cleanup_close int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int64_t end = clock_mono_ns() + ms * NS_PER_MS;
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	char text[256];
	ssize_t n;

	for (;;) {
		int64_t left = (end - clock_mono_ns()) / NS_PER_MS;

		n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);
		if (n < 0)
			return -1;
		if (cgroup_parse((struct span){text, (size_t)n}, key, !value) == value)
			return 0;
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -1;
	}
}

int cgroup_freeze(int dir, bool on, struct err *e)
{
	if (cgroup_write(dir, "cgroup.freeze", on ? "1" : "0"))
		return err_set(e, errno, "writing cgroup.freeze");
	if (!on || !wait_event(dir, "frozen", 1, FREEZE_MS))
		return 0;
	err_set(e, errno, "waiting for the container's processes to stop");
	cgroup_write(dir, "cgroup.freeze", "0");
	return -1;
}

bool cgroup_populated(int dir)
{
	return cgroup_read(dir, "cgroup.events", "populated", 0);
}

int cgroup_kill(int dir)
{
	return cgroup_write(dir, "cgroup.kill", "1"); /* Linux 5.14 */
}

/* --- making and removing ------------------------------------------------------------------------------ */

/* One by one: one that cannot be would spoil all. */
void cgroup_hand_down(int dir)
{
	unsigned int set = cgroup_controllers(dir);
	int i;

	for (i = 0; i < CONTROLLERS; i++) {
		cleanup_buf struct buf text = BUF_INIT;

		if (!(set & 1U << i))
			continue;
		buf_addc(&text, '+');
		controllers_print(1U << i, "", &text);
		cgroup_write(dir, "cgroup.subtree_control", text.p);
	}
}

int cgroup_make(const char *path, struct err *e)
{
	cleanup_close int dir = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct span rest = span_of(relative(path)), word;

	while (dir >= 0 && span_token(&rest, '/', &word)) {
		cleanup_free char *name = span_dup(word);
		int next;

		if (!word.n || !strcmp(name, ".") || !strcmp(name, ".."))
			return err_kind(e, ERR_INVALID, "a cgroup cannot be named %.256s", path);
		next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
		if (next < 0 && errno == ENOENT) {
			cgroup_hand_down(dir);
			if (mkdirat(dir, name, 0755) && errno != EEXIST)
				return err_set(e, errno, "making cgroup %s", path);
			next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
		}
		fd_close(&dir);
		dir = next;
	}
	if (dir < 0)
		return err_set(e, errno, "opening cgroup %s", path);
	return fd_steal(&dir);
}

/* Those below first.  -1 and errno. */
static int remove_tree(int parent, const char *name)
{
	int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
	cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		fd_close(&fd);
		return errno == ENOENT ? 0 : -1;
	}
	while ((de = readdir(d))) {
		if (de->d_type == DT_DIR && strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
			remove_tree(fd, de->d_name))
			return -1;
	}
	return unlinkat(parent, name, AT_REMOVEDIR) && errno != ENOENT ? -1 : 0;
}

int cgroup_destroy(const char *path, int ms, struct err *e)
{
	cleanup_close int dir = cgroup_open(path), parent = -1;
	cleanup_free char *above = xstrdup(path);
	char *slash = strrchr(above, '/');
	size_t n = strlen(path);

	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0 || !slash || !slash[1])
		return err_set(e, errno, "opening cgroup %s", path);
	*slash = 0;
	parent = cgroup_open(above);
	if (parent < 0)
		return err_set(e, errno, "opening cgroup %s", above);
	if (cgroup_populated(dir)) {
		cgroup_kill(dir);
		wait_event(dir, "populated", 0, ms);
	}
	/* A unit's is systemd's to remove, which would not hear of its end otherwise. */
	if (n > 6 && !strcmp(path + n - 6, ".scope"))
		return 0;
	if (remove_tree(parent, slash + 1))
		return err_set(e, errno, "removing cgroup %s", path);
	return 0;
}
