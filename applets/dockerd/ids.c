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

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"
#define SUBIDS_USUAL 65536

#define MAP_ERROR "[rootlesskit:parent] error: failed to setup UID/GID map"

struct who {
	char name[256];
	uid_t uid;
	gid_t gid;
};

/* Users of LDAP are not in /etc/passwd: their login has told the environment. newuidmap checks. */
static void who_am_i(struct who *w)
{
	struct passwd *pw = getpwuid(getuid());
	const char *name = pw ? pw->pw_name : getenv("USER");

	*w = (struct who){.uid = getuid(), .gid = getgid()};
	if (name && strlen(name) < sizeof(w->name))
		strcpy(w->name, name);
}

static void hint_subids(const struct who *w, struct err *e)
{
	uint32_t a = subid_free_start(SUBUID), b = subid_free_start(SUBGID), start = a > b ? a : b;

	if (!*w->name)
		err_hint(e, "as root add the line %u:%u:%u to " SUBUID " and to " SUBGID, w->uid, start,
			SUBIDS_USUAL);
	else
		err_hint(e, "as root add the line %s:%u:%u to " SUBUID " and to " SUBGID
			    ", or run: usermod --add-subuids %u-%u --add-subgids %u-%u %s",
			w->name, start, SUBIDS_USUAL, start, start + SUBIDS_USUAL - 1, start,
			start + SUBIDS_USUAL - 1, w->name);
}

/* All ids of the user, and a way to map them; -1 with @e saying what is missing. */
static int all_ids(const struct who *w, struct idmap *uids, struct idmap *gids, struct err *e)
{
	const char *name = *w->name ? w->name : NULL;

	if (idmap_compute(SUBUID, w->uid, name, w->uid, uids, e) ||
		idmap_compute(SUBGID, w->uid, name, w->gid, gids, e)) {
		if (e->kind == ERR_NOT_FOUND)
			hint_subids(w, e);
		return err_wrap(e, "failed to compute uid/gid map");
	}
	return idmap_can_apply(e) ? 0 : -1;
}

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
	struct who w;

	who_am_i(&w);
	if (c->want_single_id || all_ids(&w, &uids, &gids, &why)) {
		if (c->require_subids) {
			*e = why;
			return err_wrap(e, MAP_ERROR);
		}
		if (!quiet)
			warn_single(c, &why);
		idmap_single(w.uid, &uids);
		idmap_single(w.gid, &gids);
	}
	return idmap_apply(engine, &uids, &gids, e) ? err_wrap(e, MAP_ERROR) : 0;
}
