/* SPDX-License-Identifier: MIT */
/*
 * core/base/proc.c - processes in roles, threads, and talking between them
 *
 * Theory of operation
 *   proc_spawn_role() runs in threaded processes, so nothing but system calls happens between
 *   vfork and exec.  All signals are blocked over it: a handler of ours must not run in the
 *   child, which shares our memory.  Descriptors are first moved above the range they are
 *   destined for, so that no move overwrites one that is still needed.
 */
#include "base/proc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define FDS_MAX 16
#define FIRST_FD 3
#ifdef __SANITIZE_ADDRESS__
#define INNER_STACK 65536
#else
#define INNER_STACK 8192 /* for a few system calls */
#endif
#define FEW_FDS 4096 /* no descriptor that is needed until exec has a higher number */
#define PARKED 64 /* where descriptors wait while 3… is being filled */

static const int maybe_ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGTSTP, SIGTTIN,
	SIGTTOU, SIGUSR1, SIGUSR2};

int proc_close_on_exec(int first)
{
	int fd;

	if (!syscall(SYS_close_range, (unsigned int)first, ~0U, CLOSE_RANGE_CLOEXEC))
		return 0;
	if (errno != EINVAL) /* Linux 5.9 and 5.10 can only close at once */
		return -1;
	for (fd = first; fd < FEW_FDS; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return (int)syscall(SYS_close_range, FEW_FDS, ~0U, 0);
}

static void child_exec(char *const argv[], const int *fds, size_t n, volatile int *failed)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	size_t i;

	/* exec resets handlers, but what is ignored stays so: what we ignore, or a shell or nohup did. */
	for (i = 0; i < ARRAY_SIZE(maybe_ignored); i++)
		sigaction(maybe_ignored[i], &dfl, NULL);
	for (i = 0; i < n; i++)
		if (dup3(fds[i], PARKED + (int)i, O_CLOEXEC) < 0)
			goto fail;
	for (i = 0; i < n; i++)
		if (dup2(PARKED + (int)i, FIRST_FD + (int)i) < 0)
			goto fail;
	proc_close_on_exec(FIRST_FD + (int)n);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", argv, environ);
fail:
	*failed = errno;
	_exit(127);
}

struct inner {
	char *const *argv;
	const int *fds;
	size_t n;
	volatile int *failed;
};

static int inner_main(void *arg)
{
	const struct inner *i = arg;

	child_exec(i->argv, i->fds, i->n, i->failed);
	return 127;
}

/* A process that nobody here has to reap: its parent, in between, ends as soon as it has exec'ed.
 * A vfork with a stack of its own, as not every vfork can be nested (AddressSanitizer's). */
static void child_exec_detached(char *const argv[], const int *fds, size_t n, volatile int *failed)
{
	_Alignas(16) char stack[INNER_STACK];
	struct inner i = {argv, fds, n, failed};

	if (clone(inner_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &i) < 0)
		*failed = errno;
	_exit(0);
}

/* Descriptors that sit in the parking range would be overwritten there: give them others. */
static int lift(const int *fds, size_t n, int *lifted)
{
	size_t i;

	for (i = 0; i < n; i++) {
		lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PARKED + FDS_MAX);
		if (lifted[i] < 0)
			return -1;
	}
	return 0;
}

int proc_spawn_role(const char *const argv[], const int *fds, size_t n, pid_t *pid, int *pidfd,
	struct err *e)
{
	char *args[32] = {(char *)(uintptr_t) "coracle"};
	volatile int failed = 0, rc = -1; /* volatile: vfork returns twice */
	bool detached = !pid && !pidfd;
	int lifted[FDS_MAX], fd;
	sigset_t all, old;
	size_t i;
	pid_t p;

