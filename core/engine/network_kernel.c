/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_kernel.c - networks as the kernel has them: bridges, links, and what a crash left
 *
 * Theory of operation
 *   All bridges are in the inside, netd's network namespace, over a socket that we have opened
 *   there.  They survive engine and netd; each is made again, or changed, to what its file says
 *   when an engine starts, and what no file speaks of is removed (networks_settle()).
 *
 *   Networks are isolated from each other by the inside forwarding nothing.  The way out is the relay's;
 *   the bridges that get none are in a set of its rules.
 */
#include "engine/network_table.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/host_dns.h"
#include "engine/kit_ports.h"
#include "net/driver.h"
#include "net/netd.h"
#include "net/netns.h"
#include "net/nft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REMOVE_STACK_KB 64

static int (*connect_driver)(const char *driver, struct network_way *way, struct err *e);

void networks_set_driver(int (*connect)(const char *driver, struct network_way *way, struct err *e))
{
	connect_driver = connect;
}

/* --- bridges ---------------------------------------------------------------------------------- */

/* May its containers reach what is beyond? */
static bool is_closed(const struct network *n)
{
	return n->internal || !network_option(n->doc, "com.docker.network.bridge.enable_ip_masquerade", true);
}

/* Enter the bridge into the relay's set of those without a way out, or take it out again.  Where the kernel
 * has no nftables there is no relay either. */
static int close_bridge(struct engine *en, const char *bridge, bool remove, struct err *e)
{
	static const uint8_t families[] = {NFT_FAMILY_IPV4, NFT_FAMILY_IPV6};
	struct nft t = NFT_INIT;
	struct nl nl = NL_INIT;
	int rc;

	if (*en->way.driver)
		return driver_close_bridge(&en->networks->inside, bridge, remove, e);
	rc = nl_open(&nl, netd_netns(en->netd), NETLINK_NETFILTER, e);
	for (size_t i = 0; i < ARRAY_SIZE(families) && !rc; i++) {
		nft_table(&t, families[i], NETD_NFT_TABLE);
		nft_set(&t, NETD_NFT_CLOSED, NFT_KEY_IFNAME, false);
		nft_element_iface(&t, NETD_NFT_CLOSED, bridge, remove);
		rc = nft_commit(&t, &nl, e);
	}
	nft_release(&t);
	nl_close(&nl);
	return rc && e->code != EOPNOTSUPP && e->code != EPROTONOSUPPORT && e->code != ENOENT ? -1 : 0;
}

void network_remove_bridge(struct engine *en, const struct network *n)
{
	struct err e;

	if (!*n->bridge || !en->netd)
		return;
	network_remove_link(en, n->bridge);
	if (is_closed(n) && close_bridge(en, n->bridge, true, &e))
		log_err(&e, "forgetting bridge %s", n->bridge);
}

int network_make_bridge(struct engine *en, struct network *n, struct err *e)
{
	struct link_bridge b = {.name = n->bridge, .mtu = n->mtu, .mac = {0x02, 0x42}};
	int rc;

	if (!*n->bridge)
		return 0;
	if (!en->netd) {
		*e = en->no_netd;
		return -1;
	}
	hex_decode((struct span){n->id, 8}, b.mac + 2);
	for (int f = 0; f < FAMILIES; f++)
		if (n->family[f].on && n->family[f].gateway.family && network_has_gateway(n, f))
			b.addr[f] = (struct subnet){n->family[f].gateway, n->family[f].subnet.len};
	/* Before there is a bridge that something could come from. */
	if (is_closed(n) && close_bridge(en, n->bridge, false, e))
		return -1;
	pthread_mutex_lock(&en->networks->kernel);
	rc = link_bridge_make(&en->networks->inside, &b, &n->bridge_index, e);
	pthread_mutex_unlock(&en->networks->kernel);
	return rc;
}

