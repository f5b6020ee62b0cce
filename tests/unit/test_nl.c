/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_nl.c - netlink: messages built, answers read, and a kernel that is asked
 */
#include "unit.h"
#include "userns.h"

#include "net/netns.h"
#include "net/nl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>

/* --- building --- */

TEST(lengths_add_up)
{
	struct nl_batch b = NL_BATCH_INIT;
	const struct nlattr *a[4], *inner[3];
	const struct nlmsghdr *h;
	uint32_t head = 0x01020304;
	size_t nest;

	nl_begin(&b, 20, NLM_F_CREATE, &head, sizeof(head), "first");
	nl_put_str(&b, 1, "name");
	nest = nl_nest(&b, 2);
	nl_put_u32(&b, 1, 7);
	nl_put_be32(&b, 2, 1);
	nl_nest_end(&b, nest);
	nl_put_u8(&b, 3, 9);
	nl_begin(&b, 21, 0, NULL, 0, "second");
	CHECK(!b.broken);

	h = nl_message(b.b.p, b.b.n);
	NEED(h);
	CHECK_INT(h->nlmsg_type, 20);
	CHECK_INT(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
	CHECK_INT(h->nlmsg_len, 16 + 4 + 12 + 20 + 8);
	CHECK(nl_head(h, 4) && !memcmp(nl_head(h, 4), &head, 4));
	nl_attrs(h, sizeof(head), a, ARRAY_SIZE(a));
	CHECK_MEM(nl_text(a[1]).p, nl_text(a[1]).n, "name");
	nl_nested(a[2], inner, ARRAY_SIZE(inner));
	CHECK_INT(nl_u32(inner[1], 0), 7);
	CHECK(nl_payload(inner[2]).n == 4 && !memcmp(nl_payload(inner[2]).p, "\0\0\0\1", 4));
	CHECK_INT(nl_payload(a[3]).n, 1);
	CHECK_INT(nl_u32(a[3], 42), 42); /* of another length */
	CHECK_INT(nl_u32(a[0], 43), 43);

	h = nl_message(b.b.p + h->nlmsg_len, b.b.n - h->nlmsg_len);
	NEED(h);
	CHECK_INT(h->nlmsg_type, 21);
	CHECK_INT(h->nlmsg_len, 16);
	nl_batch_release(&b);
}

TEST(what_does_not_fit_is_not_sent)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct nl nl = NL_INIT;
	struct err e;
	char *big = xcalloc(1, 70000);
	size_t nest;

	nl_begin(&b, 20, 0, NULL, 0, "one attribute");
	nl_put(&b, 1, big, UINT16_MAX - NLA_HDRLEN);
	CHECK(!b.broken);
	nl_put(&b, 1, big, UINT16_MAX - NLA_HDRLEN + 1);
	CHECK(b.broken);
	CHECK_INT(nl_send(&nl, &b, &e), -1);
	CHECK_INT(e.code, EMSGSIZE);
	nl_batch_reset(&b);

	nl_begin(&b, 20, 0, NULL, 0, "a nest");
	nest = nl_nest(&b, 1);
	nl_put(&b, 1, big, 40000);
	nl_put(&b, 1, big, 40000);
	nl_nest_end(&b, nest);
	CHECK(b.broken);
	nl_batch_reset(&b);

	nl_begin(&b, 20, 0, NULL, 0, "a batch");
	while (!b.broken && b.b.n < 2 * NL_BATCH_MAX)
		nl_put(&b, 1, big, 60000);
	CHECK(b.broken);
	CHECK(b.b.n <= NL_BATCH_MAX);
	nl_batch_release(&b);
	free(big);
}

/* --- reading what is malformed, each right before an unmapped page --- */

static const struct nlmsghdr *foreign(uint32_t len, const void *rest, size_t n)
{
	char text[256] = {0};
	struct nlmsghdr h = {.nlmsg_len = len, .nlmsg_type = 20};

	memcpy(text, &h, sizeof(h));
	memcpy(text + sizeof(h), rest, n);
	/* Messages are aligned, as the kernel's are. */
	return nl_message(guarded(text, NLMSG_ALIGN(sizeof(h) + n)), sizeof(h) + n);
}

