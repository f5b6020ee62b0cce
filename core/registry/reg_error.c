/* SPDX-License-Identifier: MIT */
/*
 * core/registry/reg_error.c - what a registry says when it refuses
 *
 * Theory of operation
 *   The distribution API has {"errors": [{"code", "message", "detail"}]}; token servers have
 *   {"details"}; proxies have HTML.  The first error counts.  A bearer challenge with error=
 *   insufficient_scope or invalid_token tells more than the body does and comes first: that is
 *   how Docker Hub answers for a repository one may not see.
 */
#include "registry/reg_error.h"
#include "registry/auth.h"

#include <strings.h>

#define BODY_MAX (64 * 1024)
#define SHOWN_MAX 300 /* bytes of a body that is no JSON */

static const struct code {
	const char *code, *message;
	enum err_kind kind;
} codes[] = {
	{"UNKNOWN", "unknown error", ERR_FAILED}, /* first: what any other code counts as */
	{"UNSUPPORTED", "The operation is unsupported.", ERR_FAILED},
	{"UNAUTHORIZED", "authentication required", ERR_UNAUTHORIZED},
	{"DENIED", "requested access to the resource is denied", ERR_FORBIDDEN},
	{"UNAVAILABLE", "service unavailable", ERR_FAILED},
	{"TOOMANYREQUESTS", "too many requests", ERR_FAILED},
	{"DIGEST_INVALID", "provided digest did not match uploaded content", ERR_FAILED},
	{"SIZE_INVALID", "provided length did not match content length", ERR_FAILED},
	{"NAME_INVALID", "invalid repository name", ERR_FAILED},
	{"TAG_INVALID", "manifest tag did not match URI", ERR_FAILED},
	{"NAME_UNKNOWN", "repository name not known to registry", ERR_NOT_FOUND},
	{"MANIFEST_UNKNOWN", "manifest unknown", ERR_NOT_FOUND},
	{"MANIFEST_INVALID", "manifest invalid", ERR_FAILED},
	{"MANIFEST_UNVERIFIED", "manifest failed signature verification", ERR_FAILED},
	{"MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", ERR_NOT_FOUND},
	{"BLOB_UNKNOWN", "blob unknown to registry", ERR_NOT_FOUND},
	{"BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", ERR_FAILED},
	{"BLOB_UPLOAD_INVALID", "blob upload invalid", ERR_FAILED},
	{"PAGINATION_NUMBER_INVALID", "invalid number of results requested", ERR_FAILED},
};

static const struct code *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(codes); i++)
		if (!strcmp(codes[i].code, name))
			return &codes[i];
	return &codes[0];
}

/* "MANIFEST_UNKNOWN" reads "manifest unknown: <message>". */
static int say(const struct code *c, const char *message, struct err *e)
{
	char words[64];
	size_t i;

	for (i = 0; c->code[i] && i < sizeof(words) - 1; i++)
		words[i] = (char)(c->code[i] == '_' ? ' ' : c->code[i] + 32);
	words[i] = 0;
	err_kind(e, c->kind, "%s: %s", words, message && *message ? message : c->message);
	if (!strcmp(c->code, "TOOMANYREQUESTS"))
		err_hint(e, "the registry limits how often one may pull: wait, log in, or set "
			"registry-mirrors in daemon.json");
	return -1;
}

static const struct code *code_of_status(int status)
{
	return find(status == 401 ? "UNAUTHORIZED" : status == 403 ? "DENIED" :
		status == 429 ? "TOOMANYREQUESTS" : "UNKNOWN");
}

/* No error object in it: the status, and some of the text. */
static int say_plain(const struct response_head *h, struct span body, struct err *e)
{
	cleanup_free char *text = NULL;
	char *c;

	while (body.n && strchr(" \t\r\n", body.p[body.n - 1]) && body.p[body.n - 1])
		body.n--;
	if (!body.n) {
		cleanup_free char *status = xasprintf("HTTP %d %.*s", h->status,
			(int)(h->reason.n > 100 ? 100 : h->reason.n), h->reason.p);

		return say(code_of_status(h->status), status, e);
	}
	text = xstrndup(body.p, body.n > SHOWN_MAX ? SHOWN_MAX : body.n);
	for (c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return say(code_of_status(h->status), text, e);
}

static int say_challenge(const struct response_head *h, struct err *e)
{
	struct auth_challenge c;
	const char *code = NULL;

	if (h->status != 401 || !auth_challenge_find(h, AUTH_BEARER, &c))
		return 0;
	if (c.error && !strcmp(c.error, "insufficient_scope"))
		code = "DENIED";
	else if (c.error && !strcmp(c.error, "invalid_token"))
		code = "UNAUTHORIZED";
	if (code)
		say(find(code), c.description, e);
	auth_challenge_release(&c);
	return code != NULL;
}

int reg_error_parse(const struct response_head *h, struct span body, struct err *e)
{
	cleanup_json json_t *j = NULL;
	const json_t *first;

	if (h->status < 400 || h->status >= 500) {
		return err_kind(e, ERR_FAILED, "received unexpected HTTP status: %d %.*s", h->status,
			(int)(h->reason.n > 100 ? 100 : h->reason.n), h->reason.p);
	}
	if (say_challenge(h, e))
		return -1;
	if (body.n)
		j = json_parse(body.p, body.n, NULL);
	if (json_str(j, "details", NULL))
		return say(code_of_status(h->status), json_str(j, "details", ""), e);
	first = json_array_get(json_arr(j, "errors"), 0);
	if (!first)
		return say_plain(h, body, e);
	return say(find(json_str(first, "code", "")), json_str(first, "message", ""), e);
}

int reg_error(struct http_response *rs, struct err *e)
{
	cleanup_buf struct buf body = BUF_INIT;
	struct err ignored;

	if (rs->head.status >= 400 && rs->head.status < 500 &&
		http_read_all(rs, BODY_MAX, &body, &ignored))
		buf_reset(&body);
	return reg_error_parse(&rs->head, (struct span){body.p, body.n}, e);
}
