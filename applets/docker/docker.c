/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/docker.c - the client's main: global options, finding the command, help
 *
 * Theory of operation
 *   entries_* list where each command is called ("docker ps", "docker container ls"); several
 *   entries may share one struct command.  What the stock client has and this one has not is in
 *   absent[], so that it is answered with the way to do it instead of "unknown command".  Other names
 *   may be plugins (plugin.h).
 *   The engine is looked for before a command runs, but connected to only when it makes a call.
 */
#include "docker.h"
#include "applets.h"
#include "call.h"
#include "plugin.h"
#include "version.h"

#include "base/fs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define API_VERSION "1.51"
#define CONFIG_MAX (4 << 20) /* bytes of config.json */

static const struct entry *const tables[] = {
	entries_run, entries_attach, entries_update, entries_ps, entries_stats, entries_logs, entries_containers, entries_images,
	entries_transfer, entries_cp, entries_changes, entries_registry, entries_volumes, entries_networks,
	entries_network_create,
	entries_build, entries_space, entries_inspect, entries_system, entries_context, entries_context_file, entries_dial,
};

static const struct group {
	const char *name;
	const char *brief;
	const char *usage; /* as the stock client shows it after an unknown command */
} groups[] = {
	{"builder", "Manage builds", "docker builder"},
	{"container", "Manage containers", "docker container"},
	{"context", "Manage contexts", "docker context COMMAND"},
	{"image", "Manage images", "docker image"},
	{"network", "Manage networks", "docker network"},
	{"system", "Manage Docker", "docker system"},
	{"volume", "Manage volumes", "docker volume COMMAND"},
};

/* Commands of the stock client that are not here; "group name", or a whole group. */
static const char *const absent[] = {
	"checkpoint", "config", "manifest", "node", "plugin",
	"secret", "service", "stack", "swarm", "trust", "volume update", NULL,
};

static struct {
	const char *host, *context, *config, *log_level;
	const char *tls_ca, *tls_cert, *tls_key;
	bool debug, tls, tls_verify, version;
} globals;

static int check_host(const char **text, struct err *e)
{
	if (globals.host)
		return err_kind(e, ERR_INVALID, "specify only one -H");
	(void)text;
	return 0;
}

static struct flag global_flags[] = {
	{"config", 0, FLAG_STRING, &globals.config, "Directory of the client's files (default ~/.docker)"},
	{"context", 'c', FLAG_STRING, &globals.context,
		"Context to use: an engine that was given a name (\"docker context create\")"},
	{"debug", 'D', FLAG_BOOL, &globals.debug, "Say more"},
	{"host", 'H', FLAG_STRING, &globals.host, "Engine to use: unix:///path/docker.sock, tcp://host:port or ssh://user@host",
		.check = check_host},
	{"log-level", 'l', FLAG_STRING, &globals.log_level, "", .hidden = true},
	{"tls", 0, FLAG_BOOL, &globals.tls, "Use TLS; implied by --tlsverify"},
	{"tlscacert", 0, FLAG_STRING, &globals.tls_ca, "Trust certs signed only by this CA (default ~/.docker/ca.pem)"},
	{"tlscert", 0, FLAG_STRING, &globals.tls_cert, "Path to TLS certificate file (default ~/.docker/cert.pem)"},
	{"tlskey", 0, FLAG_STRING, &globals.tls_key, "Path to TLS key file (default ~/.docker/key.pem)"},
	{"tlsverify", 0, FLAG_BOOL, &globals.tls_verify, "Use TLS and verify the remote"},
	{"version", 'v', FLAG_BOOL, &globals.version, "Print the version and quit"},
	FLAG_END,
};

/* --- finding ------------------------------------------------------------------------------ */

static bool named(const struct entry *en, const char *name)
{
	struct span list = span_of(en->aliases), word;

	if (!strcmp(en->name, name))
		return true;
	while (en->aliases && span_token(&list, ' ', &word))
		if (span_eqs(word, name))
			return true;
	return false;
}

static const struct entry *find_entry(const char *group, const char *name)
{
	const struct entry *en;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (en = tables[i]; en->name; en++)
			if (!strcmp(en->group, group) && named(en, name))
				return en;
	return NULL;
}

static const struct group *find_group(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	return NULL;
}

static char *full_name(const struct entry *en)
{
	return xasprintf("docker %s%s%s", en->group, *en->group ? " " : "", en->name);
}

/* --- help --------------------------------------------------------------------------------- */

