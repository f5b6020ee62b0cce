/* SPDX-License-Identifier: MIT */
/*
 * core/engine/schema.c - pack what a client sent, expand it for inspect
 *
 * Theory of operation
 *   The tables below are the API's types as Go declares them: order of members, kinds, and which
 *   are left out when empty.  Two walks over a table do everything: pack (check, canonical keys,
 *   drop what is absent) and expand (fill in what is absent).  Depth is that of the tables, so
 *   nothing a client sends can make the walks recurse deeper.
 */
#include "engine/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define END { NULL, T_STR, 0, NULL }

/* --- the tables ----------------------------------------------------------------------------- */

static const struct field health[] = {
	{"Test", T_STRS, F_OMIT}, {"Interval", T_INT, F_OMIT, .go = "time.Duration"}, {"Timeout", T_INT, F_OMIT, .go = "time.Duration"},
	{"StartPeriod", T_INT, F_OMIT, .go = "time.Duration"}, {"StartInterval", T_INT, F_OMIT, .go = "time.Duration"},
	{"Retries", T_INT, F_OMIT | F_INT}, END};

const struct field schema_config[] = {
	{"Hostname", T_STR}, {"Domainname", T_STR}, {"User", T_STR}, {"AttachStdin", T_BOOL},
	{"AttachStdout", T_BOOL}, {"AttachStderr", T_BOOL}, {"ExposedPorts", T_SET, F_OMIT, .go = "nat.PortSet"},
	{"Tty", T_BOOL}, {"OpenStdin", T_BOOL}, {"StdinOnce", T_BOOL}, {"Env", T_STRS},
	{"Cmd", T_STRV}, {"Healthcheck", T_OBJ, F_OMIT, health, .go = "v1.HealthcheckConfig"}, {"ArgsEscaped", T_BOOL, F_OMIT},
	{"Image", T_STR}, {"Volumes", T_SET}, {"WorkingDir", T_STR}, {"Entrypoint", T_STRV},
	{"NetworkDisabled", T_BOOL, F_OMIT}, {"MacAddress", T_STR, F_OMIT}, {"OnBuild", T_STRS},
	{"Labels", T_MAP}, {"StopSignal", T_STR, F_OMIT}, {"StopTimeout", T_INT, F_OMIT | F_PTR | F_INT},
	{"Shell", T_STRV, F_OMIT}, END};

static const struct field log_config[] = {{"Type", T_STR}, {"Config", T_MAP}, END};
static const struct field restart_policy[] = {
	{"Name", T_STR, .go = "container.RestartPolicyMode"}, {"MaximumRetryCount", T_INT, F_INT}, END};
static const struct field port_binding[] = {{"HostIp", T_STR}, {"HostPort", T_STR}, END};
static const struct field weight_device[] = {{"Path", T_STR}, {"Weight", T_UINT16}, END};
static const struct field throttle_device[] = {{"Path", T_STR}, {"Rate", T_INT, .go = "uint64"}, END};
static const struct field device[] = {
	{"PathOnHost", T_STR}, {"PathInContainer", T_STR}, {"CgroupPermissions", T_STR}, END};
static const struct field device_request[] = {
	{"Driver", T_STR}, {"Count", T_INT, F_INT}, {"DeviceIDs", T_STRS}, {"Capabilities", T_STRSS},
	{"Options", T_MAP}, END};
static const struct field ulimit[] = {{"Name", T_STR}, {"Hard", T_INT}, {"Soft", T_INT}, END};

static const struct field bind_options[] = {
	{"Propagation", T_STR, F_OMIT, .go = "mount.Propagation"}, {"NonRecursive", T_BOOL, F_OMIT},
	{"CreateMountpoint", T_BOOL, F_OMIT}, {"ReadOnlyNonRecursive", T_BOOL, F_OMIT},
	{"ReadOnlyForceRecursive", T_BOOL, F_OMIT}, END};
