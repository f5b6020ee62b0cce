/* SPDX-License-Identifier: MIT */
/*
 * core/engine/commit.c - an image out of a container: `docker commit`
 *
 * Theory of operation
 *   What the container wrote is packed as a layer's archive by one thread and unpacked as a new
 *   layer by another, through a pipe: the way every layer comes in, so it has a recipe for its
 *   archive and its digests.  A layer of nothing is left out, as the real engine does.
 *
 *   The image's config is the parent image's with a new "config", and one more line of history.
 *   Nothing is named before everything is there: a failure leaves a layer that no image names,
 *   which the last hold sweeps away (core/image/store.c).
 */
#include "engine/commit.h"
#include "engine/images.h"
#include "engine/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PACK_STACK (512 << 10) /* bytes; packing walks trees */
/* Of the archive of nothing: two blocks of zeros. */
#define EMPTY_LAYER "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

/* --- the layer ---------------------------------------------------------------------------------- */

struct packing {
	struct store *store;
	const char *id;
	int out;
	int rc;
	struct err e;
};

static void *pack_main(void *arg)
{
	struct packing *p = arg;

	p->rc = rootfs_pack_changes(p->store, p->id, p->out, &p->e);
	close(p->out);
	return NULL;
}

static int start_packing(struct packing *p, pthread_t *thread, struct err *e)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PACK_STACK);
	rc = pthread_create(thread, &attr, pack_main, p);
	pthread_attr_destroy(&attr);
	return rc ? err_set(e, rc, "starting a thread") : 0;
}

static int make_draft(struct engine *en, const char *id, struct layer_draft *d, struct err *e)
{
	struct packing p = {.store = &en->store, .id = id, .e = ERR_INIT};
	pthread_t thread;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	p.out = ends[1];
	if (start_packing(&p, &thread, e)) {
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	rc = layer_unpack(&en->store, NULL, ends[0], 0, d, e);
	close(ends[0]); /* a writer nobody reads from ends */
	pthread_join(thread, NULL);
	if (!rc && p.rc) {
		layer_discard(&en->store, d);
		*e = p.e;
		return -1;
	}
	return rc;
}

/* The layer of what @c wrote; *diff_id is "" if that is nothing. */
static int make_layer(struct engine *en, struct container *c, char diff_id[DIGEST_MAX], struct err *e)
{
	struct layer_draft d;
	char chain[DIGEST_MAX];

	if (make_draft(en, c->id, &d, e))
		return err_wrap(e, "committing container %.12s", c->id);
	memcpy(diff_id, d.diff_id, DIGEST_MAX);
	if (strcmp(diff_id, EMPTY_LAYER))
		return layer_commit(&en->store, c->layer, &d, chain, e);
	layer_discard(&en->store, &d);
	*diff_id = 0;
	return 0;
}

/* --- the config --------------------------------------------------------------------------------- */

/* The "config" of containers of the new image, in full; NULL with @e. */
static json_t *new_config(const struct container *c, const struct commit *what, struct err *e)
{
	cleanup_json json_t *config = NULL;

	if (what->exact)
		return schema_expand(schema_config, what->exact);
	config = what->config ?
		schema_pack(schema_config, what->config, "container.Config", e) : json_deep_copy(c->config);
	if (!config || image_config_changes(config, what->changes, e))
		return NULL;
	container_config_merge(config, c->config);
	return schema_expand(schema_config, config);
}

static json_t *history_line(const struct container *c, const struct commit *what, const char *created,
	bool empty)
{
	cleanup_buf struct buf command = BUF_INIT;
	json_t *line = json_object();
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(what->made_by ? what->made_by : c->config, "Cmd"), i, v)
		buf_addf(&command, "%s%s", i ? " " : "", json_string_value(v));
	json_set_str(line, "created", created);
	if (command.n)
		json_set_str(line, "created_by", command.p);
	if (*what->author)
		json_set_str(line, "author", what->author);
	if (*what->comment)
		json_set_str(line, "comment", what->comment);
	if (empty)
		json_set_bool(line, "empty_layer", true);
	return line;
}

