/* SPDX-License-Identifier: MIT */
/*
 * core/registry/tls.c - TLS 1.2 over a socket
 *
 * Theory of operation
 *   BearSSL is a state machine that owns two record buffers and does no I/O; pump() moves records
 *   between it and the socket until what the caller waits for is possible.  Decrypted bytes are
 *   shown where they lie in its buffer.
 *
 *   Cipher suites: those with forward secrecy, AES-GCM first where the CPU has AES instructions
 *   (BearSSL's fastest by far), else ChaCha20.  TLS 1.2 only, as Docker demands at least that and
 *   BearSSL has nothing newer.
 */
#include "registry/tls.h"
#include "registry/tls_verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls {
	struct sock *sock;
	struct tls_verify verify;
	br_ssl_client_context client;
	bool eof; /* the socket ended; with close_notify or without */
	unsigned char first[5]; /* what the server sent first, to name a server without TLS */
	size_t n_first;
	bool open; /* the handshake is done */
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

/* --- words --- */

static const char *alert_text(int alert)
{
	static const struct {
		int alert; /* RFC 8446 section 6 and older */
		const char *text;
	} known[] = {
		{10, "unexpected message"}, {20, "bad record MAC"}, {21, "decryption failed"},
		{22, "record overflow"}, {30, "decompression failure"}, {40, "handshake failure"},
		{42, "bad certificate"}, {43, "unsupported certificate"}, {44, "revoked certificate"},
		{45, "expired certificate"}, {46, "unknown certificate"}, {47, "illegal parameter"},
		{48, "unknown certificate authority"}, {49, "access denied"},
		{50, "error decoding message"}, {51, "error decrypting message"},
		{70, "protocol version not supported"}, {71, "insufficient security level"},
		{80, "internal error"}, {90, "user canceled"}, {100, "no renegotiation"},
		{112, "unrecognized name"}, {116, "certificate required"},
		{120, "no application protocol"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].alert == alert)
			return known[i].text;
	return "alert";
}

const char *tls_error_text(int code)
{
	switch (code) {
	case BR_ERR_X509_NOT_TRUSTED:
	case BR_ERR_X509_DN_MISMATCH:
		return "x509: certificate signed by unknown authority";
	case BR_ERR_X509_EXPIRED:
		return "x509: certificate has expired or is not yet valid";
	case BR_ERR_X509_BAD_SIGNATURE:
		return "x509: certificate signed by unknown authority (a signature in its chain is "
			"wrong)";
	case BR_ERR_X509_UNSUPPORTED:
		return "x509: unsupported algorithm in a certificate (RSA up to 4096 bits and ECDSA "
			"on P-256, P-384, P-521 are supported)";
	case BR_ERR_X509_CRITICAL_EXTENSION:
		return "x509: unhandled critical extension";
	case BR_ERR_X509_NOT_CA:
		return "x509: invalid signature: parent certificate cannot sign this kind of certificate";
	case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
		return "x509: certificate specifies an incompatible key usage";
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
		return "x509: a public key is too short";
	case BR_ERR_X509_LIMIT_EXCEEDED:
	case BR_ERR_X509_OVERFLOW:
		return "x509: a certificate or key is too large";
	case BR_ERR_X509_TIME_UNKNOWN:
		return "x509: this machine does not know the time";
	case BR_ERR_UNSUPPORTED_VERSION:
		return "tls: server selected unsupported protocol version (TLS 1.2 is needed)";
	case BR_ERR_BAD_VERSION:
		return "tls: received record with an unexpected version";
	case BR_ERR_BAD_MAC:
		return "tls: bad record MAC";
	case BR_ERR_TOO_LARGE:
	case BR_ERR_BAD_LENGTH:
		return "tls: oversized record received";
	case BR_ERR_BAD_SIGNATURE:
		return "tls: invalid signature by the server certificate";
	case BR_ERR_BAD_CIPHER_SUITE:
		return "tls: server chose an unconfigured cipher suite";
	case BR_ERR_NO_RANDOM:
		return "tls: no source of random numbers";
	default:
		if (code > BR_ERR_X509_OK && code <= BR_ERR_X509_NOT_TRUSTED)
			return "x509: malformed certificate";
		return "tls: malformed or unexpected message";
	}
}

