/* SPDX-License-Identifier: MIT */
/*
 * core/registry/auth.c - what a registry wants to see before it answers, and getting it
 *
 * Theory of operation
 *   A registry answers 401 with challenges.  "Basic" wants user name and password with each
 *   request.  "Bearer" names a token server (realm) that gives out a token for a service and a
 *   scope, for anybody or for a user; the token goes with each request until it expires.  Where
 *   both are offered the token is taken: it shows the password to one server less.
 *
 *   Tokens are kept by scope.  The lock is held while a token is fetched, so that several threads
 *   which need the same one wait for one request.
 *
 *   Whatever comes from the token server is checked before it becomes a header line.
 */
#include "registry/auth.h"
#include "registry/reg_error.h"
#include "registry/useragent.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define TOKEN_ANSWER_MAX (1024 * 1024) /* bytes of a token server's answer */
#define TOKEN_MAX (64 * 1024)
#define TOKEN_LIFE_MIN_S 60 /* older servers say nothing or less, and mean this */
#define TOKEN_MARGIN_S 10   /* renewed this long before it expires */

struct token {
	struct token *next;
	char *scope;
	char *value; /* "Bearer …" */
	int64_t expires_ns; /* monotonic */
};

struct auth {
	struct http_client *http;
	char *username, *password, *identity_token, *registry_token;
	pthread_mutex_t lock; /* guards all below, also while a token is fetched */
	struct auth_challenge basic, bearer; /* scheme AUTH_NONE: not demanded */
	struct token *tokens;
};

/* --- challenges --- */

static bool is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static void skip(struct span *s, const char *set)
{
	while (s->n && *s->p && strchr(set, *s->p))
		s->p++, s->n--;
}

static struct span take_token(struct span *s)
{
	struct span t = {s->p, 0};

	while (s->n && is_token_char((unsigned char)*s->p))
		s->p++, s->n--, t.n++;
	return t;
}

/* A quoted string with its escapes undone, or a token.  NULL if a quote is not closed. */
static char *take_value(struct span *s)
{
	struct buf out = BUF_INIT;
	bool escaped = false;

	if (!s->n || *s->p != '"') {
		/* Some servers do not quote realm URLs. */
		while (s->n && *s->p != ',' && *s->p != ' ' && *s->p != '\t') {
			buf_addc(&out, *s->p);
			s->p++, s->n--;
		}
		return buf_detach(&out);
	}
	for (s->p++, s->n--; s->n; s->p++, s->n--) {
		if (!escaped && *s->p == '"') {
			s->p++, s->n--;
			return buf_detach(&out);
		}
		escaped = !escaped && *s->p == '\\';
		if (!escaped)
			buf_addc(&out, *s->p);
	}
	buf_release(&out);
	return NULL;
}

static void set_param(struct auth_challenge *c, struct span key, char *value)
{
	static const char *const names[] = {"realm", "service", "scope", "error", "error_description"};
	char **slots[] = {&c->realm, &c->service, &c->scope, &c->error, &c->description};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (span_caseeqs(key, names[i]) && !*slots[i]) {
			*slots[i] = value;
			return;
		}
	free(value);
}

bool auth_challenge_next(struct span *rest, struct auth_challenge *c)
{
	struct span scheme, key, before;
	char *value;

	memset(c, 0, sizeof(*c));
	skip(rest, " \t,");
	scheme = take_token(rest);
	if (!scheme.n)
		return false;
	c->scheme = span_caseeqs(scheme, "basic") ? AUTH_BASIC :
		span_caseeqs(scheme, "bearer") ? AUTH_BEARER : AUTH_OTHER;
	for (;;) {
		skip(rest, " \t,");
		before = *rest;
		key = take_token(rest);
		skip(rest, " \t");
		if (!key.n || !rest->n || *rest->p != '=') {
			*rest = before; /* the next challenge, or the end */
			return true;
		}
		rest->p++, rest->n--;
		skip(rest, " \t");
		value = take_value(rest);
		if (!value) {
			rest->n = 0;
			return true;
		}
		set_param(c, key, value);
	}
}

