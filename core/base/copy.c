/* SPDX-License-Identifier: MIT */
/*
 * core/base/copy.c - memcpy() and memmove() that are quick for a few bytes
 *
 * Theory of operation
 *   musl's memcpy() for x86-64 is one "rep movsq".  That is right for pages and wrong for words: without FSRM (Intel
 *   before Ice Lake, AMD before Zen 4) the instruction takes some 30 cycles to begin, and what an engine copies is
 *   mostly keys and values of JSON, below 32 bytes.  In lists of containers it was the first in the profile.  The
 *   linker takes these instead, for jansson and for musl's own printf() as well.
 *
 *   Up to 16 bytes are two loads and two stores that may overlap in the middle.  All loads come before the stores
 *   that could change what they read, so the same serves memmove().
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(__GLIBC__) /* sanitizers, which need glibc, have their own */

#define REP_MIN 2048 /* from here on the instruction's start does not count */

typedef long long block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word8 __attribute__((aligned(1), may_alias));
typedef uint32_t word4 __attribute__((aligned(1), may_alias));
typedef uint16_t word2 __attribute__((aligned(1), may_alias));

/* Loops stay loops, and are not made calls of what they are in. */
#define AS_WRITTEN __attribute__((optimize("no-tree-loop-distribute-patterns")))

/* The first and the last @type of the text, which together are all of it. */
#define ENDS(type) do { \
		type first_ = *(const type *)s, last_ = *(const type *)(s + n - sizeof(type)); \
		*(type *)d = first_; \
		*(type *)(d + n - sizeof(type)) = last_; \
	} while (0)

static inline void copy_small(unsigned char *d, const unsigned char *s, size_t n)
{
	if (n >= 8)
		ENDS(word8);
	else if (n >= 4)
		ENDS(word4);
	else if (n >= 2)
		ENDS(word2);
	else if (n)
		*d = *s;
}

/* From the first byte on: right if @d is not within @s. */
AS_WRITTEN static inline void copy_up(unsigned char *d, const unsigned char *s, size_t n)
{
	block last;

	if (n <= 16) {
		copy_small(d, s, n);
	} else if (n >= REP_MIN) {
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	} else {
		last = *(const block *)(s + n - 16);
		for (; n > 16; n -= 16, s += 16, d += 16)
			*(block *)d = *(const block *)s;
		*(block *)(d + n - 16) = last;
	}
}

AS_WRITTEN static inline void copy_down(unsigned char *d, const unsigned char *s, size_t n)
{
	block first;

	if (n <= 16) {
		copy_small(d, s, n);
		return;
	}
	first = *(const block *)s;
	for (; n > 16; n -= 16)
		*(block *)(d + n - 16) = *(const block *)(s + n - 16);
	*(block *)d = first;
}

AS_WRITTEN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	copy_up(to, from, n);
	return to;
}

AS_WRITTEN void *memmove(void *to, const void *from, size_t n)
{
	if ((uintptr_t)to - (uintptr_t)from >= n)
		copy_up(to, from, n);
	else
		copy_down(to, from, n);
	return to;
}

#endif
