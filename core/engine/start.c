/* SPDX-License-Identifier: MIT */
/*
 * core/engine/start.c - a container begins, ends, and begins again
 *
 * Theory of operation
 *   A start is an op: while it prepares (volumes, files, spec) and waits for the monitor no lock is
 *   held.  What it makes outside memory is <exec-root>/<id>/, the volumes' mounts and the process;
 *   a start that fails takes all back and leaves its reason in State.Error.
 *
 *   The end is seen by the watcher, which calls container_exited(): first it is written down, then
 *   the directory goes, then it is told: events, waiters, the restart policy or --rm.
 *
 * States
 *	created, exited --start--> running --end--> exited, or restarting (policy)
 *	restarting --timer--> running; restarting --stop--> exited
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/exec.h"
#include "engine/health.h"
#include "engine/limits.h"
#include "engine/logconfig.h"
#include "engine/network.h"
#include "engine/spec.h"
#include "engine/validate.h"
#include "engine/volume.h"
#include "ns/cage.h"
#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * NS_PER_MS) /* Docker's pauses between restarts */
#define BACKOFF_MAX (60 * NS_PER_S)
#define BACKOFF_FORGET (10 * NS_PER_S) /* one that ran so long starts anew */
#define PREPARE_STACK_KB 64
#define EXIT_NOT_STARTED 128
#define EXIT_NOT_INVOKED 126
#define EXIT_NOT_FOUND 127

/* --- volumes and events ----------------------------------------------------------------------- */

static void volume_event(struct engine *en, struct container *c, const json_t *p, const char *action)
{
	json_t *a = json_pack("{s:s, s:s}", "container", c->id, "driver", "local");

	if (!strcmp(action, "mount")) {
		json_set_str(a, "destination", json_str(p, "Destination", ""));
		json_set_str(a, "propagation", json_str(p, "Propagation", ""));
		json_set_str(a, "read/write", json_bool(p, "RW", true) ? "true" : "false");
	}
	events_emit(en, "volume", action, json_str(p, "Name", ""), a);
}

void container_unmount_volumes(struct engine *en, struct container *c, size_t n)
{
	const json_t *p;
	size_t i;

	json_array_foreach(c->mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);

		if (i >= n || !name)
			continue;
		volume_unmount(en, name);
		volume_event(en, c, p, "unmount");
	}
}

int container_mount_volumes(struct engine *en, struct container *c, struct err *e)
{
	const json_t *p;
	size_t i;

	json_array_foreach(c->mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);

		if (!name)
			continue;
		if (volume_mount(en, name, e)) {
			container_unmount_volumes(en, c, i);
			return -1;
		}
		volume_event(en, c, p, "mount");
	}
	return 0;
}

/* --- what helps the next start ---------------------------------------------------------------- */

static void prepare(void *arg)
{
	(void)arg;
	monitor_prepare();
}

void expect_start(void)
{
	thread_start("prepare", prepare, NULL, PREPARE_STACK_KB); /* or not: it is for speed alone */
}

/* --- the request to the monitor --------------------------------------------------------------- */

static int seccomp_path(struct start *s, const json_t *caps, char **path, struct err *e)
{
	struct security security;

	if (security_parse(s->host, s->en->config.no_new_privileges, &security, e))
		return -1;
	return spec_seccomp(s->en, &security, caps, path, e);
}

static json_t *make_request(struct start *s, json_t *spec, struct err *e)
{
	const json_t *config = s->c->config, *process = json_obj(spec, "process");
	cleanup_json json_t *log = logconfig_request(s->en, s->c, s->host, e);
	cleanup_free char *seccomp = NULL, *rootfs = NULL;
	json_t *r, *desc, *init, *cgroup;
	const char *parent;

	if (!log || seccomp_path(s, json_path(process, "capabilities", "bounding", NULL), &seccomp, e))
		return NULL;
	desc = rootfs_describe(&s->en->store, s->c->id, e);
	if (!desc)
		return NULL;
	rootfs = xasprintf("%s/%s/rootfs", s->en->config.exec_root, s->c->id);
	json_set_new(spec, "root",
		json_pack("{s:s, s:b}", "path", rootfs, "readonly", json_bool(s->host, "ReadonlyRootfs", false)));
	r = json_object();
	json_set_str(r, "id", s->c->id);
	json_set_bool(r, "tty", container_tty(s->c));
	json_set_bool(r, "stdin", json_bool(config, "OpenStdin", false));
	json_set_bool(r, "stdin_once", json_bool(config, "StdinOnce", false));
	if (json_arr(s->host, "ConsoleSize"))
		json_object_set(r, "console_size", json_arr(s->host, "ConsoleSize"));
	json_set_str(r, "user_text", json_str(config, "User", ""));
	if (json_arr(s->host, "GroupAdd"))
		json_object_set(r, "group_add", json_arr(s->host, "GroupAdd"));
	json_object_set(r, "log", log);
	json_object_set(r, "spec", spec);
	json_set_new(r, "rootfs", desc);
	json_set_str(r, "seccomp", seccomp);
	parent = json_str(s->host, "CgroupParent", "");
	if (!*parent)
		parent = json_str(s->en->config.raw, "cgroup-parent", "");
	cgroup = cgroup_driver_describe(&s->en->cgroups, parent, s->c->id);
	if (cgroup)
		json_set_new(r, "cgroup", cgroup);
	json_set_str(r, "affinity", limits_affinity(&s->en->cgroups, s->host));
	init = json_object_get(s->host, "Init");
	json_set_bool(r, "init", init ? json_is_true(init) : s->en->config.init);
	return r;
}

