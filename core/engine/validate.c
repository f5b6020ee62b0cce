/* SPDX-License-Identifier: MIT */
/*
 * core/engine/validate.c - checks of a create request, in the order Docker makes them
 */
#include "engine/validate.h"
#include "base/clock.h"
#include "base/fs.h"
#include "engine/limits.h"
#include "runtime/runtime.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIN_MEMORY (6 * 1024 * 1024) /* bytes; less does not start a process */

const char *mode_container(const char *mode)
{
	return strncmp(mode, "container:", 10) ? NULL : mode + 10;
}

/* --- Config --------------------------------------------------------------------------------- */

static int check_health(const json_t *health, struct err *e)
{
	static const char *const times[] = {"Interval", "Timeout", "StartPeriod", "StartInterval"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		int64_t v = json_int(health, times[i], 0);

		if (v && v < NS_PER_MS)
			return err_kind(e, ERR_INVALID, "%s in Healthcheck cannot be less than 1ms", times[i]);
	}
	if (json_int(health, "Retries", 0) < 0)
		return err_kind(e, ERR_INVALID, "Retries in Healthcheck cannot be negative");
	return 0;
}

int validate_config(const json_t *config, struct err *e)
{
	const char *dir = json_str(config, "WorkingDir", ""), *signal = json_str(config, "StopSignal", "");
	const json_t *v;
	size_t i;

	if (*dir && *dir != '/')
		return err_kind(e, ERR_INVALID,
			"the working directory '%s' is invalid, it needs to be an absolute path", dir);
	json_array_foreach(json_arr(config, "Env"), i, v) {
		const char *env = json_string_value(v);

		if (!env || !*env || *env == '=')
			return err_kind(e, ERR_INVALID, "invalid environment variable: %s", env ? env : "");
	}
	if (*signal && signal_number(signal) < 0)
		return err_kind(e, ERR_INVALID, "invalid signal: %s", signal);
	return check_health(json_obj(config, "Healthcheck"), e);
}

/* --- ports and hosts ------------------------------------------------------------------------ */

static bool is_port(struct span s, uint64_t *port)
{
	return !parse_u64(s, 65535, port);
}

/* "80", "8000-8010"; "" is any. */
static bool is_port_range(const char *text)
{
	struct span s = span_of(text), last;
	ssize_t dash = span_chr(s, '-');
	uint64_t a, b;

	if (!s.n)
		return true;
	if (dash < 0)
		return is_port(s, &a);
	last = span_cut(&s, (size_t)dash);
	return is_port(s, &a) && is_port(last, &b) && a <= b;
}

static int check_ports(const json_t *ports, struct err *e)
{
	const char *key, *host;
	json_t *list, *b;
	uint64_t port;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)ports, key, list) {
		struct span number = span_of(key);
		ssize_t slash = span_chr(number, '/');

		if (slash >= 0)
			number.n = (size_t)slash;
		if (!is_port(number, &port))
			return err_kind(e, ERR_INVALID, "invalid port specification: \"%.*s\"", (int)number.n,
				number.p);
		json_array_foreach(list, i, b) {
			host = json_str(b, "HostPort", "");
			if (!is_port_range(host))
				return err_kind(e, ERR_INVALID, "invalid port specification: \"%s\"", host);
		}
	}
	return 0;
}

static bool is_ip(const char *text)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

static int check_extra_hosts(const json_t *hosts, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(hosts, i, v) {
		const char *text = json_string_value(v) ? json_string_value(v) : "";
		const char *ip = strchr(text, ':');

		if (!ip || ip == text)
			return err_kind(e, ERR_INVALID, "bad format for add-host: \"%s\"", text);
		if (strcmp(++ip, "host-gateway") && !is_ip(ip))
			return err_kind(e, ERR_INVALID, "invalid IP address in add-host: \"%s\"", ip);
	}
	return 0;
}

/* --- restart policy ------------------------------------------------------------------------- */

int validate_restart_policy(const json_t *policy, struct err *e)
{
	static const char *const known[] = {"", "no", "always", "on-failure", "unless-stopped", NULL};
	const char *name = json_str(policy, "Name", "");
	int64_t count = json_int(policy, "MaximumRetryCount", 0);

	if (!str_in(name, known))
		return err_kind(e, ERR_INVALID,
			"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', "
			"or 'unless-stopped'",
			name);
	if (strcmp(name, "on-failure") && count)
		return err_kind(e, ERR_INVALID, "invalid restart policy: maximum retry count %s",
			count < 0 ? "can only be used with 'on-failure' and cannot be negative" :
				    "can only be used with 'on-failure'");
	if (count < 0)
		return err_kind(e, ERR_INVALID,
			"invalid restart policy: maximum retry count cannot be negative");
	return 0;
}

