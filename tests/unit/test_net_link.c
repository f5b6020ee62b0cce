/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_net_link.c - bridges and veth pairs between network namespaces of their own
 */
#include "unit.h"
#include "userns.h"

#include "net/link.h"
#include "net/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define WAIT_MS 60000

struct space {
	int netns;
	struct nl nl;
};

static void open_space(struct space *s)
{
	struct err e = ERR_INIT;

	s->netns = netns_new(&e);
	NEED(CHECK_OK(e, s->netns));
	NEED(CHECK_OK(e, nl_open(&s->nl, s->netns, NETLINK_ROUTE, &e)));
	NEED(CHECK_OK(e, link_loopback(&s->nl, &e)));
}

static void close_space(struct space *s)
{
	nl_close(&s->nl);
	close(s->netns);
}

static struct subnet sub(const char *text)
{
	struct subnet s;

	if (subnet_parse(span_of(text), &s))
		abort();
	return s;
}

static unsigned int make_bridge(const struct space *inside, const char *name, const char *v4, const char *v6)
{
	struct link_bridge b = {.name = name, .mtu = 1400, .mac = {2, 0x42, 1, 2, 3, 4}, .addr = {sub(v4)}};
	unsigned int index = 0, again = 0;
	struct err e = ERR_INIT;

	if (v6)
		b.addr[1] = sub(v6);
	NEED(CHECK_OK(e, link_bridge_make(&inside->nl, &b, &index, &e)));
	NEED(CHECK_OK(e, link_bridge_make(&inside->nl, &b, &again, &e)));
	CHECK_INT(again, index);
	return index;
}

static int attach(const struct space *inside, const struct space *c, const char *port, unsigned int bridge,
	const char *v4, const char *v6, bool isolated, struct err *e)
{
	struct link_veth v = {.port = port, .bridge = bridge, .netns = c->netns, .name = "eth0",
		.mtu = 1400, .mac = {2, 0x42, 5, 6, 7, (uint8_t)port[4]}, .addr = {sub(v4)}, .isolated = isolated};
	unsigned int index;


	if (v6)
		v.addr[1] = sub(v6);
	return link_attach(&inside->nl, &c->nl, &v, &index, e) ? -1 : (int)index;
}

/* --- do packets get from here to there? --- */

struct sock {
	int family, fd;
};

static int udp_socket(void *arg, struct err *e)
{
	struct sock *s = arg;

	s->fd = socket(s->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return s->fd < 0 ? err_set(e, errno, "socket") : 0;
}

static bool delivered(const struct space *from, const struct space *to, const char *address, int wait_ms)
{
	struct sock a = {strchr(address, ':') ? AF_INET6 : AF_INET, -1}, b = a;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4711)};
	struct sockaddr *sa = a.family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t len = a.family == AF_INET ? sizeof(in) : sizeof(in6);
	struct pollfd p = {.events = POLLIN};
	bool got;

	if (netns_run(from->netns, udp_socket, &a, NULL) || netns_run(to->netns, udp_socket, &b, NULL))
		return false;
	inet_pton(a.family, address, a.family == AF_INET ? (void *)&in.sin_addr : (void *)&in6.sin6_addr);
	p.fd = b.fd;
	got = !bind(b.fd, sa, len) && sendto(a.fd, "x", 1, 0, sa, len) == 1 && poll(&p, 1, wait_ms) == 1;
	close(a.fd);
	close(b.fd);
	return got;
}

struct lookup {
	const char *name;
	unsigned int index, master;
	bool veth;
};

static void look(void *arg, const struct link_seen *seen)
{
	struct lookup *l = arg;

	if (!strcmp(l->name, seen->name))
		*l = (struct lookup){l->name, seen->index, seen->master, !strcmp(seen->kind, "veth")};
}

static struct lookup find(const struct space *s, const char *name)
{
	struct lookup l = {name, 0, 0, false};
	struct err e = ERR_INIT;

	CHECK_OK(e, link_each(&s->nl, look, &l, &e));
	return l;
}

static void count_route(void *arg, const struct subnet *s)
{
	struct subnet want = sub("10.1.0.0/24");

	*(int *)arg += subnet_overlaps(s, &want);
}

