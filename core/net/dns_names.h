/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_names.h - private to the name server: who is found under which name, by whom
 *
 * A member is a container, an endpoint its place in one network.  A member finds what has an endpoint
 * on a network it has one on itself.  Single-threaded; names are compared without regard to case.
 */
#ifndef NET_DNS_NAMES_H
#define NET_DNS_NAMES_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct dns_names {
	struct dns_network *networks;
	struct dns_member *members;
};

struct dns_place { /* what an endpoint is made of; copied */
	const char *network_id, *network_name;
	bool internal;
	const char *const *names; /* NULL-terminated; the first is what PTR answers; may be empty */
	const char *const *links; /* ALIAS, NAME, …, NULL; may be NULL */
	bool has4, has6;
	uint8_t ip4[4], ip6[16];
};

#define DNS_FOUND_MAX 512 /* addresses of one name, of each family; more are not answered */

struct dns_found {
	bool known; /* somebody has that name, perhaps with addresses of the other family alone */
	size_t n4, n6;
	uint8_t ip4[DNS_FOUND_MAX][4], ip6[DNS_FOUND_MAX][16];
};

/* The member of that id, made if it is new.  It stays until dns_member_drop(). */
struct dns_member *dns_member_get(struct dns_names *t, const char *id);
/* Forget a member and its endpoints; one that is not known is fine. */
void dns_member_drop(struct dns_names *t, const char *id);
void dns_names_release(struct dns_names *t); /* all of them */

/* Give a member a place in a network, instead of the one it had there. */
void dns_place_set(struct dns_names *t, struct dns_member *m, const struct dns_place *place);
void dns_place_remove(struct dns_names *t, struct dns_member *m, const char *network_id);

/**
 * dns_names_find() - Addresses of a name, as @m sees it
 * @name:	In lower case, without a final dot: "web", or "web.NETWORK"
 *
 * The order of Docker: the whole name in all networks of the member, in the order it joined them,
 * then ever shorter fronts of it in the network that the rest names.  In each: first links.
 *
 * Return: @out->known
 */
bool dns_names_find(const struct dns_member *m, const char *name, struct dns_found *out);

/* Who has an address, on a network of @m: "NAME.NETWORK", to free(), or NULL. */
char *dns_names_reverse(const struct dns_member *m, const uint8_t *addr, size_t n);

/* Is it on a network that is not internal? */
bool dns_member_is_external(const struct dns_member *m);

#endif
