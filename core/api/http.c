/* SPDX-License-Identifier: MIT */
/*
 * core/api/http.c - a request's parts, and its answer
 *
 * Theory of operation
 *   The head is views into h->head_text; what was received behind it waits in h->in. A body is read
 *   on demand, so a handler that answers early leaves the rest unread (it is drained, within bounds,
 *   before the connection is used again). Answers carry the headers the real engine sends, in its order, since
 *   recorded answers are compared with ours.
 */
#include "api/server.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "engine/engine.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_READ_MS 1000 /* for a client to read the head of a stream */
#define BODY_JSON_MAX (16 * 1024 * 1024) /* bytes */
#define SERVER_NAME "Docker/" ENGINE_VERSION " (linux)"

/* --- the request ---------------------------------------------------------------------------- */

struct engine *http_engine(struct http *h)
{
	return h->engine;
}

static char *keep(struct http *h, char *text)
{
	h->kept = xreallocarray(h->kept, h->n_kept + 1, sizeof(*h->kept));
	return h->kept[h->n_kept++] = text;
}

const char *http_method(struct http *h)
{
	return keep(h, span_dup(h->head.method));
}

const char *http_var(struct http *h, size_t i)
{
	return i < ARRAY_SIZE(h->vars) && h->vars[i] ? h->vars[i] : "";
}

char **http_query_all(struct http *h, const char *name)
{
	static char *none[1];
	size_t i;

	for (i = 0; i < h->n_query; i++)
		if (!strcmp(h->query[i].name, name))
			return h->query[i].values;
	return none;
}

const char *http_query(struct http *h, const char *name)
{
	return http_query_all(h, name)[0];
}

bool http_query_bool(struct http *h, const char *name, bool def)
{
	static const char *const no[] = {"", "0", "no", "false", "none", NULL};
	const char *v = http_query(h, name);
	cleanup_free char *lower = NULL;
	char *c;

	if (!v)
		return def;
	lower = xstrdup(v);
	for (c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return !str_in(span_trim(span_of(lower)).n ? lower : "", no);
}

int http_query_int(struct http *h, const char *name, int64_t def, int64_t *v, struct err *e)
{
	const char *text = http_query(h, name);

	*v = def;
	if (!text || !*text)
		return 0;
	if (parse_i64(span_of(text), INT64_MIN, INT64_MAX, v))
		return err_kind(e, ERR_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
	return 0;
}

/* {"label": {"a": true}} (clients before 1.22) becomes {"label": ["a"]}. */
static json_t *filter_values(json_t *v)
{
	json_t *arr = json_array(), *item;
	const char *key;
	size_t i;

	if (json_is_object(v)) {
		json_object_foreach(v, key, item)
			if (json_is_true(item))
				json_append_str(arr, key);
		return arr;
	}
	json_array_foreach(v, i, item) {
		if (!json_is_string(item)) {
			json_decref(arr);
			return NULL;
		}
		json_array_append(arr, item);
	}
	return arr;
}

json_t *http_filters(struct http *h, struct err *e)
{
	const char *text = http_query(h, "filters"), *key;
	cleanup_json json_t *raw = NULL;
	json_t *out = json_object(), *v;

	if (!text || !*text)
		return out;
	raw = json_parse(text, strlen(text), NULL);
	if (!json_is_object(raw))
		goto bad;
	json_object_foreach(raw, key, v) {
		json_t *values = json_is_object(v) || json_is_array(v) ? filter_values(v) : NULL;

		if (!values)
			goto bad;
		json_set_new(out, key, values);
	}
	return out;
bad:
	json_decref(out);
	err_kind(e, ERR_INVALID, "invalid filter");
	return NULL;
}

const char *http_header(struct http *h, const char *name)
{
	size_t i;

	for (i = 0; i < h->head.n_headers; i++)
		if (span_caseeqs(h->head.header[i].name, name))
			return keep(h, span_dup(h->head.header[i].value));
	return NULL;
}

int http_api_minor(struct http *h)
{
	return h->api_minor;
}

/* --- the body ---------------------------------------------------------------------------------- */

bool http_has_body(struct http *h)
{
	return h->head.chunked || h->head.length > 0;
}

ssize_t http_receive(struct http *h)
{
	ssize_t got;

	if (h->continue_due) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		h->continue_due = false;
		if (fd_write_full(h->fd, go_on, sizeof(go_on) - 1))
			return -1;
	}
	buf_room(&h->in, 16384);
	do
		got = read(h->fd, h->in.p + h->in.n, 16384);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		h->in.n += (size_t)got;
		h->in.p[h->in.n] = 0;
	}
	return got;
}

