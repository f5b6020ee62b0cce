/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network.c - the three predefined networks
 *
 * Theory of operation
 *   en->networks maps names to what inspect shows, without the containers.  It is made once, at
 *   start, and only read then, so it needs no lock.
 */
#include "engine/network.h"
#include "base/fs.h"
#include "engine/container.h"
#include "engine/filter.h"
#include "engine/schema.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NETWORK_MAX (1 << 20) /* bytes of a network's file */

/* --- load ----------------------------------------------------------------------------------- */

static json_t *options_of_bridge(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "com.docker.network.bridge.default_bridge", "true",
		"com.docker.network.bridge.enable_icc", "true", "com.docker.network.bridge.enable_ip_masquerade",
		"true", "com.docker.network.bridge.host_binding_ipv4", "0.0.0.0",
		"com.docker.network.bridge.name", "docker0", "com.docker.network.driver.mtu", "1500");
}

static json_t *network_new(const char *name, const char *driver)
{
	bool bridge = !strcmp(driver, "bridge");
	char when[CLOCK_RFC3339_MAX], id[ID_LEN + 1];
	json_t *ipam;

	random_id(id);
	clock_format(clock_real_ns(), when);
	ipam = json_pack("{s:s, s:n, s:o?}", "Driver", "default", "Options", "Config",
		bridge ? json_pack("[{s:s, s:s}]", "Subnet", "172.17.0.0/16", "Gateway", "172.17.0.1") : NULL);
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:b, s:b, s:b, s:{s:s}, s:b, s:{}, s:o, s:{}}", "Name",
		name, "Id", id, "Created", when, "Scope", "local", "Driver", driver, "EnableIPv4", 1, "EnableIPv6",
		0, "IPAM", ipam, "Internal", 0, "Attachable", 0, "Ingress", 0, "ConfigFrom", "Network", "",
		"ConfigOnly", 0, "Containers", "Options", bridge ? options_of_bridge() : json_object(), "Labels");
}

static void load_one(struct engine *en, int dirfd, const char *file)
{
	json_t *j = json_load_at(dirfd, file, NETWORK_MAX, NULL);
	const char *name = json_str(j, "Name", "");

	if (*name && is_hex64(json_str(j, "Id", "")) && !json_object_get(en->networks, name))
		json_object_set(en->networks, name, j);
	json_decref(j);
}

