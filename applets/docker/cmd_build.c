/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_build.c - docker build, builder prune: images out of Dockerfiles
 *
 * Theory of operation
 *   The engine has the classic builder.  It gets the context (build_context.h) as the body of one
 *   request, the switches as its query, and tells what it does in a stream of progress.  Options that
 *   BuildKit alone understands are refused by name; those that only say how BuildKit shows or keeps
 *   things are taken and change nothing.
 */
#include "build_context.h"
#include "build_git.h"
#include "call.h"
#include "credentials.h"
#include "image_ref.h"
#include "progress.h"
#include "proxy.h"
#include "prune.h"
#include "run_spec.h"

#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- options -------------------------------------------------------------------------------------------- */

static struct {
	struct strlist add_host, build_arg, cache_from, label, security_opt, tag, ulimit, refused;
	const char *cgroup_parent, *cpuset_cpus, *cpuset_mems, *file, *iidfile, *isolation, *network, *platform, *target,
		*shown;
	int64_t cpu_period, cpu_quota, cpu_shares, memory, memory_swap, shm_size;
	bool compress, force_rm, no_cache, pull, quiet, rm, squash, load, no_trust;
} o = {.rm = true, .no_trust = true};

static int check_tag(const char **text, struct err *e)
{
	struct imgref ref;

	return imgref_parse(*text, &ref, e);
}

/* --provenance=false and the like ask for what is so anyway. */
static int check_buildkit(const char **text, struct err *e)
{
	if (!strcmp(*text, "false"))
		return 0;
	return err_kind(e, ERR_NOT_SUPPORTED, "this needs BuildKit, and docker build here is the classic builder: use "
		"docker buildx build, with a builder made by docker buildx create --driver docker-container");
}

#define BUILDKIT_ONLY(name) {name, 0, FLAG_LIST, &o.refused, "", .check = check_buildkit, .hidden = true}

