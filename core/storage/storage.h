/* SPDX-License-Identifier: MIT */
/*
 * core/storage/storage.h - layers and root filesystems, by whichever driver works here
 *
 * On disk, below the data-root (modes 0700/0711, owned by uid 0 inside):
 *	<driver>/layers/…	one directory a layer, found by chain id; appears by one rename
 *	<driver>/claims		no content: each byte's lock is a layer that somebody is making
 *	<driver>/rootfs/<id>/	what a container has written (upperdir, workdir, or a whole copy)
 *	partial/		blobs that are being downloaded (partial.h), for the next process if this one dies
 *	tmp/			drafts; whatever is in there at engine start is removed
 * A driver's directory is its own: switching drivers leaves the other one's data untouched.
 *
 * A layer is committed once, whole, and never changes.  A chain id (OCI image-spec, config.md)
 * names a layer with all below it: chain(L0) = diff_id(L0), chain(Ln) = SHA256(chain(Ln-1) " "
 * diff_id(Ln)).
 *
 * Everything here runs as root of the engine's user namespace, may block on disk, and is safe
 * from several threads and processes at once: drafts have random names, commits are renames, a
 * commit that finds the layer there already is a success.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"

#include <stdbool.h>

struct driver; /* private: driver.h */

struct store {
	int datafd;		     /* the data-root; borrowed */
	int driverfd;		     /* <data-root>/<driver>, owned */
	char *root;		     /* the data-root's absolute path */
	const struct driver *driver; /* overlay2, vfs, … */
	char draft_prefix[24];	     /* names of drafts below tmp/ begin with it ("" or "w0123abcd-"):
				      * store_attach() */
	bool single_id;		     /* only one id is mapped: chown to others is skipped, remembered in user xattrs */
};

/**
 * store_open() - Open the store, choosing the driver by trying
 * @datafd:	The data-root, borrowed for the life of the store
 * @root:	Its absolute path
 * @want:	Driver asked for by name, or NULL: the one whose data is there already, else the
 *		first of overlay2 (userxattr), fuse-overlayfs, btrfs, vfs that works
 *
 * Return: 0, or -1 with @e naming driver, reason and what to do
 */
int store_open(struct store *s, int datafd, const char *root, const char *want, struct err *e);
/* The same for a process that works for another one, which has this store open: the driver is known to
 * work, and all drafts get @prefix, so that they can be removed when the process dies. */
int store_attach(struct store *s, int datafd, const char *root, const char *driver, const char *prefix,
	struct err *e);
void store_close(struct store *s);
/* Remove the drafts of a process that has ended, by its prefix; waits for what it had unpacking to be
 * dead too. */
void store_discard_drafts(const struct store *s, const char *prefix);
const char *store_driver_name(const struct store *s);
/* Where an empty file lies as containers have it at @name ("etc/hosts"): see init_layer.c.  To free(). */
char *store_init_file(const struct store *s, const char *name);
/* Pairs for `docker info` ("Backing Filesystem", "Native Overlay Diff", …): [[name, value], …]. */
json_t *store_status(const struct store *s);

/* --- layers ------------------------------------------------------------------------------- */

struct layer_info {
	char diff_id[DIGEST_MAX];
	char parent[DIGEST_MAX]; /* chain id, or "" */
	int64_t size;		 /* bytes of file content in it */
	int64_t archive_size;	 /* bytes of its uncompressed tar; 0: not known */
};

void chain_id(const char *parent, const char *diff_id, char out[DIGEST_MAX]); /* parent "" or NULL: lowest */
bool layer_exists(const struct store *s, const char *chain);
int layer_stat(const struct store *s, const char *chain, struct layer_info *info, struct err *e);
/* Chain ids of all layers, as an array of strings. */
json_t *layer_list(const struct store *s);
int layer_remove(struct store *s, const char *chain, struct err *e);
/* What inspect shows as GraphDriver.Data: {"LowerDir", "MergedDir", "UpperDir", "WorkDir"} with
 * overlay2, or null. */
json_t *layer_graph(const struct store *s, const char *chain);

/* May layers of one image be unpacked in any order, side by side, or does a draft need its parent
 * committed before?  True for all there are: they keep a layer as what it changes. */
bool store_layers_independent(const struct store *s);

/**
 * layer_claim() - Be the one who makes a layer, of all processes that want to
 *
 * The claim is a lock: it goes with the descriptor, or with the process.  Who gets it looks whether the
 * layer is there by now.
 *
 * Return: a descriptor to close when the layer is committed or given up; -1 and EAGAIN: somebody else is
 * at it; another errno: claims do not work here, and everybody makes his own
 */
int layer_claim(const struct store *s, const char *chain);

struct layer_draft {
	char name[64];		  /* below tmp/ */
	char diff_id[DIGEST_MAX]; /* set by layer_unpack(): digest of the uncompressed tar */
	char blob[DIGEST_MAX];	  /* set by layer_unpack(): digest of the bytes as they came */
	int64_t size;		  /* bytes of file content */
	int64_t blob_size;	  /* bytes read */
	int64_t archive_size;	  /* bytes of the uncompressed tar */
};

