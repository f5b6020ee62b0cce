/* SPDX-License-Identifier: MIT */
/*
 * core/engine/context_role.c - the process that looks into a build's context (role ":context")
 *
 * Theory of operation
 *   It gives up all powers and every file but its descriptors first (core/storage/sandbox.h).  Then it
 *   reads the archive through once and keeps an index: what each name is, where links lead, and a
 *   digest of each file, which is all that decides whether a step of a build has to be done again.
 *   A name told twice is what it is last, as it would be on disk; directories that only names below
 *   them speak of are there too.  What is to be copied is found by a second reading.
 *
 *   A digest is of type, mode, size and link, and of the content; times and owners do not count.
 *   That of a directory is made of those of everything below, with the names, in their order.
 *
 *   Descriptors: context.h.
 */
#include "base/fs.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "engine/context.h"
#include "image/dockerignore.h"
#include "storage/sandbox.h"
#include "storage/tar.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUEST_MAX (16 << 20)	/* bytes */
#define ENTRIES_MAX (1 << 20)	/* of an archive */
#define LINKS_MAX 255		/* to follow for one name */
#define BLOCK 65536

struct item {
	char *path; /* cleaned: "a/b", "" is the root */
	char type;  /* as in an archive; '5' also where only its content was told */
	char *link;
	long entry; /* number of the entry it comes from, -1: none */
	char digest[65];
};

struct index {
	struct item *items;
	size_t n;
	json_t *by_path; /* path -> number of the item */
};

/* The archive, read by pread: readings do not disturb each other. */
struct source {
	struct stream s;
	int fd;
	off_t at;
};

static ssize_t source_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct source *src = (struct source *)s;
	ssize_t got = pread(src->fd, p, n, src->at);

	if (got < 0)
		return err_set(e, errno, "reading the build context");
	src->at += got;
	return got;
}

static struct source source_of(int fd)
{
	return (struct source){{source_read}, fd, 0};
}

/* --- the index ---------------------------------------------------------------------------------- */

static struct item *find(const struct index *x, const char *path)
{
	const json_t *at = json_object_get(x->by_path, path);

	return at ? &x->items[json_integer_value(at)] : NULL;
}

static struct item *add(struct index *x, const char *path)
{
	struct item *i = find(x, path);

	if (!i) {
		json_set_int(x->by_path, path, (int64_t)x->n);
		if (!(x->n & (x->n - 1)))
			x->items = xreallocarray(x->items, x->n ? x->n * 2 : 1, sizeof(*x->items));
		i = &x->items[x->n++];
		*i = (struct item){.path = xstrdup(path), .type = '5', .entry = -1};
	}
	return i;
}

/* Directories on the way to @path. */
static void add_parents(struct index *x, const char *path)
{
	cleanup_free char *copy = xstrdup(path);
	char *slash;

	while ((slash = strrchr(copy, '/'))) {
		*slash = 0;
		if (find(x, copy))
			return;
		add(x, copy);
	}
}

/* "./a//b/" -> "a/b"; NULL if it climbs out. To free(). */
static char *clean(const char *name)
{
	char *absolute = xasprintf("/%s", name), *path = fs_clean_path(absolute);

	free(absolute);
	memmove(path, path + 1, strlen(path));
	return path;
}

static int digest_data(struct tar_reader *t, struct sha256 *sha, struct err *e)
{
	char block[BLOCK];
	ssize_t n;

	while ((n = tar_read(t, block, sizeof(block), e)) > 0)
		sha256_update(sha, block, (size_t)n);
	return n < 0 ? -1 : 0;
}

static int digest_entry(struct tar_reader *t, const struct tar_entry *entry, struct item *i, struct err *e)
{
	unsigned char raw[SHA256_LEN];
	char head[64];
	struct sha256 sha;
	int n = snprintf(head, sizeof(head), "%c %o %lld", entry->type, (unsigned int)entry->mode & 07777,
		(long long)(entry->type == '0' ? entry->real_size : 0));

	sha256_init(&sha);
	sha256_update(&sha, head, (size_t)n + 1);
	sha256_update(&sha, entry->link, strlen(entry->link) + 1);
	if (digest_data(t, &sha, e))
		return -1;
	sha256_final(&sha, raw);
	hex_encode(raw, sizeof(raw), i->digest);
	return 0;
}

