/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_containers.c - /containers/…
 */
#include "api/http.h"
#include "api/params.h"
#include "base/fs.h"
#include "engine/container.h"
#include "engine/links.h"
#include "engine/logs.h"
#include "engine/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST_PIECE 32768 /* bytes of a list that are sent at a time */


/* The container a path names, or NULL with the request answered. */
static struct container *named(struct http *h)
{
	struct container *c;
	struct err e;

	c = container_get(http_engine(h), http_var(h, 0), &e);
	if (!c)
		http_fail(h, &e);
	return c;
}

/* An object, stolen, or what went wrong. */
static void answer(struct http *h, int status, json_t *j, const struct err *e)
{
	if (j)
		http_json(h, status, j);
	else
		http_fail(h, e);
}

static void done(struct http *h, int status, int rc, const struct err *e)
{
	if (rc)
		http_fail(h, e);
	else
		http_empty(h, status);
}

/* --- list, inspect, create ----------------------------------------------------------------------- */

/* A long list is on its way while it is made: who parses it need not wait for the end, nor we keep it all. */
struct list_out {
	struct http *h;
	struct buf text;
};

static int list_flush(struct list_out *out)
{
	int rc = !http_streaming(out->h) && http_stream_begin(out->h, 200, "application/json");

	rc = rc || http_stream_write(out->h, out->text.p, out->text.n);
	buf_reset(&out->text);
	return rc ? -1 : 0;
}

static int list_one(void *arg)
{
	struct list_out *out = arg;

	return out->text.n < LIST_PIECE ? 0 : list_flush(out);
}

static void list(struct http *h)
{
	struct list_out out = {.h = h, .text = BUF_INIT};
	struct list_options o = {.all = http_query_bool(h, "all", false),
		.size = http_query_bool(h, "size", false)};
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	o.filters = filters;
	if (!filters || params_atoi(h, "limit", 0, &o.limit, &e)) {
		http_fail(h, &e);
		return;
	}
	if (containers_list(http_engine(h), &o, &out.text, list_one, &out, &e)) {
		http_fail(h, &e);
		return;
	}
	if (http_streaming(h))
		list_flush(&out);
	else
		http_text(h, 200, "application/json", out.text.p, out.text.n);
	buf_release(&out.text);
}

static void inspect(struct http *h)
{
	struct container *c = named(h);
	struct err e;

	if (c)
		answer(h, 200, container_inspect(http_engine(h), c, http_query_bool(h, "size", false), &e), &e);
	container_put(c);
}

static void create(struct http *h)
{
	const char *name = http_query(h, "name");
	cleanup_json json_t *body = NULL;
	struct err e;

	if (http_body_json(h, false, &body, &e)) {
		http_fail(h, &e);
		return;
	}
	if (name && !*name)
		name = NULL;
	answer(h, 201,
		container_create(http_engine(h), name, http_query(h, "platform"), body, http_api_minor(h), &e), &e);
}

/* --- life ------------------------------------------------------------------------------------------ */

static void start(struct http *h)
{
	struct container *c;
	struct err e;

	if (http_has_body(h)) {
		cleanup_json json_t *body = NULL;

		if (http_body_json(h, true, &body, &e) || json_object_size(body)) {
			err_kind(&e, ERR_INVALID,
				"starting container with non-empty request body was deprecated since API v1.22 and removed "
				"in v1.24");
			http_fail(h, &e);
			return;
		}
	}
	c = named(h);
	if (!c)
		return;
	if (http_query(h, "checkpoint") && *http_query(h, "checkpoint")) {
		err_kind(&e, ERR_INVALID, "checkpoint is only supported in experimental mode");
		http_fail(h, &e);
	} else {
		done(h, 204, container_start(http_engine(h), c, &e), &e);
	}
	container_put(c);
}

static int stop_options(struct http *h, struct stop_options *o, struct err *e)
{
	const char *t = http_query(h, "t");

	*o = (struct stop_options){.signal = http_query(h, "signal"), .has_timeout = t && *t};
	if (o->signal && !*o->signal)
		o->signal = NULL;
	return params_atoi(h, "t", 0, &o->timeout_s, e);
}

static void stop_with(struct http *h,
	int (*fn)(struct engine *, struct container *, const char *, const struct stop_options *, struct err *))
{
	struct container *c;
	struct stop_options o;
	struct err e;

	if (stop_options(h, &o, &e)) {
		http_fail(h, &e);
		return;
	}
	c = named(h);
	if (c)
		done(h, 204, fn(http_engine(h), c, http_var(h, 0), &o, &e), &e);
	container_put(c);
}

static void stop(struct http *h)
{
	stop_with(h, container_stop);
}

static void restart(struct http *h)
{
	stop_with(h, container_restart);
}

static void kill_it(struct http *h)
{
	struct err e;

	done(h, 204, container_kill(http_engine(h), http_var(h, 0), http_query(h, "signal"), &e), &e);
}

