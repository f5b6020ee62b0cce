/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_ps.c - docker ps, docker container ls
 */
#include "call.h"
#include "format.h"
#include "rows.h"
#include "units.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define COMMAND_WIDTH 20
#define MOUNT_WIDTH 15

static struct {
	bool all, quiet, size, no_trunc, latest;
	int64_t last;
	const char *format;
	struct strlist filters;
} o = {.last = -1};

static struct flag flags[] = {
	{"all", 'a', FLAG_BOOL, &o.all, "Show all containers (default: only those that run)"},
	{"filter", 'f', FLAG_LIST, &o.filters,
		"Show only containers that match: status=exited, name=web, label=key=value, ancestor=IMAGE, "
		"exited=0, health=, network=, volume=, publish=, before=, since=", "filter", check_filter},
	{"format", 0, FLAG_STRING, &o.format,
		"'table', 'table TEMPLATE', 'json' or a Go template: '{{.Names}} {{.Status}}'"},
	{"last", 'n', FLAG_INT, &o.last, "Show the n last created containers, in any state"},
	{"latest", 'l', FLAG_BOOL, &o.latest, "Show the last created container, in any state"},
	{"no-trunc", 0, FLAG_BOOL, &o.no_trunc, "Don't shorten anything"},
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "Print ids only"},
	{"size", 's', FLAG_BOOL, &o.size, "Show what each container has written, and its image's size"},
	FLAG_END,
};

/* --- ports -------------------------------------------------------------------------------- */

struct port {
	const char *ip, *type;
	int64_t inside, outside;
};

static int by_port(const void *pa, const void *pb)
{
	const struct port *a = pa, *b = pb;
	int d;

	if (a->inside != b->inside)
		return a->inside < b->inside ? -1 : 1;
	d = strcmp(a->ip, b->ip);
	if (d)
		return d;
	if (a->outside != b->outside)
		return a->outside < b->outside ? -1 : 1;
	return strcmp(a->type, b->type);
}

static void add_port(struct buf *b, const struct port *p, int64_t last)
{
	cleanup_free char *range = p->inside == last ?
		xasprintf("%lld", (long long)p->inside) :
		xasprintf("%lld-%lld", (long long)p->inside, (long long)last);

	buf_adds(b, b->n ? ", " : "");
	if (*p->ip)
		buf_addf(b, strchr(p->ip, ':') ? "[%s]:%s->" : "%s:%s->", p->ip, range);
	buf_addf(b, "%s/%s", range, p->type);
}

/* Runs of ports that are published under their own number, or not at all, are shown as ranges; they
 * come first, those that change their number after them. */
static void format_ports(struct port *ports, size_t n, struct buf *out)
{
	cleanup_buf struct buf moved = BUF_INIT;
	size_t i, k;

	for (i = 0; i < n; i++) {
		struct port *p = &ports[i];
		int64_t last = p->inside;

		if (!p->type)
			continue;
		if (*p->ip && p->outside != p->inside) {
			buf_addf(&moved, strchr(p->ip, ':') ? "%s[%s]:%lld->%lld/%s" : "%s%s:%lld->%lld/%s",
				moved.n ? ", " : "", p->ip, (long long)p->outside, (long long)p->inside, p->type);
			continue;
		}
		for (k = i + 1; k < n; k++) {
			struct port *q = &ports[k];

			if (!q->type || strcmp(q->type, p->type) || strcmp(q->ip, p->ip) ||
				(*q->ip && q->outside != q->inside))
				continue;
			if (q->inside != last + 1)
				break;
			last = q->inside;
			q->type = NULL; /* is in this range now */
		}
		add_port(out, p, last);
	}
	if (moved.n)
		buf_addf(out, "%s%s", out->n ? ", " : "", moved.p);
}

static char *ports_text(const json_t *list)
{
	size_t n = json_array_size(list), i;
	struct port *ports = xcalloc(n + 1, sizeof(*ports));
	struct buf b = BUF_INIT;

	for (i = 0; i < n; i++) {
		const json_t *p = json_array_get(list, i);

		ports[i] = (struct port){json_str(p, "IP", ""), json_str(p, "Type", "tcp"),
			json_int(p, "PrivatePort", 0), json_int(p, "PublicPort", 0)};
	}
	qsort(ports, n, sizeof(*ports), by_port);
	format_ports(ports, n, &b);
	free(ports);
	return buf_detach(&b);
}

/* --- the other columns -------------------------------------------------------------------- */

