/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_module.c - published ports as a module of netd: the table, and the engine's requests
 *
 * Theory of operation
 *   netd's main thread reads a request into a struct port_entry, complete and checked, hands it to the
 *   thread "ports", which owns the table, and waits until it is done: that thread never blocks.
 *
 *	ports.add	proto, ip, port, owner, to, ip4, ip6, subnets, id; the bound socket, or none if it is
 *			here already; answers "id"
 *	ports.close	owner
 *	ports.remove	id
 *	ports.held	answers "ports": [{id, owner, proto, ip, port, to_ip, to}], those behind the "after" of
 *			the request, and "more", for the next one, if there are more
 *
 *   A container's port at a wildcard address is also one of the inside, so that containers reach it at their
 *   gateway's address, as with the real engine; there the relay may have the port for itself, and wins.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "net/module.h"
#include "net/port_server.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* #syscalls socket bind listen setsockopt futex */

#define STACK_KB 64
#define PAGE_MAX 200 /* entries of one answer, of 220 bytes each */

/* --- the table, on the thread "ports" ------------------------------------------------------------- */

static void tick(struct loop *l)
{
	struct ports *p = (struct ports *)(void *)((char *)l - offsetof(struct ports, loop));
	int64_t now = clock_mono_ns(), next;

	p->alarm = INT64_MAX;
	port_tcp_tick(p);
	next = port_udp_tick(now);
	if (next != INT64_MAX)
		ports_alarm(p, next);
}

void ports_alarm(struct ports *p, int64_t mono_ns)
{
	if (mono_ns >= p->alarm)
		return;
	p->alarm = mono_ns;
	loop_alarm(&p->loop, mono_ns, tick);
}

int ports_init(struct ports *p, struct err *e)
{
	memset(p, 0, sizeof(*p));
	p->alarm = INT64_MAX;
	return loop_init(&p->loop, e);
}

static bool same_port(const struct port *a, const struct port *b)
{
	return a->proto == b->proto && a->host_port == b->host_port && !strcmp(a->host_ip, b->host_ip);
}

static struct port_entry **entry_find(struct ports *p, const struct port *port)
{
	struct port_entry **at = &p->entries;

	while (*at && !same_port(&(*at)->port, port))
		at = &(*at)->next;
	return at;
}

static void listener_close(struct ports *p, struct port_listener *l)
{
	loop_remove(&p->loop, &l->w);
	fd_close(&l->w.fd);
}

static void entry_close(struct ports *p, struct port_entry **at)
{
	struct port_entry *entry = *at;

	if (entry->port.proto == PORT_TCP)
		port_tcp_close(entry);
	else
		port_udp_close(entry);
	listener_close(p, &entry->host);
	listener_close(p, &entry->inside);
	*at = entry->next;
	free(entry);
}

static int listen_to(struct ports *p, struct port_listener *l, struct port_entry *entry, int fd, bool inside)
{
	l->port = entry;
	l->inside = inside;
	l->w = (struct watch){.fd = fd, .ready = entry->port.proto == PORT_TCP ? port_tcp_ready : port_udp_ready};
	return fd < 0 ? 0 : loop_add(&p->loop, &l->w, EPOLLIN);
}

static bool is_wildcard(const struct port *port)
{
	return !strcmp(port->host_ip, "0.0.0.0") || !strcmp(port->host_ip, "::");
}

static int next_id(int asked)
{
	static int last;

	if (!asked && last == INT_MAX)
		last = 0;
	if (asked > last)
		last = asked;
	return asked ? asked : ++last;
}

static int entry_new(struct ports *p, const struct port_entry *what, int fd, struct err *e)
{
	struct port_entry *entry = xmalloc(sizeof(*entry)), **end;
	static uint64_t serial;
	int inside = -1;

	*entry = *what;
	entry->ports = p;
	entry->serial = ++serial;
	entry->id = next_id(what->id);
	entry->next = NULL;
	entry->connecting = NULL;
	entry->host.w.fd = entry->inside.w.fd = -1;
	for (end = &p->entries; *end; end = &(*end)->next)
		;
	*end = entry;
	if (is_wildcard(&entry->port) && *entry->owner) {
		inside = port_open(&entry->port, port_inside_socket);
		if (inside < 0)
			log_warn("published port %u: containers cannot reach it at their gateway: %s",
				entry->port.host_port, strerror(errno));
	}
	if (!listen_to(p, &entry->host, entry, fd, false) && !listen_to(p, &entry->inside, entry, inside, true))
		return entry->id;
	err_set(e, errno, "watching published port %u", entry->port.host_port);
	entry_close(p, end);
	return -1;
}

