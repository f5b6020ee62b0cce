/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/userns.h - run a test as root of a user namespace, as the engine's processes run
 *
 * in_userns(fn, arg) forks; the child makes a user and a mount namespace and runs fn.  Started by
 * root, ids 0 to 65535 are mapped one to one (and the mounts are the namespace's own); started by
 * a user, only its own id is, as 0: userns_ids() then says 1, and what needs others skips.
 * CHECKs of the child print as always; their number comes back through the exit status.
 */
#ifndef TESTS_UNIT_USERNS_H
#define TESTS_UNIT_USERNS_H

#include "unit.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static inline void userns_put(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

static inline unsigned int userns_ids(void)
{
	static unsigned int n;
	unsigned int inside, outside, count;
	FILE *f;

	if (n)
		return n;
	f = fopen("/proc/self/uid_map", "re");
	while (f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3)
		n += count;
	if (f)
		fclose(f);
	return n;
}

static inline void userns_map(pid_t pid, bool root, uid_t uid, gid_t gid)
{
	char text[64];

	if (root) {
		userns_put(pid, "uid_map", "0 0 65536\n");
		userns_put(pid, "gid_map", "0 0 65536\n");
		return;
	}
	userns_put(pid, "setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1\n", (unsigned int)uid);
	userns_put(pid, "uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1\n", (unsigned int)gid);
	userns_put(pid, "gid_map", text);
}

static inline void in_userns(void (*fn)(void *), void *arg)
{
	int ready[2], go[2], status;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char c = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		abort();
	tmp_path(); /* ours, so that we remove it */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		bool made = !unshare(CLONE_NEWUSER | CLONE_NEWNS);

		if (write(ready[1], made ? "y" : "n", 1) != 1 || read(go[0], &c, 1) != 1 || !made)
			_exit(99);
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(98);
		unit_failures = 0;
		unit_skipped = false;
		if (setjmp(unit_end) == 0)
			fn(arg);
		fflush(stdout);
		_exit(unit_failures ? (unit_failures < 90 ? unit_failures : 90) : unit_skipped ? 97 : 0);
	}
	if (pid < 0 || read(ready[0], &c, 1) != 1)
		abort();
	if (c == 'y')
		userns_map(pid, uid == 0, uid, gid);
	if (write(go[1], "g", 1) != 1)
		abort();
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		SKIP("machine: no user namespaces here");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 97) {
		unit_skipped = true;
		longjmp(unit_end, 1);
	}
	if (!WIFEXITED(status))
		unit_fail(__FILE__, __LINE__, "the child was killed by signal %d", WTERMSIG(status));
	else
		unit_failures += WEXITSTATUS(status);
}

/* TEST_USERNS(name) { ... } runs its body that way. */
#define TEST_USERNS(id)                             \
	static void userns_##id(void *unused);      \
	TEST(id)                                    \
	{                                           \
		in_userns(userns_##id, NULL);       \
	}                                           \
	static void userns_##id(void *unused __attribute__((unused)))

#endif
