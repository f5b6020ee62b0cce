/* SPDX-License-Identifier: MIT */
/*
 * core/registry/response.c - what an HTTP/1.1 response says, parsed from bytes alone
 *
 * Theory of operation
 *   A head is checked line by line once and kept as text; looking a field up scans it again,
 *   which is cheap for the dozen lines a registry sends and needs no memory.
 *
 *   Where two readers could disagree about the end of a body, a connection must not be used
 *   again (response splitting): a repeated Content-Length must agree, Transfer-Encoding wins
 *   over Content-Length but ends the connection, other transfer codings are refused, and folded
 *   header lines are refused.  Lines may end in a bare LF, as Go's client takes them too.
 */
#include "registry/response.h"

#include <strings.h>

#define CHUNK_LINE_MAX 4096 /* bytes of a chunk's size line with its extensions */

static bool is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

/* Take one line off the front of @rest, without its end; false if there is no line end. */
static bool take_line(struct span *rest, struct span *line)
{
	ssize_t lf = span_chr(*rest, '\n');

	if (lf < 0)
		return false;
	*line = (struct span){rest->p, (size_t)lf};
	rest->p += lf + 1;
	rest->n -= (size_t)lf + 1;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static int malformed(struct span what, struct err *e)
{
	return err_set(e, 0, "malformed HTTP response \"%.*s\"", (int)(what.n > 80 ? 80 : what.n),
		what.p);
}

static int parse_status_line(struct span line, struct response_head *h, struct err *e)
{
	uint64_t status;

	if (line.n < 12 || !span_starts(line, "HTTP/1.") || (line.p[7] != '0' && line.p[7] != '1') ||
		line.p[8] != ' ')
		return malformed(line, e);
	if (parse_u64((struct span){line.p + 9, 3}, 999, &status) || status < 100)
		return malformed(line, e);
	if (line.n > 12 && line.p[12] != ' ')
		return malformed(line, e);
	h->minor = line.p[7] - '0';
	h->status = (int)status;
	h->reason = line.n > 13 ? (struct span){line.p + 13, line.n - 13} : (struct span){line.p, 0};
	return 0;
}

static int check_field(struct span line, struct err *e)
{
	ssize_t colon = span_chr(line, ':');
	size_t i;

	if (colon <= 0)
		return malformed(line, e);
	for (i = 0; i < (size_t)colon; i++)
		if (!is_token_char((unsigned char)line.p[i]))
			return malformed(line, e);
	for (; i < line.n; i++)
		if (!line.p[i] || line.p[i] == '\r')
			return malformed(line, e);
	return 0;
}

int response_head_parse(struct span text, struct response_head *h, struct err *e)
{
	struct span rest = text, line;

	memset(h, 0, sizeof(*h));
	if (text.n > RESPONSE_HEAD_MAX)
		return err_set(e, 0, "headers exceed %d bytes", RESPONSE_HEAD_MAX);
	if (!take_line(&rest, &line))
		return malformed(text, e);
	if (parse_status_line(line, h, e))
		return -1;
	h->fields.p = rest.p;
	while (take_line(&rest, &line)) {
		if (!line.n)
			return 0;
		if (check_field(line, e))
			return -1;
		h->fields.n = (size_t)(rest.p - h->fields.p);
	}
	return malformed(rest, e);
}

struct span response_field(const struct response_head *h, const char *name, size_t index)
{
	struct span rest = h->fields, line, value;
	ssize_t colon;

	while (take_line(&rest, &line)) {
		colon = span_chr(line, ':');
		if (colon < 0)
			break;
		value = span_cut(&line, (size_t)colon);
		if (span_caseeqs(line, name) && !index--)
			return span_trim(value);
	}
	return (struct span){NULL, 0};
}

bool response_has_token(const struct response_head *h, const char *name, const char *token)
{
	struct span value, item;
	size_t i;

	for (i = 0; (value = response_field(h, name, i)).p; i++)
		while (span_token(&value, ',', &item))
			if (span_caseeqs(span_trim(item), token))
				return true;
	return false;
}

/* All Content-Length fields as one number, -1 if there is none. */
static int content_length(const struct response_head *h, int64_t *length, struct err *e)
{
	struct span value, item;
	uint64_t v;
	size_t i;

	*length = -1;
	for (i = 0; (value = response_field(h, "Content-Length", i)).p; i++)
		while (span_token(&value, ',', &item)) {
			if (parse_u64(span_trim(item), INT64_MAX, &v) ||
				(*length >= 0 && *length != (int64_t)v))
				return err_set(e, 0, "bad Content-Length '%.*s'",
					(int)(item.n > 80 ? 80 : item.n), item.p);
			*length = (int64_t)v;
		}
	return 0;
}

int response_framing(const struct response_head *h, bool no_body, struct response_body *b, struct err *e)
{
	struct span coding = response_field(h, "Transfer-Encoding", 0);

	b->framing = BODY_NONE;
	b->keep_alive = h->minor && !response_has_token(h, "Connection", "close");
	if (content_length(h, &b->length, e))
		return -1;
	if (no_body || h->status < 200 || h->status == 204 || h->status == 304) {
		if (!no_body)
			b->length = -1;
		return 0;
	}
	if (coding.p) {
		if (!span_caseeqs(coding, "chunked") || response_field(h, "Transfer-Encoding", 1).p)
			return err_set(e, 0, "unsupported transfer encoding '%.*s'",
				(int)(coding.n > 80 ? 80 : coding.n), coding.p);
		if (b->length >= 0)
			b->keep_alive = false;
		b->length = -1;
		b->framing = BODY_CHUNKED;
	} else if (b->length >= 0) {
		b->framing = BODY_LENGTH;
	} else {
		b->framing = BODY_UNTIL_CLOSE;
		b->keep_alive = false;
	}
	return 0;
}

int response_content_range(struct span value, int64_t *first, int64_t *last, int64_t *total)
{
	struct span range, size;
	ssize_t at;
	uint64_t a, b, t = 0;

	if (value.n < 6 || !span_caseeqs((struct span){value.p, 6}, "bytes "))
		return -1;
	range = span_trim((struct span){value.p + 6, value.n - 6});
	at = span_chr(range, '/');
	if (at < 0)
		return -1;
	size = span_cut(&range, (size_t)at);
	at = span_chr(range, '-');
	if (at < 0)
		return -1;
	value = span_cut(&range, (size_t)at);
	if (parse_u64(range, INT64_MAX, &a) || parse_u64(value, INT64_MAX, &b) || a > b)
		return -1;
	if (!span_eqs(size, "*") && (parse_u64(size, INT64_MAX, &t) || b >= t))
		return -1;
	*first = (int64_t)a;
	*last = (int64_t)b;
	*total = span_eqs(size, "*") ? -1 : (int64_t)t;
	return 0;
}

int64_t response_upload_range(struct span value)
{
	uint64_t last;
	ssize_t dash;

	if (!value.p)
		return 0;
	if (span_starts(value, "bytes="))
		value = (struct span){value.p + 6, value.n - 6};
	dash = span_chr(value, '-');
	if (dash != 1 || *value.p != '0' || parse_u64((struct span){value.p + 2, value.n - 2}, INT64_MAX - 1, &last))
		return -1;
	return last ? (int64_t)last + 1 : 0;
}

/* --- chunked bodies --- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int chunk_error(const char *what, struct err *e)
{
	return err_set(e, 0, "malformed chunked encoding: %s", what);
}

/* The line with a chunk's size has ended. */
static int size_line_end(struct response_chunks *c, struct err *e)
{
	if (!c->digits)
		return chunk_error("a chunk without a size", e);
	c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
	c->line = 0;
	c->digits = 0;
	c->line_empty = true;
	return 0;
}

/* One byte of framing, in any state but CHUNK_DATA. */
static int frame_byte(struct response_chunks *c, char b, struct err *e)
{
	size_t max = c->state == CHUNK_TRAILER ? RESPONSE_HEAD_MAX : CHUNK_LINE_MAX;
	int v;

	if (++c->line > max)
		return chunk_error("a line is too long", e);
	switch (c->state) {
	case CHUNK_SIZE:
		v = hex_value(b);
		if (v >= 0) {
			if (++c->digits > 15) /* below 2^60: sums cannot overflow */
				return chunk_error("a chunk is too large", e);
			c->left = c->left << 4 | (uint64_t)v;
			return 0;
		}
		if (b == '\n')
			return size_line_end(c, e);
		if (b != '\r' && b != ';' && b != ' ' && b != '\t')
			return chunk_error("a chunk's size is no number", e);
		c->state = CHUNK_EXTENSION;
		return c->digits ? 0 : chunk_error("a chunk without a size", e);
	case CHUNK_EXTENSION:
		return b == '\n' ? size_line_end(c, e) : 0;
	case CHUNK_DATA_END:
		if (b == '\r' && c->line == 1)
			return 0;
		if (b != '\n')
			return chunk_error("a chunk is longer than its size", e);
		c->state = CHUNK_SIZE;
		c->left = c->line = 0;
		return 0;
	default: /* CHUNK_TRAILER */
		if (b == '\n' && c->line_empty)
			c->state = CHUNK_DONE;
		if (b != '\r')
			c->line_empty = b == '\n';
		return 0;
	}
}

int response_chunks_feed(struct response_chunks *c, struct span in, size_t *used, struct span *data,
	struct err *e)
{
	size_t i = 0;

	*data = (struct span){in.p, 0};
	while (i < in.n && c->state != CHUNK_DONE && c->state != CHUNK_DATA)
		if (frame_byte(c, in.p[i++], e))
			return -1;
	if (c->state == CHUNK_DATA && i < in.n) {
		data->p = in.p + i;
		data->n = in.n - i < c->left ? in.n - i : (size_t)c->left;
		c->left -= data->n;
		i += data->n;
		if (!c->left) {
			c->state = CHUNK_DATA_END;
			c->line = 0;
		}
	}
	*used = i;
	return 0;
}
