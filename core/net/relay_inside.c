/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_inside.c - the inside of the relay: every foreign address is our own
 *
 * Theory of operation
 *   A routing rule behind all others says that what no route leads to is local.  So packets of
 *   containers for foreign addresses are delivered to this namespace, its sockets may have any
 *   address, a segment that belongs to no connection is answered with a RST, and processes in here have
 *   a default route.  The rule passes over packets with MARK_PROBE: thus nft can ask where a packet
 *   would go but for the rule.
 *
 *   Table "coracle-relay" of each family has one chain, before connection tracking (which is spared
 *   all of this).  What stays inside is left alone; foreign
 *	SYNs		are copied to us and dropped; relay_tcp.c decides
 *	SYNs of ours	(MARK_INJECT) go to the TCP listener by TPROXY
 *	other TCP	is delivered to the socket that has this connection
 *	UDP		to the socket of its flow if there is one, else to the UDP listener, by TPROXY
 *	echo requests	are copied to us and dropped; relay_icmp.c sends its own
 *   The set "closed" has the names of bridges whose containers get no way out; others fill it.
 *
 *   The listeners are bound to loopback addresses, where containers do not reach them but by TPROXY.
 */
#include "base/fs.h"
#include "net/module.h"
#include "net/netd.h"
#include "net/nft.h"
#include "net/relay.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#define RULE_PRIORITY 32900 /* behind "main" (32766) and "default" (32767) */
#define HOOK_PRIORITY (-300) /* "raw": after defragmentation, before connection tracking */
#define COPY_TCP 256	     /* bytes: an IPv6 header, some extensions, a full TCP header */
#define COPY_ECHO 65531	     /* as much as an attribute holds */
#define IPV6_MTU_MIN 1280
#define LISTEN_BACKLOG 4096

bool relay_has_ipv6(void)
{
	cleanup_close int fd = inside_socket(AF_INET6, SOCK_DGRAM, 0);

	return fd >= 0;
}

static int open_netlink(void *arg, struct err *e)
{
	struct nl *nl = arg;

	return nl_open(nl, -1, nl->fd, e);
}

int relay_netlink(struct nl *nl, int protocol, struct err *e)
{
	nl->fd = protocol;
	return inside_run(open_netlink, nl, e);
}

/* --- routes ------------------------------------------------------------------------------------- */

static void raise_lo(struct nl_batch *b)
{
	struct ifinfomsg head = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	nl_begin(b, RTM_NEWLINK, 0, &head, sizeof(head), "raising lo");
}

static void add_address(struct nl_batch *b, const struct inet *a)
{
	struct ifaddrmsg head = {.ifa_family = (uint8_t)a->family,
		.ifa_prefixlen = (uint8_t)inet_bits(a->family),
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = 1};

	nl_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "giving lo an address");
	nl_put(b, IFA_LOCAL, a->bytes, inet_size(a->family));
	nl_put(b, IFA_ADDRESS, a->bytes, inet_size(a->family));
}

/* @mtu: of the way out, 0: lo's own. */
static void add_route(struct nl_batch *b, const struct inet *source, uint32_t mtu)
{
	struct rtmsg head = {.rtm_family = (uint8_t)source->family,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL};
	size_t metrics;

	nl_begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "making all addresses local");
	nl_put_u32(b, RTA_TABLE, RELAY_TABLE);
	nl_put_u32(b, RTA_OIF, 1);
	nl_put(b, RTA_PREFSRC, source->bytes, inet_size(source->family));
	metrics = nl_nest(b, RTA_METRICS);
	if (mtu)
		nl_put_u32(b, RTAX_MTU, mtu);
	nl_nest_end(b, metrics);
}

static void add_rule(struct nl_batch *b, int family)
{
	struct fib_rule_hdr head = {.family = (uint8_t)family, .action = FR_ACT_TO_TBL, .flags = FIB_RULE_INVERT};

	nl_begin(b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head), "adding the relay's routing rule");
	nl_put_u32(b, FRA_PRIORITY, RULE_PRIORITY);
	nl_put_u32(b, FRA_FWMARK, MARK_PROBE);
	nl_put_u32(b, FRA_FWMASK, UINT32_MAX);
	nl_put_u32(b, FRA_TABLE, RELAY_TABLE);
}

static struct inet address_of(const char *text)
{
	struct inet a;

	if (inet_parse(span_of(text), &a))
		bug("%s is no address", text);
	return a;
}

