/* SPDX-License-Identifier: MIT */
/*
 * core/image/layers.c - the layers of one image, from a registry into the store
 *
 * Theory of operation
 *   A few carriers (threads) take the missing layers in order.  For each, one more thread
 *   downloads into a pipe while the carrier has layer_unpack() eat from its other end: download,
 *   hashing, inflating and writing overlap, and several layers are in the works at a time.  The
 *   calling thread commits what is ready, in the order of the chain.
 *
 *   A layer that another pull, in another worker, is making is waited for (layer_claim()), and made here
 *   only if that one fails.  Nobody waits in a circle: a chain is claimed from its lower end, by all in
 *   the same order, and what lies lower is committed without waiting for what lies higher.
 *
 *   A driver that builds a layer by copying its parent cannot unpack before the parent is there:
 *   then the calling thread does all this itself, one layer after the other.
 *
 *   What has come of a blob also stays in a file (partial.h) until the layer is committed: a pull that is killed
 *   loses neither half a blob nor a layer that waits for the one below.  Where what was kept turns out
 *   wrong, the blob is fetched once more, all of it.
 *
 *   A layer counts when three things are right: its bytes have the digest the manifest names, the
 *   archive was unpacked, and its content has the diff id the config names.  The first failure
 *   cancels the registry object, which makes all the others fail soon; its error is the one that
 *   is told.
 */
#include "image/layers.h"
#include "storage/partial.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)	    /* bytes; what an unprivileged process may ask for by default */
#define PROGRESS_NS (100 * NS_PER_MS) /* between two reports of one layer, as in Docker */
#define CARRIERS_MAX 32
#define KEPT_MIN (1 << 20) /* bytes of a blob that are worth keeping for another process */
#define CLAIM_RETRY_NS (50 * NS_PER_MS) /* a lock that another process holds makes no event */
#define STACK_KB 256

enum layer_state {
	LAYER_MISSING,
	LAYER_READY, /* a draft */
	LAYER_THERE, /* another pull made it */
	LAYER_DONE,
};

struct pulled_layer {
	const struct descriptor *blob;
	const char *diff_id;
	char parent[DIGEST_MAX], chain[DIGEST_MAX]; /* parent "": the lowest */
	char id[13];				    /* as progress shows it */
	bool present; /* was in the store before */
	bool quiet; /* the same blob is being pulled lower in the chain, and reports there */
	enum layer_state state;
	struct layer_draft draft;
	int kept;  /* partial_open(), until it is committed; or -1 */
	int claim; /* while it is ours to make: layer_claim() */
};

struct pull {
	const struct layers_pull *p;
	struct pulled_layer *layers;
	size_t n;

	pthread_mutex_t lock; /* guards all below, and the states of layers */
	pthread_cond_t changed;
	size_t next;	    /* the next layer nobody carries yet */
	int carriers;	    /* still running */
	bool failed;
	struct err why;
};

/* --- what the user sees --- */

static void say(struct pull *pull, const struct pulled_layer *l, const char *what)
{
	if (!l->quiet)
		worker_status(pull->p->w, l->id, what, -1, 0);
}

static void say_bytes(struct pull *pull, const struct pulled_layer *l, const char *what, int64_t now)
{
	if (!l->quiet)
		worker_status(pull->p->w, l->id, what, now, l->blob->size);
}

/* --- failing --- */

static void fail(struct pull *pull, const struct err *e)
{
	pthread_mutex_lock(&pull->lock);
	if (!pull->failed) {
		pull->failed = true;
		pull->why = *e;
	}
	pthread_cond_broadcast(&pull->changed);
	pthread_mutex_unlock(&pull->lock);
	registry_cancel(pull->p->registry);
}

/* --- downloading --- */

struct download {
	struct pull *pull;
	struct pulled_layer *layer;
	int out;
	int64_t told_ns;
	bool ended; /* guarded by pull->lock */
	int rc;
	struct err e;
};

