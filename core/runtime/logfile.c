/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logfile.c - a container's output as Docker's json-file
 *
 * Theory of operation
 *   One entry a line of output:
 *	{"log":"text\n","stream":"stdout","attrs":{...},"time":"2026-01-02T03:04:05.6Z"}
 *   Escapes are those of Go's JSON encoder, byte by byte: tools compare.  Entries are gathered, and a
 *   piece of output costs one write(2).
 *
 *   With a maximum size a file that has reached it is renamed to .1 (.1 to .2, ... up to one less than
 *   the number of files) before the next entry; where one is to be kept it is emptied.  With
 *   compression .1 becomes .1.gz, in a thread, so that the container can write on; the next rotation
 *   waits for it.  A crash leaves .1, perhaps with a .1.gz that is whole, and perhaps a .1.gz.tmp
 *   that the next one overwrites: who reads takes .1 where there is one.
 */
#include "runtime/logfile.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define BATCH 32768   /* bytes of entries written at once */
#define BUF_KEEP 65536 /* memory kept for the next piece */
#define COMPRESS_STACK (64 << 10)
#define COMPRESS_PIECE 16384
#define COMPRESS_LEVEL 1 /* text shrinks to a tenth with any; the container's CPU time is not ours */
#define GZIP_OS_UNIX 3
#define COMPRESS_WINDOW (15 + 16) /* 32 KiB, gzip framing */

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

void logfile_flush(struct logfile *l)
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

/* --- compressing --------------------------------------------------------------------------------- */

/* Compress what is in @in to @out, and free z's memory.  The name in its header is what it was, so
 * that a reader who has that open finds out where it is now (engine/log_files.c). */
static int deflate_all(int in, int out, z_stream *z)
{
	unsigned char from[COMPRESS_PIECE], to[COMPRESS_PIECE], name[48];
	gz_header head = { .name = name, .os = GZIP_OS_UNIX };
	int rc, flag = Z_NO_FLUSH;
	struct stat st = { 0 };

	fstat(in, &st);
	snprintf((char *)name, sizeof(name), "%llu-%lld", (unsigned long long)st.st_ino,
		(long long)(st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec));
	rc = deflateSetHeader(z, &head);
	while (rc == Z_OK) {
		if (!z->avail_in && flag == Z_NO_FLUSH) {
			ssize_t n = fd_read_full(in, from, sizeof(from));

			if (n < 0)
				break;
			z->next_in = from;
			z->avail_in = (unsigned int)n;
			flag = n < (ssize_t)sizeof(from) ? Z_FINISH : Z_NO_FLUSH;
		}
		z->next_out = to;
		z->avail_out = sizeof(to);
		rc = deflate(z, flag);
		if (fd_write_full(out, to, sizeof(to) - z->avail_out))
			break;
	}
	deflateEnd(z);
	return rc == Z_STREAM_END ? 0 : -1;
}

/* PATH.1 to PATH.1.gz.  If that fails PATH.1 stays, which is no loss but of space. */
static void *compress_thread(void *arg)
{
	const char *path = arg;
	cleanup_free char *old = xasprintf("%s.1", path), *packed = xasprintf("%s.1.gz", path);
	cleanup_free char *half = xasprintf("%s.tmp", packed);
	cleanup_close int in = open(old, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int out = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	z_stream z = { .zalloc = Z_NULL };

	if (in >= 0 && out >= 0 &&
		deflateInit2(&z, COMPRESS_LEVEL, Z_DEFLATED, COMPRESS_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
		!deflate_all(in, out, &z) && !rename(half, packed))
		unlink(old);
	else
		unlink(half);
	return NULL;
}

static void compress_begin(struct logfile *l)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, COMPRESS_STACK);
	l->compressing = !pthread_create(&l->compressor, &attr, compress_thread, l->path);
	pthread_attr_destroy(&attr);
}

static void compress_wait(struct logfile *l)
{
	if (l->compressing)
		pthread_join(l->compressor, NULL);
	l->compressing = false;
}

/* --- rotating -------------------------------------------------------------------------------------- */

/* 0, also if there is nothing of that name. */
static int move(const char *path, unsigned int from, const char *suffix)
{
	cleanup_free char *old = from ? xasprintf("%s.%u%s", path, from, suffix) : xstrdup(path);
	cleanup_free char *new = xasprintf("%s.%u%s", path, from + 1, suffix);

	return rename(old, new) && errno != ENOENT ? -1 : 0;
}

/* The oldest one, as it is or compressed. */
static void drop_oldest(const struct logfile *l)
{
	cleanup_free char *old = xasprintf("%s.%u", l->path, l->files - 1);
	cleanup_free char *packed = xasprintf("%s.gz", old);

	unlink(old);
	unlink(packed);
}

static void rotate(struct logfile *l)
{
	unsigned int i;

	compress_wait(l);
	fd_close(&l->fd);
	if (l->files > 1)
		drop_oldest(l);
	for (i = l->files - 1; i > 0; i--) {
		if ((i > 1 && move(l->path, i - 1, ".gz")) || move(l->path, i - 1, ""))
			break;
	}
	open_file(l, O_TRUNC);
	if (l->compress && l->files > 1)
		compress_begin(l);
}

/* --- entries ----------------------------------------------------------------------------------------- */

static void make_tail(struct logfile *l, int64_t time)
{
	char now[CLOCK_RFC3339_MAX];

	if (l->tail_time == time)
		return;
	l->tail_time = time;
	buf_reset(&l->tail);
	buf_addf(&l->tail, "\"%s%s,\"time\":\"%s\"}\n", l->attrs ? ",\"attrs\":" : "",
		l->attrs ? l->attrs : "", clock_format(time, now));
}

void logfile_add(struct logfile *l, const struct log_entry *line)
{
	if (l->fd < 0)
		return;
	if (l->max && l->size + (int64_t)l->out.n >= l->max) {
		logfile_flush(l);
		rotate(l);
	}
	make_tail(l, line->time);
	buf_adds(&l->out, "{\"log\":\"");
	add_escaped(&l->out, line->p, line->n);
	buf_adds(&l->out, line->newline ? "\\n\",\"stream\":\"" : "\",\"stream\":\"");
	buf_adds(&l->out, stream_names[line->stream]);
	buf_add(&l->out, l->tail.p, l->tail.n);
	if (l->out.n >= BATCH)
		logfile_flush(l);
}

/* --- opening and closing --------------------------------------------------------------------------- */

void logfile_init(struct logfile *l)
{
	*l = (struct logfile){ .fd = -1, .out = BUF_INIT, .tail = BUF_INIT };
}

int logfile_open(struct logfile *l, const json_t *file, struct err *e)
{
	const json_t *attrs = json_obj(file, "attrs");

	if (!file)
		return 0;
	l->max = json_int(file, "max_size", 0);
	l->files = (unsigned int)json_int(file, "max_file", 1);
	l->compress = json_bool(file, "compress", false);
	l->path = xstrdup(json_str(file, "path", ""));
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
	logfile_flush(l);
	compress_wait(l);
	buf_release(&l->out);
	buf_release(&l->tail);
	fd_close(&l->fd);
	free(l->path);
	free(l->attrs);
	l->path = l->attrs = NULL;
}
