/* SPDX-License-Identifier: MIT */
/*
 * core/image/pull.c - "pull" in a worker: a reference becomes an image
 *
 * Theory of operation
 *   Tag -> digest (HEAD, which is free of rate limits) -> manifest -> where it is an index, the
 *   manifest for our platform -> config -> layers.  What is there already is not fetched: an
 *   image whose digest reference is known for the wanted platform ends after the HEAD; one whose
 *   config is there, after the manifest; layers, one by one.
 *
 *   Nothing a registry says is believed but by digest.  Sizes are bounded before anything is
 *   asked for, indexes nest only a few deep, and the config must agree with the layers.
 *
 *   Until "Pulling from" was said, an error becomes the status of the HTTP answer; so that line
 *   comes when the manifest is there, as in Docker.
 */
#include "image/layers.h"
#include "image/manifest.h"
#include "base/fs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_MAX (8 << 20)	/* bytes of an image's config */
#define REFS_MAX (64 << 20)	/* bytes of refs.json */
#define NESTING_MAX 4		/* indexes within indexes */
#define CHOICES_MAX 8		/* manifests of one index that are tried */
#define PARALLEL 3		/* Docker's max-concurrent-downloads */

struct puller {
	struct worker *w;
	struct registry *registry;
	struct imgref ref;	/* of the tag at hand */
	struct platform want;
	char *want_text; /* as asked for, for messages */
	int parallel;
	json_t *text;	/* of the manifest fetched last */
	json_t *images; /* of the result */
};

/* --- errors in Docker's words --- */

static int translate(const struct puller *p, struct err *e)
{
	cleanup_free char *full = imgref_familiar(&p->ref), *repo = imgref_familiar_repo(&p->ref);

	if (!e)
		return -1;
	if (e->kind == ERR_FORBIDDEN && !strncmp(e->msg, "denied: ", 8))
		err_wrap(e, "pull access denied for %s, repository does not exist or may require "
			"'docker login'", repo);
	else if (e->kind == ERR_NOT_FOUND && !strncmp(e->msg, "manifest unknown", 16))
		err_wrap(e, "manifest for %s not found", full);
	else if (e->kind == ERR_NOT_FOUND && !strncmp(e->msg, "name unknown", 12))
		err_wrap(e, "repository %s not found", repo);
	else
		return -1;
	e->kind = ERR_NOT_FOUND;
	return -1;
}

static int no_match(const struct puller *p, struct err *e)
{
	return err_kind(e, ERR_NOT_FOUND, "no matching manifest for %s in the manifest list entries",
		p->want_text);
}

/* --- what is there already --- */

/* The text of a file of the image store; false if it is not there or not readable. */
static bool stored(const struct worker *w, const char *name, size_t max, struct buf *out)
{
	cleanup_free char *path = xasprintf("image/%s/%s", store_driver_name(&w->store), name);
	struct err ignored;

	buf_reset(out);
	return !file_read_at(w->store.datafd, path, max, out, &ignored);
}

/* The config of an image that is there with all its layers. */
static bool stored_config(const struct worker *w, const char *id, struct buf *out)
{
	cleanup_free char *name = xasprintf("%s.json", digest_hex(id));
	char digest[DIGEST_MAX], (*diff_ids)[DIGEST_MAX], chain[DIGEST_MAX] = "";
	cleanup_json json_t *config = NULL;
	size_t n, i;
	bool there;

	if (!stored(w, name, CONFIG_MAX, out))
		return false;
	sha256_digest_of(out->p, out->n, digest);
	config = json_parse(out->p, out->n, NULL);
	n = json_array_size(json_path(config, "rootfs", "diff_ids", NULL));
	if (strcmp(digest, id) || n > MANIFEST_LAYERS_MAX)
		return false;
	diff_ids = xcalloc(n + 1, sizeof(*diff_ids));
	there = !image_config_diff_ids(config, n, diff_ids, NULL);
	for (i = 0; there && i < n; i++)
		chain_id(chain, diff_ids[i], chain);
	free(diff_ids);
	return there && (!n || layer_exists(&w->store, chain));
}

/* Is this digest of the repository known to be an image for the wanted platform? */
static bool known_digest(const struct puller *p, const char *digest, struct buf *config_text)
{
	cleanup_free char *name = xasprintf("%s/%s@%s", p->ref.host, p->ref.repo, digest);
	cleanup_json json_t *refs = NULL, *config = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	struct platform have;
	const char *id;

	if (!stored(p->w, "refs.json", REFS_MAX, &text))
		return false;
	refs = json_parse(text.p, text.n, NULL);
	id = json_str(json_obj(refs, "refs"), name, "");
	if (!digest_ok(id) || !stored_config(p->w, id, config_text))
		return false;
	config = json_parse(config_text->p, config_text->n, NULL);
	image_config_platform(config, &have);
	return platform_rank(&p->want, &have) >= 0;
}

