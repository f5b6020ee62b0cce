/* SPDX-License-Identifier: MIT */
/*
 * core/engine/stop.c - stop, kill, restart, resize
 *
 * Theory of operation
 *   A stop sends its signal, sleeps on the container's condition until the end or the deadline,
 *   then sends SIGKILL and sleeps on.  It is no op: others may look, wait and stop as well.  It
 *   goes on when its client leaves, as Docker's does.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "engine/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define STOP_TIMEOUT_S 10 /* Docker's default */
#define KILL_WAIT_S 10	  /* for the end of one that was sent SIGKILL, before saying so */

static int stop_signal(const struct container *c, const char *given)
{
	const char *name = given ? given : json_str(c->config, "StopSignal", "");
	int n = *name ? signal_number(name) : SIGTERM;

	return n > 0 ? n : SIGTERM;
}

static void kill_event(struct engine *en, struct container *c, int signo)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", signo);
	container_event(en, c, "kill", json_pack("{s:s}", "signal", number));
}

static int send_signal(struct engine *en, struct container *c, int signo, struct err *e)
{
	cleanup_close int ctl = container_ctl(c, e);

	if (ctl < 0 || monitor_signal(ctl, signo, e))
		return -1;
	container_signalled(en, c, signo, stop_signal(c, NULL));
	kill_event(en, c, signo);
	return 0;
}

/* Until it has ended once more; false when @deadline (mono ns, -1: none) is over. */
static bool wait_end_of(struct container *c, uint64_t exits, int64_t deadline)
{
	struct timespec ts = {deadline / NS_PER_S, deadline % NS_PER_S};
	bool ended;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	while (c->exits == exits && !c->removed && rc != ETIMEDOUT)
		rc = deadline < 0 ? pthread_cond_wait(&c->changed, &c->lock) :
				    pthread_cond_timedwait(&c->changed, &c->lock, &ts);
	ended = c->exits != exits || c->removed;
	pthread_mutex_unlock(&c->lock);
	return ended;
}

/* One that waits for its restart stops by not being started. */
static bool call_off_restart(struct engine *en, struct container *c)
{
	bool waiting;

	pthread_mutex_lock(&c->lock);
	waiting = c->status == ST_RESTARTING;
	c->stopped_by_user = true;
	if (waiting) {
		c->status = ST_EXITED;
		c->restart_at = 0;
		container_notify(c);
	}
	pthread_mutex_unlock(&c->lock);
	if (waiting)
		container_save_state(en, c);
	return waiting;
}

static int stop_running(struct engine *en, struct container *c, int signo, int64_t timeout_s,
	uint64_t exits, struct err *e)
{
	int64_t deadline = timeout_s < 0 ? -1 : clock_mono_ns() + timeout_s * NS_PER_S;

	if (send_signal(en, c, signo, e) && e->kind != ERR_CONFLICT)
		return -1;
	if (wait_end_of(c, exits, deadline))
		return 0;
	if (send_signal(en, c, SIGKILL, e) && e->kind != ERR_CONFLICT)
		return -1;
	if (wait_end_of(c, exits, clock_mono_ns() + KILL_WAIT_S * NS_PER_S))
		return 0;
	return err_set(e, 0, "tried to kill container, but did not receive an exit event");
}

