/* SPDX-License-Identifier: MIT */
/*
 * core/registry/upload.c - blobs and manifests into a registry
 *
 * Theory of operation
 *   POST begins an upload and names a place (Location) for it; one PATCH carries all of the blob, in
 *   chunks as it is made; PUT with the digest, known only then, ends it.  Each answer names the
 *   place for the next request.  One PATCH and no Content-Range: that is what Docker sends, so what
 *   every registry takes; a second one appends.
 *
 *   When the connection breaks, or the registry has a bad moment, GET on that place tells how much
 *   arrived.  The source is started again, what the registry has is hashed and dropped, the rest
 *   is sent.  A registry that forgot the upload gets a new one.  If the second making differed from
 *   the first, the digest would be wrong and the registry would say so: nothing bad can be stored.
 *
 *   An attempt that moved things forward a good deal does not count against the limit of attempts.
 */
#include "registry/endpoint.h"
#include "registry/reg_error.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS 5		   /* as in Docker */
#define PROGRESS_MIN (1024 * 1024) /* bytes by which an attempt proves itself useful */
#define SKIP_SIZE 65536

struct upload {
	struct registry *r;
	const char *repo;
	const struct blob_source *from;
	const struct blob_watch *watch;
	char *path, *scope;
	struct url place; /* of the upload under way */
	bool begun;
	int64_t there;	  /* bytes the registry has of it */
	int64_t made;	  /* bytes the source gave this time */
	struct sha256 sha;
	char digest[DIGEST_MAX]; /* once the source was read to its end, else "" */
	bool final;	  /* the last error is one that trying again will not change */
};

static char *push_scope(const char *repo)
{
	return xasprintf("repository:%s:pull,push", repo);
}

static enum endpoint_verdict answers(struct endpoint *ep, void *arg, struct err *e)
{
	(void)ep, (void)arg, (void)e;
	return EP_DONE; /* it was pinged to get here */
}

int registry_ping(struct registry *r, struct err *e)
{
	return registry_try_origin(r, answers, NULL, e);
}

/* --- is it there ------------------------------------------------------------------------------ */

struct blob_query {
	char *path, *scope;
	int64_t size;
};

static enum endpoint_verdict head_blob(struct endpoint *ep, void *arg, struct err *e)
{
	struct blob_query *q = arg;
	struct endpoint_request rq = {"HEAD", q->path, NULL, q->scope};
	struct http_response rs;
	int64_t n;
	int status;

	if (endpoint_send(ep, &rq, &rs, e))
		return EP_NEXT;
	status = rs.head.status;
	if (!parse_i64(response_field(&rs.head, "Content-Length", 0), 0, INT64_MAX, &n))
		q->size = n;
	http_response_release(&rs);
	return status == 200 ? EP_DONE : EP_FATAL;
}

bool registry_has_blob(struct registry *r, const char *repo, const char *digest, int64_t *size)
{
	struct blob_query q = {.size = -1};
	struct err ignored;
	bool there;

	if (registry_check_name(repo, &ignored) || !digest_ok(digest))
		return false;
	q.path = xasprintf("/v2/%s/blobs/%s", repo, digest);
	q.scope = push_scope(repo);
	there = !registry_try_origin(r, head_blob, &q, &ignored);
	*size = q.size;
	free(q.path);
	free(q.scope);
	return there;
}

/* --- a place to put it -------------------------------------------------------------------------- */

/* Where an answer sends the next request; *place is replaced. */
static int take_place(struct http_response *rs, struct url *place, struct err *e)
{
	struct span location = response_field(&rs->head, "Location", 0);
	struct url next;

	if (!location.p)
		return err_kind(e, ERR_FAILED, "%s did not say where to upload to (no Location header)", rs->url.authority);
	if (url_resolve(&rs->url, location, &next, e))
		return -1;
	url_release(place);
	*place = next;
	return 0;
}

static enum endpoint_verdict mount_blob(struct endpoint *ep, void *arg, struct err *e)
{
	struct blob_query *q = arg;
	struct endpoint_request rq = {"POST", q->path, NULL, q->scope};
	struct url place = URL_INIT;
	struct http_response rs;
	int status;

	if (endpoint_send(ep, &rq, &rs, e))
		return EP_NEXT;
	status = rs.head.status;
	/* It began an upload instead: that is not wanted. */
	if (status == 202 && take_place(&rs, &place, e))
		status = 0;
	http_response_release(&rs);
	if (status == 202) {
		rq = (struct endpoint_request){.method = "DELETE", .url = &place, .scope = q->scope};
		if (!endpoint_send(ep, &rq, &rs, e))
			http_response_release(&rs);
	}
	url_release(&place);
	return status == 201 ? EP_DONE : EP_FATAL;
}

