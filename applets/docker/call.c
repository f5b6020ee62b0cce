/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/call.c - one call of the Engine API
 *
 * Theory of operation
 *   A connection is kept after a call whose answer was read to its end, and used for the next;
 *   the engine may have closed it meanwhile, so a call that fails on a kept connection before an
 *   answer is made once more on a new one.  (Nothing was answered, so nothing was done: engines
 *   close idle connections, not busy ones.)
 */
#include "call.h"

#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_MAX (256U << 20)  /* bytes of an answer held in memory */
#define ERROR_MAX (1U << 20)
#define COPY_BLOCK (256U << 10)
#define STREAM_MAX (64U << 20) /* bytes of one value in a stream */
#define BLANKS " \r\n\t"
#define STREAM_PIECE 32768     /* bytes read at a time */

static void encode(struct buf *b, const char *text, const char *plain)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr(plain, c))
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

static enum err_kind kind_of(int status)
{
	switch (status) {
	case 400:
		return ERR_INVALID;
	case 401:
		return ERR_UNAUTHORIZED;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 501:
		return ERR_NOT_SUPPORTED;
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return ERR_FAILED;
	}
}

static void trim(struct buf *b)
{
	while (b->n && isspace((unsigned char)b->p[b->n - 1]))
		b->p[--b->n] = 0;
}

/* Put the engine's reason for an error status into @e. */
static void read_error(struct client *c, const struct call *call, int status, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;
	const char *message;
	struct err unread = ERR_INIT;

	client_read_all(c, ERROR_MAX, &text, &unread);
	trim(&text);
	j = json_parse(text.p, text.n, &unread);
	message = json_str(j, "message", NULL);
	if (message) {
		struct buf trimmed = BUF_INIT;

		buf_adds(&trimmed, message);
		trim(&trimmed);
		err_kind(e, kind_of(status), "Error response from daemon: %s", trimmed.p);
		buf_release(&trimmed);
	} else if (text.n)
		err_kind(e, kind_of(status), "Error response from daemon: %s", text.p);
	else
		err_kind(e, kind_of(status),
			"request returned status %d for API route and version %s, check if the server supports the requested API version",
			status, call->target);
}

/* Did an older engine name the version it speaks? Then d->api_version is that. */
static bool lower_version(struct docker *d, const struct err *e)
{
	static const char is[] = "Maximum supported API version is ";
	const char *v = strstr(e->msg, is);
	size_t n;

	if (d->version_pinned || e->kind != ERR_INVALID || !strstr(e->msg, "is too new") || !v)
		return false;
	v += strlen(is);
	n = strspn(v, "0123456789.");
	if (!n || n > 8 || (strlen(d->api_version) == n && !strncmp(d->api_version, v, n)))
		return false;
	free(d->api_version);
	d->api_version = xstrndup(v, n);
	d->version_pinned = true; /* one lowering is enough, whatever the peer says next */
	return true;
}

/* The socket is there and not for us: the stock client's words, which people search for. */
static void explain_refusal(const struct docker *d, const struct call *call, const char *path,
	struct err *e)
{
	cleanup_buf struct buf socket = BUF_INIT;

	encode(&socket, d->endpoint.path, "-_.~");
	err_kind(e, ERR_FORBIDDEN,
		"permission denied while trying to connect to the Docker daemon socket at %s: "
		"%c%s \"http://%s%s\": dial unix %s: connect: permission denied",
		d->endpoint.url, call->method[0], *call->method == 'G' ? "et" : *call->method == 'P' ? "ost" : "elete",
		socket.p, path, d->endpoint.path);
	err_hint(e, "an engine of your own needs no rights: start dockerd-rootless, and unset DOCKER_HOST");
}

/* Send a call on @c (taken), or on a new connection. */
static struct client *send_call(struct docker *d, struct client *c, const struct call *call,
	struct err *e)
{
	cleanup_free char *path = xasprintf("/v%s%s", d->api_version, call->target);
	cleanup_buf struct buf body = BUF_INIT;
	struct request r = {
		.method = call->method,
		.target = path,
		.content_type = call->content_type,
		.body_fd = call->body_fd,
		.broken = call->broken,
		.auth = call->auth,
		.auths = call->auths,
		.upgrade = call->upgrade,
	};

	if (call->body) {
		json_print(call->body, true, &body);
		r.content_type = "application/json";
		r.body = body.p;
		r.len = body.n;
	}
	if (!c)
		c = client_open(&d->endpoint, e);
	if (!c && e->kind == ERR_FORBIDDEN)
		explain_refusal(d, call, path, e);
	if (c && client_request(c, &r, e)) {
		client_close(c);
		return NULL;
	}
	return c;
}

/* Send and read the status line: -1 where nothing was answered. */
static int try_call(struct docker *d, struct client **c, const struct call *call, struct err *e)
{
	int status;

	*c = send_call(d, *c, call, e);
	status = *c ? client_response(*c, e) : -1;
	if (status < 0) {
		client_close(*c);
		*c = NULL;
	}
	return status;
}

