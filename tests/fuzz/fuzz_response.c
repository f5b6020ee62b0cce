/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_response.c - heads and bodies of HTTP responses; pieces must not change what is read */
#include "registry/reg_error.h"
#include "registry/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Decode a chunked body in pieces of @step bytes. -1: refused, else bytes taken. */
static ssize_t decode(struct span in, size_t step, struct buf *out)
{
	struct response_chunks c = RESPONSE_CHUNKS_INIT;
	struct span data;
	struct err e;
	size_t at = 0, used;

	buf_reset(out);
	while (at < in.n && c.state != CHUNK_DONE) {
		struct span piece = {in.p + at, in.n - at < step ? in.n - at : step};

		if (response_chunks_feed(&c, piece, &used, &data, &e))
			return -1;
		if (!used || used > piece.n || (data.n && (data.p < piece.p || data.p + data.n > piece.p + used)))
			bug("%zu of %zu bytes used", used, piece.n);
		buf_add(out, data.p, data.n);
		at += used;
	}
	return (ssize_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_buf struct buf a = BUF_INIT, b = BUF_INIT;
	struct span text = {(const char *)data, n}, value;
	int64_t first, last, total;
	struct response_head h;
	struct response_body body;
	struct err e;
	size_t i;
	ssize_t x, y;

	if (!response_head_parse(text, &h, &e)) {
		if (!response_framing(&h, false, &body, &e) && body.framing == BODY_LENGTH && body.length < 0)
			bug("a body of %lld bytes", (long long)body.length);
		for (i = 0; (value = response_field(&h, "Content-Range", i)).p; i++)
			if (!response_content_range(value, &first, &last, &total) && (first > last || first < 0))
				bug("a range from %lld to %lld", (long long)first, (long long)last);
		for (i = 0; (value = response_field(&h, "Range", i)).p; i++)
			if (response_upload_range(value) < -1)
				bug("an upload of %lld bytes", (long long)response_upload_range(value));
		reg_error_parse(&h, text, &e);
	}
	x = decode(text, n ? n : 1, &a);
	y = decode(text, 1, &b);
	if (x != y || (x >= 0 && (a.n != b.n || memcmp(a.p, b.p, a.n))))
		bug("in one piece %zd bytes, one by one %zd", x, y);
	return 0;
}
