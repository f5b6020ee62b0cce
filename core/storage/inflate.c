/* SPDX-License-Identifier: MIT */
/*
 * core/storage/inflate.c - decompression, told by magic: gzip (all members), zstd (all frames) or plain
 *
 * Theory of operation
 *   The first bytes decide.  A gzip file is a row of members, each with its own checksum (RFC
 *   1952, 2.2); they give one stream.  What follows the last member and is no member is padding
 *   (tape blocks, signatures): it is read to its end, so that a digest over the input covers
 *   it, and dropped, as gzip(1) does.
 *
 *   A zstd file is a row of frames (RFC 8878, 3.1), some of which hold no data and are skipped; each may
 *   have a checksum.  Behind the last one nothing may follow.
 *
 *   xz and bzip2 are no formats of layers; people have root filesystems in them, though.  They are
 *   refused with what to type instead.
 *
 *   Large reads are inflated straight into the caller's memory, small ones go through a buffer.
 *   Memory is the window and two buffers, whatever the input claims; zstd's window is bounded by
 *   ZSTD_WINDOW_LOG.
 */
#include "storage/tar.h"
#include "storage/tar_header.h"

#include <crc.h>
#include <errno.h>
#include <igzip_lib.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define IN_SIZE 65536
#define OUT_SIZE 65536
#define MAGIC_LEN 6
#define ZSTD_WINDOW_LOG 27    /* 128 MiB, as zstd(1) accepts; compressors use 8 MiB unless told otherwise */

enum format { FMT_UNKNOWN, FMT_PLAIN, FMT_GZIP, FMT_ZSTD, FMT_END };

struct inflater {
	struct stream s;
	struct stream *in;
	enum format format;
	bool in_eof, between; /* between members or frames */
	ZSTD_DStream *zstd;   /* or NULL */
	unsigned char in_buf[IN_SIZE];
	size_t in_at, in_len;
	unsigned char out_buf[OUT_SIZE];
	size_t out_at, out_len;
	struct inflate_state z; /* of the member at hand, while FMT_GZIP */
};

static size_t in_left(const struct inflater *i)
{
	return i->in_len - i->in_at;
}

/* Have @want bytes of input in the buffer, fewer only at its end. */
static int fill(struct inflater *i, size_t want, struct err *e)
{
	ssize_t got;

	if (i->in_at && in_left(i) < want) {
		memmove(i->in_buf, i->in_buf + i->in_at, in_left(i));
		i->in_len -= i->in_at;
		i->in_at = 0;
	}
	while (!i->in_eof && in_left(i) < want) {
		got = i->in->read(i->in, i->in_buf + i->in_len, IN_SIZE - i->in_len, e);
		if (got < 0)
			return -1;
		i->in_len += (size_t)got;
		i->in_eof = !got;
	}
	return 0;
}

static bool starts(const unsigned char *p, size_t have, const char *magic, size_t n)
{
	return have >= n && !memcmp(p, magic, n);
}

static bool gzip_begins(const unsigned char *p, size_t n)
{
	return starts(p, n, "\x1f\x8b\x08", 3);
}

/* A frame, or one that is skipped: zstd:chunked begins with such. */
static bool zstd_begins(const unsigned char *p, size_t n)
{
	return starts(p, n, "\x28\xb5\x2f\xfd", 4) ||
	       (n >= 4 && (*p & 0xf0) == 0x50 && !memcmp(p + 1, "\x2a\x4d\x18", 3));
}

bool archive_begins(const void *p, size_t n)
{
	return gzip_begins(p, n) || zstd_begins(p, n) ||
	       (n >= TAR_BLOCK && !tar_is_zero(p, TAR_BLOCK) && tar_checksum_ok(p));
}

static bool is_gzip(const struct inflater *i)
{
	return gzip_begins(i->in_buf + i->in_at, in_left(i));
}

static int refuse_foreign(const struct inflater *i, struct err *e)
{
	static const struct {
		char magic[MAGIC_LEN + 1];
		size_t n;
		const char *name;
	} foreign[] = {
		{ "\xfd" "7zXZ", 6, "xz" },
		{ "BZh", 3, "bzip2" },
	};
	size_t k;

	for (k = 0; k < ARRAY_SIZE(foreign); k++)
		if (starts(i->in_buf + i->in_at, in_left(i), foreign[k].magic, foreign[k].n))
			return err_kind(e, ERR_NOT_SUPPORTED, "the archive is compressed with %s, which is not known here "
				"(gzip and zstd are): unpack it on the way, %s -dc FILE | docker import -", foreign[k].name,
				foreign[k].name);
	return 0;
}

static ssize_t pass_plain(struct stream *s, int pipefd, size_t n, struct err *e);

