/* SPDX-License-Identifier: MIT */
/*
 * core/base/str.c - text: views, growing buffers, and the one integer parser
 *
 * Theory of operation
 *   Buffers double, so appending is linear over all.  A buffer that owns nothing points at one
 *   shared empty string, so .p is always printable and BUF_INIT needs no allocation.
 */
#include "base/str.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

/* --- memory --- */

static void *checked(void *p)
{
	if (!p) {
		fputs("coracle: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		checked(NULL);
	return xrealloc(p, total);
}

char *xstrdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return buf_detach(&b);
}

void cleanup_free_fn(void *pp)
{
	int saved = errno;

	free(*(void **)pp);
	errno = saved;
}

/* --- views --- */

struct span span_of(const char *s)
{
	return (struct span){s ? s : "", s ? strlen(s) : 0};
}

bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool span_eqs(struct span a, const char *s)
{
	return span_eq(a, span_of(s));
}

bool span_caseeqs(struct span a, const char *s)
{
	return a.n == strlen(s) && !strncasecmp(a.p, s, a.n);
}

bool span_starts(struct span a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && !memcmp(a.p, prefix, n);
}

ssize_t span_chr(struct span a, char c)
{
	const char *at = a.n ? memchr(a.p, c, a.n) : NULL;

	return at ? at - a.p : -1;
}

ssize_t span_rchr(struct span a, char c)
{
	size_t i = a.n;

	while (i--)
		if (a.p[i] == c)
			return (ssize_t)i;
	return -1;
}

struct span span_cut(struct span *a, size_t i)
{
	struct span rest = {a->p + i + 1, a->n - i - 1};

	a->n = i;
	return rest;
}

bool span_token(struct span *a, char sep, struct span *token)
{
	ssize_t i;

	if (!a->p)
		return false;
	*token = *a;
	i = span_chr(*a, sep);
	if (i < 0)
		*a = (struct span){NULL, 0};
	else
		*a = span_cut(token, (size_t)i);
	return true;
}

struct span span_trim(struct span a)
{
	while (a.n && (*a.p == ' ' || *a.p == '\t'))
		a.p++, a.n--;
	while (a.n && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t'))
		a.n--;
	return a;
}

char *span_dup(struct span a)
{
	return xstrndup(a.n ? a.p : "", a.n);
}

/* --- numbers --- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

int parse_u64_base(struct span s, unsigned int base, uint64_t max, uint64_t *v)
{
	uint64_t sum = 0;
	size_t i;

	if (!s.n)
		return -1;
	for (i = 0; i < s.n; i++) {
		unsigned int d = (unsigned int)digit_of(s.p[i]);

		if (d >= base || __builtin_mul_overflow(sum, base, &sum) ||
			__builtin_add_overflow(sum, d, &sum) || sum > max)
			return -1;
	}
	*v = sum;
	return 0;
}

int parse_u64(struct span s, uint64_t max, uint64_t *v)
{
	return parse_u64_base(s, 10, max, v);
}

int parse_i64(struct span s, int64_t min, int64_t max, int64_t *v)
{
	bool negative = s.n && *s.p == '-';
	uint64_t u;
	int64_t x;

	if (negative)
		s.p++, s.n--;
	if (parse_u64(s, negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &u))
		return -1;
	x = negative ? (int64_t)(0 - u) : (int64_t)u;
	if (x < min || x > max)
		return -1;
	*v = x;
	return 0;
}

static int parse_scaled(const char *s, uint64_t thousand, int64_t *bytes)
{
	static const char units[] = "bkmgtp";
	struct span number = {s, strspn(s, "0123456789")}, frac = {NULL, 0};
	uint64_t whole, part = 0, scale = 1;
	double sum;
	size_t i;

	if (parse_u64(number, INT64_MAX, &whole))
		return -1;
	s += number.n;
	if (*s == '.') {
		frac = (struct span){s + 1, strspn(s + 1, "0123456789")};
		if (frac.n > 15 || (frac.n && parse_u64(frac, INT64_MAX, &part)))
			return -1;
		s += 1 + frac.n;
	}
	if (*s == ' ')
		s++;
	for (i = 0; units[i] && units[i] != tolower((unsigned char)*s); i++)
		;
	if (*s) {
		if (!units[i])
			return -1;
		for (scale = 1; i; i--)
			scale *= thousand;
		s++;
		if (scale > 1 && tolower((unsigned char)*s) == 'i')
			s++;
		if (scale > 1 && tolower((unsigned char)*s) == 'b')
			s++;
		if (*s)
			return -1;
	} else {
		scale = 1;
	}
	sum = (double)part;
	for (i = 0; i < frac.n; i++)
		sum /= 10;
	if (whole > INT64_MAX / scale / 2)
		return -1;
	*bytes = (int64_t)(whole * scale) + (int64_t)(sum * (double)scale);
	return 0;
}

int parse_size(const char *s, int64_t *bytes)
{
	return parse_scaled(s, 1024, bytes);
}

int parse_size_decimal(const char *s, int64_t *bytes)
{
	return parse_scaled(s, 1000, bytes);
}

/* --- buffers --- */

char buf_empty[1];

void buf_release(struct buf *b)
{
	if (b->cap)
		free(b->p);
	*b = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->cap)
		b->p[0] = 0;
}

char *buf_detach(struct buf *b)
{
	char *p = b->cap ? b->p : xstrdup("");

	*b = (struct buf)BUF_INIT;
	return p;
}

char *buf_room(struct buf *b, size_t n)
{
	size_t want, cap;

	if (__builtin_add_overflow(b->n, n, &want) || __builtin_add_overflow(want, 1, &want))
		checked(NULL);
	if (want > b->cap) {
		cap = b->cap < SIZE_MAX / 2 && b->cap * 2 > want ? b->cap * 2 : want;
		if (cap < 64)
			cap = 64;
		b->p = xrealloc(b->cap ? b->p : NULL, cap);
		b->cap = cap;
		b->p[b->n] = 0;
	}
	return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_room(b, n), p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap ? b->cap - b->n : 0; /* mostly enough: printed once */
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, again);
	va_end(again);
	if (n >= 0 && (size_t)n >= room)
		n = vsnprintf(buf_room(b, (size_t)n), (size_t)n + 1, fmt, ap);
	if (n >= 0)
		b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	if (!n)
		return;
	memmove(b->p, b->p + n, b->n - n + 1);
	b->n -= n;
}

