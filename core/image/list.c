/* SPDX-License-Identifier: MIT */
/*
 * core/image/list.c - `docker images`: filters, sizes, who uses what
 *
 * Theory of operation
 *   Filters are checked and looked up first (a filter may name an image), then one pass over the
 *   table under its lock picks the images and writes their objects.  The number of containers is
 *   filled in afterwards: that question goes to the engine, which has a lock of its own.
 */
#include "image/table.h"
#include "base/clock.h"

#include <stdlib.h>

/* --- filters -------------------------------------------------------------------------------------- */

/* One "[...]" of a pattern against @c; *pattern moves behind it. */
static bool glob_class(const char **pattern, char c)
{
	const char *p = *pattern + 1;
	bool negated = *p == '^', hit = false;
	char lo, hi;

	p += negated;
	while (*p && *p != ']') {
		p += *p == '\\' && p[1];
		lo = hi = *p++;
		if (*p == '-' && p[1] && p[1] != ']') {
			p++;
			p += *p == '\\' && p[1];
			hi = *p++;
		}
		hit |= lo <= c && c <= hi;
	}
	*pattern = *p ? p + 1 : p;
	return hit != negated;
}

/* One element of a pattern that is no '*' against one character. */
static bool glob_one(const char **pattern, char c)
{
	switch (**pattern) {
	case '?':
		++*pattern;
		return c != '/';
	case '[':
		return glob_class(pattern, c);
	case '\\':
		*pattern += (*pattern)[1] != 0;
		/* fallthrough */
	default:
		return *(*pattern)++ == c;
	}
}

bool image_glob(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
			continue;
		}
		if (*pattern && glob_one(&pattern, *name)) {
			name++;
			continue;
		}
		/* Only the last '*' can take more: what an earlier one took does not matter. But a '*'
		 * ends at '/', and what stands before that is settled. */
		if (!star || *retry == '/')
			return false;
		name = ++retry;
		pattern = star;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

int image_filters_known(const json_t *filters, const char *const *known, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)filters, key, v)
		if (!str_in(key, known))
			return err_kind(e, ERR_INVALID, "invalid filter '%s'", key);
	return 0;
}

static int bad_filter(const char *key, const json_t *values, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		buf_addf(&text, "%s%s", i ? " " : "=[", json_string_value(v));
	return err_kind(e, ERR_INVALID, "invalid filter '%s%s%s'", key, text.p, text.n ? "]" : "");
}

int image_filter_bool(const json_t *filters, const char *key, bool def, bool *v, struct err *e)
{
	const json_t *values = json_object_get(filters, key);
	const char *s = json_string_value(json_array_get(values, 0));

	*v = def;
	if (!values)
		return 0;
	if (json_array_size(values) != 1 || !s)
		return bad_filter(key, values, e);
	*v = !strcmp(s, "1") || !strcmp(s, "true");
	if (*v || !strcmp(s, "0") || !strcmp(s, "false"))
		return 0;
	return bad_filter(key, values, e);
}

int image_filter_time(const char *text, int64_t *ns, struct err *e)
{
	if (!clock_parse_ago(text, ns))
		return 0;
	return err_set(e, 0, "failed to parse value as time or duration: \"%s\"", text);
}

static bool has_label(const char *wanted, const json_t *labels)
{
	const char *eq = strchr(wanted, '='), *have;
	cleanup_free char *key = xstrndup(wanted, eq ? (size_t)(eq - wanted) : strlen(wanted));

	have = json_string_value(json_object_get(labels, key));
	return have && (!eq || !strcmp(have, eq + 1));
}

bool image_filter_labels(const json_t *wanted, const json_t *labels)
{
	const json_t *v;
	size_t i;

	json_array_foreach(wanted, i, v)
		if (!json_is_string(v) || !has_label(json_string_value(v), labels))
			return false;
	return true;
}

/* What a listing selects. */
struct selection {
	bool all, dangling, dangling_asked;
	bool has_before, has_since;
	int64_t before, since; /* ns, neither included */
	const json_t *labels, *references;
};

/* The creation time of an image a filter names; *has is false if it has none. */
static int created_of(struct images *im, const char *name, bool *has, int64_t *ns, struct err *e)
{
	const struct image *i;
	char id[DIGEST_MAX];

	if (images_resolve(im, name, id, e))
		return -1;
	images_lock(im);
	i = table_find(im, id);
	*has = i && i->has_created;
	*ns = *has ? i->created_ns : 0;
	images_unlock(im);
	return 0;
}

/* Several values of "before" or "until" mean the earliest, of "since" the latest. */
static void narrow(bool *has, int64_t *limit, int64_t ns, bool earliest)
{
	if (!*has || (earliest ? ns < *limit : ns > *limit))
		*limit = ns;
	*has = true;
}

static int select_times(struct images *im, const json_t *filters, struct selection *s, struct err *e)
{
	const json_t *v;
	int64_t ns;
	bool has;
	size_t i;

	json_array_foreach(json_arr(filters, "before"), i, v) {
		if (created_of(im, json_string_value(v), &has, &ns, e))
			return -1;
		if (has)
			narrow(&s->has_before, &s->before, ns, true);
	}
	json_array_foreach(json_arr(filters, "until"), i, v) {
		if (image_filter_time(json_string_value(v), &ns, e))
			return -1;
		narrow(&s->has_before, &s->before, ns, true);
	}
	json_array_foreach(json_arr(filters, "since"), i, v) {
		if (created_of(im, json_string_value(v), &has, &ns, e))
			return -1;
		if (has)
			narrow(&s->has_since, &s->since, ns, false);
	}
	return 0;
}

