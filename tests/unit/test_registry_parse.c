/* SPDX-License-Identifier: MIT */
/* tests/unit/test_registry_parse.c - what registries send, parsed: URLs, heads, bodies, challenges */
#include "unit.h"

#include "registry/auth.h"
#include "registry/net_match.h"
#include "registry/reg_error.h"
#include "registry/response.h"
#include "registry/url.h"
#include "registry/useragent.h"

/* A view of a copy that ends at an unmapped page. */
static struct span at_guard(const char *s)
{
	return (struct span){guarded(s, strlen(s)), strlen(s)};
}

/* --- URLs --- */

TEST(url_parse)
{
	static const struct {
		const char *text, *host, *target;
		bool tls;
		int port;
	} good[] = {
		{"http://localhost", "localhost", "/", false, 80},
		{"https://Registry-1.Docker.IO/v2/", "registry-1.docker.io", "/v2/", true, 443},
		{"HTTPS://a:8443?x=1", "a", "/?x=1", true, 8443},
		{"http://[::1]:5000/a#frag", "::1", "/a", false, 5000},
		{"http://[fe80::1%25]/", "fe80::1%25", "/", false, 80},
		{"http://user:pass@h/x", "h", "/x", false, 80},
		{"http://a.b_c-d.e:65535/%20?q=\"x\"", "a.b_c-d.e", "/%20?q=\"x\"", false, 65535},
		{"http://h/\xc3\xa4", "h", "/%C3%A4", false, 80},
		{"http://h:/x", "h", "/x", false, 80},
	};
	static const char *const bad[] = {
		"", "http", "http:", "http://", "https:///x", "ftp://h/", "http://:80/", "http://h:0/",
		"http://h:65536/", "http://h:12x/", "http://h:+1/", "http://h/a b", "http://h/a\nb", "http://h\r/",
		"http://h/\x7f", "http://[::1/", "http://[::1]x/", "http://[h]/", "http://h<>/", "//h/x", "/x",
		"http://h/\x01",
	};
	struct err e = ERR_INIT;
	struct url u;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (!CHECK_OK(e, url_parse(at_guard(good[i].text), &u, &e)))
			continue;
		CHECK_STR(u.host, good[i].host);
		CHECK_STR(u.target, good[i].target);
		CHECK_INT(u.tls, good[i].tls);
		CHECK_INT(u.port, good[i].port);
		url_release(&u);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK(url_parse(at_guard(bad[i]), &u, &e) < 0))
			printf("  accepted: %s\n", bad[i]);
	CHECK(url_parse((struct span){"http://h/\0x", 11}, &u, &e) < 0);
}

TEST(url_long)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct url u;

	buf_adds(&b, "http://h/");
	while (b.n <= URL_MAX)
		buf_adds(&b, "aaaaaaaaaaaaaaaa");
	CHECK(url_parse((struct span){b.p, b.n}, &u, &e) < 0);
	buf_release(&b);
}

TEST(url_resolve)
{
	static const char *const cases[][3] = {
		{"http://h/a/b?q", "c", "http://h/a/c"},
		{"http://h/a/b?q", "/c/d", "http://h/c/d"},
		{"http://h/a/b?q", "?x=1", "http://h/a/b?x=1"},
		{"http://h/a/b?q", "", "http://h/a/b?q"},
		{"http://h/a/b", "../c", "http://h/c"},
		{"http://h/a/b/", "./../../../c/./d/..", "http://h/c/"},
		{"http://h/a", "//other:81/x", "http://other:81/x"},
		{"https://h:444/a", "//other/x", "https://other/x"},
		{"https://h:444/a", "b", "https://h:444/b"},
		{"https://h/a", "http://x/", "http://x/"},
		{"https://h/a", "b?u=http://x/", "https://h/b?u=http://x/"},
		{"https://[::1]:5/a", "b", "https://[::1]:5/b"},
	};
	static const char *const bad[] = {"ftp://x/", "javascript:alert(1)", "http:", "a b", "/a\r\nX: y"};
	struct err e = ERR_INIT;
	struct url base, u;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		NEED(!url_parse(span_of(cases[i][0]), &base, &e));
		if (CHECK_OK(e, url_resolve(&base, at_guard(cases[i][1]), &u, &e))) {
			char *text = url_text(&u);

			CHECK_STR(text, cases[i][2]);
			free(text);
			url_release(&u);
		}
		url_release(&base);
	}
	NEED(!url_parse(SPAN("https://h/"), &base, &e));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(url_resolve(&base, at_guard(bad[i]), &u, &e) < 0);
	url_release(&base);
}

