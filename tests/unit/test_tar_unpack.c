/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_tar_unpack.c - what good and hostile archives unpack to
 *
 * Unpacking runs as root of a user namespace (userns.h).  Each archive is unpacked to <case>/root;
 * besides that the case's directory holds a file "outside" which nothing may touch.
 */
#include "archive.h"
#include "userns.h"

#include "storage/pax.h"
#include "storage/tar.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static int case_dir; /* the directory of the case at hand, opened */

/* Make <tmp>/<case>/{root,outside}; the descriptor of root. */
static int new_root(void)
{
	static int serial;
	char name[32];

	snprintf(name, sizeof(name), "case-%d-%d", (int)getpid(), serial++);
	if (case_dir > 0)
		close(case_dir);
	if (mkdirat(tmp_dirfd(), name, 0755))
		abort();
	case_dir = openat(tmp_dirfd(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_write_at(case_dir, "outside", "untouched", 9, 0600, 0, NULL) || mkdirat(case_dir, "root", 0755))
		abort();
	return openat(case_dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nothing but root and outside, and outside as it was. */
static bool nothing_escaped(void)
{
	struct buf text = BUF_INIT;
	struct dirent *d;
	struct stat st;
	int count = 0;
	DIR *dir = fdopendir(dup(case_dir));
	bool ok;

	rewinddir(dir);
	while ((d = readdir(dir)))
		count += d->d_name[0] != '.';
	closedir(dir);
	ok = !file_read_at(case_dir, "outside", 100, &text, NULL) && !strcmp(text.p, "untouched") &&
	     !fstatat(case_dir, "outside", &st, 0) && st.st_nlink == 1 && (st.st_mode & 07777) == 0600;
	buf_release(&text);
	return ok && count == 2;
}

static int unpack_to(int root, const struct buf *archive, enum tar_whiteouts wh,
	struct tar_unpack_result *r, struct err *e)
{
	struct tar_unpack_opts o = { .whiteouts = wh, .single_id = userns_ids() == 1 };
	struct mem_stream mem;

	umask(0);
	mem_stream_init(&mem, guarded(archive->p, archive->n), archive->n);
	return tar_unpack(&mem.s, root, &o, r, e);
}

static bool has_text(int root, const char *path, const char *want)
{
	struct buf text = BUF_INIT;
	bool ok = !file_read_at(root, path, 1 << 20, &text, NULL) && !strcmp(text.p, want);

	buf_release(&text);
	return ok;
}

TEST_USERNS(unpack_everything)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st, st2;
	char text[64];
	ssize_t n;

	ITEM(&a, .type = '5', .name = "./", .mode = 0700, .mtime = 5); /* the root: left as it is */
	ITEM(&a, .type = '5', .name = "dir/", .mode = 02755, .mtime = 1000);
	ITEM(&a, .name = "dir/file", .data = "hello", .mode = 04755, .pax = "mtime=1234.000000567\n");
	ITEM(&a, .type = '1', .name = "hard", .link = "dir/file", .mode = 04755,
		.pax = "mtime=1234.000000567\n");
	ITEM(&a, .type = '2', .name = "sym", .link = "/dir", .mtime = 77);
	ITEM(&a, .name = "sym/via", .data = "through an absolute link");
	ITEM(&a, .type = '2', .name = "rel", .link = "dir/../dir");
	ITEM(&a, .name = "rel/via2", .data = "2");
	ITEM(&a, .type = '6', .name = "fifo", .mode = 0622);
	ITEM(&a, .type = '3', .name = "null", .major = 1, .minor = 3);
	ITEM(&a, .name = "p/q/r", .data = "parents made");
	ITEM(&a, .name = "x", .data = "attributes",
		.pax = "SCHILY.xattr.user.kept=yes\nSCHILY.xattr.user.overlay.opaque=y\n"
		       "SCHILY.xattr.user.coracle.stat=1:1:4755\nSCHILY.xattr.trusted.overlay.opaque=y\n");
	put_end(&a);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK_INT(r.entries, 11);
	CHECK_INT(r.devices, 1);
	CHECK_INT(r.xattrs_lost, 0);
	CHECK_INT(r.bytes, 5 + 24 + 1 + 12 + 10 + 14); /* the last: texts of symbolic links */

	NEED(!fstat(root, &st));
	CHECK_INT(st.st_mode & 07777, 0755);
	NEED(!fstatat(root, "dir", &st, 0));
	CHECK_INT(st.st_mode & 07777, 02755);
	CHECK_INT(st.st_mtime, 1000); /* though files came after it */
	NEED(!fstatat(root, "dir/file", &st, 0) && !fstatat(root, "hard", &st2, 0));
	CHECK_INT(st.st_ino, st2.st_ino);
	CHECK_INT(st.st_nlink, 2);
	CHECK_INT(st.st_mode & 07777, 04755);
	CHECK_INT(st.st_mtim.tv_sec, 1234);
	CHECK_INT(st.st_mtim.tv_nsec, 567);
	n = readlinkat(root, "sym", text, sizeof(text));
	CHECK_MEM(text, (size_t)n, "/dir");
	NEED(!fstatat(root, "sym", &st, AT_SYMLINK_NOFOLLOW));
	CHECK_INT(st.st_mtime, 77);
	CHECK(has_text(root, "dir/via", "through an absolute link"));
	CHECK(has_text(root, "dir/via2", "2"));
	NEED(!fstatat(root, "fifo", &st, 0));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_INT(st.st_mode & 07777, 0622);
	CHECK(!fs_exists_at(root, "null"));
	NEED(!fstatat(root, "p/q", &st, 0));
	CHECK_INT(st.st_mode & 07777, 0755);
	int fd = openat(root, "x", O_RDONLY | O_CLOEXEC);
	n = fgetxattr(fd, "user.kept", text, sizeof(text));
	CHECK_MEM(text, n < 0 ? 0 : (size_t)n, "yes");
	CHECK(fgetxattr(fd, "user.overlay.opaque", text, sizeof(text)) < 0);
	CHECK(fgetxattr(fd, "user.coracle.stat", text, sizeof(text)) < 0);
	close(fd);
	CHECK(nothing_escaped());
	close(root);
	buf_release(&a);
}

TEST_USERNS(unpack_owners)
{
	static const unsigned char caps[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct tar_unpack_result r;
	struct buf a = BUF_INIT, pax = BUF_INIT;
	struct err e = ERR_INIT;
	unsigned char got[32];
	int root = new_root(), fd;
	struct stat st;

	if (userns_ids() == 1)
		SKIP("machine: only root has more than one id to map");
	ITEM(&a, .name = "f", .uid = 7, .gid = 8, .mode = 06755);
	ITEM(&a, .type = '5', .name = "d", .uid = 9, .gid = 10, .mode = 01777);
	ITEM(&a, .type = '2', .name = "l", .link = "f", .uid = 11, .gid = 12);
	/* a file capability, which chown would take away */
	pax_add(&pax, "SCHILY.xattr.security.capability", caps, sizeof(caps));
	put_header(&a, 'x', "pax", pax.n, &(struct item){ .mode = 0644 });
	put_padded(&a, pax.p, pax.n);
	ITEM(&a, .name = "capable", .uid = 13, .mode = 0755);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	NEED(!fstatat(root, "f", &st, 0));
	CHECK(st.st_uid == 7 && st.st_gid == 8 && (st.st_mode & 07777) == 06755);
	NEED(!fstatat(root, "d", &st, 0));
	CHECK(st.st_uid == 9 && st.st_gid == 10 && (st.st_mode & 07777) == 01777);
	NEED(!fstatat(root, "l", &st, AT_SYMLINK_NOFOLLOW));
	CHECK(st.st_uid == 11 && st.st_gid == 12);
	fd = openat(root, "capable", O_RDONLY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "security.capability", got, sizeof(got)), sizeof(caps));
	CHECK(!memcmp(got, caps, sizeof(caps)));
	close(fd);
	/* an id beyond the map */
	buf_reset(&a);
	ITEM(&a, .name = "g", .uid = 100000, .gid = 5);
	CHECK_INT(unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e), -1);
	CHECK_STR(e.msg, "failed to Lchown \"/g\" for UID 100000, GID 5: lchown /g: invalid argument");
	CHECK(r.bad_id && r.bad_uid == 100000);
	buf_release(&a);
	buf_release(&pax);
	close(root);
}

TEST_USERNS(unpack_single_id)
{
	struct tar_unpack_opts o = { .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), fd;
	char text[64];
	ssize_t n;

	ITEM(&a, .name = "f", .uid = 7, .gid = 100000, .mode = 04755);
	ITEM(&a, .name = "mine");
	ITEM(&a, .type = '2', .name = "l", .link = "f", .uid = 11, .gid = 12);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_OK(e, tar_unpack(&mem.s, root, &o, &r, &e));
	fd = openat(root, "f", O_RDONLY | O_CLOEXEC);
	n = fgetxattr(fd, "user.coracle.stat", text, sizeof(text));
	CHECK_MEM(text, n < 0 ? 0 : (size_t)n, "7:100000:4755");
	close(fd);
	fd = openat(root, "mine", O_RDONLY | O_CLOEXEC);
	CHECK(fgetxattr(fd, "user.coracle.stat", text, sizeof(text)) < 0);
	close(fd);
	buf_release(&a);
	close(root);
}

/* A later entry replaces an earlier one; but directories merge. */
TEST_USERNS(unpack_replaces)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;
	char text[8];

	ITEM(&a, .name = "f", .data = "one");
	ITEM(&a, .type = '1', .name = "other", .link = "f");
	ITEM(&a, .name = "./f", .data = "two");
	ITEM(&a, .type = '5', .name = "d", .mode = 0700);
	ITEM(&a, .name = "d/x", .data = "stays");
	ITEM(&a, .type = '5', .name = "d", .mode = 0711);
	ITEM(&a, .type = '5', .name = "e");
	ITEM(&a, .name = "e/deep/er");
	ITEM(&a, .name = "e", .data = "file over directory");
	ITEM(&a, .name = "g");
	ITEM(&a, .type = '5', .name = "g", .mode = 0755);
	ITEM(&a, .name = "g/in", .data = "directory over file");
	ITEM(&a, .type = '2', .name = "s", .link = "d");
	ITEM(&a, .type = '5', .name = "s", .mode = 0755);
	ITEM(&a, .name = "s/y", .data = "not in d");
	ITEM(&a, .type = '1', .name = "f", .link = "f"); /* to itself: nothing to do */
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK(has_text(root, "f", "two"));
	CHECK(has_text(root, "other", "one"));
	CHECK(has_text(root, "d/x", "stays"));
	CHECK(!fstatat(root, "d", &st, 0) && (st.st_mode & 07777) == 0711);
	CHECK(has_text(root, "e", "file over directory"));
	CHECK(has_text(root, "g/in", "directory over file"));
	CHECK(has_text(root, "s/y", "not in d"));
	CHECK(!fs_exists_at(root, "d/y"));
	/* a lower layer's g must not show through */
	int fd = openat(root, "g", O_RDONLY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "user.overlay.opaque", text, sizeof(text)), 1);
	close(fd);
	close(root);
	buf_release(&a);
}

