/* SPDX-License-Identifier: MIT */
/*
 * core/image/worker.h - inside a worker process: what its operations work with
 */
#ifndef IMAGE_WORKER_H
#define IMAGE_WORKER_H

#include "image/image.h"

struct worker {
	const json_t *request;
	struct store store;
	int input;    /* or -1 */
	int progress; /* where lines go; threads write whole lines */
};

/* Send one progress object to the client. Any thread. */
void worker_progress(struct worker *w, json_t *obj_steal);
/* What happens to @id (a layer, its first 12 digits): {"status":status, "progressDetail":{…},
 * "progress":"[==>  ] 1MB/2MB", "id":id}; current < 0: the detail is {} and there is no bar. */
void worker_status(struct worker *w, const char *id, const char *status, int64_t current, int64_t total);
/* A line of text: {"status":"…", "id":id}; id may be NULL ("Pulling from library/busybox", "Digest: …"). */
void worker_message(struct worker *w, const char *id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The operations: a new reference to the result object, or NULL with @e. */
json_t *worker_pull(struct worker *w, struct err *e);    /* core/image/pull.c, on core/registry */
json_t *worker_push(struct worker *w, struct err *e);    /* core/image/push.c */
json_t *worker_load(struct worker *w, struct err *e);    /* core/image/load.c */
json_t *worker_import(struct worker *w, struct err *e);  /* core/image/import.c */
json_t *worker_fetch(struct worker *w, struct err *e);   /* core/image/fetch.c */
json_t *worker_builtin(struct worker *w, struct err *e); /* core/image/builtin.c */
json_t *worker_distribution(struct worker *w, struct err *e); /* core/image/inquire.c */
json_t *worker_search(struct worker *w, struct err *e);
json_t *worker_auth(struct worker *w, struct err *e);

#endif
