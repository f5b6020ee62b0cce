/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/table.c - text in columns, as Go's text/tabwriter aligns it
 *
 * Theory of operation
 *   A column is a run of adjacent lines that all have a cell there; its width is settled for the
 *   run.  So lines with fewer cells split columns below and above them, which shows where a cell's
 *   text contains a newline.  Widths are counted in characters.  The tabwriter recurses from column
 *   to column; here each cell remembers its width, and columns are settled one after the other: a
 *   run of column k lies inside one run of column k - 1 by its very definition.
 */
#include "table.h"

#include <stdlib.h>

struct line {
	struct span *cells; /* the last one is the rest behind the last tab */
	size_t *widths;
	size_t n;
};

static size_t characters(struct span s)
{
	size_t n = 0, i;

	for (i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static struct line split_line(struct span text)
{
	struct line l = {0};
	struct span cell;

	while (span_token(&text, '\t', &cell)) {
		l.cells = xreallocarray(l.cells, l.n + 1, sizeof(*l.cells));
		l.cells[l.n++] = cell;
	}
	l.widths = xcalloc(l.n, sizeof(*l.widths));
	return l;
}

/* Settle column @k; false if no line has it. */
static bool settle_column(struct line *lines, size_t n, size_t k, size_t min, size_t padding)
{
	size_t i, first, width, w;
	bool any = false;

	for (first = 0; first < n; first = i + 1) {
		width = min;
		for (i = first; i < n && k + 1 < lines[i].n; i++) {
			w = characters(lines[i].cells[k]) + padding;
			width = w > width ? w : width;
			any = true;
		}
		for (w = first; w < i; w++)
			lines[w].widths[k] = width;
	}
	return any;
}

static void print_line(const struct line *l, struct buf *out)
{
	size_t k, w;

	for (k = 0; k < l->n; k++) {
		buf_add(out, l->cells[k].p, l->cells[k].n);
		for (w = characters(l->cells[k]); w < l->widths[k]; w++)
			buf_addc(out, ' ');
	}
}

void table_align(struct span text, size_t min, size_t padding, struct buf *out)
{
	struct line *lines = NULL;
	size_t n = 0, i, k;
	struct span line;

	while (span_token(&text, '\n', &line)) {
		lines = xreallocarray(lines, n + 1, sizeof(*lines));
		lines[n++] = split_line(line);
	}
	for (k = 0; settle_column(lines, n, k, min, padding); k++)
		;
	for (i = 0; i < n; i++) {
		print_line(&lines[i], out);
		if (i + 1 < n)
			buf_addc(out, '\n');
		free(lines[i].cells);
		free(lines[i].widths);
	}
	free(lines);
}
