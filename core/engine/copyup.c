/* SPDX-License-Identifier: MIT */
/*
 * core/engine/copyup.c - an empty volume gets what the image has at its place
 *
 * Theory of operation
 *   Docker fills a new volume when the container is created.  The image's files are only seen
 *   together in a mounted root filesystem, and mounting is for a process of its own: the engine
 *   starts the role ":copy-up" with a socket, sends the rootfs description and pairs of (place in
 *   the image, volume), and gets back one struct err.  The child mounts in a mount namespace that
 *   ends with it.
 *
 *   The tree is walked with descriptors, never with paths that could be exchanged for links; the
 *   depth is bounded.  Kept are owners, modes, times, extended attributes and hard links; device
 *   nodes are left out where the kernel does not let us make them.
 */
#include "engine/copyup.h"
#include "base/fs.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/volume.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 512
#define LINKS_MAX 256	 /* hard-linked files kept open; more are copied */
#define XATTRS_MAX 65536 /* bytes of names, and of a value: the kernel's limit */
#define REQUEST_MAX (16 << 20)

/* --- one file ---------------------------------------------------------------------------------- */

static void copy_xattrs(int from, int to)
{
	char names[XATTRS_MAX], value[XATTRS_MAX], *name;
	ssize_t len = flistxattr(from, names, sizeof(names)), n;

	for (name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		/* The storage driver's own marks are not the image's. */
		if (!strncmp(name, "user.overlay.", 13) || !strncmp(name, "trusted.", 8))
			continue;
		n = fgetxattr(from, name, value, sizeof(value));
		if (n >= 0)
			fsetxattr(to, name, value, (size_t)n, 0); /* as far as this file system has them */
	}
}

