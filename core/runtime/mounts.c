/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/mounts.c - one mount of the spec, from words to a mounted file system
 *
 * Theory of operation
 *   A mount is made detached first (fsopen ... fsmount, or open_tree for a bind), gets its
 *   attributes there, and appears in the container by one move_mount onto the descriptor of its
 *   mount point: it is never visible with the wrong flags, and no path is resolved twice.  (A bind on
 *   a kernel before 5.12 gets them right after that: mountattr.c.)
 *
 *   Options are those of mount(8): some are attributes of the mount, some say how it propagates,
 *   the rest belongs to the file system.  An "r" before an attribute makes it recursive (OCI).
 *   Attributes that are not named stay as they are on a bind: those that came from outside are
 *   locked in a user namespace (mount_namespaces(7)) and asking to clear them would fail.
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "runtime/inside.h"
#include "storage/storage.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define DATA_MAX 64 /* file system options of one mount */
#define PROC_MAGIC 0x9fa0
#define PROC_ROOT_INO 1

struct options {
	bool bind, recursive;
	struct mnt_attr attr, rattr; /* of the mount, and of it with all below */
	unsigned long propagation;
	const char *data[DATA_MAX];
	size_t n_data;
};

static const struct {
	const char *name;
	uint32_t set, clear;
} attributes[] = {
	{ "ro", MNT_RDONLY, 0 }, { "rw", 0, MNT_RDONLY },
	{ "nosuid", MNT_NOSUID, 0 }, { "suid", 0, MNT_NOSUID },
	{ "nodev", MNT_NODEV, 0 }, { "dev", 0, MNT_NODEV },
	{ "noexec", MNT_NOEXEC, 0 }, { "exec", 0, MNT_NOEXEC },
	{ "relatime", MNT_RELATIME, MNT_ATIME }, { "noatime", MNT_NOATIME, MNT_ATIME },
	{ "strictatime", MNT_STRICTATIME, MNT_ATIME }, { "norelatime", MNT_STRICTATIME, MNT_ATIME },
	{ "atime", MNT_RELATIME, MNT_ATIME }, { "nostrictatime", MNT_RELATIME, MNT_ATIME },
	{ "nodiratime", MNT_NODIRATIME, 0 }, { "diratime", 0, MNT_NODIRATIME },
	{ "nosymfollow", MNT_NOSYMFOLLOW, 0 }, { "symfollow", 0, MNT_NOSYMFOLLOW },
};

static const struct {
	const char *name;
	unsigned long flags;
} propagations[] = {
	{ "private", MS_PRIVATE }, { "rprivate", MS_REC | MS_PRIVATE },
	{ "slave", MS_SLAVE }, { "rslave", MS_REC | MS_SLAVE },
	{ "shared", MS_SHARED }, { "rshared", MS_REC | MS_SHARED },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_REC | MS_UNBINDABLE },
};

static bool find_attribute(const char *name, uint32_t *set, uint32_t *clear)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (!strcmp(attributes[i].name, name)) {
			*set = attributes[i].set;
			*clear = attributes[i].clear;
			return true;
		}
	}
	return false;
}

static void apply(struct mnt_attr *a, uint32_t set, uint32_t clear)
{
	a->set = (a->set & ~(uint64_t)clear) | set;
	a->clear = (a->clear & ~(uint64_t)set) | clear;
	if (set & MNT_ATIME || clear & MNT_ATIME)
		a->clear |= MNT_ATIME; /* the kernel wants the whole field named */
}

static bool is_propagation(const char *name, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
		if (!strcmp(propagations[i].name, name)) {
			*flags = propagations[i].flags;
			return true;
		}
	}
	return false;
}