static int stop(struct engine *en, struct container *c, const struct stop_options *o, struct err *e)
{
	int64_t timeout = o->has_timeout ? o->timeout_s : json_int(c->config, "StopTimeout", STOP_TIMEOUT_S);
	uint64_t exits;
	bool running;
	int rc;

	container_begin(c); /* one that is being started: stop it when it is */
	pthread_mutex_lock(&c->lock);
	running = c->status == ST_RUNNING;
	exits = c->exits;
	c->stopping += running;
	pthread_mutex_unlock(&c->lock);
	container_end(c);
	if (call_off_restart(en, c))
		return 0;
	if (!running)
		return err_kind(e, ERR_NOT_MODIFIED, "container %s is not running", c->id);
	if (timeout > INT32_MAX)
		timeout = -1;
	rc = stop_running(en, c, stop_signal(c, o->signal), timeout, exits, e);
	pthread_mutex_lock(&c->lock);
	c->stopping--;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int check_signal(const char *signal, const char *ref, const char *verb, struct err *e)
{
	if (!signal || !*signal || signal_number(signal) > 0)
		return 0;
	return err_set(e, 0, "cannot %s container: %s: invalid signal: %s", verb, ref, signal);
}

int container_stop(struct engine *en, struct container *c, const char *ref,
	const struct stop_options *o, struct err *e)
{
	if (check_signal(o->signal, ref, "stop", e))
		return -1;
	if (!stop(en, c, o, e))
		return 0;
	return e->kind == ERR_NOT_MODIFIED ? -1 : err_wrap(e, "cannot stop container: %s", ref);
}

static void mark_restarting(struct container *c, int by)
{
	pthread_mutex_lock(&c->lock);
	c->restarting_by_user += by;
	pthread_mutex_unlock(&c->lock);
}

int container_restart(struct engine *en, struct container *c, const char *ref,
	const struct stop_options *o, struct err *e)
{
	int rc;

	if (check_signal(o->signal, ref, "restart", e))
		return -1;
	/* --rm must not take it between its end and its next start. */
	mark_restarting(c, 1);
	rc = stop(en, c, o, e);
	if (!rc || e->kind == ERR_NOT_MODIFIED)
		rc = container_start(en, c, e);
	mark_restarting(c, -1);
	if (rc && e->kind != ERR_NOT_MODIFIED)
		return err_wrap(e, "Cannot restart container %s", ref);
	container_event(en, c, "restart", NULL);
	return 0;
}

/* --- kill ------------------------------------------------------------------------------------- */

static bool is_number(const char *s)
{
	s += *s == '-';
	return *s && strspn(s, "0123456789") == strlen(s);
}

static int parse_kill(const char *signal, int *signo, struct err *e)
{
	*signo = signal && *signal ? signal_number(signal) : SIGKILL;
	if (*signo > 0)
		return 0;
	if (is_number(signal) && strspn(signal, "0") < strlen(signal))
		return err_kind(e, ERR_INVALID, "the linux daemon does not support signal %s", signal);
	return err_kind(e, ERR_INVALID, "invalid signal: %s", signal);
}

static int kill_container(struct engine *en, struct container *c, int signo, struct err *e)
{
	int64_t deadline = clock_mono_ns() + KILL_WAIT_S * NS_PER_S;
	uint64_t exits;
	bool running;

	if (signo == SIGKILL || signo == stop_signal(c, NULL)) {
		if (call_off_restart(en, c))
			return 0;
	}
	pthread_mutex_lock(&c->lock);
	exits = c->exits;
	running = c->status == ST_RUNNING;
	pthread_mutex_unlock(&c->lock);
	if (!send_signal(en, c, signo, e)) {
		if (signo == SIGKILL)
			wait_end_of(c, exits, deadline);
		return 0;
	}
	if (e->kind != ERR_CONFLICT)
		return -1;
	/* It has ended just now: who wants it dead next removes it, and finds it noted. */
	if (running && signo == SIGKILL)
		wait_end_of(c, exits, deadline);
	return err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
}

int container_kill(struct engine *en, const char *ref, const char *signal, struct err *e)
{
	struct container *c = NULL;
	int signo, rc = -1;

	if (!parse_kill(signal, &signo, e) && (c = container_get(en, ref, e)))
		rc = kill_container(en, c, signo, e);
	container_put(c);
	return rc ? err_wrap(e, "cannot kill container: %s", ref) : 0;
}

int container_resize(struct engine *en, struct container *c, unsigned int h, unsigned int w,
	struct err *e)
{
	cleanup_close int ctl = container_ctl(c, e);
	char height[12], width[12];

	if (ctl < 0)
		return -1;
	/* Without a terminal there is nothing to resize, and nothing to complain about. */
	if (container_tty(c) && h && w && monitor_resize(ctl, h, w, e))
		return -1;
	snprintf(height, sizeof(height), "%u", h);
	snprintf(width, sizeof(width), "%u", w);
	container_event(en, c, "resize", json_pack("{s:s, s:s}", "height", height, "width", width));
	return 0;
}
