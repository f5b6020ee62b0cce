/* SPDX-License-Identifier: MIT */
/* Unit tests of the nftables messages: their bytes, and what the kernel makes of them. */
#include "net/nft.h"
#include "net/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "unit.h"
#include "../lib/sandbox.h"

static bool have_sandbox;

__attribute__((constructor)) static void first_of_all(void)
{
	have_sandbox = sandbox_enter();
}

/* --- bytes ------------------------------------------------------------------------------------- */

TEST(a_change_is_wrapped_once)
{
	struct nft t = NFT_INIT;
	const struct nlmsghdr *h;
	const struct nfgenmsg *head;

	nft_table(&t, NFT_FAMILY_IPV4, "one");
	nft_chain(&t, "c");
	CHECK_INT(t.batch.n, 3);
	h = nl_message(t.batch.b.p, t.batch.b.n);
	NEED(h);
	CHECK_INT(h->nlmsg_type, NFNL_MSG_BATCH_BEGIN);
	head = nl_head(h, sizeof(*head));
	NEED(head);
	CHECK_INT(ntohs(head->res_id), NFNL_SUBSYS_NFTABLES);
	h = nl_message((const char *)h + h->nlmsg_len, t.batch.b.n - h->nlmsg_len);
	NEED(h);
	CHECK_INT(h->nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
	nft_release(&t);
}

/* The last message's attribute of type @attr. */
static struct span last_attr(const struct nft *t, int attr)
{
	const struct nlattr *attrs[32];

	nl_attrs((const void *)(t->batch.b.p + t->batch.at), sizeof(struct nfgenmsg), attrs, 32);
	return nl_payload(attrs[attr]);
}

TEST(networks_end_behind_their_last_address)
{
	static const unsigned char net[4] = {172, 17, 0, 0}, top[4] = {255, 255, 255, 0};
	struct nft t = NFT_INIT;
	struct span list;

	nft_table(&t, NFT_FAMILY_IPV4, "t");
	nft_element_network(&t, "s", net, 4, 16, false);
	list = last_attr(&t, NFTA_SET_ELEM_LIST_ELEMENTS);
	CHECK(memmem(list.p, list.n, "\xac\x12\0\0", 4)); /* 172.18.0.0, the first one behind */
	nft_element_network(&t, "s", top, 4, 24, false);
	list = last_attr(&t, NFTA_SET_ELEM_LIST_ELEMENTS);
	CHECK_INT(list.n, 16); /* one element: nothing is behind */
	nft_release(&t);
}

/* --- the kernel -------------------------------------------------------------------------------- */

static struct nl nl = NL_INIT;

static void setup(void)
{
	struct err e = ERR_INIT;
	cleanup_close int netns = -1;

	if (!have_sandbox)
		SKIP("no user namespaces here");
	if (nl.fd >= 0)
		return;
	netns = netns_new(&e);
	NEED(CHECK_OK(e, netns));
	NEED(CHECK_OK(e, nl_open(&nl, netns, NETLINK_NETFILTER, &e)));
}

static int count_message(const struct nlmsghdr *h, void *arg, struct err *e)
{
	(void)h, (void)e;
	++*(int *)arg;
	return 0;
}

/* How many there are, of what GET asks for. */
static int count(int get)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct nfgenmsg head = {0};
	struct err e = ERR_INIT;
	int n = 0;

	nl_begin(&b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | get), NLM_F_DUMP, &head, sizeof(head), "listing");
	CHECK_OK(e, nl_ask(&nl, &b, count_message, &n, &e));
	nl_batch_release(&b);
	return n;
}

