/* SPDX-License-Identifier: MIT */
/*
 * core/image/manifest.h - manifests and indexes: what they are, and what they name
 *
 * Works on parsed JSON from anywhere (a registry, an archive); nothing here does I/O.
 */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include "image/image.h"

#define MANIFEST_LAYERS_MAX 125 /* of one image, as in Docker */
#define MEDIA_TYPE_MAX 128

enum manifest_kind {
	MANIFEST_IMAGE,	  /* Docker v2 schema 2 or OCI: a config and layers */
	MANIFEST_INDEX,	  /* Docker manifest list or OCI index: manifests by platform */
	MANIFEST_SCHEMA1, /* Docker v2 schema 1: refused with manifest_refuse_schema1() */
	MANIFEST_OTHER,	  /* nothing we know */
};

struct descriptor {
	char digest[DIGEST_MAX];
	char media_type[MEDIA_TYPE_MAX];
	int64_t size;
};

struct image_manifest {
	struct descriptor config;
	size_t n_layers;
	struct descriptor layers[MANIFEST_LAYERS_MAX]; /* the lowest first */
};

/* What is it?  @media_type is what the sender called it; where that says nothing ("", plain JSON,
 * octets) the text's own mediaType and its members decide. */
enum manifest_kind manifest_kind_of(const json_t *j, const char *media_type);
int manifest_refuse_schema1(const char *canonical_ref, struct err *e);

/* Read config and layers.  ERR_INVALID with Docker's texts for media types that are no image's. */
int image_manifest_parse(const json_t *j, struct image_manifest *m, struct err *e);
/* Docker's check before it says anything: is this (Docker v2 schema 2) manifest one of an image? */
int manifest_check_config_type(const json_t *j, struct err *e);

/**
 * manifest_index_choose() - The manifests of an index that run on a platform
 * @want:	Platform asked for
 * @out, @max:	Filled with descriptors, the best first; entries for no platform (attestations:
 *		"unknown/unknown") never match, entries that name none match anything, but last
 *
 * Return: how many there are
 */
size_t manifest_index_choose(const json_t *index, const struct platform *want, struct descriptor *out,
	size_t max);

/* The diff ids in an image config, which must be one of ours to run (linux) and have @n layers.
 * @diff_ids holds MANIFEST_LAYERS_MAX. */
int image_config_diff_ids(const json_t *config, size_t n, char (*diff_ids)[DIGEST_MAX], struct err *e);
/* The platform in an image config, normalised by nobody yet. */
void image_config_platform(const json_t *config, struct platform *p);

#endif