static void on_progress(void *arg, int64_t done)
{
	struct download *d = arg;
	int64_t now = clock_mono_ns();

	if (now - d->told_ns < PROGRESS_NS && done < d->layer->blob->size)
		return;
	d->told_ns = now;
	say_bytes(d->pull, d->layer, "Downloading", done);
}

static void on_retry(void *arg, int seconds)
{
	struct download *d = arg;
	char text[48];

	snprintf(text, sizeof(text), "Retrying in %d second%s", seconds, seconds == 1 ? "" : "s");
	say(d->pull, d->layer, text);
}

static void download(struct download *d)
{
	const struct blob_watch watch = {on_progress, on_retry, d};

	d->rc = registry_blob(d->pull->p->registry, d->pull->p->repo, d->layer->blob->digest,
		d->layer->blob->size, d->out, d->layer->kept, &watch, &d->e);
	if (!d->rc) {
		say(d->pull, d->layer, "Verifying Checksum");
		say(d->pull, d->layer, "Download complete");
	}
}

static void download_main(void *arg)
{
	struct download *d = arg;
	struct pull *pull = d->pull;

	download(d);
	fd_close(&d->out); /* the end of the archive, whether it is whole or not */
	pthread_mutex_lock(&pull->lock);
	d->ended = true;
	pthread_cond_broadcast(&pull->changed);
	pthread_mutex_unlock(&pull->lock);
}

/* --- carrying --- */

static int check_layer(const struct pulled_layer *l, struct err *e)
{
	if (strcmp(l->draft.blob, l->blob->digest))
		return err_kind(e, ERR_FAILED, "filesystem layer verification failed for digest %s",
			l->blob->digest);
	if (strcmp(l->draft.diff_id, l->diff_id))
		return err_kind(e, ERR_FAILED, "layers from manifest don't match image configuration");
	return 0;
}

/* Unpack what @fd has into l->draft, and see that it is what was promised. */
static int unpack(struct pull *pull, struct pulled_layer *l, int fd, struct err *e)
{
	struct store *s = &pull->p->w->store;

	if (layer_unpack(s, *l->parent ? l->parent : NULL, fd, 0, &l->draft, e)) {
		err_wrap(e, "failed to register layer");
		return -1;
	}
	if (check_layer(l, e)) {
		layer_discard(s, &l->draft);
		return -1;
	}
	return 0;
}

/* *bad: it is the bytes that are at fault, or what was made of them, not their way here. */
static int stream_once(struct pull *pull, struct pulled_layer *l, bool *bad, struct err *e)
{
	struct download d = {.pull = pull, .layer = l, .e = ERR_INIT};
	cleanup_close int in = -1;
	int p[2], rc;

	*bad = false;
	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one works too */
	in = p[0];
	d.out = p[1];
	rc = thread_start("download", download_main, &d, STACK_KB);
	if (rc) {
		fd_close(&d.out);
		return err_set(e, rc, "starting a thread");
	}
	rc = unpack(pull, l, in, e);
	fd_close(&in); /* whoever still writes gets EPIPE */
	pthread_mutex_lock(&pull->lock);
	while (!d.ended)
		pthread_cond_wait(&pull->changed, &pull->lock);
	pthread_mutex_unlock(&pull->lock);
	if (d.rc && !rc) /* it was cut off where an archive may end */
		layer_discard(&pull->p->w->store, &l->draft);
	*bad = rc && (!d.rc || d.e.code == EPIPE);
	/* An archive that broke off is the download's fault, a reader that went away is the reader's. */
	if (d.rc && (d.e.code != EPIPE || !rc)) {
		*e = d.e;
		return -1;
	}
	if (!rc)
		say_bytes(pull, l, "Extracting", l->blob->size);
	return rc;
}

