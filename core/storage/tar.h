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
#include "base/sha256.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A stream of bytes: read returns a count, 0 at the end, -1 with @e. */
struct stream {
	ssize_t (*read)(struct stream *s, void *p, size_t n, struct err *e);
	/* Or NULL: the same into a pipe, which need not copy.  e->code EPIPE: nobody reads there. */
	ssize_t (*pass)(struct stream *s, int pipefd, size_t n, struct err *e);
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
	const char *path; /* as the archive has it; NUL-free */
	const char *link; /* target of a link, else "" (or, for the writer, NULL) */
	mode_t mode; /* permission bits */
	uint32_t uid, gid;
	const char *uname, *gname; /* for the writer: may be NULL */
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
struct recipe;
struct tar_reader *tar_reader_new(struct stream *in); /* borrows @in */
void tar_reader_free(struct tar_reader *t);
/* Next entry, valid until the next call: 1, 0 at the end of the archive, -1 with @e. Data of the
 * last entry that was not read is skipped. */
int tar_next(struct tar_reader *t, const struct tar_entry **entry, struct err *e);
/* Data of the current entry: a count, 0 at its end, -1 with @e (a truncated archive too). */
ssize_t tar_read(struct tar_reader *t, void *p, size_t n, struct err *e);
/* The same into a pipe, all that is left.  0, or -1 with @e; e->code EPIPE: nobody reads there any more. */
int tar_pass(struct tar_reader *t, int pipefd, struct err *e);

/* What names that start with ".wh." mean (OCI image-spec, layer.md). */
enum tar_whiteouts {
	TAR_WH_NONE,	/* nothing: they are files like others */
	TAR_WH_OVERLAY, /* deletions: turned into what overlayfs with userxattr takes for them */
	TAR_WH_KEEP,	/* deletions: checked, and kept as empty files of that name */
};

struct tar_unpack_opts {
	int64_t max_bytes;   /* content, 0: no ceiling */
	int64_t max_entries; /* 0: no ceiling */
	enum tar_whiteouts whiteouts;
	bool single_id;	     /* one id mapped: chown to others is skipped, and remembered */
	bool no_overwrite_dir_nondir; /* `docker cp`: refuse to replace a directory by a file or back */
	bool chown;	     /* everything gets @uid and @gid, whatever the archive says */
	uint32_t uid, gid;
	bool no_chown;	     /* everything stays with who unpacks */
	/* The first @rename in names and hard links' targets becomes @to; NULL: names stay. */
	const char *rename, *to;
	const char *dest;    /* what messages call the destination; NULL: "/" */
	struct recipe *recipe; /* recipe.h: take down what the archive was made of; NULL: do not */
};

struct tar_unpack_result {
	int64_t bytes, entries;
	int64_t devices;  /* device nodes left out: no user namespace may make them */
	int64_t xattrs_lost; /* extended attributes the file system or the kernel refused */
	bool bad_id;	  /* it failed on an id that is not mapped here: these */
	uint32_t bad_uid, bad_gid;
};

/**
 * tar_unpack() - Unpack an archive below a directory
 * @in:		Uncompressed; read up to the end-of-archive marker, not further
 * @dirfd:	Open for reading; nothing outside is touched, whatever names and links say
 * @r:		Counts, valid on failure too
 *
 * Ownership, modes, times, extended attributes, holes and hard links are as the archive has them;
 * an entry replaces what is there under its name, but a directory merges with a directory.  Refused:
 * names and hard link targets that climb out by "..", and links that would lead a later entry out.
 * Left out: device nodes, trusted.* attributes and those overlayfs or we give a meaning to, and the
 * attributes of the root itself.  File modes are exact only if the process's umask is 0 for fifos.
 *
 * Return: 0, or -1 with @dirfd partly filled
 */
int tar_unpack(struct stream *in, int dirfd, const struct tar_unpack_opts *o,
	struct tar_unpack_result *r, struct err *e);

/* --- writing: deterministic, pax headers only where ustar cannot say it --- */
struct tar_writer;
struct tar_writer *tar_writer_new(int fd); /* borrows @fd; buffers */
void tar_writer_free(struct tar_writer *w);
int tar_write_entry(struct tar_writer *w, const struct tar_entry *entry, struct err *e);
int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e);
/* @n bytes of a file from where it stands; what it lacks by now is zeros.  Not copied on the way into
 * a pipe. */
int tar_write_file(struct tar_writer *w, int fd, int64_t n, struct err *e);
int64_t tar_writer_total(const struct tar_writer *w); /* bytes so far; any thread may look */
int tar_write_end(struct tar_writer *w, struct err *e); /* two zero blocks, flush */
/* A whole tree: dirfd/path and what is below, stored under @name ("" for the tree's own names).
 * Hard links are kept; sockets are skipped.  @overlay: turn overlay's whiteouts into ".wh.". */
int tar_pack_tree(struct tar_writer *w, int dirfd, const char *path, const char *name, bool overlay,
	struct err *e);

/* What is below a directory, as far as @pick wants it.  Everything belongs to uid and gid 0, and of its
 * extended attributes security.capability alone is kept: a build's context. */
enum tar_picked {
	TAR_PICK_TAKE,
	TAR_PICK_ENTER, /* not it, but look at what is in it */
	TAR_PICK_PASS,	/* nor that */
	TAR_PICK_FAIL,	/* stop: @e says why */
};
typedef enum tar_picked tar_pick(void *arg, const char *path, const struct stat *st, struct err *e);
int tar_pack_picked(struct tar_writer *w, int dirfd, tar_pick *pick, void *arg, struct err *e);

/* --- decompression, told by magic: gzip (all members), zstd (all frames) or plain --- */
struct inflater;
struct inflater *inflater_new(struct stream *in); /* borrows @in */
struct stream *inflater_stream(struct inflater *i);
/* Can an archive begin with these @n bytes, compressed or not?  @n: 512, or its length. */
bool archive_begins(const void *p, size_t n);
/* Read the first bytes and see whether it is compressed at all. */
int inflater_look(struct inflater *i, bool *is_plain, struct err *e);
void inflater_free(struct inflater *i);

/* --- compression: gzip, the same bytes for the same input --- */
struct deflater;
struct deflater *deflater_new(struct stream *in); /* borrows @in */
struct stream *deflater_stream(struct deflater *d);
void deflater_free(struct deflater *d);

/* A stream that passes on what @in gives, hashed. */
struct hash_stream {
	struct stream s;
	struct stream *in; /* borrowed */
	int64_t total;
	struct sha256 *sha256; /* borrowed; NULL: it only counts */
};
void hash_stream_init(struct hash_stream *h, struct stream *in, struct sha256 *sha256);

/* A stream over memory, for tests. */
struct mem_stream {
	struct stream s;
	const unsigned char *p;
	size_t n;
};
void mem_stream_init(struct mem_stream *m, const void *p, size_t n);

/* Read and drop the rest. 0, or -1 with @e. */
int stream_drain(struct stream *s, struct err *e);
/* Read exactly @n bytes or up to the end. The count, or -1 with @e. */
ssize_t stream_read_full(struct stream *s, void *p, size_t n, struct err *e);

/* A stream over a descriptor that also hashes and counts what it read. */
struct fd_stream {
	struct stream s;
	int fd;
	int64_t total;
	struct sha256 *sha256; /* or NULL; borrowed */
};
void fd_stream_init(struct fd_stream *f, int fd, struct sha256 *sha256);

#endif
