/* SPDX-License-Identifier: MIT */
/*
 * core/registry/net_match.c - is this host one of those addresses?
 */
#include "registry/net_match.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Length of the address in bytes, 0 if @text is none.  IPv4 mapped into IPv6 counts as IPv4. */
static size_t parse_ip(struct span text, unsigned char ip[16])
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char s[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(s))
		return 0;
	snprintf(s, sizeof(s), "%.*s", (int)text.n, text.p);
	if (inet_pton(AF_INET, s, ip) == 1)
		return 4;
	if (inet_pton(AF_INET6, s, ip) != 1)
		return 0;
	if (memcmp(ip, mapped, sizeof(mapped)))
		return 16;
	memmove(ip, ip + 12, 4);
	return 4;
}

bool net_cidr_contains(struct span cidr, const char *host)
{
	unsigned char want[16], have[16];
	ssize_t slash = span_chr(cidr, '/');
	struct span bits_text = {NULL, 0};
	uint64_t bits;
	size_t len, i;

	if (slash >= 0)
		bits_text = span_cut(&cidr, (size_t)slash);
	len = parse_ip(cidr, want);
	if (!len || parse_ip(span_of(host), have) != len)
		return false;
	bits = len * 8;
	if (slash >= 0 && parse_u64(bits_text, len * 8, &bits))
		return false;
	for (i = 0; i < bits / 8; i++)
		if (want[i] != have[i])
			return false;
	return !(bits % 8) || !((want[i] ^ have[i]) >> (8 - bits % 8));
}

bool net_is_loopback(const char *host)
{
	return net_cidr_contains(SPAN("127.0.0.0/8"), host) || net_cidr_contains(SPAN("::1"), host);
}
