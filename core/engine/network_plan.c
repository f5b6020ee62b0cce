/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_plan.c - from what is asked for to a network: its subnets, options, bridge
 *
 * Theory of operation
 *   A request that is good in itself (network_check.c) is held against the networks there are.  What
 *   it leaves open is chosen: a bridge's name from the id,
 *   an IPv4 subnet from default-address-pools, an IPv6 one from the host's own unique local
 *   prefix, gateways as the lowest addresses.  Subnets that the host itself has a route to are not
 *   chosen, as the host would be hidden from the containers then.
 *
 *   Nothing is entered or made here; two requests at a time may plan the same, and network_create()
 *   lets one at a time plan and enter.
 */
#include "engine/network_table.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- subnets and gateways --------------------------------------------------------------------- */

struct subnets {
	struct subnet *at;
	size_t n;
};

static void add_subnet(void *arg, const struct subnet *s)
{
	struct subnets *list = arg;

	list->at = xreallocarray(list->at, list->n + 1, sizeof(*list->at));
	list->at[list->n++] = *s;
}

static void add_networks(struct engine *en, struct subnets *list)
{
	struct networks *t = en->networks;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n; i++)
		for (int f = 0; f < FAMILIES; f++)
			if (t->all[i]->family[f].on)
				add_subnet(list, &t->all[i]->family[f].subnet);
	pthread_mutex_unlock(&t->lock);
}

/* Of the host: the thread is in its network namespace. */
static void add_host_routes(struct subnets *list)
{
	struct nl nl = NL_INIT;
	struct err e = ERR_INIT;

	if (nl_open(&nl, -1, NETLINK_ROUTE, &e) || link_routes(&nl, add_subnet, list, &e))
		log_err(&e, "looking for subnets of the host");
	nl_close(&nl);
}

/* Those of daemon.json for the family, else the defaults. */
static struct ipam_pool *pools_of(struct engine *en, int family, size_t *n)
{
	const json_t *asked = json_arr(en->config.raw, "default-address-pools"), *p;
	struct ipam_pool *pools = xcalloc(json_array_size(asked) + IPAM_POOLS_DEFAULT, sizeof(*pools));
	size_t i;

	*n = 0;
	json_array_foreach(asked, i, p) {
		struct subnet base;

		if (!subnet_parse(span_of(json_string_value(json_get_ci(p, "base"))), &base) &&
			base.addr.family == family)
			pools[(*n)++] = (struct ipam_pool){base, (unsigned int)json_integer_value(json_get_ci(p, "size"))};
	}
	if (!*n && family == AF_INET) {
		ipam_default_pools(pools);
		*n = IPAM_POOLS_DEFAULT;
	} else if (!*n) {
		pools[(*n)++] = ipam_ula_pool(en->id);
	}
	return pools;
}

static int choose_subnet(struct engine *en, int family, struct subnet *out, struct err *e)
{
	struct subnets reserved = {0};
	size_t n;
	struct ipam_pool *pools = pools_of(en, family, &n);
	int rc;

	add_networks(en, &reserved);
	add_host_routes(&reserved);
	rc = ipam_choose(pools, n, family, reserved.at, reserved.n, out);
	free(pools);
	free(reserved.at);
	return rc ? err_kind(e, ERR_INVALID, "all predefined address pools have been fully subnetted") : 0;
}

static int check_overlap(struct engine *en, const struct subnet *s, struct err *e)
{
	struct subnets others = {0};
	bool overlaps = false;

	add_networks(en, &others);
	for (size_t i = 0; i < others.n; i++)
		overlaps |= subnet_overlaps(s, &others.at[i]);
	free(others.at);
	return overlaps ? err_kind(e, ERR_FORBIDDEN,
		"invalid pool request: Pool overlaps with other one on this address space") : 0;
}

