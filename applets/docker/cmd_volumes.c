/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_volumes.c - docker volume create, ls, rm, prune
 */
#include "call.h"
#include "format.h"
#include "prune.h"
#include "rows.h"
#include "run_spec.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	const char *driver;
	struct strlist labels, opts;
} cr = {.driver = "local"};

static struct flag create_flags[] = {
	{"driver", 'd', FLAG_STRING, &cr.driver, "Volume driver (default \"local\")"},
	{"label", 0, FLAG_LIST, &cr.labels, "Set a label: key=value", .check = check_label},
	{"opt", 'o', FLAG_LIST, &cr.opts, "Option of the driver: type=tmpfs, device=…, o=…", "map"},
	FLAG_END,
};

static int create(struct docker *d, int argc, char **argv)
{
	cleanup_json json_t *body = json_object(), *made = NULL;
	struct err e = ERR_INIT;

	if (argc)
		json_set_str(body, "Name", argv[0]);
	json_set_str(body, "Driver", cr.driver);
	json_set_new(body, "DriverOpts", cr.opts.n ? pairs_map(&cr.opts) : json_null());
	json_set_new(body, "Labels", cr.labels.n ? pairs_map(&cr.labels) : json_null());
	if (call_post(d, "/volumes/create", body, &made, &e))
		return fail(&e);
	printf("%s\n", json_str(made, "Name", ""));
	return 0;
}

/* --- ls ----------------------------------------------------------------------------------- */

static struct {
	const char *format;
	struct strlist filters;
	bool quiet;
} ls;

static struct flag ls_flags[] = {
	{"filter", 'f', FLAG_LIST, &ls.filters, "Show only what matches: dangling=true, name=, label=, driver=", "filter",
		check_filter},
	{"format", 0, FLAG_STRING, &ls.format, "'table', 'table TEMPLATE', 'json' or a Go template"},
	{"quiet", 'q', FLAG_BOOL, &ls.quiet, "Print names only"},
	FLAG_END,
};

static const struct field fields[] = {
	{"Name", "VOLUME NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}, {"Mountpoint", "MOUNTPOINT"},
	{"Labels", "LABELS"}, {"Links", "LINKS"}, {"Size", "SIZE"}, {"Group", "GROUP"},
	{"Availability", "AVAILABILITY"}, {"Status", "STATUS"}, {0},
};

static const json_t *current;

static json_t *label(const json_t *row, const char *name, const char *arg)
{
	(void)row;
	return strcmp(name, "Label") ? NULL : json_text(json_str(json_obj(current, "Labels"), arg, ""));
}

static const struct listing kind = {
	.fields = fields,
	.table = "{{.Driver}}\t{{.Name}}",
	.quiet = "{{.Name}}",
	.raw = "name: {{.Name}}\ndriver: {{.Driver}}\n",
	.type = "*formatter.volumeContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
	.method = label,
};

json_t *volume_row(const json_t *v)
{
	const json_t *usage = json_obj(v, "UsageData");
	cleanup_free char *labels = labels_text(json_obj(v, "Labels"));
	cleanup_free char *size = usage ? human_size((double)json_int(usage, "Size", 0), 4) : xstrdup("N/A");
	cleanup_free char *links = usage ? xasprintf("%lld", (long long)json_int(usage, "RefCount", 0)) : xstrdup("N/A");
	json_t *row = json_object();

	json_set_str(row, "Availability", "N/A");
	json_set_str(row, "Driver", json_str(v, "Driver", ""));
	json_set_str(row, "Group", "N/A");
	json_set_str(row, "Labels", labels);
	json_set_str(row, "Links", links);
	json_set_str(row, "Mountpoint", json_str(v, "Mountpoint", ""));
	json_set_str(row, "Name", json_str(v, "Name", ""));
	json_set_str(row, "Scope", json_str(v, "Scope", ""));
	json_set_str(row, "Size", size);
	json_set_str(row, "Status", "N/A");
	return row;
}

static int list(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_free json_t **sorted = NULL;
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	(void)argc, (void)argv;
	if (!ls.format && !ls.quiet)
		ls.format = json_str(d->config, "volumesFormat", NULL);
	buf_adds(&to, "/volumes");
	query_filters(&to, &ls.filters);
	if (call_get(d, to.p, &j, &e) || list_begin(&l, &kind, ls.format, ls.quiet, &e))
		return fail(&e);
	sorted = list_sorted(json_arr(j, "Volumes"), list_by_name);
	for (i = 0; sorted[i]; i++) {
		current = sorted[i];
		if (list_row(&l, volume_row(current), &e))
			return fail(&e);
	}
	list_end(&l);
	return 0;
}

/* --- rm, prune ---------------------------------------------------------------------------- */

static struct {
	bool force, all;
	struct strlist filters;
} rm;

static struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, &rm.force, "Say nothing of volumes that are not there"},
	FLAG_END,
};

static int remove_command(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf errors = BUF_INIT;
	int i;

	for (i = 0; i < argc; i++) {
		cleanup_free char *path = target("/volumes/%s", argv[i]);
		cleanup_free char *to = xasprintf("%s%s", path, rm.force ? "?force=1" : "");
		struct err e = ERR_INIT;

		if (!*argv[i])
			err_kind(&e, ERR_NOT_FOUND, "invalid volume name or ID: value is empty");
		if (*argv[i] && !call_delete(d, to, NULL, &e))
			printf("%s\n", argv[i]);
		else
			buf_addf(&errors, "%s\n", e.msg);
	}
	fflush(stdout);
	fputs(errors.p, stderr);
	return errors.n ? 1 : 0;
}

static struct flag prune_flags[] = {
	{"all", 'a', FLAG_BOOL, &rm.all, "Remove all unused volumes, not only anonymous ones"},
	{"filter", 0, FLAG_LIST, &rm.filters, "Only what matches: label=key=value", "filter", check_filter},
	{"force", 'f', FLAG_BOOL, &rm.force, "Do not ask"},
	FLAG_END,
};

static int prune(struct docker *d, int argc, char **argv)
{
	int64_t reclaimed = 0;
	struct err e = ERR_INIT;

	(void)argc, (void)argv;
	if (!rm.force && !confirm(rm.all ?
		"WARNING! This will remove all local volumes not used by at least one container.\nAre you sure you want to continue?" :
		"WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue?"))
		return 0;
	if (rm.all)
		strlist_add(&rm.filters, "all=true");
	if (prune_kind(d, "/volumes/prune", "Deleted Volumes:", "VolumesDeleted", &rm.filters, &reclaimed, &e))
		return fail(&e);
	prune_total(reclaimed);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_create = {"[OPTIONS] [VOLUME]", "Create a volume", NULL, create_flags, 0, 1,
	false, create};
static struct command cmd_ls = {"[OPTIONS]", "List volumes", NULL, ls_flags, 0, 0, false, list};
static struct command cmd_rm = {"[OPTIONS] VOLUME [VOLUME...]",
	"Remove one or more volumes. You cannot remove a volume that is in use by a container.", NULL, rm_flags,
	1, -1, false, remove_command};
static struct command cmd_prune = {"[OPTIONS]", "Remove unused local volumes", NULL, prune_flags, 0, 0,
	false, prune};

const struct entry entries_volumes[] = {
	{"volume", "create", NULL, &cmd_create},
	{"volume", "ls", "list", &cmd_ls},
	{"volume", "rm", "remove", &cmd_rm},
	{"volume", "prune", NULL, &cmd_prune},
	{0},
};
