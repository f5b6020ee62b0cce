/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/requests.c - what the engine asks of a monitor
 *
 * Theory of operation
 *   protocol.h has the messages.  The socket is the user's own, mode 0600, so whoever asks may;
 *   lengths are checked all the same: a newer engine may say something else.
 */
#include "runtime/monitor.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* --- messages --------------------------------------------------------------------------------------- */

static uint32_t fixed_length(uint32_t type)
{
	switch (type) {
	case MSG_START:
		return sizeof(struct msg_start);
	case MSG_ATTACH:
		return sizeof(struct msg_attach);
	case MSG_RESIZE:
		return sizeof(struct msg_resize);
	case MSG_SIGNAL:
		return sizeof(struct msg_signal);
	case MSG_FREEZE:
		return sizeof(struct msg_freeze);
	case MSG_LIMIT:
		return sizeof(struct msg_limit);
	case MSG_STARTED:
		return sizeof(struct msg_started);
	case MSG_FAILED:
		return sizeof(struct msg_failed);
	case MSG_DONE:
		return sizeof(struct msg_head);
	case MSG_EXITED:
		return sizeof(struct msg_exited);
	default:
		return UINT32_MAX;
	}
}

static bool attach_ok(const struct msg_attach *a, size_t n)
{
	return a->keys_len <= MSG_TEXT_MAX && a->text_len <= MSG_TEXT_MAX &&
		a->early_len <= MSG_TEXT_MAX &&
		n == sizeof(*a) + a->keys_len + a->text_len + a->early_len;
}

/* Some have bytes behind them. */
static bool length_ok(const union msg *msg, size_t n)
{
	if (msg->head.type == MSG_ATTACH)
		return attach_ok(&msg->attach, n);
	if (msg->head.type == MSG_LIMIT)
		return msg->limit.text_len <= MSG_TEXT_MAX && n == sizeof(msg->limit) + msg->limit.text_len;
	return n == fixed_length(msg->head.type);
}

ssize_t msg_recv(int fd, union msg *msg, int *fds, size_t max_fds, size_t *nfds)
{
	ssize_t n = sock_recv(fd, msg, sizeof(*msg), fds, max_fds, nfds);

	if (n <= 0)
		return n;
	if ((size_t)n >= sizeof(msg->head) && msg->head.len == (uint32_t)n &&
		(size_t)n >= fixed_length(msg->head.type) && length_ok(msg, (size_t)n))
		return n;
	while (*nfds)
		close(fds[--*nfds]);
	errno = EPROTO;
	return -1;
}

