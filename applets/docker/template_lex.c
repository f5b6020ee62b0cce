/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_lex.c - a template cut into tokens
 *
 * Theory of operation
 *   Outside of {{ }} everything up to the next delimiter is one text token; inside, the tokens are
 *   those of Go's text/template, whose complaints are repeated word for word.  "{{- " eats the
 *   white space before it, " -}}" what follows it, and comments vanish here.
 *   The text is a C string; every look ahead stops at its NUL.
 */
#include "template_lex.h"

#include <stdio.h>

#define SPACES " \t\r\n"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A byte of a word: Go takes any Unicode letter, and so does this: all beyond ASCII. */
static bool is_word(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
		(unsigned char)c >= 0x80;
}

void lex_init(struct lexer *l, const char *text)
{
	*l = (struct lexer){.text = text, .n = strlen(text)};
}

static struct tok token(struct lexer *l, enum tok_type type, size_t n)
{
	struct tok t = {type, {l->text + l->pos, n}, l->pos};

	l->pos += n;
	return t;
}

static struct tok fail(struct lexer *l, const char *message)
{
	if (message != l->error)
		snprintf(l->error, sizeof(l->error), "%s", message);
	return token(l, TOK_ERROR, 0);
}

static const char *at(const struct lexer *l)
{
	return l->text + l->pos;
}

/* "{{" or "{{-" and a space; the length, with *trim set for the latter. */
static size_t left_delim(const char *p, bool *trim)
{
	*trim = p[2] == '-' && is_space(p[3]);
	return *trim ? 3 : 2;
}

/* The same at the other end; 0 if this is no right delimiter. */
static size_t right_delim(const char *p, bool *trim)
{
	*trim = is_space(p[0]) && p[1] == '-' && p[2] == '}' && p[3] == '}';
	if (*trim)
		return 4;
	return p[0] == '}' && p[1] == '}' ? 2 : 0;
}

/* A comment at a left delimiter of length @delim: skip it.  1 if there was one, -1 with l->error. */
static int skip_comment(struct lexer *l, size_t delim, bool trim)
{
	const char *p = at(l) + delim + (trim ? strspn(at(l) + delim, SPACES) : 0), *end;
	size_t n;

	if (strncmp(p, "/*", 2))
		return 0;
	end = strstr(p, "*/");
	if (!end)
		return snprintf(l->error, sizeof(l->error), "unclosed comment"), -1;
	n = right_delim(end + 2, &l->trim_left);
	if (!n)
		return snprintf(l->error, sizeof(l->error), "comment ends before closing delimiter"), -1;
	l->pos = (size_t)(end + 2 + n - l->text);
	return 1;
}

static struct tok lex_text(struct lexer *l)
{
	const char *end;
	bool trim = false;
	struct tok t;
	size_t n, delim = 0;
	int comment;

	for (;;) {
		if (l->trim_left)
			l->pos += strspn(at(l), SPACES);
		l->trim_left = false;
		end = strstr(at(l), "{{");
		n = end ? (size_t)(end - at(l)) : strlen(at(l));
		if (end)
			delim = left_delim(end, &trim);
		if (n) {
			t = token(l, TOK_TEXT, n);
			while (end && trim && t.text.n && is_space(t.text.p[t.text.n - 1]))
				t.text.n--;
			if (t.text.n)
				return t;
		}
		if (!end)
			return token(l, TOK_EOF, 0);
		comment = skip_comment(l, delim, trim);
		if (comment < 0)
			return fail(l, l->error);
		if (!comment)
			break;
	}
	l->inside = true;
	l->parens = 0;
	return token(l, TOK_LEFT, delim);
}

static struct tok lex_quote(struct lexer *l)
{
	const char *p = at(l);
	size_t i;

	for (i = 1; p[i] && p[i] != '\n' && p[i] != *p; i++)
		if (p[i] == '\\' && p[i + 1] && p[i + 1] != '\n')
			i++;
	if (p[i] != *p)
		return fail(l, *p == '"' ? "unterminated quoted string" :
					   "unterminated character constant");
	return token(l, *p == '"' ? TOK_STRING : TOK_RUNE, i + 1);
}

static struct tok lex_raw(struct lexer *l)
{
	const char *end = strchr(at(l) + 1, '`');

	if (!end)
		return fail(l, "unterminated raw quoted string");
	return token(l, TOK_RAW, (size_t)(end + 1 - at(l)));
}

