/* SPDX-License-Identifier: MIT */
/* tests/unit/test_docker_http.c - the client's HTTP: answers of every framing, and broken ones */
#include "unit.h"

#include "docker/call.h"

#include "base/proc.h"

#include <pthread.h>
#include <sys/socket.h>

/* A peer that takes one request (up to its blank line) and sends a text, byte by byte if told so. */
struct peer {
	int listener;
	const char *answer;
	bool slowly;
	pthread_t thread;
	char request[4096];
};

static struct endpoint endpoint;

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	size_t n = 0, i, len = strlen(p->answer), piece = p->slowly ? 1 : len;
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	ssize_t got;

	while (!strstr(p->request, "\r\n\r\n") && n + 1 < sizeof(p->request) &&
		(got = recv(fd, p->request + n, sizeof(p->request) - 1 - n, 0)) > 0)
		n += (size_t)got;
	for (i = 0; i < len; i += piece)
		if (send(fd, p->answer + i, piece, MSG_NOSIGNAL) < 0)
			break;
	close(fd);
	return NULL;
}

static void peer_start(struct peer *p)
{
	struct err e = ERR_INIT;

	free(endpoint.path);
	endpoint.path = fs_join(tmp_path(), "sock");
	endpoint.url = endpoint.path;
	p->listener = sock_listen_at(tmp_dirfd(), "sock", SOCK_STREAM, 0600, &e);
	if (p->listener < 0 || pthread_create(&p->thread, NULL, peer_main, p))
		bug("no peer: %s", e.msg);
}

static void peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->listener);
}

/* The answer's status and body, or "! " and the error. */
static void answers(const char *answer, bool slowly, const char *want)
{
	struct peer p = {.answer = answer, .slowly = slowly};
	cleanup_buf struct buf body = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;
	struct client *c;
	int status = -1;

	peer_start(&p);
	c = client_open(&endpoint, &e);
	if (c && !client_request(c, &(struct request){.method = "GET", .target = "/x"}, &e))
		status = client_response(c, &e);
	if (status < 0 || client_read_all(c, 1000, &body, &e))
		buf_addf(&got, "! %s", e.msg);
	else
		buf_addf(&got, "%d %s%s", status, body.p, client_reusable(c) ? "" : " (closed)");
	CHECK_STR(got.p, want);
	client_close(c);
	peer_end(&p);
}

static void both(const char *answer, const char *want)
{
	answers(answer, false, want);
	answers(answer, true, want);
}

TEST(framings)
{
	both("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello");
	both("HTTP/1.1 204 No Content\r\n\r\n", "204 ");
	both("HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 until the end (closed)");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrailer: t\r\n\r\n", "200 hello!");
	both("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nConnection: close\r\n\r\nno", "404 no (closed)");
	both("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 ");
}

#define BROKEN "! error during connect: the engine's answer is broken: "

TEST(broken_answers)
{
	both("", "! error during connect: EOF");
	both("HTTP/1.1 200 OK\r\nContent-", BROKEN "it ends in the middle");
	both("hello there, I am no web server\r\n\r\n", BROKEN "no HTTP status line");
	both("HTTP/1.1 2x0 OK\r\n\r\n", BROKEN "no HTTP status line");
	both("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", BROKEN "bad Content-Length");
	both("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", BROKEN "bad Content-Length");
	both("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "! unexpected EOF");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", BROKEN "unknown transfer encoding");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", BROKEN "bad chunk size");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", BROKEN "bad chunk size");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", BROKEN "a chunk does not end where it should");
	both("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", BROKEN "a chunk does not end where it should");
}