static int setup_routes(const struct nl *nl, const char *address, struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct inet source = address_of(address);
	int rc;

	raise_lo(&b);
	add_address(&b, &source);
	add_route(&b, &source, 0);
	rc = nl_send(nl, &b, e);
	nl_batch_reset(&b);
	if (!rc) {
		struct err again = ERR_INIT;

		add_rule(&b, source.family);
		rc = nl_send(nl, &b, &again);
		if (rc && again.code == EEXIST)
			rc = 0; /* of the netd before us */
		else if (rc)
			*e = again;
	}
	nl_batch_release(&b);
	return rc;
}

int relay_inside_mtu(uint32_t mtu, struct err *e)
{
	struct inet source[2] = {address_of(RELAY_LO4), address_of(RELAY_LO6)};
	struct nl_batch b = NL_BATCH_INIT;
	struct nl nl = NL_INIT;
	int rc;

	if (relay_netlink(&nl, NETLINK_ROUTE, e))
		return -1;
	add_route(&b, &source[0], mtu);
	if (relay_has_ipv6())
		add_route(&b, &source[1], mtu && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu);
	rc = nl_send(&nl, &b, e);
	nl_batch_release(&b);
	nl_close(&nl);
	return rc;
}

/* --- rules -------------------------------------------------------------------------------------- */

struct family {
	uint8_t nft, icmp, echo;
	int bytes;
	uint8_t loopback[16];
	uint8_t special[2][2]; /* first byte and length of prefixes that are never foreign */
};

static const struct family families[2] = {
	{NFT_FAMILY_IPV4, IPPROTO_ICMP, 8, 4, {127, 0, 0, 1}, {{224, 3}, {0, 8}}}, /* multicast and above; 0/8 */
	{NFT_FAMILY_IPV6, IPPROTO_ICMPV6, 128, 16, {[15] = 1}, {{0xff, 8}, {0xfe, 7}}}, /* link local is in fe::/7 */
};

/* Make the rule end for packets that stay inside. */
static void leave(struct nft *t)
{
	nft_set_mark(t, 0);
	nft_verdict(t, NFT_ACCEPT);
}

static void rules_for_own(struct nft *t, const struct family *f)
{
	size_t i;

	nft_rule(t, "prerouting");
	nft_set_mark(t, MARK_PROBE);
	/* What comes in on lo has been routed: to ourselves, or by our rule.  (fib says "lo" there.) */
	nft_rule(t, "prerouting");
	nft_match_iif(t, "lo", true);
	nft_match_has_route(t, true);
	leave(t);
	nft_rule(t, "prerouting");
	nft_match_destination(t, RTN_LOCAL, false);
	leave(t);
	for (i = 0; i < 2; i++) {
		uint8_t prefix[16] = {f->special[i][0]};

		nft_rule(t, "prerouting");
		nft_match_address(t, NFT_DESTINATION, prefix, (size_t)f->bytes, f->special[i][1], false);
		leave(t);
	}
	nft_rule(t, "prerouting");
	nft_set_mark(t, 0);
}

static void rules_for_tcp(struct nft *t)
{
	static const uint8_t mask = 0x17, syn = 0x02; /* SYN, and not ACK, RST, FIN */

	nft_rule(t, "prerouting");
	nft_match_l4proto(t, IPPROTO_TCP);
	nft_match_transport(t, 13, &mask, &syn, 1);
	nft_log(t, RELAY_GROUP, COPY_TCP);
	nft_verdict(t, NFT_DROP);
}

static void rules_for_echo(struct nft *t, const struct family *f)
{
	static const uint8_t mask = 0xff;

	nft_rule(t, "prerouting");
	nft_match_l4proto(t, f->icmp);
	nft_match_transport(t, 0, &mask, &f->echo, 1);
	nft_log(t, RELAY_GROUP, COPY_ECHO);
	nft_verdict(t, NFT_DROP);
}

/* Whoever lives in here may have rules of his own (dockerd in rootlesskit): none of them is to rewrite a SYN on
 * its way to our listener. */
static void rules_for_output(struct nft *t)
{
	nft_base_chain(t, "output", "filter", NFT_OUTPUT, HOOK_PRIORITY, NFT_ACCEPT);
	nft_flush(t, "output");
	nft_rule(t, "output");
	nft_match_mark(t, MARK_INJECT, false);
	nft_notrack(t);
}

