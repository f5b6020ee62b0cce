/* SPDX-License-Identifier: MIT */
/*
 * core/engine/images.c - operations on images as the API has them
 *
 * Theory of operation
 *   A worker does what touches foreign bytes (image.h); here its request is put together, and what
 *   only the table knows is said: whether a pull changed anything, which name moved.  Events follow
 *   what happened, as other clients act on them at once.
 */
#include "engine/filter.h"
#include "engine/images.h"
#include "base/fs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- telling ------------------------------------------------------------------------------------- */

void engine_image_event(struct engine *en, const char *action, const char *id, const char *name)
{
	char found[DIGEST_MAX];
	json_t *attributes;

	/* Of an image that is gone there are no labels any more. */
	if (images_resolve(en->images, id, found, NULL))
		attributes = json_object();
	else
		attributes = images_labels(en->images, found);
	if (name && *name)
		json_set_str(attributes, "name", name);
	events_emit(en, "image", action, id, attributes);
}

static void emit(void *arg, const char *action, const char *id)
{
	engine_image_event(arg, action, id, id);
}

static int say(const struct image_client *c, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One line {"key": text} to the client. */
static int say(const struct image_client *c, const char *key, const char *fmt, ...)
{
	cleanup_buf struct buf value = BUF_INIT, text = BUF_INIT;
	cleanup_json json_t *j = json_object();
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&value, fmt, ap);
	va_end(ap);
	json_set_str(j, key, value.p);
	json_print(j, false, &text);
	return c->line(c->arg, text.p, text.n);
}

static json_t *run(struct engine *en, const json_t *request, const struct image_client *c, struct err *e)
{
	struct worker_job job = {
		.request = request, .store = &en->store, .input = -1, .feed = c->feed, .cancel = c->cancel,
		.progress = c->line, .arg = c->arg,
	};

	return images_run_job(en->images, &job, e);
}

static bool any_changed(const json_t *made)
{
	const json_t *m;
	size_t i;

	json_array_foreach(made, i, m)
		if (json_bool(m, "changed", false))
			return true;
	return false;
}

/* --- pull ----------------------------------------------------------------------------------------- */

static void set_or_null(json_t *j, const char *key, const json_t *value)
{
	json_set_new(j, key, value ? json_deep_copy(value) : json_null());
}

static json_t *registry_settings(const struct engine *en)
{
	json_t *j = json_object();

	set_or_null(j, "insecure-registries", en->config.insecure_registries);
	set_or_null(j, "registry-mirrors", en->config.registry_mirrors);
	set_or_null(j, "proxies", json_obj(en->config.raw, "proxies"));
	set_or_null(j, "max-download-attempts", json_object_get(en->config.raw, "max-download-attempts"));
	set_or_null(j, "max-concurrent-uploads", json_object_get(en->config.raw, "max-concurrent-uploads"));
	json_set_int(j, "max-concurrent-downloads", en->config.max_concurrent_downloads);
	return j;
}

/* The image that came may be for another platform than was asked for: some registries have only that. */
static void warn_of_platform(struct engine *en, const char *name, const char *platform,
	const struct image_client *client)
{
	struct err e = ERR_INIT;
	struct platform want;

	if (!platform || !*platform || platform_parse(platform, &want, NULL))
		return;
	if (engine_image_check_platform(en, name, &want, &e) && strstr(e.msg, "platform"))
		say(client, "status", "WARNING: %s", e.msg);
}

