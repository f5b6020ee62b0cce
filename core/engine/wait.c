/* SPDX-License-Identifier: MIT */
/*
 * core/engine/wait.c - answer when a container has ended
 *
 * Theory of operation
 *   A client asks to be told of the next end before it starts the container, and may start it only
 *   when it knows that we listen: so wait_begin() notes where we are, the API sends its headers,
 *   and wait_end() sleeps.  An end in between is not missed, as ends are counted.
 */
#include "engine/container.h"

void wait_begin(struct container *c, struct wait_state *s)
{
	waiter_add(c, &s->w);
	pthread_mutex_lock(&c->lock);
	s->exits = c->exits;
	pthread_mutex_unlock(&c->lock);
}

/* Is it time?  An end counts for who waits until it does not run, even if it runs again. */
static bool is_time(const struct container *c, const struct wait_state *s, enum wait_for what)
{
	bool running = c->status == ST_RUNNING || c->status == ST_RESTARTING || c->ending;

	if (c->removed || (what != WAIT_REMOVED && c->exits != s->exits))
		return true;
	return what == WAIT_NOT_RUNNING && !running;
}

/* The answer, if it is time; c->lock is held. */
static json_t *answer(const struct container *c, const struct wait_state *s, enum wait_for what)
{
	json_t *j;

	if (!is_time(c, s, what))
		return NULL;
	j = json_pack("{s:i}", "StatusCode", c->exits != s->exits ? c->last_exit_code : c->exit_code);
	if (c->error && what != WAIT_REMOVED && !c->removed)
		json_set_new(j, "Error", json_pack("{s:s}", "Message", c->error));
	return j;
}

json_t *wait_end(struct container *c, struct wait_state *s, enum wait_for what, int client_fd)
{
	json_t *j;

	do {
		pthread_mutex_lock(&c->lock);
		j = answer(c, s, what);
		pthread_mutex_unlock(&c->lock);
	} while (!j && waiter_sleep(&s->w, client_fd, -1));
	waiter_remove(c, &s->w);
	return j;
}
