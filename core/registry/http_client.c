/* SPDX-License-Identifier: MIT */
/*
 * core/registry/http_client.c - requests and responses: connections kept, proxies, redirects
 *
 * Theory of operation
 *   http_send() makes one exchange per hop.  An exchange takes an idle connection to the same
 *   place if one is still there, else opens one (through CONNECT where a proxy stands before an
 *   https server); if a kept connection turns out to be dead before a byte of the response came,
 *   the request is sent again on a fresh one, as the server cannot have answered it.
 *
 *   A body from a source exists once, so such a request is sent once.  While it is sent the other
 *   direction is watched: a server that has seen enough says so and often closes at once.
 *
 *   A connection goes back to the pool when its response was read to the end.  A short rest is
 *   read and thrown away for that; a long one costs less to cut off.
 */
#include "registry/http_client.h"
#include "registry/trust.h"
#include "registry/useragent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_MAX 8		 /* connections kept */
#define SOURCE_CHUNK (64 * 1024) /* bytes of a body from a source sent at a time */
#define DISCARD_MAX (32 * 1024)	 /* bytes of an unwanted body read to keep the connection */
#define INTERIM_MAX 16		 /* 1xx responses before the real one */
#define BROKEN "net/http: HTTP/1.x transport connection broken" /* Go's words */
#define URL_SHOWN_MAX 240	 /* bytes of a URL in an error, so that the cause still fits */

struct http_client {
	struct http_settings settings;
	char *strings[4];     /* what settings points to */
	pthread_mutex_t lock; /* guards all below; held for memory work, and for loading trust */
	struct tls_trust *trust; /* loaded at the first TLS connection */
	struct {
		struct conn *conn;
		char *key;
	} idle[IDLE_MAX];
	size_t n_idle;
};

struct http_client *http_client_new(const struct http_settings *s)
{
	struct http_client *h = xcalloc(1, sizeof(*h));

