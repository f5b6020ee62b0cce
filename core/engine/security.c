/* SPDX-License-Identifier: MIT */
/*
 * core/engine/security.c - capabilities and --security-opt, as users write them
 */
#include "engine/validate.h"
#include "runtime/runtime.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static bool holds(const json_t *list, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(json_string_value(v), s))
			return true;
	return false;
}

/* "sys_admin" -> "CAP_SYS_ADMIN"; to free(). */
static char *cap_name(const char *text)
{
	char *name = strncasecmp(text, "CAP_", 4) && strcasecmp(text, "ALL") ? xasprintf("CAP_%s", text) :
									      xstrdup(text);
	char *c;

	for (c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return name;
}

json_t *caps_normalise(const json_t *names, const char *what, struct err *e)
{
	cleanup_json json_t *known = json_array_size(names) ? runtime_all_caps() : NULL;
	json_t *out = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(names, i, v) {
		cleanup_free char *name = cap_name(json_string_value(v) ? json_string_value(v) : "");

		if (strcmp(name, "ALL") && !holds(known, name)) {
			err_kind(e, ERR_INVALID, "invalid %s: unknown capability: \"%s\"", what, name);
			json_decref(out);
			return NULL;
		}
		if (!holds(out, name))
			json_append_str(out, name);
	}
	return out;
}

/* With "ALL" added: all but what is dropped.  Else the defaults (none with "ALL" dropped) without
 * what is dropped, and then what is added: a capability in both lists is there. */
static json_t *combine(const json_t *all, const json_t *base, const json_t *add, const json_t *drop)
{
	bool every = holds(add, "ALL"), nothing = holds(drop, "ALL"), in;
	json_t *out = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(all, i, v) {
		const char *name = json_string_value(v);

		if (every)
			in = !holds(drop, name);
		else
			in = holds(add, name) || (!nothing && holds(base, name) && !holds(drop, name));
		if (in)
			json_append_str(out, name);
	}
	return out;
}

json_t *caps_effective(const json_t *host, struct err *e)
{
	cleanup_json json_t *add = NULL, *drop = NULL, *all = NULL, *base = NULL;

	if (json_bool(host, "Privileged", false))
		return runtime_all_caps();
	base = runtime_default_caps();
	add = caps_normalise(json_arr(host, "CapAdd"), "CapAdd", e);
	drop = add ? caps_normalise(json_arr(host, "CapDrop"), "CapDrop", e) : NULL;
	if (!drop)
		return NULL;
	if (!json_array_size(add) && !json_array_size(drop))
		return steal(&base);
	all = runtime_all_caps();
	return combine(all, base, add, drop);
}

static int parse_bool(const char *text, bool *v)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	*v = str_in(text, yes);
	return *v || str_in(text, no) ? 0 : -1;
}

static int parse_one(const char *opt, struct security *s, struct err *e)
{
	size_t at = strcspn(opt, "=");
	cleanup_free char *key = NULL;
	const char *value;
	bool known = true;

	if (!strcmp(opt, "no-new-privileges")) {
		s->no_new_privileges = true;
		return 0;
	}
	if (!strcmp(opt, "disable"))
		return 0;
	if (!opt[at])
		at = strcspn(opt, ":"); /* as it was written before 1.11 */
	if (!opt[at])
		return err_set(e, 0, "invalid --security-opt 1: \"%s\"", opt);
	key = xstrndup(opt, at);
	value = opt + at + 1;
	if (!strcmp(key, "seccomp"))
		s->seccomp = strcmp(value, "builtin") ? value : NULL;
	else if (!strcmp(key, "apparmor"))
		s->apparmor = value;
	else if (!strcmp(key, "no-new-privileges"))
		known = !parse_bool(value, &s->no_new_privileges);
	else if (!strcmp(key, "writable-cgroups"))
		known = !parse_bool(value, &s->writable_cgroups);
	else
		known = !strcmp(key, "label"); /* of SELinux: shown, without effect */
	return known ? 0 : err_set(e, 0, "invalid --security-opt 2: \"%s\"", opt);
}

int security_parse(const json_t *host, bool nnp_default, struct security *s, struct err *e)
{
	const json_t *v;
	size_t i;

	*s = (struct security){.no_new_privileges = nnp_default};
	json_array_foreach(json_arr(host, "SecurityOpt"), i, v)
		if (json_string_value(v) && parse_one(json_string_value(v), s, e))
			return -1;
	if (json_bool(host, "Privileged", false))
		s->seccomp = "unconfined";
	return 0;
}
