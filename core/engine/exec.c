/* SPDX-License-Identifier: MIT */
/*
 * core/engine/exec.c - make, start and remember execs
 *
 * Theory of operation
 *   The table is en->execs, guarded by en->lock.  A client's socket goes straight to the exec's
 *   monitor, as with attach, so its output survives the engine.  Ended ones are dropped
 *   KEEP_NS after their end, when the next one is made.
 */
#include "engine/exec.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/limits.h"
#include "engine/schema.h"
#include "engine/spec.h"
#include "engine/validate.h"
#include "engine/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define KEEP_NS (5 * 60 * NS_PER_S)
#define READY_WAIT_NS (10 * NS_PER_S) /* how long a resize waits for the start, as Docker */
#define TRANSIT_WAIT_NS (2 * NS_PER_S)	/* for the watcher to hear of an end */
#define TRANSIT_SLICE_NS (50 * NS_PER_MS) /* a reply on the control socket looks like an end: look again */
#define EXEC_JSON_MAX (32 << 20)
#define LOST 137

/* --- references and table --------------------------------------------------------------------- */

static struct exec *exec_new(struct container *c, json_t *config)
{
	struct exec *x = xcalloc(1, sizeof(*x));
	pthread_condattr_t attr;

	atomic_init(&x->refs, 1);
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&x->changed, &attr);
	pthread_condattr_destroy(&attr);
	x->c = container_ref(c);
	x->config = config;
	x->ctl = -1;
	return x;
}

struct exec *exec_ref(struct exec *x)
{
	atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
	return x;
}

