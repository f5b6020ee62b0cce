/* SPDX-License-Identifier: MIT */
/* tests/unit/test_net_frames.c - frames of strangers: DHCP's answers, and vpnkit's stream */
#include "unit.h"

#include "net/dhcp.h"
#include "net/vpnkit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
#define XID 0x12345678u

/* --- DHCP --- */

struct answer {
	uint8_t frame[600];
	size_t n;
};

/* As a server would make it of our question: swapped ports, an address, these options. */
static void make_answer(struct answer *a, unsigned int words, const void *options, size_t len)
{
	static const struct dhcp_lease none;
	uint8_t question[DHCP_FRAME_MAX], *ip, *bootp;
	size_t head = words * 4;

	dhcp_build(question, mac, XID, DHCP_DISCOVER, &none);
	memset(a, 0, sizeof(*a));
	memcpy(a->frame, question, 14 + 20);
	ip = a->frame + 14;
	ip[0] = (uint8_t)(0x40 | words);
	ip[head + 1] = 67, ip[head + 3] = 68;
	bootp = ip + head + 8;
	memcpy(bootp, question + 14 + 20 + 8, 240);
	bootp[0] = 2;
	memcpy(bootp + 16, "\x0a\x00\x02\x0f", 4);
	memcpy(bootp + 240, options, len);
	a->n = (size_t)(bootp + 240 + len - a->frame);
}
#define ANSWER(a, options) make_answer(a, 5, options, sizeof(options) - 1)

/* Right before an unmapped page: whoever reads on falls over. */
static int parse(const struct answer *a, size_t n, struct dhcp_lease *l)
{
	static uint8_t *pages;

	if (!pages) {
		pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(pages + 4096, 4096, PROT_NONE);
	}
	memcpy(pages + 4096 - n, a->frame, n);
	return dhcp_parse(pages + 4096 - n, n, mac, XID, l);
}

#define OFFER "\x35\x01\x02"
#define REST "\x00\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x02\x02\x06\x08\x0a\x00\x02\x03\x0a\x00\x02\x04\x33\x04\x00\x01\x51\x80\x36\x04\x0a\x00\x02\x02\xff"

TEST(an_offer_is_taken)
{
	char text[SUBNET_TEXT];
	struct dhcp_lease l = {0};
	struct answer a;

	ANSWER(&a, OFFER REST);
	CHECK_INT(parse(&a, a.n, &l), DHCP_OFFER);
	CHECK_STR(subnet_format(&l.addr, text), "10.0.2.15/24");
	CHECK_STR(inet_format(&l.router, text), "10.0.2.2");
	CHECK_STR(inet_format(&l.dns, text), "10.0.2.3");
	CHECK_INT(l.seconds, 86400);
	CHECK(!memcmp(&l.server, "\x0a\x00\x02\x02", 4));
	ANSWER(&a, "\x35\x01\x05"); /* no end mark, nothing else */
	CHECK_INT(parse(&a, a.n, &l), DHCP_ACK);
	CHECK_INT(l.addr.len, 24);
	CHECK_INT(l.router.family, 0);
	CHECK(l.seconds == UINT32_MAX);
	make_answer(&a, 15, OFFER REST, sizeof(OFFER REST) - 1); /* the longest IP header */
	CHECK_INT(parse(&a, a.n, &l), DHCP_OFFER);
}

TEST(what_is_cut_off_or_not_for_us_is_none)
{
	struct dhcp_lease l = {.seconds = 7};
	struct answer a;
	size_t n;

	ANSWER(&a, OFFER REST);
	for (n = 0; n < 14 + 20 + 8 + 240 + 3; n++)
		CHECK_INT(parse(&a, n, &l), 0);
	a.frame[13] = 6; /* ARP */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER REST);
	a.frame[14 + 20 + 8 + 4] ^= 1; /* another question's */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER REST);
	a.frame[14 + 20 + 8 + 28] ^= 1; /* somebody else's */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER REST);
	a.frame[14] = 0x4f; /* a header longer than the frame has it */
	CHECK_INT(parse(&a, a.n, &l), 0);
	a.frame[14] = 0x44;
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, "\x35\x02\x02\x02"); /* a type of two bytes */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER "\x03\x05\x0a\x00\x02\x02"); /* an option longer than the rest */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER "\x03");
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER "\x01\x04\xff\xff\xff\xff"); /* a network of one */
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER "\x01\x04\x00\x00\x00\x00");
	CHECK_INT(parse(&a, a.n, &l), 0);
	ANSWER(&a, OFFER REST);
	memset(a.frame + 14 + 20 + 8 + 16, 0, 4); /* no address */
	CHECK_INT(parse(&a, a.n, &l), 0);
	a.frame[14 + 20 + 8 + 240 + 2] = DHCP_NAK; /* which needs none */
	CHECK_INT(parse(&a, a.n, &l), DHCP_NAK);
	ANSWER(&a, "\x35\x01\x01"); /* a question */
	CHECK_INT(parse(&a, a.n, &l), 0);
}

/* --- a server that answers what dhcp_ask() sends --- */

struct server {
	bool refuse;
	int asked, sent[8];
	uint8_t question[DHCP_FRAME_MAX];
};

static int server_send(void *arg, const uint8_t *frame, size_t n)
{
	struct server *s = arg;

	NEED(n <= sizeof(s->question) && s->asked < 8);
	memcpy(s->question, frame, n);
	s->sent[s->asked++] = frame[14 + 20 + 8 + 240 + 2];
	return 0;
}

