/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_server.h - private to the name server in netd: what its files share
 *
 *	dns_server.c	sandboxes, their sockets, what a query is answered with; the loop
 *	dns_tcp.c	connections of clients
 *	dns_forward.c	queries on their way to a server of the host, or of --dns
 *	dns_module.c	the requests of the engine
 *
 * All of it runs on the name server's own thread, which has no lock: requests come in as jobs.
 */
#ifndef NET_DNS_SERVER_H
#define NET_DNS_SERVER_H

#include "net/dns_names.h"
#include "net/dns_wire.h"
#include "net/loop.h"
#include "net/peer.h"

#define DNS_SERVERS_MAX 16
#define DNS_TRY_MS 2000
#define DNS_FLIGHTS_MAX 1024	 /* queries on their way, each with a socket, of all containers */
#define DNS_BOX_FLIGHTS_MAX 256 /* of one */
#define DNS_CONNECTIONS_MAX 64	 /* TCP clients of one container */

struct dns_servers {
	struct peer at[DNS_SERVERS_MAX];
	size_t n;
};

/* A sandbox: one container's 127.0.0.11:53. */
struct dns_box {
	struct dns_box *next;
	struct dns *dns;
	char *id;
	struct dns_member *member;
	struct watch udp, tcp;
	bool own_servers; /* --dns: reached out of the containers' side; else the host's, from the host */
	struct dns_servers servers;
	bool ndots_set;
	struct dns_flight *flights;
	struct dns_connection *connections;
	size_t n_flights, n_connections;
};

struct dns {
	struct loop loop;
	struct dns_names names;
	struct dns_box *boxes;
	struct dns_servers host; /* the host's resolv.conf */
	int64_t try_ns; /* how long one server has for its answer */
	size_t n_flights;
	int64_t alarm; /* what the loop's is set to; INT64_MAX: none */
	uint8_t buffer[DNS_MESSAGE_MAX]; /* a message that comes in */
	uint8_t answer[DNS_MESSAGE_MAX]; /* and our own answer to it */
	struct dns_found found;
};

/* Who asked, and is to be answered. */
struct dns_client {
	struct dns_box *box;
	struct dns_connection *connection; /* NULL: by UDP */
	struct peer peer;		   /* of UDP */
};

/* --- dns_server.c --- */

/* 0, or -1 with @e and nothing made.  loop_start() the loop afterwards, or loop_once() it. */
int dns_init(struct dns *d, struct err *e);
void dns_release(struct dns *d); /* of one whose loop does not run */

struct dns_box *dns_box_find(struct dns *d, const char *id);
/* Serve on two bound sockets (the TCP one listens), non-blocking; both are taken over.  NULL with @e,
 * and they are closed. */
struct dns_box *dns_box_open(struct dns *d, const char *id, int udp, int tcp, struct err *e);
void dns_box_close(struct dns *d, struct dns_box *box);

/* Answer a message of a client: now, later, or not at all.  -1: nothing that deserves an answer. */
int dns_handle(const struct dns_client *client, const uint8_t *msg, size_t n);
/* Send an answer to a client. */
void dns_reply(const struct dns_client *client, const uint8_t *msg, size_t n);
/* Answer with an error code, recursion being unavailable. */
void dns_refuse(const struct dns_client *client, const struct dns_query *q, int rcode);
/* Have the loop call us at @mono_ns or earlier. */
void dns_alarm(struct dns *d, int64_t mono_ns);

/* --- dns_tcp.c --- */
void dns_tcp_ready(struct watch *listener, uint32_t events); /* of dns_box.tcp */
void dns_connection_reply(struct dns_connection *c, const uint8_t *msg, size_t n);
void dns_connections_close(struct dns_box *box);
int64_t dns_connections_tick(struct dns_box *box, int64_t now); /* the next time, INT64_MAX: none */

/* --- dns_forward.c --- */

/* Ask the servers; the client is answered in any case.  @q is copied. */
void dns_forward(const struct dns_client *client, const struct dns_query *q);
/* A client has gone: drop its queries. */
void dns_flights_drop(struct dns_box *box, const struct dns_connection *connection);
int64_t dns_flights_tick(struct dns_box *box, int64_t now); /* likewise */
/* How a socket that reaches a container's own servers is made: inside_socket(), or a test's. */
extern int (*dns_inside_socket)(int family, int type, int protocol);

#endif
