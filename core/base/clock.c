/* SPDX-License-Identifier: MIT */
/*
 * core/base/clock.c - points in time, as nanoseconds, and as the texts Docker writes
 *
 * Theory of operation
 *   Times are int64_t nanoseconds everywhere inside (good until the year 2262); text is made
 *   and read only where the API or a file wants it.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_real_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t clock_boot_ns(void)
{
	return now(CLOCK_BOOTTIME);
}

/* Seconds rounded down, so that times before 1970 have a positive fraction too. */
static int64_t split(int64_t ns, long *frac)
{
	int64_t s = ns / NS_PER_S;

	*frac = ns % NS_PER_S;
	if (*frac < 0) {
		*frac += NS_PER_S;
		s--;
	}
	return s;
}

static char *format(int64_t real_ns, char *out, int fixed)
{
	char frac[16] = "";
	struct tm tm;
	time_t s;
	long ns;
	int n;

	s = split(real_ns, &ns);
	gmtime_r(&s, &tm);
	if (fixed || ns) {
		n = snprintf(frac, sizeof(frac), ".%09ld", ns);
		while (!fixed && frac[n - 1] == '0')
			frac[--n] = 0;
	}
	n = (int)strftime(out, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_RFC3339_MAX - (size_t)n, "%sZ", frac);
	return out;
}

char *clock_format(int64_t real_ns, char *out)
{
	if (!real_ns)
		return strcpy(out, CLOCK_ZERO);
	return format(real_ns, out, 0);
}

char *clock_format_fixed(int64_t real_ns, char *out)
{
	return format(real_ns, out, 1);
}

/* @count digits exactly; -1 if there are fewer. */
static int digits(const char **p, int count)
{
	int v = 0;

	while (count--) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + *(*p)++ - '0';
	}
	return v;
}

/* The part after a '.', as nanoseconds; digits past the ninth are dropped. */
static int fraction(const char **p, long *ns)
{
	long scale = NS_PER_S / 10;

	*ns = 0;
	if (**p < '0' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
		*ns += (**p - '0') * scale;
	return 0;
}

static int zone(const char **p, int *offset_s)
{
	int sign, h, m;

	*offset_s = 0;
	if (**p == 'Z' || **p == 'z') {
		(*p)++;
		return 0;
	}
	if (**p != '+' && **p != '-')
		return -1;
	sign = *(*p)++ == '-' ? -1 : 1;
	if ((h = digits(p, 2)) < 0 || *(*p)++ != ':' || (m = digits(p, 2)) < 0 || h > 23 || m > 59)
		return -1;
	*offset_s = sign * (h * 3600 + m * 60);
	return 0;
}

static int parse_unix(const char *p, int64_t *real_ns)
{
	int negative = *p == '-';
	int64_t s = 0;
	long ns = 0;

	p += negative;
	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		s = s * 10 + *p - '0';
		if (s >= INT64_MAX / NS_PER_S)
			return -1;
	}
	if (*p == '.' && (p++, fraction(&p, &ns)))
		return -1;
	if (*p)
		return -1;
	*real_ns = (s * NS_PER_S + ns) * (negative ? -1 : 1);
	return 0;
}

