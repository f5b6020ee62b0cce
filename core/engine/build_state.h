/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build_state.h - what the files of the builder share (private to build*.c)
 */
#ifndef ENGINE_BUILD_STATE_H
#define ENGINE_BUILD_STATE_H

#include "engine/build.h"
#include "engine/container.h"
#include "image/dockerfile.h"

struct stage {
	char *name; /* or NULL */
	char image[DIGEST_MAX];
};

struct build {
	struct engine *en;
	const struct build_options *o;
	const struct image_client *client;
	int context;
	json_t *hidden; /* what of it is not to be copied */
	char escape;
	bool failed_aloud; /* a line told it already */
	int step, steps;
	struct stage *stages; /* those that are done, in order */
	size_t n_stages;
	json_t *meta;	 /* ARGs before the first FROM: {"NAME": "value"|null} */
	json_t *known;	 /* names of all ARGs so far */

	/* The stage that is being built: */
	json_t *config;	 /* sparse Config of the image so far */
	json_t *declared; /* its ARGs, as above */
	char image[DIGEST_MAX]; /* "" from scratch */
	json_t *sources; /* ids of images of --cache-from; NULL: any image's steps are as good */
	char *author;
	bool cmd_set, cache_missed;
};

/* Lines to the client; -1: it has gone. */
int build_say(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int build_say_bytes(struct build *b, const char *p, size_t n);

/* Variables for expansion: ARGs, those of daemon and client among them. New array of "NAME=value". */
json_t *build_args(const struct build *b);
/* Those a command of RUN gets: without what Env has, sorted. */
json_t *build_run_args(const struct build *b);
/* "NAME=value" with all variables put in; NULL with @e. To free(). */
char *build_expand(const struct build *b, const char *word, struct err *e);
/* The image's shell, or /bin/sh -c. New array. */
json_t *build_shell(const struct build *b);

/* Who is told what workers do. */
struct image_client build_client(const struct build *b);
/* An image by name, pulled if it is not there or asked for; @what for the message. */
int build_find_image(struct build *b, const char *name, bool pull, char id[DIGEST_MAX], struct err *e);
/* A stage by name or number, or an image. */
int build_find_from(struct build *b, const char *name, char id[DIGEST_MAX], struct err *e);

/* A container of the image so far: @command, with @change (may be NULL) in place of members of Config. */
struct container *build_container(struct build *b, const char *image, const json_t *command, const json_t *change,
	struct err *e);
/* Remove it, if it is to be; @aloud: as a line says. */
void build_container_done(struct build *b, struct container *c, bool aloud);
/* A stage begins: all images are asked again. */
void build_cache_begin(struct build *b);
/* What a container of this step is asked to be: sparse Config, new reference. */
json_t *build_made_by(const struct build *b, const json_t *command);
/* Was this very step done before on top of the image so far?  Then that is the image now: 1; else 0. */
int build_cached(struct build *b, const json_t *command, struct err *e);
/* The image so far becomes what @c has written on top, made by @command. */
int build_commit(struct build *b, struct container *c, const json_t *command, struct err *e);
/* Both, for a step without a process: what @write (may be NULL) does in the container is what it changes. */
int build_step(struct build *b, const json_t *command, int (*write)(struct build *, struct container *, struct err *),
	struct err *e);
/* The same for steps that change nothing but the config: @comment as history has it. */
int build_note(struct build *b, const char *comment, struct err *e);

/* --- the instructions with files or processes --- */
int build_run(struct build *b, const struct dockerfile_line *line, struct err *e);  /* build_run.c */
int build_copy(struct build *b, const struct dockerfile_line *line, struct err *e); /* build_copy.c: ADD too */
int build_workdir(struct build *b, const struct dockerfile_line *line, struct err *e);

#endif
