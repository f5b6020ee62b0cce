/* SPDX-License-Identifier: MIT */
/*
 * core/storage/beneath.c - directories of a tree that must not be left
 *
 * Theory of operation
 *   Nearly every path has no links, and one openat2(2) that follows none resolves it.  Otherwise,
 *   and for parents that have to be made, the path is walked here: one component after the other,
 *   links replaced by their text.  That tells absolute links, which images are full of, from
 *   those that climb out, which RESOLVE_IN_ROOT would not.  Each step opens with RESOLVE_BENEATH
 *   and without following links, so a tree that changes under the walk can make it fail, but not
 *   leave.
 */
#include "storage/beneath.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's, path_resolution(7) */

int beneath_clean(char *path)
{
	bool rooted = *path == '/';
	char *in = path, *out = path, *end, *last;
	size_t n;

	while (*in) {
		end = strchrnul(in, '/');
		n = (size_t)(end - in);
		if (n == 2 && in[0] == '.' && in[1] == '.') {
			if (out == path && !rooted)
				return -1;
			last = memrchr(path, '/', (size_t)(out - path));
			out = last ? last : path;
		} else if (n && !(n == 1 && *in == '.')) {
			if (out != path)
				*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in = *end ? end + 1 : end;
	}
	*out = 0;
	return 0;
}

int beneath_open_plain(int rootfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int tries = 64, fd;

	/* EAGAIN: a rename somewhere raced with a ".." of ours; openat2(2) says to try again. */
	do
		fd = (int)syscall(SYS_openat2, rootfd, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries)));
	return fd;
}

struct walk {
	int rootfd;
	bool make;
	bool rooted;	 /* the last link was absolute: ".." at the root stays there */
	struct buf done; /* resolved: directories only */
	struct buf rest; /* what follows */
	int links;
};

/* Put a link's text before what follows it. */
static int follow(struct walk *w, int linkfd)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(linkfd, "", target, sizeof(target) - 1);
	struct buf rest = BUF_INIT;

	if (n < 0)
		return -1;
	if (++w->links > LINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	target[n] = 0;
	if (*target == '/')
		buf_reset(&w->done);
	w->rooted = *target == '/';
	buf_adds(&rest, target);
	buf_addc(&rest, '/');
	buf_add(&rest, w->rest.p, w->rest.n);
	buf_release(&w->rest);
	w->rest = rest;
	return 0;
}

static int up(struct walk *w)
{
	char *slash;

	if (!w->done.n) {
		errno = EXDEV;
		return w->rooted ? 0 : -1;
	}
	slash = memrchr(w->done.p, '/', w->done.n);
	w->done.n = slash ? (size_t)(slash - w->done.p) : 0;
	w->done.p[w->done.n] = 0;
	return 0;
}

static int make_dir(struct walk *w, size_t parent_len, const char *name)
{
	cleanup_free char *parent = xstrndup(w->done.p, parent_len);
	cleanup_close int fd = beneath_open_plain(w->rootfd, parent, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || (mkdirat(fd, name, 0755) && errno != EEXIST))
		return -1;
	return 0;
}

/* One component down, which may be a link. */
static int down(struct walk *w, struct span name)
{
	cleanup_close int fd = -1;
	size_t before = w->done.n;
	struct stat st;

	if (before)
		buf_addc(&w->done, '/');
	buf_add(&w->done, name.p, name.n);
	fd = beneath_open_plain(w->rootfd, w->done.p, O_PATH);
	if (fd < 0 && errno == ENOENT && w->make)
		return make_dir(w, before, w->done.p + before + (before > 0));
	if (fd < 0 || fstat(fd, &st))
		return -1;
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISLNK(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	w->done.n = before;
	if (w->done.cap)
		w->done.p[before] = 0;
	return follow(w, fd);
}

static int step(struct walk *w)
{
	struct span rest = { w->rest.p, w->rest.n }, name;
	char part[NAME_MAX + 1];

	span_token(&rest, '/', &name);
	if (name.n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, name.p, name.n);
	buf_consume(&w->rest, rest.p ? w->rest.n - rest.n : w->rest.n);
	name.p = part;
	if (!name.n || span_eqs(name, "."))
		return 0;
	return span_eqs(name, "..") ? up(w) : down(w, name);
}

static int walk(int rootfd, const char *path, bool make, struct buf *real)
{
	struct walk w = { rootfd, make, false, BUF_INIT, BUF_INIT, 0 };
	int fd = -1, rc = 0;

	buf_adds(&w.rest, path);
	while (!rc && w.rest.n)
		rc = step(&w);
	if (!rc)
		fd = beneath_open_plain(rootfd, w.done.p, O_RDONLY | O_DIRECTORY);
	rc = errno;
	if (fd >= 0 && real)
		buf_add(real, w.done.p, w.done.n);
	buf_release(&w.done);
	buf_release(&w.rest);
	errno = rc;
	return fd;
}

int beneath_open_dir(int rootfd, const char *path, bool make, struct buf *real)
{
	int fd = beneath_open_plain(rootfd, path, O_RDONLY | O_DIRECTORY);

	if (real)
		buf_reset(real);
	/* ENOTDIR: what O_DIRECTORY says of a link that O_NOFOLLOW found at the end */
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR || (errno == ENOENT && make)))
		return walk(rootfd, path, make, real);
	if (fd >= 0 && real)
		buf_adds(real, path);
	return fd;
}
