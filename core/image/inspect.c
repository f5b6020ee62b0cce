/* SPDX-License-Identifier: MIT */
/*
 * core/image/inspect.c - `docker image inspect` and `docker history`
 *
 * Theory of operation
 *   Both read the config again from disk: it may be large, is asked for by hand, and stays as it
 *   came (its digest is the image's id), so it is shown in the API's words here.  Keys are matched
 *   without regard to case, as the real engine's JSON decoder does; what is of a wrong type counts
 *   as absent.
 */
#include "image/table.h"
#include "base/clock.h"

#include <stdlib.h>

/* --- the parts of a config -------------------------------------------------------------------- */

static const char *text_of(const json_t *config, const char *key)
{
	const char *s = json_string_value(json_get_ci(config, key));

	return s ? s : "";
}

/* A time as Go prints it: a fraction without trailing zeros, the zone it had. NULL if it is none. */
static char *time_text(const char *s)
{
	char utc[CLOCK_RFC3339_MAX];
	const char *dot = strchr(s, '.'), *zone;
	int64_t ns;

	if (clock_parse(s, &ns) || strlen(s) < 20)
		return NULL;
	if (s[strlen(s) - 1] == 'Z')
		return xstrdup(clock_format(ns, utc));
	if (!dot)
		return xstrdup(s);
	zone = dot + 1 + strspn(dot + 1, "0123456789");
	for (ns = zone - dot; ns > 1 && dot[ns - 1] == '0';)
		ns--;
	return xasprintf("%.*s%s", (int)(dot - s) + (ns > 1 ? (int)ns : 0), s, zone);
}

enum field_type { TEXT, WORDS, FLAG, OBJECT };

/* What a config object may hold, as the API names it. @always: shown as null or "" where absent. */
static const struct field {
	const char *name;
	enum field_type type;
	bool always;
} fields[] = {
	{"ArgsEscaped", FLAG, false}, {"Cmd", WORDS, true}, {"Entrypoint", WORDS, true}, {"Env", WORDS, true},
	{"ExposedPorts", OBJECT, false}, {"Healthcheck", OBJECT, false}, {"Labels", OBJECT, true},
	{"OnBuild", WORDS, true}, {"Shell", WORDS, false}, {"StopSignal", TEXT, false}, {"User", TEXT, true},
	{"Volumes", OBJECT, true}, {"WorkingDir", TEXT, true},
};

/* The words of an array; a lone string is one word. NULL if there are none. */
static json_t *words(const json_t *v)
{
	json_t *out = json_array(), *w;
	size_t i;

	if (json_is_string(v))
		json_append_str(out, json_string_value(v));
	json_array_foreach(v, i, w)
		if (json_is_string(w))
			json_array_append(out, w);
	if (json_array_size(out))
		return out;
	json_decref(out);
	return NULL;
}

static json_t *field_value(const struct field *f, const json_t *v)
{
	switch (f->type) {
	case TEXT:
		if (json_is_string(v) && (*json_string_value(v) || f->always))
			return json_deep_copy(v);
		return f->always ? json_string("") : NULL;
	case FLAG:
		return json_is_true(v) ? json_true() : NULL;
	case WORDS:
		return words(v);
	case OBJECT:
		if (json_object_size(v) || (json_is_object(v) && !strcmp(f->name, "Healthcheck")))
			return json_deep_copy(v);
		return NULL;
	}
	return NULL;
}

static json_t *config_json(const json_t *config)
{
	json_t *j = json_object(), *v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		v = field_value(&fields[i], json_get_ci(config, fields[i].name));
		if (!v && fields[i].always)
			v = json_null();
		if (v)
			json_set_new(j, fields[i].name, v);
	}
	return j;
}

static json_t *rootfs_json(const json_t *rootfs)
{
	json_t *j = json_object(), *layers = json_get_ci(rootfs, "diff_ids");

	json_set_str(j, "Type", text_of(rootfs, "type"));
	if (json_array_size(layers))
		json_set_new(j, "Layers", json_deep_copy(layers));
	return j;
}

/* The comment of the image, or of its last step. */
static const char *comment_of(const json_t *config)
{
	const json_t *history = json_get_ci(config, "history");
	size_t n = json_array_size(history);

	if (*text_of(config, "comment") || !n)
		return text_of(config, "comment");
	return text_of(json_array_get(history, n - 1), "comment");
}

/* --- inspect ------------------------------------------------------------------------------------ */

/* What the table knows of an image. */
struct known {
	char parent[DIGEST_MAX], top[DIGEST_MAX];
	int64_t tagged_ns, size;
	json_t *tags, *digests; /* owned */
};

static int ask_table(struct images *im, const char *id, struct known *k, struct err *e)
{
	const struct image *i;
	char **refs, **r;

	images_learn_sizes(im);
	images_lock(im);
	i = table_find(im, id);
	if (!i) {
		images_unlock(im);
		return err_kind(e, ERR_NOT_FOUND, "No such image: %s", id);
	}
	*k = (struct known){.tagged_ns = i->tagged_ns, .size = table_size(im, i)};
	memcpy(k->parent, i->parent, DIGEST_MAX);
	if (i->n_chains)
		memcpy(k->top, i->chains[i->n_chains - 1], DIGEST_MAX);
	refs = table_refs_of(im, id);
	images_unlock(im);

	k->tags = json_array();
	k->digests = json_array();
	for (r = refs; *r; r++) {
		cleanup_free char *shown = ref_familiar(*r);

		json_append_str(strchr(*r, '@') ? k->digests : k->tags, shown);
	}
	strv_free(refs);
	return 0;
}

