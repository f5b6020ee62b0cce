/* SPDX-License-Identifier: MIT */
/*
 * core/image/changes.c - Dockerfile instructions applied to a config: `build`, `import -c`, `commit -c`
 *
 * Theory of operation
 *   All instructions are known to be allowed before the first is applied.  Each has one function,
 *   in a table; arguments are read as the Dockerfile reference has them: CMD, ENTRYPOINT, ONBUILD
 *   and HEALTHCHECK take their text as it is, in the others variables are put in from the config's
 *   own Env as it was before the instruction.  A word like ["a", "b"] is the JSON form.
 *
 *   The config is that of an image: members "Cmd", "Env", "ExposedPorts" and so on.  Each says what
 *   it did, in the words that an image's history has for it (Go's %v and %q of its values).
 */
#include "image/image.h"
#include "base/clock.h"
#include "base/fs.h"
#include "image/dockerfile.h"
#include "image/dockerlex.h"

#include <stdio.h>
#include <stdlib.h>

struct change {
	json_t *config;
	const char *name; /* of the instruction, in capitals */
	const char *args;
	char escape;
	bool cmd_set; /* by one of these instructions */
	const json_t *more_env, *shell; /* see struct dockerfile_change */
	struct buf *said;
	struct err *e;
};

static int invalid(struct change *c, const char *text)
{
	return err_kind(c->e, ERR_INVALID, "%s%s", c->name, text);
}

static json_t *member(json_t *config, const char *key, json_t *(*make)(void))
{
	json_t *v = json_object_get(config, key);

	if (!v || json_is_null(v)) {
		v = make();
		json_set_new(config, key, v);
	}
	return v;
}

static char *expand(struct change *c, const char *word)
{
	const json_t *own = json_object_get(c->config, "Env");
	cleanup_json json_t *env = c->more_env ? json_copy((json_t *)(uintptr_t)c->more_env) : json_array();

	if (json_is_array(own))
		json_array_extend(env, (json_t *)(uintptr_t)own);
	return dockerfile_expand(word, env, c->escape, c->e);
}

/* A list as Go's %q has it, or %v: ["a" "b"], [a b]. */
static void say_list(struct change *c, const json_t *words, bool quoted)
{
	const json_t *w;
	size_t i;

	buf_addc(c->said, '[');
	json_array_foreach(words, i, w) {
		cleanup_free char *q = quoted ? json_dumps(w, JSON_ENCODE_ANY) : NULL;

		buf_addf(c->said, "%s%s", i ? " " : "", q ? q : json_string_value(w));
	}
	buf_addc(c->said, ']');
}

/* --- arguments ------------------------------------------------------------------------------------ */

/* A command: the JSON form, or a line for the shell. */
static int command(struct change *c, json_t **words)
{
	*words = dockerfile_command(c->args, c->shell, c->e);
	return *words ? 0 : -1;
}

/* Words at blanks, expanded; what became empty is left out. */
static json_t *expanded_words(struct change *c)
{
	cleanup_json json_t *raw = json_array(), *done = json_array();
	const char *p = c->args;
	const json_t *w;
	size_t i, n;

	for (p += strspn(p, " \t"); *p; p += n + strspn(p + n, " \t")) {
		n = strcspn(p, " \t");
		json_array_append_new(raw, json_textn(p, n));
	}
	json_array_foreach(raw, i, w) {
		cleanup_free char *s = expand(c, json_string_value(w));

		if (!s)
			return NULL;
		if (*s)
			json_append_str(done, s);
	}
	return json_incref(done);
}

/* The rest of the line is one argument, expanded. */
static char *one_argument(struct change *c)
{
	if (!*c->args) {
		invalid(c, " requires exactly one argument");
		return NULL;
	}
	return expand(c, c->args);
}

/* "NAME VALUE..." or "NAME=VALUE NAME=VALUE": add(c, name, value) for each, expanded. */
static int add_expanded(struct change *c, const char *name, const char *value,
	int (*add)(struct change *c, const char *name, const char *value))
{
	cleanup_free char *n = expand(c, name), *v = n ? expand(c, value) : NULL;

	if (!v)
		return -1;
	if (!*n)
		return invalid(c, " names can not be blank");
	return add(c, n, v);
}

