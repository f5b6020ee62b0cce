/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_nl.c - netlink answers of any shape are read within their bounds
 *
 * The input is what recv(2) gives; nl.c is compiled in here, with that call and sendto(2) replaced.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static ssize_t fake_recv(int fd, void *out, size_t n, int flags);
static ssize_t fake_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len);

#define recv fake_recv
#define sendto fake_sendto
#include "net/nl.c"
#undef recv
#undef sendto

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *answer;
static size_t answer_n;
static bool waiting;

static ssize_t fake_recv(int fd, void *out, size_t n, int flags)
{
	if (!waiting || n == 1) {
		errno = EAGAIN;
		return -1;
	}
	waiting = false;
	memcpy(out, answer, answer_n < n ? answer_n : n);
	return (ssize_t)(answer_n < n ? answer_n : n);
}

static ssize_t fake_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	waiting = true;
	return (ssize_t)n;
}

static void touch(const struct nlattr *a)
{
	struct span s = nl_payload(a), t = nl_text(a);
	volatile char sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum = (char)(sum + s.p[i]);
	if (t.n > s.n)
		abort();
	nl_u32(a, 0);
}

static int reply(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nlattr *a[16], *inner[16];
	const size_t *head = arg;

	nl_head(h, *head);
	nl_attrs(h, *head, a, ARRAY_SIZE(a));
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		touch(a[i]);
		nl_nested(a[i], inner, ARRAY_SIZE(inner));
		for (size_t k = 0; k < ARRAY_SIZE(inner); k++)
			touch(inner[k]);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ifinfomsg { char bytes[16]; } request = {{0}};
	struct nl_batch b = NL_BATCH_INIT;
	struct nl nl = {.fd = -1};
	struct err e = ERR_INIT;
	size_t head;

	if (!size)
		return 0;
	head = *data++ % 64;
	answer = data;
	answer_n = --size;
	nl_begin(&b, 18, 0, &request, sizeof(request), "asking");
	nl_ask(&nl, &b, reply, &head, &e);
	nl_send(&nl, &b, &e);
	nl_batch_release(&b);
	return 0;
}