static void rename_it(struct http *h)
{
	struct container *c = named(h);
	struct err e;

	if (c)
		done(h, 204, container_rename(http_engine(h), c, http_query(h, "name"), &e), &e);
	container_put(c);
}

static void remove_link(struct http *h)
{
	struct err e;

	done(h, 204, links_remove(http_engine(h), http_var(h, 0), &e), &e);
}

static void remove_it(struct http *h)
{
	struct container *c;
	struct err e;

	if (http_query_bool(h, "link", false)) {
		remove_link(h);
		return;
	}
	c = named(h);
	if (c)
		done(h, 204,
			container_remove(http_engine(h), c, http_var(h, 0), http_query_bool(h, "force", false),
				http_query_bool(h, "v", false), &e),
			&e);
	container_put(c);
}

static int wait_condition(struct http *h, enum wait_for *what, struct err *e)
{
	const char *text = http_query(h, "condition");

	if (!text || !*text || !strcmp(text, "not-running"))
		*what = WAIT_NOT_RUNNING;
	else if (!strcmp(text, "next-exit"))
		*what = WAIT_NEXT_EXIT;
	else if (!strcmp(text, "removed"))
		*what = WAIT_REMOVED;
	else
		return err_kind(e, ERR_INVALID, "invalid condition: \"%s\"", text);
	return 0;
}

/* The headers tell the client that the wait has begun: it may start the container now. */
static void wait_for_it(struct http *h)
{
	struct container *c;
	struct wait_state s;
	enum wait_for what;
	struct err e;
	json_t *j;

	if (wait_condition(h, &what, &e)) {
		http_fail(h, &e);
		return;
	}
	c = named(h);
	if (!c)
		return;
	wait_begin(c, &s);
	http_stream_begin(h, 200, "application/json");
	j = wait_end(c, &s, what, http_fd(h));
	if (j)
		http_stream_json(h, j, "\n");
	json_decref(j);
	container_put(c);
}

/* --- terminals ---------------------------------------------------------------------------------- */

static void resize(struct http *h)
{
	unsigned int rows, cols;
	struct container *c;
	struct err e;

	if (params_size(h, &rows, &cols, &e)) {
		http_fail(h, &e);
		return;
	}
	c = named(h);
	if (c)
		done(h, 200, container_resize(http_engine(h), c, rows, cols, &e), &e);
	container_put(c);
}

/* --- logs --------------------------------------------------------------------------------------- */

static int write_http(void *arg, const void *p, size_t n)
{
	return http_stream_write(arg, p, n);
}

static int logs_params(struct http *h, struct logs_options *o, struct err *e)
{
	const char *tail = http_query(h, "tail");

	*o = (struct logs_options){.out = http_query_bool(h, "stdout", false),
		.err = http_query_bool(h, "stderr", false), .timestamps = http_query_bool(h, "timestamps", false),
		.details = http_query_bool(h, "details", false), .follow = http_query_bool(h, "follow", false),
		.tail = -1};
	if (!o->out && !o->err)
		return err_kind(e, ERR_INVALID, "Bad parameters: you must choose at least one stream");
	/* "all", and whatever else is no number, is all. */
	if (tail && parse_i64(span_of(tail), 0, INT64_MAX, &o->tail))
		o->tail = -1;
	return params_time(h, "since", &o->since, e) || params_time(h, "until", &o->until, e) ? -1 : 0;
}

static void logs(struct http *h)
{
	struct engine *en = http_engine(h);
	struct container *c = named(h);
	struct logs_options o;
	struct err e;
	bool framed;

	if (!c)
		return;
	if (logs_params(h, &o, &e) || logs_check(en, c, &e)) {
		http_fail(h, &e);
	} else {
		framed = !container_tty(c);
		http_stream_begin(h, 200, framed && http_api_minor(h) >= 42 ? FRAMED_STREAM : RAW_STREAM);
		logs_read(en, c, &o, http_fd(h), write_http, h, &e);
	}
	container_put(c);
}

/* --- the rest ----------------------------------------------------------------------------------- */

static void top(struct http *h)
{
	struct container *c = named(h);
	struct err e;

	if (c)
		answer(h, 200, container_top(http_engine(h), c, http_query(h, "ps_args"), &e), &e);
	container_put(c);
}

/* --- stats -------------------------------------------------------------------------------------- */

#define STATS_PERIOD NS_PER_S

/* Until the next look is due; false if the client left or the container is gone. */
static bool stats_pause(struct container *c, struct waiter *w, int client_fd)
{
	int64_t deadline = clock_mono_ns() + STATS_PERIOD;
	bool removed;
	int rc;

	do {
		rc = waiter_sleep(w, client_fd, deadline);
		pthread_mutex_lock(&c->lock);
		removed = c->removed;
		pthread_mutex_unlock(&c->lock);
	} while (rc == 1 && !removed);
	return rc < 0 && !removed;
}

