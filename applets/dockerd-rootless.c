/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd-rootless.c - the supervisor: checks, id maps, sockets, and one engine at a time
 *
 * Theory of operation
 *   It stays in the user's own namespaces and does what needs them: it locks the data-root, opens
 *   the API's sockets, starts the role ":engine" (core/api/engine_role.h), writes that process's id
 *   maps, tells systemd, and passes signals on. An engine that a signal killed is followed by the
 *   next one on the same sockets, so clients only wait; three that die within a short time end it.
 *   It is a subreaper: monitors of engines that died become its children and are reaped here.
 */
#include "applets.h"
#include "api/engine_role.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/config.h"
#include "ns/ns.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUICK_DEATH_NS (10 * NS_PER_S)
#define QUICK_DEATHS_MAX 3

struct supervisor {
	struct config config;
	int lock, signals, control;
	int listen[ROLE_LISTEN_MAX];
	size_t n_listen;
	pid_t engine;
	bool stopping, failed, notified;
};


static int complain(const struct err *e)
{
	fprintf(stderr, "dockerd-rootless: %s\n", e->msg);
	if (e->hint[0])
		fprintf(stderr, "dockerd-rootless: hint: %s\n", e->hint);
	return 1;
}

/* --- before anything is made ------------------------------------------------------------------ */

static int check_user(struct err *e)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");

	if (!geteuid()) {
		err_set(e, 0, "refusing to run as root");
		return err_hint(e, "log in as an ordinary user and start it there");
	}
	if (!run || access(run, W_OK)) {
		err_set(e, 0, "XDG_RUNTIME_DIR needs to be set and writable");
		return err_hint(e, "export XDG_RUNTIME_DIR=$HOME/.docker/xrd; rm -rf $XDG_RUNTIME_DIR; "
				   "mkdir -p -m 700 $XDG_RUNTIME_DIR");
	}
	if (!home || access(home, X_OK))
		return err_set(e, 0, "HOME needs to be set and exist.");
	return 0;
}

/* The lock is on the directory itself, shared with the engine: it is free when both have gone. */
static int lock_data_root(struct supervisor *s, struct err *e)
{
	if (fs_mkdir_p_at(AT_FDCWD, s->config.data_root, 0710, e))
		return -1;
	s->lock = open(s->config.data_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0)
		return err_set(e, errno, "opening %s", s->config.data_root);
	if (!flock(s->lock, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return err_set(e, errno, "locking %s", s->config.data_root);
	err_set(e, 0, "another engine uses the data-root %s", s->config.data_root);
	return err_hint(e, "stop it, or name another directory with --data-root");
}

static int listen_all(struct supervisor *s, struct err *e)
{
	char **h;

	for (h = s->config.hosts; h && *h; h++) {
		cleanup_free char *dir = NULL;
		const char *path = *h + strlen("unix://");
		char *slash;
		int fd;

		if (strncmp(*h, "unix://", 7))
			return err_set(e, 0, "listening on %s: only unix:// sockets are possible yet", *h);
		if (s->n_listen == ROLE_LISTEN_MAX)
			return err_set(e, 0, "more than %d hosts", ROLE_LISTEN_MAX);
		dir = xstrdup(path);
		slash = strrchr(dir, '/');
		if (slash && slash != dir) {
			*slash = 0;
			if (fs_mkdir_p_at(AT_FDCWD, dir, 0700, e))
				return -1;
		}
		fd = sock_connect_at(AT_FDCWD, path, SOCK_STREAM);
		if (fd >= 0) {
			close(fd);
			return err_set(e, 0, "somebody answers on %s already", path);
		}
		fd = sock_listen_at(AT_FDCWD, path, SOCK_STREAM, 0660, e);
		if (fd < 0)
			return -1;
		s->listen[s->n_listen++] = fd;
	}
	return 0;
}

/* --- one engine ------------------------------------------------------------------------------- */

static int start_engine(struct supervisor *s, struct err *e)
{
	cleanup_json json_t *j = config_to_json(&s->config);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int memory = memfd_create("config", MFD_CLOEXEC), theirs = -1;
	int fds[3 + ROLE_LISTEN_MAX], pair[2];
	char count[16];
	size_t i;

	json_print(j, true, &text);
	if (memory < 0 || fd_write_full(memory, text.p, text.n) || lseek(memory, 0, SEEK_SET) ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "starting the engine");
	s->control = pair[0];
	theirs = pair[1];
	fds[0] = theirs;
	fds[1] = memory;
	fds[2] = s->lock;
	for (i = 0; i < s->n_listen; i++)
		fds[3 + i] = s->listen[i];
	snprintf(count, sizeof(count), "%zu", s->n_listen);
	return proc_spawn_role((const char *const[]){":engine", count, NULL}, fds, 3 + s->n_listen,
		&s->engine, NULL, e);
}

static int map_ids(struct supervisor *s, struct err *e)
{
	struct passwd *pw = getpwuid(getuid());
	const char *name = pw ? pw->pw_name : getenv("USER");
	struct idmap uids, gids;
	enum role_word word = ROLE_MAPPED;

	if (idmap_compute("/etc/subuid", getuid(), name, getuid(), &uids, e) ||
		idmap_compute("/etc/subgid", getuid(), name, getgid(), &gids, e) || s->config.want_single_id) {
		if (s->config.require_subids) {
			err_wrap(e, "[rootlesskit:parent] error: failed to setup UID/GID map: "
				    "failed to compute uid/gid map");
			return err_hint(e, "add a line \"%s:100000:65536\" to /etc/subuid and /etc/subgid",
				name ? name : "USER");
		}
		log_warn("only one id is mapped (%s): files of other users, su and apt in containers will not "
			 "work; add \"%s:100000:65536\" to /etc/subuid and /etc/subgid",
			s->config.want_single_id ? "as asked" : e->msg, name ? name : "USER");
		idmap_single(getuid(), &uids);
		idmap_single(getgid(), &gids);
	}
	if (idmap_apply(s->engine, &uids, &gids, e))
		return -1;
	return sock_send(s->control, &word, sizeof(word), NULL, 0) ? err_set(e, errno, "telling the engine") : 0;
}

/* R60, R61: RootlessKit's words, which people search for, and the way out. */
static void explain_failure(struct role_message *m)
{
	const char *sysctl = m->err.code == ENOSPC ? "user.max_user_namespaces=28633" :
						     "kernel.unprivileged_userns_clone=1";

	if (m->step != STEP_USERNS || (m->err.code != EPERM && m->err.code != ENOSPC))
		return;
	err_set(&m->err, 0, "[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: %s",
		m->err.code == ENOSPC ? "no space left on device" : "operation not permitted");
	err_hint(&m->err, "as root: sysctl -w %s (and write it to /etc/sysctl.d/99-rootless.conf)", sysctl);
}

/* sd_notify(3) */
static void notify(const char *text)
{
	const char *where = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	size_t n = where ? strlen(where) : 0;

	if (!n || n >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, where, n);
	if (*where == '@')
		sa.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static void ready(struct supervisor *s)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)s->engine);
	struct err e;

	if (file_write_at(AT_FDCWD, s->config.pidfile, pid, (size_t)n, 0644, 0, &e))
		log_err(&e, "writing the pid file");
	notify("READY=1\n");
}