TEST(url_escape_and_basic)
{
	struct buf b = BUF_INIT;
	char *s;

	url_add_escaped(&b, SPAN("a b/c:~-._"));
	CHECK_STR(b.p, "a%20b%2Fc%3A~-._");
	buf_release(&b);
	/* RFC 7617 section 2 */
	s = http_basic_authorization("Aladdin:open sesame");
	CHECK_STR(s, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	free(s);
	s = http_basic_authorization("a:bc");
	CHECK_STR(s, "Basic YTpiYw==");
	free(s);
	s = http_basic_authorization("");
	CHECK_STR(s, "Basic ");
	free(s);
}

/* --- addresses and proxies --- */

TEST(cidr)
{
	static const struct {
		const char *cidr, *host;
		bool in;
	} cases[] = {
		{"10.0.0.0/8", "10.1.2.3", true},	{"10.0.0.0/8", "11.0.0.1", false},
		{"10.1.2.0/23", "10.1.3.255", true},	{"10.1.2.0/23", "10.1.4.0", false},
		{"10.1.2.3", "10.1.2.3", true},		{"10.1.2.3/33", "10.1.2.3", false},
		{"0.0.0.0/0", "8.8.8.8", true},		{"::/0", "8.8.8.8", false},
		{"fd00::/8", "fd12::1", true},		{"fd00::/8", "fe80::1", false},
		{"::1/128", "::1", true},		{"127.0.0.0/8", "localhost", false},
		{"127.0.0.0/8", "::ffff:127.0.0.1", true}, {"", "1.2.3.4", false},
		{"10.0.0.0/x", "10.0.0.0", false},	{"10.0.0.0/", "10.0.0.0", false},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!CHECK(net_cidr_contains(at_guard(cases[i].cidr), cases[i].host) == cases[i].in))
			printf("  %s, %s\n", cases[i].cidr, cases[i].host);
	CHECK(net_is_loopback("127.1.2.3"));
	CHECK(net_is_loopback("::1"));
	CHECK(!net_is_loopback("128.0.0.1"));
}

TEST(proxy_choice)
{
	static const struct {
		const char *url, *no_proxy, *want;
	} cases[] = {
		{"http://a.example/", "", "http://plain:1"},
		{"https://a.example/", "", "http://secure:2"},
		{"https://localhost/", "", ""},
		{"http://127.0.0.9:5000/", "", ""},
		{"https://a.example/", "*", ""},
		{"https://a.example/", "example", ""},
		{"https://a.example/", "b.example, .EXAMPLE", ""},
		{"https://example/", ".example", "http://secure:2"},
		{"https://badexample/", "example", "http://secure:2"},
		{"https://a.example:8443/", "a.example:443", "http://secure:2"},
		{"https://a.example/", "a.example:443", ""},
		{"http://10.1.2.3/", "10.0.0.0/8", ""},
		{"http://10.1.2.3/", "10.1.2.4,10.1.2.3", ""},
	};
	struct http_settings s = {.http_proxy = "http://plain:1", .https_proxy = "http://secure:2"};
	struct err e = ERR_INIT;
	struct url u;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		s.no_proxy = cases[i].no_proxy;
		NEED(!url_parse(span_of(cases[i].url), &u, &e));
		if (!CHECK_STR(http_proxy_for(&s, &u), cases[i].want))
			printf("  %s without %s\n", cases[i].url, cases[i].no_proxy);
		url_release(&u);
	}
}

/* --- heads --- */

