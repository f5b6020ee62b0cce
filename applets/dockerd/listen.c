/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/listen.c - the sockets the API answers on
 *
 * Theory of operation
 *   The supervisor opens them, once, in the user's own namespaces, and keeps them: while one
 *   engine has died and the next starts, clients wait in the backlog.
 *
 *   Whoever can talk to such a socket can run anything as this user. A unix socket has mode 0660;
 *   a tcp:// socket has no such protection: beyond loopback it verifies its clients' certificates, or
 *   must be asked for twice.
 *
 *   fd:// are sockets that systemd opened for us (sd_listen_fds(3)): 3, 4, … as LISTEN_FDS counts
 *   them, if LISTEN_PID says that they are ours.  Their paths are systemd's to remove.
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

static bool has_tls(const struct config *c)
{
	return json_bool(c->raw, "tls", false) || json_bool(c->raw, "tlsverify", false);
}

/* May it be had without verified clients? Beyond loopback only if that was turned off by name. */
static int check_exposure(const char *host, const struct sockaddr *sa, const struct config *c, struct err *e)
{
	if (json_bool(c->raw, "tlsverify", false))
		return 0;
	if (is_loopback(sa)) {
		log_warn("%s takes any client: every user of this machine can run anything as you through it", host);
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
	return err_hint(e, "use --tlsverify with --tlscacert, --tlscert and --tlskey, or 'docker -H ssh://user@host'; if "
			   "the network is trusted, say %s", has_tls(c) ? "--tlsverify=false" : "--tls=false");
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

	l->tls = has_tls(c);
	a = resolve(host, host + strlen("tcp://"), e);
	if (!a)
		return -1;
	if (!check_exposure(host, a->ai_addr, c, e))
		l->fd = bind_tcp(a, host, e);
	freeaddrinfo(a);
	return l->fd < 0 ? -1 : 0;
}

/* --- fd:// ---------------------------------------------------------------------------------- */

#define FIRST_PASSED 3 /* SD_LISTEN_FDS_START */

/* How many sockets systemd passed to this very process. */
static uint64_t passed_count(void)
{
	uint64_t pid, n;

	if (parse_u64(span_of(getenv("LISTEN_PID")), INT32_MAX, &pid) || (pid_t)pid != getpid() ||
		parse_u64(span_of(getenv("LISTEN_FDS")), ROLE_LISTEN_MAX, &n))
		return 0;
	return n;
}

static int take_passed(struct listener *l, int fd, const char *host, const struct config *c, struct err *e)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);

	*l = (struct listener){.fd = fd};
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (getsockname(fd, (struct sockaddr *)&sa, &n))
		return err_set(e, errno, "listening on %s: descriptor %d", host, fd);
	l->tls = sa.ss_family != AF_UNIX && has_tls(c);
	return sa.ss_family == AF_UNIX ? 0 : check_exposure(host, (struct sockaddr *)&sa, c, e);
}

/* "fd://" (or a star behind it) is all of them, "fd://3" is one. */
static int passed_add(struct listeners *l, const char *host, const struct config *c, struct err *e)
{
	const char *which = host + strlen("fd://");
	uint64_t n = passed_count(), i, one = 0;
	bool all = !*which || !strcmp(which, "*");

	if (!all && parse_u64(span_of(which), INT32_MAX, &one))
		return err_set(e, 0, "listening on %s: not the number of a descriptor", host);
	if (!n || (!all && (one < FIRST_PASSED || one >= FIRST_PASSED + n))) {
		err_set(e, 0, "no sockets found via socket activation: make sure the service was started by systemd");
		return err_hint(e, "fd:// needs a docker.socket unit; without, use unix://");
	}
	for (i = FIRST_PASSED; i < FIRST_PASSED + n; i++) {
		if (!all && i != one)
			continue;
		if (l->n == ROLE_LISTEN_MAX)
			return err_set(e, 0, "listening on more than %d sockets", ROLE_LISTEN_MAX);
		if (take_passed(&l->v[l->n], (int)i, host, c, e))
			return -1;
		l->n++;
	}
	return 0;
}

/* --- any ------------------------------------------------------------------------------------ */

int listeners_add(struct listeners *l, const char *host, const struct config *c, struct err *e)
{
	struct listener *next = &l->v[l->n];

	if (!strncmp(host, "fd://", 5))
		return passed_add(l, host, c, e);
	if (l->n == ROLE_LISTEN_MAX)
		return err_set(e, 0, "listening on more than %d sockets", ROLE_LISTEN_MAX);
	*next = (struct listener){.fd = -1};
	if (!strncmp(host, "unix://", 7) ? unix_open(next, host + 7, c, e) : tcp_open(next, host, c, e))
		return -1;
	l->n++;
	return 0;
}

void listeners_close(struct listeners *l)
{
	struct stat st;
	size_t i;

	for (i = 0; i < l->n; i++) {
		struct listener *one = &l->v[i];

		fd_close(&one->fd);
		if (one->path && !lstat(one->path, &st) && st.st_dev == one->dev && st.st_ino == one->ino)
			unlink(one->path);
		free(one->path);
	}
	l->n = 0;
}