static int one_pair(struct change *c, int (*add)(struct change *c, const char *name, const char *value))
{
	size_t n = strcspn(c->args, " \t");
	cleanup_free char *name = xstrndup(c->args, n);
	const char *value = c->args + n + strspn(c->args + n, " \t");

	if (!*value)
		return invalid(c, " must have two arguments");
	return add_expanded(c, name, value, add);
}

static int pairs(struct change *c, int (*add)(struct change *c, const char *name, const char *value))
{
	cleanup_json json_t *words = dockerlex_words(span_of(c->args), c->escape), *before = NULL;
	const char *first = json_string_value(json_array_get(words, 0)), *s, *eq;
	const json_t *w;
	size_t i;

	if (!first)
		return invalid(c, " requires at least one argument");
	if (!strchr(first, '='))
		return one_pair(c, add);
	/* Values see the variables as they were before the line. */
	before = json_deep_copy(c->config);
	json_array_foreach(words, i, w) {
		struct change then = *c;
		cleanup_free char *name = NULL, *n = NULL, *v = NULL;

		s = json_string_value(w);
		eq = strchr(s, '=');
		if (!eq)
			return err_kind(c->e, ERR_INVALID,
				"Syntax error - can't find = in \"%s\". Must be of the form: name=value", s);
		name = xstrndup(s, (size_t)(eq - s));
		then.config = before;
		n = expand(&then, name);
		v = n ? expand(&then, eq + 1) : NULL;
		if (!v)
			return -1;
		if (!*n)
			return invalid(c, " names can not be blank");
		add(c, n, v);
	}
	return 0;
}

/* --- the instructions ------------------------------------------------------------------------------- */

static int change_cmd(struct change *c)
{
	json_t *words;

	if (command(c, &words))
		return -1;
	json_set_new(c->config, "Cmd", words);
	say_list(c, words, true);
	c->cmd_set = true;
	return 0;
}

static int change_entrypoint(struct change *c)
{
	json_t *words = NULL;

	if (*c->args && command(c, &words))
		return -1;
	say_list(c, words, true);
	json_set_new(c->config, "Entrypoint", json_array_size(words) ? words : json_null());
	if (!json_array_size(words))
		json_decref(words);
	if (!c->cmd_set)
		json_set_new(c->config, "Cmd", json_null());
	return 0;
}

static void say_pair(struct change *c, const char *name, const char *value)
{
	buf_addf(c->said, "%s%s=%s", c->said->n && c->said->p[c->said->n - 1] != ' ' ? " " : "", name, value);
}

static int add_env(struct change *c, const char *name, const char *value)
{
	json_t *env = member(c->config, "Env", json_array), *v;
	cleanup_free char *text = xasprintf("%s=%s", name, value);
	size_t i, n = strlen(name);
	const char *s;

	say_pair(c, name, value);
	json_array_foreach(env, i, v) {
		s = json_string_value(v);
		if (s && !strncmp(s, name, n) && s[n] == '=')
			return json_array_set_new(env, i, json_text(text));
	}
	json_append_str(env, text);
	return 0;
}

static int change_env(struct change *c)
{
	return pairs(c, add_env);
}

static int add_label(struct change *c, const char *name, const char *value)
{
	say_pair(c, name, value);
	json_set_str(member(c->config, "Labels", json_object), name, value);
	return 0;
}

static int change_label(struct change *c)
{
	return pairs(c, add_label);
}

/* "[ip:][host:]port[-port][/proto]": all ports of the container's side. */
static int add_ports(struct change *c, const char *text)
{
	json_t *ports = member(c->config, "ExposedPorts", json_object);
	struct span all = span_of(text), proto = SPAN("tcp"), first, last;
	ssize_t slash = span_chr(all, '/'), colon, dash;
	uint64_t from, to;
	char lower[8] = "tcp";
	size_t i;

	if (slash >= 0)
		proto = span_cut(&all, (size_t)slash);
	if (!all.n)
		return err_kind(c->e, ERR_INVALID, "No port specified: %s<empty>", text);
	colon = span_rchr(all, ':');
	if (colon >= 0)
		all = span_cut(&all, (size_t)colon);
	for (i = 0; i < proto.n && i + 1 < sizeof(lower); i++)
		lower[i] = (char)(proto.p[i] >= 'A' && proto.p[i] <= 'Z' ? proto.p[i] + 32 : proto.p[i]);
	if (proto.n)
		lower[i] = 0;
	if (proto.n >= sizeof(lower) || (strcmp(lower, "tcp") && strcmp(lower, "udp") && strcmp(lower, "sctp")))
		return err_kind(c->e, ERR_INVALID, "Invalid proto: %.*s", (int)proto.n, proto.p);
	first = last = all;
	dash = span_chr(all, '-');
	if (dash > 0)
		last = span_cut(&first, (size_t)dash);
	if (parse_u64(first, 65535, &from) || parse_u64(last, 65535, &to) || from > to)
		return err_kind(c->e, ERR_INVALID, "Invalid containerPort: %.*s", (int)all.n, all.p);
	for (; from <= to; from++) {
		cleanup_free char *key = xasprintf("%u/%s", (unsigned int)from, lower);

		json_set_new(ports, key, json_object());
	}
	return 0;
}

