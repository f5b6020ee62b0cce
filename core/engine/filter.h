/* SPDX-License-Identifier: MIT */
/*
 * core/engine/filter.h - what the "filters" of list, prune and events mean
 *
 * A filter is a name and an array of wanted values, any of which may match; labels must all.
 */
#ifndef ENGINE_FILTER_H
#define ENGINE_FILTER_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

/* Is @s one of the values? False for NULL or empty @values. */
bool filter_has(const json_t *values, const char *s);
/* Does the whole of "key" or "key=value" of each value hold in the object @labels? */
bool filter_labels(const json_t *values, const json_t *labels);
/* No filters but those in the NULL-terminated list; else -1 and "invalid filter 'x'". */
int filter_check(const json_t *filters, const char *const *known, struct err *e);
/* One boolean ("true", "1", …) of filter @name; @def without it; -1 and "invalid filter 'name=[x]'". */
int filter_bool(const json_t *filters, const char *name, bool def, bool *v, struct err *e);
/* Does a value, as a substring or a regular expression (Docker's name filter), match @s? */
bool filter_match(const json_t *values, const char *s);
/* "until" and "since" values: a time or an age ("24h"). */
int filter_time(const char *text, int64_t *ns, struct err *e);

#endif
