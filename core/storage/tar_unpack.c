/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_unpack.c - unpack an archive below a directory
 *
 * Theory of operation
 *   For each entry: clean its name, open its parent beneath the root (beneath.h), make it there
 *   by a call that follows no link and replaces nothing, and if something is in the way, remove
 *   that and make it again.  So a name never means anything but itself in that directory, even
 *   while others change the tree.  The parent stays open for the next entry: neighbours share it,
 *   and nothing done to one of its children makes that descriptor wrong.
 *
 *   Whiteouts.  A deletion hides what lower layers have, never what its own layer has (OCI
 *   image-spec, layer.md), whichever comes first in the archive.  For overlayfs a deleted name is
 *   a character device 0/0, which root of a user namespace may make since Linux 5.8, and a
 *   directory that hides what is below has user.overlay.opaque=y (overlayfs.rst, userxattr).  So
 *   name and directory of that name in one layer become an opaque directory.
 *
 *   Zeros.  A block of nothing but zeros becomes a hole: ten gigabytes of them in ten megabytes
 *   of gzip cost time, not disk.
 *
 * What this takes from an archive and what not stands in tar.h.
 */
#include "storage/tar_unpack.h"
#include "storage/beneath.h"
#include "storage/tar_header.h"
#include "storage/tar_reader.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HOLE_MIN 32768 /* bytes of zeros that are worth a hole */

/* --- names --- */

/* @name as the archive has it, or with a part replaced. */
static void add_renamed(const struct tar_unpack_opts *o, const char *name, struct buf *out)
{
	const char *at = o->rename ? strstr(name, o->rename) : NULL;

	if (at) {
		buf_add(out, name, (size_t)(at - name));
		buf_adds(out, o->to);
		name = at + strlen(o->rename);
	}
	buf_adds(out, name);
}

/* Clean the entry's name into u->name. 1, 0 for the root itself, -1. */
static int take_name(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	char *slash;

	buf_reset(&u->name);
	add_renamed(u->o, en->path, &u->name);
	if (!u->name.n)
		return 0;
	if (beneath_clean(u->name.p))
		return err_kind(e, ERR_INVALID, "invalid entry name \"%s\"", en->path);
	u->name.n = strlen(u->name.p);
	slash = memrchr(u->name.p, '/', u->name.n);
	u->base = slash ? slash + 1 : u->name.p;
	return u->name.n > 0;
}

static int path_failed(const char *path, struct err *e)
{
	if (errno == EXDEV)
		return err_kind(e, ERR_INVALID, "statat %s: path escapes from parent", path);
	return err_set(e, errno, "opening directory %s", path);
}

/* Have u->parent be the directory of u->name, made if it is missing, and u->real the whole name. */
static int take_parent(struct unpacker *u, struct err *e)
{
	size_t len = (size_t)(u->base - u->name.p);
	struct span dir = { u->name.p, len ? len - 1 : 0 };

	if (!u->parent_ok || !span_eq(dir, (struct span){ u->parent_name.p, u->parent_name.n })) {
		u->parent_ok = false;
		fd_close(&u->parent);
		buf_reset(&u->parent_name);
		buf_add(&u->parent_name, dir.p, dir.n);
		u->parent = beneath_open_dir(u->rootfd, u->parent_name.p, true, &u->parent_real);
		if (u->parent < 0)
			return path_failed(u->parent_name.p, e);
		u->parent_ok = true;
	}
	buf_reset(&u->real);
	buf_add(&u->real, u->parent_real.p, u->parent_real.n);
	if (u->real.n)
		buf_addc(&u->real, '/');
	buf_adds(&u->real, u->base);
	return 0;
}

/* --- what is in the way --- */

static int keep_for_recipe(struct unpacker *u, struct err *e)
{
	cleanup_close int fd = -1;

	if (!u->o->recipe)
		return 0;
	fd = openat(u->parent, u->base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "opening %s", u->name.p);
	recipe_keep(u->o->recipe, u->real.p, fd);
	return 0;
}