static void matches(struct nft *t, const void *addr, size_t n)
{
	static const unsigned char mask[2] = {0, 0x17}, value[2] = {0, 2};

	nft_rule(t, "base");
	nft_match_iif(t, "br0", false);
	nft_match_oif(t, "br0", true);
	nft_match_iif_set(t, "ifaces", false);
	nft_match_oif_set(t, "ifaces", true);
	nft_match_mark(t, 7, true);
	nft_match_address(t, NFT_SOURCE, addr, n, 12, false);
	nft_match_address(t, NFT_DESTINATION, addr, n, (unsigned int)n * 8, true);
	nft_match_destination(t, RTN_LOCAL, true);
	nft_match_has_route(t, false);
	nft_match_l4proto(t, IPPROTO_TCP);
	nft_match_port(t, NFT_DESTINATION, 53);
	nft_match_transport(t, 12, mask, value, sizeof(mask));
	nft_set_mark(t, 3);
	nft_log(t, 5, 128);
	nft_notrack(t);
	nft_tproxy(t, addr, n, 1234);
	nft_jump(t, "other");
	nft_rule(t, "forward");
	nft_match_ct_state(t, 6);
	nft_verdict(t, NFT_ACCEPT);
	nft_rule(t, "nat");
	nft_masquerade(t);
}

static void everything(struct nft *t, uint8_t family, const void *addr, size_t n)
{
	nft_table(t, family, "t");
	nft_set(t, "ifaces", NFT_KEY_IFNAME, false);
	nft_set(t, "nets", n == 4 ? NFT_KEY_IPV4 : NFT_KEY_IPV6, true);
	nft_element_iface(t, "ifaces", "br0", false);
	nft_element_network(t, "nets", addr, n, 12, false);
	nft_chain(t, "other");
	nft_base_chain(t, "base", "filter", NFT_PREROUTING, -300, NFT_ACCEPT);
	nft_base_chain(t, "forward", "filter", NFT_FORWARD, 0, NFT_DROP);
	nft_base_chain(t, "nat", "nat", NFT_POSTROUTING, 100, NFT_ACCEPT);
	nft_flush(t, "base");
	nft_flush(t, "forward");
	nft_flush(t, "nat");
	matches(t, addr, n);
}

TEST(the_kernel_takes_everything_twice)
{
	static const unsigned char addr[16] = {172, 17};
	struct nft t = NFT_INIT;
	struct err e = ERR_INIT;
	int i;

	setup();
	for (i = 0; i < 2; i++) {
		everything(&t, NFT_FAMILY_IPV4, addr, 4);
		NEED(CHECK_OK(e, nft_commit(&t, &nl, &e)));
		everything(&t, NFT_FAMILY_IPV6, addr, 16);
		NEED(CHECK_OK(e, nft_commit(&t, &nl, &e)));
	}
	CHECK_INT(count(NFT_MSG_GETTABLE), 2);
	CHECK_INT(count(NFT_MSG_GETRULE), 6);
	CHECK_INT(count(NFT_MSG_GETSET), 4);
	nft_release(&t);
}

TEST(all_or_nothing)
{
	struct nft t = NFT_INIT;
	struct err e = ERR_INIT;

	setup();
	nft_table(&t, NFT_FAMILY_INET, "half");
	nft_chain(&t, "c");
	nft_rule(&t, "no-such-chain");
	nft_verdict(&t, NFT_DROP);
	CHECK_INT(nft_commit(&t, &nl, &e), -1);
	CHECK_INT(e.code, ENOENT);
	CHECK(!strncmp(e.msg, "nftables: adding a rule", 23));
	CHECK_INT(count(NFT_MSG_GETTABLE), 2);
	nft_release(&t);
}

TEST(removing)
{
	static const unsigned char addr[4] = {172, 17};
	struct nft t = NFT_INIT;
	struct err e = ERR_INIT;

	setup();
	nft_table(&t, NFT_FAMILY_IPV4, "t");
	nft_flush(&t, "base");
	nft_element_iface(&t, "ifaces", "br0", true);
	nft_element_network(&t, "nets", addr, 4, 12, true);
	nft_set_delete(&t, "nets");
	nft_chain_delete(&t, "other");
	nft_table_delete(&t, NFT_FAMILY_IPV6, "t");
	NEED(CHECK_OK(e, nft_commit(&t, &nl, &e)));
	CHECK_INT(count(NFT_MSG_GETTABLE), 1);
	CHECK_INT(count(NFT_MSG_GETRULE), 2);
	CHECK_INT(count(NFT_MSG_GETSET), 1);
	nft_release(&t);
}
