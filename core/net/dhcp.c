/* SPDX-License-Identifier: MIT */
/*
 * core/net/dhcp.c - DISCOVER, OFFER, REQUEST, ACK
 *
 * A frame is Ethernet, IPv4 and UDP headers of fixed sizes, a BOOTP message of 236 bytes, a magic number, and
 * options: type, length, value.  What comes in is anybody's: each length is checked against what is there
 * before it is used.
 */
#include "net/dhcp.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define ETHER 14
#define IP 20
#define UDP 8
#define BOOTP 236
#define OPTIONS (ETHER + IP + UDP + BOOTP + 4)
#define FRAME_MAX 2048
#define AGAIN_MS 1000

enum { OPT_PAD = 0, OPT_MASK = 1, OPT_ROUTER = 3, OPT_DNS = 6, OPT_WANTED = 50, OPT_LEASE = 51, OPT_TYPE = 53, OPT_SERVER = 54,
	OPT_LIST = 55, OPT_END = 255 };

static const uint8_t magic[4] = {0x63, 0x82, 0x53, 0x63};

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static unsigned int checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* --- asking ----------------------------------------------------------------------------------------- */

static uint8_t *add_option(uint8_t *p, uint8_t type, const void *value, uint8_t n)
{
	*p++ = type;
	*p++ = n;
	memcpy(p, value, n);
	return p + n;
}

static uint8_t *add_options(uint8_t *p, int type, const struct dhcp_lease *lease)
{
	static const uint8_t wanted[] = {OPT_MASK, OPT_ROUTER, OPT_DNS, OPT_LEASE};

	p = add_option(p, OPT_TYPE, &(uint8_t){(uint8_t)type}, 1);
	p = add_option(p, OPT_LIST, wanted, sizeof(wanted));
	if (type == DHCP_REQUEST) {
		p = add_option(p, OPT_WANTED, lease->addr.addr.bytes, 4);
		if (lease->server)
			p = add_option(p, OPT_SERVER, &lease->server, 4);
	}
	*p++ = OPT_END;
	return p;
}

size_t dhcp_build(uint8_t frame[static DHCP_FRAME_MAX], const uint8_t mac[6], uint32_t xid, int type,
	const struct dhcp_lease *lease)
{
	uint8_t *ip = frame + ETHER, *udp = ip + IP, *bootp = udp + UDP, *end;

	memset(frame, 0, DHCP_FRAME_MAX);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	put16(frame + 12, 0x0800);
	memcpy(bootp, "\x01\x01\x06", 3); /* a request, Ethernet, 6 bytes of address */
	memcpy(bootp + 4, &xid, 4);
	put16(bootp + 10, 0x8000); /* answer to everybody: we have no address yet */
	memcpy(bootp + 28, mac, 6);
	memcpy(bootp + BOOTP, magic, 4);
	end = add_options(frame + OPTIONS, type, lease);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, (unsigned int)(end - udp)); /* a checksum of 0: none */
	ip[0] = 0x45;
	put16(ip + 2, (unsigned int)(end - ip));
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memset(ip + 16, 0xff, 4);
	put16(ip + 10, checksum(ip, IP));
	return (size_t)(end - frame);
}

/* --- answers ---------------------------------------------------------------------------------------- */

static unsigned int mask_len(uint32_t mask)
{
	unsigned int n = 0;

	while (mask & 0x80000000u)
		n++, mask <<= 1;
	return n;
}

static void set_inet(struct inet *a, const uint8_t *p)
{
	*a = (struct inet){.family = AF_INET};
	memcpy(a->bytes, p, 4);
}

static void take_option(struct dhcp_lease *l, int *type, uint8_t option, const uint8_t *p, size_t n)
{
	if (option == OPT_TYPE && n == 1)
		*type = *p;
	else if (option == OPT_MASK && n == 4)
		l->addr.len = mask_len(get32(p));
	else if (option == OPT_ROUTER && n >= 4)
		set_inet(&l->router, p);
	else if (option == OPT_DNS && n >= 4)
		set_inet(&l->dns, p);
	else if (option == OPT_LEASE && n == 4)
		l->seconds = get32(p);
	else if (option == OPT_SERVER && n == 4)
		memcpy(&l->server, p, 4);
}

