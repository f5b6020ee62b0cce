/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_inflate.c - gzip and zstd in, gzip out
 */
#include "archive.h"
#include "unit.h"

#include "storage/tar.h"

#include <zlib.h>

static void gzip_to(struct buf *out, const void *p, size_t n)
{
	z_stream z = { 0 };

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0);
	buf_room(out, deflateBound(&z, n) + 32);
	z.next_in = p;
	z.avail_in = (uInt)n;
	z.next_out = (unsigned char *)out->p + out->n;
	z.avail_out = (uInt)(out->cap - out->n);
	deflate(&z, Z_FINISH);
	out->n += z.total_out;
	deflateEnd(&z);
}

/* A stream that gives one byte a time. */
struct drip {
	struct stream s;
	struct mem_stream mem;
};

static ssize_t drip_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct drip *d = (struct drip *)s;

	return d->mem.s.read(&d->mem.s, p, n ? 1 : 0, e);
}

static int inflate_all(const struct buf *in, size_t chunk, struct buf *out, struct err *e)
{
	struct drip d = { .s = { drip_read } };
	struct inflater *i = inflater_new(&d.s);
	ssize_t got;

	mem_stream_init(&d.mem, guarded(in->p, in->n), in->n);
	do {
		got = inflater_stream(i)->read(inflater_stream(i), buf_room(out, chunk), chunk, e);
		out->n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	inflater_free(i);
	buf_addc(out, 0);
	out->n--;
	return (int)got;
}

TEST(inflate_good)
{
	static const size_t chunks[] = { 1, 512, 40000 };
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		buf_reset(&in);
		buf_reset(&out);
		gzip_to(&in, "first ", 6);
		gzip_to(&in, "", 0);
		gzip_to(&in, "second", 6);
		buf_add(&in, "\0\0\0\0trailing garbage", 20); /* dropped, as gzip(1) does */
		CHECK_OK(e, inflate_all(&in, chunks[i], &out, &e));
		CHECK_STR(out.p, "first second");
		buf_reset(&in);
		buf_reset(&out);
		buf_adds(&in, "not compressed");
		CHECK_OK(e, inflate_all(&in, chunks[i], &out, &e));
		CHECK_STR(out.p, "not compressed");
		buf_reset(&in);
		buf_reset(&out);
		CHECK_OK(e, inflate_all(&in, chunks[i], &out, &e));
		CHECK_INT(out.n, 0);
	}
	buf_release(&in);
	buf_release(&out);
}

TEST(inflate_bad)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct err e = ERR_INIT;
	size_t n;

	gzip_to(&in, "some text, some text, some text", 31);
	for (n = 3; n < in.n; n++) {
		struct buf cut = { in.p, n, 0 };

		buf_reset(&out);
		if (!CHECK_INT(inflate_all(&cut, 512, &out, &e), -1) || !CHECK(strstr(e.msg, "unexpected EOF")))
			printf("  cut at %zu: %s\n", n, e.msg);
	}
	in.p[in.n - 6] ^= 1; /* the checksum */
	CHECK_INT(inflate_all(&in, 512, &out, &e), -1);
	CHECK(strstr(e.msg, "bad gzip data"));
	buf_reset(&in);
	buf_add(&in, "\xfd" "7zXZ\0\0", 7);
	CHECK_INT(inflate_all(&in, 512, &out, &e), -1);
	CHECK(strstr(e.msg, "xz -dc FILE | docker import -"));
	buf_release(&in);
	buf_release(&out);
}

/* A frame that is skipped, one with a checksum, one more: as zstd(1) wrote them. */
static const char zstd_frames[] =
	"\x5a\x2a\x4d\x18\x04\x00\x00\x00\x6e\x6f\x74\x65\x28\xb5\x2f\xfd"
	"\x04\x58\x8d\x00\x00\x58\x73\x6f\x6d\x65\x20\x74\x65\x78\x74\x2c"
	"\x20\x01\x00\xa6\x8b\x17\x58\xa7\xae\xb2\x28\xb5\x2f\xfd\x04\x58"
	"\x21\x00\x00\x6d\x6f\x72\x65\xf4\xc8\xfb\x27";