static struct flag build_flags[] = {
	{"add-host", 0, FLAG_LIST, &o.add_host, "Add a line to /etc/hosts for RUN: name:ip", .check = check_add_host},
	BUILDKIT_ONLY("allow"),
	BUILDKIT_ONLY("attest"),
	{"build-arg", 0, FLAG_LIST, &o.build_arg, "Set an ARG: NAME=VALUE, or NAME to pass our variable on",
		.check = check_env},
	BUILDKIT_ONLY("build-context"),
	BUILDKIT_ONLY("builder"),
	{"cache-from", 0, FLAG_LIST, &o.cache_from, "Images whose steps may be taken over", "strings"},
	BUILDKIT_ONLY("cache-to"),
	{"cgroup-parent", 0, FLAG_STRING, &o.cgroup_parent, "Parent cgroup of RUN's containers"},
	{"compress", 0, FLAG_BOOL, &o.compress, "Compress the build context with gzip: for slow lines"},
	{"cpu-period", 0, FLAG_INT, &o.cpu_period, "Length of a CPU quota's period, microseconds"},
	{"cpu-quota", 0, FLAG_INT, &o.cpu_quota, "CPU time in each period, microseconds"},
	{"cpu-shares", 'c', FLAG_INT, &o.cpu_shares, "CPU weight relative to others (1024 is normal)"},
	{"cpuset-cpus", 0, FLAG_STRING, &o.cpuset_cpus, "CPUs to run on: 0-3, 0,1"},
	{"cpuset-mems", 0, FLAG_STRING, &o.cpuset_mems, "Memory nodes to use: 0-3, 0,1"},
	{"disable-content-trust", 0, FLAG_BOOL, &o.no_trust, "", .hidden = true},
	{"file", 'f', FLAG_STRING, &o.file, "The Dockerfile (default PATH/Dockerfile); - reads standard input"},
	{"force-rm", 0, FLAG_BOOL, &o.force_rm, "Remove the containers of steps also when one failed"},
	{"iidfile", 0, FLAG_STRING, &o.iidfile, "Write the image's id to this file"},
	{"isolation", 0, FLAG_STRING, &o.isolation, "", .hidden = true},
	{"label", 0, FLAG_LIST, &o.label, "Give the image a label: key=value", .check = check_label},
	{"load", 0, FLAG_BOOL, &o.load, "", .hidden = true}, /* into the engine: where else */
	{"memory", 'm', FLAG_BYTES, &o.memory, "Memory limit of RUN's containers"},
	{"memory-swap", 0, FLAG_SWAP, &o.memory_swap, "Memory and swap together; -1: as much swap as there is"},
	BUILDKIT_ONLY("metadata-file"),
	{"network", 0, FLAG_STRING, &o.network, "Network of RUN's containers: none, host, NAME (default default)"},
	{"no-cache", 0, FLAG_BOOL, &o.no_cache, "Do every step again"},
	{"output", 'o', FLAG_LIST, &o.refused, "", .check = check_buildkit, .hidden = true},
	{"platform", 0, FLAG_STRING, &o.platform, "Build for this platform: linux/arm64"},
	{"progress", 0, FLAG_STRING, &o.shown, "Accepted; progress is always plain"},
	BUILDKIT_ONLY("provenance"),
	{"pull", 0, FLAG_BOOL, &o.pull, "Look for newer versions of the images in FROM"},
	BUILDKIT_ONLY("push"),
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "Print the image's id alone"},
	{"rm", 0, FLAG_BOOL, &o.rm, "Remove the containers of steps that went well (default true)"},
	BUILDKIT_ONLY("sbom"),
	BUILDKIT_ONLY("secret"),
	{"security-opt", 0, FLAG_LIST, &o.security_opt, "Security options", "strings"},
	{"shm-size", 0, FLAG_BYTES, &o.shm_size, "Size of /dev/shm"},
	{"squash", 0, FLAG_BOOL, &o.squash, "", .hidden = true},
	BUILDKIT_ONLY("ssh"),
	{"tag", 't', FLAG_LIST, &o.tag, "Name of the image: name[:tag]", .check = check_tag},
	{"target", 0, FLAG_STRING, &o.target, "Stop after this stage"},
	{"ulimit", 0, FLAG_LIST, &o.ulimit, "Limits of RUN's processes: nofile=1024:2048", "ulimit", .check = check_ulimit},
	FLAG_END,
};

/* --- the request ---------------------------------------------------------------------------------------- */

static void query_text(struct buf *to, const char *name, const char *value)
{
	if (value && *value)
		target_query(to, name, value);
}

static void query_number(struct buf *to, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	if (value)
		target_query(to, name, text);
}

static void query_bool(struct buf *to, const char *name, bool value)
{
	if (value)
		target_query(to, name, "1");
}

static void query_list(struct buf *to, const char *name, const struct strlist *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		target_query(to, name, l->v[i]);
}

static void query_json(struct buf *to, const char *name, json_t *value_steal)
{
	cleanup_json json_t *value = value_steal;
	cleanup_buf struct buf text = BUF_INIT;

	json_print(value, false, &text);
	if (json_object_size(value) || json_array_size(value))
		target_query(to, name, text.p);
}

/* A name without a value is one that is not set here: null, so that the Dockerfile's default holds. */
static json_t *build_args(void)
{
	json_t *map = json_object();
	size_t i, n;

	for (i = 0; i < o.build_arg.n; i++) {
		const char *pair = o.build_arg.v[i];
		cleanup_free char *key = NULL;

		n = strcspn(pair, "=");
		key = xstrndup(pair, n);
		if (pair[n])
			json_set_str(map, key, pair + n + 1);
		else
			json_set_new(map, key, json_null());
	}
	return map;
}

/* "--cache-from one,two" names two. */
static json_t *cache_from(void)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < o.cache_from.n; i++) {
		struct span rest = span_of(o.cache_from.v[i]), one;

		while (span_token(&rest, ',', &one))
			json_array_append_new(list, json_textn(one.p, one.n));
	}
	return list;
}

