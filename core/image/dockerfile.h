/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerfile.h - a Dockerfile as a list of instructions
 *
 * Parsed as the classic builder does (Dockerfile reference): nothing is expanded yet, but
 * instructions, flags and numbers of arguments are known to be right.
 */
#ifndef IMAGE_DOCKERFILE_H
#define IMAGE_DOCKERFILE_H

#include "base/err.h"
#include "base/json.h"

struct dockerfile_line {
	const char *name; /* of the instruction, in capitals */
	char *original;	  /* as it was written, continued lines joined */
	char *args;	  /* what follows name and flags */
	json_t *flags;	  /* {"from": "one"} */
	int number;	  /* of its first line, from 1 */
};

struct dockerfile {
	struct dockerfile_line *lines;
	size_t n;
	char escape; /* '\\', or what a directive at the top asks for */
};

/* Stages begin at FROM; only ARG may come before the first. -1 with @e (ERR_INVALID) in Docker's words. */
int dockerfile_parse(struct span text, struct dockerfile *f, struct err *e);
/* One instruction, as ONBUILD keeps them. */
int dockerfile_parse_line(const char *text, char escape, struct dockerfile_line *line, struct err *e);
void dockerfile_line_release(struct dockerfile_line *line);
void dockerfile_release(struct dockerfile *f);

/* The JSON form of a list, a new array; NULL: it is none, or (*bad, with @e) one of something else than
 * strings. */
json_t *dockerfile_list(const char *args, bool *bad, struct err *e);
/* Words of @args: its JSON form (["a", "b"]), or split at blanks. New array; NULL with @e. */
json_t *dockerfile_words(const char *args, struct err *e);
/* A command in its JSON form, or @shell and the text as one more argument. Likewise. */
json_t *dockerfile_command(const char *args, const json_t *shell, struct err *e);

/* Quotes and variables, with those of @env ("NAME=value" strings, the last of a name wins). NULL with @e; to
 * free(). */
char *dockerfile_expand(const char *word, const json_t *env, char escape, struct err *e);

/* --- changes.c: instructions that change nothing but the config of containers --- */
struct dockerfile_change {
	const json_t *args;  /* variables beside the config's own Env, which win; or NULL */
	const json_t *shell; /* for commands that are no list; NULL: /bin/sh -c */
	bool *cmd_set;	     /* by this image's own instructions: ENTRYPOINT takes an inherited Cmd away */
};
/* Is it one of those? */
bool dockerfile_is_change(const char *name);
/* Apply @line to @config; @said gets it as an image's history has it. */
int dockerfile_change(json_t *config, const struct dockerfile_line *line, char escape,
	const struct dockerfile_change *how, struct buf *said, struct err *e);

#endif
