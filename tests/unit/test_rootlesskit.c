/* SPDX-License-Identifier: MIT */
/* tests/unit/test_rootlesskit.c - rootlesskit: what a published port and an option say */
#include "unit.h"

#include "rootlesskit/kit.h"

TEST(ports)
{
	static const struct {
		const char *text, *proto, *parent_ip, *child_ip;
		unsigned int parent, child;
	} good[] = {
		{"127.0.0.1:8080:80/tcp", "tcp", "127.0.0.1", "", 8080, 80},
		{"0.0.0.0:2376:2376/tcp", "tcp", "0.0.0.0", "", 2376, 2376},
		{"127.0.0.1:8080:10.0.2.100:80/udp", "udp", "127.0.0.1", "10.0.2.100", 8080, 80},
		{"[::1]:8080:80/tcp6", "tcp6", "::1", "", 8080, 80},
		{"[::1]:8080:[fd00::1]:80/tcp6", "tcp6", "::1", "fd00::1", 8080, 80},
		{"127.0.0.1:0:65535/tcp", "tcp", "127.0.0.1", "", 0, 65535},
	};
	struct err e = ERR_INIT;
	struct kit_port p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_OK(e, kit_port_parse(good[i].text, &p, &e));
		CHECK_STR(p.proto, good[i].proto);
		CHECK_STR(p.parent_ip, good[i].parent_ip);
		CHECK_STR(p.child_ip, good[i].child_ip);
		CHECK_INT(p.parent_port, good[i].parent);
		CHECK_INT(p.child_port, good[i].child);
	}
}

TEST(bad_ports)
{
	static const char *const bad[] = {"", "/", "foo", "80/tcp", "80:80/tcp", ":80:80/tcp", "127.0.0.1:80/tcp",
		"127.0.0.1:80:0/tcp", "127.0.0.1:65536:1/tcp", "127.0.0.1:1:65536/tcp", "x:1:1/tcp", "1.2.3:1:1/tcp",
		"127.0.0.1:1:1/", "127.0.0.1:1:1", "127.0.0.1:1:1/sctptcp8", "1:127.0.0.1:1:1/tcp", "[::1:1:1/tcp",
		"]:1:1/tcp", "127.0.0.1:-1:1/tcp", "127.0.0.1:1:x:1/tcp", "127.0.0.1:1: 1/tcp", "[]:1:1/tcp", "127.0.0.1:80x[::1]:80/tcp"};
	struct kit_port p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;

		if (!CHECK(kit_port_parse(bad[i], &p, &e)))
			CHECK_STR("accepted", bad[i]);
		CHECK(*e.msg);
	}
}

TEST(options)
{
	static const char *const argv[] = {"rootlesskit", "--net=none", "-pidns", "--copy-up", "/etc", "--copy-up=/run", "--ipv6=false", "sh",
		"--net=host", NULL};
	struct err e = ERR_INIT;
	struct kit k;

	CHECK_OK(e, kit_parse(&k, 9, (char **)(uintptr_t)argv, &e));
	CHECK_STR(k.net, "none");
	CHECK(k.pidns && !k.ipv6);
	CHECK_INT(k.copy_up.n, 2);
	CHECK_STR(k.copy_up.v[1], "/run");
	CHECK_STR(k.command[0], "sh");
	CHECK_STR(k.command[1], "--net=host");
}

TEST(bad_options)
{
	static const char *const bad[][3] = {
		{"rootlesskit", "--net", NULL}, {"rootlesskit", "--foo", NULL}, {"rootlesskit", "--ipv6=maybe", NULL},
		{"rootlesskit", "--=x", NULL},
	};
	struct kit k;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(kit_parse(&k, 2, (char **)(uintptr_t)bad[i], NULL));
}
