/* SPDX-License-Identifier: MIT */
/*
 * core/registry/response.h - what an HTTP/1.1 response says, parsed from bytes alone
 *
 * No I/O here: these work on text in memory, so that tests and fuzzers can reach all of it.
 */
#ifndef REGISTRY_RESPONSE_H
#define REGISTRY_RESPONSE_H

#include "base/err.h"
#include "base/str.h"

#define RESPONSE_HEAD_MAX (64 * 1024) /* bytes of status line and header fields together */

struct response_head {
	int status;	    /* 100 to 999 */
	int minor;	    /* HTTP/1.minor: 0 or 1 */
	struct span reason; /* "Not Found"; views into the text parsed, as is all here */
	struct span fields; /* the header lines */
};

enum body_framing {
	BODY_NONE,
	BODY_LENGTH,	/* Content-Length bytes */
	BODY_CHUNKED,
	BODY_UNTIL_CLOSE, /* all up to the end of the connection */
};

struct response_body {
	enum body_framing framing;
	int64_t length;	 /* of BODY_LENGTH; else -1 */
	bool keep_alive; /* may the connection serve another request after this body? */
};

/* Parse status line and header fields, up to and with the empty line.  0, or -1 with @e. */
int response_head_parse(struct span text, struct response_head *h, struct err *e);

/* The @index'th field of that name (no regard to case), trimmed; .p is NULL if there is none. */
struct span response_field(const struct response_head *h, const char *name, size_t index);
/* Is @token an element of the comma-separated field(s) @name? */
bool response_has_token(const struct response_head *h, const char *name, const char *token);

/* How the body is delimited (RFC 9112 section 6.3).  @no_body: it answers a HEAD request. */
int response_framing(const struct response_head *h, bool no_body, struct response_body *b, struct err *e);

/* "bytes 100-199/200" of a 206: the first byte, and the total or -1 for "*".  0 or -1. */
int response_content_range(struct span value, int64_t *first, int64_t *last, int64_t *total);

/* "0-1023" or "bytes=0-1023", the Range of an upload's answer: bytes the registry has.  Without the
 * field (.p NULL) none; of "0-0", which the reference registry says of nothing and of one byte, none
 * too: that costs a new upload at worst.  -1: nonsense. */
int64_t response_upload_range(struct span value);

/* --- chunked bodies ----------------------------------------------------------------------- */

struct response_chunks {
	enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
	uint64_t left; /* bytes of the current chunk; the size while it is being read */
	size_t line;   /* bytes of the current line; of all trailers */
	int digits;
	bool line_empty; /* of a trailer line so far */
};

#define RESPONSE_CHUNKS_INIT { CHUNK_SIZE, 0, 0, 0, true }

/**
 * response_chunks_feed() - Decode some bytes of a chunked body
 * @used:	Bytes taken off the front of @in
 * @data:	Body bytes among them, a view into @in; may be empty
 *
 * To be called until state is CHUNK_DONE; bytes behind the body are not taken.
 */
int response_chunks_feed(struct response_chunks *c, struct span in, size_t *used, struct span *data,
	struct err *e);

#endif
