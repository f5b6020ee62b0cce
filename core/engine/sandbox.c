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
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (1 << 20) /* bytes of network.json */

/* --- the namespace ---------------------------------------------------------------------------- */

static int prepare_space(void *arg, struct err *e)
{
	struct space *space = arg;

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

/* Neither the relay works here nor another driver: without a route programs are told at once. */
static bool has_way_out(const struct engine *en)
{
	return !*en->no_relay.msg || *en->way.driver;
}

static int set_routes(const struct engine *en, const struct container *c, const struct space *space, struct err *e)
{
	static const int families[FAMILIES] = {AF_INET, AF_INET6};

	for (int f = 0; f < FAMILIES; f++) {
		const struct endpoint *ep = has_way_out(en) ? endpoint_default(c, f) : NULL;
		const struct network_family *net = ep ? &ep->net->family[f] : NULL;
		struct inet via = !net ? (struct inet){0} : net->via.family ? net->via : net->gateway;

		if (link_default_route(&space->nl, families[f], &via, ep ? ep->index : 0, e))
			return -1;
	}
	return 0;
}

/* --- network.json ----------------------------------------------------------------------------- */

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
		endpoint_append(list, ep);
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
	if (space->netns >= 0 && set_routes(s->en, s->c, space, e))
		return -1;
	if (save(s->en, s->c, e))
		return -1;
	if (space->netns < 0)
		return 0;
	return sandbox_tell_names(s->en, s->c, space->netns, e) || sandbox_publish(s->en, s->c, e) ? -1 : 0;
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
			endpoint_append(&list, ep);
		else
			log_warn("container %.12s was on a network that is gone", c->id);
	}
	pthread_mutex_lock(&c->lock);
	c->endpoints = list;
	if (is_hex64(json_str(j, "sandbox", "")))
		memcpy(c->sandbox_id, json_str(j, "sandbox", ""), sizeof(c->sandbox_id));
	pthread_mutex_unlock(&c->lock);
	sandbox_tell(en, c);
}

void sandbox_renamed(struct engine *en, struct container *c)
{
	pthread_mutex_lock(&c->sandbox);
	if (c->endpoints)
		sandbox_tell(en, c);
	pthread_mutex_unlock(&c->sandbox);
}

void sandboxes_replay(void *arg)
{
	struct engine *en = arg;
	struct container **all = containers_all(en);

	for (size_t i = 0; all[i]; i++)
		sandbox_renamed(en, all[i]);
	containers_free(all);
}

/* --- connect, disconnect ---------------------------------------------------------------------- */

/* The endpoints have changed: the kernel, netd and the files follow. */
static int follow(struct engine *en, struct container *c, const struct space *space, struct err *e)
{
	if (set_routes(en, c, space, e) || save(en, c, e) || sandbox_tell_names(en, c, space->netns, e) ||
		sandbox_move_ports(en, c, e))
		return -1;
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
	if (en->netd && *ep->port && dns_endpoint_remove(en->netd, c->id, ep->net->id, &e))
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
	endpoint_append(&c->endpoints, ep);
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
