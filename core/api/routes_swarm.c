/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_swarm.c - swarm and plugins: what an engine answers that has neither
 *
 * Theory of operation
 *   An engine outside a swarm knows no services, nodes, secrets, configs or tasks, and tells clients so
 *   in these words, on which they decide what to do (Compose and the CLI ask before they use them).  To
 *   become part of one is not supported.  Plugins: there are none, and none can be installed.
 */
#include "api/http.h"
#include "engine/filter.h"
#include "image/image.h"

static void not_manager(struct http *h)
{
	struct err e = ERR_INIT;

	err_kind(&e, ERR_UNAVAILABLE,
		"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
		"swarm and try again.");
	http_fail(h, &e);
}

/* An update needs the version that it is based on. */
static void update(struct http *h, const char *what)
{
	const char *text = http_query(h, "version");
	struct err e = ERR_INIT;
	uint64_t version;

	if (!parse_u64(span_of(text), UINT64_MAX, &version)) {
		not_manager(h);
		return;
	}
	err_kind(&e, ERR_INVALID, "invalid %s version '%s': strconv.ParseUint: parsing \"%s\": invalid syntax", what,
		text ? text : "", text ? text : "");
	http_fail(h, &e);
}

static void update_swarm(struct http *h)
{
	update(h, "swarm");
}

static void update_service(struct http *h)
{
	update(h, "service");
}

static void update_secret(struct http *h)
{
	update(h, "secret");
}

static void update_config(struct http *h)
{
	update(h, "config");
}

static void update_node(struct http *h)
{
	update(h, "node");
}

static void leave(struct http *h)
{
	struct err e = ERR_INIT;

	err_kind(&e, ERR_UNAVAILABLE, "This node is not part of a swarm");
	http_fail(h, &e);
}

static void no_swarm(struct http *h)
{
	struct err e = ERR_INIT;

	err_kind(&e, ERR_NOT_SUPPORTED, "this engine has no swarm mode: Compose runs several services on one machine");
	http_fail(h, &e);
}

/* --- plugins ------------------------------------------------------------------------------------------ */

static void plugins(struct http *h)
{
	static const char *const known[] = {"enabled", "capability", NULL};
	struct err e = ERR_INIT;
	cleanup_json json_t *filters = http_filters(h, &e);

	if (!filters || filter_check(filters, known, &e))
		http_fail(h, &e);
	else
		http_json(h, 200, json_array());
}

static void no_such_plugin(struct http *h)
{
	struct err e = ERR_INIT;

	err_kind(&e, ERR_NOT_FOUND, "plugin \"%s\" not found", http_var(h, 0));
	http_fail(h, &e);
}

static void enable_plugin(struct http *h)
{
	const char *text = http_query(h, "timeout");
	struct err e = ERR_INIT;
	int64_t timeout;

	if (!parse_i64(span_of(text), INT32_MIN, INT32_MAX, &timeout)) {
		no_such_plugin(h);
		return;
	}
	err_set(&e, 0, "strconv.Atoi: parsing \"%s\": invalid syntax", text ? text : "");
	http_fail(h, &e);
}

static void no_plugins(struct http *h)
{
	const char *remote = http_query(h, "remote");
	struct err e = ERR_INIT;
	struct imgref ref;

	if (remote && imgref_parse(remote, &ref, &e)) {
		e.kind = ERR_FAILED;
	} else {
		if (remote)
			imgref_release(&ref);
		err_kind(&e, ERR_NOT_SUPPORTED, "this engine has no plugins: what it has of drivers is built in");
	}
	http_fail(h, &e);
}

const struct route routes_swarm[] = {
	{"GET", "/swarm", not_manager}, {"GET", "/swarm/unlockkey", not_manager}, {"POST", "/swarm/unlock", not_manager},
	{"POST", "/swarm/update", update_swarm}, {"POST", "/swarm/leave", leave}, {"POST", "/swarm/init", no_swarm},
	{"POST", "/swarm/join", no_swarm},
	{"GET", "/services", not_manager}, {"POST", "/services/create", not_manager}, {"GET", "/services/{}", not_manager},
	{"DELETE", "/services/{}", not_manager}, {"POST", "/services/{}/update", update_service},
	{"GET", "/services/{}/logs", not_manager},
	{"GET", "/nodes", not_manager}, {"GET", "/nodes/{}", not_manager}, {"DELETE", "/nodes/{}", not_manager},
	{"POST", "/nodes/{}/update", update_node},
	{"GET", "/secrets", not_manager}, {"POST", "/secrets/create", not_manager}, {"GET", "/secrets/{}", not_manager},
	{"DELETE", "/secrets/{}", not_manager}, {"POST", "/secrets/{}/update", update_secret},
	{"GET", "/configs", not_manager}, {"POST", "/configs/create", not_manager}, {"GET", "/configs/{}", not_manager},
	{"DELETE", "/configs/{}", not_manager}, {"POST", "/configs/{}/update", update_config},
	{"GET", "/tasks", not_manager}, {"GET", "/tasks/{}", not_manager}, {"GET", "/tasks/{}/logs", not_manager},
	{"GET", "/plugins", plugins}, {"GET", "/plugins/privileges", no_plugins}, {"POST", "/plugins/pull", no_plugins},
	{"POST", "/plugins/create", no_plugins}, {"GET", "/plugins/{*}/json", no_such_plugin},
	{"DELETE", "/plugins/{*}", no_such_plugin}, {"POST", "/plugins/{*}/enable", enable_plugin},
	{"POST", "/plugins/{*}/disable", no_such_plugin}, {"POST", "/plugins/{*}/set", no_such_plugin},
	{"POST", "/plugins/{*}/push", no_such_plugin}, {"POST", "/plugins/{*}/upgrade", no_such_plugin},
	{NULL},
};
