/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_containers.c - commands on containers that are there: stop, kill, restart, rm,
 * rename, wait, pause, unpause, port, top, prune
 *
 * Theory of operation
 *   Where several containers are named, all requests are sent before the first answer is read: to
 *   stop ten of them takes as long as the slowest one.
 */
#include "call.h"
#include "prune.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	const char *signal;
	int64_t timeout, time;
	bool force, link, volumes;
	struct strlist filters;
} o;

/* --- for each of several containers ------------------------------------------------------- */

/* Make @method calls on @fmt (a target with %s) for all, print the names where that went well, then
 * the errors.  @forgiven: "not found" is no failure. */
static int for_each_container(struct docker *d, const char *method, const char *fmt, const char *query,
	bool forgiven, int argc, char **argv)
{
	struct call_slot *slots = xcalloc((size_t)argc, sizeof(*slots));
	cleanup_buf struct buf errors = BUF_INIT;
	int i, status = 0;

	for (i = 0; i < argc; i++) {
		cleanup_free char *path = container_target(fmt, argv[i], &slots[i].e);

		slots[i].method = method;
		slots[i].target = path ? xasprintf("%s%s", path, query) : NULL;
	}
	call_all(d, slots, (size_t)argc);
	for (i = 0; i < argc; i++) {
		if (!slots[i].failed) {
			printf("%s\n", argv[i]);
			continue;
		}
		buf_addf(&errors, "%s\n", slots[i].e.msg);
		if (!forgiven || slots[i].e.kind != ERR_NOT_FOUND)
			status = 1;
	}
	fflush(stdout);
	fputs(errors.p, stderr);
	free(slots);
	return status;
}

static void add_signal(struct buf *query)
{
	if (o.signal)
		target_query(query, "signal", o.signal);
}

static struct flag stop_flags[] = {
	{"signal", 's', FLAG_STRING, &o.signal, "Signal to send (default: the container's stop signal)"},
	{"time", 0, FLAG_INT, &o.time, "", .instead = "timeout"},
	{"timeout", 't', FLAG_INT, &o.timeout, "Seconds to wait before it is killed; -1: for ever"},
	FLAG_END,
};

static struct flag restart_flags[] = {
	{"signal", 's', FLAG_STRING, &o.signal, "Signal to send (default: the container's stop signal)"},
	{"time", 0, FLAG_INT, &o.time, "", .instead = "timeout"},
	{"timeout", 't', FLAG_INT, &o.timeout, "Seconds to wait before it is killed; -1: for ever"},
	FLAG_END,
};

static int stop_or_restart(struct docker *d, struct flag *flags, const char *fmt, int argc, char **argv)
{
	cleanup_buf struct buf query = BUF_INIT;
	bool old = flags_seen(flags, "time"), new = flags_seen(flags, "timeout");
	char seconds[24];

	if (old && new) {
		fputs("conflicting options: cannot specify both --timeout and --time\n", stderr);
		return 1;
	}
	add_signal(&query);
	if (old || new) {
		snprintf(seconds, sizeof(seconds), "%lld", (long long)(old ? o.time : o.timeout));
		target_query(&query, "t", seconds);
	}
	return for_each_container(d, "POST", fmt, query.p, false, argc, argv);
}

static int stop(struct docker *d, int argc, char **argv)
{
	return stop_or_restart(d, stop_flags, "/containers/%s/stop", argc, argv);
}

static int restart(struct docker *d, int argc, char **argv)
{
	return stop_or_restart(d, restart_flags, "/containers/%s/restart", argc, argv);
}

static struct flag kill_flags[] = {
	{"signal", 's', FLAG_STRING, &o.signal, "Signal to send (default KILL)"},
	FLAG_END,
};

static int kill_command(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf query = BUF_INIT;

	add_signal(&query);
	return for_each_container(d, "POST", "/containers/%s/kill", query.p, false, argc, argv);
}

static int pause_command(struct docker *d, int argc, char **argv)
{
	return for_each_container(d, "POST", "/containers/%s/pause", "", false, argc, argv);
}

static int unpause(struct docker *d, int argc, char **argv)
{
	return for_each_container(d, "POST", "/containers/%s/unpause", "", false, argc, argv);
}

static struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, &o.force, "Kill it first if it runs"},
	{"link", 'l', FLAG_BOOL, &o.link, "Remove the link of that name, not the container"},
	{"volumes", 'v', FLAG_BOOL, &o.volumes, "Remove its anonymous volumes too"},
	FLAG_END,
};

