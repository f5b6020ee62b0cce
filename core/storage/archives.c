/* SPDX-License-Identifier: MIT */
/*
 * core/storage/archives.c - what a layer is called in registries
 *
 * Theory of operation
 *   A layer's diff_id does not tell what its compressed archive is called.  Whoever pulled or pushed
 *   one knows; so it is noted beside the layer (archives.json) and goes when the layer goes.  A push
 *   asks the registry for these before it compresses anything.
 *
 *   It is a hint and no more: who finds it wrong, or missing, does the work.  Two writers at once may
 *   lose one note, and notes are not synced to disk.
 */
#include "storage/driver.h"
#include "base/fs.h"

#include <stdio.h>

#define FILE_MAX (256 << 10)
#define ARCHIVES_MAX 8	   /* of one layer; the oldest goes */
#define REPOSITORIES_MAX 32 /* of one archive */

static void path_of(const char *chain, char out[96])
{
	snprintf(out, 96, "layers/%s/archives.json", digest_hex(chain));
}

json_t *layer_archives(const struct store *s, const char *chain)
{
	json_t *list;
	char path[96];

	if (!digest_ok(chain))
		return json_array();
	path_of(chain, path);
	list = json_load_at(s->driverfd, path, FILE_MAX, NULL);
	if (json_is_array(list))
		return list;
	json_decref(list);
	return json_array();
}

/* Take the note about @digest out of the list, or make one. New reference. */
static json_t *take_note(json_t *list, const char *digest, int64_t size, const char *type)
{
	json_t *note;
	size_t i;

	json_array_foreach(list, i, note) {
		if (strcmp(json_str(note, "digest", ""), digest))
			continue;
		json_incref(note);
		json_array_remove(list, i);
		return note;
	}
	note = json_object();
	json_set_str(note, "digest", digest);
	json_set_int(note, "size", size);
	json_set_str(note, "type", type);
	json_set_new(note, "from", json_array());
	return note;
}

/* Put @repo first. */
static void add_repository(json_t *note, const char *repo)
{
	json_t *from = json_arr(note, "from"), *one;
	size_t i;

	json_array_foreach(from, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), repo)) {
			json_array_remove(from, i);
			break;
		}
	json_array_insert_new(from, 0, json_text(repo));
	while (json_array_size(from) > REPOSITORIES_MAX)
		json_array_remove(from, REPOSITORIES_MAX);
}

int layer_archive_add(struct store *s, const char *chain, const char *digest, int64_t size, const char *type,
	const char *repo, struct err *e)
{
	cleanup_json json_t *list = NULL;
	json_t *note;
	char path[96];

	if (!digest_ok(chain) || !digest_ok(digest))
		return err_kind(e, ERR_INVALID, "bad digest '%s' of layer '%s'", digest, chain);
	list = layer_archives(s, chain);
	note = take_note(list, digest, size, type);
	if (!json_arr(note, "from"))
		json_set_new(note, "from", json_array());
	add_repository(note, repo);
	json_array_insert_new(list, 0, note);
	while (json_array_size(list) > ARCHIVES_MAX)
		json_array_remove(list, ARCHIVES_MAX);
	path_of(chain, path);
	return json_save_at(s->driverfd, path, list, 0, e);
}
