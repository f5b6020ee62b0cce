/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/info.h - what docker info says of the engine
 */
#ifndef DOCKER_INFO_H
#define DOCKER_INFO_H

#include "base/json.h"

void info_print(const json_t *info); /* on stdout */
void info_warn(const json_t *info);  /* its warnings, on stderr */

#endif
