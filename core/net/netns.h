/* SPDX-License-Identifier: MIT */
/*
 * core/net/netns.h - doing something in another network namespace
 *
 * A network namespace is a property of a thread: socket(2), unshare(2) and /proc/sys/net act on that
 * of the calling thread; a socket stays in the one it was made in, whoever uses it, and accept(2) makes
 * its sockets where the listener is.  There is no way back to the host's namespace from a user
 * namespace (setns(2) would need a capability over the host), so nothing ever leaves it but threads
 * made for that.
 */
#ifndef NET_NETNS_H
#define NET_NETNS_H

#include "base/err.h"

#include <stdbool.h>

/**
 * netns_run() - Run a function in a network namespace
 * @netns:	Descriptor of it (nsfs, or a pidfd), borrowed; -1: a new one is made
 * @fn:		Runs in a thread of its own that has entered it; returns 0 or -1 with @e set
 *
 * Blocks until @fn has returned.  About 50 us.  Needs CAP_SYS_ADMIN over the owner of @netns.
 *
 * Return: what @fn returned, or -1 with @e set
 */
int netns_run(int netns, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

/* Make a network namespace, owned by our user namespace.  Descriptor, or -1 with @e. */
int netns_new(struct err *e);

/* socket(2) in @netns, or where the calling thread is (-1).  Descriptor, O_CLOEXEC, or -1 with @e. */
int netns_socket(int netns, int family, int type, int protocol, struct err *e);

/**
 * netns_open_pinned() - Open the network namespace kept at a name, or make one and keep it there
 * @dirfd, @name: A file; it becomes a mount point in our mount namespace, and the namespace lives as
 *		long as that mount does
 * @made:	Set if it is a new one, with nothing but lo in it, down
 *
 * Return: descriptor, or -1 with @e set
 */
int netns_open_pinned(int dirfd, const char *name, bool *made, struct err *e);

#endif
