/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_attrs.c - owners, modes, times and extended attributes of what is unpacked
 *
 * Theory of operation
 *   The order is the kernel's: chown(2) takes set-id bits and file capabilities away, so these
 *   come after it; a write changes the time, so that is last.  Times of directories change with
 *   every entry made in them, so they are gathered and set at the end.  A million directories
 *   shall not be a million allocations: the records lie in one buffer, and what exceeds it in an
 *   unlinked file of the tree.
 *
 *   Attributes that mean something to overlayfs or to us are never taken from an archive: it could
 *   hide files of the layers below, or make a lower layer's file appear under another owner.
 *   trusted.* needs a capability no user namespace has.  What the kernel or the file system
 *   refuses is counted and left out, as an image with a SELinux label is still useful here.
 */
#include "storage/tar_unpack.h"
#include "storage/beneath.h"
#include "storage/tar_header.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TIMES_MEM (1 << 20) /* bytes of records kept in memory */

void unpack_times(const struct tar_entry *en, struct timespec ts[2])
{
	int64_t mtime = en->mtime_ns < 0 ? 0 : en->mtime_ns;
	int64_t atime = en->atime_ns < mtime ? mtime : en->atime_ns;

	ts[0] = (struct timespec){ atime / NS_PER_S, atime % NS_PER_S };
	ts[1] = (struct timespec){ mtime / NS_PER_S, mtime % NS_PER_S };
}

static uint32_t owner(const struct unpacker *u, const struct tar_entry *en)
{
	return u->o->chown ? u->o->uid : en->uid;
}

static uint32_t group(const struct unpacker *u, const struct tar_entry *en)
{
	return u->o->chown ? u->o->gid : en->gid;
}

/* chown(2) says EINVAL for an id that the user namespace does not have. */
static int chown_failed(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	int code = errno;

	if (code != EINVAL)
		return err_set(e, code, "lchown %s", u->name.p);
	u->r->bad_id = true;
	u->r->bad_uid = owner(u, en);
	u->r->bad_gid = group(u, en);
	err_set(e, 0, "failed to Lchown \"/%s\" for UID %u, GID %u: lchown /%s: invalid argument",
		u->name.p, u->r->bad_uid, u->r->bad_gid, u->name.p);
	e->code = EINVAL;
	return -1;
}

/* With one id mapped the others are remembered, for the day somebody asks. */
static void remember(struct unpacker *u, int fd, const struct tar_entry *en)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u:%u:%o", owner(u, en), group(u, en),
		(unsigned int)en->mode);

	if (fsetxattr(fd, STAT_XATTR, text, (size_t)n, 0))
		u->r->xattrs_lost++;
}

static int set_owner(struct unpacker *u, int fd, const struct tar_entry *en, struct err *e)
{
	if (u->o->no_chown)
		return 0;
	if (u->o->single_id) {
		if (owner(u, en) || group(u, en))
			remember(u, fd, en);
		return 0;
	}
	return fchown(fd, owner(u, en), group(u, en)) ? chown_failed(u, en, e) : 0;
}

static bool xattr_wanted(const char *name)
{
	static const char *const not_ours[] = { "user.overlay.", "user.coracle.", "trusted." };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(not_ours); i++)
		if (!strncmp(name, not_ours[i], strlen(not_ours[i])))
			return false;
	return true;
}

static int set_xattrs(struct unpacker *u, int fd, const struct tar_entry *en, struct err *e)
{
	size_t i;

	for (i = 0; i < en->n_xattrs; i++) {
		const struct tar_xattr *x = &en->xattrs[i];

		if (!xattr_wanted(x->name) || !fsetxattr(fd, x->name, x->value, x->len, 0))
			continue;
		/* EPERM: the name space is not for users; EINVAL: a capability of another version. */
		if (errno != EPERM && errno != ENOTSUP && errno != EINVAL && errno != ERANGE)
			return err_set(e, errno, "setting attribute %s of %s", x->name, u->name.p);
		u->r->xattrs_lost++;
	}
	return 0;
}

