/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_inflate.c - layers as they come go through the inflater, in reads of several sizes */
#include "storage/tar.h"

#include <stdlib.h>

#define OUTPUT_MAX (8 << 20) /* of what a bomb would give, enough to see */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* All of it, and how it ended. */
static ssize_t inflate_all(const uint8_t *data, size_t n, size_t chunk, struct buf *out)
{
	struct err e = ERR_INIT;
	struct mem_stream mem;
	struct inflater *i;
	ssize_t got;

	mem_stream_init(&mem, data, n);
	i = inflater_new(&mem.s);
	do {
		got = inflater_stream(i)->read(inflater_stream(i), buf_room(out, chunk), chunk, &e);
		out->n += got > 0 ? (size_t)got : 0;
	} while (got > 0 && out->n < OUTPUT_MAX);
	inflater_free(i);
	return got > 0 ? 1 : got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_buf struct buf small = BUF_INIT, large = BUF_INIT;
	ssize_t a = inflate_all(data, n, 777, &small), b = inflate_all(data, n, 65536, &large);
	size_t common = small.n < large.n ? small.n : large.n;

	/* The size of the reads makes no difference; but before an error less may come in small ones. */
	if (memcmp(small.p, large.p, common) || (a == 0 && b == 0 && small.n != large.n) || (a < 0) != (b < 0))
		bug("reads of two sizes differ: %zd, %zu bytes and %zd, %zu bytes", a, small.n, b, large.n);
	return 0;
}
