/* SPDX-License-Identifier: MIT */
/*
 * core/engine/spec_mounts.c - the mounts of a spec
 *
 * Theory of operation
 *   First what every container has, then what was asked for, each list from the shallowest
 *   destination to the deepest: a mount at /a must not hide one at /a/b.  A default mount whose
 *   destination was asked for is left out, and so are those below /dev if /dev was.
 *
 *   Two things cannot be named by a path that means the same later: a directory inside a volume
 *   (symbolic links in it are the container's to change) and the /dev/shm that others may join.
 *   The engine mounts these in <exec-root>/<id>/mounts, and the container gets a bind of that.
 */
#include "base/fs.h"
#include "base/log.h"
#include "engine/mounts.h"
#include "engine/spec.h"
#include "engine/validate.h"
#include "engine/volume.h"
#include "net/netd.h"
#include "net/netns.h"
#include "ns/cage.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16 << 20) /* bytes */

/* --- OCI mounts ----------------------------------------------------------------------------- */

/* A destination may be relative (VOLUME in an image): to the root, as all are. */
static json_t *mount_of(const char *destination, const char *type, const char *source, const char *options)
{
	cleanup_free char *at = xasprintf("%s%s", *destination == '/' ? "" : "/", destination);
	json_t *list = json_array();
	struct span rest = span_of(options), word;

	while (span_token(&rest, ',', &word))
		if (word.n)
			json_array_append_new(list, json_textn(word.p, word.n));
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", at, "type", type, "source", source,
		"options", list);
}

static const char *errno_words(char out[static 128])
{
	snprintf(out, 128, "%s", strerror(errno));
	out[0] = (char)tolower((unsigned char)out[0]);
	return out;
}

/* --- our own mounts, in <exec-root>/<id>/mounts ---------------------------------------------- */

static char *own_place(struct engine *en, const char *id, const char *name)
{
	return xasprintf("%s/%s/mounts/%s", en->config.exec_root, id, name);
}

static int own_dir(struct start *s, const char *name, struct err *e)
{
	cleanup_free char *at = xasprintf("mounts/%s", name);

	return fs_mkdir_p_at(s->dirfd, at, 0711, e);
}

static void unmount(const char *at)
{
	if (umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT)
		log_warn("unmounting %s: %s", at, strerror(errno));
}

void runtime_dir_unmount(struct engine *en, const char *id)
{
	cleanup_free char *dir = own_place(en, id, ""), *netns = xasprintf("%s/%s/netns", en->config.exec_root, id), *userns = xasprintf("%s/%s/userns", en->config.exec_root, id);
	cleanup_closedir DIR *d = opendir(dir);
	struct dirent *de;

	unmount(netns);
	unmount(userns);
	while (d && (de = readdir(d))) {
		cleanup_free char *at = xasprintf("%s%s", dir, de->d_name);

		if (de->d_name[0] != '.')
			unmount(at);
	}
}

/* A directory or file inside a volume, whatever its links say, as a mount of its own. */
static int bind_subpath(struct start *s, const char *volume, const char *subpath, char **source,
	struct err *e)
{
	cleanup_close int root = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char name[24], self[40], words[128];
	struct stat st;
	int target;

	fd = root < 0 ? -1 : fs_open_in_root(root, subpath, O_PATH | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st))
		return err_kind(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
			"cannot access path %s/%s: lstat %s/%s: %s", volume, subpath, volume, subpath,
			errno_words(words));
	snprintf(name, sizeof(name), "%zu", s->n_binds++);
	*source = own_place(s->en, s->c->id, name);
	if (own_dir(s, S_ISDIR(st.st_mode) ? name : "", e))
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		target = open(*source, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		fd_close(&target);
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (mount(self, *source, NULL, MS_BIND | MS_REC, NULL))
		return err_set(e, errno, "binding %s/%s", volume, subpath);
	return 0;
}

/* --- propagation ---------------------------------------------------------------------------- */

/* The mount point that holds @path, and its optional fields ("shared:1 master:2"); proc(5). */
static void mount_holding(const char *path, char **point, char **fields)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, word;
	size_t best = 0, len;
	int i;

	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL))
		return;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		for (i = 0; i < 5 && span_token(&line, ' ', &word); i++)
			;
		len = word.n;
		if (strncmp(path, word.p, len) || (len > 1 && path[len] && path[len] != '/') || len < best)
			continue;
		best = len;
		free(*point);
		free(*fields);
		*point = span_dup(word);
		span_token(&line, ' ', &word); /* mount options */
		*fields = span_dup(line);
		if (strstr(*fields, " - "))
			*strstr(*fields, " - ") = 0;
	}
}

