/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/freeze.c - the processes of a container: signal them all, stop them, let them go on
 *
 * Theory of operation
 *   A container that has a cgroup is frozen by it, at once and unseen.  Else /proc is searched.  Where the container has a pid namespace of its
 *   own, its processes are those in it or in one below (NS_GET_PARENT leads up), whoever their parents
 *   are by now.  In a shared one they are those with its init's mount namespace, and the children
 *   of what was found before.
 *
 *   Stopping is SIGSTOP to each.  A process that has been sent one forks no more: fork(2) looks for
 *   signals under the lock that makes the child visible.  So when a search finds nobody new, all are
 *   stopped.  Those that were stopped before we came stay stopped afterwards.
 *
 *   Nobody must stay stopped for ever.  Who is to be continued stands in the file "paused" before a
 *   signal is sent: it tells the next engine that the container is paused, and if this monitor is
 *   killed its engine continues what survived (freeze_undo()): in a pid namespace of the container's
 *   own nothing does, as its init dies with its monitor.
 */
#include "base/fs.h"
#include "base/proc.h"
#include "limits/cgroup.h"
#include "runtime/monitor.h"

#include <errno.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAMESPACES_MAX 32 /* levels of pid namespaces, the kernel's own limit */
#define SEARCHES_MAX 1000 /* somebody outside could feed us new processes for ever */
#define FROZEN_MAX (1 << 20) /* bytes of the file "paused" */

static const char paused_file[] = "paused";

/* --- whose is a process ----------------------------------------------------------------------------- */

struct search {
	bool own_pids;	 /* the container has a pid namespace of its own */
	struct stat ns;	 /* that, or the mount namespace */
};

static int open_namespace(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_same(int fd, const struct stat *st)
{
	struct stat its;

	return fd >= 0 && !fstat(fd, &its) && its.st_ino == st->st_ino && its.st_dev == st->st_dev;
}

static int search_begin(const struct monitor *m, struct search *s, struct err *e)
{
	cleanup_close int its = open_namespace(m->pid, "pid"), ours = open_namespace(getpid(), "pid"), mnt = -1;
	struct stat st;

	if (its < 0 || ours < 0 || fstat(its, &s->ns) || fstat(ours, &st))
		return err_set(e, errno, "looking for the container's processes");
	s->own_pids = s->ns.st_ino != st.st_ino;
	if (s->own_pids)
		return 0;
	mnt = open_namespace(m->pid, "mnt");
	if (mnt < 0 || fstat(mnt, &s->ns))
		return err_set(e, errno, "looking for the container's processes");
	return 0;
}

/* Is it in the container's pid namespace, or in one below? */
static bool is_below(const struct search *s, pid_t pid)
{
	int fd = open_namespace(pid, "pid"), up, level;
	bool found = false;

	for (level = 0; fd >= 0 && !found && level <= NAMESPACES_MAX; level++) {
		found = is_same(fd, &s->ns);
		up = found ? -1 : ioctl(fd, NS_GET_PARENT); /* EPERM above our own */
		close(fd);
		fd = up;
	}
	fd_close(&fd);
	return found;
}

static bool is_member(const struct search *s, pid_t pid)
{
	cleanup_close int mnt = -1;

	if (s->own_pids)
		return is_below(s, pid);
	mnt = open_namespace(pid, "mnt");
	return is_same(mnt, &s->ns);
}

/* --- searching -------------------------------------------------------------------------------------- */

/* State and parent from stat(5): what follows the last ')'. */
static int read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[64], text[512], *p;
	cleanup_close int fd = -1;
	ssize_t n;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = fd_read_full(fd, text, sizeof(text) - 1)) <= 0)
		return -1;
	text[n] = 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p, ") %c %d", state, &ppid) != 2)
		return -1;
	*parent = ppid;
	return 0;
}

static bool is_known(const struct monitor *m, pid_t pid, uint64_t start_time)
{
	size_t i;

	for (i = 0; i < m->n_frozen; i++) {
		if (m->frozen[i].pid == pid && (!start_time || m->frozen[i].start_time == start_time))
			return true;
	}
	return false;
}

static void note(struct monitor *m, pid_t pid, uint64_t start_time, bool by_us)
{
	if (!(m->n_frozen & (m->n_frozen - 1)))
		m->frozen = xreallocarray(m->frozen, m->n_frozen ? m->n_frozen * 2 : 1, sizeof(*m->frozen));
	m->frozen[m->n_frozen++] = (struct frozen){ .pid = pid, .start_time = start_time, .by_us = by_us };
}

