/* SPDX-License-Identifier: MIT */
/*
 * core/engine/limits.h - what of a HostConfig the monitor holds a container to
 */
#ifndef ENGINE_LIMITS_H
#define ENGINE_LIMITS_H

#include "base/json.h"
#include "limits/soft.h"

struct soft_limits limits_of(const json_t *host);
/* Append what the user should know about the limits asked for. */
void limits_warn(const json_t *host, json_t *warnings);

#endif
