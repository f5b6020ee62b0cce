/* SPDX-License-Identifier: MIT */
/*
 * core/engine/attach.c - give a client's socket to the monitor, now or at the next start
 *
 * Theory of operation
 *   The engine relays nothing: the monitor gets the socket itself, and serves it even when the
 *   engine ends.  A client that attaches before the start waits in the container's list, where
 *   the watcher sees it leave; start.c hands the list over together with the process, so that no
 *   byte of output is missed.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "engine/watch.h"

#include <ctype.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ATTACHING_MAX (2 * NS_PER_S) /* for a client that does not take its answer */

/* One key: a letter, or "ctrl-" and a letter or one of @ [ \ ] ^ _ */
static int parse_key(struct span key, char *out)
{
	if (key.n == 1) {
		*out = *key.p;
		return 0;
	}
	if (key.n != 6 || strncmp(key.p, "ctrl-", 5))
		return -1;
	if (isalpha((unsigned char)key.p[5]))
		*out = (char)(tolower((unsigned char)key.p[5]) - 'a' + 1);
	else if (key.p[5] == '@')
		return -1; /* a NUL cannot be told from the end of the keys */
	else if (strchr("[\\]^_", key.p[5]))
		*out = (char)(key.p[5] - '@');
	else
		return -1;
	return 0;
}

int detach_keys_parse(const char *text, char **out)
{
	struct span rest = span_of(text), key;
	cleanup_buf struct buf keys = BUF_INIT;
	char c;

	while (span_token(&rest, ',', &key)) {
		if (parse_key(key, &c))
			return -1;
		buf_addc(&keys, c);
	}
	*out = buf_detach(&keys);
	return 0;
}

void pending_free(struct pending *p)
{
	struct pending *next;

	for (; p; p = next) {
		next = p->next;
		fd_close(&p->fd);
		free(p->detach_keys);
		free(p->early);
		free(p);
	}
}

struct pending *pending_take(struct engine *en, struct container *c)
{
	int64_t deadline = clock_mono_ns() + ATTACHING_MAX;
	struct timespec ts = {deadline / NS_PER_S, deadline % NS_PER_S};
	struct pending *all, *p;

	pthread_mutex_lock(&c->lock);
	while (c->attaching && !pthread_cond_timedwait(&c->changed, &c->lock, &ts))
		;
	all = c->pending;
	c->pending = NULL;
	pthread_mutex_unlock(&c->lock);
	for (p = all; p; p = p->next)
		watch_remove(en, p->watch, p->fd);
	return all;
}

void pending_gone(struct engine *en, struct container *c, uint64_t watch)
{
	struct pending **at, *p;

	pthread_mutex_lock(&c->lock);
	for (at = &c->pending; *at && (*at)->watch != watch; at = &(*at)->next)
		;
	p = *at;
	if (p) {
		*at = p->next;
		p->next = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if (!p)
		return; /* the start has just taken it */
	watch_remove(en, watch, p->fd);
	pending_free(p);
}

int container_check_attach(struct container *c, struct err *e)
{
	bool restarting;

	if (container_check_paused(c, "attach", e))
		return -1;
	pthread_mutex_lock(&c->lock);
	restarting = c->status == ST_RESTARTING;
	pthread_mutex_unlock(&c->lock);
	if (!restarting)
		return 0;
	return err_kind(e, ERR_CONFLICT, "container %s is restarting, wait until the container is running",
		c->id);
}

void attach_begin(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	c->attaching++;
	pthread_mutex_unlock(&c->lock);
}

void attach_end(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	c->attaching--;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static struct pending *pending_new(int fd, const struct attach_options *o)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->fd = fd;
	p->in = o->in;
	p->out = o->out;
	p->err = o->err;
	p->framed = o->framed;
	p->detach_keys = xstrdup(o->detach_keys);
	p->early_len = o->early_len;
	if (o->early_len) {
		p->early = xmalloc(o->early_len);
		memcpy(p->early, o->early, o->early_len);
	}
	return p;
}

/* Behind those that wait already.  False if it runs by now, or is on its way out: a removal has let go of those that
 * waited, and nothing comes after it. */
static bool enqueue(struct engine *en, struct container *c, struct pending *p)
{
	struct pending **at;
	bool waits;

	pthread_mutex_lock(&c->lock);
	waits = c->ctl < 0 && !c->removed && c->status != ST_REMOVING;
	if (waits) {
		for (at = &c->pending; *at; at = &(*at)->next)
			;
		*at = p;
		p->watch = watch_add(en, p->fd, WATCH_PENDING, c, NULL);
	}
	pthread_mutex_unlock(&c->lock);
	return waits;
}

int container_attach(struct engine *en, struct container *c, int fd, const struct attach_options *o,
	struct err *e)
{
	struct monitor_attach a = {.fd = fd, .in = o->in && json_bool(c->config, "OpenStdin", false),
		.out = o->out, .err = o->err, .framed = o->framed, .detach_keys = o->detach_keys,
		.early = o->early, .early_len = o->early_len};
	struct attach_options checked = *o;
	struct pending *p;
	int ctl, rc;

	checked.in = a.in;
	ctl = container_ctl(c, NULL);
	if (ctl < 0) {
		p = pending_new(fd, &checked);
		if (enqueue(en, c, p))
			return 0;
		p->fd = -1;
		pending_free(p);
		ctl = container_ctl(c, e);
	}
	rc = ctl < 0 ? -1 : monitor_attach(ctl, &a, e);
	fd_close(&ctl);
	close(fd);
	return rc;
}
