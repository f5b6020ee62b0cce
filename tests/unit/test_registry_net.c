/* SPDX-License-Identifier: MIT */
/* tests/unit/test_registry_net.c - talking to registries that stall, break off, lie and redirect */
#include "registry_server.h"

#include "base/clock.h"
#include "base/sha256.h"
#include "registry/registry.h"

#include <errno.h>
#include <sys/mman.h>

#define BLOB_SIZE 300000
#define OK "HTTP/1.1 200 OK\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define PING {"GET /v2/ ", OK EMPTY, KEEP, 0, NULL}

static char blob[BLOB_SIZE + 1], digest[DIGEST_MAX], blob_path[256];

/* A blob of printable bytes, as replies are C strings here. */
__attribute__((constructor)) static void make_blob(void)
{
	size_t i;

	for (i = 0; i < BLOB_SIZE; i++)
		blob[i] = (char)('!' + i * 7919 % 90);
	sha256_digest_of(blob, BLOB_SIZE, digest);
	snprintf(blob_path, sizeof(blob_path), "GET /v2/a/b/blobs/%s ", digest);
}

/* --- asking --- */

static struct registry *open_registry(const char *host, const char *config, const char *auth)
{
	struct err e = ERR_INIT;
	json_t *c = json_parse(config, strlen(config), &e), *a = NULL;
	struct registry_config rc;
	struct registry *r;

	if (auth)
		a = json_parse(auth, strlen(auth), &e);
	json_object_set_new(c, "retry_delay_ms", json_integer(1));
	registry_config_init(&rc, c, a);
	r = registry_open(host, &rc, &e);
	CHECK_OK(e, r ? 0 : -1);
	json_decref(c);
	json_decref(a);
	return r;
}

static int patience_ms = 30000; /* less where a server is to stall */

static struct registry *open_plain(const struct server *s)
{
	cleanup_free char *config = xasprintf("{\"stall_timeout_ms\": %d, \"max-download-attempts\": 3}", patience_ms);

	return open_registry(s->address, config, NULL);
}

struct fetched {
	int rc;
	struct err e;
	int64_t size; /* that came out */
	bool right;   /* and is the blob */
	int retries;
};

static void count_retry(void *arg, int seconds)
{
	++*(int *)arg;
}

static struct fetched fetch(struct registry *r, int64_t size)
{
	struct fetched f = {.e = ERR_INIT};
	const struct blob_watch watch = {NULL, count_retry, &f.retries};
	int fd = memfd_create("blob", MFD_CLOEXEC);
	char got[DIGEST_MAX], *p;

	f.rc = registry_blob(r, "a/b", digest, size, fd, -1, &watch, &f.e);
	f.size = lseek(fd, 0, SEEK_END);
	p = xmalloc((size_t)f.size + 1);
	if (pread(fd, p, (size_t)f.size, 0) == f.size) {
		sha256_digest_of(p, (size_t)f.size, got);
		f.right = !strcmp(got, digest);
	}
	free(p);
	close(fd);
	return f;
}

/* One blob from a server with these steps. */
#define FETCH(...)                                                           \
	({                                                                   \
		struct step steps_[] = {PING, __VA_ARGS__};                  \
		fetch_with(steps_, ARRAY_SIZE(steps_), BLOB_SIZE, &server_); \
	})

static struct server server_; /* of the last FETCH: its log */

static struct fetched fetch_with(struct step *steps, size_t n, int64_t size, struct server *s)
{
	struct registry *r;
	struct fetched f;

	server_start(s, steps, n, NULL);
	r = open_plain(s);
	f = fetch(r, size);
	registry_close(r);
	return f;
}

/* Replies are kept till the process ends. */
static const char *keep(char *text)
{
	static struct kept {
		struct kept *next;
		char *text;
	} *kept;
	struct kept *k = xcalloc(1, sizeof(*k));

	*k = (struct kept){kept, text};
	kept = k;
	return text;
}

/* "200 OK\r\nName: value\r\n" and a body of any length. */
static const char *answer(const char *head, const char *body)
{
	return keep(xasprintf("HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", head, strlen(body), body));
}

static const char *whole(void)
{
	return answer("200 OK\r\n", blob);
}


/* Head of the whole, body cut off after @n bytes. */
static const char *cut(int n)
{
	return keep(xasprintf(OK "Content-Length: %d\r\n\r\n%.*s", BLOB_SIZE, n, blob));
}

