/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_udp.c - datagrams between containers and the host's network
 *
 * Theory of operation
 *   A flow is one source and one destination.  Its first datagram comes to the listener, by TPROXY, with
 *   the destination beside it (IP_RECVORIGDSTADDR).  It gets two connected sockets: one of the host, to
 *   the destination, and one of the inside that has the destination's address and is connected to the
 *   container; TPROXY prefers that one from then on.  So both ways are: read a batch, write a batch.
 *
 *   UDP's manners: what does not fit into a socket's buffer is lost.  A port that is closed out there is
 *   told to the container by ICMP; one that the container closed ends the flow, and the host's kernel
 *   answers for it.
 *
 *   Flows end when they are idle: FRESH_NS until something came back twice (one question, one answer:
 *   DNS), LASTING_NS after.  Two lists, the least recently used first, as the times are equal in each.
 *   FLOWS_MAX flows, or what descriptors allow; beyond, the one idle for longest gives way, fresh ones first.
 *
 *   One thread, its own loop; buffers for DATAGRAM_BATCH datagrams of any size.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "net/datagram.h"
#include "net/module.h"
#include "net/relay.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* #syscalls socket bind connect setsockopt getsockopt recvmmsg sendmmsg recvmsg sendmsg close */

#define FLOWS_MAX 4096
#define FLOWS_KEPT 32 /* however few descriptors are left for connections */
#define HASH_SIZE 4096
#define FRESH_NS (30 * NS_PER_S) /* conntrack's times */
#define LASTING_NS (180 * NS_PER_S)
#define ROUNDS 4 /* batches for one socket at a time */
#define ACCEPT_BATCH 16
#define STACK_KB 64

struct flow_list {
	struct udp_flow *first, *last;
	int64_t idle_ns;
};

struct udp_flow {
	struct watch side[2];
	struct tuple tuple;
	struct udp_flow *hash_next, *prev, *next;
	struct flow_list *list;
	int64_t used;
	unsigned int answers; /* up to 2 */
	bool whole[2];	      /* sending to that side: several as one, datagram.h */
};

static struct udp_flow flows[FLOWS_MAX], *hash[HASH_SIZE], *free_flows;
static size_t fresh_slots;
static _Atomic size_t n_flows, n_opened; /* counted by the relay's thread, read by any */
static uint32_t hash_seed;
static struct flow_list fresh = {.idle_ns = FRESH_NS}, lasting = {.idle_ns = LASTING_NS};
static struct watch listeners[2] = {{.fd = -1}, {.fd = -1}};
static struct loop loop;
static bool alarm_set;

static uint8_t data[DATAGRAM_BATCH][DATAGRAM_MAX];

/* --- lists ---------------------------------------------------------------------------------------- */

static void list_remove(struct udp_flow *f)
{
	*(f->prev ? &f->prev->next : &f->list->first) = f->next;
	*(f->next ? &f->next->prev : &f->list->last) = f->prev;
}

static void list_append(struct flow_list *list, struct udp_flow *f)
{
	f->list = list;
	f->prev = list->last;
	f->next = NULL;
	*(list->last ? &list->last->next : &list->first) = f;
	list->last = f;
}

static void flow_end(struct udp_flow *f)
{
	struct udp_flow **at = &hash[tuple_hash(&f->tuple, hash_seed) % HASH_SIZE];
	int i;

	for (i = 0; i < 2; i++) {
		loop_remove(&loop, &f->side[i]);
		fd_close(&f->side[i].fd);
	}
	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	list_remove(f);
	f->hash_next = free_flows;
	free_flows = f;
	n_flows--;
}

static void expire_list(struct flow_list *list, int64_t now)
{
	while (list->first && now - list->first->used >= list->idle_ns)
		flow_end(list->first);
}

static void expire(struct loop *l)
{
	int64_t now = clock_mono_ns(), next = INT64_MAX;

	expire_list(&fresh, now);
	expire_list(&lasting, now);
	if (fresh.first)
		next = fresh.first->used + fresh.idle_ns;
	if (lasting.first && lasting.first->used + lasting.idle_ns < next)
		next = lasting.first->used + lasting.idle_ns;
	alarm_set = next != INT64_MAX;
	if (alarm_set)
		loop_alarm(l, next, expire);
}

static void flow_used(struct udp_flow *f, bool answer)
{
	if (answer && f->answers < 2)
		f->answers++;
	f->used = clock_mono_ns();
	list_remove(f);
	list_append(f->answers > 1 ? &lasting : &fresh, f);
}

/* --- moving ----------------------------------------------------------------------------------------- */

