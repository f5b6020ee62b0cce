/* SPDX-License-Identifier: MIT */
/*
 * core/base/log.c - the daemon's log lines, on stderr
 *
 * Theory of operation
 *   A line is formatted on the stack, quoted, and written with one write(2).  Nothing is
 *   buffered, so a process that is killed has lost nothing it said.
 */
#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

enum log_level log_get_level(void)
{
	return threshold;
}

static void emit(enum log_level level, const char *text)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	char line[3072], when[CLOCK_RFC3339_MAX];
	size_t n, max = sizeof(line) - 4;

	clock_format(clock_real_ns(), when);
	n = snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"", when, names[level]);
	for (; *text && n < max; text++) {
		if (*text == '"' || *text == '\\') {
			line[n++] = '\\';
			line[n++] = *text;
		} else if (*text == '\n') {
			line[n++] = '\\';
			line[n++] = 'n';
		} else {
			line[n++] = (unsigned char)*text < 0x20 ? '?' : *text;
		}
	}
	line[n++] = '"';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody is left to tell */
}

static void vlog(enum log_level level, const char *fmt, va_list ap)
{
	char text[2048];

	if ((int)level < threshold)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	emit(level, text);
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		vlog(level, fmt, ap);                                                              \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_debug, LOG_DEBUG)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_error, LOG_ERROR)

void log_err(const struct err *e, const char *fmt, ...)
{
	char context[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	log_error("%s: %s", context, e->msg);
	if (e->hint[0])
		log_error("hint: %s", e->hint);
}
