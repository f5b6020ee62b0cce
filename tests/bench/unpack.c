/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/unpack.c - what this machine needs at least to pull an image
 *
 * usage: bench_unpack FILE BLOB...
 *
 * Inflates the blobs on all cores, hashes what they are and what comes out, writes as many bytes to
 * FILE and compresses them again: each alone, as if the others cost nothing.  Prints the seconds as
 * JSON; what is measured on one core is divided by their number.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "storage/tar.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK (256 << 10)

struct work {
	char **blobs;
	int n, next;
	int64_t packed, plain;
	pthread_mutex_t lock;
};

static void inflate_one(struct work *w, const char *path)
{
	cleanup_free char *chunk = xmalloc(CHUNK);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fd_stream in;
	struct inflater *i;
	struct err e;
	int64_t plain = 0;
	ssize_t n;

	fd_stream_init(&in, fd, NULL);
	i = inflater_new(&in.s);
	while ((n = inflater_stream(i)->read(inflater_stream(i), chunk, CHUNK, &e)) > 0)
		plain += n;
	inflater_free(i);
	pthread_mutex_lock(&w->lock);
	w->packed += in.total;
	w->plain += plain;
	pthread_mutex_unlock(&w->lock);
}

static void *inflate_some(void *arg)
{
	struct work *w = arg;
	int mine;

	for (;;) {
		pthread_mutex_lock(&w->lock);
		mine = w->next++;
		pthread_mutex_unlock(&w->lock);
		if (mine >= w->n)
			return NULL;
		inflate_one(w, w->blobs[mine]);
	}
}

static double inflate_all(struct work *w)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t *threads = xcalloc((size_t)cores, sizeof(*threads));
	int64_t start = clock_mono_ns();

	for (i = 0; i < cores; i++)
		pthread_create(&threads[i], NULL, inflate_some, w);
	for (i = 0; i < cores; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return (double)(clock_mono_ns() - start) / NS_PER_S;
}

static double hash_all(int64_t bytes)
{
	cleanup_free char *chunk = xcalloc(1, CHUNK);
	int64_t start = clock_mono_ns();
	char digest[DIGEST_MAX];
	struct sha256 sha;

	sha256_init(&sha);
	for (; bytes > 0; bytes -= CHUNK)
		sha256_update(&sha, chunk, CHUNK);
	sha256_digest(&sha, digest);
	return (double)(clock_mono_ns() - start) / NS_PER_S / (double)sysconf(_SC_NPROCESSORS_ONLN);
}

static double write_all(const char *path, int64_t bytes)
{
	cleanup_free char *chunk = xcalloc(1, CHUNK);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int64_t start = clock_mono_ns();

	for (; bytes > 0; bytes -= CHUNK)
		if (fd_write_full(fd, chunk, CHUNK))
			perror(path);
	fdatasync(fd);
	close(fd);
	unlink(path);
	return (double)(clock_mono_ns() - start) / NS_PER_S;
}

/* Compress what the blobs hold. */
static double deflate_all(struct work *w)
{
	cleanup_free char *chunk = xmalloc(CHUNK);
	int64_t took = 0;
	int i;

	for (i = 0; i < w->n; i++) {
		cleanup_close int fd = open(w->blobs[i], O_RDONLY | O_CLOEXEC);
		cleanup_buf struct buf plain = BUF_INIT;
		struct mem_stream mem;
		struct fd_stream in;
		struct inflater *inflater;
		struct deflater *d;
		int64_t start;
		struct err e;
		ssize_t n;

		fd_stream_init(&in, fd, NULL);
		inflater = inflater_new(&in.s);
		while ((n = inflater_stream(inflater)->read(inflater_stream(inflater), chunk, CHUNK, &e)) > 0)
			buf_add(&plain, chunk, (size_t)n);
		inflater_free(inflater);
		mem_stream_init(&mem, plain.p, plain.n);
		d = deflater_new(&mem.s);
		start = clock_mono_ns();
		while (deflater_stream(d)->read(deflater_stream(d), chunk, CHUNK, &e) > 0)
			continue;
		took += clock_mono_ns() - start;
		deflater_free(d);
	}
	return (double)took / NS_PER_S / (double)sysconf(_SC_NPROCESSORS_ONLN);
}

int main(int argc, char **argv)
{
	struct work w = {.blobs = argv + 2, .n = argc - 2, .lock = PTHREAD_MUTEX_INITIALIZER};
	double inflate = inflate_all(&w);

	printf("{\"inflate\": %.3f, \"hash\": %.3f, \"hash_plain\": %.3f, \"write\": %.3f, \"deflate\": %.3f}\n", inflate,
		hash_all(w.packed + w.plain), hash_all(w.plain), write_all(argv[1], w.plain), deflate_all(&w));
	return 0;
}
