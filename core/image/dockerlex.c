/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerlex.c - the words of a Dockerfile
 *
 * Theory of operation
 *   Three stages, as in the Dockerfile reference: lines are joined into instructions; an
 *   instruction's arguments are split at blanks outside quotes; each word loses its quotes and
 *   gets its variables.  In single quotes all is literal; in double quotes variables are put in
 *   and the escape character quotes '"', '$' and itself only; outside it quotes anything.
 *   A modifier's word (${A:-word}) is expanded too, so expansion nests: to a bound.
 */
#include "image/dockerlex.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define NESTING_MAX 32

/* --- lines ---------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct span trim(struct span s)
{
	while (s.n && is_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* "# escape=`": true with the name and value. */
static bool directive(struct span line, struct span *name, struct span *value)
{
	ssize_t eq;

	line = trim(line);
	if (!line.n || line.p[0] != '#')
		return false;
	line.p++, line.n--;
	eq = span_chr(line, '=');
	if (eq < 0)
		return false;
	*value = trim(span_cut(&line, (size_t)eq));
	*name = trim(line);
	return true;
}

char dockerlex_escape(struct span text)
{
	struct span line, name, value;

	while (span_token(&text, '\n', &line) && directive(line, &name, &value))
		if (span_caseeqs(name, "escape") && value.n == 1 && (value.p[0] == '`' || value.p[0] == '\\'))
			return value.p[0];
	return '\\';
}

bool dockerlex_line(struct span *text, char escape, struct buf *out)
{
	struct span line, bare;
	bool more = false;

	buf_reset(out);
	while (span_token(text, '\n', &line)) {
		bare = trim(line);
		if (!bare.n || bare.p[0] == '#')
			continue;
		if (!more)
			line = bare;
		more = bare.p[bare.n - 1] == escape;
		if (more)
			line.n = (size_t)(bare.p + bare.n - 1 - line.p);
		buf_add(out, line.p, line.n);
		if (!more)
			break;
	}
	line = trim((struct span){out->p, out->n});
	if (!line.n)
		return false;
	memmove(out->p, line.p, line.n);
	out->n = line.n;
	out->p[out->n] = 0;
	return true;
}

/* --- words ---------------------------------------------------------------------------------------- */

/* Length of the first word of @s: up to a blank outside quotes. */
static size_t word_len(struct span s, char escape)
{
	char quote = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == escape && quote != '\'' && i + 1 < s.n)
			i++;
		else if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '\'' || c == '"')
			quote = c;
		else if (is_blank(c))
			break;
	}
	return i < s.n ? i : s.n;
}

json_t *dockerlex_words(struct span s, char escape)
{
	json_t *out = json_array();

	for (s = trim(s); s.n; s = trim(s)) {
		size_t n = word_len(s, escape);

		json_array_append_new(out, json_textn(s.p, n));
		s.p += n, s.n -= n;
	}
	return out;
}

/* --- expansion -------------------------------------------------------------------------------------- */