static const struct field driver_config[] = {
	{"Name", T_STR, F_OMIT}, {"Options", T_MAP, F_OMIT}, END};
static const struct field volume_options[] = {
	{"NoCopy", T_BOOL, F_OMIT}, {"Labels", T_MAP, F_OMIT}, {"Subpath", T_STR, F_OMIT},
	{"DriverConfig", T_OBJ, F_OMIT, driver_config, .go = "mount.Driver"}, END};
static const struct field image_options[] = {{"Subpath", T_STR, F_OMIT}, END};
static const struct field tmpfs_options[] = {
	{"SizeBytes", T_INT, F_OMIT}, {"Mode", T_INT, F_OMIT, .go = "fs.FileMode"}, {"Options", T_STRSS, F_OMIT}, END};
static const struct field none[] = {END};
static const struct field mount[] = {
	{"Type", T_STR, F_OMIT, .go = "mount.Type"}, {"Source", T_STR, F_OMIT}, {"Target", T_STR, F_OMIT},
	{"ReadOnly", T_BOOL, F_OMIT}, {"Consistency", T_STR, F_OMIT, .go = "mount.Consistency"},
	{"BindOptions", T_OBJ, F_OMIT, bind_options, .go = "mount.BindOptions"},
	{"VolumeOptions", T_OBJ, F_OMIT, volume_options, .go = "mount.VolumeOptions"},
	{"ImageOptions", T_OBJ, F_OMIT, image_options, .go = "mount.ImageOptions"},
	{"TmpfsOptions", T_OBJ, F_OMIT, tmpfs_options, .go = "mount.TmpfsOptions"}, {"ClusterOptions", T_OBJ, F_OMIT, none, .go = "mount.ClusterOptions"}, END};

