/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/seccomp.c - from a seccomp profile to a BPF program, compiled once
 *
 * Theory of operation
 *   A profile is a list of struct rule, the built-in table or read from Docker's JSON.  libseccomp
 *   makes one program of those that apply to the capabilities, machine and kernel at hand.  That
 *   takes tens of milliseconds, so the program is kept in a file named after everything it depends
 *   on; starting a container only reads that file.
 * System calls that are newer than the profile
 *   would fail with EPERM, and a C library that tries a new call first would give up instead of
 *   falling back.  As runc does, a few instructions are put in front of the program: numbers
 *   beyond the last one the profile knows fail with ENOSYS.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "runtime/runtime.h"
#include "runtime/seccomp_rules.h"
#include "version.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#define INSIDE "unable to start container process: error during container init: " /* where runc finds it */
#define RULES_MAX 4096 /* of a JSON profile */
#define PROLOGUE_MAX 16 /* instructions */

struct profile {
	uint32_t default_action;
	struct rule *rules; /* owned, with their texts, when from JSON */
	size_t n;
	char **arches; /* extra architectures by libseccomp's names, NULL-terminated; or NULL */
	bool own;
};

/* --- from JSON ------------------------------------------------------------------------------- */

static int parse_action(const char *name, int64_t errno_ret, uint32_t *action, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW}, {"SCMP_ACT_KILL", SCMP_ACT_KILL},
		{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS}, {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
		{"SCMP_ACT_LOG", SCMP_ACT_LOG},
	};
	size_t i;

	if (errno_ret < 0 || errno_ret > 4095)
		return err_kind(e, ERR_INVALID, "errno %lld is out of range", (long long)errno_ret);
	if (!strcmp(name, "SCMP_ACT_ERRNO")) {
		*action = SCMP_ACT_ERRNO((uint32_t)errno_ret);
		return 0;
	}
	if (!strcmp(name, "SCMP_ACT_TRACE")) {
		*action = SCMP_ACT_TRACE((uint32_t)errno_ret);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!strcmp(name, actions[i].name)) {
			*action = actions[i].action;
			return 0;
		}
	}
	if (!strcmp(name, "SCMP_ACT_NOTIFY"))
		return err_kind(e, ERR_NOT_SUPPORTED, INSIDE "seccomp listenerPath is not set");
	return err_kind(e, ERR_NOT_SUPPORTED, "string %s is not a valid action for seccomp", name);
}

static int parse_op(const char *name)
{
	static const struct {
		const char *name;
		int op;
	} ops[] = {
		{"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
		{"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
		{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(name, ops[i].name))
			return ops[i].op;
	return -1;
}

/* The strings of an array, joined by blanks; NULL if there are none. */
static char *joined(const json_t *arr)
{
	struct buf b = BUF_INIT;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)arr, i, v)
		if (json_is_string(v))
			buf_addf(&b, "%s%s", b.n ? " " : "", json_string_value(v));
	if (b.n)
		return buf_detach(&b);
	buf_release(&b);
	return NULL;
}

static int parse_args(const json_t *list, struct rule *r, struct err *e)
{
	json_t *v;
	size_t i;

	if (json_array_size(list) > RULE_ARGS_MAX)
		return err_kind(e, ERR_INVALID, "%zu argument conditions for one call",
			json_array_size(list));
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		struct rule_arg *a = &r->args[r->n_args++];
		int64_t index = json_int(v, "index", -1);

		if (index < 0 || index > 5)
			return err_kind(e, ERR_NOT_SUPPORTED,
				INSIDE "error creating seccomp syscall condition for syscall %.*s: syscalls only have up to 6 "
				"arguments (%lld given)",
				(int)strcspn(r->names ? r->names : "", " "), r->names ? r->names : "", (long long)index);
		a->index = (unsigned int)index;
		a->op = parse_op(json_str(v, "op", ""));
		if (a->op < 0)
			return err_kind(e, ERR_NOT_SUPPORTED, "string %s is not a valid operator for seccomp",
				json_str(v, "op", ""));
		a->value = (uint64_t)json_int(v, "value", 0);
		a->value_two = (uint64_t)json_int(v, "valueTwo", 0);
	}
	return 0;
}

