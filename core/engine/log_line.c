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

/* A JSON string at *@p, unescaped in place (it never grows); *@p is put behind it. */
static int take_string(char **p, char *end, struct span *out)
{
	static const char from[] = "\"\\/bfnrt", what[] = "\"\\/\b\f\n\r\t";
	const char *in = *p + 1, *hit;
	char *to = *p + 1;

	if (*p == end || **p != '"')
		return -1;
	*out = (struct span){to, 0};
	for (; in < end && *in != '"'; in++) {
		if (*in != '\\') {
			*to++ = *in;
			continue;
		}
		if (++in == end)
			return -1;
		hit = *in ? strchr(from, *in) : NULL;
		if (hit) {
			*to++ = what[hit - from];
		} else {
			if (*in++ != 'u' || take_unicode(&in, end, &to))
				return -1;
			in--;
		}
	}
	if (in >= end)
		return -1;
	out->n = (size_t)(to - out->p);
	*p += in + 1 - *p;
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

/* All that the monitor read at once has the same time. */
static int take_time(struct span text, struct log_line *out)
{
	if (text.n && span_eqs(text, out->when))
		return 0;
	if (text.n >= sizeof(out->when))
		return -1;
	memcpy(out->when, text.p, text.n);
	out->when[text.n] = 0;
	if (!clock_parse(out->when, &out->time))
		return 0;
	out->when[0] = 0;
	return -1;
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

int log_line_parse(char *line, size_t n, struct log_line *out)
{
	char *p = line, *end = line + n;
	bool timed = false;

	out->text = out->stream = out->attrs = (struct span){"", 0};
	skip_blanks(&p, end);
	if (p == end || *p++ != '{')
		return -1;
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
