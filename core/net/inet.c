/* SPDX-License-Identifier: MIT */
/*
 * core/net/inet.c - addresses and subnets of both families, as values
 */
#include "net/inet.h"

#include <arpa/inet.h>
#include <stdio.h>

int inet_parse(struct span s, struct inet *out)
{
	struct inet a = {0};
	char text[INET_TEXT];

	if (!s.n || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return -1;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return -1;
	/* Some libraries take "010.0.0.1"; whether that is 8 or 10 nobody knows. */
	for (size_t i = 0; a.family == AF_INET && i + 1 < s.n; i++)
		if (text[i] == '0' && (!i || text[i - 1] == '.') && text[i + 1] != '.')
			return -1;
	*out = a;
	return 0;
}

char *inet_format(const struct inet *a, char out[INET_TEXT])
{
	if (!a->family || !inet_ntop(a->family, a->bytes, out, INET_TEXT))
		*out = 0;
	return out;
}

int inet_compare(const struct inet *a, const struct inet *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

size_t inet_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

unsigned int inet_bits(int family)
{
	return (unsigned int)inet_size(family) * 8;
}

bool inet_next(struct inet *a)
{
	struct inet n = *a;

	for (size_t i = inet_size(a->family); i-- > 0;) {
		if (++n.bytes[i]) {
			*a = n;
			return true;
		}
	}
	return false;
}

int subnet_parse(struct span s, struct subnet *out)
{
	ssize_t slash = span_chr(s, '/');
	struct span len;
	struct inet a;
	uint64_t n;

	if (slash < 0)
		return -1;
	len = span_cut(&s, (size_t)slash);
	if (inet_parse(s, &a) || parse_u64(len, inet_bits(a.family), &n) || (len.n > 1 && *len.p == '0'))
		return -1;
	*out = (struct subnet){a, (unsigned int)n};
	return 0;
}

char *subnet_format(const struct subnet *s, char out[SUBNET_TEXT])
{
	char text[INET_TEXT];

	snprintf(out, SUBNET_TEXT, "%s/%u", inet_format(&s->addr, text), s->len);
	return out;
}

/* The host bits of byte @i. */
static uint8_t host_mask(const struct subnet *s, size_t i)
{
	if (s->len >= 8 * (i + 1))
		return 0;
	return s->len <= 8 * i ? 0xff : (uint8_t)(0xff >> (s->len - 8 * i));
}

struct inet subnet_first(const struct subnet *s)
{
	struct inet a = s->addr;

	for (size_t i = 0; i < inet_size(a.family); i++)
		a.bytes[i] &= (uint8_t)~host_mask(s, i);
	return a;
}

struct inet subnet_last(const struct subnet *s)
{
	struct inet a = s->addr;

	for (size_t i = 0; i < inet_size(a.family); i++)
		a.bytes[i] |= host_mask(s, i);
	return a;
}

bool subnet_contains(const struct subnet *s, const struct inet *a)
{
	struct inet first = subnet_first(s), last = subnet_last(s);

	return a->family == s->addr.family && inet_compare(&first, a) <= 0 && inet_compare(a, &last) <= 0;
}

bool subnet_overlaps(const struct subnet *a, const struct subnet *b)
{
	const struct subnet *wide = a->len <= b->len ? a : b, *narrow = wide == a ? b : a;

	return subnet_contains(wide, &narrow->addr);
}