/* Has a send or receive failed for good?  A full buffer is none of that. */
static bool is_serious(int error)
{
	return error != EAGAIN && error != EINTR && error != ENOBUFS && error != EMSGSIZE && error != ENOMEM;
}

/* The host's word on what the container sent. */
static void host_failed(struct udp_flow *f, int error)
{
	if (error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES)
		relay_icmp_error(&f->tuple, IPPROTO_UDP, 0, error);
}

/* Send @n of the batch.  False: the flow has ended. */
static bool pass_on(struct udp_flow *f, int to, const struct datagrams *d, size_t n)
{
	size_t sent, errors = 0;

	while (n && datagram_send(f->side[to].fd, d, n, &sent, &f->whole[to])) {
		if (errno == EAGAIN)
			return true; /* lost */
		d += sent;
		n -= sent;
		if (!is_serious(errno)) {
			d++; /* this one is lost, perhaps not the next */
			n--;
			continue;
		}
		/* An error that an earlier datagram caused comes instead of sending this one: once more. */
		if (to == SIDE_INSIDE) {
			flow_end(f);
			return false;
		}
		host_failed(f, errno);
		if (errno != ECONNREFUSED || errors++ > DATAGRAM_BATCH)
			return true;
	}
	return true;
}

/* Move a batch from side @from; the number received, 0 when there was none or the flow has ended. */
static int move_batch(struct udp_flow *f, int from)
{
	struct datagrams d[DATAGRAM_BATCH];
	int n = datagram_receive(f->side[from].fd, data, d);

	if (n < 0 && is_serious(errno)) {
		if (from == SIDE_HOST)
			host_failed(f, errno);
		else
			flow_end(f);
	}
	if (n <= 0)
		return 0;
	flow_used(f, from == SIDE_HOST);
	return pass_on(f, !from, d, (size_t)n) ? n : 0;
}

static void move(struct udp_flow *f, int from)
{
	int i;

	for (i = 0; i < ROUNDS && move_batch(f, from) == DATAGRAM_BATCH; i++)
		;
}

static void inside_ready(struct watch *w, uint32_t events)
{
	(void)events;
	move((struct udp_flow *)(void *)((char *)w - offsetof(struct udp_flow, side[SIDE_INSIDE])), SIDE_INSIDE);
}

static void host_ready(struct watch *w, uint32_t events)
{
	(void)events;
	move((struct udp_flow *)(void *)((char *)w - offsetof(struct udp_flow, side[SIDE_HOST])), SIDE_HOST);
}

/* --- opening ---------------------------------------------------------------------------------------- */

static int host_socket(const struct tuple *t)
{
	struct sockaddr_storage sa;
	struct inet target;
	socklen_t n;
	int fd;

	if (!relay_target(&t->dst, &target)) {
		errno = EHOSTUNREACH;
		return -1;
	}
	n = inet_to_sockaddr(&target, t->dst_port, &sa);
	fd = socket(target.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, n))
		fd_close(&fd);
	return fd;
}

/* Bound to the destination, connected to the container.  Between the two it could catch others'
 * datagrams: a filter keeps it empty until then. */
static int inside_connected(const struct tuple *t)
{
	static struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog filter = {1, &nothing};
	cleanup_close int fd = inside_socket(t->dst.family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_storage sa;
	bool v6 = t->dst.family == AF_INET6;
	int on = 1;
	socklen_t n = inet_to_sockaddr(&t->dst, t->dst_port, &sa);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
		setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof(on)) ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		bind(fd, (struct sockaddr *)&sa, n))
		return -1;
	n = inet_to_sockaddr(&t->src, t->src_port, &sa);
	if (connect(fd, (struct sockaddr *)&sa, n) || setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)))
		return -1;
	return fd_steal(&fd);
}

static void oldest_end(void)
{
	if (n_flows)
		flow_end(fresh.first ? fresh.first : lasting.first);
}

static struct udp_flow *slot_take(void)
{
	struct udp_flow *f;

	if (!free_flows && fresh_slots == FLOWS_MAX)
		oldest_end();
	f = free_flows;
	if (f)
		free_flows = f->hash_next;
	else
		f = &flows[fresh_slots++];
	n_flows++;
	n_opened++;
	return f;
}

static struct udp_flow *flow_open(const struct tuple *t)
{
	struct udp_flow *f, **at = &hash[tuple_hash(t, hash_seed) % HASH_SIZE];
	cleanup_close int host = host_socket(t), inside = -1;