static json_t *ulimits(void)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < o.ulimit.n; i++)
		json_array_append_new(list, ulimit_parse(o.ulimit.v[i], NULL));
	return list;
}

static void build_target(const struct build_context *c, struct buf *to)
{
	buf_adds(to, "/build");
	query_list(to, "t", &o.tag);
	query_list(to, "extrahosts", &o.add_host);
	query_list(to, "securityopt", &o.security_opt);
	query_text(to, "dockerfile", c->dockerfile);
	query_text(to, "target", o.target);
	query_text(to, "platform", o.platform);
	query_text(to, "networkmode", o.network);
	query_text(to, "isolation", o.isolation);
	query_text(to, "cpusetcpus", o.cpuset_cpus);
	query_text(to, "cpusetmems", o.cpuset_mems);
	query_text(to, "cgroupparent", o.cgroup_parent);
	query_number(to, "cpuperiod", o.cpu_period);
	query_number(to, "cpuquota", o.cpu_quota);
	query_number(to, "cpushares", o.cpu_shares);
	query_number(to, "memory", o.memory);
	query_number(to, "memswap", o.memory_swap);
	query_number(to, "shmsize", o.shm_size);
	query_bool(to, "q", o.quiet);
	query_bool(to, "nocache", o.no_cache);
	query_bool(to, "pull", o.pull);
	query_bool(to, "forcerm", o.force_rm);
	query_bool(to, "squash", o.squash);
	target_query(to, "rm", o.rm ? "1" : "0");
	query_json(to, "buildargs", build_args());
	query_json(to, "labels", pairs_map(&o.label));
	query_json(to, "cachefrom", cache_from());
	query_json(to, "ulimits", ulimits());
	target_query(to, "version", "1");
}

/* All that docker login left: FROM may name any registry. To free(). */
static char *all_auths(const struct docker *d)
{
	cleanup_json json_t *all = credentials_all(d);
	cleanup_buf struct buf text = BUF_INIT;
	struct buf header = BUF_INIT;

	json_print(all, false, &text);
	base64_encode((struct span){text.p, text.n}, true, &header);
	return buf_detach(&header);
}

/* --- build ------------------------------------------------------------------------------------------------ */

static int write_iidfile(const char *id, struct err *e)
{
	int fd;

	if (!id || !*id)
		return err_set(e, 0, "Server did not provide an image ID. Cannot write %s", o.iidfile);
	fd = open(o.iidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || dprintf(fd, "%s", id) < 0 || close(fd))
		return err_set(e, 0, "open %s: %s", o.iidfile,
			errno == ENOENT ? "no such file or directory" : errno == EACCES ? "permission denied" :
			strerror(errno));
	return 0;
}

/* Quietly: what was said is shown only if it went wrong; else it is the id alone. */
static int build_quietly(struct client *answer, int *code, struct err *e)
{
	char *said = NULL, *id = NULL;
	size_t n;
	FILE *out = open_memstream(&said, &n);
	int rc = progress_build(answer, out, &id, code, e);

	fclose(out);
	fputs(said, rc ? stderr : stdout);
	fflush(stdout);
	return !rc && o.iidfile ? write_iidfile(said, e) : rc;
}

static int build_aloud(struct client *answer, int *code, struct err *e)
{
	char *id = NULL;
	int rc = progress_build(answer, stdout, &id, code, e);

	fflush(stdout);
	return !rc && o.iidfile ? write_iidfile(id, e) : rc;
}

