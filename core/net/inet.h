/* SPDX-License-Identifier: MIT */
/*
 * core/net/inet.h - addresses and subnets of both families, as values
 *
 * Parsing is strict, as Go's netip is: no leading zeros, no zones, no blanks.
 */
#ifndef NET_INET_H
#define NET_INET_H

#include "base/str.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct inet {
	int family;	   /* AF_INET or AF_INET6; 0: none */
	uint8_t bytes[16]; /* network order; IPv4 has the first 4, the others are 0 */
};

struct subnet {
	struct inet addr; /* host bits may be set: an address with its subnet's length */
	unsigned int len; /* of the prefix, bits */
};

#define INET_TEXT 46   /* INET6_ADDRSTRLEN */
#define SUBNET_TEXT 50 /* and "/128" */

int inet_parse(struct span s, struct inet *out); /* 0, or -1 with *out untouched */
char *inet_format(const struct inet *a, char out[INET_TEXT]); /* returns out; "" for none */
int inet_compare(const struct inet *a, const struct inet *b); /* <0, 0, >0; IPv4 before IPv6 */
unsigned int inet_bits(int family);			      /* 32 or 128 */
bool inet_next(struct inet *a); /* the address after; false at the end of all, *a then unchanged */
size_t inet_size(int family);	/* 4 or 16 */

int subnet_parse(struct span s, struct subnet *out); /* "10.0.0.1/8"; 0, or -1 */
char *subnet_format(const struct subnet *s, char out[SUBNET_TEXT]);
struct inet subnet_first(const struct subnet *s); /* host bits cleared */
struct inet subnet_last(const struct subnet *s);  /* host bits set */
bool subnet_contains(const struct subnet *s, const struct inet *a);
bool subnet_overlaps(const struct subnet *a, const struct subnet *b);

#endif
