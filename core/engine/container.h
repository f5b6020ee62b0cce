/* SPDX-License-Identifier: MIT */
/*
 * core/engine/container.h - one container: what it is, what it does, and what can be done to it
 *
 * On disk, in containers/<id>/ below the data-root:
 *	config.json	what it was created as; written at create, rename and update
 *	state.json	what became of it; written at each change
 *	hosts, hostname, resolv.conf	bind-mounted into it
 *	<id>-json.log	what it printed
 * While it runs, <exec-root>/<id>/ is its monitor's directory (runtime.h), with exec-<id>/ below it
 * for each exec.  That directory, not state.json, tells the next engine that it was started.
 *
 * References: container_get() and the lists give counted ones; container_put() drops them.  One
 * that was removed stays valid, and says so (->removed), until the last reference is gone.
 *
 * Two things guard a container.  Its lock, held for memory work only, guards all fields marked so.
 * Its op serialises what changes it as a whole (start, remove, rename): container_begin() waits for
 * another one's end, and holds no lock.  Whoever waits for a change has a struct waiter, whose
 * eventfd it polls beside its client's descriptor, or uses the condition for timed waits that no
 * client's departure ends.
 */
#ifndef ENGINE_CONTAINER_H
#define ENGINE_CONTAINER_H

#include "base/clock.h"
#include "engine/engine.h"
#include "runtime/runtime.h"

#include <stdatomic.h>

enum status { ST_CREATED, ST_RUNNING, ST_RESTARTING, ST_EXITED, ST_REMOVING };

struct endpoint; /* network_table.h */

/* A client that attached before the start, or waits for the next one. */
struct pending {
	struct pending *next;
	uint64_t watch; /* the watcher looks whether it hangs up */
	int fd;
	bool in, out, err, framed;
	char *detach_keys, *early;
	size_t early_len;
};

struct waiter {
	struct waiter *next;
	int efd;
};

struct container {
	atomic_int refs;

	/* Set at creation, then only read. */
	char id[ID_LEN + 1];
	char image_id[DIGEST_MAX], layer[DIGEST_MAX]; /* "" without an image */
	int64_t created;			      /* ns */
	int64_t asked_for; /* CLOCK_BOOTTIME ns of the request to make it; 0: an earlier engine's */
	json_t *config;	  /* sparse Config (schema.h), merged with the image's */
	json_t *mounts;	  /* array of mount points (mounts.h) */

	char *name; /* without the slash; guarded by en->lock */
	bool hidden; /* being made: its name is taken, nothing else can be seen; en->lock */

	pthread_mutex_t sandbox; /* held while its endpoints change, kernel and netd included; before lock */
	pthread_mutex_t lock; /* guards what follows; after en->lock */
	pthread_cond_t changed; /* CLOCK_MONOTONIC */
	struct waiter *waiters;
	struct pending *pending;
	int attaching; /* clients being told that they are attached: a start waits for them */
	int viewers;   /* processes that have its files mounted (archive.h): a start waits for them too */
	json_t *host; /* sparse HostConfig; replaced, never changed in place */
	json_t *identity; /* Hostname and Domainname of the one whose network it shares, since a start; likewise */
	bool busy;    /* an op is going on */
	bool ending;  /* it has ended, and that is not told yet: neither an op begins nor a wait ends before */
	bool removed;

	enum status status, status_before; /* before: of a removal that fails */
	pid_t pid;
	uint64_t start_time;
	int ctl;	      /* control descriptor of the monitor, -1: not running */
	uint64_t watch;	      /* the watcher's entry for ctl */
	int leaving;	      /* pidfd of its last monitor, which may still unmount its files; -1 */
	int exit_code;
	bool oom_killed;
	bool paused;	      /* its processes are stopped; only while running */
	char *error;	      /* State.Error, NULL: none */
	int64_t started_at, finished_at; /* ns, 0: never */
	uint64_t exits;	      /* counts ends, for those who wait (container_count_end()) */
	int last_exit_code;   /* of the end that was counted last; exit_code is that of the run that is shown */
	int stopping;	      /* stops in progress: the exit event is preceded by "stop" */
	bool stopped_by_user; /* no restart by policy */
	int restarting_by_user; /* between the halves of a restart: no --rm */
	int forced_out;	      /* removals that killed it and take it away next: its end leaves no traces to do so */
	int restart_count;
	int64_t backoff_ns, restart_at; /* monotonic, 0: none due */
	char sandbox_id[ID_LEN + 1];
	json_t *networks; /* name -> sparse endpoint settings; replaced in an op, never changed in place */
	struct endpoint *endpoints; /* of a running one; changed with the sandbox's lock as well */
	json_t *ports;		    /* published, of a running one (ports.h); likewise */
	json_t *health;	   /* State.Health as the API has it; NULL: none */
	int64_t health_at; /* monotonic, 0: no probe is due */
	int log_watch; /* inotify watch of its directory while logs are followed, -1 */
	int followers;
};

