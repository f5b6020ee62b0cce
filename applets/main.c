/* SPDX-License-Identifier: MIT */
/*
 * applets/main.c - one binary, many commands: find out which one was meant
 *
 * Theory of operation
 *   The name we were called by decides (argv[0], without directories); a name that is no
 *   command means "coracle" itself, whose first argument then decides:
 *	coracle NAME ARGS...	that command
 *	coracle :ROLE ARGS...	a process of our own (roles.h)
 *	coracle --OPTION	something about the whole, below
 *
 *   Before the command sees an argument or variable, privilege that came with the file is cut
 *   down to that command's share (privilege.h).
 *
 * Exit status: the command's; 0 and 2 for our own success and wrong usage, 1 for failures.
 */
#include "applets.h"
#include "install.h"
#include "privilege.h"
#include "roles.h"
#include "version.h"

#include "base/err.h"
#include "base/str.h"
#include "image/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	uint64_t keep;
	const char *aliases;
};

#define X(name, main, keep, aliases) { name, main, keep, aliases },
static const struct command applets[] = { APPLETS(X) };
#undef X
#define X(name, main, keep) { name, main, keep, "" },
static const struct command roles[] = { ROLES(X){ NULL, NULL, 0, "" } };
#undef X

static bool answers_to(const struct command *c, struct span name)
{
	struct span rest = span_of(c->aliases), alias;

	if (span_eqs(name, c->name))
		return true;
	while (span_token(&rest, ' ', &alias)) {
		if (span_eq(alias, name))
			return true;
	}
	return false;
}

static const struct command *applet_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		if (answers_to(&applets[i], span_of(name)))
			return &applets[i];
	}
	return NULL;
}

static const struct command *role_find(const char *name)
{
	for (const struct command *r = roles; r->name; r++) {
		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

/* The file gave us privilege: keep @keep of it, or do not run at all. */
static void shed(uint64_t keep)
{
	if (getauxval(AT_SECURE) && privilege_reduce(keep) < 0) {
		fprintf(stderr, "coracle: giving up privileges: %s\n", strerror(errno));
		exit(1);
	}
}

static int run(const struct command *c, int argc, char **argv)
{
	shed(c->keep);
	return c->main(argc, argv);
}

/* --- about the whole ---------------------------------------------------------------------- */

static char **all_names(void)
{
	char **names = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		struct span rest = span_of(applets[i].aliases), alias;

		names = xreallocarray(names, n + 2, sizeof(*names));
		names[n++] = xstrdup(applets[i].name);
		while (span_token(&rest, ' ', &alias)) {
			if (alias.n == 0)
				continue;
			names = xreallocarray(names, n + 2, sizeof(*names));
			names[n++] = span_dup(alias);
		}
	}
	names[n] = NULL;
	return names;
}

static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "coracle: writing the output: %s\n", strerror(errno));
	return 1;
}

static int do_list(void)
{
	char **names = all_names();

	for (char **n = names; *n; n++)
		puts(*n);
	return finish(0);
}

static int do_version(void)
{
	printf("coracle %s (%s), with %s\n", CORACLE_VERSION, CORACLE_COMMIT, CORACLE_LIBRARIES);
	return finish(0);
}

static int do_help(void)
{
	printf("Coracle %s: rootless Docker in one static binary.\n\n"
	       "Usage:	coracle COMMAND ARGS...\n"
	       "	COMMAND ARGS...			through a link\n"
	       "	coracle --list			the commands, one a line\n"
	       "	coracle --install [-s] [-f] [-a] DIR	put coracle and its links into DIR\n"
	       "					(-s symbolic links, -f replace other files,\n"
	       "					-a hide programs of the host, too)\n"
	       "	coracle --version\n\nCommands:\n",
		CORACLE_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		printf("	%s", applets[i].name);
		if (*applets[i].aliases)
			printf("  (also %s)", applets[i].aliases);
		putchar('\n');
	}
	puts("\n\"coracle COMMAND --help\" says more about each.");
	return finish(0);
}

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "coracle: %s '%s'; try 'coracle --help'\n", what, arg);
	return 2;
}

static bool in_path(const char *dir)
{
	struct span rest = span_of(getenv("PATH")), part;

	while (span_token(&rest, ':', &part)) {
		if (span_eqs(part, dir))
			return true;
	}
	return false;
}

static int do_install(int argc, char **argv)
{
	struct install_options o = { 0 };
	cleanup_free char *left = NULL;
	struct err e = ERR_INIT;
	char **names;
	char *dir;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-s") == 0)
			o.symlinks = true;
		else if (strcmp(argv[i], "-f") == 0)
			o.force = true;
		else if (strcmp(argv[i], "-a") == 0)
			o.all = true;
		else
			return usage("unknown option", argv[i]);
	}
	if (argc - i != 1)
		return usage("--install needs one directory, not", i < argc ? argv[i + 1] : "");

	names = all_names();
	if (install_links(argv[i], (const char *const *)names, &o, &left, &e) < 0) {
		fprintf(stderr, "coracle: %s\n", e.msg);
		if (*e.hint)
			fprintf(stderr, "coracle: hint: %s\n", e.hint);
		return 1;
	}
	dir = realpath(argv[i], NULL);
	printf("Installed into %s.\n", dir ? dir : argv[i]);
	if (*left)
		printf("Not linked, as this host has its own: %s (-a links them, too).\n", left);
	puts("Put these lines into your shell's start file (~/.profile):\n");
	if (dir && !in_path(dir))
		printf("export PATH=%s:$PATH\n", dir);
	puts("export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}\n"
	     "export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock");
	return finish(0);
}

static int coracle_main(int argc, char **argv)
{
	shed(0);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return do_help();
	if (strcmp(argv[1], "--list") == 0)
		return do_list();
	if (strcmp(argv[1], "--version") == 0)
		return do_version();
	if (strcmp(argv[1], "--install") == 0)
		return do_install(argc - 1, argv + 1);
	return usage(argv[1][0] == '-' ? "unknown option" : "no such command", argv[1]);
}

int main(int argc, char **argv)
{
	const struct command *c;
	const char *name;

	image_builtin_names = all_names;
	if (argc < 1)
		return 2; /* execve with an empty argv: nobody who means well does that */
	name = strrchr(argv[0], '/');
	name = name ? name + 1 : argv[0];
	if (*name == '-')
		name++; /* a login shell's habit */

	c = applet_find(name);
	if (c)
		return run(c, argc, argv);
	if (argc > 1) {
		c = argv[1][0] == ':' ? role_find(argv[1] + 1) : applet_find(argv[1]);
		if (c)
			return run(c, argc - 1, argv + 1);
	}
	return coracle_main(argc, argv);
}
