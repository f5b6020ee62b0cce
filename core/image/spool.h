/* SPDX-License-Identifier: MIT */
/*
 * core/image/spool.h - an archive of images, kept while its parts are asked for (private to core/image)
 *
 * An image archive is read once, from a stream, but says at its end which of its files are what.  So
 * all of it goes to one nameless file below tmp/; what its members were called is only a key to find
 * them by, never a path.
 */
#ifndef IMAGE_SPOOL_H
#define IMAGE_SPOOL_H

#include "image/worker.h"

#define SPOOL_MEMBERS_MAX 100000
#define SPOOL_NAMES_MAX (16 << 20) /* bytes of all names and link targets */

struct member {
	char *name;    /* clean and relative: "blobs/sha256/…" */
	char *link;    /* a link: the (clean) name of what it means; else NULL */
	int64_t offset, size;
};

struct spool {
	int fd;
	int64_t end;
	struct member *at; /* by name, after spool_fill() */
	size_t n, names;
	/* Called for each file that is in, if not NULL; may read it from then on. */
	void (*filled)(void *arg, const struct member *m);
	void *filled_arg;
};

/* Read the whole archive, plain or gzip, from @in. @s has nothing but maybe filled set.
 * -1 with @e; spool_release() in any case. */
int spool_fill(struct spool *s, const struct store *store, int in, struct err *e);
void spool_release(struct spool *s);

/* A file by its name, links followed; NULL if there is none. */
const struct member *spool_find(const struct spool *s, const char *name);
/* Its content, at most @max bytes. ERR_INVALID with "open NAME: no such file" if it is not there. */
int spool_read(const struct spool *s, const char *name, size_t max, struct buf *out, struct err *e);

/**
 * spool_unpack() - Unpack a member as a layer
 * @id:		What progress is reported under, or NULL: report nothing
 *
 * Return: 0 with the draft in @d, or -1 with @e
 */
int spool_unpack(const struct spool *s, struct worker *w, const struct member *m, const char *parent,
	const char *id, struct layer_draft *d, struct err *e);

#endif