TEST(malformed_messages)
{
	static const unsigned char short_attr[] = {3, 0, 1, 0}, long_attr[] = {9, 0, 1, 0, 1, 2, 3, 4},
				   no_nul[] = {8, 0, 1, 0, 'a', 'b', 'c', 'd'},
				   unpadded[] = {5, 0, 1, 0, 'x'};
	const struct nlattr *a[2];
	const struct nlmsghdr *h;

	CHECK(!nl_message(guarded("", 0), 0));
	CHECK(!foreign(15, "", 0));
	CHECK(!foreign(17, "", 0));
	h = foreign(16, "", 0);
	NEED(h);
	CHECK(!nl_head(h, 1));
	nl_attrs(h, 100, a, 2);
	CHECK(!a[1]);
	h = foreign(20, short_attr, 4);
	NEED(h);
	nl_attrs(h, 0, a, 2);
	CHECK(!a[1]);
	h = foreign(24, long_attr, 8);
	NEED(h);
	nl_attrs(h, 0, a, 2);
	CHECK(!a[1]);
	h = foreign(24, no_nul, 8);
	NEED(h);
	nl_attrs(h, 0, a, 2);
	CHECK_MEM(nl_text(a[1]).p, nl_text(a[1]).n, "abcd");
	h = foreign(21, unpadded, 5);
	NEED(h);
	nl_attrs(h, 0, a, 2);
	CHECK_MEM(nl_text(a[1]).p, nl_text(a[1]).n, "x");
}

/* --- the kernel --- */

static int count_links(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nlattr *a[IFLA_IFNAME + 1];

	nl_attrs(h, sizeof(struct ifinfomsg), a, ARRAY_SIZE(a));
	if (span_eqs(nl_text(a[IFLA_IFNAME]), "lo"))
		++*(int *)arg;
	return h->nlmsg_type == RTM_NEWLINK ? 0 : err_set(e, 0, "not a link");
}

static int ask_links(const struct nl *nl, int *n, struct err *e)
{
	struct ifinfomsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	*n = 0;
	nl_begin(&b, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head), "listing links");
	rc = nl_ask(nl, &b, count_links, n, e);
	nl_batch_release(&b);
	return rc;
}

static void set_link(struct nl_batch *b, int index, const char *what)
{
	struct ifinfomsg head = {.ifi_index = index, .ifi_flags = 1, .ifi_change = 1};

	nl_begin(b, RTM_SETLINK, 0, &head, sizeof(head), what);
}

TEST_USERNS(a_namespace_of_its_own)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct err e = ERR_INIT;
	struct nl nl = NL_INIT;
	struct stat here, there, after;
	int netns, n;

	NEED(!stat("/proc/thread-self/ns/net", &here));
	netns = netns_new(&e);
	if (!CHECK_OK(e, netns))
		return;
	NEED(!fstat(netns, &there) && !stat("/proc/thread-self/ns/net", &after));
	CHECK(here.st_ino != there.st_ino);
	CHECK(here.st_ino == after.st_ino);
	if (!CHECK_OK(e, nl_open(&nl, netns, NETLINK_ROUTE, &e)))
		return;
	CHECK_OK(e, ask_links(&nl, &n, &e));
	CHECK_INT(n, 1);

	/* All of a batch is tried; the first failure is told, with its own words. */
	set_link(&b, 4711, "raising nothing");
	set_link(&b, 1, "raising lo");
	set_link(&b, 4712, "raising nothing again");
	CHECK_INT(nl_send(&nl, &b, &e), -1);
	CHECK_INT(e.code, ENODEV);
	CHECK(!strncmp(e.msg, "raising nothing: ", 17));
	nl_batch_reset(&b);
	CHECK_OK(e, ask_links(&nl, &n, &e));
	set_link(&b, 1, "raising lo");
	CHECK_OK(e, nl_send(&nl, &b, &e));

	nl_batch_release(&b);
	nl_close(&nl);
	close(netns);
}
