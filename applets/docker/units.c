/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/units.c - sizes, ages and shortened texts, as the stock client writes them
 *
 * Theory of operation
 *   The rounding is what people compare ("About an hour" from 60 minutes on, weeks from two,
 *   "%.3g" for images), so it follows the stock client case by case.
 */
#include "units.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char *scaled(double bytes, double base, int digits, const char *const *units, size_t n)
{
	size_t i = 0;

	while (bytes >= base && i + 1 < n) {
		bytes /= base;
		i++;
	}
	return xasprintf("%.*g%s", digits, bytes, units[i]);
}

char *human_size(double bytes, int digits)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};

	return scaled(bytes, 1000, digits, units, ARRAY_SIZE(units));
}

char *human_size_binary(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};

	return scaled(bytes, 1024, 4, units, ARRAY_SIZE(units));
}

char *human_duration(int64_t ns)
{
	long long s = ns / NS_PER_S, m = s / 60, h = (long long)((double)ns / (3600.0 * NS_PER_S) + 0.5);

	if (s < 1)
		return xstrdup("Less than a second");
	if (s == 1)
		return xstrdup("1 second");
	if (s < 60)
		return xasprintf("%lld seconds", s);
	if (m == 1)
		return xstrdup("About a minute");
	if (m < 60)
		return xasprintf("%lld minutes", m);
	if (h == 1)
		return xstrdup("About an hour");
	if (h < 48)
		return xasprintf("%lld hours", h);
	if (h < 24 * 7 * 2)
		return xasprintf("%lld days", h / 24);
	if (h < 24 * 30 * 2)
		return xasprintf("%lld weeks", h / 24 / 7);
	if (h < 24 * 365 * 2)
		return xasprintf("%lld months", h / 24 / 30);
	return xasprintf("%lld years", (long long)((double)ns / (3600.0 * NS_PER_S) / 24 / 365));
}

char *human_age(int64_t real_ns)
{
	cleanup_free char *d = human_duration(clock_real_ns() - real_ns);

	return xasprintf("%s ago", d);
}

char *go_time(int64_t real_ns)
{
	time_t s = (time_t)(real_ns / NS_PER_S);
	char text[64], frac[16] = "", zone[48];
	long ns = (long)(real_ns % NS_PER_S);
	struct tm tm;
	int n;

	if (ns) {
		n = snprintf(frac, sizeof(frac), ".%09ld", ns);
		while (frac[n - 1] == '0')
			frac[--n] = 0;
	}
	localtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z %Z", &tm);
	return xasprintf("%s%s %s", text, frac, zone);
}

char *short_id(const char *id, bool trunc)
{
	const char *colon = strchr(id, ':');
	size_t n;

	if (!trunc)
		return xstrdup(id);
	if (colon)
		id = colon + 1;
	n = strlen(id);
	return xstrndup(id, n < 12 ? n : 12);
}

/* Columns of a character: CJK and the like take two. */
static size_t columns(unsigned long c)
{
	return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
			(c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
			(c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
			(c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1f64f) ||
			(c >= 0x20000 && c <= 0x3fffd) ?
		2 : 1;
}

/* Bytes of the character at @p, its code in *c; a byte that starts none counts as one. */
static size_t character(const char *p, unsigned long *c)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t len = *u < 0xc2 || *u > 0xf4 ? 1 : *u >= 0xf0 ? 4 : *u >= 0xe0 ? 3 : 2, i;

	*c = len == 1 ? *u : *u & (0x7fU >> len);
	for (i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 1;
		*c = *c << 6 | (u[i] & 63);
	}
	return len;
}

char *ellipsis(const char *text, size_t width)
{
	size_t used = 0, cut = 0, i = 0, w, len;
	unsigned long c;

	while (text[i]) {
		len = character(text + i, &c);
		w = columns(c);
		if (used + w <= width - 1)
			cut = i + len;
		used += w;
		i += len;
		if (used > width)
			return xasprintf("%.*s…", (int)cut, text);
	}
	return xstrdup(text);
}
