/* SPDX-License-Identifier: MIT */
/*
 * core/registry/proxy.c - which proxy a URL goes through
 *
 * Theory of operation
 *   The rules are those Go's net/http has, as people's environments were written for them:
 *   https_proxy serves https URLs and http_proxy the others, localhost and loopback addresses go
 *   direct, and no_proxy is a list of "*", addresses, CIDRs, and domains that stand for
 *   themselves and all below (".example.com" only for those below), each with an optional port.
 */
#include "registry/http_client.h"
#include "registry/net_match.h"

#include <strings.h>

/* Does "example.com" or ".example.com" cover @host? */
static bool domain_covers(struct span domain, struct span host)
{
	bool below_only = domain.n && domain.p[0] == '.';

	if (span_starts(domain, "*."))
		domain = (struct span){domain.p + 1, domain.n - 1}, below_only = true;
	if (!below_only && domain.n == host.n)
		return !strncasecmp(domain.p, host.p, host.n);
	if (below_only)
		domain = (struct span){domain.p + 1, domain.n - 1};
	if (!domain.n || host.n <= domain.n + 1 || host.p[host.n - domain.n - 1] != '.')
		return false;
	return !strncasecmp(domain.p, host.p + host.n - domain.n, domain.n);
}

static bool exempt(const char *no_proxy, const struct url *u)
{
	struct span list = span_of(no_proxy), item, host;
	uint16_t port;

	while (span_token(&list, ',', &item)) {
		item = span_trim(item);
		if (!item.n)
			continue;
		if (span_eqs(item, "*"))
			return true;
		if (net_cidr_contains(item, u->host))
			return true;
		if (url_split_host_port(item, &host, &port))
			host = item, port = 0;
		if ((!port || port == u->port) && domain_covers(host, span_of(u->host)))
			return true;
	}
	return false;
}

const char *http_proxy_for(const struct http_settings *s, const struct url *u)
{
	const char *proxy = u->tls ? s->https_proxy : s->http_proxy;

	if (!proxy || !*proxy)
		return "";
	if (!strcmp(u->host, "localhost") || net_is_loopback(u->host))
		return "";
	return s->no_proxy && exempt(s->no_proxy, u) ? "" : proxy;
}
