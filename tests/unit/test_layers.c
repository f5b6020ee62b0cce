/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_layers.c - layers: unpacked, kept, packed again; the process that unpacks; with each driver
 */
#include "storage.h"

#include "base/proc.h"
#include "base/sha256.h"

#include <errno.h>
#include <sched.h>

/* --- kept --- */

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
	CHECK_INT(d.size, 4 + 5 + 4 + 4 + 3 + 2 + 4 + 3); /* the last: the text of a symbolic link */
	CHECK_OK(e, layer_commit(&f->s, NULL, &d, chain, &e));
	CHECK_STR(chain, d.diff_id);
	CHECK(layer_exists(&f->s, chain));
	CHECK_OK(e, layer_stat(&f->s, chain, &info, &e));
	CHECK_STR(info.diff_id, chain);
	CHECK_STR(info.parent, "");
	CHECK_INT(info.size, 29);
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
