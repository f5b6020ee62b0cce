/* SPDX-License-Identifier: MIT */
/*
 * core/image/spool.h - an archive of images, kept while its parts are asked for (private to core/image)
 *
 * An image archive is read once, from a stream, but says at its end which of its files are what.  So
 * what is not unpacked at once (ahead.h) goes to one nameless file below tmp/; what its members were
 * called is only a key to find them by, never a path.
 */
#ifndef IMAGE_SPOOL_H
#define IMAGE_SPOOL_H

#include "image/worker.h"

#define SPOOL_MEMBERS_MAX 100000
#define SPOOL_DROP (-2)
#define SPOOL_NAMES_MAX (16 << 20) /* bytes of all names and link targets */

struct member {
	char *name;    /* clean and relative: "blobs/sha256/…" */
	char *link;    /* a link: the (clean) name of what it means; else NULL */
	int64_t offset, size;
	size_t order;
	int ahead; /* bytes are not here but were unpacked, or passed over: what take() made of them; -1: they are */
};

struct spool {
	int fd;
	int64_t end;
	struct member *at; /* by name, after spool_fill() */
	size_t n, names;
	/* Where bytes of a file that looks like a layer go, if not NULL: a pipe that is closed behind them; -1: they
	 * are kept, SPOOL_DROP: they are not needed.  *number is what member.ahead gets. */
	int (*take)(void *arg, const char *name, int *number);
	void *take_arg;
};

/* Read the whole archive, plain or gzip, from @in. @s has nothing but maybe take set.
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
int spool_unpack(const struct spool *s, struct worker *w, const struct member *m, const char *id,
	 struct layer_draft *d, struct err *e);

#endif