const struct field schema_host[] = {
	{"Binds", T_STRS}, {"ContainerIDFile", T_STR}, {"LogConfig", T_OBJ, 0, log_config, .go = "container.LogConfig"},
	{"NetworkMode", T_STR, .go = "container.NetworkMode"}, {"PortBindings", T_OBJMAP, 0, port_binding, .go = "nat.PortMap"},
	{"RestartPolicy", T_OBJ, 0, restart_policy, .go = "container.RestartPolicy"}, {"AutoRemove", T_BOOL},
	{"VolumeDriver", T_STR}, {"VolumesFrom", T_STRS}, {"ConsoleSize", T_SIZE2},
	{"Annotations", T_MAP, F_OMIT}, {"CapAdd", T_STRV}, {"CapDrop", T_STRV},
	{"CgroupnsMode", T_STR, .go = "container.CgroupnsMode"}, {"Dns", T_STRS}, {"DnsOptions", T_STRS}, {"DnsSearch", T_STRS},
	{"ExtraHosts", T_STRS}, {"GroupAdd", T_STRS}, {"IpcMode", T_STR, .go = "container.IpcMode"}, {"Cgroup", T_STR, .go = "container.CgroupSpec"},
	{"Links", T_STRS}, {"OomScoreAdj", T_INT, F_INT}, {"PidMode", T_STR, .go = "container.PidMode"}, {"Privileged", T_BOOL},
	{"PublishAllPorts", T_BOOL}, {"ReadonlyRootfs", T_BOOL}, {"SecurityOpt", T_STRS},
	{"StorageOpt", T_MAP, F_OMIT}, {"Tmpfs", T_MAP, F_OMIT}, {"UTSMode", T_STR, .go = "container.UTSMode"},
	{"UsernsMode", T_STR, .go = "container.UsernsMode"}, {"ShmSize", T_INT}, {"Sysctls", T_MAP, F_OMIT}, {"Runtime", T_STR},
	{"Isolation", T_STR, .go = "container.Isolation"}, {"CpuShares", T_INT}, {"Memory", T_INT}, {"NanoCpus", T_INT},
	{"CgroupParent", T_STR}, {"BlkioWeight", T_UINT16},
	{"BlkioWeightDevice", T_OBJS, 0, weight_device, .go = "[]*blkiodev.WeightDevice"},
	{"BlkioDeviceReadBps", T_OBJS, 0, throttle_device, .go = "[]*blkiodev.ThrottleDevice"},
	{"BlkioDeviceWriteBps", T_OBJS, 0, throttle_device, .go = "[]*blkiodev.ThrottleDevice"},
	{"BlkioDeviceReadIOps", T_OBJS, 0, throttle_device, .go = "[]*blkiodev.ThrottleDevice"},
	{"BlkioDeviceWriteIOps", T_OBJS, 0, throttle_device, .go = "[]*blkiodev.ThrottleDevice"}, {"CpuPeriod", T_INT},
	{"CpuQuota", T_INT}, {"CpuRealtimePeriod", T_INT}, {"CpuRealtimeRuntime", T_INT},
	{"CpusetCpus", T_STR}, {"CpusetMems", T_STR}, {"Devices", T_OBJS, 0, device, .go = "[]container.DeviceMapping"},
	{"DeviceCgroupRules", T_STRS}, {"DeviceRequests", T_OBJS, 0, device_request, .go = "[]container.DeviceRequest"},
	{"KernelMemory", T_INT, F_OMIT}, {"KernelMemoryTCP", T_INT, F_OMIT},
	{"MemoryReservation", T_INT}, {"MemorySwap", T_INT}, {"MemorySwappiness", T_INT, F_PTR},
	{"OomKillDisable", T_BOOL}, {"PidsLimit", T_INT, F_PTR}, {"Ulimits", T_OBJS, 0, ulimit, .go = "[]*units.Ulimit"},
	{"CpuCount", T_INT}, {"CpuPercent", T_INT}, {"IOMaximumIOps", T_INT, .go = "uint64"},
	{"IOMaximumBandwidth", T_INT, .go = "uint64"}, {"Mounts", T_OBJS, F_OMIT, mount, .go = "[]mount.Mount"}, {"MaskedPaths", T_STRS},
	{"ReadonlyPaths", T_STRS}, {"Init", T_BOOL, F_OMIT | F_PTR}, END};

static const struct field ipam[] = {
	{"IPv4Address", T_STR, F_OMIT}, {"IPv6Address", T_STR, F_OMIT},
	{"LinkLocalIPs", T_STRS, F_OMIT}, END};
const struct field schema_endpoint[] = {
	{"IPAMConfig", T_OBJ, F_PTR, ipam, .go = "network.EndpointIPAMConfig"}, {"Links", T_STRS}, {"Aliases", T_STRS},
	{"MacAddress", T_STR}, {"DriverOpts", T_MAP}, {"GwPriority", T_INT, F_INT}, {"NetworkID", T_STR},
	{"EndpointID", T_STR}, {"Gateway", T_STR}, {"IPAddress", T_STR}, {"IPPrefixLen", T_INT, F_INT},
	{"IPv6Gateway", T_STR}, {"GlobalIPv6Address", T_STR}, {"GlobalIPv6PrefixLen", T_INT, F_INT},
	{"DNSNames", T_STRS}, END};
const struct field schema_networking[] = {
	{"EndpointsConfig", T_SUBMAP, 0, schema_endpoint, .go = "map[string]*network.EndpointSettings"}, END};

/* What create's body has beside Config itself. */
const struct field schema_create[] = {
	{"HostConfig", T_OBJ, 0, schema_host, .go = "container.HostConfig"}, {"NetworkingConfig", T_OBJ, 0, schema_networking, .go = "network.NetworkingConfig"}, END};

