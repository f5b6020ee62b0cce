/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_system.c - docker version, events
 */
#include "call.h"
#include "moment.h"
#include "format.h"
#include "gotypes.h"
#include "info.h"
#include "table.h"
#include "template.h"
#include "version.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#define EXIT_TEMPLATE 64 /* a template that does not parse */
#define WRITTEN_IN "none (C)" /* where others name their Go */

static const char *machine(void)
{
	static struct utsname host;

	uname(&host);
	return !strcmp(host.machine, "x86_64") ? "amd64" : !strcmp(host.machine, "aarch64") ? "arm64" : host.machine;
}

/* "Tue Sep 15 11:02:57 2026"; what is no time stays as it is. To free(). */
static char *build_date(const char *text)
{
	char out[64];
	struct tm tm;
	time_t s;
	int64_t ns;

	if (clock_parse(text, &ns))
		return xstrdup(text);
	s = (time_t)(ns / NS_PER_S);
	gmtime_r(&s, &tm);
	strftime(out, sizeof(out), "%a %b %e %H:%M:%S %Y", &tm);
	return xstrdup(out);
}

/* --- version ------------------------------------------------------------------------------ */

static struct {
	const char *format;
} ve;

static struct flag version_flags[] = {
	{"format", 'f', FLAG_STRING, &ve.format, "'json', or a Go template: '{{.Server.Version}}'"},
	FLAG_END,
};

static json_t *client_version(const struct docker *d)
{
	cleanup_free char *built = build_date(CORACLE_BUILD_TIME);
	json_t *j = json_object();

	json_set_str(j, "Version", CORACLE_VERSION);
	json_set_str(j, "ApiVersion", d->api_version);
	json_set_str(j, "DefaultAPIVersion", "1.51");
	json_set_str(j, "GitCommit", CORACLE_COMMIT);
	json_set_str(j, "GoVersion", WRITTEN_IN);
	json_set_str(j, "Os", "linux");
	json_set_str(j, "Arch", machine());
	json_set_str(j, "BuildTime", built);
	json_set_str(j, "Context", d->endpoint.context);
	return j;
}

/* Build times for people, as the stock client has them. */
static void tidy_server(json_t *server)
{
	json_t *components = json_arr(server, "Components"), *details;
	size_t i;

	for (i = 0; i < json_array_size(components); i++) {
		details = json_obj(json_array_get(components, i), "Details");
		if (json_str(details, "BuildTime", NULL)) {
			cleanup_free char *date = build_date(json_str(details, "BuildTime", ""));

			json_set_str(details, "BuildTime", date);
		}
	}
}

static void print_client(const json_t *c, struct buf *b)
{
	buf_adds(b, "Client:\n");
	buf_addf(b, " Version:\t%s\n API version:\t%s", json_str(c, "Version", ""), json_str(c, "ApiVersion", ""));
	if (strcmp(json_str(c, "ApiVersion", ""), json_str(c, "DefaultAPIVersion", "")))
		buf_addf(b, " (downgraded from %s)", json_str(c, "DefaultAPIVersion", ""));
	buf_addf(b, "\n Go version:\t%s\n Git commit:\t%s\n Built:\t%s\n OS/Arch:\t%s/%s\n Context:\t%s\n",
		json_str(c, "GoVersion", ""), json_str(c, "GitCommit", ""), json_str(c, "BuildTime", ""),
		json_str(c, "Os", ""), json_str(c, "Arch", ""), json_str(c, "Context", ""));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_component(const json_t *c, struct buf *b)
{
	const json_t *details = json_obj(c, "Details");
	struct strlist names = {0};
	const char *name;
	json_t *value;
	size_t i;

	buf_addf(b, " %s:\n  Version:\t%s\n", json_str(c, "Name", ""), json_str(c, "Version", ""));
	if (!strcmp(json_str(c, "Name", ""), "Engine")) {
		buf_addf(b, "  API version:\t%s (minimum version %s)\n  Go version:\t%s\n  Git commit:\t%s\n  Built:\t%s\n"
			"  OS/Arch:\t%s/%s\n  Experimental:\t%s\n",
			json_str(details, "ApiVersion", ""), json_str(details, "MinAPIVersion", ""),
			json_str(details, "GoVersion", ""), json_str(details, "GitCommit", ""),
			json_str(details, "BuildTime", ""), json_str(details, "Os", ""), json_str(details, "Arch", ""),
			json_str(details, "Experimental", ""));
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)details, name, value)
		strlist_add(&names, name);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_text);
	for (i = 0; i < names.n; i++)
		buf_addf(b, "  %s:\t%s\n", names.v[i], json_str(details, names.v[i], ""));
}

