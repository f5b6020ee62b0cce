/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tree.c - go through a tree of files, in one order always
 *
 * Theory of operation
 *   A stack of levels on the heap: the sorted names of a directory, how far we are, and its
 *   descriptor.  Only the first FDS_MAX levels keep theirs; a deeper one is closed when we go
 *   below it and opened again by its path, beneath the root and without links, when we return.
 */
#include "storage/tree.h"
#include "storage/beneath.h"
#include "storage/tar_unpack.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FDS_MAX 64
#define XATTR_LIST_MAX 65536 /* XATTR_LIST_MAX of limits.h, which not every libc has */

struct level {
	int fd;
	struct buf text; /* names, each with its NUL */
	const char **names;
	size_t n, at;
	size_t path_len; /* of the directory */
};

struct tree {
	int rootfd;
	struct level *levels;
	size_t depth, cap; /* levels in use */
	struct buf path;
};

static int rank(struct span name)
{
	if (!span_starts(name, WHITEOUT_PREFIX))
		return 2;
	return span_eqs(name, WHITEOUT_OPAQUE) ? 0 : 1;
}

static int name_cmp(struct span a, struct span b)
{
	int rc = rank(a) - rank(b);

	if (!rc)
		rc = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return rc ? rc : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *a, const void *b)
{
	return name_cmp(span_of(*(const char *const *)a), span_of(*(const char *const *)b));
}

int tree_path_cmp(const char *a, const char *b)
{
	struct span x = span_of(a), y = span_of(b), p, q;
	bool more_x, more_y;
	int rc = 0;

	do {
		more_x = span_token(&x, '/', &p);
		more_y = span_token(&y, '/', &q);
		if (!more_x || !more_y)
			return more_x - more_y; /* a directory before what is in it */
		rc = name_cmp(p, q);
	} while (!rc);
	return rc;
}

