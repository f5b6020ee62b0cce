/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_tcp.c - the name server's clients that came by TCP (RFC 7766)
 *
 * Theory of operation
 *   A connection reads one query (two bytes of length, then the message), has it handled, writes the
 *   answer, and only then reads the next: what else the client sends waits in the kernel.  One that does
 *   nothing for IDLE_NS is closed, as is one whose query deserves no answer.
 *
 * States: reading (buffer fills), waiting (a query is with a server), writing (buffer empties).
 */
#include "net/dns_server.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* #syscalls accept4 recvfrom sendto */

#define IDLE_NS (10 * NS_PER_S)

enum state { READING, WAITING, WRITING };

struct dns_connection {
	struct dns_connection *next;
	struct dns_box *box;
	struct watch w;
	enum state state;
	int64_t until;
	uint8_t *p;	/* the message with its length; as long as `size` says */
	size_t n, size; /* done of it, all of it; size 2 until the length is known */
};

static void connection_close(struct dns_connection *c)
{
	struct dns_connection **p;

	dns_flights_drop(c->box, c);
	loop_remove(&c->box->dns->loop, &c->w);
	fd_close(&c->w.fd);
	for (p = &c->box->connections; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	c->box->n_connections--;
	free(c->p);
	free(c);
}

static void expect(struct dns_connection *c, enum state state, size_t size)
{
	static const uint32_t events[] = {[READING] = EPOLLIN, [WAITING] = 0, [WRITING] = EPOLLOUT};

	c->state = state;
	c->n = 0;
	c->size = size;
	c->until = state == WAITING ? INT64_MAX : clock_mono_ns() + IDLE_NS;
	if (state != WAITING)
		dns_alarm(c->box->dns, c->until);
	loop_change(&c->box->dns->loop, &c->w, events[state]);
}

/* As much of the message as goes now: 1 all, 0 not yet, -1 the connection is of no use any more. */
static int move(struct dns_connection *c)
{
	while (c->n < c->size) {
		ssize_t n = c->state == READING ? recv(c->w.fd, c->p + c->n, c->size - c->n, MSG_DONTWAIT) :
						  send(c->w.fd, c->p + c->n, c->size - c->n,
							  MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		c->n += (size_t)n;
	}
	return 1;
}

static void write_some(struct dns_connection *c)
{
	int rc = move(c);

	if (rc < 0)
		connection_close(c);
	else if (rc)
		expect(c, READING, 2);
}

void dns_connection_reply(struct dns_connection *c, const uint8_t *msg, size_t n)
{
	c->p = xrealloc(c->p, 2 + n);
	c->p[0] = (uint8_t)(n >> 8);
	c->p[1] = (uint8_t)n;
	memcpy(c->p + 2, msg, n);
	expect(c, WRITING, 2 + n); /* the loop calls us for it: our caller still uses c */
}

static void read_some(struct dns_connection *c)
{
	struct dns_client client = {.box = c->box, .connection = c};
	struct dns *d = c->box->dns;
	size_t len;
	int rc = move(c);

	if (rc > 0 && c->size == 2) {
		len = (size_t)(c->p[0] << 8 | c->p[1]);
		c->p = xrealloc(c->p, 2 + len);
		c->size = 2 + len;
		rc = len ? move(c) : -1;
	}
	if (!rc)
		return;
	len = c->size - 2;
	memcpy(d->buffer, c->p + 2, len);
	if (rc > 0) {
		expect(c, WAITING, 0);
		rc = dns_handle(&client, d->buffer, len);
	}
	if (rc < 0)
		connection_close(c);
}

static void connection_ready(struct watch *w, uint32_t events)
{
	struct dns_connection *c =
		(struct dns_connection *)(void *)((char *)w - offsetof(struct dns_connection, w));

	if (c->state == WAITING) {
		if (events & (EPOLLHUP | EPOLLERR)) /* reported without being asked for */
			connection_close(c);
	} else if (c->state == READING) {
		read_some(c);
	} else {
		write_some(c);
	}
}

void dns_tcp_ready(struct watch *listener, uint32_t events)
{
	struct dns_box *box = (struct dns_box *)(void *)((char *)listener - offsetof(struct dns_box, tcp));
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct dns_connection *c;

	(void)events;
	if (fd < 0)
		return;
	if (box->n_connections >= DNS_CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->box = box;
	c->w = (struct watch){.fd = fd, .ready = connection_ready};
	c->p = xmalloc(2);
	c->next = box->connections;
	box->connections = c;
	box->n_connections++;
	if (loop_add(&box->dns->loop, &c->w, EPOLLIN))
		connection_close(c);
	else
		expect(c, READING, 2);
}

void dns_connections_close(struct dns_box *box)
{
	while (box->connections)
		connection_close(box->connections);
}

int64_t dns_connections_tick(struct dns_box *box, int64_t now)
{
	struct dns_connection *c, *next;
	int64_t first = INT64_MAX;

	for (c = box->connections; c; c = next) {
		next = c->next;
		if (c->until <= now)
			connection_close(c);
		else if (c->until < first)
			first = c->until;
	}
	return first;
}
