/* SPDX-License-Identifier: MIT */
/* tests/unit/test_docker_copy.c - docker cp: what becomes of which pair of paths */
#include "unit.h"

#include "docker/copy_path.h"

#include <stdlib.h>

TEST(split)
{
	static const struct {
		const char *path, *dir, *base;
	} cases[] = {
		{"/a/b", "/a", "b"}, {"/a/b/", "/a", "b"}, {"/a/b/.", "/a/b", "."}, {"/a", "/", "a"}, {"/", "/", "/"},
		{"/.", "/", "."}, {"a", ".", "a"}, {"a/b", "a", "b"}, {".", ".", "."}, {"/a/../b", "/", "b"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char *dir, *base;

		copy_split(cases[i].path, &dir, &base);
		CHECK_STR(dir, cases[i].dir);
		CHECK_STR(base, cases[i].base);
		free(dir);
		free(base);
	}
}

TEST(keep_tail)
{
	static const struct {
		const char *path, *original, *want;
	} cases[] = {
		{"/w/a", "a", "/w/a"}, {"/w/a/", "a/", "/w/a/"}, {"/w/a/.", "a/.", "/w/a/."}, {"/w/.", ".", "/w/."},
		{"/", "/", "/"}, {"/.", "/.", "/."},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char *got = copy_keep_tail(cases[i].path, cases[i].original);

		CHECK_STR(got, cases[i].want);
		free(got);
	}
}

/* Source, destination, and either where the archive is unpacked with its top renamed, or the complaint. */
TEST(plan)
{
	enum { NO, FILE_, DIR_ };
	static const struct {
		const char *source;
		int kind;
		const char *renamed, *destination;
		int there;
		const char *dir, *from, *to, *error;
	} cases[] = {
		{"/s/f", FILE_, NULL, "/d", DIR_, "/d", "f", "f", NULL},
		{"/s/f", FILE_, NULL, "/d/g", FILE_, "/d", "f", "g", NULL},
		{"/s/f", FILE_, NULL, "/d/g", NO, "/d", "f", "g", NULL},
		{"/s/f", FILE_, NULL, "/d/g/", NO, NULL, NULL, NULL, "no such directory"},
		{"/s/f", FILE_, NULL, "", NO, NULL, NULL, NULL, "no such directory"},
		{"/s/f", FILE_, "link", "/d", DIR_, "/d", "link", "link", NULL},
		{"/s/t", DIR_, NULL, "/d", DIR_, "/d", "t", "t", NULL},
		{"/s/t/.", DIR_, NULL, "/d/.", DIR_, "/d", ".", ".", NULL},
		{"/s/t", DIR_, NULL, "/d/new", NO, "/d", "t", "new", NULL},
		{"/s/t/.", DIR_, NULL, "/d/new/", NO, "/d", ".", "new", NULL},
		{"/s/t", DIR_, NULL, "/d/f", FILE_, NULL, NULL, NULL, "cannot copy directory"},
		{"/", DIR_, NULL, "/d/new", NO, "/d", "/", "new", NULL},
	};
	struct copy_plan plan;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct copy_end from = {.path = (char *)(uintptr_t)cases[i].source, .exists = true,
			.is_dir = cases[i].kind == DIR_, .renamed = cases[i].renamed};
		struct copy_end to = {.path = (char *)(uintptr_t)cases[i].destination,
			.exists = cases[i].there != NO, .is_dir = cases[i].there == DIR_};
		struct err e = ERR_INIT;

		if (cases[i].error) {
			CHECK_INT(copy_plan(&from, &to, &plan, &e), -1);
			CHECK_STR(e.msg, cases[i].error);
		} else {
			CHECK_INT(copy_plan(&from, &to, &plan, &e), 0);
			CHECK_STR(plan.dir, cases[i].dir);
			CHECK_STR(plan.from, cases[i].from);
			CHECK_STR(plan.to, cases[i].to);
		}
		copy_plan_release(&plan);
	}
}