static int load_all(struct engine *en, struct err *e)
{
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd;

	if (fs_mkdir_p_at(en->datafd, "networks", 0700, e))
		return -1;
	fd = openat(en->datafd, "networks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_set(e, errno, "opening networks");
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			load_one(en, dirfd(d), de->d_name);
	return 0;
}

int networks_load(struct engine *en, struct err *e)
{
	static const char *const predefined[][2] = {{"none", "null"}, {"host", "host"}, {"bridge", "bridge"}};
	size_t i;
	json_t *n;

	en->networks = json_object();
	if (load_all(en, e))
		return -1;
	for (i = 0; i < ARRAY_SIZE(predefined); i++) {
		cleanup_free char *file = NULL;

		if (json_object_get(en->networks, predefined[i][0]))
			continue;
		n = network_new(predefined[i][0], predefined[i][1]);
		json_set_new(en->networks, predefined[i][0], n);
		file = xasprintf("networks/%s.json", json_str(n, "Id", ""));
		if (json_save_at(en->datafd, file, n, 0, e))
			return -1;
	}
	return 0;
}

/* --- find, list, inspect -------------------------------------------------------------------- */

const json_t *network_find(struct engine *en, const char *ref)
{
	const json_t *hit = json_object_get(en->networks, ref);
	const char *key;
	json_t *n;

	if (hit || !*ref)
		return hit;
	json_object_foreach(en->networks, key, n) {
		if (strncmp(json_str(n, "Id", ""), ref, strlen(ref)))
			continue;
		if (hit)
			return NULL;
		hit = n;
	}
	return hit;
}

static int no_such(const char *ref, struct err *e)
{
	return err_kind(e, ERR_NOT_FOUND, "network %s not found", ref);
}

static bool on_network(const struct container *c, const char *name)
{
	return (c->status == ST_RUNNING) && json_object_get(c->networks, name);
}

/* {"<container id>": {"Name", "EndpointID", …}} of those that run. */
static json_t *network_containers(struct engine *en, const char *name)
{
	struct container **all = containers_all(en);
	json_t *out = json_object();
	size_t i;

	for (i = 0; all[i]; i++) {
		cleanup_free char *its_name = container_name(en, all[i]);

		pthread_mutex_lock(&all[i]->lock);
		if (on_network(all[i], name))
			json_set_new(out, all[i]->id,
				json_pack("{s:s, s:s, s:s, s:s, s:s}", "Name", its_name, "EndpointID",
					all[i]->endpoint_id, "MacAddress", "", "IPv4Address", "", "IPv6Address", ""));
		pthread_mutex_unlock(&all[i]->lock);
	}
	containers_free(all);
	return out;
}

json_t *network_inspect(struct engine *en, const char *ref, const char *scope, struct err *e)
{
	const json_t *n = network_find(en, ref);
	json_t *out;

	if (!n || (scope && *scope && strcmp(scope, "local"))) {
		no_such(ref, e);
		return NULL;
	}
	out = json_copy((json_t *)(uintptr_t)n);
	json_set_new(out, "Containers", network_containers(en, json_str(n, "Name", "")));
	return out;
}

static int check_filters(const json_t *filters, bool *dangling, struct err *e)
{
	static const char *const known[] = {"driver", "name", "id", "label", "scope", "type", "dangling", NULL};
	static const char *const types[] = {"custom", "builtin", NULL};
	const json_t *v;
	size_t i;

	if (filter_check(filters, known, e))
		return -1;
	if (filter_bool(filters, "dangling", false, dangling, NULL))
		return err_kind(e, ERR_INVALID,
			"invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")");
	json_array_foreach(json_object_get(filters, "type"), i, v)
		if (!str_in(json_string_value(v), types))
			return err_kind(e, ERR_INVALID, "invalid filter: 'type'='%s'", json_string_value(v));
	return 0;
}

static bool prefix_in(const json_t *values, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		if (!strncmp(s, json_string_value(v), strlen(json_string_value(v))))
			return true;
	return !json_array_size(values);
}

static bool selected(const json_t *n, const json_t *filters)
{
	static const char *const exact[][2] = {{"driver", "Driver"}, {"scope", "Scope"}};
	const json_t *names = json_object_get(filters, "name"), *types = json_object_get(filters, "type");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(exact); i++) {
		const json_t *values = json_object_get(filters, exact[i][0]);

		if (json_array_size(values) && !filter_has(values, json_str(n, exact[i][1], "")))
			return false;
	}
	return (!json_array_size(names) || filter_match(names, json_str(n, "Name", ""))) &&
		(!json_array_size(types) || filter_has(types, "builtin")) &&
		prefix_in(json_object_get(filters, "id"), json_str(n, "Id", "")) &&
		filter_labels(json_object_get(filters, "label"), json_obj(n, "Labels"));
}

json_t *networks_list(struct engine *en, const json_t *filters, struct err *e)
{
	const json_t *wants = json_object_get(filters, "dangling");
	bool dangling;
	json_t *out, *n;
	const char *key;

	if (check_filters(filters, &dangling, e))
		return NULL;
	out = json_array();
	json_object_foreach(en->networks, key, n)
		if (selected(n, filters) && !(json_array_size(wants) && dangling))
			json_array_append(out, n); /* predefined ones never dangle */
	return out;
}

/* --- what there is not yet ------------------------------------------------------------------ */

static bool is_predefined(const char *name)
{
	static const char *const names[] = {"bridge", "host", "none", "default", NULL};

	return str_in(name, names);
}

