/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_udp.c - published UDP ports: one flow for each client of a port
 *
 * Theory of operation
 *   A flow is a socket of the inside, connected to the container, for one client (address and port) of
 *   one listener.  It is found by hash, and lies in a list by its last use, in whose front are those
 *   that IDLE_NS expires, or the next one when there are FLOWS_MAX.  Answers leave from the address that the
 *   client sent to last (IP_PKTINFO): a listener at 0.0.0.0 has many.
 *
 *   A datagram that cannot be delivered at once is lost, as datagrams are.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "net/port_server.h"

#include <errno.h>
#include <stdlib.h>

/* #syscalls recvmsg sendmsg recvfrom sendto */

#define IDLE_NS (90 * NS_PER_S) /* the real engine's proxy's */
#define FLOWS_MAX 8192
#define BUCKETS 4096 /* a power of two */
#define DATAGRAMS_AT_ONCE 32
#define DATAGRAM_MAX 65535
#define CONTROL_MAX CMSG_SPACE(sizeof(struct in6_pktinfo))

struct udp_flow {
	struct udp_flow *same_bucket;
	struct udp_flow *older, *newer;
	struct port_listener *listener;
	struct peer client;
	uint32_t hash;
	int64_t used;
	struct watch w;
	union { /* our own address towards the client */
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} from;
};

static struct udp_flow *buckets[BUCKETS];
static struct udp_flow *oldest, *newest;
static size_t n_flows;
static uint8_t datagram[DATAGRAM_MAX];

size_t port_udp_flows(void)
{
	return n_flows;
}

/* --- flows -------------------------------------------------------------------------------------- */

static uint32_t hash(const struct port_listener *l, const struct peer *client)
{
	struct inet addr = peer_inet(client);
	uint64_t h = (uintptr_t)l / sizeof(void *) + peer_port(client);
	size_t i;

	for (i = 0; i < sizeof(addr.bytes); i++)
		h = (h ^ addr.bytes[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

static void age_remove(struct udp_flow *f)
{
	*(f->older ? &f->older->newer : &oldest) = f->newer;
	*(f->newer ? &f->newer->older : &newest) = f->older;
}

static void age_append(struct udp_flow *f)
{
	f->older = newest;
	f->newer = NULL;
	*(newest ? &newest->newer : &oldest) = f;
	newest = f;
}

static void touch(struct udp_flow *f)
{
	f->used = clock_mono_ns();
	age_remove(f);
	age_append(f);
}

static void flow_free(struct udp_flow *f)
{
	struct udp_flow **p;

	for (p = &buckets[f->hash % BUCKETS]; *p != f; p = &(*p)->same_bucket)
		;
	*p = f->same_bucket;
	age_remove(f);
	n_flows--;
	loop_remove(&f->listener->port->ports->loop, &f->w);
	fd_close(&f->w.fd);
	free(f);
}

static void container_ready(struct watch *w, uint32_t events);

static struct udp_flow *flow_find(struct port_listener *l, const struct peer *client)
{
	uint32_t h = hash(l, client);
	struct udp_flow *f = buckets[h % BUCKETS];

	while (f && (f->hash != h || f->listener != l || !peer_eq(&f->client, client)))
		f = f->same_bucket;
	return f;
}

static struct udp_flow *flow_new(struct port_listener *l, const struct peer *client)
{
	struct ports *ports = l->port->ports;
	int fd = port_connect(l->port, client, l->inside, SOCK_DGRAM);
	struct udp_flow *f;

	if (fd < 0)
		return NULL;
	if (n_flows == FLOWS_MAX)
		flow_free(oldest);
	f = xcalloc(1, sizeof(*f));
	f->listener = l;
	f->client = *client;
	f->hash = hash(l, client);
	f->w = (struct watch){.fd = fd, .ready = container_ready};
	f->same_bucket = buckets[f->hash % BUCKETS];
	buckets[f->hash % BUCKETS] = f;
	f->used = clock_mono_ns();
	age_append(f);
	n_flows++;
	if (loop_add(&ports->loop, &f->w, EPOLLIN)) {
		flow_free(f);
		return NULL;
	}
	ports_alarm(ports, oldest->used + IDLE_NS);
	return f;
}

/* --- datagrams ---------------------------------------------------------------------------------- */

/* Note which of our addresses a datagram came to. */
static void note_address(struct udp_flow *f, struct msghdr *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&f->from.v4, CMSG_DATA(c), sizeof(f->from.v4));
			f->from.v4.ipi_spec_dst = f->from.v4.ipi_addr;
			f->from.v4.ipi_ifindex = 0; /* routing knows the way back */
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&f->from.v6, CMSG_DATA(c), sizeof(f->from.v6));
			if (!IN6_IS_ADDR_LINKLOCAL(&f->from.v6.ipi6_addr))
				f->from.v6.ipi6_ifindex = 0;
		}
	}
}

void port_udp_ready(struct watch *w, uint32_t events)
{
	struct port_listener *l = (struct port_listener *)(void *)((char *)w - offsetof(struct port_listener, w));
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	int i;

	(void)events;
	for (i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		struct iovec data = {datagram, sizeof(datagram)};
		struct peer client = {.len = PEER_MAX};
		struct msghdr m = {.msg_name = &client.any, .msg_namelen = PEER_MAX, .msg_iov = &data, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT);
		struct udp_flow *f;

		if (n < 0)
			return;
		client.len = m.msg_namelen;
		f = flow_find(l, &client);
		if (!f)
			f = flow_new(l, &client);
		if (!f)
			continue;
		note_address(f, &m);
		touch(f);
		/* An error that an earlier one caused (ICMP) is reported to the next: once more. */
		if (send(f->w.fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
			send(f->w.fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void send_to_client(struct udp_flow *f, size_t n)
{
	bool v4 = f->client.any.sa_family == AF_INET;
	_Alignas(struct cmsghdr) char control[CONTROL_MAX] = {0};
	struct iovec data = {datagram, n};
	struct msghdr m = {.msg_name = &f->client.any, .msg_namelen = f->client.len, .msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control};
	size_t size = v4 ? sizeof(f->from.v4) : sizeof(f->from.v6);
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), &f->from, size);
	sendmsg(f->listener->w.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void container_ready(struct watch *w, uint32_t events)
{
	struct udp_flow *f = (struct udp_flow *)(void *)((char *)w - offsetof(struct udp_flow, w));
	int i;

	(void)events;
	for (i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		ssize_t n = recv(w->fd, datagram, sizeof(datagram), MSG_DONTWAIT);

		if (n < 0)
			return; /* nothing more, or the container's port is closed, which reading has cleared */
		touch(f);
		send_to_client(f, (size_t)n);
	}
}

/* --- the end ------------------------------------------------------------------------------------ */

void port_udp_close(struct port_entry *p)
{
	struct udp_flow *f, *next;

	for (f = oldest; f; f = next) {
		next = f->newer;
		if (f->listener->port == p)
			flow_free(f);
	}
}

int64_t port_udp_tick(int64_t now)
{
	while (oldest && oldest->used + IDLE_NS <= now)
		flow_free(oldest);
	return oldest ? oldest->used + IDLE_NS : INT64_MAX;
}
