/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config_values.c - are the merged values ones we can work with?
 *
 * Messages for mistakes are dockerd's. Where dockerd takes a value and we cannot act on it, the
 * name of the option is refused or warned about, by what the table says of it.
 */
#include "engine/config_opts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool config_ip_ok(const char *text)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

bool config_cidr_ok(const char *text)
{
	const char *slash = strchr(text, '/');
	uint64_t bits;

	if (!slash)
		return false;
	cleanup_free char *addr = xstrndup(text, (size_t)(slash - text));
	return config_ip_ok(addr) && !parse_u64(span_of(slash + 1), strchr(addr, ':') ? 128 : 32, &bits);
}

int config_label_check(const char *text, struct err *e)
{
	if (strchr(text, '='))
		return 0;
	return err_kind(e, ERR_INVALID, "bad attribute format: %s", text);
}

int config_mirror_check(const char *text, struct err *e)
{
	static const char must[] = "must use either 'https://' or 'http://'";
	const char *rest = strstr(text, "://"), *host_end;

	if (!rest)
		return err_kind(e, ERR_INVALID, "invalid mirror: no scheme specified for \"%s\": %s",
			text, must);
	struct span scheme = {text, (size_t)(rest - text)};
	if (!span_eqs(scheme, "http") && !span_eqs(scheme, "https"))
		return err_kind(e, ERR_INVALID,
			"invalid mirror: unsupported scheme \"%.*s\" in \"%s\": %s", (int)scheme.n,
			scheme.p, text, must);
	rest += 3;
	if (strpbrk(rest, "?#"))
		return err_kind(e, ERR_INVALID,
			"invalid mirror: query or fragment at end of the URI \"%s\"", text);
	host_end = rest + strcspn(rest, "/");
	if (memchr(rest, '@', (size_t)(host_end - rest)))
		return err_kind(e, ERR_INVALID,
			"invalid mirror: username/password not allowed in URI \"%.*s://xxxxx@%s\"",
			(int)scheme.n, scheme.p, strchr(rest, '@') + 1);
	return 0;
}

/* Labels of letters, digits and inner '-', with dots between; "." alone clears the list. */
int config_domain_check(const char *text, struct err *e)
{
	struct span rest = span_trim(span_of(text)), label;
	bool letter = false;
	size_t i;

	if (span_eqs(rest, "."))
		return 0;
	if (rest.n && rest.p[rest.n - 1] == '.')
		rest.n--;
	while (rest.n && span_token(&rest, '.', &label)) {
		if (!label.n || label.p[0] == '-' || label.p[label.n - 1] == '-')
			goto bad;
		for (i = 0; i < label.n; i++) {
			if (!isalnum((unsigned char)label.p[i]) && label.p[i] != '-')
				goto bad;
			letter |= isalpha((unsigned char)label.p[i]) != 0;
		}
	}
	if (letter)
		return 0;
bad:
	return err_kind(e, ERR_INVALID, "%s is not a valid domain", text);
}

/* --- hosts ---------------------------------------------------------------------------------- */

static char *bad_host(const char *text, struct err *e, const char *why)
{
	err_kind(e, ERR_INVALID, "invalid bind address (%s): %s", text, why);
	return NULL;
}

