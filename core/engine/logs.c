/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logs.c - the json-file log, read forwards, from its end, and as it grows
 *
 * Theory of operation
 *   A log is the current file and its rotated predecessors, NAME.1 being the youngest.  Each entry
 *   is one line of JSON, so the last N entries are found by reading blocks from the end and
 *   counting newlines, file after file backwards, without looking at the rest.
 *
 *   Following: read to the end of the current file, sleep until the watcher says that the directory
 *   changed or the container ended, read on.  When that is not the current file any more, it is read
 *   to its end, and then those that came after it (log_files.c).  The monitor writes all there is
 *   before it reports the end, so after it one more reading gets everything.
 *
 *   What is sent is gathered into blocks: a line costs no system call of its own.
 */
#include "engine/logs.h"
#include "base/fs.h"
#include "engine/log_files.h"
#include "engine/schema.h"
#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 65536
#define LINE_MAX_BYTES (1 << 20) /* of an entry; the monitor cuts text at 16 KiB */

/* --- sending ----------------------------------------------------------------------------------- */

struct reader {
	struct engine *en;
	struct container *c;
	const struct logs_options *o;
	int (*write)(void *arg, const void *p, size_t n);
	void *arg;
	bool framed;
	char *path;
	struct log_file file; /* the one being read */
	struct buf in, out;   /* bytes of an unfinished line; what is to be sent */
	struct log_line line; /* the one at hand */
	bool past_until;
};

static int flush(struct reader *r)
{
	int rc = r->out.n ? r->write(r->arg, r->out.p, r->out.n) : 0;

	buf_reset(&r->out);
	return rc;
}

/* As Go's url.QueryEscape. */
static void add_escaped(struct buf *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (; *text; text++) {
		if (strchr(plain, *text))
			buf_addc(b, *text);
		else if (*text == ' ')
			buf_addc(b, '+');
		else
			buf_addf(b, "%%%02X", (unsigned char)*text);
	}
}

/* {"b":"2","a":"1"} as "a=1,b=2 ", as the API has details. */
static void add_details(struct buf *b, struct span attrs)
{
	cleanup_json json_t *j = attrs.n ? json_parse(attrs.p, attrs.n, NULL) : NULL;
	cleanup_json json_t *sorted = json_is_object(j) ? json_sorted(j) : NULL;
	const char *key;
	bool first = true;
	json_t *v;

	json_object_foreach(sorted, key, v) {
		buf_adds(b, first ? "" : ",");
		add_escaped(b, key);
		buf_addc(b, '=');
		add_escaped(b, json_string_value(v) ? json_string_value(v) : "");
		first = false;
	}
	buf_addc(b, ' ');
}

static int send_line(struct reader *r, const struct log_line *l)
{
	bool err = span_eqs(l->stream, "stderr");
	char when[CLOCK_RFC3339_MAX];
	size_t start = r->out.n, len;
	unsigned char *head;

	if (!(err ? r->o->err : r->o->out))
		return 0;
	if (r->framed)
		buf_add(&r->out, (err ? "\2\0\0\0\0\0\0\0" : "\1\0\0\0\0\0\0\0"), 8);
	/* A long line comes in several entries, and each is marked, as Docker does it. */
	if (r->o->timestamps)
		buf_addf(&r->out, "%s ", clock_format_fixed(l->time, when));
	if (r->o->details)
		add_details(&r->out, l->attrs);
	buf_add(&r->out, l->text.p, l->text.n);
	if (r->framed) {
		len = r->out.n - start - 8;
		head = (unsigned char *)r->out.p + start + 4;
		head[0] = (unsigned char)(len >> 24);
		head[1] = (unsigned char)(len >> 16);
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
	}
	return r->out.n >= BLOCK ? flush(r) : 0;
}

/* --- reading ----------------------------------------------------------------------------------- */

static int take_line(struct reader *r, char *line, size_t n)
{
	if (log_line_parse(line, n, &r->line))
		return 0; /* half a line that a full disk left: nothing to show */
	if (r->o->until && r->line.time > r->o->until) {
		r->past_until = true;
		return 0;
	}
	return r->line.time < r->o->since ? 0 : send_line(r, &r->line);
}

