/* SPDX-License-Identifier: MIT */
/*
 * core/limits/members.c - the processes of a container or of a tree, as procfs tells of them
 *
 * Theory of operation
 *   A container's monitor has a procfs that was mounted inside the container's pid namespace: it
 *   lists the container's processes and nobody else, so a look costs a few microseconds for each.
 *   (/proc would list the whole machine, and say of nobody whose he is.)  cpulimit has /proc, and
 *   keeps the tree below one process.
 *
 *   What is open stays open from one look to the next: then a look is one pread(2) for each process, and
 *   a signal one system call.
 *
 *   The directory /proc/PID is a descriptor for exactly that process: pidfd_send_signal(2) takes it
 *   for a pidfd, and a file opened below it fails once the process has gone.
 *
 * Limits: /proc/PID/stat counts CPU time in ticks of 10 ms.  The counters only grow, so what is cut off
 * at one look is there at the next; but of 16 processes it is 80 ms that nobody sees for the time being.
 * So who has one thread is asked for nanoseconds (schedstat, which is the thread's).
 */
#include "limits/members.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX 1024	/* bytes of /proc/PID/stat: 52 numbers and a name of 15 */
#define KEPT_MAX 128	/* processes whose files are kept open */
#define CHILDREN_MAX (1 << 20) /* bytes of a list of children */

/* Fields of proc_pid_stat(5), counted from the state. */
enum { STAT_STATE, STAT_PPID, STAT_UTIME = 11, STAT_STIME, STAT_CUTIME, STAT_CSTIME, STAT_THREADS = 17,
	STAT_START = 19, STAT_RSS = 21, STAT_FIELDS };

static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

int member_parse(struct span text, struct member *m)
{
	ssize_t paren = span_rchr(text, ')'); /* the name before it may hold anything */
	uint64_t field[STAT_FIELDS] = {0}, pid;
	struct span rest = text, word;
	int i;

	if (!span_token(&rest, ' ', &word) || parse_u64(word, INT_MAX, &pid) || paren < 0 ||
		(size_t)paren + 2 >= text.n)
		return -1;
	rest = (struct span){text.p + paren + 2, text.n - (size_t)paren - 2};
	*m = (struct member){.pid = (pid_t)pid, .state = *rest.p};
	for (i = 0; i < STAT_FIELDS; i++) {
		if (!span_token(&rest, ' ', &word))
			return -1;
		/* Others may be negative; none of those is asked for. */
		if (i != STAT_STATE && parse_u64(word, UINT64_MAX, &field[i]))
			field[i] = 0;
	}
	m->parent = (pid_t)field[STAT_PPID];
	m->start_time = field[STAT_START];
	m->own_ns = ticks_to_ns(field[STAT_UTIME] + field[STAT_STIME]);
	m->reaped_ns = ticks_to_ns(field[STAT_CUTIME] + field[STAT_CSTIME]);
	m->threads = field[STAT_THREADS];
	m->resident = field[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static int open_process(int procfd, pid_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	return openat(procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int read_stat(int fd, struct member *m)
{
	char text[STAT_MAX];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);

	return n <= 0 ? -1 : member_parse((struct span){text, (size_t)n}, m);
}

static int read_member(int dirfd, struct member *m)
{
	cleanup_close int fd = openat(dirfd, "stat", O_RDONLY | O_CLOEXEC);

	return read_stat(fd, m);
}

/* "NANOSECONDS WAITED SLICES" of the first thread. */
static void read_sched(int fd, struct member *m)
{
	char text[64];
	ssize_t n = m->threads == 1 ? pread(fd, text, sizeof(text), 0) : -1;
	struct span rest = {text, n > 0 ? (size_t)n : 0}, word;
	uint64_t ns;

	if (n > 0 && span_token(&rest, ' ', &word) && !parse_u64(word, INT64_MAX, &ns) && ns > m->own_ns)
		m->own_ns = ns;
}

static struct member *find(const struct members *m, pid_t pid)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (m->list[i].pid == pid)
			return &m->list[i];
	}
	return NULL;
}

void member_close(struct member *m)
{
	if (m->dir)
		close(m->dir);
	if (m->stat)
		close(m->stat);
	if (m->sched)
		close(m->sched);
	m->dir = m->stat = m->sched = 0;
}

static void add(struct members *m, const struct member *one)
{
	if (m->n == m->room) {
		m->room = m->room ? m->room * 2 : 16;
		m->list = xreallocarray(m->list, m->room, sizeof(*m->list));
	}
	m->list[m->n++] = *one;
}

/* One whose files are open since the last look; false if it has ended. */
static bool add_known(struct members *m, struct member *known)
{
	struct member one;

	if (!known || !known->stat || read_stat(known->stat, &one))
		return false;
	one.stopped_by_us = known->stopped_by_us;
	one.dir = known->dir;
	one.stat = known->stat;
	one.sched = known->sched;
	known->dir = known->stat = known->sched = 0;
	if (one.sched)
		read_sched(one.sched, &one);
	add(m, &one);
	return true;
}

/* Add process @pid, if there is one that is not listed.  A descriptor of 0 would be "not kept": there is
 * always something at 0, in a monitor and in an applet. */
static void add_pid(int procfd, pid_t pid, struct members *m, struct members *before)
{
	cleanup_close int dir = -1, fd = -1;
	struct member *known, one;
	int sched;

	if (find(m, pid))
		return;
	known = find(before, pid);
	if (add_known(m, known))
		return;
	dir = open_process(procfd, pid);
	fd = dir < 0 ? -1 : openat(dir, "stat", O_RDONLY | O_CLOEXEC);
	if (read_stat(fd, &one))
		return; /* it has just ended */
	one.stopped_by_us = known && known->start_time == one.start_time && known->stopped_by_us;
	if (m->n < KEPT_MAX && dir > 0 && fd > 0) {
		sched = openat(dir, "schedstat", O_RDONLY | O_CLOEXEC);
		one.sched = sched > 0 ? sched : 0;
		if (sched > 0)
			read_sched(sched, &one);
		one.dir = fd_steal(&dir);
		one.stat = fd_steal(&fd);
	}
	add(m, &one);
}

static int read_all(int procfd, struct members *m, struct members *before, struct err *e)
{
	int fd = openat(procfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	uint64_t pid;

	if (!d) {
		fd_close(&fd);
		return err_set(e, errno, "listing processes");
	}
	while ((de = readdir(d))) {
		if (!parse_u64(span_of(de->d_name), INT_MAX, &pid))
			add_pid(procfd, (pid_t)pid, m, before);
	}
	return 0;
}

int members_read(int procfd, struct members *m, struct err *e)
{
	struct members before = *m;
	int rc;

	*m = (struct members){NULL, 0, 0};
	rc = read_all(procfd, m, &before, e);
	members_release(&before);
	return rc;
}

/* --- trees ----------------------------------------------------------------------------------------- */

static bool has_pid(const struct members *m, size_t n, pid_t pid)
{
	while (n && m->list[n - 1].pid != pid)
		n--;
	return n > 0;
}

/* Drop all but @root and what descends from it. */
static void keep_tree(struct members *m, pid_t root)
{
	size_t kept = 0, before, i;

	do {
		before = kept;
		for (i = kept; i < m->n; i++) {
			struct member one = m->list[i];

			if (one.pid != root && !has_pid(m, kept, one.parent))
				continue;
			m->list[i] = m->list[kept];
			m->list[kept++] = one;
		}
	} while (kept != before);
	for (i = kept; i < m->n; i++)
		member_close(&m->list[i]);
	m->n = kept;
}

static void add_children(int procfd, pid_t pid, const char *thread, struct members *m,
	struct members *before)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[64];
	struct span rest, word;
	uint64_t child;

	snprintf(path, sizeof(path), "%d/task/%.16s/children", (int)pid, thread);
	if (file_read_at(procfd, path, CHILDREN_MAX, &text, NULL))
		return;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, ' ', &word)) {
		if (!parse_u64(word, INT_MAX, &child))
			add_pid(procfd, (pid_t)child, m, before);
	}
}

