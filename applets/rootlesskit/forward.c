/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/forward.c - the port driver "builtin": ports of the host that lead inside
 *
 * Theory of operation
 *   We listen on the host's side.  For each client a socket is made inside by the child, who sends it to
 *   us; a socket stays in the namespace it was made in, so connecting it from here reaches what
 *   listens there.  TCP is spliced (net/splice.h).  UDP has one socket inside for each client, the
 *   longest idle one gives way when there are too many, and all do after FLOW_IDLE_NS.
 *
 *   A port is a thread with a loop of its own; the table is the main thread's.
 */
#include "kit.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "net/loop.h"
#include "net/peer.h"
#include "net/port.h"
#include "net/splice.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PORTS_MAX 256
#define FLOWS_MAX 128
#define FLOW_IDLE_NS (90 * NS_PER_S)
#define CONNECT_S 3 /* to something on the same machine */
#define DATAGRAM_MAX 65536
#define STACK_KB 128

struct forward {
	struct watch listener; /* first */
	struct kit_port port;
	struct peer target;
	struct loop loop;
	struct splice_pool pool;
	struct tcp *connections;
	struct udp *flows; /* FLOWS_MAX of them; NULL for TCP */
	int control;
	int64_t slirp; /* slirp4netns' name for it, -1: it is ours */
	bool over;
};

struct tcp {
	struct splice splice; /* first */
	struct forward *forward;
	struct tcp *next, **at; /* at: what points to us */
};

struct udp {
	struct watch w; /* first; fd -1: free */
	struct forward *forward;
	struct peer client;
	int64_t last;
};

static struct forward *ports[PORTS_MAX];
static int last_id;
static char slirp_api[108], slirp_guest[46]; /* "": not by slirp4netns */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER; /* held over a request to the child */

/* --- sockets inside ----------------------------------------------------------------------------- */

static int inside(struct forward *f, int type)
{
	struct kit_message m = {.word = KIT_SOCKET, .family = f->target.any.sa_family, .type = type | SOCK_CLOEXEC};
	struct timeval patience = {.tv_sec = CONNECT_S};
	cleanup_close int fd = -1;
	size_t n = 0;

	pthread_mutex_lock(&asking);
	if (!sock_send(f->control, &m, sizeof(m), NULL, 0))
		sock_recv(f->control, &m, sizeof(m), &fd, 1, &n);
	pthread_mutex_unlock(&asking);
	if (!n)
		fd = -1;
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, &f->target.any, f->target.len))
		return -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd_steal(&fd);
}

/* --- TCP ---------------------------------------------------------------------------------------- */

static void tcp_forget(struct tcp *t)
{
	*t->at = t->next;
	if (t->next)
		t->next->at = t->at;
	free(t);
}

static void tcp_closed(struct splice *s)
{
	tcp_forget((struct tcp *)s);
}

static void tcp_accept(struct watch *w, uint32_t events)
{
	struct forward *f = (struct forward *)w;
	int client = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), fd;
	struct tcp *t;

	(void)events;
	if (client < 0)
		return;
	fd = inside(f, SOCK_STREAM);
	if (fd < 0) {
		splice_reset(&client); /* as a port that nobody listens on */
		return;
	}
	t = xcalloc(1, sizeof(*t));
	t->forward = f;
	splice_prepare(client);
	splice_prepare(fd);
	if (splice_start(&t->splice, &f->pool, client, fd, false, tcp_closed)) {
		free(t);
		return;
	}
	t->next = f->connections;
	t->at = &f->connections;
	if (t->next)
		t->next->at = &t->next;
	f->connections = t;
}

/* --- UDP ---------------------------------------------------------------------------------------- */

static void flow_close(struct udp *u)
{
	loop_remove(&u->forward->loop, &u->w);
	fd_close(&u->w.fd);
}

