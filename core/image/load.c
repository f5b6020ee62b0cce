/* SPDX-License-Identifier: MIT */
/*
 * core/image/load.c - images out of an archive: `docker load`
 *
 * Theory of operation
 *   Two formats: what `docker save` writes (manifest.json lists the images, their configs and layers)
 *   and an OCI image layout (index.json names manifests by digest, maybe through further indexes).
 *   An archive that has both, as save makes them since Docker 25, is read as the first.
 *
 *   Large members are unpacked while the archive still comes in (ahead.h), unless their name is the digest
 *   of a layer that is there; the rest when it is known to be wanted.  An image's layers are unpacked side
 *   by side and committed from the lowest up.  What has a digest is checked against it: blobs of a layout,
 *   layers by the diff_ids of the config.  Only when all images of the archive are whole does the result go to the engine.
 */
#include "image/ahead.h"
#include "image/spool.h"
#include "image/table.h"
#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>

#define MANIFEST_MAX (4 << 20) /* bytes, OCI distribution-spec; indexes too */
#define INDEX_DEPTH_MAX 4
#define CARRIERS 3 /* layers unpacked at a time */
#define CARRIER_STACK_KB 256

struct load {
	struct worker *w;
	struct spool spool;
	struct ahead *ahead; /* what is unpacked already */
	json_t *stored;	     /* diff ids of layers that are there */
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

/* Several carriers (threads) unpack the missing layers of an image to drafts; who called commits them in
 * the order of the chain. */
struct loading {
	struct load *l;
	const struct image *image;
	const json_t *diff_ids;
	const struct source *src;
	struct layer_draft drafts[LAYERS_MAX];
	bool missing[LAYERS_MAX];

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool ready[LAYERS_MAX]; /* drafts to commit or discard */
	size_t next;
	int carriers;
	bool failed;
	struct err why;
};

/* Unpack layer @i to its draft. */
static int load_layer(struct loading *g, size_t i, struct err *e)
{
	const char *diff_id = json_string_value(json_array_get(g->diff_ids, i)), *name = g->src[i].name;
	const struct member *m = spool_find(&g->l->spool, name);
	bool quiet = json_bool(g->l->w->request, "quiet", true);
	struct layer_draft *d = &g->drafts[i];
	struct store *store = &g->l->w->store;
	char id[13];

	if (!m)
		return err_kind(e, ERR_INVALID, "open %s: no such file or directory in the archive", name);
	snprintf(id, sizeof(id), "%.12s", digest_hex(diff_id));
	if (!ahead_take(g->l->ahead, m->offset, d) && spool_unpack(&g->l->spool, g->l->w, m, i ? g->image->chains[i - 1] : NULL,
		    quiet ? NULL : id, d, e))
		return err_wrap(e, "unpacking layer %zu (%s)", i, name);
	if (!quiet)
		worker_status(g->l->w, id, "Loading layer", m->size, m->size);
	if (check_blob(name, g->src[i].digest, d->blob, e))
		goto discard;
	if (!strcmp(d->diff_id, diff_id))
		return 0;
	err_kind(e, ERR_INVALID, "invalid diffID for layer %zu: expected \"%s\", got \"%s\"", i, diff_id, d->diff_id);
discard:
	layer_discard(store, d);
	return -1;
}

/* The next layer that is missing, or -1. */
static ssize_t take_layer(struct loading *g)
{
	ssize_t i = -1;

	pthread_mutex_lock(&g->lock);
	while (g->next < g->image->n_chains && !g->missing[g->next])
		g->next++;
	if (!g->failed && g->next < g->image->n_chains)
		i = (ssize_t)g->next++;
	pthread_mutex_unlock(&g->lock);
	return i;
}

static void settle(struct loading *g, size_t i, const struct err *why)
{
	pthread_mutex_lock(&g->lock);
	if (!why)
		g->ready[i] = true;
	else if (!g->failed)
		g->why = *why;
	g->failed |= why != NULL;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void carrier_main(void *arg)
{
	struct loading *g = arg;
	struct err e = ERR_INIT;
	ssize_t i;

	while ((i = take_layer(g)) >= 0)
		settle(g, (size_t)i, load_layer(g, (size_t)i, &e) ? &e : NULL);
	pthread_mutex_lock(&g->lock);
	g->carriers--;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void commit_layers(struct loading *g)
{
	struct store *store = &g->l->w->store;
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX];
	size_t i;

	for (i = 0; i < g->image->n_chains; i++) {
		bool ready;

		if (!g->missing[i])
			continue;
		pthread_mutex_lock(&g->lock);
		while (!g->ready[i] && !g->failed)
			pthread_cond_wait(&g->changed, &g->lock);
		ready = g->ready[i] && !g->failed;
		if (ready)
			g->ready[i] = false; /* the draft is used up in any case */
		pthread_mutex_unlock(&g->lock);
		if (!ready)
			return;
		if (layer_commit(store, i ? g->image->chains[i - 1] : NULL, &g->drafts[i], chain, &e)) {
			settle(g, i, &e);
			return;
		}
	}
}

static void start_carriers(struct loading *g)
{
	struct err e = ERR_INIT;
	int i, rc = 0;

	for (i = 0; i < CARRIERS && !rc; i++) {
		pthread_mutex_lock(&g->lock);
		g->carriers++;
		pthread_mutex_unlock(&g->lock);
		rc = thread_start("layer", carrier_main, g, CARRIER_STACK_KB);
	}
	if (!rc)
		return;
	pthread_mutex_lock(&g->lock);
	g->carriers--;
	pthread_mutex_unlock(&g->lock);
	if (i == 1) { /* fewer than wanted are no failure */
		err_set(&e, rc, "starting a thread");
		settle(g, 0, &e);
	}
}

static int load_layers(struct load *l, const struct image *image, const json_t *diff_ids,
	const struct source *src, struct err *e)
{
	struct loading *g = xcalloc(1, sizeof(*g));
	bool any = false;
	size_t i;
	int rc;

	*g = (struct loading){.l = l, .image = image, .diff_ids = diff_ids, .src = src,
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .why = ERR_INIT};
	for (i = 0; i < image->n_chains; i++) {
		g->missing[i] = !layer_exists(&l->w->store, image->chains[i]);
		any |= g->missing[i];
	}
	if (any)
		start_carriers(g);
	commit_layers(g);
	pthread_mutex_lock(&g->lock);
	while (g->carriers)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
	for (i = 0; i < image->n_chains; i++)
		if (g->ready[i])
			layer_discard(&l->w->store, &g->drafts[i]);
	rc = g->failed ? -1 : 0;
	if (rc && e)
		*e = g->why;
	free(g);
	return rc;
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

/* The diff ids of all layers there are: {diff_id: true}. */
static json_t *stored_diff_ids(const struct store *store)
{
	cleanup_json json_t *chains = layer_list(store);
	json_t *ids = json_object();
	const json_t *chain;
	struct layer_info info;
	size_t i;

	json_array_foreach(chains, i, chain)
		if (!layer_stat(store, json_string_value(chain), &info, NULL))
			json_set_bool(ids, info.diff_id, true);
	return ids;
}

/* A member whose name says that its layer is there, most likely below the same ones, can wait. */
static void on_filled(void *arg, const struct member *m)
{
	struct load *l = arg;
	char digest[DIGEST_MAX];

	digest_of_name(m->name, digest);
	if (!json_object_get(l->stored, digest))
		ahead_add(l->ahead, m->offset, m->size);
}

json_t *worker_load(struct worker *w, struct err *e)
{
	struct load l = {.w = w, .spool = {.fd = -1}, .images = json_array()};
	json_t *result = NULL;

	l.ahead = ahead_new(w, &l.spool);
	l.spool.filled = on_filled;
	l.spool.filled_arg = &l;
	l.stored = stored_diff_ids(&w->store);
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