static int by_name(const void *pa, const void *pb)
{
	const struct entry *const *a = pa, *const *b = pb;

	return strcmp((*a)->name, (*b)->name);
}

/* What most people use first, at the top of docker --help. */
static const char *const common[] = {"run", "exec", "ps", "build", "logs", "pull", "images", "version", "info", NULL};

/* The commands of a group; of the top, either the common ones or the others. */
static void list_entries(const char *group, bool commons, FILE *out)
{
	const struct entry *en, *list[128];
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (en = tables[i]; en->name; en++)
			if (!strcmp(en->group, group) && (*group || str_in(en->name, common) == commons) &&
				n < ARRAY_SIZE(list))
				list[n++] = en;
	qsort(list, n, sizeof(*list), by_name);
	for (i = 0; i < n; i++)
		fprintf(out, "  %-11s %s\n", list[i]->name, list[i]->cmd->brief);
}

static void help_top(FILE *out)
{
	cleanup_buf struct buf options = BUF_INIT;
	size_t i;

	fputs("Usage:  docker [OPTIONS] COMMAND\n\nA client of the Docker Engine API, for the engine of this program and any other\n\n"
	      "Common Commands:\n", out);
	list_entries("", true, out);
	fputs("\nManagement Commands:\n", out);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		fprintf(out, "  %-11s %s\n", groups[i].name, groups[i].brief);
	fputs("\nCommands:\n", out);
	list_entries("", false, out);
	fputs("\nGlobal Options:\n", out);
	flags_help(global_flags, &options);
	fputs(options.p, out);
	fputs("\nFirst steps:\n"
	      "  docker run --rm coracle                        the built-in image: does it work here?\n"
	      "  docker run --rm -ti -v \"$PWD\":/w -w /w alpine   a shell in a container, in this directory\n"
	      "  docker run -d --name web -p 8080:80 nginx      a server; then docker logs -f web\n"
	      "  docker ps -a; docker stop web; docker rm web   what runs, and ending it\n"
	      "\n"
	      "The engine is looked for at -H, --context, $DOCKER_HOST, the current context, then\n"
	      "$XDG_RUNTIME_DIR/docker.sock. Start one with: dockerd-rootless\n"
	      "\nRun 'docker COMMAND --help' for more information on a command.\n", out);
}

static int help_group(const struct group *g, FILE *out)
{
	fprintf(out, "Usage:  docker %s COMMAND\n\n%s\n\nCommands:\n", g->name, g->brief);
	list_entries(g->name, false, out);
	fprintf(out, "\nRun 'docker %s COMMAND --help' for more information on a command.\n", g->name);
	return 0;
}

static void help_aliases(const struct command *cmd, struct buf *out)
{
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct entry *en;

		for (en = tables[i]; en->name; en++) {
			cleanup_free char *name = en->cmd == cmd ? full_name(en) : NULL;
			struct span list = span_of(en->aliases), word;

			if (!name)
				continue;
			buf_addf(out, "%s%s", n++ ? ", " : "", name);
			while (en->aliases && span_token(&list, ' ', &word))
				buf_addf(out, ", docker %s%s%.*s", en->group, *en->group ? " " : "",
					(int)word.n, word.p);
		}
	}
	if (n < 2)
		buf_reset(out);
}

static int help_command(const struct entry *en)
{
	cleanup_buf struct buf options = BUF_INIT, aliases = BUF_INIT;
	cleanup_free char *name = full_name(en);

	printf("Usage:  %s%s%s\n\n%s\n", name, *en->cmd->usage ? " " : "", en->cmd->usage,
		en->cmd->brief);
	help_aliases(en->cmd, &aliases);
	if (aliases.n)
		printf("\nAliases:\n  %s\n", aliases.p);
	if (en->cmd->flags)
		flags_help(en->cmd->flags, &options);
	if (options.n)
		printf("\nOptions:\n%s", options.p);
	if (en->cmd->more)
		printf("\n%s", en->cmd->more);
	return 0;
}

/* docker help [GROUP] [COMMAND] */
static int help_topic(int argc, char **argv)
{
	const struct group *g = argc ? find_group(argv[0]) : NULL;
	const struct entry *en;

	if (!argc) {
		help_top(stdout);
		return 0;
	}
	if (g && argc == 1)
		return help_group(g, stdout);
	en = g ? find_entry(g->name, argv[1]) : find_entry("", argv[0]);
	if (en && argc == (g ? 2 : 1))
		return help_command(en);
	fprintf(stderr, "unknown help topic: %s\n", argv[argc - 1]);
	return 1;
}

