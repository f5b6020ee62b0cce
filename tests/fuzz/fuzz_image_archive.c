/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_image_archive.c - `docker load`: the archive, manifest.json, index.json, configs
 *
 * Layers are not unpacked (that has a target of its own, and a process): stand-ins for core/storage
 * hash what they are given, so that right digests go all the way to a result.  They count drafts: each must
 * be committed or discarded.  What was taken is loaded once more, where its layers are there.
 */
#include "image/image.h"
#include "image/worker.h"
#include "base/fs.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files under test are compiled here, with these instead of the layers of core/storage. */
#define layer_unpack fuzz_layer_unpack
#define layer_flush fuzz_layer_flush
#define layer_copy fuzz_layer_copy
#define layer_commit fuzz_layer_commit
#define layer_discard fuzz_layer_discard
#define layer_exists fuzz_layer_exists
#define layer_list fuzz_layer_list
#define layer_stat fuzz_layer_stat
static int fuzz_layer_unpack(struct store *s, const char *parent, int fd, int64_t max, struct layer_draft *d,
	struct err *e);
static void fuzz_layer_flush(const struct store *s, const struct layer_draft *d);
static int fuzz_layer_copy(struct store *s, const char *chain, struct layer_draft *d, struct err *e);
static int fuzz_layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e);
static void fuzz_layer_discard(struct store *s, struct layer_draft *d);
static bool fuzz_layer_exists(const struct store *s, const char *chain);
static json_t *fuzz_layer_list(const struct store *s);
static int fuzz_layer_stat(const struct store *s, const char *chain, struct layer_info *info, struct err *e);

#include "../../core/image/ahead.c"
#include "../../core/image/spool.c"
#include "../../core/image/load.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static json_t *layers; /* {chain id: diff id} */
static atomic_int drafts;

static int fuzz_layer_unpack(struct store *s, const char *parent, int fd, int64_t max, struct layer_draft *d,
	struct err *e)
{
	struct buf b = BUF_INIT;
	int rc;

	*d = (struct layer_draft){0};
	rc = fd_read_all(fd, 1 << 24, &b, e);
	sha256_digest_of(b.p, b.n, d->blob);
	sha256_digest_of(b.p, b.n, d->diff_id);
	buf_release(&b);
	if (!rc)
		drafts++;
	return rc;
}

static void fuzz_layer_flush(const struct store *s, const struct layer_draft *d)
{
}

static int fuzz_layer_copy(struct store *s, const char *chain, struct layer_draft *d, struct err *e)
{
	*d = (struct layer_draft){0};
	snprintf(d->diff_id, sizeof(d->diff_id), "%s", json_str(layers, chain, ""));
	if (!*d->diff_id)
		bug("a layer is copied that is not there");
	drafts++;
	return 0;
}

static int fuzz_layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e)
{
	if (parent && !json_object_get(layers, parent))
		bug("a layer over one that is not there");
	chain_id(parent, d->diff_id, chain);
	json_set_str(layers, chain, d->diff_id);
	drafts--;
	return 0;
}

static void fuzz_layer_discard(struct store *s, struct layer_draft *d)
{
	drafts--;
}

static bool fuzz_layer_exists(const struct store *s, const char *chain)
{
	return json_object_get(layers, chain);
}

static json_t *fuzz_layer_list(const struct store *s)
{
	json_t *list = json_array(), *diff;
	const char *chain;

	json_object_foreach(layers, chain, diff)
		json_append_str(list, chain);
	return list;
}

static int fuzz_layer_stat(const struct store *s, const char *chain, struct layer_info *info, struct err *e)
{
	*info = (struct layer_info){0};
	snprintf(info->diff_id, sizeof(info->diff_id), "%s", json_str(layers, chain, ""));
	return 0;
}

/* --- the target ------------------------------------------------------------------------------------ */

/* Nothing of it is used but tmp, for files without a name: the root directory will do, and nothing stays. */
static int data_root(void)
{
	static int fd = -1;

	if (fd < 0 && (fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return fd;
}

static json_t *load_once(struct worker *w)
{
	struct err e = ERR_INIT;
	json_t *result, *image;
	size_t i;

	if (lseek(w->input, 0, SEEK_SET) < 0)
		abort();
	result = worker_load(w, &e);
	if (!result && !*e.msg)
		bug("refused without a word");
	if (drafts)
		bug("%d drafts are left", drafts);
	json_array_foreach(json_arr(result, "images"), i, image)
		if (!*json_str(image, "config", "") || !json_arr(image, "refs"))
			bug("an image without config or references");
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *request = json_pack("{s:s, s:b, s:s}", "op", "load", "quiet", n & 1, "platform",
		n & 2 ? "linux/amd64" : "");
	struct worker w = {.request = request, .store = {.datafd = data_root()}};
	json_t *result, *again;

	signal(SIGPIPE, SIG_IGN);
	layers = json_object();
	w.input = memfd_create("archive", MFD_CLOEXEC);
	w.progress = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (w.input < 0 || fd_write_full(w.input, data, n))
		abort();
	result = load_once(&w);
	if (result) {
		again = load_once(&w);
		if (!json_equal(result, again))
			bug("loaded again, it is something else");
		json_decref(again);
	}
	json_decref(result);
	json_decref(layers);
	json_decref(request);
	close(w.input);
	close(w.progress);
	return 0;
}
