/* SPDX-License-Identifier: MIT */
/*
 * core/engine/mounts.c - from texts and objects of a request to mount points
 *
 * Theory of operation
 *   Sources are read in this order, as Docker does: --volumes-from, -v, --mount, the image's and
 *   the config's Volumes.  -v and --mount replace what --volumes-from gave for a destination; -v,
 *   --mount and --tmpfs naming one destination twice is an error; Volumes yield to all others.
 */
#include "engine/mounts.h"
#include "base/fs.h"
#include "engine/container.h"
#include "engine/schema.h"
#include "engine/volume.h"

#include <errno.h>
#include <stdlib.h>

struct building {
	struct engine *en;
	const char *id;
	const json_t *host, *config;
	json_t *points;	  /* the result */
	json_t *explicit_; /* destinations of -v and --mount */
	const char *target; /* of the --mount in hand, as it is spelled there; NULL while -v is read */
};

/* --- modes ---------------------------------------------------------------------------------- */

enum { MODE_RW = 1, MODE_LABEL = 2, MODE_PROPAGATION = 4, MODE_COPY = 8, MODE_CONSISTENCY = 16 };

static const struct {
	const char *name;
	int class;
} mode_words[] = {
	{"rw", MODE_RW}, {"ro", MODE_RW}, {"z", MODE_LABEL}, {"Z", MODE_LABEL},
	{"private", MODE_PROPAGATION}, {"rprivate", MODE_PROPAGATION}, {"slave", MODE_PROPAGATION},
	{"rslave", MODE_PROPAGATION}, {"shared", MODE_PROPAGATION}, {"rshared", MODE_PROPAGATION},
	{"nocopy", MODE_COPY}, {"consistent", MODE_CONSISTENCY}, {"cached", MODE_CONSISTENCY},
	{"delegated", MODE_CONSISTENCY},
};

static int mode_class(struct span word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mode_words); i++)
		if (span_eqs(word, mode_words[i].name))
			return mode_words[i].class;
	return 0;
}

struct mode {
	bool ro, nocopy;
	char propagation[16];
};

/* "ro,z,rslave": each kind of word at most once. */
static bool mode_parse(const char *text, struct mode *m)
{
	struct span rest = span_of(text), word;
	int seen = 0, class;

	*m = (struct mode){0};
	while (*text && span_token(&rest, ',', &word)) {
		class = mode_class(word);
		if (!class || class & seen)
			return false;
		seen |= class;
		if (span_eqs(word, "ro"))
			m->ro = true;
		else if (class == MODE_COPY)
			m->nocopy = true;
		else if (class == MODE_PROPAGATION)
			snprintf(m->propagation, sizeof(m->propagation), "%.*s", (int)word.n, word.p);
	}
	return true;
}

/* --- points --------------------------------------------------------------------------------- */

static ssize_t point_at(const json_t *points, const char *destination)
{
	const json_t *p;
	size_t i;

	json_array_foreach(points, i, p)
		if (!strcmp(json_str(p, "Destination", ""), destination))
			return (ssize_t)i;
	return -1;
}

static void forget_point(struct building *b, size_t i)
{
	const json_t *p = json_array_get(b->points, i);

	if (json_str(p, "Name", NULL))
		volume_unuse(b->en, json_str(p, "Name", ""), b->id);
	if (json_str(p, "layer", NULL))
		images_unpin(b->en->images, json_str(p, "layer", ""));
	json_array_remove(b->points, i);
}

static json_t *point_new(const char *type, const char *destination, const char *mode, bool rw)
{
	json_t *p = json_object();

	json_set_str(p, "Type", type);
	json_set_str(p, "Destination", destination);
	json_set_str(p, "Mode", mode);
	json_set_bool(p, "RW", rw);
	json_set_str(p, "Propagation", "");
	return p;
}

static bool is_tmpfs(const struct building *b, const char *destination)
{
	const char *key;
	json_t *v;

	json_object_foreach(json_obj(b->host, "Tmpfs"), key, v) {
		cleanup_free char *clean = fs_clean_path(key);

		if (!strcmp(clean, destination))
			return true;
	}
	return false;
}