static struct tok lex_number(struct lexer *l)
{
	const char *p = at(l), *digits = "0123456789_";
	bool hex = false;
	size_t i = *p == '+' || *p == '-';

	if (p[i] == '0' && (p[i + 1] == 'x' || p[i + 1] == 'X')) {
		hex = true;
		digits = "0123456789abcdefABCDEF_";
		i += 2;
	} else if (p[i] == '0' && p[i + 1] && strchr("oObB", p[i + 1])) {
		i += 2;
	}
	i += strspn(p + i, digits);
	if (!hex && p[i] == '.')
		i += 1 + strspn(p + i + 1, digits);
	if (!hex && (p[i] == 'e' || p[i] == 'E')) {
		i++;
		i += p[i] == '+' || p[i] == '-';
		i += strspn(p + i, digits);
	}
	if (is_word(p[i])) {
		snprintf(l->error, sizeof(l->error), "bad number syntax: \"%.*s\"", (int)(i + 1 > 40 ? 40 : i + 1), p);
		return fail(l, l->error);
	}
	return token(l, TOK_NUMBER, i);
}

/* After a field, variable or word only these may come. */
static bool terminated(const char *p)
{
	return !*p || is_space(*p) || strchr(".,|:()", *p) || (p[0] == '}' && p[1] == '}');
}

static struct tok lex_word(struct lexer *l)
{
	static const char *const keywords[] = {"if", "else", "end", "range", "with", "break", "continue",
		"define", "block", "template", NULL};
	const char *p = at(l);
	char word[16];
	struct tok t;
	size_t i = *p == '.' || *p == '$';

	while (is_word(p[i]))
		i++;
	if (!terminated(p + i)) {
		snprintf(l->error, sizeof(l->error), "bad character U+%04X '%c'", (unsigned char)p[i],
			p[i]);
		return fail(l, l->error);
	}
	if (*p == '.' || *p == '$')
		return token(l, *p == '$' ? TOK_VARIABLE : i == 1 ? TOK_DOT : TOK_FIELD, i);
	t = token(l, TOK_IDENT, i);
	snprintf(word, sizeof(word), "%.*s", (int)(i < sizeof(word) ? i : sizeof(word) - 1), p);
	if (str_in(word, keywords))
		t.type = TOK_KEYWORD;
	else if (!strcmp(word, "true") || !strcmp(word, "false"))
		t.type = TOK_BOOL;
	else if (!strcmp(word, "nil"))
		t.type = TOK_NIL;
	return t;
}

static struct tok lex_paren(struct lexer *l, char c)
{
	if (c == '(') {
		l->parens++;
		return token(l, TOK_LPAREN, 1);
	}
	if (!l->parens)
		return fail(l, "unexpected right paren");
	l->parens--;
	return token(l, TOK_RPAREN, 1);
}

static struct tok lex_action(struct lexer *l)
{
	const char *p = at(l);
	size_t n = right_delim(p, &l->trim_left);
	char c = *p;

	if (n) {
		if (l->parens)
			return fail(l, "unclosed left paren");
		l->inside = false;
		return token(l, TOK_RIGHT, n);
	}
	l->trim_left = false;
	if (!c)
		return fail(l, "unclosed action");
	if (is_space(c)) {
		for (n = 0; is_space(p[n]); n++)
			if (n && p[n + 1] == '-' && p[n + 2] == '}' && p[n + 3] == '}')
				break;
		return token(l, TOK_SPACE, n);
	}
	if (c == '=')
		return token(l, TOK_ASSIGN, 1);
	if (c == ':')
		return p[1] == '=' ? token(l, TOK_DECLARE, 2) : fail(l, "expected :=");
	if (c == '|')
		return token(l, TOK_PIPE, 1);
	if (c == '"' || c == '\'')
		return lex_quote(l);
	if (c == '`')
		return lex_raw(l);
	if (c == '(' || c == ')')
		return lex_paren(l, c);
	if (is_digit(c) || c == '+' || c == '-' || (c == '.' && is_digit(p[1])))
		return lex_number(l);
	if (c == '.' || c == '$' || is_word(c))
		return lex_word(l);
	if ((unsigned char)c > ' ' && c != 0x7f)
		return token(l, TOK_CHAR, 1);
	snprintf(l->error, sizeof(l->error), "unrecognized character in action: U+%04X",
		(unsigned char)c);
	return fail(l, l->error);
}

struct tok lex_next(struct lexer *l)
{
	return l->inside ? lex_action(l) : lex_text(l);
}
