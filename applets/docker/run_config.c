/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_config.c - the body of a create request
 *
 * Theory of operation
 *   The members every request has come from one text of defaults; what was given is put over them.
 *   Members that are only there when given (Healthcheck, Init, …) are added.  Checks come in the
 *   stock client's order, because the first complaint is the one users see.
 */
#include "run_spec.h"

#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROFILE_MAX (4 << 20) /* bytes of a seccomp profile */

static const char defaults[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":true,"
	"\"AttachStderr\":true,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":null,"
	"\"Image\":\"\",\"Volumes\":{},\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},"
	"\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},"
	"\"NetworkMode\":\"default\",\"PortBindings\":{},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
	"\"AutoRemove\":false,\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[0,0],\"CapAdd\":null,"
	"\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,"
	"\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\","
	"\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,"
	"\"UTSMode\":\"\",\"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,"
	"\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],"
	"\"BlkioDeviceWriteBps\":[],\"BlkioDeviceReadIOps\":[],\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,"
	"\"CpuQuota\":0,\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\"\","
	"\"Devices\":[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":0,"
	"\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,\"Ulimits\":[],\"CpuCount\":0,"
	"\"CpuPercent\":0,\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"MaskedPaths\":null,\"ReadonlyPaths\":null},"
	"\"NetworkingConfig\":{\"EndpointsConfig\":{}}}";

static void set_text(json_t *j, const char *key, const char *value)
{
	if (value)
		json_set_str(j, key, value);
}

static json_t *list_json(const struct strlist *l)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; i < l->n; i++)
		json_append_str(j, l->v[i]);
	return j;
}

/* Replaces a default only if something was given: null and [] differ. */
static void set_list(json_t *j, const char *key, const struct strlist *l)
{
	if (l->n)
		json_set_new(j, key, list_json(l));
}

static void set_map(json_t *j, const char *key, const struct strlist *l)
{
	if (l->n)
		json_set_new(j, key, pairs_map(l));
}

/* --- capabilities, devices, limits -------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "net_admin" as "CAP_NET_ADMIN", each once, sorted. */
static void set_caps(json_t *j, const char *key, const struct strlist *l)
{
	struct strlist caps = {0};
	json_t *out;
	size_t i;
	char *p;

	if (!l->n)
		return;
	for (i = 0; i < l->n; i++) {
		cleanup_free char *upper = span_dup(span_trim(span_of(l->v[i])));

		for (p = upper; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		if (!strcmp(upper, "ALL") || !strncmp(upper, "CAP_", 4))
			strlist_add(&caps, xstrdup(upper));
		else
			strlist_add(&caps, xasprintf("CAP_%s", upper));
	}
	qsort(caps.v, caps.n, sizeof(*caps.v), by_text);
	out = json_array();
	for (i = 0; i < caps.n; i++)
		if (!i || strcmp(caps.v[i], caps.v[i - 1]))
			json_append_str(out, caps.v[i]);
	json_set_new(j, key, out);
}

static bool mode_ok(const char *mode)
{
	size_t n = strlen(mode);

	return n && n <= 3 && strspn(mode, "rwm") == n && (n < 2 || mode[0] != mode[1]) &&
		(n < 3 || (mode[0] != mode[2] && mode[1] != mode[2]));
}

/* "/dev/x[:/dev/y][:rwm]" */
static json_t *device_parse(const char *text, struct err *e)
{
	cleanup_free char *copy = xstrdup(text);
	char *part[3] = {copy}, *p;
	size_t n = 1, i;
	json_t *j;

	if (!*text) {
		err_kind(e, ERR_INVALID, "bad format for path: ");
		return NULL;
	}
	for (p = copy; (p = strchr(p, ':')); ) {
		*p++ = 0;
		if (n == ARRAY_SIZE(part)) {
			err_kind(e, ERR_INVALID, "bad format for path: %s", text);
			return NULL;
		}
		part[n++] = p;
	}
	if (n == 3 && !mode_ok(part[2])) {
		err_kind(e, ERR_INVALID, "bad mode specified: %s", part[2]);
		return NULL;
	}
	if (n == 2 && mode_ok(part[1])) {
		part[2] = part[1];
		part[1] = part[0];
		n = 3;
	}
	for (i = 0; i < n && i < 2; i++) {
		if (*part[i] != '/') {
			err_kind(e, ERR_INVALID, "%s is not an absolute path", part[i]);
			return NULL;
		}
	}
	j = json_object();
	json_set_str(j, "PathOnHost", part[0]);
	json_set_str(j, "PathInContainer", n > 1 ? part[1] : part[0]);
	json_set_str(j, "CgroupPermissions", n > 2 ? part[2] : "rwm");
	return j;
}

/* "vendor.com/class=name": a CDI name, which the engine resolves. */
static bool is_cdi(const char *text)
{
	const char *slash = strchr(text, '/'), *equals = strchr(text, '=');

	return slash && equals && slash != text && slash < equals && equals[1] && slash + 1 < equals;
}

static int set_devices(json_t *host, const struct run_opts *o, struct err *e)
{
	json_t *devices = json_object_get(host, "Devices"), *ids = NULL, *one;
	size_t i;

	for (i = 0; i < o->device.n; i++) {
		if (is_cdi(o->device.v[i])) {
			ids = ids ? ids : json_array();
			json_append_str(ids, o->device.v[i]);
			continue;
		}
		one = device_parse(o->device.v[i], e);
		if (!one) {
			json_decref(ids);
			return -1;
		}
		json_array_append_new(devices, one);
	}
	if (o->gpus.n || ids)
		json_set_new(host, "DeviceRequests", json_array());
	for (i = 0; i < o->gpus.n; i++)
		json_array_append_new(json_object_get(host, "DeviceRequests"), gpus_parse(o->gpus.v[i], e));
	if (ids)
		json_array_append_new(json_object_get(host, "DeviceRequests"),
			json_pack("{s:s, s:i, s:o, s:n, s:n}", "Driver", "cdi", "Count", 0, "DeviceIDs", ids,
				"Capabilities", "Options"));
	return 0;
}

static void set_rates(json_t *host, const char *key, const struct strlist *l, const char *member)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		json_array_append_new(json_object_get(host, key), device_rate(l->v[i], member));
}

