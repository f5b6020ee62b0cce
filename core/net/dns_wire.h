/* SPDX-License-Identifier: MIT */
/*
 * core/net/dns_wire.h - DNS messages: reading questions, writing answers, comparing
 *
 * Of a message that is forwarded only the header, the question and the presence of an OPT record
 * are looked at (RFC 1035, RFC 6891); the rest travels as it came.  No compression pointer is ever
 * followed: a question has nothing before it that one could point to, and further names are
 * only skipped.
 */
#ifndef NET_DNS_WIRE_H
#define NET_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER_LEN 12
#define DNS_UDP_MIN 512	     /* what every client takes */
#define DNS_MESSAGE_MAX 65535 /* what TCP's length says at most */
#define DNS_NAME_MAX 255     /* octets of a name on the wire, and enough for its text */
#define DNS_TTL 600	     /* s, Docker's, of our own answers */

enum { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41 };
enum { DNS_IN = 1 };
enum { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED };

struct dns_query {
	const uint8_t *msg; /* the message; borrowed */
	size_t n;
	size_t question_end; /* offset behind the question; DNS_HEADER_LEN if it cannot be read */
	uint16_t type, class;
	/* The name in lower case, without the final dot; "" for the root, and for names with bytes in
	 * them that no host name has (their text would be ambiguous): these are not ours to answer */
	char name[DNS_NAME_MAX + 1];
	bool edns;
	uint16_t udp_max; /* the longest answer it takes by UDP */
};

/**
 * dns_query_parse() - Read a message that claims to be a query
 *
 * Return: 0; a DNS_ error code it is to be answered with (@q is fit for dns_answer_begin());
 *	-1 if no answer may be given: it is too short, or is an answer itself
 */
int dns_query_parse(const uint8_t *msg, size_t n, struct dns_query *q);

/* Is @msg an answer to @q?  Same question and QR; the id is compared with @id. */
bool dns_is_answer(const struct dns_query *q, uint16_t id, const uint8_t *msg, size_t n);

uint16_t dns_id(const uint8_t *msg);
void dns_set_id(uint8_t *msg, uint16_t id);
int dns_rcode(const uint8_t *msg); /* of a whole header */

/* --- answers of our own --- */
struct dns_answer {
	uint8_t *p;
	size_t n, max; /* what is written; the limit */
	const struct dns_query *q;
	size_t reserved; /* for the OPT record at the end */
};

/**
 * dns_answer_begin() - Header and question of an answer to @q
 * @p, @max:	Where it is written; at least DNS_UDP_MIN bytes
 * @rcode:	DNS_NOERROR, …
 * @recursion:	Whether it says that recursion is available (RA)
 */
void dns_answer_begin(struct dns_answer *a, const struct dns_query *q, uint8_t *p, size_t max,
	int rcode, bool recursion);
/* Add a record about the name asked for.  One that does not fit sets TC, and is left out. */
void dns_answer_add(struct dns_answer *a, uint16_t type, const void *data, size_t n);
/* The same with @name, a text, as data: PTR.  Labels that are none are left out with it. */
void dns_answer_add_name(struct dns_answer *a, uint16_t type, const char *name);
/* The end of it.  Returns the length. */
size_t dns_answer_end(struct dns_answer *a);

/* Cut a foreign answer to what the client takes: question only, TC set.  Returns the length. */
size_t dns_truncate(uint8_t *msg, size_t n, const struct dns_query *q);

/* The address in "4.3.2.1.in-addr.arpa" or its ip6.arpa form, in lower case: its length (4 or 16) in
 * network order in @addr, or 0: it is none. */
size_t dns_reverse_address(const char *name, uint8_t addr[16]);

#endif
