/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/stream.c - our standard streams and terminal, joined to a container's
 *
 * Theory of operation
 *   One poll loop over: the attached socket, our standard input, a signalfd, and the connection on
 *   which the engine answers a wait.  Output is written as it comes; input that the socket does
 *   not take at once is kept, and no more is read until it is gone, so that nothing here blocks on
 *   the engine while output is waiting.  The end of our input is the end of the socket's sending
 *   half; the engine closes the socket when all output was sent, and answers the wait at (or after)
 *   the container's end; both have to come, in any order.
 *
 *   Without a terminal, output is in frames: stream number, three zeros, length (big endian), bytes.
 *
 *   Signals are blocked from stream_begin() on and taken from the signalfd: passed on to the
 *   container, or, where they are not, they end the loop so that the terminal can be put back.
 */
#include "stream.h"

#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (128 << 10)
#define INPUT_SIZE (32 << 10)
#define WAIT_MAX (1 << 20) /* bytes of a wait's answer */
#define FRAME_HEADER 8

/* --- detach keys -------------------------------------------------------------------------- */

static int key_code(struct span word)
{
	static const char controls[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
	const char *at;

	if (word.n == 1)
		return (unsigned char)*word.p;
	if (word.n != 6 || !span_starts(word, "ctrl-") || !word.p[5])
		return -1;
	at = strchr(controls, word.p[5]);
	return at ? (int)(at - controls) : -1;
}

int stream_keys_parse(const char *text, struct detach_keys *k, struct err *e)
{
	struct span rest = span_of(text && *text ? text : "ctrl-p,ctrl-q"), word;
	int code;

	*k = (struct detach_keys){0};
	while (span_token(&rest, ',', &word)) {
		code = key_code(word);
		if (code < 0)
			return err_kind(e, ERR_INVALID, "invalid detach keys (%s): Unknown character: '%.*s'", text,
				(int)word.n, word.p);
		if (k->n == DETACH_KEYS_MAX)
			return err_kind(e, ERR_INVALID, "invalid detach keys (%s): too many", text);
		k->key[k->n++] = (unsigned char)code;
	}
	return 0;
}

/* Drop the detach sequence out of @in; true when it is complete.  Its beginning is held back, and
 * given out when it turns out to be something else. */
static bool keys_filter(struct detach_keys *k, const unsigned char *in, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (k->n && in[i] == k->key[k->matched]) {
			if (++k->matched == k->n)
				return true;
			continue;
		}
		buf_add(out, k->key, k->matched);
		k->matched = k->n && in[i] == k->key[0];
		if (k->matched && k->n == 1)
			return true;
		if (!k->matched)
			buf_addc(out, (char)in[i]);
	}
	return false;
}

/* --- the terminal and signals ------------------------------------------------------------- */

int stream_check_tty(bool in, bool tty, struct err *e)
{
	if (in && tty && !is_terminal(STDIN_FILENO))
		return err_kind(e, ERR_INVALID, "the input device is not a TTY");
	return 0;
}

static void set_raw(struct stream *s)
{
	struct termios raw;

	if (!s->tty || !s->in || tcgetattr(STDIN_FILENO, &s->saved))
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void stream_begin(struct stream *s)
{
	static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT,
		SIGTSTP, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO, SIGPWR};
	size_t i;

	sigemptyset(&s->mask);
	for (i = 0; i < ARRAY_SIZE(passed_on); i++)
		if (s->kill_target || i < 4)
			sigaddset(&s->mask, passed_on[i]);
	if (s->resize_target)
		sigaddset(&s->mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &s->mask, NULL);
	s->signals = signalfd(-1, &s->mask, SFD_CLOEXEC);
	set_raw(s);
}

void stream_end(struct stream *s)
{
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);
	s->raw = false;
	fd_close(&s->signals);
	sigprocmask(SIG_UNBLOCK, &s->mask, NULL);
}

