/* SPDX-License-Identifier: MIT */
/*
 * core/engine/system.c - what `docker info` and `docker version` tell
 *
 * Theory of operation
 *   Everything is looked up when asked: the answers describe the host now. Fields that have no
 *   meaning here (Swarm, GenericResources) carry what the real engine answers without them, as
 *   clients read them unconditionally.
 */
#include "engine/system.h"
#include "base/clock.h"
#include "base/fs.h"
#include "engine/engine.h"
#include "engine/limits.h"
#include "limits/cgroup.h"
#include "net/netd.h"
#include "ns/host.h"
#include "version.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

bool system_cgroup_v2(void)
{
	return cgroup_is_unified();
}

/* The architecture as Go names it, for version and image platforms. */
static const char *go_arch(const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return "amd64";
	if (!strcmp(machine, "aarch64"))
		return "arm64";
	return machine;
}

static int64_t count_entries(const char *dir)
{
	cleanup_closedir DIR *d = opendir(dir);
	int64_t n = 0;

	while (d && readdir(d))
		n++;
	return n > 2 ? n - 2 : 0;
}

/* --- registries ------------------------------------------------------------------------------ */

static json_t *index_config(const char *name, bool official, bool secure, json_t *mirrors)
{
	return json_pack("{s:O, s:s, s:b, s:b}", "Mirrors", mirrors, "Name", name, "Official", official,
		"Secure", secure);
}

static json_t *registry_config(const struct config *c)
{
	json_t *indexes = json_object(), *cidrs = json_pack("[s, s]", "::1/128", "127.0.0.0/8"), *v;
	cleanup_json json_t *none = json_array();
	json_t *mirrors = c->registry_mirrors && json_array_size(c->registry_mirrors) ?
		c->registry_mirrors : NULL;
	size_t i;

	json_array_foreach(c->insecure_registries, i, v) {
		const char *name = json_string_value(v);

		if (name && strchr(name, '/'))
			json_append_str(cidrs, name);
		else if (name)
			json_set_new(indexes, name, index_config(name, false, false, none));
	}
	json_set_new(indexes, "docker.io", index_config("docker.io", true, true, mirrors ? mirrors : none));
	return json_pack("{s:o, s:o, s:O?}", "IndexConfigs", indexes, "InsecureRegistryCIDRs", cidrs,
		"Mirrors", mirrors);
}

/* --- info ------------------------------------------------------------------------------------ */

static void add_counts(struct engine *en, json_t *j)
{
	struct container_counts n;

	containers_count(en, &n);
	json_set_int(j, "Containers", n.running + n.paused + n.stopped);
	json_set_int(j, "ContainersRunning", n.running);
	json_set_int(j, "ContainersPaused", n.paused);
	json_set_int(j, "ContainersStopped", n.stopped);
	json_set_int(j, "Images", (int64_t)images_count(en->images));
}

/* What the kernel holds. */
static void add_limits(const struct cgroup_driver *d, json_t *j)
{
	static const struct {
		const char *key;
		unsigned int controller;
	} limits[] = {{"MemoryLimit", CONTROL_MEMORY}, {"SwapLimit", CONTROL_MEMORY}, {"CpuCfsPeriod", CONTROL_CPU},
		{"CpuCfsQuota", CONTROL_CPU}, {"CPUShares", CONTROL_CPU}, {"CPUSet", CONTROL_CPUSET},
		{"PidsLimit", CONTROL_PIDS}, {"OomKillDisable", 0}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		json_set_bool(j, limits[i].key, d->controllers & limits[i].controller);
	json_set_str(j, "CgroupDriver", cgroup_driver_name(d));
	json_set_str(j, "CgroupVersion", system_cgroup_v2() ? "2" : "1");
}

static void add_host(json_t *j)
{
	cleanup_free char *name = host_os_release("PRETTY_NAME"), *version = host_os_release("VERSION_ID");
	struct utsname u;
	struct sysinfo si;
	cpu_set_t cpus;

	uname(&u);
	sysinfo(&si);
	json_set_str(j, "KernelVersion", u.release);
	json_set_str(j, "OperatingSystem", *name ? name : "Linux");
	json_set_str(j, "OSVersion", version);
	json_set_str(j, "OSType", "linux");
	json_set_str(j, "Architecture", u.machine);
	json_set_str(j, "Name", u.nodename);
	json_set_int(j, "NCPU", sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus));
	json_set_int(j, "MemTotal", (int64_t)si.totalram * si.mem_unit);
	json_set_bool(j, "IPv4Forwarding", true);
}

static const char *proxy_of(const char *upper, const char *lower)
{
	const char *v = getenv(upper);

	if (!v)
		v = getenv(lower);
	return v ? v : "";
}

