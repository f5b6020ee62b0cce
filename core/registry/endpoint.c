/* SPDX-License-Identifier: MIT */
/*
 * core/registry/endpoint.c - one place a registry answers at, and the list of them
 *
 * Theory of operation
 *   An endpoint is pinged (GET /v2/) before its first use: that tells whether it can be reached
 *   at all and what credentials it wants, so that the requests after it carry them at once.  One
 *   that cannot be reached is not tried again for the life of the registry object.
 *
 *   Credentials belong to the registry they were given for: mirrors of docker.io do not get them.
 */
#include "registry/endpoint.h"
#include "registry/net_match.h"
#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS 30000
#define RETRY_DELAY_MS 1000
#define ATTEMPTS 5 /* Docker's max-download-attempts */
#define RETRY_AFTER_MAX_S 60 /* a registry that wants more patience is told about instead */
#define RETRY_AFTER_TRIES 3
#define HUB "registry-1.docker.io"

/* --- configuration --- */

static int ranged(const json_t *config, const char *key, int def, int max)
{
	int64_t v = json_int(config, key, def);

	return v < 1 ? def : v > max ? max : (int)v;
}

void registry_config_init(struct registry_config *c, const json_t *config, const json_t *auth)
{
	*c = (struct registry_config){
		.insecure = json_arr(config, "insecure-registries"),
		.mirrors = json_arr(config, "registry-mirrors"),
		.proxies = json_obj(config, "proxies"),
		.auth = auth,
		.connect_timeout_ms = ranged(config, "connect_timeout_ms", CONNECT_TIMEOUT_MS, 600000),
		.stall_timeout_ms = ranged(config, "stall_timeout_ms", STALL_TIMEOUT_MS, 600000),
		.retry_delay_ms = ranged(config, "retry_delay_ms", RETRY_DELAY_MS, 60000),
		.max_attempts = ranged(config, "max-download-attempts", ATTEMPTS, 1000),
	};
}

/* An entry of insecure-registries without the scheme people put before it. */
static struct span entry_text(const char *entry)
{
	struct span s = span_of(entry);
	size_t cut = 0;

	if (!strncasecmp(entry, "http://", 7))
		cut = 7;
	else if (!strncasecmp(entry, "https://", 8))
		cut = 8;
	return (struct span){s.p + cut, s.n - cut};
}

static bool address_listed(const json_t *list, const char *ip)
{
	size_t i;

	if (net_is_loopback(ip))
		return true;
	for (i = 0; i < json_array_size(list); i++) {
		const char *entry = json_string_value(json_array_get(list, i));

		if (entry && strchr(entry, '/') && net_cidr_contains(entry_text(entry), ip))
			return true;
	}
	return false;
}

bool registry_is_insecure(const json_t *list, const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *a;
	cleanup_free char *name = NULL;
	char ip[INET6_ADDRSTRLEN];
	bool listed = false;
	struct span only;
	uint16_t port;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const char *entry = json_string_value(json_array_get(list, i));

		if (entry && span_caseeqs(entry_text(entry), host))
			return true;
	}
	if (url_split_host_port(span_of(host), &only, &port))
		return false;
	name = span_dup(only);
	if (inet_pton(AF_INET, name, ip) == 1 || strchr(name, ':'))
		return address_listed(list, name);
	if (getaddrinfo(name, NULL, &hints, &found))
		return false;
	for (a = found; a && !listed; a = a->ai_next)
		if (!getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST))
			listed = address_listed(list, ip);
	freeaddrinfo(found);
	return listed;
}

/* --- the list --- */

static const char *proxy_setting(const json_t *proxies, const char *key, const char *upper,
	const char *lower)
{
	const char *v = json_str(proxies, key, NULL);

	if (!v)
		v = getenv(upper);
	if (!v || !*v)
		v = getenv(lower);
	return v;
}

struct http_settings registry_http_settings(const struct registry_config *c, const char *certs_host, bool verify,
	int cancel_fd)
{
	return (struct http_settings){
		.limits = {c->connect_timeout_ms, c->stall_timeout_ms, cancel_fd},
		.certs_host = certs_host,
		.verify = verify,
		.http_proxy = proxy_setting(c->proxies, "http-proxy", "HTTP_PROXY", "http_proxy"),
		.https_proxy = proxy_setting(c->proxies, "https-proxy", "HTTPS_PROXY", "https_proxy"),
		.no_proxy = proxy_setting(c->proxies, "no-proxy", "NO_PROXY", "no_proxy"),
	};
}

