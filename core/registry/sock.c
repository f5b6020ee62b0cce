/* SPDX-License-Identifier: MIT */
/*
 * core/registry/sock.c - non-blocking sockets with deadlines, below conn and tls
 *
 * Theory of operation
 *   Dialling follows RFC 8305 in small: the resolver's addresses are interleaved by family, a new
 *   attempt starts every 250 ms while none has succeeded (at once when all running ones failed),
 *   and the first to connect wins.  A host with a broken IPv6 route costs a quarter of a second.
 *
 *   Every wait also watches limits.cancel_fd, so that one failed layer can stop the others in the
 *   middle of whatever they wait for.
 *
 * Limits: the resolver (musl's) blocks for at most its own timeouts, 10 s by default.
 */
#include "registry/sock.h"
#include "registry/url.h"
#include "base/clock.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 8	  /* tried at most for one name */
#define ATTEMPT_GAP_MS 250 /* RFC 8305 section 5, Connection Attempt Delay */

const char *conn_errno_text(int code)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ECONNREFUSED, "connection refused"},
		{ECONNRESET, "connection reset by peer"},
		{EHOSTUNREACH, "no route to host"},
		{ENETUNREACH, "network is unreachable"},
		{ETIMEDOUT, "connection timed out"},
		{EPIPE, "broken pipe"},
		{EACCES, "permission denied"},
		{EPERM, "operation not permitted"},
		{EADDRNOTAVAIL, "cannot assign requested address"},
		{EMFILE, "too many open files"},
		{ECANCELED, "operation was canceled"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return known[i].text;
	return strerror(code);
}

/* --- resolving --- */

struct attempt {
	struct sockaddr_storage address;
	socklen_t len;
	int fd; /* -1: not started, or failed */
	int error;
};

/* Take the list in turns, a family each, beginning with the resolver's first. */
static size_t interleave(const struct addrinfo *list, struct attempt *out)
{
	const struct addrinfo *a, *last[2] = {list, list};
	int first = list->ai_family, turn = 0, idle = 0;
	size_t n = 0;

	while (n < ADDRESSES_MAX && idle < 2) {
		for (a = last[turn]; a && (a->ai_family == first) != !turn; a = a->ai_next)
			;
		last[turn] = a ? a->ai_next : NULL;
		idle = a ? 0 : idle + 1;
		turn = !turn;
		if (!a || a->ai_addrlen > sizeof(out[n].address))
			continue;
		memcpy(&out[n].address, a->ai_addr, a->ai_addrlen);
		out[n].len = a->ai_addrlen;
		out[n].fd = -1;
		out[n++].error = 0;
	}
	return n;
}

static int resolve(const char *host, uint16_t port, struct attempt *out, size_t *n, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc) {
		err_set(e, 0, "dial tcp: lookup %s: %s", host,
			rc == EAI_NONAME || rc == EAI_NODATA ? "no such host" :
			rc == EAI_AGAIN ? "server misbehaving" : gai_strerror(rc));
		return err_hint(e, "does this host resolve names? look at /etc/resolv.conf, and at "
			"the spelling of %s", host);
	}
	*n = interleave(list, out);
	freeaddrinfo(list);
	return *n ? 0 : err_set(e, 0, "dial tcp: lookup %s: no such host", host);
}

/* --- connecting --- */

static char *address_text(const struct sockaddr_storage *ss)
{
	char host[INET6_ADDRSTRLEN] = "?";
	uint16_t port;

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		port = ntohs(in6->sin6_port);
	}
	return url_join_host_port(host, port);
}

static void start(struct attempt *a)
{
	int one = 1;

	a->fd = socket(a->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd < 0) {
		a->error = errno;
		return;
	}
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(a->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(a->fd, (struct sockaddr *)&a->address, a->len) && errno != EINPROGRESS) {
		a->error = errno;
		fd_close(&a->fd);
	}
}

/* Has this one come to an end?  True if it is connected. */
static bool settle(struct attempt *a)
{
	socklen_t len = sizeof(a->error);

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &a->error, &len))
		a->error = errno;
	if (a->error)
		fd_close(&a->fd);
	return !a->error;
}

/* Wait for any attempt in flight.  Index of the one connected; -1: none yet; -2: cancelled. */
static int wait_any(struct attempt *a, size_t n, int cancel_fd, int wait_ms)
{
	struct pollfd p[ADDRESSES_MAX + 1];
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = a[i].fd, .events = POLLOUT};
	p[n] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
	if (poll(p, n + 1, wait_ms) <= 0)
		return -1;
	if (p[n].revents)
		return -2;
	for (i = 0; i < n; i++)
		if (p[i].revents && settle(&a[i]))
			return (int)i;
	return -1;
}

