/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/build_context.c - what docker build sends: an archive, made while it is sent
 *
 * Theory of operation
 *   Nothing is copied to disk and nothing is gone through twice.  A thread makes the archive into a pipe,
 *   whose other end is the request's body:
 *
 *     a directory     packed, without what .dockerignore leaves out
 *     a repository    the same, once git has fetched it (build_git.c)
 *     an archive      passed on as it comes; copied, where a Dockerfile from elsewhere goes with it
 *     a Dockerfile    packed as the only file
 *
 *   What comes in by a descriptor (standard input, or a pipe that a URL is fetched into) is an archive or
 *   a Dockerfile: its first bytes tell.  Whoever fails says so before the end of its pipe, and the request
 *   is broken off.
 *
 *   Which Dockerfile: -f names a file from here.  In the context it is sent as part of it, whatever
 *   .dockerignore says; from outside (or standard input) it is added under a random name, together
 *   with a .dockerignore that names it, so that "COPY . ." does not take it.
 */
#include "build_context.h"

#include "build_git.h"
#include "docker.h"
#include "units.h"

#include "base/clock.h"
#include "base/fs.h"
#include "image/dockerignore.h"
#include "registry/registry.h"
#include "storage/tar.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD 512		/* bytes looked at to tell an archive: a tar header */
#define BLOCK (64 << 10)
#define DOCKERFILE_MAX (4 << 20) /* bytes; the engine takes less */
#define TICK_NS (100 * NS_PER_MS) /* between two lines of progress on a terminal */
#define SENDING "Sending build context to Docker daemon"

struct feed {
	struct build_context c;
	int out;	       /* where the archive goes */
	FILE *progress;	       /* or NULL */
	int64_t said_ns;       /* when */

	/* a directory */
	char *dir;
	int dirfd;
	bool is_git; /* a repository, checked out for us: nothing from elsewhere belongs to it */
	struct ignore *ignore;
	mode_t ignore_mode;
	struct buf ignore_text; /* sent instead of .dockerignore where a Dockerfile is added */
	struct tar_writer *w;

	/* what comes in by a descriptor */
	int in;
	struct buf head;	/* the first bytes of it */

	struct buf added;	/* a Dockerfile that is no file of the context */
	bool is_added;
	int zip;		/* what compresses reads from here; -1: nothing does */

	/* a URL that is fetched into @in */
	const char *url;
	int fetched;
	atomic_bool fetch_failed;
	struct err fetch_e;
};

static const char *go_words(int code)
{
	return code == ENOENT ? "no such file or directory" : code == EACCES ? "permission denied" :
		code == EISDIR ? "is a directory" : code == ENOTDIR ? "not a directory" : strerror(code);
}

/* --- progress --------------------------------------------------------------------------------------- */

/* @last: the only line where no terminal is. */
static void say_sent(struct feed *f, int64_t bytes, bool last)
{
	cleanup_free char *size = NULL;
	int64_t now;

	if (!f->progress || (!last && !is_terminal(fileno(f->progress))))
		return;
	now = clock_mono_ns();
	if (!last && now - f->said_ns < TICK_NS)
		return;
	f->said_ns = now;
	size = human_size((double)bytes, 4);
	fprintf(f->progress, SENDING " %8s\r%s", size, last ? "\r\n" : "");
	fflush(f->progress);
}

/* --- making the archive: these run in the thread ------------------------------------------------------ */

static int put_file(struct feed *f, const char *name, mode_t mode, const struct buf *content, struct err *e)
{
	struct tar_entry en = {.type = '0', .path = name, .mode = mode, .size = (int64_t)content->n,
		.real_size = (int64_t)content->n, .mtime_ns = clock_real_ns() / NS_PER_S * NS_PER_S,
		.atime_ns = INT64_MIN};

	return tar_write_entry(f->w, &en, e) || tar_write_data(f->w, content->p, content->n, e) ? -1 : 0;
}

static enum tar_picked pick(void *arg, const char *path, const struct stat *st, struct err *e)
{
	struct feed *f = arg;
	bool dir = S_ISDIR(st->st_mode);

	say_sent(f, tar_writer_total(f->w), false);
	if (ignore_walk(f->ignore, path, dir))
		return dir && ignore_reaches_into(f->ignore, path) ? TAR_PICK_ENTER : TAR_PICK_PASS;
	if (f->ignore_text.n && !strcmp(path, ".dockerignore"))
		return TAR_PICK_PASS;
	if ((dir || S_ISREG(st->st_mode)) && faccessat(f->dirfd, path, dir ? R_OK | X_OK : R_OK, AT_EACCESS)) {
		err_kind(e, ERR_FORBIDDEN, dir ? "checking context: can't stat '%s/%s'" :
			"checking context: no permission to read from '%s/%s'", f->dir, path);
		return TAR_PICK_FAIL;
	}
	return TAR_PICK_TAKE;
}

