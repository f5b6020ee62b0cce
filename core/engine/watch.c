/* SPDX-License-Identifier: MIT */
/*
 * core/engine/watch.c - one epoll over everything that ends by itself
 *
 * Theory of operation
 *   An epoll event carries a number, not a pointer: entries come and go in other threads, and a
 *   number that is no longer in the table is simply nobody's.  Numbers only grow, so the table
 *   stays sorted by appending.  w->lock comes after c->lock and is held for table work only.
 *
 *   All follow one inotify instance (a user may have but 128), with one watch for each directory
 *   that is being followed.
 */
#include "engine/watch.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/exec.h"
#include "engine/health.h"
#include "engine/host_dns.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define STACK_KB 128
#define ID_WAKE 1
#define ID_INOTIFY 2
#define ID_FIRST 3

struct entry {
	uint64_t id;
	enum watch_kind kind;
	struct container *c;
	struct exec *x;
};

struct watcher {
	struct engine *en;
	int epfd, wake, inotify;
	pthread_mutex_t lock;
	struct entry *entries;
	size_t n, cap;
	uint64_t next_id;
	int64_t timer; /* monotonic ns of the next restart or probe, 0: none */
};

static void add_fd(struct watcher *w, int fd, uint32_t events, uint64_t id)
{
	struct epoll_event ev = {.events = events, .data.u64 = id};

	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev))
		log_error("watching descriptor %d: %s", fd, strerror(errno));
}

