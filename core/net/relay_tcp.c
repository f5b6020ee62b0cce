/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay_tcp.c - a container's connection from its SYN to the moment both sides stand
 *
 * Theory of operation
 *	SYN seen	-> CONNECTING	a socket of the host connects to where the SYN was going
 *	refused		-> gone		a RST, or an ICMP error, in the peer's name
 *	timed out	-> gone		nothing: the container has been waiting as long as we have
 *	connected	-> OFFERED	the SYN is let in: it reaches our listener, which answers it
 *	accepted	-> RELAYING	by relay_worker.c, until both ends were seen
 *	not accepted	-> gone		after OFFER_NS: the container did not wait
 *   So connect(2) in the container succeeds, fails and takes time as it would on the host.
 *
 *   A SYN that is repeated finds its flow: CONNECTING ignores it; OFFERED lets it in again, as the first
 *   may have been lost; RELAYING lets it in if it is another one: the kernel then tells the container
 *   that the old connection stands, which ends it on both sides.
 *
 *   All of that on the relay thread; only the end of a large flow comes from its worker.  The lock guards the
 *   table: hash, free list, states.  It is held for a few instructions.
 *
 * Limits: FLOWS_MAX flows, or half the descriptors we may have (module.h).  A SYN beyond is ignored, and repeated
 * by the container: it waits until others end; the log tells so.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "net/module.h"
#include "net/nl.h"
#include "net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* #syscalls socket connect accept4 setsockopt getsockopt getpeername getsockname close recvfrom fcntl */

#define FLOWS_MAX 32768
#define HASH_SIZE 16384
#define OFFER_NS (5 * NS_PER_S)
#define FD_OTHER 128		/* descriptors below that: what netd has anyhow, pipes of the pools */
#define FULL_TELL_NS (60 * NS_PER_S) /* once in so long */
#define SYN_BUFFER 512		/* bytes the kernel sets aside for each copied packet, at least */
#define KEEPALIVE_IDLE 600	/* s: a peer that is gone without a word is noticed */
#define ACCEPT_BATCH 64

static struct flow flows[FLOWS_MAX]; /* memory that was never used is no memory */
static struct {
	pthread_mutex_t lock; /* guards the following */
	struct flow *hash[HASH_SIZE];
	struct flow *free; /* by hash_next */
	size_t fresh;	   /* flows[fresh …] were never used */
	size_t used, max;
	uint64_t opened;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};
static uint32_t hash_seed;
static _Atomic uint64_t n_refused;
static size_t half_open; /* flows with one descriptor of their two; the relay thread's, as the following */

/* OFFERED flows, the first to expire first. */
static struct flow *offered, *offered_last;
static bool alarm_set;
static int spare = -1; /* see refuse_one() */
static struct watch listeners[2] = {{.fd = -1}, {.fd = -1}}, syns = {.fd = -1};

/* --- the table ------------------------------------------------------------------------------------ */

static struct flow **bucket(const struct tuple *t)
{
	return &table.hash[tuple_hash(t, hash_seed) % HASH_SIZE];
}

static struct flow *flow_find(const struct tuple *t)
{
	struct flow *f;

	pthread_mutex_lock(&table.lock);
	for (f = *bucket(t); f && !tuple_eq(&f->tuple, t); f = f->hash_next)
		;
	pthread_mutex_unlock(&table.lock);
	return f;
}

static struct flow *flow_take(void)
{
	struct flow *f = table.free;

	if (table.used >= table.max)
		return NULL;
	if (f)
		table.free = f->hash_next;
	else
		f = &flows[table.fresh++];
	table.used++;
	table.opened++;
	return f;
}

static struct flow *flow_new(const struct packet *p)
{
	struct flow *f, **at = bucket(&p->tuple);

	pthread_mutex_lock(&table.lock);
	f = flow_take();
	if (f) {
		*f = (struct flow){.tuple = p->tuple, .state = FLOW_CONNECTING, .seq = p->seq, .hash_next = *at};
		f->host.fd = -1;
		*at = f;
		half_open++;
	}
	pthread_mutex_unlock(&table.lock);
	return f;
}