static int parse_options(char *const *v, struct options *o, struct err *e)
{
	uint32_t set, clear;

	for (; v && *v; v++) {
		if (!strcmp(*v, "bind") || !strcmp(*v, "rbind")) {
			o->bind = true;
			o->recursive = **v == 'r';
		} else if (find_attribute(*v, &set, &clear)) {
			apply(&o->attr, set, clear);
		} else if (**v == 'r' && find_attribute(*v + 1, &set, &clear)) {
			apply(&o->rattr, set, clear);
		} else if (!is_propagation(*v, &o->propagation) && strcmp(*v, "defaults")) {
			if (o->n_data == DATA_MAX)
				return err_kind(e, ERR_INVALID, "more than %d mount options", DATA_MAX);
			o->data[o->n_data++] = *v;
		}
	}
	return 0;
}

/* --- where it goes ------------------------------------------------------------------------- */

static bool proc_file_ok(const char *dest)
{
	/* What lxcfs and the like provide; anything else there could fool the runtime or the
	 * container's programs about themselves. */
	static const char *const allowed[] = {
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps",
		"/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled", NULL,
	};

	return str_in(dest, allowed);
}

static bool is_proc_root(int destfd, const char *dest)
{
	cleanup_free char *clean = fs_clean_path(dest);
	struct statfs fs;
	struct stat st;

	if (!strcmp(clean, "/proc"))
		return true;
	return !fstatfs(destfd, &fs) && fs.f_type == PROC_MAGIC && !fstat(destfd, &st) &&
		st.st_ino == PROC_ROOT_INO;
}

/* Nothing but a proc goes over /proc, and next to nothing into it. @tree: what is mounted, or -1. */
static int check_proc(int destfd, int tree, const char *dest, struct err *e)
{
	struct statfs fs;

	if (is_proc_root(destfd, dest)) {
		if (tree >= 0 && !fstatfs(tree, &fs) && fs.f_type == PROC_MAGIC)
			return 0;
		return err_kind(e, ERR_FAILED,
			"create mountpoint for %s mount: check proc-safety of %s mount: \"%s\" cannot be mounted "
			"because it is not of type proc",
			dest, dest, dest);
	}
	if (fstatfs(destfd, &fs) || fs.f_type != PROC_MAGIC || proc_file_ok(dest))
		return 0;
	return err_kind(e, ERR_FAILED,
		"create mountpoint for %s mount: check proc-safety of %s mount: \"%s\" cannot be mounted because "
		"it is inside /proc",
		dest, dest, dest);
}

static int open_destination(int rootfd, const char *dest, bool directory, bool *made,
	struct err *e)
{
	cleanup_close int fd = mountpoint_open(rootfd, dest, directory, made);
	struct stat root, st;

	if (fd < 0)
		return err_errno(e, errno, "create mountpoint for %s mount: make mountpoint \"%s\"", dest, dest);
	/* What is mounted there would be seen by new processes only. */
	if (!fstat(rootfd, &root) && !fstat(fd, &st) && root.st_dev == st.st_dev && root.st_ino == st.st_ino)
		return err_kind(e, ERR_FAILED,
			"create mountpoint for %s mount: mountpoint \"%s\" is on the top of rootfs", dest, dest);
	return fd_steal(&fd);
}

/* --- binds --------------------------------------------------------------------------------- */

static int set_attributes(int tree, const struct options *o)
{
	struct mnt_attr prop = { .propagation = o->propagation & ~(unsigned long)MS_REC };

	if ((o->rattr.set || o->rattr.clear) && mountattr_set(tree, true, &o->rattr))
		return -1;
	if ((o->attr.set || o->attr.clear) && mountattr_set(tree, false, &o->attr)) {
		/* "rw" on what is locked read-only: runc leaves it as it is, too. */
		if (errno != EPERM || o->attr.set)
			return -1;
	}
	if (o->propagation && mountattr_set(tree, o->propagation & MS_REC, &prop))
		return -1;
	return 0;
}

static int attach_with_attributes(int tree, int to, const struct options *o)
{
	if (mountattr_detached())
		return set_attributes(tree, o) || mnt_attach(tree, to) ? -1 : 0;
	return mnt_attach(tree, to) || set_attributes(tree, o) ? -1 : 0;
}

