/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/context_store.h - engines that were given a name, in the stock client's files
 *
 *	~/.docker/contexts/meta/<sha256 of the name>/meta.json	what it is
 *	~/.docker/contexts/tls/<sha256>/docker/{ca,cert,key}.pem	its keys, for the owner alone
 *	~/.docker/config.json, "currentContext"			which one is used
 *
 * "default" is no file: it is what the environment says.
 */
#ifndef DOCKER_CONTEXT_STORE_H
#define DOCKER_CONTEXT_STORE_H

#include "base/err.h"
#include "base/json.h"

struct context_tls {
	const char *ca, *cert, *key; /* files to copy, or NULL */
};

bool context_exists(const char *config_dir, const char *name);
/* Its meta.json: new reference, or NULL with @e in the stock client's words. */
json_t *context_load(const char *config_dir, const char *name, struct err *e);
/* All of them, sorted by name: a new array of meta.json. */
json_t *context_list(const char *config_dir);
/* The directory of its keys, or of its meta.json; to free(). */
char *context_tls_dir(const char *config_dir, const char *name);
char *context_meta_dir(const char *config_dir, const char *name);

/**
 * context_create() - Give an engine a name
 * @docker:	Its endpoint, {"Host": …, "SkipTLSVerify": …}; NULL: none
 * @tls:	Keys to keep with it, or NULL
 *
 * Return: 0; -1 with @e if the name is bad or taken, or a file cannot be read or written
 */
int context_create(const char *config_dir, const char *name, const char *description, const json_t *docker,
	const struct context_tls *tls, struct err *e);
/* May a context have this name? 0, or -1 with @e. */
int context_check_name(const char *name, struct err *e);
/* Write its meta.json, and (unless @tls is NULL) @tls instead of the keys it has. 0, or -1 with @e. */
int context_save(const char *config_dir, const char *name, const json_t *meta, const struct context_tls *tls,
	struct err *e);
/* Keep @text as its @file ("ca.pem", …). 0, or -1 with @e. */
int context_keep_key(const char *config_dir, const char *name, const char *file, struct span text, struct err *e);
/* Forget it, keys first.  What is not there is an error. */
int context_remove(const char *config_dir, const char *name, struct err *e);
/* Make it the current one; "default" takes the setting out.  All else in config.json stays. */
int context_use(const char *config_dir, const char *name, struct err *e);

#endif
