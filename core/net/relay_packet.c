/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_packet.c - the few packets that the relay reads and writes itself
 *
 * Written by offset and in network order: structs of <netinet/ip.h> would save a few constants and
 * cost alignment, bit-fields and two sets of names.  RFC 791, 793, 792, 8200, 4443.
 */
#include "net/relay_packet.h"

#include <arpa/inet.h>
#include <string.h>

#define EXTENSIONS_MAX 8 /* IPv6 headers before TCP; nobody honest has more */
#define TTL 64

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* --- tuples and addresses ------------------------------------------------------------------------ */

struct tuple tuple_make(const struct inet *src, uint16_t src_port, const struct inet *dst, uint16_t dst_port)
{
	struct tuple t;

	memset(&t, 0, sizeof(t));
	t.src = *src;
	t.dst = *dst;
	t.src_port = src_port;
	t.dst_port = dst_port;
	return t;
}

bool tuple_eq(const struct tuple *a, const struct tuple *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* FNV-1a; the seed keeps containers from choosing collisions. */
uint32_t tuple_hash(const struct tuple *t, uint32_t seed)
{
	const uint8_t *p = (const uint8_t *)t;
	uint32_t h = 2166136261u ^ seed;
	size_t i;

	for (i = 0; i < sizeof(*t); i++)
		h = (h ^ p[i]) * 16777619u;
	return h ^ h >> 15;
}

socklen_t inet_to_sockaddr(const struct inet *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)a->family;
	if (a->family == AF_INET) {
		memcpy(&v4->sin_addr, a->bytes, 4);
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	memcpy(&v6->sin6_addr, a->bytes, 16);
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

int inet_from_sockaddr(const struct sockaddr_storage *sa, struct inet *a, uint16_t *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	memset(a, 0, sizeof(*a));
	a->family = sa->ss_family;
	if (sa->ss_family == AF_INET) {
		memcpy(a->bytes, &v4->sin_addr, 4);
		*port = ntohs(v4->sin_port);
	} else if (sa->ss_family == AF_INET6) {
		memcpy(a->bytes, &v6->sin6_addr, 16);
		*port = ntohs(v6->sin6_port);
	} else {
		return -1;
	}
	return 0;
}

/* --- parsing ------------------------------------------------------------------------------------ */

struct cursor {
	const uint8_t *p;
	size_t n;
};

static void take_addresses(const uint8_t *p, int family, struct tuple *t)
{
	size_t n = inet_size(family);

	t->src.family = t->dst.family = family;
	memcpy(t->src.bytes, p, n);
	memcpy(t->dst.bytes, p + n, n);
}

/* The cursor moves to the transport header. */
static int parse_ipv4(struct cursor *c, struct packet *out)
{
	size_t header = (size_t)(c->p[0] & 15) * 4;

	if (c->n < 20 || header < 20 || header > c->n)
		return -1;
	if (get16(c->p + 6) & 0x3fff) /* more fragments, or not the first */
		return -1;
	if (get16(c->p + 2) < header)
		return -1;
	if (get16(c->p + 2) < c->n)
		c->n = get16(c->p + 2); /* padding of the link layer */
	take_addresses(c->p + 12, AF_INET, &out->tuple);
	out->protocol = c->p[9];
	c->p += header;
	c->n -= header;
	return 0;
}

/* Length of the extension header at the cursor, 0 if it is none that may be passed over. */
static size_t extension(const struct cursor *c, uint8_t type)
{
	if (c->n < 8)
		return 0;
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return (size_t)(c->p[1] + 1) * 8;
	case IPPROTO_FRAGMENT:
		return get16(c->p + 2) & 0xfff9 ? 0 : 8; /* of one fragment alone */
	default:
		return 0;
	}
}

static int parse_ipv6(struct cursor *c, struct packet *out)
{
	size_t step;
	int i;

	if (c->n < 40)
		return -1;
	if (get16(c->p + 4) + 40u < c->n)
		c->n = get16(c->p + 4) + 40u;
	take_addresses(c->p + 8, AF_INET6, &out->tuple);
	out->protocol = c->p[6];
	c->p += 40;
	c->n -= 40;
	for (i = 0; i < EXTENSIONS_MAX; i++) {
		step = extension(c, out->protocol);
		if (!step)
			break;
		if (step > c->n)
			return -1;
		out->protocol = c->p[0];
		c->p += step;
		c->n -= step;
	}
	return 0;
}

static int parse_tcp(struct packet *out)
{
	if (out->n < 20)
		return -1;
	out->header_n = (size_t)(out->transport[12] >> 4) * 4;
	if (out->header_n < 20 || out->header_n > out->n)
		return -1;
	out->tuple.src_port = get16(out->transport);
	out->tuple.dst_port = get16(out->transport + 2);
	out->seq = get32(out->transport + 4);
	return 0;
}

static int parse_echo(struct packet *out)
{
	uint8_t request = out->protocol == IPPROTO_ICMP ? 8 : 128;

	if (out->n < 8 || out->transport[0] != request || out->transport[1])
		return -1;
	out->header_n = 8;
	out->tuple.src_port = out->tuple.dst_port = get16(out->transport + 4);
	out->seq = get16(out->transport + 6);
	return 0;
}

int packet_parse(const void *p, size_t n, struct packet *out)
{
	struct cursor c = {p, n};
	uint8_t echo;
	int rc;

	memset(out, 0, sizeof(*out));
	if (!n)
		return -1;
	switch (c.p[0] >> 4) {
	case 4:
		rc = parse_ipv4(&c, out);
		echo = IPPROTO_ICMP;
		break;
	case 6:
		rc = parse_ipv6(&c, out);
		echo = IPPROTO_ICMPV6;
		break;
	default:
		return -1;
	}
	if (rc)
		return -1;
	out->transport = c.p;
	out->n = c.n;
	if (out->protocol == IPPROTO_TCP)
		return parse_tcp(out);
	return out->protocol == echo ? parse_echo(out) : -1;
}

/* --- making ------------------------------------------------------------------------------------- */

uint32_t packet_sum(uint32_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t total = sum;
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		total += get16(b + i);
	if (i < n)
		total += (uint32_t)b[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

uint16_t packet_sum_end(uint32_t sum)
{
	return (uint16_t)~sum;
}

/* The IP header of a packet from @src to @dst with @n bytes of @protocol.  Its length. */
static size_t put_ip(uint8_t *out, const struct inet *src, const struct inet *dst, uint8_t protocol, size_t n)
{
	bool v4 = src->family == AF_INET;
	size_t header = v4 ? 20 : 40, size = inet_size(src->family), at = v4 ? 12 : 8;

	memset(out, 0, header);
	if (v4) {
		out[0] = 0x45;
		put16(out + 2, (uint32_t)(header + n));
		put16(out + 6, 0x4000); /* do not fragment */
		out[8] = TTL;
		out[9] = protocol;
	} else {
		out[0] = 0x60;
		put16(out + 4, (uint32_t)n);
		out[6] = protocol;
		out[7] = TTL;
	}
	memcpy(out + at, src->bytes, size);
	memcpy(out + at + size, dst->bytes, size);
	if (v4)
		put16(out + 10, packet_sum_end(packet_sum(0, out, header)));
	return header;
}

static size_t put_tcp(uint8_t *out, const struct inet *src, const struct inet *dst, const void *header, size_t n)
{
	size_t ip = put_ip(out, src, dst, IPPROTO_TCP, n), size = inet_size(src->family);
	uint32_t sum = packet_sum(packet_sum(IPPROTO_TCP + (uint32_t)n, src->bytes, size), dst->bytes, size);
	uint8_t *tcp = out + ip;

	memcpy(tcp, header, n);
	put16(tcp + 16, 0);
	put16(tcp + 16, packet_sum_end(packet_sum(sum, tcp, n)));
	return ip + n;
}

size_t packet_make_tcp(const struct tuple *t, const void *header, size_t n, uint8_t out[PACKET_MAX])
{
	return put_tcp(out, &t->src, &t->dst, header, n);
}

size_t packet_make_rst(const struct tuple *t, uint32_t seq, uint8_t out[PACKET_MAX])
{
	uint8_t tcp[20] = {0};

	put16(tcp, t->dst_port);
	put16(tcp + 2, t->src_port);
	put32(tcp + 8, seq + 1); /* the SYN counts */
	tcp[12] = 5 << 4;
	tcp[13] = 0x14; /* RST, ACK */
	return put_tcp(out, &t->dst, &t->src, tcp, sizeof(tcp));
}

size_t packet_make_error(const struct tuple *t, uint8_t protocol, uint32_t seq, uint8_t type, uint8_t code,
	uint8_t out[PACKET_MAX])
{
	uint8_t *quote = out + 8, *l4;
	size_t n;

	memset(out, 0, 8);
	out[0] = type;
	out[1] = code;
	/* What is quoted has at least 8 bytes of its transport header. */
	n = put_ip(quote, &t->src, &t->dst, protocol, 8);
	l4 = quote + n;
	put16(l4, t->src_port);
	put16(l4 + 2, t->dst_port);
	if (protocol == IPPROTO_TCP)
		put32(l4 + 4, seq);
	else
		put32(l4 + 4, 8 << 16); /* UDP: length, no checksum */
	n += 8 + 8;
	if (t->src.family == AF_INET)
		put16(out + 2, packet_sum_end(packet_sum(0, out, n)));
	return n;
}
