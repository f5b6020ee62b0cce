/* SPDX-License-Identifier: MIT */
/*
 * core/image/worker.c - inside a worker process
 *
 * Theory of operation
 *   A worker is started with four descriptors: its orders, the data-root, the pipe its lines go
 *   to, and perhaps an input.  It dies with who started it, does one operation, and says how it
 *   went in its last line.  What it may leave behind are drafts below tmp/, all with the prefix
 *   of its orders, so that nobody has to ask it about them.
 *
 *   A line is one letter and one JSON text: 'p' a progress object, 'r' the result, 'e' the error.
 *   The other end of this is worker_run.c.
 */
#include "image/worker_lines.h"
#include "base/fs.h"
#include "base/proc.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER; /* one line is written at a time */

static void write_line(int fd, char kind, const json_t *j)
{
	cleanup_buf struct buf line = BUF_INIT;

	buf_addc(&line, kind);
	json_print(j, true, &line);
	pthread_mutex_lock(&line_lock);
	/* Nobody reads any more: then nobody wants the rest either, and a signal is on its way. */
	if (fd_write_full(fd, line.p, line.n))
		_exit(1);
	pthread_mutex_unlock(&line_lock);
}

/* --- progress, as the CLI draws it ------------------------------------------------------------ */

/* "32.77kB": four digits and a decimal unit. */
static void human_size(int64_t bytes, char out[32])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double size = (double)bytes;
	size_t i = 0;

	while (size >= 1000 && i + 1 < ARRAY_SIZE(units)) {
		size /= 1000;
		i++;
	}
	snprintf(out, 32, "%.4g%s", size, units[i]);
}

#define BAR_WIDTH 50

void worker_bar(int64_t current, int64_t total, char out[WORKER_BAR_MAX])
{
	static const char done[] = "==================================================";
	char now[32], all[32];
	int n;

	*out = 0;
	human_size(current, now);
	human_size(total, all);
	if (total <= 0) {
		if (current > 0)
			snprintf(out, WORKER_BAR_MAX, "%8s", now);
		return;
	}
	n = current >= total ? BAR_WIDTH : (int)((double)current / (double)total * 100) / 2;
	snprintf(out, WORKER_BAR_MAX, "[%.*s>%*s] %8s%s%s", n, done, BAR_WIDTH - n, "", now,
		current > total ? "" : "/", current > total ? "" : all);
}

void worker_progress(struct worker *w, json_t *obj_steal)
{
	write_line(w->progress, 'p', obj_steal);
	json_decref(obj_steal);
}

void worker_status(struct worker *w, const char *id, const char *status, int64_t current, int64_t total)
{
	json_t *j = json_object(), *detail = json_object();
	char bar[WORKER_BAR_MAX] = "";

	if (current >= 0) {
		worker_bar(current, total, bar);
		json_set_int(detail, "current", current);
		if (total > 0)
			json_set_int(detail, "total", total);
	}
	json_set_str(j, "status", status);
	json_set_new(j, "progressDetail", detail);
	if (*bar)
		json_set_str(j, "progress", bar);
	if (id)
		json_set_str(j, "id", id);
	worker_progress(w, j);
}

void worker_message(struct worker *w, const char *id, const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT;
	json_t *j = json_object();
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	json_set_str(j, "status", text.p);
	if (id)
		json_set_str(j, "id", id);
	worker_progress(w, j);
}

/* --- the operations ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	json_t *(*run)(struct worker *w, struct err *e);
} ops[] = {
	{"pull", worker_pull},
	{"push", worker_push},
	{"load", worker_load},
	{"import", worker_import},
	{"fetch", worker_fetch},
	{"builtin", worker_builtin},
	{"distribution", worker_distribution},
	{"auth", worker_auth},
	{"search", worker_search},
};

static json_t *run(struct worker *w, struct err *e)
{
	const char *op = json_str(w->request, "op", "");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(ops[i].name, op))
			return ops[i].run(w, e);
	err_kind(e, ERR_NOT_SUPPORTED, "no worker does '%s'", op);
	return NULL;
}

static json_t *work(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *orders = NULL;
	struct worker w = {.progress = WORKER_FD_LINES, .input = -1};
	json_t *result;

	if (fd_read_all(WORKER_FD_ORDERS, WORKER_ORDERS_MAX, &text, e))
		return NULL;
	orders = json_parse(text.p, text.n, e);
	if (!orders)
		return NULL;
	proc_die_with_parent((pid_t)json_int(orders, "parent", 0));
	if (json_bool(orders, "input", false))
		w.input = WORKER_FD_INPUT;
	if (store_attach(&w.store, WORKER_FD_DATA, json_str(orders, "root", ""), json_str(orders, "driver", ""),
		    json_str(orders, "prefix", ""), e))
		return NULL;
	w.request = json_obj(orders, "request");
	result = run(&w, e);
	store_close(&w.store);
	return result;
}

int worker_role_main(int argc, char **argv)
{
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	j = work(&e);
	if (j) {
		write_line(WORKER_FD_LINES, 'r', j);
		return 0;
	}
	j = worker_err_json(&e);
	write_line(WORKER_FD_LINES, 'e', j);
	return 1;
}
