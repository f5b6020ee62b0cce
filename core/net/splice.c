/* SPDX-License-Identifier: MIT */
/*
 * core/net/splice.c - two connected TCP sockets, each sent what the other receives
 *
 * Theory of operation
 *   Each direction is: socket, pipe, other socket.  It reads only into an empty pipe and writes until
 *   that is empty again, so its states are
 *	receiving	pipe empty (and given back to the pool), waiting for EPOLLIN
 *	blocked		pipe holds data, waiting for the other socket's EPOLLOUT
 *	ended		EOF was received; with the pipe empty it has been passed on by shutdown(2)
 *   Where no descriptor is left for a pipe, data goes through a small buffer, and what the receiver does not take
 *   stays in the socket it came from:
 *	stuck		waiting for the other socket's EPOLLOUT, and not for EPOLLIN
 *   Events are level-triggered and asked for only in these states, so a slow receiver causes no wake-ups
 *   of its sender.  A socket that is shut down and waits for nothing is not watched: EPOLLHUP, which
 *   cannot be declined, would never cease.
 *
 *   A direction moves at most ROUNDS pipes' worth for one event, then it is other connections' turn.
 *
 *   Any error ends both directions, with a reset to both peers: the data lost cannot be told from data
 *   still coming otherwise.
 */
#include "net/splice.h"
#include "base/fs.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* #syscalls splice shutdown setsockopt close pipe2 fcntl epoll_ctl recvfrom sendto write */

#define PIPE_BYTES (256 * 1024) /* wished for; a user's pipe-user-pages-soft may give less */
#define COPY_BYTES (16 * 1024)	/* on the stack */
#define ROUNDS 8
#define SMALL_BYTES 4096
#define UNSENT_BYTES (128 * 1024) /* of a socket: more of it would only grow old and leave the caches */

/* --- pipes -------------------------------------------------------------------------------------- */

void splice_pool_init(struct splice_pool *p, struct loop *l)
{
	p->loop = l;
	p->n = 0;
	p->shared = false;
}

static void pipe_close(int pipe[2])
{
	fd_close(&pipe[0]);
	fd_close(&pipe[1]);
}

void splice_pool_release(struct splice_pool *p)
{
	while (p->n)
		pipe_close(p->pipes[--p->n]);
}