/* Move data that has arrived, at most @max, to @p. */
static size_t take_data(struct http *h, void *p, size_t n, uint64_t max)
{
	if (n > max)
		n = (size_t)max;
	if (n > h->in.n)
		n = h->in.n;
	memcpy(p, h->in.p, n);
	buf_consume(&h->in, n);
	return n;
}

ssize_t http_body_broken(struct http *h, ssize_t got, struct err *e)
{
	if (got < 0 && errno == EAGAIN)
		return err_set(e, errno, "waiting for the request body");
	h->close_after = true;
	if (got < 0)
		return err_set(e, errno, "reading the request body");
	return err_kind(e, ERR_INVALID, "unexpected EOF");
}

int http_body_left(struct http *h, ssize_t (*receive)(struct http *h), uint64_t *left, struct err *e)
{
	ssize_t step, got;

	if (h->body_done)
		return 0;
	if (!h->head.chunked) {
		*left = (uint64_t)h->body_left;
		h->body_done = !h->body_left;
		return !h->body_done;
	}
	while (h->chunks.state != CHUNK_DATA || !h->chunks.left) {
		step = http_chunks_step(&h->chunks, h->in.p, h->in.n);
		if (step < 0) {
			h->close_after = true;
			return err_kind(e, ERR_INVALID, "malformed chunked encoding");
		}
		buf_consume(&h->in, (size_t)step);
		if (h->chunks.state == CHUNK_DONE) {
			h->body_done = true;
			return 0;
		}
		if (step)
			continue;
		got = receive(h);
		if (got <= 0)
			return (int)http_body_broken(h, got, e);
	}
	*left = h->chunks.left;
	return 1;
}

void http_body_took(struct http *h, size_t n)
{
	if (h->head.chunked)
		h->chunks.left -= n;
	else
		h->body_left -= (int64_t)n;
}

ssize_t http_body_read(struct http *h, void *p, size_t n, struct err *e)
{
	uint64_t left;
	ssize_t got;
	int rc;

	if (!n)
		return 0;
	rc = http_body_left(h, http_receive, &left, e);
	if (rc <= 0)
		return rc;
	if (!h->in.n) {
		got = http_receive(h);
		if (got <= 0)
			return http_body_broken(h, got, e);
	}
	n = take_data(h, p, n, left);
	http_body_took(h, n);
	return (ssize_t)n;
}

/* "application/json" with well-formed parameters, as Docker's runtime checks it. */
static int check_content_type(struct http *h, struct err *e)
{
	struct span type = h->head.content_type, all = type, param;
	ssize_t semi = span_chr(type, ';');

	if (semi >= 0) {
		struct span rest = span_cut(&type, (size_t)semi);

		while (span_token(&rest, ';', &param)) {
			param = span_trim(param);
			if (param.n && span_chr(param, '=') <= 0)
				return err_kind(e, ERR_INVALID,
					"malformed Content-Type header (%.*s): mime: invalid media parameter",
					(int)all.n, all.p);
		}
	}
	type = span_trim(type);
	if (!type.n)
		return err_kind(e, ERR_INVALID, "malformed Content-Type header (): mime: no media type");
	if (!span_caseeqs(type, "application/json"))
		return err_kind(e, ERR_INVALID,
			"unsupported Content-Type header (%.*s): must be 'application/json'", (int)all.n, all.p);
	return 0;
}

static int read_whole_body(struct http *h, struct buf *out, struct err *e)
{
	ssize_t got;

	for (;;) {
		buf_room(out, 16384);
		got = http_body_read(h, out->p + out->n, 16384, e);
		if (got < 0)
			return -1;
		out->n += (size_t)got;
		out->p[out->n] = 0;
		if (!got)
			return 0;
		if (out->n > BODY_JSON_MAX) {
			h->close_after = true;
			return err_kind(e, ERR_INVALID, "request body is larger than %d bytes", BODY_JSON_MAX);
		}
	}
}

/* The end of text that is a prefix of JSON: what Go calls an unexpected EOF. */
static bool is_cut_short(const json_error_t *je)
{
	return json_error_code(je) == json_error_premature_end_of_input;
}

