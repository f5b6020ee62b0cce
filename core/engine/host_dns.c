/* SPDX-License-Identifier: MIT */
/*
 * core/engine/host_dns.c - netd's name server asks the servers that the host uses now
 *
 * Theory of operation
 *   netd has no files, so the engine tells it what /etc/resolv.conf names: when it starts, when netd was
 *   started again, and when the file changes.  That file is mostly a link, and replaced by a rename; so the
 *   directory of each step of the way is watched, and the file at the end, as it may be a mount.  Each
 *   event about one of them has the way looked at anew.
 *
 *   The way is the watcher's thread's; telling, which may wait for netd, has a thread of its own.
 */
#include "engine/host_dns.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/files.h"
#include "engine/watch.h"
#include "net/dns.h"
#include "net/inet.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define START "/etc/resolv.conf"
#define STEPS_MAX 8
#define STACK_KB 64
#define DIR_EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ONLYDIR)

static struct {
	int wd;
	char *name; /* in the directory; "": the file itself */
} watches[STEPS_MAX + 1];
static size_t n_watches;

/* --- telling ------------------------------------------------------------------------------------ */

void host_dns_tell(struct engine *en)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what was read last is told last */
	cleanup_json json_t *servers = NULL;
	const char **v;
	const json_t *s;
	struct inet a;
	size_t n = 0, i;
	struct err e;

	pthread_mutex_lock(&lock);
	servers = files_host_servers();
	v = xcalloc(json_array_size(servers) + 1, sizeof(*v));
	json_array_foreach(servers, i, s)
		if (!inet_parse(span_of(json_string_value(s)), &a)) /* one with a zone is the host's alone */
			v[n++] = json_string_value(s);
	if (en->netd && dns_host_servers(en->netd, v, &e))
		log_err(&e, "telling containers' name server the host's servers");
	free((void *)(uintptr_t)v);
	pthread_mutex_unlock(&lock);
}

static void tell_later(void *arg)
{
	host_dns_tell(arg);
}

/* --- watching ----------------------------------------------------------------------------------- */

static void watch_it(struct engine *en, const char *path, uint32_t events, const char *name)
{
	int wd = watch_path(en, path, events);

	if (wd < 0 || n_watches == ARRAY_SIZE(watches))
		return;
	watches[n_watches].wd = wd;
	watches[n_watches++].name = xstrdup(name);
}

static void unwatch_all(struct engine *en)
{
	while (n_watches) {
		unwatch_path(en, watches[--n_watches].wd);
		free(watches[n_watches].name);
	}
}

static void watch_way(struct engine *en)
{
	char *path = xstrdup(START);
	char target[PATH_MAX];

	unwatch_all(en);
	for (int step = 0; step < STEPS_MAX - 1; step++) {
		const char *name = strrchr(path, '/') + 1; /* it is absolute */
		cleanup_free char *dir = xstrndup(path, (size_t)(name - path));
		ssize_t n;

		watch_it(en, dir, DIR_EVENTS, name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			break;
		target[n] = 0;
		free(path);
		path = *target == '/' ? xstrdup(target) : xasprintf("%s%s", dir, target);
	}
	watch_it(en, path, IN_CLOSE_WRITE, "");
	free(path);
}

void host_dns_event(struct engine *en, int wd, const char *name)
{
	size_t i;

	for (i = 0; i < n_watches && (watches[i].wd != wd || strcmp(watches[i].name, name)); i++)
		;
	if (i == n_watches)
		return;
	watch_way(en);
	if (thread_start("resolv", tell_later, en, STACK_KB))
		host_dns_tell(en);
}

void host_dns_watch(struct engine *en)
{
	watch_way(en);
}
