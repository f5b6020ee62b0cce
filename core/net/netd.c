/* SPDX-License-Identifier: MIT */
/*
 * core/net/netd.c - the process netd: its two sides, its requests, its end
 *
 * Theory of operation
 *   Started as ":netd" in the engine's user and mount namespace and the host's network namespace, with
 *   the first control connection as descriptor 3 and exec-root as 4.  In order:
 *	(1) be nobody's: own session, no terminal, stderr is netd.log
 *	(2) lock netd.lock, listen on netd.sock, write netd.json: from here on others find us
 *	(3) open the inside or make it, and start the thread that lives there
 *	(4) give up files and capabilities (netd_isolate.c), start the modules, and filter system calls;
 *	    with the argument "strict", for tests, one that is not allowed ends us; "norelay" leaves the relay out
 *	(5) greet on descriptor 3, and answer requests until a "stop", or until the end of the connection
 *	    that said "follow"
 *   A failure before (5) is told on descriptor 3 and ends us.  A module that does not work is reported by
 *   "info"; netd goes on without it: containers without a way out beat no containers.
 *
 *   Threads: main (requests), inside (sockets of the inside), and what the modules start.  A network
 *   namespace is a thread's, so there are sockets of both sides in one descriptor table.
 */
#include "net/netd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "net/loop.h"
#include "net/module.h"
#include "net/netd_isolate.h"
#include "net/netns.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

/* #syscalls accept4 recvmsg sendmsg socket close exit_group fcntl unlinkat */

#define FIRST_CONNECTION 3
#define EXEC_ROOT 4
#define FD_RESERVE 128 /* descriptors for everything that is no connection of a container's */
#define CONNECTIONS_MAX 16 /* engines, and whoever else of this user looks */

/* --- the inside --------------------------------------------------------------------------------- */

/* One request at a time to the thread that lives inside. */
static struct {
	int netns;
	pthread_mutex_t caller; /* held by the one who asks */
	pthread_mutex_t lock;	/* after it; guards what follows */
	pthread_cond_t changed;
	enum { IDLE, ASKED, ANSWERED } state;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int rc;
} inside = {.netns = -1,
	.caller = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER};
static int proc_sys = -1; /* /proc/sys, while modules start */

static void inside_to_state(int state)
{
	inside.state = state;
	pthread_cond_broadcast(&inside.changed);
}

static void inside_await(int state)
{
	while ((int)inside.state != state)
		pthread_cond_wait(&inside.changed, &inside.lock);
}

static void inside_main(void *arg)
{
	struct err *e = arg;
	bool usable;

	pthread_mutex_lock(&inside.lock);
	inside.rc = setns(inside.netns, CLONE_NEWNET) ?
			    err_set(e, errno, "entering the containers' network namespace") :
			    netd_isolate(-1, e);
	usable = !inside.rc;
	inside_to_state(ANSWERED);
	while (usable) {
		inside_await(ASKED);
		inside.rc = inside.fn(inside.arg, inside.e);
		inside_to_state(ANSWERED);
	}
	pthread_mutex_unlock(&inside.lock);
}

int inside_run(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	int rc;

	pthread_mutex_lock(&inside.caller);
	pthread_mutex_lock(&inside.lock);
	inside.fn = fn;
	inside.arg = arg;
	inside.e = e;
	inside_to_state(ASKED);
	inside_await(ANSWERED);
	rc = inside.rc;
	pthread_mutex_unlock(&inside.lock);
	pthread_mutex_unlock(&inside.caller);
	return rc;
}

struct wanted_socket {
	int family, type, protocol;
	int fd, error;
};

static int make_socket(void *arg, struct err *e)
{
	struct wanted_socket *w = arg;

	(void)e;
	w->fd = socket(w->family, w->type | SOCK_CLOEXEC, w->protocol);
	w->error = errno;
	return 0;
}

int inside_socket(int family, int type, int protocol)
{
	struct wanted_socket w = {family, type, protocol, -1, 0};

	inside_run(make_socket, &w, NULL);
	errno = w.error;
	return w.fd;
}

struct sysctl {
	const char *path, *value;
};

static int write_sysctl(void *arg, struct err *e)
{
	const struct sysctl *s = arg;
	cleanup_close int fd = openat(proc_sys, s->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, s->value, strlen(s->value)))
		return err_set(e, errno, "writing %s to /proc/sys/%s", s->value, s->path);
	return 0;
}

int inside_sysctl(const char *path, const char *value, struct err *e)
{
	struct sysctl s = {path, value};

	return inside_run(write_sysctl, &s, e);
}

