/* SPDX-License-Identifier: MIT */
/*
 * core/engine/ports.c - the published ports of containers: binding them, and having them served
 *
 * Theory of operation
 *   The kernel allocates: a port is a container's once its socket is bound.  Ports that are named come
 *   first, then those out of a range, then those that may be any, so that none of the latter takes what a
 *   later -p names.  When all are bound they are written to <exec-root>/<id>/ports.json, and then given to
 *   netd, which has them from then on: whatever is killed, the next engine finds them there, and binds
 *   again only what netd does not hold.
 *
 *   Any port is the next one of the host's range for outgoing connections, as with the real engine.
 */
#include "engine/ports.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/container.h"
#include "engine/network_table.h"
#include "net/inet.h"
#include "net/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (1 << 20) /* bytes of ports.json */

struct wish {
	char *key; /* "80/tcp", as it is shown */
	char proto[8];
	char ip[INET_TEXT];   /* "": every address */
	uint16_t to;	      /* in the container */
	uint16_t first, last; /* 0: any */
};

/* What a start binds. */
struct batch {
	struct engine *en;
	const struct ports_endpoint *ep;
	struct bound {
		struct port port;
		const struct wish *wish;
		int fd;
	} *v;
	size_t n;
};

static int (*bind_privileged)(struct port *p, struct err *e);

void ports_set_privileged(int (*bind)(struct port *p, struct err *e))
{
	bind_privileged = bind;
}

int ports_bind_host(struct port *p, struct err *e)
{
	int fd = port_bind(p, e);
	struct err why;

	if (fd < 0 && e->code == EACCES && bind_privileged) {
		fd = bind_privileged(p, &why);
		if (fd < 0 && why.code != EACCES && why.code != EPERM)
			*e = why;
	}
	return fd;
}

/* --- what is asked for ------------------------------------------------------------------------ */

static uint16_t number(struct span s)
{
	uint64_t v;

	return parse_u64(s, UINT16_MAX, &v) ? 0 : (uint16_t)v;
}

/* "80/udp", "80" (tcp) */
static void wish_key(struct wish *w, const char *key)
{
	size_t len = strcspn(key, "/");

	w->to = number((struct span){key, len});
	snprintf(w->proto, sizeof(w->proto), "%s", key[len] ? key + len + 1 : "tcp");
	w->key = xasprintf("%u/%s", w->to, w->proto);
}

static void add_wish(struct wish *w, const char *key, const json_t *binding)
{
	const char *ip = json_str(binding, "HostIp", ""), *port = json_str(binding, "HostPort", "");
	const char *dash = strchr(port, '-');
	struct inet addr;

	wish_key(w, key);
	if (*ip && !inet_parse(span_of(ip), &addr))
		inet_format(&addr, w->ip);
	w->first = number((struct span){port, strcspn(port, "-")});
	w->last = dash ? number(span_of(dash + 1)) : w->first;
}

/* The wishes of a HostConfig, @n; to wishes_free(). */
static struct wish *wishes_of(const json_t *config, const json_t *host, size_t *n)
{
	json_t *bindings = json_obj(host, "PortBindings"), *exposed = json_obj(config, "ExposedPorts"), *v, *list;
	size_t max = json_object_size(exposed), i;
	struct wish *out;
	const char *key;

	json_object_foreach(bindings, key, list)
		max += json_array_size(list);
	out = xcalloc(max + 1, sizeof(*out));
	*n = 0;
	json_object_foreach(bindings, key, list)
		json_array_foreach(list, i, v)
			add_wish(&out[(*n)++], key, v);
	if (json_bool(host, "PublishAllPorts", false))
		json_object_foreach(exposed, key, v)
			if (!json_array_size(json_object_get(bindings, key)))
				add_wish(&out[(*n)++], key, NULL);
	return out;
}

static void wishes_free(struct wish *w, size_t n)
{
	while (n)
		free(w[--n].key);
	free(w);
}

/* --- binding ---------------------------------------------------------------------------------- */

static bool is_wildcard(const char *ip)
{
	return !strcmp(ip, "0.0.0.0") || !strcmp(ip, "::");
}

