/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logtls.c - syslog over TLS: a process that has the connection
 *
 * Theory of operation
 *   A monitor stays small and never blocks, and TLS is neither; so messages go through a socketpair to a process of
 *   their own, straight-line code, which ends when the monitor has closed its side and all is sent.  It is started
 *   before the container is: later the monitor's children may be born elsewhere (hold.c).
 *
 *   A connection that has ended is made anew for the next message, at most once a second; what comes while there is
 *   none is dropped, as Docker does it.
 */
#include "runtime/logtls.h"
#include "base/clock.h"
#include "base/proc.h"
#include "registry/conn.h"
#include "registry/trust.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define RETRY_NS NS_PER_S
#define MESSAGE_MAX (1 << 18) /* more than a socket takes as one */
#define SOCKET 3

static struct tls_trust *load_trust(const json_t *to, struct err *e)
{
	const char *ca = json_str(to, "ca", ""), *cert = json_str(to, "cert", ""), *key = json_str(to, "key", "");
	struct tls_trust *t = tls_trust_from_files(*ca ? ca : NULL, NULL, NULL, json_bool(to, "verify", true), e);

	if (!t || (!*cert && !*key) || !tls_trust_add_identity(t, cert, key, e))
		return t;
	err_wrap(e, "Could not load X509 key pair");
	tls_trust_free(t);
	return NULL;
}

static struct conn *reach(const json_t *to, const struct tls_trust *trust, struct err *e)
{
	static const struct conn_limits limits = {PATIENCE_MS, PATIENCE_MS, -1};
	const char *host = json_str(to, "host", "");
	struct conn *c = conn_open(host, (uint16_t)json_int(to, "port", 0), &limits, e);

	if (!c || !conn_start_tls(c, host, trust, e))
		return c;
	conn_close(c);
	return NULL;
}

int logtls_try(const json_t *to, struct err *e)
{
	struct tls_trust *trust = load_trust(to, e);
	struct conn *c = trust ? reach(to, trust, e) : NULL;
	int rc = c ? 0 : -1;

	conn_close(c);
	if (trust)
		tls_trust_free(trust);
	return rc;
}

int logtls_start(const json_t *to, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(e, errno, "making a socketpair");
	json_print(to, false, &text);
	rc = proc_spawn_role((const char *const[]){":logtls", text.p, NULL}, &pair[1], 1, NULL, NULL, e);
	close(pair[1]);
	if (!rc)
		return pair[0];
	close(pair[0]);
	return -1;
}

/* --- the process ----------------------------------------------------------------------------------- */

struct sender {
	const json_t *to;
	const struct tls_trust *trust;
	struct conn *c;
	int64_t retry_at;
};

static bool is_connected(struct sender *s)
{
	struct err e;

	if (s->c && conn_is_idle(s->c))
		return true;
	conn_close(s->c);
	s->c = NULL;
	if (clock_mono_ns() < s->retry_at)
		return false;
	s->c = reach(s->to, s->trust, &e);
	if (!s->c)
		s->retry_at = clock_mono_ns() + RETRY_NS;
	return s->c != NULL;
}

static void send_message(struct sender *s, const char *p, size_t n)
{
	struct err e;

	for (int i = 0; i < 2 && is_connected(s); i++) {
		if (!conn_write(s->c, p, n, &e))
			return;
		conn_close(s->c);
		s->c = NULL;
	}
}

int logtls_role_main(int argc, char **argv)
{
	cleanup_json json_t *to = argc == 2 ? json_parse(argv[1], strlen(argv[1]), NULL) : NULL;
	char *message = xmalloc(MESSAGE_MAX);
	struct sender s = {.to = to};
	struct tls_trust *trust;
	struct err e;
	ssize_t n;

	signal(SIGPIPE, SIG_IGN);
	trust = to ? load_trust(to, &e) : NULL;
	if (!trust)
		return 1;
	s.trust = trust;
	while ((n = recv(SOCKET, message, MESSAGE_MAX, 0)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			send_message(&s, message, (size_t)n);
	conn_close(s.c);
	tls_trust_free(trust);
	free(message);
	return 0;
}
