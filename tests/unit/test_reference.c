/* SPDX-License-Identifier: MIT */
/* tests/unit/test_reference.c - image names are read as the real engine reads them */
#include "unit.h"

#include "image/image.h"

#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A64 A32 A32
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50

static const char bad[] = "invalid reference format";

/* The name as typed, then as stored and as shown; or the message that refuses it. */
static const struct {
	const char *text, *canonical, *familiar, *error;
} cases[] = {
	{"busybox", "docker.io/library/busybox", "busybox"},
	{"busybox:1", "docker.io/library/busybox:1", "busybox:1"},
	{"a/b", "docker.io/a/b", "a/b"},
	{"library/x", "docker.io/library/x", "x"},
	{"docker.io/busybox", "docker.io/library/busybox", "busybox"},
	{"docker.io/library/busybox", "docker.io/library/busybox", "busybox"},
	{"index.docker.io/busybox", "docker.io/library/busybox", "busybox"},
	{"index.docker.io/a/b", "docker.io/a/b", "a/b"},
	{"docker.io/x/y/z", "docker.io/x/y/z", "x/y/z"},
	{"docker.io/library/y/z", "docker.io/library/y/z", "library/y/z"},
	{"docker.io/a.b/c", "docker.io/a.b/c", "docker.io/a.b/c"},
	{"docker.io/" A64, "docker.io/library/" A64, "library/" A64},
	{"docker.io", "docker.io/library/docker.io", "docker.io"},
	{"localhost/x", "localhost/x", "localhost/x"},
	{"localhost:5000/x", "localhost:5000/x", "localhost:5000/x"},
	{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
	{"Host/b:1", "Host/b:1", "Host/b:1"},
	{"X.com/foo", "X.com/foo", "X.com/foo"},
	{"1.2.3.4:80/x:y", "1.2.3.4:80/x:y", "1.2.3.4:80/x:y"},
	{"foo.com:99999/x", "foo.com:99999/x", "foo.com:99999/x"},
	{"[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"},
	{"[::1]/x:1", "[::1]/x:1", "[::1]/x:1"},
	{"a--b", "docker.io/library/a--b", "a--b"},
	{"a__b", "docker.io/library/a__b", "a__b"},
	{"a_b.c", "docker.io/library/a_b.c", "a_b.c"},
	{"a:" X128, "docker.io/library/a:" X128, "a:" X128},
	{"a@sha256:" A64, "docker.io/library/a@sha256:" A64, "a@sha256:" A64},
	{"a:1@sha256:" A64, "docker.io/library/a:1@sha256:" A64, "a:1@sha256:" A64},
	{"h.io:1/a@sha512:" A64 A64, "h.io:1/a@sha512:" A64 A64, "h.io:1/a@sha512:" A64 A64},
	{A64 "/x", "docker.io/" A64 "/x", A64 "/x"},
	{A64 ":1", "docker.io/library/" A64 ":1", "library/" A64 ":1"},
	{"h.com/" X250 "xxxxx", "h.com/" X250 "xxxxx", "h.com/" X250 "xxxxx"},

	{"BUSYBOX", .error = "invalid reference format: repository name (library/BUSYBOX) must be lowercase"},
	{"a/B:1", .error = "invalid reference format: repository name (a/B) must be lowercase"},
	{"x.com/Foo", .error = "invalid reference format: repository name (Foo) must be lowercase"},
	{A64, .error = "invalid repository name (" A64 "), cannot specify 64-byte hexadecimal strings"},
	{X250 "xxxxx", .error = "repository name must not be more than 255 characters"},
	{"h.com/" X250 "xxxxxx", .error = "repository name must not be more than 255 characters"},
	{"a@sha256:" A32 "A" A32, .error = "invalid checksum digest length"},
	{"a@sha256:" A32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", .error = "invalid checksum digest format"},
	{"a@sha512:" A64, .error = "invalid checksum digest length"},
	{"a@md5:" A32, .error = "unsupported digest algorithm"},
	{"a@a+b:" A32, .error = "unsupported digest algorithm"},
	{"a@sha256:abc", .error = bad}, {"a@sha256:", .error = bad}, {"a@", .error = bad},
	{"a@b", .error = bad}, {"a:1@", .error = bad}, {"a@+a:" A32, .error = bad},
	{"", .error = bad}, {"/", .error = bad}, {"/a", .error = bad}, {"a/", .error = bad},
	{"a//b", .error = bad}, {"docker.io/", .error = bad}, {"http://x/y", .error = bad},
	{"a..b", .error = bad}, {"a___b", .error = bad}, {"a._b", .error = bad}, {"x_-y", .error = bad},
	{"-a", .error = bad}, {"a-", .error = bad}, {".a", .error = bad}, {"a.", .error = bad},
	{"a/.b", .error = bad}, {"a/../b", .error = bad}, {"a b", .error = bad}, {"a\n", .error = bad},
	{"\xc3\xa4", .error = bad}, {"a:", .error = bad}, {"a:-x", .error = bad}, {"a:" X128 "x", .error = bad},
	{"a:b:c", .error = bad}, {"a:b/c", .error = bad}, {"host:port/x", .error = bad},
	{"host:/x", .error = bad}, {":80/x", .error = bad}, {"-h.com/x", .error = bad},
	{"h-.com/x", .error = bad}, {"h..com/x", .error = bad}, {"[::1/x", .error = bad},
	{"[]/x", .error = bad}, {"[fe80::1%eth0]/x", .error = bad}, {"[::1]x/y", .error = bad},
};

TEST(names_and_refusals)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct imgref r;
		char *s;

		if (imgref_parse(cases[i].text, &r, &e)) {
			CHECK_STR(cases[i].error ? e.msg : cases[i].text, cases[i].error);
			CHECK_INT(e.kind, ERR_INVALID);
			continue;
		}
		CHECK_STR(s = imgref_canonical(&r), cases[i].canonical);
		free(s);
		CHECK_STR(s = imgref_familiar(&r), cases[i].familiar);
		free(s);
		imgref_release(&r);
	}
}

