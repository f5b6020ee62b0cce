/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/spec.c - an OCI config.json as plain structs
 *
 * Theory of operation
 *   Every member is looked at once, here, and a wrong type is refused by its name: later steps
 *   run in a half-made container, where an error is costly to explain.  Members that OCI has and
 *   we do not act on (annotations, cgroup resources, hooks) are left alone; seccomp is compiled
 *   beforehand, by the engine.
 *
 *   A missing member, null, and a default mean the same, as in Go, which wrote the format.
 */
#include "runtime/spec.h"
#include "runtime/runtime.h"
#include "base/fs.h"
#include "runtime/caps.h"

#include <limits.h>
#include <linux/personality.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define LIST_MAX 65536 /* members of any list: far above what is sensible */

static int bad(struct err *e, const char *what, const char *want)
{
	return err_kind(e, ERR_INVALID, "%s is no %s", what, want);
}

/* Member @key of @o as a text; "" if absent. */
static int get_text(const json_t *o, const char *key, const char **out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	*out = "";
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return bad(e, key, "text");
	*out = json_string_value(v);
	return 0;
}

static int get_bool(const json_t *o, const char *key, bool *out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	*out = false;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return bad(e, key, "boolean");
	*out = json_is_true(v);
	return 0;
}

/* Member @key as an integer in range; @out keeps its value if absent. */
static int get_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t *out,
	struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return err_kind(e, ERR_INVALID, "%s is no number from %lld to %lld", key,
			(long long)min, (long long)max);
	*out = json_integer_value(v);
	return 0;
}

/* Member @key, of the given type or absent (NULL). */
static int get_member(const json_t *o, const char *key, json_type type, json_t **out,
	struct err *e)
{
	json_t *v = json_object_get(o, key);

	*out = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (json_typeof(v) != type || (type == JSON_ARRAY && json_array_size(v) > LIST_MAX))
		return bad(e, key, type == JSON_ARRAY ? "list" : "object");
	*out = v;
	return 0;
}

/* Member @key, an array of texts, as a vector; NULL if absent. */
static int get_strv(const json_t *o, const char *key, char ***out, struct err *e)
{
	json_t *list;
	size_t i, n;

	*out = NULL;
	if (get_member(o, key, JSON_ARRAY, &list, e))
		return -1;
	if (!list)
		return 0;
	n = json_array_size(list);
	*out = xcalloc(n + 1, sizeof(char *));
	for (i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s)
			return bad(e, key, "list of texts");
		(*out)[i] = (char *)(uintptr_t)s;
	}
	return 0;
}

/* --- process ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS }, { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS }, { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME }, { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int rlimit_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++) {
		if (!strcmp(rlimits[i].name, name))
			return rlimits[i].resource;
	}
	return -1;
}

/* JSON has no unsigned 64-bit numbers: "unlimited" arrives as -1 or as a float that was too big. */
static int get_limit(const json_t *o, const char *key, uint64_t *out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (json_is_real(v) && json_real_value(v) > 9e18)
		*out = RLIM_INFINITY;
	else if (json_is_integer(v))
		*out = json_integer_value(v) < 0 ? RLIM_INFINITY : (uint64_t)json_integer_value(v);
	else
		return bad(e, key, "number");
	return 0;
}

static int parse_rlimits(const json_t *o, struct spec_process *p, struct err *e)
{
	const char *type;
	json_t *list, *v;
	size_t i;

	if (get_member(o, "rlimits", JSON_ARRAY, &list, e))
		return -1;
	if (!list)
		return 0;
	p->rlimits = xcalloc(json_array_size(list) + 1, sizeof(*p->rlimits));
	json_array_foreach(list, i, v)
	{
		struct spec_rlimit *r = &p->rlimits[i];

		if (get_text(v, "type", &type, e) || get_limit(v, "soft", &r->soft, e) ||
			get_limit(v, "hard", &r->hard, e))
			return err_wrap(e, "rlimits");
		r->resource = rlimit_number(type);
		if (r->resource < 0)
			return err_kind(e, ERR_INVALID, "invalid rlimit type: %s", type);
		p->n_rlimits++;
	}
	return 0;
}

