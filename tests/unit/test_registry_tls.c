/* SPDX-License-Identifier: MIT */
/* tests/unit/test_registry_tls.c - certificates: whom we believe, and what we say when we do not */
#include "registry_certs.h"
#include "registry_server.h"

#include "registry/http_client.h"
#include "registry/tls_verify.h"
#include "registry/x509.h"

#include <sys/stat.h>

/* --- one certificate --- */

struct der {
	struct tls_identity id; /* parsing PEM is its business */
	struct span bytes;
	struct x509_cert cert;
};

static void load(struct der *d, const char *pem, const char *key)
{
	struct err e = ERR_INIT;

	NEED(CHECK_OK(e, tls_identity_parse(&d->id, span_of(pem), span_of(key), &e)));
	d->bytes = (struct span){guarded(d->id.chain[0].data, d->id.chain[0].data_len), d->id.chain[0].data_len};
	NEED(!x509_parse(d->bytes, &d->cert));
}

static void unload(struct der *d)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t)); /* whose freeing frees an identity */

	t->identity = d->id;
	tls_trust_free(t);
}

static void host(const char *pem, const char *key, const char *name, const char *want)
{
	struct err e = ERR_INIT;
	struct der d;

	load(&d, pem, key);
	CHECK_INT(x509_check_host(&d.cert, name, &e), *want ? -1 : 0);
	CHECK_STR(e.msg, want);
	unload(&d);
}

TEST(hosts)
{
	host(CERT_GOOD, KEY_GOOD, "registry.test", "");
	host(CERT_GOOD, KEY_GOOD, "REGISTRY.TEST.", "");
	host(CERT_GOOD, KEY_GOOD, "a.wild.test", "");
	host(CERT_GOOD, KEY_GOOD, "127.0.0.1", "");
	host(CERT_GOOD, KEY_GOOD, "::1", "");
	host(CERT_GOOD, KEY_GOOD, "0:0::1", "");
	host(CERT_GOOD, KEY_GOOD, "wild.test", "x509: certificate is valid for registry.test, *.wild.test, not wild.test");
	host(CERT_GOOD, KEY_GOOD, "a.b.wild.test",
		"x509: certificate is valid for registry.test, *.wild.test, not a.b.wild.test");
	host(CERT_GOOD, KEY_GOOD, "127.0.0.2", "x509: certificate is valid for 127.0.0.1, ::1, not 127.0.0.2");
	host(CERT_OTHER, KEY_OTHER, "::1", "x509: certificate is valid for 10.1.2.3, not ::1");
	host(CERT_NONAME, KEY_NONAME, "127.0.0.1",
		"x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs");
	host(CERT_NONAME, KEY_NONAME, "registry.test",
		"x509: certificate relies on legacy Common Name field, use SANs instead");
	host(CERT_SELF, KEY_SELF, "registry.test",
		"x509: certificate is not valid for any names, but wanted to match registry.test");
}

TEST(names)
{
	static const struct {
		const char *pattern, *host;
		bool fits;
	} cases[] = {
		{"a.b", "a.b", true},	   {"A.b", "a.B", true},       {"a.b", "a.b.", true},	{"a.b", "xa.b", false},
		{"*.b.c", "a.b.c", true},  {"*.b.c", ".b.c", false},   {"*.b.c", "b.c", false}, {"*.c", "b.c", false},
		{"*", "a", false},	   {"a.*.c", "a.b.c", false},  {"", "", false},		{"", "a", false},
		{"a*.b.c", "ax.b.c", false}, {"*.b.c", "x.y.b.c", false}, {"*.b.c.", "a.b.c", false},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!CHECK(x509_name_matches((struct span){guarded(cases[i].pattern, strlen(cases[i].pattern)),
			strlen(cases[i].pattern)}, span_of(cases[i].host)) == cases[i].fits))
			printf("  %s, %s\n", cases[i].pattern, cases[i].host);
	CHECK(!x509_name_matches((struct span){"a\0b", 3}, (struct span){"a\0b", 3}));
}

