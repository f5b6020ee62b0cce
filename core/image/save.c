/* SPDX-License-Identifier: MIT */
/*
 * core/image/save.c - images into an archive: `docker save`
 *
 * Theory of operation
 *   The archive is an OCI image layout that also carries manifest.json and repositories, as Docker
 *   writes it since version 25: every loader finds what it knows.  Layers are packed again byte for
 *   byte (layer_pack(), which checks the digest), so the archive's digests are the image's own.
 *
 *   Names are looked up and configs read first: what can be refused is refused before anything is
 *   written.  Then one layer after the other is packed into the archive; its size, which a tar header
 *   needs, was noted when it was unpacked.
 */
#include "image/table.h"
#include "base/clock.h"
#include "base/fs.h"
#include "storage/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"
#define CHUNK (256 << 10)

struct saved { /* one image */
	char id[DIGEST_MAX];
	struct buf config;
	json_t *tags;	  /* canonical names asked for */
	json_t *diff_ids;
	int64_t created_ns;
	size_t n_chains;
	char (*chains)[DIGEST_MAX];
};

struct archive {
	struct images *im;
	struct saved *at;
	size_t n;
	/* while writing */
	struct tar_writer *tar;
	json_t *sizes; /* of layer blobs written: {diff_id: bytes} */
	json_t *written; /* digests of other blobs */
	json_t *index, *manifest, *repositories;
};

/* --- what to save ----------------------------------------------------------------------------------- */

static struct saved *saved_find(struct archive *a, const char *id)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (!strcmp(a->at[i].id, id))
			return &a->at[i];
	return NULL;
}

/* Everything but the tags. */
static int saved_fill(struct archive *a, struct saved *s, struct err *e)
{
	cleanup_json json_t *config = NULL;
	char file[DIGEST_MAX + 8];
	const struct image *i;

	image_file(s->id, file);
	if (file_read_at(a->im->dirfd, file, CONFIG_MAX, &s->config, e))
		return -1;
	config = json_parse(s->config.p, s->config.n, e);
	if (!config)
		return -1;
	s->diff_ids = json_deep_copy(json_get_ci(json_get_ci(config, "rootfs"), "diff_ids"));
	images_lock(a->im);
	i = table_find(a->im, s->id);
	if (i) {
		s->created_ns = i->created_ns;
		s->n_chains = i->n_chains;
		s->chains = xcalloc(i->n_chains + 1, sizeof(*s->chains));
		memcpy(s->chains, i->chains, i->n_chains * sizeof(*s->chains));
	}
	images_unlock(a->im);
	if (i && json_array_size(s->diff_ids) == s->n_chains)
		return 0;
	return err_kind(e, ERR_NOT_FOUND, "No such image: %s", s->id);
}

/* Save that image, under that canonical name if there is one. */
static int add(struct archive *a, const char *id, const char *name, struct err *e)
{
	struct saved *s = saved_find(a, id);
	const json_t *tag;
	size_t i;

	if (!s) {
		a->at = xreallocarray(a->at, a->n + 1, sizeof(*a->at));
		s = &a->at[a->n++];
		*s = (struct saved){.config = BUF_INIT, .tags = json_array()};
		snprintf(s->id, DIGEST_MAX, "%s", id);
		if (saved_fill(a, s, e))
			return -1;
	}
	if (!name || strchr(name, '@'))
		return 0;
	json_array_foreach(s->tags, i, tag)
		if (!strcmp(json_string_value(tag), name))
			return 0;
	json_append_str(s->tags, name);
	return 0;
}

/* All of a repository's: a copy of its references, in pairs name, id. strv_free() it. */
static char **repository(struct images *im, const char *canonical)
{
	char **v = xcalloc(1, sizeof(*v));
	size_t n = 0, i;

	images_lock(im);
	for (i = 0; i < im->n_refs; i++) {
		if (!ref_same_repo(im->refs[i].name, canonical))
			continue;
		v = xreallocarray(v, n + 3, sizeof(*v));
		v[n++] = xstrdup(im->refs[i].name);
		v[n++] = xstrdup(im->refs[i].id);
		v[n] = NULL;
	}
	images_unlock(im);
	return v;
}