static ssize_t server_receive(void *arg, uint8_t *frame, size_t max, int timeout_ms)
{
	struct server *s = arg;
	int type = s->sent[s->asked - 1] == DHCP_DISCOVER ? DHCP_OFFER : s->refuse ? DHCP_NAK : DHCP_ACK;
	struct answer a;

	(void)timeout_ms;
	ANSWER(&a, OFFER REST);
	a.frame[14 + 20 + 8 + 240 + 2] = (uint8_t)type;
	memcpy(a.frame + 14 + 20 + 8 + 4, s->question + 14 + 20 + 8 + 4, 4);
	if (type == DHCP_NAK)
		s->refuse = false; /* the next one is granted */
	NEED(a.n <= max);
	memcpy(frame, a.frame, a.n);
	return (ssize_t)a.n;
}

TEST(an_address_is_asked_for_and_kept)
{
	struct server s = {0};
	struct dhcp_io io = {server_send, server_receive, &s};
	struct dhcp_lease l = {0};
	struct err e = ERR_INIT;

	CHECK_OK(e, dhcp_ask(&io, mac, 1000, &l, &e));
	CHECK_INT(s.asked, 2);
	CHECK_INT(s.sent[0], DHCP_DISCOVER);
	CHECK_INT(s.sent[1], DHCP_REQUEST);
	CHECK_OK(e, dhcp_ask(&io, mac, 1000, &l, &e)); /* renewed */
	CHECK_INT(s.asked, 3);
	s.refuse = true;
	CHECK_OK(e, dhcp_ask(&io, mac, 1000, &l, &e)); /* lost, and asked for anew */
	CHECK_INT(s.sent[3], DHCP_REQUEST);
	CHECK_INT(s.sent[4], DHCP_DISCOVER);
}

/* --- vpnkit --- */

static const uint8_t gateway[4] = {192, 168, 127, 1};

static bool barred(const char *destination, unsigned int port, bool host, void (*change)(uint8_t *), size_t n)
{
	uint8_t frame[14 + 20 + 20] = {0}, *ip = frame + 14;
	struct inet a;

	inet_parse(span_of(destination), &a);
	frame[12] = 8;
	ip[0] = 0x45;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 16, a.bytes, 4);
	ip[22] = (uint8_t)(port >> 8), ip[23] = (uint8_t)port;
	if (change)
		change(frame);
	return vpnkit_is_barred(frame, n, gateway, host);
}
static void udp(uint8_t *f) { f[14 + 9] = IPPROTO_UDP; }
static void arp(uint8_t *f) { f[13] = 6; }
static void fragment(uint8_t *f) { f[14 + 7] = 1; }
static void short_header(uint8_t *f) { f[14] = 0x40; }

TEST(the_gateway_is_for_names_alone)
{
	CHECK(barred("192.168.127.1", 80, false, NULL, 54));
	CHECK(!barred("192.168.127.1", 53, false, NULL, 54));
	CHECK(!barred("192.168.127.1", 80, false, udp, 54));
	CHECK(!barred("192.168.127.1", 80, false, arp, 54));
	CHECK(!barred("192.168.127.2", 80, false, NULL, 54));
	CHECK(!barred("192.168.127.254", 80, false, NULL, 54));
	CHECK(barred("192.168.127.254", 80, true, NULL, 54));
	CHECK(barred("192.168.127.254", 80, true, udp, 54));
	CHECK(barred("192.168.127.1", 53, false, fragment, 54));
	CHECK(barred("192.168.127.1", 53, false, short_header, 54));
	CHECK(barred("192.168.127.1", 53, false, NULL, 37)); /* without a port */
	CHECK(barred("192.168.127.2", 80, false, NULL, 33)); /* without an address */
	CHECK(!barred("192.168.127.1", 80, false, NULL, 13));
}

TEST(frames_keep_their_borders)
{
	static uint8_t frame[VPNKIT_FRAME_MAX], big[2 + 1400];
	int pair[2];

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	memset(big, 'x', sizeof(big));
	CHECK_INT(vpnkit_put(pair[0], big, 1400), 0);
	CHECK_INT(vpnkit_put(pair[0], big, 1), 0);
	CHECK_INT(vpnkit_get(pair[1], frame, sizeof(frame)), 1400);
	CHECK_INT(frame[1399], 'x');
	CHECK_INT(vpnkit_get(pair[1], frame, sizeof(frame)), 1);
	CHECK_INT(vpnkit_put(pair[0], big, 300), 0);
	CHECK_INT(vpnkit_get(pair[1], frame, 299), 0); /* longer than there is room */
	NEED(write(pair[0], "\x05\x00" "ab", 4) == 4);
	shutdown(pair[0], SHUT_WR);
	while (vpnkit_get(pair[1], frame, sizeof(frame)))
		;
	close(pair[0]), close(pair[1]);
}

/* What the other end says, whatever it is told. */
static int greet(const void *says, size_t n, uint8_t got[6], struct err *e)
{
	int pair[2], rc;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	NEED(write(pair[0], says, n) == (ssize_t)n);
	shutdown(pair[0], SHUT_WR);
	rc = vpnkit_begin(pair[1], got, e);
	close(pair[0]), close(pair[1]);
	return rc;
}

TEST(the_greeting)
{
	uint8_t says[49 + 258] = "VMN3T\x16", got[6];
	struct err e = ERR_INIT;

	says[49] = 1;
	memcpy(says + 49 + 5, mac, 6);
	CHECK_OK(e, greet(says, sizeof(says), got, &e));
	CHECK(!memcmp(got, mac, 6));
	CHECK_INT(greet(says, sizeof(says) - 1, got, &e), -1);
	CHECK_INT(greet(says, 48, got, &e), -1);
	says[49] = 2;
	CHECK_INT(greet(says, sizeof(says), got, &e), -1);
	CHECK(strstr(e.msg, "refuses an interface"));
	says[0] = 'X';
	CHECK_INT(greet(says, sizeof(says), got, &e), -1);
	CHECK(strstr(e.msg, "another protocol"));
}
