/* SPDX-License-Identifier: MIT */
/*
 * core/net/driver.h - the network drivers by name: programs of the host that connect a namespace to it
 *
 *	slirp4netns		user-mode TCP/IP on a tap device it makes itself
 *	pasta			the same without copying where it can; forwards ports by itself ("implicit")
 *	vpnkit			frames over a socket; we have the tap device (driver_tap.c)
 *	gvisor-tap-vsock	its gvproxy, which speaks vpnkit's protocol among others
 *	lxc-user-nic		set-user-ID root: a veth pair to a bridge that root allowed; addresses by DHCP
 *
 * Used by rootlesskit for --net, and by the engine's supervisor for DOCKERD_ROOTLESS_ROOTLESSKIT_NET and where
 * the kernel lacks what our relay needs.  A driver runs in the user's own namespaces, as a child of
 * the caller, and ends with it.
 */
#ifndef NET_DRIVER_H
#define NET_DRIVER_H

#include "base/err.h"
#include "net/inet.h"

#include <stdbool.h>
#include <sys/types.h>

struct driver_options {
	const char *name;
	const char *mtu;		 /* a number, as it was given; "" or "0": the driver's default */
	const char *cidr;		 /* of slirp4netns and pasta; "": 10.0.2.0/24 */
	const char *ifname;		 /* "": tap0, or eth0 of lxc-user-nic */
	const char *binary;		 /* of the driver, "": by its usual name */
	const char *bridge;		 /* of lxc-user-nic; "": lxcbr0 */
	const char *sandbox, *seccomp;	 /* slirp4netns: "auto", "true", "false" */
	bool no_host_loopback, ipv6, debug;
	bool implicit;			 /* pasta forwards whatever listens inside */
	bool api;			 /* slirp4netns: with the socket that adds ports */
};

/* Where: the network namespace of a process, or one kept at a path as that process sees it. */
struct driver_place {
	pid_t pid;
	const char *netns; /* NULL: that of @pid */
	const char *dir;   /* for sockets and pid files; absolute */
};

struct driver {
	pid_t program, tap;	/* children, 0: none */
	int exit_fd, tap_fd;	/* closing them ends the children; -1 */
	char ifname[16];
	char dns[INET_TEXT], child_ip[INET_TEXT], gateway[INET_TEXT];
	char api[108];		/* path of slirp4netns' socket, or "" */
};
#define DRIVER_INIT { 0, 0, -1, -1, "", "", "", "", "" }

/* Is it a driver's name?  "host", "none" and "relay" are none. */
bool driver_known(const char *name);
/* May it be chosen?  Mistakes in what was asked for, in RootlessKit's words. */
int driver_check(const struct driver_options *o, struct err *e);
/* The @n-th address of the network of slirp4netns and pasta, as RootlessKit gives them out: 2 the gateway, 3 the
 * name server, 100 ours.  @len: of the subnet; may be NULL. */
int driver_address(const char *cidr, uint8_t n, char out[INET_TEXT], unsigned int *len, struct err *e);
/* Is the program there, and new enough?  If not, @e names the package.  Runs it (--help), so single-threaded
 * callers only. */
int driver_installed(const struct driver_options *o, struct err *e);

/**
 * driver_start() - Start it, and wait until the network is there
 *
 * Blocks for what the program needs, 10 s at most (30 s for DHCP).  Single-threaded callers only.  Their
 * dead children are the caller's to reap: driver_reaped() says what a pid was.
 *
 * Return: 0 with *d; -1 with @e and nothing left running
 */
int driver_start(struct driver *d, const struct driver_options *o, const struct driver_place *p, struct err *e);
/* Let the bridges of that namespace out by the driver, and nowhere else: forwarding, routes, and addresses
 * rewritten where the program knows a single one.  After each start.  0, or -1 with @e. */
int driver_forward(struct driver *d, const struct driver_options *o, const struct driver_place *p, struct err *e);
void driver_stop(struct driver *d); /* and reap */
/* A child has been reaped: was it one of the driver's, so that there is no network now? */
bool driver_reaped(struct driver *d, pid_t pid);

/* driver_forward.c.  In the namespace: do that; and keep a bridge from it, or let it again. */
int driver_forward_here(const char *ifname, const char *gateway, bool masquerade, struct err *e);
struct nl;
int driver_close_bridge(const struct nl *inside, const char *bridge, bool remove, struct err *e);

/* The role ":tap" (driver_tap.c). */
int tap_role_main(int argc, char **argv);

/* What it is told, as arguments: how to get in, then what to do there. */
enum { TAP_CONTROL = 3, TAP_SOCKET }; /* SOCK_SEQPACKET to the parent; vpnkit's stream, or none */

struct tap_ready { /* what it answers, once: */
	bool ok;
	struct err err;	      /* of !ok */
	bool want_nic;	      /* the namespace is entered: make the link now, and send any byte */
	char dns[INET_TEXT], ip[INET_TEXT], gateway[INET_TEXT];
};

#endif
