/* SPDX-License-Identifier: MIT */
/*
 * core/storage/lookup.c - what overlayfs would find in the layers below
 *
 * Theory of operation
 *   Layers are asked from the top down.  Nearly always one call answers for a layer: the whole path
 *   is there.  Where it is not, the path is walked to learn whether this layer lets the ones below
 *   be seen: a whiteout or a file on the way hides them, and so does an opaque directory.
 */
#include "storage/lookup.h"
#include "storage/beneath.h"
#include "storage/tree.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>

struct lookup {
	int *fds; /* the layers' directories, the top one first */
	size_t n;
};

struct lookup *lookup_open(const struct lowers *lowers, struct err *e)
{
	struct lookup *l = xcalloc(1, sizeof(*l));
	size_t i;

	l->fds = xcalloc(lowers->n, sizeof(*l->fds));
	for (i = 0; i < lowers->n; i++) {
		l->fds[i] = open(lowers->path[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (l->fds[i] < 0) {
			err_set(e, errno, "opening %s", lowers->path[i]);
			lookup_close(l);
			return NULL;
		}
		l->n++;
	}
	return l;
}

void lookup_close(struct lookup *l)
{
	if (!l)
		return;
	while (l->n)
		fd_close(&l->fds[--l->n]);
	free(l->fds);
	free(l);
}

static bool stat_plain(int rootfd, const char *path, struct stat *st)
{
	cleanup_close int fd = beneath_open_plain(rootfd, path, O_PATH);

	return fd >= 0 && !fstat(fd, st);
}

/* The path is not in this layer: may the next one be asked? */
static bool lets_through(int rootfd, const char *path)
{
	cleanup_free char *part = xstrdup(path);
	char *slash = part;
	struct stat st;

	/* Each directory on the way; the last component was not there, or is no matter. */
	while ((slash = strchr(slash, '/'))) {
		*slash = 0;
		if (!stat_plain(rootfd, part, &st))
			return true;
		if (!S_ISDIR(st.st_mode) || tree_is_opaque(rootfd, part))
			return false;
		*slash++ = '/';
	}
	return true;
}

bool lookup_stat(const struct lookup *l, const char *path, struct stat *st)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (stat_plain(l->fds[i], path, st))
			return !tree_is_whiteout(st);
		if (!lets_through(l->fds[i], path))
			return false;
	}
	return false;
}

/* --- names --- */

struct found {
	char *name;
	size_t layer;
	bool hidden; /* a whiteout */
};

struct names {
	struct found *at;
	size_t n, cap;
};

static void names_release(struct names *names)
{
	while (names->n)
		free(names->at[--names->n].name);
	free(names->at);
}

/* Takes @dirfd over. */
static int add_layer(int dirfd, size_t layer, struct names *names)
{
	cleanup_closedir DIR *dir = fdopendir(dirfd);
	struct dirent *d;
	struct stat st;

	if (!dir) {
		fd_close(&dirfd);
		return -1;
	}
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
			fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (names->n == names->cap) {
			names->cap = names->cap ? names->cap * 2 : 64;
			names->at = xreallocarray(names->at, names->cap, sizeof(*names->at));
		}
		names->at[names->n++] = (struct found){ xstrdup(d->d_name), layer, tree_is_whiteout(&st) };
	}
	return 0;
}

static int by_name_and_layer(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int rc = strcmp(x->name, y->name);

	return rc ? rc : (x->layer > y->layer) - (x->layer < y->layer);
}

/* The first of each name counts: what is hidden there is hidden. */
static char **visible(struct names *names, size_t *n)
{
	char **out = xcalloc(names->n, sizeof(*out));
	size_t i;

	*n = 0;
	if (names->n)
		qsort(names->at, names->n, sizeof(*names->at), by_name_and_layer);
	for (i = 0; i < names->n; i++) {
		if ((i && !strcmp(names->at[i].name, names->at[i - 1].name)) || names->at[i].hidden)
			continue;
		out[(*n)++] = xstrdup(names->at[i].name);
	}
	return out;
}

char **lookup_names(const struct lookup *l, const char *path, size_t *n, struct err *e)
{
	struct names names = { 0 };
	struct stat st;
	char **out;
	size_t i;

	for (i = 0; i < l->n; i++) {
		int fd;

		if (!stat_plain(l->fds[i], path, &st)) {
			if (!lets_through(l->fds[i], path))
				break;
			continue;
		}
		fd = S_ISDIR(st.st_mode) ? beneath_open_plain(l->fds[i], path, O_RDONLY | O_DIRECTORY) : -1;
		if (fd < 0)
			break; /* a file or a whiteout: below it nothing is seen */
		if (add_layer(fd, i, &names)) {
			err_set(e, errno, "reading %s of a layer", path);
			names_release(&names);
			return NULL;
		}
		if (tree_is_opaque(l->fds[i], path) || !lets_through(l->fds[i], path))
			break;
	}
	out = visible(&names, n);
	names_release(&names);
	return out;
}

void lookup_names_free(char **names, size_t n)
{
	while (n)
		free(names[--n]);
	free(names);
}
