/* SPDX-License-Identifier: MIT */
/*
 * core/image/image.h - image names, configs, and the store of images
 *
 * On disk: image/<64 hex>.json, the config byte for byte (its SHA-256 is the image's id), and
 * image/<64 hex>.manifest, the manifest it was pulled with, if it was; and
 * image/refs.json: {"refs": {canonical reference: image id}, "images": {id: {"tagged": time,
 * "parent": id}}}, canonical as in "docker.io/library/busybox:latest", "host/repo@sha256:…".  The
 * table in memory is the truth while an engine runs; one lock guards it, held for memory work only.
 *
 * An image is there when its config is; its layers were committed before.  Removing goes the other
 * way.  A crash in between leaves layers nobody names: images_open() removes them.
 *
 * A layer lives as long as an image names it or somebody pinned it:
 *   images_pin()	for a container's life, the layer its root filesystem stands on
 *   images_hold()	for the time of an operation that makes layers or is about to pin one: nothing
 *			is removed while any hold lasts
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"
#include "storage/storage.h"

#define IMGREF_MAX 255 /* bytes of a repository name without its host, as in Docker */

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
/* Give it that tag, or (the API's "tag" parameter of a pull) the digest that stands there instead.
 * ERR_INVALID "invalid tag format". */
int imgref_set_tag(struct imgref *r, const char *tag, struct err *e);
int imgref_set_tag_or_digest(struct imgref *r, const char *text, struct err *e);
void imgref_default_tag(struct imgref *r);
char *imgref_familiar(const struct imgref *r); /* "busybox:latest", "host/x@sha256:…"; to free() */
char *imgref_familiar_repo(const struct imgref *r);
char *imgref_canonical(const struct imgref *r); /* "docker.io/library/busybox:latest"; to free() */

/* --- the store ---------------------------------------------------------------------------- */

struct images;

/* Load the table; removes layers no image and no container names. @keep: an array of strings, for
 * each container the chain id its root filesystem stands on; they are pinned, once each time. */
struct images *images_open(int datafd, struct store *store, const json_t *keep, struct err *e);
void images_close(struct images *im);

/* While one or more holds last no layer is removed. May wait for a removal that has begun. */
void images_hold(struct images *im);
void images_unhold(struct images *im); /* the last one removes what became garbage meanwhile */
/* Keep a layer and those below it, whatever becomes of its image; "" is no layer and a success.
 * ERR_NOT_FOUND if it is not there any more. Calls pair: each unpin takes one pin back, and removes
 * the layers that nothing names any more. To make a container: hold, resolve, pin, unhold. */
int images_pin(struct images *im, const char *chain, struct err *e);
void images_unpin(struct images *im, const char *chain);

/* Make an image of config text whose layers are all committed (under a hold taken before they were);
 * a second time is a success. @id gets "sha256:…". ERR_CONFLICT if a layer is not there. */
int images_commit(struct images *im, const char *config, size_t n, char id[DIGEST_MAX], struct err *e);
/* The image it was made from (commit, the classic builder). */
int images_set_parent(struct images *im, const char *id, const char *parent, struct err *e);
/* The same, asked: @parent (may be @id itself) gets it, "" if it was made from none. -1: no such image. */
int images_parent(struct images *im, const char *id, char parent[DIGEST_MAX]);
/* The newest image made from @parent ("": from nothing) by a container of @config ("container_config", in full):
 * a step of a build that was done before. -1: there is none. */
int images_find_child(struct images *im, const char *parent, const json_t *config, char id[DIGEST_MAX]);
/* Point a tag (":latest" if it has none) at an image, as `docker tag` does.  @e->kind ERR_NOT_FOUND
 * if there is no such image. */
int images_tag(struct images *im, const struct imgref *ref, const char *id, struct err *e);

/* Image id by name, name:tag, digest reference, id or id prefix.
 * ERR_NOT_FOUND "No such image: NAME" with Docker's text. */
