/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerlex.h - the words of a Dockerfile: lines, quotes, variables (private to core/image)
 */
#ifndef IMAGE_DOCKERLEX_H
#define IMAGE_DOCKERLEX_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define DOCKERLEX_TEXT_MAX (1 << 20) /* bytes of all instructions together */

/* Take the next instruction off @text: comments and empty lines are skipped, lines that end in @escape
 * are joined. @out is the instruction without blanks at its ends. False at the end. */
bool dockerlex_line(struct span *text, char escape, struct buf *out);
/* The escape character that directives at the top ask for ("# escape=`"), '\\' by default. */
char dockerlex_escape(struct span text);

/* Split at blanks that are not quoted; quotes and escapes stay. An array of strings, new reference. */
json_t *dockerlex_words(struct span text, char escape);

/* Take quotes and escapes away and put in variables: $A, ${A}, ${A:-word}, ${A-word}, ${A:+word},
 * ${A+word}, ${A:?text}, ${A?text}.  @env is an array of "NAME=value". -1 with @e in Docker's words. */
int dockerlex_expand(const char *word, const json_t *env, char escape, struct buf *out, struct err *e);

/* The value of a variable in such an array, or NULL. */
const char *dockerlex_getenv(const json_t *env, const char *name, size_t n);

#endif