/* Add to the list who belongs to the container and is not in it yet. -1 with @e. */
static int search(struct monitor *m, const struct search *s, struct err *e)
{
	cleanup_closedir DIR *proc = opendir("/proc");
	struct dirent *d;
	uint64_t pid;

	if (!proc)
		return err_set(e, errno, "looking for the container's processes");
	while ((d = readdir(proc))) {
		uint64_t start_time;
		pid_t parent;
		char state;

		if (parse_u64(span_of(d->d_name), INT_MAX, &pid) || read_stat((pid_t)pid, &state, &parent) ||
			state == 'Z')
			continue;
		start_time = proc_start_time((pid_t)pid);
		if (!start_time || is_known(m, (pid_t)pid, start_time))
			continue;
		if (is_member(s, (pid_t)pid) || (!s->own_pids && is_known(m, parent, 0)))
			note(m, (pid_t)pid, start_time, state != 'T' && state != 't');
	}
	return 0;
}

static void forget(struct monitor *m)
{
	free(m->frozen);
	m->frozen = NULL;
	m->n_frozen = 0;
}

static void send_to(const struct monitor *m, size_t from, int signo, bool all)
{
	size_t i;

	for (i = from; i < m->n_frozen; i++) {
		const struct frozen *f = &m->frozen[i];
		cleanup_close int pidfd = all || f->by_us ? proc_open(f->pid, f->start_time) : -1;

		if (pidfd >= 0)
			proc_signal(pidfd, signo);
	}
}

int signal_all(struct monitor *m, int signo, struct err *e)
{
	struct search s;
	size_t known = m->n_frozen;
	int rc;

	/* A paused container's list stays; who is on it is in the container as well. */
	rc = search_begin(m, &s, e) || search(m, &s, e) ? -1 : 0;
	if (!rc)
		send_to(m, 0, signo, true);
	m->n_frozen = known;
	if (!known)
		forget(m);
	return rc;
}

/* --- stopping --------------------------------------------------------------------------------------- */

static int write_list(const struct monitor *m, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	size_t i;

	for (i = 0; i < m->n_frozen; i++) {
		if (m->frozen[i].by_us)
			buf_addf(&text, "%d %llu\n", (int)m->frozen[i].pid,
				(unsigned long long)m->frozen[i].start_time);
	}
	return file_write_at(m->dir, paused_file, text.p, text.n, 0600, 0, e);
}

static int stop_all(struct monitor *m, struct err *e)
{
	size_t known = SIZE_MAX;
	struct search s;
	int searches;

	if (search_begin(m, &s, e))
		return -1;
	for (searches = 0; known != m->n_frozen && searches < SEARCHES_MAX; searches++) {
		known = m->n_frozen;
		if (search(m, &s, e) || write_list(m, e))
			return -1;
		send_to(m, known, SIGSTOP, false);
	}
	return 0;
}

void thaw(struct monitor *m)
{
	if (m->paused && m->confine.dir >= 0)
		cgroup_write(m->confine.dir, "cgroup.freeze", "0");
	send_to(m, 0, SIGCONT, false);
	forget(m);
	unlinkat(m->dir, paused_file, 0);
	m->paused = false;
}

int freeze(struct monitor *m, struct err *e)
{
	if (m->paused)
		return 0;
	m->paused = true;
	if (m->confine.dir >= 0 ? write_list(m, e) || cgroup_freeze(m->confine.dir, true, e) : stop_all(m, e)) {
		thaw(m);
		return -1;
	}
	return 0;
}

/* --- for the engine ----------------------------------------------------------------------------------- */

bool monitor_is_paused(int dirfd)
{
	return fs_exists_at(dirfd, paused_file);
}

void freeze_undo(int dirfd)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, pid_text;
	uint64_t pid, start_time;

	if (file_read_at(dirfd, paused_file, FROZEN_MAX, &text, NULL))
		return;
	rest = (struct span){ text.p, text.n };
	while (span_token(&rest, '\n', &line)) {
		cleanup_close int pidfd = -1;

		if (!span_token(&line, ' ', &pid_text) || parse_u64(pid_text, INT_MAX, &pid) ||
			parse_u64(line, UINT64_MAX, &start_time))
			continue;
		pidfd = proc_open((pid_t)pid, start_time);
		if (pidfd >= 0)
			proc_signal(pidfd, SIGCONT);
	}
	unlinkat(dirfd, paused_file, 0);
}
