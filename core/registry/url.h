/* SPDX-License-Identifier: MIT */
/*
 * core/registry/url.h - http and https URLs: parsed, resolved against each other, printed
 */
#ifndef REGISTRY_URL_H
#define REGISTRY_URL_H

#include "base/err.h"
#include "base/str.h"

#define URL_MAX 16384 /* bytes; signed URLs of blob stores reach 2 KiB */

struct url { /* owned strings; url_release() */
	bool tls;	/* https */
	char *host;	/* lower case, an IPv6 address without its brackets; never empty */
	uint16_t port;	/* 80 or 443 where the text had none */
	char *authority; /* "host", "host:5000", "[::1]:5000": for the Host header, certs.d's names, messages */
	char *userinfo; /* "user:password" as it stood, or NULL; never sent to an origin server */
	char *target;	/* path and query as they go on the request line; starts with '/' */
};

#define URL_INIT { false, NULL, 0, NULL, NULL, NULL }

/**
 * url_parse() - Take an absolute URL apart
 *
 * Only http and https.  Spaces and control bytes are refused, as they could end a header line;
 * bytes above 0x7e are percent-encoded, a fragment is dropped.
 *
 * Return: 0 with @u to be released, or -1 with @u empty
 */
int url_parse(struct span text, struct url *u, struct err *e);
/* Resolve a reference (RFC 3986 section 5) such as a Location header's against @base. */
int url_resolve(const struct url *base, struct span ref, struct url *u, struct err *e);
void url_release(struct url *u);
void url_copy(const struct url *from, struct url *to);

bool url_same_origin(const struct url *a, const struct url *b); /* scheme, host and port */
char *url_text(const struct url *u); /* without userinfo; to free() */

/* Split "host", "host:port", "[v6]:port" or a bare IPv6 address. @port is 0 where there is none. */
int url_split_host_port(struct span text, struct span *host, uint16_t *port);
/* "host:port" with brackets where needed; to free(). */
char *url_join_host_port(const char *host, unsigned int port);
/* Append @s with everything but unreserved characters percent-encoded: a query's value. */
void url_add_escaped(struct buf *out, struct span s);

#endif