/* w->lock is held. */
static struct entry *find(struct watcher *w, uint64_t id)
{
	size_t lo = 0, hi = w->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (w->entries[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n && w->entries[lo].id == id ? &w->entries[lo] : NULL;
}

uint64_t watch_add(struct engine *en, int fd, enum watch_kind kind, struct container *c, struct exec *x)
{
	struct watcher *w = en->watcher;
	uint64_t id;

	pthread_mutex_lock(&w->lock);
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->entries = xreallocarray(w->entries, w->cap, sizeof(*w->entries));
	}
	id = w->next_id++;
	w->entries[w->n++] = (struct entry){id, kind, container_ref(c), x ? exec_ref(x) : NULL};
	pthread_mutex_unlock(&w->lock);
	/* A client that closes only its sending side has not left: hang-ups come unasked. */
	add_fd(w, fd, kind == WATCH_PENDING ? 0 : EPOLLIN, id);
	return id;
}

void watch_remove(struct engine *en, uint64_t id, int fd)
{
	struct watcher *w = en->watcher;
	struct entry *at, gone = {0};

	epoll_ctl(w->epfd, EPOLL_CTL_DEL, fd, NULL);
	pthread_mutex_lock(&w->lock);
	at = find(w, id);
	if (at) {
		gone = *at;
		memmove(at, at + 1, (size_t)(w->entries + --w->n - at) * sizeof(*at));
	}
	pthread_mutex_unlock(&w->lock);
	exec_put(gone.x);
	container_put(gone.c);
}

static void kick(struct watcher *w)
{
	uint64_t one = 1;

	if (write(w->wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

void watch_timer(struct engine *en, int64_t at)
{
	struct watcher *w = en->watcher;

	pthread_mutex_lock(&w->lock);
	if (!w->timer || at < w->timer)
		w->timer = at;
	pthread_mutex_unlock(&w->lock);
	kick(w);
}

/* --- logs ----------------------------------------------------------------------------------- */

void watch_log(struct engine *en, struct container *c)
{
	cleanup_free char *dir = xasprintf("%s/containers/%s", en->config.data_root, c->id);

	pthread_mutex_lock(&c->lock);
	if (!c->followers++)
		c->log_watch = inotify_add_watch(en->watcher->inotify, dir,
			IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	pthread_mutex_unlock(&c->lock);
}

void unwatch_log(struct engine *en, struct container *c)
{
	pthread_mutex_lock(&c->lock);
	if (!--c->followers && c->log_watch >= 0) {
		inotify_rm_watch(en->watcher->inotify, c->log_watch);
		c->log_watch = -1;
	}
	pthread_mutex_unlock(&c->lock);
}

static void log_grew(struct engine *en, int wd)
{
	size_t i;

	pthread_rwlock_rdlock(&en->lock);
	for (i = 0; i < en->n_containers; i++) {
		struct container *c = en->containers[i];

		pthread_mutex_lock(&c->lock);
		if (c->followers && c->log_watch == wd)
			container_notify(c);
		pthread_mutex_unlock(&c->lock);
	}
	pthread_rwlock_unlock(&en->lock);
}

int watch_path(struct engine *en, const char *path, uint32_t events)
{
	return en->watcher->inotify < 0 ? -1 : inotify_add_watch(en->watcher->inotify, path, events);
}

void unwatch_path(struct engine *en, int wd)
{
	inotify_rm_watch(en->watcher->inotify, wd);
}

static void read_inotify(struct watcher *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *ev;
	ssize_t n, at;
	int last = -1;

	while ((n = read(w->inotify, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const struct inotify_event *)(const void *)(buf + at);
			if (ev->wd != last)
				log_grew(w->en, ev->wd);
			host_dns_event(w->en, ev->wd, ev->len ? ev->name : "");
			last = ev->wd;
		}
	}
}

/* --- the loop ------------------------------------------------------------------------------- */

static void dispatch(struct watcher *w, uint64_t id)
{
	struct entry *at, e = {0};
	uint64_t drop;

	if (id == ID_WAKE && read(w->wake, &drop, sizeof(drop)) < 0)
		return;
	if (id == ID_INOTIFY)
		read_inotify(w);
	pthread_mutex_lock(&w->lock);
	at = id >= ID_FIRST ? find(w, id) : NULL;
	if (at) {
		e = *at;
		container_ref(e.c);
		if (e.x)
			exec_ref(e.x);
	}
	pthread_mutex_unlock(&w->lock);
	if (!e.c)
		return;
	if (e.kind == WATCH_CONTAINER)
		container_exited(w->en, e.c);
	else if (e.kind == WATCH_EXEC)
		exec_exited(w->en, e.x);
	else
		pending_gone(w->en, e.c, id);
	exec_put(e.x);
	container_put(e.c);
}

/* Is a time of a container's, guarded by its lock, over?  Else *next is no later. */
static bool is_due(struct container *c, int64_t *at, int64_t now, int64_t *next)
{
	bool due;

	pthread_mutex_lock(&c->lock);
	due = *at && *at <= now;
	if (due)
		*at = 0;
	else if (*at && (!*next || *at < *next))
		*next = *at;
	pthread_mutex_unlock(&c->lock);
	return due;
}

/* Start what is due; the next time something is, in w->timer. */
static void run_timers(struct watcher *w, int64_t now)
{
	struct container **all = containers_all(w->en);
	int64_t next = 0;
	size_t i;

	for (i = 0; all[i]; i++) {
		if (is_due(all[i], &all[i]->restart_at, now, &next))
			container_restart_due(w->en, all[i]);
		if (is_due(all[i], &all[i]->health_at, now, &next))
			health_due(w->en, all[i]);
	}
	containers_free(all);
	if (next)
		watch_timer(w->en, next);
}

static int timeout_ms(struct watcher *w, int64_t now)
{
	int64_t left;

	pthread_mutex_lock(&w->lock);
	left = w->timer ? w->timer - now : -1;
	if (w->timer && left <= 0)
		w->timer = left = 0;
	pthread_mutex_unlock(&w->lock);
	if (!left) {
		run_timers(w, now);
		return timeout_ms(w, now);
	}
	return left < 0 ? -1 : (int)(left / NS_PER_MS) + 1;
}

static void loop(void *arg)
{
	struct watcher *w = arg;
	struct epoll_event ev[EVENTS_MAX];
	int n, i;

	for (;;) {
		n = epoll_wait(w->epfd, ev, EVENTS_MAX, timeout_ms(w, clock_mono_ns()));
		if (n < 0 && errno != EINTR)
			bug("epoll_wait: %s", strerror(errno));
		for (i = 0; i < n; i++)
			dispatch(w, ev[i].data.u64);
	}
}

int watch_start(struct engine *en, struct err *e)
{
	struct watcher *w = xcalloc(1, sizeof(*w));
	int rc;

	w->en = en;
	w->next_id = ID_FIRST;
	pthread_mutex_init(&w->lock, NULL);
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->epfd < 0 || w->wake < 0)
		return err_set(e, errno, "making the watcher");
	if (w->inotify < 0)
		log_warn("no inotify (%s): docker logs -f sees new lines when a container ends, and the host's "
			 "name servers are those of the start. Hint: raise "
			 "fs.inotify.max_user_instances",
			strerror(errno));
	else
		add_fd(w, w->inotify, EPOLLIN, ID_INOTIFY);
	add_fd(w, w->wake, EPOLLIN, ID_WAKE);
	en->watcher = w;
	host_dns_watch(en);
	rc = thread_start("watcher", loop, w, STACK_KB);
	return rc ? err_set(e, rc, "starting the watcher") : 0;
}
