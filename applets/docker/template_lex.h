/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_lex.h - a template cut into tokens
 *
 * Private to template_*.c.  Tokens are views of the template's text.
 */
#ifndef DOCKER_TEMPLATE_LEX_H
#define DOCKER_TEMPLATE_LEX_H

#include "base/str.h"

enum tok_type {
	TOK_ERROR, /* message in lexer.error */
	TOK_EOF,
	TOK_TEXT,
	TOK_LEFT,
	TOK_RIGHT,
	TOK_SPACE,
	TOK_ASSIGN,
	TOK_DECLARE,
	TOK_PIPE,
	TOK_CHAR, /* any other printable one: ',' in a range */
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_STRING, /* with its quotes */
	TOK_RAW,    /* with its backquotes */
	TOK_RUNE,   /* with its quotes */
	TOK_NUMBER,
	TOK_DOT,
	TOK_FIELD,    /* with its dot */
	TOK_VARIABLE, /* with its dollar */
	TOK_IDENT,
	TOK_BOOL,
	TOK_NIL,
	TOK_KEYWORD, /* if, range, end, … */
};

struct tok {
	enum tok_type type;
	struct span text;
	size_t pos; /* byte offset */
};

struct lexer {
	const char *text;
	size_t n, pos;
	bool inside;	  /* between {{ and }} */
	bool trim_left;	  /* the last delimiter was -}} */
	unsigned int parens;
	char error[96];
};

void lex_init(struct lexer *l, const char *text);
struct tok lex_next(struct lexer *l);

#endif