static void print_server(const json_t *s, struct buf *b)
{
	const char *platform = json_str(json_obj(s, "Platform"), "Name", "");
	const json_t *components = json_arr(s, "Components");
	size_t i;

	buf_addf(b, "\nServer:%s%s\n", *platform ? " " : "", platform);
	for (i = 0; i < json_array_size(components); i++)
		print_component(json_array_get(components, i), b);
}

/* A template over one object, and a newline whatever happens.  Exit status. */
static int print_by_template(const char *name, const char *type, const char *format, json_t *j)
{
	bool json = !strcmp(format, "json");
	cleanup_free char *text = format_unescape(json ? "{{json .}}" : format);
	struct tmpl_env env = go_env;
	cleanup_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	struct tmpl *t = tmpl_parse(name, text, &e);
	int rc;

	if (!t) {
		err_wrap(&e, "template parsing error");
		fail(&e);
		return EXIT_TEMPLATE;
	}
	env.type = type;
	rc = tmpl_exec(t, j, &env, &out, &e);
	puts(out.p);
	fflush(stdout);
	tmpl_free(t);
	return rc ? fail(&e) : 0;
}

static int version(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *all = json_object(), *server = NULL, *client = NULL;
	cleanup_buf struct buf text = BUF_INIT, aligned = BUF_INIT;
	struct err e = ERR_INIT;
	int rc, status = 0;

	(void)argc, (void)argv;
	rc = call_get(d, "/version", &server, &e);
	client = client_version(d);
	if (!rc)
		tidy_server(server);
	if (ve.format && *ve.format) {
		json_object_set(all, "Client", client);
		json_set_new(all, "Server", rc ? json_null() : json_incref(server));
		status = print_by_template("version", "system.versionInfo", ve.format, all);
	} else {
		print_client(client, &text);
		if (!rc)
			print_server(server, &text);
		table_align((struct span){text.p, text.n}, 20, 1, &aligned);
		fwrite(aligned.p, 1, aligned.n, stdout);
		fflush(stdout);
	}
	if (status)
		return status;
	return rc ? fail(&e) : 0;
}

/* --- events ------------------------------------------------------------------------------- */

static struct {
	const char *since, *until, *format;
	struct strlist filters;
} ev;

static struct flag events_flags[] = {
	{"filter", 'f', FLAG_LIST, &ev.filters, "Show only what matches: type=container, event=die, container=NAME, label=",
		"filter", check_filter},
	{"format", 0, FLAG_STRING, &ev.format, "'json', or a Go template: '{{.Action}} {{.Actor.Attributes.name}}'"},
	{"since", 0, FLAG_STRING, &ev.since, "From a moment on: 42m (ago), 2013-01-02T13:23:37Z"},
	{"until", 0, FLAG_STRING, &ev.until, "Up to a moment: 42m (ago), 2013-01-02T13:23:37Z"},
	FLAG_END,
};

static void print_event(const json_t *m)
{
	int64_t ns = json_int(m, "timeNano", 0), s = json_int(m, "time", 0);
	const json_t *actor = json_obj(m, "Actor"), *attributes = json_obj(actor, "Attributes");
	cleanup_free char *at = ns ? moment_format(ns) : s ? moment_format(s * NS_PER_S) : NULL;
	struct strlist names = {0};
	const char *name;
	json_t *value;
	size_t i;

	if (at)
		printf("%s ", at);
	printf("%s %s %s", json_str(m, "Type", ""), json_str(m, "Action", ""), json_str(actor, "ID", ""));
	json_object_foreach((json_t *)(uintptr_t)attributes, name, value)
		strlist_add(&names, name);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_text);
	for (i = 0; i < names.n; i++)
		printf("%s%s=%s", i ? ", " : " (", names.v[i], json_str(attributes, names.v[i], ""));
	puts(names.n ? ")" : "");
	free(names.v);
}

