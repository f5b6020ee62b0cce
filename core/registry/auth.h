/* SPDX-License-Identifier: MIT */
/*
 * core/registry/auth.h - what a registry wants to see before it answers, and getting it
 */
#ifndef REGISTRY_AUTH_H
#define REGISTRY_AUTH_H

#include "registry/http_client.h"
#include "base/json.h"

enum auth_scheme { AUTH_NONE, AUTH_BASIC, AUTH_BEARER, AUTH_OTHER };

struct auth_challenge { /* owned strings, NULL where absent; auth_challenge_release() */
	enum auth_scheme scheme;
	char *realm, *service, *scope, *error, *description;
};

/* Take the next challenge off the front of a WWW-Authenticate value (RFC 9110 section 11.6.1); a
 * field may hold several.  False at the end. */
bool auth_challenge_next(struct span *rest, struct auth_challenge *c);
void auth_challenge_release(struct auth_challenge *c);
/* The first challenge of that scheme in a 401 response.  False if there is none. */
bool auth_challenge_find(const struct response_head *h, enum auth_scheme scheme,
	struct auth_challenge *c);

/* What a registry that wants a password and gets none ends in: a 500 of the API, so no kind of its own. */
#define AUTH_NONE_GIVEN "no basic auth credentials"

/* The token in an authorization server's answer as an Authorization value, to free(), and for how many
 * seconds it is good; NULL with @e. */
char *auth_token_parse(struct span text, int64_t *life_s, struct err *e);

struct auth; /* credentials for one registry endpoint, and the tokens got with them */

/* @credentials: {"username", "password", "identitytoken", "registrytoken"} or NULL; copied. */
struct auth *auth_new(struct http_client *http, const json_t *credentials);
void auth_free(struct auth *a);

/* Remember what a 401 response demands. */
void auth_learn(struct auth *a, const struct response_head *h);

/**
 * auth_authorization() - The Authorization value for a request
 * @scope:	What a token must allow: "repository:library/busybox:pull"; "" for none
 * @stale:	A value that was refused, not to be given again; or NULL
 * @value:	To free(); NULL where the registry demanded nothing so far
 *
 * May talk to the token server.  Any thread.  0, or -1 with @e ("no basic auth credentials").
 */
int auth_authorization(struct auth *a, const char *scope, const char *stale, char **value,
	struct err *e);

#endif
