/* SPDX-License-Identifier: MIT */
/*
 * core/net/module.h - private to netd: what its parts (relay, ports, DNS) get and give
 *
 * A part is a struct module, listed in netd.c.  When netd starts, the main thread calls each start(), in
 * order, then gives up privilege, then answers requests for ever, one at a time.
 *
 * Two sides.  The main thread and all threads it starts are in the host's network namespace: socket()
 * there is a socket of the host.  Sockets of the inside come from inside_socket(), from any thread,
 * at any time; they may then be used, accepted from, and polled by any thread.  So a part needs no
 * thread inside: one host-side thread with an epoll of its own (loop.h) has sockets of both.
 *
 * Privilege (netd_isolate.c).  When start() is called netd has CAP_NET_ADMIN and CAP_NET_RAW (over the
 * inside alone: IP_TRANSPARENT, SO_MARK, raw sockets) and an empty root directory.  After all have
 * started, a system call works only if a "#syscalls" comment below core/net lists it: list what you call,
 * in the file that calls it.  What is needed from elsewhere (a socket inside a container for DNS, the
 * text of /etc/resolv.conf) the engine makes (netns_socket()) and sends.
 *
 * Marks.  Packets that netd itself sends on the inside and that must not be relayed again come from
 * sockets with SO_MARK MARK_OWN; MARK_RELAY is how packets are routed to the relay's listeners.
 */
#ifndef NET_MODULE_H
#define NET_MODULE_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define MARK_RELAY 0x636f7201u /* routed to lo (table RELAY_TABLE) */
#define MARK_OWN 0x636f7202u   /* netd's own: leave it alone */
#define RELAY_TABLE 0x636f72u  /* routing table: everything is local */

/**
 * module_op - Do what one request asks
 * @req:	The request, borrowed
 * @fds, @n_fds: Its descriptors; those the handler keeps it sets to -1, the others are closed after
 * @answer:	An empty object to add members to
 *
 * Runs on netd's main thread; must not block on a peer.  Everything in @req is checked by the handler:
 * the engine is trusted, but a bug of it must not be one of ours.
 *
 * Return: 0, or -1 with @e: it is the answer
 */
typedef int module_op(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e);

struct module {
	const char *name;
	/* -1 with @e set if this part cannot work here: netd goes on without it, its operations answer
	 * with that error, and "info" tells it.  May be NULL. */
	int (*start)(struct err *e);
	/* Adds members to what "info" answers under .name.  May be NULL. */
	void (*info)(json_t *out);
	struct {
		const char *name; /* "ports.add"; NULL: the end */
		module_op *fn;
	} ops[16];
};

/* Does the relay work?  If not, packets for foreign addresses do not come to us: another driver has them.  Known to the
 * modules behind it when they start. */
extern bool netd_relays;

/* Connections take descriptors up to a reserve, which is for everything else: else whoever opens many could keep
 * netd from answering, or from ending others' connections well. */
extern int netd_fds_max; /* for connections: a number that none of their descriptors reaches */

extern const struct module relay_module, dns_module, port_module;

/* A socket(2) of the inside: descriptor, O_CLOEXEC (and with @type's other flags), or -1 and errno.  Any
 * thread; some 10 us. */
int inside_socket(int family, int type, int protocol);
/* While starting: write a file of the inside's /proc/sys, "net/ipv4/ip_forward".  0, or -1 with @e. */
int inside_sysctl(const char *path, const char *value, struct err *e);
/* Run @fn by the thread that lives inside, and wait: what it opens, it opens there.  Any thread but that
 * one.  Returns what @fn returned. */
int inside_run(int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

#endif