static int change_expose(struct change *c)
{
	cleanup_json json_t *words = expanded_words(c);
	const json_t *w;
	size_t i;

	if (!words)
		return -1;
	if (!*c->args)
		return invalid(c, " requires at least one argument");
	json_array_foreach(words, i, w) {
		if (add_ports(c, json_string_value(w)))
			return -1;
		buf_addf(c->said, "%s%s", i ? " " : "", json_string_value(w));
	}
	return 0;
}

static int change_user(struct change *c)
{
	cleanup_free char *user = one_argument(c);

	if (!user)
		return -1;
	json_set_str(c->config, "User", user);
	buf_adds(c->said, user);
	return 0;
}

static int change_volume(struct change *c)
{
	cleanup_json json_t *words = NULL;
	json_t *volumes;
	const json_t *w;
	size_t i;
	bool bad;

	words = dockerfile_list(c->args, &bad, c->e);
	if (!words && !bad)
		words = expanded_words(c);
	if (!words)
		return -1;
	if (!json_array_size(words))
		return invalid(c, " requires at least one argument");
	volumes = member(c->config, "Volumes", json_object);
	json_array_foreach(words, i, w) {
		if (!*json_string_value(w))
			return invalid(c, " specified can not be an empty string");
		json_set_new(volumes, json_string_value(w), json_object());
	}
	say_list(c, words, false);
	return 0;
}

static int change_workdir(struct change *c)
{
	cleanup_free char *dir = one_argument(c), *joined = NULL, *clean = NULL;

	if (!dir)
		return -1;
	joined = *dir == '/' ? xstrdup(dir) : xasprintf("/%s/%s", json_str(c->config, "WorkingDir", ""), dir);
	clean = fs_clean_path(joined);
	json_set_str(c->config, "WorkingDir", clean);
	buf_adds(c->said, clean);
	return 0;
}