/* What is added to it, and its end. */
static int finish_archive(struct feed *f, int64_t *bytes, struct err *e)
{
	if ((f->ignore_text.n && put_file(f, ".dockerignore", f->ignore_mode, &f->ignore_text, e)) ||
		(f->is_added && put_file(f, f->c.dockerfile, f->dir || f->in >= 0 ? 0600 : 0644, &f->added, e)) ||
		tar_write_end(f->w, e))
		return -1;
	*bytes = tar_writer_total(f->w);
	return 0;
}

static int make_archive(struct feed *f, int64_t *bytes, struct err *e)
{
	f->w = tar_writer_new(f->out);
	if (f->dir && tar_pack_picked(f->w, f->dirfd, pick, f, e))
		return -1;
	return finish_archive(f, bytes, e);
}

static int pass_on(struct feed *f, int64_t *bytes, struct err *e)
{
	cleanup_free char *block = xmalloc(BLOCK);
	ssize_t n = (ssize_t)f->head.n;

	memcpy(block, f->head.p, f->head.n);
	do {
		if (fd_write_full(f->out, block, (size_t)n))
			return err_set(e, errno, "sending the build context");
		*bytes += n;
		say_sent(f, *bytes, false);
		n = fd_read_full(f->in, block, BLOCK);
	} while (n > 0);
	if (n < 0)
		return err_set(e, errno, "reading the build context");
	if (!atomic_load(&f->fetch_failed))
		return 0;
	*e = f->fetch_e;
	return -1;
}

/* The name it goes by. */
static void name_added(struct feed *f)
{
	unsigned char raw[10];
	char hex[2 * sizeof(raw) + 1];

	random_bytes(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), hex);
	f->c.dockerfile = xasprintf(".dockerfile.%s", hex);
}

/* A .dockerignore that leaves it out, too. */
static void ignore_added(struct feed *f, const struct buf *ignore_text)
{
	if (ignore_text)
		buf_add(&f->ignore_text, ignore_text->p, ignore_text->n);
	else
		buf_adds(&f->ignore_text, ".dockerignore");
	buf_addf(&f->ignore_text, "\n%s\n", f->c.dockerfile);
}

/* What has come so far, and what comes. */
struct arriving {
	struct stream s; /* first */
	struct feed *f;
	size_t at;
};

static ssize_t arriving_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct arriving *a = (struct arriving *)(void *)s;
	const struct buf *head = &a->f->head;
	ssize_t got;

	if (a->at < head->n) {
		n = n < head->n - a->at ? n : head->n - a->at;
		memcpy(p, head->p + a->at, n);
		a->at += n;
		return (ssize_t)n;
	}
	got = fd_read_full(a->f->in, p, n);
	return got < 0 ? err_set(e, errno, "reading the build context") : got;
}

static int copy_entry(struct feed *f, struct tar_reader *from, const struct tar_entry *en, struct err *e)
{
	cleanup_free char *block = xmalloc(BLOCK);
	ssize_t n;

	if (en->sparse)
		return err_kind(e, ERR_NOT_SUPPORTED, "%s in the build context is a sparse file: make the archive without", en->path);
	if (tar_write_entry(f->w, en, e))
		return -1;
	while ((n = tar_read(from, block, BLOCK, e)) > 0)
		if (tar_write_data(f->w, block, (size_t)n, e))
			return -1;
	say_sent(f, tar_writer_total(f->w), false);
	return (int)n;
}

static int take_ignore(struct feed *f, struct tar_reader *from, const struct tar_entry *en, struct buf *text, struct err *e)
{
	char block[4096];
	ssize_t n;

	f->ignore_mode = en->mode & 07777;
	text->n = 0;
	while ((n = tar_read(from, block, sizeof(block), e)) > 0) {
		if (text->n + (size_t)n > IGNORE_FILE_MAX)
			return err_kind(e, ERR_INVALID, ".dockerignore in the build context is too large");
		buf_add(text, block, (size_t)n);
	}
	return (int)n;
}

