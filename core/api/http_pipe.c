/* SPDX-License-Identifier: MIT */
/*
 * core/api/http_pipe.c - bodies that come from a pipe or go into one
 *
 * Theory of operation
 *   Who writes an archive is another process.  Its pages go from the pipe to the socket by
 *   splice(2); what we add is the length of each chunk, and what is in the pipe at a time is a
 *   chunk.  A length is promised before its bytes are moved, but a pipe does not lose any.
 *
 *   A body goes the other way without being copied, too.  Framing is looked at before it is taken, so that no
 *   data comes with it: what is read must be written, and would be a piece of a page in the pipe.
 */
#include "api/server.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 65536
#define PASS_MAX (1 << 20)
#define FRAMING_MAX 64 /* looked at at a time: "\r\n8000\r\n" */

/* Bytes in the pipe; waits for some. 0 at its end, -1 and errno. */
static int await_bytes(int pipefd)
{
	struct pollfd p = {pipefd, POLLIN, 0};
	int n = 0;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -1;
	return ioctl(pipefd, FIONREAD, &n) ? -1 : n;
}

static int send_more(struct http *h, const char *text, size_t n)
{
	while (n) {
		ssize_t put = send(h->fd, text, n, MSG_NOSIGNAL | MSG_MORE);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		text += put;
		n -= (size_t)put;
	}
	return 0;
}

static int move(struct http *h, int pipefd, size_t n)
{
	while (n) {
		ssize_t moved = splice(pipefd, NULL, h->fd, NULL, n, SPLICE_F_MORE);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			return -1;
		n -= (size_t)moved;
	}
	return 0;
}

static int chunk(struct http *h, int pipefd, size_t n)
{
	char head[24];

	if (!h->chunked_out)
		return move(h, pipefd, n);
	snprintf(head, sizeof(head), "%zx\r\n", n);
	return send_more(h, head, strlen(head)) || move(h, pipefd, n) || send_more(h, "\r\n", 2);
}

int http_stream_pipe(struct http *h, int pipefd)
{
	int n;

	while ((n = await_bytes(pipefd)) > 0) {
		if (chunk(h, pipefd, (size_t)n)) {
			h->gone = h->close_after = true;
			return -1;
		}
	}
	return n;
}

int http_body_pipe(struct http *h, int pipefd, struct err *e)
{
	char piece[PIECE];
	ssize_t got;

	while ((got = http_body_read(h, piece, sizeof(piece), e)) > 0)
		if (fd_write_full(pipefd, piece, (size_t)got))
			return errno == EPIPE ? 0 : err_set(e, errno, "passing on the request's body");
	return got < 0 ? -1 : 0;
}

/* Receive no more than the end of a line. */
static ssize_t receive_line(struct http *h)
{
	char ahead[FRAMING_MAX], *end;
	ssize_t n;

	if (h->continue_due)
		return http_receive(h);
	n = recv(h->fd, ahead, sizeof(ahead), MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return n;
	end = memchr(ahead, '\n', (size_t)n);
	n = recv(h->fd, buf_room(&h->in, FRAMING_MAX), end ? (size_t)(end - ahead) + 1 : (size_t)n, MSG_DONTWAIT);
	if (n > 0) {
		h->in.n += (size_t)n;
		h->in.p[h->in.n] = 0;
	}
	return n;
}

ssize_t http_body_pass(struct http *h, int pipefd, struct err *e)
{
	uint64_t left;
	ssize_t n = 1;
	int rc;

	rc = http_body_left(h, receive_line, &left, e);
	if (rc <= 0)
		return rc;
	if (h->continue_due)
		n = http_receive(h);
	if (n > 0 && h->in.n) {
		n = write(pipefd, h->in.p, h->in.n < left ? h->in.n : (size_t)left);
		buf_consume(&h->in, n > 0 ? (size_t)n : 0);
	} else if (n > 0) {
		n = splice(h->fd, NULL, pipefd, NULL, left < PASS_MAX ? (size_t)left : PASS_MAX, SPLICE_F_NONBLOCK);
	}
	if (n < 0 && errno == EPIPE)
		return err_set(e, errno, "passing on the request's body"); /* the request itself is fine */
	if (n <= 0)
		return http_body_broken(h, n, e);
	http_body_took(h, (size_t)n);
	return n;
}