void relay_flow_forget(struct flow *f)
{
	struct flow **at = bucket(&f->tuple);

	pthread_mutex_lock(&table.lock);
	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	f->state = FLOW_FREE;
	f->hash_next = table.free;
	table.free = f;
	table.used--;
	pthread_mutex_unlock(&table.lock);
}

static void set_state(struct flow *f, enum flow_state state)
{
	pthread_mutex_lock(&table.lock);
	f->state = state;
	pthread_mutex_unlock(&table.lock);
}

/* --- offered -------------------------------------------------------------------------------------- */

static void offered_remove(struct flow *f)
{
	*(f->prev ? &f->prev->next : &offered) = f->next;
	*(f->next ? &f->next->prev : &offered_last) = f->prev;
}

static void drop(struct flow *f)
{
	loop_close(&relay_loop, &f->host);
	half_open--;
	relay_flow_forget(f);
}

static int accept_one(int listener);

/* What the container has taken may still wait for us: this thread was busy (thousands that end at once). */
static void accept_all(void)
{
	size_t i;

	for (i = 0; i < 1 + (listeners[1].fd >= 0); i++)
		while (offered && !accept_one(listeners[i].fd))
			;
}

/* The alarm stays when the flow it was set for has gone: it is set once in OFFER_NS, not for each. */
static void expire(struct loop *l)
{
	int64_t now = clock_mono_ns();
	struct flow *f;

	alarm_set = false;
	accept_all();
	while (offered && offered->deadline <= now) {
		f = offered;
		offered_remove(f);
		drop(f);
	}
	if (offered) {
		alarm_set = true;
		loop_alarm(l, offered->deadline, expire);
	}
}

static void let_in(const struct flow *f)
{
	uint8_t packet[PACKET_MAX];

	relay_send_raw(packet, packet_make_tcp(&f->tuple, f->syn, f->syn_n, packet), &f->tuple.dst, true);
}

static void offer(struct flow *f)
{
	set_state(f, FLOW_OFFERED);
	f->deadline = clock_mono_ns() + OFFER_NS;
	f->prev = offered_last;
	f->next = NULL;
	if (!alarm_set)
		loop_alarm(&relay_loop, f->deadline, expire);
	alarm_set = true;
	*(offered_last ? &offered_last->next : &offered) = f;
	offered_last = f;
	let_in(f);
}

/* --- connecting ----------------------------------------------------------------------------------- */

/* Tell the container what connect(2) told us. */
static void refuse(const struct tuple *t, uint32_t seq, int error)
{
	uint8_t packet[PACKET_MAX];

	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EINVAL: /* an address that is none for TCP */
		relay_send_raw(packet, packet_make_rst(t, seq, packet), &t->src, false);
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EACCES:
	case EPERM:
		relay_icmp_error(t, IPPROTO_TCP, seq, error);
		break;
	default: /* ETIMEDOUT, or something of ours that may have passed when the SYN is repeated */
		break;
	}
	n_refused++;
}

static void host_ready(struct watch *w, uint32_t events)
{
	struct flow *f = (struct flow *)(void *)((char *)w - offsetof(struct flow, host));
	socklen_t n = sizeof(int);
	int error = 0;

	if (events & (EPOLLERR | EPOLLHUP) && getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &n))
		error = errno;
	if (!error) {
		offer(f);
		return;
	}
	refuse(&f->tuple, f->seq, error);
	drop(f);
}