/* The part of IPAM.Config that is about this family; NULL: none. */
static int config_of(const json_t *ipam, int family, const json_t **found, struct err *e)
{
	const json_t *c;
	struct subnet s;
	size_t i;

	*found = NULL;
	json_array_foreach(json_arr(ipam, "Config"), i, c) {
		if (subnet_parse(span_of(json_str(c, "Subnet", "")), &s) || s.addr.family != family)
			continue;
		if (*found)
			return err_kind(e, ERR_FORBIDDEN, "bridge driver doesn't support multiple subnets");
		*found = c;
	}
	return 0;
}

/* The subnet, and its entry in doc's IPAM.Config. */
static int plan_family(struct engine *en, struct network *n, int f, const json_t *ipam, json_t *doc_config,
	struct err *e)
{
	struct network_family *to = &n->family[f];
	int family = f == V4 ? AF_INET : AF_INET6;
	char text[SUBNET_TEXT];
	const json_t *c;
	struct subnet range;
	bool has_range;

	if (config_of(ipam, family, &c, e))
		return -1;
	to->on = true;
	to->asked = c;
	if (c && subnet_parse(span_of(json_str(c, "Subnet", "")), &to->subnet))
		return -1; /* not so: config_of() did */
	if (c ? check_overlap(en, &to->subnet, e) : choose_subnet(en, family, &to->subnet, e))
		return -1;
	has_range = c && !subnet_parse(span_of(json_str(c, "IPRange", "")), &range);
	ipam_init(&n->ipam[f], &to->subnet, has_range ? &range : NULL);
	inet_parse(span_of(json_str(c, "Gateway", "")), &to->gateway);
	inet_parse(span_of(json_str(json_obj(c, "AuxiliaryAddresses"),
		f == V4 ? "DefaultGatewayIPv4" : "DefaultGatewayIPv6", "")), &to->via);
	if (!to->gateway.family && !network_has_gateway(n, f))
		goto out;
	if (ipam_take(&n->ipam[f], to->gateway.family ? &to->gateway : NULL, &to->gateway, e))
		return to->gateway.family ? err_wrap(e, "failed to allocate gateway (%s)", json_str(c, "Gateway", "")) : -1;
	ipam_give_back(&n->ipam[f], &to->gateway); /* network_reserve() takes it again, with the others */
out:
	if (c)
		json_array_append(doc_config, (json_t *)(uintptr_t)c);
	else
		json_array_append_new(doc_config, json_pack("{s:s}", "Subnet", subnet_format(&to->subnet, text)));
	return 0;
}

/* As inspect has it: what was asked for first, and with a gateway only if that was asked for or chosen
 * with the subnet. */
static int plan_subnets(struct engine *en, struct network *n, const json_t *request, json_t *doc,
	struct err *e)
{
	const json_t *ipam = json_obj(request, "IPAM"), *c;
	json_t *config = json_array(), *asked = json_array(), *chosen = json_array();
	bool on[FAMILIES] = {json_bool(doc, "EnableIPv4", true), json_bool(doc, "EnableIPv6", false)};
	char text[INET_TEXT];
	size_t i;
	int f, rc = 0;

	for (f = 0; f < FAMILIES && !rc; f++) {
		if (!on[f])
			continue;
		rc = plan_family(en, n, f, ipam, config, e);
		if (rc)
			break;
		c = json_array_get(config, json_array_size(config) - 1);
		if (!n->family[f].asked && n->family[f].gateway.family)
			json_set_str((json_t *)(uintptr_t)c, "Gateway", inet_format(&n->family[f].gateway, text));
		json_array_append(n->family[f].asked ? asked : chosen, (json_t *)(uintptr_t)c);
	}
	json_array_extend(asked, chosen);
	json_array_foreach(asked, i, c) {
		static const char *const order[] = {"Subnet", "IPRange", "Gateway", "AuxiliaryAddresses"};
		json_t *sorted = json_object();

		for (size_t k = 0; k < ARRAY_SIZE(order); k++)
			if (json_object_get(c, order[k]))
				json_object_set(sorted, order[k], json_object_get(c, order[k]));
		json_array_set_new(asked, i, sorted);
	}
	json_object_set(json_obj(doc, "IPAM"), "Config", asked);
	json_decref(config);
	json_decref(asked);
	json_decref(chosen);
	return rc;
}