static int select_by(struct images *im, const struct images_list *what, struct selection *s, struct err *e)
{
	static const char *const known[] = {
		"dangling", "label", "before", "since", "reference", "until", NULL,
	};
	const json_t *f = what->filters;

	*s = (struct selection){.all = what->all};
	if (image_filters_known(f, known, e) || image_filter_bool(f, "dangling", false, &s->dangling, e) ||
		select_times(im, f, s, e))
		return -1;
	s->dangling_asked = json_object_get(f, "dangling") != NULL;
	s->labels = json_arr(f, "label");
	s->references = json_arr(f, "reference");
	return 0;
}

static bool selected(const struct image *i, const struct selection *s)
{
	if (s->has_before && (!i->has_created || i->created_ns >= s->before))
		return false;
	if (s->has_since && (!i->has_created || i->created_ns <= s->since))
		return false;
	return !s->labels || image_filter_labels(s->labels, i->labels);
}

static bool reference_selected(const char *familiar, const struct selection *s)
{
	cleanup_free char *repo = xstrdup(familiar);
	char *slash = strrchr(repo, '/');
	const json_t *v;
	size_t i;

	if (!s->references)
		return true;
	slash = slash ? slash : repo;
	slash[strcspn(slash, ":@")] = 0;
	json_array_foreach(s->references, i, v)
		if (image_glob(json_string_value(v), familiar) || image_glob(json_string_value(v), repo))
			return true;
	return false;
}

/* --- the list -------------------------------------------------------------------------------------- */

static void add_references(const struct images *im, const struct image *i, const struct selection *s, json_t *tags,
	json_t *digests)
{
	size_t k;

	for (k = 0; k < im->n_refs; k++) {
		cleanup_free char *shown = NULL;

		if (strcmp(im->refs[k].id, i->id))
			continue;
		shown = ref_familiar(im->refs[k].name);
		if (reference_selected(shown, s))
			json_append_str(ref_is_digest(&im->refs[k]) ? digests : tags, shown);
	}
}

/* Is an image with these names (of those selected) to be shown? */
static bool shown(const struct images *im, const struct image *i, const struct selection *s, size_t tags,
	size_t digests)
{
	if (s->dangling && (tags || table_has_children(im, i->id)))
		return false;
	if (tags || digests)
		return true;
	if (!s->all && table_has_children(im, i->id))
		return false;
	return !(s->dangling_asked && !s->dangling) && !s->references;
}

static int64_t shared_size(const struct images *im, const struct image *i)
{
	int64_t sum = 0;
	size_t k;

	for (k = 0; k < i->n_chains; k++) {
		const struct layer *l = table_layer(im, i->chains[k]);

		if (l->images > 1 && l->size != SIZE_UNKNOWN)
			sum += l->size;
	}
	return sum;
}

static json_t *summary(const struct images *im, const struct image *i, const struct selection *s, bool shared)
{
	json_t *j, *tags = json_array(), *digests = json_array();
	int64_t size = table_size(im, i);

	add_references(im, i, s, tags, digests);
	if (!shown(im, i, s, json_array_size(tags), json_array_size(digests))) {
		json_decref(tags);
		json_decref(digests);
		return NULL;
	}
	j = json_object();
	json_set_int(j, "Containers", -1);
	json_set_int(j, "Created", i->has_created ? i->created_ns / NS_PER_S : 0);
	json_set_str(j, "Id", i->id);
	json_set_new(j, "Labels", i->labels ? json_deep_copy(i->labels) : json_null());
	json_set_str(j, "ParentId", i->parent);
	json_set_new(j, "RepoDigests", digests);
	json_set_new(j, "RepoTags", tags);
	json_set_int(j, "SharedSize", shared ? shared_size(im, i) : -1);
	json_set_int(j, "Size", size == SIZE_UNKNOWN ? 0 : size);
	return j;
}

struct item {
	json_t *j;
	int64_t created_ns;
};

static int newest_first(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	return (a->created_ns < b->created_ns) - (a->created_ns > b->created_ns);
}

static struct item *pick(struct images *im, const struct selection *s, bool shared, size_t *n)
{
	struct item *items;
	size_t i;
	json_t *j;

	*n = 0;
	images_lock(im);
	items = xcalloc(im->n_images + 1, sizeof(*items));
	for (i = 0; i < im->n_images; i++) {
		j = selected(im->images[i], s) ? summary(im, im->images[i], s, shared) : NULL;
		if (j)
			items[(*n)++] = (struct item){j, im->images[i]->has_created ? im->images[i]->created_ns :
				INT64_MIN};
	}
	images_unlock(im);
	return items;
}

static void add_users(json_t *list, const struct images_use *use)
{
	char first[13];
	bool running;
	json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
		json_set_int(j, "Containers",
			(int64_t)use->containers(use->arg, json_str(j, "Id", ""), first, &running));
}

json_t *images_list_json(struct images *im, const struct images_list *what, const struct images_use *use,
	struct err *e)
{
	cleanup_free struct item *items = NULL;
	struct selection s;
	json_t *list;
	size_t n, i;

	if (select_by(im, what, &s, e))
		return NULL;
	images_learn_sizes(im);
	items = pick(im, &s, what->shared_size, &n);
	qsort(items, n, sizeof(*items), newest_first);
	list = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(list, items[i].j);
	if (use)
		add_users(list, use);
	return list;
}