static int read_names(struct level *l)
{
	cleanup_closedir DIR *dir = NULL;
	int fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	size_t i, at = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -1;
	while (errno = 0, (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		buf_add(&l->text, d->d_name, strlen(d->d_name) + 1);
		l->n++;
	}
	if (errno)
		return -1;
	l->names = xcalloc(l->n, sizeof(*l->names));
	for (i = 0; i < l->n; i++) {
		l->names[i] = l->text.p + at;
		at += strlen(l->text.p + at) + 1;
	}
	qsort(l->names, l->n, sizeof(*l->names), by_name);
	return 0;
}

/* Go into a directory that is open as @fd (taken over) and whose path is t->path. */
static int push(struct tree *t, int fd)
{
	struct level *l;

	if (t->depth == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->levels = xreallocarray(t->levels, t->cap, sizeof(*t->levels));
	}
	if (t->depth > FDS_MAX)
		fd_close(&t->levels[t->depth - 1].fd);
	l = &t->levels[t->depth++];
	*l = (struct level){ .fd = fd, .text = BUF_INIT, .path_len = t->path.n };
	return read_names(l);
}

static void set_path(struct tree *t, size_t n)
{
	t->path.n = n;
	if (t->path.cap)
		t->path.p[n] = 0;
}

static void pop(struct tree *t)
{
	struct level *l = &t->levels[--t->depth];

	set_path(t, l->path_len);
	if (l->fd != t->rootfd)
		fd_close(&l->fd);
	buf_release(&l->text);
	free(l->names);
}

static int reopen(struct tree *t, struct level *l, struct err *e)
{
	if (l->fd >= 0)
		return 0;
	set_path(t, l->path_len);
	l->fd = beneath_open_plain(t->rootfd, t->path.p, O_RDONLY | O_DIRECTORY);
	return l->fd < 0 ? err_set(e, errno, "opening directory %s again", t->path.p) : 0;
}

static int enter(struct tree *t, const struct tree_item *it, struct err *e)
{
	int fd = openat(it->dirfd, it->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "opening directory %s", it->path);
	return push(t, fd) ? err_set(e, errno, "reading directory %s", it->path) : 0;
}

/* The next name of the top level. */
static int visit_next(struct tree *t, struct level *l, tree_visit visit, void *arg, struct err *e)
{
	struct tree_item it = { .name = l->names[l->at++] };
	int rc;

	if (reopen(t, l, e))
		return -1;
	set_path(t, l->path_len);
	if (t->path.n)
		buf_addc(&t->path, '/');
	buf_adds(&t->path, it.name);
	if (t->path.n >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "%.64s...", t->path.p);
	it.dirfd = l->fd;
	it.path = t->path.p;
	if (fstatat(it.dirfd, it.name, &it.st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_set(e, errno, "looking at %s", it.path);
	rc = visit(arg, &it, e);
	if (rc || !S_ISDIR(it.st.st_mode))
		return rc < 0 ? -1 : 0;
	return enter(t, &it, e);
}

/* All of the top level was visited. */
static int leave_level(struct tree *t, tree_visit leave, void *arg, struct err *e)
{
	struct tree_item it;
	struct level *l;

	pop(t);
	if (!t->depth || !leave)
		return 0;
	l = &t->levels[t->depth - 1];
	it.name = l->names[l->at - 1];
	if (reopen(t, l, e))
		return -1;
	set_path(t, l->path_len);
	if (t->path.n)
		buf_addc(&t->path, '/');
	buf_adds(&t->path, it.name);
	it.dirfd = l->fd;
	it.path = t->path.p;
	if (fstatat(it.dirfd, it.name, &it.st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_set(e, errno, "looking at %s", it.path);
	return leave(arg, &it, e) < 0 ? -1 : 0;
}

int tree_walk(int rootfd, tree_visit visit, tree_visit leave, void *arg, struct err *e)
{
	struct tree t = { .rootfd = rootfd, .path = BUF_INIT };
	int rc = 0;

	if (push(&t, rootfd))
		rc = err_set(e, errno, "reading a directory");
	while (!rc && t.depth) {
		struct level *l = &t.levels[t.depth - 1];

		rc = l->at < l->n ? visit_next(&t, l, visit, arg, e) : leave_level(&t, leave, arg, e);
	}
	while (t.depth)
		pop(&t);
	free(t.levels);
	buf_release(&t.path);
	return rc;
}

/* --- inodes --- */

static size_t slot(const struct inodes *s, dev_t dev, ino_t ino)
{
	size_t i = (size_t)(ino * 0x9e3779b97f4a7c15u + dev) & (s->cap - 1);

	while (s->at[i].path && (s->at[i].ino != ino || s->at[i].dev != dev))
		i = (i + 1) & (s->cap - 1);
	return i;
}

static void grow(struct inodes *s)
{
	struct inodes bigger = { NULL, s->n, s->cap ? s->cap * 2 : 256 };
	size_t i;

	bigger.at = xcalloc(bigger.cap, sizeof(*bigger.at));
	for (i = 0; i < s->cap; i++)
		if (s->at[i].path)
			bigger.at[slot(&bigger, s->at[i].dev, s->at[i].ino)] = s->at[i];
	free(s->at);
	*s = bigger;
}

const char *inodes_seen(struct inodes *s, const struct stat *st, const char *path)
{
	size_t i;

	if (s->n * 2 >= s->cap)
		grow(s);
	i = slot(s, st->st_dev, st->st_ino);
	if (s->at[i].path)
		return s->at[i].path;
	s->at[i] = (struct inode_seen){ st->st_dev, st->st_ino, xstrdup(path) };
	s->n++;
	return NULL;
}

void inodes_release(struct inodes *s)
{
	size_t i;

	for (i = 0; i < s->cap; i++)
		free(s->at[i].path);
	free(s->at);
	*s = (struct inodes){ 0 };
}

/* --- extended attributes --- */

bool xattr_is_content(const char *name)
{
	if (!strcmp(name, "security.capability"))
		return true;
	return !strncmp(name, "user.", 5) && strncmp(name, "user.overlay.", 13) &&
	       strncmp(name, "user.fuseoverlayfs.", 19) && strncmp(name, "user.coracle.", 13);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One attribute; one that vanished meanwhile is passed over. */
static int one_xattr(int fd, const char *name, int (*fn)(void *, const char *, const void *, size_t),
	void *arg)
{
	ssize_t n = fgetxattr(fd, name, NULL, 0);
	cleanup_free char *value = NULL;

	if (n < 0)
		return errno == ENODATA ? 0 : -1;
	value = xmalloc((size_t)n);
	n = fgetxattr(fd, name, value, (size_t)n);
	return n < 0 ? (errno == ENODATA ? 0 : -1) : fn(arg, name, value, (size_t)n);
}

int xattrs_each(int fd, int (*fn)(void *arg, const char *name, const void *value, size_t n), void *arg)
{
	cleanup_free char *list = NULL;
	cleanup_free const char **names = NULL;
	size_t count = 0, i;
	const char *p;
	ssize_t n;

	n = flistxattr(fd, NULL, 0);
	if (n <= 0)
		return n && errno != ENOTSUP ? -1 : 0;
	list = xmalloc(XATTR_LIST_MAX);
	n = flistxattr(fd, list, XATTR_LIST_MAX);
	if (n < 0)
		return -1;
	for (p = list; p < list + n; p += strlen(p) + 1) {
		if (!xattr_is_content(p))
			continue;
		names = xreallocarray(names, count + 1, sizeof(*names));
		names[count++] = p;
	}
	if (count)
		qsort(names, count, sizeof(*names), by_text);
	for (i = 0; i < count; i++)
		if (one_xattr(fd, names[i], fn, arg))
			return -1;
	return 0;
}

bool tree_is_opaque(int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char c;

	if (fd < 0)
		return false;
	return (fgetxattr(fd, OPAQUE_XATTR, &c, 1) == 1 || fgetxattr(fd, FUSE_OPAQUE_XATTR, &c, 1) == 1) && c == 'y';
}

bool tree_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}
