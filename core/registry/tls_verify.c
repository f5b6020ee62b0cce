/* SPDX-License-Identifier: MIT */
/*
 * core/registry/tls_verify.c - judging a peer's certificates, as a BearSSL X.509 engine
 *
 * Theory of operation
 *   BearSSL hands a chain over byte by byte.  We keep it, and judge at its end: the names of the
 *   first certificate ourselves (IP addresses, Go's wording), all the rest by BearSSL's "minimal"
 *   engine.  That one wants the chain in order and without strays, which servers do not always
 *   send, so it is fed in issuer order.  Without verification (insecure registries) only the
 *   public key is taken out of the first certificate.
 */
#include "registry/tls_verify.h"
#include "registry/tls.h"
#include "base/clock.h"

static struct tls_verify *self(const br_x509_class **ctx)
{
	return (struct tls_verify *)(void *)ctx;
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
	struct tls_verify *v = self(ctx);

	buf_reset(&v->der);
	v->n = 0;
	v->too_much = false;
}

static void start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct tls_verify *v = self(ctx);

	if (v->n == CHAIN_CERTS_MAX || length > CHAIN_BYTES_MAX - v->der.n)
		v->too_much = true;
	else
		v->start[v->n++] = v->der.n;
}

static void append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct tls_verify *v = self(ctx);

	if (!v->too_much)
		buf_add(&v->der, p, n);
}

static void end_cert(const br_x509_class **ctx)
{
	struct tls_verify *v = self(ctx);

	v->start[v->n] = v->der.n;
}

static struct span cert_bytes(const struct tls_verify *v, size_t i)
{
	return (struct span){v->der.p + v->start[i], v->start[i + 1] - v->start[i]};
}

size_t tls_verify_order(const struct x509_cert *certs, size_t n, size_t order[CHAIN_CERTS_MAX])
{
	bool used[CHAIN_CERTS_MAX] = {false};
	size_t count = 0, at = 0, i;

	while (n && count < n && count < CHAIN_CERTS_MAX) {
		order[count++] = at;
		used[at] = true;
		if (span_eq(certs[at].issuer, certs[at].subject))
			break;
		for (i = 0; i < n; i++)
			if (!used[i] && span_eq(certs[at].issuer, certs[i].subject))
				break;
		if (i == n)
			break;
		at = i;
	}
	return count;
}

static unsigned judge(struct tls_verify *v, struct x509_cert *certs)
{
	const br_x509_class **minimal = &v->minimal.vtable;
	size_t order[CHAIN_CERTS_MAX], count, i;

	for (i = 0; i < v->n; i++)
		if (x509_parse(cert_bytes(v, i), &certs[i])) {
			err_kind(&v->why, ERR_FAILED, "x509: malformed certificate");
			return BR_ERR_X509_INVALID_VALUE;
		}
	count = tls_verify_order(certs, v->n, order);
	v->minimal.vtable->start_chain(minimal, NULL);
	for (i = 0; i < count; i++) {
		struct span der = cert_bytes(v, order[i]);

		v->minimal.vtable->start_cert(minimal, (uint32_t)der.n);
		v->minimal.vtable->append(minimal, (const unsigned char *)der.p, der.n);
		v->minimal.vtable->end_cert(minimal);
	}
	return v->minimal.vtable->end_chain(minimal);
}

static void explain_dates(struct tls_verify *v, const struct x509_cert *first)
{
	static const char expired[] = "x509: certificate has expired or is not yet valid";
	char now[CLOCK_RFC3339_MAX], limit[CLOCK_RFC3339_MAX];
	int64_t now_s = clock_real_ns() / NS_PER_S;

	clock_format(now_s * NS_PER_S, now);
	if (now_s > first->not_after)
		err_kind(&v->why, ERR_FAILED, "%s: current time %s is after %s", expired, now,
			clock_format(first->not_after * NS_PER_S, limit));
	else if (now_s < first->not_before)
		err_kind(&v->why, ERR_FAILED, "%s: current time %s is before %s", expired, now,
			clock_format(first->not_before * NS_PER_S, limit));
	else /* one of its issuers' */
		err_kind(&v->why, ERR_FAILED, "%s", expired);
}

