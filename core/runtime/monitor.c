/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/monitor.c - the process beside each container
 *
 * Theory of operation
 *   Spawned by the engine with the control socket (3).  It takes a session of its own and ignores
 *   what a terminal or a service manager may throw at the engine's group.  Then:
 *
 *	receive   its directory, settings (small, for us) and the request (large, for the new process: only the
 *		  child parses it, so our heap stays small)
 *	start     log, pipes, clone; while the child mounts and so on, we open our socket and write
 *		  monitor.json; then wait for its exec
 *	serve     the loop: output, input, requests, and the end of the process
 *	finish    read what it left in its pipes, exit.json, EXITED to all; then clients get the
 *		  time they need to read what they have not yet
 *
 *   When a container's init ends, the kernel has killed all of its pid namespace before we hear
 *   of it, so nobody can write any more.  An exec (or an init in a shared pid namespace) may
 *   leave processes that hold its output open: their output is waited for GRACE_MS, as in Docker.
 *
 *   If we are killed, the init dies with us (PR_SET_PDEATHSIG, set in process.c).
 */
#include "runtime/monitor.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "runtime/inside.h"
#include "runtime/start.h"
#include "storage/storage.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_FD 3
#define GRACE_MS 2000  /* for output after the end of the process, as Docker's 2 s */
#define STALL_MS 10000 /* for a client that does not read after the end */
#define STATE_MAX 5120 /* bytes, a path of PATH_MAX included */
#define SETTINGS_ARENA 8192 /* bytes, kept for good */

static const char monitor_sock[] = "monitor.sock", monitor_json[] = "monitor.json",
		  exit_json[] = "exit.json";

/* --- watches ------------------------------------------------------------------------------------------ */

void watch_set(struct monitor *m, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (w->fd < 0 || (w->added ? w->events == events : !events))
		return;
	if (epoll_ctl(m->epoll, !events ? EPOLL_CTL_DEL : w->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		    w->fd, &ev))
		bug("epoll_ctl: %s", strerror(errno));
	w->added = events;
	w->events = events;
}

void watch_drop(struct monitor *m, struct watch *w)
{
	/* By hand: a copy of the descriptor elsewhere would keep it in epoll's set. */
	watch_set(m, w, 0);
	fd_close(&w->fd);
}

/* --- receive --------------------------------------------------------------------------------------------- */

struct received {
	char *text; /* settings, then the request */
	size_t settings_len, request_len;
};

/* What most requests fit into: pages that are touched once, and cheaper kept than given back. */
static char small_request[32768];

static int receive_text(char *to, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = recv(CONTROL_FD, to + done, n - done, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(e, got ? errno : EPROTO, "receiving the request");
		done += (size_t)got;
	}
	return 0;
}

static int receive(struct monitor *m, struct received *r, uint32_t *n_attach, struct err *e)
{
	static union msg msg;
	size_t nfds;

	if (msg_recv(CONTROL_FD, &msg, &m->dir, 1, &nfds) <= 0 || msg.head.type != MSG_START || !nfds)
		return err_set(e, EPROTO, "receiving the start");
	unlinkat(m->dir, exit_json, 0); /* of the one before us */
	unlinkat(m->dir, monitor_json, 0);
	r->settings_len = msg.start.settings_len;
	r->request_len = msg.start.request_len;
	*n_attach = msg.start.n_attach;
	if (r->settings_len > MSG_REQUEST_MAX || r->request_len > MSG_REQUEST_MAX ||
		*n_attach > CLIENTS_MAX)
		return err_set(e, E2BIG, "receiving the request");
	r->text = small_request;
	if (r->settings_len + r->request_len > sizeof(small_request))
		r->text = mmap(NULL, r->settings_len + r->request_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->text == MAP_FAILED)
		return err_set(e, errno, "receiving the request");
	return receive_text(r->text, r->settings_len + r->request_len, e);
}

static void received_release(struct received *r)
{
	if (r->text != small_request)
		munmap(r->text, r->settings_len + r->request_len);
}

/* --- start -------------------------------------------------------------------------------------------------- */

