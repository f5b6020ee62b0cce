/* SPDX-License-Identifier: MIT */
/*
 * core/engine/tasks.c - the processes of a container, as the engine's /proc shows them
 *
 * Theory of operation
 *   There is no cgroup that lists them, so /proc is read: the container's processes are those in the
 *   pid namespace of its first process, and whatever descends from them (a nested container has a
 *   pid namespace of its own).  An exec's are found by the namespace: its parent is its monitor.
 */
#include "engine/tasks.h"
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX 65536

static ino_t pid_namespace(int procfd, pid_t pid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "%d/ns/pid", (int)pid);
	return fstatat(procfd, path, &st, 0) ? 0 : st.st_ino;
}

/* Fields of stat(5) from the third on, behind the command's last ')'. */
static int parse_stat(char *text, struct task *t)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	long long v[40] = {0};
	struct span rest, word;
	int n = 0;

	if (!open || !close || close[1] != ' ')
		return -1;
	snprintf(t->comm, sizeof(t->comm), "%.*s", (int)(close - open - 1), open + 1);
	err_clean(t->comm);
	t->state = close[2];
	rest = span_of(close + 3);
	while (n < 40 && span_token(&rest, ' ', &word)) {
		int64_t x;

		if (word.n)
			v[n++] = parse_i64(word, INT64_MIN, INT64_MAX, &x) ? 0 : x;
	}
	t->ppid = (pid_t)v[0];
	t->tty = (int)v[3];
	t->ticks = v[10] + v[11];
	t->user_ticks = v[10] + v[12];
	t->system_ticks = v[11] + v[13];
	t->nice = (int)v[15];
	t->threads = (int)v[16];
	t->start = v[18];
	t->vsz = v[19];
	t->rss = v[20] * sysconf(_SC_PAGESIZE);
	t->cpu = (int)v[35];
	return n > 20 ? 0 : -1;
}

static int read_task(int procfd, pid_t pid, struct task *t)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[40];
	struct stat st;

	*t = (struct task){.pid = pid};
	snprintf(path, sizeof(path), "%d", (int)pid);
	if (fstatat(procfd, path, &st, 0))
		return -1;
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	return file_read_at(procfd, path, 4096, &text, NULL) ? -1 : parse_stat(text.p, t);
}

static struct task *read_tasks(int procfd, ino_t ns, size_t *n)
{
	cleanup_closedir DIR *d = NULL;
	struct task *all = NULL, t;
	struct dirent *de;
	int fd = openat(procfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t pid;

	*n = 0;
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && *n < PROCESSES_MAX && (de = readdir(d))) {
		if (parse_u64(span_of(de->d_name), INT32_MAX, &pid) || read_task(procfd, (pid_t)pid, &t))
			continue;
		t.member = ns && pid_namespace(procfd, t.pid) == ns;
		if (!(*n & (*n - 1)))
			all = xreallocarray(all, *n ? *n * 2 : 1, sizeof(*all));
		all[(*n)++] = t;
	}
	return all;
}

static int by_pid(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Children of members are members.  Pids mostly grow, so this ends in a round or two. */
static void add_descendants(struct task *all, size_t n, pid_t init)
{
	struct task *parent, key;
	bool more = true;
	size_t i;

	if (n) /* qsort(3) wants an array even for nothing */
		qsort(all, n, sizeof(*all), by_pid);
	while (more) {
		more = false;
		for (i = 0; i < n; i++) {
			if (all[i].member)
				continue;
			key.pid = all[i].ppid;
			parent = bsearch(&key, all, n, sizeof(*all), by_pid);
			all[i].member = all[i].pid == init || (parent && parent->member);
			more |= all[i].member;
		}
	}
}

struct task *tasks_read(int procfd, pid_t init, bool own_pids, size_t *n)
{
	size_t all, i;
	struct task *list = read_tasks(procfd, own_pids ? pid_namespace(procfd, init) : 0, &all);

	*n = 0;
	add_descendants(list, all, init);
	for (i = 0; i < all; i++)
		if (list[i].member)
			list[(*n)++] = list[i];
	return list;
}
