/* SPDX-License-Identifier: MIT */
/*
 * core/engine/stats.c - what a container uses: CPU time, memory, network, disk
 *
 * Theory of operation
 *   Where the container has a cgroup, that has counted (stats_cgroup.c).  What it does not know is added up
 *   over the container's processes, in the shape that Docker gives what it reads from a cgroup of version
 *   2: that is what clients subtract and divide.
 *	CPU	stat(5): a process's own, and that of children it has waited for.  Memory is shared, so
 *		a process counts with its share ("Pss" of smaps_rollup), or with all it has where
 *		that cannot be read.
 *	network	/proc/PID/net/dev: the interfaces of the network namespace, but lo
 *	disk	/proc/PID/io of those that live: what ended ones did is not known any more
 */
#include "engine/stats.h"
#include "base/fs.h"
#include "engine/tasks.h"
#include "limits/cgroup.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX (1 << 16) /* bytes of a file of /proc that are read */

/* --- files of /proc ----------------------------------------------------------------------------- */

/* A number behind "NAME:" at the beginning of a line; @def if it is not there. */
static uint64_t number_after(const char *text, const char *name, uint64_t def)
{
	size_t n = strlen(name);
	const char *line;
	uint64_t v;

	for (line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		struct span digits;

		if (strncmp(line, name, n) || line[n] != ':')
			continue;
		digits.p = line + n + 1 + strspn(line + n + 1, " \t");
		digits.n = strspn(digits.p, "0123456789");
		return parse_u64(digits, UINT64_MAX, &v) ? def : v;
	}
	return def;
}

static int read_file(int procfd, pid_t pid, const char *name, struct buf *text)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	buf_reset(text);
	return file_read_at(procfd, path, TEXT_MAX, text, NULL);
}

static void add_task(struct stats_sample *s, int procfd, const struct task *t, int64_t tick_ns,
	struct buf *text)
{
	uint64_t resident = (uint64_t)(t->rss > 0 ? t->rss : 0);

	s->user_ns += (uint64_t)(t->user_ticks * tick_ns);
	s->system_ns += (uint64_t)(t->system_ticks * tick_ns);
	s->threads += (uint64_t)t->threads;
	if (!read_file(procfd, t->pid, "smaps_rollup", text)) {
		s->memory += number_after(text->p, "Pss", resident / 1024) * 1024;
		s->anonymous += number_after(text->p, "Pss_Anon", 0) * 1024;
	} else {
		s->memory += resident;
	}
	if (!read_file(procfd, t->pid, "io", text)) {
		s->bytes_read += number_after(text->p, "read_bytes", 0);
		s->bytes_written += number_after(text->p, "write_bytes", 0);
	}
}

