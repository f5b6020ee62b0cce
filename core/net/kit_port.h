/* SPDX-License-Identifier: MIT */
/*
 * core/net/kit_port.h - ports as RootlessKit speaks of them: PortSpec, its text and its JSON
 */
#ifndef NET_KIT_PORT_H
#define NET_KIT_PORT_H

#include "base/err.h"
#include "base/json.h"
#include "net/peer.h"
#include "net/port.h"

#include <stddef.h>
#include <stdint.h>

struct kit_port {
	int id;
	char proto[8];	   /* "tcp", "tcp4", "tcp6", "udp", … */
	char parent_ip[46]; /* "": all */
	uint16_t parent_port;
	char child_ip[46]; /* "": loopback */
	uint16_t child_port;
};

/* "127.0.0.1:8080:80/tcp", "127.0.0.1:8080:10.0.2.100:80/tcp". */
int kit_port_parse(const char *text, struct kit_port *p, struct err *e);

json_t *kit_port_to_json(const struct kit_port *p);			       /* {"id", "spec": {…}} */
int kit_port_from_json(const json_t *spec, struct kit_port *p, struct err *e); /* the spec; p->id is 0 */

/* May it be added to these?  *target is where it leads, inside.  In RootlessKit's words. */
int kit_port_check(const struct kit_port *p, const struct kit_port *list, size_t n, struct peer *target, struct err *e);

struct port kit_port_host(const struct kit_port *p); /* its side of the host */
/* The host's socket, by port_bind() or one like it: a descriptor, or -1 with @e, in RootlessKit's words. */
int kit_port_bind(const struct kit_port *p, int (*bind)(struct port *p, struct err *e), struct err *e);

#endif
