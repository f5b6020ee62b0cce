/* SPDX-License-Identifier: MIT */
/*
 * core/engine/events.c - what happens, told to whoever asked
 *
 * Theory of operation
 *   The last RING events are kept, each one JSON object shared by all readers.  A subscriber has
 *   a queue of its own and an eventfd to sleep on, together with its client's descriptor.  Emitting
 *   costs a lock, one object, a line in a file, and a wake for each subscriber it concerns; it never
 *   waits: a reader that is QUEUE_MAX behind loses the oldest.
 *
 *   The file is <data-root>/events, a JSON object a line, so that what is remembered outlives the
 *   engine.  A line is one write(2) and not synced: a crash of the engine loses none, one of the
 *   machine the last seconds.  When it has FILE_LINES lines it is written anew with the last RING.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/filter.h"
#include "engine/schema.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING 256	/* events remembered, as Docker */
#define FILE_LINES 2048 /* lines after which the file is written anew */
#define FILE_MAX (16 << 20) /* bytes of it that are read */
#define QUEUE_MAX 4096	/* events a slow reader may be behind */

struct events_sub {
	struct events *events;
	struct events_sub *next;
	json_t *filters;
	json_t *queue; /* array; guarded by events->lock */
	int efd;       /* readable while the queue is not empty */
};

struct events {
	pthread_mutex_t lock;
	json_t *ring[RING];
	size_t n; /* emitted so far; ring[n % RING] is the next to go */
	struct events_sub *subs;
	int n_subs;
	int dirfd, fd; /* data-root, borrowed; the file, -1: none */
	size_t lines;  /* in it */
};

/* --- the file; ev->lock is held ---------------------------------------------------------------- */

static const char file_name[] = "events";

static void remember(struct events *ev, json_t *event)
{
	json_decref(ev->ring[ev->n % RING]);
	ev->ring[ev->n++ % RING] = event;
}

static size_t first(const struct events *ev)
{
	return ev->n > RING ? ev->n - RING : 0;
}

/* Half a line, which a crash of the machine may leave, is no event. */
static void load_file(struct events *ev)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;

	if (file_read_at(ev->dirfd, file_name, FILE_MAX, &text, NULL))
		return;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		json_t *event = line.n ? json_parse(line.p, line.n, NULL) : NULL;

		if (json_is_object(json_path(event, "Actor", "Attributes", NULL)) &&
			json_is_string(json_path(event, "Actor", "ID", NULL)) && json_str(event, "Type", NULL))
			remember(ev, event);
		else
			json_decref(event);
	}
}

/* Write the file anew with what is remembered. */
static void write_file(struct events *ev)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e;
	size_t i;

	for (i = first(ev); i < ev->n; i++)
		json_print(ev->ring[i % RING], true, &text);
	fd_close(&ev->fd);
	ev->lines = ev->n - first(ev);
	if (file_write_at(ev->dirfd, file_name, text.p, text.n, 0600, 0, &e))
		log_err(&e, "events are not kept over a restart");
	else
		ev->fd = openat(ev->dirfd, file_name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
}

static void add_to_file(struct events *ev, const json_t *event)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (ev->fd < 0)
		return;
	if (ev->lines >= FILE_LINES) {
		write_file(ev); /* with this one */
		return;
	}
	json_print(event, true, &text);
	if (!fd_write_full(ev->fd, text.p, text.n))
		ev->lines++;
}

struct events *events_open(int dirfd)
{
	struct events *ev = xcalloc(1, sizeof(*ev));

	pthread_mutex_init(&ev->lock, NULL);
	ev->dirfd = dirfd;
	ev->fd = -1;
	if (dirfd >= 0) {
		load_file(ev);
		write_file(ev);
	}
	return ev;
}

/* --- filters -------------------------------------------------------------------------------- */

static const char *attribute(const json_t *event, const char *key)
{
	return json_str(json_path(event, "Actor", "Attributes", NULL), key, "");
}

/* "exec_create" stands for "exec_create: sh -c …". */
static bool match_action(const json_t *values, const char *action)
{
	static const char *const open_ended[] = {"exec_create", "exec_start", "health_status", NULL};
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v) {
		const char *want = json_string_value(v);

		if (!strcmp(want, action) ||
			(str_in(want, open_ended) && !strncmp(action, want, strlen(want))))
			return true;
	}
	return false;
}

/* By a prefix of id or name, for events of that type only. */
static bool match_actor(const json_t *values, const json_t *event, const char *type)
{
	const char *id = json_string_value(json_path(event, "Actor", "ID", NULL));
	const json_t *v;
	size_t i;

	if (strcmp(json_str(event, "Type", ""), type))
		return false;
	json_array_foreach(values, i, v) {
		const char *want = json_string_value(v);

		if (!strncmp(id, want, strlen(want)) ||
			!strncmp(attribute(event, "name"), want, strlen(want)))
			return true;
	}
	return false;
}

static bool same_image(const char *name, const char *want)
{
	const char *colon = strrchr(name, ':');

	return !strcmp(name, want) || (colon && !strchr(colon, '/') &&
		strlen(want) == (size_t)(colon - name) && !strncmp(name, want, strlen(want)));
}

static bool match_image(const json_t *values, const json_t *event)
{
	bool container = !strcmp(json_str(event, "Type", ""), "container");
	const char *name = attribute(event, container ? "image" : "name");
	const char *id = json_string_value(json_path(event, "Actor", "ID", NULL));
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v) {
		const char *want = json_string_value(v);

		if (!strcmp(id, want) || same_image(name, want))
			return true;
	}
	return false;
}