static int set_times(int dirfd, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_regular(int from, int dirfd, const char *name, const struct stat *st)
{
	cleanup_close int to = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t copied;

	if (to < 0 || fd_copy(from, to, -1, &copied) || fchown(to, st->st_uid, st->st_gid) ||
		fchmod(to, st->st_mode & 07777))
		return -1;
	copy_xattrs(from, to);
	return set_times(dirfd, name, st);
}

static int copy_symlink(int fromdir, const char *name, int todir, const struct stat *st)
{
	char target[4097];
	ssize_t n = readlinkat(fromdir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = 0;
	if (symlinkat(target, todir, name) || fchownat(todir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW))
		return -1;
	return set_times(todir, name, st);
}

static int copy_special(int todir, const char *name, const struct stat *st)
{
	if (mknodat(todir, name, st->st_mode, st->st_rdev))
		return errno == EPERM ? 0 : -1; /* a device node */
	if (fchownat(todir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) ||
		fchmodat(todir, name, st->st_mode & 07777, 0))
		return -1;
	return set_times(todir, name, st);
}

/* --- the tree ---------------------------------------------------------------------------------- */

struct level {
	DIR *from;
	int to;
	struct stat st; /* of the directory, set when it is full */
};

struct link {
	dev_t dev;
	ino_t ino;
	int fd; /* O_PATH, of the copy */
};

struct copy {
	struct level level[DEPTH_MAX];
	int depth;
	struct link link[LINKS_MAX];
	size_t n_links;
};

static int existing_link(const struct copy *c, const struct stat *st)
{
	size_t i;

	for (i = 0; i < c->n_links; i++)
		if (c->link[i].dev == st->st_dev && c->link[i].ino == st->st_ino)
			return c->link[i].fd;
	return -1;
}

static int copy_file(struct copy *c, int fromdir, const char *name, int todir, const struct stat *st)
{
	cleanup_close int from = -1;
	int linked = st->st_nlink > 1 ? existing_link(c, st) : -1;
	char path[40];

	if (linked >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", linked);
		return linkat(AT_FDCWD, path, todir, name, AT_SYMLINK_FOLLOW);
	}
	from = openat(fromdir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || copy_regular(from, todir, name, st))
		return -1;
	if (st->st_nlink > 1 && c->n_links < LINKS_MAX) {
		linked = openat(todir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (linked >= 0)
			c->link[c->n_links++] = (struct link){st->st_dev, st->st_ino, linked};
	}
	return 0;
}

/* Go down into @name; the directory of the volume itself is there already. */
static int descend(struct copy *c, int fromdir, const char *name, int todir, const struct stat *st)
{
	struct level *l = &c->level[c->depth];
	int from, to;

	if (c->depth == DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	if (mkdirat(todir, name, 0700))
		return -1;
	from = openat(fromdir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(todir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	l->from = from < 0 ? NULL : fdopendir(from);
	if (!l->from || to < 0) {
		if (!l->from)
			fd_close(&from);
		cleanup_closedir_fn(&l->from);
		fd_close(&to);
		return -1;
	}
	l->to = to;
	l->st = *st;
	c->depth++;
	return 0;
}

static int ascend(struct copy *c)
{
	struct level *l = &c->level[--c->depth];
	int rc = 0;

	if (fchown(l->to, l->st.st_uid, l->st.st_gid) || fchmod(l->to, l->st.st_mode & 07777))
		rc = -1;
	copy_xattrs(dirfd(l->from), l->to);
	if (!rc)
		rc = set_times(l->to, ".", &l->st);
	closedir(l->from);
	close(l->to);
	return rc;
}

static int copy_entry(struct copy *c, const char *name)
{
	struct level *l = &c->level[c->depth - 1];
	int fromdir = dirfd(l->from);
	struct stat st;

	if (fstatat(fromdir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -1;
	if (S_ISDIR(st.st_mode))
		return descend(c, fromdir, name, l->to, &st);
	if (S_ISREG(st.st_mode))
		return copy_file(c, fromdir, name, l->to, &st);
	if (S_ISLNK(st.st_mode))
		return copy_symlink(fromdir, name, l->to, &st);
	return copy_special(l->to, name, &st);
}

static int walk(struct copy *c, struct err *e)
{
	struct dirent *de;

	while (c->depth) {
		de = readdir(c->level[c->depth - 1].from);
		if (!de) {
			if (ascend(c))
				return err_set(e, errno, "setting a directory's attributes");
		} else if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") && copy_entry(c, de->d_name)) {
			return err_set(e, errno, "copying %s", de->d_name);
		}
	}
	return 0;
}

static int copy_tree(int from, int to, struct err *e)
{
	struct copy *c = xcalloc(1, sizeof(*c));
	int rc;

	c->level[0] = (struct level){.from = fdopendir(fcntl(from, F_DUPFD_CLOEXEC, 0)),
		.to = fcntl(to, F_DUPFD_CLOEXEC, 0)};
	if (!c->level[0].from || c->level[0].to < 0 || fstat(from, &c->level[0].st))
		return err_set(e, errno, "opening a directory of the image");
	c->depth = 1;
	rc = walk(c, e);
	/* The process ends after this: what is still open closes with it. */
	free(c);
	return rc;
}

/* --- the role ---------------------------------------------------------------------------------- */

static bool is_empty(int dirfd_)
{
	cleanup_closedir DIR *d = fdopendir(openat(dirfd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			return false;
	return d;
}

static int fill(int root, const char *place, const char *volume, struct err *e)
{
	cleanup_close int from = fs_open_in_root(root, place, O_RDONLY | O_DIRECTORY, 0);
	cleanup_close int to = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return 0; /* the image has nothing there */
	if (to < 0)
		return err_set(e, errno, "opening %s", volume);
	if (is_empty(to) && copy_tree(from, to, e))
		return err_wrap(e, "filling a volume with the image's %s", place);
	return 0;
}

static int copy_up(const json_t *request, struct err *e)
{
	const char *target = json_str(request, "target", "");
	cleanup_close int root = -1;
	json_t *pair;
	size_t i;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_set(e, errno, "making a mount namespace");
	umask(0);
	if (rootfs_mount(json_object_get(request, "rootfs"), target, true, e))
		return -1;
	root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set(e, errno, "opening %s", target);
	json_array_foreach(json_arr(request, "copy"), i, pair)
		if (fill(root, json_str(pair, "from", ""), json_str(pair, "to", ""), e))
			return -1;
	return 0;
}

int copyup_role_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *request = NULL;
	int rc = -1;

	proc_die_with_parent(getppid());
	if (!fd_read_all(3, REQUEST_MAX, &text, &e) && (request = json_parse(text.p, text.n, &e)))
		rc = copy_up(request, &e);
	/* Success is an empty message; a process that dies says nothing. */
	if (!rc)
		e = (struct err)ERR_INIT;
	return fd_write_full(3, &e, sizeof(e)) ? 1 : -rc;
}

/* --- the engine's side --------------------------------------------------------------------------- */

static json_t *pairs(struct engine *en, const json_t *mounts)
{
	json_t *list = json_array();
	const json_t *p;
	size_t i;

	json_array_foreach(mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);
		cleanup_free char *path = name ? volume_path(en, name) : NULL;
		cleanup_close int fd = -1;

		if (!path || !json_bool(p, "copy", false))
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && is_empty(fd))
			json_array_append_new(list,
				json_pack("{s:s, s:s}", "from", json_str(p, "Destination", ""), "to", path));
	}
	return list;
}

static int run_role(const json_t *request, struct err *e)
{
	static const char *const argv[] = {":copy-up", NULL};
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int ours = -1, pidfd = -1;
	struct err answer;
	int sv[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return err_set(e, errno, "making a socket");
	ours = sv[0];
	rc = proc_spawn_role(argv, &sv[1], 1, NULL, &pidfd, e);
	close(sv[1]);
	if (rc)
		return -1;
	json_print(request, false, &text);
	rc = fd_write_full(ours, text.p, text.n);
	shutdown(ours, SHUT_WR);
	if (rc || fd_read_full(ours, &answer, sizeof(answer)) != sizeof(answer))
		rc = err_set(e, EIO, "filling volumes: the helper process died");
	else if (*answer.msg)
		*e = answer, rc = -1;
	proc_reap(pidfd);
	return rc;
}

int volumes_copy_up(struct engine *en, struct container *c, struct err *e)
{
	json_t *list = pairs(en, c->mounts), *desc;
	cleanup_free char *target = xasprintf("%s/tmp/container-%s/mnt", en->config.data_root, c->id);
	cleanup_json json_t *request = NULL;

	if (!json_array_size(list)) {
		json_decref(list);
		return 0;
	}
	desc = rootfs_describe(&en->store, c->id, e);
	if (!desc || fs_mkdir_p_at(AT_FDCWD, target, 0700, e)) {
		json_decref(list);
		json_decref(desc);
		return -1;
	}
	request = json_pack("{s:s, s:o, s:o}", "target", target, "rootfs", desc, "copy", list);
	if (run_role(request, e))
		return -1;
	rmdir(target);
	return 0;
}