/* --- the process ------------------------------------------------------------------------------ */

static int make_dir(struct start *s, struct err *e)
{
	const char *id = s->c->id;

	if (mkdirat(s->en->execfd, id, 0711)) {
		/* Of a start that a crash interrupted before its monitor came to be. */
		runtime_dir_unmount(s->en, id);
		if (errno != EEXIST || fs_remove_tree_at(s->en->execfd, id, NULL) ||
			mkdirat(s->en->execfd, id, 0711))
			return err_set(e, errno, "making %s/%s", s->en->config.exec_root, id);
	}
	s->dirfd = openat(s->en->execfd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0 || mkdirat(s->dirfd, "rootfs", 0711))
		return err_set(e, errno, "opening %s/%s", s->en->config.exec_root, id);
	return 0;
}

/* The clients that attached before: theirs is all output from the first byte on. */
static struct pending *take_pending(struct engine *en, struct container *c,
	struct monitor_attach **list, size_t *n)
{
	struct pending *all = pending_take(en, c), *p;

	*n = 0;
	for (p = all; p; p = p->next)
		++*n;
	*list = xcalloc(*n + 1, sizeof(**list));
	*n = 0;
	for (p = all; p; p = p->next)
		(*list)[(*n)++] = (struct monitor_attach){.fd = p->fd, .in = p->in, .out = p->out, .err = p->err,
			.framed = p->framed, .detach_keys = p->detach_keys, .early = p->early,
			.early_len = p->early_len};
	return all;
}

/* What Docker makes of a runtime's message: which exit code, whose fault. */
int runtime_failed(struct err *e, int *exit_code)
{
	static const char *const not_found[] = {"executable file not found", "no such file or directory",
		"system cannot find the file specified", "failed to run runc create/exec call", "not a directory",
		NULL};
	bool missing = e->code == ENOENT;
	size_t i;

	for (i = 0; not_found[i]; i++)
		missing |= strcasestr(e->msg, not_found[i]) != NULL;
	if (missing) {
		*exit_code = EXIT_NOT_FOUND;
		e->kind = ERR_INVALID;
	} else if (e->code == EACCES || strcasestr(e->msg, "permission denied")) {
		*exit_code = EXIT_NOT_INVOKED;
		e->kind = ERR_INVALID;
	} else {
		*exit_code = EXIT_NOT_STARTED;
		e->kind = ERR_FAILED;
	}
	return -1;
}

/* Names of users are looked up before there is a task, so Docker says these bare. */
bool runtime_is_lookup(const struct err *e)
{
	return !strncmp(e->msg, "unable to find user", 19) || !strncmp(e->msg, "unable to find group", 20) ||
		!strncmp(e->msg, "uids and gids must be", 21);
}

static int run(struct start *s, const json_t *request, struct monitor_info *info, int *exit_code,
	struct err *e)
{
	struct monitor_attach *list;
	struct pending *pending;
	size_t n;
	int ctl;

	pending = take_pending(s->en, s->c, &list, &n);
	ctl = monitor_start(s->dirfd, request, list, n, info, e);
	free(list);
	pending_free(pending);
	if (ctl >= 0)
		return ctl;
	*exit_code = EXIT_NOT_STARTED;
	if (runtime_is_lookup(e)) {
		e->kind = ERR_FAILED;
		return -1;
	}
	runtime_failed(e, exit_code);
	if (strcasestr(e->msg, "not a directory"))
		snprintf(e->msg + strlen(e->msg), sizeof(e->msg) - strlen(e->msg),
			": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified "
			"host path exists and is the expected type");
	return err_wrap(e, "failed to create task for container: failed to create shim task: OCI runtime "
			   "create failed: runc create failed: unable to start container process: error during "
			   "container init");
}

