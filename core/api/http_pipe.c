/* SPDX-License-Identifier: MIT */
/*
 * core/api/http_pipe.c - bodies that come from a pipe or go into one
 *
 * Theory of operation
 *   Who writes an archive is another process.  Its pages go from the pipe to the socket by
 *   splice(2); what we add is the length of each chunk, and what is in the pipe at a time is a
 *   chunk.  A length is promised before its bytes are moved, but a pipe does not lose any.
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
