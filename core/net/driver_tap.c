/* SPDX-License-Identifier: MIT */
/*
 * core/net/driver_tap.c - our half of the drivers that only offer frames, or only a link
 *
 * Theory of operation
 *   ":tap KIND PID NETNS IFNAME MTU FILTER" runs in the user's own namespaces, then in the user namespace of PID and
 *   the network namespace meant.
 *
 *   KIND "vpnkit": descriptor 4 is a stream to vpnkit or gvproxy (vpnkit.h).  We make a tap device, ask for an
 *   address by DHCP over the stream, configure the device, and copy: a thread in each direction, as each may block.
 *   KIND "dhcp": lxc-user-nic puts a link into the namespace when we are there; we configure it, and
 *   ask again before the lease is over.
 *
 *   KIND "forward", "masquerade": lead the bridges of the namespace to the driver (driver_forward.c), whose
 *   gateway is FILTER, and end.
 *
 *   FILTER "gateway", or "host", for gvproxy: it lets its network change which ports of the host are forwarded,
 *   by HTTP to the gateway, and always has an address for the host's loopback (.254): vpnkit_is_barred().
 *
 *   It ends when the control socket does, or the stream.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "net/dhcp.h"
#include "net/driver.h"
#include "net/link.h"
#include "net/vpnkit.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX VPNKIT_FRAME_MAX
#define DHCP_MS 20000
#define STACK_KB 128	   /* two frames */

struct tap {
	const char *kind, *ifname;
	unsigned int mtu;
	int tun, socket; /* -1 */
	bool guard_gateway, guard_host; /* FILTER */
	uint8_t mac[6];
	unsigned int index;
	struct dhcp_lease lease;
	struct dhcp_io io;
};

/* --- getting in ------------------------------------------------------------------------------------- */

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int enter(const char *pid, const char *netns, struct err *e)
{
	cleanup_free char *user = xasprintf("/proc/%s/ns/user", pid);
	cleanup_free char *net = *netns ? xasprintf("/proc/%s/root%s", pid, netns) : xasprintf("/proc/%s/ns/net", pid);
	cleanup_close int userfd = open(user, O_RDONLY | O_CLOEXEC), netfd = open(net, O_RDONLY | O_CLOEXEC);

	if (userfd < 0 || netfd < 0)
		return err_set(e, errno, "opening the namespaces of process %s", pid);
	if (!same_file(userfd, "/proc/self/ns/user") && setns(userfd, CLONE_NEWUSER))
		return err_set(e, errno, "entering the user namespace of process %s", pid);
	return setns(netfd, CLONE_NEWNET) ? err_set(e, errno, "entering the network namespace of process %s", pid) : 0;
}

/* --- vpnkit's stream -------------------------------------------------------------------------------------- */

static int stream_send(void *arg, const uint8_t *frame, size_t n)
{
	const struct tap *t = arg;
	uint8_t with_head[DHCP_FRAME_MAX + 2];

	memcpy(with_head + 2, frame, n);
	return vpnkit_put(t->socket, with_head, n);
}

static ssize_t stream_receive(void *arg, uint8_t *frame, size_t max, int timeout_ms)
{
	const struct tap *t = arg;
	struct pollfd p = {.fd = t->socket, .events = POLLIN};
	static uint8_t whole[FRAME_MAX];
	size_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	n = vpnkit_get(t->socket, whole, sizeof(whole));
	if (!n) {
		errno = EPIPE;
		return -1;
	}
	if (n > max)
		return 0;
	memcpy(frame, whole, n);
	return (ssize_t)n;
}

/* --- a link ------------------------------------------------------------------------------------------- */

static int tap_open(struct tap *t, struct err *e)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	/* The namespace it is opened in is the one its device will be in. */
	t->tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (t->tun < 0)
		return err_set(e, errno, "opening /dev/net/tun");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", t->ifname);
	if (ioctl(t->tun, TUNSETIFF, &r))
		return err_set(e, errno, "making the tap device %s", t->ifname);
	return 0;
}

static int link_up(struct tap *t, const struct nl *nl, bool set_mac, struct err *e)
{
	struct ifinfomsg head = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	t->index = if_nametoindex(t->ifname);
	if (!t->index)
		return err_set(e, errno, "looking for the link %s", t->ifname);
	head.ifi_index = (int)t->index;
	nl_begin(&b, RTM_NEWLINK, 0, &head, sizeof(head), "raising the network's link");
	nl_put_u32(&b, IFLA_MTU, t->mtu);
	if (set_mac)
		nl_put(&b, IFLA_ADDRESS, t->mac, 6);
	rc = nl_send(nl, &b, e);
	nl_batch_release(&b);
	return rc;
}

static int packet_open(struct tap *t, struct err *e)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0800), .sll_ifindex = (int)t->index};
	struct ifreq r = {0};

	t->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0800));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", t->ifname);
	if (t->socket < 0 || bind(t->socket, (struct sockaddr *)&at, sizeof(at)) || ioctl(t->socket, SIOCGIFHWADDR, &r))
		return err_set(e, errno, "opening a packet socket on %s", t->ifname);
	memcpy(t->mac, r.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int packet_send(void *arg, const uint8_t *frame, size_t n)
{
	const struct tap *t = arg;

	/* A bridge that has just got the port may not forward yet: it is asked again. */
	return send(t->socket, frame, n, 0) < 0 && errno != ENETDOWN && errno != ENOBUFS ? -1 : 0;
}

static ssize_t packet_receive(void *arg, uint8_t *frame, size_t max, int timeout_ms)
{
	const struct tap *t = arg;
	struct pollfd p = {.fd = t->socket, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	n = recv(t->socket, frame, max, 0);
	return n < 0 && (errno == EINTR || errno == ENETDOWN) ? 0 : n;
}

static int configure(const struct tap *t, const struct nl *nl, struct err *e)
{
	const struct inet *a = &t->lease.addr.addr;
	struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)t->lease.addr.len, .ifa_index = t->index};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "giving the network's link its address");
	nl_put(&b, IFA_LOCAL, a->bytes, 4);
	nl_put(&b, IFA_ADDRESS, a->bytes, 4);
	rc = nl_send(nl, &b, e);
	nl_batch_release(&b);
	if (rc || !t->lease.router.family)
		return rc;
	return link_default_route(nl, AF_INET, &t->lease.router, t->index, e);
}

