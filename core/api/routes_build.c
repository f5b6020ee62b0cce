/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_build.c - /build: the classic builder
 *
 * Theory of operation
 *   The context is taken in whole before the first step.  Until the first line of progress an error
 *   is a status of its own; after it, a line.  The switches come as query parameters, some of them
 *   JSON; what BuildKit alone can do is refused, saying so.
 */
#include "api/http.h"
#include "base/base64.h"
#include "base/fs.h"
#include "engine/build.h"
#include "engine/context.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* --- the context ------------------------------------------------------------------------------------- */

/* The body goes into a pipe from this connection's thread, while another one has it taken in. */
struct taker {
	struct engine *en;
	int pipe, context;
	struct err e;
};

static void *take_main(void *arg)
{
	struct taker *t = arg;

	t->context = context_take(t->en, t->pipe, &t->e);
	fd_close(&t->pipe); /* a writer nobody reads from ends */
	return NULL;
}

static int take_context(struct http *h, struct err *e)
{
	struct taker t = {.en = http_engine(h), .context = -1, .e = ERR_INIT};
	struct err sent = ERR_INIT;
	pthread_attr_t attr;
	pthread_t thread;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	t.pipe = ends[0];
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	rc = pthread_create(&thread, &attr, take_main, &t);
	pthread_attr_destroy(&attr);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return err_set(e, rc, "starting a thread");
	}
	rc = http_body_pipe(h, ends[1], &sent);
	close(ends[1]);
	pthread_join(thread, NULL);
	if (!rc && t.context >= 0)
		return t.context;
	*e = rc ? sent : t.e;
	fd_close(&t.context);
	return -1;
}

/* --- the switches -------------------------------------------------------------------------------------- */

/* A parameter that is JSON; NULL without it. @what for the message. */
static int json_param(struct http *h, const char *name, const char *what, json_t **j, struct err *e)
{
	const char *text = http_query(h, name);
	char mistake[JSON_GO_MAX];

	*j = NULL;
	if (!text || !*text)
		return 0;
	*j = json_parse(text, strlen(text), e);
	if (*j)
		return 0;
	if (json_go_mistake(text, strlen(text), mistake))
		return err_kind(e, ERR_INVALID, "error reading %s: %s", what, mistake);
	return err_wrap(e, "error reading %s", what);
}

static int host_number(struct http *h, json_t *host, const char *param, const char *key, struct err *e)
{
	int64_t v;

	if (http_query_int(h, param, 0, &v, e))
		return -1;
	if (v)
		json_set_int(host, key, v);
	return 0;
}

/* HostConfig of RUN's containers. Nobody reads their logs later. */
static json_t *host_config(struct http *h, struct err *e)
{
	static const struct {
		const char *param, *key;
	} numbers[] = {{"memory", "Memory"}, {"memswap", "MemorySwap"}, {"cpushares", "CpuShares"},
		{"cpuperiod", "CpuPeriod"}, {"cpuquota", "CpuQuota"}, {"shmsize", "ShmSize"}};
	static const struct {
		const char *param, *key;
	} texts[] = {{"cpusetcpus", "CpusetCpus"}, {"cpusetmems", "CpusetMems"}, {"networkmode", "NetworkMode"},
		{"cgroupparent", "CgroupParent"}};
	json_t *host = json_pack("{s:{s:s}}", "LogConfig", "Type", "none"), *ulimits = NULL;
	char **hosts = http_query_all(h, "extrahosts");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (host_number(h, host, numbers[i].param, numbers[i].key, e))
			goto fail;
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (http_query(h, texts[i].param) && *http_query(h, texts[i].param))
			json_set_str(host, texts[i].key, http_query(h, texts[i].param));
	if (json_param(h, "ulimits", "ulimit settings", &ulimits, e))
		goto fail;
	if (ulimits)
		json_set_new(host, "Ulimits", ulimits);
	if (hosts)
		json_set_new(host, "ExtraHosts", json_strv(hosts));
	return host;
fail:
	json_decref(host);
	return NULL;
}

static int check_version(struct http *h, struct err *e)
{
	const char *v = http_query(h, "version");

	if (!v || !*v || !strcmp(v, "1"))
		return 0;
	if (strcmp(v, "2"))
		return err_kind(e, ERR_INVALID, "invalid version \"%s\"", v);
	return err_kind(e, ERR_NOT_SUPPORTED,
		"this engine has the classic builder and no BuildKit: set DOCKER_BUILDKIT=0, or let buildx run BuildKit in "
		"a container (docker buildx create --use --driver docker-container)");
}

/* Is the context to be fetched?  "client-session" means that BuildKit's client has it. */
static bool is_remote(const char *remote)
{
	return remote && *remote && strcmp(remote, "client-session");
}

