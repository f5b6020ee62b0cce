/* SPDX-License-Identifier: MIT */
/*
 * core/api/websocket.h - RFC 6455 as a server speaks it: the handshake's answer, and frames
 */
#ifndef API_WEBSOCKET_H
#define API_WEBSOCKET_H

#include "base/str.h"

#include <stdbool.h>

#define WS_CONTROL_MAX 125 /* bytes of a control frame, 5.5 */
#define WS_ACCEPT_MAX 32
enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_decoder {
	unsigned char head[14]; /* of the frame that comes in */
	size_t head_n;
	bool in_payload;
	uint64_t left, at; /* bytes of its payload that are to come, and that came */
	unsigned char control[WS_CONTROL_MAX];
};

/* Sec-WebSocket-Accept for a client's key, 4.2.2.  @out holds WS_ACCEPT_MAX bytes. */
void ws_accept(const char *key, char *out);
/* Append one frame that is a message of its own. */
void ws_encode(int opcode, const void *p, size_t n, struct buf *out);
/**
 * ws_decode() - Take frames apart, as they come
 * @d:		{0} at first
 * @data:	What messages hold is appended, in order
 * @replies:	What the client is to be sent for it: pongs, and an answer to its close
 * @closed:	Set when the client closed; nothing after that is looked at
 *
 * Return: 0, or -1: this is not what a client may send
 */
int ws_decode(struct ws_decoder *d, const void *p, size_t n, struct buf *data, struct buf *replies,
	bool *closed);

#endif
