/* SPDX-License-Identifier: MIT */
/*
 * core/registry/fetch.c - what goes without the distribution API: searching, and fetching a URL
 *
 * Theory of operation
 *   Searching is all that is left of the API of version 1.  A host is pinged first, https before http
 *   where it may be insecure; that it has no _ping is no answer to whether it can search.
 */
#include "registry/endpoint.h"
#include "registry/useragent.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MAX (4 << 20)  /* bytes of what a search finds */
#define SHOWN_MAX (4 << 10)   /* bytes of a server's excuse */
#define HUB_SEARCH "https://index.docker.io/v1/"

/* GET @text, with what is known of the user. */
static int get(struct http_client *h, const char *text, const json_t *auth, struct http_response *rs, struct err *e)
{
	cleanup_free char *userinfo = NULL, *basic = NULL;
	struct http_request rq = {.method = "GET"};
	struct url u;
	int rc;

	if (url_parse(span_of(text), &u, e))
		return -1;
	if (*json_str(auth, "username", "") && *json_str(auth, "password", "")) {
		userinfo = xasprintf("%s:%s", json_str(auth, "username", ""), json_str(auth, "password", ""));
		rq.authorization = basic = http_basic_authorization(userinfo);
	}
	rq.url = &u;
	rc = http_send(h, &rq, rs, e);
	url_release(&u);
	return rc;
}

/* --- searching ---------------------------------------------------------------------------------- */

static int ping(struct http_client *h, const char *base, struct err *e)
{
	cleanup_free char *text = xasprintf("%s_ping", base);
	struct http_response rs;

	if (get(h, text, NULL, &rs, e))
		return -1;
	http_response_release(&rs);
	return 0;
}

/* "https://host/v1/", or http; to free(). NULL with @e. */
static char *find_v1(struct http_client *h, const char *host, bool insecure, struct err *e)
{
	char *https = xasprintf("https://%s/v1/", host), *http = xasprintf("http://%s/v1/", host);
	struct err first, second;

	if (!ping(h, https, &first)) {
		free(http);
		return https;
	}
	if (insecure && !ping(h, http, &second)) {
		free(https);
		return http;
	}
	if (insecure)
		err_kind(e, ERR_INVALID, "invalid registry endpoint \"%s\". HTTPS attempt: %.400s. HTTP attempt: %.400s",
			http, first.msg, second.msg);
	else
		err_kind(e, ERR_INVALID, "invalid registry endpoint %s: %.300s. If this private registry supports only "
			"HTTP or HTTPS with an unknown CA certificate, please add `--insecure-registry %s` to the daemon's "
			"arguments. In the case of HTTPS, if you have access to the registry's CA certificate, no need for "
			"the flag; simply place the CA certificate at /etc/docker/certs.d/%s/ca.crt", https, first.msg, host,
			host);
	free(https);
	free(http);
	return NULL;
}

static json_t *results_of(struct http_response *rs, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	if (rs->head.status != 200) {
		err_kind(e, ERR_FAILED, "Unexpected status code %d", rs->head.status);
		return NULL;
	}
	if (http_read_all(rs, ANSWER_MAX, &text, e))
		return NULL;
	j = json_parse(text.p, text.n, e);
	if (!j) {
		err_wrap(e, "error decoding registry search results");
		return NULL;
	}
	return json_arr(j, "results") ? json_incref(json_arr(j, "results")) : json_array();
}

static json_t *search_at(struct http_client *h, const char *base, const char *term, int limit, const json_t *auth,
	struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct http_response rs;
	json_t *found;

	buf_addf(&text, "%ssearch?q=", base);
	url_add_escaped(&text, span_of(term));
	buf_addf(&text, "&n=%d", limit);
	if (get(h, text.p, auth, &rs, e))
		return NULL;
	found = results_of(&rs, e);
	http_response_release(&rs);
	return found;
}

