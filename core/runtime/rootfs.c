/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/rootfs.c - what is done to a mounted rootfs before it becomes the root
 *
 * Theory of operation
 *   Masking puts /dev/null over a file and an empty read-only tmpfs over a directory; one tmpfs
 *   serves all directories of a container.  Read-only paths are bound over themselves.  Both
 *   ignore what is not there: kernels differ.
 *
 *   pivot_root puts the old root on top of the new one at the same place ("." twice), from where
 *   it is detached: no directory is needed for it.  Before, it is made a slave, so that the
 *   detaching stays ours.
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "runtime/inside.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROC_MAGIC 0x9fa0

/* --- masked and read-only paths -------------------------------------------------------------- */

/* A detached, empty, read-only tmpfs. */
static int empty_directory(void)
{
	cleanup_close int fsfd = mnt_fsopen("tmpfs");

	if (fsfd < 0 || mnt_fsconfig_string(fsfd, "source", "tmpfs") ||
		mnt_fsconfig_string(fsfd, "nr_blocks", "1") ||
		mnt_fsconfig_string(fsfd, "nr_inodes", "1") || mnt_fsconfig_create(fsfd))
		return -1;
	return mnt_fsmount(fsfd, MNT_RDONLY);
}

/* The first directory gets the tmpfs itself, the next ones copies of that mount. */
static int mask_directory(int to, int *tmpfs)
{
	cleanup_close int copy = -1;

	if (*tmpfs < 0) {
		*tmpfs = empty_directory();
		return *tmpfs < 0 ? -1 : mnt_attach(*tmpfs, to);
	}
	copy = mnt_clone_tree(*tmpfs, "", 0);
	return copy < 0 ? -1 : mnt_attach(copy, to);
}

static int mask_file(int to)
{
	cleanup_close int tree = mnt_clone_tree(AT_FDCWD, "/dev/null", 0);

	return tree < 0 ? -1 : mnt_attach(tree, to);
}

int rootfs_masked(int rootfd, char *const *masked_list, struct err *e)
{
	cleanup_close int tmpfs = -1;

	for (; masked_list && *masked_list; masked_list++) {
		cleanup_close int to = fs_open_in_root(rootfd, *masked_list, O_PATH, 0);
		struct stat st;

		if (to < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (to < 0 || fstat(to, &st) ||
			(S_ISDIR(st.st_mode) ? mask_directory(to, &tmpfs) : mask_file(to)))
			return err_errno(e, errno, "masking %s", *masked_list);
	}
	return 0;
}

int rootfs_readonly(int rootfd, char *const *paths, struct err *e)
{
	struct mnt_attr ro = { .set = MNT_RDONLY };

	for (; paths && *paths; paths++) {
		cleanup_close int to = fs_open_in_root(rootfd, *paths, O_PATH, 0), tree = -1;

		if (to < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (to < 0 || (tree = mnt_clone_tree(to, "", 1)) < 0 || 
			mountattr_attach(tree, to, false, &ro))
			return err_errno(e, errno, "making %s read-only", *paths);
	}
	return 0;
}

/* --- sysctls ----------------------------------------------------------------------------------- */

/* "net.ipv4.ip_forward" -> "net/ipv4/ip_forward"; names with slashes have dots kept, sysctl(8). */
static char *sysctl_path(const char *name)
{
	char *path = xasprintf("/proc/sys/%s", name), *p = path + strlen("/proc/sys/");
	bool dots = strcspn(p, ".") < strcspn(p, "/");

	for (; dots && *p; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

static int sysctl_set(int rootfd, const struct spec_sysctl *c, struct err *e)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	struct statfs fs;

	/* Root of a user namespace may set it, but the file belongs to root outside. */
	if (!strcmp(c->name, "kernel.domainname")) {
		if (setdomainname(c->value, strlen(c->value)))
			return err_errno(e, errno, "open sysctl %s file", c->name);
		return 0;
	}
	if (strstr(c->name, ".."))
		return err_errno(e, ENOENT, "open sysctl %s file", c->name);
	path = sysctl_path(c->name);
	fd = fs_open_in_root(rootfd, path, O_WRONLY, 0);
	if (fd < 0)
		return err_errno(e, errno, "open sysctl %s file", c->name);
	/* What is not on a proc could be anything (CVE-2025-52881). */
	if (fstatfs(fd, &fs) || fs.f_type != PROC_MAGIC)
		return err_set(e, 0, "open sysctl %s file: unsafe procfs detected", c->name);
	if (fd_write_full(fd, c->value, strlen(c->value)))
		return err_errno(e, errno, "write sysctl %s = %s", c->name, c->value);
	return 0;
}

int rootfs_sysctls(int rootfd, const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_sysctls; i++) {
		if (sysctl_set(rootfd, &s->sysctls[i], e))
			return -1;
	}
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------------ */

int rootfs_pivot(int rootfd, struct err *e)
{
	cleanup_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || fchdir(rootfd))
		return err_errno(e, errno, "changing to the rootfs");
	if (syscall(SYS_pivot_root, ".", "."))
		return err_errno(e, errno, "pivot_root");
	if (fchdir(old) || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) || umount2(".", MNT_DETACH))
		return err_errno(e, errno, "detaching the old root");
	if (chdir("/"))
		return err_errno(e, errno, "chdir /");
	return 0;
}

int rootfs_loopback_up(struct err *e)
{
	cleanup_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &ifr))
		return err_errno(e, errno, "bringing lo up");
	return 0;
}
