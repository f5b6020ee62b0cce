/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_attach.c - /containers/x/attach and /containers/x/attach/ws
 *
 * Theory of operation
 *   A client that attaches has its socket handed to the monitor, and we are out of it.  One that
 *   speaks WebSocket cannot: it gets a thread here that packs and unpacks between its socket and one
 *   half of a pair whose other half the monitor has.  Each way has one piece under way at most, and
 *   neither waits for the other.
 */
#include "api/http.h"
#include "api/websocket.h"
#include "base/fs.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/logs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 16384

struct sink {
	int fd;
};

static int write_sink(void *arg, const void *p, size_t n)
{
	const struct sink *s = arg;

	return fd_write_full(s->fd, p, n);
}

/* What was printed so far, and with @follow what comes, from the log: no line twice, none missing. */
static void send_logs(struct engine *en, struct container *c, const struct attach_options *o, bool follow,
	int fd)
{
	struct logs_options l = {.out = o->out, .err = o->err, .follow = follow, .tail = -1};
	struct sink s = {fd};
	struct err e;

	logs_read(en, c, &l, fd, write_sink, &s, &e);
}

static void attach_hijacked(struct engine *en, struct container *c, int fd, struct attach_options *o,
	bool logs, bool stream)
{
	bool follow = logs && stream && container_is_running(c) && (o->out || o->err);
	struct attach_options in = *o;
	struct err e;
	int copy;

	if (stream)
		container_event(en, c, "attach", NULL);
	if (stream && !follow) {
		if (logs)
			send_logs(en, c, o, false, fd);
		container_attach(en, c, fd, o, &e);
		attach_end(c);
		return;
	}
	attach_end(c);
	if (follow && o->in) {
		/* Output comes from the log, so the monitor only gets what is typed. */
		in.out = in.err = false;
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy >= 0)
			container_attach(en, c, copy, &in, &e);
	}
	if (logs)
		send_logs(en, c, o, follow, fd);
	close(fd);
}

static int detach_keys(struct http *h, char **keys, struct err *e)
{
	const char *text = http_query(h, "detachKeys");

	*keys = NULL;
	if (!text || !*text || !detach_keys_parse(text, keys))
		return 0;
	return err_kind(e, ERR_INVALID, "Invalid detach keys (%s) provided", text);
}

static void attach(struct http *h)
{
	struct engine *en = http_engine(h);
	struct attach_options o = {.in = http_query_bool(h, "stdin", false),
		.out = http_query_bool(h, "stdout", false), .err = http_query_bool(h, "stderr", false)};
	bool logs = http_query_bool(h, "logs", false), stream = http_query_bool(h, "stream", false);
	cleanup_free char *keys = NULL;
	struct container *c;
	struct err e;
	int fd;

	c = container_get(en, http_var(h, 0), &e);
	if (!c || detach_keys(h, &keys, &e) || container_check_attach(c, &e)) {
		http_hijack_fail(h, &e);
		container_put(c);
		return;
	}
	o.framed = !container_tty(c);
	o.detach_keys = keys;
	attach_begin(c);
	fd = http_hijack(h, o.framed && http_api_minor(h) >= 42 ? FRAMED_STREAM : RAW_STREAM, &o.early,
		&o.early_len);
	attach_hijacked(en, c, fd, &o, logs, stream);
	container_put(c);
}

/* --- WebSocket ------------------------------------------------------------------------------------ */

struct bridge {
	int client, monitor;
	struct buf to_client, to_monitor;
	struct ws_decoder decoder;
	bool binary, client_done, monitor_done;
};

