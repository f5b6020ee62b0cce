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
 *   changed or the container ended, read on.  When the name refers to another file than the one
 *   that is open, the old one is read to its end first.  The monitor writes all there is before it
 *   reports the end, so after it one more reading gets everything.
 *
 *   What is sent is gathered into blocks: a line costs no system call of its own.
 */
#include "engine/logs.h"
#include "base/fs.h"
#include "engine/schema.h"
#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 65536
#define LINE_MAX_BYTES (1 << 20) /* of an entry; the monitor cuts text at 16 KiB */
#define FILES_MAX 100		 /* rotated files looked at */

/* --- one line ---------------------------------------------------------------------------------- */

static int hex4(const char *p)
{
	uint64_t v;

	return parse_u64_base((struct span){p, 4}, 16, 0xffff, &v) ? -1 : (int)v;
}

static char *put_utf8(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* \uXXXX at *@p (behind the 'u'), surrogate pairs too; what is no character becomes U+FFFD. */
static int take_unicode(const char **p, const char *end, char **to)
{
	int c = end - *p >= 4 ? hex4(*p) : -1, low;

	if (c < 0)
		return -1;
	*p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			*p += 6;
			*to = put_utf8(*to, 0x10000 + ((unsigned int)(c - 0xd800) << 10) + (unsigned int)(low - 0xdc00));
			return 0;
		}
	}
	*to = put_utf8(*to, c >= 0xd800 && c < 0xe000 ? 0xfffd : (unsigned int)c);
	return 0;
}

/* A JSON string at *@p, unescaped in place (it never grows); *@p is put behind it. */
static int take_string(char **p, char *end, struct span *out)
{
	static const char from[] = "\"\\/bfnrt", what[] = "\"\\/\b\f\n\r\t";
	const char *in = *p + 1, *hit;
	char *to = *p + 1;

	if (*p == end || **p != '"')
		return -1;
	*out = (struct span){to, 0};
	for (; in < end && *in != '"'; in++) {
		if (*in != '\\') {
			*to++ = *in;
			continue;
		}
		if (++in == end)
			return -1;
		hit = *in ? strchr(from, *in) : NULL;
		if (hit) {
			*to++ = what[hit - from];
		} else {
			if (*in++ != 'u' || take_unicode(&in, end, &to))
				return -1;
			in--;
		}
	}
	if (in >= end)
		return -1;
	out->n = (size_t)(to - out->p);
	*p += in + 1 - *p;
	return 0;
}

/* An object as it stands, strings and nested braces respected. */
static int take_object(char **p, char *end, struct span *out)
{
	bool string = false;
	int depth = 0;
	char *at;

	for (at = *p; at < end; at++) {
		if (string && *at == '\\')
			at++;
		else if (*at == '"')
			string = !string;
		else if (!string && *at == '{')
			depth++;
		else if (!string && *at == '}' && !--depth)
			break;
	}
	if (at >= end || **p != '{')
		return -1;
	*out = (struct span){*p, (size_t)(at + 1 - *p)};
	*p = at + 1;
	return 0;
}

static void skip_blanks(char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		++*p;
}

static int take_member(char **p, char *end, struct log_line *out)
{
	struct span key, text;
	char when[64];

	if (take_string(p, end, &key))
		return -1;
	skip_blanks(p, end);
	if (*p == end || *(*p)++ != ':')
		return -1;
	skip_blanks(p, end);
	if (*p < end && **p == '{')
		return take_object(p, end, span_eqs(key, "attrs") ? &out->attrs : &text);
	if (take_string(p, end, &text))
		return -1;
	if (span_eqs(key, "log"))
		out->text = text;
	else if (span_eqs(key, "stream"))
		out->stream = text;
	else if (span_eqs(key, "time")) {
		snprintf(when, sizeof(when), "%.*s", (int)(text.n < sizeof(when) ? text.n : 0), text.p);
		return clock_parse(when, &out->time);
	}
	return 0;
}

int log_line_parse(char *line, size_t n, struct log_line *out)
{
	char *p = line, *end = line + n;

	*out = (struct log_line){.text = {"", 0}, .stream = {"", 0}, .attrs = {"", 0}};
	skip_blanks(&p, end);
	if (p == end || *p++ != '{')
		return -1;
	for (;;) {
		skip_blanks(&p, end);
		if (take_member(&p, end, out))
			return -1;
		skip_blanks(&p, end);
		if (p == end)
			return -1;
		if (*p == '}')
			return out->time ? 0 : -1;
		if (*p++ != ',')
			return -1;
	}
}

/* --- sending ----------------------------------------------------------------------------------- */

