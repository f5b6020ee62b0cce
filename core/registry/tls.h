/* SPDX-License-Identifier: MIT */
/*
 * core/registry/tls.h - TLS 1.2 over a socket
 */
#ifndef REGISTRY_TLS_H
#define REGISTRY_TLS_H

#include "registry/sock.h"
#include "registry/trust.h"

struct tls;

/* Shake hands.  @s and @trust are borrowed for the life of the result; NULL with @e. */
struct tls *tls_open(struct sock *s, const char *host, const struct tls_trust *trust, struct err *e);
void tls_close(struct tls *t); /* sends close_notify if that needs no waiting */
int tls_write(struct tls *t, const void *p, size_t n, struct err *e);
int tls_fill(struct tls *t, struct span *avail, struct err *e); /* as conn_fill() */
void tls_consume(struct tls *t, size_t n);

/* A BearSSL error code in the words that Go's crypto/tls uses for it. */
const char *tls_error_text(int code);

/* The same for alerts, too: @e says what went wrong.  Returns -1. */
int tls_explain(int code, struct err *e);
/* The cipher suites we use, in the order that is fastest here; client and server. */
void tls_set_suites(br_ssl_engine_context *eng);
/* Have @client show @id if the server asks; nothing if @id is empty. Borrowed. */
void tls_set_identity(br_ssl_client_context *client, const struct tls_identity *id);

#endif
