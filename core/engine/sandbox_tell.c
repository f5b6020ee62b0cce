/* SPDX-License-Identifier: MIT */
/*
 * core/engine/sandbox_tell.c - what netd is told of a container: its names, and where its ports lead
 *
 * All of it may be said again at any time, and is, after a restart of netd or of the engine.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/files.h"
#include "engine/network_table.h"
#include "engine/ports.h"
#include "net/dns.h"

#include <fcntl.h>
#include <stdlib.h>

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
	/* On the default bridge nobody finds others, but it is a reason to forward. */
	cleanup_json json_t *names =
		network_is_predefined(ep->net->name) ? json_array() : endpoint_names(c, name, settings);
	cleanup_json json_t *links = links_of(settings);
	char v4[INET_TEXT], v6[INET_TEXT];
	struct dns_endpoint d = {.sandbox_id = c->id, .network_id = ep->net->id, .network_name = ep->net->name,
		.internal = ep->net->internal, .names = vector_of(names), .links = vector_of(links),
		.ip4 = inet_format(&ep->addr[V4], v4), .ip6 = inet_format(&ep->addr[V6], v6)};
	int rc = dns_endpoint_set(en->netd, &d, e);

	free((void *)(uintptr_t)d.names);
	free((void *)(uintptr_t)d.links);
	return rc;
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
int sandbox_tell_names(struct engine *en, struct container *c, int netns, struct err *e)
{
	cleanup_free char *name = container_name(en, c);

	if (!en->netd)
		return 0;
	if (!files_needs_resolver(en, c))
		return 0;
	if (open_resolver(en, c, netns, e))
		return -1;
	for (const struct endpoint *ep = c->endpoints; ep; ep = ep->next)
		if (*ep->port && tell_name(en, c, name, ep, e))
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

int sandbox_publish(struct engine *en, struct container *c, struct err *e)
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

int sandbox_move_ports(struct engine *en, struct container *c, struct err *e)
{
	struct way_in w;
	int rc = 0;

	if (!way_in(en, c, &w)) {
		ports_release(en, c);
		return 0;
	}
	if (c->ports)
		ports_restore(en, c, &w.p);
	else
		rc = ports_publish(en, c, &w.p, e);
	way_in_release(&w);
	return rc;
}

/* Say again all that netd has to know. */
void sandbox_tell(struct engine *en, struct container *c)
{
	cleanup_free char *path = xasprintf("%s/netns", c->id);
	cleanup_close int netns = openat(en->execfd, path, O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (netns < 0)
		return;
	if (sandbox_tell_names(en, c, netns, &e))
		log_err(&e, "names for container %.12s", c->id);
	restore_ports(en, c);
}
