/* SPDX-License-Identifier: MIT */
/*
 * core/base/mountapi.h - the descriptor-based mount calls of Linux 5.2 and 5.12
 *
 * C libraries and kernel headers disagree about who declares these (and clash where both do), so
 * they stand here under names of our own.  See fsopen(2), open_tree(2), mount_setattr(2).
 */
#ifndef BASE_MOUNTAPI_H
#define BASE_MOUNTAPI_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Attributes of a mount (not of its file system). */
#define MNT_RDONLY 0x00000001U
#define MNT_NOSUID 0x00000002U
#define MNT_NODEV 0x00000004U
#define MNT_NOEXEC 0x00000008U
#define MNT_ATIME 0x00000070U /* the field that holds one of the next three */
#define MNT_RELATIME 0x00000000U
#define MNT_NOATIME 0x00000010U
#define MNT_STRICTATIME 0x00000020U
#define MNT_NODIRATIME 0x00000080U
#define MNT_NOSYMFOLLOW 0x00200000U

struct mnt_attr {
	uint64_t set, clear, propagation, userns_fd;
};

static inline int mnt_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
}

static inline int mnt_fsconfig_string(int fsfd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fsfd, 1 /* SET_STRING */, key, value, 0);
}

static inline int mnt_fsconfig_flag(int fsfd, const char *key)
{
	return (int)syscall(SYS_fsconfig, fsfd, 0 /* SET_FLAG */, key, NULL, 0);
}

static inline int mnt_fsconfig_create(int fsfd)
{
	return (int)syscall(SYS_fsconfig, fsfd, 6 /* CMD_CREATE */, NULL, NULL, 0);
}

static inline int mnt_fsmount(int fsfd, unsigned int attr)
{
	return (int)syscall(SYS_fsmount, fsfd, 1 /* FSMOUNT_CLOEXEC */, attr);
}

/* A detached copy of the mount (with @recursive: of all below it too) at @path. */
static inline int mnt_clone_tree(int dirfd, const char *path, int recursive)
{
	return (int)syscall(SYS_open_tree, dirfd, path,
		1 /* CLONE */ | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? 0x8000 /* AT_RECURSIVE */ : 0));
}

/* Put the detached mount @from on what the descriptor @to refers to. */
static inline int mnt_attach(int from, int to)
{
	return (int)syscall(SYS_move_mount, from, "", to, "", 0x04 | 0x40 /* F_, T_EMPTY_PATH */);
}

static inline int mnt_setattr(int fd, int recursive, const struct mnt_attr *a)
{
	return (int)syscall(SYS_mount_setattr, fd, "",
		AT_EMPTY_PATH | (recursive ? 0x8000 : 0), a, sizeof(*a));
}

#endif
