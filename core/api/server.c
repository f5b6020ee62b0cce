/* SPDX-License-Identifier: MIT */
/*
 * core/api/server.c - connections: a thread each, one request after the other
 *
 * Theory of operation
 *   A listener is a thread that accepts; a connection is a thread that reads a head, lets
 *   routes_dispatch() answer, drains what is left of the body, and starts over. A client that
 *   begins a head must finish it in HEAD_TIMEOUT_MS; between requests it may idle as long as it
 *   likes, holding no buffer. Connections beyond CONNECTIONS_MAX are told 503.
 * Stopping
 *   http_stop() refuses new connections and waits for requests that run; idle connections are
 *   simply left to the end of the process.
 */
#include "api/server.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_TIMEOUT_MS 60000
#define DRAIN_MAX (1024 * 1024) /* bytes of an unread body that are read to keep the connection */
#define LINGER_MS 500		/* how long a refused client's bytes are taken before closing */
#define CONNECTIONS_MAX 4096
#define CONNECTION_STACK_KB 256 /* JSON nested JSON_PARSER_MAX_DEPTH deep, struct err, a page of path */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int connections, requests;
	bool stopping;
} all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false};

static void count(int connections, int requests)
{
	pthread_mutex_lock(&all.lock);
	all.connections += connections;
	all.requests += requests;
	if (!all.requests)
		pthread_cond_broadcast(&all.idle);
	pthread_mutex_unlock(&all.lock);
}

static bool is_full(void)
{
	bool yes;

	pthread_mutex_lock(&all.lock);
	yes = all.stopping || all.connections >= CONNECTIONS_MAX;
	pthread_mutex_unlock(&all.lock);
	return yes;
}

static void request_release(struct http *h)
{
	size_t i;

	for (i = 0; i < h->n_query; i++) {
		free(h->query[i].name);
		strv_free(h->query[i].values);
	}
	free(h->query);
	for (i = 0; i < h->n_kept; i++)
		free(h->kept[i]);
	free(h->kept);
	for (i = 0; i < ARRAY_SIZE(h->vars); i++)
		free(h->vars[i]);
	free(h->path);
	free(h->head_text);
	buf_release(&h->extra);
}

/* Ready for the next request; the connection and what it has sent stay. */
static void request_reset(struct http *h)
{
	struct http fresh = {.engine = h->engine, .fd = h->fd, .in = h->in, .extra = BUF_INIT};

	request_release(h);
	*h = fresh;
	if (!h->in.n)
		buf_release(&h->in);
}

/* After an answer that closes: take what the client still sends, so that it can read the answer
 * before its own write fails. */
static void linger(struct http *h)
{
	int64_t end = clock_mono_ns() + LINGER_MS * NS_PER_MS;
	struct pollfd p = {h->fd, POLLIN, 0};
	char waste[16384];
	int left;

	shutdown(h->fd, SHUT_WR);
	while ((left = (int)((end - clock_mono_ns()) / NS_PER_MS)) > 0 && poll(&p, 1, left) == 1)
		if (read(h->fd, waste, sizeof(waste)) <= 0)
			break;
}

static void refuse(struct http *h, ssize_t why)
{
	switch (why) {
	case HTTP_BAD_HOST:
		http_refuse(h, "400 Bad Request: malformed Host header");
		break;
	case HTTP_NO_HOST:
		http_refuse(h, "400 Bad Request: missing required Host header");
		break;
	case HTTP_BAD_VERSION:
		http_refuse(h, "505 HTTP Version Not Supported: unsupported protocol version");
		break;
	case HTTP_INCOMPLETE:
		http_refuse(h, "431 Request Header Fields Too Large");
		break;
	default:
		http_refuse(h, "400 Bad Request");
	}
	linger(h);
}