json_t *registry_search(const char *host, const char *term, int limit, const struct registry_config *c,
	struct err *e)
{
	bool hub = !strcmp(host, "docker.io"), insecure = !hub && registry_is_insecure(c->insecure, host);
	struct http_settings s = registry_http_settings(c, hub ? "index.docker.io" : host, !insecure, -1);
	struct http_client *h = http_client_new(&s);
	cleanup_free char *base = hub ? xstrdup(HUB_SEARCH) : find_v1(h, host, insecure, e);
	json_t *found = base ? search_at(h, base, term, limit, c->auth, e) : NULL;

	http_client_free(h);
	return found;
}

/* --- fetching -------------------------------------------------------------------------------------- */

static int refused(const char *url, struct http_response *rs, struct err *e)
{
	cleanup_buf struct buf body = BUF_INIT;

	http_read_all(rs, SHOWN_MAX, &body, NULL);
	while (body.n && strchr(" \r\n", body.p[body.n - 1]))
		body.p[--body.n] = 0;
	return err_kind(e, rs->head.status == 404 ? ERR_NOT_FOUND : rs->head.status == 401 ? ERR_UNAUTHORIZED :
		rs->head.status == 403 ? ERR_FORBIDDEN : rs->head.status < 500 ? ERR_INVALID : ERR_FAILED,
		"failed to GET %.300s with status %d %.*s: %s", url, rs->head.status,
		(int)(rs->head.reason.n > 100 ? 100 : rs->head.reason.n), rs->head.reason.p, body.p);
}

static int copy(struct http_response *rs, int out, void (*progress)(void *arg, int64_t done), void *arg, struct err *e)
{
	struct span data;
	int64_t done = 0;
	int rc;

	while ((rc = http_read(rs, &data, e)) > 0) {
		if (fd_write_full(out, data.p, data.n)) {
			rc = errno;
			return err_set(e, rc, "passing on what was fetched");
		}
		done += (int64_t)data.n;
		if (progress)
			progress(arg, done);
	}
	return rc ? err_wrap(e, "reading from %s", rs->url.authority) : 0;
}

/* An HTTP date (RFC 9110, 5.6.7) as everybody writes it. */
static int64_t date_s(struct span text)
{
	cleanup_free char *copy = span_dup(text);
	struct tm tm = {0};
	const char *end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	return end && !*end ? (int64_t)timegm(&tm) : 0;
}

/* filename=NAME or filename="NAME" (RFC 6266); of a path its last part. */
static struct span disposition_name(struct span text)
{
	struct span part;

	while (span_token(&text, ';', &part)) {
		part = span_trim(part);
		if (!span_starts(part, "filename="))
			continue;
		part.p += strlen("filename=");
		part.n -= strlen("filename=");
		if (part.n > 1 && *part.p == '"' && part.p[part.n - 1] == '"') {
			part.p++;
			part.n -= 2;
		}
		while (memchr(part.p, '/', part.n)) {
			part.p++;
			part.n--;
		}
		return part;
	}
	return (struct span){"", 0};
}

int registry_fetch(const char *url, const struct registry_config *c, int out,
	void (*begin)(void *arg, const struct fetch_head *head), void (*progress)(void *arg, int64_t done), void *arg, struct err *e)
{
	cleanup_free char *full = strstr(url, "://") ? xstrdup(url) : xasprintf("http://%s", url);
	struct http_settings s = registry_http_settings(c, NULL, true, -1);
	struct http_client *h = http_client_new(&s);
	struct http_response rs;
	int rc = get(h, full, NULL, &rs, e);

	if (!rc) {
		if (rs.head.status >= 400)
			rc = refused(full, &rs, e);
		if (!rc && begin) {
			const struct fetch_head head = {rs.body.framing == BODY_LENGTH ? rs.body.length : -1,
				date_s(response_field(&rs.head, "Last-Modified", 0)),
				disposition_name(response_field(&rs.head, "Content-Disposition", 0))};

			begin(arg, &head);
		}
		if (!rc)
			rc = copy(&rs, out, progress, arg, e);
		http_response_release(&rs);
	}
	http_client_free(h);
	return rc;
}
