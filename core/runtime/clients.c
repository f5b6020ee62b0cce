/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/clients.c - attached clients: output to them, input from them
 *
 * Theory of operation
 *   A client is a connected stream socket, which the engine's API thread may hold as well: its
 *   flags are shared, so it is never made non-blocking; each call says MSG_DONTWAIT.
 *
 *   What the socket does not take is kept in `pending`: at most one piece, as the sources stop
 *   until it is gone (the rest of a process that ended comes on top, which is bounded by what
 *   pipes hold).
 *
 *   The end of a client's input means, as in Docker: where stdin is to be closed after the first
 *   client (stdin_once) and there is no terminal, stdin ends and the client goes on listening;
 *   else it has left.  Detach keys exist with a terminal only; the start of the sequence is held
 *   back until it is clear that it is none.
 *
 *   When all is over the socket is shut down for both directions, which tells everybody who holds
 *   it; what the client had sent is read off before, as closing over unread input would make the
 *   kernel throw away the output (ECONNRESET, RST).
 */
#include "base/fs.h"
#include "runtime/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAME_HEAD 8

static const char default_keys[] = { 0x10, 0x11 }; /* ctrl-p, ctrl-q */

static char chunk[STDIN_CHUNK];

/* --- coming and going ------------------------------------------------------------------------------- */

static void client_drop(struct monitor *m, struct client *c)
{
	struct client **at = &m->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	m->n_clients--;
	if (c->in && m->stdin_once && !m->tty)
		stdin_close(m);
	watch_drop(m, &c->watch);
	buf_release(&c->pending);
	buf_release(&c->typed);
	free(c->text);
	free(c);
	sources_watch(m);
}

static void client_finish(struct monitor *m, struct client *c)
{
	while (recv(c->watch.fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	shutdown(c->watch.fd, SHUT_RDWR);
	client_drop(m, c);
}

static void client_leave(struct monitor *m, struct client *c)
{
	c->in = c->out = c->err = false;
	c->leaving = true;
	if (!c->pending.n)
		client_finish(m, c);
	else
		client_update(m, c);
}

void client_update(struct monitor *m, struct client *c)
{
	uint32_t events = EPOLLHUP;

	if (c->pending.n)
		events |= EPOLLOUT;
	if (c->in && !c->typed.n && stdin_fd(m) >= 0)
		events |= EPOLLIN;
	else if (c->hung_up)
		events = 0; /* until stdin took what it has typed */
	watch_set(m, &c->watch, events);
}

bool clients_waiting(const struct monitor *m)
{
	const struct client *c;

	for (c = m->clients; c; c = c->next) {
		if (c->pending.n)
			return true;
	}
	return false;
}

void clients_end(struct monitor *m)
{
	struct client *c, *next;

	for (c = m->clients; c; c = next) {
		next = c->next;
		client_leave(m, c);
	}
}

void clients_drop_all(struct monitor *m)
{
	while (m->clients)
		client_drop(m, m->clients);
}

/* --- output ------------------------------------------------------------------------------------------- */

/* Send what the socket takes, keep the rest. -1 if nobody is there any more. */
static int client_send(struct client *c, struct iovec *iov, size_t n_iov)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	ssize_t n = 0;
	size_t i;

	if (!c->pending.n) {
		do
			n = sendmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0)
			n = 0;
	}
	for (i = 0; i < n_iov; i++) {
		size_t taken = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

		n -= (ssize_t)taken;
		buf_add(&c->pending, (char *)iov[i].iov_base + taken, iov[i].iov_len - taken);
	}
	return 0;
}

static int client_output(struct client *c, int stream, const char *p, size_t n)
{
	unsigned char head[FRAME_HEAD] = { (unsigned char)(stream == STREAM_STDERR ? 2 : 1), 0, 0, 0,
		(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
		(unsigned char)n };
	struct iovec iov[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)p, n } };

	return c->framed ? client_send(c, iov, 2) : client_send(c, iov + 1, 1);
}

void clients_write(struct monitor *m, int stream, const char *p, size_t n)
{
	struct client *c, *next;

	for (c = m->clients; c; c = next) {
		next = c->next;
		if (c->hung_up || !(stream == STREAM_STDERR ? c->err : c->out))
			continue;
		if (client_output(c, stream, p, n))
			client_drop(m, c);
		else if (c->pending.n)
			client_update(m, c);
	}
}