/* --- start ------------------------------------------------------------------------------------ */

/* An owner that no container has whose cage is still there. */
static int free_owner(struct engine *en)
{
	static bool used[CAGES_MAX]; /* by whoever holds the lock */
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd = openat(en->execfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i;

	memset(used, 0, sizeof(used));
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d))) {
		cleanup_close int dir = is_hex64(de->d_name) ? openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		int owner = dir < 0 ? -1 : cage_owner(dir);

		if (owner >= 0)
			used[owner] = true;
	}
	for (i = 0; i < CAGES_MAX && used[i]; i++)
		;
	return i < CAGES_MAX ? i : -1;
}

/* A user namespace with a limit for tasks, where no cgroup has it. */
static int make_cage(struct start *s, struct err *e)
{
	static pthread_mutex_t owners = PTHREAD_MUTEX_INITIALIZER;
	int64_t tasks = limits_cage(&s->en->cgroups, s->host);
	int owner, rc;

	if (!tasks)
		return 0;
	pthread_mutex_lock(&owners);
	owner = free_owner(s->en);
	if (owner < 0)
		rc = err_set(e, 0, "more than %d containers with --pids-limit", CAGES_MAX);
	else
		rc = cage_make(s->dirfd, (unsigned int)owner, (uint64_t)tasks, !s->net && !spec_host_network(s), e);
	pthread_mutex_unlock(&owners);
	return rc ? err_wrap(e, "--pids-limit") : 0;
}

static int make_and_run(struct start *s, struct monitor_info *info, int *exit_code, struct err *e)
{
	cleanup_json json_t *spec = NULL, *request = NULL;

	if (spec_files(s, e) || spec_check(s, e))
		return -1;
	spec = spec_build(s, e);
	request = spec ? make_request(s, spec, e) : NULL;
	if (!request)
		return -1;
	return run(s, request, info, exit_code, e);
}

/* It never came to be on the networks that the start noted. */
static void forget_networks(struct container *c, json_t *before)
{
	json_t *noted;

	pthread_mutex_lock(&c->lock);
	noted = c->networks;
	c->networks = json_incref(before);
	pthread_mutex_unlock(&c->lock);
	json_decref(noted);
}

/* Who shares another's network goes by its name from here on, as in Docker: shown, and written down. */
static int take_identity(struct start *s, struct err *e)
{
	cleanup_json json_t *theirs = s->net ? container_identity(s->net) : NULL, *before = NULL;
	json_t *identity;

	if (!theirs)
		return 0;
	identity = json_pack("{s:s, s:s}", "Hostname", json_str(theirs, "Hostname", ""), "Domainname",
		json_str(theirs, "Domainname", ""));
	pthread_mutex_lock(&s->c->lock);
	before = s->c->identity;
	s->c->identity = identity;
	pthread_mutex_unlock(&s->c->lock);
	return json_equal(before, identity) ? 0 : container_save_config(s->en, s->c, 0, e);
}

/* Everything up to a running process; its control descriptor. */
static int prepare_and_run(struct start *s, struct monitor_info *info, int *exit_code, struct err *e)
{
	cleanup_json json_t *networks = json_incref(s->c->networks);
	int ctl;

	if (spec_peers(s, e) || take_identity(s, e) || make_dir(s, e) || make_cage(s, e) || (!s->net && sandbox_open(s, e)))
		return -1;
	ctl = make_and_run(s, info, exit_code, e);
	if (ctl < 0)
		forget_networks(s->c, networks);
	return ctl;
}

static void note_failure(struct engine *en, struct container *c, int exit_code, const struct err *e)
{
	pthread_mutex_lock(&c->lock);
	free(c->error);
	c->error = xstrdup(e->msg);
	c->exit_code = exit_code;
	c->status = c->started_at ? ST_EXITED : ST_CREATED;
	c->ending = false; /* no end is counted: who waits for the next one goes on waiting */
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
	container_save_state(en, c);
}

