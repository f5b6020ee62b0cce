/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_server.h - private to published ports in netd: what their files share
 *
 *	port_module.c	the requests of the engine; the table of ports
 *	port_tcp.c	accepting, connecting, handing over to a worker
 *	port_udp.c	flows of datagrams
 *	port_target.c	which address a client is shown to the container with; the socket for that
 *
 * The table, the listeners and the datagrams belong to the thread "ports", which runs ports.loop;
 * TCP connections that stand, each to its worker.
 */
#ifndef NET_PORT_SERVER_H
#define NET_PORT_SERVER_H

#include "net/inet.h"
#include "net/loop.h"
#include "net/peer.h"
#include "net/port.h"

#include <stddef.h>

#define PORT_SUBNETS_MAX 32

struct port_entry;

struct port_listener {
	struct watch w; /* fd -1: there is none */
	struct port_entry *port;
	bool inside; /* for containers that go to the gateway's address; else the host's */
};

struct port_entry {
	struct port_entry *next;
	struct ports *ports;
	uint64_t serial; /* never used again, rising: connections that stand refer to it */
	int id;		 /* what people call it; given again after a restart of netd */
	struct port port;
	char owner[ID_LEN + 1]; /* "": no container */
	bool has4, has6;
	struct peer to4, to6;
	struct subnet subnets[PORT_SUBNETS_MAX];
	size_t n_subnets;
	struct port_listener host, inside;
	struct port_connecting *connecting; /* port_tcp.c */
};

struct ports {
	struct loop loop;
	struct port_entry *entries;
	int64_t alarm; /* what the loop's is set to, INT64_MAX: nothing */
};

/* How a socket of the inside is made: inside_socket(), or a test's. */
extern int (*port_inside_socket)(int family, int type, int protocol);

/* Have the loop call the ticks at @mono_ns or earlier. */
void ports_alarm(struct ports *p, int64_t mono_ns);

/* --- port_target.c --- */
/**
 * port_connect() - Connect a socket of the inside to a port's container, for one client
 * @type:	SOCK_STREAM (it may still be connecting) or SOCK_DGRAM
 *
 * From the client's own address and port if the container's answers would find back to us from there;
 * else from the gateway's.  Another port, where that one is in use towards this container.
 *
 * Return: a non-blocking descriptor, or -1 and errno
 */
int port_connect(const struct port_entry *p, const struct peer *client, bool inside, int type);

/* --- port_answers.c --- */
extern bool port_answered; /* what containers answer to foreign addresses comes to us */
/* Have it come to us; with the relay it does so anyhow.  Before anything is served.  0, or -1 with @e. */
int port_answers_start(struct err *e);

/* --- port_tcp.c --- */
int port_tcp_start(struct err *e); /* the workers */
void port_tcp_ready(struct watch *w, uint32_t events);
void port_tcp_close(struct port_entry *p); /* its connections, in whatever state */
void port_tcp_tick(struct ports *p);

/* --- port_udp.c --- */
void port_udp_ready(struct watch *w, uint32_t events);
void port_udp_close(struct port_entry *p);
int64_t port_udp_tick(int64_t now); /* the next time, INT64_MAX: none */
size_t port_udp_flows(void);

/* --- port_module.c: for tests --- */
int ports_init(struct ports *p, struct err *e);
/* Serve on @fd (taken over in any case; -1: only lead an entry that is there to other addresses).  @e as
 * ever; @what is copied. */
int ports_add(struct ports *p, const struct port_entry *what, int fd, struct err *e);
/* All of that owner's (id 0), or the one of that number: was there any? */
bool ports_close(struct ports *p, const char *owner, int id);

#endif
