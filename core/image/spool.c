/* SPDX-License-Identifier: MIT */
/*
 * core/image/spool.c - an archive of images, kept while its parts are asked for
 *
 * Theory of operation
 *   The archive comes from a client and is hostile until shown otherwise.  Nothing of it becomes a
 *   path: data goes to one unlinked file, names to a table with a ceiling.  What looks like a layer is not
 *   kept but goes to who unpacks it, from pipe to pipe, while it comes in.  Blocks of zeros are not
 *   written but skipped, so an archive cannot fill the disk faster than its own bytes do, but for
 *   what a compressor made of something else than zeros; then the disk's end is the end.
 *
 *   To unpack a member a thread copies it from the file to a pipe, as layer_unpack() reads a
 *   descriptor to its end; the copy is what progress counts.
 */
#include "image/spool.h"
#include "base/clock.h"
#include "base/fs.h"
#include "storage/tar.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK (256 << 10)
#define BEGIN_SIZE 512 /* of a file, by which a layer is told */
#define PIPE_SIZE (1 << 20)
#define LINKS_MAX 8		 /* followed one after the other */
#define REPORT_NS (100 * NS_PER_MS) /* between two lines of progress */

/* --- filling -------------------------------------------------------------------------------------- */

static int open_file(const struct store *store, struct err *e)
{
	char name[64];
	int fd = openat(store->datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* Not every file system has nameless files (NFS, overlayfs before Linux 6.2). */
	snprintf(name, sizeof(name), "tmp/%sspool", store->draft_prefix);
	fd = openat(store->datafd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "making a file below tmp");
	unlinkat(store->datafd, name, 0);
	return fd;
}

static bool all_zero(const char *p, size_t n)
{
	return n && !*p && !memcmp(p, p + 1, n - 1);
}

static int keep(struct spool *s, const char *p, size_t n, struct err *e)
{
	size_t done;
	ssize_t put;

	for (done = 0; done < n && !all_zero(p, n); done += (size_t)put) {
		put = pwrite(s->fd, p + done, n - done, s->end + (int64_t)done);
		if (put < 0 && errno == EINTR)
			put = 0;
		if (put < 0)
			return err_set(e, errno, "keeping the archive below tmp");
	}
	s->end += (int64_t)n;
	return 0;
}

/* Append what is left of the current entry. */
static int copy_data(struct spool *s, struct tar_reader *t, char *chunk, struct err *e)
{
	ssize_t n;

	while ((n = tar_read(t, chunk, CHUNK, e)) > 0)
		if (keep(s, chunk, (size_t)n, e))
			return -1;
	return (int)n;
}

/* The data of a member, whose first @n bytes were read already, to who unpacks it. */
static int pass_data(struct tar_reader *t, int pipefd, const char *begin, size_t n, struct err *e)
{
	struct err why = ERR_INIT;

	/* Who gives up has a reason to tell to those who ask for the member. */
	if (fd_write_full(pipefd, begin, n))
		return errno == EPIPE ? 0 : err_set(e, errno, "passing on the archive");
	if (!tar_pass(t, pipefd, &why) || why.code == EPIPE)
		return 0;
	*e = why;
	return -1;
}

static int take_data(struct spool *s, struct tar_reader *t, struct member *m, char *chunk, struct err *e)
{
	cleanup_close int pipefd = -1;
	size_t n = 0;
	ssize_t got;

	while (n < BEGIN_SIZE && (got = tar_read(t, chunk + n, BEGIN_SIZE - n, e)) != 0) {
		if (got < 0)
			return -1;
		n += (size_t)got;
	}
	if (s->take && archive_begins(chunk, n))
		pipefd = s->take(s->take_arg, m->name, &m->ahead);
	if (pipefd == SPOOL_DROP)
		m->ahead = SPOOL_DROP;
	if (pipefd == -1)
		return keep(s, chunk, n, e) || copy_data(s, t, chunk, e) ? -1 : 0;
	return pipefd >= 0 ? pass_data(t, pipefd, chunk, n, e) : 0;
}

/* The name as a key: without "./", "//" and a leading '/'. NULL if it climbs out or is no name. */
static char *clean_name(const char *name)
{
	char *clean = fs_clean_path(name), *rel;

	rel = xstrdup(clean + (*clean == '/'));
	free(clean);
	if (!strncmp(rel, "../", 3) || !strcmp(rel, "..")) {
		free(rel);
		return NULL;
	}
	return rel;
}

/* What a symbolic link at @name means; NULL if that is outside. */
static char *link_name(const char *name, const char *target)
{
	const char *slash = strrchr(name, '/');
	cleanup_free char *joined = NULL;

	if (*target == '/' || !slash)
		return clean_name(target);
	joined = xasprintf("%.*s/%s", (int)(slash - name), name, target);
	return clean_name(joined);
}

static int add_member(struct spool *s, const struct tar_entry *entry, struct err *e)
{
	cleanup_free char *name = clean_name(entry->path), *link = NULL;
	struct member *m;

	if (!name)
		return err_kind(e, ERR_INVALID, "invalid entry name \"%s\"", entry->path);
	if (entry->sparse)
		return err_kind(e, ERR_INVALID, "%s: sparse files are not expected in an image archive", name);
	if (entry->type == '1')
		link = clean_name(entry->link);
	if (entry->type == '2')
		link = link_name(name, entry->link);
	if (entry->type != '0' && !link)
		return 0;
	s->names += strlen(name) + (link ? strlen(link) : 0);
	if (s->n == SPOOL_MEMBERS_MAX || s->names > SPOOL_NAMES_MAX) {
		err_kind(e, ERR_INVALID, "the archive has more than %d files, or too long names", SPOOL_MEMBERS_MAX);
		return err_hint(e, "is it the file system of a container? 'docker import' takes that");
	}
	if (!(s->n & (s->n - 1)))
		s->at = xreallocarray(s->at, s->n ? 2 * s->n : 1, sizeof(*s->at));
	m = &s->at[s->n++];
	*m = (struct member){.name = steal(&name), .link = steal(&link), .offset = s->end,
		.size = entry->type == '0' ? entry->size : 0, .order = s->n - 1, .ahead = -1};
	return 0;
}

static int by_name(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	int c = strcmp(a->name, b->name);

	/* Of several with one name the last one counts. */
	return c ? c : (a->order < b->order) - (a->order > b->order);
}

static int read_all(struct spool *s, struct tar_reader *t, char *chunk, struct err *e)
{
	const struct tar_entry *entry;
	int rc;

	while ((rc = tar_next(t, &entry, e)) > 0) {
		if (entry->type != '0' && entry->type != '1' && entry->type != '2' && entry->type != '5')
			continue;
		if (add_member(s, entry, e) || (entry->type == '0' && take_data(s, t, &s->at[s->n - 1], chunk, e)))
			return -1;
	}
	if (rc)
		return -1;
	if (s->n)
		qsort(s->at, s->n, sizeof(*s->at), by_name);
	/* Zeros at the end were skipped: the file must still reach there. */
	return ftruncate(s->fd, s->end) ? err_set(e, errno, "keeping the archive below tmp") : 0;
}

int spool_fill(struct spool *s, const struct store *store, int in, struct err *e)
{
	cleanup_free char *chunk = xmalloc(CHUNK);
	struct fd_stream raw;
	struct inflater *plain;
	struct tar_reader *t;
	int rc;

	s->fd = open_file(store, e);
	if (s->fd < 0)
		return -1;
	fd_stream_init(&raw, in, NULL);
	plain = inflater_new(&raw.s);
	t = tar_reader_new(inflater_stream(plain));
	rc = read_all(s, t, chunk, e);
	tar_reader_free(t);
	if (!rc)
		rc = stream_drain(inflater_stream(plain), e);
	inflater_free(plain);
	return rc;
}

void spool_release(struct spool *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->at[i].name);
		free(s->at[i].link);
	}
	free(s->at);
	fd_close(&s->fd);
}