/* Of -v or --mount: new, or in the place of what --volumes-from gave.  Over a --tmpfs goes only
 * --mount. */
static int point_add(struct building *b, json_t *point, struct err *e)
{
	const char *destination = json_str(point, "Destination", "");
	ssize_t at;

	if (json_object_get(b->explicit_, destination) || (!b->target && is_tmpfs(b, destination)))
		goto twice;
	json_set_bool(b->explicit_, destination, true);
	at = point_at(b->points, destination);
	if (at >= 0)
		forget_point(b, (size_t)at);
	json_array_append_new(b->points, point);
	return 0;
twice:
	err_kind(e, ERR_INVALID, "Duplicate mount point: %s", b->target ? b->target : destination);
	if (json_str(point, "Name", NULL))
		volume_unuse(b->en, json_str(point, "Name", ""), b->id);
	json_decref(point);
	return -1;
}

/* A volume comes into use; @point gets its name. */
static int add_volume(struct building *b, const struct volume_spec *spec, json_t *point, struct err *e)
{
	cleanup_free char *name = NULL;

	if (volume_create(b->en, spec, b->id, &name, e)) {
		json_decref(point);
		return -1;
	}
	json_set_str(point, "Name", name);
	json_set_str(point, "Driver", "local");
	return point_add(b, point, e);
}

bool mounts_near_data(const struct engine *en, const char *source)
{
	const char *root = en->config.data_root;

	return !strncmp(source, root, strlen(root)) || !strncmp(root, source, strlen(source));
}

/* Of what holds our data or lies in it, a copy must not keep alive what we unmount. */
static const char *default_propagation(const struct building *b, const char *source)
{
	return mounts_near_data(b->en, source) ? "rslave" : "rprivate";
}

static int check_near_data(const struct building *b, const char *source, const char *propagation,
	struct err *e)
{
	if (!mounts_near_data(b->en, source) || strstr(propagation, "rslave") || strstr(propagation, "rshared"))
		return 0;
	return err_kind(e, ERR_INVALID,
		"invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount "
		"source is within the daemon root, daemon root: \"%s\", bind mount source: \"%s\", propagation: "
		"\"%s\"",
		b->en->config.data_root, source, propagation);
}

/* --- -v ------------------------------------------------------------------------------------- */

static int check_destination(const char *type, const char *destination, struct err *e)
{
	cleanup_free char *clean = NULL;

	if (*destination != '/')
		return err_set(e, 0,
			"invalid mount config for type \"%s\": invalid mount path: '%s' mount path must be absolute",
			type, destination);
	clean = fs_clean_path(destination);
	if (!strcmp(clean, "/"))
		return err_set(e, 0,
			"invalid mount config for type \"%s\": invalid specification: destination can't be '/'",
			type);
	return 0;
}

static int bad_spec(const char *raw, struct err *e)
{
	return err_set(e, 0, "invalid volume specification: '%s'", raw);
}

static int add_parsed_bind(struct building *b, const char *raw, const char *source,
	const char *destination, const char *mode_text, struct err *e)
{
	bool bind = source && *source == '/';
	cleanup_free char *clean = NULL, *from = NULL;
	struct mode m;
	json_t *p;

	if (!mode_parse(mode_text, &m))
		return err_set(e, 0, "invalid mode: %s", mode_text);
	if (!bind && *m.propagation)
		return err_set(e, 0,
			"invalid volume specification: '%s': invalid mount config for type \"volume\": field "
			"BindOptions must not be specified",
			raw);
	if (check_destination(bind ? "bind" : "volume", destination, e))
		return err_wrap(e, "invalid volume specification: '%s'", raw);
	if (bind && *m.propagation && check_near_data(b, source, m.propagation, e))
		return -1;
	clean = fs_clean_path(destination);
	p = point_new(bind ? "bind" : "volume", clean, *mode_text || bind ? mode_text : "z", !m.ro);
	if (bind) {
		from = fs_clean_path(source);
		json_set_str(p, "Source", from);
		json_set_str(p, "Propagation", *m.propagation ? m.propagation : default_propagation(b, source));
		json_set_bool(p, "create", true);
		return point_add(b, p, e);
	}
	json_set_bool(p, "copy", !m.nocopy);
	return add_volume(b, &(struct volume_spec){source, json_str(b->host, "VolumeDriver", ""), NULL, NULL}, p, e);
}

