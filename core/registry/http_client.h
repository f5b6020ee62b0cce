/* SPDX-License-Identifier: MIT */
/*
 * core/registry/http_client.h - requests and responses: connections kept, proxies, redirects
 *
 * One client is one set of rules (whom to trust, which proxies, how long to wait) and the idle
 * connections made under them.  Any thread may send requests; a response belongs to its thread.
 */
#ifndef REGISTRY_HTTP_CLIENT_H
#define REGISTRY_HTTP_CLIENT_H

#include "registry/conn.h"
#include "registry/response.h"
#include "registry/url.h"

#define HTTP_REDIRECTS_MAX 10

struct http_settings {
	struct conn_limits limits;
	const char *certs_host; /* "host" or "host:port", whose certs.d counts; see tls_trust_load() */
	bool verify;		/* false: any certificate will do */
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL or "": none */
};

struct http_client;

struct http_client *http_client_new(const struct http_settings *s); /* copies what it needs */
void http_client_free(struct http_client *h);

/* A body made while it is sent: a count, 0 at the end, -1 with @e. */
struct http_source {
	ssize_t (*read)(void *arg, void *p, size_t n, struct err *e);
	void *arg;
	bool failed; /* out: it was the source that failed, not the connection */
};

struct http_request {
	const char *method; /* "GET", "HEAD", "POST", … */
	const struct url *url;
	const char *fields;	   /* more header lines, each ending in CRLF; or NULL */
	const char *authorization; /* sent to the origin of @url only, never after a redirect to another */
	const char *content_type;  /* of @body; NULL: there is none */
	struct span body;
	struct http_source *source; /* instead of @body, sent in chunks; or NULL */
};

struct http_response { /* to be released after http_send() succeeded */
	struct response_head head;
	struct response_body body;
	struct url url; /* where it came from, after redirects */
	/* private */
	struct http_client *client;
	struct conn *conn;
	char *key;	 /* of the connection in the pool */
	struct buf text; /* of the head */
	struct response_chunks chunks;
	int64_t left; /* bytes of the body not read yet */
	size_t shown; /* bytes of the connection the last http_read() showed */
	bool ended;
};

/**
 * http_send() - Send a request and receive the head of the final response
 *
 * Redirects of GET and HEAD are followed, at most HTTP_REDIRECTS_MAX.  Any status is a success here.
 * A server that answers before it has all of a body from a source gets no more of it.
 *
 * Return: 0, or -1 with @e as Go words it: Get "https://host/v2/": dial tcp …: connect: connection refused
 */
int http_send(struct http_client *h, const struct http_request *rq, struct http_response *rs,
	struct err *e);

/* Put 'Get "URL": ' before the message, as http_send() does for its own. -1. */
int http_wrap_url(const char *method, const struct url *u, struct err *e);

/* Some more of the body: 1 with *data valid until the next call, 0 at its end, -1 with @e
 * ("unexpected EOF" if the connection ended first). */
int http_read(struct http_response *rs, struct span *data, struct err *e);
/* All the rest of it; more than @max bytes is an error. */
int http_read_all(struct http_response *rs, size_t max, struct buf *out, struct err *e);
/* Done with it: the connection is kept for the next request if the body was read (or is short). */
void http_response_release(struct http_response *rs);

/* Which proxy a URL goes through: "" for none, else a borrowed URL text. Loopback never does. */
const char *http_proxy_for(const struct http_settings *s, const struct url *u);

#endif
