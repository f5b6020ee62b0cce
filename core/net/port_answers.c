/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_answers.c - published ports beside another network driver: clients' own addresses, all the same
 *
 * Theory of operation
 *   What a container answers to its client's address (port_target.c) would be routed to the driver's device, as
 *   everything that is foreign.  In table "coracle-ports" of each family, before connection tracking and routing,
 *   TPROXY looks for the transparent socket that has this connection; what belongs to one is marked:
 *	rule 99		marked: table RELAY_TABLE, where every address is local
 *   TPROXY rather than "socket": it has fragments put together, so that a large datagram is one.  It would take
 *   a listener, too, at an address where nobody listens.
 *
 *   With the relay, every foreign address is local already: the table and the rules go.
 */
#include "base/fs.h"
#include "net/module.h"
#include "net/nft.h"
#include "net/port_server.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

#define TABLE "coracle-ports"
#define RULE_PRIORITY 99 /* before driver_forward.c's */
#define HOOK_PRIORITY (-300)
#define NO_PORT 1 /* nobody listens there: netd is alone in here, but for who enters as root of this namespace */

static const struct family {
	uint8_t family, nft, bytes;
	uint8_t loopback[16];
} families[] = {
	{AF_INET, NFT_FAMILY_IPV4, 4, {127, 0, 0, 1}},
	{AF_INET6, NFT_FAMILY_IPV6, 16, {[15] = 1}},
};

bool port_answered = true;

static int open_netlink(void *arg, struct err *e)
{
	struct nl *nl = arg;

	return nl_open(nl, -1, nl->fd, e);
}

/* --- routing ------------------------------------------------------------------------------------------ */

static int send_rule(const struct nl *nl, uint8_t family, bool remove, struct err *e)
{
	struct fib_rule_hdr head = {.family = family, .action = FR_ACT_TO_TBL};
	struct nl_batch b = NL_BATCH_INIT;
	struct err why = ERR_INIT;
	int rc;

	nl_begin(&b, remove ? RTM_DELRULE : RTM_NEWRULE, remove ? 0 : NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head),
		"setting the routing rule for published ports");
	nl_put_u32(&b, FRA_PRIORITY, RULE_PRIORITY);
	nl_put_u32(&b, FRA_FWMARK, MARK_RELAY);
	nl_put_u32(&b, FRA_FWMASK, UINT32_MAX);
	nl_put_u32(&b, FRA_TABLE, RELAY_TABLE);
	rc = nl_send(nl, &b, &why);
	nl_batch_release(&b);
	if (!rc || why.code == (remove ? ENOENT : EEXIST))
		return 0;
	*e = why;
	return -1;
}

static int set_route(const struct nl *nl, uint8_t family, struct err *e)
{
	struct rtmsg head = {.rtm_family = family, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL};
	struct ifinfomsg lo = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, RTM_NEWLINK, 0, &lo, sizeof(lo), "raising lo"); /* the driver's program may not have come to it yet */
	nl_begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "making all addresses local");
	nl_put_u32(&b, RTA_TABLE, RELAY_TABLE);
	nl_put_u32(&b, RTA_OIF, 1);
	rc = nl_send(nl, &b, e);
	nl_batch_release(&b);
	return rc;
}

static int set_routes(bool wanted, const struct family *f, size_t n, struct err *e)
{
	struct nl nl = {.fd = NETLINK_ROUTE};
	int rc = inside_run(open_netlink, &nl, e);

	if (rc)
		return -1;
	for (; n-- && !rc; f++)
		rc = send_rule(&nl, f->family, !wanted, e) || (wanted && set_route(&nl, f->family, e));
	nl_close(&nl);
	return rc ? -1 : 0;
}

/* --- packets ------------------------------------------------------------------------------------------ */

static void rules(struct nft *t, const struct family *f)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	size_t i;

	nft_base_chain(t, "prerouting", "filter", NFT_PREROUTING, HOOK_PRIORITY, NFT_ACCEPT);
	for (i = 0; i < sizeof(protocols); i++) {
		nft_rule(t, "prerouting");
		nft_match_l4proto(t, protocols[i]);
		nft_tproxy(t, f->loopback, f->bytes, NO_PORT);
		nft_set_mark(t, MARK_RELAY);
	}
}

static int set_rules(bool wanted, const struct family *f, size_t n, struct err *e)
{
	struct nl nl = {.fd = NETLINK_NETFILTER};
	struct nft t = NFT_INIT;
	int rc = inside_run(open_netlink, &nl, e);

	if (rc)
		return -1;
	for (; n-- && !rc; f++) {
		if (nft_table_exists(&nl, f->nft, TABLE))
			nft_table_delete(&t, f->nft, TABLE);
		else if (!wanted)
			continue;
		if (wanted) {
			nft_table(&t, f->nft, TABLE);
			rules(&t, f);
		}
		rc = nft_commit(&t, &nl, e);
	}
	nft_release(&t);
	nl_close(&nl);
	return rc;
}

static bool has_ipv6(void)
{
	cleanup_close int fd = inside_socket(AF_INET6, SOCK_DGRAM, 0);

	return fd >= 0;
}

int port_answers_start(struct err *e)
{
	static const struct {
		const char *path, *value;
	} sysctls[] = {
		/* A client's port may be any; bridged packets would pass the rules twice and lose their socket. */
		{"net/ipv4/ip_unprivileged_port_start", "0"},
		{"net/bridge/bridge-nf-call-iptables", "0"},
		{"net/bridge/bridge-nf-call-ip6tables", "0"},
	};
	size_t i, n = has_ipv6() ? 2 : 1;
	struct err why;
	int rc;

	for (i = 0; !netd_relays && i < ARRAY_SIZE(sysctls); i++)
		inside_sysctl(sysctls[i].path, sysctls[i].value, &why); /* not every kernel has them */
	rc = set_rules(!netd_relays, families, n, e) || set_routes(!netd_relays, families, n, e) ? -1 : 0;
	port_answered = netd_relays || !rc;
	return port_answered ? 0 : rc;
}