/* --- hex and ids --- */

void hex_encode(const void *bytes, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = bytes;
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = digit[b[i] >> 4];
		*out++ = digit[b[i] & 15];
	}
	*out = 0;
}

int hex_decode(struct span hex, void *bytes)
{
	unsigned char *out = bytes;
	size_t i;
	int a, b;

	if (hex.n % 2)
		return -1;
	for (i = 0; i < hex.n; i += 2) {
		a = digit_of(hex.p[i]);
		b = digit_of(hex.p[i + 1]);
		if (a > 15 || b > 15)
			return -1;
		*out++ = (unsigned char)(a << 4 | b);
	}
	return 0;
}

bool is_hex64(const char *s)
{
	return strspn(s, "0123456789abcdef") == 64 && !s[64];
}

void random_bytes(void *out, size_t n)
{
	char *p = out;
	ssize_t got;

	while (n) {
		got = getrandom(p, n, 0);
		if (got < 0 && errno != EINTR)
			bug("getrandom: %s", strerror(errno));
		if (got > 0)
			p += got, n -= (size_t)got;
	}
}

void random_id(char out[ID_LEN + 1])
{
	unsigned char raw[ID_LEN / 2];

	/* A short id of digits only would be taken for a number by tools (Docker avoids it too). */
	do {
		random_bytes(raw, sizeof(raw));
		hex_encode(raw, sizeof(raw), out);
	} while (strspn(out, "0123456789") >= 12);
}

bool str_in(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}
