/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_network.c - the networks a container is attached to
 *
 * Theory of operation
 *   --network is a name, or "name=…,alias=…,ip=…".  The options of their own (--ip, --network-alias,
 *   …) belong to the first network; where both say something, that is a conflict.  Each becomes an
 *   entry of EndpointsConfig, the first one is the NetworkMode too.
 */
#include "run_spec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct attachment {
	char *name;
	struct strlist alias, link, link_local_ip, driver_opt;
	const char *ip, *ip6, *mac;
	int64_t gw_priority;
};

/* Is there a word on both sides of some '='?  Then it is the long form. */
static bool is_long(const char *text)
{
	const char *p;

	for (p = text + 1; *text && *p; p++)
		if (*p == '=' && (isalnum((unsigned char)p[-1]) || p[-1] == '_') &&
			(isalnum((unsigned char)p[1]) || p[1] == '_'))
			return true;
	return false;
}

static int set_field(struct attachment *a, const char *key, char *value, struct err *e)
{
	if (!strcasecmp(key, "name")) {
		free(a->name);
		a->name = value;
	} else if (!strcasecmp(key, "alias")) {
		strlist_add(&a->alias, value);
	} else if (!strcasecmp(key, "driver-opt")) {
		if (!strchr(value, '='))
			return err_kind(e, ERR_INVALID, "invalid key value pair format in driver options");
		strlist_add(&a->driver_opt, value);
	} else if (!strcasecmp(key, "ip")) {
		a->ip = value;
	} else if (!strcasecmp(key, "ip6")) {
		a->ip6 = value;
	} else if (!strcasecmp(key, "mac-address")) {
		a->mac = value;
	} else if (!strcasecmp(key, "link-local-ip")) {
		strlist_add(&a->link_local_ip, value);
	} else if (!strcasecmp(key, "gw-priority")) {
		if (parse_i64(span_of(value), INT32_MIN, INT32_MAX, &a->gw_priority))
			return err_kind(e, ERR_INVALID, "invalid gw-priority (%s): invalid syntax", value);
	} else {
		return err_kind(e, ERR_INVALID, "invalid field key %s", key);
	}
	return 0;
}

static int attachment_parse(const char *text, struct attachment *a, struct err *e)
{
	const char *rest = text;
	char *field, *equals;

	*a = (struct attachment){.name = xstrdup("")};
	if (!is_long(text)) {
		free(a->name);
		a->name = xstrdup(text);
		return 0;
	}
	while ((field = csv_field(&rest))) {
		equals = strchr(field, '=');
		if (!equals)
			return err_kind(e, ERR_INVALID, "invalid field %s", field);
		*equals = 0;
		if (set_field(a, field, xstrdup(equals + 1), e))
			return -1;
		free(field);
	}
	if (!*a->name)
		return err_kind(e, ERR_INVALID, "network name/id is not specified");
	return 0;
}

int check_network(const char **text, struct err *e)
{
	struct attachment a;

	return attachment_parse(*text, &a, e);
}

static bool is_user_defined(const char *name)
{
	static const char *const built_in[] = {"", "default", "bridge", "host", "none", "nat", NULL};

	return !str_in(name, built_in) && strncmp(name, "container:", 10);
}

/* Options of their own go to the first network. */
static int add_options(struct attachment *a, const struct run_opts *o, struct err *e)
{
	static const char both[] = "conflicting options: cannot specify both ";

	if (a->alias.n && o->network_alias.n)
		return err_kind(e, ERR_INVALID, "%s--network-alias and per-network alias", both);
	if (a->ip && o->ip)
		return err_kind(e, ERR_INVALID, "%s--ip and per-network IPv4 address", both);
	if (a->ip6 && o->ip6)
		return err_kind(e, ERR_INVALID, "%s--ip6 and per-network IPv6 address", both);
	if (a->mac && o->mac_address)
		return err_kind(e, ERR_INVALID, "%s--mac-address and per-network MAC address", both);
	if (a->link_local_ip.n && o->link_local_ip.n)
		return err_kind(e, ERR_INVALID, "%s--link-local-ip and per-network link-local IP addresses", both);
	if (o->network_alias.n)
		a->alias = o->network_alias;
	if (o->link.n && is_user_defined(a->name))
		a->link = o->link;
	if (o->link_local_ip.n)
		a->link_local_ip = o->link_local_ip;
	a->ip = o->ip ? o->ip : a->ip;
	a->ip6 = o->ip6 ? o->ip6 : a->ip6;
	a->mac = o->mac_address ? o->mac_address : a->mac;
	return 0;
}

