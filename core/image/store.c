/* SPDX-License-Identifier: MIT */
/*
 * core/image/store.c - the store of images: on disk, in memory, and the life of layers
 *
 * Theory of operation
 *   An image is there when its config file is, so that file is the last to be written and the
 *   first to be removed; refs.json follows.  Reading them back at start forgives what a crash in
 *   between leaves: references without an image are dropped, layers without a name removed.
 *
 *   Each driver has its own images (image/<driver>/), as their layers are its own: who switches
 *   drivers and back finds everything as it was.
 *
 *   Removing layers takes time on disk, so it happens outside the lock: sweep() compares what is
 *   there with what is named, and im->sweeping keeps holds from beginning meanwhile.  While there
 *   are holds, layers may be there that have no name yet: then the last hold sweeps.  A pull that did not get
 *   to its end leaves whole layers without a name and pieces of blobs; they stay for the next pull to go on
 *   from, until an image is removed, images are pruned, or the disk is full.
 */
#include "image/table.h"
#include "storage/partial.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REFS_FILE "refs.json"
#define REFS_MAX (64 << 20) /* bytes */

void images_lock(struct images *im)
{
	pthread_mutex_lock(&im->lock);
}

void images_unlock(struct images *im)
{
	pthread_mutex_unlock(&im->lock);
}

void image_file(const char *id, char out[DIGEST_MAX + 8])
{
	snprintf(out, DIGEST_MAX + 8, "%s.json", digest_hex(id));
}

void image_manifest_file(const char *id, char out[DIGEST_MAX + 16])
{
	snprintf(out, DIGEST_MAX + 16, "%s.manifest", digest_hex(id));
}

/* --- refs.json ---------------------------------------------------------------------------------- */

static json_t *refs_json(struct images *im)
{
	json_t *j = json_object(), *refs = json_object(), *more = json_object();
	size_t i;

	images_lock(im);
	for (i = 0; i < im->n_refs; i++)
		json_set_str(refs, im->refs[i].name, im->refs[i].id);
	for (i = 0; i < im->n_images; i++) {
		const struct image *image = im->images[i];
		json_t *m;

		if (!*image->parent && !image->tagged_ns)
			continue;
		m = json_object();
		if (*image->parent)
			json_set_str(m, "parent", image->parent);
		if (image->tagged_ns)
			json_set_int(m, "tagged", image->tagged_ns);
		json_set_new(more, image->id, m);
	}
	images_unlock(im);
	json_set_new(j, "refs", refs);
	json_set_new(j, "images", more);
	return j;
}

int images_save_locked(struct images *im, struct err *e)
{
	cleanup_json json_t *j = refs_json(im);

	return json_save_at(im->dirfd, REFS_FILE, j, FILE_SYNC, e);
}

int images_save(struct images *im, struct err *e)
{
	int rc;

	pthread_mutex_lock(&im->saving);
	rc = images_save_locked(im, e);
	pthread_mutex_unlock(&im->saving);
	return rc;
}

static void load_refs(struct images *im, const json_t *j)
{
	struct image *image;
	const char *key;
	json_t *v;

	json_object_foreach(json_obj(j, "refs"), key, v) {
		if (json_is_string(v) && table_find(im, json_string_value(v)))
			table_ref_set(im, key, json_string_value(v));
		else
			log_warn("image %s: the image it stands for is not there, forgetting the name", key);
	}
	json_object_foreach(json_obj(j, "images"), key, v) {
		image = table_find(im, key);
		if (!image)
			continue;
		image->tagged_ns = json_int(v, "tagged", 0);
		if (digest_ok(json_str(v, "parent", "")))
			snprintf(image->parent, DIGEST_MAX, "%s", json_str(v, "parent", ""));
	}
}

/* --- opening ------------------------------------------------------------------------------------ */