static bool signal_ok(const char *s)
{
	static const char *const names[] = {
		"ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
		"PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
		"TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX", NULL,
	};
	cleanup_free char *upper = xstrdup(s);
	const char *name = upper;
	int64_t n;
	char *p;

	if (!parse_i64(span_of(s), INT32_MIN, INT32_MAX, &n))
		return n != 0;
	for (p = upper; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
	if (!strncmp(name, "SIG", 3))
		name += 3;
	if (!strncmp(name, "RTMIN+", 6))
		return !parse_i64(span_of(name + 6), 1, 15, &n);
	if (!strncmp(name, "RTMAX-", 6))
		return !parse_i64(span_of(name + 6), 1, 14, &n);
	return str_in(name, names);
}

static int change_stopsignal(struct change *c)
{
	cleanup_free char *sig = one_argument(c);

	if (!sig)
		return -1;
	if (!signal_ok(sig))
		return err_kind(c->e, ERR_INVALID, "invalid signal: %s", sig);
	json_set_str(c->config, "StopSignal", sig);
	buf_adds(c->said, sig);
	return 0;
}

static int change_onbuild(struct change *c)
{
	struct span trigger = {c->args, strcspn(c->args, " \t")};

	if (!*c->args)
		return invalid(c, " requires at least one argument");
	if (span_caseeqs(trigger, "ONBUILD"))
		return err_kind(c->e, ERR_INVALID, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (span_caseeqs(trigger, "MAINTAINER") || span_caseeqs(trigger, "FROM"))
		return err_kind(c->e, ERR_INVALID, "%s isn't allowed as an ONBUILD trigger",
			span_caseeqs(trigger, "FROM") ? "FROM" : "MAINTAINER");
	json_append_str(member(c->config, "OnBuild", json_array), c->args);
	buf_adds(c->said, c->args);
	return 0;
}

static int change_shell(struct change *c)
{
	bool bad;
	json_t *words = dockerfile_list(c->args, &bad, c->e);

	if (bad)
		return -1;
	if (!json_array_size(words)) {
		json_decref(words);
		return invalid(c, words ? " requires at least one argument" :
					   " requires the arguments to be in JSON form");
	}
	json_set_new(c->config, "Shell", words);
	say_list(c, words, false);
	return 0;
}

/* --- HEALTHCHECK -------------------------------------------------------------------------------------- */

static int health_duration(struct change *c, json_t *health, const char *flag, const char *key, const char *value)
{
	int64_t ns;

	if (clock_parse_duration(value, &ns))
		return err_kind(c->e, ERR_INVALID, "time: invalid duration \"%s\"", value);
	if (ns && ns < NS_PER_MS)
		return err_kind(c->e, ERR_INVALID, "Interval \"%s\" cannot be less than 1ms", flag);
	if (ns)
		json_set_int(health, key, ns);
	return 0;
}

static int health_retries(struct change *c, json_t *health, const char *value)
{
	int64_t n;

	if (parse_i64(span_of(value), INT32_MIN, INT32_MAX, &n))
		return err_kind(c->e, ERR_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax", value);
	if (n < 0)
		return err_kind(c->e, ERR_INVALID, "--retries cannot be negative (%lld)", (long long)n);
	if (n)
		json_set_int(health, "Retries", n);
	return 0;
}

static const struct {
	const char *flag, *key; /* no key: retries */
} health_flags[] = {
	{"interval", "Interval"}, {"timeout", "Timeout"}, {"start-period", "StartPeriod"},
	{"start-interval", "StartInterval"}, {"retries", NULL},
};

/* "--interval=5s". */
static int health_flag(struct change *c, json_t *health, struct span text, unsigned int *seen)
{
	struct span name = {text.p + 2, text.n - 2};
	cleanup_free char *value = NULL;
	ssize_t eq = span_chr(name, '=');
	size_t i;

	if (eq >= 0)
		value = span_dup(span_cut(&name, (size_t)eq));
	for (i = 0; i < ARRAY_SIZE(health_flags); i++)
		if (span_eqs(name, health_flags[i].flag))
			break;
	if (i == ARRAY_SIZE(health_flags))
		return err_kind(c->e, ERR_INVALID, "unknown flag: --%.*s", (int)name.n, name.p);
	if (*seen & (1U << i))
		return err_kind(c->e, ERR_INVALID, "duplicate flag specified: --%s", health_flags[i].flag);
	if (!value)
		return err_kind(c->e, ERR_INVALID, "missing a value on flag: --%s", health_flags[i].flag);
	*seen |= 1U << i;
	return health_flags[i].key ?
		health_duration(c, health, health_flags[i].flag, health_flags[i].key, value) :
		health_retries(c, health, value);
}

/* Take the flags off the front of *at. */
static int take_health_flags(struct change *c, json_t *health, const char **at)
{
	unsigned int seen = 0;
	struct span word;

	while (!strncmp(*at, "--", 2)) {
		word = (struct span){*at, strcspn(*at, " \t")};
		*at += word.n + strspn(*at + word.n, " \t");
		if (word.n == 2)
			return 0;
		if (health_flag(c, health, word, &seen))
			return -1;
	}
	return 0;
}

/* As Go's %q has the struct: each duration is text, the number of retries a character. */
static void say_health(struct change *c, const json_t *health)
{
	static const char *const durations[] = {"Interval", "Timeout", "StartPeriod", "StartInterval"};
	json_int_t retries = json_int(health, "Retries", 0);
	char text[CLOCK_DURATION_MAX];
	size_t i;

	buf_addc(c->said, '{');
	say_list(c, json_arr(health, "Test"), true);
	for (i = 0; i < ARRAY_SIZE(durations); i++)
		buf_addf(c->said, " \"%s\"", clock_format_duration(json_int(health, durations[i], 0), text));
	if (retries < ' ' || retries > '~')
		buf_addf(c->said, " '\\x%02llx'}", (long long)retries & 0xff);
	else
		buf_addf(c->said, " '%c'}", (char)retries);
}

static int change_healthcheck(struct change *c)
{
	cleanup_json json_t *health = json_object();
	const char *at = c->args, *text;
	struct span kind;
	json_t *test;
	bool bad;

	if (take_health_flags(c, health, &at))
		return -1;
	if (!*at)
		return invalid(c, " requires at least one argument");
	kind = (struct span){at, strcspn(at, " \t")};
	text = at + kind.n + strspn(at + kind.n, " \t");
	if (span_caseeqs(kind, "NONE")) {
		if (*text)
			return invalid(c, " NONE takes no arguments");
		test = json_array();
		json_append_str(test, "NONE");
	} else if (!span_caseeqs(kind, "CMD")) {
		return err_kind(c->e, ERR_INVALID, "Unknown type \"%.*s\" in HEALTHCHECK (try CMD)", (int)kind.n,
			kind.p);
	} else {
		if (!*text)
			return err_kind(c->e, ERR_INVALID, "Missing command after HEALTHCHECK CMD");
		test = dockerfile_list(text, &bad, c->e);
		if (bad)
			return -1;
		if (test) {
			json_array_insert_new(test, 0, json_string("CMD"));
		} else {
			test = json_array();
			json_append_str(test, "CMD-SHELL");
			json_append_str(test, text);
		}
	}
	json_set_new(health, "Test", test);
	say_health(c, health);
	json_object_set(c->config, "Healthcheck", health);
	return 0;
}

/* --- all of them ----------------------------------------------------------------------------------------- */

static const struct instruction {
	const char *name;
	int (*apply)(struct change *c);
} instructions[] = {
	{"CMD", change_cmd}, {"ENTRYPOINT", change_entrypoint}, {"ENV", change_env}, {"EXPOSE", change_expose},
	{"HEALTHCHECK", change_healthcheck}, {"LABEL", change_label}, {"ONBUILD", change_onbuild},
	{"STOPSIGNAL", change_stopsignal}, {"USER", change_user}, {"VOLUME", change_volume},
	{"WORKDIR", change_workdir}, {"SHELL", change_shell},
};

static const struct instruction *find(struct span name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(instructions); i++)
		if (span_caseeqs(name, instructions[i].name))
			return &instructions[i];
	return NULL;
}

/* One pass over the text: to check the names, or to apply. */
static int each(struct change *c, struct span text, bool apply, size_t *n)
{
	cleanup_buf struct buf line = BUF_INIT;
	const struct instruction *in;
	struct span name;

	for (*n = 0; dockerlex_line(&text, c->escape, &line); ++*n) {
		name = (struct span){line.p, strcspn(line.p, " \t")};
		in = find(name);
		if (!in || in->apply == change_shell) /* a build's alone */
			return err_kind(c->e, ERR_INVALID, "%.*s is not a valid change command", (int)name.n, name.p);
		c->name = in->name;
		c->args = line.p + name.n + strspn(line.p + name.n, " \t");
		buf_reset(c->said);
		if (apply && in->apply(c))
			return -1;
	}
	return 0;
}

bool dockerfile_is_change(const char *name)
{
	return find(span_of(name)) != NULL;
}

int dockerfile_change(json_t *config, const struct dockerfile_line *line, char escape,
	const struct dockerfile_change *how, struct buf *said, struct err *e)
{
	struct change c = {.config = config, .name = line->name, .args = line->args, .escape = escape,
		.cmd_set = *how->cmd_set, .more_env = how->args, .shell = how->shell, .said = said, .e = e};
	const struct instruction *in = find(span_of(line->name));

	buf_addf(said, "%s ", line->name);
	if (in->apply(&c))
		return -1;
	*how->cmd_set = c.cmd_set;
	return 0;
}

int image_config_changes(json_t *config, const json_t *changes, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT, said = BUF_INIT;
	struct change c = {.config = config, .said = &said, .e = e};
	const json_t *v;
	struct span all;
	size_t i, n;

	if (!json_array_size(changes))
		return 0;
	json_array_foreach(changes, i, v) {
		if (text.n > DOCKERLEX_TEXT_MAX || !json_is_string(v))
			return err_kind(e, ERR_INVALID, "the changes are too long, or no texts");
		buf_addf(&text, "%s%s", i ? "\n" : "", json_string_value(v));
	}
	all = (struct span){text.p, text.n};
	c.escape = dockerlex_escape(all);
	if (each(&c, all, false, &n))
		return -1;
	if (!n)
		return err_kind(e, ERR_INVALID, "file with no instructions");
	return each(&c, all, true, &n);
}
