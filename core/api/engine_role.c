/* SPDX-License-Identifier: MIT */
/*
 * core/api/engine_role.c - the engine process, from its start to its end
 *
 * Theory of operation
 *   (1) While there is one thread: enter the user and mount namespace. That is a new one, mapped by
 *       the supervisor, or, when a monitor or the netd of an earlier engine lives, the one that is in:
 *       what its container has mounted and owns is only reachable there.
 *   (2) Read the state (engine_open), answer on the sockets the supervisor opened.
 *   (3) A thread waits for signals: TERM and INT stop the containers and end the process, HUP reads
 *       daemon.json again. Another waits for the supervisor's end.
 *       Say READY when those run that their restart policy starts again, as with dockerd: what follows a
 *       "systemctl restart" finds them.
 *   (4) The main thread has nothing left to do. It goes into the containers' network and waits: /proc/PID/ns/net
 *       is that of the main thread, so "nsenter -n -t $(cat docker.pid)" leads there, while all others, made
 *       before, stay in the host's network. There is no way back from there: it must not work.
 *   The lock on the data-root is a descriptor shared with the supervisor: it is held until the last
 *   of both has gone.
 */
#include "api/engine_role.h"
#include "api/http.h"
#include "api/kit_api.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/kit_ports.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "net/netd.h"
#include "ns/ns.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNALS_STACK_KB 256
#define KIT_STACK_KB 64
#define RESUME_S 15	   /* for containers whose policy starts them again: one that hangs keeps nobody waiting */
#define STOP_GRACE_MS 1000 /* for requests that run, once the containers have ended */

static struct engine engine;

static void tell(enum role_word word)
{
	sock_send(ROLE_CONTROL, &word, sizeof(word), NULL, 0);
}

static int fail(enum role_step step, const struct err *e)
{
	struct role_message m = {.word = ROLE_FAILED, .step = step, .err = *e};

	sock_send(ROLE_CONTROL, &m, sizeof(m), NULL, 0);
	return 1;
}

/* The supervisor may have CAP_NET_BIND_SERVICE in the host's network, from its file; we are in a user
 * namespace.  Any thread.  -1 with @e; EACCES if it has not. */
static int bind_privileged(struct port *p, struct err *e)
{
	struct role_message m = {.word = ROLE_BIND, .port = *p};
	struct role_bound answer = {.error = EPIPE}; /* it ends, and so shall we */
	int pair[2], fd = -1;
	size_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "asking the supervisor to bind port %u", p->host_port);
	if (!sock_send(ROLE_CONTROL, &m, sizeof(m), &pair[1], 1)) {
		fd_close(&pair[1]); /* its copy is the last: if it dies we are told */
		sock_recv(pair[0], &answer, sizeof(answer), &fd, 1, &n);
	}
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return fd >= 0 ? fd : err_set(e, answer.error, "binding port %u by the supervisor", p->host_port);
}

/* Network drivers run in the user's own namespaces: the supervisor starts them. */
static int connect_network(const char *driver, struct network_way *way, struct err *e)
{
	struct role_message m = {.word = ROLE_NETWORK};
	struct role_network answer = {.err = ERR_INIT};
	int pair[2];
	size_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "asking the supervisor for a network");
	snprintf(m.driver, sizeof(m.driver), "%s", driver);
	err_kind(&answer.err, ERR_FAILED, "the supervisor has ended");
	if (!sock_send(ROLE_CONTROL, &m, sizeof(m), &pair[1], 1)) {
		fd_close(&pair[1]);
		sock_recv(pair[0], &answer, sizeof(answer), NULL, 0, &n);
	}
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	*way = answer.way;
	if (!answer.ok)
		*e = answer.err;
	return answer.ok ? 0 : -1;
}

/* --- the namespaces -------------------------------------------------------------------------- */

