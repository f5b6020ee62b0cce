/* SPDX-License-Identifier: MIT */
/*
 * core/ns/cage.h - a user namespace that holds no more than so many tasks
 *
 * Theory of operation
 *   RLIMIT_NPROC counts the tasks of a user id.  Since Linux 5.14 it does so in each user namespace apart,
 *   and upwards: a task counts for its own id in its own namespace, and there for the id that made the
 *   namespace in the one above, with the limit that its maker had at that moment.  So a namespace that was
 *   made by an id that nobody else has, under a RLIMIT_NPROC of 100, has at most 100 tasks, whatever
 *   ids they take and whatever they do to their own limits; fork(2) beyond that is EAGAIN.  Exempt are
 *   the machine's root and who has CAP_SYS_RESOURCE or CAP_SYS_ADMIN in the initial namespace: nobody in a
 *   container of ours.
 *
 *   The namespace maps every id of the one above to itself, so nothing looks different inside but the
 *   owner of the namespaces that belong to it.  Therefore a container's network namespace is made in here
 *   as well, or its root could not rule it.
 *
 *   The number is fixed for good: the kernel takes it when the namespace is made, and nothing changes it later.
 *   prlimit(2) on the tasks inside is no way to lower it while they run: that counts each id apart, so a
 *   container of three ids would get three times as much; and there is no way back, as raising a hard limit needs
 *   CAP_SYS_RESOURCE in the initial namespace (tried on 6.18: EPERM).  So `docker update --pids-limit` holds from the next
 *   start, and says so.
 *
 *   A helper (role ":cage") takes the id, makes the namespaces, and waits until they were kept by
 *   mounts.  Needs more than one mapped id: with one, everybody's tasks count for the same.
 */
#ifndef NS_CAGE_H
#define NS_CAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define CAGES_MAX 4096 /* owners, from the highest mapped id down */

/* Can there be one?  The ids we have are more than we need for owners. */
bool cage_possible(void);

/**
 * cage_make() - Make a namespace, and keep it at a name
 * @dirfd:	"userns" in it becomes a mount of the user namespace; with @network "netns" one of a network
 *		namespace that belongs to it
 * @owner:	Which of the owners: below CAGES_MAX, and nobody else's now
 * @tasks:	How many there may be
 *
 * Blocks for some milliseconds.
 */
int cage_make(int dirfd, unsigned int owner, uint64_t tasks, bool network, struct err *e);

/* Which owner the namespace kept at @dirfd "userns" has, or -1: there is none. */
int cage_owner(int dirfd);

int cage_role_main(int argc, char **argv);

#endif
