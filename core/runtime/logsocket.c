/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logsocket.c - a container's output in the host's own log: syslog or journald
 *
 * Theory of operation
 *   A message is queued and sent at once if the peer takes it.  If not, it waits, and with it the
 *   container: nothing more is read from it, as with a client that does not read; or, with
 *   mode=non-blocking, the container runs on and what the queue has no room for is dropped.
 *   A peer that is gone is looked for again, at most once a second; what comes while there is none
 *   is dropped, as Docker does it.
 *
 *   syslog: one message is "<PRIORITY>…\n" in the form asked for, a datagram or a piece of a stream; over TLS it
 *   goes to a process that has the connection (logtls.c), and RFC 5424's have their length before them (RFC 5425).
 *   journald: its native protocol, NAME=value lines; text that may hold a newline is NAME, newline,
 *   its length as 8 bytes little endian, text, newline.  What Docker names a piece of a long line by
 *   is sent along.
 */
#include "runtime/logsocket.h"
#include "base/clock.h"
#include "base/fs.h"
#include "runtime/logtls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS NS_PER_S
#define SEVERITY_ERROR 3 /* RFC 5424, 6.2.1 */
#define SEVERITY_INFO 6
#define JOURNAL_TIME_MAX 64

/* --- the queue ---------------------------------------------------------------------------------------- */

static uint32_t first_length(const struct logsocket *s)
{
	uint32_t n;

	memcpy(&n, s->queue.p, sizeof(n));
	return n;
}

static void drop_first(struct logsocket *s)
{
	buf_consume(&s->queue, sizeof(uint32_t) + first_length(s));
	s->sent = 0;
}

/* Room for a message: where it begins in the queue.  end_message() fills in its length. */
static size_t begin_message(struct logsocket *s)
{
	size_t at = s->queue.n;

	buf_add(&s->queue, &(uint32_t){ 0 }, sizeof(uint32_t));
	return at;
}

static void end_message(struct logsocket *s, size_t at)
{
	uint32_t n = (uint32_t)(s->queue.n - at - sizeof(n));

	if (s->limit && s->queue.n > s->limit) {
		s->queue.n = at; /* no room: this one is lost */
		return;
	}
	memcpy(s->queue.p + at, &n, sizeof(n));
}

static void drop_all(struct logsocket *s)
{
	buf_release(&s->queue);
	s->queue = (struct buf)BUF_INIT;
	s->sent = 0;
}

/* --- sending -------------------------------------------------------------------------------------------- */

static void changed(const struct logsocket *s)
{
	if (s->changed)
		s->changed(s->arg);
}

static void disconnect(struct logsocket *s)
{
	int fd = s->fd;

	s->fd = -1;
	changed(s); /* before the number can be another's */
	fd_close(&fd);
}

/* A stream's connection may take its time: it can be written to when it is there. */
static int connect_now(struct logsocket *s)
{
	int fd;

	if (s->fd >= 0)
		return 0;
	if (s->tls || clock_mono_ns() < s->retry_at)
		return -1;
	fd = socket(s->address.ss_family, s->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&s->address, s->address_len) && errno != EINPROGRESS &&
			      errno != EAGAIN)) {
		fd_close(&fd);
		s->retry_at = clock_mono_ns() + RETRY_NS;
		return -1;
	}
	s->fd = fd;
	return 0;
}

/* Send the first message, or more of it. 1: it is out; 0: later; -1: the peer is gone. */
static int send_first(struct logsocket *s)
{
	const char *p = s->queue.p + sizeof(uint32_t) + s->sent;
	size_t n = first_length(s) - s->sent;
	ssize_t done;

	do
		done = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done < 0 && (errno == EAGAIN || errno == ENOTCONN))
		return 0;
	if (done < 0)
		return errno == EMSGSIZE || errno == ENOBUFS ? 1 : -1;
	s->sent += (size_t)done;
	return s->sent == first_length(s);
}