static void flow_ready(struct watch *w, uint32_t events)
{
	struct udp *u = (struct udp *)w;
	static _Thread_local char datagram[DATAGRAM_MAX];
	ssize_t n = recv(w->fd, datagram, sizeof(datagram), 0);

	(void)events;
	if (n < 0)
		return; /* an ICMP error, or nothing */
	u->last = clock_mono_ns();
	sendto(u->forward->listener.fd, datagram, (size_t)n, MSG_NOSIGNAL, &u->client.any, u->client.len);
}

static void flows_expire(struct loop *l)
{
	struct forward *f = (struct forward *)((char *)l - offsetof(struct forward, loop));
	int64_t now = clock_mono_ns(), next = 0;
	struct udp *u;

	for (u = f->flows; u < f->flows + FLOWS_MAX; u++) {
		if (u->w.fd < 0)
			continue;
		if (u->last + FLOW_IDLE_NS <= now)
			flow_close(u);
		else if (!next || u->last + FLOW_IDLE_NS < next)
			next = u->last + FLOW_IDLE_NS;
	}
	loop_alarm(l, next, flows_expire);
}

/* The flow of a client; a new one takes a free place, or that of the longest idle one. */
static struct udp *flow_of(struct forward *f, const struct peer *client)
{
	struct udp *u, *place = f->flows;

	for (u = f->flows; u < f->flows + FLOWS_MAX; u++) {
		if (u->w.fd >= 0 && peer_eq(&u->client, client))
			return u;
		if (place->w.fd >= 0 && (u->w.fd < 0 || u->last < place->last))
			place = u;
	}
	if (place->w.fd >= 0)
		flow_close(place);
	*place = (struct udp){.w = {.fd = inside(f, SOCK_DGRAM), .ready = flow_ready}, .forward = f, .client = *client,
		.last = clock_mono_ns()};
	if (place->w.fd >= 0 && loop_add(&f->loop, &place->w, EPOLLIN))
		fd_close(&place->w.fd);
	flows_expire(&f->loop);
	return place->w.fd < 0 ? NULL : place;
}

static void udp_receive(struct watch *w, uint32_t events)
{
	struct forward *f = (struct forward *)w;
	static _Thread_local char datagram[DATAGRAM_MAX];
	struct peer client = {.len = sizeof(client.v6)};
	ssize_t n = recvfrom(w->fd, datagram, sizeof(datagram), 0, &client.any, &client.len);
	struct udp *u = n < 0 ? NULL : flow_of(f, &client);

	(void)events;
	if (!u)
		return;
	u->last = clock_mono_ns();
	send(u->w.fd, datagram, (size_t)n, MSG_NOSIGNAL);
}

/* --- a port ------------------------------------------------------------------------------------- */

static void forward_free(struct forward *f)
{
	size_t i;

	while (f->connections) {
		splice_abort(&f->connections->splice);
		tcp_forget(f->connections);
	}
	for (i = 0; f->flows && i < FLOWS_MAX; i++)
		if (f->flows[i].w.fd >= 0)
			flow_close(&f->flows[i]);
	loop_remove(&f->loop, &f->listener);
	fd_close(&f->listener.fd);
	splice_pool_release(&f->pool);
	loop_release(&f->loop);
	free(f->flows);
	free(f);
}

struct removal {
	struct loop_job job; /* first */
	struct forward *forward;
	sem_t closed;
};

static void forward_over(struct loop_job *job)
{
	struct removal *r = (struct removal *)job;
	struct forward *f = r->forward;

	f->over = true; /* its thread frees it */
	loop_remove(&f->loop, &f->listener);
	fd_close(&f->listener.fd);
	sem_post(&r->closed);
}

/* Nobody reaches the port any more, and another may have it, when this returns. */
static void forward_end(struct forward *f)
{
	struct removal r = {.job.fn = forward_over, .forward = f};

	sem_init(&r.closed, 0, 0);
	loop_call(&f->loop, &r.job);
	while (sem_wait(&r.closed))
		;
	sem_destroy(&r.closed);
}