static void load_image(struct images *im, const char *file)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *config = NULL;
	char hex[ID_LEN + 1], id[DIGEST_MAX];
	struct err e = ERR_INIT;
	struct image *i;

	if (strlen(file) != ID_LEN + 5 || strcmp(file + ID_LEN, ".json"))
		return;
	snprintf(hex, sizeof(hex), "%.*s", ID_LEN, file);
	if (!is_hex64(hex))
		return;
	if (file_read_at(im->dirfd, file, CONFIG_MAX, &text, &e))
		goto bad;
	sha256_digest_of(text.p, text.n, id);
	if (strcmp(digest_hex(id), hex)) {
		err_kind(&e, ERR_FAILED, "%s was changed or is damaged", file);
		goto bad;
	}
	config = json_parse(text.p, text.n, &e);
	i = config ? image_new(id, config, &e) : NULL;
	if (!i)
		goto bad;
	if (i->n_chains && !layer_exists(im->store, i->chains[i->n_chains - 1])) {
		image_free(i);
		err_kind(&e, ERR_FAILED, "its layers are not there");
		goto bad;
	}
	table_insert(im, i);
	return;
bad:
	log_err(&e, "leaving out image %.12s", hex);
}

static int load_all(struct images *im, struct err *e)
{
	cleanup_closedir DIR *d = NULL;
	cleanup_json json_t *refs = NULL;
	struct dirent *de;
	int fd = openat(im->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		err_set(e, errno, "reading the images");
		fd_close(&fd);
		return -1;
	}
	while ((de = readdir(d)))
		load_image(im, de->d_name);
	if (!fs_exists_at(im->dirfd, REFS_FILE))
		return 0;
	refs = json_load_at(im->dirfd, REFS_FILE, REFS_MAX, e);
	if (!refs)
		return err_wrap(e, "reading the names of images");
	load_refs(im, refs);
	return 0;
}

