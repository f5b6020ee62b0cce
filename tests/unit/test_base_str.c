/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_base_str.c - views, numbers, buffers, hex
 *
 * Every view handed to a parser ends at an unmapped page: one byte read too far is a crash.
 */
#include "unit.h"

#include "base/base64.h"
#include "base/str.h"

#include <ctype.h>

static struct span guard(const char *s)
{
	return (struct span){ guarded_str(s), strlen(s) };
}

TEST(span_equality)
{
	CHECK(span_eq(guard("abc"), guard("abc")));
	CHECK(!span_eq(guard("abc"), guard("abd")));
	CHECK(!span_eq(guard("abc"), guard("ab")));
	CHECK(span_eq(guard(""), guard("")));
	CHECK(span_eq((struct span){ NULL, 0 }, guard("")));
	CHECK(span_eqs(guard("host"), "host"));
	CHECK(!span_eqs(guard("host"), "hosts"));
	CHECK(!span_eqs(guard("hosts"), "host"));
	CHECK(span_caseeqs(guard("CoNtEnT"), "content"));
	CHECK(!span_caseeqs(guard("content"), "contents"));
	CHECK(span_starts(guard("sha256:00"), "sha256:"));
	CHECK(!span_starts(guard("sha25"), "sha256:"));
	CHECK(span_starts(guard(""), ""));
	CHECK_INT(span_of(NULL).n, 0);
}

TEST(span_search)
{
	CHECK_INT(span_chr(guard("a:b:c"), ':'), 1);
	CHECK_INT(span_rchr(guard("a:b:c"), ':'), 3);
	CHECK_INT(span_chr(guard("abc"), ':'), -1);
	CHECK_INT(span_rchr(guard("abc"), ':'), -1);
	CHECK_INT(span_chr(guard(""), ':'), -1);
	CHECK_INT(span_rchr(guard(""), ':'), -1);
	CHECK_INT(span_rchr(guard(":"), ':'), 0);
	CHECK_INT(span_chr(guard("ab:"), ':'), 2);
}

TEST(span_cut_splits)
{
	struct span a = guard("name:tag"), b = span_cut(&a, 4);

	CHECK_MEM(a.p, a.n, "name");
	CHECK_MEM(b.p, b.n, "tag");
	a = guard("x:");
	b = span_cut(&a, 1);
	CHECK_MEM(a.p, a.n, "x");
	CHECK_INT(b.n, 0);
}

static void tokens(const char *text, const char *want)
{
	struct span rest = guard(text), t;
	struct buf got = BUF_INIT;

	while (span_token(&rest, ',', &t))
		buf_addf(&got, "[%.*s]", (int)t.n, t.p);
	CHECK_STR(got.p, want);
	buf_release(&got);
}

TEST(span_token_keeps_empty_ones)
{
	tokens("a,b,c", "[a][b][c]");
	tokens("a,,c", "[a][][c]");
	tokens(",", "[][]");
	tokens("", "[]");
	tokens("a,", "[a][]");
}

TEST(span_trim_both_ends)
{
	struct span s = span_trim(guard(" \t a b\t "));

	CHECK_MEM(s.p, s.n, "a b");
	CHECK_INT(span_trim(guard("  \t")).n, 0);
	CHECK_INT(span_trim(guard("")).n, 0);
}

static void number(const char *text, unsigned int base, uint64_t max, bool ok, uint64_t want)
{
	uint64_t v = 4711;
	int rc = parse_u64_base(guard(text), base, max, &v);

	if (!CHECK_INT(rc, ok ? 0 : -1) || !CHECK_INT(v, ok ? want : 4711))
		printf("# the text was '%s', base %u\n", text, base);
}