int engine_image_pull(struct engine *en, const struct imgref *ref, const char *platform, const json_t *auth,
	const struct image_client *client, struct err *e)
{
	cleanup_free char *canonical = imgref_canonical(ref), *shown = imgref_familiar(ref);
	cleanup_free char *repo = imgref_familiar_repo(ref);
	cleanup_json json_t *request = json_object(), *made = NULL;

	json_set_str(request, "op", "pull");
	json_set_str(request, "ref", canonical);
	json_set_str(request, "platform", platform && *platform ? platform : NULL);
	json_set_bool(request, "all_tags", !ref->tag && !ref->digest);
	set_or_null(request, "auth", auth);
	json_set_new(request, "config", registry_settings(en));
	made = run(en, request, client, e);
	if (!made)
		return -1;
	engine_image_event(en, "pull", shown, repo);
	if (any_changed(made))
		say(client, "status", "Status: Downloaded newer image for %s", shown);
	else
		say(client, "status", "Status: Image is up to date for %s", shown);
	warn_of_platform(en, shown, platform, client);
	return 0;
}

/* --- push ----------------------------------------------------------------------------------------- */

static int push_tag(struct engine *en, const struct imgref *ref, const json_t *auth,
	const struct image_client *client, struct err *e)
{
	cleanup_free char *canonical = imgref_canonical(ref), *shown = imgref_familiar(ref);
	cleanup_free char *repo = imgref_familiar_repo(ref);
	cleanup_json json_t *request = json_object();
	struct worker_job job = {
		.request = request, .store = &en->store, .input = -1, .cancel = client->cancel,
		.progress = client->line, .arg = client->arg,
	};

	json_set_str(request, "op", "push");
	json_set_str(request, "ref", canonical);
	set_or_null(request, "auth", auth);
	json_set_new(request, "config", registry_settings(en));
	if (images_push(en->images, canonical, &job, e))
		return -1;
	engine_image_event(en, "push", shown, repo);
	return 0;
}

static int push_tags(struct engine *en, const struct imgref *ref, char **tags, const json_t *auth,
	const struct image_client *client, struct err *e)
{
	struct imgref one = *ref;
	size_t i;
	int rc = 0;

	for (i = 0; tags[i] && !rc; i++) {
		one.tag = tags[i];
		rc = push_tag(en, &one, auth, client, e);
	}
	return rc;
}

int engine_image_push(struct engine *en, const struct imgref *ref, const json_t *auth,
	const struct image_client *client, struct err *e)
{
	cleanup_free char *repo = xasprintf("%s/%s", ref->host, ref->repo), *shown = imgref_familiar_repo(ref);
	char **tags;
	size_t i;
	int rc;

	/* From here on an error is a line of the answer, as in Docker. */
	if (say(client, "status", "The push refers to repository [%s]", repo))
		return err_set(e, ECANCELED, "the client has gone");
	if (ref->digest)
		return err_kind(e, ERR_INVALID, "cannot push a digest reference");
	tags = images_tags_of(en->images, repo);
	for (i = 0; ref->tag && tags[i] && strcmp(tags[i], ref->tag); i++)
		;
	if (!tags[0])
		rc = err_kind(e, ERR_NOT_FOUND, "An image does not exist locally with the tag: %s", shown);
	else if (!tags[i])
		rc = err_kind(e, ERR_NOT_FOUND, "tag does not exist: %s:%s", shown, ref->tag);
	else if (ref->tag)
		rc = push_tag(en, ref, auth, client, e);
	else
		rc = push_tags(en, ref, tags, auth, client, e);
	strv_free(tags);
	return rc;
}

/* --- questions to a registry -------------------------------------------------------------------------- */

static json_t *inquire(struct engine *en, const char *op, const char *key, const char *value, const json_t *auth,
	int cancel, struct err *e)
{
	cleanup_json json_t *request = json_object();
	struct worker_job job = {.request = request, .store = &en->store, .input = -1, .cancel = cancel};

	json_set_str(request, "op", op);
	json_set_str(request, key, value);
	set_or_null(request, "auth", auth);
	json_set_new(request, "config", registry_settings(en));
	return worker_run(&job, e);
}

json_t *engine_image_distribution(struct engine *en, const struct imgref *ref, const json_t *auth, int cancel,
	struct err *e)
{
	cleanup_free char *canonical = imgref_canonical(ref);

	return inquire(en, "distribution", "ref", canonical, auth, cancel, e);
}

