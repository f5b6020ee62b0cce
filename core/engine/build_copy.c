/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build_copy.c - COPY, ADD and WORKDIR: files into an image
 *
 * Theory of operation
 *   What the sources stand for is asked of the context (context.h): names and digests, which decide
 *   whether the step was done before.  If not, a container is made that never runs, and each source
 *   goes as an archive from the process that reads the context into the one that writes the
 *   container's files (archive.h); the engine only connects them.
 *
 *   With --from the source is another image: a container of it is made, what is asked for is read out
 *   of it into a context of its own, and the rest is the same.  So it is with what ADD fetches from a URL:
 *   fetched each time, as what was there before says nothing of what is there now.
 */
#include "engine/build_state.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "engine/context.h"
#include "engine/images.h"
#include "storage/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LINKS_MAX 255 /* to follow to a directory */
#define UNNAMED "__unnamed__" /* the file of a URL that ends in a slash, where it goes into a directory */

struct copy {
	struct build *b;
	const char *name; /* "COPY", "ADD" */
	bool add;
	const char *chown; /* or NULL */
	json_t *found;	   /* what the sources are; each has "context", a descriptor */
	int *contexts;	   /* those that are ours */
	size_t n_contexts;
	char *dest;	   /* as typed, expanded */
	char *path;	   /* absolute, clean */
	bool into;	   /* it has to be a directory */
};

/* --- directories in a container -------------------------------------------------------------------- */

/* What is at @path in the end: 1 a directory, 0 nothing, -1 something else. */
static int look(struct build *b, struct container *c, const char *path)
{
	cleanup_free char *at = xstrdup(path);
	int i;

	for (i = 0; i < LINKS_MAX; i++) {
		cleanup_json json_t *stat = strcmp(at, "/") ? archive_stat(b->en, c, c->id, at, NULL) : NULL;
		const char *target = json_str(stat, "linkTarget", "");

		if (!strcmp(at, "/"))
			return 1;
		if (!stat)
			return 0;
		if (!*target)
			return json_int(stat, "mode", 0) & (INT64_C(1) << 31) ? 1 : -1;
		free(at);
		at = xstrdup(target);
	}
	return -1;
}

/* Make the directories @names ("a/b/c", all of them) below @base. */
static int put_dirs(struct build *b, struct container *c, const char *base, const char *names, struct err *e)
{
	const struct archive_put what = {.path = base};
	struct archive_job *job = archive_put(b->en, c, c->id, &what, e);
	struct tar_writer *w = job ? tar_writer_new(archive_fd(job)) : NULL;
	const char *end = names;
	int rc = job ? 0 : -1;

	while (!rc && *end) {
		cleanup_free char *name = NULL;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		name = xasprintf("%.*s/", (int)(end - names), names);
		rc = tar_write_entry(w, &(struct tar_entry){.type = '5', .path = name, .mode = 0755,
			.mtime_ns = clock_real_ns(), .atime_ns = INT64_MIN}, e);
	}
	rc = rc || tar_write_end(w, e);
	tar_writer_free(w);
	if (job && archive_end(job, rc ? NULL : e))
		rc = -1;
	return rc ? -1 : 0;
}

/* See that the directory @path is there. */
static int ensure_dir(struct build *b, struct container *c, const char *path, struct err *e)
{
	cleanup_free char *base = xstrdup(path);
	char *slash;
	int is;

	while (!(is = look(b, c, *base ? base : "/")) && (slash = strrchr(base, '/')))
		*slash = 0;
	if (is < 0)
		return err_set(e, ENOTDIR, "mkdir %s", path);
	if (!strcmp(base, path))
		return 0;
	return put_dirs(b, c, *base ? base : "/", path + strlen(base) + 1, e);
}

/* --- sources ------------------------------------------------------------------------------------------ */

static void add_found(struct copy *cp, json_t *matches_steal, int context)
{
	json_t *m;
	size_t i;

	json_array_foreach(matches_steal, i, m) {
		json_set_int(m, "context", context);
		json_array_append(cp->found, m);
	}
	json_decref(matches_steal);
}

