/* SPDX-License-Identifier: MIT */
/*
 * core/image/builtin.c - the image "coracle", made of this very binary
 *
 * Theory of operation
 *   Whoever has the binary can run a container: no network, no registry, no file beside it.  The
 *   image is one layer: /bin/coracle with a link for each command, and the few files and
 *   directories a program expects.  All of it is the same for the same binary, times included, so
 *   the image's id is too.
 *
 *   It is made when somebody first asks for coracle:latest, and again when the binary is another
 *   one: a label of the config says which it was made from.  An image of that name without the
 *   label is somebody's own, and stays.
 */
#include "image/table.h"
#include "image/worker.h"
#include "base/fs.h"
#include "base/log.h"
#include "storage/tar.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUILTIN_REF "docker.io/library/coracle:latest"
#define LABEL "io.coracle.binary" /* the binary's digest */
#define CREATED "2026-01-01T00:00:00Z"
#define CREATED_S 1767225600LL

char **(*image_builtin_names)(void);

/* --- the binary ------------------------------------------------------------------------------------ */

/* Its digest, looked up once: a process does not change its binary. */
static int binary_digest(char out[DIGEST_MAX], struct err *e)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	static char digest[DIGEST_MAX];
	cleanup_close int fd = -1;
	cleanup_free char *chunk = NULL;
	struct sha256 h;
	ssize_t n;
	int rc = 0;

	pthread_mutex_lock(&once);
	if (*digest)
		goto out;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	chunk = xmalloc(1 << 18);
	sha256_init(&h);
	while (fd >= 0 && (n = fd_read_full(fd, chunk, 1 << 18)) > 0)
		sha256_update(&h, chunk, (size_t)n);
	if (fd < 0 || n < 0)
		rc = err_set(e, errno, "reading /proc/self/exe");
	else
		sha256_digest(&h, digest);
out:
	memcpy(out, digest, DIGEST_MAX);
	pthread_mutex_unlock(&once);
	return rc;
}

/* --- the layer --------------------------------------------------------------------------------------- */

