/* SPDX-License-Identifier: MIT */
/*
 * core/engine/engine.c - bring all state up, and let go of it in order
 *
 * Theory of operation
 *   The engine is crash-only: opening after a kill -9 and after a clean stop is the same code.
 *   Order matters: the store before what may have to remove a writable layer, the watcher before
 *   monitors are reconnected to, containers before images (layers in use are kept), restarts last.
 *
 *   A data-root is ours if its VERSION says so, or if it is empty; anything else, a real Docker's
 *   above all, is refused and not touched.
 */
#include "engine/engine.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/kit_ports.h"
#include "engine/limits.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "engine/volume.h"
#include "engine/watch.h"
#include "net/netd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DATA_VERSION 1 /* raised when an older engine could not read what we write */
#define WARM_STACK_KB 512

/* --- the data-root ---------------------------------------------------------------------------- */

static bool is_empty(int dirfd)
{
	cleanup_closedir DIR *d = NULL;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;

	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") && strcmp(de->d_name, "lost+found"))
			return false;
	return d;
}

static int foreign(struct engine *en, struct err *e)
{
	err_set(e, 0, "the data-root %s was not made by Coracle", en->config.data_root);
	return err_hint(e, "name another with --data-root, or move it away");
}

static int check_version(struct engine *en, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	uint64_t version;
	char ours[16];
	int len;

	if (!fs_exists_at(en->datafd, "VERSION")) {
		if (!is_empty(en->datafd))
			return foreign(en, e);
		len = snprintf(ours, sizeof(ours), "%d\n", DATA_VERSION);
		return file_write_at(en->datafd, "VERSION", ours, (size_t)len, 0644, FILE_SYNC, e);
	}
	if (file_read_at(en->datafd, "VERSION", 64, &text, e))
		return -1;
	if (parse_u64(span_trim((struct span){text.p, strcspn(text.p, "\n")}), INT32_MAX, &version))
		return foreign(en, e);
	if (version > DATA_VERSION)
		return err_set(e, 0, "the data-root %s is of a newer Coracle (format %llu, this one knows %d)",
			en->config.data_root, (unsigned long long)version, DATA_VERSION);
	return 0;
}

static int open_dir(const char *path, mode_t mode, int *fd, struct err *e)
{
	if (fs_mkdir_p_at(AT_FDCWD, path, mode, e))
		return -1;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_set(e, errno, "opening %s", path) : 0;
}

