/* SPDX-License-Identifier: MIT */
/*
 * core/engine/archive.c - the engine's side of copying files in and out of containers
 *
 * Theory of operation
 *   A job is one process (archive_role.c) with three pipes: its request, its reports, the archive.
 *   The first report says whether the archive begins, so that an error can still become a status;
 *   the second one, after the archive, how it ended.  A process that dies between them is an error,
 *   never a short archive.
 *
 *   From before the process looks whether the container runs until it has ended, the container
 *   counts as viewed: a start waits for that.
 */
#include "engine/archive.h"
#include "base/fs.h"
#include "base/proc.h"
#include "engine/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20) /* bytes; the most an ordinary user may ask for, pipe(7) */

struct archive_job {
	struct engine *en;
	struct container *c;
	char *ref, *path; /* for messages */
	int reports, data, pidfd;
	bool volumes; /* are mounted for it */
	bool packs; /* the role writes the archive */
};

/* --- what it sees ------------------------------------------------------------------------------- */

static json_t *view_mount(struct engine *en, const json_t *point)
{
	const char *name = json_str(point, "Name", NULL), *type = json_str(point, "Type", "");
	cleanup_free char *path = name ? volume_path(en, name) : NULL;
	json_t *m;

	if (!path && strcmp(type, "bind"))
		return NULL; /* a tmpfs is not there for others */
	m = json_object();
	json_set_str(m, "source", path ? path : json_str(point, "Source", ""));
	if (path && json_str(point, "subpath", NULL))
		json_set_str(m, "subpath", json_str(point, "subpath", NULL));
	json_set_str(m, "destination", json_str(point, "Destination", ""));
	json_set_bool(m, "rw", json_bool(point, "RW", true));
	json_set_bool(m, "flat", json_bool(point, "flat", false));
	return m;
}

static int by_depth(const void *a, const void *b)
{
	const char *x = json_str(*(json_t *const *)a, "destination", "");
	const char *y = json_str(*(json_t *const *)b, "destination", "");
	int n = 0;

	for (; *x; x++)
		n += *x == '/';
	for (; *y; y++)
		n -= *y == '/';
	return n;
}

/* Shallow destinations first: one must not hide another. */
static json_t *view_mounts(struct engine *en, struct container *c)
{
	static const char *const files[] = {"resolv.conf", "hostname", "hosts"};
	size_t i, n = 0, max = json_array_size(c->mounts) + ARRAY_SIZE(files);
	cleanup_free json_t **at = xcalloc(max, sizeof(json_t *));
	json_t *list = json_array();
	const json_t *p;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = container_path(en, c, files[i]);
		cleanup_free char *where = xasprintf("/etc/%s", files[i]);

		at[n++] = json_pack("{s:s, s:s}", "source", path, "destination", where);
	}
	json_array_foreach(c->mounts, i, p)
		if ((at[n] = view_mount(en, p)))
			n++;
	qsort(at, n, sizeof(*at), by_depth);
	for (i = 0; i < n; i++)
		json_array_append_new(list, at[i]);
	return list;
}

/* An export has the files that are mounted over as the real engine's has them: empty, whatever the image put
 * there. */
static json_t *view_emptied(struct engine *en)
{
	static const char *const files[] = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = store_init_file(&en->store, files[i]);

		json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "source", path, "destination", files[i], "covers", 1));
	}
	return list;
}

/* Where each mount point is and whether it may be written, as `docker cp` asks. */
static json_t *volume_rights(const struct container *c)
{
	json_t *list = json_array();
	const json_t *p;
	size_t i;

	json_array_foreach(c->mounts, i, p)
		json_array_append_new(list,
			json_pack("{s:s, s:b}", "destination", json_str(p, "Destination", ""), "rw",
				json_bool(p, "RW", true)));
	return list;
}

static json_t *view_of(struct archive_job *job, bool with_mounts, struct err *e)
{
	json_t *view = json_object(), *desc = rootfs_describe(&job->en->store, job->c->id, e);
	struct container *c = job->c;
	uint64_t start_time;
	pid_t pid;

	if (!desc) {
		json_decref(view);
		return NULL;
	}
	json_set_new(view, "rootfs", desc);
	pthread_mutex_lock(&c->lock);
	pid = c->status == ST_RUNNING ? c->pid : 0;
	start_time = c->start_time;
	pthread_mutex_unlock(&c->lock);
	if (pid)
		json_set_new(view, "join",
			json_pack("{s:i, s:I}", "pid", (int)pid, "start_time", (json_int_t)start_time));
	json_set_new(view, "mounts", with_mounts ? view_mounts(job->en, c) : view_emptied(job->en));
	return view;
}

/* --- the process -------------------------------------------------------------------------------- */

