/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_exec.c - /containers/x/exec and /exec/…
 */
#include "api/http.h"
#include "api/params.h"
#include "base/fs.h"
#include "engine/exec.h"
#include "engine/schema.h"

#include <stdlib.h>
#include <unistd.h>

static void create(struct http *h)
{
	struct engine *en = http_engine(h);
	cleanup_json json_t *body = NULL;
	struct container *c;
	json_t *j = NULL;
	struct err e;

	c = container_get(en, http_var(h, 0), &e);
	if (c && !http_body_json(h, true, &body, &e))
		j = exec_create(en, c, body, &e);
	if (j)
		http_json(h, 201, j);
	else
		http_fail(h, &e);
	container_put(c);
}

/* The process could not be started, and the answer's head is out: say so in the stream. */
static void fail_in_stream(int fd, bool framed, const struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;
	size_t n = strlen(e->msg) + 2;
	unsigned char head[8] = {1, 0, 0, 0, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n};

	if (framed)
		buf_add(&b, head, sizeof(head));
	buf_addf(&b, "%s\r\n", e->msg);
	if (fd_write_full(fd, b.p, b.n))
		return; /* the client is gone */
}

static void start_attached(struct http *h, struct exec *x, json_t *options)
{
	struct exec_start_options o = {.framed = !json_bool(options, "Tty", false),
		.console_size = json_arr(options, "ConsoleSize")};
	struct err e;

	http_add_engine_headers(h);
	o.fd = http_hijack(h, o.framed && http_api_minor(h) >= 42 ? FRAMED_STREAM : RAW_STREAM, &o.early,
		&o.early_len);
	if (exec_start(http_engine(h), x, &o, &e)) {
		fail_in_stream(o.fd, o.framed, &e);
		close(o.fd);
	}
}

static void start_detached(struct http *h, struct exec *x, json_t *options)
{
	struct exec_start_options o = {.fd = -1, .console_size = json_arr(options, "ConsoleSize")};
	struct err e;

	if (exec_check_start(x, &e) || exec_start(http_engine(h), x, &o, &e))
		http_fail(h, &e);
	else
		http_empty(h, 200);
}

/* A size is for a terminal only. */
static int start_options(struct http *h, json_t **options, struct err *e)
{
	cleanup_json json_t *body = NULL;

	*options = NULL;
	if (http_body_json(h, true, &body, e))
		return -1;
	*options = schema_pack(schema_exec_start, body, "container.ExecStartOptions", e);
	if (*options && !json_bool(*options, "Tty", false))
		json_object_del(*options, "ConsoleSize");
	return *options ? 0 : -1;
}

static void start(struct http *h)
{
	cleanup_json json_t *options = NULL;
	struct exec *x = NULL;
	struct err e;

	if (start_options(h, &options, &e) || !(x = exec_get(http_engine(h), http_var(h, 0), &e)))
		http_fail(h, &e);
	else if (json_bool(options, "Detach", false))
		start_detached(h, x, options);
	else
		start_attached(h, x, options);
	exec_put(x);
}

static void inspect(struct http *h)
{
	struct exec *x;
	struct err e;

	x = exec_get(http_engine(h), http_var(h, 0), &e);
	if (x)
		http_json(h, 200, exec_inspect(x));
	else
		http_fail(h, &e);
	exec_put(x);
}

static void resize(struct http *h)
{
	unsigned int rows, cols;
	struct exec *x = NULL;
	struct err e;

	if (params_size(h, &rows, &cols, &e) || !(x = exec_get(http_engine(h), http_var(h, 0), &e)) ||
		exec_resize(http_engine(h), x, rows, cols, &e))
		http_fail(h, &e);
	else
		http_empty(h, 200);
	exec_put(x);
}

const struct route routes_exec[] = {
	{"POST", "/containers/{}/exec", create},
	{"POST", "/exec/{}/start", start},
	{"GET", "/exec/{}/json", inspect},
	{"POST", "/exec/{}/resize", resize},
	{NULL, NULL, NULL},
};
