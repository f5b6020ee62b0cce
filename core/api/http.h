/* SPDX-License-Identifier: MIT */
/*
 * core/api/http.h - the HTTP/1.1 server under the Engine API, as handlers see it
 *
 * One thread a connection, straight-line code: a handler reads the request, makes one engine call
 * and answers with exactly one of http_json(), http_empty(), http_fail(), a stream, or a hijack.
 * Everything of a request lives in its struct http and is gone after the handler returned.
 */
#ifndef API_HTTP_H
#define API_HTTP_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct http;

typedef void http_handler(struct http *h);

struct route {
	const char *method;  /* "GET"; a GET route does not answer HEAD: list both */
	const char *pattern; /* "/containers/{}/json"; "{}" is one segment, "{*}" one or more (image names) */
	http_handler *fn;
};

/* --- the request --- */
struct engine *http_engine(struct http *h);
const char *http_method(struct http *h);
/* The @i-th variable of the pattern, percent-decoded. */
const char *http_var(struct http *h, size_t i);
/* A query parameter, decoded; NULL if absent. The first of several; http_query_all() gives all (a
 * NULL-terminated vector living as long as the request). */
const char *http_query(struct http *h, const char *name);
char **http_query_all(struct http *h, const char *name);
bool http_query_bool(struct http *h, const char *name, bool def); /* Docker's rule: "", 0, no, false, none */
/* An integer parameter; @def if absent or empty; -1 with @e (ERR_INVALID) if malformed. */
int http_query_int(struct http *h, const char *name, int64_t def, int64_t *v, struct err *e);
/* The "filters" parameter as {"name": ["v", …]}; old form {"name": {"v": true}} accepted. NULL with
 * @e if malformed; an empty object if absent. New reference. */
json_t *http_filters(struct http *h, struct err *e);
const char *http_header(struct http *h, const char *name); /* trimmed value, or NULL */
int http_api_minor(struct http *h);			    /* 51 for /v1.51/ and for unversioned paths */
/* The body as JSON (new reference): content type and size checked, Docker's error texts. *j is NULL
 * and 0 returned if the body is empty and @optional. */
int http_body_json(struct http *h, bool optional, json_t **j, struct err *e);
/* The body as a stream (Content-Length or chunked): a count, 0 at the end, -1 with @e. */
ssize_t http_body_read(struct http *h, void *p, size_t n, struct err *e);
bool http_has_body(struct http *h);

/* --- answers --- */
void http_json(struct http *h, int status, json_t *j_steal); /* Docker ends bodies in "\n" */
void http_empty(struct http *h, int status);
/* {"message": …} with the status that e->kind stands for; after a stream has begun: an errorDetail
 * object for progress streams, else the connection is closed. */
void http_fail(struct http *h, const struct err *e);
void http_set_header(struct http *h, const char *name, const char *value); /* before the answer */
/* Api-Version, Server and the like for a hijack: exec start has them, attach has not. */
void http_add_engine_headers(struct http *h);
void http_text(struct http *h, int status, const char *content_type, const void *p, size_t n);

/* A body of unknown length (chunked). Each write is sent at once. -1: the client went away. */
int http_stream_begin(struct http *h, int status, const char *content_type);
int http_stream_write(struct http *h, const void *p, size_t n);
/* The rest of a streamed body comes through a pipe, and is not copied on the way.  0 when the pipe has
 * ended, -1: the client went away. */
int http_stream_pipe(struct http *h, int pipefd);
/* A piece of the request's body into a pipe that does not block, not copied on the way: a count, 0 at the end, -1
 * with @e; e->code EAGAIN: the client has sent no more, or the pipe is full; EPIPE: nobody reads it any more. */
ssize_t http_body_pass(struct http *h, int pipefd, struct err *e);
/* The request's body into a pipe, to its end. 0, or -1 with @e; a reader that went away is no error. */
int http_body_pipe(struct http *h, int pipefd, struct err *e);
int http_stream_json(struct http *h, const json_t *j, const char *ending); /* "\r\n" progress, "\n" events */
/* One object of a progress stream; the first one begins it (200). For struct image_client: @h is a struct http. */
int http_progress(void *h, const char *json, size_t n);
bool http_streaming(struct http *h);
/* Poll()able descriptor that is readable or hung up when the client went away. */
int http_fd(struct http *h);
bool http_client_gone(struct http *h);

#define RAW_STREAM "application/vnd.docker.raw-stream"
#define FRAMED_STREAM "application/vnd.docker.multiplexed-stream"
/* Take the connection over (attach, exec start): answers 101 UPGRADED with "Upgrade: tcp" when the
 * client asked for it, else 200, with that content type, and returns the socket (owned by the caller
 * now). Bytes of the client already read come with it. */
int http_hijack(struct http *h, const char *content_type, const void **early, size_t *early_len);
/* The same with an answer's head of one's own, sent as it is. */
int http_take_over(struct http *h, const char *head, const void **early, size_t *early_len);
/* The same with an error instead: a plain-text message, as Docker writes it past its HTTP machinery. */
void http_hijack_fail(struct http *h, const struct err *e);

/* --- the server --- */
struct http_server;
/* Answer on a listening socket until it is closed; a thread of its own for each listener. */
int http_serve(struct engine *en, int listen_fd, struct err *e);
/* No new connections, wait up to @grace_ms for those in a request. */
void http_stop(int grace_ms);

/* Each routes_*.c gives its table, ended by an entry with a NULL method; routes.c lists the tables. */
extern const struct route routes_system[], routes_images[], routes_containers[], routes_attach[], routes_archive[],
	routes_exec[], routes_volumes[], routes_networks[], routes_build[], routes_swarm[];

#endif
