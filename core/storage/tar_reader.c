/* SPDX-License-Identifier: MIT */
/*
 * core/storage/tar_reader.c - read a tar archive, one entry at a time
 *
 * Theory of operation
 *   An entry is a header block and its data, padded to whole blocks.  Ahead of it may stand
 *   others that only describe it: pax records ('x'), GNU long names ('L', 'K').  They are
 *   gathered until a real header comes, then laid over what that one says: pax over the header,
 *   a GNU name over pax, as Go's archive/tar does.  Global pax headers ('g') are read and
 *   ignored, as Docker does.
 *
 *   Which fields a header has follows from its magic: ustar (POSIX, with a prefix for the name),
 *   GNU (times and sparse segments where the prefix would be), or neither (v7).
 *
 *   The archive ends at two zero blocks, or where the input ends between entries; padding behind
 *   the last one may be missing.  Input that ends anywhere else is an error.
 *
 *   With a recipe, every byte that tar_read() does not hand out is taken down (recipe.h).
 *
 * Limits: TAR_META_MAX for what describes one entry, TAR_PATH_MAX for names, TAR_SPARSE_MAX
 * segments, TAR_XATTRS_MAX attributes.  Sizes are checked to be sane, not to be there: a size
 * the input does not have ends as a truncated archive.
 */
#include "storage/pax.h"
#include "storage/recipe.h"
#include "storage/tar.h"
#include "storage/tar_header.h"
#include "storage/tar_reader.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SKIP_BLOCK 65536

struct tar_reader {
	struct stream *in;
	struct recipe *recipe; /* or NULL */
	int64_t left;	       /* bytes of data not read yet */
	unsigned int pad;      /* bytes behind them */
	bool ended;
	struct tar_header h;
	struct tar_entry entry;
	struct pax pax;
	struct buf pax_text, long_name, long_link;
	char *texts[4]; /* what the entry's strings point to */
};

struct tar_reader *tar_reader_new(struct stream *in)
{
	struct tar_reader *t = xcalloc(1, sizeof(*t));

	t->in = in;
	t->pax_text = t->long_name = t->long_link = (struct buf)BUF_INIT;
	return t;
}

void tar_reader_tap(struct tar_reader *t, struct recipe *recipe)
{
	t->recipe = recipe;
}

/* Forget the entry and what was said about it. */
static void reset(struct tar_reader *t)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t->texts); i++) {
		free(t->texts[i]);
		t->texts[i] = NULL;
	}
	for (i = 0; i < t->entry.n_xattrs; i++) {
		free(t->entry.xattrs[i].name);
		free(t->entry.xattrs[i].value);
	}
	free(t->entry.xattrs);
	free(t->entry.sparse);
	t->entry = (struct tar_entry){ 0 };
	pax_release(&t->pax);
	buf_reset(&t->pax_text);
	buf_reset(&t->long_name);
	buf_reset(&t->long_link);
}

void tar_reader_free(struct tar_reader *t)
{
	if (!t)
		return;
	reset(t);
	buf_release(&t->pax_text);
	buf_release(&t->long_name);
	buf_release(&t->long_link);
	free(t);
}

static int bad_header(struct err *e, const char *what)
{
	return err_kind(e, ERR_INVALID, "archive/tar: invalid tar header%s%s", *what ? ": " : "", what);
}

/* Bytes that are no file content: as many as there are, up to @n. */
static ssize_t take(struct tar_reader *t, void *p, size_t n, struct err *e)
{
	ssize_t got = stream_read_full(t->in, p, n, e);

	if (got > 0 && t->recipe)
		recipe_raw(t->recipe, p, (size_t)got);
	return got;
}

static int truncated(struct tar_reader *t, struct err *e)
{
	return err_kind(e, ERR_INVALID, "unexpected EOF: the archive ends inside %s",
		t->entry.path ? t->entry.path : "a header");
}

/* A whole block into @p. */
static int take_block(struct tar_reader *t, void *p, struct err *e)
{
	ssize_t got = take(t, p, TAR_BLOCK, e);

	if (got < 0)
		return -1;
	return got == TAR_BLOCK ? 0 : truncated(t, e);
}

