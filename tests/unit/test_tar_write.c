/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_tar_write.c - archives we write, of entries and of trees
 */
#include "archive.h"
#include "userns.h"

#include "storage/tar.h"
#include "storage/tree.h"

#include <sys/stat.h>

/* --- writing archives --- */

TEST(tree_order)
{
	static const char *const order[] = { "a", "a/.wh..wh..opq", "a/.wh.z", "a/-", "a/b", "a/b/c", "a-b", "a.b", "b" };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
			int rc = tree_path_cmp(order[i], order[k]);

			CHECK((rc < 0) == (i < k) && (rc == 0) == (i == k));
		}
}

static struct buf written(const struct tar_entry *en, size_t n, const char *data)
{
	int fd = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct tar_writer *w = tar_writer_new(fd);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		CHECK_OK(e, tar_write_entry(w, &en[i], &e));
		if (en[i].type == '0')
			CHECK_OK(e, tar_write_data(w, data, (size_t)en[i].size, &e));
	}
	CHECK_OK(e, tar_write_end(w, &e));
	tar_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	CHECK_OK(e, fd_read_all(fd, 1 << 24, &out, &e));
	close(fd);
	return out;
}

/* What is written is read as it was, from the plainest to what only pax can say. */
TEST(write_and_read)
{
	char *name = xasprintf("%0150d/%060d", 1, 2), *longer = xasprintf("%0300d", 3);
	char *exact = xasprintf("%0100d", 4), *dir = xasprintf("%099d", 5);
	char key[] = "user.x", value[] = "a\0b\n=";
	struct tar_xattr xattr = { key, value, 5 };
	struct tar_entry en[] = {
		{ .type = '0', .path = "f", .size = 5, .mode = 0644, .uid = 1, .gid = 2, .mtime_ns = 1000000000 },
		{ .type = '0', .path = name, .size = 0, .mode = 04755, .uname = "root", .gname = "wheel" },
		{ .type = '0', .path = exact, .mtime_ns = -1500000000 },
		{ .type = '5', .path = dir, .uid = 2097152, .gid = UINT32_MAX - 1, .mtime_ns = 1 },
		{ .type = '2', .path = "l", .link = longer, .mode = 0777 },
		{ .type = '2', .path = "l2", .link = exact },
		{ .type = '3', .path = "c", .dev_major = 1, .dev_minor = 3 },
		{ .type = '0', .path = longer, .xattrs = &xattr, .n_xattrs = 1, .mtime_ns = -1 },
		{ .type = '1', .path = "h", .link = "f" },
		{ .type = '6', .path = "p" },
	};
	struct buf a = written(en, ARRAY_SIZE(en), "12345"), b = written(en, ARRAY_SIZE(en), "12345");
	const struct tar_entry *got;
	struct err e = ERR_INIT;
	struct mem_stream mem;
	struct tar_reader *t;

	CHECK(a.n == b.n && !memcmp(a.p, b.p, a.n)); /* the same bytes each time */
	CHECK_INT(a.n % 512, 0);
	mem_stream_init(&mem, a.p, a.n);
	t = tar_reader_new(&mem.s);
	for (size_t i = 0; i < ARRAY_SIZE(en); i++) {
		NEED(tar_next(t, &got, &e) == 1);
		CHECK_INT(got->type, en[i].type);
		if (en[i].type == '5')
			CHECK(!strncmp(got->path, en[i].path, strlen(en[i].path)) && !strcmp(got->path + strlen(en[i].path), "/"));
		else
			CHECK_STR(got->path, en[i].path);
		CHECK_STR(got->link, en[i].link ? en[i].link : "");
		CHECK_STR(got->uname, en[i].uname ? en[i].uname : "");
		CHECK_INT(got->mode, en[i].mode);
		CHECK_INT(got->uid, en[i].uid);
		CHECK_INT(got->gid, en[i].gid);
		CHECK_INT(got->size, en[i].size);
		CHECK_INT(got->mtime_ns, en[i].mtime_ns);
		CHECK_INT(got->dev_minor, en[i].dev_minor);
		CHECK_INT(got->n_xattrs, en[i].n_xattrs);
		if (got->n_xattrs)
			CHECK(got->xattrs[0].len == 5 && !memcmp(got->xattrs[0].value, xattr.value, 5));
	}
	CHECK_INT(tar_next(t, &got, &e), 0);
	/* plain entries are one block: no pax header where ustar can say it */
	struct buf plain = written(en, 2, "12345");
	CHECK_INT(plain.n, 512 + 512 + 512 + 1024);
	/* promised and not given */
	struct tar_writer *w = tar_writer_new(-1);
	CHECK_OK(e, tar_write_entry(w, &en[0], &e));
	CHECK_INT(tar_write_data(w, "123456", 6, &e), -1);
	CHECK_OK(e, tar_write_data(w, "1234", 4, &e));
	CHECK_INT(tar_write_end(w, &e), -1);
	tar_writer_free(w);
	tar_reader_free(t);
	buf_release(&a);
	buf_release(&b);
	buf_release(&plain);
	free(name);
	free(longer);
	free(exact);
	free(dir);
}