static int receive_clients(struct monitor *m, uint32_t n, struct err *e)
{
	static union msg msg;
	int fd = -1;
	size_t nfds;

	for (; n; n--) {
		if (msg_recv(CONTROL_FD, &msg, &fd, 1, &nfds) <= 0 || msg.head.type != MSG_ATTACH || !nfds)
			return err_set(e, EPROTO, "receiving a client");
		if (client_add(m, fd, &msg.attach, msg.bytes + sizeof(msg.attach), e))
			return -1;
	}
	return 0;
}

/* A pipe whose end @ours (0 reads, 1 writes) is non-blocking; -> that end, and the container's. */
static int make_pipe(int ours, int *own, int *its, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) || fcntl(fds[ours], F_SETFL, O_NONBLOCK))
		return err_set(e, errno, "making a pipe");
	*own = fds[ours];
	*its = fds[!ours];
	return 0;
}

static int make_stdio(struct monitor *m, struct start *st, struct err *e)
{
	int i;

	st->stdio[0] = st->stdio[1] = st->stdio[2] = -1;
	if (m->tty)
		return 0;
	if (m->keep_stdin && make_pipe(1, &m->in.fd, &st->stdio[0], e))
		return -1;
	for (i = 0; i < STREAMS; i++) {
		if (make_pipe(0, &m->sources[i].watch.fd, &st->stdio[i + 1], e))
			return -1;
	}
	return 0;
}

static void take_terminal(struct monitor *m, int master)
{
	if (master >= 0)
		fcntl(master, F_SETFL, O_NONBLOCK);
	m->sources[0].watch.fd = master;
	m->sources[0].ended = master < 0;
	m->sources[1].ended = true;
}

/* Of a name that systemd made: backslashes it has, quotes it may. */
static void escape(const char *text, char *out, size_t n)
{
	size_t at = 0;

	for (; *text && at + 2 < n; text++) {
		if (*text == '\\' || *text == '"')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at] = 0;
}

static void write_state(struct monitor *m)
{
	const char *path = m->is_exec ? NULL : m->confine.path;
	char text[STATE_MAX], escaped[STATE_MAX / 2] = "";
	int n;

	if (path)
		escape(path, escaped, sizeof(escaped));
	n = snprintf(text, sizeof(text),
		"{\"pid\":%d,\"start_time\":%llu,\"init_pid\":%d,\"init_start_time\":%llu,"
		"\"started_at\":%lld%s%s%s}\n",
		(int)getpid(), (unsigned long long)proc_start_time(getpid()), (int)m->pid,
		(unsigned long long)m->start_time, (long long)m->started_at, path ? ",\"cgroup\":\"" : "",
		escaped, path ? "\"" : "");

	file_write_at(m->dir, monitor_json, text, (size_t)n, 0600, 0, NULL);
}

static int settings(struct monitor *m, struct start *st, const json_t *j, struct err *e)
{
	const json_t *join = json_obj(j, "join"), *rootfs = json_obj(j, "rootfs");

	if (limits_parse(json_obj(j, "resources"), &m->limits, e))
		return -1;
	confine_init(m, json_obj(j, "cgroup"));
	m->tty = json_bool(j, "tty", false);
	m->keep_stdin = json_bool(j, "stdin", false);
	m->stdin_once = json_bool(j, "stdin_once", false);
	m->is_exec = join;
	st->tty = m->tty;
	st->rows = (unsigned int)json_int(j, "rows", 0);
	st->cols = (unsigned int)json_int(j, "cols", 0);
	st->make = (uint64_t)json_int(j, "make", 0);
	st->join_pidfd = -1;
	m->alone = !m->is_exec && st->make & CLONE_NEWPID;
	if (join) {
		st->join_pid = (pid_t)json_int(join, "pid", 0);
		st->join_pidfd = proc_open(st->join_pid, (uint64_t)json_int(join, "start_time", 0));
		if (st->join_pidfd < 0)
			return err_kind(e, ERR_CONFLICT, "cannot exec in a stopped container");
	}
	st->root_mount = rootfs ? rootfs_serve(rootfs, e) : -1;
	if (rootfs && st->root_mount < 0)
		return err_wrap(e, "mounting the root filesystem");
	m->log.socket.changed = log_peer_changed;
	m->log.socket.arg = m;
	return logger_open(&m->log, json_obj(j, "log"), e);
}

