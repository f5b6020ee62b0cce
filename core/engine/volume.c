/* SPDX-License-Identifier: MIT */
/*
 * core/engine/volume.c - the table of volumes, and what can be done to them
 *
 * Theory of operation
 *   volumes_lock guards the table.  A new volume is made in tmp/ and renamed into place; one that
 *   goes is renamed into tmp/ and deleted there, outside the lock, as that may take long.  Mounting
 *   happens under the lock: it must not happen twice.
 */
#include "engine/volume.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/filter.h"
#include "engine/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <unistd.h>

#define LABEL_ANONYMOUS "com.docker.volume.anonymous"
#define META_MAX (1 << 20) /* bytes of volume.json */

struct volume {
	char *name;
	int64_t created;
	json_t *labels, *options; /* objects or NULL */
	json_t *users;		  /* {"<container id>": number of mount points} */
	int mounted;
};

static void volume_free(struct volume *v)
{
	free(v->name);
	json_decref(v->labels);
	json_decref(v->options);
	json_decref(v->users);
	free(v);
}

static struct volume *find(struct engine *en, const char *name)
{
	size_t i;

	for (i = 0; i < en->n_volumes; i++)
		if (!strcmp(en->volumes[i]->name, name))
			return en->volumes[i];
	return NULL;
}

static void insert(struct engine *en, struct volume *v)
{
	en->volumes = xreallocarray(en->volumes, en->n_volumes + 1, sizeof(*en->volumes));
	en->volumes[en->n_volumes++] = v;
}

static void take_out(struct engine *en, struct volume *v)
{
	size_t i;

	for (i = 0; en->volumes[i] != v; i++)
		;
	en->volumes[i] = en->volumes[--en->n_volumes];
}

static int no_such(const char *name, struct err *e)
{
	return err_kind(e, ERR_NOT_FOUND, "get %s: no such volume", name);
}

static void emit(struct engine *en, const char *action, const char *name)
{
	events_emit(en, "volume", action, name, json_pack("{s:s}", "driver", "local"));
}

char *volume_path(struct engine *en, const char *name)
{
	return xasprintf("%s/volumes/%s/_data", en->config.data_root, name);
}

int volume_name_check(const char *name, struct err *e)
{
	const char *c;

	if (strlen(name) == 1)
		return err_kind(e, ERR_INVALID,
			"volume name is too short, names should be at least two alphanumeric characters");
	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && (c == name || !strchr("_.-", *c)))
			break;
	if (*c || strlen(name) > 255)
		return err_kind(e, ERR_INVALID,
			"\"%.200s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
			"directory, use absolute path",
			name);
	return 0;
}

/* --- load ----------------------------------------------------------------------------------- */

static struct volume *volume_new(const char *name, int64_t created, const json_t *labels,
	const json_t *options)
{
	struct volume *v = xcalloc(1, sizeof(*v));

	v->name = xstrdup(name);
	v->created = created;
	v->labels = json_object_size(labels) ? json_sorted(labels) : NULL;
	v->options = json_object_size(options) ? json_sorted(options) : NULL;
	v->users = json_object();
	return v;
}

static void load_one(struct engine *en, int dirfd, const char *name)
{
	cleanup_free char *data = xasprintf("%s/_data", name);
	cleanup_free char *meta = xasprintf("%s/volume.json", name);
	cleanup_json json_t *j = NULL;
	struct stat st;
	struct err e;

	if (volume_name_check(name, NULL) || fstatat(dirfd, data, &st, AT_SYMLINK_NOFOLLOW) ||
		!S_ISDIR(st.st_mode))
		return;
	/* A directory somebody put there by hand is a volume, too. */
	j = json_load_at(dirfd, meta, META_MAX, &e);
	insert(en, volume_new(name,
			   json_int(j, "created", st.st_ctim.tv_sec * NS_PER_S), json_obj(j, "labels"),
			   json_obj(j, "options")));
}