int images_resolve(struct images *im, const char *name, char id[DIGEST_MAX], struct err *e);
/* The parsed config (new reference), and its chain id of the top layer ("" if it has none). */
json_t *images_config(struct images *im, const char *id, struct err *e);
/* "linux/amd64", "linux/arm/v7"; to free(), NULL if there is no such image. */
char *images_platform(struct images *im, const char *id);
/* Its labels (new reference): an object, empty if there are none or there is no such image. */
json_t *images_labels(struct images *im, const char *id);
int images_top_layer(struct images *im, const char *id, char chain[DIGEST_MAX], struct err *e);

/* Who uses an image?  Returns how many containers were made from it; if any, @first gets the first 12
 * digits of the id of one of them, a running one if there is one, and *running whether it runs. */
struct images_use {
	size_t (*containers)(void *arg, const char *image_id, char first[13], bool *running);
	void *arg;
};

/* What is told of a removal: action "untag" or "delete" of an image. */
typedef void images_emit(void *arg, const char *action, const char *id);

struct images_list {
	const json_t *filters; /* {"name": ["value", …]} */
	bool all;	       /* intermediate images too */
	bool shared_size;
};

/* What the API's endpoints answer (new references), in the shape of the newest version. */
json_t *images_list_json(struct images *im, const struct images_list *what,
	const struct images_use *use, struct err *e);
json_t *images_inspect_json(struct images *im, const char *name, struct err *e);
json_t *images_history_json(struct images *im, const char *name, struct err *e);
/* DELETE: the array of {"Untagged"} and {"Deleted"}. */
json_t *images_remove_json(struct images *im, const char *name, bool force, bool noprune,
	const struct images_use *use, images_emit *emit, void *arg, struct err *e);
json_t *images_prune_json(struct images *im, const json_t *filters, const struct images_use *use,
	images_emit *emit, void *arg, struct err *e);
/* Sum of all layers' sizes, each once. */
int64_t images_layers_size(struct images *im);
size_t images_count(struct images *im);

/* --- save (save.c) ------------------------------------------------------------------------------ */

/* Images by name (of a lone repository all tags), id or id prefix; found and held until it is freed.
 * NULL with @e in Docker's words. */
struct archive;
struct archive *images_archive_new(struct images *im, char *const names[], struct err *e);
void images_archive_free(struct archive *a);
json_t *images_archive_ids(const struct archive *a); /* array of image ids, new reference */
/* Write the archive, once. Blocks on @fd and on disk. */
int images_archive_write(struct archive *a, int fd, struct err *e);

/* --- config changes (changes.c): import, commit ---------------------------------------------- */

/* Apply Dockerfile instructions (CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL,
 * USER, VOLUME, WORKDIR) to a container config, @config being its JSON object ("Cmd", "Env", …).
 * @changes: an array of strings of one or more lines each, or NULL. -1 with @config partly changed,
 * ERR_INVALID and Docker's text. */
int image_config_changes(json_t *config, const json_t *changes, struct err *e);

/* --- platforms ("linux/arm64/v8") ------------------------------------------------------------ */

struct platform {
	char os[16], arch[16], variant[16];
};
/* Parse and normalise as containerd's platforms package does (x86_64 is amd64, a lone architecture
 * is one of linux); "" or NULL gives the host's. ERR_INVALID with Docker's text. */
int platform_parse(const char *text, struct platform *p, struct err *e);
void platform_host(struct platform *p);
/* Where nobody asked for one: add the best this CPU runs (the x86-64 psABI's levels) as the variant. */
void platform_cpu_level(struct platform *p);
/* How well does an image for @have run where @want is wanted?  -1: not at all; 0: made for it; else
 * the smaller the better (an older variant, amd64's 386). */
int platform_rank(const struct platform *want, const struct platform *have);
char *platform_format(const struct platform *p); /* to free() */

/* --- the built-in image ---------------------------------------------------------------------- */

/* If @name means coracle:latest and that is not there, or was made by another binary than ours, make
 * it; else do nothing. An image of that name that a user made is left alone. For who is about to make a
 * container of @name, before images_resolve(). Blocks for the time a worker takes (some 100 ms). */
int images_ensure_builtin(struct images *im, const char *name, const struct images_use *use, struct err *e);
/* Names to link to the binary in /bin, NULL-terminated; set by main() before anything else. */
extern char **(*image_builtin_names)(void);

