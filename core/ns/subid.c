/* SPDX-License-Identifier: MIT */
/*
 * core/ns/subid.c - which ids a user was given in /etc/subuid and /etc/subgid
 *
 * Theory of operation
 *   The files have lines "owner:start:count" (subuid(5)), owner being a name or a number; a user
 *   may have any number of lines.  newuidmap is the judge of them, so we read them as strictly as
 *   it does: what it would not accept must not end up in a map.
 *
 *   Inside ids are dealt out in the order of the file, as RootlessKit does.  The kernel refuses a
 *   map as a whole when two extents overlap, which real files bring about: one range under the
 *   name and under the number of a user, or ranges made by two tools.  So each range is cut
 *   around those before it.
 *
 * Limits: 340 extents, text under one page; what is beyond is left out with a warning.
 */
#include "base/fs.h"
#include "base/log.h"
#include "ns/ns.h"

#include <errno.h>
#include <stdio.h>

#define SUBID_FILE_MAX (16 << 20)	 /* bytes; 300 000 users with two ranges */
#define ID_LAST (UINT32_MAX - 1)       /* 2^32 - 1 stands for "no id" */
#define EXTENT_TEXT_MAX (3 * 10 + 2 + 1) /* three numbers, two spaces, a newline */

int subid_parse_line(struct span line, struct span *owner, uint32_t *start, uint32_t *count)
{
	struct span rest = line, o, s, c;
	uint64_t first, n;

	if (!span_token(&rest, ':', &o) || !span_token(&rest, ':', &s) ||
		!span_token(&rest, ':', &c) || rest.p || !o.n)
		return -1;
	if (parse_u64(s, ID_LAST, &first) || parse_u64(c, UINT32_MAX, &n))
		return -1;
	if (!n || first + n - 1 > ID_LAST)
		return -1;
	*owner = o;
	*start = (uint32_t)first;
	*count = (uint32_t)n;
	return 0;
}

void idmap_single(uint32_t own_id, struct idmap *m)
{
	m->at[0] = (struct idmap_extent){0, own_id, 1};
	m->n = 1;
}

