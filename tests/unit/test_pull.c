/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_pull.c - from a registry into the store, with real workers and layers
 *
 * The registry is a thread of the test (registry_server.h); workers and the unpacking process are
 * this program again, in a user namespace.
 */
#define UNIT_ROLES role_main
#include "archive.h"
#include "registry_server.h"
#include "userns.h"

#include "image/image.h"
#include "image/table.h"
#include "storage/partial.h"
#include "base/fs.h"

#include <dirent.h>
#include <sys/stat.h>
#include <zlib.h>

#define OCI "application/vnd.oci.image."

static int role_main(int argc, char **argv)
{
	if (!strcmp(argv[0], ":worker"))
		return worker_role_main(argc, argv);
	return strcmp(argv[0], ":unpack") ? 99 : unpack_role_main(argc, argv);
}

/* --- a store, and a registry with what is put into it ------------------------------------------------ */

#define STEPS_MAX 64

struct fixture {
	int datafd;
	char root[4200];
	struct store store;
	struct images *im;
	struct server server;
	struct step steps[STEPS_MAX];
	struct buf lines; /* of progress, one a line */
	size_t lines_max; /* the client goes away after so many; 0: never */
	size_t n_lines;
	struct err e;
};

static void setup(struct fixture *f)
{
	static int serial;

	*f = (struct fixture){.e = ERR_INIT, .lines = BUF_INIT};
	snprintf(f->root, sizeof(f->root), "%s/pull-%d-%d", tmp_path(), (int)getpid(), serial++);
	NEED(!mkdir(f->root, 0700));
	f->datafd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_open(&f->store, f->datafd, f->root, NULL, &f->e))
		unit_fail(__FILE__, __LINE__, "store_open: %s", f->e.msg);
	NEED(f->store.driver);
	f->store.single_id = userns_ids() == 1;
	f->im = images_open(f->datafd, &f->store, NULL, &f->e);
	NEED(f->im);
	f->steps[0] = (struct step){.match = "GET /v2/ ", .reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	server_start(&f->server, f->steps, 1, NULL);
}

static void teardown(struct fixture *f)
{
	server_stop(&f->server);
	images_close(f->im);
	store_close(&f->store);
	close(f->datafd);
	buf_release(&f->lines);
}

/* Steps are looked through from the last one added, so that a fault comes before what is right. */
static void serve(struct fixture *f, struct step step)
{
	struct server *s = &f->server;

	pthread_mutex_lock(&s->lock);
	NEED(s->n < STEPS_MAX);
	memmove(s->steps + 1, s->steps, s->n++ * sizeof(*s->steps));
	s->steps[0] = step;
	pthread_mutex_unlock(&s->lock);
}

/* Head and body as one reply, kept till the end of the process. */
static struct buf *reply(const char *head, const void *body, size_t n)
{
	static struct kept {
		struct kept *next;
		struct buf b;
	} *kept;
	struct kept *k = xcalloc(1, sizeof(*k));

	*k = (struct kept){kept, BUF_INIT};
	kept = k;
	buf_addf(&k->b, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", head, n);
	buf_add(&k->b, body, n);
	return &k->b;
}

static char *kept_text(const char *fmt, ...)
{
	struct buf b = BUF_INIT, *k;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	k = reply("", b.p, b.n);
	buf_release(&b);
	return strstr(k->p, "\r\n\r\n") + 4;
}

static void serve_at(struct fixture *f, const char *path, const char *head, const void *body, size_t n)
{
	struct buf *r = reply(head, body, n);

	serve(f, (struct step){.match = kept_text("GET %s ", path), .reply = r->p, .len = r->n});
}

struct item_of { /* one layer */
	const char *name, *text;
	bool plain;	       /* not compressed */
	size_t random;	       /* bytes of noise instead of text */
	const char *diff_id;   /* told in the config instead of the right one */
	struct buf blob;       /* what is served */
	char digest[DIGEST_MAX], short_id[13];
};

static struct buf gzipped(const struct buf *in)
{
	struct buf out = BUF_INIT;
	z_stream z = {0};
	uLong bound;

