/* SPDX-License-Identifier: MIT */
/*
 * core/storage/layer.c - layers: unpack, commit, find, pack, remove
 *
 * Theory of operation
 *   A layer is a directory named by its chain id, complete from the moment it has that name:
 *	tmp/layer-<random>/	being unpacked; diff/, recipe, kept
 *	  + layer.json, then one syncfs(2) for all of it
 *	layers/<64 hex>/	by one rename, and the directory synced
 *   One syncfs costs a few milliseconds where the disk is idle, an fsync for each of ten thousand
 *   files minutes.  Who comes second finds the name taken and is content: the same chain id is the
 *   same content.
 */
#include "storage/copy.h"
#include "storage/driver.h"
#include "storage/recipe.h"
#include "storage/unpack.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define LAYER_PATH_MAX 96	   /* "layers/", 64 digits, "/layer.json" */
#define LAYER_JSON_MAX 4096
#define DEPTH_MAX 500		   /* layers, OVL_MAX_STACK of overlayfs */

void chain_id(const char *parent, const char *diff_id, char out[DIGEST_MAX])
{
	char text[2 * DIGEST_MAX];
	int n;

	if (!parent || !*parent) {
		snprintf(out, DIGEST_MAX, "%s", diff_id);
		return;
	}
	n = snprintf(text, sizeof(text), "%s %s", parent, diff_id);
	sha256_digest_of(text, (size_t)n, out);
}

/* "layers/<hex><rest>"; -1 if @chain is no digest. */
static int layer_path(const char *chain, const char *rest, char out[LAYER_PATH_MAX], struct err *e)
{
	if (!digest_ok(chain))
		return err_kind(e, ERR_INVALID, "bad chain id '%s'", chain);
	snprintf(out, LAYER_PATH_MAX, "layers/%s%s", digest_hex(chain), rest);
	return 0;
}

bool layer_exists(const struct store *s, const char *chain)
{
	char path[LAYER_PATH_MAX];

	return !layer_path(chain, "", path, NULL) && fs_exists_at(s->driverfd, path);
}

int layer_stat(const struct store *s, const char *chain, struct layer_info *info, struct err *e)
{
	cleanup_json json_t *j = NULL;
	char path[LAYER_PATH_MAX];

	if (layer_path(chain, "/layer.json", path, e))
		return -1;
	j = json_load_at(s->driverfd, path, LAYER_JSON_MAX, e);
	if (!j && e && e->kind == ERR_NOT_FOUND)
		return err_kind(e, ERR_NOT_FOUND, "layer %s does not exist", chain);
	if (!j)
		return -1;
	snprintf(info->diff_id, sizeof(info->diff_id), "%s", json_str(j, "diff_id", ""));
	snprintf(info->parent, sizeof(info->parent), "%s", json_str(j, "parent", ""));
	info->size = json_int(j, "size", 0);
	info->archive_size = json_int(j, "archive", 0);
	if (!digest_ok(info->diff_id) || (*info->parent && !digest_ok(info->parent)))
		return err_set(e, 0, "%s/%s/%s is damaged", s->root, s->driver->name, path);
	return 0;
}

json_t *layer_list(const struct store *s)
{
	int fd = openat(s->driverfd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	json_t *list = json_array();
	struct dirent *d;
	char chain[DIGEST_MAX];

	while (dir && (d = readdir(dir))) {
		if (!is_hex64(d->d_name))
			continue;
		snprintf(chain, sizeof(chain), "sha256:%.64s", d->d_name);
		json_append_str(list, chain);
	}
	return list;
}

int layer_remove(struct store *s, const char *chain, struct err *e)
{
	char path[LAYER_PATH_MAX];

	return layer_path(chain, "", path, e) ? -1 : store_discard(s, path, e);
}

/* --- who makes it --- */

/* The byte that stands for @chain.  (That two of them share one is as good as impossible, and would only
 * make one wait for the other.) */
static off_t claim_byte(const char *chain)
{
	uint64_t n = 0;

	parse_u64_base((struct span){ digest_hex(chain), 15 }, 16, UINT64_MAX, &n);
	return (off_t)n;
}

int layer_claim(const struct store *s, const char *chain)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = claim_byte(chain), .l_len = 1 };
	cleanup_close int fd = openat(s->driverfd, "claims", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	/* Of the open file, not of the process: several threads of one may want the same layer. */
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock)) {
		if (errno == EACCES)
			errno = EAGAIN;
		return -1;
	}
	return fd_steal(&fd);
}

/* --- unpacking --- */