int volumes_load(struct engine *en, struct err *e)
{
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd;

	if (fs_mkdir_p_at(en->datafd, "volumes", 0701, e))
		return -1;
	fd = openat(en->datafd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_set(e, errno, "opening volumes");
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			load_one(en, dirfd(d), de->d_name);
	return 0;
}

/* --- create --------------------------------------------------------------------------------- */

static int check_options(const json_t *options, struct err *e)
{
	static const char *const known[] = {"type", "o", "device", "size", NULL};
	bool type = json_object_get(options, "type"), device = json_object_get(options, "device");
	json_t *v;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)options, key, v)
		if (!str_in(key, known))
			return err_kind(e, ERR_INVALID, "invalid option: \"%s\"", key);
	if (json_object_get(options, "size"))
		return err_kind(e, ERR_INVALID, "quota size requested but no quota support");
	if ((type || json_object_get(options, "o")) && !device)
		return err_kind(e, ERR_INVALID, "missing required option: \"device\"");
	if ((device || json_object_get(options, "o")) && !type)
		return err_kind(e, ERR_INVALID, "missing required option: \"type\"");
	return 0;
}

static int make_directory(struct engine *en, const struct volume *v, struct err *e)
{
	cleanup_free char *tmp = xasprintf("tmp/volume-%s", v->name);
	cleanup_free char *data = xasprintf("%s/_data", tmp);
	cleanup_free char *meta = xasprintf("%s/volume.json", tmp);
	cleanup_free char *final = xasprintf("volumes/%s", v->name);
	cleanup_json json_t *j = json_object();
	int rc;

	json_set_int(j, "created", v->created);
	if (v->labels)
		json_object_set(j, "labels", v->labels);
	if (v->options)
		json_object_set(j, "options", v->options);
	rc = fs_mkdir_p_at(en->datafd, tmp, 0701, e) || fs_mkdir_p_at(en->datafd, data, 0755, e) ||
		     json_save_at(en->datafd, meta, j, 0, e) ?
		     -1 :
		     0;
	if (!rc && !syscall(SYS_renameat2, en->datafd, tmp, en->datafd, final, RENAME_NOREPLACE))
		return 0;
	if (!rc)
		err_set(e, errno, "making volume %s", v->name);
	fs_remove_tree_at(en->datafd, tmp, NULL);
	return -1;
}

static void add_user(struct volume *v, const char *user)
{
	if (user)
		json_set_int(v->users, user, json_int(v->users, user, 0) + 1);
}

static int create_new(struct engine *en, const struct volume_spec *spec, const char *name,
	bool anonymous, const char *user, struct err *e)
{
	cleanup_json json_t *labels = spec->labels ? json_copy((json_t *)(uintptr_t)spec->labels) : json_object();
	struct volume *v;

	if (check_options(spec->options, e))
		return -1;
	if (anonymous)
		json_set_str(labels, LABEL_ANONYMOUS, "");
	v = volume_new(name, clock_real_ns(), labels, spec->options);
	if (make_directory(en, v, e)) {
		volume_free(v);
		return -1;
	}
	add_user(v, user);
	insert(en, v);
	return 0;
}

static int create_locked(struct engine *en, const struct volume_spec *spec, const char *name,
	bool anonymous, const char *user, bool *made, struct err *e)
{
	struct volume *v;
	int rc = 0;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	*made = !v;
	if (v)
		add_user(v, user);
	else
		rc = create_new(en, spec, name, anonymous, user, e);
	pthread_mutex_unlock(&en->volumes_lock);
	return rc;
}

int volume_create(struct engine *en, const struct volume_spec *spec, const char *user, char **out,
	struct err *e)
{
	bool anonymous = !spec->name || !*spec->name, made;
	char id[ID_LEN + 1];
	const char *name = spec->name;

	if (anonymous) {
		random_id(id);
		name = id;
	}
	if (spec->driver && *spec->driver && strcmp(spec->driver, "local"))
		return err_kind(e, ERR_NOT_FOUND,
			"create %s: error looking up volume plugin %s: plugin \"%s\" not found", name,
			spec->driver, spec->driver);
	if (volume_name_check(name, e) ||
		create_locked(en, spec, name, anonymous, user, &made, e))
		return err_wrap(e, "create %s", name);
	if (made)
		emit(en, "create", name);
	if (out)
		*out = xstrdup(name);
	return 0;
}

