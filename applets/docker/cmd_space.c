/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_space.c - docker system df, system prune: what uses disk space, and getting it back
 */
#include "call.h"
#include "format.h"
#include "image_ref.h"
#include "prune.h"
#include "rows.h"
#include "units.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* --- df ---------------------------------------------------------------------------------------------- */

static struct {
	const char *format;
	bool verbose;
} df;

static struct flag df_flags[] = {
	{"format", 0, FLAG_STRING, &df.format, "'table', 'table TEMPLATE', 'json' or a Go template: '{{.Type}} {{.Size}}'"},
	{"verbose", 'v', FLAG_BOOL, &df.verbose, "Each image, container and volume"},
	FLAG_END,
};

/* What one kind of things comes to. */
struct use {
	int64_t total, active, size, reclaimable;
};

static const char *state_of(const json_t *container)
{
	return json_str(container, "State", "");
}

static bool is_active(const json_t *container)
{
	static const char *const active[] = {"running", "paused", "restarting", NULL};

	return str_in(state_of(container), active);
}

static struct use images_use(const json_t *j)
{
	const json_t *list = json_arr(j, "Images"), *one;
	struct use u = {.total = (int64_t)json_array_size(list), .size = json_int(j, "LayersSize", 0)};
	int64_t used = 0;
	size_t i;

	json_array_foreach(list, i, one) {
		int64_t size = json_int(one, "Size", -1), shared = json_int(one, "SharedSize", -1);

		if (json_int(one, "Containers", 0) <= 0)
			continue;
		u.active++;
		used += size >= 0 && shared >= 0 ? size - shared : 0;
	}
	u.reclaimable = u.size - used;
	return u;
}

static struct use containers_use(const json_t *j)
{
	const json_t *list = json_arr(j, "Containers"), *one;
	struct use u = {.total = (int64_t)json_array_size(list)};
	size_t i;

	json_array_foreach(list, i, one) {
		int64_t size = json_int(one, "SizeRw", 0);

		u.size += size;
		u.active += is_active(one);
		u.reclaimable += is_active(one) ? 0 : size;
	}
	return u;
}

static struct use volumes_use(const json_t *j)
{
	const json_t *list = json_arr(j, "Volumes"), *one;
	struct use u = {.total = (int64_t)json_array_size(list)};
	size_t i;

	json_array_foreach(list, i, one) {
		const json_t *usage = json_obj(one, "UsageData");
		int64_t size = json_int(usage, "Size", -1), links = json_int(usage, "RefCount", 0);

		u.active += links > 0;
		u.size += size > 0 ? size : 0;
		u.reclaimable += size > 0 && !links ? size : 0;
	}
	return u;
}

static struct use cache_use(const json_t *j)
{
	const json_t *list = json_arr(j, "BuildCache"), *one;
	struct use u = {.total = (int64_t)json_array_size(list)};
	size_t i;

	json_array_foreach(list, i, one) {
		bool active = json_bool(one, "InUse", false), shared = json_bool(one, "Shared", false);
		int64_t size = shared ? 0 : json_int(one, "Size", 0);

		u.active += active;
		u.size += size;
		u.reclaimable += active ? 0 : size;
	}
	return u;
}

static void set_size(json_t *row, const char *key, int64_t bytes, int digits)
{
	cleanup_free char *text = human_size((double)bytes, digits);

	json_set_str(row, key, text);
}

static void set_number(json_t *row, const char *key, int64_t v)
{
	cleanup_free char *text = xasprintf("%lld", (long long)v);

	json_set_str(row, key, text);
}

static json_t *use_row(const char *type, const struct use *u)
{
	cleanup_free char *size = human_size((double)u->reclaimable, 4), *text = NULL;
	json_t *row = json_object();

	text = u->size > 0 && strcmp(type, "Build Cache") ?
		xasprintf("%s (%lld%%)", size, (long long)(u->reclaimable * 100 / u->size)) : xstrdup(size);
	set_number(row, "Active", u->active);
	json_set_str(row, "Reclaimable", text);
	set_size(row, "Size", u->size, 4);
	set_number(row, "TotalCount", u->total);
	json_set_str(row, "Type", type);
	return row;
}

