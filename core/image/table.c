/* SPDX-License-Identifier: MIT */
/*
 * core/image/table.c - images, references and layers in memory
 *
 * Theory of operation
 *   Sorted arrays: a store holds hundreds of images, thousands at most, is searched all the time
 *   and changed by hand.  Searching by prefix and listing references in order come for free.
 *   Nothing here does I/O or takes a lock (table.h).
 */
#include "image/table.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* --- one image ---------------------------------------------------------------------------------- */

static void copy_text(char out[16], const json_t *config, const char *key)
{
	const char *s = json_string_value(json_get_ci(config, key));

	snprintf(out, 16, "%s", s ? s : "");
}

static int read_layers(struct image *i, const json_t *config, struct err *e)
{
	const json_t *rootfs = json_get_ci(config, "rootfs"), *ids = json_get_ci(rootfs, "diff_ids"), *id;
	size_t n = json_array_size(ids), k;

	if (!json_is_object(rootfs))
		return err_kind(e, ERR_INVALID, "invalid image JSON, no RootFS key");
	if (n > LAYERS_MAX)
		return err_kind(e, ERR_INVALID, "max depth exceeded: %zu layers, at most %d", n, LAYERS_MAX);
	i->chains = xcalloc(n ? n : 1, sizeof(*i->chains));
	json_array_foreach(ids, k, id) {
		if (!json_is_string(id) || !digest_ok(json_string_value(id)))
			return err_kind(e, ERR_INVALID, "invalid image JSON: layer %zu has no valid digest", k);
		chain_id(k ? i->chains[k - 1] : NULL, json_string_value(id), i->chains[k]);
	}
	i->n_chains = n;
	return 0;
}

/* A step of the history made a layer unless it says not: there may be fewer such steps than layers
 * (some tools write no history), but not more. */
static int check_history(const json_t *config, size_t layers, struct err *e)
{
	const json_t *step;
	size_t i, made = 0;

	json_array_foreach(json_get_ci(config, "history"), i, step)
		made += !json_is_true(json_get_ci(step, "empty_layer"));
	return made <= layers ? 0 :
		err_kind(e, ERR_INVALID, "too many non-empty layers in History section");
}

struct image *image_new(const char *id, const json_t *config, struct err *e)
{
	struct image *i = xcalloc(1, sizeof(*i));
	const char *created = json_string_value(json_get_ci(config, "created"));
	json_t *labels;

	snprintf(i->id, sizeof(i->id), "%s", id);
	copy_text(i->platform.os, config, "os");
	if (!*i->platform.os)
		snprintf(i->platform.os, sizeof(i->platform.os), "linux");
	copy_text(i->platform.arch, config, "architecture");
	copy_text(i->platform.variant, config, "variant");
	if (strcmp(i->platform.os, "linux")) {
		err_kind(e, ERR_INVALID, "cannot load %s image on linux", i->platform.os);
		goto fail;
	}
	if (read_layers(i, config, e) || check_history(config, i->n_chains, e))
		goto fail;
	i->has_created = created && !clock_parse(created, &i->created_ns);
	labels = json_get_ci(json_get_ci(config, "config"), "Labels");
	if (json_object_size(labels))
		i->labels = json_deep_copy(labels);
	return i;
fail:
	image_free(i);
	return NULL;
}

void image_free(struct image *i)
{
	if (!i)
		return;
	json_decref(i->labels);
	free(i->chains);
	free(i);
}

/* --- sorted arrays ------------------------------------------------------------------------------ */

