/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_networks.c - docker network ls, connect, disconnect, rm, prune
 */
#include "call.h"
#include "format.h"
#include "prune.h"
#include "run_spec.h"
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

static int list(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_free json_t **sorted = NULL;
	cleanup_json json_t *networks = NULL;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	(void)argc, (void)argv;
	if (!o.format && !o.quiet)
		o.format = json_str(d->config, "networksFormat", NULL);
	buf_adds(&to, "/networks");
	query_filters(&to, &o.filters);
	if (call_get(d, to.p, &networks, &e) || list_begin(&l, &kind, o.format, o.quiet, &e))
		return fail(&e);
	sorted = list_sorted(networks, list_by_name);
	for (i = 0; sorted[i]; i++) {
		current = sorted[i];
		if (list_row(&l, row_of(current), &e))
			return fail(&e);
	}
	list_end(&l);
	return 0;
}

/* --- connect, disconnect ------------------------------------------------------------------ */

static struct {
	const char *ip, *ip6;
	struct strlist aliases, links, link_local, opts;
	int64_t priority;
} con;

static struct flag connect_flags[] = {
	{"alias", 0, FLAG_LIST, &con.aliases, "Another name of the container on that network", "strings"},
	{"driver-opt", 0, FLAG_LIST, &con.opts, "Option of the endpoint: key=value", "strings"},
	{"gw-priority", 0, FLAG_INT, &con.priority, "The network with the highest one is the way out"},
	{"ip", 0, FLAG_STRING, &con.ip, "IPv4 address"},
	{"ip6", 0, FLAG_STRING, &con.ip6, "IPv6 address"},
	{"link", 0, FLAG_LIST, &con.links, "Another name for another container: NAME:ALIAS", "list"},
	{"link-local-ip", 0, FLAG_LIST, &con.link_local, "Link-local address", "strings"},
	FLAG_END,
};

static json_t *texts(const struct strlist *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_append_str(out, list->v[i]);
	return out;
}

static int change(struct docker *d, const char *network, const char *what, const json_t *body)
{
	cleanup_free char *path = target("/networks/%s", network), *to = xasprintf("%s/%s", path, what);
	struct err e = ERR_INIT;

	return call_post(d, to, body, NULL, &e) ? fail(&e) : 0;
}

static int connect_command(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *body = json_object();
	json_t *ep = json_object(), *ipam = json_object();
	struct err e = ERR_INIT;
	size_t i;

	(void)argc;
	for (i = 0; i < con.opts.n; i++)
		if (!strchr(con.opts.v[i], '=')) {
			err_kind(&e, ERR_INVALID, "invalid key/value pair format in driver options");
			json_decref(ep);
			json_decref(ipam);
			return fail(&e);
		}
	if (con.ip)
		json_set_str(ipam, "IPv4Address", con.ip);
	if (con.ip6)
		json_set_str(ipam, "IPv6Address", con.ip6);
	if (con.link_local.n)
		json_set_new(ipam, "LinkLocalIPs", texts(&con.link_local));
	json_set_new(ep, "IPAMConfig", ipam);
	json_set_new(ep, "Links", con.links.n ? texts(&con.links) : json_null());
	json_set_new(ep, "Aliases", texts(&con.aliases));
	json_set_new(ep, "DriverOpts", pairs_map(&con.opts));
	json_set_int(ep, "GwPriority", con.priority);
	json_set_str(body, "Container", argv[1]);
	json_set_new(body, "EndpointConfig", ep);
	return change(d, argv[0], "connect", body);
}

static bool force;

static struct flag disconnect_flags[] = {
	{"force", 'f', FLAG_BOOL, &force, "Also one that does not answer"},
	FLAG_END,
};

static int disconnect_command(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *body = json_object();

	(void)argc;
	json_set_str(body, "Container", argv[1]);
	json_set_bool(body, "Force", force);
	return change(d, argv[0], "disconnect", body);
}

/* --- rm, prune ---------------------------------------------------------------------------- */

static struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, &force, "Say nothing of networks that are not there"},
	FLAG_END,
};

static int remove_command(struct docker *d, int argc, char **argv)
{
	int i, status = 0;

	for (i = 0; i < argc; i++) {
		cleanup_free char *to = target("/networks/%s", argv[i]);
		struct err e = ERR_INIT;

		if (!call_delete(d, to, NULL, &e)) {
			printf("%s\n", argv[i]);
		} else if (!force || e.kind != ERR_NOT_FOUND) {
			fflush(stdout);
			fprintf(stderr, "%s\n", e.msg);
			status = 1;
		}
	}
	fflush(stdout);
	if (status)
		fputs("exit status 1\n", stderr);
	return status;
}

static struct strlist prune_filters;

static struct flag prune_flags[] = {
	{"filter", 0, FLAG_LIST, &prune_filters, "Only what matches: until=24h, label=key=value", "filter",
		check_filter},
	{"force", 'f', FLAG_BOOL, &force, "Do not ask"},
	FLAG_END,
};

static int prune(struct docker *d, int argc, char **argv)
{
	int64_t reclaimed = 0;
	struct err e = ERR_INIT;

	(void)argc, (void)argv;
	if (!force && !confirm("WARNING! This will remove all custom networks not used by at least one container.\n"
			       "Are you sure you want to continue?"))
		return 0;
	if (prune_kind(d, "/networks/prune", "Deleted Networks:", "NetworksDeleted", &prune_filters, &reclaimed, &e))
		return fail(&e);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_ls = {"[OPTIONS]", "List networks", NULL, flags, 0, 0, false, list};
static struct command cmd_connect = {"[OPTIONS] NETWORK CONTAINER", "Connect a container to a network", NULL,
	connect_flags, 2, 2, false, connect_command};
static struct command cmd_disconnect = {"[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network", NULL,
	disconnect_flags, 2, 2, false, disconnect_command};
static struct command cmd_rm = {"NETWORK [NETWORK...]", "Remove one or more networks", NULL, rm_flags, 1, -1, false,
	remove_command};
static struct command cmd_prune = {"[OPTIONS]", "Remove all unused networks", NULL, prune_flags, 0, 0, false, prune};

const struct entry entries_networks[] = {
	{"network", "connect", NULL, &cmd_connect},
	{"network", "disconnect", NULL, &cmd_disconnect},
	{"network", "ls", "list", &cmd_ls},
	{"network", "prune", NULL, &cmd_prune},
	{"network", "rm", "remove", &cmd_rm},
	{0},
};
