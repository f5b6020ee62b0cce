/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/user.c - "name:group" -> ids, by the container's own passwd and group files
 *
 * Theory of operation
 *   The files are the container's, so hostile: opened beneath its root, only if they are regular
 *   (a FIFO would hang us), read up to a limit, and parsed as views.
 *
 *   The rules are Docker's.  A number is always an id and needs no entry; a name does.  Without a
 *   group the user's entry gives the primary group, and groups that list the user by name come
 *   along as supplementary ones; with one, only that group counts.
 */
#include "base/fs.h"
#include "runtime/inside.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_MAX (4 << 20) /* bytes of passwd or group: more than any of these has */
#define GROUPS_MAX 65536   /* NGROUPS_MAX of the kernel */
#define FIELDS 7

/* --- the files ------------------------------------------------------------------------------- */

/* What is in @path, as far as it counts: one that is missing, unreadable, masked or a trap is empty, and
 * of one that is too long the first lines have to do.  Nothing a container does to its own files may
 * keep its owner out, who can always name a user by number. */
static void load(int rootfd, const char *path, struct buf *out)
{
	cleanup_close int fd = fs_open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return;
	n = st.st_size < FILE_MAX ? st.st_size : FILE_MAX;
	text = xcalloc(1, (size_t)n);
	n = fd_read_full(fd, text, (size_t)n);
	if (n > 0)
		buf_add(out, text, (size_t)n);
}

/* Next line that is neither empty nor a comment, split at ':'; missing fields are empty. */
static bool next_entry(struct span *text, struct span field[FIELDS])
{
	struct span line;
	size_t i;

	while (span_token(text, '\n', &line)) {
		line = span_trim(line);
		if (!line.n || *line.p == '#')
			continue;
		for (i = 0; i < FIELDS; i++) {
			field[i] = (struct span){ line.p, 0 };
			if (!span_token(&line, ':', &field[i]))
				field[i].n = 0;
		}
		return true;
	}
	return false;
}

static bool get_id(struct span s, uint32_t *id)
{
	uint64_t v;

	if (s.n && *s.p == '+')
		s.p++, s.n--;
	if (parse_u64(s, INT_MAX, &v))
		return false;
	*id = (uint32_t)v;
	return true;
}

/* --- the lookup ------------------------------------------------------------------------------ */

struct lookup {
	struct span passwd, group; /* texts of the files */
	struct runtime_user *u;
	struct err *e;
};

static int out_of_range(struct err *e)
{
	return err_kind(e, ERR_INVALID, "uids and gids must be in range 0-%d", INT_MAX);
}

/* "-1" is a number, though none that will do. */
static bool is_number(struct span s)
{
	size_t sign = s.n && strchr("+-", *s.p) ? 1 : 0;

	return s.n > sign && strspn(s.p + sign, "0123456789") >= s.n - sign;
}

static void add_group(struct runtime_user *u, gid_t gid)
{
	if (u->n_groups == GROUPS_MAX)
		return;
	u->groups = xreallocarray(u->groups, u->n_groups + 1, sizeof(gid_t));
	u->groups[u->n_groups++] = gid;
}

/* The first passwd entry for @who; its name, or an empty span if there is none. */
static struct span find_user(struct lookup *l, struct span who)
{
	struct span text = l->passwd, f[FIELDS];
	bool numeric = !who.n || is_number(who); /* nobody named: 0, root */
	uint32_t want = 0, uid, gid;

	if (numeric && who.n && !get_id(who, &want))
		return (struct span){ who.p, 0 };
	while (next_entry(&text, f)) {
		if (!f[0].n || !get_id(f[2], &uid) || !get_id(f[3], &gid))
			continue;
		if (numeric ? uid != want : !span_eq(f[0], who))
			continue;
		l->u->uid = uid;
		l->u->gid = gid;
		return f[0];
	}
	return (struct span){ who.p, 0 };
}

