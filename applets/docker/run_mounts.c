/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_mounts.c - what a container mounts: --mount, --volume
 *
 * Theory of operation
 *   --mount is a list of key=value fields, each put where the API wants it; afterwards the groups
 *   of options (bind-*, volume-*, tmpfs-*, image-*) must fit the type.  --volume is sorted: with a
 *   source it is a bind in the engine's own notation, without one it names an anonymous volume.
 */
#include "run_spec.h"

#include "base/fs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* "./x" as an absolute path; anything else as it is.  To free(). */
static char *absolute(const char *path)
{
	cleanup_free char *cwd = *path == '.' ? getcwd(NULL, 0) : NULL;
	cleanup_free char *joined = cwd ? fs_join(cwd, path) : NULL;

	return joined ? fs_clean_path(joined) : xstrdup(path);
}

/* The group of options of that name, made if it is not there. */
static json_t *group(json_t *mount, const char *name)
{
	json_t *j = json_object_get(mount, name);

	if (!j) {
		j = json_object();
		json_set_new(mount, name, j);
		if (!strcmp(name, "VolumeOptions"))
			json_set_new(j, "DriverConfig", json_object());
	}
	return j;
}

static int bad_value(const char *key, const char *value, struct err *e)
{
	return err_kind(e, ERR_INVALID, "invalid value for %s: %s", key, value);
}

static int set_bool(json_t *into, const char *name, const char *key, const char *value, struct err *e)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	if (!value || str_in(value, yes))
		json_set_bool(into, name, true);
	else if (!str_in(value, no))
		return bad_value(key, value, e);
	return 0;
}

/* "k=v" into the map @name of @into */
static void set_pair(json_t *into, const char *name, const char *pair)
{
	size_t n = strcspn(pair, "=");
	cleanup_free char *key = xstrndup(pair, n);

	json_set_str(group(into, name), key, pair[n] ? pair + n + 1 : "");
}

static int set_recursive(json_t *mount, const char *value, struct err *e)
{
	if (!strcmp(value, "enabled"))
		return 0;
	if (!strcmp(value, "disabled"))
		json_set_bool(group(mount, "BindOptions"), "NonRecursive", true);
	else if (!strcmp(value, "writable"))
		json_set_bool(group(mount, "BindOptions"), "ReadOnlyNonRecursive", true);
	else if (!strcmp(value, "readonly"))
		json_set_bool(group(mount, "BindOptions"), "ReadOnlyForceRecursive", true);
	else
		return err_kind(e, ERR_INVALID,
			"invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")",
			value);
	return 0;
}

static int set_tmpfs(json_t *mount, const char *key, const char *value, struct err *e)
{
	json_t *options = group(mount, "TmpfsOptions");
	uint64_t mode;
	int64_t size;

	if (!strcmp(key, "tmpfs-size")) {
		if (parse_size(value, &size))
			return bad_value(key, value, e);
		json_set_int(options, "SizeBytes", size);
		return 0;
	}
	if (parse_u64_base(span_of(value), 8, UINT32_MAX, &mode))
		return bad_value(key, value, e);
	json_set_int(options, "Mode", (int64_t)mode);
	return 0;
}

