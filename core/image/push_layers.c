/* SPDX-License-Identifier: MIT */
/*
 * core/image/push_layers.c - the layers of one image, from the store into a registry
 *
 * Theory of operation
 *   For each layer, the cheapest way first: an archive of it that is known by name may be in the
 *   repository already (HEAD); or in another repository of the same registry, which can take it
 *   over (mount); else it is made again from its files, compressed and uploaded.
 *
 *   A few carriers (threads) take the layers from the top down.  For an upload one more thread packs
 *   the layer into a pipe, and the carrier compresses, hashes and sends what comes out of it.  The
 *   packer checks the tar against the layer's diff id as it ends; only then is the upload ended too.
 *
 *   The first failure cancels the registry object, which makes all the others fail soon; its error is
 *   the one that is told.
 */
#include "image/push_layers.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "storage/tar.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_NS (100 * NS_PER_MS)
#define PIPE_SIZE (1 << 20)
#define CARRIERS_MAX 32
#define MOUNTS_MAX 4 /* repositories a layer is tried to be mounted from, as in Docker */
#define STACK_KB 512 /* packing walks trees */

static const char gzip_oci[] = "application/vnd.oci.image.layer.v1.tar+gzip";
static const char gzip_docker[] = "application/vnd.docker.image.rootfs.diff.tar.gzip";

struct push {
	const struct layers_push *p;
	struct descriptor *out;
	size_t *same; /* index of the highest layer with the same content: only that one is pushed */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	size_t next; /* layers not taken yet: next - 1 is the next one */
	int carriers;
	bool failed;
	struct err why;
};

/* --- what the user sees --- */

static void id_of(const struct push *push, size_t i, char id[13])
{
	snprintf(id, 13, "%.12s", digest_hex(push->p->diff_ids[i]));
}

static void say(const struct push *push, size_t i, const char *what)
{
	char id[13];

	id_of(push, i, id);
	worker_status(push->p->w, id, what, -1, 0);
}

static void fail(struct push *push, const struct err *e)
{
	pthread_mutex_lock(&push->lock);
	if (!push->failed) {
		push->failed = true;
		push->why = *e;
	}
	pthread_mutex_unlock(&push->lock);
	registry_cancel(push->p->registry);
}

/* --- archives that are there ------------------------------------------------------------------------- */

/* The archive's media type in the kind of manifest that is made; NULL: that kind has none for it. */
static const char *type_in(const struct push *push, const char *type)
{
	size_t n = strlen(type);

	if (n > 4 && !strcmp(type + n - 4, "gzip"))
		return push->p->oci ? gzip_oci : gzip_docker;
	return push->p->oci && !strncmp(type, "application/vnd.oci.image.layer.v1.tar", 38) ? type : NULL;
}

static void found(struct push *push, size_t i, const char *digest, int64_t size, const char *type)
{
	struct descriptor *d = &push->out[i];
	cleanup_free char *repo = xasprintf("%s/%s", push->p->host, push->p->repo);

	snprintf(d->digest, sizeof(d->digest), "%s", digest);
	snprintf(d->media_type, sizeof(d->media_type), "%s", type);
	d->size = size;
	/* A note that cannot be made costs the next push some time. */
	layer_archive_add(&push->p->w->store, push->p->chains[i], digest, size, type, repo, NULL);
}

static bool is_there(struct push *push, size_t i, const json_t *note)
{
	const char *digest = json_str(note, "digest", ""), *type = type_in(push, json_str(note, "type", ""));
	int64_t size;

	if (!type || !registry_has_blob(push->p->registry, push->p->repo, digest, &size))
		return false;
	found(push, i, digest, size >= 0 ? size : json_int(note, "size", 0), type);
	say(push, i, "Layer already exists");
	return true;
}

/* @from is "host/repository": its repository if the host is ours, else NULL. */
static const char *mountable(const struct push *push, const char *from)
{
	size_t n = strlen(push->p->host);

	if (!from || strncmp(from, push->p->host, n) || from[n] != '/' || !strcmp(from + n + 1, push->p->repo))
		return NULL;
	return from + n + 1;
}

