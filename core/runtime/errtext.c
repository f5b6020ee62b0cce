/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/errtext.c - error texts as Docker users know them
 *
 * Theory of operation
 *   The messages of a failed start reach the user through the API, where tools match parts of
 *   them: "no such file or directory", "permission denied".  Those are Go's texts: the C
 *   library's in lower case, with a few that musl words in its own way.
 */
#include "runtime/inside.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	const char *text;
} own[] = {
	{ EACCES, "permission denied" },
	{ EBUSY, "device or resource busy" },
	{ EEXIST, "file exists" },
	{ EFAULT, "bad address" },
	{ EIO, "input/output error" },
	{ ELOOP, "too many levels of symbolic links" },
	{ EMFILE, "too many open files" },
	{ ENAMETOOLONG, "file name too long" },
	{ ENFILE, "too many open files in system" },
	{ ENODEV, "no such device" },
	{ ENOENT, "no such file or directory" },
	{ ENOMEM, "cannot allocate memory" },
	{ ENOSYS, "function not implemented" },
	{ EOPNOTSUPP, "operation not supported" },
	{ EPERM, "operation not permitted" },
	{ ETXTBSY, "text file busy" },
	{ E2BIG, "argument list too long" },
};

const char *errno_text(int code)
{
	static char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (own[i].code == code)
			return own[i].text;
	}
	snprintf(text, sizeof(text), "%s", strerror(code));
	text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

int err_errno(struct err *e, int code, const char *fmt, ...)
{
	char what[sizeof(e->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(e, 0, "%s: %s", what, errno_text(code));
	if (e)
		e->code = code;
	return -1;
}