bool registry_mount_blob(struct registry *r, const char *repo, const char *digest, const char *from_repo)
{
	struct blob_query q;
	struct err ignored;
	bool mounted;

	if (registry_check_name(repo, &ignored) || registry_check_name(from_repo, &ignored) || !digest_ok(digest))
		return false;
	q.path = xasprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s", repo, digest, from_repo);
	q.scope = xasprintf("repository:%s:pull,push repository:%s:pull", repo, from_repo);
	mounted = !registry_try_origin(r, mount_blob, &q, &ignored);
	free(q.path);
	free(q.scope);
	return mounted;
}

/* --- one upload ------------------------------------------------------------------------------------ */

/* What of a refusal may pass: a busy server, a token that grew old, an upload it lost. */
static bool may_pass(int status)
{
	return status >= 500 || status == 401 || status == 404 || status == 408 || status == 416 || status == 429;
}

static int refused(struct upload *u, struct http_response *rs, struct err *e)
{
	u->final = !may_pass(rs->head.status);
	if (rs->head.status == 404 || rs->head.status == 416)
		u->begun = false;
	return reg_error(rs, e);
}

static int begin(struct upload *u, struct endpoint *ep, struct err *e)
{
	struct endpoint_request rq = {"POST", u->path, NULL, u->scope};
	struct http_response rs;
	int rc;

	if (endpoint_send(ep, &rq, &rs, e)) {
		u->final = strstr(e->msg, AUTH_NONE_GIVEN);
		return -1;
	}
	if (rs.head.status == 202) {
		rc = take_place(&rs, &u->place, e);
		u->begun = !rc;
		u->there = 0;
	} else {
		rc = reg_error(&rs, e);
		u->final = rs.head.status < 500 && rs.head.status != 408 && rs.head.status != 429;
	}
	http_response_release(&rs);
	return rc;
}

/* How much arrived of an upload that broke off?  Begins a new one where that cannot be told. */
static int look(struct upload *u, struct endpoint *ep, struct err *e)
{
	struct endpoint_request rq = {.method = "GET", .url = &u->place, .scope = u->scope};
	struct http_response rs;
	int64_t there = -1;

	if (u->begun && endpoint_send(ep, &rq, &rs, e))
		return -1;
	if (u->begun) {
		if (rs.head.status == 204 || rs.head.status == 202)
			there = response_upload_range(response_field(&rs.head, "Range", 0));
		if (there >= 0 && response_field(&rs.head, "Location", 0).p && take_place(&rs, &u->place, e))
			there = -1;
		http_response_release(&rs);
	}
	if (there <= 0)
		return begin(u, ep, e);
	u->there = there;
	return 0;
}

/* What the source gives, hashed, without what the registry has. */
static ssize_t read_rest(void *arg, void *p, size_t n, struct err *e)
{
	struct upload *u = arg;
	ssize_t got;

	for (;;) {
		got = u->from->read(u->from->arg, p, n, e);
		if (got <= 0)
			break;
		sha256_update(&u->sha, p, (size_t)got);
		u->made += got;
		if (u->made <= u->there)
			continue;
		if (u->made - u->there < got) {
			size_t old = (size_t)(got - (u->made - u->there));

			memmove(p, (char *)p + old, (size_t)got - old);
			got -= (ssize_t)old;
		}
		return got;
	}
	if (!got)
		sha256_digest(&u->sha, u->digest);
	return got;
}

static int carry(struct upload *u, struct endpoint *ep, struct err *e)
{
	struct http_source source = {.read = read_rest, .arg = u};
	struct endpoint_request rq = {.method = "PATCH", .url = &u->place, .scope = u->scope,
		.content_type = "application/octet-stream", .source = &source};
	struct http_response rs;
	int rc;

	*u->digest = 0;
	u->made = 0;
	sha256_init(&u->sha);
	if (u->from->rewind(u->from->arg, e)) {
		u->final = true;
		return -1;
	}
	if (endpoint_send(ep, &rq, &rs, e)) {
		u->final = source.failed;
		return -1;
	}
	if (rs.head.status < 200 || rs.head.status > 299)
		rc = refused(u, &rs, e);
	else if (!*u->digest)
		rc = err_kind(e, ERR_FAILED, "%s ended the upload early", rs.url.authority);
	else
		rc = take_place(&rs, &u->place, e);
	http_response_release(&rs);
	return rc;
}

