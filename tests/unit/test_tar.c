/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_tar.c - the tar reader and what it unpacks, from good and from hostile archives
 *
 * Unpacking runs as root of a user namespace (userns.h).  Each archive is unpacked to <case>/root;
 * besides that the case's directory holds a file "outside" which nothing may touch.
 */
#include "archive.h"
#include "userns.h"

#include "storage/beneath.h"
#include "storage/pax.h"
#include "storage/tar.h"
#include "storage/tar_header.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <zlib.h>

/* --- fields --- */

TEST(numbers)
{
	static const struct {
		const char *field;
		size_t n;
		int64_t want;
		int rc;
	} t[] = {
		{ "0000644\0", 8, 0644, 0 },
		{ "   644 \0", 8, 0644, 0 },
		{ "644\0junk", 8, 0644, 0 },
		{ "\0\0\0\0\0\0\0\0", 8, 0, 0 },
		{ "        ", 8, 0, 0 },
		{ "777777777777", 12, 0777777777777, 0 },
		{ "0000648\0", 8, 0, -1 },
		{ "-000644\0", 8, 0, -1 },
		{ "0x00644\0", 8, 0, -1 },
		{ "6 4    \0", 8, 0, -1 },
		{ "\x80\0\0\0\0\0\x01\x02", 8, 258, 0 },
		{ "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, INT64_MAX, 0 },
		{ "\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, 0, -1 },
		{ "\x80\0\0\x01\0\0\0\0\0\0\0\0", 12, 0, -1 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, -1, 0 },
		{ "\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, INT64_MIN, 0 },
		{ "\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0", 12, 0, -1 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, -2, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int64_t v = 0;

		if (!CHECK_INT(tar_parse_number(guarded(t[i].field, t[i].n), t[i].n, &v), t[i].rc) ||
			!CHECK_INT(v, t[i].want))
			printf("  in line %zu\n", i);
	}
}

TEST(octal)
{
	char field[8];

	CHECK_INT(tar_format_octal(field, 8, 0644), 0);
	CHECK_MEM(field, 7, "0000644");
	CHECK_INT(field[7], 0);
	CHECK_INT(tar_format_octal(field, 8, 07777777), 0);
	CHECK_INT(tar_format_octal(field, 8, 010000000), -1);
	CHECK_INT(tar_format_octal(field, 8, -1), -1);
}

TEST(clean_names)
{
	static const char *const t[][2] = {
		{ "a/b", "a/b" }, { "./a//b/", "a/b" }, { "/a", "a" }, { "///", "" }, { ".", "" },
		{ "./", "" }, { "", "" }, { "a/../b", "b" }, { "a/b/..", "a" }, { "a/..", "" },
		{ "/../x", "x" }, { "..", NULL }, { "../x", NULL }, { "a/../../x", NULL },
		{ "...", "..." }, { "a/./b/.", "a/b" }, { "a/..b", "a/..b" }, { "/a/../../b", "b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *s = strdup(t[i][0]);
		int rc = beneath_clean(s);

		if (!CHECK_INT(rc, t[i][1] ? 0 : -1) || (!rc && !CHECK_STR(s, t[i][1])))
			printf("  for \"%s\"\n", t[i][0]);
		free(s);
	}
}

/* --- pax records --- */

static int parse(const char *text, size_t n, struct pax *p, struct err *e)
{
	*p = (struct pax){ 0 };
	return pax_parse(p, (struct span){ guarded(text, n), n }, e);
}

TEST(pax_good)
{
	static const char text[] = "12 path=a/b\n13 uid=70000\n23 mtime=-1.5000000009\n"
				   "28 SCHILY.xattr.user.x=\0\n=2\n\x31" "3 size=0123\n8 gid=1\n7 gid=\n";
	struct err e = ERR_INIT;
	struct pax p;

	CHECK_OK(e, parse(text, sizeof(text) - 1, &p, &e));
	CHECK_MEM(p.path.p, p.path.n, "a/b");
	CHECK_INT(p.uid, 70000);
	CHECK_INT(p.mtime_ns, -1500000000);
	CHECK_INT(p.size, 123);
	CHECK(!p.has_gid);
	CHECK_INT(p.n_xattrs, 1);
	CHECK_MEM(p.xattrs[0].name.p, p.xattrs[0].name.n, "user.x");
	CHECK_INT(p.xattrs[0].value.n, 4);
	pax_release(&p);
}

TEST(pax_bad)
{
	static const struct {
		const char *text;
		size_t n;
		const char *error;
	} t[] = {
#define T(s) { s, sizeof(s) - 1, "malformed pax record" }
#define R(s) { s, sizeof(s) - 1, "bad pax record" }
		T("x"),
		T("12 path=a/b"),
		T("12 path=a/b\n1"),
		T("13 path=a/b\n"),
		T("11 path=a/b\n"),
		T("0 \n"),
		T("3 \n"),
		T("4 =\n"),
		T("6 a=b\n\n"),
		T(" 6 a=b\n"),
		T("-6 a=b\n"),
		T("99999999999999999999999 a=b\n"),
		T("18446744073709551615 a=b\n"),
		T("6 abc\n"),
		T("12 a\0b=cdef\n"),
		R("11 uid=-12\n"),
		R("18 uid=4294967295\n"),
		R("11 size=-1\n"),
		R("11 size=1x\n"),
		R("12 path=a\0b\n"),
		R("12 mtime=1x\n"),
		R("12 mtime=.5\n"),
		R("33 mtime=99999999999999999999999\n"),
		R("18 SCHILY.xattr.=\n"),
		R("23 GNU.sparse.offset=x\n"),
		R("26 GNU.sparse.numbytes=10\n"),
		R("24 GNU.sparse.map=1,2,3\n"),
		R("22 GNU.sparse.major=2\n"),
#undef T
#undef R
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = ERR_INIT;
		struct pax p;

		if (!CHECK_INT(parse(t[i].text, t[i].n, &p, &e), -1))
			printf("  for \"%s\"\n", t[i].text);
		CHECK_INT(e.kind, ERR_INVALID);
		if (!CHECK(strstr(e.msg, t[i].error)))
			printf("  for \"%s\": %s\n", t[i].text, e.msg);
		pax_release(&p);
	}
}

TEST(pax_lengths_count_themselves)
{
	struct err e = ERR_INIT;

	for (size_t n = 0; n < 1100; n++) {
		struct buf b = BUF_INIT;
		struct pax p = { 0 };
		char *value = xmalloc(n + 1);

		memset(value, 'v', n);
		pax_add(&b, "path", value, n);
		if (!CHECK_OK(e, pax_parse(&p, (struct span){ b.p, b.n }, &e)) || !CHECK_INT(p.path.n, n))
			printf("  for length %zu\n", n);
		pax_release(&p);
		buf_release(&b);
		free(value);
	}
}

/* --- reading --- */

/* All entries as text: "type path link size real_size uid gid mode mtime_ns data\n" */
static int list(const struct buf *archive, struct buf *out, struct err *e)
{
	const struct tar_entry *en;
	struct tar_reader *t;
	struct mem_stream mem;
	char data[64];
	ssize_t got;
	int rc;

	mem_stream_init(&mem, guarded(archive->p, archive->n), archive->n);
	t = tar_reader_new(&mem.s);
	while ((rc = tar_next(t, &en, e)) > 0) {
		buf_addf(out, "%c %s %s %lld %lld %u %u %o %lld ", en->type, en->path, en->link,
			(long long)en->size, (long long)en->real_size, en->uid, en->gid,
			(unsigned int)en->mode, (long long)en->mtime_ns);
		for (size_t i = 0; i < en->n_sparse; i++)
			buf_addf(out, "[%lld+%lld]", (long long)en->sparse[i].offset,
				(long long)en->sparse[i].len);
		while ((got = tar_read(t, data, sizeof(data), e)) > 0)
			buf_add(out, data, (size_t)got);
		if (got < 0) {
			rc = -1;
			break;
		}
		buf_addc(out, '\n');
	}
	tar_reader_free(t);
	return rc;
}

static void check_list(const struct buf *archive, const char *want, const char *want_err, int line)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = list(archive, &out, &e);
	bool ok = want_err ? rc < 0 && strstr(e.msg, want_err) : rc == 0;

	if (!ok)
		unit_fail(__FILE__, line, "rc %d, \"%s\", wanted \"%s\"", rc, e.msg, want_err ? want_err : "");
	if (strcmp(out.p, want))
		unit_fail(__FILE__, line, "got\n%swanted\n%s", out.p, want);
	buf_release(&out);
}

#define CHECK_LIST(archive, want, want_err) check_list(archive, want, want_err, __LINE__)

TEST(read_kinds)
{
	struct buf a = BUF_INIT;

	ITEM(&a, .name = "f", .data = "hello", .uid = 1, .gid = 2, .mode = 04755, .mtime = 7);
	ITEM(&a, .type = '5', .name = "d/", .mode = 0755);
	ITEM(&a, .type = '2', .name = "l", .link = "f");
	ITEM(&a, .type = '1', .name = "h", .link = "f", .size = "00000000005"); /* no data follows */
	ITEM(&a, .type = '7', .name = "contiguous", .data = "x");
	ITEM(&a, .name = "old", .data = "v7", .v7 = true);
	ITEM(&a, .type = '6', .name = "p");
	put_end(&a);
	buf_adds(&a, "junk behind the end");
	CHECK_LIST(&a,
		"0 f  5 5 1 2 4755 7000000000 hello\n"
		"5 d/  0 0 0 0 755 0 \n"
		"2 l f 0 0 0 0 644 0 \n"
		"1 h f 0 0 0 0 644 0 \n"
		"0 contiguous  1 1 0 0 644 0 x\n"
		"0 old  2 2 0 0 644 0 v7\n"
		"6 p  0 0 0 0 644 0 \n",
		NULL);
	buf_release(&a);
}

/* typeflag NUL: the slash tells directories */
TEST(read_v7_directory)
{
	struct buf a = BUF_INIT;

	ITEM(&a, .name = "d/", .v7 = true, .size = "00000000005"); /* no data follows */
	ITEM(&a, .name = "f", .v7 = true);
	a.p[156] = a.p[512 + 156] = 0;
	put_sum(a.p);
	put_sum(a.p + 512);
	CHECK_LIST(&a, "5 d/  0 0 0 0 644 0 \n0 f  0 0 0 0 644 0 \n", NULL);
	buf_release(&a);
}

TEST(read_long_names)
{
	struct buf a = BUF_INIT, want = BUF_INIT;
	char name[301], link[301];

	memset(name, 'n', 300);
	memset(link, 'l', 300);
	name[300] = link[300] = 0;
	ITEM(&a, .type = 'L', .name = "././@LongLink", .data = name, .len = 301);
	ITEM(&a, .type = 'K', .name = "././@LongLink", .data = link, .len = 301);
	ITEM(&a, .type = '2', .name = "short", .link = "short", .gnu = true);
	buf_addf(&want, "2 %s %s 0 0 0 0 644 0 \n", name, link);
	ITEM(&a, .name = "short", .pax = "path=from/pax\nuid=3000000\nmtime=1.25\nsize=2\n", .data = "ok",
		.size = "77777777777");
	buf_adds(&want, "0 from/pax  2 2 3000000 0 644 1250000000 ok\n");
	/* global headers are ignored, and what was said before is not said again */
	put_pax(&a, "path=global\nuid=9\n", 'g');
	ITEM(&a, .name = "plain");
	buf_adds(&want, "0 plain  0 0 0 0 644 0 \n");
	/* ustar's prefix */
	ITEM(&a, .name = "base");
	memcpy(a.p + a.n - 512 + 345, "pre/fix", 7);
	put_sum(a.p + a.n - 512);
	buf_adds(&want, "0 pre/fix/base  0 0 0 0 644 0 \n");
	/* GNU has times there */
	ITEM(&a, .name = "base", .gnu = true);
	memcpy(a.p + a.n - 512 + 345, "00000000001", 11);
	put_sum(a.p + a.n - 512);
	buf_adds(&want, "0 base  0 0 0 0 644 0 \n");
	CHECK_LIST(&a, want.p, NULL);
	buf_release(&a);
	buf_release(&want);
}

TEST(read_sparse)
{
	struct buf a = BUF_INIT;
	char map[512] = "2\n1\n3\n10\n2\n";
	char *h;

	/* GNU: 4 segments in the header, 1 behind it */
	ITEM(&a, .type = 'S', .name = "gnu", .size = "00000000005", .gnu = true);
	h = a.p;
	for (unsigned int i = 0; i < 4; i++) {
		put_octal(h, 386 + 24 * i, 12, 10 * i);
		put_octal(h, 398 + 24 * i, 12, 1);
	}
	h[482] = 1;
	put_octal(h, 483, 12, 100);
	put_sum(h);
	char more[512] = { 0 };
	put_octal(more, 0, 12, 50);
	put_octal(more, 12, 12, 1);
	buf_add(&a, more, sizeof(more));
	put_padded(&a, "abcde", 5);
	/* pax 0.0, 0.1, 1.0 */
	ITEM(&a, .name = "x", .data = "abc",
		.pax = "GNU.sparse.size=9\nGNU.sparse.numblocks=2\nGNU.sparse.offset=1\n"
		       "GNU.sparse.numbytes=2\nGNU.sparse.offset=5\nGNU.sparse.numbytes=1\n");
	ITEM(&a, .name = "GNUSparse.0/x", .data = "abc",
		.pax = "GNU.sparse.name=real\nGNU.sparse.size=9\nGNU.sparse.numblocks=2\n"
		       "GNU.sparse.map=1,2,5,1\n");
	struct buf v1 = BUF_INIT;
	buf_add(&v1, map, 512);
	buf_adds(&v1, "abcde");
	ITEM(&a, .name = "GNUSparse.1/x", .data = v1.p, .len = v1.n,
		.pax = "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=one\nGNU.sparse.realsize=20\n");
	/* nothing but a hole */
	ITEM(&a, .name = "hole", .pax = "GNU.sparse.size=9\nGNU.sparse.numblocks=0\n");
	CHECK_LIST(&a,
		"0 gnu  5 100 0 0 644 0 [0+1][10+1][20+1][30+1][50+1]abcde\n"
		"0 x  3 9 0 0 644 0 [1+2][5+1]abc\n"
		"0 real  3 9 0 0 644 0 [1+2][5+1]abc\n"
		"0 one  5 20 0 0 644 0 [1+3][10+2]abcde\n"
		"0 hole  0 9 0 0 644 0 \n",
		NULL);
	buf_release(&a);
	buf_release(&v1);
}

TEST(read_bad_sparse)
{
	static const char *const maps[] = {
		"5,1,1,2",			  /* out of order */
		"1,2,2,1",			  /* overlap */
		"1,2,8,2",			  /* past the end */
		"1,2,5,2",			  /* longer than the data */
		"1,1,5,1",			  /* shorter */
		"9223372036854775807,1,1,2",	  /* overflow */
		"1,9223372036854775807,1,2",
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct buf a = BUF_INIT;
		char *pax = xasprintf("GNU.sparse.size=9\nGNU.sparse.map=%s\n", maps[i]);

		ITEM(&a, .name = "x", .data = "abc", .pax = pax);
		CHECK_LIST(&a, "", "invalid tar header: ");
		free(pax);
		buf_release(&a);
	}
}

TEST(read_bad)
{
	static const char *const sizes[] = { "-1", "8", "77777777777x",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff" };
	struct buf a = BUF_INIT;

	ITEM(&a, .name = "f", .data = "x", .bad_sum = true);
	CHECK_LIST(&a, "", "archive/tar: invalid tar header");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		buf_reset(&a);
		ITEM(&a, .name = "f");
		memcpy(a.p + 124, sizes[i], sizes[i][0] == '\x80' ? 12 : strlen(sizes[i]));
		put_sum(a.p);
		CHECK_LIST(&a, "", "bad size");
	}
	buf_reset(&a);
	buf_add(&a, (char[512]){ 0 }, 512);
	ITEM(&a, .name = "f");
	CHECK_LIST(&a, "", "invalid tar header"); /* a lone zero block */
	buf_reset(&a);
	ITEM(&a, .type = 'x', .name = "pax", .size = "77777777777");
	CHECK_LIST(&a, "", "too long");
	buf_reset(&a);
	ITEM(&a, .type = 'L', .name = "long", .size = "00010000001");
	CHECK_LIST(&a, "", "too long");
	buf_reset(&a);
	ITEM(&a, .name = "f");
	memcpy(a.p + 108, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	put_sum(a.p);
	CHECK_LIST(&a, "", "bad uid");
	buf_release(&a);
}

/* Cut at every length: an error, or what was whole by then; never a crash or a wrong byte. */
TEST(read_truncated)
{
	struct buf a = BUF_INIT, part, out = BUF_INIT;
	size_t whole, ends = 0;

	ITEM(&a, .name = "first", .data = "0123456789", .pax = "path=renamed\n");
	ITEM(&a, .name = "second", .data = "abc");
	whole = a.n;
	put_end(&a);
	for (size_t n = 0; n < a.n; n++) {
		struct err e = ERR_INIT;
		int rc;

		part = (struct buf){ a.p, n, 0 };
		buf_reset(&out);
		rc = list(&part, &out, &e);
		ends += rc == 0;
		if (rc < 0 && !strstr(e.msg, "unexpected EOF"))
			unit_fail(__FILE__, __LINE__, "at %zu: %s", n, e.msg);
		/* all data there, padding or end marker missing: that is the end; half a block is not */
		if (n >= whole - 509 && (n <= whole || n >= whole + 512) && rc)
			unit_fail(__FILE__, __LINE__, "at %zu: rc %d %s", n, rc, e.msg);
	}
	/* 0, the pax header alone (its padding may be cut), between the entries, and from the last byte on */
	CHECK(ends > 1024 && ends < 2600);
	buf_release(&a);
	buf_release(&out);
}

TEST(read_name_too_long)
{
	struct buf a = BUF_INIT;
	char *name = xmalloc(5001);

	memset(name, 'n', 5000);
	name[5000] = 0;
	ITEM(&a, .type = 'L', .name = "././@LongLink", .data = name, .len = 5001);
	ITEM(&a, .name = "short", .gnu = true);
	CHECK_LIST(&a, "", "longer than 4095 bytes");
	buf_release(&a);
	free(name);
}

/* --- inflating --- */

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

/* --- unpacking --- */

static int case_dir; /* the directory of the case at hand, opened */

/* Make <tmp>/<case>/{root,outside}; the descriptor of root. */
static int new_root(void)
{
	static int serial;
	char name[32];

	snprintf(name, sizeof(name), "case-%d-%d", (int)getpid(), serial++);
	if (case_dir > 0)
		close(case_dir);
	if (mkdirat(tmp_dirfd(), name, 0755))
		abort();
	case_dir = openat(tmp_dirfd(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_write_at(case_dir, "outside", "untouched", 9, 0600, 0, NULL) || mkdirat(case_dir, "root", 0755))
		abort();
	return openat(case_dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nothing but root and outside, and outside as it was. */
static bool nothing_escaped(void)
{
	struct buf text = BUF_INIT;
	struct dirent *d;
	struct stat st;
	int count = 0;
	DIR *dir = fdopendir(dup(case_dir));
	bool ok;

	rewinddir(dir);
	while ((d = readdir(dir)))
		count += d->d_name[0] != '.';
	closedir(dir);
	ok = !file_read_at(case_dir, "outside", 100, &text, NULL) && !strcmp(text.p, "untouched") &&
	     !fstatat(case_dir, "outside", &st, 0) && st.st_nlink == 1 && (st.st_mode & 07777) == 0600;
	buf_release(&text);
	return ok && count == 2;
}

static int unpack_to(int root, const struct buf *archive, enum tar_whiteouts wh,
	struct tar_unpack_result *r, struct err *e)
{
	struct tar_unpack_opts o = { .whiteouts = wh, .single_id = userns_ids() == 1 };
	struct mem_stream mem;

	umask(0);
	mem_stream_init(&mem, guarded(archive->p, archive->n), archive->n);
	return tar_unpack(&mem.s, root, &o, r, e);
}

static bool has_text(int root, const char *path, const char *want)
{
	struct buf text = BUF_INIT;
	bool ok = !file_read_at(root, path, 1 << 20, &text, NULL) && !strcmp(text.p, want);

	buf_release(&text);
	return ok;
}

TEST_USERNS(unpack_everything)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st, st2;
	char text[64];
	ssize_t n;

	ITEM(&a, .type = '5', .name = "./", .mode = 0700, .mtime = 5); /* the root: left as it is */
	ITEM(&a, .type = '5', .name = "dir/", .mode = 02755, .mtime = 1000);
	ITEM(&a, .name = "dir/file", .data = "hello", .mode = 04755, .pax = "mtime=1234.000000567\n");
	ITEM(&a, .type = '1', .name = "hard", .link = "dir/file", .mode = 04755,
		.pax = "mtime=1234.000000567\n");
	ITEM(&a, .type = '2', .name = "sym", .link = "/dir", .mtime = 77);
	ITEM(&a, .name = "sym/via", .data = "through an absolute link");
	ITEM(&a, .type = '2', .name = "rel", .link = "dir/../dir");
	ITEM(&a, .name = "rel/via2", .data = "2");
	ITEM(&a, .type = '6', .name = "fifo", .mode = 0622);
	ITEM(&a, .type = '3', .name = "null", .major = 1, .minor = 3);
	ITEM(&a, .name = "p/q/r", .data = "parents made");
	ITEM(&a, .name = "x", .data = "attributes",
		.pax = "SCHILY.xattr.user.kept=yes\nSCHILY.xattr.user.overlay.opaque=y\n"
		       "SCHILY.xattr.user.coracle.stat=1:1:4755\nSCHILY.xattr.trusted.overlay.opaque=y\n");
	put_end(&a);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK_INT(r.entries, 11);
	CHECK_INT(r.devices, 1);
	CHECK_INT(r.xattrs_lost, 0);
	CHECK_INT(r.bytes, 5 + 24 + 1 + 12 + 10);

	NEED(!fstat(root, &st));
	CHECK_INT(st.st_mode & 07777, 0755);
	NEED(!fstatat(root, "dir", &st, 0));
	CHECK_INT(st.st_mode & 07777, 02755);
	CHECK_INT(st.st_mtime, 1000); /* though files came after it */
	NEED(!fstatat(root, "dir/file", &st, 0) && !fstatat(root, "hard", &st2, 0));
	CHECK_INT(st.st_ino, st2.st_ino);
	CHECK_INT(st.st_nlink, 2);
	CHECK_INT(st.st_mode & 07777, 04755);
	CHECK_INT(st.st_mtim.tv_sec, 1234);
	CHECK_INT(st.st_mtim.tv_nsec, 567);
	n = readlinkat(root, "sym", text, sizeof(text));
	CHECK_MEM(text, (size_t)n, "/dir");
	NEED(!fstatat(root, "sym", &st, AT_SYMLINK_NOFOLLOW));
	CHECK_INT(st.st_mtime, 77);
	CHECK(has_text(root, "dir/via", "through an absolute link"));
	CHECK(has_text(root, "dir/via2", "2"));
	NEED(!fstatat(root, "fifo", &st, 0));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_INT(st.st_mode & 07777, 0622);
	CHECK(!fs_exists_at(root, "null"));
	NEED(!fstatat(root, "p/q", &st, 0));
	CHECK_INT(st.st_mode & 07777, 0755);
	int fd = openat(root, "x", O_RDONLY | O_CLOEXEC);
	n = fgetxattr(fd, "user.kept", text, sizeof(text));
	CHECK_MEM(text, n < 0 ? 0 : (size_t)n, "yes");
	CHECK(fgetxattr(fd, "user.overlay.opaque", text, sizeof(text)) < 0);
	CHECK(fgetxattr(fd, "user.coracle.stat", text, sizeof(text)) < 0);
	close(fd);
	CHECK(nothing_escaped());
	close(root);
	buf_release(&a);
}

TEST_USERNS(unpack_owners)
{
	static const unsigned char caps[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct tar_unpack_result r;
	struct buf a = BUF_INIT, pax = BUF_INIT;
	struct err e = ERR_INIT;
	unsigned char got[32];
	int root = new_root(), fd;
	struct stat st;

	if (userns_ids() == 1)
		SKIP("machine: only root has more than one id to map");
	ITEM(&a, .name = "f", .uid = 7, .gid = 8, .mode = 06755);
	ITEM(&a, .type = '5', .name = "d", .uid = 9, .gid = 10, .mode = 01777);
	ITEM(&a, .type = '2', .name = "l", .link = "f", .uid = 11, .gid = 12);
	/* a file capability, which chown would take away */
	pax_add(&pax, "SCHILY.xattr.security.capability", caps, sizeof(caps));
	put_header(&a, 'x', "pax", pax.n, &(struct item){ .mode = 0644 });
	put_padded(&a, pax.p, pax.n);
	ITEM(&a, .name = "capable", .uid = 13, .mode = 0755);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	NEED(!fstatat(root, "f", &st, 0));
	CHECK(st.st_uid == 7 && st.st_gid == 8 && (st.st_mode & 07777) == 06755);
	NEED(!fstatat(root, "d", &st, 0));
	CHECK(st.st_uid == 9 && st.st_gid == 10 && (st.st_mode & 07777) == 01777);
	NEED(!fstatat(root, "l", &st, AT_SYMLINK_NOFOLLOW));
	CHECK(st.st_uid == 11 && st.st_gid == 12);
	fd = openat(root, "capable", O_RDONLY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "security.capability", got, sizeof(got)), sizeof(caps));
	CHECK(!memcmp(got, caps, sizeof(caps)));
	close(fd);
	/* an id beyond the map */
	buf_reset(&a);
	ITEM(&a, .name = "g", .uid = 100000, .gid = 5);
	CHECK_INT(unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e), -1);
	CHECK_STR(e.msg, "failed to Lchown \"/g\" for UID 100000, GID 5: lchown /g: invalid argument");
	CHECK(r.bad_id && r.bad_uid == 100000);
	buf_release(&a);
	buf_release(&pax);
	close(root);
}

TEST_USERNS(unpack_single_id)
{
	struct tar_unpack_opts o = { .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), fd;
	char text[64];
	ssize_t n;

	ITEM(&a, .name = "f", .uid = 7, .gid = 100000, .mode = 04755);
	ITEM(&a, .name = "mine");
	ITEM(&a, .type = '2', .name = "l", .link = "f", .uid = 11, .gid = 12);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_OK(e, tar_unpack(&mem.s, root, &o, &r, &e));
	fd = openat(root, "f", O_RDONLY | O_CLOEXEC);
	n = fgetxattr(fd, "user.coracle.stat", text, sizeof(text));
	CHECK_MEM(text, n < 0 ? 0 : (size_t)n, "7:100000:4755");
	close(fd);
	fd = openat(root, "mine", O_RDONLY | O_CLOEXEC);
	CHECK(fgetxattr(fd, "user.coracle.stat", text, sizeof(text)) < 0);
	close(fd);
	buf_release(&a);
	close(root);
}

/* A later entry replaces an earlier one; but directories merge. */
TEST_USERNS(unpack_replaces)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;
	char text[8];

	ITEM(&a, .name = "f", .data = "one");
	ITEM(&a, .type = '1', .name = "other", .link = "f");
	ITEM(&a, .name = "./f", .data = "two");
	ITEM(&a, .type = '5', .name = "d", .mode = 0700);
	ITEM(&a, .name = "d/x", .data = "stays");
	ITEM(&a, .type = '5', .name = "d", .mode = 0711);
	ITEM(&a, .type = '5', .name = "e");
	ITEM(&a, .name = "e/deep/er");
	ITEM(&a, .name = "e", .data = "file over directory");
	ITEM(&a, .name = "g");
	ITEM(&a, .type = '5', .name = "g", .mode = 0755);
	ITEM(&a, .name = "g/in", .data = "directory over file");
	ITEM(&a, .type = '2', .name = "s", .link = "d");
	ITEM(&a, .type = '5', .name = "s", .mode = 0755);
	ITEM(&a, .name = "s/y", .data = "not in d");
	ITEM(&a, .type = '1', .name = "f", .link = "f"); /* to itself: nothing to do */
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK(has_text(root, "f", "two"));
	CHECK(has_text(root, "other", "one"));
	CHECK(has_text(root, "d/x", "stays"));
	CHECK(!fstatat(root, "d", &st, 0) && (st.st_mode & 07777) == 0711);
	CHECK(has_text(root, "e", "file over directory"));
	CHECK(has_text(root, "g/in", "directory over file"));
	CHECK(has_text(root, "s/y", "not in d"));
	CHECK(!fs_exists_at(root, "d/y"));
	/* a lower layer's g must not show through */
	int fd = openat(root, "g", O_RDONLY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "user.overlay.opaque", text, sizeof(text)), 1);
	close(fd);
	close(root);
	buf_release(&a);
}

static bool is_whiteout(int root, const char *path)
{
	struct stat st;

	return !fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISCHR(st.st_mode) && !st.st_rdev;
}

static bool is_opaque(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char c = 0;
	bool ok = fd >= 0 && fgetxattr(fd, "user.overlay.opaque", &c, 1) == 1 && c == 'y';

	if (fd >= 0)
		close(fd);
	return ok;
}

static void whiteout_archive(struct buf *a)
{
	ITEM(a, .name = ".wh.gone");
	ITEM(a, .name = "no/such/dir/.wh.gone");
	ITEM(a, .type = '5', .name = "before", .mode = 0755);
	ITEM(a, .name = "before/new");
	ITEM(a, .name = "before/.wh..wh..opq");
	ITEM(a, .name = "after/.wh..wh..opq");
	ITEM(a, .name = "after/new");
	ITEM(a, .name = ".wh.wd");
	ITEM(a, .type = '5', .name = "wd", .mode = 0755);
	ITEM(a, .type = '5', .name = "dw", .mode = 0755);
	ITEM(a, .name = "dw/mine");
	ITEM(a, .name = ".wh.dw");
	ITEM(a, .name = "fw", .data = "mine");
	ITEM(a, .name = ".wh.fw");
	ITEM(a, .name = ".wh.wf");
	ITEM(a, .name = "wf", .data = "mine");
	ITEM(a, .type = '5', .name = ".wh..wh.plnk");
	ITEM(a, .name = ".wh..wh.plnk/123.456");
	ITEM(a, .name = ".wh..wh.aufs");
}

TEST_USERNS(whiteouts_for_overlay)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	whiteout_archive(&a);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK(is_whiteout(root, "gone"));
	CHECK(is_whiteout(root, "no/such/dir/gone"));
	CHECK(is_opaque(root, "before") && fs_exists_at(root, "before/new"));
	CHECK(is_opaque(root, "after") && fs_exists_at(root, "after/new"));
	CHECK(is_opaque(root, "wd"));
	CHECK(is_opaque(root, "dw") && fs_exists_at(root, "dw/mine"));
	CHECK(has_text(root, "fw", "mine"));
	CHECK(has_text(root, "wf", "mine"));
	CHECK(!fs_exists_at(root, ".wh..wh.plnk") && !fs_exists_at(root, ".wh..wh.aufs"));
	buf_release(&a);
	close(root);
}

TEST_USERNS(whiteouts_kept)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	whiteout_archive(&a);
	ITEM(&a, .name = "h");
	ITEM(&a, .type = '5', .name = "h", .mode = 0755);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_KEEP, &r, &e));
	CHECK(fs_exists_at(root, ".wh.gone") && fs_exists_at(root, "after/.wh..wh..opq"));
	CHECK(fs_exists_at(root, ".wh.dw") && fs_exists_at(root, "dw/mine"));
	CHECK(fs_exists_at(root, ".wh.h")); /* directory over file: hides what is below */
	CHECK(!fs_exists_at(root, ".wh..wh.aufs"));
	buf_release(&a);
	close(root);
}

