/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/client_http.c - HTTP/1.1 to an engine
 *
 * Theory of operation
 *   Bytes are received into client.in and consumed from its front (client.at).  A body is framed by
 *   Content-Length, by chunks, or by the end of the connection; client_read() gives the bytes
 *   inside the framing.
 *
 *   A body that is streamed from a descriptor (load, import) is sent by a thread of its own, in
 *   chunks: the engine reports progress while it reads, and who only writes until the end would
 *   leave both sides with full buffers.  The thread owns duplicates of its descriptors and touches
 *   nothing else, so nobody needs to wait for it: when the engine answers early and hangs up, its
 *   next send fails and it ends.
 */
#include "client_http.h"

#include "base/fs.h"
#include "base/proc.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX (64 << 10)   /* bytes of status line and headers */
#define LINE_MAX_CHUNK 256    /* bytes of a chunk's size line */
/* A short answer should not cost the page faults of a large buffer: reads grow when one was filled. */
#define RECV_MIN (3 << 10)
#define RECV_MAX (64 << 10)
#define UPLOAD_CHUNK (256 << 10)

enum framing { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct client {
	int fd;
	struct buf in;
	size_t at; /* first byte of in that was not consumed */
	size_t recv_size;
	struct buf head;
	enum framing framing;
	uint64_t left;	  /* of the body, or of the chunk */
	bool first_chunk; /* no line end stands before its size */
	bool ended;	  /* the body was read whole */
	bool keep;
	bool head_only;	  /* the request was a HEAD */
};

static int broken(struct err *e, const char *what)
{
	return err_kind(e, ERR_FAILED, "error during connect: the engine's answer is broken: %s", what);
}

struct client *client_open(const struct endpoint *ep, struct err *e)
{
	struct client *c;
	int fd = endpoint_connect(ep, e);

	if (fd < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->recv_size = RECV_MIN;
	c->in = c->head = (struct buf)BUF_INIT;
	return c;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	fd_close(&c->fd);
	buf_release(&c->in);
	buf_release(&c->head);
	free(c);
}

int client_fd(const struct client *c)
{
	return c->fd;
}

bool client_buffered(const struct client *c)
{
	return c->at < c->in.n || c->ended;
}

bool client_reusable(const struct client *c)
{
	return c->ended && c->keep;
}

/* --- sending ------------------------------------------------------------------------------ */

static int send_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	ssize_t put;

