/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_wire.c - DNS messages: reading questions, writing answers, comparing
 *
 * Theory of operation
 *   Reading goes through struct reader, which knows the end and sticks at its first failure, so that
 *   a sequence of reads needs one check.  Writing goes through put(), which knows the limit.
 */
#include "net/dns_wire.h"
#include "base/str.h"

#define LABEL_MAX 63
#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010
#define OPCODE 0x7800
#define OPT_LEN 11		 /* an OPT record without options */
#define POINTER_TO_QUESTION 0xc00c /* compression: the name at offset 12 */

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool bad;
};

static bool has(struct reader *r, size_t n)
{
	if (r->bad || r->n - r->at < n)
		r->bad = true;
	return !r->bad;
}

static uint8_t get8(struct reader *r)
{
	return has(r, 1) ? r->p[r->at++] : 0;
}

static uint16_t get16(struct reader *r)
{
	uint16_t high = get8(r);

	return (uint16_t)(high << 8 | get8(r));
}

static void skip(struct reader *r, size_t n)
{
	if (has(r, n))
		r->at += n;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* A name that is not compressed, as text in @name (DNS_NAME_MAX + 1 bytes). */
static void get_name(struct reader *r, char *name)
{
	size_t start = r->at, len, out = 0, i;
	bool plain = true;

	while ((len = get8(r))) {
		if (len > LABEL_MAX || !has(r, len) || r->at + len - start >= DNS_NAME_MAX) {
			r->bad = true;
			break;
		}
		if (out)
			name[out++] = '.';
		for (i = 0; i < len; i++) {
			uint8_t c = lower(get8(r));

			if (c <= ' ' || c == '.' || c >= 0x7f)
				plain = false;
			name[out++] = (char)c;
		}
	}
	name[plain && !r->bad ? out : 0] = 0;
}

static void skip_name(struct reader *r)
{
	size_t len;

	while ((len = get8(r))) {
		if (len > LABEL_MAX) { /* a pointer is two bytes, and the last of a name */
			skip(r, 1);
			return;
		}
		skip(r, len);
	}
}

/* Look for the OPT record among @n records. */
static void get_records(struct reader *r, size_t n, struct dns_query *q)
{
	while (n-- && !r->bad) {
		uint16_t type, class;

		skip_name(r);
		type = get16(r);
		class = get16(r);
		skip(r, 4); /* TTL */
		skip(r, get16(r));
		if (r->bad || type != DNS_OPT)
			continue;
		q->edns = true;
		q->udp_max = class < DNS_UDP_MIN ? DNS_UDP_MIN : class;
	}
}

int dns_query_parse(const uint8_t *msg, size_t n, struct dns_query *q)
{
	struct reader r = {.p = msg, .n = n};
	uint16_t flags, questions;
	size_t records;

	*q = (struct dns_query){.msg = msg, .n = n, .question_end = DNS_HEADER_LEN, .udp_max = DNS_UDP_MIN};
	get16(&r);
	flags = get16(&r);
	questions = get16(&r);
	records = get16(&r);
	records += get16(&r);
	records += get16(&r);
	if (r.bad || flags & FLAG_QR)
		return -1;
	if (flags & OPCODE)
		return DNS_NOTIMP;
	if (questions != 1)
		return DNS_FORMERR;
	get_name(&r, q->name);
	q->type = get16(&r);
	q->class = get16(&r);
	if (r.bad)
		return DNS_FORMERR;
	q->question_end = r.at;
	get_records(&r, records, q);
	return r.bad ? DNS_FORMERR : 0;
}

uint16_t dns_id(const uint8_t *msg)
{
	return (uint16_t)(msg[0] << 8 | msg[1]);
}

void dns_set_id(uint8_t *msg, uint16_t id)
{
	msg[0] = (uint8_t)(id >> 8);
	msg[1] = (uint8_t)id;
}

int dns_rcode(const uint8_t *msg)
{
	return msg[3] & 15;
}

bool dns_is_answer(const struct dns_query *q, uint16_t id, const uint8_t *msg, size_t n)
{
	struct reader r = {.p = msg, .n = n};
	uint16_t flags, questions;
	size_t i;

	if (get16(&r) != id)
		return false;
	flags = get16(&r);
	questions = get16(&r);
	skip(&r, 6);
	if (r.bad || !(flags & FLAG_QR) || flags & OPCODE)
		return false;
	/* A server that could not read the question need not repeat it. */
	if (!questions)
		return dns_rcode(msg) != DNS_NOERROR && n == DNS_HEADER_LEN;
	if (questions != 1 || n < q->question_end)
		return false;
	for (i = DNS_HEADER_LEN; i < q->question_end; i++)
		if (lower(msg[i]) != lower(q->msg[i]))
			return false;
	return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void dns_answer_begin(struct dns_answer *a, const struct dns_query *q, uint8_t *p, size_t max,
	int rcode, bool recursion)
{
	unsigned int asked = (unsigned int)(q->msg[2] << 8 | q->msg[3]);

	*a = (struct dns_answer){.p = p, .n = q->question_end, .max = max, .q = q,
		.reserved = q->edns ? OPT_LEN : 0};
	memcpy(p, q->msg, q->question_end);
	put16(p + 2, FLAG_QR | (asked & (OPCODE | FLAG_RD | FLAG_CD)) | (recursion ? FLAG_RA : 0) |
			     (unsigned int)rcode);
	put16(p + 4, q->question_end > DNS_HEADER_LEN);
	memset(p + 6, 0, 6);
}

/* Room for a record with @n bytes of data, its header written; NULL, and TC set: there is none. */
static uint8_t *begin_record(struct dns_answer *a, uint16_t type, size_t n)
{
	uint8_t *p = a->p + a->n;

	if (a->max - a->n < 12 + n + a->reserved) {
		a->p[2] |= FLAG_TC >> 8;
		return NULL;
	}
	put16(p, POINTER_TO_QUESTION);
	put16(p + 2, type);
	put16(p + 4, DNS_IN);
	put16(p + 6, 0);
	put16(p + 8, DNS_TTL);
	put16(p + 10, (unsigned int)n);
	a->n += 12 + n;
	put16(a->p + 6, (unsigned int)(a->p[6] << 8 | a->p[7]) + 1);
	return p + 12;
}

void dns_answer_add(struct dns_answer *a, uint16_t type, const void *data, size_t n)
{
	uint8_t *p = begin_record(a, type, n);

	if (p)
		memcpy(p, data, n);
}

/* The wire form of a dotted name; its length, or 0: it has none. */
static size_t name_to_wire(const char *name, uint8_t out[DNS_NAME_MAX])
{
	struct span rest = span_of(name), label;
	size_t n = 0;

	while (span_token(&rest, '.', &label)) {
		if (!label.n || label.n > LABEL_MAX || n + 1 + label.n >= DNS_NAME_MAX)
			return 0;
		out[n++] = (uint8_t)label.n;
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	out[n++] = 0;
	return n;
}

void dns_answer_add_name(struct dns_answer *a, uint16_t type, const char *name)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t n = name_to_wire(name, wire);

	if (n)
		dns_answer_add(a, type, wire, n);
}

size_t dns_answer_end(struct dns_answer *a)
{
	uint8_t *p = a->p + a->n;

	if (!a->reserved)
		return a->n;
	memset(p, 0, OPT_LEN); /* root name, no flags, no options */
	put16(p + 1, DNS_OPT);
	put16(p + 3, DNS_MESSAGE_MAX);
	put16(a->p + 10, 1);
	return a->n += OPT_LEN;
}

size_t dns_truncate(uint8_t *msg, size_t n, const struct dns_query *q)
{
	if (n <= q->udp_max)
		return n;
	msg[2] |= FLAG_TC >> 8;
	memset(msg + 6, 0, 6);
	return q->question_end;
}

/* --- reverse names ------------------------------------------------------------------------------ */

/* @name without @suffix, or an empty span. */
static struct span before(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix) ? (struct span){name, n - m} : (struct span){name, 0};
}

static size_t reverse4(struct span text, uint8_t addr[16])
{
	struct span label;
	uint64_t v;
	size_t i = 4;

	while (span_token(&text, '.', &label)) {
		if (!i || parse_u64(label, 255, &v))
			return 0;
		addr[--i] = (uint8_t)v;
	}
	return i ? 0 : 4;
}

static size_t reverse6(struct span text, uint8_t addr[16])
{
	struct span label;
	uint64_t v;
	size_t i = 32;

	memset(addr, 0, 16);
	while (span_token(&text, '.', &label)) {
		if (!i || label.n != 1 || parse_u64_base(label, 16, 15, &v))
			return 0;
		i--;
		addr[i / 2] |= (uint8_t)(i % 2 ? v : v << 4);
	}
	return i ? 0 : 16;
}

size_t dns_reverse_address(const char *name, uint8_t addr[16])
{
	struct span v4 = before(name, ".in-addr.arpa"), v6 = before(name, ".ip6.arpa");

	return v4.n ? reverse4(v4, addr) : v6.n ? reverse6(v6, addr) : 0;
}