static int resolve_user(struct lookup *l, struct span who, struct span *matched)
{
	*matched = find_user(l, who);
	if (matched->n || !who.n)
		return 0;
	if (!is_number(who))
		return err_kind(l->e, ERR_INVALID,
			"unable to find user %.*s: no matching entries in passwd file", (int)who.n, who.p);
	return get_id(who, &l->u->uid) ? 0 : out_of_range(l->e);
}

/* The id of group @who, a name or a number. */
static int resolve_group(struct lookup *l, struct span who, gid_t *gid)
{
	struct span text = l->group, f[FIELDS];
	uint32_t id;

	while (!is_number(who) && next_entry(&text, f)) {
		if (span_eq(f[0], who) && get_id(f[2], &id)) {
			*gid = id;
			return 0;
		}
	}
	if (!is_number(who))
		return err_kind(l->e, ERR_INVALID,
			"unable to find group %.*s: no matching entries in group file", (int)who.n, who.p);
	return get_id(who, gid) ? 0 : out_of_range(l->e);
}

static bool lists(struct span members, struct span name)
{
	struct span one;

	while (span_token(&members, ',', &one)) {
		if (span_eq(span_trim(one), name))
			return true;
	}
	return false;
}

static void add_memberships(struct lookup *l, struct span name)
{
	struct span text = l->group, f[FIELDS];
	uint32_t gid;

	while (next_entry(&text, f)) {
		if (lists(f[3], name) && get_id(f[2], &gid))
			add_group(l->u, gid);
	}
}

static int lookup(struct lookup *l, const char *text, char *const *group_add)
{
	struct span user = span_of(text), group = { "", 0 }, matched;
	ssize_t colon = span_chr(user, ':');
	gid_t gid;

	if (colon >= 0)
		group = span_cut(&user, (size_t)colon);
	if (resolve_user(l, user, &matched))
		return -1;
	if (group.n && resolve_group(l, group, &l->u->gid))
		return -1;
	add_group(l->u, l->u->gid);
	if (!group.n && matched.n)
		add_memberships(l, matched);
	for (; group_add && *group_add; group_add++) {
		if (resolve_group(l, span_of(*group_add), &gid))
			return -1;
		add_group(l->u, gid);
	}
	return 0;
}

int runtime_user_lookup(int rootfd, const char *text, char *const *group_add,
	struct runtime_user *u, struct err *e)
{
	cleanup_buf struct buf passwd = BUF_INIT, group = BUF_INIT;
	struct lookup l = { .u = u, .e = e };

	memset(u, 0, sizeof(*u));
	load(rootfd, "/etc/passwd", &passwd);
	load(rootfd, "/etc/group", &group);
	l.passwd = (struct span){ passwd.p, passwd.n };
	l.group = (struct span){ group.p, group.n };
	if (!lookup(&l, text, group_add))
		return 0;
	runtime_user_release(u);
	return -1;
}

void runtime_user_release(struct runtime_user *u)
{
	free(u->groups);
	memset(u, 0, sizeof(*u));
}

/* --- for the process ------------------------------------------------------------------------- */

int user_resolve(int rootfd, struct spec_process *p, struct err *e)
{
	struct runtime_user u;

	if (!p->user_text && !p->group_add)
		return 0;
	if (runtime_user_lookup(rootfd, p->user_text ? p->user_text : "", p->group_add, &u, e))
		return -1;
	p->uid = u.uid;
	p->gid = u.gid;
	free(p->groups);
	p->groups = u.groups;
	p->n_groups = u.n_groups;
	return 0;
}

char *user_home(int rootfd, uid_t uid)
{
	cleanup_buf struct buf passwd = BUF_INIT;
	struct span text, f[FIELDS];
	uint32_t id;

	load(rootfd, "/etc/passwd", &passwd);
	text = (struct span){ passwd.p, passwd.n };
	while (next_entry(&text, f)) {
		if (f[0].n && get_id(f[2], &id) && id == uid && f[5].n)
			return span_dup(f[5]);
	}
	return xstrdup("/");
}
