/* SPDX-License-Identifier: MIT */
/*
 * core/storage/pax.c - the records of pax extended headers
 *
 * Theory of operation
 *   "LENGTH KEY=VALUE\n", LENGTH counting the whole record (POSIX.1-2017, pax).  A later record
 *   replaces an earlier one, an empty value takes the header's own back; xattr values are bytes,
 *   all others text without NUL.  Keys nobody here knows are skipped.
 *
 * Limits: the caller bounds the text (TAR_META_MAX); attributes and sparse segments are counted,
 * as each costs more memory than text and looking for a double is linear.
 */
#include "storage/pax.h"
#include "storage/tar_header.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define XATTR_PREFIX "SCHILY.xattr."
#define SPARSE_PREFIX "GNU.sparse."

void pax_release(struct pax *p)
{
	free(p->xattrs);
	free(p->sparse);
	*p = (struct pax){ 0 };
}

int sparse_append(struct tar_sparse **map, size_t *n, int64_t offset, int64_t len)
{
	if (*n == TAR_SPARSE_MAX)
		return -1;
	if (!(*n & (*n - 1))) /* a power of two: full */
		*map = xreallocarray(*map, *n ? *n * 2 : 1, sizeof(**map));
	(*map)[(*n)++] = (struct tar_sparse){ offset, len };
	return 0;
}

/* Seconds with an optional fraction; digits beyond nanoseconds do not count. */
static int parse_time(struct span s, int64_t *ns)
{
	bool negative = s.n && *s.p == '-';
	uint64_t whole, part = 0, scale = NS_PER_S;
	struct span frac = { "", 0 };
	ssize_t dot;

	if (negative)
		s.p++, s.n--;
	dot = span_chr(s, '.');
	if (dot >= 0)
		frac = span_cut(&s, (size_t)dot);
	if (parse_u64(s, UINT64_MAX, &whole))
		return -1;
	if (whole > TAR_TIME_MAX)
		whole = TAR_TIME_MAX;
	for (; frac.n; frac.p++, frac.n--) {
		if (*frac.p < '0' || *frac.p > '9')
			return -1;
		scale /= 10;
		part += (uint64_t)(*frac.p - '0') * scale;
	}
	*ns = (int64_t)(whole * NS_PER_S + part);
	if (negative)
		*ns = -*ns;
	return 0;
}

static int parse_id(struct span s, uint32_t *id)
{
	uint64_t v;

	/* The last one means "no change" to chown(2). */
	if (parse_u64(s, UINT32_MAX - 1, &v))
		return -1;
	*id = (uint32_t)v;
	return 0;
}

static int parse_size64(struct span s, int64_t *v)
{
	uint64_t u;

	if (parse_u64(s, INT64_MAX, &u))
		return -1;
	*v = (int64_t)u;
	return 0;
}

static int add_xattr(struct pax *p, struct span name, struct span value)
{
	size_t i;

	if (!name.n)
		return -1;
	for (i = 0; i < p->n_xattrs; i++) {
		if (span_eq(p->xattrs[i].name, name)) {
			p->xattrs[i].value = value;
			return 0;
		}
	}
	if (p->n_xattrs == TAR_XATTRS_MAX)
		return -1;
	if (!(p->n_xattrs & (p->n_xattrs - 1)))
		p->xattrs = xreallocarray(p->xattrs, p->n_xattrs ? p->n_xattrs * 2 : 1,
			sizeof(*p->xattrs));
	p->xattrs[p->n_xattrs].name = name;
	p->xattrs[p->n_xattrs++].value = value;
	return 0;
}

/* Version 0.1: "offset,length,offset,length,…" */
static int parse_map(struct pax *p, struct span text)
{
	struct span a, b;
	int64_t offset, len;

	p->n_sparse = 0;
	p->sparse_map = true;
	if (!text.n)
		return 0;
	while (span_token(&text, ',', &a)) {
		if (!span_token(&text, ',', &b) || parse_size64(a, &offset) || parse_size64(b, &len) ||
			sparse_append(&p->sparse, &p->n_sparse, offset, len))
			return -1;
	}
	return 0;
}

