/* SPDX-License-Identifier: MIT */
/*
 * core/engine/names.h - names people can say: made up, and checked
 */
#ifndef ENGINE_NAMES_H
#define ENGINE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAMES_MAX 64

/* "quiet_noether"; from the second @attempt on a digit is added, as names run out. */
void names_generate(char *out, size_t n, int attempt);
/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool name_ok(const char *name);

#endif