/* --- hostile archives --- */

struct hostile {
	const char *name;
	struct item items[6];
	const char *error; /* part of the message; NULL: it unpacks, and is harmless */
	const char *there; /* must exist then */
};

static const struct hostile hostile[] = {
	{ "dotdot", { { .name = "../outside", .data = "x" } }, "invalid entry name \"../outside\"" },
	{ "dotdot inside", { { .name = "a/../../outside", .data = "x" } }, "invalid entry name" },
	{ "many dotdots", { { .name = "../../../../../../../../tmp/evil" } }, "invalid entry name" },
	{ "absolute", { { .name = "/abs", .data = "x" } }, NULL, "abs" },
	{ "absolute dotdot", { { .name = "/../../abs", .data = "x" } }, NULL, "abs" },
	{ "dotdot directory", { { .type = '5', .name = ".." } }, "invalid entry name" },
	{ "link out", { { .type = '2', .name = "l", .link = "../.." }, { .name = "l/outside", .data = "x" } },
		"path escapes" },
	{ "link to the outside file",
		{ { .type = '2', .name = "l", .link = "../outside" }, { .name = "l", .data = "x" } }, NULL, "l" },
	{ "absolute link out",
		{ { .type = '2', .name = "l", .link = "/../.." }, { .name = "l/x", .data = "x" } }, NULL, "x" },
	{ "link in two steps",
		{ { .type = '5', .name = "a/b" }, { .type = '2', .name = "a/b/up", .link = "../.." },
			{ .type = '2', .name = "out", .link = "a/b/up/.." }, { .name = "out/outside" } },
		"path escapes" },
	{ "link to proc", { { .type = '2', .name = "l", .link = "/proc/self/root" }, { .name = "l/x" } }, NULL,
		"proc/self/root/x" },
	{ "dangling link", { { .type = '2', .name = "l", .link = "/no/such" }, { .name = "l/x" } }, NULL,
		"no/such/x" },
	{ "link loop", { { .type = '2', .name = "a", .link = "b" }, { .type = '2', .name = "b", .link = "a" },
			 { .name = "a/x" } },
		"Symbolic link loop|Too many levels of symbolic links" },
	{ "link to itself", { { .type = '2', .name = "a", .link = "a" }, { .name = "a/x" } },
		"Symbolic link loop|Too many levels of symbolic links" },
	{ "hard link out", { { .type = '1', .name = "h", .link = "../outside" } },
		"invalid hardlink target \"../outside\"" },
	{ "hard link out absolute", { { .type = '1', .name = "h", .link = "/../outside" } },
		"No such file or directory" },
	{ "hard link through a link",
		{ { .type = '2', .name = "l", .link = ".." }, { .type = '1', .name = "h", .link = "l/outside" } },
		"path escapes" },
	{ "hard link to nothing", { { .type = '1', .name = "h", .link = "nope" } }, "linkat nope h" },
	{ "hard link to a directory", { { .type = '5', .name = "d" }, { .type = '1', .name = "h", .link = "d" } },
		"not permitted" },
	{ "hard link to the root", { { .type = '1', .name = "h", .link = "." } }, "linkat . h" },
	{ "hard link to itself", { { .type = '1', .name = "h", .link = "h" } }, "linkat h h" },
	{ "hard links in a circle",
		{ { .type = '1', .name = "a", .link = "b" }, { .type = '1', .name = "b", .link = "a" } },
		"linkat b a" },
	{ "file as parent", { { .name = "f" }, { .name = "f/x" } }, "Not a directory" },
	{ "root as a file", { { .name = ".", .data = "x" } }, NULL, "." },
	{ "root as a link", { { .type = '2', .name = "./", .link = "/tmp" } }, NULL, "." },
	{ "no name", { { .name = "", .data = "x" } }, NULL, "." },
	{ "unknown type", { { .type = 'Z', .name = "z" } }, "unhandled tar header type 90" },
	{ "multi-volume", { { .type = 'M', .name = "z" } }, "unhandled tar header type 77" },
	{ "long component", { { .name = "x", .pax = "path=" /* filled in */ } }, "ame too long" },
	{ "empty link", { { .type = '2', .name = "l", .link = "" } }, "No such file or directory" },
	{ "whiteout of .", { { .name = "d/.wh.." } }, "invalid whiteout entry \"d/.wh..\"" },
	{ "whiteout of ..", { { .name = "d/.wh..." } }, "invalid whiteout entry \"d/.wh...\"" },
	{ "whiteout of nothing", { { .name = ".wh." } }, "invalid whiteout entry" },
	{ "inside a whiteout", { { .name = ".wh.d/f" } }, "invalid whiteout entry" },
	{ "whiteout through a link",
		{ { .type = '2', .name = "l", .link = "../" }, { .name = "l/.wh.outside" } }, "path escapes" },
	{ "device 0/0", { { .name = "f" }, { .type = '3', .name = "f" } }, NULL, "." },
	{ "disk", { { .type = '4', .name = "sda", .major = 8, .mode = 0666 } }, NULL, "." },
	{ "truncated", { { .name = "f", .size = "00000010000" } }, "unexpected EOF" },
	{ "no such size", { { .name = "f", .size = "77777777777" } }, "unexpected EOF" },
	{ "bad checksum", { { .name = "f", .bad_sum = true } }, "archive/tar: invalid tar header" },
	{ "sparse giant",
		{ { .name = "f", .data = "x",
			.pax = "GNU.sparse.size=9223372036854775807\nGNU.sparse.map=9223372036854775806,1\n" } },
		"writing f: " },
};