/* An archive that goes on with a Dockerfile from elsewhere, and a .dockerignore that leaves that out. */
static int add_to_archive(struct feed *f, int64_t *bytes, struct err *e)
{
	struct arriving in = {.s.read = arriving_read, .f = f};
	struct inflater *plain = inflater_new(&in.s);
	struct tar_reader *from = tar_reader_new(inflater_stream(plain));
	cleanup_buf struct buf ignore = BUF_INIT;
	const struct tar_entry *en;
	bool there = false;
	int rc;

	f->w = tar_writer_new(f->out);
	f->ignore_mode = 0600;
	while ((rc = tar_next(from, &en, e)) > 0) {
		const char *name = en->path + (strncmp(en->path, "./", 2) ? 0 : 2);
		bool it_is = en->type == '0' && !strcmp(name, ".dockerignore");

		there |= it_is;
		if (it_is ? take_ignore(f, from, en, &ignore, e) : copy_entry(f, from, en, e)) {
			rc = -1;
			break;
		}
	}
	tar_reader_free(from);
	inflater_free(plain);
	if (atomic_load(&f->fetch_failed)) {
		*e = f->fetch_e;
		return -1;
	}
	ignore_added(f, there ? &ignore : NULL);
	return rc ? -1 : finish_archive(f, bytes, e);
}

static int send_context(struct feed *f, int64_t *bytes, struct err *e)
{
	if (f->in < 0)
		return make_archive(f, bytes, e);
	return f->is_added ? add_to_archive(f, bytes, e) : pass_on(f, bytes, e);
}

static void *feed_main(void *arg)
{
	struct feed *f = arg;
	int64_t bytes = 0;
	int rc = send_context(f, &bytes, &f->c.e);

	if (f->is_git)
		build_git_remove();
	if (rc)
		atomic_store(&f->c.failed, true);
	else if (f->zip < 0)
		say_sent(f, bytes, true);
	fd_close(&f->out);
	return NULL;
}

/* What compresses stands between the one that makes the archive and the request. */
struct zip {
	struct feed *f;
	int out;
};

static void *zip_main(void *arg)
{
	struct zip *z = arg;
	cleanup_free char *block = xmalloc(BLOCK);
	struct deflater *deflater;
	struct fd_stream in;
	struct err e = ERR_INIT;
	int64_t bytes = 0;
	ssize_t n;

	fd_stream_init(&in, z->f->zip, NULL);
	deflater = deflater_new(&in.s);
	while ((n = deflater_stream(deflater)->read(deflater_stream(deflater), block, BLOCK, &e)) > 0) {
		if (fd_write_full(z->out, block, (size_t)n))
			break;
		bytes += n;
	}
	if (n < 0) {
		z->f->c.e = e;
		atomic_store(&z->f->c.failed, true);
	}
	if (!n && !atomic_load(&z->f->c.failed))
		say_sent(z->f, bytes, true);
	deflater_free(deflater);
	close(z->out);
	return NULL;
}

static int start(void *(*fn)(void *), void *arg, struct err *e)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, fn, arg);

	if (rc)
		return err_set(e, rc, "starting a thread");
	pthread_detach(thread);
	return 0;
}

static int start_feed(struct feed *f, bool compress, struct err *e)
{
	struct zip *z;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	f->c.fd = ends[0];
	f->out = ends[1];
	if (!compress)
		return start(feed_main, f, e);
	z = xcalloc(1, sizeof(*z));
	z->f = f;
	z->out = ends[1];
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	f->zip = ends[0];
	f->out = ends[1];
	return start(zip_main, z, e) || start(feed_main, f, e) ? -1 : 0;
}

/* --- a Dockerfile from elsewhere ---------------------------------------------------------------------- */

static int read_added(struct feed *f, int fd, const char *name, struct err *e)
{
	struct err why = ERR_INIT;

	f->is_added = true;
	if (fd_read_all(fd, DOCKERFILE_MAX, &f->added, &why))
		return err_kind(e, ERR_INVALID, "reading the Dockerfile from %s: %s", name,
			why.code == EFBIG ? "it is too large" : go_words(why.code));
	return 0;
}

/* --- a directory ---------------------------------------------------------------------------------------- */

/* The path without symbolic links, as Go's EvalSymlinks finds it or complains; to free(). */
static char *evaluate(const char *path, const char *what, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;
	size_t n = 1;

	if (realpath(path, real))
		return xstrdup(real);
	/* Which part of it is the first that is not there? */
	for (;; n++) {
		cleanup_free char *part = NULL;
		int code = errno;

		n += strcspn(path + n, "/");
		part = xstrndup(path, n);
		if (!path[n] || lstat(part, &st)) {
			err_set(e, 0, "unable to evaluate symlinks in %s path: lstat %s: %s", what, part,
				go_words(path[n] ? errno : code));
			return NULL;
		}
		errno = code;
	}
}

