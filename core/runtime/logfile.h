/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logfile.h - a container's output as Docker's json-file
 */
#ifndef RUNTIME_LOGFILE_H
#define RUNTIME_LOGFILE_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stdint.h>

enum { STREAM_STDOUT, STREAM_STDERR, STREAMS };

struct logfile {
	int fd; /* -1: nothing is logged */
	char *path;
	char *attrs;	   /* JSON object text, or NULL */
	int64_t size, max; /* bytes; max 0: without limit */
	unsigned int files;	  /* how many to keep, the current one included */
	struct buf partial[STREAMS]; /* the begun line */
	struct buf out;		  /* entries to write */
};

/* Open what the request's "log" member says; NULL or the driver "none" log nothing.  0 or -1, @e. */
int logfile_open(struct logfile *l, const json_t *log, struct err *e);
/* Output of the container as it comes, in pieces of any size.  What cannot be written (a full
 * disk) is lost, as it is with Docker: the container runs on. */
void logfile_feed(struct logfile *l, int stream, const char *p, size_t n);
/* The streams have ended: a begun line is written without its newline. */
void logfile_close(struct logfile *l);

#endif