	if (host < 0) {
		if (errno == EHOSTUNREACH || errno == ENETUNREACH || errno == EACCES)
			relay_icmp_error(t, IPPROTO_UDP, 0, errno);
		return NULL;
	}
	inside = inside_connected(t);
	if (inside < 0 || (n_flows >= FLOWS_KEPT && (inside >= netd_fds_max || host >= netd_fds_max)))
		oldest_end(); /* few descriptors are left: it makes room for the next one */
	if (inside < 0)
		return NULL;
	f = slot_take();
	*f = (struct udp_flow){.tuple = *t, .used = clock_mono_ns(), .hash_next = *at, .whole = {true, true}};
	*at = f;
	list_append(&fresh, f);
	datagram_prepare(inside);
	datagram_prepare(host);
	f->side[SIDE_INSIDE] = (struct watch){fd_steal(&inside), 0, inside_ready};
	f->side[SIDE_HOST] = (struct watch){fd_steal(&host), 0, host_ready};
	if (loop_add(&loop, &f->side[0], EPOLLIN) || loop_add(&loop, &f->side[1], EPOLLIN)) {
		flow_end(f);
		return NULL;
	}
	if (!alarm_set)
		expire(&loop);
	return f;
}

static struct udp_flow *flow_find(const struct tuple *t)
{
	struct udp_flow *f = hash[tuple_hash(t, hash_seed) % HASH_SIZE];

	while (f && !tuple_eq(&f->tuple, t))
		f = f->hash_next;
	return f;
}

/* --- the listener ------------------------------------------------------------------------------------ */

/* Who sent it, and where to. */
static int message_tuple(struct msghdr *msg, struct tuple *t)
{
	struct sockaddr_storage dst = {0};
	struct inet src_ip, dst_ip;
	uint16_t src_port, dst_port;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVORIGDSTADDR;
		bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVORIGDSTADDR;

		if (v4)
			memcpy(&dst, CMSG_DATA(c), sizeof(struct sockaddr_in));
		if (v6)
			memcpy(&dst, CMSG_DATA(c), sizeof(struct sockaddr_in6));
	}
	if (inet_from_sockaddr(msg->msg_name, &src_ip, &src_port) || inet_from_sockaddr(&dst, &dst_ip, &dst_port))
		return -1;
	*t = tuple_make(&src_ip, src_port, &dst_ip, dst_port);
	return 0;
}

static int take_one(int listener)
{
	union {
		char space[CMSG_SPACE(sizeof(struct sockaddr_in6))];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage src = {0};
	struct iovec v = {data[0], DATAGRAM_MAX};
	struct msghdr m = {.msg_name = &src,
		.msg_namelen = sizeof(src),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n = recvmsg(listener, &m, MSG_DONTWAIT);
	struct datagrams d = {data[0], (size_t)n, (size_t)n};
	struct udp_flow *f;
	struct tuple t;

	if (n < 0)
		return -1;
	if (message_tuple(&m, &t))
		return 0;
	f = flow_find(&t);
	if (!f)
		f = flow_open(&t);
	if (!f)
		return 0;
	flow_used(f, false);
	pass_on(f, SIDE_HOST, &d, 1);
	return 0;
}

static void listener_ready(struct watch *w, uint32_t events)
{
	int i;

	(void)events;
	for (i = 0; i < ACCEPT_BATCH && !take_one(w->fd); i++)
		;
}

static int listen_on(int i, uint16_t *port, struct err *e)
{
	int on = 1, fd = relay_listener(i ? AF_INET6 : AF_INET, SOCK_DGRAM, port, e);

	if (fd < 0)
		return -1;
	listeners[i] = (struct watch){.fd = fd, .ready = listener_ready};
	if (i ? setsockopt(fd, SOL_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof(on)) :
		setsockopt(fd, SOL_IP, IP_RECVORIGDSTADDR, &on, sizeof(on)))
		return err_set(e, errno, "asking for the destinations of datagrams");
	if (loop_add(&loop, &listeners[i], EPOLLIN))
		return err_set(e, errno, "watching for datagrams");
	return 0;
}

int relay_udp_start(struct relay_ports *ports, struct err *e)
{
	random_bytes(&hash_seed, sizeof(hash_seed));
	if (loop_init(&loop, e) || listen_on(0, &ports->udp[0], e))
		return -1;
	if (relay_has_ipv6() && listen_on(1, &ports->udp[1], e))
		return -1;
	return loop_start(&loop, "relay-udp", STACK_KB, e);
}

void relay_udp_info(json_t *out)
{
	json_set_int(out, "udp_flows", (int64_t)n_flows);
	json_set_int(out, "udp_opened", (int64_t)n_opened);
}