/* The child is on its way: what we can do meanwhile. */
static int prepare_serving(struct monitor *m, struct err *e)
{
	m->start_time = proc_start_time(m->pid);
	m->started_at = clock_real_ns();
	m->listener.fd = sock_listen_at(m->dir, monitor_sock, SOCK_SEQPACKET, 0600, e);
	if (m->listener.fd < 0)
		return -1;
	write_state(m);
	return 0;
}

static void abandon(struct monitor *m)
{
	if (m->init.fd >= 0) {
		proc_signal(m->init.fd, SIGKILL);
		proc_reap(m->init.fd);
	}
	if (!m->is_exec)
		confine_end(m);
	unlinkat(m->dir, monitor_sock, 0);
	unlinkat(m->dir, monitor_json, 0);
}

/* Who unmounts an overlayfs last waits until the whole file system below is written out, taking any mount
 * away waits for an RCU grace period, and a process has not ended before its mounts are gone.  So that
 * nobody has to wait to hear of the end, the last one in the mount namespace is us, when all has been told. */
static int hold_mounts(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int launch(struct monitor *m, struct start *st, struct err *e)
{
	int pair[2], i, master, rc;

	if (make_stdio(m, st, e))
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "making a socketpair");
	st->sync = pair[1];
	st->sync_ours = pair[0];
	if (confine_prepare(m, st, e))
		return -1;
	m->pid = confine_clone(m, st, e);
	close(pair[1]);
	for (i = 0; i < 3; i++)
		fd_close(&st->stdio[i]);
	fd_close(&st->join_pidfd);
	fd_close(&st->root_mount);
	if (m->pid < 0 || confine_enter(m, st, e))
		return -1;
	if (prepare_serving(m, e) || hold(m, &m->limits, e))
		return -1;
	rc = start_wait(pair[0], &master, e);
	close(pair[0]);
	if (m->tty)
		take_terminal(m, master);
	if (!rc && !m->is_exec)
		m->mntns = hold_mounts(m->pid);
	return rc;
}

/* What ps shows: the container's id where the engine left room for it. */
static void show_id(char *room, const char *id)
{
	if (room && strlen(id) <= strlen(room))
		memcpy(room, id, strlen(id) + 1);
}

static int start(struct monitor *m, char *room, struct err *e)
{
	struct received r = { NULL, 0, 0 };
	struct start st = { .pid_ns = "" };
	cleanup_json json_t *j = NULL;
	uint32_t n_attach = 0;
	int rc;

	if (receive(m, &r, &n_attach, e))
		return -1;
	arena_for_json(SETTINGS_ARENA);
	j = json_parse(r.text, r.settings_len, e);
	if (!j || settings(m, &st, j, e))
		return -1;
	show_id(room, json_str(j, "id", ""));
	st.pid_ns = json_str(j, "pid_ns", "");
	st.enter = json_obj(j, "linux");
	m->children_elsewhere = m->is_exec || *st.pid_ns;
	st.request = r.text + r.settings_len;
	st.request_len = r.request_len;
	/* Clients first: what they wait for may come at once.  Their input waits until there is a
	 * stdin, in their sockets or, what came early, with us. */
	rc = receive_clients(m, n_attach, e) || launch(m, &st, e) ? -1 : 0;
	received_release(&r);
	return rc;
}

void patience_renew(struct monitor *m)
{
	if (m->over)
		m->deadline = clock_mono_ns() + STALL_MS * NS_PER_MS;
}

/* --- serve and finish ----------------------------------------------------------------------------------------- */

static void finish(struct monitor *m)
{
	char text[STATE_MAX];
	int n;

	sources_finish(m);
	logger_close(&m->log);
	n = snprintf(text, sizeof(text),
		"{\"exit_code\":%d,\"finished_at\":%lld,\"oom_killed\":%s,\"error\":\"\"}\n",
		m->exit.exit_code, (long long)m->exit.finished_at, m->exit.oom_killed ? "true" : "false");
	file_write_at(m->dir, exit_json, text, (size_t)n, 0600, 0, NULL);
	/* From EXITED on the directory may be the next monitor's. */
	watch_drop(m, &m->listener);
	unlinkat(m->dir, monitor_sock, 0);
	m->over = true;
	patience_renew(m);
	connections_tell_exit(m);
	clients_end(m);
}

