/* SPDX-License-Identifier: MIT */
/*
 * core/engine/endpoint.c - a container's place in one network: addresses, and a link to its bridge
 */
#include "engine/container.h"
#include "engine/network_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX_OPTION NETWORK_OPTION "container_iface_prefix"
#define IFNAME_OPTION NETWORK_OPTION "endpoint.ifname"
#define LINK_LOCAL_MAX 16

/* --- lists ------------------------------------------------------------------------------------ */

struct endpoint *endpoint_on(const struct container *c, const char *network)
{
	struct endpoint *ep;

	for (ep = c->endpoints; ep && strcmp(ep->net->name, network); ep = ep->next)
		;
	return ep;
}

/* Is @a the better way out? */
static bool is_better(const struct endpoint *a, const struct endpoint *b)
{
	bool a_dual = a->addr[V4].family && a->addr[V6].family, b_dual = b->addr[V4].family && b->addr[V6].family;

	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a_dual != b_dual)
		return a_dual;
	return strcmp(a->net->name, b->net->name) < 0;
}

const struct endpoint *endpoint_default(const struct container *c, int family)
{
	const struct endpoint *ep, *best = NULL;

	for (ep = c->endpoints; ep; ep = ep->next)
		if (!ep->net->internal && ep->addr[family].family && (!best || is_better(ep, best)))
			best = ep;
	return best;
}

void endpoint_append(struct endpoint **list, struct endpoint *ep)
{
	while (*list)
		list = &(*list)->next;
	*list = ep;
}

/* --- addresses -------------------------------------------------------------------------------- */

static void give_back(struct engine *en, struct endpoint *ep)
{
	pthread_mutex_lock(&en->networks->lock);
	for (int f = 0; f < FAMILIES; f++)
		if (ep->addr[f].family)
			ipam_give_back(&ep->net->ipam[f], &ep->addr[f]);
	pthread_mutex_unlock(&en->networks->lock);
}

static int take_one(struct endpoint *ep, int f, const char *wanted, struct err *e)
{
	struct network *n = ep->net;
	struct err why = ERR_INIT;
	struct inet want;
	bool asked = *wanted && !inet_parse(span_of(wanted), &want);

	if (!n->family[f].on)
		return 0;
	if (asked && !subnet_contains(&n->family[f].subnet, &want))
		return err_kind(e, ERR_INVALID, "no configured subnet contains IP address %s", wanted);
	if (asked)
		return ipam_take(&n->ipam[f], &want, &ep->addr[f], e);
	if (!ipam_take(&n->ipam[f], NULL, &ep->addr[f], &why))
		return 0;
	return err_set(e, 0, "%s: %s (%s)", why.msg, n->name, n->id);
}

static int take_addresses(struct engine *en, struct endpoint *ep, const json_t *settings, struct err *e)
{
	const json_t *wishes = json_obj(settings, "IPAMConfig");
	struct err why = ERR_INIT;
	int rc;

	pthread_mutex_lock(&en->networks->lock);
	rc = take_one(ep, V4, json_str(wishes, "IPv4Address", ""), &why) ||
		take_one(ep, V6, json_str(wishes, "IPv6Address", ""), &why) ? -1 : 0;
	pthread_mutex_unlock(&en->networks->lock);
	if (rc)
		give_back(en, ep);
	if (rc && e)
		*e = why;
	return rc;
}

/* --- links ------------------------------------------------------------------------------------ */

static bool name_used(const struct endpoint *list, const char *name)
{
	for (; list; list = list->next)
		if (!strcmp(list->ifname, name))
			return true;
	return false;
}

/* What the endpoint asks for, or the first of eth0, eth1, … that is free. */
static int choose_name(struct endpoint *ep, const struct endpoint *others, const json_t *settings,
	struct err *e)
{
	const char *asked = json_str(json_obj(settings, "DriverOpts"), IFNAME_OPTION, "");
	const char *prefix = json_str(json_obj(ep->net->doc, "Options"), PREFIX_OPTION, "eth");

