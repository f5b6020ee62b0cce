/* SPDX-License-Identifier: MIT */
/*
 * core/api/tls_relay.c - plain bytes on one socket, TLS on the other
 *
 * Theory of operation
 *   BearSSL's engine moves records and does no I/O; one thread polls both sockets and shovels.  It
 *   has room for one record each way, so a side that does not read is pushed back on by not being
 *   read from.
 *
 *   Half-close: TLS has one close_notify per direction, and Go (so Docker's client and ours) uses it
 *   as a shutdown(SHUT_WR).  BearSSL closes both directions at the first one.  So alerts of an
 *   open connection are taken past its state machine: records are counted in from their headers, an
 *   alert is decrypted with the engine's own record decoder, and our close_notify is built with its
 *   encoder.  Both keep the sequence numbers, so nothing can be inserted, left out or replayed.
 *
 *   (1) plain -> net: read, encrypt, send; at the end of plain, our close_notify.
 *   (2) net -> plain: receive, decrypt, write; at the peer's close_notify, shutdown(plain, SHUT_WR).
 *   It is over when both have ended, when net ends (with or without (2): nobody is there to answer),
 *   or when anything fails.
 */
#include "api/tls_relay.h"

#include "base/fs.h"
#include "registry/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER 5		/* type, version, length (RFC 5246 section 6.2.1) */
#define TYPE_ALERT 21
#define ALERT_RECORD_MAX 256	/* two bytes, a MAC, padding: bytes of any suite */
#define CLOSE_NOTIFY 0
#define HEAR_OUT_S 2		/* for a peer that is refused to take note */
#define HEAR_OUT_MAX 65536	/* bytes */

/* --- the handshake ---------------------------------------------------------------------------- */

/* What a peer can act on, in the clear, as nothing is encrypted yet: "bad certificate" for all that is
 * wrong with one, else "handshake failure".  BearSSL itself just closes. */