static bool is_whiteout(int root, const char *path)
{
	struct stat st;

	return !fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISCHR(st.st_mode) && !st.st_rdev;
}

static bool is_opaque(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char c = 0;
	bool ok = fd >= 0 && fgetxattr(fd, "user.overlay.opaque", &c, 1) == 1 && c == 'y';

	if (fd >= 0)
		close(fd);
	return ok;
}

static void whiteout_archive(struct buf *a)
{
	ITEM(a, .name = ".wh.gone");
	ITEM(a, .name = "no/such/dir/.wh.gone");
	ITEM(a, .type = '5', .name = "before", .mode = 0755);
	ITEM(a, .name = "before/new");
	ITEM(a, .name = "before/.wh..wh..opq");
	ITEM(a, .name = "after/.wh..wh..opq");
	ITEM(a, .name = "after/new");
	ITEM(a, .name = ".wh.wd");
	ITEM(a, .type = '5', .name = "wd", .mode = 0755);
	ITEM(a, .type = '5', .name = "dw", .mode = 0755);
	ITEM(a, .name = "dw/mine");
	ITEM(a, .name = ".wh.dw");
	ITEM(a, .name = "fw", .data = "mine");
	ITEM(a, .name = ".wh.fw");
	ITEM(a, .name = ".wh.wf");
	ITEM(a, .name = "wf", .data = "mine");
	ITEM(a, .type = '5', .name = ".wh..wh.plnk");
	ITEM(a, .name = ".wh..wh.plnk/123.456");
	ITEM(a, .name = ".wh..wh.aufs");
}

