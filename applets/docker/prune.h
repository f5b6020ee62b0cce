/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/prune.h - what the prune commands share
 */
#ifndef DOCKER_PRUNE_H
#define DOCKER_PRUNE_H

#include "docker.h"

/* POST @target ("/images/prune") with @filters, and print under @title what is in the answer's array @member;
 * *reclaimed grows by the bytes that are free now. */
int prune_kind(struct docker *d, const char *target, const char *title, const char *member,
	const struct strlist *filters, int64_t *reclaimed, struct err *e);
/* The last line of it all. */
void prune_total(int64_t reclaimed);

#endif
