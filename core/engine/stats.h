/* SPDX-License-Identifier: MIT */
/*
 * core/engine/stats.h - what a container uses: CPU time, memory, network, disk
 */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include "engine/container.h"

/* One look at a container. */
struct stats_sample {
	int64_t read_at; /* ns, real time; 0: none was taken, or it does not run */
	uint64_t user_ns, system_ns, host_ns; /* CPU time of the container and of the machine */
	uint64_t memory, anonymous, threads, bytes_read, bytes_written;
	uint64_t periods, throttled_periods, throttled_ns; /* of the CPU limit that the kernel holds */
	uint64_t memory_limit, threads_limit; /* in the cgroup; 0: none */
	json_t *memory_stats; /* memory.stat, or NULL */
	json_t *disks;	      /* io.stat as the API has it, or NULL */
	json_t *networks; /* interface -> counters, or NULL */
};

void stats_take(struct engine *en, struct container *c, struct stats_sample *s);
/* stats_cgroup.c: replace what was added up by what the container's cgroup has counted, as far as it has. */
void stats_read_cgroup(int dir, struct stats_sample *s);
void stats_release(struct stats_sample *s);
/* The API's object of two looks, @before may be all 0.  @name: with name and id. */
json_t *stats_show(struct engine *en, struct container *c, const struct stats_sample *before,
	const struct stats_sample *now, bool name);

#endif
