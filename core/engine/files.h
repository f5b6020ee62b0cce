/* SPDX-License-Identifier: MIT */
/*
 * core/engine/files.h - a container's /etc/hosts and /etc/resolv.conf, where its networks matter
 */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include "engine/engine.h"

struct container;

/* The servers of --dns, or daemon.json's: a new array, empty where the host's are to be asked. */
json_t *files_name_servers(struct engine *en, const json_t *host);
/* The servers that the host's resolv.conf names: a new array. */
json_t *files_host_servers(void);
/* Does an option of --dns-option, or daemon.json's, set ndots? */
bool files_ndots_set(struct engine *en, const json_t *host);
/* Is its name server the one at 127.0.0.11? */
bool files_needs_resolver(struct engine *en, struct container *c);
/* Its endpoints have changed while it runs: bring hosts and resolv.conf up to date, the latter unless it
 * was edited. Failures are logged. */
void files_follow(struct engine *en, struct container *c);
/* A link of its is gone while it runs: the line of hosts goes. */
int files_forget_link(struct engine *en, struct container *c, const char *alias, struct err *e);

#endif
