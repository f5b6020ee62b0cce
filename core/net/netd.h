/* SPDX-License-Identifier: MIT */
/*
 * core/net/netd.h - the engine's side of netd, the process that is the containers' network
 *
 * netd relays what containers send out, listens on published ports and answers names.  It is started
 * by the first engine that needs it and outlives engines, as monitors do: the next engine connects to
 * it.  What it works in is the *inside*, a network namespace pinned at <exec-root>/netns: all bridges
 * are there, and they survive netd as well.  Sockets of the outside are in the host's namespace.
 *
 *	<exec-root>/netns	the inside, a mount (netns.h)
 *	<exec-root>/netd.sock	control, SOCK_SEQPACKET, mode 0600
 *	<exec-root>/netd.json	{"pid", "start_time"} of the living netd
 *	<exec-root>/netd.lock	locked by it
 *	<exec-root>/netd.log	what it says
 *
 * Messages: a request is one packet, a JSON object {"op": NAME, ...} with at most NETD_FDS_MAX
 * descriptors; the answer is one packet, {} or members, or {"error": TEXT, "code": ERRNO, "kind": N,
 * "hint": TEXT}.  One after another on a connection; netd greets each with a HELLO.  The operations are
 * in the tables of the modules (module.h).
 *
 * netd forgets everything when it is killed.  Then the engine's watching thread starts the next one and
 * calls `replay`, which makes all calls again that are to hold: operations that set something up
 * accept what is already so.
 */
#ifndef NET_NETD_H
#define NET_NETD_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

#define NETD_PROTOCOL 1	      /* raised when operations change so that old and new do not understand */
#define NETD_MESSAGE_MAX 65536 /* bytes of one request or answer */
#define NETD_FDS_MAX 16	      /* with one request */

/* The relay's nftables table, of IPv4 and of IPv6, and its set of bridges that get no way out: the engine
 * fills that. */
#define NETD_NFT_TABLE "coracle-relay"
#define NETD_NFT_CLOSED "closed"

struct netd;

/**
 * netd_open() - Connect to netd, starting it where none lives
 * @execfd:	exec-root; borrowed, must stay open as long as the result is used
 * @relay:	Containers' way out is netd's relay; else another network driver's (net/driver.h)
 * @replay:	Called by a thread of ours after a netd had to be started again; may use netd_call()
 *		(not while the caller of another netd_call() waits for a lock @replay takes).  Or NULL
 *
 * The caller is in the user and mount namespace netd shall be in, and in the host's network
 * namespace.  A netd of another NETD_PROTOCOL is replaced.  May take some 10 ms.
 *
 * Return: a new object, for the life of the process; NULL with @e set (and no netd started)
 */
struct netd *netd_open(int execfd, bool relay, void (*replay)(void *arg), void *arg, struct err *e);

/* The inside, for setns(2), netns_run() and RTM_NEWLINK's IFLA_NET_NS_FD; borrowed. */
int netd_netns(const struct netd *n);

/**
 * netd_call() - One request and its answer
 * @op:		"info", "ports.add", …
 * @args_steal:	Object with the other members, stolen; NULL: none
 * @fds, @n_fds: Descriptors that go along, borrowed
 * @answer:	New reference, set on success; may be NULL
 *
 * Any thread.  Blocks for other callers and for netd's work, normally well under a millisecond.  If
 * netd ended meanwhile, waits for the next one and asks once more.
 *
 * Return: 0, or -1 with @e: netd's reason with kind and code, or ERR_UNAVAILABLE if there is no netd
 */
int netd_call(struct netd *n, const char *op, json_t *args_steal, const int *fds, size_t n_fds,
	json_t **answer, struct err *e);

/* Tell it to end, as no container is left that needs it.  The inside goes with the last process of
 * our mount namespace.  No netd_call() may follow or be under way. */
void netd_stop(struct netd *n);

/* The pidfd of a netd that lives in @execfd's exec-root, or -1: the next engine joins its namespaces. */
int netd_find(int execfd);

/* The process (applets/roles.h). */
int netd_role_main(int argc, char **argv);

#endif