	for (i = 0; argv[i]; i++) {
		if (i + 2 >= ARRAY_SIZE(args))
			bug("role %s has too many arguments", argv[0]);
		args[i + 1] = (char *)(uintptr_t)argv[i];
	}
	if (n > FDS_MAX)
		bug("role %s gets %zu descriptors", argv[0], n);
	memset(lifted, -1, sizeof(lifted));
	if (lift(fds, n, lifted)) {
		err_set(e, errno, "starting %s", argv[0]);
		goto out;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	p = vfork();
	if (!p && detached)
		child_exec_detached(args, lifted, n, &failed);
	else if (!p)
		child_exec(args, lifted, n, &failed);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p < 0) {
		err_set(e, errno, "starting %s", argv[0]);
		goto out;
	}
	if (failed || detached)
		waitpid(p, NULL, 0);
	if (failed) {
		err_set(e, failed, "starting %s: executing /proc/self/exe", argv[0]);
		goto out;
	}
	if (pidfd) {
		fd = (int)syscall(SYS_pidfd_open, p, 0);
		if (fd < 0) {
			err_set(e, errno, "starting %s: opening a pidfd", argv[0]);
			kill(p, SIGKILL);
			waitpid(p, NULL, 0);
			goto out;
		}
		*pidfd = fd;
	}
	if (pid)
		*pid = p;
	rc = 0;
out:
	for (i = 0; i < n; i++)
		fd_close(&lifted[i]);
	return rc;
}

int proc_spawn_talking(const char *const argv[], const int *fds, size_t n, pid_t *pid, int *pidfd, struct err *e)
{
	cleanup_close int ours = -1, its = -1;
	int all[FDS_MAX], pair[2];

	if (n >= FDS_MAX)
		bug("role %s gets %zu descriptors", argv[0], n + 1);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "starting %s: making a socket pair", argv[0]);
	ours = pair[0];
	its = all[0] = pair[1];
	if (n)
		memcpy(all + 1, fds, n * sizeof(*fds));
	return proc_spawn_role(argv, all, n + 1, pid, pidfd, e) ? -1 : fd_steal(&ours);
}

pid_t proc_clone(uint64_t flags, int cgroup, int *pidfd)
{
	int exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD; /* its parent's */
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0ULL),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = (uint64_t)exit_signal,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int fd;

	if (pid >= 0 || (errno != ENOSYS && errno != EPERM))
		return pid;
	/* Behind the third argument the order differs between architectures; all of it is 0. */
	pid = (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | (uint64_t)exit_signal, 0, pidfd, 0, 0);
	if (pid || cgroup < 0)
		return pid;
	fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(126);
	close(fd);
	return 0;
}

uint64_t proc_start_time(pid_t pid)
{
	char path[64], text[1024], *at;
	cleanup_close int fd = -1;
	uint64_t ticks;
	ssize_t n;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = fd_read_full(fd, text, sizeof(text) - 1)) <= 0)
		return 0;
	text[n] = 0;
	/* The command name may hold anything, a ')' too: fields count from the last one. */
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || parse_u64((struct span){at + 1, strcspn(at + 1, " \n")}, UINT64_MAX, &ticks))
		return 0;
	return ticks;
}

int proc_open(pid_t pid, uint64_t start_time)
{
	int fd;

	if (pid <= 0 || !start_time) {
		errno = ESRCH;
		return -1;
	}
	/* Open first, compare then: the other order would be a race (pid reuse in between). */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && proc_start_time(pid) != start_time) {
		close(fd);
		errno = ESRCH;
		return -1;
	}
	return fd;
}