struct reader {
	struct engine *en;
	struct container *c;
	const struct logs_options *o;
	int (*write)(void *arg, const void *p, size_t n);
	void *arg;
	bool framed;
	char *path;
	int fd;		      /* the file being read */
	dev_t dev;
	ino_t ino;
	struct buf in, out;   /* bytes of an unfinished line; what is to be sent */
	bool mid_line[2];     /* of stdout, stderr: the last entry had no newline */
	bool past_until;
};

static int flush(struct reader *r)
{
	int rc = r->out.n ? r->write(r->arg, r->out.p, r->out.n) : 0;

	buf_reset(&r->out);
	return rc;
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
		buf_addf(b, "%s%s=%s", first ? "" : ",", key, json_string_value(v) ? json_string_value(v) : "");
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
	/* A long line comes in several entries; only its start is marked. */
	if (!r->mid_line[err]) {
		if (r->o->timestamps)
			buf_addf(&r->out, "%s ", clock_format_fixed(l->time, when));
		if (r->o->details)
			add_details(&r->out, l->attrs);
	}
	buf_add(&r->out, l->text.p, l->text.n);
	r->mid_line[err] = l->text.n && l->text.p[l->text.n - 1] != '\n';
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
	struct log_line l;

	if (log_line_parse(line, n, &l))
		return 0; /* half a line that a full disk left: nothing to show */
	if (r->o->until && l.time > r->o->until) {
		r->past_until = true;
		return 0;
	}
	return l.time < r->o->since ? 0 : send_line(r, &l);
}

/* Read r->fd to its end, sending what is whole.  0 at the end, -1 the client is gone. */
static int read_on(struct reader *r)
{
	size_t start = 0;
	char *nl;
	ssize_t n;

	for (;;) {
		buf_room(&r->in, BLOCK);
		n = read(r->fd, r->in.p + r->in.n, BLOCK);
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

static int open_file(struct reader *r, const char *path)
{
	struct stat st;

	fd_close(&r->fd);
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || fstat(r->fd, &st))
		return -1;
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	return 0;
}

static char *rotated(const struct reader *r, int i)
{
	return i ? xasprintf("%s.%d", r->path, i) : xstrdup(r->path);
}

static int count_rotated(const struct reader *r)
{
	int n;

	for (n = 1; n < FILES_MAX; n++) {
		cleanup_free char *path = rotated(r, n);

		if (!fs_exists_at(AT_FDCWD, path))
			break;
	}
	return n - 1;
}

/* Where the last *@want lines of r->fd begin; *@want is reduced by those found. */
static off_t find_tail(struct reader *r, int64_t *want)
{
	char *block = xmalloc(BLOCK);
	off_t end = lseek(r->fd, 0, SEEK_END), at = end, from = 0;
	ssize_t n, i;

	while (at > 0) {
		size_t len = at > BLOCK ? BLOCK : (size_t)at;

		at -= (off_t)len;
		n = pread(r->fd, block, len, at);
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

/* Send the files from the oldest that matters to the current one, which stays open. */
static int read_all(struct reader *r)
{
	int i, oldest = count_rotated(r);
	off_t from = 0;
	int64_t want = r->o->tail;

	if (want >= 0) {
		for (i = 0; i <= oldest; i++) {
			cleanup_free char *path = rotated(r, i);

			if (!open_file(r, path))
				from = want ? find_tail(r, &want) : lseek(r->fd, 0, SEEK_END);
			if (want <= 0)
				break;
		}
		oldest = i > oldest ? oldest : i;
	}
	for (i = oldest; i >= 0; i--) {
		cleanup_free char *path = rotated(r, i);

		if (open_file(r, path))
			continue;
		lseek(r->fd, i == oldest ? from : 0, SEEK_SET);
		if (read_on(r))
			return -1;
	}
	return 0;
}

/* --- following --------------------------------------------------------------------------------- */

static bool replaced(const struct reader *r)
{
	struct stat st;

	return !stat(r->path, &st) && (r->fd < 0 || st.st_ino != r->ino || st.st_dev != r->dev);
}

static int catch_up(struct reader *r)
{
	if (r->fd >= 0 && read_on(r))
		return -1;
	if (!replaced(r))
		return 0;
	if (r->fd >= 0 && read_on(r)) /* what came between reading and renaming */
		return -1;
	buf_reset(&r->in);
	return open_file(r, r->path) ? 0 : read_on(r);
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
	struct reader r = {.en = en, .c = c, .o = o, .write = write, .arg = arg, .fd = -1,
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
	rc = read_all(&r);
	if (!rc && o->follow && running && !r.past_until)
		rc = follow(&r, started, client_fd);
	fd_close(&r.fd);
	free(r.path);
	buf_release(&r.in);
	buf_release(&r.out);
	return rc;
}
