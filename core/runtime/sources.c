/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/sources.c - the container's stdio: what it writes, and what it is given to read
 *
 * Theory of operation
 *   A piece that is read goes to the log, then to every client.  While a client has not taken its
 *   share nothing more is read, so that the container waits in write(2), as it would for a slow
 *   terminal; the price is known and the same in Docker.
 *
 *   Input waits in the client that typed it (client.typed) until stdin takes it.
 *
 *   A terminal is one descriptor for both, its master.  It reports EIO when the last process has
 *   closed it; a pipe reports the end of file.
 */
#include "runtime/monitor.h"
#include "base/fs.h"

#include <errno.h>
#include <unistd.h>

#define PIECE 65536 /* what a pipe holds */

static char piece[PIECE]; /* touched only as far as it is used */

bool sources_ended(const struct monitor *m)
{
	return m->sources[0].ended && m->sources[1].ended;
}

int stdin_fd(const struct monitor *m)
{
	if (!m->keep_stdin || m->exited)
		return -1;
	if (m->tty)
		return m->sources[0].ended ? -1 : m->sources[0].watch.fd;
	return m->in.fd;
}

static bool anything_typed(const struct monitor *m)
{
	const struct client *c;

	for (c = m->clients; c; c = c->next) {
		if (c->typed.n)
			return true;
	}
	return false;
}

void sources_watch(struct monitor *m)
{
	bool read_on = !clients_waiting(m) && !logsocket_blocking(&m->log.socket), typed = anything_typed(m);
	int i;

	for (i = 0; i < STREAMS; i++) {
		struct source *s = &m->sources[i];

		if (s->ended)
			continue;
		/* A paused terminal takes no input either: its hang-up could not be told apart. */
		watch_set(m, &s->watch,
			read_on ? EPOLLIN | (m->tty && typed ? EPOLLOUT : 0U) : 0U);
	}
	if (m->in.fd >= 0)
		watch_set(m, &m->in, typed ? EPOLLOUT : 0U);
}

static void source_end(struct monitor *m, struct source *s)
{
	s->ended = true;
	watch_drop(m, &s->watch);
}

/* Read one piece. False if there is nothing now, or nothing any more. */
static bool source_read(struct monitor *m, struct source *s)
{
	ssize_t n = read(s->watch.fd, piece, sizeof(piece));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		source_end(m, s);
		return false;
	}
	logger_feed(&m->log, s->stream, piece, (size_t)n);
	clients_write(m, s->stream, piece, (size_t)n);
	return true;
}

void source_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	struct source *s = (struct source *)w;

	if (events & EPOLLOUT)
		stdin_pump(m);
	if (!s->ended && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		source_read(m, s);
	sources_watch(m);
}

void sources_finish(struct monitor *m)
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		struct source *s = &m->sources[i];

		while (!s->ended && source_read(m, s))
			;
		if (!s->ended)
			source_end(m, s);
	}
	stdin_close(m);
}

/* --- the host's log -------------------------------------------------------------------------------- */

void log_peer_changed(void *monitor)
{
	struct monitor *m = monitor;
	const struct logsocket *s = &m->log.socket;

	if (m->log_peer.fd != s->fd) {
		watch_set(m, &m->log_peer, 0);
		m->log_peer.fd = s->fd; /* the logger's to close */
	}
	watch_set(m, &m->log_peer, logsocket_waiting(s) ? EPOLLOUT : 0U);
}

void log_peer_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	logsocket_flush(&m->log.socket);
	sources_watch(m);
}

/* --- stdin ----------------------------------------------------------------------------------------- */

void stdin_close(struct monitor *m)
{
	struct client *c;

	m->keep_stdin = false;
	watch_drop(m, &m->in);
	for (c = m->clients; c; c = c->next)
		buf_reset(&c->typed);
}

/* Give @c's input to stdin. 0, 1 if it did not take all, -1 if it never will again. */
static int pump_one(int fd, struct client *c)
{
	while (c->typed.n) {
		ssize_t n = write(fd, c->typed.p, c->typed.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -1;
		buf_consume(&c->typed, (size_t)n);
	}
	return 0;
}

void stdin_pump(struct monitor *m)
{
	struct client *c, *next;
	int fd = stdin_fd(m), rc = 0;

	if (!m->running)
		return; /* it has no stdin yet */
	for (c = m->clients; c && fd >= 0 && !rc; c = c->next)
		rc = pump_one(fd, c);
	if (fd < 0 || rc < 0)
		stdin_close(m);
	for (c = m->clients; c; c = next) {
		next = c->next;
		client_update(m, c);
	}
}

void stdin_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	stdin_pump(m);
	sources_watch(m);
}
