/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_context.c - docker context create, update, ls, rm, show, use
 *
 * None of them asks an engine: they must work when the current context leads nowhere.
 */
#include "context_store.h"
#include "docker.h"
#include "format.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_DESCRIPTION "Current DOCKER_HOST based configuration"

/* --- create ------------------------------------------------------------------------------- */

static struct {
	const char *description, *docker, *from;
} cr;

static struct flag create_flags[] = {
	{"description", 0, FLAG_STRING, &cr.description, "Description of the context"},
	{"docker", 0, FLAG_STRING, &cr.docker, "set the docker endpoint: host=URL,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL",
		"stringToString"},
	{"from", 0, FLAG_STRING, &cr.from, "create context from a named context"},
	FLAG_END,
};

static int set_key(struct span key, char *value, json_t *docker, struct context_tls *tls, const char **from,
	struct err *e)
{
	if (span_eqs(key, "host"))
		json_set_str(docker, "Host", value);
	else if (span_eqs(key, "ca"))
		tls->ca = value;
	else if (span_eqs(key, "cert"))
		tls->cert = value;
	else if (span_eqs(key, "key"))
		tls->key = value;
	else if (span_eqs(key, "from"))
		*from = value;
	else if (span_eqs(key, "skip-tls-verify"))
		json_set_bool(docker, "SkipTLSVerify", str_in(value, (const char *const[]){"true", "1", "t", "T", "TRUE", "True", NULL}));
	else
		return err_kind(e, ERR_INVALID, "unable to create docker endpoint config: unrecognized config key: %.*s",
			(int)key.n, key.p);
	return 0;
}

/* --docker host=…,ca=…: pairs between commas.  The values live as long as the process. */
static int parse_docker(const char *text, json_t *docker, struct context_tls *tls, const char **from, struct err *e)
{
	struct span rest = span_of(text), pair;

	while (span_token(&rest, ',', &pair)) {
		struct span value;
		ssize_t is = span_chr(pair, '=');

		if (is < 0)
			return err_kind(e, ERR_INVALID, "invalid argument \"%s\" for \"--docker\" flag: %.*s must be formatted as key=value",
				text, (int)pair.n, pair.p);
		value = span_cut(&pair, (size_t)is);
		if (set_key(pair, span_dup(value), docker, tls, from, e))
			return -1;
	}
	return 0;
}

/* What another context says, its keys included; and its description, unless there is one. */
static int copy_from(struct docker *d, const char *name, json_t *docker, struct context_tls *tls,
	const char **description, struct err *e)
{
	cleanup_json json_t *meta = NULL;
	cleanup_free char *dir = context_tls_dir(d->config_dir, name);
	const char **to[] = {&tls->ca, &tls->cert, &tls->key};
	const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
	size_t i;

	if (!strcmp(name, "default")) {
		json_set_str(docker, "Host", d->endpoint.url);
		*description = *description ? *description : DEFAULT_DESCRIPTION;
		return 0;
	}
	meta = context_load(d->config_dir, name, e);
	if (!meta)
		return -1;
	if (!*description)
		*description = xstrdup(json_str(json_obj(meta, "Metadata"), "Description", NULL));
	json_object_update(docker, json_path(meta, "Endpoints", "docker", NULL));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		char *path = xasprintf("%s/docker/%s", dir, files[i]);

		if (fs_exists_at(AT_FDCWD, path))
			*to[i] = path;
	}
	return 0;
}

static int create(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *docker = json_object();
	struct context_tls tls = {0};
	const char *from = cr.from, *description = cr.description, *whatever = "";
	struct err e = ERR_INIT;

	(void)argc;
	if (cr.docker && parse_docker(cr.docker, docker, &tls, &from, &e))
		return fail(&e);
	if (!cr.docker && !from)
		from = d->endpoint.context;
	/* --docker from=… is about the endpoint alone. */
	if (from && copy_from(d, from, docker, &tls, cr.docker ? &whatever : &description, &e))
		return fail(&e);
	if (json_object_size(docker) && !json_object_get(docker, "SkipTLSVerify"))
		json_set_bool(docker, "SkipTLSVerify", false);
	if (context_create(d->config_dir, argv[0], description, docker, &tls, &e))
		return fail(&e);
	puts(argv[0]);
	fprintf(stderr, "Successfully created context \"%s\"\n", argv[0]);
	return 0;
}

