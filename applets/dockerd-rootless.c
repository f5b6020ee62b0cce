/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd-rootless.c - the supervisor: checks, id maps, sockets, and one engine at a time
 *
 * Theory of operation
 *   It stays in the user's own namespaces and does what needs them: it locks the directories,
 *   opens the API's sockets, starts the role ":engine" (core/api/engine_role.h), writes that
 *   process's id maps, tells systemd, and passes signals on.  One thread, one loop: signals come
 *   through a signalfd, the engine's words through a socket pair.
 *
 *   The engine is one of
 *	starting	until its READY; clients wait in the backlog of the sockets
 *	ready		docker.pid names it
 *	gone		the next one starts at once, or after a pause that grows if engines die quickly
 *   What ends the supervisor: a first engine that fails to start; TERM or INT, once the engine has
 *   stopped its containers; an engine that ended by itself with status 0 (it was sent the TERM).
 *
 *   It is a subreaper: monitors of engines that died become its children and are reaped here.
 *   When it dies, the engine goes too, and monitors keep the containers for the next start.
 */
#include "applets.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "dockerd/supervisor.h"
#include "ns/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUICK_NS (10 * NS_PER_S)    /* an engine that lived shorter died quickly */
#define QUICK_FREE 3		    /* so many of those in a row are followed without a pause */
#define PAUSE_FIRST_NS (NS_PER_S / 10)
#define PAUSE_MAX_NS (30 * NS_PER_S)
#define INTERRUPTS_MAX 3	    /* dockerd's: the third one ends it without cleanup */

struct supervisor {
	struct config config;
	int data_lock, exec_lock; /* locked directories */
	int signals;		  /* signalfd */
	int memory;		  /* the configuration as JSON, for each engine */
	struct listeners listen;
	struct front front; /* TLS */
	struct way way;	    /* network driver */
	struct state_dir state;
	char *notify; /* NOTIFY_SOCKET, or NULL */

	pid_t engine;	  /* 0: gone */
	int control;	  /* to it, -1: closed */
	int64_t begun;	  /* when it was started, monotonic ns */
	int64_t start_at; /* when the next one may be */
	int quick;	  /* quick deaths in a row */
	int interrupts;	  /* TERM and INT so far */
	bool was_ready;	  /* some engine was */
	bool told;	  /* this one has said why it ends */
	bool reloaded;	  /* daemon.json counts, not what was read at the start */
	bool over;
	int status; /* ours, once it is over */
};

int complain(const struct err *e)
{
	const char *who = strncmp(e->msg, "[rootlesskit:", 13) ? "dockerd-rootless: " : "";

	fprintf(stderr, "%s%s\n", who, e->msg);
	if (e->hint[0])
		fprintf(stderr, "dockerd-rootless: hint: %s\n", e->hint);
	return 1;
}

/* sd_notify(3): one datagram; '@' stands for the abstract namespace. */
static void notify(const struct supervisor *s, const char *text)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	size_t n = s->notify ? strlen(s->notify) : 0;

	if (!n || n >= sizeof(sa.sun_path) || (*s->notify != '/' && *s->notify != '@'))
		return;
	memcpy(sa.sun_path, s->notify, n);
	if (*s->notify == '@')
		sa.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

/* --- one engine ------------------------------------------------------------------------------- */

static int engine_start(struct supervisor *s, struct err *e)
{
	enum { FIRST = ROLE_CONFIG }; /* behind ROLE_CONTROL */
	int fds[ROLE_LISTEN - FIRST + ROLE_LISTEN_MAX + 1];
	bool kit = s->state.api >= 0;
	char count[16];
	size_t i;

	fds[ROLE_CONFIG - FIRST] = s->memory;
	fds[ROLE_DATA_LOCK - FIRST] = s->data_lock;
	fds[ROLE_EXEC_LOCK - FIRST] = s->exec_lock;
	for (i = 0; i < s->listen.n; i++)
		fds[ROLE_LISTEN - FIRST + i] = s->listen.v[i].fd;
	fds[ROLE_LISTEN - FIRST + i] = s->state.api;
	snprintf(count, sizeof(count), "%zu", s->listen.n);
	s->told = false;
	s->begun = clock_mono_ns();
	s->control = proc_spawn_talking((const char *const[]){":engine", count, kit ? s->state.path : "", s->reloaded ? "reload" : NULL, NULL},
		fds, ROLE_LISTEN - FIRST + s->listen.n + kit, &s->engine, NULL, e);
	return s->control < 0 ? -1 : 0;
}

static int map_ids(struct supervisor *s, struct err *e)
{
	enum role_word word = ROLE_MAPPED;

	if (ids_map(s->engine, &s->config, s->was_ready, e))
		return -1;
	return sock_send(s->control, &word, sizeof(word), NULL, 0) ? err_set(e, errno, "telling the engine") :
								     0;
}