static int add_repository(struct archive *a, const char *name, const char *canonical, struct err *e)
{
	char **refs = repository(a->im, canonical), id[DIGEST_MAX];
	bool by_name;
	size_t i;
	int rc = 0;

	for (i = 0; refs[i] && !rc; i += 2)
		rc = add(a, refs[i + 1], refs[i], e);
	if (!refs[0]) {
		rc = images_resolve_how(a->im, name, id, &by_name, NULL);
		rc = rc ? err_kind(e, ERR_NOT_FOUND, "No such image: %s", name) : add(a, id, NULL, e);
	}
	strv_free(refs);
	return rc;
}

static int add_name(struct archive *a, const char *name, struct err *e)
{
	cleanup_free char *key = NULL, *canonical = NULL;
	char id[DIGEST_MAX];
	struct imgref ref;
	bool lone, by_name;

	if (is_hex64(name) || digest_ok(name) || !strncmp(name, "sha256:", 7))
		return images_resolve(a->im, name, id, e) ? -1 : add(a, id, NULL, e);
	if (imgref_parse(name, &ref, e)) {
		e->kind = ERR_FAILED; /* as the real engine answers here */
		return -1;
	}
	lone = !ref.tag && !ref.digest;
	key = ref_key(&ref);
	canonical = imgref_canonical(&ref);
	imgref_release(&ref);
	if (lone)
		return add_repository(a, name, canonical, e);
	if (images_resolve_how(a->im, name, id, &by_name, NULL) || !by_name)
		return err_kind(e, ERR_NOT_FOUND, "reference does not exist");
	return add(a, id, key, e);
}

void images_archive_free(struct archive *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->n; i++) {
		buf_release(&a->at[i].config);
		json_decref(a->at[i].tags);
		json_decref(a->at[i].diff_ids);
		free(a->at[i].chains);
	}
	images_unhold(a->im);
	free(a->at);
	free(a);
}

struct archive *images_archive_new(struct images *im, char *const names[], struct err *e)
{
	struct archive *a = xcalloc(1, sizeof(*a));
	size_t i;

	a->im = im;
	images_hold(im); /* what was found here is still there when it is written */
	for (i = 0; names && names[i]; i++) {
		if (add_name(a, names[i], e)) {
			images_archive_free(a);
			return NULL;
		}
	}
	return a;
}

json_t *images_archive_ids(const struct archive *a)
{
	json_t *ids = json_array();
	size_t i;

	for (i = 0; i < a->n; i++)
		json_append_str(ids, a->at[i].id);
	return ids;
}

/* --- entries ------------------------------------------------------------------------------------------ */

static int put_entry(struct archive *a, char type, const char *name, int64_t size, int64_t mtime_ns, struct err *e)
{
	cleanup_free char *path = xstrdup(name), *none = xstrdup("");
	struct tar_entry entry = {
		.type = type, .path = path, .link = none, .uname = none, .gname = none,
		.mode = type == '5' ? 0755 : 0644, .size = size, .real_size = size,
		.mtime_ns = mtime_ns / NS_PER_S * NS_PER_S, .atime_ns = INT64_MIN,
	};

	return tar_write_entry(a->tar, &entry, e);
}

static int put_text(struct archive *a, const char *name, const char *p, size_t n, int64_t mtime_ns, struct err *e)
{
	return put_entry(a, '0', name, (int64_t)n, mtime_ns, e) || tar_write_data(a->tar, p, n, e) ? -1 : 0;
}

static int put_json(struct archive *a, const char *name, const json_t *j, bool newline, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, newline, &text);
	return put_text(a, name, text.p, text.n, 0, e);
}

static void blob_name(const char *digest, char out[DIGEST_MAX + 16])
{
	snprintf(out, DIGEST_MAX + 16, "blobs/sha256/%s", digest_hex(digest));
}

/* A blob that is text, once. @digest is set. */
static int put_blob(struct archive *a, const char *p, size_t n, int64_t mtime_ns, char digest[DIGEST_MAX], struct err *e)
{
	char name[DIGEST_MAX + 16];

	sha256_digest_of(p, n, digest);
	if (json_object_get(a->written, digest))
		return 0;
	json_set_bool(a->written, digest, true);
	blob_name(digest, name);
	return put_text(a, name, p, n, mtime_ns, e);
}

/* --- layers -------------------------------------------------------------------------------------------- */