/* "host:port", "host", ":port", "[v6]:port"; defaults as dockerd's without TLS. */
static char *tcp_parse(const char *text, struct span addr, struct err *e)
{
	struct span host = addr, port = {NULL, 0};
	ssize_t colon = span_rchr(addr, ':'), bracket = span_rchr(addr, ']');
	uint64_t number = 2375;

	if (span_chr(addr, '/') >= 0)
		return bad_host(text, e, "should not contain a path element");
	if (colon > bracket)
		port = span_cut(&host, (size_t)colon);
	if (host.n && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host.p++, host.n -= 2;
	else if (span_chr(host, ':') >= 0 || span_chr(host, '[') >= 0)
		return bad_host(text, e, "an IPv6 address needs brackets");
	if (port.n && parse_u64(port, 65535, &number))
		return bad_host(text, e, "invalid port after host");
	if (!host.n)
		host = SPAN("127.0.0.1");
	return xasprintf(span_chr(host, ':') < 0 ? "tcp://%.*s:%u" : "tcp://[%.*s]:%u", (int)host.n,
		host.p, (unsigned int)number);
}

char *config_host_parse(const char *text, const char *runtime_dir, struct err *e)
{
	struct span addr = span_trim(span_of(text)), proto = addr;
	const char *sep = strstr(text, "://");

	if (!addr.n)
		return xasprintf("unix://%s/docker.sock", runtime_dir ? runtime_dir : "");
	if (!sep)
		return tcp_parse(text, addr, e);
	proto.n = (size_t)(sep - proto.p);
	addr = (struct span){sep + 3, addr.n - proto.n - 3};
	if (span_eqs(proto, "tcp"))
		return tcp_parse(text, addr, e);
	if (span_eqs(proto, "fd"))
		return xasprintf("fd://%.*s", (int)addr.n, addr.p);
	if (!span_eqs(proto, "unix")) {
		cleanup_free char *why = xasprintf("unsupported proto '%.*s'", (int)proto.n, proto.p);

		return bad_host(text, e, why);
	}
	if (!addr.n)
		return xasprintf("unix://%s/docker.sock", runtime_dir ? runtime_dir : "");
	return xasprintf("unix://%.*s", (int)addr.n, addr.p);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int list_each(const json_t *raw, const char *key, int (*check)(const char *, struct err *),
	struct err *e)
{
	json_t *x;
	size_t i;

	json_array_foreach(json_arr(raw, key), i, x)
		if (check(json_is_string(x) ? json_string_value(x) : "", e))
			return -1;
	return 0;
}

static int host_check(const char *text, struct err *e)
{
	cleanup_free char *host = config_host_parse(text, "", e);

	return host ? 0 : -1;
}

static int exec_opt_check(const char *text, struct err *e)
{
	struct span key = span_of(text), value = {NULL, 0};
	ssize_t eq = span_chr(key, '=');

	if (eq >= 0)
		value = span_trim(span_cut(&key, (size_t)eq));
	key = span_trim(key);
	if (!key.n || !value.n)
		return err_kind(e, ERR_INVALID,
			"invalid exec-opt (%s): must be formatted 'opt=value'", text);
	if (!span_caseeqs(key, "native.cgroupdriver"))
		return err_kind(e, ERR_INVALID, "invalid exec-opt (%s): unknown option: '%.*s'", text,
			(int)key.n, key.p);
	return 0;
}

static int not_negative(const json_t *raw, const char *key, const char *what, struct err *e)
{
	int64_t n = json_int(raw, key, 0);

	if (n >= 0 && n <= INT32_MAX)
		return 0;
	return err_kind(e, ERR_INVALID, "invalid %s: %lld", what, (long long)n);
}

static int numbers_check(const json_t *raw, struct err *e)
{
	int64_t timeout = json_int(raw, "shutdown-timeout", 0);

	if (timeout < INT32_MIN || timeout > INT32_MAX)
		return err_kind(e, ERR_INVALID, "invalid shutdown timeout: %lld", (long long)timeout);
	return not_negative(raw, "mtu", "default MTU", e) ||
			not_negative(raw, "max-concurrent-downloads", "max concurrent downloads", e) ||
			not_negative(raw, "max-concurrent-uploads", "max concurrent uploads", e) ||
			not_negative(raw, "max-download-attempts", "max download attempts", e) ?
		-1 :
		0;
}

static int log_check(const json_t *raw, struct err *e)
{
	static const char *const levels[] = {"panic", "fatal", "error", "warn", "info", "debug",
		"trace", NULL};
	const char *level = json_str(raw, "log-level", ""), *format = json_str(raw, "log-format", "");
	size_t i;

	for (i = 0; levels[i] && strcasecmp(levels[i], level); i++)
		;
	if (*level && !levels[i])
		return err_kind(e, ERR_INVALID, "invalid logging level: %s", level);
	if (*format && strcmp(format, "text") && strcmp(format, "json"))
		return err_kind(e, ERR_INVALID, "invalid log format: %s", format);
	return 0;
}

static int modes_check(const json_t *raw, struct err *e)
{
	const char *ipc = json_str(raw, "default-ipc-mode", "");
	const char *cgroupns = json_str(raw, "default-cgroupns-mode", "");

	if (!strcmp(ipc, "host") || !strcmp(ipc, "none"))
		return err_kind(e, ERR_INVALID,
			"IPC mode \"%s\" is not supported as default value; use \"shareable\" or "
			"\"private\"",
			ipc);
	if (*ipc && strcmp(ipc, "private") && strcmp(ipc, "shareable"))
		return err_kind(e, ERR_INVALID,
			"default IPC mode setting (%s) is invalid; use \"shareable\" or \"private\"",
			ipc);
	if (*cgroupns && strcmp(cgroupns, "private") && strcmp(cgroupns, "host"))
		return err_kind(e, ERR_INVALID,
			"invalid default cgroup namespace (%s): use \"host\" or \"private\"", cgroupns);
	return 0;
}

/* The same key with two values; the same value twice is fine. */
static int labels_conflict(const json_t *labels, struct err *e)
{
	cleanup_json json_t *seen = json_object();
	json_t *x;
	size_t i;

	json_array_foreach(labels, i, x) {
		const char *text = json_string_value(x), *old;
		struct span key = span_of(text);

		span_cut(&key, (size_t)span_chr(key, '='));
		cleanup_free char *k = span_dup(key);
		old = json_str(seen, k, NULL);
		if (old && strcmp(old, text))
			return err_kind(e, ERR_INVALID, "conflict labels for %s and %s", text, old);
		json_set_str(seen, k, text);
	}
	return 0;
}

static bool is_off(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) ||
		(json_is_string(v) && !*json_string_value(v)) ||
		(json_is_array(v) && !json_array_size(v)) ||
		(json_is_object(v) && !json_object_size(v));
}

int config_effects_check(const json_t *raw, struct err *e)
{
	const struct opt *o;
	json_t *v;

	if (labels_conflict(json_arr(raw, "labels"), e))
		return -1;
	for (o = config_opts; o->flag || o->key; o++) {
		v = config_member(raw, config_opt_key(o));
		if (is_off(v))
			continue;
		if (o->effect == OPT_REFUSED)
			return err_kind(e, ERR_INVALID, "'%s' is not supported by this engine",
				config_opt_key(o));
		if (!strcmp(config_opt_key(o), "default-runtime") && json_is_string(v) &&
			!strcmp(json_string_value(v), "runc"))
			continue;
		if (o->effect == OPT_IGNORED)
			log_warn("the option '%s' has no effect in this engine", config_opt_key(o));
	}
	if (!strcmp(json_str(raw, "log-format", ""), "json"))
		log_warn("the log-format 'json' is not supported; the log is text");
	return 0;
}

int config_values_check(const json_t *raw, struct err *e)
{
	if (log_check(raw, e) || list_each(raw, "dns-search", config_domain_check, e) ||
		list_each(raw, "labels", config_label_check, e) || numbers_check(raw, e) ||
		list_each(raw, "hosts", host_check, e) ||
		list_each(raw, "registry-mirrors", config_mirror_check, e))
		return -1;
	if (json_object_get(raw, "api-cors-header"))
		return err_kind(e, ERR_INVALID,
			"DEPRECATED: The \"api-cors-header\" config parameter and the dockerd "
			"\"--api-cors-header\" option have been removed; use a reverse proxy if you "
			"need CORS headers");
	return list_each(raw, "exec-opts", exec_opt_check, e) || modes_check(raw, e) ? -1 : 0;
}
