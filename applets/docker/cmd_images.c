/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_images.c - docker images, history, tag, rmi, image prune
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

static void set_steal(json_t *row, const char *key, char *text)
{
	json_set_str(row, key, text);
	free(text);
}

/* --- images ------------------------------------------------------------------------------- */

static struct {
	bool all, digests, no_trunc, quiet, tree;
	const char *format;
	struct strlist filters;
} ls;

static struct flag ls_flags[] = {
	{"all", 'a', FLAG_BOOL, &ls.all, "Show intermediate images too"},
	{"digests", 0, FLAG_BOOL, &ls.digests, "Show digests"},
	{"filter", 'f', FLAG_LIST, &ls.filters,
		"Show only images that match: reference=alpine:*, dangling=true, label=key=value, before=, since=",
		"filter", check_filter},
	{"format", 0, FLAG_STRING, &ls.format,
		"'table', 'table TEMPLATE', 'json' or a Go template: '{{.Repository}}:{{.Tag}}'"},
	{"no-trunc", 0, FLAG_BOOL, &ls.no_trunc, "Don't shorten anything"},
	{"quiet", 'q', FLAG_BOOL, &ls.quiet, "Print ids only"},
	{"tree", 0, FLAG_BOOL, &ls.tree, "", .hidden = true},
	FLAG_END,
};

static const struct field image_fields[] = {
	{"ID", "IMAGE ID"}, {"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"},
	{"CreatedSince", "CREATED"}, {"CreatedAt", "CREATED AT"}, {"Size", "SIZE"},
	{"Containers", "CONTAINERS"}, {"VirtualSize", "SIZE"}, {"SharedSize", "SHARED SIZE"},
	{"UniqueSize", "UNIQUE SIZE"}, {0},
};

#define IMAGE_TABLE(digest) \
	"{{.Repository}}\t{{.Tag}}" digest "\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"

static struct listing images_kind = {
	.fields = image_fields,
	.quiet = "{{.ID}}",
	.raw = "repository: {{ .Repository }}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
	.type = "*formatter.imageContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

static char *count_or_na(const json_t *image, const char *key)
{
	int64_t n = json_int(image, key, -1);

	return n < 0 ? xstrdup("N/A") : xasprintf("%lld", (long long)n);
}

static char *size_or_na(int64_t size)
{
	return size < 0 ? xstrdup("N/A") : human_size((double)size, 4);
}

/* The part behind the last ':' that is no port's, in a span of its own; the rest stays in *name. */
static struct span cut_tag(struct span *name)
{
	ssize_t colon = span_rchr(*name, ':');

