/* SPDX-License-Identifier: MIT */
/*
 * core/ns/service.c - ask a name service about a user, for a program that lends its privilege to him
 *
 * Theory of operation
 *   A static program loads no plug-ins of name services; getent(1) and getsubids(1) do, and their answers decide what
 *   the user may map.  So they must be out of his reach:
 *   (1) They are the host's, at fixed paths, root's and writable by root alone.
 *   (2) They run as root, or (where all we hold is CAP_SETGID) in group 0: whoever does not have all of a process's
 *	 ids can neither trace it nor change its limits (ptrace_may_access()).  Until the exec the child cannot
 *	 be traced either: a process that was given privilege by its file is not dumpable.
 *   (3) Nothing of the user's reaches them: no environment, no descriptors, no directory, no masked signals.
 *   (4) An answer counts if the program ended well: cut short by a signal or a limit, it is none.
 *   Whom to ask about is his number, and the name that getent has for it; never what his environment says.
 */
#include "ns/ns.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GETSUBIDS "/usr/bin/getsubids"
#define GETENT "/usr/bin/getent"
#define ANSWER_MAX (64 << 10)

/* root's, and nobody else's to change. */
static bool is_trusted(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static _Noreturn void be_program(bool gids, const char *path, const char *const argv[], int writer)
{
	static char *const clean[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)(uintptr_t) "LC_ALL=C", NULL};
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (setresuid(0, 0, 0) && (!gids || setresgid(0, 0, 0)))
		_exit(126);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(writer, 1) < 0 || dup2(nothing, 2) < 0 || chdir("/"))
		_exit(126);
	proc_close_on_exec(3);
	umask(022);
	proc_signals_restore();
	execve(path, (char *const *)(uintptr_t)argv, clean);
	_exit(127);
}

/* What it prints; false if it cannot be asked, or does not know. */
static bool ask(bool gids, const char *path, const char *const argv[], struct buf *said)
{
	int fds[2], status = -1;
	bool all;
	pid_t pid;

	if (!is_trusted(path) || pipe2(fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid)
		be_program(gids, path, argv, fds[1]);
	close(fds[1]);
	all = !fd_read_all(fds[0], ANSWER_MAX, said, NULL);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && all && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool ask_for(bool gids, const char *who, uid_t uid, struct buf *lines)
{
	const char *const argv[] = {"getsubids", gids ? "-g" : who, gids ? who : NULL, NULL};
	cleanup_buf struct buf said = BUF_INIT;

	if (!ask(gids, GETSUBIDS, argv, &said))
		return false;
	subid_from_getsubids((struct span){said.p, said.n}, uid, lines);
	return lines->n;
}

/* "name:x:1234:…": his name, to free(), or NULL. */
static char *name_of(bool gids, const char *number)
{
	const char *const argv[] = {"getent", "passwd", number, NULL};
	cleanup_buf struct buf said = BUF_INIT;
	struct span line, name, word;

	if (!ask(gids, GETENT, argv, &said))
		return NULL;
	line = (struct span){said.p, said.n};
	if (!span_token(&line, ':', &name) || !span_token(&line, ':', &word) || !span_token(&line, ':', &word) ||
		!span_eqs(word, number) || !name.n || *name.p == '-')
		return NULL;
	return span_dup(name);
}

bool subid_service_lines(bool gids, uid_t uid, struct buf *lines)
{
	cleanup_free char *number = xasprintf("%u", uid), *name = NULL;

	if (!subid_service_configured())
		return false;
	name = name_of(gids, number);
	return (name && ask_for(gids, name, uid, lines)) || ask_for(gids, number, uid, lines);
}