/* Read r->file.fd to its end, sending what is whole.  0 at the end, -1 the client is gone. */
static int read_on(struct reader *r)
{
	size_t start = 0;
	char *nl;
	ssize_t n;

	for (;;) {
		buf_room(&r->in, BLOCK);
		n = read(r->file.fd, r->in.p + r->in.n, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		r->in.n += (size_t)n;
		while (!r->past_until && (nl = memchr(r->in.p + start, '\n', r->in.n - start))) {
			if (take_line(r, r->in.p + start, (size_t)(nl - r->in.p) - start))
				return -1;
			start = (size_t)(nl + 1 - r->in.p);
		}
		buf_consume(&r->in, start);
		start = 0;
		if (r->past_until)
			break;
		if (r->in.n > LINE_MAX_BYTES)
			buf_reset(&r->in); /* no entry of ours: its rest is skipped as no line */
	}
	return flush(r);
}

/* Where the last *@want lines of r->file.fd begin; *@want is reduced by those found. */
static off_t find_tail(struct reader *r, int64_t *want)
{
	char *block = xmalloc(BLOCK);
	off_t end = lseek(r->file.fd, 0, SEEK_END), at = end, from = 0;
	ssize_t n, i;

	while (at > 0) {
		size_t len = at > BLOCK ? BLOCK : (size_t)at;

		at -= (off_t)len;
		n = pread(r->file.fd, block, len, at);
		for (i = n; i-- > 0;) {
			/* The newline at the very end closes the last line; it begins none. */
			if (block[i] != '\n' || at + i + 1 >= end)
				continue;
			if (!--*want) {
				from = at + i + 1;
				goto out;
			}
		}
		if (n <= 0)
			break;
	}
	if (end > 0)
		--*want; /* the first line has no newline before it */
out:
	free(block);
	return from;
}

/* Where to begin: that file is opened, at the first line of the tail that is asked for. */
static void begin(struct reader *r)
{
	int64_t want = r->o->tail;
	int i, oldest = log_files_oldest(r->path);
	off_t from = 0;

	for (i = want < 0 ? oldest : 0; i <= oldest; i++) {
		if (log_file_open(&r->file, r->en->datafd, r->path, i, want >= 0) || want < 0)
			continue;
		from = want ? find_tail(r, &want) : lseek(r->file.fd, 0, SEEK_END);
		if (want <= 0)
			break;
	}
	if (r->file.fd >= 0)
		lseek(r->file.fd, from, SEEK_SET);
}

/* Read on from file to file.  -1: the client is gone. */
static int read_all(struct reader *r)
{
	while (!r->past_until) {
		if (r->file.fd >= 0 && read_on(r))
			return -1;
		if (log_file_is_current(&r->file, r->path))
			return 0;
		/* What came between the last look and its renaming. */
		if (r->file.fd >= 0 && read_on(r))
			return -1;
		if (!log_file_next(&r->file, r->en->datafd, r->path))
			return 0;
		buf_reset(&r->in);
	}
	return 0;
}

/* --- following --------------------------------------------------------------------------------- */

/* Where only one file is kept it is emptied instead. */
static void notice_truncation(struct reader *r)
{
	struct stat st;

	if (r->file.fd < 0 || r->file.packed || fstat(r->file.fd, &st) ||
		lseek(r->file.fd, 0, SEEK_CUR) <= st.st_size)
		return;
	lseek(r->file.fd, 0, SEEK_SET);
	buf_reset(&r->in);
}

static int catch_up(struct reader *r)
{
	notice_truncation(r);
	return read_all(r);
}

/* In the middle of one run: a restart's output is another reader's. */
static bool same_run(struct container *c, int64_t started)
{
	bool same;

	pthread_mutex_lock(&c->lock);
	same = c->status == ST_RUNNING && c->started_at == started;
	pthread_mutex_unlock(&c->lock);
	return same;
}

static int64_t deadline_of(const struct logs_options *o)
{
	int64_t left = o->until ? o->until - clock_real_ns() : 0;

	if (!o->until)
		return -1;
	return clock_mono_ns() + (left > 0 ? left : 0);
}

static int follow(struct reader *r, int64_t started, int client_fd)
{
	int64_t deadline = deadline_of(r->o);
	struct waiter w;
	int rc = 0, woken = 1;
	bool running;

	waiter_add(r->c, &w);
	watch_log(r->en, r->c);
	while (!rc && woken == 1) {
		running = same_run(r->c, started);
		rc = catch_up(r);
		if (!running || r->past_until)
			break;
		if (!rc)
			woken = waiter_sleep(&w, client_fd, deadline);
	}
	unwatch_log(r->en, r->c);
	waiter_remove(r->c, &w);
	return rc;
}

/* --- all of it ----------------------------------------------------------------------------------- */

int logs_check(struct engine *en, struct container *c, struct err *e)
{
	cleanup_json json_t *host = container_host(c);
	cleanup_free char *path = container_log_path(en, c, host);

	if (!path)
		return err_kind(e, ERR_NOT_SUPPORTED, "configured logging driver does not support reading");
	return 0;
}

int logs_read(struct engine *en, struct container *c, const struct logs_options *o, int client_fd,
	int (*write)(void *arg, const void *p, size_t n), void *arg, struct err *e)
{
	cleanup_json json_t *host = container_host(c);
	struct reader r = {.en = en, .c = c, .o = o, .write = write, .arg = arg, .file = {.fd = -1},
		.framed = !container_tty(c), .path = container_log_path(en, c, host), .in = BUF_INIT,
		.out = BUF_INIT};
	int64_t started;
	bool running;
	int rc;

	if (!r.path)
		return logs_check(en, c, e);
	pthread_mutex_lock(&c->lock);
	running = c->status == ST_RUNNING;
	started = c->started_at;
	pthread_mutex_unlock(&c->lock);
	begin(&r);
	rc = read_all(&r);
	if (!rc && o->follow && running && !r.past_until)
		rc = follow(&r, started, client_fd);
	fd_close(&r.file.fd);
	free(r.path);
	buf_release(&r.in);
	buf_release(&r.out);
	return rc;
}
