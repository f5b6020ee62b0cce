/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/caps.h - capability names and sets
 */
#ifndef RUNTIME_CAPS_H
#define RUNTIME_CAPS_H

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

#define CAP_BIT(n) (UINT64_C(1) << (n))

/* A set of capabilities is a mask, bit n for capability n of <linux/capability.h>. */
int cap_number(const char *name);	/* "CAP_CHOWN" (or "CHOWN") -> 0, or -1 */
const char *cap_name(unsigned int n); /* "CAP_CHOWN", or NULL past the last one known */
uint64_t cap_known(void);	/* those this kernel has */

/* Mask of an array of names.  Names nobody knows, or this kernel lacks, are left out, as runc
 * does.  NULL gives 0; -1 with @e if it is no array of strings. */
int cap_mask(const json_t *names, uint64_t *mask, struct err *e);

/* capset(2) for the calling thread. 0, or -1 and errno. */
int cap_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int cap_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);

#endif
