/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar.h - tar archives (POSIX ustar and pax, GNU long names and sparse files)
 *
 * The reader takes hostile input: every length is checked before use, names and pax records are
 * bounded, and what is unpacked resolves beneath the destination (openat2 RESOLVE_IN_ROOT).
 */
#ifndef STORAGE_TAR_H
#define STORAGE_TAR_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A stream of bytes: read returns a count, 0 at the end, -1 with @e. */
struct stream {
	ssize_t (*read)(struct stream *s, void *p, size_t n, struct err *e);
};

struct tar_xattr {
	char *name; /* "security.capability" */
	char *value;
	size_t len;
};

struct tar_sparse {
	int64_t offset, len;
};

struct tar_entry {
	char type; /* '0' file, '1' hard link, '2' symlink, '3' '4' devices, '5' directory, '6' fifo */
	char *path; /* as the archive has it; NUL-free */
	char *link; /* target of a link, else "" */
	mode_t mode; /* permission bits */
	uint32_t uid, gid;
	char *uname, *gname;
	int64_t size; /* bytes of data that follow in the archive */
	int64_t real_size; /* size of the file: differs when sparse */
	int64_t mtime_ns, atime_ns; /* atime_ns INT64_MIN: not told */
	uint32_t dev_major, dev_minor;
	struct tar_xattr *xattrs;
	size_t n_xattrs;
	struct tar_sparse *sparse; /* data segments, in order; NULL: not sparse */
	size_t n_sparse;
};

struct tar_reader;
struct tar_reader *tar_reader_new(struct stream *in); /* borrows @in */
void tar_reader_free(struct tar_reader *t);
/* Next entry, valid until the next call: 1, 0 at the end of the archive, -1 with @e. Data of the
 * last entry that was not read is skipped. */
int tar_next(struct tar_reader *t, const struct tar_entry **entry, struct err *e);
/* Data of the current entry: a count, 0 at its end, -1 with @e (a truncated archive too). */
ssize_t tar_read(struct tar_reader *t, void *p, size_t n, struct err *e);

struct tar_unpack_opts {
	int64_t max_bytes;   /* content, 0: no ceiling */
	int64_t max_entries; /* 0: no ceiling */
	bool whiteouts;	     /* ".wh." names mean deletions: turned into what the driver wants */
	bool overlay;	     /* … as overlayfs with userxattr has them; else: delete from the tree */
	bool single_id;	     /* one id mapped: do not chown to others */
	bool no_overwrite_dir_nondir; /* `docker cp`: refuse to replace a directory by a file or back */
	int64_t chown_uid, chown_gid; /* -1: as the archive has it */
};

struct tar_unpack_result {
	int64_t bytes, entries;
};

/* Unpack all of @in below @dirfd. 0, or -1 with @dirfd partly filled. */
int tar_unpack(struct stream *in, int dirfd, const struct tar_unpack_opts *o,
	struct tar_unpack_result *r, struct err *e);

/* --- writing: deterministic, pax headers only where ustar cannot say it --- */
struct tar_writer;
struct tar_writer *tar_writer_new(int fd); /* borrows @fd; buffers */
void tar_writer_free(struct tar_writer *w);
int tar_write_entry(struct tar_writer *w, const struct tar_entry *entry, struct err *e);
int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e);
int tar_write_end(struct tar_writer *w, struct err *e); /* two zero blocks, flush */
/* A whole tree: dirfd/path and what is below, stored under @name ("" for the tree's own names).
 * Hard links are kept; sockets are skipped.  @overlay: turn overlay's whiteouts into ".wh.". */
int tar_pack_tree(struct tar_writer *w, int dirfd, const char *path, const char *name, bool overlay,
	struct err *e);

/* --- decompression, told by magic: gzip (all members) or plain --- */
struct inflater;
struct inflater *inflater_new(struct stream *in); /* borrows @in */
struct stream *inflater_stream(struct inflater *i);
void inflater_free(struct inflater *i);

/* A stream over a descriptor that also hashes and counts what it read. */
struct fd_stream {
	struct stream s;
	int fd;
	int64_t total;
	void *sha256; /* struct sha256 *, or NULL */
};
void fd_stream_init(struct fd_stream *f, int fd, void *sha256);

#endif
