/* SPDX-License-Identifier: MIT */
/*
 * core/net/netd_client.c - the engine's side of netd: starting it, asking it, noticing its death
 *
 * Theory of operation
 *   One connection, one request on it at a time.  A second thread polls the connection for nothing but
 *   its hang-up; when that comes it connects again, which starts the next netd, raises `generation`, and
 *   has everything replayed.  A caller whose request failed with the connection waits for the next
 *   generation and asks once more.  So a request may be carried out twice, or once by the caller and
 *   once by the replay: operations are made for that.
 */
#include "net/netd.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 10000	 /* netd answers at once, unless somebody stopped it */
#define HELLO_MS 60000	 /* the first netd after a boot waits for a dozen kernel modules; a dead one hangs up */
#define START_TRIES 100	 /* while another netd, just started, has the lock but does not answer yet */
#define START_PAUSE_MS 20
#define RESTART_WAIT_S 5 /* how long a caller waits for the next netd */
#define PAUSE_MAX_MS 10000
#define WATCH_STACK_KB 256 /* for the replay, JSON in it */

struct netd {
	int execfd, netns;
	bool relay;
	void (*replay)(void *arg);
	void *arg;
	pthread_mutex_t call; /* held over one request and answer */
	pthread_mutex_t lock; /* after call; guards what follows */
	pthread_cond_t changed;
	int sock; /* -1: none lives; only the watching thread changes it, with both locks */
	uint64_t generation;
	bool stopped;
};

/* --- messages ----------------------------------------------------------------------------------- */

/* Receive an object, and a descriptor where @fd is not NULL.  NULL with @e; e->code is EPIPE if the other
 * end has gone. */
static json_t *receive(int sock, int timeout_ms, int *fd, struct err *e)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	cleanup_free char *text = xmalloc(NETD_MESSAGE_MAX);
	size_t n_fds = 0;
	ssize_t n;
	int rc;

	do
		rc = poll(&p, 1, timeout_ms);
	while (rc < 0 && errno == EINTR);
	if (!rc)
		err_kind(e, ERR_UNAVAILABLE, "netd does not answer");
	if (rc <= 0)
		return NULL;
	n = sock_recv(sock, text, NETD_MESSAGE_MAX, fd, fd ? 1 : 0, &n_fds);
	if (n <= 0) {
		err_set(e, n < 0 && errno != ECONNRESET ? errno : EPIPE, "hearing from netd");
		return NULL;
	}
	if (fd && !n_fds)
		*fd = -1;
	return json_parse(text, (size_t)n, e);
}

static int take_failure(const json_t *answer, struct err *e)
{
	const char *text = json_str(answer, "error", NULL), *hint = json_str(answer, "hint", "");

	if (!text)
		return 0;
	err_kind(e, (enum err_kind)json_int(answer, "kind", ERR_FAILED), "%s", text);
	if (e)
		e->code = (int)json_int(answer, "code", 0);
	if (*hint)
		err_hint(e, "%s", hint);
	return -1;
}

/* Its HELLO: 1 and *netns set, 0 if it speaks another protocol, -1 with @e. */
static int hello(int sock, bool relay, int timeout_ms, int *netns, struct err *e)
{
	cleanup_close int fd = -1;
	cleanup_json json_t *j = receive(sock, timeout_ms, &fd, e);

	if (!j || take_failure(j, e))
		return -1;
	if (json_int(j, "protocol", 0) != NETD_PROTOCOL || json_bool(j, "relay", true) != relay)
		return 0;
	if (fd < 0)
		return err_set(e, EPROTO, "hearing from netd");
	*netns = fd_steal(&fd);
	return 1;
}

/* --- starting ----------------------------------------------------------------------------------- */

int netd_find(int execfd)
{
	cleanup_json json_t *j = json_load_at(execfd, "netd.json", 4096, NULL);

	return j ? proc_open((pid_t)json_int(j, "pid", 0), (uint64_t)json_int(j, "start_time", 0)) : -1;
}

/* One that speaks another language ends; the bridges stay where they are. */
static void end_foreign(int execfd)
{
	cleanup_close int pidfd = netd_find(execfd);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0 || proc_signal(pidfd, SIGKILL))
		return;
	poll(&p, 1, ANSWER_MS);
}

static int spawn(int execfd, bool relay, struct err *e)
{
	/* A test may want to see it die of a system call that it should not make. */
	const char *const argv[] = {":netd", relay ? "relay" : "norelay", getenv("CORACLE_NETD_STRICT") ? "strict" : NULL, NULL};

	return proc_spawn_talking(argv, &execfd, 1, NULL, NULL, e);
}

/* A connection that was greeted: to the netd that lives, or to a new one.  -1 with @e. */
static int connect_or_start(int execfd, bool relay, int *netns, struct err *e)
{
	static const struct timespec pause = {0, START_PAUSE_MS * NS_PER_MS};
	int tries, rc;

	for (tries = 0; tries < START_TRIES; tries++) {
		cleanup_close int sock = sock_connect_at(execfd, "netd.sock", SOCK_SEQPACKET);
		bool found = sock >= 0;

		if (!found)
			sock = spawn(execfd, relay, e);
		if (sock < 0)
			return -1;
		rc = hello(sock, relay, found ? ANSWER_MS : HELLO_MS, netns, e);
		if (rc == 1)
			return fd_steal(&sock);
		if (!rc)
			end_foreign(execfd);
		else if (found ? e->code != EPIPE : e->code != EWOULDBLOCK)
			return -1;
		else
			nanosleep(&pause, NULL); /* one is ending, or coming up */
	}
	return -1;
}