static int check_propagation(const struct engine *en, const char *source, const char *mode,
	const char **propagation, struct err *e)
{
	bool shared = strstr(mode, "shared"), slave = strstr(mode, "slave");
	cleanup_free char *point = NULL, *fields = NULL;

	if (!shared && !slave)
		return 0;
	mount_holding(source, &point, &fields);
	if (shared && (!fields || !strstr(fields, "shared:")))
		return err_set(e, 0, "path %s is mounted on %s but it is not a shared mount", source,
			point ? point : "/");
	if (slave && (!fields || (!strstr(fields, "shared:") && !strstr(fields, "master:")))) {
		if (mounts_near_data(en, source))
			return 0; /* nobody asked for that: it is our default there */
		return err_set(e, 0, "path %s is mounted on %s but it is not a shared or slave mount", source,
			point ? point : "/");
	}
	if (shared)
		*propagation = "shared";
	else if (!*propagation)
		*propagation = "rslave";
	return 0;
}

/* --- what was asked for ---------------------------------------------------------------------- */

static int make_source(const char *source, bool create, struct err *e)
{
	struct err why;
	char words[128];

	if (fs_exists_at(AT_FDCWD, source))
		return 0;
	if (!create)
		return err_kind(e, ERR_INVALID,
			"invalid mount config for type \"bind\": bind source path does not exist: %s", source);
	if (!fs_mkdir_p_at(AT_FDCWD, source, 0755, &why))
		return 0;
	errno = why.code;
	return err_set(e, 0, "error while creating mount source path '%s': mkdir %s: %s", source, source,
		errno_words(words));
}

/* Read-only means all that is mounted below, too (Docker 25), unless that was asked for. */
static const char *access_of(const json_t *p)
{
	if (json_bool(p, "RW", true))
		return "rw";
	return json_bool(p, "ro_flat", false) ? "ro" : "rro";
}

static json_t *point_image(struct start *s, const json_t *p, struct err *e)
{
	json_t *desc = layer_describe(&s->en->store, json_str(p, "layer", ""), e), *m;
	cleanup_free char *empty = NULL;

	if (!desc)
		return NULL;
	/* An overlay for reading has at least two layers. */
	if (json_array_size(json_arr(desc, "lower")) < 2) {
		empty = own_place(s->en, s->c->id, "empty");
		if (own_dir(s, "empty", e)) {
			json_decref(desc);
			return NULL;
		}
		json_append_str(json_arr(desc, "lower"), empty);
	}
	m = mount_of(json_str(p, "Destination", ""), "image", json_str(p, "image", ""), "ro");
	json_set_new(m, "x-rootfs", desc);
	if (json_str(p, "subpath", NULL))
		json_set_str(m, "x-subpath", json_str(p, "subpath", ""));
	return m;
}

static json_t *point_bind(struct start *s, const json_t *p, const char **propagation, struct err *e)
{
	const char *source = json_str(p, "Source", ""), *mode = json_str(p, "Propagation", "rprivate");
	cleanup_free char *options = NULL;

	if (make_source(source, json_bool(p, "create", false), e) ||
		check_propagation(s->en, source, mode, propagation, e))
		return NULL;
	options = xasprintf("%s,%s,%s", json_bool(p, "flat", false) ? "bind" : "rbind", mode, access_of(p));
	return mount_of(json_str(p, "Destination", ""), "bind", source, options);
}

static json_t *point_volume(struct start *s, const json_t *p, struct err *e)
{
	const char *subpath = json_str(p, "subpath", NULL);
	cleanup_free char *path = volume_path(s->en, json_str(p, "Name", ""));
	char *inside;

	if (subpath) {
		inside = NULL;
		if (bind_subpath(s, path, subpath, &inside, e)) {
			free(inside);
			return NULL;
		}
		free(path);
		path = inside;
	}
	return mount_of(json_str(p, "Destination", ""), "bind", path,
		json_bool(p, "RW", true) ? "rbind,rprivate,rw" : "rbind,rprivate,rro");
}

static json_t *tmpfs(const char *destination, const char *options, bool ro, struct err *e)
{
	json_t *list = mounts_tmpfs_options(options, e);

	if (!list)
		return NULL;
	if (ro)
		json_append_str(list, "ro");
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", "tmpfs", "source", "tmpfs",
		"options", list);
}