/* Is one of the alternatives in "a|b" part of @text? */
static bool says(const char *text, const char *alternatives)
{
	char *list_ = strdup(alternatives), *save = NULL, *one;
	bool found = false;

	for (one = strtok_r(list_, "|", &save); one; one = strtok_r(NULL, "|", &save))
		found |= strstr(text, one) != NULL;
	free(list_);
	return found;
}

static void run_hostile(const struct hostile *h, enum tar_whiteouts wh)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), rc;
	char *long_path = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(h->items) && h->items[i].name; i++) {
		struct item it = h->items[i];

		if (it.pax && !strcmp(it.pax, "path=")) {
			long_path = xasprintf("path=%0300d\n", 7);
			it.pax = long_path;
		}
		put_item(&a, &it);
	}
	rc = unpack_to(root, &a, wh, &r, &e);
	if (h->error ? rc == 0 || !says(e.msg, h->error) : rc != 0)
		unit_fail(__FILE__, __LINE__, "%s: rc %d \"%s\"", h->name, rc, e.msg);
	if (!rc && h->there && !fs_exists_at(root, h->there))
		unit_fail(__FILE__, __LINE__, "%s: %s is missing", h->name, h->there);
	if (!nothing_escaped())
		unit_fail(__FILE__, __LINE__, "%s: escaped", h->name);
	if (fs_exists_at(AT_FDCWD, "/tmp/evil"))
		unit_fail(__FILE__, __LINE__, "%s: wrote to /tmp", h->name);
	free(long_path);
	buf_release(&a);
	close(root);
}

