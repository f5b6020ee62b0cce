/* SPDX-License-Identifier: MIT */
/*
 * core/registry/trust.c - whom a TLS connection believes, and who we say we are
 *
 * Theory of operation
 *   An authority is kept as BearSSL wants it: subject name and public key.  Whether a certificate
 *   of the files may sign others is what its basic constraints say; one that may not (a server's
 *   own, self-signed) is believed for itself only.  Certificates BearSSL cannot read (Ed25519,
 *   RSA beyond 4096 bits) are passed over, as no connection could use them here.
 *
 *   The lists of files are the same as in Go's crypto/x509, so that a machine that made Docker
 *   trust a registry makes us trust it.
 */
#include "registry/trust.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PEM_FILE_MAX (8 * 1024 * 1024)
#define ANCHORS_MAX 4096
#define CERT_MAX (64 * 1024) /* bytes of one certificate */
#define IDENTITY_CHAIN_MAX 16
#define KEY_BYTES_MAX 512 /* RSA with 4096 bits, the most that BearSSL does */

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",		      /* Debian, Arch, Gentoo, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt",		      /* Fedora, RHEL 6 */
	"/etc/ssl/ca-bundle.pem",			      /* openSUSE */
	"/etc/pki/tls/cacert.pem",			      /* OpenELEC */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  /* RHEL 7 and later */
	"/etc/ssl/cert.pem",				      /* Alpine */
	NULL,
};

static const char *const cert_dirs[] = {"/etc/ssl/certs", "/etc/pki/tls/certs", NULL};

/* --- PEM --- */

static void append_bytes(void *out, const void *p, size_t n)
{
	struct buf *b = out;

	if (b->n <= CERT_MAX)
		buf_add(b, p, n);
}

/* Call @fn with each object of a PEM text: its label and its bytes. */
static void each_pem(struct span pem, void (*fn)(void *arg, const char *label, struct buf *der),
	void *arg)
{
	cleanup_buf struct buf der = BUF_INIT;
	br_pem_decoder_context ctx;
	bool ended = false;
	char label[128];
	size_t used;

	br_pem_decoder_init(&ctx);
	while (pem.n || !ended) {
		/* The decoder sees the last line only when it ends. */
		struct span in = pem.n ? pem : SPAN("\n");

		used = br_pem_decoder_push(&ctx, in.p, in.n);
		if (pem.n)
			pem = (struct span){pem.p + used, pem.n - used};
		else
			ended = used;
		switch (br_pem_decoder_event(&ctx)) {
		case BR_PEM_BEGIN_OBJ:
			snprintf(label, sizeof(label), "%s", br_pem_decoder_name(&ctx));
			buf_reset(&der);
			br_pem_decoder_setdest(&ctx, append_bytes, &der);
			break;
		case BR_PEM_END_OBJ:
			if (der.n && der.n <= CERT_MAX)
				fn(arg, label, &der);
			break;
		case BR_PEM_ERROR:
			br_pem_decoder_init(&ctx);
			break;
		default:
			break;
		}
	}
}

/* --- authorities --- */

static unsigned char *copy(const void *p, size_t n)
{
	unsigned char *out = xmalloc(n ? n : 1);

	memcpy(out, p, n);
	return out;
}

static void release_key(br_x509_pkey *key)
{
	if (key->key_type == BR_KEYTYPE_RSA) {
		free(key->key.rsa.n);
		free(key->key.rsa.e);
	} else {
		free(key->key.ec.q);
	}
}

static void add_anchor(void *arg, const char *label, struct buf *der)
{
	struct tls_trust *t = arg;
	br_x509_decoder_context ctx;
	br_x509_trust_anchor *a;
	struct buf dn = BUF_INIT;
	br_x509_pkey *key;

	if ((strcmp(label, "CERTIFICATE") && strcmp(label, "X509 CERTIFICATE")) ||
		t->n_anchors == ANCHORS_MAX)
		return;
	br_x509_decoder_init(&ctx, append_bytes, &dn);
	br_x509_decoder_push(&ctx, der->p, der->n);
	key = br_x509_decoder_get_pkey(&ctx);
	if (!key || (key->key_type != BR_KEYTYPE_RSA && key->key_type != BR_KEYTYPE_EC)) {
		buf_release(&dn);
		return;
	}
	if (!(t->n_anchors & (t->n_anchors - 1))) /* room doubles at each power of two */
		t->anchors = xreallocarray(t->anchors, t->n_anchors ? 2 * t->n_anchors : 1,
			sizeof(*t->anchors));
	a = &t->anchors[t->n_anchors++];
	a->dn.len = dn.n;
	a->dn.data = copy(dn.p, dn.n);
	buf_release(&dn);
	a->flags = br_x509_decoder_isCA(&ctx) ? BR_X509_TA_CA : 0;
	a->pkey = *key;
	if (key->key_type == BR_KEYTYPE_RSA) {
		a->pkey.key.rsa.n = copy(key->key.rsa.n, key->key.rsa.nlen);
		a->pkey.key.rsa.e = copy(key->key.rsa.e, key->key.rsa.elen);
	} else {
		a->pkey.key.ec.q = copy(key->key.ec.q, key->key.ec.qlen);
	}
}