static int index_entry(struct index *x, struct tar_reader *t, const struct tar_entry *entry, long number,
	struct err *e)
{
	cleanup_free char *path = clean(entry->path), *link = NULL;
	struct item *i, *target;

	if (x->n >= ENTRIES_MAX)
		return err_kind(e, ERR_INVALID, "the build context has more than %d files", ENTRIES_MAX);
	add_parents(x, path);
	i = add(x, path);
	free(i->link);
	i->type = entry->type;
	i->entry = number;
	i->link = xstrdup(entry->link);
	if (digest_entry(t, entry, i, e))
		return -1;
	if (entry->type != '1')
		return 0;
	/* A hard link is the file that it names. */
	link = clean(entry->link);
	target = find(x, link);
	if (!target)
		return err_kind(e, ERR_INVALID, "a hard link to a file that the archive does not have: %s", path);
	i->type = target->type;
	i->entry = target->entry;
	memcpy(i->digest, target->digest, sizeof(i->digest));
	free(i->link);
	i->link = xstrdup(target->link);
	return 0;
}

static int make_index(struct index *x, struct err *e)
{
	struct source src = source_of(CONTEXT_ARCHIVE_FD);
	struct tar_reader *t = tar_reader_new(&src.s);
	const struct tar_entry *entry;
	long number = 0;
	int rc;

	*x = (struct index){.by_path = json_object()};
	add(x, "");
	while ((rc = tar_next(t, &entry, e)) > 0)
		if (index_entry(x, t, entry, number++, e)) {
			rc = -1;
			break;
		}
	tar_reader_free(t);
	return rc;
}

/* Take a name out again: a directory stays. */
static void hide(struct index *x, const char *path)
{
	struct item *i = find(x, path), *last = &x->items[x->n - 1];

	if (!i || i->type == '5')
		return;
	json_object_del(x->by_path, i->path);
	free(i->path);
	free(i->link);
	x->n--;
	if (i == last)
		return;
	*i = *last;
	json_set_int(x->by_path, i->path, i - x->items);
}

/* What @path is in the end, its links followed inside the context; NULL: nothing. */
static struct item *resolve(const struct index *x, const char *path)
{
	cleanup_free char *left = clean(path);
	cleanup_buf struct buf done = BUF_INIT;
	struct item *i = find(x, "");
	int links = 0;

	while (*left) {
		size_t n = strcspn(left, "/"), before = done.n;
		char *rest;

		buf_addf(&done, "%s%.*s", done.n ? "/" : "", (int)n, left);
		i = find(x, done.p);
		if (!i)
			return NULL;
		rest = xstrdup(left + n + (left[n] == '/'));
		free(left);
		left = rest;
		if (i->type != '2')
			continue;
		if (++links > LINKS_MAX)
			return NULL;
		done.n = before;
		done.p[done.n] = 0;
		rest = *i->link == '/' ? xasprintf("%s/%s", i->link, left) : xasprintf("%s/%s/%s", done.p, i->link, left);
		free(left);
		left = clean(rest);
		free(rest);
		buf_reset(&done);
		i = find(x, "");
	}
	return i;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (!strncmp(path, dir, n) && path[n] == '/');
}