static char *names_text(const json_t *names, bool whole)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		name = name ? name + (*name == '/') : "";
		if (!whole && strchr(name, '/'))
			continue; /* a legacy link's alias */
		buf_addf(&b, "%s%s", b.n ? "," : "", name);
	}
	return buf_detach(&b);
}

static char *image_text(const json_t *c, bool whole)
{
	const char *image = json_str(c, "Image", ""), *at;
	cleanup_free char *id = short_id(json_str(c, "ImageID", ""), true);
	cleanup_free char *brief = short_id(image, true);

	if (!*image)
		return xstrdup("<no image>");
	if (whole)
		return xstrdup(image);
	if (!strcmp(id, brief))
		return xstrdup(id);
	at = strchr(image, '@');
	return xstrndup(image, at ? (size_t)(at - image) : strlen(image));
}

static char *command_text(const char *command, bool whole)
{
	cleanup_free char *shown = whole ? xstrdup(command) : ellipsis(command, COMMAND_WIDTH);
	struct buf b = BUF_INIT;

	goquote(span_of(shown), &b);
	return buf_detach(&b);
}

static char *mounts_text(const json_t *mounts, bool whole, int *local)
{
	struct buf b = BUF_INIT;
	size_t i;

	*local = 0;
	for (i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *name = json_str(m, "Name", "");
		cleanup_free char *shown = NULL;

		*local += !strcmp(json_str(m, "Driver", ""), "local");
		name = *name ? name : json_str(m, "Source", "");
		shown = whole ? xstrdup(name) : ellipsis(name, MOUNT_WIDTH);
		buf_addf(&b, "%s%s", b.n ? "," : "", shown);
	}
	return buf_detach(&b);
}

static char *networks_text(const json_t *networks)
{
	struct buf b = BUF_INIT;
	const char *name;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)networks, name, n)
		buf_addf(&b, "%s%s", b.n ? "," : "", name);
	return buf_detach(&b);
}

static char *size_text(const json_t *c)
{
	cleanup_free char *rw = human_size((double)json_int(c, "SizeRw", 0), 3);
	cleanup_free char *all = human_size((double)json_int(c, "SizeRootFs", 0), 3);

	if (json_int(c, "SizeRootFs", 0) > 0)
		return xasprintf("%s (virtual %s)", rw, all);
	return xstrdup(rw);
}

static void set_steal(json_t *row, const char *key, char *text)
{
	json_set_str(row, key, text);
	free(text);
}

/* What the table and --quiet show, for they are what is asked for when there are many. */
static json_t *row_of_table(const json_t *c)
{
	json_t *row = json_object();

	set_steal(row, "ID", short_id(json_str(c, "Id", ""), !o.no_trunc));
	if (o.quiet)
		return row;
	set_steal(row, "Command", command_text(json_str(c, "Command", ""), o.no_trunc));
	set_steal(row, "Image", image_text(c, o.no_trunc));
	set_steal(row, "Names", names_text(json_arr(c, "Names"), o.no_trunc));
	set_steal(row, "Ports", ports_text(json_arr(c, "Ports")));
	set_steal(row, "RunningFor", human_age(json_int(c, "Created", 0) * NS_PER_S));
	if (o.size)
		set_steal(row, "Size", size_text(c));
	json_set_str(row, "Status", json_str(c, "Status", ""));
	return row;
}

json_t *container_row(const json_t *c, bool whole)
{
	int64_t created = json_int(c, "Created", 0) * NS_PER_S;
	json_t *row = json_object();
	char *mounts, count[16];
	int local;

	mounts = mounts_text(json_arr(c, "Mounts"), whole, &local);
	snprintf(count, sizeof(count), "%d", local);
	set_steal(row, "Command", command_text(json_str(c, "Command", ""), whole));
	set_steal(row, "CreatedAt", go_time(created));
	set_steal(row, "ID", short_id(json_str(c, "Id", ""), !whole));
	set_steal(row, "Image", image_text(c, whole));
	set_steal(row, "Labels", labels_text(json_obj(c, "Labels")));
	json_set_str(row, "LocalVolumes", count);
	set_steal(row, "Mounts", mounts);
	set_steal(row, "Names", names_text(json_arr(c, "Names"), whole));
	set_steal(row, "Networks", networks_text(json_path(c, "NetworkSettings", "Networks", NULL)));
	json_set_new(row, "Platform", json_null());
	set_steal(row, "Ports", ports_text(json_arr(c, "Ports")));
	set_steal(row, "RunningFor", human_age(created));
	set_steal(row, "Size", size_text(c));
	json_set_str(row, "State", json_str(c, "State", ""));
	json_set_str(row, "Status", json_str(c, "Status", ""));
	return row;
}

