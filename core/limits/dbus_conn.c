/* SPDX-License-Identifier: MIT */
/* core/limits/dbus_conn.c - see dbus_conn.h */
#include "limits/dbus_conn.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 10000 /* a manager that starts many units may take its time */
#define LINE_MAX_ 1024	/* bytes of a line of the authentication */
#define CHUNK 4096

static int reach(const char *path, struct err *e)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "dial unix %.256s: connect", path);
	memcpy(a.sun_path, path, n);
	if (*path == '@')
		a.sun_path[0] = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path != '@'))))
		return err_set(e, errno, "dial unix %s: connect", path);
	return fd_steal(&fd);
}

static int send_all(int fd, const char *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_set(e, errno, "sending over D-Bus");
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Read what there is, or wait for some; 0, or -1 with @e. */
static int read_more(struct dbus *d, int64_t end, struct err *e)
{
	struct pollfd p = {.fd = d->fd, .events = POLLIN};
	int64_t left = (end - clock_mono_ns()) / NS_PER_MS;
	ssize_t n;
	int rc;

	rc = left > 0 ? poll(&p, 1, (int)left) : 0;
	if (!rc)
		return err_set(e, ETIMEDOUT, "waiting for an answer over D-Bus");
	n = rc < 0 ? -1 : recv(d->fd, buf_room(&d->in, CHUNK), CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return err_set(e, n ? errno : ECONNRESET, "waiting for an answer over D-Bus");
	d->in.n += (size_t)n;
	return 0;
}

/* --- saying who we are ------------------------------------------------------------------------------------ */

/* The next line without its end, taken off the input. */
static int read_line(struct dbus *d, char line[static LINE_MAX_], struct err *e)
{
	int64_t end = clock_mono_ns() + ANSWER_MS * NS_PER_MS;
	ssize_t nl;

	while ((nl = span_chr((struct span){d->in.p, d->in.n}, '\n')) < 0) {
		if (d->in.n >= LINE_MAX_)
			return err_set(e, EPROTO, "authenticating to D-Bus");
		if (read_more(d, end, e))
			return -1;
	}
	if (nl < 1 || nl >= LINE_MAX_ || d->in.p[nl - 1] != '\r')
		return err_set(e, EPROTO, "authenticating to D-Bus");
	memcpy(line, d->in.p, (size_t)nl - 1);
	line[nl - 1] = 0;
	buf_consume(&d->in, (size_t)nl + 1);
	return 0;
}

/* All in one, as libsystemd does: its server does not take a BEGIN that comes later (systemd 252). */
static int authenticate(struct dbus *d, struct err *e)
{
	static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	char line[LINE_MAX_];

	if (send_all(d->fd, hello, sizeof(hello) - 1, e))
		return -1;
	do {
		if (read_line(d, line, e))
			return -1;
		err_clean(line);
		if (strcmp(line, "DATA") && strncmp(line, "OK ", 3))
			return err_set(e, 0, "authenticating to D-Bus: it says '%.200s'", line);
	} while (!strcmp(line, "DATA"));
	return 0;
}

int dbus_open(struct dbus *d, const char *path, bool is_bus, struct err *e)
{
	static const struct dbus_call hello = {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
		"Hello", NULL, 0};
	struct dbus_message m;

	*d = (struct dbus){.fd = reach(path, e), .is_bus = is_bus, .in = BUF_INIT};
	if (d->fd < 0)
		return -1;
	if (!authenticate(d, e) && (!is_bus || !dbus_ask(d, &hello, NULL, &m, e)))
		return 0;
	dbus_close(d);
	return -1;
}

void dbus_close(struct dbus *d)
{
	fd_close(&d->fd);
	buf_release(&d->in);
}

/* --- messages ------------------------------------------------------------------------------------------------ */

uint32_t dbus_send(struct dbus *d, const struct dbus_call *c, const struct buf *body, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	dbus_put_call(&text, ++d->serial, c, body);
	return send_all(d->fd, text.p, text.n, e) ? 0 : d->serial;
}

int dbus_next(struct dbus *d, struct dbus_message *m, struct err *e)
{
	int64_t end = clock_mono_ns() + ANSWER_MS * NS_PER_MS;
	ssize_t n;

	buf_consume(&d->in, d->used);
	d->used = 0;
	while (!(n = dbus_parse(d->in.p, d->in.n, m))) {
		if (read_more(d, end, e))
			return -1;
	}
	if (n < 0)
		return err_set(e, EPROTO, "reading from D-Bus");
	d->used = (size_t)n;
	return 0;
}

int dbus_error(const struct dbus_message *m, struct err *e)
{
	struct dbus_reader r = m->body;
	struct span text = {"", 0};

	if (span_starts(m->signature, "s"))
		text = dbus_get_string(&r);
	if (!text.n)
		text = m->error;
	err_set(e, 0, "%.*s", (int)(text.n > 512 ? 512 : text.n), text.p);
	if (e)
		err_clean(e->msg);
	return -1;
}

int dbus_ask(struct dbus *d, const struct dbus_call *c, const struct buf *body, struct dbus_message *answer,
	struct err *e)
{
	uint32_t serial = dbus_send(d, c, body, e);

	if (!serial)
		return -1;
	do {
		if (dbus_next(d, answer, e))
			return -1;
	} while (answer->reply_serial != serial);
	return answer->type == DBUS_ERROR ? dbus_error(answer, e) : 0;
}

/* --- addresses --------------------------------------------------------------------------------------------------- */

static char *unescape(struct span text, const char *before)
{
	cleanup_buf struct buf out = BUF_INIT;
	size_t i;
	char c;

	buf_adds(&out, before);
	for (i = 0; i < text.n; i++) {
		c = text.p[i];
		if (c == '%' && text.n - i > 2 && !hex_decode((struct span){text.p + i + 1, 2}, &c))
			i += 2;
		if (!c)
			return NULL;
		buf_addc(&out, c);
	}
	return out.n ? buf_detach(&out) : NULL;
}

char *dbus_address_path(const char *address)
{
	struct span rest = span_of(address), one, pair;

	while (span_token(&rest, ';', &one)) {
		if (!span_starts(one, "unix:"))
			continue;
		one = (struct span){one.p + 5, one.n - 5};
		while (span_token(&one, ',', &pair)) {
			if (span_starts(pair, "path="))
				return unescape((struct span){pair.p + 5, pair.n - 5}, "");
			if (span_starts(pair, "abstract="))
				return unescape((struct span){pair.p + 9, pair.n - 9}, "@");
		}
	}
	return NULL;
}
