/* SPDX-License-Identifier: MIT */
/*
 * core/storage/pax.h - the records of pax extended headers (private to the tar files)
 */
#ifndef STORAGE_PAX_H
#define STORAGE_PAX_H

#include "base/err.h"
#include "storage/tar.h"

/* What one extended header said.  Spans point into its text, which must outlive it. */
struct pax {
	struct span path, linkpath, uname, gname; /* n == 0: not told */
	bool has_size, has_uid, has_gid, has_mtime, has_atime;
	int64_t size, mtime_ns, atime_ns;
	uint32_t uid, gid;
	struct {
		struct span name, value;
	} *xattrs;
	size_t n_xattrs;

	/* GNU sparse files: 0.0 and 0.1 have their map here, 1.0 in front of the data. */
	bool sparse_map, sparse_v1, has_real_size, has_offset;
	struct span sparse_name;
	int64_t real_size, offset;
	struct tar_sparse *sparse;
	size_t n_sparse;
};

/* Add the records in @text to *p (zeroed before the first). 0, or -1 with @e ERR_INVALID. */
int pax_parse(struct pax *p, struct span text, struct err *e);
void pax_release(struct pax *p);

/* Append to a sparse map, bounded by TAR_SPARSE_MAX. */
int sparse_append(struct tar_sparse **map, size_t *n, int64_t offset, int64_t len);

/* Add one record, "LENGTH KEY=VALUE\n", to @out. */
void pax_add(struct buf *out, const char *key, const void *value, size_t n);
void pax_addf(struct buf *out, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
