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
#include <stdatomic.h>
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
	pthread_t compressor; /* of rotated files; joinable says if there is or was one */
	bool joinable;
	pthread_mutex_t lock;	 /* of the files' names while there is a compressor, and of: */
	bool compressing;	 /* it is at work, and will look for a next one */
	bool closing;		 /* it ends */
	pthread_cond_t idle;	 /* compressing became false */
	_Atomic unsigned int packing; /* number of that, 0: none, or nobody wants it */
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
