/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_x509.c - certificates, as DER and within PEM */
#include "registry/trust.h"
#include "registry/x509.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));
	struct span text = {(const char *)data, n};
	struct x509_cert c;
	struct err e;

	if (!x509_parse(text, &c)) {
		x509_check_host(&c, "127.0.0.1", &e);
		x509_check_host(&c, "::1", &e);
		x509_check_host(&c, "a.registry.test", &e);
	}
	tls_trust_add_pem(t, text);
	tls_identity_parse(&t->identity, text, text, &e);
	tls_trust_free(t);
	return 0;
}
