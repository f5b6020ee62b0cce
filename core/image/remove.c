/* SPDX-License-Identifier: MIT */
/*
 * core/image/remove.c - `docker rmi` and `docker image prune`
 *
 * Theory of operation
 *   Removing by name takes that name away; only when it was the last one does the image go.
 *   Removing by id takes all names of one repository away first.  What stands in the way is a
 *   conflict: hard (a running container, an image built on this one) or soft (a stopped container,
 *   other names), and force overrules the soft ones.  The parents of a removed image that have no
 *   name and no use go with it, quietly, unless the caller wants them kept.
 *
 *   An image ends with its config file; layers that lose their last name with it are reported at
 *   once, and removed from disk at the end of the request (images_sweep()).
 */
#include "image/table.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct removal {
	struct images *im;
	const struct images_use *use;
	images_emit *emit;
	void *arg;
	json_t *report;
	int64_t freed; /* bytes of layers that lost their last name */
};

enum {
	CONFLICT_CHILD = 1,
	CONFLICT_RUNNING = 2,
	CONFLICT_NAMED = 4,
	CONFLICT_STOPPED = 8,
	CONFLICT_HARD = CONFLICT_CHILD | CONFLICT_RUNNING,
	CONFLICT_SOFT = CONFLICT_NAMED | CONFLICT_STOPPED,
};

static void report(struct removal *rm, const char *what, const char *name)
{
	json_t *j = json_object();

	json_set_str(j, what, name);
	json_array_append_new(rm->report, j);
}

static size_t users_of(const struct removal *rm, const char *id, char first[13], bool *running)
{
	*first = 0;
	*running = false;
	return rm->use ? rm->use->containers(rm->use->arg, id, first, running) : 0;
}

/* --- names --------------------------------------------------------------------------------------- */

/* Without saving: whoever calls does that when all names are dealt with. */
static void untag(struct removal *rm, const char *id, const char *name, bool tell)
{
	cleanup_free char *shown = ref_familiar(name);

	images_lock(rm->im);
	table_ref_remove(rm->im, name);
	images_unlock(rm->im);
	if (tell)
		rm->emit(rm->arg, "untag", id);
	report(rm, "Untagged", shown);
}

static char **names_of(struct removal *rm, const char *id)
{
	char **refs;

	images_lock(rm->im);
	refs = table_refs_of(rm->im, id);
	images_unlock(rm->im);
	return refs;
}

/* At most one tag, and digests of that repository only. */
static bool is_single(char *const *refs)
{
	const char *tag = NULL, *digest = NULL;
	char *const *r;

	if (!refs[0] || !refs[1])
		return true;
	for (r = refs; *r; r++) {
		if (!strchr(*r, '@')) {
			if (tag)
				return false;
			tag = *r;
		} else if (digest && !ref_same_repo(digest, *r)) {
			return false;
		} else {
			digest = *r;
		}
	}
	return !tag || (digest && ref_same_repo(tag, digest));
}

/* The last tag of a repository takes the repository's digests with it. */
static void untag_digests(struct removal *rm, const char *id, const char *name)
{
	char **refs = names_of(rm, id), **r;
	bool tagged = false;

	for (r = refs; *r; r++)
		tagged |= !strchr(*r, '@') && ref_same_repo(*r, name);
	for (r = refs; *r && !tagged; r++)
		if (ref_same_repo(*r, name))
			untag(rm, id, *r, false);
	strv_free(refs);
}

/* --- conflicts ------------------------------------------------------------------------------------ */

static int conflict(const char *id, bool hard, struct err *e, const char *why, const char *who)
{
	return err_kind(e, ERR_CONFLICT, "conflict: unable to delete %.12s (%s) - %s%s", digest_hex(id),
		hard ? "cannot be forced" : "must be forced", why, who);
}

/* -1 with @e if something stands in the way; *used if it is a container. */
static int check_conflicts(struct removal *rm, const char *id, int mask, bool *used, struct err *e)
{
	bool children, named, running;
	char first[13];
	size_t users, i;

	*used = false;
	images_lock(rm->im);
	children = table_has_children(rm->im, id);
	for (i = 0, named = false; i < rm->im->n_refs && !named; i++)
		named = !strcmp(rm->im->refs[i].id, id);
	images_unlock(rm->im);
	if ((mask & CONFLICT_CHILD) && children)
		return conflict(id, true, e, "image has dependent child images", "");
	users = users_of(rm, id, first, &running);
	if ((mask & CONFLICT_RUNNING) && users && running) {
		*used = true;
		return conflict(id, true, e, "image is being used by running container ", first);
	}
	if ((mask & CONFLICT_NAMED) && named)
		return conflict(id, false, e, "image is referenced in multiple repositories", "");
	if ((mask & CONFLICT_STOPPED) && users && !running) {
		*used = true;
		return conflict(id, false, e, "image is being used by stopped container ", first);
	}
	return 0;
}

/* --- the image ------------------------------------------------------------------------------------ */

