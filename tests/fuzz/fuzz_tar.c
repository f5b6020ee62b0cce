/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_tar.c - archives go through the reader, and what it accepts through the writer
 *
 * Bytes of an archive are in memory; a checksum is put right in each header first, or a fuzzer would
 * spend its life on that sum.  What was read and written must be read the same again.
 */
#include "base/fs.h"
#include "storage/tar.h"
#include "storage/tar_header.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Put a sum into every block that could be a header. */
static unsigned char *with_checksums(const uint8_t *data, size_t n)
{
	unsigned char *copy = malloc(n + 1);

	memcpy(copy, data, n);
	for (size_t at = 0; at + TAR_BLOCK <= n; at += TAR_BLOCK) {
		struct tar_header h;

		memcpy(&h, copy + at, sizeof(h));
		if (tar_is_zero(&h, sizeof(h)) || memcmp(h.chksum, "\0\0\0\0\0\0\0\0", 8))
			continue;
		tar_set_checksum(&h);
		memcpy(copy + at, &h, sizeof(h));
	}
	return copy;
}

/* Describe all entries and a digest of their data; write them to @w if there is one. */
static void read_all(const void *p, size_t n, struct buf *out, struct tar_writer *w)
{
	struct err e = ERR_INIT;
	const struct tar_entry *en;
	struct mem_stream mem;
	struct tar_reader *t;
	char data[4096];
	ssize_t got;

	mem_stream_init(&mem, p, n);
	t = tar_reader_new(&mem.s);
	while (tar_next(t, &en, &e) > 0) {
		struct tar_entry copy = *en;

		copy.sparse = NULL;
		if (w && (en->sparse || !strchr("0123456", en->type) || en->size > 1 << 20 || tar_write_entry(w, &copy, &e)))
			break;
		buf_addf(out, "%c %s %s %o %u %u %lld %lld %zu\n", en->type, en->path, en->link,
			(unsigned int)en->mode, en->uid, en->gid, (long long)en->size,
			(long long)en->mtime_ns, en->n_xattrs);
		while ((got = tar_read(t, data, sizeof(data), &e)) > 0) {
			buf_add(out, data, (size_t)got);
			if (w && tar_write_data(w, data, (size_t)got, &e))
				break;
		}
		if (got < 0)
			break;
	}
	tar_reader_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, archive = BUF_INIT;
	unsigned char *copy = with_checksums(data, n);
	struct tar_writer *w;
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	bool whole;

	w = tar_writer_new(fd);
	read_all(copy, n, &first, w);
	whole = !tar_write_end(w, &e);
	tar_writer_free(w);
	if (whole && lseek(fd, 0, SEEK_SET) == 0 && !fd_read_all(fd, 1 << 26, &archive, &e)) {
		read_all(archive.p, archive.n, &second, NULL);
		/* Directories get a slash: compare without. */
		if (!memmem(first.p, first.n, "5 ", 2) && (first.n != second.n || memcmp(first.p, second.p, first.n)))
			bug("written and read again it differs:\n%s\n%s", first.p, second.p);
	}
	close(fd);
	free(copy);
	return 0;
}
