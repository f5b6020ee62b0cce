/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_check.c - values of docker run's options, looked at while parsing
 *
 * Theory of operation
 *   The stock client checks some values itself and leaves others to the engine; the line is drawn
 *   where it draws it, and its words are used, since a refusal here and one by the engine differ
 *   in text and exit status.
 */
#include "run_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/utsname.h>

static bool is_ip(const char *text)
{
	unsigned char addr[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

/* name:ip or name=ip, the ip perhaps in brackets; becomes name:ip. */
int check_add_host(const char **text, struct err *e)
{
	size_t n = strcspn(*text, "=:");
	const char *equals = strchr(*text, '=');
	struct span ip;
	cleanup_free char *plain = NULL;

	if (equals)
		n = (size_t)(equals - *text);
	if (!n || !(*text)[n])
		return err_kind(e, ERR_INVALID, "bad format for add-host: \"%s\"", *text);
	ip = span_of(*text + n + 1);
	if (ip.n > 2 && *ip.p == '[' && ip.p[ip.n - 1] == ']')
		ip.p++, ip.n -= 2;
	plain = span_dup(ip);
	if (strcmp(plain, "host-gateway")) {
		cleanup_free char *trimmed = span_dup(span_trim(ip));

		if (!is_ip(trimmed))
			return err_kind(e, ERR_INVALID, "invalid IP address in add-host: \"%s\"", plain);
	}
	*text = xasprintf("%.*s:%s", (int)n, *text, plain);
	return 0;
}

int check_attach(const char **text, struct err *e)
{
	if (!strcasecmp(*text, "stdin"))
		*text = "stdin";
	else if (!strcasecmp(*text, "stdout"))
		*text = "stdout";
	else if (!strcasecmp(*text, "stderr"))
		*text = "stderr";
	else
		return err_kind(e, ERR_INVALID, "valid streams are STDIN, STDOUT and STDERR");
	return 0;
}

static bool number_or_star(struct span s)
{
	uint64_t v;

	return span_eqs(s, "*") || !parse_u64(s, UINT32_MAX, &v);
}

/* "c 1:3 rwm" */
int check_device_rule(const char **text, struct err *e)
{
	struct span s = span_of(*text), type, major, minor;
	bool ok;

	ok = span_token(&s, ' ', &type) && type.n == 1 && strchr("acb", *type.p) &&
		span_token(&s, ':', &major) && number_or_star(major) &&
		span_token(&s, ' ', &minor) && number_or_star(minor) && s.n >= 1 && s.n <= 3 &&
		strspn(s.p, "rwm") == s.n;
	if (!ok)
		return err_kind(e, ERR_INVALID, "invalid device cgroup format '%s'", *text);
	return 0;
}

int check_dns(const char **text, struct err *e)
{
	cleanup_free char *trimmed = span_dup(span_trim(span_of(*text)));

	if (!is_ip(trimmed))
		return err_kind(e, ERR_INVALID, "IP address is not correctly formatted: %s", *text);
	*text = steal(&trimmed);
	return 0;
}

/* Letters, digits and dashes between dots; "." alone clears the list. */
int check_dns_search(const char **text, struct err *e)
{
	struct span s = span_trim(span_of(*text)), label;
	bool ok = s.n && s.n <= 255, letter = false;
	size_t i;

	if (span_eqs(s, "."))
		return *text = ".", 0;
	if (s.n && s.p[s.n - 1] == '.')
		s.n--;
	while (ok && span_token(&s, '.', &label)) {
		ok = label.n && label.n <= 63 && label.p[0] != '-' && label.p[label.n - 1] != '-';
		for (i = 0; ok && i < label.n; i++) {
			ok = isalnum((unsigned char)label.p[i]) || label.p[i] == '-';
			letter |= isalpha((unsigned char)label.p[i]) != 0;
		}
	}
	if (!ok || !letter)
		return err_kind(e, ERR_INVALID, "%s is not a valid domain", *text);
	*text = span_dup(span_trim(span_of(*text)));
	return 0;
}

/* NAME alone means NAME with our value, if we have one. */
int check_env(const char **text, struct err *e)
{
	const char *value;

	if (!**text || **text == '=')
		return err_kind(e, ERR_INVALID, "invalid environment variable: %s", *text);
	if (strchr(*text, '='))
		return 0;
	value = getenv(*text);
	if (value)
		*text = xasprintf("%s=%s", *text, value);
	return 0;
}

int check_label(const char **text, struct err *e)
{
	size_t n = strcspn(*text, "=");

	if (!span_trim((struct span){*text, n}).n)
		return err_kind(e, ERR_INVALID, "invalid label '%s': empty name", *text);
	if (strcspn(*text, " \t\n") < n)
		return err_kind(e, ERR_INVALID, "label '%.*s' contains whitespaces", (int)n, *text);
	return 0;
}

int check_link(const char **text, struct err *e)
{
	const char *colon = strchr(*text, ':');

	if (!**text)
		return err_kind(e, ERR_INVALID, "empty string specified for links");
	if (colon && strchr(colon + 1, ':'))
		return err_kind(e, ERR_INVALID, "bad format for links: %s", *text);
	return 0;
}

/* "/dev/x:number": what stands behind the colon, or NULL with @e. */
static const char *behind_device(const char *text, struct err *e)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || strchr(colon + 1, ':')) {
		err_kind(e, ERR_INVALID, "bad format: %s", text);
		return NULL;
	}
	if (strncmp(text, "/dev/", 5)) {
		err_kind(e, ERR_INVALID, "bad format for device path: %s", text);
		return NULL;
	}
	return colon + 1;
}

