/* SPDX-License-Identifier: MIT */
/*
 * core/ns/user.c - a user, and where his subordinate ids are written down
 *
 * Theory of operation
 *   Subordinate ids come from /etc/subuid and /etc/subgid, or from a name service (SSSD with LDAP
 *   or FreeIPA) that shadow's tools load as a plug-in, where /etc/nsswitch.conf says "subid: sss".
 *   A static program loads no plug-ins: getsubids(1) asks for us.  It is only asked where that line
 *   is there, as starting it for nothing would cost more than the whole of reading the files.
 *
 *   Nothing here is a check: newuidmap is the judge of what is asked for.
 */
#include "base/fs.h"
#include "ns/ns.h"
#include "ns/tool.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"
#define NSSWITCH_MAX (1 << 20)
#define ASK_TIMEOUT_MS 30000  /* of a directory service */
#define ANSWER_MAX (64 << 10) /* bytes; 340 ranges are less than half of it */

void ns_user_self(struct ns_user *u)
{
	struct passwd *pw = getpwuid(getuid());
	const char *name = pw ? pw->pw_name : getenv("USER");

	*u = (struct ns_user){.uid = getuid(), .gid = getgid()};
	if (name && strlen(name) < sizeof(u->name))
		strcpy(u->name, name);
}

int subid_source_parse(const char *text, enum subid_source *source)
{
	if (!*text || !strcmp(text, "auto"))
		*source = SUBID_AUTO;
	else if (!strcmp(text, "dynamic"))
		*source = SUBID_DYNAMIC;
	else if (!strcmp(text, "static"))
		*source = SUBID_STATIC;
	else
		return -1;
	return 0;
}

/* --- getsubids ------------------------------------------------------------------------------ */

void subid_from_getsubids(struct span said, uid_t uid, struct buf *lines)
{
	struct span line, word[4];
	uint64_t start, count;
	size_t n;

	while (span_token(&said, '\n', &line)) {
		/* The name may hold blanks ("DOMAIN\some body"): numbers are taken from the end. */
		for (n = 0; n < 2; n++) {
			ssize_t blank = span_rchr(line, ' ');

			if (blank < 0)
				break;
			word[n] = span_cut(&line, (size_t)blank);
		}
		if (n == 2 && !parse_u64(word[1], UINT32_MAX, &start) && !parse_u64(word[0], UINT32_MAX, &count))
			buf_addf(lines, "%u:%u:%u\n", uid, (uint32_t)start, (uint32_t)count);
	}
}

/* 0 with the lines of @who ("" is nobody); -1 if getsubids cannot be asked or knows him not. */
static int ask_for(const char *path, bool gids, const char *who, uid_t uid, struct buf *lines, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT;
	char *argv[4] = {(char *)(uintptr_t) "getsubids"};
	struct tool t;
	size_t n = 1;

	if (gids)
		argv[n++] = (char *)(uintptr_t) "-g";
	argv[n] = (char *)(uintptr_t)who;
	if (!*who || tool_start(&t, path, argv, e))
		return -1;
	if (tool_finish(&t, ASK_TIMEOUT_MS, ANSWER_MAX, &said, e))
		return -1;
	subid_from_getsubids((struct span){said.p, said.n}, uid, lines);
	return lines->n ? 0 : -1;
}

/* By name, then by number, as the setup script of Docker does. */
static int ask(const struct ns_user *u, bool gids, struct buf *lines, struct err *e)
{
	cleanup_free char *path = tool_find("getsubids");
	cleanup_free char *number = xasprintf("%u", u->uid);

	if (!path)
		return err_kind(e, ERR_NOT_FOUND, "executing getsubids: executable file not found in $PATH");
	if (!ask_for(path, gids, u->name, u->uid, lines, e) || !ask_for(path, gids, number, u->uid, lines, e))
		return 0;
	return err_kind(e, ERR_NOT_FOUND, "No %s ranges found for user %u (\"%s\")", gids ? "subgid" : "subuid",
		u->uid, u->name);
}

bool subid_service_configured(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;

	if (file_read_at(AT_FDCWD, "/etc/nsswitch.conf", NSSWITCH_MAX, &text, NULL))
		return false;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		line = span_trim(line);
		if (!span_starts(line, "subid:"))
			continue;
		line.p += 6, line.n -= 6;
		line = span_trim(line);
		return line.n && !span_starts(line, "files");
	}
	return false;
}

/* --- maps ----------------------------------------------------------------------------------- */

static int map_of(const struct ns_user *u, enum subid_source source, bool gids, struct idmap *m, struct err *e)
{
	const char *file = gids ? SUBGID : SUBUID, *name = *u->name ? u->name : NULL;
	uint32_t own = gids ? u->gid : u->uid;
	cleanup_buf struct buf lines = BUF_INIT;

	if (source == SUBID_STATIC || (source == SUBID_AUTO && !subid_service_configured()))
		return idmap_compute(file, u->uid, name, own, m, e);
	idmap_single(own, m);
	if (!ask(u, gids, &lines, e))
		return idmap_compute_text((struct span){lines.p, lines.n}, file, u->uid, name, own, m, e);
	if (source == SUBID_DYNAMIC)
		return -1;
	return idmap_compute(file, u->uid, name, own, m, e);
}

uint64_t idmap_size(const struct idmap *m)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < m->n; i++)
		n += m->at[i].count;
	return n;
}

uint64_t idmap_count_subids(const struct ns_user *u, bool gids)
{
	static struct idmap m; /* 4 KiB */

	return map_of(u, SUBID_AUTO, gids, &m, NULL) ? 0 : idmap_size(&m) - 1;
}

static int hint_subids(const struct ns_user *u, struct err *e)
{
	uint32_t a = subid_free_start(SUBUID), b = subid_free_start(SUBGID), start = a > b ? a : b;

	if (!*u->name)
		return err_hint(e, "as root add the line %u:%u:%u to " SUBUID " and to " SUBGID, u->uid, start,
			SUBIDS_USUAL);
	return err_hint(e, "as root add the line %s:%u:%u to " SUBUID " and to " SUBGID
			   ", or run: usermod --add-subuids %u-%u --add-subgids %u-%u %s",
		u->name, start, SUBIDS_USUAL, start, start + SUBIDS_USUAL - 1, start, start + SUBIDS_USUAL - 1,
		u->name);
}

int idmap_of_user(const struct ns_user *u, enum subid_source source, struct idmap *uids, struct idmap *gids,
	struct err *e)
{
	idmap_single(u->gid, gids);
	if (!map_of(u, source, false, uids, e) && !map_of(u, source, true, gids, e))
		return 0;
	if (e && e->kind == ERR_NOT_FOUND)
		hint_subids(u, e);
	return err_wrap(e, "failed to compute uid/gid map");
}
