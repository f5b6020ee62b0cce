/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/build_git.h - a build's context that is a git repository: fetched by the user's git
 */
#ifndef DOCKER_BUILD_GIT_H
#define DOCKER_BUILD_GIT_H

#include "base/err.h"

#include <stdbool.h>

/* "git@host:path", "git://…", "https://….git", "github.com/…", each with "#REF:DIRECTORY" or not. */
bool build_git_is(const char *where);

/**
 * build_git_fetch() - Check a repository out into a new directory below TMPDIR
 *
 * Single-threaded callers only: it runs git, and has a thread remove the directory when a signal ends us.
 *
 * Return: the directory that is the context, without symbolic links; NULL with @e and nothing left
 */
char *build_git_fetch(const char *where, struct err *e);

/* Remove what was checked out.  Any thread, any number of times; nothing was: nothing is done. */
void build_git_remove(void);

#endif
