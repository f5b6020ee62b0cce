/* SPDX-License-Identifier: MIT */
/*
 * core/net/port.c - the engine's side of published ports: sockets of the host, requests to netd
 */
#include "net/port.h"
#include "base/fs.h"
#include "net/netd.h"
#include "net/peer.h"

#include <errno.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel's somaxconn may be less */

static int set_options(int fd, int family, enum port_proto proto)
{
	int on = 1;

	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return -1;
	/* TCP: connections of a former listener are no obstacle.  UDP: answers leave from the address
	 * that was asked. */
	if (proto == PORT_TCP)
		return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) :
				   setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

int port_open(struct port *p, int (*make)(int family, int type, int protocol))
{
	int type = p->proto == PORT_TCP ? SOCK_STREAM : SOCK_DGRAM;
	cleanup_close int fd = -1;
	struct peer at;

	if (peer_parse(p->host_ip, p->host_port, &at)) {
		errno = EINVAL;
		return -1;
	}
	fd = make(at.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || set_options(fd, at.any.sa_family, p->proto) || bind(fd, &at.any, at.len) ||
		(p->proto == PORT_TCP && listen(fd, BACKLOG)) || getsockname(fd, &at.any, &at.len))
		return -1;
	p->host_port = peer_port(&at);
	return fd_steal(&fd);
}

const char *port_bind_reason(int code)
{
	switch (code) {
	case EADDRINUSE:
		return "address already in use";
	case EADDRNOTAVAIL:
		return "cannot assign requested address";
	case EACCES:
		return "permission denied";
	default:
		return strerror(code);
	}
}

int port_bind(struct port *p, struct err *e)
{
	const char *proto = p->proto == PORT_TCP ? "tcp" : "udp";
	bool v6 = strchr(p->host_ip, ':');
	int fd = port_open(p, socket), code = errno;

	if (fd >= 0)
		return fd;
	err_kind(e, ERR_FAILED, v6 ? "listen %s6 [%s]:%u: bind: %s" : "listen %s4 %s:%u: bind: %s", proto, p->host_ip,
		p->host_port, port_bind_reason(code));
	if (e)
		e->code = code;
	return -1;
}

void port_explain_privileged(const struct port *p, struct err *e)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
	cleanup_buf struct buf text = BUF_INIT;
	uint64_t start;

	if (file_read_at(AT_FDCWD, path, 16, &text, NULL) ||
		parse_u64((struct span){text.p, strcspn(text.p, "\n")}, UINT16_MAX + 1, &start) || p->host_port >= start)
		return;
	err_wrap(e, "cannot expose privileged port %u, you can add 'net.ipv4.ip_unprivileged_port_start=%u' to "
		"/etc/sysctl.conf (currently %u), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose "
		"a larger port number (>= %u)", p->host_port, p->host_port, (unsigned int)start, (unsigned int)start);
}

static json_t *strings(const char *const *v)
{
	json_t *out = json_array();

	while (v && *v)
		json_append_str(out, *v++);
	return out;
}

int port_publish(struct netd *netd, const struct port *p, const struct port_target *to, int fd, int *id, struct err *e)
{
	cleanup_json json_t *answer = NULL;
	json_t *args = json_object();

	json_set_str(args, "proto", p->proto == PORT_TCP ? "tcp" : "udp");
	json_set_str(args, "ip", p->host_ip);
	json_set_int(args, "port", p->host_port);
	json_set_str(args, "owner", to->owner);
	json_set_str(args, "ip4", to->ip4);
	json_set_str(args, "ip6", to->ip6);
	json_set_int(args, "to", to->port);
	json_set_new(args, "subnets", strings(to->subnets));
	json_set_int(args, "id", id ? *id : 0);
	if (netd_call(netd, "ports.add", args, &fd, fd >= 0, &answer, e))
		return -1;
	if (id)
		*id = (int)json_int(answer, "id", 0);
	return 0;
}

int port_close_all(struct netd *netd, const char *owner, struct err *e)
{
	json_t *args = json_object();

	json_set_str(args, "owner", owner);
	return netd_call(netd, "ports.close", args, NULL, 0, NULL, e);
}

int port_close(struct netd *netd, int id, struct err *e)
{
	json_t *args = json_object();

	json_set_int(args, "id", id);
	return netd_call(netd, "ports.remove", args, NULL, 0, NULL, e);
}

json_t *port_held(struct netd *netd, struct err *e)
{
	json_t *all = json_array();
	int64_t after = 0;

	for (;;) { /* a page at a time: a message has its limits */
		cleanup_json json_t *answer = NULL, *args = json_object();

		json_set_int(args, "after", after);
		if (netd_call(netd, "ports.held", steal(&args), NULL, 0, &answer, e)) {
			json_decref(all);
			return NULL;
		}
		json_array_extend(all, json_arr(answer, "ports"));
		after = json_int(answer, "more", 0);
		if (!after)
			return all;
	}
}
