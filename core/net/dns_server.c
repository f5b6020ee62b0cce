/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_server.c - the name server in netd: sandboxes and what a query is answered with
 *
 * Theory of operation
 *   One thread serves all containers.  A query is read, and then
 *	answered	from the names of the container's networks: addresses in random order, or an
 *			empty answer when somebody has the name but nothing of the type asked for, so
 *			that an internal name is never asked for outside
 *	refused		when nothing may be forwarded: SERVFAIL without RA, as Docker does
 *	forwarded	all else, as it came but for its id
 *   What a container can make us do is bounded: messages taken at one go, queries in flight,
 *   connections; an answer by UDP is never longer than the client said.
 *
 * The loop's one alarm serves the deadlines of flights and connections: a tick walks them all and
 * sets the next.
 */
#include "net/dns_server.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>

/* #syscalls recvfrom sendto getrandom */

#define MESSAGES_AT_ONCE 16 /* of one container, then it is others' turn */

/* --- our own answers ---------------------------------------------------------------------------- */

static void shuffle(void *items, size_t n, size_t size)
{
	uint8_t *p = items, swap[16];
	uint16_t random[DNS_FOUND_MAX];

	random_bytes(random, n * sizeof(*random));
	for (; n > 1; n--) {
		uint8_t *a = p + (n - 1) * size, *b = p + random[n - 1] % n * size;

		memcpy(swap, a, size);
		memcpy(a, b, size);
		memcpy(b, swap, size);
	}
}

static size_t add_all(struct dns_answer *a, uint16_t type, void *addresses, size_t n, size_t size)
{
	uint8_t *p = addresses;
	size_t i;

	if (n > 1)
		shuffle(addresses, n, size);
	for (i = 0; i < n; i++)
		dns_answer_add(a, type, p + i * size, size);
	return dns_answer_end(a);
}

/* Length of the answer in d->answer, or 0: it is not ours. */
static size_t answer_address(struct dns_box *box, const struct dns_query *q, struct dns_answer *a)
{
	struct dns_found *found = &box->dns->found;

	if (!dns_names_find(box->member, q->name, found))
		return 0;
	if (q->type == DNS_A)
		return add_all(a, DNS_A, found->ip4, found->n4, sizeof(found->ip4[0]));
	if (q->type == DNS_AAAA)
		return add_all(a, DNS_AAAA, found->ip6, found->n6, sizeof(found->ip6[0]));
	return dns_answer_end(a);
}

static size_t answer_reverse(struct dns_box *box, const struct dns_query *q, struct dns_answer *a)
{
	cleanup_free char *name = NULL;
	uint8_t addr[16];
	size_t n = dns_reverse_address(q->name, addr);

	name = n ? dns_names_reverse(box->member, addr, n) : NULL;
	if (!name)
		return 0;
	dns_answer_add_name(a, DNS_PTR, name);
	return dns_answer_end(a);
}

/* ndots was set, and the name has no dot: the client is to come back with its search list. */
static bool stays_inside(const struct dns_box *box, const struct dns_query *q)
{
	return box->ndots_set && (q->type == DNS_A || q->type == DNS_AAAA) && *q->name && !strchr(q->name, '.');
}

static size_t answer_here(struct dns_box *box, const struct dns_query *q, size_t max)
{
	struct dns_answer a;
	size_t n;

	if (q->class != DNS_IN)
		return 0;
	dns_answer_begin(&a, q, box->dns->answer, max, DNS_NOERROR, true);
	n = q->type == DNS_PTR ? answer_reverse(box, q, &a) : answer_address(box, q, &a);
	if (n || !dns_member_is_external(box->member) || !stays_inside(box, q))
		return n;
	return dns_answer_end(&a);
}

/* --- a message ---------------------------------------------------------------------------------- */

void dns_reply(const struct dns_client *client, const uint8_t *msg, size_t n)
{
	/* Lost, if the client's buffer is full: it asks again. */
	if (client->connection)
		dns_connection_reply(client->connection, msg, n);
	else
		sendto(client->box->udp.fd, msg, n, MSG_DONTWAIT | MSG_NOSIGNAL, &client->peer.any,
			client->peer.len);
}