static const char *range(int first, int n)
{
	return keep(xasprintf("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n%.*s",
		first, BLOB_SIZE - 1, BLOB_SIZE, BLOB_SIZE - first, n, blob + first));
}

#define RIGHT(f) (CHECK_OK((f).e, (f).rc), CHECK((f).right))
#define WRONG(f, text)                            \
	(CHECK_INT((f).rc, -1), strstr((f).e.msg, text) ? (void)0 : (void)CHECK_STR((f).e.msg, text))

/* --- blobs --- */

TEST(blob)
{
	struct fetched f = FETCH({blob_path, whole(), KEEP, 0, NULL});

	RIGHT(f);
	CHECK_INT(f.retries, 0);
	CHECK_INT(server_count(&server_, "User-Agent: docker/"), 2);
	server_stop(&server_);
}

TEST(blob_resumes)
{
	static const enum after ends[] = {CLOSE, RESET, STALL};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		struct fetched f;

		patience_ms = ends[i] == STALL ? 2000 : 30000;
		/* A reset may overtake the last bytes: how many arrived is for the client to say. */
		f = FETCH({blob_path, range(1000, BLOB_SIZE), KEEP, 0, "Range: bytes=1000-\r\n"},
			{blob_path, whole(), KEEP, 0, "Range: "}, {blob_path, cut(1000), ends[i], 1, NULL},
			{blob_path, whole(), KEEP, 0, NULL});

		RIGHT(f);
		CHECK_INT(f.retries, 1);
		CHECK_INT(server_count(&server_, blob_path), 2);
		if (ends[i] != RESET)
			CHECK_INT(server_count(&server_, "Range: bytes=1000-\r\n"), 1);
		server_stop(&server_);
	}
	patience_ms = 30000;
}

TEST(blob_resumes_without_ranges)
{
	struct fetched f = FETCH({blob_path, cut(1000), CLOSE, 1, NULL}, {blob_path, cut(123456), CLOSE, 1, NULL},
		{blob_path, whole(), KEEP, 1, "Range: bytes=123456-\r\n"});

	RIGHT(f);
	CHECK_INT(f.retries, 2);
	server_stop(&server_);
}

TEST(blob_attempts_are_bounded)
{
	struct fetched f = FETCH({blob_path, cut(1000), CLOSE, 0, NULL});

	WRONG(f, "unexpected EOF");
	CHECK_INT(f.retries, 2);
	CHECK_INT(server_count(&server_, blob_path), 3);
	CHECK(strstr(f.e.msg, "127.0.0.1"));
	server_stop(&server_);
	patience_ms = 300;
	f = FETCH({blob_path, NULL, STALL, 0, NULL});
	patience_ms = 30000;
	WRONG(f, "i/o timeout: not a byte for 0.3 seconds");
	server_stop(&server_);
}

TEST(blob_of_a_server_in_trouble)
{
	struct fetched f = FETCH({blob_path, "HTTP/1.1 500 Internal Server Error\r\n" EMPTY, KEEP, 2, NULL},
		{blob_path, whole(), KEEP, 0, NULL});

	RIGHT(f);
	CHECK_INT(f.retries, 2);
	server_stop(&server_);
	f = FETCH({blob_path, "HTTP/1.1 503 Service Unavailable\r\n" EMPTY, KEEP, 0, NULL});
	WRONG(f, "received unexpected HTTP status: 503 Service Unavailable");
	server_stop(&server_);
	f = FETCH({blob_path, "HTTP/1.1 403 Forbidden\r\n" EMPTY, KEEP, 0, NULL});
	WRONG(f, "denied: ");
	CHECK_INT(f.retries, 0);
	CHECK_INT(f.e.kind, ERR_FORBIDDEN);
	server_stop(&server_);
	f = FETCH({blob_path, "HTTP/1.1 404 Not Found\r\n" EMPTY, KEEP, 0, NULL});
	WRONG(f, "unknown blob: 127.0.0.1:");
	CHECK(strstr(f.e.msg, " has no sha256:"));
	CHECK_INT(f.retries, 0);
	server_stop(&server_);
}