/* --- match --------------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct item *const *)a)->path, (*(struct item *const *)b)->path);
}

static struct item **sorted(const struct index *x)
{
	struct item **all = xcalloc(x->n, sizeof(struct item *));
	size_t i;

	for (i = 0; i < x->n; i++)
		all[i] = &x->items[i];
	qsort(all, x->n, sizeof(*all), by_path);
	return all;
}

static void digest_dir(const struct index *x, struct item *const *all, const struct item *dir, char out[65])
{
	size_t skip = strlen(dir->path) + (*dir->path != 0), i;
	unsigned char raw[SHA256_LEN];
	struct sha256 sha;

	sha256_init(&sha);
	for (i = 0; i < x->n; i++) {
		if (!is_below(all[i]->path, dir->path) || all[i] == dir)
			continue;
		sha256_update(&sha, all[i]->path + skip, strlen(all[i]->path + skip) + 1);
		sha256_update(&sha, all[i]->digest, strlen(all[i]->digest) + 1);
	}
	sha256_final(&sha, raw);
	hex_encode(raw, sizeof(raw), out);
}

/* Skip to entry @number, whose data comes next. */
static int go_to(struct tar_reader *t, long number, const struct tar_entry **entry, struct err *e)
{
	long i;
	int rc;

	for (i = 0; i <= number; i++)
		if ((rc = tar_next(t, entry, e)) <= 0)
			return rc ? -1 : err_set(e, EIO, "reading the build context again");
	return 0;
}

struct data_stream {
	struct stream s;
	struct tar_reader *t;
};

static ssize_t data_read(struct stream *s, void *p, size_t n, struct err *e)
{
	return tar_read(((struct data_stream *)s)->t, p, n, e);
}

/* Is the file an archive, compressed or not, with at least one entry? */
static bool is_archive(const struct item *i)
{
	struct source src = source_of(CONTEXT_ARCHIVE_FD);
	struct tar_reader *t = tar_reader_new(&src.s), *inner;
	struct data_stream data = {{data_read}, t};
	struct inflater *inflater = inflater_new(&data.s);
	const struct tar_entry *entry;
	bool yes = false;

	if (!go_to(t, i->entry, &entry, NULL) && entry->real_size) {
		inner = tar_reader_new(inflater_stream(inflater));
		yes = tar_next(inner, &entry, NULL) > 0;
		tar_reader_free(inner);
	}
	inflater_free(inflater);
	tar_reader_free(t);
	return yes;
}

