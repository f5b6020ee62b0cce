/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_write.c - write a tar archive, the same bytes for the same entries
 *
 * Theory of operation
 *   Headers are ustar.  What its fields cannot hold goes into a pax header ahead: long names that
 *   do not split at a slash, sizes from 8 GiB, ids from 2^21, times before 1970 or with
 *   nanoseconds, extended attributes.  Nothing in an archive depends on the machine, the time or
 *   the user it was written by.
 *
 *   Small pieces gather in a buffer, large ones are written as they come.
 */
#include "storage/pax.h"
#include "storage/tar.h"
#include "storage/tar_header.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>

#define BUFFER_SIZE 65536
#define SEND_MAX (1 << 30) /* bytes; sendfile(2) takes at most 2 GiB */

struct tar_writer {
	int fd;
	int64_t left;	  /* data of the current entry still to come */
	_Atomic int64_t total;
	unsigned int pad; /* and what fills its last block */
	size_t n;
	char buffer[BUFFER_SIZE];
};

struct tar_writer *tar_writer_new(int fd)
{
	struct tar_writer *w = xcalloc(1, sizeof(*w));

	w->fd = fd;
	return w;
}

void tar_writer_free(struct tar_writer *w)
{
	free(w);
}

int64_t tar_writer_total(const struct tar_writer *w)
{
	return w->total;
}

static int flush(struct tar_writer *w, struct err *e)
{
	if (fd_write_full(w->fd, w->buffer, w->n))
		return err_set(e, errno, "writing the archive");
	w->n = 0;
	return 0;
}

static int put(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	w->total += (int64_t)n;
	if (n > sizeof(w->buffer) - w->n && flush(w, e))
		return -1;
	if (n >= sizeof(w->buffer)) {
		if (fd_write_full(w->fd, p, n))
			return err_set(e, errno, "writing the archive");
		return 0;
	}
	memcpy(w->buffer + w->n, p, n);
	w->n += n;
	return 0;
}

static int put_zeros(struct tar_writer *w, size_t n, struct err *e)
{
	static const char zeros[2 * TAR_BLOCK];

	return put(w, zeros, n, e);
}

static unsigned int padding(int64_t size)
{
	return (unsigned int)(-(uint64_t)size % TAR_BLOCK);
}

/* The name as ustar has it, split at a slash if need be; -1 if it does not fit. */
static int put_name(struct tar_header *h, const char *path, size_t n)
{
	size_t at;

	if (n <= sizeof(h->name)) {
		memcpy(h->name, path, n);
		return 0;
	}
	/* The leftmost slash that leaves no more than fits behind it; not a trailing one. */
	for (at = n - sizeof(h->name) - 1; at < n - 1 && at <= sizeof(h->prefix); at++) {
		if (path[at] != '/' || !at)
			continue;
		memcpy(h->prefix, path, at);
		memcpy(h->name, path + at + 1, n - at - 1);
		return 0;
	}
	memcpy(h->name, path, sizeof(h->name));
	return -1;
}

static void put_number(char *field, size_t width, int64_t v, const char *key, struct buf *pax)
{
	if (!tar_format_octal(field, width, v))
		return;
	tar_format_octal(field, width, 0);
	if (key)
		pax_addf(pax, key, "%lld", (long long)v);
}

static void put_mtime(struct tar_header *h, int64_t ns, struct buf *pax)
{
	int64_t s = ns / NS_PER_S, part = ns % NS_PER_S;

	if (!part) {
		put_number(h->mtime, sizeof(h->mtime), s, "mtime", pax);
		return;
	}
	tar_format_octal(h->mtime, sizeof(h->mtime), s < 0 ? 0 : s);
	pax_addf(pax, "mtime", "%s%lld.%09lld", ns < 0 ? "-" : "", (long long)(s < 0 ? -s : s),
		(long long)(part < 0 ? -part : part));
}

static void put_text(char *field, size_t width, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n < width)
		memcpy(field, text ? text : "", n);
}

static void put_xattrs(const struct tar_entry *en, struct buf *pax)
{
	size_t i;

	for (i = 0; i < en->n_xattrs; i++) {
		cleanup_free char *key = xasprintf("SCHILY.xattr.%s", en->xattrs[i].name);

		pax_add(pax, key, en->xattrs[i].value, en->xattrs[i].len);
	}
}

static void finish_header(struct tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	tar_set_checksum(h);
}

