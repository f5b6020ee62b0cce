/* SPDX-License-Identifier: MIT */
/*
 * core/net/port.h - published ports: from a socket of the host to a container
 *
 * The engine opens the host's socket (port_bind) and hands it to netd (port_publish), which
 * accepts from then on and connects to the container out of its own network namespace, from the
 * client's address.  netd outlives the engine, and its sockets with it: a new engine asks which
 * ports are held (port_held) instead of binding again.
 *
 * The container sees the client's own address, or its gateway's where that is no address to answer
 * to: the host's loopback, link-local ones, those of the container's own subnets, and clients of
 * the other address family.
 *
 * engine/ports.h is what the code that attaches containers to networks calls.
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct netd; /* the connection to netd */

enum port_proto { PORT_TCP, PORT_UDP };

/* What is published, and by what it is known: no two have the same three members. */
struct port {
	enum port_proto proto;
	char host_ip[46];   /* "0.0.0.0", "::", "127.0.0.1", … */
	uint16_t host_port; /* 0 only for port_bind(): any */
};

/* Where it leads. */
struct port_target {
	const char *owner;    /* the container's id; "": it is no container's */
	const char *ip4, *ip6; /* its addresses on the network that has its default route, or NULL */
	uint16_t port;
	/* Subnets the container is in, "172.18.0.0/16", NULL-terminated: clients in one of them are
	 * seen as the gateway, as their answers would never leave the bridge */
	const char *const *subnets;
};

/**
 * port_bind() - Open the host's socket: bound, and listening if it is TCP
 * @p:	host_port 0 lets the kernel choose; *p then says what it chose
 *
 * For a thread in the host's network namespace.
 *
 * Return: a descriptor, or -1 with @e->code EADDRINUSE, EACCES (privileged), EADDRNOTAVAIL, …
 */
int port_bind(struct port *p, struct err *e);
/* Why, in the real engine's words, which are Go's.  Static text. */
const char *port_bind_reason(int code);
/* The same with a socket made by @make, as socket(2): a descriptor, or -1 and errno. */
int port_open(struct port *p, int (*make)(int family, int type, int protocol));

/* For one that could not be bound, EACCES: in front of @e, RootlessKit's words about ports below
 * net.ipv4.ip_unprivileged_port_start. */
void port_explain_privileged(const struct port *p, struct err *e);

/* Hand a bound socket (borrowed) to netd; -1: netd holds it, and only leads it elsewhere (ERR_NOT_FOUND:
 * it does not).  A socket that netd holds under this name is replaced, and its connections are closed.
 * @id, or NULL: the number to give a new one, 0 for netd's choice; then its number.  0, or -1 with @e. */
int port_publish(struct netd *netd, const struct port *p, const struct port_target *to, int fd, int *id,
	struct err *e);

/* Close the one of that number.  ERR_NOT_FOUND: there is none. */
int port_close(struct netd *netd, int id, struct err *e);

/* Close all ports of a container, and their connections.  None is success. */
int port_close_all(struct netd *netd, const char *owner, struct err *e);

/* What netd holds: an array of {"id", "owner", "proto", "ip", "port", "to_ip", "to"}; NULL with @e. */
json_t *port_held(struct netd *netd, struct err *e);

#endif