static int parse_rule(const json_t *j, struct rule *r, struct err *e)
{
	const json_t *with = json_obj(j, "includes"), *without = json_obj(j, "excludes");
	const char *min = json_str(with, "minKernel", NULL);

	if (*json_str(j, "name", "") && json_array_size(json_arr(j, "names")))
		return err_kind(e, ERR_INVALID,
			"both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
	r->names = json_arr(j, "names") ? joined(json_arr(j, "names")) : xstrdup(json_str(j, "name", NULL));
	r->with_caps = joined(json_arr(with, "caps"));
	r->without_caps = joined(json_arr(without, "caps"));
	r->arches = joined(json_arr(with, "arches"));
	r->not_arches = joined(json_arr(without, "arches"));
	r->min_kernel = xstrdup(min);
	if (parse_action(json_str(j, "action", ""), json_int(j, "errnoRet", EPERM), &r->action, e))
		return -1;
	return parse_args(json_arr(j, "args"), r, e);
}

static void profile_release(struct profile *p)
{
	size_t i;

	if (!p->own)
		return;
	for (i = 0; i < p->n; i++) {
		struct rule *r = &p->rules[i];

		free((void *)(uintptr_t)r->names);
		free((void *)(uintptr_t)r->with_caps);
		free((void *)(uintptr_t)r->without_caps);
		free((void *)(uintptr_t)r->arches);
		free((void *)(uintptr_t)r->not_arches);
		free((void *)(uintptr_t)r->min_kernel);
	}
	free(p->rules);
	strv_free(p->arches);
}

/* "architectures" as they are, or those of "archMap" that go with this machine's. */
static char **profile_arches(const json_t *j)
{
	json_t *map = json_arr(j, "archMap"), *m;
	const char *native = NULL;
	size_t i;

	if (json_arr(j, "architectures"))
		return json_to_strv(json_arr(j, "architectures"));
#if defined(__x86_64__)
	native = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
	native = "SCMP_ARCH_AARCH64";
#endif
	json_array_foreach(map, i, m)
		if (native && !strcmp(json_str(m, "architecture", ""), native))
			return json_to_strv(json_arr(m, "subArchitectures"));
	return NULL;
}

/* Which ones there are; what they ask for is how libseccomp loads, and nothing here. */
static int check_flags(const json_t *flags, struct err *e)
{
	static const char *const known[] = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
		"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL};
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)flags, i, v)
		if (json_is_string(v) && !str_in(json_string_value(v), known))
			return err_kind(e, ERR_NOT_SUPPORTED, "seccomp flag %s is not known to runc", json_string_value(v));
	return 0;
}

static int profile_from_json(const json_t *j, struct profile *p, struct err *e)
{
	json_t *list = json_arr(j, "syscalls"), *v;
	size_t i;

	*p = (struct profile){.own = true};
	if (!json_is_object(j))
		return err_kind(e, ERR_INVALID, "a seccomp profile is a JSON object");
	if (parse_action(json_str(j, "defaultAction", ""), json_int(j, "defaultErrnoRet", EPERM),
		    &p->default_action, e) ||
		check_flags(json_arr(j, "flags"), e))
		return -1;
	if (json_array_size(json_arr(j, "architectures")) && json_array_size(json_arr(j, "archMap")))
		return err_kind(e, ERR_INVALID,
			"both 'architectures' and 'archMap' are specified in the seccomp profile, use either "
			"'architectures' or 'archMap'");
	if (json_array_size(list) > RULES_MAX)
		return err_kind(e, ERR_INVALID, "%zu rules, %d are possible", json_array_size(list),
			RULES_MAX);
	p->arches = profile_arches(j);
	p->rules = xcalloc(json_array_size(list), sizeof(*p->rules));
	json_array_foreach(list, i, v) {
		p->n++;
		if (parse_rule(v, &p->rules[i], e))
			return -1;
	}
	return 0;
}

static void profile_default(struct profile *p)
{
	*p = (struct profile){
		.default_action = SCMP_ACT_ERRNO(EPERM),
		.rules = (struct rule *)(uintptr_t)seccomp_default_rules,
		.n = seccomp_default_count,
	};
}

/* --- which rules apply --------------------------------------------------------------------------- */

static const char *machine_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__riscv)
	return "riscv64";
#else
	return "other";
#endif
}

static bool has_word(const char *list, struct span word)
{
	struct span rest = span_of(list), w;

	while (span_token(&rest, ' ', &w))
		if (span_eq(w, word))
			return true;
	return false;
}

