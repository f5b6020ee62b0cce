/* SPDX-License-Identifier: MIT */
/*
 * core/net/dhcp.h - a DHCP client (RFC 2131) for the network drivers whose other end hands out addresses
 *
 * It speaks in Ethernet frames, as there is no address yet, and as vpnkit's network is nothing but frames.
 */
#ifndef NET_DHCP_H
#define NET_DHCP_H

#include "base/err.h"
#include "net/inet.h"

#include <stdint.h>

enum { DHCP_DISCOVER = 1, DHCP_OFFER, DHCP_REQUEST, DHCP_DECLINE, DHCP_ACK, DHCP_NAK };

#define DHCP_FRAME_MAX 400 /* of ours; all answers fit the smallest MTU */

struct dhcp_lease {
	struct subnet addr;	   /* ours, with the subnet's length */
	struct inet router, dns;   /* family 0: not told */
	uint32_t server;	   /* its address, network order; 0: not told */
	uint32_t seconds;
};

/* A frame that asks: DISCOVER, or REQUEST of what @lease says.  Its length. */
size_t dhcp_build(uint8_t frame[static DHCP_FRAME_MAX], const uint8_t mac[6], uint32_t xid, int type,
	const struct dhcp_lease *lease);
/* Is this frame, of @n bytes from a stranger, an answer to us?  Its type and *lease, or 0. */
int dhcp_parse(const uint8_t *frame, size_t n, const uint8_t mac[6], uint32_t xid, struct dhcp_lease *lease);

/* Frames there and back. */
struct dhcp_io {
	int (*send)(void *arg, const uint8_t *frame, size_t n);		       /* 0, or -1 and errno */
	ssize_t (*receive)(void *arg, uint8_t *frame, size_t max, int timeout_ms); /* 0: nothing came */
	void *arg;
};

/**
 * dhcp_ask() - Get an address, or keep the one of @lease (family not 0)
 * @timeout_ms:	Until then it is asked every second
 *
 * Return: 0 with *lease, which has a router if the server has one; -1 with @e
 */
int dhcp_ask(const struct dhcp_io *io, const uint8_t mac[6], int timeout_ms, struct dhcp_lease *lease, struct err *e);

#endif