/* --- workers: untrusted input is parsed in a process of its own ----------------------------- */

/*
 * A worker is one process for one operation (role ":worker").  It gets a request object, may get
 * an input descriptor, streams progress objects as they are to be sent to the client
 * ({"status": …, "id": …, "progressDetail": …}), and ends with a result or an error.  It commits
 * layers itself (storage.h); the image and its tags are entered in the table by the engine.
 *
 * A worker that ends without a word (killed, crashed) leaves drafts: whoever ran it removes them,
 * they are named after it (struct store, draft_prefix).
 *
 * Requests ("op"):
 *  {"op":"pull", "ref":"docker.io/library/busybox:latest", "platform":"linux/amd64"|null,
 *   "all_tags":bool, "auth":{"username","password","identitytoken","registrytoken"}|null,
 *   "config":{"insecure-registries":[…],"registry-mirrors":[…],"max-concurrent-downloads":3, …}}
 *  {"op":"push", "ref":"docker.io/me/busybox:latest", "id":"sha256:…", "auth":…, "config":…}
 *	result: {"digest":"sha256:…"}
 *  {"op":"load", "quiet":bool, "platform":…}	input: the archive (docker-archive or OCI layout, gzip or plain)
 *  {"op":"import", "config":{…}, "message":"…", "platform":…, "ref":…, "version":…}	input: a root filesystem tar, or
 *	{…, "url":"https://…", "registry":{as "config" elsewhere}}
 *  {"op":"fetch", "url":"https://…", "config":…}	input: an empty file, which becomes an archive of what the URL has,
 *	under FETCH_MEMBER; result: {"name": the last part of its path, or what the server calls it, or ""}
 *  {"op":"builtin"}				the image "coracle" made of this binary
 *  {"op":"distribution", "ref":…, "auth":…, "config":…}	what a registry has under a name; result: as the API
 *  {"op":"auth", "address":…, "auth":…, "config":…}	does a registry take these credentials? result: {}
 *  {"op":"search", "host":"docker.io", "term":…, "limit":…, "auth":…, "config":…}	result: {"results":[…]}
 * Result: {"images":[{"config":"<text>", "refs":["canonical tag or digest ref", …], "digest":"sha256:…",
 *   "manifest":"<text, as pulled>", "parent":"sha256:…"}…]}; refs[0] is what was asked for.
 * Lines that need the table are not the worker's: pull's "Status: …", load's "Loaded image: …".
 */
#define FETCH_MEMBER "fetched"
struct worker_job {
	const json_t *request;
	struct store *store;
	int input;				  /* borrowed, -1: none */
	/* Or the input comes from here, called by the thread that runs the job: some of it into a pipe that does
	 * not block.  A count, 0 at the end, -1 with @e: e->code EAGAIN to be called again when the pipe has
	 * room or @cancel is readable, EPIPE if nobody reads it, else the job fails. NULL: none. */
	ssize_t (*feed)(void *arg, int pipefd, struct err *e);
	int cancel;				  /* a hang-up here (the client's socket) stops it; -1: none */
	int (*progress)(void *arg, const char *json, size_t n); /* one object's text; -1 stops the worker */
	void *arg;
};
/* Run it, blocking.  New reference to the result, or NULL with @e (nothing half-made is left). */
json_t *worker_run(const struct worker_job *job, struct err *e);
/* worker_run() under a hold, then enter what it made in @im. Array of {"id":…, "refs":[…], "digest":…,
 * "changed":bool (refs[0] is new or pointed elsewhere), "moved":{reference: id it pointed to before}}. A
 * digest reference that is there already stays where it is. */
json_t *images_run_job(struct images *im, const struct worker_job *job, struct err *e);

/* Have a worker push what @name ("host/repo:tag", canonical) stands for, under a hold; the digest it has
 * in the registry becomes a name of it too. ERR_NOT_FOUND if there is no such image. */
int images_push(struct images *im, const char *name, const struct worker_job *job, struct err *e);
/* The tags of a repository ("host/repo"), in order; strv_free() it. */
char **images_tags_of(struct images *im, const char *repo);

int worker_role_main(int argc, char **argv);

#endif