static void note_start(struct engine *en, struct container *c, int ctl, const struct monitor_info *info)
{
	pthread_mutex_lock(&c->lock);
	c->status = ST_RUNNING;
	c->ctl = ctl;
	c->pid = info->pid;
	c->start_time = info->start_time;
	c->started_at = info->started_at;
	c->exit_code = 0;
	c->oom_killed = false;
	free(c->error);
	c->error = NULL;
	health_begin(en, c);
	pthread_mutex_unlock(&c->lock);
	network_events(en, c, "connect");
	container_save_state(en, c);
	container_event(en, c, "start", NULL);
	/* From here on its end is seen. */
	pthread_mutex_lock(&c->lock);
	c->watch = watch_add(en, ctl, WATCH_CONTAINER, c, NULL);
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
}

/* Clients that came while the process was being started. */
static void attach_latecomers(struct start *s, int ctl)
{
	struct monitor_attach *list;
	struct pending *pending;
	struct err e;
	size_t n, i;

	pending = take_pending(s->en, s->c, &list, &n);
	for (i = 0; i < n; i++)
		if (monitor_attach(ctl, &list[i], &e))
			log_err(&e, "attaching to container %.12s", s->c->id);
	free(list);
	pending_free(pending);
}

static int start_op(struct engine *en, struct container *c, struct err *e)
{
	struct start s = {.en = en, .c = c, .host = container_host(c), .dirfd = -1};
	int ctl, exit_code = EXIT_NOT_STARTED;
	struct monitor_info info;

	views_wait(c);
	container_settle(c);
	ctl = container_mount_volumes(en, c, e);
	if (!ctl) {
		ctl = prepare_and_run(&s, &info, &exit_code, e);
		if (ctl < 0) {
			sandbox_close(en, c);
			runtime_dir_remove(en, c->id);
			container_unmount_volumes(en, c, SIZE_MAX);
		}
	}
	fd_close(&s.dirfd);
	container_put(s.net);
	container_put(s.ipc);
	container_put(s.pid);
	if (ctl >= 0) {
		note_start(en, c, ctl, &info);
		attach_latecomers(&s, ctl);
	} else {
		note_failure(en, c, exit_code, e);
	}
	json_decref(s.host);
	return ctl < 0 ? -1 : 0;
}

