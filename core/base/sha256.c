/* SPDX-License-Identifier: MIT */
/*
 * core/base/sha256.c - SHA-256, with the CPU's instructions where it has them
 *
 * Theory of operation
 *   One compression function is chosen at the first use: the x86 SHA extensions (1.6 GB/s and
 *   more) when cpuid says they are there, else BearSSL's portable rounds (0.23 GB/s).  Both work
 *   on the same state words, so the rest does not know which one runs.
 */
#include "base/sha256.h"

#include <bearssl.h>
#if defined(__x86_64__)
#include <immintrin.h>
#include <cpuid.h>
#endif

static const uint32_t initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static void store_be32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

/* BearSSL exposes a state as bytes plus a count of whole blocks (br_sha256_set_state). */
static void blocks_portable(uint32_t state[8], const unsigned char *p, size_t count)
{
	unsigned char bytes[32];
	br_sha256_context ctx;
	int i;

	for (i = 0; i < 8; i++)
		store_be32(bytes + 4 * i, state[i]);
	br_sha256_init(&ctx);
	br_sha256_set_state(&ctx, bytes, 0);
	br_sha256_update(&ctx, p, count * 64);
	br_sha256_state(&ctx, bytes);
	for (i = 0; i < 8; i++)
		state[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
			   (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
}

#if defined(__x86_64__)
static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* FIPS 180-4 by Intel's SHA extensions: sha256rnds2 does two rounds on the state split as ABEF
 * and CDGH; sha256msg1/msg2 extend the message schedule four words at a time. */
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_shani(uint32_t state[8],
	const unsigned char *p, size_t count)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	__m128i dcba, hgfe, abef, cdgh, abef_in, cdgh_in, w[4], t;
	int i;

	dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
	hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
	t = _mm_shuffle_epi32(dcba, 0xb1);    /* CDAB */
	hgfe = _mm_shuffle_epi32(hgfe, 0x1b); /* EFGH */
	abef = _mm_alignr_epi8(t, hgfe, 8);
	cdgh = _mm_blend_epi16(hgfe, t, 0xf0);

	for (; count; count--, p += 64) {
		abef_in = abef;
		cdgh_in = cdgh;
		for (i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), swap);
#pragma GCC unroll 16
		for (i = 0; i < 16; i++) {
			t = _mm_add_epi32(w[i & 3],
				_mm_loadu_si128((const __m128i *)(const void *)(round_constants + 4 * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, t);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(t, 0x0e));
			if (i < 12) { /* words 16 + 4i … 19 + 4i replace the four just used */
				t = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
				w[i & 3] = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
				w[i & 3] = _mm_add_epi32(w[i & 3], t);
				w[i & 3] = _mm_sha256msg2_epu32(w[i & 3], w[(i + 3) & 3]);
			}
		}
		abef = _mm_add_epi32(abef, abef_in);
		cdgh = _mm_add_epi32(cdgh, cdgh_in);
	}
	t = _mm_shuffle_epi32(abef, 0x1b);    /* FEBA */
	cdgh = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
	dcba = _mm_blend_epi16(t, cdgh, 0xf0);
	hgfe = _mm_alignr_epi8(cdgh, t, 8);
	_mm_storeu_si128((__m128i *)(void *)state, dcba);
	_mm_storeu_si128((__m128i *)(void *)(state + 4), hgfe);
}

static bool has_shani(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}
#endif

static void blocks(uint32_t state[8], const unsigned char *p, size_t count)
{
	static void (*_Atomic chosen)(uint32_t *, const unsigned char *, size_t);
	void (*fn)(uint32_t *, const unsigned char *, size_t) = chosen;

	if (!fn) {
		fn = blocks_portable;
#if defined(__x86_64__)
		if (has_shani())
			fn = blocks_shani;
#endif
		chosen = fn;
	}
	fn(state, p, count);
}

void sha256_init(struct sha256 *h)
{
	memcpy(h->state, initial, sizeof(initial));
	h->total = 0;
}

void sha256_update(struct sha256 *h, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t used = h->total % 64, take;

	h->total += n;
	if (used) {
		take = n < 64 - used ? n : 64 - used;
		memcpy(h->block + used, p, take);
		p += take;
		n -= take;
		if (used + take < 64)
			return;
		blocks(h->state, h->block, 1);
	}
	if (n >= 64)
		blocks(h->state, p, n / 64);
	if (n % 64)
		memcpy(h->block, p + n / 64 * 64, n % 64);
}

void sha256_final(struct sha256 *h, unsigned char out[SHA256_LEN])
{
	unsigned char pad[128] = {0x80};
	uint64_t bits = h->total * 8;
	size_t n = (h->total % 64 < 56 ? 56 : 120) - h->total % 64;
	int i;

	for (i = 0; i < 8; i++)
		pad[n + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_update(h, pad, n + 8);
	for (i = 0; i < 8; i++)
		store_be32(out + 4 * i, h->state[i]);
}

void sha256_digest(struct sha256 *h, char out[DIGEST_MAX])
{
	unsigned char raw[SHA256_LEN];

	sha256_final(h, raw);
	memcpy(out, "sha256:", 7);
	hex_encode(raw, sizeof(raw), out + 7);
}

void sha256_digest_of(const void *p, size_t n, char out[DIGEST_MAX])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, p, n);
	sha256_digest(&h, out);
}

bool digest_ok(const char *digest)
{
	return !strncmp(digest, "sha256:", 7) && is_hex64(digest + 7);
}

const char *digest_hex(const char *digest)
{
	return digest + 7;
}
