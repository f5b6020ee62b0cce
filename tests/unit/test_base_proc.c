/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_proc.c - pids that are who they were, threads, sockets with descriptors */
#include "unit.h"

#include "base/proc.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

TEST(start_time_tells_processes_apart)
{
	uint64_t t = proc_start_time(getpid());
	int fd;

	CHECK(t > 0);
	CHECK_INT(proc_start_time(0x7ffffff0), 0);
	fd = proc_open(getpid(), t);
	CHECK(fd >= 0);
	CHECK_INT(proc_signal(fd, 0), 0);
	close(fd);
	CHECK_INT(proc_open(getpid(), t + 1), -1);
	CHECK_INT(errno, ESRCH);
	CHECK_INT(proc_open(0, t), -1);
	CHECK_INT(proc_open(-1, t), -1);
	CHECK_INT(proc_open(getpid(), 0), -1);
}

static pid_t child(int status, int signo)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (signo)
			raise(signo);
		_exit(status);
	}
	return pid;
}

TEST(reap_counts_as_a_shell_does)
{
	pid_t a = child(7, 0), b = child(0, SIGKILL);
	int fd;

	/* not reaped yet, so the pid and its start time are still there */
	fd = proc_open(a, proc_start_time(a));
	NEED(fd >= 0);
	CHECK_INT(proc_reap(fd), 7);
	CHECK_INT(proc_reap(fd), -1);
	close(fd);
	fd = proc_open(b, proc_start_time(b));
	NEED(fd >= 0);
	CHECK_INT(proc_reap(fd), 128 + SIGKILL);
	close(fd);
}

static void post(void *sem)
{
	sem_post(sem);
}

TEST(threads_start_and_end_by_themselves)
{
	sem_t sem;
	int i;

	sem_init(&sem, 0, 0);
	for (i = 0; i < 200; i++) /* short ones: gone before the starter looks */
		NEED(thread_start("unit", post, &sem, 64) == 0);
	for (i = 0; i < 200; i++)
		CHECK(sem_wait(&sem) == 0);
}

TEST(sockets_by_directory_even_with_long_paths)
{
	struct err e = ERR_INIT;
	char dir[200], path[400];
	int listener, c;

	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = 0;
	CHECK_OK(e, fs_mkdir_p_at(tmp_dirfd(), dir, 0755, &e));
	snprintf(path, sizeof(path), "%s/%s", dir, "sock");
	listener = sock_listen_at(tmp_dirfd(), path, SOCK_STREAM, 0600, &e);
	if (!CHECK_OK(e, listener))
		return;
	c = sock_connect_at(tmp_dirfd(), path, SOCK_STREAM);
	CHECK(c >= 0);
	close(c);
	close(listener);
	CHECK_INT(sock_connect_at(tmp_dirfd(), path, SOCK_STREAM), -1);
	CHECK_INT(errno, ECONNREFUSED);
	/* an old socket is replaced */
	listener = sock_listen_at(tmp_dirfd(), path, SOCK_STREAM, 0600, &e);
	CHECK_OK(e, listener);
	close(listener);
}

TEST(messages_carry_descriptors)
{
	int pair[2], pipefd[2], got[4], more;
	char text[16];
	size_t n;
	ssize_t len;

	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	NEED(pipe2(pipefd, O_CLOEXEC) == 0);
	CHECK_INT(sock_send(pair[0], "hi", 2, pipefd, 2), 0);
	len = sock_recv(pair[1], text, sizeof(text), got, 4, &n);
	CHECK_INT(len, 2);
	CHECK_INT(n, 2);
	CHECK(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	CHECK(write(got[1], "x", 1) == 1 && read(pipefd[0], text, 1) == 1 && text[0] == 'x');
	close(got[0]);
	close(got[1]);

	/* more than asked for: refused, and nothing leaks */
	more = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(more);
	CHECK_INT(sock_send(pair[0], "hi", 2, pipefd, 2), 0);
	CHECK_INT(sock_recv(pair[1], text, sizeof(text), got, 1, &n), -1);
	CHECK_INT(errno, EPROTO);
	CHECK_INT(n, 0);
	CHECK_INT(open("/dev/null", O_RDONLY | O_CLOEXEC), more);
	close(more);

	/* a message longer than the room: refused */
	CHECK_INT(sock_send(pair[0], "0123456789", 10, NULL, 0), 0);
	CHECK_INT(sock_recv(pair[1], text, 4, got, 1, &n), -1);
	CHECK_INT(errno, EPROTO);

	close(pair[0]);
	CHECK_INT(sock_recv(pair[1], text, sizeof(text), got, 1, &n), 0);
	CHECK_INT(sock_send(pair[1], "x", 1, NULL, 0), -1); /* and no SIGPIPE */
	CHECK_INT(errno, EPIPE);
	close(pair[1]);
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST(signals_come_by_descriptor_and_are_passed_on)
{
	struct err e = ERR_INIT;
	sigset_t before, after;
	int fd, status = 0;
	pid_t pid;

	sigprocmask(SIG_BLOCK, NULL, &before);
	fd = proc_signals_open(&e);
	NEED(fd >= 0);
	raise(SIGHUP);
	CHECK_INT(proc_signals_take(fd), SIGHUP);
	pid = fork();
	if (!pid) {
		proc_signals_restore();
		for (;;)
			pause();
	}
	raise(SIGTERM);
	proc_signals_pass(fd, pid);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_INT(proc_signals_take(fd), SIGCHLD);
	close(fd);
	proc_signals_restore();
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(sigismember(&before, SIGTERM) == sigismember(&after, SIGTERM));
}