static int temp_file(const struct store *store, struct err *e)
{
	char name[64], nonce[ID_LEN + 1];
	int fd = openat(store->datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	random_id(nonce);
	snprintf(name, sizeof(name), "tmp/save-%.16s", nonce);
	fd = openat(store->datafd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "making a file below tmp");
	unlinkat(store->datafd, name, 0);
	return fd;
}

/* Of a layer whose size nobody noted: through a file that tells it. */
static int put_layer_by_file(struct archive *a, const struct saved *s, size_t k, const char *name, int64_t *size,
	struct err *e)
{
	cleanup_close int fd = temp_file(a->im->store, e);
	cleanup_free char *chunk = xmalloc(CHUNK);
	ssize_t n;

	if (fd < 0 || layer_pack(a->im->store, s->chains[k], fd, e))
		return -1;
	*size = lseek(fd, 0, SEEK_END);
	if (*size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, errno, "packing a layer");
	if (put_entry(a, '0', name, *size, s->created_ns, e))
		return -1;
	while ((n = fd_read_full(fd, chunk, CHUNK)) > 0)
		if (tar_write_data(a->tar, chunk, (size_t)n, e))
			return -1;
	return n < 0 ? err_set(e, errno, "reading a layer back") : 0;
}

static int put_data(void *arg, const void *p, size_t n, struct err *e)
{
	return tar_write_data(arg, p, n, e);
}

static int put_layer(struct archive *a, const struct saved *s, size_t k, const char *diff_id, struct err *e)
{
	char name[DIGEST_MAX + 16];
	struct layer_info info;
	int rc;

	blob_name(diff_id, name);
	if (layer_stat(a->im->store, s->chains[k], &info, e))
		return -1;
	if (info.archive_size)
		rc = put_entry(a, '0', name, info.archive_size, s->created_ns, e) ||
		     layer_pack_to(a->im->store, s->chains[k], put_data, a->tar, e) ? -1 : 0;
	else
		rc = put_layer_by_file(a, s, k, name, &info.archive_size, e);
	if (!rc)
		json_set_int(a->sizes, diff_id, info.archive_size);
	return rc;
}

/* --- one image ------------------------------------------------------------------------------------------ */

static json_t *descriptor(const char *type, const char *digest, int64_t size)
{
	json_t *j = json_object();

	json_set_str(j, "mediaType", type);
	json_set_str(j, "digest", digest);
	json_set_int(j, "size", size);
	return j;
}

static json_t *manifest_json(const struct archive *a, const struct saved *s)
{
	json_t *j = json_object(), *layers = json_array();
	const json_t *id;
	size_t i;

	json_array_foreach(s->diff_ids, i, id)
		json_array_append_new(layers, descriptor(LAYER_TYPE, json_string_value(id),
			json_int(a->sizes, json_string_value(id), 0)));
	json_set_int(j, "schemaVersion", 2);
	json_set_str(j, "mediaType", MANIFEST_TYPE);
	json_set_new(j, "config", descriptor(CONFIG_TYPE, s->id, (int64_t)s->config.n));
	json_set_new(j, "layers", layers);
	return j;
}

/* index.json's line for the image, or one for each of its tags. */
static void add_to_index(struct archive *a, const struct saved *s, const char *digest, int64_t size)
{
	const json_t *tag;
	json_t *d, *notes;
	size_t i;

	if (!json_array_size(s->tags))
		json_array_append_new(a->index, descriptor(MANIFEST_TYPE, digest, size));
	json_array_foreach(s->tags, i, tag) {
		d = descriptor(MANIFEST_TYPE, digest, size);
		notes = json_object();
		json_set_str(notes, "io.containerd.image.name", json_string_value(tag));
		json_set_str(notes, "org.opencontainers.image.ref.name", strrchr(json_string_value(tag), ':') + 1);
		json_set_new(d, "annotations", notes);
		json_array_append_new(a->index, d);
	}
}

static void add_to_manifest(struct archive *a, const struct saved *s)
{
	json_t *j = json_object(), *tags = json_array(), *layers = json_array(), *sources = json_object(), *source;
	char name[DIGEST_MAX + 16];
	const json_t *v;
	size_t i;

	json_array_foreach(s->tags, i, v) {
		cleanup_free char *shown = ref_familiar(json_string_value(v));

		json_append_str(tags, shown);
	}
	json_array_foreach(s->diff_ids, i, v) {
		blob_name(json_string_value(v), name);
		json_append_str(layers, name);
		source = json_object();
		json_set_str(source, "mediaType", LAYER_TYPE);
		json_set_int(source, "size", json_int(a->sizes, json_string_value(v), 0));
		json_set_str(source, "digest", json_string_value(v));
		json_set_new(sources, json_string_value(v), source);
	}
	blob_name(s->id, name);
	json_set_str(j, "Config", name);
	if (!json_array_size(tags)) {
		json_decref(tags);
		tags = json_null();
	}
	json_set_new(j, "RepoTags", tags);
	json_set_new(j, "Layers", layers);
	json_set_new(j, "LayerSources", sources);
	json_array_append_new(a->manifest, j);
}

/* {"repository": {"tag": top layer}}: what very old loaders look for. */
static void add_to_repositories(struct archive *a, const struct saved *s)
{
	const char *top = json_string_value(json_array_get(s->diff_ids, json_array_size(s->diff_ids) - 1));
	const json_t *v;
	json_t *tags;
	size_t i;

	json_array_foreach(s->tags, i, v) {
		cleanup_free char *name = ref_familiar(json_string_value(v));
		char *colon = strrchr(name, ':');

		*colon = 0;
		tags = json_obj(a->repositories, name);
		if (!tags) {
			tags = json_object();
			json_set_new(a->repositories, name, tags);
		}
		json_set_str(tags, colon + 1, top ? digest_hex(top) : "");
	}
}

static int put_image(struct archive *a, const struct saved *s, struct err *e)
{
	cleanup_json json_t *manifest = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	char digest[DIGEST_MAX];
	const json_t *id;
	size_t i;

	json_array_foreach(s->diff_ids, i, id)
		if (!json_object_get(a->sizes, json_string_value(id)) &&
			put_layer(a, s, i, json_string_value(id), e))
			return -1;
	if (put_blob(a, s->config.p, s->config.n, s->created_ns, digest, e))
		return -1;
	manifest = manifest_json(a, s);
	json_print(manifest, false, &text);
	if (put_blob(a, text.p, text.n, s->created_ns, digest, e))
		return -1;
	add_to_index(a, s, digest, (int64_t)text.n);
	add_to_manifest(a, s);
	add_to_repositories(a, s);
	return 0;
}

/* --- the archive ------------------------------------------------------------------------------------------ */

static int put_lists(struct archive *a, struct err *e)
{
	cleanup_json json_t *index = json_object(), *layout = json_object(), *nothing = json_null();

	json_set_int(index, "schemaVersion", 2);
	json_set_str(index, "mediaType", INDEX_TYPE);
	json_object_set(index, "manifests", a->n ? a->index : nothing);
	json_set_str(layout, "imageLayoutVersion", "1.0.0");
	if (put_json(a, "index.json", index, false, e) ||
		put_json(a, "manifest.json", a->n ? a->manifest : nothing, true, e) ||
		put_json(a, "oci-layout", layout, true, e))
		return -1;
	return json_object_size(a->repositories) ? put_json(a, "repositories", a->repositories, true, e) : 0;
}

static int put_all(struct archive *a, struct err *e)
{
	int64_t now = clock_real_ns();
	size_t i;

	if (a->n && (put_entry(a, '5', "blobs", 0, now, e) || put_entry(a, '5', "blobs/sha256", 0, now, e)))
		return -1;
	for (i = 0; i < a->n; i++)
		if (put_image(a, &a->at[i], e))
			return -1;
	return put_lists(a, e) || tar_write_end(a->tar, e) ? -1 : 0;
}

int images_archive_write(struct archive *a, int fd, struct err *e)
{
	int rc;

	a->tar = tar_writer_new(fd);
	a->sizes = json_object();
	a->written = json_object();
	a->index = json_array();
	a->manifest = json_array();
	a->repositories = json_object();
	rc = put_all(a, e);
	tar_writer_free(a->tar);
	json_decref(a->sizes);
	json_decref(a->written);
	json_decref(a->index);
	json_decref(a->manifest);
	json_decref(a->repositories);
	return rc;
}
