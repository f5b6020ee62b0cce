/* SPDX-License-Identifier: MIT */
/*
 * core/storage/sandbox.c - what a process gives up before it touches foreign files or bytes
 *
 * Theory of operation
 *   The process starts as root of the engine's user namespace.  Then, in this order:
 *
 *   1. limits: no core file, few descriptors, bounded memory
 *   2. namespaces: its own mounts, no network, no System V or POSIX queues of others
 *   3. root: the directory it works on with what is mounted below, and the old root is gone.  (pivot_root(2) where the
 *      kernel lets us, else chroot(2): then the mounts are there, but cannot be reached without
 *      the capability that stage 5 drops)
 *   4. descriptors: those it was given, and standard error for last words
 *   5. powers: those of making files of any owner and mode, and never more again
 *
 *   It mustn't yet in 2 lose its capabilities, nor in 3 the descriptor of the root.
 *   A stage that a stricter environment forbids is left out, except the root and the powers:
 *   without them nothing is unpacked.
 *
 * Kept: CHOWN (owners), DAC_OVERRIDE (directories whose mode shuts us out), FOWNER (modes and times
 * of files that belong to others), FSETID (set-group-id), SETFCAP (file capabilities), MKNOD (fifos
 * and whiteouts on older kernels).
 */
#include "storage/sandbox.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/mount.h>, which does not go together with every <sys/mount.h> */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#define TREE_RECURSIVE 0x8000 /* AT_RECURSIVE */
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#endif

#define NOFILE_MAX 512		   /* removing a tree holds up to 256 directories */
#define MEMORY_MAX (128UL << 20) /* bytes; some 10 are used */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static void limit(int what, rlim_t max)
{
	struct rlimit now;

	if (!getrlimit(what, &now) && now.rlim_cur > max)
		setrlimit(what, &(struct rlimit){ max, max });
}

static void set_limits(void)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, NOFILE_MAX);
#ifndef SANITIZED
	limit(RLIMIT_DATA, MEMORY_MAX);
#endif
}

/* The tree, which is the working directory, becomes the root, and the old one is unmounted. */
static int pivot(void)
{
	cleanup_close int tree = (int)syscall(SYS_open_tree, AT_FDCWD, ".",
		OPEN_TREE_CLONE | TREE_RECURSIVE | O_CLOEXEC);

	if (tree < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		syscall(SYS_move_mount, tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) || fchdir(tree) ||
		syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
		return -1;
	return chdir("/");
}

static int enter_root(bool own_mounts, struct err *e)
{
	if (own_mounts && !pivot())
		return 0;
	if (chroot(".") || chdir("/"))
		return err_set(e, errno, "entering the directory to work on");
	return 0;
}

static int drop_powers(struct err *e)
{
	static const int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP,
		CAP_MKNOD };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	uint64_t keep = 0, have;
	size_t i;
	int cap;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		keep |= 1ULL << kept[i];
	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap >= 64 || !(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capget, &head, data))
		return err_set(e, errno, "dropping privileges");
	have = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	keep &= have;
	data[0] = (struct __user_cap_data_struct){ (uint32_t)keep, (uint32_t)keep, 0 };
	data[1] = (struct __user_cap_data_struct){ (uint32_t)(keep >> 32), (uint32_t)(keep >> 32), 0 };
	if (syscall(SYS_capset, &head, data))
		return err_set(e, errno, "dropping capabilities");
	return 0;
}

int sandbox_enter(int rootfd, unsigned int fds, struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool own_mounts;

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		close(null);
	}
	umask(0);
	set_limits();
	/* Before the mounts are copied: the working directory moves to the copy, descriptors do not. */
	if (fchdir(rootfd))
		return err_set(e, errno, "entering the directory to work on");
	own_mounts = !unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC))
		errno = 0; /* a stricter environment than ours: fine */
	if (enter_root(own_mounts, e))
		return -1;
	if (syscall(SYS_close_range, fds, ~0U, 0))
		return err_set(e, errno, "closing descriptors");
	return drop_powers(e);
}
