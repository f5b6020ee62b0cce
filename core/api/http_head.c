/* SPDX-License-Identifier: MIT */
/*
 * core/api/http_head.c - the head of an HTTP/1.1 request, as views into the bytes received
 *
 * Theory of operation
 *   The head is looked for whole (up to its blank line) and then parsed in one pass, so no state
 *   survives between reads and every length is known before it is used.
 */
#include "api/http_head.h"

#include <stdlib.h>

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

/* A header value: no control bytes but tab. */
static bool value_ok(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool host_ok(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f ||
			strchr("\"<>\\^`{|}/?#@", s.p[i]))
			return false;
	return true;
}

/* Length of the head with its blank line, 0 if it is not all there. */
static size_t find_end(const char *p, size_t n)
{
	const char *at = p, *nl;

	while ((nl = memchr(at, '\n', n - (size_t)(at - p)))) {
		size_t left = n - (size_t)(nl + 1 - p);

		if (left >= 1 && nl[1] == '\n')
			return (size_t)(nl + 2 - p);
		if (left >= 2 && nl[1] == '\r' && nl[2] == '\n')
			return (size_t)(nl + 3 - p);
		at = nl + 1;
	}
	return 0;
}

static bool next_line(struct span *rest, struct span *line)
{
	ssize_t nl = span_chr(*rest, '\n');

	if (nl < 0)
		return false;
	*line = *rest;
	*rest = span_cut(line, (size_t)nl);
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static int parse_request_line(struct span line, struct http_head *h)
{
	ssize_t sp = span_chr(line, ' ');
	struct span version;
	size_t i;

	if (sp < 0)
		return HTTP_BAD;
	h->method = line;
	h->target = span_cut(&h->method, (size_t)sp);
	sp = span_chr(h->target, ' ');
	if (sp < 0)
		return HTTP_BAD;
	version = span_cut(&h->target, (size_t)sp);
	if (!is_token(h->method) || !h->target.n)
		return HTTP_BAD;
	for (i = 0; i < h->target.n; i++)
		if ((unsigned char)h->target.p[i] <= 0x20 || h->target.p[i] == 0x7f)
			return HTTP_BAD;
	if (version.n != 8 || !span_starts(version, "HTTP/") || version.p[6] != '.')
		return HTTP_BAD;
	if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1'))
		return version.p[5] >= '0' && version.p[5] <= '9' ? HTTP_BAD_VERSION : HTTP_BAD;
	h->minor = version.p[7] - '0';
	return 0;
}

/* Is @word one of the comma-separated words of a header? */
static bool has_word(struct span list, const char *word)
{
	struct span item;

	while (span_token(&list, ',', &item))
		if (span_caseeqs(span_trim(item), word))
			return true;
	return false;
}

static int note_header(struct http_head *h, struct span name, struct span value)
{
	uint64_t length;

	if (span_caseeqs(name, "content-length")) {
		if (parse_u64(value, INT64_MAX, &length) ||
			(h->length >= 0 && h->length != (int64_t)length))
			return HTTP_BAD;
		h->length = (int64_t)length;
	} else if (span_caseeqs(name, "transfer-encoding")) {
		if (h->chunked || !span_caseeqs(value, "chunked"))
			return HTTP_BAD;
		h->chunked = true;
	} else if (span_caseeqs(name, "connection")) {
		if (has_word(value, "close"))
			h->keep_alive = false;
		else if (has_word(value, "keep-alive"))
			h->keep_alive = true;
	} else if (span_caseeqs(name, "host")) {
		if (h->has_host || !host_ok(value))
			return HTTP_BAD_HOST;
		h->has_host = true;
		h->host = value;
	} else if (span_caseeqs(name, "upgrade")) {
		h->upgrade = value;
	} else if (span_caseeqs(name, "expect")) {
		h->expect = value;
	} else if (span_caseeqs(name, "content-type")) {
		h->content_type = value;
	}
	return 0;
}

ssize_t http_head_parse(const char *p, size_t n, struct http_head *h)
{
	size_t skip = 0, end;
	struct span rest, line, value;
	ssize_t colon;
	int rc;

	/* RFC 9112 2.2: blank lines before a request are ignored. */
	while (skip < n && (p[skip] == '\r' || p[skip] == '\n'))
		skip++;
	end = find_end(p + skip, n - skip);
	if (!end)
		return HTTP_INCOMPLETE;
	memset(h, 0, sizeof(*h));
	h->length = -1;
	rest = (struct span){p + skip, end};
	if (!next_line(&rest, &line))
		return HTTP_BAD;
	rc = parse_request_line(line, h);
	if (rc)
		return rc;
	h->keep_alive = h->minor >= 1;
	while (next_line(&rest, &line) && line.n) {
		colon = span_chr(line, ':');
		if (colon < 0 || h->n_headers == HTTP_HEADERS_MAX)
			return HTTP_BAD;
		value = span_cut(&line, (size_t)colon);
		value = span_trim(value);
		if (!is_token(line) || !value_ok(value))
			return HTTP_BAD;
		h->header[h->n_headers++] = (struct http_header){line, value};
		rc = note_header(h, line, value);
		if (rc)
			return rc;
	}
	if (h->chunked && h->length >= 0)
		return HTTP_BAD;
	if (h->minor >= 1 && !h->has_host)
		return HTTP_NO_HOST;
	return (ssize_t)(skip + end);
}

char *http_decode(struct span s, bool plus, struct span *bad)
{
	char *out = xmalloc(s.n + 1), *o = out;
	uint64_t byte;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '+' && plus) {
			*o++ = ' ';
		} else if (s.p[i] != '%') {
			*o++ = s.p[i];
		} else if (i + 2 < s.n && !parse_u64_base((struct span){s.p + i + 1, 2}, 16, 255, &byte) &&
			   byte) {
			*o++ = (char)byte;
			i += 2;
		} else {
			if (bad)
				*bad = (struct span){s.p + i, s.n - i < 3 ? s.n - i : 3};
			free(out);
			return NULL;
		}
	}
	*o = 0;
	return out;
}

/* "1a;ext=…": the size; extensions are ignored. */
static int chunk_size(struct span line, uint64_t *size)
{
	ssize_t semi = span_chr(line, ';');

	if (semi >= 0)
		line.n = (size_t)semi;
	return parse_u64_base(span_trim(line), 16, INT64_MAX, size);
}

#define CHUNK_LINE_MAX 4096

ssize_t http_chunks_step(struct http_chunks *c, const char *p, size_t n)
{
	struct span rest = {p, n}, line;
	size_t used;

	switch (c->state) {
	case CHUNK_DATA:
		if (c->left)
			return 0;
		c->state = CHUNK_DATA_END;
		/* fall through */
	case CHUNK_DATA_END:
		if (n < 1 || (p[0] == '\r' && n < 2))
			return 0;
		used = p[0] == '\r' ? 2 : 1;
		if (p[used - 1] != '\n')
			return HTTP_BAD;
		c->state = CHUNK_SIZE;
		return (ssize_t)used;
	case CHUNK_SIZE:
	case CHUNK_TRAILER:
		if (!next_line(&rest, &line))
			return n > CHUNK_LINE_MAX ? HTTP_BAD : 0;
		used = (size_t)(rest.p - p);
		if (c->state == CHUNK_TRAILER) {
			if (!line.n)
				c->state = CHUNK_DONE;
			return (ssize_t)used;
		}
		if (chunk_size(line, &c->left))
			return HTTP_BAD;
		c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		return (ssize_t)used;
	case CHUNK_DONE:
		return 0;
	}
	return HTTP_BAD;
}
