/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config_flags.c - command line flags, into the form daemon.json has
 *
 * Theory of operation
 *   The grammar is that of dockerd (GNU style): --name=value, --name value, -x value, -xvalue,
 *   -x=value, letters of booleans in one word (-Dl info), booleans without a value or with
 *   =true/=false, "--" ends flags.  Arguments that are not flags are refused.
 *
 *   A list flag given twice appends; another flag given twice: the last one counts.
 */
#include "engine/config_opts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- values --------------------------------------------------------------------------------- */

static int bool_parse(const char *text, json_t **v, struct err *e)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False", NULL};

	if (!str_in(text, yes) && !str_in(text, no))
		return err_kind(e, ERR_INVALID, "strconv.ParseBool: parsing \"%s\": invalid syntax",
			text);
	*v = json_boolean(str_in(text, yes));
	return 0;
}

static int int_parse(const char *text, json_t **v, struct err *e)
{
	const char *digits = text + (*text == '-');
	int64_t n;

	if (!*digits || strspn(digits, "0123456789") != strlen(digits))
		return err_kind(e, ERR_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax",
			text);
	if (parse_i64(span_of(text), INT64_MIN, INT64_MAX, &n))
		return err_kind(e, ERR_INVALID,
			"strconv.ParseInt: parsing \"%s\": value out of range", text);
	*v = json_integer(n);
	return 0;
}

static const char *const ulimit_names[] = {"core", "cpu", "data", "fsize", "locks", "memlock",
	"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack", NULL};

static int ulimit_number(struct span text, int64_t *n, struct err *e)
{
	if (!parse_i64(text, INT64_MIN, INT64_MAX, n))
		return 0;
	return err_kind(e, ERR_INVALID, "strconv.ParseInt: parsing \"%.*s\": invalid syntax",
		(int)text.n, text.p);
}

static int ulimit_parse(const char *text, json_t *map, struct err *e)
{
	struct span name = span_of(text), soft, hard;
	ssize_t eq = span_chr(name, '='), colon;
	int64_t s, h;

	if (eq < 0)
		return err_kind(e, ERR_INVALID, "invalid ulimit argument: %s", text);
	soft = hard = span_cut(&name, (size_t)eq);
	cleanup_free char *key = span_dup(name);
	if (!str_in(key, ulimit_names))
		return err_kind(e, ERR_INVALID, "invalid ulimit type: %s", key);
	colon = span_chr(soft, ':');
	if (colon >= 0)
		hard = span_cut(&soft, (size_t)colon);
	if (colon >= 0 && span_chr(hard, ':') >= 0)
		return err_kind(e, ERR_INVALID,
			"too many limit value arguments - %s, can only have up to two, `soft[:hard]`",
			text + eq + 1);
	if (ulimit_number(soft, &s, e) || ulimit_number(hard, &h, e))
		return -1;
	if (h != -1 && (s > h || s == -1))
		return err_kind(e, ERR_INVALID,
			"ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
			(long long)s, (long long)h);
	json_set_new(map, key, json_pack("{s:s, s:I, s:I}", "Name", key, "Hard", (json_int_t)h,
		"Soft", (json_int_t)s));
	return 0;
}

/* "base=10.0.0.0/8,size=24", fields in any order. */
static int pool_parse(const char *text, json_t *list, struct err *e)
{
	struct span rest = span_of(text), field, value;
	cleanup_json json_t *pool = json_object();
	uint64_t size;
	ssize_t eq;

	while (span_token(&rest, ',', &field)) {
		struct span whole = field;

		eq = span_chr(field, '=');
		if (eq < 0)
			return err_kind(e, ERR_INVALID, "invalid field '%.*s' must be a key=value pair",
				(int)field.n, field.p);
		value = span_cut(&field, (size_t)eq);
		cleanup_free char *v = span_dup(value);
		if (span_caseeqs(field, "base")) {
			if (!config_cidr_ok(v))
				return err_kind(e, ERR_INVALID, "invalid base prefix \"%s\"", v);
			json_set_str(pool, "base", v);
		} else if (span_caseeqs(field, "size")) {
			if (parse_u64(value, 128, &size))
				return err_kind(e, ERR_INVALID,
					"invalid size value: \"%s\" (must be integer)", text);
			json_set_int(pool, "size", (int64_t)size);
		} else {
			return err_kind(e, ERR_INVALID, "unexpected key '%.*s' in '%.*s'",
				(int)field.n, field.p, (int)whole.n, whole.p);
		}
	}
	json_array_append(list, pool);
	return 0;
}