/* Pass over the data of the last entry; 1 if the input ends in its padding. */
static int skip_data(struct tar_reader *t, struct err *e)
{
	cleanup_free char *block = NULL;
	ssize_t got;

	while (t->left) {
		size_t n = t->left < SKIP_BLOCK ? (size_t)t->left : SKIP_BLOCK;

		if (!block)
			block = xmalloc(SKIP_BLOCK);
		got = take(t, block, n, e);
		if (got < 0)
			return -1;
		t->left -= got;
		if ((size_t)got < n)
			return truncated(t, e);
	}
	if (t->pad) {
		char padding[TAR_BLOCK];

		got = take(t, padding, t->pad, e);
		if (got < 0)
			return -1;
		if ((unsigned int)got < t->pad)
			return 1;
		t->pad = 0;
	}
	return 0;
}

/* The next header block that is not zero: 1, 0 at the end, -1. */
static int next_block(struct tar_reader *t, struct err *e)
{
	bool seen_zero = false;
	ssize_t got;

	for (;;) {
		got = take(t, &t->h, TAR_BLOCK, e);
		if (got <= 0)
			return (int)got;
		if (got < TAR_BLOCK)
			return seen_zero ? 0 : truncated(t, e);
		if (!tar_is_zero(&t->h, TAR_BLOCK))
			break;
		if (seen_zero)
			return 0;
		seen_zero = true;
	}
	if (seen_zero || !tar_checksum_ok(&t->h))
		return bad_header(e, "");
	return 1;
}

static void set_left(struct tar_reader *t, int64_t size)
{
	t->left = size;
	t->pad = (unsigned int)(-(uint64_t)size % TAR_BLOCK);
}

/* The data of an entry that describes the next one, whole. */
static int take_meta(struct tar_reader *t, int64_t size, struct buf *out, struct err *e)
{
	ssize_t got;

	if (size < 0 || size > TAR_META_MAX)
		return bad_header(e, "an extended header is too long");
	buf_reset(out);
	got = take(t, buf_room(out, (size_t)size), (size_t)size, e);
	if (got < 0)
		return -1;
	if (got < size)
		return truncated(t, e);
	out->n = (size_t)size;
	out->p[out->n] = 0;
	set_left(t, size);
	t->left = 0;
	return 0;
}

/* --- from fields to an entry --- */

static bool is_ustar(const struct tar_header *h)
{
	return !memcmp(h->magic, "ustar", 6);
}

static bool is_gnu(const struct tar_header *h)
{
	return !memcmp(h->magic, "ustar ", 6);
}

static int number(const char *field, size_t n, int64_t min, int64_t max, const char *what, int64_t *v,
	struct err *e)
{
	if (tar_parse_number(field, n, v) || *v < min || *v > max)
		return bad_header(e, what);
	return 0;
}

#define NUMBER(field, min, max, what) \
	number(t->h.field, sizeof(t->h.field), min, max, "bad " what, &v, e)

static int numbers(struct tar_reader *t, struct err *e)
{
	struct tar_entry *en = &t->entry;
	int64_t v;

	if (NUMBER(mode, INT64_MIN, INT64_MAX, "mode"))
		return -1;
	en->mode = (mode_t)(v & 07777);
	if (NUMBER(uid, t->pax.has_uid ? INT64_MIN : 0, UINT32_MAX - 1, "uid"))
		return -1;
	en->uid = t->pax.has_uid ? t->pax.uid : (uint32_t)v;
	if (NUMBER(gid, t->pax.has_gid ? INT64_MIN : 0, UINT32_MAX - 1, "gid"))
		return -1;
	en->gid = t->pax.has_gid ? t->pax.gid : (uint32_t)v;
	if (NUMBER(mtime, INT64_MIN, INT64_MAX, "mtime"))
		return -1;
	v = v < -TAR_TIME_MAX ? -TAR_TIME_MAX : v > TAR_TIME_MAX ? TAR_TIME_MAX : v;
	en->mtime_ns = t->pax.has_mtime ? t->pax.mtime_ns : v * NS_PER_S;
	en->atime_ns = t->pax.has_atime ? t->pax.atime_ns : INT64_MIN;
	if (en->type != '3' && en->type != '4')
		return 0;
	if (NUMBER(devmajor, 0, UINT32_MAX, "device number"))
		return -1;
	en->dev_major = (uint32_t)v;
	if (NUMBER(devminor, 0, UINT32_MAX, "device number"))
		return -1;
	en->dev_minor = (uint32_t)v;
	return 0;
}