static void ready(struct supervisor *s)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)s->engine);
	struct err e = ERR_INIT;

	if (file_write_at(AT_FDCWD, s->config.pidfile, pid, (size_t)n, 0644, 0, &e))
		log_err(&e, "writing the pid file %s", s->config.pidfile);
	state_ready(&s->state, s->engine);
	if (!s->was_ready)
		notify(s, "READY=1\n");
	s->was_ready = true;
}

static void failed(struct supervisor *s, struct role_message *m)
{
	if (m->step == STEP_UNSHARE)
		host_explain_unshare(&m->err);
	else if (m->step == STEP_SETTLE)
		host_explain_settle(&m->err);
	s->told = true;
	complain(&m->err);
}

/* Has the engine ended, though it is not reaped yet? */
static bool has_ended(const struct supervisor *s)
{
	siginfo_t si = {0};

	return waitid(P_PID, (id_t)s->engine, &si, WEXITED | WNOHANG | WNOWAIT) || si.si_pid;
}

static void hear(struct supervisor *s)
{
	struct role_message m;
	int reply = -1;
	size_t n;
	ssize_t got = sock_recv(s->control, &m, sizeof(m), &reply, 1, &n);

	if (got < (ssize_t)sizeof(m.word)) {
		fd_close(&s->control);
	} else if (m.word == ROLE_MAP_ME) {
		m.step = STEP_OPEN;
		m.err = (struct err)ERR_INIT;
		/* Killed meanwhile, it has no ids to map: that is no failure to tell of. */
		if (map_ids(s, &m.err) && !has_ended(s)) {
			failed(s, &m);
			kill(s->engine, SIGKILL); /* it waits, and nothing else will come */
		}
	} else if (m.word == ROLE_READY) {
		ready(s);
	} else if (m.word == ROLE_FAILED && got == sizeof(m)) {
		failed(s, &m);
	} else if (m.word == ROLE_BIND && got == sizeof(m) && reply >= 0) {
		bind_for_engine(&m.port, fd_steal(&reply));
	} else if (m.word == ROLE_NETWORK && got == sizeof(m) && reply >= 0) {
		m.driver[sizeof(m.driver) - 1] = 0;
		way_for_engine(&s->way, s->engine, s->config.exec_root, m.driver, fd_steal(&reply));
	}
	fd_close(&reply);
}

static void finish(struct supervisor *s, int status)
{
	s->over = true;
	s->status = status;
}

/* After an engine that should not have ended. */
static void plan_next(struct supervisor *s, int status)
{
	int64_t pause = PAUSE_FIRST_NS;
	int i;

	s->quick = clock_mono_ns() - s->begun < QUICK_NS ? s->quick + 1 : 0;
	for (i = QUICK_FREE; i < s->quick && pause < PAUSE_MAX_NS; i++)
		pause *= 2;
	if (s->quick < QUICK_FREE)
		pause = 0;
	s->start_at = clock_mono_ns() + (pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS);
	log_error("the engine ended unexpectedly (%s %d); starting the next one%s",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), pause ? " after a pause" : "");
}