static int parse_caps(const json_t *o, struct spec_caps *c, struct err *e)
{
	json_t *caps;

	if (get_member(o, "capabilities", JSON_OBJECT, &caps, e))
		return -1;
	if (!caps)
		return 0;
	if (cap_mask(json_object_get(caps, "bounding"), &c->bounding, e) ||
		cap_mask(json_object_get(caps, "effective"), &c->effective, e) ||
		cap_mask(json_object_get(caps, "permitted"), &c->permitted, e) ||
		cap_mask(json_object_get(caps, "inheritable"), &c->inheritable, e) ||
		cap_mask(json_object_get(caps, "ambient"), &c->ambient, e))
		return -1;
	/* What capset(2) and PR_CAP_AMBIENT_RAISE would refuse later. */
	c->effective &= c->permitted;
	c->ambient &= c->permitted & c->inheritable;
	return 0;
}

static int parse_user(const json_t *o, struct spec_process *p, struct err *e)
{
	int64_t uid = 0, gid = 0, mask = -1;
	json_t *user, *groups, *v;
	size_t i;

	p->umask = -1;
	if (get_member(o, "user", JSON_OBJECT, &user, e))
		return -1;
	if (!user)
		return 0;
	if (get_int(user, "uid", 0, UINT32_MAX - 1, &uid, e) ||
		get_int(user, "gid", 0, UINT32_MAX - 1, &gid, e) ||
		get_int(user, "umask", 0, 0777, &mask, e) ||
		get_member(user, "additionalGids", JSON_ARRAY, &groups, e))
		return err_wrap(e, "user");
	p->uid = (uid_t)uid;
	p->gid = (gid_t)gid;
	p->umask = (int)mask;
	if (!groups)
		return 0;
	p->groups = xcalloc(json_array_size(groups) + 1, sizeof(gid_t));
	json_array_foreach(groups, i, v)
	{
		if (!json_is_integer(v) || json_integer_value(v) < 0 ||
			json_integer_value(v) >= UINT32_MAX)
			return bad(e, "user: additionalGids", "list of group ids");
		p->groups[p->n_groups++] = (gid_t)json_integer_value(v);
	}
	return 0;
}

static int parse_process(const json_t *o, struct spec_process *p, struct err *e)
{
	int64_t oom = INT_MIN;

	if (!json_is_object(o))
		return bad(e, "process", "object");
	if (get_bool(o, "terminal", &p->tty, e) || get_strv(o, "args", &p->args, e) ||
		get_strv(o, "env", &p->env, e) || get_text(o, "cwd", &p->cwd, e) ||
		get_bool(o, "noNewPrivileges", &p->no_new_privs, e) ||
		get_int(o, "oomScoreAdj", -1000, 1000, &oom, e) || parse_user(o, p, e) ||
		parse_caps(o, &p->caps, e) || parse_rlimits(o, p, e))
		return -1;
	if (!p->args || !p->args[0])
		return err_kind(e, ERR_INVALID, "args must not be empty");
	if (*p->cwd != '/')
		return err_kind(e, ERR_INVALID, "Cwd must be an absolute path");
	if (!p->env)
		p->env = xcalloc(1, sizeof(char *));
	p->has_oom_score_adj = oom != INT_MIN;
	p->oom_score_adj = p->has_oom_score_adj ? (int)oom : 0;
	return 0;
}

int spec_process_parse(const json_t *o, struct spec_process *p, struct err *e)
{
	memset(p, 0, sizeof(*p));
	if (!parse_process(o, p, e))
		return 0;
	spec_process_release(p);
	return -1;
}

void spec_process_release(struct spec_process *p)
{
	free(p->args);
	free(p->env);
	free(p->groups);
	free(p->group_add);
	free(p->rlimits);
	memset(p, 0, sizeof(*p));
}

