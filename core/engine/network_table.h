/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_table.h - private to network*.c, sandbox.c and files.c: networks and endpoints
 *
 * Locks: c->sandbox before all others; networks->making; en->lock and c->lock; networks->lock, for memory
 * work; networks->kernel, alone, held while the kernel changes links of the inside.
 */
#ifndef ENGINE_NETWORK_TABLE_H
#define ENGINE_NETWORK_TABLE_H

#include "engine/network.h"
#include "net/ipam.h"
#include "net/link.h"

#include <stdatomic.h>

enum { V4, V6, FAMILIES };

struct network {
	atomic_int refs;

	/* Set when it is made, then only read. */
	json_t *doc;	/* what inspect shows, without the containers */
	json_t *wishes; /* of the default bridge: the request it was made of; or NULL */
	char id[ID_LEN + 1];
	const char *name, *driver; /* in doc */
	bool internal, config_only;
	bool icc;		  /* its containers may talk to each other */
	unsigned int mtu;
	char bridge[LINK_NAME_MAX + 1]; /* "": no bridge */
	unsigned int bridge_index;
	struct network_family {
		bool on;
		bool asked; /* the subnet is one that the user named */
		struct subnet subnet;
		struct inet gateway;	 /* what the bridge has; family 0: nothing */
		struct inet via;	 /* what containers are told, where it is another */
	} family[FAMILIES];

	/* Guarded by networks->lock. */
	struct ipam ipam[FAMILIES];
	int users; /* endpoints, and starts and connects that make one */
	bool removed;
};

struct networks {
	pthread_mutex_t lock; /* guards all, n */
	struct network **all;
	size_t n;
	pthread_mutex_t making; /* before lock: one network at a time is made or removed */
	pthread_mutex_t kernel; /* guards inside */
	struct nl inside;
};

#define PORT_PREFIX "veth" /* of the names of containers' ports on a bridge */

/* A running container's place in a network; guarded by the container's lock, changed in its op. */
struct endpoint {
	struct endpoint *next;
	struct network *net; /* a reference and a user */
	char id[ID_LEN + 1];
	char port[LINK_NAME_MAX + 1], ifname[LINK_NAME_MAX + 1]; /* "": no link */
	unsigned int index;		/* of ifname */
	uint8_t mac[6];
	struct inet addr[FAMILIES]; /* family 0: none */
	int64_t priority;		/* GwPriority */
};

/* --- the table (network.c) --- */

/* By name, id or unambiguous prefix of an id: a reference, or NULL with @e. */
struct network *network_get(struct engine *en, const char *ref, struct err *e);
struct network *network_ref(struct network *n);
void network_put(struct network *n);
/* All, in no order, NULL-terminated; networks_free() it. */
struct network **networks_all(struct engine *en);
void networks_free(struct network **all);
bool network_is_predefined(const char *name);
/* One is about to use it: false if it was removed. */
bool network_use(struct engine *en, struct network *n);
void network_unuse(struct engine *en, struct network *n);
/* Enter it; ERR_CONFLICT if the name is taken meanwhile. Takes a reference of its own. */
int network_insert(struct engine *en, struct network *n, struct err *e);
void network_take_out(struct engine *en, struct network *n);
/* Write networks/<id>.json. */
int network_save(struct engine *en, const struct network *n, struct err *e);
/* A network of what networks/<id>.json has in it; NULL with @e. */
struct network *network_of(const json_t *doc, struct err *e);
/* The reserved addresses are no longer free: gateway and auxiliary ones.  -1 with @e if two are the same. */
int network_reserve(struct network *n, struct err *e);
/* An option that is there and a truth value, or else @def. */
bool network_option(const json_t *doc, const char *key, bool def);

/* Does its bridge have an address of that family? */
bool network_has_gateway(const struct network *n, int f);

/* --- the kernel's side (network_kernel.c) --- */

int network_reach_netd(struct engine *en, struct err *fatal); /* -1: a driver asked for by name does not come */   /* sets en->netd, or en->no_netd */
void network_make_bridges(struct engine *en); /* failures are logged */
/* Make its bridge, or bring it to what it should be; take it down. */
int network_make_bridge(struct engine *en, struct network *n, struct err *e);
void network_remove_bridge(struct engine *en, const struct network *n);
/* Remove a link of the inside; "" or one that is not there: nothing.  Failures are logged. */
void network_remove_link(struct engine *en, const char *name);
/* The same for a port, but only silence it now, so that its addresses are free, and let the rest be done
 * meanwhile. */
