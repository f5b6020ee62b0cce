/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_stats.c - docker stats
 *
 * Theory of operation
 *   CPU time is a difference, so every container is looked at twice, a second apart.  All are asked
 *   for one look each in turn, which costs a millisecond, instead of a stream each; the second
 *   look of a round is the first of the next.
 */
#include "call.h"
#include "format.h"
#include "units.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct {
	bool all, no_stream, no_trunc;
	const char *format;
} o;

static struct flag flags[] = {
	{"all", 'a', FLAG_BOOL, &o.all, "Show all containers (default: only those that run)"},
	{"format", 0, FLAG_STRING, &o.format,
		"'table', 'table TEMPLATE', 'json' or a Go template: '{{.Name}} {{.CPUPerc}}'"},
	{"no-stream", 0, FLAG_BOOL, &o.no_stream, "Print once, and not again and again"},
	{"no-trunc", 0, FLAG_BOOL, &o.no_trunc, "Don't shorten anything"},
	FLAG_END,
};

static const struct field fields[] = {
	{"BlockIO", "BLOCK I/O"}, {"CPUPerc", "CPU %"}, {"Container", "CONTAINER"}, {"ID", "CONTAINER ID"},
	{"MemPerc", "MEM %"}, {"MemUsage", "MEM USAGE / LIMIT"}, {"Name", "NAME"}, {"NetIO", "NET I/O"},
	{"PIDs", "PIDS"}, {NULL, NULL},
};

static const struct listing kind = {
	.fields = fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
	.type = "*container.statsContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

/* --- numbers -------------------------------------------------------------------------------- */

static double cpu_percent(const json_t *s)
{
	const json_t *now = json_obj(s, "cpu_stats"), *before = json_obj(s, "precpu_stats");
	double used = (double)(json_int(json_obj(now, "cpu_usage"), "total_usage", 0) -
			       json_int(json_obj(before, "cpu_usage"), "total_usage", 0));
	double all = (double)(json_int(now, "system_cpu_usage", 0) - json_int(before, "system_cpu_usage", 0));

	return used > 0 && all > 0 ? used / all * (double)json_int(now, "online_cpus", 1) * 100 : 0;
}

static char *pair(int64_t a, int64_t b, bool binary)
{
	cleanup_free char *x = binary ? human_size_binary((double)a) : human_size((double)a, 3);
	cleanup_free char *y = binary ? human_size_binary((double)b) : human_size((double)b, 3);

	return xasprintf("%s / %s", x, y);
}

static char *network_text(const json_t *s)
{
	int64_t received = 0, sent = 0;
	const char *name;
	json_t *v;

	json_object_foreach(json_obj(s, "networks"), name, v) {
		received += json_int(v, "rx_bytes", 0);
		sent += json_int(v, "tx_bytes", 0);
	}
	return pair(received, sent, false);
}

static char *disk_text(const json_t *s)
{
	int64_t in = 0, out = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(json_obj(s, "blkio_stats"), "io_service_bytes_recursive"), i, v) {
		const char *op = json_str(v, "op", "");

		if (!strcmp(op, "read") || !strcmp(op, "Read"))
			in += json_int(v, "value", 0);
		else if (!strcmp(op, "write") || !strcmp(op, "Write"))
			out += json_int(v, "value", 0);
	}
	return pair(in, out, false);
}

/* --- a row ------------------------------------------------------------------------------------ */