/* "eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop …" */
static void add_interface(json_t *networks, struct span line)
{
	static const char *const names[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", NULL, NULL,
		NULL, NULL, "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
	ssize_t colon = span_chr(line, ':');
	cleanup_free char *name = NULL;
	struct span rest, word;
	json_t *counters;
	uint64_t v;
	size_t i = 0;

	if (colon < 0)
		return;
	rest = span_cut(&line, (size_t)colon);
	name = span_dup(span_trim(line));
	if (!strcmp(name, "lo"))
		return;
	counters = json_object();
	while (i < ARRAY_SIZE(names) && span_token(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (names[i])
			json_set_int(counters, names[i], parse_u64(word, INT64_MAX, &v) ? 0 : (int64_t)v);
		i++;
	}
	json_set_new(networks, name, counters);
}

static json_t *read_networks(int procfd, pid_t pid, struct buf *text)
{
	json_t *networks = json_object();
	struct span rest, line;

	if (!read_file(procfd, pid, "net/dev", text)) {
		rest = (struct span){text->p, text->n};
		while (span_token(&rest, '\n', &line))
			add_interface(networks, line);
	}
	if (json_object_size(networks))
		return networks;
	json_decref(networks);
	return NULL;
}

/* CPU time of the machine, idle time included: the first eight numbers of "cpu …". */
static uint64_t read_host_ns(int procfd, int64_t tick_ns)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, word;
	uint64_t v, sum = 0;
	int n = 0;

	if (file_read_at(procfd, "stat", 1 << 20, &text, NULL) || strncmp(text.p, "cpu ", 4))
		return 0;
	rest = (struct span){text.p + 4, strcspn(text.p, "\n") - 4};
	while (n < 8 && span_token(&rest, ' ', &word)) {
		if (word.n && !parse_u64(word, INT64_MAX, &v)) {
			sum += v;
			n++;
		}
	}
	return sum * (uint64_t)tick_ns;
}

/* --- a look --------------------------------------------------------------------------------------- */

static void ask_cgroup(struct engine *en, const struct container *c, struct stats_sample *s)
{
	cleanup_close int dirfd = openat(en->execfd, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *path = dirfd < 0 ? NULL : monitor_cgroup(dirfd);
	cleanup_close int dir = path ? cgroup_open(path) : -1;

	if (dir >= 0)
		stats_read_cgroup(dir, s);
}

void stats_take(struct engine *en, struct container *c, struct stats_sample *s)
{
	cleanup_close int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_json json_t *host = container_host(c);
	bool own_pids = !*json_str(host, "PidMode", "");
	bool host_network = !strcmp(json_str(host, "NetworkMode", ""), "host");
	int64_t tick_ns = NS_PER_S / sysconf(_SC_CLK_TCK);
	cleanup_buf struct buf text = BUF_INIT;
	struct task *list;
	size_t n, i;
	pid_t pid;

	*s = (struct stats_sample){0};
	pthread_mutex_lock(&c->lock);
	pid = c->status == ST_RUNNING ? c->pid : 0;
	pthread_mutex_unlock(&c->lock);
	if (!pid || procfd < 0)
		return;
	list = tasks_read(procfd, pid, own_pids, &n);
	for (i = 0; i < n; i++)
		add_task(s, procfd, &list[i], tick_ns, &text);
	free(list);
	s->networks = host_network ? NULL : read_networks(procfd, pid, &text);
	ask_cgroup(en, c, s);
	s->host_ns = read_host_ns(procfd, tick_ns);
	s->read_at = clock_real_ns();
}

void stats_release(struct stats_sample *s)
{
	json_decref(s->networks);
	json_decref(s->memory_stats);
	json_decref(s->disks);
	s->networks = s->memory_stats = s->disks = NULL;
}

/* --- what is shown -------------------------------------------------------------------------------- */

static json_t *show_cpu(const struct stats_sample *s)
{
	json_t *j = json_pack("{s:{s:I, s:I, s:I}}", "cpu_usage", "total_usage",
		(json_int_t)(s->user_ns + s->system_ns), "usage_in_kernelmode", (json_int_t)s->system_ns,
		"usage_in_usermode", (json_int_t)s->user_ns);

	if (s->read_at) {
		json_set_int(j, "system_cpu_usage", (int64_t)s->host_ns);
		json_set_int(j, "online_cpus", sysconf(_SC_NPROCESSORS_ONLN));
	}
	json_set_new(j, "throttling_data", json_pack("{s:I, s:I, s:I}", "periods", (json_int_t)s->periods,
		"throttled_periods", (json_int_t)s->throttled_periods, "throttled_time", (json_int_t)s->throttled_ns));
	return j;
}

static json_t *show_disk(const struct stats_sample *s)
{
	static const char *const none[] = {"io_serviced_recursive", "io_queue_recursive",
		"io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive",
		"sectors_recursive"};
	json_t *j = json_object();
	size_t i;

	json_set_new(j, "io_service_bytes_recursive", !s->read_at ? json_null() : s->disks ? json_incref(s->disks) :
		json_pack("[{s:i, s:i, s:s, s:I}, {s:i, s:i, s:s, s:I}]", "major", 0, "minor", 0, "op", "read", "value",
			(json_int_t)s->bytes_read, "major", 0, "minor", 0, "op", "write", "value",
			(json_int_t)s->bytes_written));
	for (i = 0; i < ARRAY_SIZE(none); i++)
		json_set_new(j, none[i], json_null());
	return j;
}

static json_t *show_memory(struct container *c, const struct stats_sample *s)
{
	cleanup_json json_t *host = container_host(c);
	int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	int64_t limit = json_int(host, "Memory", 0);

	if (!s->read_at)
		return json_object();
	if (s->memory_stats)
		return json_pack("{s:I, s:O, s:I}", "usage", (json_int_t)s->memory, "stats", s->memory_stats, "limit",
			(json_int_t)(s->memory_limit ? s->memory_limit : (uint64_t)machine));
	return json_pack("{s:I, s:{s:I, s:I, s:I}, s:I}", "usage", (json_int_t)s->memory, "stats", "anon",
		(json_int_t)s->anonymous, "file", (json_int_t)(s->memory - s->anonymous), "inactive_file",
		(json_int_t)0, "limit", (json_int_t)(limit > 0 && limit < machine ? limit : machine));
}

json_t *stats_show(struct engine *en, struct container *c, const struct stats_sample *before,
	const struct stats_sample *now, bool with_name)
{
	cleanup_free char *name = container_name(en, c), *slashed = xasprintf("/%s", name);
	char read_at[CLOCK_RFC3339_MAX], preread[CLOCK_RFC3339_MAX];
	json_t *j = json_object();

	if (with_name) {
		json_set_str(j, "name", slashed);
		json_set_str(j, "id", c->id);
	}
	json_set_str(j, "read", clock_format(now->read_at, read_at));
	json_set_str(j, "preread", clock_format(before->read_at, preread));
	json_set_new(j, "pids_stats", now->read_at ? json_pack("{s:I}", "current", (json_int_t)now->threads) :
		json_object());
	if (now->threads_limit)
		json_set_int(json_obj(j, "pids_stats"), "limit", (int64_t)now->threads_limit);
	json_set_new(j, "blkio_stats", show_disk(now));
	json_set_int(j, "num_procs", 0);
	json_set_new(j, "storage_stats", json_object());
	json_set_new(j, "cpu_stats", show_cpu(now));
	json_set_new(j, "precpu_stats", show_cpu(before));
	json_set_new(j, "memory_stats", show_memory(c, now));
	if (now->networks)
		json_object_set(j, "networks", now->networks);
	return j;
}
