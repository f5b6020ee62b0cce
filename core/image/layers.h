/* SPDX-License-Identifier: MIT */
/*
 * core/image/layers.h - private to core/image: the layers of one image, from a registry into the store
 */
#ifndef IMAGE_LAYERS_H
#define IMAGE_LAYERS_H

#include "image/manifest.h"
#include "image/worker.h"
#include "registry/registry.h"

struct layers_pull {
	struct worker *w;
	struct registry *registry;
	const char *repo;
	const struct image_manifest *manifest;
	const char (*diff_ids)[DIGEST_MAX]; /* what each must turn out to be */
	int parallel;			    /* downloads at a time */
};

/**
 * layers_pull() - Make all layers of an image be there, the missing ones by downloading them
 *
 * Reports progress.  After a failure the registry object is cancelled, layers committed before stay
 * and nothing else does.
 */
int layers_pull(const struct layers_pull *p, struct err *e);

#endif