TEST_USERNS(whiteouts_for_overlay)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	whiteout_archive(&a);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	CHECK(is_whiteout(root, "gone"));
	CHECK(is_whiteout(root, "no/such/dir/gone"));
	CHECK(is_opaque(root, "before") && fs_exists_at(root, "before/new"));
	CHECK(is_opaque(root, "after") && fs_exists_at(root, "after/new"));
	CHECK(is_opaque(root, "wd"));
	CHECK(is_opaque(root, "dw") && fs_exists_at(root, "dw/mine"));
	CHECK(has_text(root, "fw", "mine"));
	CHECK(has_text(root, "wf", "mine"));
	CHECK(!fs_exists_at(root, ".wh..wh.plnk") && !fs_exists_at(root, ".wh..wh.aufs"));
	buf_release(&a);
	close(root);
}

TEST_USERNS(whiteouts_kept)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	whiteout_archive(&a);
	ITEM(&a, .name = "h");
	ITEM(&a, .type = '5', .name = "h", .mode = 0755);
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_KEEP, &r, &e));
	CHECK(fs_exists_at(root, ".wh.gone") && fs_exists_at(root, "after/.wh..wh..opq"));
	CHECK(fs_exists_at(root, ".wh.dw") && fs_exists_at(root, "dw/mine"));
	CHECK(fs_exists_at(root, ".wh.h")); /* directory over file: hides what is below */
	CHECK(!fs_exists_at(root, ".wh..wh.aufs"));
	buf_release(&a);
	close(root);
}