/* Has the engine ended, though it is not reaped yet? */
static bool engine_ended(const struct supervisor *s)
{
	siginfo_t si = {0};

	return waitid(P_PID, (id_t)s->engine, &si, WEXITED | WNOHANG | WNOWAIT) || si.si_pid;
}

static void hear(struct supervisor *s)
{
	struct role_message m;
	struct err e;
	size_t n;
	ssize_t got = sock_recv(s->control, &m, sizeof(m), NULL, 0, &n);

	if (got < (ssize_t)sizeof(m.word)) {
		fd_close(&s->control);
	} else if (m.word == ROLE_MAP_ME) {
		if (!map_ids(s, &e) || engine_ended(s)) /* killed meanwhile: the next one will do */
			return;
		complain(&e);
		s->failed = true;
		kill(s->engine, SIGKILL);
	} else if (m.word == ROLE_READY) {
		ready(s);
	} else if (m.word == ROLE_FAILED && got == sizeof(m)) {
		explain_failure(&m);
		complain(&m.err);
		s->failed = true;
	}
}

/* Reap everything; true with *status when the engine was among it. */
static bool reap(struct supervisor *s, int *status)
{
	bool engine = false;
	int st;
	pid_t p;

	while ((p = waitpid(-1, &st, WNOHANG)) > 0) {
		if (p == s->engine) {
			engine = true;
			*status = st;
		}
	}
	return engine;
}

/* Until the engine ends; its wait status. */
static int attend(struct supervisor *s)
{
	struct signalfd_siginfo si;
	int status = 0;

	for (;;) {
		struct pollfd p[2] = {{s->signals, POLLIN, 0}, {s->control, POLLIN, 0}};

		poll(p, 2, -1);
		if (p[1].revents)
			hear(s);
		if (!p[0].revents || read(s->signals, &si, sizeof(si)) != sizeof(si))
			continue;
		if (si.ssi_signo == SIGCHLD) {
			if (!reap(s, &status))
				continue;
			if (s->control >= 0)
				hear(s); /* its last words */
			return status;
		}
		s->stopping |= si.ssi_signo != SIGHUP;
		if (s->stopping)
			notify("STOPPING=1\n");
		kill(s->engine, (int)si.ssi_signo);
	}
}

static int supervise(struct supervisor *s)
{
	int quick = 0, status;
	struct err e;

	for (;;) {
		int64_t begun = clock_mono_ns();

		if (start_engine(s, &e))
			return complain(&e);
		status = attend(s);
		fd_close(&s->control);
		unlink(s->config.pidfile);
		if (s->stopping || s->failed || WIFEXITED(status))
			return s->stopping && !s->failed ? 0 : 1;
		quick = clock_mono_ns() - begun < QUICK_DEATH_NS ? quick + 1 : 0;
		log_warn("the engine was ended by signal %d; starting the next one", WTERMSIG(status));
		/* A pause that grows: crashing at once should not fill the log. */
		if (quick > QUICK_DEATHS_MAX)
			poll(NULL, 0, quick < 30 ? 100 * quick : 3000);
	}
}

static void watch_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int dockerd_rootless_main(int argc, char **argv)
{
	struct supervisor s = {.lock = -1, .signals = -1, .control = -1};
	struct err e = ERR_INIT;
	bool help = false;
	int rc;
	char **h;

	for (rc = 1; rc < argc; rc++)
		help |= !strcmp(argv[rc], "--help") || !strcmp(argv[rc], "--version") || !strcmp(argv[rc], "-h") ||
			!strcmp(argv[rc], "-v");
	if (!help && check_user(&e))
		return complain(&e);
	help = false;
	if (config_load(&s.config, argc, argv, &help, &e))
		return complain(&e);
	if (help)
		return 0;
	log_set_level(config_log_level(&s.config));
	if (lock_data_root(&s, &e) || listen_all(&s, &e))
		return complain(&e);
	watch_signals(&s);
	rc = supervise(&s);
	for (h = s.config.hosts; h && *h; h++)
		if (!strncmp(*h, "unix://", 7))
			unlink(*h + 7);
	config_release(&s.config);
	return rc;
}
