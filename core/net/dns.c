/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns.c - the engine's side of the name server: sockets in a container, requests to netd
 *
 * netd cannot enter a container, so the sockets are made here, by a thread that has.  We own the
 * container's network namespace: port 53 and 127.0.0.11 need no redirection.
 */
#include "net/dns.h"
#include "base/fs.h"
#include "base/json.h"
#include "net/inet.h"
#include "net/netd.h"
#include "net/netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

enum { UDP, TCP, N_SOCKETS };

struct listening {
	const char *address;
	int fds[N_SOCKETS];
};

static int listen_at(const char *address, int type, int *fd, struct err *e)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
	const char *name = type == SOCK_DGRAM ? "udp" : "tcp";
	struct inet ip;
	int on = 1;

	if (inet_parse(span_of(address), &ip) || ip.family != AF_INET)
		return err_kind(e, ERR_INVALID, "bad address '%s' for the name server", address);
	memcpy(&at.sin_addr, ip.bytes, sizeof(at.sin_addr));
	*fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return err_set(e, errno, "opening a socket for the name server");
	if (type == SOCK_STREAM)
		setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* connections of a former one */
	if (bind(*fd, (struct sockaddr *)&at, sizeof(at)) || (type == SOCK_STREAM && listen(*fd, BACKLOG)))
		return err_set(e, errno, "listening at %s:53/%s in the container", address, name);
	return 0;
}

static int listen_here(void *arg, struct err *e)
{
	struct listening *l = arg;

	return listen_at(l->address, SOCK_DGRAM, &l->fds[UDP], e) || listen_at(l->address, SOCK_STREAM, &l->fds[TCP], e) ? -1 : 0;
}

static json_t *strings(const char *const *v)
{
	json_t *out = json_array();

	while (v && *v)
		json_append_str(out, *v++);
	return out;
}

static int call_open(struct netd *netd, const struct dns_sandbox *s, const int *fds, size_t n, struct err *e)
{
	json_t *args = json_object();

	json_set_str(args, "id", s->id);
	json_set_new(args, "servers", strings(s->servers));
	json_set_bool(args, "ndots", s->ndots_set);
	return netd_call(netd, "dns.open", args, fds, n, NULL, e);
}

int dns_sandbox_open(struct netd *netd, const struct dns_sandbox *s, struct err *e)
{
	struct listening l = {s->address ? s->address : DNS_ADDRESS, {-1, -1}};
	int rc = netns_run(s->netnsfd, listen_here, &l, e);

	if (!rc)
		rc = call_open(netd, s, l.fds, N_SOCKETS, e);
	else if (e->code == EADDRINUSE) /* netd has them, or it is the container's own */
		rc = call_open(netd, s, NULL, 0, e);
	fd_close(&l.fds[UDP]);
	fd_close(&l.fds[TCP]);
	return rc;
}

int dns_sandbox_close(struct netd *netd, const char *id, struct err *e)
{
	json_t *args = json_object();

	json_set_str(args, "id", id);
	return netd_call(netd, "dns.close", args, NULL, 0, NULL, e);
}

int dns_endpoint_set(struct netd *netd, const struct dns_endpoint *ep, struct err *e)
{
	json_t *args = json_object();

	json_set_str(args, "id", ep->sandbox_id);
	json_set_str(args, "network", ep->network_id);
	json_set_str(args, "name", ep->network_name);
	json_set_bool(args, "internal", ep->internal);
	json_set_new(args, "names", strings(ep->names));
	json_set_new(args, "links", strings(ep->links));
	json_set_str(args, "ip4", ep->ip4);
	json_set_str(args, "ip6", ep->ip6);
	return netd_call(netd, "dns.endpoint", args, NULL, 0, NULL, e);
}

int dns_endpoint_remove(struct netd *netd, const char *sandbox_id, const char *network_id, struct err *e)
{
	json_t *args = json_object();

	json_set_str(args, "id", sandbox_id);
	json_set_str(args, "network", network_id);
	return netd_call(netd, "dns.remove", args, NULL, 0, NULL, e);
}

int dns_host_servers(struct netd *netd, const char *const *servers, struct err *e)
{
	json_t *args = json_object();

	json_set_new(args, "servers", strings(servers));
	return netd_call(netd, "dns.host", args, NULL, 0, NULL, e);
}
