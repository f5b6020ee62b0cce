/* SPDX-License-Identifier: MIT */
/*
 * core/engine/limits.c - the limits of a HostConfig, and who holds them
 *
 * Each of cgroup v2's controllers is the kernel's where it is delegated to this user, and else the
 * monitor's as far as it can (limits/limits.h).  What is softer than Docker's, or is not held at all, is
 * said by name when the container is created, and in general by `docker info`.
 */
#include "engine/limits.h"
#include "base/clock.h"
#include "limits/cgroup.h"
#include "ns/cage.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

const char *limits_driver_asked(const json_t *exec_opts)
{
	const char *asked = NULL, *text, *eq;
	const json_t *v;
	size_t i;

	json_array_foreach(exec_opts, i, v) {
		text = json_string_value(v);
		eq = text ? strchr(text, '=') : NULL;
		if (eq)
			asked = eq + 1 + strspn(eq + 1, " \t"); /* the only option there is */
	}
	return asked;
}

/* --- as the runtime-spec has them -------------------------------------------------------------------- */

static void copy_int(json_t *to, const char *name, const json_t *host, const char *key)
{
	int64_t v = json_int(host, key, 0);

	if (v)
		json_set_int(to, name, v);
}

static void copy_str(json_t *to, const char *name, const json_t *host, const char *key)
{
	const char *v = json_str(host, key, "");

	if (*v)
		json_set_str(to, name, v);
}

static json_t *cpu_of(const json_t *host)
{
	int64_t nano = json_int(host, "NanoCpus", 0);
	json_t *j = json_object();

	copy_int(j, "shares", host, "CpuShares");
	copy_int(j, "quota", host, "CpuQuota");
	copy_int(j, "period", host, "CpuPeriod");
	copy_str(j, "cpus", host, "CpusetCpus");
	copy_str(j, "mems", host, "CpusetMems");
	if (nano > 0) { /* CPUs in billionths */
		json_set_int(j, "quota", (int64_t)((double)nano * CPU_PERIOD_US / NS_PER_S));
		json_set_int(j, "period", CPU_PERIOD_US);
	}
	return j;
}

static json_t *memory_of(const json_t *host)
{
	json_t *j = json_object();

	copy_int(j, "limit", host, "Memory");
	copy_int(j, "swap", host, "MemorySwap");
	copy_int(j, "reservation", host, "MemoryReservation");
	return j;
}

/* [{"Path", what}] with the numbers of the device. */
static void add_devices(json_t *to, const char *name, const json_t *host, const char *key, const char *from,
	const char *what)
{
	json_t *list = json_array(), *v;
	struct stat st;
	size_t i;

	json_array_foreach(json_arr(host, key), i, v)
		if (!stat(json_str(v, "Path", ""), &st))
			json_array_append_new(list, json_pack("{s:i, s:i, s:I}", "major", (int)major(st.st_rdev),
				"minor", (int)minor(st.st_rdev), what, (json_int_t)json_int(v, from, 0)));
	if (json_array_size(list))
		json_object_set(to, name, list);
	json_decref(list);
}

static json_t *io_of(const json_t *host)
{
	json_t *j = json_object();

	copy_int(j, "weight", host, "BlkioWeight");
	add_devices(j, "weightDevice", host, "BlkioWeightDevice", "Weight", "weight");
	add_devices(j, "throttleReadBpsDevice", host, "BlkioDeviceReadBps", "Rate", "rate");
	add_devices(j, "throttleWriteBpsDevice", host, "BlkioDeviceWriteBps", "Rate", "rate");
	add_devices(j, "throttleReadIOPSDevice", host, "BlkioDeviceReadIOps", "Rate", "rate");
	add_devices(j, "throttleWriteIOPSDevice", host, "BlkioDeviceWriteIOps", "Rate", "rate");
	return j;
}