TEST(head_parse)
{
	static const char text[] = "HTTP/1.1 404 Not Found\r\nServer: x\r\nX-Two:  a \r\nx-two:b\r\n"
				   "Connection: keep-alive, Close\r\nEmpty:\r\n\r\nbody";
	struct response_head h;
	struct err e = ERR_INIT;

	NEED(CHECK_OK(e, response_head_parse(at_guard(text), &h, &e)));
	CHECK_INT(h.status, 404);
	CHECK_INT(h.minor, 1);
	CHECK_MEM(h.reason.p, h.reason.n, "Not Found");
	CHECK(span_eqs(response_field(&h, "X-TWO", 0), "a"));
	CHECK(span_eqs(response_field(&h, "X-TWO", 1), "b"));
	CHECK(!response_field(&h, "X-TWO", 2).p);
	CHECK(!response_field(&h, "X-Tw", 0).p);
	CHECK(response_field(&h, "Empty", 0).p && !response_field(&h, "Empty", 0).n);
	CHECK(response_has_token(&h, "connection", "close"));
	CHECK(!response_has_token(&h, "connection", "clos"));
	NEED(CHECK_OK(e, response_head_parse(at_guard("HTTP/1.0 200\n\n"), &h, &e)));
	CHECK_INT(h.minor, 0);
	CHECK_INT(h.reason.n, 0);
}

TEST(head_refused)
{
	static const char *const bad[] = {
		"", "\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK", "HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\na b: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : x\r\n\r\n", "HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: x\ry\r\n\r\n", "SSH-2.0-OpenSSH\r\n",
	};
	struct response_head h;
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK(response_head_parse(at_guard(bad[i]), &h, &e) < 0))
			printf("  accepted %zu: %s\n", i, bad[i]);
	CHECK(response_head_parse((struct span){"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 24}, &h, &e) < 0);
}

TEST(framing)
{
	static const struct {
		const char *head;
		bool no_body;
		int framing; /* -1: refused */
		int64_t length;
		bool keep;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, 5, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, BODY_NONE, 5, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", false, BODY_LENGTH, 5, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", false, BODY_LENGTH, INT64_MAX, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, BODY_CHUNKED, -1, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\nContent-Length: 3\r\n\r\n", false, BODY_CHUNKED, -1, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", false, -1, 0, false},
		{"HTTP/1.1 200 OK\r\n\r\n", false, BODY_UNTIL_CLOSE, -1, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, 5, false},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, 5, false},
		{"HTTP/1.1 204 No Content\r\n\r\n", false, BODY_NONE, -1, true},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, BODY_NONE, -1, true},
	};
	struct response_head h;
	struct response_body b;
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		NEED(CHECK_OK(e, response_head_parse(at_guard(cases[i].head), &h, &e)));
		if (response_framing(&h, cases[i].no_body, &b, &e)) {
			CHECK_INT(-1, cases[i].framing);
			continue;
		}
		if (!CHECK_INT(b.framing, cases[i].framing))
			printf("  %s\n", cases[i].head);
		CHECK_INT(b.length, cases[i].length);
		CHECK_INT(b.keep_alive, cases[i].keep);
	}
}

