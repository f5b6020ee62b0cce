/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_deps.c - the libraries are the ones config.mk asks for, built as meant
 */
#include "unit.h"

#include "version.h"

#include <bearssl.h>
#include <errno.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <seccomp.h>
#include <zlib.h>

TEST(versions_are_the_pinned_ones)
{
	char want[64];

	snprintf(want, sizeof(want), "zlib %s", zlibVersion());
	CHECK(strstr(CORACLE_LIBRARIES, want));
	snprintf(want, sizeof(want), "libseccomp %u.%u.%u", seccomp_version()->major,
		seccomp_version()->minor, seccomp_version()->micro);
	CHECK(strstr(CORACLE_LIBRARIES, want));
	snprintf(want, sizeof(want), "jansson %s", jansson_version_str());
	CHECK(strstr(CORACLE_LIBRARIES, want));
}

TEST(seccomp_knows_new_calls_and_compiles_filters)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int pipefd[2];
	char bpf[64];

	NEED(ctx);
	CHECK(seccomp_syscall_resolve_name("fchmodat2") != __NR_SCMP_ERROR);
	CHECK(seccomp_syscall_resolve_name("no_such_call") == __NR_SCMP_ERROR);
	CHECK(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(reboot), 0) == 0);
	NEED(pipe2(pipefd, O_CLOEXEC) == 0);
	CHECK(seccomp_export_bpf(ctx, pipefd[1]) == 0);
	close(pipefd[1]);
	CHECK(read(pipefd[0], bpf, sizeof(bpf)) > 0);
	close(pipefd[0]);
	seccomp_release(ctx);
}

static char *nested(int depth)
{
	char *text = calloc(1, 2 * (size_t)depth + 1);

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	return text;
}

TEST(jansson_refuses_deep_nesting)
{
	char *ok = nested(250), *deep = nested(300);
	json_t *j = json_loads(ok, 0, NULL);

	CHECK(j);
	json_decref(j);
	CHECK(!json_loads(deep, 0, NULL));
	free(ok);
	free(deep);
}

TEST(jansson_counts_references_atomically)
{
	CHECK_INT(JSON_HAVE_ATOMIC_BUILTINS, 1);
}

TEST(zlib_round_trip_with_gzip_header)
{
	static const char text[] = "coracle coracle coracle coracle";
	unsigned char packed[128], back[128];
	z_stream out = { 0 }, in = { 0 };

	NEED(deflateInit2(&out, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	out.next_in = (const Bytef *)text;
	out.avail_in = sizeof(text);
	out.next_out = packed;
	out.avail_out = sizeof(packed);
	CHECK_INT(deflate(&out, Z_FINISH), Z_STREAM_END);
	NEED(inflateInit2(&in, 15 + 16) == Z_OK);
	in.next_in = packed;
	in.avail_in = (uInt)out.total_out;
	in.next_out = back;
	in.avail_out = sizeof(back);
	CHECK_INT(inflate(&in, Z_FINISH), Z_STREAM_END);
	CHECK_STR((const char *)back, text);
	deflateEnd(&out);
	inflateEnd(&in);
}

TEST(bearssl_sha256_and_random_seeder)
{
	static const unsigned char want[4] = { 0xba, 0x78, 0x16, 0xbf }; /* FIPS 180-2, "abc" */
	unsigned char got[32];
	br_sha256_context c;
	const char *name;

	br_sha256_init(&c);
	br_sha256_update(&c, "abc", 3);
	br_sha256_out(&c, got);
	CHECK(memcmp(got, want, sizeof(want)) == 0);
	CHECK(br_prng_seeder_system(&name) != NULL);
}

static void *thread_body(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

TEST(threads_work_statically)
{
	pthread_t t;
	int ran = 0;

	NEED(pthread_create(&t, NULL, thread_body, &ran) == 0);
	pthread_join(t, NULL);
	CHECK_INT(ran, 1);
}

TEST(kernel_headers_are_there)
{
	struct open_how how = { .resolve = RESOLVE_IN_ROOT };

	CHECK_INT(how.resolve, 0x10);
	CHECK_INT(SECCOMP_RET_KILL_PROCESS, 0x80000000);
}
