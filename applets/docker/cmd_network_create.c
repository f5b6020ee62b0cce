/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_network_create.c - docker network create
 *
 * Ranges, gateways and auxiliary addresses are options of their own; each belongs to the subnet it is in.
 * That is sorted out here, in the stock client's words; all else is the engine's to judge.
 */
#include "call.h"
#include "run_spec.h"
#include "units.h"

#include "net/inet.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	const char *driver, *config_from, *ipam_driver, *scope;
	struct strlist subnets, ranges, gateways, aux, ipam_opts, labels, opts;
	bool attachable, config_only, ingress, internal, ipv4, ipv6;
} o = {.driver = "bridge", .ipam_driver = "default", .ipv4 = true};

static struct flag flags[] = {
	{"attachable", 0, FLAG_BOOL, &o.attachable, "Containers started by hand may join (Swarm)"},
	{"aux-address", 0, FLAG_LIST, &o.aux, "Address that no container gets: name=address", "map"},
	{"config-from", 0, FLAG_STRING, &o.config_from, "Take all that follows from a configuration-only network"},
	{"config-only", 0, FLAG_BOOL, &o.config_only, "Make only a configuration, for --config-from"},
	{"driver", 'd', FLAG_STRING, &o.driver, "Driver (default \"bridge\")"},
	{"gateway", 0, FLAG_LIST, &o.gateways, "Address of the bridge, in a subnet", "strings"},
	{"ingress", 0, FLAG_BOOL, &o.ingress, "Swarm's routing mesh"},
	{"internal", 0, FLAG_BOOL, &o.internal, "No way out for its containers"},
	{"ip-range", 0, FLAG_LIST, &o.ranges, "Part of a subnet that containers get addresses from", "strings"},
	{"ipam-driver", 0, FLAG_STRING, &o.ipam_driver, "Driver for addresses (default \"default\")"},
	{"ipam-opt", 0, FLAG_LIST, &o.ipam_opts, "Option of that driver: key=value", "map"},
	{"ipv4", 0, FLAG_BOOL, &o.ipv4, "Give containers IPv4 addresses (default true)"},
	{"ipv6", 0, FLAG_BOOL, &o.ipv6, "Give containers IPv6 addresses"},
	{"label", 0, FLAG_LIST, &o.labels, "Set a label: key=value", .check = check_label},
	{"opt", 'o', FLAG_LIST, &o.opts, "Option of the driver: com.docker.network.driver.mtu=1400, …", "map"},
	{"scope", 0, FLAG_STRING, &o.scope, "Scope: local or swarm"},
	{"subnet", 0, FLAG_LIST, &o.subnets, "Subnet: 10.5.0.0/24; one of each address family", "strings"},
	FLAG_END,
};

/* --- which subnet is it in? ----------------------------------------------------------------- */

/* Is @what, a subnet or an address, in @subnet?  -1 with @e: one of them is malformed. */
static int is_in(const char *subnet, const char *what, struct err *e)
{
	struct subnet s, part;
	struct inet a;

	if (subnet_parse(span_of(subnet), &s))
		return err_kind(e, ERR_INVALID, "invalid subnet: invalid CIDR address: %s", subnet);
	if (strchr(what, '/')) {
		if (subnet_parse(span_of(what), &part))
			return err_kind(e, ERR_INVALID, "invalid CIDR address: %s", what);
		a = part.addr;
	} else if (inet_parse(span_of(what), &a)) {
		return 0;
	}
	return subnet_contains(&s, &a);
}

static int add_subnet(json_t *configs, const char *subnet, struct err *e)
{
	const json_t *c;
	size_t i;

	json_array_foreach(configs, i, c) {
		const char *other = json_str(c, "Subnet", "");
		int in = is_in(subnet, other, e), around = in < 0 ? -1 : is_in(other, subnet, e);

		if (in < 0 || around < 0)
			return -1;
		if (in || around)
			return err_kind(e, ERR_INVALID, "multiple overlapping subnet configuration is not supported");
	}
	json_array_append_new(configs, json_pack("{s:s}", "Subnet", subnet));
	return 0;
}

