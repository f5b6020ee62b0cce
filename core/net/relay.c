/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay.c - the relay: containers' way out, through sockets of the host
 *
 * Theory of operation
 *   A packet of a container for a foreign address never leaves the inside.  netd answers in the peer's
 *   name, from sockets that have the peer's address (relay_inside.c), and talks to the peer itself from
 *   sockets of the host.  TCP is two connections and a pipe between them, UDP two sockets, ping a ping
 *   socket: the host's kernel does all the work of a network, at its own speed, with its own routes,
 *   firewall, path MTU and errors.
 *
 *   What is reached is what this user may reach, but for the host's loopback: see relay_target().
 *
 *   Order of the start: sockets, whose ports the rules name; then the rules; the threads find nothing
 *   to do until those stand.
 */
#include "net/relay.h"
#include "base/log.h"
#include "net/module.h"

#include <errno.h>

#define STACK_KB 64
#define MTU_MIN 68 /* RFC 791 */
#define MTU_MAX 65535

struct loop relay_loop;

/* The addresses that stand for the host's loopback, where that was asked for (family 0: not). */
static struct {
	pthread_rwlock_t lock;
	struct inet gateway[2];
} host = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static bool in_prefix(const struct inet *a, const char *text)
{
	struct subnet s;

	return !subnet_parse(span_of(text), &s) && subnet_contains(&s, a);
}

/* Addresses that would mean the host itself (0.0.0.0 connects to loopback; so do IPv4 ones written as
 * IPv6), need an interface, or are no single host's. */
static bool is_forbidden(const struct inet *a)
{
	static const char *const v4[] = {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"};
	static const char *const v6[] = {"::/96", "::ffff:0.0.0.0/96", "64:ff9b:1::/48", "fe80::/10", "ff00::/8"};
	size_t i;

	if (a->family == AF_INET) {
		for (i = 0; i < ARRAY_SIZE(v4); i++)
			if (in_prefix(a, v4[i]))
				return true;
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(v6); i++)
		if (in_prefix(a, v6[i]))
			return true;
	return false;
}

bool relay_target(const struct inet *dst, struct inet *target)
{
	static const struct inet loopback[2] = {{AF_INET, {127, 0, 0, 1}}, {AF_INET6, {[15] = 1}}};
	int i = dst->family == AF_INET6;
	bool is_gateway;

	pthread_rwlock_rdlock(&host.lock);
	is_gateway = !inet_compare(&host.gateway[i], dst);
	pthread_rwlock_unlock(&host.lock);
	*target = is_gateway ? loopback[i] : *dst;
	return is_gateway || !is_forbidden(dst);
}

/* {"ip4": "10.0.2.2", "ip6": null}: what these addresses mean is the host's loopback; without: nothing. */
static int op_loopback(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	static const char *const keys[] = {"ip4", "ip6"};
	struct inet gateway[2] = {{0}, {0}};
	int i;

	(void)fds, (void)n_fds, (void)answer;
	for (i = 0; i < 2; i++) {
		const char *text = json_str(req, keys[i], "");

		if (*text && (inet_parse(span_of(text), &gateway[i]) ||
				     gateway[i].family != (i ? AF_INET6 : AF_INET)))
			return err_kind(e, ERR_INVALID, "bad address '%s' for the host's loopback", text);
	}
	pthread_rwlock_wrlock(&host.lock);
	host.gateway[0] = gateway[0];
	host.gateway[1] = gateway[1];
	pthread_rwlock_unlock(&host.lock);
	return 0;
}

/* {"mtu": 1400}: of the way out, as processes inside see it; 0, or without: as large as can be. */
static int op_mtu(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	int64_t mtu = json_int(req, "mtu", 0);

	(void)fds, (void)n_fds, (void)answer;
	if (mtu && (mtu < MTU_MIN || mtu > MTU_MAX))
		return err_kind(e, ERR_INVALID, "bad MTU %lld, not %d to %d", (long long)mtu, MTU_MIN, MTU_MAX);
	return relay_inside_mtu((uint32_t)mtu, e);
}

static int start(struct err *e)
{
	struct relay_ports ports = {{0}, {0}};

	if (loop_init(&relay_loop, e) || relay_icmp_start(e) || relay_tcp_start(&ports, e) ||
		relay_udp_start(&ports, e) || relay_inside_setup(&ports, e))
		return err_wrap(e, "starting the relay, which needs nf_tables, nft_tproxy and nfnetlink_log in the kernel");
	return loop_start(&relay_loop, "relay", STACK_KB, e);
}

static void info(json_t *out)
{
	json_set_bool(out, "ipv6", relay_has_ipv6());
	relay_tcp_info(out);
	relay_udp_info(out);
	relay_icmp_info(out);
}

const struct module relay_module = {
	.name = "relay",
	.start = start,
	.info = info,
	.ops = {{"relay.loopback", op_loopback}, {"relay.mtu", op_mtu}},
};
