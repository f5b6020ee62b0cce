/* SPDX-License-Identifier: MIT */
/* Unit tests of the name server: its sockets, what is answered, refused and forwarded. */
#include "base/clock.h"
#include "net/dns_server.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define TRY_TEST_NS (5 * NS_PER_S)
#define TRY_SHORT_NS (50 * NS_PER_MS)

/* One container on the networks "n" (external) and, where a test wants it, others; the upstream servers
 * are sockets of the test.  The loop runs in this thread. */
static struct dns server;
static struct dns_box *box;
static struct peer udp_at, tcp_at;
static char id[65];

static int bound(int type, struct peer *at)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	peer_parse("127.0.0.1", 0, at);
	if (bind(fd, &at->any, at->len) || (type == SOCK_STREAM && listen(fd, 8)) ||
		getsockname(fd, &at->any, &at->len))
		abort();
	return fd;
}

/* A server both by UDP and TCP. */
struct upstream {
	int udp, tcp;
	struct peer at;
};

static void upstream_open(struct upstream *u)
{
	struct peer tcp;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		u->udp = bound(SOCK_DGRAM, &u->at);
		tcp = u->at;
		u->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!bind(u->tcp, &tcp.any, tcp.len) && !listen(u->tcp, 8))
			return;
		close(u->udp);
		close(u->tcp);
	}
	abort();
}

static void upstream_close(struct upstream *u)
{
	close(u->udp);
	close(u->tcp);
}

static void place_on(const char *member, const char *network, bool internal, const char *name, uint8_t last)
{
	const char *const names[] = {name, "svc", NULL};
	struct dns_place p = {network, network, internal, names, NULL, true, false, {10, 0, 0, last}, {0}};

	dns_place_set(&server.names, dns_member_get(&server.names, member), &p);
}

static void start(void)
{
	struct err e = ERR_INIT;
	int udp, tcp;

	memset(id, 'a', 64);
	NEED(CHECK_OK(e, dns_init(&server, &e)));
	server.try_ns = TRY_TEST_NS;
	dns_inside_socket = socket;
	udp = bound(SOCK_DGRAM, &udp_at);
	tcp = bound(SOCK_STREAM, &tcp_at);
	box = dns_box_open(&server, id, udp, tcp, &e);
	NEED(CHECK_OK(e, box ? 0 : -1));
	place_on(id, "n", false, "me", 1);
}

static void stop(void)
{
	dns_release(&server);
}

static void use(struct upstream *u)
{
	server.host.at[server.host.n++] = u->at;
}

/* --- a client ----------------------------------------------------------------------------------- */

static uint8_t answer[65536];
static size_t answer_len;

