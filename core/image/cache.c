/* SPDX-License-Identifier: MIT */
/*
 * core/image/cache.c - was this step of a build done before?
 *
 * Theory of operation
 *   Images of the classic builder remember what they were made from and what their container was
 *   asked to be; the same request on top of the same image gives the same result, as far as the
 *   builder knows.  Configs are read without the table's lock: an image that goes meanwhile is no hit.
 */
#include "image/table.h"

#include <stdlib.h>

/* Ids of the images made from @parent; to free(). */
static char (*children(struct images *im, const char *parent, size_t *n))[DIGEST_MAX]
{
	char(*ids)[DIGEST_MAX];
	size_t i;

	pthread_mutex_lock(&im->lock);
	ids = xcalloc(im->n_images + 1, sizeof(*ids));
	for (*n = i = 0; i < im->n_images; i++)
		if (!strcmp(im->images[i]->parent, parent))
			memcpy(ids[(*n)++], im->images[i]->id, DIGEST_MAX);
	pthread_mutex_unlock(&im->lock);
	return ids;
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	if (!x || json_is_null(x))
		return !y || json_is_null(y);
	return y && json_equal(x, y);
}

static bool same_config(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "OnBuild", "Shell",
		"StopSignal", "User", "Volumes", "WorkingDir"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!same_member(a, b, keys[i]))
			return false;
	return true;
}

int images_find_child(struct images *im, const char *parent, const json_t *config, char id[DIGEST_MAX])
{
	cleanup_free char *newest = NULL;
	size_t n, i;
	char(*ids)[DIGEST_MAX] = children(im, parent, &n), found[DIGEST_MAX] = "";

	for (i = 0; i < n; i++) {
		cleanup_json json_t *image = images_config(im, ids[i], NULL);
		const char *created = json_str(image, "created", "");

		if (!image || !same_config(json_obj(image, "container_config"), config) ||
			(newest && strcmp(created, newest) <= 0))
			continue;
		free(newest);
		newest = xstrdup(created);
		memcpy(found, ids[i], DIGEST_MAX);
	}
	free(ids);
	if (!*found)
		return -1;
	memcpy(id, found, DIGEST_MAX);
	return 0;
}