/* Sorted by name; the last of a name counts. */
static void set_ulimits(json_t *host, const struct run_opts *o)
{
	cleanup_json json_t *by = json_object();
	struct strlist names = {0};
	struct err e;
	const char *name;
	json_t *one;
	size_t i;

	for (i = 0; i < o->ulimit.n; i++) {
		one = ulimit_parse(o->ulimit.v[i], &e);
		json_set_new(by, json_str(one, "Name", ""), one);
	}
	json_object_foreach(by, name, one)
		strlist_add(&names, name);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_text);
	for (i = 0; i < names.n; i++)
		json_array_append(json_object_get(host, "Ulimits"), json_object_get(by, names.v[i]));
}

static int set_resources(json_t *h, const struct run_opts *o, struct err *e)
{
	json_set_int(h, "CpuShares", o->cpu_shares);
	json_set_int(h, "CpuPeriod", o->cpu_period);
	json_set_int(h, "CpuQuota", o->cpu_quota);
	json_set_int(h, "CpuRealtimePeriod", o->cpu_rt_period);
	json_set_int(h, "CpuRealtimeRuntime", o->cpu_rt_runtime);
	json_set_int(h, "NanoCpus", o->cpus);
	set_text(h, "CpusetCpus", o->cpuset_cpus);
	set_text(h, "CpusetMems", o->cpuset_mems);
	json_set_int(h, "Memory", o->memory);
	json_set_int(h, "MemoryReservation", o->memory_reservation);
	json_set_int(h, "MemorySwap", o->memory_swap);
	json_set_int(h, "MemorySwappiness", o->memory_swappiness);
	json_set_int(h, "PidsLimit", o->pids_limit);
	json_set_bool(h, "OomKillDisable", o->oom_kill_disable);
	json_set_int(h, "BlkioWeight", o->blkio_weight);
	set_rates(h, "BlkioWeightDevice", &o->blkio_weight_device, "Weight");
	set_rates(h, "BlkioDeviceReadBps", &o->device_read_bps, "Rate");
	set_rates(h, "BlkioDeviceWriteBps", &o->device_write_bps, "Rate");
	set_rates(h, "BlkioDeviceReadIOps", &o->device_read_iops, "Rate");
	set_rates(h, "BlkioDeviceWriteIOps", &o->device_write_iops, "Rate");
	set_text(h, "CgroupParent", o->cgroup_parent);
	set_list(h, "DeviceCgroupRules", &o->device_cgroup_rule);
	set_ulimits(h, o);
	return set_devices(h, o, e);
}

/* --- security ----------------------------------------------------------------------------- */

