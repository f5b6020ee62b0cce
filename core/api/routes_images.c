/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_images.c - /images and /distribution
 *
 * Theory of operation
 *   Pull, load and import stream: the answer begins with the first line of progress, so an error
 *   before that is still a status of its own (load excepted: clients expect 200 and an error line).
 *   Bodies of load and import are read by the job itself while it runs.
 *
 *   Answers are made in the shape of the newest version; what older ones had is put back here.
 */
#include "base/base64.h"
#include "api/http.h"
#include "api/params.h"
#include "engine/filter.h"
#include "engine/images.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

/* --- a streaming answer ------------------------------------------------------------------------------ */

static ssize_t body_feed(void *arg, int pipefd, struct err *e)
{
	return http_body_pass(arg, pipefd, e);
}

static struct image_client client_of(struct http *h, bool body)
{
	return (struct image_client){http_progress, body ? body_feed : NULL, h, http_fd(h)};
}

static void answer(struct http *h, json_t *j, const struct err *e)
{
	if (j)
		http_json(h, 200, j);
	else
		http_fail(h, e);
}

/* --- parameters -------------------------------------------------------------------------------------- */

/* The "platform" of load, inspect and history: a JSON object. *given is false if there is none. */
static int json_platform(struct http *h, int since_minor, struct platform *p, bool *given, struct err *e)
{
	const char *text = http_query(h, "platform");
	cleanup_json json_t *j = NULL;
	char mistake[JSON_GO_MAX];
	const char *os, *arch;

	*given = text && *text && http_api_minor(h) >= since_minor;
	if (!*given)
		return 0;
	j = json_parse(text, strlen(text), e);
	if (!j)
		return err_kind(e, ERR_INVALID, "failed to parse platform: %s",
			json_go_mistake(text, strlen(text), mistake) ? mistake : "it is no JSON");
	if (!json_is_object(j))
		return err_kind(e, ERR_INVALID, "failed to parse platform: it is no object");
	os = json_string_value(json_get_ci(j, "os"));
	arch = json_string_value(json_get_ci(j, "architecture"));
	if (!os || !*os || !arch || !*arch)
		return err_kind(e, ERR_INVALID, "both OS and Architecture must be provided");
	*p = (struct platform){0};
	snprintf(p->os, sizeof(p->os), "%s", os);
	snprintf(p->arch, sizeof(p->arch), "%s", arch);
	snprintf(p->variant, sizeof(p->variant), "%s", json_string_value(json_get_ci(j, "variant")) ?: "");
	return 0;
}

/* --- list --------------------------------------------------------------------------------------------- */

static void adapt_summary(json_t *j, int minor)
{
	json_t *tags = json_arr(j, "RepoTags"), *digests = json_arr(j, "RepoDigests");

	if (minor < 51)
		json_set_int(j, "Containers", -1);
	if (minor < 44 && json_int(j, "Size", 0))
		json_set_int(j, "VirtualSize", json_int(j, "Size", 0));
	if (minor >= 43)
		return;
	if (!json_array_size(tags) && !json_array_size(digests)) {
		json_append_str(tags, "<none>:<none>");
		json_append_str(digests, "<none>@<none>");
		return;
	}
	if (!json_array_size(tags))
		json_set_new(j, "RepoTags", json_null());
	if (!json_array_size(digests))
		json_set_new(j, "RepoDigests", json_null());
}

static void list(struct http *h)
{
	struct engine *en = http_engine(h);
	const struct images_use use = {engine_image_use, en};
	struct images_list what = {
		.all = http_query_bool(h, "all", false),
		.shared_size = http_api_minor(h) >= 42 && http_query_bool(h, "shared-size", false),
	};
	struct err e = ERR_INIT;
	cleanup_json json_t *filters = http_filters(h, &e);
	const char *old = http_query(h, "filter");
	json_t *j = NULL, *image, *only;
	size_t i;

	if (filters && http_api_minor(h) < 41 && old && *old) {
		only = json_array();
		json_append_str(only, old);
		json_set_new(filters, "reference", only);
	}
	what.filters = filters;
	if (filters)
		j = images_list_json(en->images, &what, &use, &e);
	json_array_foreach(j, i, image)
		adapt_summary(image, http_api_minor(h));
	answer(h, j, &e);
}

