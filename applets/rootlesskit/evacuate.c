/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/evacuate.c - --evacuate-cgroup2
 *
 * Theory of operation
 *   Where the hierarchy of version 2 is mounted, the mount table says: at /sys/fs/cgroup, or beside those of
 *   version 1 (systemd's "hybrid" has it at /sys/fs/cgroup/unified).  Our cgroup is opened beneath it.  A
 *   process that forks while its cgroup.procs is read may leave a child there: it is read again until it
 *   is empty, or nothing in it can be moved.
 */
#include "kit.h"

#include "base/fs.h"
#include "base/log.h"
#include "limits/cgroup.h"

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCS_MAX (1 << 20)
#define ROUNDS 16

int evacuate_check(const char *group, struct err *e)
{
	if (strchr(group, '/') || !strcmp(group, ".") || !strcmp(group, ".."))
		return err_kind(e, ERR_INVALID, "unexpected evacuation group name \"%s\": must not contain \"/\"", group);
	return 0;
}

static char *find_hierarchy(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	char *found = NULL;

	while (f && !found && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			found = xstrdup(m->mnt_dir);
	if (f)
		endmntent(f);
	return found;
}

/* Those that are in @from now, to @to; how many went. */
static size_t move_all(int from, int to, bool last, const char *group)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, pid;
	size_t n = 0;

	if (file_read_at(from, "cgroup.procs", PROCS_MAX, &text, NULL))
		return 0;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &pid)) {
		cleanup_free char *one = span_dup(pid);

		if (!pid.n || !strcmp(one, "0")) /* of another pid namespace */
			continue;
		if (!cgroup_write(to, "cgroup.procs", one))
			n++;
		else if (last && errno != ESRCH)
			log_warn("[rootlesskit:parent] failed to move process %s to cgroup \"%s\": %s", one, group,
				strerror(errno));
	}
	return n;
}

static void hand_down(int dir)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, word;

	if (file_read_at(dir, "cgroup.controllers", PROCS_MAX, &text, NULL))
		return;
	rest = span_trim((struct span){text.p, text.n});
	while (span_token(&rest, ' ', &word)) {
		cleanup_free char *on = xasprintf("+%.*s", (int)word.n, word.p);

		if (word.n && cgroup_write(dir, "cgroup.subtree_control", on))
			log_warn("[rootlesskit:parent] failed to enable controller \"%s\": %s", on + 1, strerror(errno));
	}
}

int evacuate(const char *group, struct err *e)
{
	cleanup_free char *root = find_hierarchy(), *ours = cgroup_of(getpid(), NULL), *path = NULL;
	cleanup_close int from = -1, to = -1;
	int i;

	if (!root || !ours) {
		log_warn("[rootlesskit:parent] %s. cgroup2 evacuation is discarded.",
			root ? "process is not running with cgroup2" : "cgroup2 is not mounted");
		return 0;
	}
	path = xasprintf("%s%s", root, ours);
	from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return err_set(e, errno, "open %s", path);
	if (mkdirat(from, group, 0755) && errno != EEXIST)
		return err_set(e, errno, "mkdir %s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", group);
	to = openat(from, group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return err_set(e, errno, "open %s/%s", path, group);
	for (i = 0; i < ROUNDS && move_all(from, to, false, group); i++)
		;
	move_all(from, to, true, group);
	hand_down(from);
	return 0;
}
