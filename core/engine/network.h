/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network.h - networks, and containers' places in them
 *
 * On disk a network is networks/<id>.json: what inspect shows, without the containers.  A container's
 * place in one is an endpoint; it lasts from a start to the end (or from connect to disconnect) and
 * is kept in <exec-root>/<container id>/network.json, so that it is gone with the machine.
 */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "engine/engine.h"

struct container;
struct network;
struct start;

/* Read them, make the predefined ones, reach netd, and make the bridges.  Before containers_load(). */
int networks_load(struct engine *en, struct err *e);
/* After containers_load(): undo what a crash left half done. */
void networks_settle(struct engine *en);

/* --- the API (network_list.c, network_create.c, network_connect.c) ---------------------------- */

json_t *networks_list(struct engine *en, const json_t *filters, struct err *e);
json_t *network_inspect(struct engine *en, const char *ref, const char *scope, struct err *e);
json_t *network_create(struct engine *en, const json_t *body, struct err *e); /* the answer's object */
int network_remove(struct engine *en, const char *ref, struct err *e);
int network_connect(struct engine *en, const char *ref, const json_t *body, struct err *e);
int network_disconnect(struct engine *en, const char *ref, const json_t *body, struct err *e);
json_t *networks_prune(struct engine *en, const json_t *filters, struct err *e);

/* Name or id of the network that @ref means; NULL: there is none. To free(). */
char *network_name(struct engine *en, const char *ref);
char *network_id(struct engine *en, const char *ref);
/* May a container with these endpoint settings be made? Docker's texts. */
int network_check_endpoints(struct engine *en, const json_t *endpoints, struct err *e);

/* --- a container's life (sandbox.c); the container's op is held ------------------------------- */

/* Make its network namespace at <exec-root>/<id>/netns and its endpoints.  For modes other than host and
 * container:X.  -1 with @e and nothing left. */
int sandbox_open(struct start *s, struct err *e);
/* Give all back. Nothing there: nothing done. */
void sandbox_close(struct engine *en, struct container *c);
/* It runs, as an earlier engine left it: take its endpoints over. */
void sandbox_adopt(struct engine *en, struct container *c, int dirfd);
/* Its name has changed: tell the name server. */
void sandbox_renamed(struct engine *en, struct container *c);
/* Publish "connect" or "disconnect" for the networks of a container that starts or has ended. */
void network_events(struct engine *en, struct container *c, const char *action);

/* --- what a container shows (network_show.c); c->lock is held --------------------------------- */

/* The "NetworkSettings" of inspect; @name is the container's. */
json_t *network_settings(struct engine *en, const struct container *c, const char *name);
/* The shorter form of a list, as text: {"Networks": …}. */
void network_summary_print(const struct container *c, struct buf *out);

/* Who connects the containers' network by a network driver (net/driver.h), "" for any, and says by which; before
 * networks_load(). */
void networks_set_driver(int (*connect)(const char *driver, struct network_way *way, struct err *e));

#endif