/* --- hostile archives --- */

struct hostile {
	const char *name;
	struct item items[6];
	const char *error; /* part of the message; NULL: it unpacks, and is harmless */
	const char *there; /* must exist then */
};

static const struct hostile hostile[] = {
	{ "dotdot", { { .name = "../outside", .data = "x" } }, "invalid entry name \"../outside\"" },
	{ "dotdot inside", { { .name = "a/../../outside", .data = "x" } }, "invalid entry name" },
	{ "many dotdots", { { .name = "../../../../../../../../tmp/evil" } }, "invalid entry name" },
	{ "absolute", { { .name = "/abs", .data = "x" } }, NULL, "abs" },
	{ "absolute dotdot", { { .name = "/../../abs", .data = "x" } }, NULL, "abs" },
	{ "dotdot directory", { { .type = '5', .name = ".." } }, "invalid entry name" },
	{ "link out", { { .type = '2', .name = "l", .link = "../.." }, { .name = "l/outside", .data = "x" } },
		"path escapes" },
	{ "link to the outside file",
		{ { .type = '2', .name = "l", .link = "../outside" }, { .name = "l", .data = "x" } }, NULL, "l" },
	{ "absolute link out",
		{ { .type = '2', .name = "l", .link = "/../.." }, { .name = "l/x", .data = "x" } }, NULL, "x" },
	{ "link in two steps",
		{ { .type = '5', .name = "a/b" }, { .type = '2', .name = "a/b/up", .link = "../.." },
			{ .type = '2', .name = "out", .link = "a/b/up/.." }, { .name = "out/outside" } },
		"path escapes" },
	{ "link to proc", { { .type = '2', .name = "l", .link = "/proc/self/root" }, { .name = "l/x" } }, NULL,
		"proc/self/root/x" },
	{ "dangling link", { { .type = '2', .name = "l", .link = "/no/such" }, { .name = "l/x" } }, NULL,
		"no/such/x" },
	{ "link loop", { { .type = '2', .name = "a", .link = "b" }, { .type = '2', .name = "b", .link = "a" },
			 { .name = "a/x" } },
		"Symbolic link loop|Too many levels of symbolic links" },
	{ "link to itself", { { .type = '2', .name = "a", .link = "a" }, { .name = "a/x" } },
		"Symbolic link loop|Too many levels of symbolic links" },
	{ "hard link out", { { .type = '1', .name = "h", .link = "../outside" } },
		"invalid hardlink target \"../outside\"" },
	{ "hard link out absolute", { { .type = '1', .name = "h", .link = "/../outside" } },
		"No such file or directory" },
	{ "hard link through a link",
		{ { .type = '2', .name = "l", .link = ".." }, { .type = '1', .name = "h", .link = "l/outside" } },
		"path escapes" },
	{ "hard link to nothing", { { .type = '1', .name = "h", .link = "nope" } }, "linkat nope h" },
	{ "hard link to a directory", { { .type = '5', .name = "d" }, { .type = '1', .name = "h", .link = "d" } },
		"not permitted" },
	{ "hard link to the root", { { .type = '1', .name = "h", .link = "." } }, "linkat . h" },
	{ "hard link to itself", { { .type = '1', .name = "h", .link = "h" } }, "linkat h h" },
	{ "hard links in a circle",
		{ { .type = '1', .name = "a", .link = "b" }, { .type = '1', .name = "b", .link = "a" } },
		"linkat b a" },
	{ "file as parent", { { .name = "f" }, { .name = "f/x" } }, "Not a directory" },
	{ "root as a file", { { .name = ".", .data = "x" } }, NULL, "." },
	{ "root as a link", { { .type = '2', .name = "./", .link = "/tmp" } }, NULL, "." },
	{ "no name", { { .name = "", .data = "x" } }, NULL, "." },
	{ "unknown type", { { .type = 'Z', .name = "z" } }, "unhandled tar header type 90" },
	{ "multi-volume", { { .type = 'M', .name = "z" } }, "unhandled tar header type 77" },
	{ "long component", { { .name = "x", .pax = "path=" /* filled in */ } }, "ame too long" },
	{ "empty link", { { .type = '2', .name = "l", .link = "" } }, "No such file or directory" },
	{ "whiteout of .", { { .name = "d/.wh.." } }, "invalid whiteout entry \"d/.wh..\"" },
	{ "whiteout of ..", { { .name = "d/.wh..." } }, "invalid whiteout entry \"d/.wh...\"" },
	{ "whiteout of nothing", { { .name = ".wh." } }, "invalid whiteout entry" },
	{ "inside a whiteout", { { .name = ".wh.d/f" } }, "invalid whiteout entry" },
	{ "whiteout through a link",
		{ { .type = '2', .name = "l", .link = "../" }, { .name = "l/.wh.outside" } }, "path escapes" },
	{ "device 0/0", { { .name = "f" }, { .type = '3', .name = "f" } }, NULL, "." },
	{ "disk", { { .type = '4', .name = "sda", .major = 8, .mode = 0666 } }, NULL, "." },
	{ "truncated", { { .name = "f", .size = "00000010000" } }, "unexpected EOF" },
	{ "no such size", { { .name = "f", .size = "77777777777" } }, "unexpected EOF" },
	{ "bad checksum", { { .name = "f", .bad_sum = true } }, "archive/tar: invalid tar header" },
	{ "sparse giant",
		{ { .name = "f", .data = "x",
			.pax = "GNU.sparse.size=9223372036854775807\nGNU.sparse.map=9223372036854775806,1\n" } },
		"writing f: " },
};

