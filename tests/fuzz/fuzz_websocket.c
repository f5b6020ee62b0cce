/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_websocket.c - frames of a client: what comes out is no more than what went in */
#include "api/websocket.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_buf struct buf out = BUF_INIT, replies = BUF_INIT;
	struct ws_decoder d = {0};
	bool closed = false;
	size_t half = n / 2;

	if (!ws_decode(&d, data, half, &out, &replies, &closed))
		ws_decode(&d, data + half, n - half, &out, &replies, &closed);
	if (out.n + replies.n > n + 4)
		bug("%zu bytes became %zu", n, out.n + replies.n);
	return 0;
}
