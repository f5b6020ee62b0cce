/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logfile.c - a container's output as Docker's json-file
 *
 * Theory of operation
 *   One entry a line of output:
 *	{"log":"text\n","stream":"stdout","attrs":{...},"time":"2026-01-02T03:04:05.6Z"}
 *   A line longer than 16 KiB becomes several entries, of which only the last ends in "\n", and
 *   so is how a reader puts them together again; output that ends in the middle of a line gives
 *   an entry without one.  Escapes are those of Go's JSON encoder, byte by byte: tools compare.
 *
 *   A piece of output becomes any number of entries in one buffer and one write(2).  All of its
 *   lines carry the time at which it was read.
 *
 *   With max-size a file that has reached it is renamed to .1 (.1 to .2, ... up to max-file - 1)
 *   before the next entry; with max-file 1, the default, it is emptied.
 */
#include "runtime/logfile.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384 /* Docker's, of one entry's text before escaping */
#define FILES_MAX 1000
#define BATCH 32768   /* bytes of entries written at once */
#define BUF_KEEP 65536 /* memory kept for the next piece */

static const char *const stream_names[STREAMS] = { "stdout", "stderr" };

/* --- text as JSON ------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at @p (of @n bytes), or 0 if it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2, i;
	static const unsigned char low[] = { 0, 0, 0, 0xa0, 0x90 };

	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((p[0] == 0xe0 && p[1] < low[3]) || (p[0] == 0xf0 && p[1] < low[4]) ||
		(p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* Bytes that stand for themselves: ASCII without controls, '"', '&', '<', '>' and '\'. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true, [0x23 ... 0x25] = true, [0x27 ... 0x3b] = true, [0x3d] = true,
	[0x3f ... 0x5b] = true, [0x5d ... 0x7f] = true,
};

/* Room that @n bytes need at most once they are escaped: "\u0000" is six. */
static size_t escaped_room(const unsigned char *p, size_t n)
{
	size_t others = 0, i;

	for (i = 0; i < n; i++)
		others += !plain[p[i]];
	return n + 5 * others;
}

static char *put(char *to, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n);
	return to + n;
}

static char *put_control(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		*to++ = '\\';
		*to++ = (char)c;
		return to;
	}
	if (c == '\n')
		return put(to, "\\n");
	if (c == '\r')
		return put(to, "\\r");
	to = put(to, "\\u00");
	*to++ = hex[c >> 4];
	*to++ = hex[c & 15];
	return to;
}

/* @n bytes as the inside of a JSON string, appended to @out. */
static void add_escaped(struct buf *out, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + n;
	char *to = buf_room(out, escaped_room(p, n));

	while (p < end) {
		const unsigned char *from = p;
		size_t len;

		while (p < end && plain[*p])
			p++;
		memcpy(to, from, (size_t)(p - from));
		to += p - from;
		if (p == end)
			break;
		if (*p < 0x80) {
			to = put_control(to, *p++);
		} else if (!(len = utf8_length(p, (size_t)(end - p)))) {
			to = put(to, "\\ufffd");
			p++;
		} else if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
			to = put(to, p[2] == 0xa8 ? "\\u2028" : "\\u2029"); /* line ends in JavaScript */
			p += 3;
		} else {
			memcpy(to, p, len);
			to += len;
			p += len;
		}
	}
	out->n = (size_t)(to - out->p);
	out->p[out->n] = 0;
}

/* --- writing ------------------------------------------------------------------------------------- */

static void flush(struct logfile *l)
{
	if (l->out.n && l->fd >= 0) {
		if (!fd_write_full(l->fd, l->out.p, l->out.n))
			l->size += (int64_t)l->out.n;
	}
	if (l->out.cap > BUF_KEEP) {
		buf_release(&l->out);
		l->out = (struct buf)BUF_INIT;
	}
	buf_reset(&l->out);
}

static int open_file(struct logfile *l, int flags)
{
	struct stat st;

	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0640);
	if (l->fd < 0 || fstat(l->fd, &st))
		return -1;
	l->size = st.st_size;
	return 0;
}

static void rotate(struct logfile *l)
{
	unsigned int i;

	fd_close(&l->fd);
	for (i = l->files - 1; i > 0; i--) {
		cleanup_free char *from = i > 1 ? xasprintf("%s.%u", l->path, i - 1) : xstrdup(l->path);
		cleanup_free char *to = xasprintf("%s.%u", l->path, i);

		if (rename(from, to) && errno != ENOENT)
			break;
	}
	open_file(l, O_TRUNC);
}

