/* SPDX-License-Identifier: MIT */
/*
 * core/engine/commit.h - an image out of a container: `docker commit`
 */
#ifndef ENGINE_COMMIT_H
#define ENGINE_COMMIT_H

#include "engine/container.h"

struct commit {
	const struct imgref *ref; /* or NULL: no name */
	const char *author, *comment;
	const json_t *config;  /* the API's Config, completed by the container's; NULL: the container's */
	const json_t *changes; /* Dockerfile instructions, an array of strings */
	const json_t *exact;   /* the image's whole Config, sparse, instead of those two; or NULL */
	const json_t *made_by; /* "container_config", sparse; NULL: the container's */
	bool pause;	       /* while its files are read, if it runs */
};

/* @id gets the new image's.  Blocks while the container's files are read and written. */
int container_commit(struct engine *en, struct container *c, const struct commit *what,
	char id[DIGEST_MAX], struct err *e);

#endif