/* --- inspect, history ---------------------------------------------------------------------------------- */

/* Members that every config had before 1.50, and what they were without a value. */
static const struct {
	const char *name, *value;
} old_config[] = {
	{"Hostname", "\"\""}, {"Domainname", "\"\""}, {"User", "\"\""}, {"AttachStdin", "false"},
	{"AttachStdout", "false"}, {"AttachStderr", "false"}, {"Tty", "false"}, {"OpenStdin", "false"},
	{"StdinOnce", "false"}, {"Env", "null"}, {"Cmd", "null"}, {"Image", "\"\""}, {"Volumes", "null"},
	{"WorkingDir", "\"\""}, {"Entrypoint", "null"}, {"OnBuild", "null"}, {"Labels", "null"},
};

/* @config with all of them; new reference. */
static json_t *with_old_members(const json_t *config)
{
	json_t *j = json_object();
	const char *key;
	json_t *v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(old_config); i++) {
		v = json_get_ci(config, old_config[i].name);
		json_set_new(j, old_config[i].name,
			v ? json_incref(v) : json_loads(old_config[i].value, JSON_DECODE_ANY, NULL));
	}
	json_object_foreach((json_t *)(uintptr_t)config, key, v)
		json_object_set(j, key, v);
	return j;
}

static void adapt_inspect(json_t *j, int minor)
{
	if (minor >= 45) {
		json_object_del(j, "Container");
		json_object_del(j, "ContainerConfig");
	} else {
		json_set_new(j, "ContainerConfig", with_old_members(json_obj(j, "ContainerConfig")));
	}
	if (minor < 44) {
		json_set_int(j, "VirtualSize", json_int(j, "Size", 0));
		if (!json_str(j, "Created", NULL))
			json_set_str(j, "Created", "0001-01-01T00:00:00Z");
	}
	if (minor < 50)
		json_set_new(j, "Config", with_old_members(json_obj(j, "Config")));
}

static void inspect(struct http *h)
{
	struct engine *en = http_engine(h);
	struct err e = ERR_INIT;
	struct platform p;
	json_t *j = NULL;
	bool given;

	if (json_platform(h, 49, &p, &given, &e))
		goto out;
	if (given && http_query_bool(h, "manifests", false)) {
		err_kind(&e, ERR_INVALID, "conflicting options: manifests and platform options cannot both be set");
		goto out;
	}
	if (given && engine_image_check_platform(en, http_var(h, 0), &p, &e))
		goto out;
	j = images_inspect_json(en->images, http_var(h, 0), &e);
	if (j)
		adapt_inspect(j, http_api_minor(h));
out:
	answer(h, j, &e);
}

static void history(struct http *h)
{
	struct engine *en = http_engine(h);
	struct err e = ERR_INIT;
	struct platform p;
	bool given;

	if (json_platform(h, 48, &p, &given, &e) ||
		(given && engine_image_check_platform(en, http_var(h, 0), &p, &e)))
		http_fail(h, &e);
	else
		answer(h, images_history_json(en->images, http_var(h, 0), &e), &e);
}

/* --- names, removal ------------------------------------------------------------------------------------- */

static void tag(struct http *h)
{
	struct err e = ERR_INIT;
	struct imgref ref;
	bool given;
	int rc;

	if (params_repo_tag(h, &ref, &given, &e)) {
		http_fail(h, &e);
		return;
	}
	if (!given) {
		http_empty(h, 200);
		return;
	}
	if (!strcmp(ref.repo, "library/sha256"))
		rc = err_kind(&e, ERR_INVALID, "refusing to create an ambiguous tag using digest algorithm as name");
	else
		rc = engine_image_tag(http_engine(h), http_var(h, 0), &ref, &e);
	imgref_release(&ref);
	if (rc)
		http_fail(h, &e);
	else
		http_empty(h, 201);
}

