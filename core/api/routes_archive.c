/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_archive.c - /containers/…/archive, /containers/…/export and /commit
 */
#include "api/params.h"
#include "base/base64.h"
#include "base/fs.h"
#include "engine/archive.h"
#include "engine/commit.h"

#include <sys/socket.h>

#define SHORT_BODY 2048 /* bytes: Go's server buffers that much before it gives up on a length */

/* The container named, or NULL with the request answered. */
static struct container *named(struct http *h, const char *name)
{
	struct container *c;
	struct err e;

	c = container_get(http_engine(h), name ? name : "", &e);
	if (!c)
		http_fail(h, &e);
	return c;
}

/* The same where a path in it is needed. */
static struct container *with_path(struct http *h, const char **path)
{
	struct err e;

	*path = http_query(h, "path");
	if (*path && **path)
		return named(h, http_var(h, 0));
	err_kind(&e, ERR_INVALID, "bad parameter: pathcannot be empty");
	http_fail(h, &e);
	return NULL;
}

static void set_stat(struct http *h, json_t *stat_steal)
{
	cleanup_buf struct buf text = BUF_INIT, coded = BUF_INIT;

	json_print(stat_steal, false, &text);
	json_decref(stat_steal);
	base64_encode((struct span){text.p, text.n}, false, &coded);
	http_set_header(h, "X-Docker-Container-Path-Stat", coded.p);
}

/* Half an archive must not look like a whole one: no last chunk. */
static void stream_archive(struct http *h, const char *type, struct archive_job *job, const char *first,
	size_t n)
{
	struct err e = ERR_INIT;

	if (!http_stream_begin(h, 200, type) && !http_stream_write(h, first, n))
		http_stream_pipe(h, archive_fd(job));
	if (archive_end(job, &e))
		shutdown(http_fd(h), SHUT_RDWR);
}

/* A short one is known to be whole before it is answered. */
static void send_archive(struct http *h, const char *type, struct archive_job *job)
{
	char first[SHORT_BODY + 1];
	ssize_t n = fd_read_full(archive_fd(job), first, sizeof(first));
	struct err e = ERR_INIT;

	if (n > SHORT_BODY)
		stream_archive(h, type, job, first, (size_t)n);
	else if (archive_end(job, &e))
		http_fail(h, &e);
	else
		http_text(h, 200, type, first, n < 0 ? 0 : (size_t)n);
}

static void head(struct http *h)
{
	const char *path;
	struct container *c = with_path(h, &path);
	struct err e;
	json_t *stat;

	if (!c)
		return;
	stat = archive_stat(http_engine(h), c, http_var(h, 0), path, &e);
	if (stat) {
		set_stat(h, stat);
		http_empty(h, 200);
	} else {
		http_fail(h, &e);
	}
	container_put(c);
}

static void get(struct http *h)
{
	const char *path;
	struct container *c = with_path(h, &path);
	struct archive_job *job;
	struct err e;
	json_t *stat;

	if (!c)
		return;
	job = archive_get(http_engine(h), c, http_var(h, 0), path, &stat, &e);
	if (job) {
		set_stat(h, stat);
		send_archive(h, "application/x-tar", job);
	} else {
		http_fail(h, &e);
	}
	container_put(c);
}

static void put(struct http *h)
{
	struct archive_put what = {.no_overwrite_dir_nondir = http_query_bool(h, "noOverwriteDirNonDir", false),
		.chown = http_query_bool(h, "copyUIDGID", false)};
	struct container *c = with_path(h, &what.path);
	struct archive_job *job;
	struct err e, why;
	int rc;

	if (!c)
		return;
	job = archive_put(http_engine(h), c, http_var(h, 0), &what, &e);
	rc = job ? http_body_pipe(h, archive_fd(job), &e) : -1;
	/* Why the body ended early says more than what that made of the archive. */
	if (job && archive_end(job, rc ? &why : &e))
		rc = -1;
	if (rc)
		http_fail(h, &e);
	else
		http_empty(h, 200);
	container_put(c);
}

static void export(struct http *h)
{
	struct container *c = named(h, http_var(h, 0));
	struct archive_job *job;
	struct err e;

	if (!c)
		return;
	job = archive_export(http_engine(h), c, &e);
	if (job)
		send_archive(h, "application/octet-stream", job);
	else
		http_fail(h, &e);
	container_put(c);
}

/* --- commit ------------------------------------------------------------------------------------- */

static const char *text(struct http *h, const char *name)
{
	const char *value = http_query(h, name);

	return value ? value : "";
}

static void commit(struct http *h)
{
	cleanup_json json_t *body = NULL, *changes = json_strv(http_query_all(h, "changes"));
	struct commit what = {.author = text(h, "author"), .comment = text(h, "comment"), .changes = changes,
		.pause = http_query_bool(h, "pause", true)};
	struct container *c;
	char id[DIGEST_MAX];
	struct imgref ref;
	struct err e;
	bool given;

	if (http_body_json(h, true, &body, &e) || params_repo_tag(h, &ref, &given, &e)) {
		http_fail(h, &e);
		return;
	}
	what.config = json_is_object(body) ? body : NULL;
	what.ref = given ? &ref : NULL;
	c = named(h, text(h, "container"));
	if (c && container_commit(http_engine(h), c, &what, id, &e))
		http_fail(h, &e);
	else if (c)
		http_json(h, 201, json_pack("{s:s}", "Id", id));
	container_put(c);
	if (given)
		imgref_release(&ref);
}

const struct route routes_archive[] = {
	{"HEAD", "/containers/{}/archive", head},
	{"GET", "/containers/{}/archive", get},
	{"PUT", "/containers/{}/archive", put},
	{"GET", "/containers/{}/export", export},
	{"POST", "/commit", commit},
	{NULL, NULL, NULL},
};
