/* SPDX-License-Identifier: MIT */
/* applets/install.h - coracle --install: the binary and a link for every name it answers to */
#ifndef APPLETS_INSTALL_H
#define APPLETS_INSTALL_H

#include <stdbool.h>

#include "base/err.h"

struct install_options {
	bool symlinks; /* make symbolic links, not hard ones */
	bool force;    /* replace files that are not ours, too */
	bool all;      /* link the names that programs of the host have, too */
};

/**
 * install_links() - Put this binary into a directory, with its links
 * @dir:	Directory; made if it is not there
 * @names:	Names to link, NULL-terminated
 *
 * DIR/coracle becomes this binary (a hard link, or a copy where that is impossible), replaced by
 * rename.  A name taken by a file that is no link of ours is an error found before anything is
 * changed, unless @o->force.  Doing it twice changes nothing.
 *
 * Names that belong to others (newuidmap, nsenter, ...) are left out where PATH leads to the host's program
 * of that name, unless @o->all; *@left tells which, separated by blanks, to free().
 *
 * Return: 0, or -1 with @e set
 */
int install_links(const char *dir, const char *const *names, const struct install_options *o,
	char **left, struct err *e);

#endif