/* Is one of the alternatives in "a|b" part of @text? */
static bool says(const char *text, const char *alternatives)
{
	char *list_ = strdup(alternatives), *save = NULL, *one;
	bool found = false;

	for (one = strtok_r(list_, "|", &save); one; one = strtok_r(NULL, "|", &save))
		found |= strstr(text, one) != NULL;
	free(list_);
	return found;
}

static void run_hostile(const struct hostile *h, enum tar_whiteouts wh)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), rc;
	char *long_path = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(h->items) && h->items[i].name; i++) {
		struct item it = h->items[i];

		if (it.pax && !strcmp(it.pax, "path=")) {
			long_path = xasprintf("path=%0300d\n", 7);
			it.pax = long_path;
		}
		put_item(&a, &it);
	}
	rc = unpack_to(root, &a, wh, &r, &e);
	if (h->error ? rc == 0 || !says(e.msg, h->error) : rc != 0)
		unit_fail(__FILE__, __LINE__, "%s: rc %d \"%s\"", h->name, rc, e.msg);
	if (!rc && h->there && !fs_exists_at(root, h->there))
		unit_fail(__FILE__, __LINE__, "%s: %s is missing", h->name, h->there);
	if (!nothing_escaped())
		unit_fail(__FILE__, __LINE__, "%s: escaped", h->name);
	if (fs_exists_at(AT_FDCWD, "/tmp/evil"))
		unit_fail(__FILE__, __LINE__, "%s: wrote to /tmp", h->name);
	free(long_path);
	buf_release(&a);
	close(root);
}

