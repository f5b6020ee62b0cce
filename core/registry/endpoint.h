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
	int cancel_fd; /* the registry's */
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
	const char *scope;  /* "repository:library/busybox:pull", or ""; several separated by blanks */
	const struct url *url; /* instead of @path: where the registry said to go on; or NULL */
	const char *content_type; /* of a body, in @body or from @source; NULL: there is none */
	struct span body;
	struct http_source *source;
};

/* Send with the credentials the registry wants, and again with new ones after a 401 (but for a body
 * from a source: the caller sees the 401).  A URL elsewhere gets no credentials. */
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

/* The same without the mirrors: what is for the registry itself. */
int registry_try_origin(struct registry *r, enum endpoint_verdict (*fn)(struct endpoint *ep, void *arg,
	struct err *e), void *arg, struct err *e);
/* The repository's name and @what are made of the characters the distribution spec allows. */
int registry_check_name(const char *s, struct err *e);

/* Is @host ("10.0.0.5:5000", "example.com") an insecure registry by that list? May resolve names. */
bool registry_is_insecure(const json_t *list, const char *host);

/* Rules for talking to one host: timeouts and proxies of @c. */
struct http_settings registry_http_settings(const struct registry_config *c, const char *certs_host, bool verify,
	int cancel_fd);

#endif
