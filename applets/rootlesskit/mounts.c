/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/mounts.c - files of the host that are wrong in a network or cgroup of one's own
 *
 * Theory of operation
 *   /etc/resolv.conf and /etc/hosts: with an /etc of our own (--copy-up) they are files in it; else files of the
 *   state directory are mounted over the host's, for as long as the host does not replace its own.  With a detached network
 *   they are only there.
 *
 *   /sys shows the network devices of the namespace it was mounted in, so a new one is mounted; the host's
 *   cgroup trees are carried over.  Where the host's own /sys is read-only or has parts hidden (in a
 *   container), the kernel gives us no better one: what is there is kept then.
 */
#include "kit.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mountapi.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define HOSTS_MAX (1 << 20)
#define CGROUPS "/sys/fs/cgroup"

static int place(const char *state_dir, const char *name, const char *text, enum kit_where where, struct err *e)
{
	cleanup_free char *ours = fs_join(state_dir, name), *path = fs_join("/etc", name);

	if (file_write_at(AT_FDCWD, ours, text, strlen(text), 0644, 0, e))
		return -1;
	if (where == KIT_IN_ETC)
		return file_write_at(AT_FDCWD, path, text, strlen(text), 0644, 0, e);
	if (where == KIT_OVER_ETC && mount(ours, path, "", MS_BIND, NULL))
		return err_set(e, errno, "failed to create bind mount %s for %s", path, ours);
	return 0;
}

int kit_resolv_conf(const char *state_dir, const char *dns, enum kit_where where, struct err *e)
{
	cleanup_free char *text = xasprintf("nameserver %s\n", dns);

	return place(state_dir, "resolv.conf", text, where, e);
}

int kit_hosts(const char *state_dir, enum kit_where where, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char name[256];

	if (file_read_at(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &text, NULL) || gethostname(name, sizeof(name)))
		return 0; /* there is none to correct */
	name[sizeof(name) - 1] = 0;
	buf_addf(&text, "\n127.0.0.1 %s\n::1 %s\n", name, name);
	return place(state_dir, "hosts", text.p, where, e);
}

static int mount_cgroup2(struct err *e)
{
	return mount("none", CGROUPS, "cgroup2", 0, NULL) ? err_set(e, errno, "failed to mount cgroup2 on " CGROUPS) : 0;
}

int kit_sysfs(bool netns, bool cgroup, struct err *e)
{
	cleanup_close int trees = -1, at = -1;

	if (!netns && !cgroup)
		return 0;
	if (!netns) /* the kernel does not mount the same file system over itself */
		return mount("none", CGROUPS, "tmpfs", 0, NULL) ? err_set(e, errno, "failed to mount tmpfs on " CGROUPS) :
								  mount_cgroup2(e);
	if (!cgroup)
		trees = mnt_clone_tree(AT_FDCWD, CGROUPS, 1);
	if (mount("none", "/sys", "sysfs", 0, NULL) && mount("none", "/sys", "sysfs", MS_RDONLY, NULL)) {
		log_warn("[rootlesskit:child ] failed to mount sysfs: %s", strerror(errno));
		return cgroup ? mount_cgroup2(e) : 0;
	}
	if (cgroup)
		return mount_cgroup2(e);
	at = open(CGROUPS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (trees >= 0 && at >= 0 && mnt_attach(trees, at))
		return err_set(e, errno, "failed to move mount point to " CGROUPS);
	return 0;
}