int engine_registry_login(struct engine *en, const char *address, const json_t *auth, int cancel, struct err *e)
{
	cleanup_json json_t *ok = inquire(en, "auth", "address", address, auth, cancel, e);

	return ok ? 0 : -1;
}

/* --- search --------------------------------------------------------------------------------------------- */

/* "localhost:5000/foo" is looked for there, all else at Docker Hub. */
static const char *search_host(const char *term, char **host)
{
	const char *slash = strchr(term, '/');
	size_t n = slash ? (size_t)(slash - term) : 0;

	*host = xstrndup(term, n);
	if (!n || (!strpbrk(*host, ".:") && strcmp(*host, "localhost"))) {
		free(*host);
		*host = xstrdup("docker.io");
		return term;
	}
	if (strcmp(*host, "index.docker.io") && strcmp(*host, "docker.io"))
		return slash + 1;
	free(*host);
	*host = xstrdup("docker.io");
	return strncmp(slash + 1, "library/", 8) ? slash + 1 : slash + 9;
}

/* The one value of a filter, or NULL. */
static const char *filter_value(const json_t *filters, const char *key)
{
	return json_string_value(json_array_get(json_arr(filters, key), 0));
}

/* At least so many stars; the largest counts. -1 with @e. */
static int wanted_stars(const json_t *filters, int64_t *stars, struct err *e)
{
	const json_t *one;
	int64_t n;
	size_t i;

	*stars = 0;
	json_array_foreach(json_arr(filters, "stars"), i, one) {
		const char *text = json_string_value(one);

		if (parse_i64(span_of(text), INT32_MIN, INT32_MAX, &n))
			return err_kind(e, ERR_INVALID, "invalid filter 'stars=%s': strconv.Atoi: parsing \"%s\": invalid "
				"syntax", text, text);
		if (n > *stars)
			*stars = n;
	}
	return 0;
}

static json_t *found_json(const json_t *found)
{
	json_t *j = json_object();

	json_set_int(j, "star_count", json_int(found, "star_count", 0));
	json_set_bool(j, "is_official", json_bool(found, "is_official", false));
	json_set_str(j, "name", json_str(found, "name", ""));
	json_set_bool(j, "is_automated", json_bool(found, "is_automated", false));
	json_set_str(j, "description", json_str(found, "description", ""));
	return j;
}

json_t *engine_image_search(struct engine *en, const char *term, int limit, const json_t *filters,
	const json_t *auth, int cancel, struct err *e)
{
	const char *official = filter_value(filters, "is-official");
	cleanup_json json_t *request = json_object(), *result = NULL;
	struct worker_job job = {.request = request, .store = &en->store, .input = -1, .cancel = cancel};
	cleanup_free char *host = NULL;
	bool want_automated, want_official;
	json_t *out, *found;
	int64_t stars;
	size_t i;

	if (strstr(term, "://")) {
		err_kind(e, ERR_INVALID, "invalid repository name: repository name (%s) should not have a scheme", term);
		return NULL;
	}
	if (filter_bool(filters, "is-automated", false, &want_automated, e) ||
		filter_bool(filters, "is-official", false, &want_official, e) || wanted_stars(filters, &stars, e))
		return NULL;
	if (want_automated) /* a mark that Docker Hub gave up: nothing has it */
		return json_array();
	json_set_str(request, "op", "search");
	json_set_str(request, "term", search_host(term, &host));
	json_set_str(request, "host", host);
	json_set_int(request, "limit", limit);
	set_or_null(request, "auth", auth);
	json_set_new(request, "config", registry_settings(en));
	result = worker_run(&job, e);
	if (!result)
		return NULL;
	out = json_array();
	json_array_foreach(json_arr(result, "results"), i, found)
		if ((!official || json_bool(found, "is_official", false) == want_official) &&
			json_int(found, "star_count", 0) >= stars)
			json_array_append_new(out, found_json(found));
	return out;
}

/* --- load and import ------------------------------------------------------------------------------- */

