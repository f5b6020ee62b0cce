/* SPDX-License-Identifier: MIT */
/*
 * core/engine/health.h - is a container well?  Its health check, run at intervals
 */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

#include "base/proc.h"
#include "engine/container.h"

/* All but the last with c->lock held. */
void health_begin(struct engine *en, struct container *c);  /* it has been started */
void health_resume(struct engine *en, struct container *c); /* found running, or unpaused */
void health_end(struct container *c);			     /* it ended, or was paused */
const char *health_status(const struct container *c); /* "none", "starting", "healthy", "unhealthy" */
/* c->health_at has come; for the watcher. */
void health_due(struct engine *en, struct container *c);

#endif
