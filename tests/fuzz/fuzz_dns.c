/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_dns.c - DNS messages: what is read stays in bounds, what is written reads back
 *
 * The input is a query, its length before it, and what a server makes of it: bytes behind its header and
 * question, or (an odd length) a whole message.
 */
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

/* What a server says may be anything. */
static void check_foreign(const struct dns_query *q, const uint8_t *tail, size_t n, bool whole)
{
	uint8_t msg[DNS_MESSAGE_MAX + 1];
	size_t len = 0;

	if (!whole) {
		len = q->question_end;
		memcpy(msg, q->msg, len);
		msg[2] |= 0x80;
	}
	if (n > DNS_MESSAGE_MAX - len)
		n = DNS_MESSAGE_MAX - len;
	memcpy(msg + len, tail, n);
	len += n;
	if (!dns_is_answer(q, dns_id(q->msg), msg, len))
		return;
	dns_rcode(msg);
	dns_set_id(msg, 7);
	if (dns_id(msg) != 7)
		bug("an id that was set");
	len = dns_truncate(msg, len, q);
	if (len > q->udp_max || !dns_is_answer(q, 7, msg, len))
		bug("an answer that was cut is none");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	const uint8_t *tail;
	struct dns_query q;
	uint8_t addr[16];
	int rc;

	if (size < 2 || n > size - 2 || n > DNS_MESSAGE_MAX)
		return 0;
	data += 2;
	tail = data + n;
	rc = dns_query_parse(data, n, &q);
	if (rc < 0)
		return 0;
	if (strlen(q.name) > DNS_NAME_MAX || q.question_end > n)
		bug("a name of %zu bytes, a question that ends at %zu of %zu", strlen(q.name), q.question_end, n);
	dns_reverse_address(q.name, addr);
	check_answer(&q, rc);
	check_foreign(&q, tail, size - 2 - n, n & 1);
	return 0;
}