static char *familiar(const char *canonical)
{
	struct imgref ref;
	char *s;

	if (imgref_parse(canonical, &ref, NULL))
		return xstrdup(canonical);
	s = imgref_familiar(&ref);
	imgref_release(&ref);
	return s;
}

static void tell_loaded(struct engine *en, const json_t *m, const struct image_client *client)
{
	const char *id = json_str(m, "id", ""), *before;
	const json_t *ref;
	size_t i;

	json_array_foreach(json_arr(m, "refs"), i, ref) {
		cleanup_free char *shown = familiar(json_string_value(ref));

		before = json_str(json_obj(m, "moved"), json_string_value(ref), NULL);
		if (before)
			say(client, "stream", "The image %s already exists, renaming the old one with ID %s to "
				"empty string\n", shown, before);
		say(client, "stream", "Loaded image: %s\n", shown);
	}
	if (!json_array_size(json_arr(m, "refs")))
		say(client, "stream", "Loaded image ID: %s\n", id);
	engine_image_event(en, "load", id, id);
}

int engine_image_load(struct engine *en, const char *platform, bool quiet, const struct image_client *client,
	struct err *e)
{
	cleanup_json json_t *request = json_object(), *made = NULL;
	const json_t *m;
	size_t i;

	json_set_str(request, "op", "load");
	json_set_bool(request, "quiet", quiet);
	json_set_str(request, "platform", platform);
	made = run(en, request, client, e);
	if (!made)
		return -1;
	json_array_foreach(made, i, m)
		tell_loaded(en, m, client);
	return 0;
}

int engine_image_import(struct engine *en, const struct image_import *what, const struct image_client *client,
	char id[DIGEST_MAX], struct err *e)
{
	cleanup_json json_t *request = json_object(), *made = NULL;

	json_set_str(request, "op", "import");
	json_set_new(request, "config", json_deep_copy(what->config));
	json_set_str(request, "message", what->message);
	json_set_str(request, "platform", what->platform);
	json_set_str(request, "version", ENGINE_VERSION);
	if (what->url) {
		json_set_str(request, "url", what->url);
		json_set_new(request, "registry", registry_settings(en));
	}
	made = run(en, request, client, e);
	if (!made) {
		if (e->kind == ERR_INVALID)
			e->kind = ERR_FAILED; /* the request was right, the archive is not: 500, as Docker has it */
		return -1;
	}
	snprintf(id, DIGEST_MAX, "%s", json_str(json_array_get(made, 0), "id", ""));
	if (what->ref && engine_image_tag(en, id, what->ref, e))
		return -1;
	engine_image_event(en, "import", id, id);
	return 0;
}

int engine_fetch(struct engine *en, const char *url, const struct image_client *client, char **name, struct err *e)
{
	cleanup_json json_t *request = json_object(), *done = NULL;
	cleanup_close int file = openat(en->datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct worker_job job = {.request = request, .store = &en->store, .input = file, .cancel = client->cancel,
		.progress = client->line, .arg = client->arg};

	if (file < 0)
		return err_set(e, errno, "making a file for what is fetched");
	json_set_str(request, "op", "fetch");
	json_set_new(request, "url", json_text(url));
	json_set_new(request, "config", registry_settings(en));
	done = worker_run(&job, e);
	if (!done)
		return -1;
	*name = xstrdup(json_str(done, "name", ""));
	return fd_steal(&file);
}

/* --- save ------------------------------------------------------------------------------------------- */

#define SAVE_PIPE (1 << 20) /* bytes; what an unprivileged process may ask for by default */
#define SAVE_STACK (512 << 10) /* packing walks trees */

struct save {
	struct archive *archive;
	int out; /* the writer's end, owned by it */
	int rc;
	struct err e;
};

static void *save_main(void *arg)
{
	struct save *s = arg;

	s->rc = images_archive_write(s->archive, s->out, &s->e);
	fd_close(&s->out);
	return NULL;
}

/* The archive is written to a pipe, by a thread; @put takes it from there. */
static int save_through(struct save *s, int (*put)(void *arg, int pipefd), void *arg, struct err *e)
{
	int p[2], rc, gone;
	pthread_attr_t attr;
	pthread_t thread;

	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	fcntl(p[1], F_SETPIPE_SZ, SAVE_PIPE); /* a smaller one works too */
	s->out = p[1];
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SAVE_STACK);
	rc = pthread_create(&thread, &attr, save_main, s);
	pthread_attr_destroy(&attr);
	if (rc) {
		close(p[0]);
		close(p[1]);
		return err_set(e, rc, "starting a thread");
	}
	gone = put(arg, p[0]);
	close(p[0]); /* a writer nobody reads from ends */
	pthread_join(thread, NULL);
	if (gone)
		return err_set(e, ECANCELED, "the client has gone");
	if (s->rc)
		*e = s->e;
	return s->rc;
}

