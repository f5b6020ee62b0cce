/* SPDX-License-Identifier: MIT */
/*
 * core/storage/deflate.c - a stream, compressed with gzip
 *
 * Theory of operation
 *   The same input gives the same bytes each time: no name, no time in the header, reads of a fixed
 *   size whatever the source feels like giving, and room for the output that does not depend on the
 *   caller's.  An upload that broke off relies on that.
 */
#include "storage/tar.h"

#include <igzip_lib.h>
#include <stdlib.h>

#define IN_SIZE 65536
#define OUT_SIZE 65536
/* A seventh larger than gzip(1)'s level 6 makes layers of programs, and fifteen times as fast: a push is
 * over sooner on any line above some 40 Mbit/s. */
#define LEVEL 2
#define LEVEL_BUF ISAL_DEF_LVL2_EXTRA_LARGE

struct deflater {
	struct stream s;
	struct stream *in;
	struct isal_zstream z;
	bool in_eof;
	_Alignas(16) unsigned char level_buf[LEVEL_BUF];
	unsigned char in_buf[IN_SIZE], out_buf[OUT_SIZE];
	size_t out_at, out_len;
};

static int fill(struct deflater *d, struct err *e)
{
	ssize_t got = stream_read_full(d->in, d->in_buf, IN_SIZE, e);

	if (got < 0)
		return -1;
	d->z.next_in = d->in_buf;
	d->z.avail_in = (uint32_t)got;
	d->in_eof = got < IN_SIZE;
	d->z.end_of_stream = d->in_eof;
	return 0;
}

/* Have bytes in out_buf, none only at the end. */
static int produce(struct deflater *d, struct err *e)
{
	int rc;

	d->z.next_out = d->out_buf;
	d->z.avail_out = OUT_SIZE;
	while (d->z.avail_out && d->z.internal_state.state != ZSTATE_END) {
		if (!d->z.avail_in && !d->in_eof && fill(d, e))
			return -1;
		rc = isal_deflate(&d->z);
		if (rc != COMP_OK)
			return err_set(e, 0, "compressing: error %d", rc);
	}
	d->out_at = 0;
	d->out_len = OUT_SIZE - d->z.avail_out;
	return 0;
}

static ssize_t deflater_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct deflater *d = (struct deflater *)s;

	if (d->out_at == d->out_len && produce(d, e))
		return -1;
	if (n > d->out_len - d->out_at)
		n = d->out_len - d->out_at;
	memcpy(p, d->out_buf + d->out_at, n);
	d->out_at += n;
	return (ssize_t)n;
}

struct deflater *deflater_new(struct stream *in)
{
	struct deflater *d = xcalloc(1, sizeof(*d));

	d->s.read = deflater_read;
	d->in = in;
	isal_deflate_init(&d->z);
	d->z.gzip_flag = IGZIP_GZIP;
	d->z.level = LEVEL;
	d->z.level_buf = d->level_buf;
	d->z.level_buf_size = LEVEL_BUF;
	return d;
}

struct stream *deflater_stream(struct deflater *d)
{
	return &d->s;
}

void deflater_free(struct deflater *d)
{
	free(d);
}
