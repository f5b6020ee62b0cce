/* SPDX-License-Identifier: MIT */
/*
 * core/engine/engine.h - containers, execs, events, volumes, networks: all state, and who may touch it
 *
 * One struct engine a process. Locks, in this order: en->lock (the tables), c->lock (one container).
 * Both are held for memory work only, never over I/O that can block on a peer. Functions answer with
 * new JSON references in the shape of API v1.51 or -1/NULL with a struct err whose kind the API maps
 * to a status; texts are Docker's.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/err.h"
#include "base/json.h"
#include "engine/config.h"
#include "image/image.h"
#include "limits/driver.h"
#include "storage/storage.h"

#include <pthread.h>
#include <stdatomic.h>

#define API_VERSION "1.51"
#define API_MIN_VERSION "1.24"
#define ENGINE_VERSION "28.5.2" /* what clients compare features with */

struct container;
struct exec;
struct events;
struct netd;
struct networks;
struct volume;
struct watcher;

/* How a network driver of the supervisor's connects the containers' network. */
struct network_way {
	char driver[32];       /* "": none does */
	char dns[46], child_ip[46]; /* its name server, and its address inside; "": none */
};

struct engine {
	struct config config;
	int datafd; /* data-root */
	int execfd; /* exec-root */
	struct store store;
	struct images *images;
	struct events *events;
	char id[64];		/* info's ID, from <data-root>/engine-id */
	int64_t started_at;	/* ns */
	atomic_bool stopping;	/* nothing is restarted any more */

	pthread_rwlock_t lock; /* guards the tables below */
	struct container **containers;
	size_t n_containers;
	struct exec **execs;
	size_t n_execs;

	struct watcher *watcher; /* watch.h: the thread that sees containers end */
	pthread_mutex_t volumes_lock; /* after en->lock; guards: */
	struct volume **volumes;
	size_t n_volumes;
	struct cgroup_driver cgroups; /* whose limits they are; after the start only read */
	struct networks *networks; /* network_table.h */
	struct netd *netd;	   /* NULL: there is none, and no_netd says why */
	struct err no_netd;
	struct network_way way;	      /* the network driver that is the way out; none: the relay, or nothing */
	struct err no_relay, no_driver; /* why the relay does not work here, and no other does; "" */
};

/* Open the state of @config (taken over), reconnect to living monitors, sort out what a crash left. */
int engine_open(struct engine *en, struct config *config, struct err *e);
/* Clean stop: containers get their stop signal and time, unless live-restore. */
void engine_stop(struct engine *en);

/* --- images: their users (see struct images_use) --- */
size_t engine_image_use(void *engine, const char *image_id, char first[13], bool *running);

/* --- system (system.c) --- */
json_t *engine_info(struct engine *en);
json_t *engine_version(struct engine *en);
struct disk_usage_wanted {
	bool images, containers, volumes, build_cache;
};
json_t *engine_disk_usage(struct engine *en, const struct disk_usage_wanted *want, struct err *e);
/* What system.c asks of containers (container.c) and volumes (volume.c): totals by state, and the
 * entries of /system/df ("SizeRw", "UsageData" filled in). */
struct container_counts {
	int running, paused, stopped;
};
void containers_count(struct engine *en, struct container_counts *n);
json_t *containers_disk_usage(struct engine *en, struct err *e);
json_t *volumes_disk_usage(struct engine *en, struct err *e);

/* --- events (events.c) --- */
/* @dirfd: the data-root, where they are kept (borrowed for good); -1: in memory only. */
struct events *events_open(int dirfd);
/* Publish; @attributes is stolen and may be NULL. Type "container", action "start", actor id. */
void events_emit(struct engine *en, const char *type, const char *action, const char *id,
	json_t *attributes_steal);
/* A subscriber gets what matches from @since_ns on (0: only new ones), then what comes. */
struct events_sub;
struct events_sub *events_subscribe(struct engine *en, int64_t since_ns, const json_t *filters);
/* Next event (new reference); waits until @deadline_mono_ns (-1: for ever) or @gone_fd is readable or
 * hung up: then NULL. */
json_t *events_next(struct events_sub *s, int64_t deadline_mono_ns, int gone_fd);
void events_unsubscribe(struct events_sub *s);
int events_listeners(struct engine *en); /* how many subscribers there are */

#endif
