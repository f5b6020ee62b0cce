/* SPDX-License-Identifier: MIT */
/*
 * core/storage/list.c - what a container changed in its tree, by a list of what was there
 *
 * Theory of operation
 *   The list is written when the tree was made, one record a file in the order of the walk:
 *	u16 length, path, u32 mode, u32 uid, u32 gid, i64 size, i64 mtime seconds, i64 nanoseconds
 *   A file has changed if one of these has, a directory if its mode or owner has or something in
 *   it: as the real engine judges.  Both sides come sorted, so one pass over each does.
 */
#include "storage/list.h"
#include "storage/recipe_format.h"
#include "storage/tar_header.h"
#include "storage/tar_pack.h"
#include "storage/tar_unpack.h"
#include "storage/tree.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define RECORD_LEN 36 /* behind the path */

/* --- the list of what was there --- */

static int put_record(void *arg, const struct tree_item *it, struct err *e)
{
	unsigned char r[2 + RECORD_LEN];
	size_t n = strlen(it->path);
	FILE *f = arg;

	put_le(r, 2, n);
	put_le(r + 2, 4, it->st.st_mode);
	put_le(r + 6, 4, it->st.st_uid);
	put_le(r + 10, 4, it->st.st_gid);
	put_le(r + 14, 8, (uint64_t)it->st.st_size);
	put_le(r + 22, 8, (uint64_t)it->st.st_mtim.tv_sec);
	put_le(r + 30, 8, (uint64_t)it->st.st_mtim.tv_nsec);
	if (fwrite(r, 2, 1, f) != 1 || (n && fwrite(it->path, n, 1, f) != 1) ||
		fwrite(r + 2, RECORD_LEN, 1, f) != 1)
		return err_set(e, errno, "writing the list of files");
	return 0;
}

