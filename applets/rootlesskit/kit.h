/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/kit.h - the parts of rootlesskit (private to applets/rootlesskit*)
 *
 * Two processes of ours, as in RootlessKit, with a SOCK_SEQPACKET pair between them; a message is one
 * struct kit_message:
 *
 *	parent (the user's namespaces)		child (role ":rootlesskit", inside)
 *					<-	MAP_ME: unshared
 *	MAPPED				->
 *					<-	READY: all namespaces are made; pid is the one to enter
 *	(network, state files, ports)
 *	GO: with the name servers	->	mounts, then the command
 *	SOCKET				->
 *					<-	SOCKET, with a descriptor made inside, or err
 *					<-	FAILED, NO_USERNS: with err, and the end
 */
#ifndef ROOTLESSKIT_KIT_H
#define ROOTLESSKIT_KIT_H

#include "api/kit_api.h"
#include "base/err.h"
#include "base/json.h"
#include "net/driver.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KIT_LIST_MAX 64		/* --copy-up, --publish: at most so many each */

struct kit_list {
	const char *v[KIT_LIST_MAX];
	size_t n;
};

struct kit {
	struct kit_list copy_up, publish;
	const char *copy_up_mode, *propagation, *net, *mtu, *cidr, *ifname, *port_driver, *reaper, *evacuate, *state_dir,
		*subid_source, *semver, *slirp_binary, *slirp_sandbox, *slirp_seccomp, *pasta_binary, *vpnkit_binary, *gvproxy_binary,
		*lxc_binary, *lxc_bridge;
	bool debug, no_host_loopback, ipv6, detach_netns, pidns, cgroupns, utsns, ipcns, help, version;
	char **command;
};

/* --- options.c --- */
/* Take the options out of @argv; k->command is the rest.  -1 with @e. */
int kit_parse(struct kit *k, int argc, char **argv, struct err *e);
void kit_help(void);
bool kit_has_netns(const struct kit *k); /* a network of its own, detached or not */
/* The reason at a message's end in Go's words, as RootlessKit has it: the C library's in lower case. */
void kit_words(struct err *e);

/* --- between the two --- */
enum { KIT_CONTROL = 3, KIT_ARGV };

enum kit_word { KIT_MAP_ME = 1, KIT_MAPPED, KIT_READY, KIT_GO, KIT_SOCKET, KIT_FAILED, KIT_NO_USERNS };

struct kit_message {
	enum kit_word word;
	pid_t pid;	  /* READY */
	int family, type; /* SOCKET */
	char dns[64];	  /* GO: "" leaves /etc/resolv.conf alone */
	struct err err;
};

/* --- copyup.c, mounts.c: the child's mounts --- */
int kit_copy_up(const char *dir, struct err *e);
/* Files of the state directory: in an /etc that is a tmpfs of ours, mounted over the host's, or only there. */
enum kit_where { KIT_NOWHERE, KIT_IN_ETC, KIT_OVER_ETC };
/* A resolv.conf that names this server. */
int kit_resolv_conf(const char *state_dir, const char *dns, enum kit_where where, struct err *e);
/* A hosts that knows the host's name as ourselves: its address is not ours. */
int kit_hosts(const char *state_dir, enum kit_where where, struct err *e);
/* With @netns a /sys that shows the network namespace we are in, with @cgroup a cgroup tree that begins at
 * our cgroup namespace's root. */
int kit_sysfs(bool netns, bool cgroup, struct err *e);

/* --- evacuate.c: --evacuate-cgroup2, in the parent --- */
/* Is it a name for a cgroup? */
int evacuate_check(const char *group, struct err *e);
/**
 * evacuate() - Move all processes of our cgroup into a child group, and hand its controllers down
 *
 * A cgroup of version 2 that has processes cannot give controllers to those below it: the child's namespace,
 * whose root that cgroup is, could make none that limits anything.  Without version 2 it is a warning.  What
 * one process or controller refuses is a warning, too.
 */
int evacuate(const char *group, struct err *e);

/* --- network.c: --net and --port-driver, as the parent sees them --- */
struct kit_network {
	struct driver driver; /* of --net=relay nothing runs on the parent's side */
	char dns[64], child_ip[64]; /* "": none */
};

bool kit_net_is(const struct kit *k, const char *name);
/* The program of a driver, as the options name it. */
const char *kit_binary_of(const struct kit *k, const char *net);
/* Check what --net and --port-driver ask for, before anything is made. */
int kit_network_check(const struct kit *k, struct err *e);
/* Start it for the namespaces of @child, and wait until it works. */
int kit_network_start(struct kit_network *n, const struct kit *k, pid_t child, const char *state_dir, struct err *e);

/* --- relay.c: --net=relay, inside --- */
/* The host's name servers, while its resolv.conf can be seen: a vector to strv_free(). */
char **kit_host_servers(void);
/* Make the relay's process for the namespace at STATE/netns (@netns), and the name server at the address that
 * `--cidr` gives it.  The caller is in the host's network namespace.  Threads are started. */
int kit_relay_start(const struct kit *k, const char *state_dir, int netns, char **servers, struct err *e);

/* --- port_slirp.c: the port driver "slirp4netns" --- */
/* Ask slirp4netns at its socket to forward a port to @guest; *id is its name for it. */
int slirp_add_port(const char *api, const struct kit_port *p, const char *guest, int64_t *id, struct err *e);
int slirp_remove_port(const char *api, int64_t id, struct err *e);

/* --- forward.c: the ports, by the port drivers "builtin" and "slirp4netns" --- */
/* Ports go by slirp4netns at that socket, to that address, not by ourselves. */
void forward_by_slirp(const char *api, const char *guest);
/* Listen on it; p->id is set.  @control: the child.  Main thread only, like the next two. */
int forward_add(struct kit_port *p, int control, struct err *e);
int forward_remove(int id, struct err *e);
struct kit_port *forward_list(size_t *n); /* to free() */

#endif
