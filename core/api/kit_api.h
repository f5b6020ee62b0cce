/* SPDX-License-Identifier: MIT */
/*
 * core/api/kit_api.h - RootlessKit's REST API, for rootlesskit and for the engine
 *
 * Both have a state directory with an api.sock that rootlessctl speaks to; what a port is differs: a listener of
 * rootlesskit's own, or one of netd's.
 */
#ifndef API_KIT_API_H
#define API_KIT_API_H

#include "net/kit_port.h"

#include <sys/types.h>

#define KIT_VERSION "2.0.2"	/* of RootlessKit whose interface this is */
#define KIT_API_VERSION "1.1.1"

struct kit_api {
	const char *dir;		/* the state directory */
	pid_t child;			/* whose namespaces are the ones inside */
	const char *net;		/* the network driver, NULL: nothing is said of it */
	const char *dns, *child_ip;	/* inside; "": none */
	const char *port_driver;	/* "builtin" and "slirp4netns" have ports */
	/* As kit_ports.h and rootlesskit's forward_*() have them. */
	int (*add)(void *arg, struct kit_port *p, struct err *e); /* p->id is set */
	int (*remove)(void *arg, int id, struct err *e);
	struct kit_port *(*list)(void *arg, size_t *n); /* to free(); NULL if there are none */
	void *arg;
};

/* Answer one connection on the listening socket, waiting for it if that blocks; two seconds at most then.  One
 * thread of a process. */
void kit_api_serve(const struct kit_api *api, int listener);

#endif
