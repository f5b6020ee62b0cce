/* SPDX-License-Identifier: MIT */
/*
 * core/engine/archive_role.c - the process that works on a container's files (role ":archive")
 *
 * Theory of operation
 *	1. mount the container's files in a mount namespace of our own (core/runtime/view.c)
 *	2. what needs the outside: whom an archive's files shall belong to
 *	3. make them the root and give up all other powers (core/storage/sandbox.h)
 *	4. look, pack or unpack
 *   From 3 on paths mean what they mean in the container, links and ".." included, whoever changes
 *   them at the same time: there is nothing else to reach.  What is said of them is what the real
 *   engine says, whose words are those of Go's os package.
 *
 *   Descriptors: 3 the request, 4 the pipe for reports, 5 the archive's pipe.
 */
#include "base/fs.h"
#include "base/proc.h"
#include "engine/archive.h"
#include "storage/sandbox.h"
#include "storage/tar.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define REQUEST_MAX (16 << 20) /* bytes */
#define LINKS_MAX 255		/* as Go's filepath.EvalSymlinks */
#define BLOCK 65536

struct role {
	const json_t *request;
	const char *op, *path;
	struct tar_unpack_opts unpack;
	struct archive_report report;
};

/* "lstat /x: no such file or directory"; ENOENT is left in e->code for who knows the container's name. */
static int go_error(struct err *e, int code, const char *call, const char *path)
{
	char words[128];

	snprintf(words, sizeof(words), "%s", strerror(code));
	words[0] = (char)tolower((unsigned char)words[0]);
	if (call)
		err_set(e, 0, "%s %s: %s", call, path, words);
	else
		err_set(e, 0, "%s", words);
	e->code = code;
	return -1;
}

static int say(struct role *r, bool ok)
{
	r->report.ok = ok;
	return fd_write_full(ARCHIVE_REPORT_FD, &r->report, sizeof(r->report));
}

/* --- where links lead ------------------------------------------------------------------------- */

static void go_up(struct buf *done)
{
	char *slash = strrchr(done->p, '/');

	if (slash) {
		done->n = (size_t)(slash - done->p);
		*slash = 0;
	}
}

/* Put @component on @done, or what it says first if it is a link: 1 if it was one. */
static int take_component(struct buf *done, struct span component, struct buf *rest)
{
	size_t before = done->n;
	char target[PATH_MAX];
	ssize_t n;

	buf_addf(done, "/%.*s", (int)component.n, component.p);
	n = readlink(done->p, target, sizeof(target) - 1);
	if (n <= 0)
		return 0; /* no link, or not there */
	target[n] = 0;
	done->n = *target == '/' ? 0 : before;
	if (done->cap)
		done->p[done->n] = 0;
	buf_addf(rest, "%s/", target);
	return 1;
}

/* @path without links, as far as it exists, to @out ("/" for the root); -1: too many. */
static int resolve(const char *path, struct buf *out)
{
	cleanup_free char *left = xstrdup(path);
	int links = 0;

	buf_reset(out);
	while (*left) {
		size_t skip = strspn(left, "/"), n = strcspn(left + skip, "/");
		struct span component = {left + skip, n};
		cleanup_buf struct buf rest = BUF_INIT;

		if (span_eqs(component, ".."))
			go_up(out);
		else if (n && !span_eqs(component, ".") && take_component(out, component, &rest) &&
			 ++links > LINKS_MAX)
			return -1;
		buf_adds(&rest, left + skip + n);
		free(left);
		left = buf_detach(&rest);
		if (!left)
			break;
	}
	if (!out->n)
		buf_addc(out, '/');
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* A mode as Go's os.FileMode has it. */
static uint32_t go_mode(mode_t m)
{
	static const struct {
		mode_t type;
		uint32_t bits;
	} types[] = {{S_IFDIR, 1U << 31}, {S_IFLNK, 1U << 27}, {S_IFBLK, 1U << 26}, {S_IFIFO, 1U << 25},
		{S_IFSOCK, 1U << 24}, {S_IFCHR, 1U << 26 | 1U << 21}};
	uint32_t out = m & 0777;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if ((m & S_IFMT) == types[i].type)
			out |= types[i].bits;
	return out | (m & S_ISUID ? 1U << 23 : 0) | (m & S_ISGID ? 1U << 22 : 0) | (m & S_ISVTX ? 1U << 20 : 0);
}

/* The last component, as Go's filepath.Base: "." stays, "/" is the root. */
static void base_name(const char *path, char out[static NAME_MAX + 1])
{
	size_t end = strlen(path), at;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (at = end; at && path[at - 1] != '/'; at--)
		;
	if (at == end)
		at--; /* the root */
	snprintf(out, NAME_MAX + 1, "%.*s", (int)(end - at), path + at);
}

static int look(struct role *r, struct stat *st, struct err *e)
{
	cleanup_buf struct buf target = BUF_INIT;

	if (lstat(r->path, st))
		return go_error(e, errno, "lstat", r->path);
	if (S_ISLNK(st->st_mode)) {
		if (resolve(r->path, &target))
			return err_set(e, 0, "too many links in %s", r->path);
		snprintf(r->report.target, sizeof(r->report.target), "%s", target.p);
	}
	base_name(r->path, r->report.name);
	r->report.size = st->st_size;
	r->report.mode = go_mode(st->st_mode);
	r->report.mtime_ns = st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
	return 0;
}

/* --- out ---------------------------------------------------------------------------------------- */

static int pack(const char *path, const char *name, struct err *e)
{
	cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tar_writer *w;
	int rc;

	if (root < 0)
		return err_set(e, errno, "opening the container's root");
	w = tar_writer_new(ARCHIVE_DATA_FD);
	rc = tar_pack_tree(w, root, path, name, false, e);
	if (!rc)
		rc = tar_write_end(w, e);
	tar_writer_free(w);
	return rc;
}

static int get(struct role *r, struct err *e)
{
	struct stat st;

	if (look(r, &st, e))
		return -1;
	return say(r, true) || pack(r->path, r->report.name, e) ? -1 : 0;
}

static int export(struct role *r, struct err *e)
{
	return say(r, true) || pack("/", "", e) ? -1 : 0;
}

/* --- in ----------------------------------------------------------------------------------------- */

/* Is @path at or below @dir? */
static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/' || (n && dir[n - 1] == '/'));
}

