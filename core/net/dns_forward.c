/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_forward.c - queries on their way to a server of the host, or of --dns
 *
 * Theory of operation
 *   A query in flight has a socket of its own, connected to the server: the kernel picks a random port
 *   and drops what comes from elsewhere, and the id is random as well, so that an answer is hard to
 *   forge.  It must repeat the question (RFC 5452).  The message is passed on as the client wrote it,
 *   EDNS options included, and the answer as the server did; only the ids are exchanged.
 *
 *   UDP is asked by UDP and TCP by TCP: a truncated answer is the client's to repeat by TCP.  A server
 *   that does not answer in DNS_TRY_MS, cannot be reached, or says SERVFAIL or REFUSED is followed by the
 *   next one; a single one is asked twice.  When all have failed the client is told so: the last
 *   server's answer, or a SERVFAIL of ours.
 *
 *   The host's servers are reached from the host, so that 127.0.0.53 means what it means there.  Those
 *   that --dns names are reached from the containers' side, as one of them may be a container.
 */
#include "net/dns_server.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>

/* #syscalls socket connect sendto recvfrom */

#define TRIES_MAX 3 /* resolv.conf(5): MAXNS */
#define TCP_PREFIX 2 /* bytes of length before a message */

struct dns_flight {
	struct dns_flight *next;
	struct dns_client client;
	struct watch w;
	int64_t until;
	unsigned int tries;
	uint16_t id, client_id;
	struct dns_query q; /* in `message` */
	uint8_t *message;   /* the query, its length before it */
	size_t sent;	    /* TCP: bytes of that */
	uint8_t *in;	    /* TCP: the answer, its length before it */
	size_t in_n, in_size;
};

int (*dns_inside_socket)(int family, int type, int protocol);

static struct dns *of(const struct dns_flight *f)
{
	return f->client.box->dns;
}

static const struct dns_servers *servers(const struct dns_flight *f)
{
	return f->client.box->own_servers ? &f->client.box->servers : &of(f)->host;
}

static void hang_up(struct dns_flight *f)
{
	loop_remove(&of(f)->loop, &f->w);
	fd_close(&f->w.fd);
}

static void flight_free(struct dns_flight *f)
{
	struct dns_box *box = f->client.box;
	struct dns_flight **p;

	hang_up(f);
	for (p = &box->flights; *p != f; p = &(*p)->next)
		;
	*p = f->next;
	box->n_flights--;
	box->dns->n_flights--;
	free(f->message);
	free(f->in);
	free(f);
}

/* --- asking ------------------------------------------------------------------------------------- */

