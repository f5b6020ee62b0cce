/* SPDX-License-Identifier: MIT */
/*
 * core/engine/remove.c - take containers away
 *
 * Theory of operation
 *   The point of no return is one rename, containers/<id> to tmp/container-<id>: before it the
 *   container is there, after it is gone, even if the deleting that follows is cut short (the
 *   next engine finishes it, see state.c).  Who waits for the removal is told in between: deleting
 *   a few dozen files may take longer on a busy disk than the container's whole life took, so one
 *   thread does that for all, and not while others wait to be told.
 *
 *   A container that is killed to be removed leaves its end untold on disk: the monitor's record in
 *   exec-root tells it to an engine that starts in between, and is deleted with the rest.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/exec.h"
#include "engine/filter.h"
#include "engine/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BACKLOG_MAX 512 /* removals ahead of the deleting: more wait for it */
#define DELETE_NICE 10	/* the thread is in nobody's way who starts containers meanwhile */
#define DELETE_STACK_KB 64

struct doomed {
	struct doomed *next;
	struct engine *en;
	struct container *c;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle, shorter, turn;
	int n;		       /* removals begun and not deleted yet */
	struct doomed *first, **end;
	int queued;
	int waiting;	       /* clients that wait for a removal */
	bool running;	       /* there is a thread that deletes */
} deleting = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER,
	.shorter = PTHREAD_COND_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER, .end = &deleting.first};

static void count_deleting(int by)
{
	pthread_mutex_lock(&deleting.lock);
	deleting.n += by;
	if (!deleting.n)
		pthread_cond_broadcast(&deleting.idle);
	pthread_mutex_unlock(&deleting.lock);
}

void removals_wait(const struct timespec *until)
{
	pthread_mutex_lock(&deleting.lock);
	while (deleting.n && !pthread_cond_timedwait(&deleting.idle, &deleting.lock, until))
		;
	pthread_mutex_unlock(&deleting.lock);
}

static void count_waiting(int by)
{
	pthread_mutex_lock(&deleting.lock);
	deleting.waiting += by;
	if (!deleting.waiting)
		pthread_cond_signal(&deleting.turn);
	pthread_mutex_unlock(&deleting.lock);
}

static void delete_files(struct engine *en, struct container *c)
{
	cleanup_free char *tmp = xasprintf("tmp/container-%s", c->id);
	struct err e;

	runtime_dir_remove(en, c->id);
	if (rootfs_remove(&en->store, c->id, &e) || fs_remove_tree_at(en->datafd, tmp, &e))
		log_err(&e, "removing the files of container %.12s (tried again at the next start)", c->id);
	else
		images_unpin(en->images, c->layer);
}

/* The next one, or NULL and the thread is no longer running.  @patient: not while somebody waits. */
static struct doomed *next_doomed(bool patient)
{
	struct doomed *d;

	pthread_mutex_lock(&deleting.lock);
	while (patient && deleting.waiting && deleting.queued && deleting.queued < BACKLOG_MAX)
		pthread_cond_wait(&deleting.turn, &deleting.lock);
	d = deleting.first;
	if (d) {
		deleting.first = d->next;
		if (!d->next)
			deleting.end = &deleting.first;
		deleting.queued--;
		pthread_cond_broadcast(&deleting.shorter);
	} else {
		deleting.running = false;
	}
	pthread_mutex_unlock(&deleting.lock);
	return d;
}

static void delete_all(bool patient)
{
	struct doomed *d;

	while ((d = next_doomed(patient))) {
		delete_files(d->en, d->c);
		container_put(d->c);
		free(d);
		count_deleting(-1);
	}
}

static void delete_thread(void *arg)
{
	(void)arg;
	setpriority(PRIO_PROCESS, 0, DELETE_NICE); /* of this thread alone, in Linux */
	delete_all(true);
}

/* Its files go in a thread, one container after the other: the disk does not get faster by more. */
static void delete_later(struct engine *en, struct container *c)
{
	struct doomed *d = xmalloc(sizeof(*d));
	bool start;

	*d = (struct doomed){NULL, en, container_ref(c)};
	pthread_mutex_lock(&deleting.lock);
	while (deleting.queued >= BACKLOG_MAX)
		pthread_cond_wait(&deleting.shorter, &deleting.lock);
	*deleting.end = d;
	deleting.end = &d->next;
	if (++deleting.queued == BACKLOG_MAX)
		pthread_cond_signal(&deleting.turn);
	start = !deleting.running;
	deleting.running = true;
	pthread_mutex_unlock(&deleting.lock);
	if (start && thread_start("delete", delete_thread, NULL, DELETE_STACK_KB))
		delete_all(false); /* we are waited for ourselves */
}

/* It is an op, and does not run. */
static int remove_op(struct engine *en, struct container *c, bool volumes, struct err *e)
{
	cleanup_free char *from = xasprintf("containers/%s", c->id);
	cleanup_free char *to = xasprintf("tmp/container-%s", c->id);

	if (renameat(en->datafd, from, en->datafd, to) && errno != ENOENT)
		return err_set(e, errno, "cannot remove container \"%s\": moving its directory away", c->id);
	execs_remove(en, c);
	container_event(en, c, "destroy", NULL);
	container_take_out(en, c);
	pending_free(pending_take(en, c));
	mounts_drop(en, c->id, c->mounts, volumes);
	return 0;
}