static bool match_one(const char *key, const json_t *values, const json_t *event)
{
	static const char *const actors[] = {"container", "network", "volume", "plugin", "daemon",
		"service", "node", "secret", "config", NULL};

	if (!json_array_size(values))
		return true;
	if (!strcmp(key, "type"))
		return filter_has(values, json_str(event, "Type", ""));
	if (!strcmp(key, "event"))
		return match_action(values, json_str(event, "Action", ""));
	if (!strcmp(key, "scope"))
		return filter_has(values, "local");
	if (!strcmp(key, "image"))
		return match_image(values, event);
	if (!strcmp(key, "label"))
		return filter_labels(values, json_path(event, "Actor", "Attributes", NULL));
	if (str_in(key, actors))
		return match_actor(values, event, key);
	return true;
}

static bool match(const json_t *filters, const json_t *event)
{
	const char *key;
	json_t *values;

	json_object_foreach((json_t *)(uintptr_t)filters, key, values)
		if (!match_one(key, values, event))
			return false;
	return true;
}

/* --- emit ----------------------------------------------------------------------------------- */

static json_t *make(const char *type, const char *action, const char *id, json_t *attributes)
{
	bool container = !strcmp(type, "container"), image = !strcmp(type, "image");
	json_t *j = json_object(), *actor = json_object();
	int64_t now = clock_real_ns();

	if (container || image) {
		json_set_str(j, "status", action);
		if (*id)
			json_set_str(j, "id", id);
		if (container && json_str(attributes, "image", NULL))
			json_set_str(j, "from", json_str(attributes, "image", ""));
	}
	json_set_str(j, "Type", type);
	json_set_str(j, "Action", action);
	json_set_str(actor, "ID", id);
	json_set_new(actor, "Attributes", attributes ? json_sorted(attributes) : json_object());
	json_set_new(j, "Actor", actor);
	json_set_str(j, "scope", "local");
	json_set_int(j, "time", now / NS_PER_S);
	json_set_int(j, "timeNano", now);
	return j;
}

static void deliver(struct events_sub *s, json_t *event)
{
	uint64_t one = 1;

	if (!match(s->filters, event))
		return;
	if (json_array_size(s->queue) >= QUEUE_MAX)
		json_array_remove(s->queue, 0);
	json_array_append(s->queue, event);
	if (write(s->efd, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

void events_emit(struct engine *en, const char *type, const char *action, const char *id,
	json_t *attributes)
{
	struct events *ev = en->events;
	json_t *event = make(type, action, id, attributes);
	struct events_sub *s;

	json_decref(attributes);
	pthread_mutex_lock(&ev->lock);
	remember(ev, event);
	add_to_file(ev, event);
	for (s = ev->subs; s; s = s->next)
		deliver(s, event);
	pthread_mutex_unlock(&ev->lock);
}

/* --- subscribe ------------------------------------------------------------------------------ */

struct events_sub *events_subscribe(struct engine *en, int64_t since_ns, const json_t *filters)
{
	struct events *ev = en->events;
	struct events_sub *s = xcalloc(1, sizeof(*s));
	size_t i;

	s->events = ev;
	s->filters = filters ? json_deep_copy(filters) : json_object();
	s->queue = json_array();
	s->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_lock(&ev->lock);
	for (i = first(ev); since_ns && i < ev->n; i++)
		if (json_int(ev->ring[i % RING], "timeNano", 0) >= since_ns)
			deliver(s, ev->ring[i % RING]);
	s->next = ev->subs;
	ev->subs = s;
	ev->n_subs++;
	pthread_mutex_unlock(&ev->lock);
	return s;
}

static json_t *take(struct events_sub *s)
{
	json_t *event;
	uint64_t drop;

	pthread_mutex_lock(&s->events->lock);
	event = json_array_get(s->queue, 0);
	json_incref(event);
	if (event)
		json_array_remove(s->queue, 0);
	else if (read(s->efd, &drop, sizeof(drop)) < 0)
		errno = 0; /* nothing was there: fine */
	pthread_mutex_unlock(&s->events->lock);
	return event;
}

json_t *events_next(struct events_sub *s, int64_t deadline, int gone_fd)
{
	struct pollfd p[2] = {{s->efd, POLLIN, 0}, {gone_fd, POLLIN | POLLRDHUP, 0}};
	int64_t left = -1;
	json_t *event;
	int n;

	for (;;) {
		event = take(s);
		if (event)
			return event;
		if (deadline >= 0) {
			left = deadline - clock_mono_ns();
			if (left <= 0)
				return NULL;
			left = left / NS_PER_MS + 1;
		}
		n = poll(p, 2, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n < 0 && errno != EINTR)
			return NULL;
		if (n > 0 && p[1].revents)
			return NULL;
	}
}

void events_unsubscribe(struct events_sub *s)
{
	struct events *ev = s->events;
	struct events_sub **at;

	pthread_mutex_lock(&ev->lock);
	for (at = &ev->subs; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	ev->n_subs--;
	pthread_mutex_unlock(&ev->lock);
	json_decref(s->filters);
	json_decref(s->queue);
	fd_close(&s->efd);
	free(s);
}

int events_listeners(struct engine *en)
{
	int n;

	pthread_mutex_lock(&en->events->lock);
	n = en->events->n_subs;
	pthread_mutex_unlock(&en->events->lock);
	return n;
}
