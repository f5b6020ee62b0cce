/* SPDX-License-Identifier: MIT */
/*
 * core/image/inquire.c - questions to a registry: what is behind a name, are these credentials good
 *
 * Theory of operation
 *   Answers of a registry are foreign bytes like any others: a worker reads them.  Nothing is kept.
 */
#include "image/manifest.h"
#include "image/worker.h"
#include "registry/registry.h"

#include <stdlib.h>

#define CONFIG_MAX (8 << 20) /* bytes */

static struct registry *open_registry(const struct worker *w, const char *host, struct err *e)
{
	struct registry_config c;

	registry_config_init(&c, json_obj(w->request, "config"), json_obj(w->request, "auth"));
	return registry_open(host, &c, e);
}

/* --- distribution --------------------------------------------------------------------------------- */

static json_t *platform_json(const json_t *p)
{
	static const char *const keys[] = {"architecture", "os", "os.version", "os.features", "variant"};
	json_t *j = json_object(), *v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		v = json_object_get(p, keys[i]);
		if (json_array_size(v) || (json_is_string(v) && *json_string_value(v)))
			json_object_set(j, keys[i], v);
	}
	return j;
}

/* Of an index, those of its manifests. */
static json_t *index_platforms(const json_t *index)
{
	json_t *out = json_array(), *m;
	size_t i;

	json_array_foreach(json_arr(index, "manifests"), i, m)
		if (json_obj(m, "platform"))
			json_array_append_new(out, platform_json(json_obj(m, "platform")));
	if (json_array_size(out))
		return out;
	json_decref(out);
	return json_null();
}

/* Of a Docker manifest, what its config says; the real engine does not look into those of OCI. */
static json_t *image_platforms(struct registry *r, const char *repo, const json_t *manifest, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *config = NULL;
	struct image_manifest m;
	json_t *out;

	if (image_manifest_parse(manifest, &m, e) ||
		registry_blob_read(r, repo, m.config.digest, m.config.size, CONFIG_MAX, &text, e))
		return NULL;
	config = json_parse(text.p, text.n, e);
	if (!config)
		return NULL;
	out = json_array();
	json_array_append_new(out, platform_json(config));
	return out;
}

static json_t *describe(struct registry *r, const struct imgref *ref, struct err *e)
{
	struct manifest m = {.text = BUF_INIT};
	json_t *j = NULL, *platforms = NULL, *desc;
	char digest[DIGEST_MAX];

	/* First by HEAD, as Docker does: a refusal is cheaper that way. */
	if ((!ref->digest && registry_digest(r, ref->repo, ref->tag, digest, e)) || registry_manifest(r, ref->repo, ref->digest ? ref->digest : ref->tag, &m, e))
		return NULL;
	j = json_parse(m.text.p, m.text.n, e);
	if (j && manifest_kind_of(j, m.media_type) == MANIFEST_INDEX)
		platforms = index_platforms(j);
	else if (j && !strcmp(m.media_type, "application/vnd.docker.distribution.manifest.v2+json"))
		platforms = image_platforms(r, ref->repo, j, e);
	else if (j)
		platforms = json_null();
	json_decref(j);
	j = NULL;
	if (platforms) {
		desc = json_object();
		json_set_str(desc, "mediaType", m.media_type);
		json_set_str(desc, "digest", m.digest);
		json_set_int(desc, "size", (int64_t)m.text.n);
		j = json_object();
		json_set_new(j, "Descriptor", desc);
		json_set_new(j, "Platforms", platforms);
	}
	manifest_release(&m);
	return j;
}

json_t *worker_distribution(struct worker *w, struct err *e)
{
	struct registry *r;
	struct imgref ref;
	json_t *j = NULL;

	if (imgref_parse(json_str(w->request, "ref", ""), &ref, e))
		return NULL;
	imgref_default_tag(&ref);
	r = open_registry(w, ref.host, e);
	if (r)
		j = describe(r, &ref, e);
	registry_close(r);
	imgref_release(&ref);
	return j;
}

/* --- auth ------------------------------------------------------------------------------------------- */

/* "https://index.docker.io/v1/" and "" mean Docker Hub; else the host of a URL, or as it is. */
static char *host_of(const char *address)
{
	const char *at = strstr(address, "://");
	char *host;

	at = at ? at + 3 : address;
	host = xstrndup(at, strcspn(at, "/"));
	if (*host && strcmp(host, "index.docker.io") && strcmp(host, "registry-1.docker.io"))
		return host;
	free(host);
	return xstrdup("docker.io");
}

json_t *worker_auth(struct worker *w, struct err *e)
{
	cleanup_free char *host = host_of(json_str(w->request, "address", ""));
	struct registry *r = open_registry(w, host, e);
	int rc = r ? registry_check_auth(r, e) : -1;

	registry_close(r);
	return rc ? NULL : json_object();
}

/* --- search ------------------------------------------------------------------------------------------- */

json_t *worker_search(struct worker *w, struct err *e)
{
	const json_t *request = w->request;
	struct registry_config c;
	json_t *found, *result;

	registry_config_init(&c, json_obj(request, "config"), json_obj(request, "auth"));
	found = registry_search(json_str(request, "host", ""), json_str(request, "term", ""),
		(int)json_int(request, "limit", 25), &c, e);
	if (!found)
		return NULL;
	result = json_object();
	json_set_new(result, "results", found);
	return result;
}
