/* SPDX-License-Identifier: MIT */
/*
 * core/image/worker_lines.h - private to core/image: what a worker and who runs it agree on
 */
#ifndef IMAGE_WORKER_LINES_H
#define IMAGE_WORKER_LINES_H

#include "image/worker.h"

enum {
	WORKER_FD_ORDERS = 3,
	WORKER_FD_DATA,
	WORKER_FD_LINES,
	WORKER_FD_INPUT,
};

#define WORKER_ORDERS_MAX (8 << 20) /* bytes */
#define WORKER_LINE_MAX (64 << 20)  /* a result carries the configs of all images of an archive */
#define WORKER_BAR_MAX 160

/* "[=====>     ]  32.77kB/2.222MB", or "" where there is nothing to draw. */
void worker_bar(int64_t current, int64_t total, char out[WORKER_BAR_MAX]);

json_t *worker_err_json(const struct err *e);
void worker_err_from_json(struct err *e, const json_t *j);

#endif
