/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/registry_server.h - a server in this process that says what a test tells it to
 *
 * A step answers requests whose first line begins with its `match`; the first step that fits and
 * is not used up counts.  A request that none fits is answered with 404 and noted.
 */
#ifndef TESTS_UNIT_REGISTRY_SERVER_H
#define TESTS_UNIT_REGISTRY_SERVER_H

#include "unit.h"

#include "base/fs.h"
#include "base/str.h"
#include "registry/trust.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum after {
	KEEP, /* wait for the next request */
	CLOSE, /* an orderly end */
	RESET, /* RST */
	STALL, /* nothing more, until the client goes away */
};

struct step {
	const char *match;
	const char *reply; /* all of it; NULL: read the request and say nothing */
	enum after after;
	int times; /* how often it may be used; 0: always */
	const char *need; /* a line the request must have, or the step does not fit; or NULL */
	size_t len; /* of reply; 0: it is a C string */
};

struct server {
	int fd;
	uint16_t port;
	char address[32]; /* "127.0.0.1:4711" */
	pthread_t thread;
	const struct tls_identity *identity; /* NULL: plain */
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t idle;
	struct step *steps;
	size_t n;
	struct buf log; /* requests as they came, one after the other */
	int connections, open;
};

struct peer {
	struct server *s;
	int fd;
	br_ssl_server_context tls;
	br_sslio_context io;
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

static inline int low_read(void *arg, unsigned char *p, size_t n)
{
	ssize_t got = recv(*(int *)arg, p, n, 0);

	return got <= 0 ? -1 : (int)got;
}

static inline int low_write(void *arg, const unsigned char *p, size_t n)
{
	ssize_t put = send(*(int *)arg, p, n, MSG_NOSIGNAL);

	return put <= 0 ? -1 : (int)put;
}

static inline ssize_t peer_read(struct peer *p, char *to, size_t n)
{
	return p->s->identity ? br_sslio_read(&p->io, to, n) : recv(p->fd, to, n, 0);
}

static inline bool peer_write(struct peer *p, const char *from, size_t n)
{
	if (p->s->identity)
		return !br_sslio_write_all(&p->io, from, n) && !br_sslio_flush(&p->io);
	while (n) {
		ssize_t put = send(p->fd, from, n, MSG_NOSIGNAL);

		if (put <= 0)
			return false;
		from += put;
		n -= (size_t)put;
	}
	return true;
}

static inline struct step server_step(struct server *s, const char *request)
{
	struct step found = {.match = "", .reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
	size_t i;

	pthread_mutex_lock(&s->lock);
	buf_adds(&s->log, request);
	for (i = 0; i < s->n; i++) {
		struct step *t = &s->steps[i];

		if (t->times < 0 || strncmp(request, t->match, strlen(t->match)) ||
			(t->need && !strstr(request, t->need)))
			continue;
		found = *t;
		if (t->times && !--t->times)
			t->times = -1;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* Serve one connection. */
static inline void peer_serve(struct peer *p)
{
	char request[8192], byte;
	struct linger abort_now = {1, 0};
	struct step step;
	size_t n = 0;

	for (;;) {
		ssize_t got = n < sizeof(request) - 1 ? peer_read(p, request + n, 1) : -1;

		if (got <= 0)
			return;
		n++;
		if (n == 1 && request[0] == 0x16 && !p->s->identity) { /* a ClientHello */
			static const char no[] = "HTTP/1.0 400 Bad Request\r\n\r\nthis is plain HTTP";

			peer_write(p, no, sizeof(no) - 1);
			shutdown(p->fd, SHUT_WR);
			while (recv(p->fd, &byte, 1, 0) > 0)
				;
			return;
		}
		if (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4))
			continue;
		request[n] = 0;
		n = 0;
		step = server_step(p->s, request);
		if (step.reply && !peer_write(p, step.reply, step.len ? step.len : strlen(step.reply)))
			return;
		if (step.after == KEEP)
			continue;
		if (step.after == RESET)
			setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof(abort_now));
		if (step.after == STALL)
			while (peer_read(p, &byte, 1) > 0)
				;
		if (step.after == CLOSE && p->s->identity)
			br_sslio_close(&p->io);
		return;
	}
}

static inline void *peer_main(void *arg)
{
	struct peer *p = arg;
	struct server *s = p->s;

	if (s->identity) {
		br_ssl_server_init_full_ec(&p->tls, s->identity->chain, s->identity->chain_len, BR_KEYTYPE_EC,
			br_skey_decoder_get_ec(s->identity->key));
		br_ssl_engine_set_buffer(&p->tls.eng, p->records, sizeof(p->records), 1);
		br_ssl_server_reset(&p->tls);
		br_sslio_init(&p->io, &p->tls.eng, low_read, &p->fd, low_write, &p->fd);
	}
	peer_serve(p);
	close(p->fd);
	free(p);
	pthread_mutex_lock(&s->lock);
	s->open--;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static inline void *server_main(void *arg)
{
	struct server *s = arg;
	pthread_attr_t attr;
	pthread_t t;
	int fd;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 1 << 20);
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct peer *p = xcalloc(1, sizeof(*p));

		p->s = s;
		p->fd = fd;
		pthread_mutex_lock(&s->lock);
		s->connections++;
		s->open++;
		pthread_mutex_unlock(&s->lock);
		if (pthread_create(&t, &attr, peer_main, p))
			abort();
	}
	pthread_attr_destroy(&attr);
	return NULL;
}

/* @steps is changed while it is used. */
static inline void server_start(struct server *s, struct step *steps, size_t n, const struct tls_identity *id)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);

	*s = (struct server){.steps = steps, .n = n, .identity = id, .log = BUF_INIT};
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(s->fd, 64) ||
		getsockname(s->fd, (struct sockaddr *)&sin, &len))
		abort();
	s->port = ntohs(sin.sin_port);
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", s->port);
	if (pthread_create(&s->thread, NULL, server_main, s))
		abort();
}

/* Clients must have gone. */
static inline void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	while (s->open)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	close(s->fd);
	buf_release(&s->log);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
}

static inline int server_count(struct server *s, const char *text)
{
	const char *at;
	int n = 0;

	pthread_mutex_lock(&s->lock);
	for (at = s->log.p; (at = strstr(at, text)); at++)
		n++;
	pthread_mutex_unlock(&s->lock);
	return n;
}

#endif
