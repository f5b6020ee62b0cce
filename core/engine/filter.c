/* SPDX-License-Identifier: MIT */
/* core/engine/filter.c - see filter.h */
#include "engine/filter.h"
#include "base/clock.h"

#include <regex.h>

bool filter_has(const json_t *values, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		if (!strcmp(json_string_value(v), s))
			return true;
	return false;
}

static bool has_label(const char *want, const json_t *labels)
{
	const char *eq = strchr(want, '='), *have;
	cleanup_free char *key = eq ? xstrndup(want, (size_t)(eq - want)) : xstrdup(want);

	have = json_str(labels, key, NULL);
	return have && (!eq || !strcmp(have, eq + 1));
}

bool filter_labels(const json_t *values, const json_t *labels)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		if (!has_label(json_string_value(v), labels))
			return false;
	return true;
}

int filter_check(const json_t *filters, const char *const *known, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)filters, key, v)
		if (!str_in(key, known))
			return err_kind(e, ERR_INVALID, "invalid filter '%s'", key);
	return 0;
}

int filter_bool(const json_t *filters, const char *name, bool def, bool *out, struct err *e)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
	const json_t *values = json_object_get(filters, name);
	const char *v;

	*out = def;
	if (!json_array_size(values))
		return 0;
	v = json_string_value(json_array_get(values, 0));
	if (json_array_size(values) == 1 && str_in(v, yes))
		*out = true;
	else if (json_array_size(values) == 1 && str_in(v, no))
		*out = false;
	else
		return err_kind(e, ERR_INVALID, "invalid filter '%s=[%s]'", name, v);
	return 0;
}

bool filter_match(const json_t *values, const char *s)
{
	const json_t *v;
	regex_t re;
	bool hit;
	size_t i;

	json_array_foreach(values, i, v) {
		const char *want = json_string_value(v);

		if (strstr(s, want))
			return true;
		if (regcomp(&re, want, REG_EXTENDED | REG_NOSUB))
			continue;
		hit = !regexec(&re, s, 0, NULL, 0);
		regfree(&re);
		if (hit)
			return true;
	}
	return false;
}

int filter_time(const char *text, int64_t *ns, struct err *e)
{
	if (!clock_parse_ago(text, ns))
		return 0;
	return err_kind(e, ERR_INVALID, "failed to parse value as time or duration: \"%s\"", text);
}