static void engine_ended(struct supervisor *s, int status)
{
	bool clean = WIFEXITED(status) && !WEXITSTATUS(status);

	while (s->control >= 0)
		hear(s); /* its last words; end of file closes it */
	unlink(s->config.pidfile);
	state_gone(&s->state);
	s->engine = 0;
	if (s->interrupts || clean) {
		finish(s, clean ? 0 : 1);
	} else if (!s->was_ready) {
		if (!s->told)
			log_error("the engine ended while it was starting (%s %d)",
				WIFSIGNALED(status) ? "signal" : "status",
				WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		finish(s, 1);
	} else {
		plan_next(s, status);
	}
}

/* --- signals ---------------------------------------------------------------------------------- */

static void reap(struct supervisor *s)
{
	int status;
	pid_t p;

	while ((p = waitpid(-1, &status, WNOHANG)) > 0) {
		if (p == s->engine)
			engine_ended(s, status);
		else if (p == s->front.pid)
			front_ended(&s->front);
		else
			way_ended(&s->way, p);
	}
}

static void interrupted(struct supervisor *s)
{
	s->interrupts++;
	notify(s, "STOPPING=1\n");
	if (!s->engine) {
		finish(s, 0);
	} else if (s->interrupts >= INTERRUPTS_MAX) {
		log_warn("Forcing docker daemon shutdown without cleanup; %d interrupts received",
			s->interrupts);
		kill(s->engine, SIGKILL);
	} else {
		kill(s->engine, SIGTERM);
	}
}

static void signalled(struct supervisor *s)
{
	int signo = proc_signals_take(s->signals);

	if (signo == SIGCHLD) {
		reap(s);
	} else if (signo == SIGHUP) {
		s->reloaded = true;
		if (s->engine)
			kill(s->engine, SIGHUP);
	} else if (signo && signo != SIGUSR1 && signo != SIGUSR2) {
		interrupted(s);
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Start what is not there and may be now; how long until more may be, in ms (-1: nothing is missing). */
static int start_missing(struct supervisor *s)
{
	int64_t now = clock_mono_ns(), wait = -1, network = way_keep(&s->way, s->engine, s->config.exec_root);
	struct err e = ERR_INIT;

	if (!s->engine && s->start_at <= now && engine_start(s, &e)) {
		fd_close(&s->control);
		finish(s, complain(&e));
		return 0;
	}
	if (s->front.tls.n && !s->front.pid && s->front.start_at <= now && front_start(&s->front, s->memory, &e)) {
		finish(s, complain(&e));
		return 0;
	}
	if (!s->engine)
		wait = s->start_at - now;
	if (s->front.tls.n && !s->front.pid && (wait < 0 || s->front.start_at - now < wait))
		wait = s->front.start_at - now;
	if (network >= 0 && (wait < 0 || network < wait))
		wait = network;
	return wait < 0 ? -1 : (int)(wait / NS_PER_MS) + 1;
}

static void step(struct supervisor *s)
{
	struct pollfd p[2] = {{s->signals, POLLIN, 0}, {-1, POLLIN, 0}};
	int wait = start_missing(s);

	p[1].fd = s->control;
	if (s->over)
		return;
	poll(p, 2, wait);
	if (p[1].revents)
		hear(s);
	if (p[0].revents)
		signalled(s);
}

static int config_keep(const struct config *c, struct err *e)
{
	cleanup_json json_t *j = config_to_json(c);

	return json_memfd(j, e);
}

static int prepare(struct supervisor *s, struct err *e)
{
	const struct config *c = &s->config;
	char **h;

	s->data_lock = preflight_lock("data-root", c->data_root, 0710, e);
	if (s->data_lock < 0 || host_check_data_root(s->data_lock, c->data_root, e))
		return -1;
	s->exec_lock = preflight_lock("exec-root", c->exec_root, 0711, e);
	if (s->exec_lock < 0 || state_open(&s->state, c->exec_root, e))
		return -1;
	host_report();
	for (h = c->hosts; *h; h++)
		if (listeners_add(&s->listen, *h, c, e))
			return -1;
	if (front_prepare(&s->front, &s->listen, c, e))
		return -1;
	s->memory = config_keep(c, e);
	if (s->memory < 0)
		return -1;
	s->signals = proc_signals_open(e);
	if (s->signals < 0)
		return -1;
	return prctl(PR_SET_CHILD_SUBREAPER, 1) ? err_set(e, errno, "becoming a subreaper") : 0;
}

static int supervise(struct supervisor *s)
{
	struct err e = ERR_INIT;

	if (prepare(s, &e))
		finish(s, complain(&e));
	while (!s->over)
		step(s);
	way_stop(&s->way);
	front_close(&s->front);
	listeners_close(&s->listen);
	state_close(&s->state);
	return s->status;
}

/* What can be answered without an environment: by anybody, root too. */
static bool only_asks(int argc, char **argv)
{
	static const char *const questions[] = {"--help", "--version", "-v", NULL};

	return argc == 2 && str_in(argv[1], questions);
}

int dockerd_rootless_main(int argc, char **argv)
{
	static const char *const setup[] = {"check", "install", "uninstall", NULL};
	struct supervisor s = {
		.data_lock = -1, .exec_lock = -1, .signals = -1, .memory = -1, .control = -1,
		.way.driver = DRIVER_INIT, .state = {-1, -1, -1, NULL, NULL}};
	struct err e = ERR_INIT;
	bool answered = false;

	if (argc > 1 && str_in(argv[1], setup)) {
		fprintf(stderr, "Did you mean 'dockerd-rootless-setuptool.sh %s' ?\n", argv[1]);
		return 1;
	}
	if (!only_asks(argc, argv) && preflight_user(&e))
		return complain(&e);
	if (config_load(&s.config, argc, argv, &answered, &e))
		return complain(&e);
	if (answered)
		return fflush(stdout) ? 1 : 0;
	log_set_level(config_log_level(&s.config));
	preflight_environment(&s.config);
	if (host_check_kernel(&e) || flags_load(&e) || way_check(&e))
		return complain(&e);
	if (getenv("NOTIFY_SOCKET"))
		s.notify = xstrdup(getenv("NOTIFY_SOCKET"));
	unsetenv("NOTIFY_SOCKET"); /* ours alone: no child is to speak for us */
	s.status = supervise(&s);
	free(s.notify);
	config_release(&s.config);
	return s.status;
}
