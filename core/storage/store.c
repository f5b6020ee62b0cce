/* SPDX-License-Identifier: MIT */
/*
 * core/storage/store.c - open the store, choosing the driver by trying
 *
 * Theory of operation
 *   A driver that has layers stays the driver: trying again could choose another one after a kernel
 *   or a mount option changed, and the user's images would seem gone.  Only where there are none,
 *   or where the user names one, is there a choice; then drivers[] are tried in order.
 *
 *   Everything is made as a draft in tmp/ and moved to its place; what goes away is moved there
 *   first.  So a crash leaves only tmp/ to be cleaned, which the engine does when it starts.
 */
#include "storage/driver.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct driver *const drivers[] = { &overlay_driver, &fuse_driver, &btrfs_driver, &vfs_driver };

/* --- file systems --- */

/* statfs(2)'s f_type, by the names `docker info` uses. */
static const struct fs_type {
	unsigned int magic;
	const char *name;
	bool remote; /* no owners, locks or attributes we could rely on */
} fs_types[] = {
	{ 0xef53, "extfs", false },	     { 0x58465342, "xfs", false },
	{ 0x9123683e, "btrfs", false },	     { 0x01021994, "tmpfs", false },
	{ 0x2fc12fc1, "zfs", false },	     { 0xf2f52010, "f2fs", false },
	{ 0x794c7630, "overlayfs", false },  { 0xca451a4e, "bcachefs", false },
	{ 0x65735546, "fuse", false },	     { 0x01021997, "9p", false },
	{ 0x6a656a63, "virtiofs", false },   { 0xf15f, "ecryptfs", false },
	{ 0x52654973, "reiserfs", false },   { 0x3153464a, "jfs", false },
	{ 0x6969, "nfs", true },	     { 0xff534d42, "cifs", true },
	{ 0xfe534d42, "smb2", true },	     { 0x517b, "smb", true },
	{ 0x5346414f, "afs", true },	     { 0x73757245, "coda", true },
	{ 0x0bd00bd0, "lustre", true },	     { 0x00c36400, "ceph", true },
	{ 0x47504653, "gpfs", true },	     { 0x7461636f, "ocfs2", false },
	{ 0x01161970, "gfs2", false },	     { 0x6b414653, "afs", true },
};

static const struct fs_type *fs_type_by(unsigned int magic)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fs_types); i++)
		if (magic == fs_types[i].magic)
			return &fs_types[i];
	return NULL;
}

static const struct fs_type *fs_type_of(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) ? NULL : fs_type_by((unsigned int)fs.f_type);
}

int store_refuse_remote(unsigned int magic, const char *root, struct err *e)
{
	const struct fs_type *t = fs_type_by(magic);

	if (!t || !t->remote)
		return 0;
	err_kind(e, ERR_NOT_SUPPORTED, "data-root %s is on %s, which cannot hold images: it does not keep "
		"the owners of files of subordinate ids", root, t->name);
	return err_hint(e, "put {\"data-root\":\"/somewhere-out-of-%s\"} into "
		"~/.config/docker/daemon.json, with a directory on a local disk", t->name);
}

/* --- drafts --- */

