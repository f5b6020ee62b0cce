/* SPDX-License-Identifier: MIT */
/*
 * core/storage/rootfs.c - root filesystems of containers
 *
 * Theory of operation
 *   <driver>/rootfs/<id>/ holds rootfs.json, which names the image's top layer, and what the driver
 *   makes beside it.  It appears by one rename and goes by one.  What lies below is found through
 *   the layers' own files each time: they never change.
 */
#include "storage/driver.h"
#include "storage/lookup.h"
#include "storage/tree.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOTFS_PATH_MAX 288 /* "rootfs/", an id, "/rootfs.json" */
#define ID_MAX 255

static int rootfs_path(const char *id, const char *rest, char out[ROOTFS_PATH_MAX], struct err *e)
{
	size_t n = strlen(id);

	if (!n || n > ID_MAX || *id == '.' ||
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != n)
		return err_kind(e, ERR_INVALID, "bad id '%s'", id);
	snprintf(out, ROOTFS_PATH_MAX, "rootfs/%s%s", id, rest);
	return 0;
}

/* --- making and removing --- */

static int fill(const struct store *s, int dir, const char *chain, struct err *e)
{
	cleanup_json json_t *j = json_object();
	struct lowers l;
	int rc;

	json_set_str(j, "chain", chain ? chain : "");
	if (layer_lowers(s, chain, &l, e))
		return -1;
	rc = s->driver->create(dir, &l, s->single_id, e);
	lowers_release(&l);
	return rc ? -1 : json_save_at(dir, "rootfs.json", j, 0, e);
}