TEST(blob_that_is_not_what_it_should_be)
{
	char *bad = xstrdup(blob);
	struct fetched f;

	bad[200000] ^= 1;
	f = FETCH({blob_path, answer("200 OK\r\n", bad), KEEP, 0, NULL});
	WRONG(f, "filesystem layer verification failed for digest sha256:");
	CHECK_INT(f.retries, 0);
	CHECK(!f.right);
	server_stop(&server_);
	f = FETCH({blob_path, keep(xasprintf(OK "Content-Length: %d\r\n\r\n%sxx", BLOB_SIZE + 2, blob)), KEEP, 0, NULL});
	WRONG(f, "has 300002 bytes where the manifest promises 300000");
	CHECK_INT(f.size, 0);
	server_stop(&server_);
	f = FETCH({blob_path, keep(xasprintf(OK "\r\n%sxx", blob)), CLOSE, 0, NULL});
	WRONG(f, "is longer than the 300000 bytes");
	CHECK(f.size <= BLOB_SIZE);
	server_stop(&server_);
	f = FETCH({blob_path, OK "Content-Length: 5\r\n\r\nshort", KEEP, 0, NULL});
	WRONG(f, "has 5 bytes where the manifest promises 300000");
	server_stop(&server_);
	f = FETCH({blob_path, OK "\r\nshort", CLOSE, 0, NULL});
	WRONG(f, "got ");
	server_stop(&server_);
	free(bad);
}

TEST(blob_ranges_that_lie)
{
	struct fetched f = FETCH({blob_path, range(999, BLOB_SIZE), KEEP, 0, "Range: "},
		{blob_path, cut(1000), CLOSE, 1, NULL});

	WRONG(f, "received Content-Range starting at offset 999 instead of requested 1000");
	server_stop(&server_);
	f = FETCH({blob_path, "HTTP/1.1 206 Partial Content\r\n" EMPTY, KEEP, 0, "Range: "},
		{blob_path, cut(1000), CLOSE, 1, NULL});
	WRONG(f, "no usable Content-Range");
	server_stop(&server_);
	f = FETCH({blob_path, "HTTP/1.1 416 Range Not Satisfiable\r\n" EMPTY, KEEP, 0, "Range: "},
		{blob_path, cut(1000), CLOSE, 1, NULL});
	WRONG(f, "HTTP 416");
	CHECK_INT(f.retries, 1);
	server_stop(&server_);
}