/* May it be started?  @by_policy: only if a restart is still wanted. */
static int check_startable(struct container *c, bool by_policy, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->removed || c->status == ST_REMOVING)
		rc = err_kind(e, ERR_CONFLICT, "container is marked for removal and cannot be started");
	else if (c->paused)
		rc = err_kind(e, ERR_CONFLICT, "cannot start a paused container, try unpause instead");
	else if (c->status == ST_RUNNING)
		rc = err_kind(e, ERR_NOT_MODIFIED, "container %s is running", c->id);
	else if (by_policy && c->status != ST_RESTARTING)
		rc = err_kind(e, ERR_CONFLICT, "the restart was called off");
	if (!rc && !by_policy) {
		c->restart_count = 0;
		c->backoff_ns = 0;
	}
	if (!rc) {
		c->restart_at = 0;
		c->stopped_by_user = false;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static void start_failed(struct engine *en, struct container *c)
{
	cleanup_json json_t *host = container_host(c);

	if (json_bool(host, "AutoRemove", false))
		container_auto_remove(en, c);
}

int container_start(struct engine *en, struct container *c, struct err *e)
{
	int rc;

	container_begin(c);
	rc = check_startable(c, false, e);
	if (!rc) {
		rc = start_op(en, c, e);
		container_end(c);
		if (rc)
			start_failed(en, c);
		return rc;
	}
	container_end(c);
	return rc;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* *leaving: its monitor, which is still there. */
static void read_exit(struct engine *en, struct container *c, struct monitor_exit *x, int *leaving)
{
	cleanup_close int dirfd = openat(en->execfd, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	*leaving = monitor_pidfd(dirfd);
	*x = (struct monitor_exit){.exit_code = 137, .finished_at = clock_real_ns()};
	if (monitor_read_exit(c->ctl, dirfd, x, &e) == 1)
		return;
	log_err(&e, "container %.12s lost its monitor", c->id);
	if (dirfd >= 0)
		container_kill_rest(dirfd);
}

/* Does the policy want it again?  c->lock is held. */
static bool wants_restart(const struct engine *en, const struct container *c)
{
	const json_t *p = json_obj(c->host, "RestartPolicy");
	const char *policy = json_str(p, "Name", "no");
	int64_t max = json_int(p, "MaximumRetryCount", 0);

	if (c->stopped_by_user || en->stopping)
		return false;
	if (!strcmp(policy, "always") || !strcmp(policy, "unless-stopped"))
		return true;
	return !strcmp(policy, "on-failure") && c->exit_code && (!max || c->restart_count < max);
}

/* c->lock is held. */
static void schedule_restart(struct engine *en, struct container *c)
{
	if (!c->backoff_ns || c->finished_at - c->started_at >= BACKOFF_FORGET)
		c->backoff_ns = BACKOFF_FIRST;
	else if (c->backoff_ns < BACKOFF_MAX)
		c->backoff_ns *= 2;
	if (c->backoff_ns > BACKOFF_MAX)
		c->backoff_ns = BACKOFF_MAX;
	c->status = ST_RESTARTING;
	c->restart_count++;
	c->restart_at = clock_mono_ns() + c->backoff_ns;
	watch_timer(en, c->restart_at);
}

struct ended {
	bool stopping;	  /* a stop is going on */
	bool again;	  /* its policy, or the user, starts it again */
	bool auto_remove; /* --rm, and it is not started again */
	bool goes;	  /* for that or another reason it is removed next */
};

static struct ended note_exit(struct engine *en, struct container *c, const struct monitor_exit *x,
	int leaving)
{
	struct ended end = {0};

	pthread_mutex_lock(&c->lock);
	watch_remove(en, c->watch, c->ctl);
	fd_close(&c->ctl);
	fd_close(&c->leaving);
	c->leaving = leaving;
	c->watch = 0;
	c->pid = 0;
	c->start_time = 0;
	c->exit_code = x->exit_code;
	c->finished_at = x->finished_at;
	c->oom_killed = x->oom_killed;
	c->paused = false;
	health_end(c);
	c->status = ST_EXITED;
	c->ending = true;
	end.stopping = c->stopping > 0;
	if (wants_restart(en, c))
		schedule_restart(en, c);
	end.again = c->status == ST_RESTARTING || c->restarting_by_user;
	end.auto_remove = !end.again && json_bool(c->host, "AutoRemove", false);
	end.goes = end.auto_remove || (!end.again && c->forced_out);
	pthread_mutex_unlock(&c->lock);
	return end;
}

static void tell_exit(struct engine *en, struct container *c, const struct monitor_exit *x, bool stopping)
{
	char code[16], seconds[24];

	snprintf(code, sizeof(code), "%d", x->exit_code);
	snprintf(seconds, sizeof(seconds), "%lld", (long long)((x->finished_at - c->started_at) / NS_PER_S));
	network_events(en, c, "disconnect");
	container_unmount_volumes(en, c, SIZE_MAX);
	if (stopping)
		container_event(en, c, "stop", NULL);
	if (x->oom_killed)
		container_event(en, c, "oom", NULL);
	container_event(en, c, "die", json_pack("{s:s, s:s}", "execDuration", seconds, "exitCode", code));
}

void container_exited(struct engine *en, struct container *c)
{
	struct monitor_exit x;
	struct ended end;
	int leaving;

	read_exit(en, c, &x, &leaving);
	end = note_exit(en, c, &x, leaving);
	/* One that goes now needs no state: the monitor's record tells the end until then. */
	sandbox_close(en, c);
	if (!end.goes) {
		container_save_state(en, c);
		runtime_dir_remove(en, c->id);
	}
	execs_forget(en, c);
	tell_exit(en, c, &x, end.stopping);
	pthread_mutex_lock(&c->lock);
	container_count_end(c);
	c->ending = false;
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
	if (end.auto_remove)
		container_auto_remove(en, c);
}

static void restart_thread(void *arg)
{
	struct resume *r = arg;
	struct err e;

	container_begin(r->c);
	if (!check_startable(r->c, true, &e) && start_op(r->en, r->c, &e))
		log_err(&e, "restarting container %.12s", r->c->id);
	container_end(r->c);
	container_put(r->c);
	free(r);
}

void container_restart_due(struct engine *en, struct container *c)
{
	struct resume *r = xmalloc(sizeof(*r));

	*r = (struct resume){en, container_ref(c)};
	if (!thread_start("restart", restart_thread, r, ENGINE_STACK_KB))
		return;
	container_put(c);
	free(r);
	/* No thread to be had: try again when the pause is over once more. */
	pthread_mutex_lock(&c->lock);
	c->restart_at = clock_mono_ns() + BACKOFF_FIRST;
	watch_timer(en, c->restart_at);
	pthread_mutex_unlock(&c->lock);
}