static int from_context(struct copy *cp, const json_t *sources, struct err *e)
{
	json_t *matches;
	const json_t *s;
	size_t i;

	json_array_foreach(sources, i, s) {
		cleanup_free char *clean = fs_clean_path(json_string_value(s));

		if (!strcmp(clean, "..") || !strncmp(clean, "../", 3))
			return err_set(e, 0, "forbidden path outside the build context: %s ()", json_string_value(s));
	}
	matches = context_match(cp->b->en, cp->b->context, cp->b->hidden, sources, cp->add, e);
	if (!matches)
		return -1;
	add_found(cp, matches, cp->b->context);
	return 0;
}

/* The part of @path that has no wildcards, links at its end followed. To free(). */
static char *fixed_part(struct build *b, struct container *c, const char *path)
{
	cleanup_free char *absolute = xasprintf("/%s", path);
	char *at = fs_clean_path(absolute), *wild = strpbrk(at, "*?[");
	int i;

	if (wild) {
		*wild = 0;
		*strrchr(at, '/') = 0;
		return at;
	}
	for (i = 0; i < LINKS_MAX; i++) {
		cleanup_json json_t *stat = archive_stat(b->en, c, c->id, at, NULL);
		const char *target = json_str(stat, "linkTarget", "");

		if (!*target)
			break;
		free(at);
		at = xstrdup(target);
	}
	return at;
}

static void keep_context(struct copy *cp, int context)
{
	cp->contexts = xreallocarray(cp->contexts, cp->n_contexts + 1, sizeof(int));
	cp->contexts[cp->n_contexts++] = context;
}

/* Read one source out of @c. */
static int from_container(struct copy *cp, struct container *c, const char *source, struct err *e)
{
	cleanup_free char *fixed = fixed_part(cp->b, c, source), *pattern = NULL;
	const char *base = strrchr(fixed, '/') ? strrchr(fixed, '/') + 1 : fixed, *wild = strpbrk(source, "*?[");
	cleanup_json json_t *stat = NULL, *patterns = json_array();
	struct archive_job *job = archive_get(cp->b->en, c, c->id, *fixed ? fixed : "/", &stat, NULL);
	json_t *matches;
	int context;

	if (!job)
		return err_set(e, 0, "stat %s: file does not exist", source);
	context = context_take(cp->b->en, archive_fd(job), e);
	if (archive_end(job, context < 0 ? NULL : e) || context < 0) {
		fd_close(&context);
		return -1;
	}
	keep_context(cp, context);
	while (wild && wild > source && wild[-1] != '/')
		wild--;
	pattern = wild ? xasprintf("%s%s%s", base, *base ? "/" : "", wild) : xstrdup(base);
	json_append_str(patterns, pattern);
	matches = context_match(cp->b->en, context, NULL, patterns, false, e);
	if (!matches)
		return -1;
	add_found(cp, matches, context);
	return 0;
}

static int from_image(struct copy *cp, const char *from, const json_t *sources, struct err *e)
{
	cleanup_json json_t *command = json_pack("[s]", "#(nop)");
	char id[DIGEST_MAX];
	struct container *c;
	const json_t *s;
	size_t i;
	int rc = 0;

	if (build_find_from(cp->b, from, id, e))
		return -1;
	c = build_container(cp->b, id, command, NULL, e);
	if (!c)
		return -1;
	json_array_foreach(sources, i, s)
		if ((rc = from_container(cp, c, json_string_value(s), e)))
			break;
	build_container_done(cp->b, c, false);
	return rc ? err_wrap(e, "%s failed", cp->name) : 0;
}

static int from_url(struct copy *cp, const char *url, struct err *e)
{
	const struct image_client client = build_client(cp->b);
	cleanup_json json_t *patterns = json_pack("[s]", FETCH_MEMBER);
	cleanup_free char *name = NULL;
	int context = engine_fetch(cp->b->en, url, &client, &name, e);
	size_t n = strlen(cp->dest);
	json_t *matches;

	if (context < 0)
		return -1;
	keep_context(cp, context);
	build_say(cp->b, "\n");
	if (!*name && n && cp->dest[n - 1] == '/')
		return err_set(e, 0, "cannot determine filename for source %s", url);
	matches = context_match(cp->b->en, context, NULL, patterns, false, e);
	if (!matches)
		return -1;
	json_set_new(json_array_get(matches, 0), "name", json_text(*name ? name : UNNAMED));
	add_found(cp, matches, context);
	return 0;
}

