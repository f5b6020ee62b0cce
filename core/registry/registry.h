/* SPDX-License-Identifier: MIT */
/*
 * core/registry/registry.h - an HTTP/1.1 and TLS client for the OCI distribution API
 *
 * Runs in worker processes only.  One struct registry is one host with its mirrors, credentials,
 * tokens and connections; several threads may use it.  Errors name the registry, what happened
 * and, where the user can do something, what (R68).
 *
 * Where a registry is looked for: docker.io at its mirrors in the order configured, then at
 * registry-1.docker.io; any other at https://host and, if it is insecure, at http://host as long
 * as it has not spoken TLS.  Each operation goes down that list until one succeeds; content is
 * named by digest, so it does not matter who sends it.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"

#define REGISTRY_MANIFEST_MAX (4 * 1024 * 1024) /* bytes, as the distribution spec suggests */

struct registry;

struct registry_config {
	const json_t *insecure; /* array: hosts, host:port, CIDRs; loopback always is; borrowed */
	const json_t *mirrors;	/* array of URLs, for docker.io; borrowed */
	const json_t *proxies;	/* {"http-proxy","https-proxy","no-proxy"}; NULL: the environment's */
	const json_t *auth;	/* {"username","password","identitytoken","registrytoken"} or NULL; borrowed */
	int connect_timeout_ms; /* for TCP, and again for the TLS handshake */
	int stall_timeout_ms;	/* without a byte from the registry */
	int retry_delay_ms;	/* before the second attempt at a blob; twice that before the third, … */
	int max_attempts;	/* at a blob, without progress in between */
};

/* What daemon.json says ("insecure-registries", "registry-mirrors", "proxies",
 * "max-download-attempts") and the defaults for the rest; "connect_timeout_ms", "stall_timeout_ms"
 * and "retry_delay_ms" are taken too.  Borrows from @config and @auth, which may be NULL. */
void registry_config_init(struct registry_config *c, const json_t *config, const json_t *auth);

/* Nothing is contacted yet, but a name may be looked up to see whether it is an insecure address. */
struct registry *registry_open(const char *host, const struct registry_config *c, struct err *e);
void registry_close(struct registry *r);
/* Make all that is under way in other threads fail soon. Any thread. */
void registry_cancel(struct registry *r);
/* Put the registry's name behind a message that lacks it, if it tells of trouble on the way: what a
 * registry refuses or does not have is said in words that name the image, and a full disk or unmapped
 * ids here are not its fault. -1. */
int registry_name_in(const char *host, struct err *e);

/**
 * registry_digest() - What a tag points to, without downloading it
 * @digest:	Set to the digest, or "" if the registry did not say: ask for the manifest then
 *
 * A HEAD request, which Docker Hub does not count as a pull.
 */
int registry_digest(struct registry *r, const char *repo, const char *tag, char digest[DIGEST_MAX],
	struct err *e);

/* GET /v2/<repo>/manifests/<tag or digest>: the bytes as sent, media type (without parameters)
 * and the digest of the bytes.  A digest asked for is verified. */
struct manifest {
	struct buf text;
	char media_type[128];
	char digest[DIGEST_MAX];
};
int registry_manifest(struct registry *r, const char *repo, const char *tag_or_digest,
	struct manifest *m, struct err *e);
void manifest_release(struct manifest *m);

struct blob_watch { /* called from the thread that downloads; members may be NULL */
	void (*progress)(void *arg, int64_t done); /* after each piece: throttle yourself */
	void (*retry)(void *arg, int seconds);	   /* each second while waiting to try again */
	void *arg;
};

/**
 * registry_blob() - Stream a blob into a descriptor, verified while it passes
 * @size:	Bytes the manifest promises; more or fewer is an error
 * @out:	Written to, blocking; EPIPE is reported as it is, in @e->code
 * @kept:	A file that has the blob's first bytes, maybe none, and gets the others; empty after a wrong digest.
 *		-1: none
 * @watch:	May be NULL
 *
 * Broken connections are resumed with Range, up to the configured number of attempts.  What was
 * written is only to be believed after success.
 *
 * Return: 0 when all bytes were written and the digest is right
 */
int registry_blob(struct registry *r, const char *repo, const char *digest, int64_t size, int out, int kept,
	const struct blob_watch *watch, struct err *e);
/* The same into memory, for configs; more than @max bytes is refused before anything is asked for. */
int registry_blob_read(struct registry *r, const char *repo, const char *digest, int64_t size,
	int64_t max, struct buf *out, struct err *e);

/* --- pushing; to the registry itself, never to a mirror --------------------------------------- */

/* A blob that is made while it is sent.  It can be made again, with the same bytes. */
struct blob_source {
	int (*rewind)(void *arg, struct err *e); /* the next read gives the first byte */
	ssize_t (*read)(void *arg, void *p, size_t n, struct err *e); /* a count, 0 at the end, -1 with @e */
	void *arg;
};

/* Does it answer at all? */
int registry_ping(struct registry *r, struct err *e);
/* Does the repository have this blob?  *size is set if so (-1: not told). What is no clear yes is a no. */
bool registry_has_blob(struct registry *r, const char *repo, const char *digest, int64_t *size);
/* Have the registry take the blob over from another of its repositories: true if it did. */
bool registry_mount_blob(struct registry *r, const char *repo, const char *digest, const char *from_repo);

/**
 * registry_upload() - Put a blob into a repository
 * @digest, @size:	Set to what the source gave
 * @watch:	Of its members only retry is called; may be NULL
 *
 * Broken connections: the registry is asked how much it has, the blob is made again and sent from
 * there on.
 */
int registry_upload(struct registry *r, const char *repo, const struct blob_source *source,
	const struct blob_watch *watch, char digest[DIGEST_MAX], int64_t *size, struct err *e);

/* PUT /v2/<repo>/manifests/<tag>; the registry must come to the same digest. */
int registry_put_manifest(struct registry *r, const char *repo, const char *tag, const char *media_type,
	struct span text, char digest[DIGEST_MAX], struct err *e);

/* GET /v2/<repo>/tags/list, all pages. Array of strings (new reference). */
json_t *registry_tags(struct registry *r, const char *repo, struct err *e);
/* GET /v2/ with the credentials: does it take them?  ERR_UNAUTHORIZED if not. */
int registry_check_auth(struct registry *r, struct err *e);

/* --- without the distribution API (fetch.c) ----------------------------------------------------- */

/* Ask @host ("docker.io": Docker Hub) what repositories it has for @term, by the API of version 1.
 * The array "results" of its answer (new reference).  ERR_INVALID if it has no such API. */
json_t *registry_search(const char *host, const char *term, int limit, const struct registry_config *c,
	struct err *e);

struct fetch_head {
	int64_t length;	   /* -1: not told */
	int64_t modified_s; /* Last-Modified, in seconds since 1970; 0: not told */
	struct span name;  /* the file name of Content-Disposition, or empty */
};

/**
 * registry_fetch() - Write what a URL has into a descriptor
 * @url:	http or https; without a scheme, http
 * @begin:	Called once the server has agreed, with what it says of the file; may be NULL
 * @progress:	Called for each piece with the bytes so far; may be NULL
 *
 * Return: 0, or -1 with @e; ERR_NOT_FOUND for what the server does not have
 */
int registry_fetch(const char *url, const struct registry_config *c, int out,
	void (*begin)(void *arg, const struct fetch_head *head), void (*progress)(void *arg, int64_t done), void *arg,
	struct err *e);

#endif
