/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logger.c - a container's output, line by line
 *
 * Theory of operation
 *   A line longer than 16 KiB becomes several entries, of which only the last has the newline, and so
 *   is how a reader puts them together again; output that ends in the middle of a line gives an
 *   entry without one.  All lines of a piece of output carry the time at which it was read.
 */
#include "runtime/logger.h"
#include "base/clock.h"

#define LINE_MAX_BYTES 16384 /* Docker's, of one entry's text before escaping */

void logger_init(struct logger *l)
{
	*l = (struct logger){ .begun = { BUF_INIT, BUF_INIT } };
	logfile_init(&l->file);
	logsocket_init(&l->socket);
}

int logger_open(struct logger *l, const json_t *log, struct err *e)
{
	if (logfile_open(&l->file, json_obj(log, "file"), e))
		return -1;
	return logsocket_open(&l->socket, json_obj(log, "socket"), e);
}

static void entry(struct logger *l, struct log_entry *line)
{
	line->continues = l->continued[line->stream];
	l->continued[line->stream] = !line->newline;
	logfile_add(&l->file, line);
	logsocket_add(&l->socket, line);
}

void logger_feed(struct logger *l, int stream, const char *p, size_t n)
{
	struct log_entry line = { .stream = stream, .time = clock_real_ns() };
	struct buf *begun = &l->begun[stream];

	if (l->file.fd < 0 && !l->socket.kind)
		return;
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
		line.p = begun->n ? begun->p : p;
		line.n = begun->n ? begun->n : take;
		line.newline = !full;
		entry(l, &line);
		buf_reset(begun);
		take += !full;
		p += take;
		n -= take;
	}
	logfile_flush(&l->file);
	logsocket_flush(&l->socket);
}

void logger_close(struct logger *l)
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		struct log_entry line = { .stream = i, .time = clock_real_ns(), .p = l->begun[i].p,
			.n = l->begun[i].n };

		if (line.n)
			entry(l, &line);
		buf_release(&l->begun[i]);
	}
	logfile_close(&l->file);
	logsocket_close(&l->socket);
}