void volume_use(struct engine *en, const char *name, const char *user)
{
	struct volume *v;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (v)
		add_user(v, user);
	pthread_mutex_unlock(&en->volumes_lock);
}

void volume_unuse(struct engine *en, const char *name, const char *user)
{
	struct volume *v;
	int64_t n;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	n = v ? json_int(v->users, user, 0) : 0;
	if (n > 1)
		json_set_int(v->users, user, n - 1);
	else if (n)
		json_object_del(v->users, user);
	pthread_mutex_unlock(&en->volumes_lock);
}

/* --- remove --------------------------------------------------------------------------------- */

static int in_use(struct volume *v, struct err *e)
{
	cleanup_buf struct buf ids = BUF_INIT;
	const char *id;
	json_t *n;

	json_object_foreach(v->users, id, n)
		buf_addf(&ids, "%s%s", ids.n ? ", " : "", id);
	return err_kind(e, ERR_CONFLICT, "remove %s: volume is in use - [%s]", v->name, ids.p);
}

/* Out of the table and out of sight; what it held goes by the caller's hand, unlocked. */
static int detach(struct engine *en, struct volume *v, char **tmp, struct err *e)
{
	cleanup_free char *dir = xasprintf("volumes/%s", v->name);
	char id[ID_LEN + 1];

	random_id(id);
	*tmp = xasprintf("tmp/removed-%s", id);
	if (renameat(en->datafd, dir, en->datafd, *tmp) && errno != ENOENT)
		return err_set(e, errno, "remove %s: moving it away", v->name);
	take_out(en, v);
	return 0;
}

static int remove_matching(struct engine *en, const char *name, bool only_anonymous, int64_t *bytes,
	struct err *e)
{
	cleanup_free char *tmp = NULL;
	struct volume *v;
	int64_t inodes;
	int rc;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (!v || (only_anonymous && !json_object_get(v->labels, LABEL_ANONYMOUS)))
		rc = no_such(name, e);
	else if (json_object_size(v->users))
		rc = in_use(v, e);
	else
		rc = detach(en, v, &tmp, e);
	pthread_mutex_unlock(&en->volumes_lock);
	if (rc)
		return -1;
	volume_free(v);
	if (bytes) {
		cleanup_free char *data = xasprintf("%s/_data", tmp);

		fs_tree_usage_at(en->datafd, data, bytes, &inodes, NULL);
	}
	emit(en, "destroy", name);
	if (fs_remove_tree_at(en->datafd, tmp, e))
		log_err(e, "removing what volume %s held", name);
	return 0;
}

int volume_remove(struct engine *en, const char *name, bool force, struct err *e)
{
	if (!remove_matching(en, name, false, NULL, e))
		return 0;
	return force && e->kind == ERR_NOT_FOUND ? 0 : -1;
}

void volume_remove_anonymous(struct engine *en, const char *name)
{
	struct err e;

	if (remove_matching(en, name, true, NULL, &e) && e.kind == ERR_FAILED)
		log_err(&e, "removing an anonymous volume");
}

/* --- mount ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned long set, clear;
} mount_flags[] = {
	{"ro", MS_RDONLY, 0}, {"rw", 0, MS_RDONLY}, {"nosuid", MS_NOSUID, 0}, {"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0}, {"dev", 0, MS_NODEV}, {"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC}, {"sync", MS_SYNCHRONOUS, 0}, {"async", 0, MS_SYNCHRONOUS},
	{"dirsync", MS_DIRSYNC, 0}, {"noatime", MS_NOATIME, 0}, {"atime", 0, MS_NOATIME},
	{"nodiratime", MS_NODIRATIME, 0}, {"relatime", MS_RELATIME, 0},
	{"strictatime", MS_STRICTATIME, 0}, {"bind", MS_BIND, 0}, {"rbind", MS_BIND | MS_REC, 0},
	{"defaults", 0, 0},
};

/* "ro,size=1m": flags, and what is left for the file system. */
static unsigned long parse_flags(const char *o, struct buf *data)
{
	struct span rest = span_of(o), word;
	unsigned long flags = 0;
	size_t i;

	while (span_token(&rest, ',', &word)) {
		for (i = 0; i < ARRAY_SIZE(mount_flags); i++)
			if (span_eqs(word, mount_flags[i].name))
				break;
		if (i < ARRAY_SIZE(mount_flags))
			flags = (flags | mount_flags[i].set) & ~mount_flags[i].clear;
		else if (word.n)
			buf_addf(data, "%s%.*s", data->n ? "," : "", (int)word.n, word.p);
	}
	return flags;
}