/* http://user:secret@host -> http://xxxxx:xxxxx@host, as Docker shows a proxy. */
static void add_proxy(json_t *j, const char *key, const char *url)
{
	const char *start = strstr(url, "://"), *at = strrchr(url, '@');
	cleanup_buf struct buf b = BUF_INIT;

	start = start ? start + 3 : url;
	if (at && at > start)
		buf_addf(&b, "%.*sxxxxx:xxxxx%s", (int)(start - url), url, at);
	else
		buf_adds(&b, url);
	json_set_str(j, key, b.p);
}

static void add_network_warning(json_t *warnings, const char *what, const char *why)
{
	cleanup_free char *text = xasprintf("WARNING: %s: %s", what, why);

	json_append_str(warnings, text);
}

/* What containers' network lacks here, and why. */
static void add_network_warnings(struct engine *en, json_t *w)
{
	cleanup_json json_t *about = NULL;
	struct err e = en->no_netd;
	const json_t *relay;

	if (!en->netd || netd_call(en->netd, "info", NULL, NULL, 0, &about, &e)) {
		add_network_warning(w, "Containers have no network but the host's", e.msg);
		return;
	}
	relay = json_obj(about, "relay");
	if (*en->no_relay.msg && *en->way.driver) {
		cleanup_free char *what = xasprintf("Containers' way out is %s, slower than the relay, which cannot work here", en->way.driver);

		add_network_warning(w, what, en->no_relay.msg);
	} else if (*en->no_relay.msg) {
		add_network_warning(w, "Containers have no way out of their networks", en->no_relay.msg);
		add_network_warning(w, "No other network driver can be used instead", en->no_driver.msg);
	}
	if (*en->way.driver)
		return;
	if (json_str(relay, "no_echo", NULL))
		add_network_warning(w, "Containers cannot ping the outside", json_str(relay, "no_echo", ""));
}

static void add_warnings(struct engine *en, json_t *j)
{
	const struct config *c = &en->config;
	json_t *w = json_array();

	limits_warn_all(&en->cgroups, w);
	if (c->single_id)
		json_append_str(w, "WARNING: Only one user id is mapped: files of other users, su and "
				   "system users in containers do not work. Add the user to /etc/subuid and "
				   "/etc/subgid and restart.");
	add_network_warnings(en, w);
	json_set_new(j, "Warnings", w);
}

/* Those of daemon.json; the built-in ones are not shown. */
static void add_pools(const struct config *c, json_t *j)
{
	json_t *pools = json_array();
	const json_t *p;
	size_t i;

	json_array_foreach(json_arr(c->raw, "default-address-pools"), i, p)
		json_array_append_new(pools, json_pack("{s:O?, s:O?}", "Base", json_get_ci(p, "base"), "Size",
			json_get_ci(p, "size")));
	if (json_array_size(pools))
		json_set_new(j, "DefaultAddressPools", pools);
	else
		json_decref(pools);
}

json_t *engine_info(struct engine *en)
{
	const struct config *c = &en->config;
	json_t *j = json_object();
	char when[CLOCK_RFC3339_MAX];

	json_set_str(j, "ID", en->id);
	add_counts(en, j);
	json_set_str(j, "Driver", store_driver_name(&en->store));
	json_set_new(j, "DriverStatus", store_status(&en->store));
	json_set_new(j, "Plugins", json_pack("{s:[s], s:[s,s,s], s:n, s:[s,s,s,s]}", "Volume", "local",
		"Network", "bridge", "host", "null", "Authorization", "Log", "journald", "json-file", "local", "syslog"));
	add_limits(&en->cgroups, j);
	json_set_bool(j, "Debug", c->debug);
	json_set_int(j, "NFd", count_entries("/proc/self/fd"));
	json_set_int(j, "NGoroutines", count_entries("/proc/self/task"));
	json_set_str(j, "SystemTime", clock_format(clock_real_ns(), when));
	json_set_str(j, "LoggingDriver", c->log_driver);
	json_set_int(j, "NEventsListener", events_listeners(en));
	add_host(j);
	json_set_str(j, "IndexServerAddress", "https://index.docker.io/v1/");
	json_set_new(j, "RegistryConfig", registry_config(c));
	json_set_new(j, "GenericResources", json_null());
	add_pools(c, j);
	json_set_str(j, "DockerRootDir", c->data_root);
	add_proxy(j, "HttpProxy", proxy_of("HTTP_PROXY", "http_proxy"));
	add_proxy(j, "HttpsProxy", proxy_of("HTTPS_PROXY", "https_proxy"));
	json_set_str(j, "NoProxy", proxy_of("NO_PROXY", "no_proxy"));
	json_set_new(j, "Labels", c->labels ? json_deep_copy(c->labels) : json_array());
	json_set_bool(j, "ExperimentalBuild", false);
	json_set_str(j, "ServerVersion", ENGINE_VERSION);
	json_set_new(j, "Runtimes", json_pack("{s:{s:s}, s:{s:s}}", "io.containerd.runc.v2", "path", "runc",
		"runc", "path", "runc"));
	json_set_str(j, "DefaultRuntime", "runc");
	json_set_new(j, "Swarm", json_pack("{s:s, s:s, s:s, s:b, s:s, s:n}", "NodeID", "", "NodeAddr", "",
		"LocalNodeState", "inactive", "ControlAvailable", 0, "Error", "", "RemoteManagers"));
	json_set_bool(j, "LiveRestoreEnabled", c->live_restore);
	json_set_str(j, "Isolation", "");
	json_set_str(j, "InitBinary", "docker-init");
	json_set_new(j, "ContainerdCommit", json_pack("{s:s}", "ID", ""));
	json_set_new(j, "RuncCommit", json_pack("{s:s}", "ID", ENGINE_VERSION));
	json_set_new(j, "InitCommit", json_pack("{s:s}", "ID", ""));
	json_set_new(j, "SecurityOptions", system_cgroup_v2() ?
		json_pack("[s, s, s]", "name=seccomp,profile=builtin", "name=rootless", "name=cgroupns") :
		json_pack("[s, s]", "name=seccomp,profile=builtin", "name=rootless"));
	json_set_new(j, "CDISpecDirs", json_array());
	add_warnings(en, j);
	return j;
}

