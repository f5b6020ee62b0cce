/* SPDX-License-Identifier: MIT */
/*
 * core/engine/sandbox.c - a running container's network namespace, and its endpoints in networks
 *
 * Theory of operation
 *   The namespace is made before the container's process and kept at <exec-root>/<id>/netns, a
 *   mount; the process joins it.  So all is there when the first instruction of the container
 *   runs, and what fails fails before.  An endpoint is made in this order, and undone in reverse:
 *	the network is in use		(it cannot be removed from now on)
 *	addresses are taken		(memory)
 *	a veth pair ties it		(the kernel)
 *   Then network.json is written beside the namespace.  A crash before that leaves a port on a bridge
 *   that nobody speaks of, which the next engine removes (networks_settle()).  At the end the port is
 *   silenced before its addresses are free again: in a namespace on its way out, it would still
 *   answer for them.
 *
 *   Routes.  The gateway is that of one endpoint, for each address family: the highest GwPriority, then
 *   networks that have both families, then names in order; internal networks have none.
 *
 *   netd is told of names and ports last.  It may be told again at any time.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/files.h"
#include "engine/network_table.h"
#include "engine/ports.h"
#include "engine/spec.h"
#include "net/dns.h"
#include "net/netd.h"
#include "net/netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (1 << 20) /* bytes of network.json */
#define PREFIX_OPTION "com.docker.network.container_iface_prefix"
#define IFNAME_OPTION "com.docker.network.endpoint.ifname"

/* A namespace at hand, to be worked on. */
struct space {
	int netns;
	struct nl nl;
};

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

static void append(struct endpoint **list, struct endpoint *ep)
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
	struct inet want;
	bool asked = *wanted && !inet_parse(span_of(wanted), &want);

	if (!n->family[f].on)
		return 0;
	if (asked && !subnet_contains(&n->family[f].subnet, &want))
		return err_kind(e, ERR_INVALID, "no configured subnet contains IP address %s", wanted);
	if (!ipam_take(&n->ipam[f], asked ? &want : NULL, &ep->addr[f], e))
		return 0;
	return asked ? -1 : err_kind(e, ERR_FORBIDDEN, "%s: %s (%s)", e->msg, n->name, n->id);
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
static void choose_name(struct endpoint *ep, const struct endpoint *others, const json_t *settings)
{
	const char *asked = json_str(json_obj(settings, "DriverOpts"), IFNAME_OPTION, "");
	const char *prefix = json_str(json_obj(ep->net->doc, "Options"), PREFIX_OPTION, "eth");

	if (*asked) {
		snprintf(ep->ifname, sizeof(ep->ifname), "%s", asked);
		return;
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(ep->ifname, sizeof(ep->ifname), "%.11s%d", prefix, i);
		if (!name_used(others, ep->ifname))
			return;
	}
}

static void choose_mac(struct endpoint *ep, const json_t *settings)
{
	if (!endpoint_parse_mac(json_str(settings, "MacAddress", ""), ep->mac))
		return;
	random_bytes(ep->mac, sizeof(ep->mac));
	ep->mac[0] = (uint8_t)((ep->mac[0] & 0xfe) | 0x02); /* one station's, locally administered */
}

static int tie(struct engine *en, struct endpoint *ep, const struct space *space, struct err *e)
{
	struct network *n = ep->net;
	struct link_veth v = {.port = ep->port, .bridge = n->bridge_index, .isolated = !n->icc,
		.netns = space->netns, .name = ep->ifname, .mtu = n->mtu};
	int rc;

	snprintf(ep->port, sizeof(ep->port), "veth%.7s", ep->id);
	memcpy(v.mac, ep->mac, sizeof(v.mac));
	for (int f = 0; f < FAMILIES; f++)
		v.addr[f] = (struct subnet){ep->addr[f], n->family[f].subnet.len};
	pthread_mutex_lock(&en->networks->kernel);
	rc = link_attach(&en->networks->inside, &space->nl, &v, &ep->index, e);
	pthread_mutex_unlock(&en->networks->kernel);
	return rc;
}

