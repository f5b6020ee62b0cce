/* SPDX-License-Identifier: MIT */
/*
 * core/engine/limits.h - the limits of a HostConfig, and who holds them
 */
#ifndef ENGINE_LIMITS_H
#define ENGINE_LIMITS_H

#include "base/json.h"
#include "limits/driver.h"

/* The driver that the configuration asks for ("exec-opts": native.cgroupdriver), or NULL. Borrowed. */
const char *limits_driver_asked(const json_t *exec_opts);

/* "resources" in the words of the OCI runtime-spec; new reference. */
json_t *limits_resources(const json_t *host);

/* CPUs that a container's processes are to start on, as no controller holds them there: "" is all. */
const char *limits_affinity(const struct cgroup_driver *d, const json_t *host);
/* How many processes are to be held to by a user namespace (ns/cage.h), as no controller does; 0: not. */
int64_t limits_cage(const struct cgroup_driver *d, const json_t *host);

/* Append what the user should know about the limits asked for. */
void limits_warn(const struct cgroup_driver *d, const json_t *host, json_t *warnings);
/* And about limits in general here, for `docker info`. */
void limits_warn_all(const struct cgroup_driver *d, json_t *warnings);

#endif
