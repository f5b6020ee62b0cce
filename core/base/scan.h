/* SPDX-License-Identifier: MIT */
/*
 * core/base/scan.h - text copied up to the first byte that needs more than copying
 *
 * Theory of operation
 *   Sixteen bytes at a time in the compiler's own vectors, so that there is one source for every
 *   architecture.  Which of the sixteen was the first is found in two 64-bit halves.  The end of a
 *   text is covered by a block that overlaps the one before, as that is plain already: nothing
 *   beyond the text is read or written.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SCAN_BLOCK 16

typedef uint8_t scan_block __attribute__((vector_size(SCAN_BLOCK)));

/* 0xff for each byte that is not plain. */
typedef scan_block scan_class(scan_block v);

static inline scan_block scan_load(const char *p)
{
	scan_block v;

	memcpy(&v, p, SCAN_BLOCK);
	return v;
}

/* Index of the first byte that is set, or SCAN_BLOCK. */
static inline size_t scan_first(scan_block marked)
{
	uint64_t half[2];

	memcpy(half, &marked, SCAN_BLOCK);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (half[0])
		return (size_t)__builtin_ctzll(half[0]) / 8;
	return half[1] ? 8 + (size_t)__builtin_ctzll(half[1]) / 8 : SCAN_BLOCK;
#else
	if (half[0])
		return (size_t)__builtin_clzll(half[0]) / 8;
	return half[1] ? 8 + (size_t)__builtin_clzll(half[1]) / 8 : SCAN_BLOCK;
#endif
}

/* Fewer than SCAN_BLOCK bytes, by two moves that overlap. */
static inline void scan_move(char *to, const char *p, size_t n)
{
	uint64_t a, b;
	uint32_t c, d;

	n %= SCAN_BLOCK; /* for the compiler */
	if (n >= sizeof(a)) {
		memcpy(&a, p, sizeof(a));
		memcpy(&b, p + n - sizeof(b), sizeof(b));
		memcpy(to, &a, sizeof(a));
		memcpy(to + n - sizeof(b), &b, sizeof(b));
	} else if (n >= sizeof(c)) {
		memcpy(&c, p, sizeof(c));
		memcpy(&d, p + n - sizeof(d), sizeof(d));
		memcpy(to, &c, sizeof(c));
		memcpy(to + n - sizeof(d), &d, sizeof(d));
	} else {
		while (n--)
			*to++ = *p++;
	}
}

/**
 * scan_copy() - Copy the plain bytes that a text begins with
 * @to:		Room for @n bytes elsewhere, of which all may be written; NULL: only count
 * @special:	Inlined: which bytes are not plain
 *
 * Return: how many there were; @n if all
 */
static inline __attribute__((always_inline)) size_t scan_copy(char *to, const char *p, size_t n, scan_class *special)
{
	char last[SCAN_BLOCK] = {0};
	size_t i = 0, first;
	scan_block v;

	while (i + SCAN_BLOCK <= n) {
		v = scan_load(p + i);
		if (to)
			memcpy(to + i, &v, SCAN_BLOCK);
		first = scan_first(special(v));
		if (first < SCAN_BLOCK)
			return i + first;
		i += SCAN_BLOCK;
		if (i < n && i + SCAN_BLOCK > n)
			i = n - SCAN_BLOCK;
	}
	if (i == n)
		return n;
	scan_move(last, p, n);
	if (to)
		scan_move(to, last, n);
	first = scan_first(special(scan_load(last)));
	return first < n ? first : n;
}

/* Are these @n bytes the same?  (musl's memcmp looks at one byte after the other.) */
static inline bool scan_same(const char *a, const char *b, size_t n)
{
	size_t i;

	if (n < SCAN_BLOCK)
		return !memcmp(a, b, n);
	for (i = 0; i + SCAN_BLOCK <= n; i += SCAN_BLOCK) {
		if (scan_first(scan_load(a + i) ^ scan_load(b + i)) < SCAN_BLOCK)
			return false;
	}
	return scan_first(scan_load(a + n - SCAN_BLOCK) ^ scan_load(b + n - SCAN_BLOCK)) == SCAN_BLOCK;
}

#endif