void logsocket_flush(struct logsocket *s)
{
	bool again = true;
	int rc = 1;

	while (s->queue.n && rc > 0) {
		bool fresh = s->fd < 0;

		if (connect_now(s)) {
			drop_all(s);
			break;
		}
		rc = send_first(s);
		if (rc > 0)
			drop_first(s);
		if (rc < 0) {
			disconnect(s);
			s->sent = 0;
			/* One that has gone may be back; one that was just found is not there. */
			rc = again && !fresh;
			again = false;
			if (!rc)
				s->retry_at = clock_mono_ns() + RETRY_NS;
		}
	}
	if (rc < 0 || s->fd < 0)
		drop_all(s);
	changed(s);
}

bool logsocket_waiting(const struct logsocket *s)
{
	return s->queue.n;
}

bool logsocket_blocking(const struct logsocket *s)
{
	return s->queue.n && !s->limit;
}

/* --- messages ------------------------------------------------------------------------------------------- */

static int severity(const struct log_entry *line)
{
	return line->stream == STREAM_STDERR ? SEVERITY_ERROR : SEVERITY_INFO;
}

/* "2006-01-02T15:04:05.000000+07:00", without the fraction unless @micro. */
static void add_time(struct buf *b, int64_t ns, bool micro)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	char text[40], zone[8];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm); /* +hhmm */
	buf_adds(b, text);
	if (micro)
		buf_addf(b, ".%06d", (int)(ns % NS_PER_S / 1000));
	if (tm.tm_gmtoff)
		buf_addf(b, "%.3s:%s", zone, zone + 3);
	else
		buf_addc(b, 'Z');
}

static void add_stamp(struct buf *b, int64_t ns)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	char text[40];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	buf_adds(b, text);
}

static void add_syslog(struct logsocket *s, const struct log_entry *line)
{
	struct buf *b = &s->queue, framed = BUF_INIT;
	bool micro = !strcmp(s->format, "rfc5424micro");
	size_t start = b->n;

	buf_addf(b, "<%d>", s->facility << 3 | severity(line));
	if (micro || !strcmp(s->format, "rfc5424")) {
		buf_adds(b, "1 ");
		add_time(b, line->time, micro);
		buf_addf(b, " %s %s %d %s - ", s->host, s->tag, (int)getpid(), s->tag);
	} else {
		add_stamp(b, line->time);
		if (!strcmp(s->format, "rfc3164"))
			buf_addf(b, " %s", s->host);
		buf_addf(b, " %s[%d]: ", s->tag, (int)getpid());
	}
	buf_add(b, line->p, line->n);
	buf_addc(b, '\n');
	if (!s->tls || strncmp(s->format, "rfc5424", 7))
		return;
	buf_addf(&framed, "%zu ", b->n - start);
	buf_add(&framed, b->p + start, b->n - start);
	b->n = start;
	buf_add(b, framed.p, framed.n);
	buf_release(&framed);
}

static void add_binary(struct buf *b, const char *name, const char *p, size_t n)
{
	uint64_t length = n;
	int i;

	buf_addf(b, "%s\n", name);
	for (i = 0; i < 8; i++, length >>= 8)
		buf_addc(b, (char)(length & 0xff));
	buf_add(b, p, n);
	buf_addc(b, '\n');
}

static void add_journald(struct logsocket *s, const struct log_entry *line)
{
	struct buf *b = &s->queue;
	char now[CLOCK_RFC3339_MAX];

	buf_adds(b, s->fields);
	if (!*s->epoch)
		random_id(s->epoch);
	buf_addf(b, "PRIORITY=%d\nSYSLOG_TIMESTAMP=%s\nCONTAINER_LOG_EPOCH=%s\nCONTAINER_LOG_ORDINAL=%llu\n",
		severity(line), clock_format(line->time, now), s->epoch, (unsigned long long)++s->count);
	if (line->continues || !line->newline) {
		if (!line->continues) {
			random_id(s->partial_id);
			s->ordinal = 0;
		}
		if (!line->newline)
			buf_adds(b, "CONTAINER_PARTIAL_MESSAGE=true\n");
		buf_addf(b, "CONTAINER_PARTIAL_ID=%s\nCONTAINER_PARTIAL_ORDINAL=%llu\nCONTAINER_PARTIAL_LAST=%s\n",
			s->partial_id, (unsigned long long)++s->ordinal, line->newline ? "true" : "false");
	}
	add_binary(b, "MESSAGE", line->p, line->n);
}

