/* SPDX-License-Identifier: MIT */
/*
 * core/net/link.c - bridges, and the veth pairs that tie containers to them
 *
 * Theory of operation
 *   A pair is made with its other end at once in the container's namespace (IFLA_NET_NS_FD), under the
 *   name it is to have there: moving or renaming a link later costs RCU grace periods, some 10 ms.
 *
 *   Addresses come before "up", as a link that comes up announces them (arp_notify, ndisc_notify):
 *   addresses are used again soon, and neighbours may remember who had one before.  IPv6 addresses
 *   are not probed for duplicates (IFA_F_NODAD): ours are unique, and probing takes a second.
 */
#include "net/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>

#define ADDR_GEN_MODE_NONE 1 /* enum in6_addr_gen_mode of linux/if_link.h */
#define IPV6_MTU_MIN 1280    /* RFC 8200: an interface of less has no IPv6, and refuses settings of it */
#define ROUTE_MAIN 254	     /* RT_TABLE_MAIN */

/* --- parts of messages ------------------------------------------------------------------------ */

/* No link-local IPv6 address of its own. */
static void put_no_link_local(struct nl_batch *b, unsigned int mtu)
{
	size_t spec, inet6;

	if (mtu < IPV6_MTU_MIN)
		return;
	spec = nl_nest(b, IFLA_AF_SPEC);
	inet6 = nl_nest(b, AF_INET6);
	nl_put_u8(b, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODE_NONE);
	nl_nest_end(b, inet6);
	nl_nest_end(b, spec);
}

static void set_link(struct nl_batch *b, unsigned int index, unsigned int flags, const char *what)
{
	struct ifinfomsg head = {.ifi_index = (int)index, .ifi_flags = flags, .ifi_change = flags};

	nl_begin(b, RTM_SETLINK, 0, &head, sizeof(head), what);
}

static void add_address(struct nl_batch *b, const struct subnet *s, unsigned int index)
{
	struct ifaddrmsg head = {.ifa_family = (uint8_t)s->addr.family, .ifa_prefixlen = (uint8_t)s->len,
		.ifa_flags = s->addr.family == AF_INET6 ? IFA_F_NODAD : 0, .ifa_index = index};
	struct inet last = subnet_last(s);
	size_t n = inet_size(s->addr.family);

	nl_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "adding the address");
	nl_put(b, IFA_LOCAL, s->addr.bytes, n);
	nl_put(b, IFA_ADDRESS, s->addr.bytes, n);
	if (s->addr.family == AF_INET && s->len < 31)
		nl_put(b, IFA_BROADCAST, last.bytes, n);
}

static void add_addresses(struct nl_batch *b, const struct subnet addr[2], unsigned int index)
{
	for (int i = 0; i < 2; i++)
		if (addr[i].addr.family)
			add_address(b, &addr[i], index);
}

static bool has_inet6(const struct subnet addr[2])
{
	return addr[0].addr.family == AF_INET6 || addr[1].addr.family == AF_INET6;
}

static int send_and_release(const struct nl *nl, struct nl_batch *b, struct err *e)
{
	int rc = nl_send(nl, b, e);

	nl_batch_release(b);
	return rc;
}

/* --- asking ----------------------------------------------------------------------------------- */

static int find_index(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct ifinfomsg *i = nl_head(h, sizeof(*i));

	if (h->nlmsg_type == RTM_NEWLINK && i)
		*(unsigned int *)arg = (unsigned int)i->ifi_index;
	return 0;
}

static int link_index(const struct nl *nl, const char *name, unsigned int *index, struct err *e)
{
	struct ifinfomsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	*index = 0;
	nl_begin(&b, RTM_GETLINK, 0, &head, sizeof(head), "looking for the interface");
	nl_put_str(&b, IFLA_IFNAME, name);
	rc = nl_ask(nl, &b, find_index, index, e);
	nl_batch_release(&b);
	return rc || *index ? rc : err_set(e, EPROTO, "looking for the interface %s", name);
}

struct each {
	link_each_fn *link;
	link_route_fn *route;
	void *arg;
};

static int each_link(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nlattr *a[IFLA_LINKINFO + 1], *info[IFLA_INFO_KIND + 1];
	const struct ifinfomsg *i = nl_head(h, sizeof(*i));
	const struct each *each = arg;
	char name[LINK_NAME_MAX + 1], kind[LINK_NAME_MAX + 1];
	struct span s, k;

	if (h->nlmsg_type != RTM_NEWLINK || !i)
		return 0;
	nl_attrs(h, sizeof(*i), a, ARRAY_SIZE(a));
	nl_nested(a[IFLA_LINKINFO], info, ARRAY_SIZE(info));
	s = nl_text(a[IFLA_IFNAME]);
	k = nl_text(info[IFLA_INFO_KIND]);
	snprintf(name, sizeof(name), "%.*s", (int)s.n, s.p);
	snprintf(kind, sizeof(kind), "%.*s", (int)k.n, k.p);
	each->link(each->arg, &(struct link_seen){name, kind, (unsigned int)i->ifi_index, nl_u32(a[IFLA_MASTER], 0)});
	return 0;
}