static int runtime_parse(const char *text, json_t *map, struct err *e)
{
	struct span name = span_of(text), path;
	ssize_t eq = span_chr(name, '=');

	if (eq <= 0 || !text[eq + 1])
		return err_kind(e, ERR_INVALID, "invalid runtime argument: %s", text);
	path = span_cut(&name, (size_t)eq);
	cleanup_free char *key = span_dup(name);
	if (!strcmp(key, "runc"))
		return err_kind(e, ERR_INVALID, "runtime name 'runc' is reserved");
	if (json_object_get(map, key))
		return err_kind(e, ERR_INVALID, "runtime '%s' was already defined", key);
	json_set_new(map, key, json_pack("{s:s%}", "path", path.p, path.n));
	return 0;
}

/* "root-key=key=value" */
static int mapmap_parse(const char *text, json_t *map, struct err *e)
{
	struct span root = span_of(text), key, value;
	ssize_t first = span_chr(root, '='), second;
	json_t *inner;

	key = first < 0 ? root : span_cut(&root, (size_t)first);
	second = first < 0 ? -1 : span_chr(key, '=');
	if (second <= 0 || !root.n)
		return err_kind(e, ERR_INVALID,
			"invalid value \"%s\" for map option, should be root-key=key=value", text);
	value = span_cut(&key, (size_t)second);
	cleanup_free char *r = span_dup(root), *k = span_dup(key);
	inner = json_obj(map, r);
	if (!inner) {
		inner = json_object();
		json_set_new(map, r, inner);
	}
	json_set_new(inner, k, json_textn(value.p, value.n));
	return 0;
}

static int pair_parse(const char *text, enum opt_type type, json_t *map, struct err *e)
{
	struct span key = span_of(text), value = {"", 0};
	ssize_t eq = span_chr(key, '=');
	json_t *v = NULL;

	if (eq >= 0)
		value = span_cut(&key, (size_t)eq);
	if (type == OPT_MAP)
		v = json_textn(value.p, value.n);
	else if (bool_parse(eq < 0 ? "true" : value.p, &v, e))
		return -1;
	cleanup_free char *k = span_dup(key);
	json_set_new(map, k, v);
	return 0;
}

/* What a list's element must be like where the flag says more than daemon.json. */
static int element_check(const struct opt *o, const char *text, struct err *e)
{
	cleanup_free char *host = NULL;

	if (o->type == OPT_IPS && !config_ip_ok(text))
		return err_kind(e, ERR_INVALID, "invalid string being converted to IP address: %s",
			text);
	if (o->type == OPT_ADDRS && !config_ip_ok(text))
		return err_kind(e, ERR_INVALID, "ParseAddr(\"%s\"): unable to parse IP", text);
	if (!strcmp(o->flag, "label"))
		return config_label_check(text, e);
	if (!strcmp(o->flag, "registry-mirror"))
		return config_mirror_check(text, e);
	if (!strcmp(o->flag, "dns-search"))
		return config_domain_check(text, e);
	if (!strcmp(o->flag, "host")) {
		host = config_host_parse(text, "", e);
		return host ? 0 : -1;
	}
	return 0;
}

/* The member of @flags that values of this option are collected in. */
static json_t *collection(const struct opt *o, json_t *flags)
{
	json_t *c = json_object_get(flags, config_opt_key(o));
	bool list = o->type == OPT_LIST || o->type == OPT_IPS || o->type == OPT_ADDRS ||
		o->type == OPT_POOLS;

	if (!c) {
		c = list ? json_array() : json_object();
		json_set_new(flags, config_opt_key(o), c);
	}
	return c;
}

static void scalar_set(const struct opt *o, json_t *flags, json_t *v)
{
	json_t *in = flags;

	if (str_in(config_opt_key(o), config_proxy_keys)) {
		in = json_obj(flags, "proxies");
		if (!in) {
			in = json_object();
			json_set_new(flags, "proxies", in);
		}
	}
	json_set_new(in, config_opt_key(o), v);
}

static int value_set(const struct opt *o, const char *text, json_t *flags, struct err *e)
{
	json_t *v = NULL;
	int64_t bytes;

	switch (o->type) {
	case OPT_BOOL:
		if (bool_parse(text, &v, e))
			return -1;
		break;
	case OPT_INT:
		if (int_parse(text, &v, e))
			return -1;
		break;
	case OPT_BYTES:
		if (parse_size(text, &bytes))
			return err_kind(e, ERR_INVALID, "invalid size: '%s'", text);
		v = json_text(text);
		break;
	case OPT_IP:
		if (*text && !config_ip_ok(text))
			return err_kind(e, ERR_INVALID, "failed to parse IP: \"%s\"", text);
		v = json_text(text);
		break;
	case OPT_STRING:
		v = json_text(text);
		break;
	case OPT_LIST:
	case OPT_IPS:
	case OPT_ADDRS:
		if (element_check(o, text, e))
			return -1;
		json_append_str(collection(o, flags), text);
		return 0;
	case OPT_MAP:
	case OPT_FEATURES:
		return pair_parse(text, o->type, collection(o, flags), e);
	case OPT_MAPMAP:
		return mapmap_parse(text, collection(o, flags), e);
	case OPT_ULIMITS:
		return ulimit_parse(text, collection(o, flags), e);
	case OPT_POOLS:
		return pool_parse(text, collection(o, flags), e);
	case OPT_RUNTIMES:
		return runtime_parse(text, collection(o, flags), e);
	case OPT_OBJECT:
		bug("flag %s has no text form", o->flag);
	}
	scalar_set(o, flags, v);
	return 0;
}

