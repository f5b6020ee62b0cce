/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/progress.h - what the engine reports while it pulls or loads
 */
#ifndef DOCKER_PROGRESS_H
#define DOCKER_PROGRESS_H

#include "call.h"

#include <stdio.h>

/* Show a stream of progress messages until its end: on a terminal one line a layer, rewritten in
 * place, else a line for each change.  @out NULL: show nothing.  -1 with @e if the engine reports an
 * error, or the stream breaks. */
int progress_show(struct client *c, FILE *out, struct err *e);
/* The same for a build: *id gets the image's (to free(); NULL if the engine named none), *code the exit
 * status that goes with an error (1, or that of a RUN that failed). */
int progress_build(struct client *c, FILE *out, char **id, int *code, struct err *e);

#endif