/* With what an earlier pull got of it, if that is right. */
static int stream(struct pull *pull, struct pulled_layer *l, struct err *e)
{
	struct store *s = &pull->p->w->store;
	struct stat before = {0}, after = {0};
	bool bad;
	int rc;

	if (l->blob->size >= KEPT_MIN)
		l->kept = partial_open(s, l->blob->digest);
	if (l->kept >= 0 && fstat(l->kept, &before))
		fd_close(&l->kept);
	rc = stream_once(pull, l, &bad, e);
	if (!rc || l->kept < 0)
		return rc;
	bad |= !fstat(l->kept, &after) && !after.st_size;
	if (bad && before.st_size && !ftruncate(l->kept, 0))
		rc = stream_once(pull, l, &bad, e);
	if (rc && bad)
		partial_remove(s, l->blob->digest);
	return rc;
}

/* The next layer to carry, or NULL when there is none, or no use in it any more. */
static struct pulled_layer *take_layer(struct pull *pull)
{
	struct pulled_layer *l = NULL;

	pthread_mutex_lock(&pull->lock);
	while (pull->next < pull->n && pull->layers[pull->next].present)
		pull->next++;
	if (!pull->failed && pull->next < pull->n)
		l = &pull->layers[pull->next++];
	pthread_mutex_unlock(&pull->lock);
	return l;
}

/*
 * Another pull may be at the same layer: then wait for what comes of that.  1: the layer is there now, 0: it
 * is ours to make (l->claim holds it), -1: this pull has failed meanwhile.
 */
static int claim(struct pull *pull, struct pulled_layer *l)
{
	struct store *s = &pull->p->w->store;
	struct timespec until;
	bool failed = false;

	while ((l->claim = layer_claim(s, l->chain)) < 0 && errno == EAGAIN && !failed) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += CLAIM_RETRY_NS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
		pthread_mutex_lock(&pull->lock);
		if (!pull->failed)
			pthread_cond_timedwait(&pull->changed, &pull->lock, &until);
		failed = pull->failed;
		pthread_mutex_unlock(&pull->lock);
	}
	if (failed)
		return -1;
	if (!layer_exists(s, l->chain))
		return 0;
	fd_close(&l->claim);
	return 1;
}

static void carrier_main(void *arg)
{
	struct pull *pull = arg;
	struct err e = ERR_INIT;
	struct pulled_layer *l;
	int found;

	while ((l = take_layer(pull))) {
		found = claim(pull, l);
		if (found < 0)
			break;
		if (!found && stream(pull, l, &e)) {
			fd_close(&l->claim);
			fail(pull, &e);
			break;
		}
		pthread_mutex_lock(&pull->lock);
		l->state = found ? LAYER_THERE : LAYER_READY;
		pthread_cond_broadcast(&pull->changed);
		pthread_mutex_unlock(&pull->lock);
	}
	pthread_mutex_lock(&pull->lock);
	pull->carriers--;
	pthread_cond_broadcast(&pull->changed);
	pthread_mutex_unlock(&pull->lock);
}

/* --- committing --- */

static int commit(struct pull *pull, struct pulled_layer *l, struct err *e)
{
	struct store *s = &pull->p->w->store;
	char chain[DIGEST_MAX];

	if (layer_commit(s, *l->parent ? l->parent : NULL, &l->draft, chain, e))
		return err_wrap(e, "failed to register layer");
	fd_close(&l->claim);
	if (l->kept >= 0)
		partial_remove(s, l->blob->digest);
	fd_close(&l->kept);
	if (strcmp(chain, l->chain))
		bug("layer %s committed as %s", l->chain, chain);
	say(pull, l, "Pull complete");
	return 0;
}

/* Wait until a layer is ready. False if the pull failed. */
static bool await(struct pull *pull, struct pulled_layer *l)
{
	bool ready;

	pthread_mutex_lock(&pull->lock);
	while (!pull->failed && l->state == LAYER_MISSING)
		pthread_cond_wait(&pull->changed, &pull->lock);
	ready = !pull->failed;
	if (ready && l->state == LAYER_READY)
		l->state = LAYER_DONE; /* the draft is used up in any case */
	pthread_mutex_unlock(&pull->lock);
	return ready;
}