static int add_bind(struct building *b, const char *raw, struct err *e)
{
	struct span rest = span_of(raw), part;
	char *parts[3] = {NULL, NULL, NULL};
	int n = 0, rc = -1;
	struct mode m;

	if (!rest.n)
		return bad_spec(raw, e);
	while (span_token(&rest, ':', &part)) {
		if (n == 3 || !part.n) {
			bad_spec(raw, e);
			goto out;
		}
		parts[n++] = span_dup(part);
	}
	if (raw[strlen(raw) - 1] == ':' || (n == 2 && mode_parse(parts[1], &m)))
		bad_spec(raw, e);
	else if (n == 1)
		rc = add_parsed_bind(b, raw, NULL, parts[0], "", e);
	else
		rc = add_parsed_bind(b, raw, parts[0], parts[1], n == 3 ? parts[2] : "", e);
out:
	free(parts[0]);
	free(parts[1]);
	free(parts[2]);
	return rc;
}

/* --- --mount -------------------------------------------------------------------------------- */

static int bad_mount(const char *type, struct err *e, const char *what)
{
	return err_kind(e, ERR_INVALID, "invalid mount config for type \"%s\": %s", type, what);
}

/* Options of another type than the mount's are a mistake. */
static int check_options(const json_t *m, const char *type, struct err *e)
{
	static const struct {
		const char *key, *type;
	} options[] = {{"BindOptions", "bind"}, {"VolumeOptions", "volume"}, {"ImageOptions", "image"},
		{"TmpfsOptions", "tmpfs"}, {"ClusterOptions", "cluster"}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (json_object_get(m, options[i].key) && strcmp(options[i].type, type))
			return err_kind(e, ERR_INVALID, "%s must not be specified on mount type \"%s\"",
				options[i].key, type);
	return 0;
}

static json_t *mount_bind(struct building *b, const json_t *m, const char *target, struct err *e)
{
	const char *source = json_str(m, "Source", "");
	const json_t *o = json_obj(m, "BindOptions");
	const char *propagation = json_str(o, "Propagation", default_propagation(b, source));
	bool create = json_bool(o, "CreateMountpoint", false);
	cleanup_free char *clean = NULL, *text = NULL;
	json_t *p = NULL;

	clean = fs_clean_path(source);
	if (!*source) {
		bad_mount("bind", e, "field Source must not be empty");
	} else if (mode_class(span_of(propagation)) != MODE_PROPAGATION) {
		text = xasprintf("invalid propagation mode: %s", propagation);
		bad_mount("bind", e, text);
	} else if (*source != '/') {
		text = xasprintf("invalid mount path: '%s' mount path must be absolute", source);
		bad_mount("bind", e, text);
	} else if (!create && !fs_exists_at(AT_FDCWD, clean)) {
		text = xasprintf("bind source path does not exist: %s", source);
		bad_mount("bind", e, text);
	} else if (!check_near_data(b, source, propagation, e)) {
		p = point_new("bind", target, "", !json_bool(m, "ReadOnly", false));
		json_set_str(p, "Source", clean);
		json_set_str(p, "Propagation", propagation);
		json_set_bool(p, "create", create);
		if (json_bool(o, "NonRecursive", false))
			json_set_bool(p, "flat", true);
		if (json_bool(o, "ReadOnlyNonRecursive", false))
			json_set_bool(p, "ro_flat", true);
		if (json_bool(o, "ReadOnlyForceRecursive", false))
			json_set_bool(p, "ro_force", true);
	}
	return p;
}

/* [["exec"], …]; of those with a value there are none. */
static int tmpfs_flags(const json_t *list, struct buf *options, struct err *e)
{
	static const char *const known[] = {"exec", "noexec", NULL};
	cleanup_free char *text = NULL;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		const char *name = json_string_value(json_array_get(v, 0));

		if (!json_array_size(v) || json_array_size(v) > 2)
			return bad_mount("tmpfs", e, "invalid option array length");
		if (!name || !str_in(name, known)) {
			text = xasprintf("invalid option: %s", name ? name : "");
			return bad_mount("tmpfs", e, text);
		}
		buf_addf(options, "%s%s", options->n ? "," : "", name);
	}
	return 0;
}

