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
 *   the number of files) before the next entry; where one is to be kept it is emptied.
 *
 *   With compression .N becomes .N.gz, in a thread of low priority.  Output never waits for it: a
 *   rotation moves the file that the thread is at along with the others, and tells the thread its new
 *   number; what moves off the end is given up half-way.  So a container that prints faster than
 *   zlib compresses has some of its files plain for a while, never more of them than are kept.
 *   Names change under the lock only.  A crash leaves .N, perhaps with a .N.gz that is whole, and
 *   perhaps a .gz.tmp that the next one overwrites: who reads takes .N where there is one, and
 *   whoever opens the log next compresses what is left.
 */
#include "runtime/logfile.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#define BATCH (128 << 10)  /* bytes of entries written at once */
#define BUF_KEEP (256 << 10) /* memory kept for the next piece: touched by those that print much */
#define COUNT_FROM 1024 /* bytes of text whose escapes are counted, not just allowed for */
#define ESCAPE_MAX 6 /* bytes that one may need: "\u0000" */
#define COMPRESS_STACK (64 << 10)
#define COMPRESS_PIECE 16384
#define COMPRESS_NICE 10 /* behind whoever prints and reads */
#define COMPRESS_PATIENCE_MS 200 /* at the end of a container */
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

/* All but those that stand for themselves: controls, '"', '&', '<', '>', '\\' and what is not ASCII. */
static inline scan_block special(scan_block c)
{
	typedef int8_t signed_block __attribute__((vector_size(SCAN_BLOCK)));

	return (scan_block)((signed_block)c < 0x20) | (scan_block)((c | 4) == '&') |
		(scan_block)((c | 2) == '>') | (scan_block)(c == '\\');
}