static int mount_options(struct engine *en, struct volume *v, struct err *e)
{
	const char *device = json_str(v->options, "device", ""), *type = json_str(v->options, "type", "");
	cleanup_free char *path = volume_path(en, v->name);
	cleanup_buf struct buf data = BUF_INIT;
	unsigned long flags = parse_flags(json_str(v->options, "o", ""), &data);
	char why[128];

	/* A bind ignores ro at first and takes it on a remount (mount(2)). */
	if (!mount(device, path, type, flags & ~(flags & MS_BIND ? MS_RDONLY : 0), data.p) &&
		(!(flags & MS_BIND && flags & MS_RDONLY) ||
			!mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)))
		return 0;
	snprintf(why, sizeof(why), "%s", strerror(errno));
	why[0] = (char)tolower(why[0]);
	return err_kind(e, ERR_FAILED,
		"error while mounting volume '%s': failed to mount local volume: mount %s:%s%s%s: %s", path,
		device, path, data.n ? ", data: " : "", data.p, why);
}

int volume_mount(struct engine *en, const char *name, struct err *e)
{
	struct volume *v;
	int rc = 0;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (!v)
		rc = no_such(name, e);
	else if (json_object_size(v->options) && !v->mounted)
		rc = mount_options(en, v, e);
	if (!rc)
		v->mounted++;
	pthread_mutex_unlock(&en->volumes_lock);
	return rc;
}

void volume_unmount(struct engine *en, const char *name)
{
	struct volume *v;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (v && v->mounted && !--v->mounted && json_object_size(v->options)) {
		cleanup_free char *path = volume_path(en, name);

		umount2(path, MNT_DETACH);
	}
	pthread_mutex_unlock(&en->volumes_lock);
}

void volume_adopt_mount(struct engine *en, const char *name)
{
	struct volume *v;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (v)
		v->mounted++;
	pthread_mutex_unlock(&en->volumes_lock);
}

/* --- what the API shows --------------------------------------------------------------------- */

static json_t *describe(struct engine *en, const struct volume *v)
{
	cleanup_free char *path = volume_path(en, v->name);
	char when[CLOCK_RFC3339_MAX];

	clock_format(v->created / NS_PER_S * NS_PER_S, when);
	return json_pack("{s:s, s:s, s:O?, s:s, s:s, s:O?, s:s}", "CreatedAt", when, "Driver", "local",
		"Labels", v->labels, "Mountpoint", path, "Name", v->name, "Options", v->options, "Scope",
		"local");
}

json_t *volume_inspect(struct engine *en, const char *name, struct err *e)
{
	struct volume *v;
	json_t *j = NULL;

	pthread_mutex_lock(&en->volumes_lock);
	v = find(en, name);
	if (v)
		j = describe(en, v);
	else
		no_such(name, e);
	pthread_mutex_unlock(&en->volumes_lock);
	return j;
}

static bool selected(const struct volume *v, const json_t *filters, int dangling)
{
	const json_t *names = json_object_get(filters, "name");
	const json_t *drivers = json_object_get(filters, "driver");

	if (dangling >= 0 && dangling != !json_object_size(v->users))
		return false;
	return (!json_array_size(names) || filter_match(names, v->name)) &&
		(!json_array_size(drivers) || filter_has(drivers, "local")) &&
		filter_labels(json_object_get(filters, "label"), v->labels);
}