int unpack_attrs(struct unpacker *u, int fd, const struct tar_entry *en, struct err *e)
{
	struct timespec ts[2];

	if (set_owner(u, fd, en, e) || (en->n_xattrs && set_xattrs(u, fd, en, e)))
		return -1;
	if (fchmod(fd, en->mode))
		return err_set(e, errno, "chmod %s", u->name.p);
	unpack_times(en, ts);
	if (en->type != '5' && futimens(fd, ts))
		return err_set(e, errno, "setting the times of %s", u->name.p);
	return 0;
}

int unpack_attrs_at(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	struct timespec ts[2];

	if (!u->o->no_chown && !u->o->single_id &&
		fchownat(u->parent, u->base, owner(u, en), group(u, en), AT_SYMLINK_NOFOLLOW))
		return chown_failed(u, en, e);
	unpack_times(en, ts);
	if (utimensat(u->parent, u->base, ts, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "setting the times of %s", u->name.p);
	return 0;
}

int unpack_attrs_if_new(struct unpacker *u, const struct tar_entry *en, struct err *e)
{
	bool any_owner = u->o->no_chown || u->o->single_id;
	cleanup_close int fd = -1;
	struct timespec ts[2];
	struct stat st;

	if (fstatat(u->parent, u->base, &st, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "looking at %s", u->name.p);
	unpack_times(en, ts);
	if (!S_ISREG(st.st_mode) || ((any_owner || st.st_uid == owner(u, en)) &&
		(any_owner || st.st_gid == group(u, en)) && (st.st_mode & 07777) == en->mode &&
		st.st_mtim.tv_sec == ts[1].tv_sec && st.st_mtim.tv_nsec == ts[1].tv_nsec &&
		!en->n_xattrs))
		return 0;
	fd = openat(u->parent, u->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "opening %s", u->name.p);
	return unpack_attrs(u, fd, en, e);
}

/* --- times of directories --- */

struct dir_time {
	struct timespec ts[2];
	uint16_t len; /* bytes of the path that follows */
};

void dir_times_init(struct dir_times *t)
{
	*t = (struct dir_times){ BUF_INIT, -1, false };
}

void dir_times_release(struct dir_times *t)
{
	buf_release(&t->mem);
	fd_close(&t->fd);
}

static int spill(struct dir_times *t, int rootfd)
{
	if (t->fd < 0)
		t->fd = openat(rootfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* A file system that has no such files: then memory it is. */
	t->no_file = t->fd < 0;
	if (t->no_file)
		return 0;
	if (fd_write_full(t->fd, t->mem.p, t->mem.n))
		return -1;
	buf_reset(&t->mem);
	return 0;
}

int dir_times_add(struct dir_times *t, int rootfd, const char *path, const struct tar_entry *en,
	struct err *e)
{
	struct dir_time d = { .len = (uint16_t)strlen(path) };

	unpack_times(en, d.ts);
	buf_add(&t->mem, &d, sizeof(d));
	buf_add(&t->mem, path, d.len);
	if (t->mem.n > TIMES_MEM && !t->no_file && spill(t, rootfd))
		return err_set(e, errno, "remembering the times of directories");
	return 0;
}

static int apply_records(struct stream *in, int rootfd, struct err *e)
{
	char path[TAR_PATH_MAX + 1];
	struct dir_time d;
	ssize_t got;

	while ((got = stream_read_full(in, &d, sizeof(d), e)) == sizeof(d)) {
		cleanup_close int fd = -1;

		if (d.len > TAR_PATH_MAX || stream_read_full(in, path, d.len, e) != d.len)
			return -1;
		path[d.len] = 0;
		/* Gone or replaced by a later entry: that one has times of its own. */
		fd = beneath_open_plain(rootfd, path, O_RDONLY | O_DIRECTORY);
		if (fd >= 0 && futimens(fd, d.ts))
			return err_set(e, errno, "setting the times of %s", path);
	}
	return got < 0 ? -1 : 0;
}

int dir_times_apply(struct dir_times *t, int rootfd, struct err *e)
{
	struct mem_stream mem;
	struct fd_stream file;

	if (t->fd >= 0) {
		if (lseek(t->fd, 0, SEEK_SET) < 0)
			return err_set(e, errno, "reading the times of directories");
		fd_stream_init(&file, t->fd, NULL);
		if (apply_records(&file.s, rootfd, e))
			return -1;
	}
	mem_stream_init(&mem, t->mem.p, t->mem.n);
	return apply_records(&mem.s, rootfd, e);
}