	if (colon < 0 || span_rchr(*name, '/') > colon)
		return (struct span){0};
	return span_cut(name, (size_t)colon);
}

json_t *image_row(const json_t *image, struct span repo, struct span tag, const char *digest, bool whole)
{
	int64_t created = json_int(image, "Created", 0) * NS_PER_S, size = json_int(image, "Size", 0);
	int64_t shared = json_int(image, "SharedSize", -1);
	json_t *row = json_object();

	set_steal(row, "Containers", count_or_na(image, "Containers"));
	set_steal(row, "CreatedAt", go_time(created));
	set_steal(row, "CreatedSince", created <= 0 && json_int(image, "Created", 0) <= 0 ? xstrdup("N/A") : human_age(created));
	json_set_str(row, "Digest", digest);
	set_steal(row, "ID", short_id(json_str(image, "Id", ""), !whole));
	json_set_new(row, "Repository", json_textn(repo.p, repo.n));
	set_steal(row, "SharedSize", size_or_na(shared));
	set_steal(row, "Size", human_size((double)size, 3));
	json_set_new(row, "Tag", json_textn(tag.p, tag.n));
	set_steal(row, "UniqueSize", size_or_na(shared < 0 ? -1 : size - shared));
	set_steal(row, "VirtualSize", human_size((double)size, 4));
	return row;
}

static int add_row(struct list *l, const json_t *image, struct span repo, struct span tag, const char *digest, struct err *e)
{
	return list_row(l, image_row(image, repo, tag, digest, ls.no_trunc), e);
}

static bool same_repo(const char *digest_ref, struct span repo)
{
	size_t n = strcspn(digest_ref, "@");

	return digest_ref[n] && span_eq((struct span){digest_ref, n}, repo);
}

/* The digest of one of the image's references: of that repository; only where it was asked for. */
static const char *digest_of(const json_t *digests, struct span repo)
{
	size_t i;

	if (!ls.digests && !(ls.format && strstr(ls.format, "{{.Digest}}")))
		return "<none>";
	for (i = 0; i < json_array_size(digests); i++) {
		const char *ref = json_string_value(json_array_get(digests, i));

		if (ref && same_repo(ref, repo))
			return strchr(ref, '@') + 1;
	}
	return "<none>";
}

static bool is_none(const char *ref)
{
	return !strcmp(ref, "<none>:<none>") || !strcmp(ref, "<none>@<none>");
}

/* Does some tag name this repository? */
static bool has_tag_of(const json_t *tags, struct span repo)
{
	size_t i;

	for (i = 0; i < json_array_size(tags); i++) {
		struct span name = span_of(json_string_value(json_array_get(tags, i)));

		cut_tag(&name);
		if (span_eq(name, repo))
			return true;
	}
	return false;
}

/* An image has a row for each tag, one for each digest without a tag, or one of "<none>". */
static int image_rows(struct list *l, const json_t *image, struct err *e)
{
	const json_t *tags = json_arr(image, "RepoTags"), *digests = json_arr(image, "RepoDigests");
	const struct span none = SPAN("<none>");
	bool any = false;
	size_t i;

	for (i = 0; i < json_array_size(tags); i++) {
		const char *ref = json_string_value(json_array_get(tags, i));
		struct span repo = span_of(ref), tag;

		if (!ref || is_none(ref))
			continue;
		any = true;
		tag = cut_tag(&repo);
		if (add_row(l, image, repo, tag, digest_of(digests, repo), e))
			return -1;
	}
	for (i = 0; i < json_array_size(digests); i++) {
		const char *ref = json_string_value(json_array_get(digests, i));
		struct span repo = span_of(ref);
		size_t n = ref ? strcspn(ref, "@") : 0;

		if (!ref || is_none(ref) || !ref[n])
			continue;
		repo.n = n;
		if (has_tag_of(tags, repo))
			continue;
		any = true;
		if (add_row(l, image, repo, none, digest_of(digests, repo), e))
			return -1;
	}
	return any ? 0 : add_row(l, image, none, none, "<none>", e);
}

static int by_created(const void *pa, const void *pb)
{
	int64_t a = json_int(*(json_t *const *)pa, "Created", 0), b = json_int(*(json_t *const *)pb, "Created", 0);

	return a < b ? 1 : a > b ? -1 : 0;
}

static int images(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_json json_t *list = NULL;
	cleanup_free json_t **sorted = NULL;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	if (ls.tree) {
		err_kind(&e, ERR_NOT_SUPPORTED, "--tree is not part of this client; use the stock docker CLI");
		return fail(&e);
	}
	if (!ls.format && !ls.quiet)
		ls.format = json_str(d->config, "imagesFormat", NULL);
	images_kind.table = ls.digests ? IMAGE_TABLE("\t{{.Digest}}") : IMAGE_TABLE("");
	if (argc)
		strlist_add(&ls.filters, xasprintf("reference=%s", argv[0]));
	buf_adds(&to, "/images/json");
	if (ls.all)
		target_query(&to, "all", "1");
	query_filters(&to, &ls.filters);
	if (call_get(d, to.p, &list, &e))
		return fail(&e);
	if (list_begin(&l, &images_kind, ls.format, ls.quiet, &e))
		return fail(&e);
	sorted = list_sorted(list, by_created);
	for (i = 0; sorted[i]; i++)
		if (image_rows(&l, sorted[i], &e))
			return fail(&e);
	list_end(&l);
	return 0;
}

/* --- history ------------------------------------------------------------------------------ */

static struct {
	bool human, no_trunc, quiet;
	const char *format;
} hist = {.human = true};

static struct flag history_flags[] = {
	{"format", 0, FLAG_STRING, &hist.format, "'table', 'table TEMPLATE', 'json' or a Go template"},
	{"human", 'H', FLAG_BOOL, &hist.human, "Sizes and ages for people (default); --human=false: exact ones"},
	{"no-trunc", 0, FLAG_BOOL, &hist.no_trunc, "Don't shorten anything"},
	{"quiet", 'q', FLAG_BOOL, &hist.quiet, "Print ids only"},
	FLAG_END,
};

static const struct field history_fields[] = {
	{"ID", "IMAGE"}, {"CreatedSince", "CREATED"}, {"CreatedAt", "CREATED AT"},
	{"CreatedBy", "CREATED BY"}, {"Size", "SIZE"}, {"Comment", "COMMENT"}, {0},
};

static struct listing history_kind = {
	.fields = history_fields,
	.quiet = "{{.ID}}",
	.type = "*image.historyContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

#define CREATED_BY_WIDTH 45

static json_t *history_row(const json_t *h)
{
	int64_t created = json_int(h, "Created", 0) * NS_PER_S, size = json_int(h, "Size", 0);
	const char *id = json_str(h, "Id", "");
	cleanup_free char *by = xstrdup(json_str(h, "CreatedBy", ""));
	char at[CLOCK_RFC3339_MAX], *p;
	json_t *row = json_object();

	for (p = by; *p; p++)
		if (*p == '\t')
			*p = ' ';
	json_set_str(row, "Comment", json_str(h, "Comment", ""));
	json_set_str(row, "CreatedAt", created ? clock_format(created, at) : "");
	set_steal(row, "CreatedBy", hist.no_trunc ? xstrdup(by) : ellipsis(by, CREATED_BY_WIDTH));
	set_steal(row, "CreatedSince", created ? human_age(created) : xstrdup("N/A"));
	set_steal(row, "ID", short_id(id, !hist.no_trunc && strcmp(id, "<missing>")));
	set_steal(row, "Size", hist.human ? human_size((double)size, 3) : xasprintf("%lld", (long long)size));
	return row;
}

static int history(struct docker *d, int argc, char **argv)
{
	cleanup_free char *to = target("/images/%s/history", argv[0]);
	cleanup_json json_t *list = NULL;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	(void)argc;
	history_kind.table = hist.human ?
		"{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}" :
		"{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
	if (call_get(d, to, &list, &e) || list_begin(&l, &history_kind, hist.format, hist.quiet, &e))
		return fail(&e);
	for (i = 0; i < json_array_size(list); i++)
		if (list_row(&l, history_row(json_array_get(list, i)), &e))
			return fail(&e);
	list_end(&l);
	return 0;
}

/* --- tag, rmi, prune ---------------------------------------------------------------------- */

static int tag(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_free char *repo = NULL, *path = target("/images/%s/tag", argv[0]);
	struct imgref source, ref;
	struct err e = ERR_INIT;

	(void)argc;
	if (!is_hex64(argv[0]) && strncmp(argv[0], "sha256:", 7) && imgref_parse(argv[0], &source, &e))
		return err_wrap(&e, "Error parsing reference: \"%s\" is not a valid repository/tag", argv[0]), fail(&e);
	if (imgref_parse(argv[1], &ref, &e))
		return err_wrap(&e, "Error parsing reference: \"%s\" is not a valid repository/tag", argv[1]), fail(&e);
	if (ref.digest) {
		err_kind(&e, ERR_INVALID, "refusing to create a tag with a digest reference");
		return fail(&e);
	}
	imgref_default_tag(&ref);
	repo = imgref_familiar_repo(&ref);
	buf_adds(&to, path);
	target_query(&to, "repo", repo);
	target_query(&to, "tag", ref.tag);
	return call_post(d, to.p, NULL, NULL, &e) ? fail(&e) : 0;
}

static struct {
	bool force, no_prune;
} rm;

static struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, &rm.force, "Remove it also where a stopped container uses it"},
	{"no-prune", 0, FLAG_BOOL, &rm.no_prune, "Do not remove untagged parents"},
	FLAG_END,
};