void dns_refuse(const struct dns_client *client, const struct dns_query *q, int rcode)
{
	uint8_t *p = client->box->dns->answer;
	struct dns_answer a;

	dns_answer_begin(&a, q, p, DNS_UDP_MIN, rcode, false);
	dns_reply(client, p, dns_answer_end(&a));
}

int dns_handle(const struct dns_client *client, const uint8_t *msg, size_t n)
{
	struct dns_box *box = client->box;
	struct dns_query q;
	int rc = dns_query_parse(msg, n, &q);
	size_t len;

	if (rc < 0)
		return -1;
	if (rc) {
		dns_refuse(client, &q, rc);
		return 0;
	}
	len = answer_here(box, &q, client->connection ? DNS_MESSAGE_MAX : q.udp_max);
	if (len)
		dns_reply(client, box->dns->answer, len);
	else if (!dns_member_is_external(box->member))
		dns_refuse(client, &q, DNS_SERVFAIL);
	else
		dns_forward(client, &q);
	return 0;
}

static void udp_ready(struct watch *w, uint32_t events)
{
	struct dns_box *box = (struct dns_box *)(void *)((char *)w - offsetof(struct dns_box, udp));
	struct dns_client client = {.box = box};
	int i;

	(void)events;
	for (i = 0; i < MESSAGES_AT_ONCE; i++) {
		ssize_t n;

		client.peer.len = PEER_MAX;
		n = recvfrom(w->fd, box->dns->buffer, sizeof(box->dns->buffer), MSG_DONTWAIT, &client.peer.any,
			&client.peer.len);
		if (n < 0)
			return;
		dns_handle(&client, box->dns->buffer, (size_t)n);
	}
}

/* --- sandboxes ---------------------------------------------------------------------------------- */

struct dns_box *dns_box_find(struct dns *d, const char *id)
{
	struct dns_box *box = d->boxes;

	while (box && strcmp(box->id, id))
		box = box->next;
	return box;
}

struct dns_box *dns_box_open(struct dns *d, const char *id, int udp, int tcp, struct err *e)
{
	struct dns_box *box = xcalloc(1, sizeof(*box));

	box->dns = d;
	box->id = xstrdup(id);
	box->member = dns_member_get(&d->names, id);
	box->udp = (struct watch){.fd = udp, .ready = udp_ready};
	box->tcp = (struct watch){.fd = tcp, .ready = dns_tcp_ready};
	box->next = d->boxes;
	d->boxes = box;
	if (loop_add(&d->loop, &box->udp, EPOLLIN) || loop_add(&d->loop, &box->tcp, EPOLLIN)) {
		err_set(e, errno, "watching the name server's sockets");
		dns_box_close(d, box);
		return NULL;
	}
	return box;
}

void dns_box_close(struct dns *d, struct dns_box *box)
{
	struct dns_box **p;

	dns_flights_drop(box, NULL);
	dns_connections_close(box);
	loop_remove(&d->loop, &box->udp);
	loop_remove(&d->loop, &box->tcp);
	fd_close(&box->udp.fd);
	fd_close(&box->tcp.fd);
	for (p = &d->boxes; *p != box; p = &(*p)->next)
		;
	*p = box->next;
	free(box->id);
	free(box);
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void tick(struct loop *l)
{
	struct dns *d = (struct dns *)(void *)((char *)l - offsetof(struct dns, loop));
	int64_t now = clock_mono_ns(), next = INT64_MAX, t;
	struct dns_box *box;

	d->alarm = INT64_MAX;
	for (box = d->boxes; box; box = box->next) {
		t = dns_flights_tick(box, now);
		next = t < next ? t : next;
		t = dns_connections_tick(box, now);
		next = t < next ? t : next;
	}
	if (next != INT64_MAX)
		dns_alarm(d, next);
}

void dns_alarm(struct dns *d, int64_t mono_ns)
{
	if (mono_ns >= d->alarm)
		return;
	d->alarm = mono_ns;
	loop_alarm(&d->loop, mono_ns, tick);
}

int dns_init(struct dns *d, struct err *e)
{
	memset(d, 0, sizeof(*d));
	d->alarm = INT64_MAX;
	d->try_ns = DNS_TRY_MS * NS_PER_MS;
	return loop_init(&d->loop, e);
}

void dns_release(struct dns *d)
{
	while (d->boxes)
		dns_box_close(d, d->boxes);
	dns_names_release(&d->names);
	loop_release(&d->loop);
}