static json_t *mount_tmpfs(const json_t *m, const char *target, struct err *e)
{
	const json_t *o = json_obj(m, "TmpfsOptions");
	int64_t size = json_int(o, "SizeBytes", 0), mode = json_int(o, "Mode", 0);
	cleanup_buf struct buf options = BUF_INIT;
	json_t *p;

	if (*json_str(m, "Source", "")) {
		bad_mount("tmpfs", e, "field Source must not be specified");
		return NULL;
	}
	if (mode < 0 || mode > 07777) {
		bad_mount("tmpfs", e, "mode must be from 0 to 07777");
		return NULL;
	}
	if (tmpfs_flags(json_arr(o, "Options"), &options, e))
		return NULL;
	p = point_new("tmpfs", target, "", !json_bool(m, "ReadOnly", false));
	if (size)
		buf_addf(&options, "%ssize=%lld", options.n ? "," : "", (long long)size);
	if (mode)
		buf_addf(&options, "%smode=%llo", options.n ? "," : "", (unsigned long long)mode);
	json_set_str(p, "Source", "");
	json_set_str(p, "options", options.p);
	return p;
}

/* Is it a relative path that stays below? Lexically; the start resolves it for good. */
static bool is_subpath(const char *path)
{
	cleanup_free char *clean = fs_clean_path(path);

	return *path != '/' && strcmp(clean, "..") && strncmp(clean, "../", 3);
}

static int mount_volume(struct building *b, const json_t *m, const char *target, struct err *e)
{
	const json_t *o = json_obj(m, "VolumeOptions"), *driver = json_obj(o, "DriverConfig");
	const char *source = json_str(m, "Source", ""), *subpath = json_str(o, "Subpath", "");
	bool ro = json_bool(m, "ReadOnly", false);
	json_t *p;

	if (!*source && ro)
		return bad_mount("volume", e, "must not set ReadOnly mode when using anonymous volumes");
	if (*subpath && !is_subpath(subpath))
		return bad_mount("volume", e, "subpath must be a relative path within the volume");
	p = point_new("volume", target, "z", !ro);
	json_set_bool(p, "copy", !json_bool(o, "NoCopy", false) && !*subpath);
	if (*subpath)
		json_set_str(p, "subpath", subpath);
	return add_volume(b,
		&(struct volume_spec){source, json_str(driver, "Name", ""), json_obj(driver, "Options"),
			json_obj(o, "Labels")},
		p, e);
}

/* The image's layers stay as long as the container does, whatever becomes of its name. */
static int mount_image(struct building *b, const json_t *m, const char *target, struct err *e)
{
	const char *source = json_str(m, "Source", "");
	const char *subpath = json_str(json_obj(m, "ImageOptions"), "Subpath", "");
	char id[DIGEST_MAX], layer[DIGEST_MAX];
	json_t *p;

	if (!*source)
		return bad_mount("image", e, "field Source must not be empty");
	if (*subpath && !is_subpath(subpath))
		return bad_mount("image", e, "subpath must be a relative path within the volume");
	if (images_resolve(b->en->images, source, id, e) ||
		images_top_layer(b->en->images, id, layer, e) || images_pin(b->en->images, layer, e))
		return -1;
	p = point_new("image", target, "", false);
	json_set_str(p, "Source", "");
	json_set_str(p, "Propagation", "rprivate");
	json_set_str(p, "image", source);
	json_set_str(p, "layer", layer);
	if (*subpath)
		json_set_str(p, "subpath", subpath);
	if (!point_add(b, p, e))
		return 0;
	images_unpin(b->en->images, layer);
	return -1;
}

