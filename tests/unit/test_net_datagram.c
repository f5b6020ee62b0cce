/* SPDX-License-Identifier: MIT */
/* Unit tests of passing datagrams on: each arrives, in order, with its borders. */
#include "net/datagram.h"
#include "net/peer.h"
#include "unit.h"

#include <errno.h>

static uint8_t buffers[DATAGRAM_BATCH][DATAGRAM_MAX];

static void connected(int *one, int *two)
{
	struct peer a, b;

	peer_parse("127.0.0.1", 0, &a);
	peer_parse("127.0.0.1", 0, &b);
	*one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	*two = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(*one, &a.any, a.len) || bind(*two, &b.any, b.len) || getsockname(*one, &a.any, &a.len) ||
		getsockname(*two, &b.any, &b.len) || connect(*one, &b.any, b.len) || connect(*two, &a.any, a.len))
		abort();
}

static const size_t sizes[] = {0, 1, 1400, 1400, 1400, 1400, 700, 1400, 1400, 0, 0, 3, 3, 2, 3, 65507, 9000, 9000, 1400};

/* sender -> (a) relay (b) -> receiver, as relay_udp.c does it. */
static void pass(bool whole, bool prepare)
{
	static uint8_t bytes[DATAGRAM_MAX];
	struct datagrams d[DATAGRAM_BATCH];
	int sender, a, b, receiver, n;
	size_t i, sent, got = 0;

	connected(&sender, &a);
	connected(&b, &receiver);
	if (prepare)
		datagram_prepare(a);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(bytes, (int)i, sizes[i]);
		CHECK(send(sender, bytes, sizes[i], 0) == (ssize_t)sizes[i]);
	}
	while ((n = datagram_receive(a, buffers, d)) > 0) {
		CHECK(!datagram_send(b, d, (size_t)n, &sent, &whole) && sent == (size_t)n);
		for (ssize_t r; (r = recv(receiver, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0; got++) {
			NEED(got < ARRAY_SIZE(sizes));
			CHECK((size_t)r == sizes[got]);
			CHECK(!r || (bytes[0] == got && bytes[r - 1] == got));
		}
	}
	CHECK(!n && got == ARRAY_SIZE(sizes));
	close(sender), close(a), close(b), close(receiver);
}

TEST(each_keeps_its_borders)
{
	pass(true, true);
	pass(true, false);
	pass(false, true);
	pass(false, false);
}

/* What its sender had sent as one is received as one, and may leave as many. */
TEST(several_are_received_as_one)
{
	uint8_t bytes[3000] = {0};
	struct datagrams in[2] = {{bytes, 1000, 1000}, {bytes, 1000, 1000}}, d[DATAGRAM_BATCH];
	int sender, a, b, receiver, n, way;
	bool whole = true;
	size_t sent;

	for (way = 0; way < 2; way++) {
		bool onward = way;

		connected(&sender, &a);
		connected(&b, &receiver);
		datagram_prepare(a);
		CHECK(!datagram_send(sender, in, 2, &sent, &whole) && sent == 2 && whole);
		n = datagram_receive(a, buffers, d);
		NEED(n > 0);
		CHECK(n == 1 && d[0].n == 2000 && d[0].size == 1000);
		CHECK(!datagram_send(b, d, (size_t)n, &sent, &onward));
		CHECK(recv(receiver, bytes, sizeof(bytes), MSG_DONTWAIT) == 1000);
		CHECK(recv(receiver, bytes, sizeof(bytes), MSG_DONTWAIT) == 1000);
		CHECK(recv(receiver, bytes, sizeof(bytes), MSG_DONTWAIT) < 0 && errno == EAGAIN);
		close(sender), close(a), close(b), close(receiver);
	}
}

/* What cannot leave as one (it would have to be fragments) leaves as many, and that is remembered. */
TEST(what_is_refused_as_one_is_sent_singly)
{
	static uint8_t bytes[DATAGRAM_MAX];
	struct datagrams d[2] = {{bytes, 30000, 30000}, {bytes, 30000, 30000}};
	int b, receiver, on = 1, i;
	bool whole = true;
	size_t sent;

	connected(&b, &receiver);
	/* A checksum that is not wanted rules out segments, whatever the device. */
	CHECK(!setsockopt(b, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)));
	CHECK(!datagram_send(b, d, 2, &sent, &whole) && sent == 2 && !whole);
	for (i = 0; i < 2; i++)
		CHECK(recv(receiver, bytes, sizeof(bytes), MSG_DONTWAIT) == 30000);
	close(b), close(receiver);
}

TEST(a_failure_says_how_far_it_came)
{
	uint8_t byte = 1;
	struct datagrams d[3] = {{&byte, 1, 1}, {&byte, 1, 1}, {&byte, 0, 0}};
	int b, receiver;
	bool whole = false;
	size_t sent;

	connected(&b, &receiver);
	close(receiver);
	datagram_send(b, d, 1, &sent, &whole); /* refused, which the next one is told */
	CHECK(datagram_send(b, d, 3, &sent, &whole) == -1 && errno == ECONNREFUSED && sent == 0);
	close(b);
}