int check_rate(const char **text, struct err *e)
{
	const char *rate = behind_device(*text, e);
	int64_t v;

	if (!rate)
		return -1;
	if (parse_size(rate, &v))
		return err_kind(e, ERR_INVALID,
			"invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. "
			"Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
			*text);
	return 0;
}

int check_count(const char **text, struct err *e)
{
	const char *rate = behind_device(*text, e);
	uint64_t v;

	if (!rate)
		return -1;
	if (parse_u64(span_of(rate), INT64_MAX, &v))
		return err_kind(e, ERR_INVALID,
			"invalid rate for device: %s. The correct format is <device-path>:<number>. "
			"Number must be a positive integer",
			*text);
	return 0;
}

int check_weight(const char **text, struct err *e)
{
	const char *weight = behind_device(*text, e);
	uint64_t v;

	if (!weight)
		return -1;
	if (parse_u64(span_of(weight), 1000, &v) || (v && v < 10))
		return err_kind(e, ERR_INVALID, "invalid weight for device: %s", *text);
	return 0;
}

json_t *device_rate(const char *text, const char *key)
{
	const char *colon = strchr(text, ':');
	json_t *j = json_object();
	int64_t v = 0;

	json_set_new(j, "Path", json_textn(text, (size_t)(colon - text)));
	parse_size(colon + 1, &v);
	json_set_int(j, key, v);
	return j;
}

/* Only what has a namespace of its own. */
int check_sysctl(const char **text, struct err *e)
{
	static const char *const names[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", NULL};
	size_t n = strcspn(*text, "=");
	cleanup_free char *name = xstrndup(*text, n);

	if (!(*text)[n] || (!str_in(name, names) && strncmp(name, "net.", 4) &&
		strncmp(name, "fs.mqueue.", 10)))
		return err_kind(e, ERR_INVALID, "sysctl '%s' is not allowed", *text);
	return 0;
}

static int limit_parse(struct span s, int64_t *v, struct err *e)
{
	if (!parse_i64(s, INT64_MIN, INT64_MAX, v))
		return 0;
	return err_kind(e, ERR_INVALID, "strconv.ParseInt: parsing \"%.*s\": invalid syntax", (int)s.n,
		s.p);
}

json_t *ulimit_parse(const char *text, struct err *e)
{
	static const char *const names[] = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
		"nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack", NULL};
	size_t n = strcspn(text, "=");
	cleanup_free char *name = xstrndup(text, n);
	struct span rest = span_of(text + n + (text[n] == '=')), first;
	int64_t soft, hard;
	json_t *j;

	if (!text[n]) {
		err_kind(e, ERR_INVALID, "invalid ulimit argument: %s", text);
		return NULL;
	}
	if (!str_in(name, names)) {
		err_kind(e, ERR_INVALID, "invalid ulimit type: %s", name);
		return NULL;
	}
	span_token(&rest, ':', &first);
	if (rest.p && span_chr(rest, ':') >= 0) {
		err_kind(e, ERR_INVALID,
			"too many limit value arguments - %s, can only have up to two, `soft[:hard]`",
			text + n + 1);
		return NULL;
	}
	if (limit_parse(first, &soft, e))
		return NULL;
	hard = soft;
	if (rest.p && limit_parse(rest, &hard, e))
		return NULL;
	if (hard >= 0 && (soft > hard || soft < 0)) {
		err_kind(e, ERR_INVALID,
			"ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
			(long long)soft, (long long)hard);
		return NULL;
	}
	j = json_object();
	json_set_str(j, "Name", name);
	json_set_int(j, "Hard", hard);
	json_set_int(j, "Soft", soft);
	return j;
}