static void add_endpoint(struct registry *r, const struct registry_config *c, struct url *base_steal,
	bool insecure, bool mirror)
{
	struct http_settings s = registry_http_settings(c, base_steal->authority, !insecure, r->cancel_fd);
	struct endpoint *ep;
	size_t n;

	r->endpoints = xreallocarray(r->endpoints, r->n + 1, sizeof(*r->endpoints));
	ep = &r->endpoints[r->n++];
	memset(ep, 0, sizeof(*ep));
	ep->base = *base_steal;
	for (n = strlen(ep->base.target); n && ep->base.target[n - 1] == '/'; n--)
		ep->base.target[n - 1] = 0;
	ep->mirror = mirror;
	ep->cancel_fd = r->cancel_fd;
	ep->http = http_client_new(&s);
	ep->auth = auth_new(ep->http, mirror ? NULL : c->auth);
}

static int add_url(struct registry *r, const struct registry_config *c, const char *text, bool insecure,
	bool mirror, struct err *e)
{
	struct url u;

	if (url_parse(span_of(text), &u, e))
		return -1;
	if (strchr(u.target, '?') || u.userinfo) {
		url_release(&u);
		return err_kind(e, ERR_INVALID, "a user, query or fragment is not allowed in '%s'", text);
	}
	add_endpoint(r, c, &u, insecure, mirror);
	return 0;
}

static int add_mirrors(struct registry *r, const struct registry_config *c, struct err *e)
{
	struct span host;
	size_t i;

	for (i = 0; i < json_array_size(c->mirrors); i++) {
		const char *text = json_string_value(json_array_get(c->mirrors, i));
		cleanup_free char *full = NULL, *authority = NULL;

		if (!text || !*text)
			continue;
		full = strstr(text, "://") ? xstrdup(text) : xasprintf("https://%s", text);
		host = span_of(strstr(full, "://") + 3);
		host.n = strcspn(host.p, "/");
		authority = span_dup(host);
		if (add_url(r, c, full, registry_is_insecure(c->insecure, authority), true, e))
			return err_wrap(e, "invalid mirror");
	}
	return 0;
}

static int add_endpoints(struct registry *r, const struct registry_config *c, struct err *e)
{
	cleanup_free char *https = NULL, *http = NULL;
	bool insecure;

	if (!strcmp(r->host, "docker.io") || !strcmp(r->host, "index.docker.io"))
		return add_mirrors(r, c, e) || add_url(r, c, "https://" HUB, false, false, e) ? -1 : 0;
	https = xasprintf("https://%s", r->host);
	http = xasprintf("http://%s", r->host);
	insecure = registry_is_insecure(c->insecure, r->host);
	if (add_url(r, c, https, insecure, false, e))
		return -1;
	return insecure ? add_url(r, c, http, true, false, e) : 0;
}

struct registry *registry_open(const char *host, const struct registry_config *c, struct err *e)
{
	struct registry *r = xcalloc(1, sizeof(*r));
	size_t i;

	r->host = xstrdup(host);
	r->retry_delay_ms = c->retry_delay_ms;
	r->max_attempts = c->max_attempts;
	r->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (add_endpoints(r, c, e)) {
		registry_close(r);
		return NULL;
	}
	for (i = 0; i < r->n; i++) /* the array does not move any more */
		pthread_mutex_init(&r->endpoints[i].lock, NULL);
	return r;
}

void registry_close(struct registry *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->n; i++) {
		auth_free(r->endpoints[i].auth);
		http_client_free(r->endpoints[i].http);
		url_release(&r->endpoints[i].base);
	}
	free(r->endpoints);
	fd_close(&r->cancel_fd);
	free(r->host);
	free(r);
}

void registry_cancel(struct registry *r)
{
	r->cancelled = true;
	if (r->cancel_fd >= 0)
		eventfd_write(r->cancel_fd, 1);
}

/* What the file system said, or lchown() of an id that is not mapped. */
static bool is_ours(int code)
{
	return code == ENOSPC || code == EDQUOT || code == EROFS || code == EMFILE || code == EINVAL;
}

int registry_name_in(const char *host, struct err *e)
{
	size_t n = e ? strlen(e->msg) : 0;

	/* Behind it, as people search for the words they are used to. */
	if (e && e->kind == ERR_FAILED && !is_ours(e->code) && !strstr(e->msg, host))
		snprintf(e->msg + n, sizeof(e->msg) - n, " (registry %s)", host);
	return -1;
}

/* --- talking --- */

static void url_of(const struct endpoint *ep, const char *path, struct url *u)
{
	url_copy(&ep->base, u);
	free(u->target);
	u->target = xasprintf("%s%s", ep->base.target, path);
}

static int ping(struct endpoint *ep, struct err *e)
{
	struct http_request rq = {.method = "GET"};
	struct http_response rs;
	struct url u;
	int rc;

	url_of(ep, "/v2/", &u);
	rq.url = &u;
	rc = http_send(ep->http, &rq, &rs, e);
	if (!rc) {
		if (rs.head.status == 401)
			auth_learn(ep->auth, &rs.head);
		http_response_release(&rs);
	}
	url_release(&u);
	return rc;
}

