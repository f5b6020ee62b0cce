/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/endpoint.h - which engine to talk to
 *
 * In this order, as the stock client: -H, --context, DOCKER_HOST, DOCKER_CONTEXT, the current context
 * of the configuration file; and where nothing was said, the first of these sockets that is there:
 * $XDG_RUNTIME_DIR/docker.sock, /run/user/UID/docker.sock, /var/run/docker.sock.
 */
#ifndef DOCKER_ENDPOINT_H
#define DOCKER_ENDPOINT_H

#include "base/err.h"
#include "base/json.h"
#include "dial.h"

struct endpoint {
	char *url;     /* as people write it: "unix:///run/user/1000/docker.sock" */
	char *path;    /* of the socket; NULL for all else */
	char *host;    /* for TCP */
	char *port;
	struct tls_trust *trust; /* TLS on it; NULL: none */
	char **command; /* for ssh: what to run */
	char *context; /* name of the context in use; "default" if none is */
};

/**
 * endpoint_find() - Decide which engine to talk to
 * @host:	-H, or NULL
 * @context:	--context, or NULL
 * @config_dir:	Where contexts and config.json are
 * @config:	The parsed config.json, or NULL
 * @tls:	What --tls* and DOCKER_TLS_VERIFY say, for TCP; a context has its own
 *
 * Return: 0, or -1 with @e->msg in the stock client's words
 */
int endpoint_find(struct endpoint *ep, const char *host, const char *context,
	const char *config_dir, const json_t *config, const struct dial_tls *tls, struct err *e);

/* A connected stream socket, or -1 with @e (the stock client's "Cannot connect to …"). */
int endpoint_connect(const struct endpoint *ep, struct err *e);

#endif
