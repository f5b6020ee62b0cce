/* SPDX-License-Identifier: MIT */
/*
 * core/image/platform.c - "linux/arm64/v8": parse it, and tell whether an image runs on it
 *
 * Theory of operation
 *   Names are normalised as containerd's platforms package documents it: x86_64 is amd64, aarch64
 *   arm64, armhf arm/v7; the variant that an architecture has by default (amd64 v1, arm64 v8) is
 *   left out where that package leaves it out.  A newer variant runs what is made for an older one.
 */
#include "image/image.h"

#include <stdio.h>
#include <sys/utsname.h>

static void put(char out[16], struct span s)
{
	snprintf(out, 16, "%.*s", (int)s.n, s.p);
}

static const struct {
	const char *name, *arch, *variant;
} archs[] = {
	{"i386", "386", ""}, {"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""},
	{"armhf", "arm", "v7"}, {"armel", "arm", "v6"},
};

static const char *const known_archs[] = {
	"386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "wasm", NULL,
};

static const char *const known_oses[] = {"linux", "windows", "darwin", "freebsd", "wasip1", NULL};

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

static void normalise(struct platform *p)
{
	size_t i;

	lower(p->os);
	lower(p->arch);
	lower(p->variant);
	if (!strcmp(p->os, "macos"))
		put(p->os, SPAN("darwin"));
	for (i = 0; i < ARRAY_SIZE(archs); i++) {
		if (strcmp(p->arch, archs[i].name))
			continue;
		put(p->arch, span_of(archs[i].arch));
		if (*archs[i].variant)
			put(p->variant, span_of(archs[i].variant));
	}
	if (!strcmp(p->arch, "amd64") && !strcmp(p->variant, "v1"))
		*p->variant = 0;
	if (!strcmp(p->arch, "arm64") && (!strcmp(p->variant, "8") || !strcmp(p->variant, "v8")))
		*p->variant = 0;
	if (!strcmp(p->arch, "arm") && p->variant[0] >= '5' && p->variant[0] <= '8' && !p->variant[1])
		snprintf(p->variant, sizeof(p->variant), "v%c", p->variant[0]);
}

void platform_host(struct platform *p)
{
	struct utsname u;

	*p = (struct platform){.os = "linux"};
	if (uname(&u))
		return;
	put(p->arch, span_of(u.machine));
	if (!strncmp(u.machine, "armv", 4)) {
		snprintf(p->arch, sizeof(p->arch), "arm");
		snprintf(p->variant, sizeof(p->variant), "v%c", u.machine[4]);
	}
	normalise(p);
}

void platform_cpu_level(struct platform *p)
{
#if defined(__x86_64__)
	const char *level = "";

	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
		__builtin_cpu_supports("popcnt"))
		level = "v2";
	if (*level && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"))
		level = "v3";
	if (level[0] && level[1] == '3' && __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		level = "v4";
	if (!strcmp(p->arch, "amd64") && !*p->variant)
		snprintf(p->variant, sizeof(p->variant), "%s", level);
#endif
}

static bool word_ok(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", s.p[i]) ||
			!s.p[i])
			return false;
	return s.n && s.n < sizeof(((struct platform *)0)->os);
}

/* A lone word: an operating system, with our architecture, or an architecture, of linux. */
static int from_word(const char *text, struct platform *p, struct err *e)
{
	struct platform host;

	platform_host(&host);
	normalise(p);
	if (str_in(p->os, known_oses)) {
		put(p->arch, span_of(host.arch));
		put(p->variant, span_of(strcmp(host.arch, "arm") ? "" : host.variant));
		return 0;
	}
	*p = (struct platform){.os = "linux"};
	put(p->arch, span_of(text));
	normalise(p);
	if (str_in(p->arch, known_archs))
		return 0;
	return err_kind(e, ERR_INVALID, "\"%s\": unknown operating system or architecture: invalid argument",
		text);
}

int platform_parse(const char *text, struct platform *p, struct err *e)
{
	struct span rest = span_of(text), part;
	char *const fields[] = {p->os, p->arch, p->variant};
	size_t n = 0;

	if (!text || !*text) {
		platform_host(p);
		return 0;
	}
	*p = (struct platform){0};
	while (span_token(&rest, '/', &part)) {
		if (n == ARRAY_SIZE(fields))
			return err_kind(e, ERR_INVALID, "\"%s\": cannot parse platform specifier: invalid argument",
				text);
		if (!word_ok(part))
			return err_kind(e, ERR_INVALID,
				"\"%.*s\" is an invalid component of \"%s\": platform specifier component must "
				"match \"^[A-Za-z0-9_.-]+$\": invalid argument", (int)part.n, part.p, text);
		put(fields[n++], part);
	}
	if (n == 1)
		return from_word(text, p, e);
	normalise(p);
	if (n == 3 && !strcmp(p->arch, "arm64") && !*p->variant)
		put(p->variant, SPAN("v8"));
	return 0;
}

/* "v7" -> 7; what an architecture has without saying so. */
static int version(const struct platform *p)
{
	if (p->variant[0] == 'v' && p->variant[1] >= '0' && p->variant[1] <= '9' && !p->variant[2])
		return p->variant[1] - '0';
	if (*p->variant)
		return -1;
	return !strcmp(p->arch, "arm64") ? 8 : !strcmp(p->arch, "arm") ? 7 : 1;
}

int platform_rank(const struct platform *want_in, const struct platform *have_in)
{
	struct platform want = *want_in, have = *have_in;
	int w, h;

	normalise(&want);
	normalise(&have);
	if (strcmp(want.os, have.os))
		return -1;
	if (!strcmp(want.arch, "amd64") && !strcmp(have.arch, "386"))
		return 100;
	if (!strcmp(want.arch, "arm64") && !strcmp(have.arch, "arm"))
		return version(&have) < 0 ? -1 : 100 - version(&have);
	if (strcmp(want.arch, have.arch))
		return -1;
	if (!strcmp(want.variant, have.variant))
		return 0;
	w = version(&want);
	h = version(&have);
	if (w < 0 || h < 0)
		return -1;
	return h > w ? -1 : w - h;
}

char *platform_format(const struct platform *p)
{
	return xasprintf("%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "", p->variant);
}
