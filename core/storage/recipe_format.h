/* SPDX-License-Identifier: MIT */
/*
 * core/storage/recipe_format.h - integers in a recipe (private to the recipe files)
 */
#ifndef STORAGE_RECIPE_FORMAT_H
#define STORAGE_RECIPE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

static inline void put_le(unsigned char *p, size_t width, uint64_t v)
{
	size_t i;

	for (i = 0; i < width; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

static inline uint64_t get_le(const unsigned char *p, size_t width)
{
	uint64_t v = 0;

	while (width--)
		v = v << 8 | p[width];
	return v;
}

#endif
