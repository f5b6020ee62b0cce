/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/front.c - the process that speaks TLS, as the supervisor sees it
 *
 * Theory of operation
 *   Sockets with TLS are not the engine's: the role ":tls" (core/api/tls_role.h) accepts on them and
 *   relays to a unix socket in the exec-root, which the engine serves like any other.  Supervisor and
 *   front outlive engines, so a client that connects meanwhile only waits.  A front that dies is
 *   followed by the next one: at once, or after a pause if it lived shortly.
 */
#include "supervisor.h"

#include "api/tls_role.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "registry/trust.h"

#include <stdio.h>
#include <stdlib.h>

#define QUICK_NS (10 * NS_PER_S)
#define PAUSE_NS NS_PER_S

int front_prepare(struct front *f, struct listeners *l, const struct config *c, struct err *e)
{
	cleanup_free char *host = xasprintf("unix://%s/tls.sock", c->exec_root);
	struct tls_trust *trust;
	size_t i, kept = 0;

	for (i = 0; i < l->n; i++) {
		if (l->v[i].tls)
			f->tls.v[f->tls.n++] = l->v[i];
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	if (!f->tls.n)
		return 0;
	trust = tls_role_trust(c->raw, e);
	if (!trust)
		return -1;
	tls_trust_free(trust);
	if (listeners_add(l, host, c, e))
		return -1;
	f->engine = l->v[l->n - 1];
	return 0;
}

int front_start(struct front *f, int memory, struct err *e)
{
	int fds[1 + ROLE_LISTEN_MAX] = {memory};
	char count[16];
	size_t i;

	for (i = 0; i < f->tls.n; i++)
		fds[1 + i] = f->tls.v[i].fd;
	snprintf(count, sizeof(count), "%zu", f->tls.n);
	f->begun = clock_mono_ns();
	return proc_spawn_role((const char *const[]){":tls", f->engine.path, count, NULL}, fds, 1 + f->tls.n, &f->pid,
		NULL, e);
}

void front_ended(struct front *f)
{
	bool quick = clock_mono_ns() - f->begun < QUICK_NS;

	f->pid = 0;
	f->start_at = clock_mono_ns() + (quick ? PAUSE_NS : 0);
	log_error("the process that speaks TLS ended unexpectedly; starting the next one%s", quick ? " after a pause" : "");
}

void front_close(struct front *f)
{
	listeners_close(&f->tls);
}