TEST_USERNS(containers_reach_each_other)
{
	struct space inside, a, b;
	struct err e = ERR_INIT;
	struct inet via;
	unsigned int bridge;
	int n = 0, index;

	open_space(&inside);
	open_space(&a);
	open_space(&b);
	bridge = make_bridge(&inside, "br0", "10.1.0.1/24", "fd01::1/64");
	CHECK_OK(e, link_routes(&inside.nl, count_route, &n, &e));
	CHECK_INT(n, 1);
	index = attach(&inside, &a, "vetha", bridge, "10.1.0.2/24", "fd01::2/64", false, &e);
	CHECK_OK(e, index);
	CHECK_OK(e, attach(&inside, &b, "vethb", bridge, "10.1.0.3/24", "fd01::3/64", false, &e));
	CHECK_INT(find(&inside, "vetha").master, bridge);
	CHECK(find(&inside, "vetha").veth && !find(&inside, "br0").veth);
	CHECK_INT(find(&a, "eth0").index, index);
	CHECK(delivered(&a, &b, "10.1.0.3", WAIT_MS));
	CHECK(delivered(&b, &a, "fd01::2", WAIT_MS));
	CHECK(delivered(&a, &inside, "10.1.0.1", WAIT_MS));

	CHECK(!delivered(&a, &b, "10.2.0.1", 0)); /* no route */
	inet_parse(SPAN("10.1.0.1"), &via);
	CHECK_OK(e, link_default_route(&a.nl, AF_INET, &via, (unsigned int)index, &e));
	CHECK_OK(e, link_default_route(&a.nl, AF_INET, &via, (unsigned int)index, &e));
	CHECK_OK(e, link_default_route(&a.nl, AF_INET, &(struct inet){0}, 0, &e));
	CHECK_OK(e, link_default_route(&a.nl, AF_INET, &(struct inet){0}, 0, &e));

	CHECK_OK(e, link_silence(&inside.nl, "vetha", &e));
	CHECK(!delivered(&b, &a, "10.1.0.2", 200));
	CHECK_OK(e, link_remove(&inside.nl, "vetha", &e));
	CHECK_OK(e, link_remove(&inside.nl, "vetha", &e));
	CHECK_INT(find(&inside, "vetha").index, 0);
	CHECK_INT(find(&a, "eth0").index, 0);
	close_space(&a);
	close_space(&b);
	close_space(&inside);
}

TEST_USERNS(isolated_ports)
{
	struct space inside, a, b;
	struct err e = ERR_INIT;
	unsigned int bridge;

	open_space(&inside);
	open_space(&a);
	open_space(&b);
	bridge = make_bridge(&inside, "br0", "10.1.0.1/24", NULL);
	CHECK_OK(e, attach(&inside, &a, "vetha", bridge, "10.1.0.2/24", NULL, true, &e));
	CHECK_OK(e, attach(&inside, &b, "vethb", bridge, "10.1.0.3/24", NULL, true, &e));
	CHECK(delivered(&a, &inside, "10.1.0.1", WAIT_MS));
	CHECK(!delivered(&a, &b, "10.1.0.3", 200));
	close_space(&a);
	close_space(&b);
	close_space(&inside);
}

TEST_USERNS(a_failed_attach_leaves_nothing)
{
	struct space inside, a, b;
	struct err e = ERR_INIT;
	unsigned int bridge;

	open_space(&inside);
	open_space(&a);
	open_space(&b);
	bridge = make_bridge(&inside, "br0", "10.1.0.1/24", NULL);
	/* No such bridge; then a name that another has, who must not lose it. */
	CHECK_INT(attach(&inside, &a, "vetha", 4711, "10.1.0.2/24", NULL, false, &e), -1);
	CHECK_INT(find(&inside, "vetha").index, 0);
	CHECK_INT(find(&a, "eth0").index, 0);
	CHECK_OK(e, attach(&inside, &a, "vetha", bridge, "10.1.0.2/24", NULL, false, &e));
	CHECK_INT(attach(&inside, &b, "vetha", bridge, "10.1.0.3/24", NULL, false, &e), -1);
	CHECK_INT(e.code, EEXIST);
	CHECK_INT(find(&inside, "vetha").master, bridge);
	CHECK_INT(find(&b, "eth0").index, 0);
	/* A bridge's name that is not a bridge's. */
	CHECK_INT(link_bridge_make(&inside.nl, &(struct link_bridge){.name = "vetha", .mtu = 1500,
		.addr = {sub("10.3.0.1/24")}}, &bridge, &e), -1);
	close_space(&a);
	close_space(&b);
	close_space(&inside);
}
