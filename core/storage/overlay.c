/* SPDX-License-Identifier: MIT */
/*
 * core/storage/overlay.c - the driver overlay2: overlayfs inside the user namespace
 *
 * Theory of operation
 *   Since Linux 5.11 root of a user namespace may mount overlayfs, which then keeps its marks in
 *   user.overlay.* attributes (overlayfs.rst, "userxattr").  In that mode there are no redirects
 *   and no metadata-only copies, so the upper directory alone is the difference to the layers
 *   ("native diff").
 *
 *   mount(2) takes all options in one page, which 128 paths of layers would not fit into.  So the
 *   directories are opened and named by their descriptors, with /proc/self/fd as the working
 *   directory: 500 layers, as many as overlayfs takes, need 2 KB.  Their owners and modes on the
 *   way do not matter either, and the container does not see our paths in /proc/mounts.
 *
 *   Unmounting overlayfs writes out the whole file system below it (ovl_sync_fs), which on a busy
 *   disk takes seconds.  With "volatile" it does not; then overlayfs leaves a mark in the work
 *   directory and refuses to use it again until the mark is gone (Linux 5.10).
 */
#include "storage/overlay.h"
#include "storage/lookup.h"
#include "storage/tar_pack.h"
#include "storage/tar_unpack.h"
#include "storage/tree.h"
#include "base/fs.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS "userxattr,index=off"
#define VOLATILE_MARK "work/incompat" /* below the work directory */

/* --- mounting --- */

/* Descriptors that stay open until the mount is done. */
struct fds {
	int *at;
	size_t n;
};

static void fds_release(struct fds *f)
{
	while (f->n)
		close(f->at[--f->n]);
	free(f->at);
}

/* Open a directory and add its number to the options. */
static int add_dir(struct fds *f, const char *path, const char *before, struct buf *options, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "opening %s", path);
	f->at = xreallocarray(f->at, f->n + 1, sizeof(*f->at));
	f->at[f->n++] = fd;
	buf_addf(options, "%s%d", before, fd);
	return 0;
}

static int add_all(const json_t *desc, struct fds *f, struct buf *options, struct err *e)
{
	json_t *lower = json_arr(desc, "lower");
	size_t i;

	buf_adds(options, OPTIONS);
	for (i = 0; i < json_array_size(lower); i++) {
		const char *path = json_string_value(json_array_get(lower, i));

		if (add_dir(f, path ? path : "", i ? ":" : ",lowerdir=", options, e))
			return -1;
	}
	if (!json_str(desc, "upper", NULL)) /* an image to look at: layer_describe() */
		return 0;
	if (add_dir(f, json_str(desc, "upper", ""), ",upperdir=", options, e) ||
		add_dir(f, json_str(desc, "work", ""), ",workdir=", options, e))
		return -1;
	if (json_bool(desc, "volatile", false))
		buf_adds(options, ",volatile");
	return 0;
}

static int mount_failed(const char *target, struct err *e)
{
	int code = errno;

	err_set(e, code, "mounting overlay on %s", target);
	switch (code) {
	case EPERM:
		return err_hint(e, "Linux 5.11 and newer let users mount overlayfs, unless a security module forbids it");
	case ENODEV:
		return err_hint(e, "the kernel has no overlayfs: sudo modprobe overlay");
	case EINVAL:
		return err_hint(e, "overlayfs cannot use this file system (ext4, xfs, btrfs and tmpfs will do), or "
				   "Linux is older than 5.11; in a container, put the data-root on a volume");
	default:
		return -1;
	}
}

/* What an earlier volatile mount left: its content is still good as long as the machine did not crash,
 * and after a crash nobody asks for it. */
static void clear_mark(const json_t *desc)
{
	cleanup_close int work = open(json_str(desc, "work", ""), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (work >= 0)
		fs_remove_tree_at(work, VOLATILE_MARK, NULL);
}

static int mount_here(const char *options, int targetfd, const char *target, struct err *e)
{
	char point[16];

	snprintf(point, sizeof(point), "%d", targetfd);
	if (chdir("/proc/self/fd"))
		return err_set(e, errno, "entering /proc/self/fd");
	return mount("overlay", point, "overlay", 0, options) ? mount_failed(target, e) : 0;
}

static int overlay_mount(const json_t *desc, const char *target, struct err *e)
{
	cleanup_close int targetfd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_buf struct buf options = BUF_INIT;
	struct fds fds = { 0 };
	int rc;

	if (targetfd < 0)
		return err_set(e, errno, "opening %s", target);
	clear_mark(desc);
	rc = add_all(desc, &fds, &options, e);
	if (!rc)
		rc = mount_here(options.p, targetfd, target, e);
	if (cwd >= 0 && fchdir(cwd))
		rc = rc ? rc : err_set(e, errno, "going back to the working directory");
	fds_release(&fds);
	return rc;
}

/* --- does it work? --- */

static int write_file(int dirfd, const char *path, struct err *e)
{
	return file_write_at(dirfd, path, "x", 1, 0644, 0, e) ? err_wrap(e, "trying overlayfs") : 0;
}

static int probe_prepare(int dirfd, struct err *e)
{
	static const char *const dirs[] = { "lower", "lower/dir", "upper", "work", "merged" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dirfd, dirs[i], 0755))
			return err_set(e, errno, "making %s", dirs[i]);
	return write_file(dirfd, "lower/file", e) || write_file(dirfd, "lower/dir/file", e) ? -1 : 0;
}

