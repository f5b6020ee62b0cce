/* SPDX-License-Identifier: MIT */
/*
 * core/registry/registry.h - an HTTP/1.1 and TLS client for the OCI distribution API
 *
 * Runs in worker processes only.  One struct registry is one host with its credentials, token and
 * connections; several threads may use it.  Errors name the registry, what happened and, where
 * the user can do something, what (R68).
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"

struct registry;

struct registry_config {
	json_t *insecure; /* array: hosts, host:port, CIDRs; loopback is always insecure-capable; borrowed */
	json_t *mirrors;  /* array of URLs, for docker.io; borrowed */
	json_t *auth;	  /* {"username","password","identitytoken","registrytoken"} or NULL; borrowed */
};

struct registry *registry_open(const char *host, const struct registry_config *c, struct err *e);
void registry_close(struct registry *r);

/* GET /v2/<repo>/manifests/<tag or digest>: the bytes as sent (at most 4 MiB), media type and the
 * digest of the bytes.  A digest asked for is verified. */
struct manifest {
	struct buf text;
	char media_type[128];
	char digest[DIGEST_MAX];
};
int registry_manifest(struct registry *r, const char *repo, const char *tag_or_digest,
	struct manifest *m, struct err *e);
void manifest_release(struct manifest *m);

/**
 * registry_blob() - Stream a blob into a descriptor, verified while it passes
 * @size:	Bytes the manifest promises; more or fewer is an error
 * @out:	Written to, blocking; EPIPE is reported as it is
 * @progress:	Called with the bytes so far now and then; may be NULL
 *
 * Broken connections are resumed with Range, up to the configured number of attempts.
 * Return: 0 when all bytes were written and the digest is right
 */
int registry_blob(struct registry *r, const char *repo, const char *digest, int64_t size, int out,
	void (*progress)(void *arg, int64_t done), void *arg, struct err *e);

/* GET /v2/<repo>/tags/list, paged. Array of strings. */
json_t *registry_tags(struct registry *r, const char *repo, struct err *e);
/* GET /v2/ with the credentials: does it take them? */
int registry_check_auth(struct registry *r, struct err *e);

#endif