/* --- what is asked for ------------------------------------------------------------------------------------ */

static int read_words(struct copy *cp, const struct dockerfile_line *line, json_t *sources, struct err *e)
{
	cleanup_json json_t *words = dockerfile_words(line->args, e);
	cleanup_free char *joined = NULL;
	const char *dir = json_str(cp->b->config, "WorkingDir", "");
	size_t i, n = json_array_size(words);
	const json_t *w;

	json_array_foreach(words, i, w) {
		char *s = build_expand(cp->b, json_string_value(w), e);

		if (!s)
			return -1;
		if (i + 1 < n) {
			json_append_str(sources, s);
			free(s);
		} else {
			cp->dest = s;
		}
	}
	if (!words)
		return -1;
	i = strlen(cp->dest);
	cp->into = !i || cp->dest[i - 1] == '/' || !strcmp(cp->dest, ".") || (i > 1 && !strcmp(cp->dest + i - 2, "/."));
	joined = *cp->dest == '/' ? xstrdup(cp->dest) : xasprintf("/%s/%s", dir, cp->dest);
	cp->path = fs_clean_path(joined);
	return 0;
}

static bool is_url(const char *s)
{
	return !strncmp(s, "http://", 7) || !strncmp(s, "https://", 8);
}

/* From the context and from URLs, in the order in which they are asked for. */
static int from_here(struct copy *cp, const json_t *sources, struct err *e)
{
	cleanup_json json_t *files = json_array();
	json_t *s;
	size_t i;

	json_array_foreach(sources, i, s) {
		if (!cp->add || !is_url(json_string_value(s))) {
			json_array_append(files, s);
			continue;
		}
		if (json_array_size(files) && from_context(cp, files, e))
			return -1;
		json_array_clear(files);
		if (from_url(cp, json_string_value(s), e))
			return -1;
	}
	return json_array_size(files) ? from_context(cp, files, e) : 0;
}

static int find_sources(struct copy *cp, const struct dockerfile_line *line, const json_t *sources, struct err *e)
{
	const char *from = json_str(line->flags, "from", NULL);
	cleanup_free char *expanded = NULL;
	size_t n = strlen(cp->dest);

	if (from) {
		expanded = build_expand(cp->b, from, e);
		if (!expanded || from_image(cp, expanded, sources, e))
			return -1;
	} else if (from_here(cp, sources, e)) {
		return err_wrap(e, "%s failed", cp->name);
	}
	if (!json_array_size(cp->found))
		return err_set(e, 0, "%s failed: no source files were specified", cp->name);
	if (json_array_size(cp->found) > 1 && (!n || cp->dest[n - 1] != '/'))
		return err_set(e, 0,
			"When using %s with more than one source file, the destination must be a directory and end with a /",
			cp->name);
	return 0;
}

/* "file:…", "dir:…", or "multi:…" of all. */
static void digest(const struct copy *cp, struct buf *out)
{
	cleanup_buf struct buf all = BUF_INIT;
	char sum[DIGEST_MAX];
	const json_t *m;
	size_t i;

	json_array_foreach(cp->found, i, m)
		buf_addf(&all, "%s%s:%s", i ? "," : "", json_bool(m, "dir", false) ? "dir" : "file", json_str(m, "hash", ""));
	if (json_array_size(cp->found) == 1) {
		buf_adds(out, all.p);
		return;
	}
	sha256_digest_of(all.p, all.n, sum);
	buf_addf(out, "multi:%s", digest_hex(sum));
}

/* --- doing it --------------------------------------------------------------------------------------------- */

/* From the context into @dir of @c: by @path as @to, or (@to NULL) the content of @path, an archive. */
static int transfer(struct copy *cp, struct container *c, int context, const char *path, const char *dir, const char *to,
	struct err *e)
{
	const struct archive_put what = {.path = dir, .chown = cp->chown != NULL};
	struct archive_job *job = archive_put(cp->b->en, c, c->id, &what, e);
	struct err why = ERR_INIT, end = ERR_INIT;
	int rc;