/* A volume's own word counts, else the root's. */
static int check_writable(const struct role *r, const char *path, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(r->request, "volumes"), i, v) {
		if (!is_inside(path, json_str(v, "destination", "")))
			continue;
		if (json_bool(v, "rw", true))
			return 0;
		return err_kind(e, ERR_INVALID, "mounted volume is marked read-only");
	}
	if (json_bool(r->request, "readonly", false))
		return err_kind(e, ERR_INVALID, "container rootfs is marked read-only");
	return 0;
}

/* The directory to unpack to: its real path, and a descriptor. */
static int open_target(struct role *r, struct buf *real, struct err *e)
{
	struct stat st;
	int fd;

	/* A slash behind it demands a directory, and of the last component alone Go says its name. */
	if (lstat(r->path, &st) && (errno == ENOENT || r->path[strlen(r->path) - 1] == '/'))
		return go_error(e, errno, "lstat", r->path);
	if (stat(r->path, &st))
		return go_error(e, errno, errno == ENOTDIR ? NULL : "lstat", r->path);
	if (!S_ISDIR(st.st_mode))
		return err_kind(e, ERR_INVALID, "extraction point is not a directory");
	if (resolve(r->path, real))
		return err_set(e, 0, "too many links in %s", r->path);
	fd = open(real->p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? go_error(e, errno, "lstat", real->p) : fd;
}

static int unpack(int dirfd, const struct tar_unpack_opts *o, struct err *e)
{
	struct tar_unpack_result result;
	struct inflater *inflater;
	struct fd_stream in;
	char rest[BLOCK];
	int rc;

	fd_stream_init(&in, ARCHIVE_DATA_FD, NULL);
	inflater = inflater_new(&in.s);
	rc = tar_unpack(inflater_stream(inflater), dirfd, o, &result, e);
	inflater_free(inflater);
	/* Behind the end there may be more, which nobody wants. */
	while (!rc && fd_read_full(ARCHIVE_DATA_FD, rest, sizeof(rest)) > 0)
		;
	return rc;
}

static int put(struct role *r, struct err *e)
{
	cleanup_buf struct buf real = BUF_INIT;
	cleanup_close int dir = open_target(r, &real, e);

	if (dir < 0 || check_writable(r, real.p, e) || say(r, true))
		return -1;
	r->unpack.dest = real.p;
	if (!unpack(dir, &r->unpack, e))
		return 0;
	if (e->kind == ERR_INVALID)
		e->kind = ERR_FAILED; /* the request was right, the archive is not: 500, as Docker has it */
	return -1;
}

/* --- all ---------------------------------------------------------------------------------------- */

static int find_owner(struct role *r, int rootfd, struct err *e)
{
	const char *user = json_str(r->request, "user", "");
	struct runtime_user u;

	if (!*user)
		return 0;
	if (runtime_user_lookup(rootfd, user, NULL, &u, e)) {
		const char *why = strstr(e->msg, ": ");

		return err_set(e, 0, "failed to look up user \"%s\" in container: %s", user,
			why ? why + 2 : e->msg);
	}
	r->unpack.chown = true;
	r->unpack.uid = u.uid;
	r->unpack.gid = u.gid;
	runtime_user_release(&u);
	return 0;
}

static int enter(struct role *r, struct err *e)
{
	int rootfd = runtime_view_mount(json_obj(r->request, "view"), json_str(r->request, "target", ""), e);

	if (rootfd < 0 || find_owner(r, rootfd, e))
		return -1;
	return sandbox_enter(rootfd, ARCHIVE_FDS_END, e);
}

static int run(struct role *r, struct err *e)
{
	struct stat st;

	if (enter(r, e))
		return -1;
	if (!strcmp(r->op, "stat"))
		return look(r, &st, e);
	if (!strcmp(r->op, "get"))
		return get(r, e);
	return !strcmp(r->op, "put") ? put(r, e) : export(r, e);
}

int archive_role_main(int argc, char **argv)
{
	struct role r = {.report = {.err = ERR_INIT}};
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *request = NULL;
	struct err *e = &r.report.err;
	int rc = -1;

	(void)argc, (void)argv;
	if (!fd_read_all(ARCHIVE_REQUEST_FD, REQUEST_MAX, &text, e) &&
		(request = json_parse(text.p, text.n, e))) {
		proc_die_with_parent((pid_t)json_int(request, "parent", 0));
		r.request = request;
		r.op = json_str(request, "op", "");
		r.path = json_str(request, "path", "/");
		r.unpack = (struct tar_unpack_opts){.whiteouts = TAR_WH_NONE,
			.single_id = json_bool(request, "single_id", false),
			.no_overwrite_dir_nondir = json_bool(request, "no_overwrite_dir_nondir", false)};
		rc = run(&r, e);
	}
	return say(&r, !rc) ? 1 : -rc;
}