int network_create(struct engine *en, const json_t *body, struct err *e)
{
	const char *name = json_string_value(json_get_ci(body, "Name"));

	if (!name || !*name)
		return err_kind(e, ERR_INVALID, "invalid name: name is empty");
	if (is_predefined(name))
		return err_kind(e, ERR_FORBIDDEN, "operation is not permitted on predefined %s network ", name);
	if (network_find(en, name))
		return err_kind(e, ERR_CONFLICT, "network with name %s already exists", name);
	return err_kind(e, ERR_NOT_SUPPORTED,
		"this version of Coracle has the networks bridge, host and none; it cannot create network %s yet",
		name);
}

int network_remove(struct engine *en, const char *ref, struct err *e)
{
	const json_t *n = network_find(en, ref);

	if (!n)
		return no_such(ref, e);
	return err_kind(e, ERR_FORBIDDEN, "%s is a pre-defined network and cannot be removed",
		json_str(n, "Name", ""));
}

int network_connect(struct engine *en, const char *ref, const char *container, bool connect,
	struct err *e)
{
	const json_t *n = network_find(en, ref);
	struct container *c;

	if (!n)
		return no_such(ref, e);
	if (!container || !*container)
		return err_kind(e, ERR_INVALID, "invalid name or ID supplied: \"%s\"", container ? container : "");
	c = container_get(en, container, e);
	if (!c)
		return -1;
	container_put(c);
	return err_kind(e, ERR_NOT_SUPPORTED,
		"this version of Coracle cannot %s a container %s a network after it was created yet",
		connect ? "connect" : "disconnect", connect ? "to" : "from");
}

json_t *networks_prune(struct engine *en, const json_t *filters, struct err *e)
{
	static const char *const known[] = {"label", "label!", "until", NULL};
	const json_t *v;
	int64_t until;
	size_t i;

	if (filter_check(filters, known, e))
		return NULL;
	json_array_foreach(json_object_get(filters, "until"), i, v)
		if (filter_time(json_string_value(v), &until, e))
			return NULL;
	events_emit(en, "network", "prune", "", json_pack("{s:s}", "reclaimed", "0"));
	return json_pack("{s:n}", "NetworksDeleted");
}

/* --- endpoint settings ---------------------------------------------------------------------- */

static bool is_mac(const char *text)
{
	struct span rest = span_of(text), byte;
	uint64_t v;
	int n = 0;

	while (span_token(&rest, strchr(text, '-') ? '-' : ':', &byte)) {
		if (byte.n != 2 || parse_u64_base(byte, 16, 255, &v))
			return false;
		n++;
	}
	return n == 6;
}

static int check_endpoint(const char *network, const json_t *ep, struct err *e)
{
	const char *v4 = json_str(json_obj(ep, "IPAMConfig"), "IPv4Address", "");
	const char *v6 = json_str(json_obj(ep, "IPAMConfig"), "IPv6Address", "");
	const char *mac = json_str(ep, "MacAddress", "");
	unsigned char addr[16];
	cleanup_buf struct buf bad = BUF_INIT;
	int n = 0;

	if (*mac && !is_mac(mac))
		return err_kind(e, ERR_INVALID, "invalid config for network %s: invalid MAC address %s", network, mac);
	if (is_predefined(network) && (*v4 || *v6)) {
		buf_adds(&bad, "* user specified IP address is supported on user defined networks only\n"
			       "* user specified IP address is supported only when connecting to networks with "
			       "user configured subnets\n");
		n += 2;
	}
	if (is_predefined(network) && json_array_size(json_arr(ep, "Aliases"))) {
		buf_adds(&bad, "* network-scoped alias is supported only for containers in user defined networks\n");
		n++;
	}
	if (*v4 && inet_pton(AF_INET, v4, addr) != 1) {
		buf_addf(&bad, "* invalid IPv4 address: %s\n", v4);
		n++;
	}
	if (*v6 && inet_pton(AF_INET6, v6, addr) != 1) {
		buf_addf(&bad, "* invalid IPv6 address: %s\n", v6);
		n++;
	}
	if (!n)
		return 0;
	bad.p[--bad.n] = 0;
	return err_kind(e, ERR_INVALID, "invalid config for network %s: invalid endpoint settings:\n%s", network,
		n == 1 ? bad.p + 2 : bad.p);
}