/* Members of the parent's config that are its own and not an image's in general. */
static json_t *inherit(const json_t *parent)
{
	static const char *const keys[] = {"architecture", "variant", "os", "os.version", "os.features"};
	json_t *j = json_object();
	struct platform host;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_get(parent, keys[i]))
			json_object_set(j, keys[i], json_object_get(parent, keys[i]));
	platform_host(&host);
	if (!json_str(j, "architecture", NULL))
		json_set_str(j, "architecture", host.arch);
	if (!json_str(j, "os", NULL))
		json_set_str(j, "os", host.os);
	return j;
}

static json_t *list_of(const json_t *parent, const char *key)
{
	json_t *list = json_arr(parent, key);

	return list ? json_copy(list) : json_array();
}

static json_t *image_config(const struct container *c, const struct commit *what, const json_t *parent,
	const char *diff_id, json_t *config_steal)
{
	json_t *j = inherit(parent), *sorted, *diff_ids = list_of(json_obj(parent, "rootfs"), "diff_ids");
	json_t *history = list_of(parent, "history");
	char created[CLOCK_RFC3339_MAX];

	clock_format(clock_real_ns(), created);
	if (*diff_id)
		json_append_str(diff_ids, diff_id);
	json_array_append_new(history, history_line(c, what, created, !*diff_id));
	if (*what->author)
		json_set_str(j, "author", what->author);
	json_set_new(j, "config", config_steal);
	json_set_str(j, "container", c->id);
	json_set_new(j, "container_config", schema_expand(schema_config, what->made_by ? what->made_by : c->config));
	json_set_str(j, "created", created);
	json_set_str(j, "docker_version", ENGINE_VERSION);
	json_set_new(j, "history", history);
	json_set_new(j, "rootfs", json_pack("{s:s, s:o}", "type", "layers", "diff_ids", diff_ids));
	sorted = json_sorted(j);
	json_decref(j);
	return sorted;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static int make_image(struct engine *en, struct container *c, const struct commit *what, json_t *config_steal,
	char id[DIGEST_MAX], struct err *e)
{
	cleanup_json json_t *config = config_steal, *parent = NULL, *image = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	char diff_id[DIGEST_MAX];

	if (*c->image_id && !(parent = images_config(en->images, c->image_id, e)))
		return -1;
	if (make_layer(en, c, diff_id, e))
		return -1;
	image = image_config(c, what, parent, diff_id, steal(&config));
	json_print(image, false, &text);
	if (images_commit(en->images, text.p, text.n, id, e))
		return -1;
	if (*c->image_id && images_set_parent(en->images, id, c->image_id, e))
		return -1;
	engine_image_event(en, "create", id, id);
	return 0;
}

/* Paused, so that its files fit together; where that cannot be, as they are. */
static bool pause_it(struct engine *en, struct container *c, bool wanted)
{
	return wanted && container_is_running(c) && !container_pause(en, c, NULL);
}

int container_commit(struct engine *en, struct container *c, const struct commit *what,
	char id[DIGEST_MAX], struct err *e)
{
	cleanup_free char *name = what->ref ? imgref_familiar(what->ref) : NULL;
	json_t *config = new_config(c, what, e);
	bool paused;
	int rc;

	if (!config)
		return -1;
	paused = pause_it(en, c, what->pause);
	images_hold(en->images);
	rc = make_image(en, c, what, config, id, e);
	if (!rc && what->ref)
		rc = engine_image_tag(en, id, what->ref, e);
	images_unhold(en->images);
	if (paused)
		container_unpause(en, c, NULL);
	if (rc)
		return -1;
	container_event(en, c, "commit",
		json_pack("{s:s, s:s, s:s}", "comment", what->comment, "imageID", id, "imageRef", name ? name : ""));
	return 0;
}
