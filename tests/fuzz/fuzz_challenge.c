/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_challenge.c - WWW-Authenticate values end, and take what they are given */
#include "registry/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span rest = {(const char *)data, n};
	struct auth_challenge c;
	size_t before = n;

	while (auth_challenge_next(&rest, &c)) {
		if (rest.n >= before)
			bug("%zu bytes left of %zu", rest.n, before);
		before = rest.n;
		auth_challenge_release(&c);
	}
	auth_challenge_release(&c);
	return 0;
}