static bool any_in_flight(const struct attempt *a, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (a[i].fd >= 0)
			return true;
	return false;
}

/* Index of the winner, or -1 with @e; all the others are closed. */
static int race(struct attempt *a, size_t n, const struct conn_limits *l, struct err *e)
{
	int64_t now = clock_mono_ns(), end = now + l->connect_timeout_ms * NS_PER_MS, next = now;
	cleanup_free char *text = address_text(&a[0].address);
	int won = -1, wait_ms;
	size_t started = 0, i;

	while (won == -1 && now < end && (started < n || any_in_flight(a, n))) {
		if (started < n && (now >= next || !any_in_flight(a, n))) {
			start(&a[started++]);
			next = now + ATTEMPT_GAP_MS * NS_PER_MS;
		}
		if (any_in_flight(a, n)) {
			wait_ms = (int)(((started < n && next < end ? next : end) - now) / NS_PER_MS) + 1;
			won = wait_any(a, n, l->cancel_fd, wait_ms);
		}
		now = clock_mono_ns();
	}
	for (i = 0; i < n; i++)
		if ((int)i != won)
			fd_close(&a[i].fd);
	if (won >= 0)
		return won;
	if (won == -2)
		return err_kind(e, ERR_FAILED, "dial tcp %s: operation was canceled", text);
	if (!a[0].error)
		err_kind(e, ERR_FAILED, "dial tcp %s: i/o timeout", text);
	else
		err_kind(e, ERR_FAILED, "dial tcp %s: connect: %s", text,
			conn_errno_text(a[0].error));
	if (e)
		e->code = a[0].error ? a[0].error : ETIMEDOUT;
	return -1;
}

static char *socket_name(int fd)
{
	cleanup_free char *near = NULL, *far = NULL;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	getsockname(fd, (struct sockaddr *)&ss, &len);
	near = address_text(&ss);
	len = sizeof(ss);
	getpeername(fd, (struct sockaddr *)&ss, &len);
	far = address_text(&ss);
	return xasprintf("%s->%s", near, far);
}

int sock_dial(struct sock *s, const char *host, uint16_t port, const struct conn_limits *l,
	struct err *e)
{
	struct attempt attempts[ADDRESSES_MAX];
	size_t n;
	int won;

	memset(attempts, 0, sizeof(attempts));
	if (resolve(host, port, attempts, &n, e))
		return -1;
	won = race(attempts, n, l, e);
	if (won < 0)
		return -1;
	s->fd = attempts[won].fd;
	s->limits = *l;
	s->name = socket_name(s->fd);
	return 0;
}

void sock_release(struct sock *s)
{
	fd_close(&s->fd);
	free(s->name);
	s->name = NULL;
}

/* --- reading and writing --- */

static int sock_error(struct sock *s, const char *verb, int code, struct err *e)
{
	if (code == ETIMEDOUT)
		err_kind(e, ERR_FAILED, "%s tcp %s: i/o timeout: not a byte for %d.%d seconds", verb,
			s->name, s->limits.stall_timeout_ms / 1000,
			s->limits.stall_timeout_ms % 1000 / 100);
	else
		err_kind(e, ERR_FAILED, "%s tcp %s: %s: %s", verb, s->name, verb,
			conn_errno_text(code));
	if (e)
		e->code = code;
	return -1;
}

/* Wait for @events.  0, or an errno. */
static int wait_for(struct sock *s, short events)
{
	struct pollfd p[2] = {
		{.fd = s->fd, .events = events},
		{.fd = s->limits.cancel_fd, .events = POLLIN},
	};
	int rc;

	do
		rc = poll(p, 2, s->limits.stall_timeout_ms);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno;
	if (!rc)
		return ETIMEDOUT;
	return p[1].revents ? ECANCELED : 0;
}

ssize_t sock_read(struct sock *s, void *p, size_t n, struct err *e)
{
	ssize_t got;
	int code;

	while ((got = recv(s->fd, p, n, 0)) < 0) {
		code = errno == EAGAIN ? wait_for(s, POLLIN) : errno == EINTR ? 0 : errno;
		if (code)
			return sock_error(s, "read", code, e);
	}
	return got;
}

ssize_t sock_write(struct sock *s, const void *p, size_t n, struct err *e)
{
	ssize_t put;
	int code;

	while ((put = send(s->fd, p, n, MSG_NOSIGNAL)) < 0) {
		code = errno == EAGAIN ? wait_for(s, POLLOUT) : errno == EINTR ? 0 : errno;
		if (code)
			return sock_error(s, "write", code, e);
	}
	return put;
}