size_t tls_trust_add_pem(struct tls_trust *t, struct span pem)
{
	size_t before = t->n_anchors;

	each_pem(pem, add_anchor, t);
	return t->n_anchors - before;
}

/* Certificates of one file; a file that is not there or not readable adds none. */
static size_t add_file(struct tls_trust *t, int dirfd, const char *path)
{
	cleanup_buf struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	if (file_read_at(dirfd, path, PEM_FILE_MAX, &pem, &e))
		return 0;
	return tls_trust_add_pem(t, (struct span){pem.p, pem.n});
}

static size_t add_dir(struct tls_trust *t, const char *path)
{
	cleanup_closedir DIR *dir = opendir(path);
	struct dirent *d;
	size_t n = 0;

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			n += add_file(t, dirfd(dir), d->d_name);
	return n;
}

static void add_system(struct tls_trust *t)
{
	const char *file = getenv("SSL_CERT_FILE"), *dirs = getenv("SSL_CERT_DIR");
	bool found = false;
	size_t i;

	if (file && *file)
		found = add_file(t, AT_FDCWD, file);
	else
		for (i = 0; bundles[i] && !found; i++)
			found = add_file(t, AT_FDCWD, bundles[i]);
	if (dirs && *dirs) {
		struct span list = span_of(dirs), dir;

		while (span_token(&list, ':', &dir)) {
			cleanup_free char *path = span_dup(dir);

			if (*path)
				add_dir(t, path);
		}
	} else if (!found) {
		for (i = 0; cert_dirs[i] && !found; i++)
			found = add_dir(t, cert_dirs[i]);
	}
}

/* --- our own identity --- */

struct identity_parts {
	struct tls_identity *id;
	bool bad_key;
};

static void take_identity_part(void *arg, const char *label, struct buf *der)
{
	struct identity_parts *p = arg;
	struct tls_identity *id = p->id;

	if (!strcmp(label, "CERTIFICATE")) {
		if (id->chain_len == IDENTITY_CHAIN_MAX)
			return;
		id->chain = xreallocarray(id->chain, id->chain_len + 1, sizeof(*id->chain));
		id->chain[id->chain_len].data = copy(der->p, der->n);
		id->chain[id->chain_len++].data_len = der->n;
	} else if (!id->key && (!strcmp(label, "PRIVATE KEY") || !strcmp(label, "RSA PRIVATE KEY") ||
		!strcmp(label, "EC PRIVATE KEY"))) {
		id->key = xcalloc(1, sizeof(*id->key));
		br_skey_decoder_init(id->key);
		br_skey_decoder_push(id->key, der->p, der->n);
		p->bad_key = br_skey_decoder_last_error(id->key);
	}
	explicit_bzero(der->p, der->n);
}

static void identity_release(struct tls_identity *id)
{
	size_t i;

	for (i = 0; i < id->chain_len; i++)
		free(id->chain[i].data);
	free(id->chain);
	if (id->key)
		explicit_bzero(id->key, sizeof(*id->key));
	free(id->key);
	memset(id, 0, sizeof(*id));
}

int tls_identity_parse(struct tls_identity *id, struct span certs, struct span key, struct err *e)
{
	struct identity_parts parts = {.id = id};

	memset(id, 0, sizeof(*id));
	each_pem(certs, take_identity_part, &parts);
	each_pem(key, take_identity_part, &parts);
	if (id->chain_len && id->key && !parts.bad_key)
		return 0;
	if (!id->chain_len)
		err_kind(e, ERR_INVALID, "tls: failed to find any PEM data in certificate input");
	else if (!id->key)
		err_kind(e, ERR_INVALID, "tls: failed to find any PEM data in key input");
	else
		err_kind(e, ERR_INVALID, "tls: failed to parse private key");
	identity_release(id);
	return -1;
}

/* Is @name "something" followed by @suffix? Its stem, to free(), or NULL. */
static char *stem(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix) ? xstrndup(name, n - m) : NULL;
}

/* Do the first certificate and the key belong together? */
static bool key_matches(const struct tls_identity *id)
{
	unsigned char ours[KEY_BYTES_MAX] = {0};
	br_x509_decoder_context ctx;
	br_x509_pkey *theirs;
	br_ec_public_key pub;
	size_t n;

	br_x509_decoder_init(&ctx, NULL, NULL);
	br_x509_decoder_push(&ctx, id->chain[0].data, id->chain[0].data_len);
	theirs = br_x509_decoder_get_pkey(&ctx);
	if (!theirs || theirs->key_type != br_skey_decoder_key_type(id->key))
		return false;
	if (theirs->key_type == BR_KEYTYPE_RSA) {
		br_rsa_compute_modulus modulus = br_rsa_compute_modulus_get_default();
		const br_rsa_private_key *sk = br_skey_decoder_get_rsa(id->key);

		n = modulus(NULL, sk);
		return n && n <= sizeof(ours) && modulus(ours, sk) == n && n == theirs->key.rsa.nlen &&
			!memcmp(ours, theirs->key.rsa.n, n);
	}
	n = br_ec_compute_pub(br_ec_get_default(), &pub, ours, br_skey_decoder_get_ec(id->key));
	return n && n == theirs->key.ec.qlen && !memcmp(ours, theirs->key.ec.q, n);
}

