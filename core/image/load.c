/* SPDX-License-Identifier: MIT */
/*
 * core/image/load.c - images out of an archive: `docker load`
 *
 * Theory of operation
 *   Two formats: what `docker save` writes (manifest.json lists the images, their configs and layers)
 *   and an OCI image layout (index.json names manifests by digest, maybe through further indexes).
 *   An archive that has both, as save makes them since Docker 25, is read as the first.
 *
 *   Layers are unpacked to drafts while the archive still comes in (ahead.h), unless their name is the digest of a
 *   layer that is there: that one's bytes are passed over.  When the lists have come, the drafts are checked and
 *   committed from the lowest up.  A layer that is wanted where no draft is left, above other ones than
 *   before, is copied from what was committed.  What has a digest is checked against it: blobs of a layout,
 *   layers by the diff_ids of the config.  Only when all images of the archive are whole does the result go to
 *   the engine.
 */
#include "image/ahead.h"
#include "image/spool.h"
#include "image/table.h"

#include <stdio.h>
#include <stdlib.h>

#define MANIFEST_MAX (4 << 20) /* bytes, OCI distribution-spec; indexes too */
#define INDEX_DEPTH_MAX 4

struct load {
	struct worker *w;
	struct spool spool;
	struct ahead *ahead; /* what is unpacked already */
	json_t *stored;	     /* layers that are there: {diff id: chain id} */
	struct platform want; /* asked for, or the host's */
	bool asked;
	json_t *images; /* of the result */
};

struct source { /* of one layer */
	const char *name;	  /* of the member */
	char digest[DIGEST_MAX]; /* of its bytes, or "" */
};

/* --- one image ------------------------------------------------------------------------------------- */

static int check_blob(const char *name, const char *want, const char *got, struct err *e)
{
	if (!*want || !strcmp(want, got))
		return 0;
	return err_kind(e, ERR_INVALID, "%s has digest %s instead of %s: the archive is damaged", name, got, want);
}

/* A draft of a layer: as it was unpacked, or a copy, or from what was kept. */
static int draft(struct load *l, const struct member *m, const char *diff_id, const char *id, struct layer_draft *d,
	struct err *e)
{
	const char *chain = json_str(l->stored, diff_id, NULL);
	int rc = m->ahead >= 0 ? ahead_take(l->ahead, m->ahead, d, e) : 0;

	if (rc)
		return rc < 0 ? -1 : 0;
	if (chain)
		return layer_copy(&l->w->store, chain, d, e);
	if (m->ahead == -1)
		return spool_unpack(&l->spool, l->w, m, id, d, e);
	return err_kind(e, ERR_INVALID, "it is another layer than %s", diff_id);
}

/* Unpack layer @i to its draft. */
static int load_layer(struct load *l, size_t i, const char *diff_id, const struct source *src, struct layer_draft *d,
	struct err *e)
{
	const struct member *m = spool_find(&l->spool, src->name);
	bool quiet = json_bool(l->w->request, "quiet", true);
	char id[13];

	if (!m)
		return err_kind(e, ERR_INVALID, "open %s: no such file or directory in the archive", src->name);
	snprintf(id, sizeof(id), "%.12s", digest_hex(diff_id));
	if (draft(l, m, diff_id, quiet ? NULL : id, d, e))
		return err_wrap(e, "unpacking layer %zu (%s)", i, src->name);
	if (!quiet)
		worker_status(l->w, id, "Loading layer", m->size, m->size);
	if (*d->blob && check_blob(src->name, src->digest, d->blob, e))
		goto discard;
	if (!strcmp(d->diff_id, diff_id))
		return 0;
	err_kind(e, ERR_INVALID, "invalid diffID for layer %zu: expected \"%s\", got \"%s\"", i, diff_id, d->diff_id);
discard:
	layer_discard(&l->w->store, d);
	return -1;
}

static int load_layers(struct load *l, const struct image *image, const json_t *diff_ids,
	const struct source *src, struct err *e)
{
	struct store *store = &l->w->store;
	struct layer_draft d;
	char chain[DIGEST_MAX];
	size_t i;

	for (i = 0; i < image->n_chains; i++) {
		const char *diff_id = json_string_value(json_array_get(diff_ids, i));

		if (layer_exists(store, image->chains[i]))
			continue;
		if (load_layer(l, i, diff_id, &src[i], &d, e) ||
			layer_commit(store, i ? image->chains[i - 1] : NULL, &d, chain, e))
			return -1;
		json_set_str(l->stored, diff_id, chain);
	}
	return 0;
}