static json_t *row(const char *id, const char *name, const char *asked, const json_t *s)
{
	const json_t *memory = json_obj(s, "memory_stats"), *detail = json_obj(memory, "stats");
	int64_t cache = json_int(detail, "total_inactive_file", json_int(detail, "inactive_file", 0));
	int64_t used = json_int(memory, "usage", 0), limit = json_int(memory, "limit", 0);
	cleanup_free char *text = short_id(id, !o.no_trunc), *cpu = xasprintf("%.2f%%", cpu_percent(s));
	cleanup_free char *network = network_text(s), *disk = disk_text(s), *percent = NULL, *usage = NULL;
	json_t *j = json_object();
	char pids[24];

	used -= cache < used ? cache : 0;
	usage = pair(used, limit, true);
	percent = xasprintf("%.2f%%", limit ? (double)used / (double)limit * 100 : 0.0);
	snprintf(pids, sizeof(pids), "%lld", (long long)json_int(json_obj(s, "pids_stats"), "current", 0));
	json_set_str(j, "BlockIO", disk);
	json_set_str(j, "CPUPerc", cpu);
	json_set_str(j, "Container", asked ? asked : text);
	json_set_str(j, "ID", text);
	json_set_str(j, "MemPerc", percent);
	json_set_str(j, "MemUsage", usage);
	json_set_str(j, "Name", name + (*name == '/'));
	json_set_str(j, "NetIO", network);
	json_set_str(j, "PIDs", pids);
	return j;
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* Who is to be shown: an array of {"id", "name", "asked"}. NULL with @e. */
static json_t *targets(struct docker *d, int argc, char **argv, struct err *e)
{
	cleanup_json json_t *list = NULL, *out = json_array();
	const json_t *v;
	size_t i;
	int k;

	for (k = 0; k < argc; k++) {
		cleanup_free char *to = container_target("/containers/%s/json", argv[k], e);
		cleanup_json json_t *j = NULL;

		if (!to || call_get(d, to, &j, e))
			return NULL;
		json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "id", json_str(j, "Id", ""), "name",
			json_str(j, "Name", ""), "asked", argv[k]));
	}
	if (argc)
		return json_incref(out);
	if (call_get(d, o.all ? "/containers/json?all=1" : "/containers/json", &list, e))
		return NULL;
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(json_array_get(json_arr(v, "Names"), 0));

		json_array_append_new(out, json_pack("{s:s, s:s}", "id", json_str(v, "Id", ""), "name",
			name ? name : ""));
	}
	return json_incref(out);
}

/* One look at each: id -> stats, with the CPU time of the look before, where there was one. */
static json_t *look(struct docker *d, const json_t *who, const json_t *before)
{
	json_t *out = json_object();
	const json_t *v;
	size_t i;

	json_array_foreach(who, i, v) {
		const char *id = json_str(v, "id", "");
		cleanup_free char *to = target("/containers/%s/stats?stream=0&one-shot=1", id);
		json_t *s = NULL, *last = json_obj(before, id);

		if (call_get(d, to, &s, NULL))
			continue; /* it has gone */
		if (last)
			json_object_set(s, "precpu_stats", json_obj(last, "cpu_stats"));
		json_set_new(out, id, s);
	}
	return out;
}

static int show(const json_t *who, const json_t *stats, struct err *e)
{
	const json_t *v;
	struct list l;
	size_t i;

	if (list_begin(&l, &kind, o.format, false, e))
		return -1;
	json_array_foreach(who, i, v) {
		const json_t *s = json_obj(stats, json_str(v, "id", ""));

		if (s && list_row(&l, row(json_str(v, "id", ""), json_str(v, "name", ""), json_str(v, "asked", NULL),
					  s), e))
			return -1;
	}
	if (!o.no_stream && is_terminal(1))
		fputs("\033[2J\033[H", stdout); /* empty the screen, go to its corner */
	list_end(&l);
	return fflush(stdout) ? -1 : 0;
}

static int stats(struct docker *d, int argc, char **argv)
{
	static const struct timespec period = {.tv_sec = 1};
	json_t *who, *before = NULL, *now;
	struct err e = ERR_INIT;
	int rc = 0;

	who = targets(d, argc, argv, &e);
	if (!who)
		return fail(&e);
	before = look(d, who, NULL);
	do {
		nanosleep(&period, NULL);
		now = look(d, who, before);
		rc = show(who, now, &e);
		json_decref(before);
		before = now;
		if (!argc && !o.no_stream && !rc) { /* others may have come */
			json_decref(who);
			who = targets(d, argc, argv, &e);
			rc = who ? 0 : -1;
		}
	} while (!o.no_stream && !rc);
	return rc ? fail(&e) : 0;
}

static struct command cmd_stats = {
	.usage = "[OPTIONS] [CONTAINER...]",
	.brief = "Display a live stream of container(s) resource usage statistics",
	.more = "Examples:\n"
		"  docker stats --no-stream                               once\n"
		"  docker stats --format '{{.Name}} {{.CPUPerc}}' web      these fields only\n",
	.flags = flags,
	.max = -1,
	.run = stats,
};

const struct entry entries_stats[] = {
	{"", "stats", NULL, &cmd_stats},
	{"container", "stats", NULL, &cmd_stats},
	{0},
};
