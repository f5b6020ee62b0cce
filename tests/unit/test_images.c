/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_images.c - the store of images with real workers, layers and archives
 *
 * Runs as root of a user namespace; workers and the unpacking process are this program again.
 */
#define UNIT_ROLES role_main
#include "archive.h"
#include "userns.h"

#include "image/image.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <zlib.h>

static int role_main(int argc, char **argv)
{
	if (!strcmp(argv[0], ":worker"))
		return worker_role_main(argc, argv);
	return strcmp(argv[0], ":unpack") ? 99 : unpack_role_main(argc, argv);
}

/* --- a store ------------------------------------------------------------------------------------- */

struct fixture {
	int datafd;
	char root[4200];
	struct store store;
	struct images *im;
	struct err e;
};

static void open_images(struct fixture *f, const json_t *keep)
{
	f->im = images_open(f->datafd, &f->store, keep, &f->e);
	if (!f->im)
		unit_fail(__FILE__, __LINE__, "images_open: %s", f->e.msg);
	NEED(f->im);
}

static void setup(struct fixture *f)
{
	static int serial;

	*f = (struct fixture){.e = ERR_INIT};
	snprintf(f->root, sizeof(f->root), "%s/data-%d-%d", tmp_path(), (int)getpid(), serial++);
	NEED(!mkdir(f->root, 0700));
	f->datafd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_open(&f->store, f->datafd, f->root, NULL, &f->e))
		unit_fail(__FILE__, __LINE__, "store_open: %s", f->e.msg);
	NEED(f->store.driver);
	f->store.single_id = userns_ids() == 1;
	open_images(f, NULL);
}

static void teardown(struct fixture *f)
{
	images_close(f->im);
	store_close(&f->store);
	close(f->datafd);
}