const char *dockerlex_getenv(const json_t *env, const char *name, size_t n)
{
	size_t i = json_array_size(env);
	const char *s;

	while (i-- > 0) {
		s = json_string_value(json_array_get(env, i));
		if (s && !strncmp(s, name, n) && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

struct lex {
	const char *word; /* the whole, for messages */
	const char *p;
	const json_t *env;
	char escape;
	int depth;
	struct err *e;
};

static int failed(struct lex *x, const char *why, const char *more)
{
	cleanup_buf struct buf quoted = BUF_INIT;
	const char *s;

	for (s = x->word; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(&quoted, '\\');
		buf_addc(&quoted, *s);
	}
	return err_kind(x->e, ERR_INVALID, "failed to process \"%s\": %s%s", quoted.p, why, more);
}

static int expand_until(struct lex *x, char end, struct buf *out);

static size_t name_len(const char *p)
{
	size_t n = 0;

	if (isdigit((unsigned char)*p) || (*p && strchr("@*#?-$!", *p)))
		return 1;
	while (isalnum((unsigned char)p[n]) || p[n] == '_')
		n++;
	return n;
}

/* Behind the name in "${NAME:-word}": what stands for it. */
static int expand_modifier(struct lex *x, const char *name, size_t n, const char *value, struct buf *out)
{
	cleanup_buf struct buf word = BUF_INIT;
	bool colon = *x->p == ':', set;
	char kind;

	x->p += colon;
	kind = *x->p;
	if (!kind || !strchr("-+?", kind)) {
		char text[64];

		snprintf(text, sizeof(text), "unsupported modifier (%s%c) in substitution", colon ? ":" : "",
			kind ? kind : ' ');
		return failed(x, text, "");
	}
	x->p++;
	if (expand_until(x, '}', &word))
		return -1;
	set = value && (!colon || *value);
	switch (kind) {
	case '-':
		buf_adds(out, set ? value : word.p);
		return 0;
	case '+':
		buf_adds(out, set ? word.p : "");
		return 0;
	default:
		if (!set) {
			cleanup_free char *text = xasprintf("%.*s: %s", (int)n, name,
				word.n ? word.p : "is not allowed to be unset");

			return failed(x, text, "");
		}
		buf_adds(out, value);
		return 0;
	}
}

static int expand_variable(struct lex *x, struct buf *out)
{
	const char *name = ++x->p, *value;
	bool braces = *name == '{';
	size_t n;

	name += braces;
	n = name_len(name);
	if (!n && !braces) {
		buf_addc(out, '$');
		return 0;
	}
	if (!n)
		return failed(x, "syntax error: bad substitution", "");
	value = dockerlex_getenv(x->env, name, n);
	x->p = name + n;
	if (braces && *x->p != '}')
		return expand_modifier(x, name, n, value, out);
	x->p += braces;
	if (value)
		buf_adds(out, value);
	return 0;
}

static int expand_single(struct lex *x, struct buf *out)
{
	const char *end = strchr(++x->p, '\'');

	if (!end)
		return failed(x, "unexpected end of statement while looking for matching single-quote", "");
	buf_add(out, x->p, (size_t)(end - x->p));
	x->p = end + 1;
	return 0;
}

static int expand_double(struct lex *x, struct buf *out)
{
	for (x->p++; *x->p != '"';) {
		if (!*x->p)
			return failed(x, "unexpected end of statement while looking for matching double-quote", "");
		if (*x->p == '$') {
			if (expand_variable(x, out))
				return -1;
			continue;
		}
		if (*x->p == x->escape && (x->p[1] == '"' || x->p[1] == '$' || x->p[1] == x->escape))
			x->p++;
		buf_addc(out, *x->p++);
	}
	x->p++;
	return 0;
}

/* Up to @end (0: the end of the word), which is used up. */
static int expand_until(struct lex *x, char end, struct buf *out)
{
	if (++x->depth > NESTING_MAX)
		return failed(x, "substitutions are nested too deep", "");
	while (*x->p && *x->p != end) {
		int rc = 0;

		if (*x->p == '\'') {
			rc = expand_single(x, out);
		} else if (*x->p == '"') {
			rc = expand_double(x, out);
		} else if (*x->p == '$') {
			rc = expand_variable(x, out);
		} else {
			if (*x->p == x->escape && x->p[1])
				x->p++;
			buf_addc(out, *x->p++);
		}
		if (rc)
			return -1;
	}
	x->depth--;
	if (end && !*x->p)
		return failed(x, "syntax error: missing '}'", "");
	x->p += end != 0;
	return 0;
}

int dockerlex_expand(const char *word, const json_t *env, char escape, struct buf *out, struct err *e)
{
	struct lex x = {.word = word, .p = word, .env = env, .escape = escape, .e = e};

	return expand_until(&x, 0, out);
}
