/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/arena.c - memory for JSON that is read once and never given back
 *
 * Theory of operation
 *   The monitor reads its settings, and the new process its request, at a moment when every page
 *   fault and every mmap delays a container.  A general allocator spreads small things by size
 *   over a page each; here they lie one behind the other, in pages that come all at once.
 *   Freeing does nothing: the monitor's settings are small, and exec takes the rest.
 */
#include "runtime/inside.h"

#include <jansson.h>
#include <sys/mman.h>

static size_t chunk;
static char *at, *end;

static void *arena_alloc(size_t n)
{
	char *p = at;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (n > (size_t)(end - p)) {
		size_t size = n > chunk / 4 ? n : chunk;

		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
			-1, 0);
		if (p == MAP_FAILED)
			return NULL;
		if (size == n)
			return p; /* too large to share; the old chunk goes on */
		end = p + size;
	}
	at = p + n;
	return p;
}

static void arena_free(void *p)
{
	(void)p;
}

void arena_for_json(size_t chunk_size)
{
	chunk = chunk_size;
	at = end = NULL;
	json_set_alloc_funcs(arena_alloc, arena_free);
}