int tls_explain(int code, struct err *e)
{
	if (code >= BR_ERR_SEND_FATAL_ALERT)
		return err_kind(e, ERR_FAILED, "local error: tls: %s",
			alert_text(code - BR_ERR_SEND_FATAL_ALERT));
	if (code >= BR_ERR_RECV_FATAL_ALERT) {
		int alert = code - BR_ERR_RECV_FATAL_ALERT;

		return err_kind(e, ERR_FAILED, "remote error: tls: %s (%d)", alert_text(alert), alert);
	}
	return err_kind(e, ERR_FAILED, "%s", tls_error_text(code));
}

/* The handshake, or the connection later, has failed. */
static int fail(struct tls *t, int code, struct err *e)
{
	if (t->verify.why.msg[0]) {
		err_kind(e, ERR_FAILED, "tls: failed to verify certificate: %s", t->verify.why.msg);
		if (t->verify.why.hint[0])
			err_hint(e, "%s", t->verify.why.hint);
		return -1;
	}
	if (!t->open && t->n_first == 5 && !memcmp(t->first, "HTTP/", 5)) {
		err_kind(e, ERR_FAILED, "http: server gave HTTP response to HTTPS client");
		return err_hint(e, "this registry speaks plain HTTP: name it in insecure-registries of "
			"daemon.json if you trust the network to it");
	}
	if (!t->open && t->n_first && t->first[0] != 0x15 && t->first[0] != 0x16)
		return err_kind(e, ERR_FAILED, "tls: first record does not look like a TLS handshake");
	return tls_explain(code, e);
}

/* --- the machine --- */

static int send_record(struct tls *t, struct err *e)
{
	unsigned char *p;
	ssize_t put;
	size_t n;

	p = br_ssl_engine_sendrec_buf(&t->client.eng, &n);
	put = sock_write(t->sock, p, n, e);
	if (put < 0)
		return -1;
	br_ssl_engine_sendrec_ack(&t->client.eng, (size_t)put);
	return 0;
}

static int receive_record(struct tls *t, struct err *e)
{
	unsigned char *p;
	ssize_t got;
	size_t n, i;

	p = br_ssl_engine_recvrec_buf(&t->client.eng, &n);
	got = sock_read(t->sock, p, n, e);
	if (got < 0)
		return -1;
	for (i = 0; i < (size_t)got && t->n_first < sizeof(t->first); i++)
		t->first[t->n_first++] = p[i];
	if (got)
		br_ssl_engine_recvrec_ack(&t->client.eng, (size_t)got);
	else
		t->eof = true;
	return 0;
}

/* A server that refuses us says why and closes, perhaps while we still write: then the alert lies
 * unread behind the broken pipe, and tells more. */
static int write_failed(struct tls *t, struct err *e)
{
	struct err ignored;
	int code;

	if (e && e->code != EPIPE && e->code != ECONNRESET)
		return -1;
	while (br_ssl_engine_current_state(&t->client.eng) & BR_SSL_RECVREC)
		if (receive_record(t, &ignored) || t->eof)
			break;
	code = br_ssl_engine_last_error(&t->client.eng);
	return code ? fail(t, code, e) : -1;
}

/* Go on until one of the states in @want is there: 1; 0 after an orderly end; -1 with @e. */
static int pump(struct tls *t, unsigned want, struct err *e)
{
	unsigned state;
	int code;

	for (;;) {
		state = br_ssl_engine_current_state(&t->client.eng);
		if (state & BR_SSL_CLOSED) {
			code = br_ssl_engine_last_error(&t->client.eng);
			return code ? fail(t, code, e) : 0;
		}
		if (state & BR_SSL_SENDREC) {
			if (send_record(t, e))
				return write_failed(t, e);
			continue;
		}
		if (state & want)
			return 1;
		if (t->eof)
			return err_kind(e, ERR_FAILED, t->open ? "unexpected EOF" : "EOF");
		if (!(state & BR_SSL_RECVREC))
			return fail(t, BR_ERR_BAD_STATE, e);
		if (receive_record(t, e))
			return -1;
	}
}

