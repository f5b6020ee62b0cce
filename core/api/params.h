/* SPDX-License-Identifier: MIT */
/*
 * core/api/params.h - query parameters that several routes share, with Docker's complaints
 */
#ifndef API_PARAMS_H
#define API_PARAMS_H

#include "api/http.h"
#include "image/image.h"

/* "h" and "w" of a resize, each at most 65535. */
int params_size(struct http *h, unsigned int *rows, unsigned int *cols, struct err *e);
/* An integer; malformed is a fault of ours (500), as Docker has it where this is used. */
int params_atoi(struct http *h, const char *name, int64_t def, int64_t *v, struct err *e);
/* Unix seconds with a fraction, or a time in words; 0 if absent.  Likewise. */
int params_time(struct http *h, const char *name, int64_t *ns, struct err *e);
/* "repo" and "tag" of an image to be named; release @ref if *given: false without a repo. */
int params_repo_tag(struct http *h, struct imgref *ref, bool *given, struct err *e);

#endif