static int add_sparse(struct pax *p, struct span key, struct span value)
{
	int64_t v;

	if (span_eqs(key, "name")) {
		p->sparse_name = value;
		return 0;
	}
	if (span_eqs(key, "map"))
		return parse_map(p, value);
	if (parse_size64(value, &v))
		return -1;
	if (span_eqs(key, "major")) {
		p->sparse_v1 = v == 1;
		return v > 1 ? -1 : 0;
	}
	if (span_eqs(key, "size") || span_eqs(key, "realsize")) {
		p->real_size = v;
		p->has_real_size = true;
	} else if (span_eqs(key, "numblocks")) { /* version 0.0: pairs follow */
		p->n_sparse = 0;
		p->sparse_map = true;
	} else if (span_eqs(key, "offset")) {
		p->offset = v;
		p->has_offset = true;
	} else if (span_eqs(key, "numbytes")) {
		if (!p->has_offset || sparse_append(&p->sparse, &p->n_sparse, p->offset, v))
			return -1;
		p->has_offset = false;
	}
	return 0;
}

/* One of the members a record may set; unknown keys are fine. */
static int apply(struct pax *p, struct span key, struct span value)
{
	if (span_eqs(key, "path"))
		p->path = value;
	else if (span_eqs(key, "linkpath"))
		p->linkpath = value;
	else if (span_eqs(key, "uname"))
		p->uname = value;
	else if (span_eqs(key, "gname"))
		p->gname = value;
	else if (span_eqs(key, "size"))
		return (p->has_size = value.n) ? parse_size64(value, &p->size) : 0;
	else if (span_eqs(key, "uid"))
		return (p->has_uid = value.n) ? parse_id(value, &p->uid) : 0;
	else if (span_eqs(key, "gid"))
		return (p->has_gid = value.n) ? parse_id(value, &p->gid) : 0;
	else if (span_eqs(key, "mtime"))
		return (p->has_mtime = value.n) ? parse_time(value, &p->mtime_ns) : 0;
	else if (span_eqs(key, "atime"))
		return (p->has_atime = value.n) ? parse_time(value, &p->atime_ns) : 0;
	else if (span_starts(key, SPARSE_PREFIX))
		return add_sparse(p, (struct span){ key.p + strlen(SPARSE_PREFIX),
					     key.n - strlen(SPARSE_PREFIX) },
			value);
	return 0;
}

/* Take "LENGTH KEY=VALUE\n" off the front of *text. */
static int take_record(struct span *text, struct span *key, struct span *value)
{
	struct span digits = { text->p, text->n < 20 ? text->n : 20 }, body;
	ssize_t blank = span_chr(digits, ' '), eq;
	uint64_t len;

	if (blank < 0)
		return -1;
	digits.n = (size_t)blank;
	if (parse_u64(digits, text->n, &len) || len < digits.n + 2)
		return -1;
	body = (struct span){ text->p + digits.n + 1, (size_t)len - digits.n - 1 };
	text->p += len;
	text->n -= (size_t)len;
	if (body.p[--body.n] != '\n')
		return -1;
	eq = span_chr(body, '=');
	if (eq <= 0)
		return -1;
	*key = body;
	*value = span_cut(key, (size_t)eq);
	return 0;
}

int pax_parse(struct pax *p, struct span text, struct err *e)
{
	struct span key, value;
	int rc;

	while (text.n) {
		if (take_record(&text, &key, &value) || span_chr(key, 0) >= 0)
			return err_kind(e, ERR_INVALID,
				"archive/tar: invalid tar header: malformed pax record");
		if (span_starts(key, XATTR_PREFIX))
			rc = add_xattr(p, (struct span){ key.p + strlen(XATTR_PREFIX),
						  key.n - strlen(XATTR_PREFIX) },
				value);
		else
			rc = span_chr(value, 0) >= 0 ? -1 : apply(p, key, value);
		if (rc)
			return err_kind(e, ERR_INVALID,
				"archive/tar: invalid tar header: bad pax record %.*s",
				(int)(key.n < 64 ? key.n : 64), key.p);
	}
	return 0;
}

void pax_add(struct buf *out, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, len = rest + 1; /* blank, '=', newline */
	char digits[24];

	/* The length counts its own digits. */
	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest != len)
		len = strlen(digits) + rest;
	buf_addf(out, "%s %s=", digits, key);
	buf_add(out, value, n);
	buf_addc(out, '\n');
}

void pax_addf(struct buf *out, const char *key, const char *fmt, ...)
{
	cleanup_buf struct buf value = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&value, fmt, ap);
	va_end(ap);
	pax_add(out, key, value.p, value.n);
}
