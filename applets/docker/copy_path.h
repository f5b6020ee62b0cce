/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/copy_path.h - what docker cp makes of its two paths
 *
 * The rules are those of cp(1) with one addition of Docker's: a source that ends in "/." is the
 * content of that directory.  They are decided here, without looking at any file.
 */
#ifndef DOCKER_COPY_PATH_H
#define DOCKER_COPY_PATH_H

#include "base/err.h"
#include "base/str.h"

struct copy_end {
	char *path;	   /* with the "/" or "/." it was given with; owned by who made it */
	bool exists, is_dir;
	const char *renamed; /* what the source is called, where links were followed; or NULL */
};

struct copy_plan {
	char *dir;	  /* the destination's directory to unpack in, to free() */
	char *from, *to; /* the name of the archive's top, and what it becomes; to free() */
};

/* Decide.  0, or -1 with @e: the stock client's complaint. */
int copy_plan(const struct copy_end *source, const struct copy_end *destination, struct copy_plan *plan,
	struct err *e);
void copy_plan_release(struct copy_plan *plan);

/* The path cleaned, but with its trailing "/" or "/." as in @original; to free(). */
char *copy_keep_tail(const char *path, const char *original);
/* Directory and last component; "x/." is "." in "x". Both to free(). */
void copy_split(const char *path, char **dir, char **base);
bool copy_asserts_dir(const char *path); /* ends in "/" or "/." */

#endif