/* Remove what has the name of an entry that is no directory. */
static int clear_way(struct unpacker *u, struct err *e)
{
	struct stat st;

	if (fstatat(u->parent, u->base, &st, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "looking at %s", u->name.p);
	if (S_ISDIR(st.st_mode)) {
		if (u->o->no_overwrite_dir_nondir)
			return err_kind(e, ERR_INVALID,
				"cannot overwrite directory \"%s\" with non-directory \"%s\"", u->name.p,
				u->o->dest ? u->o->dest : "/");
		if (u->o->recipe)
			recipe_spoil(u->o->recipe);
		return fs_remove_tree_at(u->parent, u->base, e);
	}
	if (S_ISREG(st.st_mode) && keep_for_recipe(u, e))
		return -1;
	if (unlinkat(u->parent, u->base, 0))
		return err_set(e, errno, "replacing %s", u->name.p);
	return 0;
}

/* --- whiteouts --- */

static int set_opaque(struct unpacker *u, int dirfd, struct err *e)
{
	if (fsetxattr(dirfd, OPAQUE_XATTR, "y", 1, 0))
		return err_set(e, errno, "marking %s opaque", u->name.p);
	return 0;
}

/* Hide what lower layers have under the name @target in u->parent. */
static int whiteout(struct unpacker *u, const char *target, struct err *e)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (!mknodat(u->parent, target, S_IFCHR | 0600, makedev(0, 0)))
		return 0;
	if (errno != EEXIST)
		return err_set(e, errno, "making the whiteout %s", u->name.p);
	if (fstatat(u->parent, target, &st, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "looking at %s", u->name.p);
	if (!S_ISDIR(st.st_mode))
		return 0; /* it hides what is below by being there */
	fd = openat(u->parent, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "opening %s", u->name.p);
	return set_opaque(u, fd, e);
}

static int make_empty(struct unpacker *u, const char *name, struct err *e)
{
	cleanup_close int fd = openat(u->parent, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_set(e, errno, "making %s", name) : 0;
}

enum name_kind { NAME_PLAIN, NAME_WHITEOUT, NAME_AUFS, NAME_BAD };

/* AUFS kept its own things under names like .wh..wh.plnk, and some images still have them. */
static enum name_kind name_kind(const struct unpacker *u)
{
	const char *p = u->name.p, *target;

	for (; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)))
			continue;
		target = p + strlen(WHITEOUT_PREFIX);
		if (p == u->base && !strcmp(p, WHITEOUT_OPAQUE))
			return NAME_WHITEOUT;
		if (!strncmp(target, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)))
			return NAME_AUFS;
		/* Nothing can be inside of what is not there. */
		if (p != u->base || !*target || !strcmp(target, ".") || !strcmp(target, ".."))
			return NAME_BAD;
		return NAME_WHITEOUT;
	}
	return NAME_PLAIN;
}

/* 1 if the entry was a whiteout and is dealt with, 0 if it is none, -1. */
static int take_whiteout(struct unpacker *u, struct err *e)
{
	const char *target = u->base + strlen(WHITEOUT_PREFIX);
	enum name_kind kind = name_kind(u);

	if (kind == NAME_BAD)
		return err_kind(e, ERR_INVALID, "invalid whiteout entry \"%s\"", u->name.p);
	if (kind != NAME_WHITEOUT)
		return kind == NAME_AUFS;
	if (take_parent(u, e))
		return -1;
	if (u->o->whiteouts == TAR_WH_KEEP)
		return make_empty(u, u->base, e) ? -1 : 1;
	if (!strcmp(u->base, WHITEOUT_OPAQUE))
		return set_opaque(u, u->parent, e) ? -1 : 1;
	return whiteout(u, target, e) ? -1 : 1;
}

/* A directory took the place of something else: what a lower layer has there stays hidden. */
static int hide_below(struct unpacker *u, int dirfd, struct err *e)
{
	cleanup_free char *mark = NULL;

	if (u->o->whiteouts == TAR_WH_OVERLAY)
		return set_opaque(u, dirfd, e);
	if (u->o->whiteouts == TAR_WH_NONE)
		return 0;
	mark = xasprintf(WHITEOUT_PREFIX "%s", u->base);
	return make_empty(u, mark, e);
}

/* --- making things --- */