/* Only for the platform asked for, if one is. */
static int check_saved(struct engine *en, const json_t *ids, const struct platform *want, struct err *e)
{
	cleanup_free char *text = platform_format(want);
	const json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
		if (engine_image_check_platform(en, json_string_value(id), want, NULL))
			return err_set(e, 0, "no suitable export target found for platform %s", text);
	return 0;
}

int engine_image_save(struct engine *en, char *const names[], const struct platform *platform,
	int (*put)(void *arg, int pipefd), void *arg, struct err *e)
{
	struct save s = {.archive = images_archive_new(en->images, names, e), .out = -1, .e = ERR_INIT};
	cleanup_json json_t *ids = NULL;
	const json_t *id;
	size_t i;
	int rc;

	if (!s.archive)
		return -1;
	ids = images_archive_ids(s.archive);
	rc = platform ? check_saved(en, ids, platform, e) : 0;
	if (!rc)
		rc = save_through(&s, put, arg, e);
	images_archive_free(s.archive);
	json_array_foreach(ids, i, id)
		if (!rc)
			engine_image_event(en, "save", json_string_value(id), json_string_value(id));
	return rc;
}

/* --- names and removal ------------------------------------------------------------------------------ */

int engine_image_tag(struct engine *en, const char *name, const struct imgref *ref, struct err *e)
{
	cleanup_free char *shown = NULL;
	char id[DIGEST_MAX];

	if (images_resolve(en->images, name, id, e) || images_tag(en->images, ref, id, e))
		return -1;
	shown = imgref_familiar(ref);
	engine_image_event(en, "tag", id, shown);
	return 0;
}

json_t *engine_image_remove(struct engine *en, const char *name, bool force, bool noprune, struct err *e)
{
	const struct images_use use = {engine_image_use, en};

	return images_remove_json(en->images, name, force, noprune, &use, emit, en, e);
}

json_t *engine_image_prune(struct engine *en, const json_t *filters, struct err *e)
{
	const struct images_use use = {engine_image_use, en};
	json_t *j = images_prune_json(en->images, filters, &use, emit, en, e), *attributes;
	cleanup_free char *freed = NULL;

	if (!j)
		return NULL;
	attributes = json_object();
	freed = xasprintf("%lld", (long long)json_int(j, "SpaceReclaimed", 0));
	json_set_str(attributes, "reclaimed", freed);
	events_emit(en, "image", "prune", "", attributes);
	return j;
}

int engine_image_check_platform(struct engine *en, const char *name, const struct platform *want, struct err *e)
{
	cleanup_free char *have_text = NULL, *want_text = NULL;
	struct platform have;
	char id[DIGEST_MAX];

	if (images_resolve(en->images, name, id, e))
		return -1;
	have_text = images_platform(en->images, id);
	if (!have_text || platform_parse(have_text, &have, NULL) || platform_rank(want, &have) >= 0)
		return 0;
	want_text = platform_format(want);
	return err_kind(e, ERR_NOT_FOUND, "image with reference %s was found but its platform (%s) does not match "
		"the specified platform (%s)", name, have_text, want_text);
}
