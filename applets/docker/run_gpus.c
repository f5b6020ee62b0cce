/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_gpus.c - --gpus: a request for devices of a vendor's driver
 *
 * "all", "2", "device=0", "count=1,capabilities=utility,driver=nvidia,options=a=b": fields as in
 * CSV, one without '=' being the count.  Which drivers there are is the engine's to know.
 */
#include "run_spec.h"

#include <stdlib.h>

static int set_count(json_t *request, const char *text, struct err *e)
{
	int64_t n;

	if (!strcmp(text, "all")) {
		json_set_int(request, "Count", -1);
		return 0;
	}
	if (parse_i64(span_of(text), INT32_MIN, INT32_MAX, &n))
		return err_kind(e, ERR_INVALID,
			"invalid count (%s): value must be either \"all\" or an integer: invalid syntax", text);
	json_set_int(request, "Count", n);
	return 0;
}

static json_t *split(const char *text)
{
	struct span rest = span_of(text), word;
	json_t *list = json_array();

	if (!rest.n)
		json_append_str(list, "");
	while (rest.n && span_token(&rest, ',', &word))
		json_array_append_new(list, json_textn(word.p, word.n));
	return list;
}

static json_t *options(const char *text)
{
	json_t *map = json_object();
	const char *rest = text;
	char *field;

	while ((field = csv_field(&rest))) {
		char *value = strchr(field, '=');

		if (value)
			*value++ = 0;
		json_set_str(map, field, value ? value : "");
		free(field);
	}
	return map;
}

static int set_member(json_t *request, const char *key, const char *value, const char *field, struct err *e)
{
	json_t *list;

	if (!strcmp(key, "count"))
		return set_count(request, value, e);
	if (!strcmp(key, "driver")) {
		json_set_str(request, "Driver", value);
	} else if (!strcmp(key, "device")) {
		json_set_new(request, "DeviceIDs", split(value));
	} else if (!strcmp(key, "capabilities")) {
		list = split(value);
		json_append_str(list, "gpu");
		json_set_new(request, "Capabilities", json_pack("[o]", list));
	} else if (!strcmp(key, "options")) {
		json_set_new(request, "Options", options(value));
	} else {
		return err_kind(e, ERR_INVALID, "unexpected key '%s' in '%s'", key, field);
	}
	return 0;
}

static int set_field(json_t *request, json_t *seen, const char *field, struct err *e)
{
	const char *equals = strchr(field, '=');
	cleanup_free char *key = equals ? xstrndup(field, (size_t)(equals - field)) : xstrdup(field);

	if (json_object_get(seen, key))
		return err_kind(e, ERR_INVALID, "gpu request key '%s' can be specified only once", key);
	json_set_bool(seen, key, true);
	if (equals)
		return set_member(request, key, equals + 1, field, e);
	json_set_bool(seen, "count", true);
	return set_count(request, key, e);
}

json_t *gpus_parse(const char *text, struct err *e)
{
	cleanup_json json_t *seen = json_object();
	json_t *request = json_pack("{s:s, s:i, s:n, s:[[s]], s:{}}", "Driver", "", "Count", 0, "DeviceIDs",
		"Capabilities", "gpu", "Options");
	const char *rest = *text ? text : NULL;
	int rc = rest ? 0 : err_kind(e, ERR_INVALID, "EOF");
	char *field;

	while (!rc && (field = csv_field(&rest))) {
		rc = set_field(request, seen, field, e);
		free(field);
	}
	if (!rc && !json_object_get(seen, "count") && !json_object_get(seen, "device"))
		json_set_int(request, "Count", 1);
	if (!rc)
		return request;
	json_decref(request);
	return NULL;
}

int check_gpus(const char **text, struct err *e)
{
	cleanup_json json_t *j = gpus_parse(*text, e);

	return j ? 0 : -1;
}