static char *absolute(const char *path)
{
	cleanup_free char *cwd = getcwd(NULL, 0), *whole = NULL;

	whole = *path == '/' || !cwd ? xstrdup(path) : xasprintf("%s/%s", cwd, path);
	return fs_clean_path(whole);
}

/* The usual name, or all in small letters where there is only that; to free(). */
static char *usual_dockerfile(const char *dir)
{
	char *path = fs_join(dir, "Dockerfile"), *small;
	struct stat st;

	if (!lstat(path, &st))
		return path;
	small = fs_join(dir, "dockerfile");
	if (lstat(small, &st)) {
		free(small);
		return path;
	}
	free(path);
	return small;
}

/* Settle f->c.dockerfile, or read it where it is no file of the context. */
static int find_dockerfile(struct feed *f, const char *given, struct err *e)
{
	cleanup_free char *within = f->is_git && given && *given != '/' ? fs_join(f->dir, given) : NULL;
	cleanup_free char *path = given ? absolute(within ? within : given) : usual_dockerfile(f->dir), *real = NULL;
	cleanup_close int fd = -1;
	size_t n = strlen(f->dir);

	real = evaluate(path, "Dockerfile", e);
	if (!real)
		return err_wrap(e, "unable to prepare context");
	if (!strcmp(f->dir, "/"))
		n = 0;
	if (!strncmp(real, f->dir, n) && real[n] == '/') {
		f->c.dockerfile = xstrdup(real + n + 1);
		return 0;
	}
	if (f->is_git)
		return err_kind(e, ERR_INVALID, "unable to prepare context: the Dockerfile (%s) must be within the build context",
			given ? given : path);
	fd = open(real, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, 0, "unable to open Dockerfile: open %s: %s", given ? given : path, go_words(errno));
	return read_added(f, fd, real, e);
}

/* The Dockerfile and .dockerignore are sent even where they are left out of what is copied. */
static int keep_needed(struct feed *f, struct err *e)
{
	cleanup_free char *exception = f->is_added ? NULL : xasprintf("!%s", f->c.dockerfile);

	if (ignore_matches(f->ignore, ".dockerignore") && ignore_add(f->ignore, "!.dockerignore", e))
		return -1;
	if (exception && ignore_matches(f->ignore, f->c.dockerfile))
		return ignore_add(f->ignore, exception, e);
	return 0;
}

static int read_ignore(struct feed *f, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	bool there = !file_read_at(f->dirfd, ".dockerignore", IGNORE_FILE_MAX, &text, &why);
	struct stat st;

	if (!there && why.code != ENOENT)
		return err_set(e, 0, "error reading .dockerignore: %s %s/.dockerignore: %s",
			why.code == EISDIR ? "read" : "open", f->dir, go_words(why.code ? why.code : EIO));
	f->ignore = ignore_parse((struct span){text.p, text.n}, e);
	if (!f->ignore)
		return err_wrap(e, "checking context");
	if (f->is_added) {
		name_added(f);
		ignore_added(f, there ? &text : NULL);
		f->ignore_mode = fstatat(f->dirfd, ".dockerignore", &st, 0) ? 0600 : st.st_mode & 07777;
	}
	return keep_needed(f, e);
}

static int open_dir(struct feed *f, const char *where, const char *dockerfile, struct err *e)
{
	cleanup_free char *path = absolute(where);
	struct stat st;

	f->dir = evaluate(path, "context", e);
	if (!f->dir)
		return err_wrap(e, "unable to prepare context");
	if (stat(f->dir, &st) || !S_ISDIR(st.st_mode))
		return err_kind(e, ERR_INVALID, "unable to prepare context: context must be a directory: %s", f->dir);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0)
		return err_set(e, 0, "checking context: can't stat '%s': %s", f->dir, go_words(errno));
	if (dockerfile && !strcmp(dockerfile, "-")) {
		if (read_added(f, STDIN_FILENO, "standard input", e))
			return -1;
	} else if (find_dockerfile(f, dockerfile, e)) {
		return -1;
	}
	return read_ignore(f, e);
}

static int open_git(struct feed *f, const char *where, const char *dockerfile, struct err *e)
{
	cleanup_free char *dir = build_git_fetch(where, e);

	f->is_git = true;
	return dir ? open_dir(f, dir, dockerfile, e) : err_wrap(e, "unable to prepare context");
}

