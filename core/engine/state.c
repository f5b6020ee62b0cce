/* SPDX-License-Identifier: MIT */
/*
 * core/engine/state.c - containers on disk, and finding out after a crash what became of them
 *
 * Theory of operation
 *   config.json is synced when it is made, so a container survives a power cut; state.json is
 *   only renamed into place: a crash of the engine loses nothing that was renamed, and what a
 *   power cut loses is found out again below.
 *
 *   What tells that a container was started is its directory in exec-root (in a tmpfs that ends
 *   with the machine), made before its monitor and removed after its end was written down.  So at
 *   the start of an engine
 *	directory, monitor answers	it runs
 *	directory, exit record		it ended meanwhile, unless state.json has that end already
 *	directory, neither		the monitor was killed: kill what is left, exit code 137
 *	none, state says running	the machine went down: exit code 255, as Docker has it
 *   tmp/container-<id> is one half-made or half-removed: its writable layer goes, then it.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/exec.h"
#include "engine/health.h"
#include "engine/mounts.h"
#include "engine/names.h"
#include "engine/network.h"
#include "engine/volume.h"
#include "engine/watch.h"
#include "limits/cgroup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define CONFIG_MAX (32 << 20) /* bytes of config.json: twice what a request may have */
#define STATE_MAX (1 << 20)
#define KILLED 137     /* 128 + SIGKILL */
#define LOST 255       /* what Docker says of one whose end nobody saw */
#define KILL_WAIT_MS 10000

static const char *status_name(enum status s)
{
	static const char *const names[] = {"created", "running", "restarting", "exited", "removing"};

	return names[s];
}

const char *container_status(const struct container *c)
{
	return c->paused ? "paused" : status_name(c->status);
}

/* --- writing -------------------------------------------------------------------------------- */

json_t *container_to_json(const struct engine *en, const struct container *c)
{
	json_t *j = json_object(), *config = json_copy(c->config);

	json_object_update(config, c->identity);
	json_set_str(j, "id", c->id);
	json_set_str(j, "name", c->name);
	json_set_int(j, "created", c->created);
	json_set_str(j, "image", c->image_id);
	json_set_str(j, "layer", c->layer);
	json_set_str(j, "driver", store_driver_name(&en->store));
	json_set_new(j, "config", config);
	json_object_set(j, "host", c->host);
	json_object_set(j, "mounts", c->mounts);
	json_object_set(j, "networks", c->networks);
	return j;
}

int container_save_config(struct engine *en, struct container *c, int flags, struct err *e)
{
	cleanup_free char *file = xasprintf("containers/%s/config.json", c->id);
	cleanup_json json_t *j = NULL;

	pthread_rwlock_rdlock(&en->lock);
	pthread_mutex_lock(&c->lock);
	j = container_to_json(en, c);
	pthread_mutex_unlock(&c->lock);
	pthread_rwlock_unlock(&en->lock);
	return json_save_at(en->datafd, file, j, flags, e);
}

static json_t *state_to_json(const struct container *c)
{
	json_t *j = json_object();

	json_set_str(j, "status", status_name(c->status));
	json_set_int(j, "exit_code", c->exit_code);
	json_set_bool(j, "oom_killed", c->oom_killed);
	if (c->error)
		json_set_str(j, "error", c->error);
	json_set_int(j, "started_at", c->started_at);
	json_set_int(j, "finished_at", c->finished_at);
	if (c->health)
		json_set_new(j, "health", json_deep_copy(c->health));
	json_set_int(j, "restart_count", c->restart_count);
	json_set_bool(j, "stopped_by_user", c->stopped_by_user);
	json_set_str(j, "sandbox_id", c->sandbox_id);
	return j;
}