static int make_dir(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	cleanup_close int fd = -1;
	bool replaced = false;
	struct stat st;

	if (mkdirat(u->parent, u->base, 0700)) {
		if (errno != EEXIST || fstatat(u->parent, u->base, &st, AT_SYMLINK_NOFOLLOW))
			return err_set(e, errno, "making directory %s", u->name.p);
		replaced = !S_ISDIR(st.st_mode);
		if (replaced && u->o->no_overwrite_dir_nondir)
			return err_kind(e, ERR_INVALID,
				"cannot overwrite non-directory \"%s\" with directory \"%s\"", u->name.p,
				u->o->dest ? u->o->dest : "/");
		if (replaced && clear_way(u, e))
			return -1;
		if (replaced && mkdirat(u->parent, u->base, 0700))
			return err_set(e, errno, "replacing %s", u->name.p);
	}
	fd = openat(u->parent, u->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "opening directory %s", u->name.p);
	if ((replaced && hide_below(u, fd, e)) || unpack_attrs(u, fd, en, e))
		return -1;
	return dir_times_add(&u->times, u->rootfd, u->real.p, en, e);
}

static int write_at(int fd, const unsigned char *p, size_t n, int64_t offset)
{
	ssize_t put;

	while (n) {
		put = pwrite(fd, p, n, offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		p += put;
		n -= (size_t)put;
		offset += put;
	}
	return 0;
}

/* The next @len bytes of data, to @offset of the file.  *end: where the file ends as it is now. */
static int copy_data(struct unpacker *u, int fd, int64_t offset, int64_t len, int64_t *end,
	struct err *e)
{
	while (len) {
		size_t want = len < UNPACK_BLOCK ? (size_t)len : UNPACK_BLOCK, n = 0;
		ssize_t got;

		while (n < want) {
			got = tar_read(u->reader, u->block + n, want - n, e);
			if (got < 0)
				return -1;
			n += (size_t)got;
		}
		if (n < HOLE_MIN || !tar_is_zero(u->block, n)) {
			if (write_at(fd, u->block, n, offset))
				return err_set(e, errno, "writing %s", u->name.p);
			*end = offset + (int64_t)n;
		}
		offset += (int64_t)n;
		len -= (int64_t)n;
	}
	return 0;
}

static int copy_content(struct unpacker *u, int fd, const struct tar_entry *en, struct err *e)
{
	int64_t end = 0;
	size_t i;

	if (!en->sparse && copy_data(u, fd, 0, en->size, &end, e))
		return -1;
	for (i = 0; i < en->n_sparse; i++)
		if (copy_data(u, fd, en->sparse[i].offset, en->sparse[i].len, &end, e))
			return -1;
	if (end < en->real_size && ftruncate(fd, en->real_size))
		return err_set(e, errno, "writing %s", u->name.p);
	if (u->o->recipe)
		recipe_file(u->o->recipe, u->real.p, en);
	return 0;
}

/* What Docker counts as a layer's size: files' content and links' texts. */
static int count_content(struct unpacker *u, int64_t size, struct err *e)
{
	if (__builtin_add_overflow(u->r->bytes, size, &u->r->bytes) ||
		(u->o->max_bytes && u->r->bytes > u->o->max_bytes)) {
		err_set(e, EFBIG, "unpacking %s: more than %lld bytes of content", u->name.p,
			(long long)u->o->max_bytes);
		return -1;
	}
	return 0;
}

static int make_file(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	cleanup_close int fd = -1;

	if (count_content(u, en->real_size, e))
		return -1;
	fd = openat(u->parent, u->base, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		if (clear_way(u, e))
			return -1;
		fd = openat(u->parent, u->base, flags, 0600);
	}
	if (fd < 0)
		return err_set(e, errno, "creating %s", u->name.p);
	return copy_content(u, fd, en, e) ? -1 : unpack_attrs(u, fd, en, e);
}

static int make_symlink(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	int rc;

	if (count_content(u, (int64_t)strlen(en->link), e))
		return -1;
	rc = symlinkat(en->link, u->parent, u->base);
	if (rc && errno == EEXIST) {
		if (clear_way(u, e))
			return -1;
		rc = symlinkat(en->link, u->parent, u->base);
	}
	if (rc)
		return err_set(e, errno, "making the symbolic link %s", u->name.p);
	return unpack_attrs_at(u, en, e);
}

static int make_fifo(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	int rc = mknodat(u->parent, u->base, S_IFIFO | en->mode, 0);

	if (rc && errno == EEXIST) {
		if (clear_way(u, e))
			return -1;
		rc = mknodat(u->parent, u->base, S_IFIFO | en->mode, 0);
	}
	if (rc)
		return err_set(e, errno, "making the fifo %s", u->name.p);
	return unpack_attrs_at(u, en, e);
}

/* Are the link's target and what has its name the same file?  Then there is nothing to do. */
static bool same_file(const struct unpacker *u, int dirfd, const char *target)
{
	struct stat a, b;

	return !fstatat(dirfd, target, &a, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(u->parent, u->base, &b, AT_SYMLINK_NOFOLLOW) && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int make_hardlink(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	cleanup_buf struct buf link = BUF_INIT;
	cleanup_close int dirfd = -1;
	char *slash, *base, *target;
	int rc;

	add_renamed(u->o, en->link, &link);
	buf_room(&link, 1); /* an empty one cannot be written to */
	target = link.p;

	if (beneath_clean(target))
		return err_kind(e, ERR_INVALID, "invalid hardlink target \"%s\"", en->link);
	slash = strrchr(target, '/');
	base = slash ? slash + 1 : target;
	if (slash)
		*slash = 0;
	dirfd = beneath_open_dir(u->rootfd, slash ? target : "", false, NULL);
	if (dirfd < 0)
		return errno == ENOENT ? err_set(e, errno, "linkat %s %s", en->link, u->name.p) :
					 path_failed(target, e);
	rc = linkat(dirfd, base, u->parent, u->base, 0);
	if (rc && errno == EEXIST && !same_file(u, dirfd, base)) {
		if (clear_way(u, e))
			return -1;
		rc = linkat(dirfd, base, u->parent, u->base, 0);
	}
	if (rc && errno != EEXIST)
		return err_set(e, errno, "linkat %s %s", en->link, u->name.p);
	return unpack_attrs_if_new(u, en, e);
}

/* No user namespace may make devices; what had the name is gone all the same, as with Docker. */
static int skip_device(struct unpacker *u, struct err *e)
{
	u->r->devices++;
	if (faccessat(u->parent, u->base, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	return clear_way(u, e);
}

static int make_entry(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	switch (en->type) {
	case '0':
		return make_file(u, en, e);
	case '1':
		return make_hardlink(u, en, e);
	case '2':
		return make_symlink(u, en, e);
	case '3':
	case '4':
		return skip_device(u, e);
	case '5':
		return make_dir(u, en, e);
	case '6':
		return make_fifo(u, en, e);
	default:
		return err_kind(e, ERR_INVALID, "unhandled tar header type %d", en->type);
	}
}

static int one_entry(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	int rc = take_name(u, en, e);

	if (rc <= 0)
		return rc;
	if (u->o->max_entries && u->r->entries >= u->o->max_entries)
		return err_set(e, EFBIG, "unpacking %s: more than %lld entries", u->name.p,
			(long long)u->o->max_entries);
	u->r->entries++;
	if (u->o->whiteouts != TAR_WH_NONE) {
		rc = take_whiteout(u, e);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return take_parent(u, e) || make_entry(u, en, e) ? -1 : 0;
}

static int all_entries(struct unpacker *u, struct err *e)
{
	const struct tar_entry *en;
	int rc;

	while ((rc = tar_next(u->reader, &en, e)) > 0)
		if (one_entry(u, en, e))
			return -1;
	return rc ? -1 : dir_times_apply(&u->times, u->rootfd, e);
}

int tar_unpack(struct stream *in, int dirfd, const struct tar_unpack_opts *o,
	struct tar_unpack_result *r, struct err *e)
{
	struct unpacker u = {
		.rootfd = dirfd,
		.o = o,
		.r = r,
		.reader = tar_reader_new(in),
		.block = xmalloc(UNPACK_BLOCK),
		.parent = -1,
		.name = BUF_INIT,
		.real = BUF_INIT,
		.parent_name = BUF_INIT,
		.parent_real = BUF_INIT,
	};
	int rc;

	*r = (struct tar_unpack_result){ 0 };
	dir_times_init(&u.times);
	if (o->recipe)
		tar_reader_tap(u.reader, o->recipe);
	rc = all_entries(&u, e);
	dir_times_release(&u.times);
	fd_close(&u.parent);
	buf_release(&u.name);
	buf_release(&u.real);
	buf_release(&u.parent_name);
	buf_release(&u.parent_real);
	tar_reader_free(u.reader);
	free(u.block);
	return rc;
}
