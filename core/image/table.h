/* SPDX-License-Identifier: MIT */
/*
 * core/image/table.h - private to core/image: the store of images in memory
 *
 * Three sorted tables: images by id, references by canonical name, layers by chain id.  A layer is
 * in its table as long as an image or a pin names it.  Functions called table_* are for callers
 * that hold im->lock; they do no I/O.  What they return is valid until the lock is let go.
 *
 * Locks, in this order: saving, sweeping, lock.
 */
#ifndef IMAGE_TABLE_H
#define IMAGE_TABLE_H

#include "image/image.h"

#include <pthread.h>

#define LAYERS_MAX 125		 /* of one image, as in Docker */
#define CONFIG_MAX (8 << 20)	 /* bytes of an image's config */
#define SIZE_UNKNOWN INT64_MIN

struct image {
	char id[DIGEST_MAX];
	char parent[DIGEST_MAX]; /* or "" */
	bool has_created;
	int64_t created_ns, tagged_ns; /* tagged_ns 0: never by hand */
	struct platform platform;
	json_t *labels; /* object, or NULL */
	size_t n_chains;
	char (*chains)[DIGEST_MAX]; /* of its layers, the lowest first */
};

struct ref {
	char *name; /* canonical: "host/repo:tag" or "host/repo@digest" */
	char id[DIGEST_MAX];
};

struct layer {
	char chain[DIGEST_MAX];
	int64_t size; /* or SIZE_UNKNOWN */
	unsigned int images, pins;
};

struct pin {
	size_t count, n_chains;
	char (*chains)[DIGEST_MAX]; /* the last one is what was pinned */
};

struct images {
	struct store *store;
	int dirfd; /* image/<driver>, owned */

	pthread_mutex_t saving;	  /* refs.json is written by one at a time, in the order of changes */
	pthread_mutex_t sweeping; /* layers are being removed, or must not be */

	pthread_mutex_t lock; /* guards all below */
	struct image **images;
	struct ref *refs;
	struct layer *layers;
	struct pin *pins;
	size_t n_images, n_refs, n_layers, n_pins, holds;
	bool garbage; /* a sweep is due when the last hold ends */
};

/* Read what the table needs out of a config. NULL with @e (ERR_INVALID) if it is none. */
struct image *image_new(const char *id, const json_t *config, struct err *e);
void image_free(struct image *i);

struct image *table_find(const struct images *im, const char *id);
/* By prefix of the hex digits: NULL if none; *ambiguous if there are several. */
struct image *table_find_prefix(const struct images *im, const char *hex, bool *ambiguous);
void table_insert(struct images *im, struct image *i); /* not there yet; takes it over */
struct image *table_take(struct images *im, struct image *i); /* out of the table, to image_free() */
bool table_has_children(const struct images *im, const char *id);

struct ref *table_ref(const struct images *im, const char *name); /* or NULL */
void table_ref_set(struct images *im, const char *name, const char *id);
void table_ref_remove(struct images *im, const char *name);
bool ref_is_digest(const struct ref *r);
/* "docker.io/library/busybox:latest" -> "busybox:latest"; to free(). */
char *ref_familiar(const char *name);
/* Is it the same repository? */
bool ref_same_repo(const char *a, const char *b);
/* The names of an image's references, in order; strv_free() it. */
char **table_refs_of(const struct images *im, const char *id);

struct layer *table_layer(const struct images *im, const char *chain); /* or NULL */
int64_t table_size(const struct images *im, const struct image *i);	/* SIZE_UNKNOWN if one is */

struct pin *table_pin(const struct images *im, const char *chain); /* or NULL */
void table_pin_add(struct images *im, const char (*chains)[DIGEST_MAX], size_t n);
/* Is something without a name now? */
bool table_pin_remove(struct images *im, const char *chain);

static inline void images_lock(struct images *im)
{
	pthread_mutex_lock(&im->lock);
}

static inline void images_unlock(struct images *im)
{
	pthread_mutex_unlock(&im->lock);
}

/* --- life.c ----------------------------------------------------------------------------------- */
/* Look up the sizes of layers that are not known yet. Takes the lock itself, for memory work. */
void images_learn_sizes(struct images *im);
/* Remove layers that nothing names, or note it for the end of the last hold. */
void images_sweep(struct images *im);

/* --- store.c ---------------------------------------------------------------------------------- */
/* Write refs.json as the table is now. Takes the locks itself. */
int images_save(struct images *im, struct err *e);
int images_save_locked(struct images *im, struct err *e); /* the caller holds im->saving */
/* images_resolve(), and whether @name is a reference of the image, not (a part of) its id. */
int images_resolve_how(struct images *im, const char *name, char id[DIGEST_MAX], bool *by_name, struct err *e);
/* The canonical name a reference is found by: a digest makes the tag beside it meaningless; to free(). */
char *ref_key(const struct imgref *ref);
/* The name of an image's config below im->dirfd. */
void image_file(const char *id, char out[DIGEST_MAX + 8]);
void image_manifest_file(const char *id, char out[DIGEST_MAX + 16]);
/* The image a config describes, its layers being there; its digest goes to @id. NULL with @e. */
struct image *image_described(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e);
/* Write the config and put the image into the table: its life begins with both or neither. Under im->saving;
 * @i is taken over. */
int image_enter(struct images *im, struct image *i, const char *config, size_t n, struct err *e);
/* Let @key name image @id, in memory; the former id, or "", goes to @before. Under im->saving. -1 with @e: no such image. */
int image_point(struct images *im, const char *key, const char *id, char before[DIGEST_MAX], struct err *e);
/* Note, in memory, what @id was built upon, if that is there. False: no such image. */
bool image_set_parent(struct images *im, const char *id, const char *parent);

/* --- list.c ----------------------------------------------------------------------------------- */
/* Go's path.Match: '*' and '?' stop at '/', "[a-z]", "[^a]", '\\' quotes. */
bool image_glob(const char *pattern, const char *name);
/* One boolean of a filter: its value or @def; -1 with @e (Docker's text). */
int image_filter_bool(const json_t *filters, const char *key, bool def, bool *v, struct err *e);
/* "1h", "2020-01-01", Unix seconds: the point in time meant; "1h" is an hour ago. */
int image_filter_time(const char *text, int64_t *ns, struct err *e);
/* Do @labels have all of the filter's "k" and "k=v"? */
bool image_filter_labels(const json_t *wanted, const json_t *labels);
int image_filters_known(const json_t *filters, const char *const *known, struct err *e);

#endif