/* Does a deletion, a replaced directory and a change come out as we read them? */
static int probe_use(const char *path, struct err *e)
{
	/* Opened here: a descriptor from before shows the mounts of the namespace we came from. */
	cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (unlinkat(dirfd, "merged/file", 0) || unlinkat(dirfd, "merged/dir/file", 0) ||
		unlinkat(dirfd, "merged/dir", AT_REMOVEDIR) || mkdirat(dirfd, "merged/dir", 0755))
		return err_set(e, errno, "changing files on overlayfs");
	if (fstatat(dirfd, "upper/file", &st, AT_SYMLINK_NOFOLLOW) || !tree_is_whiteout(&st))
		return err_set(e, 0, "overlayfs marks deleted files in a way that is not known");
	if (!tree_is_opaque(dirfd, "upper/dir")) {
		err_set(e, 0, "overlayfs cannot mark replaced directories");
		return err_hint(e, "the file system needs extended attributes (user.*)");
	}
	return 0;
}

/* In a child with mounts of its own: whatever happens there is gone with it. */
static int probe_child(int (*try)(const json_t *desc, const char *target, struct err *e), const char *path, struct err *e)
{
	cleanup_free char *lower = xasprintf("%s/lower", path), *upper = xasprintf("%s/upper", path),
			  *work = xasprintf("%s/work", path), *merged = xasprintf("%s/merged", path);
	cleanup_json json_t *desc = json_pack("{s:[s], s:s, s:s, s:b}", "lower", lower, "upper", upper,
		"work", work, "volatile", 1);

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_set(e, errno, "making a mount namespace to try overlayfs");
	return try(desc, merged, e) ? -1 : probe_use(path, e);
}

int overlay_probe_with(int (*mount)(const json_t *desc, const char *target, struct err *e), int dirfd,
	const char *path, struct err *e)
{
	struct err why = ERR_INIT;
	int ends[2], status;
	ssize_t got;
	pid_t pid;

	if (probe_prepare(dirfd, e))
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	pid = fork();
	if (!pid) {
		status = probe_child(mount, path, &why) ? 1 : 0;
		_exit(fd_write_full(ends[1], &why, sizeof(why)) ? 2 : status);
	}
	close(ends[1]);
	got = pid < 0 ? -1 : fd_read_full(ends[0], &why, sizeof(why));
	close(ends[0]);
	if (pid < 0)
		return err_set(e, errno, "starting a process to try overlayfs");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got == sizeof(why) && WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (got != sizeof(why))
		return err_set(e, 0, "the process that tried overlayfs died");
	if (e)
		*e = why;
	return -1;
}

static int overlay_probe(int dirfd, const char *path, bool single_id, struct err *e)
{
	(void)single_id;
	return overlay_probe_with(overlay_mount, dirfd, path, e);
}

/* --- root filesystems --- */

int overlay_create(int dirfd, const struct lowers *lowers, bool single_id, struct err *e)
{
	(void)lowers;
	(void)single_id;
	/* The root of an image is always like this, whatever its layers say of "/": as with Docker. */
	if (mkdirat(dirfd, "upper", 0755) || fchmodat(dirfd, "upper", 0755, 0) ||
		mkdirat(dirfd, "work", 0700))
		return err_set(e, errno, "making a writable layer");
	return 0;
}

void overlay_describe(const char *path, const struct lowers *lowers, json_t *desc)
{
	cleanup_free char *upper = xasprintf("%s/upper", path), *work = xasprintf("%s/work", path);
	json_t *lower = json_array();
	size_t i;

	for (i = 0; i < lowers->n; i++)
		json_append_str(lower, lowers->path[i]);
	json_set_new(desc, "lower", lower);
	json_set_str(desc, "upper", upper);
	json_set_str(desc, "work", work);
}