static int unpack_draft(struct store *s, int dir, int fd, int64_t max, struct layer_draft *d, struct err *e)
{
	cleanup_close int tree = -1, recipe = -1, kept = -1;
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	struct unpack_report report;
	struct stat st;

	if (mkdirat(dir, "diff", 0755) || fchmodat(dir, "diff", 0755, 0))
		return err_set(e, errno, "making a layer");
	tree = openat(dir, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	recipe = openat(dir, "recipe", flags, 0600);
	kept = openat(dir, "kept", flags, 0600);
	if (tree < 0 || recipe < 0 || kept < 0)
		return err_set(e, errno, "making a layer");
	flock(tree, LOCK_EX); /* shared with the unpacking process: see drafts.c */
	if (unpack_run(&(struct unpack_job){ fd, tree, recipe, kept, s->driver->whiteouts, s->single_id, max },
		    &report, e))
		return -1;
	memcpy(d->diff_id, report.diff_id, sizeof(d->diff_id));
	memcpy(d->blob, report.blob, sizeof(d->blob));
	d->size = report.result.bytes;
	d->blob_size = report.blob_size;
	d->archive_size = report.archive_size;
	if (!digest_ok(d->diff_id) || !digest_ok(d->blob))
		return err_set(e, 0, "the unpacking process reported nonsense");
	if (!report.recipe_whole)
		unlinkat(dir, "recipe", 0);
	if (!fstat(kept, &st) && !st.st_size)
		unlinkat(dir, "kept", 0);
	return 0;
}

int layer_unpack(struct store *s, const char *parent, int fd, int64_t max, struct layer_draft *d,
	struct err *e)
{
	cleanup_close int tmp = -1, dir = -1;

	(void)parent; /* no driver needs it: see store_layers_independent() */
	*d = (struct layer_draft){ 0 };
	if (store_draft(s, "layer", d->name, e))
		return -1;
	tmp = store_tmpfd(s);
	dir = tmp < 0 ? -1 : openat(tmp, d->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && !unpack_draft(s, dir, fd, max, d, e))
		return 0;
	if (dir < 0)
		err_set(e, errno, "opening %s/tmp/%s", s->root, d->name);
	layer_discard(s, d);
	return -1;
}

void layer_flush(const struct store *s, const struct layer_draft *d)
{
	cleanup_close int tmp = store_tmpfd(s), dir = -1;

	dir = tmp < 0 ? -1 : openat(tmp, d->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		syncfs(dir);
}

/* A file of a layer's directory; that it is not there is fine. */
static int copy_note(int from, int to, const char *name, struct err *e)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_CLOEXEC), out = -1;
	int64_t size = 0;

	if (in < 0 && errno == ENOENT)
		return 0;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return in < 0 || out < 0 || fd_copy(in, out, -1, &size) ? err_set(e, errno, "copying a layer's %s", name) : 0;
}

