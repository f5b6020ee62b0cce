/* SPDX-License-Identifier: MIT */
/*
 * core/registry/blob.c - downloading one blob, however often the connection breaks
 *
 * Theory of operation
 *   Bytes are hashed and passed on as they come; what was passed on cannot be taken back.  So an
 *   interrupted download goes on where it stopped: with a Range request, or by skipping what is
 *   known already where the server does not do ranges.  An attempt that moved things forward a
 *   good deal does not count against the limit of attempts, as a long download over a bad line
 *   would never end otherwise; the size the manifest promised bounds it all.
 *
 *   What came is also written to a file, if there is one.  A later process that was given it begins with
 *   these bytes: hashed and passed on like all others, they only need not come again.
 *
 *   What a second try cannot change (a refusal, a wrong digest, a wrong size, a full disk) is
 *   not tried again.
 */
#include "registry/endpoint.h"
#include "registry/reg_error.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_CHUNK (128 << 10)
#define PROGRESS_MIN (1024 * 1024) /* bytes by which an attempt proves itself useful */

struct blob {
	struct registry *r;
	const char *what, *digest; /* "filesystem layer" */
	char *path, *scope;
	int64_t size, done;
	struct sha256 sha;
	int (*put)(void *arg, const char *p, size_t n, struct err *e);
	void *put_arg;
	const struct blob_watch *watch;
	bool wrong; /* bytes came that are not what was promised */
	bool final; /* the last error is one that trying again will not change */
};

/* Bytes at the front of this response that were passed on already, or -1 with @e. */
static int64_t bytes_to_skip(struct blob *b, struct http_response *rs, struct err *e)
{
	int64_t first, last, total, all;

	if (rs->head.status == 206) {
		if (response_content_range(response_field(&rs->head, "Content-Range", 0), &first, &last,
			&total))
			return err_kind(e, ERR_FAILED, "no usable Content-Range header in HTTP 206 response");
		if (first != b->done)
			return err_kind(e, ERR_FAILED, "received Content-Range starting at offset %lld "
				"instead of requested %lld", (long long)first, (long long)b->done);
		all = total;
		first = 0;
	} else {
		all = rs->body.framing == BODY_LENGTH ? rs->body.length : -1;
		first = b->done;
	}
	if (all >= 0 && all != b->size) {
		b->final = true;
		return err_kind(e, ERR_FAILED, "blob %s has %lld bytes where the manifest promises %lld",
			b->digest, (long long)all, (long long)b->size);
	}
	return first;
}

/* Pass a piece on.  Fails finally if it cannot be taken, or is more than was promised. */
static int take(struct blob *b, struct span data, struct err *e)
{
	if ((int64_t)data.n > b->size - b->done) {
		b->final = true;
		return err_kind(e, ERR_FAILED, "blob %s is longer than the %lld bytes the manifest "
			"promises", b->digest, (long long)b->size);
	}
	sha256_update(&b->sha, data.p, data.n);
	if (b->put(b->put_arg, data.p, data.n, e)) {
		b->final = true;
		return -1;
	}
	b->done += (int64_t)data.n;
	if (b->watch && b->watch->progress)
		b->watch->progress(b->watch->arg, b->done);
	return 0;
}

static int receive(struct blob *b, struct http_response *rs, struct err *e)
{
	int64_t skip = bytes_to_skip(b, rs, e);
	struct span data;
	int rc;

	if (skip < 0)
		return -1;
	while ((rc = http_read(rs, &data, e)) > 0) {
		if (b->r->cancelled) {
			b->final = true;
			return err_kind(e, ERR_FAILED, "operation was canceled");
		}
		if ((int64_t)data.n <= skip) {
			skip -= (int64_t)data.n;
			continue;
		}
		if (take(b, (struct span){data.p + skip, data.n - (size_t)skip}, e))
			return -1;
		skip = 0;
	}
	if (rc)
		return -1;
	if (b->done == b->size)
		return 0;
	return err_kind(e, ERR_FAILED, "unexpected EOF: got %lld of %lld bytes of blob %s",
		(long long)b->done, (long long)b->size, b->digest);
}

static enum endpoint_verdict attempt(struct endpoint *ep, void *arg, struct err *e)
{
	struct blob *b = arg;
	cleanup_free char *range = NULL;
	struct endpoint_request rq = {"GET", b->path, NULL, b->scope};
	struct http_response rs;
	int rc;

	b->final = false;
	if (b->done) {
		range = xasprintf("Range: bytes=%lld-\r\n", (long long)b->done);
		rq.fields = range;
	}
	if (endpoint_send(ep, &rq, &rs, e))
		return EP_NEXT;
	if (rs.head.status == 200 || rs.head.status == 206) {
		rc = receive(b, &rs, e);
		if (rc && !b->final)
			err_wrap(e, "reading from %s", rs.url.authority);
	} else {
		/* A busy server may recover; a refusal stays one. */
		b->final = rs.head.status < 500 && rs.head.status != 408 && rs.head.status != 429;
		rc = reg_error(&rs, e);
		if (rs.head.status == 404)
			err_kind(e, ERR_NOT_FOUND, "unknown blob: %s has no %s", rs.url.authority, b->digest);
	}
	http_response_release(&rs);
	if (!rc)
		return EP_DONE;
	/* Elsewhere it may be right, but not once wrong bytes were passed on or nobody takes them. */
	return b->final && b->done ? EP_FATAL : EP_NEXT;
}