/* Index of the first of @n that is not less than @key; less() compares element @i with it. */
static size_t lower_bound(const struct images *im, size_t n, const char *key,
	int (*cmp)(const struct images *im, size_t i, const char *key))
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (cmp(im, mid, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int cmp_image(const struct images *im, size_t i, const char *key)
{
	return strcmp(im->images[i]->id, key);
}

static int cmp_ref(const struct images *im, size_t i, const char *key)
{
	return strcmp(im->refs[i].name, key);
}

static int cmp_layer(const struct images *im, size_t i, const char *key)
{
	return strcmp(im->layers[i].chain, key);
}

/* Make room for one more element at @at. */
static void *array_open(void *base, size_t *n, size_t at, size_t size)
{
	char *p = xreallocarray(base, *n + 1, size);

	memmove(p + (at + 1) * size, p + at * size, (*n - at) * size);
	memset(p + at * size, 0, size);
	(*n)++;
	return p;
}

static void array_close(void *base, size_t *n, size_t at, size_t size)
{
	char *p = base;

	(*n)--;
	memmove(p + at * size, p + (at + 1) * size, (*n - at) * size);
}

/* --- layers ------------------------------------------------------------------------------------- */

struct layer *table_layer(const struct images *im, const char *chain)
{
	size_t i = lower_bound(im, im->n_layers, chain, cmp_layer);

	return i < im->n_layers && !strcmp(im->layers[i].chain, chain) ? &im->layers[i] : NULL;
}

static struct layer *layer_get(struct images *im, const char *chain)
{
	size_t i = lower_bound(im, im->n_layers, chain, cmp_layer);

	if (i == im->n_layers || strcmp(im->layers[i].chain, chain)) {
		im->layers = array_open(im->layers, &im->n_layers, i, sizeof(*im->layers));
		snprintf(im->layers[i].chain, DIGEST_MAX, "%s", chain);
		im->layers[i].size = SIZE_UNKNOWN;
	}
	return &im->layers[i];
}

/* True if nothing names it any more: then it is out of the table. */
static bool layer_put(struct images *im, struct layer *l)
{
	if (l->images || l->pins)
		return false;
	array_close(im->layers, &im->n_layers, (size_t)(l - im->layers), sizeof(*im->layers));
	return true;
}

int64_t table_size(const struct images *im, const struct image *i)
{
	int64_t sum = 0;
	size_t k;

	for (k = 0; k < i->n_chains; k++) {
		const struct layer *l = table_layer(im, i->chains[k]);

		if (!l || l->size == SIZE_UNKNOWN)
			return SIZE_UNKNOWN;
		sum += l->size;
	}
	return sum;
}

/* --- images ------------------------------------------------------------------------------------- */

struct image *table_find(const struct images *im, const char *id)
{
	size_t i = lower_bound(im, im->n_images, id, cmp_image);

	return i < im->n_images && !strcmp(im->images[i]->id, id) ? im->images[i] : NULL;
}

struct image *table_find_prefix(const struct images *im, const char *hex, bool *ambiguous)
{
	char id[DIGEST_MAX];
	size_t n, i;

	*ambiguous = false;
	if (!*hex || strlen(hex) > ID_LEN || hex[strspn(hex, "0123456789abcdef")])
		return NULL;
	n = (size_t)snprintf(id, sizeof(id), "sha256:%s", hex);
	i = lower_bound(im, im->n_images, id, cmp_image);
	if (i == im->n_images || strncmp(im->images[i]->id, id, n))
		return NULL;
	*ambiguous = i + 1 < im->n_images && !strncmp(im->images[i + 1]->id, id, n);
	return im->images[i];
}

void table_insert(struct images *im, struct image *i)
{
	size_t at = lower_bound(im, im->n_images, i->id, cmp_image), k;

	im->images = array_open(im->images, &im->n_images, at, sizeof(*im->images));
	im->images[at] = i;
	for (k = 0; k < i->n_chains; k++)
		layer_get(im, i->chains[k])->images++;
}

struct image *table_take(struct images *im, struct image *i)
{
	size_t at = lower_bound(im, im->n_images, i->id, cmp_image), k;

	array_close(im->images, &im->n_images, at, sizeof(*im->images));
	for (k = 0; k < i->n_chains; k++) {
		struct layer *l = table_layer(im, i->chains[k]);

		l->images--;
		layer_put(im, l);
	}
	return i;
}

bool table_has_children(const struct images *im, const char *id)
{
	size_t i;

	for (i = 0; i < im->n_images; i++)
		if (!strcmp(im->images[i]->parent, id))
			return true;
	return false;
}

/* --- references --------------------------------------------------------------------------------- */

struct ref *table_ref(const struct images *im, const char *name)
{
	size_t i = lower_bound(im, im->n_refs, name, cmp_ref);

	return i < im->n_refs && !strcmp(im->refs[i].name, name) ? &im->refs[i] : NULL;
}

void table_ref_set(struct images *im, const char *name, const char *id)
{
	size_t i = lower_bound(im, im->n_refs, name, cmp_ref);

	if (i == im->n_refs || strcmp(im->refs[i].name, name)) {
		im->refs = array_open(im->refs, &im->n_refs, i, sizeof(*im->refs));
		im->refs[i].name = xstrdup(name);
	}
	snprintf(im->refs[i].id, DIGEST_MAX, "%s", id);
}

void table_ref_remove(struct images *im, const char *name)
{
	struct ref *r = table_ref(im, name);

	if (!r)
		return;
	free(r->name);
	array_close(im->refs, &im->n_refs, (size_t)(r - im->refs), sizeof(*im->refs));
}

bool ref_is_digest(const struct ref *r)
{
	return strchr(r->name, '@') != NULL;
}

char *ref_familiar(const char *name)
{
	struct imgref r;
	char *s;

	if (imgref_parse(name, &r, NULL))
		return xstrdup(name);
	s = imgref_familiar(&r);
	imgref_release(&r);
	return s;
}

/* Up to the '@', or to the ':' behind the last '/'. */
static size_t repo_len(const char *name)
{
	const char *slash = strrchr(name, '/');

	return (size_t)(slash ? slash - name : 0) + strcspn(slash ? slash : name, ":@");
}

bool ref_same_repo(const char *a, const char *b)
{
	size_t n = repo_len(a);

	return n == repo_len(b) && !memcmp(a, b, n);
}

char **table_refs_of(const struct images *im, const char *id)
{
	char **v = xcalloc(1, sizeof(*v));
	size_t n = 0, i;

	for (i = 0; i < im->n_refs; i++) {
		if (strcmp(im->refs[i].id, id))
			continue;
		v = xreallocarray(v, n + 2, sizeof(*v));
		v[n++] = xstrdup(im->refs[i].name);
		v[n] = NULL;
	}
	return v;
}

/* --- pins --------------------------------------------------------------------------------------- */

struct pin *table_pin(const struct images *im, const char *chain)
{
	size_t i;

	for (i = 0; i < im->n_pins; i++)
		if (!strcmp(im->pins[i].chains[im->pins[i].n_chains - 1], chain))
			return &im->pins[i];
	return NULL;
}

void table_pin_add(struct images *im, const char (*chains)[DIGEST_MAX], size_t n)
{
	struct pin *p = table_pin(im, chains[n - 1]);
	size_t k;

	if (p) {
		p->count++;
		return;
	}
	im->pins = array_open(im->pins, &im->n_pins, im->n_pins, sizeof(*im->pins));
	p = &im->pins[im->n_pins - 1];
	*p = (struct pin){.count = 1, .n_chains = n, .chains = xcalloc(n, sizeof(*p->chains))};
	memcpy(p->chains, chains, n * sizeof(*p->chains));
	for (k = 0; k < n; k++)
		layer_get(im, p->chains[k])->pins++;
}

bool table_pin_remove(struct images *im, const char *chain)
{
	struct pin *p = table_pin(im, chain), gone;
	bool nameless = false;
	size_t k;

	if (!p || --p->count)
		return false;
	gone = *p;
	array_close(im->pins, &im->n_pins, (size_t)(p - im->pins), sizeof(*im->pins));
	for (k = 0; k < gone.n_chains; k++) {
		struct layer *l = table_layer(im, gone.chains[k]);

		l->pins--;
		nameless |= layer_put(im, l);
	}
	free(gone.chains);
	return nameless;
}