static int run_build(struct docker *d, const char *where)
{
	cleanup_free char *auths = all_auths(d);
	cleanup_buf struct buf to = BUF_INIT;
	struct build_context *context;
	struct client *answer;
	struct err e = ERR_INIT;
	int code = 1, rc;

	/* The engine may refuse in the middle: its answer says why, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (!o.no_trust) {
		err_kind(&e, ERR_NOT_SUPPORTED, "content trust is not part of this client; name images in FROM by digest: "
			"IMAGE@sha256:…");
		return fail(&e);
	}
	context = build_context_open(where, o.file, o.compress, o.quiet ? NULL : stdout, &e);
	if (!context)
		return fail(&e);
	proxy_add(d, &o.build_arg);
	build_target(context, &to);
	answer = call_open(d, &(struct call){.method = "POST", .target = to.p, .content_type = "application/x-tar",
		.body_fd = context->fd, .broken = &context->failed, .auths = auths}, true, &e);
	close(context->fd);
	if (!answer && atomic_load(&context->failed) && context->e.code != EPIPE)
		e = context->e;
	if (!answer)
		return fail(&e);
	rc = o.quiet ? build_quietly(answer, &code, &e) : build_aloud(answer, &code, &e);
	client_close(answer);
	if (!rc)
		return 0;
	fail(&e);
	return code;
}

static int build(struct docker *d, int argc, char **argv)
{
	int status;

	(void)argc;
	status = run_build(d, argv[0]);
	build_git_remove(); /* if the engine did not want all of it */
	return status;
}

/* --- builder prune ------------------------------------------------------------------------------------------ */

static struct {
	bool all, force;
	int64_t keep;
	struct strlist filters;
} pr;

static struct flag prune_flags[] = {
	{"all", 'a', FLAG_BOOL, &pr.all, "All of it, not only what no image uses"},
	{"filter", 0, FLAG_LIST, &pr.filters, "Only what matches: until=24h", "filter", check_filter},
	{"force", 'f', FLAG_BOOL, &pr.force, "Do not ask"},
	{"keep-storage", 0, FLAG_BYTES, &pr.keep, "Keep this much"},
	FLAG_END,
};

static int prune(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	struct err e = ERR_INIT;
	int64_t reclaimed = 0;

	(void)argc, (void)argv;
	if (!pr.force && !confirm(pr.all ? "WARNING! This will remove all build cache. Are you sure you want to continue?" :
		"WARNING! This will remove all dangling build cache. Are you sure you want to continue?"))
		return 0;
	buf_adds(&to, "/build/prune");
	query_bool(&to, "all", pr.all);
	query_number(&to, "keep-storage", pr.keep);
	if (prune_kind(d, to.p, "Deleted build cache objects:", "CachesDeleted", &pr.filters, &reclaimed, &e))
		return fail(&e);
	prune_total(reclaimed);
	return 0;
}

/* --- the commands --------------------------------------------------------------------------------------------- */

static struct command cmd_build = {
	.usage = "[OPTIONS] PATH | URL | -",
	.brief = "Build an image from a Dockerfile",
	.more = "PATH is a directory: COPY and ADD find their files there. What is named in PATH/.dockerignore is\n"
		"not sent. - reads a Dockerfile or an archive from standard input; a URL is of one of these,\n"
		"or of a git repository, which git fetches: URL#BRANCH:DIRECTORY.\n"
		"Examples:\n"
		"  docker build -t web .\n"
		"  docker build -t web:test --target test --build-arg VERSION=2 -f docker/Dockerfile .\n"
		"  docker build -t small - <Dockerfile\n"
		"  git archive HEAD | docker build -t web -\n"
		"  docker build -t web https://git.example.org/web.git#v1.2:docker\n",
	.flags = build_flags,
	.min = 1,
	.max = 1,
	.run = build,
};

static struct command cmd_prune = {
	.usage = "",
	.brief = "Remove build cache",
	.more = "Steps of earlier builds are images: docker image prune removes those that nothing is built on.\n",
	.flags = prune_flags,
	.run = prune,
};

const struct entry entries_build[] = {
	{"", "build", NULL, &cmd_build},
	{"image", "build", NULL, &cmd_build},
	{"builder", "build", NULL, &cmd_build},
	{"builder", "prune", NULL, &cmd_prune},
	{0},
};
