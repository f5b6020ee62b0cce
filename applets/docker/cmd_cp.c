/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_cp.c - docker cp: files between here and a container
 *
 * Theory of operation
 *   The engine takes and gives tar archives of a path (GET and PUT .../archive) and says what is
 *   there (HEAD).  Which name the archive's top has and where it is unpacked decides copy_path.c.
 *
 *   Into a container a thread packs into a pipe, whose other end is the request's body.  Out of
 *   one, what the engine sends is unpacked as it comes; everything belongs to who copies, and
 *   names cannot leave the destination (core/storage/tar.h).
 */
#include "call.h"
#include "copy_path.h"
#include "units.h"

#include "base/base64.h"
#include "base/fs.h"
#include "base/proc.h"
#include "storage/tar.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GO_DIR (1U << 31)
#define GO_SYMLINK (1U << 27)
#define GO_ODD (1U << 26 | 1U << 24 | 1U << 19) /* devices, sockets and what is unknown */
#define LINKS_MAX 10 /* of a destination, followed one by one */

static struct {
	bool archive, follow, quiet;
} o;

static struct flag flags[] = {
	{"archive", 'a', FLAG_BOOL, &o.archive, "Give what is copied in to the container's user"},
	{"follow-link", 'L', FLAG_BOOL, &o.follow, "Copy what a symbolic link SRC_PATH points at"},
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "Do not say how much was copied (never said without a terminal)"},
	FLAG_END,
};

/* --- arguments ---------------------------------------------------------------------------- */

/* "web:/etc" is a path in a container; "/a:b", "./a:b" and "a" are not. */
static void split_argument(char *arg, const char **container, char **path)
{
	char *colon = strchr(arg, ':');

	*container = NULL;
	*path = arg;
	if (*arg == '/' || *arg == '.' || !colon)
		return;
	*colon = 0;
	*container = arg;
	*path = colon + 1;
}

/* Absolute and clean, with the tail it was given with; to free(). */
static char *local_path(const char *path)
{
	cleanup_free char *cwd = getcwd(NULL, 0), *whole = NULL;

	whole = *path == '/' || !cwd ? xstrdup(path) : xasprintf("%s/%s", cwd, path);
	return copy_keep_tail(whole, path);
}

static char *archive_target(const char *container, const char *path, struct err *e)
{
	struct buf b = BUF_INIT;
	char *to = container_target("/containers/%s/archive", container, e);

	if (!to)
		return NULL;
	buf_adds(&b, to);
	free(to);
	target_query(&b, "path", path);
	return buf_detach(&b);
}

static const char *go_words(int code)
{
	return code == ENOENT ? "no such file or directory" : code == EACCES ? "permission denied" : strerror(code);
}

static void say_copied(int64_t bytes, const char *container, const char *path)
{
	cleanup_free char *size = human_size((double)bytes, 3);

	if (!o.quiet && is_terminal(STDOUT_FILENO))
		fprintf(stderr, "Successfully copied %s to %s%s%s\n", size, container, *container ? ":" : "", path);
}

/* --- what is there ------------------------------------------------------------------------ */

struct remote_stat {
	uint32_t mode; /* Go's */
	char *link;    /* where a symbolic link leads; to free() */
};

static int parse_stat(struct client *c, struct remote_stat *st, struct err *e)
{
	const char *header = client_header(c, "X-Docker-Container-Path-Stat");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	if (!header || base64_decode(header, &text) || !(j = json_parse(text.p, text.n, NULL)))
		return err_set(e, 0, "unable to decode container path stat header: %s", header ? header : "");
	st->mode = (uint32_t)json_int(j, "mode", 0);
	st->link = xstrdup(json_str(j, "linkTarget", ""));
	return 0;
}

static int remote_stat(struct docker *d, const char *container, const char *path, struct remote_stat *st,
	struct err *e)
{
	cleanup_free char *to = archive_target(container, path, e);
	struct client *c = to ? call_open(d, &(struct call){.method = "HEAD", .target = to}, false, e) : NULL;
	int rc;

	st->link = NULL;
	if (!c)
		return -1;
	rc = parse_stat(c, st, e);
	call_done(d, c);
	return rc;
}

/* A path in the directory of @beside, unless it is absolute; to free(). */
static char *link_path(const char *beside, const char *link)
{
	cleanup_free char *dir = NULL, *base = NULL, *joined = NULL;

	if (*link == '/')
		return xstrdup(link);
	copy_split(beside, &dir, &base);
	joined = fs_join(dir, link);
	return fs_clean_path(joined);
}

/* --- into a container --------------------------------------------------------------------- */

struct packing {
	int dirfd, out;
	const char *base, *name;
	int64_t bytes;
	atomic_bool failed; /* with @e */
	struct err e;
};

static void *pack_main(void *arg)
{
	struct packing *p = arg;
	struct tar_writer *w = tar_writer_new(p->out);
	int rc = tar_pack_tree(w, p->dirfd, p->base, p->name, false, &p->e);

	if (!rc)
		rc = tar_write_end(w, &p->e);
	p->bytes = tar_writer_total(w);
	atomic_store(&p->failed, rc != 0);
	tar_writer_free(w);
	close(p->out);
	return NULL;
}