/* The name in the header: ustar splits long ones at a slash. */
static char *header_name(const struct tar_header *h)
{
	struct span name = tar_text(h->name, sizeof(h->name)), prefix = { "", 0 };

	if (is_ustar(h))
		prefix = tar_text(h->prefix, sizeof(h->prefix));
	if (!prefix.n)
		return span_dup(name);
	return xasprintf("%.*s/%.*s", (int)prefix.n, prefix.p, (int)name.n, name.p);
}

/* A text that pax, or else the header, told. */
static char *text_of(struct span pax, const char *field, size_t n)
{
	return span_dup(pax.n ? pax : tar_text(field, n));
}

static int names(struct tar_reader *t, struct err *e)
{
	bool has_owners = is_ustar(&t->h) || is_gnu(&t->h);
	struct tar_entry *en = &t->entry;

	if (t->long_name.n)
		t->texts[0] = xstrdup(t->long_name.p);
	else if (t->pax.sparse_name.n)
		t->texts[0] = span_dup(t->pax.sparse_name);
	else
		t->texts[0] = t->pax.path.n ? span_dup(t->pax.path) : header_name(&t->h);
	t->texts[1] = t->long_link.n ? xstrdup(t->long_link.p) :
				       text_of(t->pax.linkpath, t->h.linkname, sizeof(t->h.linkname));
	t->texts[2] = text_of(t->pax.uname, t->h.uname, has_owners ? sizeof(t->h.uname) : 0);
	t->texts[3] = text_of(t->pax.gname, t->h.gname, has_owners ? sizeof(t->h.gname) : 0);
	en->path = t->texts[0];
	en->link = t->texts[1];
	en->uname = t->texts[2];
	en->gname = t->texts[3];
	if (strlen(en->path) > TAR_PATH_MAX || strlen(en->link) > TAR_PATH_MAX)
		return err_kind(e, ERR_INVALID, "name in the archive is longer than %d bytes: %.40s...",
			TAR_PATH_MAX, strlen(en->path) > TAR_PATH_MAX ? en->path : en->link);
	return 0;
}

static void copy_xattrs(struct tar_reader *t)
{
	struct tar_entry *en = &t->entry;
	size_t i;

	en->xattrs = t->pax.n_xattrs ? xcalloc(t->pax.n_xattrs, sizeof(*en->xattrs)) : NULL;
	for (i = 0; i < t->pax.n_xattrs; i++) {
		en->xattrs[i].name = span_dup(t->pax.xattrs[i].name);
		en->xattrs[i].value = span_dup(t->pax.xattrs[i].value);
		en->xattrs[i].len = t->pax.xattrs[i].value.n;
	}
	en->n_xattrs = t->pax.n_xattrs;
}

/* --- sparse files --- */

static int gnu_segments(struct tar_entry *en, const char (*field)[24], size_t count, struct err *e)
{
	int64_t offset, len;
	size_t i;

	for (i = 0; i < count && field[i][0]; i++) {
		if (tar_parse_number(field[i], 12, &offset) ||
			tar_parse_number(field[i] + 12, 12, &len) ||
			sparse_append(&en->sparse, &en->n_sparse, offset, len))
			return bad_header(e, "bad sparse map");
	}
	return 0;
}

