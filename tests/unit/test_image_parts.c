/* SPDX-License-Identifier: MIT */
/* tests/unit/test_image_parts.c - patterns, filters, platforms, progress bars */
#include "unit.h"

#include "base/clock.h"
#include "image/table.h"
#include "image/worker_lines.h"

TEST(patterns_match_as_path_match_does)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{"abc", "abc", true}, {"*", "abc", true}, {"*c", "abc", true}, {"a*", "a", true},
		{"a*", "abc", true}, {"a*", "ab/c", false}, {"a*/b", "abc/b", true}, {"a*/b", "a/c/b", false},
		{"a*b*c*d*e*/f", "axbxcxdxe/f", true}, {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
		{"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false}, {"a*b?c*x", "abxbbxdbxebxczzx", true},
		{"a*b?c*x", "abxbbxdbxebxczzy", false}, {"ab[c]", "abc", true}, {"ab[b-d]", "abc", true},
		{"ab[e-g]", "abc", false}, {"ab[^c]", "abc", false}, {"ab[^e-g]", "abc", true},
		{"a\\*b", "a*b", true}, {"a\\*b", "ab", false}, {"a?b", "a/b", false}, {"a*b", "a/b", false},
		{"[\\]a]", "]", true}, {"[\\-]", "-", true}, {"[x\\-]", "x", true}, {"[x\\-]", "z", false},
		{"*x", "xxx", true}, {"", "", true}, {"", "a", false}, {"**", "ab", true}, {"?", "", false},
		{"golden/*:1", "golden/base:1", true}, {"*/*", "golden/base:1", true},
		{"*:latest", "golden/x:latest", false}, {"[", "a", false}, {"a[", "a", false}, {"a\\", "a", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (image_glob(guarded(cases[i].pattern, strlen(cases[i].pattern) + 1),
			    guarded(cases[i].name, strlen(cases[i].name) + 1)) != cases[i].match)
			unit_fail(__FILE__, __LINE__, "'%s' and '%s'", cases[i].pattern, cases[i].name);
}

/* Many stars cost time in proportion, not exponentially. */
TEST(patterns_are_cheap)
{
	char name[4096], pattern[4096];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + 4000, "b", 2);
	CHECK(!image_glob(pattern, name));
}

static json_t *filter(const char *key, const char *a, const char *b)
{
	json_t *values = json_array(), *j = json_object();

	if (a)
		json_append_str(values, a);
	if (b)
		json_append_str(values, b);
	json_set_new(j, key, values);
	return j;
}

TEST(boolean_filters)
{
	static const struct {
		const char *a, *b, *error;
		bool value;
	} cases[] = {
		{"true", NULL, NULL, true}, {"1", NULL, NULL, true}, {"false", NULL, NULL, false},
		{"0", NULL, NULL, false}, {"TRUE", NULL, "invalid filter 'dangling=[TRUE]'"},
		{"true", "false", "invalid filter 'dangling=[true false]'"}, {NULL, NULL, "invalid filter 'dangling'"},
	};
	struct err e = ERR_INIT;
	bool v;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *f = filter("dangling", cases[i].a, cases[i].b);

		if (image_filter_bool(f, "dangling", true, &v, &e)) {
			CHECK_STR(e.msg, cases[i].error);
			CHECK_INT(e.kind, ERR_INVALID);
		} else {
			CHECK_STR(NULL, cases[i].error);
			CHECK_INT(v, cases[i].value);
		}
		json_decref(f);
	}
	CHECK_OK(e, image_filter_bool(NULL, "dangling", true, &v, &e));
	CHECK_INT(v, true);
}

TEST(time_filters)
{
	struct err e = ERR_INIT;
	int64_t ns, now = clock_real_ns();

	CHECK_OK(e, image_filter_time("1h", &ns, &e));
	CHECK(ns >= now - 3600 * NS_PER_S && ns < now - 3540 * NS_PER_S);
	CHECK_OK(e, image_filter_time("1700000000", &ns, &e));
	CHECK_INT(ns, 1700000000 * NS_PER_S);
	CHECK_OK(e, image_filter_time("2023-11-14T22:13:20Z", &ns, &e));
	CHECK_INT(ns, 1700000000 * NS_PER_S);
	CHECK(image_filter_time("soon", &ns, &e) < 0);
	CHECK_STR(e.msg, "failed to parse value as time or duration: \"soon\"");
	CHECK_INT(e.kind, ERR_FAILED);
}

