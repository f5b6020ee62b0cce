/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/cgroupfs.c - what a container finds at /sys/fs/cgroup
 *
 * Theory of operation
 *   /proc/self/cgroup lists the hierarchies there are: "0::PATH" for the unified one, else
 *   "N:CONTROLLERS:PATH".  Only the unified one: it is mounted as it is.  Any of version 1: a
 *   tmpfs with a directory for each, as Docker has it there, and links for controllers that share
 *   one.
 *
 *   A hierarchy can be mounted where the cgroup namespace is the container's own.  Otherwise the
 *   subtree that the container is in is bound from outside, where distributions have it mounted
 *   below /sys/fs/cgroup.  One that is not there is left out: it is for reading only, and no
 *   program needs it to run.
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "runtime/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define OUTSIDE "/sys/fs/cgroup"
#define LIST_MAX 8192 /* bytes of /proc/self/cgroup: a dozen lines */

struct hierarchy {
	struct span controllers; /* "" unified; "cpu,cpuacct"; "name=systemd" */
	char name[128];		 /* of its directory */
	char path[PATH_MAX];	 /* of our cgroup in it */
};

static bool parse_hierarchy(struct span line, struct hierarchy *h)
{
	ssize_t colon = span_chr(line, ':');
	struct span path;

	if (colon < 0)
		return false;
	h->controllers = span_cut(&line, (size_t)colon);
	colon = span_chr(h->controllers, ':');
	if (colon < 0)
		return false;
	path = span_cut(&h->controllers, (size_t)colon);
	if (path.n >= sizeof(h->path) || h->controllers.n >= sizeof(h->name))
		return false;
	snprintf(h->path, sizeof(h->path), "%.*s", (int)path.n, path.p);
	snprintf(h->name, sizeof(h->name), "%.*s", (int)h->controllers.n, h->controllers.p);
	if (span_starts(h->controllers, "name="))
		memmove(h->name, h->name + 5, strlen(h->name + 5) + 1);
	return true;
}

/* Take the last line off @list: the kernel has the newest hierarchy first, we mount the oldest
 * first. */
static bool last_hierarchy(struct span *list, struct hierarchy *h)
{
	while (list->n) {
		struct span line = *list;
		ssize_t nl;

		if (list->p[list->n - 1] == '\n')
			line.n--;
		nl = span_rchr((struct span){ line.p, line.n }, '\n');
		list->n = nl < 0 ? 0 : (size_t)nl + 1;
		line.p += list->n;
		line.n -= list->n;
		if (parse_hierarchy(line, h))
			return true;
	}
	return false;
}

static bool is_version1(struct span list)
{
	struct hierarchy h;

	while (last_hierarchy(&list, &h)) {
		if (h.controllers.n)
			return true;
	}
	return false;
}

/* A detached mount of the hierarchy; -1 and errno. */
static int mount_hierarchy(const struct hierarchy *h, uint64_t attr)
{
	cleanup_close int fsfd = mnt_fsopen(h->controllers.n ? "cgroup" : "cgroup2");
	struct span rest = h->controllers, one;

	if (fsfd < 0)
		return -1;
	if (span_starts(h->controllers, "name=")) {
		if (mnt_fsconfig_string(fsfd, "name", h->name))
			return -1;
		rest.n = 0;
	}
	while (rest.n && span_token(&rest, ',', &one)) {
		cleanup_free char *name = span_dup(one);

		if (mnt_fsconfig_flag(fsfd, name))
			return -1;
	}
	if (mnt_fsconfig_string(fsfd, "source", "cgroup") || mnt_fsconfig_create(fsfd))
		return -1;
	return mnt_fsmount(fsfd, (unsigned int)attr);
}

/* The part of it that we are in, from outside; detached, -1 and errno.  In a cgroup namespace of our own
 * the path is not the one outside. */
static int bind_hierarchy(const struct hierarchy *h, uint64_t attr, bool own_ns)
{
	struct mnt_attr a = { .set = attr };
	char at[PATH_MAX * 2];
	cleanup_close int tree = -1;

	/* A cgroup that lies outside of what we may see has a path that starts with "/..". */
	if (own_ns || strstr(h->path, "/.."))
		return -1;
	snprintf(at, sizeof(at), "%s/%s%s", OUTSIDE, h->name, h->path);
	tree = mnt_clone_tree(AT_FDCWD, at, 1);
	if (tree < 0 || mnt_setattr(tree, 1, &a))
		return -1;
	return fd_steal(&tree);
}

static int attach_below(int dir, const char *name, int mnt)
{
	cleanup_close int to = -1;

	if (mkdirat(dir, name, 0755))
		return -1;
	to = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -1 : mnt_attach(mnt, to);
}

/* "cpu,cpuacct" is found as cpu and as cpuacct too. */
static void link_controllers(int dir, const struct hierarchy *h)
{
	struct span rest = h->controllers, one;

	if (span_chr(rest, ',') < 0)
		return;
	while (span_token(&rest, ',', &one)) {
		cleanup_free char *name = span_dup(one);

		if (symlinkat(h->name, dir, name) && errno != EEXIST)
			return;
	}
}

static int mount_version1(int to, struct span list, uint64_t attr, bool own_ns, struct err *e)
{
	cleanup_close int fsfd = mnt_fsopen("tmpfs"), base = -1;
	struct hierarchy h;

	if (fsfd < 0 || mnt_fsconfig_string(fsfd, "source", "tmpfs") ||
		mnt_fsconfig_string(fsfd, "mode", "755") || mnt_fsconfig_create(fsfd) ||
		(base = mnt_fsmount(fsfd, (unsigned int)(attr & ~(uint64_t)MNT_RDONLY))) < 0 ||
		mnt_attach(base, to))
		return err_errno(e, errno, "mounting a tmpfs for cgroups");
	while (last_hierarchy(&list, &h)) {
		cleanup_close int mnt = -1;

		if (!h.controllers.n)
			continue;
		mnt = mount_hierarchy(&h, attr);
		if (mnt < 0)
			mnt = bind_hierarchy(&h, attr, own_ns);
		if (mnt >= 0 && !attach_below(base, h.name, mnt))
			link_controllers(base, &h);
	}
	return 0;
}

static int mount_unified(int to, struct span list, uint64_t attr, bool own_ns, struct err *e)
{
	struct hierarchy h = { 0 };
	cleanup_close int mnt = -1;

	if (!last_hierarchy(&list, &h))
		return 0; /* a kernel without cgroups */
	mnt = mount_hierarchy(&h, attr);
	if (mnt < 0)
		mnt = bind_hierarchy(&h, attr, own_ns);
	if (mnt < 0)
		return 0;
	if (mnt_attach(mnt, to))
		return err_errno(e, errno, "mounting cgroup2");
	return 0;
}

int cgroupfs_mount(int rootfd, const char *dest, uint64_t attr, bool own_ns, struct err *e)
{
	cleanup_close int to = -1, fd = -1;
	char text[LIST_MAX];
	struct span list;
	ssize_t n;
	bool made;

	to = mountpoint_open(rootfd, dest, true, &made);
	if (to < 0)
		return err_errno(e, errno, "create mountpoint for %s mount", dest);
	fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = fd_read_full(fd, text, sizeof(text))) < 0)
		return err_errno(e, errno, "reading /proc/self/cgroup");
	list = (struct span){ text, (size_t)n };
	return is_version1(list) ? mount_version1(to, list, attr, own_ns, e)
				 : mount_unified(to, list, attr, own_ns, e);
}
