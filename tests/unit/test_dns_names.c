/* SPDX-License-Identifier: MIT */
/* Unit tests of the name server's messages and of who is found under which name. */
#include "net/dns_names.h"
#include "net/dns_wire.h"
#include "net/peer.h"
#include "unit.h"

/* --- messages ----------------------------------------------------------------------------------- */

#define HEAD "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define HEAD_EXTRA "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
#define OPT(size) "\x00\x00\x29" size "\x00\x00\x00\x00\x00\x00"

static int parse(const char *p, size_t n, struct dns_query *q)
{
	return dns_query_parse((const uint8_t *)guarded(p, n), n, q);
}
#define PARSE(text, q) parse(text, sizeof(text) - 1, q)

TEST(query_is_read)
{
	struct dns_query q;

	CHECK_INT(PARSE(HEAD "\x03WeB\x02n1\x00\x00\x01\x00\x01", &q), 0);
	CHECK_STR(q.name, "web.n1");
	CHECK_INT(q.type, DNS_A);
	CHECK_INT(q.class, DNS_IN);
	CHECK_INT(q.question_end, 24);
	CHECK(!q.edns);
	CHECK_INT(q.udp_max, 512);
	CHECK_INT(PARSE(HEAD "\x00\x00\x02\x00\x01", &q), 0);
	CHECK_STR(q.name, "");
}

TEST(edns_is_seen)
{
	struct dns_query q;

	CHECK_INT(PARSE(HEAD_EXTRA "\x01" "a\x00\x00\x01\x00\x01" OPT("\x04\xd0"), &q), 0);
	CHECK(q.edns);
	CHECK_INT(q.udp_max, 1232);
	CHECK_INT(PARSE(HEAD_EXTRA "\x01" "a\x00\x00\x01\x00\x01" OPT("\x00\x10"), &q), 0);
	CHECK_INT(q.udp_max, 512); /* less than that nobody may say */
	/* Behind a record with a compressed name. */
	CHECK_INT(PARSE("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02\x01" "a\x00\x00\x01\x00\x01"
			"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x00\x00\x02xy" OPT("\x10\x00"), &q), 0);
	CHECK_INT(q.udp_max, 4096);
}

TEST(what_is_no_query_is_not_answered)
{
	struct dns_query q;
	char all[] = HEAD "\x03web\x00\x00\x01\x00\x01";
	size_t n;

	for (n = 0; n < DNS_HEADER_LEN; n++)
		CHECK_INT(parse(all, n, &q), -1);
	all[2] |= (char)0x80;
	CHECK_INT(parse(all, sizeof(all) - 1, &q), -1);
}

TEST(malformed_queries_are_told_so)
{
	static const char whole[] = HEAD "\x03web\x00\x00\x01\x00\x01";
	struct dns_query q;
	char name[300];
	size_t n;

	for (n = DNS_HEADER_LEN; n < sizeof(whole) - 1; n++)
		CHECK_INT(parse(whole, n, &q), DNS_FORMERR);
	CHECK_INT(PARSE(HEAD "\xc0\x0c\x00\x01\x00\x01", &q), DNS_FORMERR); /* points at itself */
	CHECK_INT(PARSE(HEAD "\x40" "abc\x00\x00\x01\x00\x01", &q), DNS_FORMERR);
	CHECK_INT(PARSE("\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01", &q), DNS_NOTIMP);
	CHECK_INT(PARSE("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01", &q), DNS_FORMERR);
	CHECK_INT(PARSE(HEAD_EXTRA "\x01" "a\x00\x00\x01\x00\x01\x00\x00\x29\x10", &q), DNS_FORMERR);

	/* 255 octets are the longest name: 4 labels of 62 and the root make 253, one of 1 fills it up. */
	memcpy(name, HEAD, DNS_HEADER_LEN);
	for (n = 0; n < 4; n++) {
		name[12 + n * 63] = 62;
		memset(name + 13 + n * 63, 'x', 62);
	}
	memcpy(name + 12 + 252, "\x01y\x00\x00\x01\x00\x01", 7);
	CHECK_INT(parse(name, 12 + 252 + 7, &q), 0);
	CHECK_INT(strlen(q.name), 253);
	memcpy(name + 12 + 252, "\x02yy\x00\x00\x01\x00\x01", 8);
	CHECK_INT(parse(name, 12 + 252 + 8, &q), DNS_FORMERR);
}