/* The file's JSON without blanks, as the engine wants it: "seccomp={…}".  NULL with @e. */
static char *seccomp_option(const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT, compact = BUF_INIT;
	cleanup_json json_t *j = NULL;
	struct err why = ERR_INIT;
	char mistake[JSON_GO_MAX];

	if (file_read_at(AT_FDCWD, path, PROFILE_MAX, &text, &why)) {
		err_kind(e, ERR_INVALID, "opening seccomp profile (%s) failed: open %s: %s", path, path,
			why.code == ENOENT ? "no such file or directory" : strerror(why.code ? why.code : EIO));
		return NULL;
	}
	j = json_parse(text.p, text.n, &why);
	if (!j) {
		err_kind(e, ERR_INVALID, "compacting json for seccomp profile (%s) failed: %s", path,
			json_go_mistake(text.p, text.n, mistake) ? mistake : why.msg);
		return NULL;
	}
	json_print(j, false, &compact);
	return xasprintf("seccomp=%s", compact.p);
}

static int set_security(json_t *host, const struct run_opts *o, struct err *e)
{
	json_t *list = json_array();
	size_t i;

	if (o->security_opt.n)
		json_set_new(host, "SecurityOpt", list);
	else
		json_decref(list);
	for (i = 0; i < o->security_opt.n; i++) {
		const char *opt = o->security_opt.v[i];
		cleanup_free char *profile = NULL;

		if (!strpbrk(opt, "=:") && strcmp(opt, "no-new-privileges"))
			return err_kind(e, ERR_INVALID, "Invalid --security-opt: \"%s\"", opt);
		if (!strcmp(opt, "systempaths=unconfined")) {
			json_set_new(host, "MaskedPaths", json_array());
			json_set_new(host, "ReadonlyPaths", json_array());
			continue;
		}
		if (!strncmp(opt, "seccomp", 7) && (opt[7] == '=' || opt[7] == ':') &&
			strcmp(opt + 8, "unconfined") && strcmp(opt + 8, "builtin")) {
			profile = seccomp_option(opt + 8, e);
			if (!profile)
				return -1;
		}
		json_append_str(list, profile ? profile : opt);
	}
	return 0;
}

static bool namespace_ok(const char *mode, bool private, bool of_container)
{
	return !mode || !*mode || !strcmp(mode, "host") || (private && !strcmp(mode, "private")) ||
		(of_container && !strncmp(mode, "container:", 10) && mode[10]);
}

static int set_namespaces(json_t *h, const struct run_opts *o, struct err *e)
{
	if (!namespace_ok(o->pid, false, true))
		return err_kind(e, ERR_INVALID, "--pid: invalid PID mode");
	if (!namespace_ok(o->uts, false, false))
		return err_kind(e, ERR_INVALID, "--uts: invalid UTS mode");
	if (!namespace_ok(o->userns, false, false))
		return err_kind(e, ERR_INVALID, "--userns: invalid USER mode");
	if (!namespace_ok(o->cgroupns, true, false))
		return err_kind(e, ERR_INVALID, "--cgroupns: invalid CGROUP mode");
	set_text(h, "PidMode", o->pid);
	set_text(h, "UTSMode", o->uts);
	set_text(h, "UsernsMode", o->userns);
	set_text(h, "CgroupnsMode", o->cgroupns);
	set_text(h, "IpcMode", o->ipc);
	return 0;
}

/* --- restart, logging, storage ------------------------------------------------------------ */

int restart_policy(json_t *j, const char *policy, struct err *e)
{
	struct span name = span_of(policy), count = {0};
	ssize_t colon = span_chr(name, ':');
	int64_t n = 0;

	if (colon >= 0) {
		count = span_cut(&name, (size_t)colon);
		if (!name.n)
			return err_kind(e, ERR_INVALID,
				"invalid restart policy format: no policy provided before colon");
		if (parse_i64(count, INT32_MIN, INT32_MAX, &n))
			return err_kind(e, ERR_INVALID,
				"invalid restart policy format: maximum retry count must be an integer");
	}
	json_set_new(j, "Name", json_textn(name.p, name.n));
	json_set_int(j, "MaximumRetryCount", n);
	return 0;
}

static int set_logging(json_t *host, const struct run_opts *o, struct err *e)
{
	json_t *j = json_object_get(host, "LogConfig");

	if (o->log_driver && !strcmp(o->log_driver, "none") && o->log_opt.n)
		return err_kind(e, ERR_INVALID, "invalid logging opts for driver none");
	set_text(j, "Type", o->log_driver);
	set_map(j, "Config", &o->log_opt);
	return 0;
}