static bool holds(const json_t *caps, struct span cap)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)caps, i, v)
		if (json_is_string(v) && span_eqs(cap, json_string_value(v)))
			return true;
	return false;
}

/* Is the running kernel at least "4.8"? */
static bool kernel_at_least(const char *want)
{
	unsigned int a = 0, b = 0, c = 0, d = 0;
	struct utsname u;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &a, &b) != 2 || sscanf(want, "%u.%u", &c, &d) < 1)
		return false;
	return a > c || (a == c && b >= d);
}

static bool applies(const struct rule *r, const json_t *caps)
{
	struct span rest, word;

	if (r->arches && !has_word(r->arches, span_of(machine_arch())))
		return false;
	if (r->not_arches && has_word(r->not_arches, span_of(machine_arch())))
		return false;
	if (r->min_kernel && !kernel_at_least(r->min_kernel))
		return false;
	rest = span_of(r->with_caps);
	while (r->with_caps && span_token(&rest, ' ', &word))
		if (!holds(caps, word))
			return false;
	rest = span_of(r->without_caps);
	while (r->without_caps && span_token(&rest, ' ', &word))
		if (holds(caps, word))
			return false;
	return true;
}

/* --- compiling -------------------------------------------------------------------------------- */

/* The highest call number the profile knows, by architecture. */
struct last_call {
	int native, x32, x86;
};

static void note_call(const char *name, uint32_t arch, int *last)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	if (nr > *last)
		*last = nr;
}

static int add_call(scmp_filter_ctx ctx, const struct rule *r, struct span name,
	struct last_call *last)
{
	struct scmp_arg_cmp cmp[RULE_ARGS_MAX];
	cleanup_free char *text = span_dup(name);
	int nr = seccomp_syscall_resolve_name(text), rc;
	size_t i;

	if (nr == __NR_SCMP_ERROR) /* not known to libseccomp: the ENOSYS prologue may have it */
		return 0;
	note_call(text, SCMP_ARCH_NATIVE, &last->native);
	note_call(text, SCMP_ARCH_X32, &last->x32);
	note_call(text, SCMP_ARCH_X86, &last->x86);
	for (i = 0; i < r->n_args; i++)
		cmp[i] = (struct scmp_arg_cmp){r->args[i].index, (enum scmp_compare)r->args[i].op,
			r->args[i].value, r->args[i].value_two};
	rc = seccomp_rule_add_array(ctx, r->action, nr, (unsigned int)r->n_args, cmp);
	/* A rule that only repeats the default is refused; a call another architecture lacks too. */
	return rc == -EACCES || rc == -EDOM || rc == -EEXIST ? 0 : rc;
}

static int add_rules(scmp_filter_ctx ctx, const struct profile *p, const json_t *caps,
	struct last_call *last, struct err *e)
{
	struct span rest, name;
	size_t i;
	int rc;

	for (i = 0; i < p->n; i++) {
		if (!p->rules[i].names || !applies(&p->rules[i], caps))
			continue;
		rest = span_of(p->rules[i].names);
		while (span_token(&rest, ' ', &name)) {
			rc = name.n ? add_call(ctx, &p->rules[i], name, last) : 0;
			if (rc)
				return err_set(e, -rc, "adding a seccomp rule for %.*s", (int)name.n,
					name.p);
		}
	}
	return 0;
}

static int add_arches(scmp_filter_ctx ctx, const struct profile *p, struct err *e)
{
	static char x86[] = "SCMP_ARCH_X86", x32[] = "SCMP_ARCH_X32";
	static char *of_default[] = {
#if defined(__x86_64__)
		x86, x32,
#endif
		NULL,
	};
	char **a = p->own ? p->arches : of_default;
	int rc;

	for (; a && *a; a++) {
		char name[32];
		size_t i;

		/* "SCMP_ARCH_X86_64" is "x86_64" to libseccomp. */
		snprintf(name, sizeof(name), "%s", strncmp(*a, "SCMP_ARCH_", 10) ? *a : *a + 10);
		for (i = 0; name[i]; i++)
			if (name[i] >= 'A' && name[i] <= 'Z')
				name[i] = (char)(name[i] + 'a' - 'A');
		rc = (int)seccomp_arch_resolve_name(name);
		if (!rc)
			return err_kind(e, ERR_INVALID, "unknown architecture \"%s\" in seccomp profile", *a);
		rc = seccomp_arch_add(ctx, (uint32_t)rc);
		if (rc && rc != -EEXIST)
			return err_set(e, -rc, "adding architecture %s", *a);
	}
	return 0;
}