struct client *call_open(struct docker *d, const struct call *call, bool own, struct err *e)
{
	struct client *kept = own ? NULL : steal(&d->idle), *c = kept;
	int status = try_call(d, &c, call, e);

	if (status < 0 && kept && call->body_fd <= 0)
		status = try_call(d, &c, call, e);
	if (status < 0)
		return NULL;
	if (status < 400)
		return c;
	read_error(c, call, status, e);
	call_done(d, c);
	if (call->body_fd <= 0 && lower_version(d, e))
		return call_open(d, call, own, e); /* once: the version is another one now */
	return NULL;
}

struct client *call_begin(struct docker *d, const struct call *call, struct err *e)
{
	return send_call(d, NULL, call, e);
}

struct client *call_finish(struct docker *d, struct client *c, const struct call *call, struct err *e)
{
	int status = client_response(c, e);

	if (status >= 0 && status < 400)
		return c;
	if (status >= 400)
		read_error(c, call, status, e);
	client_close(c);
	return status == 400 && lower_version(d, e) ? call_open(d, call, true, e) : NULL;
}

void call_done(struct docker *d, struct client *c)
{
	if (!client_reusable(c) || d->idle)
		client_close(c);
	else
		d->idle = c;
}

static int call_body(struct docker *d, const struct call *call, struct buf *out, struct err *e)
{
	struct client *c = call_open(d, call, false, e);

	if (!c)
		return -1;
	if (client_read_all(c, BODY_MAX, out, e)) {
		client_close(c);
		return -1;
	}
	call_done(d, c);
	return 0;
}

int call_json(struct docker *d, const struct call *call, json_t **out, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	json_t *j = NULL;

	if (out)
		*out = NULL;
	if (call_body(d, call, &text, e))
		return -1;
	trim(&text);
	if (text.n && out) {
		j = json_parse(text.p, text.n, e);
		if (!j)
			return err_wrap(e, "Error reading the daemon's answer");
		*out = j;
	}
	return 0;
}

int call_get(struct docker *d, const char *to, json_t **out, struct err *e)
{
	return call_json(d, &(struct call){.method = "GET", .target = to}, out, e);
}

int call_post(struct docker *d, const char *to, const json_t *body, json_t **out, struct err *e)
{
	return call_json(d, &(struct call){.method = "POST", .target = to, .body = body}, out, e);
}

int call_delete(struct docker *d, const char *to, json_t **out, struct err *e)
{
	return call_json(d, &(struct call){.method = "DELETE", .target = to}, out, e);
}

int call_text(struct docker *d, const char *to, struct buf *out, struct err *e)
{
	return call_body(d, &(struct call){.method = "GET", .target = to}, out, e);
}

/* --- several at once ---------------------------------------------------------------------- */

#define WINDOW 32

/* Send one; its connection, or NULL: then it is made by itself when its turn comes. */
static struct client *slot_send(struct docker *d, const struct call_slot *slot)
{
	struct call call = {.method = slot->method, .target = slot->target};
	struct err ignored = ERR_INIT;

	return slot->target ? call_begin(d, &call, &ignored) : NULL;
}

static void slot_finish(struct docker *d, struct call_slot *slot, struct client *c)
{
	struct call call = {.method = slot->method, .target = slot->target};
	cleanup_buf struct buf text = BUF_INIT;

	if (!slot->target) {
		slot->failed = true;
	} else if (!c) {
		slot->failed = call_json(d, &call, NULL, &slot->e);
	} else {
		c = call_finish(d, c, &call, &slot->e);
		slot->failed = !c || client_read_all(c, BODY_MAX, &text, &slot->e);
		client_close(c);
	}
}

void call_all(struct docker *d, struct call_slot *slots, size_t n)
{
	struct client *open[WINDOW];
	size_t i, k;

	for (i = 0; i < n; i += k) {
		for (k = 0; k < WINDOW && i + k < n; k++)
			open[k] = n > 1 ? slot_send(d, &slots[i + k]) : NULL;
		for (k = 0; k < WINDOW && i + k < n; k++)
			slot_finish(d, &slots[i + k], open[k]);
	}
}

/* --- archives -------------------------------------------------------------------------------- */

int call_copy_body(struct client *c, int fd, struct err *e)
{
	cleanup_free char *data = xmalloc(COPY_BLOCK);
	ssize_t n;

	while ((n = client_read(c, data, COPY_BLOCK, e)) > 0)
		if (fd_write_full(fd, data, (size_t)n))
			return err_set(e, errno, "writing the archive");
	return n < 0 ? -1 : 0;
}

