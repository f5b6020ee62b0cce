/* SPDX-License-Identifier: MIT */
/*
 * core/storage/idhint.h - what to do about ids that the user namespace lacks (private to storage)
 */
#ifndef STORAGE_IDHINT_H
#define STORAGE_IDHINT_H

#include "base/err.h"
#include "base/str.h"

/* Set the hint of @e: which id is needed, which are there, and the line that adds it. */
void idhint_add(uint32_t uid, uint32_t gid, struct err *e);

/* The pieces, for tests: how many ids from 0 on a map (proc(5), uid_map) has, and its owner outside. */
uint64_t idhint_present(struct span map, uint64_t *owner);
/* The first id above all ranges of a subid file. */
uint64_t idhint_free(struct span file);

#endif