static int rmi(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf errors = BUF_INIT;
	bool refused = false;
	int i;

	for (i = 0; i < argc; i++) {
		cleanup_free char *path = target("/images/%s", argv[i]);
		cleanup_buf struct buf to = BUF_INIT;
		cleanup_json json_t *done = NULL;
		struct err e = ERR_INIT;
		size_t k;

		buf_adds(&to, path);
		if (rm.force)
			target_query(&to, "force", "1");
		if (rm.no_prune)
			target_query(&to, "noprune", "1");
		if (call_delete(d, to.p, &done, &e)) {
			refused |= e.kind != ERR_NOT_FOUND || !rm.force;
			buf_addf(&errors, "%s\n", e.msg);
			continue;
		}
		for (k = 0; k < json_array_size(done); k++) {
			const json_t *one = json_array_get(done, k);
			const char *deleted = json_str(one, "Deleted", NULL);

			printf("%s: %s\n", deleted ? "Deleted" : "Untagged",
				deleted ? deleted : json_str(one, "Untagged", ""));
		}
	}
	fflush(stdout);
	fputs(errors.p, stderr);
	return refused ? 1 : 0;
}

static struct {
	bool all, force;
	struct strlist filters;
} pr;

static struct flag prune_flags[] = {
	{"all", 'a', FLAG_BOOL, &pr.all, "Remove all images no container uses, not only those without a name"},
	{"filter", 0, FLAG_LIST, &pr.filters, "Only what matches: until=24h, label=key=value", "filter", check_filter},
	{"force", 'f', FLAG_BOOL, &pr.force, "Do not ask"},
	FLAG_END,
};