static bool clash(const struct port *a, const char *proto, const char *ip, int64_t port)
{
	if (port != a->host_port || strcmp(proto, a->proto == PORT_TCP ? "tcp" : "udp") ||
		!strchr(ip, ':') != !strchr(a->host_ip, ':'))
		return false;
	return !strcmp(ip, a->host_ip) || is_wildcard(ip) || is_wildcard(a->host_ip);
}

/* c->lock is held. */
static bool container_has(const struct container *c, const struct port *p)
{
	const json_t *v;
	size_t i;

	json_array_foreach(c->ports, i, v) {
		const char *slash = strchr(json_str(v, "port", ""), '/');

		if (slash && clash(p, slash + 1, json_str(v, "ip", ""), json_int(v, "host", 0)))
			return true;
	}
	return false;
}

/* Is it one of our containers that has this port? */
static bool is_ours(const struct batch *b, const struct port *p)
{
	struct container **all = containers_all(b->en);
	bool found = false;
	size_t i;

	for (i = 0; i < b->n && !found; i++)
		found = clash(p, b->v[i].wish->proto, b->v[i].port.host_ip, b->v[i].port.host_port);
	for (i = 0; all[i] && !found; i++) {
		pthread_mutex_lock(&all[i]->lock);
		found = container_has(all[i], p);
		pthread_mutex_unlock(&all[i]->lock);
	}
	containers_free(all);
	return found;
}

static int bind_one(const struct batch *b, struct port *p, struct err *e)
{
	int fd = ports_bind_host(p, e);

	if (fd >= 0)
		return fd;
	if (e->code == EADDRINUSE && is_ours(b, p)) {
		err_kind(e, ERR_FAILED, "Bind for %s:%u failed: port is already allocated", p->host_ip, p->host_port);
		e->code = EADDRINUSE;
		return -1;
	}
	if (e->code == EACCES)
		port_explain_privileged(p, e);
	return err_wrap(e, "error while calling RootlessKit PortManager.AddPort()");
}

static void unbind(struct batch *b, size_t n)
{
	while (b->n > n)
		fd_close(&b->v[--b->n].fd);
}

/* One port, at each address it is wished for.  -1 with @e and nothing of it bound. */
static int bind_all(struct batch *b, const struct wish *w, uint16_t number, struct err *e)
{
	const char *asked = *w->ip ? w->ip : b->ep->host_ip, *ips[] = {asked ? asked : "0.0.0.0", asked ? NULL : "::"};
	size_t before = b->n, i;

	if (!asked && (!b->ep->ip4 || !*b->ep->ip4)) /* an IPv6 network's ports are so, too */
		memcpy(ips, (const char *[]){"::", NULL}, sizeof(ips));

	for (i = 0; i < ARRAY_SIZE(ips) && ips[i]; i++) {
		struct bound *at = &b->v[b->n];

		at->wish = w;
		at->port = (struct port){.proto = strcmp(w->proto, "udp") ? PORT_TCP : PORT_UDP, .host_port = number};
		snprintf(at->port.host_ip, sizeof(at->port.host_ip), "%s", ips[i]);
		at->fd = bind_one(b, &at->port, e);
		if (at->fd >= 0)
			b->n++;
		else if (!i || (e->code != EAFNOSUPPORT && e->code != EADDRNOTAVAIL)) { /* else: no IPv6 here */
			unbind(b, before);
			return -1;
		}
	}
	return 0;
}

static void local_range(uint16_t *first, uint16_t *last)
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned int a, z;

	*first = 32768;
	*last = 60999;
	if (file_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", 64, &text, NULL) ||
		sscanf(text.p, "%5u %5u", &a, &z) != 2 || !a || a > z || z > UINT16_MAX)
		return;
	*first = (uint16_t)a;
	*last = (uint16_t)z;
}

/* The port to try next where any will do: each is given once before the first is given again. */
static uint16_t next_any(uint16_t first, uint16_t last)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint16_t given;
	uint16_t out;

	pthread_mutex_lock(&lock);
	given = given < first || given >= last ? first : (uint16_t)(given + 1);
	out = given;
	pthread_mutex_unlock(&lock);
	return out;
}

