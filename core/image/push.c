/* SPDX-License-Identifier: MIT */
/*
 * core/image/push.c - "push" in a worker: an image goes to a registry
 *
 * Theory of operation
 *   Layers, then the config, then the manifest that names them: a registry takes no manifest whose
 *   parts it lacks, and nobody can pull what has no manifest.
 *
 *   An image that was pulled has the manifest it came with (image/<driver>/<hex>.manifest).  If the
 *   repository has the very archives that one names, it is pushed as it is, so that the image has
 *   the same digest everywhere.  Else a new one of the same kind (OCI, or Docker's version 2 schema
 *   2) is written, the latter byte for byte as Docker writes it.
 */
#include "image/push_layers.h"
#include "base/fs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_MAX (8 << 20) /* bytes of an image's config */
#define PARALLEL 5	     /* Docker's max-concurrent-uploads */
#define PARALLEL_MAX 100
#define INDENT 3 /* blanks, of Docker's manifests */

static const char oci_manifest[] = "application/vnd.oci.image.manifest.v1+json";
static const char oci_config[] = "application/vnd.oci.image.config.v1+json";
static const char docker_manifest[] = "application/vnd.docker.distribution.manifest.v2+json";
static const char docker_config[] = "application/vnd.docker.container.image.v1+json";

struct pusher {
	struct worker *w;
	struct registry *registry;
	struct imgref ref; /* repository and tag */
	int parallel;
};

struct pushed { /* one image */
	const char *id;
	struct buf config, original; /* texts; original: the manifest it was pulled with, or empty */
	bool has_wanted, oci;
	struct image_manifest wanted; /* what the original says */
	size_t n;
	char diff_ids[MANIFEST_LAYERS_MAX][DIGEST_MAX], chains[MANIFEST_LAYERS_MAX][DIGEST_MAX];
	struct descriptor config_desc, layers[MANIFEST_LAYERS_MAX];
};

/* --- what is to be pushed ------------------------------------------------------------------------ */

static int read_stored(const struct pusher *p, const char *id, const char *suffix, struct buf *out, struct err *e)
{
	cleanup_free char *path = xasprintf("image/%s/%s%s", store_driver_name(&p->w->store), digest_hex(id), suffix);

	return file_read_at(p->w->store.datafd, path, CONFIG_MAX, out, e);
}

static int read_config(const struct pusher *p, struct pushed *im, struct err *e)
{
	cleanup_json json_t *config = NULL;
	const char *below = "";
	size_t i;

	if (read_stored(p, im->id, ".json", &im->config, e))
		return -1;
	config = json_parse(im->config.p, im->config.n, e);
	im->n = json_array_size(json_path(config, "rootfs", "diff_ids", NULL));
	if (!config || image_config_diff_ids(config, im->n, im->diff_ids, e))
		return -1;
	for (i = 0; i < im->n; i++) {
		chain_id(below, im->diff_ids[i], im->chains[i]);
		below = im->chains[i];
	}
	return 0;
}

/* The manifest it came with: a hint, so whatever is wrong with it means there is none. */
static void read_original(const struct pusher *p, struct pushed *im)
{
	cleanup_json json_t *j = NULL;
	const char *type;

	if (read_stored(p, im->id, ".manifest", &im->original, NULL))
		return;
	j = json_parse(im->original.p, im->original.n, NULL);
	if (!j || image_manifest_parse(j, &im->wanted, NULL) || im->wanted.n_layers != im->n ||
		strcmp(im->wanted.config.digest, im->id))
		return;
	type = json_str(j, "mediaType", oci_manifest); /* OCI's may do without */
	im->oci = !strcmp(type, oci_manifest);
	im->has_wanted = im->oci || !strcmp(type, docker_manifest);
}

/* --- config and manifest --------------------------------------------------------------------------- */

struct text_source {
	struct span all, left;
};

static int text_rewind(void *arg, struct err *e)
{
	struct text_source *t = arg;

	(void)e;
	t->left = t->all;
	return 0;
}

static ssize_t text_read(void *arg, void *p, size_t n, struct err *e)
{
	struct text_source *t = arg;

	(void)e;
	n = n > t->left.n ? t->left.n : n;
	memcpy(p, t->left.p, n);
	t->left = (struct span){t->left.p + n, t->left.n - n};
	return (ssize_t)n;
}

static int push_config(struct pusher *p, struct pushed *im, struct err *e)
{
	struct text_source text = {.all = {im->config.p, im->config.n}};
	const struct blob_source source = {text_rewind, text_read, &text};
	struct descriptor *d = &im->config_desc;
	int64_t size;

	snprintf(d->digest, sizeof(d->digest), "%s", im->id);
	snprintf(d->media_type, sizeof(d->media_type), "%s", im->oci ? oci_config : docker_config);
	d->size = (int64_t)im->config.n;
	if (registry_has_blob(p->registry, p->ref.repo, im->id, &size))
		return 0;
	if (registry_upload(p->registry, p->ref.repo, &source, NULL, d->digest, &size, e))
		return -1;
	return strcmp(d->digest, im->id) ? err_kind(e, ERR_FAILED, "image/%s.json was changed or is damaged",
		digest_hex(im->id)) : 0;
}

static json_t *descriptor_json(const struct descriptor *d)
{
	json_t *j = json_object();

	json_set_str(j, "mediaType", d->media_type);
	json_set_int(j, "size", d->size);
	json_set_str(j, "digest", d->digest);
	return j;
}

