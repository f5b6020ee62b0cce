/* SPDX-License-Identifier: MIT */
/*
 * core/base/fs.h - descriptors, files and trees
 *
 * Paths that foreign input had a hand in are resolved beneath a directory descriptor
 * (fs_open_in_root, RESOLVE_IN_ROOT).  Every descriptor made here is O_CLOEXEC.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/err.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

/* --- descriptors --- */
void cleanup_close_fn(int *fd);
#define cleanup_close __attribute__((cleanup(cleanup_close_fn)))
void cleanup_closedir_fn(DIR **d);
#define cleanup_closedir __attribute__((cleanup(cleanup_closedir_fn)))
int fd_steal(int *fd); /* hand it out of a cleanup_close variable */
void fd_close(int *fd); /* close if >= 0, set to -1; keeps errno */

/* --- whole reads and writes; EINTR and short counts are dealt with. 0/count, or -1 and errno --- */
ssize_t fd_read_full(int fd, void *p, size_t n);  /* less than @n only at the end of file */
int fd_write_full(int fd, const void *p, size_t n); /* blocking descriptors */
int fd_copy(int in, int out, int64_t max, int64_t *copied); /* until EOF or @max (-1: all) */

/* --- whole files --- */
/* Read all of a file, at most @max bytes (EFBIG beyond).  The caller releases @out. */
int file_read_at(int dirfd, const char *path, size_t max, struct buf *out, struct err *e);
int fd_read_all(int fd, size_t max, struct buf *out, struct err *e);
/* All of a file from its start, wherever the descriptor stands: processes that share one may do it at once. */
int fd_read_shared(int fd, size_t max, struct buf *out, struct err *e);
enum { FILE_SYNC = 1 }; /* fsync before the rename: survives a power cut, not only a crash */
/* Write a file so that it is seen whole or not at all: temporary beside it, rename. */
int file_write_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int flags,
	struct err *e);

/* --- resolving --- */
/* open(2) @path as if @rootfd were /: "..", absolute names and symlinks stay below it
 * (openat2 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, retried on EAGAIN).  Descriptor, or -1 and errno. */
int fs_open_in_root(int rootfd, const char *path, int flags, mode_t mode);
/* Open the directory that holds @path's last component, resolved in @rootfd; *base points at that
 * component inside @path, or is "." for the root itself.  Parents that are missing are made with
 * @mkdir_mode if it is not 0.  O_PATH descriptor, or -1 and errno. */
int fs_open_parent_in_root(int rootfd, const char *path, mode_t mkdir_mode, const char **base);

/* --- trees --- */
int fs_mkdir_p_at(int dirfd, const char *path, mode_t mode, struct err *e);
/* Remove a tree; a thing that is not there is success.  Never follows links, makes directories
 * it owns accessible where their mode stands in the way, depth bounded by descriptors not stack. */
int fs_remove_tree_at(int dirfd, const char *path, struct err *e);
/* Bytes of content and number of inodes below, each inode once; directories have no bytes, as in `docker ps -s`. */
int fs_tree_usage_at(int dirfd, const char *path, int64_t *bytes, int64_t *inodes, struct err *e);

int fs_fsync_dir(int dirfd);

/* --- small ones --- */
bool fs_exists_at(int dirfd, const char *path);
char *fs_join(const char *a, const char *b); /* "a/b", one slash between; to free() */
char *fs_clean_path(const char *path);	     /* as Go's path.Clean: lexical; to free() */

#endif