/* --- complaints --------------------------------------------------------------------------- */

/* What the engine says in Docker's words does not tell what to do. */
static const struct {
	const char *part, *hint;
} hints[] = {
	{"bind: address already in use", "another program has that port: ss -ltnp (or -lunp) lists who listens; or publish another"},
	{"o space left on device", "docker system df shows what uses room, docker image prune and docker container prune free some"},
};

void show_hint(const struct err *e)
{
	const char *hint = e->hint;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hints) && !*hint; i++)
		if (strstr(e->msg, hints[i].part))
			hint = hints[i].hint;
	if (*hint)
		fprintf(stderr, "docker: hint: %s\n", hint);
}

int fail(const struct err *e)
{
	fprintf(stderr, "%s\n", e->msg);
	show_hint(e);
	return 1;
}

static int wrong_flags(const struct err *e, const char *name, const char *usage)
{
	fprintf(stderr, "%s\n\nUsage:  %s%s%s\n\nRun '%s --help' for more information\n", e->msg, name,
		*usage ? " " : "", usage, name);
	return EXIT_USAGE;
}

static int wrong_count(const struct entry *en)
{
	cleanup_free char *name = full_name(en), *wants = NULL;
	const struct command *c = en->cmd;
	const char *s = (c->max < 0 || c->min == c->max ? c->min : c->max) == 1 ? "" : "s";
	bool see = c->max < 0 || (c->min && c->min != c->max);

	if (c->max == 0)
		wants = xstrdup("accepts no arguments");
	else if (c->max < 0)
		wants = xasprintf("requires at least %d argument%s", c->min, s);
	else if (c->min == c->max)
		wants = xasprintf("requires %d argument%s", c->min, s);
	else if (!c->min)
		wants = xasprintf("requires at most %d argument%s", c->max, s);
	else
		wants = xasprintf("requires at least %d and at most %d argument%s", c->min, c->max, s);
	fprintf(stderr, "docker: '%s' %s\n\nUsage:  %s %s\n\n%s '%s --help' for more information\n", name,
		wants, name, c->usage, see ? "See" : "Run", name);
	return 1;
}

/* What many people have as plugins, and where these go. */
static const char *const plugins[] = {"buildx", "compose", NULL};

/* @group is NULL at the top. */
static int unknown_command(const struct docker *d, const struct group *g, const char *name)
{
	cleanup_free char *full = xasprintf("%s%s%s", g ? g->name : "", g ? " " : "", name);

	if (str_in(full, absent)) {
		fprintf(stderr,
			"docker: '%s' is not part of this client; use the stock docker CLI against this engine: "
			"DOCKER_HOST=%s docker %s\n", full, d->endpoint.url, full);
		return 1;
	}
	fprintf(stderr, "docker: unknown command: docker %s\n\n", full);
	if (!g && str_in(name, plugins))
		fprintf(stderr, "docker: hint: it is a plugin: put the program docker-%s into %s/cli-plugins\n\n", name,
			d->config_dir);
	if (g)
		fprintf(stderr, "Usage:  %s\n\n", g->usage);
	fprintf(stderr, "Run 'docker%s%s --help' for more information\n", g ? " " : "", g ? g->name : "");
	return 1;
}

/* --- running ------------------------------------------------------------------------------ */

static int find_config_dir(struct docker *d)
{
	const char *dir = globals.config ? globals.config : getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");
	cleanup_free char *path = NULL;
	struct err e = ERR_INIT;

	d->config_dir = dir && *dir ? xstrdup(dir) : fs_join(home && *home ? home : "/", ".docker");
	path = fs_join(d->config_dir, "config.json");
	if (!fs_exists_at(AT_FDCWD, path))
		return 0;
	d->config = json_load_at(AT_FDCWD, path, CONFIG_MAX, &e);
	if (!d->config)
		fprintf(stderr, "WARNING: Error loading config file: %s\n", e.msg);
	return 0;
}

/* TLS is asked for by any option about it, or by DOCKER_TLS_VERIFY; --tls alone verifies nobody. */
static void tls_asked(const struct docker *d, struct dial_tls *tls)
{
	const char *verify = getenv("DOCKER_TLS_VERIFY"), *dir = getenv("DOCKER_CERT_PATH");
	bool by_env = verify && *verify;

	tls->verify = flags_seen(global_flags, "tlsverify") ? globals.tls_verify : by_env;
	tls->wanted = globals.tls || tls->verify || flags_seen(global_flags, "tlsverify") || by_env;
	tls->ca = globals.tls_ca;
	tls->cert = globals.tls_cert;
	tls->key = globals.tls_key;
	tls->dir = dir && *dir ? dir : d->config_dir;
}

