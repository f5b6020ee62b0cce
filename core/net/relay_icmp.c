/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_icmp.c - echo requests through the host's ping sockets; ICMP errors for everybody
 *
 * Theory of operation
 *   A ping socket (icmp(7), IPPROTO_ICMP with SOCK_DGRAM) sends echo requests without privilege where
 *   net.ipv4.ping_group_range allows it, and receives the answers to its own.  A flow is one source,
 *   destination and identifier: a connected ping socket, in a small table; the longest idle one gives
 *   way.  The kernel puts an identifier of its own into what goes out; coming back it is replaced.
 *
 *   Answers and errors are sent on the inside by raw ICMP sockets with the peer's address as source
 *   (IP_TRANSPARENT allows it), so that the kernel makes fragments where one is needed.  These
 *   sockets never receive: a filter drops everything.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "net/module.h"
#include "net/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <unistd.h>

/* #syscalls socket connect sendto sendmsg recvfrom setsockopt close */

#define FLOWS_MAX 256
#define IDLE_NS (30 * NS_PER_S)
#define MESSAGE_MAX 65536

struct echo_flow {
	struct watch watch; /* first; fd -1: free */
	struct tuple tuple;
	int64_t used; /* monotonic ns */
};

static struct echo_flow flows[FLOWS_MAX];
static _Atomic size_t n_flows; /* counted by the relay's thread, read by any */
static uint8_t message[MESSAGE_MAX];
static int icmp_out[2] = {-1, -1}; /* raw ICMP of each family, on the inside */
static int raw_out[2] = {-1, -1}, raw_inject[2] = {-1, -1}; /* IP_HDRINCL */
static struct err no_echo[2] = {ERR_INIT, ERR_INIT};

/* --- sending on the inside ---------------------------------------------------------------------- */

/* A raw socket that receives nothing. */
static int raw_socket(int family, int protocol, uint32_t mark, struct err *e)
{
	static struct sock_filter drop = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog filter = {1, &drop};
	int on = 1;
	cleanup_close int fd = inside_socket(family, SOCK_RAW | SOCK_NONBLOCK, protocol);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return err_set(e, errno, "opening a raw socket");
	if (family == AF_INET ? setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) :
				setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &on, sizeof(on)))
		return err_set(e, errno, "making a raw socket transparent");
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return err_set(e, errno, "marking a raw socket");
	return fd_steal(&fd);
}

static int open_raw(int family, struct err *e)
{
	int i = family == AF_INET6;

	icmp_out[i] = raw_socket(family, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP, MARK_OWN, e);
	raw_out[i] = raw_socket(family, IPPROTO_RAW, MARK_OWN, e);
	raw_inject[i] = raw_socket(family, IPPROTO_RAW, MARK_INJECT, e);
	return icmp_out[i] < 0 || raw_out[i] < 0 || raw_inject[i] < 0 ? -1 : 0;
}