static int open_dir(struct images *im, int datafd, struct err *e)
{
	cleanup_free char *path = fs_join("image", store_driver_name(im->store));

	if (fs_mkdir_p_at(datafd, path, 0700, e))
		return -1;
	im->dirfd = openat(datafd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return im->dirfd < 0 ? err_set(e, errno, "opening %s", path) : 0;
}

struct images *images_open(int datafd, struct store *store, const json_t *keep, struct err *e)
{
	struct images *im = xcalloc(1, sizeof(*im));
	struct err why = ERR_INIT;
	const json_t *chain;
	size_t i;

	im->store = store;
	im->dirfd = -1;
	pthread_mutex_init(&im->saving, NULL);
	pthread_mutex_init(&im->sweeping, NULL);
	pthread_mutex_init(&im->lock, NULL);
	if (open_dir(im, datafd, e) || load_all(im, e)) {
		images_close(im);
		return NULL;
	}
	json_array_foreach(keep, i, chain)
		if (images_pin(im, json_string_value(chain), &why))
			log_err(&why, "a container's image");
	return im;
}

void images_close(struct images *im)
{
	size_t i;

	if (!im)
		return;
	for (i = 0; i < im->n_images; i++)
		image_free(im->images[i]);
	for (i = 0; i < im->n_refs; i++)
		free(im->refs[i].name);
	for (i = 0; i < im->n_pins; i++)
		free(im->pins[i].chains);
	free(im->images);
	free(im->refs);
	free(im->layers);
	free(im->pins);
	fd_close(&im->dirfd);
	free(im);
}

/* --- the life of layers ------------------------------------------------------------------------- */

/* What is on disk and has no name. An array of strings. */
static json_t *nameless_layers(struct images *im)
{
	cleanup_json json_t *all = layer_list(im->store);
	json_t *out = json_array(), *chain;
	size_t i;

	images_lock(im);
	json_array_foreach(all, i, chain)
		if (!table_layer(im, json_string_value(chain)))
			json_array_append(out, chain);
	images_unlock(im);
	return out;
}

static bool may_sweep(struct images *im)
{
	bool yes;

	images_lock(im);
	yes = im->holds == 0;
	im->garbage = !yes;
	images_unlock(im);
	return yes;
}

void images_sweep(struct images *im)
{
	cleanup_json json_t *gone = NULL;
	struct err e = ERR_INIT;
	const json_t *chain;
	size_t i;

	pthread_mutex_lock(&im->sweeping);
	if (may_sweep(im)) {
		gone = nameless_layers(im);
		json_array_foreach(gone, i, chain)
			if (layer_remove(im->store, json_string_value(chain), &e))
				log_err(&e, "removing an unused layer");
		partial_remove_all(im->store);
	}
	pthread_mutex_unlock(&im->sweeping);
}

void images_hold(struct images *im)
{
	pthread_mutex_lock(&im->sweeping);
	images_lock(im);
	im->holds++;
	images_unlock(im);
	pthread_mutex_unlock(&im->sweeping);
}

void images_unhold(struct images *im)
{
	bool due;

	images_lock(im);
	due = --im->holds == 0 && im->garbage;
	images_unlock(im);
	if (due)
		images_sweep(im);
}

/* Pin @chain with what a table says lies below it. */
static bool pin_known(struct images *im, const char *chain)
{
	const struct pin *p = table_pin(im, chain);
	size_t i, k;

	if (p) {
		table_pin_add(im, (const char(*)[DIGEST_MAX])p->chains, p->n_chains);
		return true;
	}
	for (i = 0; i < im->n_images; i++) {
		const struct image *image = im->images[i];

		for (k = 0; k < image->n_chains; k++) {
			if (strcmp(image->chains[k], chain))
				continue;
			table_pin_add(im, (const char(*)[DIGEST_MAX])image->chains, k + 1);
			return true;
		}
	}
	return false;
}

/* The image is gone, the layer is not: what lies below it is known on disk. */
static int pin_from_disk(struct images *im, const char *chain, struct err *e)
{
	char chains[LAYERS_MAX][DIGEST_MAX];
	size_t at = LAYERS_MAX;
	struct layer_info info = {.parent = ""};

	snprintf(info.parent, sizeof(info.parent), "%s", chain);
	while (*info.parent) {
		if (!at)
			return err_kind(e, ERR_FAILED, "layer %s lies on too many others", chain);
		snprintf(chains[--at], DIGEST_MAX, "%s", info.parent);
		if (layer_stat(im->store, chains[at], &info, e))
			return -1;
	}
	images_lock(im);
	table_pin_add(im, (const char(*)[DIGEST_MAX])(chains + at), LAYERS_MAX - at);
	images_unlock(im);
	return 0;
}

int images_pin(struct images *im, const char *chain, struct err *e)
{
	bool known;

	if (!chain || !*chain)
		return 0;
	images_lock(im);
	known = pin_known(im, chain);
	images_unlock(im);
	if (known)
		return 0;
	if (!layer_exists(im->store, chain))
		return err_kind(e, ERR_NOT_FOUND, "layer %s is not there any more", chain);
	return pin_from_disk(im, chain, e);
}

void images_unpin(struct images *im, const char *chain)
{
	bool nameless;

	if (!chain || !*chain)
		return;
	images_lock(im);
	nameless = table_pin_remove(im, chain);
	images_unlock(im);
	if (nameless)
		images_sweep(im);
}

void images_learn_sizes(struct images *im)
{
	cleanup_json json_t *unknown = json_array();
	struct layer_info info;
	struct layer *l;
	const char *chain;
	json_t *v;
	size_t i;

	images_lock(im);
	for (i = 0; i < im->n_layers; i++)
		if (im->layers[i].size == SIZE_UNKNOWN)
			json_append_str(unknown, im->layers[i].chain);
	images_unlock(im);
	json_array_foreach(unknown, i, v) {
		chain = json_string_value(v);
		if (layer_stat(im->store, chain, &info, NULL))
			info.size = 0;
		images_lock(im);
		l = table_layer(im, chain);
		if (l)
			l->size = info.size;
		images_unlock(im);
	}
}

int64_t images_layers_size(struct images *im)
{
	int64_t sum = 0;
	size_t i;

	images_learn_sizes(im);
	images_lock(im);
	for (i = 0; i < im->n_layers; i++)
		sum += im->layers[i].size;
	images_unlock(im);
	return sum;
}

/* --- entering images ---------------------------------------------------------------------------- */

static int check_layers(struct images *im, const struct image *i, struct err *e)
{
	size_t k;

	for (k = 0; k < i->n_chains; k++)
		if (!layer_exists(im->store, i->chains[k]))
			return err_kind(e, ERR_CONFLICT, "layer %zu of image %.12s is not there", k,
				digest_hex(i->id));
	return 0;
}

/* Write the config and put the image into the table: its life begins with both or neither. Under
 * im->saving; @i is taken over. */
static int enter(struct images *im, struct image *i, const char *config, size_t n, struct err *e)
{
	char file[DIGEST_MAX + 8];
	bool there;

	image_file(i->id, file);
	images_lock(im);
	there = table_find(im, i->id) != NULL;
	images_unlock(im);
	if (there || file_write_at(im->dirfd, file, config, n, 0600, FILE_SYNC, e)) {
		image_free(i);
		return there ? 0 : -1;
	}
	images_lock(im);
	table_insert(im, i);
	images_unlock(im);
	return 0;
}

/* The image a config describes, its layers being there. NULL with @e. */
static struct image *described(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e)
{
	cleanup_json json_t *j = NULL;
	struct image *i;

	if (n > CONFIG_MAX) {
		err_kind(e, ERR_INVALID, "the image's config is longer than %d bytes", CONFIG_MAX);
		return NULL;
	}
	sha256_digest_of(config, n, id);
	j = json_parse(config, n, e);
	i = j ? image_new(id, j, e) : NULL;
	if (i && check_layers(im, i, e)) {
		image_free(i);
		return NULL;
	}
	return i;
}

int images_commit(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e)
{
	struct image *i = described(im, config, n, id, e);
	int rc;

	if (!i)
		return -1;
	pthread_mutex_lock(&im->saving);
	rc = enter(im, i, config, n, e);
	pthread_mutex_unlock(&im->saving);
	return rc;
}

static bool set_parent(struct images *im, const char *id, const char *parent)
{
	struct image *i;

	images_lock(im);
	i = table_find(im, id);
	if (i && strcmp(id, parent) && table_find(im, parent))
		snprintf(i->parent, DIGEST_MAX, "%s", parent);
	images_unlock(im);
	return i != NULL;
}

int images_set_parent(struct images *im, const char *id, const char *parent, struct err *e)
{
	if (!set_parent(im, id, parent))
		return err_kind(e, ERR_NOT_FOUND, "No such image: %s", id);
	return images_save(im, e);
}

char *ref_key(const struct imgref *ref)
{
	struct imgref r = *ref;

	if (r.digest)
		r.tag = NULL;
	else if (!r.tag)
		r.tag = (char *)(uintptr_t) "latest";
	return imgref_canonical(&r);
}

/* Both under im->saving; the former id, or "", goes to @before. */
static int point(struct images *im, const char *key, const char *id, char before[DIGEST_MAX], struct err *e)
{
	struct image *i;
	struct ref *r;

	images_lock(im);
	i = table_find(im, id);
	r = table_ref(im, key);
	snprintf(before, DIGEST_MAX, "%s", r ? r->id : "");
	if (i)
		table_ref_set(im, key, id);
	images_unlock(im);
	return i ? 0 : err_kind(e, ERR_NOT_FOUND, "No such image: %s", id);
}

static void point_back(struct images *im, const char *key, const char *before)
{
	images_lock(im);
	if (*before && table_find(im, before))
		table_ref_set(im, key, before);
	else
		table_ref_remove(im, key);
	images_unlock(im);
}

static void touch(struct images *im, const char *id)
{
	struct image *i;

	images_lock(im);
	i = table_find(im, id);
	if (i)
		i->tagged_ns = clock_real_ns();
	images_unlock(im);
}

int images_tag(struct images *im, const struct imgref *ref, const char *id, struct err *e)
{
	cleanup_free char *key = ref_key(ref);
	char before[DIGEST_MAX];
	int rc;

	pthread_mutex_lock(&im->saving);
	rc = point(im, key, id, before, e);
	if (!rc) {
		touch(im, id);
		rc = images_save_locked(im, e);
		if (rc)
			point_back(im, key, before);
	}
	pthread_mutex_unlock(&im->saving);
	return rc;
}

/* --- asking -------------------------------------------------------------------------------------- */

static int no_such_image(const char *name, bool ambiguous, struct err *e)
{
	err_kind(e, ERR_NOT_FOUND, "No such image: %s", name);
	if (ambiguous)
		err_hint(e, "several images have ids that begin so; more digits tell them apart");
	return -1;
}

static int resolve_id(struct images *im, const char *id_in, char id[DIGEST_MAX], struct err *e)
{
	const struct image *i;

	images_lock(im);
	i = table_find(im, id_in);
	images_unlock(im);
	if (!i)
		return no_such_image(id_in, false, e);
	memmove(id, id_in, strlen(id_in) + 1);
	return 0;
}

int images_resolve_how(struct images *im, const char *name, char id[DIGEST_MAX], bool *by_name, struct err *e)
{
	cleanup_free char *key = NULL, *shown = NULL;
	char full[DIGEST_MAX];
	bool ambiguous = false;
	const struct image *i = NULL;
	const struct ref *r;
	struct imgref ref;

	*by_name = false;
	if (is_hex64(name) || digest_ok(name)) {
		snprintf(full, sizeof(full), "%s%s", digest_ok(name) ? "" : "sha256:", name);
		return resolve_id(im, full, id, e);
	}
	if (imgref_parse(name, &ref, e))
		return -1;
	key = ref_key(&ref);
	imgref_default_tag(&ref);
	shown = imgref_familiar(&ref);
	imgref_release(&ref);

	images_lock(im);
	r = table_ref(im, key);
	if (r)
		snprintf(id, DIGEST_MAX, "%s", r->id);
	else
		i = table_find_prefix(im, strncmp(name, "sha256:", 7) ? name : name + 7, &ambiguous);
	if (i && !ambiguous)
		snprintf(id, DIGEST_MAX, "%s", i->id);
	images_unlock(im);
	*by_name = r != NULL;
	return r || (i && !ambiguous) ? 0 : no_such_image(shown, ambiguous, e);
}

int images_resolve(struct images *im, const char *name, char id[DIGEST_MAX], struct err *e)
{
	bool by_name;

	return images_resolve_how(im, name, id, &by_name, e);
}

json_t *images_config(struct images *im, const char *id, struct err *e)
{
	char file[DIGEST_MAX + 8], known[DIGEST_MAX];
	json_t *j;

	if (!digest_ok(id)) {
		no_such_image(id, false, e);
		return NULL;
	}
	if (resolve_id(im, id, known, e))
		return NULL;
	image_file(id, file);
	j = json_load_at(im->dirfd, file, CONFIG_MAX, e);
	if (!j)
		err_wrap(e, "reading the config of image %.12s", digest_hex(id));
	return j;
}

char *images_platform(struct images *im, const char *id)
{
	const struct image *i;
	char *s;

	images_lock(im);
	i = table_find(im, id);
	s = i ? platform_format(&i->platform) : NULL;
	images_unlock(im);
	return s;
}

json_t *images_labels(struct images *im, const char *id)
{
	const struct image *i;
	json_t *j;

	images_lock(im);
	i = table_find(im, id);
	j = i && i->labels ? json_deep_copy(i->labels) : json_object();
	images_unlock(im);
	return j;
}

int images_top_layer(struct images *im, const char *id, char chain[DIGEST_MAX], struct err *e)
{
	const struct image *i;

	*chain = 0;
	images_lock(im);
	i = table_find(im, id);
	if (i && i->n_chains)
		snprintf(chain, DIGEST_MAX, "%s", i->chains[i->n_chains - 1]);
	images_unlock(im);
	return i ? 0 : no_such_image(id, false, e);
}

size_t images_count(struct images *im)
{
	size_t n;

	images_lock(im);
	n = im->n_images;
	images_unlock(im);
	return n;
}

/* --- what workers made ---------------------------------------------------------------------------- */

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
	if (point(im, key, id, before, e))
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

	if (enter(im, i, config, strlen(config), e))
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
	struct image *i = described(im, config, strlen(config), id, e);
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
		set_parent(im, id, parent);
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
	rc = point(im, key, id, before, e) || (strcmp(before, id) && images_save_locked(im, e)) ? -1 : 0;
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