#define ENGINE_STACK_KB 256 /* JSON, paths and a struct err or two */

/* A container and its engine, for a thread of their own. */
struct resume {
	struct engine *en;
	struct container *c;
};

/* --- the table (container.c) ---------------------------------------------------------------- */

/* By id, name or unambiguous prefix of an id. */
struct container *container_get(struct engine *en, const char *ref, struct err *e);
struct container *container_ref(struct container *c);
void container_put(struct container *c);
/* All visible ones, newest first, NULL-terminated; containers_free() it. */
struct container **containers_all(struct engine *en);
void containers_free(struct container **all);
/* A copy of its name (names change); to free(). */
char *container_name(struct engine *en, struct container *c);

struct container *container_new(void);
/* Enter it under @name, or a made-up one if NULL, hidden.  ERR_CONFLICT if the name is taken. */
int container_insert(struct engine *en, struct container *c, const char *name, struct err *e);
void container_show(struct engine *en, struct container *c);
void container_take_out(struct engine *en, struct container *c);
int container_rename(struct engine *en, struct container *c, const char *name, struct err *e);

/* Until nobody has its files mounted (archive.c); nobody begins to while an op is going on. */
void views_wait(struct container *c);
/* Until what it ran in is unmounted, if it does not run. */
void container_settle(struct container *c);

void container_begin(struct container *c);
void container_end(struct container *c);
/* It has ended once more, with exit_code. The lock is held (or nobody else knows @c yet). */
static inline void container_count_end(struct container *c)
{
	c->exits++;
	c->last_exit_code = c->exit_code;
}

/* Wake everybody who waits for a change. The lock is held. */
void container_notify(struct container *c);
void waiter_add(struct container *c, struct waiter *w);
void waiter_remove(struct container *c, struct waiter *w);
/* Sleep until a change or until @fd (-1: none) hangs up: 1 changed, 0 hung up, -1 @deadline (mono ns,
 * -1: none) is over.  No lock is held. */
int waiter_sleep(struct waiter *w, int fd, int64_t deadline);

/* What was asked for, on the sparse objects; the host config is a new reference. */
json_t *container_host(struct container *c);
/* Another HostConfig, on disk too. An op is in progress (container_begin()). */
int container_set_host(struct engine *en, struct container *c, json_t *host_steal, struct err *e);
/* The object that has its Hostname and Domainname: Config, or of whom it shares the network; a new reference. */
json_t *container_identity(struct container *c);
bool container_tty(const struct container *c);
bool container_is_running(struct container *c); /* takes the lock; restarting counts */
/* Path and arguments: Entrypoint and Cmd together.  New reference, an array. */
json_t *container_args(const struct container *c);
char *container_path(struct engine *en, const struct container *c, const char *file); /* to free() */
/* Publish a container event: labels, image and name are added to @attributes (stolen, may be NULL). */
void container_event(struct engine *en, struct container *c, const char *action, json_t *attributes);

/* --- state on disk (state.c) ---------------------------------------------------------------- */

int container_save_config(struct engine *en, struct container *c, int flags, struct err *e);
/* What it was made of, as config.json has it; en->lock or an op keeps the name. */
json_t *container_to_json(const struct engine *en, const struct container *c);
/* Losing it costs the engine nothing it could not find out again, so errors are only logged. */
void container_save_state(struct engine *en, struct container *c);
/* Load all, reconnect to living monitors, take note of those that ended, drop what is half-made. */
int containers_load(struct engine *en, struct err *e);
/* After everything else is up: restart policies and interrupted auto-removes. */
void containers_resume(struct engine *en);
/* Wait until each of these has been started or has failed to, but no longer than @seconds. */
void containers_await_resumed(int seconds);
/* Unmount what a start mounted in <exec-root>/<id>/mounts; remove all of <exec-root>/<id>. */
void runtime_dir_unmount(struct engine *en, const char *id);
void runtime_dir_remove(struct engine *en, const char *id);
/* Kill what a dead monitor may have left, and wait for its end. @dirfd: the monitor's directory. */
void container_kill_rest(int dirfd);

/* --- life (create.c, start.c, stop.c, remove.c, attach.c, wait.c) ---------------------------- */

/* Body of POST /containers/create; the answer's object. */
json_t *container_create(struct engine *en, const char *name, const char *platform,
	const json_t *body, int api_minor, struct err *e);
/* Complete a sparse Config by another one, an image's or the one to commit: what is set stays. */
void container_config_merge(json_t *config, const json_t *image);
int container_start(struct engine *en, struct container *c, struct err *e);
/* Something was created that a client will likely start next: have a monitor ready by then.  Returns
 * at once. */
void expect_start(void);
/* Its volumes are needed, by a start or by a copy; with events.  All of them, or -1. */
int container_mount_volumes(struct engine *en, struct container *c, struct err *e);
/* Undo it for the first @n mount points. */
void container_unmount_volumes(struct engine *en, struct container *c, size_t n);
/* Why a process could not be started, from the runtime's error: exit code 126, 127 or 128, and
 * @e->kind.  Returns -1. */
