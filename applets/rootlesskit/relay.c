/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/relay.c - --net=relay: the engine's own network, for any command
 *
 * Theory of operation
 *   The namespace is kept at STATE/netns, and netd (net/netd.h) is started with STATE as its exec-root: it
 *   relays what the namespace sends to the outside.  RootlessKit's clients expect addresses in `--cidr`: lo gets
 *   the child's (.100) and the name server's (.3), where netd answers by forwarding on the host's side; the
 *   gateway's (.2) means the host's loopback unless that was disabled.
 *
 *   netd ends with us: it is told to follow this connection.  If it is killed, the next one is started,
 *   and told all this again.
 */
#include "kit.h"

#include "base/fs.h"
#include "base/log.h"
#include "net/dns.h"
#include "net/netd.h"
#include "net/nl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>

#define RESOLV_MAX (1 << 20)

static struct relay {
	struct netd *netd;
	int netns;
	bool loopback;
	uint64_t mtu; /* of the way out; 0: as large as can be */
	char dns[INET_TEXT], child[INET_TEXT], gateway[INET_TEXT];
	char id[ID_LEN + 1];
	char **servers;
} relay;

char **kit_host_servers(void)
{
	cleanup_json json_t *list = json_array();
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	struct inet a;

	file_read_at(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &text, NULL);
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		if (!span_starts(line, "nameserver"))
			continue;
		line = span_trim((struct span){line.p + 10, line.n - 10});
		cleanup_free char *server = span_dup(line);
		if (!inet_parse(line, &a))
			json_append_str(list, server);
	}
	return json_to_strv(list);
}

static int add_address(struct nl_batch *b, const char *text, struct err *e)
{
	struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1};
	struct inet a;

	if (inet_parse(span_of(text), &a))
		return err_kind(e, ERR_INVALID, "bad address '%s'", text);
	nl_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "giving lo an address");
	nl_put(b, IFA_LOCAL, a.bytes, 4);
	nl_put(b, IFA_ADDRESS, a.bytes, 4);
	return 0;
}

static int add_addresses(struct err *e)
{
	struct nl_batch b = NL_BATCH_INIT;
	struct nl nl = NL_INIT;
	int rc = add_address(&b, relay.dns, e) || add_address(&b, relay.child, e) || nl_open(&nl, relay.netns, NETLINK_ROUTE, e) ||
		nl_send(&nl, &b, e);

	nl_batch_release(&b);
	nl_close(&nl);
	return rc ? -1 : 0;
}

static int serve_names(struct err *e)
{
	static const char *const none[] = {NULL};
	struct dns_sandbox box = {.id = relay.id, .netnsfd = relay.netns, .address = relay.dns};
	struct dns_endpoint ep = {.sandbox_id = relay.id, .network_id = relay.id, .network_name = "rootlesskit", .names = none};

	return dns_host_servers(relay.netd, (const char *const *)relay.servers, e) || dns_sandbox_open(relay.netd, &box, e) ||
		dns_endpoint_set(relay.netd, &ep, e) ? -1 : 0;
}

/* Is the relay itself at work?  netd lives without it, where the kernel lacks something. */
static int check_works(struct err *e)
{
	cleanup_json json_t *about = NULL;
	const char *why;

	if (netd_call(relay.netd, "info", NULL, NULL, 0, &about, e))
		return -1;
	why = json_str(json_obj(about, "relay"), "error", NULL);
	return why ? err_kind(e, ERR_NOT_SUPPORTED, "%s", why) : 0;
}

static int tell(struct err *e)
{
	json_t *loopback = json_object();

	if (relay.loopback)
		json_set_str(loopback, "ip4", relay.gateway);
	return netd_call(relay.netd, "follow", NULL, NULL, 0, NULL, e) || check_works(e) ||
		netd_call(relay.netd, "relay.loopback", loopback, NULL, 0, NULL, e) ||
		netd_call(relay.netd, "relay.mtu", json_pack("{s:I}", "mtu", (json_int_t)relay.mtu), NULL, 0, NULL, e) || serve_names(e) ? -1 : 0;
}

static void replay(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (tell(&e))
		log_err(&e, "[rootlesskit:child ] setting up the network again");
}

int kit_relay_start(const struct kit *k, const char *state_dir, int netns, char **servers, struct err *e)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* kept */

	relay.netns = netns;
	relay.servers = servers;
	relay.loopback = !k->no_host_loopback;
	parse_u64(span_of(k->mtu), 65535, &relay.mtu); /* driver_check() has seen it */
	random_id(relay.id);
	if (dir < 0)
		return err_set(e, errno, "opening %s", state_dir);
	if (driver_address(k->cidr, 2, relay.gateway, NULL, e) || driver_address(k->cidr, 3, relay.dns, NULL, e) ||
		driver_address(k->cidr, 100, relay.child, NULL, e) || add_addresses(e))
		return -1;
	relay.netd = netd_open(dir, true, replay, NULL, e);
	if (!relay.netd || tell(e))
		return err_wrap(e, "failed to setup network relay");
	return 0;
}
