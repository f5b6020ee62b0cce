/* SPDX-License-Identifier: MIT */
/*
 * core/engine/spec.c - the OCI config.json of a container
 *
 * Theory of operation
 *   Everything is looked at when the container starts, not when it was created: images of its
 *   namespaces' owners, the host's files and our own limits may have changed meanwhile.  Names of
 *   users are handed to the runtime as texts; only inside can they be looked up.
 */
#include "engine/spec.h"
#include "base/fs.h"
#include "engine/limits.h"
#include "engine/links.h"
#include "engine/validate.h"
#include "ns/cage.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUILTIN_LABEL "io.coracle.binary" /* what core/image/builtin.c marks its image with */
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The container that @mode names, if it can be joined now. */
static struct container *peer_of(struct engine *en, const char *mode, bool network, struct err *e)
{
	struct container *c = container_get(en, mode_container(mode), e);
	cleanup_free char *name = c ? container_name(en, c) : NULL;
	const char *word;
	enum status status;

	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	status = c->status;
	word = container_status(c);
	pthread_mutex_unlock(&c->lock);
	if (status == ST_RUNNING)
		return c;
	if (status == ST_RESTARTING)
		err_kind(e, ERR_CONFLICT, "container %s is restarting, wait until the container is running", c->id);
	else if (network)
		err_kind(e, ERR_CONFLICT,
			"cannot join network namespace of a non running container: container %s is %s", name,
			word);
	else
		err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
	container_put(c);
	return NULL;
}

int spec_peers(struct start *s, struct err *e)
{
	/* With the kinds of errors that Docker's three ways to look have. */
	const struct {
		const char *key, *wrap;
		struct container **peer;
	} modes[] = {{"NetworkMode", "joining network namespace of container", &s->net},
		{"IpcMode", "failed to join IPC namespace", &s->ipc},
		{"PidMode", "failed to join PID namespace", &s->pid}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		const char *mode = json_str(s->host, modes[i].key, "");

		if (!mode_container(mode))
			continue;
		*modes[i].peer = peer_of(s->en, mode, !i, e);
		if (*modes[i].peer)
			continue;
		if (!i && e->kind == ERR_CONFLICT)
			return -1;
		if (i == 1 && e->kind == ERR_NOT_FOUND)
			e->kind = ERR_INVALID;
		else if (i != 1)
			e->kind = ERR_FAILED;
		return err_wrap(e, "%s", modes[i].wrap);
	}
	return 0;
}

bool spec_host_network(const struct start *s)
{
	cleanup_json json_t *peer = s->net ? container_host(s->net) : NULL;

	return !strcmp(json_str(peer ? peer : s->host, "NetworkMode", ""), "host");
}

/* DETACH_NETNS=false: what RootlessKit's child is in is "the host" to containers. */
bool spec_engine_network(const struct start *s)
{
	const char *detach = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_DETACH_NETNS");

	return detach && !strcmp(detach, "false") && spec_host_network(s);
}

/* --- environment ---------------------------------------------------------------------------- */

/* Set, or with no '=' take away; later ones win, at the place of the first. */
static void env_put(json_t *env, const char *text)
{
	size_t len = strcspn(text, "="), i;
	const json_t *v;

	json_array_foreach(env, i, v) {
		const char *have = json_string_value(v);

		if (strncmp(have, text, len) || have[len] != '=')
			continue;
		if (text[len])
			json_array_set_new(env, i, json_text(text));
		else
			json_array_remove(env, i);
		return;
	}
	if (text[len])
		json_append_str(env, text);
}

json_t *spec_env(struct engine *en, struct container *c, const json_t *host, bool tty, const json_t *more,
	struct err *e)
{
	cleanup_json json_t *identity = container_identity(c);
	cleanup_free char *hostname = xasprintf("HOSTNAME=%s", json_str(identity, "Hostname", ""));
	json_t *env = json_pack("[s, s]", "PATH=" PATH_DEFAULT, hostname), *v;
	size_t i;

	if (tty)
		json_append_str(env, "TERM=xterm");
	if (links_tell(en, c, host, env, NULL, e)) {
		json_decref(env);
		return NULL;
	}
	json_array_foreach(json_arr(c->config, "Env"), i, v)
		if (json_string_value(v))
			env_put(env, json_string_value(v));
	json_array_foreach(more, i, v)
		if (json_string_value(v))
			env_put(env, json_string_value(v));
	return env;
}

