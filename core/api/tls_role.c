/* SPDX-License-Identifier: MIT */
/*
 * core/api/tls_role.c - the process in front of the engine that speaks TLS
 *
 * Theory of operation
 *   What strangers on a network send before they have proven who they are is parsed here, in a
 *   process that has no state of the engine, no namespace with privilege, and no way to it but one
 *   that a client with a valid certificate has as well: a unix socket.  It holds the key, so it is
 *   not dumpable.
 *
 *   One thread accepts for each listening socket, and one serves each connection: a handshake that
 *   must be done within HANDSHAKE_S, then tls_relay().  The engine's socket is opened only after
 *   that.  While the engine is being replaced, connections wait in that socket's backlog.
 */
#include "api/tls_role.h"

#include "api/tls_relay.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "registry/tls.h"
#include "registry/tls_verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_S 30	     /* a peer that says nothing for so long is let go */
#define CONNECTIONS_MAX 1024 /* 48 KiB each */
#define STACK_KB 128	     /* of a connection; RSA with 4096 bits takes some */
#define LISTENERS_MAX 8

static struct {
	struct tls_trust *trust;
	const char *engine; /* its socket */
	atomic_int connections;
} front;

struct connection {
	int net;
	char peer[64];
	br_ssl_server_context server;
	struct tls_verify verify;
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

struct tls_trust *tls_role_trust(const json_t *raw, struct err *e)
{
	bool verify = json_bool(raw, "tlsverify", false);
	const char *ca = json_str(raw, "tlscacert", NULL);
	struct tls_trust *t = tls_trust_from_files(ca, json_str(raw, "tlscert", ""), json_str(raw, "tlskey", ""),
		verify, e);

	if (!t)
		err_wrap(e, "invalid TLS configuration");
	return t;
}

/* --- one connection --------------------------------------------------------------------------- */

static void prepare(struct connection *c)
{
	const struct tls_identity *id = &front.trust->identity;
	unsigned char seed[32];

	if (br_skey_decoder_key_type(id->key) == BR_KEYTYPE_RSA)
		br_ssl_server_init_full_rsa(&c->server, id->chain, id->chain_len, br_skey_decoder_get_rsa(id->key));
	else
		br_ssl_server_init_full_ec(&c->server, id->chain, id->chain_len, BR_KEYTYPE_EC,
			br_skey_decoder_get_ec(id->key));
	br_ssl_engine_set_versions(&c->server.eng, BR_TLS12, BR_TLS12);
	tls_set_suites(&c->server.eng);
	br_ssl_engine_add_flags(&c->server.eng, BR_OPT_NO_RENEGOTIATION);
	if (front.trust->verify)
		tls_verify_init_clients(&c->verify, &c->server, front.trust);
	br_ssl_engine_set_buffer(&c->server.eng, c->records, sizeof(c->records), 1);
	random_bytes(seed, sizeof(seed));
	br_ssl_engine_inject_entropy(&c->server.eng, seed, sizeof(seed));
	br_ssl_server_reset(&c->server);
}

static void limit_waiting(int fd, time_t seconds)
{
	struct timeval t = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static void serve(void *arg)
{
	struct connection *c = arg;
	struct err e = ERR_INIT;
	int plain = -1;

	prepare(c);
	limit_waiting(c->net, HANDSHAKE_S);
	if (tls_shake(&c->server.eng, c->net, &e)) {
		log_warn("http: TLS handshake error from %s: %s", c->peer,
			c->verify.why.msg[0] ? c->verify.why.msg : e.msg);
	} else {
		limit_waiting(c->net, 0);
		plain = sock_connect_at(AT_FDCWD, front.engine, SOCK_STREAM);
		if (plain < 0)
			log_error("connecting to the engine at %s: %s", front.engine, strerror(errno));
		else
			tls_relay(&c->server.eng, c->net, plain);
	}
	fd_close(&plain);
	fd_close(&c->net);
	if (front.trust->verify)
		tls_verify_release(&c->verify);
	explicit_bzero(c, sizeof(*c));
	free(c);
	atomic_fetch_sub(&front.connections, 1);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void name_peer(const struct sockaddr_storage *sa, char *out, size_t n)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, n, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const void *)sa;

		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, n, "%s:%u", ip, ntohs(in->sin_port));
	}
}

static void accept_one(int listener)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);
	int fd = accept4(listener, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC), one = 1;
	struct connection *c;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			poll(NULL, 0, 100); /* until some connection ends: there is no event for that */
		return;
	}
	if (atomic_fetch_add(&front.connections, 1) >= CONNECTIONS_MAX) {
		atomic_fetch_sub(&front.connections, 1);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	c = xcalloc(1, sizeof(*c));
	c->net = fd;
	name_peer(&sa, c->peer, sizeof(c->peer));
	if (thread_start("tls", serve, c, STACK_KB)) {
		close(fd);
		free(c);
		atomic_fetch_sub(&front.connections, 1);
	}
}

static void accept_all(void *arg)
{
	for (;;)
		accept_one((int)(intptr_t)arg);
}

static int load(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;

	/* The descriptor is shared with the engine, which reads it at the same time. */
	if (fd_read_shared(TLS_ROLE_CONFIG, 16 << 20, &text, e))
		return -1;
	j = json_parse(text.p, text.n, e);
	if (!j)
		return -1;
	front.trust = tls_role_trust(json_obj(j, "raw"), e);
	return front.trust ? 0 : -1;
}

int tls_role_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	uint64_t count, i;

	if (argc != 3 || parse_u64(span_of(argv[2]), LISTENERS_MAX, &count) || !count)
		return 2;
	proc_die_with_parent(getppid());
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is the supervisor's: the engine still answers while it stops */
	front.engine = argv[1];
	if (load(&e)) {
		log_err(&e, "TLS");
		return 1;
	}
	for (i = 1; i < count; i++)
		if (thread_start("accept", accept_all, (void *)(intptr_t)(TLS_ROLE_LISTEN + (int)i), 64))
			return 1;
	accept_all((void *)(intptr_t)TLS_ROLE_LISTEN);
	return 0;
}