static void commit_all(struct pull *pull)
{
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < pull->n; i++) {
		if (pull->layers[i].present)
			continue;
		if (!await(pull, &pull->layers[i]))
			return;
		if (pull->layers[i].state == LAYER_THERE)
			say(pull, &pull->layers[i], "Pull complete");
		else if (commit(pull, &pull->layers[i], &e)) {
			fail(pull, &e);
			return;
		}
	}
}

/* Each layer after the one below it was committed. */
static void pull_in_turn(struct pull *pull)
{
	struct err e = ERR_INIT;
	struct pulled_layer *l;

	while ((l = take_layer(pull)))
		if (stream(pull, l, &e) || commit(pull, l, &e))
			fail(pull, &e);
}

/* --- all of them --- */

/* See what is there already; the number of layers that are not. */
static size_t look(struct pull *pull)
{
	const struct layers_pull *p = pull->p;
	size_t i, k, missing = 0;

	for (i = 0; i < pull->n; i++) {
		struct pulled_layer *l = &pull->layers[i];

		l->blob = &p->manifest->layers[i];
		l->claim = l->kept = -1;
		l->diff_id = p->diff_ids[i];
		snprintf(l->id, sizeof(l->id), "%.12s", digest_hex(l->blob->digest));
		if (i)
			memcpy(l->parent, pull->layers[i - 1].chain, sizeof(l->parent));
		chain_id(l->parent, l->diff_id, l->chain);
		for (k = 0; k < i && !l->quiet; k++)
			l->quiet = !pull->layers[k].present && !strcmp(pull->layers[k].blob->digest, l->blob->digest);
		l->present = !missing && layer_exists(&p->w->store, l->chain);
		missing += !l->present;
		say(pull, l, l->present ? "Already exists" : "Pulling fs layer");
	}
	return missing;
}

/* Start the carriers.  None at all is a failure, fewer than wanted are not. */
static void start_carriers(struct pull *pull, size_t missing)
{
	size_t want = pull->p->parallel < 1 ? 1 : (size_t)pull->p->parallel, i, left;
	struct err e = ERR_INIT;
	int rc = 0;

	want = want > CARRIERS_MAX ? CARRIERS_MAX : want;
	want = want > missing ? missing : want;
	for (i = pull->n - missing, left = want; i < pull->n; i++)
		if (left)
			left--;
		else
			say(pull, &pull->layers[i], "Waiting");
	for (i = 0; i < want && !rc; i++) {
		pthread_mutex_lock(&pull->lock);
		pull->carriers++;
		pthread_mutex_unlock(&pull->lock);
		rc = thread_start("layer", carrier_main, pull, STACK_KB);
	}
	if (!rc)
		return;
	pthread_mutex_lock(&pull->lock);
	pull->carriers--;
	pthread_mutex_unlock(&pull->lock);
	if (i == 1) {
		err_set(&e, rc, "starting a thread");
		fail(pull, &e);
	}
}

/* Wait for the carriers and take away the drafts nobody committed. */
static void finish(struct pull *pull)
{
	size_t i;

	pthread_mutex_lock(&pull->lock);
	while (pull->carriers)
		pthread_cond_wait(&pull->changed, &pull->lock);
	pthread_mutex_unlock(&pull->lock);
	for (i = 0; i < pull->n; i++) {
		struct pulled_layer *l = &pull->layers[i];

		if (l->state == LAYER_READY)
			layer_discard(&pull->p->w->store, &l->draft);
		fd_close(&l->claim);
		fd_close(&l->kept);
	}
}

int layers_pull(const struct layers_pull *p, struct err *e)
{
	struct pull pull = {
		.p = p,
		.n = p->manifest->n_layers,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.why = ERR_INIT,
	};
	size_t missing;

	pull.layers = xcalloc(pull.n ? pull.n : 1, sizeof(*pull.layers));
	missing = look(&pull);
	if (!store_layers_independent(&p->w->store)) {
		pull_in_turn(&pull);
	} else if (missing) {
		start_carriers(&pull, missing);
		commit_all(&pull);
		finish(&pull);
	}
	free(pull.layers);
	if (pull.failed && e)
		*e = pull.why;
	return pull.failed ? -1 : 0;
}
