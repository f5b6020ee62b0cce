/* SPDX-License-Identifier: MIT */
/*
 * core/base/str.h - text: views, growing buffers, and the one integer parser
 *
 * struct span views bytes that somebody else owns and need not be terminated: what a parser
 * of foreign input works on.  struct buf owns bytes, always terminated by a NUL that is not
 * counted, so that buf.p is a C string as long as nobody put a NUL inside.
 *
 * Out of memory: buf_* abort the process (xmalloc); foreign input never decides an
 * allocation without a bound that the caller checked before.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* --- memory that is there or the process ends -------------------------------------------- */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void cleanup_free_fn(void *pp);
#define cleanup_free __attribute__((cleanup(cleanup_free_fn)))
/* Hand the pointer out of a cleanup_free variable. */
#define steal(pp) (__extension__({ __typeof__(*(pp)) p_ = *(pp); *(pp) = NULL; p_; }))

/* --- views -------------------------------------------------------------------------------- */
struct span {
	const char *p;
	size_t n;
};

#define SPAN(lit) ((struct span){(lit), sizeof(lit) - 1}) /* of a literal */
struct span span_of(const char *s);			   /* of a C string; NULL gives empty */
bool span_eq(struct span a, struct span b);
bool span_eqs(struct span a, const char *s);
bool span_caseeqs(struct span a, const char *s); /* ASCII */
bool span_starts(struct span a, const char *prefix);
ssize_t span_chr(struct span a, char c);  /* index, or -1 */
ssize_t span_rchr(struct span a, char c); /* index of the last one, or -1 */
/* Cut *a at index @i: *a keeps what is before, the part after the byte at @i is returned. */
struct span span_cut(struct span *a, size_t i);
/* Take the next token up to @sep (or the end) off the front of *a; false when *a is used up. */
bool span_token(struct span *a, char sep, struct span *token);
struct span span_trim(struct span a); /* spaces and tabs at both ends */
char *span_dup(struct span a);

/* --- numbers: the one ranged parser -------------------------------------------------------- */
/* Decimal (parse_u64), or in @base 8, 10 or 16, all of @s, no sign, no blanks, at most @max.
 * 0 with *v set, or -1 with *v untouched. */
int parse_u64(struct span s, uint64_t max, uint64_t *v);
int parse_u64_base(struct span s, unsigned int base, uint64_t max, uint64_t *v);
int parse_i64(struct span s, int64_t min, int64_t max, int64_t *v); /* an optional '-' */
/* Bytes with a suffix as Docker takes them: "64m", "1.5g", "1024", "2kb"; 1k is 1024. */
int parse_size(const char *s, int64_t *bytes);
int parse_size_decimal(const char *s, int64_t *bytes); /* the same with 1k as 1000 */

/* --- buffers ------------------------------------------------------------------------------- */
struct buf {
	char *p;    /* never NULL after BUF_INIT; terminated at p[n] */
	size_t n;   /* bytes held */
	size_t cap; /* bytes owned; 0: p is not allocated */
};

extern char buf_empty[1];
#define BUF_INIT { buf_empty, 0, 0 }
void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* empty, memory kept */
char *buf_detach(struct buf *b);	       /* the string, to free(); b is empty after */
char *buf_room(struct buf *b, size_t n);       /* at least @n bytes behind p + n; then add to b->n */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *b, size_t n); /* drop @n bytes at the front */
#define cleanup_buf __attribute__((cleanup(buf_release)))

/* --- hex and ids ---------------------------------------------------------------------------- */
void hex_encode(const void *bytes, size_t n, char *out); /* 2n digits and a NUL */
int hex_decode(struct span hex, void *bytes);		  /* 0, or -1; writes hex.n / 2 bytes */
bool is_hex64(const char *s);				  /* 64 lower-case digits exactly */
#define ID_LEN 64
void random_id(char out[ID_LEN + 1]); /* 64 hex digits from getrandom(2), never all decimal in the first 12 */
void random_bytes(void *out, size_t n);

/* fnmatch-free helpers */
bool str_in(const char *s, const char *const *list); /* NULL-terminated list */

#endif