static void init_ready(struct monitor *m, struct watch *w, uint32_t events)
{
	int status;

	(void)events;
	status = proc_reap(w->fd);
	m->exit.exit_code = status < 0 ? 255 : status;
	m->exit.finished_at = clock_real_ns();
	m->exited = true;
	m->exit.oom_killed = m->soft.oom_killed;
	soft_release(&m->soft);
	thaw(m); /* those that outlive it in a shared pid namespace */
	if (!m->is_exec)
		m->exit.oom_killed |= confine_end(m);
	watch_drop(m, w);
	/* Nobody is left who could write, or somebody may be. */
	m->deadline = clock_mono_ns() + (m->alone ? 0 : GRACE_MS * NS_PER_MS);
}

static int ms_until(int64_t mono_ns)
{
	int64_t left = mono_ns - clock_mono_ns();

	return left <= 0 ? 0 : (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

/* Milliseconds until m->deadline, or until limits are looked at; -1: neither. */
static int patience(struct monitor *m)
{
	int64_t next = hold_on(m);

	if (m->deadline)
		return ms_until(m->deadline);
	return next == INT64_MAX ? -1 : ms_until(next);
}

static void serve(struct monitor *m)
{
	while (!m->over || m->clients) {
		struct epoll_event ev;
		int n;

		if (m->exited && !m->over && (sources_ended(m) || !patience(m))) {
			finish(m);
			continue;
		}
		n = epoll_wait(m->epoll, &ev, 1, patience(m));
		if (n > 0) {
			struct watch *w = ev.data.ptr;

			w->ready(m, w, ev.events);
		} else if (!n && m->over) {
			clients_drop_all(m);
		}
	}
}

/* --- main ----------------------------------------------------------------------------------------------------------- */

static void outlive_the_engine(void)
{
	static const int ignored[] = MONITOR_IGNORED_SIGNALS;

	setsid();
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	umask(077);
	if (chdir("/"))
		_exit(1);
}

/* Nothing of the engine's is held on to: its terminal, or the pipe to a log, may end. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	for (i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	fd_close(&null);
}

static void monitor_init(struct monitor *m)
{
	int i;

	*m = (struct monitor){
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.dir = -1,
		.mntns = -1,
		.listener = { .fd = -1, .ready = listener_ready },
		.init = { .fd = -1, .ready = init_ready },
		.in = { .fd = -1, .ready = stdin_ready },
		.soft = { .procfd = -1, .cgroup = -1 },
		.confine = { .dir = -1, .events = { .fd = -1 } },
		.log_peer = { .fd = -1, .ready = log_peer_ready },
	};
	logger_init(&m->log);
	for (i = 0; i < STREAMS; i++)
		m->sources[i] = (struct source){ .watch = { .fd = -1, .ready = source_ready }, .stream = i };
	fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
}

/* Without exit(3) where our children are born into a container's pid namespace: one that a sanitizer
 * starts there, to look for leaks, would wait for ever. */
__attribute__((noreturn)) static void leave(const struct monitor *m, int status)
{
	if (m->children_elsewhere)
		_exit(status);
	exit(status);
}

int monitor_role_main(int argc, char **argv)
{
	static struct monitor m;
	struct err e = ERR_INIT;
	char c;

	outlive_the_engine();
	monitor_init(&m);
	if (start(&m, argc > 1 ? argv[1] : NULL, &e)) {
		abandon(&m);
		msg_fail(CONTROL_FD, &e);
		/* Until it was heard: closing over something unread would reset the connection. */
		while (recv(CONTROL_FD, &c, sizeof(c), 0) > 0)
			;
		leave(&m, 1);
	}
	let_go();
	msg_started(CONTROL_FD, &m);
	connection_add(&m, CONTROL_FD);
	m.running = true;
	watch_set(&m, &m.listener, EPOLLIN);
	watch_set(&m, &m.init, EPOLLIN);
	sources_watch(&m);
	stdin_pump(&m);
	serve(&m);
	leave(&m, 0);
}