/* --- the bridge ------------------------------------------------------------------------------- */

static int plan_bridge(struct engine *en, struct network *n, const json_t *options, struct err *e)
{
	struct networks *t = en->networks;
	const char *name = json_str(options, BRIDGE_OPTION "name", "");
	cleanup_free char *made_up = xasprintf("br-%.12s", n->id);
	int rc = 0;

	if (!*name)
		name = made_up;
	if (strlen(name) > LINK_NAME_MAX)
		return err_set(e, 0, "numerical result out of range");
	if (strchr(name, '/') || !strcmp(name, "lo") || name[strcspn(name, " \t\n:")] || !strcmp(name, ".") ||
		!strcmp(name, ".."))
		return err_kind(e, ERR_INVALID, "invalid bridge name: %s", name);
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n && !rc; i++)
		if (!strcmp(t->all[i]->bridge, name))
			rc = err_kind(e, ERR_FORBIDDEN, "cannot create network %s (%s): conflicts with network %s (%s): "
				"networks have same bridge name", n->id, name, t->all[i]->id, name);
	pthread_mutex_unlock(&t->lock);
	snprintf(n->bridge, sizeof(n->bridge), "%s", name);
	return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

static json_t *map_of(const json_t *j, const char *key)
{
	return json_obj(j, key) ? json_copy(json_obj(j, key)) : json_object();
}

static json_t *doc_of(const json_t *request, const char *id, json_t *options)
{
	const json_t *ipam = json_obj(request, "IPAM");
	const char *ipam_driver = json_str(ipam, "Driver", "");
	char when[CLOCK_RFC3339_MAX];
	json_t *from = json_obj(request, "ConfigFrom");

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:O?, s:[]}, s:b, s:b, s:b, s:{s:s}, s:b, s:{}, "
			 "s:O, s:o}", "Name", json_str(request, "Name", ""), "Id", id, "Created",
		clock_format(clock_real_ns(), when), "Scope", "local", "Driver", json_str(request, "Driver", "bridge"),
		"EnableIPv4", json_bool(request, "EnableIPv4", true), "EnableIPv6", json_bool(request, "EnableIPv6", false),
		"IPAM", "Driver", *ipam_driver ? ipam_driver : "default", "Options",
		json_object_get(ipam, "Options"), "Config", "Internal", json_bool(request, "Internal", false), "Attachable",
		json_bool(request, "Attachable", false), "Ingress", 0, "ConfigFrom", "Network",
		json_str(from, "Network", ""), "ConfigOnly", json_bool(request, "ConfigOnly", false), "Containers",
		"Options", options, "Labels", map_of(request, "Labels"));
}

/* daemon.json's default-network-opts stand where nothing else is said. */
static json_t *options_of(struct engine *en, const json_t *request, const char *driver)
{
	json_t *options = map_of(request, "Options"), *v;
	const json_t *defaults = json_obj(json_obj(en->config.raw, "default-network-opts"), driver);
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)defaults, key, v)
		if (!json_object_get(options, key))
			json_object_set(options, key, v);
	return options;
}

static struct network *plan_config_only(json_t *doc, const json_t *request, struct err *e)
{
	const json_t *config = json_arr(json_obj(request, "IPAM"), "Config");

	json_set_str(doc, "Driver", "null");
	json_set_new(json_obj(doc, "IPAM"), "Config",
		json_array_size(config) ? json_incref((json_t *)(uintptr_t)config) : json_null());
	return network_of(doc, e);
}

struct network *network_plan(struct engine *en, const json_t *request, const char *id, struct err *e)
{
	const char *driver = json_str(request, "Driver", "bridge");
	cleanup_json json_t *options = options_of(en, request, driver);
	cleanup_json json_t *doc = NULL;
	struct network *n;

