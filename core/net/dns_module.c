/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_module.c - the name server as a module of netd: the engine's requests
 *
 * Theory of operation
 *   netd's main thread reads a request into a struct job, complete and checked, hands it to the
 *   name server's thread, which owns all state, and waits until it is done: that thread never blocks.
 *
 *	dns.open	id, servers, ndots; two sockets, or none if they are here already
 *	dns.close	id
 *	dns.endpoint	id, network, name, internal, names, links, ip4, ip6
 *	dns.remove	id, network
 *	dns.host	servers: what the host's resolv.conf names
 */
#include "base/fs.h"
#include "net/dns_server.h"
#include "net/module.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <stdlib.h>

/* #syscalls futex */

#define NAMES_MAX 256	/* of one endpoint */
#define NAME_MAX_LEN 253 /* as text */
#define STACK_KB 64
#define DNS_PORT 53

static struct dns server;

/* Sandboxes the engine opened and did not close: what dns.open is answered from, on the main thread. */
static struct open_id {
	struct open_id *next;
	char id[ID_LEN + 1];
} *open_ids;

struct job {
	struct loop_job loop; /* first */
	void (*fn)(struct job *j);
	sem_t done;
	char *id, *network, *network_name, *ip4, *ip6;
	char **names, **links;
	bool internal, ndots_set;
	int udp, tcp;
	struct dns_servers servers;
};

/* --- on the name server's thread ---------------------------------------------------------------- */

static void do_open(struct job *j)
{
	struct dns_box *box = dns_box_find(&server, j->id);
	struct err e = ERR_INIT;

	if (box && j->udp >= 0) { /* new sockets: a new network namespace */
		dns_box_close(&server, box);
		box = NULL;
	}
	if (!box && j->udp >= 0)
		box = dns_box_open(&server, j->id, fd_steal(&j->udp), fd_steal(&j->tcp), &e);
	if (!box)
		return;
	box->own_servers = j->servers.n > 0;
	box->servers = j->servers;
	box->ndots_set = j->ndots_set;
}

static void do_close(struct job *j)
{
	struct dns_box *box = dns_box_find(&server, j->id);

	if (box)
		dns_box_close(&server, box);
	dns_member_drop(&server.names, j->id);
}

static void do_endpoint(struct job *j)
{
	struct dns_place place = {
		.network_id = j->network,
		.network_name = j->network_name,
		.internal = j->internal,
		.names = (const char *const *)j->names,
		.links = (const char *const *)j->links,
	};

	place.has4 = j->ip4 && inet_pton(AF_INET, j->ip4, place.ip4) == 1;
	place.has6 = j->ip6 && inet_pton(AF_INET6, j->ip6, place.ip6) == 1;
	dns_place_set(&server.names, dns_member_get(&server.names, j->id), &place);
}

static void do_remove(struct job *j)
{
	dns_place_remove(&server.names, dns_member_get(&server.names, j->id), j->network);
}

static void do_host(struct job *j)
{
	server.host = j->servers;
}

/* --- on netd's main thread ---------------------------------------------------------------------- */

static void job_free(struct job *j)
{
	fd_close(&j->udp);
	fd_close(&j->tcp);
	strv_free(j->names);
	strv_free(j->links);
	free(j->id);
	free(j->network);
	free(j->network_name);
	free(j->ip4);
	free(j->ip6);
	sem_destroy(&j->done);
	free(j);
}

static void job_run(struct loop_job *loop)
{
	struct job *j = (struct job *)(void *)loop;

	j->fn(j);
	sem_post(&j->done);
}

static int bad(struct err *e, const char *what)
{
	return err_kind(e, ERR_INVALID, "bad %s for the name server", what);
}

/* Strings that can be names, as a vector; NULL with @e. */
static char **read_names(const json_t *req, const char *key, struct err *e)
{
	const json_t *list = json_arr(req, key), *v;
	size_t i;

	if (json_array_size(list) > NAMES_MAX)
		return bad(e, key), NULL;
	json_array_foreach(list, i, v)
		if (!json_is_string(v) || !json_string_length(v) || json_string_length(v) > NAME_MAX_LEN)
			return bad(e, key), NULL;
	return json_to_strv(list ? list : json_array());
}

static int read_servers(const json_t *req, struct dns_servers *out, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(req, "servers"), i, v) {
		const char *text = json_string_value(v);

		if (out->n == DNS_SERVERS_MAX)
			break;
		if (!text || peer_parse(text, DNS_PORT, &out->at[out->n++]))
			return bad(e, "servers");
	}
	return 0;
}

