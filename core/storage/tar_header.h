/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_header.h - the 512-byte blocks of tar archives (private to the tar files)
 */
#ifndef STORAGE_TAR_HEADER_H
#define STORAGE_TAR_HEADER_H

#include "base/str.h"

#define TAR_BLOCK 512
#define TAR_META_MAX (1 << 20)	 /* bytes of one pax header or GNU long name, as Go's reader has it */
#define TAR_XATTRS_MAX 1024	 /* extended attributes of one entry */
#define TAR_SPARSE_MAX (1 << 18) /* data segments of one sparse file */
#define TAR_PATH_MAX 4095	 /* bytes of a name: PATH_MAX less its NUL */
#define TAR_TIME_MAX 9223372035LL /* seconds, the year 2262: later ones do not fit into nanoseconds */

/* POSIX.1-2017, pax, "ustar Interchange Format"; the GNU fields overlap the prefix. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8];
	char typeflag, linkname[100];
	char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8];
	union {
		char prefix[155];
		struct {
			char atime[12], ctime[12], offset[12], longnames[4], unused;
			char sparse[4][24]; /* offset[12], numbytes[12] */
			char isextended, realsize[12];
		} gnu;
	};
	char pad[12];
};

/* The blocks behind a GNU sparse header that has more segments. */
struct tar_sparse_block {
	char sparse[21][24];
	char isextended, pad[7];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");
_Static_assert(sizeof(struct tar_sparse_block) == TAR_BLOCK, "so is a sparse block");

/* A number field: octal digits with blanks and NULs around them, or base-256 (GNU).  0, or -1. */
int tar_parse_number(const char *field, size_t n, int64_t *v);
/* Octal with a terminating NUL. 0, or -1 if @v is negative or has too many digits. */
int tar_format_octal(char *field, size_t n, int64_t v);
/* A text field: up to its NUL or its end. */
struct span tar_text(const char *field, size_t n);
bool tar_is_zero(const void *p, size_t n);
/* Does the checksum hold?  Old archives summed signed bytes: those are fine as well. */
bool tar_checksum_ok(const struct tar_header *h);
void tar_set_checksum(struct tar_header *h);

#endif
