/* SPDX-License-Identifier: MIT */
/* Unit tests of splicing: what one side does the other sees. */
#include "base/clock.h"
#include "net/peer.h"
#include "net/splice.h"
#include "unit.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

/* client - (a) splice (b) - server; the loop runs in this thread. */
static struct loop loop;
static struct splice_pool pool;
static struct splice pair;
static int client, server, closed;

static void note_closed(struct splice *s)
{
	CHECK(s == &pair);
	closed++;
}

static void connect_two(int *one, int *two)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct peer at;

	peer_parse("127.0.0.1", 0, &at);
	*one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener, &at.any, at.len) || listen(listener, 1) || getsockname(listener, &at.any, &at.len) ||
		(connect(*one, &at.any, at.len) && errno != EINPROGRESS))
		abort();
	*two = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close(listener);
}

static void setup(void)
{
	struct err e = ERR_INIT;
	int a, b;

	NEED(CHECK_OK(e, loop_init(&loop, &e)));
	splice_pool_init(&pool, &loop);
	connect_two(&client, &a);
	connect_two(&b, &server);
	splice_prepare(a);
	splice_prepare(b);
	closed = 0;
	NEED(!splice_start(&pair, &pool, a, b, false, note_closed));
}

static void teardown(void)
{
	if (!closed)
		splice_abort(&pair);
	fd_close(&client);
	fd_close(&server);
	splice_pool_release(&pool);
	loop_release(&loop);
}

/* Run the loop until @fd has one of @events, at most ten seconds. */
static short await(int fd, short events)
{
	struct pollfd p = {fd, events, 0};
	int64_t until = clock_mono_ns() + 60 * NS_PER_S;

	while (poll(&p, 1, 0) != 1 && clock_mono_ns() < until)
		loop_once(&loop, 20);
	return p.revents;
}

/* What @fd receives next: a count, 0 the end, or minus errno. */
static ssize_t get(int fd, void *p, size_t n)
{
	await(fd, POLLIN);
	n = (size_t)recv(fd, p, n, 0);
	return (ssize_t)n < 0 ? -errno : (ssize_t)n;
}

static void await_closed(void)
{
	int64_t until = clock_mono_ns() + 60 * NS_PER_S;

	while (!closed && clock_mono_ns() < until)
		loop_once(&loop, 20);
	CHECK_INT(closed, 1);
}

TEST(data_goes_both_ways)
{
	char text[16];

	setup();
	CHECK(send(client, "hello", 5, 0) == 5);
	CHECK_INT(get(server, text, sizeof(text)), 5);
	CHECK_MEM(text, 5, "hello");
	CHECK(send(server, "hi", 2, 0) == 2);
	CHECK_INT(get(client, text, sizeof(text)), 2);
	CHECK_INT(pool.n, 1); /* one pipe did, and waits for the next */
	teardown();
}

TEST(an_end_is_passed_on_alone)
{
	char text[16];

	setup();
	CHECK(send(client, "ask", 3, 0) == 3);
	CHECK_INT(shutdown(client, SHUT_WR), 0);
	CHECK_INT(get(server, text, sizeof(text)), 3);
	CHECK_INT(get(server, text, sizeof(text)), 0);
	loop_once(&loop, 20);
	CHECK(!closed);
	CHECK(send(server, "answer", 6, 0) == 6);
	CHECK_INT(get(client, text, sizeof(text)), 6);
	CHECK_INT(shutdown(server, SHUT_WR), 0);
	CHECK_INT(get(client, text, sizeof(text)), 0);
	await_closed();
	teardown();
}

TEST(a_reset_is_passed_on)
{
	char text[16];

	setup();
	CHECK(send(client, "x", 1, 0) == 1);
	CHECK_INT(get(server, text, sizeof(text)), 1);
	splice_reset(&client);
	CHECK_INT(get(server, text, sizeof(text)), -ECONNRESET);
	await_closed();
	teardown();
}

TEST(a_reset_after_the_end_is_passed_on)
{
	char text[16];

	setup();
	CHECK_INT(shutdown(client, SHUT_WR), 0);
	CHECK_INT(get(server, text, sizeof(text)), 0);
	splice_reset(&client);
	await(server, POLLERR);
	CHECK(send(server, "x", 1, MSG_NOSIGNAL) < 0);
	await_closed();
	teardown();
}

/* How often the loop wakes up while nothing can be done. */
static int idle_wakes(void)
{
	int n = 0;

	while (n < 100) {
		struct pollfd p = {loop.epoll, POLLIN, 0};

		if (poll(&p, 1, 30) < 1)
			return n;
		loop_once(&loop, 0);
		n++;
	}
	return n;
}

static size_t fill(int fd, size_t max)
{
	static char block[65536];
	size_t sent = 0;
	int stuck = 0;

	while (sent < max && stuck < 3) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (n < 0) {
			loop_once(&loop, 20);
			stuck++;
			continue;
		}
		sent += (size_t)n;
		stuck = 0;
	}
	return sent;
}

