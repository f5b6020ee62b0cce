/* SPDX-License-Identifier: MIT */
/*
 * core/registry/conn.c - one connection to a server: TCP, or TLS on top of it
 */
#include "registry/conn.h"
#include "registry/sock.h"
#include "registry/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define READ_SIZE 65536 /* bytes asked of a TCP socket at a time; TLS has its records */

struct conn {
	struct sock sock;
	struct tls *tls; /* NULL: plain */
	char *bytes;	 /* READ_SIZE, made at the first read */
	size_t at, end;	 /* what of it is not consumed */
};

struct conn *conn_open(const char *host, uint16_t port, const struct conn_limits *l, struct err *e)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->sock.fd = -1;
	if (!sock_dial(&c->sock, host, port, l, e))
		return c;
	free(c);
	return NULL;
}

int conn_start_tls(struct conn *c, const char *host, const struct tls_trust *trust, struct err *e)
{
	int stall = c->sock.limits.stall_timeout_ms;

	if (c->at != c->end)
		return err_kind(e, ERR_FAILED, "tls: the server spoke first");
	c->sock.limits.stall_timeout_ms = c->sock.limits.connect_timeout_ms;
	c->tls = tls_open(&c->sock, host, trust, e);
	c->sock.limits.stall_timeout_ms = stall;
	if (!c->tls && e && e->code == ETIMEDOUT)
		err_kind(e, ERR_FAILED, "net/http: TLS handshake timeout");
	return c->tls ? 0 : -1;
}

void conn_close(struct conn *c)
{
	if (!c)
		return;
	tls_close(c->tls);
	sock_release(&c->sock);
	free(c->bytes);
	free(c);
}

int conn_write(struct conn *c, const void *p, size_t n, struct err *e)
{
	const char *from = p;
	ssize_t put;

	if (c->tls)
		return tls_write(c->tls, p, n, e);
	while (n) {
		put = sock_write(&c->sock, from, n, e);
		if (put < 0)
			return -1;
		from += put;
		n -= (size_t)put;
	}
	return 0;
}

int conn_fill(struct conn *c, struct span *avail, struct err *e)
{
	ssize_t got;

	if (c->tls)
		return tls_fill(c->tls, avail, e);
	if (c->at == c->end) {
		if (!c->bytes)
			c->bytes = xmalloc(READ_SIZE);
		got = sock_read(&c->sock, c->bytes, READ_SIZE, e);
		if (got <= 0)
			return (int)got;
		c->at = 0;
		c->end = (size_t)got;
	}
	*avail = (struct span){c->bytes + c->at, c->end - c->at};
	return 1;
}

void conn_consume(struct conn *c, size_t n)
{
	if (c->tls)
		tls_consume(c->tls, n);
	else
		c->at += n;
}

bool conn_is_idle(struct conn *c)
{
	struct pollfd p = {.fd = c->sock.fd, .events = POLLIN | POLLRDHUP};

	return c->at == c->end && !poll(&p, 1, 0);
}
