/* SPDX-License-Identifier: MIT */
/* Unit tests of published ports: the container and its clients are sockets of this program. */
#include "base/clock.h"
#include "net/port_server.h"
#include "unit.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>

#define OWNER "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct ports ports;
static struct port_entry what;

static struct peer container_at; /* the "container", 127.0.0.1 */
static int container = -1;

static void start(enum port_proto proto, const char *host_ip)
{
	struct err e = ERR_INIT;
	static bool started;
	int fd;

	if (!started)
		NEED(CHECK_OK(e, port_tcp_start(&e)));
	started = true;
	NEED(CHECK_OK(e, ports_init(&ports, &e)));
	port_inside_socket = socket;
	container = socket(AF_INET, (proto == PORT_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	peer_parse("127.0.0.1", 0, &container_at);
	NEED(!bind(container, &container_at.any, container_at.len));
	NEED(!getsockname(container, &container_at.any, &container_at.len));
	NEED(proto == PORT_UDP || !listen(container, 64));
	what = (struct port_entry){.port = {.proto = proto}, .owner = OWNER, .has4 = true, .to4 = container_at};
	snprintf(what.port.host_ip, sizeof(what.port.host_ip), "%s", host_ip);
	fd = port_bind(&what.port, &e);
	if (fd < 0 && strchr(host_ip, ':') && (e.code == EADDRNOTAVAIL || e.code == EAFNOSUPPORT)) {
		fd_close(&container);
		SKIP("machine: no IPv6 here");
	}
	NEED(CHECK_OK(e, fd));
	CHECK(what.port.host_port > 0);
	NEED(CHECK(ports_add(&ports, &what, fd, &e) > 0));
}

static void stop(void)
{
	ports_close(&ports, OWNER, 0);
	CHECK(!ports.entries);
	fd_close(&container);
	loop_release(&ports.loop);
}

static struct peer published(void)
{
	struct peer at;

	peer_parse(!strcmp(what.port.host_ip, "0.0.0.0") ? "127.0.0.1" : what.port.host_ip, what.port.host_port, &at);
	return at;
}

static int client(int type)
{
	struct peer at = published();
	int fd = socket(at.any.sa_family, type | SOCK_CLOEXEC, 0);

	CHECK(!connect(fd, &at.any, at.len));
	return fd;
}

/* Run the thread "ports" here until @fd has one of @events, at most ten seconds. */
static short await(int fd, short events)
{
	struct pollfd p = {fd, events, 0};
	int64_t until = clock_mono_ns() + 60 * NS_PER_S;

	while (poll(&p, 1, 0) != 1 && clock_mono_ns() < until)
		loop_once(&ports.loop, 5);
	return p.revents;
}

static ssize_t get(int fd, char *text, size_t n)
{
	ssize_t got = await(fd, POLLIN) ? recv(fd, text, n, 0) : -1;

	return got < 0 ? -errno : got;
}

static int accept_in_container(void)
{
	await(container, POLLIN);
	return accept4(container, NULL, NULL, SOCK_CLOEXEC);
}

static void talk(int fd)
{
	int in = accept_in_container();
	char text[8];

	CHECK(send(fd, "ping", 4, 0) == 4);
	CHECK_INT(get(in, text, sizeof(text)), 4);
	CHECK(send(in, "pong!", 5, 0) == 5);
	CHECK_INT(get(fd, text, sizeof(text)), 5);
	shutdown(in, SHUT_WR);
	CHECK_INT(get(fd, text, sizeof(text)), 0);
	close(in);
	close(fd);
}

TEST(tcp_reaches_the_container)
{
	start(PORT_TCP, "127.0.0.1");
	talk(client(SOCK_STREAM));
	stop();
}

TEST(every_address_of_the_family)
{
	start(PORT_TCP, "0.0.0.0");
	/* "Inside" is here as well: the wildcard port was taken already, which is no error. */
	talk(client(SOCK_STREAM));
	stop();
}

TEST(ipv6_reaches_an_ipv4_container)
{
	start(PORT_TCP, "::1");
	talk(client(SOCK_STREAM));
	stop();
}

TEST(refused_there_is_reset_here)
{
	char c;
	int fd;

	start(PORT_TCP, "127.0.0.1");
	fd_close(&container);
	fd = client(SOCK_STREAM);
	CHECK_INT(get(fd, &c, 1), -ECONNRESET);
	close(fd);
	stop();
}

TEST(closing_a_port_resets_its_connections)
{
	int fd, in;
	char c;

	start(PORT_TCP, "127.0.0.1");
	fd = client(SOCK_STREAM);
	in = accept_in_container();
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK_INT(get(in, &c, 1), 1);
	ports_close(&ports, OWNER, 0);
	CHECK_INT(get(fd, &c, 1), -ECONNRESET);
	CHECK_INT(get(in, &c, 1), -ECONNRESET);
	close(fd);
	close(in);
	stop();
}

TEST(a_port_may_lead_elsewhere)
{
	struct err e = ERR_INIT;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), first, second, in;
	char c;

	start(PORT_TCP, "127.0.0.1");
	first = client(SOCK_STREAM);
	in = accept_in_container();
	NEED(!listen(other, 1));
	getsockname(other, &what.to4.any, &what.to4.len);
	what.to4.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(ports_add(&ports, &what, -1, &e) > 0);
	second = client(SOCK_STREAM);
	CHECK(await(other, POLLIN));
	CHECK(send(first, "x", 1, 0) == 1); /* what stands, stands */
	CHECK_INT(get(in, &c, 1), 1);
	what.port.host_port ^= 1;
	CHECK_INT(ports_add(&ports, &what, -1, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	close(other);
	close(first);
	close(second);
	close(in);
	stop();
}

TEST(udp_has_a_flow_for_each_client)
{
	struct peer from[2] = {{.len = PEER_MAX}, {.len = PEER_MAX}};
	int fd[2], i;
	char text[8];

	start(PORT_UDP, "127.0.0.1");
	for (i = 0; i < 2; i++) {
		fd[i] = client(SOCK_DGRAM);
		CHECK(send(fd[i], "abc", (size_t)i + 2, 0) == i + 2);
		await(container, POLLIN);
		CHECK_INT(recvfrom(container, text, sizeof(text), 0, &from[i].any, &from[i].len), i + 2);
	}
	CHECK_INT(port_udp_flows(), 2);
	CHECK(!peer_eq(&from[0], &from[1]));
	for (i = 0; i < 2; i++) {
		CHECK(sendto(container, "reply", (size_t)i + 1, 0, &from[i].any, from[i].len) == i + 1);
		CHECK_INT(get(fd[i], text, sizeof(text)), i + 1);
	}
	CHECK(send(fd[0], "", 0, 0) == 0); /* empty is a datagram too */
	CHECK_INT(get(container, text, sizeof(text)), 0);
	CHECK_INT(port_udp_flows(), 2);
	close(fd[0]);
	close(fd[1]);
	ports_close(&ports, OWNER, 0);
	CHECK_INT(port_udp_flows(), 0);
	stop();
}

TEST(udp_datagrams_may_be_64_kilobytes)
{
	static char big[65507], back[65507];
	int fd, size = 1 << 20;

	start(PORT_UDP, "0.0.0.0");
	fd = client(SOCK_DGRAM);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	memset(big, 'b', sizeof(big));
	CHECK_INT(send(fd, big, sizeof(big), 0), sizeof(big));
	CHECK_INT(get(container, back, sizeof(back)), sizeof(big));
	CHECK(!memcmp(big, back, sizeof(big)));
	close(fd);
	stop();
}

TEST(idle_flows_expire)
{
	char text[4];
	int fd;

	start(PORT_UDP, "127.0.0.1");
	fd = client(SOCK_DGRAM);
	CHECK(send(fd, "a", 1, 0) == 1);
	CHECK_INT(get(container, text, sizeof(text)), 1);
	CHECK(port_udp_tick(clock_mono_ns()) < INT64_MAX);
	CHECK_INT(port_udp_flows(), 1);
	CHECK(port_udp_tick(clock_mono_ns() + 91 * NS_PER_S) == INT64_MAX);
	CHECK_INT(port_udp_flows(), 0);
	CHECK(send(fd, "b", 1, 0) == 1); /* and begin anew */
	CHECK_INT(get(container, text, sizeof(text)), 1);
	close(fd);
	stop();
}

TEST(without_descriptors_it_rests)
{
	struct rlimit old, none;
	int fd, in, wakes = 0;
	int64_t until;
	char c;

	start(PORT_TCP, "127.0.0.1");
	getrlimit(RLIMIT_NOFILE, &old);
	fd = client(SOCK_STREAM);
	none = old;
	none.rlim_cur = (rlim_t)fd; /* all below it are in use */
	NEED(!setrlimit(RLIMIT_NOFILE, &none));
	until = clock_mono_ns() + 50 * NS_PER_MS;
	while (clock_mono_ns() < until) {
		loop_once(&ports.loop, 20);
		wakes++;
	}
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(wakes < 20);
	in = accept_in_container();
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK_INT(get(in, &c, 1), 1);
	close(fd);
	close(in);
	stop();
}

TEST(messages_say_what_was_tried)
{
	struct port p = {.proto = PORT_TCP, .host_ip = "127.0.0.1"}, taken;
	struct err e = ERR_INIT;
	char text[128];
	int fd = port_bind(&p, &e);

	NEED(CHECK_OK(e, fd));
	taken = p;
	CHECK_INT(port_bind(&taken, &e), -1);
	CHECK_INT(e.code, EADDRINUSE);
	snprintf(text, sizeof(text), "listen tcp4 127.0.0.1:%u: bind: address already in use", p.host_port);
	CHECK_STR(e.msg, text);
	close(fd);
}
