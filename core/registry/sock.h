/* SPDX-License-Identifier: MIT */
/*
 * core/registry/sock.h - non-blocking sockets with deadlines, below conn and tls
 */
#ifndef REGISTRY_SOCK_H
#define REGISTRY_SOCK_H

#include "registry/conn.h"

struct sock {
	int fd;
	struct conn_limits limits;
	char *name; /* "10.0.2.15:4711->10.0.0.1:443", for errors */
};

/* Connect; see conn_open(). */
int sock_dial(struct sock *s, const char *host, uint16_t port, const struct conn_limits *l,
	struct err *e);
void sock_release(struct sock *s);

/* A count, 0 at the end, -1 with @e (timeouts and cancelling too). */
ssize_t sock_read(struct sock *s, void *p, size_t n, struct err *e);
/* At least one byte, or -1 with @e. */
ssize_t sock_write(struct sock *s, const void *p, size_t n, struct err *e);

#endif
