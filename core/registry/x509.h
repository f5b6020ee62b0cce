/* SPDX-License-Identifier: MIT */
/*
 * core/registry/x509.h - what we ask of a certificate ourselves: names, addresses, dates, order
 *
 * Signatures, chains and key usages are BearSSL's work; it knows no IP addresses as names, and
 * its verdicts are numbers.
 */
#ifndef REGISTRY_X509_H
#define REGISTRY_X509_H

#include "base/err.h"
#include "base/str.h"

struct x509_cert {  /* views into the DER text parsed */
	struct span issuer, subject; /* the whole DER of the names, to be compared as bytes */
	struct span names;	     /* content of subjectAltName's GeneralNames */
	bool has_names;		     /* is there a subjectAltName? */
	bool has_usages;	     /* is there an extKeyUsage? */
	bool for_server, for_client; /* what it allows; all, if there is none */
	int64_t not_before, not_after; /* seconds since 1970 */
};

/* Parse one DER certificate. 0, or -1 if its structure is not that of one. */
int x509_parse(struct span der, struct x509_cert *c);

/* Is it for @host, a name or an IP address?  0, or -1 with @e as Go words it ("x509: certificate is
 * valid for a, not b"). */
int x509_check_host(const struct x509_cert *c, const char *host, struct err *e);

/* Does @host ("registry.example.com") fit @pattern ("*.example.com")? */
bool x509_name_matches(struct span pattern, struct span host);

#endif
