/* SPDX-License-Identifier: MIT */
/*
 * core/registry/trust.h - whom a TLS connection believes, and who we say we are
 */
#ifndef REGISTRY_TRUST_H
#define REGISTRY_TRUST_H

#include "base/err.h"
#include "base/str.h"

#include <bearssl.h>

struct tls_identity { /* a client certificate with its key */
	br_x509_certificate *chain;
	size_t chain_len;
	br_skey_decoder_context *key; /* holds the RSA or EC key; NULL: there is no identity */
};

struct tls_trust {
	char *host;  /* whose certs.d was read; NULL: none */
	bool verify; /* false: an insecure registry; any certificate will do */
	br_x509_trust_anchor *anchors;
	size_t n_anchors;
	struct tls_identity identity;
};

/**
 * tls_trust_load() - Read the certificates that count for one registry
 * @host:	"host" or "host:port", as the reference names it
 * @verify:	False for insecure registries: nothing is read
 *
 * The authorities are those of the system (SSL_CERT_FILE and SSL_CERT_DIR, else the first bundle
 * found where distributions keep them) and the .crt files of certs.d/<host>; the identity is the
 * first pair of a .cert and a .key file there.  certs.d is looked for in $XDG_CONFIG_HOME/docker
 * (~/.config/docker) and in /etc/docker.
 *
 * Return: to be freed, immutable, for any number of threads; or NULL with @e
 */
struct tls_trust *tls_trust_load(const char *host, bool verify, struct err *e);
/**
 * tls_trust_from_files() - Read certificates that were named one by one (--tlscacert, --tlscert, --tlskey)
 * @ca:		Authorities; NULL: those of the system
 * @cert, @key: Who we are; both NULL: nobody
 * @verify:	False: any certificate of the other side will do, @ca is not read
 *
 * Return: as tls_trust_load(); @e in the words of Docker's
 */
struct tls_trust *tls_trust_from_files(const char *ca, const char *cert, const char *key, bool verify, struct err *e);
/* Who we are, from files: 0, or -1 with @e. */
int tls_trust_add_identity(struct tls_trust *t, const char *cert, const char *key, struct err *e);
void tls_trust_free(struct tls_trust *t);

/* Add the certificates of PEM text; others things in it are passed over.  The number added. */
size_t tls_trust_add_pem(struct tls_trust *t, struct span pem);
/* Set the identity from PEM texts. */
int tls_identity_parse(struct tls_identity *id, struct span certs, struct span key, struct err *e);

#endif