/* --- the container ------------------------------------------------------------------------- */

static int parse_mounts(const json_t *o, struct spec *s, struct err *e)
{
	json_t *list, *v;
	size_t i;

	if (get_member(o, "mounts", JSON_ARRAY, &list, e))
		return -1;
	if (!list)
		return 0;
	s->mounts = xcalloc(json_array_size(list) + 1, sizeof(*s->mounts));
	json_array_foreach(list, i, v)
	{
		struct spec_mount *m = &s->mounts[s->n_mounts++];

		m->seal_fd = -1;
		if (!json_is_object(v))
			return bad(e, "mounts", "list of objects");
		if (get_text(v, "destination", &m->destination, e) || get_text(v, "type", &m->type, e) ||
			get_text(v, "source", &m->source, e) || get_strv(v, "options", &m->options, e) ||
			get_text(v, "x-subpath", &m->subpath, e))
			return err_wrap(e, "mounts");
		m->rootfs = json_obj(v, "x-rootfs");
		if (*m->destination != '/' || strlen(m->destination) >= PATH_MAX)
			return err_kind(e, ERR_INVALID,
				"mount destination %.256s is no absolute path", m->destination);
	}
	return 0;
}

static const struct {
	const char *name;
	int flag;
} namespaces[] = {
	{ "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS }, { "mount", CLONE_NEWNS }, { "cgroup", CLONE_NEWCGROUP },
};

static int namespace_flag(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		if (!strcmp(namespaces[i].name, type))
			return namespaces[i].flag;
	}
	return 0;
}

int spec_parse_namespaces(const json_t *o, struct spec *s, struct err *e)
{
	const char *type, *path;
	json_t *list, *v;
	size_t i;

	if (get_member(o, "namespaces", JSON_ARRAY, &list, e))
		return -1;
	s->joins = xcalloc(list ? json_array_size(list) + 1 : 1, sizeof(*s->joins));
	json_array_foreach(list, i, v)
	{
		int flag;

		if (get_text(v, "type", &type, e) || get_text(v, "path", &path, e))
			return err_wrap(e, "namespaces");
		if (!strcmp(type, "user")) { /* entered before all others; else the engine's, which we are in */
			s->user_ns = path;
			continue;
		}
		flag = namespace_flag(type);
		if (!flag)
			return err_kind(e, ERR_INVALID, "unknown namespace type '%s'", type);
		if (*path)
			s->joins[s->n_joins++] = (struct spec_ns){ flag, path };
		else
			s->new_namespaces |= (unsigned int)flag;
	}
	return 0;
}

int spec_namespaces(const json_t *config, uint64_t *make, const char **pid_path, const char **user_path,
	struct err *e)
{
	json_t *lin = json_object_get(config, "linux");
	struct spec s = { 0 };
	int rc = spec_parse_namespaces(lin, &s, e);
	size_t i;

	*make = s.new_namespaces;
	*pid_path = "";
	*user_path = s.user_ns ? s.user_ns : "";
	for (i = 0; i < s.n_joins; i++) {
		if (s.joins[i].flag == CLONE_NEWPID)
			*pid_path = s.joins[i].path;
	}
	free(s.joins);
	return rc;
}

static int parse_devices(const json_t *o, struct spec *s, struct err *e)
{
	json_t *list, *v;
	size_t i;

	if (get_member(o, "devices", JSON_ARRAY, &list, e))
		return -1;
	if (!list)
		return 0;
	s->devices = xcalloc(json_array_size(list) + 1, sizeof(*s->devices));
	json_array_foreach(list, i, v)
	{
		struct spec_device *d = &s->devices[s->n_devices++];

		if (get_text(v, "path", &d->path, e) || get_text(v, "x-source", &d->source, e))
			return err_wrap(e, "devices");
		if (*d->path != '/')
			return err_kind(e, ERR_INVALID, "device path %.256s is not absolute", d->path);
		if (!*d->source)
			d->source = d->path;
	}
	return 0;
}

