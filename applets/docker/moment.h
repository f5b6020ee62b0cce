/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/moment.h - points in time as people type them
 */
#ifndef DOCKER_MOMENT_H
#define DOCKER_MOMENT_H

#include "base/err.h"
#include "base/str.h"

/* "42m" (ago), "2013-01-02T13:23:37Z", "2013-01-02" (local), "1136073845.5", as the API wants it:
 * seconds and nanoseconds since 1970.  To free(), NULL with @e. */
char *moment_parse(const char *text, struct err *e);
/* RFC 3339 with nine digits of fraction, local zone. To free(). */
char *moment_format(int64_t real_ns);

#endif
