/* SPDX-License-Identifier: MIT */
/*
 * core/base/err.c - one failure, told so that a person can act on it
 *
 * Theory of operation
 *   Text that does not fit is cut, never overrun; a wrap that pushes the root cause out of
 *   the buffer keeps the outer context, as that is what tells the user where to look.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void err_clean(char *text)
{
	unsigned char *c;

	for (c = (unsigned char *)text; *c; c++)
		if ((*c < 0x20 && *c != '\t' && *c != '\n') || *c == 0x7f)
			*c = '?';
}

static void fill(struct err *e, const char *fmt, va_list ap)
{
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	err_clean(e->msg);
	e->hint[0] = 0;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (!e)
		return -1;
	e->code = code;
	e->kind = ERR_FAILED;
	va_start(ap, fmt);
	fill(e, fmt, ap);
	va_end(ap);
	if (code) {
		len = strlen(e->msg);
		snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", strerror(code));
	}
	return -1;
}

int err_kind(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	e->code = 0;
	e->kind = kind;
	va_start(ap, fmt);
	fill(e, fmt, ap);
	va_end(ap);
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[sizeof(e->msg)];
	va_list ap;
	size_t len;

	if (!e)
		return -1;
	memcpy(inner, e->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_clean(e->msg);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", inner);
	return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	err_clean(e->hint);
	return -1;
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "coracle: bug at %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