void logsocket_add(struct logsocket *s, const struct log_entry *line)
{
	size_t at;

	/* An empty line is no message. */
	if (!s->kind || !line->n)
		return;
	at = begin_message(s);
	if (s->kind == LOGSOCKET_SYSLOG)
		add_syslog(s, line);
	else
		add_journald(s, line);
	end_message(s, at);
}

/* --- opening and closing -------------------------------------------------------------------------------- */

void logsocket_init(struct logsocket *s)
{
	*s = (struct logsocket){ .fd = -1, .queue = BUF_INIT };
}

static int set_unix(struct logsocket *s, const char *path, struct err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&s->address;
	size_t n = strlen(path);

	if (n >= sizeof(un->sun_path))
		return err_kind(e, ERR_INVALID, "the log socket's path '%s' is longer than %zu bytes", path,
			sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	s->address_len = (socklen_t)sizeof(*un);
	return 0;
}

static int set_ip(struct logsocket *s, const char *ip, int64_t port, struct err *e)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&s->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s->address;

	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		s->address_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		s->address_len = sizeof(*v6);
	} else {
		return err_kind(e, ERR_INVALID, "bad log address '%s'", ip);
	}
	return 0;
}

static char *join_fields(const json_t *fields)
{
	struct buf b = BUF_INIT;
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)fields, name, v) {
		const char *text = json_string_value(v);

		if (text && !strchr(text, '\n'))
			buf_addf(&b, "%s=%s\n", name, text);
	}
	return buf_detach(&b);
}

int logsocket_open(struct logsocket *s, const json_t *socket, struct err *e)
{
	const char *kind = json_str(socket, "kind", ""), *path = json_str(socket, "path", NULL);

	if (!socket)
		return 0;
	s->type = strcmp(json_str(socket, "type", ""), "stream") ? SOCK_DGRAM : SOCK_STREAM;
	s->limit = (size_t)json_int(socket, "buffer", 0);
	s->facility = (int)json_int(socket, "facility", 0);
	s->format = xstrdup(json_str(socket, "format", ""));
	s->tag = xstrdup(json_str(socket, "tag", ""));
	s->fields = join_fields(json_obj(socket, "fields"));
	if (gethostname(s->host, sizeof(s->host) - 1) || !*s->host)
		memcpy(s->host, "-", 2);
	s->kind = strcmp(kind, "journald") ? LOGSOCKET_SYSLOG : LOGSOCKET_JOURNALD;
	s->tls = json_obj(socket, "tls") != NULL;
	if (s->tls) {
		s->fd = logtls_start(json_obj(socket, "tls"), e);
		return s->fd < 0 ? -1 : 0;
	}
	return path ? set_unix(s, path, e) :
		      set_ip(s, json_str(socket, "ip", ""), json_int(socket, "port", 0), e);
}

void logsocket_close(struct logsocket *s)
{
	int64_t deadline = clock_mono_ns() + LOG_DRAIN_MS * NS_PER_MS, left;

	logsocket_flush(s);
	while (s->queue.n && s->fd >= 0 && (left = deadline - clock_mono_ns()) > 0) {
		struct pollfd p = { .fd = s->fd, .events = POLLOUT };

		if (poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0)
			logsocket_flush(s);
	}
	if (s->fd >= 0)
		disconnect(s);
	drop_all(s);
	free(s->format);
	free(s->tag);
	free(s->fields);
	s->format = s->tag = s->fields = NULL;
	s->kind = LOGSOCKET_NONE;
}