int link_each(const struct nl *nl, link_each_fn *fn, void *arg, struct err *e)
{
	struct each each = {.link = fn, .arg = arg};
	struct ifinfomsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head), "listing interfaces");
	rc = nl_ask(nl, &b, each_link, &each, e);
	nl_batch_release(&b);
	return rc;
}

static int each_route(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nlattr *a[RTA_DST + 1];
	const struct rtmsg *r = nl_head(h, sizeof(*r));
	const struct each *each = arg;
	struct subnet s = {{0}, 0};
	struct span dst;

	if (h->nlmsg_type != RTM_NEWROUTE || !r || r->rtm_type != RTN_UNICAST || r->rtm_table != ROUTE_MAIN)
		return 0;
	nl_attrs(h, sizeof(*r), a, ARRAY_SIZE(a));
	dst = nl_payload(a[RTA_DST]);
	s.addr.family = r->rtm_family;
	s.len = r->rtm_dst_len;
	if (!s.len || (r->rtm_family != AF_INET && r->rtm_family != AF_INET6) ||
		dst.n != inet_size(s.addr.family) || s.len > inet_bits(s.addr.family))
		return 0;
	memcpy(s.addr.bytes, dst.p, dst.n);
	each->route(each->arg, &s);
	return 0;
}

int link_routes(const struct nl *nl, link_route_fn *fn, void *arg, struct err *e)
{
	struct each each = {.route = fn, .arg = arg};
	struct rtmsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head), "listing routes");
	rc = nl_ask(nl, &b, each_route, &each, e);
	nl_batch_release(&b);
	return rc;
}

/* --- bridges ---------------------------------------------------------------------------------- */

int link_bridge_make(const struct nl *inside, const struct link_bridge *b, unsigned int *index,
	struct err *e)
{
	struct ifinfomsg head = {0};
	struct nl_batch batch = NL_BATCH_INIT;
	size_t info;

	nl_begin(&batch, RTM_NEWLINK, NLM_F_CREATE, &head, sizeof(head), "making the bridge");
	nl_put_str(&batch, IFLA_IFNAME, b->name);
	nl_put(&batch, IFLA_ADDRESS, b->mac, sizeof(b->mac));
	nl_put_u32(&batch, IFLA_MTU, b->mtu);
	info = nl_nest(&batch, IFLA_LINKINFO);
	nl_put_str(&batch, IFLA_INFO_KIND, "bridge");
	nl_nest_end(&batch, info);
	if (send_and_release(inside, &batch, e) || link_index(inside, b->name, index, e))
		return -1;
	set_link(&batch, *index, IFF_UP, "raising the bridge");
	if (!has_inet6(b->addr))
		put_no_link_local(&batch, b->mtu);
	add_addresses(&batch, b->addr, *index);
	return send_and_release(inside, &batch, e);
}

/* --- pairs ------------------------------------------------------------------------------------ */

static void put_peer(struct nl_batch *b, const struct link_veth *v)
{
	struct ifinfomsg head = {0};
	size_t info = nl_nest(b, IFLA_LINKINFO), data, peer;

	nl_put_str(b, IFLA_INFO_KIND, "veth");
	data = nl_nest(b, IFLA_INFO_DATA);
	peer = nl_nest(b, VETH_INFO_PEER);
	nl_raw(b, &head, sizeof(head));
	nl_put_str(b, IFLA_IFNAME, v->name);
	nl_put(b, IFLA_ADDRESS, v->mac, sizeof(v->mac));
	nl_put_u32(b, IFLA_MTU, v->mtu);
	nl_put_u32(b, IFLA_TXQLEN, 0); /* as Docker's */
	nl_put_u32(b, IFLA_NET_NS_FD, (uint32_t)v->netns);
	nl_nest_end(b, peer);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

/* Change properties of a port of a bridge, all of them bytes. */
static void set_port(struct nl_batch *b, const char *port, const uint16_t *attrs, size_t n, uint8_t value,
	const char *what)
{
	struct ifinfomsg head = {0};
	size_t info, data, i;

	nl_begin(b, RTM_NEWLINK, 0, &head, sizeof(head), what);
	nl_put_str(b, IFLA_IFNAME, port);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_put_str(b, IFLA_INFO_SLAVE_KIND, "bridge");
	data = nl_nest(b, IFLA_INFO_SLAVE_DATA);
	for (i = 0; i < n; i++)
		nl_put_u8(b, attrs[i], value);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

static int make_pair(const struct nl *inside, const struct link_veth *v, struct err *e)
{
	struct ifinfomsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;

	nl_begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head), "making the veth pair");
	nl_put_str(&b, IFLA_IFNAME, v->port);
	nl_put_u32(&b, IFLA_MTU, v->mtu);
	put_peer(&b, v);
	return send_and_release(inside, &b, e);
}