TEST(content_range)
{
	static const char *const bad[] = {
		"", "bytes", "bytes ", "bytes 1-2", "bytes 2-1/3", "bytes 0-3/3", "bytes -1/3", "bytes 0-1/", "items 0-1/2",
		"bytes a-b/c", "bytes 0-1/2/3",
	};
	int64_t first, last, total;
	size_t i;

	CHECK(!response_content_range(at_guard("bytes 10-19/20"), &first, &last, &total));
	CHECK(first == 10 && last == 19 && total == 20);
	CHECK(!response_content_range(at_guard("Bytes 0-0/*"), &first, &last, &total));
	CHECK(first == 0 && last == 0 && total == -1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(response_content_range(at_guard(bad[i]), &first, &last, &total) < 0);
}

TEST(upload_range)
{
	static const char *const bad[] = {"", "-", "0", "0-", "-5", "1-5", "0-5/6", "0--5", "0-x", "bytes=", "bytes 0-5",
		"0-9223372036854775807", "0-99999999999999999999"};
	size_t i;

	CHECK_INT(response_upload_range(at_guard("0-1023")), 1024);
	CHECK_INT(response_upload_range(at_guard("bytes=0-9")), 10);
	CHECK_INT(response_upload_range(at_guard("0-9223372036854775806")), INT64_MAX);
	CHECK_INT(response_upload_range(at_guard("0-0")), 0);
	CHECK_INT(response_upload_range((struct span){NULL, 0}), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(response_upload_range(at_guard(bad[i])), -1);
}

/* --- chunks --- */

/* Decode @text fed in pieces of @step bytes; the body goes to @out. 0, 1: not ended yet, -1. */
static int decode(const char *text, size_t step, struct buf *out, size_t *left_over)
{
	struct response_chunks c = RESPONSE_CHUNKS_INIT;
	size_t n = strlen(text), at = 0, used;
	struct err e = ERR_INIT;
	struct span data;

	buf_reset(out);
	while (at < n && c.state != CHUNK_DONE) {
		size_t piece = n - at < step ? n - at : step;
		struct span in = {guarded(text + at, piece), piece};

		if (response_chunks_feed(&c, in, &used, &data, &e))
			return -1;
		if (used > piece || (!used && piece))
			return -2;
		buf_add(out, data.p, data.n);
		at += used;
	}
	*left_over = n - at;
	return c.state == CHUNK_DONE ? 0 : 1;
}

TEST(chunks)
{
	static const char good[] = "5\r\nhello\r\n1;ext=\"a\"\r\n,\r\n0006 \r\n world\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1";
	static const char *const bad[] = {
		"\r\n", ";x\r\n", "g\r\n", "-1\r\n", "5\r\nhelloX\r\n", "5\r\nhello\rX", "10000000000000000\r\n",
	};
	struct buf out = BUF_INIT;
	size_t step, left, i;

	for (step = 1; step < 20; step++) {
		CHECK_INT(decode(good, step, &out, &left), 0);
		CHECK_STR(out.p, "hello, world");
		CHECK_INT(left, 8);
	}
	CHECK_INT(decode("0\r\n\r\n", 1, &out, &left), 0);
	CHECK_INT(decode("3\nabc\n0\n\n", 2, &out, &left), 0);
	CHECK_STR(out.p, "abc");
	CHECK_INT(decode("5\r\nhel", 100, &out, &left), 1);
	CHECK_INT(decode("0\r\nA: b\r\n", 100, &out, &left), 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK_INT(decode(bad[i], 3, &out, &left), -1))
			printf("  accepted: %s\n", bad[i]);
	buf_release(&out);
}

TEST(chunk_lines_are_bounded)
{
	struct response_chunks c = RESPONSE_CHUNKS_INIT;
	struct err e = ERR_INIT;
	struct span data;
	size_t used, total = 0;
	char filler[4096];
	int rc;

	memset(filler, 'x', sizeof(filler));
	NEED(!response_chunks_feed(&c, SPAN("5;"), &used, &data, &e));
	do {
		rc = response_chunks_feed(&c, (struct span){filler, sizeof(filler)}, &used, &data, &e);
		total += used;
	} while (!rc && total < 10 << 20);
	CHECK(rc < 0);

	c = (struct response_chunks)RESPONSE_CHUNKS_INIT;
	NEED(!response_chunks_feed(&c, SPAN("0\r\nA: "), &used, &data, &e));
	total = 0;
	do {
		rc = response_chunks_feed(&c, (struct span){filler, sizeof(filler)}, &used, &data, &e);
		total += used;
	} while (!rc && total < 10 << 20);
	CHECK(rc < 0);
}

/* --- challenges --- */

TEST(challenges)
{
	struct auth_challenge c;
	struct span s = at_guard("Bearer realm=\"https://auth.example/token\",service=\"a \\\"b\\\"\", "
		"scope=\"repository:x/y:pull,push\",error=\"insufficient_scope\"");

	NEED(auth_challenge_next(&s, &c));
	CHECK_INT(c.scheme, AUTH_BEARER);
	CHECK_STR(c.realm, "https://auth.example/token");
	CHECK_STR(c.service, "a \"b\"");
	CHECK_STR(c.scope, "repository:x/y:pull,push");
	CHECK_STR(c.error, "insufficient_scope");
	CHECK(!auth_challenge_next(&s, &(struct auth_challenge){0}));
	auth_challenge_release(&c);

	s = at_guard("Negotiate, BASIC realm=x, unknown=1 , Bearer realm=http://h/t?x=y,service=z");
	NEED(auth_challenge_next(&s, &c));
	CHECK_INT(c.scheme, AUTH_OTHER);
	auth_challenge_release(&c);
	NEED(auth_challenge_next(&s, &c));
	CHECK_INT(c.scheme, AUTH_BASIC);
	CHECK_STR(c.realm, "x");
	auth_challenge_release(&c);
	NEED(auth_challenge_next(&s, &c));
	CHECK_INT(c.scheme, AUTH_BEARER);
	CHECK_STR(c.realm, "http://h/t?x=y");
	CHECK_STR(c.service, "z");
	auth_challenge_release(&c);
}

TEST(challenges_odd)
{
	static const char *const odd[] = {
		"", ",", " ,, ", "\"", "=", "Bearer", "Bearer ", "Bearer realm", "Bearer realm=", "Bearer realm=\"",
		"Bearer realm=\"x", "Bearer realm=\"x\\", "Bearer =x", "Bearer realm==x", "Basic abc==", "Bearer realm=\"x\"y",
		"Bearer realm=\"a\" realm=\"b\"", "\x01\x02", "Bearer \xff=\xff",
	};
	struct auth_challenge c;
	size_t i, rounds;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		struct span s = at_guard(odd[i]);

		for (rounds = 0; auth_challenge_next(&s, &c); rounds++) {
			auth_challenge_release(&c);
			NEED(rounds < 100);
		}
		auth_challenge_release(&c);
	}
}

/* --- refusals --- */

static void refusal(const char *head, const char *body, int kind, const char *want)
{
	struct response_head h;
	struct err e = ERR_INIT;

	NEED(CHECK_OK(e, response_head_parse(at_guard(head), &h, &e)));
	CHECK_INT(reg_error_parse(&h, at_guard(body), &e), -1);
	CHECK_STR(e.msg, want);
	CHECK_INT(e.kind, kind);
}

TEST(refusals)
{
	static const char not_found[] = "HTTP/1.1 404 Not Found\r\n\r\n", denied[] = "HTTP/1.1 403 Forbidden\r\n\r\n";

	refusal(not_found, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\"detail\":{}}]}",
		ERR_NOT_FOUND, "manifest unknown: manifest unknown");
	refusal(not_found, "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}", ERR_NOT_FOUND,
		"name unknown: repository name not known to registry");
	refusal(not_found, "{\"errors\":[{\"code\":\"SOMETHING\",\"message\":\"else\"}]}", ERR_FAILED, "unknown: else");
	refusal(not_found, "{\"errors\":[]}", ERR_FAILED, "unknown: {\"errors\":[]}");
	refusal(not_found, "", ERR_FAILED, "unknown: HTTP 404 Not Found");
	refusal(not_found, "<html>\n</html>\n", ERR_FAILED, "unknown: <html> </html>");
	refusal(denied, "go \x1b[31maway", ERR_FORBIDDEN, "denied: go ?[31maway");
	refusal("HTTP/1.1 401 Unauthorized\r\n\r\n", "{\"details\":\"incorrect username or password\"}", ERR_UNAUTHORIZED,
		"unauthorized: incorrect username or password");
	refusal("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"x\",error=\"insufficient_scope\"\r\n\r\n",
		"{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}", ERR_FORBIDDEN, "denied: requested access to the resource is denied");
	refusal("HTTP/1.1 429 Too Many Requests\r\n\r\n", "slow down", ERR_FAILED, "toomanyrequests: slow down");
	refusal("HTTP/1.1 500 Internal Server Error\r\n\r\n", "{\"errors\":[{\"code\":\"DENIED\"}]}", ERR_FAILED,
		"received unexpected HTTP status: 500 Internal Server Error");
}