static int ensure_live(struct registry *r, struct endpoint *ep, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&ep->lock);
	if (ep->state == EP_UNTRIED) {
		rc = ping(ep, &ep->why);
		ep->state = rc ? EP_DEAD : EP_LIVE;
		if (!rc && ep->base.tls && !ep->mirror)
			r->spoke_tls = true;
	}
	if (ep->state == EP_DEAD) {
		rc = -1;
		if (e)
			*e = ep->why;
	}
	pthread_mutex_unlock(&ep->lock);
	return rc;
}

/* How long a busy registry wants us to wait, ms; 0: it does not say, or longer than is sensible. */
static int retry_after_ms(const struct http_response *rs)
{
	uint64_t seconds;

	if (rs->head.status != 429 && rs->head.status != 503)
		return 0;
	if (parse_u64(response_field(&rs->head, "Retry-After", 0), RETRY_AFTER_MAX_S, &seconds))
		return 0;
	return seconds ? (int)seconds * 1000 : 1;
}

/* http_send(), and again as long as the registry asks for patience. */
static int send_patiently(struct endpoint *ep, const struct http_request *rq, struct http_response *rs,
	struct err *e)
{
	struct pollfd cancel = {.fd = ep->cancel_fd, .events = POLLIN};
	int tries, ms;

	for (tries = 0;; tries++) {
		if (http_send(ep->http, rq, rs, e))
			return -1;
		ms = retry_after_ms(rs);
		if (!ms || rq->source || tries == RETRY_AFTER_TRIES || poll(&cancel, 1, ms) > 0)
			return 0;
		http_response_release(rs);
	}
}

int endpoint_send(struct endpoint *ep, const struct endpoint_request *erq, struct http_response *rs,
	struct err *e)
{
	struct http_request rq = {.method = erq->method, .fields = erq->fields, .content_type = erq->content_type,
		.body = erq->body, .source = erq->source};
	char *value = NULL, *fresh = NULL;
	struct url u;
	int rc = -1;

	if (erq->url)
		url_copy(erq->url, &u);
	else
		url_of(ep, erq->path, &u);
	rq.url = &u;
	if (url_same_origin(&u, &ep->base) && auth_authorization(ep->auth, erq->scope, NULL, &value, e)) {
		http_wrap_url(erq->method, &u, e);
		goto out;
	}
	rq.authorization = value;
	rc = send_patiently(ep, &rq, rs, e);
	if (rc || rs->head.status != 401 || !url_same_origin(&rs->url, &ep->base))
		goto out;
	/* Refused: it demands something after all, or the token is not good any more. */
	auth_learn(ep->auth, &rs->head);
	if (auth_authorization(ep->auth, erq->scope, value, &fresh, e)) {
		http_response_release(rs);
		http_wrap_url(erq->method, &u, e);
		rc = -1;
	} else if (fresh && !rq.source && (!value || strcmp(fresh, value))) {
		http_response_release(rs);
		rq.authorization = fresh;
		rc = send_patiently(ep, &rq, rs, e);
	}
out:
	url_release(&u);
	free(value);
	free(fresh);
	return rc;
}

static int try_endpoints(struct registry *r, bool mirrors, enum endpoint_verdict (*fn)(struct endpoint *ep,
	void *arg, struct err *e), void *arg, struct err *e)
{
	cleanup_free char *mirror_failed = NULL, *base = NULL;
	enum endpoint_verdict verdict = EP_NEXT;
	struct err last;
	size_t i;

	err_kind(&last, ERR_FAILED, "no endpoints found for %s", r->host);
	for (i = 0; i < r->n && verdict == EP_NEXT; i++) {
		struct endpoint *ep = &r->endpoints[i];

		if (r->cancelled) {
			err_kind(&last, ERR_FAILED, "operation was canceled");
			break;
		}
		if ((!mirrors && ep->mirror) || (!ep->base.tls && !ep->mirror && r->spoke_tls))
			continue;
		verdict = ensure_live(r, ep, &last) ? EP_NEXT : fn(ep, arg, &last);
		if (verdict == EP_NEXT && ep->mirror) {
			free(base);
			base = url_text(&ep->base);
			log_warn("mirror %s: %s", base, last.msg);
			free(mirror_failed);
			mirror_failed = xasprintf("its mirror %s failed too: %s", base, last.msg);
		}
	}
	if (verdict == EP_DONE)
		return 0;
	if (mirror_failed && !last.hint[0])
		err_hint(&last, "%s", mirror_failed);
	if (e)
		*e = last;
	return -1;
}

int registry_try(struct registry *r, enum endpoint_verdict (*fn)(struct endpoint *ep, void *arg,
	struct err *e), void *arg, struct err *e)
{
	return try_endpoints(r, true, fn, arg, e);
}

int registry_try_origin(struct registry *r, enum endpoint_verdict (*fn)(struct endpoint *ep, void *arg,
	struct err *e), void *arg, struct err *e)
{
	return try_endpoints(r, false, fn, arg, e);
}
