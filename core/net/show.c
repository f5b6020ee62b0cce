/* SPDX-License-Identifier: MIT */
/*
 * core/net/show.c - interfaces, addresses, routes and policy rules in words
 *
 * The form is that of ip(8), one line each; interfaces are named as the kernel lists them first.
 */
#include "net/show.h"
#include "base/fs.h"
#include "net/inet.h"
#include "net/nl.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef IFF_LOWER_UP /* of <linux/if.h>, which glibc's does not go with */
#define IFF_LOWER_UP 0x10000
#endif

#define KINDS_MAX 64 /* types of routes that have a name */

/* --- asking --------------------------------------------------------------------------------------- */

struct listing {
	struct buf *out;
	struct buf names;   /* of interfaces: INDEX NAME, one a line */
	unsigned int index; /* addresses of this interface are wanted */
	int family;
	size_t n;
};

static int dump(const struct nl *nl, uint16_t type, const void *head, size_t n, const char *what, nl_reply *fn,
	struct listing *l, struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, type, NLM_F_DUMP, head, n, what);
	rc = nl_ask(nl, &b, fn, l, e);
	nl_batch_release(&b);
	return rc;
}

static void add_address(struct buf *out, int family, const struct nlattr *a)
{
	struct inet addr = {.family = family};
	struct span s = nl_payload(a);
	char text[INET_TEXT];

	if (s.n != inet_size(family))
		return;
	memcpy(addr.bytes, s.p, s.n);
	buf_adds(out, inet_format(&addr, text));
}

/* The name of interface @index, as the listing before has it. */
static void add_name(struct listing *l, unsigned int index)
{
	struct span rest = {l->names.p, l->names.n}, line;
	char number[16];
	int n = snprintf(number, sizeof(number), "%u ", index);

	while (span_token(&rest, '\n', &line)) {
		if (!span_starts(line, number))
			continue;
		buf_add(l->out, line.p + n, line.n - (size_t)n);
		return;
	}
	buf_addf(l->out, "if%u", index);
}

static int note_name(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct ifinfomsg *i = nl_head(h, sizeof(*i));
	const struct nlattr *a[IFLA_IFNAME + 1];
	struct listing *l = arg;
	struct span name;

	if (h->nlmsg_type != RTM_NEWLINK || !i)
		return 0;
	nl_attrs(h, sizeof(*i), a, ARRAY_SIZE(a));
	name = nl_text(a[IFLA_IFNAME]);
	buf_addf(&l->names, "%d %.*s\n", i->ifi_index, (int)name.n, name.p);
	return 0;
}

/* --- interfaces and addresses ----------------------------------------------------------------------- */

static int show_address(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct ifaddrmsg *m = nl_head(h, sizeof(*m));
	const struct nlattr *a[IFA_LOCAL + 1];
	struct listing *l = arg;

	if (h->nlmsg_type != RTM_NEWADDR || !m || m->ifa_index != l->index ||
		(m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return 0;
	nl_attrs(h, sizeof(*m), a, ARRAY_SIZE(a));
	buf_adds(l->out, m->ifa_family == AF_INET ? "    inet " : "    inet6 ");
	add_address(l->out, m->ifa_family, a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS]);
	buf_addf(l->out, "/%u\n", m->ifa_prefixlen);
	return 0;
}

static void add_flags(struct buf *out, unsigned int flags)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} known[] = {{IFF_UP, "UP"}, {IFF_LOWER_UP, "LOWER_UP"}, {IFF_LOOPBACK, "LOOPBACK"}, {IFF_BROADCAST, "BROADCAST"},
		{IFF_MULTICAST, "MULTICAST"}, {IFF_POINTOPOINT, "POINTOPOINT"}, {IFF_NOARP, "NOARP"},
		{IFF_PROMISC, "PROMISC"}};
	const char *comma = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (!(flags & known[i].bit))
			continue;
		buf_addf(out, "%s%s", comma, known[i].name);
		comma = ",";
	}
}

/* Links are collected first: a socket answers one question at a time. */
struct link_line {
	unsigned int index;
	char text[256];
};

struct links {
	struct listing l;
	struct link_line *v;
	size_t n;
};

