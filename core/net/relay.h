/* SPDX-License-Identifier: MIT */
/*
 * core/net/relay.h - private to the relay: what its files offer each other
 *
 *	relay.c		start: the inside's routes and rules, sysctls; "info"; what may be reached
 *	relay_tcp.c	a SYN to its end: connecting outside, then letting the container in
 *	relay_worker.c	connections that stand, and the threads for large ones (splice.h)
 *	relay_udp.c	datagrams
 *	relay_icmp.c	echo requests; ICMP errors for everybody
 *	relay_packet.c	reading and making packets
 *
 * The thread "relay" runs `relay_loop`: SYNs, connecting, echo.  The thread "relay-udp" has a loop of
 * its own, and each worker has.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include "base/json.h"
#include "net/loop.h"
#include "net/nl.h"
#include "net/relay_packet.h"
#include "net/splice.h"

#define MARK_INJECT 0x636f7203u /* a SYN that is to reach our listener */
#define MARK_PROBE 0x636f7204u	/* a packet asking where it would go without the relay */
#define RELAY_GROUP 0x6372	/* of NFLOG */
#define RELAY_LO4 "192.0.0.8"	/* IPv4 dummy address, RFC 7600: source of processes inside */
#define RELAY_LO6 "100::8"	/* discard-only prefix, RFC 6666 */

extern struct loop relay_loop;

enum { SIDE_INSIDE, SIDE_HOST }; /* of a flow: the container's, the peer's */

/* --- relay.c --- */
/* Where a connection to @dst is to go: itself, or the host's loopback where that is asked for.  False:
 * nowhere, it is an address that a host must not be asked for. */
bool relay_target(const struct inet *dst, struct inet *target);

/* --- relay_inside.c --- */
/* Routes, addresses, sysctls and nft rules of the inside.  Idempotent.  @ports: the transparent sockets',
 * TCP and UDP of each family; 0: that family is not relayed. */
struct relay_ports {
	uint16_t tcp[2], udp[2]; /* IPv4, IPv6 */
};
int relay_inside_setup(const struct relay_ports *ports, struct err *e);
/* The largest packet of a process inside to a foreign address; 0: no limit but lo's. */
int relay_inside_mtu(uint32_t mtu, struct err *e);
bool relay_has_ipv6(void);
/* nl_open(), on the inside. */
int relay_netlink(struct nl *nl, int protocol, struct err *e);
/* A transparent socket bound to the loopback address of that family; its port. */
int relay_listener(int family, int type, uint16_t *port, struct err *e);

/* --- relay_tcp.c --- */
int relay_tcp_start(struct relay_ports *ports, struct err *e);
void relay_tcp_syn(const struct packet *p);
void relay_tcp_info(json_t *out);

enum flow_state {
	FLOW_FREE,
	FLOW_CONNECTING, /* `host` connects */
	FLOW_OFFERED,	 /* it is connected; the SYN was let in, an accept() will follow */
	FLOW_RELAYING,	 /* relay_worker.c's alone */
};

struct flow {
	struct tuple tuple;
	enum flow_state state; /* guarded, as the next, by the lock in relay_tcp.c */
	struct flow *hash_next;
	uint32_t seq; /* of the SYN */
	union {
		struct { /* before it stands, by the relay thread */
			struct watch host;
			int64_t deadline; /* OFFERED */
			struct flow *prev, *next; /* by that */
			uint8_t syn_n, syn[PACKET_TCP_MAX];
		};
		struct { /* RELAYING */
			struct loop_job job;
			struct worker *worker;
			struct splice splice;
		};
	};
};

/* Its descriptors are closed; forget it.  Any thread. */
void relay_flow_forget(struct flow *f);

/* --- relay_worker.c --- */
int relay_workers_start(struct err *e);
/* Relay a flow whose sides are both connected, by these descriptors.  By the relay thread. */
void relay_flow_begin(struct flow *f, int inside, int host);

/* --- relay_udp.c --- */
int relay_udp_start(struct relay_ports *ports, struct err *e);
void relay_udp_info(json_t *out);

/* --- relay_icmp.c --- */
int relay_icmp_start(struct err *e);
void relay_icmp_echo(const struct packet *p);
void relay_icmp_info(json_t *out);
/* Tell t->src that its packet found no way: from t->dst, for an errno of connect(2) or send(2).  Any
 * thread. */
void relay_icmp_error(const struct tuple *t, uint8_t protocol, uint32_t seq, int error);
/* Send a packet that has its IP header.  @mark as SO_MARK.  Any thread. */
void relay_send_raw(const uint8_t *packet, size_t n, const struct inet *dst, bool inject);

#endif