int call_save_body(struct client *c, const char *path, const char *what, struct err *e)
{
	cleanup_free char *partial = NULL;
	cleanup_close int fd = -1;
	int rc;

	if (!path)
		return call_copy_body(c, STDOUT_FILENO, e);
	partial = xasprintf("%s.partial", path);
	fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "%s: open %s", what, path);
	rc = call_copy_body(c, fd, e);
	if (!rc && rename(partial, path))
		rc = err_set(e, errno, "renaming %s", partial);
	if (rc)
		unlink(partial);
	return rc;
}

/* --- streams of values -------------------------------------------------------------------- */

/* Length of the JSON object at the front of @s, 0 if it is not whole yet. */
static size_t whole_object(struct span s)
{
	bool quoted = false;
	size_t i, depth = 0;

	for (i = 0; i < s.n; i++) {
		if (quoted) {
			if (s.p[i] == '\\')
				i++;
			else if (s.p[i] == '"')
				quoted = false;
		} else if (s.p[i] == '"') {
			quoted = true;
		} else if (s.p[i] == '{' || s.p[i] == '[') {
			depth++;
		} else if ((s.p[i] == '}' || s.p[i] == ']') && depth && !--depth) {
			return i + 1;
		}
	}
	return 0;
}

static int next_value(struct json_stream *s, size_t n, json_t **out, struct err *e)
{
	*out = json_parse(s->text.p, n, e);
	buf_consume(&s->text, n);
	return *out ? 1 : -1;
}

/* Some more of the text: 1, 0 at its end, -1 with @e. */
static int read_more(struct json_stream *s, struct err *e)
{
	ssize_t got;

	if (s->text.n > STREAM_MAX)
		return err_kind(e, ERR_FAILED, "a value in the engine's answer is larger than %u bytes", STREAM_MAX);
	got = client_read(s->c, buf_room(&s->text, STREAM_PIECE), STREAM_PIECE, e);
	if (got <= 0)
		return (int)got;
	s->text.n += (size_t)got;
	s->text.p[s->text.n] = 0;
	return 1;
}

/* Up to and with the bracket. */
static int array_begin(struct json_stream *s, struct err *e)
{
	int rc = 1;

	s->array = true;
	while (rc > 0 && (buf_consume(&s->text, strspn(s->text.p, BLANKS)), !s->text.n))
		rc = read_more(s, e);
	if (rc < 0)
		return -1;
	if (*s->text.p != '[')
		return err_kind(e, ERR_INVALID, "Error reading the daemon's answer: it is no array");
	buf_consume(&s->text, 1);
	return 0;
}

/* To the end of the answer, so that the connection can be used again. */
static int array_end(struct json_stream *s, struct err *e)
{
	int rc;

	do {
		buf_reset(&s->text);
		rc = read_more(s, e);
	} while (rc > 0);
	return rc;
}

int json_stream_next(struct json_stream *s, json_t **out, struct err *e)
{
	size_t n;
	int rc;

	for (;;) {
		buf_consume(&s->text, strspn(s->text.p, s->array ? BLANKS "," : BLANKS));
		if (s->array && *s->text.p == ']')
			return array_end(s, e);
		n = whole_object((struct span){s->text.p, s->text.n});
		if (n)
			return next_value(s, n, out, e);
		rc = read_more(s, e);
		if (!rc && (s->text.n || s->array))
			return err_kind(e, ERR_FAILED, "unexpected EOF");
		if (rc <= 0)
			return rc;
	}
}

int call_each(struct docker *d, const char *to, int (*each)(void *arg, const json_t *item, struct err *e), void *arg,
	struct err *e)
{
	struct json_stream in = {.text = BUF_INIT};
	json_t *item;
	int rc;

	in.c = call_open(d, &(struct call){.method = "GET", .target = to}, false, e);
	if (!in.c)
		return -1;
	json_use_block();
	rc = array_begin(&in, e) ? -1 : 1;
	while (rc > 0 && (rc = json_stream_next(&in, &item, e)) > 0) {
		if (each(arg, item, e))
			rc = -1;
		json_decref(item);
	}
	buf_release(&in.text);
	if (rc)
		client_close(in.c);
	else
		call_done(d, in.c);
	return rc;
}

/* --- targets ------------------------------------------------------------------------------ */

char *target(const char *fmt, const char *arg)
{
	const char *at = strstr(fmt, "%s");
	struct buf b = BUF_INIT;

	buf_add(&b, fmt, (size_t)(at - fmt));
	encode(&b, arg, "-_.~/:@");
	buf_adds(&b, at + 2);
	return buf_detach(&b);
}

char *container_target(const char *fmt, const char *name, struct err *e)
{
	if (!*name || !name[strspn(name, " \t")]) {
		err_kind(e, ERR_INVALID, "invalid container name or ID: value is empty");
		return NULL;
	}
	return target(fmt, name);
}

void target_query(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "%c%s=", strchr(b->p, '?') ? '&' : '?', name);
	encode(b, value, "-_.~");
}