#define ZSTD_FIRST 12 /* where the first frame with data begins */
#define ZSTD_SECOND 42

TEST(inflate_zstd)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct err e = ERR_INIT;
	size_t chunks[] = { 1, 7, 512, 100000 }, n, i;

	buf_add(&in, zstd_frames, sizeof(zstd_frames) - 1);
	for (i = 0; i < ARRAY_SIZE(chunks); i++) {
		buf_reset(&out);
		CHECK_OK(e, inflate_all(&in, chunks[i], &out, &e));
		CHECK_STR(out.p, "some text, some text, some textmore");
	}
	for (n = ZSTD_FIRST + 4; n < in.n; n++) {
		struct buf cut = { in.p, n, 0 };

		buf_reset(&out);
		if (n != ZSTD_SECOND && (!CHECK_INT(inflate_all(&cut, 512, &out, &e), -1) ||
						!CHECK(strstr(e.msg, "unexpected EOF"))))
			printf("  cut at %zu: %s\n", n, e.msg);
	}
	in.p[ZSTD_SECOND - 1] ^= 1; /* the checksum */
	CHECK_INT(inflate_all(&in, 512, &out, &e), -1);
	CHECK(strstr(e.msg, "bad zstd data"));
	in.p[ZSTD_SECOND - 1] ^= 1;
	buf_adds(&in, "tail that is no frame");
	CHECK_INT(inflate_all(&in, 512, &out, &e), -1);
	/* A window of more than is allowed: 2 GiB. */
	buf_reset(&in);
	buf_add(&in, "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
	CHECK_INT(inflate_all(&in, 512, &out, &e), -1);
	CHECK(strstr(e.msg, "bad zstd data"));
	buf_release(&in);
	buf_release(&out);
}

/* A stream that gives @step bytes at a time. */
struct dribble {
	struct stream s;
	struct mem_stream mem;
	size_t step;
};

static ssize_t dribble_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct dribble *d = (struct dribble *)s;

	return d->mem.s.read(&d->mem.s, p, n < d->step ? n : d->step, e);
}

static bool deflate_all(const struct buf *in, size_t step, size_t chunk, struct buf *out, struct err *e)
{
	struct dribble d = { .s = { dribble_read }, .step = step };
	struct deflater *z;
	ssize_t got;

	mem_stream_init(&d.mem, in->p, in->n);
	z = deflater_new(&d.s);
	NEED(z);
	while ((got = deflater_stream(z)->read(deflater_stream(z), buf_room(out, chunk), chunk, e)) > 0)
		out->n += (size_t)got;
	deflater_free(z);
	return !got;
}

/* Whatever the sizes of reads on both sides, the bytes are the same: a broken upload is made again. */
TEST(deflate_is_repeatable)
{
	struct buf in = BUF_INIT, first = BUF_INIT, again = BUF_INIT, out = BUF_INIT;
	const size_t steps[] = { 1000003, 4096, 777 }, chunks[] = { 65536, 100, 9999 };
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < 60000; i++)
		buf_addf(&in, "%zu %zu,", i, i * i % 977);
	CHECK(deflate_all(&in, 65536, 65536, &first, &e));
	CHECK(first.n < in.n / 2);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		buf_reset(&again);
		CHECK(deflate_all(&in, steps[i], chunks[i], &again, &e));
		CHECK(again.n == first.n && !memcmp(again.p, first.p, first.n));
	}
	CHECK_OK(e, inflate_all(&first, 65536, &out, &e));
	CHECK(out.n == in.n && !memcmp(out.p, in.p, in.n));
	buf_reset(&in);
	buf_reset(&first);
	buf_reset(&out);
	CHECK(deflate_all(&in, 10, 10, &first, &e));
	CHECK_OK(e, inflate_all(&first, 512, &out, &e));
	CHECK_INT(out.n, 0);
	buf_release(&in);
	buf_release(&first);
	buf_release(&again);
	buf_release(&out);
}
