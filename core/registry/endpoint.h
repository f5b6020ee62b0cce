/* SPDX-License-Identifier: MIT */
/*
 * core/registry/endpoint.h - one place a registry answers at, and the list of them
 */
#ifndef REGISTRY_ENDPOINT_H
#define REGISTRY_ENDPOINT_H

#include "registry/auth.h"
#include "registry/http_client.h"
#include "registry/registry.h"

#include <pthread.h>
#include <stdatomic.h>

struct endpoint {
	struct url base; /* target: what stands before "/v2/", without a slash at its end */
	bool mirror;
	struct http_client *http;
	struct auth *auth;
	pthread_mutex_t lock; /* guards state and why; held while the endpoint is pinged */
	enum { EP_UNTRIED, EP_LIVE, EP_DEAD } state;
	struct err why; /* it is dead */
};

struct registry {
	char *host;
	struct endpoint *endpoints;
	size_t n;
	atomic_bool spoke_tls; /* an https endpoint answered: plain http is out */
	atomic_bool cancelled;
	int cancel_fd; /* eventfd, readable once cancelled */
	int retry_delay_ms, max_attempts;
};

struct endpoint_request {
	const char *method;
	const char *path;   /* behind the base: "/v2/library/busybox/manifests/latest" */
	const char *fields; /* header lines, or NULL */
	const char *scope;  /* "repository:library/busybox:pull", or "" */
};

/* Send with the credentials the registry wants, and again with new ones after a 401. */
int endpoint_send(struct endpoint *ep, const struct endpoint_request *rq, struct http_response *rs,
	struct err *e);

enum endpoint_verdict {
	EP_DONE,  /* that is it */
	EP_NEXT,  /* with an error: another endpoint may do better */
	EP_FATAL, /* with an error that another endpoint would not change */
};

/* Do something at each endpoint in turn until it is done.  0, or -1 with the last error. */
int registry_try(struct registry *r, enum endpoint_verdict (*fn)(struct endpoint *ep, void *arg,
	struct err *e), void *arg, struct err *e);

/* Is @host ("10.0.0.5:5000", "example.com") an insecure registry by that list? May resolve names. */
bool registry_is_insecure(const json_t *list, const char *host);

#endif