TEST(dates)
{
	struct der d;

	load(&d, CERT_EXPIRED, KEY_EXPIRED);
	CHECK_INT(d.cert.not_before, 1577836800); /* date -d 2020-01-01Z +%s */
	CHECK_INT(d.cert.not_after, 1609459200);
	unload(&d);
	load(&d, CERT_FUTURE, KEY_FUTURE); /* a GeneralizedTime */
	CHECK_INT(d.cert.not_before, 4417977600);
	CHECK_INT(d.cert.not_after, 4733510400);
	unload(&d);
}

/* Every prefix, and every single changed byte: refused or parsed, but nothing else. */
TEST(damaged)
{
	unsigned char *copy;
	struct x509_cert c;
	struct err e;
	struct der d;
	size_t i, n;

	load(&d, CERT_GOOD, KEY_GOOD);
	n = d.bytes.n;
	for (i = 0; i < n; i++)
		CHECK(x509_parse((struct span){guarded(d.bytes.p, i), i}, &c) < 0);
	copy = xmalloc(n);
	for (i = 0; i < n; i++) {
		memcpy(copy, d.bytes.p, n);
		copy[i] ^= 0x81;
		if (!x509_parse((struct span){guarded(copy, n), n}, &c))
			x509_check_host(&c, "127.0.0.1", &e);
	}
	free(copy);
	unload(&d);
}

/* --- chains --- */

TEST(order)
{
	struct x509_cert c[4] = {
		{.issuer = SPAN("int"), .subject = SPAN("leaf")},
		{.issuer = SPAN("root"), .subject = SPAN("root")},
		{.issuer = SPAN("else"), .subject = SPAN("stray")},
		{.issuer = SPAN("root"), .subject = SPAN("int")},
	};
	size_t order[CHAIN_CERTS_MAX];

	CHECK_INT(tls_verify_order(c, 4, order), 3);
	CHECK(order[0] == 0 && order[1] == 3 && order[2] == 1);
	c[1].issuer = SPAN("leaf"); /* a circle */
	c[1].subject = SPAN("root");
	CHECK_INT(tls_verify_order(c, 4, order), 3);
	CHECK_INT(tls_verify_order(c, 0, order), 0);
}

TEST(pem)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));

	CHECK_INT(tls_trust_add_pem(t, SPAN("# a comment\n" CERT_CA "some text\n" CERT_SELF)), 2);
	CHECK_INT(t->n_anchors, 2);
	CHECK_INT(t->anchors[0].flags, BR_X509_TA_CA);
	CHECK_INT(t->anchors[1].flags, 0);
	CHECK_INT(tls_trust_add_pem(t, (struct span){CERT_CA, sizeof(CERT_CA) - 2}), 1); /* no newline at the end */
	CHECK_INT(tls_trust_add_pem(t, (struct span){CERT_CA, sizeof(CERT_CA) / 2}), 0);
	CHECK_INT(tls_trust_add_pem(t, SPAN(KEY_GOOD)), 0);
	CHECK_INT(tls_trust_add_pem(t, SPAN("")), 0);
	CHECK_INT(tls_trust_add_pem(t, SPAN("-----BEGIN CERTIFICATE-----\n@@@@\n-----END CERTIFICATE-----\n" CERT_CA)), 1);
	CHECK_INT(tls_trust_add_pem(t, SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), 0);
	tls_trust_free(t);
}

/* --- connections --- */

