/* SPDX-License-Identifier: MIT */
/*
 * core/registry/url.c - http and https URLs: parsed, resolved against each other, printed
 *
 * Theory of operation
 *   URLs come from registries (redirects, token realms, links to the next page), so they are
 *   hostile: whatever is kept can be put on a request line or into a Host header as it is.
 *   The host is held to the characters of names and addresses, the target to visible ASCII.
 *   Path and query stay one string, "target", as nothing here looks inside them but the
 *   removal of dot segments.
 */
#include "registry/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool host_ok(struct span s)
{
	bool v6 = span_chr(s, ':') >= 0;
	size_t i;

	if (!s.n || s.n > 255)
		return false;
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_alnum(c) || c == '.' || (v6 ? c == ':' || c == '%' : c == '-' || c == '_'))
			continue;
		return false;
	}
	return true;
}

int url_split_host_port(struct span text, struct span *host, uint16_t *port)
{
	struct span rest = {text.p + text.n, 0};
	ssize_t at;
	uint64_t v;

	*port = 0;
	*host = text;
	if (text.n && text.p[0] == '[') {
		at = span_chr(text, ']');
		if (at < 0)
			return -1;
		*host = (struct span){text.p + 1, (size_t)at - 1};
		rest = (struct span){text.p + at + 1, text.n - (size_t)at - 1};
		if (span_chr(*host, ':') < 0 || (rest.n && rest.p[0] != ':'))
			return -1;
		if (rest.n)
			rest = (struct span){rest.p + 1, rest.n - 1};
	} else {
		at = span_chr(text, ':');
		if (at >= 0 && at == span_rchr(text, ':')) /* more colons: a bare IPv6 address */
			rest = span_cut(host, (size_t)at);
	}
	if (rest.n) {
		if (parse_u64(rest, 65535, &v) || !v)
			return -1;
		*port = (uint16_t)v;
	}
	return host_ok(*host) ? 0 : -1;
}

void url_add_escaped(struct buf *out, struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* The part behind the authority, fit for a request line; NULL if it cannot be. */
static char *clean_target(struct span s)
{
	struct buf out = BUF_INIT;
	ssize_t hash = span_chr(s, '#');
	size_t i;

	if (hash >= 0)
		s.n = (size_t)hash;
	if (!s.n || s.p[0] != '/')
		buf_addc(&out, '/');
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= 0x20 || c == 0x7f) {
			buf_release(&out);
			return NULL;
		}
		if (c > 0x7e)
			buf_addf(&out, "%%%02X", c);
		else
			buf_addc(&out, (char)c);
	}
	return buf_detach(&out);
}

