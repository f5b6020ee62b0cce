/* SPDX-License-Identifier: MIT */
/* Unit tests of the packets the relay reads and makes. */
#include "net/relay_packet.h"

#include "unit.h"

/* 172.17.0.2:33000 -> 192.0.2.1:80, SYN 0x01020304, one option of 4 bytes; the sums as Linux sends them. */
static const char syn4[] = "\x45\x00\x00\x2c\x00\x01\x40\x00\x40\x06\x00\x00\xac\x11\x00\x02\xc0\x00\x02\x01"
			   "\x80\xe8\x00\x50\x01\x02\x03\x04\x00\x00\x00\x00\x60\x02\xfa\xf0\x12\x34\x00\x00"
			   "\x02\x04\x05\xb4";
/* fd00::2 -> 2001:db8::1, hop-by-hop options of 8 bytes, then the same TCP header. */
static const char syn6[] = "\x60\x00\x00\x00\x00\x20\x00\x40\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			   "\x00\x00\x00\x02\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
			   "\x06\x00\x01\x04\x00\x00\x00\x00"
			   "\x80\xe8\x00\x50\x01\x02\x03\x04\x00\x00\x00\x00\x60\x02\xfa\xf0\x12\x34\x00\x00"
			   "\x02\x04\x05\xb4";
static const char echo4[] = "\x45\x00\x00\x20\x00\x01\x40\x00\x40\x01\x00\x00\xac\x11\x00\x02\xc0\x00\x02\x01"
			    "\x08\x00\x00\x00\x12\x34\x00\x07" "abcd";

#define BYTES(a) (a), sizeof(a) - 1

static int parse(const char *p, size_t n, struct packet *out)
{
	return packet_parse(guarded(p, n), n, out);
}

TEST(a_syn)
{
	char src[INET_TEXT], dst[INET_TEXT];
	struct packet p;

	NEED(!parse(BYTES(syn4), &p));
	CHECK_STR(inet_format(&p.tuple.src, src), "172.17.0.2");
	CHECK_STR(inet_format(&p.tuple.dst, dst), "192.0.2.1");
	CHECK_INT(p.tuple.src_port, 33000);
	CHECK_INT(p.tuple.dst_port, 80);
	CHECK_INT(p.seq, 0x01020304);
	CHECK_INT(p.header_n, 24);
	CHECK_INT(p.n, 24);
}

TEST(a_syn_behind_extensions)
{
	char dst[INET_TEXT];
	struct packet p;

	NEED(!parse(BYTES(syn6), &p));
	CHECK_STR(inet_format(&p.tuple.dst, dst), "2001:db8::1");
	CHECK_INT(p.protocol, IPPROTO_TCP);
	CHECK_INT(p.tuple.dst_port, 80);
	CHECK_INT(p.header_n, 24);
}

TEST(an_echo_request)
{
	struct packet p;

	NEED(!parse(BYTES(echo4), &p));
	CHECK_INT(p.tuple.src_port, 0x1234);
	CHECK_INT(p.seq, 7);
	CHECK_INT(p.n, 12);
}

/* Each prefix ends at an unmapped page. */
TEST(packets_cut_off)
{
	struct packet p;
	size_t n;

	for (n = 0; n < sizeof(syn4) - 1; n++)
		CHECK_INT(parse(syn4, n, &p), -1);
	for (n = 0; n < sizeof(syn6) - 1; n++)
		CHECK_INT(parse(syn6, n, &p), -1);
	for (n = 0; n < 28; n++)
		CHECK_INT(parse(echo4, n, &p), -1);
}

/* The bytes of @from with one replaced are refused. */
static void refused_with(const char *from, size_t n, size_t at, uint8_t byte)
{
	char copy[128];
	struct packet p;

	memcpy(copy, from, n);
	copy[at] = (char)byte;
	if (!CHECK_INT(parse(copy, n, &p), -1))
		fprintf(stderr, "byte %zu as %#x\n", at, byte);
}

TEST(nonsense)
{
	refused_with(BYTES(syn4), 0, 0x55);  /* version */
	refused_with(BYTES(syn4), 0, 0x44);  /* header of 16 bytes */
	refused_with(BYTES(syn4), 0, 0x4f);  /* of 60, more than there is */
	refused_with(BYTES(syn4), 3, 19);    /* total length less than the header */
	refused_with(BYTES(syn4), 6, 0x20);  /* more fragments */
	refused_with(BYTES(syn4), 7, 1);     /* a later fragment */
	refused_with(BYTES(syn4), 9, 17);    /* UDP is not for us */
	refused_with(BYTES(syn4), 32, 0x40); /* TCP header of 16 bytes */
	refused_with(BYTES(syn4), 32, 0x70); /* of 28 */
	refused_with(BYTES(syn6), 41, 9);    /* extension behind the end */
	refused_with(BYTES(syn6), 6, 50);    /* one we do not pass over */
	refused_with(BYTES(echo4), 20, 0);   /* an answer */
}