static json_t *point_of(struct start *s, const json_t *p, const char **propagation, struct err *e)
{
	const char *type = json_str(p, "Type", "");

	if (!strcmp(type, "bind"))
		return point_bind(s, p, propagation, e);
	if (!strcmp(type, "volume"))
		return point_volume(s, p, e);
	if (!strcmp(type, "image"))
		return point_image(s, p, e);
	return tmpfs(json_str(p, "Destination", ""), json_str(p, "options", ""), !json_bool(p, "RW", true), e);
}

static bool asked_for(const json_t *list, const char *destination)
{
	const json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
		if (!strcmp(json_str(m, "destination", ""), destination))
			return true;
	return false;
}

/* The files of files.c, where nothing else was asked for; read-only with the root. */
static void add_files(struct start *s, json_t *list)
{
	static const char *const names[] = {"resolv.conf", "hostname", "hosts"};
	struct container *owner = s->net && !spec_host_network(s) ? s->net : s->c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = container_path(s->en, owner, names[i]);
		cleanup_free char *at = xasprintf("/etc/%s", names[i]);

		if (json_bool(s->c->config, "NetworkDisabled", false) && strcmp(names[i], "hostname"))
			continue; /* the image's own */
		if (!asked_for(list, at))
			json_array_append_new(list,
				mount_of(at, "bind", path,
					json_bool(s->host, "ReadonlyRootfs", false) ? "rbind,rprivate,ro" :
										      "rbind,rprivate,rw"));
	}
}

static json_t *wanted(struct start *s, const char **propagation, struct err *e)
{
	json_t *list = json_array(), *m, *v;
	const json_t *p;
	const char *key;
	size_t i;

	json_array_foreach(s->c->mounts, i, p) {
		m = point_of(s, p, propagation, e);
		if (!m)
			goto fail;
		json_array_append_new(list, m);
	}
	json_object_foreach(json_obj(s->host, "Tmpfs"), key, v) {
		cleanup_free char *clean = fs_clean_path(key);

		m = tmpfs(clean, json_string_value(v), false, e);
		if (!m)
			goto fail;
		json_array_append_new(list, m);
	}
	add_files(s, list);
	return list;
fail:
	json_decref(list);
	return NULL;
}

static int depth(const json_t *m)
{
	const char *c;
	int n = 0;

	for (c = json_str(m, "destination", ""); *c; c++)
		n += *c == '/' && c[1];
	return n;
}

/* Stable: what has the same depth stays in the order it was asked for. */
static json_t *by_depth(json_t *list)
{
	json_t *out = json_array(), *m;
	int d, deepest = 0;
	size_t i;

	json_array_foreach(list, i, m)
		if (depth(m) > deepest)
			deepest = depth(m);
	for (d = 0; d <= deepest; d++)
		json_array_foreach(list, i, m)
			if (depth(m) == d)
				json_array_append(out, m);
	json_decref(list);
	return out;
}

/* --- what every container has ----------------------------------------------------------------- */