/* Send what is left of the query.  0, or -1: this server is of no use. */
static int send_rest(struct dns_flight *f)
{
	size_t all = TCP_PREFIX + f->q.n;

	while (f->sent < all) {
		ssize_t n = send(f->w.fd, f->message + f->sent, all - f->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -1;
		f->sent += (size_t)n;
	}
	loop_change(&of(f)->loop, &f->w, EPOLLIN);
	return 0;
}

static void udp_ready(struct watch *w, uint32_t events);
static void tcp_ready(struct watch *w, uint32_t events);

/* Open a connection to one server and send the query.  0, or -1. */
static int ask(struct dns_flight *f, const struct peer *server)
{
	bool tcp = f->client.connection != NULL;
	int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;

	hang_up(f);
	random_bytes(&f->id, sizeof(f->id));
	dns_set_id(f->message + TCP_PREFIX, f->id);
	f->sent = f->in_n = 0;
	f->in_size = TCP_PREFIX;
	f->w.ready = tcp ? tcp_ready : udp_ready;
	f->w.fd = f->client.box->own_servers ? dns_inside_socket(server->any.sa_family, type, 0) :
					       socket(server->any.sa_family, type, 0);
	if (f->w.fd < 0 || (connect(f->w.fd, &server->any, server->len) && errno != EINPROGRESS) ||
		loop_add(&of(f)->loop, &f->w, tcp ? EPOLLOUT : EPOLLIN))
		return -1;
	if (!tcp && send(f->w.fd, f->message + TCP_PREFIX, f->q.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -1;
	f->until = clock_mono_ns() + of(f)->try_ns;
	dns_alarm(of(f), f->until);
	return 0;
}

static bool tries_left(const struct dns_flight *f)
{
	size_t n = servers(f)->n, max = n == 1 ? 2 : n < TRIES_MAX ? n : TRIES_MAX;

	return f->tries < max;
}

/* Ask the next server; when there is none left, tell the client, and the flight ends. */
static void ask_next(struct dns_flight *f)
{
	while (tries_left(f)) {
		const struct dns_servers *s = servers(f);

		if (!ask(f, &s->at[f->tries++ % s->n]))
			return;
	}
	dns_set_id(f->message + TCP_PREFIX, f->client_id);
	dns_refuse(&f->client, &f->q, DNS_SERVFAIL);
	flight_free(f);
}

void dns_forward(const struct dns_client *client, const struct dns_query *q)
{
	struct dns_box *box = client->box;
	struct dns_flight *f;

	if (box->n_flights >= DNS_BOX_FLIGHTS_MAX || box->dns->n_flights >= DNS_FLIGHTS_MAX) {
		dns_refuse(client, q, DNS_SERVFAIL);
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->client = *client;
	f->w.fd = -1;
	f->client_id = dns_id(q->msg);
	f->message = xmalloc(TCP_PREFIX + q->n);
	f->message[0] = (uint8_t)(q->n >> 8);
	f->message[1] = (uint8_t)q->n;
	memcpy(f->message + TCP_PREFIX, q->msg, q->n);
	f->q = *q;
	f->q.msg = f->message + TCP_PREFIX;
	f->next = box->flights;
	box->flights = f;
	box->n_flights++;
	box->dns->n_flights++;
	ask_next(f);
}

/* --- being answered ----------------------------------------------------------------------------- */

/* A server answered: pass that on, unless another one may know better. */
static void answered(struct dns_flight *f, uint8_t *msg, size_t n)
{
	int rcode = dns_rcode(msg);

	if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED) && tries_left(f)) {
		ask_next(f);
		return;
	}
	dns_set_id(msg, f->client_id);
	if (!f->client.connection)
		n = dns_truncate(msg, n, &f->q);
	dns_reply(&f->client, msg, n);
	flight_free(f);
}

static void udp_ready(struct watch *w, uint32_t events)
{
	struct dns_flight *f = (struct dns_flight *)(void *)((char *)w - offsetof(struct dns_flight, w));
	uint8_t *msg = of(f)->buffer;
	ssize_t n = recv(w->fd, msg, sizeof(of(f)->buffer), MSG_DONTWAIT);

	(void)events;
	if (n >= 0 && dns_is_answer(&f->q, f->id, msg, (size_t)n))
		answered(f, msg, (size_t)n);
	else if (n < 0 && errno != EAGAIN) /* refused, unreachable */
		ask_next(f);
}

/* Read what there is of the answer: 1 all of it, 0 not yet, -1 it will not come. */
static int receive(struct dns_flight *f)
{
	while (f->in_n < f->in_size) {
		ssize_t n;

		f->in = xrealloc(f->in, f->in_size);
		n = recv(f->w.fd, f->in + f->in_n, f->in_size - f->in_n, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		f->in_n += (size_t)n;
		if (f->in_n == TCP_PREFIX && f->in_size == TCP_PREFIX)
			f->in_size += (size_t)(f->in[0] << 8 | f->in[1]);
	}
	return 1;
}

static void tcp_ready(struct watch *w, uint32_t events)
{
	struct dns_flight *f = (struct dns_flight *)(void *)((char *)w - offsetof(struct dns_flight, w));
	size_t n;
	int rc;

	if (f->sent < TCP_PREFIX + f->q.n && !(events & EPOLLERR)) {
		if (send_rest(f))
			ask_next(f);
		return;
	}
	rc = receive(f);
	if (!rc)
		return;
	n = f->in_size - TCP_PREFIX;
	if (rc > 0 && dns_is_answer(&f->q, f->id, f->in + TCP_PREFIX, n))
		answered(f, f->in + TCP_PREFIX, n);
	else
		ask_next(f);
}

/* --- the end ------------------------------------------------------------------------------------ */

void dns_flights_drop(struct dns_box *box, const struct dns_connection *connection)
{
	struct dns_flight *f, *next;

	for (f = box->flights; f; f = next) {
		next = f->next;
		if (!connection || f->client.connection == connection)
			flight_free(f);
	}
}

int64_t dns_flights_tick(struct dns_box *box, int64_t now)
{
	struct dns_flight *f, *next;
	int64_t first = INT64_MAX;

	for (f = box->flights; f; f = next) {
		next = f->next;
		if (f->until > now)
			first = f->until < first ? f->until : first;
		else
			ask_next(f); /* which sets the alarm itself */
	}
	return first;
}
