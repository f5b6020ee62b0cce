/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes.c - from a request's method and path to its handler
 *
 * Theory of operation
 *   The tables of the routes_*.c are searched in order; the first pattern that matches decides.
 *   Patterns are compared with the decoded path, as the real engine does, so an encoded slash is
 *   a slash. The version in the path is looked at only where the path exists: unknown paths are
 *   404 whatever their version.
 */
#include "api/server.h"
#include "engine/engine.h"

#include <stdlib.h>

static const struct route *const tables[] = {
	routes_system, routes_containers, routes_attach, routes_archive, routes_exec, routes_images, routes_volumes, routes_networks,
	routes_build, routes_swarm,
};

static bool match(const char *pattern, const char *path, struct span *vars, size_t *n_vars);

/* "{*}": try the longest run of segments first, so that the tail of the pattern decides. */
static bool match_rest(const char *pattern, const char *path, struct span *vars, size_t *n_vars)
{
	size_t mine = *n_vars, len = strlen(path);

	for (; len; len--) {
		if (path[len] && path[len] != '/')
			continue;
		*n_vars = mine;
		vars[(*n_vars)++] = (struct span){path, len};
		if (match(pattern, path + len, vars, n_vars))
			return true;
	}
	*n_vars = mine;
	return false;
}

static bool match(const char *pattern, const char *path, struct span *vars, size_t *n_vars)
{
	while (*pattern) {
		if (!strncmp(pattern, "{*}", 3))
			return match_rest(pattern + 3, path, vars, n_vars);
		if (!strncmp(pattern, "{}", 2)) {
			size_t len = strcspn(path, "/");

			if (!len)
				return false;
			vars[(*n_vars)++] = (struct span){path, len};
			path += len;
			pattern += 2;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static const struct route *find(struct http *h)
{
	struct span vars[4];
	const struct route *r;
	size_t t, i, n;

	for (t = 0; t < ARRAY_SIZE(tables); t++) {
		for (r = tables[t]; r->method; r++) {
			n = 0;
			if (!span_eqs(h->head.method, r->method) ||
				!match(r->pattern, h->path, vars, &n))
				continue;
			for (i = 0; i < n; i++)
				h->vars[i] = span_dup(vars[i]);
			return r;
		}
	}
	return NULL;
}

/* "1.51" -> 51 of major 1; parts after the second are ignored. -1 if it is no version. */
static int version_parse(struct span v, uint64_t *major, uint64_t *minor)
{
	struct span part;

	*minor = 0;
	if (!span_token(&v, '.', &part) || parse_u64(part, 10000, major))
		return -1;
	if (span_token(&v, '.', &part) && parse_u64(part, 10000, minor))
		return -1;
	return 0;
}

/* Cut "/v1.51" off the path. Its length in the path, 0 if there is none. */
static size_t version_prefix(const char *path)
{
	size_t n;

	if (strncmp(path, "/v", 2))
		return 0;
	n = strspn(path + 2, "0123456789.");
	return n && path[2 + n] == '/' ? 2 + n : 0;
}

/* -1 if the version was refused (and answered). */
static int check_version(struct http *h, struct span version)
{
	uint64_t major, minor;
	struct err e;

	if (version_parse(version, &major, &minor))
		major = minor = 0;
	h->foreign_version = major != 1 || minor > 51 || minor < 24;
	if (major > 1 || (major == 1 && minor > 51)) {
		err_kind(&e, ERR_INVALID, "client version %.*s is too new. Maximum supported API version is %s",
			(int)version.n, version.p, API_VERSION);
		http_fail(h, &e);
		return -1;
	}
	if (major < 1 || minor < 24) {
		cleanup_free char *text = xasprintf("client version %.*s is too old. Minimum supported API version "
			"is %s, please upgrade your client to a newer version\n",
			(int)version.n, version.p, API_MIN_VERSION);

		http_set_header(h, "X-Content-Type-Options", "nosniff");
		http_text(h, 400, "text/plain; charset=utf-8", text, strlen(text));
		return -1;
	}
	h->api_minor = (int)minor;
	return 0;
}

void routes_dispatch(struct http *h)
{
	size_t prefix = version_prefix(h->path);
	struct span version = {h->path + 2, prefix ? prefix - 2 : 0};
	cleanup_free char *text = span_dup(version);
	const struct route *r;
	struct err e;

	if (prefix)
		memmove(h->path, h->path + prefix, strlen(h->path + prefix) + 1);
	if (span_eqs(h->head.method, "OPTIONS")) {
		http_empty(h, 200);
		return;
	}
	r = find(h);
	if (!r) {
		h->plain_engine = true;
		err_kind(&e, ERR_NOT_FOUND, "page not found");
		http_fail(h, &e);
		return;
	}
	h->api_minor = 51;
	if (prefix && check_version(h, span_of(text)))
		return;
	r->fn(h);
}