static void client_flush(struct monitor *m, struct client *c)
{
	ssize_t n = send(c->watch.fd, c->pending.p, c->pending.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_drop(m, c);
		return;
	}
	patience_renew(m);
	buf_consume(&c->pending, (size_t)n);
	if (c->pending.n)
		return;
	buf_release(&c->pending);
	c->pending = (struct buf)BUF_INIT;
	if (c->leaving) {
		client_finish(m, c);
		return;
	}
	client_update(m, c);
	sources_watch(m);
}

/* --- input -------------------------------------------------------------------------------------------- */

/* Put @n bytes that were typed behind what waits, without the detach keys.  True if they are
 * complete. */
static bool filter_keys(struct client *c, const char *p, size_t n)
{
	for (; n; p++, n--) {
		if (*p == c->keys[c->at_key]) {
			if (++c->at_key == c->n_keys)
				return true;
			continue;
		}
		buf_add(&c->typed, c->keys, c->at_key);
		c->at_key = 0;
		buf_addc(&c->typed, *p);
	}
	return false;
}

static void client_type(struct monitor *m, struct client *c, const char *p, size_t n)
{
	bool detach = false;

	if (m->tty && c->n_keys)
		detach = filter_keys(c, p, n);
	else
		buf_add(&c->typed, p, n);
	if (detach && c->text)
		client_output(c, STREAM_STDOUT, c->text, strlen(c->text));
	if (detach)
		c->in = false; /* what was typed before the keys still goes in */
	stdin_pump(m);
	if (detach)
		client_leave(m, c);
	else
		sources_watch(m);
}

static void client_eof(struct monitor *m, struct client *c)
{
	if (m->stdin_once && !m->tty) {
		c->in = false;
		stdin_close(m);
		if (c->hung_up)
			client_drop(m, c);
		else
			client_update(m, c);
	} else {
		client_leave(m, c);
	}
}

static void client_read(struct monitor *m, struct client *c)
{
	ssize_t n = recv(c->watch.fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0)
		client_type(m, c, chunk, (size_t)n);
	else if (!n)
		client_eof(m, c);
	else if (errno != EAGAIN && errno != EINTR)
		client_drop(m, c);
}

static void client_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;
	bool readable = c->in && !c->typed.n && stdin_fd(m) >= 0;

	if (events & EPOLLERR) {
		client_drop(m, c);
	} else if (events & EPOLLHUP) {
		c->hung_up = true;
		buf_reset(&c->pending);
		if (readable)
			client_read(m, c);
		else if (c->in && c->typed.n)
			client_update(m, c);
		else
			client_drop(m, c);
	} else if (events & EPOLLOUT) {
		client_flush(m, c);
	} else if (readable) {
		client_read(m, c);
	}
}

/* --- a new one ---------------------------------------------------------------------------------------- */

static int take(struct client *c, int fd, const struct msg_attach *a, const char *tail,
	struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return err_kind(e, ERR_INVALID, "a client that is no socket");
	if (a->keys_len > KEYS_MAX)
		return err_kind(e, ERR_INVALID, "a detach sequence of %u bytes", a->keys_len);
	*c = (struct client){
		.watch = { .fd = fd, .ready = client_ready },
		.in = a->flags & ATTACH_IN,
		.out = a->flags & ATTACH_OUT,
		.err = a->flags & ATTACH_ERR,
		.framed = a->flags & ATTACH_FRAMED,
		.pending = BUF_INIT,
		.typed = BUF_INIT,
		.n_keys = a->keys_len,
	};
	memcpy(c->keys, tail, a->keys_len);
	if (!a->keys_len) {
		memcpy(c->keys, default_keys, sizeof(default_keys));
		c->n_keys = sizeof(default_keys);
	}
	if (a->text_len)
		c->text = xstrndup(tail + a->keys_len, a->text_len);
	return 0;
}

int client_add(struct monitor *m, int fd, const struct msg_attach *a, const char *tail,
	struct err *e)
{
	struct client *c;

	if (m->over || m->n_clients >= CLIENTS_MAX) {
		close(fd);
		return err_kind(e, ERR_CONFLICT, m->over ? "the process has ended" : "too many clients");
	}
	c = xcalloc(1, sizeof(*c));
	if (take(c, fd, a, tail, e)) {
		close(fd);
		free(c);
		return -1;
	}
	c->in = c->in && m->keep_stdin;
	c->next = m->clients;
	m->clients = c;
	m->n_clients++;
	client_update(m, c);
	if (c->in && a->early_len)
		client_type(m, c, tail + a->keys_len + a->text_len, a->early_len);
	return 0;
}
