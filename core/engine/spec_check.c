/* SPDX-License-Identifier: MIT */
/*
 * core/engine/spec_check.c - what a container asks for and can only be refused when it starts
 *
 * Theory of operation
 *   Docker's create takes most of these without a look; they fail when the runtime's configuration
 *   is made, in the daemon's words, or in runc's when it reads that configuration.  Both are
 *   clients' to parse, so each is said here as there, and before anything was made that would
 *   have to be taken back.
 */
#include "engine/spec.h"
#include "engine/validate.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* --- devices -------------------------------------------------------------------------------- */

/* As Go prints a [][]string: "[[gpu] [a b]]". */
static void add_lists(struct buf *b, const json_t *lists)
{
	json_t *list, *v;
	size_t i, k;

	buf_addc(b, '[');
	json_array_foreach((json_t *)(uintptr_t)lists, i, list) {
		buf_adds(b, i ? " [" : "[");
		json_array_foreach(list, k, v)
			buf_addf(b, "%s%s", k ? " " : "", json_string_value(v) ? json_string_value(v) : "");
		buf_addc(b, ']');
	}
	buf_addc(b, ']');
}

/* There is no driver for any of them: --gpus needs the vendor's hook, CDI its specifications. */
static int check_device_requests(const json_t *requests, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;
	const json_t *first = json_array_get(requests, 0);
	const char *driver = json_str(first, "Driver", "");
	json_t *id;
	size_t i;

	if (!first)
		return 0;
	if (strcmp(driver, "cdi")) {
		add_lists(&b, json_arr(first, "Capabilities"));
		return err_set(e, 0, "could not select device driver \"%s\" with capabilities: %s", driver, b.p);
	}
	json_array_foreach(json_arr(first, "DeviceIDs"), i, id)
		buf_addf(&b, "%s%s", i ? ", " : "", json_string_value(id) ? json_string_value(id) : "");
	return err_set(e, 0, "CDI device injection failed: unresolvable CDI devices %s", b.p);
}

/* A number or "*" at the start of @s; it is taken off. */
static bool take_number(struct span *s)
{
	size_t n = 0;

	if (s->n && *s->p == '*')
		n = 1;
	else
		while (n < s->n && isdigit((unsigned char)s->p[n]))
			n++;
	s->p += n;
	s->n -= n;
	return n;
}

static bool take(struct span *s, const char *one_of)
{
	if (!s->n || !strchr(one_of, *s->p))
		return false;
	s->p++;
	s->n--;
	return true;
}

/* "c 1:3 rwm", "b *:* r". */
static bool is_cgroup_rule(const char *text)
{
	struct span s = span_of(text);

	return take(&s, "acb") && take(&s, " ") && take_number(&s) && take(&s, ":") && take_number(&s) &&
		take(&s, " ") && s.n >= 1 && s.n <= 3 && strspn(s.p, "rwm") == s.n;
}

static int check_cgroup_rules(const json_t *rules, struct err *e)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rules, i, v)
		if (!json_string_value(v) || !is_cgroup_rule(json_string_value(v)))
			return err_set(e, 0, "invalid device cgroup rule format: '%s'",
				json_string_value(v) ? json_string_value(v) : "");
	return 0;
}

static int check_throttled(const json_t *host, struct err *e)
{
	static const char *const lists[] = {"BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
		"BlkioDeviceWriteIOps"};
	struct stat st;
	json_t *v;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		json_array_foreach(json_arr(host, lists[i]), k, v) {
			cleanup_free char *words = NULL;

			if (!stat(json_str(v, "Path", ""), &st))
				continue;
			words = xstrdup(strerror(errno));
			*words = (char)tolower((unsigned char)*words);
			return err_set(e, 0, "stat %s: %s", json_str(v, "Path", ""), words);
		}
	}
	return 0;
}

/* --- sysctls -------------------------------------------------------------------------------- */

static bool is_ipc_sysctl(const char *name)
{
	static const char *const names[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", NULL};

	return str_in(name, names) || !strncmp(name, "fs.mqueue.", 10);
}

static bool mode_is(const struct start *s, const char *key, const char *mode)
{
	return !strcmp(json_str(s->host, key, ""), mode);
}

/* Only what a namespace of the container's own holds may be set. */
static int check_sysctl(const struct start *s, const char *name, struct err *e)
{
	bool own_uts = !mode_is(s, "UTSMode", "host");

	if (is_ipc_sysctl(name)) {
		if (!mode_is(s, "IpcMode", "host"))
			return 0;
		return err_set(e, 0, RUNC_REFUSES ": sysctl \"%s\" is not allowed in the hosts ipc namespace", name);
	}
	if (!strncmp(name, "net.", 4)) {
		if (!spec_host_network(s))
			return 0;
		return err_set(e, 0, RUNC_REFUSES ": sysctl \"%s\" not allowed in host network namespace", name);
	}
	if (own_uts && !strcmp(name, "kernel.hostname"))
		return err_set(e, 0,
			RUNC_REFUSES ": sysctl \"%s\" is not allowed as it conflicts with the OCI \"hostname\" field", name);
	if (own_uts && !strcmp(name, "kernel.domainname"))
		return 0;
	return err_set(e, 0, RUNC_REFUSES ": sysctl \"%s\" is not in a separate kernel namespace", name);
}

static int check_sysctls(const struct start *s, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach(json_obj(s->host, "Sysctls"), key, v) {
		cleanup_free char *name = xstrdup(key);
		char *c;

		/* sysctl(8): the first separator says which of both it is. */
		for (c = strcspn(name, ".") > strcspn(name, "/") ? name : strchr(name, 0); *c; c++)
			*c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
		if (check_sysctl(s, name, e))
			return -1;
	}
	return 0;
}

/* --- the rest -------------------------------------------------------------------------------- */

static int check_ulimits(const json_t *limits, struct err *e)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)limits, i, v) {
		cleanup_free char *type = xasprintf("RLIMIT_%s", json_str(v, "Name", ""));
		char *c;

		for (c = type; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		if (rlimit_number(type) < 0)
			return err_set(e, 0, RUNC_REFUSES ": wrong rlimit value: %s", type);
	}
	return 0;
}

static int check_mounts(const json_t *mounts, struct err *e)
{
	json_t *p;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)mounts, i, p) {
		bool ro = !json_bool(p, "RW", true), flat = json_bool(p, "ro_flat", false);
		bool force = json_bool(p, "ro_force", false);

		if (!ro && (flat || force))
			return err_set(e, 0, "mount options conflict: !ReadOnly && BindOptions.%s",
				flat ? "ReadOnlyNonRecursive" : "ReadOnlyForceRecursive");
		if (flat && force)
			return err_set(e, 0,
				"mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive");
	}
	return 0;
}

int spec_check(struct start *s, struct err *e)
{
	struct security security;

	if (security_parse(s->host, false, &security, e))
		return -1;
	if (check_throttled(s->host, e) || check_cgroup_rules(json_arr(s->host, "DeviceCgroupRules"), e) ||
		check_device_requests(json_arr(s->host, "DeviceRequests"), e) ||
		check_mounts(s->c->mounts, e))
		return -1;
	if (security.writable_cgroups)
		return err_set(e, 0, "option WritableCgroups conflicts with user namespaces and rootless mode");
	return check_ulimits(json_arr(s->host, "Ulimits"), e) || check_sysctls(s, e) ? -1 : 0;
}