int runtime_failed(struct err *e, int *exit_code);
/* Is it about a user or group that is not there? Docker says that without a runtime's words. */
bool runtime_is_lookup(const struct err *e);
/* The monitor's descriptor became readable: the process has ended. For the watcher. */
void container_exited(struct engine *en, struct container *c);
/* A restart is due. For the watcher; starts a thread. */
void container_restart_due(struct engine *en, struct container *c);

struct stop_options {
	const char *signal;   /* NULL: the container's */
	bool has_timeout;
	int64_t timeout_s;    /* negative: for ever */
};
int container_stop(struct engine *en, struct container *c, const char *ref,
	const struct stop_options *o, struct err *e);
int container_restart(struct engine *en, struct container *c, const char *ref,
	const struct stop_options *o, struct err *e);
int container_kill(struct engine *en, const char *ref, const char *signal, struct err *e);
int container_resize(struct engine *en, struct container *c, unsigned int h, unsigned int w,
	struct err *e);
/* A copy of its control descriptor, or -1 with "container … is not running". */
int container_ctl(struct container *c, struct err *e);

int container_pause(struct engine *en, struct container *c, struct err *e);
int container_unpause(struct engine *en, struct container *c, struct err *e);
/* It was sent @signo: one that is to end it makes a paused one go on. */
void container_signalled(struct engine *en, struct container *c, int signo, int stop_signal);
/* ERR_CONFLICT if it is paused and so not fit for "exec" or "attach". */
int container_check_paused(struct container *c, const char *what, struct err *e);

int container_remove(struct engine *en, struct container *c, const char *ref, bool force,
	bool volumes, struct err *e);
/* Remove it in a thread of its own: --rm. */
void container_auto_remove(struct engine *en, struct container *c);
/* POST /containers/x/update: the answer's object. */
json_t *container_update(struct engine *en, const char *ref, const json_t *body, struct err *e);
/* Until no removal is deleting any more, or @until (CLOCK_REALTIME). */
void removals_wait(const struct timespec *until);
json_t *containers_prune(struct engine *en, const json_t *filters, struct err *e);

enum wait_for { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED };
/* Answer for wait, as of the call to wait_begin(): nothing is missed in between. */
struct wait_state {
	struct waiter w;
	uint64_t exits;
};
void wait_begin(struct container *c, struct wait_state *s);
/* The object to answer, or NULL: the client left. */
json_t *wait_end(struct container *c, struct wait_state *s, enum wait_for what, int client_fd);

struct attach_options {
	bool in, out, err, framed;
	const char *detach_keys; /* as bytes; NULL: the default */
	const void *early;
	size_t early_len;
};
/* "ctrl-p,ctrl-q" as bytes; -1: malformed. @out to free(). */
int detach_keys_parse(const char *text, char **out);
/* ERR_CONFLICT if it is paused or restarting. */
int container_check_attach(struct container *c, struct err *e);
/* A client learns that it is attached before its socket is in our list, and may start the container
 * at once: a start waits from attach_begin() to attach_end(), so that no output is missed. */
void attach_begin(struct container *c);
void attach_end(struct container *c);
/* Hand a client's socket (taken over in any case) to the monitor now, or at the next start. */
int container_attach(struct engine *en, struct container *c, int fd, const struct attach_options *o,
	struct err *e);
/* Take all that wait out of the list and the watcher; pending_free() closes and frees a list. */
struct pending *pending_take(struct engine *en, struct container *c); /* waits for attach_end() */
void pending_free(struct pending *p);
void pending_gone(struct engine *en, struct container *c, uint64_t watch); /* for the watcher */

/* --- what the API shows (inspect.c, list.c, top.c) ------------------------------------------- */

json_t *container_inspect(struct engine *en, struct container *c, bool size, struct err *e);
/* Bytes it has written, and of all its files. */
void container_sizes(struct engine *en, const struct container *c, int64_t *rw, int64_t *rootfs);
struct list_options {
	bool all, size;
	int64_t limit;
	const json_t *filters;
};
/* Those that match, the newest first, to @out as the text of an array and a newline.  @put (or NULL) is called behind
 * each and may send what is in @out and empty it; -1 from there ends the list, which is no error.  -1 with @e before
 * the first if there is something wrong with @o. */
int containers_list(struct engine *en, const struct list_options *o, struct buf *out, int (*put)(void *arg), void *arg,
	struct err *e);
json_t *container_top(struct engine *en, struct container *c, const char *ps_args, struct err *e);
/* "running", "paused", … c->lock is held. */
const char *container_status(const struct container *c);
/* Where its lines go; NULL: nowhere. To free(). */
char *container_log_path(struct engine *en, struct container *c, const json_t *host);

#endif
