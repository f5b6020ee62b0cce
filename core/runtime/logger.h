/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logger.h - where a container's output goes besides its clients
 *
 * Output is cut into lines here; each line, or piece of a long one, goes to a file (logfile.h), to the
 * host's own log (logsocket.h), or to both, as the request's "log" member says (runtime.h).
 */
#ifndef RUNTIME_LOGGER_H
#define RUNTIME_LOGGER_H

#include "runtime/logfile.h"
#include "runtime/logsocket.h"

struct logger {
	struct logfile file;
	struct logsocket socket;
	struct buf begun[STREAMS]; /* a line without its end so far */
	bool continued[STREAMS];   /* what comes next goes on a line whose beginning is out */
};

void logger_init(struct logger *l);
/* Open what @log says; NULL or null: nothing is logged.  0 or -1, @e. */
int logger_open(struct logger *l, const json_t *log, struct err *e);
/* Output of the container as it comes, in pieces of any size.  What cannot be written (a full
 * disk) is lost, as it is with Docker: the container runs on. */
void logger_feed(struct logger *l, int stream, const char *p, size_t n);
/* The streams have ended: a begun line is written without its newline, and what the host's log has
 * not taken yet gets LOG_DRAIN_MS. */
void logger_close(struct logger *l);

#endif