json_t *volumes_list(struct engine *en, const json_t *filters, struct err *e)
{
	static const char *const known[] = {"dangling", "name", "driver", "label", NULL};
	json_t *list;
	bool dangling;
	size_t i;

	if (filter_check(filters, known, e) || filter_bool(filters, "dangling", false, &dangling, e))
		return NULL;
	list = json_array();
	pthread_mutex_lock(&en->volumes_lock);
	for (i = 0; i < en->n_volumes; i++)
		if (selected(en->volumes[i], filters,
			    json_object_get(filters, "dangling") ? dangling : -1))
			json_array_append_new(list, describe(en, en->volumes[i]));
	pthread_mutex_unlock(&en->volumes_lock);
	return json_pack("{s:o, s:n}", "Volumes", list, "Warnings");
}

static int all_filter(const json_t *filters, bool *all, struct err *e)
{
	const char *v = json_string_value(json_array_get(json_object_get(filters, "all"), 0));

	if (filter_bool(filters, "all", *all, all, NULL))
		return err_kind(e, ERR_INVALID,
			"invalid filter 'all': strconv.ParseBool: parsing \"%s\": invalid syntax", v);
	return 0;
}

json_t *volumes_prune(struct engine *en, const json_t *filters, bool all, struct err *e)
{
	static const char *const known[] = {"label", "label!", "all", NULL};
	json_t *deleted = json_array(), *names = json_array(), *name;
	const json_t *unwanted = json_object_get(filters, "label!");
	int64_t reclaimed = 0, bytes;
	char text[24];
	size_t i;

	if (filter_check(filters, known, e) || all_filter(filters, &all, e)) {
		json_decref(deleted);
		json_decref(names);
		return NULL;
	}
	pthread_mutex_lock(&en->volumes_lock);
	for (i = 0; i < en->n_volumes; i++) {
		struct volume *v = en->volumes[i];

		/* One with options may be somebody's file server. */
		if (!json_object_size(v->users) && !v->options && (all || json_object_get(v->labels, LABEL_ANONYMOUS)) &&
			filter_labels(json_object_get(filters, "label"), v->labels) &&
			!(json_array_size(unwanted) && filter_labels(unwanted, v->labels)))
			json_append_str(names, v->name);
	}
	pthread_mutex_unlock(&en->volumes_lock);
	json_array_foreach(names, i, name) {
		bytes = 0;
		if (remove_matching(en, json_string_value(name), false, &bytes, NULL))
			continue; /* taken into use meanwhile */
		reclaimed += bytes;
		json_array_append(deleted, name);
	}
	json_decref(names);
	snprintf(text, sizeof(text), "%lld", (long long)reclaimed);
	events_emit(en, "volume", "prune", "", json_pack("{s:s}", "reclaimed", text));
	return json_pack("{s:o, s:I}", "VolumesDeleted", deleted, "SpaceReclaimed", reclaimed);
}

json_t *volumes_disk_usage(struct engine *en, struct err *e)
{
	json_t *list = json_array(), *v;
	int64_t bytes, inodes;
	size_t i;

	pthread_mutex_lock(&en->volumes_lock);
	for (i = 0; i < en->n_volumes; i++) {
		if (en->volumes[i]->options)
			continue; /* what is mounted there is not our disk's */
		v = describe(en, en->volumes[i]);
		json_set_new(v, "UsageData",
			json_pack("{s:i, s:i}", "RefCount",
				(int)json_object_size(en->volumes[i]->users), "Size", 0));
		json_array_append_new(list, v);
	}
	pthread_mutex_unlock(&en->volumes_lock);
	json_array_foreach(list, i, v) {
		cleanup_free char *data = xasprintf("volumes/%s/_data", json_str(v, "Name", ""));

		bytes = 0;
		fs_tree_usage_at(en->datafd, data, &bytes, &inodes, NULL);
		json_set_int(json_obj(v, "UsageData"), "Size", bytes);
	}
	return list;
}
