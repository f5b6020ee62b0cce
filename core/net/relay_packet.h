/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_packet.h - the few packets that the relay reads and writes itself
 */
#ifndef NET_RELAY_PACKET_H
#define NET_RELAY_PACKET_H

#include "net/inet.h"

#include <sys/socket.h>

/* Who talks to whom; for echo requests both ports are the identifier.  Compared as bytes: make them
 * with tuple_make(), or zero first. */
struct tuple {
	struct inet src, dst; /* src is the container's */
	uint16_t src_port, dst_port; /* host order */
};

struct packet {
	struct tuple tuple;
	uint8_t protocol; /* IPPROTO_TCP, UDP, ICMP, ICMPV6 */
	/* The transport header and what is there of the rest, inside the bytes parsed. */
	const uint8_t *transport;
	size_t n;
	uint32_t seq;	/* of TCP; of an echo request in its low bits */
	size_t header_n; /* of TCP with its options; of an echo request: 8 */
};

/**
 * packet_parse() - Read an IP packet that holds a TCP header, or an echo request
 * @p, @n:	The packet from its IP header on, of either family; may be cut off at its end
 *
 * Every length is checked; fragments but whole ones, and echo messages that are no requests, are
 * refused.  Neither checksums nor addresses are judged.
 *
 * Return: 0, or -1 if it is nothing we take
 */
int packet_parse(const void *p, size_t n, struct packet *out);

/* The Internet checksum (RFC 1071) over @n bytes, on top of @sum; 0xffff & ~ it at the end. */
uint32_t packet_sum(uint32_t sum, const void *p, size_t n);
uint16_t packet_sum_end(uint32_t sum);

#define PACKET_TCP_MAX 60  /* TCP header with all options */
#define PACKET_MAX (40 + PACKET_TCP_MAX)

/* A packet from t->src to t->dst with that TCP header (@n bytes, 20 to 60; no data), its checksums made
 * anew.  Returns the length. */
size_t packet_make_tcp(const struct tuple *t, const void *header, size_t n, uint8_t out[PACKET_MAX]);
/* The answer of a closed port to a SYN numbered @seq: from t->dst to t->src. */
size_t packet_make_rst(const struct tuple *t, uint32_t seq, uint8_t out[PACKET_MAX]);
/* ICMP(v6) error @type, @code to t->src about a packet of @protocol that it sent: the ICMP message with
 * its quotation; for ICMPv6 the kernel makes the checksum. */
size_t packet_make_error(const struct tuple *t, uint8_t protocol, uint32_t seq, uint8_t type, uint8_t code,
	uint8_t out[PACKET_MAX]);

/* Socket addresses. */
socklen_t inet_to_sockaddr(const struct inet *a, uint16_t port, struct sockaddr_storage *out);
int inet_from_sockaddr(const struct sockaddr_storage *sa, struct inet *a, uint16_t *port); /* 0, -1 */
struct tuple tuple_make(const struct inet *src, uint16_t src_port, const struct inet *dst, uint16_t dst_port);
bool tuple_eq(const struct tuple *a, const struct tuple *b);
uint32_t tuple_hash(const struct tuple *t, uint32_t seed);

#endif