static int parse_sysctls(const json_t *o, struct spec *s, struct err *e)
{
	const char *key;
	json_t *map, *v;

	if (get_member(o, "sysctl", JSON_OBJECT, &map, e))
		return -1;
	if (!map)
		return 0;
	s->sysctls = xcalloc(json_object_size(map) + 1, sizeof(*s->sysctls));
	json_object_foreach(map, key, v)
	{
		if (!json_is_string(v))
			return bad(e, key, "text");
		s->sysctls[s->n_sysctls++] = (struct spec_sysctl){ key, json_string_value(v) };
	}
	return 0;
}

static int parse_propagation(const json_t *o, struct spec *s, struct err *e)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} modes[] = {
		{ "", MS_REC | MS_SLAVE }, { "rslave", MS_REC | MS_SLAVE }, { "slave", MS_SLAVE },
		{ "private", MS_PRIVATE }, { "rprivate", MS_REC | MS_PRIVATE },
		{ "shared", MS_SHARED }, { "rshared", MS_REC | MS_SHARED },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_REC | MS_UNBINDABLE },
	};
	const char *name;

	if (get_text(o, "rootfsPropagation", &name, e))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i].name, name)) {
			s->propagation = modes[i].flags;
			return 0;
		}
	}
	return err_kind(e, ERR_INVALID, "rootfsPropagation=%s is not supported", name);
}

static int parse_personality(const json_t *o, struct spec *s, struct err *e)
{
	const char *domain = "";
	json_t *p;

	s->personality = -1;
	if (get_member(o, "personality", JSON_OBJECT, &p, e) || get_text(p, "domain", &domain, e))
		return -1;
	if (!strcmp(domain, "LINUX"))
		s->personality = PER_LINUX;
	else if (!strcmp(domain, "LINUX32"))
		s->personality = PER_LINUX32;
	else if (*domain)
		return err_kind(e, ERR_INVALID, "invalid personality domain %s", domain);
	return 0;
}

static int parse_linux(const json_t *o, struct spec *s, struct err *e)
{
	if (spec_parse_namespaces(o, s, e) || parse_devices(o, s, e) || parse_sysctls(o, s, e) ||
		parse_propagation(o, s, e) || parse_personality(o, s, e) ||
		get_strv(o, "maskedPaths", &s->masked_paths, e) ||
		get_strv(o, "readonlyPaths", &s->readonly_paths, e))
		return err_wrap(e, "linux");
	return 0;
}

static int parse(const json_t *config, struct spec *s, struct err *e)
{
	json_t *root, *lin;

	if (!json_is_object(config))
		return bad(e, "the spec", "object");
	if (get_member(config, "root", JSON_OBJECT, &root, e) ||
		get_text(root, "path", &s->root_path, e) ||
		get_bool(root, "readonly", &s->root_readonly, e) ||
		get_text(config, "hostname", &s->hostname, e) ||
		get_text(config, "domainname", &s->domainname, e) ||
		parse_process(json_object_get(config, "process"), &s->process, e) ||
		parse_mounts(config, s, e) || get_member(config, "linux", JSON_OBJECT, &lin, e) ||
		parse_linux(lin, s, e))
		return -1;
	if (!*s->root_path)
		return err_kind(e, ERR_INVALID, "root.path is missing");
	if (!(s->new_namespaces & CLONE_NEWNS))
		return err_kind(e, ERR_INVALID, "a container needs a mount namespace of its own");
	return 0;
}

int spec_parse(const json_t *config, struct spec *s, struct err *e)
{
	memset(s, 0, sizeof(*s));
	if (!parse(config, s, e))
		return 0;
	spec_release(s);
	return -1;
}

void spec_release(struct spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		free(s->mounts[i].options);
		fd_close(&s->mounts[i].seal_fd);
	}
	free(s->mounts);
	free(s->joins);
	free(s->devices);
	free(s->sysctls);
	free(s->masked_paths);
	free(s->readonly_paths);
	spec_process_release(&s->process);
	memset(s, 0, sizeof(*s));
}