/* A look a second, each with the one before it; without @stream only the second of two. */
static void stats_stream(struct http *h, struct container *c, bool stream)
{
	struct stats_sample before = {0}, now;
	bool first = true, on = true;
	struct waiter w;

	waiter_add(c, &w);
	while (on) {
		stats_take(http_engine(h), c, &now);
		if (stream || !first) {
			cleanup_json json_t *j = stats_show(http_engine(h), c, &before, &now, true);

			on = !http_stream_json(h, j, "\n") && stream;
		}
		stats_release(&before);
		before = now;
		first = false;
		on = on && stats_pause(c, &w, http_fd(h));
	}
	stats_release(&before);
	waiter_remove(c, &w);
}

static void stats_once(struct http *h, struct container *c, bool running)
{
	struct stats_sample none = {0}, now;
	json_t *j;

	if (!running) {
		http_json(h, 200, stats_show(http_engine(h), c, &none, &none, true));
		return;
	}
	stats_take(http_engine(h), c, &now);
	j = stats_show(http_engine(h), c, &none, &now, false);
	http_stream_begin(h, 200, "application/json");
	http_stream_json(h, j, "\n");
	json_decref(j);
	stats_release(&now);
}

static void stats(struct http *h)
{
	bool stream = http_query_bool(h, "stream", true), one_shot = http_query_bool(h, "one-shot", false);
	struct container *c;
	bool running;
	struct err e;

	if (stream && one_shot) {
		err_kind(&e, ERR_INVALID, "cannot have stream=true and one-shot=true");
		http_fail(h, &e);
		return;
	}
	c = named(h);
	if (!c)
		return;
	running = container_is_running(c);
	if (!stream && (one_shot || !running)) {
		stats_once(h, c, running);
	} else {
		http_stream_begin(h, 200, stream ? NULL : "application/json");
		stats_stream(h, c, stream);
	}
	container_put(c);
}

/* --- the rest ----------------------------------------------------------------------------------- */

static void checkpoint(struct http *h)
{
	struct err e;

	err_kind(&e, ERR_NOT_SUPPORTED,
		"This experimental feature is disabled by default. Start the Docker daemon in experimental mode in "
		"order to enable it.");
	answer(h, 0, NULL, &e);
}

static void changes(struct http *h)
{
	struct engine *en = http_engine(h);
	struct container *c = named(h);
	struct err e;
	json_t *j;

	if (!c)
		return;
	j = rootfs_changes(&en->store, c->id, &e);
	if (j && !json_array_size(j)) {
		json_decref(j);
		j = json_null();
	}
	answer(h, 200, j, &e);
	container_put(c);
}

static void prune(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	struct err e;

	filters = http_filters(h, &e);
	answer(h, 200, filters ? containers_prune(http_engine(h), filters, &e) : NULL, &e);
}

static void pause_it(struct http *h)
{
	struct container *c = named(h);
	struct err e;

	if (c)
		done(h, 204, container_pause(http_engine(h), c, &e), &e);
	container_put(c);
}

static void unpause(struct http *h)
{
	struct container *c = named(h);
	struct err e;

	if (c)
		done(h, 204, container_unpause(http_engine(h), c, &e), &e);
	container_put(c);
}

static void update(struct http *h)
{
	cleanup_json json_t *body = NULL;
	struct err e;

	if (http_body_json(h, true, &body, &e))
		http_fail(h, &e);
	else
		answer(h, 200, container_update(http_engine(h), http_var(h, 0), body, &e), &e);
}

const struct route routes_containers[] = {
	{"GET", "/containers/json", list},
	{"POST", "/containers/create", create},
	{"POST", "/containers/prune", prune},
	{"GET", "/containers/{}/json", inspect},
	{"GET", "/containers/{}/logs", logs},
	{"GET", "/containers/{}/top", top},
	{"GET", "/containers/{}/stats", stats},
	{"GET", "/containers/{}/changes", changes},
	{"GET", "/containers/{}/checkpoints", checkpoint},
	{"POST", "/containers/{}/checkpoints", checkpoint},
	{"DELETE", "/containers/{}/checkpoints/{}", checkpoint},
	{"POST", "/containers/{}/start", start},
	{"POST", "/containers/{}/stop", stop},
	{"POST", "/containers/{}/restart", restart},
	{"POST", "/containers/{}/kill", kill_it},
	{"POST", "/containers/{}/rename", rename_it},
	{"POST", "/containers/{}/wait", wait_for_it},
	{"POST", "/containers/{}/resize", resize},
	{"POST", "/containers/{}/pause", pause_it},
	{"POST", "/containers/{}/unpause", unpause},
	{"POST", "/containers/{}/update", update},
	{"DELETE", "/containers/{*}", remove_it}, /* or a link's name, which has a slash */
	{NULL, NULL, NULL},
};
