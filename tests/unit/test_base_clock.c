/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_clock.c - times and durations as Docker writes and reads them */
#include "unit.h"

#include "base/clock.h"

#define T0 1136214245LL /* 2006-01-02T15:04:05Z, the date Go's documentation is fond of */

static void formats(int64_t ns, const char *want)
{
	char out[CLOCK_RFC3339_MAX];

	CHECK(clock_format(ns, out) == out);
	CHECK_STR(out, want);
}

TEST(format_drops_trailing_zeros)
{
	char out[CLOCK_RFC3339_MAX];

	formats(0, CLOCK_ZERO);
	formats(T0 * NS_PER_S, "2006-01-02T15:04:05Z");
	formats(T0 * NS_PER_S + 120000000, "2006-01-02T15:04:05.12Z");
	formats(T0 * NS_PER_S + 1, "2006-01-02T15:04:05.000000001Z");
	formats(T0 * NS_PER_S + 123456789, "2006-01-02T15:04:05.123456789Z");
	formats(-1, "1969-12-31T23:59:59.999999999Z");
	CHECK_STR(clock_format_fixed(T0 * NS_PER_S + 120000000, out), "2006-01-02T15:04:05.120000000Z");
	CHECK_STR(clock_format_fixed(T0 * NS_PER_S, out), "2006-01-02T15:04:05.000000000Z");
}

static void parses(const char *text, bool ok, int64_t want)
{
	int64_t v = 4711;
	int rc = clock_parse(guarded(text, strlen(text) + 1), &v);

	if (!CHECK_INT(rc, ok ? 0 : -1) || !CHECK_INT(v, ok ? want : 4711))
		printf("# the text was '%s'\n", text);
}

TEST(parse_rfc3339)
{
	parses("2006-01-02T15:04:05Z", true, T0 * NS_PER_S);
	parses("2006-01-02T15:04:05.999999999Z", true, T0 * NS_PER_S + 999999999);
	parses("2006-01-02T15:04:05.5Z", true, T0 * NS_PER_S + 500000000);
	parses("2006-01-02T15:04:05.1234567891234Z", true, T0 * NS_PER_S + 123456789);
	parses("2006-01-02T17:04:05+02:00", true, T0 * NS_PER_S);
	parses("2006-01-02T08:04:05-07:00", true, T0 * NS_PER_S);
	parses("2006-01-02T15:04:05", true, T0 * NS_PER_S);
	parses("2006-01-02T15:04", true, (T0 - 5) * NS_PER_S);
	parses("2006-01-02", true, 1136160000 * NS_PER_S);
	parses(CLOCK_ZERO, true, 0);
	parses("2024-02-29", true, 1709164800 * NS_PER_S);
}

TEST(parse_refuses_what_is_no_time)
{
	parses("", false, 0);
	parses("now", false, 0);
	parses("2006-13-02", false, 0);
	parses("2006-00-02", false, 0);
	parses("2006-01-32", false, 0);
	parses("2006-02-30", false, 0);
	parses("2023-02-29", false, 0);
	parses("2006-01-02T24:00:00Z", false, 0);
	parses("2006-01-02T15:60:00Z", false, 0);
	parses("2006-01-02T15:04:60Z", false, 0);
	parses("2006-01-02T15:04:05.Z", false, 0);
	parses("2006-01-02T15:04:05ZZ", false, 0);
	parses("2006-01-02T15:04:05+2:00", false, 0);
	parses("2006-01-02 15:04:05Z", false, 0);
	parses("2006-1-2", false, 0);
	parses("9999-01-01T00:00:00Z", false, 0);
}

TEST(parse_unix_seconds)
{
	parses("0", true, 0);
	parses("1136214245", true, T0 * NS_PER_S);
	parses("1136214245.000000001", true, T0 * NS_PER_S + 1);
	parses("1136214245.5", true, T0 * NS_PER_S + 500000000);
	parses("-1", true, -NS_PER_S);
	parses("1136214245.", false, 0);
	parses("1136214245x", false, 0);
	parses("99999999999999999999", false, 0);
	parses("-", false, 0);
}

static void lasts(const char *text, bool ok, int64_t want)
{
	int64_t v = 4711;
	int rc = clock_parse_duration(guarded(text, strlen(text) + 1), &v);

	if (!CHECK_INT(rc, ok ? 0 : -1) || !CHECK_INT(v, ok ? want : 4711))
		printf("# the text was '%s'\n", text);
}

TEST(parse_go_durations)
{
	lasts("0", true, 0);
	lasts("5s", true, 5 * NS_PER_S);
	lasts("1h2m3.5s", true, 3723 * NS_PER_S + 500000000);
	lasts("300ms", true, 300 * NS_PER_MS);
	lasts("10us", true, 10000);
	lasts("10\xc2\xb5s", true, 10000);
	lasts("7ns", true, 7);
	lasts("-1m", true, -60 * NS_PER_S);
	lasts("+1m", true, 60 * NS_PER_S);
	lasts(".5s", true, 500000000);
	lasts("1.s", true, NS_PER_S);
	lasts("", false, 0);
	lasts("5", false, 0);
	lasts("s", false, 0);
	lasts(".s", false, 0);
	lasts("5 s", false, 0);
	lasts("5x", false, 0);
	lasts("9223372036854775808ns", false, 0);
	lasts("99999999999h", false, 0);
	lasts("-", false, 0);
}

TEST(format_go_durations)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" }, { 7, "7ns" }, { 1500, "1.5\xc2\xb5s" }, { 500 * NS_PER_MS, "500ms" },
		{ 1500 * NS_PER_MS, "1.5s" }, { 30 * NS_PER_S, "30s" }, { 60 * NS_PER_S, "1m0s" },
		{ 3723 * NS_PER_S + 500000000, "1h2m3.5s" }, { -NS_PER_S, "-1s" },
		{ INT64_MAX, "2562047h47m16.854775807s" }, { INT64_MIN, "-2562047h47m16.854775808s" },
	};
	char out[CLOCK_DURATION_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(clock_format_duration(cases[i].ns, out), cases[i].text);
}

TEST(clocks_run)
{
	int64_t a = clock_mono_ns(), b = clock_mono_ns();

	CHECK(b >= a);
	CHECK(clock_real_ns() > 1700000000 * NS_PER_S);
}

TEST(parse_ages)
{
	int64_t v = 0, now = clock_real_ns();

	CHECK_INT(clock_parse_ago("1h", &v), 0);
	CHECK(v >= now - 3600 * NS_PER_S && v <= clock_real_ns() - 3600 * NS_PER_S);
	CHECK_INT(clock_parse_ago("2006-01-02T15:04:05Z", &v), 0);
	CHECK_INT(v, 1136214245 * NS_PER_S);
	CHECK_INT(clock_parse_ago("yesterday", &v), -1);
}
