/* SPDX-License-Identifier: MIT */
/*
 * core/ns/ns.h - the user namespace the engine lives in, and its id maps
 */
#ifndef NS_NS_H
#define NS_NS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IDMAP_EXTENTS_MAX 340 /* Linux 4.15, user_namespaces(7) */

struct idmap_extent {
	uint32_t inside, outside, count;
};

struct idmap {
	struct idmap_extent at[IDMAP_EXTENTS_MAX];
	size_t n;
};

/* The map for user @uid (@name may be NULL): 0 -> @own_id, then every subordinate range of @file
 * (/etc/subuid or /etc/subgid; entries by name or by number, several) from 1 on. A user without
 * ranges: ERR_NOT_FOUND, with RootlessKit's text "No subuid ranges found for user 1001 (\"name\")". */
int idmap_compute(const char *file, uid_t uid, const char *name, uint32_t own_id, struct idmap *m,
	struct err *e);
/* Write both maps of process @pid: through newuidmap/newgidmap, or by ourselves where one extent or
 * our capabilities allow it. */
int idmap_apply(pid_t pid, const struct idmap *uids, const struct idmap *gids, struct err *e);

/* Parse one line of a subid file; for the fuzzer and tests. */
#include "base/str.h"
int subid_parse_line(struct span line, struct span *owner, uint32_t *start, uint32_t *count);

/* Enter the user and mount namespace of a living process (a monitor of an earlier engine). */
int ns_join(int pidfd, struct err *e);
/* Text like "0 1000 1\n1 100000 65536\n" of a process's map, "self" or a pid. */
#endif
