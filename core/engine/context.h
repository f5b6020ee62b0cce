/* SPDX-License-Identifier: MIT */
/*
 * core/engine/context.h - the archive that COPY and ADD of a build take files from
 *
 * A context is a plain tar in an unnamed file: what a client sent, or what was read out of a container.
 * It is never unpacked where it lies; each look at it is a process of its own without any powers (role
 * ":context", context_role.c), and what is copied goes as an archive from there into the process that
 * works on the container's files (archive.h).
 */
#ifndef ENGINE_CONTEXT_H
#define ENGINE_CONTEXT_H

#include "engine/archive.h"
#include "engine/images.h"

/* Take in an archive, compressed or not, from @in (a pipe, to its end). A descriptor, or -1 with @e. */
int context_take(struct engine *en, int in, struct err *e);
/* Fetch one from a URL: an archive, or else a Dockerfile alone. @client is told how far it is. */
int context_fetch(struct engine *en, const char *url, const struct image_client *client, struct err *e);
/* The text of a file; ERR_NOT_FOUND if there is none. */
int context_file(struct engine *en, int context, const char *path, struct buf *text, struct err *e);

/* Which of the Dockerfile and .dockerignore themselves the latter leaves out of what is copied: it is obeyed
 * by who makes the archive, except that these two are needed here.  An array of paths, a new reference. */
json_t *context_hidden(struct engine *en, int context, const char *dockerfile, struct err *e);

/**
 * context_match() - What sources of COPY or ADD name
 * @hidden:	Paths that are treated as not there; or NULL
 * @patterns:	Array of paths below the context's root, as Go's filepath.Match has them
 * @sniff:	Look whether files are archives themselves
 *
 * Return: an array of {"path", "dir", "hash", "archive"}, a new reference, or NULL with @e in Docker's
 * words: ERR_NOT_FOUND where a name stands for nothing
 */
json_t *context_match(struct engine *en, int context, const json_t *hidden, const json_t *patterns, bool sniff,
	struct err *e);

/* Write to @out (a pipe, closed after) an archive with the file @path as @to, or what is below the directory
 * @path with its names below @to ("": none in front).  All belongs to uid and gid 0. */
int context_pack(struct engine *en, int context, const json_t *hidden, const char *path, const char *to, int out,
	struct err *e);
/* The same with the file's content alone. */
int context_content(struct engine *en, int context, const char *path, int out, struct err *e);

/* --- between the engine and the role, private -------------------------------------------------- */

enum { CONTEXT_REQUEST_FD = 3, CONTEXT_REPORT_FD, CONTEXT_DATA_FD, CONTEXT_ARCHIVE_FD, CONTEXT_ROOT_FD,
	CONTEXT_FDS_END = CONTEXT_ROOT_FD };
#define CONTEXT_FILE_MAX (1 << 20) /* bytes of a Dockerfile */

int context_role_main(int argc, char **argv);

#endif
