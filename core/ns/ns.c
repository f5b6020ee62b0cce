/* SPDX-License-Identifier: MIT */
/*
 * core/ns/ns.c - make or join the engine's user and mount namespace
 *
 * Theory of operation
 *   unshare(2) and setns(2) of a user namespace are refused to threaded processes, so a role does
 *   this before its first thread.  Until a map is written the process has all capabilities inside
 *   and the overflow id as its own; what it creates then would belong to nobody we can name.
 *
 *   The id outside does not change when the map makes it 0 inside, so files, sockets and /proc of
 *   the process still belong to the user.
 */
#include "ns/ns.h"
#include "base/fs.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>


int ns_unshare(struct err *e)
{
	/* A binary with file capabilities is not dumpable: its /proc would be root's, and neither
	 * the supervisor nor newuidmap could write the maps. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return err_set(e, errno, "making a user and a mount namespace");
	return 0;
}

int ns_settle(struct err *e)
{
	/* An LSM may have left us without capabilities (AppArmor on Ubuntu 23.10 and later does);
	 * that shows here, at the first use of one. */
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return err_set(e, errno, "becoming root of the user namespace");
	if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return err_set(e, errno, "making the mounts slaves of the host's");
	/* Changing ids clears it: a later engine and debuggers of the user need our /proc. */
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

/* The pid a pidfd stands for, in our pid namespace; 0 if there is none. */
static pid_t pidfd_pid(int pidfd)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	char path[48];
	uint64_t pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (file_read_at(AT_FDCWD, path, 4096, &text, NULL))
		return 0;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		if (!span_starts(line, "Pid:\t"))
			continue;
		line.p += 5, line.n -= 5;
		return parse_u64(line, INT32_MAX, &pid) ? 0 : (pid_t)pid; /* -1: it has ended */
	}
	return 0;
}

/* Is that process in our own user namespace? setns(2) refuses it then (EINVAL). */
static bool same_userns(pid_t pid)
{
	struct stat ours, theirs;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return !stat("/proc/self/ns/user", &ours) && !stat(path, &theirs) &&
		ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int ns_join(int pidfd, struct err *e)
{
	pid_t pid = pidfd_pid(pidfd);

	if (pid && same_userns(pid))
		return err_kind(e, ERR_CONFLICT, "pid %d is in our own user namespace", (int)pid);
	if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS))
		return err_set(e, errno, "entering the namespaces of pid %d", (int)pid);
	return ns_settle(e);
}

/* Sum of the counts, the last of three padded columns, in a map of ours. */
static uint64_t ids_in(const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	uint64_t count, sum = 0;
	ssize_t blank;

	if (file_read_at(AT_FDCWD, path, IDMAP_EXTENTS_MAX * 64, &text, NULL))
		return 0;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		blank = span_rchr(line, ' ');
		if (blank >= 0 && !parse_u64(span_cut(&line, (size_t)blank), UINT32_MAX, &count))
			sum += count;
	}
	return sum;
}

uint64_t ns_ids_mapped(void)
{
	uint64_t uids = ids_in("/proc/self/uid_map"), gids = ids_in("/proc/self/gid_map");

	return uids < gids ? uids : gids;
}