static json_t *graph_json(struct images *im, const char *top)
{
	json_t *j = json_object();

	json_set_new(j, "Data", *top ? layer_graph(im->store, top) : json_null());
	json_set_str(j, "Name", store_driver_name(im->store));
	return j;
}

static json_t *inspect_json(struct images *im, const char *id, const json_t *c, struct known *k)
{
	cleanup_free char *created = time_text(text_of(c, "created"));
	json_t *j = json_object(), *meta = json_object();
	char tagged[CLOCK_RFC3339_MAX];

	json_set_str(j, "Id", id);
	json_set_new(j, "RepoTags", json_incref(k->tags));
	json_set_new(j, "RepoDigests", json_incref(k->digests));
	json_set_str(j, "Parent", k->parent);
	json_set_str(j, "Comment", comment_of(c));
	if (created)
		json_set_str(j, "Created", created);
	if (*text_of(c, "container"))
		json_set_str(j, "Container", text_of(c, "container"));
	json_object_set(j, "ContainerConfig", json_get_ci(c, "container_config"));
	json_set_str(j, "DockerVersion", text_of(c, "docker_version"));
	json_set_str(j, "Author", text_of(c, "author"));
	json_set_str(j, "Architecture", text_of(c, "architecture"));
	if (*text_of(c, "variant"))
		json_set_str(j, "Variant", text_of(c, "variant"));
	json_set_str(j, "Os", *text_of(c, "os") ? text_of(c, "os") : "linux");
	if (*text_of(c, "os.version"))
		json_set_str(j, "OsVersion", text_of(c, "os.version"));
	json_set_int(j, "Size", k->size == SIZE_UNKNOWN ? 0 : k->size);
	json_set_new(j, "GraphDriver", graph_json(im, k->top));
	json_set_new(j, "RootFS", rootfs_json(json_get_ci(c, "rootfs")));
	json_set_str(meta, "LastTagTime", clock_format(k->tagged_ns, tagged));
	json_set_new(j, "Metadata", meta);
	json_set_new(j, "Config", config_json(json_get_ci(c, "config")));
	return j;
}

json_t *images_inspect_json(struct images *im, const char *name, struct err *e)
{
	cleanup_json json_t *config = NULL;
	char id[DIGEST_MAX];
	struct known k;
	json_t *j;

	if (images_resolve(im, name, id, e))
		return NULL;
	config = images_config(im, id, e);
	if (!config || ask_table(im, id, &k, e))
		return NULL;
	j = inspect_json(im, id, config, &k);
	json_decref(k.tags);
	json_decref(k.digests);
	return j;
}

/* --- history ------------------------------------------------------------------------------------ */

/* Sizes of an image's layers, the lowest first; to free(). */
static int64_t *layer_sizes(struct images *im, const char *id, size_t *n)
{
	const struct image *i;
	int64_t *sizes = NULL;
	size_t k;

	*n = 0;
	images_learn_sizes(im);
	images_lock(im);
	i = table_find(im, id);
	if (i) {
		*n = i->n_chains;
		sizes = xcalloc(*n + 1, sizeof(*sizes));
		for (k = 0; k < *n; k++) {
			sizes[k] = table_layer(im, i->chains[k])->size;
			if (sizes[k] == SIZE_UNKNOWN)
				sizes[k] = 0;
		}
	}
	images_unlock(im);
	return sizes;
}

static json_t *step_json(const json_t *step, int64_t size)
{
	json_t *j = json_object();
	int64_t ns = 0;

	if (clock_parse(text_of(step, "created"), &ns))
		ns = 0;
	json_set_str(j, "Comment", text_of(step, "comment"));
	json_set_int(j, "Created", ns / NS_PER_S);
	json_set_str(j, "CreatedBy", text_of(step, "created_by"));
	json_set_str(j, "Id", "<missing>");
	json_set_int(j, "Size", size);
	json_set_new(j, "Tags", json_null());
	return j;
}

/* The newest step first. NULL with @e if more steps than layers claim to have made one. */
static json_t *steps_json(const json_t *history, const int64_t *sizes, size_t n, struct err *e)
{
	json_t *out = json_array(), *step;
	size_t i, layer = 0;

	json_array_foreach(history, i, step) {
		bool empty = json_is_true(json_get_ci(step, "empty_layer"));

		if (!empty && layer == n) {
			json_decref(out);
			err_set(e, 0, "too many non-empty layers in History section");
			return NULL;
		}
		json_array_insert_new(out, 0, step_json(step, empty ? 0 : sizes[layer++]));
	}
	return out;
}

/* The newest steps carry the ids and tags of the image and of those it was made from. */
static void name_steps(struct images *im, json_t *steps, const char *id)
{
	char at[DIGEST_MAX];
	struct known k;
	json_t *step;
	size_t i;

	memcpy(at, id, DIGEST_MAX);
	json_array_foreach(steps, i, step) {
		if (!*at || ask_table(im, at, &k, NULL))
			return;
		json_set_str(step, "Id", at);
		if (json_array_size(k.tags))
			json_object_set(step, "Tags", k.tags);
		json_decref(k.tags);
		json_decref(k.digests);
		memcpy(at, k.parent, DIGEST_MAX);
	}
}

json_t *images_history_json(struct images *im, const char *name, struct err *e)
{
	cleanup_json json_t *config = NULL;
	cleanup_free int64_t *sizes = NULL;
	char id[DIGEST_MAX] = "";
	json_t *steps;
	size_t n;

	if (images_resolve(im, name, id, e))
		return NULL;
	config = images_config(im, id, e);
	if (!config)
		return NULL;
	sizes = layer_sizes(im, id, &n);
	steps = steps_json(json_get_ci(config, "history"), sizes, n, e);
	if (steps)
		name_steps(im, steps, id);
	return steps;
}