TEST_USERNS(hostile_for_overlay)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		run_hostile(&hostile[i], TAR_WH_OVERLAY);
}

TEST_USERNS(hostile_kept)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		run_hostile(&hostile[i], TAR_WH_KEEP);
}

TEST_USERNS(no_overwrite)
{
	struct tar_unpack_opts o = { .no_overwrite_dir_nondir = true, .dest = "/d", .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	mkdirat(root, "e", 0755);
	file_write_at(root, "f", "x", 1, 0644, 0, NULL);
	ITEM(&a, .name = "e", .data = "x");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_STR(e.msg, "cannot overwrite directory \"e\" with non-directory \"/d\"");
	buf_reset(&a);
	ITEM(&a, .type = '5', .name = "f");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_STR(e.msg, "cannot overwrite non-directory \"f\" with directory \"/d\"");
	buf_release(&a);
	close(root);
}

/* The top of an archive under another name, its hard links with it; and nobody else's owner. */
TEST_USERNS(renamed)
{
	struct tar_unpack_opts o = { .no_chown = true, .rename = "old", .to = "new" };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;

	ITEM(&a, .type = '5', .name = "old");
	ITEM(&a, .name = "old/old", .data = "x", .uid = 77777777);
	ITEM(&a, .type = '1', .name = "old/hard", .link = "old/old");
	ITEM(&a, .type = '2', .name = "old/soft", .link = "old", .uid = 77777777);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), 0);
	CHECK_INT(fstatat(root, "new/old", &st, 0), 0);
	CHECK_INT(st.st_nlink, 2);
	CHECK_INT(st.st_uid, getuid());
	CHECK_INT(fstatat(root, "new/soft", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_INT(st.st_uid, getuid());
	buf_release(&a);
	close(root);
}

TEST_USERNS(ceilings)
{
	struct tar_unpack_opts o = { .max_bytes = 10, .max_entries = 3, .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	ITEM(&a, .name = "a", .data = "1234567890");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_OK(e, tar_unpack(&mem.s, root, &o, &r, &e));
	ITEM(&a, .name = "b", .data = "1");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	buf_reset(&a);
	for (const char *n = "abcd"; *n; n++)
		ITEM(&a, .type = '5', .name = n);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	/* a claim counts, not what comes of it */
	buf_reset(&a);
	ITEM(&a, .name = "s", .pax = "GNU.sparse.size=1000\nGNU.sparse.numblocks=0\n");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	buf_release(&a);
	close(root);
}

/* Zeros become holes, data at both ends of them stays where it was. */
TEST_USERNS(holes)
{
	enum { SIZE = 4 << 20 };
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), fd;
	char *data = calloc(1, SIZE), *back = calloc(1, SIZE);
	struct stat st;

	memcpy(data + 70000, "middle", 6);
	data[SIZE / 2] = 'x';
	ITEM(&a, .name = "f", .data = data, .len = SIZE);
	ITEM(&a, .name = "s", .data = "abc", .pax = "GNU.sparse.size=3000000\nGNU.sparse.map=100000,2,2000000,1\n");
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_NONE, &r, &e));
	fd = openat(root, "f", O_RDONLY | O_CLOEXEC);
	NEED(!fstat(fd, &st));
	CHECK_INT(st.st_size, SIZE);
	CHECK(st.st_blocks * 512 < SIZE / 4);
	CHECK_INT(fd_read_full(fd, back, SIZE), SIZE);
	CHECK(!memcmp(data, back, SIZE));
	close(fd);
	fd = openat(root, "s", O_RDONLY | O_CLOEXEC);
	NEED(!fstat(fd, &st));
	CHECK_INT(st.st_size, 3000000);
	memset(back, 7, SIZE);
	CHECK_INT(fd_read_full(fd, back, SIZE), 3000000);
	CHECK(back[100000] == 'a' && back[100001] == 'b' && !back[100002] && back[2000000] == 'c');
	close(fd);
	free(data);
	free(back);
	buf_release(&a);
	close(root);
}