static void add_children_of_threads(int procfd, pid_t pid, struct members *m, struct members *before)
{
	char path[32];
	struct dirent *de;
	int fd;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	fd = openat(procfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		fd_close(&fd);
	while (d && (de = readdir(d))) {
		if (*de->d_name != '.')
			add_children(procfd, pid, de->d_name, m, before);
	}
}

static bool has_lists_of_children(int procfd)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/task/%d/children", (int)getpid(), (int)getpid());
	return !faccessat(procfd, path, F_OK, 0);
}

int members_read_tree(int procfd, pid_t root, struct members *m, struct err *e)
{
	struct members before = *m;
	char thread[16];
	size_t i;
	int rc = 0;

	*m = (struct members){NULL, 0, 0};
	if (!has_lists_of_children(procfd)) {
		rc = read_all(procfd, m, &before, e);
		keep_tree(m, root);
	} else {
		add_pid(procfd, root, m, &before);
		for (i = 0; i < m->n; i++) { /* it grows meanwhile */
			snprintf(thread, sizeof(thread), "%d", (int)m->list[i].pid);
			if (m->list[i].threads > 1)
				add_children_of_threads(procfd, m->list[i].pid, m, &before);
			else
				add_children(procfd, m->list[i].pid, thread, m, &before);
		}
	}
	members_release(&before);
	return rc;
}

void members_release(struct members *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		member_close(&m->list[i]);
	free(m->list);
	*m = (struct members){NULL, 0, 0};
}

uint64_t members_cpu_ns(const struct members *m)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < m->n; i++)
		sum += m->list[i].own_ns + m->list[i].reaped_ns;
	return sum;
}

uint64_t members_threads(const struct members *m)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < m->n; i++)
		sum += m->list[i].threads;
	return sum;
}

unsigned int members_cpus(const struct members *m)
{
	uint64_t threads = members_threads(m);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return threads < 1 ? 1 : threads < (uint64_t)cpus ? (unsigned int)threads : (unsigned int)cpus;
}

/* --- signals --------------------------------------------------------------------------------------- */

int member_signal(int procfd, const struct member *m, int signo)
{
	cleanup_close int dir = -1;
	struct member now;

	if (m->dir)
		return (int)syscall(SYS_pidfd_send_signal, m->dir, signo, NULL, 0);
	dir = open_process(procfd, m->pid);

	if (dir < 0 || read_member(dir, &now) || now.start_time != m->start_time) {
		errno = ESRCH;
		return -1;
	}
	return (int)syscall(SYS_pidfd_send_signal, dir, signo, NULL, 0);
}

static bool runs(const struct member *m)
{
	return !m->stopped_by_us && !strchr("TtZX", m->state);
}

size_t members_stop(int procfd, struct members *m)
{
	size_t i, stopped = 0;

	for (i = 0; i < m->n; i++) {
		struct member *one = &m->list[i];

		if (!runs(one) || member_signal(procfd, one, SIGSTOP))
			continue;
		one->stopped_by_us = true;
		stopped++;
	}
	return stopped;
}

void members_continue(int procfd, struct members *m)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (m->list[i].stopped_by_us)
			member_signal(procfd, &m->list[i], SIGCONT);
		m->list[i].stopped_by_us = false;
	}
}
