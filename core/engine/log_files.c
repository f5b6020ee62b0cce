/* SPDX-License-Identifier: MIT */
/*
 * core/engine/log_files.c - a log's files, current and rotated, while the monitor goes on rotating
 *
 * Theory of operation
 *   A file keeps its inode when it is rotated, so a reader that has it open finds out which number it
 *   has by now.  When it is compressed it gets another; the monitor writes into the header, as the
 *   file's name, which one it was: inode and time of its last change, as inodes are used again.
 *
 *   A rotation renames one file after the other, so at any moment one number may be free; and as files
 *   move up while somebody looks from number to number, several in a row can seem to be.  That must not
 *   pass for the end: who cannot find his file begins with the oldest again.  Between finding a file's
 *   number and opening its neighbour there may have been a rotation, so that is looked at again afterwards.
 */
#include "engine/log_files.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "storage/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 65536
#define PIPE (4 * BLOCK)
#define UNPACK_STACK_KB 64
#define FILES_MAX 1000	/* the monitor keeps no more */
#define HOLES_MAX 16	/* numbers in a row that may seem free: each takes a rotation just then */
#define ATTEMPTS_MAX 100 /* at going on, while files are renamed */
#define GZIP_NAME 10	/* where the name is in a gzip file without extra fields, RFC 1952 */
#define GZIP_HAS_NAME 8 /* the flag that says so */

static char *numbered(const char *path, int number, const char *suffix)
{
	return number ? xasprintf("%s.%d%s", path, number, suffix) : xasprintf("%s%s", path, suffix);
}

/* --- which file is it ------------------------------------------------------------------------------ */

static void own_id(const struct log_file *f, char id[LOG_FILE_ID_MAX])
{
	struct stat st;

	if (f->packed || fstat(f->fd, &st))
		memcpy(id, f->id, LOG_FILE_ID_MAX);
	else
		snprintf(id, LOG_FILE_ID_MAX, "%llu-%lld", (unsigned long long)st.st_ino,
			(long long)(st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec));
}

static int open_number(const char *path, int number, const char *suffix)
{
	cleanup_free char *name = numbered(path, number, suffix);

	return open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* What a compressed file was; "" if @fd is none. */
static void packed_id(int fd, char id[LOG_FILE_ID_MAX])
{
	unsigned char head[GZIP_NAME + LOG_FILE_ID_MAX] = {0};

	*id = 0;
	if (fd >= 0 && pread(fd, head, sizeof(head) - 1, 0) > GZIP_NAME && head[3] == GZIP_HAS_NAME)
		memcpy(id, head + GZIP_NAME, LOG_FILE_ID_MAX);
}

/* @there: is there a file of that number at all? */
static bool has_number(const struct log_file *f, const char *path, int number, bool *there)
{
	cleanup_free char *plain = numbered(path, number, "");
	cleanup_close int packed = -1;
	char id[LOG_FILE_ID_MAX], own[LOG_FILE_ID_MAX];
	struct stat st, its;

	*there = !stat(plain, &st);
	if (*there && !f->packed && !fstat(f->fd, &its) && its.st_ino == st.st_ino && its.st_dev == st.st_dev)
		return true;
	packed = open_number(path, number, ".gz");
	packed_id(packed, id);
	*there |= *id;
	own_id(f, own);
	return *id && !strcmp(id, own);
}

/* -1: it is gone. */
static int find_number(const struct log_file *f, const char *path)
{
	int i, missing = 0;
	bool there;

	for (i = 0; i <= FILES_MAX && missing < HOLES_MAX && f->fd >= 0; i++) {
		if (has_number(f, path, i, &there))
			return i;
		missing = there ? 0 : missing + 1;
	}
	return -1;
}

bool log_file_is_current(const struct log_file *f, const char *path)
{
	bool there;

	return f->fd >= 0 && has_number(f, path, 0, &there);
}

int log_files_oldest(const char *path)
{
	int i, oldest = 0;

	for (i = 1; i <= FILES_MAX && i <= oldest + HOLES_MAX; i++) {
		cleanup_free char *plain = numbered(path, i, ""), *packed = numbered(path, i, ".gz");

		if (fs_exists_at(AT_FDCWD, plain) || fs_exists_at(AT_FDCWD, packed))
			oldest = i;
	}
	return oldest;
}

/* --- opening ---------------------------------------------------------------------------------------- */

struct unpacking {
	int in, out; /* owned */
	char *name;
};

/* As far as it goes: what comes before a mistake is shown. */
static void unpack(void *arg)
{
	struct unpacking *u = arg;
	cleanup_free char *block = xmalloc(BLOCK);
	struct inflater *inflater;
	struct fd_stream file;
	struct stream *text;
	struct err e;
	ssize_t n;

	fd_stream_init(&file, u->in, NULL);
	inflater = inflater_new(&file.s);
	text = inflater_stream(inflater);
	while ((n = text->read(text, block, BLOCK, &e)) > 0 && !fd_write_full(u->out, block, (size_t)n))
		;
	if (n < 0)
		log_err(&e, "reading %s", u->name);
	inflater_free(inflater);
	close(u->in);
	close(u->out);
	free(u->name);
	free(u);
}

/* A thread unpacks while the caller reads; it ends when the caller closes his end. */
static int unpack_pipe(struct unpacking *u)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	fcntl(ends[0], F_SETPIPE_SZ, PIPE); /* or what it has: it is for speed alone */
	u->out = ends[1];
	if (!thread_start("unpack", unpack, u, UNPACK_STACK_KB))
		return ends[0];
	close(ends[0]);
	close(ends[1]);
	return -1;
}

static int unpack_file(struct unpacking *u, int datafd)
{
	int fd = openat(datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	u->out = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (u->out < 0) {
		fd_close(&fd);
		return -1;
	}
	unpack(u);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* @in is taken over. */
static int open_packed(int in, int datafd, const char *path, int number, bool seek)
{
	struct unpacking *u = xcalloc(1, sizeof(*u));
	int fd;

	u->name = numbered(path, number, ".gz");
	u->in = in;
	fd = seek ? unpack_file(u, datafd) : unpack_pipe(u);
	if (fd < 0) {
		fd_close(&u->in);
		free(u->name);
		free(u);
	}
	return fd;
}

int log_file_open(struct log_file *f, int datafd, const char *path, int number, bool seek)
{
	int packed;

	fd_close(&f->fd);
	f->fd = open_number(path, number, "");
	f->packed = f->fd < 0 && number;
	if (f->packed) {
		packed = open_number(path, number, ".gz");
		packed_id(packed, f->id);
		f->fd = packed < 0 ? -1 : open_packed(packed, datafd, path, number, seek);
	}
	return f->fd < 0 ? -1 : 0;
}

bool log_file_next(struct log_file *f, int datafd, const char *path)
{
	struct log_file next = {.fd = -1};
	int number, attempt;
	bool there;

	for (attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		number = find_number(f, path);
		if (!number)
			break;
		if (log_file_open(&next, datafd, path, number < 0 ? log_files_oldest(path) : number - 1, false))
			continue;
		if (number > 0 && !has_number(f, path, number, &there))
			continue;
		fd_close(&f->fd);
		*f = next;
		return true;
	}
	fd_close(&next.fd);
	return false;
}