static int add_mount(struct building *b, const json_t *m, struct err *e)
{
	static const char *const known[] = {"bind", "volume", "tmpfs", "image", NULL};
	const char *type = json_str(m, "Type", ""), *target = json_str(m, "Target", "");
	cleanup_free char *clean = NULL;
	json_t *p;

	if (!str_in(type, known))
		return bad_mount(type, e, "mount type unknown");
	if (!*target)
		return bad_mount(type, e, "field Target must not be empty");
	if (check_destination(type, target, e)) {
		e->kind = ERR_INVALID;
		return -1;
	}
	if (check_options(m, type, e))
		return -1;
	clean = fs_clean_path(target);
	b->target = target;
	if (!strcmp(type, "volume"))
		return mount_volume(b, m, clean, e);
	if (!strcmp(type, "image"))
		return mount_image(b, m, clean, e);
	p = !strcmp(type, "bind") ? mount_bind(b, m, clean, e) : mount_tmpfs(m, clean, e);
	return p ? point_add(b, p, e) : -1;
}

/* --- --volumes-from, Volumes ---------------------------------------------------------------- */

static void inherit(struct building *b, const json_t *from, bool ro)
{
	json_t *p = json_deep_copy(from);
	ssize_t at = point_at(b->points, json_str(p, "Destination", ""));

	/* The other container keeps it for now: this cannot fail. */
	if (json_str(p, "layer", NULL))
		images_pin(b->en->images, json_str(p, "layer", ""), NULL);

	if (at >= 0)
		forget_point(b, (size_t)at);
	json_set_str(p, "Mode", "");
	json_set_bool(p, "RW", json_bool(from, "RW", true) && !ro);
	json_object_del(p, "copy");
	if (json_str(p, "Name", NULL))
		volume_use(b->en, json_str(p, "Name", ""), b->id);
	json_array_append_new(b->points, p);
}

static int add_volumes_from(struct building *b, const char *text, struct err *e)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *ref = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	struct container *c;
	const json_t *p;
	struct mode m = {0};
	size_t i;

	if (!*text)
		return err_kind(e, ERR_INVALID, "volumes-from specification cannot be an empty string");
	if (!*ref)
		return err_kind(e, ERR_INVALID, "malformed volumes-from specification: %s", text);
	if (colon && (!mode_parse(colon + 1, &m) || *m.propagation || m.nocopy))
		return err_kind(e, ERR_INVALID, "invalid mode: %s", colon + 1);
	c = container_get(b->en, ref, e);
	if (!c) {
		e->kind = ERR_INVALID;
		return -1;
	}
	json_array_foreach(c->mounts, i, p)
		inherit(b, p, m.ro);
	container_put(c);
	return 0;
}

static int add_volumes(struct building *b, struct err *e)
{
	const char *key;
	json_t *v, *p;

	json_object_foreach(json_obj(b->config, "Volumes"), key, v) {
		cleanup_free char *clean = fs_clean_path(key);

		if (point_at(b->points, clean) >= 0 || json_object_get(json_obj(b->host, "Tmpfs"), key))
			continue;
		p = point_new("volume", clean, "", true);
		json_set_bool(p, "copy", true);
		if (add_volume(b, &(struct volume_spec){NULL, json_str(b->host, "VolumeDriver", ""), NULL, NULL},
			    p, e))
			return -1;
	}
	return 0;
}

/* --- all of them ---------------------------------------------------------------------------- */