static void rules_for_family(struct nft *t, const struct family *f, uint16_t tcp, uint16_t udp)
{
	nft_table(t, f->nft, NETD_NFT_TABLE);
	nft_set(t, NETD_NFT_CLOSED, NFT_KEY_IFNAME, false);
	rules_for_output(t);
	nft_base_chain(t, "prerouting", "filter", NFT_PREROUTING, HOOK_PRIORITY, NFT_ACCEPT);
	nft_flush(t, "prerouting");
	nft_rule(t, "prerouting");
	nft_match_mark(t, MARK_INJECT, false);
	nft_match_l4proto(t, IPPROTO_TCP);
	nft_notrack(t);
	nft_tproxy(t, f->loopback, (size_t)f->bytes, tcp);
	nft_verdict(t, NFT_ACCEPT);
	rules_for_own(t, f);
	nft_rule(t, "prerouting");
	nft_match_iif_set(t, NETD_NFT_CLOSED, false);
	nft_verdict(t, NFT_DROP);
	nft_rule(t, "prerouting");
	nft_notrack(t);
	rules_for_tcp(t);
	nft_rule(t, "prerouting");
	nft_match_l4proto(t, IPPROTO_UDP);
	nft_tproxy(t, f->loopback, (size_t)f->bytes, udp);
	nft_verdict(t, NFT_ACCEPT);
	rules_for_echo(t, f);
}

static int setup_rules(const struct relay_ports *ports, struct err *e)
{
	struct nft t = NFT_INIT;
	struct nl nl = NL_INIT;
	int i, rc = 0;

	if (relay_netlink(&nl, NETLINK_NETFILTER, e))
		return -1;
	for (i = 0; i < 2 && !rc; i++) {
		if (!ports->tcp[i])
			continue;
		rules_for_family(&t, &families[i], ports->tcp[i], ports->udp[i]);
		rc = nft_commit(&t, &nl, e);
	}
	if (rc && (e->code == ENOENT || e->code == EOPNOTSUPP))
		err_hint(e, "the kernel needs nf_tables with tproxy, fib, log and meta (CONFIG_NFT_TPROXY, NFT_FIB_IPV4, "
			    "NFT_LOG, NETFILTER_NETLINK_LOG)");
	nft_release(&t);
	nl_close(&nl);
	return rc;
}

/* --- sysctls ------------------------------------------------------------------------------------ */

static int setup_sysctls(struct err *e)
{
	static const struct {
		const char *path, *value;
		bool must;
	} list[] = {
		/* What comes in on lo has left it just before: sources are our own, or containers'. */
		{"net/ipv4/conf/all/rp_filter", "0", true},
		{"net/ipv4/conf/default/rp_filter", "0", true},
		{"net/ipv4/conf/lo/accept_local", "1", true},
		/* On the way between a container and us nothing is ever lost or late: pacing (bbr's timers) and
		 * buffers of megabytes, which leave the CPU's caches, only cost. */
		{"net/ipv4/tcp_congestion_control", "reno", false},
		{"net/ipv4/tcp_rmem", "4096 131072 524288", false},
		{"net/ipv4/tcp_wmem", "4096 131072 524288", false},
		/* A client's port may be any. */
		{"net/ipv4/ip_unprivileged_port_start", "0", false},
		/* Else bridged packets pass the rules twice, and lose the socket that TPROXY gave them. */
		{"net/bridge/bridge-nf-call-iptables", "0", false},
		{"net/bridge/bridge-nf-call-ip6tables", "0", false},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		if (inside_sysctl(list[i].path, list[i].value, e) && list[i].must)
			return -1;
	*e = (struct err)ERR_INIT;
	return 0;
}

int relay_inside_setup(const struct relay_ports *ports, struct err *e)
{
	struct nl nl = NL_INIT;
	int rc;

	if (setup_sysctls(e) || relay_netlink(&nl, NETLINK_ROUTE, e))
		return -1;
	rc = setup_routes(&nl, RELAY_LO4, e);
	if (!rc && ports->tcp[1])
		rc = setup_routes(&nl, RELAY_LO6, e);
	nl_close(&nl);
	return rc ? -1 : setup_rules(ports, e);
}

/* --- listeners ---------------------------------------------------------------------------------- */

static int set_transparent(int fd, int family)
{
	int on = 1;

	return family == AF_INET ? setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) :
				   setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
}

int relay_listener(int family, int type, uint16_t *port, struct err *e)
{
	cleanup_close int fd = inside_socket(family, type | SOCK_NONBLOCK, 0);
	const struct family *f = &families[family == AF_INET6];
	struct inet loopback = {.family = family}, any;
	struct sockaddr_storage sa;
	socklen_t n;

	memcpy(loopback.bytes, f->loopback, (size_t)f->bytes);
	n = inet_to_sockaddr(&loopback, 0, &sa);
	if (fd < 0 || set_transparent(fd, family) || bind(fd, (struct sockaddr *)&sa, n))
		return err_set(e, errno, "opening a transparent socket");
	if (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG))
		return err_set(e, errno, "listening for relayed connections");
	n = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &n) || inet_from_sockaddr(&sa, &any, port))
		return err_set(e, errno, "opening a transparent socket");
	return fd_steal(&fd);
}