static int note_link(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nlattr *a[IFLA_LINKINFO + 1], *info[IFLA_INFO_KIND + 1];
	const struct ifinfomsg *i = nl_head(h, sizeof(*i));
	cleanup_buf struct buf line = BUF_INIT;
	struct links *ls = arg;
	struct span name, kind, mac;
	size_t k;

	if (h->nlmsg_type != RTM_NEWLINK || !i || note_name(h, &ls->l, e))
		return 0;
	nl_attrs(h, sizeof(*i), a, ARRAY_SIZE(a));
	nl_nested(a[IFLA_LINKINFO], info, ARRAY_SIZE(info));
	name = nl_text(a[IFLA_IFNAME]);
	kind = nl_text(info[IFLA_INFO_KIND]);
	mac = nl_payload(a[IFLA_ADDRESS]);
	buf_addf(&line, "%d: %.*s: <", i->ifi_index, (int)name.n, name.p);
	add_flags(&line, i->ifi_flags);
	buf_addf(&line, "> mtu %u", nl_u32(a[IFLA_MTU], 0));
	if (kind.n)
		buf_addf(&line, " %.*s", (int)kind.n, kind.p);
	if (nl_u32(a[IFLA_MASTER], 0))
		buf_addf(&line, " master if%u", nl_u32(a[IFLA_MASTER], 0));
	for (k = 0; mac.n == 6 && k < mac.n; k++)
		buf_addf(&line, "%s%02x", k ? ":" : " ", (unsigned char)mac.p[k]);
	ls->v = xreallocarray(ls->v, ls->n + 1, sizeof(*ls->v));
	ls->v[ls->n].index = (unsigned int)i->ifi_index;
	snprintf(ls->v[ls->n++].text, sizeof(ls->v->text), "%s", line.p);
	return 0;
}

int show_links(struct buf *out, struct err *e)
{
	struct links ls = {.l = {.out = out, .names = BUF_INIT}};
	struct ifinfomsg link = {0};
	struct ifaddrmsg addr = {0};
	struct nl nl = NL_INIT;
	struct nl_batch b = NL_BATCH_INIT;
	size_t i;
	int rc = nl_open(&nl, -1, NETLINK_ROUTE, e);

	nl_begin(&b, RTM_GETLINK, NLM_F_DUMP, &link, sizeof(link), "listing interfaces");
	if (!rc)
		rc = nl_ask(&nl, &b, note_link, &ls, e);
	nl_batch_release(&b);
	for (i = 0; i < ls.n && !rc; i++) {
		buf_addf(out, "%s\n", ls.v[i].text);
		ls.l.index = ls.v[i].index;
		rc = dump(&nl, RTM_GETADDR, &addr, sizeof(addr), "listing addresses", show_address, &ls.l, e);
	}
	nl_close(&nl);
	free(ls.v);
	buf_release(&ls.l.names);
	return rc;
}

/* --- routes ------------------------------------------------------------------------------------------- */

static const char *type_name(unsigned int type)
{
	static const char *const names[KINDS_MAX] = {[RTN_UNICAST] = "", [RTN_LOCAL] = "local ", [RTN_BROADCAST] = "broadcast ",
		[RTN_ANYCAST] = "anycast ", [RTN_MULTICAST] = "multicast ", [RTN_BLACKHOLE] = "blackhole ",
		[RTN_UNREACHABLE] = "unreachable ", [RTN_PROHIBIT] = "prohibit ", [RTN_THROW] = "throw "};

	return type < KINDS_MAX && names[type] ? names[type] : "other ";
}

static void add_table(struct buf *out, uint32_t table)
{
	if (table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT || table == RT_TABLE_LOCAL)
		buf_adds(out, table == RT_TABLE_MAIN ? "main" : table == RT_TABLE_LOCAL ? "local" : "default");
	else
		buf_addf(out, "%u", table);
}

