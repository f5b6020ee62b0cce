/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/ids.c - which ids the engine's user namespace gets
 *
 * Theory of operation
 *   With subordinate ids and newuidmap: all of them. Without: one id, with a warning, unless
 *   --require-subids (or a --subid-source) says that this is not wanted.  A newuidmap that is
 *   there and fails is an error in any case: the data of the last start may belong to those ids.
 */
#include "supervisor.h"
#include "base/log.h"
#include "base/str.h"
#include "ns/ns.h"

#include <stdlib.h>

#define MAP_ERROR "[rootlesskit:parent] error: failed to setup UID/GID map"

static void warn_single(const struct config *c, const struct err *why)
{
	log_warn("one id is mapped (%s): what runs in containers as another user than root, as with su, apt "
		 "or most servers, will fail, and files keep no other owner",
		c->want_single_id ? "as --single-id asks" : why->msg);
	if (!c->want_single_id && why->hint[0])
		log_warn("hint: %s", why->hint);
}

int ids_map(pid_t engine, const struct config *c, bool quiet, struct err *e)
{
	/* Static: 8 KiB that a small stack need not have. */
	static struct idmap uids, gids;
	struct err why = ERR_INIT;
	enum subid_source source;
	struct ns_user u;

	subid_source_parse(flags_kit()->subid_source, &source);
	ns_user_self(&u);
	if (c->want_single_id || idmap_of_user(&u, source, &uids, &gids, &why) ||
		!idmap_can_apply(&why)) {
		if (c->require_subids) {
			*e = why;
			return err_wrap(e, MAP_ERROR);
		}
		if (!quiet)
			warn_single(c, &why);
		idmap_single(u.uid, &uids);
		idmap_single(u.gid, &gids);
	}
	if (!quiet && uids.n > 1 && (idmap_size(&uids) <= SUBIDS_USUAL || idmap_size(&gids) <= SUBIDS_USUAL))
		log_warn("%llu uids and %llu gids are mapped, fewer than the %u that images count on: some cannot be unpacked; "
			 "'setuptool check' says what to add to /etc/subuid and /etc/subgid",
			(unsigned long long)idmap_size(&uids), (unsigned long long)idmap_size(&gids), SUBIDS_USUAL + 1);
	return idmap_apply(engine, &uids, &gids, e) ? err_wrap(e, MAP_ERROR) : 0;
}
