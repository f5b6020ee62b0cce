/* SPDX-License-Identifier: MIT */
/*
 * core/engine/spec_devices.c - devices beyond the default ones
 *
 * Theory of operation
 *   An unprivileged engine cannot make device nodes; the runtime binds the host's.  So a device
 *   is a path inside and a path outside ("x-source"), and --device needs neither major numbers nor
 *   the same name on both sides.  --privileged means every device the host shows in /dev.
 */
#include "base/fs.h"
#include "engine/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEVICES_MAX 4096
#define DEPTH_MAX 8

static void add(json_t *list, const char *inside, const char *outside)
{
	json_array_append_new(list, json_pack("{s:s, s:s}", "path", inside, "x-source", outside));
}

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/* What a container has of its own, or must not see. */
static bool is_skipped(const char *name)
{
	static const char *const names[] = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev",
		"console", "ptmx", NULL};

	return str_in(name, names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, as Docker lists them; NULL-terminated, strv_free() it. */
static char **names_in(const char *path)
{
	cleanup_closedir DIR *d = opendir(path);
	char **names = xcalloc(DEVICES_MAX + 1, sizeof(*names));
	struct dirent *de;
	size_t n = 0;

	while (d && n < DEVICES_MAX && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") && !is_skipped(de->d_name))
			names[n++] = xstrdup(de->d_name);
	qsort(names, n, sizeof(*names), by_name);
	return names;
}

static void walk(json_t *list, const char *outside, const char *inside, int depth)
{
	char **names = depth < DEPTH_MAX ? names_in(outside) : NULL, **name;
	struct stat st;

	for (name = names; name && *name && json_array_size(list) < DEVICES_MAX; name++) {
		cleanup_free char *from = fs_join(outside, *name), *to = fs_join(inside, *name);

		if (lstat(from, &st))
			continue;
		if (S_ISDIR(st.st_mode))
			walk(list, from, to, depth + 1);
		else if (is_device(st.st_mode))
			add(list, to, from);
	}
	strv_free(names);
}

static int add_asked(json_t *list, const json_t *device, struct err *e)
{
	const char *outside = json_str(device, "PathOnHost", "");
	const char *inside = json_str(device, "PathInContainer", "");
	char words[128];
	struct stat st;

	if (stat(outside, &st)) {
		snprintf(words, sizeof(words), "%s", strerror(errno));
		words[0] = (char)tolower((unsigned char)words[0]);
		return err_set(e, 0,
			"error gathering device information while adding custom device \"%s\": %s", outside, words);
	}
	if (!*inside)
		inside = outside;
	if (S_ISDIR(st.st_mode))
		walk(list, outside, inside, 0);
	else if (is_device(st.st_mode))
		add(list, inside, outside);
	else
		return err_set(e, 0,
			"error gathering device information while adding custom device \"%s\": not a device node",
			outside);
	return 0;
}

json_t *spec_devices(struct start *s, struct err *e)
{
	json_t *list = json_array();
	const json_t *d;
	size_t i;

	if (json_bool(s->host, "Privileged", false))
		walk(list, "/dev", "/dev", 0);
	json_array_foreach(json_arr(s->host, "Devices"), i, d) {
		if (add_asked(list, d, e)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