static int copy_dir(const struct store *s, int from, int to, struct err *e)
{
	cleanup_close int old = -1, tree = -1;

	if (mkdirat(to, "diff", 0755) || fchmodat(to, "diff", 0755, 0))
		return err_set(e, errno, "making a layer");
	old = openat(from, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree = openat(to, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || tree < 0)
		return err_set(e, errno, "copying a layer");
	return layer_clone(old, tree, s->single_id, e) || copy_note(from, to, "recipe", e) ||
	       copy_note(from, to, "kept", e) ? -1 : 0;
}

int layer_copy(struct store *s, const char *chain, struct layer_draft *d, struct err *e)
{
	cleanup_close int tmp = -1, from = -1, to = -1;
	struct layer_info info;
	char path[LAYER_PATH_MAX];

	*d = (struct layer_draft){ 0 };
	if (layer_stat(s, chain, &info, e) || layer_path(chain, "", path, e) || store_draft(s, "layer", d->name, e))
		return -1;
	memcpy(d->diff_id, info.diff_id, sizeof(d->diff_id));
	d->size = info.size;
	d->archive_size = info.archive_size;
	from = openat(s->driverfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tmp = store_tmpfd(s);
	to = tmp < 0 ? -1 : openat(tmp, d->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from >= 0 && to >= 0 && !copy_dir(s, from, to, e))
		return 0;
	if (from < 0 || to < 0)
		err_set(e, errno, "copying layer %s", chain);
	layer_discard(s, d);
	return -1;
}

void layer_discard(struct store *s, struct layer_draft *d)
{
	cleanup_close int tmp = store_tmpfd(s);

	if (tmp >= 0 && *d->name)
		fs_remove_tree_at(tmp, d->name, NULL);
	*d->name = 0;
}

/* --- committing --- */

static int write_info(int dir, const char *parent, const struct layer_draft *d, struct err *e)
{
	cleanup_json json_t *j = json_object();

	json_set_str(j, "diff_id", d->diff_id);
	json_set_str(j, "parent", parent ? parent : "");
	json_set_int(j, "size", d->size);
	json_set_int(j, "archive", d->archive_size);
	return json_save_at(dir, "layer.json", j, 0, e);
}

/* Move the draft to its place. Taken already: fine. */
static int move_in(struct store *s, int tmp, const char *name, const char *path, struct err *e)
{
	cleanup_close int layers = openat(s->driverfd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (layers < 0)
		return err_set(e, errno, "opening %s/%s/layers", s->root, s->driver->name);
	if (renameat(tmp, name, s->driverfd, path) && errno != EEXIST && errno != ENOTEMPTY)
		return err_set(e, errno, "committing %s", path);
	return fsync(layers) ? err_set(e, errno, "syncing %s/%s/layers", s->root, s->driver->name) : 0;
}

static int commit_draft(struct store *s, const char *parent, struct layer_draft *d, const char *path,
	struct err *e)
{
	cleanup_close int tmp = store_tmpfd(s), dir = -1;

	dir = tmp < 0 ? -1 : openat(tmp, d->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "opening %s/tmp/%s", s->root, d->name);
	if (write_info(dir, parent, d, e))
		return -1;
	if (syncfs(dir))
		return err_set(e, errno, "syncing %s", s->root);
	return move_in(s, tmp, d->name, path, e);
}

int layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e)
{
	char path[LAYER_PATH_MAX];
	int rc = -1;

	chain_id(parent, d->diff_id, chain);
	if (parent && *parent && !layer_exists(s, parent))
		err_kind(e, ERR_NOT_FOUND, "layer %s, below this one, does not exist", parent);
	else if (layer_path(chain, "", path, e))
		rc = -1;
	else if (fs_exists_at(s->driverfd, path))
		rc = 0;
	else
		rc = commit_draft(s, parent, d, path, e);
	layer_discard(s, d);
	return rc;
}

/* --- packing --- */

struct pack_sink {
	struct recipe_sink s;
	int (*put)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
	struct sha256 sha256;
};

static int pack_write(struct recipe_sink *sink, const void *p, size_t n, struct err *e)
{
	struct pack_sink *s = (struct pack_sink *)sink;

	sha256_update(&s->sha256, p, n);
	return s->put(s->arg, p, n, e);
}

static int pack_dir(int dir, const struct layer_info *info, struct pack_sink *sink, struct err *e)
{
	cleanup_close int recipe = openat(dir, "recipe", O_RDONLY | O_CLOEXEC);
	cleanup_close int kept = openat(dir, "kept", O_RDONLY | O_CLOEXEC);
	cleanup_close int tree = openat(dir, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char digest[DIGEST_MAX];

	if (recipe < 0 && errno == ENOENT)
		return err_set(e, 0, "its archive replaced a directory by a file: it cannot be made again");
	if (recipe < 0 || tree < 0)
		return err_set(e, errno, "opening its files");
	sha256_init(&sink->sha256);
	if (recipe_replay(recipe, kept, tree, &sink->s, e))
		return -1;
	sha256_digest(&sink->sha256, digest);
	if (strcmp(digest, info->diff_id))
		return err_set(e, 0, "its files were changed: the archive made of them is %s, not %s", digest,
			info->diff_id);
	return 0;
}

int layer_pack_to(struct store *s, const char *chain,
	int (*put)(void *arg, const void *p, size_t n, struct err *e), void *arg, struct err *e)
{
	struct pack_sink sink = { .s = { pack_write }, .put = put, .arg = arg };
	cleanup_close int dir = -1;
	struct layer_info info;
	char path[LAYER_PATH_MAX];

	if (layer_stat(s, chain, &info, e) || layer_path(chain, "", path, e))
		return -1;
	dir = openat(s->driverfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "opening layer %s", chain);
	return pack_dir(dir, &info, &sink, e) ? err_wrap(e, "packing layer %s", chain) : 0;
}

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fd_write_full(*(int *)arg, p, n) ? err_set(e, errno, "writing the archive of a layer") : 0;
}

int layer_pack(struct store *s, const char *chain, int fd, struct err *e)
{
	return layer_pack_to(s, chain, put_fd, &fd, e);
}

/* --- what lies below a root filesystem --- */

static void lowers_add(struct lowers *l, char *path)
{
	l->path = xreallocarray(l->path, l->n + 1, sizeof(*l->path));
	l->path[l->n++] = path;
}

int layer_lowers(const struct store *s, const char *chain, struct lowers *l, struct err *e)
{
	char at[DIGEST_MAX];
	struct layer_info info;

	*l = (struct lowers){ 0 };
	snprintf(at, sizeof(at), "%s", chain ? chain : "");
	while (*at) {
		if (l->n == DEPTH_MAX - 1)
			err_kind(e, ERR_INVALID, "image has more than %d layers", DEPTH_MAX - 1);
		if (l->n == DEPTH_MAX - 1 || layer_stat(s, at, &info, e)) {
			lowers_release(l);
			return -1;
		}
		lowers_add(l, xasprintf("%s/%s/layers/%s/diff", s->root, s->driver->name, digest_hex(at)));
		memcpy(at, info.parent, sizeof(at));
	}
	lowers_add(l, xasprintf("%s/%s/init", s->root, s->driver->name));
	return 0;
}

void lowers_release(struct lowers *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->path[i]);
	free(l->path);
	*l = (struct lowers){ 0 };
}