/* --- limits --------------------------------------------------------------------------------- */

static int check_memory(const json_t *host, json_t *warnings, struct err *e)
{
	int64_t memory = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t reservation = json_int(host, "MemoryReservation", 0);
	int64_t swappiness = json_int(host, "MemorySwappiness", -1);

	if (memory && memory < MIN_MEMORY)
		return err_kind(e, ERR_INVALID, "Minimum memory limit allowed is 6MB");
	if (memory > 0 && swap > 0 && swap < memory)
		return err_kind(e, ERR_INVALID,
			"Minimum memoryswap limit should be larger than memory limit, see usage");
	if (!memory && swap > 0)
		return err_kind(e, ERR_INVALID,
			"You should always set the Memory limit when using Memoryswap limit, see usage");
	if (swappiness < -1 || swappiness > 100)
		return err_kind(e, ERR_INVALID,
			"Invalid value: %lld, valid memory swappiness range is 0-100", (long long)swappiness);
	if (reservation && reservation < MIN_MEMORY)
		return err_kind(e, ERR_INVALID, "Minimum memory reservation allowed is 6MB");
	if (memory > 0 && reservation > memory)
		return err_kind(e, ERR_INVALID,
			"Minimum memory limit can not be less than memory reservation limit, see usage");
	if (json_bool(host, "OomKillDisable", false) && !memory)
		json_append_str(warnings,
			"OOM killer is disabled for the container, but no memory limit is set, this can result "
			"in the system running out of resources.");
	return 0;
}

/* "0,2-4" as the kernel's cpulist; the highest number, -1 if malformed. */
static int64_t list_max(const char *text)
{
	struct span rest = span_of(text), item, last;
	int64_t max = 0;
	uint64_t a, b;
	ssize_t dash;

	while (*text && span_token(&rest, ',', &item)) {
		dash = span_chr(item, '-');
		last = dash >= 0 ? span_cut(&item, (size_t)dash) : item;
		if (parse_u64(item, 1 << 20, &a) || parse_u64(last, 1 << 20, &b) || b < a)
			return -1;
		if ((int64_t)b > max)
			max = (int64_t)b;
	}
	return max;
}

/* Nodes that are there, as the kernel lists them: "0", "0-1". */
static int check_memory_nodes(const char *asked, int64_t max, struct err *e)
{
	cleanup_buf struct buf online = BUF_INIT;
	struct span list;

	if (file_read_at(AT_FDCWD, "/sys/devices/system/node/online", 4096, &online, NULL))
		buf_adds(&online, "0"); /* a kernel without NUMA */
	list = (struct span){online.p, strcspn(online.p, "\n")};
	cleanup_free char *text = span_dup(list);
	if (max <= list_max(text))
		return 0;
	return err_kind(e, ERR_INVALID, "Requested memory nodes are not available - requested %s, available: %s",
		asked, text);
}

static int check_cpuset(const json_t *host, int cpus, struct err *e)
{
	const char *set = json_str(host, "CpusetCpus", ""), *mems = json_str(host, "CpusetMems", "");
	int64_t max = list_max(set);

	if (max < 0)
		return err_kind(e, ERR_INVALID, "Invalid value %s for cpuset cpus: invalid format: %s", set, set);
	if (*set && max >= cpus)
		return err_kind(e, ERR_INVALID,
			"Requested CPUs are not available - requested %s, available: 0-%d", set, cpus - 1);
	max = list_max(mems);
	if (max < 0)
		return err_kind(e, ERR_INVALID, "Invalid value %s for cpuset mems: invalid format: %s", mems,
			mems);
	return max ? check_memory_nodes(mems, max, e) : 0;
}

