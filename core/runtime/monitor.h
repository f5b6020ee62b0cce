/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/monitor.h - private to the monitor: its state, and what its files offer each other
 *
 * One epoll loop, one thread.  A struct watch is embedded in whatever owns a descriptor; events
 * are taken one at a time, so a handler may free any object but must then return.
 */
#ifndef RUNTIME_MONITOR_H
#define RUNTIME_MONITOR_H

#include "base/err.h"
#include "base/str.h"
#include "limits/limits.h"
#include "runtime/logger.h"
#include "runtime/protocol.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define KEYS_MAX 64	    /* bytes of a detach sequence */
#define CLIENTS_MAX 256
#define CONNECTIONS_MAX 64
#define STDIN_CHUNK 16384

struct monitor;

struct watch {
	int fd; /* -1: nothing */
	uint32_t events; /* as epoll knows it */
	bool added;
	void (*ready)(struct monitor *m, struct watch *w, uint32_t events);
};

/* What the container writes: a pipe, or the terminal's master. */
struct source {
	struct watch watch; /* first */
	int stream;
	bool ended;
};

/* An attached client.  While `pending` holds something no source is read. */
struct client {
	struct watch watch; /* first */
	struct client *next;
	bool in, out, err, framed;
	bool leaving;	    /* goes when `pending` is empty */
	bool hung_up;	    /* nobody reads it any more; what it has typed still counts */
	struct buf pending; /* framed output that its socket did not take yet */
	struct buf typed;   /* its input that stdin did not take yet */
	char keys[KEYS_MAX];
	size_t n_keys, at_key; /* at_key of them have been typed */
	char *text;	    /* said when they are complete, or NULL */
};

struct connection {
	struct watch watch; /* first */
	struct connection *next;
};

/* A process of a paused container. */
struct frozen {
	pid_t pid;
	uint64_t start_time;
	bool by_us; /* not: it was stopped before */
};

/* The container's cgroup (confine.c). */
struct confine {
	int dir;     /* -1: it has none */
	char *path;  /* in the hierarchy */
	char *unit, *slice; /* of systemd, or NULL */
	unsigned int controllers; /* that hold limits in it */
	struct watch events; /* memory.events */
	uint64_t oom_kills;
};

struct monitor {
	int epoll, dir;
	struct connection *connections;
	struct client *clients;
	size_t n_connections, n_clients;
	struct watch listener;
	struct watch init; /* the process's pidfd */
	int mntns; /* of a container: keeps its file systems mounted, or -1 */
	pid_t pid;
	uint64_t start_time;
	int64_t started_at;
	struct source sources[STREAMS]; /* a terminal has only the first */
	struct watch in; /* stdin's pipe; with a terminal fd is -1, and the master serves */
	struct logger log;
	struct watch log_peer; /* its socket, as epoll has it */
	bool tty, keep_stdin, stdin_once;
	bool is_exec;
	bool children_elsewhere; /* our children get another pid namespace than we have */
	bool alone; /* all that could hold its output open died with it */
	bool running; /* the program was exec'ed */
	bool exited; /* reaped; its output may still come */
	bool over;   /* all told; what remains is clients that have not read all */
	struct monitor_exit exit;
	int64_t deadline; /* monotonic ns at which patience ends, or 0 */
	struct limits limits; /* from the start */
	struct confine confine;
	struct soft soft;      /* its limits, as far as no cgroup holds them */
	struct frozen *frozen; /* those of a paused container */
	size_t n_frozen;
	bool paused;
};

/* --- monitor.c --- */
/* Make epoll look for @events; EPOLLHUP: only for its end; 0: not at all (an end would be reported
 * again and again). */
void watch_set(struct monitor *m, struct watch *w, uint32_t events);
void watch_drop(struct monitor *m, struct watch *w); /* and close */
/* After the end: a client that still reads gets more time. */
void patience_renew(struct monitor *m);

/* --- clients.c --- */
/* Take on a client.  @fd is owned from here on, whatever happens.  0, or -1 with @e. */
int client_add(struct monitor *m, int fd, const struct msg_attach *a, const char *tail,
	struct err *e);
/* stdin took all that a client had typed, or was closed: what it types next. */
void client_update(struct monitor *m, struct client *c);
/* Hand a piece of output to all clients that want it. */
void clients_write(struct monitor *m, int stream, const char *p, size_t n);
bool clients_waiting(const struct monitor *m); /* some client has not taken all */
/* No more output will come: each one goes when it has got all. */
void clients_end(struct monitor *m);
void clients_drop_all(struct monitor *m);

/* --- sources.c --- */
/* Read on, or not: not while a client, or the host's log, has not taken all. */
void sources_watch(struct monitor *m);
void log_peer_ready(struct monitor *m, struct watch *w, uint32_t events);
void log_peer_changed(void *monitor);
bool sources_ended(const struct monitor *m);
/* Read what is there now, whatever the clients do, and close. */
void sources_finish(struct monitor *m);
int stdin_fd(const struct monitor *m); /* or -1: it takes nothing any more */
void stdin_close(struct monitor *m);
void source_ready(struct monitor *m, struct watch *w, uint32_t events);
void stdin_ready(struct monitor *m, struct watch *w, uint32_t events);
/* stdin can take more: what waits in a client goes on. */
void stdin_pump(struct monitor *m);

/* --- freeze.c --- */
/* Signal each process of the container. */
int signal_all(struct monitor *m, int signo, struct err *e);
/* Stop each process; nothing to do if they are. 0, or -1 with @e and all running. */
int freeze(struct monitor *m, struct err *e);
void thaw(struct monitor *m); /* may be called at any time */

/* --- hold.c --- */
/* Hold the container to what no controller of its cgroup holds of @limits; none lifts them. */
int hold(struct monitor *m, const struct limits *limits, struct err *e);
/* Do it, if it is time; monotonic ns of the next time, or INT64_MAX. */
int64_t hold_on(struct monitor *m);

/* --- confine.c --- */
struct start;
void confine_init(struct monitor *m, const json_t *settings);
/* Before the clone: make the cgroup, or find it, for the new process to be born into. */
int confine_prepare(struct monitor *m, struct start *st, struct err *e);
/* start_clone(), into the cgroup if that is allowed. */
pid_t confine_clone(struct monitor *m, struct start *st, struct err *e);
/* The process has been cloned, and waits if it was not born into the cgroup: move it there. */
int confine_enter(struct monitor *m, const struct start *st, struct err *e);
int confine_change(struct monitor *m, const struct limits *l, struct err *e);
/* Its processes have ended, or are to end now: was one killed for want of memory?  And remove it. */
bool confine_end(struct monitor *m);

/* --- requests.c --- */
void listener_ready(struct monitor *m, struct watch *w, uint32_t events);
int connection_add(struct monitor *m, int fd); /* owned; 0 or -1 (too many, closed) */
void connections_tell_exit(struct monitor *m); /* and close them */
/* Receive one message of a known type; the total length is checked, tails are the caller's. */
ssize_t msg_recv(int fd, union msg *msg, int *fds, size_t max_fds, size_t *nfds);
void msg_fail(int fd, const struct err *e);
int msg_started(int fd, const struct monitor *m);

#endif
