/* SPDX-License-Identifier: MIT */
/*
 * core/net/ipam.c - which subnet a network gets, and which address an endpoint
 *
 * Theory of operation
 *   Docker gives the lowest free address, so that the first container of a network is its .2 again
 *   and again; people rely on that.  Taken addresses are kept sorted: finding the lowest gap is
 *   one walk, which ends at the gap, and memory goes by what is used, also in a /64.
 *
 *   A subnet is found by stepping over what overlaps: each step passes the end of one reserved
 *   subnet, so there are no more steps than those, however large the pool is.
 */
#include "net/ipam.h"
#include "base/sha256.h"

#include <stdlib.h>

void ipam_init(struct ipam *p, const struct subnet *subnet, const struct subnet *range)
{
	*p = (struct ipam){.subnet = *subnet, .range = range ? *range : *subnet};
}

void ipam_release(struct ipam *p)
{
	free(p->taken);
	p->taken = NULL;
	p->n = 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Where @a is in the list, or would be. */
static size_t find(const struct ipam *p, const struct inet *a)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (inet_compare(&p->taken[mid], a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct ipam *p, size_t i, const struct inet *a)
{
	return i < p->n && !inet_compare(&p->taken[i], a);
}

/* Not for an endpoint: IPv4's network and broadcast addresses, IPv6's anycast of routers (RFC 4291).  A
 * point-to-point subnet (RFC 3021) has none. */
static bool is_special(const struct ipam *p, const struct inet *a)
{
	struct inet first = subnet_first(&p->subnet), last = subnet_last(&p->subnet);

	if (inet_bits(a->family) - p->subnet.len < 2)
		return false;
	return !inet_compare(a, &first) || (a->family == AF_INET && !inet_compare(a, &last));
}

/* The lowest free one, and its place in the list. */
static bool lowest(const struct ipam *p, struct inet *a, size_t *at)
{
	struct inet last = subnet_last(&p->range);

	*a = subnet_first(&p->range);
	*at = find(p, a);
	while (is_at(p, *at, a) || is_special(p, a)) {
		*at += is_at(p, *at, a);
		if (!inet_compare(a, &last) || !inet_next(a))
			return false;
	}
	return true;
}

int ipam_take(struct ipam *p, const struct inet *want, struct inet *got, struct err *e)
{
	struct inet a;
	size_t at;

	if (want) {
		a = *want;
		at = find(p, &a);
		if (is_at(p, at, &a) || is_special(p, &a))
			return err_kind(e, ERR_FORBIDDEN, "Address already in use");
	} else if (!lowest(p, &a, &at)) {
		return err_set(e, 0, "no available IPv%d addresses on this network's address pools",
			p->subnet.addr.family == AF_INET ? 4 : 6);
	}
	p->taken = xreallocarray(p->taken, p->n + 1, sizeof(*p->taken));
	memmove(p->taken + at + 1, p->taken + at, (p->n - at) * sizeof(*p->taken));
	p->taken[at] = a;
	p->n++;
	if (got)
		*got = a;
	return 0;
}

void ipam_give_back(struct ipam *p, const struct inet *a)
{
	size_t at = find(p, a);

	if (!is_at(p, at, a))
		return;
	p->n--;
	memmove(p->taken + at, p->taken + at + 1, (p->n - at) * sizeof(*p->taken));
}

/* --- subnets ---------------------------------------------------------------------------------- */

void ipam_default_pools(struct ipam_pool out[IPAM_POOLS_DEFAULT])
{
	unsigned char i;

	for (i = 0; i < IPAM_POOLS_DEFAULT - 1; i++)
		out[i] = (struct ipam_pool){{{AF_INET, {172, (uint8_t)(17 + i)}}, 16}, 16};
	out[i] = (struct ipam_pool){{{AF_INET, {192, 168}}, 16}, 20};
}

struct ipam_pool ipam_ula_pool(const char *id)
{
	struct ipam_pool p = {{{AF_INET6, {0}}, 48}, 64};
	unsigned char digest[SHA256_LEN];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, id, strlen(id));
	sha256_final(&h, digest);
	memcpy(p.base.addr.bytes, digest, 6);
	p.base.addr.bytes[0] = 0xfd; /* RFC 4193: locally assigned */
	return p;
}

static int choose_in(const struct ipam_pool *pool, const struct subnet *reserved, size_t n, struct subnet *out)
{
	struct subnet s = {subnet_first(&pool->base), pool->size};
	size_t i = 0;

	if (pool->size < pool->base.len || pool->size > inet_bits(s.addr.family))
		return -1;
	while (i < n) {
		struct inet end, theirs;

		if (!subnet_overlaps(&s, &reserved[i])) {
			i++;
			continue;
		}
		/* Go on behind whichever reaches further, and look at all of them again. */
		end = subnet_last(&s);
		theirs = subnet_last(&reserved[i]);
		s.addr = inet_compare(&end, &theirs) > 0 ? end : theirs;
		if (!inet_next(&s.addr) || !subnet_contains(&pool->base, &s.addr))
			return -1;
		i = 0;
	}
	*out = s;
	return 0;
}

int ipam_choose(const struct ipam_pool *pools, size_t n, int family, const struct subnet *reserved,
	size_t n_reserved, struct subnet *out)
{
	for (size_t i = 0; i < n; i++)
		if (pools[i].base.addr.family == family && !choose_in(&pools[i], reserved, n_reserved, out))
			return 0;
	return -1;
}