/* Layers that only this image names, the highest first: an array of chain ids. Under the lock. */
static json_t *own_layers(struct removal *rm, const struct image *i)
{
	json_t *out = json_array();
	const struct layer *l;
	size_t k;

	for (k = i->n_chains; k-- > 0;) {
		l = table_layer(rm->im, i->chains[k]);
		if (l->images > 1 || l->pins)
			break;
		json_append_str(out, l->chain);
		rm->freed += l->size == SIZE_UNKNOWN ? 0 : l->size;
	}
	return out;
}

static bool is_named(struct removal *rm, const char *id)
{
	char **refs = names_of(rm, id);
	bool yes = refs[0] != NULL;

	strv_free(refs);
	return yes;
}

/* Out of the table; its own layers are returned, and the parent in @parent. */
static json_t *take_out(struct removal *rm, const char *id, char parent[DIGEST_MAX])
{
	struct images *im = rm->im;
	json_t *layers = NULL;
	struct image *i;

	images_lock(im);
	i = table_find(im, id);
	if (i) {
		memcpy(parent, i->parent, DIGEST_MAX);
		layers = own_layers(rm, i);
		image_free(table_take(im, i));
	}
	images_unlock(im);
	return layers;
}

/* Config, table, refs.json, in that order. Its own layers, or NULL with @e: it is gone already
 * (ERR_NOT_FOUND), or somebody has just given it a name (ERR_CONFLICT). */
static json_t *erase(struct removal *rm, const char *id, char parent[DIGEST_MAX], struct err *e)
{
	struct images *im = rm->im;
	char file[DIGEST_MAX + 8], manifest[DIGEST_MAX + 16];
	json_t *layers = NULL;

	image_file(id, file);
	image_manifest_file(id, manifest);
	pthread_mutex_lock(&im->saving);
	if (is_named(rm, id)) {
		conflict(id, false, e, "image is referenced in multiple repositories", "");
	} else if (unlinkat(im->dirfd, file, 0) && errno != ENOENT) {
		err_set(e, errno, "removing image %.12s", digest_hex(id));
	} else {
		unlinkat(im->dirfd, manifest, 0); /* most have none */
		layers = take_out(rm, id, parent);
		if (!layers)
			err_kind(e, ERR_NOT_FOUND, "No such image: %s", id);
		else if (images_save_locked(im, e))
			/* The image is gone all the same; so will its names be when they are read again. */
			log_err(e, "after removing image %.12s", digest_hex(id));
	}
	pthread_mutex_unlock(&im->saving);
	return layers;
}

static bool is_dangling(struct removal *rm, const char *id)
{
	bool children;

	images_lock(rm->im);
	children = table_has_children(rm->im, id);
	images_unlock(rm->im);
	return !children && !is_named(rm, id);
}

/* The image and, with @prune, its useless parents. @quiet: conflicts are no error (a name was removed). */
static int delete_image(struct removal *rm, const char *id_in, bool force, bool prune, bool quiet, struct err *e)
{
	char id[DIGEST_MAX], parent[DIGEST_MAX] = "";
	int depth;

	memcpy(id, id_in, DIGEST_MAX);
	for (depth = 0; depth < LAYERS_MAX; depth++) {
		int mask = CONFLICT_HARD | (force ? 0 : CONFLICT_SOFT);
		char **refs, **r;
		json_t *layers, *chain;
		size_t k;
		bool used;

		if (check_conflicts(rm, id, mask, &used, e))
			return quiet && (!is_dangling(rm, id) || used) ? 0 : -1;
		refs = names_of(rm, id);
		for (r = refs; *r; r++)
			untag(rm, id, *r, true);
		strv_free(refs);
		layers = erase(rm, id, parent, e);
		if (!layers)
			return quiet && (e->kind == ERR_CONFLICT || e->kind == ERR_NOT_FOUND) ? 0 : -1;
		rm->emit(rm->arg, "delete", id);
		report(rm, "Deleted", id);
		json_array_foreach(layers, k, chain)
			report(rm, "Deleted", json_string_value(chain));
		json_decref(layers);
		if (!prune || !*parent)
			return 0;
		memcpy(id, parent, DIGEST_MAX);
		force = false;
		quiet = true;
	}
	return 0;
}

/* --- DELETE --------------------------------------------------------------------------------------- */

/* A name was given: 1 if the image is to go too, 0 if that was all, -1 with @e. */
static int remove_name(struct removal *rm, const char *name, const char *id, bool force, struct err *e)
{
	cleanup_free char *key = NULL;
	char **refs = names_of(rm, id);
	struct imgref ref;
	char first[13];
	bool running;

	if (!force && is_single(refs) && users_of(rm, id, first, &running)) {
		strv_free(refs);
		return err_kind(e, ERR_CONFLICT, "conflict: unable to remove repository reference \"%s\" (must force)"
			" - container %s is using its referenced image %.12s", name, first, digest_hex(id));
	}
	strv_free(refs);
	if (imgref_parse(name, &ref, e))
		return -1;
	key = ref_key(&ref);
	imgref_release(&ref);
	untag(rm, id, key, true);
	if (!strchr(key, '@'))
		untag_digests(rm, id, key);
	if (images_save(rm->im, e))
		return -1;
	return !is_named(rm, id);
}