static void add_match(const struct index *x, struct item *const *all, const char *name, const struct item *i, bool sniff,
	json_t *out)
{
	char digest[65];
	json_t *m = json_object();

	json_set_str(m, "path", i->path);
	json_set_str(m, "name", strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
	json_set_bool(m, "dir", i->type == '5');
	if (i->type == '5')
		digest_dir(x, all, i, digest);
	json_set_str(m, "hash", i->type == '5' ? digest : i->digest);
	if (sniff && i->type == '0')
		json_set_bool(m, "archive", is_archive(i));
	json_array_append_new(out, m);
}

static int match(const struct index *x, const json_t *request, json_t *out, struct err *e)
{
	struct item **all = sorted(x);
	bool sniff = json_bool(request, "sniff", false);
	const json_t *p;
	size_t i, k;
	int rc = 0;

	json_array_foreach(json_arr(request, "patterns"), i, p) {
		cleanup_free char *pattern = clean(json_string_value(p));
		const struct item *one = strpbrk(pattern, "*?[\\") ? NULL : resolve(x, pattern);

		if (one)
			add_match(x, all, pattern, one, sniff, out);
		else if (!strpbrk(pattern, "*?[\\"))
			rc = err_kind(e, ERR_NOT_FOUND,
				"file not found in build context or excluded by .dockerignore: stat %s: file does not exist",
				pattern);
		else
			for (k = 0; k < x->n; k++)
				if (!fnmatch(pattern, all[k]->path, FNM_PATHNAME) && (one = resolve(x, all[k]->path)))
					add_match(x, all, all[k]->path, one, sniff, out);
		if (rc)
			break;
	}
	free(all);
	return rc;
}

/* --- file, content, pack ---------------------------------------------------------------------------- */

/* Data of entry @number: to @put, or (@text) to a buffer of at most CONTEXT_FILE_MAX. */
static int read_entry(long number, struct buf *text, int out, struct err *e)
{
	struct source src = source_of(CONTEXT_ARCHIVE_FD);
	struct tar_reader *t = tar_reader_new(&src.s);
	const struct tar_entry *entry;
	char block[BLOCK];
	ssize_t n = -1;
	int rc = go_to(t, number, &entry, e);

	while (!rc && (n = tar_read(t, block, sizeof(block), e)) > 0) {
		if (text && text->n + (size_t)n > CONTEXT_FILE_MAX)
			rc = err_kind(e, ERR_INVALID, "the Dockerfile or .dockerignore is larger than %d bytes",
				CONTEXT_FILE_MAX);
		else if (text)
			buf_add(text, block, (size_t)n);
		else if (fd_write_full(out, block, (size_t)n))
			rc = err_set(e, errno, "writing");
	}
	tar_reader_free(t);
	return rc || n < 0 ? -1 : 0;
}

static json_t *file(const struct index *x, const char *path, struct err *e)
{
	const struct item *i = resolve(x, path);
	cleanup_buf struct buf text = BUF_INIT;

	if (!i || i->type != '0') {
		err_kind(e, ERR_NOT_FOUND, "no such file: %s", path);
		return NULL;
	}
	return read_entry(i->entry, &text, -1, e) ? NULL : json_textn(text.p, text.n);
}

static int hidden(const struct index *x, const char *dockerfile, json_t *out, struct err *e)
{
	cleanup_free char *path = clean(dockerfile);
	const char *const names[] = {".dockerignore", path};
	const struct item *it = resolve(x, ".dockerignore");
	cleanup_buf struct buf text = BUF_INIT;
	struct ignore *g;
	size_t i;

	if (!it || it->type != '0')
		return 0;
	if (read_entry(it->entry, &text, -1, e) || !(g = ignore_parse((struct span){text.p, text.n}, e)))
		return err_wrap(e, "reading .dockerignore");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (ignore_matches(g, names[i]))
			json_append_str(out, names[i]);
	ignore_free(g);
	return 0;
}

static int write_entry(struct tar_writer *w, struct tar_reader *t, const struct tar_entry *entry, char type,
	const char *to, struct err *e)
{
	struct tar_entry out = *entry;
	char block[BLOCK];
	int64_t left;
	ssize_t n;

	out.path = to;
	out.type = type;
	out.uid = out.gid = 0;
	out.uname = out.gname = NULL;
	out.link = type == '2' ? entry->link : NULL;
	out.size = type == '0' ? entry->real_size : 0;
	out.sparse = NULL;
	out.n_sparse = 0;
	if (tar_write_entry(w, &out, e))
		return -1;
	for (left = out.size; left; left -= n) {
		n = tar_read(t, block, left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block), e);
		if (n <= 0)
			return n ? -1 : err_set(e, EIO, "a file of the build context is shorter than it says");
		if (tar_write_data(w, block, (size_t)n, e))
			return -1;
	}
	return 0;
}

static int by_entry(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	return x->entry != y->entry ? (x->entry < y->entry ? -1 : 1) : strcmp(x->path, y->path);
}

/* What is to be packed, in the order of the archive; directories that no entry describes are made for what
 * is in them. */
static struct item **chosen(const struct index *x, const struct item *root, size_t *n)
{
	struct item **all = xcalloc(x->n, sizeof(struct item *));
	size_t i;

	for (*n = i = 0; i < x->n; i++) {
		struct item *it = &x->items[i];

		if (it->entry >= 0 && (root->type == '5' ? it != root && is_below(it->path, root->path) : it == root))
			all[(*n)++] = it;
	}
	qsort(all, *n, sizeof(*all), by_entry);
	return all;
}

/* One reading of the archive; names of one entry are hard links of the first of them. */
static int write_items(const struct index *x, struct tar_writer *w, const struct item *root, const char *to,
	struct err *e)
{
	size_t skip = strlen(root->path) + (*root->path != 0), n, i;
	struct source src = source_of(CONTEXT_ARCHIVE_FD);
	struct tar_reader *t = tar_reader_new(&src.s);
	struct item **all = chosen(x, root, &n);
	cleanup_free char *first = NULL;
	const struct tar_entry *entry = NULL;
	long at = -1;
	int rc = 0;

