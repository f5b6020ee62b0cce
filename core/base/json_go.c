/* SPDX-License-Identifier: MIT */
/*
 * core/base/json_go.c - what is wrong with a JSON text, in the words of Go's encoding/json
 *
 * Theory of operation
 *   jansson says no in words of its own, while clients and their tests know Docker's.  So a text
 *   that was refused is read once more, for the place and kind of its first mistake alone: no
 *   value is kept.  What jansson refuses and Go does not (U+0000 in a text) finds no mistake.
 *   Objects and arrays nest on a stack of bits, not on ours.
 */
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 10000 /* Go's */

struct scan {
	const char *p, *end;
	const char *why; /* what the bad character is doing there */
	bool at_end;	 /* there is no bad character: the text ends */
	bool whole;	 /* why is the whole message */
	char words[64];	 /* room for a message made up */
};

static bool fail(struct scan *s, const char *why)
{
	s->why = why;
	s->at_end = s->p >= s->end;
	return false;
}

static void blanks(struct scan *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
		s->p++;
}

static bool at(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

/* What follows a backslash. */
static bool escape(struct scan *s)
{
	const char *from = s->p - 1;
	int i = 0;

	if (s->p < s->end && *s->p && strchr("\"\\/bfnrt", *s->p)) {
		s->p++;
		return true;
	}
	if (at(s, 'u'))
		for (s->p++; i < 4 && s->p < s->end && isxdigit((unsigned char)*s->p); i++)
			s->p++;
	if (i == 4 || s->p >= s->end)
		return i == 4 || fail(s, "");
	snprintf(s->words, sizeof(s->words), "invalid escape sequence `%.*s` in string", (int)(s->p + 1 - from),
		from);
	s->whole = true;
	return fail(s, s->words);
}

static bool string(struct scan *s)
{
	for (s->p++; s->p < s->end; ) {
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if ((unsigned char)*s->p < 0x20)
			return fail(s, "in string");
		if (*s->p++ == '\\' && !escape(s))
			return false;
	}
	return fail(s, "");
}

static bool digits(struct scan *s)
{
	if (s->p >= s->end || !isdigit((unsigned char)*s->p))
		return fail(s, "in numeric literal");
	while (s->p < s->end && isdigit((unsigned char)*s->p))
		s->p++;
	return true;
}

static bool number(struct scan *s)
{
	if (at(s, '-'))
		s->p++;
	if (at(s, '0'))
		s->p++;
	else if (!digits(s))
		return false;
	if (at(s, '.') && (s->p++, !digits(s)))
		return false;
	if (!at(s, 'e') && !at(s, 'E'))
		return true;
	s->p++;
	if (at(s, '+') || at(s, '-'))
		s->p++;
	return digits(s);
}

static bool word(struct scan *s, const char *want)
{
	size_t i;

	for (i = 0; want[i]; i++, s->p++) {
		if (at(s, want[i]))
			continue;
		snprintf(s->words, sizeof(s->words), "in literal %s (expecting '%c')", want, want[i]);
		return fail(s, s->words);
	}
	return true;
}

static bool scalar(struct scan *s)
{
	if (s->p >= s->end)
		return fail(s, "");
	switch (*s->p) {
	case '"':
		return string(s);
	case 't':
		return word(s, "true");
	case 'f':
		return word(s, "false");
	case 'n':
		return word(s, "null");
	default:
		if (*s->p == '-' || isdigit((unsigned char)*s->p))
			return number(s);
		return fail(s, "looking for beginning of value");
	}
}

static bool key(struct scan *s)
{
	blanks(s);
	if (!at(s, '"'))
		return fail(s, "looking for beginning of object key string");
	if (!string(s))
		return false;
	blanks(s);
	if (!at(s, ':'))
		return fail(s, "after object key");
	s->p++;
	return true;
}

/* After a value: on to the next one of what it stands in, or out of that. */
static bool after_value(struct scan *s, const unsigned char *is_object, int *depth)
{
	for (; *depth; s->p++, --*depth) {
		bool object = is_object[*depth - 1];

		blanks(s);
		if (at(s, ',')) {
			s->p++;
			return !object || key(s);
		}
		if (!at(s, object ? '}' : ']'))
			return fail(s, object ? "after object key:value pair" : "after array element");
	}
	return true;
}

/* Into an object or array that is not empty. */
static bool open_container(struct scan *s, unsigned char *is_object, int *depth, bool *empty)
{
	bool object = *s->p == '{';

	if (*depth == DEPTH_MAX) {
		s->whole = true;
		return fail(s, "exceeded max depth");
	}
	s->p++;
	blanks(s);
	*empty = at(s, object ? '}' : ']');
	if (*empty) {
		s->p++;
		return true;
	}
	is_object[(*depth)++] = object;
	return !object || key(s);
}

static bool text(struct scan *s, unsigned char *is_object)
{
	int depth = 0;
	bool empty;

	do {
		blanks(s);
		if (at(s, '{') || at(s, '[')) {
			if (!open_container(s, is_object, &depth, &empty))
				return false;
			if (!empty)
				continue;
		} else if (!scalar(s)) {
			return false;
		}
		if (!after_value(s, is_object, &depth))
			return false;
	} while (depth);
	return true;
}

/* As Go quotes a character in its messages. */
static void quote(unsigned char c, char out[static 8])
{
	if (c == '\'')
		snprintf(out, 8, "'\\''");
	else if (c == '\n' || c == '\r' || c == '\t')
		snprintf(out, 8, "'\\%c'", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (c < 0x20 || c == 0x7f)
		snprintf(out, 8, "'\\x%02x'", c);
	else
		snprintf(out, 8, "'%c'", c);
}

bool json_go_mistake(const char *json, size_t n, char out[static JSON_GO_MAX])
{
	struct scan s = {.p = json, .end = json + n};
	unsigned char *is_object = xcalloc(1, DEPTH_MAX);
	bool good = text(&s, is_object);
	char c[12];

	free(is_object);
	if (good)
		return false;
	if (s.whole) {
		snprintf(out, JSON_GO_MAX, "%s", s.why);
	} else if (s.at_end) {
		snprintf(out, JSON_GO_MAX, "unexpected EOF");
	} else {
		if (s.end - s.p >= 3 && !memcmp(s.p, "\xef\xbb\xbf", 3))
			snprintf(c, sizeof(c), "'\\ufeff'"); /* what editors put in front of a text */
		else
			quote((unsigned char)*s.p, c);
		snprintf(out, JSON_GO_MAX, "invalid character %s %s", c, s.why);
	}
	return true;
}
