/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/plugin.h - commands that are programs of their own: docker compose, docker buildx
 */
#ifndef DOCKER_PLUGIN_H
#define DOCKER_PLUGIN_H

#include "docker.h"

/* Become the plugin for a command, with the whole command line as it was typed.  Returns 0 if there is
 * none of that name, -1 with @e if it cannot be run. */
int plugin_run(const struct docker *d, const char *name, char **argv, struct err *e);

#endif
