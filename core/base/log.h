/* SPDX-License-Identifier: MIT */
/*
 * core/base/log.h - the daemon's log lines, on stderr
 *
 * One line a message, in the format people's tools already read from dockerd:
 *	time="2026-01-02T03:04:05.123456789Z" level=info msg="..."
 * Each line is one write(2), so lines of several processes never mix.  Any thread may call.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Messages below @level are dropped.  The default is LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "CONTEXT: message", and the hint, where there is one, as a second line. */
void log_err(const struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
