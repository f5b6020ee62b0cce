/* SPDX-License-Identifier: MIT */
/*
 * core/image/reference.c - image names: what people type, and what it stands for
 *
 * Theory of operation
 *   A name is [HOST[:PORT]/]PATH[:TAG][@DIGEST].  The first component of what was typed is a host
 *   only if it could not be a repository of the default registry: it holds a '.' or a ':', has an
 *   upper-case letter, or is "localhost".  Otherwise the host is docker.io, and a PATH of one
 *   component lies in library/.  Then the rest is cut from the right, '@' first: a ':' in front of
 *   the '/' was the host's port.
 *
 *   Everything is checked against the grammar before it is kept, so the parts of an imgref can go
 *   into URLs and JSON as they are.  The texts of errors are what users search for: they are the
 *   real engine's.
 */
#include "image/image.h"

#include <ctype.h>
#include <stdlib.h>

#define DEFAULT_HOST "docker.io"
#define LEGACY_HOST "index.docker.io"
#define OFFICIAL "library/"
#define TAG_MAX 128
#define DIGEST_HEX_MIN 32

static int bad_format(struct err *e)
{
	return err_kind(e, ERR_INVALID, "invalid reference format");
}

/* --- the grammar ----------------------------------------------------------------------------- */

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* '.', '_', "__" or any number of '-' may stand between letters and digits: its length, or 0. */
static size_t separator(struct span s)
{
	size_t n = 0;

	if (s.p[0] == '.')
		return 1;
	if (s.p[0] == '_')
		return s.n > 1 && s.p[1] == '_' ? 2 : 1;
	while (n < s.n && s.p[n] == '-')
		n++;
	return n;
}

static bool component_ok(struct span s)
{
	size_t i = 0, sep;

	for (;;) {
		size_t start = i;

		while (i < s.n && is_lower_alnum(s.p[i]))
			i++;
		if (i == start)
			return false;
		if (i == s.n)
			return true;
		sep = separator((struct span){s.p + i, s.n - i});
		if (!sep)
			return false;
		i += sep;
	}
}

static bool path_ok(struct span path)
{
	struct span part;

	while (span_token(&path, '/', &part))
		if (!component_ok(part))
			return false;
	return true;
}

