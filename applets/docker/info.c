/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/info.c - what docker info says of the engine
 *
 * Theory of operation
 *   The answer of GET /info, line by line in the order people know.  A line is left out where the
 *   engine says nothing for it.
 */
#include "info.h"

#include "flags.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>

static void line(const char *label, const char *value)
{
	printf(" %s: %s\n", label, value);
}

static void line_of(const json_t *i, const char *label, const char *key)
{
	line(label, json_str(i, key, ""));
}

static void line_if(const json_t *i, const char *label, const char *key)
{
	if (*json_str(i, key, ""))
		line(label, json_str(i, key, ""));
}

static void count(const json_t *i, const char *label, const char *key)
{
	printf(" %s: %lld\n", label, (long long)json_int(i, key, 0));
}

static const char *boolean(const json_t *i, const char *key)
{
	return json_bool(i, key, false) ? "true" : "false";
}

static const char *text_at(const json_t *arr, size_t i)
{
	const char *s = json_string_value(json_array_get(arr, i));

	return s ? s : "";
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct strlist sorted_keys(const json_t *obj)
{
	struct strlist names = {0};
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)obj, name, value)
		strlist_add(&names, name);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_text);
	return names;
}

/* " LABEL:" and the texts of an array, one a line; nothing if there are none. */
static void block(const json_t *arr, const char *label)
{
	size_t k;

	if (json_array_size(arr))
		printf(" %s:\n", label);
	for (k = 0; k < json_array_size(arr); k++)
		printf("  %s\n", text_at(arr, k));
}

static void print_pairs(const json_t *pairs, const char *indent)
{
	size_t k;

	for (k = 0; k < json_array_size(pairs); k++)
		printf("%s%s: %s\n", indent, text_at(json_array_get(pairs, k), 0), text_at(json_array_get(pairs, k), 1));
}

static void print_plugins(const json_t *plugins)
{
	static const char *const kinds[] = {"Volume", "Network", "Authorization", "Log"};
	const json_t *names;
	size_t i, k;

	puts(" Plugins:");
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		names = json_arr(plugins, kinds[i]);
		if (!json_array_size(names) && i == 2)
			continue;
		printf("  %s:", kinds[i]);
		for (k = 0; k < json_array_size(names); k++)
			printf(" %s", text_at(names, k));
		putchar('\n');
	}
}

static void print_runtimes(const json_t *i)
{
	struct strlist names = sorted_keys(json_obj(i, "Runtimes"));
	size_t k;

	if (names.n) {
		printf(" Runtimes:");
		for (k = 0; k < names.n; k++)
			printf(" %s", names.v[k]);
		putchar('\n');
		line_of(i, "Default Runtime", "DefaultRuntime");
	}
	line_of(i, "Init Binary", "InitBinary");
	line_of(json_obj(i, "ContainerdCommit"), "containerd version", "ID");
	line_of(json_obj(i, "RuncCommit"), "runc version", "ID");
	line_of(json_obj(i, "InitCommit"), "init version", "ID");
	free(names.v);
}

/* "name=seccomp,profile=builtin" */
static void print_security(const json_t *options)
{
	size_t k;

	if (json_array_size(options))
		puts(" Security Options:");
	for (k = 0; k < json_array_size(options); k++) {
		struct span rest = span_of(text_at(options, k)), part;

		while (span_token(&rest, ',', &part)) {
			if (span_starts(part, "name="))
				printf("  %.*s\n", (int)part.n - 5, part.p + 5);
			else if (span_starts(part, "profile="))
				printf("   Profile: %.*s\n", (int)part.n - 8, part.p + 8);
		}
	}
}

static void print_registries(const json_t *config)
{
	const json_t *indexes = json_obj(config, "IndexConfigs"), *cidrs = json_arr(config, "InsecureRegistryCIDRs");
	struct strlist names = sorted_keys(indexes);
	size_t k;

	puts(" Insecure Registries:");
	for (k = 0; k < names.n; k++)
		if (!json_bool(json_obj(indexes, names.v[k]), "Secure", true))
			printf("  %s\n", names.v[k]);
	for (k = 0; k < json_array_size(cidrs); k++)
		printf("  %s\n", text_at(cidrs, k));
	free(names.v);
	block(json_arr(config, "Mirrors"), "Registry Mirrors");
}

static void print_pools(const json_t *pools)
{
	size_t k;

	if (json_array_size(pools))
		puts(" Default Address Pools:");
	for (k = 0; k < json_array_size(pools); k++) {
		const json_t *p = json_array_get(pools, k);

		printf("   Base: %s, Size: %lld\n", json_str(p, "Base", ""), (long long)json_int(p, "Size", 0));
	}
}

static void print_host(const json_t *i)
{
	cleanup_free char *memory = human_size_binary((double)json_int(i, "MemTotal", 0));

	line_of(i, "Kernel Version", "KernelVersion");
	line_of(i, "Operating System", "OperatingSystem");
	line_of(i, "OSType", "OSType");
	line_of(i, "Architecture", "Architecture");
	count(i, "CPUs", "NCPU");
	line("Total Memory", memory);
	line_of(i, "Name", "Name");
	line_of(i, "ID", "ID");
	line_of(i, "Docker Root Dir", "DockerRootDir");
}

void info_print(const json_t *i)
{
	count(i, "Containers", "Containers");
	count(i, " Running", "ContainersRunning");
	count(i, " Paused", "ContainersPaused");
	count(i, " Stopped", "ContainersStopped");
	count(i, "Images", "Images");
	line_of(i, "Server Version", "ServerVersion");
	line_of(i, "Storage Driver", "Driver");
	print_pairs(json_arr(i, "DriverStatus"), "  ");
	line_of(i, "Logging Driver", "LoggingDriver");
	line_of(i, "Cgroup Driver", "CgroupDriver");
	line_of(i, "Cgroup Version", "CgroupVersion");
	print_plugins(json_obj(i, "Plugins"));
	block(json_arr(i, "CDISpecDirs"), "CDI spec directories");
	line("Swarm", json_str(json_obj(i, "Swarm"), "LocalNodeState", "inactive"));
	print_runtimes(i);
	print_security(json_arr(i, "SecurityOptions"));
	print_host(i);
	line("Debug Mode", boolean(i, "Debug"));
	if (json_bool(i, "Debug", false)) {
		count(i, " File Descriptors", "NFd");
		count(i, " Goroutines", "NGoroutines");
		line_of(i, " System Time", "SystemTime");
		count(i, " EventsListeners", "NEventsListener");
	}
	line_if(i, "HTTP Proxy", "HttpProxy");
	line_if(i, "HTTPS Proxy", "HttpsProxy");
	line_if(i, "No Proxy", "NoProxy");
	block(json_arr(i, "Labels"), "Labels");
	line("Experimental", boolean(i, "ExperimentalBuild"));
	print_registries(json_obj(i, "RegistryConfig"));
	line("Live Restore Enabled", boolean(i, "LiveRestoreEnabled"));
	line_if(i, "Product License", "ProductLicense");
	print_pools(json_arr(i, "DefaultAddressPools"));
	putchar('\n');
}

void info_warn(const json_t *i)
{
	const json_t *warnings = json_arr(i, "Warnings");
	size_t k;

	for (k = 0; k < json_array_size(warnings); k++)
		fprintf(stderr, "%s\n", text_at(warnings, k));
}