static int bind_failed(const char *source, const char *dest, const struct options *o, int code,
	struct err *e)
{
	return err_errno(e, code, "mount src=%s, dst=%s, flags=MS_BIND%s", source, dest,
		o->recursive ? "|MS_REC" : "");
}

static int do_bind(int rootfd, const char *source, const char *dest, const struct options *o,
	struct err *e)
{
	cleanup_close int tree = -1, to = -1;
	struct stat from_st, to_st;
	bool made;

	tree = mnt_clone_tree(AT_FDCWD, source, o->recursive);
	if (tree < 0 && errno == EINVAL) /* without what is mounted below it, which hides something */
		return bind_failed(source, dest, o, EINVAL, e);
	if (tree < 0)
		return err_errno(e, errno, "failed to fulfil mount request: open %s", source);
	if (fstat(tree, &from_st))
		return err_errno(e, errno, "stat %s", source);
	to = open_destination(rootfd, dest, S_ISDIR(from_st.st_mode), &made, e);
	if (to < 0 || check_proc(to, tree, dest, e))
		return -1;
	if (fstat(to, &to_st))
		return err_errno(e, errno, "stat %s", dest);
	if (S_ISDIR(from_st.st_mode) != S_ISDIR(to_st.st_mode))
		return bind_failed(source, dest, o, ENOTDIR, e);
	if (attach_with_attributes(tree, to, o))
		return bind_failed(source, dest, o, errno, e);
	return 0;
}

int mounts_bind(int rootfd, const char *source, const char *dest, bool recursive, uint64_t attr,
	struct err *e)
{
	struct options o = {
		.recursive = recursive,
		.rattr.set = recursive ? attr : 0,
		.attr.set = recursive ? 0 : attr,
		.propagation = MS_PRIVATE | (recursive ? MS_REC : 0),
	};

	return do_bind(rootfd, source, dest, &o, e);
}

/* --- file systems -------------------------------------------------------------------------- */

/* What the kernel has to say about options it did not take. */
static void add_log(int fsfd, struct err *e)
{
	char line[256];
	ssize_t n = read(fsfd, line, sizeof(line) - 1);
	size_t len;

	if (n <= 2 || !e)
		return;
	line[n] = 0;
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, " (%.*s)", (int)strcspn(line + 2, "\n"), line + 2);
	err_clean(e->msg);
}

static int configure(int fsfd, const char *option)
{
	const char *eq = strchr(option, '=');
	cleanup_free char *key = NULL;

	if (!eq)
		return mnt_fsconfig_flag(fsfd, option);
	key = xstrndup(option, (size_t)(eq - option));
	return mnt_fsconfig_string(fsfd, key, eq + 1);
}

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* A file system context with all options, created. Descriptor, or -1 with @e. */
static int create_fs(const struct spec_mount *m, const char *type, const struct options *o,
	bool without_gid, const char *mode, struct err *e)
{
	cleanup_close int fsfd = mnt_fsopen(type);
	size_t i;

	if (fsfd < 0)
		return err_errno(e, errno, "mount src=%s, dst=%s, type=%s", m->source, m->destination, type);
	if (*m->source && mnt_fsconfig_string(fsfd, "source", m->source))
		goto fail;
	if (*mode && mnt_fsconfig_string(fsfd, "mode", mode))
		goto fail;
	/* The file system itself, not only this mount of it: else a container with CAP_SYS_ADMIN could
	 * mount a new one that is writable (mount_namespaces(7): what is visible must not be more). */
	if ((o->attr.set | o->rattr.set) & MNT_RDONLY && !starts(type, "tmpfs") && mnt_fsconfig_flag(fsfd, "ro"))
		goto fail;
	for (i = 0; i < o->n_data; i++) {
		if (without_gid && starts(o->data[i], "gid="))
			continue;
		if (configure(fsfd, o->data[i])) {
			err_errno(e, errno, "mount src=%s, dst=%s, option %s", m->source, m->destination,
				o->data[i]);
			add_log(fsfd, e);
			return -1;
		}
	}
	if (!mnt_fsconfig_create(fsfd))
		return fd_steal(&fsfd);
fail:
	err_errno(e, errno, "mount src=%s, dst=%s, type=%s", m->source, m->destination, type);
	add_log(fsfd, e);
	return -1;
}

