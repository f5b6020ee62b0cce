/* SPDX-License-Identifier: MIT */
/*
 * core/image/fetch.c - what a URL has, as an archive of one file: ADD in a build
 *
 * Theory of operation
 *   How long it is, a server need not say before the end, and an archive says it first.  So the bytes go to an
 *   unnamed file first, and from there into the archive.
 */
#include "image/worker.h"
#include "base/clock.h"
#include "base/fs.h"
#include "registry/registry.h"
#include "storage/tar.h"

#include <errno.h>
#include <unistd.h>

#define PROGRESS_NS (100 * NS_PER_MS)

struct fetched {
	struct worker *w;
	int64_t length, done, told_ns, modified_s;
	char *name; /* as the server calls it, or NULL */
};

static void on_begin(void *arg, const struct fetch_head *head)
{
	struct fetched *f = arg;

	f->length = head->length;
	f->modified_s = head->modified_s;
	f->name = span_dup(head->name);
}

static void on_progress(void *arg, int64_t done)
{
	struct fetched *f = arg;

	f->done = done;
	if (clock_mono_ns() - f->told_ns < PROGRESS_NS && done != f->length)
		return;
	worker_status(f->w, NULL, "Downloading", done, f->length);
	f->told_ns = clock_mono_ns();
}

/* The last part of the URL's path, percent-decoded; to free(). */
static char *name_of(const char *url)
{
	const char *scheme = strstr(url, "://"), *path = strchr(scheme ? scheme + 3 : url, '/');
	struct span rest = span_of(path ? path : "");
	struct buf name = BUF_INIT;
	unsigned char byte;
	size_t i;

	rest.n = strcspn(rest.p, "?#");
	for (i = 0; i < rest.n; i++) {
		if (rest.p[i] == '%' && i + 2 < rest.n && !hex_decode((struct span){rest.p + i + 1, 2}, &byte)) {
			buf_addc(&name, (char)byte);
			i += 2;
		} else {
			buf_addc(&name, rest.p[i]);
		}
		if (name.p[name.n - 1] == '/')
			buf_reset(&name);
	}
	buf_adds(&name, "");
	return buf_detach(&name);
}

/* A name that stands for one file in a directory. */
static bool is_name(const char *s)
{
	return s && *s && !strchr(s, '/') && strcmp(s, ".") && strcmp(s, "..");
}

static int pack(const struct fetched *f, int body, int out, struct err *e)
{
	const struct tar_entry entry = {.type = '0', .path = FETCH_MEMBER, .mode = 0600, .size = f->done,
		.real_size = f->done, .mtime_ns = f->modified_s * NS_PER_S, .atime_ns = INT64_MIN};
	struct tar_writer *w = tar_writer_new(out);
	int rc = lseek(body, 0, SEEK_SET) ? err_set(e, errno, "going back to what was fetched") :
		tar_write_entry(w, &entry, e) || tar_write_file(w, body, f->done, e) || tar_write_end(w, e);

	tar_writer_free(w);
	return rc ? -1 : 0;
}

json_t *worker_fetch(struct worker *w, struct err *e)
{
	struct fetched f = {.w = w};
	const char *url = json_str(w->request, "url", "");
	cleanup_close int body = openat(w->store.datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_free char *name = name_of(url), *told = NULL;
	struct registry_config c;
	int rc;

	if (body < 0) {
		err_set(e, errno, "making a file for what is fetched");
		return NULL;
	}
	registry_config_init(&c, json_obj(w->request, "config"), NULL);
	rc = registry_fetch(url, &c, body, on_begin, on_progress, &f, e) || pack(&f, body, w->input, e);
	told = f.name;
	if (rc)
		return NULL;
	return json_pack("{s:o}", "name", json_text(is_name(name) ? name : is_name(told) ? told : ""));
}