/* Say why, in Go's words. */
static void explain(struct tls_verify *v, unsigned code, const struct x509_cert *first)
{
	if (code == BR_ERR_X509_EXPIRED) {
		explain_dates(v, first);
		return;
	}
	err_kind(&v->why, ERR_FAILED, "%s", tls_error_text((int)code));
	if (code != BR_ERR_X509_NOT_TRUSTED || !v->trust->host)
		return;
	if (v->trust->n_anchors)
		err_hint(&v->why, "put the registry's CA certificate into "
			"~/.config/docker/certs.d/%s/ca.crt, or name the registry in "
			"insecure-registries of daemon.json", v->trust->host);
	else
		err_hint(&v->why, "no CA certificates were found on this machine: install "
			"ca-certificates, or set SSL_CERT_FILE to a bundle");
}

static unsigned end_chain(const br_x509_class **ctx)
{
	struct x509_cert certs[CHAIN_CERTS_MAX];
	struct tls_verify *v = self(ctx);
	struct span first;
	unsigned code;

	if (!v->n || v->too_much) {
		err_kind(&v->why, ERR_FAILED, "tls: the %s sent %s", v->host ? "server" : "client",
			v->n ? "too many certificates" : "no certificates");
		return BR_ERR_X509_EMPTY_CHAIN;
	}
	if (!v->trust->verify) {
		first = cert_bytes(v, 0);
		br_x509_decoder_init(&v->decoder, NULL, NULL);
		br_x509_decoder_push(&v->decoder, first.p, first.n);
		code = (unsigned)br_x509_decoder_last_error(&v->decoder);
		if (code)
			err_kind(&v->why, ERR_FAILED, "%s", tls_error_text((int)code));
		return code;
	}
	code = judge(v, certs);
	if (code && !v->why.msg[0])
		explain(v, code, &certs[0]);
	if (!code && !(v->host ? certs[0].for_server : certs[0].for_client)) {
		code = BR_ERR_X509_FORBIDDEN_KEY_USAGE;
		explain(v, code, &certs[0]);
	}
	if (!code && v->host && x509_check_host(&certs[0], v->host, &v->why))
		code = BR_ERR_X509_BAD_SERVER_NAME;
	return code;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
	struct tls_verify *v = (struct tls_verify *)(uintptr_t)ctx;

	if (v->trust->verify)
		return v->minimal.vtable->get_pkey(
			(const br_x509_class *const *)&v->minimal.vtable, usages);
	if (usages)
		*usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
	return br_x509_decoder_get_pkey(&v->decoder);
}

static const br_x509_class verify_class = {
	sizeof(struct tls_verify), start_chain, start_cert, append, end_cert, end_chain, get_pkey,
};

static void use(struct tls_verify *v, br_ssl_engine_context *eng)
{
	/* Broken as signatures; Go refuses them too. */
	br_x509_minimal_set_hash(&v->minimal, br_md5_ID, NULL);
	br_x509_minimal_set_hash(&v->minimal, br_sha1_ID, NULL);
	br_ssl_engine_set_x509(eng, &v->vtable);
}

void tls_verify_init(struct tls_verify *v, br_ssl_client_context *cc, const struct tls_trust *trust,
	const char *host)
{
	*v = (struct tls_verify){.vtable = &verify_class, .trust = trust, .host = host, .der = BUF_INIT};
	br_ssl_client_init_full(cc, &v->minimal, trust->anchors, trust->n_anchors);
	use(v, &cc->eng);
}

void tls_verify_init_clients(struct tls_verify *v, br_ssl_server_context *sc, const struct tls_trust *trust)
{
	*v = (struct tls_verify){.vtable = &verify_class, .trust = trust, .der = BUF_INIT};
	br_x509_minimal_init_full(&v->minimal, trust->anchors, trust->n_anchors);
	/* For what a client signs to show that the key is his. */
	br_ssl_engine_set_default_rsavrfy(&sc->eng);
	br_ssl_engine_set_default_ecdsa(&sc->eng);
	use(v, &sc->eng);
	br_ssl_server_set_trust_anchor_names_alt(sc, trust->anchors, trust->n_anchors);
}

void tls_verify_release(struct tls_verify *v)
{
	buf_release(&v->der);
}