	if (network_check(request, options, e))
		return NULL;
	doc = doc_of(request, id, options);
	if (json_bool(request, "ConfigOnly", false))
		return plan_config_only(doc, request, e);
	n = network_of(doc, e);
	if (!n)
		return NULL;
	if (plan_bridge(en, n, options, e) || plan_subnets(en, n, request, n->doc, e)) {
		network_put(n);
		return NULL;
	}
	return n;
}

/* --- the default bridge ----------------------------------------------------------------------- */

/* IPAM.Config's entry for one family; NULL: nothing is said about it, or -1 with @e. */
static int default_config(const json_t *raw, bool v6, json_t **out, struct err *e)
{
	const char *bip_key = v6 ? "bip6" : "bip", *bip = json_str(raw, bip_key, "");
	const char *fixed_key = v6 ? "fixed-cidr-v6" : "fixed-cidr", *fixed = json_str(raw, fixed_key, "");
	const char *via = json_str(raw, v6 ? "default-gateway-v6" : "default-gateway", "");
	const char *base = *bip ? bip : fixed;
	char text[SUBNET_TEXT], gateway[INET_TEXT];
	struct subnet s, part;

	*out = NULL;
	if (!*base)
		return 0;
	if (subnet_parse(span_of(base), &s) || (s.addr.family == AF_INET6) != v6)
		return err_kind(e, ERR_INVALID, "bad %s '%s'", *bip ? bip_key : fixed_key, base);
	inet_format(&s.addr, gateway);
	s.addr = subnet_first(&s);
	*out = json_pack("{s:s}", "Subnet", subnet_format(&s, text));
	if (*bip)
		json_set_str(*out, "Gateway", gateway);
	if (*fixed && (*bip || v6)) {
		if (subnet_parse(span_of(fixed), &part) || !subnet_overlaps(&s, &part) || part.len < s.len) {
			json_decref(*out);
			return err_kind(e, ERR_INVALID, "bad %s '%s': it is not in %s", fixed_key, fixed, text);
		}
		json_set_str(*out, "IPRange", subnet_format(&part, text));
	}
	if (*via)
		json_set_new(*out, "AuxiliaryAddresses", json_pack("{s:s}",
			v6 ? "DefaultGatewayIPv6" : "DefaultGatewayIPv4", via));
	return 0;
}

static const char *truth(const json_t *raw, const char *key)
{
	return json_bool(raw, key, true) ? "true" : "false";
}

json_t *network_default_request(struct engine *en, struct err *e)
{
	const json_t *raw = en->config.raw;
	const char *name = json_str(raw, "bridge", ""), *ip = json_str(raw, "ip", "");
	json_t *configs = json_array(), *c;
	bool v6 = json_bool(raw, "ipv6", false);
	int64_t mtu = json_int(raw, "mtu", 0);
	char text[16];

	if (!strcmp(name, "none"))
		goto none;
	for (int i = 0; i <= (int)v6; i++) {
		if (default_config(raw, i, &c, e))
			goto none;
		if (c)
			json_array_append_new(configs, c);
	}
	snprintf(text, sizeof(text), "%d", mtu > 0 && mtu <= 65535 ? (int)mtu : 1500);
	return json_pack("{s:s, s:s, s:b, s:{s:o}, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "Name", "bridge", "Driver",
		"bridge", "EnableIPv6", v6, "IPAM", "Config", configs, "Options", BRIDGE_OPTION "default_bridge", "true",
		BRIDGE_OPTION "enable_icc", truth(raw, "icc"), BRIDGE_OPTION "enable_ip_masquerade", truth(raw, "ip-masq"),
		BRIDGE_OPTION "host_binding_ipv4", *ip ? ip : "0.0.0.0", BRIDGE_OPTION "name", *name ? name : "docker0",
		NETWORK_OPTION "driver.mtu", text);
none:
	json_decref(configs);
	return NULL;
}