static const struct {
	const char *path;
	mode_t mode;
	const char *text; /* NULL: a directory */
} files[] = {
	{"dev", 0755, NULL},
	{"etc", 0755, NULL},
	{"etc/group", 0644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"},
	{"etc/passwd", 0644, "root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
	{"proc", 0555, NULL},
	{"root", 0700, NULL},
	{"run", 0755, NULL},
	{"sys", 0555, NULL},
	{"tmp", 01777, NULL},
	{"var", 0755, NULL},
	{"var/tmp", 01777, NULL},
};

static int put(struct tar_writer *t, char type, const char *path, const char *link, mode_t mode, int64_t size,
	struct err *e)
{
	cleanup_free char *p = xstrdup(path), *l = xstrdup(link), *none = xstrdup("");
	struct tar_entry entry = {
		.type = type, .path = p, .link = l, .mode = mode, .uname = none, .gname = none,
		.size = size, .real_size = size, .mtime_ns = CREATED_S * 1000000000LL, .atime_ns = INT64_MIN,
	};

	return tar_write_entry(t, &entry, e);
}

static int put_binary(struct tar_writer *t, struct err *e)
{
	cleanup_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_free char *chunk = xmalloc(1 << 18);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return err_set(e, errno, "reading /proc/self/exe");
	if (put(t, '0', "bin/coracle", "", 0755, st.st_size, e))
		return -1;
	while ((n = fd_read_full(fd, chunk, 1 << 18)) > 0)
		if (tar_write_data(t, chunk, (size_t)n, e))
			return -1;
	return n < 0 ? err_set(e, errno, "reading /proc/self/exe") : 0;
}

static int put_links(struct tar_writer *t, struct err *e)
{
	char **names = image_builtin_names ? image_builtin_names() : NULL, **name;
	int rc = 0;

	for (name = names; name && *name && !rc; name++) {
		cleanup_free char *path = xasprintf("bin/%s", *name);

		rc = put(t, '2', path, "coracle", 0777, 0, e);
	}
	strv_free(names);
	return rc;
}

static int write_layer(struct tar_writer *t, struct err *e)
{
	size_t i;

	if (put(t, '5', "bin", "", 0755, 0, e) || put_binary(t, e) || put_links(t, e))
		return -1;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		const char *text = files[i].text;

		if (put(t, text ? '0' : '5', files[i].path, "", files[i].mode, text ? (int64_t)strlen(text) : 0, e))
			return -1;
		if (text && tar_write_data(t, text, strlen(text), e))
			return -1;
	}
	return tar_write_end(t, e);
}

/* --- the image ----------------------------------------------------------------------------------------- */

static json_t *config_json(const char *diff_id, const char *binary)
{
	struct platform p;

	platform_host(&p);
	return json_pack("{s:s, s:{s:[s], s:[s], s:{s:s, s:s}, s:s}, s:s, s:[{s:s, s:s}], s:s, s:{s:s, s:[s]}}",
		"architecture", p.arch,
		"config",
			"Cmd", "hello",
			"Env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"Labels", LABEL, binary, "org.opencontainers.image.title", "coracle",
			"WorkingDir", "/",
		"created", CREATED,
		"history", "created", CREATED, "created_by", "the coracle binary",
		"os", "linux",
		"rootfs", "type", "layers", "diff_ids", diff_id);
}

json_t *worker_builtin(struct worker *w, struct err *e)
{
	cleanup_close int fd = memfd_create("builtin", MFD_CLOEXEC);
	char binary[DIGEST_MAX], chain[DIGEST_MAX], diff_id[DIGEST_MAX];
	cleanup_json json_t *config = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	struct layer_draft d;
	struct tar_writer *t;
	int rc;

	if (fd < 0) {
		err_set(e, errno, "making the built-in image");
		return NULL;
	}
	t = tar_writer_new(fd);
	rc = write_layer(t, e);
	tar_writer_free(t);
	if (rc || binary_digest(binary, e) || lseek(fd, 0, SEEK_SET) < 0 ||
		layer_unpack(&w->store, NULL, fd, 0, &d, e))
		return NULL;
	memcpy(diff_id, d.diff_id, DIGEST_MAX);
	if (layer_commit(&w->store, NULL, &d, chain, e))
		return NULL;
	config = config_json(diff_id, binary);
	json_print(config, false, &text);
	return json_pack("{s[{s:s, s[s]}]}", "images", "config", text.p, "refs", BUILTIN_REF);
}

/* --- when it is asked for ---------------------------------------------------------------------------- */

static bool means_builtin(const char *name)
{
	cleanup_free char *canonical = NULL;
	struct imgref ref;

	if (imgref_parse(name, &ref, NULL))
		return false;
	imgref_default_tag(&ref);
	canonical = imgref_canonical(&ref);
	imgref_release(&ref);
	return !strcmp(canonical, BUILTIN_REF);
}

/* Is the image there made from this binary, or somebody's own? */
static bool is_good(struct images *im, const char *id, const char *binary)
{
	cleanup_json json_t *labels = images_labels(im, id);
	const char *made_from = json_str(labels, LABEL, NULL);

	return !made_from || !strcmp(made_from, binary);
}

static void emit_nothing(void *arg, const char *action, const char *id)
{
}

int images_ensure_builtin(struct images *im, const char *name, const struct images_use *use, struct err *e)
{
	static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* by one thread, once */
	cleanup_json json_t *request = NULL, *made = NULL, *removed = NULL;
	struct worker_job job = {.store = im->store, .input = -1, .cancel = -1};
	char binary[DIGEST_MAX], old[DIGEST_MAX] = "";
	struct err ignored = ERR_INIT;

	if (!means_builtin(name))
		return 0;
	if (binary_digest(binary, e))
		return -1;
	pthread_mutex_lock(&making);
	if (!images_resolve(im, BUILTIN_REF, old, NULL) && is_good(im, old, binary))
		goto out;
	request = json_pack("{s:s}", "op", "builtin");
	job.request = request;
	made = images_run_job(im, &job, e);
	/* The one before it has lost its name; it goes unless a container still uses it. */
	if (made && *old)
		removed = images_remove_json(im, old, false, false, use, emit_nothing, NULL, &ignored);
out:
	pthread_mutex_unlock(&making);
	return request && !made ? err_wrap(e, "making the built-in image") : 0;
}