static int kill_first(struct engine *en, struct container *c, struct err *e)
{
	struct err why;

	if (!container_is_running(c))
		return 0;
	if (container_kill(en, c->id, "SIGKILL", &why) && why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
		return err_set(e, 0, "cannot remove container \"%s\": could not kill container: %s", c->id, why.msg);
	return 0;
}

/* Only one removes. */
static int claim(struct container *c, const char *ref, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->removed || c->status == ST_REMOVING) {
		rc = err_kind(e, ERR_CONFLICT, "removal of container %s is already in progress", ref);
	} else if (c->status == ST_RUNNING || c->status == ST_RESTARTING) {
		rc = err_kind(e, ERR_CONFLICT,
			"cannot remove container \"%s\": container is %s: stop the container before removing or "
			"force remove",
			ref, container_status(c));
	} else {
		c->status_before = c->status;
		c->status = ST_REMOVING;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int remove_container(struct engine *en, struct container *c, const char *ref, bool volumes,
	struct err *e)
{
	int rc;

	container_begin(c);
	rc = claim(c, ref, e);
	if (rc) {
		container_end(c);
		return rc;
	}
	count_deleting(1);
	rc = remove_op(en, c, volumes, e);
	pthread_mutex_lock(&c->lock);
	c->removed = !rc;
	if (rc)
		c->status = c->status_before;
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
	container_end(c);
	if (rc)
		count_deleting(-1);
	else
		delete_later(en, c);
	return rc;
}

static int force_out(struct engine *en, struct container *c, const char *ref, bool volumes, struct err *e)
{
	int rc = 0, attempt;

	/* A restart policy may win the race once; a stopped_by_user cannot lose it twice. */
	for (attempt = 0; attempt < 3; attempt++) {
		if (kill_first(en, c, e))
			return -1;
		rc = remove_container(en, c, ref, volumes, e);
		if (!rc || !container_is_running(c))
			return rc;
	}
	return rc;
}

static void mark_forced_out(struct container *c, int by)
{
	pthread_mutex_lock(&c->lock);
	c->forced_out += by;
	pthread_mutex_unlock(&c->lock);
}

/* Has it ended, and is still there after all? */
static bool is_left(struct container *c)
{
	bool left;

	pthread_mutex_lock(&c->lock);
	left = c->status == ST_EXITED && !c->removed;
	pthread_mutex_unlock(&c->lock);
	return left;
}

int container_remove(struct engine *en, struct container *c, const char *ref, bool force,
	bool volumes, struct err *e)
{
	int rc;

	count_waiting(1);
	if (force) {
		mark_forced_out(c, 1);
		rc = force_out(en, c, ref, volumes, e);
		mark_forced_out(c, -1);
		if (rc && is_left(c))
			container_save_state(en, c);
	} else {
		rc = remove_container(en, c, ref, volumes, e);
	}
	count_waiting(-1);
	return rc;
}

static void auto_remove(void *arg)
{
	struct resume *r = arg;
	struct err e;

	if (remove_container(r->en, r->c, r->c->id, true, &e) && e.kind != ERR_CONFLICT)
		log_err(&e, "removing container %.12s, as --rm asked", r->c->id);
	container_put(r->c);
	free(r);
}

void container_auto_remove(struct engine *en, struct container *c)
{
	struct resume *r = xmalloc(sizeof(*r));
	int rc;

	*r = (struct resume){en, container_ref(c)};
	rc = thread_start("remove", auto_remove, r, ENGINE_STACK_KB);
	if (rc) {
		log_error("removing container %.12s: no thread: %s", c->id, strerror(rc));
		auto_remove(r);
	}
}

/* --- prune ------------------------------------------------------------------------------------ */

static int prune_times(const json_t *filters, int64_t *until, struct err *e)
{
	const json_t *values = json_object_get(filters, "until");

	*until = 0;
	if (!json_array_size(values))
		return 0;
	if (json_array_size(values) > 1)
		return err_kind(e, ERR_INVALID, "more than one until filter specified");
	return filter_time(json_string_value(json_array_get(values, 0)), until, e);
}

static bool prunable(struct container *c, const json_t *filters, int64_t until)
{
	const json_t *unwanted = json_object_get(filters, "label!"), *labels = json_obj(c->config, "Labels");

	return !container_is_running(c) && (!until || c->created < until) &&
		filter_labels(json_object_get(filters, "label"), labels) &&
		!(json_array_size(unwanted) && filter_labels(unwanted, labels));
}

json_t *containers_prune(struct engine *en, const json_t *filters, struct err *e)
{
	static const char *const known[] = {"label", "label!", "until", NULL};
	int64_t until, reclaimed = 0, bytes, inodes;
	struct container **all;
	json_t *deleted;
	char text[24];
	size_t i;

	if (filter_check(filters, known, e) || prune_times(filters, &until, e))
		return NULL;
	all = containers_all(en);
	deleted = json_array();
	for (i = 0; all[i]; i++) {
		if (!prunable(all[i], filters, until))
			continue;
		bytes = 0;
		rootfs_usage(&en->store, all[i]->id, &bytes, &inodes, NULL);
		if (remove_container(en, all[i], all[i]->id, false, NULL))
			continue; /* taken up again, or removed by somebody else */
		json_append_str(deleted, all[i]->id);
		reclaimed += bytes;
	}
	containers_free(all);
	snprintf(text, sizeof(text), "%lld", (long long)reclaimed);
	events_emit(en, "container", "prune", "", json_pack("{s:s}", "reclaimed", text));
	if (!json_array_size(deleted)) {
		json_decref(deleted);
		deleted = json_null();
	}
	return json_pack("{s:o, s:I}", "ContainersDeleted", deleted, "SpaceReclaimed", reclaimed);
}