/* --- a descriptor --------------------------------------------------------------------------------------- */

static bool is_archive(struct span head)
{
	static const struct {
		char magic[7];
		size_t n;
	} packed[] = {{"\x1f\x8b\x08", 3}, {"\x28\xb5\x2f\xfd", 4}, {"BZh", 3}, {"\xfd" "7zXZ", 6}};
	const struct tar_entry *entry;
	struct mem_stream mem;
	struct tar_reader *t;
	bool yes;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(packed); i++)
		if (head.n >= packed[i].n && !memcmp(head.p, packed[i].magic, packed[i].n))
			return true;
	if (head.n < HEAD)
		return false;
	if (!memcmp(head.p + 257, "ustar", 5))
		return true;
	mem_stream_init(&mem, head.p, head.n);
	t = tar_reader_new(&mem.s);
	yes = tar_next(t, &entry, NULL) > 0;
	tar_reader_free(t);
	return yes;
}

static int open_stream(struct feed *f, int in, const char *dockerfile, struct err *e)
{
	ssize_t n = fd_read_full(in, buf_room(&f->head, HEAD), HEAD);

	if (n < 0)
		return err_set(e, 0, "unable to prepare context: failed to peek context header from STDIN: %s",
			go_words(errno));
	if (atomic_load(&f->fetch_failed)) {
		*e = f->fetch_e;
		return err_wrap(e, "unable to prepare context: unable to download remote context %s", f->url);
	}
	f->head.n = (size_t)n;
	f->c.dockerfile = dockerfile ? dockerfile : "Dockerfile";
	if (f->is_added)
		name_added(f);
	if (is_archive((struct span){f->head.p, f->head.n})) {
		f->in = in;
		return 0;
	}
	if (f->is_added)
		return err_kind(e, ERR_INVALID, "unable to prepare context: build context is not an archive");
	buf_add(&f->added, f->head.p, f->head.n);
	f->c.dockerfile = "Dockerfile";
	return read_added(f, in, "standard input", e);
}

/* --- a URL ------------------------------------------------------------------------------------------------ */

static void *fetch_main(void *arg)
{
	struct feed *f = arg;
	struct registry_config c;

	registry_config_init(&c, NULL, NULL);
	if (registry_fetch(f->url, &c, f->fetched, NULL, NULL, NULL, &f->fetch_e))
		atomic_store(&f->fetch_failed, true);
	close(f->fetched);
	return NULL;
}

static int open_url(struct feed *f, const char *url, const char *dockerfile, struct err *e)
{
	int ends[2];

	if (dockerfile && !strcmp(dockerfile, "-") && read_added(f, STDIN_FILENO, "standard input", e))
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	f->url = url;
	f->fetched = ends[1];
	if (f->progress)
		fprintf(f->progress, "Downloading build context from remote url: %s\n", url);
	return start(fetch_main, f, e) ? -1 : open_stream(f, ends[0], dockerfile, e);
}

static bool is_url(const char *where)
{
	return !strncmp(where, "http://", 7) || !strncmp(where, "https://", 8);
}

/* --- all -------------------------------------------------------------------------------------------------- */

static int find_context(struct feed *f, const char *where, const char *dockerfile, struct err *e)
{
	struct stat st;

	if (!strcmp(where, "-")) {
		if (dockerfile && !strcmp(dockerfile, "-"))
			return err_kind(e, ERR_INVALID,
				"invalid argument: can't use stdin for both build context and dockerfile");
		return open_stream(f, STDIN_FILENO, dockerfile, e);
	}
	if (!stat(where, &st))
		return open_dir(f, where, dockerfile, e);
	if (build_git_is(where))
		return open_git(f, where, dockerfile, e);
	if (is_url(where))
		return open_url(f, where, dockerfile, e);
	return err_kind(e, ERR_NOT_FOUND, "unable to prepare context: path \"%s\" not found", where);
}

struct build_context *build_context_open(const char *where, const char *dockerfile, bool compress, FILE *out,
	struct err *e)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->progress = out;
	f->in = f->dirfd = f->zip = f->out = -1;
	f->ignore_text = f->head = f->added = (struct buf)BUF_INIT;
	if (dockerfile && !*dockerfile)
		dockerfile = NULL;
	if (!find_context(f, where, dockerfile, e) && !start_feed(f, compress, e))
		return &f->c;
	build_git_remove();
	return NULL;
}