/* Wait for bytes: 1, or 0 if the time is over or the client is gone. */
static int await(struct http *h, int timeout_ms)
{
	struct pollfd p = {h->fd, POLLIN, 0};
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Read and parse a head. 1, 0 if the client left, -1 if it was refused. */
static int read_head(struct http *h)
{
	int64_t deadline = 0;
	ssize_t len;

	for (;;) {
		len = h->in.n ? http_head_parse(h->in.p, h->in.n, &h->head) : HTTP_INCOMPLETE;
		if (len != HTTP_INCOMPLETE)
			break;
		if (h->in.n > HTTP_HEAD_MAX) {
			refuse(h, HTTP_INCOMPLETE);
			return -1;
		}
		if (h->in.n && !deadline)
			deadline = clock_mono_ns() + HEAD_TIMEOUT_MS * NS_PER_MS;
		if (!await(h, deadline ? (int)((deadline - clock_mono_ns()) / NS_PER_MS) + 1 : -1) ||
			(deadline && clock_mono_ns() > deadline) || http_receive(h) <= 0)
			return 0;
	}
	if (len < 0) {
		refuse(h, len);
		return -1;
	}
	/* The views must not move while the body grows h->in: give the head its own bytes. */
	h->head_text = xstrndup(h->in.p, (size_t)len);
	buf_consume(&h->in, (size_t)len);
	http_head_parse(h->head_text, (size_t)len, &h->head);
	h->body_left = h->head.length > 0 ? h->head.length : 0;
	return 1;
}

static void drain(struct http *h)
{
	int64_t total = 0;
	char waste[8192];
	ssize_t got;

	if (h->continue_due) { /* the client waits for a go-ahead that never comes */
		h->close_after = true;
		return;
	}
	while (http_has_body(h) && !h->close_after) {
		got = http_body_read(h, waste, sizeof(waste), NULL);
		if (got <= 0)
			break;
		total += got;
		if (total > DRAIN_MAX)
			h->close_after = true;
	}
}

static void handle(struct http *h)
{
	if (h->head.expect.n) {
		if (!span_caseeqs(h->head.expect, "100-continue")) {
			static const char no[] = "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\n"
						 "Content-Length: 0\r\n\r\n";

			h->close_after = true;
			sock_send(h->fd, no, sizeof(no) - 1, NULL, 0);
			linger(h);
			return;
		}
		h->continue_due = true;
	}
	if (!http_parse_target(h))
		routes_dispatch(h);
	if (h->hijacked)
		return;
	if (!h->answered)
		bug("no answer to %s", h->path);
	if (h->streaming && h->chunked_out && !h->gone)
		if (sock_send(h->fd, "0\r\n\r\n", 5, NULL, 0))
			h->close_after = true;
	drain(h);
	if (h->close_after)
		linger(h);
}

static void connection(void *arg)
{
	struct http h = *(struct http *)arg;
	int rc;

	free(arg);
	for (;;) {
		rc = read_head(&h);
		if (rc <= 0)
			break;
		count(0, 1);
		handle(&h);
		count(0, -1);
		if (h.close_after)
			break;
		request_reset(&h);
	}
	request_release(&h);
	buf_release(&h.in);
	fd_close(&h.fd);
	count(-1, 0);
}

static void admit(struct engine *en, int fd)
{
	struct http *h = xmalloc(sizeof(*h));
	int rc;

	*h = (struct http){.engine = en, .fd = fd, .in = BUF_INIT, .extra = BUF_INIT};
	if (is_full()) {
		http_refuse(h, "503 Service Unavailable");
		close(fd);
		free(h);
		return;
	}
	count(1, 0);
	rc = thread_start("http", connection, h, CONNECTION_STACK_KB);
	if (rc) {
		log_warn("refusing a connection: %s", strerror(rc));
		close(fd);
		free(h);
		count(-1, 0);
	}
}

struct listener {
	struct engine *engine;
	int fd;
};

static void listener(void *arg)
{
	struct listener l = *(struct listener *)arg;
	int fd;

	free(arg);
	for (;;) {
		fd = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(l.engine, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* Nothing tells us when there is room again: look ten times a second. */
			log_warn("accepting a connection: %s", strerror(errno));
			poll(NULL, 0, 100);
		} else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
			return; /* the socket was closed or shut down */
		}
	}
}

int http_serve(struct engine *en, int listen_fd, struct err *e)
{
	struct listener *l = xmalloc(sizeof(*l));
	int rc;

	*l = (struct listener){en, listen_fd};
	signal(SIGPIPE, SIG_IGN);
	rc = thread_start("listener", listener, l, 64);
	if (rc) {
		free(l);
		return err_set(e, rc, "starting a listener thread");
	}
	return 0;
}

void http_stop(int grace_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += grace_ms / 1000;
	until.tv_nsec += grace_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&all.lock);
	all.stopping = true;
	while (all.requests && !pthread_cond_timedwait(&all.idle, &all.lock, &until))
		;
	pthread_mutex_unlock(&all.lock);
}