static int end(struct upload *u, struct endpoint *ep, struct err *e)
{
	struct endpoint_request rq = {.method = "PUT", .scope = u->scope, .content_type = "application/octet-stream"};
	struct http_response rs;
	struct url at;
	int rc = 0;

	url_copy(&u->place, &at);
	free(at.target);
	at.target = xasprintf("%s%cdigest=%s", u->place.target, strchr(u->place.target, '?') ? '&' : '?', u->digest);
	rq.url = &at;
	if (endpoint_send(ep, &rq, &rs, e)) {
		rc = -1;
	} else {
		if (rs.head.status < 200 || rs.head.status > 299) {
			rc = refused(u, &rs, e);
			u->begun = false;
			u->final = u->final && !strstr(e->msg, "digest invalid");
		}
		http_response_release(&rs);
	}
	url_release(&at);
	return rc;
}

static enum endpoint_verdict attempt(struct endpoint *ep, void *arg, struct err *e)
{
	struct upload *u = arg;

	u->final = false;
	if ((u->begun ? look(u, ep, e) : begin(u, ep, e)) || carry(u, ep, e) || end(u, ep, e))
		return u->begun ? EP_FATAL : EP_NEXT;
	return EP_DONE;
}

/* Wait before the next attempt, telling the watcher each second.  False if cancelled. */
static bool pause_before_retry(struct upload *u, int64_t ms)
{
	struct pollfd p = {.fd = u->r->cancel_fd, .events = POLLIN};

	for (; ms > 0 && !u->r->cancelled; ms -= 1000) {
		if (u->watch && u->watch->retry)
			u->watch->retry(u->watch->arg, (int)((ms + 999) / 1000));
		poll(&p, 1, ms < 1000 ? (int)ms : 1000);
	}
	return !u->r->cancelled;
}

static int run(struct upload *u, struct err *e)
{
	int64_t before, ignored;
	int tried = 0;

	for (;;) {
		before = u->there;
		if (!registry_try_origin(u->r, attempt, u, e))
			return 0;
		if (u->final || u->r->cancelled)
			return -1;
		if (u->there - before >= PROGRESS_MIN)
			tried = 0;
		if (++tried >= ATTEMPTS)
			return -1;
		if (!pause_before_retry(u, (int64_t)u->r->retry_delay_ms * tried))
			return -1;
		/* The answer to the last request may have been lost, not the request. */
		if (*u->digest && registry_has_blob(u->r, u->repo, u->digest, &ignored))
			return 0;
	}
}

int registry_upload(struct registry *r, const char *repo, const struct blob_source *source,
	const struct blob_watch *watch, char digest[DIGEST_MAX], int64_t *size, struct err *e)
{
	struct upload u = {.r = r, .repo = repo, .from = source, .watch = watch, .place = URL_INIT};
	int rc;

	if (registry_check_name(repo, e))
		return -1;
	u.path = xasprintf("/v2/%s/blobs/uploads/", repo);
	u.scope = push_scope(repo);
	rc = run(&u, e);
	snprintf(digest, DIGEST_MAX, "%s", u.digest);
	*size = u.made;
	url_release(&u.place);
	free(u.path);
	free(u.scope);
	return rc;
}

/* --- manifests ----------------------------------------------------------------------------------------- */

struct manifest_put {
	char *path, *scope;
	const char *media_type, *digest;
	struct span text;
};

static enum endpoint_verdict put_manifest(struct endpoint *ep, void *arg, struct err *e)
{
	const struct manifest_put *m = arg;
	struct endpoint_request rq = {.method = "PUT", .path = m->path, .scope = m->scope,
		.content_type = m->media_type, .body = m->text};
	struct http_response rs;
	struct span theirs;
	int rc = 0;

	if (endpoint_send(ep, &rq, &rs, e))
		return EP_NEXT;
	theirs = response_field(&rs.head, "Docker-Content-Digest", 0);
	if (rs.head.status < 200 || rs.head.status > 299)
		rc = reg_error(&rs, e);
	else if (theirs.p && !span_eqs(theirs, m->digest))
		rc = err_kind(e, ERR_FAILED, "%s stored the manifest as %.*s instead of %s", rs.url.authority,
			(int)(theirs.n > 80 ? 80 : theirs.n), theirs.p, m->digest);
	http_response_release(&rs);
	return rc ? EP_FATAL : EP_DONE;
}

int registry_put_manifest(struct registry *r, const char *repo, const char *tag, const char *media_type,
	struct span text, char digest[DIGEST_MAX], struct err *e)
{
	struct manifest_put m = {.media_type = media_type, .text = text, .digest = digest};
	int rc;

	if (registry_check_name(repo, e) || registry_check_name(tag, e))
		return -1;
	sha256_digest_of(text.p, text.n, digest);
	m.path = xasprintf("/v2/%s/manifests/%s", repo, tag);
	m.scope = push_scope(repo);
	rc = registry_try_origin(r, put_manifest, &m, e);
	free(m.path);
	free(m.scope);
	return rc;
}