/* Send what the peer takes now. -1: it is gone. */
static int push(int fd, struct buf *b)
{
	ssize_t n = b->n ? send(fd, b->p, b->n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	buf_consume(b, (size_t)n);
	return 0;
}

static void take_client(struct bridge *b, const void *p, size_t n)
{
	bool closed = false;

	if (ws_decode(&b->decoder, p, n, &b->to_monitor, &b->to_client, &closed) || closed)
		b->client_done = true;
}

static void read_client(struct bridge *b)
{
	char piece[PIECE];
	ssize_t n = recv(b->client, piece, sizeof(piece), MSG_DONTWAIT);

	if (n > 0)
		take_client(b, piece, (size_t)n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		b->client_done = true;
}

static void read_monitor(struct bridge *b)
{
	char piece[PIECE];
	ssize_t n = recv(b->monitor, piece, sizeof(piece), MSG_DONTWAIT);

	if (n > 0) {
		ws_encode(b->binary ? WS_BINARY : WS_TEXT, piece, (size_t)n, &b->to_client);
	} else if (!n || (errno != EAGAIN && errno != EINTR)) {
		ws_encode(WS_CLOSE, "\x03\xe8", 2, &b->to_client); /* 1000: a normal end */
		b->monitor_done = true;
	}
}

static void bridge_run(struct bridge *b)
{
	while (!(b->client_done && !b->to_monitor.n) && !(b->monitor_done && !b->to_client.n)) {
		struct pollfd p[2] = {{b->client, 0, 0}, {b->monitor_done ? -1 : b->monitor, 0, 0}};

		if (b->to_client.n)
			p[0].events |= POLLOUT;
		else if (!b->monitor_done)
			p[1].events |= POLLIN;
		if (b->to_monitor.n)
			p[1].events |= POLLOUT;
		else if (!b->client_done)
			p[0].events |= POLLIN;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents & POLLIN)
			read_client(b);
		if (p[1].revents & (POLLIN | POLLHUP) && !b->to_client.n)
			read_monitor(b);
		if (push(b->client, &b->to_client) || p[0].revents & POLLERR)
			break;
		if (push(b->monitor, &b->to_monitor))
			buf_reset(&b->to_monitor); /* nobody reads it any more */
	}
	if (push(b->client, &b->to_client))
		errno = 0; /* the client is gone: so are we */
}

/* What the container's end of the bridge is fed by: with old logs a thread of its own, as they may be
 * more than the pair holds. */
struct feed {
	struct engine *en;
	struct container *c; /* referenced */
	int fd;
	struct attach_options o;
	char *keys;
	bool logs, stream;
};

static void feed_thread(void *arg)
{
	struct feed *f = arg;

	attach_hijacked(f->en, f->c, f->fd, &f->o, f->logs, f->stream);
	container_put(f->c);
	free(f->keys);
	free(f);
}

static void feed_start(struct engine *en, struct container *c, int fd, const struct attach_options *o,
	bool logs, bool stream)
{
	struct feed *f = xmalloc(sizeof(*f));

	*f = (struct feed){en, container_ref(c), fd, *o, xstrdup(o->detach_keys), logs, stream};
	f->o.detach_keys = f->keys;
	if (logs && !thread_start("attach", feed_thread, f, ENGINE_STACK_KB))
		return;
	f->logs = false; /* no thread to be had: what comes from now on is better than nothing */
	feed_thread(f);
}

static void websocket_bridge(struct http *h, struct container *c, const struct attach_options *o, const char *accept,
	bool logs, bool stream)
{
	cleanup_free char *head = xasprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
					    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	struct bridge b = {.to_client = BUF_INIT, .to_monitor = BUF_INIT, .binary = http_api_minor(h) >= 28};
	const void *early;
	size_t early_len;
	int pair[2];

	attach_begin(c);
	b.client = http_take_over(h, head, &early, &early_len);
	take_client(&b, early, early_len);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		attach_end(c);
	} else {
		b.monitor = pair[0];
		feed_start(http_engine(h), c, pair[1], o, logs, stream);
		bridge_run(&b);
		close(b.monitor);
	}
	close(b.client);
	buf_release(&b.to_client);
	buf_release(&b.to_monitor);
}

static bool is_websocket(struct http *h)
{
	const char *upgrade = http_header(h, "Upgrade"), *version = http_header(h, "Sec-WebSocket-Version");

	return upgrade && span_caseeqs(span_of(upgrade), "websocket") && version && !strcmp(version, "13") &&
		http_header(h, "Sec-WebSocket-Key");
}

static void attach_websocket(struct http *h)
{
	struct attach_options o = {.in = http_query_bool(h, "stdin", false),
		.out = http_query_bool(h, "stdout", false), .err = http_query_bool(h, "stderr", false)};
	bool logs = http_query_bool(h, "logs", false), stream = http_query_bool(h, "stream", false);
	cleanup_free char *keys = NULL;
	char accept[WS_ACCEPT_MAX];
	struct container *c;
	const void *early;
	size_t early_len;
	struct err e;

	c = container_get(http_engine(h), http_var(h, 0), &e);
	if (!c || detach_keys(h, &keys, &e) || container_check_attach(c, &e)) {
		http_fail(h, &e);
	} else if (!is_websocket(h)) {
		close(http_take_over(h, "HTTP/1.1 400 Bad Request\r\n\r\nnot websocket protocol", &early, &early_len));
	} else {
		o.detach_keys = keys;
		ws_accept(http_header(h, "Sec-WebSocket-Key"), accept);
		websocket_bridge(h, c, &o, accept, logs, stream);
	}
	container_put(c);
}

const struct route routes_attach[] = {
	{"POST", "/containers/{}/attach", attach},
	{"GET", "/containers/{}/attach/ws", attach_websocket},
	{NULL, NULL, NULL},
};