TEST(parse_unsigned)
{
	number("0", 10, UINT64_MAX, true, 0);
	number("007", 10, UINT64_MAX, true, 7);
	number("18446744073709551615", 10, UINT64_MAX, true, UINT64_MAX);
	number("18446744073709551616", 10, UINT64_MAX, false, 0);
	number("99999999999999999999999999", 10, UINT64_MAX, false, 0);
	number("65535", 10, 65535, true, 65535);
	number("65536", 10, 65535, false, 0);
	number("", 10, UINT64_MAX, false, 0);
	number(" 1", 10, UINT64_MAX, false, 0);
	number("1 ", 10, UINT64_MAX, false, 0);
	number("+1", 10, UINT64_MAX, false, 0);
	number("-1", 10, UINT64_MAX, false, 0);
	number("0x10", 10, UINT64_MAX, false, 0);
	number("12a", 10, UINT64_MAX, false, 0);
	number("0755", 8, 07777, true, 0755);
	number("8", 8, 07777, false, 0);
	number("fF", 16, UINT64_MAX, true, 255);
	number("ffffffffffffffff", 16, UINT64_MAX, true, UINT64_MAX);
	number("10000000000000000", 16, UINT64_MAX, false, 0);
	number("g", 16, UINT64_MAX, false, 0);
}

static void integer(const char *text, int64_t min, int64_t max, bool ok, int64_t want)
{
	int64_t v = 4711;
	int rc = parse_i64(guard(text), min, max, &v);

	if (!CHECK_INT(rc, ok ? 0 : -1) || !CHECK_INT(v, ok ? want : 4711))
		printf("# the text was '%s'\n", text);
}