/* Dead peers are noticed in minutes, not hours. */
static void set_options(int fd)
{
	static const int idle = KEEPALIVE_IDLE;

	splice_prepare(fd);
	setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

static void tell_full(void)
{
	static int64_t next;
	int64_t now = clock_mono_ns();

	if (now < next)
		return;
	next = now + FULL_TELL_NS;
	log_warn("%zu connections, and no more descriptors: new ones wait until others end (ulimit -n)", table.used);
}

/* 0, or an errno. */
static int begin_connect(struct flow *f, const struct inet *target)
{
	struct watch *w = &f->host;
	struct sockaddr_storage sa;
	socklen_t n = inet_to_sockaddr(target, f->tuple.dst_port, &sa);

	*w = (struct watch){
		.fd = socket(target->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .ready = host_ready};
	if (w->fd < 0)
		return errno;
	if (w->fd + (int)half_open >= netd_fds_max)
		return EMFILE;
	set_options(w->fd);
	if (connect(w->fd, (struct sockaddr *)&sa, n) && errno != EINPROGRESS)
		return errno;
	return loop_add(&relay_loop, w, EPOLLOUT | EPOLLONESHOT) ? errno : 0; /* splice.c watches it next */
}

static void store_syn(struct flow *f, const struct packet *p)
{
	f->seq = p->seq;
	f->syn_n = (uint8_t)p->header_n;
	memcpy(f->syn, p->transport, p->header_n);
}

static void syn_again(struct flow *f, const struct packet *p)
{
	struct flow once = {.tuple = p->tuple};

	switch (f->state) {
	case FLOW_CONNECTING: /* perhaps another one from the same port */
		store_syn(f, p);
		break;
	case FLOW_OFFERED:
		store_syn(f, p);
		let_in(f);
		break;
	default:
		if (p->seq == f->seq)
			break;
		store_syn(&once, p);
		let_in(&once);
		break;
	}
}

void relay_tcp_syn(const struct packet *p)
{
	struct flow *f = flow_find(&p->tuple);
	struct inet target;
	int error;

	if (f) {
		syn_again(f, p);
		return;
	}
	if (!relay_target(&p->tuple.dst, &target)) {
		refuse(&p->tuple, p->seq, ECONNREFUSED);
		return;
	}
	f = flow_new(p);
	if (!f) {
		tell_full();
		return;
	}
	store_syn(f, p);
	error = begin_connect(f, &target);
	if (!error)
		return;
	if (error == EMFILE || error == ENFILE)
		tell_full();
	refuse(&f->tuple, f->seq, error);
	drop(f);
}

/* --- accepting ------------------------------------------------------------------------------------ */

/* The flow that a connection to our listener belongs to, or NULL. */
static struct flow *flow_of(int fd, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage local;
	socklen_t n = sizeof(local);
	struct inet src, dst;
	uint16_t src_port, dst_port;
	struct tuple t;
	struct flow *f;

	if (getsockname(fd, (struct sockaddr *)&local, &n) || inet_from_sockaddr(peer, &src, &src_port) ||
		inet_from_sockaddr(&local, &dst, &dst_port))
		return NULL;
	t = tuple_make(&src, src_port, &dst, dst_port);
	f = flow_find(&t);
	return f && f->state == FLOW_OFFERED ? f : NULL;
}

/* With no descriptor left a connection can neither be taken nor refused, and epoll would tell of it for ever: one is
 * kept for this. */
static void refuse_one(int listener)
{
	int fd;

	fd_close(&spare);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	splice_reset(&fd);
	spare = fcntl(listener, F_DUPFD_CLOEXEC, 0);
}

static int accept_one(int listener)
{
	struct sockaddr_storage peer = {0};
	socklen_t n = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct flow *f;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		refuse_one(listener);
		return -1;
	}
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR ? 0 : -1;
	f = flow_of(fd, &peer);
	if (!f) {
		splice_reset(&fd);
		return 0;
	}
	offered_remove(f);
	set_state(f, FLOW_RELAYING);
	half_open--;
	relay_flow_begin(f, fd, f->host.fd);
	return 0;
}

static void listener_ready(struct watch *w, uint32_t events)
{
	int i;

	(void)events;
	/* As long as one is expected. */
	for (i = 0; i < ACCEPT_BATCH && !accept_one(w->fd) && offered; i++)
		;
}

/* --- copied packets ------------------------------------------------------------------------------- */

static void take_packet(const struct nlmsghdr *h)
{
	const struct nlattr *attrs[NFULA_MAX + 1];
	struct packet p;
	struct span payload;

	if (h->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return;
	nl_attrs(h, sizeof(struct nfgenmsg), attrs, ARRAY_SIZE(attrs));
	payload = nl_payload(attrs[NFULA_PAYLOAD]);
	if (packet_parse(payload.p, payload.n, &p))
		return;
	if (p.protocol == IPPROTO_TCP)
		relay_tcp_syn(&p);
	else
		relay_icmp_echo(&p);
}

static void syns_ready(struct watch *w, uint32_t events)
{
	static _Alignas(struct nlmsghdr) uint8_t bytes[1 << 17];
	const struct nlmsghdr *h;
	ssize_t n = recvfrom(w->fd, bytes, sizeof(bytes), MSG_DONTWAIT, NULL, NULL);
	size_t at;

	(void)events;
	/* ENOBUFS: some were lost, and will be repeated. */
	for (at = 0; n > 0 && (h = nl_message(bytes + at, (size_t)n - at)); at += NLMSG_ALIGN(h->nlmsg_len))
		take_packet(h);
}

/* Have the packets of our group copied to a socket. */
static int open_syns(struct err *e)
{
	struct nfulnl_msg_config_cmd bind = {NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {htonl(0xffff), NFULNL_COPY_PACKET, 0};
	struct nfgenmsg head = {AF_UNSPEC, NFNETLINK_V0, htons(RELAY_GROUP)};
	struct nl_batch b = NL_BATCH_INIT;
	struct nl nl = NL_INIT;
	int size = 4 << 20, rc;

	if (relay_netlink(&nl, NETLINK_NETFILTER, e))
		return -1;
	setsockopt(nl.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	nl_begin(&b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &head, sizeof(head), "asking for copies of packets");
	nl_put(&b, NFULA_CFG_CMD, &bind, sizeof(bind));
	nl_begin(&b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &head, sizeof(head), "asking for copies of packets");
	nl_put(&b, NFULA_CFG_MODE, &mode, sizeof(mode));
	nl_put_be32(&b, NFULA_CFG_NLBUFSIZ, SYN_BUFFER);
	nl_put_be32(&b, NFULA_CFG_QTHRESH, 1);
	rc = nl_send(&nl, &b, e);
	nl_batch_release(&b);
	if (rc) {
		nl_close(&nl);
		return err_hint(e, "the kernel needs nfnetlink_log (CONFIG_NETFILTER_NETLINK_LOG)");
	}
	syns = (struct watch){.fd = nl.fd, .ready = syns_ready};
	return loop_add(&relay_loop, &syns, EPOLLIN) ? err_set(e, errno, "watching for connections") : 0;
}

/* --- start ---------------------------------------------------------------------------------------- */

int relay_tcp_start(struct relay_ports *ports, struct err *e)
{
	static const int family[2] = {AF_INET, AF_INET6};
	int i;

	table.max = netd_fds_max > 2 * FD_OTHER ? (size_t)(netd_fds_max - FD_OTHER) / 2 : (size_t)netd_fds_max / 4;
	if (table.max > FLOWS_MAX)
		table.max = FLOWS_MAX;
	random_bytes(&hash_seed, sizeof(hash_seed));
	for (i = 0; i < 1 + relay_has_ipv6(); i++) {
		listeners[i].fd = relay_listener(family[i], SOCK_STREAM, &ports->tcp[i], e);
		listeners[i].ready = listener_ready;
		if (listeners[i].fd < 0)
			return -1;
		set_options(listeners[i].fd); /* what is accepted has them from its first byte on */
		if (loop_add(&relay_loop, &listeners[i], EPOLLIN))
			return err_set(e, errno, "watching the relay's listener");
	}
	spare = fcntl(listeners[0].fd, F_DUPFD_CLOEXEC, 0);
	return open_syns(e) || relay_workers_start(e) ? -1 : 0;
}

void relay_tcp_info(json_t *out)
{
	pthread_mutex_lock(&table.lock);
	json_set_int(out, "tcp_flows", (int64_t)table.used);
	json_set_int(out, "tcp_flows_max", (int64_t)table.max);
	json_set_int(out, "tcp_opened", (int64_t)table.opened);
	json_set_int(out, "tcp_refused", (int64_t)n_refused);
	pthread_mutex_unlock(&table.lock);
}
