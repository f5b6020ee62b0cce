/* SPDX-License-Identifier: MIT */
/*
 * core/registry/x509.c - what we ask of a certificate ourselves: names, addresses, dates, order
 *
 * Theory of operation
 *   A certificate (RFC 5280 section 4.1) is a SEQUENCE of TBSCertificate, algorithm, signature;
 *   we walk the first with a reader that takes one element off the front of a span and never
 *   looks outside it.  No recursion: the depth we need is fixed.
 *
 *   Names are matched as RFC 6125 has it: subjectAltName only (the common name is not a name
 *   any more), a wildcard stands for exactly the whole leftmost label, and an IP address is
 *   compared with iPAddress entries only.
 */
#include "registry/x509.h"

#include <arpa/inet.h>

enum {
	DER_BOOLEAN = 0x01,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0,    /* [0] of TBSCertificate */
	DER_EXTENSIONS = 0xa3, /* [3] */
	NAME_DNS = 0x82,       /* dNSName of GeneralName */
	NAME_IP = 0x87,	       /* iPAddress */
};

/* Take one element off the front of @in, which @value must not alias.  @whole may be NULL. */
static int der_take(struct span *in, int *tag, struct span *value, struct span *whole)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t head = 2, len, i, count;

	if (in->n < 2)
		return -1;
	*tag = p[0];
	len = p[1];
	if (len >= 0x80) {
		count = len & 0x7f; /* none: indefinite, which DER does not have */
		if (!count || count > 4 || in->n < 2 + count)
			return -1;
		for (len = 0, i = 0; i < count; i++)
			len = len << 8 | p[2 + i];
		head += count;
	}
	if (len > in->n - head)
		return -1;
	*value = (struct span){in->p + head, len};
	if (whole)
		*whole = (struct span){in->p, head + len};
	in->p += head + len;
	in->n -= head + len;
	return 0;
}

/* The same for an element that must have this tag. */
static int der_want(struct span *in, int want, struct span *value, struct span *whole)
{
	int tag;

	return der_take(in, &tag, value, whole) || tag != want ? -1 : 0;
}

