/* SPDX-License-Identifier: MIT */
/*
 * core/net/netns.c - doing something in another network namespace
 *
 * Theory of operation
 *   A thread enters the namespace, does the work and ends: it has nothing to restore.  It is joined, so
 *   that the caller's arguments may lie on the caller's stack.
 *
 *   A namespace is pinned by a bind mount of the thread's own /proc entry, made by the thread itself
 *   before it ends.  The mount lives in the mount namespace that engine, monitors and netd share, and
 *   goes with the last of them.
 */
#include "net/netns.h"
#include "base/fs.h"

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#define STACK_KB 64

struct visit {
	int netns;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int rc;
};

static void *visit_main(void *p)
{
	struct visit *v = p;

	if (v->netns < 0 ? unshare(CLONE_NEWNET) : setns(v->netns, CLONE_NEWNET))
		v->rc = err_set(v->e, errno, "%s a network namespace", v->netns < 0 ? "making" : "entering");
	else
		v->rc = v->fn(v->arg, v->e);
	return NULL;
}

int netns_run(int netns, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct visit v = {netns, fn, arg, e, -1};
	size_t stack_kb = STACK_KB;
	pthread_attr_t attr;
	pthread_t t;
	int rc;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	stack_kb = 1024;
#endif
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_kb * 1024);
	rc = pthread_create(&t, &attr, visit_main, &v);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_set(e, rc, "starting a thread for another network namespace");
	pthread_join(t, NULL);
	return v.rc;
}

struct wanted_socket {
	int family, type, protocol;
	int fd;
};

static int make_socket(void *arg, struct err *e)
{
	struct wanted_socket *w = arg;

	w->fd = socket(w->family, w->type | SOCK_CLOEXEC, w->protocol);
	if (w->fd < 0 && w->family == AF_NETLINK)
		return err_set(e, errno, "opening a netlink socket");
	return w->fd < 0 ? err_set(e, errno, "opening a socket of family %d", w->family) : 0;
}

int netns_socket(int netns, int family, int type, int protocol, struct err *e)
{
	struct wanted_socket w = {family, type, protocol, -1};

	if (netns < 0 ? make_socket(&w, e) : netns_run(netns, make_socket, &w, e))
		return -1;
	return w.fd;
}

static int open_own(void *arg, struct err *e)
{
	int *fd = arg;

	*fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(e, errno, "opening the new network namespace") : 0;
}

int netns_new(struct err *e)
{
	int fd = -1;

	return netns_run(-1, open_own, &fd, e) ? -1 : fd;
}

struct pin {
	int dirfd;
	const char *name;
};

static int pin_here(void *arg, struct err *e)
{
	const struct pin *p = arg;
	char path[256];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", p->dirfd, p->name);
	if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL))
		return err_set(e, errno, "keeping the network namespace at %s", p->name);
	return 0;
}

static bool is_namespace(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == NSFS_MAGIC;
}

int netns_open_pinned(int dirfd, const char *name, bool *made, struct err *e)
{
	struct pin pin = {dirfd, name};
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(e, errno, "opening %s", name);
	*made = !is_namespace(fd);
	if (!*made)
		return fd_steal(&fd);
	if (netns_run(-1, pin_here, &pin, e))
		return -1;
	fd_close(&fd);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !is_namespace(fd))
		return err_set(e, fd < 0 ? errno : EINVAL, "opening the network namespace at %s", name);
	return fd_steal(&fd);
}