static char *lower_dup(struct span s)
{
	char *out = span_dup(s), *c;

	for (c = out; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	return out;
}

static int bad(struct span text, const char *why, struct err *e)
{
	return err_kind(e, ERR_INVALID, "bad URL '%.*s': %s", (int)(text.n > 200 ? 200 : text.n),
		text.p, why);
}

char *url_join_host_port(const char *host, unsigned int port)
{
	return strchr(host, ':') ? xasprintf("[%s]:%u", host, port) : xasprintf("%s:%u", host, port);
}

static char *authority_of(const char *host, unsigned int port)
{
	if (port)
		return url_join_host_port(host, port);
	return strchr(host, ':') ? xasprintf("[%s]", host) : xstrdup(host);
}

int url_parse(struct span text, struct url *u, struct err *e)
{
	struct span rest = text, host, userinfo = {NULL, 0};
	struct url made = URL_INIT;
	ssize_t at;
	size_t n;

	memset(u, 0, sizeof(*u));
	if (text.n > URL_MAX)
		return bad(text, "it is too long", e);
	if (text.n >= 8 && !strncasecmp(text.p, "https://", 8))
		made.tls = true;
	else if (text.n < 7 || strncasecmp(text.p, "http://", 7))
		return bad(text, "unsupported protocol scheme", e);
	n = made.tls ? 8 : 7;
	rest = (struct span){text.p + n, text.n - n};
	for (n = 0; n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#'; n++)
		;
	host = (struct span){rest.p, n};
	rest = (struct span){rest.p + n, rest.n - n};
	at = span_rchr(host, '@');
	if (at >= 0) {
		userinfo = host;
		host = span_cut(&userinfo, (size_t)at);
	}
	if (url_split_host_port(host, &host, &made.port))
		return bad(text, "no valid host and port", e);
	made.target = clean_target(rest);
	if (!made.target)
		return bad(text, "it has spaces or control bytes", e);
	made.host = lower_dup(host);
	made.authority = authority_of(made.host, made.port);
	if (!made.port)
		made.port = made.tls ? 443 : 80;
	if (at >= 0)
		made.userinfo = span_dup(userinfo);
	*u = made;
	return 0;
}

void url_release(struct url *u)
{
	free(u->host);
	free(u->authority);
	free(u->userinfo);
	free(u->target);
	memset(u, 0, sizeof(*u));
}

void url_copy(const struct url *from, struct url *to)
{
	*to = *from;
	to->host = xstrdup(from->host);
	to->authority = xstrdup(from->authority);
	to->userinfo = xstrdup(from->userinfo);
	to->target = xstrdup(from->target);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && a->port == b->port && !strcmp(a->host, b->host);
}

char *url_text(const struct url *u)
{
	return xasprintf("%s://%s%s", u->tls ? "https" : "http", u->authority, u->target);
}

/* Append @path with "." and ".." segments taken out (RFC 3986 section 5.2.4). */
static void add_without_dots(struct buf *out, struct span path)
{
	struct span segment;
	bool last_was_dots = false;

	if (path.n && path.p[0] == '/')
		path = (struct span){path.p + 1, path.n - 1};
	do {
		ssize_t slash = span_chr(path, '/');
		bool more = slash >= 0;
		struct span rest = {NULL, 0};

		segment = path;
		if (more)
			rest = span_cut(&segment, (size_t)slash);
		path = rest;
		last_was_dots = span_eqs(segment, ".") || span_eqs(segment, "..");
		if (span_eqs(segment, "..")) {
			while (out->n && out->p[out->n - 1] != '/')
				out->n--;
			if (out->n)
				out->p[--out->n] = 0;
		} else if (!last_was_dots) {
			buf_addc(out, '/');
			buf_add(out, segment.p, segment.n);
		}
		if (!more)
			break;
	} while (true);
	if (last_was_dots || !out->n)
		buf_addc(out, '/');
}

/* The absolute text a relative reference stands for. */
static void merge(const struct url *base, struct span ref, struct buf *out)
{
	cleanup_buf struct buf path = BUF_INIT, clean = BUF_INIT;
	size_t n = strcspn(base->target, "?"), ref_path; /* lengths of the paths */

	buf_addf(out, "%s:", base->tls ? "https" : "http");
	if (span_starts(ref, "//")) {
		buf_add(out, ref.p, ref.n);
		return;
	}
	buf_addf(out, "//%s", base->authority);
	for (ref_path = 0; ref_path < ref.n && ref.p[ref_path] != '?' && ref.p[ref_path] != '#';)
		ref_path++;
	if (!ref_path) {
		buf_add(out, base->target, ref.n && ref.p[0] == '?' ? n : strlen(base->target));
	} else {
		if (ref.p[0] != '/') {
			while (n && base->target[n - 1] != '/')
				n--;
			buf_add(&path, base->target, n);
		}
		buf_add(&path, ref.p, ref_path);
		add_without_dots(&clean, (struct span){path.p, path.n});
		buf_add(out, clean.p, clean.n);
	}
	buf_add(out, ref.p + ref_path, ref.n - ref_path);
}

/* Does it start with "scheme:"? */
static bool is_absolute(struct span ref)
{
	size_t i;

	for (i = 0; i < ref.n; i++) {
		unsigned char c = (unsigned char)ref.p[i];

		if (c == ':')
			return i > 0;
		if (!is_alnum(c) && c != '+' && c != '-' && c != '.')
			return false;
	}
	return false;
}

int url_resolve(const struct url *base, struct span ref, struct url *u, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	ref = span_trim(ref);
	if (is_absolute(ref) || ref.n > URL_MAX)
		return url_parse(ref, u, e);
	merge(base, ref, &text);
	return url_parse((struct span){text.p, text.n}, u, e);
}