/* On a socket of its own: it takes long, and others need the shared one. */
void network_remove_link(struct engine *en, const char *name)
{
	struct nl nl = NL_INIT;
	struct err e;

	if (!*name || !en->netd)
		return;
	if (nl_open(&nl, netd_netns(en->netd), NETLINK_ROUTE, &e) || link_remove(&nl, name, &e))
		log_err(&e, "taking down a network");
	nl_close(&nl);
}

struct removal {
	struct engine *en;
	char name[LINK_NAME_MAX + 1];
};

static void remove_later(void *arg)
{
	struct removal *r = arg;

	network_remove_link(r->en, r->name);
	free(r);
}

void network_drop_link(struct engine *en, const char *name)
{
	struct removal *r;
	struct err e;
	int rc;

	if (!*name || !en->netd)
		return;
	pthread_mutex_lock(&en->networks->kernel);
	rc = link_silence(&en->networks->inside, name, &e);
	pthread_mutex_unlock(&en->networks->kernel);
	r = xmalloc(sizeof(*r));
	r->en = en;
	snprintf(r->name, sizeof(r->name), "%s", name);
	/* One that cannot be silenced must be gone before its addresses are another's. */
	if (rc || thread_start("unlink", remove_later, r, REMOVE_STACK_KB))
		remove_later(r);
}

void network_make_bridges(struct engine *en)
{
	struct network **all = networks_all(en);
	struct err e;

	for (size_t i = 0; all[i]; i++)
		if (network_make_bridge(en, all[i], &e))
			log_err(&e, "the bridge of network %s", all[i]->name);
	networks_free(all);
}

/* A bridge does not lead to another: nothing is forwarded.  New namespaces may inherit that from the host. */
static int forbid_forwarding(void *arg, struct err *e)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_forward";
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	(void)arg;
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &c, 1) != 1)
		return err_set(e, errno, "reading %s", path);
	return c == '0' || pwrite(fd, "0", 1, 0) == 1 ? 0 : err_set(e, errno, "writing %s", path);
}

/* Containers reach the host's loopback where dockerd-rootless.sh's variable says so, at the addresses it
 * has behind slirp4netns.  A netd of before may have been told otherwise. */
static void tell_loopback(struct engine *en)
{
	const char *disable = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_DISABLE_HOST_LOOPBACK");
	bool reach = disable && !strcmp(disable, "false");
	json_t *args = reach ? json_pack("{s:s, s:s}", "ip4", "10.0.2.2", "ip6", "fd00::2") : json_object();
	struct err e;

	if (netd_call(en->netd, "relay.loopback", args, NULL, 0, NULL, &e) && reach)
		log_err(&e, "letting containers reach the host's loopback");
}

/* What DOCKERD_ROOTLESS_ROOTLESSKIT_MTU gives a driver's device with others: the supervisor has checked it. */
static void tell_mtu(struct engine *en)
{
	const char *text = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_MTU");
	uint64_t mtu = 0;
	struct err e;

	if (text)
		parse_u64(span_of(text), 65535, &mtu);
	if (netd_call(en->netd, "relay.mtu", json_pack("{s:I}", "mtu", (json_int_t)mtu), NULL, 0, NULL, &e) && mtu)
		log_err(&e, "setting the MTU of the way out");
}

/* A netd that was started again knows nothing. */
static void replay(void *arg)
{
	tell_loopback(arg);
	tell_mtu(arg);
	host_dns_tell(arg);
	kit_ports_restore(arg);
	sandboxes_replay(arg);
}

/* Why the relay does not work here: true, with @e. */
static bool relay_fails(struct engine *en, struct err *e)
{
	cleanup_json json_t *about = NULL;
	const char *why;

	if (netd_call(en->netd, "info", NULL, NULL, 0, &about, e))
		return true;
	why = json_str(json_obj(about, "relay"), "error", NULL);
	return why && err_kind(e, ERR_NOT_SUPPORTED, "%s", why);
}