static bool is_mounted(struct push *push, size_t i, const json_t *note, int *tries)
{
	const char *digest = json_str(note, "digest", ""), *type = type_in(push, json_str(note, "type", ""));
	const json_t *one;
	size_t k;

	json_array_foreach(json_arr(note, "from"), k, one) {
		const char *from = mountable(push, json_string_value(one));
		cleanup_free char *text = NULL;

		if (!type || !from || ++*tries > MOUNTS_MAX ||
			!registry_mount_blob(push->p->registry, push->p->repo, digest, from))
			continue;
		found(push, i, digest, json_int(note, "size", 0), type);
		text = xasprintf("Mounted from %s", from);
		say(push, i, text);
		return true;
	}
	return false;
}

/* The archive that the image's own manifest names comes first. */
static json_t *notes_of(const struct push *push, size_t i)
{
	const struct image_manifest *m = push->p->wanted;
	json_t *list = layer_archives(&push->p->w->store, push->p->chains[i]), *note;
	size_t k;

	json_array_foreach(list, k, note) {
		if (!m || i >= m->n_layers || strcmp(json_str(note, "digest", ""), m->layers[i].digest))
			continue;
		json_incref(note);
		json_array_remove(list, k);
		json_array_insert_new(list, 0, note);
		break;
	}
	return list;
}

static bool push_known(struct push *push, size_t i)
{
	cleanup_json json_t *notes = notes_of(push, i);
	const json_t *note;
	int tries = 0;
	size_t k;

	json_array_foreach(notes, k, note)
		if (is_there(push, i, note))
			return true;
	json_array_foreach(notes, k, note)
		if (is_mounted(push, i, note, &tries))
			return true;
	return false;
}

/* --- making one -------------------------------------------------------------------------------------- */

struct archive_source {
	struct push *push;
	size_t layer;
	char id[13];
	int64_t size, told_ns; /* of the content; when progress was told last */

	/* while one is being made */
	bool running;
	pthread_t packer;
	int in, out; /* ends of the pipe; out is the packer's */
	int rc;
	struct err why;
	struct fd_stream tar;
	struct deflater *gzip;
};

static void *pack_main(void *arg)
{
	struct archive_source *a = arg;

	a->rc = layer_pack(&a->push->p->w->store, a->push->p->chains[a->layer], a->out, &a->why);
	fd_close(&a->out);
	return NULL;
}

static void source_stop(struct archive_source *a)
{
	if (!a->running)
		return;
	fd_close(&a->in); /* a packer that still writes gets EPIPE */
	pthread_join(a->packer, NULL);
	deflater_free(a->gzip);
	a->running = false;
}

static int start_packer(struct archive_source *a, struct err *e)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_KB << 10);
	rc = pthread_create(&a->packer, &attr, pack_main, a);
	pthread_attr_destroy(&attr);
	return rc ? err_set(e, rc, "starting a thread") : 0;
}

static int source_rewind(void *arg, struct err *e)
{
	struct archive_source *a = arg;
	int p[2];

	source_stop(a);
	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one works too */
	a->in = p[0];
	a->out = p[1];
	a->why = (struct err)ERR_INIT;
	fd_stream_init(&a->tar, a->in, NULL);
	a->gzip = deflater_new(&a->tar.s);
	if (!start_packer(a, e)) {
		a->running = true;
		return 0;
	}
	deflater_free(a->gzip);
	fd_close(&a->in);
	fd_close(&a->out);
	return -1;
}

static ssize_t source_read(void *arg, void *p, size_t n, struct err *e)
{
	struct archive_source *a = arg;
	struct stream *s = deflater_stream(a->gzip);
	ssize_t got = s->read(s, p, n, e);
	int64_t now = clock_mono_ns();

	if (now - a->told_ns >= PROGRESS_NS || got <= 0) {
		a->told_ns = now;
		worker_status(a->push->p->w, a->id, "Pushing", a->tar.total, a->size);
	}
	if (got)
		return got;
	source_stop(a);
	if (!a->rc)
		return 0;
	if (e)
		*e = a->why;
	return -1;
}

static void on_retry(void *arg, int seconds)
{
	struct archive_source *a = arg;
	char text[48];

	snprintf(text, sizeof(text), "Retrying in %d second%s", seconds, seconds == 1 ? "" : "s");
	worker_status(a->push->p->w, a->id, text, -1, 0);
}