/* A pidfd of a monitor that an earlier engine left in @dir, or -1. */
static int living_monitor(int dir)
{
	cleanup_json json_t *j = json_load_at(dir, "monitor.json", 4096, NULL);

	return j ? proc_open((pid_t)json_int(j, "pid", 0), (uint64_t)json_int(j, "start_time", 0)) : -1;
}

/* Join a monitor, or the netd, of an earlier engine: 1; 0 if none lives; -1 with @e if those that live
 * cannot be joined. */
static int join_earlier(const char *exec_root, struct err *e)
{
	cleanup_closedir DIR *d = opendir(exec_root);
	struct dirent *de;
	int rc = 0;

	while (d && (de = readdir(d))) {
		cleanup_close int dir = -1, pidfd = -1;

		if (!strcmp(de->d_name, "netd.json")) {
			pidfd = netd_find(dirfd(d));
		} else if (is_hex64(de->d_name)) {
			dir = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			pidfd = dir < 0 ? -1 : living_monitor(dir);
		}
		if (pidfd < 0)
			continue;
		if (!ns_join(pidfd, e))
			return 1;
		if (e->kind != ERR_CONFLICT) /* of our own namespace: not one of ours */
			rc = -1;
	}
	return rc;
}

/* 0, or the step that failed. */
static enum role_step make_userns(struct err *e)
{
	enum role_word word;

	if (ns_unshare(e))
		return STEP_UNSHARE;
	tell(ROLE_MAP_ME);
	if (fd_read_full(ROLE_CONTROL, &word, sizeof(word)) != sizeof(word) || word != ROLE_MAPPED)
		exit(1); /* the supervisor has said why, or is gone */
	return ns_settle(e) ? STEP_SETTLE : 0;
}

static enum role_step enter_userns(const struct config *c, struct err *e)
{
	switch (join_earlier(c->exec_root, e)) {
	case 1:
		return 0;
	case 0:
		return make_userns(e);
	default:
		err_hint(e, "containers of an earlier engine run; they end when their monitors are killed");
		return STEP_SETTLE;
	}
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

/* What rootlessctl asks and changes; the network inside is netd's. */
static struct kit_api kit_api = {.add = kit_ports_add, .remove = kit_ports_remove, .list = kit_ports_list, .arg = &engine};

static void kit_main(void *arg)
{
	for (;;)
		kit_api_serve(&kit_api, (int)(intptr_t)arg);
}

static int serve_kit(const char *dir, int listener, struct err *e)
{
	const char *driver = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER");
	int rc;

	kit_api.dir = dir;
	kit_api.child = getpid();
	kit_api.net = *engine.way.driver ? engine.way.driver : "relay";
	kit_api.dns = engine.way.dns;
	kit_api.child_ip = engine.way.child_ip;
	kit_api.port_driver = !engine.netd || (driver && !strcmp(driver, "none")) ? "none" : "builtin";
	rc = thread_start("rootlesskit", kit_main, (void *)(intptr_t)listener, KIT_STACK_KB);
	return rc ? err_set(e, rc, "starting a thread") : 0;
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

static json_t *list_text(const json_t *list)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (list)
		json_print(list, false, &text);
	return json_text(list ? text.p : "[]");
}

/* What the event says, as the real engine's does: every value as text. */
static json_t *reload_attributes(const struct config *c)
{
	static const struct {
		const char *key;
		int64_t def;
	} numbers[] = {{"max-concurrent-downloads", CONFIG_MAX_DOWNLOADS}, {"max-concurrent-uploads", 5},
		{"max-download-attempts", 5}, {"shutdown-timeout", CONFIG_SHUTDOWN_TIMEOUT_S}};
	json_t *j = json_object();
	char text[256] = "";
	size_t i;

	json_set_str(j, "debug", c->debug ? "true" : "false");
	json_set_str(j, "live-restore", c->live_restore ? "true" : "false");
	json_set_new(j, "labels", list_text(c->labels));
	json_set_new(j, "insecure-registries", list_text(c->insecure_registries));
	json_set_new(j, "registry-mirrors", list_text(c->registry_mirrors));
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(text, sizeof(text), "%lld",
			(long long)json_int(c->raw, numbers[i].key, numbers[i].def));
		json_set_str(j, numbers[i].key, text);
	}
	gethostname(text, sizeof(text) - 1);
	json_set_str(j, "name", text);
	return j;
}

