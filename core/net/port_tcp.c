/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_tcp.c - published TCP ports: accepting, connecting, handing over to a worker
 *
 * Theory of operation
 *   A connection that a listener accepts is *connecting* until the container has answered: it belongs
 *   to the thread "ports".  A refusal or time-out there becomes a reset here.  What the client sends
 *   meanwhile waits in the kernel.  Then the pair of sockets is handed to a worker, one of as many
 *   threads as there are CPUs (at most WORKERS_MAX), and spliced there until both sides have ended.
 *
 *   Out of descriptors, a listener rests for PAUSE_NS: it would be readable all the time.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "net/module.h"
#include "net/port_server.h"
#include "net/splice.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* #syscalls accept4 getsockopt close */

#define WORKERS_MAX 8
#define WORKER_STACK_KB 32
#define ACCEPT_AT_ONCE 16
#define PAUSE_NS (100 * NS_PER_MS)

struct port_connecting {
	struct port_connecting *next;
	struct port_entry *port;
	struct loop *loop;
	struct watch client, container;
};

struct connection {
	struct splice splice; /* first */
	struct loop_job job;
	struct connection *next, **here;
	struct worker *worker;
	uint64_t serial; /* of the port */
	int client, container;
};

static struct worker {
	struct loop loop;
	struct splice_pool pool;
	struct connection *connections;
} workers[WORKERS_MAX];
static size_t n_workers, turn;
static bool paused;

/* --- connections that stand: a worker's ---------------------------------------------------------- */

static struct connection *of_job(struct loop_job *job)
{
	return (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
}

static void connection_forget(struct splice *s)
{
	struct connection *c = (struct connection *)(void *)s;

	*c->here = c->next;
	if (c->next)
		c->next->here = c->here;
	free(c);
}

static void connection_begin(struct loop_job *job)
{
	struct connection *c = of_job(job);

	splice_prepare(c->client);
	splice_prepare(c->container);
	if (splice_start(&c->splice, &c->worker->pool, c->client, c->container, false, connection_forget)) {
		log_warn("a connection to a published port is dropped: %s", strerror(errno));
		free(c);
		return;
	}
	c->next = c->worker->connections;
	c->here = &c->worker->connections;
	if (c->next)
		c->next->here = &c->next;
	c->worker->connections = c;
}

static void hand_over(struct port_entry *p, int client, int container)
{
	struct connection *c = xcalloc(1, sizeof(*c));

	c->job.fn = connection_begin;
	c->worker = &workers[turn++ % n_workers];
	c->serial = p->serial;
	c->client = client;
	c->container = container;
	loop_call(&c->worker->loop, &c->job);
}

struct close_job {
	struct loop_job job; /* first */
	struct worker *worker;
	uint64_t serial;
};

static void close_connections(struct loop_job *job)
{
	struct close_job *j = (struct close_job *)(void *)job;
	struct connection *c, *next;

	for (c = j->worker->connections; c; c = next) {
		next = c->next;
		if (c->serial != j->serial)
			continue;
		splice_abort(&c->splice);
		connection_forget(&c->splice);
	}
	free(j);
}

/* --- connecting ---------------------------------------------------------------------------------- */

static void connecting_forget(struct port_connecting *c)
{
	struct port_connecting **p;

	loop_remove(c->loop, &c->client);
	loop_remove(c->loop, &c->container);
	for (p = &c->port->connecting; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	free(c);
}

static void connecting_fail(struct port_connecting *c)
{
	int client = c->client.fd, container = c->container.fd;

	connecting_forget(c);
	splice_reset(&client);
	splice_reset(&container);
}

static void client_left(struct watch *w, uint32_t events)
{
	(void)events; /* none is asked for: it is an error, or a hang-up */
	connecting_fail((struct port_connecting *)(void *)((char *)w - offsetof(struct port_connecting, client)));
}

static void container_answered(struct watch *w, uint32_t events)
{
	struct port_connecting *c =
		(struct port_connecting *)(void *)((char *)w - offsetof(struct port_connecting, container));
	struct port_entry *p = c->port;
	int client = c->client.fd, container = w->fd;

	if (events & (EPOLLERR | EPOLLHUP)) {
		connecting_fail(c);
		return;
	}
	connecting_forget(c);
	hand_over(p, client, container);
}

static void begin_connecting(struct port_listener *l, struct loop *loop, int client, int container)
{
	struct port_connecting *c = xcalloc(1, sizeof(*c));

	c->port = l->port;
	c->loop = loop;
	c->client = (struct watch){.fd = client, .ready = client_left};
	c->container = (struct watch){.fd = container, .ready = container_answered};
	c->next = l->port->connecting;
	l->port->connecting = c;
	if (loop_add(loop, &c->client, 0) || loop_add(loop, &c->container, EPOLLOUT))
		connecting_fail(c);
}

/* --- accepting ----------------------------------------------------------------------------------- */

static void rest(struct ports *ports, struct port_listener *l, int error)
{
	if (!paused)
		log_warn("published port %s:%u: accepting: %s", l->port->port.host_ip, l->port->port.host_port,
			strerror(error));
	paused = true;
	loop_change(&ports->loop, &l->w, 0);
	ports_alarm(ports, clock_mono_ns() + PAUSE_NS);
}

void port_tcp_tick(struct ports *ports)
{
	struct port_entry *p;

	for (p = ports->entries; paused && p; p = p->next) {
		if (p->port.proto != PORT_TCP)
			continue;
		loop_change(&ports->loop, &p->host.w, EPOLLIN);
		if (p->inside.w.fd >= 0)
			loop_change(&ports->loop, &p->inside.w, EPOLLIN);
	}
	paused = false;
}

void port_tcp_ready(struct watch *w, uint32_t events)
{
	struct port_listener *l = (struct port_listener *)(void *)((char *)w - offsetof(struct port_listener, w));
	int i, client, container;
	struct peer from;

	(void)events;
	for (i = 0; i < ACCEPT_AT_ONCE; i++) {
		from.len = PEER_MAX;
		client = accept4(w->fd, &from.any, &from.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client < 0 && errno == ECONNABORTED)
			continue;
		if (client < 0 && errno != EAGAIN)
			rest(l->port->ports, l, errno);
		if (client < 0)
			return;
		container = port_connect(l->port, &from, l->inside, SOCK_STREAM);
		if (container < 0 || client >= netd_fds_max || container >= netd_fds_max) {
			splice_reset(&client);
			splice_reset(&container);
		}
		else
			begin_connecting(l, &l->port->ports->loop, client, container);
	}
}

void port_tcp_close(struct port_entry *p)
{
	size_t i;

	while (p->connecting)
		connecting_fail(p->connecting);
	for (i = 0; i < n_workers; i++) {
		struct close_job *j = xcalloc(1, sizeof(*j));

		*j = (struct close_job){.job.fn = close_connections, .worker = &workers[i], .serial = p->serial};
		loop_call(&workers[i].loop, &j->job);
	}
}

int port_tcp_start(struct err *e)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
	struct worker *w;

	for (w = workers; n-- > 0 && w < workers + WORKERS_MAX; w++) {
		if (loop_init(&w->loop, e))
			return -1;
		splice_pool_init(&w->pool, &w->loop);
		if (loop_start(&w->loop, "port-worker", WORKER_STACK_KB, e))
			return -1;
		n_workers++;
	}
	return 0;
}
