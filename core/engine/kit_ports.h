/* SPDX-License-Identifier: MIT */
/*
 * core/engine/kit_ports.h - the ports that rootlessctl lists, adds and removes: netd's
 *
 * Those of containers are among them, as the real engine's are among RootlessKit's.  What was added by number is
 * kept in <exec-root>/kit-ports.json, from which it is served again after the end of netd or of the engine; it
 * ends with the supervisor, as RootlessKit's ports with RootlessKit.
 */
#ifndef ENGINE_KIT_PORTS_H
#define ENGINE_KIT_PORTS_H

#include "net/kit_port.h"

struct engine;

/* Any thread in the host's network.  @en is a struct engine, as struct kit_api has it. */
int kit_ports_add(void *en, struct kit_port *p, struct err *e); /* p->id is set */
int kit_ports_remove(void *en, int id, struct err *e);
struct kit_port *kit_ports_list(void *en, size_t *n); /* to free() */

/* After the start of an engine or of a netd: have them served.  What cannot be is logged, and gone. */
void kit_ports_restore(struct engine *en);
void kit_ports_drop(struct engine *en);

#endif
