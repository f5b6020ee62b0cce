/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build.c - the classic builder: stages and steps
 *
 * Theory of operation
 *   Each instruction makes an image: a container of the one before is made, something is done in it
 *   (a command runs, files are copied, or nothing but its config changes), and it is committed.  An
 *   image remembers its parent and what its container was asked to do ("container_config"); a step
 *   whose parent has such a child already takes that one and does nothing: the cache.  For COPY and
 *   ADD what was asked for holds a digest of the files.
 *
 *   So a build that ends at any instruction leaves only whole images, and the next one goes on from
 *   there.  Layers are held for its time, as nobody names the images between.
 *
 *   Words to the client are those of the real builder, which stock clients print as they are.
 */
#include "engine/build_state.h"
#include "engine/commit.h"
#include "engine/context.h"
#include "engine/schema.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- telling ----------------------------------------------------------------------------------------- */

static int say_json(struct build *b, const json_t *j)
{
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, false, &text);
	return b->client->line(b->client->arg, text.p, text.n);
}

int build_say_bytes(struct build *b, const char *p, size_t n)
{
	cleanup_json json_t *j = json_object();

	if (b->o->quiet)
		return 0;
	json_set_new(j, "stream", json_textn(p, n));
	return say_json(b, j);
}

int build_say(struct build *b, const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return build_say_bytes(b, text.p, text.n);
}

static const char *short_id(const char *id)
{
	return *id ? id + strlen("sha256:") : "";
}

static int client_gone(struct build *b, struct err *e)
{
	struct pollfd p = {b->client->cancel, POLLRDHUP, 0};

	if (b->client->cancel >= 0 && poll(&p, 1, 0) > 0)
		return err_set(e, ECANCELED, "the client has gone");
	return 0;
}

static int say_step(struct build *b, const char *text, struct err *e)
{
	if (client_gone(b, e) || build_say(b, "Step %d/%d : %s", ++b->step, b->steps, text) || build_say(b, "\n"))
		return err_set(e, ECANCELED, "the client has gone");
	return 0;
}

/* --- variables ------------------------------------------------------------------------------------------ */

static const char *const builtin_args[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
	"ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", NULL};

/* What an ARG of that name is worth: the client's word, its default, that of an ARG before FROM; or NULL. */
static const char *arg_value(const struct build *b, const json_t *declared, const char *name)
{
	const json_t *given = json_object_get(b->o->args, name);
	const char *s = json_string_value(given);

	if (!s)
		s = json_str(declared, name, NULL);
	return s ? s : json_str(b->meta, name, NULL);
}

static json_t *args_of(const struct build *b, json_t *declared)
{
	json_t *out = json_array(), *v;
	const char *name, *value;
	size_t i;

	for (i = 0; builtin_args[i]; i++)
		if ((value = json_str(b->o->args, builtin_args[i], NULL)))
			json_array_append_new(out, json_sprintf("%s=%s", builtin_args[i], value));
	json_object_foreach(declared, name, v)
		if ((value = arg_value(b, declared, name)))
			json_array_append_new(out, json_sprintf("%s=%s", name, value));
	return out;
}

json_t *build_args(const struct build *b)
{
	return args_of(b, b->declared);
}

