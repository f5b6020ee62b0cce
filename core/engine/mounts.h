/* SPDX-License-Identifier: MIT */
/*
 * core/engine/mounts.h - what -v, --mount, --volumes-from and an image's volumes ask for
 *
 * A mount point is an object: what inspect shows (Type, Name, Source, Destination, Driver, Mode,
 * RW, Propagation) and, in small letters, what only we need:
 *	copy		fill an empty volume from the image
 *	create		make a bind's source directory if it is not there (-v does, --mount does not)
 *	subpath		of a volume or an image
 *	image, layer	the image's name, and its top layer, which is pinned
 *	flat		bind without what is mounted below
 *	ro_flat		read-only, but not what is mounted below
 *	ro_force	read-only with all below, or not at all
 *	options		of a tmpfs: "size=1048576,mode=700"
 */
#ifndef ENGINE_MOUNTS_H
#define ENGINE_MOUNTS_H

#include "engine/engine.h"

struct container;

/* The mount points of a container about to be made; volumes are made and marked as used by @id.
 * New reference to an array, or NULL with nothing used. */
json_t *mounts_build(struct engine *en, const char *id, const json_t *config, const json_t *host,
	struct err *e);
/* The volumes are no longer used by @id; anonymous ones go too if @remove. */
void mounts_drop(struct engine *en, const char *id, const json_t *mounts, bool remove);
/* Does it lie in the data-root, or hold it?  By their texts alone, as Docker looks at it. */
bool mounts_near_data(const struct engine *en, const char *source);
/* What is shown, a new reference.  In a list (@brief) a volume has its Source only once the container was
 * started, and one of the image's VOLUME or the config's Volumes has none even then. */
json_t *mounts_shown(struct engine *en, const json_t *mounts, bool brief, bool started);

/* A tmpfs destination's options ("size=1m,mode=700") as an array of OCI mount options, after the
 * defaults noexec,nosuid,nodev. NULL with @e if one is unknown. */
json_t *mounts_tmpfs_options(const char *text, struct err *e);

#endif