/* --- asking ---------------------------------------------------------------------------------------- */

static const struct member *lookup(const struct spool *s, const char *name)
{
	size_t lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(s->at[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && !strcmp(s->at[lo].name, name) ? &s->at[lo] : NULL;
}

const struct member *spool_find(const struct spool *s, const char *name)
{
	cleanup_free char *clean = clean_name(name);
	const struct member *m = clean ? lookup(s, clean) : NULL;
	int links;

	for (links = 0; m && m->link; links++)
		m = links < LINKS_MAX ? lookup(s, m->link) : NULL;
	return m;
}

static ssize_t read_at(const struct spool *s, int64_t offset, void *p, size_t n)
{
	ssize_t got;

	do
		got = pread(s->fd, p, n, offset);
	while (got < 0 && errno == EINTR);
	return got;
}

int spool_read(const struct spool *s, const char *name, size_t max, struct buf *out, struct err *e)
{
	const struct member *m = spool_find(s, name);
	ssize_t n;

	if (!m)
		return err_kind(e, ERR_INVALID, "open %s: no such file or directory in the archive", name);
	if (m->ahead != -1)
		return err_kind(e, ERR_INVALID, "%s is an archive", name);
	if ((uint64_t)m->size > max)
		return err_kind(e, ERR_INVALID, "%s is longer than %zu bytes", name, max);
	while (out->n < (size_t)m->size) {
		size_t want = (size_t)m->size - out->n;

		n = read_at(s, m->offset + (int64_t)out->n, buf_room(out, want), want);
		if (n <= 0)
			return err_set(e, n ? errno : EIO, "reading %s back", name);
		out->n += (size_t)n;
	}
	out->p[out->n] = 0;
	return 0;
}

/* --- unpacking ------------------------------------------------------------------------------------- */

struct copy {
	const struct spool *s;
	struct worker *w;
	const struct member *m;
	const char *id;
	int out; /* owned */
};

/* The file's pages, not copies of them, where the file system can (all but a few). */
static ssize_t pass_on(const struct copy *c, int64_t offset, size_t n, char **chunk)
{
	loff_t at = offset;
	ssize_t got;

	do
		got = *chunk ? -1 : splice(c->s->fd, &at, c->out, NULL, n, SPLICE_F_MOVE);
	while (got < 0 && !*chunk && errno == EINTR);
	if (got >= 0 || (!*chunk && errno != EINVAL))
		return got;
	if (!*chunk)
		*chunk = xmalloc(CHUNK);
	got = read_at(c->s, offset, *chunk, n);
	return got > 0 && fd_write_full(c->out, *chunk, (size_t)got) ? -1 : got;
}

static void *copy_main(void *arg)
{
	struct copy *c = arg;
	cleanup_free char *chunk = NULL;
	int64_t done = 0, told = 0, now;
	ssize_t n;

	while (done < c->m->size) {
		n = c->m->size - done < CHUNK ? (ssize_t)(c->m->size - done) : CHUNK;
		n = pass_on(c, c->m->offset + done, (size_t)n, &chunk);
		/* A short archive is for the reader to find: it knows how long it should be. */
		if (n <= 0)
			break;
		done += n;
		now = clock_mono_ns();
		if (c->id && (now - told > REPORT_NS || done == c->m->size)) {
			worker_status(c->w, c->id, "Loading layer", done, c->m->size);
			told = now;
		}
	}
	fd_close(&c->out);
	return NULL;
}

int spool_unpack(const struct spool *s, struct worker *w, const struct member *m, const char *id,
	 struct layer_draft *d, struct err *e)
{
	struct copy c = {s, w, m, id, -1};
	cleanup_close int in = -1;
	pthread_t thread;
	int p[2], rc;

	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	in = p[0];
	c.out = p[1];
	fcntl(c.out, F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one works too */
	rc = pthread_create(&thread, NULL, copy_main, &c);
	if (rc) {
		fd_close(&c.out);
		return err_set(e, rc, "starting a thread");
	}
	rc = layer_unpack(&w->store, NULL, in, 0, d, e);
	fd_close(&in); /* a copy that nobody reads ends */
	pthread_join(thread, NULL);
	return rc;
}