static void set_lower(json_t *into, const char *name, const char *value)
{
	cleanup_free char *lower = xstrdup(value);
	char *p;

	for (p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	json_set_str(into, name, lower);
}

static bool is(const char *key, const char *names)
{
	struct span list = span_of(names), name;

	while (span_token(&list, ' ', &name))
		if (span_eqs(name, key))
			return true;
	return false;
}

/* One field; @value is NULL where there was no '='. */
static int set_field(json_t *m, const char *key, const char *value, const char *field, struct err *e)
{
	if (is(key, "readonly ro"))
		return set_bool(m, "ReadOnly", key, value, e);
	if (is(key, "volume-nocopy"))
		return set_bool(group(m, "VolumeOptions"), "NoCopy", key, value, e);
	if (is(key, "bind-nonrecursive"))
		return set_bool(group(m, "BindOptions"), "NonRecursive", key, value, e);
	if (!value)
		return err_kind(e, ERR_INVALID, "invalid field '%s' must be a key=value pair", field);
	if (is(key, "type")) {
		set_lower(m, "Type", value);
	} else if (is(key, "source src")) {
		cleanup_free char *path = absolute(value);

		if (*path)
			json_set_str(m, "Source", path);
	} else if (is(key, "target dst destination")) {
		json_set_str(m, "Target", value);
	} else if (is(key, "consistency")) {
		set_lower(m, "Consistency", value);
	} else if (is(key, "bind-propagation")) {
		set_lower(group(m, "BindOptions"), "Propagation", value);
	} else if (is(key, "bind-recursive")) {
		return set_recursive(m, value, e);
	} else if (is(key, "volume-subpath")) {
		json_set_str(group(m, "VolumeOptions"), "Subpath", value);
	} else if (is(key, "volume-label")) {
		set_pair(group(m, "VolumeOptions"), "Labels", value);
	} else if (is(key, "volume-driver")) {
		json_set_str(group(group(m, "VolumeOptions"), "DriverConfig"), "Name", value);
	} else if (is(key, "volume-opt")) {
		set_pair(group(group(m, "VolumeOptions"), "DriverConfig"), "Options", value);
	} else if (is(key, "image-subpath")) {
		json_set_str(group(m, "ImageOptions"), "Subpath", value);
	} else if (is(key, "tmpfs-size tmpfs-mode")) {
		return set_tmpfs(m, key, value, e);
	} else {
		return err_kind(e, ERR_INVALID, "unexpected key '%s' in '%s'", key, field);
	}
	return 0;
}

static int mount_check(const json_t *m, struct err *e)
{
	static const struct {
		const char *options, *type;
	} groups[] = {
		{"VolumeOptions", "volume"}, {"BindOptions", "bind"}, {"ImageOptions", "image"},
		{"TmpfsOptions", "tmpfs"},
	};
	const json_t *bind = json_obj(m, "BindOptions");
	const char *type = json_str(m, "Type", "");
	size_t i;

	if (!*type)
		return err_kind(e, ERR_INVALID, "type is required");
	if (!*json_str(m, "Target", ""))
		return err_kind(e, ERR_INVALID, "target is required");
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (json_obj(m, groups[i].options) && strcmp(type, groups[i].type))
			return err_kind(e, ERR_INVALID, "cannot mix '%s-*' options with mount type '%s'",
				groups[i].type, type);
	if (json_bool(bind, "ReadOnlyNonRecursive", false) && !json_bool(m, "ReadOnly", false))
		return err_kind(e, ERR_INVALID,
			"option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
	if (!json_bool(bind, "ReadOnlyForceRecursive", false))
		return 0;
	if (!json_bool(m, "ReadOnly", false))
		return err_kind(e, ERR_INVALID,
			"option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
	if (strcmp(json_str(bind, "Propagation", ""), "rprivate"))
		return err_kind(e, ERR_INVALID,
			"option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
	return 0;
}

static int mount_fields(json_t *m, const char *text, struct err *e)
{
	const char *rest = text;
	char *field, *equals, *p;
	int rc = 0;

	json_set_str(m, "Type", "volume");
	while (!rc && (field = csv_field(&rest))) {
		cleanup_free char *whole = xstrdup(field);

		equals = strchr(field, '=');
		if (equals)
			*equals++ = 0;
		for (p = field; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		rc = set_field(m, field, equals, whole, e);
		free(field);
	}
	return rc;
}

json_t *mount_parse(const char *text, struct err *e)
{
	json_t *m = json_object();

	if (!*text)
		err_kind(e, ERR_INVALID, "EOF");
	else if (!mount_fields(m, text, e) && !mount_check(m, e))
		return m;
	json_decref(m);
	return NULL;
}

int check_mount(const char **text, struct err *e)
{
	cleanup_json json_t *m = mount_parse(*text, e);

	return m ? 0 : -1;
}

/* --- --volume ----------------------------------------------------------------------------- */

/* How many parts has "source:target:options"?  A single letter before a colon is taken for a Windows
 * drive, as the stock client does.  0 with @e for a malformed one. */
static int volume_parts(const char *spec, struct err *e)
{
	size_t len = 0;
	int parts = 1;
	const char *p;

	if (!*spec)
		return err_kind(e, ERR_INVALID, "invalid empty volume spec"), 0;
	if (strlen(spec) <= 2)
		return 1;
	for (p = spec; *p; p++) {
		if (*p != ':' || (len == 1 && isalpha((unsigned char)p[-1]))) {
			len++;
			continue;
		}
		if (!len)
			return err_kind(e, ERR_INVALID, "invalid spec: %s: empty section between colons", spec), 0;
		parts++;
		len = 0;
	}
	if (!len)
		return err_kind(e, ERR_INVALID, "invalid spec: %s: empty section between colons", spec), 0;
	if (parts > 3)
		return err_kind(e, ERR_INVALID, "invalid spec: %s: too many colons", spec), 0;
	return parts;
}

int run_volumes(const struct run_opts *o, json_t **binds, json_t **volumes, struct err *e)
{
	size_t i, n;
	int parts;

	*binds = json_array();
	*volumes = json_object();
	for (i = 0; i < o->volume.n; i++) {
		const char *spec = o->volume.v[i];
		cleanup_free char *host = NULL, *path = NULL, *bind = NULL;

		parts = volume_parts(spec, e);
		if (!parts)
			return -1;
		if (parts == 1) {
			json_set_new(*volumes, spec, json_object());
			continue;
		}
		n = strcspn(spec, ":");
		host = xstrndup(spec, n);
		path = absolute(host);
		bind = xasprintf("%s%s", path, spec + n);
		json_append_str(*binds, bind);
	}
	return 0;
}
