/* SPDX-License-Identifier: MIT */
/*
 * core/net/link.h - bridges, and the veth pairs that tie containers to them
 *
 * "inside" is a NETLINK_ROUTE socket in the namespace of the bridges, "container" one in that of a
 * container.  Each function is one batch on each socket it is given.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "net/inet.h"
#include "net/nl.h"

#define LINK_NAME_MAX 15 /* bytes of an interface's name, without its NUL */

struct link_bridge {
	const char *name;
	unsigned int mtu;
	uint8_t mac[6];	       /* its own: the lowest of its ports' would change as they come and go */
	struct subnet addr[2]; /* with the host's bits; family 0: none */
};

/**
 * link_bridge_make() - Make a bridge, or change one of that name into this
 * @index:	Set to its interface index
 *
 * Return: 0; -1 with @e, ->code EEXIST or EOPNOTSUPP if there is something else of that name
 */
int link_bridge_make(const struct nl *inside, const struct link_bridge *b, unsigned int *index,
	struct err *e);

struct link_veth {
	const char *port; /* its end on the bridge */
	unsigned int bridge;
	bool isolated; /* ports that are do not see each other, but the bridge itself */
	int netns;     /* the container's, borrowed */
	const char *name; /* its end in the container: "eth0" */
	unsigned int mtu;
	uint8_t mac[6];
	struct subnet addr[2]; /* family 0: none */
	const struct subnet *extra; /* more addresses, not the network's */
	size_t n_extra;
};

/* Raise a new container's lo. */
int link_loopback(const struct nl *container, struct err *e);
/* Tie a container to a bridge: pair, addresses, up.  0 with @index, of the end in the container; or -1
 * with @e and nothing left of it. */
int link_attach(const struct nl *inside, const struct nl *container, const struct link_veth *v,
	unsigned int *index, struct err *e);
/* Remove a link, a bridge or the port of a pair (and with it its other end).  One that is not there is
 * success. */
int link_remove(const struct nl *inside, const char *name, struct err *e);

/* Let nothing out to a port any more, at once, so that nobody hears its addresses asked for: link_remove()
 * takes some 10 ms (RCU). */
int link_silence(const struct nl *inside, const char *port, struct err *e);

/* Where packets without another route go; @via of family 0: nowhere.  Replaces what was. */
int link_default_route(const struct nl *container, int family, const struct inet *via,
	unsigned int index, struct err *e);

struct link_seen {
	const char *name, *kind; /* kind: "bridge", "veth", …; "" of lo */
	unsigned int index, master; /* master: the bridge it is on, or 0 */
};
typedef void link_each_fn(void *arg, const struct link_seen *l);
int link_each(const struct nl *nl, link_each_fn *fn, void *arg, struct err *e);
/* Calls fn for each subnet that has a route, but the default ones. */
typedef void link_route_fn(void *arg, const struct subnet *s);
int link_routes(const struct nl *nl, link_route_fn *fn, void *arg, struct err *e);

#endif
