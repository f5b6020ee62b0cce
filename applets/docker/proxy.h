/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/proxy.h - the proxies of config.json, for what runs in containers
 */
#ifndef DOCKER_PROXY_H
#define DOCKER_PROXY_H

#include "docker.h"

/* Add them to NAME=VALUE @pairs that have none of that name. */
void proxy_add(const struct docker *d, struct strlist *pairs);

#endif