/* The configuration of the subnet that @what is in, borrowed; NULL with @e. */
static json_t *config_for(json_t *configs, const char *what, const char *called, struct err *e)
{
	json_t *c;
	size_t i;

	json_array_foreach(configs, i, c) {
		int in = is_in(json_str(c, "Subnet", ""), what, e);

		if (in < 0)
			return NULL;
		if (in)
			return c;
	}
	err_kind(e, ERR_INVALID, "no matching subnet for %s %s", called, what);
	return NULL;
}

static int add_to(json_t *configs, const struct strlist *list, const char *key, const char *called, struct err *e)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		json_t *c = config_for(configs, list->v[i], called, e);

		if (!c)
			return -1;
		if (json_str(c, key, NULL))
			return err_kind(e, ERR_INVALID, "cannot configure multiple %ss (%s, %s) %s the same subnet (%s)", called,
				list->v[i], json_str(c, key, ""), *called == 'r' ? "on" : "for", json_str(c, "Subnet", ""));
		json_set_str(c, key, list->v[i]);
	}
	return 0;
}

static int add_aux(json_t *configs, struct err *e)
{
	cleanup_json json_t *all = pairs_map(&o.aux);
	const char *name;
	json_t *v;

	json_object_foreach(all, name, v) {
		json_t *c = config_for(configs, json_string_value(v), "aux-address", e);

		if (!c)
			return -1;
		if (!json_obj(c, "AuxiliaryAddresses"))
			json_set_new(c, "AuxiliaryAddresses", json_object());
		json_object_set(json_obj(c, "AuxiliaryAddresses"), name, v);
	}
	return 0;
}

static json_t *configs_of(struct err *e)
{
	json_t *configs = json_array();
	size_t i;

	if (o.subnets.n < o.ranges.n || o.subnets.n < o.gateways.n) {
		err_kind(e, ERR_INVALID, "every ip-range or gateway must have a corresponding subnet");
		goto fail;
	}
	for (i = 0; i < o.subnets.n; i++)
		if (add_subnet(configs, o.subnets.v[i], e))
			goto fail;
	if (!add_to(configs, &o.ranges, "IPRange", "range", e) &&
		!add_to(configs, &o.gateways, "Gateway", "gateway", e) && !add_aux(configs, e))
		return configs;
fail:
	json_decref(configs);
	return NULL;
}

/* --- the command ---------------------------------------------------------------------------- */

static int create(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *body = json_object(), *made = NULL;
	struct err e = ERR_INIT;
	json_t *configs = configs_of(&e);

	(void)argc;
	if (!configs)
		return fail(&e);
	json_set_str(body, "Driver", o.driver);
	json_set_str(body, "Scope", o.scope ? o.scope : "");
	if (flags_seen(flags, "ipv4"))
		json_set_bool(body, "EnableIPv4", o.ipv4);
	if (flags_seen(flags, "ipv6"))
		json_set_bool(body, "EnableIPv6", o.ipv6);
	json_set_new(body, "IPAM", json_pack("{s:s, s:o, s:o}", "Driver", o.ipam_driver, "Options",
		pairs_map(&o.ipam_opts), "Config", configs));
	json_set_bool(body, "Internal", o.internal);
	json_set_bool(body, "Attachable", o.attachable);
	json_set_bool(body, "Ingress", o.ingress);
	json_set_bool(body, "ConfigOnly", o.config_only);
	json_set_new(body, "ConfigFrom", o.config_from ? json_pack("{s:s}", "Network", o.config_from) : json_null());
	json_set_new(body, "Options", pairs_map(&o.opts));
	json_set_new(body, "Labels", pairs_map(&o.labels));
	json_set_str(body, "Name", argv[0]);
	if (call_post(d, "/networks/create", body, &made, &e))
		return fail(&e);
	printf("%s\n", json_str(made, "Id", ""));
	return 0;
}

static struct command cmd_create = {"[OPTIONS] NETWORK", "Create a network", NULL, flags, 1, 1, false, create};

const struct entry entries_network_create[] = {
	{"network", "create", NULL, &cmd_create},
	{0},
};
