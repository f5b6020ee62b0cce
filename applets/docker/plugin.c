/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/plugin.c - commands that are programs of their own: docker compose, docker buildx
 *
 * Theory of operation
 *   The stock client's rule: "docker NAME" is the program docker-NAME in one of a few directories, the
 *   user's own first.  It gets the command line as it was typed, options before NAME included, and finds
 *   the engine, the context and the credentials by itself.  It takes this process over.
 */
#include "plugin.h"

#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const usual[] = {
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins",
	"/usr/libexec/docker/cli-plugins", NULL,
};

/* dir/docker-NAME, if it can be run; to free(). */
static char *in_dir(const char *dir, const char *name)
{
	char *path = xasprintf("%s/docker-%s", dir, name);

	if (!faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return path;
	free(path);
	return NULL;
}

/* To free(); NULL: there is none. */
static char *find(const struct docker *d, const char *name)
{
	cleanup_free char *own = fs_join(d->config_dir, "cli-plugins");
	const json_t *extra = json_arr(d->config, "cliPluginsExtraDirs"), *dir;
	char *path = NULL;
	size_t i;

	json_array_foreach(extra, i, dir)
		if (!path && json_is_string(dir))
			path = in_dir(json_string_value(dir), name);
	if (!path)
		path = in_dir(own, name);
	for (i = 0; !path && usual[i]; i++)
		path = in_dir(usual[i], name);
	return path;
}

int plugin_run(const struct docker *d, const char *name, char **argv, struct err *e)
{
	cleanup_free char *path = NULL;
	const char *p;

	for (p = name; isdigit((unsigned char)*p) || islower((unsigned char)*p); p++)
		;
	if (*p || !isalpha((unsigned char)*name) || !(path = find(d, name)))
		return 0;
	setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", argv[0], 1);
	argv[0] = path;
	execv(path, argv);
	return err_set(e, errno, "docker: running the plugin %s", path);
}
