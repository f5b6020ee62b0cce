/* SPDX-License-Identifier: MIT */
/*
 * core/engine/limits.c - what of a HostConfig the monitor holds a container to
 *
 * No cgroup is ours to set limits in, so CPU time and memory are held by the monitor (limits/soft.h);
 * what it cannot hold is warned about by name when the container is created.
 */
#include "engine/limits.h"
#include "base/clock.h"

#include <stdio.h>

#define CFS_PERIOD_US 100000 /* cpu.max(cgroup-v2), as Docker's default */

struct soft_limits limits_of(const json_t *host)
{
	int64_t nano = json_int(host, "NanoCpus", 0), quota = json_int(host, "CpuQuota", 0);
	int64_t period = json_int(host, "CpuPeriod", 0), memory = json_int(host, "Memory", 0);
	struct soft_limits l = {0, memory > 0 ? (uint64_t)memory : 0};

	if (nano > 0)
		l.cpu_ns = nano; /* CPUs in billionths: nanoseconds per second */
	else if (quota > 0)
		l.cpu_ns = (int64_t)((double)quota * NS_PER_S / (double)(period > 0 ? period : CFS_PERIOD_US));
	return l;
}

static bool shares_pids(const json_t *host)
{
	return *json_str(host, "PidMode", "");
}

static void warn(json_t *warnings, const char *what, const char *why)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", what, why);
	json_append_str(warnings, text);
}

void limits_warn(const json_t *host, json_t *warnings)
{
	static const struct {
		const char *key, *name;
	} not_held[] = {
		{"PidsLimit", "--pids-limit"}, {"CpuShares", "--cpu-shares"}, {"CpusetCpus", "--cpuset-cpus"},
		{"CpusetMems", "--cpuset-mems"}, {"MemoryReservation", "--memory-reservation"},
		{"OomKillDisable", "--oom-kill-disable"},
	};
	const char *how = shares_pids(host) ?
		"is not held: no cgroup is delegated to this user, and the container shares its pid namespace" :
		"is soft: no cgroup is delegated to this user, so the container's monitor watches over it";
	struct soft_limits l = limits_of(host);
	size_t i;

	if (l.cpu_ns)
		warn(warnings, "The CPU limit", how);
	if (l.memory)
		warn(warnings, "The memory limit", how);
	for (i = 0; i < ARRAY_SIZE(not_held); i++) {
		const json_t *v = json_object_get(host, not_held[i].key);

		if (json_is_true(v) || json_integer_value(v) > 0 || (json_is_string(v) && *json_string_value(v)))
			warn(warnings, not_held[i].name,
				"is not held: it needs a cgroup v2 that is delegated to this user");
	}
}
