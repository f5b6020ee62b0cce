/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_networks.c - /networks
 */
#include "api/http.h"
#include "engine/network.h"

#include <stdlib.h>

static void answer(struct http *h, json_t *j, const struct err *e)
{
	if (j)
		http_json(h, 200, j);
	else
		http_fail(h, e);
}

static void list(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	answer(h, filters ? networks_list(http_engine(h), filters, &e) : NULL, &e);
}

static int check_verbose(struct http *h, struct err *e)
{
	static const char *const bools[] = {"", "1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false",
		"FALSE", "False", NULL};
	const char *v = http_query(h, "verbose");

	if (!v || str_in(v, bools))
		return 0;
	return err_kind(e, ERR_INVALID,
		"invalid value for verbose: %s: strconv.ParseBool: parsing \"%s\": invalid syntax", v, v);
}

static void inspect(struct http *h)
{
	struct err e;

	if (check_verbose(h, &e))
		http_fail(h, &e);
	else
		answer(h, network_inspect(http_engine(h), http_var(h, 0), http_query(h, "scope"), &e), &e);
}

static void create(struct http *h)
{
	cleanup_json json_t *body = NULL;
	struct err e;
	json_t *j;

	j = http_body_json(h, false, &body, &e) ? NULL : network_create(http_engine(h), body, &e);
	if (j)
		http_json(h, 201, j);
	else
		http_fail(h, &e);
}

static void remove_it(struct http *h)
{
	struct err e;

	if (network_remove(http_engine(h), http_var(h, 0), &e))
		http_fail(h, &e);
	else
		http_empty(h, 204);
}

typedef int change_fn(struct engine *en, const char *ref, const json_t *body, struct err *e);

static void change(struct http *h, change_fn *fn)
{
	cleanup_json json_t *body = NULL;
	struct err e;

	if (http_body_json(h, false, &body, &e) || fn(http_engine(h), http_var(h, 0), body, &e))
		http_fail(h, &e);
	else
		http_empty(h, 200);
}

static void connect_it(struct http *h)
{
	change(h, network_connect);
}

static void disconnect(struct http *h)
{
	change(h, network_disconnect);
}

static void prune(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	answer(h, filters ? networks_prune(http_engine(h), filters, &e) : NULL, &e);
}

const struct route routes_networks[] = {
	{"GET", "/networks", list},
	{"POST", "/networks/create", create},
	{"POST", "/networks/prune", prune},
	{"GET", "/networks/{}", inspect},
	{"DELETE", "/networks/{}", remove_it},
	{"POST", "/networks/{}/connect", connect_it},
	{"POST", "/networks/{}/disconnect", disconnect},
	{NULL, NULL, NULL},
};