/* Layers into the store, the rest into the result. @refs is taken over. */
static int load_image(struct load *l, const struct buf *text, const struct source *src, size_t n_src,
	json_t *refs_steal, const char *parent, struct err *e)
{
	cleanup_json json_t *refs = refs_steal, *config = json_parse(text->p, text->n, e);
	json_t *made, *str = json_stringn(text->p, text->n);
	struct image *image;
	char id[DIGEST_MAX];
	int rc = -1;

	sha256_digest_of(text->p, text->n, id);
	image = config ? image_new(id, config, e) : NULL;
	if (!image || !str)
		goto out;
	if (image->n_chains != n_src) {
		err_kind(e, ERR_INVALID, "invalid manifest, layers length mismatch: expected %zu, got %zu", n_src,
			image->n_chains);
		goto out;
	}
	if (l->asked && platform_rank(&l->want, &image->platform)) {
		rc = 0; /* not what was asked for */
		goto out;
	}
	if (load_layers(l, image, json_get_ci(json_get_ci(config, "rootfs"), "diff_ids"), src, e))
		goto out;
	made = json_object();
	json_object_set(made, "config", str);
	json_object_set(made, "refs", refs);
	if (parent)
		json_set_str(made, "parent", parent);
	json_array_append_new(l->images, made);
	rc = 0;
out:
	json_decref(str);
	image_free(image);
	return rc;
}

/* --- docker save's format ---------------------------------------------------------------------------- */

/* "blobs/sha256/<hex>" says what its digest is. */
static void digest_of_name(const char *name, char out[DIGEST_MAX])
{
	static const char dir[] = "blobs/sha256/";

	*out = 0;
	if (!strncmp(name, dir, sizeof(dir) - 1) && is_hex64(name + sizeof(dir) - 1))
		snprintf(out, DIGEST_MAX, "sha256:%s", name + sizeof(dir) - 1);
}

/* The tags as canonical references; NULL with @e. */
static json_t *tags_of(const json_t *tags, struct err *e)
{
	json_t *out = json_array();
	const json_t *tag;
	size_t i;

	json_array_foreach(tags, i, tag) {
		const char *s = json_is_string(tag) ? json_string_value(tag) : "";
		cleanup_free char *name = NULL;
		struct imgref ref;

		if (imgref_parse(s, &ref, e))
			goto fail;
		if (!ref.tag || ref.digest) {
			imgref_release(&ref);
			err_kind(e, ERR_INVALID, "invalid tag \"%s\"", s);
			goto fail;
		}
		name = imgref_canonical(&ref);
		json_append_str(out, name);
		imgref_release(&ref);
	}
	return out;
fail:
	json_decref(out);
	return NULL;
}

static int load_docker_image(struct load *l, const json_t *item, struct err *e)
{
	const json_t *layers = json_get_ci(item, "Layers"), *layer;
	const char *config = json_string_value(json_get_ci(item, "Config"));
	const char *parent = json_string_value(json_get_ci(item, "Parent"));
	struct source src[LAYERS_MAX];
	cleanup_buf struct buf text = BUF_INIT;
	char want[DIGEST_MAX], got[DIGEST_MAX];
	json_t *refs;
	size_t i;

	if (!config || json_array_size(layers) > LAYERS_MAX)
		return err_kind(e, ERR_INVALID, "invalid manifest.json: %s",
			config ? "too many layers" : "an image has no Config");
	if (spool_read(&l->spool, config, CONFIG_MAX, &text, e))
		return -1;
	digest_of_name(config, want);
	sha256_digest_of(text.p, text.n, got);
	if (check_blob(config, want, got, e))
		return -1;
	json_array_foreach(layers, i, layer) {
		src[i].name = json_is_string(layer) ? json_string_value(layer) : "";
		digest_of_name(src[i].name, src[i].digest);
	}
	refs = tags_of(json_get_ci(item, "RepoTags"), e);
	if (!refs)
		return -1;
	return load_image(l, &text, src, json_array_size(layers), refs,
		parent && digest_ok(parent) ? parent : NULL, e);
}