/* GNU 'S': four segments in the header, more in the blocks that follow it. */
static int gnu_sparse(struct tar_reader *t, struct err *e)
{
	struct tar_sparse_block more = { .isextended = t->h.gnu.isextended };

	if (tar_parse_number(t->h.gnu.realsize, sizeof(t->h.gnu.realsize), &t->entry.real_size) ||
		gnu_segments(&t->entry, (const char(*)[24])t->h.gnu.sparse, 4, e))
		return bad_header(e, "bad sparse map");
	while (more.isextended) {
		if (take_block(t, &more, e) ||
			gnu_segments(&t->entry, (const char(*)[24])more.sparse, 21, e))
			return -1;
	}
	return 0;
}

/* The next decimal line of a 1.0 map, which lies in the data, block by block. */
static int map_line(struct tar_reader *t, char *block, size_t *at, int64_t *v, struct err *e)
{
	char line[24];
	size_t n = 0;
	uint64_t u;

	for (;;) {
		if (*at == TAR_BLOCK) {
			if (t->left < TAR_BLOCK)
				return bad_header(e, "bad sparse map");
			if (take_block(t, block, e))
				return -1;
			t->left -= TAR_BLOCK;
			*at = 0;
		}
		line[n] = block[(*at)++];
		if (line[n] == '\n')
			break;
		if (++n == sizeof(line))
			return bad_header(e, "bad sparse map");
	}
	if (parse_u64((struct span){ line, n }, INT64_MAX, &u))
		return bad_header(e, "bad sparse map");
	*v = (int64_t)u;
	return 0;
}

static int pax_sparse_v1(struct tar_reader *t, struct err *e)
{
	int64_t count, offset, len;
	char block[TAR_BLOCK];
	size_t at = TAR_BLOCK;

	if (map_line(t, block, &at, &count, e))
		return -1;
	while (count-- > 0) {
		if (map_line(t, block, &at, &offset, e) || map_line(t, block, &at, &len, e))
			return -1;
		if (sparse_append(&t->entry.sparse, &t->entry.n_sparse, offset, len))
			return bad_header(e, "too many sparse segments");
	}
	return 0;
}

/* In order, apart, inside the file, and as long together as the data. */
static int check_sparse(struct tar_reader *t, struct err *e)
{
	struct tar_entry *en = &t->entry;
	int64_t at = 0, sum = 0, end;
	size_t i;

	for (i = 0; i < en->n_sparse; i++) {
		if (en->sparse[i].len < 0 || en->sparse[i].offset < at ||
			__builtin_add_overflow(en->sparse[i].offset, en->sparse[i].len, &end) ||
			end > en->real_size)
			return bad_header(e, "bad sparse map");
		at = end;
		sum += en->sparse[i].len; /* no more than real_size: segments are apart */
	}
	if (sum != t->left)
		return bad_header(e, "sparse map and size do not match");
	en->size = sum;
	if (!en->sparse) /* nothing but a hole: still sparse */
		en->sparse = xcalloc(1, sizeof(*en->sparse));
	return 0;
}

static int sparse(struct tar_reader *t, struct err *e)
{
	struct tar_entry *en = &t->entry;
	struct pax *p = &t->pax;

	if (en->type == 'S' && is_gnu(&t->h)) {
		if (gnu_sparse(t, e))
			return -1;
	} else if (p->sparse_v1 && p->has_real_size) {
		en->real_size = p->real_size;
		if (pax_sparse_v1(t, e))
			return -1;
	} else if (p->sparse_map && p->has_real_size) {
		en->real_size = p->real_size;
		en->sparse = steal(&p->sparse);
		en->n_sparse = p->n_sparse;
		p->n_sparse = 0;
	} else {
		return 0;
	}
	en->type = '0';
	return check_sparse(t, e);
}

/* --- entries --- */

/* Links, devices, directories and fifos have no data, whatever their size field says (old tars put
 * the size of the target there). */
static bool has_data(char type)
{
	return !memchr("123456", type, 6);
}

