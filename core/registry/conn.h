/* SPDX-License-Identifier: MIT */
/*
 * core/registry/conn.h - one connection to a server: TCP, or TLS on top of it
 *
 * Reading is by looking: conn_fill() shows the bytes that are there, conn_consume() takes some of
 * them, so what TLS decrypted is hashed and written from where it lies.  A connection is used by
 * one thread at a time.
 */
#ifndef REGISTRY_CONN_H
#define REGISTRY_CONN_H

#include "base/err.h"
#include "base/str.h"

struct tls_trust;
struct conn;

struct conn_limits {
	int connect_timeout_ms; /* for a name to become a connection, TLS handshake included twice */
	int stall_timeout_ms;	/* without a single byte, either way */
	int cancel_fd;		/* poll()able: readable means give up (ECANCELED); -1: none */
};

/* Connect to host:port, trying its addresses side by side (RFC 8305, simplified). NULL with @e
 * as Go words it: "dial tcp 127.0.0.1:1: connect: connection refused". */
struct conn *conn_open(const char *host, uint16_t port, const struct conn_limits *l, struct err *e);
/* Speak TLS from here on: @host is verified and sent as SNI.  @trust is borrowed for the life of @c. */
int conn_start_tls(struct conn *c, const char *host, const struct tls_trust *trust, struct err *e);
void conn_close(struct conn *c); /* NULL is fine */

int conn_write(struct conn *c, const void *p, size_t n, struct err *e);
/* Wait until something can be read: 1 with *avail, which stays valid until the next call on @c;
 * 0 at the end; -1 with @e. */
int conn_fill(struct conn *c, struct span *avail, struct err *e);
void conn_consume(struct conn *c, size_t n); /* at most avail->n */

/* Is an idle connection still there?  False if the peer closed it or sent something unasked. */
bool conn_is_idle(struct conn *c);

/* An errno as Go prints it ("connection refused"), for texts that people search for. */
const char *conn_errno_text(int code);

#endif
