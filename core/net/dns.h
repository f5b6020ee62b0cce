/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns.h - the name server at 127.0.0.11 of containers on user-defined networks
 *
 * The engine tells netd two kinds of things, and netd answers the containers from them:
 *
 *	sandbox		a container's network namespace in which 127.0.0.11:53 is to be served
 *	endpoint	a container's place in one network: the names by which the others on that
 *			network find it, and its addresses
 *
 * A container asks and is answered from the endpoints of the networks it has endpoints on itself,
 * never from another network.  What no endpoint answers is forwarded: to the container's own
 * servers (--dns) out of its namespace, else to the host's, as long as one of its networks is not
 * internal.
 *
 * Order.  At a start: dns_sandbox_open(), dns_endpoint_set() for each network, then let the
 * container's process run.  connect: dns_endpoint_set(), after dns_sandbox_open() when it is the
 * first user-defined network.  disconnect: dns_endpoint_remove().  At the end of a container:
 * dns_sandbox_close(), which removes its endpoints too.  A container that is only on the default
 * bridge needs none of this: it has the host's servers in its resolv.conf.
 *
 * Each call replaces what was said before about the same thing, so that all of it may be said
 * again: after an engine restart (netd kept everything; sockets are not opened twice) and after netd
 * was restarted (it knows nothing).  Calls may come from any thread; they wait for netd's answer,
 * which needs no network.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/err.h"

#include <stdbool.h>

struct netd; /* the connection to netd */

#define DNS_ADDRESS "127.0.0.11"

struct dns_sandbox {
	const char *id; /* of the container, 64 digits */
	int netnsfd;	/* its network namespace, lo being up; borrowed */
	const char *address; /* NULL: 127.0.0.11; else one of IPv4 that is there */
	/* --dns, or dns of daemon.json: NULL-terminated addresses; NULL or empty: the host's servers */
	const char *const *servers;
	/* ndots was set by --dns-option: names without a dot then stay inside */
	bool ndots_set;
};

struct dns_endpoint {
	const char *sandbox_id;	  /* the container's */
	const char *network_id;	  /* the endpoint is known by these two */
	const char *network_name; /* "web.NETWORK" is found as well */
	bool internal;		  /* made with --internal: no reason to forward */
	/* Its names on that network, NULL-terminated: first the container's name (what PTR answers),
	 * then --network-alias, service names, the short id; any letter case, repetitions allowed */
	const char *const *names;
	/* --link on that network: pairs ALIAS, NAME, ALIAS, NAME, NULL.  This container, and only it,
	 * finds NAME's addresses under ALIAS.  May be NULL */
	const char *const *links;
	const char *ip4, *ip6; /* without a prefix length; NULL or "": none */
};

/**
 * dns_sandbox_open() - Serve a container's 127.0.0.11:53, UDP and TCP
 *
 * Return: 0 when it answers (the sockets are bound), or -1 with @e and nothing changed
 */
int dns_sandbox_open(struct netd *netd, const struct dns_sandbox *s, struct err *e);

/* Close its sockets, forget its endpoints.  One that is not known is success. */
int dns_sandbox_close(struct netd *netd, const char *id, struct err *e);

/* Add an endpoint or replace what it was; its sandbox need not be open (a container that serves
 * others but has no resolver of its own).  0, or -1 with @e and nothing changed. */
int dns_endpoint_set(struct netd *netd, const struct dns_endpoint *ep, struct err *e);

/* Forget one endpoint.  One that is not known is success. */
int dns_endpoint_remove(struct netd *netd, const char *sandbox_id, const char *network_id,
	struct err *e);

/* Tell the servers the host uses now, NULL-terminated; the order is that of its resolv.conf. */
int dns_host_servers(struct netd *netd, const char *const *servers, struct err *e);

#endif