void container_save_state(struct engine *en, struct container *c)
{
	cleanup_free char *file = xasprintf("containers/%s/state.json", c->id);
	cleanup_json json_t *j = NULL;
	struct err e;

	pthread_mutex_lock(&c->lock);
	j = c->removed ? NULL : state_to_json(c);
	pthread_mutex_unlock(&c->lock);
	if (j && json_save_at(en->datafd, file, j, 0, &e))
		log_err(&e, "noting the state of container %s", c->id);
}

/* --- killing what a monitor left -------------------------------------------------------------- */

void container_kill_rest(int dirfd)
{
	cleanup_json json_t *j = json_load_at(dirfd, "monitor.json", STATE_MAX, NULL);
	cleanup_close int pidfd = -1;
	struct pollfd p;
	struct err e;

	/* All that is in its cgroup, and that is gone then. */
	if (*json_str(j, "cgroup", "") && cgroup_destroy(json_str(j, "cgroup", ""), KILL_WAIT_MS, &e))
		log_err(&e, "tidying up after a container");
	pidfd = proc_open((pid_t)json_int(j, "init_pid", 0), (uint64_t)json_int(j, "init_start_time", 0));
	if (pidfd < 0) {
		freeze_undo(dirfd);
		return;
	}
	/* Killing the first process of a pid namespace kills all in it. */
	proc_signal(pidfd, SIGKILL);
	freeze_undo(dirfd);
	p = (struct pollfd){pidfd, POLLIN, 0};
	while (poll(&p, 1, KILL_WAIT_MS) < 0 && errno == EINTR)
		;
}

/* --- loading -------------------------------------------------------------------------------- */

static void copy_id(char *out, const char *text)
{
	if (is_hex64(text))
		memcpy(out, text, ID_LEN + 1);
}

static void load_state(struct engine *en, struct container *c)
{
	cleanup_free char *file = xasprintf("containers/%s/state.json", c->id);
	cleanup_json json_t *j = json_load_at(en->datafd, file, STATE_MAX, NULL);
	const char *status = json_str(j, "status", "created"), *error = json_str(j, "error", NULL);

	c->status = !strcmp(status, "created") ? ST_CREATED : ST_EXITED;
	c->exit_code = (int)json_int(j, "exit_code", 0);
	c->oom_killed = json_bool(j, "oom_killed", false);
	c->error = xstrdup(error);
	c->health = json_incref(json_obj(j, "health"));
	c->started_at = json_int(j, "started_at", 0);
	c->finished_at = json_int(j, "finished_at", 0);
	c->restart_count = (int)json_int(j, "restart_count", 0);
	c->stopped_by_user = json_bool(j, "stopped_by_user", false);
	copy_id(c->sandbox_id, json_str(j, "sandbox_id", ""));
	if (!strcmp(status, "running") && !fs_exists_at(en->execfd, c->id)) {
		health_end(c);
		c->exit_code = LOST;
		c->finished_at = clock_real_ns();
		container_count_end(c);
	}
}

static struct container *load_config(struct engine *en, const char *id, struct err *e)
{
	cleanup_free char *file = xasprintf("containers/%s/config.json", id);
	cleanup_json json_t *j = json_load_at(en->datafd, file, CONFIG_MAX, e);
	const char *name = json_str(j, "name", ""), *image = json_str(j, "image", "");
	const char *layer = json_str(j, "layer", ""), *driver = json_str(j, "driver", NULL);
	struct container *c;

	if (!j)
		return NULL;
	if (strcmp(json_str(j, "id", ""), id) || !name_ok(name) || !json_obj(j, "config") ||
		!json_obj(j, "host") || (*image && !digest_ok(image)) || (*layer && !digest_ok(layer))) {
		err_set(e, 0, "%s is not what Coracle wrote", file);
		return NULL;
	}
	if (driver && strcmp(driver, store_driver_name(&en->store))) {
		err_set(e, 0, "its files are in storage driver %s, this engine uses %s", driver,
			store_driver_name(&en->store));
		return NULL;
	}
	c = container_new();
	memcpy(c->id, id, ID_LEN + 1);
	snprintf(c->image_id, sizeof(c->image_id), "%s", image);
	snprintf(c->layer, sizeof(c->layer), "%s", layer);
	c->created = json_int(j, "created", 0);
	c->config = json_incref(json_obj(j, "config"));
	c->host = json_incref(json_obj(j, "host"));
	c->mounts = json_arr(j, "mounts") ? json_incref(json_arr(j, "mounts")) : json_array();
	c->networks = json_obj(j, "networks") ? json_incref(json_obj(j, "networks")) : json_object();
	if (!container_insert(en, c, name, e))
		return c;
	container_put(c);
	return NULL;
}