static struct step ok_step[] = {{"GET /", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", KEEP, 0, NULL}};

/* Trust what is in @ca for "127.0.0.1:port" (NULL: nothing) and ask a server with that certificate. */
static void talk(const char *chain, const char *key, const char *ca, bool verify, const char *want)
{
	struct tls_trust *holder = xcalloc(1, sizeof(*holder));
	struct buf body = BUF_INIT;
	struct http_client *h;
	struct http_response rs;
	struct err e = ERR_INIT;
	struct server s;
	struct url u;
	char text[64], path[128];

	NEED(CHECK_OK(e, tls_identity_parse(&holder->identity, span_of(chain), span_of(key), &e)));
	server_start(&s, ok_step, 1, &holder->identity);
	snprintf(text, sizeof(text), "https://%s/", s.address);
	snprintf(path, sizeof(path), "config/docker/certs.d/%s", s.address);
	NEED(!fs_mkdir_p_at(tmp_dirfd(), path, 0755, &e));
	if (ca) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/ca.crt");
		NEED(!file_write_at(tmp_dirfd(), path, ca, strlen(ca), 0644, 0, &e));
	}
	h = http_client_new(&(struct http_settings){.limits = {5000, 5000, -1}, .certs_host = s.address,
		.verify = verify});
	NEED(!url_parse(span_of(text), &u, &e));
	if (http_send(h, &(struct http_request){.method = "GET", .url = &u}, &rs, &e)) {
		const char *cause = strstr(e.msg, "/\": ");

		/* A '*' stands for what differs from day to day. */
		cause = cause ? cause + 4 : e.msg;
		if (!strchr(want, '*') || !*want || strncmp(cause, want, strcspn(want, "*")))
			CHECK_STR(cause, want);
	} else {
		CHECK_STR("", want);
		CHECK_OK(e, http_read_all(&rs, 100, &body, &e));
		CHECK_STR(body.p, "hi");
		http_response_release(&rs);
	}
	http_client_free(h);
	server_stop(&s);
	url_release(&u);
	buf_release(&body);
	tls_trust_free(holder);
}

#define REFUSED "tls: failed to verify certificate: x509: "

TEST(connections)
{
	char config[4200];

	snprintf(config, sizeof(config), "%s/config", tmp_path());
	setenv("XDG_CONFIG_HOME", config, 1);
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	setenv("SSL_CERT_DIR", "/nonexistent", 1);
	talk(CERT_GOOD, KEY_GOOD, CERT_CA, true, "");
	talk(CERT_LEAF CERT_INTER, KEY_LEAF, CERT_CA, true, "");
	talk(CERT_LEAF CERT_OTHER CERT_CA CERT_INTER, KEY_LEAF, CERT_CA, true, ""); /* a mess, but all is there */
	talk(CERT_SELF, KEY_SELF, CERT_SELF, true, "");
	talk(CERT_OTHER, KEY_OTHER, NULL, false, ""); /* an insecure registry */
	talk(CERT_EXPIRED, KEY_EXPIRED, NULL, false, "");
	talk(CERT_GOOD, KEY_GOOD, NULL, true, REFUSED "certificate signed by unknown authority");
	talk(CERT_GOOD, KEY_GOOD, CERT_SELF, true, REFUSED "certificate signed by unknown authority");
	talk(CERT_LEAF, KEY_LEAF, CERT_CA, true, REFUSED "certificate signed by unknown authority");
	talk(CERT_GOOD, KEY_GOOD, CERT_GOOD, true, "");
	talk(CERT_LEAF CERT_GOOD, KEY_LEAF, CERT_GOOD, true, REFUSED "certificate signed by unknown authority");
	talk(CERT_OTHER, KEY_OTHER, CERT_CA, true, REFUSED "certificate is valid for 10.1.2.3, not 127.0.0.1");
	talk(CERT_NONAME, KEY_NONAME, CERT_CA, true,
		REFUSED "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs");
}

TEST(connections_out_of_date)
{
	talk(CERT_EXPIRED, KEY_EXPIRED, CERT_CA, true,
		REFUSED "certificate has expired or is not yet valid: current time *");
	talk(CERT_FUTURE, KEY_FUTURE, CERT_CA, true,
		REFUSED "certificate has expired or is not yet valid: current time *");
	talk(CERT_GOOD, KEY_OTHER, CERT_CA, true, "tls: invalid signature by the server certificate");
}

TEST(not_tls)
{
	struct http_client *h;
	struct http_response rs;
	struct err e = ERR_INIT;
	struct server s;
	struct url u;
	char text[64];

	server_start(&s, ok_step, 1, NULL);
	snprintf(text, sizeof(text), "https://%s/", s.address);
	NEED(!url_parse(span_of(text), &u, &e));
	h = http_client_new(&(struct http_settings){.limits = {5000, 5000, -1}, .certs_host = s.address});
	CHECK(http_send(h, &(struct http_request){.method = "GET", .url = &u}, &rs, &e) < 0);
	CHECK(strstr(e.msg, "http: server gave HTTP response to HTTPS client"));
	CHECK(strstr(e.hint, "insecure-registries"));
	http_client_free(h);
	url_release(&u);
	server_stop(&s);
}
