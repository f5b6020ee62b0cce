/* SPDX-License-Identifier: MIT */
/*
 * core/engine/host_dns.h - netd's name server asks the servers that the host uses now
 */
#ifndef ENGINE_HOST_DNS_H
#define ENGINE_HOST_DNS_H

#include "engine/engine.h"

/* Tell netd what the host's resolv.conf names.  Any thread; may wait for netd.  Failures are logged. */
void host_dns_tell(struct engine *en);
/* Follow that file from now on: before the watcher's thread runs. */
void host_dns_watch(struct engine *en);
/* On that thread: something has changed under @wd, ours or not; @name: in that directory, or "". */
void host_dns_event(struct engine *en, int wd, const char *name);

#endif