static bool host_label_ok(struct span s)
{
	size_t i;

	if (!s.n || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

static bool host_name_ok(struct span s)
{
	struct span label;

	while (span_token(&s, '.', &label))
		if (!host_label_ok(label))
			return false;
	return true;
}

/* "[::1]", without a zone. */
static bool host_ipv6_ok(struct span s)
{
	size_t i;

	if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	for (i = 1; i + 1 < s.n; i++)
		if (s.p[i] != ':' && !isxdigit((unsigned char)s.p[i]))
			return false;
	return true;
}

static bool host_ok(struct span s)
{
	ssize_t colon = span_rchr(s, ':'), bracket = span_rchr(s, ']');
	struct span port;
	size_t i;

	if (colon > bracket) {
		port = span_cut(&s, (size_t)colon);
		if (!port.n)
			return false;
		for (i = 0; i < port.n; i++)
			if (port.p[i] < '0' || port.p[i] > '9')
				return false;
	}
	return bracket >= 0 ? host_ipv6_ok(s) : host_name_ok(s);
}

static bool tag_ok(struct span s)
{
	size_t i;

	if (!s.n || s.n > TAG_MAX || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return true;
}

/* "sha256", "sha256+b64u": words that begin with a letter, joined by one of "-_+.". */
static bool algorithm_ok(struct span s)
{
	bool start = true;
	size_t i;

	for (i = 0; i < s.n; i++) {
		bool alpha = isalpha((unsigned char)s.p[i]) != 0;

		if (start ? !alpha : !alpha && !isdigit((unsigned char)s.p[i]) && !strchr("-_+.", s.p[i]))
			return false;
		start = strchr("-_+.", s.p[i]) != NULL;
	}
	return s.n && !start;
}

static int digest_check(struct span s, struct err *e)
{
	static const struct {
		const char *name;
		size_t hex;
	} known[] = {{"sha256", 64}, {"sha384", 96}, {"sha512", 128}};
	struct span algorithm = s, hex;
	ssize_t colon = span_chr(s, ':');
	bool lower = true;
	size_t i;

	if (colon < 0)
		return bad_format(e);
	hex = span_cut(&algorithm, (size_t)colon);
	if (!algorithm_ok(algorithm) || hex.n < DIGEST_HEX_MIN)
		return bad_format(e);
	for (i = 0; i < hex.n; i++) {
		if (!isxdigit((unsigned char)hex.p[i]))
			return bad_format(e);
		lower = lower && is_lower_alnum(hex.p[i]);
	}
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (!span_eqs(algorithm, known[i].name))
			continue;
		if (hex.n != known[i].hex)
			return err_kind(e, ERR_INVALID, "invalid checksum digest length");
		if (!lower)
			return err_kind(e, ERR_INVALID, "invalid checksum digest format");
		return 0;
	}
	return err_kind(e, ERR_INVALID, "unsupported digest algorithm");
}

/* --- parsing --------------------------------------------------------------------------------- */

static bool has_upper(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 'A' && s.p[i] <= 'Z')
			return true;
	return false;
}

static bool names_host(struct span s)
{
	return span_eqs(s, "localhost") || span_chr(s, '.') >= 0 || span_chr(s, ':') >= 0 || has_upper(s);
}

/* Split off the host: *rest is what follows it, "library/" is put before it where *official is set. */
static struct span split_host(struct span text, struct span *rest, bool *official)
{
	ssize_t slash = span_chr(text, '/');
	struct span host = SPAN(DEFAULT_HOST), first = text;

	*rest = text;
	if (slash >= 0) {
		first.n = (size_t)slash;
		if (names_host(first))
			*rest = span_cut(&text, (size_t)slash);
		if (names_host(first) && !span_eqs(first, LEGACY_HOST))
			host = first;
	}
	*official = span_eqs(host, DEFAULT_HOST) && span_chr(*rest, '/') < 0;
	return host;
}

/* "name:tag@digest": the parts, those that are absent with p == NULL. */
struct parts {
	struct span path, tag, digest;
};

static struct parts split_rest(struct span rest)
{
	struct parts p = {.path = rest};
	ssize_t at = span_chr(rest, '@'), colon;

	if (at >= 0)
		p.digest = span_cut(&p.path, (size_t)at);
	colon = span_chr(p.path, ':');
	if (colon >= 0)
		p.tag = span_cut(&p.path, (size_t)colon);
	return p;
}

static int check_case(struct span rest, bool official, struct err *e)
{
	struct span remote = rest;
	ssize_t colon = span_chr(rest, ':');

	if (colon >= 0)
		remote.n = (size_t)colon;
	if (!has_upper(remote))
		return 0;
	return err_kind(e, ERR_INVALID,
		"invalid reference format: repository name (%s%.*s) must be lowercase",
		official ? OFFICIAL : "", (int)remote.n, remote.p);
}

int imgref_parse(const char *text, struct imgref *r, struct err *e)
{
	struct span host, rest;
	struct parts p;
	bool official;

	if (is_hex64(text))
		return err_kind(e, ERR_INVALID,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal strings", text);
	host = split_host(span_of(text), &rest, &official);
	if (check_case(rest, official, e))
		return -1;
	p = split_rest(rest);
	if (!host_ok(host) || !path_ok(p.path) || (p.tag.p && !tag_ok(p.tag)))
		return bad_format(e);
	if (p.path.n + (official ? strlen(OFFICIAL) : 0) > IMGREF_MAX)
		return err_kind(e, ERR_INVALID, "repository name must not be more than %d characters",
			IMGREF_MAX);
	if (p.digest.p && digest_check(p.digest, e))
		return -1;
	*r = (struct imgref){
		.host = span_dup(host),
		.repo = xasprintf("%s%.*s", official ? OFFICIAL : "", (int)p.path.n, p.path.p),
		.tag = p.tag.p ? span_dup(p.tag) : NULL,
		.digest = p.digest.p ? span_dup(p.digest) : NULL,
	};
	return 0;
}

int imgref_set_tag(struct imgref *r, const char *tag, struct err *e)
{
	if (!tag_ok(span_of(tag)))
		return err_kind(e, ERR_INVALID, "invalid tag format");
	free(r->tag);
	r->tag = xstrdup(tag);
	return 0;
}

int imgref_set_tag_or_digest(struct imgref *r, const char *text, struct err *e)
{
	struct span s = span_of(text);

	if (span_chr(s, ':') < 0 || digest_check(s, NULL))
		return imgref_set_tag(r, text, e);
	free(r->tag);
	free(r->digest);
	r->tag = NULL;
	r->digest = xstrdup(text);
	return 0;
}

void imgref_release(struct imgref *r)
{
	free(r->host);
	free(r->repo);
	free(r->tag);
	free(r->digest);
	*r = (struct imgref){0};
}

void imgref_default_tag(struct imgref *r)
{
	if (!r->tag && !r->digest)
		r->tag = xstrdup("latest");
}

/* --- and back -------------------------------------------------------------------------------- */

static char *with_suffix(char *name_steal, const struct imgref *r)
{
	char *s = xasprintf("%s%s%s%s%s", name_steal, r->tag ? ":" : "", r->tag ? r->tag : "",
		r->digest ? "@" : "", r->digest ? r->digest : "");

	free(name_steal);
	return s;
}

/* Typed without "docker.io/" before it, would it still lie there?  "docker.io/a.b/c" would not. */
static bool may_shorten(const struct imgref *r)
{
	struct span first = {r->repo, strcspn(r->repo, "/")};

	return !strcmp(r->host, DEFAULT_HOST) && !names_host(first);
}

char *imgref_familiar_repo(const struct imgref *r)
{
	const char *name = r->repo + strlen(OFFICIAL);

	if (!may_shorten(r))
		return xasprintf("%s/%s", r->host, r->repo);
	if (strncmp(r->repo, OFFICIAL, strlen(OFFICIAL)) || strchr(name, '/') || is_hex64(name))
		return xstrdup(r->repo);
	return xstrdup(name);
}

char *imgref_familiar(const struct imgref *r)
{
	return with_suffix(imgref_familiar_repo(r), r);
}

char *imgref_canonical(const struct imgref *r)
{
	return with_suffix(xasprintf("%s/%s", r->host, r->repo), r);
}