/* Room that @n bytes need at most once they are escaped. */
static size_t escaped_room(const char *p, size_t n)
{
	size_t others = 0, at;

	if (n < COUNT_FROM)
		return n * ESCAPE_MAX;
	for (at = scan_copy(NULL, p, n, special); at < n; others++)
		at += 1 + scan_copy(NULL, p + at + 1, n - at - 1, special);
	return n + (ESCAPE_MAX - 1) * others;
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

/* What is not ASCII, or not even a character. */
static char *put_wide(char *to, const unsigned char **p, const unsigned char *end)
{
	size_t len = utf8_length(*p, (size_t)(end - *p));
	const unsigned char *c = *p;

	*p += len ? len : 1;
	if (!len)
		return put(to, "\\ufffd");
	if (len == 3 && c[0] == 0xe2 && c[1] == 0x80 && (c[2] & 0xfe) == 0xa8)
		return put(to, c[2] == 0xa8 ? "\\u2028" : "\\u2029"); /* line ends in JavaScript */
	memcpy(to, c, len);
	return to + len;
}

/* @n bytes as the inside of a JSON string; there is room. */
static char *put_escaped(char *to, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + n;
	size_t len;

	for (;;) {
		len = scan_copy(to, (const char *)p, (size_t)(end - p), special);
		to += len;
		p += len;
		if (p == end)
			return to;
		if (*p < 0x80)
			to = put_control(to, *p++);
		else
			to = put_wide(to, &p, end);
	}
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
 * that a reader who has that open finds out where it is now (engine/log_files.c).
 * -1: it failed, or the file is not wanted any more. */
static int deflate_all(struct logfile *l, int in, int out, z_stream *z)
{
	unsigned char from[COMPRESS_PIECE], to[COMPRESS_PIECE], name[48];
	gz_header head = { .name = name, .os = GZIP_OS_UNIX };
	int rc, flag = Z_NO_FLUSH;
	struct stat st = { 0 };

	fstat(in, &st);
	snprintf((char *)name, sizeof(name), "%llu-%lld", (unsigned long long)st.st_ino,
		(long long)(st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec));
	rc = deflateSetHeader(z, &head);
	while (rc == Z_OK && atomic_load(&l->packing)) {
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

static char *numbered(const struct logfile *l, unsigned int number, const char *suffix)
{
	return xasprintf("%s.%u%s", l->path, number, suffix);
}

/* The newest rotated file that is not compressed yet, opened; @number is 0 if there is none. */
static int open_plain(const struct logfile *l, unsigned int *number)
{
	for (*number = 1; *number < l->files; ++*number) {
		cleanup_free char *plain = numbered(l, *number, "");
		int fd = open(plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			break;
	}
	*number = 0;
	return -1;
}

/* One file, with the lock held, which is free while it is read.  False: there is none, or it failed,
 * and the plain file stays, which is no loss but of space. */
static bool compress_one(struct logfile *l)
{
	cleanup_free char *half = xasprintf("%s.gz.tmp", l->path);
	cleanup_close int in = -1, out = -1;
	z_stream z = { .zalloc = Z_NULL };
	unsigned int number;
	bool done = false, whole = false;

	in = open_plain(l, &number);
	if (in < 0)
		return false;
	atomic_store(&l->packing, number);
	pthread_mutex_unlock(&l->lock);
	out = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (out >= 0 && deflateInit2(&z, COMPRESS_LEVEL, Z_DEFLATED, COMPRESS_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK)
		whole = !deflate_all(l, in, out, &z);
	pthread_mutex_lock(&l->lock);
	number = atomic_exchange(&l->packing, 0);
	if (whole && number) {
		cleanup_free char *plain = numbered(l, number, ""), *packed = numbered(l, number, ".gz");

		done = !rename(half, packed) && !unlink(plain);
	}
	if (!done)
		unlink(half);
	return done || !number;
}

static void *compress_thread(void *arg)
{
	struct logfile *l = arg;

	setpriority(PRIO_PROCESS, 0, COMPRESS_NICE); /* Linux: of this thread alone */
	pthread_mutex_lock(&l->lock);
	while (!l->closing && compress_one(l))
		;
	l->compressing = false;
	pthread_cond_signal(&l->idle);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Have all that is plain compressed, but the current one. */
static void compress_begin(struct logfile *l)
{
	pthread_attr_t attr;
	bool busy;

	pthread_mutex_lock(&l->lock);
	busy = l->compressing;
	l->compressing = true;
	pthread_mutex_unlock(&l->lock);
	if (busy)
		return; /* it looks for the next one when it has done this */
	if (l->joinable)
		pthread_join(l->compressor, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, COMPRESS_STACK);
	l->joinable = !pthread_create(&l->compressor, &attr, compress_thread, l);
	pthread_attr_destroy(&attr);
	if (!l->joinable)
		l->compressing = false;
}

/* What was rotated is compressed by the end, unless it is so much that others would wait for the
 * container's exit: that is left to whoever opens the log next. */
static void compress_end(struct logfile *l)
{
	int64_t end = clock_mono_ns() + COMPRESS_PATIENCE_MS * NS_PER_MS;
	struct timespec until = { .tv_sec = end / NS_PER_S, .tv_nsec = end % NS_PER_S };

	if (!l->joinable)
		return;
	pthread_mutex_lock(&l->lock);
	while (l->compressing && !pthread_cond_timedwait(&l->idle, &l->lock, &until))
		;
	l->closing = true;
	atomic_store(&l->packing, 0);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->compressor, NULL);
	l->joinable = l->closing = false;
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

/* Files of numbers from @from on have moved: so has the compressor's, perhaps off the end. */
static void move_packing(struct logfile *l, unsigned int from)
{
	unsigned int number = atomic_load(&l->packing);

	if (number && number >= from)
		atomic_store(&l->packing, number + 1 < l->files ? number + 1 : 0);
}

static void rotate(struct logfile *l)
{
	unsigned int i;

	pthread_mutex_lock(&l->lock);
	fd_close(&l->fd);
	if (l->files > 1)
		drop_oldest(l);
	for (i = l->files - 1; i > 0; i--) {
		if ((i > 1 && move(l->path, i - 1, ".gz")) || move(l->path, i - 1, ""))
			break;
	}
	move_packing(l, i);
	open_file(l, O_TRUNC);
	pthread_mutex_unlock(&l->lock);
	if (l->compress && l->files > 1)
		compress_begin(l);
}

/* --- entries ----------------------------------------------------------------------------------------- */

/* What the entries of one stream and time end with. */
static void make_tail(struct logfile *l, const struct log_entry *line)
{
	char now[CLOCK_RFC3339_MAX];

	if (l->tail_time == line->time && l->tail_stream == line->stream)
		return;
	l->tail_time = line->time;
	l->tail_stream = line->stream;
	buf_reset(&l->tail);
	buf_addf(&l->tail, "\",\"stream\":\"%s\"%s%s,\"time\":\"%s\"}\n", stream_names[line->stream],
		l->attrs ? ",\"attrs\":" : "", l->attrs ? l->attrs : "", clock_format(line->time, now));
}

void logfile_add(struct logfile *l, const struct log_entry *line)
{
	static const char head[] = "{\"log\":\"", newline[] = "\\n";
	char *to;

	if (l->fd < 0)
		return;
	if (l->max && l->size + (int64_t)l->out.n >= l->max) {
		logfile_flush(l);
		rotate(l);
	}
	make_tail(l, line);
	to = buf_room(&l->out, sizeof(head) + escaped_room(line->p, line->n) + sizeof(newline) + l->tail.n);
	memcpy(to, head, sizeof(head) - 1);
	to = put_escaped(to + sizeof(head) - 1, line->p, line->n);
	if (line->newline) {
		memcpy(to, newline, sizeof(newline) - 1);
		to += sizeof(newline) - 1;
	}
	memcpy(to, l->tail.p, l->tail.n);
	l->out.n = (size_t)(to - l->out.p) + l->tail.n;
	if (l->out.n >= BATCH)
		logfile_flush(l);
}

/* --- opening and closing --------------------------------------------------------------------------- */

void logfile_init(struct logfile *l)
{
	pthread_condattr_t attr;

	*l = (struct logfile){ .fd = -1, .out = BUF_INIT, .tail = BUF_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->idle, &attr);
	pthread_condattr_destroy(&attr);
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
	if (l->compress && l->files > 1)
		compress_begin(l); /* what a crash left */
	return 0;
}

void logfile_close(struct logfile *l)
{
	logfile_flush(l);
	compress_end(l);
	buf_release(&l->out);
	buf_release(&l->tail);
	fd_close(&l->fd);
	free(l->path);
	free(l->attrs);
	l->path = l->attrs = NULL;
}
