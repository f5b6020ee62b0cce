/* SPDX-License-Identifier: MIT */
/*
 * core/base/clock.h - points in time, as nanoseconds, and as the texts Docker writes
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define CLOCK_RFC3339_MAX 36 /* "2026-01-02T03:04:05.123456789Z" and the terminator */
#define CLOCK_ZERO "0001-01-01T00:00:00Z" /* Go's zero time: "never" in the API */

/* Nanoseconds since 1970 (real), or since some point in the past (mono; unaffected by settings). */
int64_t clock_real_ns(void);
int64_t clock_mono_ns(void);
int64_t clock_boot_ns(void); /* since the machine started, sleep included; the same in every process */

/* RFC 3339 in UTC, nanoseconds with trailing zeros removed as Go's RFC3339Nano does; 0 gives
 * CLOCK_ZERO.  @out holds CLOCK_RFC3339_MAX bytes and is returned. */
char *clock_format(int64_t real_ns, char *out);

/* The same with all nine digits, as log lines have it ("…05.120000000Z"). */
char *clock_format_fixed(int64_t real_ns, char *out);

/* Parse RFC 3339 with optional fraction and zone, a bare date, or Unix seconds with an optional
 * fraction ("1136073845.000000001"), as the API's since/until accept.  0, or -1 if malformed. */
int clock_parse(const char *text, int64_t *real_ns);

/* Parse a Go duration: "1h2m3.5s", "300ms", "10us", "0".  0, or -1 if malformed. */
int clock_parse_duration(const char *text, int64_t *ns);

/* Parse either: "1h" is an hour ago.  0, or -1 if malformed. */
int clock_parse_ago(const char *text, int64_t *real_ns);
/* The other way, as Go prints one: "1h2m3.5s", "300ms", "10µs", "0s".  @out holds CLOCK_DURATION_MAX
 * bytes and is returned. */
#define CLOCK_DURATION_MAX 32
char *clock_format_duration(int64_t ns, char *out);

#endif