static int read_identity(struct tls_trust *t, int dir, const char *cert, const char *key, struct err *e)
{
	struct buf certs = BUF_INIT, keys = BUF_INIT;
	int rc = -1;

	if (!file_read_at(dir, cert, PEM_FILE_MAX, &certs, e) &&
		!file_read_at(dir, key, PEM_FILE_MAX, &keys, e))
		rc = tls_identity_parse(&t->identity, (struct span){certs.p, certs.n},
			(struct span){keys.p, keys.n}, e);
	if (!rc && !key_matches(&t->identity))
		rc = err_kind(e, ERR_INVALID, "tls: private key does not match public key");
	if (keys.cap)
		explicit_bzero(keys.p, keys.n);
	buf_release(&certs);
	buf_release(&keys);
	return rc;
}

static int load_identity(struct tls_trust *t, int dir, const char *cert, const char *cert_stem,
	struct err *e)
{
	cleanup_free char *key = xasprintf("%s.key", cert_stem);

	if (!fs_exists_at(dir, key))
		return err_kind(e, ERR_INVALID, "missing key %s for client certificate %s. CA "
			"certificates must use the extension .crt", key, cert);
	return read_identity(t, dir, cert, key, e);
}

/* certs.d/<host> of one configuration directory; it need not be there. */
static int add_certs_d(struct tls_trust *t, const char *config_dir, const char *host, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/certs.d/%s", config_dir, host);
	cleanup_closedir DIR *dir = opendir(path);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 :
			err_set(e, errno, "reading %s", path);
	while ((d = readdir(dir))) {
		cleanup_free char *ca = stem(d->d_name, ".crt"), *own = stem(d->d_name, ".cert"),
				  *key = stem(d->d_name, ".key");

		if (ca)
			add_file(t, dirfd(dir), d->d_name);
		if (own && !t->identity.key && load_identity(t, dirfd(dir), d->d_name, own, e))
			return err_wrap(e, "%s", path);
		if (key) {
			cleanup_free char *cert = xasprintf("%s.cert", key);

			if (!fs_exists_at(dirfd(dir), cert))
				return err_kind(e, ERR_INVALID,
					"%s: missing client certificate %s for key %s", path, cert,
					d->d_name);
		}
	}
	return 0;
}

static int add_all_certs_d(struct tls_trust *t, const char *host, struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	cleanup_free char *dir = NULL;

	/* A host is checked where it is parsed; it becomes one path component here. */
	if (!*host || *host == '.' || strchr(host, '/'))
		return 0;
	if (config && *config)
		dir = xasprintf("%s/docker", config);
	else if (home && *home)
		dir = xasprintf("%s/.config/docker", home);
	if (dir && add_certs_d(t, dir, host, e))
		return -1;
	return add_certs_d(t, "/etc/docker", host, e);
}

struct tls_trust *tls_trust_load(const char *host, bool verify, struct err *e)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));

	t->host = xstrdup(host);
	t->verify = verify;
	if (!verify)
		return t;
	add_system(t);
	if (add_all_certs_d(t, host, e)) {
		tls_trust_free(t);
		return NULL;
	}
	return t;
}

static int load_authorities(struct tls_trust *t, const char *path, struct err *e)
{
	cleanup_buf struct buf pem = BUF_INIT;

	if (file_read_at(AT_FDCWD, path, PEM_FILE_MAX, &pem, e))
		return err_wrap(e, "could not read CA certificate \"%s\"", path);
	if (tls_trust_add_pem(t, (struct span){pem.p, pem.n}))
		return 0;
	return err_kind(e, ERR_INVALID, "failed to append certificates from PEM file: \"%s\"", path);
}

int tls_trust_add_identity(struct tls_trust *t, const char *cert, const char *key, struct err *e)
{
	return read_identity(t, AT_FDCWD, cert, key, e);
}

struct tls_trust *tls_trust_from_files(const char *ca, const char *cert, const char *key, bool verify, struct err *e)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));

	t->verify = verify;
	if (verify && !ca)
		add_system(t);
	if (verify && ca && load_authorities(t, ca, e)) {
		tls_trust_free(t);
		return NULL;
	}
	if (cert && read_identity(t, AT_FDCWD, cert, key, e)) {
		err_wrap(e, "Could not load X509 key pair (cert: \"%s\", key: \"%s\")", cert, key);
		tls_trust_free(t);
		return NULL;
	}
	return t;
}

void tls_trust_free(struct tls_trust *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->n_anchors; i++) {
		free(t->anchors[i].dn.data);
		release_key(&t->anchors[i].pkey);
	}
	free(t->anchors);
	identity_release(&t->identity);
	free(t->host);
	free(t);
}