void relay_send_raw(const uint8_t *packet, size_t n, const struct inet *dst, bool inject)
{
	int i = dst->family == AF_INET6;
	struct sockaddr_storage sa;
	socklen_t len = inet_to_sockaddr(dst, 0, &sa);

	/* Lost like any packet if it fails. */
	sendto(inject ? raw_inject[i] : raw_out[i], packet, n, MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
}

/* An ICMP message from @from to @to. */
static void send_icmp(const struct inet *from, const struct inet *to, void *p, size_t n)
{
	union {
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = {{0}};
	bool v6 = to->family == AF_INET6;
	struct sockaddr_storage sa;
	struct iovec iov = {p, n};
	struct msghdr msg = {.msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
	struct in_pktinfo info4 = {0};
	struct in6_pktinfo info6 = {0};
	struct cmsghdr *c;

	msg.msg_namelen = inet_to_sockaddr(to, 0, &sa);
	msg.msg_controllen = v6 ? CMSG_SPACE(sizeof(info6)) : CMSG_SPACE(sizeof(info4));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
	c->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = v6 ? CMSG_LEN(sizeof(info6)) : CMSG_LEN(sizeof(info4));
	memcpy(&info4.ipi_spec_dst, from->bytes, 4);
	memcpy(&info6.ipi6_addr, from->bytes, 16);
	if (v6)
		memcpy(CMSG_DATA(c), &info6, sizeof(info6));
	else
		memcpy(CMSG_DATA(c), &info4, sizeof(info4));
	sendmsg(icmp_out[v6], &msg, MSG_NOSIGNAL);
}

/* RFC 792 and 4443: type 3 and 1 are "destination unreachable". */
void relay_icmp_error(const struct tuple *t, uint8_t protocol, uint32_t seq, int error)
{
	bool v6 = t->src.family == AF_INET6;
	uint8_t out[PACKET_MAX], code;

	switch (error) {
	case ECONNREFUSED:
		code = v6 ? 4 : 3; /* port */
		break;
	case ENETUNREACH:
		code = 0;
		break;
	case EACCES:
	case EPERM:
		code = v6 ? 1 : 13; /* prohibited */
		break;
	default:
		code = v6 ? 3 : 1; /* host, address */
		break;
	}
	send_icmp(&t->dst, &t->src, out, packet_make_error(t, protocol, seq, v6 ? 1 : 3, code, out));
}

/* --- echo ----------------------------------------------------------------------------------------- */

static void flow_end(struct echo_flow *f)
{
	loop_remove(&relay_loop, &f->watch);
	fd_close(&f->watch.fd);
	n_flows--;
}

static void flow_ready(struct watch *w, uint32_t events)
{
	struct echo_flow *f = (struct echo_flow *)w;
	ssize_t n = recvfrom(w->fd, message, sizeof(message), MSG_DONTWAIT, NULL, NULL);
	bool v6 = f->tuple.dst.family == AF_INET6;
	uint16_t id = htons(f->tuple.src_port);

	(void)events;
	if (n < 0 && errno != EAGAIN) {
		flow_end(f); /* unreachable: the next request says so */
		return;
	}
	if (n < 8 || message[0] != (v6 ? 129 : 0))
		return;
	f->used = clock_mono_ns();
	memcpy(message + 4, &id, sizeof(id));
	memset(message + 2, 0, 2);
	if (!v6) {
		uint16_t sum = htons(packet_sum_end(packet_sum(0, message, (size_t)n)));

		memcpy(message + 2, &sum, sizeof(sum));
	}
	send_icmp(&f->tuple.dst, &f->tuple.src, message, (size_t)n);
}

static int ping_socket(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* 0, or an errno. */
static int flow_open(struct echo_flow *f, const struct packet *p)
{
	struct sockaddr_storage sa;
	struct inet target;
	socklen_t len;

	if (!relay_target(&p->tuple.dst, &target))
		return EHOSTUNREACH;
	len = inet_to_sockaddr(&target, 0, &sa);
	f->watch = (struct watch){.fd = ping_socket(target.family), .ready = flow_ready};
	if (f->watch.fd < 0)
		return 0; /* "info" says why */
	f->tuple = p->tuple;
	if (!connect(f->watch.fd, (struct sockaddr *)&sa, len) &&
		!loop_add(&relay_loop, &f->watch, EPOLLIN)) {
		n_flows++;
		return 0;
	}
	len = (socklen_t)errno;
	fd_close(&f->watch.fd);
	return (int)len;
}

/* The flow of a packet; else a place for it, emptied. */
static struct echo_flow *flow_find(const struct tuple *t)
{
	struct echo_flow *f, *oldest = flows;

	for (f = flows; f < flows + FLOWS_MAX; f++) {
		if (f->watch.fd >= 0 && tuple_eq(&f->tuple, t))
			return f;
		if (oldest->watch.fd >= 0 && (f->watch.fd < 0 || f->used < oldest->used))
			oldest = f;
	}
	if (oldest->watch.fd >= 0)
		flow_end(oldest);
	return oldest;
}

/* Idle ones go when somebody pings: at most FLOWS_MAX of them wait for that. */
static void expire(int64_t now)
{
	struct echo_flow *f;

	for (f = flows; f < flows + FLOWS_MAX; f++)
		if (f->watch.fd >= 0 && now - f->used > IDLE_NS)
			flow_end(f);
}

void relay_icmp_echo(const struct packet *p)
{
	int64_t now = clock_mono_ns();
	struct echo_flow *f;
	int error = 0;

	expire(now);
	f = flow_find(&p->tuple);
	if (f->watch.fd < 0)
		error = flow_open(f, p);
	f->used = now;
	if (!error && f->watch.fd >= 0 && send(f->watch.fd, p->transport, p->n, MSG_NOSIGNAL) < 0)
		error = errno;
	if (error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES)
		relay_icmp_error(&p->tuple, p->protocol, 0, error);
}

/* Are they to be had?  Where not, "info" says what would help. */
static void try_echo(int family, struct err *e)
{
	cleanup_close int fd = ping_socket(family);

	if (fd < 0)
		err_set(e, errno, "opening a ping socket");
	if (fd < 0 && e->code == EACCES)
		err_hint(e, "net.ipv4.ping_group_range excludes this user");
}

int relay_icmp_start(struct err *e)
{
	size_t i;

	for (i = 0; i < FLOWS_MAX; i++)
		flows[i].watch.fd = -1;
	try_echo(AF_INET, &no_echo[0]);
	if (open_raw(AF_INET, e))
		return -1;
	if (!relay_has_ipv6())
		return 0;
	try_echo(AF_INET6, &no_echo[1]);
	return open_raw(AF_INET6, e);
}

void relay_icmp_info(json_t *out)
{
	json_set_int(out, "echo_flows", (int64_t)n_flows);
	if (*no_echo[0].msg)
		json_set_str(out, "no_echo", *no_echo[0].hint ? no_echo[0].hint : no_echo[0].msg);
}