/* A tree packed, unpacked and packed again is the same archive; deeper than descriptors reach. */
TEST_USERNS(pack_tree)
{
	struct tar_unpack_opts o = { .single_id = userns_ids() == 1 };
	struct buf a = BUF_INIT, first = BUF_INIT, second = BUF_INIT, path = BUF_INIT;
	struct tar_unpack_result r;
	struct err e = ERR_INIT;
	struct mem_stream mem;

	ITEM(&a, .type = '5', .name = "bin/", .mode = 0755, .mtime = 100);
	ITEM(&a, .name = "bin/tool", .data = "tool", .mode = 0755, .mtime = 101);
	ITEM(&a, .type = '1', .name = "bin/same", .link = "bin/tool", .mode = 0755, .mtime = 101);
	ITEM(&a, .type = '2', .name = "bin/link", .link = "tool", .mtime = 5);
	ITEM(&a, .type = '5', .name = "etc", .mode = 0755, .mtime = 102);
	ITEM(&a, .name = "etc/conf", .data = "conf", .mtime = 103);
	ITEM(&a, .type = '6', .name = "etc/fifo", .mode = 0622);
	for (int i = 0; i < 300; i++)
		buf_addf(&path, "%sdeep", i ? "/" : "");
	char *pax = xasprintf("path=%s/file\nmtime=5\n", path.p);
	ITEM(&a, .name = "x", .data = "deep", .pax = pax);
	ITEM(&a, .name = "x", .data = "attr", .pax = "SCHILY.xattr.user.a=1\nSCHILY.xattr.user.b=2\n");
	put_end(&a);
	mem_stream_init(&mem, a.p, a.n);
	for (int i = 0; i < 2; i++) {
		char name[16];
		int fd, out = openat(tmp_dirfd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		struct tar_writer *w = tar_writer_new(out);

		snprintf(name, sizeof(name), "pack-%d", i);
		mkdirat(tmp_dirfd(), name, 0755);
		fd = openat(tmp_dirfd(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		umask(0);
		CHECK_OK(e, tar_unpack(&mem.s, fd, &o, &r, &e));
		/* implied directories have the time of their making */
		CHECK_OK(e, tar_pack_tree(w, fd, "bin", "bin", false, &e));
		CHECK_OK(e, tar_pack_tree(w, fd, "etc", "other/etc", false, &e));
		CHECK_OK(e, tar_pack_tree(w, fd, "x", "x", false, &e));
		struct buf deep = BUF_INIT;
		buf_addf(&deep, "%s/file", path.p);
		CHECK_OK(e, tar_pack_tree(w, fd, deep.p, "deep-file", false, &e));
		buf_release(&deep);
		CHECK_OK(e, tar_write_end(w, &e));
		tar_writer_free(w);
		w = tar_writer_new(open("/dev/null", O_WRONLY | O_CLOEXEC));
		CHECK_OK(e, tar_pack_tree(w, fd, "", "", true, &e));
		tar_writer_free(w);
		lseek(out, 0, SEEK_SET);
		CHECK_OK(e, fd_read_all(out, 1 << 24, i ? &second : &first, &e));
		close(out);
		close(fd);
		mem_stream_init(&mem, a.p, a.n);
	}
	CHECK(first.n > 4096 && first.n == second.n && !memcmp(first.p, second.p, first.n));
	mem_stream_init(&mem, first.p, first.n);
	struct tar_reader *t = tar_reader_new(&mem.s);
	const struct tar_entry *en;
	struct buf names = BUF_INIT;
	while (tar_next(t, &en, &e) > 0)
		buf_addf(&names, "%c %s %s %zu\n", en->type, en->path, en->link, en->n_xattrs);
	CHECK_STR(names.p, "5 bin/  0\n2 bin/link tool 0\n0 bin/same  0\n1 bin/tool bin/same 0\n"
			   "5 other/etc/  0\n0 other/etc/conf  0\n6 other/etc/fifo  0\n"
			   "0 x  2\n0 deep-file  0\n");
	tar_reader_free(t);
	buf_release(&names);
	buf_release(&a);
	buf_release(&first);
	buf_release(&second);
	buf_release(&path);
	free(pax);
}
