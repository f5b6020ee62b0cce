/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/table.h - text in columns, as Go's text/tabwriter aligns it
 */
#ifndef DOCKER_TABLE_H
#define DOCKER_TABLE_H

#include "base/str.h"

/* Align @text, whose lines hold cells ended by tabs: each column as wide as its widest cell and
 * @padding more blanks, at least @min.  What follows a line's last tab is not padded. */
void table_align(struct span text, size_t min, size_t padding, struct buf *out);

#endif
