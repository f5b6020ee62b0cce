/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_create.c - networks are created, removed and pruned
 *
 * Theory of operation
 *   Created: planned, its bridge made, its file synced, entered.  A crash in between leaves at most a
 *   bridge, which the next engine removes.  Removed in reverse: marked, so that nobody can use it
 *   any more; file, bridge, entry.  One at a time, as what is planned depends on what there is.
 */
#include "engine/network_table.h"
#include "engine/container.h"
#include "engine/filter.h"
#include "engine/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void network_event(struct engine *en, const struct network *n, const char *action)
{
	events_emit(en, "network", action, n->id, json_pack("{s:s, s:s}", "name", n->name, "type", n->driver));
}

/* --- create ----------------------------------------------------------------------------------- */

static int check_request(struct engine *en, const json_t *r, struct err *e)
{
	const char *name = json_str(r, "Name", "");
	struct network *n;

	if (!name[strspn(name, " \t\n\r\f\v")])
		return err_kind(e, ERR_INVALID, "invalid name: name is empty");
	if (network_is_predefined(name))
		return err_kind(e, ERR_FORBIDDEN, "operation is not permitted on predefined %s network ", name);
	n = network_get(en, name, NULL);
	if (n && !strcmp(n->name, name)) {
		network_put(n);
		return err_kind(e, ERR_CONFLICT, "network with name %s already exists", name);
	}
	network_put(n);
	if (!strcmp(json_str(r, "Scope", ""), "swarm"))
		return err_kind(e, ERR_FORBIDDEN, "cannot create a swarm scoped network when swarm is not active");
	if (json_bool(r, "Ingress", false))
		return err_kind(e, ERR_FORBIDDEN, "Ingress network can only be global scope network");
	if (!json_bool(r, "EnableIPv4", true) && !json_bool(r, "EnableIPv6", false))
		return err_kind(e, ERR_INVALID, "IPv4 or IPv6 must be enabled");
	return 0;
}

/* A network made of a configuration-only one has what that says, and may say none of it itself. */
static int take_config(struct engine *en, json_t *r, struct err *e)
{
	static const char *const taken[] = {"EnableIPv4", "EnableIPv6", "IPAM", "Options", "Labels", "Internal",
		"Attachable"};
	const char *from = json_str(json_obj(r, "ConfigFrom"), "Network", "");
	struct network *n;
	size_t i;

	if (!*from)
		return 0;
	n = network_get(en, from, NULL);
	if (!n || !n->config_only) {
		network_put(n);
		return err_kind(e, ERR_NOT_FOUND, "configuration network \"%s\" does not exist", from);
	}
	if (json_array_size(json_arr(json_obj(r, "IPAM"), "Config")) || json_object_size(json_obj(r, "Options")) ||
		json_object_size(json_obj(r, "Labels")) || json_bool(r, "Internal", false) ||
		json_bool(r, "EnableIPv6", false)) {
		network_put(n);
		return err_kind(e, ERR_FORBIDDEN, "user specified configurations are not supported if the network "
						  "depends on a configuration network");
	}
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		json_object_set(r, taken[i], json_object_get(n->doc, taken[i]));
	network_put(n);
	return 0;
}

/* Plan and make it; the lock for making is held. */
static int make(struct engine *en, json_t *request, char id[ID_LEN + 1], struct err *e)
{
	struct network *n;
	int rc = -1;

	if (check_request(en, request, e) || take_config(en, request, e))
		return -1;
	random_id(id);
	n = network_plan(en, request, id, e);
	if (!n)
		return -1;
	if (network_reserve(n, e) || network_make_bridge(en, n, e))
		goto out;
	if (network_save(en, n, e) || network_insert(en, n, e)) {
		network_remove_bridge(en, n);
		goto out;
	}
	network_event(en, n, "create");
	rc = 0;
out:
	network_put(n);
	return rc;
}

json_t *network_create(struct engine *en, const json_t *body, struct err *e)
{
	json_t *request = body && !json_is_null(body) ?
		schema_pack(schema_network_create, body, "network.CreateRequest", e) : json_object();
	char id[ID_LEN + 1];
	int rc;

	if (!request)
		return NULL;
	pthread_mutex_lock(&en->networks->making);
	rc = make(en, request, id, e);
	pthread_mutex_unlock(&en->networks->making);
	json_decref(request);
	return rc ? NULL : json_pack("{s:s, s:s}", "Id", id, "Warning", "");
}

/* --- remove ----------------------------------------------------------------------------------- */