static int check_tmpfs(const json_t *tmpfs, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)tmpfs, key, v) {
		cleanup_free char *clean = fs_clean_path(key);

		if (*key != '/')
			return err_kind(e, ERR_INVALID,
				"invalid mount path: '%s' mount path must be absolute", key);
		if (!strcmp(clean, "/"))
			return err_kind(e, ERR_INVALID, "invalid specification: destination can't be '/'");
	}
	return 0;
}

static int build(struct building *b, struct err *e)
{
	const json_t *v;
	size_t i;

	if (check_tmpfs(json_obj(b->host, "Tmpfs"), e))
		return -1;
	json_array_foreach(json_arr(b->host, "VolumesFrom"), i, v)
		if (json_string_value(v) && add_volumes_from(b, json_string_value(v), e))
			return -1;
	json_array_foreach(json_arr(b->host, "Binds"), i, v)
		if (json_string_value(v) && add_bind(b, json_string_value(v), e))
			return -1;
	json_array_foreach(json_arr(b->host, "Mounts"), i, v)
		if (add_mount(b, v, e))
			return -1;
	return add_volumes(b, e);
}

json_t *mounts_build(struct engine *en, const char *id, const json_t *config, const json_t *host,
	struct err *e)
{
	struct building b = {en, id, host, config, json_array(), json_object(), NULL};
	int rc = build(&b, e);

	json_decref(b.explicit_);
	if (!rc)
		return b.points;
	mounts_drop(en, id, b.points, true);
	json_decref(b.points);
	return NULL;
}

void mounts_drop(struct engine *en, const char *id, const json_t *mounts, bool remove)
{
	const json_t *p;
	size_t i;

	json_array_foreach(mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);

		if (json_str(p, "layer", NULL))
			images_unpin(en->images, json_str(p, "layer", ""));
		if (!name)
			continue;
		volume_unuse(en, name, id);
		if (remove)
			volume_remove_anonymous(en, name);
	}
}

json_t *mounts_shown(struct engine *en, const json_t *mounts, bool brief, bool started)
{
	static const char *const keys[] = {"Type", "Name", "Source", "Destination", "Driver", "Mode", "RW",
		"Propagation"};
	json_t *out = json_array(), *shown, *v;
	const json_t *p;
	size_t i, k;

	json_array_foreach(mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);
		cleanup_free char *path = name ? volume_path(en, name) : NULL;

		shown = json_object();
		for (k = 0; k < ARRAY_SIZE(keys); k++) {
			v = json_object_get(p, keys[k]);
			if (!strcmp(keys[k], "Source") && path)
				json_set_str(shown, "Source", brief && !(started && *json_str(p, "Mode", "")) ? "" : path);
			else if (!strcmp(keys[k], "Name") && json_str(p, "image", NULL))
				json_set_str(shown, "Name", json_str(p, "image", ""));
			else if (v)
				json_object_set(shown, keys[k], v);
		}
		json_array_append_new(out, shown);
	}
	return out;
}

json_t *mounts_tmpfs_options(const char *text, struct err *e)
{
	static const char *const flags[] = {"ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev",
		"sync", "async", "dirsync", "noatime", "atime", "nodiratime", "diratime", "relatime",
		"norelatime", "strictatime", "nostrictatime", "mand", "nomand", "bind", "rbind", "private",
		"rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
		"defaults", NULL};
	static const char *const values[] = {"size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=",
		"mpol=", NULL};
	json_t *out = json_pack("[s, s, s]", "noexec", "nosuid", "nodev");
	struct span rest = span_of(text), word;
	int bad = 0;
	size_t i;

	while (span_token(&rest, ',', &word)) {
		cleanup_free char *option = span_dup(word);

		for (i = 0; values[i] && strncmp(option, values[i], strlen(values[i])); i++)
			;
		if (*option && !values[i] && !str_in(option, flags))
			bad = err_set(e, 0, "invalid tmpfs option \"%s\"", option); /* Docker names the last one */
		else if (*option && strcmp(option, "defaults"))
			json_append_str(out, option);
	}
	if (!bad)
		return out;
	json_decref(out);
	return NULL;
}