/* What is shown can be typed again, and means the same. */
TEST(familiar_names_come_back)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases) && !cases[i].error; i++) {
		struct err e = ERR_INIT;
		struct imgref r;
		char *s;

		NEED(CHECK_OK(e, imgref_parse(cases[i].familiar, &r, &e)));
		CHECK_STR(s = imgref_canonical(&r), cases[i].canonical);
		free(s);
		imgref_release(&r);
	}
}

TEST(default_tags)
{
	static const struct {
		const char *text, *want;
	} tags[] = {
		{"a", "a:latest"}, {"a:1", "a:1"}, {"a@sha256:" A64, "a@sha256:" A64},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		struct err e = ERR_INIT;
		struct imgref r;
		char *s;

		NEED(CHECK_OK(e, imgref_parse(tags[i].text, &r, &e)));
		imgref_default_tag(&r);
		CHECK_STR(s = imgref_familiar(&r), tags[i].want);
		free(s);
		imgref_release(&r);
	}
}

TEST(tags_and_digests_put_in_later)
{
	struct err e = ERR_INIT;
	struct imgref r;
	char *s;

	NEED(CHECK_OK(e, imgref_parse("a/b:1", &r, &e)));
	CHECK(imgref_set_tag(&r, "-x", &e) < 0);
	CHECK_STR(e.msg, "invalid tag format");
	CHECK(imgref_set_tag_or_digest(&r, "a b", &e) < 0);
	CHECK(imgref_set_tag_or_digest(&r, "sha256:abc", &e) < 0);
	CHECK_OK(e, imgref_set_tag_or_digest(&r, "2", &e));
	CHECK_STR(s = imgref_familiar(&r), "a/b:2");
	free(s);
	CHECK_OK(e, imgref_set_tag_or_digest(&r, "sha256:" A64, &e));
	CHECK_STR(s = imgref_familiar(&r), "a/b@sha256:" A64);
	free(s);
	imgref_release(&r);
}

TEST(nothing_is_read_past_the_end)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct imgref r;

		if (!imgref_parse(guarded(cases[i].text, strlen(cases[i].text) + 1), &r, &e))
			imgref_release(&r);
	}
}