static size_t drain(int fd)
{
	static char block[65536];
	size_t got = 0;
	ssize_t n;

	while ((n = get(fd, block, sizeof(block))) > 0)
		got += (size_t)n;
	CHECK_INT(n, 0);
	return got;
}

TEST(a_slow_receiver_slows_the_sender_down)
{
	size_t sent;

	setup();
	sent = fill(client, 1u << 30);
	CHECK(sent < 64u << 20);
	CHECK(idle_wakes() < 20);
	CHECK_INT(shutdown(client, SHUT_WR), 0);
	CHECK_INT(shutdown(server, SHUT_WR), 0);
	CHECK(idle_wakes() < 20); /* shut down on all sides, with data in between */
	CHECK_INT(drain(server), sent);
	CHECK_INT(drain(client), 0);
	await_closed();
	teardown();
}

TEST(aborted_means_reset_for_both)
{
	char text[4];

	setup();
	CHECK(fill(server, 1u << 30) > 0);
	splice_abort(&pair);
	closed = 1;
	CHECK_INT(get(server, text, 1), -ECONNRESET);
	while (get(client, text, 1) > 0)
		;
	CHECK_INT(get(client, text, 1) <= 0, 1);
	teardown();
}

/* No more descriptors: as many as are there now. */
static struct rlimit no_more_descriptors(void)
{
	struct rlimit old, now;
	int next = fcntl(0, F_DUPFD_CLOEXEC, 0);

	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	now = (struct rlimit){(rlim_t)next, old.rlim_max};
	NEED(next > 2 && !setrlimit(RLIMIT_NOFILE, &now));
	return old;
}

TEST(without_a_descriptor_for_a_pipe)
{
	struct rlimit old;
	char text[16];
	size_t sent;

	setup();
	old = no_more_descriptors();
	CHECK(send(client, "ask", 3, 0) == 3);
	CHECK_INT(get(server, text, sizeof(text)), 3);
	CHECK_MEM(text, 3, "ask");
	sent = fill(server, 1u << 30);
	CHECK(sent > 1u << 16 && sent < 64u << 20);
	CHECK_INT(pool.n, 0);
	CHECK(idle_wakes() < 20);
	CHECK(send(client, "!", 1, 0) == 1); /* the other way is free */
	CHECK_INT(get(server, text, sizeof(text)), 1);
	CHECK_INT(shutdown(server, SHUT_WR), 0);
	CHECK(idle_wakes() < 20);
	CHECK_INT(drain(client), sent);
	CHECK_INT(shutdown(client, SHUT_WR), 0);
	CHECK_INT(drain(server), 0);
	await_closed();
	setrlimit(RLIMIT_NOFILE, &old);
	teardown();
}

static int large;

static void note_large(struct splice *s)
{
	CHECK(s == &pair);
	large++;
	splice_pause(s);
}

/* Where the one loop left off, the other goes on: with data in the pipe, and events that came between. */
TEST(a_large_one_may_change_its_loop)
{
	static char bytes[1 << 16];
	struct splice_pool other_pool;
	size_t sent = 0, got = 0;
	struct loop other;
	struct err e = ERR_INIT;
	ssize_t n;

	setup();
	large = 0;
	splice_on_large(&pair, note_large);
	while (!large) {
		NEED(sent < 1u << 26);
		memset(bytes, (int)(sent >> 16), sizeof(bytes));
		n = send(client, bytes, sizeof(bytes), MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		loop_once(&loop, 0);
	}
	CHECK(sent >= SPLICE_LARGE);
	CHECK_INT(shutdown(client, SHUT_WR), 0);
	CHECK_INT(idle_wakes(), 0);
	NEED(CHECK_OK(e, loop_init(&other, &e)));
	splice_pool_init(&other_pool, &other);
	CHECK_INT(splice_resume(&pair, &other_pool), 0);
	while ((n = recv(server, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
		got += n > 0 ? (size_t)n : 0;
		NEED(n > 0 || errno == EAGAIN);
		loop_once(&other, n > 0 ? 0 : 20);
	}
	CHECK(got == sent);
	CHECK_INT(shutdown(server, SHUT_WR), 0);
	while (!closed)
		loop_once(&other, 20);
	CHECK_INT(large, 1);
	splice_pool_release(&other_pool);
	loop_release(&other);
	teardown();
}

TEST(no_descriptor_is_left)
{
	int before, after;

	setup();
	before = fcntl(0, F_DUPFD_CLOEXEC, 0);
	close(before);
	teardown();
	setup();
	fill(client, 1u << 30);
	splice_reset(&client);
	await_closed();
	teardown();
	after = fcntl(0, F_DUPFD_CLOEXEC, 0);
	close(after);
	CHECK(after <= before);
}