/* --- endpoints -------------------------------------------------------------------------------- */

/* Undo all there is of it; @drop_link is network_remove_link(), or network_drop_link() where the
 * container's namespace goes anyway. */
static void endpoint_free(struct engine *en, struct endpoint *ep,
	void (*drop_link)(struct engine *en, const char *name))
{
	drop_link(en, ep->port);
	give_back(en, ep);
	network_unuse(en, ep->net);
	network_put(ep->net);
	free(ep);
}

static void endpoints_free(struct engine *en, struct endpoint *list)
{
	while (list) {
		struct endpoint *next = list->next;

		endpoint_free(en, list, network_drop_link);
		list = next;
	}
}

/* An endpoint in @n, not in any list yet.  @space is NULL for the host's network. */
static struct endpoint *endpoint_new(struct engine *en, struct network *n, const json_t *settings,
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
	if (!n->bridge_index) {
		*e = en->no_netd;
		goto fail;
	}
	choose_mac(ep, settings);
	choose_name(ep, others, settings);
	if (take_addresses(en, ep, settings, e))
		goto fail;
	if (!tie(en, ep, space, e))
		return ep;
	*ep->port = 0; /* it is undone, or another's */
fail:
	endpoint_free(en, ep, network_remove_link);
	return NULL;
}

/* --- the namespace ---------------------------------------------------------------------------- */

static void put_sysctl(const char *path, const char *value)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* Where /proc/sys is not ours to write, neighbours take some seconds to notice a new address. */
	if (fd >= 0 && write(fd, value, 1) < 0)
		return;
}

static int prepare_space(void *arg, struct err *e)
{
	struct space *space = arg;

	put_sysctl("/proc/sys/net/ipv4/conf/default/arp_notify", "1");
	put_sysctl("/proc/sys/net/ipv6/conf/default/ndisc_notify", "1");
	return nl_open(&space->nl, -1, NETLINK_ROUTE, e) || link_loopback(&space->nl, e) ? -1 : 0;
}

static void space_close(struct space *space)
{
	nl_close(&space->nl);
	fd_close(&space->netns);
}

/* That of a container that runs. */
static int space_open(struct engine *en, const struct container *c, struct space *space, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/netns", c->id);

	*space = (struct space){openat(en->execfd, path, O_RDONLY | O_CLOEXEC), NL_INIT};
	if (space->netns < 0)
		return err_set(e, errno, "opening the network namespace of container %s", c->id);
	if (!nl_open(&space->nl, space->netns, NETLINK_ROUTE, e))
		return 0;
	space_close(space);
	return -1;
}

static int set_routes(const struct container *c, const struct space *space, struct err *e)
{
	static const int families[FAMILIES] = {AF_INET, AF_INET6};

	for (int f = 0; f < FAMILIES; f++) {
		const struct endpoint *ep = endpoint_default(c, f);
		const struct network_family *net = ep ? &ep->net->family[f] : NULL;
		struct inet via = !net ? (struct inet){0} : net->via.family ? net->via : net->gateway;

		if (link_default_route(&space->nl, families[f], &via, ep ? ep->index : 0, e))
			return -1;
	}
	return 0;
}

/* --- network.json ----------------------------------------------------------------------------- */

static json_t *endpoint_to_json(const struct endpoint *ep)
{
	char v4[INET_TEXT], v6[INET_TEXT], mac[13];

	hex_encode(ep->mac, sizeof(ep->mac), mac);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:I}", "network", ep->net->id, "id", ep->id, "port",
		ep->port, "ifname", ep->ifname, "index", (int)ep->index, "mac", mac, "ip4", inet_format(&ep->addr[V4], v4),
		"ip6", inet_format(&ep->addr[V6], v6), "priority", (json_int_t)ep->priority);
}

