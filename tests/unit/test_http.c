/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_http.c - request heads, targets and chunked bodies, each ending at an unmapped page
 */
#include "unit.h"

#include "api/http_head.h"

static ssize_t parse(const char *text, struct http_head *h)
{
	size_t n = strlen(text);

	return http_head_parse(guarded(text, n), n, h);
}

TEST(head_of_a_request)
{
	static const char text[] = "POST /v1.51/x?a=b HTTP/1.1\r\nHost: d\r\ncontent-length: 12\r\n"
				   "Content-Type:\tapplication/json \r\n\r\n";
	struct http_head h;

	CHECK_INT(parse(text, &h), (int)sizeof(text) - 1);
	CHECK_MEM(h.method.p, h.method.n, "POST");
	CHECK_MEM(h.target.p, h.target.n, "/v1.51/x?a=b");
	CHECK_MEM(h.content_type.p, h.content_type.n, "application/json");
	CHECK_INT(h.length, 12);
	CHECK(h.keep_alive);
	CHECK(!h.chunked);
}

TEST(head_that_is_not_all_there)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: d\r\n\r\n";
	struct http_head h;
	size_t n;

	for (n = 0; n < sizeof(text) - 1; n++)
		CHECK_INT(http_head_parse(guarded(text, n), n, &h), HTTP_INCOMPLETE);
	CHECK_INT(parse(text, &h), (int)n);
}

TEST(heads_refused)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{"GET /\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nno colon\r\n\r\n", HTTP_BAD},
		{"G@T / HTTP/1.1\r\nHost: d\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/2.0\r\nHost: d\r\n\r\n", HTTP_BAD_VERSION},
		{"GET / HTTP/1.1\r\n\r\n", HTTP_NO_HOST},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP_BAD_HOST},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HTTP_BAD_HOST},
		{"GET / HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999999999999\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
			HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: gzip\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost : d\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\n folded: x\r\n\r\n", HTTP_BAD},
		{"GET / HTTP/1.1\r\nHost: d\r\nX: a\x01z\r\n\r\n", HTTP_BAD},
		{"GET /a\tb HTTP/1.1\r\nHost: d\r\n\r\n", HTTP_BAD},
	};
	struct http_head h;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(parse(cases[i].text, &h), cases[i].want);
}

TEST(head_with_too_many_headers)
{
	struct buf b = BUF_INIT;
	struct http_head h;
	int i;

	buf_adds(&b, "GET / HTTP/1.1\r\nHost: d\r\n");
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		buf_addf(&b, "X-%d: 1\r\n", i);
	buf_adds(&b, "\r\n");
	CHECK_INT(parse(b.p, &h), HTTP_BAD);
	buf_release(&b);
}

TEST(percent_decoding)
{
	struct span bad;
	char *s = http_decode(SPAN("a%20b+c%2F"), true, &bad);

	CHECK_STR(s, "a b c/");
	free(s);
	s = http_decode(SPAN("a+b"), false, &bad);
	CHECK_STR(s, "a+b");
	free(s);
	CHECK(!http_decode(SPAN("x%zz"), true, &bad));
	CHECK_MEM(bad.p, bad.n, "%zz");
	CHECK(!http_decode(SPAN("x%4"), true, &bad));
	CHECK_MEM(bad.p, bad.n, "%4");
	CHECK(!http_decode(SPAN("%00"), true, &bad));
}

/* Feed a chunked body byte by byte; the data, or NULL if it is malformed. */
static char *dechunk(const char *text, bool *done)
{
	struct http_chunks c = {CHUNK_SIZE, 0};
	struct buf in = BUF_INIT, out = BUF_INIT;
	ssize_t n = 0;

	for (; *text && n >= 0; text++) {
		buf_addc(&in, *text);
		for (;;) {
			if (c.state == CHUNK_DATA && c.left && in.n) {
				buf_addc(&out, in.p[0]);
				buf_consume(&in, 1);
				c.left--;
				continue;
			}
			n = http_chunks_step(&c, in.p, in.n);
			if (n <= 0)
				break;
			buf_consume(&in, (size_t)n);
		}
	}
	*done = c.state == CHUNK_DONE;
	buf_release(&in);
	if (n >= 0)
		return buf_detach(&out);
	buf_release(&out);
	return NULL;
}

TEST(chunked_bodies)
{
	static const struct {
		const char *text, *want;
		bool done;
	} cases[] = {
		{"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde", true},
		{"0\r\nTrailer: 1\r\n\r\n", "", true},
		{"A\r\n0123456789\r\n0\r\n\r\n", "0123456789", true},
		{"3\r\nab", "ab", false},
		{"3\r\nabcd\r\n", NULL, false},
		{"x\r\n", NULL, false},
		{"-1\r\n", NULL, false},
		{"ffffffffffffffff\r\n", NULL, false},
		{"\r\n", NULL, false},
	};
	bool done;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char *got = dechunk(cases[i].text, &done);

		CHECK_STR(got, cases[i].want);
		CHECK(done == cases[i].done);
		free(got);
	}
}
