/* SPDX-License-Identifier: MIT */
/*
 * core/base/err.h - one failure, told so that a person can act on it
 *
 * A function that can fail returns 0 or -1 (or a descriptor, or a count) and fills the
 * struct err it was given as its last parameter.  The object is flat: it lives on the
 * caller's stack, costs no memory, and a child process can write it whole to a pipe.
 *
 *   err_set()   says what was attempted, on what; the text of @code is appended
 *   err_kind()  the same with the class a caller may branch on (the API makes it a status)
 *   err_wrap()  puts context before it on the way up: once per level that adds something
 *   err_hint()  what the user can do now
 *
 * Messages are lower case, without a full stop: a verb in -ing and its object, or
 * "bad tag 'X'" for input.  Control bytes of hostile input are replaced by '?'.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err_kind {
	ERR_FAILED,	   /* anything else: our trouble or the system's */
	ERR_INVALID,	   /* the request makes no sense */
	ERR_NOT_FOUND,	   /* what it names is not there */
	ERR_CONFLICT,	   /* it is there, in a state that forbids this */
	ERR_NOT_MODIFIED,  /* it is like that already */
	ERR_FORBIDDEN,	   /* not allowed here */
	ERR_UNAUTHORIZED,  /* credentials are missing or wrong */
	ERR_UNAVAILABLE,   /* a peer is not reachable now */
	ERR_NOT_SUPPORTED, /* a thing we do not have */
};

struct err {
	int code;	    /* errno of the root cause; 0 when words say it better */
	enum err_kind kind; /* what the caller may branch on */
	char msg[1024];	    /* "starting web: mounting /proc: Permission denied" */
	char hint[512];	    /* what the user can do now, or "" */
};

#define ERR_INIT { 0, ERR_FAILED, "", "" }

/* All of them return -1, so that a caller can say: return err_set(e, errno, "opening %s", p);
 * and all accept a NULL @e, for callers that do not care why. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_kind(struct err *e, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Replace bytes that could drive a terminal (below 0x20 but tab and newline, and 0x7f). */
void err_clean(char *text);

/* Our own fault: say where and abort. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
void bug_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

#endif
