/* SPDX-License-Identifier: MIT */
/*
 * core/image/store.c - the store of images: opening it, entering images, asking
 *
 * Theory of operation
 *   An image is there when its config file is, so that file is the last to be written and the
 *   first to be removed; refs.json follows.  Reading them back at start forgives what a crash in
 *   between leaves: references without an image are dropped, layers without a name removed.
 *
 *   Each driver has its own images (image/<driver>/), as their layers are its own: who switches
 *   drivers and back finds everything as it was.
 */
#include "image/table.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REFS_FILE "refs.json"
#define REFS_MAX (64 << 20) /* bytes */

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

int image_enter(struct images *im, struct image *i, const char *config, size_t n, struct err *e)
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

struct image *image_described(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e)
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
	struct image *i = image_described(im, config, n, id, e);
	int rc;

	if (!i)
		return -1;
	pthread_mutex_lock(&im->saving);
	rc = image_enter(im, i, config, n, e);
	pthread_mutex_unlock(&im->saving);
	return rc;
}

bool image_set_parent(struct images *im, const char *id, const char *parent)
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
	if (!image_set_parent(im, id, parent))
		return err_kind(e, ERR_NOT_FOUND, "No such image: %s", id);
	return images_save(im, e);
}

int images_parent(struct images *im, const char *id, char parent[DIGEST_MAX])
{
	const struct image *i;

	images_lock(im);
	i = table_find(im, id);
	if (i)
		memcpy(parent, i->parent, DIGEST_MAX);
	images_unlock(im);
	return i ? 0 : -1;
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

int image_point(struct images *im, const char *key, const char *id, char before[DIGEST_MAX], struct err *e)
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
	rc = image_point(im, key, id, before, e);
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
