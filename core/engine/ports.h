/* SPDX-License-Identifier: MIT */
/*
 * core/engine/ports.h - the published ports of containers: allocation and what the API shows
 *
 * A running container's ports are c->ports, an array of what was bound:
 *	{"port": "80/tcp", "ip": "0.0.0.0", "host": 8080}
 * guarded by the container's lock and kept in <exec-root>/<id>/ports.json, from which a new engine
 * restores them.  Publishing, releasing and restoring are done with its sandbox locked.
 */
#ifndef ENGINE_PORTS_H
#define ENGINE_PORTS_H

#include "base/json.h"
#include "engine/engine.h"

struct container;
struct port;

/* The endpoint that has the container's default route; ports lead there. */
struct ports_endpoint {
	const char *container_name; /* without the slash, and */
	const char *endpoint_id;    /* for Docker's message */
	const char *ip4, *ip6;	    /* addresses without prefix length; NULL or "": none */
	/* The address to bind when -p names none: the network's host_binding_ipv4 or daemon.json's
	 * "ip"; NULL: every address, v4 and v6 */
	const char *host_ip;
	const char *const *subnets; /* the container's, of all its networks: "172.18.0.0/16", NULL */
};

/**
 * ports_publish() - Bind what HostConfig asks for, and have netd serve it
 *
 * To be called in the start's op, once the endpoint has its addresses and before the process runs;
 * again, after a ports_release(), when the default route moves to another network.  Not for host,
 * none and container:X, nor for internal networks: these publish nothing.
 *
 * Return: 0 with c->ports set; -1 with @e in Docker's words and nothing bound
 */
int ports_publish(struct engine *en, struct container *c, const struct ports_endpoint *ep,
	struct err *e);

/* Close them: the container has ended, or the start failed.  Nothing published: nothing done. */
void ports_release(struct engine *en, struct container *c);

/**
 * ports_restore() - After an engine restart, or a restart of netd: have all of c->ports served
 *
 * Ports that netd holds already are only led to @ep.  One that cannot be bound any more is logged.
 */
void ports_restore(struct engine *en, struct container *c, const struct ports_endpoint *ep);

/* When all containers are loaded: close what netd holds for those that ended meanwhile. */
void ports_settle(struct engine *en);

/* Who binds what port_bind() may not (EACCES), if anybody does; before the first publishing. */
void ports_set_privileged(int (*bind)(struct port *p, struct err *e));

/* port_bind(), or that one. */
int ports_bind_host(struct port *p, struct err *e);

/* NetworkSettings.Ports: {"80/tcp": [{"HostIp", "HostPort"}], "81/tcp": null}; c->lock is held. */
json_t *ports_inspect(const struct container *c);
/* "Ports" of the list: [{"IP", "PrivatePort", "PublicPort", "Type"}]; c->lock is held. */
json_t *ports_list(const struct container *c);

#endif