static bool is_special(const struct opt *o)
{
	static const char *const names[] = {"help", "version", "validate", "config-file", NULL};

	return o->effect == OPT_OURS || str_in(o->flag, names);
}

static int flag_set(const struct opt *o, const char *text, json_t *flags, json_t *special,
	struct err *e)
{
	struct err why = ERR_INIT;

	if (!value_set(o, text, is_special(o) ? special : flags, &why))
		return 0;
	if (o->letter)
		return err_kind(e, ERR_INVALID, "invalid argument \"%s\" for \"-%c, --%s\" flag: %s",
			text, o->letter, o->flag, why.msg);
	return err_kind(e, ERR_INVALID, "invalid argument \"%s\" for \"--%s\" flag: %s", text,
		o->flag, why.msg);
}

/* --- words ---------------------------------------------------------------------------------- */

struct words {
	int argc, at;
	char **argv;
	json_t *flags, *special;
};

static const char *next_word(struct words *w)
{
	return w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
}

static int long_flag(struct words *w, const char *arg, struct err *e)
{
	struct span name = span_of(arg);
	ssize_t eq = span_chr(name, '=');
	const char *value = eq < 0 ? NULL : arg + eq + 1;
	const struct opt *o;

	if (eq >= 0)
		name.n = (size_t)eq;
	o = config_opt_by_flag(name);
	if (!o)
		return err_kind(e, ERR_INVALID, "unknown flag: --%.*s", (int)name.n, name.p);
	if (!value && o->type == OPT_BOOL)
		value = "true";
	if (!value)
		value = next_word(w);
	if (!value)
		return err_kind(e, ERR_INVALID, "flag needs an argument: --%s", o->flag);
	return flag_set(o, value, w->flags, w->special, e);
}

static int letters(struct words *w, const char *arg, struct err *e)
{
	const struct opt *o;
	const char *p, *value;

	for (p = arg; *p; p++) {
		o = config_opt_by_letter(*p);
		if (!o)
			return err_kind(e, ERR_INVALID, "unknown shorthand flag: '%c' in -%s", *p, arg);
		if (o->type == OPT_BOOL && p[1] != '=') {
			if (flag_set(o, "true", w->flags, w->special, e))
				return -1;
			continue;
		}
		value = p[1] == '=' ? p + 2 : p[1] ? p + 1 : next_word(w);
		if (!value)
			return err_kind(e, ERR_INVALID, "flag needs an argument: '%c' in -%s", *p, arg);
		return flag_set(o, value, w->flags, w->special, e);
	}
	return 0;
}

/* All of it goes into JSON, which would change other bytes: a directory must not be another then. */
static int utf8_check(const char *arg, struct err *e)
{
	cleanup_json json_t *probe = json_string(arg);

	return probe ? 0 : err_kind(e, ERR_INVALID, "argument '%s' is not UTF-8", arg);
}

int config_flags_parse(int argc, char **argv, json_t *flags, json_t *special, struct err *e)
{
	struct words w = {.argc = argc, .argv = argv, .flags = flags, .special = special};
	const char *arg;
	int rc = 0, i;

	for (i = 1; i < argc; i++)
		if (utf8_check(argv[i], e))
			return -1;
	for (w.at = 1; w.at < argc && !rc; w.at++) {
		arg = argv[w.at];
		if (!strcmp(arg, "--")) {
			w.at++;
			break;
		}
		if (!strncmp(arg, "--", 2))
			rc = long_flag(&w, arg + 2, e);
		else if (arg[0] == '-' && arg[1])
			rc = letters(&w, arg + 1, e);
		else
			break;
	}
	if (!rc && w.at < argc)
		rc = err_kind(e, ERR_INVALID, "\"dockerd\" accepts no arguments: '%s'", argv[w.at]);
	if (rc)
		err_hint(e, "see 'dockerd-rootless --help'");
	return rc;
}
