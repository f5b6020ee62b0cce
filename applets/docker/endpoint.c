/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/endpoint.c - which engine to talk to
 *
 * Theory of operation
 *   A host is a text "unix:///path" or "tcp://host:port", wherever it came from; a context is a
 *   file contexts/meta/<sha256 of its name>/meta.json that holds one.  TLS and ssh are dial.c's.
 */
#include "endpoint.h"
#include "context_store.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/var/run/docker.sock"

/* "host:port", "[v6]:port", "host" or "" */
static int parse_tcp(struct endpoint *ep, const char *host, const char *addr, const struct dial_tls *tls,
	struct err *e)
{
	struct span name = span_of(addr), port = tls->wanted ? SPAN("2376") : SPAN("2375");
	ssize_t slash = span_chr(name, '/'), colon;
	uint64_t number;

	if (slash >= 0)
		span_cut(&name, (size_t)slash);
	colon = span_rchr(name, ':');
	if (name.n && *name.p == '[' && (colon < 0 || name.p[colon - 1] != ']'))
		colon = -1;
	if (colon >= 0)
		port = span_cut(&name, (size_t)colon);
	if (name.n > 1 && *name.p == '[' && name.p[name.n - 1] == ']')
		name.p++, name.n -= 2;
	if (!name.n)
		name = SPAN("localhost");
	if (parse_u64(port, 65535, &number))
		return err_kind(e, ERR_INVALID, "invalid bind address format: %s", host);
	ep->host = span_dup(name);
	ep->port = span_dup(port);
	ep->url = xasprintf(strchr(ep->host, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s", ep->host,
		ep->port);
	if (tls->wanted)
		ep->trust = dial_tls_load(tls, e);
	return tls->wanted && !ep->trust ? -1 : 0;
}

static int parse_host(struct endpoint *ep, const char *host, const struct dial_tls *tls, struct err *e)
{
	if (!strncmp(host, "unix://", 7)) {
		ep->path = xstrdup(host[7] ? host + 7 : SYSTEM_SOCKET);
		ep->url = xasprintf("unix://%s", ep->path);
		return 0;
	}
	if (!strncmp(host, "ssh://", 6)) {
		ep->url = xstrdup(host);
		ep->command = dial_ssh_command(host, e);
		return ep->command ? 0 : -1;
	}
	if (!strncmp(host, "tcp://", 6))
		return parse_tcp(ep, host, host + 6, tls, e);
	if (!strstr(host, "://"))
		return parse_tcp(ep, host, host, tls, e);
	return err_kind(e, ERR_INVALID, "invalid bind address format: %s", host);
}

static const struct dial_tls no_tls;

static int parse_default(struct endpoint *ep, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	cleanup_free char *own = xasprintf("/run/user/%u/docker.sock", getuid());
	cleanup_free char *url = NULL;

	if (runtime && *runtime) {
		free(own);
		own = xasprintf("%s/docker.sock", runtime);
	}
	/* Nothing there at all: name the one a rootless engine would make. */
	url = xasprintf("unix://%s",
		fs_exists_at(AT_FDCWD, own) || !fs_exists_at(AT_FDCWD, SYSTEM_SOCKET) ? own :
											 SYSTEM_SOCKET);
	return parse_host(ep, url, &no_tls, e);
}

static int parse_context(struct endpoint *ep, const char *name, const char *config_dir, struct err *e)
{
	cleanup_json json_t *meta = context_load(config_dir, name, e);
	cleanup_free char *keys = NULL, *dir = NULL;
	struct dial_tls tls = {0};
	json_t *docker;
	const char *host;

	if (!meta)
		return -1;
	docker = json_path(meta, "Endpoints", "docker", NULL);
	host = json_str(docker, "Host", "");
	keys = context_tls_dir(config_dir, name);
	dir = xasprintf("%s/docker", keys);
	tls.verify = !json_bool(docker, "SkipTLSVerify", false);
	tls.wanted = !tls.verify || fs_exists_at(AT_FDCWD, dir);
	tls.dir = dir;
	return *host ? parse_host(ep, host, &tls, e) : parse_default(ep, e);
}

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static int find(struct endpoint *ep, const char *host, const char *context, const char *config_dir,
	const json_t *config, const struct dial_tls *tls, struct err *e)
{
	if (!host && !context && !env("DOCKER_HOST")) {
		context = env("DOCKER_CONTEXT");
		if (!context)
			context = json_str(config, "currentContext", NULL);
	}
	if (!host && context && *context && strcmp(context, "default")) {
		free(ep->context);
		ep->context = xstrdup(context);
		return parse_context(ep, context, config_dir, e);
	}
	if (!host)
		host = env("DOCKER_HOST");
	if (!host)
		return parse_default(ep, e);
	return parse_host(ep, host, tls, e);
}

int endpoint_find(struct endpoint *ep, const char *host, const char *context,
	const char *config_dir, const json_t *config, const struct dial_tls *tls, struct err *e)
{
	*ep = (struct endpoint){.context = xstrdup("default")};
	if (find(ep, host, context, config_dir, config, tls ? tls : &no_tls, e))
		return err_wrap(e, "Failed to initialize: unable to resolve docker endpoint");
	return 0;
}

static int connect_tcp(const struct endpoint *ep, struct err *e)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *list = NULL, *a;
	int rc, fd = -1, one = 1;

	rc = getaddrinfo(ep->host, ep->port, &want, &list);
	if (rc)
		return err_kind(e, ERR_UNAVAILABLE,
			"error during connect: looking up %s: %s", ep->host, gai_strerror(rc));
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen))
			fd_close(&fd);
	}
	freeaddrinfo(list);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* A socket where an engine of this user's would have it? */
static bool is_ours(const char *path)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	size_t n = dir ? strlen(dir) : 0;

	return (n && !strncmp(path, dir, n) && path[n] == '/') || !strncmp(path, "/run/user/", 10);
}

int endpoint_connect(const struct endpoint *ep, struct err *e)
{
	int fd;

	e->msg[0] = 0;
	if (ep->command)
		return dial_command(ep->command, e);
	fd = ep->path ? sock_connect_at(AT_FDCWD, ep->path, SOCK_STREAM) : connect_tcp(ep, e);
	if (fd >= 0)
		return ep->trust ? dial_tls(fd, ep->host, ep->trust, e) : fd;
	if (errno == EACCES && ep->path)
		return err_kind(e, ERR_FORBIDDEN,
			"permission denied while trying to connect to the docker API at %s", ep->url);
	if (e->msg[0])
		return -1;
	err_kind(e, ERR_UNAVAILABLE, "Cannot connect to the Docker daemon at %s. Is the docker daemon running?", ep->url);
	if (ep->path && is_ours(ep->path))
		err_hint(e, "start it with: systemctl --user start docker, or where that is not set up: dockerd-rootless &");
	return -1;
}
