/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/units.h - sizes, ages and shortened texts, as the stock client writes them
 */
#ifndef DOCKER_UNITS_H
#define DOCKER_UNITS_H

#include "base/str.h"

/* "4.26MB": 1000 to the unit, that many significant digits (images: 3, all else: 4). To free(). */
char *human_size(double bytes, int digits);
/* "23.54GiB": 1024 to the unit. To free(). */
char *human_size_binary(double bytes);
/* "3 seconds", "About a minute", "2 weeks". To free(). */
char *human_duration(int64_t ns);
/* Age of a moment: human_duration() and " ago". To free(). */
char *human_age(int64_t real_ns);
/* "2026-11-22 23:37:39 +0000 UTC" (the local zone), as Go prints a time.Time; fraction as given. */
char *go_time(int64_t real_ns);

/* The first 12 digits of an id, without "sha256:"; all of it (with) if not @trunc. To free(). */
char *short_id(const char *id, bool trunc);
/* At most @width columns, the last one '…' if something was cut. To free(). */
char *ellipsis(const char *text, size_t width);

#endif
