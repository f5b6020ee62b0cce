/* SPDX-License-Identifier: MIT */
/*
 * core/engine/images.h - operations on images as the API has them: workers, names and events together
 *
 * All of them may block for as long as disk, registry or client take; call them without locks.
 */
#ifndef ENGINE_IMAGES_H
#define ENGINE_IMAGES_H

#include "engine/engine.h"

/* Who asks: where lines of progress go (the text of one JSON object each; -1: nobody takes more), where
 * the archive comes from (see struct worker_job), and what hangs up when the client has gone. */
struct image_client {
	int (*line)(void *arg, const char *json, size_t n);
	ssize_t (*feed)(void *arg, int pipefd, struct err *e);
	void *arg;
	int cancel;
};

/* An event "pull", "tag", … of an image, with its labels. @id: its id, or the name it goes by. */
void engine_image_event(struct engine *en, const char *action, const char *id, const char *name);

/* @ref without tag and digest: all tags. @platform and @auth may be NULL. */
int engine_image_pull(struct engine *en, const struct imgref *ref, const char *platform, const json_t *auth,
	const struct image_client *client, struct err *e);
/* @ref without a tag: all tags of the repository. */
int engine_image_push(struct engine *en, const struct imgref *ref, const json_t *auth,
	const struct image_client *client, struct err *e);
int engine_image_load(struct engine *en, const char *platform, bool quiet, const struct image_client *client,
	struct err *e);

/* An archive of what @url has, under FETCH_MEMBER, in an unnamed file; -1 with @e.  *name gets its file name ("":
 * nobody knows), to free(). */
int engine_fetch(struct engine *en, const char *url, const struct image_client *client, char **name, struct err *e);

struct image_import {
	const struct imgref *ref; /* or NULL: no name */
	const char *platform, *message;
	const char *url; /* where the archive is; NULL: the client sends it */
	const json_t *config; /* of containers made of it */
};
/* @id gets the new image's id. */
int engine_image_import(struct engine *en, const struct image_import *what, const struct image_client *client,
	char id[DIGEST_MAX], struct err *e);

/* Write an archive of images to a pipe that @put reads to its end (-1: nobody takes more). @names may be NULL: an
 * archive of nothing; @platform too: any. */
int engine_image_save(struct engine *en, char *const names[], const struct platform *platform,
	int (*put)(void *arg, int pipefd), void *arg, struct err *e);

int engine_image_tag(struct engine *en, const char *name, const struct imgref *ref, struct err *e);
json_t *engine_image_remove(struct engine *en, const char *name, bool force, bool noprune, struct err *e);
json_t *engine_image_prune(struct engine *en, const json_t *filters, struct err *e);

/* What a registry says of a name ({"Descriptor", "Platforms"}), and of credentials. */
json_t *engine_image_distribution(struct engine *en, const struct imgref *ref, const json_t *auth, int cancel,
	struct err *e);
/* What a registry's search finds: the array of the API. @filters: is-official, is-automated, stars. */
json_t *engine_image_search(struct engine *en, const char *term, int limit, const json_t *filters,
	const json_t *auth, int cancel, struct err *e);
int engine_registry_login(struct engine *en, const char *address, const json_t *auth, int cancel, struct err *e);

/* ERR_NOT_FOUND, in Docker's words, if image @name is there but not for that platform. */
int engine_image_check_platform(struct engine *en, const char *name, const struct platform *want, struct err *e);

#endif
