/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_token.c - answers of authorization servers become one header line, or an error */
#include "registry/auth.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	int64_t life_s = 0;
	char *value = auth_token_parse((struct span){(const char *)data, n}, &life_s, &e), *p;

	if (!value) {
		if (!*e.msg)
			bug("no token, and no reason");
		return 0;
	}
	for (p = value + strlen("Bearer "); *p; p++)
		if (*p <= ' ' || *p > '~')
			bug("a token with byte %d", *p);
	if (life_s < 1 || life_s > 86400)
		bug("a token for %lld s", (long long)life_s);
	free(value);
	return 0;
}
