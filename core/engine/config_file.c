/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config_file.c - is what daemon.json says understood, and said only once?
 *
 * Theory of operation
 *   Three passes, in dockerd's order: unknown keys, keys that were also given as a flag, types.
 *   dockerd flattens members that are objects before the first two passes ("proxies" came late
 *   and is a real level), so an unknown object is told by the names of its members.
 *
 *   Type messages are those of Go's encoding/json, which people search for: the JSON kind found,
 *   the path of member names, the Go type wanted.
 */
#include "engine/config_opts.h"

#include <errno.h>
#include <stdio.h>

json_t *config_member(const json_t *obj, const char *key)
{
	return str_in(key, config_proxy_keys) ? json_object_get(json_obj(obj, "proxies"), key) :
					 json_object_get(obj, key);
}

/* --- unknown keys --------------------------------------------------------------------------- */

static bool known(const char *key)
{
	return config_opt_by_key(key) || (config_opt_by_flag(span_of(key)) &&
		config_opt_by_flag(span_of(key))->effect != OPT_OURS);
}

static void name_unknown(const char *key, struct buf *out)
{
	buf_addf(out, "%s%s", out->n ? ", " : "", key);
}

static void find_unknown(const json_t *file, struct buf *out)
{
	json_t *v, *inner;
	const char *key, *k;
	size_t before;

	json_object_foreach((json_t *)(uintptr_t)file, key, v) {
		if (!strcmp(key, "proxies") && json_is_object(v)) {
			json_object_foreach(v, k, inner)
				if (!str_in(k, config_proxy_keys))
					name_unknown(k, out);
		} else if (!known(key)) {
			before = out->n;
			json_object_foreach(v, k, inner)
				if (!known(k))
					name_unknown(k, out);
			if (out->n == before)
				name_unknown(key, out);
		}
	}
}

/* --- said twice ----------------------------------------------------------------------------- */

/* A value as Go's %v prints it. Depth is bounded by the JSON parser. */
static void go_print(const json_t *v, struct buf *out)
{
	const char *key, *sep = "";
	json_t *x;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_STRING:
		buf_adds(out, json_string_value(v));
		break;
	case JSON_INTEGER:
		buf_addf(out, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		buf_addf(out, "%g", json_real_value(v));
		break;
	case JSON_ARRAY:
		buf_addc(out, '[');
		json_array_foreach(v, i, x) {
			buf_adds(out, sep);
			go_print(x, out);
			sep = " ";
		}
		buf_addc(out, ']');
		break;
	case JSON_OBJECT:
		buf_adds(out, "map[");
		json_object_foreach((json_t *)(uintptr_t)v, key, x) {
			buf_addf(out, "%s%s:", sep, key);
			go_print(x, out);
			sep = " ";
		}
		buf_addc(out, ']');
		break;
	default:
		buf_adds(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "<nil>");
	}
}

/* A flag's value as dockerd prints it: ulimits in the form of the flag. */
static void flag_print(const struct opt *o, const json_t *v, struct buf *out)
{
	const char *name, *sep = "";
	json_t *x;

	if (o->type != OPT_ULIMITS) {
		go_print(v, out);
		return;
	}
	buf_addc(out, '[');
	json_object_foreach((json_t *)(uintptr_t)v, name, x) {
		buf_addf(out, "%s%s=%lld:%lld", sep, name, (long long)json_int(x, "Soft", 0),
			(long long)json_int(x, "Hard", 0));
		sep = " ";
	}
	buf_addc(out, ']');
}

/* Is it a URL that may hold a password? */
static bool secret(const char *key)
{
	return !strcmp(key, "http-proxy") || !strcmp(key, "https-proxy");
}

static void find_conflicts(const json_t *file, const json_t *flags, struct buf *out)
{
	const struct opt *o;
	json_t *a, *b;

	for (o = config_opts; o->flag; o++) {
		a = config_member(flags, config_opt_key(o));
		b = config_member(file, config_opt_key(o));
		if (!a || !b || o->type == OPT_RUNTIMES)
			continue;
		buf_addf(out, "%s%s: (from flag: ", out->n ? ", " : "", config_opt_key(o));
		if (secret(config_opt_key(o)) && strchr(json_string_value(a), '@'))
			buf_adds(out, "xxxxx");
		else
			flag_print(o, a, out);
		buf_adds(out, ", from file: ");
		if (secret(config_opt_key(o)) && json_is_string(b) && strchr(json_string_value(b), '@'))
			buf_adds(out, "xxxxx");
		else
			go_print(b, out);
		buf_addc(out, ')');
	}
}