static void reload(void)
{
	struct err e = ERR_INIT;

	if (config_reload(&engine.config, &e)) {
		log_err(&e, "reloading the configuration");
		return;
	}
	log_set_level(config_log_level(&engine.config));
	log_info("configuration reloaded");
	events_emit(&engine, "daemon", "reload", engine.id, reload_attributes(&engine.config));
}

static void wait_for_the_end(const sigset_t *signals)
{
	int signo;

	for (;;) {
		signo = sigwaitinfo(signals, NULL);
		if (signo == SIGHUP)
			reload();
		else if (signo > 0)
			return;
	}
}

static void signals_main(void *arg)
{
	wait_for_the_end(arg);
	log_info("stopping");
	engine_stop(&engine);
	http_stop(STOP_GRACE_MS);
	exit(0);
}

/* What people find who enter the process by its pid. */
static _Noreturn void stand_inside(void)
{
	if (engine.netd && setns(netd_netns(engine.netd), CLONE_NEWNET))
		log_warn("the containers' network cannot be entered by our pid: %s", strerror(errno));
	for (;;)
		pause(); /* signals are blocked: for ever */
}

static int load_config(struct config *c, bool again, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	/* The descriptor is shared with the engines before and after us, and with who speaks TLS beside us. */
	if (fd_read_shared(ROLE_CONFIG, 16 << 20, &text, e))
		return -1;
	j = json_parse(text.p, text.n, e);
	if (!j || config_from_json(c, j, e))
		return -1;
	if (again && config_reload(c, e))
		log_err(e, "reloading the configuration");
	log_set_level(config_log_level(c));
	return 0;
}

/* First of all, so that no signal that means "stop" finds us unprepared; all threads inherit it. */
static void block_signals(sigset_t *signals)
{
	sigset_t all;

	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGQUIT);
	sigaddset(signals, SIGHUP);
	all = *signals;
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGUSR2);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int listeners_of(int argc, char **argv)
{
	uint64_t n;

	if (argc < 3 || argc > 4 || parse_u64(span_of(argv[1]), ROLE_LISTEN_MAX, &n))
		return -1;
	return (int)n;
}

int engine_role_main(int argc, char **argv)
{
	int listeners = listeners_of(argc, argv), fd, rc;
	struct config config = {0};
	pid_t supervisor = getppid();
	bool kit = argc > 2 && *argv[2];
	struct err e = ERR_INIT;
	enum role_step failed;
	sigset_t signals;

	if (listeners < 0)
		return 2;
	block_signals(&signals);
	for (fd = ROLE_CONTROL; fd < ROLE_LISTEN + listeners + kit; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (load_config(&config, argc == 4, &e))
		return fail(STEP_OPEN, &e);
	failed = enter_userns(&config, &e);
	if (failed)
		return fail(failed, &e);
	proc_die_with_parent(supervisor); /* after the change of credentials, which clears it */
	config.single_id = ns_ids_mapped() == 1;
	umask(0022);
	ports_set_privileged(bind_privileged);
	networks_set_driver(connect_network);
	if (engine_open(&engine, &config, &e) || serve(listeners, &e) || (kit && serve_kit(argv[2], ROLE_LISTEN + listeners, &e)))
		return fail(STEP_OPEN, &e);
	log_info("storage driver %s", store_driver_name(&engine.store));
	rc = thread_start("signals", signals_main, &signals, SIGNALS_STACK_KB);
	if (rc) {
		err_set(&e, rc, "starting a thread");
		return fail(STEP_OPEN, &e);
	}
	containers_await_resumed(RESUME_S);
	tell(ROLE_READY);
	say_where(&engine.config);
	stand_inside();
}