	for (i = 0; i < n && !rc; i++) {
		char *name = all[i] == root ? xstrdup(to) :
					      xasprintf("%s%s%s", to, *to ? "/" : "", all[i]->path + skip);

		if (i && all[i]->entry == at) {
			rc = tar_write_entry(w, &(struct tar_entry){.type = '1', .path = name, .link = first,
				.atime_ns = INT64_MIN}, e);
			free(name);
			continue;
		}
		rc = go_to(t, all[i]->entry - at - 1, &entry, e) || write_entry(w, t, entry, all[i]->type, name, e);
		at = all[i]->entry;
		free(first);
		first = name;
	}
	free(all);
	tar_reader_free(t);
	return rc ? -1 : 0;
}

static int pack(struct index *x, const char *path, const char *to, struct err *e)
{
	const struct item *root = find(x, path);
	struct tar_writer *w = tar_writer_new(CONTEXT_DATA_FD);
	int rc = root ? write_items(x, w, root, to, e) : err_set(e, ENOENT, "packing %s", path);

	if (!rc)
		rc = tar_write_end(w, e);
	tar_writer_free(w);
	return rc;
}

static int content(const struct index *x, const char *path, struct err *e)
{
	const struct item *i = find(x, path);

	return i ? read_entry(i->entry, NULL, CONTEXT_DATA_FD, e) : err_set(e, ENOENT, "reading %s", path);
}

/* --- all ---------------------------------------------------------------------------------------------- */

static int take(struct err *e)
{
	struct inflater *inflater;
	struct fd_stream in;
	char block[BLOCK];
	ssize_t n;

	fd_stream_init(&in, CONTEXT_ARCHIVE_FD, NULL);
	inflater = inflater_new(&in.s);
	while ((n = inflater_stream(inflater)->read(inflater_stream(inflater), block, sizeof(block), e)) > 0)
		if (fd_write_full(CONTEXT_DATA_FD, block, (size_t)n)) {
			n = err_set(e, errno, "storing the build context");
			break;
		}
	inflater_free(inflater);
	return n < 0 ? -1 : 0;
}

static json_t *work(const json_t *request, struct err *e)
{
	const char *op = json_str(request, "op", ""), *path = json_str(request, "path", "");
	cleanup_json json_t *out = json_array();
	struct index x;
	const json_t *h;
	size_t i;

	if (!strcmp(op, "take"))
		return take(e) ? NULL : json_true();
	if (make_index(&x, e))
		return NULL;
	json_array_foreach(json_arr(request, "hidden"), i, h)
		hide(&x, json_string_value(h));
	if (!strcmp(op, "file"))
		return file(&x, path, e);
	if (!strcmp(op, "hidden"))
		return hidden(&x, path, out, e) ? NULL : json_incref(out);
	if (!strcmp(op, "match"))
		return match(&x, request, out, e) ? NULL : json_incref(out);
	if (!strcmp(op, "pack"))
		return pack(&x, path, json_str(request, "to", ""), e) ? NULL : json_true();
	return content(&x, path, e) ? NULL : json_true();
}

static json_t *run(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *request = NULL;
	int root = dup(CONTEXT_ROOT_FD);

	if (fd_read_all(CONTEXT_REQUEST_FD, REQUEST_MAX, &text, e) || !(request = json_parse(text.p, text.n, e)))
		return NULL;
	proc_die_with_parent((pid_t)json_int(request, "parent", 0));
	if (root < 0 || sandbox_enter(root, CONTEXT_FDS_END, e))
		return NULL;
	return work(request, e);
}

int context_role_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	json_t *ok = run(&e), *answer = json_object();

	(void)argc, (void)argv;
	if (ok) {
		json_set_new(answer, "ok", ok);
	} else {
		json_set_str(answer, "error", e.msg);
		json_set_int(answer, "kind", e.kind);
		json_set_int(answer, "code", e.code);
	}
	json_print(answer, false, &text);
	return fd_write_full(CONTEXT_REPORT_FD, text.p, text.n) ? 1 : !ok;
}
