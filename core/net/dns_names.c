/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_names.c - who is found under which name, by whom
 *
 * Theory of operation
 *   An endpoint is in two lists: its network's, which a lookup walks, and its member's, which says
 *   what networks to look in.  Names are kept in lower case with a hash of their text, so a walk
 *   compares numbers: a network of a thousand containers takes some microseconds.  A network is there
 *   as long as it has endpoints.
 */
#include "net/dns_names.h"

#include <stdlib.h>

struct name {
	uint32_t hash;
	char *text; /* in lower case */
};

struct endpoint {
	struct endpoint *next_here;   /* on its network */
	struct endpoint *next_place; /* of its member */
	struct dns_network *network;
	char *title; /* what PTR answers, as it was given; NULL: nothing */
	struct name *names, *aliases, *targets; /* links: aliases[i] stands for targets[i] */
	size_t n_names, n_links;
	bool internal, has4, has6;
	uint8_t ip4[4], ip6[16];
};

struct dns_network {
	struct dns_network *next;
	char *id, *name, *title; /* in lower case, and as it was given */
	struct endpoint *endpoints;
};

struct dns_member {
	struct dns_member *next;
	char *id;
	struct endpoint *places;
};

/* --- names -------------------------------------------------------------------------------------- */

/* FNV-1a */
static uint32_t hash(struct span s)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return h;
}