static int put_on_bridge(const struct nl *inside, const struct link_veth *v, struct err *e)
{
	struct ifinfomsg head = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_batch b = NL_BATCH_INIT;

	nl_begin(&b, RTM_NEWLINK, 0, &head, sizeof(head), "putting the veth pair on the bridge");
	nl_put_str(&b, IFLA_IFNAME, v->port);
	nl_put_u32(&b, IFLA_MASTER, v->bridge);
	put_no_link_local(&b, v->mtu);
	if (v->isolated)
		set_port(&b, v->port, (uint16_t[]){IFLA_BRPORT_ISOLATED}, 1, 1, "isolating the port of the bridge");
	return send_and_release(inside, &b, e);
}

static int raise_peer(const struct nl *container, const struct link_veth *v, unsigned int *index,
	struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;

	if (link_index(container, v->name, index, e))
		return -1;
	if (!has_inet6(v->addr)) {
		set_link(&b, *index, 0, "keeping IPv6 off the interface");
		put_no_link_local(&b, v->mtu);
	}
	add_addresses(&b, v->addr, *index);
	for (size_t i = 0; i < v->n_extra; i++)
		add_address(&b, &v->extra[i], *index);
	set_link(&b, *index, IFF_UP, "raising the interface");
	return send_and_release(container, &b, e);
}

int link_attach(const struct nl *inside, const struct nl *container, const struct link_veth *v,
	unsigned int *index, struct err *e)
{
	if (make_pair(inside, v, e))
		return -1;
	if (!put_on_bridge(inside, v, e) && !raise_peer(container, v, index, e))
		return 0;
	link_remove(inside, v->port, NULL);
	return -1;
}

int link_loopback(const struct nl *container, struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;

	set_link(&b, 1, IFF_UP, "raising lo");
	return send_and_release(container, &b, e);
}

int link_silence(const struct nl *inside, const char *port, struct err *e)
{
	static const uint16_t off[] = {IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD,
		IFLA_BRPORT_BCAST_FLOOD};
	struct nl_batch b = NL_BATCH_INIT;

	/* Not IFLA_BRPORT_STATE: a late carrier event would enable it again. */
	set_port(&b, port, off, ARRAY_SIZE(off), 0, "closing the port of the bridge");
	set_port(&b, port, (uint16_t[]){IFLA_BRPORT_FLUSH}, 1, 0, "forgetting who is behind a port of the bridge");
	return send_and_release(inside, &b, e);
}

int link_remove(const struct nl *inside, const char *name, struct err *e)
{
	struct ifinfomsg head = {0};
	struct nl_batch b = NL_BATCH_INIT;
	struct err why = ERR_INIT;

	nl_begin(&b, RTM_DELLINK, 0, &head, sizeof(head), "removing the interface");
	nl_put_str(&b, IFLA_IFNAME, name);
	if (!send_and_release(inside, &b, &why) || why.code == ENODEV)
		return 0;
	return err_set(e, why.code, "removing the interface %s", name);
}

int link_default_route(const struct nl *container, int family, const struct inet *via,
	unsigned int index, struct err *e)
{
	struct rtmsg head = {.rtm_family = (uint8_t)family, .rtm_table = ROUTE_MAIN,
		.rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
	struct nl_batch b = NL_BATCH_INIT;
	struct err why = ERR_INIT;

	if (!via->family) {
		head.rtm_scope = RT_SCOPE_NOWHERE; /* whatever it is */
		nl_begin(&b, RTM_DELROUTE, 0, &head, sizeof(head), "removing the default route");
		return !send_and_release(container, &b, &why) || why.code == ESRCH ? 0 :
			err_set(e, why.code, "removing the default route");
	}
	nl_begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "setting the default route");
	nl_put(&b, RTA_GATEWAY, via->bytes, inet_size(family));
	nl_put_u32(&b, RTA_OIF, index);
	return send_and_release(container, &b, e);
}
