/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build.h - images out of Dockerfiles: the classic builder
 */
#ifndef ENGINE_BUILD_H
#define ENGINE_BUILD_H

#include "engine/images.h"

struct build_options {
	char *const *tags;	  /* names for the image, NULL-terminated; may be NULL */
	const char *dockerfile;	  /* its path in the context; NULL: "Dockerfile" */
	const char *target;	  /* the stage to stop after, or NULL */
	const char *platform;	  /* of images that are pulled, or NULL */
	const json_t *args;	  /* --build-arg: {"NAME": "value"|null} */
	const json_t *cache_from; /* names of images whose steps may be taken over, no others; NULL or []: any image's */
	const json_t *labels;	  /* {"name": "value"} */
	const json_t *auths;	  /* {"host": {"username", …}}, as X-Registry-Config has them; or NULL */
	const json_t *host;	  /* HostConfig of the containers that RUN runs in */
	bool quiet, no_cache, pull;
	bool keep;		  /* the containers of steps that went well */
	bool force_remove;	  /* also those of steps that failed */
	int api_minor;
};

/**
 * engine_build() - Build an image
 * @context:	An archive (context.h), borrowed
 * @client:	Gets the lines of progress, among them an error that RUN's command made
 *
 * Blocks for as long as the steps take. A client that hangs up ends it.
 *
 * Return: 0, or -1 with @e: to be told in a line, if any came before it
 */
int engine_build(struct engine *en, int context, const struct build_options *o, const struct image_client *client,
	struct err *e);

#endif
