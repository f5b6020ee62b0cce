/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_drivers.c - which driver is chosen, and its root filesystems
 */
#include "storage.h"

#include "storage/driver.h"
#include "storage/idhint.h"

#include <errno.h>
#include <sys/mount.h>

/* --- an image, mounted --- */

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