static int df_summary(const json_t *j, struct err *e)
{
	static const struct field fields[] = {
		{"Type", "TYPE"}, {"TotalCount", "TOTAL"}, {"Active", "ACTIVE"}, {"Size", "SIZE"},
		{"Reclaimable", "RECLAIMABLE"}, {0},
	};
	static const struct listing kind = {
		.fields = fields,
		.table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
		.quiet = "{{.Type}}",
		.raw = "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n",
		.type = "*formatter.diskUsageImagesContext",
		.parse_error = "template parsing error",
		.exec_error = "template parsing error",
	};
	const struct {
		const char *type;
		struct use (*of)(const json_t *j);
	} parts[] = {{"Images", images_use}, {"Containers", containers_use}, {"Local Volumes", volumes_use},
		{"Build Cache", cache_use}};
	struct list l;
	size_t i;

	if (list_begin(&l, &kind, df.format, false, e))
		return -1;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		struct use u = parts[i].of(j);

		if (list_row(&l, use_row(parts[i].type, &u), e))
			return -1;
	}
	list_end(&l);
	return 0;
}

/* --- df -v ---------------------------------------------------------------------------------------------- */

/* The first of its names. */
static json_t *df_image(const json_t *image, bool whole)
{
	const char *name = json_string_value(json_array_get(json_arr(image, "RepoTags"), 0));
	struct span none = SPAN("<none>");
	struct err ignored = ERR_INIT;
	struct imgref ref;
	json_t *row;

	if (!name || imgref_parse(name, &ref, &ignored))
		return image_row(image, none, none, "", whole);
	{
		cleanup_free char *repo = imgref_familiar_repo(&ref);

		row = image_row(image, span_of(repo), ref.tag ? span_of(ref.tag) : none, "", whole);
	}
	imgref_release(&ref);
	return row;
}

static json_t *df_container(const json_t *c, bool whole)
{
	json_t *row = container_row(c, whole);

	set_size(row, "Size", json_int(c, "SizeRw", 0), 3); /* its own alone */
	return row;
}

static json_t *df_volume(const json_t *v, bool whole)
{
	(void)whole;
	return volume_row(v);
}

static void set_age(json_t *row, const char *key, const char *moment)
{
	int64_t ns;
	cleanup_free char *age = clock_parse(moment, &ns) || ns <= 0 ? xstrdup("") : human_age(ns);

	json_set_str(row, key, age);
}

static const char *yes_no(const json_t *c, const char *key)
{
	return json_bool(c, key, false) ? "true" : "false";
}

static json_t *cache_row(const json_t *c, bool whole)
{
	cleanup_free char *id = short_id(json_str(c, "ID", ""), !whole);
	json_t *row = json_object();

	json_set_str(row, "CacheType", json_str(c, "Type", ""));
	json_set_str(row, "CreatedAt", json_str(c, "CreatedAt", ""));
	set_age(row, "CreatedSince", json_str(c, "CreatedAt", ""));
	json_set_str(row, "Description", json_str(c, "Description", ""));
	json_set_str(row, "ID", id);
	json_set_str(row, "InUse", yes_no(c, "InUse"));
	json_set_str(row, "LastUsedAt", json_str(c, "LastUsedAt", ""));
	set_age(row, "LastUsedSince", json_str(c, "LastUsedAt", ""));
	json_set_str(row, "Parent", json_str(c, "Parent", ""));
	json_set_str(row, "Shared", yes_no(c, "Shared"));
	set_size(row, "Size", json_int(c, "Size", 0), 3);
	set_number(row, "UsageCount", json_int(c, "UsageCount", 0));
	return row;
}

static int df_part(const char *title, const json_t *things, const struct field *fields, const char *table,
	json_t *(*row_of)(const json_t *thing, bool whole), struct err *e)
{
	const struct listing kind = {.fields = fields, .table = table, .quiet = "", .type = "", .parse_error = "",
		.exec_error = ""};
	const json_t *thing;
	struct list l;
	size_t i;

	printf("%s\n\n", title);
	if (list_begin(&l, &kind, "table", false, e))
		return -1;
	json_array_foreach(things, i, thing)
		if (list_row(&l, row_of(thing, false), e))
			return -1;
	list_end(&l);
	return 0;
}

