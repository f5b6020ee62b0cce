/* SPDX-License-Identifier: MIT */
/*
 * core/engine/container.c - the table of containers, names, references, and who waits for what
 *
 * Theory of operation
 *   en->containers is in order of creation; lookups walk it, which at a few thousand entries
 *   costs microseconds.  An entry is in the table from the moment its name is claimed (hidden
 *   until it is whole) to the moment its directory is gone.
 */
#include "engine/network.h"
#include "engine/container.h"
#include "base/fs.h"
#include "engine/filter.h"
#include "engine/names.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- references ----------------------------------------------------------------------------- */

struct container *container_new(void)
{
	struct container *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t attr;

	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->sandbox, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
	c->ctl = -1;
	c->leaving = -1;
	c->log_watch = -1;
	return c;
}

static void container_free(struct container *c)
{
	pending_free(c->pending);
	fd_close(&c->ctl);
	fd_close(&c->leaving);
	json_decref(c->config);
	json_decref(c->mounts);
	json_decref(c->networks);
	json_decref(c->ports);
	json_decref(c->host);
	json_decref(c->identity);
	json_decref(c->health);
	free(c->name);
	free(c->error);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->sandbox);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct container *container_ref(struct container *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void container_put(struct container *c)
{
	if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		container_free(c);
}

/* --- the table ------------------------------------------------------------------------------ */

/* en->lock is held. */
static struct container *by_name(struct engine *en, const char *name)
{
	size_t i;

	for (i = 0; i < en->n_containers; i++)
		if (!strcmp(en->containers[i]->name, name))
			return en->containers[i];
	return NULL;
}

static struct container *lookup(struct engine *en, const char *ref, struct err *e)
{
	struct container *c, *hit = NULL;
	size_t i, len = strlen(ref);

	for (i = 0; i < en->n_containers; i++)
		if (!en->containers[i]->hidden && !strcmp(en->containers[i]->id, ref))
			return en->containers[i];
	c = by_name(en, *ref == '/' ? ref + 1 : ref);
	if (c && !c->hidden)
		return c;
	for (i = 0; i < en->n_containers; i++) {
		c = en->containers[i];
		if (c->hidden || strncmp(c->id, ref, len))
			continue;
		if (hit) {
			err_kind(e, ERR_INVALID, "Multiple IDs found with provided prefix: %s", ref);
			return NULL;
		}
		hit = c;
	}
	if (!hit)
		err_kind(e, ERR_NOT_FOUND, "No such container: %s", ref);
	return hit;
}

struct container *container_get(struct engine *en, const char *ref, struct err *e)
{
	struct container *c;

	if (!*ref) {
		err_kind(e, ERR_INVALID, "invalid name or ID supplied: \"\"");
		return NULL;
	}
	pthread_rwlock_rdlock(&en->lock);
	c = lookup(en, ref, e);
	if (c)
		container_ref(c);
	pthread_rwlock_unlock(&en->lock);
	return c;
}

struct container **containers_all(struct engine *en)
{
	struct container **all;
	size_t i, n = 0;

	pthread_rwlock_rdlock(&en->lock);
	all = xcalloc(en->n_containers + 1, sizeof(*all));
	for (i = en->n_containers; i--;)
		if (!en->containers[i]->hidden)
			all[n++] = container_ref(en->containers[i]);
	pthread_rwlock_unlock(&en->lock);
	return all;
}

void containers_free(struct container **all)
{
	size_t i;

	for (i = 0; all && all[i]; i++)
		container_put(all[i]);
	free(all);
}

char *container_name(struct engine *en, struct container *c)
{
	char *name;

	pthread_rwlock_rdlock(&en->lock);
	name = xstrdup(c->name);
	pthread_rwlock_unlock(&en->lock);
	return name;
}

/* --- names ---------------------------------------------------------------------------------- */

/* en->lock is held. */
static int claim(struct engine *en, struct container *c, const char *name, struct err *e)
{
	struct container *other = by_name(en, name);

	if (other)
		return err_kind(e, ERR_CONFLICT,
			"Conflict. The container name \"/%s\" is already in use by container \"%s\". You have "
			"to remove (or rename) that container to be able to reuse that name.",
			name, other->id);
	free(c->name);
	c->name = xstrdup(name);
	return 0;
}

static void made_up(struct engine *en, struct container *c)
{
	char name[NAMES_MAX];
	int attempt;

	for (attempt = 0; attempt < 6; attempt++) {
		names_generate(name, sizeof(name), attempt);
		if (!claim(en, c, name, NULL))
			return;
	}
	snprintf(name, sizeof(name), "%.12s", c->id);
	claim(en, c, name, NULL);
}

int container_insert(struct engine *en, struct container *c, const char *name, struct err *e)
{
	int rc = 0;

	if (name && !name_ok(*name == '/' ? name + 1 : name))
		return err_kind(e, ERR_INVALID,
			"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	if (name && *name == '/')
		name++;
	pthread_rwlock_wrlock(&en->lock);
	if (name)
		rc = claim(en, c, name, e);
	else
		made_up(en, c);
	if (!rc) {
		en->containers = xreallocarray(en->containers, en->n_containers + 1, sizeof(*en->containers));
		en->containers[en->n_containers++] = container_ref(c);
		c->hidden = true;
	}
	pthread_rwlock_unlock(&en->lock);
	return rc;
}

void container_show(struct engine *en, struct container *c)
{
	pthread_rwlock_wrlock(&en->lock);
	c->hidden = false;
	pthread_rwlock_unlock(&en->lock);
}

void container_take_out(struct engine *en, struct container *c)
{
	size_t i;

	pthread_rwlock_wrlock(&en->lock);
	for (i = 0; i < en->n_containers && en->containers[i] != c; i++)
		;
	if (i < en->n_containers) {
		memmove(en->containers + i, en->containers + i + 1,
			(--en->n_containers - i) * sizeof(*en->containers));
		container_put(c); /* the caller has a reference of its own */
	}
	pthread_rwlock_unlock(&en->lock);
}

/* The name changes only once it is on disk, and back if it cannot be. */
static int rename_checked(struct engine *en, struct container *c, const char *name, struct err *e)
{
	cleanup_free char *old = container_name(en, c);
	int rc;

	if (!strcmp(old, name))
		return err_kind(e, ERR_INVALID, "Renaming a container with the same name as its current name");
	if (!name_ok(name)) {
		err_kind(e, ERR_INVALID,
			"Invalid container name (/%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
		return err_wrap(e, "Error when allocating new name");
	}
	pthread_rwlock_wrlock(&en->lock);
	rc = claim(en, c, name, e);
	pthread_rwlock_unlock(&en->lock);
	if (rc)
		return err_wrap(e, "Error when allocating new name");
	if (container_save_config(en, c, 0, e)) {
		pthread_rwlock_wrlock(&en->lock);
		claim(en, c, old, NULL);
		pthread_rwlock_unlock(&en->lock);
		return -1;
	}
	container_event(en, c, "rename", json_pack("{s:s+}", "oldName", "/", old));
	return 0;
}

int container_rename(struct engine *en, struct container *c, const char *name, struct err *e)
{
	int rc;

	if (!name || !*name || !strcmp(name, "/"))
		return err_kind(e, ERR_INVALID, "Neither old nor new names may be empty");
	container_begin(c);
	rc = c->removed ? err_kind(e, ERR_NOT_FOUND, "No such container: %s", c->id) :
			  rename_checked(en, c, *name == '/' ? name + 1 : name, e);
	if (!rc)
		sandbox_renamed(en, c);
	container_end(c);
	return rc;
}

/* --- ops and waiting ------------------------------------------------------------------------ */

void container_begin(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->busy || c->ending)
		pthread_cond_wait(&c->changed, &c->lock);
	c->busy = true;
	pthread_mutex_unlock(&c->lock);
}

void container_settle(struct container *c)
{
	struct pollfd p = {.fd = -1, .events = POLLIN};

	pthread_mutex_lock(&c->lock);
	if (c->leaving >= 0)
		p.fd = fcntl(c->leaving, F_DUPFD_CLOEXEC, 0);
	fd_close(&c->leaving);
	pthread_mutex_unlock(&c->lock);
	while (p.fd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	fd_close(&p.fd);
}

void container_end(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	c->busy = false;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void container_notify(struct container *c)
{
	uint64_t one = 1;
	struct waiter *w;

	pthread_cond_broadcast(&c->changed);
	for (w = c->waiters; w; w = w->next)
		if (write(w->efd, &one, sizeof(one)) < 0)
			continue; /* its counter is full: it is awake */
}

void waiter_add(struct container *c, struct waiter *w)
{
	w->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_lock(&c->lock);
	w->next = c->waiters;
	c->waiters = w;
	pthread_mutex_unlock(&c->lock);
}

void waiter_remove(struct container *c, struct waiter *w)
{
	struct waiter **at;

	pthread_mutex_lock(&c->lock);
	for (at = &c->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	pthread_mutex_unlock(&c->lock);
	fd_close(&w->efd);
}

int waiter_sleep(struct waiter *w, int fd, int64_t deadline)
{
	struct pollfd p[2] = {{w->efd, POLLIN, 0}, {fd, POLLRDHUP, 0}};
	int64_t left = -1;
	uint64_t drop;
	int n;

	for (;;) {
		if (deadline >= 0) {
			left = (deadline - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
			if (left <= 0)
				return -1;
		}
		n = poll(p, 2, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n < 0 && errno != EINTR)
			return 0;
		if (n <= 0)
			continue;
		if (p[1].revents)
			return 0;
		if (read(w->efd, &drop, sizeof(drop)) > 0)
			return 1;
	}
}

/* --- small readers -------------------------------------------------------------------------- */

json_t *container_host(struct container *c)
{
	json_t *host;

	pthread_mutex_lock(&c->lock);
	host = json_incref(c->host);
	pthread_mutex_unlock(&c->lock);
	return host;
}

json_t *container_identity(struct container *c)
{
	json_t *identity;

	pthread_mutex_lock(&c->lock);
	identity = json_incref(c->identity ? c->identity : c->config);
	pthread_mutex_unlock(&c->lock);
	return identity;
}

int container_set_host(struct engine *en, struct container *c, json_t *host_steal, struct err *e)
{
	pthread_mutex_lock(&c->lock);
	json_decref(c->host);
	c->host = host_steal;
	pthread_mutex_unlock(&c->lock);
	return container_save_config(en, c, 0, e);
}

bool container_tty(const struct container *c)
{
	return json_bool(c->config, "Tty", false);
}

bool container_is_running(struct container *c)
{
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = c->status == ST_RUNNING || c->status == ST_RESTARTING;
	pthread_mutex_unlock(&c->lock);
	return yes;
}

json_t *container_args(const struct container *c)
{
	json_t *args = json_array();

	json_array_extend(args, json_arr(c->config, "Entrypoint"));
	json_array_extend(args, json_arr(c->config, "Cmd"));
	return args;
}

char *container_path(struct engine *en, const struct container *c, const char *file)
{
	return xasprintf("%s/containers/%s/%s", en->config.data_root, c->id, file);
}

void container_event(struct engine *en, struct container *c, const char *action, json_t *attributes)
{
	json_t *all = json_obj(c->config, "Labels") ? json_copy(json_obj(c->config, "Labels")) : json_object();
	cleanup_free char *name = container_name(en, c);

	json_set_str(all, "image", json_str(c->config, "Image", ""));
	json_set_str(all, "name", name);
	json_object_update(all, attributes);
	json_decref(attributes);
	events_emit(en, "container", action, c->id, all);
}

int container_ctl(struct container *c, struct err *e)
{
	int fd = -1;

	pthread_mutex_lock(&c->lock);
	if (c->ctl >= 0)
		fd = fcntl(c->ctl, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&c->lock);
	if (fd < 0)
		err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
	return fd;
}

void containers_count(struct engine *en, struct container_counts *n)
{
	bool running, paused;
	size_t i;

	*n = (struct container_counts){0};
	pthread_rwlock_rdlock(&en->lock);
	for (i = 0; i < en->n_containers; i++) {
		struct container *c = en->containers[i];

		if (c->hidden)
			continue;
		pthread_mutex_lock(&c->lock);
		running = c->status == ST_RUNNING || c->status == ST_RESTARTING;
		paused = c->paused;
		pthread_mutex_unlock(&c->lock);
		if (paused)
			n->paused++;
		else if (running)
			n->running++;
		else
			n->stopped++;
	}
	pthread_rwlock_unlock(&en->lock);
}

size_t engine_image_use(void *engine, const char *image_id, char first[13], bool *running)
{
	struct engine *en = engine;
	size_t i, n = 0;

	*running = false;
	pthread_rwlock_rdlock(&en->lock);
	for (i = 0; i < en->n_containers; i++) {
		struct container *c = en->containers[i];
		bool up;

		if (strcmp(c->image_id, image_id))
			continue;
		up = container_is_running(c);
		if (!n++ || (up && !*running))
			snprintf(first, 13, "%.12s", c->id);
		*running |= up;
	}
	pthread_rwlock_unlock(&en->lock);
	return n;
}
