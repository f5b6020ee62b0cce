/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_sha256.c - known answers, every way of cutting the input, and BearSSL's word */
#include "unit.h"

#include "base/sha256.h"

#include <bearssl_hash.h>

static void digest_is(const char *text, const char *want)
{
	char d[DIGEST_MAX];

	sha256_digest_of(guarded_str(text), strlen(text), d);
	CHECK_STR(d, want);
}

TEST(known_answers)
{
	char d[DIGEST_MAX], *million = malloc(1000000);

	digest_is("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_is("abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', 1000000);
	sha256_digest_of(million, 1000000, d);
	CHECK_STR(d, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

TEST(agrees_with_another_implementation_however_it_is_cut)
{
	unsigned char data[300], want[32], got[32];
	struct sha256 h;
	size_t n, cut;

	random_bytes(data, sizeof(data));
	for (n = 0; n <= sizeof(data); n++) {
		br_sha256_context c;
		const unsigned char *in = (const unsigned char *)guarded(data, n);

		br_sha256_init(&c);
		br_sha256_update(&c, in, n);
		br_sha256_out(&c, want);
		for (cut = 0; cut <= n; cut += n < 140 ? 1 : 37) {
			sha256_init(&h);
			sha256_update(&h, in, cut);
			sha256_update(&h, in + cut, n - cut);
			sha256_final(&h, got);
			if (!CHECK(memcmp(want, got, 32) == 0))
				return;
		}
		munmap((void *)((uintptr_t)in & ~(uintptr_t)4095), 8192);
	}
}

TEST(digest_syntax_is_strict)
{
	char good[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

	CHECK(digest_ok(good));
	CHECK_STR(digest_hex(good), good + 7);
	good[10] = 'A';
	CHECK(!digest_ok(good));
	good[10] = '/';
	CHECK(!digest_ok(good));
	CHECK(!digest_ok("sha256:"));
	CHECK(!digest_ok(""));
	CHECK(!digest_ok("sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
	CHECK(!digest_ok("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550"));
	CHECK(!digest_ok("sha256:../../../../etc/passwd"));
}