static int pipe_take(struct splice_end *from)
{
	struct splice_pool *p = from->splice->pool;

	if (from->pipe[0] >= 0)
		return 0;
	if (p->n) {
		p->n--;
		from->pipe[0] = p->pipes[p->n][0];
		from->pipe[1] = p->pipes[p->n][1];
		return 0;
	}
	if (pipe2(from->pipe, O_CLOEXEC | O_NONBLOCK))
		return -1;
	fcntl(from->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

/* Give an empty pipe back. */
static void pipe_give(struct splice_end *from)
{
	struct splice_pool *p = from->splice->pool;

	if (from->pipe[0] < 0)
		return;
	if (p->n == SPLICE_IDLE_PIPES) {
		pipe_close(from->pipe);
		return;
	}
	p->pipes[p->n][0] = from->pipe[0];
	p->pipes[p->n][1] = from->pipe[1];
	p->n++;
	from->pipe[0] = from->pipe[1] = -1;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void end_with_reset(int fd)
{
	struct linger reset = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void splice_reset(int *fd)
{
	if (*fd >= 0)
		end_with_reset(*fd);
	fd_close(fd);
}

static void end_close(struct splice_end *e, bool reset)
{
	if (reset)
		end_with_reset(e->w.fd);
	if (e->splice->pool->shared)
		loop_remove(e->splice->pool->loop, &e->w);
	loop_close(e->splice->pool->loop, &e->w);
	if (e->held)
		pipe_close(e->pipe);
	pipe_give(e);
}

static void finish(struct splice *s, bool reset)
{
	end_close(&s->a, reset);
	end_close(&s->b, reset);
	s->closed(s);
}

void splice_abort(struct splice *s)
{
	end_close(&s->a, true);
	end_close(&s->b, true);
}

/* --- copying ------------------------------------------------------------------------------------ */

/* splice(2) stops before urgent data, as if there were nothing or the end: recv(2) gets over it.  As splice(2) returns. */
static ssize_t receive_urgent(struct splice_end *from)
{
	char bytes[64];
	ssize_t n = recv(from->w.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n > 0 ? write(from->pipe[1], bytes, (size_t)n) : n;
}

/* Without a pipe: as receive(), and passed on at once. */
static int copy_directly(struct splice_end *from)
{
	char bytes[COPY_BYTES];
	ssize_t n = recv(from->w.fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT), sent = 0;

	if (n > 0)
		sent = send(from->other->w.fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 || sent < 0) {
		from->stuck = n > 0 && errno == EAGAIN;
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	if (sent && recv(from->w.fd, bytes, (size_t)sent, MSG_DONTWAIT) != sent)
		return -1;
	from->eof = !n;
	from->splice->moved += (size_t)sent;
	return 1;
}

/* Fill the empty pipe.  @ready: there must be something.  @ends: its end has come, and no urgent data before that.
 * 1: something came or it ended; 0: nothing now; -1: an error. */
static int receive(struct splice_end *from, bool ready, bool ends)
{
	ssize_t n;

	from->stuck = false;
	if (pipe_take(from))
		return copy_directly(from);
	n = splice(from->w.fd, NULL, from->pipe[1], NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if ((!n && !ends) || (ready && n < 0 && errno == EAGAIN))
		n = receive_urgent(from);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	from->held = (size_t)n;
	from->eof = !n;
	from->splice->moved += (size_t)n;
	return 1;
}

/* Empty the pipe: 1; 0: the receiver takes no more now; -1: an error. */
static int pass_on(struct splice_end *from)
{
	while (from->held) {
		ssize_t n = splice(from->pipe[0], NULL, from->other->w.fd, NULL, from->held,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		from->held -= (size_t)n;
	}
	return 1;
}

/* All that came has been passed on, and that it ended must be.  Where both have, they are closed, which tells it. */
static int pass_end_on(struct splice_end *from)
{
	from->done = true;
	/* ENOTCONN: reset meanwhile; the event of that is on its way. */
	return from->other->done || !shutdown(from->other->w.fd, SHUT_WR) || errno == ENOTCONN ? 1 : -1;
}

/* What can be moved from one end to the other.  @events: what epoll says of @from, 0: nothing.
 * 0, or -1: the connection is broken. */
static int pump(struct splice_end *from, uint32_t events)
{
	bool ends = (events & (EPOLLRDHUP | EPOLLPRI)) == EPOLLRDHUP;
	int i, rc = 1;

	for (i = 0; i < ROUNDS && rc > 0 && !from->done; i++) {
		size_t had = from->splice->moved;
		bool fresh = !from->held && !from->eof;

		if (fresh)
			rc = receive(from, !i && events, ends);
		if (rc > 0)
			rc = pass_on(from);
		if (rc > 0 && from->eof)
			rc = pass_end_on(from);
		/* A small message is one, and no other comes at once. */
		if (fresh && !ends && from->splice->moved - had < SMALL_BYTES)
			break;
	}
	if (!from->held)
		pipe_give(from);
	return rc < 0 ? -1 : 0;
}

/* Ask for the events that something can be done with now.  0, or -1. */
static int watch_end(struct splice_end *e)
{
	struct loop *l = e->splice->pool->loop;
	uint32_t events = (e->held || e->stuck || e->eof ? 0 : EPOLLIN | EPOLLPRI | EPOLLRDHUP) |
			  (e->other->held || e->other->stuck ? EPOLLOUT : 0);
	bool watched = events || !e->other->done;

	if (watched && e->watched)
		loop_change(l, &e->w, events);
	else if (watched && loop_add(l, &e->w, events))
		return -1;
	else if (!watched)
		loop_remove(l, &e->w);
	e->watched = watched;
	return 0;
}

static void become_large(struct splice *s)
{
	int unsent = UNSENT_BYTES;

	s->is_large = true;
	setsockopt(s->a.w.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(s->b.w.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (s->large)
		s->large(s);
}

static void end_ready(struct watch *w, uint32_t events)
{
	struct splice_end *e = (struct splice_end *)(void *)((char *)w - offsetof(struct splice_end, w));
	struct splice *s = e->splice;
	int rc = 0;

	/* What was received before a reset is lost here, as it is to the reader of a plain socket. */
	if (events & EPOLLERR)
		rc = -1;
	if (!rc && events & ~(uint32_t)EPOLLOUT)
		rc = pump(e, events);
	if (!rc && events & EPOLLOUT)
		rc = pump(e->other, 0);
	if (!rc && s->a.done && s->b.done)
		finish(s, false);
	else if (rc || watch_end(&s->a) || watch_end(&s->b))
		finish(s, true);
	else if (!s->is_large && s->moved >= SPLICE_LARGE)
		become_large(s);
}

static void end_init(struct splice_end *e, struct splice *s, struct splice_end *other, int fd)
{
	*e = (struct splice_end){.w = {.fd = fd, .ready = end_ready}, .splice = s, .other = other, .pipe = {-1, -1}};
}

void splice_prepare(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));   /* urgent data stays where it is in the stream */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* the sender has decided what to wait for */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)); /* a peer that vanished is noticed */
}

int splice_start(struct splice *s, struct splice_pool *p, int a, int b, bool b_added,
	void (*closed)(struct splice *s))
{
	s->pool = p;
	s->closed = closed;
	s->large = NULL;
	s->moved = 0;
	s->is_large = false;
	end_init(&s->a, s, &s->b, a);
	end_init(&s->b, s, &s->a, b);
	s->b.watched = b_added;
	if (!watch_end(&s->a) && !watch_end(&s->b))
		return 0;
	splice_abort(s);
	return -1;
}

void splice_on_large(struct splice *s, void (*large)(struct splice *s))
{
	s->large = large;
}

void splice_pause(struct splice *s)
{
	loop_remove(s->pool->loop, &s->a.w);
	loop_remove(s->pool->loop, &s->b.w);
	s->a.watched = s->b.watched = false;
}

int splice_resume(struct splice *s, struct splice_pool *p)
{
	s->pool = p;
	if (!watch_end(&s->a) && !watch_end(&s->b))
		return 0;
	splice_abort(s);
	return -1;
}