const struct field schema_exec[] = {
	{"User", T_STR}, {"Privileged", T_BOOL}, {"Tty", T_BOOL},
	{"ConsoleSize", T_SIZE2, F_OMIT}, {"AttachStdin", T_BOOL}, {"AttachStderr", T_BOOL},
	{"AttachStdout", T_BOOL}, {"DetachKeys", T_STR}, {"Env", T_STRS}, {"WorkingDir", T_STR},
	{"Cmd", T_STRS}, END};
const struct field schema_exec_start[] = {
	{"Detach", T_BOOL}, {"Tty", T_BOOL}, {"ConsoleSize", T_SIZE2, F_OMIT}, END};
static const struct field ipam_config[] = {
	{"Subnet", T_STR, F_OMIT}, {"IPRange", T_STR, F_OMIT}, {"Gateway", T_STR, F_OMIT},
	{"AuxiliaryAddresses", T_MAP, F_OMIT}, END};
static const struct field network_ipam[] = {
	{"Driver", T_STR}, {"Options", T_MAP}, {"Config", T_OBJS, 0, ipam_config, .go = "[]network.IPAMConfig"}, END};
static const struct field config_from[] = {{"Network", T_STR}, END};
const struct field schema_network_create[] = {
	{"Name", T_STR}, {"CheckDuplicate", T_BOOL}, {"Driver", T_STR}, {"Scope", T_STR},
	{"EnableIPv4", T_BOOL, F_PTR}, {"EnableIPv6", T_BOOL, F_PTR}, {"IPAM", T_OBJ, F_PTR, network_ipam, .go = "network.IPAM"},
	{"Internal", T_BOOL}, {"Attachable", T_BOOL}, {"Ingress", T_BOOL}, {"ConfigOnly", T_BOOL},
	{"ConfigFrom", T_OBJ, F_PTR, config_from, .go = "network.ConfigReference"}, {"Options", T_MAP}, {"Labels", T_MAP}, END};
const struct field schema_network_connect[] = {
	{"Container", T_STR}, {"EndpointConfig", T_OBJ, F_PTR, schema_endpoint, .go = "network.EndpointSettings"}, {"Force", T_BOOL}, END};
const struct field schema_volume_create[] = {
	{"ClusterVolumeSpec", T_OBJ, F_OMIT, none, .go = "volume.ClusterVolumeSpec"}, {"Driver", T_STR}, {"DriverOpts", T_MAP},
	{"Labels", T_MAP}, {"Name", T_STR}, END};

/* --- pack ----------------------------------------------------------------------------------- */

#define PATH_MAX_LEN 256

static const char *go_type(const struct field *f)
{
	if (f->go)
		return f->go;
	switch (f->type) {
	case T_STR: return "string";
	case T_BOOL: return "bool";
	case T_INT: return f->flags & F_INT ? "int" : "int64";
	case T_UINT16: return "uint16";
	case T_STRS: case T_STRV: return "[]string";
	case T_MAP: return "map[string]string";
	case T_SET: return "map[string]struct {}";
	case T_OBJ: return "struct";
	case T_OBJS: return "[]struct";
	case T_OBJMAP: return "map[string][]struct";
	case T_SUBMAP: return "map[string]*struct";
	case T_SIZE2: return "[2]uint";
	case T_STRSS: return "[][]string";
	}
	return "struct";
}

/* Of an element of a list or map of structs: "[]*units.Ulimit" has units.Ulimit. */
static const char *element_type(const struct field *f)
{
	const char *go = go_type(f), *at = go + strcspn(go, "]");

	if (f->type == T_OBJMAP)
		return "nat.PortBinding"; /* there is one such map, under a name of its own */
	return *at ? at + 1 + (at[1] == '*') : go;
}

static const char *json_kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "string";
	case JSON_INTEGER: case JSON_REAL: return "number";
	default: return "bool";
	}
}

static json_t *wrong_type(const char *path, const char *type, const json_t *v, struct err *e)
{
	err_kind(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go struct field %s of type %s",
		json_kind(v), path, type);
	return NULL;
}

