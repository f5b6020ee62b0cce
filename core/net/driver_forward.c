/* SPDX-License-Identifier: MIT */
/*
 * core/net/driver_forward.c - containers on bridges behind a network driver's device
 *
 * Theory of operation
 *   The relay needs no forwarding; a program behind a tap device does.  Bridges must not lead to each other
 *   all the same, so what comes from anywhere but from ourselves and from the device is routed by a table
 *   that knows no way but the device:
 *	rule 101	from ourselves (lo), and from the device: as usual
 *	rule 102	all else: table DRIVER_TABLE, a default route by the device
 *	rule 100	a bridge without a way out: nowhere (driver_close_bridge())
 *   slirp4netns sees containers' own addresses, and asks for them by ARP: the kernel answers in their place
 *   (proxy_arp).  So it needs no NAT, and no nftables, which is why it is the fallback where those are
 *   missing.  Other programs have one peer: for them addresses are rewritten.
 *
 *   A relay of before has left a routing rule that makes all foreign addresses local; it goes.
 */
#include "base/fs.h"
#include "net/driver.h"
#include "net/netd.h"
#include "net/nft.h"
#include "net/nl.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#define DRIVER_TABLE 0x636f74u
#define RULE_CLOSED 100
#define RULE_USUAL 101
#define RULE_OUT 102
#define RULE_RELAY 32900 /* relay_inside.c's */

static int put_sysctl(const char *path, const char *value, struct err *e)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, value, strlen(value)))
		return err_set(e, errno, "writing %s to %s", value, path);
	return 0;
}

/* --- rules -------------------------------------------------------------------------------------------- */

static void rule(struct nl_batch *b, bool remove, uint32_t priority, uint8_t action, const char *iif, uint32_t table)
{
	struct fib_rule_hdr head = {.family = AF_INET, .action = action};

	nl_begin(b, remove ? RTM_DELRULE : RTM_NEWRULE, remove ? 0 : NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head),
		"setting a routing rule");
	nl_put_u32(b, FRA_PRIORITY, priority);
	if (iif)
		nl_put_str(b, FRA_IIFNAME, iif);
	if (table)
		nl_put_u32(b, FRA_TABLE, table);
}

/* One rule; that it is there (or not) already is success. */
static int send_rule(const struct nl *nl, bool remove, uint32_t priority, uint8_t action, const char *iif, uint32_t table,
	struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct err why = ERR_INIT;
	int rc;

	rule(&b, remove, priority, action, iif, table);
	rc = nl_send(nl, &b, &why);
	nl_batch_release(&b);
	if (!rc || why.code == (remove ? ENOENT : EEXIST))
		return 0;
	*e = why;
	return -1;
}

int driver_close_bridge(const struct nl *inside, const char *bridge, bool remove, struct err *e)
{
	return send_rule(inside, remove, RULE_CLOSED, FR_ACT_BLACKHOLE, bridge, 0, e);
}

static int set_route(const struct nl *nl, unsigned int index, const struct inet *gateway, struct err *e)
{
	struct rtmsg head = {.rtm_family = AF_INET, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "setting the containers' route");
	nl_put_u32(&b, RTA_TABLE, DRIVER_TABLE);
	nl_put_u32(&b, RTA_OIF, index);
	nl_put(&b, RTA_GATEWAY, gateway->bytes, 4);
	rc = nl_send(nl, &b, e);
	nl_batch_release(&b);
	return rc;
}

/* --- what the relay left, and NAT ----------------------------------------------------------------------- */

static void forget_relay(const struct nl *route)
{
	static const uint8_t families[] = {NFT_FAMILY_IPV4, NFT_FAMILY_IPV6};
	struct nl nl = NL_INIT;
	struct err e;
	size_t i;

	send_rule(route, true, RULE_RELAY, FR_ACT_TO_TBL, NULL, 0, &e);
	if (nl_open(&nl, -1, NETLINK_NETFILTER, &e))
		return;
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		struct nft t = NFT_INIT;

		nft_table(&t, families[i], NETD_NFT_TABLE); /* so that it is there to be deleted */
		nft_table_delete(&t, families[i], NETD_NFT_TABLE);
		nft_commit(&t, &nl, &e);
		nft_release(&t);
	}
	nl_close(&nl);
}

static int set_masquerade(const char *ifname, struct err *e)
{
	struct nft t = NFT_INIT;
	struct nl nl = NL_INIT;
	int rc = nl_open(&nl, -1, NETLINK_NETFILTER, e);

	nft_table(&t, NFT_FAMILY_IPV4, "coracle-driver");
	nft_base_chain(&t, "postrouting", "nat", NFT_POSTROUTING, 100, NFT_ACCEPT);
	nft_flush(&t, "postrouting");
	nft_rule(&t, "postrouting");
	nft_match_oif(&t, ifname, false);
	nft_masquerade(&t);
	if (!rc)
		rc = nft_commit(&t, &nl, e);
	nft_release(&t);
	nl_close(&nl);
	return rc;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

int driver_forward_here(const char *ifname, const char *gateway, bool masquerade, struct err *e)
{
	cleanup_free char *proxy = xasprintf("/proc/sys/net/ipv4/conf/%s/proxy_arp", ifname);
	cleanup_free char *delay = xasprintf("/proc/sys/net/ipv4/neigh/%s/proxy_delay", ifname);
	unsigned int index = if_nametoindex(ifname);
	struct nl nl = NL_INIT;
	struct inet via;
	int rc;

	if (!index)
		return err_set(e, errno, "looking for the link %s", ifname);
	if (inet_parse(span_of(gateway), &via) || via.family != AF_INET)
		return err_kind(e, ERR_INVALID, "the driver has no gateway");
	if (nl_open(&nl, -1, NETLINK_ROUTE, e))
		return -1;
	forget_relay(&nl);
	rc = (masquerade && set_masquerade(ifname, e)) || set_route(&nl, index, &via, e) || send_rule(&nl, false, RULE_USUAL, FR_ACT_TO_TBL, "lo", RT_TABLE_MAIN, e) ||
		send_rule(&nl, false, RULE_USUAL, FR_ACT_TO_TBL, ifname, RT_TABLE_MAIN, e) ||
		send_rule(&nl, false, RULE_OUT, FR_ACT_TO_TBL, NULL, DRIVER_TABLE, e) ||
		put_sysctl(proxy, masquerade ? "0" : "1", e) ||
		put_sysctl(delay, "0", e) || /* else up to 0.8 s, for those that know better to answer first: nobody does */
		put_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "0", e) || put_sysctl("/proc/sys/net/ipv4/ip_forward", "1", e);
	nl_close(&nl);
	return rc ? -1 : 0;
}