static void remove_image(struct http *h)
{
	struct err e = ERR_INIT;
	json_t *j = engine_image_remove(http_engine(h), http_var(h, 0), http_query_bool(h, "force", false),
		http_query_bool(h, "noprune", false), &e);

	answer(h, j, &e);
}

static void prune(struct http *h)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *filters = http_filters(h, &e);

	answer(h, filters ? engine_image_prune(http_engine(h), filters, &e) : NULL, &e);
}

/* --- load ------------------------------------------------------------------------------------------------ */

static void load(struct http *h)
{
	const struct image_client client = client_of(h, true);
	cleanup_free char *platform = NULL;
	struct err e = ERR_INIT;
	struct platform p;
	bool given;

	if (json_platform(h, 48, &p, &given, &e)) {
		http_fail(h, &e);
		return;
	}
	if (given)
		platform = platform_format(&p);
	/* Quiet unless asked not to be: the other way round than the CLI's flag. */
	if (engine_image_load(http_engine(h), platform, http_query_bool(h, "quiet", true), &client, &e)) {
		if (!http_streaming(h))
			http_stream_begin(h, 200, "application/json");
		http_fail(h, &e);
	} else if (!http_streaming(h)) {
		http_progress(h, "{}", 2); /* an archive of no image */
	}
}

/* --- save ------------------------------------------------------------------------------------------------ */

/* The answer begins with the first byte: what fails before is an error with a status of its own. */
static int stream_archive(void *arg, int pipefd)
{
	struct pollfd p = {pipefd, POLLIN, 0};
	struct http *h = arg;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -1;
	if (!(p.revents & POLLIN))
		return 0;
	return http_stream_begin(h, 200, "application/x-tar") ? -1 : http_stream_pipe(h, pipefd);
}

static void save_names(struct http *h, char *const names[])
{
	struct err e = ERR_INIT;
	struct platform p;
	bool given;

	if (json_platform(h, 48, &p, &given, &e)) {
		http_fail(h, &e);
		return;
	}
	if (!engine_image_save(http_engine(h), names, given ? &p : NULL, stream_archive, h, &e))
		return;
	/* Half an archive must not look like a whole one: no last chunk. */
	if (http_streaming(h))
		shutdown(http_fd(h), SHUT_RDWR);
	else
		http_fail(h, &e);
}

static void save_one(struct http *h)
{
	char *name = xstrdup(http_var(h, 0)), *const names[] = {name, NULL};

	save_names(h, names);
	free(name);
}

static void save_several(struct http *h)
{
	save_names(h, http_query_all(h, "names"));
}

/* --- create: pull and import -------------------------------------------------------------------------------- */

/* What is known of credentials in what a client sent; NULL if nothing. */
static json_t *credentials(const json_t *j)
{
	static const char *const keys[] = {"username", "password", "identitytoken", "registrytoken"};
	json_t *auth = json_object();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_is_string(json_get_ci(j, keys[i])) && *json_string_value(json_get_ci(j, keys[i])))
			json_object_set(auth, keys[i], json_get_ci(j, keys[i]));
	if (json_object_size(auth))
		return auth;
	json_decref(auth);
	return NULL;
}

/* The client's credentials; what makes no sense counts as none, as clients send all kinds of things. */
static json_t *registry_auth(struct http *h)
{
	const char *header = http_header(h, "X-Registry-Auth");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	if (!header || !*header || base64_decode(header, &text))
		return NULL;
	j = json_parse(text.p, text.n, NULL);
	return credentials(j);
}