static int parse_body(const struct buf *text, json_t **j, struct err *e)
{
	char mistake[JSON_GO_MAX];
	json_error_t je;
	size_t end, i;

	if (!text->n)
		return err_kind(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	*j = json_loadb(text->p, text->n, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &je);
	if (!*j && is_cut_short(&je))
		return err_kind(e, ERR_INVALID, "invalid JSON: unexpected EOF");
	if (!*j) {
		/* Bytes that are no UTF-8 are replaced, as Go does; then try once more. */
		cleanup_json json_t *fixed = json_textn(text->p, text->n);
		const char *again = json_string_value(fixed);

		if (again && json_string_length(fixed) != text->n)
			*j = json_loadb(again, json_string_length(fixed), JSON_DECODE_ANY, &je);
		if (!*j)
			return err_kind(e, ERR_INVALID, "invalid JSON: %s",
				json_go_mistake(text->p, text->n, mistake) ? mistake : je.text);
		return 0;
	}
	end = (size_t)je.position;
	for (i = end; i < text->n; i++) {
		if (!strchr(" \t\r\n", text->p[i]) || !text->p[i]) {
			json_decref(*j);
			*j = NULL;
			return err_kind(e, ERR_INVALID, "unexpected content after JSON");
		}
	}
	return 0;
}

int http_body_json(struct http *h, bool optional, json_t **j, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	*j = NULL;
	if (http_has_body(h) && check_content_type(h, e))
		return -1;
	if (read_whole_body(h, &text, e))
		return -1;
	if (!text.n && optional)
		return 0;
	return parse_body(&text, j, e);
}

/* --- the answer ----------------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
		{301, "Moved Permanently"}, {304, "Not Modified"}, {400, "Bad Request"},
		{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {409, "Conflict"},
		{417, "Expectation Failed"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
		{503, "Service Unavailable"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static int status_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_INVALID:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_NOT_MODIFIED:
		return 304;
	case ERR_FORBIDDEN:
		return 403;
	case ERR_UNAUTHORIZED:
		return 401;
	case ERR_UNAVAILABLE:
		return 503;
	case ERR_NOT_SUPPORTED:
		return 501;
	case ERR_FAILED:
		break;
	}
	return 500;
}

void http_set_header(struct http *h, const char *name, const char *value)
{
	buf_addf(&h->extra, "%s: %s\r\n", name, value);
}

void http_add_engine_headers(struct http *h)
{
	http_set_header(h, "Api-Version", API_VERSION);
	http_set_header(h, "Docker-Experimental", "false");
	http_set_header(h, "Ostype", "linux");
	http_set_header(h, "Server", SERVER_NAME);
}

static void head_begin(struct http *h, struct buf *out, int status, const char *type)
{
	char date[64];
	struct tm tm;
	time_t now = time(NULL);
	bool old = h->head.target.n && !h->head.minor; /* an HTTP/1.0 client knows nothing but the end */

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	buf_addf(out, "HTTP/1.%d %d %s\r\n", !old, status, reason_of(status));
	if (!h->plain_engine)
		buf_adds(out, "Api-Version: " API_VERSION "\r\n");
	if (type)
		buf_addf(out, "Content-Type: %s\r\n", type);
	if (!h->plain_engine)
		buf_addf(out, "%sOstype: linux\r\nServer: " SERVER_NAME "\r\n",
			h->foreign_version ? "" : "Docker-Experimental: false\r\n");
	buf_add(out, h->extra.p, h->extra.n);
	buf_addf(out, "Date: %s\r\n", date);
	if (!h->head.keep_alive || h->close_after) {
		h->close_after = true;
		if (!old)
			buf_adds(out, "Connection: close\r\n");
	}
}

static void send_all(struct http *h, const void *p, size_t n)
{
	h->answered = true;
	if (sock_send(h->fd, p, n, NULL, 0)) {
		h->gone = true;
		h->close_after = true;
	}
}

void http_text(struct http *h, int status, const char *type, const void *p, size_t n)
{
	cleanup_buf struct buf out = BUF_INIT;

	head_begin(h, &out, status, type);
	if (status != 204 && status != 304)
		buf_addf(&out, "Content-Length: %zu\r\n", n);
	buf_adds(&out, "\r\n");
	if (!span_eqs(h->head.method, "HEAD"))
		buf_add(&out, p, n);
	send_all(h, out.p, out.n);
}

void http_json(struct http *h, int status, json_t *j_steal)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = j_steal;

	json_print(j, true, &text);
	http_text(h, status, "application/json", text.p, text.n);
}

void http_empty(struct http *h, int status)
{
	http_text(h, status, NULL, "", 0);
}

/* A stream has begun: progress streams end in an object that tells, others just end.  What the user
 * can do is said behind the error: much that goes wrong there (ids, rate limits) lies in his hands. */