static int prune(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int64_t reclaimed = 0;

	(void)argc, (void)argv;
	if (!pr.force && !confirm(pr.all ?
		"WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue?" :
		"WARNING! This will remove all dangling images.\nAre you sure you want to continue?"))
		return 0;
	strlist_add(&pr.filters, pr.all ? "dangling=false" : "dangling=true");
	if (prune_kind(d, "/images/prune", "Deleted Images:", "ImagesDeleted", &pr.filters, &reclaimed, &e))
		return fail(&e);
	prune_total(reclaimed);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_images = {
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.brief = "List images",
	.flags = ls_flags,
	.max = 1,
	.run = images,
};

static struct command cmd_history = {
	.usage = "[OPTIONS] IMAGE",
	.brief = "Show the history of an image",
	.flags = history_flags,
	.min = 1,
	.max = 1,
	.run = history,
};

static struct command cmd_tag = {
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.brief = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.min = 2,
	.max = 2,
	.run = tag,
};

static struct command cmd_rmi = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.brief = "Remove one or more images",
	.flags = rm_flags,
	.min = 1,
	.max = -1,
	.run = rmi,
};

static struct command cmd_prune = {
	.usage = "[OPTIONS]",
	.brief = "Remove unused images",
	.flags = prune_flags,
	.run = prune,
};

const struct entry entries_images[] = {
	{"", "images", NULL, &cmd_images},
	{"image", "ls", "list", &cmd_images},
	{"", "history", NULL, &cmd_history},
	{"image", "history", NULL, &cmd_history},
	{"", "tag", NULL, &cmd_tag},
	{"image", "tag", NULL, &cmd_tag},
	{"", "rmi", NULL, &cmd_rmi},
	{"image", "rm", "remove", &cmd_rmi},
	{"image", "prune", NULL, &cmd_prune},
	{0},
};