TEST_USERNS(hostile_for_overlay)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		run_hostile(&hostile[i], TAR_WH_OVERLAY);
}

TEST_USERNS(hostile_kept)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		run_hostile(&hostile[i], TAR_WH_KEEP);
}

TEST_USERNS(no_overwrite)
{
	struct tar_unpack_opts o = { .no_overwrite_dir_nondir = true, .dest = "/d", .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	mkdirat(root, "e", 0755);
	file_write_at(root, "f", "x", 1, 0644, 0, NULL);
	ITEM(&a, .name = "e", .data = "x");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_STR(e.msg, "cannot overwrite directory \"e\" with non-directory \"/d\"");
	buf_reset(&a);
	ITEM(&a, .type = '5', .name = "f");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_STR(e.msg, "cannot overwrite non-directory \"f\" with directory \"/d\"");
	buf_release(&a);
	close(root);
}

/* The top of an archive under another name, its hard links with it; and nobody else's owner. */
TEST_USERNS(renamed)
{
	struct tar_unpack_opts o = { .no_chown = true, .rename = "old", .to = "new" };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;

	ITEM(&a, .type = '5', .name = "old");
	ITEM(&a, .name = "old/old", .data = "x", .uid = 77777777);
	ITEM(&a, .type = '1', .name = "old/hard", .link = "old/old");
	ITEM(&a, .type = '2', .name = "old/soft", .link = "old", .uid = 77777777);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), 0);
	CHECK_INT(fstatat(root, "new/old", &st, 0), 0);
	CHECK_INT(st.st_nlink, 2);
	CHECK_INT(st.st_uid, getuid());
	CHECK_INT(fstatat(root, "new/soft", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_INT(st.st_uid, getuid());
	buf_release(&a);
	close(root);
}

TEST_USERNS(ceilings)
{
	struct tar_unpack_opts o = { .max_bytes = 10, .max_entries = 3, .single_id = true };
	struct tar_unpack_result r;
	struct mem_stream mem;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();

	ITEM(&a, .name = "a", .data = "1234567890");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_OK(e, tar_unpack(&mem.s, root, &o, &r, &e));
	ITEM(&a, .name = "b", .data = "1");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	buf_reset(&a);
	for (const char *n = "abcd"; *n; n++)
		ITEM(&a, .type = '5', .name = n);
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	/* a claim counts, not what comes of it */
	buf_reset(&a);
	ITEM(&a, .name = "s", .pax = "GNU.sparse.size=1000\nGNU.sparse.numblocks=0\n");
	mem_stream_init(&mem, a.p, a.n);
	CHECK_INT(tar_unpack(&mem.s, root, &o, &r, &e), -1);
	CHECK_INT(e.code, EFBIG);
	buf_release(&a);
	close(root);
}

/* Zeros become holes, data at both ends of them stays where it was. */
TEST_USERNS(holes)
{
	enum { SIZE = 4 << 20 };
	struct tar_unpack_result r;
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root(), fd;
	char *data = calloc(1, SIZE), *back = calloc(1, SIZE);
	struct stat st;

	memcpy(data + 70000, "middle", 6);
	data[SIZE / 2] = 'x';
	ITEM(&a, .name = "f", .data = data, .len = SIZE);
	ITEM(&a, .name = "s", .data = "abc", .pax = "GNU.sparse.size=3000000\nGNU.sparse.map=100000,2,2000000,1\n");
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_NONE, &r, &e));
	fd = openat(root, "f", O_RDONLY | O_CLOEXEC);
	NEED(!fstat(fd, &st));
	CHECK_INT(st.st_size, SIZE);
	CHECK(st.st_blocks * 512 < SIZE / 4);
	CHECK_INT(fd_read_full(fd, back, SIZE), SIZE);
	CHECK(!memcmp(data, back, SIZE));
	close(fd);
	fd = openat(root, "s", O_RDONLY | O_CLOEXEC);
	NEED(!fstat(fd, &st));
	CHECK_INT(st.st_size, 3000000);
	memset(back, 7, SIZE);
	CHECK_INT(fd_read_full(fd, back, SIZE), 3000000);
	CHECK(back[100000] == 'a' && back[100001] == 'b' && !back[100002] && back[2000000] == 'c');
	close(fd);
	free(data);
	free(back);
	buf_release(&a);
	close(root);
}