static json_t *list_or_null(const struct strlist *l)
{
	json_t *j = l->n ? json_array() : json_null();
	size_t i;

	for (i = 0; i < l->n; i++)
		json_append_str(j, l->v[i]);
	return j;
}

static json_t *address_config(const struct attachment *a)
{
	json_t *j;

	if (!a->ip && !a->ip6 && !a->link_local_ip.n)
		return json_null();
	j = json_object();
	if (a->ip)
		json_set_str(j, "IPv4Address", a->ip);
	if (a->ip6)
		json_set_str(j, "IPv6Address", a->ip6);
	if (a->link_local_ip.n)
		json_set_new(j, "LinkLocalIPs", list_or_null(&a->link_local_ip));
	return j;
}

static json_t *endpoint_config(const struct attachment *a, struct err *e)
{
	json_t *j;

	if (!span_trim(span_of(a->name)).n) {
		err_kind(e, ERR_INVALID, "no name set for network");
		return NULL;
	}
	if (!is_user_defined(a->name) && (a->alias.n || a->link.n)) {
		err_kind(e, ERR_INVALID, "%s are only supported for user-defined networks",
			a->alias.n ? "network-scoped aliases" : "links");
		return NULL;
	}
	if (a->mac && !mac_ok(a->mac)) {
		err_kind(e, ERR_INVALID, "%s is not a valid mac address", a->mac);
		return NULL;
	}
	j = json_object();
	json_set_new(j, "IPAMConfig", address_config(a));
	json_set_new(j, "Links", list_or_null(&a->link));
	json_set_new(j, "Aliases", list_or_null(&a->alias));
	json_set_new(j, "DriverOpts", a->driver_opt.n ? pairs_map(&a->driver_opt) : json_null());
	json_set_int(j, "GwPriority", a->gw_priority);
	json_set_str(j, "MacAddress", a->mac ? a->mac : "");
	return j;
}

/* One network, and nothing said about it: its name in NetworkMode is all. */
static bool is_plain(const struct attachment *a)
{
	return !a->alias.n && !a->link.n && !a->link_local_ip.n && !a->driver_opt.n && !a->ip && !a->ip6 &&
		!a->mac && !a->gw_priority;
}

int run_networks(const struct run_opts *o, const char **mode, json_t **endpoints, struct err *e)
{
	static const char *const standard = "default";
	const char *const *names = o->network.n ? o->network.v : &standard;
	size_t n = o->network.n ? o->network.n : 1, i, own = 0;

	*endpoints = json_object();
	for (i = 0; i < n; i++) {
		struct attachment a;
		json_t *config;

		if (attachment_parse(names[i], &a, e) || (i == 0 && add_options(&a, o, e)))
			return -1;
		if (i == 0)
			*mode = a.name;
		own += is_user_defined(a.name);
		if (i > 0 && own && own != i + 1)
			return err_kind(e, ERR_INVALID,
				"conflicting options: cannot attach both user-defined and non-user-defined network-modes");
		config = endpoint_config(&a, e);
		if (!config)
			return -1;
		if (n == 1 && o->network.n && is_plain(&a)) {
			json_decref(config);
			return 0;
		}
		if (json_object_get(*endpoints, a.name)) {
			json_decref(config);
			return err_kind(e, ERR_INVALID, "network \"%s\" is specified multiple times", a.name);
		}
		json_set_new(*endpoints, a.name, config);
	}
	return 0;
}
