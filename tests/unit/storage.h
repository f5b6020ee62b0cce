/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/storage.h - a store in a directory of its own, archives in it, and a test for each driver
 *
 * Tests run as root of a user namespace (userns.h), as the engine's processes do; the unpacking process
 * is this program again.
 */
#ifndef TESTS_UNIT_STORAGE_H
#define TESTS_UNIT_STORAGE_H

#define UNIT_ROLES role_main
#include "archive.h"
#include "userns.h"

#include "storage/storage.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <zlib.h>

static inline int role_main(int argc, char **argv)
{
	return strcmp(argv[0], ":unpack") ? 99 : unpack_role_main(argc, argv);
}

static const char *const driver_names[] = { "overlay2", "fuse-overlayfs", "btrfs", "vfs" };

/* fuse-overlayfs needs a device that users may open, btrfs such a file system: tests/integration/46-drivers
 * runs this test with both. */
static inline bool have_driver(const char *name)
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

static inline int new_data_root(char path[PATH_MAX])
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
static inline void setup(struct fixture *f, const char *driver)
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

static inline int entries(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static inline void teardown(struct fixture *f)
{
	CHECK_INT(entries(f->datafd, "tmp"), 0); /* nothing half-made stays */
	store_close(&f->s);
	close(f->datafd);
}

static inline int file_of(const struct buf *b)
{
	int fd = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_full(fd, b->p, b->n) || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static inline int unpack(struct fixture *f, const struct buf *archive, int64_t max, struct layer_draft *d, struct err *e)
{
	int fd = file_of(archive), rc = layer_unpack(&f->s, NULL, fd, max, d, e);

	close(fd);
	return rc;
}

static inline bool add_layer(struct fixture *f, const char *parent, const struct buf *archive, char chain[DIGEST_MAX])
{
	struct err e = ERR_INIT;
	struct layer_draft d;

	return CHECK_OK(e, unpack(f, archive, 0, &d, &e)) && CHECK_OK(e, layer_commit(&f->s, parent, &d, chain, &e));
}

static inline void gzip(const struct buf *in, struct buf *out)
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
static inline void base_archive(struct buf *a)
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

#endif
