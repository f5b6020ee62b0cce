/* SPDX-License-Identifier: MIT */
/*
 * core/api/tls_relay.h - plain bytes on one socket, TLS on the other
 */
#ifndef API_TLS_RELAY_H
#define API_TLS_RELAY_H

#include "base/err.h"

#include <bearssl.h>

/**
 * tls_shake() - Do the handshake of an engine that was set up and reset
 * @net:	Connected socket, borrowed; has a timeout (SO_RCVTIMEO) if the wait is to be bounded
 *
 * Return: 0; -1 with @e in Go's words, and an alert sent where the other side can use one
 */
int tls_shake(br_ssl_engine_context *eng, int net, struct err *e);

/**
 * tls_relay() - Carry bytes both ways until both directions have ended
 * @eng:	After tls_shake(); its buffer must be a bidirectional one
 * @net:	Socket with TLS on it
 * @plain:	Stream socket with the bytes in the clear
 *
 * Each direction ends for itself: a shutdown(SHUT_WR) on one side is a close_notify (and the other
 * way round) and leaves the answer's direction open, as "docker run -i" needs it.  The end of @net
 * without close_notify ends both.  Blocks; both sockets are left to the caller.
 */
void tls_relay(br_ssl_engine_context *eng, int net, int plain);

#endif
