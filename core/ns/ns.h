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
/* The same for the text of such a file; @file is only a name for messages. */
int idmap_compute_text(struct span text, const char *file, uid_t uid, const char *name, uint32_t own_id,
	struct idmap *m, struct err *e);
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

/**
 * idmap_write() - Install one map in another process's user namespace
 * @procfd:	/proc/PID of the target, O_PATH: a pid can be recycled between a check of its owner and
 *		this write, a descriptor cannot
 * @file:	"uid_map" or "gid_map"
 *
 * Return: 0, or -1 with @e set and nothing installed
 */
int idmap_write(int procfd, const char *file, const struct idmap *m, struct err *e);
/* Forbid setgroups(2) there, for good. */
int idmap_deny_setgroups(int procfd, struct err *e);

/* --- users and their subordinate ids --- */

struct ns_user {
	uid_t uid;
	gid_t gid;
	char name[256]; /* "" if nobody knows */
};

/* Who we are.  Users of LDAP are not in /etc/passwd: their login has told the environment (USER). That
 * is for choosing what to ask for; newuidmap judges it. */
void ns_user_self(struct ns_user *u);

/* Where subordinate ids are looked up, as RootlessKit's --subid-source.  auto: getsubids where
 * /etc/nsswitch.conf names a source of subids, /etc/subuid and /etc/subgid otherwise. */
enum subid_source { SUBID_AUTO, SUBID_DYNAMIC, SUBID_STATIC };
/* "auto", "dynamic", "static", or "".  0, or -1. */
int subid_source_parse(const char *text, enum subid_source *source);

/**
 * idmap_of_user() - Both maps of a user: all ids he was given
 * @source:	Where to look; getsubids is waited for, 30 s at most
 * @uids, @gids: Filled in as idmap_compute() does
 *
 * Return: 0; -1 with RootlessKit's text and what root can do about it
 */
int idmap_of_user(const struct ns_user *u, enum subid_source source, struct idmap *uids, struct idmap *gids,
	struct err *e);

/* How many subordinate ids of the kind was this user given?  Asked as SUBID_AUTO. */
uint64_t idmap_count_subids(const struct ns_user *u, bool gids);
/* The ids of a map, its user's own among them. */
uint64_t idmap_size(const struct idmap *m);
#define SUBIDS_USUAL 65536 /* so many images of distributions count on: "nobody" is 65534 */

/* What getsubids(1) prints ("0: name 100000 65536") as lines of a subid file with @uid as the owner;
 * what is no such line is left out. */
void subid_from_getsubids(struct span said, uid_t uid, struct buf *lines);
/* Were all of [@start, @start + @count) given to this user by @file (several lines together will do)?
 * -1 with @e if it cannot be read; false for an empty range. */
int subid_covers(const char *file, uid_t uid, const char *name, uint32_t start, uint32_t count, struct err *e);
/* The same for the text of such a file. */
bool subid_covers_text(struct span text, uid_t uid, const char *name, uint32_t start, uint32_t count);

/* Does /etc/nsswitch.conf have subids looked up elsewhere than in files? */
bool subid_service_configured(void);
/* What that name service gives to a user, as lines of a subid file with @uid as the owner.  For a program that lends
 * privilege: the user has no say in the answer.  Needs CAP_SETUID (or, with @gids, CAP_SETGID), and waits for the
 * programs it asks.  False: there is no such service, or it knows nothing of him. */
bool subid_service_lines(bool gids, uid_t uid, struct buf *lines);

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
