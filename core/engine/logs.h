/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logs.h - read what a container printed
 */
#ifndef ENGINE_LOGS_H
#define ENGINE_LOGS_H

#include "engine/container.h"

struct logs_options {
	bool out, err, timestamps, details, follow;
	int64_t since, until; /* ns, 0: any */
	int64_t tail;	      /* last so many lines; negative: all */
};

/* Can its lines be read back?  -1 with Docker's text. */
int logs_check(struct engine *en, struct container *c, struct err *e);
/**
 * logs_read() - Send a container's lines to a client
 * @write:	Takes bytes, with 8-byte stream headers unless the container has a tty; -1 stops
 * @client_fd:	While following: the reader ends when this hangs up
 *
 * Follows until the container ends, if it runs now.  Blocks on the disk and on the client.
 */
int logs_read(struct engine *en, struct container *c, const struct logs_options *o, int client_fd,
	int (*write)(void *arg, const void *p, size_t n), void *arg, struct err *e);

#define LOG_TAIL_MAX 256

/* One line of a json-file, without its newline; for logs.c, tests and the fuzzer. */
struct log_line {
	struct span text;   /* of the buffer given */
	struct span stream; /* "stdout" or "stderr" */
	struct span attrs;  /* the JSON object as text, or empty */
	int64_t time;	    /* ns */
	char tail[LOG_TAIL_MAX]; /* what followed the text of the last one that was parsed member by member, */
	size_t tail_len;	 /* 0 if it did not fit; */
	size_t stream_at, attrs_at; /* and where in there it had these */
};
/* Texts are in @line (unescaped in place) or constant.  @out is zeroed, or has the line before: many go
 * on as that did behind their text, which is then not parsed again.  0, or -1: not a line of ours. */
int log_line_parse(char *line, size_t n, struct log_line *out);

#endif
