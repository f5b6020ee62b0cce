/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_copy.c - memcpy and memmove of every short length, at every distance, and nothing beside */
#include "unit.h"

#define MARGIN 64
#define LONGEST 2200 /* beyond where one instruction does it all */

/* Called as anybody calls them: the compiler knows too much of the names. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251 + 1);
}

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i);
}

/* Is it so in a field of pattern()s where @n bytes from @from were put to @to? */
static bool is_moved(const unsigned char *field, size_t size, size_t to, size_t from, size_t n)
{
	for (size_t i = 0; i < size; i++)
		if (field[i] != pattern(i >= to && i < to + n ? from + i - to : i))
			return false;
	return true;
}

static size_t next_length(size_t n)
{
	return n < 300 ? n + 1 : n < 2040 ? n + 97 : n + 1;
}

TEST(copies_are_exact)
{
	static unsigned char field[2 * LONGEST + 4 * MARGIN];
	size_t n, to, from;

	for (n = 0; n <= LONGEST; n = next_length(n)) {
		for (size_t shift = 0; shift < 17; shift += 3) {
			fill(field, sizeof(field));
			to = MARGIN + shift;
			from = 2 * MARGIN + n + 17;
			CHECK(copy(field + to, field + from, n) == field + to);
			NEED(is_moved(field, sizeof(field), to, from, n));
		}
	}
}

TEST(moves_overlap)
{
	static unsigned char field[LONGEST + 4 * MARGIN];
	static const int distances[] = {-60, -33, -17, -16, -15, -9, -8, -7, -3, -1, 0, 1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 60};
	size_t n, to, from = 2 * MARGIN;

	for (n = 0; n <= LONGEST; n = next_length(n)) {
		for (size_t i = 0; i < sizeof(distances) / sizeof(*distances); i++) {
			fill(field, sizeof(field));
			to = (size_t)((int)from + distances[i]);
			CHECK(move(field + to, field + from, n) == field + to);
			NEED(is_moved(field, sizeof(field), to, from, n));
		}
	}
}

TEST(nothing_is_read_behind_the_end)
{
	static unsigned char to[LONGEST];
	char text[LONGEST];

	memset(text, 'x', sizeof(text));
	for (size_t n = 1; n <= LONGEST; n = next_length(n)) {
		const char *end = guarded(text, n);

		copy(to, end, n);
		NEED(to[n - 1] == 'x');
		move(to, end, n);
	}
}