void auth_challenge_release(struct auth_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	free(c->error);
	free(c->description);
	memset(c, 0, sizeof(*c));
}

bool auth_challenge_find(const struct response_head *h, enum auth_scheme scheme,
	struct auth_challenge *c)
{
	struct span value;
	size_t i;

	for (i = 0; (value = response_field(h, "WWW-Authenticate", i)).p; i++)
		while (auth_challenge_next(&value, c)) {
			if (c->scheme == scheme)
				return true;
			auth_challenge_release(c);
		}
	return false;
}

/* --- life --- */

struct auth *auth_new(struct http_client *http, const json_t *credentials)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->http = http;
	a->username = xstrdup(json_str(credentials, "username", ""));
	a->password = xstrdup(json_str(credentials, "password", ""));
	a->identity_token = xstrdup(json_str(credentials, "identitytoken", ""));
	a->registry_token = xstrdup(json_str(credentials, "registrytoken", ""));
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

static void token_free(struct token *t)
{
	explicit_bzero(t->value, strlen(t->value));
	free(t->value);
	free(t->scope);
	free(t);
}

static void secret_free(char *s)
{
	explicit_bzero(s, strlen(s));
	free(s);
}

void auth_free(struct auth *a)
{
	struct token *t;

	if (!a)
		return;
	while ((t = a->tokens)) {
		a->tokens = t->next;
		token_free(t);
	}
	auth_challenge_release(&a->basic);
	auth_challenge_release(&a->bearer);
	free(a->username);
	secret_free(a->password);
	secret_free(a->identity_token);
	secret_free(a->registry_token);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void auth_learn(struct auth *a, const struct response_head *h)
{
	struct auth_challenge c;

	pthread_mutex_lock(&a->lock);
	if (auth_challenge_find(h, AUTH_BASIC, &c)) {
		auth_challenge_release(&a->basic);
		a->basic = c;
	}
	if (auth_challenge_find(h, AUTH_BEARER, &c)) {
		auth_challenge_release(&a->bearer);
		a->bearer = c;
	}
	pthread_mutex_unlock(&a->lock);
}

/* --- tokens --- */

static void add_param(struct buf *out, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	if (out->n)
		buf_addc(out, '&');
	buf_addf(out, "%s=", key);
	url_add_escaped(out, span_of(value));
}

/* Scopes are separated by blanks; each becomes a parameter of its own. */
static void add_scopes(struct buf *out, const char *scope)
{
	struct span list = span_of(scope), one;

	while (span_token(&list, ' ', &one)) {
		cleanup_free char *text = span_dup(one);

		add_param(out, "scope", text);
	}
}

char *auth_token_parse(struct span text, int64_t *life_s, struct err *e)
{
	cleanup_json json_t *j = json_parse(text.p, text.n, e);
	const char *token = json_str(j, "access_token", "");
	size_t i, n;

	if (!j) {
		err_wrap(e, "unable to decode token response");
		return NULL;
	}
	if (!*token)
		token = json_str(j, "token", "");
	n = strlen(token);
	for (i = 0; i < n && (unsigned char)token[i] > 0x20 && (unsigned char)token[i] < 0x7f; i++)
		;
	if (!n || n > TOKEN_MAX || i < n) {
		err_kind(e, ERR_FAILED, n ? "the authorization server sent a malformed token" :
			"authorization server did not include a token in the response");
		return NULL;
	}
	*life_s = json_int(j, "expires_in", TOKEN_LIFE_MIN_S);
	if (*life_s < TOKEN_LIFE_MIN_S)
		*life_s = TOKEN_LIFE_MIN_S;
	if (*life_s > 86400)
		*life_s = 86400;
	return xasprintf("Bearer %s", token);
}

/* Ask the realm: by GET for anonymous and for passwords, by POST for an identity token. */
static int ask_realm(struct auth *a, const struct url *realm, const char *scope,
	struct http_response *rs, struct err *e)
{
	cleanup_buf struct buf params = BUF_INIT, target = BUF_INIT;
	cleanup_free char *basic = NULL, *userinfo = NULL;
	struct url u = *realm;
	struct http_request rq = {.method = "GET", .url = &u};
	bool user = *a->username && *a->password && !*a->identity_token;
	int rc;

	if (*a->identity_token) {
		add_param(&params, "client_id", "docker");
		add_param(&params, "grant_type", "refresh_token");
		add_param(&params, "refresh_token", a->identity_token);
		add_param(&params, "scope", scope);
		add_param(&params, "service", a->bearer.service);
		rq.method = "POST";
		rq.content_type = "application/x-www-form-urlencoded";
		rq.body = (struct span){params.p, params.n};
	} else {
		add_param(&params, "account", user ? a->username : "");
		add_scopes(&params, scope);
		add_param(&params, "service", a->bearer.service);
		buf_addf(&target, "%s%s%s", realm->target,
			strchr(realm->target, '?') ? "&" : params.n ? "?" : "", params.p);
		u.target = target.p;
	}
	if (user) {
		userinfo = xasprintf("%s:%s", a->username, a->password);
		rq.authorization = basic = http_basic_authorization(userinfo);
	}
	rc = http_send(a->http, &rq, rs, e);
	explicit_bzero(params.p, params.n);
	return rc;
}

static struct token *fetch_token(struct auth *a, const char *scope, struct err *e)
{
	cleanup_buf struct buf answer = BUF_INIT;
	struct http_response rs;
	struct token *t = NULL;
	char *value = NULL;
	struct url realm;
	int64_t life_s;

	if (!a->bearer.realm) {
		err_kind(e, ERR_FAILED, "no realm specified for token auth challenge");
		return NULL;
	}
	if (url_parse(span_of(a->bearer.realm), &realm, e)) {
		err_wrap(e, "invalid token auth challenge realm");
		return NULL;
	}
	if (!ask_realm(a, &realm, scope, &rs, e)) {
		if (rs.head.status >= 400)
			reg_error(&rs, e);
		else if (!http_read_all(&rs, TOKEN_ANSWER_MAX, &answer, e))
			value = auth_token_parse((struct span){answer.p, answer.n}, &life_s, e);
		http_response_release(&rs);
	}
	if (value) {
		t = xcalloc(1, sizeof(*t));
		*t = (struct token){.next = a->tokens, .scope = xstrdup(scope), .value = value,
			.expires_ns = clock_mono_ns() + (life_s - TOKEN_MARGIN_S) * NS_PER_S};
		a->tokens = t;
	}
	url_release(&realm);
	if (answer.n)
		explicit_bzero(answer.p, answer.n);
	return t;
}

/* The token kept for @scope unless it is @stale or old; such ones are thrown away. */
static struct token *kept_token(struct auth *a, const char *scope, const char *stale)
{
	struct token **at = &a->tokens, *t;

	while ((t = *at)) {
		if (strcmp(t->scope, scope)) {
			at = &t->next;
			continue;
		}
		if (clock_mono_ns() < t->expires_ns && (!stale || strcmp(stale, t->value)))
			return t;
		*at = t->next;
		token_free(t);
	}
	return NULL;
}

static int basic_authorization(struct auth *a, char **value, struct err *e)
{
	cleanup_free char *userinfo = NULL;

	if (!*a->username || !*a->password)
		return err_kind(e, ERR_FAILED, "%s", AUTH_NONE_GIVEN);
	userinfo = xasprintf("%s:%s", a->username, a->password);
	*value = http_basic_authorization(userinfo);
	return 0;
}

int auth_authorization(struct auth *a, const char *scope, const char *stale, char **value,
	struct err *e)
{
	struct token *t;
	int rc = 0;

	*value = NULL;
	pthread_mutex_lock(&a->lock);
	if (a->bearer.scheme == AUTH_BEARER) {
		if (*a->registry_token) {
			*value = xasprintf("Bearer %s", a->registry_token);
		} else {
			t = kept_token(a, scope, stale);
			if (!t)
				t = fetch_token(a, scope, e);
			if (t)
				*value = xstrdup(t->value);
			else
				rc = -1;
		}
	} else if (a->basic.scheme == AUTH_BASIC) {
		rc = basic_authorization(a, value, e);
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}
