/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/dev.c - /dev of a container: devices, links, and its terminal
 *
 * Theory of operation
 *   A user namespace may not mknod, so each device is the one outside, bound over an empty file.
 *   /dev itself is a tmpfs of the spec by then; an image's own /dev (no such mount) is filled the
 *   same way, never following what it has put there.
 *
 *   A terminal comes from the container's own devpts, so that "tty" inside says /dev/pts/0; its
 *   slave is taken from the master (TIOCGPTPEER), not opened by a name that may have been
 *   mounted over.
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "runtime/inside.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEVPTS_MAGIC 0x1cd1
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static const char *const devices[] = { "null", "random", "full", "tty", "zero", "urandom" };

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
};

/* An empty file (or what is there) to mount a device on. */
static int open_node(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 && errno == EEXIST)
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

static int bind_default(int dev, const char *name, struct err *e)
{
	cleanup_close int tree = -1, to = -1;
	char source[32];

	snprintf(source, sizeof(source), "/dev/%s", name);
	tree = mnt_clone_tree(AT_FDCWD, source, 0);
	if (tree < 0)
		return err_errno(e, errno, "creating device nodes: open %s", source);
	to = open_node(dev, name);
	if (to < 0 || mnt_attach(tree, to))
		return err_errno(e, errno, "creating device nodes: mount src=%s", source);
	return 0;
}

static int make_links(int dev, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) && errno != EEXIST)
			return err_errno(e, errno, "linking /dev/%s", links[i].name);
	}
	if (!access("/proc/kcore", F_OK) && symlinkat("/proc/kcore", dev, "core") && errno != EEXIST)
		return err_errno(e, errno, "linking /dev/core");
	if (unlinkat(dev, "ptmx", 0) && errno != ENOENT)
		return err_errno(e, errno, "removing /dev/ptmx");
	if (symlinkat("pts/ptmx", dev, "ptmx"))
		return err_errno(e, errno, "linking /dev/ptmx");
	return 0;
}

/* A /dev that is bound from outside is filled already, and not ours to change. */
static bool dev_is_bound(const struct spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];
		char *const *o = m->options;

		if (strcmp(m->destination, "/dev"))
			continue;
		if (!strcmp(m->type, "bind"))
			return true;
		for (; o && *o; o++) {
			if (!strcmp(*o, "bind") || !strcmp(*o, "rbind"))
				return true;
		}
	}
	return false;
}

/* There already, as itself. */
static bool is_default(const struct spec_device *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (!strcmp(d->path, d->source) && !strncmp(d->path, "/dev/", 5) && !strcmp(d->path + 5, devices[i]))
			return true;
	}
	return false;
}

int dev_populate(int rootfd, const struct spec *s, struct err *e)
{
	cleanup_close int dev = -1;
	bool made;
	size_t i;

	if (dev_is_bound(s))
		return 0;
	dev = mountpoint_open(rootfd, "/dev", true, &made);
	if (dev < 0)
		return err_errno(e, errno, "opening /dev");
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		if (bind_default(dev, devices[i], e))
			return err_wrap(e, "configuring container /dev: error");
	}
	for (i = 0; i < s->n_devices; i++) {
		if (is_default(&s->devices[i]))
			continue;
		if (mounts_bind(rootfd, s->devices[i].source, s->devices[i].path, false, 0, e))
			return err_wrap(e, "configuring container /dev: error creating device nodes");
	}
	return make_links(dev, e);
}

/* --- terminal ------------------------------------------------------------------------------ */

int dev_open_pty(int rootfd, int *master, int *slave, struct err *e)
{
	cleanup_close int m = -1;
	struct statfs fs;
	int unlock = 0;

	m = fs_open_in_root(rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	if (m < 0)
		return err_errno(e, errno, "open /dev/pts/ptmx");
	if (fstatfs(m, &fs) || fs.f_type != DEVPTS_MAGIC)
		return err_set(e, ENODEV, "/dev/pts/ptmx is no terminal multiplexer");
	if (ioctl(m, TIOCSPTLCK, &unlock))
		return err_errno(e, errno, "unlocking a terminal");
	*slave = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		return err_errno(e, errno, "opening a terminal");
	*master = fd_steal(&m);
	return 0;
}

int dev_bind_console(int rootfd, int slave, struct err *e)
{
	cleanup_close int dev = -1, tree = -1, to = -1;

	tree = mnt_clone_tree(slave, "", 0);
	if (tree < 0)
		return err_errno(e, errno, "/dev/console: copying the terminal's mount");
	dev = fs_open_in_root(rootfd, "/dev", O_PATH | O_DIRECTORY, 0);
	if (dev < 0)
		return err_errno(e, errno, "opening /dev");
	to = open_node(dev, "console");
	if (to < 0 || mnt_attach(tree, to))
		return err_errno(e, errno, "mounting /dev/console");
	return 0;
}

static bool is_null(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

int dev_open_null(int rootfd, struct err *e)
{
	cleanup_close int path = fs_open_in_root(rootfd, "/dev/null", O_PATH, 0);
	char again[32];
	int fd;

	/* Looked at before it is opened: opening a FIFO in its place would wait for ever. */
	if (path >= 0 && is_null(path)) {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", path);
		fd = open(again, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || !is_null(fd)) {
		fd_close(&fd);
		return err_errno(e, errno ? errno : ENODEV, "opening /dev/null");
	}
	return fd;
}
