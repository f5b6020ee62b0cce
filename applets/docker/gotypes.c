/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/gotypes.c - what the JSON of the API does not tell of the types Go has for it
 *
 * Theory of operation
 *   A member is known by its name alone: the API uses a name for one kind of thing nearly
 *   everywhere, and where it does not, the value that is there decides.
 */
#include "gotypes.h"

static const char *const maps[] = {"Labels", "Options", "Config", "Sysctls", "Volumes", "ExposedPorts",
	"Ports", "PortBindings", "Networks", "DriverOpts", "Annotations", "Tmpfs", "StorageOpt", "Data",
	"Containers", "DriverOptions", "Opts", "Peers", "Services", "Details", "EndpointsConfig", "Status",
	"Runtimes", "IndexConfigs", "status", NULL};

/* Pointers and maps that are nil where the JSON lacks them. */
static const char *const nil[] = {"Health", "Healthcheck", "PidsLimit", "OomKillDisable", "Init",
	"MemorySwappiness", "StopTimeout", "IPAMConfig", "ImageManifestDescriptor", "SizeRw", "SizeRootFs",
	"UsageData", "Status", "ClusterVolume", "BindOptions", "VolumeOptions", "TmpfsOptions", "Sysctls",
	"Annotations", "Tmpfs", "StorageOpt", "ExposedPorts", "Volumes", "Labels", NULL};
static const char *const texts[] = {"StopSignal", "MacAddress", "Runtime", "Isolation", "Variant",
	"OsVersion", "IPRange", "AuxAddress", NULL};
static const char *const lists[] = {"Cmd", "Entrypoint", "Env", "OnBuild", "Shell", "Args", "Binds",
	"CapAdd", "CapDrop", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "Links",
	"VolumesFrom", "SecurityOpt", "Devices", "DeviceRequests", "DeviceCgroupRules", "Ulimits", "Mounts",
	"ExecIDs", "Aliases", "DNSNames", "MaskedPaths", "ReadonlyPaths", "RepoTags", "RepoDigests",
	"Layers", "Test", "SecondaryIPAddresses", "SecondaryIPv6Addresses", "BlkioWeightDevice",
	"BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "Log",
	"Mirrors", "Warnings", "GenericResources", "Authorization", NULL};
static const char *const flags[] = {"NetworkDisabled", "ArgsEscaped", "StdinOnce", NULL};

/* Go's name, JSON's name. */
static const char *const renamed[] = {"ID", "Id", "DNS", "Dns", "DNSOptions", "DnsOptions", "DNSSearch",
	"DnsSearch", "NanoCPUs", "NanoCpus", "CPUShares", "CpuShares", "CPUPeriod", "CpuPeriod", "CPUQuota",
	"CpuQuota", "CPURealtimePeriod", "CpuRealtimePeriod", "CPURealtimeRuntime", "CpuRealtimeRuntime",
	"CPUCount", "CpuCount", "CPUPercent", "CpuPercent", "HostIP", "HostIp", "APIVersion", "ApiVersion",
	"HTTPProxy", "HttpProxy", "HTTPSProxy", "HttpsProxy", "CPUCfsPeriod", "CpuCfsPeriod", "CPUCfsQuota",
	"CpuCfsQuota", NULL};

static json_t *absent(const char *name)
{
	if (str_in(name, lists))
		return json_array();
	if (str_in(name, nil))
		return json_null();
	if (str_in(name, flags))
		return json_false();
	return str_in(name, texts) ? json_string("") : NULL;
}

const struct tmpl_env go_env = {.maps = maps, .absent = absent, .renamed = renamed};