static int inside_open(struct err *e)
{
	bool made;
	int rc;

	inside.netns = netns_open_pinned(EXEC_ROOT, "netns", &made, e);
	if (inside.netns < 0)
		return -1;
	rc = thread_start("inside", inside_main, e, 64);
	if (rc)
		return err_set(e, rc, "starting a thread");
	pthread_mutex_lock(&inside.lock);
	inside_await(ANSWERED);
	rc = inside.rc;
	pthread_mutex_unlock(&inside.lock);
	return rc;
}

/* --- modules ------------------------------------------------------------------------------------ */

static module_op op_info, op_stop, op_follow;

static const struct module netd_module = {
	.name = "netd",
	.ops = {{"info", op_info}, {"stop", op_stop}, {"follow", op_follow}},
};

static const struct module *const modules[] = {
	&netd_module,
	&relay_module,
	&dns_module,
	&port_module,
};

bool netd_relays;
int netd_fds_max = INT32_MAX;

static struct err failures[ARRAY_SIZE(modules)]; /* of start(), each module's; code and text 0: none */

static bool wanted_relay = true; /* told in HELLO: what we were started for, whether or not it works */

static void start_modules(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		if (modules[i] == &relay_module && !wanted_relay)
			err_kind(&failures[i], ERR_NOT_SUPPORTED, "another network driver is used");
		else if (modules[i]->start && modules[i]->start(&failures[i]))
			log_err(&failures[i], "%s", modules[i]->name);
		if (modules[i] == &relay_module)
			netd_relays = !*failures[i].msg;
	}
}

static int op_info(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	size_t i;

	(void)req, (void)fds, (void)n_fds, (void)e;
	json_set_int(answer, "pid", getpid());
	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		json_t *about = json_object();

		if (*failures[i].msg)
			json_set_str(about, "error", failures[i].msg);
		else if (modules[i]->info)
			modules[i]->info(about);
		json_set_new(answer, modules[i]->name, about);
	}
	return 0;
}

static module_op *find_op(const char *name, struct err *e)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(modules); i++)
		for (k = 0; k < ARRAY_SIZE(modules[i]->ops) && modules[i]->ops[k].name; k++) {
			if (strcmp(modules[i]->ops[k].name, name))
				continue;
			if (!*failures[i].msg)
				return modules[i]->ops[k].fn;
			*e = failures[i];
			return NULL;
		}
	err_kind(e, ERR_NOT_SUPPORTED, "netd knows no operation '%s'", name);
	return NULL;
}

/* --- requests ----------------------------------------------------------------------------------- */

struct connection {
	struct watch watch; /* first; fd -1: free */
};

static struct connection connections[CONNECTIONS_MAX];
static struct loop loop;
static struct watch listener = {.fd = -1};
static bool stopping;
static const struct connection *asking, *followed; /* whose request it is; with whom we end */

/* Who asks is who we are there for: the end of that connection is ours. */
static int op_follow(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	(void)req, (void)fds, (void)n_fds, (void)answer, (void)e;
	followed = asking;
	return 0;
}

static int op_stop(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	(void)req, (void)fds, (void)n_fds, (void)answer, (void)e;
	stopping = true;
	return 0;
}

static void set_failure(json_t *answer, const struct err *e)
{
	json_object_clear(answer);
	json_set_str(answer, "error", e->msg);
	json_set_int(answer, "code", e->code);
	json_set_int(answer, "kind", e->kind);
	if (*e->hint)
		json_set_str(answer, "hint", e->hint);
}

static int send_json(int fd, const json_t *j, const int *fds, size_t n_fds)
{
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, false, &text);
	if (text.n > NETD_MESSAGE_MAX)
		bug("an answer of %zu bytes", text.n);
	return sock_send(fd, text.p, text.n, fds, n_fds);
}

static void answer_request(int fd, const char *text, size_t n, int *fds, size_t n_fds)
{
	cleanup_json json_t *req = NULL, *answer = json_object();
	struct err e = ERR_INIT;
	module_op *op;

	req = json_parse(text, n, &e);
	op = req ? find_op(json_str(req, "op", ""), &e) : NULL;
	if (!op || op(req, fds, n_fds, answer, &e))
		set_failure(answer, &e);
	send_json(fd, answer, NULL, 0); /* who does not listen has gone, and that is seen soon */
}

static void connection_close(struct connection *c)
{
	loop_remove(&loop, &c->watch);
	fd_close(&c->watch.fd);
	stopping |= c == followed;
}

