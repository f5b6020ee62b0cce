/* SPDX-License-Identifier: MIT */
/* core/net/peer.c - the address of a socket, IPv4 or IPv6 */
#include "net/peer.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

static int parse_zone(const char *text, uint32_t *zone)
{
	uint64_t v;

	if (!parse_u64(span_of(text), UINT32_MAX, &v))
		*zone = (uint32_t)v;
	else
		*zone = if_nametoindex(text);
	return *zone ? 0 : -1;
}

int peer_parse(const char *ip, uint16_t port, struct peer *p)
{
	struct peer out = {.len = sizeof(out.v4), .v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
	char text[INET6_ADDRSTRLEN];
	size_t n = strcspn(ip, "%");

	if (inet_pton(AF_INET, ip, &out.v4.sin_addr) != 1) {
		if (n >= sizeof(text))
			return -1;
		memcpy(text, ip, n);
		text[n] = 0;
		out = (struct peer){.len = sizeof(out.v6), .v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
		if (inet_pton(AF_INET6, text, &out.v6.sin6_addr) != 1 ||
			(ip[n] && parse_zone(ip + n + 1, &out.v6.sin6_scope_id)))
			return -1;
	}
	*p = out;
	return 0;
}

struct inet peer_inet(const struct peer *p)
{
	struct inet out = {.family = p->any.sa_family};

	if (out.family == AF_INET)
		memcpy(out.bytes, &p->v4.sin_addr, sizeof(p->v4.sin_addr));
	else
		memcpy(out.bytes, &p->v6.sin6_addr, sizeof(p->v6.sin6_addr));
	return out;
}

char *peer_text(const struct peer *p, char *out)
{
	struct inet addr = peer_inet(p);
	char ip[INET_TEXT];

	inet_format(&addr, ip);
	snprintf(out, PEER_TEXT_MAX, addr.family == AF_INET ? "%s:%u" : "[%s]:%u", ip, peer_port(p));
	return out;
}

uint16_t peer_port(const struct peer *p)
{
	return ntohs(p->any.sa_family == AF_INET ? p->v4.sin_port : p->v6.sin6_port);
}

void peer_set_port(struct peer *p, uint16_t port)
{
	if (p->any.sa_family == AF_INET)
		p->v4.sin_port = htons(port);
	else
		p->v6.sin6_port = htons(port);
}

bool peer_eq(const struct peer *a, const struct peer *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
		!memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16);
}

bool peer_is_loopback(const struct peer *p)
{
	if (p->any.sa_family == AF_INET)
		return ntohl(p->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&p->v6.sin6_addr);
}

bool peer_is_any(const struct peer *p)
{
	if (p->any.sa_family == AF_INET)
		return !p->v4.sin_addr.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&p->v6.sin6_addr);
}