static int set_storage(json_t *host, const struct run_opts *o, struct err *e)
{
	json_t *tmpfs;
	size_t i;

	for (i = 0; i < o->storage_opt.n; i++)
		if (!strchr(o->storage_opt.v[i], '='))
			return err_kind(e, ERR_INVALID, "invalid storage option");
	set_map(host, "StorageOpt", &o->storage_opt);
	if (o->mount.n)
		json_set_new(host, "Mounts", json_array());
	for (i = 0; i < o->mount.n; i++)
		json_array_append_new(json_object_get(host, "Mounts"), mount_parse(o->mount.v[i], e));
	if (!o->tmpfs.n)
		return 0;
	tmpfs = json_object();
	json_set_new(host, "Tmpfs", tmpfs);
	for (i = 0; i < o->tmpfs.n; i++) {
		size_t n = strcspn(o->tmpfs.v[i], ":");
		cleanup_free char *path = xstrndup(o->tmpfs.v[i], n);

		json_set_str(tmpfs, path, o->tmpfs.v[i][n] ? o->tmpfs.v[i] + n + 1 : "");
	}
	return 0;
}

/* --- health ------------------------------------------------------------------------------- */

static int set_health(json_t *config, const struct run_opts *o, struct err *e)
{
	const struct {
		const char *option, *member;
		int64_t value;
	} times[] = {
		{"interval", "Interval", o->health_interval}, {"timeout", "Timeout", o->health_timeout},
		{"retries", "Retries", o->health_retries}, {"start-period", "StartPeriod", o->health_start_period},
		{"start-interval", "StartInterval", o->health_start_interval},
	};
	bool any = o->health_cmd && *o->health_cmd;
	json_t *j, *test;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		any |= times[i].value != 0;
	if (o->no_healthcheck && any)
		return err_kind(e, ERR_INVALID, "--no-healthcheck conflicts with --health-* options");
	for (i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].value < 0)
			return err_kind(e, ERR_INVALID, "--health-%s cannot be negative", times[i].option);
	if (!any && !o->no_healthcheck)
		return 0;
	j = json_object();
	json_set_new(config, "Healthcheck", j);
	if (o->no_healthcheck || (o->health_cmd && *o->health_cmd)) {
		test = json_array();
		json_append_str(test, o->no_healthcheck ? "NONE" : "CMD-SHELL");
		if (!o->no_healthcheck)
			json_append_str(test, o->health_cmd);
		json_set_new(j, "Test", test);
	}
	for (i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].value)
			json_set_int(j, times[i].member, times[i].value);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void set_streams(json_t *c, const struct run_opts *o, struct run_streams *s)
{
	size_t i;

	*s = (struct run_streams){.in = o->interactive};
	for (i = 0; i < o->attach.n; i++) {
		s->in |= !strcmp(o->attach.v[i], "stdin");
		s->out |= !strcmp(o->attach.v[i], "stdout");
		s->err |= !strcmp(o->attach.v[i], "stderr");
	}
	if (!o->attach.n)
		s->out = s->err = true;
	if (o->detach)
		*s = (struct run_streams){0};
	json_set_bool(c, "AttachStdin", s->in);
	json_set_bool(c, "AttachStdout", s->out);
	json_set_bool(c, "AttachStderr", s->err);
	json_set_bool(c, "Tty", o->tty);
	json_set_bool(c, "OpenStdin", o->interactive);
	json_set_bool(c, "StdinOnce", o->interactive && s->in);
}

static int set_config(json_t *c, const struct run_opts *o, const struct flag *flags, int argc,
	char **argv, struct err *e)
{
	json_t *env, *labels;
	int i;

	env = env_list(&o->env_file, &o->env, e);
	if (!env)
		return -1;
	if (json_array_size(env))
		json_set_new(c, "Env", env);
	else
		json_decref(env);
	labels = label_map(&o->label_file, &o->label, e);
	if (!labels)
		return -1;
	json_set_new(c, "Labels", labels);
	set_text(c, "Hostname", o->hostname);
	set_text(c, "Domainname", o->domainname);
	set_text(c, "User", o->user);
	set_text(c, "WorkingDir", o->workdir);
	json_set_str(c, "Image", argv[0]);
	if (argc > 1) {
		json_t *cmd = json_array();

		for (i = 1; i < argc; i++)
			json_append_str(cmd, argv[i]);
		json_set_new(c, "Cmd", cmd);
	}
	if (o->entrypoint) {
		json_set_new(c, "Entrypoint", json_array());
		json_append_str(json_object_get(c, "Entrypoint"), o->entrypoint);
	}
	if (flags_seen(flags, "stop-signal"))
		json_set_str(c, "StopSignal", o->stop_signal);
	if (flags_seen(flags, "stop-timeout"))
		json_set_int(c, "StopTimeout", o->stop_timeout);
	return set_health(c, o, e);
}