static int show_route(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct rtmsg *r = nl_head(h, sizeof(*r));
	const struct nlattr *a[RTA_TABLE + 1];
	struct listing *l = arg;
	uint32_t table;

	if (h->nlmsg_type != RTM_NEWROUTE || !r || (r->rtm_family != AF_INET && r->rtm_family != AF_INET6) ||
		r->rtm_flags & RTM_F_CLONED)
		return 0;
	nl_attrs(h, sizeof(*r), a, ARRAY_SIZE(a));
	table = nl_u32(a[RTA_TABLE], r->rtm_table);
	if (table == RT_TABLE_LOCAL)
		return 0;
	buf_adds(l->out, type_name(r->rtm_type));
	if (r->rtm_dst_len)
		add_address(l->out, r->rtm_family, a[RTA_DST]);
	buf_addf(l->out, r->rtm_dst_len ? "/%u" : r->rtm_family == AF_INET ? "default" : "default inet6", r->rtm_dst_len);
	if (a[RTA_GATEWAY]) {
		buf_adds(l->out, " via ");
		add_address(l->out, r->rtm_family, a[RTA_GATEWAY]);
	}
	if (a[RTA_OIF]) {
		buf_adds(l->out, " dev ");
		add_name(l, nl_u32(a[RTA_OIF], 0));
	}
	if (a[RTA_PREFSRC]) {
		buf_adds(l->out, " src ");
		add_address(l->out, r->rtm_family, a[RTA_PREFSRC]);
	}
	if (table != RT_TABLE_MAIN) {
		buf_adds(l->out, " table ");
		add_table(l->out, table);
	}
	buf_addc(l->out, '\n');
	return 0;
}

static void add_selector(struct buf *out, const char *word, int family, unsigned int len, const struct nlattr *a)
{
	if (!len)
		return;
	buf_addf(out, " %s ", word);
	add_address(out, family, a);
	buf_addf(out, "/%u", len);
}

static int show_rule(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct fib_rule_hdr *r = nl_head(h, sizeof(*r));
	const struct nlattr *a[FRA_OIFNAME + 1];
	struct listing *l = arg;
	struct span name;

	if (h->nlmsg_type != RTM_NEWRULE || !r)
		return 0;
	nl_attrs(h, sizeof(*r), a, ARRAY_SIZE(a));
	buf_addf(l->out, "rule %u%s:", nl_u32(a[FRA_PRIORITY], 0), r->family == AF_INET6 ? " inet6" : "");
	if (r->flags & FIB_RULE_INVERT)
		buf_adds(l->out, " not");
	add_selector(l->out, "from", r->family, r->src_len, a[FRA_SRC]);
	add_selector(l->out, "to", r->family, r->dst_len, a[FRA_DST]);
	if (a[FRA_FWMARK])
		buf_addf(l->out, " fwmark 0x%x", nl_u32(a[FRA_FWMARK], 0));
	name = nl_text(a[FRA_IIFNAME]);
	if (name.n)
		buf_addf(l->out, " iif %.*s", (int)name.n, name.p);
	name = nl_text(a[FRA_OIFNAME]);
	if (name.n)
		buf_addf(l->out, " oif %.*s", (int)name.n, name.p);
	if (r->action == FR_ACT_TO_TBL) {
		buf_adds(l->out, " lookup ");
		add_table(l->out, nl_u32(a[FRA_TABLE], r->table));
	} else {
		buf_addf(l->out, " action %u", r->action);
	}
	buf_addc(l->out, '\n');
	return 0;
}

int show_routes(struct buf *out, struct err *e)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct listing l = {.out = out, .names = BUF_INIT};
	struct ifinfomsg link = {0};
	struct nl nl = NL_INIT;
	int rc = nl_open(&nl, -1, NETLINK_ROUTE, e) ||
		dump(&nl, RTM_GETLINK, &link, sizeof(link), "listing interfaces", note_name, &l, e);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families) && !rc; i++) {
		struct rtmsg route = {.rtm_family = families[i]};
		struct fib_rule_hdr rule = {.family = families[i]};

		/* A kernel without IPv6 has no rules of it. */
		if (dump(&nl, RTM_GETROUTE, &route, sizeof(route), "listing routes", show_route, &l, e) ||
			dump(&nl, RTM_GETRULE, &rule, sizeof(rule), "listing rules", show_rule, &l, e))
			rc = i == 0;
	}
	nl_close(&nl);
	buf_release(&l.names);
	return rc ? -1 : 0;
}
