/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logfile.h - a container's output as Docker's json-file
 */
#ifndef RUNTIME_LOGFILE_H
#define RUNTIME_LOGFILE_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <pthread.h>
#include <stdint.h>

enum { STREAM_STDOUT, STREAM_STDERR, STREAMS };

/* A line of output, or a piece of a long one. */
struct log_entry {
	int stream;
	const char *p; /* text without its newline */
	size_t n;
	bool newline;	/* it has one */
	bool continues; /* the line's beginning was in the entry before */
	int64_t time;	/* ns */
};

struct logfile {
	int fd; /* -1: nothing is logged */
	char *path;
	char *attrs;	   /* JSON object text, or NULL */
	int64_t size, max; /* bytes; max 0: without limit */
	unsigned int files;	  /* how many to keep, the current one included */
	bool compress;		  /* all but the current one */
	struct buf out;		  /* entries to write */
	struct buf tail;	  /* end of the entries of that time and stream */
	int64_t tail_time;
	int tail_stream;
	pthread_t compressor; /* at work on the file before the current one */
	bool compressing;
};

void logfile_init(struct logfile *l);
/**
 * logfile_open() - Go on with a file, or begin it
 * @file:	{"path": absolute, "max_size": bytes or 0, "max_file": how many, "compress": bool, "attrs":
 *		{…} for each entry}; NULL: nothing is logged
 *
 * Return: 0, or -1 with @e
 */
int logfile_open(struct logfile *l, const json_t *file, struct err *e);
void logfile_add(struct logfile *l, const struct log_entry *line);
void logfile_flush(struct logfile *l); /* write what was added */
void logfile_close(struct logfile *l);

#endif