json_t *limits_resources(const json_t *host)
{
	json_t *j = json_object();
	int64_t pids = json_int(host, "PidsLimit", 0);

	json_set_new(j, "cpu", cpu_of(host));
	json_set_new(j, "memory", memory_of(host));
	json_set_new(j, "blockIO", io_of(host));
	if (pids)
		json_set_new(j, "pids", json_pack("{s:I}", "limit", (json_int_t)(pids < 0 ? -1 : pids)));
	return j;
}

const char *limits_affinity(const struct cgroup_driver *d, const json_t *host)
{
	return d->controllers & CONTROL_CPUSET ? "" : json_str(host, "CpusetCpus", "");
}

int64_t limits_cage(const struct cgroup_driver *d, const json_t *host)
{
	int64_t pids = json_int(host, "PidsLimit", 0);

	if (d->controllers & CONTROL_PIDS || pids <= 0 || *json_str(host, "PidMode", "") || !cage_possible())
		return 0;
	return pids;
}

/* --- what the user should know -------------------------------------------------------------------------- */

static void warn(json_t *warnings, const char *what, const char *how, const char *why, const char *so)
{
	cleanup_free char *text = xasprintf("%s %s: %s%s", what, how, why, so);

	json_append_str(warnings, text);
}

/* Why the kernel does not hold limits of a controller. */
static char *reason(const struct cgroup_driver *d, unsigned int controller)
{
	cleanup_buf struct buf name = BUF_INIT;

	if (d->kind == CGROUP_NONE)
		return xstrdup("no cgroup is delegated to this user");
	controllers_print(controller, "", &name);
	return xasprintf("the cgroup controller \"%s\" is not delegated to this user", name.p);
}

static bool is_asked(const json_t *host, const char *key)
{
	const json_t *v = json_object_get(host, key);

	return json_is_true(v) || json_integer_value(v) > 0 || json_array_size(v) ||
		(json_is_string(v) && *json_string_value(v));
}

static void warn_of_rest(const struct cgroup_driver *d, const json_t *host, json_t *warnings)
{
	static const struct {
		const char *key, *name;
		unsigned int controller;
	} not_held[] = {
		{"PidsLimit", "--pids-limit", CONTROL_PIDS}, {"CpuShares", "--cpu-shares", CONTROL_CPU},
		{"CpusetMems", "--cpuset-mems", CONTROL_CPUSET},
		{"MemoryReservation", "--memory-reservation", CONTROL_MEMORY},
		{"BlkioDeviceReadBps", "--device-read-bps", CONTROL_IO},
		{"BlkioDeviceWriteBps", "--device-write-bps", CONTROL_IO},
		{"BlkioDeviceReadIOps", "--device-read-iops", CONTROL_IO},
		{"BlkioDeviceWriteIOps", "--device-write-iops", CONTROL_IO},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(not_held); i++) {
		cleanup_free char *why = reason(d, not_held[i].controller);

		if (not_held[i].controller == CONTROL_PIDS && limits_cage(d, host))
			continue;
		if (!(d->controllers & not_held[i].controller) && is_asked(host, not_held[i].key))
			warn(warnings, not_held[i].name, "is not held", why, "");
	}
	if (is_asked(host, "OomKillDisable"))
		warn(warnings, "--oom-kill-disable", "is not held", "cgroup v2 has no such knob", "");
}

static void warn_of_soft(const struct cgroup_driver *d, const json_t *host, unsigned int controller,
	const char *what, json_t *warnings)
{
	cleanup_free char *why = reason(d, controller);

	if (*json_str(host, "PidMode", ""))
		warn(warnings, what, "is not held", why, ", and the container shares its pid namespace");
	else
		warn(warnings, what, "is soft", why, ", so the container's monitor watches over it");
}