void tls_set_suites(br_ssl_engine_context *eng)
{
	static const uint16_t gcm_first[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	};
	static const uint16_t chacha_first[] = {
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	};

	if (br_aes_x86ni_ctr_get_vtable() && br_ghash_pclmul_get())
		br_ssl_engine_set_suites(eng, gcm_first, ARRAY_SIZE(gcm_first));
	else
		br_ssl_engine_set_suites(eng, chacha_first, ARRAY_SIZE(chacha_first));
}

void tls_set_identity(br_ssl_client_context *client, const struct tls_identity *id)
{
	if (!id->key)
		return;
	if (br_skey_decoder_key_type(id->key) == BR_KEYTYPE_RSA)
		br_ssl_client_set_single_rsa(client, id->chain, id->chain_len,
			br_skey_decoder_get_rsa(id->key), br_rsa_pkcs1_sign_get_default());
	else
		br_ssl_client_set_single_ec(client, id->chain, id->chain_len,
			br_skey_decoder_get_ec(id->key), BR_KEYTYPE_SIGN, BR_KEYTYPE_EC,
			br_ec_get_default(), br_ecdsa_sign_asn1_get_default());
}

static bool is_address(const char *host)
{
	unsigned char ip[16];

	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

struct tls *tls_open(struct sock *s, const char *host, const struct tls_trust *trust, struct err *e)
{
	static const char *protocols[] = {"http/1.1"};
	struct tls *t = xcalloc(1, sizeof(*t));
	unsigned char seed[32];
	int rc;

	t->sock = s;
	tls_verify_init(&t->verify, &t->client, trust, host);
	br_ssl_engine_set_versions(&t->client.eng, BR_TLS12, BR_TLS12);
	tls_set_suites(&t->client.eng);
	tls_set_identity(&t->client, &trust->identity);
	br_ssl_engine_set_protocol_names(&t->client.eng, protocols, 1);
	br_ssl_engine_add_flags(&t->client.eng, BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_buffer(&t->client.eng, t->records, sizeof(t->records), 1);
	random_bytes(seed, sizeof(seed));
	br_ssl_engine_inject_entropy(&t->client.eng, seed, sizeof(seed));
	/* SNI is for names only (RFC 6066 section 3); the certificate is checked in any case. */
	br_ssl_client_reset(&t->client, is_address(host) ? NULL : host, 0);
	rc = pump(t, BR_SSL_SENDAPP, e);
	if (rc != 1) {
		if (!rc)
			err_kind(e, ERR_FAILED, "EOF");
		tls_close(t);
		return NULL;
	}
	t->open = true;
	buf_release(&t->verify.der);
	t->verify.der = (struct buf)BUF_INIT;
	return t;
}

void tls_close(struct tls *t)
{
	unsigned char *p;
	size_t n;

	if (!t)
		return;
	if (t->open) {
		br_ssl_engine_close(&t->client.eng);
		p = br_ssl_engine_sendrec_buf(&t->client.eng, &n);
		if (p && n)
			send(t->sock->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	tls_verify_release(&t->verify);
	explicit_bzero(&t->client, sizeof(t->client));
	free(t);
}

int tls_write(struct tls *t, const void *data, size_t n, struct err *e)
{
	const char *from = data;
	unsigned char *p;
	size_t room;
	int rc;

	while (n) {
		rc = pump(t, BR_SSL_SENDAPP, e);
		if (rc != 1)
			return rc ? -1 : err_kind(e, ERR_FAILED, "EOF");
		p = br_ssl_engine_sendapp_buf(&t->client.eng, &room);
		room = room < n ? room : n;
		memcpy(p, from, room);
		br_ssl_engine_sendapp_ack(&t->client.eng, room);
		from += room;
		n -= room;
	}
	br_ssl_engine_flush(&t->client.eng, 0);
	while (br_ssl_engine_current_state(&t->client.eng) & BR_SSL_SENDREC)
		if (send_record(t, e))
			return -1;
	return 0;
}

int tls_fill(struct tls *t, struct span *avail, struct err *e)
{
	int rc = pump(t, BR_SSL_RECVAPP, e);

	if (rc == 1)
		avail->p = (const char *)br_ssl_engine_recvapp_buf(&t->client.eng, &avail->n);
	return rc;
}

void tls_consume(struct tls *t, size_t n)
{
	if (n)
		br_ssl_engine_recvapp_ack(&t->client.eng, n);
}