/**
 * layer_unpack() - Unpack one layer archive into a new draft
 * @parent:	Chain id it goes on top of, or NULL; needed by drivers that copy
 * @fd:		The archive, a file, pipe or socket read to its end: a tar, plain or with gzip or
 *		zstd, told by magic, borrowed
 * @max:	Ceiling for unpacked content, bytes (0: what the file system has)
 * @d:		Filled in; commit or discard it
 *
 * The bytes are parsed in a process of their own (role ":unpack") that has nothing but @fd and the
 * draft directory: no network, no other files, its root is the draft.  Several may run at once.
 * Blocks until @fd ends.  On failure @fd is not read to its end: who writes into the other end of
 * a pipe gets EPIPE once the caller has closed this one.
 *
 * Return: 0, or -1 with nothing left behind.  An id the user namespace lacks: @e->code EINVAL, and
 * a hint with the line for /etc/subuid
 */
int layer_unpack(struct store *s, const char *parent, int fd, int64_t max, struct layer_draft *d,
	struct err *e);
/* Write a draft out now, so that layer_commit() has less to wait for.  May be left out. */
void layer_flush(const struct store *s, const struct layer_draft *d);
/* A draft of the same content as a layer that is there, to lie above other ones: d->blob is "". */
int layer_copy(struct store *s, const char *chain, struct layer_draft *d, struct err *e);
/* Make it the layer chain_id(parent, d->diff_id), written to @chain.  Synced so that it survives a
 * power cut.  The draft is used up in any case. */
int layer_commit(struct store *s, const char *parent, struct layer_draft *d, char chain[DIGEST_MAX],
	struct err *e);
void layer_discard(struct store *s, struct layer_draft *d);

/* Write the layer's archive to @fd, uncompressed: the very bytes it was unpacked from (its digest is
 * the diff_id), made again from its files.  An error if these were changed. */
int layer_pack(struct store *s, const char *chain, int fd, struct err *e);
/* The same, piece by piece to a function. */
int layer_pack_to(struct store *s, const char *chain,
	int (*put)(void *arg, const void *p, size_t n, struct err *e), void *arg, struct err *e);

/* Archives the layer is known as in registries, the latest first: an array of {"digest":"sha256:…",
 * "size":bytes, "type":media type, "from":["host/repository", …]} (new reference), empty if none.
 * Only a note of what was seen: it does not make the archive. */
json_t *layer_archives(const struct store *s, const char *chain);
/* Note that @repo ("host/repository") has the layer as that archive. */
int layer_archive_add(struct store *s, const char *chain, const char *digest, int64_t size, const char *type,
	const char *repo, struct err *e);

/* --- root filesystems of containers ------------------------------------------------------- */

/* Make container @id's writable layer over @chain ("" or NULL: an empty image).  Below the image lies
 * what containers are mounted into (/proc, /dev/pts, /etc/hosts, .dockerenv, …), as far as the image
 * lacks it: the runtime need not make it, and it is no change.  @e->kind ERR_CONFLICT: it exists. */
int rootfs_create(struct store *s, const char *id, const char *chain, struct err *e);
/* That there is none is success: an earlier removal may have come that far before it was killed. */
int rootfs_remove(struct store *s, const char *id, struct err *e);
/* How to mount it: an object for rootfs_mount(), plain text and paths, valid in any process.
 * {"driver":"overlay2", "lower":["/top layer", …], "upper":"/…", "work":"/…"}, {"driver":"vfs",
 * "tree":"/…"}.  A caller may add "volatile":true where nothing written needs to survive a crash of
 * the machine (--rm): overlayfs then does not write out the whole file system when it is unmounted. */
json_t *rootfs_describe(struct store *s, const char *id, struct err *e);
/* How to mount an image as it is, for reading, without a container: an object for rootfs_mount(). The
 * layers have to be pinned for as long as it is used.  overlayfs wants two of them: where "lower" has
 * fewer, the caller adds an empty directory.  ERR_NOT_SUPPORTED with a driver other than overlay2. */
json_t *layer_describe(struct store *s, const char *chain, struct err *e);
/* Is there a regular file of that name ("a/b", no symlinks on the way) in a root filesystem that was
 * not mounted yet? */
bool rootfs_has_file(struct store *s, const char *id, const char *path);
/**
 * rootfs_mount() - Mount a described root filesystem in the calling process's mount namespace
 * @target:	Directory to mount on
 * @readonly:	Mount it read-only
 *
 * May change the working directory.  Called between clone and exec of a single-threaded process.
 */
int rootfs_mount(const json_t *desc, const char *target, bool readonly, struct err *e);
/* With fuse-overlayfs a process has to stay beside the mount, and must not be one of the container's. */
bool rootfs_is_served(const json_t *desc);
/* Then: start it, and return the mount, detached (for move_mount(2)), or -1 with @e.  The process is nobody's
 * child and ends with the mount.  For single-threaded callers. */
int rootfs_serve(const json_t *desc, struct err *e);
/* Bytes and inodes the container has written. */
int rootfs_usage(struct store *s, const char *id, int64_t *bytes, int64_t *inodes, struct err *e);
/* `docker diff`: array of {"Path": "/x", "Kind": 0 modified, 1 added, 2 deleted}, sorted by path. */
json_t *rootfs_changes(struct store *s, const char *id, struct err *e);
/* What `commit` makes a layer of: the written part as an uncompressed OCI layer tar to @fd. */
int rootfs_pack_changes(struct store *s, const char *id, int fd, struct err *e);

/* Role ":unpack": see layer_unpack(). */
int unpack_role_main(int argc, char **argv);

#endif