json_t *spec_caps(json_t *caps)
{
	return json_pack("{s:O, s:O, s:o}", "bounding", caps, "effective", caps, "permitted", caps);
}

/* --- process -------------------------------------------------------------------------------- */

static void add_rlimit(json_t *list, const json_t *limit)
{
	cleanup_free char *type = xasprintf("RLIMIT_%s", json_str(limit, "Name", ""));
	char *c;

	for (c = type; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "type", type, "hard",
					    json_int(limit, "Hard", 0), "soft", json_int(limit, "Soft", 0)));
}

json_t *spec_rlimits(struct engine *en, const json_t *host)
{
	json_t *list = json_array(), *own = json_arr(host, "Ulimits"), *v, *limit;
	const char *name;
	size_t i;
	bool set;

	json_object_foreach(en->config.default_ulimits, name, v) {
		set = false;
		json_array_foreach(own, i, limit)
			set |= !strcmp(json_str(limit, "Name", ""), name);
		if (!set)
			add_rlimit(list, v);
	}
	json_array_foreach(own, i, limit)
		add_rlimit(list, limit);
	return list;
}

/* An unprivileged engine cannot make a process safer from the OOM killer than itself. */
int64_t spec_oom_score(const json_t *host)
{
	cleanup_buf struct buf text = BUF_INIT;
	int64_t want = json_int(host, "OomScoreAdj", 0), own;

	if (file_read_at(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, NULL))
		return want;
	while (text.n && isspace((unsigned char)text.p[text.n - 1]))
		text.n--;
	if (parse_i64((struct span){text.p, text.n}, -1000, 1000, &own))
		return want;
	return want < own ? own : want;
}

/* The built-in image says how long it took to come up; only the engine knows since when. */
static json_t *started_env(const struct container *c)
{
	int64_t since = c->started_at || !c->asked_for ? clock_boot_ns() : c->asked_for;
	cleanup_free char *text = xasprintf("CORACLE_STARTED_NS=%lld", (long long)since);

	if (!json_object_get(json_obj(c->config, "Labels"), BUILTIN_LABEL))
		return NULL;
	return json_pack("[s]", text);
}

static json_t *process(struct start *s, struct err *e)
{
	cleanup_json json_t *started = started_env(s->c);
	const json_t *config = s->c->config;
	bool tty = container_tty(s->c);
	struct security security;
	const char *dir = json_str(config, "WorkingDir", "");
	json_t *caps, *env, *p;

	if (security_parse(s->host, s->en->config.no_new_privileges, &security, e))
		return NULL;
	caps = caps_effective(s->host, e);
	env = caps ? spec_env(s->en, s->c, s->host, tty, started, e) : NULL;
	if (!env) {
		json_decref(caps);
		return NULL;
	}
	p = json_object();
	json_set_bool(p, "terminal", tty);
	json_set_new(p, "args", container_args(s->c));
	json_set_new(p, "env", env);
	json_set_str(p, "cwd", *dir ? dir : "/");
	json_set_new(p, "capabilities", spec_caps(caps));
	json_set_new(p, "rlimits", spec_rlimits(s->en, s->host));
	json_set_bool(p, "noNewPrivileges", security.no_new_privileges);
	json_set_int(p, "oomScoreAdj", spec_oom_score(s->host));
	return p;
}

int spec_seccomp(struct engine *en, const struct security *security, const json_t *caps, char **path,
	struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/seccomp", en->config.data_root);
	cleanup_json json_t *profile = NULL;
	cleanup_close int cachefd = -1;
	char mistake[JSON_GO_MAX];

	*path = NULL;
	if (security->seccomp && !strcmp(security->seccomp, "unconfined"))
		return 0;
	if (security->seccomp) {
		profile = json_parse(security->seccomp, strlen(security->seccomp), e);
		if (!profile)
			return err_set(e, 0, "Decoding seccomp profile failed: %s",
				json_go_mistake(security->seccomp, strlen(security->seccomp), mistake) ? mistake :
													 "bad JSON");
		if (!*json_str(profile, "defaultAction", "") && !json_array_size(json_arr(profile, "syscalls")))
			return 0; /* {} is how profiles say: none */
	}
	cachefd = openat(en->datafd, "seccomp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cachefd < 0)
		return err_set(e, errno, "opening %s", dir);
	if (!seccomp_compile(cachefd, dir, profile, caps, path, e))
		return 0;
	if (e->kind == ERR_NOT_SUPPORTED)
		err_wrap(e, RUNC_REFUSES);
	e->kind = ERR_FAILED;
	return -1;
}

/* --- linux ---------------------------------------------------------------------------------- */

static void add_ns(json_t *list, const char *type, struct container *peer, const char *file)
{
	char path[64];

	if (!peer) {
		json_array_append_new(list, json_pack("{s:s}", "type", type));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)peer->pid, file);
	json_array_append_new(list, json_pack("{s:s, s:s}", "type", type, "path", path));
}

