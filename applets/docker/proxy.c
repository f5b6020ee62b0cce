/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/proxy.c - the proxies of config.json, for what runs in containers
 *
 * Theory of operation
 *   {"proxies": {"default": {"httpProxy": "http://…"}}}, or instead of "default" an engine's address.  Each
 *   becomes a variable of a container, or an argument of a build, in capitals and in small letters, unless
 *   one of that name was given.
 */
#include "proxy.h"

#include <ctype.h>
#include <stdlib.h>

static const struct {
	const char *key, *name;
} known[] = {
	{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"noProxy", "NO_PROXY"}, {"ftpProxy", "FTP_PROXY"},
	{"allProxy", "ALL_PROXY"},
};

static bool given(const struct strlist *pairs, const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i < pairs->n; i++)
		if (!strncmp(pairs->v[i], name, n) && (!pairs->v[i][n] || pairs->v[i][n] == '='))
			return true;
	return false;
}

static void add(struct strlist *pairs, const char *name, const char *value)
{
	if (!given(pairs, name))
		strlist_add(pairs, xasprintf("%s=%s", name, value));
}

void proxy_add(const struct docker *d, struct strlist *pairs)
{
	const json_t *all = json_obj(d->config, "proxies"), *ours = json_obj(all, d->endpoint.url);
	size_t i;

	if (!ours)
		ours = json_obj(all, "default");
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		const char *value = json_str(ours, known[i].key, "");
		cleanup_free char *small = xstrdup(known[i].name);
		char *p;

		if (!*value)
			continue;
		for (p = small; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		add(pairs, known[i].name, value);
		add(pairs, small, value);
	}
}