/* @needed: it must be known which one it is; commands about contexts can set that right. */
static int find_engine(struct docker *d, bool needed)
{
	const char *version = getenv("DOCKER_API_VERSION");
	struct dial_tls tls = {0};
	struct err e = ERR_INIT;

	find_config_dir(d);
	d->debug = globals.debug;
	if (version && *version == 'v')
		version++;
	d->version_pinned = version && *version;
	d->api_version = xstrdup(d->version_pinned ? version : API_VERSION);
	tls_asked(d, &tls);
	if (globals.host && globals.context) {
		fputs("conflicting options: cannot specify both --host and --context\n", stderr);
		return 1;
	}
	if (endpoint_find(&d->endpoint, globals.host, globals.context, d->config_dir, d->config, &tls, &e) && needed)
		return fail(&e);
	return 0;
}

static int run_entry(struct docker *d, const struct entry *en, int argc, char **argv)
{
	static struct flag no_flags[] = {FLAG_END};
	struct command *c = en->cmd;
	cleanup_free char *name = full_name(en);
	struct err e = ERR_INIT;

	switch (flags_parse(c->flags ? c->flags : no_flags, c->own_args, &argc, argv, &e)) {
	case FLAGS_HELP:
		return help_command(en);
	case FLAGS_WRONG:
		return wrong_flags(&e, name, c->usage);
	case FLAGS_OK:
		break;
	}
	if (argc < c->min || (c->max >= 0 && argc > c->max))
		return wrong_count(en);
	return c->run(d, argc, argv);
}

/* docker GROUP …; @argv begins behind the group's name. */
static int run_group(struct docker *d, const struct group *g, int argc, char **argv)
{
	static struct flag no_flags[] = {FLAG_END};
	cleanup_free char *name = xasprintf("docker %s", g->name);
	const struct entry *en;
	struct err e = ERR_INIT;

	switch (flags_parse(no_flags, true, &argc, argv, &e)) {
	case FLAGS_HELP:
		return help_group(g, stdout);
	case FLAGS_WRONG:
		return wrong_flags(&e, name, "COMMAND");
	case FLAGS_OK:
		break;
	}
	if (!argc)
		return help_group(g, stdout);
	en = find_entry(g->name, argv[0]);
	return en ? run_entry(d, en, argc - 1, argv + 1) : unknown_command(d, g, argv[0]);
}

/* @typed: the command line as it was, @argv: it is put in order. */
static int run(struct docker *d, int argc, char **argv, char **typed)
{
	const struct entry *en;
	const struct group *g;
	struct err e = ERR_INIT;

	switch (flags_parse(global_flags, true, &argc, argv, &e)) {
	case FLAGS_HELP:
		help_top(stdout);
		return 0;
	case FLAGS_WRONG:
		return wrong_flags(&e, "docker", "[OPTIONS] COMMAND [ARG...]") ;
	case FLAGS_OK:
		break;
	}
	if (globals.version) {
		printf("Docker version %s, build %s\n", CORACLE_VERSION, CORACLE_COMMIT);
		return 0;
	}
	if (!argc) {
		help_top(stderr);
		return 0;
	}
	if (!strcmp(argv[0], "help"))
		return help_topic(argc - 1, argv + 1);
	if (find_engine(d, strcmp(argv[0], "context") != 0))
		return 1;
	g = find_group(argv[0]);
	if (g)
		return run_group(d, g, argc - 1, argv + 1);
	en = find_entry("", argv[0]);
	if (en)
		return run_entry(d, en, argc - 1, argv + 1);
	return plugin_run(d, argv[0], typed, &e) ? fail(&e) : unknown_command(d, NULL, argv[0]);
}

int docker_main(int argc, char **argv)
{
	static struct docker d;
	char **typed = xcalloc((size_t)argc + 1, sizeof(*typed));
	int status;

	memcpy(typed, argv, (size_t)argc * sizeof(*typed));
	signal(SIGPIPE, SIG_DFL);
	status = run(&d, argc - 1, argv + 1, typed);
	/* A full disk must not look like success. */
	if (fflush(stdout) || ferror(stdout)) {
		perror("docker: writing output");
		return status ? status : 1;
	}
	return status;
}
