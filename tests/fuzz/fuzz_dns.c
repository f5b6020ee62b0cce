/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_dns.c - DNS messages: what is read stays in bounds, what is written reads back */
#include "net/dns_names.h"
#include "net/dns_wire.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_answer(const struct dns_query *q, int rcode)
{
	uint8_t out[DNS_MESSAGE_MAX], bytes[16] = {1};
	size_t max = q->udp_max, len, i;
	struct dns_answer a;

	dns_answer_begin(&a, q, out, max, rcode, true);
	for (i = 0; i < 8; i++)
		dns_answer_add(&a, DNS_AAAA, bytes, sizeof(bytes));
	dns_answer_add_name(&a, DNS_PTR, q->name);
	len = dns_answer_end(&a);
	if (len > max)
		bug("an answer of %zu bytes where %zu fit", len, max);
	if (q->question_end > DNS_HEADER_LEN && !dns_is_answer(q, dns_id(q->msg), out, len))
		bug("our own answer is none");
	if (dns_truncate(out, len, q) > max)
		bug("still too long");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct dns_query q;
	uint8_t addr[16];
	int rc;

	if (n > DNS_MESSAGE_MAX)
		return 0;
	rc = dns_query_parse(data, n, &q);
	if (rc < 0)
		return 0;
	if (strlen(q.name) > DNS_NAME_MAX || q.question_end > n)
		bug("a name of %zu bytes, a question that ends at %zu of %zu", strlen(q.name), q.question_end, n);
	dns_reverse_address(q.name, addr);
	check_answer(&q, rc);
	dns_is_answer(&q, dns_id(data), data, n);
	return 0;
}