void limits_warn(const struct cgroup_driver *d, const json_t *host, json_t *warnings)
{
	cleanup_json json_t *resources = limits_resources(host);
	struct soft_limits soft;
	struct limits l;

	if (!limits_parse(resources, &l, NULL)) {
		soft = limits_soft(&l, d->controllers);
		if (soft.cpu_ns)
			warn_of_soft(d, host, CONTROL_CPU, "The CPU limit", warnings);
		if (soft.memory)
			warn_of_soft(d, host, CONTROL_MEMORY, "The memory limit", warnings);
		limits_release(&l);
	}
	if (*limits_affinity(d, host)) {
		cleanup_free char *why = reason(d, CONTROL_CPUSET);

		warn(warnings, "--cpuset-cpus", "is soft", why, ", so its processes start on those, but may choose others");
	}
	warn_of_rest(d, host, warnings);
}

/* In Docker's words, and what follows from it here. */
static void warn_of_controllers(unsigned int have, json_t *warnings)
{
	static const struct {
		unsigned int controller;
		const char *text;
	} lacking[] = {
		{CONTROL_MEMORY, "WARNING: No memory limit support"}, {CONTROL_MEMORY, "WARNING: No swap limit support"},
		{CONTROL_CPU, "WARNING: No cpu cfs quota support"}, {CONTROL_CPU, "WARNING: No cpu cfs period support"},
		{CONTROL_CPU, "WARNING: No cpu shares support"}, {CONTROL_CPUSET, "WARNING: No cpuset support"},
		{CONTROL_IO, "WARNING: No io.weight support"}, {CONTROL_IO, "WARNING: No io.weight (per device) support"},
		{CONTROL_IO, "WARNING: No io.max (rbps) support"}, {CONTROL_IO, "WARNING: No io.max (wbps) support"},
		{CONTROL_IO, "WARNING: No io.max (riops) support"}, {CONTROL_IO, "WARNING: No io.max (wiops) support"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lacking); i++)
		if (!(have & lacking[i].controller))
			json_append_str(warnings, lacking[i].text);
}

void limits_warn_all(const struct cgroup_driver *d, json_t *warnings)
{
	const unsigned int all = CONTROL_CPU | CONTROL_CPUSET | CONTROL_MEMORY | CONTROL_PIDS | CONTROL_IO;
	bool cpu = d->controllers & CONTROL_CPU, memory = d->controllers & CONTROL_MEMORY;
	cleanup_free char *why = NULL, *soft = NULL;

	if (d->kind == CGROUP_NONE && !cgroup_is_unified())
		json_append_str(warnings, "WARNING: Running in rootless-mode without cgroups. To enable cgroups in "
					  "rootless-mode, you need to boot the system in cgroup v2 mode.");
	else if (d->kind == CGROUP_NONE)
		json_append_str(warnings, "WARNING: Running in rootless-mode without cgroups.");
	else
		warn_of_controllers(d->controllers, warnings);
	if (d->kind == CGROUP_SYSTEMD && all & ~d->controllers)
		json_append_str(warnings, "WARNING: Not all cgroup controllers are delegated to this user. To have the "
					  "kernel hold all limits, put this into "
					  "/etc/systemd/system/user@.service.d/delegate.conf, run systemctl daemon-reload "
					  "and log in again: [Service] Delegate=cpu cpuset io memory pids");
	if (cpu && memory)
		return;
	soft = xasprintf("WARNING: Limits are soft: %s%s%s %s held by each container's monitor, which looks and acts in "
			 "between%s; others without a cgroup controller have no effect", cpu ? "" : "--cpus",
		cpu || memory ? "" : " and ", memory ? "" : "--memory", cpu || memory ? "is" : "are",
		d->controllers & CONTROL_PIDS || !cage_possible() ? "" :
			", --pids-limit by the kernel, --cpuset-cpus where processes start");
	json_append_str(warnings, soft);
	if (d->kind != CGROUP_NONE)
		return;
	why = xasprintf("WARNING: No cgroup driver: %s%s%s", d->why.msg, *d->why.hint ? "; " : "", d->why.hint);
	json_append_str(warnings, why);
}