static int spawn(struct archive_job *job, const json_t *request, struct err *e)
{
	static const char *const argv[] = {":archive", NULL};
	cleanup_close int orders = json_memfd(request, e), report = -1, data = -1;
	int ends[2], fds[3];

	if (orders < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	job->reports = ends[0];
	report = ends[1];
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	job->data = ends[job->packs ? 0 : 1];
	data = ends[job->packs ? 1 : 0];
	fcntl(data, F_SETPIPE_SZ, PIPE_SIZE); /* or it stays as it is */
	fds[ARCHIVE_REQUEST_FD - 3] = orders;
	fds[ARCHIVE_REPORT_FD - 3] = report;
	fds[ARCHIVE_DATA_FD - 3] = data;
	return proc_spawn_role(argv, fds, 3, NULL, &job->pidfd, e);
}

/* The next report; what it says of a file that is not there gets the container's name. */
static int await_report(struct archive_job *job, struct archive_report *report, struct err *e)
{
	if (fd_read_full(job->reports, report, sizeof(*report)) != sizeof(*report))
		return err_set(e, EIO, "the process that works on the container's files died");
	if (report->ok)
		return 0;
	report->err.msg[sizeof(report->err.msg) - 1] = 0;
	report->err.hint[sizeof(report->err.hint) - 1] = 0;
	if (report->err.code == ENOENT && job->path)
		return err_kind(e, ERR_NOT_FOUND, "Could not find the file %s in container %s", job->path, job->ref);
	if (e)
		*e = report->err;
	return -1;
}

/* Nobody starts it any more, or has just done. */
static void view_begin(struct container *c)
{
	container_begin(c);
	pthread_mutex_lock(&c->lock);
	c->viewers++;
	pthread_mutex_unlock(&c->lock);
	container_settle(c);
	container_end(c);
}

static void view_end(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	c->viewers--;
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
}

void views_wait(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->viewers)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

static void job_free(struct archive_job *job)
{
	fd_close(&job->data);
	if (job->pidfd >= 0)
		proc_reap(job->pidfd);
	fd_close(&job->pidfd);
	fd_close(&job->reports);
	if (job->volumes)
		container_unmount_volumes(job->en, job->c, SIZE_MAX);
	view_end(job->c);
	container_put(job->c);
	free(job->ref);
	free(job->path);
	free(job);
}

/* Start the process with @request (stolen; the view is added), and hear its first report. */
static struct archive_job *job_start(struct engine *en, struct container *c, const char *ref,
	json_t *request_steal, struct archive_report *report, struct err *e)
{
	struct archive_job *job = xcalloc(1, sizeof(*job));
	cleanup_json json_t *request = request_steal, *view = NULL;
	const char *op = json_str(request, "op", "");
	cleanup_free char *target = xasprintf("%s/tmp", en->config.data_root);

	*job = (struct archive_job){.en = en, .c = container_ref(c), .ref = xstrdup(ref),
		.path = xstrdup(json_str(request, "path", NULL)), .reports = -1, .data = -1, .pidfd = -1,
		.packs = strcmp(op, "put") != 0};
	view_begin(c);
	job->volumes = job->path && !container_mount_volumes(en, c, e);
	if (job->volumes || !job->path)
		view = view_of(job, job->path != NULL, e);
	if (view) {
		json_object_set(request, "view", view);
		/* Anything may be mounted on in a mount namespace of one's own; nothing else is needed there. */
		json_set_str(request, "target", target);
		json_set_int(request, "parent", getpid());
		json_set_bool(request, "single_id", en->store.single_id);
	}
	if (view && !spawn(job, request, e) && !await_report(job, report, e))
		return job;
	job_free(job);
	return NULL;
}

/* --- the operations ------------------------------------------------------------------------------ */

static json_t *path_request(const char *op, const char *path)
{
	return json_pack("{s:s, s:o}", "op", op, "path", json_text(path));
}

static json_t *stat_json(const struct archive_report *r)
{
	char mtime[CLOCK_RFC3339_MAX];

	return json_pack("{s:o, s:I, s:I, s:s, s:o}", "name", json_text(r->name), "size", (json_int_t)r->size,
		"mode", (json_int_t)r->mode, "mtime", clock_format(r->mtime_ns, mtime), "linkTarget",
		json_text(r->target));
}

json_t *archive_stat(struct engine *en, struct container *c, const char *ref, const char *path,
	struct err *e)
{
	struct archive_report report;
	struct archive_job *job = job_start(en, c, ref, path_request("stat", path), &report, e);

	if (!job)
		return NULL;
	job_free(job);
	return stat_json(&report);
}

struct archive_job *archive_get(struct engine *en, struct container *c, const char *ref, const char *path,
	json_t **stat, struct err *e)
{
	cleanup_free char *absolute = xasprintf("%s%s", *path == '/' ? "" : "/", path);
	struct archive_report report;
	struct archive_job *job = job_start(en, c, ref, path_request("get", absolute), &report, e);

	if (!job)
		return NULL;
	*stat = stat_json(&report);
	container_event(en, c, "archive-path", NULL);
	return job;
}

struct archive_job *archive_put(struct engine *en, struct container *c, const char *ref,
	const struct archive_put *what, struct err *e)
{
	json_t *request = path_request("put", what->path);
	cleanup_json json_t *host = container_host(c);
	struct archive_report report;

	json_set_bool(request, "no_overwrite_dir_nondir", what->no_overwrite_dir_nondir);
	json_set_str(request, "user", what->chown ? json_str(c->config, "User", "") : "");
	json_set_new(request, "volumes", volume_rights(c));
	json_set_bool(request, "readonly", json_bool(host, "ReadonlyRootfs", false));
	return job_start(en, c, ref, request, &report, e);
}

struct archive_job *archive_export(struct engine *en, struct container *c, struct err *e)
{
	struct archive_report report;

	return job_start(en, c, c->id, json_pack("{s:s}", "op", "export"), &report, e);
}

int archive_fd(const struct archive_job *job)
{
	return job->data;
}

int archive_end(struct archive_job *job, struct err *e)
{
	const char *action = !job->packs ? "extract-to-dir" : job->path ? NULL : "export";
	struct archive_report report;
	int rc;

	fd_close(&job->data);
	rc = await_report(job, &report, e);
	if (!rc && action)
		container_event(job->en, job->c, action, NULL);
	job_free(job);
	return rc;
}
