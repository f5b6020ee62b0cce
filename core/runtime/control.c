/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/control.c - the engine's side: starting monitors and talking to them
 *
 * Theory of operation
 *   The monitor is spawned first; while it comes up we print its texts.  It is never our child: it
 *   outlives us, and whoever is up there to reap orphans reaps it.  One may be spawned ahead
 *   (monitor_prepare): it waits for its START, and ends when we do.
 *
 *   Later requests may come from any thread on one control descriptor.  Each is one message and
 *   brings a socket for its own answer, so nothing is shared but the kernel's queue; the only
 *   thing that ever arrives on the descriptor itself is EXITED, for whoever waits for that.
 */
#include "base/fs.h"
#include "base/proc.h"
#include "runtime/protocol.h"
#include "runtime/runtime.h"
#include "runtime/spec.h"
#include "storage/storage.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 10000 /* a monitor answers at once, unless somebody stopped it */
#define EXIT_MAX 4096   /* bytes of exit.json */
#define SETTINGS_ROOM 1024 /* bytes that most settings and requests fit into */
#define REQUEST_ROOM 16384

/* --- receiving ---------------------------------------------------------------------------------------- */

union answer {
	struct msg_head head;
	struct msg_started started;
	struct msg_failed failed;
	struct msg_exited exited;
};

