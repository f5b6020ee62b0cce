/* SPDX-License-Identifier: MIT */
/*
 * core/engine/links.h - --link on the default bridge: what one container is told of another
 *
 * Legacy, and still used: the linked container's address and ports come as environment variables
 * and as a line of /etc/hosts.  HostConfig.Links keeps "<container id>:<alias>", so that renames
 * change nothing; shown is "/name:/owner/alias".  On other networks links are names for the DNS
 * server, which are an endpoint's (NetworkingConfig), not these.
 */
#ifndef ENGINE_LINKS_H
#define ENGINE_LINKS_H

#include "base/str.h"
#include "engine/container.h"

/* "name", "name:alias", "/name:/owner/alias" of a request: new array of "<id>:<alias>", NULL with @e. */
json_t *links_resolve(struct engine *en, const json_t *asked, struct err *e);
/* What inspect shows for HostConfig.Links: new reference, JSON null if there are none (any more). */
json_t *links_shown(struct engine *en, struct container *c);
/* Take a link away, "owner/alias" or "/owner/alias", from hosts too.  ERR_NOT_FOUND if there is none. */
int links_remove(struct engine *en, const char *name, struct err *e);
/* {"<id>": ["/owner/alias", …]}: by what other names containers go.  New reference. */
json_t *links_names(struct engine *en);
/* For a start (@host: its HostConfig) or an exec: environment variables, to the array @env, and lines
 * for /etc/hosts, to @hosts.  Either may be NULL.  -1: a linked container does not run. */
int links_tell(struct engine *en, struct container *c, const json_t *host, json_t *env, struct buf *hosts,
	struct err *e);

/* The variables for one linked container: @alias as its user wrote it, @name "/owner/alias", @ip its
 * address, @config its Config.  For links_tell(), and to be tested. */
void links_env(json_t *env, const char *alias, const char *name, const char *ip, const json_t *config);

#endif
