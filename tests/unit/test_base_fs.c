/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_fs.c - files seen whole or not at all, paths that stay inside, trees */
#include "unit.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

static int subdir(const char *name)
{
	struct err e = ERR_INIT;

	CHECK_OK(e, fs_remove_tree_at(tmp_dirfd(), name, &e));
	if (mkdirat(tmp_dirfd(), name, 0755) < 0)
		abort();
	return openat(tmp_dirfd(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dirfd, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	CHECK_OK(e, file_write_at(dirfd, name, text, strlen(text), 0644, 0, &e));
}

static char *get(int fd)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_close int own = fd;
	struct err e = ERR_INIT;

	if (fd < 0 || fd_read_all(fd, 1000, &b, &e) < 0)
		return NULL;
	return buf_detach(&b);
}

static int count_entries(int dirfd)
{
	DIR *d = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

TEST(write_replaces_whole_files_and_leaves_no_temporary)
{
	cleanup_close int dir = subdir("write");
	cleanup_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct stat st;

	put(dir, "f", "first");
	CHECK_OK(e, file_write_at(dir, "f", "second", 6, 0600, FILE_SYNC, &e));
	CHECK_OK(e, file_read_at(dir, "f", 100, &b, &e));
	CHECK_STR(b.p, "second");
	CHECK(fstatat(dir, "f", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(count_entries(dir), 1);
	CHECK_INT(file_write_at(dir, "no/f", "x", 1, 0600, 0, &e), -1);
	CHECK_INT(e.code, ENOENT);
	mkdirat(dir, "d", 0755);
	CHECK_INT(file_write_at(dir, "d", "x", 1, 0600, 0, &e), -1);
	CHECK_INT(count_entries(dir), 2); /* the temporary is gone after a failure, too */
}

/* A place in the file that others move does not matter. */
TEST(read_shared)
{
	cleanup_close int dir = subdir("shared"), fd = -1;
	cleanup_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	put(dir, "f", "0123456789");
	fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);
	CHECK(lseek(fd, 7, SEEK_SET) == 7);
	CHECK_OK(e, fd_read_shared(fd, 1000, &b, &e));
	CHECK_STR(b.p, "0123456789");
	CHECK(lseek(fd, 0, SEEK_CUR) == 7);
	buf_reset(&b);
	CHECK_INT(fd_read_shared(fd, 5, &b, &e), -1);
	CHECK_INT(e.code, EFBIG);
}

TEST(read_is_bounded)
{
	cleanup_close int dir = subdir("read");
	cleanup_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	put(dir, "f", "0123456789");
	CHECK_OK(e, file_read_at(dir, "f", 10, &b, &e));
	CHECK_INT(b.n, 10);
	buf_reset(&b);
	CHECK_INT(file_read_at(dir, "f", 9, &b, &e), -1);
	CHECK_INT(e.code, EFBIG);
	buf_reset(&b);
	CHECK_INT(file_read_at(dir, "absent", 9, &b, &e), -1);
	CHECK_INT(e.code, ENOENT);
	CHECK_OK(e, file_read_at(AT_FDCWD, "/proc/self/stat", 4096, &b, &e)); /* st_size is 0 there */
	CHECK(b.n > 0);
}

TEST(copy_counts_and_stops)
{
	cleanup_close int dir = subdir("copy"), in = -1, out = -1;
	int64_t n = 0;

	put(dir, "f", "0123456789");
	in = openat(dir, "f", O_RDONLY | O_CLOEXEC);
	out = openat(dir, "g", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	CHECK_INT(fd_copy(in, out, 4, &n), 0);
	CHECK_INT(n, 4);
	CHECK_INT(fd_copy(in, out, -1, &n), 0);
	CHECK_INT(n, 6);
	CHECK_INT(lseek(out, 0, SEEK_END), 10);
}

TEST(steal_and_close)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), other;

	other = fd_steal(&fd);
	CHECK_INT(fd, -1);
	CHECK(other >= 0);
	errno = E2BIG;
	fd_close(&other);
	CHECK_INT(other, -1);
	CHECK_INT(errno, E2BIG);
	fd_close(&other);
}

TEST(open_in_root_never_leaves)
{
	cleanup_close int dir = subdir("jail"), root = -1;
	char *s;

	put(dir, "secret", "outside");
	mkdirat(dir, "root", 0755);
	root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mkdirat(root, "etc", 0755);
	put(root, "etc/passwd", "inside");
	CHECK(symlinkat("/etc/passwd", root, "abs") == 0);
	CHECK(symlinkat("../../../../etc/passwd", root, "up") == 0);
	CHECK(symlinkat("../secret", root, "leak") == 0);
	CHECK(symlinkat("loop", root, "loop") == 0);
	CHECK(symlinkat("/proc/self/cwd", root, "etc/magic") == 0);

	s = get(fs_open_in_root(root, "/etc/passwd", O_RDONLY, 0));
	CHECK_STR(s, "inside");
	free(s);
	s = get(fs_open_in_root(root, "abs", O_RDONLY, 0));
	CHECK_STR(s, "inside");
	free(s);
	s = get(fs_open_in_root(root, "up", O_RDONLY, 0));
	CHECK_STR(s, "inside");
	free(s);
	s = get(fs_open_in_root(root, "../root/../../etc/passwd", O_RDONLY, 0));
	CHECK_STR(s, NULL);
	s = get(fs_open_in_root(root, "../../etc/passwd", O_RDONLY, 0));
	CHECK_STR(s, "inside");
	free(s);
	CHECK_INT(fs_open_in_root(root, "leak", O_RDONLY, 0), -1);
	CHECK_INT(errno, ENOENT);
	CHECK_INT(fs_open_in_root(root, "loop", O_RDONLY, 0), -1);
	CHECK_INT(errno, ELOOP);
	CHECK_INT(fs_open_in_root(root, "etc/magic/secret", O_RDONLY, 0), -1);
	s = get(fs_open_in_root(root, "", O_PATH, 0));
	CHECK(s == NULL);
}

TEST(open_parent_makes_what_is_missing_inside)
{
	cleanup_close int dir = subdir("parent"), root = -1, p = -1;
	const char *base = NULL;

	mkdirat(dir, "root", 0755);
	mkdirat(dir, "out", 0755);
	root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(symlinkat("../out", root, "esc") == 0);

	p = fs_open_parent_in_root(root, "/a/b/c", 0, &base);
	CHECK_INT(p, -1);
	p = fs_open_parent_in_root(root, "/a/b/c", 0755, &base);
	CHECK(p >= 0);
	CHECK_STR(base, "c");
	CHECK(fs_exists_at(root, "a/b"));
	CHECK(!fs_exists_at(root, "a/b/c"));
	fd_close(&p);

	p = fs_open_parent_in_root(root, "../../x/y", 0755, &base);
	CHECK(p >= 0);
	CHECK(fs_exists_at(root, "x"));
	CHECK(!fs_exists_at(dir, "x"));
	fd_close(&p);

	/* a link that would leave: whatever happens, nothing appears outside */
	p = fs_open_parent_in_root(root, "esc/new/file", 0755, &base);
	CHECK(!fs_exists_at(dir, "out/new"));
	fd_close(&p);

	p = fs_open_parent_in_root(root, "/", 0, &base);
	CHECK(p >= 0);
	CHECK_STR(base, ".");
	fd_close(&p);
	p = fs_open_parent_in_root(root, "top", 0, &base);
	CHECK(p >= 0);
	CHECK_STR(base, "top");
}

TEST(mkdir_p)
{
	cleanup_close int dir = subdir("mkdirp");
	struct err e = ERR_INIT;

	CHECK_OK(e, fs_mkdir_p_at(dir, "a/b/c", 0755, &e));
	CHECK_OK(e, fs_mkdir_p_at(dir, "a/b/c", 0755, &e));
	CHECK_OK(e, fs_mkdir_p_at(dir, "a/b//d/", 0755, &e));
	CHECK(fs_exists_at(dir, "a/b/d"));
	CHECK_OK(e, fs_mkdir_p_at(dir, "/", 0755, &e));
	put(dir, "file", "");
	CHECK_INT(fs_mkdir_p_at(dir, "file/x", 0755, &e), -1);
	CHECK_INT(e.code, ENOTDIR);
}

TEST(remove_tree_does_not_follow_links)
{
	cleanup_close int dir = subdir("remove");
	struct err e = ERR_INIT;

	put(dir, "keep", "x");
	mkdirat(dir, "keepdir", 0755);
	put(dir, "keepdir/f", "x");
	CHECK_OK(e, fs_mkdir_p_at(dir, "t/a/b", 0755, &e));
	put(dir, "t/a/f", "x");
	CHECK(symlinkat("../keepdir", dir, "t/link") == 0);
	CHECK(symlinkat("../keep", dir, "t/a/link") == 0);
	CHECK(mknodat(dir, "t/fifo", S_IFIFO | 0600, 0) == 0);
	CHECK(fchmodat(dir, "t/a", 0, 0) == 0);
	CHECK_OK(e, fs_remove_tree_at(dir, "t", &e));
	CHECK(!fs_exists_at(dir, "t"));
	CHECK(fs_exists_at(dir, "keep"));
	CHECK(fs_exists_at(dir, "keepdir/f"));
	CHECK_OK(e, fs_remove_tree_at(dir, "t", &e)); /* not there: success */
	CHECK(symlinkat("keepdir", dir, "l") == 0);
	CHECK_OK(e, fs_remove_tree_at(dir, "l", &e));
	CHECK(fs_exists_at(dir, "keepdir/f"));
}

TEST(remove_tree_deeper_than_descriptors_and_paths)
{
	cleanup_close int dir = subdir("deep"), at = openat(dir, ".", O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;
	int i;

	for (i = 0; i < 3000; i++) {
		int next;

		NEED(mkdirat(at, "dddddddddd", 0755) == 0);
		next = openat(at, "dddddddddd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		NEED(next >= 0);
		close(at);
		at = next;
	}
	CHECK_OK(e, fs_remove_tree_at(dir, "dddddddddd", &e));
	CHECK_INT(count_entries(dir), 0);
}

TEST(remove_many_files)
{
	cleanup_close int dir = subdir("many");
	struct err e = ERR_INIT;
	char name[32];
	int i;

	mkdirat(dir, "t", 0755);
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "t/%d", i);
		close(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	CHECK_OK(e, fs_remove_tree_at(dir, "t", &e));
	CHECK(!fs_exists_at(dir, "t"));
}

TEST(usage_counts_an_inode_once)
{
	cleanup_close int dir = subdir("usage");
	struct err e = ERR_INIT;
	int64_t bytes, inodes, again;

	mkdirat(dir, "t", 0755);
	put(dir, "t/f", "0123456789");
	CHECK_OK(e, fs_tree_usage_at(dir, "t", &bytes, &inodes, &e));
	CHECK_INT(inodes, 1);
	CHECK_INT(bytes, 10);
	mkdirat(dir, "t/d", 0755);
	CHECK(linkat(dir, "t/f", dir, "t/g", 0) == 0);
	CHECK(linkat(dir, "t/f", dir, "t/h", 0) == 0);
	CHECK_OK(e, fs_tree_usage_at(dir, "t", &again, &inodes, &e));
	CHECK_INT(inodes, 2);
	CHECK_INT(again, bytes);
	CHECK_INT(fs_tree_usage_at(dir, "absent", &bytes, &inodes, &e), -1);
	CHECK_INT(e.code, ENOENT);
}

TEST(exists_sees_dangling_links)
{
	cleanup_close int dir = subdir("exists");

	CHECK(symlinkat("nowhere", dir, "l") == 0);
	CHECK(fs_exists_at(dir, "l"));
	CHECK(!fs_exists_at(dir, "nowhere"));
}

static void joins(const char *a, const char *b, const char *want)
{
	char *s = fs_join(a, b);

	CHECK_STR(s, want);
	free(s);
}

TEST(join_has_one_slash)
{
	joins("a", "b", "a/b");
	joins("a/", "b", "a/b");
	joins("a//", "/b", "a/b");
	joins("/", "b", "/b");
	joins("/a", "/b/c", "/a/b/c");
}

TEST(clean_path_is_lexical)
{
	static const char *const cases[][2] = {
		{ "", "." },		    { ".", "." },	      { "..", ".." },
		{ "/", "/" },		    { "//", "/" },	      { "/..", "/" },
		{ "/../a", "/a" },	    { "a", "a" },	      { "a/", "a" },
		{ "a//b/./c", "a/b/c" },    { "a/b/..", "a" },	      { "a/..", "." },
		{ "a/../..", ".." },	    { "a/../../b", "../b" },  { "../a/../..", "../.." },
		{ "/a/b/../../..", "/" },   { "/a/./b/../c", "/a/c" }, { "a/b/../../../c/d/..", "../c" },
		{ "../../x", "../../x" },   { "./../x", "../x" },     { "/a/b/c/", "/a/b/c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *s = fs_clean_path(guarded(cases[i][0], strlen(cases[i][0]) + 1));

		if (!CHECK_STR(s, cases[i][1]))
			printf("# the path was '%s'\n", cases[i][0]);
		free(s);
	}
}

/* --- somebody else in the tree that is removed --- */

static atomic_bool meddling, meddled;

static void meddle(void *arg)
{
	int dir = tmp_dirfd();

	(void)arg;
	while (meddling) {
		mkdirat(dir, "shared/a", 0700);
		mkdirat(dir, "shared/a/b", 0700);
		unlinkat(dir, "shared/a/b", AT_REMOVEDIR);
		unlinkat(dir, "shared/a", AT_REMOVEDIR);
	}
	meddled = true;
}

TEST(remove_tree_beside_others)
{
	struct err e = ERR_INIT;
	int dir = tmp_dirfd(), i, left = 0;

	meddling = true;
	NEED(!thread_start("meddle", meddle, NULL, 64));
	for (i = 0; i < 2000; i++) {
		mkdirat(dir, "shared", 0700);
		mkdirat(dir, "shared/c", 0700);
		CHECK_OK(e, fs_remove_tree_at(dir, "shared", &e));
		left += fs_exists_at(dir, "shared");
	}
	meddling = false;
	while (!meddled)
		sched_yield();
	CHECK_INT(left, 0);
}