static int pull_ref(struct http *h, struct imgref *ref, struct err *e)
{
	const char *tag_text = http_query(h, "tag");

	if (imgref_parse(http_query(h, "fromImage"), ref, e))
		return -1;
	if (tag_text && *tag_text && imgref_set_tag_or_digest(ref, tag_text, e))
		goto fail;
	if (ref->digest && !digest_ok(ref->digest)) {
		err_kind(e, ERR_INVALID, "unsupported digest algorithm");
		goto fail;
	}
	if (!strcmp(ref->repo, "library/scratch") && !strcmp(ref->host, "docker.io")) {
		err_kind(e, ERR_FORBIDDEN, "'scratch' is a reserved name");
		goto fail;
	}
	return 0;
fail:
	imgref_release(ref);
	return -1;
}

static void pull(struct http *h)
{
	const struct image_client client = client_of(h, false);
	cleanup_json json_t *auth = registry_auth(h);
	struct err e = ERR_INIT;
	struct imgref ref;

	if (pull_ref(h, &ref, &e)) {
		http_fail(h, &e);
		return;
	}
	if (engine_image_pull(http_engine(h), &ref, http_query(h, "platform"), auth, &client, &e))
		http_fail(h, &e);
	imgref_release(&ref);
}

static int push_ref(struct http *h, struct imgref *ref, struct err *e)
{
	const char *tag_text = http_query(h, "tag");

	if (imgref_parse(http_var(h, 0), ref, e))
		return -1;
	if (!tag_text || !*tag_text || !imgref_set_tag(ref, tag_text, e))
		return 0;
	imgref_release(ref);
	return -1;
}

/* Is it for the platform asked for? */
static int check_pushed(struct engine *en, const struct imgref *ref, const struct platform *want, struct err *e)
{
	cleanup_free char *name = imgref_familiar(ref);

	return engine_image_check_platform(en, name, want, e);
}

static void push(struct http *h)
{
	const struct image_client client = client_of(h, false);
	cleanup_json json_t *auth = registry_auth(h);
	struct err e = ERR_INIT;
	struct platform p;
	struct imgref ref;
	bool given;

	if (push_ref(h, &ref, &e)) {
		http_fail(h, &e);
		return;
	}
	if (json_platform(h, 46, &p, &given, &e) || (given && check_pushed(http_engine(h), &ref, &p, &e)) ||
		engine_image_push(http_engine(h), &ref, auth, &client, &e))
		http_fail(h, &e);
	imgref_release(&ref);
}

/* The body is the archive. */
static void import_body(struct http *h, const struct image_import *what)
{
	const struct image_client client = client_of(h, !what->url);
	cleanup_json json_t *line = json_object();
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	char id[DIGEST_MAX];

	if (engine_image_import(http_engine(h), what, &client, id, &e)) {
		http_fail(h, &e);
		return;
	}
	json_set_str(line, "status", id);
	json_print(line, false, &text);
	http_progress(h, text.p, text.n);
}

static int import_config(struct http *h, json_t *config, struct err *e)
{
	char **all = http_query_all(h, "changes");
	cleanup_json json_t *changes = all ? json_strv(all) : NULL;

	return image_config_changes(config, changes, e);
}

static void import(struct http *h)
{
	const char *src = http_query(h, "fromSrc"), *message = http_query(h, "message");
	cleanup_json json_t *config = json_object();
	cleanup_free char *comment = NULL;
	struct err e = ERR_INIT;
	struct image_import what = {.platform = http_query(h, "platform"), .config = config};
	struct imgref ref;
	bool given;

	if (params_repo_tag(h, &ref, &given, &e)) {
		http_fail(h, &e);
		return;
	}
	if (!src || !*src) {
		err_set(&e, 0, "Get \"http:\": http: no Host in request URL");
	} else if (!import_config(h, config, &e)) {
		comment = message && *message ? xstrdup(message) : xasprintf("Imported from %s", src);
		what.message = comment;
		what.url = strcmp(src, "-") ? src : NULL;
		what.ref = given ? &ref : NULL;
		import_body(h, &what);
		goto out;
	}
	http_fail(h, &e);
out:
	if (given)
		imgref_release(&ref);
}