/* One of a list: it is no field of a struct. */
static json_t *wrong_element(const char *path, size_t i, const char *type, const json_t *v, struct err *e)
{
	err_kind(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into %s.%zu of type %s", json_kind(v), path, i, type);
	return NULL;
}

/* The path of a map's value; the key as in a JSON pointer (RFC 6901). */
static char *path_of(const char *path, const char *key)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s.", path);
	for (; *key; key++) {
		if (*key == '~' || *key == '/')
			buf_adds(&b, *key == '~' ? "~0" : "~1");
		else
			buf_addc(&b, *key);
	}
	return buf_detach(&b);
}

static json_t *pack_fields(const struct field *fields, const json_t *in, const char *path, const char *type,
	struct err *e);

static json_t *pack_strings(const struct field *f, json_t *v, const char *path, struct err *e)
{
	json_t *s;
	size_t i;

	if (f->type == T_STRV && json_is_string(v))
		return json_pack("[O]", v);
	if (!json_is_array(v) && f->type != T_STRV)
		return wrong_type(path, go_type(f), v, e);
	json_array_foreach(v, i, s)
		if (!json_is_string(s) && !json_is_null(s))
			break;
	if (json_is_array(v) && i == json_array_size(v))
		return json_incref(v);
	if (f->type != T_STRV)
		return wrong_element(path, i, "string", json_array_get(v, i), e);
	/* Its decoder tries a list, then a string, and has no path. */
	err_kind(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go value of type string", json_kind(v));
	return NULL;
}

static json_t *pack_map(const struct field *f, json_t *v, const char *path, struct err *e)
{
	const char *key;
	json_t *s, *out;

	if (!json_is_object(v))
		return wrong_type(path, go_type(f), v, e);
	out = json_sorted(v);
	json_object_foreach(v, key, s) {
		bool fits = json_is_null(s) || (f->type == T_SET ? json_is_object(s) : json_is_string(s));

		if (!fits) {
			cleanup_free char *at = path_of(path, key);

			json_decref(out);
			return wrong_type(at, f->type == T_SET ? "struct {}" : "string", s, e);
		}
		if (f->type == T_SET)
			json_set_new(out, key, json_object());
		else if (json_is_null(s))
			json_set_str(out, key, "");
	}
	return out;
}

static json_t *pack_list(const struct field *f, json_t *v, const char *path, struct err *e)
{
	json_t *out, *item, *packed;
	size_t i;

	if (!json_is_array(v))
		return wrong_type(path, f->type == T_OBJMAP ? "[]nat.PortBinding" : go_type(f), v, e);
	out = json_array();
	json_array_foreach(v, i, item) {
		cleanup_free char *at = xasprintf("%s.%zu", path, i);

		if (f->type == T_STRSS ? !json_is_array(item) : !json_is_object(item))
			packed = wrong_element(path, i, f->type == T_STRSS ? "[]string" : element_type(f), item, e);
		else
			packed = f->type == T_STRSS ? pack_strings(f, item, at, e) :
						      pack_fields(f->sub, item, at, element_type(f), e);
		if (!packed) {
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, packed);
	}
	return out;
}

/* PortBindings and EndpointsConfig: a map whose values are lists of, or single, structs. */
static json_t *pack_objmap(const struct field *f, json_t *v, const char *path, struct err *e)
{
	const char *key;
	json_t *out, *item, *packed;

	if (!json_is_object(v))
		return wrong_type(path, go_type(f), v, e);
	out = json_sorted(v);
	json_object_foreach(v, key, item) {
		cleanup_free char *at = path_of(path, key);

		if (json_is_null(item))
			packed = f->type == T_SUBMAP ? json_object() : json_null();
		else
			packed = f->type == T_SUBMAP ? pack_fields(f->sub, item, at, element_type(f), e) :
						       pack_list(f, item, at, e);
		if (!packed) {
			json_decref(out);
			return NULL;
		}
		json_set_new(out, key, packed);
	}
	return out;
}

static json_t *pack_size2(json_t *v, const char *path, struct err *e)
{
	json_int_t a, b;
	bool first;

	if (!json_is_array(v))
		return wrong_type(path, "[2]uint", v, e);
	a = json_integer_value(json_array_get(v, 0));
	b = json_integer_value(json_array_get(v, 1));
	first = a < 0 || a > UINT32_MAX;
	if (!first && b >= 0 && b <= UINT32_MAX)
		return json_pack("[II]", a, b);
	err_kind(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal number %lld into %s.%d of type uint",
		(long long)(first ? a : b), path, !first);
	return NULL;
}

static json_t *pack_int(const struct field *f, json_t *v, const char *path, struct err *e)
{
	json_int_t i = json_integer_value(v);

	if (json_is_integer(v) && (f->type != T_UINT16 || (i >= 0 && i <= UINT16_MAX)))
		return json_incref(v);
	if (!json_is_real(v))
		return wrong_type(path, go_type(f), v, e);
	err_kind(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal number %.17g into Go struct field %s of type %s",
		json_real_value(v), path, go_type(f));
	return NULL;
}

static json_t *pack_value(const struct field *f, json_t *v, const char *path, struct err *e)
{
	switch (f->type) {
	case T_STR:
		return json_is_string(v) ? json_incref(v) : wrong_type(path, go_type(f), v, e);
	case T_BOOL:
		return json_is_boolean(v) ? json_incref(v) : wrong_type(path, "bool", v, e);
	case T_INT:
	case T_UINT16:
		return pack_int(f, v, path, e);
	case T_STRS:
	case T_STRV:
		return pack_strings(f, v, path, e);
	case T_MAP:
	case T_SET:
		return pack_map(f, v, path, e);
	case T_OBJ:
		return pack_fields(f->sub, v, path, go_type(f), e);
	case T_OBJS:
	case T_STRSS:
		return pack_list(f, v, path, e);
	case T_OBJMAP:
	case T_SUBMAP:
		return pack_objmap(f, v, path, e);
	case T_SIZE2:
		return pack_size2(v, path, e);
	}
	return NULL;
}

/* Is it what expand would show for an absent member anyway? */
static bool is_zero(const struct field *f, const json_t *v)
{
	if (f->flags & F_PTR)
		return false;
	switch (json_typeof(v)) {
	case JSON_STRING:
		return !*json_string_value(v);
	case JSON_INTEGER:
		return !json_integer_value(v);
	case JSON_FALSE:
	case JSON_NULL:
		return true;
	case JSON_ARRAY:
		return f->flags & F_OMIT && !json_array_size(v);
	case JSON_OBJECT:
		return (f->flags & F_OMIT && f->type != T_OBJ && !json_object_size(v));
	default:
		return false;
	}
}

static json_t *pack_fields(const struct field *fields, const json_t *in, const char *path, const char *type,
	struct err *e)
{
	char at[PATH_MAX_LEN];
	const struct field *f;
	json_t *out, *v;

	if (!json_is_object(in))
		return wrong_type(path, type, in, e);
	out = json_object();
	for (f = fields; f->name; f++) {
		v = json_get_ci(in, f->name);
		if (!v || json_is_null(v))
			continue;
		snprintf(at, sizeof(at), "%s.%s", path, f->name);
		v = pack_value(f, v, at, e);
		if (!v) {
			json_decref(out);
			return NULL;
		}
		if (is_zero(f, v))
			json_decref(v);
		else
			json_set_new(out, f->name, v);
	}
	return out;
}

json_t *schema_pack(const struct field *fields, const json_t *in, const char *what, struct err *e)
{
	/* A path begins with the type's name; a container's Config is embedded in one without a name. */
	static const char *const nameless[] = {"container.CreateRequest", "container.Config", NULL};
	const char *dot = strchr(what, '.'), *start = dot && !str_in(what, nameless) ? dot + 1 : "";

	if (in && !json_is_object(in)) {
		err_kind(e, ERR_INVALID,
			"invalid JSON: json: cannot unmarshal %s into Go value of type %s",
			json_is_null(in) ? "null" : json_kind(in), what);
		return NULL;
	}
	if (!in)
		return json_object();
	return pack_fields(fields, in, start, what, e);
}

/* --- expand --------------------------------------------------------------------------------- */

static json_t *expand_list(const struct field *f, const json_t *v)
{
	json_t *out = json_array(), *item;
	size_t i;

	json_array_foreach(v, i, item)
		json_array_append_new(out, schema_expand(f->sub, item));
	return out;
}

static json_t *expand_map(const struct field *f, const json_t *v)
{
	json_t *out = json_object(), *item;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, item)
		json_set_new(out, key,
			json_is_null(item) ? json_null() : json_is_array(item) ?
			expand_list(f, item) : schema_expand(f->sub, item));
	return out;
}

