/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/bind.c - published ports below ip_unprivileged_port_start
 *
 * Where the program has CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=ep), the supervisor keeps it,
 * and binds what the engine, in its user namespace, may not.  That is no more than this user may do
 * with the program anyway.
 */
#include "base/fs.h"
#include "base/proc.h"
#include "dockerd/supervisor.h"

#include <errno.h>

void bind_for_engine(struct port *p, int to)
{
	struct role_bound answer = {0};
	cleanup_close int fd = -1, reply = to;
	struct err e = ERR_INIT;

	p->host_ip[sizeof(p->host_ip) - 1] = 0;
	fd = p->host_port ? port_bind(p, &e) : -1;
	if (fd < 0)
		answer.error = e.code ? e.code : EINVAL;
	/* If that fails, the engine has ended. */
	sock_send(reply, &answer, sizeof(answer), &fd, fd >= 0);
}