TEST(parse_signed)
{
	integer("-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN);
	integer("9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX);
	integer("9223372036854775808", INT64_MIN, INT64_MAX, false, 0);
	integer("-9223372036854775809", INT64_MIN, INT64_MAX, false, 0);
	integer("-1", 0, 10, false, 0);
	integer("-0", 0, 10, true, 0);
	integer("11", 0, 10, false, 0);
	integer("-", INT64_MIN, INT64_MAX, false, 0);
	integer("--1", INT64_MIN, INT64_MAX, false, 0);
	integer("", INT64_MIN, INT64_MAX, false, 0);
	integer("-1000", -1000, 1000, true, -1000);
}

static void size(const char *text, bool ok, int64_t want)
{
	int64_t v = 4711;
	int rc = parse_size(text, &v);

	if (!CHECK_INT(rc, ok ? 0 : -1) || !CHECK_INT(v, ok ? want : 4711))
		printf("# the text was '%s'\n", text);
}

TEST(parse_sizes_as_docker_takes_them)
{
	size("0", true, 0);
	size("2048", true, 2048);
	size("512b", true, 512);
	size("1k", true, 1024);
	size("1K", true, 1024);
	size("64m", true, 64 << 20);
	size("64mb", true, 64 << 20);
	size("64MiB", true, 64 << 20);
	size("1 g", true, 1 << 30);
	size("1.5g", true, 3LL << 29);
	size("0.5k", true, 512);
	size("2t", true, 2LL << 40);
	size("1p", true, 1LL << 50);
	size("", false, 0);
	size("m", false, 0);
	size("-1m", false, 0);
	size("1x", false, 0);
	size("1mm", false, 0);
	size("1m ", false, 0);
	size("1..5m", false, 0);
	size("9223372036854775807p", false, 0);
	size("99999999999999999999", false, 0);
}

TEST(buf_grows_and_stays_terminated)
{
	struct buf b = BUF_INIT;
	int i;

	CHECK_STR(b.p, "");
	for (i = 0; i < 10000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	CHECK_INT(b.n, 10000);
	CHECK_INT(strlen(b.p), 10000);
	CHECK(b.p[25] == 'z' && b.p[26] == 'a');
	buf_consume(&b, 9999);
	CHECK_INT(b.n, 1);
	CHECK_INT(b.p[1], 0);
	buf_reset(&b);
	CHECK_STR(b.p, "");
	buf_addf(&b, "%s=%d", "x", 42);
	CHECK_STR(b.p, "x=42");
	buf_add(&b, "a\0b", 3);
	CHECK_INT(b.n, 7);
	buf_release(&b);
	CHECK_STR(b.p, "");
	CHECK_INT(b.n, 0);
}

TEST(buf_detach_gives_a_string_even_when_empty)
{
	struct buf b = BUF_INIT;
	char *s = buf_detach(&b);

	CHECK_STR(s, "");
	free(s);
	buf_adds(&b, "text");
	s = buf_detach(&b);
	CHECK_STR(s, "text");
	CHECK_INT(b.n, 0);
	buf_adds(&b, "again");
	CHECK_STR(b.p, "again");
	buf_release(&b);
	free(s);
}

TEST(buf_room_then_add)
{
	struct buf b = BUF_INIT;
	char *at = buf_room(&b, 5);

	memcpy(at, "hello", 5);
	b.n += 5;
	b.p[b.n] = 0;
	CHECK_STR(b.p, "hello");
	buf_addf(&b, "%*s", 300, "!");
	CHECK_INT(b.n, 305);
	buf_release(&b);
}

TEST(hex_both_ways)
{
	char out[17];
	unsigned char back[8] = { 0 };
	static const unsigned char in[8] = { 0, 1, 0x7f, 0x80, 0xff, 0xab, 0xcd, 0xef };

	hex_encode(in, sizeof(in), out);
	CHECK_STR(out, "00017f80ffabcdef");
	CHECK_INT(hex_decode(guard(out), back), 0);
	CHECK(memcmp(in, back, sizeof(in)) == 0);
	CHECK_INT(hex_decode(guard("ABCDEF"), back), 0);
	CHECK_INT(back[0], 0xab);
	CHECK_INT(hex_decode(guard("abc"), back), -1);
	CHECK_INT(hex_decode(guard("zz"), back), -1);
	CHECK_INT(hex_decode(guard("0 "), back), -1);
}

TEST(is_hex64_is_strict)
{
	char id[66];

	memset(id, 'a', 64);
	id[64] = 0;
	CHECK(is_hex64(id));
	id[63] = 'A';
	CHECK(!is_hex64(id));
	id[63] = 'g';
	CHECK(!is_hex64(id));
	id[63] = 0;
	CHECK(!is_hex64(id));
	memset(id, '0', 65);
	id[65] = 0;
	CHECK(!is_hex64(id));
	CHECK(!is_hex64(""));
	CHECK(!is_hex64("../../../etc/passwd"));
}

TEST(random_ids)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];
	int i;

	for (i = 0; i < 1000; i++) {
		random_id(a);
		NEED(is_hex64(a));
		NEED(strspn(a, "0123456789") < 12);
	}
	random_id(b);
	CHECK(strcmp(a, b) != 0);
}

TEST(small_helpers)
{
	static const char *const list[] = { "a", "b", NULL };
	char *s = xasprintf("%s-%03d", "x", 7);

	CHECK(str_in("b", list));
	CHECK(!str_in("c", list));
	CHECK_STR(s, "x-007");
	CHECK(xstrdup(NULL) == NULL);
	free(s);
	s = span_dup(guard("abc"));
	CHECK_STR(s, "abc");
	free(s);
	s = span_dup((struct span){ NULL, 0 });
	CHECK_STR(s, "");
	free(s);
}

TEST(base64_both_ways)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"\xff\xfe\xfd", "__79"}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_buf struct buf text = BUF_INIT, back = BUF_INIT;

		base64_encode(span_of(cases[i].bytes), true, &text);
		CHECK_STR(text.p, cases[i].text);
		CHECK(!base64_decode(text.p, &back));
		CHECK_STR(back.p, cases[i].bytes);
	}
}

TEST(base64_of_strangers)
{
	cleanup_buf struct buf out = BUF_INIT;

	CHECK(!base64_decode("Zm9vYg", &out)); /* no padding */
	CHECK_STR(out.p, "foob");
	CHECK(base64_decode("Zm 9v", &out));
	CHECK(base64_decode("Zg==x", &out));
}
