/* SPDX-License-Identifier: MIT */
/*
 * core/image/results.c - what workers made becomes images and names
 *
 * Theory of operation
 *   A worker (core/image/worker_run.c) has put layers into the store and tells of images: configs, names,
 *   manifests.  It read what strangers wrote, so all it says is checked here once more.  An image and
 *   its names are entered together, under im->saving.
 */
#include "image/table.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One reference of a result: checked, as it comes from a worker. Under im->saving. */
static int enter_ref(struct images *im, const char *name, const char *id, bool first, json_t *out, struct err *e)
{
	cleanup_free char *key = NULL;
	char before[DIGEST_MAX] = "";
	struct imgref ref;
	json_t *moved;

	if (imgref_parse(name, &ref, e))
		return err_wrap(e, "a worker's reference");
	key = ref_key(&ref);
	imgref_release(&ref);
	if (strchr(key, '@')) {
		const struct ref *r;

		images_lock(im);
		r = table_ref(im, key);
		images_unlock(im);
		if (r)
			return 0;
	}
	if (image_point(im, key, id, before, e))
		return -1;
	if (!strcmp(before, id))
		return 0;
	if (first)
		json_set_bool(out, "changed", true);
	if (*before) {
		moved = json_obj(out, "moved");
		json_set_str(moved, key, before);
	}
	return 0;
}

/* The image and its names at once, under im->saving: one without a name may be pruned at any time. */
static int enter_named(struct images *im, struct image *i, const char *config, json_t *out, struct err *e)
{
	const char *id = json_str(out, "id", "");
	const json_t *ref;
	size_t k;

	if (image_enter(im, i, config, strlen(config), e))
		return -1;
	json_array_foreach(json_arr(out, "refs"), k, ref)
		if (enter_ref(im, json_is_string(ref) ? json_string_value(ref) : "", id, k == 0, out, e))
			return -1;
	return 0;
}

/* Keep the manifest an image was pulled with: a push elsewhere gives it the same digest. It can be done
 * without, so a failure is none of the pull's. */
static void keep_manifest(struct images *im, const char *id, const char *text)
{
	cleanup_json json_t *j = *text ? json_parse(text, strlen(text), NULL) : NULL;
	char file[DIGEST_MAX + 16];

	if (!j || strcmp(json_str(json_obj(j, "config"), "digest", ""), id))
		return;
	image_manifest_file(id, file);
	file_write_at(im->dirfd, file, text, strlen(text), 0600, 0, NULL);
}

static json_t *enter_result(struct images *im, const json_t *made, struct err *e)
{
	const char *config = json_str(made, "config", ""), *parent = json_str(made, "parent", "");
	const json_t *refs = json_arr(made, "refs");
	char id[DIGEST_MAX];
	struct image *i = image_described(im, config, strlen(config), id, e);
	json_t *out;
	int rc;

	if (!i)
		return NULL;
	out = json_object();
	json_set_str(out, "id", id);
	json_set_new(out, "refs", refs ? json_deep_copy(refs) : json_array());
	if (digest_ok(json_str(made, "digest", "")))
		json_set_str(out, "digest", json_str(made, "digest", ""));
	json_set_bool(out, "changed", false);
	json_set_new(out, "moved", json_object());
	pthread_mutex_lock(&im->saving);
	rc = enter_named(im, i, config, out, e);
	if (!rc && digest_ok(parent))
		image_set_parent(im, id, parent);
	if (!rc)
		keep_manifest(im, id, json_str(made, "manifest", ""));
	pthread_mutex_unlock(&im->saving);
	if (!rc)
		return out;
	json_decref(out);
	return NULL;
}

static json_t *enter_results(struct images *im, const json_t *result, struct err *e)
{
	json_t *out = json_array(), *made, *entered;
	size_t i;

	json_array_foreach(json_arr(result, "images"), i, made) {
		entered = enter_result(im, made, e);
		if (!entered)
			goto fail;
		json_array_append_new(out, entered);
	}
	if (images_save(im, e))
		goto fail;
	return out;
fail:
	json_decref(out);
	return NULL;
}

/* The digest a push came to is a name of the image. */
static int enter_pushed(struct images *im, const char *name, const char *id, const char *digest, struct err *e)
{
	cleanup_free char *key = NULL;
	char before[DIGEST_MAX];
	struct imgref ref;
	int rc;

	if (!digest_ok(digest))
		return err_kind(e, ERR_FAILED, "a worker's digest makes no sense");
	if (imgref_parse(name, &ref, e))
		return -1;
	key = xasprintf("%s/%s@%s", ref.host, ref.repo, digest);
	imgref_release(&ref);
	pthread_mutex_lock(&im->saving);
	rc = image_point(im, key, id, before, e) || (strcmp(before, id) && images_save_locked(im, e)) ? -1 : 0;
	pthread_mutex_unlock(&im->saving);
	return rc;
}

int images_push(struct images *im, const char *name, const struct worker_job *job, struct err *e)
{
	cleanup_json json_t *request = json_deep_copy(job->request), *result = NULL;
	struct worker_job with_id = *job;
	char id[DIGEST_MAX];
	bool by_name;
	int rc = -1;

	images_hold(im);
	if (!images_resolve_how(im, name, id, &by_name, e)) {
		json_set_str(request, "id", id);
		with_id.request = request;
		result = worker_run(&with_id, e);
	}
	if (result)
		rc = enter_pushed(im, name, id, json_str(result, "digest", ""), e);
	images_unhold(im);
	return rc;
}

char **images_tags_of(struct images *im, const char *repo)
{
	cleanup_json json_t *tags = json_array();
	size_t i, n = strlen(repo);

	images_lock(im);
	for (i = 0; i < im->n_refs; i++)
		if (!strncmp(im->refs[i].name, repo, n) && im->refs[i].name[n] == ':')
			json_append_str(tags, im->refs[i].name + n + 1);
	images_unlock(im);
	return json_to_strv(tags);
}

/* Is what a failed job got of use to the next one?  A pull's is, unless the room is needed. */
static bool goes_on(const struct worker_job *job, const struct err *e)
{
	return !strcmp(json_str(job->request, "op", ""), "pull") && e->code != ENOSPC && e->code != EDQUOT;
}

json_t *images_run_job(struct images *im, const struct worker_job *job, struct err *e)
{
	cleanup_json json_t *result = NULL;
	json_t *out = NULL;

	images_hold(im);
	result = worker_run(job, e);
	if (result)
		out = enter_results(im, result, e);
	if (!out && !goes_on(job, e)) {
		/* It may have committed layers before it failed. */
		images_lock(im);
		im->garbage = true;
		images_unlock(im);
	}
	images_unhold(im);
	return out;
}