static void send_alert(int net, int code)
{
	bool certificate = code == BR_ERR_NO_CLIENT_AUTH || (code > BR_ERR_X509_OK && code <= BR_ERR_X509_NOT_TRUSTED);
	unsigned char alert[] = {TYPE_ALERT, 3, 3, 0, 2, 2, certificate ? 42 : 40};

	send(net, alert, sizeof(alert), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_some(br_ssl_engine_context *eng, int net, int flags)
{
	unsigned char *p;
	ssize_t put;
	size_t n;

	p = br_ssl_engine_sendrec_buf(eng, &n);
	put = send(net, p, n, MSG_NOSIGNAL | flags);
	if (put > 0)
		br_ssl_engine_sendrec_ack(eng, (size_t)put);
	return put > 0 || (put < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -1;
}

/* Who is told why before he has finished speaking must find the words: closing a socket with unread bytes
 * would send a reset, which overtakes them.  So the peer is heard out, briefly. */
static void hear_out(int net)
{
	struct timeval patience = {.tv_sec = HEAR_OUT_S};
	char away[4096];
	size_t n = 0;
	ssize_t got;

	setsockopt(net, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	shutdown(net, SHUT_WR);
	while (n < HEAR_OUT_MAX && (got = recv(net, away, sizeof(away), 0)) > 0)
		n += (size_t)got;
}

static int shake_failed(br_ssl_engine_context *eng, int net, struct err *e)
{
	int code = br_ssl_engine_last_error(eng);

	if (code && code < BR_ERR_RECV_FATAL_ALERT) {
		send_alert(net, code);
		hear_out(net);
	}
	if (code == BR_ERR_NO_CLIENT_AUTH)
		return err_kind(e, ERR_FAILED, "tls: client didn't provide a certificate");
	return tls_explain(code, e);
}

/* Some of a record, into the engine: 1; 0 at the end, -1 and errno. */
static int shake_receive(br_ssl_engine_context *eng, int net)
{
	unsigned char *p;
	ssize_t got;
	size_t n;

	p = br_ssl_engine_recvrec_buf(eng, &n);
	do
		got = recv(net, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		br_ssl_engine_recvrec_ack(eng, (size_t)got);
	return got > 0 ? 1 : (int)got;
}

/* A peer that refuses us says why and closes, perhaps while we still write. */
static int shake_broken(br_ssl_engine_context *eng, int net, struct err *e)
{
	int code = errno;

	while (br_ssl_engine_current_state(eng) & BR_SSL_RECVREC)
		if (shake_receive(eng, net) <= 0)
			break;
	if (br_ssl_engine_last_error(eng))
		return tls_explain(br_ssl_engine_last_error(eng), e);
	return err_set(e, code, "tls: writing");
}

int tls_shake(br_ssl_engine_context *eng, int net, struct err *e)
{
	unsigned state;
	int rc;

	for (;;) {
		state = br_ssl_engine_current_state(eng);
		if (state & BR_SSL_CLOSED)
			return shake_failed(eng, net, e);
		if (state & BR_SSL_SENDREC) {
			if (send_some(eng, net, 0))
				return shake_broken(eng, net, e);
			continue;
		}
		if (state & BR_SSL_SENDAPP)
			return 0;
		rc = shake_receive(eng, net);
		if (rc < 0)
			return err_set(e, errno, "tls: reading");
		if (!rc)
			return err_kind(e, ERR_FAILED, "EOF");
	}
}

/* --- relaying --------------------------------------------------------------------------------- */

struct relay {
	br_ssl_engine_context *eng;
	int net, plain;
	unsigned char head[HEADER]; /* of the record that comes in */
	size_t head_n;		    /* bytes of it that are here */
	size_t left;		    /* bytes of its payload that BearSSL has not been given */
	unsigned char alert[ALERT_RECORD_MAX];
	size_t alert_len, alert_n;   /* of an alert that comes in: its length, bytes here; 0: none */
	unsigned char bye[ALERT_RECORD_MAX + HEADER];
	unsigned char *bye_at; /* our close_notify, what of it is not sent */
	size_t bye_n;
	bool plain_ended, net_ended, told_plain, over;
};

/* The two last ones of a direction; after them the connection may carry no more that way. */
static void make_bye(struct relay *r)
{
	size_t start = HEADER, end = sizeof(r->bye);

	r->eng->out.vtable->max_plaintext(&r->eng->out.vtable, &start, &end);
	r->bye[start] = 1; /* warning */
	r->bye[start + 1] = CLOSE_NOTIFY;
	r->bye_n = 2;
	r->bye_at = r->eng->out.vtable->encrypt(&r->eng->out.vtable, TYPE_ALERT, BR_TLS12, r->bye + start, &r->bye_n);
}

static void send_bye(struct relay *r)
{
	ssize_t put = send(r->net, r->bye_at, r->bye_n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (put > 0) {
		r->bye_at += put;
		r->bye_n -= (size_t)put;
	} else if (put < 0 && errno != EAGAIN && errno != EINTR) {
		r->over = true;
	}
}

/* A whole alert is here: close_notify ends this direction, all others the connection. */
static void take_alert(struct relay *r)
{
	size_t n = r->alert_len;
	unsigned char *p = NULL;

	if (r->eng->in.vtable->check_length(&r->eng->in.vtable, n))
		p = r->eng->in.vtable->decrypt(&r->eng->in.vtable, TYPE_ALERT, BR_TLS12, r->alert, &n);
	if (p && n == 2 && p[1] == CLOSE_NOTIFY)
		r->net_ended = true;
	else
		r->over = true;
	r->alert_len = 0;
}

/* Hand bytes to BearSSL; it takes at most what it said it had room for. */
static void feed(struct relay *r, const unsigned char *from, size_t n)
{
	unsigned char *p;
	size_t room;

	while (n && !(br_ssl_engine_current_state(r->eng) & BR_SSL_CLOSED)) {
		p = br_ssl_engine_recvrec_buf(r->eng, &room);
		if (!p || !room) {
			r->over = true;
			return;
		}
		room = room < n ? room : n;
		memcpy(p, from, room);
		br_ssl_engine_recvrec_ack(r->eng, room);
		from += room;
		n -= room;
	}
}

static ssize_t take(struct relay *r, void *p, size_t n)
{
	ssize_t got = recv(r->net, p, n, MSG_DONTWAIT);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		r->over = true;
	return got > 0 ? got : 0;
}

static void take_header(struct relay *r)
{
	r->head_n += (size_t)take(r, r->head + r->head_n, HEADER - r->head_n);
	if (r->head_n < HEADER)
		return;
	r->left = (size_t)r->head[3] << 8 | r->head[4];
	if (r->head[0] == TYPE_ALERT) {
		r->alert_len = r->left;
		r->alert_n = 0;
		r->left = r->head_n = 0;
		r->over |= !r->alert_len || r->alert_len > ALERT_RECORD_MAX;
		return;
	}
	feed(r, r->head, HEADER);
	if (!r->left)
		r->head_n = 0;
}

/* Some of what comes from the network: a header, an alert, or a record's payload. */
static void receive(struct relay *r)
{
	unsigned char *p;
	size_t room;
	ssize_t got;

	if (r->net_ended) { /* after its close_notify there is only the end, or nonsense */
		unsigned char byte;

		if (take(r, &byte, 1))
			r->over = true;
	} else if (r->alert_len) {
		r->alert_n += (size_t)take(r, r->alert + r->alert_n, r->alert_len - r->alert_n);
		if (r->alert_n == r->alert_len)
			take_alert(r);
	} else if (r->head_n < HEADER) {
		take_header(r);
	} else {
		p = br_ssl_engine_recvrec_buf(r->eng, &room);
		if (!p || !room) {
			r->over = true;
			return;
		}
		got = take(r, p, room < r->left ? room : r->left);
		if (!got)
			return;
		br_ssl_engine_recvrec_ack(r->eng, (size_t)got);
		r->left -= (size_t)got;
		if (!r->left)
			r->head_n = 0;
	}
}

static void read_plain(struct relay *r)
{
	unsigned char *p;
	ssize_t got;
	size_t room;

	p = br_ssl_engine_sendapp_buf(r->eng, &room);
	got = recv(r->plain, p, room, MSG_DONTWAIT);
	if (got > 0) {
		br_ssl_engine_sendapp_ack(r->eng, (size_t)got);
		br_ssl_engine_flush(r->eng, 0);
	} else if (!got) {
		r->plain_ended = true;
		make_bye(r);
	} else if (errno != EAGAIN && errno != EINTR) {
		r->over = true;
	}
}

static void write_plain(struct relay *r)
{
	unsigned char *p;
	ssize_t put;
	size_t n;

	p = br_ssl_engine_recvapp_buf(r->eng, &n);
	put = send(r->plain, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (put > 0)
		br_ssl_engine_recvapp_ack(r->eng, (size_t)put);
	else if (put < 0 && errno != EAGAIN && errno != EINTR)
		r->over = true;
}

/* One turn: wait for what can go on, and do it. */
static void turn(struct relay *r)
{
	unsigned state = br_ssl_engine_current_state(r->eng);
	bool give = state & BR_SSL_RECVAPP, put = state & BR_SSL_SENDREC;
	bool bye = !put && r->bye_n;
	/* Records are read one at a time, an alert once all before it has been delivered. */
	bool listen = (state & BR_SSL_RECVREC) && !give;
	/* Closed, not only shut down for writing: then nobody takes what the peer still sends. */
	bool wait_close = r->plain_ended && !r->told_plain && !put && !r->bye_n;
	bool ask = (state & BR_SSL_SENDAPP) && !put && !r->plain_ended;
	struct pollfd p[2] = {{r->net, 0, 0}, {r->plain, 0, 0}};

	if (r->net_ended && !give && !r->told_plain) {
		shutdown(r->plain, SHUT_WR);
		r->told_plain = true;
	}
	if ((state & BR_SSL_CLOSED) || (r->net_ended && r->told_plain && r->plain_ended && !put && !r->bye_n)) {
		r->over = true;
		return;
	}
	p[0].events = (short)((listen ? POLLIN : 0) | (put || bye ? POLLOUT : 0));
	p[1].events = (short)((ask ? POLLIN : 0) | (give ? POLLOUT : 0));
	/* A socket we want nothing of would still report its hangup, over and over. */
	p[0].fd = p[0].events ? r->net : -1;
	p[1].fd = p[1].events || wait_close ? r->plain : -1;
	if (poll(p, 2, -1) < 0)
		return;
	if (wait_close && (p[1].revents & POLLHUP)) {
		r->over = true;
		return;
	}
	if (p[1].revents && give)
		write_plain(r);
	if (p[0].revents && put && send_some(r->eng, r->net, MSG_DONTWAIT))
		r->over = true;
	if (p[0].revents && bye)
		send_bye(r);
	if (p[1].revents && ask)
		read_plain(r);
	if ((p[0].revents & ~POLLOUT) && listen)
		receive(r);
}

void tls_relay(br_ssl_engine_context *eng, int net, int plain)
{
	struct relay r = {.eng = eng, .net = net, .plain = plain};

	while (!r.over)
		turn(&r);
}