static int rm(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf query = BUF_INIT;
	int i;

	if (o.force)
		target_query(&query, "force", "1");
	if (o.link)
		target_query(&query, "link", "1");
	if (o.volumes)
		target_query(&query, "v", "1");
	for (i = 0; i < argc; i++) /* "/name" is how inspect shows names */
		if (argv[i][0] == '/' && argv[i][1])
			argv[i]++;
	return for_each_container(d, "DELETE", "/containers/%s", query.p, o.force, argc, argv);
}

/* --- rename, wait ------------------------------------------------------------------------- */

static int rename_command(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = container_target("/containers/%s/rename", argv[0], &e);
	cleanup_buf struct buf to = BUF_INIT;

	(void)argc;
	if (!*argv[0] || !*argv[1]) {
		fputs("Error: Neither old nor new names may be empty\n", stderr);
		return 1;
	}
	if (path) {
		buf_adds(&to, path);
		target_query(&to, "name", argv[1]);
	}
	if (!path || call_post(d, to.p, NULL, NULL, &e)) {
		fail(&e);
		fprintf(stderr, "Error: failed to rename container named %s\n", argv[0]);
		return 1;
	}
	return 0;
}

static int wait_command(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf errors = BUF_INIT;
	int i, status = 0;

	for (i = 0; i < argc; i++) {
		struct err e = ERR_INIT;
		cleanup_free char *to = container_target("/containers/%s/wait", argv[i], &e);
		cleanup_json json_t *j = NULL;
		const char *message;

		if (!to || call_post(d, to, NULL, &j, &e)) {
			buf_addf(&errors, "%s\n", e.msg);
			status = 1;
			continue;
		}
		message = json_str(json_obj(j, "Error"), "Message", "");
		if (*message) {
			buf_addf(&errors, "%s\n", message);
			status = 1;
		}
		printf("%lld\n", (long long)json_int(j, "StatusCode", 0));
		fflush(stdout);
	}
	fputs(errors.p, stderr);
	return status;
}

/* --- port --------------------------------------------------------------------------------- */

static void print_bindings(const char *port, const json_t *bindings, bool alone)
{
	size_t i;

	for (i = 0; i < json_array_size(bindings); i++) {
		const json_t *b = json_array_get(bindings, i);
		const char *ip = json_str(b, "HostIp", "");

		if (!alone)
			printf("%s -> ", port);
		printf(strchr(ip, ':') ? "[%s]:%s\n" : "%s:%s\n", ip, json_str(b, "HostPort", ""));
	}
}

static int by_port(const void *pa, const void *pb)
{
	const char *a = *(const char *const *)pa, *b = *(const char *const *)pb;
	int na = atoi(a), nb = atoi(b); /* "80/tcp"; what is no number counts as 0 */

	return na != nb ? (na > nb) - (na < nb) : strcmp(a, b);
}

static int port(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_free char *to = container_target("/containers/%s/json", argv[0], &e), *want = NULL;
	cleanup_json json_t *j = NULL;
	json_t *ports, *bindings;
	struct strlist names = {0};
	const char *name;
	size_t i;

	if (!to || call_get(d, to, &j, &e))
		return fail(&e);
	ports = json_path(j, "NetworkSettings", "Ports", NULL);
	if (argc > 1) {
		want = strchr(argv[1], '/') ? xstrdup(argv[1]) : xasprintf("%s/tcp", argv[1]);
		bindings = json_object_get(ports, want);
		if (!json_array_size(bindings)) {
			fprintf(stderr, "Error: No public port '%s' published for %s\n", argv[1], argv[0]);
			return 1;
		}
		print_bindings(want, bindings, true);
		return 0;
	}
	json_object_foreach(ports, name, bindings)
		strlist_add(&names, name);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_port);
	for (i = 0; i < names.n; i++)
		print_bindings(names.v[i], json_object_get(ports, names.v[i]), false);
	return 0;
}

/* --- top ---------------------------------------------------------------------------------- */

static void add_cells(const json_t *cells, struct buf *out)
{
	size_t i;

	for (i = 0; i < json_array_size(cells); i++) {
		const char *cell = json_string_value(json_array_get(cells, i));

		buf_addf(out, "%s%s", i ? "\t" : "", cell ? cell : "");
	}
	buf_addc(out, '\n');
}

