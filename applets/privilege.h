/* SPDX-License-Identifier: MIT */
/* applets/privilege.h - give up what the file gave us and the command does not need */
#ifndef APPLETS_PRIVILEGE_H
#define APPLETS_PRIVILEGE_H

#include <stdint.h>

/**
 * privilege_reduce() - Cut this process down to some capabilities and the caller's ids
 * @keep:	Set of capabilities, bit n for capability n
 *
 * For a process whose privilege came with the file it was started from (AT_SECURE): capabilities
 * outside @keep leave the permitted, effective, inheritable and ambient sets, and set-user-ID
 * and set-group-ID end, for good.  What the caller had before exec is not given back.
 *
 * Return: 0, or -1 with errno set: the caller must not go on
 */
int privilege_reduce(uint64_t keep);

#endif