/* --- version --------------------------------------------------------------------------------- */

json_t *engine_version(struct engine *en)
{
	struct utsname u;
	json_t *j = json_object(), *parts = json_array();
	const char *arch;

	uname(&u);
	arch = go_arch(u.machine);
	json_set_new(j, "Platform", json_pack("{s:s}", "Name", "Coracle"));
	json_array_append_new(parts, json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}}",
		"Name", "Engine", "Version", ENGINE_VERSION, "Details", "ApiVersion", API_VERSION, "Arch", arch,
		"BuildTime", "", "Experimental", "false", "GitCommit", CORACLE_VERSION, "GoVersion", "",
		"KernelVersion", u.release, "MinAPIVersion", API_MIN_VERSION, "Os", "linux"));
	json_array_append_new(parts, json_pack("{s:s, s:s, s:{s:s}}", "Name", "coracle", "Version",
		CORACLE_VERSION, "Details", "StorageDriver", store_driver_name(&en->store)));
	json_set_new(j, "Components", parts);
	json_set_str(j, "Version", ENGINE_VERSION);
	json_set_str(j, "ApiVersion", API_VERSION);
	json_set_str(j, "MinAPIVersion", API_MIN_VERSION);
	json_set_str(j, "GitCommit", CORACLE_VERSION);
	json_set_str(j, "GoVersion", "");
	json_set_str(j, "Os", "linux");
	json_set_str(j, "Arch", arch);
	json_set_str(j, "KernelVersion", u.release);
	json_set_str(j, "BuildTime", "");
	return j;
}

/* --- disk usage ------------------------------------------------------------------------------ */

/* As the real engine has it here, and only here. */
static void null_if_empty(json_t *j, const char *key)
{
	if (!json_array_size(json_object_get(j, key)))
		json_set_new(j, key, json_null());
}

static json_t *disk_images(struct engine *en, int64_t *layers_size, struct err *e)
{
	const struct images_list top = {.shared_size = true};
	const struct images_use use = {engine_image_use, en};

	json_t *list, *v;
	size_t i;

	*layers_size = images_layers_size(en->images);
	list = images_list_json(en->images, &top, &use, e);
	json_array_foreach(list, i, v) {
		null_if_empty(v, "RepoTags");
		null_if_empty(v, "RepoDigests");
	}
	return list;
}

json_t *engine_disk_usage(struct engine *en, const struct disk_usage_wanted *want, struct err *e)
{
	json_t *j = json_object(), *part;
	int64_t layers_size = 0;

	part = want->images ? disk_images(en, &layers_size, e) : json_null();
	if (!part)
		goto fail;
	json_set_int(j, "LayersSize", layers_size);
	json_set_new(j, "Images", part);
	part = want->containers ? containers_disk_usage(en, e) : json_null();
	if (!part)
		goto fail;
	json_set_new(j, "Containers", part);
	part = want->volumes ? volumes_disk_usage(en, e) : json_null();
	if (!part)
		goto fail;
	json_set_new(j, "Volumes", part);
	json_set_new(j, "BuildCache", want->build_cache ? json_array() : json_null());
	return j;
fail:
	json_decref(j);
	return NULL;
}