static int load_docker(struct load *l, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *manifest = NULL;
	const json_t *item;
	size_t i;

	if (spool_read(&l->spool, "manifest.json", MANIFEST_MAX, &text, e))
		return -1;
	manifest = json_parse(text.p, text.n, e);
	if (!manifest)
		return err_wrap(e, "manifest.json");
	if (!json_is_array(manifest))
		return err_kind(e, ERR_INVALID, "invalid manifest.json: it is not a list of images");
	json_array_foreach(manifest, i, item)
		if (load_docker_image(l, item, e))
			return -1;
	return 0;
}

/* --- an OCI image layout ------------------------------------------------------------------------------ */

/* A blob by its descriptor, digest and size verified. */
static int read_blob(struct load *l, const json_t *desc, size_t max, struct buf *out, struct err *e)
{
	const char *digest = json_str(desc, "digest", "");
	char name[DIGEST_MAX + 16], got[DIGEST_MAX];

	if (!digest_ok(digest))
		return err_kind(e, ERR_INVALID, "unsupported digest '%.100s' in the archive", digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(digest));
	if (spool_read(&l->spool, name, max, out, e))
		return -1;
	sha256_digest_of(out->p, out->n, got);
	if (check_blob(name, digest, got, e))
		return -1;
	if (json_int(desc, "size", -1) != (int64_t)out->n)
		return err_kind(e, ERR_INVALID, "%s is not as long as its descriptor says", name);
	return 0;
}

static json_t *read_json(struct load *l, const json_t *desc, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	json_t *j;

	if (read_blob(l, desc, MANIFEST_MAX, &text, e))
		return NULL;
	j = json_parse(text.p, text.n, e);
	if (!j)
		err_wrap(e, "%s", json_str(desc, "digest", ""));
	return j;
}

/* How well a descriptor's platform fits, -1 not at all; one without a platform fits somehow. */
static int rank(const struct load *l, const json_t *desc)
{
	const json_t *p = json_obj(desc, "platform");
	struct platform have;

	if (json_str(json_obj(desc, "annotations"), "vnd.docker.reference.type", NULL))
		return -1; /* an attestation */
	if (!p)
		return 1000;
	snprintf(have.os, sizeof(have.os), "%s", json_str(p, "os", ""));
	snprintf(have.arch, sizeof(have.arch), "%s", json_str(p, "architecture", ""));
	snprintf(have.variant, sizeof(have.variant), "%s", json_str(p, "variant", ""));
	return platform_rank(&l->want, &have);
}

static int no_match(const struct load *l, struct err *e)
{
	cleanup_free char *name = platform_format(&l->want);

	return err_kind(e, ERR_INVALID, "no matching manifest for %s in the manifest list entries", name);
}

/* The manifest a descriptor means, through indexes; NULL with @e. */
static json_t *find_manifest(struct load *l, const json_t *desc, struct err *e)
{
	json_t *doc = read_json(l, desc, e);
	int depth, best, r;
	size_t i;

	for (depth = 0; doc && json_arr(doc, "manifests"); depth++) {
		const json_t *child, *chosen = NULL;
		json_t *next;

		best = -1;
		json_array_foreach(json_arr(doc, "manifests"), i, child) {
			r = rank(l, child);
			if (r < 0 || (chosen && r >= best))
				continue;
			chosen = child;
			best = r;
		}
		if (!chosen || depth == INDEX_DEPTH_MAX) {
			no_match(l, e);
			json_decref(doc);
			return NULL;
		}
		next = read_json(l, chosen, e);
		json_decref(doc);
		doc = next;
	}
	return doc;
}

/* The names a descriptor of index.json carries: an array of one or no canonical reference. */
static json_t *names_of(const json_t *desc)
{
	const json_t *notes = json_obj(desc, "annotations");
	const char *name = json_str(notes, "io.containerd.image.name", NULL);
	cleanup_free char *canonical = NULL;
	json_t *out = json_array();
	struct imgref ref;

	if (!name) {
		/* Often only a tag: no name can be made of that. */
		name = json_str(notes, "org.opencontainers.image.ref.name", "");
		if (!strpbrk(name, "/:"))
			return out;
	}
	if (imgref_parse(name, &ref, NULL))
		return out;
	imgref_default_tag(&ref);
	if (ref.tag && !ref.digest) {
		canonical = imgref_canonical(&ref);
		json_append_str(out, canonical);
	}
	imgref_release(&ref);
	return out;
}

