/* SPDX-License-Identifier: MIT */
/*
 * core/image/push_layers.h - private to core/image: the layers of one image into a registry
 */
#ifndef IMAGE_PUSH_LAYERS_H
#define IMAGE_PUSH_LAYERS_H

#include "image/manifest.h"
#include "image/worker.h"
#include "registry/registry.h"

struct layers_push {
	struct worker *w;
	struct registry *registry;
	const char *host, *repo;
	size_t n;
	const char (*diff_ids)[DIGEST_MAX]; /* the lowest first */
	const char (*chains)[DIGEST_MAX];
	const struct image_manifest *wanted; /* archives that would be best, or NULL */
	bool oci;			     /* media types of OCI, else Docker's */
	int parallel;			     /* uploads at a time */
};

/**
 * layers_push() - Make all layers of an image be in a repository
 * @out:	Gets what each is called there; room for @p->n
 *
 * Reports progress.  After a failure the registry object is cancelled; what was uploaded stays there.
 */
int layers_push(const struct layers_push *p, struct descriptor *out, struct err *e);

#endif