/* --- the command -------------------------------------------------------------------------- */

static const struct field fields[] = {
	{"ID", "CONTAINER ID"}, {"Names", "NAMES"}, {"Image", "IMAGE"}, {"Command", "COMMAND"},
	{"CreatedAt", "CREATED AT"}, {"RunningFor", "CREATED"}, {"Ports", "PORTS"}, {"State", "STATE"},
	{"Status", "STATUS"}, {"Size", "SIZE"}, {"Labels", "LABELS"}, {"Mounts", "MOUNTS"},
	{"LocalVolumes", "LOCAL VOLUMES"}, {"Networks", "NETWORKS"}, {"Platform", "PLATFORM"}, {0},
};

#define TABLE "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
#define RAW "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n" \
	"state: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\n" \
	"labels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n"

static struct listing kind = {
	.fields = fields,
	.table = TABLE,
	.quiet = "{{.ID}}",
	.raw = RAW,
	.type = "*formatter.ContainerContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

/* .Label needs the labels themselves: of the container whose row is made. */
static const json_t *current;

static json_t *label(const json_t *row, const char *name, const char *arg)
{
	(void)row;
	if (strcmp(name, "Label"))
		return NULL;
	return json_text(json_str(json_obj(current, "Labels"), arg, ""));
}

static int show(void *list, const json_t *c, struct err *e)
{
	json_t *row = o.format && *o.format ? container_row(c, o.no_trunc) : row_of_table(c);

	current = c;
	return list_row(list, row, e);
}

/* Before anything is asked, the whole format is tried on nothing: a mistake shows also where there
 * are no containers, and its place is counted from the beginning of what was typed. */
static int check_format(struct err *e)
{
	cleanup_json json_t *row = container_row(NULL, o.no_trunc);
	struct tmpl_env env = {.type = kind.type, .method = label};
	cleanup_buf struct buf unused = BUF_INIT;
	struct tmpl *t = tmpl_parse("", o.format, e);
	int rc;

	if (!t)
		return err_wrap(e, "failed to parse template");
	rc = tmpl_exec(t, row, &env, &unused, e);
	tmpl_free(t);
	return rc ? err_wrap(e, "failed to execute template") : 0;
}

static int ps(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	struct err e = ERR_INIT;
	struct list l;

	(void)argc, (void)argv;
	if (o.format && *o.format && o.quiet) {
		fputs("WARNING: Ignoring custom format, because both --format and --quiet are set.\n", stderr);
		o.format = NULL;
	}
	if (!o.format && !o.quiet)
		o.format = json_str(d->config, "psFormat", NULL);
	if (o.format && check_format(&e))
		return fail(&e);
	kind.table = o.size ? TABLE "\t{{.Size}}" : TABLE;
	kind.raw = o.size ? RAW "size: {{.Size}}\n" : RAW;
	kind.method = label;
	if (list_begin(&l, &kind, o.format, o.quiet, &e))
		return fail(&e);
	if (o.latest && o.last == -1)
		o.last = 1;
	buf_adds(&to, "/containers/json");
	if (o.all)
		target_query(&to, "all", "1");
	if (o.last > 0) {
		char n[24];

		snprintf(n, sizeof(n), "%lld", (long long)o.last);
		target_query(&to, "limit", n);
	}
	if (o.size || (o.format && (list_shows(&l, "Size") || strstr(o.format, "{{json .}}"))))
		target_query(&to, "size", "1");
	query_filters(&to, &o.filters);
	if (call_each(d, to.p, show, &l, &e))
		return fail(&e);
	list_end(&l);
	return 0;
}

static struct command cmd_ps = {
	.usage = "[OPTIONS]",
	.brief = "List containers",
	.more = "Examples:\n"
		"  docker ps -a                                  all, also those that ended\n"
		"  docker ps -aq -f status=exited                ids of those that ended, for docker rm\n"
		"  docker ps --format '{{.Names}}\\t{{.Ports}}'    these fields only; --format json shows all there are\n",
	.flags = flags,
	.run = ps,
};

const struct entry entries_ps[] = {
	{"", "ps", NULL, &cmd_ps},
	{"container", "ls", "ps list", &cmd_ps},
	{0},
};