/* As the real engine tells them: by scheme, or an HTTP path that ends in ".git", a fragment behind it or not. */
static bool is_git(const char *remote)
{
	static const char *const starts[] = {"git://", "git@", "github.com/"};
	size_t n;

	if (!is_remote(remote))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (!strncmp(remote, starts[i], strlen(starts[i])))
			return true;
	n = strcspn(remote, "#");
	return !strncmp(remote, "http", 4) && n > 4 && !strncmp(remote + n - 4, ".git", 4);
}

static int check_others(struct http *h, struct err *e)
{
	struct platform p;
	const char *remote = http_query(h, "remote");

	if (check_version(h, e) || platform_parse(http_query(h, "platform"), &p, e))
		return -1;
	if (http_query_bool(h, "squash", false))
		return err_kind(e, ERR_INVALID, "squash is only supported with experimental mode");
	if (http_query(h, "securityopt") && *http_query(h, "securityopt"))
		return err_kind(e, ERR_INVALID, "The daemon on this platform does not support setting security options on build");
	if (is_git(remote))
		return err_set(e, 0, "error downloading remote context %s: this engine does not run git: give the client a clone of it, "
			"or the address of an archive", remote);
	if (is_remote(remote) && strncmp(remote, "http://", 7) && strncmp(remote, "https://", 8))
		return err_set(e, 0, "remoteURL (%s) could not be recognized as URL", remote);
	return 0;
}

/* X-Registry-Config; what makes no sense counts as none. */
static json_t *registry_auths(struct http *h)
{
	const char *header = http_header(h, "X-Registry-Config");
	cleanup_buf struct buf text = BUF_INIT;

	if (!header || !*header || base64_decode(header, &text))
		return NULL;
	return json_parse(text.p, text.n, NULL);
}

static void run_build(struct http *h, struct build_options *o, struct err *e)
{
	const struct image_client client = {http_progress, NULL, h, http_fd(h)};
	const char *remote = http_query(h, "remote");
	int context = is_remote(remote) ? context_fetch(http_engine(h), remote, &client, e) : take_context(h, e);

	if (context < 0 && is_remote(remote))
		err_wrap(e, "error downloading remote context %s", remote);
	if (context < 0 || engine_build(http_engine(h), context, o, &client, e))
		http_fail(h, e);
	fd_close(&context);
}

static void build(struct http *h)
{
	cleanup_json json_t *args = NULL, *labels = NULL, *auths = registry_auths(h), *host = NULL, *cache_from = NULL;
	struct err e = ERR_INIT;
	struct build_options o = {
		.tags = http_query_all(h, "t"), .dockerfile = http_query(h, "dockerfile"),
		.target = http_query(h, "target"), .platform = http_query(h, "platform"), .auths = auths,
		.quiet = http_query_bool(h, "q", false), .no_cache = http_query_bool(h, "nocache", false),
		.pull = http_query_bool(h, "pull", false), .keep = !http_query_bool(h, "rm", true),
		.force_remove = http_query_bool(h, "forcerm", false), .api_minor = http_api_minor(h),
	};

	if (check_others(h, &e) || json_param(h, "buildargs", "build args", &args, &e) ||
		json_param(h, "labels", "labels", &labels, &e) || json_param(h, "cachefrom", "cache-from", &cache_from, &e) || !(host = host_config(h, &e))) {
		http_fail(h, &e);
		return;
	}
	o.args = args;
	o.labels = labels;
	o.cache_from = cache_from;
	o.host = host;
	run_build(h, &o, &e);
}

static void cancel(struct http *h)
{
	struct err e = ERR_INIT;

	if (!http_query(h, "id") || !*http_query(h, "id"))
		err_kind(&e, ERR_INVALID, "build ID not provided");
	else
		err_kind(&e, ERR_NOT_FOUND, "no such build: %s", http_query(h, "id"));
	http_fail(h, &e);
}

/* The cache is images like others: `image prune` removes them. */
static void prune(struct http *h)
{
	static const char *const known[] = {"id", "parent", "type", "description", "inuse", "shared", "private", "until",
		"unused-for", NULL};
	struct err e = ERR_INIT;
	cleanup_json json_t *filters = http_filters(h, &e);
	const char *name;
	json_t *v;

	json_object_foreach(filters, name, v)
		if (!str_in(name, known) && strncmp(name, "label", 5)) {
			err_kind(&e, ERR_INVALID, "failed to prune build cache: invalid filter '%s'", name);
			http_fail(h, &e);
			return;
		}
	if (filters)
		http_json(h, 200, json_pack("{s:n, s:i}", "CachesDeleted", "SpaceReclaimed", 0));
	else
		http_fail(h, &e);
}

const struct route routes_build[] = {
	{"POST", "/build", build},
	{"POST", "/build/cancel", cancel},
	{"POST", "/build/prune", prune},
	{NULL},
};
