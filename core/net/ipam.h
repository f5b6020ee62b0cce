/* SPDX-License-Identifier: MIT */
/*
 * core/net/ipam.h - which subnet a network gets, and which address an endpoint
 *
 * Pure bookkeeping in memory, without a lock: the caller's.  What is in use is said again after a
 * restart, by ipam_take() with the addresses of those that live.
 */
#ifndef NET_IPAM_H
#define NET_IPAM_H

#include "base/err.h"
#include "net/inet.h"

/* One subnet of a network, and the addresses of it that are taken. */
struct ipam {
	struct subnet subnet;
	struct subnet range;  /* where free addresses are looked for; the subnet, or a part of it */
	struct inet *taken;   /* sorted */
	size_t n;
};

void ipam_init(struct ipam *p, const struct subnet *subnet, const struct subnet *range /* or NULL */);
void ipam_release(struct ipam *p);

/**
 * ipam_take() - Take one address
 * @want:	This one, inside the subnet; NULL: the lowest free one of the range
 * @got:	What was taken; may be NULL
 *
 * Never given out by itself: the subnet's first address, and IPv4's last.
 *
 * Return: 0; or -1 with @e: kind ERR_FORBIDDEN if @want is taken ("Address already in use"), ERR_FAILED if
 * none is left ("no available IPv4 addresses on this network's address pools")
 */
int ipam_take(struct ipam *p, const struct inet *want, struct inet *got, struct err *e);
/* Give it back.  One that is not taken: nothing. */
void ipam_give_back(struct ipam *p, const struct inet *a);

/* Where subnets come from when nobody names one: pieces of @size bits of a base. */
struct ipam_pool {
	struct subnet base;
	unsigned int size;
};
#define IPAM_POOLS_DEFAULT 16 /* of IPv4, as Docker has them */
void ipam_default_pools(struct ipam_pool out[IPAM_POOLS_DEFAULT]);
/* The unique local prefix of this host (RFC 4193), the same for the same @id, in pieces of /64. */
struct ipam_pool ipam_ula_pool(const char *id);
/* The first piece of the pools of @family that overlaps none of @reserved.  0; -1: all are in use. */
int ipam_choose(const struct ipam_pool *pools, size_t n, int family, const struct subnet *reserved,
	size_t n_reserved, struct subnet *out);

#endif