static int df_tables(const json_t *j, struct err *e)
{
	static const struct field image[] = {
		{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"ID", "IMAGE ID"}, {"CreatedSince", "CREATED"}, {"Size", "SIZE"},
		{"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}, {"Containers", "CONTAINERS"}, {0},
	};
	static const struct field container[] = {
		{"ID", "CONTAINER ID"}, {"Image", "IMAGE"}, {"Command", "COMMAND"}, {"LocalVolumes", "LOCAL VOLUMES"},
		{"Size", "SIZE"}, {"RunningFor", "CREATED"}, {"Status", "STATUS"}, {"Names", "NAMES"}, {0},
	};
	static const struct field volume[] = {{"Name", "VOLUME NAME"}, {"Links", "LINKS"}, {"Size", "SIZE"}, {0}};
	static const struct field cache[] = {
		{"ID", "CACHE ID"}, {"CacheType", "CACHE TYPE"}, {"Size", "SIZE"}, {"CreatedSince", "CREATED"},
		{"LastUsedSince", "LAST USED"}, {"UsageCount", "USAGE"}, {"Shared", "SHARED"}, {0},
	};
	struct use u = cache_use(j);
	cleanup_free char *size = human_size((double)u.size, 4), *title = xasprintf("\nBuild cache usage: %s", size);

	if (df_part("Images space usage:", json_arr(j, "Images"), image, "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
			"{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", df_image, e) ||
		df_part("\nContainers space usage:", json_arr(j, "Containers"), container, "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t"
			"{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}", df_container, e) ||
		df_part("\nLocal Volumes space usage:", json_arr(j, "Volumes"), volume, "{{.Name}}\t{{.Links}}\t{{.Size}}",
			df_volume, e) ||
		df_part(title, json_arr(j, "BuildCache"), cache, "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t"
			"{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}", cache_row, e))
		return -1;
	return 0;
}

static json_t *rows_of(const json_t *things, json_t *(*row_of)(const json_t *thing, bool whole))
{
	json_t *rows = json_array();
	const json_t *thing;
	size_t i;

	json_array_foreach(things, i, thing)
		json_array_append_new(rows, row_of(thing, true));
	return rows;
}

#define RAW "{{range .Images}}type: Image\nrepository: {{.Repository}}\ntag: {{.Tag}}\ndigest: {{.Digest}}\n" \
	"image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n\n{{end}}" \
	"{{range .Containers}}type: Container\ncontainer_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\n" \
	"created_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\n" \
	"labels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\nsize: {{.Size}}\n\n{{end}}" \
	"{{range .Volumes}}type: Volume\nname: {{.Name}}\ndriver: {{.Driver}}\n\n{{end}}" \
	"{{range .BuildCache}}type: Build Cache\n{{end}}"

/* One template for all of it, not one for each row, and what it prints as it is, as the stock CLI does. */
static int df_template(const json_t *j, const char *format, struct err *e)
{
	static const struct tmpl_env env = {.type = "*formatter.diskUsageContext", .html = true};
	bool table = !strncmp(format, "table", 5);
	cleanup_free char *text = format_unescape(!strcmp(format, "json") ? "{{json .}}" : !strcmp(format, "raw") ? RAW :
		table ? format + 5 + strspn(format + 5, " ") : format);
	cleanup_json json_t *all = json_object();
	cleanup_buf struct buf out = BUF_INIT;
	struct tmpl *t = tmpl_parse("", text, e);
	int rc;

	if (!t)
		return err_wrap(e, "template parsing error");
	json_set_new(all, "Images", rows_of(json_arr(j, "Images"), df_image));
	json_set_new(all, "Containers", rows_of(json_arr(j, "Containers"), df_container));
	json_set_new(all, "Volumes", rows_of(json_arr(j, "Volumes"), df_volume));
	json_set_new(all, "BuildCache", rows_of(json_arr(j, "BuildCache"), cache_row));
	rc = tmpl_exec(t, all, &env, &out, e);
	tmpl_free(t);
	fwrite(out.p, 1, out.n, stdout);
	return rc;
}

static int show_df(struct docker *d, int argc, char **argv)
{
	bool tables = !df.format || !*df.format || !strcmp(df.format, "table");
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;

	(void)argc, (void)argv;
	if (call_get(d, "/system/df", &j, &e) || (!df.verbose ? df_summary(j, &e) :
		tables ? df_tables(j, &e) : df_template(j, df.format, &e)))
		return fail(&e);
	return 0;
}

/* --- prune ------------------------------------------------------------------------------------------------ */

static struct {
	bool all, force, volumes;
	struct strlist filters;
} pr;

static struct flag prune_flags[] = {
	{"all", 'a', FLAG_BOOL, &pr.all, "Remove all images no container uses, not only those without a name"},
	{"filter", 0, FLAG_LIST, &pr.filters, "Only what matches: until=24h, label=key=value", "filter", check_filter},
	{"force", 'f', FLAG_BOOL, &pr.force, "Do not ask"},
	{"volumes", 0, FLAG_BOOL, &pr.volumes, "Remove anonymous volumes too"},
	FLAG_END,
};

static bool has_filter(const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; i < pr.filters.n; i++)
		if (!strncmp(pr.filters.v[i], name, n) && pr.filters.v[i][n] == '=')
			return true;
	return false;
}