	h->settings = *s;
	h->settings.certs_host = h->strings[0] = xstrdup(s->certs_host);
	h->settings.http_proxy = h->strings[1] = xstrdup(s->http_proxy);
	h->settings.https_proxy = h->strings[2] = xstrdup(s->https_proxy);
	h->settings.no_proxy = h->strings[3] = xstrdup(s->no_proxy);
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

void http_client_free(struct http_client *h)
{
	size_t i;

	if (!h)
		return;
	for (i = 0; i < h->n_idle; i++) {
		conn_close(h->idle[i].conn);
		free(h->idle[i].key);
	}
	for (i = 0; i < ARRAY_SIZE(h->strings); i++)
		free(h->strings[i]);
	tls_trust_free(h->trust);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* --- connections --- */

static const struct tls_trust *trust_of(struct http_client *h, struct err *e)
{
	const struct tls_trust *t;

	pthread_mutex_lock(&h->lock);
	if (!h->trust)
		h->trust = tls_trust_load(h->settings.certs_host ? h->settings.certs_host : "",
			h->settings.verify, e);
	t = h->trust;
	pthread_mutex_unlock(&h->lock);
	return t;
}

static struct conn *take_idle(struct http_client *h, const char *key)
{
	struct conn *c = NULL;
	size_t i;

	pthread_mutex_lock(&h->lock);
	for (i = 0; i < h->n_idle && !c; i++) {
		if (strcmp(h->idle[i].key, key))
			continue;
		c = h->idle[i].conn;
		free(h->idle[i].key);
		h->idle[i] = h->idle[--h->n_idle];
		if (!conn_is_idle(c)) {
			conn_close(c);
			c = NULL;
			i--;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return c;
}

static void give_back(struct http_client *h, struct conn *c, char *key)
{
	pthread_mutex_lock(&h->lock);
	if (h->n_idle < IDLE_MAX) {
		h->idle[h->n_idle].conn = c;
		h->idle[h->n_idle++].key = key;
		c = NULL;
		key = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	conn_close(c);
	free(key);
}

/* --- heads --- */

/* Add the lines of a head to @text up to and with the empty one; *any: a byte was seen. */
static int read_head(struct conn *c, struct buf *text, bool *any, struct err *e)
{
	size_t line = 0, take; /* where in @text the current line starts */
	struct span avail;
	ssize_t lf;
	int rc;

	for (;;) {
		rc = conn_fill(c, &avail, e);
		if (rc < 0)
			return -1;
		if (!rc)
			return err_kind(e, ERR_FAILED, text->n ? "unexpected EOF" : "EOF");
		*any = true;
		lf = span_chr(avail, '\n');
		take = lf >= 0 ? (size_t)lf + 1 : avail.n;
		if (take > RESPONSE_HEAD_MAX - text->n)
			return err_kind(e, ERR_FAILED, BROKEN ": net/http: server response headers exceeded "
				"%d bytes; aborted", RESPONSE_HEAD_MAX);
		buf_add(text, avail.p, take);
		conn_consume(c, take);
		if (lf < 0)
			continue;
		if (text->n - line == 1 || (text->n - line == 2 && text->p[line] == '\r'))
			return 0;
		line = text->n;
	}
}

/* The first head that is not an interim one (1xx). */
static int read_final_head(struct conn *c, struct buf *text, struct response_head *head, bool *any,
	struct err *e)
{
	int i;

	for (i = 0; i < INTERIM_MAX; i++) {
		buf_reset(text);
		if (read_head(c, text, any, e))
			return -1;
		if (response_head_parse((struct span){text->p, text->n}, head, e))
			return err_wrap(e, BROKEN);
		if (head->status >= 200)
			return 0;
		if (head->status == 101)
			return err_kind(e, ERR_FAILED, "the server switched to a protocol nobody asked for");
	}
	return err_kind(e, ERR_FAILED, "too many 1xx responses");
}

/* --- opening --- */

static void add_proxy_authorization(const struct url *proxy, struct buf *out)
{
	cleanup_free char *value = NULL;

	if (!proxy->userinfo)
		return;
	value = http_basic_authorization(proxy->userinfo);
	buf_addf(out, "Proxy-Authorization: %s\r\n", value);
}

/* Ask a proxy for a way through to an https server. */
static int tunnel(struct conn *c, const struct url *proxy, const struct url *u, struct err *e)
{
	cleanup_free char *to = url_join_host_port(u->host, u->port);
	cleanup_buf struct buf text = BUF_INIT;
	struct response_head head;
	bool any = false;

	buf_addf(&text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", to, to,
		http_user_agent());
	add_proxy_authorization(proxy, &text);
	buf_adds(&text, "\r\n");
	if (conn_write(c, text.p, text.n, e) || read_final_head(c, &text, &head, &any, e))
		return -1;
	if (head.status != 200)
		return err_kind(e, ERR_FAILED, "%.*s", (int)head.reason.n, head.reason.p);
	return 0;
}

/* A fresh connection to what serves @u; through @proxy if it is not NULL. */
static struct conn *open_conn(struct http_client *h, const struct url *u, const struct url *proxy,
	struct err *e)
{
	const struct url *first = proxy ? proxy : u;
	const struct tls_trust *trust = NULL;
	struct conn *c;

	if (u->tls || first->tls) {
		trust = trust_of(h, e);
		if (!trust)
			return NULL;
	}
	c = conn_open(first->host, first->port, &h->settings.limits, e);
	if (!c) {
		if (proxy)
			err_wrap(e, "proxyconnect tcp");
		return NULL;
	}
	if ((first->tls && conn_start_tls(c, first->host, trust, e)) ||
		(proxy && u->tls && tunnel(c, proxy, u, e)) ||
		(proxy && u->tls && conn_start_tls(c, u->host, trust, e))) {
		conn_close(c);
		return NULL;
	}
	return c;
}

/* What tells connections apart in the pool. */
static char *pool_key(const struct url *u, const struct url *proxy)
{
	return xasprintf("%s %s %u %s %u", u->tls ? "https" : "http",
		proxy && !u->tls ? "" : u->host, proxy && !u->tls ? 0u : u->port,
		proxy ? proxy->host : "", proxy ? proxy->port : 0u);
}

/* --- one exchange --- */

static void build_request(const struct http_request *rq, const struct url *u, const struct url *proxy,
	struct buf *out)
{
	buf_addf(out, "%s ", rq->method);
	if (proxy && !u->tls)
		buf_addf(out, "http://%s", u->authority);
	buf_addf(out, "%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept-Encoding: identity\r\n",
		u->target, u->authority, http_user_agent());
	if (proxy && !u->tls)
		add_proxy_authorization(proxy, out);
	if (rq->authorization && url_same_origin(u, rq->url))
		buf_addf(out, "Authorization: %s\r\n", rq->authorization);
	if (rq->fields)
		buf_adds(out, rq->fields);
	if (rq->content_type)
		buf_addf(out, "Content-Type: %s\r\n", rq->content_type);
	if (rq->source)
		buf_adds(out, "Transfer-Encoding: chunked\r\n\r\n");
	else if (rq->content_type || !strcmp(rq->method, "POST"))
		buf_addf(out, "Content-Length: %zu\r\n\r\n", rq->body.n);
	else
		buf_adds(out, "\r\n");
	if (rq->content_type)
		buf_add(out, rq->body.p, rq->body.n);
}

/* The source's bytes as chunks (RFC 9112 section 7.1). 1: all sent, 0: the server wants no more. */
static int write_source(struct conn *c, struct http_source *source, struct err *e)
{
	enum { HEAD = 12, TAIL = 2 };
	cleanup_free char *chunk = xmalloc(HEAD + SOURCE_CHUNK + TAIL);
	struct err unsent;
	char size[HEAD];
	ssize_t n;
	int head;

	do {
		n = source->read(source->arg, chunk + HEAD, SOURCE_CHUNK, e);
		if (n < 0) {
			source->failed = true;
			return -1;
		}
		head = snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
		memcpy(chunk + HEAD - head, size, (size_t)head);
		memcpy(chunk + HEAD + n, "\r\n", TAIL);
		/* What the server has to say tells more than that it reads no more. */
		if (conn_write(c, chunk + HEAD - head, (size_t)(head + n + TAIL), &unsent) || (n && !conn_is_idle(c)))
			return 0;
	} while (n);
	return 1;
}

/* Send @request on @c and read the answer's head.  *any tells whether the server said anything. */
static int exchange(struct conn *c, const struct buf *request, const struct http_request *rq,
	struct http_response *rs, bool *any, struct err *e)
{
	bool head_only = !strcmp(rq->method, "HEAD");
	int sent = 1;

	if (conn_write(c, request->p, request->n, e) ||
		(rq->source && (sent = write_source(c, rq->source, e)) < 0) ||
		read_final_head(c, &rs->text, &rs->head, any, e) ||
		response_framing(&rs->head, head_only, &rs->body, e))
		return -1;
	if (!sent)
		rs->body.keep_alive = false;
	rs->chunks = (struct response_chunks)RESPONSE_CHUNKS_INIT;
	rs->left = rs->body.framing == BODY_LENGTH ? rs->body.length : 0;
	rs->ended = rs->body.framing == BODY_NONE || (rs->body.framing == BODY_LENGTH && !rs->left);
	return 0;
}

static int hop(struct http_client *h, const struct http_request *rq, const struct url *u,
	struct http_response *rs, struct err *e)
{
	const char *proxy_text = http_proxy_for(&h->settings, u);
	cleanup_buf struct buf request = BUF_INIT;
	struct url proxy_url = URL_INIT, *proxy = NULL;
	bool any = false;
	int rc = -1;

	if (*proxy_text) {
		cleanup_free char *full = strstr(proxy_text, "://") ? xstrdup(proxy_text) :
			xasprintf("http://%s", proxy_text);

		if (url_parse(span_of(full), &proxy_url, e))
			return err_wrap(e, "invalid proxy address");
		proxy = &proxy_url;
	}
	*rs = (struct http_response){.client = h, .text = BUF_INIT, .key = pool_key(u, proxy)};
	build_request(rq, u, proxy, &request);
	rs->conn = take_idle(h, rs->key);
	if (rs->conn) {
		rc = exchange(rs->conn, &request, rq, rs, &any, e);
		if (rc && !any && !rq->source) {
			conn_close(rs->conn);
			rs->conn = NULL;
			buf_reset(&rs->text);
		}
	}
	if (!rs->conn) {
		rs->conn = open_conn(h, u, proxy, e);
		rc = rs->conn ? exchange(rs->conn, &request, rq, rs, &any, e) : -1;
	}
	explicit_bzero(request.p, request.n);
	url_release(&proxy_url);
	if (!rc) {
		url_copy(u, &rs->url);
		return 0;
	}
	rs->body.keep_alive = false;
	http_response_release(rs);
	return -1;
}

/* --- redirects --- */

/* Where this response sends us on to: 1 with @to filled in, 0 if nowhere, -1 with @e. */
static int redirect_of(const struct http_request *rq, struct http_response *rs, struct url *to,
	struct err *e)
{
	struct span location;

	switch (rs->head.status) {
	case 301: case 302: case 303: case 307: case 308:
		break;
	default:
		return 0;
	}
	if (strcmp(rq->method, "GET") && strcmp(rq->method, "HEAD"))
		return 0;
	location = response_field(&rs->head, "Location", 0);
	if (!location.p)
		return err_kind(e, ERR_FAILED, "%d response missing Location header", rs->head.status);
	return url_resolve(&rs->url, location, to, e) ? -1 : 1;
}

/* Queries of redirects may be long and secret: cut. */
int http_wrap_url(const char *method, const struct url *u, struct err *e)
{
	cleanup_free char *text = url_text(u);
	char verb[16];

	if (strlen(text) > URL_SHOWN_MAX) {
		size_t n = strcspn(text, "?");

		snprintf(text + (n > URL_SHOWN_MAX - 3 ? URL_SHOWN_MAX - 3 : n), 4, "...");
	}
	snprintf(verb, sizeof(verb), "%s", method);
	for (char *c = verb + 1; *verb && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	return err_wrap(e, "%s \"%s\"", verb, text);
}

int http_send(struct http_client *h, const struct http_request *rq, struct http_response *rs,
	struct err *e)
{
	struct url at, to = URL_INIT;
	int hops, rc = -1;

	url_copy(rq->url, &at);
	for (hops = 0;; hops++) {
		if (hop(h, rq, &at, rs, e))
			break;
		rc = redirect_of(rq, rs, &to, e);
		if (!rc)
			break;
		http_response_release(rs);
		if (rc < 0)
			break;
		url_release(&at);
		at = to;
		if (hops == HTTP_REDIRECTS_MAX) {
			rc = err_kind(e, ERR_FAILED, "stopped after %d redirects", HTTP_REDIRECTS_MAX);
			break;
		}
		rc = -1;
	}
	if (rc)
		http_wrap_url(rq->method, &at, e);
	url_release(&at);
	return rc;
}

/* --- bodies --- */

static int read_chunked(struct http_response *rs, struct span avail, struct span *data,
	struct err *e)
{
	size_t used;

	if (response_chunks_feed(&rs->chunks, avail, &used, data, e))
		return -1;
	rs->shown = used;
	rs->ended = rs->chunks.state == CHUNK_DONE;
	return 0;
}

int http_read(struct http_response *rs, struct span *data, struct err *e)
{
	struct span avail;
	int rc;

	do {
		conn_consume(rs->conn, rs->shown);
		rs->shown = 0;
		*data = (struct span){"", 0};
		if (rs->ended)
			return 0;
		rc = conn_fill(rs->conn, &avail, e);
		if (rc < 0)
			return -1;
		if (!rc) {
			rs->body.keep_alive = false;
			rs->ended = rs->body.framing == BODY_UNTIL_CLOSE;
			return rs->ended ? 0 : err_kind(e, ERR_FAILED, "unexpected EOF");
		}
		if (rs->body.framing == BODY_CHUNKED) {
			if (read_chunked(rs, avail, data, e))
				return -1;
			continue;
		}
		*data = avail;
		if (rs->body.framing == BODY_LENGTH) {
			if ((uint64_t)rs->left < data->n)
				data->n = (size_t)rs->left;
			rs->left -= (int64_t)data->n;
			rs->ended = !rs->left;
		}
		rs->shown = data->n;
	} while (!data->n);
	return 1;
}

int http_read_all(struct http_response *rs, size_t max, struct buf *out, struct err *e)
{
	struct span data;
	int rc;

	if (rs->body.framing == BODY_LENGTH && (uint64_t)rs->body.length > max)
		return err_kind(e, ERR_FAILED, "a response of %lld bytes is larger than the %zu allowed",
			(long long)rs->body.length, max);
	while ((rc = http_read(rs, &data, e)) > 0) {
		if (data.n > max - out->n)
			return err_kind(e, ERR_FAILED, "a response is larger than the %zu bytes allowed",
				max);
		buf_add(out, data.p, data.n);
	}
	return rc;
}

void http_response_release(struct http_response *rs)
{
	bool keep = rs->conn && rs->body.keep_alive;
	struct span data;
	size_t rest = 0;

	if (keep && rs->body.framing == BODY_LENGTH && rs->left > DISCARD_MAX)
		keep = false;
	while (keep && !(rs->ended && !rs->shown)) {
		if (http_read(rs, &data, NULL) < 0)
			keep = false;
		rest += data.n;
		if (rest > DISCARD_MAX)
			keep = false;
	}
	if (keep)
		give_back(rs->client, rs->conn, steal(&rs->key));
	else
		conn_close(rs->conn);
	free(rs->key);
	buf_release(&rs->text);
	url_release(&rs->url);
	memset(rs, 0, sizeof(*rs));
	rs->text = (struct buf)BUF_INIT;
}
