/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/runtime.h - a container's spec -> a running process, and the monitor beside it
 *
 * The engine describes a process in the words of the OCI runtime-spec and starts a monitor (role
 * ":monitor") for it: one for a container's init, one for each exec.  The monitor is the parent of
 * that process, owns its stdio, writes the log file, serves attached clients, and leaves the exit
 * record.  It outlives the engine; the next engine finds it at its socket.
 *
 * A monitor's directory holds
 *	monitor.sock	SOCK_SEQPACKET, messages below
 *	monitor.json	{"pid", "start_time", "init_pid", "init_start_time", "started_at",
 *			"cgroup"?}: written when it runs
 *	exit.json	{"exit_code", "finished_at", "oom_killed", "error"}: written, then EXITED is sent
 *	paused		there while the container's processes are stopped (freeze.c)
 * In production that is <exec-root>/<container id>/ for init and <exec-root>/<id>/exec-<exec id>/.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The request, an object:
 *  "id":      64 hex, the container's
 *  "tty":     bool		allocate a pty
 *  "stdin":   bool		keep stdin open (OpenStdin)
 *  "stdin_once": bool		close stdin when the first attached client goes
 *  "console_size": [rows, cols] or absent
 *  "log":     null, or {"file": what logfile_open() takes, "socket": what logsocket_open() takes}, or one
 *  "spec":    OCI config.json object (init), with "root": {"path": "<mountpoint>", "readonly": bool}
 *  "rootfs":  what rootfs_describe() gave (init)
 *  "seccomp": path of a compiled BPF file, or null for none (seccomp_compile())
 *  "join":    {"pid":…, "start_time":…} (exec): process whose namespaces to enter
 *  "process": OCI process object (exec)
 *  "cgroup":  where its cgroup is to be, as cgroup_driver_describe() says; for an exec, {"path", "unit"?} of the
 *		one that there is; absent: it gets none, and the monitor holds what it can of "linux.resources"
 *  "affinity": list of the CPUs that it starts on ("0-3"), where no cpuset holds it; absent: all
 *  "init":    bool		run our docker-init as PID 1
 *  "user_text": "name:group" to look up in the container's own passwd and group files, in place of
 *		process.user; null or absent: process.user holds
 *  "group_add": [names or numbers] added to its groups
 *
 * Beyond OCI, linux.devices[] may have "x-source": the device's path outside, where it differs; and a
 * mount of type "image" has "x-rootfs", what layer_describe() gave, and perhaps "x-subpath".
 * An rlimit or other number of -1 means unlimited.
 */

struct monitor_info {
	pid_t pid;	     /* the process, as the engine's pid namespace sees it */
	uint64_t start_time; /* clock ticks since boot */
	int64_t started_at;  /* ns, real time */
};

struct monitor_exit {
	int exit_code;
	int64_t finished_at; /* ns, real time */
	bool oom_killed;
};

/* An attached client: the monitor writes output to @fd and reads stdin from it. */
struct monitor_attach {
	int fd; /* a stream socket to the client, borrowed: the monitor gets a copy */
	bool in, out, err;
	bool framed;		   /* 8-byte stream headers (not a tty) */
	const char *detach_keys;   /* bytes, e.g. "\x10\x11"; "" or NULL: the default */
	const char *detach_text;   /* sent to a client that detached by them, or NULL */
	const void *early;	   /* stdin bytes already read from the client */
	size_t early_len;
};

/**
 * monitor_start() - Start a monitor and its process
 * @dirfd:	The monitor's directory, exists, borrowed
 * @request:	As above, borrowed
 * @attach, @n:	Clients that wait for it already; they miss no byte
 * @info:	Filled in
 *
 * Blocks until the process has been exec'ed or that failed.
 *
 * Return: a control descriptor (owned), or -1 with @e and nothing left running.  The message is the
 * runtime's part as runc words it ("exec: \"nope\": executable file not found in $PATH"), ->code
 * the errno behind it: ENOENT or EACCES when the command itself cannot be executed (exit codes 127
 * and 126).  Kind ERR_INVALID: a bad request, or a user that is not there; Docker gives that
 * message alone, without the words it puts before the runtime's.
 *
 * As in Docker, a command that is found but that execve(2) then refuses counts as started: it
 * says "exec /path: exec format error" on its stderr and ends with 255.
 */
int monitor_start(int dirfd, const json_t *request, const struct monitor_attach *attach, size_t n,
	struct monitor_info *info, struct err *e);
/* Spawn a monitor ahead, if none is ready: the next monitor_start() is faster by the time a process
 * takes to come up.  For when a start is likely soon (a container was created).  It costs 60 KB
 * until then, and ends with us.  Any thread; blocks for a fork and exec. */
