/* SPDX-License-Identifier: MIT */
/* tests/unit/test_dockerignore.c - what a .dockerignore leaves out; tests/lib/build_contexts.py compares more */
#include "unit.h"

#include "image/dockerignore.h"

#include <stdlib.h>

TEST(matches)
{
	static const struct {
		const char *text, *path;
		bool ignored;
	} cases[] = {
		{"", "a", false}, {"a", "a", true}, {"a", "a/b", true}, {"a", "ab", false}, {"a", "b/a", false},
		{"# a\na", "# a", false}, {" a ", "a", true}, {"/a/", "a", true}, {"./b/../a", "a", true}, {"\xef\xbb\xbf" "a", "a", true},
		{"a\r\nb", "a", true}, {"*.md", "x.md", true}, {"*.md", "d/x.md", false}, {"**/*.md", "d/e/x.md", true},
		{"**/*.md", "x.md", true}, {"**foo", "a/xfoo", true}, {"**f*o", "a/xfoo", false}, {"**f*o", "a/foo", true},
		{"a**", "abc/d", true}, {"a/**", "a", false}, {"a/**", "a/b/c", true}, {"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/xb", false}, {"**", "x/y", true}, {"*", "x/y", true},
		{"a?c", "abc", true}, {"a?c", "a/c", false}, {"a?c", "a\xc3\xbc" "c", true}, {"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false}, {"[^a-c]x", "dx", true}, {"\\*", "*", true}, {"\\*", "a", false}, {"[\\]]", "]", true},
		{"a\n!a", "a", false}, {"a\n!a\na", "a", true}, {"*\n!d/keep", "d/keep", false}, {"*\n!d", "d/x", false},
		{"!a", "a", false}, {"a", "", false}, {"*/*", "a", false}, {"*/*", "a/b", true},
	};
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ignore *g = ignore_parse(span_of(cases[i].text), &e);

		CHECK(g);
		if (ignore_matches(g, cases[i].path) != cases[i].ignored)
			unit_fail(__FILE__, __LINE__, "pattern \"%s\", path \"%s\"", cases[i].text, cases[i].path);
		ignore_free(g);
	}
}

TEST(refused)
{
	static const char *const bad[] = {"[", "a[b", "[]", "[^]", "[b-a]", "[a-", "a\\", "!"};
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!ignore_parse(span_of(bad[i]), &e));
	CHECK_STR(e.msg, "illegal exclusion pattern: \"!\"");
}

/* A directory's verdict is taken over by what is in it; another directory's is not. */
TEST(walk)
{
	struct err e = ERR_INIT;
	struct ignore *g = ignore_parse(span_of("**/*.md\n!docs\nout\n!out/in/kept"), &e);

	CHECK(g);
	CHECK(!ignore_walk(g, "docs", true));
	CHECK(ignore_walk(g, "docs/a.md", false)); /* the exception did not concern docs when it was judged */
	CHECK(!ignore_matches(g, "docs/a.md"));
	CHECK(ignore_walk(g, "out", true));
	CHECK(ignore_reaches_into(g, "out"));
	CHECK(ignore_walk(g, "out/in", true));
	CHECK(ignore_reaches_into(g, "out/in"));
	CHECK(!ignore_walk(g, "out/in/kept", false));
	CHECK(ignore_walk(g, "out/in2", true));
	CHECK(!ignore_reaches_into(g, "out/in2"));
	CHECK(!ignore_walk(g, "outer", false));
	CHECK(!ignore_add(g, "!docs/*.md", &e));
	CHECK(!ignore_matches(g, "docs/a.md"));
	ignore_free(g);
}

/* Time grows with the pattern's length times the path's, not beyond. */
TEST(many_ways)
{
	struct buf pattern = BUF_INIT, path = BUF_INIT;
	struct err e = ERR_INIT;
	struct ignore *g;
	int i;

	for (i = 0; i < 200; i++) {
		buf_adds(&pattern, "a*/**/");
		buf_adds(&path, "aaaaaaaa/");
	}
	buf_adds(&pattern, "b");
	buf_adds(&path, "c");
	g = ignore_parse((struct span){pattern.p, pattern.n}, &e);
	CHECK(g);
	CHECK(!ignore_matches(g, path.p));
	path.p[path.n - 1] = 'b';
	CHECK(ignore_matches(g, path.p));
	ignore_free(g);
	buf_release(&pattern);
	buf_release(&path);
}
