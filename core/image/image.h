/* SPDX-License-Identifier: MIT */
/*
 * core/image/image.h - image names, configs, and the store of images
 *
 * On disk: image/<64 hex>.json, the config byte for byte (its SHA-256 is the image's id), and
 * image/refs.json, one object: canonical reference ("docker.io/library/busybox:latest",
 * "host/repo@sha256:…") -> image id.  The table in memory is the truth while an engine runs; one
 * lock guards it, held for memory work only.
 *
 * An image is there when its config is; its layers were committed before.  Removing goes the other
 * way.  A crash in between leaves layers nobody names: images_open() removes them.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"
#include "storage/storage.h"

#define IMGREF_MAX 255 /* bytes of a repository name with its host, as in Docker */

/* --- references --------------------------------------------------------------------------- */

struct imgref { /* owned strings; imgref_release() */
	char *host;   /* "docker.io", "localhost:5000" */
	char *repo;   /* "library/busybox" */
	char *tag;    /* "latest", or NULL */
	char *digest; /* "sha256:…", or NULL */
};

/* Parse a name as people type it ("busybox", "localhost:5000/a/b:1@sha256:…"), normalised as Docker
 * does (docker.io, library/).  No tag is added: imgref_default_tag() does that where neither tag nor
 * digest was given.  Errors carry Docker's texts ("invalid reference format", …), ERR_INVALID. */
int imgref_parse(const char *text, struct imgref *r, struct err *e);
void imgref_release(struct imgref *r);
void imgref_default_tag(struct imgref *r);
char *imgref_familiar(const struct imgref *r); /* "busybox:latest", "host/x@sha256:…"; to free() */
char *imgref_familiar_repo(const struct imgref *r);
char *imgref_canonical(const struct imgref *r); /* "docker.io/library/busybox:latest"; to free() */

/* --- the store ---------------------------------------------------------------------------- */

struct images;

/* Load the table; removes layers no image and no container names (@keep: chain ids in use by
 * containers, an array of strings). */
struct images *images_open(int datafd, struct store *store, const json_t *keep, struct err *e);
void images_close(struct images *im);

/* Make an image of config text whose layers are all committed; a second time is a success. @id gets
 * "sha256:…". ERR_CONFLICT if a layer is gone meanwhile (pull again). @digest: of the manifest, or NULL */
int images_commit(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e);
/* Point a reference (tag or digest) at an image. @e->kind ERR_NOT_FOUND if there is no such image. */
int images_tag(struct images *im, const struct imgref *ref, const char *id, struct err *e);

/* Image id by name, name:tag, digest reference, id or id prefix.
 * ERR_NOT_FOUND "No such image: NAME" with Docker's text. */
int images_resolve(struct images *im, const char *name, char id[DIGEST_MAX], struct err *e);
/* The parsed config (new reference), and its chain id of the top layer ("" if it has none). */
json_t *images_config(struct images *im, const char *id, struct err *e);
int images_top_layer(struct images *im, const char *id, char chain[DIGEST_MAX], struct err *e);

/* Is it used by a container?  Calls back with the id; returns a malloc'ed text for the conflict
 * message ("container 0123456789ab") and whether it is running, or NULL. */
struct images_use {
	char *(*container)(void *arg, const char *image_id, bool *running);
	void *arg;
};

/* What the API's endpoints answer (new references); the meaning is that of API v1.51. */
json_t *images_list_json(struct images *im, const json_t *filters, bool all, bool digests,
	const struct images_use *use, struct err *e);
json_t *images_inspect_json(struct images *im, const char *name, struct err *e);
json_t *images_history_json(struct images *im, const char *name, struct err *e);
/* DELETE: report is the array of {"Untagged"} and {"Deleted"}; emit(arg, action, id, name) is called
 * for each "untag" and "delete" event. */
json_t *images_remove_json(struct images *im, const char *name, bool force, bool noprune,
	const struct images_use *use, void (*emit)(void *arg, const char *action, const char *id, const char *name),
	void *arg, struct err *e);
json_t *images_prune_json(struct images *im, const json_t *filters, const struct images_use *use,
	void (*emit)(void *arg, const char *action, const char *id, const char *name), void *arg,
	struct err *e);
size_t images_count(struct images *im);

/* --- workers: untrusted input is parsed in a process of its own ----------------------------- */

/*
 * A worker is one process for one operation (role ":worker").  It gets a request object, may get
 * an input descriptor, streams progress objects as they are to be sent to the client
 * ({"status": …, "id": …, "progressDetail": …}), and ends with a result or an error.  It commits
 * layers itself (storage.h); the image and its tags are entered in the table by the engine.
 *
 * Requests ("op"):
 *  {"op":"pull", "ref":"docker.io/library/busybox:latest", "platform":"linux/amd64"|null,
 *   "all_tags":bool, "auth":{"username","password","identitytoken","registrytoken"}|null,
 *   "config":{"insecure-registries":[…],"registry-mirrors":[…],"max-concurrent-downloads":3, …}}
 *  {"op":"load", "quiet":bool, "platform":…}	input: the archive (docker-archive or OCI layout, gzip or plain)
 *  {"op":"import", "changes":[…], "message":"…", "platform":…, "ref":…}	input: a root filesystem tar
 *  {"op":"builtin"}				the image "coracle" made of this binary
 * Result: {"images":[{"config":"<text>", "refs":["canonical tag or digest ref", …], "digest":"sha256:…"}…]}
 */
struct worker_job {
	const json_t *request;
	struct store *store;
	int input;				  /* borrowed, -1: none */
	int cancel;				  /* poll()able: readable or HUP means the client went away; -1: none */
	int (*progress)(void *arg, const char *json, size_t n); /* one object's text; -1 stops the worker */
	void *arg;
};
/* Run it, blocking.  New reference to the result, or NULL with @e (nothing half-made is left). */
json_t *worker_run(const struct worker_job *job, struct err *e);
/* worker_run(), then enter what it made in @im; array of {"id":…, "refs":[…], "digest":…} */
json_t *images_run_job(struct images *im, const struct worker_job *job, struct err *e);

int worker_role_main(int argc, char **argv);

#endif
