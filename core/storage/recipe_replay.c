/* SPDX-License-Identifier: MIT */
/*
 * core/storage/recipe_replay.c - make a layer's archive again from its recipe
 *
 * Theory of operation
 *   Two passes over the recipe.  The first, only if something was kept, gathers the 'K' records:
 *   which file went away before which record.  The second writes the archive: for each file
 *   record, the content is where the first 'K' of that name behind it says, else in the tree.
 *   The recipe is our own file, but it lies on a disk: all is checked as if it were foreign, and
 *   files are opened beneath the layer's root without following links.
 */
#include "storage/recipe.h"
#include "storage/recipe_format.h"
#include "storage/beneath.h"
#include "storage/tar_header.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct kept {
	char *path;
	uint64_t at; /* number of the 'K' record */
	int64_t offset, size;
};

struct replay {
	struct stream *in;
	int keptfd, rootfd;
	struct recipe_sink *out;
	struct kept *kept;
	size_t n_kept;
	uint64_t at; /* number of the record */
	char path[TAR_PATH_MAX + 1];
	unsigned char block[65536];
};

static int corrupt(struct err *e)
{
	return err_kind(e, ERR_FAILED, "the recipe of the layer's archive is damaged");
}

static int get(struct replay *r, void *p, size_t n, struct err *e)
{
	ssize_t got = stream_read_full(r->in, p, n, e);

	return got < 0 ? -1 : (size_t)got == n ? 0 : corrupt(e);
}

static int get_int(struct replay *r, size_t width, int64_t *v, struct err *e)
{
	unsigned char bytes[8];

	if (get(r, bytes, width, e))
		return -1;
	*v = (int64_t)get_le(bytes, width);
	return *v < 0 ? corrupt(e) : 0;
}

static int get_path(struct replay *r, struct err *e)
{
	int64_t n;

	if (get_int(r, 2, &n, e))
		return -1;
	if (n > TAR_PATH_MAX || get(r, r->path, (size_t)n, e))
		return corrupt(e);
	r->path[n] = 0;
	return 0;
}

static int by_path_and_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	int rc = strcmp(x->path, y->path);

	return rc ? rc : (x->at > y->at) - (x->at < y->at);
}

/* The first 'K' of this name behind the current record. */
static const struct kept *find_kept(const struct replay *r)
{
	size_t low = 0, high = r->n_kept;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int rc = strcmp(r->kept[mid].path, r->path);

		if (rc < 0 || (!rc && r->kept[mid].at < r->at))
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->n_kept && !strcmp(r->kept[low].path, r->path) ? &r->kept[low] : NULL;
}

/* @n bytes of an open file from @offset on. */
static int put_part(struct replay *r, int fd, int64_t offset, int64_t n, struct err *e)
{
	ssize_t got;

	while (n) {
		size_t want = n < (int64_t)sizeof(r->block) ? (size_t)n : sizeof(r->block);

		got = pread(fd, r->block, want, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, errno, "reading %s of the layer", r->path);
		if (!got)
			return err_set(e, 0, "%s of the layer is shorter than it was", r->path);
		if (r->out->write(r->out, r->block, (size_t)got, e))
			return -1;
		offset += got;
		n -= got;
	}
	return 0;
}

/* An 'F' or 'S' record. */
static int put_file(struct replay *r, bool sparse, struct err *e)
{
	int64_t count = 1, offset = 0, len;
	const struct kept *k;
	cleanup_close int own = -1;
	int fd;

	if (get_path(r, e) || (sparse && get_int(r, 4, &count, e)))
		return -1;
	k = find_kept(r);
	if (!k)
		own = beneath_open_plain(r->rootfd, r->path, O_RDONLY);
	fd = k ? r->keptfd : own;
	if (fd < 0)
		return err_set(e, errno, "opening %s of the layer", r->path);
	while (count--) {
		if ((sparse && get_int(r, 8, &offset, e)) || get_int(r, 8, &len, e))
			return -1;
		if (k && (offset > k->size || len > k->size - offset))
			return corrupt(e);
		if (put_part(r, fd, (k ? k->offset : 0) + offset, len, e))
			return -1;
	}
	return 0;
}

static int put_run(struct replay *r, bool wanted, struct err *e)
{
	int64_t n;

	if (get_int(r, 4, &n, e))
		return -1;
	while (n) {
		size_t k = n < (int64_t)sizeof(r->block) ? (size_t)n : sizeof(r->block);

		if (get(r, r->block, k, e) || (wanted && r->out->write(r->out, r->block, k, e)))
			return -1;
		n -= (int64_t)k;
	}
	return 0;
}

static int note_kept(struct replay *r, struct err *e)
{
	struct kept k = { .at = r->at };

	if (get_path(r, e) || get_int(r, 8, &k.offset, e) || get_int(r, 8, &k.size, e))
		return -1;
	if (k.offset > INT64_MAX - k.size)
		return corrupt(e);
	k.path = xstrdup(r->path);
	if (!(r->n_kept & (r->n_kept - 1)))
		r->kept = xreallocarray(r->kept, r->n_kept ? r->n_kept * 2 : 1, sizeof(k));
	r->kept[r->n_kept++] = k;
	return 0;
}

static int pass_file(struct replay *r, bool sparse, struct err *e)
{
	int64_t count = 1, v;

	if (get_path(r, e) || (sparse && get_int(r, 4, &count, e)))
		return -1;
	for (count *= sparse ? 2 : 1; count; count--)
		if (get_int(r, 8, &v, e))
			return -1;
	return 0;
}

static int pass_kept(struct replay *r, struct err *e)
{
	int64_t v;

	return get_path(r, e) || get_int(r, 8, &v, e) || get_int(r, 8, &v, e) ? -1 : 0;
}

static int one_pass(struct replay *r, bool writing, struct err *e)
{
	char kind;
	ssize_t got;
	int rc;

	for (r->at = 0;; r->at++) {
		got = r->in->read(r->in, &kind, 1, e);
		if (got <= 0)
			return (int)got;
		switch (kind) {
		case 'R':
			rc = put_run(r, writing, e);
			break;
		case 'F':
		case 'S':
			rc = (writing ? put_file : pass_file)(r, kind == 'S', e);
			break;
		case 'K':
			rc = (writing ? pass_kept : note_kept)(r, e);
			break;
		default:
			rc = corrupt(e);
		}
		if (rc)
			return -1;
	}
}

static int pass(struct replay *r, int fd, bool writing, struct err *e)
{
	struct inflater *inflater;
	struct fd_stream file;
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, errno, "reading the recipe of the layer's archive");
	fd_stream_init(&file, fd, NULL);
	inflater = inflater_new(&file.s);
	r->in = inflater_stream(inflater);
	rc = one_pass(r, writing, e);
	inflater_free(inflater);
	return rc;
}

int recipe_replay(int fd, int keptfd, int rootfd, struct recipe_sink *out, struct err *e)
{
	struct replay *r = xcalloc(1, sizeof(*r));
	struct stat st;
	size_t i;
	int rc = 0;

	r->keptfd = keptfd;
	r->rootfd = rootfd;
	r->out = out;
	if (keptfd >= 0 && !fstat(keptfd, &st) && st.st_size) {
		rc = pass(r, fd, false, e);
		if (!rc)
			qsort(r->kept, r->n_kept, sizeof(*r->kept), by_path_and_time);
	}
	if (!rc)
		rc = pass(r, fd, true, e);
	for (i = 0; i < r->n_kept; i++)
		free(r->kept[i].path);
	free(r->kept);
	free(r);
	return rc;
}
