/* SPDX-License-Identifier: MIT */
/*
 * core/engine/volume.h - named directories that outlive containers
 *
 * A volume is <data-root>/volumes/<name>/ with _data (what containers see) and volume.json (when,
 * labels, options).  It comes into being by one rename, so there are no half-made ones.  The
 * table in memory says which containers use it; those uses follow from the containers' mount
 * points and are counted again when an engine starts.
 *
 * Driver "local", with Docker's options type, device and o: such a volume is mounted on its _data
 * while a container that uses it runs.
 *
 * Any thread may call; nothing blocks but on the disk.
 */
#ifndef ENGINE_VOLUME_H
#define ENGINE_VOLUME_H

#include "engine/engine.h"

int volumes_load(struct engine *en, struct err *e);

struct volume_spec {
	const char *name;   /* NULL or "": a random one, labelled anonymous */
	const char *driver; /* NULL or "": local */
	const json_t *options, *labels; /* objects or NULL */
};

/* Is it a name of a volume of the local driver?  The error is Docker's, without "create x: ". */
int volume_name_check(const char *name, struct err *e);
/**
 * volume_create() - Make a volume, or find the one of that name
 * @user:	Id of a container that uses it from now on, or NULL
 * @name:	Set to its name, to free(); may be NULL
 */
int volume_create(struct engine *en, const struct volume_spec *spec, const char *user, char **name,
	struct err *e);
/* Say that a container uses a volume (that must be there), or no longer does. */
void volume_use(struct engine *en, const char *name, const char *user);
void volume_unuse(struct engine *en, const char *name, const char *user);
int volume_remove(struct engine *en, const char *name, bool force, struct err *e);
/* Remove it if it is anonymous and nobody uses it any more. */
void volume_remove_anonymous(struct engine *en, const char *name);

/* "<data-root>/volumes/<name>/_data"; to free(). */
char *volume_path(struct engine *en, const char *name);
/* A running container needs it: mount it if its options say so. Pairs with volume_unmount(). */
int volume_mount(struct engine *en, const char *name, struct err *e);
void volume_unmount(struct engine *en, const char *name);
/* An engine before this one mounted it for a container that still runs. */
void volume_adopt_mount(struct engine *en, const char *name);

struct container;
/* Fill the container's empty volumes with what its image has at those places (copyup.c). */
int volumes_copy_up(struct engine *en, struct container *c, struct err *e);

json_t *volume_inspect(struct engine *en, const char *name, struct err *e);
json_t *volumes_list(struct engine *en, const json_t *filters, struct err *e);
/* @all: named ones as well, not only anonymous ones. */
json_t *volumes_prune(struct engine *en, const json_t *filters, bool all, struct err *e);

#endif
