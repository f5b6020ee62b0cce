/* SPDX-License-Identifier: MIT */
/*
 * core/api/http_head.h - the head of an HTTP/1.1 request, as views into the bytes received
 *
 * RFC 9112. The parser allocates nothing and is strict where leniency has been a hole: one
 * Content-Length, no obs-fold, no white space before a header's colon, no Content-Length beside
 * Transfer-Encoding.
 */
#ifndef API_HTTP_HEAD_H
#define API_HTTP_HEAD_H

#include "base/str.h"

#define HTTP_HEADERS_MAX 100
#define HTTP_HEAD_MAX (256 * 1024) /* bytes; more is answered with 431 */

struct http_header {
	struct span name, value;
};

struct http_head {
	struct span method, target;
	int minor; /* of HTTP/1.x */
	struct http_header header[HTTP_HEADERS_MAX];
	size_t n_headers;
	int64_t length; /* Content-Length, or -1 */
	bool chunked;
	bool keep_alive;
	struct span host, upgrade, expect, content_type;
	bool has_host;
};

enum { HTTP_BAD = -1, HTTP_INCOMPLETE = -2, HTTP_BAD_HOST = -3, HTTP_NO_HOST = -4,
	HTTP_BAD_VERSION = -5 };

/* Bytes the head takes, blank line included, or one of the negative values above. */
ssize_t http_head_parse(const char *p, size_t n, struct http_head *h);

/* Percent-decode into malloc'ed text; '+' is a space if @plus. NULL for a bad escape or an encoded
 * NUL; then *bad (if not NULL) views the escape. */
char *http_decode(struct span s, bool plus, struct span *bad);

/* Decoder of a chunked body (RFC 9112 7.1); the framing only, data is left in place. */
struct http_chunks {
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
	uint64_t left; /* bytes of data of the current chunk still to come */
};
/* Look at p[0..n): returns bytes of framing to drop (0: more input is needed), or HTTP_BAD. In state
 * CHUNK_DATA up to @left bytes of data follow; the caller takes them and lowers @left. */
ssize_t http_chunks_step(struct http_chunks *c, const char *p, size_t n);

#endif
