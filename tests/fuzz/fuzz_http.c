/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_http.c - heads, escapes and chunked framing of hostile clients
 */
#include "api/http_head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct http_chunks c = {CHUNK_SIZE, 0};
	struct http_head h;
	ssize_t n = http_head_parse(p, size, &h);

	if (n >= 0) {
		free(http_decode(h.target, true, NULL));
		p += n;
		size -= (size_t)n;
	}
	while (size) {
		if (c.state == CHUNK_DATA && c.left) {
			size_t take = c.left < size ? (size_t)c.left : size;

			p += take;
			size -= take;
			c.left -= take;
			continue;
		}
		n = http_chunks_step(&c, p, size);
		if (n <= 0 && !(n == 0 && c.state == CHUNK_DATA && c.left))
			break;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}
