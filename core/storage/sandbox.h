/* SPDX-License-Identifier: MIT */
/*
 * core/storage/sandbox.h - give up all powers but those of handling files below one directory
 */
#ifndef STORAGE_SANDBOX_H
#define STORAGE_SANDBOX_H

#include "base/err.h"

/**
 * sandbox_enter() - Make a directory the root, and nothing else reachable
 * @rootfd:	The directory; what is mounted below it comes along
 * @fds:	Descriptors from this one on are closed, @rootfd with them; 0 and 1 become /dev/null
 *
 * For a single-threaded process of its own.  The stages stand in sandbox.c.
 *
 * Return: 0 with "/" as the working directory, or -1 with @e: then it must end
 */
int sandbox_enter(int rootfd, unsigned int fds, struct err *e);

#endif