static size_t entries(const struct fixture *f, const char *dir)
{
	int fd = openat(f->datafd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		printf("# %s/%s\n", dir, de->d_name);
		n++;
	}
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

/* --- archives -------------------------------------------------------------------------------------- */

static void digest_of(const struct buf *b, char out[DIGEST_MAX])
{
	sha256_digest_of(b->p, b->n, out);
}

static struct buf layer_of(const char *name, const char *text)
{
	struct buf b = BUF_INIT;

	ITEM(&b, .name = name, .data = text);
	put_end(&b);
	return b;
}

static struct buf gzipped(const struct buf *in)
{
	struct buf out = BUF_INIT;
	z_stream z = {0};

	NEED(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	buf_room(&out, deflateBound(&z, in->n) + 32);
	z.next_in = (const Bytef *)in->p;
	z.avail_in = (uInt)in->n;
	z.next_out = (Bytef *)out.p;
	z.avail_out = (uInt)deflateBound(&z, in->n) + 32;
	CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

/* A config of layers with these diff_ids; @extra are more members. */
static char *config_of(const char *extra, size_t n, const struct buf *layers)
{
	struct buf b = BUF_INIT;
	char digest[DIGEST_MAX];

	buf_addf(&b, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2023-11-14T22:13:20Z\",%s"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", extra);
	for (size_t i = 0; i < n; i++) {
		digest_of(&layers[i], digest);
		buf_addf(&b, "%s\"%s\"", i ? "," : "", digest);
	}
	buf_adds(&b, "]}}");
	return buf_detach(&b);
}

/* docker save's format: one image, its tags as JSON text ("null"), its layers. */
static struct buf docker_archive(const char *tags, const char *extra, size_t n, const struct buf *layers)
{
	struct buf out = BUF_INIT, manifest = BUF_INIT;
	char *config = config_of(extra, n, layers), name[32];

	ITEM(&out, .name = "config.json", .data = config);
	buf_addf(&manifest, "[{\"Config\":\"config.json\",\"RepoTags\":%s,\"Layers\":[", tags);
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "l%zu/layer.tar", i);
		ITEM(&out, .name = name, .data = layers[i].p, .len = layers[i].n);
		buf_addf(&manifest, "%s\"%s\"", i ? "," : "", name);
	}
	buf_adds(&manifest, "]}]");
	ITEM(&out, .name = "manifest.json", .data = manifest.p);
	put_end(&out);
	buf_release(&manifest);
	free(config);
	return out;
}

/* --- jobs ------------------------------------------------------------------------------------------- */

struct feed {
	const struct buf *b;
	size_t at, step; /* bytes at a time */
	void (*before)(struct feed *f);
};

static ssize_t feed_more(void *arg, int pipefd, struct err *e)
{
	struct feed *f = arg;
	size_t n = f->b->n - f->at < f->step ? f->b->n - f->at : f->step;
	ssize_t put;

	if (f->before)
		f->before(f);
	signal(SIGPIPE, SIG_IGN);
	put = n ? write(pipefd, f->b->p + f->at, n) : 0;
	if (put < 0)
		return err_set(e, errno, "feeding");
	f->at += (size_t)put;
	return put;
}

static json_t *run_fed(struct fixture *f, json_t *request_steal, struct feed *feed)
{
	struct worker_job job = {
		.request = request_steal, .store = &f->store, .input = -1, .feed = feed_more, .arg = feed, .cancel = -1,
	};
	json_t *made;

	f->e = (struct err)ERR_INIT;
	made = images_run_job(f->im, &job, &f->e);
	json_decref(request_steal);
	return made;
}

static json_t *load(struct fixture *f, const struct buf *archive)
{
	struct feed feed = {.b = archive, .step = 10000};

	return run_fed(f, json_pack("{s:s, s:b}", "op", "load", "quiet", 1), &feed);
}

/* Load what is expected to be good; the id of the first image. */
static void load_ok(struct fixture *f, struct buf archive, char id[DIGEST_MAX])
{
	json_t *made = load(f, &archive);

	if (!made)
		unit_fail(__FILE__, __LINE__, "load: %s", f->e.msg);
	NEED(made);
	snprintf(id, DIGEST_MAX, "%s", json_str(json_array_get(made, 0), "id", ""));
	json_decref(made);
	buf_release(&archive);
}

/* Load what must be refused: with these words, and without a trace. */
static void load_bad(struct fixture *f, struct buf archive, const char *why)
{
	size_t layers = layer_count(f), images = images_count(f->im);
	json_t *made = load(f, &archive);

	if (made || !strstr(f->e.msg, why))
		unit_fail(__FILE__, __LINE__, "wanted '%s', got '%s'", why, made ? "success" : f->e.msg);
	json_decref(made);
	CHECK_INT(images_count(f->im), images);
	CHECK_INT(layer_count(f), layers);
	CHECK_INT(entries(f, "tmp"), 0);
	buf_release(&archive);
}

static char *dumped(json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	json_decref(j);
	return s;
}

static void no_events(void *arg, const char *action, const char *id)
{
}

static char *removed(struct fixture *f, const char *name, bool force)
{
	json_t *j = images_remove_json(f->im, name, force, false, NULL, no_events, NULL, &f->e);

	return j ? dumped(j) : xstrdup(f->e.msg);
}

/* --- tests ------------------------------------------------------------------------------------------ */

TEST_USERNS(load_list_inspect_remove)
{
	struct buf layers[2] = {layer_of("a", "one"), layer_of("b", "twotwo")};
	char id[DIGEST_MAX], found[DIGEST_MAX], want[512], *s;
	struct images_list all = {0};
	struct fixture f;
	json_t *j;

	setup(&f);
	load_ok(&f, docker_archive("[\"a/b:1\",\"c:2\"]", "\"config\":{\"Cmd\":[\"x\"],\"Labels\":{\"k\":\"v\"}},"
		"\"history\":[{\"created_by\":\"first\"},{\"created_by\":\"no\",\"empty_layer\":true},"
		"{\"created_by\":\"second\",\"comment\":\"c\"}],", 2, layers), id);
	CHECK_INT(layer_count(&f), 2);
	CHECK_INT(entries(&f, "tmp"), 0);

	j = images_list_json(f.im, &all, NULL, &f.e);
	snprintf(want, sizeof(want), "[{\"Containers\":-1,\"Created\":1700000000,\"Id\":\"%s\",\"Labels\":{\"k\":\"v\"},"
		"\"ParentId\":\"\",\"RepoDigests\":[],\"RepoTags\":[\"a/b:1\",\"c:2\"],\"SharedSize\":-1,\"Size\":9}]", id);
	CHECK_STR(s = dumped(j), want);
	free(s);

	j = images_inspect_json(f.im, "c:2", &f.e);
	NEED(j);
	CHECK_STR(json_str(j, "Created", ""), "2023-11-14T22:13:20Z");
	CHECK_STR(json_str(j, "Comment", ""), "c");
	CHECK_INT(json_array_size(json_path(j, "RootFS", "Layers", NULL)), 2);
	CHECK_STR(s = dumped(json_incref(json_obj(j, "Config"))), "{\"Cmd\":[\"x\"],\"Entrypoint\":null,\"Env\":null,"
		"\"Labels\":{\"k\":\"v\"},\"OnBuild\":null,\"User\":\"\",\"Volumes\":null,\"WorkingDir\":\"\"}");
	free(s);
	json_decref(j);

	j = images_history_json(f.im, "a/b:1", &f.e);
	NEED(json_array_size(j) == 3);
	CHECK_STR(json_str(json_array_get(j, 0), "Id", ""), id);
	CHECK_STR(json_str(json_array_get(j, 0), "CreatedBy", ""), "second");
	CHECK_INT(json_int(json_array_get(j, 0), "Size", -1), 6);
	CHECK_INT(json_int(json_array_get(j, 1), "Size", -1), 0);
	CHECK_STR(json_str(json_array_get(j, 2), "Id", ""), "<missing>");
	CHECK_INT(json_int(json_array_get(j, 2), "Size", -1), 3);
	json_decref(j);

	CHECK_OK(f.e, images_resolve(f.im, id, found, &f.e));
	snprintf(want, sizeof(want), "%.8s", id + 7);
	CHECK_OK(f.e, images_resolve(f.im, want, found, &f.e));
	CHECK_STR(found, id);
	CHECK(images_resolve(f.im, "nope", found, &f.e) < 0);
	CHECK_STR(f.e.msg, "No such image: nope:latest");
	CHECK_INT(f.e.kind, ERR_NOT_FOUND);

	snprintf(want, sizeof(want), "conflict: unable to delete %.12s (must be forced) - image is referenced in multiple "
		"repositories", id + 7);
	CHECK_STR(s = removed(&f, id, false), want);
	free(s);
	CHECK_STR(s = removed(&f, "c:2", false), "[{\"Untagged\":\"c:2\"}]");
	free(s);
	s = removed(&f, "a/b:1", false);
	CHECK(strstr(s, "{\"Untagged\":\"a/b:1\"},{\"Deleted\":\"sha256:"));
	free(s);
	CHECK_INT(images_count(f.im), 0);
	CHECK_INT(layer_count(&f), 0);
	teardown(&f);
}

TEST_USERNS(a_tag_moves_and_the_old_image_dangles)
{
	struct buf one = layer_of("a", "one"), two = layer_of("a", "two");
	char first[DIGEST_MAX], second[DIGEST_MAX], *s;
	struct fixture f;
	struct buf archive;
	json_t *made, *j;

	setup(&f);
	load_ok(&f, docker_archive("[\"x:1\"]", "", 1, &one), first);
	archive = docker_archive("[\"x:1\"]", "", 1, &two);
	made = load(&f, &archive);
	NEED(made);
	j = json_array_get(made, 0);
	CHECK(json_bool(j, "changed", false));
	CHECK_STR(json_str(json_obj(j, "moved"), "docker.io/library/x:1", ""), first);
	json_decref(made);
	made = load(&f, &archive);
	CHECK(!json_bool(json_array_get(made, 0), "changed", true));
	CHECK_INT(json_object_size(json_obj(json_array_get(made, 0), "moved")), 0);
	json_decref(made);
	buf_release(&archive);
	CHECK_OK(f.e, images_resolve(f.im, "x:1", second, &f.e));
	CHECK(strcmp(first, second));
	CHECK_INT(images_count(f.im), 2);

	j = images_prune_json(f.im, NULL, NULL, no_events, NULL, &f.e);
	CHECK_INT(json_int(j, "SpaceReclaimed", 0), 3);
	CHECK_INT(json_array_size(json_arr(j, "ImagesDeleted")), 2);
	json_decref(j);
	CHECK_INT(images_count(f.im), 1);
	s = dumped(images_prune_json(f.im, NULL, NULL, no_events, NULL, &f.e));
	CHECK_STR(s, "{\"ImagesDeleted\":null,\"SpaceReclaimed\":0}");
	free(s);
	teardown(&f);
}

TEST_USERNS(shared_layers_stay_with_the_other_image)
{
	struct buf layers[2] = {layer_of("a", "one"), layer_of("b", "two")};
	char base[DIGEST_MAX], upper[DIGEST_MAX];
	struct fixture f;

	setup(&f);
	load_ok(&f, docker_archive("[\"base:1\"]", "", 1, layers), base);
	load_ok(&f, docker_archive("[\"upper:1\"]", "", 2, layers), upper);
	CHECK_INT(layer_count(&f), 2);
	free(removed(&f, "base:1", false));
	CHECK_INT(layer_count(&f), 2);
	CHECK_INT(images_layers_size(f.im), 6);
	free(removed(&f, "upper:1", false));
	CHECK_INT(layer_count(&f), 0);
	teardown(&f);
}

TEST_USERNS(pins_and_holds_keep_layers)
{
	struct buf layers[2] = {layer_of("a", "one"), layer_of("b", "two")};
	char id[DIGEST_MAX], top[DIGEST_MAX];
	struct fixture f;
	json_t *keep;

	setup(&f);
	load_ok(&f, docker_archive("[\"p:1\"]", "", 2, layers), id);
	CHECK_OK(f.e, images_top_layer(f.im, id, top, &f.e));
	CHECK_OK(f.e, images_pin(f.im, top, &f.e));
	CHECK_OK(f.e, images_pin(f.im, top, &f.e));
	free(removed(&f, "p:1", true));
	CHECK_INT(images_count(f.im), 0);
	CHECK_INT(layer_count(&f), 2);
	images_unpin(f.im, top);
	CHECK_INT(layer_count(&f), 2);

	/* After a restart what a container stands on is still there. */
	keep = json_pack("[s]", top);
	images_close(f.im);
	open_images(&f, keep);
	json_decref(keep);
	CHECK_INT(layer_count(&f), 2);
	images_hold(f.im);
	images_unpin(f.im, top);
	CHECK_INT(layer_count(&f), 2);
	images_unhold(f.im);
	CHECK_INT(layer_count(&f), 0);
	CHECK(images_pin(f.im, top, &f.e) < 0);
	CHECK_INT(f.e.kind, ERR_NOT_FOUND);
	CHECK_OK(f.e, images_pin(f.im, "", &f.e));
	teardown(&f);
}

TEST_USERNS(all_is_there_after_a_restart)
{
	struct buf layer = layer_of("a", "one");
	struct images_list all = {0};
	char id[DIGEST_MAX], *before, *after, path[DIGEST_MAX + 64];
	struct fixture f;
	struct imgref ref;
	json_t *j;

	setup(&f);
	load_ok(&f, docker_archive("[\"r:1\"]", "", 1, &layer), id);
	NEED(!imgref_parse("r:2", &ref, &f.e));
	CHECK_OK(f.e, images_tag(f.im, &ref, id, &f.e));
	imgref_release(&ref);
	before = dumped(images_list_json(f.im, &all, NULL, &f.e));
	images_close(f.im);
	open_images(&f, NULL);
	after = dumped(images_list_json(f.im, &all, NULL, &f.e));
	CHECK_STR(after, before);
	j = images_inspect_json(f.im, "r:2", &f.e);
	CHECK(strncmp(json_str(json_obj(j, "Metadata"), "LastTagTime", "0001"), "0001", 4));
	json_decref(j);

	/* A config that somebody changed is no image any more; its names are forgotten, its layer goes with the
	 * next removal or prune. */
	images_close(f.im);
	snprintf(path, sizeof(path), "image/%s/%s.json", store_driver_name(&f.store), digest_hex(id));
	CHECK_OK(f.e, file_write_at(f.datafd, path, "{}", 2, 0600, 0, &f.e));
	open_images(&f, NULL);
	CHECK_INT(images_count(f.im), 0);
	CHECK_INT(layer_count(&f), 1);
	json_decref(images_prune_json(f.im, NULL, NULL, NULL, NULL, &f.e));
	CHECK_INT(layer_count(&f), 0);
	free(before);
	free(after);
	teardown(&f);
}

static void oci_blob(struct buf *out, const struct buf *b, char digest[DIGEST_MAX])
{
	char name[DIGEST_MAX + 16];

	digest_of(b, digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(digest));
	ITEM(out, .name = name, .data = b->p, .len = b->n);
}

/* A manifest of one layer; its descriptor's text is returned. */
static char *oci_manifest(struct buf *out, const struct buf *layer, const char *arch, bool compress)
{
	struct buf blob = compress ? gzipped(layer) : (struct buf)BUF_INIT, config = BUF_INIT, manifest = BUF_INIT;
	char layer_digest[DIGEST_MAX], config_digest[DIGEST_MAX], digest[DIGEST_MAX], *text = config_of("", 1, layer);

	buf_adds(&config, text);
	free(text);
	text = strstr(config.p, "amd64");
	if (strcmp(arch, "amd64"))
		memcpy(text, arch, 5);
	oci_blob(out, compress ? &blob : layer, layer_digest);
	oci_blob(out, &config, config_digest);
	buf_addf(&manifest, "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":%zu},"
		"\"layers\":[{\"digest\":\"%s\",\"size\":%zu}]}", config_digest, config.n, layer_digest,
		compress ? blob.n : layer->n);
	oci_blob(out, &manifest, digest);
	text = xasprintf("{\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}",
		digest, manifest.n, arch);
	buf_release(&manifest);
	buf_release(&config);
	buf_release(&blob);
	return text;
}

TEST_USERNS(oci_layout_with_nested_indexes)
{
	struct buf ours = layer_of("ours", "x"), other = layer_of("other", "y"), out = BUF_INIT, inner = BUF_INIT,
		top = BUF_INIT;
	struct platform host;
	char digest[DIGEST_MAX], id[DIGEST_MAX], top_layer[DIGEST_MAX], want[DIGEST_MAX], *a, *b;
	struct fixture f;

	platform_host(&host);
	if (strcmp(host.arch, "amd64"))
		SKIP("machine: not amd64");
	setup(&f);
	a = oci_manifest(&out, &other, "s390x", false);
	b = oci_manifest(&out, &ours, "amd64", true);
	buf_addf(&inner, "{\"manifests\":[%s},%s}]}", a, b);
	oci_blob(&out, &inner, digest);
	buf_addf(&top, "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\",\"size\":%zu,\"annotations\":"
		"{\"io.containerd.image.name\":\"docker.io/library/oci:1\"}}]}", digest, inner.n);
	ITEM(&out, .name = "oci-layout", .data = "{\"imageLayoutVersion\":\"1.0.0\"}");
	ITEM(&out, .name = "index.json", .data = top.p);
	put_end(&out);
	load_ok(&f, gzipped(&out), id);
	CHECK_OK(f.e, images_resolve(f.im, "oci:1", id, &f.e));
	CHECK_OK(f.e, images_top_layer(f.im, id, top_layer, &f.e));
	digest_of(&ours, want);
	CHECK_STR(top_layer, want);
	CHECK_INT(layer_count(&f), 1);
	teardown(&f);
}

TEST_USERNS(bad_archives_leave_nothing)
{
	struct buf layer = layer_of("a", "one"), other = layer_of("a", "two"), two[2], out, b;
	char digest[DIGEST_MAX], name[DIGEST_MAX + 16], *config;
	struct fixture f;

	setup(&f);
	load_bad(&f, (struct buf)BUF_INIT, "no such file or directory");
	out = (struct buf)BUF_INIT;
	for (int i = 0; i < 100; i++)
		buf_adds(&out, "this is not a tar archive");
	load_bad(&f, out, "archive/tar");
	out = (struct buf)BUF_INIT;
	ITEM(&out, .name = "etc/passwd", .data = "x");
	put_end(&out);
	load_bad(&f, out, "neither manifest.json nor index.json");
	CHECK(strstr(f.e.hint, "docker import"));

	out = (struct buf)BUF_INIT;
	ITEM(&out, .name = "../manifest.json", .data = "[]");
	put_end(&out);
	load_bad(&f, out, "invalid entry name");

	/* the second layer is not what the config says */
	two[0] = layer;
	two[1] = other;
	out = docker_archive("null", "", 2, two);
	config = config_of("", 2, (struct buf[]){layer, layer});
	b = (struct buf)BUF_INIT;
	ITEM(&b, .name = "config.json", .data = config);
	memcpy(out.p, b.p, 1024);
	free(config);
	buf_release(&b);
	load_bad(&f, out, "invalid diffID for layer 1");

	/* fewer layers than the config has */
	out = (struct buf)BUF_INIT;
	config = config_of("", 1, &layer);
	ITEM(&out, .name = "c", .data = config);
	ITEM(&out, .name = "manifest.json", .data = "[{\"Config\":\"c\",\"Layers\":[]}]");
	put_end(&out);
	load_bad(&f, out, "layers length mismatch: expected 0, got 1");

	/* a link that leads out, and one that leads in a circle */
	out = (struct buf)BUF_INIT;
	ITEM(&out, .name = "c", .data = config);
	ITEM(&out, .type = '2', .name = "l", .link = "../../etc/passwd");
	ITEM(&out, .name = "manifest.json", .data = "[{\"Config\":\"c\",\"Layers\":[\"l\"]}]");
	put_end(&out);
	load_bad(&f, out, "open l: no such file");
	out = (struct buf)BUF_INIT;
	ITEM(&out, .name = "c", .data = config);
	ITEM(&out, .type = '2', .name = "l", .link = "m");
	ITEM(&out, .type = '2', .name = "m", .link = "l");
	ITEM(&out, .name = "manifest.json", .data = "[{\"Config\":\"c\",\"Layers\":[\"l\"]}]");
	put_end(&out);
	load_bad(&f, out, "open l: no such file");
	free(config);

	/* a blob that is not what its name says */
	out = (struct buf)BUF_INIT;
	digest_of(&layer, digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(digest));
	ITEM(&out, .name = name, .data = "{}");
	b = (struct buf)BUF_INIT;
	buf_addf(&b, "{\"manifests\":[{\"digest\":\"%s\",\"size\":2}]}", digest);
	ITEM(&out, .name = "index.json", .data = b.p);
	put_end(&out);
	buf_release(&b);
	load_bad(&f, out, "the archive is damaged");

	/* cut off in the middle of a layer */
	out = docker_archive("null", "", 1, &layer);
	out.n = 1700;
	load_bad(&f, out, "EOF");
	load_bad(&f, docker_archive("[\"UPPER:1\"]", "", 1, &layer), "must be lowercase");
	load_bad(&f, docker_archive("[\"notag\"]", "", 1, &layer), "invalid tag \"notag\"");
	load_bad(&f, docker_archive("null", "\"os\":\"windows\",", 1, &layer), "cannot load windows image");
	teardown(&f);
}

static void kill_child(struct feed *f)
{
	char path[64], text[64] = "";
	int fd;

	if (f->at < 20000)
		return;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		kill((pid_t)strtol(text, NULL, 10), SIGKILL);
	close(fd);
	f->before = NULL;
}

TEST_USERNS(a_killed_worker_leaves_nothing)
{
	struct buf layer = BUF_INIT, archive;
	struct feed feed = {.step = 5000, .before = kill_child};
	struct fixture f;
	json_t *made;
	char *data = xcalloc(1, 200001);

	setup(&f);
	memset(data, 'x', 200000);
	ITEM(&layer, .name = "big", .data = data);
	put_end(&layer);
	/* importing: the draft is being filled while bytes come in */
	feed.b = &layer;
	made = run_fed(&f, json_pack("{s:s, s:{}}", "op", "import", "config"), &feed);
	CHECK(!made);
	CHECK_STR(f.e.msg, "the worker was killed by signal 9");
	CHECK_INT(entries(&f, "tmp"), 0);
	archive = docker_archive("null", "", 1, &layer);
	feed = (struct feed){.b = &archive, .step = 5000, .before = kill_child};
	made = run_fed(&f, json_pack("{s:s}", "op", "load"), &feed);
	CHECK(!made);
	CHECK_INT(entries(&f, "tmp"), 0);
	CHECK_INT(layer_count(&f), 0);
	/* and the next one works */
	feed = (struct feed){.b = &archive, .step = 100000};
	made = run_fed(&f, json_pack("{s:s}", "op", "load"), &feed);
	CHECK(made);
	json_decref(made);
	free(data);
	teardown(&f);
}

TEST_USERNS(import_makes_one_layer)
{
	struct buf layer = layer_of("a", "one"), empty = BUF_INIT;
	struct feed feed = {.b = &layer, .step = 1000};
	struct fixture f;
	json_t *made, *j;

	setup(&f);
	made = run_fed(&f, json_pack("{s:s, s:{s:[s]}, s:s, s:s}", "op", "import", "config", "Cmd", "sh", "message", "hi",
		"platform", "linux/arm64"), &feed);
	NEED(made);
	j = images_inspect_json(f.im, json_str(json_array_get(made, 0), "id", ""), &f.e);
	NEED(j);
	CHECK_STR(json_str(j, "Comment", ""), "hi");
	CHECK_STR(json_str(j, "Architecture", ""), "arm64");
	CHECK_INT(json_int(j, "Size", 0), 3);
	CHECK_INT(json_array_size(json_path(j, "Config", "Cmd", NULL)), 1);
	json_decref(j);
	json_decref(made);
	/* nothing is an archive of nothing */
	feed = (struct feed){.b = &empty, .step = 1};
	made = run_fed(&f, json_pack("{s:s}", "op", "import"), &feed);
	if (!made)
		unit_fail(__FILE__, __LINE__, "an empty import: %s", f.e.msg);
	json_decref(made);
	teardown(&f);
}

TEST_USERNS(save_and_load_give_the_same_image)
{
	struct buf layers[2] = {layer_of("a", "one"), layer_of("b", "two")}, back = BUF_INIT;
	char id[DIGEST_MAX], again[DIGEST_MAX], path[4300], *names[] = {xstrdup("s"), NULL};
	struct archive *a;
	struct fixture f;
	int fd;

	setup(&f);
	load_ok(&f, docker_archive("[\"s:1\",\"s:2\"]", "", 2, layers), id);
	a = images_archive_new(f.im, names, &f.e);
	NEED(a);
	snprintf(path, sizeof(path), "%s/saved.tar", f.root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (images_archive_write(a, fd, &f.e))
		unit_fail(__FILE__, __LINE__, "save: %s", f.e.msg);
	images_archive_free(a);
	CHECK_INT(entries(&f, "tmp"), 0);
	lseek(fd, 0, SEEK_SET);
	CHECK_OK(f.e, fd_read_all(fd, 1 << 20, &back, &f.e));
	free(removed(&f, "s:1", false));
	free(removed(&f, "s:2", false));
	CHECK_INT(images_count(f.im), 0);
	load_ok(&f, back, again);
	CHECK_STR(again, id);
	CHECK_OK(f.e, images_resolve(f.im, "s:1", again, &f.e));
	CHECK_OK(f.e, images_resolve(f.im, "s:2", again, &f.e));
	names[0][0] = 'z';
	CHECK(!images_archive_new(f.im, names, &f.e));
	CHECK_STR(f.e.msg, "No such image: z");
	free(names[0]);
	close(fd);
	teardown(&f);
}

static char **two_names(void)
{
	char **v = xcalloc(3, sizeof(*v));

	v[0] = xstrdup("hello");
	v[1] = xstrdup("docker");
	return v;
}

TEST_USERNS(the_builtin_image_is_the_same_each_time)
{
	char id[DIGEST_MAX], again[DIGEST_MAX];
	struct buf layer = layer_of("a", "mine");
	struct fixture f;

	image_builtin_names = two_names;
	setup(&f);
	CHECK_OK(f.e, images_ensure_builtin(f.im, "busybox", NULL, &f.e));
	CHECK_INT(images_count(f.im), 0);
	CHECK_OK(f.e, images_ensure_builtin(f.im, "coracle", NULL, &f.e));
	NEED(CHECK_OK(f.e, images_resolve(f.im, "coracle:latest", id, &f.e)));
	CHECK_OK(f.e, images_ensure_builtin(f.im, "coracle:latest", NULL, &f.e));
	CHECK_INT(images_count(f.im), 1);
	free(removed(&f, "coracle", false));
	CHECK_OK(f.e, images_ensure_builtin(f.im, "docker.io/library/coracle", NULL, &f.e));
	CHECK_OK(f.e, images_resolve(f.im, "coracle", again, &f.e));
	CHECK_STR(again, id);
	/* somebody's own image of that name is theirs */
	load_ok(&f, docker_archive("[\"coracle:latest\"]", "", 1, &layer), id);
	CHECK_OK(f.e, images_ensure_builtin(f.im, "coracle", NULL, &f.e));
	CHECK_OK(f.e, images_resolve(f.im, "coracle", again, &f.e));
	CHECK_STR(again, id);
	teardown(&f);
}

struct users {
	size_t n;
	bool running;
};

static size_t count_users(void *arg, const char *id, char first[13], bool *running)
{
	const struct users *u = arg;

	snprintf(first, 13, "0123456789ab");
	*running = u->running;
	return u->n;
}

TEST_USERNS(containers_stand_in_the_way)
{
	struct users users = {.n = 1};
	const struct images_use use = {count_users, &users};
	struct buf layer = layer_of("a", "one");
	char id[DIGEST_MAX], want[256];
	struct fixture f;
	json_t *j;

	setup(&f);
	load_ok(&f, docker_archive("[\"u:1\"]", "", 1, &layer), id);
	CHECK(!images_remove_json(f.im, "u:1", false, false, &use, no_events, NULL, &f.e));
	snprintf(want, sizeof(want), "conflict: unable to remove repository reference \"u:1\" (must force) - container "
		"0123456789ab is using its referenced image %.12s", id + 7);
	CHECK_STR(f.e.msg, want);
	CHECK_INT(f.e.kind, ERR_CONFLICT);
	CHECK(!images_remove_json(f.im, id, false, false, &use, no_events, NULL, &f.e));
	snprintf(want, sizeof(want), "conflict: unable to delete %.12s (must be forced) - image is being used by stopped "
		"container 0123456789ab", id + 7);
	CHECK_STR(f.e.msg, want);
	users.running = true;
	CHECK(!images_remove_json(f.im, id, true, false, &use, no_events, NULL, &f.e));
	snprintf(want, sizeof(want), "conflict: unable to delete %.12s (cannot be forced) - image is being used by running "
		"container 0123456789ab", id + 7);
	CHECK_STR(f.e.msg, want);
	/* by name and with force the name goes, the image stays */
	j = images_remove_json(f.im, "u:1", true, false, &use, no_events, NULL, &f.e);
	CHECK_INT(json_array_size(j), 1);
	json_decref(j);
	CHECK_INT(images_count(f.im), 1);
	users.running = false;
	j = images_remove_json(f.im, id, true, false, &use, no_events, NULL, &f.e);
	CHECK_INT(json_array_size(j), 2);
	json_decref(j);
	CHECK_INT(images_count(f.im), 0);
	teardown(&f);
}