/* One answer, after waiting at most @ms (-1: for ever).  0; -1 with errno (0: the end). */
static int answer_recv(int fd, union answer *a, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int rc;

	do
		rc = poll(&p, 1, ms);
	while (rc < 0 && errno == EINTR);
	if (!rc)
		errno = ETIMEDOUT;
	if (rc <= 0)
		return -1;
	do
		n = recv(fd, a, sizeof(*a), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = 0;
	else if (n > 0 && ((size_t)n < sizeof(a->head) || a->head.len != (uint32_t)n))
		errno = EPROTO;
	else if (n > 0)
		return 0;
	return -1;
}

static bool is_answer(const union answer *a, uint32_t type, size_t len)
{
	return a->head.type == type && a->head.len == len;
}

static int take_failure(union answer *a, struct err *e)
{
	struct msg_failed *f = &a->failed;

	if (!is_answer(a, MSG_FAILED, sizeof(*f)))
		return err_set(e, EPROTO, "the monitor gave a strange answer");
	f->msg[sizeof(f->msg) - 1] = 0;
	f->hint[sizeof(f->hint) - 1] = 0;
	err_kind(e, (enum err_kind)f->kind, "%s", f->msg);
	if (*f->hint)
		err_hint(e, "%s", f->hint);
	if (e)
		e->code = f->code;
	return -1;
}

static int take_started(union answer *a, struct monitor_info *info, struct err *e)
{
	if (!is_answer(a, MSG_STARTED, sizeof(a->started)))
		return take_failure(a, e);
	if (a->started.protocol != PROTOCOL)
		return err_kind(e, ERR_NOT_SUPPORTED,
			"its monitor is of another version (protocol %u, not %d)", a->started.protocol,
			PROTOCOL);
	info->pid = a->started.pid;
	info->start_time = a->started.start_time;
	info->started_at = a->started.started_at;
	return 0;
}

/* --- attaching, both ways ----------------------------------------------------------------------------- */

static size_t text_length(const char *s)
{
	return s ? strlen(s) : 0;
}

/* The message in one buffer, to free(); NULL with @e if something is too long. */
static struct msg_attach *attach_message(const struct monitor_attach *a, struct err *e)
{
	size_t keys = text_length(a->detach_keys), text = text_length(a->detach_text);
	struct msg_attach *m;
	char *tail;

	if (keys + text + a->early_len > MSG_TEXT_MAX) {
		err_kind(e, ERR_INVALID, "%zu bytes of input before attaching", a->early_len);
		return NULL;
	}
	m = xmalloc(sizeof(*m) + keys + text + a->early_len);
	*m = (struct msg_attach){
		.head = { MSG_ATTACH, (uint32_t)(sizeof(*m) + keys + text + a->early_len) },
		.flags = (a->in ? ATTACH_IN : 0U) | (a->out ? ATTACH_OUT : 0U) |
			(a->err ? ATTACH_ERR : 0U) | (a->framed ? ATTACH_FRAMED : 0U),
		.keys_len = (uint32_t)keys,
		.text_len = (uint32_t)text,
		.early_len = (uint32_t)a->early_len,
	};
	tail = (char *)(m + 1);
	if (keys)
		memcpy(tail, a->detach_keys, keys);
	if (text)
		memcpy(tail + keys, a->detach_text, text);
	if (a->early_len)
		memcpy(tail + keys + text, a->early, a->early_len);
	return m;
}

/* --- starting ----------------------------------------------------------------------------------------- */

static void copy_members(json_t *to, const json_t *from)
{
	static const char *const keys[] = { "id", "tty", "stdin", "stdin_once", "log", "join",
		"cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *v = json_object_get(from, keys[i]);

		if (v)
			json_object_set(to, keys[i], v);
	}
}

/* What the monitor itself needs to know. NULL with @e. */
static json_t *make_settings(const json_t *request, struct err *e)
{
	const json_t *spec = json_obj(request, "spec"), *size = json_arr(request, "console_size");
	json_t *s = json_object();
	const char *pid_ns = "", *user_ns = "";
	uint64_t make = 0;

	copy_members(s, request);
	if (rootfs_is_served(json_obj(request, "rootfs")))
		json_object_set(s, "rootfs", json_obj(request, "rootfs"));
	if (spec && spec_namespaces(spec, &make, &pid_ns, &user_ns, e)) {
		json_decref(s);
		return NULL;
	}
	if (json_path(spec, "linux", "resources", NULL))
		json_object_set(s, "resources", json_path(spec, "linux", "resources", NULL));
	json_set_int(s, "make", (int64_t)make);
	json_set_str(s, "pid_ns", pid_ns);
	if (*user_ns) /* then the others are entered first, by a process that is not in it yet */
		json_set_new(s, "linux", json_pack("{s:O}", "namespaces", json_path(spec, "linux", "namespaces", NULL)));
	json_set_int(s, "rows", json_integer_value(json_array_get(size, 0)) & 0xffff);
	json_set_int(s, "cols", json_integer_value(json_array_get(size, 1)) & 0xffff);
	return s;
}

static int send_text(int ctl, const struct buf *text)
{
	size_t at, n;

	for (at = 0; at < text->n; at += n) {
		n = text->n - at < MSG_TEXT_MAX ? text->n - at : MSG_TEXT_MAX;
		if (sock_send(ctl, text->p + at, n, NULL, 0))
			return -1;
	}
	return 0;
}

static int send_all(int ctl, int dirfd, const struct buf *settings, const struct buf *request,
	const struct monitor_attach *attach, size_t n, struct err *e)
{
	struct msg_start s = { MSG_HEAD(MSG_START, s), (uint32_t)settings->n, (uint32_t)request->n,
		(uint32_t)n };
	size_t i;

	if (sock_send(ctl, &s, sizeof(s), &dirfd, 1) || send_text(ctl, settings) ||
		send_text(ctl, request))
		return err_set(e, errno, "telling the monitor what to start");
	for (i = 0; i < n; i++) {
		cleanup_free struct msg_attach *m = attach_message(&attach[i], e);

		if (!m)
			return -1;
		if (sock_send(ctl, m, m->head.len, &attach[i].fd, 1))
			return err_set(e, errno, "giving the monitor its clients");
	}
	return 0;
}

static int talk(int ctl, int dirfd, const json_t *request, const struct monitor_attach *attach,
	size_t n, struct monitor_info *info, struct err *e)
{
	cleanup_buf struct buf settings = BUF_INIT, text = BUF_INIT;
	cleanup_json json_t *s = make_settings(request, e);
	union answer a;

	if (!s)
		return -1;
	buf_room(&settings, SETTINGS_ROOM); /* growing step by step is a system call or two each */
	buf_room(&text, REQUEST_ROOM);
	json_print(s, false, &settings);
	json_print(request, false, &text);
	if (settings.n > MSG_REQUEST_MAX || text.n > MSG_REQUEST_MAX)
		return err_kind(e, ERR_INVALID, "a container's description of %zu bytes", text.n);
	/* A monitor that stopped listening had a reason, which it may have sent. */
	if (send_all(ctl, dirfd, &settings, &text, attach, n, e) && (!e || e->code != EPIPE))
		return -1;
	if (answer_recv(ctl, &a, -1))
		return err_set(e, errno, "starting: the monitor ended unexpectedly");
	return take_started(&a, info, e);
}

/* A monitor that has come up and waits for its START.  Guarded by the lock; -1: none. */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static int spare = -1;

static int spare_exchange(int ctl)
{
	int old;

	pthread_mutex_lock(&spare_lock);
	old = spare;
	spare = ctl;
	pthread_mutex_unlock(&spare_lock);
	return old;
}

/* Spawn a monitor. Its control descriptor, or -1 with @e. */
static int spawn(struct err *e)
{
	/* Room in its arguments for the id, which ps shows. */
	static const char room[] = "----------------------------------------------------------------";
	const char *const argv[] = { ":monitor", room, NULL };

	return proc_spawn_talking(argv, NULL, 0, NULL, NULL, e);
}

/* Nothing has ever come from a spare monitor: something to read is its end. */
static bool is_alive(int ctl)
{
	struct pollfd p = { .fd = ctl, .events = POLLIN };

	return ctl >= 0 && !poll(&p, 1, 0);
}

void monitor_prepare(void)
{
	int ctl = spare_exchange(-1);

	if (!is_alive(ctl)) {
		fd_close(&ctl);
		ctl = spawn(NULL);
	}
	ctl = spare_exchange(ctl);
	fd_close(&ctl); /* somebody did the same meanwhile */
}

int monitor_start(int dirfd, const json_t *request, const struct monitor_attach *attach, size_t n,
	struct monitor_info *info, struct err *e)
{
	cleanup_close int ctl = spare_exchange(-1);

	if (!is_alive(ctl)) {
		fd_close(&ctl);
		ctl = spawn(e);
	}
	if (ctl < 0 || talk(ctl, dirfd, request, attach, n, info, e))
		return -1;
	return fd_steal(&ctl);
}

int monitor_connect(int dirfd, struct monitor_info *info, struct err *e)
{
	cleanup_close int ctl = sock_connect_at(dirfd, "monitor.sock", SOCK_SEQPACKET);
	union answer a;

	if (ctl < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		return err_set(e, ESRCH, "reaching the monitor");
	if (ctl < 0)
		return err_set(e, errno, "reaching the monitor");
	if (answer_recv(ctl, &a, ANSWER_MS)) /* it may end between accepting us and greeting */
		return err_set(e, errno && errno != ECONNRESET ? errno : ESRCH, "reaching the monitor");
	if (take_started(&a, info, e))
		return -1;
	return fd_steal(&ctl);
}

/* --- requests ----------------------------------------------------------------------------------------- */

/* Send a request, with @client if it is not -1, and wait for its answer. */
static int ask(int ctl, const void *request, size_t len, int client, struct err *e)
{
	cleanup_close int ours = -1, its = -1;
	int pair[2], fds[2];
	union answer a;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "making a socketpair");
	ours = pair[0];
	its = pair[1];
	fds[0] = its;
	fds[1] = client;
	if (sock_send(ctl, request, len, fds, client >= 0 ? 2 : 1)) {
		if (errno == EPIPE || errno == ECONNRESET)
			return err_kind(e, ERR_CONFLICT, "the process has ended");
		return err_set(e, errno, "asking the monitor");
	}
	fd_close(&its);
	if (answer_recv(ours, &a, ANSWER_MS)) {
		if (errno == ETIMEDOUT)
			return err_kind(e, ERR_UNAVAILABLE, "the monitor does not answer");
		return err_kind(e, ERR_CONFLICT, "the process has ended");
	}
	return is_answer(&a, MSG_DONE, sizeof(a.head)) ? 0 : take_failure(&a, e);
}

int monitor_attach(int ctl, const struct monitor_attach *at, struct err *e)
{
	cleanup_free struct msg_attach *m = attach_message(at, e);

	return m ? ask(ctl, m, m->head.len, at->fd, e) : -1;
}

int monitor_resize(int ctl, unsigned int rows, unsigned int cols, struct err *e)
{
	struct msg_resize m = { MSG_HEAD(MSG_RESIZE, m), rows, cols };

	return ask(ctl, &m, sizeof(m), -1, e);
}

static int signal_request(int ctl, int signo, bool all, struct err *e)
{
	struct msg_signal m = { MSG_HEAD(MSG_SIGNAL, m), signo, all };

	return ask(ctl, &m, sizeof(m), -1, e);
}

int monitor_signal(int ctl, int signo, struct err *e)
{
	return signal_request(ctl, signo, false, e);
}

int monitor_signal_all(int ctl, int signo, struct err *e)
{
	return signal_request(ctl, signo, true, e);
}

int monitor_limit(int ctl, const json_t *resources, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free struct msg_limit *m = NULL;

	json_print(resources, false, &text);
	if (text.n > MSG_TEXT_MAX)
		return err_kind(e, ERR_INVALID, "limits of %zu bytes", text.n);
	m = xmalloc(sizeof(*m) + text.n);
	*m = (struct msg_limit){ { MSG_LIMIT, (uint32_t)(sizeof(*m) + text.n) }, (uint32_t)text.n };
	memcpy(m + 1, text.p, text.n);
	return ask(ctl, m, sizeof(*m) + text.n, -1, e);
}

int monitor_freeze(int ctl, bool on, struct err *e)
{
	struct msg_freeze m = { MSG_HEAD(MSG_FREEZE, m), on };

	return ask(ctl, &m, sizeof(m), -1, e);
}

/* --- the end ------------------------------------------------------------------------------------------ */

int monitor_pidfd(int dirfd)
{
	cleanup_json json_t *j = json_load_at(dirfd, "monitor.json", EXIT_MAX, NULL);

	return proc_open((pid_t)json_int(j, "pid", 0), (uint64_t)json_int(j, "start_time", 0));
}

char *monitor_cgroup(int dirfd)
{
	cleanup_json json_t *j = json_load_at(dirfd, "monitor.json", EXIT_MAX, NULL);

	return xstrdup(json_str(j, "cgroup", NULL));
}

int monitor_exit_record(int dirfd, struct monitor_exit *x)
{
	cleanup_json json_t *j = json_load_at(dirfd, "exit.json", EXIT_MAX, NULL);

	if (!json_is_integer(json_object_get(j, "exit_code")))
		return -1;
	x->exit_code = (int)json_int(j, "exit_code", 0);
	x->finished_at = json_int(j, "finished_at", 0);
	x->oom_killed = json_bool(j, "oom_killed", false);
	return 0;
}

int monitor_read_exit(int ctl, int dirfd, struct monitor_exit *x, struct err *e)
{
	union answer a;

	if (!answer_recv(ctl, &a, -1) && is_answer(&a, MSG_EXITED, sizeof(a.exited))) {
		x->exit_code = a.exited.exit_code;
		x->finished_at = a.exited.finished_at;
		x->oom_killed = a.exited.oom_killed;
		return 1;
	}
	if (!monitor_exit_record(dirfd, x))
		return 1;
	return err_set(e, ESRCH, "waiting for the process: its monitor is gone");
}