TEST(names_that_text_cannot_tell_are_nobodys)
{
	struct dns_query q;

	CHECK_INT(PARSE(HEAD "\x06web.n1\x00\x00\x01\x00\x01", &q), 0);
	CHECK_STR(q.name, "");
	CHECK_INT(PARSE(HEAD "\x03w\x00" "b\x00\x00\x01\x00\x01", &q), 0);
	CHECK_STR(q.name, "");
}

TEST(answers_fit_and_say_when_they_do_not)
{
	static const uint8_t ip[4] = {10, 0, 0, 1};
	struct dns_query q;
	struct dns_answer a;
	uint8_t out[DNS_UDP_MIN];
	int i;

	NEED(CHECK_INT(PARSE(HEAD_EXTRA "\x01" "a\x00\x00\x01\x00\x01" OPT("\x00\x10"), &q), 0));
	dns_answer_begin(&a, &q, out, sizeof(out), DNS_NOERROR, true);
	dns_answer_add(&a, DNS_A, ip, sizeof(ip));
	CHECK_INT(dns_answer_end(&a), 12 + 7 + 16 + 11);
	CHECK(!memcmp(out, "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x01\x01" "a\x00\x00\x01\x00\x01\xc0\x0c\x00\x01"
			   "\x00\x01\x00\x00\x02\x58\x00\x04\x0a\x00\x00\x01\x00\x00\x29\xff\xff\x00\x00\x00\x00\x00\x00",
		12 + 7 + 16 + 11));
	dns_answer_begin(&a, &q, out, sizeof(out), DNS_NOERROR, true);
	for (i = 0; i < 100; i++)
		dns_answer_add(&a, DNS_A, ip, sizeof(ip));
	CHECK(dns_answer_end(&a) <= sizeof(out));
	CHECK(out[2] & 2);
	CHECK_INT(out[7], (512 - 12 - 7 - 11) / 16);
	CHECK(dns_is_answer(&q, 0x1234, out, a.n));
}

TEST(only_answers_to_the_question_count)
{
	static const char answer[] = "\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x03WEB\x00\x00\x01\x00\x01";
	struct dns_query q;
	uint8_t msg[sizeof(answer)];
	size_t n = sizeof(answer) - 1, i;

	NEED(CHECK_INT(PARSE(HEAD "\x03web\x00\x00\x01\x00\x01", &q), 0));
	memcpy(msg, answer, sizeof(answer));
	CHECK(dns_is_answer(&q, 0x1234, msg, n));
	CHECK(!dns_is_answer(&q, 0x1235, msg, n));
	for (i = 0; i < n; i++)
		CHECK(!dns_is_answer(&q, 0x1234, (const uint8_t *)guarded(answer, i), i));
	msg[2] = 1; /* a query */
	CHECK(!dns_is_answer(&q, 0x1234, msg, n));
	msg[2] = 0x81;
	msg[18] = 28; /* another type */
	CHECK(!dns_is_answer(&q, 0x1234, msg, n));
	/* A server that understood nothing repeats nothing. */
	CHECK(dns_is_answer(&q, 0x1234, (const uint8_t *)"\x12\x34\x81\x81\0\0\0\0\0\0\0\0", 12));
	CHECK(!dns_is_answer(&q, 0x1234, (const uint8_t *)"\x12\x34\x81\x80\0\0\0\0\0\0\0\0", 12));
}

