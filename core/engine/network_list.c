/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_list.c - networks as list and inspect show them
 */
#include "engine/network_table.h"
#include "engine/container.h"
#include "engine/filter.h"

#include <stdio.h>
#include <stdlib.h>

static void format_address(const struct endpoint *ep, int f, char out[SUBNET_TEXT])
{
	struct subnet s = {ep->addr[f], ep->net->family[f].subnet.len};

	*out = 0;
	if (ep->addr[f].family)
		subnet_format(&s, out);
}

static json_t *container_entry(const struct endpoint *ep, const char *name)
{
	char v4[SUBNET_TEXT], v6[SUBNET_TEXT], mac[ENDPOINT_MAC_TEXT];

	format_address(ep, V4, v4);
	format_address(ep, V6, v6);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "Name", name, "EndpointID", ep->id, "MacAddress",
		endpoint_mac(ep, mac), "IPv4Address", v4, "IPv6Address", v6);
}

/* {"<container id>": {"Name", "EndpointID", …}} of those that run. */
static json_t *network_containers(struct engine *en, const struct network *n)
{
	struct container **all = containers_all(en);
	json_t *out = json_object();

	for (size_t i = 0; all[i]; i++) {
		cleanup_free char *name = container_name(en, all[i]);
		const struct endpoint *ep;

		pthread_mutex_lock(&all[i]->lock);
		ep = endpoint_on(all[i], n->name);
		if (ep && ep->net == n)
			json_set_new(out, all[i]->id, container_entry(ep, name));
		pthread_mutex_unlock(&all[i]->lock);
	}
	containers_free(all);
	return out;
}

json_t *network_inspect(struct engine *en, const char *ref, const char *scope, struct err *e)
{
	struct network *n;
	json_t *out;

	if (scope && *scope && strcmp(scope, "local")) {
		err_kind(e, ERR_NOT_FOUND, "network %s not found", ref);
		return NULL;
	}
	n = network_get(en, ref, e);
	if (!n)
		return NULL;
	out = json_copy(n->doc);
	json_set_new(out, "Containers", network_containers(en, n));
	network_put(n);
	return out;
}

/* --- list ------------------------------------------------------------------------------------- */

static int check_filters(const json_t *filters, bool *dangling, struct err *e)
{
	static const char *const known[] = {"driver", "name", "id", "label", "scope", "type", "dangling", NULL};
	static const char *const types[] = {"custom", "builtin", NULL};
	const json_t *v;
	size_t i;

	if (filter_check(filters, known, e))
		return -1;
	if (filter_bool(filters, "dangling", false, dangling, NULL))
		return err_kind(e, ERR_INVALID,
			"invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")");
	json_array_foreach(json_object_get(filters, "type"), i, v)
		if (!str_in(json_string_value(v), types))
			return err_set(e, 0, "invalid filter: 'type'='%s'", json_string_value(v));
	return 0;
}

static bool prefix_in(const json_t *values, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		if (!strncmp(s, json_string_value(v), strlen(json_string_value(v))))
			return true;
	return !json_array_size(values);
}

static bool selected(const struct network *n, const json_t *filters)
{
	static const char *const exact[][2] = {{"driver", "Driver"}, {"scope", "Scope"}};
	const json_t *names = json_object_get(filters, "name"), *types = json_object_get(filters, "type");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(exact); i++) {
		const json_t *values = json_object_get(filters, exact[i][0]);

		if (json_array_size(values) && !filter_has(values, json_str(n->doc, exact[i][1], "")))
			return false;
	}
	return (!json_array_size(names) || filter_match(names, n->name)) &&
		(!json_array_size(types) ||
			filter_has(types, network_is_predefined(n->name) ? "builtin" : "custom")) &&
		prefix_in(json_object_get(filters, "id"), n->id) &&
		filter_labels(json_object_get(filters, "label"), json_obj(n->doc, "Labels"));
}

/* Nobody is on it, and somebody made it. */
static bool is_dangling(struct engine *en, const struct network *n)
{
	bool unused;

	pthread_mutex_lock(&en->networks->lock);
	unused = !n->users;
	pthread_mutex_unlock(&en->networks->lock);
	return unused && !network_is_predefined(n->name);
}

json_t *networks_list(struct engine *en, const json_t *filters, struct err *e)
{
	bool asked = json_array_size(json_object_get(filters, "dangling")) > 0, dangling;
	struct network **all;
	json_t *out;

	if (check_filters(filters, &dangling, e))
		return NULL;
	all = networks_all(en);
	out = json_array();
	for (size_t i = 0; all[i]; i++)
		if (selected(all[i], filters) && (!asked || is_dangling(en, all[i]) == dangling))
			json_array_append(out, all[i]->doc);
	networks_free(all);
	return out;
}
