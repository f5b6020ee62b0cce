/* SPDX-License-Identifier: MIT */
/*
 * core/storage/recipe.c - how to make a layer's archive again: taking it down
 *
 * Theory of operation
 *   A recipe is a gzip stream of records, integers little-endian:
 *	'R' u32 n, n bytes		these bytes
 *	'F' u16 n, path, i64 size	the content of this file
 *	'S' u16 n, path, u32 count, count * (i64 offset, i64 len)	parts of it, one after the other
 *	'K' u16 n, path, i64 offset, i64 size	from here on, what was that file is in the kept file
 *   Bytes between files are gathered to runs.  Header blocks are mostly zeros, so level 1 makes
 *   some 50 bytes of each.
 *
 *   An archive may write one name twice.  The first content is then copied into the kept file
 *   before it is replaced, and a 'K' record says so; the replay (recipe_replay.c) looks ahead for
 *   these.  A directory replaced by something else would take many files with it: such an archive
 *   is not worth the trouble and is spoiled.  That an archive came out right is always checked by
 *   its digest.
 */
#include "storage/recipe.h"
#include "storage/recipe_format.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define RUN_MAX 65536

struct recipe {
	int fd, keptfd;
	int64_t kept; /* bytes in keptfd */
	int failed;   /* the first errno, or 0 */
	bool spoiled;
	struct buf run; /* bytes not written as a record yet */
	z_stream z;
	unsigned char out[65536];
};

struct recipe *recipe_new(int fd, int keptfd)
{
	struct recipe *r = xcalloc(1, sizeof(*r));

	r->fd = fd;
	r->keptfd = keptfd;
	r->run = (struct buf)BUF_INIT;
	if (deflateInit2(&r->z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(r);
		return NULL;
	}
	return r;
}

void recipe_free(struct recipe *r)
{
	if (!r)
		return;
	deflateEnd(&r->z);
	buf_release(&r->run);
	free(r);
}

static void deflate_out(struct recipe *r, const void *p, size_t n, int flush)
{
	int rc;

	r->z.next_in = p;
	r->z.avail_in = (uInt)n;
	do {
		r->z.next_out = r->out;
		r->z.avail_out = sizeof(r->out);
		rc = deflate(&r->z, flush);
		if (!r->failed && fd_write_full(r->fd, r->out, sizeof(r->out) - r->z.avail_out))
			r->failed = errno;
	} while (r->z.avail_in || (flush == Z_FINISH && rc != Z_STREAM_END));
}

static void flush_run(struct recipe *r)
{
	unsigned char head[5] = { 'R' };

	if (!r->run.n)
		return;
	put_le(head + 1, 4, r->run.n);
	deflate_out(r, head, sizeof(head), Z_NO_FLUSH);
	deflate_out(r, r->run.p, r->run.n, Z_NO_FLUSH);
	buf_reset(&r->run);
}

void recipe_raw(struct recipe *r, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		size_t room = RUN_MAX - r->run.n, k = n < room ? n : room;

		buf_add(&r->run, at, k);
		at += k;
		n -= k;
		if (r->run.n == RUN_MAX)
			flush_run(r);
	}
}

/* Start a record about a file. */
static void put_path(struct recipe *r, char kind, const char *path)
{
	unsigned char head[3] = { (unsigned char)kind };
	size_t n = strlen(path);

	flush_run(r);
	put_le(head + 1, 2, n);
	deflate_out(r, head, sizeof(head), Z_NO_FLUSH);
	deflate_out(r, path, n, Z_NO_FLUSH);
}

static void put_int(struct recipe *r, size_t width, int64_t v)
{
	unsigned char bytes[8];

	put_le(bytes, width, (uint64_t)v);
	deflate_out(r, bytes, width, Z_NO_FLUSH);
}

void recipe_file(struct recipe *r, const char *path, const struct tar_entry *entry)
{
	size_t i;

	if (!entry->size)
		return;
	if (!entry->sparse) {
		put_path(r, 'F', path);
		put_int(r, 8, entry->size);
		return;
	}
	put_path(r, 'S', path);
	put_int(r, 4, (int64_t)entry->n_sparse);
	for (i = 0; i < entry->n_sparse; i++) {
		put_int(r, 8, entry->sparse[i].offset);
		put_int(r, 8, entry->sparse[i].len);
	}
}

void recipe_keep(struct recipe *r, const char *path, int fd)
{
	int64_t size = 0;

	if (lseek(fd, 0, SEEK_SET) < 0 || fd_copy(fd, r->keptfd, -1, &size)) {
		if (!r->failed)
			r->failed = errno;
		return;
	}
	put_path(r, 'K', path);
	put_int(r, 8, r->kept);
	put_int(r, 8, size);
	r->kept += size;
}

void recipe_spoil(struct recipe *r)
{
	r->spoiled = true;
}

int recipe_finish(struct recipe *r, bool *whole, struct err *e)
{
	flush_run(r);
	deflate_out(r, NULL, 0, Z_FINISH);
	*whole = !r->spoiled;
	return r->failed ? err_set(e, r->failed, "writing the layer's recipe") : 0;
}