/* "web.n1" as a query of that type; its length. */
static size_t query(const char *name, int type, uint8_t *out)
{
	size_t n = 12;

	memcpy(out, "\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
	while (*name) {
		size_t len = strcspn(name, ".");

		out[n++] = (uint8_t)len;
		memcpy(out + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	memcpy(out + n, "\x00\x00\x00\x00\x01", 5);
	out[n + 2] = (uint8_t)type;
	return n + 5;
}

static int client_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (connect(fd, &udp_at.any, udp_at.len))
		abort();
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, 0) == 1;
}

/* Run the server until @fd has something, at most a minute. */
static bool await(int fd)
{
	int64_t until = clock_mono_ns() + 60 * NS_PER_S;

	while (!readable(fd) && clock_mono_ns() < until)
		loop_once(&server.loop, 20);
	return readable(fd);
}

static int client_read(int fd)
{
	ssize_t n = await(fd) ? recv(fd, answer, sizeof(answer), 0) : -1;

	answer_len = n < 0 ? 0 : (size_t)n;
	return n < 12 ? -1 : dns_rcode(answer);
}

/* Ask by UDP and return the code of the answer, which is in `answer`. */
static int ask(const char *name, int type)
{
	uint8_t q[512];
	size_t n = query(name, type, q);
	int fd = client_udp(), rcode;

	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	rcode = client_read(fd);
	CHECK(!answer_len || (dns_id(answer) == 0xabcd && answer[2] & 0x80));
	close(fd);
	return rcode;
}

static int answers(void)
{
	return answer_len < 12 ? -1 : answer[6] << 8 | answer[7];
}

static bool recursion(void)
{
	return answer[3] & 0x80;
}

/* --- what is answered here ---------------------------------------------------------------------- */

TEST(internal_names_are_answered)
{
	start();
	place_on("b", "n", false, "db", 2);
	CHECK_INT(ask("DB.n", DNS_A), DNS_NOERROR);
	CHECK_INT(answers(), 1);
	CHECK(recursion());
	CHECK(!memcmp(answer + answer_len - 4, "\x0a\x00\x00\x02", 4));
	CHECK_INT(ask("2.0.0.10.in-addr.arpa", DNS_PTR), DNS_NOERROR);
	CHECK(!memcmp(answer + answer_len - 6, "\x02" "db\x01n", 6));
	stop();
}

TEST(no_address_of_that_family_is_an_answer_too)
{
	start();
	CHECK_INT(ask("me", DNS_AAAA), DNS_NOERROR);
	CHECK_INT(answers(), 0);
	CHECK_INT(ask("me", 15), DNS_NOERROR); /* MX */
	CHECK_INT(answers(), 0);
	stop();
}

TEST(services_go_round)
{
	bool first_1 = false, first_2 = false;
	int i;

	start();
	place_on("b", "n", false, "db", 2);
	for (i = 0; i < 100 && !(first_1 && first_2); i++) {
		CHECK_INT(ask("svc", DNS_A), DNS_NOERROR);
		CHECK_INT(answers(), 2);
		first_1 |= answer[answer_len - 17] == 1;
		first_2 |= answer[answer_len - 17] == 2;
	}
	CHECK(first_1 && first_2);
	stop();
}

TEST(long_answers_are_cut_and_whole_by_tcp)
{
	uint8_t q[514];
	size_t n;
	int i, fd;
	char member[16];

	start();
	for (i = 0; i < 60; i++) {
		snprintf(member, sizeof(member), "m%d", i);
		place_on(member, "n", false, member, (uint8_t)i);
	}
	CHECK_INT(ask("svc", DNS_A), DNS_NOERROR);
	CHECK(answer[2] & 2 && answer_len <= 512);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(!connect(fd, &tcp_at.any, tcp_at.len));
	n = query("svc", DNS_A, q + 2);
	q[0] = 0;
	q[1] = (uint8_t)n;
	for (i = 0; i < (int)n + 2; i++) /* one byte after the other */
		CHECK(send(fd, q + i, 1, 0) == 1);
	NEED(await(fd));
	CHECK_INT(recv(fd, answer, 2, MSG_WAITALL), 2);
	n = (size_t)(answer[0] << 8 | answer[1]);
	CHECK_INT(recv(fd, answer, n, MSG_WAITALL), n);
	CHECK(!(answer[2] & 2));
	CHECK_INT(answers(), 61);
	/* The connection takes another one. */
	n = query("me", DNS_A, q + 2);
	q[1] = (uint8_t)n;
	CHECK(send(fd, q, n + 2, 0) == (ssize_t)n + 2);
	NEED(await(fd));
	CHECK_INT(recv(fd, answer, 2, MSG_WAITALL), 2);
	CHECK(recv(fd, answer, sizeof(answer), 0) > 12);
	CHECK_INT(answers(), 1);
	close(fd);
	stop();
}

TEST(what_is_not_a_query_is_not_answered)
{
	int fd;

	start();
	fd = client_udp();
	CHECK(send(fd, "\xab\xcd\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01", 17, 0) == 17);
	CHECK(send(fd, "short", 5, 0) == 5);
	CHECK(send(fd, "\xab\xcd\x28\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12, 0) == 12);
	CHECK_INT(client_read(fd), DNS_NOTIMP);
	CHECK(!readable(fd));
	close(fd);
	stop();
}

/* --- forwarding --------------------------------------------------------------------------------- */

/* Take a query off an upstream server's socket and answer it with @rcode, @extra bytes longer. */
static bool serve(int fd, int rcode, size_t extra)
{
	static uint8_t msg[8192];
	struct peer from = {.len = PEER_MAX};
	ssize_t n;

	memset(msg, 0, sizeof(msg));
	if (!await(fd))
		return false;
	n = recvfrom(fd, msg, sizeof(msg), 0, &from.any, &from.len);
	if (n < 12)
		return false;
	msg[2] |= 0x80;
	msg[3] = (uint8_t)(0x80 | rcode);
	return sendto(fd, msg, (size_t)n + extra, 0, &from.any, from.len) == n + (ssize_t)extra;
}

TEST(what_nobody_has_is_forwarded)
{
	struct upstream u;
	uint8_t q[512];
	size_t n = query("example.org", DNS_A, q);
	int fd;

	start();
	upstream_open(&u);
	use(&u);
	fd = client_udp();
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(serve(u.udp, DNS_NXDOMAIN, 0));
	CHECK_INT(client_read(fd), DNS_NXDOMAIN);
	CHECK_INT(dns_id(answer), 0xabcd);
	CHECK_INT(server.n_flights, 0);
	/* Longer than the client takes. */
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(serve(u.udp, DNS_NOERROR, 4000));
	CHECK_INT(client_read(fd), DNS_NOERROR);
	CHECK(answer[2] & 2);
	CHECK_INT(answer_len, n);
	close(fd);
	upstream_close(&u);
	stop();
}

TEST(forged_answers_are_not_taken)
{
	struct peer from = {.len = PEER_MAX};
	struct upstream u;
	uint8_t q[512], msg[512];
	size_t n = query("example.org", DNS_A, q);
	ssize_t got;
	int fd;

	start();
	upstream_open(&u);
	use(&u);
	fd = client_udp();
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	NEED(await(u.udp));
	got = recvfrom(u.udp, msg, sizeof(msg), 0, &from.any, &from.len);
	CHECK_INT(got, n);
	msg[2] |= 0x80;
	dns_set_id(msg, (uint16_t)(dns_id(msg) + 1)); /* another id */
	CHECK(sendto(u.udp, msg, n, 0, &from.any, from.len) == got);
	dns_set_id(msg, (uint16_t)(dns_id(msg) - 1));
	msg[14] = 'y'; /* another question */
	CHECK(sendto(u.udp, msg, n, 0, &from.any, from.len) == got);
	loop_once(&server.loop, 100);
	loop_once(&server.loop, 100);
	CHECK_INT(server.n_flights, 1);
	CHECK(!readable(fd));
	msg[14] = q[14];
	CHECK(sendto(u.udp, msg, n, 0, &from.any, from.len) == got);
	CHECK_INT(client_read(fd), DNS_NOERROR);
	close(fd);
	upstream_close(&u);
	stop();
}

TEST(the_next_server_is_asked)
{
	struct upstream silent, failing, good;
	uint8_t q[512];
	size_t n = query("example.org", DNS_A, q);
	int fd;

	start();
	upstream_open(&silent);
	upstream_open(&failing);
	upstream_open(&good);
	use(&silent);
	use(&failing);
	use(&good);
	upstream_close(&silent); /* refused at once */
	fd = client_udp();
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(serve(failing.udp, DNS_SERVFAIL, 0));
	CHECK(serve(good.udp, DNS_NOERROR, 0));
	CHECK_INT(client_read(fd), DNS_NOERROR);
	/* The last one's failure is the answer. */
	server.host.n = 2;
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(serve(failing.udp, DNS_REFUSED, 0));
	CHECK_INT(client_read(fd), DNS_REFUSED);
	server.host.n = 1;
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK_INT(client_read(fd), DNS_SERVFAIL);
	CHECK(!recursion());
	server.host.n = 0;
	CHECK_INT(ask("example.org", DNS_A), DNS_SERVFAIL);
	close(fd);
	upstream_close(&failing);
	upstream_close(&good);
	stop();
}

TEST(a_silent_server_is_given_up)
{
	struct upstream silent, good;
	uint8_t q[512];
	size_t n = query("example.org", DNS_A, q);
	int fd;

	start();
	upstream_open(&silent);
	upstream_open(&good);
	use(&silent);
	use(&good);
	server.try_ns = TRY_SHORT_NS;
	fd = client_udp();
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(await(silent.udp));
	server.try_ns = TRY_TEST_NS;
	CHECK(serve(good.udp, DNS_NOERROR, 0));
	CHECK_INT(client_read(fd), DNS_NOERROR);
	/* Alone, it is asked twice. */
	server.host.n = 1;
	server.try_ns = TRY_SHORT_NS;
	while (readable(silent.udp))
		recv(silent.udp, q + 400, 1, 0);
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK_INT(client_read(fd), DNS_SERVFAIL);
	CHECK(recv(silent.udp, q + 400, 1, 0) == 1 && recv(silent.udp, q + 400, 1, 0) == 1);
	CHECK(!readable(silent.udp));
	close(fd);
	upstream_close(&silent);
	upstream_close(&good);
	stop();
}

TEST(tcp_is_forwarded_by_tcp)
{
	struct upstream u;
	uint8_t q[514], msg[4096];
	size_t n = query("example.org", 16, q + 2);
	int fd, up;

	start();
	upstream_open(&u);
	use(&u);
	q[0] = 0;
	q[1] = (uint8_t)n;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(!connect(fd, &tcp_at.any, tcp_at.len));
	CHECK(send(fd, q, n + 2, 0) == (ssize_t)n + 2);
	NEED(await(u.tcp));
	up = accept4(u.tcp, NULL, NULL, SOCK_CLOEXEC);
	NEED(await(up));
	CHECK_INT(recv(up, msg, n + 2, MSG_WAITALL), n + 2);
	memset(msg + n + 2, 0, sizeof(msg) - n - 2);
	msg[4] |= 0x80;
	msg[0] = 3000 >> 8;
	msg[1] = 3000 & 255;
	CHECK(send(up, msg, 1, 0) == 1);
	loop_once(&server.loop, 100);
	CHECK(send(up, msg + 1, 3001, 0) == 3001);
	NEED(await(fd));
	CHECK_INT(recv(fd, msg, 3002, MSG_WAITALL), 3002);
	CHECK(msg[2] == 0xab && msg[3] == 0xcd);
	close(up);
	close(fd);
	upstream_close(&u);
	stop();
}

TEST(a_client_that_leaves_takes_its_query_along)
{
	struct upstream u;
	uint8_t q[514];
	size_t n = query("example.org", DNS_A, q + 2);
	struct linger reset = {1, 0};
	int fd;

	start();
	upstream_open(&u);
	use(&u);
	q[0] = 0;
	q[1] = (uint8_t)n;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(!connect(fd, &tcp_at.any, tcp_at.len));
	CHECK(send(fd, q, n + 2, 0) == (ssize_t)n + 2);
	NEED(await(u.tcp));
	CHECK_INT(server.n_flights, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	while (server.n_flights)
		loop_once(&server.loop, 100);
	CHECK_INT(box->n_connections, 0);
	upstream_close(&u);
	stop();
}

TEST(an_internal_network_forwards_nothing)
{
	struct upstream u;

	start();
	upstream_open(&u);
	use(&u);
	place_on(id, "n", true, "me", 1);
	CHECK_INT(ask("example.org", DNS_A), DNS_SERVFAIL);
	CHECK(!recursion());
	CHECK_INT(ask("me", DNS_A), DNS_NOERROR);
	CHECK(!readable(u.udp));
	upstream_close(&u);
	stop();
}

TEST(ndots_of_ones_own_keeps_short_names_inside)
{
	start();
	box->ndots_set = true;
	CHECK_INT(ask("nosuch", DNS_A), DNS_NOERROR);
	CHECK_INT(answers(), 0);
	CHECK_INT(ask("nosuch", DNS_AAAA), DNS_NOERROR);
	CHECK_INT(ask("nosuch.n", DNS_A), DNS_SERVFAIL); /* there is no server */
	stop();
}

TEST(a_container_has_so_many_queries_in_flight)
{
	struct upstream u;
	uint8_t q[512];
	size_t n = query("example.org", DNS_A, q);
	int fd, i;

	start();
	upstream_open(&u);
	use(&u);
	fd = client_udp();
	for (i = 0; i < DNS_BOX_FLIGHTS_MAX; i++) {
		CHECK(send(fd, q, n, 0) == (ssize_t)n);
		loop_once(&server.loop, 1000);
	}
	CHECK_INT(box->n_flights, DNS_BOX_FLIGHTS_MAX);
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK_INT(client_read(fd), DNS_SERVFAIL);
	dns_box_close(&server, box);
	CHECK_INT(server.n_flights, 0);
	close(fd);
	upstream_close(&u);
	stop();
}

TEST(ones_own_servers_are_asked_from_inside)
{
	struct upstream u, host;
	uint8_t q[512];
	size_t n = query("example.org", DNS_A, q);
	int fd;

	start();
	upstream_open(&u);
	upstream_open(&host);
	use(&host);
	box->own_servers = true;
	box->servers = (struct dns_servers){.at = {u.at}, .n = 1};
	fd = client_udp();
	CHECK(send(fd, q, n, 0) == (ssize_t)n);
	CHECK(serve(u.udp, DNS_NOERROR, 0));
	CHECK_INT(client_read(fd), DNS_NOERROR);
	CHECK(!readable(host.udp));
	close(fd);
	upstream_close(&u);
	upstream_close(&host);
	stop();
}
