/* SPDX-License-Identifier: MIT */
/*
 * core/net/port_target.c - published ports: which address a container sees its client with
 *
 * Theory of operation
 *   An IP_TRANSPARENT socket of the inside is bound to the client's address and port and connected to
 *   the container.  What the container answers is routed to the bridge's gateway, which is us; there
 *   the relay, or port_answers.c, has the packet delivered to our socket.
 *
 *   That needs an answer that reaches the gateway.  A container takes addresses of its own subnets for
 *   neighbours, and loopback and link-local ones for its own; for such clients, for those of a
 *   family the container has no address of, where the kernel has no TPROXY, and for what listens on the inside's
 *   own loopback, the socket stays unbound: the kernel picks the bridge's address, as the real engine's proxy does.
 */
#include "net/module.h"
#include "net/port_server.h"

#include <errno.h>
#include <unistd.h>

/* #syscalls socket bind connect setsockopt close */

int (*port_inside_socket)(int family, int type, int protocol);

static bool is_link_local(const struct peer *p)
{
	if (p->any.sa_family == AF_INET)
		return ntohl(p->v4.sin_addr.s_addr) >> 16 == 0xa9fe;
	return IN6_IS_ADDR_LINKLOCAL(&p->v6.sin6_addr);
}

/* Does an answer to that address come to us? */
static bool is_answerable(const struct port_entry *p, const struct peer *client)
{
	struct inet addr = peer_inet(client);
	size_t i;

	if (!port_answered || peer_is_loopback(client) || is_link_local(client))
		return false;
	for (i = 0; i < p->n_subnets; i++)
		if (subnet_contains(&p->subnets[i], &addr))
			return false;
	return true;
}

static int be_transparent(int fd, const struct peer *from)
{
	int on = 1;

	if (from->any.sa_family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) :
					     setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on)))
		return -1;
	/* One client's port may lead to several containers at once. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, &from->any, from->len);
}

static int try(const struct peer *from, const struct peer *to, int type)
{
	int fd = port_inside_socket(to->any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;
	uint32_t mark = MARK_OWN;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if ((!from || !be_transparent(fd, from)) && (!connect(fd, &to->any, to->len) || errno == EINPROGRESS))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int port_connect(const struct port_entry *p, const struct peer *client, bool inside, int type)
{
	bool v4 = client->any.sa_family == AF_INET, same = v4 ? p->has4 : p->has6;
	const struct peer *to = same == v4 ? &p->to4 : &p->to6;
	struct peer from = *client;
	int fd;

	if (inside || !same || peer_is_loopback(to) || !is_answerable(p, client))
		return try(NULL, to, type);
	fd = try(&from, to, type);
	if (fd < 0 && (errno == EADDRINUSE || errno == EADDRNOTAVAIL)) {
		peer_set_port(&from, 0);
		fd = try(&from, to, type);
	}
	return fd;
}
