/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logsyslog.c - the options of the syslog driver
 *
 * Theory of operation
 *   "unix:///path" (a stream), "unixgram:///path", "udp://host[:514]", "tcp://host[:514]", "tcp+tls://host[:514]";
 *   without an address the machine's own: the first of LOCAL that takes a datagram or a connection.  The monitor
 *   gets numbers, so that it needs no resolver; with TLS a process of its own has the connection (logtls.h).
 */
#include "engine/logsyslog.h"
#include "base/fs.h"
#include "runtime/logtls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_FACILITY 3 /* daemon */
#define FACILITY_MAX 23
#define CONNECT_S 10 /* for a peer that does not answer */

static const char *const local_paths[] = {"/dev/log", "/var/run/syslog", "/var/run/log"};

static const struct {
	const char *name;
	int number;
} facilities[] = {
	{"kern", 0}, {"user", 1}, {"mail", 2}, {"daemon", 3}, {"auth", 4}, {"syslog", 5}, {"lpr", 6},
	{"news", 7}, {"uucp", 8}, {"cron", 9}, {"authpriv", 10}, {"ftp", 11}, {"local0", 16},
	{"local1", 17}, {"local2", 18}, {"local3", 19}, {"local4", 20}, {"local5", 21},
	{"local6", 22}, {"local7", 23},
};

static int facility_parse(const char *text)
{
	uint64_t n;
	size_t i;

	if (!*text)
		return DEFAULT_FACILITY;
	for (i = 0; i < ARRAY_SIZE(facilities); i++)
		if (!strcmp(facilities[i].name, text))
			return facilities[i].number;
	return parse_u64(span_of(text), FACILITY_MAX, &n) ? -1 : (int)n;
}

/* --- addresses ---------------------------------------------------------------------------------- */

struct address {
	bool is_unix, stream, tls;
	const char *path; /* of the text given */
	char host[256], port[6];
	unsigned int port_number;
};

static int take_host(const char *text, struct address *a, struct err *e)
{
	struct span host = {text, strcspn(text, "/")}, port = SPAN("514");
	ssize_t colon = span_rchr(host, ':'), bracket = span_rchr(host, ']');
	uint64_t number;

	if (colon > bracket)
		port = span_cut(&host, (size_t)colon);
	if (host.n > 1 && *host.p == '[' && host.p[host.n - 1] == ']')
		host = (struct span){host.p + 1, host.n - 2};
	if (host.n >= sizeof(a->host))
		return err_kind(e, ERR_INVALID, "bad syslog address '%s'", text);
	if (parse_u64(port, UINT16_MAX, &number))
		return err_kind(e, ERR_INVALID, "dial %s: address %.*s: invalid port", a->stream ? "tcp" : "udp",
			(int)port.n, port.p);
	snprintf(a->host, sizeof(a->host), "%.*s", (int)host.n, host.p);
	a->port_number = (unsigned int)number;
	snprintf(a->port, sizeof(a->port), "%u", a->port_number);
	return 0;
}

static int address_parse(const char *text, struct address *a, struct err *e)
{
	const char *sep = strstr(text, "://"), *rest = sep ? sep + 3 : text;
	struct span scheme = {text, sep ? (size_t)(sep - text) : 0};

	*a = (struct address){0};
	a->is_unix = span_eqs(scheme, "unix") || span_eqs(scheme, "unixgram");
	a->tls = span_eqs(scheme, "tcp+tls");
	a->stream = span_eqs(scheme, "unix") || span_eqs(scheme, "tcp") || a->tls;
	if (a->is_unix) {
		a->path = rest;
		return access(rest, F_OK) ? err_kind(e, ERR_INVALID, "stat %s: no such file or directory", rest) : 0;
	}
	if (a->tls || span_eqs(scheme, "tcp") || span_eqs(scheme, "udp"))
		return take_host(rest, a, e);
	return err_kind(e, ERR_INVALID, "unsupported scheme: '%.*s'", (int)scheme.n, scheme.p);
}