int overlay_usage(int dirfd, int64_t *bytes, int64_t *inodes, struct err *e)
{
	return fs_tree_usage_at(dirfd, "upper", bytes, inodes, e);
}

/* --- what a container changed --- */

struct changes {
	struct lookup *lower;
	json_t *out;
	struct buf told; /* the last directory that was reported, with a slash behind */
};

static void tell(struct changes *c, const char *path, int kind)
{
	change_add(c->out, path, kind);
}

/* Report the directories above @path that were not, as modified: something in them was. */
static void tell_parents(struct changes *c, const char *path)
{
	const char *slash = path;
	size_t n;

	while ((slash = strchr(slash, '/'))) {
		n = (size_t)(slash - path) + 1;
		if (c->told.n < n || memcmp(c->told.p, path, n)) {
			cleanup_free char *dir = xstrndup(path, n - 1);

			tell(c, dir, CHANGE_MODIFIED);
			buf_reset(&c->told);
			buf_add(&c->told, path, n);
		}
		slash++;
	}
}

static void told_dir(struct changes *c, const char *path)
{
	buf_reset(&c->told);
	buf_adds(&c->told, path);
	buf_addc(&c->told, '/');
}

/* A directory is copied up when something in it changes: that alone is no change of its own. */
static bool same_dir(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What lower layers have in a directory that hides them and the directory itself has not. */
static int tell_hidden(struct changes *c, const struct tree_item *it, struct err *e)
{
	size_t i, n;
	char **names = lookup_names(c->lower, it->path, &n, e);

	if (!names)
		return -1;
	for (i = 0; i < n; i++) {
		cleanup_free char *inside = fs_join(it->name, names[i]);

		if (!fs_exists_at(it->dirfd, inside)) {
			cleanup_free char *path = fs_join(it->path, names[i]);

			tell(c, path, CHANGE_DELETED);
		}
	}
	lookup_names_free(names, n);
	return 0;
}

static int visit_change(void *arg, const struct tree_item *it, struct err *e)
{
	struct changes *c = arg;
	struct stat below;
	bool was = lookup_stat(c->lower, it->path, &below), opaque;

	/* fuse-overlayfs leaves such a file beside its attribute; nobody in a container can make one. */
	if (!strcmp(it->name, WHITEOUT_OPAQUE))
		return 0;

	if (tree_is_whiteout(&it->st)) {
		if (was) {
			tell_parents(c, it->path);
			tell(c, it->path, CHANGE_DELETED);
		}
		return 0;
	}
	opaque = was && S_ISDIR(it->st.st_mode) && S_ISDIR(below.st_mode) &&
		 tree_is_opaque(it->dirfd, it->name);
	if (was && S_ISDIR(it->st.st_mode) && !opaque && same_dir(&it->st, &below))
		return 0;
	tell_parents(c, it->path);
	tell(c, it->path, was ? CHANGE_MODIFIED : CHANGE_ADDED);
	if (S_ISDIR(it->st.st_mode))
		told_dir(c, it->path);
	return opaque ? tell_hidden(c, it, e) : 0;
}

int overlay_changes(int dirfd, const struct lowers *lowers, json_t *out, struct err *e)
{
	cleanup_close int upper = openat(dirfd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct changes c = { .out = out, .told = BUF_INIT };
	int rc;

	if (upper < 0)
		return err_set(e, errno, "opening a writable layer");
	c.lower = lookup_open(lowers, e);
	rc = c.lower ? tree_walk(upper, visit_change, NULL, &c, e) : -1;
	lookup_close(c.lower);
	buf_release(&c.told);
	return rc;
}

int overlay_pack(int dirfd, const struct lowers *lowers, struct tar_writer *w, struct err *e)
{
	(void)lowers;
	return tar_pack_tree(w, dirfd, "upper", "", true, e);
}

static void overlay_status(const char *backing, json_t *out)
{
	/* As the real engine says it; all hold wherever the probe passed. */
	status_add(out, "Backing Filesystem", backing);
	status_add(out, "Supports d_type", "true");
	status_add(out, "Using metacopy", "false");
	status_add(out, "Native Overlay Diff", "true");
	status_add(out, "userxattr", "true");
}

const struct driver overlay_driver = {
	.name = "overlay2",
	.whiteouts = TAR_WH_OVERLAY,
	.probe = overlay_probe,
	.create = overlay_create,
	.describe = overlay_describe,
	.mount = overlay_mount,
	.usage = overlay_usage,
	.changes = overlay_changes,
	.pack = overlay_pack,
	.status = overlay_status,
};
