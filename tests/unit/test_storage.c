/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_storage.c - layers and root filesystems, with each driver
 *
 * Runs as root of a user namespace (userns.h), as the engine's processes do; the unpacking process
 * is this program again.
 */
#define UNIT_ROLES role_main
#include "archive.h"
#include "userns.h"

#include "base/proc.h"
#include "base/sha256.h"
#include "storage/driver.h"
#include "storage/idhint.h"
#include "storage/storage.h"
#include "storage/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <zlib.h>

static int role_main(int argc, char **argv)
{
	return strcmp(argv[0], ":unpack") ? 99 : unpack_role_main(argc, argv);
}

static const char *const driver_names[] = { "overlay2", "fuse-overlayfs", "btrfs", "vfs" };

/* fuse-overlayfs needs a device that users may open, btrfs such a file system: tests/integration/46-drivers
 * runs this test with both. */
static bool have_driver(const char *name)
{
	const char *only = getenv("STORAGE_DRIVER");
	struct statfs fs;
	struct stat st;

	if (only)
		return !strcmp(name, only);
	if (!strcmp(name, "fuse-overlayfs"))
		return !stat("/dev/fuse", &st) && st.st_mode & S_IWOTH && !access("/usr/bin/fuse-overlayfs", X_OK);
	if (!strcmp(name, "btrfs"))
		return !statfs(tmp_path(), &fs) && (unsigned int)fs.f_type == 0x9123683e;
	return true;
}

/* --- a store, and archives in it --- */