/* The header; what it cannot say goes to @pax. */
static void fill_header(struct tar_header *h, const struct tar_entry *en, int64_t size, struct buf *pax)
{
	cleanup_free char *path = NULL;
	size_t n = strlen(en->path);
	bool slash = en->type == '5' && (!n || en->path[n - 1] != '/');

	path = xasprintf("%s%s", en->path, slash ? "/" : "");
	*h = (struct tar_header){ .typeflag = en->type };
	if (put_name(h, path, n + slash))
		pax_add(pax, "path", path, n + slash);
	if (en->link && strlen(en->link) <= sizeof(h->linkname))
		memcpy(h->linkname, en->link, strlen(en->link));
	else if (en->link)
		pax_add(pax, "linkpath", en->link, strlen(en->link));
	put_number(h->mode, sizeof(h->mode), en->mode & 07777, NULL, pax);
	put_number(h->uid, sizeof(h->uid), en->uid, "uid", pax);
	put_number(h->gid, sizeof(h->gid), en->gid, "gid", pax);
	put_number(h->size, sizeof(h->size), size, "size", pax);
	put_mtime(h, en->mtime_ns, pax);
	put_text(h->uname, sizeof(h->uname), en->uname);
	put_text(h->gname, sizeof(h->gname), en->gname);
	put_number(h->devmajor, sizeof(h->devmajor), en->dev_major, NULL, pax);
	put_number(h->devminor, sizeof(h->devminor), en->dev_minor, NULL, pax);
	put_xattrs(en, pax);
	finish_header(h);
}

static int put_pax(struct tar_writer *w, const struct tar_entry *en, const struct buf *pax, struct err *e)
{
	struct tar_header h = { .typeflag = 'x' };
	const char *base = strrchr(en->path, '/');
	char name[sizeof(h.name) + 1];

	snprintf(name, sizeof(name), "PaxHeaders.0/%s", base && base[1] ? base + 1 : en->path);
	memcpy(h.name, name, strlen(name));
	tar_format_octal(h.mode, sizeof(h.mode), 0644);
	tar_format_octal(h.uid, sizeof(h.uid), 0);
	tar_format_octal(h.gid, sizeof(h.gid), 0);
	tar_format_octal(h.size, sizeof(h.size), (int64_t)pax->n);
	tar_format_octal(h.mtime, sizeof(h.mtime), 0);
	finish_header(&h);
	return put(w, &h, sizeof(h), e) || put(w, pax->p, pax->n, e) ||
			       put_zeros(w, padding((int64_t)pax->n), e) ?
		       -1 :
		       0;
}

static int end_entry(struct tar_writer *w, struct err *e)
{
	if (w->left)
		return err_set(e, 0, "writing the archive: an entry is %lld bytes short",
			(long long)w->left);
	if (put_zeros(w, w->pad, e))
		return -1;
	w->pad = 0;
	return 0;
}

int tar_write_entry(struct tar_writer *w, const struct tar_entry *entry, struct err *e)
{
	int64_t size = entry->type == '0' ? entry->size : 0;
	cleanup_buf struct buf pax = BUF_INIT;
	struct tar_header h;

	if (end_entry(w, e))
		return -1;
	fill_header(&h, entry, size, &pax);
	if ((pax.n && put_pax(w, entry, &pax, e)) || put(w, &h, sizeof(h), e))
		return -1;
	w->left = size;
	w->pad = padding(size);
	return 0;
}

int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	if ((int64_t)n > w->left)
		return err_set(e, 0, "writing the archive: an entry is %lld bytes too long",
			(long long)n - w->left);
	if (put(w, p, n, e))
		return -1;
	w->left -= (int64_t)n;
	return 0;
}

/* Straight from the page cache, where the kernel can: 0 when @n bytes, or all there are, are written. */
static int send_file(struct tar_writer *w, int fd, int64_t *n, struct err *e)
{
	ssize_t sent = 1;

	while (*n && sent) {
		sent = sendfile(w->fd, fd, NULL, *n < SEND_MAX ? (size_t)*n : SEND_MAX);
		if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
			return 0; /* not with these files: they are read and written */
		if (sent < 0 && errno != EINTR)
			return err_set(e, errno, "writing the archive");
		if (sent > 0) {
			*n -= sent;
			w->left -= sent;
			w->total += sent;
		}
	}
	return 0;
}

int tar_write_file(struct tar_writer *w, int fd, int64_t n, struct err *e)
{
	cleanup_free char *block = NULL;
	ssize_t got = 1;

	if (n > w->left)
		return err_set(e, 0, "writing the archive: an entry is too long");
	if (n >= BUFFER_SIZE && (flush(w, e) || send_file(w, fd, &n, e)))
		return -1;
	block = n ? xmalloc(BUFFER_SIZE) : NULL;
	while (n) {
		size_t want = n < BUFFER_SIZE ? (size_t)n : BUFFER_SIZE;

		if (got)
			got = fd_read_full(fd, block, want);
		if (got < 0)
			return err_set(e, errno, "reading");
		if ((size_t)got < want)
			memset(block + got, 0, want - (size_t)got);
		if (tar_write_data(w, block, want, e))
			return -1;
		n -= (int64_t)want;
	}
	return 0;
}

int tar_write_end(struct tar_writer *w, struct err *e)
{
	return end_entry(w, e) || put_zeros(w, 2 * TAR_BLOCK, e) || flush(w, e) ? -1 : 0;
}