static int save(struct engine *en, struct container *c, struct err *e)
{
	cleanup_free char *file = xasprintf("%s/network.json", c->id);
	cleanup_json json_t *j = json_object();
	json_t *list = json_array();

	pthread_mutex_lock(&c->lock);
	for (const struct endpoint *ep = c->endpoints; ep; ep = ep->next)
		json_array_append_new(list, endpoint_to_json(ep));
	json_set_str(j, "sandbox", c->sandbox_id);
	pthread_mutex_unlock(&c->lock);
	json_set_new(j, "endpoints", list);
	return json_save_at(en->execfd, file, j, 0, e);
}

/* An endpoint as a former engine left it: its addresses are taken, its link is there. */
static struct endpoint *endpoint_of(struct engine *en, const json_t *j)
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

/* --- what netd is told ------------------------------------------------------------------------ */

/* The strings of an array, as a vector; both must outlive the use. To free(). */
static const char **vector_of(const json_t *list)
{
	const char **v = xcalloc(json_array_size(list) + 1, sizeof(char *));
	size_t n = 0, i;
	const json_t *s;

	json_array_foreach(list, i, s)
		if (json_is_string(s))
			v[n++] = json_string_value(s);
	return v;
}

/* ["alias", "name", …] of "name:alias", "name". */
static json_t *links_of(const json_t *settings)
{
	json_t *out = json_array(), *v;
	size_t i;

	json_array_foreach(json_arr(settings, "Links"), i, v) {
		const char *text = json_string_value(v), *colon = strchr(text, ':');
		size_t len = colon ? (size_t)(colon - text) : strlen(text);

		json_append_str(out, colon ? colon + 1 : text);
		json_array_append_new(out, json_textn(text, len));
	}
	return out;
}

static int tell_name(struct engine *en, const struct container *c, const char *name, const struct endpoint *ep,
	struct err *e)
{
	const json_t *settings = json_object_get(c->networks, ep->net->name);
	cleanup_json json_t *names = endpoint_names(c, name, settings), *links = links_of(settings);
	char v4[INET_TEXT], v6[INET_TEXT];
	struct dns_endpoint d = {.sandbox_id = c->id, .network_id = ep->net->id, .network_name = ep->net->name,
		.internal = ep->net->internal, .names = vector_of(names), .links = vector_of(links),
		.ip4 = inet_format(&ep->addr[V4], v4), .ip6 = inet_format(&ep->addr[V6], v6)};
	int rc = dns_endpoint_set(en->netd, &d, e);

	free((void *)(uintptr_t)d.names);
	free((void *)(uintptr_t)d.links);
	return rc;
}

static bool has_names(const struct endpoint *ep)
{
	return *ep->port && !network_is_predefined(ep->net->name);
}

static int open_resolver(struct engine *en, struct container *c, int netns, struct err *e)
{
	cleanup_json json_t *host = container_host(c), *dns = files_name_servers(en, host);
	struct dns_sandbox d = {.id = c->id, .netnsfd = netns, .servers = vector_of(dns),
		.ndots_set = files_ndots_set(en, host)};
	int rc = dns_sandbox_open(en->netd, &d, e);

	free((void *)(uintptr_t)d.servers);
	return rc;
}

/* All names of a container. */
static int tell_names(struct engine *en, struct container *c, int netns, struct err *e)
{
	cleanup_free char *name = container_name(en, c);
	bool resolver = files_needs_resolver(en, c);

	if (!en->netd)
		return 0;
	if (resolver && open_resolver(en, c, netns, e))
		return -1;
	for (const struct endpoint *ep = c->endpoints; ep; ep = ep->next)
		if (has_names(ep) && tell_name(en, c, name, ep, e))
			return -1;
	return 0;
}

/* The endpoint that ports lead to; false: none. */
struct way_in {
	struct ports_endpoint p;
	char ip4[INET_TEXT], ip6[INET_TEXT];
	char *name;
	char **subnets;
};