/* Lead a port that is there elsewhere. */
static void entry_lead(struct port_entry *entry, const struct port_entry *what)
{
	memcpy(entry->owner, what->owner, sizeof(entry->owner));
	memcpy(entry->subnets, what->subnets, sizeof(entry->subnets));
	entry->n_subnets = what->n_subnets;
	entry->has4 = what->has4;
	entry->has6 = what->has6;
	entry->to4 = what->to4;
	entry->to6 = what->to6;
}

int ports_add(struct ports *p, const struct port_entry *what, int fd, struct err *e)
{
	struct port_entry **at = entry_find(p, &what->port);

	if (*at && fd < 0) {
		entry_lead(*at, what);
		return (*at)->id;
	}
	if (fd < 0)
		return err_kind(e, ERR_NOT_FOUND, "port %u has no socket", what->port.host_port);
	if (*at)
		entry_close(p, at);
	return entry_new(p, what, fd, e);
}

bool ports_close(struct ports *p, const char *owner, int id)
{
	struct port_entry **at = &p->entries;
	bool found = false;

	while (*at) {
		if (id ? (*at)->id != id : strcmp((*at)->owner, owner) != 0) {
			at = &(*at)->next;
			continue;
		}
		entry_close(p, at);
		found = true;
	}
	return found;
}

static json_t *entry_json(const struct port_entry *entry)
{
	const struct peer *to = entry->has4 ? &entry->to4 : &entry->to6;
	bool v6 = strchr(entry->port.host_ip, ':') && entry->has6;
	struct inet ip = peer_inet(v6 ? &entry->to6 : to);
	char text[INET_TEXT];

	inet_format(&ip, text);
	return json_pack("{s:i, s:s, s:s, s:s, s:i, s:s, s:i}", "id", entry->id, "owner", entry->owner, "proto",
		entry->port.proto == PORT_TCP ? "tcp" : "udp", "ip", entry->port.host_ip, "port", (int)entry->port.host_port,
		"to_ip", text, "to", (int)peer_port(to));
}

/* A page of those behind @after; *more is what the next one is behind, 0: there is none. */
static json_t *list_held(const struct ports *p, uint64_t after, uint64_t *more)
{
	const struct port_entry *entry;
	json_t *out = json_array();
	uint64_t last = 0;

	*more = 0;
	for (entry = p->entries; entry && !*more; entry = entry->next) {
		if (entry->serial <= after)
			continue;
		if (json_array_size(out) == PAGE_MAX) {
			*more = last;
			break;
		}
		json_array_append_new(out, entry_json(entry));
		last = entry->serial;
	}
	return out;
}

/* --- on netd's main thread ------------------------------------------------------------------------ */

static struct ports ports;

struct job {
	struct loop_job loop; /* first */
	void (*fn)(struct job *j);
	sem_t done;
	int rc, fd;
	struct port_entry what;
	uint64_t after, more; /* of a page of what is held */
	json_t *held;
	struct err *e;
};

static void do_add(struct job *j)
{
	j->rc = ports_add(&ports, &j->what, fd_steal(&j->fd), j->e);
}

static void do_close(struct job *j)
{
	j->rc = ports_close(&ports, j->what.owner, j->what.id);
}

static void do_held(struct job *j)
{
	j->held = list_held(&ports, j->after, &j->more);
}

static void job_run(struct loop_job *loop)
{
	struct job *j = (struct job *)(void *)loop;

	j->fn(j);
	sem_post(&j->done);
}

static int run(struct job *j)
{
	j->loop.fn = job_run;
	sem_init(&j->done, 0, 0);
	loop_call(&ports.loop, &j->loop);
	while (sem_wait(&j->done))
		;
	sem_destroy(&j->done);
	fd_close(&j->fd);
	return j->rc;
}

static int bad(struct err *e, const char *what)
{
	return err_kind(e, ERR_INVALID, "bad %s of a published port", what);
}