static int detect(struct inflater *i, struct err *e)
{
	if (fill(i, MAGIC_LEN, e) || refuse_foreign(i, e))
		return -1;
	if (is_gzip(i)) {
		i->format = FMT_GZIP;
		i->between = true;
	} else if (zstd_begins(i->in_buf + i->in_at, in_left(i))) {
		i->zstd = ZSTD_createDStream();
		if (!i->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(i->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
			return err_set(e, ENOMEM, "preparing to decompress");
		i->format = FMT_ZSTD;
		i->between = true;
	} else {
		i->format = FMT_PLAIN;
		i->s.pass = i->in->pass ? pass_plain : NULL;
	}
	return 0;
}

static ssize_t read_plain(struct inflater *i, void *p, size_t n, struct err *e)
{
	size_t have = in_left(i);

	if (!have)
		return i->in->read(i->in, p, n, e);
	if (n > have)
		n = have;
	memcpy(p, i->in_buf + i->in_at, n);
	i->in_at += n;
	return (ssize_t)n;
}

static ssize_t pass_plain(struct stream *s, int pipefd, size_t n, struct err *e)
{
	struct inflater *i = (struct inflater *)s;
	size_t have = in_left(i);
	ssize_t put;

	if (!have)
		return i->in->pass(i->in, pipefd, n, e);
	do
		put = write(pipefd, i->in_buf + i->in_at, n < have ? n : have);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return err_set(e, errno, "passing on the archive");
	i->in_at += (size_t)put;
	return put;
}

/* --- gzip --- */

enum { FLG_HCRC = 2, FLG_EXTRA = 4, FLG_NAME = 8, FLG_COMMENT = 16, FLG_RESERVED = 0xe0 };

static int cut_short(struct err *e)
{
	return err_kind(e, ERR_INVALID, "unexpected EOF: the compressed data is cut short");
}

/* The next byte of a header, counted in its checksum. -1 with @e. */
static int header_byte(struct inflater *i, uint32_t *crc, struct err *e)
{
	unsigned char c;

	if (!in_left(i) && (fill(i, 1, e) || !in_left(i)))
		return i->in_eof ? cut_short(e) : -1;
	c = i->in_buf[i->in_at++];
	*crc = crc32_gzip_refl(*crc, &c, 1);
	return c;
}

static int header_skip(struct inflater *i, size_t n, uint32_t *crc, struct err *e)
{
	while (n--)
		if (header_byte(i, crc, e) < 0)
			return -1;
	return 0;
}

/* A little-endian number of two bytes, or -1. */
static int header_u16(struct inflater *i, uint32_t *crc, struct err *e)
{
	int low = header_byte(i, crc, e), high = low < 0 ? -1 : header_byte(i, crc, e);

	return high < 0 ? -1 : high << 8 | low;
}

static int header_text(struct inflater *i, uint32_t *crc, struct err *e)
{
	int c;

	while ((c = header_byte(i, crc, e)) > 0)
		continue;
	return c;
}

/* RFC 1952, 2.3.  Here and not by the library, which forgets the flags when the input pauses in a header. */
static int read_header(struct inflater *i, struct err *e)
{
	uint32_t crc = 0, ignored = 0;
	int flags, n;

	if (header_skip(i, 3, &crc, e)) /* the magic was looked at */
		return -1;
	flags = header_byte(i, &crc, e);
	if (flags < 0 || header_skip(i, 6, &crc, e))
		return -1;
	if (flags & FLG_RESERVED)
		return err_kind(e, ERR_INVALID, "bad gzip data: unknown header flags set");
	if (flags & FLG_EXTRA) {
		n = header_u16(i, &crc, e);
		if (n < 0 || header_skip(i, (size_t)n, &crc, e))
			return -1;
	}
	if ((flags & FLG_NAME && header_text(i, &crc, e)) || (flags & FLG_COMMENT && header_text(i, &crc, e)))
		return -1;
	if (flags & FLG_HCRC) {
		n = header_u16(i, &ignored, e);
		if (n < 0)
			return -1;
		if (n != (int)(crc & 0xffff))
			return err_kind(e, ERR_INVALID, "bad gzip data: header crc mismatch");
	}
	return 0;
}

/* The last member is done: all that is left is not ours. */
static int drop_rest(struct inflater *i, struct err *e)
{
	i->format = FMT_END;
	i->in_at = i->in_len;
	return i->in_eof ? 0 : stream_drain(i->in, e);
}

/* Is there another member?  1, 0, -1. */
static int next_member(struct inflater *i, struct err *e)
{
	if (fill(i, 3, e))
		return -1;
	if (!is_gzip(i))
		return drop_rest(i, e);
	if (read_header(i, e))
		return -1;
	isal_inflate_init(&i->z);
	i->z.crc_flag = ISAL_GZIP_NO_HDR_VER;
	i->between = false;
	return 1;
}

static const char *isal_text(int rc)
{
	switch (rc) {
	case ISAL_INVALID_BLOCK:
		return "invalid block";
	case ISAL_INVALID_SYMBOL:
		return "invalid code";
	case ISAL_INVALID_LOOKBACK:
		return "invalid distance too far back";
	case ISAL_INCORRECT_CHECKSUM:
		return "incorrect data check";
	default:
		return "unknown error";
	}
}

static ssize_t inflate_into(struct inflater *i, void *p, size_t n, struct err *e)
{
	size_t before;
	int rc;

	i->z.next_out = p;
	n = n > 1 << 30 ? 1 << 30 : n;
	do {
		if (i->between) {
			rc = next_member(i, e);
			if (rc <= 0)
				return rc;
			i->z.next_out = p;
		}
		if (fill(i, 1, e))
			return -1;
		before = in_left(i);
		i->z.avail_out = (uint32_t)n;
		i->z.next_in = i->in_buf + i->in_at;
		i->z.avail_in = (uint32_t)before;
		rc = isal_inflate(&i->z);
		i->in_at = i->in_len - i->z.avail_in;
		i->between = i->z.block_state == ISAL_BLOCK_FINISH;
		if (rc < 0)
			return err_kind(e, ERR_INVALID, "bad gzip data: %s", isal_text(rc));
		/* What it has taken in may come out late; at the end of all input that is over. */
		if (i->z.avail_out == n && !i->between && !before && i->in_eof)
			return cut_short(e);
	} while (i->z.avail_out == n);
	return (ssize_t)(n - i->z.avail_out);
}

static ssize_t decompress_into(struct inflater *i, void *p, size_t n, struct err *e)
{
	ZSTD_outBuffer out = { p, n, 0 };
	ZSTD_inBuffer in;
	size_t rc;

	while (!out.pos) {
		if (fill(i, 1, e))
			return -1;
		/* Output may be waiting inside where there is no more input. */
		if (!in_left(i) && i->between)
			return 0;
		in = (ZSTD_inBuffer){ i->in_buf + i->in_at, in_left(i), 0 };
		rc = ZSTD_decompressStream(i->zstd, &out, &in);
		i->in_at += in.pos;
		if (ZSTD_isError(rc))
			return err_kind(e, ERR_INVALID, "bad zstd data: %s", ZSTD_getErrorName(rc));
		i->between = !rc;
		if (rc && !out.pos && !in_left(i) && i->in_eof)
			return cut_short(e);
	}
	return (ssize_t)out.pos;
}

static ssize_t expand_into(struct inflater *i, void *p, size_t n, struct err *e)
{
	return i->format == FMT_ZSTD ? decompress_into(i, p, n, e) : inflate_into(i, p, n, e);
}

static ssize_t read_packed(struct inflater *i, void *p, size_t n, struct err *e)
{
	ssize_t got;

	if (i->out_at == i->out_len) {
		if (n >= OUT_SIZE / 2)
			return expand_into(i, p, n, e);
		got = expand_into(i, i->out_buf, OUT_SIZE, e);
		if (got <= 0)
			return got;
		i->out_at = 0;
		i->out_len = (size_t)got;
	}
	if (n > i->out_len - i->out_at)
		n = i->out_len - i->out_at;
	memcpy(p, i->out_buf + i->out_at, n);
	i->out_at += n;
	return (ssize_t)n;
}

static ssize_t inflater_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct inflater *i = (struct inflater *)s;

	if (!n)
		return 0;
	if (i->format == FMT_UNKNOWN && detect(i, e))
		return -1;
	if (i->format == FMT_PLAIN)
		return read_plain(i, p, n, e);
	if (i->format == FMT_END && i->out_at == i->out_len)
		return 0;
	return read_packed(i, p, n, e);
}

struct inflater *inflater_new(struct stream *in)
{
	struct inflater *i = xcalloc(1, sizeof(*i));

	i->s.read = inflater_read;
	i->in = in;
	return i;
}

struct stream *inflater_stream(struct inflater *i)
{
	return &i->s;
}

int inflater_look(struct inflater *i, bool *is_plain, struct err *e)
{
	if (i->format == FMT_UNKNOWN && detect(i, e))
		return -1;
	*is_plain = i->format == FMT_PLAIN;
	return 0;
}

void inflater_free(struct inflater *i)
{
	if (!i)
		return;
	ZSTD_freeDStream(i->zstd);
	free(i);
}