/* A driver that was asked for must come; one that stands in for the relay need not. */
static int reach_outside(struct engine *en, const char *asked, struct err *e)
{
	if (asked && (!en->netd || !connect_driver))
		return err_kind(e, ERR_UNAVAILABLE, "network %s: %s", asked, en->netd ? "nobody starts it" : en->no_netd.msg);
	if (asked)
		return connect_driver(asked, &en->way, e);
	en->no_relay = (struct err)ERR_INIT;
	if (!en->netd || !relay_fails(en, &en->no_relay))
		return 0;
	log_err(&en->no_relay, "the relay cannot work here");
	if (!connect_driver || connect_driver("", &en->way, &en->no_driver))
		log_err(&en->no_driver, "containers have no way out of their networks");
	else
		log_warn("%s is used instead", en->way.driver);
	return 0;
}

int network_reach_netd(struct engine *en, struct err *fatal)
{
	const char *net = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_NET");
	const char *asked = net && *net && strcmp(net, "relay") ? net : NULL;
	struct err *e = &en->no_netd;

	en->netd = netd_open(en->execfd, !asked, replay, en, e);
	if (en->netd && (netns_run(netd_netns(en->netd), forbid_forwarding, NULL, e) ||
				nl_open(&en->networks->inside, netd_netns(en->netd), NETLINK_ROUTE, e)))
		en->netd = NULL; /* its thread lives on, without harm */
	if (en->netd) {
		tell_loopback(en);
		tell_mtu(en);
		host_dns_tell(en);
	} else
		log_err(e, "there is no network for containers but the host's");
	return reach_outside(en, asked, fatal);
}

/* --- what a crash left ------------------------------------------------------------------------ */

struct link_found {
	char *name;
	bool bridge;
};

struct settling {
	struct link_found *links; /* all bridges and ports of bridges */
	size_t n;
};

static bool is_our_bridge(struct engine *en, const char *name)
{
	bool ours = false;

	pthread_mutex_lock(&en->networks->lock);
	for (size_t i = 0; i < en->networks->n; i++)
		ours |= !strcmp(en->networks->all[i]->bridge, name);
	pthread_mutex_unlock(&en->networks->lock);
	return ours;
}

static bool is_living_port(struct engine *en, const char *name)
{
	struct container **all = containers_all(en);
	bool living = false;
	size_t i;

	for (i = 0; all[i]; i++) {
		pthread_mutex_lock(&all[i]->lock);
		for (const struct endpoint *ep = all[i]->endpoints; ep; ep = ep->next)
			living |= !strcmp(ep->port, name);
		pthread_mutex_unlock(&all[i]->lock);
	}
	containers_free(all);
	return living;
}

static void note_link(void *arg, const struct link_seen *l)
{
	struct settling *s = arg;
	bool bridge = !strcmp(l->kind, "bridge");

	/* Others are netd's, or a network driver's: lxc-user-nic's is a veth pair, too, and called eth0. */
	if (!bridge && (strcmp(l->kind, "veth") || strncmp(l->name, PORT_PREFIX, strlen(PORT_PREFIX))))
		return;
	s->links = xreallocarray(s->links, s->n + 1, sizeof(*s->links));
	s->links[s->n++] = (struct link_found){xstrdup(l->name), bridge};
}

/* Of containers that ran once, inspect tells the id of the network; that is not kept on disk. */
static void note_ids(struct engine *en)
{
	struct container **all = containers_all(en);

	for (size_t i = 0; all[i]; i++)
		if (all[i]->started_at)
			sandbox_note_networks(en, all[i]);
	containers_free(all);
}

void networks_settle(struct engine *en)
{
	struct settling s = {0};
	struct err e = ERR_INIT;
	size_t i;

	note_ids(en);
	if (!en->netd)
		return;
	pthread_mutex_lock(&en->networks->kernel);
	if (link_each(&en->networks->inside, note_link, &s, &e))
		log_err(&e, "looking for what a crash left");
	pthread_mutex_unlock(&en->networks->kernel);
	for (i = 0; i < s.n; i++) {
		const struct link_found *l = &s.links[i];

		if (!(l->bridge ? is_our_bridge(en, l->name) : is_living_port(en, l->name)))
			network_remove_link(en, l->name);
		free(l->name);
	}
	free(s.links);
}
