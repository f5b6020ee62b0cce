/* SPDX-License-Identifier: MIT */
/*
 * core/base/proc.h - processes in roles, threads, and talking between them
 *
 * Every process of ours is /proc/self/exe with a role argument (":engine", ":monitor",
 * ":worker"): fresh memory, a clean descriptor table.  A process is known by its pidfd while
 * we hold one, and across restarts by pid and start time together, as pids are reused.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/**
 * proc_spawn_role() - Start this binary again in a role
 * @argv:	Arguments from the role on: {":monitor", id, NULL}; argv[0] becomes "coracle"
 * @fds, @n:	Descriptors, borrowed, that become 3, 4, … in the child; all others but 0-2 are
 *		closed there.  At most 16
 * @pid, @pidfd: Set on success; the caller owns @pidfd and reaps with waitid(P_PIDFD).  One may be
 *		NULL; with both NULL the process is nobody's child here, and reaped by init (or by
 *		the nearest subreaper above us)
 *
 * Safe in threaded processes (vfork and exec).  The child starts with default signal handlers
 * and an empty signal mask.
 *
 * Return: 0, or -1 with @e set
 */
int proc_spawn_role(const char *const argv[], const int *fds, size_t n, pid_t *pid, int *pidfd,
	struct err *e);
/* The same with a SOCK_SEQPACKET pair between the two: the child's end is its 3, @fds are 4, …  Ours, for
 * the caller to close, or -1 with @e. */
int proc_spawn_talking(const char *const argv[], const int *fds, size_t n, pid_t *pid, int *pidfd,
	struct err *e);

/**
 * proc_clone() - fork(2) into new namespaces, with a pidfd
 * @flags:	CLONE_NEW..., CLONE_FILES, CLONE_PARENT; no CLONE_VM
 * @cgroup:	A directory of cgroup v2 that the child begins in, or -1
 *
 * clone3(2); and clone(2) where that is not to be had: old seccomp profiles of containers refuse it (EPERM), newer ones
 * say that there is none (ENOSYS).  The child enters the cgroup itself then, before this returns there.
 *
 * Return: as fork(2); *pidfd in the parent
 */
pid_t proc_clone(uint64_t flags, int cgroup, int *pidfd);

/* Have descriptors from @first on close with exec.  Calls nothing but the kernel: for after vfork, too. */
int proc_close_on_exec(int first);
/* Start time of a process in clock ticks since boot (proc(5), stat field 22); 0 if there is none. */
uint64_t proc_start_time(pid_t pid);
/* A pidfd of the process with that pid *and* start time, or -1 (ESRCH). */
int proc_open(pid_t pid, uint64_t start_time);
int proc_signal(int pidfd, int signo);
/* Reap a child. Returns its exit status as a shell counts it (128 + n for signal n), -1 and errno. */
int proc_reap(int pidfd);

/* Name a child that must not outlive us: SIGKILL at the parent's death; checks for the race. */
void proc_die_with_parent(pid_t parent);

/* --- signals, of a process with one loop --- */
/* Take what people, systemd and children send (TERM, INT, QUIT, HUP, USR1, USR2, CHLD) by descriptor, and ignore
 * PIPE.  A signalfd, good after fork(2), too; or -1 with @e. */
int proc_signals_open(struct err *e);
/* One signal from it: its number, 0: none. */
int proc_signals_take(int fd);
/* Take one, and pass it on to @to; not CHLD, and none of the terminal's, which everybody there has got. */
void proc_signals_pass(int fd, pid_t to);
/* In a child, before exec: as if nothing had been taken. */
void proc_signals_restore(void);

/* --- threads --- */
/* Run fn(arg) in a detached thread with @stack_kb KiB of stack (64 does for straight code without
 * big arrays; 256 for JSON and paths).  0, or an errno. */
int thread_start(const char *name, void (*fn)(void *), void *arg, size_t stack_kb);

/* --- unix sockets; paths may be longer than sun_path (reached through /proc/self/fd) --- */
/* A listening socket of @type (SOCK_STREAM, SOCK_SEQPACKET) at dirfd/name, mode 0600 or as given;
 * an old socket there is replaced.  Descriptor, or -1 with @e. */
int sock_listen_at(int dirfd, const char *name, int type, mode_t mode, struct err *e);
/* Connect to it.  Descriptor, or -1 and errno. */
int sock_connect_at(int dirfd, const char *name, int type);

/* Send one message with descriptors.  0, or -1 and errno. */
int sock_send(int sock, const void *p, size_t n, const int *fds, size_t nfds);
/* Receive one message and at most @max_fds descriptors (more are closed, and EPROTO).  Returns
 * the length, 0 at the end, -1 and errno; *nfds is always set. */
ssize_t sock_recv(int sock, void *p, size_t n, int *fds, size_t max_fds, size_t *nfds);

#endif
