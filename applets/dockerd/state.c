/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/state.c - the state directory, where RootlessKit's users look for the engine's namespaces
 *
 * Theory of operation
 *   DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR, or $XDG_RUNTIME_DIR/dockerd-rootless, has
 *	child_pid	a process of the engine's user and mount namespace
 *	netns		(inside that mount namespace) the network namespace of the containers' bridges
 *	api.sock	what rootlessctl speaks to: the engine answers (api/kit_api.h)
 *   as long as an engine is ready; the socket stays, and clients wait, while one follows another.  Its file "lock" is locked as RootlessKit does it, so that neither writes into what
 *   the other has.  One that was asked for by name must be free; the usual one is gone without by a second engine.
 */
#include "supervisor.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

static int lock(struct state_dir *s, struct err *e)
{
	if (fs_mkdir_p_at(AT_FDCWD, s->path, 0700, e))
		return err_wrap(e, "making the state directory");
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->lock = s->dir < 0 ? -1 : openat(s->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return err_set(e, errno, "opening %s/lock", s->path);
	if (!flock(s->lock, LOCK_EX | LOCK_NB)) {
		s->api = sock_listen_at(s->dir, "api.sock", SOCK_STREAM, 0600, e);
		return s->api < 0 ? -1 : 0;
	}
	fd_close(&s->lock);
	return err_kind(e, ERR_CONFLICT, "failed to lock %s/lock, another RootlessKit is running with the same state directory?",
		s->path);
}

int state_open(struct state_dir *s, const char *exec_root, struct err *e)
{
	const char *asked = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR");
	bool named = asked && *asked;
	struct err unheard = ERR_INIT;

	s->dir = s->lock = s->api = -1;
	if (named && *asked != '/')
		return err_kind(e, ERR_INVALID, "DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR: \"%s\" is not an absolute path", asked);
	s->path = named ? xstrdup(asked) : xasprintf("%s/dockerd-rootless", getenv("XDG_RUNTIME_DIR"));
	s->netns = fs_join(exec_root, "netns");
	return lock(s, named ? e : &unheard) && named ? -1 : 0;
}

void state_ready(const struct state_dir *s, pid_t engine)
{
	struct err e = ERR_INIT;
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)engine);

	if (s->lock < 0)
		return;
	unlinkat(s->dir, "netns", 0); /* of one that was killed */
	if (file_write_at(s->dir, "child_pid", pid, (size_t)n, 0444, 0, &e))
		log_err(&e, "writing %s/child_pid", s->path);
	if (symlinkat(s->netns, s->dir, "netns"))
		log_warn("making %s/netns: %s", s->path, strerror(errno));
}

void state_gone(const struct state_dir *s)
{
	if (s->lock < 0)
		return;
	unlinkat(s->dir, "child_pid", 0);
	unlinkat(s->dir, "netns", 0);
}

void state_close(struct state_dir *s)
{
	state_gone(s);
	if (s->lock >= 0) {
		unlinkat(s->dir, "api.sock", 0);
		unlinkat(s->dir, "lock", 0);
		rmdir(s->path); /* unless somebody else has put something there */
	}
	fd_close(&s->api);
	fd_close(&s->lock);
	fd_close(&s->dir);
	free(steal(&s->path));
	free(steal(&s->netns));
}