int logsyslog_check(const json_t *options, struct err *e)
{
	static const char *const formats[] = {"", "rfc3164", "rfc5424", "rfc5424micro", NULL};
	const char *address = json_str(options, "syslog-address", "");
	struct address a;

	if (*address && address_parse(address, &a, e))
		return -1;
	if (facility_parse(json_str(options, "syslog-facility", "")) < 0)
		return err_kind(e, ERR_INVALID, "invalid syslog facility");
	if (!str_in(json_str(options, "syslog-format", ""), formats))
		return err_kind(e, ERR_INVALID, "Invalid syslog format");
	return 0;
}

/* --- reaching it --------------------------------------------------------------------------------- */

static int try_connect(const void *address, socklen_t len, int family, int type)
{
	cleanup_close int fd = socket(family, type | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = CONNECT_S};

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return connect(fd, address, len);
}

static json_t *unix_socket(const char *path, bool stream)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(un.sun_path))
		errno = ENAMETOOLONG;
	else
		memcpy(un.sun_path, path, strlen(path) + 1);
	if (!*un.sun_path || try_connect(&un, sizeof(un), AF_UNIX, stream ? SOCK_STREAM : SOCK_DGRAM))
		return NULL;
	return json_pack("{s:s, s:s}", "type", stream ? "stream" : "dgram", "path", path);
}

static json_t *local_socket(struct err *e)
{
	json_t *s = NULL;
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(local_paths) && !s; i++)
		s = unix_socket(local_paths[i % ARRAY_SIZE(local_paths)], i >= ARRAY_SIZE(local_paths));
	if (!s)
		err_set(e, 0, "Unix syslog delivery error");
	return s;
}

static json_t *inet_socket(const struct address *a, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = a->stream ? SOCK_STREAM : SOCK_DGRAM}, *found;
	const char *proto = a->stream ? "tcp" : "udp";
	char ip[INET6_ADDRSTRLEN];
	json_t *s = NULL;
	int rc = getaddrinfo(a->host, a->port, &hints, &found);

	if (rc) {
		err_set(e, 0, "dial %s: lookup %s: %s", proto, a->host,
			rc == EAI_NONAME ? "no such host" : gai_strerror(rc));
		return NULL;
	}
	getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST);
	if (a->stream && try_connect(found->ai_addr, found->ai_addrlen, found->ai_family, SOCK_STREAM))
		err_set(e, 0, strchr(ip, ':') ? "dial %s [%s]:%s: connect: %s" : "dial %s %s:%s: connect: %s", proto, ip,
			a->port, errno == ECONNREFUSED ? "connection refused" : strerror(errno));
	else
		s = json_pack("{s:s, s:s, s:i}", "type", a->stream ? "stream" : "dgram", "ip", ip, "port",
			(int)a->port_number);
	freeaddrinfo(found);
	return s;
}

/* Skipping is a matter of the option being there, whatever it says. */
static json_t *tls_socket(const struct address *a, const json_t *options, struct err *e)
{
	json_t *to = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b}", "host", a->host, "port", (int)a->port_number, "ca",
		json_str(options, "syslog-tls-ca-cert", ""), "cert", json_str(options, "syslog-tls-cert", ""), "key",
		json_str(options, "syslog-tls-key", ""), "verify", !json_object_get(options, "syslog-tls-skip-verify"));

	if (!logtls_try(to, e))
		return json_pack("{s:o}", "tls", to);
	json_decref(to);
	return NULL;
}

json_t *logsyslog_socket(const json_t *options, const char *tag, struct err *e)
{
	const char *text = json_str(options, "syslog-address", "");
	struct address a;
	json_t *s;

	if (!*text) {
		s = local_socket(e);
	} else if (address_parse(text, &a, e)) {
		return NULL;
	} else if (a.is_unix) {
		s = unix_socket(a.path, a.stream);
		if (!s)
			err_set(e, 0, "dial %s %s: connect: %s", a.stream ? "unix" : "unixgram", a.path,
				errno == ECONNREFUSED ? "connection refused" : strerror(errno));
	} else {
		s = a.tls ? tls_socket(&a, options, e) : inet_socket(&a, e);
	}
	if (!s)
		return NULL;
	json_set_str(s, "kind", "syslog");
	json_set_str(s, "format", json_str(options, "syslog-format", ""));
	json_set_int(s, "facility", facility_parse(json_str(options, "syslog-facility", "")));
	json_set_str(s, "tag", tag);
	return s;
}