	if (strlen(asked) > LINK_NAME_MAX)
		return err_set(e, 0, "failed to add an interface to sandbox as %s: numerical result out of range: a name has "
			"at most %d bytes", asked, LINK_NAME_MAX);
	if (*asked) {
		snprintf(ep->ifname, sizeof(ep->ifname), "%s", asked);
		return 0;
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(ep->ifname, sizeof(ep->ifname), "%.11s%d", prefix, i);
		if (!name_used(others, ep->ifname))
			return 0;
	}
	return err_set(e, 0, "no name is left for an interface of network %s", ep->net->name);
}

static void choose_mac(struct endpoint *ep, const json_t *settings)
{
	if (!endpoint_parse_mac(json_str(settings, "MacAddress", ""), ep->mac))
		return;
	random_bytes(ep->mac, sizeof(ep->mac));
	ep->mac[0] = (uint8_t)((ep->mac[0] & 0xfe) | 0x02); /* one station's, locally administered */
}

/* The link-local addresses that are asked for, at most LINK_LOCAL_MAX. */
static int read_link_local(const json_t *settings, struct subnet *out, size_t *n, struct err *e)
{
	static const struct subnet v4 = {{AF_INET, {169, 254}}, 16}, v6 = {{AF_INET6, {0xfe, 0x80}}, 64};
	const json_t *list = json_arr(json_obj(settings, "IPAMConfig"), "LinkLocalIPs"), *v;
	size_t i;

	*n = 0;
	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v) ? json_string_value(v) : "";
		struct inet a;

		if (!*text)
			continue;
		if (inet_parse(span_of(text), &a) || !(subnet_contains(&v4, &a) || subnet_contains(&v6, &a)))
			return err_set(e, 0, "invalid link local IP address: %s", text);
		if (*n == LINK_LOCAL_MAX)
			return err_kind(e, ERR_INVALID, "more than %d link-local addresses", LINK_LOCAL_MAX);
		out[(*n)++] = (struct subnet){a, a.family == AF_INET ? v4.len : v6.len};
	}
	return 0;
}

static int attach(struct engine *en, struct endpoint *ep, const struct space *space, const struct link_veth *v,
	struct err *e)
{
	int rc;

	pthread_mutex_lock(&en->networks->kernel);
	rc = link_attach(&en->networks->inside, &space->nl, v, &ep->index, e);
	pthread_mutex_unlock(&en->networks->kernel);
	return rc;
}

static bool has_link(const struct endpoint *list)
{
	while (list && !*list->port)
		list = list->next;
	return list != NULL;
}

static int tie(struct engine *en, struct endpoint *ep, const json_t *settings, const struct space *space,
	struct err *e)
{
	struct network *n = ep->net;
	struct subnet extra[LINK_LOCAL_MAX];
	struct link_veth v = {.port = ep->port, .bridge = n->bridge_index, .isolated = !n->icc,
		.netns = space->netns, .name = ep->ifname, .mtu = n->mtu, .extra = extra};

	if (read_link_local(settings, extra, &v.n_extra, e))
		return -1;
	snprintf(ep->port, sizeof(ep->port), PORT_PREFIX "%.7s", ep->id);
	memcpy(v.mac, ep->mac, sizeof(v.mac));
	for (int f = 0; f < FAMILIES; f++)
		v.addr[f] = (struct subnet){ep->addr[f], n->family[f].subnet.len};
	if (attach(en, ep, space, &v, e)) {
		if (e->code == EEXIST) /* the name inside is taken; Docker's words, who renames afterwards */
			err_set(e, 0, "error renaming interface \"%s\" to \"%s\": file exists", ep->port, ep->ifname);
		err_wrap(e, "failed to add interface %s to sandbox", ep->port);
		*ep->port = 0; /* it is undone, or another's */
		return -1;
	}
	return endpoint_set_sysctls(ep, settings, space->netns, e);
}

