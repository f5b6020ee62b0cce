/* SPDX-License-Identifier: MIT */
/*
 * core/net/peer.h - the address of a socket, IPv4 or IPv6
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include "net/inet.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct peer {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

#define PEER_TEXT_MAX 64 /* "[…%zone]:65535" */
#define PEER_MAX sizeof(struct sockaddr_in6)

/* Of an address as text; a zone ("fe80::1%eth0") must be an interface of the calling thread's network
 * namespace, or a number.  0, or -1: it is none. */
int peer_parse(const char *ip, uint16_t port, struct peer *p);
/* "192.0.2.1:80", "[::1]:80"; @out holds PEER_TEXT_MAX bytes and is returned. */
char *peer_text(const struct peer *p, char *out);
uint16_t peer_port(const struct peer *p);
void peer_set_port(struct peer *p, uint16_t port);
bool peer_eq(const struct peer *a, const struct peer *b); /* address, zone and port */
struct inet peer_inet(const struct peer *p); /* the address alone */
bool peer_is_loopback(const struct peer *p);
bool peer_is_any(const struct peer *p); /* 0.0.0.0 or :: */

#endif