int clock_parse(const char *text, int64_t *real_ns)
{
	const char *p = text;
	struct tm tm = {0};
	int offset = 0;
	int y, mon, day;
	long ns = 0;
	int64_t s;

	if (strlen(text) < 10 || text[4] != '-' || text[7] != '-')
		return parse_unix(text, real_ns);
	if ((y = digits(&p, 4)) < 0 || *p++ != '-' || (mon = digits(&p, 2)) < 1 || mon > 12 ||
		*p++ != '-' || (tm.tm_mday = digits(&p, 2)) < 1 || tm.tm_mday > 31)
		return -1;
	tm.tm_year = y - 1900;
	tm.tm_mon = mon - 1;
	if (*p) {
		if (*p++ != 'T' || (tm.tm_hour = digits(&p, 2)) < 0 || *p++ != ':' ||
			(tm.tm_min = digits(&p, 2)) < 0)
			return -1;
		if (*p == ':' && (p++, (tm.tm_sec = digits(&p, 2)) < 0))
			return -1;
		if (*p == '.' && (p++, fraction(&p, &ns)))
			return -1;
		if (*p && zone(&p, &offset))
			return -1;
		if (*p || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
			return -1;
	}
	if (!strcmp(text, CLOCK_ZERO)) {
		*real_ns = 0;
		return 0;
	}
	day = tm.tm_mday;
	s = timegm(&tm);
	if (tm.tm_mday != day) /* the 30th of February became the 1st of March */
		return -1;
	/* What 64 bits of nanoseconds hold: the years 1678 to 2262. */
	if (__builtin_mul_overflow(s - offset, (int64_t)NS_PER_S, &s) ||
		__builtin_add_overflow(s, ns, &s))
		return -1;
	*real_ns = s;
	return 0;
}

static int unit(const char **p, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1}, {"us", 1000}, {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
		{"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
	};
	size_t i, n;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		n = strlen(units[i].name);
		if (!strncmp(*p, units[i].name, n)) {
			*ns = units[i].ns;
			*p += n;
			return 0;
		}
	}
	return -1;
}

int clock_parse_duration(const char *text, int64_t *ns)
{
	int sign = *text == '-' ? -1 : 1;
	const char *p = text + (*text == '-' || *text == '+');
	int64_t total = 0, whole, scale;
	long frac;

	if (!strcmp(p, "0")) {
		*ns = 0;
		return 0;
	}
	if (!*p)
		return -1;
	while (*p) {
		int any = 0;

		frac = 0;
		for (whole = 0; *p >= '0' && *p <= '9'; p++, any = 1) {
			whole = whole * 10 + *p - '0';
			if (whole > INT64_MAX / 100)
				return -1;
		}
		if (*p == '.' && (p++, fraction(&p, &frac)) && !any)
			return -1;
		else if (frac)
			any = 1;
		if (!any || unit(&p, &scale) || whole > (INT64_MAX - total) / scale / 2)
			return -1;
		total += whole * scale + (int64_t)((double)frac / NS_PER_S * (double)scale);
	}
	*ns = total * sign;
	return 0;
}

int clock_parse_ago(const char *text, int64_t *real_ns)
{
	int64_t age;

	if (clock_parse_duration(text, &age))
		return clock_parse(text, real_ns);
	*real_ns = clock_real_ns() - age;
	return 0;
}

/* @v with a point before its last @places digits, without the zeros at the end. */
static void put_decimal(char *out, size_t n, uint64_t v, int places, const char *unit)
{
	char fraction[12];
	uint64_t one = 1;
	int i;

	for (i = 0; i < places; i++)
		one *= 10;
	snprintf(fraction, sizeof(fraction), "%0*llu", places, (unsigned long long)(v % one));
	for (i = places; i > 0 && fraction[i - 1] == '0'; i--)
		;
	fraction[v % one ? i : 0] = 0;
	snprintf(out, n, "%llu%s%s%s", (unsigned long long)(v / one), *fraction ? "." : "", fraction, unit);
}

char *clock_format_duration(int64_t ns, char *out)
{
	uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, minutes = u / NS_PER_S / 60;
	char *p = out, *end = out + CLOCK_DURATION_MAX;

	if (ns < 0)
		*p++ = '-';
	if (u && u < 1000) {
		put_decimal(p, (size_t)(end - p), u, 0, "ns");
	} else if (u && u < NS_PER_MS) {
		put_decimal(p, (size_t)(end - p), u, 3, "\u00b5s");
	} else if (u && u < NS_PER_S) {
		put_decimal(p, (size_t)(end - p), u, 6, "ms");
	} else {
		if (minutes >= 60)
			p += snprintf(p, (size_t)(end - p), "%lluh", (unsigned long long)(minutes / 60));
		if (minutes)
			p += snprintf(p, (size_t)(end - p), "%llum", (unsigned long long)(minutes % 60));
		put_decimal(p, (size_t)(end - p), u - minutes * 60 * NS_PER_S, 9, "s");
	}
	return out;
}
