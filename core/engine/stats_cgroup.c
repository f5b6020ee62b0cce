/* SPDX-License-Identifier: MIT */
/*
 * core/engine/stats_cgroup.c - what a container's cgroup has counted
 *
 * Every cgroup has cpu.stat.  The other files are there where their controller is; what is not there
 * stays as it was added up over the processes.  A cgroup's counters know of processes that have ended,
 * and memory.current of pages that no process maps.
 *
 * Pressure (*.pressure, PSI) is not read: the API's statistics have no member for it (1.51), and nothing here
 * decides by it: the limits are the kernel's wherever there is a cgroup with such files, and the soft limiters
 * look at what they limit itself, CPU time and memory, which tells earlier than tasks that wait.
 */
#include "engine/stats.h"
#include "base/fs.h"
#include "limits/cgroup.h"

#include <stdio.h>

#define TEXT_MAX (1 << 20) /* bytes of a file: io.stat has a line for each disk */

static void read_cpu(int dir, struct stats_sample *s)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct span text;

	if (file_read_at(dir, "cpu.stat", TEXT_MAX, &b, NULL))
		return;
	text = (struct span){b.p, b.n};
	s->user_ns = cgroup_parse(text, "user_usec", 0) * 1000;
	s->system_ns = cgroup_parse(text, "system_usec", 0) * 1000;
	s->periods = cgroup_parse(text, "nr_periods", 0);
	s->throttled_periods = cgroup_parse(text, "nr_throttled", 0);
	s->throttled_ns = cgroup_parse(text, "throttled_usec", 0) * 1000;
}

/* "max" is no limit. */
static uint64_t read_limit(int dir, const char *file)
{
	uint64_t v = cgroup_read(dir, file, NULL, 0);

	return v == UINT64_MAX ? 0 : v;
}

static void read_memory(int dir, struct stats_sample *s)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct span rest, line, name;
	uint64_t v = cgroup_read(dir, "memory.current", NULL, UINT64_MAX);

	if (v == UINT64_MAX || file_read_at(dir, "memory.stat", TEXT_MAX, &b, NULL))
		return;
	s->memory = v;
	s->memory_limit = read_limit(dir, "memory.max");
	s->memory_stats = json_object();
	rest = (struct span){b.p, b.n};
	while (span_token(&rest, '\n', &line)) {
		if (span_token(&line, ' ', &name) && !parse_u64(line, INT64_MAX, &v)) {
			cleanup_free char *key = span_dup(name);

			json_set_int(s->memory_stats, key, (int64_t)v);
		}
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 …" */
static void add_disk(json_t *disks, struct span line)
{
	static const char *const ops[][2] = {{"rbytes=", "read"}, {"wbytes=", "write"}};
	struct span device, minor, word;
	uint64_t major_number, minor_number, v;
	ssize_t colon;
	size_t i;

	if (!span_token(&line, ' ', &device) || (colon = span_chr(device, ':')) < 0)
		return;
	minor = span_cut(&device, (size_t)colon);
	if (parse_u64(device, UINT32_MAX, &major_number) || parse_u64(minor, UINT32_MAX, &minor_number))
		return;
	while (span_token(&line, ' ', &word)) {
		for (i = 0; i < ARRAY_SIZE(ops); i++) {
			size_t n = strlen(ops[i][0]);

			if (span_starts(word, ops[i][0]) &&
				!parse_u64((struct span){word.p + n, word.n - n}, INT64_MAX, &v))
				json_array_append_new(disks, json_pack("{s:I, s:I, s:s, s:I}", "major",
					(json_int_t)major_number, "minor", (json_int_t)minor_number, "op", ops[i][1],
					"value", (json_int_t)v));
		}
	}
}

static void read_io(int dir, struct stats_sample *s)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct span rest, line;

	if (file_read_at(dir, "io.stat", TEXT_MAX, &b, NULL))
		return;
	s->disks = json_array();
	rest = (struct span){b.p, b.n};
	while (span_token(&rest, '\n', &line))
		add_disk(s->disks, line);
}

void stats_read_cgroup(int dir, struct stats_sample *s)
{
	read_cpu(dir, s);
	read_memory(dir, s);
	read_io(dir, s);
	s->threads = cgroup_read(dir, "pids.current", NULL, s->threads);
	s->threads_limit = read_limit(dir, "pids.max");
}