static bool way_in(struct engine *en, struct container *c, struct way_in *w)
{
	const struct endpoint *v4 = endpoint_default(c, V4), *v6 = endpoint_default(c, V6), *ep;
	const json_t *options;
	char text[SUBNET_TEXT];
	size_t n = 0;

	ep = v4 ? v4 : v6;
	if (!ep || !en->netd)
		return false;
	*w = (struct way_in){.name = container_name(en, c)};
	if (v4)
		inet_format(&v4->addr[V4], w->ip4);
	if (v6)
		inet_format(&v6->addr[V6], w->ip6);
	options = json_obj(ep->net->doc, "Options");
	w->p = (struct ports_endpoint){w->name, ep->id, w->ip4, w->ip6,
		json_str(options, "com.docker.network.bridge.host_binding_ipv4", NULL), NULL};
	if (w->p.host_ip && !strcmp(w->p.host_ip, "0.0.0.0"))
		w->p.host_ip = NULL;
	for (ep = c->endpoints; ep; ep = ep->next)
		n += FAMILIES;
	w->subnets = xcalloc(n + 1, sizeof(char *));
	for (n = 0, ep = c->endpoints; ep; ep = ep->next)
		for (int f = 0; f < FAMILIES; f++)
			if (ep->addr[f].family)
				w->subnets[n++] = xstrdup(subnet_format(&ep->net->family[f].subnet, text));
	w->p.subnets = (const char *const *)w->subnets;
	return true;
}

static void way_in_release(struct way_in *w)
{
	free(w->name);
	strv_free(w->subnets);
}

static int publish(struct engine *en, struct container *c, struct err *e)
{
	struct way_in w;
	int rc;

	if (!way_in(en, c, &w))
		return 0;
	rc = ports_publish(en, c, &w.p, e);
	way_in_release(&w);
	return rc;
}

static void restore_ports(struct engine *en, struct container *c)
{
	struct way_in w;

	if (!way_in(en, c, &w))
		return;
	ports_restore(en, c, &w.p);
	way_in_release(&w);
}

