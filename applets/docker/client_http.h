/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/client_http.h - HTTP/1.1 to an engine
 *
 * One struct client is one connection.  The order of calls:
 *
 *   client_open  { client_request  client_response  client_read until 0 }*  client_close
 *
 * or, instead of client_read, client_hijack() after an answer that takes the connection over.
 * All calls block.  What the engine sends is foreign input: header and chunk sizes are bounded.
 */
#ifndef DOCKER_CLIENT_HTTP_H
#define DOCKER_CLIENT_HTTP_H

#include "endpoint.h"

#include <stdatomic.h>
#include <stdint.h>

struct client;

struct request {
	const char *method;
	const char *target;	  /* path and query, percent-encoded */
	const char *content_type; /* of the body; NULL: no body */
	const void *body;
	size_t len;
	int body_fd;		  /* > 0: the body is what this gives, sent by a thread; body is unused */
	const atomic_bool *broken; /* true at the end of body_fd: it is not whole, hang up; or NULL */
	const char *auth;	  /* X-Registry-Auth, or NULL */
	const char *auths;	  /* X-Registry-Config: those of all registries, or NULL */
	bool upgrade;		  /* ask to take the connection over */
};

struct client *client_open(const struct endpoint *ep, struct err *e);
void client_close(struct client *c); /* NULL is fine */

/* Send a request. 0, or -1 with @e. */
int client_request(struct client *c, const struct request *r, struct err *e);

/* Read the status line and headers of the answer.  The status, or -1 with @e. */
int client_response(struct client *c, struct err *e);
/* A header of the answer, or NULL; valid until the next answer. */
const char *client_header(const struct client *c, const char *name);

/* Some of the body: a count, 0 at its end, -1 with @e. */
ssize_t client_read(struct client *c, void *p, size_t n, struct err *e);
/* All (the rest) of it; -1 with @e->code EFBIG beyond @max. */
int client_read_all(struct client *c, size_t max, struct buf *out, struct err *e);
/* Would client_read() give something without waiting for the engine? */
bool client_buffered(const struct client *c);
int client_fd(const struct client *c); /* to poll() */

/* After an answer was read to its end: can the connection be used again? */
bool client_reusable(const struct client *c);

/* Take the socket out: owned by the caller now, with the bytes that came behind the headers in
 * @early.  The client is closed. */
int client_hijack(struct client *c, struct buf *early);

#endif