/* --- one image --- */

/* @fetched: its manifest is at hand. */
static int add_result(struct puller *p, const struct buf *config, const char *digest, bool fetched, struct err *e)
{
	json_t *image = json_object(), *refs = json_array(), *text = json_stringn(config->p, config->n);
	cleanup_free char *by_digest = xasprintf("%s/%s@%s", p->ref.host, p->ref.repo, digest);

	if (!p->ref.digest) {
		cleanup_free char *by_tag = imgref_canonical(&p->ref);

		json_append_str(refs, by_tag);
	}
	json_append_str(refs, by_digest);
	json_set_new(image, "refs", refs);
	json_set_str(image, "digest", digest);
	if (!text) {
		json_decref(image);
		return err_kind(e, ERR_INVALID, "the image's config is not UTF-8");
	}
	json_set_new(image, "config", text);
	if (fetched && p->text)
		json_object_set(image, "manifest", p->text);
	json_array_append_new(p->images, image);
	return 0;
}

/* Fetch the config a manifest names, and the diff ids in it. */
static int fetch_config(struct puller *p, const struct image_manifest *m, struct buf *text,
	char (*diff_ids)[DIGEST_MAX], struct err *e)
{
	cleanup_json json_t *config = NULL;

	buf_reset(text);
	if (registry_blob_read(p->registry, p->ref.repo, m->config.digest, m->config.size, CONFIG_MAX, text,
		e))
		return err_wrap(e, "error pulling image configuration");
	config = json_parse(text->p, text->n, e);
	if (!config)
		return err_wrap(e, "image config %s", m->config.digest);
	return image_config_diff_ids(config, m->n_layers, diff_ids, e);
}

/* A push of the image need not compress what is known by name. */
static void note_archives(struct puller *p, const struct image_manifest *m, const struct buf *config_text)
{
	char (*diff_ids)[DIGEST_MAX] = xcalloc(MANIFEST_LAYERS_MAX, sizeof(*diff_ids)), chain[DIGEST_MAX] = "";
	cleanup_json json_t *config = json_parse(config_text->p, config_text->n, NULL);
	cleanup_free char *repo = xasprintf("%s/%s", p->ref.host, p->ref.repo);
	size_t i;

	if (config && !image_config_diff_ids(config, m->n_layers, diff_ids, NULL))
		for (i = 0; i < m->n_layers; i++) {
			chain_id(chain, diff_ids[i], chain);
			layer_archive_add(&p->w->store, chain, m->layers[i].digest, m->layers[i].size,
				m->layers[i].media_type, repo, NULL);
		}
	free(diff_ids);
}

static int pull_image(struct puller *p, const json_t *manifest, const char *digest, struct err *e)
{
	struct image_manifest *m = xcalloc(1, sizeof(*m));
	char (*diff_ids)[DIGEST_MAX] = xcalloc(MANIFEST_LAYERS_MAX, sizeof(*diff_ids));
	cleanup_buf struct buf config = BUF_INIT;
	int rc = -1;

	if (image_manifest_parse(manifest, m, e))
		goto out;
	if (!stored_config(p->w, m->config.digest, &config)) {
		const struct layers_pull layers = {p->w, p->registry, p->ref.repo, m,
			(const char (*)[DIGEST_MAX])diff_ids, p->parallel};

		if (fetch_config(p, m, &config, diff_ids, e) || layers_pull(&layers, e))
			goto out;
	}
	note_archives(p, m, &config);
	worker_message(p->w, NULL, "Digest: %s", digest);
	rc = add_result(p, &config, digest, true, e);
out:
	free(diff_ids);
	free(m);
	return rc;
}

/* --- manifests --- */

static json_t *fetch_manifest(struct puller *p, const char *tag_or_digest, char digest[DIGEST_MAX],
	char media_type[MEDIA_TYPE_MAX], struct err *e)
{
	struct manifest m;
	json_t *j;

	if (registry_manifest(p->registry, p->ref.repo, tag_or_digest, &m, e)) {
		translate(p, e);
		return NULL;
	}
	j = json_parse(m.text.p, m.text.n, e);
	if (!j) {
		err_wrap(e, "manifest %s", m.digest);
		e->kind = ERR_FAILED; /* the sender's fault, not the request's */
	}
	snprintf(digest, DIGEST_MAX, "%s", m.digest);
	snprintf(media_type, MEDIA_TYPE_MAX, "%s", m.media_type);
	json_decref(p->text);
	p->text = json_stringn(m.text.p, m.text.n); /* NULL if it is no UTF-8 */
	manifest_release(&m);
	return j;
}

