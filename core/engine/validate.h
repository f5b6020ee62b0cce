/* SPDX-License-Identifier: MIT */
/*
 * core/engine/validate.h - is what a client asks for something a container can be?
 *
 * All take sparse objects (schema.h) and fail with Docker's words.
 */
#ifndef ENGINE_VALIDATE_H
#define ENGINE_VALIDATE_H

#include "base/err.h"
#include "base/json.h"
#include "limits/driver.h"

int validate_config(const json_t *config, struct err *e);
/* @warnings: an array that texts are appended to. */
int validate_host(const struct cgroup_driver *d, const json_t *host, const json_t *config, json_t *warnings, struct err *e);
/* "net.ipv4.conf.eth0.x" is an endpoint's to say, since API 1.48. */
int validate_sysctls(const json_t *host, struct err *e);
/* Only limits; for update as well. */
int validate_resources(const struct cgroup_driver *d, const json_t *host, json_t *warnings, struct err *e);
int validate_restart_policy(const json_t *policy, struct err *e);

/* --- security (security.c) --- */

/* Names as people write them ("sys_admin", "ALL") to a sorted array of "CAP_…" and perhaps "ALL".
 * @what: "CapAdd", for the message.  New reference, or NULL. */
json_t *caps_normalise(const json_t *names, const char *what, struct err *e);
/* The set a container gets: the defaults with additions and drops, or all if privileged. */
json_t *caps_effective(const json_t *host, struct err *e);

struct security {
	bool no_new_privileges;
	bool writable_cgroups;
	const char *seccomp; /* NULL: default; "unconfined"; or a profile's text. Borrowed from host */
	const char *apparmor; /* a profile's name, "unconfined"; NULL: none. Only shown */
};
int security_parse(const json_t *host, bool nnp_default, struct security *s, struct err *e);

/* "container:X" gives X, anything else NULL. */
const char *mode_container(const char *mode);

#endif