TEST(padding_is_no_part)
{
	char copy[128];
	struct packet p;

	memcpy(copy, echo4, sizeof(echo4) - 1);
	memset(copy + sizeof(echo4) - 1, 0, 10);
	NEED(!parse(copy, sizeof(echo4) + 9, &p));
	CHECK_INT(p.n, 12);
}

/* --- making --------------------------------------------------------------------------------------- */

TEST(the_checksum)
{
	static const uint8_t rfc1071[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	CHECK_INT(packet_sum(0, rfc1071, sizeof(rfc1071)), 0xddf2); /* section 3 */
	CHECK_INT(packet_sum(0, rfc1071, 3), 0xf201);
	CHECK_INT(packet_sum_end(0xddf2), 0x220d);
}

/* The sum over pseudo header and segment, its checksum included, is all ones. */
static uint32_t segment_sum(const struct packet *p, size_t n)
{
	size_t size = inet_size(p->tuple.src.family);
	uint32_t sum = packet_sum((uint32_t)(IPPROTO_TCP + n), p->tuple.src.bytes, size);

	return packet_sum(packet_sum(sum, p->tuple.dst.bytes, size), p->transport, n);
}

static void check_made(const char *from, size_t n)
{
	uint8_t out[PACKET_MAX];
	struct packet p, made;
	size_t len;

	NEED(!parse(from, n, &p));
	len = packet_make_tcp(&p.tuple, p.transport, p.header_n, out);
	NEED(!packet_parse(guarded(out, len), len, &made));
	CHECK(tuple_eq(&p.tuple, &made.tuple));
	CHECK_INT(made.seq, p.seq);
	CHECK_INT(made.header_n, p.header_n);
	NEED(!packet_parse(out, len, &made));
	CHECK_INT(segment_sum(&made, made.n), 0xffff);
}

TEST(a_syn_with_its_sums)
{
	uint8_t out[PACKET_MAX];
	struct packet p;

	check_made(BYTES(syn4));
	check_made(BYTES(syn6));
	NEED(!parse(BYTES(syn4), &p));
	packet_make_tcp(&p.tuple, p.transport, p.header_n, out);
	CHECK_INT(packet_sum(0, out, 20), 0xffff);
}

TEST(a_reset)
{
	uint8_t out[PACKET_MAX];
	struct packet p, rst;
	size_t n;

	NEED(!parse(BYTES(syn6), &p));
	n = packet_make_rst(&p.tuple, p.seq, out);
	NEED(!packet_parse(out, n, &rst));
	CHECK(!inet_compare(&rst.tuple.src, &p.tuple.dst));
	CHECK(!inet_compare(&rst.tuple.dst, &p.tuple.src));
	CHECK_INT(rst.tuple.src_port, 80);
	CHECK_INT(rst.tuple.dst_port, 33000);
	CHECK(!memcmp(rst.transport + 8, "\x01\x02\x03\x05", 4)); /* acknowledges the SYN */
	CHECK_INT(rst.transport[13], 0x14);
	CHECK_INT(segment_sum(&rst, rst.n), 0xffff);
}

TEST(an_error_quotes_what_it_is_about)
{
	uint8_t out[PACKET_MAX];
	struct packet p;
	size_t n;

	NEED(!parse(BYTES(syn4), &p));
	n = packet_make_error(&p.tuple, IPPROTO_TCP, p.seq, 3, 1, out);
	CHECK_INT(n, 8 + 20 + 8);
	CHECK_INT(out[0], 3);
	CHECK_INT(out[1], 1);
	CHECK_INT(packet_sum(0, out, n), 0xffff);
	CHECK(!memcmp(out + 8 + 12, syn4 + 12, 8));
	CHECK(!memcmp(out + 28, syn4 + 20, 8));
}

TEST(socket_addresses)
{
	struct sockaddr_storage sa;
	struct inet a, b;
	uint16_t port;

	NEED(!inet_parse(SPAN("2001:db8::7"), &a));
	CHECK_INT(inet_to_sockaddr(&a, 443, &sa), sizeof(struct sockaddr_in6));
	NEED(!inet_from_sockaddr(&sa, &b, &port));
	CHECK_INT(port, 443);
	CHECK(!inet_compare(&a, &b));
	sa.ss_family = AF_UNIX;
	CHECK_INT(inet_from_sockaddr(&sa, &b, &port), -1);
}
