/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/rows.h - things as the lists show them: one object of texts each, for format.h
 *
 * `docker ps`, `images` and `volume ls` show one kind, `system df -v` shows all.  @whole: nothing is shortened
 * (--no-trunc).  Each returns a new reference; its members are in the order of their names, as JSON shows them.
 */
#ifndef DOCKER_ROWS_H
#define DOCKER_ROWS_H

#include "base/json.h"
#include "base/str.h"

json_t *container_row(const json_t *c, bool whole);					 /* cmd_ps.c */
json_t *image_row(const json_t *image, struct span repo, struct span tag, const char *digest, bool whole); /* cmd_images.c */
json_t *volume_row(const json_t *v);							 /* cmd_volumes.c */

#endif
