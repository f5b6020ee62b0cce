/* SPDX-License-Identifier: MIT */
/*
 * applets/setuptool/say.c - lines as upstream's script prints them, and programs it runs
 *
 * The script always colours its "[INFO]"; here it is coloured where a person reads it.
 */
#include "setuptool.h"

#include "base/fs.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void say(FILE *to, const char *colour, const char *mark, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void say(FILE *to, const char *colour, const char *mark, const char *fmt, va_list ap)
{
	fflush(stdout); /* the two streams may be one file */
	if (isatty(fileno(to)))
		fprintf(to, "\033[%sm\033[97m[%s]\033[49m\033[39m ", colour, mark);
	else
		fprintf(to, "[%s] ", mark);
	vfprintf(to, fmt, ap);
	fputc('\n', to);
	fflush(to);
}

void say_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(stdout, "104", "INFO", fmt, ap);
	va_end(ap);
}

void say_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(stderr, "101", "WARNING", fmt, ap);
	va_end(ap);
}

void say_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(stderr, "101", "ERROR", fmt, ap);
	va_end(ap);
}

int run_program(bool loud, const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status, rc;
	size_t i;
	pid_t pid;

	fflush(stdout);
	posix_spawn_file_actions_init(&actions);
	if (loud) {
		fputc('+', stderr);
		for (i = 0; argv[i]; i++)
			fprintf(stderr, " %s", argv[i]);
		fputc('\n', stderr);
	} else {
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, 1, 2);
	}
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc || waitpid(pid, &status, 0) != pid)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
