/* SPDX-License-Identifier: MIT */
/*
 * core/api/websocket.c - RFC 6455 as a server speaks it: the handshake's answer, and frames
 *
 * Theory of operation
 *   A client's frame is a head of 6 to 14 bytes, the last four of them a mask, and a payload.  Where a
 *   message ends is of no interest to a stream of bytes, so data frames are passed on as they come, in
 *   pieces; a control frame is kept until it is whole, which is 125 bytes at most.
 */
#include "api/websocket.h"
#include "base/base64.h"

#include <bearssl.h>
#include <stdio.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define CLOSE_PROTOCOL_ERROR "\x03\xea" /* 1002 */

void ws_accept(const char *key, char *out)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	cleanup_buf struct buf text = BUF_INIT;
	unsigned char digest[br_sha1_SIZE];
	br_sha1_context sha1;

	br_sha1_init(&sha1);
	br_sha1_update(&sha1, key, strlen(key));
	br_sha1_update(&sha1, guid, sizeof(guid) - 1);
	br_sha1_out(&sha1, digest);
	base64_encode((struct span){(char *)digest, sizeof(digest)}, false, &text);
	snprintf(out, WS_ACCEPT_MAX, "%s", text.p);
}

void ws_encode(int opcode, const void *p, size_t n, struct buf *out)
{
	int shift;

	buf_addc(out, (char)(FIN | opcode));
	if (n <= WS_CONTROL_MAX) {
		buf_addc(out, (char)n);
	} else if (n <= 0xffff) {
		buf_addc(out, 126);
		buf_addc(out, (char)(n >> 8));
		buf_addc(out, (char)n);
	} else {
		buf_addc(out, 127);
		for (shift = 56; shift >= 0; shift -= 8)
			buf_addc(out, (char)((uint64_t)n >> shift));
	}
	buf_add(out, p, n);
}

/* Length of the head that begins with these bytes; 0: more of them are needed. */
static size_t head_length(const struct ws_decoder *d)
{
	unsigned int length;

	if (d->head_n < 2)
		return 0;
	length = d->head[1] & 0x7fU;
	return length == 126 ? 8 : length == 127 ? 14 : 6;
}

static int begin_payload(struct ws_decoder *d)
{
	size_t n = head_length(d), i;
	bool control = d->head[0] & 8;

	d->left = d->head[1] & 0x7fU;
	if (n > 6)
		d->left = 0;
	for (i = 2; i < n - 4 && n > 6; i++)
		d->left = d->left << 8 | d->head[i];
	if (d->head[0] & RESERVED || !(d->head[1] & MASKED) || d->left >> 63)
		return -1;
	if (control && (!(d->head[0] & FIN) || d->left > WS_CONTROL_MAX))
		return -1;
	d->at = 0;
	d->in_payload = true;
	return 0;
}

static int end_payload(struct ws_decoder *d, struct buf *replies, bool *closed)
{
	int opcode = d->head[0] & OPCODE;

	d->in_payload = false;
	d->head_n = 0;
	if (opcode == WS_PING)
		ws_encode(WS_PONG, d->control, (size_t)d->at, replies);
	if (opcode == WS_CLOSE) {
		ws_encode(WS_CLOSE, d->control, (size_t)(d->at >= 2 ? 2 : 0), replies);
		*closed = true;
	}
	/* 0 goes on with a message; 3 to 7 and above 10 are nothing that exists. */
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG) ? 0 : -1;
}

static void take_payload(struct ws_decoder *d, const unsigned char *p, size_t n, struct buf *data)
{
	const unsigned char *mask = d->head + head_length(d) - 4;
	bool control = d->head[0] & 8;
	size_t i;

	for (i = 0; i < n; i++, d->at++) {
		unsigned char c = p[i] ^ mask[d->at & 3];

		if (control)
			d->control[d->at] = c;
		else
			buf_addc(data, (char)c);
	}
	d->left -= n;
}

int ws_decode(struct ws_decoder *d, const void *bytes, size_t n, struct buf *data, struct buf *replies,
	bool *closed)
{
	const unsigned char *p = bytes;
	int rc = 0;

	while (n && !rc && !*closed) {
		size_t take = 1;

		if (d->in_payload) {
			take = d->left < n ? (size_t)d->left : n;
			take_payload(d, p, take, data);
		} else {
			d->head[d->head_n++] = *p;
			if (d->head_n == head_length(d))
				rc = begin_payload(d);
		}
		if (!rc && d->in_payload && !d->left)
			rc = end_payload(d, replies, closed);
		p += take;
		n -= take;
	}
	if (rc)
		ws_encode(WS_CLOSE, CLOSE_PROTOCOL_ERROR, 2, replies);
	return rc;
}