void stream_resize(struct stream *s, int more_rows, int more_columns)
{
	cleanup_buf struct buf to = BUF_INIT;
	struct winsize w;
	struct err ignored = ERR_INIT;

	if (!s->resize_target || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_row || !w.ws_col)
		return;
	buf_addf(&to, "%s?h=%d&w=%d", s->resize_target, w.ws_row + more_rows, w.ws_col + more_columns);
	call_post(s->d, to.p, NULL, NULL, &ignored);
}

/* One signal: passed on, a new window size, or our end. */
static void take_signal(struct stream *s, struct stream_result *r)
{
	struct signalfd_siginfo info;
	cleanup_free char *to = NULL;
	struct err ignored = ERR_INIT;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		stream_resize(s, 0, 0);
	} else if (s->kill_target) {
		to = xasprintf("%s?signal=%u", s->kill_target, info.ssi_signo);
		call_post(s->d, to, NULL, NULL, &ignored);
	} else {
		r->signal = (int)info.ssi_signo;
	}
}

/* --- output ------------------------------------------------------------------------------- */

struct demux {
	unsigned char header[FRAME_HEADER];
	size_t have;	/* bytes of the header */
	uint32_t left;	/* bytes of the frame's body */
	int fd;
	struct buf error; /* text of a frame of the engine's own (stream 3) */
};

static int frame_begin(struct demux *m, struct err *e)
{
	const unsigned char *h = m->header;

	if (h[0] > 3)
		return err_kind(e, ERR_FAILED, "Unrecognized input header: %d", h[0]);
	m->fd = h[0] == 3 ? -1 : h[0] == 2 ? STDERR_FILENO : STDOUT_FILENO;
	m->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	m->have = 0;
	return 0;
}

static int put(int fd, const char *p, size_t n, struct err *e)
{
	if (fd_write_full(fd, p, n))
		return err_set(e, errno, "writing output");
	return 0;
}

/* Bytes of a multiplexed stream, cut anywhere. */
static int demux(struct demux *m, const char *p, size_t n, struct err *e)
{
	size_t take;

	while (n) {
		if (!m->left) {
			take = FRAME_HEADER - m->have < n ? FRAME_HEADER - m->have : n;
			memcpy(m->header + m->have, p, take);
			m->have += take;
			p += take, n -= take;
			if (m->have == FRAME_HEADER && frame_begin(m, e))
				return -1;
			continue;
		}
		take = m->left < n ? m->left : n;
		if (m->fd < 0 && m->error.n < WAIT_MAX)
			buf_add(&m->error, p, take);
		else if (m->fd >= 0 && put(m->fd, p, take, e))
			return -1;
		m->left -= (uint32_t)take;
		p += take, n -= take;
		if (m->fd < 0 && !m->left)
			return err_kind(e, ERR_FAILED, "error from daemon in stream: %s", m->error.p);
	}
	return 0;
}

int stream_copy(struct client *c, bool multiplexed, struct err *e)
{
	struct demux m = {.error = BUF_INIT};
	cleanup_free char *data = xmalloc(READ_SIZE);
	ssize_t n;
	int rc = 0;

	fflush(stdout);
	while (!rc && (n = client_read(c, data, READ_SIZE, e)))
		rc = n < 0 ? -1 : multiplexed ? demux(&m, data, (size_t)n, e) :
						put(STDOUT_FILENO, data, (size_t)n, e);
	buf_release(&m.error);
	return rc;
}

/* --- the loop ----------------------------------------------------------------------------- */

struct loop {
	struct stream *s;
	struct stream_result *r;
	struct demux m;
	struct buf pending; /* input that the socket has not taken */
	int fd;		    /* the attached socket; -1 once it ended */
	bool in;	    /* our input is still read */
	bool half_closed;
	char data[READ_SIZE];
};

