/* SPDX-License-Identifier: MIT */
/*
 * core/storage/lookup.h - what overlayfs would find in the layers below (private to storage)
 */
#ifndef STORAGE_LOOKUP_H
#define STORAGE_LOOKUP_H

#include "storage/driver.h"

#include <sys/stat.h>

struct lookup;
struct lookup *lookup_open(const struct lowers *lowers, struct err *e); /* NULL with @e */
void lookup_close(struct lookup *l);
/* The file of that name, seen through whiteouts and opaque directories; false: there is none. */
bool lookup_stat(const struct lookup *l, const char *path, struct stat *st);
/* Names in that directory, sorted; NULL with @e. */
char **lookup_names(const struct lookup *l, const char *path, size_t *n, struct err *e);
void lookup_names_free(char **names, size_t n);

#endif