static int upload(struct push *push, size_t i, struct err *e)
{
	struct archive_source a = {.push = push, .layer = i, .in = -1, .out = -1, .told_ns = clock_mono_ns()};
	const struct blob_source source = {source_rewind, source_read, &a};
	const struct blob_watch watch = {NULL, on_retry, &a};
	char digest[DIGEST_MAX];
	struct layer_info info;
	int64_t size;
	int rc;

	if (layer_stat(&push->p->w->store, push->p->chains[i], &info, e))
		return -1;
	a.size = info.size;
	id_of(push, i, a.id);
	rc = registry_upload(push->p->registry, push->p->repo, &source, &watch, digest, &size, e);
	source_stop(&a);
	if (rc)
		return -1;
	found(push, i, digest, size, push->p->oci ? gzip_oci : gzip_docker);
	say(push, i, "Pushed");
	return 0;
}

/* --- all of them --------------------------------------------------------------------------------------- */

/* The next layer to push, or -1 when there is none, or no use in it any more. */
static ssize_t take_layer(struct push *push)
{
	ssize_t i = -1;

	pthread_mutex_lock(&push->lock);
	while (push->next && push->same[push->next - 1] != push->next - 1)
		push->next--;
	if (!push->failed && push->next)
		i = (ssize_t)--push->next;
	pthread_mutex_unlock(&push->lock);
	return i;
}

static void carrier_main(void *arg)
{
	struct push *push = arg;
	struct err e = ERR_INIT;
	ssize_t i;

	while ((i = take_layer(push)) >= 0)
		if (!push_known(push, (size_t)i) && upload(push, (size_t)i, &e)) {
			fail(push, &e);
			break;
		}
	pthread_mutex_lock(&push->lock);
	push->carriers--;
	pthread_cond_broadcast(&push->changed);
	pthread_mutex_unlock(&push->lock);
}

/* Say what there is to do; the number of different layers. */
static size_t look(struct push *push)
{
	size_t parallel = (size_t)push->p->parallel, different = 0, i, k;

	for (i = push->p->n; i-- > 0;) {
		for (k = push->p->n - 1; strcmp(push->p->diff_ids[k], push->p->diff_ids[i]);)
			k--;
		push->same[i] = k;
		if (k != i)
			continue;
		different++;
		say(push, i, "Preparing");
	}
	for (i = push->p->n, k = 0; i-- > 0;)
		if (push->same[i] == i && k++ >= parallel)
			say(push, i, "Waiting");
	return different;
}

static void start_carriers(struct push *push, size_t want)
{
	struct err e = ERR_INIT;
	size_t i;
	int rc = 0;

	want = want > (size_t)push->p->parallel ? (size_t)push->p->parallel : want;
	want = want > CARRIERS_MAX ? CARRIERS_MAX : want;
	for (i = 0; i < want && !rc; i++) {
		pthread_mutex_lock(&push->lock);
		push->carriers++;
		pthread_mutex_unlock(&push->lock);
		rc = thread_start("push", carrier_main, push, STACK_KB);
	}
	if (!rc)
		return;
	pthread_mutex_lock(&push->lock);
	push->carriers--;
	pthread_mutex_unlock(&push->lock);
	if (i == 1) { /* fewer than wanted are no failure */
		err_set(&e, rc, "starting a thread");
		fail(push, &e);
	}
}

int layers_push(const struct layers_push *p, struct descriptor *out, struct err *e)
{
	struct push push = {
		.p = p,
		.out = out,
		.same = xcalloc(p->n + 1, sizeof(size_t)),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.next = p->n,
		.why = ERR_INIT,
	};
	size_t i;

	start_carriers(&push, look(&push));
	pthread_mutex_lock(&push.lock);
	while (push.carriers)
		pthread_cond_wait(&push.changed, &push.lock);
	pthread_mutex_unlock(&push.lock);
	for (i = 0; i < p->n; i++)
		out[i] = out[push.same[i]];
	free(push.same);
	if (push.failed && e)
		*e = push.why;
	return push.failed ? -1 : 0;
}