static char entry_type(const struct tar_reader *t)
{
	const char *path = t->entry.path;
	size_t n = strlen(path);

	switch (t->h.typeflag) {
	case 0: /* v7: directories are told by their slash */
		return n && path[n - 1] == '/' ? '5' : '0';
	case '7': /* contiguous: a file like others */
		return '0';
	case 'D': /* a directory of a GNU incremental dump; its data lists names */
		return '5';
	default:
		return t->h.typeflag;
	}
}

static int make_entry(struct tar_reader *t, int64_t size, struct err *e)
{
	struct tar_entry *en = &t->entry;

	if (names(t, e))
		return -1;
	en->type = entry_type(t);
	if (numbers(t, e))
		return -1;
	if (t->pax.has_size)
		size = t->pax.size;
	/* Room to round up to a block without overflow. */
	if (size < 0 || size > INT64_MAX - TAR_BLOCK)
		return bad_header(e, "bad size");
	/* A directory by its slash is one in this, too; a 'D' is one that has data. */
	set_left(t, has_data(t->h.typeflag ? t->h.typeflag : en->type) ? size : 0);
	copy_xattrs(t);
	if ((en->type == '0' || en->type == 'S') && sparse(t, e))
		return -1;
	if (!en->sparse)
		en->size = en->real_size = t->left;
	return 1;
}

/* Read what describes a later entry: 1 if it was that, 0 if it is an entry, -1. */
static int meta(struct tar_reader *t, int64_t size, struct err *e)
{
	struct buf *out;

	switch (t->h.typeflag) {
	case 'x':
	case 'X': /* Solaris */
		if (take_meta(t, size, &t->pax_text, e))
			return -1;
		pax_release(&t->pax);
		return pax_parse(&t->pax, (struct span){ t->pax_text.p, t->pax_text.n }, e) ? -1 : 1;
	case 'L':
	case 'K':
		out = t->h.typeflag == 'L' ? &t->long_name : &t->long_link;
		if (take_meta(t, size, out, e))
			return -1;
		out->n = strlen(out->p);
		return 1;
	case 'g':
	case 'V': /* GNU volume label */
		if (size < 0 || size > TAR_META_MAX)
			return bad_header(e, "an extended header is too long");
		set_left(t, size);
		return skip_data(t, e) < 0 ? -1 : 1;
	default:
		return 0;
	}
}

int tar_next(struct tar_reader *t, const struct tar_entry **entry, struct err *e)
{
	int64_t size;
	int rc;

	if (t->ended)
		return 0;
	t->ended = true; /* unless all goes well */
	rc = skip_data(t, e);
	reset(t);
	while (!rc) {
		rc = next_block(t, e);
		if (rc <= 0)
			return rc;
		if (tar_parse_number(t->h.size, sizeof(t->h.size), &size))
			return bad_header(e, "bad size");
		rc = meta(t, size, e);
		if (!rc) {
			rc = make_entry(t, size, e);
			t->ended = rc < 0;
			*entry = &t->entry;
			return rc;
		}
		rc = rc < 0 ? -1 : skip_data(t, e);
	}
	return rc < 0 ? -1 : 0;
}

ssize_t tar_read(struct tar_reader *t, void *p, size_t n, struct err *e)
{
	ssize_t got;

	if (!t->left)
		return 0;
	if (t->left < (int64_t)n)
		n = (size_t)t->left;
	got = t->in->read(t->in, p, n, e);
	if (got < 0)
		return -1;
	if (!got)
		return truncated(t, e);
	t->left -= got;
	return got;
}

int tar_pass(struct tar_reader *t, int pipefd, struct err *e)
{
	cleanup_free char *block = t->in->pass ? NULL : xmalloc(SKIP_BLOCK);
	ssize_t got;

	while (t->left) {
		if (block) {
			got = tar_read(t, block, SKIP_BLOCK, e);
			if (got > 0 && fd_write_full(pipefd, block, (size_t)got))
				return err_set(e, errno, "passing on the archive");
		} else {
			got = t->in->pass(t->in, pipefd, (size_t)t->left, e);
			t->left -= got > 0 ? got : 0;
		}
		if (got <= 0)
			return got ? -1 : truncated(t, e);
	}
	return 0;
}
