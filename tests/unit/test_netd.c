/* SPDX-License-Identifier: MIT */
/* Unit tests of netd's life: found, asked, killed, replaced, ended. */
#include "base/proc.h"
#include "net/netd.h"
#include "net/netns.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>

/* The program is its own netd, also before it enters the sandbox. */
static int role(int argc, char **argv)
{
	return netd_role_main(argc, argv);
}
#define UNIT_ROLES role
#include "unit.h"
#include "../lib/sandbox.h"

static bool have_sandbox;
static sem_t replayed;
static struct netd *netd;
static int exec_root = -1;

__attribute__((constructor)) static void first_of_all(void)
{
	if (sandbox_arg(1)[0] != ':')
		have_sandbox = sandbox_enter();
}

static void replay(void *arg)
{
	CHECK(arg == &replayed);
	sem_post(&replayed);
}

static void setup(void)
{
	struct err e = ERR_INIT;

	if (!have_sandbox)
		SKIP("no user namespaces here");
	if (netd)
		return;
	sem_init(&replayed, 0, 0);
	NEED(CHECK_OK(e, fs_mkdir_p_at(tmp_dirfd(), "exec", 0700, &e)));
	exec_root = openat(tmp_dirfd(), "exec", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	netd = netd_open(exec_root, true, replay, &replayed, &e);
	NEED(CHECK_OK(e, netd ? 0 : -1));
}

static ino_t netns_inode(void)
{
	struct stat st;

	return fstat(netd_netns(netd), &st) ? 0 : st.st_ino;
}

static int64_t netd_pid(void)
{
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;

	if (!CHECK_OK(e, netd_call(netd, "info", NULL, NULL, 0, &j, &e)))
		return 0;
	return json_int(j, "pid", 0);
}

static bool wait_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 60000) == 1;
}

TEST(inside_is_another_namespace)
{
	struct stat ours;

	setup();
	NEED(!stat("/proc/self/ns/net", &ours));
	CHECK(netns_inode() && netns_inode() != ours.st_ino);
}

TEST(unknown_operation)
{
	struct err e = ERR_INIT;

	setup();
	CHECK_INT(netd_call(netd, "no.such", NULL, NULL, 0, NULL, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_SUPPORTED);
	CHECK_STR(e.msg, "netd knows no operation 'no.such'");
}

TEST(nonsense_is_refused)
{
	cleanup_close int sock = -1;
	char answer[4096];
	size_t n_fds;
	ssize_t n;
	int fd = -1;

	setup();
	sock = sock_connect_at(exec_root, "netd.sock", SOCK_SEQPACKET);
	NEED(sock >= 0 && sock_recv(sock, answer, sizeof(answer), &fd, 1, &n_fds) > 0);
	fd_close(&fd);
	NEED(!sock_send(sock, "{]", 2, NULL, 0));
	n = sock_recv(sock, answer, sizeof(answer) - 1, NULL, 0, &n_fds);
	NEED(n > 0);
	answer[n] = 0;
	CHECK(strstr(answer, "\"error\""));
}

TEST(descriptors_of_requests_are_closed)
{
	char path[64];
	struct err e = ERR_INIT;
	int pair[2], fds[2];
	char c;

	setup();
	NEED(!pipe2(pair, O_CLOEXEC));
	fds[0] = fds[1] = pair[1];
	NEED(CHECK_OK(e, netd_call(netd, "info", NULL, fds, 2, NULL, &e)));
	close(pair[1]);
	CHECK_INT(read(pair[0], &c, 1), 0); /* the end: nobody has the other one any more */
	close(pair[0]);
	snprintf(path, sizeof(path), "/proc/%d", (int)netd_pid());
	CHECK(!access(path, F_OK));
}

/* As the next engine does, which finds the netd of the one before. */
TEST(the_next_engine_finds_it)
{
	struct err e = ERR_INIT;
	int64_t pid;
	int status;
	pid_t child;

	setup();
	pid = netd_pid();
	child = fork();
	if (!child) {
		netd = netd_open(exec_root, true, NULL, NULL, &e);
		_exit(netd && netd_pid() == pid ? 0 : 1);
	}
	NEED(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
}

TEST(killed_and_replaced)
{
	ino_t before;
	int64_t pid;
	cleanup_close int pidfd = -1;
	struct timespec until;

	setup();
	before = netns_inode();
	pid = netd_pid();
	pidfd = netd_find(exec_root);
	NEED(pid && pidfd >= 0 && !proc_signal(pidfd, SIGKILL) && wait_end(pidfd));
	CHECK(netd_pid() != pid); /* asked at once: waits for the next one */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	CHECK_INT(sem_timedwait(&replayed, &until), 0);
	CHECK_INT(netns_inode(), before);
}

TEST(the_end)
{
	cleanup_close int pidfd = -1;

	setup();
	pidfd = netd_find(exec_root);
	NEED(pidfd >= 0);
	netd_stop(netd);
	CHECK(wait_end(pidfd));
	CHECK(!fs_exists_at(exec_root, "netd.sock"));
	CHECK_INT(netd_find(exec_root), -1);
}