/* --- update ------------------------------------------------------------------------------- */

static struct flag update_flags[] = {
	{"description", 0, FLAG_STRING, &cr.description, "Description of the context"},
	{"docker", 0, FLAG_STRING, &cr.docker, "set the docker endpoint: host=URL,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL",
		"stringToString"},
	FLAG_END,
};

static int update(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *docker = json_object(), *meta = NULL;
	const char *from = NULL, *whatever = "";
	struct context_tls tls = {0};
	struct err e = ERR_INIT;

	(void)argc;
	if (context_check_name(argv[0], &e) || !(meta = context_load(d->config_dir, argv[0], &e)))
		return fail(&e);
	if (cr.description)
		json_set_str(json_obj(meta, "Metadata"), "Description", cr.description);
	if (cr.docker && (parse_docker(cr.docker, docker, &tls, &from, &e) ||
		(from && copy_from(d, from, docker, &tls, &whatever, &e))))
		return fail(&e);
	if (cr.docker) {
		if (!json_object_get(docker, "SkipTLSVerify"))
			json_set_bool(docker, "SkipTLSVerify", false);
		json_object_set(json_obj(meta, "Endpoints"), "docker", docker);
	}
	if (context_save(d->config_dir, argv[0], meta, cr.docker ? &tls : NULL, &e))
		return fail(&e);
	puts(argv[0]);
	fprintf(stderr, "Successfully updated context \"%s\"\n", argv[0]);
	return 0;
}

/* --- ls ----------------------------------------------------------------------------------- */

static struct {
	const char *format;
	bool quiet;
} ls;

static struct flag ls_flags[] = {
	{"format", 0, FLAG_STRING, &ls.format, "'table', 'table TEMPLATE', 'json' or a Go template"},
	{"quiet", 'q', FLAG_BOOL, &ls.quiet, "Only show context names"},
	FLAG_END,
};

static const struct field fields[] = {
	{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"DockerEndpoint", "DOCKER ENDPOINT"},
	{"Current", ""}, {"Error", "ERROR"}, {0},
};

static const struct listing kind = {
	.fields = fields,
	.table = "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
	.quiet = "{{.Name}}",
	.type = "*formatter.clientContextContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

static json_t *row_of(const char *name, bool current, const char *description, const char *endpoint, const char *error)
{
	json_t *row = json_object();

	json_set_bool(row, "Current", current);
	json_set_str(row, "Description", description);
	json_set_str(row, "DockerEndpoint", endpoint);
	json_set_str(row, "Error", error);
	json_set_str(row, "Name", name);
	return row;
}

static int add_default(struct docker *d, struct list *l, struct err *e)
{
	struct endpoint ep;

	if (endpoint_find(&ep, NULL, "default", d->config_dir, NULL, NULL, e))
		return -1;
	return list_row(l, row_of("default", !strcmp(d->endpoint.context, "default"), DEFAULT_DESCRIPTION, ep.url, ""), e);
}

static int list(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *all = context_list(d->config_dir);
	bool found = !strcmp(d->endpoint.context, "default"), before = false;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	(void)argc, (void)argv;
	if (list_begin(&l, &kind, ls.format, ls.quiet, &e))
		return fail(&e);
	for (i = 0; i <= json_array_size(all); i++) {
		const json_t *meta = json_array_get(all, i);
		const char *name = json_str(meta, "Name", "");
		bool current = meta && !strcmp(name, d->endpoint.context);

		if (!before && (!meta || strcmp(name, "default") > 0)) {
			before = true;
			if (add_default(d, &l, &e))
				return fail(&e);
		}
		found |= current;
		if (meta && list_row(&l, row_of(name, current, json_str(json_obj(meta, "Metadata"), "Description", ""),
						json_str(json_path(meta, "Endpoints", "docker", NULL), "Host", ""), ""), &e))
			return fail(&e);
	}
	if (!found && list_row(&l, row_of(d->endpoint.context, true, "", "", "context not found"), &e))
		return fail(&e);
	list_end(&l);
	fflush(stdout);
	if (getenv("DOCKER_HOST") && *getenv("DOCKER_HOST"))
		fputs("Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set "
		      "the global --context flag, or unset DOCKER_HOST environment variable.\n", stderr);
	return 0;
}

/* --- rm, use, show ------------------------------------------------------------------------ */

static bool force;

static struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, &force, "Force the removal of a context in use"},
	FLAG_END,
};