static int show_event(const struct tmpl *t, json_t *m, struct err *e)
{
	static const char *const maps[] = {"Attributes", NULL};
	struct tmpl_env env = {.maps = maps};
	cleanup_buf struct buf out = BUF_INIT;

	if (!t)
		print_event(m);
	else if (tmpl_exec(t, m, &env, &out, e))
		return -1;
	else
		puts(out.p);
	fflush(stdout);
	return 0;
}

static int add_moment(struct buf *to, const char *name, const char *text, struct err *e)
{
	cleanup_free char *value = text && *text ? moment_parse(text, e) : NULL;

	if (value)
		target_query(to, name, value);
	return text && *text && !value ? -1 : 0;
}

static int events(struct docker *d, int argc, char **argv)
{
	cleanup_free char *format = ev.format && *ev.format ?
		format_unescape(!strcmp(ev.format, "json") ? "{{json .}}" : ev.format) : NULL;
	cleanup_buf struct buf to = BUF_INIT;
	struct json_stream in = {.text = BUF_INIT};
	struct err e = ERR_INIT;
	struct tmpl *t = NULL;
	json_t *m;
	int rc;

	(void)argc, (void)argv;
	if (format && !(t = tmpl_parse("", format, &e))) {
		err_wrap(&e, "Error parsing format");
		fail(&e);
		return EXIT_TEMPLATE;
	}
	buf_adds(&to, "/events");
	if (add_moment(&to, "since", ev.since, &e) || add_moment(&to, "until", ev.until, &e))
		return fail(&e);
	query_filters(&to, &ev.filters);
	in.c = call_open(d, &(struct call){.method = "GET", .target = to.p}, true, &e);
	if (!in.c)
		return fail(&e);
	while ((rc = json_stream_next(&in, &m, &e)) > 0) {
		rc = show_event(t, m, &e);
		json_decref(m);
		if (rc)
			break;
	}
	buf_release(&in.text);
	client_close(in.c);
	tmpl_free(t);
	return rc < 0 ? fail(&e) : 0;
}

/* --- info --------------------------------------------------------------------------------- */

static struct {
	const char *format;
} nf;

static struct flag info_flags[] = {
	{"format", 'f', FLAG_STRING, &nf.format, "'json', or a Go template: '{{.Driver}} {{.CgroupDriver}}'"},
	FLAG_END,
};

static json_t *client_info(const struct docker *d)
{
	json_t *j = json_object();

	json_set_bool(j, "Debug", d->debug);
	json_set_new(j, "Plugins", json_array());
	json_set_new(j, "Warnings", json_null());
	json_object_update_new(j, client_version(d));
	return j;
}

static int info(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;
	int rc, status;

	(void)argc, (void)argv;
	rc = call_get(d, "/info", &j, &e);
	if (!nf.format || !*nf.format) {
		printf("Client:\n Version:    %s\n Context:    %s\n Debug Mode: %s\n\nServer:\n", CORACLE_VERSION,
			d->endpoint.context, d->debug ? "true" : "false");
		if (!rc)
			info_print(j);
		fflush(stdout);
		if (!rc)
			info_warn(j);
		return rc ? fail(&e) : 0;
	}
	if (rc)
		j = json_object();
	json_set_new(j, "ClientInfo", client_info(d));
	if (rc) {
		puts("");
		return fail(&e);
	}
	status = print_by_template("", "system.dockerInfo", nf.format, j);
	return status;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_version = {"[OPTIONS]", "Show the Docker version information", NULL, version_flags,
	0, 0, false, version};
static struct command cmd_info = {"[OPTIONS]", "Display system-wide information", NULL, info_flags,
	0, 0, false, info};
static struct command cmd_events = {"[OPTIONS]", "Get real time events from the server",
	"Example:\n  docker events -f type=container --since 10m\n", events_flags, 0, 0, false, events};

const struct entry entries_system[] = {
	{"", "version", NULL, &cmd_version},
	{"", "info", NULL, &cmd_info},
	{"system", "info", NULL, &cmd_info},
	{"", "events", NULL, &cmd_events},
	{"system", "events", NULL, &cmd_events},
	{0},
};
