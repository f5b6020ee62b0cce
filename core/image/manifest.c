/* SPDX-License-Identifier: MIT */
/*
 * core/image/manifest.c - manifests and indexes: what they are, and what they name
 *
 * Theory of operation
 *   Registries serve images, and by the same API plugins, charts, models and signatures.  The
 *   media types of the config and of the layers tell; texts of refusals are Docker's, as people
 *   look for them.  Digests are checked here once for all: only "sha256:<64 hex>" passes, which
 *   is what may become part of a path or a URL later.
 *
 *   Keys are matched exactly.  Where a text is both (an index with layers), it is neither: the
 *   same bytes must not mean two things to two readers (CVE-2021-41190).
 */
#include "image/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char *const image_types[] = {
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.oci.image.manifest.v1+json",
	NULL,
};
static const char *const index_types[] = {
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.index.v1+json",
	NULL,
};
static const char *const schema1_types[] = {
	"application/vnd.docker.distribution.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws",
	NULL,
};
/* What servers say that do not know better. */
static const char *const vague_types[] = {
	"", "application/json", "application/octet-stream", "text/plain", "text/html", NULL,
};

static bool has(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return v && !json_is_null(v);
}

static enum manifest_kind kind_by_type(const char *type)
{
	return str_in(type, image_types) ? MANIFEST_IMAGE :
		str_in(type, index_types) ? MANIFEST_INDEX :
		str_in(type, schema1_types) ? MANIFEST_SCHEMA1 : MANIFEST_OTHER;
}

static enum manifest_kind kind_by_members(const json_t *j)
{
	bool image = has(j, "config") || has(j, "layers");

	if (has(j, "fsLayers"))
		return image || has(j, "manifests") ? MANIFEST_OTHER : MANIFEST_SCHEMA1;
	if (has(j, "manifests"))
		return image ? MANIFEST_OTHER : MANIFEST_INDEX;
	return image ? MANIFEST_IMAGE : MANIFEST_OTHER;
}

enum manifest_kind manifest_kind_of(const json_t *j, const char *media_type)
{
	enum manifest_kind members = kind_by_members(j), told;
	const char *own = json_str(j, "mediaType", "");

	if (!json_is_object(j))
		return MANIFEST_OTHER;
	if (*own && kind_by_type(own) != members)
		return MANIFEST_OTHER;
	if (str_in(media_type, vague_types))
		return members;
	told = kind_by_type(media_type);
	/* A schema 1 text has no mediaType and may be sent under any of its names. */
	return told == members || told == MANIFEST_SCHEMA1 ? told : MANIFEST_OTHER;
}

int manifest_refuse_schema1(const char *canonical_ref, struct err *e)
{
	return err_kind(e, ERR_INVALID,
		"Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been "
		"removed. Suggest the author of %s to upgrade the image to the OCI Format or Docker "
		"Image manifest v2, schema 2. More information at "
		"https://docs.docker.com/go/deprecated-image-specs/", canonical_ref);
}

/* --- media types --- */

/* Is @type one of these, or one of their kind ("application/vnd.docker" and a dot)? */
static int check_supported(const char *type, struct err *e)
{
	static const char *const prefixes[] = {"application/vnd.oci.image", "application/vnd.docker"};
	static const char ai[] = "application/vnd.docker.ai.";
	size_t i, n;

	if (!strncasecmp(type, ai, sizeof(ai) - 1))
		return err_kind(e, ERR_INVALID, "AI models are not yet supported by the Engine, please use "
			"\"docker model pull/run\" instead");
	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		n = strlen(prefixes[i]);
		if (!strncasecmp(type, prefixes[i], n) && (!type[n] || type[n] == '.'))
			return 0;
	}
	if (str_in(type, vague_types) && strcmp(type, "text/plain"))
		return 0;
	return err_kind(e, ERR_INVALID, "unsupported media type %s", type);
}

int manifest_check_config_type(const json_t *j, struct err *e)
{
	const char *type = json_str(json_obj(j, "config"), "mediaType", "");

	if (!strcmp(type, "application/vnd.docker.container.image.v1+json") ||
		!strcmp(type, "application/vnd.oci.image.config.v1+json") ||
		(str_in(type, vague_types) && strcmp(type, "text/plain")))
		return 0;
	return err_kind(e, ERR_INVALID, "Encountered remote \"%s\"(%s) when fetching", type,
		strcmp(type, "application/vnd.docker.plugin.v1+json") ? "unknown" : "plugin");
}

/* Layers that are somewhere else by licence (Windows base layers), not in the registry. */
static bool is_foreign(const char *type)
{
	return strstr(type, ".foreign.") || strstr(type, ".nondistributable.");
}

/* --- descriptors --- */

