/* SPDX-License-Identifier: MIT */
/*
 * core/api/engine_role.c - the engine process, from its start to its end
 *
 * Theory of operation
 *   (1) While there is one thread: enter the user and mount namespace. That is a new one, mapped by
 *       the supervisor, or, when a monitor of an earlier engine lives, the one that monitor is in:
 *       what its container has mounted and owns is only reachable there.
 *   (2) Read the state (engine_open), answer on the sockets the supervisor opened, say READY.
 *   (3) The main thread waits for signals: TERM and INT stop the containers and end it, HUP reads
 *       daemon.json again. A second thread waits for the supervisor's end.
 *   The lock on the data-root is a descriptor shared with the supervisor: it is held until the last
 *   of both has gone.
 */
#include "api/engine_role.h"
#include "api/http.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/engine.h"
#include "ns/ns.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_GRACE_MS 1000 /* for requests that run, once the containers have ended */

static struct engine engine;

static void tell(enum role_word word)
{
	sock_send(ROLE_CONTROL, &word, sizeof(word), NULL, 0);
}

static int fail(enum role_step step, const struct err *e)
{
	struct role_message m = {ROLE_FAILED, step, *e};

	sock_send(ROLE_CONTROL, &m, sizeof(m), NULL, 0);
	return 1;
}

/* --- the namespaces -------------------------------------------------------------------------- */

/* A pidfd of a monitor that an earlier engine left in @dir, or -1. */
static int living_monitor(int dir)
{
	cleanup_json json_t *j = json_load_at(dir, "monitor.json", 4096, NULL);

	return j ? proc_open((pid_t)json_int(j, "pid", 0), (uint64_t)json_int(j, "start_time", 0)) : -1;
}

static int find_monitor(const char *exec_root)
{
	cleanup_closedir DIR *d = opendir(exec_root);
	struct dirent *de;
	int pidfd = -1;

	while (d && pidfd < 0 && (de = readdir(d))) {
		cleanup_close int dir = -1;

		if (!is_hex64(de->d_name))
			continue;
		dir = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			pidfd = living_monitor(dir);
	}
	return pidfd;
}

static int make_userns(struct err *e)
{
	enum role_word word;

	if (ns_unshare(e))
		return -1;
	tell(ROLE_MAP_ME);
	if (fd_read_full(ROLE_CONTROL, &word, sizeof(word)) != sizeof(word) || word != ROLE_MAPPED)
		exit(1); /* the supervisor has said why, or is gone */
	return ns_settle(e);
}

static int enter_userns(const struct config *c, struct err *e)
{
	cleanup_close int monitor = find_monitor(c->exec_root);

	if (monitor >= 0 && !ns_join(monitor, e))
		return 0;
	if (monitor >= 0 && e->kind != ERR_CONFLICT)
		return err_hint(e, "containers of an earlier engine run; stop them by killing their monitors");
	return make_userns(e);
}

/* --- running --------------------------------------------------------------------------------- */

static void watch_supervisor(void *arg)
{
	char byte;

	(void)arg;
	while (fd_read_full(ROLE_CONTROL, &byte, 1) > 0)
		;
	_exit(1);
}

static int serve(int listeners, struct err *e)
{
	int i;

	for (i = 0; i < listeners; i++)
		if (http_serve(&engine, ROLE_LISTEN + i, e))
			return -1;
	i = thread_start("supervisor", watch_supervisor, NULL, 16);
	return i ? err_set(e, i, "starting a thread") : 0;
}

/* In dockerd's words: people and scripts wait for this line. */
static void say_where(const struct config *c)
{
	char **h;

	for (h = c->hosts; h && *h; h++) {
		const char *address = strstr(*h, "://");

		log_info("API listen on %s", address ? address + 3 : *h);
	}
}

static void reload(void)
{
	struct err e;

	if (config_reload(&engine.config, &e)) {
		log_err(&e, "reloading the configuration");
		return;
	}
	log_set_level(config_log_level(&engine.config));
	log_info("configuration reloaded");
	events_emit(&engine, "daemon", "reload", engine.id, NULL);
}

static void wait_for_the_end(const sigset_t *signals)
{
	int signo;

	for (;;) {
		signo = sigwaitinfo(signals, NULL);
		if (signo == SIGHUP)
			reload();
		else if (signo == SIGTERM || signo == SIGINT)
			return;
	}
}

static int load_config(struct config *c, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	if (fd_read_all(ROLE_CONFIG, 16 << 20, &text, e))
		return -1;
	j = json_parse(text.p, text.n, e);
	return j ? config_from_json(c, j, e) : -1;
}

int engine_role_main(int argc, char **argv)
{
	struct config config;
	sigset_t signals;
	struct err e = ERR_INIT;
	int fd;

	if (argc != 2)
		return 2;
	for (fd = ROLE_CONTROL; fd < ROLE_LISTEN + atoi(argv[1]); fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (load_config(&config, &e))
		return fail(STEP_OPEN, &e);
	log_set_level(config_log_level(&config));
	if (enter_userns(&config, &e))
		return fail(STEP_USERNS, &e);
	config.single_id = ns_ids_mapped() == 1;
	umask(0022);

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* inherited by all threads: only we take them */
	signal(SIGPIPE, SIG_IGN);
	if (engine_open(&engine, &config, &e) || serve(atoi(argv[1]), &e))
		return fail(STEP_OPEN, &e);
	log_info("storage driver %s", store_driver_name(&engine.store));
	tell(ROLE_READY);
	say_where(&engine.config);
	wait_for_the_end(&signals);
	log_info("stopping");
	engine_stop(&engine);
	http_stop(STOP_GRACE_MS);
	return 0;
}