static int bind_wish(struct batch *b, const struct wish *w, struct err *e)
{
	uint16_t first = w->first, last = w->last;
	unsigned int i;

	if (strcmp(w->proto, "tcp") && strcmp(w->proto, "udp"))
		return err_kind(e, ERR_FAILED, "error starting userland proxy: failed to listen on %s:%u: protocol not "
			"supported", *w->ip ? w->ip : "0.0.0.0", first);
	if (!first)
		local_range(&first, &last);
	for (i = 0; i <= (unsigned int)last - first; i++) {
		if (!bind_all(b, w, w->first ? (uint16_t)(first + i) : next_any(first, last), e))
			return 0;
		if (first == last || e->code != EADDRINUSE)
			return -1;
	}
	return err_kind(e, ERR_FAILED, "all ports are allocated");
}

static int pass_of(const struct wish *w)
{
	return !w->first ? 2 : w->first != w->last;
}

static int bind_wishes(struct batch *b, const struct wish *w, size_t n, struct err *e)
{
	size_t i;

	for (int pass = 0; pass < 3; pass++)
		for (i = 0; i < n; i++)
			if (pass_of(&w[i]) == pass && bind_wish(b, &w[i], e))
				return -1;
	return 0;
}

/* --- being served ----------------------------------------------------------------------------- */

static int serve(struct engine *en, const char *owner, const struct ports_endpoint *ep, const struct port *p,
	uint16_t to, int fd, struct err *e)
{
	struct port_target target = {.owner = owner, .port = to, .subnets = ep->subnets};

	target.ip4 = ep->ip4 && *ep->ip4 ? ep->ip4 : NULL;
	target.ip6 = ep->ip6 && *ep->ip6 ? ep->ip6 : NULL;
	return port_publish(en->netd, p, &target, fd, NULL, e);
}

static json_t *batch_to_json(const struct batch *b)
{
	json_t *out = json_array();
	size_t i;

	for (i = 0; i < b->n; i++)
		json_array_append_new(out, json_pack("{s:s, s:s, s:i}", "port", b->v[i].wish->key, "ip",
			b->v[i].port.host_ip, "host", (int)b->v[i].port.host_port));
	return out;
}

/* @ports_steal: NULL: it has none any more. */
static void set_ports(struct container *c, json_t *ports_steal)
{
	json_t *before;

	pthread_mutex_lock(&c->lock);
	before = c->ports;
	c->ports = ports_steal;
	pthread_mutex_unlock(&c->lock);
	json_decref(before);
}

static int serve_all(struct engine *en, struct container *c, const struct batch *b, struct err *e)
{
	cleanup_free char *file = xasprintf("%s/ports.json", c->id);
	json_t *ports = batch_to_json(b);
	size_t i;

	set_ports(c, ports); /* from now on ports_release() undoes it */
	if (json_save_at(en->execfd, file, ports, 0, e))
		return -1;
	for (i = 0; i < b->n; i++)
		if (serve(en, c->id, b->ep, &b->v[i].port, b->v[i].wish->to, b->v[i].fd, e))
			return -1;
	return 0;
}

int ports_publish(struct engine *en, struct container *c, const struct ports_endpoint *ep, struct err *e)
{
	cleanup_json json_t *host = container_host(c);
	const char *driver = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER");
	struct batch b = {.en = en, .ep = ep};
	struct wish *wishes;
	size_t n;
	int rc = 0;

	wishes = wishes_of(c->config, host, &n);
	if (n && driver && !strcmp(driver, "none")) {
		rc = err_kind(e, ERR_NOT_SUPPORTED, "no PortDriver is available");
	} else if (n) {
		b.v = xcalloc(2 * n, sizeof(*b.v));
		rc = bind_wishes(&b, wishes, n, e) || serve_all(en, c, &b, e) ? -1 : 0;
	}
	unbind(&b, 0); /* netd has them */
	free(b.v);
	wishes_free(wishes, n);
	if (!rc)
		return 0;
	ports_release(en, c);
	return err_wrap(e, "driver failed programming external connectivity on endpoint %s (%s)", ep->container_name,
		ep->endpoint_id);
}

void ports_release(struct engine *en, struct container *c)
{
	cleanup_free char *file = xasprintf("%s/ports.json", c->id);
	struct err e;

	if (!c->ports)
		return;
	set_ports(c, NULL);
	if (port_close_all(en->netd, c->id, &e))
		log_err(&e, "closing the ports of container %.12s", c->id);
	if (unlinkat(en->execfd, file, 0) && errno != ENOENT)
		log_warn("removing %s: %s", file, strerror(errno));
}