static int put(struct docker *d, const char *container, const char *dir, int body, const atomic_bool *broken,
	struct err *e)
{
	cleanup_free char *at = archive_target(container, dir, e);
	cleanup_buf struct buf to = BUF_INIT;
	struct client *c;

	if (!at)
		return -1;
	buf_adds(&to, at);
	target_query(&to, "noOverwriteDirNonDir", "true");
	if (o.archive)
		target_query(&to, "copyUIDGID", "true");
	c = call_open(d, &(struct call){.method = "PUT", .target = to.p, .body_fd = body,
		.broken = broken, .content_type = "application/x-tar"}, true, e);
	if (!c)
		return -1;
	client_close(c);
	return 0;
}

/* Where a source lies: directory (open) and name there, links followed as asked for. */
static int open_source(struct copy_end *s, int *dirfd, char **base, struct err *e)
{
	cleanup_free char *dir = NULL, *real = o.follow ? realpath(s->path, NULL) : NULL;
	struct stat st;

	if (real) {
		char *unused;

		copy_split(s->path, &unused, base);
		free(unused);
		s->renamed = *base;
		free(s->path);
		s->path = copy_keep_tail(real, s->path);
	}
	copy_split(s->path, &dir, base);
	*dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd < 0 || fstatat(*dirfd, *base, &st, copy_asserts_dir(s->path) ? 0 : AT_SYMLINK_NOFOLLOW)) {
		fd_close(dirfd);
		return err_set(e, 0, "lstat %s: %s", s->path, go_words(errno));
	}
	s->exists = true;
	s->is_dir = S_ISDIR(st.st_mode);
	return 0;
}

static int upload(struct docker *d, const char *container, struct packing *p, const char *dir, struct err *e)
{
	pthread_t thread;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	p->out = ends[1];
	rc = pthread_create(&thread, NULL, pack_main, p);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return err_set(e, rc, "starting a thread");
	}
	rc = put(d, container, dir, ends[0], &p->failed, e);
	close(ends[0]); /* the connection's thread has its own */
	if (!rc)
		pthread_join(thread, NULL); /* else what packs ends with us */
	if (!atomic_load(&p->failed))
		return rc;
	if (p->e.code == EPIPE) /* the engine hung up: it told why */
		return rc;
	*e = p->e;
	return -1;
}

/* The destination in the container: a link is followed once, as the stock client does. */
static int find_destination(struct docker *d, const char *container, struct copy_end *to, struct err *e)
{
	struct remote_stat st = {0};
	struct err ignored = ERR_INIT;

	to->exists = !remote_stat(d, container, to->path, &st, &ignored);
	if (to->exists && st.mode & GO_SYMLINK) {
		to->path = link_path(to->path, st.link);
		to->exists = !remote_stat(d, container, to->path, &st, &ignored);
	}
	if (to->exists && st.mode & GO_ODD)
		return err_kind(e, ERR_INVALID, "destination \"%s:%s\" must be a directory or a regular file", container,
			to->path);
	to->is_dir = to->exists && st.mode & GO_DIR;
	return 0;
}

static int from_stdin(struct docker *d, const char *container, const struct copy_end *to, struct err *e)
{
	if (!to->is_dir)
		return err_kind(e, ERR_INVALID, "destination \"%s:%s\" must be a directory", container, to->path);
	return put(d, container, to->path, fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), NULL, e);
}