static void use_volumes(struct engine *en, struct container *c, bool mounted)
{
	const json_t *p;
	size_t i;

	json_array_foreach(c->mounts, i, p) {
		const char *name = json_str(p, "Name", NULL);

		if (name && !mounted)
			volume_use(en, name, c->id);
		else if (name)
			volume_adopt_mount(en, name);
	}
}

static void load_one(struct engine *en, const char *id)
{
	struct container *c;
	struct err e;

	c = load_config(en, id, &e);
	if (!c) {
		log_err(&e, "container %.12s is left out", id);
		return;
	}
	load_state(en, c);
	use_volumes(en, c, false);
	container_show(en, c);
	container_put(c);
}

/* The name decides nothing but the order; the oldest come first in the table. */
static int by_age(const void *a, const void *b)
{
	const struct container *x = *(struct container *const *)a, *y = *(struct container *const *)b;

	return x->created < y->created ? -1 : x->created > y->created;
}

static int each_entry(int dirfd, const char *path, void (*fn)(struct engine *, const char *),
	struct engine *en, struct err *e)
{
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_set(e, errno, "opening %s", path);
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			fn(en, de->d_name);
	return 0;
}

static void load_entry(struct engine *en, const char *name)
{
	if (is_hex64(name))
		load_one(en, name);
}

static void clean_tmp(struct engine *en, const char *name)
{
	cleanup_free char *path = xasprintf("tmp/%s", name);
	struct err e;

	if (!strncmp(name, "container-", 10) && is_hex64(name + 10) &&
		rootfs_remove(&en->store, name + 10, &e))
		log_err(&e, "removing what was left of container %.12s", name + 10);
	else if (fs_remove_tree_at(en->datafd, path, &e))
		log_err(&e, "emptying tmp");
}

/* --- what is in exec-root ------------------------------------------------------------------- */