static int parse_descriptor(const json_t *j, struct descriptor *d, const char *what, struct err *e)
{
	const char *digest = json_str(j, "digest", ""), *type = json_str(j, "mediaType", "");

	if (!digest_ok(digest))
		return err_kind(e, ERR_INVALID, "could not validate %s digest \"%.100s\": invalid checksum "
			"digest format", what, digest);
	if (strlen(type) >= sizeof(d->media_type))
		return err_kind(e, ERR_INVALID, "unsupported media type %.200s", type);
	d->size = json_int(j, "size", -1);
	if (d->size < 0)
		return err_kind(e, ERR_INVALID, "the manifest has no valid size for %s %s", what, digest);
	snprintf(d->digest, sizeof(d->digest), "%s", digest);
	snprintf(d->media_type, sizeof(d->media_type), "%s", type);
	return 0;
}

int image_manifest_parse(const json_t *j, struct image_manifest *m, struct err *e)
{
	const json_t *layers = json_arr(j, "layers");
	size_t i;

	memset(m, 0, sizeof(*m));
	if (parse_descriptor(json_obj(j, "config"), &m->config, "config", e) ||
		check_supported(m->config.media_type, e))
		return -1;
	if (json_array_size(layers) > MANIFEST_LAYERS_MAX)
		return err_kind(e, ERR_INVALID, "max depth exceeded: the image has %zu layers, more than %d",
			json_array_size(layers), MANIFEST_LAYERS_MAX);
	for (i = 0; i < json_array_size(layers); i++) {
		struct descriptor *d = &m->layers[m->n_layers++];

		if (parse_descriptor(json_array_get(layers, i), d, "layer", e) ||
			check_supported(d->media_type, e))
			return -1;
		if (is_foreign(d->media_type))
			return err_kind(e, ERR_INVALID, "layer %s is a foreign layer (%s), which is not in the "
				"registry: such images are for Windows", d->digest, d->media_type);
	}
	return 0;
}

/* --- indexes --- */

struct candidate {
	int rank;
	size_t index;
};

static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void platform_of(const json_t *j, struct platform *p)
{
	const char *fields[] = {json_str(j, "os", ""), json_str(j, "architecture", ""),
		json_str(j, "variant", "")};
	char *to[] = {p->os, p->arch, p->variant};
	size_t i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < 3; i++) /* too long to be known: no match, and no cut-off prefix that is one */
		snprintf(to[i], sizeof(p->os), "%s", strlen(fields[i]) < sizeof(p->os) ? fields[i] : "?");
}

void image_config_platform(const json_t *config, struct platform *p)
{
	platform_of(config, p);
	if (!*p->os)
		snprintf(p->os, sizeof(p->os), "linux");
}

#define INDEX_ENTRIES_MAX 1024 /* looked at; real ones have a few dozen */

size_t manifest_index_choose(const json_t *index, const struct platform *want, struct descriptor *out,
	size_t max)
{
	const json_t *list = json_arr(index, "manifests");
	size_t i, n = 0, found = 0, count = json_array_size(list);
	struct candidate *c;
	struct platform have;

	if (count > INDEX_ENTRIES_MAX)
		count = INDEX_ENTRIES_MAX;
	c = xcalloc(count + 1, sizeof(*c));
	for (i = 0; i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		int rank = INT16_MAX;

		platform_of(json_obj(entry, "platform"), &have);
		if (*have.os || *have.arch || *have.variant)
			rank = platform_rank(want, &have);
		if (rank >= 0)
			c[n++] = (struct candidate){rank, i};
	}
	qsort(c, n, sizeof(*c), by_rank);
	for (i = 0; i < n && found < max; i++) {
		struct descriptor *d = &out[found];

		if (!parse_descriptor(json_array_get(list, c[i].index), d, "manifest", NULL) &&
			kind_by_type(d->media_type) != MANIFEST_OTHER)
			found++;
	}
	free(c);
	return found;
}

/* --- configs --- */

int image_config_diff_ids(const json_t *config, size_t n, char (*diff_ids)[DIGEST_MAX], struct err *e)
{
	const json_t *rootfs = json_obj(config, "rootfs"), *list = json_arr(rootfs, "diff_ids");
	const char *os = json_str(config, "os", "linux");
	size_t i;

	if (*os && strcasecmp(os, "linux"))
		return err_kind(e, ERR_INVALID, "image operating system \"%.64s\" cannot be used on this "
			"platform: operating system is not supported", os);
	if (!rootfs || strcmp(json_str(rootfs, "type", "layers"), "layers"))
		return err_kind(e, ERR_INVALID, "invalid rootfs in image configuration");
	if (json_array_size(list) != n)
		return err_kind(e, ERR_INVALID, "layers from manifest don't match image configuration");
	for (i = 0; i < n; i++) {
		const char *digest = json_string_value(json_array_get(list, i));

		if (!digest || !digest_ok(digest))
			return err_kind(e, ERR_INVALID, "invalid rootfs in image configuration");
		snprintf(diff_ids[i], DIGEST_MAX, "%s", digest);
	}
	return 0;
}
