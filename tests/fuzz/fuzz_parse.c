/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_parse.c - the small parsers of base: numbers, sizes, times, paths
 *
 * Beside not crashing, what comes out must hold what the headers promise: a time that was
 * printed parses to itself, a clean path is clean, a number is within its bounds.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void times(const char *text)
{
	char out[CLOCK_RFC3339_MAX];
	int64_t ns, again;

	if (clock_parse(text, &ns) == 0 && (clock_parse(clock_format(ns, out), &again) || again != ns))
		bug("'%s' is %lld, printed '%s'", text, (long long)ns, out);
	clock_parse_duration(text, &ns);
}

static void numbers(struct span s)
{
	uint64_t u;
	int64_t i;

	if (parse_u64(s, 1000, &u) == 0 && u > 1000)
		bug("u64 %llu", (unsigned long long)u);
	if (parse_i64(s, -10, 10, &i) == 0 && (i < -10 || i > 10))
		bug("i64 %lld", (long long)i);
	parse_u64_base(s, 8, UINT64_MAX, &u);
	parse_u64_base(s, 16, UINT64_MAX, &u);
}

static void paths(const char *text)
{
	char *once = fs_clean_path(text), *twice = fs_clean_path(once);

	if (strcmp(once, twice) != 0 || !*once)
		bug("'%s' cleans to '%s', that to '%s'", text, once, twice);
	if (*once == '/' && (strstr(once, "/../") || strstr(once, "//")))
		bug("'%s' cleans to '%s'", text, once);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span s = { (const char *)data, n }, rest = s, t;
	char *text = span_dup(s);
	int64_t bytes;
	size_t total = 0;

	times(text);
	numbers(s);
	paths(text);
	if (parse_size(text, &bytes) == 0 && bytes < 0)
		bug("size '%s' is %lld", text, (long long)bytes);
	while (span_token(&rest, ',', &t))
		total += t.n + 1;
	if (total != n + 1)
		bug("tokens of %zu bytes add up to %zu", n, total);
	t = span_trim(s);
	if (t.n && (t.p < s.p || t.p + t.n > s.p + s.n))
		bug("trimmed out of bounds");
	if (n % 2 == 0 && n <= 64) {
		unsigned char raw[32];
		hex_decode(s, raw);
	}
	free(text);
	return 0;
}