static int check_cpu(const json_t *host, struct err *e)
{
	int64_t nano = json_int(host, "NanoCpus", 0), period = json_int(host, "CpuPeriod", 0);
	int64_t quota = json_int(host, "CpuQuota", 0), shares = json_int(host, "CpuShares", 0);
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	if (shares < 0)
		return err_kind(e, ERR_INVALID,
			"invalid CPU shares (%lld): value must be a positive integer", (long long)shares);
	if (nano && (period || quota))
		return err_kind(e, ERR_INVALID, "Conflicting options: Nano CPUs and CPU %s cannot both be set",
			period ? "Period" : "Quota");
	if (nano && (nano < 0 || nano > cpus * 1000000000LL))
		return err_kind(e, ERR_INVALID,
			"range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus);
	if (period && (period < 1000 || period > 1000000))
		return err_kind(e, ERR_INVALID,
			"CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
	if (quota > 0 && quota < 1000)
		return err_kind(e, ERR_INVALID, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	return check_cpuset(host, cpus, e);
}

int validate_resources(const struct cgroup_driver *d, const json_t *host, json_t *warnings, struct err *e)
{
	if (check_memory(host, warnings, e) || check_cpu(host, e) ||
		cgroup_driver_check_parent(d, json_str(host, "CgroupParent", ""), e))
		return -1;
	if (json_int(host, "CpuRealtimePeriod", 0) && json_int(host, "CpuRealtimeRuntime", 0) >
			json_int(host, "CpuRealtimePeriod", 0))
		return err_kind(e, ERR_INVALID, "cpu real-time runtime cannot be higher than cpu real-time period");
	if (!(d->controllers & CONTROL_IO) && json_int(host, "BlkioWeight", 0))
		json_append_str(warnings, "Your kernel does not support Block I/O weight or the cgroup is not "
					  "mounted. Weight discarded.");
	if (!(d->controllers & CONTROL_IO) && json_array_size(json_arr(host, "BlkioWeightDevice")))
		json_append_str(warnings, "Your kernel does not support Block I/O weight_device or the cgroup is "
					  "not mounted. Weight-device discarded.");
	limits_warn(d, host, warnings);
	return 0;
}

/* --- modes ---------------------------------------------------------------------------------- */

static bool names_container(const char *mode)
{
	const char *ref = mode_container(mode);

	return ref && *ref;
}

static int check_modes(const json_t *host, const json_t *config, struct err *e)
{
	static const char *const ipc[] = {"", "none", "private", "shareable", "host", NULL};
	static const char *const host_only[] = {"", "host", NULL};
	static const char *const cgroupns[] = {"", "private", "host", NULL};
	const char *m;

	m = json_str(host, "IpcMode", "");
	if (!str_in(m, ipc) && !mode_container(m))
		return err_kind(e, ERR_INVALID, "invalid IPC mode: %s", m);
	m = json_str(host, "PidMode", "");
	if (!str_in(m, host_only) && !names_container(m))
		return err_kind(e, ERR_INVALID, "invalid PID mode: %s", m);
	m = json_str(host, "UTSMode", "");
	if (!str_in(m, host_only))
		return err_kind(e, ERR_INVALID, "invalid UTS mode: %s", m);
	if (*m && *json_str(config, "Hostname", ""))
		return err_kind(e, ERR_INVALID, "conflicting options: hostname and the UTS mode");
	m = json_str(host, "CgroupnsMode", "");
	if (!str_in(m, cgroupns))
		return err_kind(e, ERR_INVALID, "invalid cgroup namespace mode: %s", m);
	return 0;
}

/* What a container that shares another one's network cannot have of its own. */
static int check_shared_network(const json_t *host, const json_t *config, struct err *e)
{
	if (*json_str(config, "Hostname", ""))
		return err_kind(e, ERR_INVALID, "conflicting options: hostname and the network mode");
	if (json_array_size(json_arr(host, "Links")))
		return err_kind(e, ERR_INVALID,
			"conflicting options: container type network can't be used with links. This would "
			"result in undefined behavior");
	if (json_array_size(json_arr(host, "Dns")))
		return err_kind(e, ERR_INVALID, "conflicting options: dns and the network mode");
	if (json_array_size(json_arr(host, "ExtraHosts")))
		return err_kind(e, ERR_INVALID,
			"conflicting options: custom host-to-IP mapping and the network mode");
	if (json_object_size(json_obj(host, "PortBindings")) || json_bool(host, "PublishAllPorts", false))
		return err_kind(e, ERR_INVALID,
			"conflicting options: port publishing and the container type network mode");
	if (json_object_size(json_obj(config, "ExposedPorts")))
		return err_kind(e, ERR_INVALID,
			"conflicting options: port exposing and the container type network mode");
	return 0;
}

static int check_network_mode(const json_t *host, const json_t *config, json_t *warnings, struct err *e)
{
	const char *mode = json_str(host, "NetworkMode", ""), *other = mode_container(mode);

	if (other && !*other)
		return err_kind(e, ERR_INVALID,
			"invalid network mode: invalid container format container:<name|id>");
	if (other)
		return check_shared_network(host, config, e);
	if (strcmp(mode, "host"))
		return 0;
	if (json_array_size(json_arr(host, "Links")))
		return err_kind(e, ERR_INVALID,
			"conflicting options: host type networking can't be used with links. This would result in "
			"undefined behavior");
	if (json_object_size(json_obj(host, "PortBindings")))
		json_append_str(warnings, "Published ports are discarded when using host network mode");
	return 0;
}

/* What only Windows has. */
static int check_foreign(const json_t *host, json_t *warnings, struct err *e)
{
	if (json_int(host, "IOMaximumBandwidth", 0))
		return err_kind(e, ERR_INVALID,
			"invalid option: QoS maximum bandwidth configuration is not supported on linux");
	if (json_int(host, "IOMaximumIOps", 0))
		return err_kind(e, ERR_INVALID,
			"invalid option: QoS maximum IOPs configuration is not supported on linux");
	if (json_int(host, "CpuPercent", 0))
		json_append_str(warnings, "linux does not support CPU percent. Percent discarded.");
	return 0;
}

static int check_rest(const json_t *host, struct err *e)
{
	const char *isolation = json_str(host, "Isolation", ""), *runtime = json_str(host, "Runtime", "");
	int64_t score = json_int(host, "OomScoreAdj", 0);
	cleanup_json json_t *add = NULL, *drop = NULL;

	if (json_object_get(json_obj(host, "Annotations"), ""))
		return err_kind(e, ERR_INVALID,
			"invalid Annotations: the empty string is not permitted as an annotation key");
	add = caps_normalise(json_arr(host, "CapAdd"), "CapAdd", e);
	drop = add ? caps_normalise(json_arr(host, "CapDrop"), "CapDrop", e) : NULL;
	if (!drop)
		return -1;
	if (*isolation && strcmp(isolation, "default"))
		return err_kind(e, ERR_INVALID, "invalid isolation (%s): linux only supports 'default'",
			isolation);
	if (score < -1000 || score > 1000)
		return err_kind(e, ERR_INVALID, "Invalid value %lld, range for oom score adj is [-1000, 1000]",
			(long long)score);
	if (json_int(host, "ShmSize", 0) < 0)
		return err_kind(e, ERR_INVALID, "SHM size can not be less than 0");
	if (*runtime && strcmp(runtime, "runc") && strcmp(runtime, "io.containerd.runc.v2"))
		return err_kind(e, ERR_INVALID, "unknown or invalid runtime name: %s", runtime);
	return 0;
}

static int check_storage_opt(const json_t *opts, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)opts, key, v) {
		if (strcmp(key, "size"))
			return err_set(e, 0, "Unknown option %s", key);
		return err_set(e, 0,
			"--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
	}
	return 0;
}

int validate_sysctls(const json_t *host, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach(json_obj(host, "Sysctls"), key, v) {
		struct span rest = span_of(key), word[5];
		size_t n = 0;

		while (n < ARRAY_SIZE(word) && span_token(&rest, '.', &word[n]))
			n++;
		if (n == ARRAY_SIZE(word) && span_eqs(word[0], "net") && span_starts(word[3], "eth"))
			return err_set(e, 0,
				"interface specific sysctl setting \"%s\" must be supplied using driver option "
				"'com.docker.network.endpoint.sysctls'",
				key);
	}
	return 0;
}

int validate_host(const struct cgroup_driver *d, const json_t *host, const json_t *config, json_t *warnings, struct err *e)
{
	const char *policy = json_str(json_obj(host, "RestartPolicy"), "Name", "");

	if (json_bool(host, "AutoRemove", false) && *policy && strcmp(policy, "no"))
		return err_kind(e, ERR_INVALID, "can't create 'AutoRemove' container with restart policy");
	if (check_foreign(host, warnings, e) || check_ports(json_obj(host, "PortBindings"), e) ||
		check_extra_hosts(json_arr(host, "ExtraHosts"), e) ||
		validate_restart_policy(json_obj(host, "RestartPolicy"), e) || check_rest(host, e) ||
		validate_resources(d, host, warnings, e) || check_modes(host, config, e) ||
		check_network_mode(host, config, warnings, e) ||
		check_storage_opt(json_obj(host, "StorageOpt"), e))
		return -1;
	return 0;
}