static json_t *namespaces(struct start *s)
{
	json_t *list = json_pack("[{s:s}]", "type", "mount");

	if (spec_engine_network(s)) {
		cleanup_free char *path = xasprintf("%s/netns", s->en->config.exec_root);

		json_array_append_new(list, json_pack("{s:s, s:s}", "type", "network", "path", path));
	} else if (s->net && !spec_host_network(s)) {
		add_ns(list, "network", s->net, "net");
	} else if (!spec_host_network(s)) {
		cleanup_free char *path = xasprintf("%s/%s/netns", s->en->config.exec_root, s->c->id);

		json_array_append_new(list, json_pack("{s:s, s:s}", "type", "network", "path", path));
	}
	if (cage_owner(s->dirfd) >= 0) {
		cleanup_free char *path = xasprintf("%s/%s/userns", s->en->config.exec_root, s->c->id);

		json_array_append_new(list, json_pack("{s:s, s:s}", "type", "user", "path", path));
	}
	if (strcmp(json_str(s->host, "PidMode", ""), "host"))
		add_ns(list, "pid", s->pid, "pid");
	if (strcmp(json_str(s->host, "IpcMode", ""), "host"))
		add_ns(list, "ipc", s->ipc, "ipc");
	if (strcmp(json_str(s->host, "UTSMode", ""), "host"))
		add_ns(list, "uts", NULL, NULL);
	if (!strcmp(json_str(s->host, "CgroupnsMode", ""), "private"))
		add_ns(list, "cgroup", NULL, NULL);
	return list;
}

static json_t *sysctls(struct start *s)
{
	json_t *out = json_object();

	/* Docker's default: ports below 1024 are free to all in a network of one's own. */
	if (!s->net && !spec_host_network(s))
		json_set_str(out, "net.ipv4.ip_unprivileged_port_start", "0");
	json_object_update(out, json_obj(s->host, "Sysctls"));
	return out;
}

static json_t *linux_part(struct start *s, const char *propagation, struct err *e)
{
	json_t *lin, *devices = spec_devices(s, e);

	if (!devices)
		return NULL;
	lin = json_object();
	json_set_new(lin, "namespaces", namespaces(s));
	json_set_new(lin, "devices", devices);
	json_set_new(lin, "sysctl", sysctls(s));
	json_set_new(lin, "resources", limits_resources(s->host));
	if (propagation)
		json_set_str(lin, "rootfsPropagation", propagation);
	if (json_arr(s->host, "MaskedPaths"))
		json_object_set(lin, "maskedPaths", json_arr(s->host, "MaskedPaths"));
	if (json_arr(s->host, "ReadonlyPaths"))
		json_object_set(lin, "readonlyPaths", json_arr(s->host, "ReadonlyPaths"));
	return lin;
}

json_t *spec_build(struct start *s, struct err *e)
{
	cleanup_json json_t *identity = container_identity(s->c);
	const char *propagation = NULL;
	json_t *spec = json_object(), *part;

	json_set_str(spec, "ociVersion", "1.2.0");
	part = process(s, e);
	if (!part)
		goto fail;
	json_set_new(spec, "process", part);
	if (strcmp(json_str(s->host, "UTSMode", ""), "host")) {
		json_set_str(spec, "hostname", json_str(identity, "Hostname", ""));
		json_set_str(spec, "domainname", json_str(identity, "Domainname", ""));
	}
	part = spec_mounts(s, &propagation, e);
	if (!part)
		goto fail;
	json_set_new(spec, "mounts", part);
	part = linux_part(s, propagation, e);
	if (!part)
		goto fail;
	json_set_new(spec, "linux", part);
	if (json_obj(s->host, "Annotations"))
		json_object_set(spec, "annotations", json_obj(s->host, "Annotations"));
	return spec;
fail:
	json_decref(spec);
	return NULL;
}