static int remove_one(struct docker *d, const char *name, struct err *e)
{
	if (force && !context_exists(d->config_dir, name) && strcmp(name, "default"))
		return 0;
	if (!strcmp(name, "default") || strcmp(name, d->endpoint.context))
		return context_remove(d->config_dir, name, e);
	if (!force)
		return err_kind(e, ERR_CONFLICT, "context \"%s\" is in use, set -f flag to force remove", name);
	if (context_use(d->config_dir, "default", e))
		return -1;
	return context_remove(d->config_dir, name, e);
}

static int rm(struct docker *d, int argc, char **argv)
{
	int i, status = 0;

	for (i = 0; i < argc; i++) {
		struct err e = ERR_INIT;

		if (remove_one(d, argv[i], &e))
			status = fail(&e);
		else
			puts(argv[i]);
	}
	return status;
}

static int use(struct docker *d, int argc, char **argv)
{
	const char *host = getenv("DOCKER_HOST");
	struct err e = ERR_INIT;

	(void)argc;
	if (context_use(d->config_dir, argv[0], &e))
		return fail(&e);
	puts(argv[0]);
	fflush(stdout);
	fprintf(stderr, "Current context is now \"%s\"\n", argv[0]);
	if (host && *host && strcmp(argv[0], "default"))
		fprintf(stderr, "Warning: DOCKER_HOST environment variable overrides the active context. To use \"%s\", either "
			"set the global --context flag, or unset DOCKER_HOST environment variable.\n", argv[0]);
	return 0;
}

static int show(struct docker *d, int argc, char **argv)
{
	(void)argc, (void)argv;
	puts(d->endpoint.context);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_create = {"[OPTIONS] CONTEXT", "Create a context",
	"Example:\n  docker context create my-context --description \"some description\" \\\n"
	"    --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\"\n",
	create_flags, 1, 1, false, create};
static struct command cmd_update = {"[OPTIONS] CONTEXT", "Update a context",
	"Example:\n  docker context update my-context --docker host=ssh://user@host\n", update_flags, 1, 1, false, update};
static struct command cmd_ls = {"[OPTIONS]", "List contexts", NULL, ls_flags, 0, 0, false, list};
static struct command cmd_rm = {"CONTEXT [CONTEXT...]", "Remove one or more contexts", NULL, rm_flags, 1, -1, false, rm};
static struct command cmd_show = {"", "Print the name of the current context", NULL, NULL, 0, 0, false, show};
static struct command cmd_use = {"CONTEXT", "Set the current docker context", NULL, NULL, 1, 1, false, use};

const struct entry entries_context[] = {
	{"context", "create", NULL, &cmd_create},
	{"context", "ls", "list", &cmd_ls},
	{"context", "rm", "remove", &cmd_rm},
	{"context", "show", NULL, &cmd_show},
	{"context", "update", NULL, &cmd_update},
	{"context", "use", NULL, &cmd_use},
	{0},
};