static char *lower_dup(const char *s)
{
	char *out = xstrdup(s), *p;

	for (p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	return out;
}

static struct name name_of(const char *s)
{
	struct name n = {.text = lower_dup(s)};

	n.hash = hash(span_of(n.text));
	return n;
}

struct wanted {
	struct span text;
	uint32_t hash;
};

static struct wanted want(struct span text)
{
	return (struct wanted){text, hash(text)};
}

static bool is(const struct name *n, const struct wanted *w)
{
	return n->hash == w->hash && span_eqs(w->text, n->text);
}

static size_t count(const char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

static void free_names(struct name *v, size_t n)
{
	while (n--)
		free(v[n].text);
}

/* --- networks and endpoints ------------------------------------------------------------------- */

static struct dns_network *network_get(struct dns_names *t, const char *id, const char *name)
{
	struct dns_network *net, **end;

	for (end = &t->networks; (net = *end); end = &net->next)
		if (!strcmp(net->id, id))
			return net;
	*end = net = xcalloc(1, sizeof(*net));
	net->id = xstrdup(id);
	net->title = xstrdup(name);
	net->name = lower_dup(name);
	return net;
}

static void network_drop_empty(struct dns_names *t, struct dns_network *net)
{
	struct dns_network **p;

	if (net->endpoints)
		return;
	for (p = &t->networks; *p != net; p = &(*p)->next)
		;
	*p = net->next;
	free(net->id);
	free(net->name);
	free(net->title);
	free(net);
}

static struct endpoint *endpoint_new(struct dns_network *net, const struct dns_place *place)
{
	struct endpoint *ep = xcalloc(1, sizeof(*ep));
	size_t i;

	ep->network = net;
	ep->title = place->names && place->names[0] ? xstrdup(place->names[0]) : NULL;
	ep->n_names = count(place->names);
	ep->n_links = count(place->links) / 2;
	ep->names = xcalloc(ep->n_names + 1, sizeof(*ep->names));
	ep->aliases = xcalloc(ep->n_links + 1, sizeof(*ep->aliases));
	ep->targets = xcalloc(ep->n_links + 1, sizeof(*ep->targets));
	for (i = 0; i < ep->n_names; i++)
		ep->names[i] = name_of(place->names[i]);
	for (i = 0; i < ep->n_links; i++) {
		ep->aliases[i] = name_of(place->links[2 * i]);
		ep->targets[i] = name_of(place->links[2 * i + 1]);
	}
	ep->internal = place->internal;
	ep->has4 = place->has4;
	ep->has6 = place->has6;
	memcpy(ep->ip4, place->ip4, sizeof(ep->ip4));
	memcpy(ep->ip6, place->ip6, sizeof(ep->ip6));
	return ep;
}

static void endpoint_free(struct endpoint *ep)
{
	free_names(ep->names, ep->n_names);
	free_names(ep->aliases, ep->n_links);
	free_names(ep->targets, ep->n_links);
	free(ep->names);
	free(ep->aliases);
	free(ep->targets);
	free(ep->title);
	free(ep);
}

/* Take the endpoint at *@place out of both lists, and free it. */
static void place_take_out(struct dns_names *t, struct endpoint **place)
{
	struct endpoint *ep = *place, **p;
	struct dns_network *net = ep->network;

	*place = ep->next_place;
	for (p = &net->endpoints; *p != ep; p = &(*p)->next_here)
		;
	*p = ep->next_here;
	endpoint_free(ep);
	network_drop_empty(t, net);
}

static struct endpoint **place_find(struct dns_member *m, const char *network_id)
{
	struct endpoint **p = &m->places;

	while (*p && strcmp((*p)->network->id, network_id))
		p = &(*p)->next_place;
	return p;
}

void dns_place_set(struct dns_names *t, struct dns_member *m, const struct dns_place *place)
{
	struct dns_network *net = network_get(t, place->network_id, place->network_name);
	struct endpoint *ep = endpoint_new(net, place), **here = place_find(m, place->network_id), **p;

	for (p = &net->endpoints; *p; p = &(*p)->next_here)
		;
	*p = ep;
	ep->next_place = *here;
	*here = ep;
	if (ep->next_place) /* the former one: exactly there, as nothing else is on this network */
		place_take_out(t, &ep->next_place);
}

void dns_place_remove(struct dns_names *t, struct dns_member *m, const char *network_id)
{
	struct endpoint **p = place_find(m, network_id);

	if (*p)
		place_take_out(t, p);
}

/* --- members ------------------------------------------------------------------------------------ */

struct dns_member *dns_member_get(struct dns_names *t, const char *id)
{
	struct dns_member *m;

	for (m = t->members; m; m = m->next)
		if (!strcmp(m->id, id))
			return m;
	m = xcalloc(1, sizeof(*m));
	m->id = xstrdup(id);
	m->next = t->members;
	t->members = m;
	return m;
}

void dns_member_drop(struct dns_names *t, const char *id)
{
	struct dns_member *m, **p;

	for (p = &t->members; (m = *p); p = &m->next)
		if (!strcmp(m->id, id))
			break;
	if (!m)
		return;
	while (m->places)
		place_take_out(t, &m->places);
	*p = m->next;
	free(m->id);
	free(m);
}

void dns_names_release(struct dns_names *t)
{
	while (t->members)
		dns_member_drop(t, t->members->id);
}

bool dns_member_is_external(const struct dns_member *m)
{
	const struct endpoint *ep;

	for (ep = m->places; ep; ep = ep->next_place)
		if (!ep->internal)
			return true;
	return false;
}

/* --- looking up --------------------------------------------------------------------------------- */

static void add_addresses(const struct endpoint *ep, struct dns_found *out)
{
	out->known = true;
	if (ep->has4 && out->n4 < DNS_FOUND_MAX)
		memcpy(out->ip4[out->n4++], ep->ip4, sizeof(ep->ip4));
	if (ep->has6 && out->n6 < DNS_FOUND_MAX)
		memcpy(out->ip6[out->n6++], ep->ip6, sizeof(ep->ip6));
}

static void find_here(const struct dns_network *net, const struct wanted *w, struct dns_found *out)
{
	const struct endpoint *ep;
	size_t i;

	for (ep = net->endpoints; ep; ep = ep->next_here)
		for (i = 0; i < ep->n_names; i++)
			if (is(&ep->names[i], w)) {
				add_addresses(ep, out);
				break;
			}
}

/* What @w means on one place's network: a link's name hides one of the same text there. */
static void find_at(const struct endpoint *ep, const struct wanted *w, struct dns_found *out)
{
	size_t i;

	for (i = 0; i < ep->n_links; i++)
		if (is(&ep->aliases[i], w)) {
			struct wanted target = {span_of(ep->targets[i].text), ep->targets[i].hash};

			find_here(ep->network, &target, out);
			return;
		}
	find_here(ep->network, w, out);
}

static bool find_in(const struct dns_member *m, struct span name, struct span network, struct dns_found *out)
{
	struct wanted w = want(name);
	const struct endpoint *ep;

	for (ep = m->places; ep && !out->known; ep = ep->next_place)
		if (!network.p || span_eqs(network, ep->network->name))
			find_at(ep, &w, out);
	return out->known;
}

bool dns_names_find(const struct dns_member *m, const char *name, struct dns_found *out)
{
	struct span whole = span_of(name), front = whole, back;
	ssize_t dot;

	out->known = false;
	out->n4 = out->n6 = 0;
	if (!whole.n)
		return false;
	if (find_in(m, whole, (struct span){NULL, 0}, out))
		return true;
	while ((dot = span_rchr(front, '.')) > 0) {
		front.n = (size_t)dot;
		back = (struct span){whole.p + dot + 1, whole.n - (size_t)dot - 1};
		if (find_in(m, front, back, out))
			return true;
	}
	return false;
}

char *dns_names_reverse(const struct dns_member *m, const uint8_t *addr, size_t n)
{
	const struct endpoint *place, *ep;

	for (place = m->places; place; place = place->next_place)
		for (ep = place->network->endpoints; ep; ep = ep->next_here)
			if (ep->title && ((n == 4 && ep->has4 && !memcmp(ep->ip4, addr, 4)) ||
						 (n == 16 && ep->has6 && !memcmp(ep->ip6, addr, 16))))
				return xasprintf("%s.%s", ep->title, ep->network->title);
	return NULL;
}
