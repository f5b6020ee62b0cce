/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_net_ipam.c - addresses, subnets, and which of them are given out
 */
#include "unit.h"

#include "net/ipam.h"

/* --- texts --- */

static const struct {
	const char *text, *out; /* NULL: refused */
} addresses[] = {
	{"10.0.0.1", "10.0.0.1"}, {"0.0.0.0", "0.0.0.0"}, {"255.255.255.255", "255.255.255.255"},
	{"010.0.0.1", NULL}, {"10.0.00.1", NULL}, {"10.0.0", NULL}, {"10.0.0.256", NULL}, {"10.0.0.1 ", NULL},
	{" 10.0.0.1", NULL}, {"", NULL}, {"1.2.3.4.5", NULL}, {"::", "::"}, {"FD00::1", "fd00::1"},
	{"fd00::0001", "fd00::1"}, {"fd00::1%eth0", NULL}, {"fd00:::1", NULL}, {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
	{"11111111111111111111111111111111111111111111111111111", NULL},
};

static const struct {
	const char *text, *first, *last;
} subnets[] = {
	{"10.1.2.3/8", "10.0.0.0", "10.255.255.255"}, {"10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
	{"10.1.2.3/0", "0.0.0.0", "255.255.255.255"}, {"172.16.5.4/20", "172.16.0.0", "172.16.15.255"},
	{"fd00::5/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"}, {"fd00::5/127", "fd00::4", "fd00::5"},
	{"10.0.0.0/33", NULL, NULL}, {"fd00::/129", NULL, NULL}, {"10.0.0.0", NULL, NULL}, {"10.0.0.0/", NULL, NULL},
	{"10.0.0.0/08", NULL, NULL}, {"/8", NULL, NULL}, {"10.0.0.0/8/8", NULL, NULL}, {"10.0.0.0/-1", NULL, NULL},
};

TEST(texts)
{
	char text[INET_TEXT];
	struct subnet s;
	struct inet a;

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		size_t n = strlen(addresses[i].text);
		int rc = inet_parse((struct span){guarded(addresses[i].text, n), n}, &a);

		CHECK_STR(rc ? NULL : inet_format(&a, text), addresses[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++) {
		size_t n = strlen(subnets[i].text);
		int rc = subnet_parse((struct span){guarded(subnets[i].text, n), n}, &s);

		if (!CHECK_INT(rc, subnets[i].first ? 0 : -1) || rc)
			continue;
		a = subnet_first(&s);
		CHECK_STR(inet_format(&a, text), subnets[i].first);
		a = subnet_last(&s);
		CHECK_STR(inet_format(&a, text), subnets[i].last);
	}
}

static struct subnet sub(const char *text)
{
	struct subnet s;

	if (subnet_parse(span_of(text), &s))
		abort();
	return s;
}

static struct inet addr(const char *text)
{
	struct inet a;

	if (inet_parse(span_of(text), &a))
		abort();
	return a;
}

TEST(overlaps)
{
	static const struct {
		const char *a, *b;
		bool yes;
	} rows[] = {
		{"10.0.0.0/8", "10.5.0.0/16", true}, {"10.5.0.0/16", "10.0.0.0/8", true},
		{"10.0.0.0/16", "10.1.0.0/16", false}, {"10.0.0.0/8", "fd00::/8", false},
		{"0.0.0.0/0", "1.2.3.4/32", true}, {"fd00::/64", "fd00:0:0:1::/64", false},
		{"0.0.0.0/0", "fd00::/8", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct subnet a = sub(rows[i].a), b = sub(rows[i].b);

		if (subnet_overlaps(&a, &b) != rows[i].yes)
			unit_fail(__FILE__, __LINE__, "%s and %s", rows[i].a, rows[i].b);
	}
}

/* --- addresses --- */

static const char *take(struct ipam *p)
{
	static char text[INET_TEXT];
	static struct err e;
	struct inet a;

	return ipam_take(p, NULL, &a, &e) ? e.msg : inet_format(&a, text);
}

static int take_this(struct ipam *p, const char *text)
{
	struct inet a = addr(text);

	return ipam_take(p, &a, NULL, NULL);
}

static void give_back(struct ipam *p, const char *text)
{
	struct inet a = addr(text);

	ipam_give_back(p, &a);
}

TEST(the_lowest_free_one)
{
	struct subnet s = sub("10.0.0.0/29");
	struct ipam p;

	ipam_init(&p, &s, NULL);
	CHECK_INT(take_this(&p, "10.0.0.1"), 0);
	CHECK_STR(take(&p), "10.0.0.2");
	CHECK_INT(take_this(&p, "10.0.0.4"), 0);
	CHECK_INT(take_this(&p, "10.0.0.4"), -1);
	CHECK_STR(take(&p), "10.0.0.3");
	CHECK_STR(take(&p), "10.0.0.5");
	give_back(&p, "10.0.0.3");
	give_back(&p, "10.0.0.3");
	give_back(&p, "10.0.0.6");
	CHECK_STR(take(&p), "10.0.0.3");
	CHECK_STR(take(&p), "10.0.0.6");
	CHECK_STR(take(&p), "no available IPv4 addresses on this network's address pools");
	CHECK_INT(take_this(&p, "10.0.0.0"), -1); /* the network's and broadcast addresses are nobody's */
	CHECK_INT(take_this(&p, "10.0.0.7"), -1);
	give_back(&p, "10.0.0.1");
	CHECK_STR(take(&p), "10.0.0.1");
	ipam_release(&p);
}

TEST(a_range)
{
	struct subnet s = sub("10.77.0.0/24"), r = sub("10.77.0.128/30");
	struct ipam p;

	ipam_init(&p, &s, &r);
	CHECK_STR(take(&p), "10.77.0.128"); /* not special: inside of the subnet */
	CHECK_INT(take_this(&p, "10.77.0.5"), 0);
	CHECK_STR(take(&p), "10.77.0.129");
	CHECK_STR(take(&p), "10.77.0.130");
	CHECK_STR(take(&p), "10.77.0.131");
	CHECK_STR(take(&p), "no available IPv4 addresses on this network's address pools");
	ipam_release(&p);
}

TEST(small_and_large_subnets)
{
	struct subnet s = sub("10.0.0.4/31");
	struct ipam p;

	ipam_init(&p, &s, NULL);
	CHECK_STR(take(&p), "10.0.0.4");
	CHECK_STR(take(&p), "10.0.0.5");
	CHECK_INT(strncmp(take(&p), "no ", 3), 0);
	ipam_release(&p);

	s = sub("255.255.255.255/32");
	ipam_init(&p, &s, NULL);
	CHECK_STR(take(&p), "255.255.255.255");
	CHECK_INT(strncmp(take(&p), "no ", 3), 0);
	ipam_release(&p);

	s = sub("fd00::/64");
	ipam_init(&p, &s, NULL);
	CHECK_STR(take(&p), "fd00::1");
	CHECK_INT(take_this(&p, "fd00::ffff:ffff:ffff:ffff"), 0);
	CHECK_STR(take(&p), "fd00::2");
	ipam_release(&p);
}

/* Against the plain way of keeping one flag for each address. */
TEST(random_takes_and_returns)
{
	bool taken[256] = {[0] = true, [255] = true};
	struct subnet s = sub("10.9.8.0/24");
	unsigned int seed = 12345;
	struct inet a;
	struct ipam p;

	ipam_init(&p, &s, NULL);
	for (int i = 0; i < 20000 && !unit_failures; i++) {
		unsigned char host;

		seed = seed * 1103515245 + 12345;
		host = (unsigned char)(seed >> 16);
		a = s.addr;
		a.bytes[3] = host;
		if (!host || host == 255)
			continue;
		if (seed & 1 << 30) {
			size_t low = 0;

			while (low < 256 && taken[low])
				low++;
			if (ipam_take(&p, NULL, &a, NULL))
				CHECK_INT(low, 256);
			else if (CHECK_INT(a.bytes[3], low))
				taken[low] = true;
		} else if (seed & 1 << 29) {
			CHECK_INT(ipam_take(&p, &a, NULL, NULL), taken[host] ? -1 : 0);
			taken[host] = true;
		} else {
			ipam_give_back(&p, &a);
			taken[host] = false;
		}
	}
	ipam_release(&p);
}

/* --- subnets --- */

TEST(choosing_subnets)
{
	struct subnet reserved[] = {sub("172.17.0.0/16"), sub("172.18.3.0/24"), sub("172.20.0.0/14"),
		sub("10.0.0.0/8"), sub("fd00::/8")};
	struct ipam_pool pools[IPAM_POOLS_DEFAULT], all = {sub("255.0.0.0/8"), 8}, ula;
	struct subnet got, everything = sub("0.0.0.0/0");
	char text[SUBNET_TEXT];

	ipam_default_pools(pools);
	NEED(!ipam_choose(pools, ARRAY_SIZE(pools), AF_INET, reserved, 0, &got));
	CHECK_STR(subnet_format(&got, text), "172.17.0.0/16");
	NEED(!ipam_choose(pools, ARRAY_SIZE(pools), AF_INET, reserved, ARRAY_SIZE(reserved), &got));
	CHECK_STR(subnet_format(&got, text), "172.19.0.0/16");
	reserved[1] = sub("172.16.0.0/12");
	reserved[0] = sub("192.168.20.0/24");
	NEED(!ipam_choose(pools, ARRAY_SIZE(pools), AF_INET, reserved, 2, &got));
	CHECK_STR(subnet_format(&got, text), "192.168.0.0/20");
	reserved[2] = sub("192.168.0.0/20");
	NEED(!ipam_choose(pools, ARRAY_SIZE(pools), AF_INET, reserved, 3, &got));
	CHECK_STR(subnet_format(&got, text), "192.168.32.0/20");
	CHECK_INT(ipam_choose(pools, ARRAY_SIZE(pools), AF_INET, &everything, 1, &got), -1);
	reserved[0] = sub("255.1.0.0/16");
	CHECK_INT(ipam_choose(&all, 1, AF_INET, reserved, 1, &got), -1);
	CHECK_INT(ipam_choose(pools, ARRAY_SIZE(pools), AF_INET6, NULL, 0, &got), -1);

	ula = ipam_ula_pool("a host");
	NEED(!ipam_choose(&ula, 1, AF_INET6, NULL, 0, &got));
	CHECK_INT(got.addr.bytes[0], 0xfd);
	CHECK_INT(got.len, 64);
	reserved[0] = got;
	NEED(!ipam_choose(&ula, 1, AF_INET6, reserved, 1, &got));
	CHECK_INT(got.addr.bytes[7], 1);
	CHECK_INT(ipam_choose(&ula, 1, AF_INET6, (struct subnet[]){sub("fd00::/8")}, 1, &got), -1);
}