static void create(struct http *h)
{
	const char *from = http_query(h, "fromImage");
	struct err e = ERR_INIT;
	struct platform p;

	if (platform_parse(http_query(h, "platform"), &p, &e))
		http_fail(h, &e);
	else if (from && *from)
		pull(h);
	else
		import(h);
}

/* --- questions to a registry ------------------------------------------------------------------------------------ */

static void distribution(struct http *h)
{
	cleanup_json json_t *auth = registry_auth(h);
	struct err e = ERR_INIT;
	struct imgref ref;

	if (imgref_parse(http_var(h, 0), &ref, &e)) {
		http_fail(h, &e);
		return;
	}
	imgref_default_tag(&ref);
	answer(h, engine_image_distribution(http_engine(h), &ref, auth, http_fd(h), &e), &e);
	imgref_release(&ref);
}

/* `docker login`. Docker answers 500 to whatever goes wrong here. */
static void login(struct http *h)
{
	cleanup_json json_t *body = NULL, *auth = NULL;
	cleanup_free char *why = NULL;
	struct err e = ERR_INIT;
	const char *address;

	if (http_body_json(h, false, &body, &e)) {
		/* Read without the checks of other routes, and its errors without their words. */
		why = xstrdup(strstr(e.msg, "got EOF") ? "EOF" : e.msg);
		err_set(&e, 0, "%s", why + (strncmp(why, "invalid JSON: ", 14) ? 0 : 14));
		http_fail(h, &e);
		return;
	}
	auth = credentials(body);
	address = json_string_value(json_get_ci(body, "serveraddress"));
	if (engine_registry_login(http_engine(h), address ? address : "", auth, http_fd(h), &e)) {
		e.kind = ERR_FAILED;
		http_fail(h, &e);
		return;
	}
	http_json(h, 200, json_pack("{s:s, s:s}", "IdentityToken", "", "Status", "Login Succeeded"));
}

/* --- search ------------------------------------------------------------------------------------------------- */

#define SEARCH_LIMIT 25
#define SEARCH_LIMIT_MAX 100

static int search_limit(struct http *h, int *limit, struct err *e)
{
	const char *text = http_query(h, "limit");
	int64_t n;

	*limit = SEARCH_LIMIT;
	if (!text || !*text)
		return 0;
	if (parse_i64(span_of(text), INT64_MIN, INT64_MAX, &n))
		return err_kind(e, ERR_INVALID, "invalid limit specified: strconv.Atoi: parsing \"%s\": invalid syntax",
			text);
	if (n && (n < 1 || n > SEARCH_LIMIT_MAX))
		return err_kind(e, ERR_INVALID, "limit %lld is outside the range of [1, %d]", (long long)n,
			SEARCH_LIMIT_MAX);
	*limit = n ? (int)n : SEARCH_LIMIT;
	return 0;
}

static void search(struct http *h)
{
	static const char *const known[] = {"is-automated", "is-official", "stars", NULL};
	cleanup_json json_t *auth = registry_auth(h), *filters = NULL;
	const char *term = http_query(h, "term");
	struct err e = ERR_INIT;
	json_t *found = NULL;
	int limit;

	if (!search_limit(h, &limit, &e) && (filters = http_filters(h, &e)) && !filter_check(filters, known, &e))
		found = engine_image_search(http_engine(h), term ? term : "", limit, filters, auth, http_fd(h), &e);
	answer(h, found, &e);
}

const struct route routes_images[] = {
	{"GET", "/images/json", list},
	{"GET", "/images/search", search},
	{"GET", "/images/get", save_several},
	{"GET", "/images/{*}/get", save_one},
	{"GET", "/images/{*}/history", history},
	{"GET", "/images/{*}/json", inspect},
	{"POST", "/images/load", load},
	{"POST", "/images/create", create},
	{"POST", "/images/prune", prune},
	{"POST", "/images/{*}/push", push},
	{"POST", "/images/{*}/tag", tag},
	{"DELETE", "/images/{*}", remove_image},
	{"GET", "/distribution/{*}/json", distribution},
	{"POST", "/auth", login},
	{NULL},
};
