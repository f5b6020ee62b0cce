/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build_cache.c - was this step done before, here or by who made an image of --cache-from?
 *
 * Theory of operation
 *   Images that were built here know their parents and what made them (core/image/cache.c).  With
 *   --cache-from only what led to the named images counts, and one that was pulled knows no
 *   parents: its history and its layers say which steps it came by.  An image whose history begins
 *   as the one so far, and goes on with this step's command, has the step's result: the image up to
 *   there is put together from its layers, or is it itself if this was its last step.  The rules are
 *   the real builder's; from then on that image alone is asked, as its steps belong together.
 */
#include "engine/build_state.h"
#include "engine/schema.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>

json_t *build_made_by(const struct build *b, const json_t *command)
{
	json_t *config = json_copy(b->config);

	json_object_set(config, "Cmd", (json_t *)(uintptr_t)command);
	json_object_del(config, "Entrypoint");
	json_set_str(config, "Image", b->image);
	return config;
}

void build_cache_begin(struct build *b)
{
	char id[DIGEST_MAX];
	struct err e;
	json_t *name;
	size_t i;

	b->cache_missed = false;
	json_decref(b->sources);
	b->sources = json_array_size(b->o->cache_from) ? json_array() : NULL;
	json_array_foreach((json_t *)(uintptr_t)b->o->cache_from, i, name) {
		if (images_resolve(b->en->images, json_string_value(name) ? json_string_value(name) : "", id, &e))
			log_warn("--cache-from: %s", e.msg);
		else
			json_append_str(b->sources, id);
	}
}

/* Does one of the sources come from @id? */
static bool led_to_source(struct build *b, const char *id)
{
	char at[DIGEST_MAX];
	json_t *source;
	size_t i;

	json_array_foreach(b->sources, i, source) {
		snprintf(at, sizeof(at), "%s", json_string_value(source));
		while (!images_parent(b->en->images, at, at) && *at)
			if (!strcmp(at, id))
				return true;
	}
	return false;
}

/* Are the first members of @all those of @first, and is @all longer? */
static bool begins_with(const json_t *all, const json_t *first, bool longer)
{
	size_t n = json_array_size(first), i;

	if (json_array_size(all) < n + longer)
		return false;
	for (i = 0; i < n; i++)
		if (!json_equal(json_array_get(all, i), json_array_get(first, i)))
			return false;
	return true;
}

static const json_t *layers_of(const json_t *image)
{
	return json_arr(json_obj(image, "rootfs"), "diff_ids");
}

/* Does @source (a config) go on from @parent (NULL: nothing) with @command? */
static bool goes_on_with(const json_t *source, const json_t *parent, const json_t *command)
{
	const json_t *history = json_arr(source, "history"), *before = json_arr(parent, "history"), *word;
	cleanup_buf struct buf words = BUF_INIT;
	size_t i;

	if (!begins_with(history, before, true) || !begins_with(layers_of(source), layers_of(parent), false))
		return false;
	json_array_foreach((json_t *)(uintptr_t)command, i, word)
		buf_addf(&words, "%s%s", i ? " " : "", json_string_value(word));
	return words.n && !strcmp(words.p, json_str(json_array_get(history, json_array_size(before)), "created_by", ""));
}

/* The first @n members. New array. */
static json_t *first_of(const json_t *array, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append(out, json_array_get(array, i));
	return out;
}

/* The image that @source was one step after @parent. */
static int restore(struct build *b, const json_t *source, const json_t *parent, const json_t *made_by,
	char id[DIGEST_MAX], struct err *e)
{
	size_t steps = json_array_size(json_arr(parent, "history")) + 1, layers = json_array_size(layers_of(parent));
	const json_t *step = json_array_get(json_arr(source, "history"), steps - 1);
	cleanup_json json_t *image = json_copy((json_t *)(uintptr_t)source), *sorted = NULL;
	cleanup_buf struct buf text = BUF_INIT;

	if (!json_bool(step, "empty_layer", false))
		layers++;
	json_object_del(image, "container");
	json_set_new(image, "config", schema_expand(schema_config, b->config));
	json_set_new(image, "container_config", schema_expand(schema_config, made_by));
	json_set_str(image, "created", json_str(step, "created", ""));
	json_set_new(image, "history", first_of(json_arr(source, "history"), steps));
	json_set_new(image, "rootfs",
		json_pack("{s:s, s:o}", "type", "layers", "diff_ids", first_of(layers_of(source), layers)));
	sorted = json_sorted(image);
	json_print(sorted, false, &text);
	if (images_commit(b->en->images, text.p, text.n, id, e))
		return -1;
	return *b->image ? images_set_parent(b->en->images, id, b->image, e) : 0;
}

/* The result of this step by source @name: 0 with b->image, or -1. */
static int take_from(struct build *b, const char *name, const json_t *parent, const json_t *command, const json_t *made_by)
{
	cleanup_json json_t *source = images_config(b->en->images, name, NULL);
	char id[DIGEST_MAX];
	struct err e;
	int rc = 0;

	if (!source || !goes_on_with(source, parent, command))
		return -1;
	snprintf(id, sizeof(id), "%s", name);
	if (json_array_size(json_arr(source, "history")) > json_array_size(json_arr(parent, "history")) + 1)
		rc = restore(b, source, parent, made_by, id, &e);
	else if (*b->image)
		rc = images_set_parent(b->en->images, id, b->image, &e);
	if (rc) {
		log_err(&e, "taking over a step of %.19s", name);
		return -1;
	}
	memcpy(b->image, id, DIGEST_MAX);
	return 0;
}

static int take_over(struct build *b, const json_t *command, const json_t *made_by)
{
	cleanup_json json_t *parent = *b->image ? images_config(b->en->images, b->image, NULL) : NULL;
	json_t *name, *rest;
	size_t i;

	json_array_foreach(b->sources, i, name) {
		if (take_from(b, json_string_value(name), parent, command, made_by))
			continue;
		rest = json_pack("[O]", name);
		json_decref(b->sources);
		b->sources = rest;
		return 0;
	}
	return -1;
}

static int find(struct build *b, const json_t *command)
{
	cleanup_json json_t *by = build_made_by(b, command), *full = schema_expand(schema_config, by);
	char id[DIGEST_MAX];
	bool here = !images_find_child(b->en->images, b->image, full, id);

	if (here && (!b->sources || led_to_source(b, id))) {
		memcpy(b->image, id, DIGEST_MAX);
		return 0;
	}
	return b->sources ? take_over(b, command, by) : -1;
}

int build_cached(struct build *b, const json_t *command, struct err *e)
{
	if (b->o->no_cache || b->cache_missed || find(b, command)) {
		b->cache_missed = true;
		return 0;
	}
	return build_say(b, " ---> Using cache\n") ? err_set(e, ECANCELED, "the client has gone") : 1;
}