/* --- until it ends ------------------------------------------------------------------------------------ */

static void report(const struct tap *t, const struct err *e, bool want_nic)
{
	struct tap_ready r = {.ok = !e, .want_nic = want_nic};

	if (e)
		r.err = *e;
	if (!e && !want_nic) {
		inet_format(&t->lease.addr.addr, r.ip);
		inet_format(&t->lease.router, r.gateway);
		inet_format(t->lease.dns.family ? &t->lease.dns : &t->lease.router, r.dns);
	}
	sock_send(TAP_CONTROL, &r, sizeof(r), NULL, 0);
}

static void to_tap(void *arg)
{
	const struct tap *t = arg;
	static uint8_t frame[FRAME_MAX];
	size_t n;

	while ((n = vpnkit_get(t->socket, frame, sizeof(frame))))
		if (write(t->tun, frame, n) < 0 && errno != EINVAL && errno != EIO && errno != ENOBUFS)
			break;
	exit(1); /* the program has ended */
}

static void to_stream(void *arg)
{
	const struct tap *t = arg;
	static uint8_t frame[FRAME_MAX + 2];
	ssize_t n;

	for (;;) {
		n = read(t->tun, frame + 2, FRAME_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && t->guard_gateway && vpnkit_is_barred(frame + 2, (size_t)n, t->lease.router.bytes, t->guard_host))
			continue;
		if (n <= 0 || vpnkit_put(t->socket, frame, (size_t)n))
			exit(1);
	}
}

/* The parent's end closes: false.  @ms: when to come back, -1 never. */
static bool await_end(int64_t ms)
{
	struct pollfd p = {.fd = TAP_CONTROL, .events = POLLIN};
	char byte;

	if (ms > INT32_MAX)
		ms = INT32_MAX;
	if (poll(&p, 1, (int)ms) <= 0)
		return true;
	return read(TAP_CONTROL, &byte, 1) > 0;
}

static int run_vpnkit(struct tap *t, const struct nl *nl, struct err *e)
{
	int rc;

	t->socket = TAP_SOCKET;
	t->io = (struct dhcp_io){stream_send, stream_receive, t};
	if (vpnkit_begin(t->socket, t->mac, e) || tap_open(t, e) || link_up(t, nl, true, e) || dhcp_ask(&t->io, t->mac, DHCP_MS, &t->lease, e) ||
		configure(t, nl, e))
		return -1;
	rc = thread_start("to-tap", to_tap, t, STACK_KB);
	if (!rc)
		rc = thread_start("to-stream", to_stream, t, STACK_KB);
	if (rc)
		return err_set(e, rc, "starting a thread");
	report(t, NULL, false);
	while (await_end(-1))
		;
	return 0;
}

/* Half of the lease from now, in ms; -1 for one without end. */
static int64_t renewal(const struct dhcp_lease *l)
{
	return l->seconds == UINT32_MAX ? -1 : (int64_t)(l->seconds < 60 ? 60 : l->seconds) * 500;
}

static int run_dhcp(struct tap *t, const struct nl *nl, struct err *e)
{
	report(t, NULL, true);
	if (!await_end(-1) || link_up(t, nl, false, e) || packet_open(t, e))
		return -1;
	t->io = (struct dhcp_io){packet_send, packet_receive, t};
	if (dhcp_ask(&t->io, t->mac, DHCP_MS, &t->lease, e) || configure(t, nl, e))
		return -1;
	report(t, NULL, false);
	while (await_end(renewal(&t->lease))) {
		struct dhcp_lease next = t->lease;
		struct err why = ERR_INIT;

		if (dhcp_ask(&t->io, t->mac, DHCP_MS, &next, &why) || (t->lease = next, configure(t, nl, &why)))
			log_err(&why, "keeping the address of %s", t->ifname);
	}
	return 0;
}

int tap_role_main(int argc, char **argv)
{
	struct tap t = {.tun = -1, .socket = -1};
	struct nl nl = NL_INIT;
	struct err e = ERR_INIT;
	uint64_t mtu;
	int rc;

	if (argc != 7 || parse_u64(span_of(argv[5]), 65535, &mtu))
		return 2;
	fcntl(TAP_CONTROL, F_SETFD, FD_CLOEXEC);
	t.kind = argv[1];
	t.ifname = argv[4];
	t.mtu = (unsigned int)mtu;
	t.guard_host = !strcmp(argv[6], "host");
	t.guard_gateway = t.guard_host || !strcmp(argv[6], "gateway");
	rc = enter(argv[2], argv[3], &e) || nl_open(&nl, -1, NETLINK_ROUTE, &e);
	if (!rc && (!strcmp(t.kind, "forward") || !strcmp(t.kind, "masquerade"))) {
		rc = driver_forward_here(t.ifname, argv[6], *t.kind == 'm', &e);
		report(&t, rc ? &e : NULL, false);
		return rc ? 1 : 0;
	}
	if (!rc)
		rc = !strcmp(t.kind, "vpnkit") ? run_vpnkit(&t, &nl, &e) : run_dhcp(&t, &nl, &e);
	if (rc)
		report(&t, &e, false);
	nl_close(&nl);
	return rc ? 1 : 0;
}
