/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_connect.c - containers are connected to networks, and disconnected
 *
 * Theory of operation
 *   Both are ops of the container.  What it is to be connected to is kept in c->networks, and
 *   config.json; a running one gets, or loses, the endpoint as well.  Connect: first the endpoint,
 *   then config.json; disconnect: the other way round; so a crash leaves the state before, or after.
 */
#include "engine/container.h"
#include "engine/network_table.h"
#include "engine/schema.h"
#include "engine/validate.h"

#include <stdlib.h>

/* --- may it? ---------------------------------------------------------------------------------- */

static bool has_mode(struct container *c, const char *mode)
{
	cleanup_json json_t *host = container_host(c);

	return !strcmp(json_str(host, "NetworkMode", ""), mode);
}

static bool shares_network(struct container *c)
{
	cleanup_json json_t *host = container_host(c);

	return mode_container(json_str(host, "NetworkMode", "")) != NULL;
}

static int check_mode(struct container *c, const struct network *n, struct err *e)
{
	if (shares_network(c) || has_mode(c, "host"))
		return err_kind(e, ERR_INVALID, "container sharing network namespace with another container or host "
						"cannot be connected to any other network");
	if (!strcmp(n->name, "host"))
		return err_kind(e, ERR_INVALID,
			"cannot connect container to host network - container must be created in host network mode");
	if (has_mode(c, "none") || !strcmp(n->name, "none"))
		return err_kind(e, ERR_INVALID,
			"container cannot be connected to multiple networks with one of the networks in private (none) mode");
	return 0;
}

static bool is_on(struct container *c, const char *network)
{
	bool on;

	pthread_mutex_lock(&c->lock);
	on = json_object_get(c->networks, network);
	pthread_mutex_unlock(&c->lock);
	return on;
}

/* --- c->networks ------------------------------------------------------------------------------ */

/* Replace the settings for a network; NULL: take them out. */
static void put_settings(struct container *c, const char *network, json_t *settings)
{
	json_t *all;

	pthread_mutex_lock(&c->lock);
	all = json_copy(c->networks);
	if (settings)
		json_object_set(all, network, settings);
	else
		json_object_del(all, network);
	json_decref(c->networks);
	c->networks = all;
	pthread_mutex_unlock(&c->lock);
}

static void tell(struct engine *en, struct container *c, const struct network *n, const char *action)
{
	events_emit(en, "network", action, n->id,
		json_pack("{s:s, s:s, s:s}", "container", c->id, "name", n->name, "type", n->driver));
}

static int connect_op(struct engine *en, struct container *c, struct network *n, json_t *settings,
	struct err *e)
{
	bool running = container_is_running(c);
	cleanup_free char *name = container_name(en, c);

	if (check_mode(c, n, e) || endpoint_check(n, n->name, settings, e))
		return -1;
	if (n->config_only)
		return err_kind(e, ERR_FORBIDDEN, "cannot create endpoint on configuration-only network");
	if (is_on(c, n->name) && running)
		return err_kind(e, ERR_FORBIDDEN, "endpoint with name %s already exists in network %s", name, n->name);
	put_settings(c, n->name, settings);
	if (running && sandbox_connect(en, c, n, settings, e)) {
		put_settings(c, n->name, NULL);
		return -1;
	}
	if (container_save_config(en, c, 0, e)) {
		sandbox_disconnect(en, c, n->name);
		put_settings(c, n->name, NULL);
		return -1;
	}
	if (running)
		tell(en, c, n, "connect");
	return 0;
}

/* The settings to keep: what may be asked for. */
static json_t *settings_of(const json_t *request)
{
	static const char *const not_asked[] = {"NetworkID", "EndpointID", "Gateway", "IPAddress",
		"IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "DNSNames"};
	json_t *s = json_obj(request, "EndpointConfig") ? json_copy(json_obj(request, "EndpointConfig")) : json_object();

	for (size_t i = 0; i < ARRAY_SIZE(not_asked); i++)
		json_object_del(s, not_asked[i]);
	json_set_bool(s, "Connected", true);
	return s;
}

/* The request, network and container that a body names. */
struct change {
	json_t *request;
	struct network *n;
	struct container *c;
};

static void change_release(struct change *ch)
{
	json_decref(ch->request);
	network_put(ch->n);
	container_put(ch->c);
}

static int find_both(struct engine *en, const char *ref, const json_t *body, const char *type, struct change *ch,
	struct err *e)
{
	const char *container;

	ch->request = body && !json_is_null(body) ? schema_pack(schema_network_connect, body, type, e) : json_object();
	if (!ch->request)
		return -1;
	container = json_str(ch->request, "Container", "");
	if (!*container)
		return err_kind(e, ERR_INVALID, "invalid name or ID supplied: \"\"");
	ch->c = container_get(en, container, e);
	if (!ch->c && !json_bool(ch->request, "Force", false))
		return -1;
	ch->n = network_get(en, ref, e);
	if (!ch->n)
		return -1;
	return ch->c ? 0 : err_kind(e, ERR_NOT_FOUND, "endpoint %s not found", container);
}

int network_connect(struct engine *en, const char *ref, const json_t *body, struct err *e)
{
	struct change ch = {0};
	int rc = find_both(en, ref, body, "network.ConnectOptions", &ch, e);

	if (!rc) {
		cleanup_json json_t *settings = settings_of(ch.request);

		container_begin(ch.c);
		rc = connect_op(en, ch.c, ch.n, settings, e);
		container_end(ch.c);
	}
	change_release(&ch);
	return rc;
}

static int disconnect_op(struct engine *en, struct container *c, struct network *n, struct err *e)
{
	cleanup_json json_t *settings = NULL;
	bool running = container_is_running(c);

	if (!strcmp(n->name, "host") && has_mode(c, "host"))
		return err_kind(e, ERR_INVALID,
			"cannot disconnect container from host network - container was created in host network mode");
	pthread_mutex_lock(&c->lock);
	settings = json_incref(json_object_get(c->networks, n->name));
	pthread_mutex_unlock(&c->lock);
	if (!settings)
		return err_set(e, 0, "container %s is not connected to network %s", c->id, n->name);
	put_settings(c, n->name, NULL);
	if (container_save_config(en, c, 0, e)) {
		put_settings(c, n->name, settings);
		return -1;
	}
	sandbox_disconnect(en, c, n->name);
	if (running)
		tell(en, c, n, "disconnect");
	return 0;
}

int network_disconnect(struct engine *en, const char *ref, const json_t *body, struct err *e)
{
	struct change ch = {0};
	int rc = find_both(en, ref, body, "network.DisconnectOptions", &ch, e);

	if (!rc) {
		container_begin(ch.c);
		rc = disconnect_op(en, ch.c, ch.n, e);
		container_end(ch.c);
	}
	change_release(&ch);
	return rc;
}