static int shm_shareable(struct start *s, char **source, struct err *e)
{
	cleanup_free char *options = xasprintf("mode=1777,size=%lld", (long long)json_int(s->host, "ShmSize", 0));

	*source = own_place(s->en, s->c->id, "shm");
	if (own_dir(s, "shm", e))
		return -1;
	if (mount("shm", *source, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		return err_set(e, errno, "mounting a shared /dev/shm");
	return 0;
}

/* /dev/shm: private, of its own but for others to join, another's, the host's, or none. */
static int add_shm(struct start *s, json_t *list, struct err *e)
{
	const char *mode = json_str(s->host, "IpcMode", "private");
	cleanup_free char *source = NULL, *options = NULL;

	if (!strcmp(mode, "none"))
		return 0;
	if (!strcmp(mode, "shareable")) {
		if (shm_shareable(s, &source, e))
			return -1;
	} else if (s->ipc) {
		source = own_place(s->en, s->ipc->id, "shm");
		if (!fs_exists_at(AT_FDCWD, source))
			return err_kind(e, ERR_INVALID,
				"failed to join IPC namespace: container %s: non-shareable IPC (hint: use "
				"IpcMode:shareable for the donor container)",
				s->ipc->id);
	} else if (!strcmp(mode, "host")) {
		source = xstrdup("/dev/shm");
	}
	if (source) {
		json_array_append_new(list, mount_of("/dev/shm", "bind", source, "rbind,rprivate"));
		return 0;
	}
	options = xasprintf("nosuid,noexec,nodev,mode=1777,size=%lld",
		(long long)json_int(s->host, "ShmSize", 0));
	json_array_append_new(list, mount_of("/dev/shm", "tmpfs", "shm", options));
	return 0;
}

static int mount_sysfs(void *at, struct err *e)
{
	return mount("sysfs", at, "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) ? err_set(e, errno, "mounting a sysfs") : 0;
}

/* The network it joins: another container's, or that of the bridges. */
static int joined_network(const struct start *s)
{
	char path[64];

	if (spec_engine_network(s))
		return s->en->netd ? fcntl(netd_netns(s->en->netd), F_DUPFD_CLOEXEC, 0) : -1;
	if (!s->net)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)s->net->pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* In a user namespace of its own (ns/cage.h) it cannot mount the sysfs of a network that it only joins: that is not
 * its own.  We can, and it is bound.  NULL with @e. */
static json_t *sys_mount(struct start *s, const char *options, const char *bind_options, struct err *e)
{
	cleanup_close int netns = cage_owner(s->dirfd) < 0 ? -1 : joined_network(s);
	cleanup_free char *at = NULL;
	char name[24];

	if (netns < 0)
		return mount_of("/sys", "sysfs", "sysfs", options);
	snprintf(name, sizeof(name), "%zu", s->n_binds++);
	at = own_place(s->en, s->c->id, name);
	if (own_dir(s, name, e) || netns_run(netns, mount_sysfs, at, e))
		return NULL;
	return mount_of("/sys", "bind", at, bind_options);
}

static json_t *defaults(struct start *s, struct err *e)
{
	bool privileged = json_bool(s->host, "Privileged", false);
	bool host_ipc = !strcmp(json_str(s->host, "IpcMode", ""), "host");
	const char *ro = privileged ? "rw" : "ro";
	cleanup_free char *sys = xasprintf("nosuid,noexec,nodev,%s", ro);
	cleanup_free char *sys_bind = xasprintf("rbind,rslave,nosuid,noexec,nodev,%s", ro);
	json_t *list = json_array(), *sysfs;

	/* A proc or sysfs shows the namespaces of whoever mounts it, and only their owner may: for
	 * those of the host there is a bind of the host's. */
	if (!strcmp(json_str(s->host, "PidMode", ""), "host"))
		json_array_append_new(list, mount_of("/proc", "bind", "/proc", "rbind,rslave,nosuid,noexec,nodev"));
	else
		json_array_append_new(list, mount_of("/proc", "proc", "proc", "nosuid,noexec,nodev"));
	json_array_append_new(list,
		mount_of("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"));
	json_array_append_new(list,
		mount_of("/dev/pts", "devpts", "devpts",
			s->en->config.single_id ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620" :
						  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"));
	if (spec_host_network(s) && !spec_engine_network(s)) {
		json_array_append_new(list, mount_of("/sys", "bind", "/sys", sys_bind));
	} else {
		sysfs = sys_mount(s, sys, sys_bind, e);
		if (!sysfs)
			goto fail;
		json_array_append_new(list, sysfs);
		json_array_append_new(list, mount_of("/sys/fs/cgroup", "cgroup", "cgroup", sys));
	}
	if (!host_ipc)
		json_array_append_new(list, mount_of("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"));
	else if (fs_exists_at(AT_FDCWD, "/dev/mqueue"))
		json_array_append_new(list, mount_of("/dev/mqueue", "bind", "/dev/mqueue", "rbind,rprivate"));
	if (!add_shm(s, list, e))
		return list;
fail:
	json_decref(list);
	return NULL;
}

json_t *spec_mounts(struct start *s, const char **propagation, struct err *e)
{
	json_t *asked = wanted(s, propagation, e), *list, *out, *m;
	bool dev;
	size_t i;

	if (!asked)
		return NULL;
	list = defaults(s, e);
	if (!list) {
		json_decref(asked);
		return NULL;
	}
	dev = asked_for(asked, "/dev");
	out = json_array();
	json_array_foreach(list, i, m) {
		const char *at = json_str(m, "destination", "");

		if (!asked_for(asked, at) && !(dev && !strncmp(at, "/dev/", 5)))
			json_array_append(out, m);
	}
	json_decref(list);
	asked = by_depth(asked);
	json_array_extend(out, asked);
	json_decref(asked);
	return out;
}