void exec_put(struct exec *x)
{
	if (!x || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1)
		return;
	fd_close(&x->ctl);
	json_decref(x->config);
	container_put(x->c);
	pthread_cond_destroy(&x->changed);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

struct exec *exec_get(struct engine *en, const char *id, struct err *e)
{
	struct exec *x = NULL;
	size_t i;

	pthread_rwlock_rdlock(&en->lock);
	for (i = 0; i < en->n_execs && !x; i++)
		if (!strcmp(en->execs[i]->id, id))
			x = exec_ref(en->execs[i]);
	pthread_rwlock_unlock(&en->lock);
	if (!x)
		err_kind(e, ERR_NOT_FOUND, "No such exec instance: %s", id);
	return x;
}

static void insert(struct engine *en, struct exec *x)
{
	pthread_rwlock_wrlock(&en->lock);
	en->execs = xreallocarray(en->execs, en->n_execs + 1, sizeof(*en->execs));
	en->execs[en->n_execs++] = exec_ref(x);
	pthread_rwlock_unlock(&en->lock);
}

/* Drop from the table what @drop says of a state; of one container, or of all. */
static void drop(struct engine *en, const struct container *c, bool (*wanted)(const struct exec *))
{
	size_t i, n = 0;

	pthread_rwlock_wrlock(&en->lock);
	for (i = 0; i < en->n_execs; i++) {
		struct exec *x = en->execs[i];
		bool out;

		pthread_mutex_lock(&x->lock);
		out = (!c || x->c == c) && wanted(x);
		pthread_mutex_unlock(&x->lock);
		if (!out)
			en->execs[n++] = x;
		else
			exec_put(x);
	}
	en->n_execs = n;
	pthread_rwlock_unlock(&en->lock);
}

static bool is_unstarted(const struct exec *x)
{
	return x->state == EXEC_CREATED;
}

static bool is_any(const struct exec *x)
{
	return true;
}

static bool is_old(const struct exec *x)
{
	return x->state == EXEC_ENDED && clock_mono_ns() - x->ended_at > KEEP_NS;
}

void execs_forget(struct engine *en, struct container *c)
{
	drop(en, c, is_unstarted);
}

void execs_remove(struct engine *en, struct container *c)
{
	drop(en, c, is_any);
}

json_t *exec_ids(struct engine *en, const struct container *c)
{
	json_t *ids = NULL;
	size_t i;

	pthread_rwlock_rdlock(&en->lock);
	for (i = 0; i < en->n_execs; i++) {
		struct exec *x = en->execs[i];

		pthread_mutex_lock(&x->lock);
		if (x->c == c && x->state != EXEC_ENDED) {
			if (!ids)
				ids = json_array();
			json_append_str(ids, x->id);
		}
		pthread_mutex_unlock(&x->lock);
	}
	pthread_rwlock_unlock(&en->lock);
	return ids ? ids : json_null();
}

/* --- create ----------------------------------------------------------------------------------- */

static void exec_event(struct engine *en, struct exec *x, const char *action, json_t *attributes)
{
	json_t *a = attributes ? attributes : json_object();

	json_set_str(a, "execID", x->id);
	container_event(en, x->c, action, a);
}

/* "exec_start: sh -c true": the command, and a space even when it has no arguments. */
static void exec_command_event(struct engine *en, struct exec *x, const char *what)
{
	cleanup_buf struct buf action = BUF_INIT;
	const json_t *v;
	size_t i;

	buf_addf(&action, "%s: ", what);
	json_array_foreach(json_arr(x->config, "Cmd"), i, v)
		buf_addf(&action, i > 1 ? " %s" : i ? "%s" : "%s ", json_string_value(v));
	exec_event(en, x, action.p, NULL);
}

static const char *exec_user(const struct exec *x)
{
	const char *user = json_str(x->config, "User", "");

	return *user ? user : json_str(x->c->config, "User", "");
}

/* A wrong name is the request's fault only if it was given; one of the container's was right once. */
static int check_user(struct exec *x, pid_t pid, struct err *e)
{
	cleanup_close int root = -1;
	struct runtime_user u;
	char path[40];

	if (!*json_str(x->config, "User", ""))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return 0; /* it has just ended: the start will say so */
	if (runtime_user_lookup(root, exec_user(x), NULL, &u, e))
		return -1;
	runtime_user_release(&u);
	return 0;
}

static int not_running(const struct container *c, struct err *e)
{
	return err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
}

static pid_t running_pid(struct container *c, uint64_t *start_time)
{
	pid_t pid;

	pthread_mutex_lock(&c->lock);
	pid = c->status == ST_RUNNING ? c->pid : 0;
	if (start_time)
		*start_time = c->start_time;
	pthread_mutex_unlock(&c->lock);
	return pid;
}

static int check_config(const json_t *config, struct err *e)
{
	const char *keys = json_str(config, "DetachKeys", "");
	cleanup_free char *bytes = NULL;

	if (!json_array_size(json_arr(config, "Cmd")))
		return err_kind(e, ERR_INVALID, "No exec command specified");
	if (*keys && detach_keys_parse(keys, &bytes))
		return err_set(e, 0, "Invalid escape keys (%s) provided", keys);
	return 0;
}

json_t *exec_create(struct engine *en, struct container *c, const json_t *body, struct err *e)
{
	json_t *config = schema_pack(schema_exec, body, "container.ExecOptions", e), *answer = NULL;
	pid_t pid = running_pid(c, NULL);
	struct exec *x;

	if (!config)
		return NULL;
	drop(en, NULL, is_old);
	x = exec_new(c, config);
	random_id(x->id);
	if (check_config(config, e)) {
		/* said already */
	} else if (!pid) {
		not_running(c, e);
	} else if (container_check_paused(c, "exec", e)) {
		/* said already */
	} else if (!check_user(x, pid, e)) {
		insert(en, x);
		exec_command_event(en, x, "exec_create");
		expect_start();
		answer = json_pack("{s:s}", "Id", x->id);
	}
	exec_put(x);
	return answer;
}

/* --- start ------------------------------------------------------------------------------------ */

static int check_state(const struct exec *x, struct err *e)
{
	if (x->state == EXEC_ENDED)
		return err_kind(e, ERR_CONFLICT, "exec command %s has already run", x->id);
	if (x->state != EXEC_CREATED)
		return err_kind(e, ERR_CONFLICT, "exec command %s is already running", x->id);
	return 0;
}

int exec_check_start(struct exec *x, struct err *e)
{
	int rc;

	pthread_mutex_lock(&x->lock);
	rc = check_state(x, e);
	pthread_mutex_unlock(&x->lock);
	if (!rc && !running_pid(x->c, NULL))
		rc = not_running(x->c, e);
	return rc ? rc : container_check_paused(x->c, "exec", e);
}

static int claim(struct exec *x, struct err *e)
{
	int rc;

	pthread_mutex_lock(&x->lock);
	rc = check_state(x, e);
	if (!rc)
		x->state = EXEC_STARTING;
	pthread_mutex_unlock(&x->lock);
	return rc;
}

static json_t *make_process(struct engine *en, struct exec *x, const json_t *host,
	const struct security *security, struct err *e)
{
	bool tty = json_bool(x->config, "Tty", false), privileged = json_bool(x->config, "Privileged", false);
	const char *dir = json_str(x->config, "WorkingDir", "");
	json_t *caps = privileged ? runtime_all_caps() : caps_effective(host, e), *env, *p;

	env = caps ? spec_env(en, x->c, host, tty, json_arr(x->config, "Env"), e) : NULL;
	if (!env) {
		json_decref(caps);
		return NULL;
	}
	if (!*dir)
		dir = json_str(x->c->config, "WorkingDir", "");
	p = json_object();
	json_set_bool(p, "terminal", tty);
	json_object_set(p, "args", json_arr(x->config, "Cmd"));
	json_set_new(p, "env", env);
	json_set_str(p, "cwd", *dir ? dir : "/");
	json_set_new(p, "capabilities", spec_caps(caps));
	json_set_new(p, "rlimits", spec_rlimits(en, host));
	json_set_bool(p, "noNewPrivileges", security->no_new_privileges);
	json_set_int(p, "oomScoreAdj", spec_oom_score(host));
	return p;
}

/* The container's own filter, made for its own capabilities: a privileged exec gets more of these,
 * but no way around the filter. */
static int exec_seccomp(struct engine *en, const json_t *host, const struct security *security,
	char **path, struct err *e)
{
	cleanup_json json_t *caps = caps_effective(host, e);

	return caps ? spec_seccomp(en, security, caps, path, e) : -1;
}

/* The container's, as its monitor noted it. */
static void add_cgroup(struct engine *en, const struct container *c, json_t *request)
{
	cleanup_close int dirfd = openat(en->execfd, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *path = dirfd < 0 ? NULL : monitor_cgroup(dirfd), *unit = NULL;
	const char *name = path ? strrchr(path, '/') : NULL;

	if (!name)
		return;
	unit = xasprintf("docker-%s.scope", c->id);
	json_set_new(request, "cgroup", json_pack("{s:s}", "path", path));
	if (!strcmp(name + 1, unit))
		json_set_str(json_obj(request, "cgroup"), "unit", unit);
}

static json_t *make_request(struct engine *en, struct exec *x, const json_t *host,
	const struct exec_start_options *o, struct err *e)
{
	cleanup_free char *seccomp = NULL;
	struct security security;
	uint64_t start_time;
	pid_t pid = running_pid(x->c, &start_time);
	json_t *r, *process, *size;

	if (!pid) {
		not_running(x->c, e);
		return NULL;
	}
	if (security_parse(host, en->config.no_new_privileges, &security, e))
		return NULL;
	process = make_process(en, x, host, &security, e);
	if (!process)
		return NULL;
	if (exec_seccomp(en, host, &security, &seccomp, e)) {
		json_decref(process);
		return NULL;
	}
	r = json_object();
	json_set_str(r, "id", x->c->id);
	json_set_bool(r, "tty", json_bool(x->config, "Tty", false));
	json_set_bool(r, "stdin", json_bool(x->config, "AttachStdin", false));
	json_set_bool(r, "stdin_once", true);
	size = o->console_size ? o->console_size : json_arr(x->config, "ConsoleSize");
	if (size)
		json_object_set(r, "console_size", size);
	json_set_new(r, "log", json_null());
	json_set_str(r, "seccomp", seccomp);
	json_set_new(r, "join", json_pack("{s:i, s:I}", "pid", (int)pid, "start_time", (json_int_t)start_time));
	json_set_new(r, "process", process);
	add_cgroup(en, x->c, r);
	json_set_str(r, "affinity", limits_affinity(&en->cgroups, host));
	json_set_str(r, "user_text", exec_user(x));
	if (json_arr(host, "GroupAdd"))
		json_object_set(r, "group_add", json_arr(host, "GroupAdd"));
	return r;
}

static char *exec_dir(const struct exec *x)
{
	return xasprintf("%s/exec-%s", x->c->id, x->id);
}

/* Its directory, with what an engine after us needs to know. */
static int make_dir(struct engine *en, struct exec *x, struct err *e)
{
	cleanup_free char *dir = exec_dir(x);
	int fd;

	if (mkdirat(en->execfd, dir, 0711))
		return errno == ENOENT ? not_running(x->c, e) : err_set(e, errno, "making %s", dir);
	fd = openat(en->execfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !json_save_at(fd, "exec.json", x->config, 0, e))
		return fd;
	if (fd < 0)
		err_set(e, errno, "opening %s", dir);
	fd_close(&fd);
	return -1;
}

static void remove_dir(struct engine *en, struct exec *x)
{
	cleanup_free char *dir = exec_dir(x);

	fs_remove_tree_at(en->execfd, dir, NULL);
}

static void note_end(struct exec *x, int exit_code)
{
	pthread_mutex_lock(&x->lock);
	x->state = EXEC_ENDED;
	x->exit_code = exit_code;
	x->ended_at = clock_mono_ns();
	pthread_cond_broadcast(&x->changed);
	pthread_mutex_unlock(&x->lock);
}

static int run(struct engine *en, struct exec *x, const struct exec_start_options *o,
	struct monitor_info *info, struct err *e)
{
	cleanup_json json_t *host = container_host(x->c), *request = NULL;
	const char *keys = json_str(x->config, "DetachKeys", "");
	cleanup_free char *bytes = NULL;
	cleanup_close int dirfd = -1;
	struct monitor_attach a = {.fd = o->fd, .in = json_bool(x->config, "AttachStdin", false),
		.out = json_bool(x->config, "AttachStdout", false),
		.err = json_bool(x->config, "AttachStderr", false), .framed = o->framed,
		.detach_text = "exec attach failed: error on attach stdin: read escape sequence\r\n",
		.early = o->early, .early_len = o->early_len};

	if (*keys && !detach_keys_parse(keys, &bytes))
		a.detach_keys = bytes;
	request = make_request(en, x, host, o, e);
	if (!request)
		return -1;
	dirfd = make_dir(en, x, e);
	return dirfd < 0 ? -1 : monitor_start(dirfd, request, &a, o->fd >= 0, info, e);
}

static int failed(struct exec *x, int *exit_code, struct err *e)
{
	bool lookup = runtime_is_lookup(e), ours = e->kind == ERR_CONFLICT;
	const char *context = "OCI runtime exec failed: exec failed: unable to start container process";

	*exit_code = 126;
	if (ours)
		return -1;
	runtime_failed(e, exit_code);
	if (lookup)
		return -1;
	return err_wrap(e, "%s", !strncmp(e->msg, "Cwd must", 8) ? "OCI runtime exec failed: exec failed" : context);
}

int exec_start(struct engine *en, struct exec *x, const struct exec_start_options *o, struct err *e)
{
	struct monitor_info info;
	int ctl, exit_code;

	if (claim(x, e))
		return -1;
	exec_command_event(en, x, "exec_start");
	ctl = run(en, x, o, &info, e);
	if (ctl < 0) {
		failed(x, &exit_code, e);
		remove_dir(en, x);
		note_end(x, exit_code);
		return -1;
	}
	if (o->fd >= 0)
		close(o->fd); /* the monitor has its own */
	pthread_mutex_lock(&x->lock);
	x->state = EXEC_RUNNING;
	x->pid = info.pid;
	x->ctl = ctl;
	x->watch = watch_add(en, ctl, WATCH_EXEC, x->c, x);
	pthread_cond_broadcast(&x->changed);
	pthread_mutex_unlock(&x->lock);
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

void exec_exited(struct engine *en, struct exec *x)
{
	struct monitor_exit end = {.exit_code = LOST};
	cleanup_free char *dir = exec_dir(x);
	cleanup_close int dirfd = openat(en->execfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char code[12];
	uint64_t watch;
	int ctl;

	pthread_mutex_lock(&x->lock);
	ctl = x->ctl;
	watch = x->watch;
	x->ctl = -1;
	pthread_mutex_unlock(&x->lock);
	if (monitor_read_exit(ctl, dirfd, &end, NULL) != 1) {
		end = (struct monitor_exit){.exit_code = LOST};
		container_kill_rest(dirfd);
	}
	watch_remove(en, watch, ctl);
	fd_close(&ctl);
	remove_dir(en, x);
	snprintf(code, sizeof(code), "%d", end.exit_code);
	note_end(x, end.exit_code);
	exec_event(en, x, "exec_die", json_pack("{s:s}", "exitCode", code));
}

int exec_wait(struct exec *x, int64_t deadline, int *exit_code)
{
	struct timespec ts = {deadline / NS_PER_S, deadline % NS_PER_S};
	int rc = 0;

	pthread_mutex_lock(&x->lock);
	while (x->state != EXEC_ENDED && !rc)
		rc = pthread_cond_timedwait(&x->changed, &x->lock, &ts);
	if (x->state == EXEC_ENDED) {
		*exit_code = x->exit_code;
		rc = 0;
	}
	pthread_mutex_unlock(&x->lock);
	return rc ? -1 : 0;
}

void exec_kill(struct exec *x)
{
	cleanup_close int ctl = -1;

	pthread_mutex_lock(&x->lock);
	if (x->state == EXEC_RUNNING && x->ctl >= 0)
		ctl = fcntl(x->ctl, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&x->lock);
	if (ctl >= 0)
		monitor_signal(ctl, SIGKILL, NULL); /* or it has ended */
}

/* --- resize, inspect -------------------------------------------------------------------------- */

static int exec_ctl(struct exec *x, struct err *e)
{
	int64_t deadline = clock_mono_ns() + READY_WAIT_NS;
	struct timespec ts = {deadline / NS_PER_S, deadline % NS_PER_S};
	int rc = 0, fd = -1;

	pthread_mutex_lock(&x->lock);
	while (x->state < EXEC_RUNNING && !rc)
		rc = pthread_cond_timedwait(&x->changed, &x->lock, &ts);
	if (x->state == EXEC_RUNNING && x->ctl >= 0)
		fd = fcntl(x->ctl, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&x->lock);
	if (rc && fd < 0)
		err_set(e, 0, "timeout waiting for exec session ready");
	else if (fd < 0)
		err_kind(e, ERR_NOT_FOUND, "NotFound: process does not exist %s: not found", x->id);
	return fd;
}

int exec_resize(struct engine *en, struct exec *x, unsigned int h, unsigned int w, struct err *e)
{
	cleanup_close int ctl = exec_ctl(x, e);

	if (ctl < 0)
		return -1;
	if (!json_bool(x->config, "Tty", false) || !h || !w)
		return 0;
	return monitor_resize(ctl, h, w, e);
}

static json_t *process_config(const struct exec *x)
{
	const json_t *cmd = json_arr(x->config, "Cmd");
	json_t *args = json_array(), *j;
	size_t i;

	for (i = 1; i < json_array_size(cmd); i++)
		json_array_append(args, json_array_get(cmd, i));
	j = json_pack("{s:b, s:O, s:o, s:b}", "tty", json_bool(x->config, "Tty", false), "entrypoint",
		json_array_get(cmd, 0), "arguments", args, "privileged", json_bool(x->config, "Privileged", false));
	if (*json_str(x->config, "User", ""))
		json_set_str(j, "user", json_str(x->config, "User", ""));
	return j;
}

/* Has it begun or ended, though the thread that writes that down was not there yet? */
static bool in_transit(const struct exec *x)
{
	struct pollfd p = {x->ctl, POLLIN, 0};

	return x->state == EXEC_STARTING ||
	       (x->state == EXEC_RUNNING && (x->ctl < 0 || poll(&p, 1, 0) == 1));
}

/* The monitor says EXITED before its client sees the end of the stream, but the client may ask here
 * before the watcher has heard it: docker exec would return 0 for any exit code. */
static void await_transit(struct exec *x)
{
	int64_t end = clock_mono_ns() + TRANSIT_WAIT_NS, slice;

	while (in_transit(x) && (slice = clock_mono_ns()) < end) {
		struct timespec ts;

		slice += TRANSIT_SLICE_NS;
		ts = (struct timespec){slice / NS_PER_S, slice % NS_PER_S};
		pthread_cond_timedwait(&x->changed, &x->lock, &ts);
	}
}

json_t *exec_inspect(struct exec *x)
{
	json_t *j = json_object();

	pthread_mutex_lock(&x->lock);
	await_transit(x);
	json_set_str(j, "ID", x->id);
	json_set_bool(j, "Running", x->state == EXEC_RUNNING || x->state == EXEC_STARTING);
	json_set_new(j, "ExitCode", x->state == EXEC_ENDED ? json_integer(x->exit_code) : json_null());
	json_set_new(j, "ProcessConfig", process_config(x));
	json_set_bool(j, "OpenStdin", json_bool(x->config, "AttachStdin", false));
	json_set_bool(j, "OpenStderr", json_bool(x->config, "AttachStderr", false));
	json_set_bool(j, "OpenStdout", json_bool(x->config, "AttachStdout", false));
	json_set_bool(j, "CanRemove", false);
	json_set_str(j, "ContainerID", x->c->id);
	json_set_str(j, "DetachKeys", "");
	json_set_int(j, "Pid", x->pid);
	pthread_mutex_unlock(&x->lock);
	return j;
}

/* --- after a restart of the engine -------------------------------------------------------------- */

static void load_one(struct engine *en, struct container *c, int dirfd, const char *id)
{
	json_t *config = json_load_at(dirfd, "exec.json", EXEC_JSON_MAX, NULL);
	struct monitor_info info;
	struct monitor_exit end;
	struct exec *x;

	if (!json_is_object(config)) {
		json_decref(config);
		return;
	}
	x = exec_new(c, config);
	memcpy(x->id, id, ID_LEN + 1);
	x->ctl = monitor_connect(dirfd, &info, NULL);
	insert(en, x);
	if (x->ctl >= 0) {
		pthread_mutex_lock(&x->lock);
		x->state = EXEC_RUNNING;
		x->pid = info.pid;
		x->watch = watch_add(en, x->ctl, WATCH_EXEC, c, x);
		pthread_mutex_unlock(&x->lock);
	} else {
		if (monitor_exit_record(dirfd, &end)) {
			container_kill_rest(dirfd);
			end.exit_code = LOST;
		}
		note_end(x, end.exit_code);
		remove_dir(en, x);
	}
	exec_put(x);
}

void execs_load(struct engine *en, struct container *c, int dirfd)
{
	cleanup_closedir DIR *d = NULL;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub;
	struct dirent *de;

	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d))) {
		if (strncmp(de->d_name, "exec-", 5) || !is_hex64(de->d_name + 5))
			continue;
		sub = openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub >= 0)
			load_one(en, c, sub, de->d_name + 5);
		fd_close(&sub);
	}
}