TEST(label_filters)
{
	json_t *labels = json_pack("{s:s, s:s}", "a", "1", "b", ""), *f;
	static const struct {
		const char *x, *y;
		bool match;
	} cases[] = {
		{"a", NULL, true}, {"a=1", NULL, true}, {"a=2", NULL, false}, {"c", NULL, false}, {"b=", NULL, true},
		{"a", "b", true}, {"a", "c", false}, {"", NULL, false}, {"=", NULL, false}, {NULL, NULL, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f = filter("label", cases[i].x, cases[i].y);
		CHECK_INT(image_filter_labels(json_object_get(f, "label"), labels), cases[i].match);
		json_decref(f);
	}
	CHECK(image_filter_labels(NULL, NULL));
	json_decref(labels);
}

TEST(platforms_are_normalised)
{
	static const struct {
		const char *text, *want, *error;
	} cases[] = {
		{"linux/amd64", "linux/amd64"}, {"linux/x86_64", "linux/amd64"}, {"Linux/AMD64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"}, {"linux/aarch64", "linux/arm64"}, {"arm64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64/v8"}, {"linux/armhf", "linux/arm/v7"}, {"linux/arm/7", "linux/arm/v7"},
		{"linux/i386", "linux/386"}, {"windows/amd64", "windows/amd64"}, {"macos/arm64", "darwin/arm64"},
		{"foo", .error = "\"foo\": unknown operating system or architecture: invalid argument"},
		{"a/b/c/d", .error = "\"a/b/c/d\": cannot parse platform specifier: invalid argument"},
		{"linux/", .error = "\"\" is an invalid component of \"linux/\": platform specifier component must match "
			"\"^[A-Za-z0-9_.-]+$\": invalid argument"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct platform p;
		char *s;

		if (platform_parse(cases[i].text, &p, &e)) {
			CHECK_STR(e.msg, cases[i].error);
			continue;
		}
		CHECK_STR(s = platform_format(&p), cases[i].want);
		free(s);
	}
}

TEST(older_variants_run_on_newer_ones)
{
	static const struct {
		const char *want, *have;
		bool runs;
	} cases[] = {
		{"linux/amd64", "linux/amd64", true}, {"linux/amd64", "linux/386", true}, {"linux/386", "linux/amd64", false},
		{"linux/amd64/v3", "linux/amd64/v2", true}, {"linux/amd64", "linux/amd64/v2", false},
		{"linux/arm/v7", "linux/arm/v6", true}, {"linux/arm/v6", "linux/arm/v7", false},
		{"linux/arm64", "linux/arm64/v8", true}, {"linux/arm64", "linux/arm/v7", true},
		{"linux/amd64", "windows/amd64", false}, {"linux/amd64", "linux/arm64", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct platform want, have;

		NEED(!platform_parse(cases[i].want, &want, NULL) && !platform_parse(cases[i].have, &have, NULL));
		if ((platform_rank(&want, &have) >= 0) != cases[i].runs)
			unit_fail(__FILE__, __LINE__, "%s on %s", cases[i].have, cases[i].want);
	}
}

TEST(bars_are_those_of_the_cli)
{
	static const struct {
		int64_t current, total;
		const char *bar;
	} cases[] = {
		{32768, 2222080, "[>                                                  ]  32.77kB/2.222MB"},
		{2222080, 2222080, "[==================================================>]  2.222MB/2.222MB"},
		{3679, 10240, "[=================>                                 ]  3.679kB/10.24kB"},
		{512, 12017, "[==>                                                ]     512B/12.02kB"},
		{20480, 12017, "[==================================================>]  20.48kB"},
		{146, 146, "[==================================================>]     146B/146B"},
		{5000, 0, "     5kB"}, {0, 0, ""},
	};
	char bar[WORKER_BAR_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		worker_bar(cases[i].current, cases[i].total, bar);
		CHECK_STR(bar, cases[i].bar);
	}
}
