/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/listen.c - the sockets the API answers on
 *
 * Theory of operation
 *   The supervisor opens them, once, in the user's own namespaces, and keeps them: while one
 *   engine has died and the next starts, clients wait in the backlog.
 *
 *   Whoever can talk to such a socket can run anything as this user. A unix socket has mode 0660;
 *   a tcp:// socket has no such protection, so beyond loopback it must be asked for twice.
 */
#include "supervisor.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

/* --- unix:// -------------------------------------------------------------------------------- */

/* --group: only if given; a user may hand files to the groups he is in. */
static void give_to_group(const char *path, const char *name)
{
	struct group *g = getgrnam(name);
	uint64_t gid = 0;

	if (!g && parse_u64(span_of(name), INT32_MAX, &gid)) {
		log_warn("could not change group of %s to %s: there is no such group", path, name);
		return;
	}
	if (lchown(path, (uid_t)-1, g ? g->gr_gid : (gid_t)gid))
		log_warn("could not change group of %s to %s: %s", path, name, strerror(errno));
}

/* What is at @path may only be a socket nobody answers on. */
static int check_vacant(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : err_set(e, errno, "looking at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "listening on %s: there is something that is not a socket", path);
	fd = sock_connect_at(AT_FDCWD, path, SOCK_STREAM);
	if (fd < 0)
		return 0;
	close(fd);
	return err_set(e, EADDRINUSE, "listening on %s: another process answers there", path);
}

static int parent_make(const char *path, struct err *e)
{
	cleanup_free char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return 0;
	*slash = 0;
	return fs_mkdir_p_at(AT_FDCWD, dir, 0700, e);
}

static int unix_open(struct listener *l, const char *path, const struct config *c, struct err *e)
{
	const char *group = json_str(c->raw, "group", "");
	struct stat st;
	mode_t mask;

	if (*path != '/')
		return err_set(e, 0, "listening on unix://%s: not an absolute path", path);
	if (parent_make(path, e) || check_vacant(path, e))
		return -1;
	mask = umask(0); /* else it takes away what the mode gives (unix(7)) */
	l->fd = sock_listen_at(AT_FDCWD, path, SOCK_STREAM, 0660, e);
	umask(mask);
	if (l->fd < 0)
		return -1;
	l->path = xstrdup(path);
	if (!lstat(path, &st)) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	if (*group)
		give_to_group(path, group);
	return 0;
}

/* --- tcp:// --------------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

/* May it be had without TLS? Beyond loopback only if TLS was turned off by name. */
static int check_exposure(const char *host, const struct sockaddr *sa, const struct config *c, struct err *e)
{
	if (is_loopback(sa)) {
		log_warn("%s has no TLS: every user of this machine can run anything as you through it", host);
		return 0;
	}
	if (json_is_false(json_object_get(c->raw, "tls")) ||
		json_is_false(json_object_get(c->raw, "tlsverify"))) {
		log_warn("Binding to IP address without --tlsverify is insecure and gives root access on this "
			 "machine to everyone who has access to your network. (%s)",
			host);
		return 0;
	}
	err_set(e, 0, "listening on %s without TLS: everyone who reaches it could run anything as you", host);
	return err_hint(e, "use 'docker -H ssh://user@host', a unix:// socket or loopback; if the network is "
			   "trusted, say --tls=false");
}

static struct addrinfo *resolve(const char *host, const char *text, struct err *e)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	struct span name = span_of(text), port;
	int rc;

	port = span_cut(&name, (size_t)span_rchr(name, ':'));
	if (name.n && *name.p == '[')
		name.p++, name.n -= 2;
	cleanup_free char *n = span_dup(name), *p = span_dup(port);
	rc = getaddrinfo(n, p, &want, &found);
	if (!rc)
		return found;
	err_set(e, 0, "listening on %s: %s", host, gai_strerror(rc));
	return NULL;
}

static int bind_tcp(const struct addrinfo *a, const char *host, struct err *e)
{
	cleanup_close int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG))
		return err_set(e, errno, "listening on %s", host);
	return fd_steal(&fd);
}

static int tcp_open(struct listener *l, const char *host, const struct config *c, struct err *e)
{
	struct addrinfo *a;

	if (json_bool(c->raw, "tls", false) || json_bool(c->raw, "tlsverify", false)) {
		err_set(e, 0, "listening on %s: TLS is not supported yet", host);
		return err_hint(e, "use 'docker -H ssh://user@host' from other machines");
	}
	a = resolve(host, host + strlen("tcp://"), e);
	if (!a)
		return -1;
	if (!check_exposure(host, a->ai_addr, c, e))
		l->fd = bind_tcp(a, host, e);
	freeaddrinfo(a);
	return l->fd < 0 ? -1 : 0;
}

/* --- any ------------------------------------------------------------------------------------ */

int listener_open(struct listener *l, const char *host, const struct config *c, struct err *e)
{
	*l = (struct listener){.fd = -1};
	if (!strncmp(host, "unix://", 7))
		return unix_open(l, host + 7, c, e);
	if (!strncmp(host, "tcp://", 6))
		return tcp_open(l, host, c, e);
	err_set(e, 0, "listening on %s: sockets of systemd are not supported yet", host);
	return err_hint(e, "use unix:// sockets, which need no .socket unit");
}

void listener_close(struct listener *l)
{
	struct stat st;

	fd_close(&l->fd);
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
}
