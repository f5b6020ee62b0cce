/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/archive.h - make tar archives byte by byte, good ones and others
 *
 * Nothing of core/storage's writer is used: a reader and a writer with one mistake in common
 * would agree.  Wrong archives are made by changing right ones (at least their checksum), or by
 * fields no writer would write.
 */
#ifndef TESTS_UNIT_ARCHIVE_H
#define TESTS_UNIT_ARCHIVE_H

#include "base/str.h"

#include <stdio.h>

struct item {
	char type;	      /* 0 stands for '0' */
	const char *name, *link, *data;
	size_t len;	      /* of data; 0: strlen */
	unsigned int mode, uid, gid;
	long mtime;
	const char *size;     /* the field's text instead of the true size */
	const char *pax;      /* "key=value\nkey=value\n" */
	unsigned int major, minor;
	bool gnu, v7, bad_sum;
};

#define ITEM_AT(h, off, fmt, ...) snprintf((h) + (off), 512 - (off), fmt, __VA_ARGS__)

static inline void put_sum(char *h)
{
	unsigned int sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
}

static inline void put_field(char *h, size_t at, size_t width, const char *text)
{
	size_t n = strlen(text);

	memcpy(h + at, text, n < width ? n : width);
}

static inline void put_octal(char *h, size_t at, size_t width, unsigned long v)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*lo", (int)width - 1, v);
	put_field(h, at, width - 1, text);
}

static inline void put_padded(struct buf *out, const void *p, size_t n)
{
	static const char zeros[512];

	buf_add(out, p, n);
	buf_add(out, zeros, (512 - n % 512) % 512);
}

static inline void put_header(struct buf *out, char type, const char *name, size_t size,
	const struct item *it)
{
	char h[512] = { 0 };

	put_field(h, 0, 100, name);
	put_octal(h, 100, 8, it->mode ? it->mode : 0644);
	put_octal(h, 108, 8, it->uid);
	put_octal(h, 116, 8, it->gid);
	if (it->size)
		put_field(h, 124, 12, it->size);
	else
		put_octal(h, 124, 12, size);
	put_octal(h, 136, 12, (unsigned long)it->mtime);
	h[156] = type;
	if (it->link)
		put_field(h, 157, 100, it->link);
	if (!it->v7) {
		memcpy(h + 257, it->gnu ? "ustar  " : "ustar\00000", 8);
		put_octal(h, 329, 8, it->major);
		put_octal(h, 337, 8, it->minor);
	}
	put_sum(h);
	if (it->bad_sum)
		h[0] ^= 1;
	buf_add(out, h, sizeof(h));
}

/* A pax header whose records have their lengths put before them. */
static inline void put_pax(struct buf *out, const char *records, char type)
{
	struct buf body = BUF_INIT;
	static const struct item plain = { .mode = 0644 };

	while (*records) {
		size_t n = strcspn(records, "\n") + 2, len = n + 1; /* blank, newline */
		char digits[16];

		while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + n != len)
			len = strlen(digits) + n;
		buf_addf(&body, "%s %.*s\n", digits, (int)(n - 2), records);
		records += n - 2 + (records[n - 2] == '\n');
	}
	put_header(out, type, "pax", body.n, &plain);
	put_padded(out, body.p, body.n);
	buf_release(&body);
}

static inline void put_item(struct buf *out, const struct item *it)
{
	size_t n = it->len ? it->len : it->data ? strlen(it->data) : 0;

	if (it->pax)
		put_pax(out, it->pax, 'x');
	put_header(out, it->type ? it->type : '0', it->name, n, it);
	if (n)
		put_padded(out, it->data, n);
}

static inline void put_end(struct buf *out)
{
	static const char zeros[1024];

	buf_add(out, zeros, sizeof(zeros));
}

#define ITEM(out, ...) put_item((out), &(struct item){ __VA_ARGS__ })

#endif