/* name:"web" id:"0123456789ab", name:… of those that are on it. */
static void list_users(struct engine *en, const struct network *n, struct buf *out)
{
	struct container **all = containers_all(en);

	for (size_t i = 0; all[i]; i++) {
		cleanup_free char *name = container_name(en, all[i]);
		const struct endpoint *ep;

		pthread_mutex_lock(&all[i]->lock);
		ep = endpoint_on(all[i], n->name);
		if (ep && ep->net == n)
			buf_addf(out, "%sname:\"%s\" id:\"%.12s\"", out->n ? ", " : "", name, ep->id);
		pthread_mutex_unlock(&all[i]->lock);
	}
	containers_free(all);
}

static bool config_used(struct engine *en, const struct network *n)
{
	struct network **all = networks_all(en);
	bool used = false;

	for (size_t i = 0; all[i]; i++)
		used |= !strcmp(json_str(json_obj(all[i]->doc, "ConfigFrom"), "Network", ""), n->name);
	networks_free(all);
	return used;
}

/* From now on nobody can use it, or -1: somebody does. */
static int claim(struct engine *en, struct network *n, struct err *e)
{
	cleanup_buf struct buf users = BUF_INIT;
	bool free_to_go;

	if (network_is_predefined(n->name))
		return err_kind(e, ERR_FORBIDDEN, "%s is a pre-defined network and cannot be removed", n->name);
	if (n->config_only && config_used(en, n))
		return err_kind(e, ERR_FORBIDDEN,
			"error while removing network: configuration network \"%s\" is in use", n->name);
	pthread_mutex_lock(&en->networks->lock);
	free_to_go = !n->users && !n->removed;
	n->removed |= free_to_go;
	pthread_mutex_unlock(&en->networks->lock);
	if (free_to_go)
		return 0;
	list_users(en, n, &users);
	return err_kind(e, ERR_FORBIDDEN, "error while removing network: network %s has active endpoints (%s)",
		n->name, users.p);
}

static int remove_it(struct engine *en, struct network *n, struct err *e)
{
	cleanup_free char *file = xasprintf("networks/%s.json", n->id);

	if (claim(en, n, e))
		return -1;
	if (unlinkat(en->datafd, file, 0) && errno != ENOENT) {
		pthread_mutex_lock(&en->networks->lock);
		n->removed = false;
		pthread_mutex_unlock(&en->networks->lock);
		return err_set(e, errno, "removing %s", file);
	}
	network_remove_bridge(en, n);
	network_take_out(en, n);
	network_event(en, n, "destroy");
	return 0;
}

int network_remove(struct engine *en, const char *ref, struct err *e)
{
	struct network *n;
	int rc;

	pthread_mutex_lock(&en->networks->making);
	n = network_get(en, ref, e);
	rc = n ? remove_it(en, n, e) : -1;
	pthread_mutex_unlock(&en->networks->making);
	network_put(n);
	return rc;
}

/* --- prune ------------------------------------------------------------------------------------ */

static bool prunable(const struct network *n, const json_t *filters, int64_t until)
{
	const json_t *unwanted = json_object_get(filters, "label!"), *labels = json_obj(n->doc, "Labels");
	int64_t created = 0;

	clock_parse(json_str(n->doc, "Created", ""), &created);
	return !network_is_predefined(n->name) && !n->config_only && (!until || created < until) &&
		filter_labels(json_object_get(filters, "label"), labels) &&
		!(json_array_size(unwanted) && filter_labels(unwanted, labels));
}

static json_t *prune(struct engine *en, const json_t *filters, int64_t until)
{
	struct network **all = networks_all(en);
	json_t *deleted = json_array();

	pthread_mutex_lock(&en->networks->making);
	for (size_t i = 0; all[i]; i++)
		if (prunable(all[i], filters, until) && !remove_it(en, all[i], NULL))
			json_append_str(deleted, all[i]->name);
	pthread_mutex_unlock(&en->networks->making);
	networks_free(all);
	return deleted;
}

json_t *networks_prune(struct engine *en, const json_t *filters, struct err *e)
{
	static const char *const known[] = {"label", "label!", "until", NULL};
	const json_t *untils = json_object_get(filters, "until");
	int64_t until = 0;
	json_t *deleted;

	if (filter_check(filters, known, e))
		return NULL;
	if (json_array_size(untils) > 1) {
		err_kind(e, ERR_INVALID, "more than one until filter specified");
		return NULL;
	}
	if (json_array_size(untils) && filter_time(json_string_value(json_array_get(untils, 0)), &until, e))
		return NULL;
	deleted = prune(en, filters, until);
	if (!json_array_size(deleted)) {
		json_decref(deleted);
		deleted = json_null();
	}
	events_emit(en, "network", "prune", "", json_pack("{s:s}", "reclaimed", "0"));
	return json_pack("{s:o}", "NetworksDeleted", deleted);
}