static int reply(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

void msg_fail(int fd, const struct err *e)
{
	struct msg_failed f = { MSG_HEAD(MSG_FAILED, f), .code = e->code, .kind = (int32_t)e->kind };

	snprintf(f.msg, sizeof(f.msg), "%s", e->msg);
	snprintf(f.hint, sizeof(f.hint), "%s", e->hint);
	reply(fd, &f, sizeof(f));
}

int msg_started(int fd, const struct monitor *m)
{
	struct msg_started s = {
		MSG_HEAD(MSG_STARTED, s),
		.protocol = PROTOCOL,
		.pid = m->pid,
		.start_time = m->start_time,
		.started_at = m->started_at,
	};

	return reply(fd, &s, sizeof(s));
}

/* --- what is asked -------------------------------------------------------------------------------------- */

static int do_resize(struct monitor *m, const struct msg_resize *r, struct err *e)
{
	struct winsize size = { .ws_row = (unsigned short)r->rows, .ws_col = (unsigned short)r->cols };

	if (r->rows > USHRT_MAX || r->cols > USHRT_MAX)
		return err_kind(e, ERR_INVALID, "a terminal of %u rows and %u columns", r->rows, r->cols);
	if (m->exited)
		return err_kind(e, ERR_CONFLICT, "the process has ended");
	/* Without a terminal there is nothing to do, and that is no error (as in Docker). */
	if (m->tty && !m->sources[0].ended && ioctl(m->sources[0].watch.fd, TIOCSWINSZ, &size))
		return err_set(e, errno, "resizing the terminal");
	return 0;
}

static int do_signal(struct monitor *m, const struct msg_signal *s, struct err *e)
{
	if (m->exited)
		return err_kind(e, ERR_CONFLICT, "the process has ended");
	if (s->all)
		return signal_all(m, s->signo, e);
	if (proc_signal(m->init.fd, s->signo)) {
		if (errno == ESRCH)
			return err_kind(e, ERR_CONFLICT, "the process has ended");
		return err_set(e, errno, "sending signal %d", s->signo);
	}
	return 0;
}

static int do_freeze(struct monitor *m, const struct msg_freeze *f, struct err *e)
{
	if (m->exited)
		return err_kind(e, ERR_CONFLICT, "the process has ended");
	soft_resume(&m->soft); /* or it would seem to have been stopped before */
	if (f->on)
		return freeze(m, e);
	thaw(m);
	return 0;
}

static int do_limit(struct monitor *m, const struct msg_limit *l, const char *text, struct err *e)
{
	cleanup_json json_t *resources = json_parse(text, l->text_len, e);
	struct limits limits;
	int rc;

	if (!resources || limits_parse(resources, &limits, e))
		return -1;
	rc = m->exited ? 0 : confine_change(m, &limits, e) || hold(m, &limits, e) ? -1 : 0;
	limits_release(&limits);
	return rc;
}

static int handle(struct monitor *m, const union msg *msg, int *fds, size_t nfds, struct err *e)
{
	int fd;

	switch (msg->head.type) {
	case MSG_RESIZE:
		return do_resize(m, &msg->resize, e);
	case MSG_SIGNAL:
		return do_signal(m, &msg->signal, e);
	case MSG_FREEZE:
		return do_freeze(m, &msg->freeze, e);
	case MSG_LIMIT:
		return do_limit(m, &msg->limit, msg->bytes + sizeof(msg->limit), e);
	case MSG_ATTACH:
		if (nfds != 2)
			return err_kind(e, ERR_INVALID, "attach needs the client's socket");
		fd = fds[1];
		fds[1] = -1;
		return client_add(m, fd, &msg->attach, msg->bytes + sizeof(msg->attach), e);
	default:
		return err_kind(e, ERR_INVALID, "unknown request %u", msg->head.type);
	}
}

/* --- connections ------------------------------------------------------------------------------------------ */

static void connection_drop(struct monitor *m, struct connection *c)
{
	struct connection **at = &m->connections;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	m->n_connections--;
	watch_drop(m, &c->watch);
	free(c);
}

static void connection_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	struct msg_head done = MSG_HEAD(MSG_DONE, done);
	struct err e = ERR_INIT;
	static union msg msg; /* 64 KiB that most monitors never touch */
	int fds[2] = { -1, -1 };
	size_t nfds;
	ssize_t n;

	(void)events;
	n = msg_recv(w->fd, &msg, fds, 2, &nfds);
	if (n <= 0 && !(n < 0 && errno == EPROTO)) {
		connection_drop(m, (struct connection *)w);
		return;
	}
	if (n > 0 && nfds) {
		if (handle(m, &msg, fds, nfds, &e))
			msg_fail(fds[0], &e);
		else
			reply(fds[0], &done, sizeof(done));
	}
	while (nfds)
		fd_close(&fds[--nfds]);
}

int connection_add(struct monitor *m, int fd)
{
	struct connection *c;

	if (m->n_connections >= CONNECTIONS_MAX) {
		close(fd);
		return -1;
	}
	c = xcalloc(1, sizeof(*c));
	c->watch = (struct watch){ .fd = fd, .ready = connection_ready };
	c->next = m->connections;
	m->connections = c;
	m->n_connections++;
	watch_set(m, &c->watch, EPOLLIN);
	return 0;
}

void listener_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (msg_started(fd, m))
		close(fd);
	else
		connection_add(m, fd);
}

void connections_tell_exit(struct monitor *m)
{
	struct msg_exited x = {
		MSG_HEAD(MSG_EXITED, x),
		.exit_code = m->exit.exit_code,
		.oom_killed = m->exit.oom_killed,
		.finished_at = m->exit.finished_at,
	};
	char rest;

	while (m->connections) {
		int fd = m->connections->watch.fd;

		/* Closing over unread requests would reset the connection, and the reset overtakes
		 * what we say now.  Who asked sees the end of the socket for the answer. */
		shutdown(fd, SHUT_RD);
		while (recv(fd, &rest, sizeof(rest), MSG_DONTWAIT) > 0)
			;
		reply(fd, &x, sizeof(x));
		connection_drop(m, m->connections);
	}
}
