/* SPDX-License-Identifier: MIT */
/*
 * core/base/sha256.h - SHA-256, with the CPU's instructions where it has them
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/str.h"

#define SHA256_LEN 32
#define DIGEST_MAX 72 /* "sha256:" and 64 digits and a NUL, with room */

struct sha256 {
	uint32_t state[8];
	uint64_t total; /* bytes hashed */
	unsigned char block[64];
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *p, size_t n);
void sha256_final(struct sha256 *h, unsigned char out[SHA256_LEN]);

/* The digest as OCI writes it: "sha256:<64 hex>". */
void sha256_digest(struct sha256 *h, char out[DIGEST_MAX]);
void sha256_digest_of(const void *p, size_t n, char out[DIGEST_MAX]);
/* Is it "sha256:" and 64 lower-case digits, nothing else?  Anything that becomes a file name is. */
bool digest_ok(const char *digest);
/* The digits behind "sha256:"; of a valid digest only. */
const char *digest_hex(const char *digest);

#endif
