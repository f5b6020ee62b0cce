/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_pack.c - a tree of files as entries of an archive
 *
 * Theory of operation
 *   Entries come in the order of tree_walk(), so the same tree gives the same bytes.  Times are
 *   whole seconds, as the real engine writes them: most headers then need no pax header before
 *   them.  The second name of an inode becomes a hard link to the first.
 *
 *   A running container changes its files while they are read.  The header says the size that was
 *   there when it was written; what is missing then is filled with zeros, what is more is left.
 *
 *   A tree of overlayfs's has whiteouts and opaque directories: they become ".wh." entries.  A file
 *   that is really called so would be taken for one, and is left out.
 */
#include "storage/beneath.h"
#include "storage/tar_pack.h"
#include "storage/tar_unpack.h"
#include "storage/tree.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct tar_packer {
	struct tar_writer *w;
	const char *prefix; /* before every path, "" or ending in a slash */
	bool overlay;
	bool context; /* of a build: see tar_pack_picked() */
	tar_pick *pick;
	void *pick_arg;
	struct inodes inodes;
};

struct tar_packer *tar_packer_new(struct tar_writer *w, const char *prefix, bool overlay)
{
	struct tar_packer *p = xcalloc(1, sizeof(*p));

	p->w = w;
	p->prefix = prefix;
	p->overlay = overlay;
	return p;
}

void tar_packer_free(struct tar_packer *p)
{
	if (!p)
		return;
	inodes_release(&p->inodes);
	free(p);
}

static char entry_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return 0; /* a socket: nobody could connect to it after unpacking */
	}
}

static int add_xattr(void *arg, const char *name, const void *value, size_t n)
{
	struct tar_entry *en = arg;
	struct tar_xattr *x;

	en->xattrs = xreallocarray(en->xattrs, en->n_xattrs + 1, sizeof(*en->xattrs));
	x = &en->xattrs[en->n_xattrs++];
	*x = (struct tar_xattr){ xstrdup(name), xmalloc(n), n };
	memcpy(x->value, value, n);
	return 0;
}

static int add_capability(void *arg, const char *name, const void *value, size_t n)
{
	return strcmp(name, "security.capability") ? 0 : add_xattr(arg, name, value, n);
}

/* The owner an archive gave it, where only one id is mapped. */
static void recall_owner(int fd, struct tar_entry *en)
{
	char text[64];
	ssize_t n = fgetxattr(fd, STAT_XATTR, text, sizeof(text));
	struct span s = { text, n > 0 ? (size_t)n : 0 }, uid, gid;
	uint64_t u, g;

	if (n > 0 && span_token(&s, ':', &uid) && span_token(&s, ':', &gid) &&
		!parse_u64(uid, UINT32_MAX - 1, &u) && !parse_u64(gid, UINT32_MAX - 1, &g)) {
		en->uid = (uint32_t)u;
		en->gid = (uint32_t)g;
	}
}

static void entry_release(struct tar_entry *en)
{
	size_t i;

	for (i = 0; i < en->n_xattrs; i++) {
		free(en->xattrs[i].name);
		free(en->xattrs[i].value);
	}
	free(en->xattrs);
	free((char *)(uintptr_t)en->path);
	free((char *)(uintptr_t)en->link);
}

static int read_link(const struct tree_item *it, struct tar_entry *en)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(it->dirfd, it->name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	en->link = xstrndup(target, (size_t)n);
	return 0;
}

static int put_mark(struct tar_packer *p, const struct tree_item *it, char *path, struct err *e)
{
	struct tar_entry en = { .type = '0', .path = path, .mode = 0600,
		.mtime_ns = it->st.st_mtim.tv_sec * NS_PER_S };
	int rc = tar_write_entry(p->w, &en, e);

	free(path);
	return rc;
}

/* overlayfs's way to say deleted: "dir/.wh.name" */
static int put_whiteout(struct tar_packer *p, const struct tree_item *it, struct err *e)
{
	size_t dir = strlen(it->path) - strlen(it->name);

	return put_mark(p, it, xasprintf("%s%.*s" WHITEOUT_PREFIX "%s", p->prefix, (int)dir, it->path, it->name), e);
}

/* The entry of what is open as @fd (-1: it cannot be opened), and its content. */
static int put_entry(struct tar_packer *p, const struct tree_item *it, int fd, struct tar_entry *en,
	struct err *e)
{
	const char *first = NULL;

	if (it->st.st_nlink > 1 && !S_ISDIR(it->st.st_mode))
		first = inodes_seen(&p->inodes, &it->st, en->path);
	if (first) {
		en->type = '1';
		en->link = xstrdup(first);
	}
	if (en->type == '0')
		en->size = en->real_size = it->st.st_size;
	if (fd >= 0) {
		recall_owner(fd, en);
		if (xattrs_each(fd, p->context ? add_capability : add_xattr, en))
			return err_set(e, errno, "reading attributes");
	}
	if (p->context)
		en->uid = en->gid = 0;
	if (tar_write_entry(p->w, en, e))
		return -1;
	return en->type == '0' ? tar_write_file(p->w, fd, en->size, e) : 0;
}