static void forward_main(void *arg)
{
	struct forward *f = arg;

	while (!f->over)
		loop_once(&f->loop, -1);
	forward_free(f);
}

static bool is_udp(const struct kit_port *p)
{
	return *p->proto == 'u';
}

static int listen_on(struct forward *f, struct err *e)
{
	const struct kit_port *p = &f->port;

	f->listener.fd = kit_port_bind(p, port_bind, e);
	if (f->listener.fd < 0)
		return -1;
	f->listener.ready = is_udp(p) ? udp_receive : tcp_accept;
	if (loop_add(&f->loop, &f->listener, EPOLLIN))
		return err_set(e, errno, "watching port %u", p->parent_port);
	return 0;
}

static struct forward **free_place(struct err *e)
{
	size_t i;

	for (i = 0; i < PORTS_MAX; i++)
		if (!ports[i])
			return &ports[i];
	err_kind(e, ERR_FAILED, "more than %d ports", PORTS_MAX);
	return NULL;
}

struct kit_port *forward_list(size_t *n)
{
	struct kit_port *list = xcalloc(PORTS_MAX, sizeof(*list));
	size_t i;

	*n = 0;
	for (i = 0; i < PORTS_MAX; i++)
		if (ports[i])
			list[(*n)++] = ports[i]->port;
	return list;
}

void forward_by_slirp(const char *api, const char *guest)
{
	snprintf(slirp_api, sizeof(slirp_api), "%s", api);
	snprintf(slirp_guest, sizeof(slirp_guest), "%s", guest);
}

static int add_by_slirp(struct forward *f, struct forward **place, struct kit_port *p, struct err *e)
{
	if (slirp_add_port(slirp_api, &f->port, slirp_guest, &f->slirp, e)) {
		free(f);
		return -1;
	}
	p->id = f->port.id = ++last_id;
	*place = f;
	return 0;
}

int forward_add(struct kit_port *p, int control, struct err *e)
{
	struct forward **place = free_place(e), *f;
	struct peer target;
	size_t i, n;
	int rc;
	cleanup_free struct kit_port *list = forward_list(&n);

	if (!place || kit_port_check(p, list, n, &target, e))
		return -1;
	f = xcalloc(1, sizeof(*f));
	f->listener.fd = -1;
	f->control = control;
	f->port = *p;
	f->target = target;
	f->slirp = -1;
	if (*slirp_api)
		return add_by_slirp(f, place, p, e);
	if (loop_init(&f->loop, e)) {
		free(f);
		return -1;
	}
	splice_pool_init(&f->pool, &f->loop);
	f->pool.shared = true; /* with the child, until it has closed what it sent us */
	if (is_udp(p)) {
		f->flows = xcalloc(FLOWS_MAX, sizeof(*f->flows));
		for (i = 0; i < FLOWS_MAX; i++)
			f->flows[i].w.fd = -1;
	}
	p->id = f->port.id = last_id + 1;
	rc = listen_on(f, e);
	if (!rc) {
		rc = thread_start("port", forward_main, f, STACK_KB);
		if (rc)
			err_set(e, rc, "starting a thread");
	}
	if (rc) {
		forward_free(f);
		return -1;
	}
	last_id++;
	*place = f;
	return 0;
}

int forward_remove(int id, struct err *e)
{
	size_t i;

	for (i = 0; i < PORTS_MAX; i++) {
		struct forward *f = ports[i];

		if (!f || f->port.id != id)
			continue;
		if (f->slirp >= 0 && slirp_remove_port(slirp_api, f->slirp, e))
			return -1;
		ports[i] = NULL;
		if (f->slirp >= 0) {
			free(f);
			return 0;
		}
		forward_end(f);
		return 0;
	}
	return err_kind(e, ERR_NOT_FOUND, "unknown id: %d", id);
}