static void fail_stream(struct http *h, const struct err *e)
{
	cleanup_free char *said = *e->hint ? xasprintf("%s (%s)", e->msg, e->hint) : xstrdup(e->msg);
	cleanup_json json_t *j = json_object(), *detail = json_object();

	json_set_str(detail, "message", said);
	json_object_set(j, "errorDetail", detail);
	json_set_str(j, "error", said);
	http_stream_json(h, j, "\r\n");
}

void http_fail(struct http *h, const struct err *e)
{
	json_t *j;

	if (h->streaming) {
		fail_stream(h, e);
		return;
	}
	if (e->kind == ERR_NOT_MODIFIED) {
		http_empty(h, 304);
		return;
	}
	j = json_object();
	json_set_str(j, "message", e->msg);
	http_json(h, status_of(e->kind), j);
}

int http_stream_begin(struct http *h, int status, const char *type)
{
	cleanup_buf struct buf out = BUF_INIT;

	h->streaming = true;
	h->chunked_out = h->head.minor >= 1;
	if (!h->chunked_out)
		h->close_after = true;
	head_begin(h, &out, status, type);
	if (h->chunked_out)
		buf_adds(&out, "Transfer-Encoding: chunked\r\n");
	buf_adds(&out, "\r\n");
	send_all(h, out.p, out.n);
	return h->gone ? -1 : 0;
}

int http_stream_write(struct http *h, const void *p, size_t n)
{
	cleanup_buf struct buf out = BUF_INIT;

	if (!n || h->gone)
		return h->gone ? -1 : 0;
	if (!h->chunked_out) {
		send_all(h, p, n);
		return h->gone ? -1 : 0;
	}
	buf_room(&out, n + 24);
	buf_addf(&out, "%zx\r\n", n);
	buf_add(&out, p, n);
	buf_adds(&out, "\r\n");
	send_all(h, out.p, out.n);
	return h->gone ? -1 : 0;
}

int http_progress(void *arg, const char *json, size_t n)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct http *h = arg;

	if (!http_streaming(h) && http_stream_begin(h, 200, "application/json"))
		return -1;
	buf_add(&line, json, n);
	buf_adds(&line, "\r\n");
	return http_stream_write(h, line.p, line.n);
}

int http_stream_json(struct http *h, const json_t *j, const char *ending)
{
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, false, &text);
	buf_adds(&text, ending);
	return http_stream_write(h, text.p, text.n);
}

bool http_streaming(struct http *h)
{
	return h->streaming;
}

int http_fd(struct http *h)
{
	return h->fd;
}

bool http_client_gone(struct http *h)
{
	struct pollfd p = {h->fd, POLLRDHUP, 0};

	if (h->gone)
		return true;
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void http_refuse(struct http *h, const char *status_and_reason)
{
	cleanup_buf struct buf out = BUF_INIT;

	buf_addf(&out,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%s",
		status_and_reason, status_and_reason);
	h->close_after = true;
	send_all(h, out.p, out.n);
}

/* --- hijacking ----------------------------------------------------------------------------------- */

int http_hijack(struct http *h, const char *type, const void **early, size_t *early_len)
{
	cleanup_buf struct buf out = BUF_INIT;
	bool upgrade = span_caseeqs(h->head.upgrade, "tcp");

	if (upgrade)
		buf_addf(&out, "HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\n"
			       "Upgrade: tcp\r\n",
			type);
	else
		buf_adds(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n");
	buf_add(&out, h->extra.p, h->extra.n);
	buf_adds(&out, "\r\n");
	return http_take_over(h, out.p, early, early_len);
}

/*
 * Wait until the client has read what was sent, HEAD_READ_MS at most. A client that reads the head through a buffer
 * (Python's http.client, so docker-py) and the stream from the socket behind it would lose what the buffer took of
 * the stream. On a UNIX socket the kernel tells: SIOCOUTQ is what the peer has not taken (1 while the last piece is
 * just being freed), and each piece that is freed is an edge of EPOLLOUT. Elsewhere nobody can know.
 */
static void await_head_read(int fd)
{
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
	int ep, unread, domain = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof(domain)}) || domain != AF_UNIX)
		return;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		while (!ioctl(fd, SIOCOUTQ, &unread) && unread > 1)
			if (epoll_wait(ep, &ev, 1, HEAD_READ_MS) <= 0 || ev.events & (EPOLLHUP | EPOLLERR))
				break;
	fd_close(&ep);
}