/* An id was given: names of one repository go with it. */
static int remove_names(struct removal *rm, const char *id, bool force, struct err *e)
{
	int mask = CONFLICT_HARD | (force ? 0 : CONFLICT_STOPPED);
	char **refs = names_of(rm, id), **r;
	bool used;
	int rc = 0;

	if (is_single(refs)) {
		rc = check_conflicts(rm, id, mask, &used, e);
		for (r = refs; *r && !rc; r++)
			untag(rm, id, *r, true);
	}
	strv_free(refs);
	return rc;
}

static int remove_image(struct removal *rm, const char *name, bool force, bool prune, struct err *e)
{
	char id[DIGEST_MAX];
	bool by_name;
	int rc;

	if (images_resolve_how(rm->im, name, id, &by_name, e))
		return -1;
	if (by_name) {
		rc = remove_name(rm, name, id, force, e);
		if (rc <= 0)
			return rc;
	} else if (remove_names(rm, id, force, e)) {
		return -1;
	}
	return delete_image(rm, id, force, prune, by_name, e);
}

json_t *images_remove_json(struct images *im, const char *name, bool force, bool noprune,
	const struct images_use *use, images_emit *emit, void *arg, struct err *e)
{
	struct removal rm = {.im = im, .use = use, .emit = emit, .arg = arg, .report = json_array()};
	int rc;

	rc = remove_image(&rm, name, force, !noprune, e);
	images_sweep(im);
	if (!rc)
		return rm.report;
	json_decref(rm.report);
	return NULL;
}

/* --- prune ----------------------------------------------------------------------------------------- */

struct prune {
	bool dangling_only, has_until;
	int64_t until;
	const json_t *labels, *not_labels;
};

static int prune_by(const json_t *filters, struct prune *p, struct err *e)
{
	static const char *const known[] = {"dangling", "label", "label!", "until", NULL};
	const json_t *until = json_arr(filters, "until");

	*p = (struct prune){.labels = json_arr(filters, "label"), .not_labels = json_arr(filters, "label!")};
	if (image_filters_known(filters, known, e) ||
		image_filter_bool(filters, "dangling", true, &p->dangling_only, e))
		return -1;
	if (json_array_size(until) > 1)
		return err_set(e, 0, "more than one until filter specified");
	p->has_until = json_array_size(until) == 1;
	return p->has_until ? image_filter_time(json_string_value(json_array_get(until, 0)), &p->until, e) : 0;
}

static bool to_prune(const struct images *im, const struct image *i, const struct prune *p)
{
	bool named = false, tagged = false;
	size_t k;

	for (k = 0; k < im->n_refs; k++) {
		if (strcmp(im->refs[k].id, i->id))
			continue;
		named = true;
		tagged |= !ref_is_digest(&im->refs[k]);
	}
	if ((p->dangling_only || !named) && table_has_children(im, i->id))
		return false;
	if (p->dangling_only && tagged)
		return false;
	if (p->has_until && (!i->has_created || i->created_ns > p->until))
		return false;
	if (p->not_labels && image_filter_labels(p->not_labels, i->labels))
		return false;
	return image_filter_labels(p->labels, i->labels);
}

/* Ids of what is to go: an array of strings. */
static json_t *candidates(struct images *im, const struct prune *p)
{
	json_t *ids = json_array();
	size_t i;

	images_lock(im);
	for (i = 0; i < im->n_images; i++)
		if (to_prune(im, im->images[i], p))
			json_append_str(ids, im->images[i]->id);
	images_unlock(im);
	return ids;
}

/* By each of its names, or by its id if it has none. What is in use stays. */
static void prune_one(struct removal *rm, const char *id)
{
	char **refs = names_of(rm, id), **r;
	struct err e = ERR_INIT;

	for (r = refs; *r; r++)
		if (remove_image(rm, *r, false, true, &e))
			log_debug("prune: %s: %s", *r, e.msg);
	if (!refs[0] && remove_image(rm, id, false, true, &e))
		log_debug("prune: %s: %s", id, e.msg);
	strv_free(refs);
}

json_t *images_prune_json(struct images *im, const json_t *filters, const struct images_use *use,
	images_emit *emit, void *arg, struct err *e)
{
	struct removal rm = {.im = im, .use = use, .emit = emit, .arg = arg};
	cleanup_json json_t *ids = NULL;
	const json_t *id;
	struct prune p;
	json_t *j;
	size_t i;

	if (prune_by(filters, &p, e))
		return NULL;
	rm.report = json_array();
	images_learn_sizes(im);
	ids = candidates(im, &p);
	json_array_foreach(ids, i, id)
		prune_one(&rm, json_string_value(id));
	images_sweep(im);
	j = json_object();
	if (!json_array_size(rm.report)) {
		json_decref(rm.report);
		rm.report = json_null();
	}
	json_set_new(j, "ImagesDeleted", rm.report);
	json_set_int(j, "SpaceReclaimed", rm.freed);
	return j;
}