TEST(blob_framings)
{
	struct buf chunked = BUF_INIT;
	struct fetched f;
	int at;

	buf_adds(&chunked, OK "Transfer-Encoding: chunked\r\n\r\n");
	for (at = 0; at < BLOB_SIZE; at += 7000)
		buf_addf(&chunked, "%x;a=b\r\n%.*s\r\n", BLOB_SIZE - at < 7000 ? BLOB_SIZE - at : 7000, 7000, blob + at);
	buf_adds(&chunked, "0\r\nT: x\r\n\r\n");
	f = FETCH({blob_path, chunked.p, KEEP, 0, NULL});
	RIGHT(f);
	server_stop(&server_);
	f = FETCH({blob_path, keep(xasprintf(OK "\r\n%s", blob)), CLOSE, 0, NULL});
	RIGHT(f);
	server_stop(&server_);
	f = FETCH({blob_path, keep(xasprintf("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n%s", whole())),
		KEEP, 0, NULL});
	RIGHT(f);
	server_stop(&server_);
	f = FETCH({blob_path, OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n", KEEP, 0, NULL});
	WRONG(f, "malformed chunked encoding");
	server_stop(&server_);
	buf_release(&chunked);
}

TEST(blob_to_nobody)
{
	struct step steps[] = {PING, {blob_path, whole(), KEEP, 0, NULL}};
	struct err e = ERR_INIT;
	struct registry *r;
	struct server s;
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	server_start(&s, steps, 2, NULL);
	r = open_plain(&s);
	NEED(!pipe(p));
	close(p[0]);
	CHECK(registry_blob(r, "a/b", digest, BLOB_SIZE, p[1], -1, NULL, &e) < 0);
	CHECK_INT(e.code, EPIPE);
	CHECK_INT(server_count(&s, blob_path), 1);
	close(p[1]);
	registry_close(r);
	server_stop(&s);
}

TEST(blob_into_memory)
{
	struct step steps[] = {PING, {blob_path, whole(), KEEP, 0, NULL}};
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	struct registry *r;
	struct server s;

	server_start(&s, steps, 2, NULL);
	r = open_plain(&s);
	CHECK_OK(e, registry_blob_read(r, "a/b", digest, BLOB_SIZE, BLOB_SIZE, &out, &e));
	CHECK_STR(out.p, blob);
	CHECK(registry_blob_read(r, "a/b", digest, BLOB_SIZE, BLOB_SIZE - 1, &out, &e) < 0);
	CHECK_INT(server_count(&s, blob_path), 1);
	CHECK(registry_blob_read(r, "a/b", "sha256:../../x", 5, 10, &out, &e) < 0);
	buf_release(&out);
	registry_close(r);
	server_stop(&s);
}

/* --- heads and redirects --- */

TEST(answers_that_are_no_http)
{
	static const char *const replies[] = {"garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(replies); i++) {
		struct fetched f = FETCH({blob_path, replies[i], CLOSE, 0, NULL});

		CHECK_INT(f.rc, -1);
		CHECK_INT(f.size, 0);
		server_stop(&server_);
	}
}

TEST(headers_without_end)
{
	struct buf reply = BUF_INIT;
	struct fetched f;

	buf_adds(&reply, OK);
	while (reply.n < 200000)
		buf_adds(&reply, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	f = FETCH({blob_path, reply.p, STALL, 0, NULL});
	WRONG(f, "server response headers exceeded 65536 bytes; aborted");
	server_stop(&server_);
	buf_reset(&reply);
	buf_adds(&reply, OK "X: ");
	while (reply.n < 200000)
		buf_addc(&reply, 'x');
	f = FETCH({blob_path, reply.p, STALL, 0, NULL});
	WRONG(f, "server response headers exceeded");
	server_stop(&server_);
	buf_release(&reply);
}

TEST(redirects)
{
	static const char *const bad[][2] = {
		{"HTTP/1.1 302 Found\r\nLocation: /v2/a/b/blobs/loop\r\n" EMPTY, "stopped after 10 redirects"},
		{"HTTP/1.1 302 Found\r\n" EMPTY, "302 response missing Location header"},
		{"HTTP/1.1 307 Temporary Redirect\r\nLocation: ftp://h/x\r\n" EMPTY, "unsupported protocol scheme"},
		{"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/x?signature=s\r\n" EMPTY,
			"connection refused"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fetched f = FETCH({blob_path, bad[i][0], KEEP, 0, NULL},
			{"GET /v2/a/b/blobs/loop ", bad[0][0], KEEP, 0, NULL});

		WRONG(f, bad[i][1]);
		server_stop(&server_);
	}
}

TEST(redirects_do_not_carry_credentials)
{
	struct step there_steps[] = {{"GET /blob?x=1 ", whole(), KEEP, 0, NULL}};
	struct server here, there;
	struct registry *r;
	struct fetched f;

	server_start(&there, there_steps, 1, NULL);
	{
		struct step steps[] = {
			{"GET /v2/ ", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n" EMPTY, KEEP, 0, NULL},
			{blob_path, keep(xasprintf("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%s/blob?x=1\r\n"
				EMPTY, there.address)), KEEP, 0, "Authorization: Basic dTpw\r\n"},
		};

		server_start(&here, steps, 2, NULL);
		r = open_registry(here.address, "{}", "{\"username\":\"u\",\"password\":\"p\"}");
		f = fetch(r, BLOB_SIZE);
		RIGHT(f);
		CHECK_INT(server_count(&there, "GET /blob"), 1);
		CHECK_INT(server_count(&there, "Authorization"), 0);
		registry_close(r);
		server_stop(&here);
	}
	server_stop(&there);
}

/* --- connections --- */

TEST(connections_are_kept)
{
	struct step steps[] = {PING, {blob_path, whole(), KEEP, 0, NULL},
		{"HEAD /v2/a/b/manifests/1 ", OK "Content-Length: 77\r\n\r\n", KEEP, 0, NULL}};
	char found[DIGEST_MAX];
	struct err e = ERR_INIT;
	struct registry *r;
	struct server s;
	int i;

	server_start(&s, steps, 3, NULL);
	r = open_plain(&s);
	for (i = 0; i < 5; i++) {
		struct fetched f = fetch(r, BLOB_SIZE);

		RIGHT(f);
		CHECK_OK(e, registry_digest(r, "a/b", "1", found, &e));
		CHECK_STR(found, "");
	}
	CHECK_INT(s.connections, 2); /* one of them was the attempt at TLS */
	registry_close(r);
	server_stop(&s);
}

/* A server may close a kept connection at any time, also while we ask on it. */
TEST(kept_connections_that_died)
{
	struct step steps[] = {PING, {"HEAD /v2/a/b/manifests/1 ", NULL, RESET, 1, NULL},
		{"HEAD /v2/a/b/manifests/1 ", OK EMPTY, CLOSE, 0, NULL}};
	char found[DIGEST_MAX];
	struct err e = ERR_INIT;
	struct registry *r;
	struct server s;

	server_start(&s, steps, 3, NULL);
	r = open_plain(&s);
	CHECK_OK(e, registry_digest(r, "a/b", "1", found, &e));
	CHECK_OK(e, registry_digest(r, "a/b", "1", found, &e));
	CHECK_INT(server_count(&s, "HEAD "), 3);
	registry_close(r);
	server_stop(&s);
}

TEST(nobody_there)
{
	struct registry *r = open_registry("127.0.0.1:1", "{}", NULL);
	struct manifest m;
	struct err e = ERR_INIT;

	CHECK(registry_manifest(r, "a/b", "1", &m, &e) < 0);
	CHECK_STR(e.msg, "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused");
	registry_close(r);
}

struct canceller {
	struct registry *r;
	struct server *s;
};

static void *cancel_when_asked(void *arg)
{
	struct canceller *c = arg;

	while (!server_count(c->s, blob_path))
		usleep(1000);
	registry_cancel(c->r);
	return NULL;
}

TEST(cancelling)
{
	struct step steps[] = {PING, {blob_path, cut(100), STALL, 0, NULL}};
	int64_t start = clock_mono_ns();
	struct canceller c;
	struct server s;
	pthread_t t;
	struct fetched f;

	server_start(&s, steps, 2, NULL);
	c.r = open_registry(s.address, "{\"stall_timeout_ms\": 90000}", NULL);
	c.s = &s;
	NEED(!pthread_create(&t, NULL, cancel_when_asked, &c));
	f = fetch(c.r, BLOB_SIZE);
	CHECK_INT(f.rc, -1);
	CHECK(clock_mono_ns() - start < 60 * NS_PER_S);
	pthread_join(t, NULL);
	registry_close(c.r);
	server_stop(&s);
}

/* --- manifests and tags --- */

TEST(manifests)
{
	static const char text[] = "{\"schemaVersion\": 2}";
	char want[DIGEST_MAX], path[128], found[DIGEST_MAX];
	const char *reply, *head;
	struct err e = ERR_INIT;
	struct registry *r;
	struct manifest m;
	struct server s;

	sha256_digest_of(text, strlen(text), want);
	snprintf(path, sizeof(path), "GET /v2/a/b/manifests/%s ", want);
	reply = answer("200 OK\r\nContent-Type: application/x ; charset=utf-8\r\n", text);
	head = keep(xasprintf(OK "Docker-Content-Digest: %s\r\nContent-Length: 20\r\n\r\n", want));
	{
		struct step steps[] = {
			PING,
			{"GET /v2/a/b/manifests/1 ", reply, KEEP, 0, NULL},
			{path, reply, KEEP, 0, NULL},
			{"GET /v2/a/b/manifests/sha256:11", reply, KEEP, 0, NULL},
			{"HEAD /v2/a/b/manifests/1 ", head, KEEP, 0, NULL},
			{"HEAD /v2/a/b/manifests/odd ", OK "Docker-Content-Digest: ../../etc\r\n" EMPTY, KEEP, 0, NULL},
			{"GET /v2/a/b/manifests/huge ", OK "Content-Length: 4194305\r\n\r\n", STALL, 0, NULL},
			{"GET /v2/a/b/manifests/none ",
				answer("404 Not Found\r\n", "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\","
					"\"message\":\"manifest unknown\"}]}"), KEEP, 0, NULL},
		};

		server_start(&s, steps, ARRAY_SIZE(steps), NULL);
		r = open_plain(&s);
		if (CHECK_OK(e, registry_manifest(r, "a/b", "1", &m, &e))) {
			CHECK_STR(m.text.p, text);
			CHECK_STR(m.media_type, "application/x");
			CHECK_STR(m.digest, want);
			manifest_release(&m);
		}
		if (CHECK_OK(e, registry_manifest(r, "a/b", want, &m, &e)))
			manifest_release(&m);
		CHECK(registry_manifest(r, "a/b", "sha256:1111111111111111111111111111111111111111111111111111111111111111", &m,
			&e) < 0);
		CHECK(strstr(e.msg, "manifest verification failed for digest sha256:1111"));
		CHECK(registry_manifest(r, "a/b", "none", &m, &e) < 0);
		CHECK_STR(e.msg, "manifest unknown: manifest unknown");
		CHECK_INT(e.kind, ERR_NOT_FOUND);
		CHECK(registry_manifest(r, "a/b", "huge", &m, &e) < 0);
		CHECK_OK(e, registry_digest(r, "a/b", "1", found, &e));
		CHECK_STR(found, want);
		CHECK_OK(e, registry_digest(r, "a/b", "odd", found, &e));
		CHECK_STR(found, "");
		CHECK(registry_manifest(r, "a/../b", "1", &m, &e) < 0);
		CHECK(registry_manifest(r, "a/b", "1 HTTP/1.1\r\nX: y", &m, &e) < 0);
		CHECK(registry_manifest(r, "a/b", "", &m, &e) < 0);
		registry_close(r);
		server_stop(&s);
	}
}

TEST(tags)
{
	struct step steps[] = {
		PING,
		{"GET /v2/a/b/tags/list ", answer("200 OK\r\nLink: </v2/a/b/tags/list?last=2&n=2>; rel=\"next\"\r\n",
			"{\"tags\":[\"1\",\"2\", 3]}"), KEEP, 0, NULL},
		{"GET /v2/a/b/tags/list?last=2&n=2 ", answer("200 OK\r\n", "{\"tags\":[\"x\"]}"), KEEP, 0, NULL},
		{"GET /v2/a/away/tags/list ", answer("200 OK\r\nLink: <http://127.0.0.1:1/v2/x>\r\n", "{}"), KEEP, 0, NULL},
		{"GET /v2/a/bad/tags/list ", answer("200 OK\r\n", "{]"), KEEP, 0, NULL},
	};
	struct err e = ERR_INIT;
	struct registry *r;
	struct server s;
	json_t *t;

	server_start(&s, steps, ARRAY_SIZE(steps), NULL);
	r = open_plain(&s);
	t = registry_tags(r, "a/b", &e);
	CHECK_INT(json_array_size(t), 3);
	CHECK_STR(json_string_value(json_array_get(t, 0)), "1");
	CHECK_STR(json_string_value(json_array_get(t, 1)), "2");
	CHECK_STR(json_string_value(json_array_get(t, 2)), "x");
	json_decref(t);
	t = registry_tags(r, "a/away", &e);
	CHECK_INT(json_array_size(t), 0);
	CHECK(t != NULL);
	json_decref(t);
	CHECK(!registry_tags(r, "a/bad", &e));
	CHECK(!registry_tags(r, "a/none", &e));
	registry_close(r);
	server_stop(&s);
}

/* --- mirrors --- */

TEST(mirrors)
{
	char *config;
	struct server bad, good;
	struct registry *r;
	struct fetched f;
	struct step bad_steps[] = {{"GET /base/v2/ ", OK EMPTY, KEEP, 0, NULL},
		{"GET /base/v2/a/b/blobs/", cut(5000), CLOSE, 1, NULL},
		{"GET /base/v2/a/b/blobs/", "HTTP/1.1 404 Not Found\r\n" EMPTY, KEEP, 0, NULL}};
	struct step good_steps[] = {PING, {blob_path, range(5000, BLOB_SIZE), KEEP, 1, "Range: bytes=5000-\r\n"},
		{blob_path, whole(), KEEP, 0, NULL}};

	server_start(&bad, bad_steps, 3, NULL);
	server_start(&good, good_steps, 3, NULL);
	config = xasprintf("{\"registry-mirrors\": [\"http://127.0.0.1:1/\", \"http://%s/base/\", \"http://%s\"]}", bad.address,
		good.address);
	r = open_registry("docker.io", config, "{\"username\":\"u\",\"password\":\"p\"}");
	f = fetch(r, BLOB_SIZE); /* goes on in the middle of the blob, elsewhere */
	RIGHT(f);
	CHECK_INT(f.retries, 0);
	f = fetch(r, BLOB_SIZE);
	RIGHT(f);
	CHECK_INT(server_count(&bad, "Authorization"), 0);
	CHECK_INT(server_count(&good, "Authorization"), 0);
	registry_close(r);
	server_stop(&bad);
	server_stop(&good);
	free(config);
}

/* --- proxies --- */

/* The registry's name need not resolve: finding it is the proxy's work. */
TEST(proxies)
{
	struct step steps[] = {
		{"CONNECT registry.test:5000 ", "HTTP/1.1 502 Bad Gateway\r\n" EMPTY, KEEP, 0, "Proxy-Authorization: Basic dTpw\r\n"},
		{"GET http://registry.test:5000/v2/ ", OK EMPTY, KEEP, 0, "Host: registry.test:5000\r\n"},
		{"GET http://registry.test:5000/v2/a/b/blobs/", whole(), KEEP, 0, "Proxy-Authorization: Basic dTpw\r\n"},
		/* a tunnel whose other end speaks no TLS */
		{"CONNECT 203.0.113.9:443 ", "HTTP/1.1 200 Connection established\r\n\r\n", KEEP, 0, "Host: 203.0.113.9:443\r\n"},
	};
	struct err e = ERR_INIT;
	struct registry *r;
	struct manifest m;
	struct fetched f;
	struct server s;
	char *config;

	server_start(&s, steps, 4, NULL);
	config = xasprintf("{\"insecure-registries\": [\"registry.test:5000\"], \"proxies\": {\"http-proxy\": \"http://u:p@%s\","
		"\"https-proxy\": \"u:p@%s\", \"no-proxy\": \"\"}}", s.address, s.address);
	r = open_registry("registry.test:5000", config, NULL);
	f = fetch(r, BLOB_SIZE);
	RIGHT(f);
	CHECK_INT(server_count(&s, "CONNECT registry.test:5000 "), 1);
	CHECK_INT(server_count(&s, "GET http://registry.test:5000/"), 2);
	registry_close(r);
	r = open_registry("203.0.113.9", config, NULL);
	CHECK(registry_manifest(r, "a/b", "1", &m, &e) < 0);
	CHECK_STR(e.msg, "Get \"https://203.0.113.9/v2/\": http: server gave HTTP response to HTTPS client");
	registry_close(r);
	free(config);
	r = open_registry("203.0.113.9", "{\"proxies\": {\"https-proxy\": \"http://127.0.0.1:1\"}}", NULL);
	CHECK(registry_manifest(r, "a/b", "1", &m, &e) < 0);
	CHECK_STR(e.msg, "Get \"https://203.0.113.9/v2/\": proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused");
	registry_close(r);
	server_stop(&s);
}

/* --- tokens --- */

#define CHALLENGE(error) \
	"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://%s/token?a=b\",service=\"s s\"" error "\r\n" EMPTY
#define TOKEN_PATH "GET /token?a=b&scope=repository%3Aa%2Fb%3Apull&service=s%20s "

TEST(tokens)
{
	struct step steps[] = {
		{"GET /v2/ ", NULL, KEEP, 0, NULL},
		{TOKEN_PATH, answer("200 OK\r\n", "{\"token\":\"first\"}"), KEEP, 1, NULL},
		{TOKEN_PATH, answer("200 OK\r\n", "{\"access_token\":\"second\"}"), KEEP, 1, NULL},
		{blob_path, whole(), KEEP, 0, "Authorization: Bearer second\r\n"},
		{blob_path, NULL, KEEP, 0, NULL},
	};
	struct server s;
	struct registry *r;
	struct fetched f;

	server_start(&s, steps, 5, NULL);
	steps[0].reply = keep(xasprintf(CHALLENGE(""), s.address));
	steps[4].reply = keep(xasprintf(CHALLENGE(",error=\"invalid_token\""), s.address));
	r = open_plain(&s);
	f = fetch(r, BLOB_SIZE); /* the first token is refused, a second one fetched */
	RIGHT(f);
	f = fetch(r, BLOB_SIZE); /* and kept */
	RIGHT(f);
	CHECK_INT(server_count(&s, "GET /token"), 2);
	CHECK_INT(server_count(&s, "Bearer first"), 1);
	CHECK_INT(server_count(&s, "Bearer second"), 2);
	registry_close(r);
	server_stop(&s);
}

TEST(tokens_that_are_none)
{
	const char *const replies[][2] = {
		{answer("200 OK\r\n", "{}"), "authorization server did not include a token in the response"},
		{answer("200 OK\r\n", "{"), "unable to decode token response"},
		{answer("200 OK\r\n", "{\"token\":\"a\\r\\nX: y\"}"), "malformed token"},
		{answer("401 Unauthorized\r\n", "{\"details\":\"nope\"}"), "unauthorized: nope"},
		{"HTTP/1.1 500 Oops\r\n" EMPTY, "received unexpected HTTP status: 500 Oops"},
	};
	struct manifest m;
	struct err e;
	struct server s;
	struct registry *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(replies); i++) {
		struct step steps[] = {{"GET /v2/ ", NULL, KEEP, 0, NULL}, {"GET /token", replies[i][0], KEEP, 0, NULL}};

		server_start(&s, steps, 2, NULL);
		steps[0].reply = keep(xasprintf(CHALLENGE(""), s.address));
		r = open_plain(&s);
		CHECK(registry_manifest(r, "a/b", "1", &m, &e) < 0);
		if (!CHECK(strstr(e.msg, replies[i][1]) && strstr(e.msg, "Get \"http://127.0.0.1:")))
			printf("  %s\n", e.msg);
		CHECK_INT(server_count(&s, "GET /v2/a/b"), 0);
		registry_close(r);
		server_stop(&s);
	}
}

TEST(basic_without_password)
{
	struct step steps[] = {
		{"GET /v2/ ", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n" EMPTY, KEEP, 0, NULL}};
	char found[DIGEST_MAX], want[256];
	struct err e = ERR_INIT;
	struct server s;
	struct registry *r;

	server_start(&s, steps, 1, NULL);
	r = open_plain(&s);
	CHECK(registry_digest(r, "a/b", "1", found, &e) < 0);
	snprintf(want, sizeof(want), "Head \"http://%s/v2/a/b/manifests/1\": no basic auth credentials", s.address);
	CHECK_STR(e.msg, want);
	CHECK(registry_check_auth(r, &e) < 0);
	registry_close(r);
	r = open_registry(s.address, "{}", "{\"username\":\"u\",\"password\":\"p\"}");
	CHECK(registry_check_auth(r, &e) < 0);
	CHECK_INT(e.kind, ERR_UNAUTHORIZED);
	snprintf(want, sizeof(want), "login attempt to http://%s/v2/ failed with status: 401 Unauthorized", s.address);
	CHECK_STR(e.msg, want);
	registry_close(r);
	server_stop(&s);
}

/* --- several at once --- */

struct many {
	pthread_t thread;
	struct registry *r;
	struct fetched f;
};

static void *fetch_one(void *arg)
{
	struct many *m = arg;

	m->f = fetch(m->r, BLOB_SIZE);
	return NULL;
}

TEST(threads)
{
	struct step steps[] = {{"GET /v2/ ", NULL, KEEP, 0, NULL},
		{TOKEN_PATH, answer("200 OK\r\n", "{\"token\":\"first\"}"), KEEP, 0, NULL},
		{blob_path, whole(), KEEP, 0, "Bearer first"}};
	struct many m[8];
	struct server s;
	struct registry *r;
	size_t i;

	server_start(&s, steps, 3, NULL);
	pthread_mutex_lock(&s.lock);
	steps[0].reply = keep(xasprintf(CHALLENGE(""), s.address));
	pthread_mutex_unlock(&s.lock);
	r = open_plain(&s);
	for (i = 0; i < ARRAY_SIZE(m); i++) {
		m[i].r = r;
		NEED(!pthread_create(&m[i].thread, NULL, fetch_one, &m[i]));
	}
	for (i = 0; i < ARRAY_SIZE(m); i++) {
		pthread_join(m[i].thread, NULL);
		RIGHT(m[i].f);
	}
	CHECK_INT(server_count(&s, "GET /token"), 1);
	CHECK_INT(server_count(&s, "GET /v2/ "), 1);
	registry_close(r);
	server_stop(&s);
}
