/* SPDX-License-Identifier: MIT */
/*
 * core/engine/spec.h - from a container's configuration to what the runtime is asked to do
 */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include "engine/container.h"

/* A start in the making: filled in by the parts below, read by start.c. */
struct start {
	struct engine *en;
	struct container *c;
	json_t *host; /* sparse HostConfig, a reference */
	int dirfd;    /* the monitor's directory */
	struct container *net, *ipc, *pid; /* those whose namespaces are shared, referenced, or NULL */
	size_t n_binds; /* sources mounted in <exec-root>/<id>/mounts */
};

/* Fill in net, ipc and pid: the containers of modes "container:ID", running. */
int spec_peers(struct start *s, struct err *e);
/* What the daemon puts before runc's words about a configuration that it does not take. */
#define RUNC_REFUSES "failed to create task for container: failed to create shim task: OCI runtime create " \
		     "failed: runc create failed"
/* What was accepted by create and is refused now (spec_check.c). */
int spec_check(struct start *s, struct err *e);
/* Write hosts, hostname and resolv.conf (files.c). */
int spec_files(struct start *s, struct err *e);
/* The spec's "mounts" (spec_mounts.c), "linux.devices" (spec_devices.c). */
json_t *spec_mounts(struct start *s, const char **propagation, struct err *e);
json_t *spec_devices(struct start *s, struct err *e);
/* The OCI config.json as far as the engine knows it, without root. */
json_t *spec_build(struct start *s, struct err *e);
/* Environment: PATH, HOSTNAME, TERM and what links tell (@host: its HostConfig) as defaults under the
 * config's own; @more overrides.  NULL with @e: a linked container does not run. */
json_t *spec_env(struct engine *en, struct container *c, const json_t *host, bool tty, const json_t *more,
	struct err *e);
/* {"bounding", "effective", "permitted"} of a list. */
json_t *spec_caps(json_t *caps_steal);
/* The process's "rlimits" and "oomScoreAdj". */
json_t *spec_rlimits(struct engine *en, const json_t *host);
int64_t spec_oom_score(const json_t *host);
struct security;
/* Path of the compiled filter, to free(); NULL: none. */
int spec_seccomp(struct engine *en, const struct security *security, const json_t *caps, char **path,
	struct err *e);
/* Does it have the host's network, itself or through another? */
bool spec_host_network(const struct start *s);
/* ... and is that the namespace of the bridges, as DOCKERD_ROOTLESS_ROOTLESSKIT_DETACH_NETNS=false wants it? */
bool spec_engine_network(const struct start *s);

#endif