static int new_data_root(char path[PATH_MAX])
{
	static int serial;

	if (snprintf(path, PATH_MAX, "%s/data-%d-%d", tmp_path(), (int)getpid(), serial++) >= PATH_MAX || mkdir(path, 0700))
		abort();
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct fixture {
	struct store s;
	int datafd;
	char root[PATH_MAX];
};

/* A store of that driver; skips the test where the machine does not have it. */
static void setup(struct fixture *f, const char *driver)
{
	struct err e = ERR_INIT;

	f->datafd = new_data_root(f->root);
	if (!store_open(&f->s, f->datafd, f->root, driver, &e))
		return;
	if (!strcmp(driver, "overlay2") && strstr(e.msg, "mounting overlay"))
		SKIP("machine: no overlayfs for users here");
	unit_fail(__FILE__, __LINE__, "%s: %s", driver, e.msg);
	longjmp(unit_end, 1);
}

static int entries(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static void teardown(struct fixture *f)
{
	CHECK_INT(entries(f->datafd, "tmp"), 0); /* nothing half-made stays */
	store_close(&f->s);
	close(f->datafd);
}

static int file_of(const struct buf *b)
{
	int fd = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_full(fd, b->p, b->n) || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static int unpack(struct fixture *f, const struct buf *archive, int64_t max, struct layer_draft *d, struct err *e)
{
	int fd = file_of(archive), rc = layer_unpack(&f->s, NULL, fd, max, d, e);

	close(fd);
	return rc;
}

static bool add_layer(struct fixture *f, const char *parent, const struct buf *archive, char chain[DIGEST_MAX])
{
	struct err e = ERR_INIT;
	struct layer_draft d;

	return CHECK_OK(e, unpack(f, archive, 0, &d, &e)) && CHECK_OK(e, layer_commit(&f->s, parent, &d, chain, &e));
}

static void gzip(const struct buf *in, struct buf *out)
{
	z_stream z = { 0 };

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0);
	buf_room(out, deflateBound(&z, in->n) + 32);
	z.next_in = (const unsigned char *)in->p;
	z.avail_in = (uInt)in->n;
	z.next_out = (unsigned char *)out->p + out->n;
	z.avail_out = (uInt)(out->cap - out->n);
	deflate(&z, Z_FINISH);
	out->n += z.total_out;
	deflateEnd(&z);
}

/* An image of two layers that uses all there is. */
static void base_archive(struct buf *a)
{
	ITEM(a, .type = '5', .name = "bin/", .mode = 0755, .mtime = 100);
	ITEM(a, .name = "bin/tool", .data = "tool", .mode = 0755, .mtime = 101);
	ITEM(a, .type = '1', .name = "bin/same", .link = "bin/tool", .mode = 0755, .mtime = 101);
	ITEM(a, .type = '2', .name = "sbin", .link = "bin");
	ITEM(a, .type = '5', .name = "etc", .mode = 0755, .mtime = 102);
	ITEM(a, .name = "etc/conf", .data = "lower", .mtime = 103);
	ITEM(a, .name = "etc/keep", .data = "keep", .mtime = 103);
	ITEM(a, .name = "etc/gone", .data = "gone", .mtime = 103);
	ITEM(a, .type = '5', .name = "opaque", .mode = 0755);
	ITEM(a, .name = "opaque/old", .data = "old");
	ITEM(a, .type = '5', .name = "dir", .mode = 0755);
	ITEM(a, .name = "dir/in", .data = "in");
	ITEM(a, .name = "file", .data = "file");
	ITEM(a, .type = '6', .name = "fifo", .mode = 0622);
	ITEM(a, .type = '5', .name = "tmp", .mode = 01777);
	put_end(a);
}

static void top_archive(struct buf *a)
{
	ITEM(a, .type = '5', .name = "etc", .mode = 0750, .mtime = 200);
	ITEM(a, .name = "etc/conf", .data = "upper", .mtime = 201);
	ITEM(a, .name = "etc/.wh.gone");
	ITEM(a, .type = '5', .name = "opaque", .mode = 0755);
	ITEM(a, .name = "opaque/.wh..wh..opq");
	ITEM(a, .name = "opaque/new", .data = "new");
	ITEM(a, .name = "dir", .data = "now a file");
	ITEM(a, .name = ".wh.file");
	ITEM(a, .type = '5', .name = "file", .mode = 0755);
	ITEM(a, .name = "file/in", .data = "now a directory");
	put_end(a);
}

/* --- mounted --- */

static int mounted = -1; /* the root filesystem mounted last */
static char mountpoint[PATH_MAX];

static bool mount_rootfs(struct fixture *f, const char *id, bool readonly)
{
	struct err e = ERR_INIT;
	json_t *desc = rootfs_describe(&f->s, id, &e);

	if (snprintf(mountpoint, sizeof(mountpoint), "%s/mnt-%d", tmp_path(), (int)getpid()) < PATH_MAX)
		mkdir(mountpoint, 0755);
	if (!CHECK_OK(e, desc ? 0 : -1) || !CHECK_OK(e, rootfs_mount(desc, mountpoint, readonly, &e))) {
		json_decref(desc);
		return false;
	}
	json_decref(desc);
	mounted = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return CHECK(mounted >= 0);
}

static void unmount_rootfs(void)
{
	close(mounted);
	CHECK_INT(umount2(mountpoint, MNT_DETACH), 0);
}

static void put_text(const char *path, const char *text)
{
	int fd = openat(mounted, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && !fd_write_full(fd, text, strlen(text)));
	close(fd);
}

static bool has_text(int root, const char *path, const char *want)
{
	struct buf text = BUF_INIT;
	bool ok = !file_read_at(root, path, 1 << 20, &text, NULL) && !strcmp(text.p, want);

	buf_release(&text);
	return ok;
}

static bool two_layers(struct fixture *f, char chain[DIGEST_MAX])
{
	struct buf a = BUF_INIT, b = BUF_INIT, z = BUF_INIT;
	char base[DIGEST_MAX];
	bool ok;

	base_archive(&a);
	top_archive(&b);
	gzip(&b, &z);
	ok = add_layer(f, NULL, &a, base) && add_layer(f, base, &z, chain);
	buf_release(&a);
	buf_release(&b);
	buf_release(&z);
	return ok;
}

static void check_merged(void)
{
	struct stat st, st2;
	char text[16];

	CHECK(has_text(mounted, "bin/tool", "tool"));
	CHECK(!fstatat(mounted, "bin/tool", &st, 0) && !fstatat(mounted, "bin/same", &st2, 0));
	CHECK(st.st_ino == st2.st_ino && st.st_nlink == 2 && st.st_mtime == 101);
	CHECK_INT(readlinkat(mounted, "sbin", text, sizeof(text)), 3);
	CHECK(has_text(mounted, "etc/conf", "upper"));
	CHECK(has_text(mounted, "etc/keep", "keep"));
	CHECK(!fs_exists_at(mounted, "etc/gone"));
	CHECK(!fstatat(mounted, "etc", &st, 0) && (st.st_mode & 07777) == 0750);
	CHECK_INT(st.st_mtime, 200);
	CHECK(!fs_exists_at(mounted, "opaque/old") && has_text(mounted, "opaque/new", "new"));
	CHECK(has_text(mounted, "dir", "now a file"));
	CHECK(has_text(mounted, "file/in", "now a directory"));
	CHECK(!fstatat(mounted, "fifo", &st, 0) && S_ISFIFO(st.st_mode) && (st.st_mode & 07777) == 0622);
	CHECK(!fstatat(mounted, "tmp", &st, 0) && (st.st_mode & 07777) == 01777);
	CHECK(!fstat(mounted, &st) && (st.st_mode & 07777) == 0755 && !st.st_uid);
	/* the layer below all others: only what the image lacks */
	CHECK(has_text(mounted, ".dockerenv", "") && has_text(mounted, "etc/resolv.conf", ""));
	CHECK(!fstatat(mounted, "dev/pts", &st, 0) && S_ISDIR(st.st_mode));
	CHECK(!fs_exists_at(mounted, "etc/.wh.gone") && !fs_exists_at(mounted, "opaque/.wh..wh..opq"));
}

/* "C /etc\nD /etc/gone\n" */
static void check_changes(struct fixture *f, const char *id, const char *want)
{
	struct err e = ERR_INIT;
	json_t *changes = rootfs_changes(&f->s, id, &e);
	struct buf got = BUF_INIT;
	size_t i;

	CHECK_OK(e, changes ? 0 : -1);
	for (i = 0; i < json_array_size(changes); i++) {
		json_t *c = json_array_get(changes, i);

		buf_addf(&got, "%c %s\n", "CAD"[json_int(c, "Kind", 0)], json_str(c, "Path", "?"));
	}
	if (strcmp(got.p, want))
		unit_fail(__FILE__, __LINE__, "%s: changes are\n%swanted\n%s", store_driver_name(&f->s), got.p,
			want);
	buf_release(&got);
	json_decref(changes);
}

/* Each with every driver. */
#define TEST_DRIVERS(id)                                                   \
	static void with_driver_##id(struct fixture *f);                   \
	static void start_##id(void *name)                                 \
	{                                                                  \
		struct fixture f;                                          \
		setup(&f, name);                                           \
		with_driver_##id(&f);                                      \
		teardown(&f);                                              \
	}                                                                  \
	TEST(id)                                                           \
	{                                                                  \
		for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)      \
			if (have_driver(driver_names[i]))          \
				in_userns(start_##id, (void *)(uintptr_t)driver_names[i]); \
	}                                                                  \
	static void with_driver_##id(struct fixture *f)

/* --- opening --- */

TEST_USERNS(open_chooses)
{
	struct fixture f;
	struct err e = ERR_INIT;
	struct buf a = BUF_INIT;
	char chain[DIGEST_MAX];
	json_t *status;

	f.datafd = new_data_root(f.root);
	CHECK_INT(store_open(&f.s, f.datafd, f.root, "aufs", &e), -1);
	CHECK(strstr(e.msg, "storage driver aufs is not known") && strstr(e.hint, "overlay2"));
	NEED(!store_open(&f.s, f.datafd, f.root, NULL, &e));
	CHECK(!strcmp(store_driver_name(&f.s), "overlay2") || !strcmp(store_driver_name(&f.s), "vfs"));
	CHECK_INT(f.s.single_id, userns_ids() == 1);
	status = store_status(&f.s);
	CHECK(json_is_array(status));
	json_decref(status);
	store_close(&f.s);
	/* where a driver has layers, that is the driver */
	NEED(!store_open(&f.s, f.datafd, f.root, "vfs", &e));
	base_archive(&a);
	CHECK(add_layer(&f, NULL, &a, chain));
	store_close(&f.s);
	NEED(!store_open(&f.s, f.datafd, f.root, NULL, &e));
	CHECK_STR(store_driver_name(&f.s), "vfs");
	CHECK(layer_exists(&f.s, chain));
	teardown(&f);
	buf_release(&a);
}

TEST(network_file_systems)
{
	struct err e = ERR_INIT;

	CHECK_INT(store_refuse_remote(0x6969, "/home/me/data", &e), -1);
	CHECK(strstr(e.msg, "/home/me/data is on nfs"));
	CHECK(strstr(e.hint, "{\"data-root\":\"/somewhere-out-of-nfs\"}"));
	CHECK_INT(store_refuse_remote(0xff534d42, "/d", &e), -1); /* cifs */
	CHECK_INT(store_refuse_remote(0xef53, "/d", &e), 0);	   /* ext4 */
	CHECK_INT(store_refuse_remote(0x1234, "/d", &e), 0);	   /* not known: try */
}

/* --- layers --- */

TEST(chain_ids)
{
	static const char *const a = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char *const b = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	char out[DIGEST_MAX], want[DIGEST_MAX], text[200];

	chain_id("", a, out);
	CHECK_STR(out, a);
	chain_id(NULL, a, out);
	CHECK_STR(out, a);
	chain_id(a, b, out);
	snprintf(text, sizeof(text), "%s %s", a, b);
	sha256_digest_of(text, strlen(text), want);
	CHECK_STR(out, want);
}

TEST_DRIVERS(layers)
{
	struct buf a = BUF_INIT, z = BUF_INIT;
	struct layer_info info;
	struct layer_draft d;
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX], again[DIGEST_MAX], want[DIGEST_MAX];
	json_t *list;

	base_archive(&a);
	buf_adds(&a, "behind the end, and part of the digest");
	gzip(&a, &z);
	CHECK_OK(e, unpack(f, &z, 0, &d, &e));
	sha256_digest_of(a.p, a.n, want);
	CHECK_STR(d.diff_id, want);
	sha256_digest_of(z.p, z.n, want);
	CHECK_STR(d.blob, want);
	CHECK_INT(d.blob_size, z.n);
	CHECK_INT(d.size, 4 + 5 + 4 + 4 + 3 + 2 + 4);
	CHECK_OK(e, layer_commit(&f->s, NULL, &d, chain, &e));
	CHECK_STR(chain, d.diff_id);
	CHECK(layer_exists(&f->s, chain));
	CHECK_OK(e, layer_stat(&f->s, chain, &info, &e));
	CHECK_STR(info.diff_id, chain);
	CHECK_STR(info.parent, "");
	CHECK_INT(info.size, 26);
	/* a second time: the same, and fine */
	CHECK_OK(e, unpack(f, &z, 0, &d, &e));
	CHECK_OK(e, layer_commit(&f->s, "", &d, again, &e));
	CHECK_STR(again, chain);
	/* on a parent that is not there: refused, and the draft is gone */
	CHECK_OK(e, unpack(f, &z, 0, &d, &e));
	memset(again + 7, '0', 64);
	CHECK_INT(layer_commit(&f->s, again, &d, want, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	list = layer_list(&f->s);
	CHECK_INT(json_array_size(list), 1);
	CHECK_STR(json_string_value(json_array_get(list, 0)), chain);
	json_decref(list);
	CHECK_OK(e, layer_remove(&f->s, chain, &e));
	CHECK(!layer_exists(&f->s, chain));
	CHECK_INT(layer_remove(&f->s, chain, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	CHECK_INT(layer_stat(&f->s, chain, &info, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	CHECK_INT(layer_stat(&f->s, "sha256:../../x", &info, &e), -1);
	CHECK_INT(e.kind, ERR_INVALID);
	buf_release(&a);
	buf_release(&z);
}

/* The archive comes back byte for byte, however odd it was. */
TEST_DRIVERS(pack_again)
{
	struct buf a = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX], *big = xmalloc(300000);
	int out;

	for (int i = 0; i < 300000; i++)
		big[i] = (char)(i * 7 + i / 251);
	memset(big + 50000, 0, 100000);
	ITEM(&a, .name = "big", .data = big, .len = 300000);
	ITEM(&a, .name = "twice", .data = "the first one", .pax = "comment=a record nobody knows\n");
	ITEM(&a, .type = '1', .name = "link", .link = "twice");
	ITEM(&a, .name = "./twice", .data = "second");
	ITEM(&a, .name = "twice", .data = "and the third");
	ITEM(&a, .type = '2', .name = "l", .link = "/d");
	ITEM(&a, .type = '5', .name = "d", .mode = 0755);
	ITEM(&a, .name = "l/x", .data = "through a link");
	ITEM(&a, .name = ".wh.gone", .data = "a whiteout with content");
	ITEM(&a, .type = '3', .name = "dev", .major = 1);
	ITEM(&a, .name = "sparse", .data = "abc", .pax = "GNU.sparse.size=90\nGNU.sparse.map=1,2,50,1\n");
	put_pax(&a, "comment=global\n", 'g');
	ITEM(&a, .name = "last", .data = "last");
	put_end(&a);
	buf_adds(&a, "junk");
	if (add_layer(f, NULL, &a, chain)) {
		out = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		CHECK_OK(e, layer_pack(&f->s, chain, out, &e));
		lseek(out, 0, SEEK_SET);
		CHECK_OK(e, fd_read_all(out, 1 << 24, &got, &e));
		CHECK(got.n == a.n && !memcmp(got.p, a.p, a.n));
		close(out);
	}
	/* files that were changed behind our back are not passed off as the layer */
	char path[200];
	snprintf(path, sizeof(path), "%s/layers/%s/diff/last", store_driver_name(&f->s), digest_hex(chain));
	CHECK_OK(e, file_write_at(f->datafd, path, "lost", 4, 0644, 0, &e));
	out = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK_INT(layer_pack(&f->s, chain, out, &e), -1);
	CHECK(strstr(e.msg, "its files were changed"));
	close(out);
	buf_release(&a);
	buf_release(&got);
	free(big);
}

TEST_DRIVERS(archives_noted)
{
	struct buf a = BUF_INIT;
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX], digest[DIGEST_MAX], repo[32];
	struct layer_info info;
	json_t *list;
	int i;

	ITEM(&a, .name = "f", .data = "text");
	put_end(&a);
	NEED(add_layer(f, NULL, &a, chain));
	CHECK_OK(e, layer_stat(&f->s, chain, &info, &e));
	CHECK_INT(info.archive_size, (long long)a.n);
	list = layer_archives(&f->s, chain);
	CHECK_INT(json_array_size(list), 0);
	json_decref(list);
	/* The latest archive and repository come first; there is an end to how many are kept. */
	for (i = 0; i < 50; i++) {
		sha256_digest_of(&i, sizeof(i) * (i % 5 == 0), digest);
		snprintf(repo, sizeof(repo), "host/r%d", i);
		CHECK_OK(e, layer_archive_add(&f->s, chain, digest, 7, "type", repo, &e));
	}
	CHECK_OK(e, layer_archive_add(&f->s, chain, digest, 7, "type", "host/r48", &e));
	list = layer_archives(&f->s, chain);
	CHECK(json_array_size(list) > 1 && json_array_size(list) <= 8);
	CHECK_STR(json_str(json_array_get(list, 0), "digest", ""), digest);
	CHECK_STR(json_string_value(json_array_get(json_arr(json_array_get(list, 0), "from"), 0)), "host/r48");
	CHECK(json_array_size(json_arr(json_array_get(list, 0), "from")) <= 32);
	json_decref(list);
	CHECK_INT(layer_archive_add(&f->s, chain, "sha256:../x", 7, "type", "r", &e), -1);
	CHECK_INT(layer_archive_add(&f->s, "../x", digest, 7, "type", "r", &e), -1);
	/* They go with the layer. */
	CHECK_OK(e, layer_remove(&f->s, chain, &e));
	list = layer_archives(&f->s, chain);
	CHECK_INT(json_array_size(list), 0);
	json_decref(list);
	buf_release(&a);
}

TEST_DRIVERS(bad_archives)
{
	struct buf a = BUF_INIT, z = BUF_INIT;
	struct layer_draft d;
	struct err e = ERR_INIT;

	for (int i = 0; i < 60; i++)
		buf_adds(&a, "not a tar, not a tar, not a tar");
	CHECK_INT(unpack(f, &a, 0, &d, &e), -1);
	CHECK_STR(e.msg, "archive/tar: invalid tar header");
	buf_reset(&a);
	base_archive(&a);
	gzip(&a, &z);
	z.n -= 20;
	CHECK_INT(unpack(f, &z, 0, &d, &e), -1);
	CHECK(strstr(e.msg, "unexpected EOF"));
	z.n += 20;
	z.p[z.n / 2] ^= 0x55;
	CHECK_INT(unpack(f, &z, 0, &d, &e), -1);
	CHECK(e.msg[0]);
	a.n = 512 * 3 + 2;
	CHECK_INT(unpack(f, &a, 0, &d, &e), -1);
	CHECK(strstr(e.msg, "unexpected EOF"));
	buf_reset(&a);
	ITEM(&a, .name = "../../../../evil", .data = "x");
	CHECK_INT(unpack(f, &a, 0, &d, &e), -1);
	CHECK(strstr(e.msg, "invalid entry name"));
	if (userns_ids() > 1) {
		buf_reset(&a);
		ITEM(&a, .name = "f", .uid = 200000);
		CHECK_INT(unpack(f, &a, 0, &d, &e), -1);
		CHECK(strstr(e.msg, "failed to Lchown \"/f\" for UID 200000"));
		CHECK_INT(e.code, EINVAL);
		CHECK(strstr(e.hint, "needs uid 200000, only 0 to 65535 are mapped"));
		CHECK(strstr(e.hint, "/etc/subuid"));
	}
	CHECK_INT(entries(f->s.driverfd, "layers"), 0);
	buf_release(&a);
	buf_release(&z);
}

/* A gigabyte of zeros in a megabyte: no disk, little memory, and a ceiling holds. */
TEST_DRIVERS(bomb)
{
	enum { MB = 1 << 20, N = 1000 };
	struct buf z = BUF_INIT, head = BUF_INIT;
	char *zeros = xcalloc(1, MB), size[13], chain[DIGEST_MAX], path[200];
	struct layer_draft d;
	struct err e = ERR_INIT;
	struct stat st;
	z_stream s = { 0 };

	deflateInit2(&s, 1, Z_DEFLATED, 15 + 16, 8, 0);
	snprintf(size, sizeof(size), "%011o", (unsigned int)N * MB);
	ITEM(&head, .name = "zeros", .size = size);
	for (int i = -1; i < N; i++) {
		s.next_in = (const unsigned char *)(i < 0 ? head.p : zeros);
		s.avail_in = i < 0 ? 512 : MB;
		do {
			s.next_out = (unsigned char *)buf_room(&z, 65536);
			s.avail_out = 65536;
			deflate(&s, i == N - 1 ? Z_FINISH : Z_NO_FLUSH);
			z.n += 65536 - s.avail_out;
		} while (!s.avail_out);
	}
	deflateEnd(&s);
	CHECK(z.n < 8 * MB);
	CHECK_INT(unpack(f, &z, 100 * MB, &d, &e), -1);
	CHECK_INT(e.code, EFBIG);
	CHECK(strstr(e.msg, "more than 104857600 bytes"));
	CHECK_OK(e, unpack(f, &z, 0, &d, &e));
	CHECK_INT(d.size, (int64_t)N * MB);
	CHECK_OK(e, layer_commit(&f->s, NULL, &d, chain, &e));
	snprintf(path, sizeof(path), "%s/layers/%s/diff/zeros", store_driver_name(&f->s), digest_hex(chain));
	CHECK(!fstatat(f->datafd, path, &st, 0) && st.st_size == (int64_t)N * MB && st.st_blocks < 2048);
	buf_release(&z);
	buf_release(&head);
	free(zeros);
}

/* --- the unpacking process --- */

struct stalled {
	struct fixture *f;
	int fd;
	struct layer_draft d;
	struct err e;
	int rc;
	int done[2];
};

static void stalled_unpack(void *arg)
{
	struct stalled *s = arg;

	s->rc = layer_unpack(&s->f->s, NULL, s->fd, 0, &s->d, &s->e);
	if (write(s->done[1], "x", 1) != 1)
		abort();
}

/* Our one child process, once it has begun to write files. */
static pid_t find_child(struct fixture *f)
{
	char path[64], text[64];
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *d;
	pid_t pid = 0;

	(void)f;
	while ((d = readdir(tasks))) {
		struct buf b = BUF_INIT;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", d->d_name);
		if (!file_read_at(AT_FDCWD, path, sizeof(text), &b, NULL) && b.n)
			pid = atoi(b.p);
		buf_release(&b);
	}
	closedir(tasks);
	return pid;
}

static bool first_file_there(struct fixture *f)
{
	int tmp = openat(f->datafd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(tmp);
	struct dirent *d;
	bool there = false;
	char path[300];

	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/diff/first", d->d_name);
		there |= fs_exists_at(tmp, path);
	}
	closedir(dir);
	return there;
}

/* Start unpacking an archive that stops in the middle. */
static pid_t stall(struct fixture *f, struct stalled *s, int *in)
{
	struct buf a = BUF_INIT;
	char *zeros = xcalloc(1, 1 << 20);
	int ends[2];

	*s = (struct stalled){ .f = f, .e = ERR_INIT };
	if (pipe2(ends, O_CLOEXEC) || pipe2(s->done, O_CLOEXEC))
		abort();
	s->fd = ends[0];
	*in = ends[1];
	if (thread_start("unpack", stalled_unpack, s, 512))
		abort();
	ITEM(&a, .name = "first");
	/* more than is read ahead before anything is passed on */
	put_header(&a, '0', "second", 4 << 20, &(struct item){ .mode = 0644 });
	if (fd_write_full(*in, a.p, a.n) || fd_write_full(*in, zeros, 1 << 20))
		abort();
	while (!first_file_there(f))
		sched_yield();
	buf_release(&a);
	free(zeros);
	return find_child(f);
}

static void wait_done(struct stalled *s)
{
	char c;

	CHECK(read(s->done[0], &c, 1) == 1);
	close(s->done[0]);
	close(s->done[1]);
	close(s->fd);
}

static char *status_line(pid_t pid, const char *key)
{
	char path[64], *at;
	struct buf b = BUF_INIT;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read_at(AT_FDCWD, path, 1 << 16, &b, NULL))
		return xstrdup("");
	at = strstr(b.p, key);
	at = at ? xstrndup(at + strlen(key), strcspn(at + strlen(key), "\n")) : xstrdup("");
	buf_release(&b);
	return at;
}

static bool same_ns(pid_t pid, const char *ns)
{
	char path[64], mine[64] = "", theirs[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", ns);
	if (readlink(path, mine, sizeof(mine) - 1) < 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, ns);
	if (readlink(path, theirs, sizeof(theirs) - 1) < 0)
		return true;
	return !strcmp(mine, theirs);
}

TEST_DRIVERS(sandbox)
{
	struct stalled s;
	char path[64], target[4096], *line;
	int in, fds = 0;
	pid_t pid = stall(f, &s, &in);
	struct dirent *d;
	DIR *dir;
	ssize_t n;

	NEED(pid > 0);
	line = status_line(pid, "NoNewPrivs:\t");
	CHECK_STR(line, "1");
	free(line);
	/* CHOWN DAC_OVERRIDE FOWNER FSETID SETFCAP MKNOD */
	line = status_line(pid, "CapEff:\t");
	CHECK_STR(line, "000000008800001b");
	free(line);
	line = status_line(pid, "CapBnd:\t");
	CHECK_STR(line, "000000008800001b");
	free(line);
	CHECK(!same_ns(pid, "net"));
	CHECK(!same_ns(pid, "mnt"));
	CHECK(!same_ns(pid, "ipc"));
	/* its root is all there is: one mount, and that is the tree */
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	struct buf mounts = BUF_INIT;
	CHECK(!file_read_at(AT_FDCWD, path, 1 << 20, &mounts, NULL));
	CHECK(mounts.n && strchr(mounts.p, '\n') == mounts.p + mounts.n - 1 && strstr(mounts.p, "/diff / "));
	buf_release(&mounts);
	snprintf(path, sizeof(path), "/proc/%d/root/first", (int)pid);
	CHECK(fs_exists_at(AT_FDCWD, path));
	snprintf(path, sizeof(path), "/proc/%d/root/proc", (int)pid);
	CHECK(!fs_exists_at(AT_FDCWD, path));
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);
		fds += n > 0;
	}
	CHECK(fds > 5 && fds < 14);
	if (dir)
		closedir(dir);
	close(in);
	wait_done(&s);
	CHECK_INT(s.rc, -1);
	CHECK(strstr(s.e.msg, "unexpected EOF: the archive ends inside second"));
}

TEST_DRIVERS(unpack_killed)
{
	struct stalled s;
	int in;
	pid_t pid = stall(f, &s, &in);

	NEED(pid > 0);
	kill(pid, SIGKILL);
	wait_done(&s);
	close(in);
	CHECK_INT(s.rc, -1);
	CHECK_STR(s.e.msg, "the unpacking process was killed by signal 9");
}

/* --- commits at once --- */

struct racer {
	struct fixture *f;
	struct buf *archive;
	char chain[DIGEST_MAX];
	int rc, done;
};

static void race(void *arg)
{
	struct racer *r = arg;
	struct layer_draft d;

	r->rc = unpack(r->f, r->archive, 0, &d, NULL) || layer_commit(&r->f->s, NULL, &d, r->chain, NULL);
	if (write(r->done, "x", 1) != 1)
		abort();
}

TEST_DRIVERS(commits_race)
{
	struct racer racers[6];
	struct buf a = BUF_INIT;
	int ends[2];
	char c;

	base_archive(&a);
	NEED(!pipe2(ends, O_CLOEXEC));
	for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
		racers[i] = (struct racer){ .f = f, .archive = &a, .done = ends[1] };
		NEED(!thread_start("race", race, &racers[i], 512));
	}
	for (size_t i = 0; i < ARRAY_SIZE(racers); i++)
		CHECK(read(ends[0], &c, 1) == 1);
	for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
		CHECK_INT(racers[i].rc, 0);
		CHECK_STR(racers[i].chain, racers[0].chain);
	}
	CHECK_INT(entries(f->s.driverfd, "layers"), 1);
	close(ends[0]);
	close(ends[1]);
	buf_release(&a);
}

/* --- root filesystems --- */

TEST_DRIVERS(rootfs)
{
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX];
	int64_t bytes, inodes;

	NEED(two_layers(f, chain));
	CHECK_OK(e, rootfs_create(&f->s, "c1", chain, &e));
	CHECK_INT(rootfs_create(&f->s, "c1", chain, &e), -1);
	CHECK_INT(e.kind, ERR_CONFLICT);
	CHECK_INT(rootfs_create(&f->s, "../c1", chain, &e), -1);
	CHECK_INT(e.kind, ERR_INVALID);
	NEED(mount_rootfs(f, "c1", false));
	check_merged();
	check_changes(f, "c1", "");
	CHECK_OK(e, rootfs_usage(&f->s, "c1", &bytes, &inodes, &e));
	CHECK_INT(bytes, 0);
	put_text("hello", "12345");
	CHECK_OK(e, rootfs_usage(&f->s, "c1", &bytes, &inodes, &e));
	CHECK_INT(bytes, 5);
	CHECK_INT(inodes, 1);
	unmount_rootfs();
	/* still there when mounted again, and cannot be written read-only */
	NEED(mount_rootfs(f, "c1", true));
	CHECK(has_text(mounted, "hello", "12345"));
	CHECK(openat(mounted, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) < 0 && errno == EROFS);
	unmount_rootfs();
	/* a second container of the same image knows nothing of it */
	CHECK_OK(e, rootfs_create(&f->s, "c2", chain, &e));
	NEED(mount_rootfs(f, "c2", false));
	check_merged();
	CHECK(!fs_exists_at(mounted, "hello"));
	unmount_rootfs();
	CHECK_OK(e, rootfs_remove(&f->s, "c1", &e));
	CHECK_OK(e, rootfs_remove(&f->s, "c1", &e)); /* again: nothing to do */
	CHECK(!rootfs_describe(&f->s, "c1", &e));
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	CHECK_OK(e, rootfs_remove(&f->s, "c2", &e));
	/* no image at all */
	CHECK_OK(e, rootfs_create(&f->s, "empty", NULL, &e));
	NEED(mount_rootfs(f, "empty", false));
	CHECK(fs_exists_at(mounted, "proc") && fs_exists_at(mounted, "dev/console"));
	unmount_rootfs();
	CHECK_OK(e, rootfs_remove(&f->s, "empty", &e));
	CHECK_INT(rootfs_create(&f->s, "c3", "sha256:00000000000000000000000000000000"
		"00000000000000000000000000000000", &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
}

static void change_things(void)
{
	put_text("etc/conf", "changed");
	put_text("new", "n");
	CHECK_INT(mkdirat(mounted, "a", 0755), 0);
	CHECK_INT(mkdirat(mounted, "a/b", 0755), 0);
	put_text("a/b/f", "f");
	CHECK_INT(unlinkat(mounted, "opaque/new", 0), 0);
	CHECK_INT(unlinkat(mounted, "opaque", AT_REMOVEDIR), 0);
	CHECK_INT(mkdirat(mounted, "opaque", 0755), 0);
	put_text("opaque/other", "o");
	CHECK_INT(unlinkat(mounted, "file/in", 0), 0);
	CHECK_INT(unlinkat(mounted, "file", AT_REMOVEDIR), 0);
	CHECK_INT(unlinkat(mounted, "dir", 0), 0);
	CHECK_INT(mkdirat(mounted, "dir", 0755), 0);
	put_text("dir/x", "x");
	CHECK_INT(unlinkat(mounted, "etc/hosts", 0), 0);
	CHECK_INT(fchmodat(mounted, "tmp", 0700, 0), 0);
}

TEST_DRIVERS(changes)
{
	struct err e = ERR_INIT;
	char chain[DIGEST_MAX], committed[DIGEST_MAX];
	struct layer_draft d;
	int ends[2];

	NEED(two_layers(f, chain));
	CHECK_OK(e, rootfs_create(&f->s, "c", chain, &e));
	NEED(mount_rootfs(f, "c", false));
	change_things();
	check_changes(f, "c",
		"A /a\nA /a/b\nA /a/b/f\nC /dir\nA /dir/x\nC /etc\nC /etc/conf\nD /etc/hosts\n"
		"D /file\nA /new\nC /opaque\nD /opaque/new\nA /opaque/other\nC /tmp\n");
	unmount_rootfs();
	/* committed, the changes are a layer that gives the same again */
	NEED(!pipe2(ends, O_CLOEXEC));
	int out = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK_OK(e, rootfs_pack_changes(&f->s, "c", out, &e));
	lseek(out, 0, SEEK_SET);
	CHECK_OK(e, layer_unpack(&f->s, chain, out, 0, &d, &e));
	CHECK_OK(e, layer_commit(&f->s, chain, &d, committed, &e));
	close(out);
	close(ends[0]);
	close(ends[1]);
	CHECK_OK(e, rootfs_create(&f->s, "again", committed, &e));
	NEED(mount_rootfs(f, "again", false));
	CHECK(has_text(mounted, "etc/conf", "changed") && has_text(mounted, "etc/keep", "keep"));
	CHECK(has_text(mounted, "a/b/f", "f") && has_text(mounted, "new", "n"));
	CHECK(has_text(mounted, "opaque/other", "o") && !fs_exists_at(mounted, "opaque/new"));
	CHECK(!fs_exists_at(mounted, "opaque/old"));
	CHECK(!fs_exists_at(mounted, "file") && has_text(mounted, "dir/x", "x"));
	CHECK(!fs_exists_at(mounted, "etc/hosts") && has_text(mounted, "bin/same", "tool"));
	check_changes(f, "again", "");
	unmount_rootfs();
}

/* As many layers as overlayfs takes fit into one mount. */
TEST_USERNS(overlay_500_layers)
{
	struct fixture f;
	struct err e = ERR_INIT;
	json_t *desc, *lower = json_array();
	char path[PATH_MAX + 200], text[32];

	setup(&f, "overlay2");
	desc = json_pack("{s:s}", "driver", "overlay2");
	for (int i = 0; i < 499; i++) {
		snprintf(path, sizeof(path), "%s/a-layer-with-a-rather-long-name-that-would-not-fit-into-a-page-%d",
			f.root, i);
		mkdir(path, 0755);
		json_append_str(lower, path);
		snprintf(path + strlen(path), 32, "/file-%d", i);
		CHECK_OK(e, file_write_at(AT_FDCWD, path, "x", 1, 0644, 0, &e));
	}
	json_set_new(desc, "lower", lower);
	snprintf(path, sizeof(path), "%s/u", f.root);
	mkdir(path, 0755);
	json_set_str(desc, "upper", path);
	snprintf(path, sizeof(path), "%s/w", f.root);
	mkdir(path, 0755);
	json_set_str(desc, "work", path);
	snprintf(path, sizeof(path), "%s/m", f.root);
	mkdir(path, 0755);
	CHECK_OK(e, rootfs_mount(desc, path, false, &e));
	mounted = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 499; i += 83) {
		snprintf(text, sizeof(text), "file-%d", i);
		CHECK(has_text(mounted, text, "x"));
	}
	close(mounted);
	umount2(path, MNT_DETACH);
	json_decref(desc);
	teardown(&f);
}

/* Volatile: mounted again after it was written to, although overlayfs left its mark. */
TEST_USERNS(overlay_volatile)
{
	struct fixture f;
	struct err e = ERR_INIT;
	json_t *desc;
	char path[PATH_MAX + 200];

	setup(&f, "overlay2");
	CHECK_OK(e, rootfs_create(&f.s, "c", NULL, &e));
	desc = rootfs_describe(&f.s, "c", &e);
	NEED(desc);
	json_set_bool(desc, "volatile", true);
	snprintf(path, sizeof(path), "%s/m", f.root);
	mkdir(path, 0755);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(e, rootfs_mount(desc, path, false, &e));
		mounted = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(!i || has_text(mounted, "f", "kept"));
		put_text("f", "kept");
		close(mounted);
		CHECK_INT(umount2(path, 0), 0);
	}
	json_decref(desc);
	CHECK_OK(e, rootfs_remove(&f.s, "c", &e));
	teardown(&f);
}

/* --- hints --- */

TEST(id_hints)
{
	uint64_t owner;

	CHECK_INT(idhint_present(SPAN("         0       1000          1\n         1     100000      65536\n"), &owner), 65537);
	CHECK_INT(owner, 1000);
	CHECK_INT(idhint_present(SPAN("0 1000 1\n5 100000 10\n"), &owner), 1);
	CHECK_INT(idhint_present(SPAN(""), &owner), 0);
	CHECK_INT(idhint_present(SPAN("garbage\n0 x y\n"), &owner), 0);
	CHECK_INT(idhint_free(SPAN("a:100000:65536\nb:165536:65536\n# comment\nbad:x:y\n")), 231072);
	CHECK_INT(idhint_free(SPAN("")), 100000);
}