static int copy_in(struct docker *d, char *source, const char *container, char *path, struct err *e)
{
	struct copy_end from = {0}, to = {.path = path};
	static struct packing p = {.e = ERR_INIT}; /* its thread may outlive the call */
	struct copy_plan plan;
	char *base;

	/* The engine may refuse in the middle: its answer says why, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (find_destination(d, container, &to, e))
		return -1;
	if (!strcmp(source, "-"))
		return from_stdin(d, container, &to, e);
	from.path = local_path(source);
	if (open_source(&from, &p.dirfd, &base, e) || copy_plan(&from, &to, &plan, e))
		return -1;
	p.base = base;
	p.name = plan.to;
	if (upload(d, container, &p, plan.dir, e))
		return -1;
	say_copied(p.bytes, container, path);
	return 0;
}

/* --- out of a container ------------------------------------------------------------------- */

struct body_stream {
	struct stream s;
	struct client *c;
	int64_t bytes;
};

static ssize_t read_body(struct stream *s, void *p, size_t n, struct err *e)
{
	struct body_stream *b = (struct body_stream *)s;
	ssize_t got = client_read(b->c, p, n, e);

	if (got > 0)
		b->bytes += got;
	return got;
}

/* The destination here; its links are followed, a dangling last one too. */
static int local_destination(struct copy_end *to, struct err *e)
{
	cleanup_free char *dir = NULL, *base = NULL;
	struct stat st;
	int links;

	copy_split(to->path, &dir, &base);
	if (!strcmp(base, "."))
		*strrchr(dir, '/') = 0;
	if (*dir && stat(dir, &st) && errno == ENOENT)
		return err_kind(e, ERR_INVALID, "invalid output path: directory \"%s\" does not exist", dir);
	if (!stat(to->path, &st) && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_kind(e, ERR_INVALID, "invalid output path: \"%s\" must be a directory or a regular file",
			to->path);
	for (links = 0; links < LINKS_MAX && !lstat(to->path, &st) && S_ISLNK(st.st_mode); links++) {
		char target[PATH_MAX];
		ssize_t n = readlink(to->path, target, sizeof(target) - 1);

		if (n < 0)
			break;
		target[n] = 0;
		to->path = link_path(to->path, target);
	}
	to->exists = !stat(to->path, &st);
	to->is_dir = to->exists && S_ISDIR(st.st_mode);
	return 0;
}

static int unpack(struct client *c, const struct copy_plan *plan, int64_t *bytes, struct err *e)
{
	cleanup_close int dir = open(plan->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *top = !strcmp(plan->from, "/") ? "" : plan->from; /* names in "/" begin with it */
	struct tar_unpack_opts opts = {.whiteouts = TAR_WH_NONE, .no_overwrite_dir_nondir = true,
		.no_chown = true, .dest = plan->dir, .rename = strcmp(plan->from, plan->to) ? top : NULL,
		.to = plan->to};
	struct body_stream b = {.s.read = read_body, .c = c};
	struct tar_unpack_result result;
	int rc;

	if (dir < 0)
		return err_set(e, 0, "open %s: %s", plan->dir, go_words(errno));
	umask(0);
	rc = tar_unpack(&b.s, dir, &opts, &result, e);
	if (!rc)
		rc = stream_drain(&b.s, e);
	*bytes = b.bytes;
	return rc;
}

static int copy_out(struct docker *d, const char *container, char *path, const char *destination, struct err *e)
{
	struct copy_end from = {.path = path, .exists = true}, to = {0};
	bool to_stdout = !strcmp(destination, "-");
	struct remote_stat st = {0};
	struct copy_plan plan;
	char *shown, *target;
	struct client *c;
	int64_t bytes;

	to.path = to_stdout ? NULL : local_path(destination);
	shown = to.path;
	if (to.path && local_destination(&to, e))
		return -1;
	if (o.follow && !remote_stat(d, container, path, &st, e) && st.mode & GO_SYMLINK) {
		char *unused, *name;

		copy_split(path, &unused, &name);
		from.path = copy_keep_tail(st.link, path);
		from.renamed = name;
	}
	target = archive_target(container, from.path, e);
	c = target ? call_open(d, &(struct call){.method = "GET", .target = target}, true, e) : NULL;
	if (!c || parse_stat(c, &st, e))
		return -1;
	if (to_stdout)
		return call_copy_body(c, STDOUT_FILENO, e);
	from.is_dir = st.mode & GO_DIR;
	if (copy_plan(&from, &to, &plan, e))
		return -1;
	/* The archive's top has the name of the path asked for, whatever we were to call it. */
	if (from.renamed) {
		char *unused;

		copy_split(from.path, &unused, &plan.from);
	}
	if (unpack(c, &plan, &bytes, e))
		return -1;
	say_copied(bytes, "", shown);
	return 0;
}

/* --- the command -------------------------------------------------------------------------- */

static int cp(struct docker *d, int argc, char **argv)
{
	const char *from, *to;
	char *source, *destination;
	struct err e = ERR_INIT;
	int rc;

	(void)argc;
	split_argument(argv[0], &from, &source);
	split_argument(argv[1], &to, &destination);
	if (!*argv[0] && !from)
		rc = err_kind(&e, ERR_INVALID, "source can not be empty");
	else if (!*argv[1] && !to)
		rc = err_kind(&e, ERR_INVALID, "destination can not be empty");
	else if (from && *from && to && *to)
		rc = err_kind(&e, ERR_INVALID, "copying between containers is not supported");
	else if (from && *from)
		rc = copy_out(d, from, source, destination, &e);
	else if (to && *to)
		rc = copy_in(d, source, to, destination, &e);
	else
		rc = err_kind(&e, ERR_INVALID, "must specify at least one container source");
	return rc ? fail(&e) : 0;
}

static struct command cmd_cp = {
	.usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
		 "\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
	.brief = "Copy files/folders between a container and the local filesystem",
	.more = "'-' is a tar archive on standard input or output. SRC_PATH/. is what is in a directory.\n"
		"Examples:\n"
		"  docker cp web:/etc/nginx .\n"
		"  docker cp site/. web:/usr/share/nginx/html\n"
		"  docker cp web:/var/log - | tar t\n",
	.flags = flags,
	.min = 2,
	.max = 2,
	.run = cp,
};

const struct entry entries_cp[] = {
	{"", "cp", NULL, &cmd_cp},
	{"container", "cp", NULL, &cmd_cp},
	{0},
};
