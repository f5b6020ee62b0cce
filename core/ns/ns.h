/* SPDX-License-Identifier: MIT */
/*
 * core/ns/ns.h - the user namespace the engine lives in, its id maps, and what the host allows
 *
 * Making the namespace takes two processes, as only a process outside may map more than one id:
 *
 *	engine				supervisor
 *	ns_unshare()
 *	says so, waits			idmap_compute(), idmap_apply(pid of the engine)
 *	ns_settle()			says so
 *
 * All of it happens while both are single-threaded.
 */
#ifndef NS_NS_H
#define NS_NS_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IDMAP_EXTENTS_MAX 340 /* Linux 4.15, user_namespaces(7) */
#define IDMAP_TEXT_MAX 4096   /* the kernel takes less than one page in one write */

struct idmap_extent {
	uint32_t inside, outside, count;
};

struct idmap {
	struct idmap_extent at[IDMAP_EXTENTS_MAX];
	size_t n;
};

/**
 * idmap_compute() - The map for a user: 0 -> own id, then the subordinate ranges from 1 on
 * @file:	/etc/subuid or /etc/subgid; its name decides the word in messages
 * @uid, @name:	The user; entries name him by either.  @name may be NULL
 * @own_id:	His uid, or gid for the gid map
 * @m:		Filled in, in the order of the file; at[0] is {0, @own_id, 1} even on failure
 *
 * Malformed lines are passed over, as newuidmap does.  Parts of a range that an earlier one has
 * already, ids the kernel has no use for, and what does not fit into a map are left out (the
 * last with a warning in the log).
 *
 * Return: 0; -1 with kind ERR_NOT_FOUND and RootlessKit's text ("No subuid ranges found for user
 * 1001 ("name")") if there is no range, with another kind if the file cannot be read
 */
int idmap_compute(const char *file, uid_t uid, const char *name, uint32_t own_id, struct idmap *m,
	struct err *e);
/* Only @own_id, as 0. */
void idmap_single(uint32_t own_id, struct idmap *m);
/* The kernel's text for it, "0 1000 1\n1 100000 65536\n". Returns its length, or -1 if it would not
 * fit into @size bytes with a terminator. */
ssize_t idmap_format(const struct idmap *m, char *text, size_t size);

/**
 * idmap_apply() - Write both maps of a process's new user namespace
 * @pid:	A child of ours, not reaped, that has called ns_unshare()
 *
 * One extent each: written by ourselves, setgroups(2) denied as the kernel demands.  More: through
 * newuidmap and newgidmap found on PATH (and the usual directories), or by ourselves where we hold
 * CAP_SETUID and CAP_SETGID.  Waits for those programs, 30 s at most.
 *
 * Return: 0, or -1 with @e; RootlessKit's text where newuidmap failed
 */
int idmap_apply(pid_t pid, const struct idmap *uids, const struct idmap *gids, struct err *e);
/* Is there a way to apply more than one extent?  If not, @e says what is missing and how to get it. */
bool idmap_can_apply(struct err *e);

/* Parse one line of a subid file (without its newline): "owner:start:count". The range holds at least
 * one id and ends below 2^32 - 1. 0, or -1. */
int subid_parse_line(struct span line, struct span *owner, uint32_t *start, uint32_t *count);

/* The lowest id from 100000 on that no range of @file reaches: where a new user's range may begin. */
uint32_t subid_free_start(const char *file);

/* Unshare user and mount namespace. -1 with @e->code: EPERM and ENOSPC are the host's policy. */
int ns_unshare(struct err *e);
/* Once mapped: be uid and gid 0, and make all mounts slaves of the host's, so that what the host
 * mounts is seen here and nothing of ours leaks out. */
int ns_settle(struct err *e);
/* Enter the user and mount namespace of a living process (a monitor of an earlier engine), and settle
 * there. ERR_CONFLICT: it lives in our own user namespace. */
int ns_join(int pidfd, struct err *e);
/* Ids mapped in our own user namespace: the lesser of uids and gids; 0 if that cannot be read. */
uint64_t ns_ids_mapped(void);

#endif
