/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/confine.c - the monitor keeps its container's cgroup: made, entered, changed, removed
 *
 * Theory of operation
 *   Where the directory is ours to make (cgroupfs), it is there with its limits before the process, which
 *   is born into it (CLONE_INTO_CGROUP).  systemd starts a scope only with a process in it: so that
 *   is cloned, waits at its gate, and goes on when it has been moved and its limits are set.  An exec is
 *   born into the container's; where we may not put it there (an engine started from a login session is
 *   outside of what is delegated to the user's manager), the manager moves it, as it did with the first.
 *
 *   A cgroup namespace has as its root the cgroup that its maker was in, so the process makes it for
 *   itself, behind the gate.
 *
 *   What the kernel kills for want of memory is counted in memory.events, which is watched: when the last
 *   process has gone, systemd removes the cgroup at once.
 *
 *   If we are killed, the init dies with us; then systemd drops the scope, or the engine the directory
 *   (its path stands in monitor.json).
 */
#include "base/fs.h"
#include "limits/cgroup.h"
#include "limits/systemd.h"
#include "runtime/monitor.h"
#include "runtime/start.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define END_MS 10000 /* for those that are in an uninterruptible wait */

void confine_init(struct monitor *m, const json_t *settings)
{
	m->confine.path = xstrdup(json_str(settings, "path", NULL));
	m->confine.unit = xstrdup(json_str(settings, "unit", NULL));
	m->confine.slice = xstrdup(json_str(settings, "slice", NULL));
}

static int set_limits(struct monitor *m, const struct limits *l, struct err *e)
{
	return cgroup_set(m->confine.dir, l, m->confine.controllers, e) ?
		err_wrap(e, "unable to apply cgroup configuration") : 0;
}

static int make_own(struct monitor *m, struct err *e)
{
	struct confine *c = &m->confine;

	if (cgroup_destroy(c->path, END_MS, e)) /* of one whose monitor was killed */
		return -1;
	c->dir = cgroup_make(c->path, e);
	if (c->dir < 0)
		return err_wrap(e, "unable to apply cgroup configuration");
	c->controllers = cgroup_controllers(c->dir);
	return set_limits(m, &m->limits, e);
}

int confine_prepare(struct monitor *m, struct start *st, struct err *e)
{
	struct confine *c = &m->confine;

	st->cgroup = -1;
	if (!c->path && !c->unit)
		return 0;
	st->cgroup_ns = st->make & CLONE_NEWCGROUP;
	st->make &= ~(uint64_t)CLONE_NEWCGROUP;
	if (m->is_exec) {
		c->dir = cgroup_open(c->path);
		if (c->dir < 0)
			return err_kind(e, ERR_CONFLICT, "the container's cgroup is gone: it is about to end");
	} else if (c->path && make_own(m, e)) {
		return -1;
	}
	st->cgroup = c->dir;
	st->gate = st->cgroup < 0;
	return 0;
}

/* A directory that we may not put processes into, or one that has children by now (an init system moved
 * itself below): not born there, then. */
static bool is_refused(int code)
{
	return code == EACCES || code == EPERM || code == EBUSY || code == EOPNOTSUPP;
}

pid_t confine_clone(struct monitor *m, struct start *st, struct err *e)
{
	pid_t pid = start_clone(st, &m->init.fd, e);

	if (pid >= 0 || !m->is_exec || st->cgroup < 0 || !is_refused(e->code))
		return pid;
	st->cgroup = -1;
	st->gate = true;
	return start_clone(st, &m->init.fd, e);
}

/* --- behind the clone ----------------------------------------------------------------------------------- */

static void read_events(struct monitor *m)
{
	char text[512];
	ssize_t n = m->confine.events.fd < 0 ? -1 : pread(m->confine.events.fd, text, sizeof(text), 0);

	if (n > 0)
		m->confine.oom_kills = cgroup_parse((struct span){ text, (size_t)n }, "oom_kill", m->confine.oom_kills);
}

static void events_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	(void)events;
	read_events(m);
	/* A removed cgroup's file is ready for ever, and says nothing. */
	if (faccessat(m->confine.dir, "memory.events", F_OK, 0))
		watch_drop(m, w);
}

static int start_scope(struct monitor *m, struct err *e)
{
	struct confine *c = &m->confine;
	cleanup_free char *what = xasprintf("container %s", c->unit);

	if (systemd_start_scope(c->unit, c->slice, what, m->pid, &m->limits, e))
		return err_wrap(e, "unable to apply cgroup configuration");
	c->path = cgroup_of(m->pid, e);
	c->dir = c->path ? cgroup_open(c->path) : -1;
	if (c->dir < 0)
		return c->path ? err_set(e, errno, "opening cgroup %s", c->path) : -1;
	c->controllers = cgroup_controllers(c->dir);
	return set_limits(m, &m->limits, e);
}

/* An exec that could not be born into the container's cgroup. */
static int move_exec(struct monitor *m, const struct start *st, struct err *e)
{
	cleanup_free char *now = cgroup_of(st->join_pid, e);
	cleanup_close int dir = now ? cgroup_open(now) : -1;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)m->pid);
	if (dir >= 0 && !cgroup_write(dir, "cgroup.procs", pid))
		return 0;
	if (!m->confine.unit)
		return err_set(e, errno, "joining the container's cgroup");
	return systemd_attach(m->confine.unit, m->pid, e);
}

int confine_enter(struct monitor *m, const struct start *st, struct err *e)
{
	struct confine *c = &m->confine;

	if (!c->path && !c->unit)
		return 0;
	if (st->gate && (m->is_exec ? move_exec(m, st, e) : start_scope(m, e)))
		return -1;
	if (!m->is_exec && c->controllers & CONTROL_MEMORY) {
		c->events = (struct watch){ .fd = openat(c->dir, "memory.events", O_RDONLY | O_CLOEXEC),
			.ready = events_ready };
		read_events(m);
		watch_set(m, &c->events, EPOLLPRI);
	}
	return st->gate ? start_go(st, e) : 0;
}

int confine_change(struct monitor *m, const struct limits *l, struct err *e)
{
	struct confine *c = &m->confine;

	if (c->dir < 0)
		return 0;
	if (c->unit && systemd_set(c->unit, l, e))
		return -1;
	return set_limits(m, l, e);
}

bool confine_end(struct monitor *m)
{
	struct confine *c = &m->confine;
	struct err e;

	if (c->dir < 0)
		return false;
	read_events(m);
	watch_drop(m, &c->events);
	if (c->unit)
		cgroup_kill(c->dir); /* the manager removes it */
	else
		cgroup_destroy(c->path, END_MS, &e); /* or the next engine */
	fd_close(&c->dir);
	return c->oom_kills > 0;
}
