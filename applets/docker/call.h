/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/call.h - one call of the Engine API
 *
 * Calls put the API version in front of the path, send JSON, and turn an error answer into
 * "Error response from daemon: …" with the kind its status stands for.  No ping goes ahead: the
 * first call that an older engine refuses as too new is made again with the version it names.
 */
#ifndef DOCKER_CALL_H
#define DOCKER_CALL_H

#include "client_http.h"
#include "docker.h"

struct call {
	const char *method;
	const char *target;	  /* without the version: "/containers/json?all=1" */
	const json_t *body;	  /* or NULL */
	int body_fd;		  /* > 0: body from there, of this type: */
	const char *content_type;
	const atomic_bool *broken; /* see client_http.h; lives as long as the process */
	const char *auth, *auths;
	bool upgrade;
};

/**
 * call_open() - Make a call whose answer is read as a stream
 * @own:	Use a connection of its own, not the one kept for the next call
 *
 * Return: the connection, its body unread; give it to call_done() or client_hijack().  NULL with
 * @e set if the call failed or its status is 400 or more
 */
struct client *call_open(struct docker *d, const struct call *call, bool own, struct err *e);

/* The same in two steps, so that several calls can be on their way together: send on a connection of
 * its own (NULL with @e), and read the answer, which takes @c. */
struct client *call_begin(struct docker *d, const struct call *call, struct err *e);
struct client *call_finish(struct docker *d, struct client *c, const struct call *call, struct err *e);

/* Keep the connection for the next call if it can be used again, else close it. */
void call_done(struct docker *d, struct client *c);

/* Make a call and parse its answer.  *out (may be NULL) is a new reference, NULL if the answer has
 * no body.  0, or -1 with @e. */
int call_json(struct docker *d, const struct call *call, json_t **out, struct err *e);
int call_get(struct docker *d, const char *target, json_t **out, struct err *e);
int call_post(struct docker *d, const char *target, const json_t *body, json_t **out,
	struct err *e);
int call_delete(struct docker *d, const char *target, json_t **out, struct err *e);
/* The answer's text, unparsed. */
int call_text(struct docker *d, const char *target, struct buf *out, struct err *e);

/* Several calls at once: all are sent before the answers are read (a window of them at a time). */
struct call_slot {
	const char *method;
	const char *target; /* NULL: failed already, @e says why */
	bool failed;	    /* out, with @e */
	struct err e;
};
void call_all(struct docker *d, struct call_slot *slots, size_t n);

/* The rest of a body into a file or pipe. 0, or -1 with @e. */
int call_copy_body(struct client *c, int fd, struct err *e);
/* An archive into the file at @path, under another name until it is whole, or (NULL) to stdout; @what is
 * what could not be done, for messages: "failed to save image". 0, or -1 with @e. */
int call_save_body(struct client *c, const char *path, const char *what, struct err *e);

/* Read the next JSON value of a stream (progress, events) into *out: 1, 0 at the end, -1 with @e. */
struct json_stream {
	struct client *c;
	struct buf text;
	bool array; /* the values are in one array (call_each()) */
};
int json_stream_next(struct json_stream *s, json_t **out, struct err *e);

/* GET an array, and call @each for every element as it comes in: what is long is shown while the engine makes the
 * rest, and is never in memory as a whole.  0, or -1 with @e, from @each too. */
int call_each(struct docker *d, const char *target, int (*each)(void *arg, const json_t *item, struct err *e), void *arg,
	struct err *e);

/* --- targets --- */
/* "/containers/%s/json" with @arg percent-encoded (but for '/', ':' and '@'); to free(). */
char *target(const char *fmt, const char *arg);
/* Append name=value to a target in a buffer, encoded. */
void target_query(struct buf *b, const char *name, const char *value);
/* A container's target, or NULL with @e if its name is empty. */
char *container_target(const char *fmt, const char *name, struct err *e);

#endif