	NEED(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	bound = deflateBound(&z, in->n) + 32;
	buf_room(&out, bound);
	z.next_in = (const Bytef *)in->p;
	z.avail_in = (uInt)in->n;
	z.next_out = (Bytef *)out.p;
	z.avail_out = (uInt)bound;
	CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

static void serve_blob(struct fixture *f, const char *repo, const struct buf *b, char digest[DIGEST_MAX])
{
	sha256_digest_of(b->p, b->n, digest);
	serve_at(f, kept_text("/v2/%s/blobs/%s", repo, digest), "", b->p, b->n);
}

/* Serve an image as repo:tag; its manifest's digest. Layers get their blobs and digests. */
static void serve_image(struct fixture *f, const char *repo, const char *tag, struct item_of *items, size_t n,
	const char *extra, char digest[DIGEST_MAX])
{
	struct buf config = BUF_INIT, manifest = BUF_INIT, layers = BUF_INIT;
	char config_digest[DIGEST_MAX], diff_id[DIGEST_MAX];
	size_t i;

	buf_addf(&config, "{\"architecture\":\"amd64\",\"os\":\"linux\",%s\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", extra);
	for (i = 0; i < n; i++) {
		struct buf tar = BUF_INIT;
		char *noise = NULL;

		if (items[i].random) {
			noise = xmalloc(items[i].random);
			random_bytes(noise, items[i].random);
		}
		ITEM(&tar, .name = items[i].name, .data = noise ? noise : items[i].text, .len = items[i].random);
		free(noise);
		put_end(&tar);
		sha256_digest_of(tar.p, tar.n, diff_id);
		buf_addf(&config, "%s\"%s\"", i ? "," : "", items[i].diff_id ? items[i].diff_id : diff_id);
		items[i].blob = gzipped(&tar);
		if (items[i].plain) {
			buf_release(&items[i].blob);
			items[i].blob = tar;
		} else {
			buf_release(&tar);
		}
		serve_blob(f, repo, &items[i].blob, items[i].digest);
		snprintf(items[i].short_id, 13, "%s", items[i].digest + 7);
		buf_addf(&layers, "%s{\"mediaType\":\"" OCI "layer.v1.tar%s\",\"size\":%zu,\"digest\":\"%s\"}", i ? "," : "",
			items[i].plain ? "" : "+gzip", items[i].blob.n, items[i].digest);
	}
	buf_adds(&config, "]}}");
	serve_blob(f, repo, &config, config_digest);
	buf_addf(&manifest, "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"size\":%zu,"
		"\"digest\":\"%s\"},\"layers\":[%s]}", config.n, config_digest, layers.p);
	sha256_digest_of(manifest.p, manifest.n, digest);
	serve_at(f, kept_text("/v2/%s/manifests/%s", repo, digest), "Content-Type: " OCI "manifest.v1+json\r\n", manifest.p,
		manifest.n);
	serve(f, (struct step){.match = kept_text("HEAD /v2/%s/manifests/%s ", repo, tag),
		.reply = kept_text("HTTP/1.1 200 OK\r\nDocker-Content-Digest: %s\r\nContent-Length: %zu\r\n\r\n", digest, manifest.n)});
	for (i = 0; i < n; i++)
		buf_release(&items[i].blob);
	buf_release(&config);
	buf_release(&manifest);
	buf_release(&layers);
}

/* --- pulling ------------------------------------------------------------------------------------------ */

static int on_progress(void *arg, const char *json, size_t n)
{
	struct fixture *f = arg;
	struct err e;
	json_t *j = json_parse(json, n, &e);
	const char *id = json_str(j, "id", "");

	buf_addf(&f->lines, "%s%s%s\n", id, *id ? ": " : "", json_str(j, "status", ""));
	json_decref(j);
	return f->lines_max && ++f->n_lines >= f->lines_max ? -1 : 0;
}

static json_t *pull(struct fixture *f, const char *name, const char *more)
{
	cleanup_free char *text = xasprintf("{\"op\":\"pull\",\"ref\":\"%s/%s\"%s,\"config\":{\"stall_timeout_ms\":30000,"
		"\"retry_delay_ms\":1,\"max-download-attempts\":2}}", f->server.address, name, more);
	json_t *request = json_parse(text, strlen(text), &f->e);
	struct worker_job job = {.request = request, .store = &f->store, .input = -1, .cancel = -1, .progress = on_progress,
		.arg = f};
	json_t *made;

	f->e = (struct err)ERR_INIT;
	buf_reset(&f->lines);
	f->n_lines = 0;
	made = images_run_job(f->im, &job, &f->e);
	json_decref(request);
	return made;
}

static bool pull_ok(struct fixture *f, const char *name, const char *more, bool changed)
{
	json_t *made = pull(f, name, more);
	bool ok = made;

	if (!made)
		unit_fail(__FILE__, __LINE__, "pulling %s: %s", name, f->e.msg);
	else
		CHECK_INT(json_bool(json_array_get(made, 0), "changed", !changed), changed);
	json_decref(made);
	return ok;
}

static size_t entries(const struct fixture *f, const char *dir)
{
	int fd = openat(f->datafd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d)))
		n += strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
	if (d)
		closedir(d);
	return n;
}

static size_t layer_count(const struct fixture *f)
{
	json_t *all = layer_list(&f->store);
	size_t n = json_array_size(all);

	json_decref(all);
	return n;
}

/* It must fail with these words and leave no trace but whole layers, for the next one to go on from. */
static void pull_bad(struct fixture *f, const char *name, const char *more, const char *why)
{
	size_t layers = layer_count(f), images = images_count(f->im);
	json_t *made = pull(f, name, more);

	if (made || !strstr(f->e.msg, why))
		unit_fail(__FILE__, __LINE__, "%s: wanted '%s', got '%s'", name, why, made ? "success" : f->e.msg);
	json_decref(made);
	CHECK_INT(images_count(f->im), images);
	CHECK(layer_count(f) >= layers);
	CHECK_INT(entries(f, "tmp"), 0);
	images_sweep(f->im);
	CHECK_INT(layer_count(f), layers);
	CHECK_INT(entries(f, "partial"), 0);
}

/* Where in the progress a line is; -1 if it is not there. */
static ssize_t line_at(const struct fixture *f, const char *fmt, ...)
{
	cleanup_buf struct buf want = BUF_INIT, all = BUF_INIT;
	const char *at;
	va_list ap;

	buf_addc(&want, '\n');
	va_start(ap, fmt);
	buf_vaddf(&want, fmt, ap);
	va_end(ap);
	buf_addc(&want, '\n');
	buf_addf(&all, "\n%s", f->lines.p);
	at = strstr(all.p, want.p);
	return at ? at - all.p : -1;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

TEST_USERNS(an_image)
{
	struct item_of items[] = {{.name = "a", .text = "first"}, {.name = "b", .text = "second", .plain = true},
		{.name = "a", .text = "first"}, {.name = "big", .random = 3 << 20}, {.name = "c", .text = "last"}};
	char digest[DIGEST_MAX], want[512];
	struct fixture f;
	ssize_t before = -1, at;
	size_t i;

	setup(&f);
	serve_image(&f, "a/b", "1", items, 5, "", digest);
	NEED(pull_ok(&f, "a/b:1", "", true));
	CHECK_INT(line_at(&f, "1: Pulling from a/b"), 0);
	for (i = 0; i < 5; i++) {
		if (i == 2)
			continue; /* reported once */
		CHECK(line_at(&f, "%s: Pulling fs layer", items[i].short_id) > 0);
		CHECK(line_at(&f, "%s: Verifying Checksum", items[i].short_id) <
			line_at(&f, "%s: Download complete", items[i].short_id));
		at = line_at(&f, "%s: Pull complete", items[i].short_id);
		CHECK(at > before); /* in the order of the chain */
		before = at;
	}
	CHECK(line_at(&f, "%s: Waiting", items[4].short_id) > 0);
	CHECK(line_at(&f, "%s: Waiting", items[0].short_id) < 0);
	CHECK(line_at(&f, "Digest: %s", digest) > before);
	CHECK_INT(layer_count(&f), 5);
	CHECK_INT(images_count(f.im), 1);
	CHECK_INT(entries(&f, "tmp"), 0);

	/* Again: one HEAD and no more. */
	pthread_mutex_lock(&f.server.lock);
	buf_reset(&f.server.log);
	pthread_mutex_unlock(&f.server.lock);
	CHECK(pull_ok(&f, "a/b:1", "", false));
	snprintf(want, sizeof(want), "1: Pulling from a/b\nDigest: %s\n", digest);
	CHECK_STR(f.lines.p, want);
	CHECK_INT(server_count(&f.server, "HEAD "), 1);
	CHECK_INT(server_count(&f.server, "/manifests/"), 1);
	CHECK_INT(server_count(&f.server, "/blobs/"), 0);

	/* By digest: not even that. */
	snprintf(want, sizeof(want), "a/b@%s", digest);
	CHECK(pull_ok(&f, want, "", false));
	CHECK_INT(server_count(&f.server, "HEAD "), 1);
	snprintf(want, sizeof(want), "%s/a/b@%s: Pulling from a/b\nDigest: %s\n", f.server.address, digest, digest);
	CHECK_STR(f.lines.p, want);
	teardown(&f);
}

TEST_USERNS(layers_that_are_there)
{
	struct item_of one[] = {{.name = "a", .text = "base"}, {.name = "b", .text = "one"}};
	struct item_of two[] = {{.name = "a", .text = "base"}, {.name = "b", .text = "two"}};
	char digest[DIGEST_MAX];
	struct fixture f;

	setup(&f);
	serve_image(&f, "a", "1", one, 2, "", digest);
	serve_image(&f, "a", "2", two, 2, "", digest);
	CHECK(pull_ok(&f, "a:1", "", true));
	CHECK(pull_ok(&f, "a:2", "", true));
	CHECK(line_at(&f, "%s: Already exists", two[0].short_id) > 0);
	CHECK(line_at(&f, "%s: Pull complete", two[1].short_id) > 0);
	CHECK_INT(layer_count(&f), 3);
	/* the same content by another name: what is there is found by its config */
	serve_image(&f, "other", "1", one, 2, "", digest);
	CHECK(pull_ok(&f, "other:1", "", true));
	CHECK_INT(server_count(&f.server, "GET /v2/other/blobs/"), 0);
	CHECK_INT(images_count(f.im), 2);
	teardown(&f);
}

TEST_USERNS(an_image_without_layers)
{
	char digest[DIGEST_MAX];
	struct fixture f;

	setup(&f);
	serve_image(&f, "empty", "1", NULL, 0, "", digest);
	CHECK(pull_ok(&f, "empty:1", "", true));
	CHECK_INT(images_count(f.im), 1);
	CHECK_INT(layer_count(&f), 0);
	teardown(&f);
}

TEST_USERNS(an_index)
{
	struct item_of items[] = {{.name = "a", .text = "child"}};
	char child[DIGEST_MAX], index[DIGEST_MAX], *text;
	struct fixture f;

	setup(&f);
	serve_image(&f, "i", "child", items, 1, "", child);
	text = kept_text("{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"" OCI "manifest.v1+json\",\"size\":9,\"digest\":\"sha256:"
		"1111111111111111111111111111111111111111111111111111111111111111\",\"platform\":{\"os\":\"unknown\","
		"\"architecture\":\"unknown\"}},"
		"{\"mediaType\":\"" OCI "manifest.v1+json\",\"size\":9,\"digest\":\"%s\",\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"s390x\"}}]}", child);
	sha256_digest_of(text, strlen(text), index);
	serve_at(&f, kept_text("/v2/i/manifests/%s", index), "Content-Type: " OCI "index.v1+json\r\n", text, strlen(text));
	serve(&f, (struct step){.match = "HEAD /v2/i/manifests/1 ",
		.reply = kept_text("HTTP/1.1 200 OK\r\nDocker-Content-Digest: %s\r\nContent-Length: 1\r\n\r\n", index)});
	CHECK(pull_ok(&f, "i:1", ",\"platform\":\"linux/s390x\"", true));
	CHECK(line_at(&f, "Digest: %s", index) > 0); /* of what was asked for, not of what was found in it */
	pull_bad(&f, "i:1", ",\"platform\":\"linux/riscv64\"", "no matching manifest for linux/riscv64 in the manifest list entries");
	teardown(&f);
}

TEST_USERNS(registries_that_say_little)
{
	struct item_of items[] = {{.name = "a", .text = "x"}};
	char digest[DIGEST_MAX], path[128];
	struct fixture f;
	struct step *s;
	size_t i;

	setup(&f);
	serve_image(&f, "m", "1", items, 1, "", digest);
	/* no digest header, and the manifest by its tag only */
	serve(&f, (struct step){.match = "HEAD ", .reply = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"});
	snprintf(path, sizeof(path), "GET /v2/m/manifests/%s ", digest);
	for (i = 0, s = f.steps; i < f.server.n; i++)
		if (!strcmp(s[i].match, path))
			s[i].match = "GET /v2/m/manifests/1 ";
	CHECK(pull_ok(&f, "m:1", "", true));
	CHECK(line_at(&f, "Digest: %s", digest) > 0);
	teardown(&f);
}

TEST_USERNS(all_tags)
{
	struct item_of one[] = {{.name = "a", .text = "1"}}, two[] = {{.name = "a", .text = "2"}};
	char digest[DIGEST_MAX];
	struct fixture f;
	json_t *made;

	setup(&f);
	serve_image(&f, "t", "x", one, 1, "", digest);
	serve_image(&f, "t", "y", two, 1, "", digest);
	serve_at(&f, "/v2/t/tags/list", "", "{\"tags\":[\"y\",\"x\"]}", 18);
	made = pull(&f, "t", ",\"all_tags\":true");
	CHECK_OK(f.e, made ? 0 : -1);
	CHECK_INT(json_array_size(made), 2);
	json_decref(made);
	CHECK(line_at(&f, "y: Pulling from t") >= 0);
	CHECK(line_at(&f, "x: Pulling from t") > line_at(&f, "y: Pulling from t"));
	serve_at(&f, "/v2/t/tags/list", "", "{\"tags\":[\"x\",\"../y\"]}", 21);
	CHECK(!pull(&f, "t", ",\"all_tags\":true"));
	CHECK_STR(f.e.msg, "invalid tag format");
	teardown(&f);
}

TEST_USERNS(layers_that_are_wrong)
{
	struct item_of good = {.name = "a", .text = "good"};
	struct item_of items[] = {{.name = "a", .text = "good"}, {.name = "b", .random = 200000}, {.name = "c", .text = "other"}};
	char digest[DIGEST_MAX], *path, *bytes;
	struct fixture f;
	struct buf *r;

	setup(&f);
	serve_image(&f, "ok", "1", &good, 1, "", digest);
	CHECK(pull_ok(&f, "ok:1", "", true)); /* one layer is there before, and stays */

	items[2].diff_id = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
	serve_image(&f, "w", "1", items, 3, "", digest);
	pull_bad(&f, "w:1", "", "layers from manifest don't match image configuration");
	items[2].diff_id = NULL;

	serve_image(&f, "w", "1", items, 3, "", digest);
	path = kept_text("GET /v2/w/blobs/%s ", items[1].digest);
	serve(&f, (struct step){.match = path, .reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", .times = 1});
	pull_bad(&f, "w:1", "", "unknown blob");
	serve(&f, (struct step){.match = path, .reply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", .times = 1});
	pull_bad(&f, "w:1", "", "has 4 bytes where the manifest promises");
	bytes = xcalloc(1, 200000);
	r = reply("", bytes, 200000);
	serve(&f, (struct step){.match = path, .reply = r->p, .len = r->n, .times = 1});
	pull_bad(&f, "w:1", "", "where the manifest promises");
	free(bytes);

	/* And when it has come to its senses: */
	CHECK(pull_ok(&f, "w:1", "", true));
	CHECK_INT(layer_count(&f), 3);
	teardown(&f);
}

/* Bytes with the right digest that are no archive. */
TEST_USERNS(layers_that_are_none)
{
	static const char config[] = "{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:"
		"1111111111111111111111111111111111111111111111111111111111111111\"]}}";
	static const char noise[] = "\x1f\x8b\x08 this is no gzip, whatever its first bytes say";
	struct buf b = {(char *)(uintptr_t)noise, sizeof(noise) - 1, 0}, c = {(char *)(uintptr_t)config, sizeof(config) - 1, 0};
	char layer[DIGEST_MAX], config_digest[DIGEST_MAX], *text;
	struct fixture f;

	setup(&f);
	serve_blob(&f, "n", &b, layer);
	serve_blob(&f, "n", &c, config_digest);
	text = kept_text("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"size\":%zu,\"digest\":\"%s\"},"
		"\"layers\":[{\"mediaType\":\"" OCI "layer.v1.tar+gzip\",\"size\":%zu,\"digest\":\"%s\"}]}", c.n, config_digest, b.n,
		layer);
	serve_at(&f, "/v2/n/manifests/1", "Content-Type: " OCI "manifest.v1+json\r\n", text, strlen(text));
	pull_bad(&f, "n:1", "", "failed to register layer: ");
	teardown(&f);
}

TEST_USERNS(connections_that_break)
{
	struct item_of items[] = {{.name = "a", .text = "x"}, {.name = "big", .random = 2 << 20}};
	char digest[DIGEST_MAX], *path;
	struct fixture f;
	struct step cut;
	size_t i;

	setup(&f);
	serve_image(&f, "br", "1", items, 2, "", digest);
	path = kept_text("GET /v2/br/blobs/%s ", items[1].digest);
	for (i = 0; strcmp(f.steps[i].match, path); i++)
		;
	cut = f.steps[i];
	cut.len = 1000000;
	cut.after = RESET;
	cut.times = 1;
	serve(&f, cut); /* the second attempt gets all again, and what is known is skipped */
	CHECK(pull_ok(&f, "br:1", "", true));
	CHECK(line_at(&f, "%s: Retrying in 1 second", items[1].short_id) > 0);
	CHECK_INT(server_count(&f.server, "Range: bytes="), 1);
	teardown(&f);
}

/* What an earlier pull left of a blob is a hint, and anybody's bytes. */
TEST_USERNS(what_was_kept)
{
	struct item_of items[] = {{.name = "a", .text = "x"}, {.name = "big", .random = 2 << 20}};
	char digest[DIGEST_MAX], *zeros = xcalloc(1, 3 << 20);
	struct fixture f;
	int fd;

	setup(&f);
	serve_image(&f, "k", "1", items, 2, "", digest);

	/* More bytes than the blob has, and wrong ones: it is fetched whole. */
	fd = partial_open(&f.store, items[1].digest);
	NEED(fd >= 0 && !fd_write_full(fd, zeros, 3 << 20));
	close(fd);
	CHECK(pull_ok(&f, "k:1", "", true));
	CHECK_INT(server_count(&f.server, "Range: bytes="), 0);
	CHECK_INT(entries(&f, "partial"), 0);

	/* Wrong ones that are fewer: the rest is asked for first, then all. */
	serve_image(&f, "k", "2", items, 2, "", digest);
	fd = partial_open(&f.store, items[1].digest);
	NEED(fd >= 0 && !fd_write_full(fd, zeros, 1 << 20));
	close(fd);
	CHECK(pull_ok(&f, "k:2", "", true));
	CHECK_INT(server_count(&f.server, "Range: bytes=1048576-"), 1);
	CHECK_INT(entries(&f, "partial"), 0);

	/* Another process is at it: nothing is kept, and its file stays. */
	serve_image(&f, "k", "3", items, 2, "", digest);
	fd = partial_open(&f.store, items[1].digest);
	NEED(fd >= 0);
	CHECK(partial_open(&f.store, items[1].digest) < 0);
	CHECK(pull_ok(&f, "k:3", "", true));
	CHECK_INT(entries(&f, "partial"), 1);
	CHECK_INT(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	free(zeros);
	teardown(&f);
}

TEST_USERNS(a_client_that_goes_away)
{
	struct item_of items[] = {{.name = "a", .text = "x"}, {.name = "big", .random = 2 << 20}, {.name = "c", .text = "y"}};
	char digest[DIGEST_MAX], *path;
	struct fixture f;
	struct step stall;
	size_t i;

	setup(&f);
	serve_image(&f, "gone", "1", items, 3, "", digest);
	path = kept_text("GET /v2/gone/blobs/%s ", items[1].digest);
	for (i = 0; strcmp(f.steps[i].match, path); i++)
		;
	stall = f.steps[i];
	stall.len = 1000000;
	stall.after = STALL;
	serve(&f, stall);
	f.lines_max = 10; /* somewhere among the layers */
	pull_bad(&f, "gone:1", "", "sending progress");
	teardown(&f);
}

TEST_USERNS(refusals)
{
	struct fixture f;

	setup(&f);
	serve(&f, (struct step){.match = "GET /v2/none/manifests/1 ",
		.reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 41\r\n\r\n{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]} "});
	serve(&f, (struct step){.match = "GET /v2/denied/manifests/1 ",
		.reply = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 31\r\n\r\n{\"errors\":[{\"code\":\"DENIED\"}]} "});
	pull_bad(&f, "none:1", "", "manifest unknown: manifest unknown");
	CHECK_INT(f.e.kind, ERR_NOT_FOUND);
	CHECK(!strncmp(f.e.msg, "manifest for 127.0.0.1:", 23) && strstr(f.e.msg, "/none:1 not found: "));
	CHECK_STR(f.lines.p, "");
	pull_bad(&f, "denied:1", "", "/denied, repository does not exist or may require 'docker login': denied: requested access to "
		"the resource is denied");
	CHECK_INT(f.e.kind, ERR_NOT_FOUND);
	pull_bad(&f, "UPPER:1", "", "must be lowercase");
	pull_bad(&f, "x:1", ",\"platform\":\"a/b/c/d\"", "cannot parse platform specifier");
	teardown(&f);
}
