/* SPDX-License-Identifier: MIT */
/*
 * core/storage/deflate.c - a stream, compressed with gzip
 *
 * Theory of operation
 *   The same input gives the same bytes each time: no name, no time in the header, reads of a fixed
 *   size whatever the source feels like giving.  An upload that broke off relies on that.
 */
#include "storage/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define IN_SIZE 65536
#define GZIP_WINDOW (15 + 16)
/* A fifth larger than level 6 makes layers of programs, and three times as fast: a push is over sooner
 * on any line above some 100 Mbit/s. */
#define LEVEL 3
#define MEMORY 9

struct deflater {
	struct stream s;
	struct stream *in;
	z_stream z;
	bool in_eof, ended;
	unsigned char in_buf[IN_SIZE];
};

static int fill(struct deflater *d, struct err *e)
{
	ssize_t got = stream_read_full(d->in, d->in_buf, IN_SIZE, e);

	if (got < 0)
		return -1;
	d->z.next_in = d->in_buf;
	d->z.avail_in = (uInt)got;
	d->in_eof = got < IN_SIZE;
	return 0;
}

static ssize_t deflater_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct deflater *d = (struct deflater *)s;
	int rc = Z_OK;

	n = n > 1 << 30 ? 1 << 30 : n;
	d->z.next_out = p;
	d->z.avail_out = (uInt)n;
	while (d->z.avail_out && !d->ended) {
		if (!d->z.avail_in && !d->in_eof && fill(d, e))
			return -1;
		rc = deflate(&d->z, d->in_eof ? Z_FINISH : Z_NO_FLUSH);
		d->ended = rc == Z_STREAM_END;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return err_set(e, 0, "compressing: %s", zError(rc));
	}
	return (ssize_t)(n - d->z.avail_out);
}

struct deflater *deflater_new(struct stream *in, struct err *e)
{
	struct deflater *d = xcalloc(1, sizeof(*d));

	d->s.read = deflater_read;
	d->in = in;
	if (deflateInit2(&d->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
		return d;
	free(d);
	err_set(e, ENOMEM, "preparing to compress");
	return NULL;
}

struct stream *deflater_stream(struct deflater *d)
{
	return &d->s;
}

void deflater_free(struct deflater *d)
{
	if (!d)
		return;
	deflateEnd(&d->z);
	free(d);
}