/* Say again all that netd has to know. */
static void tell_all(struct engine *en, struct container *c)
{
	cleanup_free char *path = xasprintf("%s/netns", c->id);
	cleanup_close int netns = openat(en->execfd, path, O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (netns < 0)
		return;
	if (tell_names(en, c, netns, &e))
		log_err(&e, "names for container %.12s", c->id);
	restore_ports(en, c);
}

void sandboxes_replay(void *arg)
{
	struct engine *en = arg;
	struct container **all = containers_all(en);

	for (size_t i = 0; all[i]; i++) {
		sandbox_renamed(en, all[i]);
	}
	containers_free(all);
}

/* --- a container's life ----------------------------------------------------------------------- */

/* Docker keeps, and shows, on which network it was last. */
static void note_network(struct container *c, const char *network, const struct network *n)
{
	json_t *all, *settings;

	pthread_mutex_lock(&c->lock);
	settings = json_copy(json_object_get(c->networks, network));
	json_set_str(settings, "NetworkID", n->id);
	all = json_copy(c->networks);
	json_set_new(all, network, settings);
	json_decref(c->networks);
	c->networks = all;
	pthread_mutex_unlock(&c->lock);
}

void sandbox_note_networks(struct engine *en, struct container *c)
{
	cleanup_json json_t *networks = json_incref(c->networks);
	const char *name;
	json_t *settings;

	json_object_foreach(networks, name, settings) {
		struct network *n = network_get(en, name, NULL);

		if (n)
			note_network(c, name, n);
		network_put(n);
	}
}

static int join(struct start *s, const char *network, const json_t *settings, const struct space *space,
	struct endpoint **list, struct err *e)
{
	struct network *n = network_get(s->en, network, e);
	struct endpoint *ep = NULL;

	if (!n)
		return -1;
	if (n->config_only)
		err_kind(e, ERR_FORBIDDEN, "cannot create endpoint on configuration-only network");
	else if (!endpoint_check(n, network, settings, e))
		ep = endpoint_new(s->en, n, settings, *list, space, e);
	if (ep) {
		append(list, ep);
		note_network(s->c, network, n);
	}
	network_put(n);
	return ep ? 0 : -1;
}

/* The network it was created for comes first, and so is eth0. */
static int join_all(struct start *s, const struct space *space, struct endpoint **list, struct err *e)
{
	cleanup_json json_t *networks = json_incref(s->c->networks);
	const char *first = json_str(s->host, "NetworkMode", ""), *name;
	json_t *settings = json_object_get(networks, first);

	if (settings && join(s, first, settings, space, list, e))
		return -1;
	json_object_foreach(networks, name, settings)
		if (strcmp(name, first) && join(s, name, settings, space, list, e))
			return -1;
	return 0;
}

/* With the endpoints in place: routes, files that a crash needs, and those that the container sees. */
static int furnish(struct start *s, struct space *space, struct err *e)
{
	if (space->netns >= 0 && set_routes(s->c, space, e))
		return -1;
	if (save(s->en, s->c, e))
		return -1;
	if (space->netns < 0)
		return 0;
	return tell_names(s->en, s->c, space->netns, e) || publish(s->en, s->c, e) ? -1 : 0;
}

static int open_sandbox(struct start *s, struct err *e)
{
	bool host = spec_host_network(s), made;
	struct space space = {-1, NL_INIT};
	struct endpoint *list = NULL;
	int rc = -1;

	if (!host) {
		space.netns = netns_open_pinned(s->dirfd, "netns", &made, e);
		if (space.netns < 0 || netns_run(space.netns, prepare_space, &space, e))
			goto out;
	}
	if (join_all(s, &space, &list, e))
		goto out;
	pthread_mutex_lock(&s->c->lock);
	s->c->endpoints = list;
	list = NULL;
	random_id(s->c->sandbox_id);
	pthread_mutex_unlock(&s->c->lock);
	rc = furnish(s, &space, e);
out:
	endpoints_free(s->en, list);
	space_close(&space);
	return rc;
}

int sandbox_open(struct start *s, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->c->sandbox);
	rc = open_sandbox(s, e);
	pthread_mutex_unlock(&s->c->sandbox);
	if (!rc)
		return 0;
	sandbox_close(s->en, s->c);
	return err_wrap(e, "failed to set up container networking");
}

void sandbox_close(struct engine *en, struct container *c)
{
	struct endpoint *list;
	struct err e;
	bool names = false;

	pthread_mutex_lock(&c->sandbox);
	ports_release(en, c);
	pthread_mutex_lock(&c->lock);
	list = c->endpoints;
	c->endpoints = NULL;
	pthread_mutex_unlock(&c->lock);
	for (const struct endpoint *ep = list; ep; ep = ep->next)
		names |= *ep->port != 0;
	if (names && en->netd && dns_sandbox_close(en->netd, c->id, &e))
		log_err(&e, "forgetting the names of container %.12s", c->id);
	endpoints_free(en, list);
	pthread_mutex_unlock(&c->sandbox);
}

void sandbox_adopt(struct engine *en, struct container *c, int dirfd)
{
	cleanup_json json_t *j = json_load_at(dirfd, "network.json", FILE_MAX, NULL);
	struct endpoint *list = NULL;
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(j, "endpoints"), i, v) {
		struct endpoint *ep = endpoint_of(en, v);

		if (ep)
			append(&list, ep);
		else
			log_warn("container %.12s was on a network that is gone", c->id);
	}
	pthread_mutex_lock(&c->lock);
	c->endpoints = list;
	if (is_hex64(json_str(j, "sandbox", "")))
		memcpy(c->sandbox_id, json_str(j, "sandbox", ""), sizeof(c->sandbox_id));
	pthread_mutex_unlock(&c->lock);
	tell_all(en, c);
}