static bool has_name(const json_t *env, const char *text)
{
	size_t n = strcspn(text, "="), i;
	const json_t *v;

	json_array_foreach(env, i, v)
		if (!strncmp(json_string_value(v), text, n) && json_string_value(v)[n] == '=')
			return true;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *build_run_args(const struct build *b)
{
	cleanup_json json_t *all = build_args(b);
	json_t *out, *left = json_array(), *v;
	size_t i, n = 0;
	char **strings;

	json_array_foreach(all, i, v)
		if (!has_name(json_arr(b->config, "Env"), json_string_value(v)))
			json_array_append(left, v);
	strings = json_to_strv(left);
	json_decref(left);
	while (strings[n])
		n++;
	qsort(strings, n, sizeof(*strings), by_text);
	out = json_strv(strings);
	strv_free(strings);
	return out;
}

char *build_expand(const struct build *b, const char *word, struct err *e)
{
	cleanup_json json_t *env = build_args(b);

	if (json_arr(b->config, "Env"))
		json_array_extend(env, json_arr(b->config, "Env"));
	return dockerfile_expand(word, env, b->escape, e);
}

json_t *build_shell(const struct build *b)
{
	json_t *shell = json_arr(b->config, "Shell");

	return json_array_size(shell) ? json_deep_copy(shell) : json_pack("[s, s]", "/bin/sh", "-c");
}

/* "A B=c": to @declared; @said as history has it. */
static int declare(struct build *b, const struct dockerfile_line *line, json_t *declared, struct buf *said, struct err *e)
{
	cleanup_json json_t *words = dockerfile_words(line->args, e), *env = args_of(b, declared);
	const json_t *w;
	size_t i;

	if (!words)
		return -1;
	if (json_arr(b->config, "Env"))
		json_array_extend(env, json_arr(b->config, "Env"));
	buf_adds(said, "ARG");
	json_array_foreach(words, i, w) {
		const char *text = json_string_value(w), *eq = strchr(text, '=');
		cleanup_free char *name = eq ? xstrndup(text, (size_t)(eq - text)) : xstrdup(text), *value = NULL;

		if (eq && !(value = dockerfile_expand(eq + 1, env, b->escape, e)))
			return -1;
		if (!*name)
			return err_kind(e, ERR_INVALID, "ARG names can not be blank");
		json_set_str(declared, name, value);
		json_set_bool(b->known, name, true);
		buf_addf(said, " %s%s%s", name, eq ? "=" : "", eq ? value : "");
	}
	return 0;
}

/* --- images --------------------------------------------------------------------------------------------- */

static int no_line(void *arg, const char *json, size_t n)
{
	(void)arg, (void)json, (void)n;
	return 0;
}

struct image_client build_client(const struct build *b)
{
	struct image_client client = *b->client;

	client.feed = NULL;
	if (b->o->quiet)
		client.line = no_line;
	return client;
}

static int pull(struct build *b, struct imgref *ref, struct err *e)
{
	const char *host = strcmp(ref->host, "docker.io") ? ref->host : "https://index.docker.io/v1/";
	struct image_client client = build_client(b);

	return engine_image_pull(b->en, ref, b->o->platform, json_obj(b->o->auths, host), &client, e);
}

int build_find_image(struct build *b, const char *name, bool want_pull, char id[DIGEST_MAX], struct err *e)
{
	const struct images_use use = {engine_image_use, b->en};
	struct imgref ref;
	int rc = 0;

	if (images_ensure_builtin(b->en->images, name, &use, e))
		return -1;
	if (!want_pull && !images_resolve(b->en->images, name, id, NULL))
		return 0;
	if (imgref_parse(name, &ref, e))
		return -1;
	imgref_default_tag(&ref);
	rc = pull(b, &ref, e) || images_resolve(b->en->images, name, id, e);
	imgref_release(&ref);
	return rc ? -1 : 0;
}

static const struct stage *find_stage(const struct build *b, const char *name)
{
	uint64_t number;
	size_t i;

	for (i = 0; i < b->n_stages; i++)
		if (b->stages[i].name && span_caseeqs(span_of(b->stages[i].name), name))
			return &b->stages[i];
	if (!parse_u64(span_of(name), SIZE_MAX, &number) && number < b->n_stages)
		return &b->stages[number];
	return NULL;
}

int build_find_from(struct build *b, const char *name, char id[DIGEST_MAX], struct err *e)
{
	const struct stage *s = find_stage(b, name);

	if (s)
		memcpy(id, s->image, DIGEST_MAX);
	else if (build_find_image(b, name, b->o->pull, id, e))
		return err_wrap(e, "invalid from flag value %s", name);
	return 0;
}

/* --- containers and commits --------------------------------------------------------------------------------- */

struct container *build_container(struct build *b, const char *image, const json_t *command, const json_t *change,
	struct err *e)
{
	cleanup_json json_t *body = json_copy(b->config), *answer = NULL;

	if (change)
		json_object_update(body, (json_t *)(uintptr_t)change);
	json_set_str(body, "Image", image);
	json_object_set(body, "Cmd", (json_t *)(uintptr_t)command);
	json_set_new(body, "Entrypoint", json_pack("[s]", ""));
	json_set_new(body, "Healthcheck", json_pack("{s:[s]}", "Test", "NONE"));
	json_object_set(body, "HostConfig", (json_t *)(uintptr_t)b->o->host);
	answer = container_create(b->en, NULL, NULL, body, b->o->api_minor, e);
	return answer ? container_get(b->en, json_str(answer, "Id", ""), e) : NULL;
}

void build_container_done(struct build *b, struct container *c, bool aloud)
{
	if (!b->o->keep || !aloud) {
		container_remove(b->en, c, c->id, true, true, NULL);
		if (aloud)
			build_say(b, " ---> Removed intermediate container %.12s\n", c->id);
	}
	container_put(c);
}

int build_commit(struct build *b, struct container *c, const json_t *command, struct err *e)
{
	cleanup_json json_t *by = build_made_by(b, command);
	const struct commit what = {.author = b->author ? b->author : "", .comment = "", .exact = b->config, .made_by = by};

	return container_commit(b->en, c, &what, b->image, e);
}

int build_step(struct build *b, const json_t *command, int (*write)(struct build *, struct container *, struct err *),
	struct err *e)
{
	int rc = build_cached(b, command, e);
	struct container *c;

	if (rc)
		return rc < 0 ? -1 : 0;
	c = build_container(b, b->image, command, NULL, e);
	if (!c)
		return -1;
	build_say(b, " ---> Running in %.12s\n", c->id);
	rc = (write && write(b, c, e)) || build_commit(b, c, command, e) ? -1 : 0;
	build_container_done(b, c, !rc);
	return rc;
}

int build_note(struct build *b, const char *comment, struct err *e)
{
	cleanup_json json_t *command = build_shell(b);

	json_append_str(command, "#(nop) ");
	json_append_str(command, comment);
	return build_step(b, command, NULL, e);
}

/* --- one step ------------------------------------------------------------------------------------------------- */

static int step_arg(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT;

	return declare(b, line, b->declared, &said, e) || build_note(b, said.p, e) ? -1 : 0;
}

static int step_change(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_json json_t *args = build_args(b), *shell = build_shell(b), *before = json_deep_copy(b->config);
	const struct dockerfile_change how = {args, shell, &b->cmd_set};
	cleanup_buf struct buf said = BUF_INIT;

	if (dockerfile_change(b->config, line, b->escape, &how, &said, e)) {
		json_object_clear(b->config);
		json_object_update(b->config, before);
		return -1;
	}
	return build_note(b, said.p, e);
}

static int step_maintainer(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_free char *said = xasprintf("MAINTAINER %s", line->args);

	free(b->author);
	b->author = xstrdup(line->args);
	return build_note(b, said, e);
}

/* Flags that only BuildKit has. */
static int check_flags(const struct dockerfile_line *line, struct err *e)
{
	const char *name;
	json_t *v;

	json_object_foreach(line->flags, name, v)
		if (strcmp(name, "from") && strcmp(name, "chown") && strcmp(name, "platform"))
			return err_set(e, 0,
				"the --%s option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to "
				"learn how to build images with BuildKit enabled", name);
	return 0;
}

static int step(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	if (check_flags(line, e))
		return -1;
	if (!strcmp(line->name, "RUN"))
		return build_run(b, line, e);
	if (!strcmp(line->name, "COPY") || !strcmp(line->name, "ADD"))
		return build_copy(b, line, e);
	if (!strcmp(line->name, "ARG"))
		return step_arg(b, line, e);
	if (!strcmp(line->name, "MAINTAINER"))
		return step_maintainer(b, line, e);
	if (!strcmp(line->name, "WORKDIR"))
		return build_workdir(b, line, e);
	return step_change(b, line, e);
}

/* --- FROM --------------------------------------------------------------------------------------------------------- */

static int run_triggers(struct build *b, json_t *triggers, struct err *e)
{
	struct dockerfile_line line;
	const json_t *t;
	size_t i;
	int rc;

	if (!json_array_size(triggers))
		return 0;
	build_say(b, "# Executing %zu build trigger%s", json_array_size(triggers), json_array_size(triggers) > 1 ? "s" : "");
	build_say(b, "\n");
	json_array_foreach(triggers, i, t) {
		if (dockerfile_parse_line(json_string_value(t), b->escape, &line, e))
			return err_wrap(e, "invalid trigger of the image");
		rc = step(b, &line, e);
		dockerfile_line_release(&line);
		if (rc)
			return -1;
	}
	return 0;
}

/* "IMAGE [AS NAME]". */
static int parse_from(struct build *b, const struct dockerfile_line *line, char **image, char **name, struct err *e)
{
	cleanup_json json_t *words = dockerfile_words(line->args, e), *env = args_of(b, b->meta);
	size_t n = json_array_size(words);

	if (!words)
		return -1;
	if (n != 1 && (n != 3 || !span_caseeqs(span_of(json_string_value(json_array_get(words, 1))), "AS")))
		return err_kind(e, ERR_INVALID, "FROM requires either one or three arguments");
	*image = dockerfile_expand(json_string_value(json_array_get(words, 0)), env, b->escape, e);
	*name = n == 3 ? xstrdup(json_string_value(json_array_get(words, 2))) : NULL;
	if (*image && !**image) {
		free(*image);
		*image = NULL;
		err_set(e, 0, "base name (%s) should not be blank", json_string_value(json_array_get(words, 0)));
	}
	return *image ? 0 : -1;
}

static int stage_base(struct build *b, const char *image, struct err *e)
{
	const struct stage *s = find_stage(b, image);
	cleanup_json json_t *base = NULL;

	*b->image = 0;
	if (s)
		memcpy(b->image, s->image, sizeof(b->image));
	else if (strcmp(image, "scratch") && build_find_image(b, image, b->o->pull, b->image, e))
		return -1;
	if (!*b->image) {
		b->config = json_object();
		return 0;
	}
	base = images_config(b->en->images, b->image, e);
	b->config = base ? schema_pack(schema_config, json_obj(base, "config"), "container.Config", e) : NULL;
	return b->config ? 0 : -1;
}

static void stage_release(struct build *b)
{
	json_decref(b->config);
	json_decref(b->declared);
	free(b->author);
	b->config = b->declared = NULL;
	b->author = NULL;
}

static int stage_begin(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_free char *image = NULL, *name = NULL;
	json_t *env, *triggers;
	int rc;

	if (parse_from(b, line, &image, &name, e))
		return -1;
	stage_release(b);
	b->declared = json_object();
	b->cmd_set = false;
	build_cache_begin(b);
	if (stage_base(b, image, e))
		return -1;
	b->stages = xreallocarray(b->stages, b->n_stages + 1, sizeof(*b->stages));
	env = json_arr(b->config, "Env");
	env = env ? json_deep_copy(env) : json_array();
	if (!has_name(env, "PATH"))
		json_append_str(env, DEFAULT_PATH);
	json_set_new(b->config, "Env", env);
	triggers = json_incref(json_arr(b->config, "OnBuild"));
	json_object_del(b->config, "OnBuild");
	rc = run_triggers(b, triggers, e);
	json_decref(triggers);
	b->stages[b->n_stages] = (struct stage){.name = steal(&name)};
	return rc;
}

static void stage_end(struct build *b)
{
	cleanup_json json_t *aux = NULL;

	memcpy(b->stages[b->n_stages++].image, b->image, DIGEST_MAX);
	if (!*b->image || b->o->quiet)
		return;
	aux = json_pack("{s:{s:s}}", "aux", "ID", b->image);
	say_json(b, aux);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* How many lines there are up to the end of stage @target (NULL: all); -1 with @e if there is none such. */
static ssize_t count_lines(const struct dockerfile *f, const char *target, struct err *e)
{
	bool found = false;
	size_t i, stage = 0;
	uint64_t number;

	if (!target || !*target)
		return (ssize_t)f->n;
	for (i = 0; i < f->n; i++) {
		const char *as;

		if (strcmp(f->lines[i].name, "FROM"))
			continue;
		if (found)
			return (ssize_t)i;
		as = strrchr(f->lines[i].args, ' ');
		found = (as && span_caseeqs(span_of(as + 1), target)) ||
			(!parse_u64(span_of(target), SIZE_MAX, &number) && number == stage);
		stage++;
	}
	return found ? (ssize_t)f->n : err_kind(e, ERR_INVALID, "target stage \"%s\" could not be found", target);
}

static void quote(struct buf *out, const char *s, char escape)
{
	buf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '$' || *s == escape)
			buf_addc(out, escape);
		buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

/* "name"="value", so that nothing in them means anything. */
static char *label_words(const char *name, const char *value, char escape)
{
	struct buf out = BUF_INIT;

	quote(&out, name, escape);
	buf_addc(&out, '=');
	quote(&out, value ? value : "", escape);
	return buf_detach(&out);
}

/* --label: as instructions behind the first *n lines. */
static void add_labels(struct dockerfile *f, size_t *n, const json_t *labels)
{
	cleanup_json json_t *sorted = labels ? json_sorted(labels) : json_object();
	const char *name;
	json_t *v;

	while (f->n > *n)
		dockerfile_line_release(&f->lines[--f->n]);
	json_object_foreach(sorted, name, v) {
		struct dockerfile_line line = {.name = "LABEL", .flags = json_object()};

		line.original = xasprintf("LABEL %s=%s", name, json_string_value(v));
		line.args = label_words(name, json_string_value(v), f->escape);
		f->lines = xreallocarray(f->lines, f->n + 1, sizeof(*f->lines));
		f->lines[f->n++] = line;
	}
	*n = f->n;
}

static int build_lines(struct build *b, const struct dockerfile *f, size_t n, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT;
	size_t i;

	b->steps = (int)n;
	for (i = 0; i < n; i++) {
		const struct dockerfile_line *line = &f->lines[i];
		bool from = !strcmp(line->name, "FROM");

		if (from && b->config)
			stage_end(b);
		if (say_step(b, line->original, e))
			return -1;
		if (!from && !b->config) {
			if (declare(b, line, b->meta, &said, e))
				return -1;
			continue;
		}
		if (from ? stage_begin(b, line, e) : step(b, line, e))
			return -1;
		build_say(b, " ---> %.12s\n", short_id(b->image));
	}
	stage_end(b);
	return 0;
}

static void warn_of_args(struct build *b)
{
	cleanup_buf struct buf names = BUF_INIT;
	cleanup_json json_t *sorted = b->o->args ? json_sorted(b->o->args) : json_object();
	const char *name;
	json_t *v;

	json_object_foreach(sorted, name, v)
		if (!json_object_get(b->known, name) && !str_in(name, builtin_args))
			buf_addf(&names, "%s%s", names.n ? " " : "", name);
	if (names.n)
		build_say(b, "[Warning] One or more build-args [%s] were not consumed\n", names.p);
}

static int parse_tags(char *const *tags, struct imgref *refs, size_t *n, struct err *e)
{
	for (*n = 0; tags && tags[*n]; ++*n) {
		if (imgref_parse(tags[*n], &refs[*n], e)) {
			e->kind = ERR_FAILED;
			return -1;
		}
		if (refs[*n].digest) {
			imgref_release(&refs[*n]);
			return err_kind(e, ERR_INVALID, "build tag cannot contain a digest");
		}
		imgref_default_tag(&refs[*n]);
	}
	return 0;
}

static int finish(struct build *b, const struct imgref *refs, size_t n, struct err *e)
{
	size_t i;

	if (!*b->image)
		return err_set(e, 0, "No image was generated. Is your Dockerfile empty?");
	warn_of_args(b);
	build_say(b, "Successfully built %.12s\n", short_id(b->image));
	for (i = 0; i < n; i++) {
		cleanup_free char *shown = imgref_familiar(&refs[i]);

		if (engine_image_tag(b->en, b->image, &refs[i], e))
			return -1;
		build_say(b, "Successfully tagged %s\n", shown);
	}
	if (b->o->quiet) {
		cleanup_json json_t *j = json_object();
		cleanup_free char *line = xasprintf("%s\n", b->image);

		json_set_str(j, "stream", line);
		say_json(b, j);
	}
	return 0;
}

static int read_dockerfile(struct build *b, struct dockerfile *f, struct err *e)
{
	const char *path = b->o->dockerfile && *b->o->dockerfile ? b->o->dockerfile : "Dockerfile";
	cleanup_free char *clean = fs_clean_path(path);
	cleanup_buf struct buf text = BUF_INIT;
	int rc;

	if (!strncmp(clean, "..", 2))
		return err_set(e, 0, "forbidden path outside the build context: %s ()", path);
	rc = context_file(b->en, b->context, path, &text, e);
	if (rc && e->kind == ERR_NOT_FOUND && !strcmp(clean, "Dockerfile"))
		rc = context_file(b->en, b->context, "dockerfile", &text, e);
	if (rc && e->kind == ERR_NOT_FOUND)
		return err_set(e, 0, "Cannot locate specified Dockerfile: %s", path);
	if (rc) {
		e->kind = ERR_FAILED;
		return -1;
	}
	b->hidden = context_hidden(b->en, b->context, clean, e);
	if (!b->hidden)
		return -1;
	if (!text.n)
		return err_kind(e, ERR_INVALID, "the Dockerfile (%s) cannot be empty", path);
	return dockerfile_parse((struct span){text.p, text.n}, f, e);
}

static int run(struct build *b, struct dockerfile *f, struct err *e)
{
	size_t n_refs = 0, n = 0, i;
	struct imgref *refs;
	ssize_t lines;
	int rc;

	for (i = 0; b->o->tags && b->o->tags[i]; i++)
		;
	refs = xcalloc(i + 1, sizeof(*refs));
	rc = parse_tags(b->o->tags, refs, &n_refs, e) || read_dockerfile(b, f, e);
	lines = rc ? -1 : count_lines(f, b->o->target, e);
	if (lines >= 0) {
		n = (size_t)lines;
		add_labels(f, &n, b->o->labels);
		b->escape = f->escape;
		rc = build_lines(b, f, n, e) || finish(b, refs, n_refs, e);
	}
	while (n_refs)
		imgref_release(&refs[--n_refs]);
	free(refs);
	return rc || lines < 0 ? -1 : 0;
}

int engine_build(struct engine *en, int context, const struct build_options *o, const struct image_client *client,
	struct err *e)
{
	struct build b = {.en = en, .o = o, .client = client, .context = context, .meta = json_object(),
		.known = json_object()};
	struct dockerfile f = {.escape = '\\'};
	int rc;

	images_hold(en->images);
	rc = run(&b, &f, e);
	images_unhold(en->images);
	stage_release(&b);
	while (b.n_stages)
		free(b.stages[--b.n_stages].name);
	free(b.stages);
	json_decref(b.meta);
	json_decref(b.known);
	json_decref(b.hidden);
	json_decref(b.sources);
	dockerfile_release(&f);
	return rc && b.failed_aloud ? 0 : rc;
}