int rootfs_create(struct store *s, const char *id, const char *chain, struct err *e)
{
	cleanup_close int tmp = -1, dir = -1;
	char path[ROOTFS_PATH_MAX], name[64];
	int rc;

	if (rootfs_path(id, "", path, e))
		return -1;
	if (fs_exists_at(s->driverfd, path))
		return err_kind(e, ERR_CONFLICT, "root filesystem %s exists already", id);
	if (store_draft(s, "rootfs", name, e))
		return -1;
	tmp = store_tmpfd(s);
	dir = tmp < 0 ? -1 : openat(tmp, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = dir < 0 ? err_set(e, errno, "opening %s/tmp/%s", s->root, name) : fill(s, dir, chain, e);
	if (!rc && renameat(tmp, name, s->driverfd, path))
		rc = err_set(e, errno, "making root filesystem %s", id);
	if (rc && tmp >= 0)
		fs_remove_tree_at(tmp, name, NULL);
	return rc;
}

int rootfs_remove(struct store *s, const char *id, struct err *e)
{
	char path[ROOTFS_PATH_MAX];
	struct err why = ERR_INIT;

	if (rootfs_path(id, "", path, e))
		return -1;
	if (!store_discard(s, path, &why) || why.kind == ERR_NOT_FOUND)
		return 0;
	if (e)
		*e = why;
	return -1;
}

/* --- using it --- */

struct rootfs {
	int dirfd;
	struct lowers lowers;
	char path[ROOTFS_PATH_MAX];
};

static void rootfs_close(struct rootfs *r)
{
	fd_close(&r->dirfd);
	lowers_release(&r->lowers);
}

static int rootfs_open(const struct store *s, const char *id, struct rootfs *r, struct err *e)
{
	cleanup_json json_t *j = NULL;

	*r = (struct rootfs){ .dirfd = -1 };
	if (rootfs_path(id, "", r->path, e))
		return -1;
	r->dirfd = openat(s->driverfd, r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dirfd < 0)
		return errno == ENOENT ?
			       err_kind(e, ERR_NOT_FOUND, "root filesystem %s does not exist", id) :
			       err_set(e, errno, "opening %s/%s/%s", s->root, s->driver->name, r->path);
	j = json_load_at(r->dirfd, "rootfs.json", 4096, e);
	if (j && !layer_lowers(s, json_str(j, "chain", ""), &r->lowers, e))
		return 0;
	rootfs_close(r);
	return err_wrap(e, "root filesystem %s", id);
}

json_t *rootfs_describe(struct store *s, const char *id, struct err *e)
{
	cleanup_free char *path = NULL;
	struct rootfs r;
	json_t *desc;

	if (rootfs_open(s, id, &r, e))
		return NULL;
	desc = json_object();
	path = xasprintf("%s/%s/%s", s->root, s->driver->name, r.path);
	json_set_str(desc, "driver", s->driver->name);
	s->driver->describe(path, &r.lowers, desc);
	rootfs_close(&r);
	return desc;
}

json_t *layer_describe(struct store *s, const char *chain, struct err *e)
{
	struct lowers l;
	json_t *desc;

	if (s->driver != &overlay_driver) {
		err_kind(e, ERR_NOT_SUPPORTED, "the storage driver %s cannot mount an image without a container",
			s->driver->name);
		return NULL;
	}
	if (layer_lowers(s, chain, &l, e))
		return NULL;
	desc = json_object();
	json_set_str(desc, "driver", s->driver->name);
	s->driver->describe("", &l, desc);
	json_object_del(desc, "upper");
	json_object_del(desc, "work");
	json_array_remove(json_arr(desc, "lower"), l.n - 1); /* the init layer: this is no container */
	lowers_release(&l);
	return desc;
}

bool rootfs_has_file(struct store *s, const char *id, const char *path)
{
	struct lookup *l = NULL;
	struct rootfs r;
	struct stat st;
	bool file = false;

	if (rootfs_open(s, id, &r, NULL))
		return false;
	l = lookup_open(&r.lowers, NULL);
	file = l && lookup_stat(l, path, &st) && S_ISREG(st.st_mode);
	lookup_close(l);
	rootfs_close(&r);
	return file;
}

int rootfs_usage(struct store *s, const char *id, int64_t *bytes, int64_t *inodes, struct err *e)
{
	struct rootfs r;
	int rc;

	if (rootfs_open(s, id, &r, e))
		return -1;
	rc = s->driver->usage(r.dirfd, bytes, inodes, e);
	rootfs_close(&r);
	return rc;
}

void change_add(json_t *out, const char *path, int kind)
{
	cleanup_free char *rooted = xasprintf("/%s", path);
	json_t *change = json_object();

	json_set_str(change, "Path", rooted);
	json_set_int(change, "Kind", kind);
	json_array_append_new(out, change);
}

static int by_path(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;

	return tree_path_cmp(json_str(*x, "Path", ""), json_str(*y, "Path", ""));
}

static json_t *sorted(const json_t *changes)
{
	size_t i, n = json_array_size(changes);
	cleanup_free json_t **at = xcalloc(n, sizeof(json_t *));
	json_t *out = json_array();

	for (i = 0; i < n; i++)
		at[i] = json_array_get(changes, i);
	if (n)
		qsort(at, n, sizeof(*at), by_path);
	for (i = 0; i < n; i++)
		json_array_append(out, at[i]);
	return out;
}

json_t *rootfs_changes(struct store *s, const char *id, struct err *e)
{
	cleanup_json json_t *found = json_array();
	struct rootfs r;
	int rc;

	if (rootfs_open(s, id, &r, e))
		return NULL;
	rc = s->driver->changes(r.dirfd, &r.lowers, found, e);
	rootfs_close(&r);
	return rc ? NULL : sorted(found);
}

int rootfs_pack_changes(struct store *s, const char *id, int fd, struct err *e)
{
	struct tar_writer *w;
	struct rootfs r;
	int rc;

	if (rootfs_open(s, id, &r, e))
		return -1;
	w = tar_writer_new(fd);
	rc = s->driver->pack(r.dirfd, &r.lowers, w, e);
	if (!rc)
		rc = tar_write_end(w, e);
	tar_writer_free(w);
	rootfs_close(&r);
	return rc;
}

/* --- mounting --- */

/* mount_setattr(2), Linux 5.12; <linux/mount.h> does not go together with every <sys/mount.h>. */
struct attr {
	uint64_t set, clear, propagation, userns_fd;
};
#define ATTR_RDONLY 1

/* For this mount alone, not for its file system; the other flags stay as they are. */
static int make_readonly(const char *target, struct err *e)
{
	struct attr attr = { .set = ATTR_RDONLY };
	struct statvfs fs;

	if (!syscall(SYS_mount_setattr, AT_FDCWD, target, 0, &attr, sizeof(attr)))
		return 0;
	/* A remount has to repeat the flags that a user namespace may not take away; ST_NOSUID to
	 * ST_NOEXEC and ST_NOATIME to ST_RELATIME are numbered as MS_*, but for the last. */
	if (errno != ENOSYS || statvfs(target, &fs) ||
		mount(NULL, target, NULL,
			MS_REMOUNT | MS_BIND | MS_RDONLY | (fs.f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)) |
				(fs.f_flag & (MS_NOATIME | MS_NODIRATIME)) |
				(fs.f_flag & ST_RELATIME ? MS_RELATIME : 0),
			NULL))
		return err_set(e, errno, "making %s read-only", target);
	return 0;
}

bool rootfs_is_served(const json_t *desc)
{
	const struct driver *d = driver_by_name(json_str(desc, "driver", ""));

	return d && d->serve;
}

int rootfs_serve(const json_t *desc, struct err *e)
{
	const struct driver *d = driver_by_name(json_str(desc, "driver", ""));

	return d && d->serve ? d->serve(desc, e) : err_set(e, EINVAL, "serving a root filesystem");
}

int rootfs_mount(const json_t *desc, const char *target, bool readonly, struct err *e)
{
	const char *name = json_str(desc, "driver", "");
	const struct driver *d = driver_by_name(name);

	if (!d)
		return err_set(e, 0, "mounting a root filesystem: storage driver '%s' is not known", name);
	if (d->mount(desc, target, e))
		return -1;
	return readonly ? make_readonly(target, e) : 0;
}
