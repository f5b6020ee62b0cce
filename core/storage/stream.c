/* SPDX-License-Identifier: MIT */
/*
 * core/storage/stream.c - streams over descriptors and memory, hashed on the way
 *
 * Theory of operation
 *   A stream is one function.  What wraps another stream has struct stream as its first member
 *   and is found again by a cast.  Reads may be short; 0 is the end, and stays the end.
 */
#include "storage/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DRAIN_BLOCK 65536

static ssize_t fd_stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct fd_stream *f = (struct fd_stream *)s;
	ssize_t got;

	do
		got = read(f->fd, p, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_set(e, errno, "reading the archive");
	f->total += got;
	if (f->sha256)
		sha256_update(f->sha256, p, (size_t)got);
	return got;
}

/* The pages themselves, from a pipe or a file. */
static ssize_t fd_stream_pass(struct stream *s, int pipefd, size_t n, struct err *e)
{
	struct fd_stream *f = (struct fd_stream *)s;
	ssize_t moved;

	do
		moved = splice(f->fd, NULL, pipefd, NULL, n, SPLICE_F_MOVE);
	while (moved < 0 && errno == EINTR);
	if (moved < 0)
		return err_set(e, errno, "passing on the archive");
	f->total += moved;
	return moved;
}

void fd_stream_init(struct fd_stream *f, int fd, struct sha256 *sha256)
{
	*f = (struct fd_stream){ { fd_stream_read, sha256 ? NULL : fd_stream_pass }, fd, 0, sha256 };
}

static ssize_t hash_stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct hash_stream *h = (struct hash_stream *)s;
	ssize_t got = h->in->read(h->in, p, n, e);

	if (got > 0) {
		h->total += got;
		if (h->sha256)
			sha256_update(h->sha256, p, (size_t)got);
	}
	return got;
}

void hash_stream_init(struct hash_stream *h, struct stream *in, struct sha256 *sha256)
{
	*h = (struct hash_stream){ { hash_stream_read, NULL }, in, 0, sha256 };
}

static ssize_t mem_stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct mem_stream *m = (struct mem_stream *)s;

	if (n > m->n)
		n = m->n;
	if (n)
		memcpy(p, m->p, n);
	m->p += n;
	m->n -= n;
	return (ssize_t)n;
}

void mem_stream_init(struct mem_stream *m, const void *p, size_t n)
{
	*m = (struct mem_stream){ { mem_stream_read, NULL }, p, n };
}

ssize_t stream_read_full(struct stream *s, void *p, size_t n, struct err *e)
{
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = s->read(s, (char *)p + done, n - done, e);
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int stream_drain(struct stream *s, struct err *e)
{
	cleanup_free char *block = xmalloc(DRAIN_BLOCK);
	ssize_t got;

	do
		got = s->read(s, block, DRAIN_BLOCK, e);
	while (got > 0);
	return got < 0 ? -1 : 0;
}