static int set_mounts_and_ports(json_t *c, json_t *h, const struct run_opts *o, struct err *e)
{
	json_t *binds, *volumes, *bindings, *exposed;
	int rc;

	rc = run_volumes(o, &binds, &volumes, e);
	if (json_array_size(binds))
		json_set_new(h, "Binds", binds);
	else
		json_decref(binds);
	json_set_new(c, "Volumes", volumes);
	if (rc)
		return -1;
	rc = run_ports(o, &bindings, &exposed, e);
	json_set_new(h, "PortBindings", bindings);
	if (json_object_size(exposed))
		json_set_new(c, "ExposedPorts", exposed);
	else
		json_decref(exposed);
	return rc;
}

static void set_host(json_t *h, const struct run_opts *o, const struct flag *flags)
{
	set_text(h, "ContainerIDFile", o->cidfile);
	json_set_bool(h, "AutoRemove", o->auto_remove);
	json_set_bool(h, "Privileged", o->privileged);
	json_set_bool(h, "PublishAllPorts", o->publish_all);
	json_set_bool(h, "ReadonlyRootfs", o->read_only);
	json_set_int(h, "OomScoreAdj", o->oom_score_adj);
	json_set_int(h, "ShmSize", o->shm_size);
	set_text(h, "VolumeDriver", o->volume_driver);
	set_text(h, "Isolation", o->isolation);
	if (o->runtime)
		json_set_str(h, "Runtime", o->runtime);
	if (flags_seen(flags, "init"))
		json_set_bool(h, "Init", o->init);
	set_list(h, "VolumesFrom", &o->volumes_from);
	set_list(h, "Links", &o->link);
	set_list(h, "Dns", &o->dns);
	set_list(h, "DnsSearch", &o->dns_search);
	set_list(h, "DnsOptions", &o->dns_option);
	set_list(h, "ExtraHosts", &o->add_host);
	set_list(h, "GroupAdd", &o->group_add);
	set_map(h, "Sysctls", &o->sysctl);
	set_map(h, "Annotations", &o->annotation);
	set_caps(h, "CapAdd", &o->cap_add);
	set_caps(h, "CapDrop", &o->cap_drop);
}

/* The size the terminal has, so that the first thing it runs sees it. */
static void set_console(json_t *h)
{
	struct winsize w;
	json_t *size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w))
		return;
	size = json_array();
	json_array_append_new(size, json_integer(w.ws_row));
	json_array_append_new(size, json_integer(w.ws_col));
	json_set_new(h, "ConsoleSize", size);
}

static int fill(json_t *c, const struct run_opts *o, const struct flag *flags, int argc, char **argv,
	struct err *e)
{
	json_t *h = json_object_get(c, "HostConfig"), *endpoints;
	const char *mode = "default";
	int rc;

	if (o->mac_address && !mac_ok(o->mac_address))
		return err_kind(e, ERR_INVALID, "%s is not a valid mac address", o->mac_address);
	if (o->memory_swappiness != -1 && (o->memory_swappiness < 0 || o->memory_swappiness > 100))
		return err_kind(e, ERR_INVALID, "invalid value: %lld. Valid memory swappiness range is 0-100",
			(long long)o->memory_swappiness);
	if (set_mounts_and_ports(c, h, o, e) || set_resources(h, o, e) ||
		set_config(c, o, flags, argc, argv, e) || set_namespaces(h, o, e) ||
		restart_policy(json_object_get(h, "RestartPolicy"), o->restart, e) || set_logging(h, o, e) || set_security(h, o, e) ||
		set_storage(h, o, e))
		return -1;
	set_host(h, o, flags);
	set_console(h);
	if (o->auto_remove && *o->restart && strcmp(o->restart, "no"))
		return err_kind(e, ERR_INVALID, "conflicting options: cannot specify both --restart and --rm");
	rc = run_networks(o, &mode, &endpoints, e);
	json_set_str(h, "NetworkMode", mode);
	json_set_new(json_object_get(c, "NetworkingConfig"), "EndpointsConfig", endpoints);
	return rc;
}

json_t *run_spec(const struct run_opts *o, const struct flag *flags, int argc, char **argv,
	struct run_streams *streams, struct err *e)
{
	json_t *c = json_parse(defaults, sizeof(defaults) - 1, e);

	if (!c)
		bug("the defaults of a create request: %s", e->msg);
	set_streams(c, o, streams);
	if (!fill(c, o, flags, argc, argv, e))
		return c;
	json_decref(c);
	return NULL;
}
