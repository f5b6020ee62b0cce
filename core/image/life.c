/* SPDX-License-Identifier: MIT */
/*
 * core/image/life.c - the life of layers: holds, pins, and the sweep that removes what nothing names
 *
 * Theory of operation
 *   Removing layers takes time on disk, so it happens outside the lock: images_sweep() compares what
 *   is there with what is named, and im->sweeping keeps holds from beginning meanwhile.  While there
 *   are holds, layers may be there that have no name yet: then the last hold sweeps.  A pull that did
 *   not get to its end leaves whole layers without a name and pieces of blobs; they stay for the next
 *   pull to go on from, until an image is removed, images are pruned, or the disk is full.
 */
#include "image/table.h"
#include "storage/partial.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

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
