/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network.h - the networks a container can name: bridge, host and none
 *
 * Kept as networks/<id>.json, so that their ids stay.  User-defined ones are refused for now,
 * and a container on "bridge" has a network namespace of its own with only lo in it.
 */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "engine/engine.h"

struct container;

int networks_load(struct engine *en, struct err *e);
/* Borrowed; by name, id or unambiguous prefix of an id.  NULL: there is none. */
const json_t *network_find(struct engine *en, const char *ref);

json_t *networks_list(struct engine *en, const json_t *filters, struct err *e);
json_t *network_inspect(struct engine *en, const char *ref, const char *scope, struct err *e);
int network_create(struct engine *en, const json_t *body, struct err *e); /* always refuses */
int network_remove(struct engine *en, const char *ref, struct err *e);	  /* likewise */
int network_connect(struct engine *en, const char *ref, const char *container, bool connect,
	struct err *e);
json_t *networks_prune(struct engine *en, const json_t *filters, struct err *e);

/* May a container with these endpoint settings be made? Docker's texts. */
int network_check_endpoints(const json_t *endpoints, struct err *e);

/* The "NetworkSettings" of inspect.  c->lock is held. */
json_t *network_settings(struct engine *en, const struct container *c);
/* The shorter form of a list: {"Networks": …}. Likewise. */
json_t *network_settings_summary(struct engine *en, const struct container *c);
/* Publish "connect" or "disconnect" for the networks of a container that starts or has ended. */
void network_events(struct engine *en, const struct container *c, const char *action);

#endif