static int load_manifest(struct load *l, const json_t *manifest, json_t *refs_steal, struct err *e)
{
	const json_t *layers = json_arr(manifest, "layers"), *layer;
	char names[LAYERS_MAX][DIGEST_MAX + 16];
	struct source src[LAYERS_MAX];
	cleanup_buf struct buf config = BUF_INIT;
	const char *digest;
	size_t i;

	if (!json_obj(manifest, "config") || !layers || json_array_size(layers) > LAYERS_MAX) {
		err_kind(e, ERR_INVALID, "unsupported media type %s", json_str(manifest, "mediaType", "(none)"));
		goto fail;
	}
	if (read_blob(l, json_obj(manifest, "config"), CONFIG_MAX, &config, e))
		goto fail;
	json_array_foreach(layers, i, layer) {
		digest = json_str(layer, "digest", "");
		if (!digest_ok(digest)) {
			err_kind(e, ERR_INVALID, "layer %zu of a manifest has no valid digest", i);
			goto fail;
		}
		snprintf(src[i].digest, DIGEST_MAX, "%s", digest);
		snprintf(names[i], sizeof(names[i]), "blobs/sha256/%s", digest_hex(digest));
		src[i].name = names[i];
	}
	return load_image(l, &config, src, json_array_size(layers), refs_steal, NULL, e);
fail:
	json_decref(refs_steal);
	return -1;
}

static int load_oci(struct load *l, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *index = NULL;
	const json_t *desc;
	bool skipped = false;
	size_t i;

	if (spool_read(&l->spool, "index.json", MANIFEST_MAX, &text, e))
		return -1;
	index = json_parse(text.p, text.n, e);
	if (!index)
		return err_wrap(e, "index.json");
	json_array_foreach(json_arr(index, "manifests"), i, desc) {
		cleanup_json json_t *manifest = NULL;

		if (rank(l, desc) < 0) {
			skipped = true;
			continue;
		}
		manifest = find_manifest(l, desc, e);
		if (!manifest || load_manifest(l, manifest, names_of(desc), e))
			return -1;
	}
	return skipped && !json_array_size(l->images) ? no_match(l, e) : 0;
}

/* --- the operation --------------------------------------------------------------------------------------- */

static int load(struct load *l, struct err *e)
{
	const char *platform = json_str(l->w->request, "platform", NULL);
	int rc;

	l->asked = platform && *platform;
	if (platform_parse(platform, &l->want, e) || spool_fill(&l->spool, &l->w->store, l->w->input, e))
		return -1;
	if (spool_find(&l->spool, "manifest.json")) {
		rc = load_docker(l, e);
	} else if (spool_find(&l->spool, "index.json")) {
		rc = load_oci(l, e);
	} else {
		err_kind(e, ERR_INVALID, "open repositories: no such file or directory: the archive has neither "
			"manifest.json nor index.json");
		return err_hint(e, "the file system of a container is for 'docker import'");
	}
	if (!rc && l->asked && !json_array_size(l->images))
		return err_kind(e, ERR_NOT_FOUND, "the archive has no image for %s", platform);
	return rc;
}

/* All layers there are. */
static json_t *stored_layers(const struct store *store)
{
	cleanup_json json_t *chains = layer_list(store);
	json_t *stored = json_object();
	const json_t *chain;
	struct layer_info info;
	size_t i;

	json_array_foreach(chains, i, chain)
		if (!layer_stat(store, json_string_value(chain), &info, NULL))
			json_set_str(stored, info.diff_id, json_string_value(chain));
	return stored;
}

static int take(void *arg, const char *name, int *number)
{
	struct load *l = arg;
	char digest[DIGEST_MAX];

	digest_of_name(name, digest);
	return json_object_get(l->stored, digest) ? SPOOL_DROP : ahead_begin(l->ahead, number);
}

json_t *worker_load(struct worker *w, struct err *e)
{
	struct load l = {.w = w, .spool = {.fd = -1}, .images = json_array()};
	json_t *result = NULL;

	l.ahead = ahead_new(w);
	l.spool.take = take;
	l.spool.take_arg = &l;
	l.stored = stored_layers(&w->store);
	if (!load(&l, e)) {
		result = json_object();
		json_object_set(result, "images", l.images);
	}
	ahead_free(l.ahead);
	spool_release(&l.spool);
	json_decref(l.images);
	json_decref(l.stored);
	return result;
}
