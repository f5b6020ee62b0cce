/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerignore.h - what a .dockerignore leaves out of a build's context
 */
#ifndef IMAGE_DOCKERIGNORE_H
#define IMAGE_DOCKERIGNORE_H

#include "base/err.h"
#include "base/str.h"

#define IGNORE_FILE_MAX (4 << 20) /* bytes of a .dockerignore */

struct ignore;

/* The patterns of a .dockerignore.  NULL with @e (ERR_INVALID) in Docker's words. */
struct ignore *ignore_parse(struct span text, struct err *e);
void ignore_free(struct ignore *g); /* NULL is fine */
/* One more pattern behind the others: "!Dockerfile". 0, or -1 with @e. */
int ignore_add(struct ignore *g, const char *pattern, struct err *e);

/* Is @path (relative, clean) left out, looked at by itself? */
bool ignore_matches(const struct ignore *g, const char *path);
/**
 * ignore_walk() - The same for one path of a walk
 * @path:	A directory comes before what is in it, and nothing else in between
 *
 * A path's parents were judged before it, and are not judged again: where an exception ("!a") comes
 * behind a pattern that did not concern the directory it names, files below may be judged otherwise
 * than by ignore_matches().  So it is with the real engine's client.
 */
bool ignore_walk(struct ignore *g, const char *path, bool is_dir);
/* May something below @dir, which is left out, be kept by an exception? */
bool ignore_reaches_into(const struct ignore *g, const char *dir);

#endif