static void manifest_text(const struct pushed *im, struct buf *out)
{
	cleanup_json json_t *j = json_object();
	json_t *layers = json_array();
	char *text;
	size_t i;

	for (i = 0; i < im->n; i++)
		json_array_append_new(layers, descriptor_json(&im->layers[i]));
	json_set_int(j, "schemaVersion", 2);
	json_set_str(j, "mediaType", im->oci ? oci_manifest : docker_manifest);
	json_set_new(j, "config", descriptor_json(&im->config_desc));
	json_set_new(j, "layers", layers);
	text = json_dumps(j, JSON_INDENT(INDENT));
	buf_adds(out, text);
	free(text);
}

/* Does the repository have just what the original manifest names? */
static bool original_fits(const struct pushed *im)
{
	size_t i;

	for (i = 0; im->has_wanted && i < im->n; i++)
		if (strcmp(im->wanted.layers[i].digest, im->layers[i].digest))
			return false;
	return im->has_wanted;
}

/* --- one image ----------------------------------------------------------------------------------------- */

/* What clients take the digest from. */
static void say_pushed(struct pusher *p, const char *digest, size_t size)
{
	json_t *line = json_object(), *aux = json_object();

	worker_message(p->w, NULL, "%s: digest: %s size: %zu", p->ref.tag, digest, size);
	json_set_str(aux, "Tag", p->ref.tag);
	json_set_str(aux, "Digest", digest);
	json_set_int(aux, "Size", (int64_t)size);
	json_set_new(line, "progressDetail", json_object());
	json_set_new(line, "aux", aux);
	worker_progress(p->w, line);
}

static int push_manifest(struct pusher *p, struct pushed *im, char digest[DIGEST_MAX], struct err *e)
{
	cleanup_buf struct buf made = BUF_INIT;
	const struct buf *text = original_fits(im) ? &im->original : &made;

	if (text == &made)
		manifest_text(im, &made);
	if (registry_put_manifest(p->registry, p->ref.repo, p->ref.tag, im->oci ? oci_manifest : docker_manifest,
		(struct span){text->p, text->n}, digest, e))
		return -1;
	say_pushed(p, digest, text->n);
	return 0;
}

static int push_parts(struct pusher *p, struct pushed *im, char digest[DIGEST_MAX], struct err *e)
{
	struct layers_push layers = {
		.w = p->w, .registry = p->registry, .host = p->ref.host, .repo = p->ref.repo,
		.diff_ids = (const char(*)[DIGEST_MAX])im->diff_ids, .chains = (const char(*)[DIGEST_MAX])im->chains,
		.parallel = p->parallel,
	};

	if (read_config(p, im, e))
		return -1;
	read_original(p, im);
	layers.n = im->n;
	layers.oci = im->oci;
	layers.wanted = im->has_wanted ? &im->wanted : NULL;
	return layers_push(&layers, im->layers, e) || push_config(p, im, e) || push_manifest(p, im, digest, e) ? -1 : 0;
}

static int push_image(struct pusher *p, char digest[DIGEST_MAX], struct err *e)
{
	struct pushed *im = xcalloc(1, sizeof(*im));
	int rc;

	im->id = json_str(p->w->request, "id", "");
	im->config = im->original = (struct buf)BUF_INIT;
	rc = digest_ok(im->id) ? push_parts(p, im, digest, e) : err_kind(e, ERR_INVALID, "bad image id '%s'", im->id);
	buf_release(&im->config);
	buf_release(&im->original);
	free(im);
	return rc;
}

/* --- the operation --------------------------------------------------------------------------------------- */

static int prepare(struct pusher *p, struct err *e)
{
	const json_t *config = json_obj(p->w->request, "config");
	int64_t parallel = json_int(config, "max-concurrent-uploads", PARALLEL);
	struct registry_config c;

	if (imgref_parse(json_str(p->w->request, "ref", ""), &p->ref, e))
		return -1;
	imgref_default_tag(&p->ref);
	p->parallel = parallel < 1 ? PARALLEL : parallel > PARALLEL_MAX ? PARALLEL_MAX : (int)parallel;
	registry_config_init(&c, config, json_obj(p->w->request, "auth"));
	p->registry = registry_open(p->ref.host, &c, e);
	return p->registry && !registry_ping(p->registry, e) ? 0 : -1;
}

/* Docker does not say at which URL credentials were missing. */
static void translate(struct err *e)
{
	static const char missing[] = "no basic auth credentials";
	size_t n = strlen(e->msg), k = sizeof(missing) - 1;

	if (n > k && !strcmp(e->msg + n - k, missing))
		err_kind(e, ERR_UNAUTHORIZED, "%s", missing);
}

json_t *worker_push(struct worker *w, struct err *e)
{
	struct pusher p = {.w = w};
	char digest[DIGEST_MAX];
	json_t *result = NULL;

	signal(SIGPIPE, SIG_IGN); /* a packer whose upload failed is told by EPIPE */
	if (prepare(&p, e)) {
		translate(e);
	} else if (push_image(&p, digest, e)) {
		translate(e);
		registry_name_in(p.ref.host, e);
	} else {
		result = json_object();
		json_set_str(result, "digest", digest);
	}
	registry_close(p.registry);
	imgref_release(&p.ref);
	return result;
}
