/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/mountattr.c - a mount with its attributes, on kernels that cannot set them beforehand
 *
 * Theory of operation
 *   Since Linux 5.12 mount_setattr(2) gives a detached mount its attributes, and it appears with them.
 *   Before, only mount(2) changes them, and only of what is attached: it goes to its place first, and is
 *   remounted there through /proc/self/fd of its own descriptor, before the container's program runs.
 *   mount(2) has no recursive remount: what is below is found in mountinfo by its parent's id, and each
 *   mount is opened and its id compared before it is changed, as its path may mean another thing by then.
 *   A remount names all flags, so those that are not to change are read first (some may be locked:
 *   mount_namespaces(7)).
 */
#include "base/fs.h"
#include "base/mountapi.h"
#include "runtime/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define ID_MAX INT32_MAX
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#define MOUNTINFO_MAX (16U << 20)
#define DEPTH_MAX 64 /* mounts upon mounts; deeper ones are refused */

static const struct {
	uint64_t attr;
	unsigned long ms, st; /* of mount(2); of statvfs(3) */
} flags[] = {
	{MNT_RDONLY, MS_RDONLY, ST_RDONLY}, {MNT_NOSUID, MS_NOSUID, ST_NOSUID}, {MNT_NODEV, MS_NODEV, ST_NODEV},
	{MNT_NOEXEC, MS_NOEXEC, ST_NOEXEC}, {MNT_NODIRATIME, MS_NODIRATIME, ST_NODIRATIME},
	{MNT_NOSYMFOLLOW, MS_NOSYMFOLLOW, 8192 /* ST_NOSYMFOLLOW */},
};

bool mountattr_detached(void)
{
	return mnt_setattr(-1, 0, NULL) && errno != ENOSYS;
}

static unsigned long atime_flags(const struct statvfs *fs, const struct mnt_attr *a)
{
	if (a->clear & MNT_ATIME)
		return a->set & MNT_NOATIME ? MS_NOATIME : a->set & MNT_STRICTATIME ? MS_STRICTATIME : MS_RELATIME;
	return fs->f_flag & ST_NOATIME ? MS_NOATIME : fs->f_flag & ST_RELATIME ? MS_RELATIME : MS_STRICTATIME;
}

/* One attached mount. */
static int change(int mnt, const struct mnt_attr *a)
{
	char path[32];
	struct statvfs fs;
	unsigned long ms;
	size_t i;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", mnt);
	if (a->propagation && mount(NULL, path, NULL, (unsigned long)a->propagation, NULL))
		return -1;
	if (!a->set && !a->clear)
		return 0;
	if (fstatvfs(mnt, &fs))
		return -1;
	ms = atime_flags(&fs, a);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (a->set & flags[i].attr || (fs.f_flag & flags[i].st && !(a->clear & flags[i].attr)))
			ms |= flags[i].ms;
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | ms, NULL);
}

/* --- what is below ---------------------------------------------------------------------------- */

/* The id of the mount that a descriptor is on; 0: unknown. */
static int mount_id(int fd)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[32];
	const char *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read_at(AT_FDCWD, path, 4096, &text, NULL))
		return 0;
	at = strstr(text.p, "mnt_id:");
	return at ? atoi(at + strlen("mnt_id:")) : 0;
}

/* "\040" and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static int change_at(struct span path, int id, const struct mnt_attr *a)
{
	cleanup_free char *at = span_dup(path);
	cleanup_close int fd = -1;

	unescape(at);
	fd = open(at, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (mount_id(fd) != id) { /* hidden below another mount: the container cannot reach it either */
		errno = 0;
		return 0;
	}
	return change(fd, a);
}

/* All mounts whose parent is @parent, and what is below them. */
static int change_below(struct span table, int parent, const struct mnt_attr *a, int depth)
{
	struct span rest = table, line, word[5];
	uint64_t id, above;

	if (depth > DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	while (span_token(&rest, '\n', &line)) {
		size_t n = 0;

		while (n < ARRAY_SIZE(word) && span_token(&line, ' ', &word[n]))
			n++;
		if (n < ARRAY_SIZE(word) || parse_u64(word[0], ID_MAX, &id) || parse_u64(word[1], ID_MAX, &above) ||
			(int)above != parent || id == above)
			continue;
		if (change_at(word[4], (int)id, a) || change_below(table, (int)id, a, depth + 1))
			return -1;
	}
	return 0;
}

static int change_tree(int mnt, const struct mnt_attr *a)
{
	cleanup_buf struct buf text = BUF_INIT;
	int id = mount_id(mnt);

	if (change(mnt, a))
		return -1;
	if (!id || file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL)) {
		errno = ENOSYS;
		return -1;
	}
	return change_below((struct span){text.p, text.n}, id, a, 0);
}

int mountattr_set(int mnt, bool recursive, const struct mnt_attr *a)
{
	if (!mnt_setattr(mnt, recursive, a))
		return 0;
	if (errno != ENOSYS)
		return -1;
	return recursive ? change_tree(mnt, a) : change(mnt, a);
}

int mountattr_attach(int tree, int to, bool recursive, const struct mnt_attr *a)
{
	if (mountattr_detached())
		return mountattr_set(tree, recursive, a) || mnt_attach(tree, to) ? -1 : 0;
	return mnt_attach(tree, to) || mountattr_set(tree, recursive, a) ? -1 : 0;
}
