/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/gotypes.h - what the JSON of the API does not tell of the types Go has for it
 *
 * In the stock client a template given to inspect, info or version works on Go's types: members that
 * the JSON leaves out are there as nil or empty, maps print another way than structs, and some
 * members have another name.  These tables tell that much.
 */
#ifndef DOCKER_GOTYPES_H
#define DOCKER_GOTYPES_H

#include "template.h"

/* For tmpl_exec(); copy it to set .type. */
extern const struct tmpl_env go_env;

#endif