int network_check_endpoints(const json_t *endpoints, struct err *e)
{
	const char *name;
	json_t *ep;

	json_object_foreach((json_t *)(uintptr_t)endpoints, name, ep)
		if (check_endpoint(name, ep, e))
			return -1;
	return 0;
}

/* --- what a container shows ------------------------------------------------------------------ */

static json_t *endpoint(struct engine *en, const struct container *c, const char *network, json_t *settings)
{
	cleanup_json json_t *s = json_copy(settings);
	const json_t *n = network_find(en, network);

	if (n && c->started_at)
		json_set_str(s, "NetworkID", json_str(n, "Id", ""));
	if (n && c->status == ST_RUNNING)
		json_set_str(s, "EndpointID", c->endpoint_id);
	return schema_expand(schema_endpoint, s);
}

static json_t *endpoints(struct engine *en, const struct container *c)
{
	json_t *out = json_object(), *settings;
	const char *network;

	json_object_foreach(c->networks, network, settings)
		json_set_new(out, network, endpoint(en, c, network, settings));
	return out;
}

json_t *network_settings_summary(struct engine *en, const struct container *c)
{
	return json_pack("{s:o}", "Networks", endpoints(en, c));
}

/* Exposed ports of a running container, none of them published. */
static json_t *ports(const struct container *c)
{
	json_t *out = json_object(), *v;
	const char *key;

	if (c->status != ST_RUNNING || !json_object_get(c->networks, "bridge"))
		return out;
	json_object_foreach(json_obj(c->config, "ExposedPorts"), key, v) {
		cleanup_free char *port = strchr(key, '/') ? xstrdup(key) : xasprintf("%s/tcp", key);

		json_set_new(out, port, json_null());
	}
	return out;
}

json_t *network_settings(struct engine *en, const struct container *c)
{
	bool up = c->status == ST_RUNNING && json_object_size(c->networks);
	const json_t *bridge = json_object_get(c->networks, "bridge");
	cleanup_free char *key = up ? xasprintf("/proc/%d/ns/net", (int)c->pid) : xstrdup("");
	json_t *j = json_object();

	json_set_str(j, "Bridge", "");
	json_set_str(j, "SandboxID", up ? c->sandbox_id : "");
	json_set_str(j, "SandboxKey", key);
	json_set_new(j, "Ports", ports(c));
	json_set_bool(j, "HairpinMode", false);
	json_set_str(j, "LinkLocalIPv6Address", "");
	json_set_int(j, "LinkLocalIPv6PrefixLen", 0);
	json_set_new(j, "SecondaryIPAddresses", json_null());
	json_set_new(j, "SecondaryIPv6Addresses", json_null());
	json_set_str(j, "EndpointID", up && bridge ? c->endpoint_id : "");
	json_set_str(j, "Gateway", "");
	json_set_str(j, "GlobalIPv6Address", "");
	json_set_int(j, "GlobalIPv6PrefixLen", 0);
	json_set_str(j, "IPAddress", "");
	json_set_int(j, "IPPrefixLen", 0);
	json_set_str(j, "IPv6Gateway", "");
	json_set_str(j, "MacAddress", json_str(bridge, "MacAddress", ""));
	json_set_new(j, "Networks", endpoints(en, c));
	return j;
}

void network_events(struct engine *en, const struct container *c, const char *action)
{
	const char *name;
	json_t *settings;

	json_object_foreach(c->networks, name, settings) {
		const json_t *n = network_find(en, name);

		if (n)
			events_emit(en, "network", action, json_str(n, "Id", ""),
				json_pack("{s:s, s:s, s:s}", "container", c->id, "name", name, "type",
					json_str(n, "Driver", "")));
	}
}
