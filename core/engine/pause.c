/* SPDX-License-Identifier: MIT */
/*
 * core/engine/pause.c - docker pause and unpause
 *
 * Theory of operation
 *   The monitor stops and continues the processes, and its directory tells the next engine that it
 *   did (runtime/freeze.c).  Here is who may ask for it, and what becomes of a request that a paused
 *   container cannot serve: exec and attach are refused; a signal that is to end it is sent, and
 *   then it goes on, as else it would never see it.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "engine/health.h"

#include <signal.h>

static bool is_paused(struct container *c)
{
	bool paused;

	pthread_mutex_lock(&c->lock);
	paused = c->paused;
	pthread_mutex_unlock(&c->lock);
	return paused;
}

static int check_pausable(struct container *c, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->status == ST_RESTARTING)
		rc = err_kind(e, ERR_CONFLICT,
			"Container %s is restarting, wait until the container is running", c->id);
	else if (c->status != ST_RUNNING)
		rc = err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
	else if (c->paused)
		rc = err_kind(e, ERR_CONFLICT, "Container %s is already paused", c->id);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* Tell the monitor, and note it if the container is still the one that was told. */
static int freeze(struct engine *en, struct container *c, bool on, struct err *e)
{
	cleanup_close int ctl = container_ctl(c, e);

	if (ctl < 0 || monitor_freeze(ctl, on, e))
		return err_wrap(e, on ? "cannot pause container %s" : "Cannot unpause container %s", c->id);
	pthread_mutex_lock(&c->lock);
	c->paused = on && c->status == ST_RUNNING;
	if (c->paused)
		health_end(c);
	else
		health_resume(en, c);
	container_notify(c);
	pthread_mutex_unlock(&c->lock);
	container_save_state(en, c);
	container_event(en, c, on ? "pause" : "unpause", NULL);
	return 0;
}

int container_pause(struct engine *en, struct container *c, struct err *e)
{
	int rc;

	container_begin(c);
	rc = check_pausable(c, e) || freeze(en, c, true, e) ? -1 : 0;
	container_end(c);
	return rc;
}

int container_unpause(struct engine *en, struct container *c, struct err *e)
{
	int rc;

	container_begin(c);
	rc = is_paused(c) ? freeze(en, c, false, e) : err_set(e, 0, "Container %s is not paused", c->id);
	container_end(c);
	return rc;
}

void container_signalled(struct engine *en, struct container *c, int signo, int stop_signal)
{
	struct err e;

	if ((signo == SIGKILL || signo == stop_signal) && is_paused(c))
		container_unpause(en, c, &e); /* or it has ended, which is as good */
}

int container_check_paused(struct container *c, const char *what, struct err *e)
{
	if (!is_paused(c))
		return 0;
	return err_kind(e, ERR_CONFLICT, "%s %s is paused, unpause the container before %s",
		strcmp(what, "exec") ? "container" : "Container", c->id, what);
}
