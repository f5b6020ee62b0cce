/* SPDX-License-Identifier: MIT */
/*
 * core/registry/registry.c - manifests and tags of a registry
 *
 * Theory of operation
 *   Each operation is a function of one endpoint, handed to registry_try().  Names and digests
 *   come from callers that parsed them; they are held to the characters of the distribution
 *   spec here once more, as they go onto a request line.
 */
#include "registry/endpoint.h"
#include "registry/reg_error.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 3
#define RETRY_MS 250 /* before the second; twice that before the third */
#define TAGS_PAGE_MAX (4 * 1024 * 1024)
#define TAGS_MAX 100000
#define PAGES_MAX 1000

static const char accept_manifests[] =
	"Accept: application/vnd.oci.image.index.v1+json\r\n"
	"Accept: application/vnd.docker.distribution.manifest.list.v2+json\r\n"
	"Accept: application/vnd.oci.image.manifest.v1+json\r\n"
	"Accept: application/vnd.docker.distribution.manifest.v2+json\r\n"
	"Accept: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n"
	"Accept: application/json\r\n";

int registry_check_name(const char *s, struct err *e)
{
	const char *c;

	for (c = s; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:+", *c))
			return err_kind(e, ERR_INVALID, "invalid reference format");
	return *s && !strstr(s, "//") && !strstr(s, "..") ? 0 :
		err_kind(e, ERR_INVALID, "invalid reference format");
}

struct query {
	const char *repo, *what;
	char *path, *scope;
	struct manifest *m;
	char *digest;
	json_t *tags;
	bool again; /* the failure may pass: a connection that broke, a server's bad moment */
};

static int query_init(struct query *q, const char *repo, const char *kind, const char *what,
	struct err *e)
{
	memset(q, 0, sizeof(*q));
	if (registry_check_name(repo, e) || registry_check_name(what, e))
		return -1;
	q->repo = repo;
	q->what = what;
	q->path = xasprintf("/v2/%s/%s/%s", repo, kind, what);
	q->scope = xasprintf("repository:%s:pull", repo);
	return 0;
}

/* At each endpoint, and all of that again while there is hope. */
static int query_run(struct registry *r, enum endpoint_verdict (*fn)(struct endpoint *ep, void *arg,
	struct err *e), struct query *q, struct err *e)
{
	struct pollfd cancel = {.fd = r->cancel_fd, .events = POLLIN};
	int tries, rc;

	for (tries = 1;; tries++) {
		q->again = false;
		rc = registry_try(r, fn, q, e);
		if (!rc || !q->again || tries == TRIES || poll(&cancel, 1, RETRY_MS * tries) > 0)
			return rc;
	}
}

static void query_release(struct query *q)
{
	free(q->path);
	free(q->scope);
}

/* A connection that broke may hold the next time; one that stalled has cost enough time. */
static bool is_passing(const struct err *e)
{
	return e->code != ETIMEDOUT && e->kind == ERR_FAILED;
}

/* --- what a tag points to --- */

static enum endpoint_verdict head_manifest(struct endpoint *ep, void *arg, struct err *e)
{
	struct query *q = arg;
	struct endpoint_request rq = {"HEAD", q->path, accept_manifests, q->scope};
	struct http_response rs;
	struct span digest;
	char text[DIGEST_MAX];

	if (endpoint_send(ep, &rq, &rs, e)) {
		q->again = is_passing(e);
		return EP_NEXT;
	}
	digest = response_field(&rs.head, "Docker-Content-Digest", 0);
	if (rs.head.status == 200 && digest.p && digest.n < DIGEST_MAX) {
		snprintf(text, sizeof(text), "%.*s", (int)digest.n, digest.p);
		if (digest_ok(text))
			memcpy(q->digest, text, sizeof(text));
	}
	http_response_release(&rs);
	/* A mirror that does not know the tag must not hide the registry that does. */
	if (ep->mirror && !*q->digest) {
		err_kind(e, ERR_FAILED, "no digest for %s:%s", q->repo, q->what);
		return EP_NEXT;
	}
	return EP_DONE;
}

int registry_digest(struct registry *r, const char *repo, const char *tag, char digest[DIGEST_MAX],
	struct err *e)
{
	struct query q;
	int rc;

	*digest = 0;
	if (query_init(&q, repo, "manifests", tag, e))
		return -1;
	q.digest = digest;
	rc = query_run(r, head_manifest, &q, e);
	query_release(&q);
	return rc;
}

/* --- manifests --- */

static void set_media_type(struct manifest *m, struct span value)
{
	ssize_t semicolon = span_chr(value, ';');

	if (semicolon >= 0)
		value.n = (size_t)semicolon;
	value = span_trim(value);
	if (value.n >= sizeof(m->media_type))
		value.n = 0;
	snprintf(m->media_type, sizeof(m->media_type), "%.*s", (int)value.n, value.n ? value.p : "");
}

static enum endpoint_verdict get_manifest(struct endpoint *ep, void *arg, struct err *e)
{
	struct query *q = arg;
	struct endpoint_request rq = {"GET", q->path, accept_manifests, q->scope};
	struct http_response rs;
	int rc;

	if (endpoint_send(ep, &rq, &rs, e)) {
		q->again = is_passing(e);
		return EP_NEXT;
	}
	buf_reset(&q->m->text);
	if (rs.head.status != 200)
		rc = reg_error(&rs, e);
	else
		rc = http_read_all(&rs, REGISTRY_MANIFEST_MAX, &q->m->text, e);
	q->again = rc && (rs.head.status >= 500 || (rs.head.status == 200 && is_passing(e)));
	set_media_type(q->m, response_field(&rs.head, "Content-Type", 0));
	http_response_release(&rs);
	if (rc)
		return EP_NEXT;
	sha256_digest_of(q->m->text.p, q->m->text.n, q->m->digest);
	if (digest_ok(q->what) && strcmp(q->what, q->m->digest)) {
		err_kind(e, ERR_FAILED, "manifest verification failed for digest %s", q->what);
		return EP_NEXT;
	}
	return EP_DONE;
}

int registry_manifest(struct registry *r, const char *repo, const char *tag_or_digest,
	struct manifest *m, struct err *e)
{
	struct query q;
	int rc;

	*m = (struct manifest){.text = BUF_INIT};
	if (query_init(&q, repo, "manifests", tag_or_digest, e))
		return -1;
	q.m = m;
	rc = query_run(r, get_manifest, &q, e);
	query_release(&q);
	if (rc)
		manifest_release(m);
	return rc;
}

void manifest_release(struct manifest *m)
{
	buf_release(&m->text);
	*m = (struct manifest){.text = BUF_INIT};
}

/* --- tags --- */

/* The path of the next page out of a Link field (RFC 8288); NULL if there is none or it leads away. */
static char *next_page(struct endpoint *ep, struct http_response *rs)
{
	struct span link = response_field(&rs->head, "Link", 0);
	size_t prefix = strlen(ep->base.target);
	char *path = NULL;
	struct url u;
	ssize_t end;

	if (!link.p || !span_starts(link, "<") || (end = span_chr(link, '>')) < 0)
		return NULL;
	if (url_resolve(&rs->url, (struct span){link.p + 1, (size_t)end - 1}, &u, NULL))
		return NULL;
	if (url_same_origin(&u, &ep->base) && !strncmp(u.target, ep->base.target, prefix))
		path = xstrdup(u.target + prefix);
	url_release(&u);
	return path;
}

static int add_tags(json_t *tags, struct span text, struct err *e)
{
	cleanup_json json_t *j = json_parse(text.p, text.n, e);
	const json_t *list = json_arr(j, "tags");
	size_t i;

	if (!j)
		return err_wrap(e, "reading the list of tags");
	for (i = 0; i < json_array_size(list); i++) {
		const char *tag = json_string_value(json_array_get(list, i));

		if (json_array_size(tags) == TAGS_MAX)
			return err_kind(e, ERR_FAILED, "the repository has more than %d tags", TAGS_MAX);
		if (tag)
			json_append_str(tags, tag);
	}
	return 0;
}

static enum endpoint_verdict get_tags(struct endpoint *ep, void *arg, struct err *e)
{
	struct query *q = arg;
	cleanup_free char *path = xstrdup(q->path);
	struct http_response rs;
	int rc = 0, page;

	json_array_clear(q->tags);
	for (page = 0; path && !rc && page < PAGES_MAX; page++) {
		struct endpoint_request rq = {"GET", path, "Accept: application/json\r\n", q->scope};
		cleanup_buf struct buf text = BUF_INIT;

		if (endpoint_send(ep, &rq, &rs, e))
			return EP_NEXT;
		if (rs.head.status != 200)
			rc = reg_error(&rs, e);
		else
			rc = http_read_all(&rs, TAGS_PAGE_MAX, &text, e) ||
			     add_tags(q->tags, (struct span){text.p, text.n}, e);
		free(path);
		path = rc ? NULL : next_page(ep, &rs);
		http_response_release(&rs);
	}
	return rc ? EP_NEXT : EP_DONE;
}

json_t *registry_tags(struct registry *r, const char *repo, struct err *e)
{
	struct query q;

	if (query_init(&q, repo, "tags", "list", e))
		return NULL;
	q.tags = json_array();
	if (registry_try(r, get_tags, &q, e)) {
		json_decref(q.tags);
		q.tags = NULL;
	}
	query_release(&q);
	return q.tags;
}

/* --- credentials --- */

static enum endpoint_verdict get_root(struct endpoint *ep, void *arg, struct err *e)
{
	struct endpoint_request rq = {"GET", "/v2/", NULL, ""};
	struct http_response rs;
	cleanup_free char *text = NULL;
	int status;

	if (ep->mirror) {
		err_kind(e, ERR_FAILED, "a mirror has no accounts");
		return EP_NEXT;
	}
	if (endpoint_send(ep, &rq, &rs, e))
		return EP_NEXT;
	status = rs.head.status;
	text = url_text(&rs.url);
	if (status != 200)
		err_kind(e, status == 401 ? ERR_UNAUTHORIZED : ERR_FAILED,
			"login attempt to %s failed with status: %d %.*s", text, status,
			(int)(rs.head.reason.n > 100 ? 100 : rs.head.reason.n), rs.head.reason.p);
	http_response_release(&rs);
	return status == 200 ? EP_DONE : EP_NEXT;
}

int registry_check_auth(struct registry *r, struct err *e)
{
	return registry_try(r, get_root, NULL, e);
}