ssize_t idmap_format(const struct idmap *m, char *text, size_t size)
{
	size_t i, len = 0;
	int n;

	for (i = 0; i < m->n; i++) {
		n = snprintf(text + len, size - len, "%u %u %u\n", m->at[i].inside,
			m->at[i].outside, m->at[i].count);
		if (n < 0 || (size_t)n >= size - len)
			return -1;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static bool mine(struct span owner, uid_t uid, const char *name)
{
	uint64_t number;

	if (name && span_eqs(owner, name))
		return true;
	return !parse_u64(owner, UINT32_MAX, &number) && number == uid;
}

/* The extent that covers the lowest id of [first, last], or NULL. */
static const struct idmap_extent *covered(const struct idmap *m, uint64_t first, uint64_t last)
{
	const struct idmap_extent *lowest = NULL;
	size_t i;

	for (i = 0; i < m->n; i++) {
		const struct idmap_extent *x = &m->at[i];

		if (x->outside > last || (uint64_t)x->outside + x->count <= first)
			continue;
		if (!lowest || x->outside < lowest->outside)
			lowest = x;
	}
	return lowest;
}

struct dealer {
	struct idmap *m;
	uint64_t next;	 /* inside id to deal out next */
	size_t text_len; /* upper bound for what idmap_format() will give */
	bool full;
};

static void deal(struct dealer *d, uint64_t first, uint64_t last)
{
	uint64_t count = last - first + 1;

	if (d->m->n == IDMAP_EXTENTS_MAX || d->text_len + EXTENT_TEXT_MAX >= IDMAP_TEXT_MAX ||
		d->next > ID_LAST) {
		d->full = true;
		return;
	}
	if (count > ID_LAST - d->next + 1)
		count = ID_LAST - d->next + 1;
	d->m->at[d->m->n++] = (struct idmap_extent){
		(uint32_t)d->next, (uint32_t)first, (uint32_t)count};
	d->next += count;
	d->text_len += (size_t)snprintf(NULL, 0, "%u %u %u\n", d->m->at[d->m->n - 1].inside,
		d->m->at[d->m->n - 1].outside, d->m->at[d->m->n - 1].count);
}

/* Deal out what of [first, last] no earlier extent has. */
static void deal_rest(struct dealer *d, uint64_t first, uint64_t last)
{
	const struct idmap_extent *x;

	while (first <= last && !d->full) {
		x = covered(d->m, first, last);
		if (!x) {
			deal(d, first, last);
			return;
		}
		if (x->outside > first)
			deal(d, first, x->outside - 1ULL);
		first = (uint64_t)x->outside + x->count;
	}
}

int idmap_compute_text(struct span rest, const char *file, uid_t uid, const char *name, uint32_t own_id,
	struct idmap *m, struct err *e)
{
	struct dealer d = {.m = m, .next = 1, .text_len = EXTENT_TEXT_MAX};
	struct span line, owner;
	uint32_t start, count;

	idmap_single(own_id, m);
	while (!d.full && span_token(&rest, '\n', &line))
		if (!subid_parse_line(line, &owner, &start, &count) && mine(owner, uid, name))
			deal_rest(&d, start, (uint64_t)start + count - 1);
	if (d.full)
		log_warn("%s has more ranges for uid %u than an id map can hold: those after the "
			 "first %zu are not used",
			file, uid, m->n - 1);
	if (m->n == 1)
		return err_kind(e, ERR_NOT_FOUND, "No %s ranges found for user %u (\"%s\")",
			strstr(file, "subgid") ? "subgid" : "subuid", uid, name ? name : "");
	return 0;
}

/* A file that is not there has no lines. */
static int subid_read(const char *file, struct buf *text, struct err *e)
{
	struct err why = ERR_INIT;

	if (!file_read_at(AT_FDCWD, file, SUBID_FILE_MAX, text, &why) || why.code == ENOENT)
		return 0;
	if (e)
		*e = why;
	return -1;
}

int idmap_compute(const char *file, uid_t uid, const char *name, uint32_t own_id, struct idmap *m,
	struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	idmap_single(own_id, m);
	if (subid_read(file, &text, e))
		return -1;
	return idmap_compute_text((struct span){text.p, text.n}, file, uid, name, own_id, m, e);
}

/* The first id from @id on that no line of @rest gives to the user. */
static uint64_t end_of_given(struct span rest, uid_t uid, const char *name, uint64_t id)
{
	struct span line, owner;
	uint32_t start, count;

	while (span_token(&rest, '\n', &line)) {
		if (subid_parse_line(line, &owner, &start, &count) || !mine(owner, uid, name))
			continue;
		if (id >= start && id < (uint64_t)start + count)
			return (uint64_t)start + count;
	}
	return id;
}

bool subid_covers_text(struct span text, uid_t uid, const char *name, uint32_t start, uint32_t count)
{
	uint64_t at = start, next, end = (uint64_t)start + count;

	for (; at < end; at = next) {
		next = end_of_given(text, uid, name, at);
		if (next == at)
			return false;
	}
	return count > 0;
}

int subid_covers(const char *file, uid_t uid, const char *name, uint32_t start, uint32_t count, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (subid_read(file, &text, e))
		return -1;
	return subid_covers_text((struct span){text.p, text.n}, uid, name, start, count);
}

uint32_t subid_free_start(const char *file)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, owner;
	uint32_t start, count;
	uint64_t top = 100000, end; /* where shadow's tools begin (login.defs, SUB_UID_MIN) */

	if (file_read_at(AT_FDCWD, file, SUBID_FILE_MAX, &text, NULL))
		return (uint32_t)top;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		if (subid_parse_line(line, &owner, &start, &count))
			continue;
		end = (uint64_t)start + count;
		if (end > top && end < UINT32_MAX - 65536)
			top = end;
	}
	return (uint32_t)top;
}