static char *question(void)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_addf(&b, "WARNING! This will remove:\n  - all stopped containers\n"
		"  - all networks not used by at least one container\n%s  - %s\n  - %s\n\n",
		pr.volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
		pr.all ? "all images without at least one container associated to them" : "all dangling images",
		pr.all ? "all build cache" : "unused build cache");
	for (i = 0; i < pr.filters.n; i++)
		buf_addf(&b, "%s  - %s\n", i ? "" : "  Items to be pruned will be filtered with:\n", pr.filters.v[i]);
	buf_addf(&b, "%sAre you sure you want to continue?", pr.filters.n ? "\n" : "");
	return buf_detach(&b);
}

static int prune(struct docker *d, int argc, char **argv)
{
	struct strlist images = {0};
	cleanup_free char *asked = question();
	int64_t reclaimed = 0;
	struct err e = ERR_INIT;
	size_t i;

	(void)argc, (void)argv;
	if (pr.volumes && has_filter("until")) {
		err_kind(&e, ERR_INVALID, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
		return fail(&e);
	}
	if (!pr.force && !confirm(asked))
		return 0;
	for (i = 0; i < pr.filters.n; i++)
		strlist_add(&images, pr.filters.v[i]);
	strlist_add(&images, pr.all ? "dangling=false" : "dangling=true");
	if (prune_kind(d, "/containers/prune", "Deleted Containers:", "ContainersDeleted", &pr.filters, &reclaimed, &e) ||
		prune_kind(d, "/networks/prune", "Deleted Networks:", "NetworksDeleted", &pr.filters, &reclaimed, &e) ||
		(pr.volumes && prune_kind(d, "/volumes/prune", "Deleted Volumes:", "VolumesDeleted", &pr.filters,
			&reclaimed, &e)) ||
		prune_kind(d, "/images/prune", "Deleted Images:", "ImagesDeleted", &images, &reclaimed, &e) ||
		(!has_filter("label") && prune_kind(d, pr.all ? "/build/prune?all=1" : "/build/prune",
			"Deleted build cache objects:", "CachesDeleted", &pr.filters, &reclaimed, &e)))
		return fail(&e);
	prune_total(reclaimed);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------------------------- */

static struct command cmd_df = {"[OPTIONS]", "Show docker disk usage",
	"RECLAIMABLE is what docker system prune -a --volumes would free.\n", df_flags, 0, 0, false, show_df};
static struct command cmd_prune = {"[OPTIONS]", "Remove unused data",
	"Example, all that no running container needs, but volumes with a name:\n  docker system prune -a --volumes\n",
	prune_flags, 0, 0, false, prune};

const struct entry entries_space[] = {
	{"system", "df", NULL, &cmd_df},
	{"system", "prune", NULL, &cmd_prune},
	{0},
};