/* --- types ---------------------------------------------------------------------------------- */

static const char *json_kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	default:
		return "bool";
	}
}

static int mismatch(const json_t *v, const char *path, const char *type, struct err *e)
{
	cleanup_buf struct buf value = BUF_INIT;

	/* Go shows the number only where another number would have done. */
	if (json_is_real(v) && !strncmp(type, "int", 3)) {
		buf_addc(&value, ' ');
		go_print(v, &value);
	}
	return err_kind(e, ERR_INVALID,
		"invalid JSON: json: cannot unmarshal %s%s into Go struct field Config.%s of type %s",
		json_kind(v), value.p, path, type);
}

static int element_mismatch(const json_t *v, const char *path, size_t i, const char *type,
	struct err *e)
{
	return err_kind(e, ERR_INVALID,
		"invalid JSON: json: cannot unmarshal %s into Config.%s.%zu of type %s",
		json_kind(v), path, i, type);
}

static int string_check(const json_t *v, const char *path, struct err *e)
{
	return json_is_string(v) || json_is_null(v) ? 0 : mismatch(v, path, "string", e);
}

static int int_check(const json_t *v, const char *path, const char *type, struct err *e)
{
	return json_is_integer(v) || json_is_null(v) ? 0 : mismatch(v, path, type, e);
}

static int ip_check(const json_t *v, const char *path, enum opt_type type, struct err *e)
{
	const char *text = json_string_value(v);

	if (json_is_null(v))
		return 0;
	if (!text)
		return mismatch(v, path, "net.IP: JSON value must be string type", e);
	if (!*text || config_ip_ok(text))
		return 0;
	if (type == OPT_ADDRS)
		return err_kind(e, ERR_INVALID, "invalid JSON: ParseAddr(\"%s\"): unable to parse IP",
			text);
	return err_kind(e, ERR_INVALID, "invalid JSON: invalid IP address: %s", text);
}

static int list_check(const json_t *v, const char *key, enum opt_type type, struct err *e)
{
	bool strings = type == OPT_LIST;
	json_t *x;
	size_t i;

	if (!json_is_array(v))
		return mismatch(v, key, strings ? "[]string" : "[]net.IP", e);
	json_array_foreach(v, i, x) {
		if (strings && !json_is_string(x) && !json_is_null(x))
			return element_mismatch(x, key, i, "string", e);
		if (!strings && ip_check(x, key, type, e))
			return -1;
	}
	return 0;
}

static int shm_check(const json_t *v, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	int64_t bytes;

	if (json_is_string(v) && !parse_size(json_string_value(v), &bytes))
		return 0;
	go_print(v, &text);
	return err_kind(e, ERR_INVALID, "invalid JSON: invalid size: '%s'", text.p);
}

static int pools_check(const json_t *v, struct err *e)
{
	json_t *x, *base, *size;
	size_t i;

	if (!json_is_array(v))
		return err_kind(e, ERR_INVALID,
			"invalid JSON: json: cannot unmarshal %s into Go value of type "
			"[]*ipamutils.NetworkToSplit",
			json_kind(v));
	json_array_foreach(v, i, x) {
		base = json_get_ci(x, "base");
		size = json_get_ci(x, "size");
		if (!json_is_object(x))
			return err_kind(e, ERR_INVALID,
				"invalid JSON: json: cannot unmarshal %s into .%zu of type "
				"ipamutils.NetworkToSplit",
				json_kind(x), i);
		if (base && !json_is_string(base))
			return mismatch(base, "default-address-pools.base", "netip.Prefix", e);
		if (base && !config_cidr_ok(json_string_value(base)))
			return err_kind(e, ERR_INVALID, "invalid JSON: netip.ParsePrefix(\"%s\"): %s",
				json_string_value(base),
				strchr(json_string_value(base), '/') ? "not a prefix" : "no '/'");
		if (size && int_check(size, "default-address-pools.size", "int", e))
			return -1;
	}
	return 0;
}