TEST(sizes_are_bounded)
{
	cleanup_buf struct buf head = BUF_INIT, body = BUF_INIT;
	int i;

	buf_adds(&head, "HTTP/1.1 200 OK\r\nX: ");
	for (i = 0; i < 100000; i++)
		buf_addc(&head, 'x');
	answers(head.p, false, BROKEN "a line is too long");
	buf_adds(&body, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
	for (i = 0; i < 5000; i++)
		buf_addc(&body, 'x');
	answers(body.p, false, "! error during connect: the engine's answer is larger than 1000 bytes");
}

TEST(headers)
{
	struct peer p = {.answer = "HTTP/1.1 101 UPGRADED\r\nContent-Type:  a/b \r\nUPGRADE: tcp\r\n\r\nearly"};
	cleanup_buf struct buf early = BUF_INIT;
	struct err e = ERR_INIT;
	struct client *c;
	int fd;

	peer_start(&p);
	c = client_open(&endpoint, &e);
	NEED(c);
	CHECK_OK(e, client_request(c, &(struct request){.method = "POST", .target = "/y", .upgrade = true,
		.content_type = "application/json", .body = "{}", .len = 2}, &e));
	CHECK_INT(client_response(c, &e), 101);
	CHECK_STR(client_header(c, "content-type"), "a/b");
	CHECK_STR(client_header(c, "Upgrade"), "tcp");
	CHECK(!client_header(c, "Upgr"));
	fd = client_hijack(c, &early);
	CHECK(fd >= 0);
	fd_read_all(fd, 100, &early, &e);
	CHECK_STR(early.p, "early");
	close(fd);
	peer_end(&p);
	CHECK(strstr(p.request, "POST /y HTTP/1.1\r\n"));
	CHECK(strstr(p.request, "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
	CHECK(strstr(p.request, "Content-Length: 2\r\n"));
}

TEST(errors_of_the_engine)
{
	static const struct {
		const char *answer, *msg;
		enum err_kind kind;
	} cases[] = {
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\n\r\n{\"message\":\"no such thing\"}\n",
			"Error response from daemon: no such thing", ERR_NOT_FOUND},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nplain\n", "Error response from daemon: plain", ERR_FAILED},
		{"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n",
			"request returned status 409 for API route and version /x, check if the server supports the requested API version",
			ERR_CONFLICT},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{{{{", "Error reading the daemon's answer: bad JSON at line 1, "
			"column 2: string or '}' expected near '{'", ERR_INVALID},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer p = {.answer = cases[i].answer};
		struct docker d = {.api_version = xstrdup("1.51")};
		cleanup_json json_t *j = NULL;
		struct err e = ERR_INIT;

		peer_start(&p);
		d.endpoint = endpoint;
		CHECK_INT(call_get(&d, "/x", &j, &e), -1);
		CHECK_STR(e.msg, cases[i].msg);
		CHECK_INT(e.kind, cases[i].kind);
		peer_end(&p);
		CHECK(strstr(p.request, "GET /v1.51/x HTTP/1.1\r\n") == p.request);
		client_close(d.idle);
		free(d.api_version);
	}
}

TEST(nobody_there)
{
	struct endpoint nowhere = {.url = xstrdup("unix:///nonexistent.sock"), .path = xstrdup("/nonexistent.sock")};
	struct err e = ERR_INIT;

	CHECK(!client_open(&nowhere, &e));
	CHECK_STR(e.msg, "Cannot connect to the Docker daemon at unix:///nonexistent.sock. Is the docker daemon running?");
	free(nowhere.url);
	free(nowhere.path);
}

TEST(targets)
{
	cleanup_free char *t = target("/images/%s/json", "host:5000/a b?c#d%e:1@sha256:00");
	cleanup_buf struct buf b = BUF_INIT;

	CHECK_STR(t, "/images/host:5000/a%20b%3Fc%23d%25e:1@sha256:00/json");
	buf_adds(&b, "/x");
	target_query(&b, "a", "1 2");
	target_query(&b, "filters", "{\"a\":true}");
	CHECK_STR(b.p, "/x?a=1%202&filters=%7B%22a%22%3Atrue%7D");
}

static int add_id(void *arg, const json_t *item, struct err *e)
{
	if (json_bool(item, "stop", false))
		return err_set(e, 0, "stopped");
	buf_addf(arg, "%s;", json_str(item, "id", "?"));
	return 0;
}

/* The ids of an answer's elements, and "! " and the error behind them. */
static void elements(const char *body, bool slowly, const char *want)
{
	cleanup_free char *answer = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	struct peer p = {.answer = answer, .slowly = slowly};
	struct docker d = {.api_version = xstrdup("1.51")};
	cleanup_buf struct buf got = BUF_INIT;
	struct err e = ERR_INIT;

	peer_start(&p);
	d.endpoint = endpoint;
	if (call_each(&d, "/x", add_id, &got, &e))
		buf_addf(&got, "! %s", e.msg);
	CHECK_STR(got.p, want);
	peer_end(&p);
	client_close(d.idle);
	free(d.api_version);
}

TEST(arrays_come_element_by_element)
{
	static const char *const cases[][2] = {
		{"[]\n", ""}, {" [ ] ", ""}, {"[{\"id\":\"a\"}]\n", "a;"},
		{"[{\"id\":\"a]\"},\n{\"id\":\"b\",\"x\":[{},\"}\"]} ]", "a];b;"},
		{"", "! Error reading the daemon's answer: it is no array"},
		{"{\"id\":\"a\"}", "! Error reading the daemon's answer: it is no array"},
		{"[{\"id\":\"a\"}", "a;! unexpected EOF"}, {"[{\"id\":\"a\"},{\"id\"", "a;! unexpected EOF"},
		{"[", "! unexpected EOF"}, {"[{\"id\":\"a\"},{\"stop\":true},{\"id\":\"b\"}]", "a;! stopped"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		elements(cases[i][0], false, cases[i][1]);
		elements(cases[i][0], true, cases[i][1]);
	}
}
