/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_update.c - docker update: other limits and another restart policy
 *
 * Theory of operation
 *   The body is what the stock client sends: every limit, where 0, "" and null leave things as they
 *   are.  One container is told after the other; errors and warnings come when all were.
 */
#include "call.h"
#include "run_spec.h"

#include <stdio.h>

static struct run_opts o = {.restart = ""};

static struct flag update_flags[] = {
	{"blkio-weight", 0, FLAG_UINT16, &o.blkio_weight, "Block IO weight, 10 to 1000; 0 disables"},
	{"cpu-period", 0, FLAG_INT, &o.cpu_period, "Length of a CPU quota's period, microseconds"},
	{"cpu-quota", 0, FLAG_INT, &o.cpu_quota, "CPU time in each period, microseconds"},
	{"cpu-rt-period", 0, FLAG_INT, &o.cpu_rt_period, "Real-time period, microseconds"},
	{"cpu-rt-runtime", 0, FLAG_INT, &o.cpu_rt_runtime, "Real-time runtime, microseconds"},
	{"cpu-shares", 'c', FLAG_INT, &o.cpu_shares, "CPU weight relative to others (1024 is normal)"},
	{"cpus", 0, FLAG_CPUS, &o.cpus, "Number of CPUs: 0.5, 2"},
	{"cpuset-cpus", 0, FLAG_STRING, &o.cpuset_cpus, "CPUs to run on: 0-3, 0,1"},
	{"cpuset-mems", 0, FLAG_STRING, &o.cpuset_mems, "Memory nodes to use: 0-3, 0,1"},
	{"kernel-memory", 0, FLAG_BYTES, &o.kernel_memory, "", .hidden = true},
	{"memory", 'm', FLAG_BYTES, &o.memory, "Memory limit: 256m, 2g"},
	{"memory-reservation", 0, FLAG_BYTES, &o.memory_reservation, "Memory soft limit"},
	{"memory-swap", 0, FLAG_SWAP, &o.memory_swap, "Memory and swap together; -1: as much swap as there is"},
	{"pids-limit", 0, FLAG_INT, &o.pids_limit, "Number of processes; -1: any"},
	{"restart", 0, FLAG_STRING, &o.restart,
		"What to do when it exits: no, on-failure[:times], always or unless-stopped"},
	FLAG_END,
};

static json_t *update_body(struct err *e)
{
	static const char *const lists[] = {"BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps",
		"BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "Devices", "DeviceCgroupRules", "DeviceRequests", "Ulimits"};
	static const char *const windows[] = {"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"};
	json_t *b = json_object(), *policy = json_object();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		json_set_new(b, lists[i], json_null());
	for (i = 0; i < ARRAY_SIZE(windows); i++)
		json_set_int(b, windows[i], 0);
	json_set_new(b, "RestartPolicy", policy);
	json_set_int(b, "CpuShares", o.cpu_shares);
	json_set_int(b, "Memory", o.memory);
	json_set_int(b, "NanoCpus", o.cpus);
	json_set_str(b, "CgroupParent", "");
	json_set_int(b, "BlkioWeight", o.blkio_weight);
	json_set_int(b, "CpuPeriod", o.cpu_period);
	json_set_int(b, "CpuQuota", o.cpu_quota);
	json_set_int(b, "CpuRealtimePeriod", o.cpu_rt_period);
	json_set_int(b, "CpuRealtimeRuntime", o.cpu_rt_runtime);
	json_set_str(b, "CpusetCpus", o.cpuset_cpus ? o.cpuset_cpus : "");
	json_set_str(b, "CpusetMems", o.cpuset_mems ? o.cpuset_mems : "");
	if (o.kernel_memory)
		json_set_int(b, "KernelMemory", o.kernel_memory);
	json_set_int(b, "MemoryReservation", o.memory_reservation);
	json_set_int(b, "MemorySwap", o.memory_swap);
	json_set_new(b, "MemorySwappiness", json_null());
	json_set_new(b, "OomKillDisable", json_null());
	json_set_new(b, "PidsLimit", o.pids_limit ? json_integer(o.pids_limit) : json_null());
	if (restart_policy(policy, o.restart, e)) {
		json_decref(b);
		return NULL;
	}
	return b;
}

static bool any_given(void)
{
	const struct flag *f;

	for (f = update_flags; f->name; f++) {
		if (f->seen)
			return true;
	}
	return false;
}

static void take_warnings(const json_t *answer, struct buf *warnings)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(answer, "Warnings"), i, v)
		buf_addf(warnings, "%s\n", json_string_value(v) ? json_string_value(v) : "");
}

static void update_one(struct docker *d, const char *name, const json_t *body, struct buf *warnings, struct buf *errors)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = container_target("/containers/%s/update", name, &e);
	cleanup_json json_t *answer = NULL;

	if (!path || call_post(d, path, body, &answer, &e)) {
		buf_addf(errors, "%s\n", e.msg);
		return;
	}
	printf("%s\n", name);
	take_warnings(answer, warnings);
}

static int update(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf warnings = BUF_INIT, errors = BUF_INIT;
	cleanup_json json_t *body = NULL;
	struct err e = ERR_INIT;
	int i;

	if (!any_given()) {
		fputs("you must provide one or more flags when using this command\n", stderr);
		return 1;
	}
	body = update_body(&e);
	if (!body) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	for (i = 0; i < argc; i++)
		update_one(d, argv[i], body, &warnings, &errors);
	fputs(warnings.p, stdout);
	fflush(stdout);
	fputs(errors.p, stderr);
	return errors.n ? 1 : 0;
}

static struct command cmd_update = {"[OPTIONS] CONTAINER [CONTAINER...]",
	"Update configuration of one or more containers",
	"Example:\n  docker update --cpus 0.5 --restart unless-stopped web\n", update_flags, 1, -1, false, update};

const struct entry entries_update[] = {
	{"", "update", NULL, &cmd_update},
	{"container", "update", NULL, &cmd_update},
	{0},
};