/* Members of an object whose values are all of one kind; runs down one level for mapmap. */
static int map_check(const json_t *v, const char *path, enum opt_type type, struct err *e)
{
	static const char *const types[] = {
		[OPT_MAP] = "map[string]string",
		[OPT_FEATURES] = "map[string]bool",
		[OPT_MAPMAP] = "map[string]map[string]string",
		[OPT_ULIMITS] = "map[string]*units.Ulimit",
		[OPT_RUNTIMES] = "map[string]system.Runtime",
	};
	const char *key;
	json_t *x;
	int rc = 0;

	if (!json_is_object(v))
		return mismatch(v, path, types[type], e);
	json_object_foreach((json_t *)(uintptr_t)v, key, x) {
		cleanup_free char *at = xasprintf("%s.%s", path, key);
		cleanup_free char *hard = xasprintf("%s.Hard", at), *soft = xasprintf("%s.Soft", at);
		cleanup_free char *name = xasprintf("%s.Name", at), *file = xasprintf("%s.path", at);

		if (json_is_null(x))
			continue;
		if (type == OPT_MAP)
			rc = string_check(x, at, e);
		else if (type == OPT_FEATURES)
			rc = json_is_boolean(x) ? 0 : mismatch(x, at, "bool", e);
		else if (type == OPT_MAPMAP)
			rc = map_check(x, at, OPT_MAP, e);
		else if (!json_is_object(x))
			rc = mismatch(x, at, type == OPT_ULIMITS ? "units.Ulimit" : "system.Runtime", e);
		else if (type == OPT_RUNTIMES && json_object_get(x, "path"))
			rc = string_check(json_object_get(x, "path"), file, e);
		else if (type == OPT_ULIMITS && json_get_ci(x, "Hard") &&
			int_check(json_get_ci(x, "Hard"), hard, "int64", e))
			rc = -1;
		else if (type == OPT_ULIMITS && json_get_ci(x, "Soft") &&
			int_check(json_get_ci(x, "Soft"), soft, "int64", e))
			rc = -1;
		else if (type == OPT_ULIMITS && json_get_ci(x, "Name"))
			rc = string_check(json_get_ci(x, "Name"), name, e);
		if (rc)
			return -1;
	}
	return 0;
}

static int object_check(const json_t *v, const char *key, struct err *e)
{
	json_t *x;
	const char *k;

	if (!json_is_object(v))
		return mismatch(v, key, "config.BuilderConfig", e);
	if (strcmp(key, "proxies"))
		return 0;
	json_object_foreach((json_t *)(uintptr_t)v, k, x) {
		cleanup_free char *at = xasprintf("%s.%s", key, k);

		if (string_check(x, at, e))
			return -1;
	}
	return 0;
}

static int type_check(const struct opt *o, const json_t *v, struct err *e)
{
	const char *key = config_opt_key(o);

	if (json_is_null(v))
		return 0;
	switch (o->type) {
	case OPT_BOOL:
		return json_is_boolean(v) ? 0 : mismatch(v, key, "bool", e);
	case OPT_INT:
		return int_check(v, key, strncmp(key, "cpu-rt", 6) ? "int" : "int64", e);
	case OPT_STRING:
		return string_check(v, key, e);
	case OPT_BYTES:
		return shm_check(v, e);
	case OPT_IP:
		return ip_check(v, key, o->type, e);
	case OPT_LIST:
	case OPT_IPS:
	case OPT_ADDRS:
		return list_check(v, key, o->type, e);
	case OPT_POOLS:
		return pools_check(v, e);
	case OPT_OBJECT:
		return object_check(v, key, e);
	default:
		return map_check(v, key, o->type, e);
	}
}

int config_file_check(const json_t *file, const json_t *flags, struct err *e)
{
	cleanup_buf struct buf list = BUF_INIT;
	const struct opt *o;
	const char *key;
	json_t *v;

	find_unknown(file, &list);
	if (list.n)
		return err_kind(e, ERR_INVALID,
			"the following directives don't match any configuration option: %s", list.p);
	find_conflicts(file, flags, &list);
	if (list.n)
		return err_kind(e, ERR_INVALID,
			"the following directives are specified both as a flag and in the "
			"configuration file: %s",
			list.p);
	json_object_foreach((json_t *)(uintptr_t)file, key, v) {
		o = config_opt_by_key(key);
		if (!o || str_in(key, config_proxy_keys))
			log_warn("daemon.json: '%s' has no effect there: it is the name of a flag", key);
		else if (type_check(o, v, e))
			return -1;
	}
	if (json_object_get(file, "host-gateway-ip") && json_object_get(file, "host-gateway-ips"))
		return err_kind(e, ERR_INVALID,
			"host-gateway-ip and host-gateway-ips must not both be specified in the config "
			"file");
	return 0;
}
