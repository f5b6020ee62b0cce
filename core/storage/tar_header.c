/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_header.c - the fields of a tar header block
 */
#include "storage/tar_header.h"

#include <stdio.h>

static int parse_base256(const unsigned char *p, size_t n, int64_t *v)
{
	bool negative = p[0] & 0x40;
	uint64_t fill = negative ? 0xff : 0, sum = negative ? UINT64_MAX : 0;
	size_t i;

	for (i = 0; i < n; i++) {
		/* The top bit only marks the form; the rest is two's complement, big-endian. */
		uint64_t byte = i ? p[0 + i] : (p[0] & 0x7fu) | (negative ? 0x80u : 0);

		if (n - i > 8 && byte != fill)
			return -1;
		sum = sum << 8 | byte;
	}
	if (negative != (bool)(sum >> 63))
		return -1;
	*v = (int64_t)sum;
	return 0;
}

int tar_parse_number(const char *field, size_t n, int64_t *v)
{
	struct span s = { field, n };
	uint64_t u;

	if (n && (unsigned char)field[0] & 0x80)
		return parse_base256((const unsigned char *)field, n, v);
	while (s.n && (*s.p == ' ' || !*s.p))
		s.p++, s.n--;
	/* Digits end at the first NUL: what stands behind it is left from something else. */
	s = tar_text(s.p, s.n);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	if (!s.n) {
		*v = 0;
		return 0;
	}
	if (parse_u64_base(s, 8, INT64_MAX, &u))
		return -1;
	*v = (int64_t)u;
	return 0;
}

int tar_format_octal(char *field, size_t n, int64_t v)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%0*llo", (int)n - 1, (unsigned long long)v);

	if (v < 0 || len < 0 || (size_t)len > n - 1)
		return -1;
	memcpy(field, text, n);
	return 0;
}

struct span tar_text(const char *field, size_t n)
{
	const char *end = memchr(field, 0, n);

	return (struct span){ field, end ? (size_t)(end - field) : n };
}

bool tar_is_zero(const void *p, size_t n)
{
	const char *c = p;

	return !n || (!*c && !memcmp(c, c + 1, n - 1));
}

static void sums(const struct tar_header *h, int64_t *plain, int64_t *of_signed)
{
	const unsigned char *p = (const unsigned char *)h;
	size_t i, at = offsetof(struct tar_header, chksum);

	*plain = *of_signed = 0;
	for (i = 0; i < TAR_BLOCK; i++) {
		unsigned char c = i >= at && i < at + sizeof(h->chksum) ? ' ' : p[i];

		*plain += c;
		*of_signed += (signed char)c;
	}
}

bool tar_checksum_ok(const struct tar_header *h)
{
	int64_t plain, of_signed, said;

	sums(h, &plain, &of_signed);
	return !tar_parse_number(h->chksum, sizeof(h->chksum), &said) &&
	       (said == plain || said == of_signed);
}

void tar_set_checksum(struct tar_header *h)
{
	int64_t plain, of_signed;

	sums(h, &plain, &of_signed);
	tar_format_octal(h->chksum, sizeof(h->chksum) - 1, plain);
	h->chksum[7] = ' ';
}