/* --- watching ----------------------------------------------------------------------------------- */

static void await_hangup(int sock)
{
	struct pollfd p = {.fd = sock};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static void set_sock(struct netd *n, int sock)
{
	pthread_mutex_lock(&n->call);
	pthread_mutex_lock(&n->lock);
	fd_close(&n->sock);
	n->sock = sock;
	if (sock >= 0)
		n->generation++;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
	pthread_mutex_unlock(&n->call);
}

/* Connect again, for as long as it takes. */
static void restart(struct netd *n)
{
	long pause_ms = START_PAUSE_MS;
	int sock, netns = -1;

	for (;;) {
		struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * NS_PER_MS};
		struct err e = ERR_INIT;

		sock = connect_or_start(n->execfd, n->relay, &netns, &e);
		if (sock >= 0)
			break;
		log_err(&e, "starting netd");
		nanosleep(&pause, NULL);
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
	/* The same namespace under the same number: others may be using it. */
	dup3(netns, n->netns, O_CLOEXEC);
	fd_close(&netns);
	set_sock(n, sock);
}

static void watch_main(void *arg)
{
	struct netd *n = arg;

	for (;;) {
		await_hangup(n->sock);
		set_sock(n, -1);
		pthread_mutex_lock(&n->lock);
		if (n->stopped) {
			pthread_mutex_unlock(&n->lock);
			return;
		}
		pthread_mutex_unlock(&n->lock);
		log_warn("netd has ended; starting the next one");
		restart(n);
		if (n->replay)
			n->replay(n->arg);
	}
}

struct netd *netd_open(int execfd, bool relay, void (*replay)(void *arg), void *arg, struct err *e)
{
	struct netd *n = xcalloc(1, sizeof(*n));
	int rc;

	*n = (struct netd){.execfd = execfd, .netns = -1, .relay = relay, .replay = replay, .arg = arg, .generation = 1};
	pthread_mutex_init(&n->call, NULL);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	n->sock = connect_or_start(execfd, relay, &n->netns, e);
	if (n->sock < 0) {
		err_wrap(e, "starting netd");
		goto fail;
	}
	rc = thread_start("netd-watch", watch_main, n, WATCH_STACK_KB);
	if (!rc)
		return n;
	err_set(e, rc, "starting a thread");
fail:
	fd_close(&n->sock);
	fd_close(&n->netns);
	free(n);
	return NULL;
}

int netd_netns(const struct netd *n)
{
	return n->netns;
}

/* --- asking ------------------------------------------------------------------------------------- */

/* Wait until there is a netd that is not the one of @generation (0: any). -1 if none comes. */
static int await_next(struct netd *n, uint64_t generation)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RESTART_WAIT_S;
	pthread_mutex_lock(&n->lock);
	while (!rc && !n->stopped && (n->sock < 0 || n->generation == generation))
		rc = pthread_cond_timedwait(&n->changed, &n->lock, &until);
	rc = n->sock < 0 || n->generation == generation ? -1 : 0;
	pthread_mutex_unlock(&n->lock);
	return rc;
}

/* NULL with @e; e->code is EPIPE if netd ended, *generation is which. */
static json_t *ask(struct netd *n, const struct buf *text, const int *fds, size_t n_fds,
	uint64_t *generation, struct err *e)
{
	json_t *answer = NULL;

	pthread_mutex_lock(&n->call);
	*generation = n->generation;
	if (n->sock < 0 || sock_send(n->sock, text->p, text->n, fds, n_fds))
		err_set(e, n->sock < 0 || errno == ECONNRESET ? EPIPE : errno, "asking netd");
	else
		answer = receive(n->sock, ANSWER_MS, NULL, e);
	/* A late answer must not be taken for the next one. */
	if (!answer && n->sock >= 0)
		shutdown(n->sock, SHUT_RDWR);
	pthread_mutex_unlock(&n->call);
	return answer;
}

int netd_call(struct netd *n, const char *op, json_t *args_steal, const int *fds, size_t n_fds,
	json_t **answer, struct err *e)
{
	cleanup_json json_t *req = args_steal ? args_steal : json_object(), *got = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	uint64_t generation;

	json_set_str(req, "op", op);
	json_print(req, false, &text);
	if (text.n > NETD_MESSAGE_MAX)
		return err_kind(e, ERR_INVALID, "a request of %zu bytes to netd", text.n);
	got = ask(n, &text, fds, n_fds, &generation, &why);
	if (!got && why.code == EPIPE && !await_next(n, generation))
		got = ask(n, &text, fds, n_fds, &generation, &why);
	if (!got)
		return err_kind(e, ERR_UNAVAILABLE, "%s", why.msg);
	if (take_failure(got, e))
		return -1;
	if (answer)
		*answer = steal(&got);
	return 0;
}

void netd_stop(struct netd *n)
{
	pthread_mutex_lock(&n->lock);
	n->stopped = true;
	pthread_mutex_unlock(&n->lock);
	netd_call(n, "stop", NULL, NULL, 0, NULL, NULL);
}
