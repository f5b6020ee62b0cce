/* SPDX-License-Identifier: MIT */
/* core/ns/cage.c - see cage.h */
#include "ns/cage.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HELPER_FD 3
#define MAP_MAX 4096 /* bytes of a map, the kernel's own limit */

/* Kernels before 5.14 count a namespace's tasks for their ids alone. */
static bool kernel_counts(void)
{
	unsigned int major, minor;
	struct utsname u;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 14));
}

/* The highest id that is mapped here: of both maps, as an owner has a group, too.  0 if only one is. */
static uint32_t highest_id(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, word;
	uint64_t highest = 0, n[3];
	int i;

	if (file_read_at(AT_FDCWD, "/proc/self/uid_map", MAP_MAX, &text, NULL))
		return 0;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		for (i = 0; i < 3 && span_token(&line, ' ', &word);)
			if (word.n && !parse_u64(word, UINT32_MAX, &n[i]))
				i++;
		if (i == 3 && n[2] && n[0] + n[2] - 1 > highest && n[0] + n[2] <= UINT32_MAX)
			highest = n[0] + n[2] - 1;
	}
	return (uint32_t)highest;
}

bool cage_possible(void)
{
	return kernel_counts() && highest_id() >= 2 * CAGES_MAX;
}

int cage_owner(int dirfd)
{
	cleanup_close int fd = openat(dirfd, "userns", O_RDONLY | O_CLOEXEC);
	uint32_t highest = highest_id();
	uid_t uid;

	/* An ordinary file has no owner in that sense: ENOTTY. */
	if (fd < 0 || ioctl(fd, NS_GET_OWNER_UID, &uid) || uid > highest || highest - uid >= CAGES_MAX)
		return -1;
	return (int)(highest - uid);
}

/* --- the helper ------------------------------------------------------------------------------------- */

static int tell(char c)
{
	return send(HELPER_FD, &c, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int hear(void)
{
	char c;

	return recv(HELPER_FD, &c, 1, 0) == 1 ? 0 : -1;
}

static int make_namespace(uid_t owner, uint64_t tasks)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit))
		return -1;
	limit.rlim_cur = tasks < limit.rlim_max ? tasks : limit.rlim_max;
	if (setrlimit(RLIMIT_NPROC, &limit) || setresuid(owner, owner, owner))
		return -1;
	/* A change of ids makes our files in /proc nobody's, but our maps are to be written there. */
	return prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER) ? -1 : 0;
}

int cage_role_main(int argc, char **argv)
{
	uint64_t owner, tasks;

	if (argc != 4 || parse_u64(span_of(argv[1]), UINT32_MAX - 1, &owner) ||
		parse_u64(span_of(argv[2]), UINT64_MAX, &tasks))
		return 2;
	fcntl(HELPER_FD, F_SETFD, FD_CLOEXEC);
	if (make_namespace((uid_t)owner, tasks) || tell('u') || hear())
		return 1;
	if (*argv[3] == 'n' && (setresuid(0, 0, 0) || unshare(CLONE_NEWNET)))
		return 1;
	if (tell('n'))
		return 1;
	hear(); /* the end: all is kept */
	return 0;
}

/* --- this side of it ---------------------------------------------------------------------------------- */

/* Our own ids, each mapped to itself. */
static int copy_map(pid_t pid, const char *file, struct err *e)
{
	cleanup_buf struct buf own = BUF_INIT, map = BUF_INIT;
	struct span rest, line, word;
	cleanup_close int fd = -1;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	if (file_read_at(AT_FDCWD, path, MAP_MAX, &own, e))
		return -1;
	rest = (struct span){own.p, own.n};
	while (span_token(&rest, '\n', &line)) {
		uint64_t n[3];
		int i;

		for (i = 0; i < 3 && span_token(&line, ' ', &word);)
			if (word.n && !parse_u64(word, UINT32_MAX, &n[i]))
				i++;
		if (i == 3)
			buf_addf(&map, "%llu %llu %llu\n", (unsigned long long)n[0], (unsigned long long)n[0],
				(unsigned long long)n[2]);
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map.p, map.n) != (ssize_t)map.n)
		return err_set(e, errno, "writing %s", path);
	return 0;
}

static int keep(pid_t pid, const char *kind, int dirfd, const char *name, struct err *e)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	char from[40], to[64];

	snprintf(from, sizeof(from), "/proc/%d/ns/%s", (int)pid, kind);
	snprintf(to, sizeof(to), "/proc/self/fd/%d/%s", dirfd, name);
	if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL))
		return err_set(e, errno, "keeping the %s namespace", kind);
	return 0;
}

static int wait_for(int sock, char want, struct err *e)
{
	char c;
	ssize_t n = recv(sock, &c, 1, 0);

	return n == 1 && c == want ? 0 : err_set(e, n < 0 ? errno : 0, "its maker ended");
}

static int guide(pid_t pid, int sock, int dirfd, bool network, struct err *e)
{
	if (wait_for(sock, 'u', e) || copy_map(pid, "uid_map", e) || copy_map(pid, "gid_map", e) ||
		keep(pid, "user", dirfd, "userns", e))
		return -1;
	if (send(sock, "", 1, MSG_NOSIGNAL) != 1)
		return err_set(e, errno, "its maker ended");
	return wait_for(sock, 'n', e) || (network && keep(pid, "net", dirfd, "netns", e)) ? -1 : 0;
}

int cage_make(int dirfd, unsigned int owner, uint64_t tasks, bool network, struct err *e)
{
	cleanup_free char *uid = xasprintf("%u", highest_id() - owner), *limit = xasprintf("%llu", (unsigned long long)tasks);
	const char *const argv[] = {":cage", uid, limit, network ? "n" : "-", NULL};
	cleanup_close int ours = -1, pidfd = -1;
	pid_t pid;
	int rc;

	ours = proc_spawn_talking(argv, NULL, 0, &pid, &pidfd, e);
	if (ours < 0)
		return -1;
	rc = guide(pid, ours, dirfd, network, e);
	fd_close(&ours);
	proc_reap(pidfd);
	return rc ? err_wrap(e, "making a user namespace with a limit for tasks") : 0;
}
