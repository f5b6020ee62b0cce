/* SPDX-License-Identifier: MIT */
/*
 * core/api/server.h - private to core/api: a connection and the request on it
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/http.h"
#include "api/http_head.h"

struct http {
	struct engine *engine;
	int fd;
	struct buf in;	/* bytes received and not yet used: body, next requests */
	char *head_text; /* the head's bytes, which head views */
	struct http_head head;
	char *path;		/* decoded, without the version prefix */
	int api_minor;
	char *vars[4];
	struct { char *name, **values; } *query; /* names in order of first appearance */
	size_t n_query;
	char **kept; /* texts given out by http_header(), freed with the request */
	size_t n_kept;

	/* the body */
	int64_t body_left; /* with Content-Length */
	struct http_chunks chunks;
	bool body_done, continue_due;

	/* the answer */
	struct buf extra; /* header lines set by the handler */
	bool answered, streaming, chunked_out, close_after, hijacked, gone;
	bool plain_engine; /* leave the engine's own headers out (unknown paths) */
	bool foreign_version; /* of the API: one header is left out */
};

/* More bytes of the client into h->in: a count, 0 at the end, -1 and errno. */
ssize_t http_receive(struct http *h);
/* The request's body: come to where its data is, framing being received by @receive. 1: *left bytes of data
 * are next, in h->in or still to come; 0: that was all; -1 with @e. Who takes some of them says how many. */
int http_body_left(struct http *h, ssize_t (*receive)(struct http *h), uint64_t *left, struct err *e);
void http_body_took(struct http *h, size_t n);
/* Receiving gave @got, 0 or -1 and errno: -1 with @e, which says that the body ended too early, or to wait. */
ssize_t http_body_broken(struct http *h, ssize_t got, struct err *e);
/* Choose the handler of h->path and run it; routes.c. */
void routes_dispatch(struct http *h);
/* Fill h->path, h->query from the request target. -1: answered already. */
int http_parse_target(struct http *h);
/* A bare answer of the HTTP layer itself, closing: "400 Bad Request". */
void http_refuse(struct http *h, const char *status_and_reason);

#endif
