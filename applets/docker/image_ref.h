/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/image_ref.h - image names, registry credentials, pulling
 */
#ifndef DOCKER_IMAGE_REF_H
#define DOCKER_IMAGE_REF_H

#include "docker.h"

#include "image/image.h"

#include <stdio.h>

/* The value of X-Registry-Auth for an image's registry, as docker login left it; NULL if there is none.
 * To free(). */
char *registry_auth(const struct docker *d, const struct imgref *ref);

/**
 * pull_image() - Have the engine pull an image, showing its progress
 * @ref:	With a tag or digest, or neither: all tags
 * @platform:	Or NULL
 * @out:	Where the progress goes; NULL: nowhere
 */
int pull_image(struct docker *d, const struct imgref *ref, const char *platform, FILE *out,
	struct err *e);

#endif