int check_ulimit(const char **text, struct err *e)
{
	cleanup_json json_t *j = ulimit_parse(*text, e);

	return j ? 0 : -1;
}

bool mac_ok(const char *text)
{
	size_t i, n = strlen(text);
	char sep = n > 2 ? text[2] : 0;

	if ((n != 17 && n != 23) || (sep != ':' && sep != '-'))
		return false;
	for (i = 0; i < n; i++)
		if (i % 3 == 2 ? text[i] != sep : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

char *csv_field(const char **rest)
{
	const char *p = *rest;
	struct buf b = BUF_INIT;

	if (!p)
		return NULL;
	if (*p == '"') {
		for (p++; *p; p++) {
			if (*p == '"' && p[1] != '"')
				break;
			p += *p == '"';
			buf_addc(&b, *p);
		}
		p += *p == '"';
	}
	for (; *p && *p != ','; p++)
		buf_addc(&b, *p);
	*rest = *p ? p + 1 : NULL;
	return buf_detach(&b);
}

/* --- platforms ---------------------------------------------------------------------------- */

static const struct {
	const char *said, *meant;
} machines[] = {
	{"amd64", "amd64"}, {"x86_64", "amd64"}, {"x86-64", "amd64"}, {"386", "386"}, {"i386", "386"},
	{"arm64", "arm64"}, {"aarch64", "arm64"}, {"arm", "arm"}, {"armhf", "arm"}, {"armel", "arm"},
	{"ppc64le", "ppc64le"}, {"s390x", "s390x"}, {"riscv64", "riscv64"}, {"loong64", "loong64"},
	{"mips64le", "mips64le"}, {"mips64", "mips64"},
};

static const char *machine_of(const char *said)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(machines); i++)
		if (!strcmp(machines[i].said, said))
			return machines[i].meant;
	return NULL;
}

static char *platform_alone(const char *word, const char *text, struct err *e)
{
	static const char *const systems[] = {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd",
		"solaris", "plan9", "illumos", "dragonfly", "android", "aix", NULL};
	struct utsname host;

	uname(&host);
	if (str_in(word, systems))
		return xasprintf("%s/%s", word, machine_of(host.machine) ? machine_of(host.machine) :
									  host.machine);
	if (machine_of(word))
		return xasprintf("linux/%s", machine_of(word));
	err_kind(e, ERR_INVALID, "\"%s\": unknown operating system or architecture: invalid argument", text);
	return NULL;
}

char *platform_normalise(const char *text, struct err *e)
{
	cleanup_free char *lower = xstrdup(text);
	char *part[4] = {lower}, *p;
	size_t n = 1;

	for (p = lower; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (*p != '/')
			continue;
		*p = 0;
		if (n < ARRAY_SIZE(part))
			part[n] = p + 1;
		n++;
	}
	if (n > 3) {
		err_kind(e, ERR_INVALID, "\"%s\": cannot parse platform specifier: invalid argument", text);
		return NULL;
	}
	if (n == 1)
		return platform_alone(part[0], text, e);
	if (machine_of(part[1]))
		part[1] = (char *)(uintptr_t)machine_of(part[1]);
	if (n == 2)
		return xasprintf("%s/%s", part[0], part[1]);
	return xasprintf("%s/%s/%s", part[0], part[1], part[2]);
}
