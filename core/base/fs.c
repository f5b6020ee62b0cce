/* SPDX-License-Identifier: MIT */
/*
 * core/base/fs.c - descriptors, files and trees
 *
 * Theory of operation
 *   Files appear by temporary + rename in the same directory, so a reader or a crash sees the
 *   old text or the new one.  Trees are removed with a stack of directory descriptors held in a
 *   heap array, and at most a bounded number open at a time: an attacker's 100 000 nested
 *   directories cost neither our stack nor our descriptor limit (deeper parts are first moved
 *   up, one rename each).
 */
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- descriptors --- */

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void cleanup_close_fn(int *fd)
{
	fd_close(fd);
}

void cleanup_closedir_fn(DIR **d)
{
	int saved = errno;

	if (*d)
		closedir(*d);
	errno = saved;
}

int fd_steal(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

ssize_t fd_read_full(int fd, void *p, size_t n)
{
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = read(fd, (char *)p + done, n - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int fd_write_full(int fd, const void *p, size_t n)
{
	const char *at = p;
	ssize_t put;

	while (n) {
		put = write(fd, at, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

int fd_copy(int in, int out, int64_t max, int64_t *copied)
{
	char block[65536];
	int64_t done = 0;
	ssize_t got;

	while (max < 0 || done < max) {
		size_t want = sizeof(block);

		if (max >= 0 && (int64_t)want > max - done)
			want = (size_t)(max - done);
		got = read(in, block, want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (got && fd_write_full(out, block, (size_t)got)))
			return -1;
		if (!got)
			break;
		done += got;
	}
	if (copied)
		*copied = done;
	return 0;
}

/* --- whole files --- */

/* @at: from there on, the descriptor's own place left alone; -1: from its place. */
static int read_all(int fd, off_t at, size_t max, struct buf *out, struct err *e)
{
	ssize_t got;

	for (;;) {
		if (out->cap < out->n + 512) /* the end of a small file is found without growing */
			buf_room(out, 4096);
		got = at < 0 ? read(fd, out->p + out->n, out->cap - out->n - 1) :
			       pread(fd, out->p + out->n, out->cap - out->n - 1, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, errno, "reading");
		out->n += (size_t)got;
		out->p[out->n] = 0;
		at += at < 0 ? 0 : got;
		if (!got)
			return 0;
		if (out->n > max)
			return err_set(e, EFBIG, "reading more than %zu bytes", max);
	}
}

int fd_read_all(int fd, size_t max, struct buf *out, struct err *e)
{
	return read_all(fd, -1, max, out, e);
}

int fd_read_shared(int fd, size_t max, struct buf *out, struct err *e)
{
	return read_all(fd, 0, max, out, e);
}

int file_read_at(int dirfd, const char *path, size_t max, struct buf *out, struct err *e)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		int code = errno;

		err_set(e, code, "opening %s", path);
		if (e && code == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	if (fd_read_all(fd, max, out, e))
		return err_wrap(e, "%s", path);
	return 0;
}

int file_write_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int flags,
	struct err *e)
{
	cleanup_close int fd = -1;
	char tmp[PATH_MAX];
	uint32_t nonce;
	int len;

	random_bytes(&nonce, sizeof(nonce));
	len = snprintf(tmp, sizeof(tmp), "%s.%08x.tmp", path, nonce);
	if (len < 0 || (size_t)len >= sizeof(tmp))
		return err_set(e, ENAMETOOLONG, "writing %s", path);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_set(e, errno, "creating %s", tmp);
	if (fchmod(fd, mode) || fd_write_full(fd, p, n) || ((flags & FILE_SYNC) && fsync(fd)) ||
		renameat(dirfd, tmp, dirfd, path)) {
		err_set(e, errno, "writing %s", path);
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return 0;
}

/* --- resolving --- */

int fs_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int tries = 64, fd;

	/* EAGAIN: a rename somewhere raced with a ".." of ours; openat2(2) says to try again. */
	do
		fd = (int)syscall(SYS_openat2, rootfd, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries)));
	return fd;
}

/* Make the directories of path[0..end) that are missing, each beneath @rootfd. */
static int make_parents(int rootfd, const char *path, size_t end, mode_t mode)
{
	cleanup_free char *part = xstrndup(path, end);
	size_t i;

	for (i = 1; i <= end; i++) {
		cleanup_close int parent = -1;
		const char *base;
		char *slash;

		if (i < end && part[i] != '/')
			continue;
		char saved = part[i];

		part[i] = 0;
		slash = strrchr(part, '/');
		base = slash ? slash + 1 : part;
		if (*base && strcmp(base, ".") && strcmp(base, "..")) {
			if (slash)
				*slash = 0;
			parent = fs_open_in_root(rootfd, slash ? part : ".", O_PATH | O_DIRECTORY, 0);
			if (slash)
				*slash = '/';
			if (parent < 0 || (mkdirat(parent, base, mode) && errno != EEXIST))
				return -1;
		}
		part[i] = saved;
	}
	return 0;
}

int fs_open_parent_in_root(int rootfd, const char *path, mode_t mkdir_mode, const char **base)
{
	cleanup_free char *dir = NULL;
	const char *slash;
	size_t len;
	int fd;

	while (*path == '/')
		path++;
	if (!*path || !strcmp(path, ".")) {
		*base = ".";
		return fs_open_in_root(rootfd, ".", O_PATH | O_DIRECTORY, 0);
	}
	slash = strrchr(path, '/');
	*base = slash ? slash + 1 : path;
	if (!slash)
		return fs_open_in_root(rootfd, ".", O_PATH | O_DIRECTORY, 0);
	len = (size_t)(slash - path);
	dir = xstrndup(path, len);
	fd = fs_open_in_root(rootfd, dir, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT || !mkdir_mode)
		return fd;
	if (make_parents(rootfd, dir, len, mkdir_mode))
		return -1;
	return fs_open_in_root(rootfd, dir, O_PATH | O_DIRECTORY, 0);
}

/* --- trees --- */

int fs_mkdir_p_at(int dirfd, const char *path, mode_t mode, struct err *e)
{
	cleanup_free char *part = xstrdup(path);
	char *p;

	for (p = part + 1; *part; p++) {
		char saved = *p;

		if (saved && saved != '/')
			continue;
		*p = 0;
		if (mkdirat(dirfd, part, mode) && errno != EEXIST)
			return err_set(e, errno, "making directory %s", part);
		if (!saved)
			break;
		*p = saved;
	}
	return 0;
}

/* Levels of directories kept open at once while a tree is walked. */
#define DEPTH_MAX 256

struct level {
	DIR *dir;
	char name[NAME_MAX + 1];
};

static DIR *open_level(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d;

	if (fd < 0 && errno == EACCES && !fchmodat(parent, name, 0700, 0))
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (!d)
		close(fd);
	return d;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Unlink a non-directory; 1 if it is a directory, -1 with errno if it cannot be removed. */
static int unlink_entry(int dir, const char *name)
{
	struct stat st;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -1;
	if (S_ISDIR(st.st_mode))
		return 1;
	if (!fchmod(dir, 0700) && !unlinkat(dir, name, 0))
		return 0;
	return -1;
}

/* A directory below the deepest open level moves up to the top one: its turn comes there. */
static int move_up(struct level *stack, int depth, const char *name)
{
	static _Atomic unsigned int serial;
	char up[64];

	snprintf(up, sizeof(up), ".deep-%d-%u", (int)getpid(), serial++);
	return renameat(dirfd(stack[depth].dir), name, dirfd(stack[0].dir), up);
}

static int empty_tree(struct level *stack)
{
	int depth = 0;

	while (depth >= 0) {
		struct dirent *d = readdir(stack[depth].dir);
		int at = dirfd(stack[depth].dir), kind;

		if (!d) {
			/* The top is read again until nothing was moved up into it. */
			if (depth) {
				closedir(stack[depth].dir);
				stack[depth].dir = NULL;
				at = dirfd(stack[--depth].dir);
				if (unlinkat(at, stack[depth + 1].name, AT_REMOVEDIR) && errno != ENOENT)
					return -1;
				continue;
			}
			return 0;
		}
		if (is_dots(d->d_name))
			continue;
		kind = unlink_entry(at, d->d_name);
		if (kind < 0)
			return -1;
		if (!kind || !unlinkat(at, d->d_name, AT_REMOVEDIR))
			continue;
		if (depth + 1 == DEPTH_MAX) {
			if (move_up(stack, depth, d->d_name))
				return -1;
			continue;
		}
		snprintf(stack[depth + 1].name, sizeof(stack[0].name), "%s", d->d_name);
		stack[depth + 1].dir = open_level(at, d->d_name);
		if (!stack[depth + 1].dir)
			return -1;
		depth++;
	}
	return 0;
}

static int remove_dir(int dirfd, const char *path)
{
	struct level *stack;
	int i, rc, error, tries = 0;

	do {
		stack = xcalloc(DEPTH_MAX, sizeof(*stack));
		stack[0].dir = open_level(dirfd, path);
		rc = stack[0].dir ? empty_tree(stack) : -1;
		error = errno;
		for (i = 0; i < DEPTH_MAX; i++)
			cleanup_closedir_fn(&stack[i].dir);
		free(stack);
		if (rc && error != ENOENT && error != ENOTEMPTY && error != EEXIST) {
			errno = error;
			return -1;
		}
		rc = unlinkat(dirfd, path, AT_REMOVEDIR);
		/* What was moved up, came while we read, or went by another's hand before we were there. */
	} while (rc && (errno == ENOTEMPTY || errno == EEXIST) && ++tries < 100000);
	return rc && errno != ENOENT ? -1 : 0;
}

int fs_remove_tree_at(int dirfd, const char *path, struct err *e)
{
	int kind = unlink_entry(dirfd, path);

	if (kind < 0 && errno == ENOTDIR)
		return 0;
	if (kind < 0 || (kind && remove_dir(dirfd, path)))
		return err_set(e, errno, "removing %s", path);
	return 0;
}

/* Inodes with several links that were counted: an open-addressing set that grows. */
struct seen {
	struct { dev_t dev; ino_t ino; } *at;
	size_t n, cap;
};

static bool seen_add(struct seen *s, dev_t dev, ino_t ino)
{
	size_t i, mask;

	if (s->n * 2 >= s->cap) {
		struct seen bigger = {NULL, 0, s->cap ? s->cap * 2 : 256};

		bigger.at = xcalloc(bigger.cap, sizeof(*bigger.at));
		for (i = 0; i < s->cap; i++)
			if (s->at[i].ino)
				seen_add(&bigger, s->at[i].dev, s->at[i].ino);
		free(s->at);
		*s = bigger;
	}
	mask = s->cap - 1;
	for (i = (ino * 0x9e3779b97f4a7c15u + dev) & mask; s->at[i].ino; i = (i + 1) & mask)
		if (s->at[i].ino == ino && s->at[i].dev == dev)
			return false;
	s->at[i].dev = dev;
	s->at[i].ino = ino;
	s->n++;
	return true;
}

int fs_tree_usage_at(int dirfd_, const char *path, int64_t *bytes, int64_t *inodes, struct err *e)
{
	struct level *stack = xcalloc(DEPTH_MAX, sizeof(*stack));
	struct seen seen = {0};
	int depth = 0, rc = 0, i;

	*bytes = *inodes = 0;
	stack[0].dir = open_level(dirfd_, path);
	if (!stack[0].dir)
		rc = -1;
	while (!rc && depth >= 0) {
		struct dirent *d = readdir(stack[depth].dir);
		struct stat st;

		if (!d) {
			cleanup_closedir_fn(&stack[depth].dir);
			stack[depth--].dir = NULL;
			continue;
		}
		if (is_dots(d->d_name) ||
			fstatat(dirfd(stack[depth].dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode) || st.st_nlink == 1 || seen_add(&seen, st.st_dev, st.st_ino)) {
			*bytes += S_ISDIR(st.st_mode) ? 0 : st.st_size;
			++*inodes;
		}
		if (S_ISDIR(st.st_mode) && depth + 1 < DEPTH_MAX) {
			stack[depth + 1].dir = open_level(dirfd(stack[depth].dir), d->d_name);
			if (stack[depth + 1].dir)
				depth++;
		}
	}
	if (rc)
		err_set(e, errno, "measuring %s", path);
	for (i = 0; i < DEPTH_MAX; i++)
		cleanup_closedir_fn(&stack[i].dir);
	free(stack);
	free(seen.at);
	return rc;
}

int fs_fsync_dir(int dirfd)
{
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

/* --- small ones --- */

bool fs_exists_at(int dirfd, const char *path)
{
	return !faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

char *fs_join(const char *a, const char *b)
{
	size_t n = strlen(a);

	while (n > 1 && a[n - 1] == '/')
		n--;
	while (*b == '/')
		b++;
	return xasprintf("%.*s%s%s", (int)n, a, n && a[n - 1] == '/' ? "" : "/", b);
}

char *fs_clean_path(const char *path)
{
	bool rooted = *path == '/';
	struct span rest = span_of(path), part;
	struct buf out = BUF_INIT;
	size_t floor = rooted;

	if (rooted)
		buf_addc(&out, '/');
	while (span_token(&rest, '/', &part)) {
		if (!part.n || span_eqs(part, "."))
			continue;
		if (span_eqs(part, "..")) {
			if (out.n > floor) {
				do
					out.n--;
				while (out.n > (size_t)rooted && out.p[out.n] != '/');
				if (out.n == (size_t)rooted && !rooted)
					out.n = 0;
				out.p[out.n] = 0;
				continue;
			}
			if (rooted)
				continue;
			if (out.n)
				buf_addc(&out, '/');
			buf_adds(&out, "..");
			floor = out.n;
			continue;
		}
		if (out.n > (size_t)rooted)
			buf_addc(&out, '/');
		buf_add(&out, part.p, part.n);
	}
	if (!out.n)
		buf_addc(&out, '.');
	return buf_detach(&out);
}
