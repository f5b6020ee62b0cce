/* SPDX-License-Identifier: MIT */
/* core/api/websocket: the handshake's answer, frames of every length, in pieces, and bad ones. */
#include "unit.h"

#include "api/websocket.h"

TEST(the_answer_of_the_rfc)
{
	char out[WS_ACCEPT_MAX];

	ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out); /* 1.3 */
	CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* A client's frame. */
static void frame(int first, size_t n, struct buf *out)
{
	struct buf plain = BUF_INIT;
	char *text = xmalloc(n + 1);
	size_t head, i;

	for (i = 0; i < n; i++)
		text[i] = (char)('a' + i % 26);
	ws_encode(0, text, n, &plain);
	head = plain.n - n;
	buf_addc(out, (char)first);
	buf_addc(out, (char)(plain.p[1] | 0x80));
	buf_add(out, plain.p + 2, head - 2);
	buf_add(out, "\1\2\3\4", 4);
	for (i = 0; i < n; i++)
		buf_addc(out, (char)(text[i] ^ (char)(1 + i % 4)));
	free(text);
	buf_release(&plain);
}

TEST(lengths_and_pieces)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, 70000 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t piece = 1; piece < 100000; piece *= 7) {
			struct buf in = BUF_INIT, data = BUF_INIT, replies = BUF_INIT;
			struct ws_decoder d = { 0 };
			bool closed = false;
			size_t at;

			frame(0x82, lengths[i], &in);
			frame(0x81, 3, &in);
			for (at = 0; at < in.n; at += piece)
				CHECK(!ws_decode(&d, in.p + at, at + piece < in.n ? piece : in.n - at, &data, &replies,
					&closed));
			CHECK_INT(data.n, lengths[i] + 3);
			CHECK(!memcmp(data.p + lengths[i], "abc", 3) && (!lengths[i] || *data.p == 'a'));
			CHECK(!closed && !replies.n);
			buf_release(&in);
			buf_release(&data);
			buf_release(&replies);
		}
	}
}

TEST(control_frames)
{
	struct buf in = BUF_INIT, data = BUF_INIT, replies = BUF_INIT;
	struct ws_decoder d = { 0 };
	bool closed = false;

	frame(0x02, 2, &in); /* a message in two parts, a ping between them */
	frame(0x89, 3, &in);
	frame(0x80, 1, &in);
	frame(0x8a, 4, &in);
	frame(0x88, 2, &in);
	frame(0x82, 2, &in); /* too late */
	CHECK(!ws_decode(&d, in.p, in.n, &data, &replies, &closed));
	CHECK_STR(data.p, "aba");
	CHECK(closed);
	CHECK(replies.n == 9 && !memcmp(replies.p, "\x8a\3abc\x88\2ab", 9));
	buf_release(&in);
	buf_release(&data);
	buf_release(&replies);
}

TEST(frames_that_no_client_may_send)
{
	static const struct span bad[] = {
		{ "\x82\1xxxx", 6 },	      /* not masked */
		{ "\xc2\x81zzzzx", 7 },     /* a reserved bit */
		{ "\x83\x81zzzzx", 7 },     /* an unknown kind */
		{ "\x09\x81zzzzx", 7 },     /* a ping in parts */
		{ "\x89\xfe\1\1zzzz", 8 },   /* a ping of 257 bytes */
		{ "\x82\xff\xff\0\0\0\0\0\0\0zzzz", 14 }, /* longer than anything */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf data = BUF_INIT, replies = BUF_INIT;
		struct ws_decoder d = { 0 };
		bool closed = false;

		CHECK_INT(ws_decode(&d, bad[i].p, bad[i].n, &data, &replies, &closed), -1);
		CHECK(replies.n == 4 && !memcmp(replies.p, "\x88\2\3\xea", 4));
		buf_release(&data);
		buf_release(&replies);
	}
}