void network_drop_link(struct engine *en, const char *name);
/* --- making one (network_check.c, network_plan.c) --- */

/* What is asked for, as the API's sparse CreateRequest; the predefined bridge too.  The result is not in
 * the table yet, nor has it a bridge. */
struct network *network_plan(struct engine *en, const json_t *request, const char *id, struct err *e);
/* The predefined bridge as daemon.json wants it; NULL: none wanted, or with @e. */
json_t *network_default_request(struct engine *en, struct err *e);
int network_go_bool(const char *text, bool *v); /* strconv.ParseBool */
/* Is the request good in itself: subnets, driver, options?  @options: with daemon.json's. */
int network_check(const json_t *request, const json_t *options, struct err *e);
#define NETWORK_OPTION "com.docker.network."
#define BRIDGE_OPTION NETWORK_OPTION "bridge."

/* --- endpoints (endpoint.c, network_show.c) --- */

#define ENDPOINT_MAC_TEXT 18
const char *endpoint_mac(const struct endpoint *ep, char out[ENDPOINT_MAC_TEXT]); /* "" without a link */
int endpoint_parse_mac(const char *text, uint8_t mac[6]);

/* Endpoint settings against a network, "invalid endpoint settings:\n…"; @n NULL: not known yet. */
int endpoint_check(const struct network *n, const char *network, const json_t *settings, struct err *e);
/* What links in a container's namespace take over as they are made; before the first one. */
int endpoint_prepare_netns(int netns, struct err *e);
/* The option com.docker.network.endpoint.sysctls (endpoint_sysctl.c): what is wrong with it goes to the array
 * @bad; and what it says is done. */
void endpoint_check_sysctls(const json_t *settings, json_t *bad);
int endpoint_set_sysctls(const struct endpoint *ep, const json_t *settings, int netns, struct err *e);
struct endpoint *endpoint_on(const struct container *c, const char *network); /* c->lock is held */
/* The one whose gateway is the container's, or NULL.  c->lock is held. */
const struct endpoint *endpoint_default(const struct container *c, int family);
/* Docker's DNSNames on a user-defined network. New array. */
json_t *endpoint_names(const struct container *c, const char *container_name, const json_t *settings);
void endpoint_append(struct endpoint **list, struct endpoint *ep);

/* A network namespace at hand, to be worked on. */
struct space {
	int netns; /* -1: the host's */
	struct nl nl;
};
/* An endpoint in @n, not in any list yet; @others: the container's.  NULL with @e and nothing left. */
struct endpoint *endpoint_new(struct engine *en, struct network *n, const json_t *settings,
	const struct endpoint *others, const struct space *space, struct err *e);
/* Undo all there is of it; @drop_link is network_remove_link(), or network_drop_link() where the
 * container's namespace goes anyway. */
void endpoint_free(struct engine *en, struct endpoint *ep,
	void (*drop_link)(struct engine *en, const char *name));
void endpoints_free(struct engine *en, struct endpoint *list); /* by network_drop_link() */
json_t *endpoint_to_json(const struct endpoint *ep);
/* As a former engine left it: its addresses are taken, its link is there.  NULL: its network is gone. */
struct endpoint *endpoint_of(struct engine *en, const json_t *j);

/* --- what netd is told (sandbox_tell.c); c->sandbox is held --- */

int sandbox_tell_names(struct engine *en, struct container *c, int netns, struct err *e);
int sandbox_publish(struct engine *en, struct container *c, struct err *e);
/* Its endpoints have changed: ports lead to where its default route is, if there is one. */
int sandbox_move_ports(struct engine *en, struct container *c, struct err *e);
void sandbox_tell(struct engine *en, struct container *c); /* all of it; failures are logged */

/* --- sandboxes (sandbox.c) --- */

/* Set "NetworkID" in the settings of all networks there are. */
void sandbox_note_networks(struct engine *en, struct container *c);
/* netd was started again: say all that it has to know.  @en: the engine. */
void sandboxes_replay(void *en);
/* Give a container an endpoint if it runs, or take it away; the op is held, and c->networks says so. */
int sandbox_connect(struct engine *en, struct container *c, struct network *n, const json_t *settings,
	struct err *e);
void sandbox_disconnect(struct engine *en, struct container *c, const char *network);

#endif