int list_write(int dirfd, int treefd, struct err *e)
{
	int fd = openat(dirfd, "list", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return err_set(e, errno, "writing the list of files");
	rc = tree_walk(treefd, put_record, NULL, f, e);
	if (fclose(f) && !rc)
		rc = err_set(e, errno, "writing the list of files");
	return rc;
}

struct record {
	bool there; /* false: the list has ended */
	char path[TAR_PATH_MAX + 2];
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t size, mtime_s, mtime_ns;
};

static int next_record(FILE *f, struct record *r, struct err *e)
{
	unsigned char bytes[RECORD_LEN];
	size_t n;

	r->there = fread(bytes, 2, 1, f) == 1;
	if (!r->there)
		return ferror(f) ? err_set(e, errno, "reading the list of files") : 0;
	n = get_le(bytes, 2);
	if (n > TAR_PATH_MAX + 1 || (n && fread(r->path, n, 1, f) != 1) ||
		fread(bytes, RECORD_LEN, 1, f) != 1)
		return err_set(e, 0, "the list of files is damaged");
	r->path[n] = 0;
	r->mode = (mode_t)get_le(bytes, 4);
	r->uid = (uid_t)get_le(bytes + 4, 4);
	r->gid = (gid_t)get_le(bytes + 8, 4);
	r->size = (int64_t)get_le(bytes + 12, 8);
	r->mtime_s = (int64_t)get_le(bytes + 20, 8);
	r->mtime_ns = (int64_t)get_le(bytes + 28, 8);
	return 0;
}

/* --- comparing --- */

struct compare {
	FILE *list;
	struct record old; /* the next one of the list */
	/* Called in order; @it is NULL for what is gone. */
	int (*fn)(struct compare *c, const char *path, int kind, const struct tree_item *it, struct err *e);
	void *arg;
	/* Directories on the way to here that look unchanged: reported once something in them is not. */
	struct tree_item *unsaid;
	size_t n_unsaid;
};

static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static void forget(struct compare *c, size_t n)
{
	while (c->n_unsaid > n) {
		free((char *)(uintptr_t)c->unsaid[--c->n_unsaid].path);
		fd_close(&c->unsaid[c->n_unsaid].dirfd);
	}
}

/* Leave directories that @path is not in. */
static void forget_others(struct compare *c, const char *path)
{
	while (c->n_unsaid && !is_inside(path, c->unsaid[c->n_unsaid - 1].path))
		forget(c, c->n_unsaid - 1);
}

static int say(struct compare *c, const char *path, int kind, const struct tree_item *it, struct err *e)
{
	size_t i;

	forget_others(c, path);
	for (i = 0; i < c->n_unsaid; i++)
		if (c->fn(c, c->unsaid[i].path, CHANGE_MODIFIED, &c->unsaid[i], e))
			return -1;
	forget(c, 0);
	return c->fn(c, path, kind, it, e);
}

static int keep_unsaid(struct compare *c, const struct tree_item *it, struct err *e)
{
	struct tree_item copy = *it;

	copy.path = xstrdup(it->path);
	copy.name = strrchr(copy.path, '/') ? strrchr(copy.path, '/') + 1 : copy.path;
	copy.dirfd = fcntl(it->dirfd, F_DUPFD_CLOEXEC, 3);
	if (copy.dirfd < 0) {
		free((char *)(uintptr_t)copy.path);
		return err_set(e, errno, "comparing %s", it->path);
	}
	c->unsaid = xreallocarray(c->unsaid, c->n_unsaid + 1, sizeof(*c->unsaid));
	c->unsaid[c->n_unsaid++] = copy;
	return 0;
}

/* Pass over what was inside @dir: it went with it. */
static int skip_inside(struct compare *c, const char *dir, struct err *e)
{
	while (c->old.there && is_inside(c->old.path, dir))
		if (next_record(c->list, &c->old, e))
			return -1;
	return 0;
}

static int gone(struct compare *c, struct err *e)
{
	cleanup_free char *path = xstrdup(c->old.path);

	if (say(c, path, CHANGE_DELETED, NULL, e) || next_record(c->list, &c->old, e))
		return -1;
	return skip_inside(c, path, e);
}

static bool differs(const struct record *r, const struct stat *st)
{
	if (r->mode != st->st_mode || r->uid != st->st_uid || r->gid != st->st_gid)
		return true;
	return !S_ISDIR(st->st_mode) && (r->size != st->st_size || r->mtime_s != st->st_mtim.tv_sec ||
						r->mtime_ns != st->st_mtim.tv_nsec);
}

/* The list has this path as well. */
static int both(struct compare *c, const struct tree_item *it, struct err *e)
{
	bool changed = differs(&c->old, &it->st);
	bool lost_dir = S_ISDIR(c->old.mode) && !S_ISDIR(it->st.st_mode);

	if (changed && say(c, it->path, CHANGE_MODIFIED, it, e))
		return -1;
	if (!changed && S_ISDIR(it->st.st_mode)) {
		forget_others(c, it->path);
		if (keep_unsaid(c, it, e))
			return -1;
	}
	if (next_record(c->list, &c->old, e))
		return -1;
	return lost_dir ? skip_inside(c, it->path, e) : 0;
}

static int compare_visit(void *arg, const struct tree_item *it, struct err *e)
{
	struct compare *c = arg;
	int rc;

	while (c->old.there && (rc = tree_path_cmp(c->old.path, it->path)) <= 0) {
		if (!rc)
			return both(c, it, e);
		if (gone(c, e))
			return -1;
	}
	return say(c, it->path, CHANGE_ADDED, it, e);
}

static int compare(int dirfd, struct compare *c, struct err *e)
{
	cleanup_close int tree = openat(dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dirfd, "list", O_RDONLY | O_CLOEXEC), rc = 0;

	c->list = fd < 0 ? NULL : fdopen(fd, "r");
	if (!c->list || tree < 0)
		return err_set(e, errno, "opening the list of files");
	if (next_record(c->list, &c->old, e) || tree_walk(tree, compare_visit, NULL, c, e))
		rc = -1;
	while (!rc && c->old.there)
		rc = gone(c, e);
	forget(c, 0);
	free(c->unsaid);
	fclose(c->list);
	return rc;
}

static int list_change(struct compare *c, const char *path, int kind, const struct tree_item *it, struct err *e)
{
	(void)it;
	(void)e;
	change_add(c->arg, path, kind);
	return 0;
}

int list_changes(int dirfd, const struct lowers *lowers, json_t *out, struct err *e)
{
	struct compare c = { .fn = list_change, .arg = out };

	(void)lowers;
	return compare(dirfd, &c, e);
}

struct usage {
	int64_t bytes, inodes;
};

static int count_change(struct compare *c, const char *path, int kind, const struct tree_item *it, struct err *e)
{
	struct usage *u = c->arg;

	(void)path;
	(void)kind;
	(void)e;
	if (it) {
		u->bytes += S_ISDIR(it->st.st_mode) ? 0 : it->st.st_size;
		u->inodes++;
	}
	return 0;
}

int list_usage(int dirfd, int64_t *bytes, int64_t *inodes, struct err *e)
{
	struct usage u = { 0, 0 };
	struct compare c = { .fn = count_change, .arg = &u };

	if (compare(dirfd, &c, e))
		return -1;
	*bytes = u.bytes;
	*inodes = u.inodes;
	return 0;
}

struct packing {
	struct tar_writer *w;
	struct tar_packer *packer;
};

static int pack_change(struct compare *c, const char *path, int kind, const struct tree_item *it, struct err *e)
{
	struct packing *p = c->arg;
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	cleanup_free char *mark = NULL;

	(void)kind;
	/* A file that is really called so would be taken for a deletion. */
	if (it)
		return strncmp(it->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) ?
			       tar_pack_item(p->packer, it, e) :
			       0;
	mark = xasprintf("%.*s" WHITEOUT_PREFIX "%s", dir, path, path + dir);
	return tar_write_entry(p->w, &(struct tar_entry){ .type = '0', .path = mark, .mode = 0600 }, e);
}

int list_pack(int dirfd, const struct lowers *lowers, struct tar_writer *w, struct err *e)
{
	struct packing p = { w, tar_packer_new(w, "", false) };
	struct compare c = { .fn = pack_change, .arg = &p };
	int rc;

	(void)lowers;
	rc = compare(dirfd, &c, e);
	tar_packer_free(p.packer);
	return rc;
}

/* --- mounting --- */

void list_describe(const char *path, const struct lowers *lowers, json_t *desc)
{
	cleanup_free char *tree = xasprintf("%s/tree", path);

	(void)lowers;
	json_set_str(desc, "tree", tree);
}

int list_mount(const json_t *desc, const char *target, struct err *e)
{
	const char *tree = json_str(desc, "tree", "");

	if (mount(tree, target, NULL, MS_BIND, NULL))
		return err_set(e, errno, "mounting %s on %s", tree, target);
	return 0;
}