/* Times of more directories than fit in memory's share, and of deep ones. */
TEST_USERNS(many_directories)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT, path = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;
	char name[64];

	for (unsigned int i = 0; i < 200; i++) {
		buf_addf(&path, "%sd", i ? "/" : "");
		snprintf(name, sizeof(name), "path=%s", path.p);
		char *pax = xasprintf("path=%s\n", path.p);
		ITEM(&a, .type = '5', .name = "x", .pax = pax, .mode = 0755, .mtime = 5000 + (long)i);
		free(pax);
	}
	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "many/directory-with-a-longer-name-%u", i);
		ITEM(&a, .type = '5', .name = name, .mode = 0755, .mtime = 1000 + (long)i);
	}
	ITEM(&a, .name = "many/directory-with-a-longer-name-3/file");
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	for (unsigned int i = 0; i < 20000; i += 999) {
		snprintf(name, sizeof(name), "many/directory-with-a-longer-name-%u", i);
		CHECK(!fstatat(root, name, &st, 0) && st.st_mtime == 1000 + (long)i);
	}
	CHECK(!fstatat(root, "many/directory-with-a-longer-name-3", &st, 0) && st.st_mtime == 1003);
	CHECK(!fstatat(root, "d/d/d", &st, 0) && st.st_mtime == 5002);
	buf_release(&a);
	buf_release(&path);
	close(root);
}