int store_tmpfd(const struct store *s)
{
	return openat(s->datafd, "tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int store_draft(const struct store *s, const char *kind, char *name, struct err *e)
{
	cleanup_close int tmp = store_tmpfd(s);
	unsigned char nonce[8];
	char digits[17];

	if (tmp < 0)
		return err_set(e, errno, "opening %s/tmp", s->root);
	random_bytes(nonce, sizeof(nonce));
	hex_encode(nonce, sizeof(nonce), digits);
	snprintf(name, 64, "%s%s-%s", s->draft_prefix, kind, digits);
	if (mkdirat(tmp, name, 0700))
		return err_set(e, errno, "making %s/tmp/%s", s->root, name);
	return 0;
}

static void drop(const struct store *s, int tmp, const char *name)
{
	cleanup_close int dir = s->driver->drop ? openat(tmp, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir >= 0)
		s->driver->drop(dir);
}

int store_discard(const struct store *s, const char *path, struct err *e)
{
	cleanup_close int tmp = store_tmpfd(s);
	char name[64];

	if (tmp < 0 || store_draft(s, "gone", name, e))
		return tmp < 0 ? err_set(e, errno, "opening %s/tmp", s->root) : -1;
	if (renameat(s->driverfd, path, tmp, name)) {
		int code = errno;

		unlinkat(tmp, name, AT_REMOVEDIR);
		err_set(e, code, "removing %s", path);
		if (e && code == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	drop(s, tmp, name);
	return fs_remove_tree_at(tmp, name, e);
}

/* Tell ext4 that what is made in tmp/ has nothing to do with each other (chattr +T): each draft then
 * begins in another part of the disk.  Layers unpacked side by side do not wait for one another there,
 * and new inodes are not looked for among those just deleted, which ext4 passes over one by one for
 * a minute or more (recently_deleted() in fs/ext4/ialloc.c): that took half the time of a pull.  Other
 * file systems do not know the flag and do without. */
static void spread_drafts(const struct store *s)
{
	cleanup_close int fd = openat(s->datafd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return;
	flags |= FS_TOPDIR_FL;
	(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* --- choosing --- */

/*
 * What worked once works until the machine starts again: <driver>/works holds the id of the boot it was
 * tried in.  Each worker opens the store; only the first process after a boot makes and mounts things.
 */
static bool stamp_text(struct buf *text)
{
	return !file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, text, NULL);
}

static bool worked_before(const struct store *s, const struct driver *d)
{
	cleanup_buf struct buf boot = BUF_INIT, stamp = BUF_INIT;
	cleanup_free char *path = xasprintf("%s/works", d->name);

	/* A device's mode and a mount's options may have changed since. */
	return !d->serve && !d->drop && stamp_text(&boot) && !file_read_at(s->datafd, path, 64, &stamp, NULL) &&
	       !strcmp(boot.p, stamp.p);
}

static void note_works(const struct store *s)
{
	cleanup_buf struct buf boot = BUF_INIT;

	if (!worked_before(s, s->driver) && stamp_text(&boot))
		file_write_at(s->driverfd, "works", boot.p, boot.n, 0600, 0, NULL);
}

static int probe(struct store *s, const struct driver *d, struct err *e)
{
	cleanup_close int tmp = store_tmpfd(s), dir = -1;
	cleanup_free char *path = NULL;
	char name[64];
	int rc = -1;

	if (worked_before(s, d))
		return 0;
	if (tmp < 0)
		return err_set(e, errno, "opening %s/tmp", s->root);
	if (store_draft(s, "probe", name, e))
		return -1;
	path = xasprintf("%s/tmp/%s", s->root, name);
	dir = openat(tmp, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err_set(e, errno, "opening %s", path);
	else
		rc = d->probe(dir, path, s->single_id, e);
	fs_remove_tree_at(tmp, name, NULL);
	return rc;
}

static bool has_data(const struct store *s, const struct driver *d)
{
	char path[64];
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	snprintf(path, sizeof(path), "%s/layers", d->name);
	fd = openat(s->datafd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (is_hex64(entry->d_name))
			return true;
	return false;
}

const struct driver *driver_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

static const struct driver *find_driver(const char *name, struct err *e)
{
	const struct driver *d = driver_by_name(name);

	if (d)
		return d;
	err_kind(e, ERR_INVALID, "storage driver %s is not known", name);
	err_hint(e, "leave storage-driver out to have the best one chosen, or name overlay2, fuse-overlayfs, btrfs or vfs");
	return NULL;
}

/* The one driver it has to be. */
static int take_driver(struct store *s, const struct driver *d, const char *why, struct err *e)
{
	if (!d)
		return -1;
	if (probe(s, d, e)) {
		char hint[sizeof(e->hint)];

		if (!e)
			return -1;
		memcpy(hint, e->hint, sizeof(hint));
		err_wrap(e, "storage driver %s, %s, does not work here", d->name, why);
		memcpy(e->hint, hint, sizeof(hint));
		return -1;
	}
	s->driver = d;
	return 0;
}

static int choose(struct store *s, const char *want, struct err *e)
{
	size_t i;

	if (want && *want)
		return take_driver(s, find_driver(want, e), "which storage-driver asks for", e);
	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (has_data(s, drivers[i]))
			return take_driver(s, drivers[i], "which holds the images of this data-root", e);
	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		struct err why = ERR_INIT;

		if (!probe(s, drivers[i], &why)) {
			s->driver = drivers[i];
			return 0;
		}
		log_warn("storage driver %s does not work here: %s", drivers[i]->name, why.msg);
		if (why.hint[0])
			log_warn("hint: %s", why.hint);
		if (e)
			*e = why;
	}
	return err_wrap(e, "no storage driver works on %s", s->root);
}

/* --- opening --- */

/* Is only one id mapped?  Outside of user namespaces all are. */
static bool one_id_only(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned int inside, outside, count;

	return !file_read_at(AT_FDCWD, "/proc/self/uid_map", 1 << 16, &text, NULL) &&
	       sscanf(text.p, "%u %u %u", &inside, &outside, &count) == 3 && count == 1 &&
	       !strchr(text.p + strcspn(text.p, "\n") + (strchr(text.p, '\n') != NULL), '\n');
}

static int make_dir(int dirfd, const char *path, mode_t mode, const char *root, struct err *e)
{
	if (mkdirat(dirfd, path, mode) && errno != EEXIST)
		return err_set(e, errno, "making %s/%s", root, path);
	return 0;
}

/* The init layer appears whole; another process may be faster. */
static int make_init_layer(struct store *s, struct err *e)
{
	cleanup_close int tmp = -1, dir = -1;
	char name[64];
	int rc = -1;

	if (fs_exists_at(s->driverfd, "init"))
		return 0;
	if (store_draft(s, "init", name, e))
		return -1;
	tmp = store_tmpfd(s);
	dir = openat(tmp, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tmp < 0 || dir < 0 || fchmod(dir, 0755))
		err_set(e, errno, "opening %s/tmp/%s", s->root, name);
	else
		rc = init_layer_make(dir, e);
	if (!rc && renameat(tmp, name, s->driverfd, "init") && errno != EEXIST && errno != ENOTEMPTY)
		rc = err_set(e, errno, "making %s/%s/init", s->root, s->driver->name);
	if (tmp >= 0)
		fs_remove_tree_at(tmp, name, NULL);
	return rc;
}

char *store_init_file(const struct store *s, const char *name)
{
	return xasprintf("%s/%s/init/%s", s->root, s->driver->name, name);
}

static int open_driver(struct store *s, struct err *e)
{
	const char *name = s->driver->name;

	if (make_dir(s->datafd, name, 0710, s->root, e))
		return -1;
	s->driverfd = openat(s->datafd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->driverfd < 0)
		return err_set(e, errno, "opening %s/%s", s->root, name);
	if (make_dir(s->driverfd, "layers", 0700, s->root, e) ||
		make_dir(s->driverfd, "rootfs", 0700, s->root, e) || make_init_layer(s, e))
		return -1;
	note_works(s);
	return 0;
}

int store_open(struct store *s, int datafd, const char *root, const char *want, struct err *e)
{
	struct statfs fs;

	*s = (struct store){ .datafd = datafd, .driverfd = -1, .root = xstrdup(root) };
	s->single_id = one_id_only();
	if (!fstatfs(datafd, &fs) && store_refuse_remote((unsigned int)fs.f_type, root, e))
		goto failed;
	if (!make_dir(datafd, "tmp", 0700, root, e) && !choose(s, want, e) && !open_driver(s, e)) {
		spread_drafts(s);
		return 0;
	}
failed:
	store_close(s);
	return -1;
}

int store_attach(struct store *s, int datafd, const char *root, const char *driver, const char *prefix,
	struct err *e)
{
	*s = (struct store){ .datafd = datafd, .driverfd = -1, .root = xstrdup(root) };
	s->single_id = one_id_only();
	snprintf(s->draft_prefix, sizeof(s->draft_prefix), "%s", prefix);
	s->driver = find_driver(driver, e);
	if (s->driver && !open_driver(s, e))
		return 0;
	store_close(s);
	return -1;
}

void store_close(struct store *s)
{
	fd_close(&s->driverfd);
	free(s->root);
	s->root = NULL;
}

const char *store_driver_name(const struct store *s)
{
	return s->driver->name;
}

void status_add(json_t *out, const char *name, const char *value)
{
	json_t *pair = json_array();

	json_append_str(pair, name);
	json_append_str(pair, value);
	json_array_append_new(out, pair);
}

json_t *store_status(const struct store *s)
{
	const struct fs_type *t = fs_type_of(s->datafd);
	json_t *out = json_array();

	s->driver->status(t ? t->name : "<unknown>", out);
	return out;
}

bool store_layers_independent(const struct store *s)
{
	(void)s; /* all drivers keep layers as what they change, and join them later */
	return true;
}
