/* SPDX-License-Identifier: MIT */
/*
 * core/image/import.c - a root filesystem's archive becomes an image of one layer: `docker import`
 *
 * Theory of operation
 *   The archive is the worker's input, or what a URL has: then a thread fetches it into a pipe, and
 *   the unpacking process eats from its other end.
 */
#include "image/worker.h"
#include "base/clock.h"
#include "base/fs.h"
#include "registry/registry.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS (100 * NS_PER_MS)

static json_t *history_json(const char *created, const char *comment)
{
	json_t *step = json_object(), *all = json_array();

	json_set_str(step, "created", created);
	json_set_str(step, "comment", comment);
	json_array_append_new(all, step);
	return all;
}

static json_t *rootfs_json(const char *diff_id)
{
	json_t *j = json_object(), *ids = json_array();

	json_append_str(ids, diff_id);
	json_set_str(j, "type", "layers");
	json_set_new(j, "diff_ids", ids);
	return j;
}

static json_t *config_json(const json_t *request, const struct platform *p, const char *diff_id)
{
	const char *comment = json_str(request, "message", "");
	json_t *j = json_object(), *config = json_obj(request, "config");
	char created[CLOCK_RFC3339_MAX];

	clock_format(clock_real_ns(), created);
	json_set_str(j, "architecture", p->arch);
	if (*p->variant)
		json_set_str(j, "variant", p->variant);
	if (*comment)
		json_set_str(j, "comment", comment);
	json_set_new(j, "config", config ? json_deep_copy(config) : json_object());
	json_set_str(j, "created", created);
	json_set_str(j, "docker_version", json_str(request, "version", ""));
	json_set_new(j, "history", history_json(created, comment));
	json_set_str(j, "os", p->os);
	json_set_new(j, "rootfs", rootfs_json(diff_id));
	return j;
}

/* --- from a URL ------------------------------------------------------------------------------ */

struct fetch {
	struct worker *w;
	const char *url;
	int out; /* owned */
	int64_t length, done, told_ns;
	int rc;
	struct err why;
};

static void tell(struct fetch *f)
{
	worker_status(f->w, NULL, "Importing", f->done, f->length);
	f->told_ns = clock_mono_ns();
}

static void on_begin(void *arg, const struct fetch_head *head)
{
	struct fetch *f = arg;

	f->length = head->length;
	worker_message(f->w, NULL, "Downloading from %s", f->url);
}

static void on_progress(void *arg, int64_t done)
{
	struct fetch *f = arg;

	f->done = done;
	if (clock_mono_ns() - f->told_ns >= PROGRESS_NS || done == f->length)
		tell(f);
}

static void *fetch_main(void *arg)
{
	struct fetch *f = arg;
	struct registry_config c;

	registry_config_init(&c, json_obj(f->w->request, "registry"), NULL);
	f->rc = registry_fetch(f->url, &c, f->out, on_begin, on_progress, f, &f->why);
	fd_close(&f->out);
	return NULL;
}

static int unpack_url(struct worker *w, const char *url, struct layer_draft *d, struct err *e)
{
	struct fetch f = {.w = w, .url = url, .why = ERR_INIT};
	cleanup_close int in = -1;
	pthread_t thread;
	int p[2], rc;

	signal(SIGPIPE, SIG_IGN); /* an unpacker that gives up is told by EPIPE */
	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	in = p[0];
	f.out = p[1];
	rc = pthread_create(&thread, NULL, fetch_main, &f);
	if (rc) {
		fd_close(&f.out);
		return err_set(e, rc, "starting a thread");
	}
	rc = layer_unpack(&w->store, NULL, in, 0, d, e);
	fd_close(&in);
	pthread_join(thread, NULL);
	if (f.rc && !rc) /* it was cut off where an archive may end */
		layer_discard(&w->store, d);
	if (f.rc && (f.why.code != EPIPE || !rc)) {
		*e = f.why;
		return -1;
	}
	return rc;
}

/* --- the operation ------------------------------------------------------------------------------- */

json_t *worker_import(struct worker *w, struct err *e)
{
	const char *ref = json_str(w->request, "ref", NULL), *url = json_str(w->request, "url", NULL);
	cleanup_json json_t *config = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	char chain[DIGEST_MAX], diff_id[DIGEST_MAX];
	struct layer_draft d;
	struct platform p;
	json_t *refs;

	if (platform_parse(json_str(w->request, "platform", NULL), &p, e))
		return NULL;
	if (url ? unpack_url(w, url, &d, e) : layer_unpack(&w->store, NULL, w->input, 0, &d, e))
		return NULL;
	memcpy(diff_id, d.diff_id, DIGEST_MAX);
	if (layer_commit(&w->store, NULL, &d, chain, e))
		return NULL;
	config = config_json(w->request, &p, diff_id);
	json_print(config, false, &text);
	refs = json_array();
	if (ref)
		json_append_str(refs, ref);
	return json_pack("{s[{s:s, s:o}]}", "images", "config", text.p, "refs", refs);
}