static void connection_ready(struct watch *w, uint32_t events)
{
	struct connection *c = (struct connection *)w;
	static char text[NETD_MESSAGE_MAX];
	int fds[NETD_FDS_MAX];
	size_t n_fds, i;
	ssize_t n = sock_recv(w->fd, text, sizeof(text), fds, NETD_FDS_MAX, &n_fds);

	(void)events;
	asking = c;
	if (n > 0)
		answer_request(w->fd, text, (size_t)n, fds, n_fds);
	for (i = 0; i < n_fds; i++)
		fd_close(&fds[i]);
	if (n <= 0)
		connection_close(c);
}

static int greet(int fd)
{
	cleanup_json json_t *hello = json_object();

	json_set_int(hello, "protocol", NETD_PROTOCOL);
	json_set_int(hello, "pid", getpid());
	json_set_bool(hello, "relay", wanted_relay);
	return send_json(fd, hello, &inside.netns, 1);
}

/* Takes @fd over. */
static void connection_add(int fd)
{
	struct connection *c = connections;

	while (c < connections + CONNECTIONS_MAX && c->watch.fd >= 0)
		c++;
	if (c == connections + CONNECTIONS_MAX || greet(fd)) {
		close(fd);
		return;
	}
	c->watch = (struct watch){.fd = fd, .ready = connection_ready};
	if (loop_add(&loop, &c->watch, EPOLLIN))
		fd_close(&c->watch.fd);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		connection_add(fd);
}

/* --- coming up ---------------------------------------------------------------------------------- */

static int be_nobodys(struct err *e)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int out = openat(EXEC_ROOT, "netd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	setsid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	umask(077);
	if (null < 0 || out < 0 || chdir("/"))
		return err_set(e, errno, "opening netd.log");
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(out, 2) < 0)
		return err_set(e, errno, "opening netd.log");
	return 0;
}

/* Only one at a time: the lock is ours until we end. */
static int be_found(struct err *e)
{
	int lock = openat(EXEC_ROOT, "netd.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* kept open */
	cleanup_json json_t *j = json_object();

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB))
		return err_set(e, errno, "locking netd.lock");
	if (ftruncate(2, 0))
		log_warn("netd.log keeps growing: %s", strerror(errno));
	listener.fd = sock_listen_at(EXEC_ROOT, "netd.sock", SOCK_SEQPACKET, 0600, e);
	if (listener.fd < 0)
		return -1;
	listener.ready = listener_ready;
	json_set_int(j, "pid", getpid());
	json_set_int(j, "start_time", (int64_t)proc_start_time(getpid()));
	return json_save_at(EXEC_ROOT, "netd.json", j, 0, e);
}

/* As many as we may have, but for a reserve. */
static void raise_fd_limit(void)
{
	struct rlimit r = {1024, 1024};
	int max;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	max = r.rlim_cur > INT32_MAX ? INT32_MAX : (int)r.rlim_cur;
	netd_fds_max = max > 2 * FD_RESERVE ? max - FD_RESERVE : max / 2;
}

static int come_up(bool strict, struct err *e)
{
	if (be_nobodys(e) || be_found(e) || inside_open(e) || loop_init(&loop, e))
		return -1;
	if (loop_add(&loop, &listener, EPOLLIN))
		return err_set(e, errno, "watching netd.sock");
	proc_sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (netd_isolate(EXEC_ROOT, e))
		return -1;
	raise_fd_limit();
	start_modules();
	fd_close(&proc_sys);
	return netd_filter(strict, e);
}

int netd_role_main(int argc, char **argv)
{
	cleanup_json json_t *answer = json_object();
	struct err e = ERR_INIT;
	size_t i;

	fcntl(FIRST_CONNECTION, F_SETFD, FD_CLOEXEC);
	fcntl(EXEC_ROOT, F_SETFD, FD_CLOEXEC);
	for (i = 0; i < CONNECTIONS_MAX; i++)
		connections[i].watch.fd = -1;
	wanted_relay = !str_in("norelay", (const char *const *)argv);
	if (come_up(str_in("strict", (const char *const *)argv), &e)) {
		set_failure(answer, &e);
		send_json(FIRST_CONNECTION, answer, NULL, 0);
		return 1;
	}
	connection_add(FIRST_CONNECTION);
	while (!stopping)
		loop_once(&loop, -1);
	unlinkat(EXEC_ROOT, "netd.sock", 0);
	unlinkat(EXEC_ROOT, "netd.json", 0);
	/* At once: threads that splice have nothing to finish. */
	_exit(0);
}