/* One entry of @n bytes, a whole line or a part of one. */
static void add_entry(struct logfile *l, int stream, const char *p, size_t n, bool newline,
	const char *tail)
{
	if (l->max && l->size + (int64_t)l->out.n >= l->max) {
		flush(l);
		rotate(l);
	}
	buf_adds(&l->out, "{\"log\":\"");
	add_escaped(&l->out, p, n);
	buf_adds(&l->out, newline ? "\\n\",\"stream\":\"" : "\",\"stream\":\"");
	buf_adds(&l->out, stream_names[stream]);
	buf_adds(&l->out, tail);
	if (l->out.n >= BATCH)
		flush(l);
}

static void make_tail(const struct logfile *l, struct buf *tail)
{
	char now[CLOCK_RFC3339_MAX];

	buf_addf(tail, "\"%s%s,\"time\":\"%s\"}\n", l->attrs ? ",\"attrs\":" : "",
		l->attrs ? l->attrs : "", clock_format(clock_real_ns(), now));
}

void logfile_feed(struct logfile *l, int stream, const char *p, size_t n)
{
	cleanup_buf struct buf tail = BUF_INIT;
	struct buf *begun = &l->partial[stream];

	if (l->fd < 0)
		return;
	make_tail(l, &tail);
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n, room = LINE_MAX_BYTES - begun->n;

		size_t take = len < room ? len : room;
		bool full = len >= room; /* even if the newline comes next */

		if (!nl && !full) {
			buf_add(begun, p, len);
			break;
		}
		if (begun->n)
			buf_add(begun, p, take);
		add_entry(l, stream, begun->n ? begun->p : p, begun->n ? begun->n : take, !full, tail.p);
		buf_reset(begun);
		take += !full;
		p += take;
		n -= take;
	}
	flush(l);
}

/* --- opening and closing --------------------------------------------------------------------------- */

static int get_option(const json_t *options, const char *key, int64_t def, int64_t *v,
	struct err *e)
{
	const char *text = json_str(options, key, NULL);

	*v = def;
	if (text && (parse_size(text, v) || *v < 0))
		return err_kind(e, ERR_INVALID, "invalid value for %s: %s", key, text);
	return 0;
}

int logfile_open(struct logfile *l, const json_t *log, struct err *e)
{
	const char *driver = json_str(log, "driver", "none");
	const json_t *options = json_obj(log, "options"), *attrs = json_obj(log, "attrs");
	int64_t files;

	*l = (struct logfile){ .fd = -1, .partial = { BUF_INIT, BUF_INIT }, .out = BUF_INIT };
	if (!strcmp(driver, "none"))
		return 0;
	if (strcmp(driver, "json-file"))
		return err_kind(e, ERR_NOT_SUPPORTED, "logging driver %s", driver);
	if (get_option(options, "max-size", 0, &l->max, e) ||
		get_option(options, "max-file", 1, &files, e))
		return -1;
	if (files < 1 || files > FILES_MAX)
		return err_kind(e, ERR_INVALID, "max-file cannot be less than 1 or more than %d", FILES_MAX);
	l->files = (unsigned int)files;
	l->path = xstrdup(json_str(log, "path", ""));
	if (*l->path != '/')
		return err_kind(e, ERR_INVALID, "the log's path '%s' is not absolute", l->path);
	if (json_object_size(attrs)) {
		struct buf text = BUF_INIT;

		json_print(attrs, false, &text);
		l->attrs = buf_detach(&text);
	}
	if (open_file(l, 0))
		return err_set(e, errno, "opening the log %s", l->path);
	return 0;
}

void logfile_close(struct logfile *l)
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		cleanup_buf struct buf tail = BUF_INIT;

		if (l->fd >= 0 && l->partial[i].n) {
			make_tail(l, &tail);
			add_entry(l, i, l->partial[i].p, l->partial[i].n, false, tail.p);
			flush(l);
		}
		buf_release(&l->partial[i]);
	}
	buf_release(&l->out);
	fd_close(&l->fd);
	free(l->path);
	free(l->attrs);
	l->path = l->attrs = NULL;
}
