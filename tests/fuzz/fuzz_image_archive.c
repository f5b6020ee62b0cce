/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_image_archive.c - `docker load`: the archive, manifest.json, index.json, configs
 *
 * Layers are not unpacked (that has a target of its own, and a process): stand-ins for core/storage
 * hash what they are given, so that right digests go all the way to a result.
 */
#include "image/image.h"
#include "image/worker.h"
#include "base/fs.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files under test are compiled here, with these instead of the layers of core/storage. */
#define layer_unpack fuzz_layer_unpack
#define layer_commit fuzz_layer_commit
#define layer_discard fuzz_layer_discard
#define layer_exists fuzz_layer_exists
static int fuzz_layer_unpack(struct store *s, const char *parent, int fd, int64_t max, struct layer_draft *d,
	struct err *e);
static int fuzz_layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e);
static void fuzz_layer_discard(struct store *s, struct layer_draft *d);
static bool fuzz_layer_exists(const struct store *s, const char *chain);

#include "../../core/image/spool.c"
#include "../../core/image/load.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
	return rc;
}

static int fuzz_layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e)
{
	chain_id(parent, d->diff_id, chain);
	return 0;
}

static void fuzz_layer_discard(struct store *s, struct layer_draft *d)
{
}

static bool fuzz_layer_exists(const struct store *s, const char *chain)
{
	return false;
}

/* --- the target ------------------------------------------------------------------------------------ */

static int data_root(void)
{
	static char path[] = "/tmp/coracle-fuzz.XXXXXX";
	static int fd = -1;

	if (fd < 0) {
		if (!mkdtemp(path) || (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
			mkdirat(fd, "tmp", 0700))
			abort();
	}
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *request = json_pack("{s:s, s:b, s:s}", "op", "load", "quiet", n & 1, "platform",
		n & 2 ? "linux/amd64" : "");
	struct worker w = {.request = request, .store = {.datafd = data_root()}};
	struct err e = ERR_INIT;
	json_t *result, *image;
	size_t i;

	w.input = memfd_create("archive", MFD_CLOEXEC);
	w.progress = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (w.input < 0 || fd_write_full(w.input, data, n) || lseek(w.input, 0, SEEK_SET) < 0)
		abort();
	result = worker_load(&w, &e);
	if (!result && !*e.msg)
		bug("refused without a word");
	json_array_foreach(json_arr(result, "images"), i, image)
		if (!*json_str(image, "config", "") || !json_arr(image, "refs"))
			bug("an image without config or references");
	json_decref(result);
	json_decref(request);
	close(w.input);
	close(w.progress);
	return 0;
}