static int read_owner(const json_t *req, struct port_entry *out, struct err *e)
{
	const char *owner = json_str(req, "owner", "");

	if (*owner && !is_hex64(owner))
		return bad(e, "owner");
	snprintf(out->owner, sizeof(out->owner), "%s", owner);
	return 0;
}

static int read_id(const json_t *req, struct port_entry *out, struct err *e)
{
	int64_t id = json_int(req, "id", 0);

	if (id < 0 || id > INT_MAX)
		return bad(e, "number");
	out->id = (int)id;
	return 0;
}

static int read_target(const json_t *req, struct port_entry *out, struct err *e)
{
	const char *ip4 = json_str(req, "ip4", ""), *ip6 = json_str(req, "ip6", "");
	int64_t to = json_int(req, "to", 0);
	const json_t *v;
	size_t i;

	if (to < 1 || to > UINT16_MAX)
		return bad(e, "port in the container");
	out->has4 = *ip4;
	out->has6 = *ip6;
	if ((!*ip4 && !*ip6) || (*ip4 && (peer_parse(ip4, (uint16_t)to, &out->to4) || out->to4.any.sa_family != AF_INET)) ||
		(*ip6 && (peer_parse(ip6, (uint16_t)to, &out->to6) || out->to6.any.sa_family != AF_INET6)))
		return bad(e, "address of the container");
	json_array_foreach(json_arr(req, "subnets"), i, v)
		if (i == PORT_SUBNETS_MAX || !json_is_string(v) ||
			subnet_parse(span_of(json_string_value(v)), &out->subnets[out->n_subnets++]))
			return bad(e, "subnet");
	return 0;
}

static int read_port(const json_t *req, struct port *out, struct err *e)
{
	const char *proto = json_str(req, "proto", ""), *ip = json_str(req, "ip", "");
	int64_t port = json_int(req, "port", 0);
	struct inet addr;

	if (strcmp(proto, "tcp") && strcmp(proto, "udp"))
		return bad(e, "protocol");
	if (inet_parse(span_of(ip), &addr))
		return bad(e, "address");
	if (port < 1 || port > UINT16_MAX)
		return bad(e, "port");
	out->proto = strcmp(proto, "tcp") ? PORT_UDP : PORT_TCP;
	out->host_port = (uint16_t)port;
	inet_format(&addr, out->host_ip); /* one spelling only */
	return 0;
}

static int op_add(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job j = {.fn = do_add, .fd = -1, .e = e};

	if (read_port(req, &j.what.port, e) || read_owner(req, &j.what, e) || read_target(req, &j.what, e) ||
		read_id(req, &j.what, e))
		return -1;
	if (n_fds)
		j.fd = fd_steal(&fds[0]);
	if (run(&j) < 0)
		return -1;
	json_set_int(answer, "id", j.rc);
	return 0;
}

static int op_close(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job j = {.fn = do_close, .fd = -1};

	(void)fds, (void)n_fds, (void)answer;
	if (read_owner(req, &j.what, e))
		return -1;
	run(&j);
	return 0;
}

static int op_remove(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job j = {.fn = do_close, .fd = -1};

	(void)fds, (void)n_fds, (void)answer;
	if (read_id(req, &j.what, e))
		return -1;
	if (!j.what.id || !run(&j))
		return err_kind(e, ERR_NOT_FOUND, "unknown id: %d", j.what.id);
	return 0;
}

static int op_held(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job j = {.fn = do_held, .fd = -1, .after = (uint64_t)json_int(req, "after", 0)};

	(void)fds, (void)n_fds, (void)e;
	run(&j);
	json_set_new(answer, "ports", j.held);
	if (j.more)
		json_set_int(answer, "more", (int64_t)j.more);
	return 0;
}

static int start(struct err *e)
{
	struct err why = ERR_INIT;

	port_inside_socket = inside_socket;
	if (port_answers_start(&why))
		log_err(&why, "clients of published ports are seen with the bridge's address");
	if (port_tcp_start(e) || ports_init(&ports, e))
		return -1;
	return loop_start(&ports.loop, "ports", STACK_KB, e);
}

const struct module port_module = {
	.name = "ports",
	.start = start,
	.ops = {{"ports.add", op_add}, {"ports.close", op_close}, {"ports.remove", op_remove}, {"ports.held", op_held}},
};