/* --- endpoints -------------------------------------------------------------------------------- */

void endpoint_free(struct engine *en, struct endpoint *ep,
	void (*drop_link)(struct engine *en, const char *name))
{
	drop_link(en, ep->port);
	give_back(en, ep);
	network_unuse(en, ep->net);
	network_put(ep->net);
	free(ep);
}

void endpoints_free(struct engine *en, struct endpoint *list)
{
	while (list) {
		struct endpoint *next = list->next;

		endpoint_free(en, list, network_drop_link);
		list = next;
	}
}

struct endpoint *endpoint_new(struct engine *en, struct network *n, const json_t *settings,
	const struct endpoint *others, const struct space *space, struct err *e)
{
	struct endpoint *ep;

	if (!network_use(en, n)) {
		err_kind(e, ERR_NOT_FOUND, "network %s not found", n->name);
		return NULL;
	}
	ep = xcalloc(1, sizeof(*ep));
	ep->net = network_ref(n);
	ep->priority = json_int(settings, "GwPriority", 0);
	random_id(ep->id);
	if (!*n->bridge)
		return ep;
	/* It could not be made when the engine started. */
	if (!n->bridge_index && network_make_bridge(en, n, e))
		goto fail;
	choose_mac(ep, settings);
	if (choose_name(ep, others, settings, e))
		goto fail;
	if (!has_link(others) && endpoint_prepare_netns(space->netns, e))
		goto fail;
	if (take_addresses(en, ep, settings, e))
		goto fail;
	if (!tie(en, ep, settings, space, e))
		return ep;
fail:
	endpoint_free(en, ep, network_remove_link);
	return NULL;
}

/* --- on disk ---------------------------------------------------------------------------------- */

json_t *endpoint_to_json(const struct endpoint *ep)
{
	char v4[INET_TEXT], v6[INET_TEXT], mac[13];

	hex_encode(ep->mac, sizeof(ep->mac), mac);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:I}", "network", ep->net->id, "id", ep->id, "port",
		ep->port, "ifname", ep->ifname, "index", (int)ep->index, "mac", mac, "ip4", inet_format(&ep->addr[V4], v4),
		"ip6", inet_format(&ep->addr[V6], v6), "priority", (json_int_t)ep->priority);
}

struct endpoint *endpoint_of(struct engine *en, const json_t *j)
{
	struct network *n = network_get(en, json_str(j, "network", ""), NULL);
	struct endpoint *ep;

	if (!n || !is_hex64(json_str(j, "id", "")) || !network_use(en, n)) {
		network_put(n);
		return NULL;
	}
	ep = xcalloc(1, sizeof(*ep));
	ep->net = n;
	snprintf(ep->id, sizeof(ep->id), "%s", json_str(j, "id", ""));
	snprintf(ep->port, sizeof(ep->port), "%s", json_str(j, "port", ""));
	snprintf(ep->ifname, sizeof(ep->ifname), "%s", json_str(j, "ifname", ""));
	ep->index = (unsigned int)json_int(j, "index", 0);
	ep->priority = json_int(j, "priority", 0);
	if (strlen(json_str(j, "mac", "")) == 2 * sizeof(ep->mac))
		hex_decode(span_of(json_str(j, "mac", "")), ep->mac);
	inet_parse(span_of(json_str(j, "ip4", "")), &ep->addr[V4]);
	inet_parse(span_of(json_str(j, "ip6", "")), &ep->addr[V6]);
	pthread_mutex_lock(&en->networks->lock);
	for (int f = 0; f < FAMILIES; f++)
		if (ep->addr[f].family && n->family[f].on && subnet_contains(&n->family[f].subnet, &ep->addr[f]))
			ipam_take(&n->ipam[f], &ep->addr[f], NULL, NULL);
	pthread_mutex_unlock(&en->networks->lock);
	return ep;
}