/* A random UUID (version 4), once for each data-root. */
static int load_id(struct engine *en, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned char r[16];

	if (!file_read_at(en->datafd, "engine-id", 64, &text, NULL) && text.n >= 36) {
		snprintf(en->id, sizeof(en->id), "%.36s", text.p);
		return 0;
	}
	random_bytes(r, sizeof(r));
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(en->id, sizeof(en->id),
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
		r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
	return file_write_at(en->datafd, "engine-id", en->id, strlen(en->id), 0600, 0, e);
}

/* --- opening ---------------------------------------------------------------------------------- */

static json_t *layers_in_use(struct engine *en)
{
	json_t *keep = json_array(), *p;
	size_t i, k;

	for (i = 0; i < en->n_containers; i++) {
		if (*en->containers[i]->layer)
			json_append_str(keep, en->containers[i]->layer);
		json_array_foreach(en->containers[i]->mounts, k, p) /* --mount type=image */
			if (json_object_get(p, "layer"))
				json_array_append(keep, json_object_get(p, "layer"));
	}
	return keep;
}

static int open_images(struct engine *en, struct err *e)
{
	cleanup_json json_t *keep = layers_in_use(en);

	en->images = images_open(en->datafd, &en->store, keep, e);
	return en->images ? 0 : -1;
}

/* The default filter takes 40 ms to compile: do it before the first container needs it. */
static void warm_seccomp(void *arg)
{
	struct engine *en = arg;
	cleanup_free char *dir = xasprintf("%s/seccomp", en->config.data_root), *path = NULL;
	cleanup_json json_t *caps = runtime_default_caps();
	cleanup_close int fd = openat(en->datafd, "seccomp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (fd < 0 || seccomp_compile(fd, dir, NULL, caps, &path, &e))
		log_err(&e, "preparing the default seccomp filter");
}

static int choose_cgroups(struct engine *en, struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT;

	if (cgroup_driver_open(&en->cgroups, limits_driver_asked(json_arr(en->config.raw, "exec-opts")), e))
		return -1;
	controllers_print(en->cgroups.controllers, " ", &names);
	if (en->cgroups.kind == CGROUP_NONE)
		log_warn("limits are soft: %s%s%s", en->cgroups.why.msg, *en->cgroups.why.hint ? "; " : "",
			en->cgroups.why.hint);
	else
		log_info("cgroup driver %s: %s", cgroup_driver_name(&en->cgroups), names.p);
	return 0;
}

/* Those of containers that are gone: an engine was killed before it could remove them. */
static void sweep_cgroups(struct engine *en)
{
	struct container **all = containers_all(en);
	const char **ids;
	size_t n, i;

	for (n = 0; all[n]; n++)
		;
	ids = xcalloc(n + 1, sizeof(*ids));
	for (i = 0; i < n; i++)
		ids[i] = all[i]->id;
	cgroup_driver_sweep(&en->cgroups, ids);
	free(ids);
	containers_free(all);
}

static int open_state(struct engine *en, struct err *e)
{
	const struct config *c = &en->config;

	if (open_dir(c->data_root, 0710, &en->datafd, e) || open_dir(c->exec_root, 0711, &en->execfd, e) ||
		check_version(en, e) || load_id(en, e))
		return -1;
	en->events = events_open(en->datafd);
	if (fs_mkdir_p_at(en->datafd, "seccomp", 0711, e) || fs_mkdir_p_at(en->datafd, "tmp", 0700, e))
		return -1;
	if (store_open(&en->store, en->datafd, c->data_root, c->storage_driver, e))
		return -1;
	en->store.single_id = c->single_id;
	if (choose_cgroups(en, e))
		return -1;
	return volumes_load(en, e) || networks_load(en, e) || watch_start(en, e) || containers_load(en, e) ||
			       open_images(en, e) ?
		       -1 :
		       0;
}

int engine_open(struct engine *en, struct config *config, struct err *e)
{
	*en = (struct engine){.config = *config, .datafd = -1, .execfd = -1, .started_at = clock_real_ns()};
	*config = (struct config){0};
	pthread_rwlock_init(&en->lock, NULL);
	pthread_mutex_init(&en->volumes_lock, NULL);
	if (open_state(en, e))
		return err_wrap(e, "opening the engine's state");
	if (thread_start("seccomp", warm_seccomp, en, WARM_STACK_KB))
		log_warn("the first container will wait for its seccomp filter: no thread to prepare it");
	sweep_cgroups(en);
	networks_settle(en);
	ports_settle(en);
	kit_ports_restore(en);
	containers_resume(en);
	return 0;
}

/* --- stopping --------------------------------------------------------------------------------- */

struct stopping {
	pthread_mutex_t lock;
	pthread_cond_t done;
	int left;
};

struct stop_one {
	struct engine *en;
	struct container *c;
	struct stopping *all;
};

static void stop_one(void *arg)
{
	struct stop_one *s = arg;
	struct stop_options o = {0};
	struct err e;

	if (container_stop(s->en, s->c, s->c->id, &o, &e) && e.kind != ERR_NOT_MODIFIED)
		log_err(&e, "stopping container %.12s", s->c->id);
	/* It was not the user who stopped it: its restart policy holds at the next start. */
	pthread_mutex_lock(&s->c->lock);
	s->c->stopped_by_user = false;
	pthread_mutex_unlock(&s->c->lock);
	container_save_state(s->en, s->c);
	container_put(s->c);
	pthread_mutex_lock(&s->all->lock);
	s->all->left--;
	pthread_cond_signal(&s->all->done);
	pthread_mutex_unlock(&s->all->lock);
	free(s);
}

static void stop_in_thread(struct engine *en, struct container *c, struct stopping *all)
{
	struct stop_one *s = xmalloc(sizeof(*s));

	*s = (struct stop_one){en, container_ref(c), all};
	pthread_mutex_lock(&all->lock);
	all->left++;
	pthread_mutex_unlock(&all->lock);
	if (thread_start("stop", stop_one, s, ENGINE_STACK_KB))
		stop_one(s);
}

static void stop_containers(struct engine *en)
{
	/* Static: threads that are late still use it. */
	static struct stopping all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
	struct container **list;
	struct timespec until;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += en->config.shutdown_timeout_s;
	list = containers_all(en);
	for (i = 0; list[i]; i++)
		if (container_is_running(list[i]))
			stop_in_thread(en, list[i], &all);
	containers_free(list);
	pthread_mutex_lock(&all.lock);
	while (all.left && !pthread_cond_timedwait(&all.done, &all.lock, &until))
		;
	if (all.left)
		log_warn("%d containers did not stop in %d s; they are found again at the next start", all.left,
			en->config.shutdown_timeout_s);
	pthread_mutex_unlock(&all.lock);
	removals_wait(&until);
}

void engine_stop(struct engine *en)
{
	struct container_counts n;

	en->stopping = true;
	if (!en->config.live_restore)
		stop_containers(en);
	kit_ports_drop(en);
	containers_count(en, &n);
	/* Containers without an engine keep their network. */
	if (en->netd && !n.running && !n.paused)
		netd_stop(en->netd);
}
