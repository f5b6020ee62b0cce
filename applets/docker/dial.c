/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/dial.c - engines that are reached through something: TLS, or a command (ssh)
 *
 * Theory of operation
 *   HTTP and hijacked streams want one descriptor to read, write, poll and shut down.  So both ways
 *   end in a socket pair: we have one end, and the other is served by a thread that does TLS, or is
 *   the standard input and output of ssh, which runs "docker system dial-stdio" over there.
 *
 *   The handshake is done before the socket is given out: its failure is the caller's to tell.
 */
#include "dial.h"

#include "api/tls_relay.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "registry/tls.h"
#include "registry/tls_verify.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

/* --- TLS ------------------------------------------------------------------------------------ */

/* The file that was named, or the usual one if it is there. */
static char *file_of(const struct dial_tls *tls, const char *named, const char *usual)
{
	cleanup_free char *path = named ? xstrdup(named) : fs_join(tls->dir, usual);

	return named || fs_exists_at(AT_FDCWD, path) ? steal(&path) : NULL;
}

struct tls_trust *dial_tls_load(const struct dial_tls *tls, struct err *e)
{
	cleanup_free char *ca = tls->ca ? xstrdup(tls->ca) : fs_join(tls->dir, "ca.pem");
	cleanup_free char *cert = file_of(tls, tls->cert, "cert.pem");
	cleanup_free char *key = file_of(tls, tls->key, "key.pem");

	if (tls->verify && access(ca, R_OK)) {
		const char *why = strerror(errno); /* Go's are in lower case */

		err_kind(e, ERR_INVALID, "open %s: %c%s", ca, tolower((unsigned char)*why), why + 1);
		return NULL;
	}
	return tls_trust_from_files(ca, cert && key ? cert : NULL, key, tls->verify, e);
}

struct session {
	int net, plain;
	br_ssl_client_context client;
	struct tls_verify verify;
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

static void session_free(struct session *s)
{
	fd_close(&s->net);
	fd_close(&s->plain);
	tls_verify_release(&s->verify);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

static void session_main(void *arg)
{
	struct session *s = arg;

	tls_relay(&s->client.eng, s->net, s->plain);
	session_free(s);
}

static bool is_address(const char *host)
{
	unsigned char ip[16];

	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

static int shake(struct session *s, const char *host, const struct tls_trust *trust, struct err *e)
{
	unsigned char seed[32];

	tls_verify_init(&s->verify, &s->client, trust, host);
	br_ssl_engine_set_versions(&s->client.eng, BR_TLS12, BR_TLS12);
	tls_set_suites(&s->client.eng);
	tls_set_identity(&s->client, &trust->identity);
	br_ssl_engine_add_flags(&s->client.eng, BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_buffer(&s->client.eng, s->records, sizeof(s->records), 1);
	random_bytes(seed, sizeof(seed));
	br_ssl_engine_inject_entropy(&s->client.eng, seed, sizeof(seed));
	br_ssl_client_reset(&s->client, is_address(host) ? NULL : host, 0);
	if (!tls_shake(&s->client.eng, s->net, e))
		return 0;
	if (s->verify.why.msg[0])
		err_kind(e, ERR_FAILED, "tls: failed to verify certificate: %s", s->verify.why.msg);
	return err_wrap(e, "error during connect");
}

int dial_tls(int net, const char *host, const struct tls_trust *trust, struct err *e)
{
	struct session *s = xcalloc(1, sizeof(*s));
	int pair[2], rc;

	s->net = net;
	s->plain = -1;
	if (shake(s, host, trust, e)) {
		session_free(s);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		rc = err_set(e, errno, "opening a socket pair");
		session_free(s);
		return rc;
	}
	s->plain = pair[1];
	rc = thread_start("tls", session_main, s, 128);
	if (!rc)
		return pair[0];
	close(pair[0]);
	session_free(s);
	return err_set(e, rc, "starting a thread");
}

/* --- a command ------------------------------------------------------------------------------ */

static int bad_url(const char *url, const char *why, struct err *e)
{
	return err_kind(e, ERR_INVALID, "host connection is not valid ssh URL: %s: %s", url, why);
}

/* ssh://[user@]host[:port][/socket], cut into views of the text. */
struct ssh_url {
	struct span user, host, port, path;
};

static int parse_ssh(const char *url, struct ssh_url *u, struct err *e)
{
	struct span rest = span_of(url + strlen("ssh://"));
	ssize_t slash = span_chr(rest, '/'), at, colon;
	uint64_t number;

	*u = (struct ssh_url){.host = rest};
	if (slash >= 0) {
		u->host.n = (size_t)slash;
		u->path = (struct span){rest.p + slash, rest.n - (size_t)slash};
	}
	at = span_rchr(u->host, '@');
	if (at >= 0) {
		rest = span_cut(&u->host, (size_t)at);
		u->user = u->host;
		u->host = rest;
	}
	colon = span_rchr(u->host, ':');
	if (colon >= 0 && u->host.p[u->host.n - 1] != ']')
		u->port = span_cut(&u->host, (size_t)colon);
	if (u->host.n > 1 && u->host.p[0] == '[' && u->host.p[u->host.n - 1] == ']')
		u->host = (struct span){u->host.p + 1, u->host.n - 2};
	/* Words of ssh's command line: none may look like an option. */
	if (!u->host.n || *u->host.p == '-' || (u->user.n && *u->user.p == '-'))
		return bad_url(url, "no host specified", e);
	if (u->user.n && span_chr(u->user, ':') >= 0)
		return bad_url(url, "plain-text password is not supported", e);
	if (u->port.n && parse_u64(u->port, 65535, &number))
		return bad_url(url, "invalid port", e);
	return 0;
}

static void add_option(json_t *words, const char *option, struct span value)
{
	if (!value.n)
		return;
	json_append_str(words, option);
	json_array_append_new(words, json_textn(value.p, value.n));
}

char **dial_ssh_command(const char *url, struct err *e)
{
	static const char *const first[] = {"ssh", "-o", "ConnectTimeout=30", "-T"};
	cleanup_json json_t *words = json_array();
	cleanup_free char *socket = NULL;
	struct ssh_url u;
	size_t i;

	if (parse_ssh(url, &u, e))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(first); i++)
		json_append_str(words, first[i]);
	add_option(words, "-l", u.user);
	add_option(words, "-p", u.port);
	add_option(words, "--", u.host);
	json_append_str(words, "docker");
	if (u.path.n > 1) {
		socket = xasprintf("unix://%.*s", (int)u.path.n, u.path.p);
		add_option(words, "--host", span_of(socket));
	}
	json_append_str(words, "system");
	json_append_str(words, "dial-stdio");
	return json_to_strv(words);
}

int dial_command(char *const argv[], struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int pair[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "opening a socket pair");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
	posix_spawn_file_actions_adddup2(&actions, pair[1], 1);
	posix_spawnattr_init(&attr);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	/* Ctrl-C at our terminal is for the container; ssh would take the connection with it. */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
	if (!rc)
		return pair[0]; /* it ends when we close our end; init reaps it after us */
	close(pair[0]);
	return err_set(e, rc, "error during connect: executing %s", argv[0]);
}
