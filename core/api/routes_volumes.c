/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_volumes.c - /volumes
 */
#include "api/http.h"
#include "engine/schema.h"
#include "engine/volume.h"

#include <stdlib.h>

static void answer(struct http *h, int status, json_t *j, const struct err *e)
{
	if (j)
		http_json(h, status, j);
	else
		http_fail(h, e);
}

static void list(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	if (!filters)
		err_wrap(&e, "error reading volume filters");
	answer(h, 200, filters ? volumes_list(http_engine(h), filters, &e) : NULL, &e);
}

static json_t *make(struct engine *en, const json_t *body, struct err *e)
{
	cleanup_json json_t *o = schema_pack(schema_volume_create, body, "volume.CreateOptions", e);
	cleanup_free char *name = NULL;
	struct volume_spec spec;

	if (!o)
		return NULL;
	if (json_object_get(o, "ClusterVolumeSpec")) {
		err_kind(e, ERR_UNAVAILABLE,
			"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
			"this node to swarm and try again.");
		return NULL;
	}
	spec = (struct volume_spec){json_str(o, "Name", ""), json_str(o, "Driver", ""), json_obj(o, "DriverOpts"),
		json_obj(o, "Labels")};
	if (volume_create(en, &spec, NULL, &name, e))
		return NULL;
	return volume_inspect(en, name, e);
}

static void create(struct http *h)
{
	cleanup_json json_t *body = NULL;
	struct err e;

	if (http_body_json(h, true, &body, &e))
		http_fail(h, &e);
	else
		answer(h, 201, make(http_engine(h), body, &e), &e);
}

static void inspect(struct http *h)
{
	struct err e;

	answer(h, 200, volume_inspect(http_engine(h), http_var(h, 0), &e), &e);
}

static void remove_it(struct http *h)
{
	struct err e;

	if (volume_remove(http_engine(h), http_var(h, 0), http_query_bool(h, "force", false), &e))
		http_fail(h, &e);
	else
		http_empty(h, 204);
}

static void prune(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	/* Before 1.42 named ones went as well. */
	answer(h, 200, filters ? volumes_prune(http_engine(h), filters, http_api_minor(h) < 42, &e) : NULL, &e);
}

static void update(struct http *h)
{
	struct err e;

	err_kind(&e, ERR_UNAVAILABLE, "volume update only valid for cluster volumes, but swarm is unavailable");
	http_fail(h, &e);
}

const struct route routes_volumes[] = {
	{"GET", "/volumes", list},
	{"POST", "/volumes/create", create},
	{"POST", "/volumes/prune", prune},
	{"GET", "/volumes/{}", inspect},
	{"PUT", "/volumes/{}", update},
	{"DELETE", "/volumes/{}", remove_it},
	{NULL, NULL, NULL},
};
