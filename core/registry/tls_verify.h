/* SPDX-License-Identifier: MIT */
/*
 * core/registry/tls_verify.h - judging a peer's certificates, as a BearSSL X.509 engine
 */
#ifndef REGISTRY_TLS_VERIFY_H
#define REGISTRY_TLS_VERIFY_H

#include "registry/trust.h"
#include "registry/x509.h"

#define CHAIN_CERTS_MAX 16
#define CHAIN_BYTES_MAX (256 * 1024)

struct tls_verify {
	const br_x509_class *vtable; /* first: BearSSL knows us by its address */
	br_x509_minimal_context minimal;
	br_x509_decoder_context decoder; /* holds the key when nothing is verified */
	const struct tls_trust *trust;
	const char *host; /* NULL: the peer is a client */
	struct buf der; /* the chain as it was sent, one after the other */
	size_t start[CHAIN_CERTS_MAX + 1], n;
	bool too_much;
	struct err why; /* of a refusal */
};

/* @cc gets this engine.  @v, @trust and @host must live as long as @cc is used. */
void tls_verify_init(struct tls_verify *v, br_ssl_client_context *cc, const struct tls_trust *trust,
	const char *host);
/* The same for the clients of a server: there is no name to match. */
void tls_verify_init_clients(struct tls_verify *v, br_ssl_server_context *sc, const struct tls_trust *trust);
void tls_verify_release(struct tls_verify *v);

/* Put the certificates of a chain in order, each followed by its issuer: indices into @certs. */
size_t tls_verify_order(const struct x509_cert *certs, size_t n, size_t order[CHAIN_CERTS_MAX]);

#endif
