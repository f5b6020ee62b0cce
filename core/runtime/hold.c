/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/hold.c - the monitor holds its container to limits that no cgroup holds
 *
 * Theory of operation
 *   core/limits does it (soft.h); it needs a procfs of the container's pid namespace.  What may be
 *   mounted at /proc in there is the container's own affair, so we mount one that nobody else sees:
 *   a child of ours that is born into that namespace makes it, detached, in our descriptor table,
 *   and ends.  That costs only containers that have limits.
 *
 *   A container that shares its pid namespace is not held: its processes could not be told from
 *   others.  One that is paused uses nothing, and is left alone.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mountapi.h"
#include "base/proc.h"
#include "runtime/monitor.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* In the child: descriptor @at becomes a procfs of our pid namespace. */
__attribute__((noreturn)) static void mount_procfs(int at)
{
	int fsfd, fd;

	prctl(PR_SET_DUMPABLE, 0); /* nobody in there looks into us */
	fsfd = mnt_fsopen("proc");
	if (fsfd < 0 || mnt_fsconfig_create(fsfd))
		_exit(1);
	fd = mnt_fsmount(fsfd, MNT_NOSUID | MNT_NODEV | MNT_NOEXEC);
	_exit(fd < 0 || dup3(fd, at, O_CLOEXEC) < 0 || close(fd) || close(fsfd));
}

/* Its root, or -1 with @e. */
static int procfs_of(const struct monitor *m, struct err *e)
{
	cleanup_close int at = open("/dev/null", O_RDONLY | O_CLOEXEC), pidfd = -1;
	pid_t pid;

	if (at < 0 || setns(m->init.fd, CLONE_NEWPID))
		return err_set(e, errno, "joining the container's pid namespace");
	pid = proc_clone(CLONE_FILES, -1, &pidfd);
	if (!pid)
		mount_procfs(at);
	if (pid < 0)
		return err_set(e, errno, "starting a process in the container's pid namespace");
	if (proc_reap(pidfd))
		return err_set(e, 0, "mounting a procfs of the container's pid namespace failed");
	return fd_steal(&at);
}

int hold(struct monitor *m, const struct limits *limits, struct err *e)
{
	struct soft_limits soft = limits_soft(limits, m->confine.controllers);
	int procfd;

	if (m->exited || !m->alone)
		return 0;
	if (m->soft.procfd >= 0) {
		soft_change(&m->soft, &soft);
		return 0;
	}
	if (!soft.cpu_ns && !soft.memory)
		return 0;
	procfd = procfs_of(m, e);
	if (procfd < 0)
		return err_wrap(e, "holding the container to its limits");
	m->children_elsewhere = true;
	soft_init(&m->soft, procfd, m->confine.dir, &soft);
	return 0;
}

int64_t hold_on(struct monitor *m)
{
	if (m->soft.procfd < 0 || m->exited || m->paused)
		return INT64_MAX;
	if (m->soft.next_ns <= clock_mono_ns())
		soft_step(&m->soft);
	return m->soft.next_ns;
}