int proc_signal(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

int proc_reap(int pidfd)
{
	siginfo_t si;

	while (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED))
		if (errno != EINTR)
			return -1;
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

void proc_die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

/* --- signals --- */

int proc_signals_open(struct err *e)
{
	static const int taken[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? err_set(e, errno, "opening a signalfd") : fd;
}

int proc_signals_take(int fd)
{
	struct signalfd_siginfo si;

	return read(fd, &si, sizeof(si)) == sizeof(si) ? (int)si.ssi_signo : 0;
}

void proc_signals_pass(int fd, pid_t to)
{
	struct signalfd_siginfo si;

	/* Above 0 the kernel has sent it: the terminal, to its whole foreground group. */
	if (read(fd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo != SIGCHLD && si.ssi_code <= 0)
		kill(to, (int)si.ssi_signo);
}

void proc_signals_restore(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* --- threads --- */

struct start {
	void (*fn)(void *);
	void *arg;
	char name[16]; /* TASK_COMM_LEN */
};

static void *thread_main(void *p)
{
	struct start s = *(struct start *)p;

	free(p);
	/* By the thread itself: it is detached, for others its handle may be gone already. */
	pthread_setname_np(pthread_self(), s.name);
	s.fn(s.arg);
	return NULL;
}

int thread_start(const char *name, void (*fn)(void *), void *arg, size_t stack_kb)
{
	struct start *s = xmalloc(sizeof(*s));
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	*s = (struct start){.fn = fn, .arg = arg};
	snprintf(s->name, sizeof(s->name), "%s", name);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	stack_kb = stack_kb < 1024 ? 1024 : stack_kb; /* red zones widen every frame, and their own data lies there too */
#endif
	pthread_attr_setstacksize(&attr, stack_kb * 1024);
	rc = pthread_create(&t, &attr, thread_main, s);
	pthread_attr_destroy(&attr);
	if (rc)
		free(s);
	return rc;
}

/* --- unix sockets --- */

static int unix_address(int dirfd, const char *name, struct sockaddr_un *sa)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (dirfd == AT_FDCWD || *name == '/')
		n = snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", name);
	else
		n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof(sa->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* A name too long for sun_path: go through its directory. Returns that directory or -1. */
static int split_long(int dirfd, const char **name)
{
	cleanup_free char *dir = NULL;
	const char *slash = strrchr(*name, '/');

	if (!slash || slash == *name)
		return -1;
	dir = xstrndup(*name, (size_t)(slash - *name));
	*name = slash + 1;
	return openat(dirfd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int sock_listen_at(int dirfd, const char *name, int type, mode_t mode, struct err *e)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), dir = -1;
	const char *path = name;
	struct sockaddr_un sa;

	if (fd < 0)
		return err_set(e, errno, "opening a socket for %s", path);
	if (unix_address(dirfd, name, &sa)) {
		dir = split_long(dirfd, &name);
		if (dir < 0 || unix_address(dir, name, &sa))
			return err_set(e, errno, "listening on %s", path);
		dirfd = dir;
	}
	if (unlinkat(dirfd, name, 0) && errno != ENOENT)
		return err_set(e, errno, "removing the old socket %s", path);
	/* fchmod before bind sets the mode the name is born with (unix(7)). */
	if (fchmod(fd, mode) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1024))
		return err_set(e, errno, "listening on %s", path);
	return fd_steal(&fd);
}

int sock_connect_at(int dirfd, const char *name, int type)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), dir = -1;
	struct sockaddr_un sa;

	if (fd < 0)
		return -1;
	if (unix_address(dirfd, name, &sa)) {
		dir = split_long(dirfd, &name);
		if (dir < 0 || unix_address(dir, name, &sa))
			return -1;
	}
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		if (errno != EINTR)
			return -1;
	return fd_steal(&fd);
}

#define PASS_MAX 32

int sock_send(int sock, const void *p, size_t n, const int *fds, size_t nfds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * PASS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	ssize_t put;

	if (nfds > PASS_MAX)
		bug("passing %zu descriptors", nfds);
	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		put = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -1;
	if ((size_t)put < n) { /* a stream socket took a part; the descriptors went with it */
		const char *rest = (const char *)p + put;

		return fd_write_full(sock, rest, n - (size_t)put);
	}
	return 0;
}

ssize_t sock_recv(int sock, void *p, size_t n, int *fds, size_t max_fds, size_t *nfds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * PASS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {p, n};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	bool excess = false;
	struct cmsghdr *c;
	ssize_t got;

	*nfds = 0;
	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t i, count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*nfds < max_fds) {
				fds[(*nfds)++] = fd;
			} else {
				close(fd);
				excess = true;
			}
		}
	}
	if (excess || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		while (*nfds)
			close(fds[--*nfds]);
		errno = EPROTO;
		return -1;
	}
	return got;
}
