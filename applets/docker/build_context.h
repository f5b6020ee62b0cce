/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/build_context.h - what docker build sends: an archive, made while it is sent
 */
#ifndef DOCKER_BUILD_CONTEXT_H
#define DOCKER_BUILD_CONTEXT_H

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdio.h>

struct build_context {
	int fd;		      /* the archive comes out of it */
	const char *dockerfile; /* its path in the archive */
	atomic_bool failed;   /* true at the end of fd: it is not whole, @e says why */
	struct err e;
};

/**
 * build_context_open() - Find a context and begin to make its archive
 * @where:	A directory, "-" (standard input: an archive or a Dockerfile), a URL of one of these, or a git
 *		repository, "URL#REF:DIRECTORY"
 * @dockerfile:	-f: a file, "-" for standard input; in an archive, its name there. NULL: Dockerfile
 * @compress:	With gzip
 * @out:	Where the progress goes; NULL: nowhere
 *
 * .dockerignore is obeyed.  A Dockerfile from elsewhere goes along under a name of its own, which the
 * engine leaves out of what is copied.  A thread makes the archive; it ends with the process.
 *
 * Return: a context that lives as long as the process, or NULL with @e in the stock client's words
 */
struct build_context *build_context_open(const char *where, const char *dockerfile, bool compress, FILE *out,
	struct err *e);

#endif
