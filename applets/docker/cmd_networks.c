/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_networks.c - docker network ls
 */
#include "call.h"
#include "format.h"
#include "units.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	const char *format;
	struct strlist filters;
	bool quiet, no_trunc;
} o;

static struct flag flags[] = {
	{"filter", 'f', FLAG_LIST, &o.filters, "Show only what matches: driver=bridge, type=custom, name=, label=",
		"filter", check_filter},
	{"format", 0, FLAG_STRING, &o.format, "'table', 'table TEMPLATE', 'json' or a Go template"},
	{"no-trunc", 0, FLAG_BOOL, &o.no_trunc, "Don't shorten ids"},
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "Print ids only"},
	FLAG_END,
};

static const struct field fields[] = {
	{"ID", "NETWORK ID"}, {"Name", "NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"},
	{"IPv4", "IPV4"}, {"IPv6", "IPV6"}, {"Labels", "LABELS"}, {"Internal", "INTERNAL"},
	{"CreatedAt", "CREATED AT"}, {0},
};

static const json_t *current;

static json_t *label(const json_t *row, const char *name, const char *arg)
{
	(void)row;
	return strcmp(name, "Label") ? NULL : json_text(json_str(json_obj(current, "Labels"), arg, ""));
}

static const struct listing kind = {
	.fields = fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.quiet = "{{.ID}}",
	.raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
	.type = "*network.networkContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
	.method = label,
};

static void set_bool_text(json_t *row, const char *key, bool value)
{
	json_set_str(row, key, value ? "true" : "false");
}

static json_t *row_of(const json_t *n)
{
	cleanup_free char *id = short_id(json_str(n, "Id", ""), !o.no_trunc), *created = NULL;
	cleanup_free char *labels = labels_text(json_obj(n, "Labels"));
	json_t *row = json_object();
	int64_t at = 0;

	clock_parse(json_str(n, "Created", CLOCK_ZERO), &at);
	created = go_time(at);
	json_set_str(row, "CreatedAt", created);
	json_set_str(row, "Driver", json_str(n, "Driver", ""));
	json_set_str(row, "ID", id);
	set_bool_text(row, "IPv4", json_bool(n, "EnableIPv4", true));
	set_bool_text(row, "IPv6", json_bool(n, "EnableIPv6", false));
	set_bool_text(row, "Internal", json_bool(n, "Internal", false));
	json_set_str(row, "Labels", labels);
	json_set_str(row, "Name", json_str(n, "Name", ""));
	json_set_str(row, "Scope", json_str(n, "Scope", ""));
	return row;
}

static int by_name(const void *pa, const void *pb)
{
	return strverscmp(json_str(*(json_t *const *)pa, "Name", ""), json_str(*(json_t *const *)pb, "Name", ""));
}

static int list(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_json json_t *networks = NULL;
	struct err e = ERR_INIT;
	json_t **sorted;
	struct list l;
	size_t i, n;

	(void)argc, (void)argv;
	if (!o.format && !o.quiet)
		o.format = json_str(d->config, "networksFormat", NULL);
	buf_adds(&to, "/networks");
	query_filters(&to, &o.filters);
	if (call_get(d, to.p, &networks, &e) || list_begin(&l, &kind, o.format, o.quiet, &e))
		return fail(&e);
	n = json_array_size(networks);
	sorted = xcalloc(n + 1, sizeof(*sorted));
	for (i = 0; i < n; i++)
		sorted[i] = json_array_get(networks, i);
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (i = 0; i < n; i++) {
		current = sorted[i];
		if (list_row(&l, row_of(current), &e))
			return fail(&e);
	}
	free(sorted);
	list_end(&l);
	return 0;
}

static struct command cmd_ls = {"[OPTIONS]", "List networks", NULL, flags, 0, 0, false, list};

const struct entry entries_networks[] = {
	{"network", "ls", "list", &cmd_ls},
	{0},
};