/* Wait before the next attempt, telling the watcher each second.  False if cancelled. */
static bool pause_before_retry(struct blob *b, int64_t ms)
{
	struct pollfd p = {.fd = b->r->cancel_fd, .events = POLLIN};

	for (; ms > 0 && !b->r->cancelled; ms -= 1000) {
		if (b->watch && b->watch->retry)
			b->watch->retry(b->watch->arg, (int)((ms + 999) / 1000));
		poll(&p, 1, ms < 1000 ? (int)ms : 1000);
	}
	return !b->r->cancelled;
}

static int fetch(struct blob *b, struct err *e)
{
	char digest[DIGEST_MAX];
	int64_t before;
	int tried = 0;

	for (;;) {
		before = b->done;
		if (b->size && b->done == b->size)
			break; /* all of it was kept */
		if (!registry_try(b->r, attempt, b, e))
			break;
		if (b->final || b->r->cancelled)
			return -1;
		if (b->done - before >= PROGRESS_MIN)
			tried = 0;
		if (++tried >= b->r->max_attempts)
			return err_wrap(e, "download failed after attempts=%d", tried);
		if (!pause_before_retry(b, (int64_t)b->r->retry_delay_ms * tried))
			return -1;
	}
	sha256_digest(&b->sha, digest);
	if (!strcmp(digest, b->digest))
		return 0;
	b->wrong = true;
	err_kind(e, ERR_FAILED, "%s verification failed for digest %s", b->what, b->digest);
	return err_hint(e, "the registry %s sent other bytes than it promised (%s): a proxy or a disk "
		"on the way may be at fault", b->r->host, digest);
}

static int start(struct registry *r, const char *repo, const char *digest, int64_t size,
	struct blob *b, struct err *e)
{
	if (!digest_ok(digest) || size < 0)
		return err_kind(e, ERR_INVALID, "invalid digest or size of blob '%s'", digest);
	b->r = r;
	b->digest = digest;
	b->size = size;
	sha256_init(&b->sha);
	b->path = xasprintf("/v2/%s/blobs/%s", repo, digest);
	b->scope = xasprintf("repository:%s:pull", repo);
	return 0;
}

struct layer_sink {
	int out, kept;
	int64_t at; /* in kept */
};

static int put_fd(void *arg, const char *p, size_t n, struct err *e)
{
	struct layer_sink *s = arg;

	/* A disk that takes no more of it takes no layer either: that is told where it matters. */
	if (s->kept >= 0 && pwrite(s->kept, p, n, s->at) == (ssize_t)n)
		s->at += (int64_t)n;
	else
		s->kept = -1;
	return fd_write_full(s->out, p, n) ? err_set(e, errno, "writing a layer") : 0;
}

/* Begin with what an earlier download got. */
static int put_kept(struct blob *b, struct layer_sink *s, struct err *e)
{
	cleanup_free char *chunk = s->kept >= 0 ? xmalloc(KEPT_CHUNK) : NULL;
	ssize_t n = 0;

	while (s->kept >= 0 && b->done < b->size) {
		n = pread(s->kept, chunk, KEPT_CHUNK, b->done);
		if (n <= 0)
			break;
		n = n < b->size - b->done ? n : (ssize_t)(b->size - b->done);
		sha256_update(&b->sha, chunk, (size_t)n);
		if (fd_write_full(s->out, chunk, (size_t)n))
			return err_set(e, errno, "writing a layer");
		b->done += n;
	}
	s->at = b->done;
	return 0;
}

static int put_buf(void *arg, const char *p, size_t n, struct err *e)
{
	buf_add(arg, p, n);
	return 0;
}

static int run(struct blob *b, struct err *e)
{
	int rc = fetch(b, e);

	free(b->path);
	free(b->scope);
	return rc;
}

int registry_blob(struct registry *r, const char *repo, const char *digest, int64_t size, int out, int kept,
	const struct blob_watch *watch, struct err *e)
{
	struct layer_sink sink = {.out = out, .kept = kept};
	struct blob b = {.what = "filesystem layer", .put = put_fd, .put_arg = &sink, .watch = watch};

	if (start(r, repo, digest, size, &b, e))
		return -1;
	if (put_kept(&b, &sink, e)) {
		free(b.path);
		free(b.scope);
		return -1;
	}
	if (!run(&b, e))
		return 0;
	/* If that fails, the next one finds it wrong as well. */
	if (b.wrong && kept >= 0)
		(void)!ftruncate(kept, 0);
	return -1;
}

int registry_blob_read(struct registry *r, const char *repo, const char *digest, int64_t size,
	int64_t max, struct buf *out, struct err *e)
{
	struct blob b = {.what = "image config", .put = put_buf, .put_arg = out};

	if (size > max)
		return err_kind(e, ERR_FAILED, "blob %s of %lld bytes is larger than the %lld allowed",
			digest, (long long)size, (long long)max);
	return start(r, repo, digest, size, &b, e) ? -1 : run(&b, e);
}
