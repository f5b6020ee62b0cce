/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/moment.c - points in time as people type them
 */
#include "moment.h"

#include "base/clock.h"

#include <time.h>

/* clock_parse() takes a text without a zone for UTC; people mean their own. */
static int64_t from_local(int64_t ns)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * NS_PER_S + ns % NS_PER_S;
}

static bool has_zone(const char *text)
{
	const char *time = strchr(text, 'T');

	return time && (strpbrk(time, "Zz+") || strchr(time, '-'));
}

char *moment_parse(const char *text, struct err *e)
{
	int64_t ns;

	if (strcmp(text, "0") && !clock_parse_duration(text, &ns)) {
		ns = clock_real_ns() - ns;
	} else if (text[strspn(text, "0123456789.")] == 0 && *text && *text != '.') {
		return xstrdup(text);
	} else if (clock_parse(text, &ns)) {
		err_kind(e, ERR_INVALID, "failed to parse value as time or duration: \"%s\"", text);
		return NULL;
	} else if (!has_zone(text)) {
		ns = from_local(ns);
	}
	return xasprintf("%lld.%09lld", (long long)(ns / NS_PER_S), (long long)(ns % NS_PER_S));
}

char *moment_format(int64_t real_ns)
{
	time_t s = (time_t)(real_ns / NS_PER_S);
	char text[32], zone[8];
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	if (!strcmp(zone, "+0000"))
		return xasprintf("%s.%09lldZ", text, (long long)(real_ns % NS_PER_S));
	return xasprintf("%s.%09lld%.3s:%s", text, (long long)(real_ns % NS_PER_S), zone, zone + 3);
}