/* proc and sysfs go on directories of the image itself: were /proc a symlink into a volume, then
 * masking /proc/kcore would mask something there (CVE-2019-19921). */
static int check_ordinary(int rootfd, const char *dest, const char *type, struct err *e)
{
	cleanup_free char *clean = fs_clean_path(dest);
	cleanup_close int parent = -1;
	const char *base;
	struct stat st;

	parent = fs_open_parent_in_root(rootfd, clean, 0, &base);
	if (parent >= 0 && !fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode))
		return err_kind(e, ERR_FAILED,
			"filesystem \"%s\" must be mounted on ordinary directory", type);
	return 0;
}

static int do_fs(int rootfd, struct spec_mount *m, struct options *o, struct err *e)
{
	bool is_tmpfs = !strcmp(m->type, "tmpfs"), is_devpts = !strcmp(m->type, "devpts");
	cleanup_close int to = -1, fsfd = -1, mnt = -1;
	uint32_t attr = (uint32_t)(o->attr.set | o->rattr.set);
	char mode[8] = "";
	struct stat st;
	bool made;

	if ((!strcmp(m->type, "proc") || !strcmp(m->type, "sysfs")) &&
		check_ordinary(rootfd, m->destination, m->type, e))
		return -1;
	to = open_destination(rootfd, m->destination, true, &made, e);
	if (to < 0 || (strcmp(m->type, "proc") && check_proc(to, -1, m->destination, e)))
		return -1;
	/* A tmpfs over a directory of the image takes that one's mode, unless told another. */
	if (is_tmpfs && !made && !fstat(to, &st))
		snprintf(mode, sizeof(mode), "%04o", st.st_mode & 07777);
	fsfd = create_fs(m, m->type, o, false, mode, e);
	if (fsfd < 0 && is_devpts && e && e->code == EINVAL) /* gid=5 where only one id is mapped */
		fsfd = create_fs(m, m->type, o, true, mode, e);
	if (fsfd < 0)
		return -1;
	if (is_tmpfs)
		attr &= ~MNT_RDONLY;
	mnt = mnt_fsmount(fsfd, attr);
	if (mnt < 0 || mnt_attach(mnt, to))
		return err_errno(e, errno, "mount src=%s, dst=%s", m->source, m->destination);
	if (is_tmpfs && (o->attr.set | o->rattr.set) & MNT_RDONLY)
		m->seal_fd = fd_steal(&mnt);
	return 0;
}

int mounts_seal(struct spec *s, struct err *e)
{
	struct mnt_attr ro = { .set = MNT_RDONLY };

	for (size_t i = 0; i < s->n_mounts; i++) {
		struct spec_mount *m = &s->mounts[i];

		if (m->seal_fd >= 0 && mountattr_set(m->seal_fd, false, &ro))
			return err_errno(e, errno, "remounting %s read-only", m->destination);
		fd_close(&m->seal_fd);
	}
	return 0;
}

/* --- images -------------------------------------------------------------------------------- */

/* A detached, read-only copy of what @m names; -1 with @e.  It is mounted over the rootfs for a moment:
 * nobody else sees that, and the rootfs itself is held by a descriptor. */