void monitor_prepare(void);
/* Reach a monitor of an earlier engine.  Control descriptor, or -1 (ESRCH: it is gone). */
int monitor_connect(int dirfd, struct monitor_info *info, struct err *e);

/* On a control descriptor; any thread, messages do not mix. */
int monitor_attach(int ctl, const struct monitor_attach *a, struct err *e);
int monitor_resize(int ctl, unsigned int rows, unsigned int cols, struct err *e);
int monitor_signal(int ctl, int signo, struct err *e); /* to the process; ERR_CONFLICT if it has ended */
int monitor_signal_all(int ctl, int signo, struct err *e); /* every process of the container */

/* Stop every process of the container, or let them go on.  Either may be so already. */
int monitor_freeze(int ctl, bool on, struct err *e);
/* Other limits from now on: "resources" in OCI's words.  What is not in there stays as it is. */
int monitor_limit(int ctl, const json_t *resources, struct err *e);
bool monitor_is_paused(int dirfd);
/* Let go on what a paused container's dead monitor left stopped. */
void freeze_undo(int dirfd);

/* The control descriptor becomes readable when the process ended (and all its output is in the log)
 * or the monitor died.  Then: 1 and @x from the monitor or its exit record; -1 with @e: the monitor
 * died without one (the caller kills what is left: container_kill_rest()). */
int monitor_read_exit(int ctl, int dirfd, struct monitor_exit *x, struct err *e);
/* A pidfd of the monitor itself, or -1 if it is gone.  After the end of its process it may still be
 * unmounting the root file system, which must not be mounted again before. */
int monitor_pidfd(int dirfd);
/* Path of its container's cgroup, to free(); NULL: it has none. */
char *monitor_cgroup(int dirfd);
/* Exit record of a monitor that is gone. 0, or -1 if there is none. */
int monitor_exit_record(int dirfd, struct monitor_exit *x);

int monitor_role_main(int argc, char **argv);

/* --- users --------------------------------------------------------------------------------- */
struct runtime_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* @gid first */
	size_t n_groups;
};

/**
 * runtime_user_lookup() - Resolve "user[:group]" by the files of a rootfs, as Docker does
 * @rootfd:	Its root (of a running container: /proc/PID/root), borrowed; no path leaves it
 * @text:	Names or numbers; "" is root
 * @group_add:	More groups, NULL-terminated, or NULL
 *
 * Return: 0, release @u; or -1 with @e ("unable to find user x: no matching entries in passwd file")
 */
int runtime_user_lookup(int rootfd, const char *text, char *const *group_add,
	struct runtime_user *u, struct err *e);
void runtime_user_release(struct runtime_user *u);

/* --- its files, from outside ----------------------------------------------------------------- */
/**
 * runtime_view_mount() - Mount a container's files as `docker cp` sees them
 * @view:	{"rootfs": what rootfs_describe() gave, "join": {"pid", "start_time"} if it runs,
 *		"mounts": [{"source", "subpath"?, "destination", "rw", "flat", "covers"}], shallow ones
 *		first; one that covers goes over a regular file or a link, or nowhere}
 * @target:	An absolute path of a directory to mount on
 *
 * For a single-threaded process of its own: it gets a mount namespace, which ends with it.  A mount
 * whose source is not there is left out.
 *
 * Return: an O_PATH descriptor of the mounted root, or -1 with @e
 */
int runtime_view_mount(const json_t *view, const char *target, struct err *e);

/* --- seccomp ------------------------------------------------------------------------------- */
/* Compile a profile (Docker's JSON format; NULL: the built-in default) for a capability set (array of
 * "CAP_…") to BPF, cached in @dirfd by what it depends on. Path of the file to malloc'ed *path.
 * ERR_NOT_SUPPORTED: an action that there is not, which Docker leaves to the runtime to refuse. */
int seccomp_compile(int cachefd, const char *cache_path, const json_t *profile, const json_t *caps,
	char **path, struct err *e);

/* --- what Docker gives a container by default, as OCI lists -------------------------------- */
json_t *runtime_default_caps(void);	      /* ["CAP_CHOWN", …] the 14 */
json_t *runtime_all_caps(void);	      /* all this kernel has and we hold */
json_t *runtime_masked_paths(void);
json_t *runtime_readonly_paths(void);
int rlimit_number(const char *name); /* RLIMIT_… of "RLIMIT_NOFILE", or -1 */
int signal_number(const char *name); /* "SIGTERM", "TERM", "15", "RTMIN+1" -> number, or -1 */

#endif