static int read_address(const json_t *req, const char *key, int family, char **out, struct err *e)
{
	const char *text = json_str(req, key, "");
	uint8_t bytes[16];

	if (!*text)
		return 0;
	if (inet_pton(family, text, bytes) != 1)
		return bad(e, key);
	*out = xstrdup(text);
	return 0;
}

static struct job *job_new(void (*fn)(struct job *j))
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->loop.fn = job_run;
	j->fn = fn;
	j->udp = j->tcp = -1;
	sem_init(&j->done, 0, 0);
	return j;
}

/* The ids of a request; @network: both are needed.  NULL with @e. */
static struct job *job_of(const json_t *req, void (*fn)(struct job *j), bool network, struct err *e)
{
	const char *id = json_str(req, "id", ""), *net = json_str(req, "network", "");
	struct job *j;

	if (!is_hex64(id) || (network && !is_hex64(net)))
		return bad(e, "id"), NULL;
	j = job_new(fn);
	j->id = xstrdup(id);
	j->network = xstrdup(net);
	return j;
}

static int submit(struct job *j)
{
	loop_call(&server.loop, &j->loop);
	while (sem_wait(&j->done))
		;
	job_free(j);
	return 0;
}

static struct open_id **open_find(const char *id)
{
	struct open_id **p = &open_ids;

	while (*p && strcmp((*p)->id, id))
		p = &(*p)->next;
	return p;
}

static void open_note(const char *id)
{
	struct open_id **p = open_find(id);

	if (*p)
		return;
	*p = xcalloc(1, sizeof(**p));
	memcpy((*p)->id, id, sizeof((*p)->id));
}

static void open_forget(const char *id)
{
	struct open_id **p = open_find(id), *gone = *p;

	if (!gone)
		return;
	*p = gone->next;
	free(gone);
}

static int op_open(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job *j = job_of(req, do_open, false, e);

	(void)answer;
	if (!j)
		return -1;
	j->ndots_set = json_bool(req, "ndots", false);
	if (read_servers(req, &j->servers, e)) {
		job_free(j);
		return -1;
	}
	if (!n_fds && !*open_find(j->id)) {
		err_kind(e, ERR_NOT_FOUND, "the name server of %.12s has no sockets", j->id);
		job_free(j);
		return -1;
	}
	if (n_fds == 2) {
		j->udp = fd_steal(&fds[0]);
		j->tcp = fd_steal(&fds[1]);
	}
	open_note(j->id);
	return submit(j);
}

static int op_close(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job *j = job_of(req, do_close, false, e);

	(void)fds, (void)n_fds, (void)answer;
	if (!j)
		return -1;
	open_forget(j->id);
	return submit(j);
}

static int op_endpoint(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job *j = job_of(req, do_endpoint, true, e);

	(void)fds, (void)n_fds, (void)answer;
	if (!j)
		return -1;
	j->network_name = xstrdup(json_str(req, "name", ""));
	j->internal = json_bool(req, "internal", false);
	j->names = read_names(req, "names", e);
	j->links = j->names ? read_names(req, "links", e) : NULL;
	if (!j->links || read_address(req, "ip4", AF_INET, &j->ip4, e) ||
		read_address(req, "ip6", AF_INET6, &j->ip6, e)) {
		job_free(j);
		return -1;
	}
	return submit(j);
}

static int op_remove(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job *j = job_of(req, do_remove, true, e);

	(void)fds, (void)n_fds, (void)answer;
	return j ? submit(j) : -1;
}

static int op_host(const json_t *req, int *fds, size_t n_fds, json_t *answer, struct err *e)
{
	struct job *j = job_new(do_host);

	(void)fds, (void)n_fds, (void)answer;
	if (read_servers(req, &j->servers, e)) {
		job_free(j);
		return -1;
	}
	return submit(j);
}

static int start(struct err *e)
{
	dns_inside_socket = inside_socket;
	return dns_init(&server, e) ? -1 : loop_start(&server.loop, "dns", STACK_KB, e);
}

const struct module dns_module = {
	.name = "dns",
	.start = start,
	.ops = {{"dns.open", op_open}, {"dns.close", op_close}, {"dns.endpoint", op_endpoint},
		{"dns.remove", op_remove}, {"dns.host", op_host}},
};