/* Open what has content or attributes; ENOENT: it went away. */
static int open_item(const struct tree_item *it)
{
	if (!S_ISREG(it->st.st_mode) && !S_ISDIR(it->st.st_mode))
		return -1;
	return openat(it->dirfd, it->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
}

int tar_pack_item(struct tar_packer *p, const struct tree_item *it, struct err *e)
{
	cleanup_close int fd = -1;
	struct tar_entry en = {
		.type = entry_type(it->st.st_mode),
		.mode = it->st.st_mode & 07777,
		.uid = it->st.st_uid,
		.gid = it->st.st_gid,
		.mtime_ns = it->st.st_mtim.tv_sec * NS_PER_S,
		.atime_ns = INT64_MIN,
	};
	int rc;

	if (p->overlay && tree_is_whiteout(&it->st))
		return put_whiteout(p, it, e);
	if (!en.type || (p->overlay && !strncmp(it->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX))))
		return 0;
	if (en.type == '3' || en.type == '4') {
		en.dev_major = major(it->st.st_rdev);
		en.dev_minor = minor(it->st.st_rdev);
	}
	fd = open_item(it);
	if (fd < 0 && (en.type == '0' || en.type == '5')) /* O_NOATIME is for owners only */
		fd = openat(it->dirfd, it->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if ((fd < 0 && (en.type == '0' || en.type == '5')) || (en.type == '2' && read_link(it, &en)))
		return errno == ENOENT ? 0 : err_set(e, errno, "opening %s", it->path);
	en.path = xasprintf("%s%s", p->prefix, it->path);
	rc = put_entry(p, it, fd, &en, e);
	if (rc)
		err_wrap(e, "packing %s", it->path);
	entry_release(&en);
	if (!rc && p->overlay && en.type == '5' && tree_is_opaque(it->dirfd, it->name))
		rc = put_mark(p, it, xasprintf("%s%s/" WHITEOUT_OPAQUE, p->prefix, it->path), e);
	return rc;
}

static int visit(void *arg, const struct tree_item *it, struct err *e)
{
	return tar_pack_item(arg, it, e);
}

/* The top of the tree itself, under the name @name. */
static int pack_top(struct tar_packer *p, int fd, const char *name, struct err *e)
{
	cleanup_free char *top = xstrdup(name);
	struct tree_item it = { .dirfd = fd, .name = ".", .path = top };
	size_t n = strlen(top);

	while (n && top[n - 1] == '/')
		top[--n] = 0;
	if (fstat(fd, &it.st))
		return err_set(e, errno, "looking at %s", name);
	return tar_pack_item(p, &it, e);
}

static int pack_dir(struct tar_writer *w, int fd, const char *name, bool overlay, struct err *e)
{
	cleanup_free char *prefix = *name ? fs_join(name, "") : xstrdup("");
	struct tar_packer *p = tar_packer_new(w, "", overlay);
	int rc = *name ? pack_top(p, fd, name, e) : 0;

	p->prefix = prefix;
	if (!rc)
		rc = tree_walk(fd, visit, NULL, p, e);
	tar_packer_free(p);
	return rc;
}

static int pack_single(struct tar_writer *w, int dirfd, const char *base, const char *name, bool overlay,
	struct err *e)
{
	struct tree_item it = { .dirfd = dirfd, .name = base, .path = *name ? name : base };
	struct tar_packer *p;
	int rc;

	if (fstatat(dirfd, base, &it.st, AT_SYMLINK_NOFOLLOW))
		return err_set(e, errno, "looking at %s", base);
	p = tar_packer_new(w, "", overlay);
	rc = tar_pack_item(p, &it, e);
	tar_packer_free(p);
	return rc;
}

int tar_pack_tree(struct tar_writer *w, int dirfd, const char *path, const char *name, bool overlay,
	struct err *e)
{
	cleanup_close int fd = fs_open_in_root(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	cleanup_close int parent = -1;
	const char *base;

	if (fd >= 0)
		return pack_dir(w, fd, name, overlay, e);
	if (errno != ENOTDIR && errno != ELOOP)
		return err_set(e, errno, "opening %s", path);
	parent = fs_open_parent_in_root(dirfd, path, 0, &base);
	if (parent < 0)
		return err_set(e, errno, "opening %s", path);
	return pack_single(w, parent, base, name, overlay, e);
}

static int visit_picked(void *arg, const struct tree_item *it, struct err *e)
{
	struct tar_packer *p = arg;

	switch (p->pick(p->pick_arg, it->path, &it->st, e)) {
	case TAR_PICK_TAKE:
		return tar_pack_item(p, it, e);
	case TAR_PICK_ENTER:
		return 0;
	case TAR_PICK_PASS:
		return 1;
	case TAR_PICK_FAIL:
		break;
	}
	return -1;
}

int tar_pack_picked(struct tar_writer *w, int dirfd, tar_pick *pick, void *arg, struct err *e)
{
	struct tar_packer *p = tar_packer_new(w, "", false);
	int rc;

	p->context = true;
	p->pick = pick;
	p->pick_arg = arg;
	rc = tree_walk(dirfd, visit_picked, NULL, p, e);
	tar_packer_free(p);
	return rc;
}