/* Numbers beyond the last one of their architecture: ENOSYS. x32 shares its architecture's value with
 * x86-64 and has bit 30 set. */
static size_t prologue(struct sock_filter *f, const struct last_call *last)
{
#if defined(__x86_64__)
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last->native, 4, 5),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last->x32, 3, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last->x86, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
#elif defined(__aarch64__)
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last->native, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
#else
	const struct sock_filter code[0];
	(void)last;
#endif
	_Static_assert(ARRAY_SIZE(code) <= PROLOGUE_MAX, "room for the prologue");
	memcpy(f, code, sizeof(code));
	return ARRAY_SIZE(code);
}

/* The program as libseccomp exports it, behind the prologue. */
static int export_program(scmp_filter_ctx ctx, const struct profile *p,
	const struct last_call *last, struct buf *out, struct err *e)
{
	cleanup_close int fd = memfd_create("bpf", MFD_CLOEXEC);
	struct sock_filter head[PROLOGUE_MAX];
	int rc;

	if (fd < 0)
		return err_set(e, errno, "creating a memory file");
	rc = seccomp_export_bpf(ctx, fd);
	if (rc)
		return err_set(e, -rc, "compiling the seccomp profile");
	if ((p->default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		buf_add(out, head, prologue(head, last) * sizeof(head[0]));
	lseek(fd, 0, SEEK_SET);
	if (fd_read_all(fd, BPF_MAXINSNS * sizeof(struct sock_filter), out, e))
		return -1;
	if (out->n / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return err_kind(e, ERR_INVALID, "the seccomp profile compiles to more than %d instructions",
			BPF_MAXINSNS);
	return 0;
}

static int compile(const struct profile *p, const json_t *caps, struct buf *out, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(p->default_action);
	struct last_call last = {0, 0, 0};
	int rc = -1;

	if (!ctx)
		return err_kind(e, ERR_INVALID, "bad default action in seccomp profile");
	/* no_new_privs is the spec's to set; unknown architectures are killed as in Docker. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: 8 compares, not 300 */
	if (!add_arches(ctx, p, e) && !add_rules(ctx, p, caps, &last, e))
		rc = export_program(ctx, p, &last, out, e);
	seccomp_release(ctx);
	return rc;
}

/* --- the cache ----------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything the program depends on, hashed. */
static void cache_name(const json_t *profile, const json_t *caps, char out[DIGEST_MAX])
{
	cleanup_buf struct buf text = BUF_INIT;
	const struct scmp_version *v = seccomp_version();
	char **list = json_to_strv(caps), **c;
	struct utsname u;
	size_t n = 0;

	uname(&u);
	while (list[n])
		n++;
	qsort(list, n, sizeof(*list), by_name);
	buf_addf(&text, "%s %u.%u.%u %s %s\n", CORACLE_VERSION, v->major, v->minor, v->micro, u.machine,
		u.release);
	for (c = list; *c; c++)
		buf_addf(&text, "%s ", *c);
	if (profile)
		json_print(profile, true, &text);
	strv_free(list);
	sha256_digest_of(text.p, text.n, out);
}

int seccomp_compile(int cachefd, const char *cache_path, const json_t *profile, const json_t *caps,
	char **path, struct err *e)
{
	cleanup_buf struct buf program = BUF_INIT;
	char digest[DIGEST_MAX], name[96];
	struct profile p;
	int rc = -1;

	cache_name(profile, caps, digest);
	snprintf(name, sizeof(name), "%s.bpf", digest_hex(digest));
	if (!fs_exists_at(cachefd, name)) {
		if (!profile)
			profile_default(&p);
		else if (profile_from_json(profile, &p, e)) {
			profile_release(&p);
			return -1;
		}
		rc = compile(&p, caps, &program, e);
		profile_release(&p);
		if (rc || file_write_at(cachefd, name, program.p, program.n, 0600, 0, e))
			return err_wrap(e, "seccomp profile");
	}
	*path = fs_join(cache_path, name);
	return 0;
}