/* Times of more directories than fit in memory's share, and of deep ones. */
TEST_USERNS(many_directories)
{
	struct tar_unpack_result r;
	struct buf a = BUF_INIT, path = BUF_INIT;
	struct err e = ERR_INIT;
	int root = new_root();
	struct stat st;
	char name[64];

	for (unsigned int i = 0; i < 200; i++) {
		buf_addf(&path, "%sd", i ? "/" : "");
		snprintf(name, sizeof(name), "path=%s", path.p);
		char *pax = xasprintf("path=%s\n", path.p);
		ITEM(&a, .type = '5', .name = "x", .pax = pax, .mode = 0755, .mtime = 5000 + (long)i);
		free(pax);
	}
	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "many/directory-with-a-longer-name-%u", i);
		ITEM(&a, .type = '5', .name = name, .mode = 0755, .mtime = 1000 + (long)i);
	}
	ITEM(&a, .name = "many/directory-with-a-longer-name-3/file");
	CHECK_OK(e, unpack_to(root, &a, TAR_WH_OVERLAY, &r, &e));
	for (unsigned int i = 0; i < 20000; i += 999) {
		snprintf(name, sizeof(name), "many/directory-with-a-longer-name-%u", i);
		CHECK(!fstatat(root, name, &st, 0) && st.st_mtime == 1000 + (long)i);
	}
	CHECK(!fstatat(root, "many/directory-with-a-longer-name-3", &st, 0) && st.st_mtime == 1003);
	CHECK(!fstatat(root, "d/d/d", &st, 0) && st.st_mtime == 5002);
	buf_release(&a);
	buf_release(&path);
	close(root);
}
