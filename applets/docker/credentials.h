/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/credentials.h - what docker login remembers
 */
#ifndef DOCKER_CREDENTIALS_H
#define DOCKER_CREDENTIALS_H

#include "docker.h"

struct credentials { /* owned texts, "" where there is none; credentials_release() */
	char *username, *password, *identity_token;
};

/* The key a registry has in config.json and with helpers: its host, but Docker Hub's old address. */
const char *credentials_key(const char *host);

/* Look up a registry: 1 if it is known, 0 if not, -1 with @e (a helper failed). */
int credentials_get(const struct docker *d, const char *key, struct credentials *c, struct err *e);
/* Remember them, with the helper that config.json names or in config.json.  *plain is set if they are
 * now in a file, unencrypted, and were not before. */
int credentials_store(struct docker *d, const char *key, const struct credentials *c, bool *plain,
	struct err *e);
/* Those of all registries that are known, as X-Registry-Config has them: {"host": {"username", …}}, a
 * new reference. */
json_t *credentials_all(const struct docker *d);
int credentials_erase(struct docker *d, const char *key, struct err *e);
void credentials_release(struct credentials *c);

/* As the engine wants them in X-Registry-Auth and in the body of /auth (new reference). */
json_t *credentials_json(const struct credentials *c, const char *key);

#endif