void sandbox_renamed(struct engine *en, struct container *c)
{
	pthread_mutex_lock(&c->sandbox);
	if (c->endpoints)
		tell_all(en, c);
	pthread_mutex_unlock(&c->sandbox);
}

/* --- connect, disconnect ---------------------------------------------------------------------- */

/* The endpoints have changed: the kernel, netd and the files follow. */
static int follow(struct engine *en, struct container *c, const struct space *space, struct err *e)
{
	if (set_routes(c, space, e) || save(en, c, e) || tell_names(en, c, space->netns, e))
		return -1;
	restore_ports(en, c);
	files_follow(en, c);
	return 0;
}

static struct endpoint *unlink_endpoint(struct container *c, const char *network)
{
	struct endpoint **at, *ep;

	pthread_mutex_lock(&c->lock);
	for (at = &c->endpoints; *at && strcmp((*at)->net->name, network); at = &(*at)->next)
		;
	ep = *at;
	if (ep)
		*at = ep->next;
	pthread_mutex_unlock(&c->lock);
	return ep;
}

/* Its end may come at any time, and with it sandbox_close(). */
static bool is_up(struct container *c)
{
	bool up;

	pthread_mutex_lock(&c->lock);
	up = c->status == ST_RUNNING && c->pid;
	pthread_mutex_unlock(&c->lock);
	return up;
}

static void leave(struct engine *en, struct container *c, const char *network, const struct space *space)
{
	struct endpoint *ep = unlink_endpoint(c, network);
	struct err e;

	if (!ep)
		return;
	if (en->netd && has_names(ep) && dns_endpoint_remove(en->netd, c->id, ep->net->id, &e))
		log_err(&e, "forgetting a name of container %.12s", c->id);
	endpoint_free(en, ep, network_remove_link);
	if (follow(en, c, space, &e))
		log_err(&e, "disconnecting container %.12s", c->id);
}

static int enter(struct engine *en, struct container *c, struct network *n, const json_t *settings,
	const struct space *space, struct err *e)
{
	struct endpoint *ep = endpoint_new(en, n, settings, c->endpoints, space, e);

	if (!ep)
		return -1;
	pthread_mutex_lock(&c->lock);
	append(&c->endpoints, ep);
	pthread_mutex_unlock(&c->lock);
	note_network(c, n->name, n);
	if (!follow(en, c, space, e))
		return 0;
	leave(en, c, n->name, space);
	return -1;
}

int sandbox_connect(struct engine *en, struct container *c, struct network *n, const json_t *settings,
	struct err *e)
{
	struct space space = {-1, NL_INIT};
	int rc = 0;

	pthread_mutex_lock(&c->sandbox);
	if (is_up(c))
		rc = space_open(en, c, &space, e) || enter(en, c, n, settings, &space, e) ? -1 : 0;
	pthread_mutex_unlock(&c->sandbox);
	space_close(&space);
	return rc;
}

void sandbox_disconnect(struct engine *en, struct container *c, const char *network)
{
	struct space space = {-1, NL_INIT};
	struct err e;

	pthread_mutex_lock(&c->sandbox);
	if (!endpoint_on(c, network))
		; /* it does not run */
	else if (space_open(en, c, &space, &e))
		log_err(&e, "disconnecting container %.12s", c->id);
	else
		leave(en, c, network, &space);
	pthread_mutex_unlock(&c->sandbox);
	space_close(&space);
}

void network_events(struct engine *en, struct container *c, const char *action)
{
	const char *name;
	json_t *networks, *settings;

	pthread_mutex_lock(&c->lock);
	networks = json_incref(c->networks);
	pthread_mutex_unlock(&c->lock);
	json_object_foreach(networks, name, settings) {
		struct network *n = network_get(en, name, NULL);

		if (n)
			events_emit(en, "network", action, n->id, json_pack("{s:s, s:s, s:s}", "container", c->id,
				"name", n->name, "type", n->driver));
		network_put(n);
	}
	json_decref(networks);
}