int wait_status(struct client *wait, int *status, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;
	const char *message;

	if (client_read_all(wait, WAIT_MAX, &text, e))
		return -1;
	j = json_parse(text.p, text.n, e);
	if (!j)
		return -1;
	message = json_str(json_obj(j, "Error"), "Message", "");
	*status = (int)json_int(j, "StatusCode", EXIT_USAGE);
	if (*message) {
		fprintf(stderr, "Error waiting for container: %s\n", message);
		*status = EXIT_USAGE;
	}
	return 0;
}

static void take_wait(struct loop *l, struct err *e)
{
	l->r->exited = true;
	if (wait_status(l->s->wait, &l->r->status, e)) {
		fprintf(stderr, "Error waiting for container: %s\n", e->msg);
		l->r->status = EXIT_USAGE;
	}
}

static int take_output(struct loop *l, struct err *e)
{
	ssize_t n = recv(l->fd, l->data, sizeof(l->data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* a reset is an end too: the engine went away, the wait will tell */
		fd_close(&l->fd);
		return 0;
	}
	return l->s->tty ? put(STDOUT_FILENO, l->data, (size_t)n, e) : demux(&l->m, l->data, (size_t)n, e);
}

static void take_input(struct loop *l)
{
	ssize_t n = read(STDIN_FILENO, l->data, INPUT_SIZE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		l->in = false;
	else if (!l->s->tty)
		buf_add(&l->pending, l->data, (size_t)n);
	else
		l->r->detached = keys_filter(&l->s->keys, (unsigned char *)l->data, (size_t)n, &l->pending);
}

static void give_input(struct loop *l)
{
	ssize_t n = 0;

	if (l->pending.n)
		n = send(l->fd, l->pending.p, l->pending.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		buf_consume(&l->pending, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		buf_reset(&l->pending); /* nobody reads any more */
		l->in = false;
	}
	if (!l->in && !l->pending.n && l->s->in && !l->half_closed) {
		shutdown(l->fd, SHUT_WR);
		l->half_closed = true;
	}
}

static bool finished(const struct loop *l)
{
	if (l->r->detached || l->r->signal)
		return true;
	if (l->s->wait && !l->r->exited)
		return false;
	return l->fd < 0 || (l->s->wait && !l->s->out);
}

static int turn(struct loop *l, struct err *e)
{
	struct pollfd p[4] = {
		{.fd = l->fd, .events = (short)(POLLIN | (l->pending.n ? POLLOUT : 0))},
		{.fd = l->in && l->fd >= 0 && !l->pending.n ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = l->s->signals, .events = POLLIN},
		{.fd = l->s->wait && !l->r->exited ? client_fd(l->s->wait) : -1, .events = POLLIN},
	};
	bool answered = p[3].fd >= 0 && client_buffered(l->s->wait);

	if (poll(p, ARRAY_SIZE(p), answered ? 0 : -1) < 0 && errno != EINTR)
		return err_set(e, errno, "poll");
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && take_output(l, e))
		return -1;
	if (p[2].revents)
		take_signal(l->s, l->r);
	if (p[1].revents)
		take_input(l);
	if (l->fd >= 0)
		give_input(l);
	if (answered || p[3].revents)
		take_wait(l, e);
	return 0;
}

int stream_run(struct stream *s, struct stream_result *r, struct err *e)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	cleanup_buf struct buf early = BUF_INIT;
	int rc = 0;

	*r = (struct stream_result){0};
	l->s = s;
	l->r = r;
	l->in = s->in;
	l->m.error = l->pending = (struct buf)BUF_INIT;
	fflush(stdout);
	l->fd = client_hijack(steal(&s->attach), &early);
	if (early.n)
		rc = s->tty ? put(STDOUT_FILENO, early.p, early.n, e) : demux(&l->m, early.p, early.n, e);
	while (!rc && !finished(l))
		rc = turn(l, e);
	fd_close(&l->fd);
	buf_release(&l->pending);
	buf_release(&l->m.error);
	free(l);
	return rc;
}

int stream_status(const struct stream_result *r)
{
	if (r->signal)
		raise(r->signal); /* comes back only where it is ignored */
	return r->signal ? 128 + r->signal : r->detached ? 0 : r->status;
}