static bool reconnect(struct engine *en, struct container *c, int dirfd)
{
	struct monitor_info info;
	int ctl = monitor_connect(dirfd, &info, NULL);

	if (ctl < 0)
		return false;
	use_volumes(en, c, true);
	execs_load(en, c, dirfd);
	sandbox_adopt(en, c, dirfd);
	pthread_mutex_lock(&c->lock);
	c->status = ST_RUNNING;
	c->ctl = ctl;
	c->pid = info.pid;
	c->start_time = info.start_time;
	c->started_at = info.started_at;
	c->exit_code = 0;
	c->paused = monitor_is_paused(dirfd);
	if (!c->paused)
		health_resume(en, c);
	c->watch = watch_add(en, ctl, WATCH_CONTAINER, c, NULL);
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* It ended while no engine was there: note it, unless that was done and only the rest was not. */
static void ended_meanwhile(struct engine *en, struct container *c, int dirfd)
{
	struct monitor_exit x = {.exit_code = KILLED, .finished_at = clock_real_ns()};
	cleanup_json json_t *j = json_load_at(dirfd, "monitor.json", STATE_MAX, NULL);
	bool recorded = !monitor_exit_record(dirfd, &x);

	if (!recorded)
		container_kill_rest(dirfd);
	if (recorded ? x.finished_at <= c->finished_at : !j && c->status != ST_RUNNING)
		return; /* known already, or it never came to run */
	c->status = ST_EXITED;
	health_end(c);
	c->exit_code = x.exit_code;
	c->oom_killed = x.oom_killed;
	c->finished_at = x.finished_at;
	if (json_int(j, "started_at", 0))
		c->started_at = json_int(j, "started_at", 0);
	container_count_end(c);
	container_save_state(en, c);
}

void runtime_dir_remove(struct engine *en, const char *id)
{
	struct err e;

	runtime_dir_unmount(en, id);
	if (fs_remove_tree_at(en->execfd, id, &e))
		log_err(&e, "removing the runtime directory of container %.12s", id);
}

static void look_at_runtime_dir(struct engine *en, const char *id)
{
	cleanup_close int dirfd = -1;
	struct container *c;

	if (!is_hex64(id))
		return;
	dirfd = openat(en->execfd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c = container_get(en, id, NULL);
	if (dirfd >= 0 && c && reconnect(en, c, dirfd)) {
		container_put(c);
		return;
	}
	if (dirfd >= 0 && c)
		ended_meanwhile(en, c, dirfd);
	else if (dirfd >= 0)
		container_kill_rest(dirfd);
	runtime_dir_remove(en, id);
	container_put(c);
}

int containers_load(struct engine *en, struct err *e)
{
	if (fs_mkdir_p_at(en->datafd, "tmp", 0700, e) || fs_mkdir_p_at(en->datafd, "containers", 0710, e) ||
		each_entry(en->datafd, "tmp", clean_tmp, en, e) ||
		each_entry(en->datafd, "containers", load_entry, en, e))
		return -1;
	if (en->n_containers) /* qsort(3) wants an array even for nothing */
		qsort(en->containers, en->n_containers, sizeof(*en->containers), by_age);
	return each_entry(AT_FDCWD, en->config.exec_root, look_at_runtime_dir, en, e);
}

/* --- afterwards ----------------------------------------------------------------------------- */

/* How many of this engine's first starts are going on. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t none;
	int left;
} resuming = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void count_resuming(int change)
{
	pthread_mutex_lock(&resuming.lock);
	resuming.left += change;
	if (!resuming.left)
		pthread_cond_broadcast(&resuming.none);
	pthread_mutex_unlock(&resuming.lock);
}

static void start_again(void *arg)
{
	struct resume *r = arg;
	struct err e;

	if (container_start(r->en, r->c, &e))
		log_err(&e, "starting container %.12s again", r->c->id);
	container_put(r->c);
	free(r);
	count_resuming(-1);
}

static bool should_start(struct container *c, const json_t *host)
{
	const json_t *p = json_obj(host, "RestartPolicy");
	const char *policy = json_str(p, "Name", "no");
	int64_t max = json_int(p, "MaximumRetryCount", 0);

	if (!c->started_at)
		return false;
	if (!strcmp(policy, "always"))
		return true;
	if (c->stopped_by_user)
		return false;
	return !strcmp(policy, "unless-stopped") ||
		(!strcmp(policy, "on-failure") && c->exit_code && (!max || c->restart_count < max));
}

void containers_resume(struct engine *en)
{
	struct container **all = containers_all(en);
	size_t i;

	for (i = 0; all[i]; i++) {
		cleanup_json json_t *host = container_host(all[i]);

		if (container_is_running(all[i]))
			continue;
		if (json_bool(host, "AutoRemove", false) && all[i]->started_at) {
			container_auto_remove(en, all[i]);
		} else if (should_start(all[i], host)) {
			struct resume *r = xmalloc(sizeof(*r));

			*r = (struct resume){en, container_ref(all[i])};
			count_resuming(1);
			if (thread_start("resume", start_again, r, ENGINE_STACK_KB)) {
				count_resuming(-1);
				container_put(r->c);
				free(r);
			}
		}
	}
	containers_free(all);
}

void containers_await_resumed(int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&resuming.lock);
	while (resuming.left && !pthread_cond_timedwait(&resuming.none, &resuming.lock, &until))
		;
	pthread_mutex_unlock(&resuming.lock);
}