/* Have one entry of c->ports served, bound again if nobody has it. */
static int restore_one(struct engine *en, const struct container *c, const struct ports_endpoint *ep, const json_t *v,
	struct err *e)
{
	struct port p = {.host_port = (uint16_t)json_int(v, "host", 0)};
	cleanup_close int fd = -1;
	struct wish w = {0};
	int rc;

	wish_key(&w, json_str(v, "port", ""));
	free(w.key);
	p.proto = strcmp(w.proto, "udp") ? PORT_TCP : PORT_UDP;
	snprintf(p.host_ip, sizeof(p.host_ip), "%s", json_str(v, "ip", ""));
	rc = serve(en, c->id, ep, &p, w.to, -1, e);
	if (!rc || e->kind != ERR_NOT_FOUND)
		return rc;
	fd = ports_bind_host(&p, e);
	return fd < 0 ? -1 : serve(en, c->id, ep, &p, w.to, fd, e);
}

void ports_restore(struct engine *en, struct container *c, const struct ports_endpoint *ep)
{
	cleanup_free char *file = xasprintf("%s/ports.json", c->id);
	json_t *loaded, *v;
	struct err e;
	size_t i;

	if (!c->ports) {
		loaded = json_load_at(en->execfd, file, FILE_MAX, NULL);
		if (json_is_array(loaded))
			set_ports(c, loaded);
		else
			json_decref(loaded);
	}
	json_array_foreach(c->ports, i, v)
		if (restore_one(en, c, ep, v, &e))
			log_err(&e, "port %s of container %.12s is not published any more", json_str(v, "port", ""), c->id);
}

void ports_settle(struct engine *en)
{
	cleanup_json json_t *held = en->netd ? port_held(en->netd, NULL) : NULL;
	const json_t *v;
	size_t i;

	json_array_foreach(held, i, v) {
		const char *owner = json_str(v, "owner", "");
		struct container *c = *owner ? container_get(en, owner, NULL) : NULL;
		struct err e;

		if (*owner && (!c || !container_is_running(c)) && port_close_all(en->netd, owner, &e))
			log_err(&e, "closing the ports of container %.12s", owner);
		container_put(c);
	}
}

/* --- what the API shows ----------------------------------------------------------------------- */

static bool has_ports(const struct container *c)
{
	return c->status == ST_RUNNING && (endpoint_default(c, V4) || endpoint_default(c, V6));
}

json_t *ports_inspect(const struct container *c)
{
	json_t *out = json_object(), *v;
	const char *key;
	size_t i;

	if (!has_ports(c))
		return out;
	json_array_foreach(c->ports, i, v) {
		const char *port = json_str(v, "port", "");
		cleanup_free char *host = xasprintf("%d", (int)json_int(v, "host", 0));

		if (!json_object_get(out, port))
			json_set_new(out, port, json_array());
		json_array_append_new(json_object_get(out, port),
			json_pack("{s:s, s:s}", "HostIp", json_str(v, "ip", ""), "HostPort", host));
	}
	json_object_foreach(json_obj(c->config, "ExposedPorts"), key, v) {
		struct wish w;

		wish_key(&w, key);
		if (!json_object_get(out, w.key))
			json_set_new(out, w.key, json_null());
		free(w.key);
	}
	return out;
}

json_t *ports_list(const struct container *c)
{
	cleanup_json json_t *ports = ports_inspect(c);
	json_t *out = json_array(), *bindings, *v;
	const char *key;
	size_t i;

	json_object_foreach(ports, key, bindings) {
		struct wish w;

		wish_key(&w, key);
		json_array_foreach(bindings, i, v)
			json_array_append_new(out, json_pack("{s:s, s:i, s:i, s:s}", "IP", json_str(v, "HostIp", ""),
				"PrivatePort", (int)w.to, "PublicPort", (int)number(span_of(json_str(v, "HostPort", ""))),
				"Type", w.proto));
		if (!json_array_size(bindings) && w.to)
			json_array_append_new(out, json_pack("{s:i, s:s}", "PrivatePort", (int)w.to, "Type", w.proto));
		free(w.key);
	}
	return out;
}