	while (n) {
		put = send(fd, at, n, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

struct upload {
	int from, to;
	const atomic_bool *broken;
};

static void upload_main(void *arg)
{
	struct upload *u = arg;
	char *data = xmalloc(UPLOAD_CHUNK), size[24];
	ssize_t n;

	for (;;) {
		n = read(u->from, data, UPLOAD_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
		if (send_all(u->to, size, strlen(size)) || send_all(u->to, data, (size_t)n) ||
			send_all(u->to, "\r\n", 2))
			break;
	}
	/* A body that could not be read, or made, must not look whole. */
	if (n < 0 || (n == 0 && u->broken && atomic_load(u->broken)))
		shutdown(u->to, SHUT_RDWR);
	else if (n == 0)
		send_all(u->to, "0\r\n\r\n", 5);
	close(u->from);
	close(u->to);
	free(data);
	free(u);
}

static int upload_start(struct client *c, const struct request *r, struct err *e)
{
	struct upload *u = xcalloc(1, sizeof(*u));
	int rc;

	u->broken = r->broken;
	u->from = fcntl(r->body_fd, F_DUPFD_CLOEXEC, 3);
	u->to = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	rc = u->from < 0 || u->to < 0 ? errno : thread_start("upload", upload_main, u, 64);
	if (!rc)
		return 0;
	fd_close(&u->from);
	fd_close(&u->to);
	free(u);
	return err_set(e, rc, "starting the upload");
}

static void format_head(const struct request *r, struct buf *b)
{
	buf_addf(b, "%s %s HTTP/1.1\r\nHost: api.moby.localhost\r\n", r->method, r->target);
	buf_adds(b, "User-Agent: Docker-Client/" CORACLE_VERSION " (linux; coracle)\r\n");
	if (r->auth)
		buf_addf(b, "X-Registry-Auth: %s\r\n", r->auth);
	if (r->auths)
		buf_addf(b, "X-Registry-Config: %s\r\n", r->auths);
	if (r->upgrade)
		buf_adds(b, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	if (r->content_type)
		buf_addf(b, "Content-Type: %s\r\n", r->content_type);
	if (r->body_fd > 0)
		buf_adds(b, "Transfer-Encoding: chunked\r\n");
	else if (r->content_type || !strcmp(r->method, "POST"))
		buf_addf(b, "Content-Length: %zu\r\n", r->len);
	buf_adds(b, "\r\n");
}

int client_request(struct client *c, const struct request *r, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	format_head(r, &b);
	if (r->body_fd <= 0)
		buf_add(&b, r->body, r->len);
	c->head_only = !strcmp(r->method, "HEAD");
	c->ended = c->keep = false;
	if (send_all(c->fd, b.p, b.n))
		return err_set(e, errno, "error during connect: sending a request");
	return r->body_fd > 0 ? upload_start(c, r, e) : 0;
}

/* --- receiving ---------------------------------------------------------------------------- */

/* More bytes behind those that are there: a count, 0 at the end, -1 with @e. */
static ssize_t fill(struct client *c, struct err *e)
{
	ssize_t n;

	if (c->at) {
		buf_consume(&c->in, c->at);
		c->at = 0;
	}
	do
		n = recv(c->fd, buf_room(&c->in, c->recv_size), c->recv_size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, errno, "error during connect: reading the engine's answer");
	c->in.n += (size_t)n;
	c->in.p[c->in.n] = 0;
	if ((size_t)n == c->recv_size)
		c->recv_size = RECV_MAX;
	return n;
}

/* Bytes up to and including @end, as a view that fill() invalidates. 1, 0 if the connection ends
 * before anything came, -1 with @e. */
static int take_until(struct client *c, const char *end, size_t max, struct span *out, struct err *e)
{
	size_t len = strlen(end), n;
	const char *found;
	ssize_t got;

	for (;;) {
		n = c->in.n - c->at;
		found = n ? memmem(c->in.p + c->at, n, end, len) : NULL;
		if (found)
			break;
		if (n > max)
			return broken(e, "a line is too long");
		got = fill(c, e);
		if (got < 0)
			return -1;
		if (got == 0)
			return n ? broken(e, "it ends in the middle") : 0;
	}
	*out = (struct span){c->in.p + c->at, (size_t)(found - (c->in.p + c->at)) + len};
	c->at += out->n;
	return 1;
}

const char *client_header(const struct client *c, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = c->head.p; *line; line += strlen(line) + 1) {
		if (strncasecmp(line, name, len) || line[len] != ':')
			continue;
		line += len + 1;
		return line + strspn(line, " \t");
	}
	return NULL;
}

/* The header block as NUL-terminated lines, ended by an empty one. */
static void keep_head(struct client *c, struct span text)
{
	struct span line;

	buf_reset(&c->head);
	while (span_token(&text, '\n', &line)) {
		while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
			line.n--;
		if (!line.n || memchr(line.p, 0, line.n))
			continue;
		buf_add(&c->head, line.p, line.n);
		buf_add(&c->head, "", 1);
	}
	buf_add(&c->head, "", 1);
}

static int parse_framing(struct client *c, int status, struct err *e)
{
	const char *length = client_header(c, "Content-Length");
	const char *coding = client_header(c, "Transfer-Encoding");
	const char *connection = client_header(c, "Connection");

	c->keep = !connection || strcasecmp(connection, "close");
	c->left = 0;
	c->first_chunk = true;
	c->ended = false;
	if (c->head_only || status == 204 || status == 304) {
		c->framing = BODY_NONE;
		c->ended = true;
	} else if (coding && !strcasecmp(coding, "chunked")) {
		c->framing = BODY_CHUNKED;
	} else if (coding && strcasecmp(coding, "identity")) {
		return broken(e, "unknown transfer encoding");
	} else if (length) {
		c->framing = BODY_LENGTH;
		if (parse_u64(span_trim(span_of(length)), INT64_MAX, &c->left))
			return broken(e, "bad Content-Length");
		c->ended = !c->left;
	} else {
		c->framing = BODY_UNTIL_CLOSE;
		c->keep = false;
	}
	return 0;
}

int client_response(struct client *c, struct err *e)
{
	struct span text;
	uint64_t status;
	int rc;

	do {
		rc = take_until(c, "\r\n\r\n", HEAD_MAX, &text, e);
		if (rc == 0)
			return err_kind(e, ERR_UNAVAILABLE, "error during connect: EOF");
		if (rc < 0)
			return -1;
		if (!span_starts(text, "HTTP/1.") || text.n < 13 || text.p[8] != ' ' ||
			parse_u64((struct span){text.p + 9, 3}, 999, &status) || status < 100)
			return broken(e, "no HTTP status line");
		keep_head(c, text);
	} while (status < 200 && status != 101);
	if (status == 101) {
		c->framing = BODY_UNTIL_CLOSE;
		c->keep = c->ended = false;
		return 101;
	}
	return parse_framing(c, (int)status, e) ? -1 : (int)status;
}

/* The next chunk's size line. */
static int next_chunk(struct client *c, struct err *e)
{
	struct span line;
	ssize_t ext;
	int rc;

	if (!c->first_chunk) {
		rc = take_until(c, "\r\n", 2, &line, e);
		if (rc < 0 || rc == 0 || line.n != 2)
			return rc < 0 ? -1 : broken(e, "a chunk does not end where it should");
	}
	c->first_chunk = false;
	rc = take_until(c, "\r\n", LINE_MAX_CHUNK, &line, e);
	if (rc <= 0)
		return rc < 0 ? -1 : broken(e, "it ends between chunks");
	line.n -= 2;
	ext = span_chr(line, ';');
	if (ext >= 0)
		span_cut(&line, (size_t)ext);
	if (parse_u64_base(span_trim(line), 16, INT64_MAX, &c->left))
		return broken(e, "bad chunk size");
	if (c->left)
		return 0;
	c->ended = true;
	do {
		rc = take_until(c, "\r\n", HEAD_MAX, &line, e);
	} while (rc > 0 && line.n > 2);
	return rc < 0 ? -1 : 0;
}

ssize_t client_read(struct client *c, void *p, size_t n, struct err *e)
{
	size_t have;
	ssize_t got;

	if (c->ended)
		return 0;
	if (c->framing == BODY_CHUNKED && !c->left) {
		if (next_chunk(c, e))
			return -1;
		if (c->ended)
			return 0;
	}
	if (c->at == c->in.n) {
		got = fill(c, e);
		if (got < 0)
			return -1;
		if (got == 0 && c->framing != BODY_UNTIL_CLOSE)
			return err_kind(e, ERR_UNAVAILABLE, "unexpected EOF");
		if (got == 0) {
			c->ended = true;
			return 0;
		}
	}
	have = c->in.n - c->at;
	if (c->framing != BODY_UNTIL_CLOSE && have > c->left)
		have = (size_t)c->left;
	if (have > n)
		have = n;
	memcpy(p, c->in.p + c->at, have);
	c->at += have;
	c->left -= c->framing == BODY_UNTIL_CLOSE ? 0 : have;
	if (c->framing == BODY_LENGTH && !c->left)
		c->ended = true;
	return (ssize_t)have;
}

int client_read_all(struct client *c, size_t max, struct buf *out, struct err *e)
{
	ssize_t n;

	do {
		if (out->n > max) {
			err_kind(e, ERR_FAILED, "error during connect: the engine's answer is larger than %zu bytes", max);
			e->code = EFBIG;
			return -1;
		}
		n = client_read(c, buf_room(out, c->recv_size), c->recv_size, e);
		if (n > 0) {
			out->n += (size_t)n;
			out->p[out->n] = 0;
		}
	} while (n > 0);
	return n < 0 ? -1 : 0;
}

int client_hijack(struct client *c, struct buf *early)
{
	int fd = fd_steal(&c->fd);

	buf_add(early, c->in.p + c->at, c->in.n - c->at);
	client_close(c);
	return fd;
}
