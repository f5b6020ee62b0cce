/* SPDX-License-Identifier: MIT */
/*
 * core/engine/log_line.c - one entry of a json-file: text, stream, attributes, time
 *
 * Theory of operation
 *   Our monitor writes them, but the file may have been edited, or cut by a full disk, so anything is
 *   expected.  Texts are unescaped in place, which never makes them longer; nothing is allocated, as
 *   a log has millions of them.
 */
#include "base/clock.h"
#include "base/scan.h"
#include "engine/logs.h"

static int hex4(const char *p)
{
	uint64_t v;

	return parse_u64_base((struct span){p, 4}, 16, 0xffff, &v) ? -1 : (int)v;
}

static char *put_utf8(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* \uXXXX at *@p (behind the 'u'), surrogate pairs too; what is no character becomes U+FFFD. */
static int take_unicode(const char **p, const char *end, char **to)
{
	int c = end - *p >= 4 ? hex4(*p) : -1, low;

	if (c < 0)
		return -1;
	*p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			*p += 6;
			*to = put_utf8(*to, 0x10000 + ((unsigned int)(c - 0xd800) << 10) + (unsigned int)(low - 0xdc00));
			return 0;
		}
	}
	*to = put_utf8(*to, c >= 0xd800 && c < 0xe000 ? 0xfffd : (unsigned int)c);
	return 0;
}

static inline scan_block quote_or_escape(scan_block c)
{
	return (scan_block)(c == '"') | (scan_block)(c == '\\');
}

/* The escape at *@in (behind its backslash). */
static int take_escape(const char **in, const char *end, char **to)
{
	static const char from[] = "n\"\\tr/bf", what[] = "\n\"\\\t\r/\b\f";
	const char *hit;

	if (*in == end)
		return -1;
	hit = memchr(from, **in, sizeof(from) - 1);
	if (!hit && **in != 'u')
		return -1;
	++*in;
	if (!hit)
		return take_unicode(in, end, to);
	*(*to)++ = what[hit - from];
	return 0;
}

/* A JSON string at *@p, unescaped in place (it never grows); *@p is put behind it. */
static int take_string(char **p, char *end, struct span *out)
{
	const char *in = *p + 1;
	char *to = *p + 1;
	size_t len;

	if (*p == end || **p != '"')
		return -1;
	*out = (struct span){to, 0};
	for (;;) {
		len = scan_copy(NULL, in, (size_t)(end - in), quote_or_escape);
		if (to != in)
			memmove(to, in, len);
		to += len;
		in += len;
		if (in == end)
			return -1;
		if (*in++ == '"')
			break;
		if (take_escape(&in, end, &to))
			return -1;
	}
	out->n = (size_t)(to - out->p);
	*p += in - *p;
	return 0;
}

/* An object as it stands, strings and nested braces respected. */
static int take_object(char **p, char *end, struct span *out)
{
	bool string = false;
	int depth = 0;
	char *at;

	for (at = *p; at < end; at++) {
		if (string && *at == '\\')
			at++;
		else if (*at == '"')
			string = !string;
		else if (!string && *at == '{')
			depth++;
		else if (!string && *at == '}' && !--depth)
			break;
	}
	if (at >= end || **p != '{')
		return -1;
	*out = (struct span){*p, (size_t)(at + 1 - *p)};
	*p = at + 1;
	return 0;
}

static void skip_blanks(char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		++*p;
}

static int take_time(struct span text, struct log_line *out)
{
	char when[CLOCK_RFC3339_MAX];

	if (!text.n || text.n >= sizeof(when))
		return -1;
	memcpy(when, text.p, text.n);
	when[text.n] = 0;
	return clock_parse(when, &out->time);
}

static int take_member(char **p, char *end, struct log_line *out, bool *timed)
{
	struct span key, text;

	if (take_string(p, end, &key))
		return -1;
	skip_blanks(p, end);
	if (*p == end || *(*p)++ != ':')
		return -1;
	skip_blanks(p, end);
	if (*p < end && **p == '{')
		return take_object(p, end, span_eqs(key, "attrs") ? &out->attrs : &text);
	if (take_string(p, end, &text))
		return -1;
	if (span_eqs(key, "log"))
		out->text = text;
	else if (span_eqs(key, "stream"))
		out->stream = text;
	else if (span_eqs(key, "time"))
		return *timed = true, take_time(text, out);
	return 0;
}

/* --- what follows the text: all that the monitor read at once has the same --------------------------- */

static void keep_tail(const char *p, const char *end, struct log_line *l)
{
	size_t n = (size_t)(end - p);

	l->tail_len = n < sizeof(l->tail) && !memchr(p, '\\', n) ? n : 0;
	memcpy(l->tail, p, l->tail_len);
}

static void place_tail(const char *p, struct log_line *l)
{
	l->stream_at = l->stream.n ? (size_t)(l->stream.p - p) : 0;
	l->attrs_at = l->attrs.n ? (size_t)(l->attrs.p - p) : 0;
}

static bool same_tail(const char *p, const char *end, struct log_line *l)
{
	if (!l->tail_len || (size_t)(end - p) != l->tail_len ||
		!scan_same(p, l->tail, l->tail_len))
		return false;
	l->stream.p = p + l->stream_at;
	l->attrs.p = p + l->attrs_at;
	return true;
}

/* The members from *@p to the closing brace. */
static int take_members(char *p, char *end, struct log_line *out)
{
	bool timed = false;

	for (;;) {
		skip_blanks(&p, end);
		if (take_member(&p, end, out, &timed))
			return -1;
		skip_blanks(&p, end);
		if (p == end)
			return -1;
		if (*p == '}')
			return timed ? 0 : -1;
		if (*p++ != ',')
			return -1;
	}
}

/* As our monitor writes it: the text comes first. */
static int take_ours(char *p, char *end, struct log_line *out)
{
	if (take_string(&p, end, &out->text) || p == end || *p != ',')
		return -1;
	if (same_tail(p, end, out))
		return 0;
	out->stream = out->attrs = (struct span){"", 0};
	keep_tail(p, end, out);
	if (take_members(p + 1, end, out)) {
		out->tail_len = 0;
		return -1;
	}
	if (out->text.p >= p)
		out->tail_len = 0; /* another "log" in there, which counts */
	place_tail(p, out);
	return 0;
}

int log_line_parse(char *line, size_t n, struct log_line *out)
{
	static const char ours[] = "{\"log\":";
	char *p = line, *end = line + n;

	if (n > sizeof(ours) && !memcmp(p, ours, sizeof(ours) - 1))
		return take_ours(p + sizeof(ours) - 1, end, out);
	out->tail_len = 0;
	out->text = out->stream = out->attrs = (struct span){"", 0};
	skip_blanks(&p, end);
	if (p == end || *p++ != '{')
		return -1;
	return take_members(p, end, out);
}