static int image_tree(const struct spec *s, const struct spec_mount *m, struct err *e)
{
	cleanup_close int top = -1, at = -1;
	int tree = -1;

	if (rootfs_mount(m->rootfs, s->root_path, true, e))
		return -1;
	top = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	at = top < 0 ? -1 : fs_open_in_root(top, *m->subpath ? m->subpath : "/", O_PATH, 0);
	if (at >= 0)
		tree = mnt_clone_tree(at, "", 1);
	if (tree < 0)
		err_errno(e, errno, "cannot access path %s of image %s", m->subpath, m->source);
	if (umount2(s->root_path, MNT_DETACH | UMOUNT_NOFOLLOW) && tree >= 0) {
		err_errno(e, errno, "taking image %s off the rootfs again", m->source);
		fd_close(&tree);
	}
	return tree;
}

static int do_image(int rootfd, const struct spec *s, const struct spec_mount *m, struct err *e)
{
	struct mnt_attr private = { .set = MNT_RDONLY, .propagation = MS_PRIVATE };
	cleanup_close int tree = -1, to = -1;
	struct stat from_st, to_st;
	bool made;

	if (!m->rootfs)
		return err_kind(e, ERR_INVALID, "an image mount without x-rootfs");
	tree = image_tree(s, m, e);
	if (tree < 0)
		return -1;
	if (fstat(tree, &from_st))
		return err_errno(e, errno, "stat of image %s", m->source);
	to = open_destination(rootfd, m->destination, S_ISDIR(from_st.st_mode), &made, e);
	if (to < 0 || check_proc(to, tree, m->destination, e))
		return -1;
	if (fstat(to, &to_st) || S_ISDIR(from_st.st_mode) != S_ISDIR(to_st.st_mode))
		return err_errno(e, ENOTDIR, "mount src=%s, dst=%s", m->source, m->destination);
	if (mountattr_attach(tree, to, true, &private))
		return err_errno(e, errno, "mount src=%s, dst=%s", m->source, m->destination);
	return 0;
}

/* --- one mount ----------------------------------------------------------------------------- */

static int do_mount(int rootfd, const struct spec *s, struct spec_mount *m, struct err *e)
{
	struct options o = { 0 };

	if (parse_options(m->options, &o, e))
		return -1;
	if (o.bind || !strcmp(m->type, "bind"))
		return do_bind(rootfd, m->source, m->destination, &o, e);
	if (!*m->type)
		return err_kind(e, ERR_INVALID, "it has no type");
	if (!strcmp(m->type, "image"))
		return do_image(rootfd, s, m, e);
	if (!strcmp(m->type, "cgroup") || !strcmp(m->type, "cgroup2"))
		return cgroupfs_mount(rootfd, m->destination, o.attr.set | o.rattr.set,
			s->new_namespaces & CLONE_NEWCGROUP, e);
	if (!do_fs(rootfd, m, &o, e))
		return 0;
	/* With the network namespace of outside, which another user namespace owns, a new sysfs is
	 * refused; the one outside shows the same. */
	if (!strcmp(m->type, "sysfs") && e->code == EPERM)
		return mounts_bind(rootfd, "/sys", m->destination, true, o.attr.set | o.rattr.set, e);
	/* The same for the processes of outside. */
	if (!strcmp(m->type, "proc") && e->code == EPERM && !(s->new_namespaces & CLONE_NEWPID))
		return mounts_bind(rootfd, "/proc", m->destination, true, o.attr.set | o.rattr.set, e);
	if (!strcmp(m->type, "proc") && e->code == EPERM)
		err_hint(e, "is /proc masked where the engine runs? A container in a container needs "
			"--security-opt systempaths=unconfined outside");
	return -1;
}

int mounts_do(int rootfd, const struct spec *s, struct spec_mount *m, struct err *e)
{
	char hint[sizeof(e->hint)];

	if (!do_mount(rootfd, s, m, e))
		return 0;
	memcpy(hint, e->hint, sizeof(hint));
	err_wrap(e, "error mounting \"%s\" to rootfs at \"%s\"", m->source, m->destination);
	memcpy(e->hint, hint, sizeof(hint));
	return -1;
}