static bool two_digits(const char *p, int *v)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*v = (p[0] - '0') * 10 + p[1] - '0';
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t y, int m, int d)
{
	int64_t era, doe, yoe;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + doe - 719468;
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ" (RFC 5280 section 4.1.2.5). */
static int parse_time(struct span *in, int64_t *seconds)
{
	int tag, v[7], century = 0, i;
	struct span t;

	if (der_take(in, &tag, &t, NULL))
		return -1;
	if (tag == DER_GENERALIZED_TIME && t.n == 15) {
		if (!two_digits(t.p, &century))
			return -1;
		t = (struct span){t.p + 2, 13};
	} else if (tag != DER_UTC_TIME || t.n != 13) {
		return -1;
	}
	for (i = 0; i < 6; i++)
		if (!two_digits(t.p + 2 * i, &v[i]))
			return -1;
	if (t.p[12] != 'Z' || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 ||
		v[4] > 59 || v[5] > 60)
		return -1;
	if (tag == DER_UTC_TIME)
		century = v[0] < 50 ? 20 : 19;
	*seconds = days_of(century * 100 + v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
	return 0;
}

/* extKeyUsage (RFC 5280 section 4.2.1.12). */
static int parse_usages(struct span value, struct x509_cert *c)
{
	static const char any[] = "\x55\x1d\x25", server[] = "\x2b\x06\x01\x05\x05\x07\x03\x01",
			  client[] = "\x2b\x06\x01\x05\x05\x07\x03\x02";
	struct span list, oid;

	if (der_want(&value, DER_SEQUENCE, &list, NULL))
		return -1;
	c->has_usages = true;
	c->for_server = c->for_client = false;
	while (list.n) {
		if (der_want(&list, DER_OID, &oid, NULL))
			return -1;
		/* anyExtendedKeyUsage, 2.5.29.37.0; the literal's terminator is its last byte */
		bool all = span_eq(oid, (struct span){any, sizeof(any)});

		c->for_server |= all || span_eq(oid, (struct span){server, sizeof(server) - 1});
		c->for_client |= all || span_eq(oid, (struct span){client, sizeof(client) - 1});
	}
	return 0;
}

static int parse_extensions(struct span list, struct x509_cert *c)
{
	struct span extension, oid, value;
	int tag;

	while (list.n) {
		if (der_want(&list, DER_SEQUENCE, &extension, NULL) ||
			der_want(&extension, DER_OID, &oid, NULL) ||
			der_take(&extension, &tag, &value, NULL))
			return -1;
		if (tag == DER_BOOLEAN && der_take(&extension, &tag, &value, NULL))
			return -1;
		if (tag != DER_OCTETS)
			return -1;
		if (span_eq(oid, SPAN("\x55\x1d\x25")) && parse_usages(value, c)) /* 2.5.29.37 */
			return -1;
		if (!span_eq(oid, SPAN("\x55\x1d\x11"))) /* 2.5.29.17 */
			continue;
		if (der_want(&value, DER_SEQUENCE, &c->names, NULL))
			return -1;
		c->has_names = true;
	}
	return 0;
}

int x509_parse(struct span der, struct x509_cert *c)
{
	struct span cert, tbs, v, list, validity;
	int tag;

	memset(c, 0, sizeof(*c));
	c->for_server = c->for_client = true;
	if (der_want(&der, DER_SEQUENCE, &cert, NULL) || der_want(&cert, DER_SEQUENCE, &tbs, NULL) ||
		der_take(&tbs, &tag, &v, NULL))
		return -1;
	if (tag == DER_VERSION && der_take(&tbs, &tag, &v, NULL)) /* then the serial number */
		return -1;
	if (der_want(&tbs, DER_SEQUENCE, &v, NULL) || /* signature algorithm */
		der_want(&tbs, DER_SEQUENCE, &v, &c->issuer) ||
		der_want(&tbs, DER_SEQUENCE, &validity, NULL) ||
		der_want(&tbs, DER_SEQUENCE, &v, &c->subject) ||
		der_want(&tbs, DER_SEQUENCE, &v, NULL)) /* public key */
		return -1;
	if (parse_time(&validity, &c->not_before) || parse_time(&validity, &c->not_after))
		return -1;
	while (tbs.n) {
		if (der_take(&tbs, &tag, &v, NULL))
			return -1;
		if (tag != DER_EXTENSIONS)
			continue;
		if (der_want(&v, DER_SEQUENCE, &list, NULL) || parse_extensions(list, c))
			return -1;
	}
	return 0;
}

bool x509_name_matches(struct span pattern, struct span host)
{
	size_t i;

	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (span_starts(pattern, "*.")) {
		ssize_t dot = span_chr(host, '.');

		if (dot <= 0)
			return false;
		pattern = (struct span){pattern.p + 1, pattern.n - 1};
		host = (struct span){host.p + dot, host.n - (size_t)dot};
		if (span_chr((struct span){pattern.p + 1, pattern.n - 1}, '.') < 0)
			return false; /* "*.com" */
	}
	if (!host.n || pattern.n != host.n)
		return false;
	for (i = 0; i < host.n; i++) {
		char a = pattern.p[i], b = host.p[i];

		if (a >= 'A' && a <= 'Z')
			a = (char)(a + 32);
		if (b >= 'A' && b <= 'Z')
			b = (char)(b + 32);
		if (a != b || !a)
			return false;
	}
	return true;
}

static void add_name(struct buf *out, int tag, struct span v)
{
	char text[INET6_ADDRSTRLEN];

	if (out->n)
		buf_adds(out, ", ");
	if (tag == NAME_DNS)
		buf_add(out, v.p, v.n);
	else if (inet_ntop(v.n == 4 ? AF_INET : AF_INET6, v.p, text, sizeof(text)))
		buf_adds(out, text);
}

int x509_check_host(const struct x509_cert *c, const char *host, struct err *e)
{
	cleanup_buf struct buf listed = BUF_INIT;
	unsigned char ip[16];
	size_t ip_len = inet_pton(AF_INET, host, ip) == 1 ? 4 :
		inet_pton(AF_INET6, host, ip) == 1 ? 16 : 0;
	struct span list = c->names, v;
	int tag;

	while (list.n) {
		if (der_take(&list, &tag, &v, NULL))
			return err_kind(e, ERR_FAILED, "x509: malformed subjectAltName");
		if (tag != (ip_len ? NAME_IP : NAME_DNS) || (ip_len && v.n != 4 && v.n != 16))
			continue;
		if (ip_len ? v.n == ip_len && !memcmp(v.p, ip, ip_len) :
			x509_name_matches(v, span_of(host)))
			return 0;
		if (listed.n < 400)
			add_name(&listed, tag, v);
	}
	if (ip_len && !listed.n)
		return err_kind(e, ERR_FAILED, "x509: cannot validate certificate for %s because it "
			"doesn't contain any IP SANs", host);
	if (!c->has_names)
		return err_kind(e, ERR_FAILED, "x509: certificate relies on legacy Common Name field, "
			"use SANs instead");
	if (!listed.n)
		return err_kind(e, ERR_FAILED, "x509: certificate is not valid for any names, but "
			"wanted to match %s", host);
	return err_kind(e, ERR_FAILED, "x509: certificate is valid for %s, not %s", listed.p, host);
}
