/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logsyslog.h - the options of the syslog driver
 */
#ifndef ENGINE_LOGSYSLOG_H
#define ENGINE_LOGSYSLOG_H

#include "base/err.h"
#include "base/json.h"

/* Address, facility and format, as far as they can be judged without looking. */
int logsyslog_check(const json_t *options, struct err *e);
/* What logsocket_open() takes; the peer's name is resolved, and a stream's connection tried.  NULL with
 * @e.  May block for the resolver and the connection. */
json_t *logsyslog_socket(const json_t *options, const char *tag, struct err *e);

#endif
