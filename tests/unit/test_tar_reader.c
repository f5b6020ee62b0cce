/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_tar_reader.c - the tar reader: numbers, names, pax records, archives good and bad
 */
#include "archive.h"
#include "unit.h"

#include "storage/beneath.h"
#include "storage/pax.h"
#include "storage/tar.h"
#include "storage/tar_header.h"

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