int http_take_over(struct http *h, const char *head, const void **early, size_t *early_len)
{
	char drop[512];
	struct err e;

	/* A body of known length is no input of the stream (dockerode sends its options so). */
	while (!h->head.chunked && http_body_read(h, drop, sizeof(drop), &e) > 0)
		;
	send_all(h, head, strlen(head));
	await_head_read(h->fd);
	h->hijacked = true;
	h->close_after = true;
	*early = h->in.p;
	*early_len = h->in.n;
	return fd_steal(&h->fd);
}

void http_hijack_fail(struct http *h, const struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	int status = status_of(e->kind);

	buf_addf(&out, "HTTP/1.1 %d %s\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n%s\r\n",
		status, reason_of(status), e->msg);
	h->close_after = true;
	send_all(h, out.p, out.n);
}

/* --- the target ----------------------------------------------------------------------------------- */

static void add_query(struct http *h, char *name, char *value)
{
	size_t i, n = 0;

	for (i = 0; i < h->n_query && strcmp(h->query[i].name, name); i++)
		;
	if (i == h->n_query) {
		h->query = xreallocarray(h->query, h->n_query + 1, sizeof(*h->query));
		h->query[h->n_query].name = name;
		h->query[h->n_query++].values = xcalloc(1, sizeof(char *));
	} else {
		free(name);
	}
	while (h->query[i].values[n])
		n++;
	h->query[i].values = xreallocarray(h->query[i].values, n + 2, sizeof(char *));
	h->query[i].values[n] = value;
	h->query[i].values[n + 1] = NULL;
}

#define QUERY_PAIRS_MAX 1000

static int parse_query(struct http *h, struct span query, struct span *bad)
{
	struct span pair, value;
	int count = 0;
	char *n, *v;

	while (span_token(&query, '&', &pair)) {
		ssize_t eq = span_chr(pair, '=');

		if (!pair.n)
			continue;
		value = eq >= 0 ? span_cut(&pair, (size_t)eq) : (struct span){"", 0};
		n = http_decode(pair, true, bad);
		v = n ? http_decode(value, true, bad) : NULL;
		if (!v || ++count > QUERY_PAIRS_MAX) {
			free(n);
			free(v);
			return -1;
		}
		add_query(h, n, v);
	}
	return 0;
}

/* Send the client to the path without "//" and "..", as Go's router does. */
static void redirect(struct http *h, const char *to, struct span query)
{
	cleanup_buf struct buf location = BUF_INIT;
	const unsigned char *c;

	for (c = (const unsigned char *)to; *c; c++) {
		if (*c <= 0x20 || *c >= 0x7f || strchr("%?#\"<>", *c))
			buf_addf(&location, "%%%02X", *c);
		else
			buf_addc(&location, (char)*c);
	}
	if (query.n)
		buf_addf(&location, "?%.*s", (int)query.n, query.p);
	h->plain_engine = true;
	http_set_header(h, "Location", location.p);
	http_empty(h, 301);
}

int http_parse_target(struct http *h)
{
	struct span path = h->head.target, query = {"", 0}, bad = {"", 0};
	cleanup_free char *clean = NULL;
	struct err e;
	ssize_t at;

	if (span_starts(path, "http://") || span_starts(path, "https://")) {
		path.p += 8;
		path.n -= 8;
		at = span_chr(path, '/');
		path = at < 0 ? SPAN("/") : (struct span){path.p + at, path.n - (size_t)at};
	}
	at = span_chr(path, '#');
	if (at >= 0)
		path.n = (size_t)at;
	at = span_chr(path, '?');
	if (at >= 0)
		query = span_cut(&path, (size_t)at);
	if (span_eqs(path, "*"))
		path = SPAN("/*");
	h->path = http_decode(path, false, NULL);
	if (!h->path || h->path[0] != '/') {
		http_refuse(h, "400 Bad Request");
		return -1;
	}
	clean = fs_clean_path(h->path);
	if (strlen(h->path) > 1 && h->path[strlen(h->path) - 1] == '/' && strcmp(clean, "/")) {
		char *slashed = xasprintf("%s/", clean);

		free(clean);
		clean = slashed;
	}
	if (strcmp(clean, h->path)) {
		redirect(h, clean, query);
		return -1;
	}
	if (parse_query(h, query, &bad)) {
		err_kind(&e, ERR_INVALID, "invalid URL escape \"%.*s\"", (int)bad.n, bad.p);
		http_fail(h, &e);
		return -1;
	}
	return 0;
}