	if (!job)
		return -1;
	rc = to ? context_pack(cp->b->en, context, context == cp->b->context ? cp->b->hidden : NULL, path, to,
			  archive_fd(job), &why) :
		  context_content(cp->b->en, context, path, archive_fd(job), &why);
	if (!archive_end(job, &end) && !rc)
		return 0;
	/* Who reads ends first when it is at fault. */
	*e = rc && why.code != EPIPE ? why : end;
	return -1;
}

static int copy_one(struct copy *cp, struct container *c, const json_t *m, struct err *e)
{
	int context = (int)json_int(m, "context", -1);
	const char *path = json_str(m, "path", ""), *base = json_str(m, "name", "");
	cleanup_free char *dir = NULL, *slash_dir = NULL;
	char *slash;

	if (json_bool(m, "dir", false) || json_bool(m, "archive", false))
		return ensure_dir(cp->b, c, cp->path, e) ||
			transfer(cp, c, context, path, cp->path, json_bool(m, "dir", false) ? "" : NULL, e) ? -1 : 0;
	if (cp->into || look(cp->b, c, cp->path) > 0)
		return ensure_dir(cp->b, c, cp->path, e) || transfer(cp, c, context, path, cp->path, base, e) ? -1 : 0;
	dir = xstrdup(cp->path);
	slash = strrchr(dir, '/');
	slash_dir = xstrdup(slash + 1);
	*slash = 0;
	if (!*dir) {
		free(dir);
		dir = xstrdup("/");
	}
	return ensure_dir(cp->b, c, dir, e) || transfer(cp, c, context, path, dir, slash_dir, e) ? -1 : 0;
}

static int copy_all(struct copy *cp, const json_t *command, struct err *e)
{
	cleanup_json json_t *change = cp->chown ? json_pack("{s:s}", "User", cp->chown) : NULL;
	struct container *c = build_container(cp->b, cp->b->image, command, change, e);
	const json_t *m;
	size_t i;
	int rc = 0;

	if (!c)
		return -1;
	json_array_foreach(cp->found, i, m)
		if ((rc = copy_one(cp, c, m, e)))
			break;
	if (!rc)
		rc = build_commit(cp->b, c, command, e);
	build_container_done(cp->b, c, false);
	return rc;
}

static int copy(struct copy *cp, const struct dockerfile_line *line, struct err *e)
{
	cleanup_json json_t *sources = json_array(), *command = build_shell(cp->b);
	cleanup_buf struct buf said = BUF_INIT;
	int rc;

	if (read_words(cp, line, sources, e) || find_sources(cp, line, sources, e))
		return -1;
	buf_addf(&said, "#(nop) %s ", cp->name);
	if (cp->chown)
		buf_addf(&said, "--chown=%s ", cp->chown);
	digest(cp, &said);
	buf_addf(&said, " in %s ", cp->dest);
	json_append_str(command, said.p);
	rc = build_cached(cp->b, command, e);
	return rc ? (rc < 0 ? -1 : 0) : copy_all(cp, command, e);
}

int build_copy(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	struct copy cp = {.b = b, .name = line->name, .add = !strcmp(line->name, "ADD"), .found = json_array()};
	cleanup_free char *chown = NULL;
	int rc = -1;

	if (json_str(line->flags, "chown", NULL))
		chown = build_expand(b, json_str(line->flags, "chown", ""), e);
	cp.chown = chown;
	if (chown || !json_str(line->flags, "chown", NULL))
		rc = copy(&cp, line, e);
	while (cp.n_contexts)
		close(cp.contexts[--cp.n_contexts]);
	free(cp.contexts);
	free(cp.dest);
	free(cp.path);
	json_decref(cp.found);
	return rc;
}

static int make_workdir(struct build *b, struct container *c, struct err *e)
{
	return ensure_dir(b, c, json_str(b->config, "WorkingDir", "/"), e);
}

int build_workdir(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_json json_t *args = build_args(b), *command = build_shell(b);
	const struct dockerfile_change how = {args, NULL, &b->cmd_set};
	cleanup_buf struct buf said = BUF_INIT;
	cleanup_free char *comment = NULL;

	if (dockerfile_change(b->config, line, b->escape, &how, &said, e))
		return -1;
	comment = xasprintf("#(nop) %s", said.p);
	json_append_str(command, comment);
	return build_step(b, command, make_workdir, e);
}