/* Go down to the image for our platform; @digest stays that of the whole. */
static int pull_kind(struct puller *p, const json_t *j, const char *media_type, const char *digest,
	int depth, struct err *e)
{
	cleanup_free char *name = imgref_canonical(&p->ref);
	struct descriptor choice[CHOICES_MAX];
	size_t n, i;

	switch (manifest_kind_of(j, media_type)) {
	case MANIFEST_IMAGE:
		return pull_image(p, j, digest, e);
	case MANIFEST_SCHEMA1:
		return manifest_refuse_schema1(name, e);
	case MANIFEST_INDEX:
		break;
	default:
		return err_kind(e, ERR_INVALID, "unsupported manifest format");
	}
	if (depth == NESTING_MAX)
		return err_kind(e, ERR_INVALID, "indexes are nested more than %d deep", NESTING_MAX);
	n = manifest_index_choose(j, &p->want, choice, CHOICES_MAX);
	for (i = 0; i < n; i++) {
		char child_digest[DIGEST_MAX], child_type[MEDIA_TYPE_MAX];
		cleanup_json json_t *child = fetch_manifest(p, choice[i].digest, child_digest, child_type, e);

		if (!child)
			return -1;
		if (manifest_kind_of(child, child_type) == MANIFEST_OTHER)
			continue; /* the OCI spec wants what is not known to be skipped */
		return pull_kind(p, child, child_type, digest, depth + 1, e);
	}
	return no_match(p, e);
}

static int pull_tag(struct puller *p, struct err *e)
{
	cleanup_free char *canonical = imgref_canonical(&p->ref);
	const char *shown = p->ref.digest ? canonical : p->ref.tag;
	char digest[DIGEST_MAX] = "", type[MEDIA_TYPE_MAX];
	cleanup_buf struct buf config = BUF_INIT;
	cleanup_json json_t *j = NULL;

	if (p->ref.digest)
		snprintf(digest, sizeof(digest), "%s", p->ref.digest);
	else if (registry_digest(p->registry, p->ref.repo, p->ref.tag, digest, e))
		return translate(p, e);
	if (*digest && known_digest(p, digest, &config)) {
		worker_message(p->w, shown, "Pulling from %s", p->ref.repo);
		worker_message(p->w, NULL, "Digest: %s", digest);
		return add_result(p, &config, digest, false, e);
	}
	j = fetch_manifest(p, *digest ? digest : p->ref.tag, digest, type, e);
	if (!j)
		return -1;
	if (!strcmp(type, "application/vnd.docker.distribution.manifest.v2+json") &&
		manifest_check_config_type(j, e))
		return -1;
	worker_message(p->w, shown, "Pulling from %s", p->ref.repo);
	return pull_kind(p, j, type, digest, 0, e);
}

static int pull_all_tags(struct puller *p, struct err *e)
{
	cleanup_json json_t *tags = registry_tags(p->registry, p->ref.repo, e);
	size_t i;

	if (!tags)
		return translate(p, e);
	for (i = 0; i < json_array_size(tags); i++) {
		if (imgref_set_tag(&p->ref, json_string_value(json_array_get(tags, i)), e) || pull_tag(p, e))
			return -1;
	}
	return 0;
}

/* --- the operation --- */

static int prepare(struct puller *p, struct err *e)
{
	const json_t *request = p->w->request, *config = json_obj(request, "config");
	const char *platform = json_str(request, "platform", "");
	struct registry_config c;
	int64_t parallel = json_int(config, "max-concurrent-downloads", PARALLEL);

	if (imgref_parse(json_str(request, "ref", ""), &p->ref, e))
		return -1;
	if (!json_bool(request, "all_tags", false))
		imgref_default_tag(&p->ref);
	if (platform_parse(platform, &p->want, e))
		return -1;
	p->want_text = platform_format(&p->want);
	if (!*platform)
		platform_cpu_level(&p->want);
	p->parallel = parallel < 1 ? PARALLEL : parallel > 100 ? 100 : (int)parallel;
	registry_config_init(&c, config, json_obj(request, "auth"));
	p->registry = registry_open(p->ref.host, &c, e);
	return p->registry ? 0 : -1;
}

json_t *worker_pull(struct worker *w, struct err *e)
{
	struct puller p = {.w = w, .images = json_array()};
	json_t *result = NULL;

	signal(SIGPIPE, SIG_IGN); /* an unpacker that gives up is told by EPIPE */
	if (!prepare(&p, e)) {
		if (p.ref.tag || p.ref.digest ? pull_tag(&p, e) : pull_all_tags(&p, e))
			registry_name_in(p.ref.host, e);
		else
			result = json_object();
	}
	if (result) {
		json_set_new(result, "images", p.images);
		p.images = NULL;
	}
	json_decref(p.images);
	json_decref(p.text);
	registry_close(p.registry);
	imgref_release(&p.ref);
	free(p.want_text);
	return result;
}