TEST(reverse_names_hold_addresses)
{
	uint8_t addr[16];

	CHECK_INT(dns_reverse_address("4.3.18.172.in-addr.arpa", addr), 4);
	CHECK(!memcmp(addr, "\xac\x12\x03\x04", 4));
	CHECK_INT(dns_reverse_address("b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa", addr), 16);
	CHECK(!memcmp(addr, "\x43\x21\0\0\0\x01\0\x02\0\x03\0\x04\x05\x67\x89\xab", 16));
	CHECK_INT(dns_reverse_address("3.18.172.in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address("1.4.3.18.172.in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address("256.3.18.172.in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address("4..3.18.in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address(".in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address("in-addr.arpa", addr), 0);
	CHECK_INT(dns_reverse_address("web", addr), 0);
}

/* --- names -------------------------------------------------------------------------------------- */

static struct dns_names table;
static struct dns_found found;

static void place(const char *member, const char *network, const char *ip4, const char *ip6,
	const char *const *names, const char *const *links, bool internal)
{
	struct dns_place p = {network, network, internal, names, links, ip4 != NULL, ip6 != NULL, {0}, {0}};
	struct peer peer;

	if (ip4 && !peer_parse(ip4, 0, &peer))
		memcpy(p.ip4, &peer.v4.sin_addr, 4);
	if (ip6 && !peer_parse(ip6, 0, &peer))
		memcpy(p.ip6, &peer.v6.sin6_addr, 16);
	dns_place_set(&table, dns_member_get(&table, member), &p);
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool finds(const char *member, const char *name)
{
	return dns_names_find(dns_member_get(&table, member), name, &found);
}

/* The last byte of the only IPv4 address found; -1: another number of them. */
static int only(const char *member, const char *name)
{
	return finds(member, name) && found.n4 == 1 ? found.ip4[0][3] : -1;
}

static void two_networks(void)
{
	dns_names_release(&table);
	place("a", "n1", "10.1.0.1", NULL, NAMES("Web", "svc", "aaaa"), NULL, false);
	place("b", "n1", "10.1.0.2", "fd00::2", NAMES("db", "svc"), NULL, false);
	place("b", "n2", "10.2.0.2", NULL, NAMES("db"), NULL, true);
	place("c", "n2", "10.2.0.3", NULL, NAMES("web.n1", "x.y"), NAMES("store", "db"), true);
}

TEST(a_member_sees_its_own_networks_only)
{
	two_networks();
	CHECK_INT(only("a", "db"), 2);
	CHECK_INT(found.n6, 1);
	CHECK_INT(only("a", "web"), 1);
	CHECK_INT(only("a", "aaaa"), 1);
	CHECK(!finds("a", "x.y"));
	CHECK(!finds("c", "web"));
	CHECK(!finds("c", "svc"));
	CHECK(!finds("nobody", "web"));
	CHECK(!finds("a", ""));
	dns_names_release(&table);
}

TEST(a_name_may_say_its_network)
{
	two_networks();
	CHECK_INT(only("a", "db.n1"), 2);
	CHECK(!finds("a", "db.n2"));
	CHECK(!finds("a", "db."));
	CHECK(!finds("a", ".n1"));
	CHECK(finds("b", "db.n2") && found.ip4[0][1] == 2);
	CHECK_INT(only("b", "x.y"), 3);	    /* dots in a name */
	CHECK_INT(only("b", "x.y.n2"), 3);
	CHECK_INT(only("b", "web.n1"), 3); /* the whole name goes first */
	dns_names_release(&table);
}

TEST(a_service_has_several_addresses)
{
	two_networks();
	CHECK(finds("b", "svc"));
	CHECK_INT(found.n4, 2);
	CHECK_INT(found.n6, 1);
	dns_place_remove(&table, dns_member_get(&table, "a"), "n1");
	CHECK_INT(only("b", "svc"), 2);
	CHECK(!finds("a", "svc"));
	dns_names_release(&table);
}

TEST(a_link_is_the_members_own)
{
	two_networks();
	CHECK_INT(only("c", "store"), 2);
	CHECK(!finds("b", "store"));
	place("c", "n2", "10.2.0.3", NULL, NAMES("web.n1"), NAMES("db", "web.n1"), true); /* hides a name */
	CHECK_INT(only("c", "db"), 3);
	CHECK_INT(only("b", "db.n2"), 2);
	place("c", "n2", "10.2.0.3", NULL, NAMES("web.n1"), NAMES("gone", "gone"), true);
	CHECK(!finds("c", "gone"));
	dns_names_release(&table);
}

TEST(a_place_is_replaced_where_it_is)
{
	two_networks();
	place("b", "n1", "10.1.0.9", NULL, NAMES("db2"), NULL, false);
	CHECK(!finds("a", "db"));
	CHECK_INT(only("a", "db2"), 9);
	CHECK_INT(only("b", "db2"), 9);
	dns_member_drop(&table, "b");
	CHECK(!finds("a", "db2"));
	CHECK(!finds("c", "db"));
	dns_member_drop(&table, "b");
	dns_place_remove(&table, dns_member_get(&table, "a"), "n9");
	dns_names_release(&table);
	CHECK(!table.networks && !table.members);
}

TEST(addresses_have_names)
{
	char *name;

	two_networks();
	name = dns_names_reverse(dns_member_get(&table, "b"), (const uint8_t *)"\x0a\x01\x00\x01", 4);
	CHECK_STR(name, "Web.n1");
	free(name);
	name = dns_names_reverse(dns_member_get(&table, "a"), (const uint8_t *)"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
	CHECK_STR(name, "db.n1");
	free(name);
	CHECK_STR(dns_names_reverse(dns_member_get(&table, "a"), (const uint8_t *)"\x0a\x02\x00\x03", 4), NULL);
	dns_names_release(&table);
}

TEST(internal_is_who_has_no_other_network)
{
	two_networks();
	CHECK(dns_member_is_external(dns_member_get(&table, "a")));
	CHECK(dns_member_is_external(dns_member_get(&table, "b")));
	CHECK(!dns_member_is_external(dns_member_get(&table, "c")));
	CHECK(!dns_member_is_external(dns_member_get(&table, "nobody")));
	dns_names_release(&table);
}

TEST(more_addresses_than_fit_are_left_out)
{
	char id[16];
	int i;

	dns_names_release(&table);
	for (i = 0; i < DNS_FOUND_MAX + 5; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		place(id, "n", "10.0.0.1", "fd00::1", NAMES("svc"), NULL, false);
	}
	CHECK(finds("m0", "svc"));
	CHECK_INT(found.n4, DNS_FOUND_MAX);
	CHECK_INT(found.n6, DNS_FOUND_MAX);
	dns_names_release(&table);
}

/* --- addresses ---------------------------------------------------------------------------------- */

TEST(addresses_are_read_and_written)
{
	struct peer a, b;
	char text[PEER_TEXT_MAX];

	CHECK_INT(peer_parse("192.0.2.1", 80, &a), 0);
	CHECK_STR(peer_text(&a, text), "192.0.2.1:80");
	CHECK_INT(peer_parse("2001:db8::1", 443, &b), 0);
	CHECK_STR(peer_text(&b, text), "[2001:db8::1]:443");
	CHECK(!peer_eq(&a, &b));
	CHECK_INT(peer_parse("fe80::1%1", 1, &a), 0);
	CHECK_INT(a.v6.sin6_scope_id, 1);
	CHECK_INT(peer_parse("fe80::1%no-such-interface", 1, &a), -1);
	CHECK_INT(peer_parse("192.0.2", 1, &a), -1);
	CHECK_INT(peer_parse("", 1, &a), -1);
	CHECK(!peer_parse("127.3.4.5", 1, &a) && peer_is_loopback(&a));
	CHECK(!peer_parse("::", 1, &a) && peer_is_any(&a) && !peer_is_loopback(&a));
}