/* The headers before the BOOTP message: where that begins, or 0. */
static size_t skip_headers(const uint8_t *f, size_t n)
{
	size_t ip;

	if (n < ETHER + IP || get16(f + 12) != 0x0800 || f[ETHER] >> 4 != 4 || f[ETHER + 9] != IPPROTO_UDP)
		return 0;
	ip = (size_t)(f[ETHER] & 15) * 4;
	if (ip < IP || n < ETHER + ip + UDP || get16(f + ETHER + ip) != 67 || get16(f + ETHER + ip + 2) != 68)
		return 0;
	return ETHER + ip + UDP;
}

int dhcp_parse(const uint8_t *frame, size_t n, const uint8_t mac[6], uint32_t xid, struct dhcp_lease *lease)
{
	size_t at = skip_headers(frame, n);
	const uint8_t *bootp = frame + at;
	struct dhcp_lease l = {.addr.len = 24, .seconds = UINT32_MAX};
	int type = 0;

	if (!at || n - at < BOOTP + 4 || *bootp != 2 || memcmp(bootp + 4, &xid, 4) || memcmp(bootp + 28, mac, 6) ||
		memcmp(bootp + BOOTP, magic, 4))
		return 0;
	set_inet(&l.addr.addr, bootp + 16);
	at += BOOTP + 4;
	while (at < n && frame[at] != OPT_END) {
		if (frame[at] == OPT_PAD) {
			at++;
			continue;
		}
		if (n - at < 2 || n - at - 2 < frame[at + 1])
			return 0;
		take_option(&l, &type, frame[at], frame + at + 2, frame[at + 1]);
		at += 2 + (size_t)frame[at + 1];
	}
	if (type != DHCP_NAK && (!get32(l.addr.addr.bytes) || !l.addr.len || l.addr.len > 30))
		return 0;
	*lease = l;
	return type == DHCP_OFFER || type == DHCP_ACK || type == DHCP_NAK ? type : 0;
}

/* --- the whole -------------------------------------------------------------------------------------- */

/* Send one question until an answer of that type comes.  1: refused; 0; -1 with @e. */
static int exchange(const struct dhcp_io *io, const uint8_t mac[6], int type, int answer, int64_t deadline,
	struct dhcp_lease *lease, struct err *e)
{
	uint8_t question[DHCP_FRAME_MAX], frame[FRAME_MAX];
	int64_t again = 0, now;
	struct dhcp_lease got;
	uint32_t xid;
	size_t len;
	int what;

	random_bytes(&xid, sizeof(xid));
	len = dhcp_build(question, mac, xid, type, lease);
	while ((now = clock_mono_ns()) < deadline) {
		int64_t wait = again - now;
		ssize_t n;

		if (wait <= 0) {
			if (io->send(io->arg, question, len))
				return err_set(e, errno, "sending a DHCP request");
			wait = AGAIN_MS * NS_PER_MS;
			again = now + wait;
		}
		if (wait > deadline - now)
			wait = deadline - now;
		n = io->receive(io->arg, frame, sizeof(frame), (int)(wait / NS_PER_MS) + 1);
		if (n < 0)
			return err_set(e, errno, "waiting for a DHCP answer");
		what = n ? dhcp_parse(frame, (size_t)n, mac, xid, &got) : 0;
		if (what == DHCP_NAK && type == DHCP_REQUEST)
			return 1;
		if (what != answer)
			continue;
		*lease = got;
		return 0;
	}
	return err_set(e, ETIMEDOUT, "waiting for a DHCP answer");
}

int dhcp_ask(const struct dhcp_io *io, const uint8_t mac[6], int timeout_ms, struct dhcp_lease *lease, struct err *e)
{
	int64_t deadline = clock_mono_ns() + timeout_ms * NS_PER_MS;
	int rc = 1;

	if (lease->addr.addr.family)
		rc = exchange(io, mac, DHCP_REQUEST, DHCP_ACK, deadline, lease, e);
	while (rc > 0) {
		*lease = (struct dhcp_lease){0};
		rc = exchange(io, mac, DHCP_DISCOVER, DHCP_OFFER, deadline, lease, e);
		if (!rc)
			rc = exchange(io, mac, DHCP_REQUEST, DHCP_ACK, deadline, lease, e);
	}
	return rc;
}