static json_t *zero_of(const struct field *f)
{
	if (f->flags & F_PTR)
		return json_null();
	switch (f->type) {
	case T_STR:
		return json_string("");
	case T_BOOL:
		return json_false();
	case T_INT:
	case T_UINT16:
		return json_integer(0);
	case T_OBJ:
		return schema_expand(f->sub, NULL);
	case T_SIZE2:
		return json_pack("[ii]", 0, 0);
	default:
		return json_null();
	}
}

static json_t *expand_value(const struct field *f, json_t *v)
{
	if (!v)
		return zero_of(f);
	if (f->type == T_OBJ)
		return schema_expand(f->sub, v);
	if (f->type == T_OBJS)
		return expand_list(f, v);
	if (f->type == T_OBJMAP || f->type == T_SUBMAP)
		return expand_map(f, v);
	return json_incref(v);
}

json_t *schema_expand(const struct field *fields, const json_t *sparse)
{
	json_t *out = json_object(), *v;
	const struct field *f;

	for (f = fields; f->name; f++) {
		v = json_object_get(sparse, f->name);
		if (v || !(f->flags & F_OMIT))
			json_set_new(out, f->name, expand_value(f, v));
	}
	return out;
}

static void print_value(const struct field *f, json_t *v, struct buf *out)
{
	cleanup_json json_t *whole = NULL;

	if (json_is_string(v)) {
		json_print_str(json_string_value(v), out);
	} else if (!v && (f->type == T_STR || f->type == T_INT) && !(f->flags & F_PTR)) {
		buf_adds(out, f->type == T_STR ? "\"\"" : "0");
	} else if (!v && (f->flags & F_PTR || f->type == T_STRS || f->type == T_MAP)) {
		buf_adds(out, "null");
	} else {
		whole = expand_value(f, v);
		json_print(whole, false, out);
	}
}

void schema_print(const struct field *fields, const json_t *sparse, struct buf *out)
{
	const struct field *f;
	bool any = false;
	json_t *v;

	buf_addc(out, '{');
	for (f = fields; f->name; f++) {
		v = json_object_get(sparse, f->name);
		if (!v && f->flags & F_OMIT)
			continue;
		buf_adds(out, any ? ",\"" : "\"");
		buf_adds(out, f->name);
		buf_adds(out, "\":");
		print_value(f, v, out);
		any = true;
	}
	buf_addc(out, '}');
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *json_sorted(const json_t *obj)
{
	size_t n = json_object_size(obj), i = 0;
	const char **keys = xcalloc(n + 1, sizeof(*keys));
	json_t *out = json_object(), *v;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)obj, key, v)
		keys[i++] = key;
	qsort(keys, n, sizeof(*keys), by_key);
	for (i = 0; i < n; i++)
		json_set_new(out, keys[i], json_incref(json_object_get(obj, keys[i])));
	free(keys);
	return out;
}