static int top(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = container_target("/containers/%s/top", argv[0], &e);
	cleanup_buf struct buf to = BUF_INIT, args = BUF_INIT, text = BUF_INIT, aligned = BUF_INIT;
	cleanup_json json_t *j = NULL;
	const json_t *rows;
	size_t i;
	int k;

	if (!path)
		return fail(&e);
	buf_adds(&to, path);
	for (k = 1; k < argc; k++)
		buf_addf(&args, "%s%s", k > 1 ? " " : "", argv[k]);
	if (args.n)
		target_query(&to, "ps_args", args.p);
	if (call_get(d, to.p, &j, &e))
		return fail(&e);
	add_cells(json_arr(j, "Titles"), &text);
	rows = json_arr(j, "Processes");
	for (i = 0; i < json_array_size(rows); i++)
		add_cells(json_array_get(rows, i), &text);
	table_align((struct span){text.p, text.n}, 20, 3, &aligned);
	fwrite(aligned.p, 1, aligned.n, stdout);
	return 0;
}

/* --- prune -------------------------------------------------------------------------------- */

static struct flag prune_flags[] = {
	{"filter", 0, FLAG_LIST, &o.filters, "Only what matches: until=24h, label=key=value", "filter", check_filter},
	{"force", 'f', FLAG_BOOL, &o.force, "Do not ask"},
	FLAG_END,
};

static int prune(struct docker *d, int argc, char **argv)
{
	int64_t reclaimed = 0;
	struct err e = ERR_INIT;

	(void)argc, (void)argv;
	if (!o.force && !confirm("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?"))
		return 0;
	if (prune_kind(d, "/containers/prune", "Deleted Containers:", "ContainersDeleted", &o.filters, &reclaimed, &e))
		return fail(&e);
	prune_total(reclaimed);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

#define CONTAINERS "CONTAINER [CONTAINER...]"

static struct command cmd_stop = {"[OPTIONS] " CONTAINERS, "Stop one or more running containers",
	"It gets its stop signal (SIGTERM unless told otherwise), and SIGKILL 10 seconds later.\n",
	stop_flags, 1, -1, false, stop};
static struct command cmd_restart = {"[OPTIONS] " CONTAINERS, "Restart one or more containers", NULL,
	restart_flags, 1, -1, false, restart};
static struct command cmd_kill = {"[OPTIONS] " CONTAINERS, "Kill one or more running containers", NULL,
	kill_flags, 1, -1, false, kill_command};
static struct command cmd_pause = {CONTAINERS, "Pause all processes within one or more containers", NULL,
	NULL, 1, -1, false, pause_command};
static struct command cmd_unpause = {CONTAINERS, "Unpause all processes within one or more containers", NULL,
	NULL, 1, -1, false, unpause};
static struct command cmd_rm = {"[OPTIONS] " CONTAINERS, "Remove one or more containers",
	"Example:\n  docker rm $(docker ps -aq -f status=exited)     or: docker container prune\n",
	rm_flags, 1, -1, false, rm};
static struct command cmd_rename = {"CONTAINER NEW_NAME", "Rename a container", NULL,
	NULL, 2, 2, false, rename_command};
static struct command cmd_wait = {CONTAINERS,
	"Block until one or more containers stop, then print their exit codes", NULL,
	NULL, 1, -1, false, wait_command};
static struct command cmd_port = {"CONTAINER [PRIVATE_PORT[/PROTO]]",
	"List port mappings or a specific mapping for the container", NULL,
	NULL, 1, 2, false, port};
static struct command cmd_top = {"CONTAINER [ps OPTIONS]", "Display the running processes of a container",
	NULL, NULL, 1, -1, true, top};
static struct command cmd_prune = {"[OPTIONS]", "Remove all stopped containers", NULL,
	prune_flags, 0, 0, false, prune};

const struct entry entries_containers[] = {
	{"", "stop", NULL, &cmd_stop},
	{"container", "stop", NULL, &cmd_stop},
	{"", "restart", NULL, &cmd_restart},
	{"container", "restart", NULL, &cmd_restart},
	{"", "kill", NULL, &cmd_kill},
	{"container", "kill", NULL, &cmd_kill},
	{"", "pause", NULL, &cmd_pause},
	{"container", "pause", NULL, &cmd_pause},
	{"", "unpause", NULL, &cmd_unpause},
	{"container", "unpause", NULL, &cmd_unpause},
	{"", "rm", NULL, &cmd_rm},
	{"container", "rm", "remove", &cmd_rm},
	{"", "rename", NULL, &cmd_rename},
	{"container", "rename", NULL, &cmd_rename},
	{"", "wait", NULL, &cmd_wait},
	{"container", "wait", NULL, &cmd_wait},
	{"", "port", NULL, &cmd_port},
	{"container", "port", NULL, &cmd_port},
	{"", "top", NULL, &cmd_top},
	{"container", "top", NULL, &cmd_top},
	{"container", "prune", NULL, &cmd_prune},
	{0},
};
